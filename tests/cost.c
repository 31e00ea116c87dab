// SPDX-License-Identifier: GPL-2.0-only
/*
 * What strangers' grants of a secret cost those who use the secret: ACQUIRE and
 * RELEASE are measured without such grants, with ten thousand that only exist,
 * and with ten thousand that hold the secret as well. Under tests/vm/run
 * --icount, as tests/run runs this, time is counted in instructions. Also, what
 * it costs to create and close secrets when pages leave the direct map.
 *
 * VM: --icount --mem 1G
 */
#include <sys/resource.h>

#include "peer.h"

#define STRANGERS 10000
#define SAMPLES 201
#define LENGTH 32

/* So much more a release may cost: room for noise, not for a walk of a list. */
#define RATIO_MOST 1.25

/* The most that CREATE and CLOSE with removal may cost, of those without. */
#define REMOVAL_MOST 1.3
#define REMOVED 512

struct cost {
	int64_t acquire, release;
	int64_t late; /* a release behind the strangers' acquires */
};

struct user {
	const char *name;
	int fd;
	struct cost none, idle, holding;
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Measures medians: an interrupt may come in between. */
static int measure(int fd, uint64_t handle, struct cost *cost)
{
	int64_t acquires[SAMPLES], releases[SAMPLES], t[3];
	struct secmem_acquire_args a;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		t[0] = ticks();
		if (sm_acquire_at(fd, handle, SECMEM_READ, 0, &a))
			return -1;
		t[1] = ticks();
		if (sm_release(fd, handle))
			return -1;
		t[2] = ticks();
		acquires[i] = t[1] - t[0];
		releases[i] = t[2] - t[1];
	}
	qsort(acquires, SAMPLES, sizeof(acquires[0]), compare);
	qsort(releases, SAMPLES, sizeof(releases[0]), compare);
	cost->acquire = acquires[SAMPLES / 2];
	cost->release = releases[SAMPLES / 2];
	return 0;
}

/* The strangers are one process with STRANGERS grants, and views of them. */

static int grants[STRANGERS];

struct strangers {
	int ready, go;
	uint64_t handle;
};

static int strangers_run(void *arg)
{
	struct strangers *s = arg;
	struct secmem_acquire_args a;
	struct secmem_status st;
	int i;

	for (i = 0; i < STRANGERS; i++)
		if (sm_stat(grants[i], s->handle, &st))
			return 2;
	if (sm_event_set(s->ready) || sm_event_wait(s->go))
		return 3;
	for (i = 0; i < STRANGERS; i++)
		if (sm_map(grants[i], 3 * SM_PAGE, PROT_READ) == MAP_FAILED ||
		    sm_acquire_at(grants[i], s->handle, SECMEM_READ, 0, &a))
			return 4;
	if (sm_event_set(s->ready))
		return 5;
	pause();
	return 6;
}

static int strangers_start(int fd, struct strangers *s, pid_t *pid)
{
	int i, err;

	for (i = 0; i < STRANGERS; i++) {
		err = sm_export(fd, s->handle,
				SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
				&grants[i]);
		if (err)
			return err;
	}
	*pid = sm_fork(strangers_run, s);
	for (i = 0; i < STRANGERS; i++)
		close(grants[i]);
	return *pid < 0 ? -errno : 0;
}

static double ratio(int64_t with, int64_t without)
{
	return (double)with / without;
}

static int report(const struct user *user)
{
	double idle = ratio(user->idle.release, user->none.release);
	double holding = ratio(user->holding.release, user->none.release);
	double late = ratio(user->holding.late, user->none.release);

	printf("# %s: RELEASE %lld alone, %lld beside %d strangers' grants "
	       "(%.3f), %lld when they hold it (%.3f)\n",
	       user->name, (long long)user->none.release,
	       (long long)user->idle.release, STRANGERS, idle,
	       (long long)user->holding.release, holding);
	printf("# %s: RELEASE %lld of an access from before theirs (%.3f)\n",
	       user->name, (long long)user->holding.late, late);
	printf("# %s: ACQUIRE %lld, %lld (%.3f), %lld (%.3f)\n", user->name,
	       (long long)user->none.acquire, (long long)user->idle.acquire,
	       ratio(user->idle.acquire, user->none.acquire),
	       (long long)user->holding.acquire,
	       ratio(user->holding.acquire, user->none.acquire));
	return idle <= RATIO_MOST && holding <= RATIO_MOST &&
	       late <= 2 * RATIO_MOST;
}

/* The time from open to close of a vault with REMOVED secrets; or -errno. */
static int64_t removal_measure(const char *parameters)
{
	uint64_t handles[REMOVED];
	int64_t began;
	int err, fd, i;

	err = sm_reload(parameters);
	if (err)
		return err;
	began = ticks();
	fd = sm_open();
	for (i = 0; i < REMOVED && !err; i++)
		err = sm_create(fd, LENGTH, &handles[i]);
	for (i = 0; i < REMOVED && !err; i++)
		err = sm_close(fd, handles[i]);
	close(fd);
	return err ?: (ticks() - began) / REMOVED;
}

/* This is called before anything else holds the module, which it loads anew. */
static void removal_report(unsigned int number)
{
	static const char *name = "cost.removal_adds_less_than_a_third";
	int64_t without = removal_measure("directmap=off");
	int64_t with = removal_measure("directmap=require");

	if (with == -EOPNOTSUPP) {
		sm_module_load(SM_MODULE, "");
		printf("ok %u %s # SKIP no page leaves the direct map here\n",
		       number, name);
		return;
	}
	printf("# CREATE and CLOSE, one of %d: %lld without removal, %lld with it (%.3f)\n",
	       REMOVED, (long long)without, (long long)with,
	       ratio(with, without));
	printf("%sok %u %s\n",
	       without > 0 && with > 0 && ratio(with, without) <= REMOVAL_MOST ?
		       "" :
		       "not ",
	       number, name);
}

static int bail(const char *what, int err)
{
	printf("Bail out! %s: %d\nnot ok 1 %s\n", what, err, what);
	return 1;
}

int main(void)
{
	struct user users[] = {
		{ .name = "first_file" },
		{ .name = "grant_of_the_secret" },
		{ .name = "grant_of_the_vault" },
	};
	struct strangers s = { .ready = sm_event(), .go = sm_event() };
	struct rlimit limit = { 2 * STRANGERS, 2 * STRANGERS };
	struct sm_vault v;
	unsigned int i;
	int err, bad = 0;
	pid_t pid;

	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(users) + 1);
	removal_report(ARRAY_SIZE(users) + 1);
	err = sm_vault_open(&v);
	if (!err)
		err = sm_create(v.fd, LENGTH, &s.handle);
	if (err || setrlimit(RLIMIT_NOFILE, &limit))
		return bail("a vault", err);
	users[0].fd = v.fd;
	err = sm_export(v.fd, s.handle, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
			&users[1].fd);
	if (!err)
		err = sm_export(v.fd, SECMEM_HANDLE_NONE,
				SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
				&users[2].fd);
	if (err)
		return bail("export", err);
	for (i = 1; i < ARRAY_SIZE(users); i++)
		if (sm_map(users[i].fd, 16 * SM_PAGE, PROT_READ) == MAP_FAILED)
			return bail("mmap", -errno);

	for (i = 0; i < ARRAY_SIZE(users); i++)
		if (measure(users[i].fd, s.handle, &users[i].none))
			return bail("measure", 0);
	err = strangers_start(v.fd, &s, &pid);
	if (err)
		return bail("strangers", err);
	if (sm_event_wait(s.ready))
		return bail("strangers' grants", -1);
	for (i = 0; i < ARRAY_SIZE(users); i++)
		if (measure(users[i].fd, s.handle, &users[i].idle))
			return bail("measure", 1);
	for (i = 0; i < ARRAY_SIZE(users); i++)
		if (sm_acquire(users[i].fd, s.handle, SECMEM_READ, NULL))
			return bail("acquire", 0);
	sm_event_set(s.go);
	if (sm_event_wait(s.ready))
		return bail("strangers' accesses", -1);
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].holding.late = ticks();
		if (sm_release(users[i].fd, s.handle))
			return bail("release", 0);
		users[i].holding.late = ticks() - users[i].holding.late;
	}
	for (i = 0; i < ARRAY_SIZE(users); i++)
		if (measure(users[i].fd, s.handle, &users[i].holding))
			return bail("measure", 2);
	kill(pid, SIGKILL);
	sm_reap(pid);
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		err = !report(&users[i]);
		printf("%sok %u cost.%s_pays_nothing_for_strangers\n",
		       err ? "not " : "", i + 1, users[i].name);
		bad += err;
	}
	return bad > 0;
}
