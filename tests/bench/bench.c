// SPDX-License-Identifier: GPL-2.0-only
/*
 * What secmem costs beside what people use today. Each way (ways.c) has a
 * process of its own. They take turns, sample by sample, so that what changes
 * with time changes for all of them. A row of results is a JSON object on a
 * line.
 *
 *	bench [--short] [--counted] [--label TEXT] [--ways A,B] [--most N]
 *	      SECTION...
 *
 * Time is CLOCK_MONOTONIC_RAW in nanoseconds. In a guest that counts
 * instructions (--counted says so) a nanosecond is one instruction.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ways.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE 4096
#define THREADS_MOST 8

static bool brief, counted;
static unsigned int scale_most = 1000000;
static const char *label = "", *chosen;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The interrupts so far by which one processor made others flush their TLBs. */
static int64_t tlb_interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	int64_t sum = 0;
	char line[512], *at, *end;

	while (file && fgets(line, sizeof(line), file)) {
		at = strstr(line, "TLB:");
		if (!at)
			continue;
		for (at += 4;; at = end) {
			long long n = strtoll(at, &end, 10);

			if (end == at)
				break;
			sum += n;
		}
	}
	if (file)
		fclose(file);
	return sum;
}

/* The works that are measured: what is done with items, a number of times. */

enum work {
	PAIR_READ,
	PAIR_WRITE,
	NESTED,
	CHANGE,
	COPY_OUT,
	COPY_IN,
	CREATE_DESTROY,
	CREATE,
	DESTROY,
	WORKS
};

struct ask {
	enum work work;
	size_t length;
	unsigned int times;
	unsigned int threads; /* of so many threads; 0: the process alone */
	bool shared; /* all of them with one item */
	bool held; /* the item is open all the time */
	bool spinner; /* another thread only runs */
	bool partner; /* a forked process does it, too */
	unsigned int scale; /* with a random one of so many items */
};

struct told {
	int error;
	int64_t time;
	int64_t operations;
	int64_t interrupts;
	/* scale */
	int64_t made, memory, areas, creation;
};

/* The worker: a process of one way. */

static const struct way *way;
static sigjmp_buf escape;
static volatile sig_atomic_t escape_armed;

static void fault_caught(int signal)
{
	if (escape_armed)
		siglongjmp(escape, signal);
	_exit(100 + signal);
}

static unsigned char touch(const struct item *item, bool write)
{
	volatile unsigned char *data = item->data;
	size_t pages = item_pages(item), i;
	unsigned char sum = 0;

	for (i = 0; i < pages; i++) {
		size_t at = i * PAGE < item->length ? i * PAGE :
						      item->length - 1;

		if (write)
			data[at] = i;
		else
			sum += data[at];
	}
	return sum;
}

static int pair(struct item *item, bool write)
{
	int ret = way->open(item, write);

	if (ret)
		return ret;
	touch(item, write);
	return way->shut(item);
}

/* An item that is open to be read is written, and read on. */
static int change(struct item *item)
{
	int ret = way->change(item, true);

	if (ret)
		return ret;
	touch(item, true);
	ret = way->change(item, false);
	touch(item, false);
	return ret;
}

static int copy_out(struct item *item, void *buffer, size_t length)
{
	int ret;

	if (way->read)
		return way->read(item, buffer, length);
	ret = way->open(item, false);
	if (ret)
		return ret;
	memcpy(buffer, item->data, length);
	return way->shut(item);
}

static int copy_in(struct item *item, const void *buffer, size_t length)
{
	int ret;

	if (way->write)
		return way->write(item, buffer, length);
	ret = way->open(item, true);
	if (ret)
		return ret;
	memcpy(item->data, buffer, length);
	return way->shut(item);
}

static int create(struct item *item, size_t length)
{
	int signal = sigsetjmp(escape, 1), ret;

	if (signal)
		return -1000 - signal;
	escape_armed = 1;
	ret = way->create(item, length);
	escape_armed = 0;
	return ret;
}

static bool offered(const struct ask *ask)
{
	switch (ask->work) {
	case PAIR_READ:
	case PAIR_WRITE:
		return way->open;
	case NESTED:
		return way->open && way->counts;
	case CHANGE:
		return way->change;
	case COPY_OUT:
		return way->open || way->read;
	case COPY_IN:
		return way->open || way->write;
	default:
		return way->create;
	}
}

static int repeat(const struct ask *ask, struct item *item)
{
	static __thread unsigned char buffer[16 * PAGE];
	struct item fresh;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ask->times && !ret; i++) {
		switch (ask->work) {
		case PAIR_READ:
		case NESTED:
			ret = pair(item, false);
			break;
		case PAIR_WRITE:
			ret = pair(item, true);
			break;
		case CHANGE:
			ret = change(item);
			break;
		case COPY_OUT:
			ret = copy_out(item, buffer, ask->length);
			break;
		case COPY_IN:
			ret = copy_in(item, buffer, ask->length);
			break;
		case CREATE_DESTROY:
			ret = create(&fresh, ask->length);
			if (!ret)
				ret = way->destroy(&fresh);
			break;
		default:
			return -EINVAL;
		}
	}
	return ret;
}

/* Times creations and ends apart: all creations first, then all ends. */
static int create_many(const struct ask *ask, struct told *told)
{
	struct item *items = calloc(ask->times, sizeof(*items));
	int64_t began = now(), created;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ask->times && !ret; i++)
		ret = create(&items[i], ask->length);
	created = now();
	for (i = 0; i < ask->times && !ret; i++)
		ret = way->destroy(&items[i]);
	told->time = ask->work == CREATE ? created - began : now() - created;
	told->operations = ask->times;
	free(items);
	return ret;
}

/*
 * Items that stay from sample to sample, by length and number. If two
 * neighbours had one VMA, opening one would split it; that is the cost of many
 * items (SCALE), not of one.
 */
static int item_kept(size_t length, unsigned int number, struct item **item)
{
	static struct item items[8][THREADS_MOST];
	static size_t lengths[8];
	unsigned int i;

	for (i = 0; lengths[i] && lengths[i] != length; i++)
		;
	lengths[i] = length;
	*item = &items[i][number];
	if ((*item)->length)
		return 0;
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		return -errno;
	return create(*item, length);
}

struct thread {
	pthread_t thread;
	const struct ask *ask;
	struct item *item;
	pthread_barrier_t *start;
	int ret;
	int64_t end;
};

static void *thread_run(void *argument)
{
	struct thread *thread = argument;

	pthread_barrier_wait(thread->start);
	thread->ret = repeat(thread->ask, thread->item);
	thread->end = now();
	return NULL;
}

static int repeat_threads(const struct ask *ask, struct told *told)
{
	struct thread threads[THREADS_MOST];
	pthread_barrier_t start;
	int64_t began, end = 0;
	unsigned int i;
	int ret = 0;

	pthread_barrier_init(&start, NULL, ask->threads + 1);
	for (i = 0; i < ask->threads; i++) {
		threads[i].ask = ask;
		threads[i].start = &start;
		ret = item_kept(ask->length, ask->shared ? 0 : i,
				&threads[i].item);
		if (ret)
			return ret;
	}
	for (i = 0; i < ask->threads; i++)
		if (pthread_create(&threads[i].thread, NULL, thread_run,
				   &threads[i]))
			_exit(99);
	told->interrupts = -tlb_interrupts();
	began = now();
	pthread_barrier_wait(&start);
	for (i = 0; i < ask->threads; i++) {
		pthread_join(threads[i].thread, NULL);
		ret = ret ?: threads[i].ret;
		if (threads[i].end > end)
			end = threads[i].end;
	}
	told->interrupts += tlb_interrupts();
	told->time = end - began;
	told->operations = (int64_t)ask->times * ask->threads;
	pthread_barrier_destroy(&start);
	return ret;
}

static atomic_int spinning;

static void *spin(void *argument)
{
	atomic_store(&spinning, 1);
	while (atomic_load_explicit(&spinning, memory_order_relaxed) == 1)
		;
	return argument;
}

static int repeat_alone(const struct ask *ask, struct item *item,
			struct told *told)
{
	pthread_t spinner;
	int ret;

	if (ask->spinner) {
		if (pthread_create(&spinner, NULL, spin, NULL))
			return -EAGAIN;
		while (!atomic_load(&spinning))
			sched_yield();
	}
	told->interrupts = -tlb_interrupts();
	told->time = -now();
	ret = repeat(ask, item);
	told->time += now();
	told->interrupts += tlb_interrupts();
	told->operations = ask->times;
	if (ask->spinner) {
		atomic_store(&spinning, 2);
		pthread_join(spinner, NULL);
		atomic_store(&spinning, 0);
	}
	return ret;
}

/* A forked process does the same with the same secret at the same time. */
static int repeat_partner(const struct ask *ask, struct item *item,
			  struct told *told)
{
	int sockets[2], status, ret;
	char byte = 0;
	pid_t pid;

	if (!way->share)
		return -EOPNOTSUPP;
	ret = way->share(item);
	if (ret)
		return ret;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -errno;
	pid = fork();
	if (!pid) {
		ret = way->adopt(item) ?: pair(item, false);
		if (write(sockets[1], &byte, 1) != 1 ||
		    read(sockets[1], &byte, 1) != 1)
			_exit(1);
		_exit(ret || repeat(ask, item));
	}
	if (pid < 0 || read(sockets[0], &byte, 1) != 1)
		return -EPIPE;
	told->interrupts = -tlb_interrupts();
	told->time = -now();
	if (write(sockets[0], &byte, 1) != 1)
		return -EPIPE;
	ret = repeat(ask, item);
	waitpid(pid, &status, 0);
	told->time += now();
	told->interrupts += tlb_interrupts();
	told->operations = 2 * (int64_t)ask->times;
	close(sockets[0]);
	close(sockets[1]);
	return ret ?: status ? -EPIPE : 0;
}

/* Scale: one process that keeps more and more items. */

static int64_t memory_used(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	long long total = 0, unused = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "MemTotal: %lld", &total);
		sscanf(line, "MemFree: %lld", &unused);
	}
	if (file)
		fclose(file);
	return (total - unused) * 1024;
}

static int64_t areas_used(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	int64_t lines = 0;
	int c;

	while (file && (c = getc_unlocked(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

static int scale(const struct ask *ask, struct told *told)
{
	static struct item *items;
	static unsigned int made;
	static int64_t memory, areas;
	static int error;
	uint64_t random = 88172645463325252ULL;
	int64_t began = now();
	unsigned int i, before = made;
	int ret = 0;

	if (!items) {
		items = mmap(NULL, ask->scale * sizeof(*items),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (items == MAP_FAILED)
			return -errno;
		memory = memory_used();
		areas = areas_used();
	}
	while (made < ask->times && !error) {
		error = create(&items[made], ask->length);
		if (!error)
			made++;
	}
	if (made > before)
		told->creation = (now() - began) / (made - before);
	told->made = made;
	told->memory = memory_used() - memory;
	told->areas = areas_used() - areas;
	if (!made || !way->open)
		return error;
	/* Enough pairs that all page tables are there. */
	for (i = 0; i < made && !ret; i += 64)
		ret = pair(&items[i], false);
	told->operations = brief ? 50 : 2000;
	told->time = -now();
	for (i = 0; i < told->operations && !ret; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		ret = pair(&items[random % made], false);
	}
	told->time += now();
	return ret ?: error;
}

static int serve(const struct ask *ask, struct told *told)
{
	struct item *item;
	int ret;

	if (!offered(ask))
		return -EOPNOTSUPP;
	if (ask->scale)
		return scale(ask, told);
	if (ask->work == CREATE || ask->work == DESTROY)
		return create_many(ask, told);
	ret = item_kept(ask->length, 0, &item);
	if (ret)
		return ret;
	if (ask->held || ask->work == NESTED || ask->work == CHANGE) {
		ret = way->open(item, false);
		if (ret)
			return ret;
	}
	if (ask->partner)
		ret = repeat_partner(ask, item, told);
	else if (ask->threads)
		ret = repeat_threads(ask, told);
	else
		ret = repeat_alone(ask, item, told);
	if (ask->held || ask->work == NESTED || ask->work == CHANGE)
		ret = ret ?: way->shut(item);
	return ret;
}

static void work_on(int socket, size_t items)
{
	int ready;
	struct told told;
	struct ask ask;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, fault_caught);
	signal(SIGSEGV, fault_caught);
	ready = way->prepare ? way->prepare(items) : 0;
	while (read(socket, &ask, sizeof(ask)) == sizeof(ask)) {
		memset(&told, 0, sizeof(told));
		told.error = ready ?: serve(&ask, &told);
		if (write(socket, &told, sizeof(told)) != sizeof(told))
			_exit(1);
	}
	_exit(0);
}

/* The parent asks one worker after the other, and prints the results. */

struct worker {
	const struct way *way;
	pid_t pid;
	int socket;
};

static int worker_start(struct worker *worker, const struct way *of,
			size_t items)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	fflush(stdout);
	worker->way = way = of;
	worker->pid = fork();
	if (worker->pid < 0)
		return -errno;
	if (!worker->pid) {
		close(sockets[0]);
		work_on(sockets[1], items);
	}
	close(sockets[1]);
	worker->socket = sockets[0];
	return 0;
}

static void worker_ask(struct worker *worker, const struct ask *ask,
		       struct told *told)
{
	memset(told, 0, sizeof(*told));
	if (write(worker->socket, ask, sizeof(*ask)) != sizeof(*ask) ||
	    read(worker->socket, told, sizeof(*told)) != sizeof(*told))
		told->error = -EPIPE;
}

static void worker_stop(struct worker *worker)
{
	close(worker->socket);
	waitpid(worker->pid, NULL, 0);
}

static bool way_chosen(const struct way *of)
{
	const char *at = chosen;
	size_t n = strlen(of->name);

	if (!chosen)
		return true;
	while ((at = strstr(at, of->name))) {
		if ((at == chosen || at[-1] == ',') && (!at[n] || at[n] == ','))
			return true;
		at += n;
	}
	return false;
}

static const char *error_name(int error)
{
	if (error <= -1000)
		return error == -1000 - SIGBUS ? "SIGBUS" : "SIGSEGV";
	return strerrorname_np(-error) ?: "?";
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void row_begin(const char *section, const char *work,
		      const struct way *of)
{
	printf("{\"section\":\"%s\",\"work\":\"%s\",\"way\":\"%s\"", section,
	       work, of->name);
	printf(",\"unit\":\"%s\",\"label\":\"%s\"", counted ? "insn" : "ns",
	       label);
}

#define ROUNDS_MOST 101

struct series {
	double time[ROUNDS_MOST], interrupts[ROUNDS_MOST];
	unsigned int count;
	int error;
};

static void series_add(struct series *series, const struct told *told)
{
	if (told->error)
		series->error = told->error;
	else if (series->count < ROUNDS_MOST) {
		series->time[series->count] =
			(double)told->time / told->operations;
		series->interrupts[series->count++] =
			(double)told->interrupts / told->operations;
	}
}

static void series_print(struct series *series)
{
	unsigned int n = series->count;

	if (series->error || !n) {
		printf(",\"error\":\"%s\"}\n", error_name(series->error));
		return;
	}
	printf(",\"samples\":[");
	for (unsigned int i = 0; i < n; i++)
		printf("%s%.1f", i ? "," : "", series->time[i]);
	qsort(series->time, n, sizeof(double), compare);
	qsort(series->interrupts, n, sizeof(double), compare);
	printf("],\"median\":%.1f,\"low\":%.1f,\"high\":%.1f,"
	       "\"interrupts\":%.3f}\n",
	       series->time[n / 2], series->time[n / 4],
	       series->time[3 * n / 4], series->interrupts[n / 2]);
}

/* Measures one work: all ways in turn, for a number of rounds. */
static void compare_ways(const char *section, const char *work,
			 const struct ask *ask, struct worker *workers,
			 size_t count, unsigned int rounds)
{
	struct series *all = calloc(count, sizeof(*all));
	unsigned int round;
	struct told told;
	size_t i;

	for (round = 0; round < rounds + 1; round++) {
		for (i = 0; i < count; i++) {
			if (all[i].error)
				continue;
			worker_ask(&workers[i], ask, &told);
			/* The first round is to warm up. */
			if (round || told.error)
				series_add(&all[i], &told);
		}
	}
	for (i = 0; i < count; i++) {
		if (all[i].error == -EOPNOTSUPP)
			continue;
		row_begin(section, work, workers[i].way);
		printf(",\"length\":%zu,\"threads\":%u,\"spinner\":%s",
		       ask->length, ask->threads,
		       ask->spinner ? "true" : "false");
		series_print(&all[i]);
	}
	fflush(stdout);
	free(all);
}

static size_t workers_start(struct worker *workers)
{
	size_t i, count = 0;

	for (i = 0; i < way_count; i++)
		if (way_chosen(&ways[i]) &&
		    !worker_start(&workers[count], &ways[i], 1024))
			count++;
	return count;
}

static void workers_stop(struct worker *workers, size_t count)
{
	while (count--)
		worker_stop(&workers[count]);
}

static const struct {
	const char *name;
	enum work work;
	size_t length;
	unsigned int divide; /* done less often by this, as it takes longer */
} singles[] = {
	{ "pair, 1 page", PAIR_READ, 4000, 1 },
	{ "pair, 16 pages", PAIR_READ, 16 * PAGE - 96, 2 },
	{ "write pair, 1 page", PAIR_WRITE, 4000, 1 },
	{ "nested pair", NESTED, 4000, 1 },
	{ "switch to write and back, 1 page", CHANGE, 4000, 1 },
	{ "copy 32 bytes out", COPY_OUT, 32, 1 },
	{ "copy 32 bytes in", COPY_IN, 32, 1 },
	{ "copy 4 KiB out", COPY_OUT, PAGE, 1 },
	{ "copy 4 KiB in", COPY_IN, PAGE, 1 },
	{ "create and destroy, 1 page", CREATE_DESTROY, 32, 4 },
	{ "create, 1 page", CREATE, 32, 4 },
	{ "close, 1 page", DESTROY, 32, 4 },
};

static void section_single(bool spinner)
{
	struct worker workers[64];
	size_t count = workers_start(workers), i;
	unsigned int rounds = brief ? 3 : counted ? 15 : 41;
	unsigned int times = brief ? 20 : counted ? 100 : 400;

	for (i = 0; i < ARRAY_SIZE(singles); i++) {
		struct ask ask = {
			.work = singles[i].work,
			.length = singles[i].length,
			.times = times / singles[i].divide,
			.spinner = spinner,
		};

		if (spinner && i > 5)
			break;
		compare_ways(spinner ? "beside-a-thread" : "single",
			     singles[i].name, &ask, workers, count, rounds);
	}
	workers_stop(workers, count);
}

static void section_alone(void)
{
	section_single(false);
}

static void section_beside(void)
{
	section_single(true);
}

static void section_threads(void)
{
	static const struct {
		const char *name;
		bool shared, held;
	} kinds[] = {
		{ "own secrets", false, false },
		{ "one secret, held open", true, true },
		{ "one secret, not held open", true, false },
	};
	unsigned int rounds = brief ? 2 : 15, times = brief ? 20 : 600;
	struct worker workers[64], counts[64];
	size_t count = workers_start(workers), counting = 0, i;
	unsigned int kind, threads;

	for (i = 0; i < count; i++)
		if (workers[i].way->counts)
			counts[counting++] = workers[i];
	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		bool shared = kinds[kind].shared;

		for (threads = 1; threads <= THREADS_MOST; threads *= 2) {
			struct ask ask = {
				.work = PAIR_READ,
				.length = 4000,
				.times = times,
				.threads = threads,
				.shared = shared,
				.held = kinds[kind].held,
			};

			/*
			 * A way that does not count would shut the item under
			 * other threads.
			 */
			compare_ways("threads", kinds[kind].name, &ask,
				     shared ? counts : workers,
				     shared ? counting : count, rounds);
		}
	}
	for (threads = 1; threads <= THREADS_MOST; threads *= 2) {
		struct ask ask = {
			.work = COPY_OUT,
			.length = 32,
			.times = times,
			.threads = threads,
			.shared = true,
		};

		compare_ways("threads", "one secret, copied", &ask, counts,
			     counting, rounds);
	}
	workers_stop(workers, count);
}

static void section_processes(void)
{
	struct worker workers[64];
	size_t count = workers_start(workers);
	struct ask ask = {
		.work = PAIR_READ,
		.length = 4000,
		.times = brief ? 20 : 1000,
		.partner = true,
	};

	compare_ways("processes", "two processes, one secret", &ask, workers,
		     count, brief ? 2 : 11);
	workers_stop(workers, count);
}

/*
 * One way at a time, as two would take each other's memory. A way that stops
 * tells at which number of items, and with what error.
 */
static void section_scale(void)
{
	unsigned int most = brief ? 1000 : scale_most, n;
	struct worker worker;
	struct told told;
	size_t i;

	for (i = 0; i < way_count; i++) {
		const struct way *of = &ways[i];
		unsigned int limit = most;

		if (!way_chosen(of) || !of->create || of->lingers ||
		    !strncmp(of->name, "null", 4))
			continue;
		/* Other ways take too long, and most stop well before. */
		if (strncmp(of->name, "secmem", 6) && limit > 100000)
			limit = 100000;
		if (worker_start(&worker, of, limit))
			continue;
		for (n = 1; n <= limit; n *= 10) {
			struct ask ask = {
				.work = CREATE_DESTROY,
				.length = 32,
				.times = n,
				.scale = limit,
			};

			worker_ask(&worker, &ask, &told);
			row_begin("scale", "pair of one of many", of);
			printf(",\"wanted\":%u,\"made\":%lld", n,
			       (long long)told.made);
			if (told.time)
				printf(",\"median\":%.1f",
				       (double)told.time / told.operations);
			if (told.creation)
				printf(",\"creation\":%lld",
				       (long long)told.creation);
			if (told.made)
				printf(",\"memory\":%.1f,\"areas\":%.3f",
				       (double)told.memory / told.made,
				       (double)told.areas / told.made);
			if (told.error)
				printf(",\"error\":\"%s\"",
				       error_name(told.error));
			printf("}\n");
			fflush(stdout);
			if (told.error)
				break;
		}
		worker_stop(&worker);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} sections[] = {
	{ "single", section_alone },	{ "beside", section_beside },
	{ "threads", section_threads }, { "processes", section_processes },
	{ "scale", section_scale },
};

int main(int argc, char **argv)
{
	struct rlimit endless = { RLIM_INFINITY, RLIM_INFINITY };
	size_t i;
	int at;

	/* RLIMIT_MEMLOCK is lifted; scale tells which other limits are met. */
	setrlimit(RLIMIT_MEMLOCK, &endless);
	for (at = 1; at < argc; at++) {
		if (!strcmp(argv[at], "--short")) {
			brief = true;
		} else if (!strcmp(argv[at], "--counted")) {
			counted = true;
		} else if (!strcmp(argv[at], "--label") && at + 1 < argc) {
			label = argv[++at];
		} else if (!strcmp(argv[at], "--most") && at + 1 < argc) {
			scale_most = strtoul(argv[++at], NULL, 10);
		} else if (!strcmp(argv[at], "--ways") && at + 1 < argc) {
			chosen = argv[++at];
		} else {
			for (i = 0; i < ARRAY_SIZE(sections); i++)
				if (!strcmp(argv[at], sections[i].name))
					break;
			if (i == ARRAY_SIZE(sections)) {
				fprintf(stderr, "bench: no section %s\n",
					argv[at]);
				return 2;
			}
			sections[i].run();
		}
	}
	return 0;
}
