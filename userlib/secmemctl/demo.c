// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl demo: the ordinary ways of stealing a key, each really tried on a
 * process that holds one by malloc, in an mprotect'ed page, and in secmem, shut
 * and open.
 *
 * For each try a service of its own is forked, which reads the key from its
 * file. This process, which starts them all, never holds the key while it
 * does, lest they find it here.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "secmemctl.h"

/* Where some attack could not be tried; as mount(8) and others have it. */
#define EXIT_SOME 64

#define KEY_MIN 32
#define KEY_MAX 1024
#define RAM_MAX (4ULL << 30) /* more would take too long to search */

enum column { MALLOC, MPROTECT, SHUT, OPEN, COLUMNS };

/* What an attack got. */
enum loot {
	NOT_TRIED,
	THE_KEY,
	NOTHING,
	A_BYTE,
	STOPPED,
	NO_FD,
	BY_SIGSEGV,
	BY_EFAULT,
	BY_EIO,
	BY_EACCES,
	SOMETHING,
};

static const char *const loot_texts[] = {
	[NOT_TRIED] = "not tried",  [THE_KEY] = "THE KEY",
	[NOTHING] = "nothing",	    [A_BYTE] = "reads on",
	[STOPPED] = "stopped",	    [NO_FD] = "no fd",
	[BY_SIGSEGV] = "SIGSEGV",   [BY_EFAULT] = "EFAULT",
	[BY_EIO] = "EIO",	    [BY_EACCES] = "EACCES",
	[SOMETHING] = "unexpected",
};

/* A service that holds a key; memory that it shares with this process. */
struct service {
	pid_t pid;
	enum column column;
	unsigned char *key;
	size_t length;
	unsigned char *beside; /* ordinary memory in front of the key */
	int device;
	uint64_t handle;
	long result; /* of the last order: what a call returned, or -errno */
	int status; /* of a forked child */
	/* Where one says so, the key is this, inverted. */
	int inverted;
	unsigned char inverse[KEY_MIN];
};

static struct demo {
	const char *user;
	struct passwd *passwd;
	int color;
	int key; /* the key's file */
	size_t length;
	int loot; /* a memfd: what services were made to write */
	char directory[32];
	size_t page;
	uint64_t protections;
} demo;

static struct service *service;
static int order_fd, answer_fd;

/*
 * The service
 */

static void service_end(const char *what, int error)
{
	complain("the service: %s: %s", what, strerror(error));
	_exit(1);
}

static void service_read_key(unsigned char *to)
{
	size_t i;

	if (service->inverted)
		for (i = 0; i < service->length; i++)
			to[i] = ~service->inverse[i];
	else if (pread(demo.key, to, service->length, 0) !=
		 (ssize_t)service->length)
		service_end("reading the key", errno);
}

static void service_malloc(void)
{
	service->beside = malloc(64);
	do {
		service->key = malloc(service->length);
	} while (service->key && service->key < service->beside);
	if (!service->beside || !service->key)
		service_end("malloc", errno);
	service_read_key(service->key);
}

static unsigned char *service_page(void)
{
	return (unsigned char *)((uintptr_t)service->key & -demo.page);
}

/* As careful programs and libsodium do it: a buffer, guard, key, guard. */
static void service_mprotect(void)
{
	unsigned char *pages = mmap(NULL, 4 * demo.page, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	service->beside = pages;
	service->key = pages + 3 * demo.page - service->length;
	if (pages == MAP_FAILED ||
	    mprotect(pages, demo.page, PROT_READ | PROT_WRITE) ||
	    mprotect(service_page(), demo.page, PROT_READ | PROT_WRITE) ||
	    mlock(service_page(), demo.page) ||
	    madvise(service_page(), demo.page, MADV_DONTDUMP))
		service_end("mprotect", errno);
	service_read_key(service->key);
	if (mprotect(service_page(), demo.page, PROT_NONE))
		service_end("mprotect", errno);
}

/* Ordinary memory just below the view. */
static unsigned char *service_below(const unsigned char *address)
{
	unsigned char *below = MAP_FAILED;
	unsigned long from, to;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) != 2 ||
		    (uintptr_t)address < from || (uintptr_t)address >= to)
			continue;
		below = mmap((void *)(from - demo.page), demo.page,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     -1, 0);
	}
	if (below == MAP_FAILED)
		service_end("mapping a buffer below the view", errno);
	fclose(maps);
	return below;
}

/*
 * A copy of the file of the vault, which is the one that knows the handle: the
 * library closes its own in a forked child.
 */
static int service_device(void)
{
	struct secmem_status stat = { .size = sizeof(stat),
				      .handle = service->handle };
	int fd;

	for (fd = 0; fd < 1024; fd++)
		if (!ioctl(fd, SECMEM_IOC_STAT, &stat))
			return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	service_end("finding the vault's file", ENOENT);
	return -1;
}

static struct secmem_access service_access;
static secmem_secret_t service_secret;

/* Into the view, and from here on as the column says. */
static void service_secmem(void)
{
	int error;

	if (service->inverted) {
		error = secmem_create_zero(&service_secret, service->length,
					   NULL);
		if (!error)
			error = secmem_acquire(service_secret, SECMEM_WRITE,
					       SECMEM_FOREVER, &service_access);
		if (!error) {
			service_read_key(service_access.data);
			error = secmem_release(&service_access);
		}
	} else {
		lseek(demo.key, 0, SEEK_SET);
		error = secmem_create_from_fd(&service_secret, demo.key, 0,
					      NULL);
	}
	if (!error)
		error = secmem_acquire(service_secret, SECMEM_READ,
				       SECMEM_FOREVER, &service_access);
	if (error)
		service_end("secmem", -error);
	service->key = service_access.data;
	service->handle = service_secret.handle;
	service->device = service_device();
	service->beside = service_below(service->key);
	if (service->column == SHUT)
		secmem_release(&service_access);
}

/* To this process' loot, as a server's bug sends to its client. */
static void service_send(const unsigned char *from, size_t length)
{
	ssize_t sent = write(demo.loot, from, length);

	service->result = sent < 0 ? -errno : sent;
}

static void *service_thread(void *argument)
{
	unsigned char copy[KEY_MAX];
	size_t i;

	for (i = 0; i < service->length; i++)
		copy[i] = ((volatile unsigned char *)service->key)[i];
	service_send(copy, service->length);
	return argument;
}

/* The child tries to open the key for itself, and then reads it. */
static void service_child(void)
{
	unsigned char copy[KEY_MAX];
	struct secmem_copy read = {
		.size = sizeof(read),
		.handle = service->handle,
		.deadline = SECMEM_FOREVER,
		.buffer = (uintptr_t)copy,
		.length = service->length,
	};

	switch (service->column) {
	case MALLOC:
		break;
	case MPROTECT:
		mprotect(service_page(), demo.page, PROT_READ);
		break;
	default:
		service->result = 0;
		if (ioctl(service->device, SECMEM_IOC_READ, &read))
			service->result = -errno;
		else
			service_send(copy, service->length);
		mprotect(service_page(), demo.page, PROT_READ);
		break;
	}
	copy[0] = *(volatile unsigned char *)service->key;
	service_send(service->key, service->length);
	_exit(copy[0] & 0);
}

static void service_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		service_end("fork", errno);
	if (!pid)
		service_child();
	waitpid(pid, &service->status, 0);
}

static void service_core(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (chdir(demo.directory) || setrlimit(RLIMIT_CORE, &all) ||
	    write(filter, "0x1ff", 5) != 5)
		service_end("asking for a core dump", errno);
	abort();
}

static void service_obey(char order)
{
	volatile unsigned char byte;
	pthread_t thread;

	switch (order) {
	case 'o':
		service_send(service->beside,
			     service->key + service->length - service->beside);
		break;
	case 'w':
		service_send(service->key, service->length);
		break;
	case 't':
		if (pthread_create(&thread, NULL, service_thread, NULL))
			service_end("pthread_create", errno);
		pthread_join(thread, NULL);
		break;
	case 'n':
		byte = ((volatile unsigned char *)service->key)[service->length];
		(void)byte;
		break;
	case 'f':
		service_fork();
		break;
	case 'c':
		service_core();
		break;
	}
}

static void service_main(void)
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	char order = 'r';

	if (setrlimit(RLIMIT_CORE, &none) &&
	    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }))
		service_end("setrlimit", errno);
	if (demo.passwd &&
	    (initgroups(demo.user, demo.passwd->pw_gid) ||
	     setgid(demo.passwd->pw_gid) || setuid(demo.passwd->pw_uid)))
		service_end("becoming its user", errno);
	/* As a service that was started by exec as that user. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);

	if (service->column == MALLOC)
		service_malloc();
	else if (service->column == MPROTECT)
		service_mprotect();
	else
		service_secmem();
	do {
		if (order != 'r')
			service_obey(order);
		if (write(answer_fd, &order, 1) != 1)
			break;
	} while (read(order_fd, &order, 1) == 1);
	_exit(0);
}

/*
 * Its end here
 */

static int service_start(enum column column, int inverted)
{
	int order[2], answer[2];
	char ready;
	pid_t pid;

	if (pipe2(order, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
		return -errno;
	memset(service, 0, sizeof(*service));
	service->column = column;
	service->device = -1;
	service->length = inverted ? KEY_MIN : demo.length;
	service->inverted = inverted;
	if (inverted && getentropy(service->inverse, sizeof(service->inverse)))
		return -errno;
	if (ftruncate(demo.loot, 0))
		return -errno;
	lseek(demo.loot, 0, SEEK_SET);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(order[1]);
		close(answer[0]);
		order_fd = order[0];
		answer_fd = answer[1];
		service_main();
	}
	close(order[0]);
	close(answer[1]);
	order_fd = order[1];
	answer_fd = answer[0];
	service->pid = pid;
	return read(answer_fd, &ready, 1) == 1 ? 0 : -ECHILD;
}

/* 0, or -ECHILD if it died of the order. */
static int service_tell(char order)
{
	char done;

	if (write(order_fd, &order, 1) != 1 || read(answer_fd, &done, 1) != 1)
		return -ECHILD;
	return 0;
}

/* It ends by itself when it gets no more orders, if it has not ended yet. */
static int service_stop(void)
{
	int status = 0;

	close(order_fd);
	waitpid(service->pid, &status, 0);
	close(answer_fd);
	return status;
}

/*
 * The attacks. Each has a service of its own before it.
 */

static enum loot loot_of_error(int error)
{
	switch (error) {
	case EFAULT:
		return BY_EFAULT;
	case EIO:
		return BY_EIO;
	case EACCES:
		return BY_EACCES;
	default:
		return SOMETHING;
	}
}

/* Whether the key is in these bytes: it is here for so long alone. */
static int key_in(const void *bytes, size_t length)
{
	void *key = mmap(NULL, demo.length, PROT_READ, MAP_SHARED, demo.key, 0);
	int found;

	if (key == MAP_FAILED)
		return 0;
	found = memmem(bytes, length, key, demo.length) != NULL;
	munmap(key, demo.length);
	return found;
}

static int key_in_file(int fd)
{
	struct stat stat;
	void *bytes;
	int found;

	if (fstat(fd, &stat) || !stat.st_size)
		return 0;
	bytes = mmap(NULL, stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return 0;
	found = key_in(bytes, stat.st_size);
	munmap(bytes, stat.st_size);
	return found;
}

/* What a service sent by write(2) when told to; or died of. */
static enum loot sent(char order)
{
	int died = service_tell(order);
	int status = died ? service_stop() : 0;

	if (died)
		service->pid = 0;
	if (key_in_file(demo.loot))
		return THE_KEY;
	if (died)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ?
			       BY_SIGSEGV :
			       SOMETHING;
	return service->result < 0 ? loot_of_error(-service->result) : STOPPED;
}

static enum loot attack_over_read(void)
{
	return sent('o');
}

static enum loot attack_wrong_pointer(void)
{
	return sent('w');
}

static enum loot attack_thread(void)
{
	return sent('t');
}

static enum loot attack_next_byte(void)
{
	enum loot loot = sent('n');

	return loot == STOPPED ? A_BYTE : loot;
}

static enum loot attack_child(void)
{
	if (service_tell('f'))
		return SOMETHING;
	if (key_in_file(demo.loot))
		return THE_KEY;
	if (!WIFSIGNALED(service->status) ||
	    WTERMSIG(service->status) != SIGSEGV)
		return SOMETHING;
	/* Through the file that it inherited, it was refused as well. */
	if (service->column >= SHUT && service->result != -EACCES)
		return SOMETHING;
	return BY_SIGSEGV;
}

static enum loot attack_fd(void)
{
	unsigned char copy[KEY_MAX];
	struct secmem_copy read = {
		.size = sizeof(read),
		.handle = service->handle,
		.deadline = SECMEM_FOREVER,
		.buffer = (uintptr_t)copy,
		.length = service->length,
	};
	struct secmem_info info = { .size = sizeof(info) };
	enum loot loot = SOMETHING;
	int pidfd, fd;
	void *view;

	if (service->device < 0)
		return NO_FD;
	pidfd = syscall(SYS_pidfd_open, service->pid, 0);
	fd = syscall(SYS_pidfd_getfd, pidfd, service->device, 0);
	if (fd < 0) {
		complain("pidfd_getfd: %s", strerror(errno));
		close(pidfd);
		return NOT_TRIED;
	}
	/* It is the file: it says what it offers, as it does to anybody. */
	if (ioctl(fd, SECMEM_IOC_INFO, &info))
		goto out;
	if (!ioctl(fd, SECMEM_IOC_READ, &read)) {
		loot = key_in(copy, demo.length) ? THE_KEY : SOMETHING;
		explicit_bzero(copy, sizeof(copy));
		goto out;
	}
	loot = loot_of_error(errno);
	view = mmap(NULL, demo.page, PROT_READ, MAP_SHARED, fd, 0);
	if (view != MAP_FAILED || errno != EACCES)
		loot = SOMETHING;
out:
	close(fd);
	close(pidfd);
	return loot;
}

static enum loot attack_debugger(void)
{
	unsigned char bytes[KEY_MAX + sizeof(long)];
	enum loot loot = NOTHING;
	size_t at;
	long word;

	if (ptrace(PTRACE_SEIZE, service->pid, 0, 0) ||
	    ptrace(PTRACE_INTERRUPT, service->pid, 0, 0) ||
	    waitpid(service->pid, NULL, 0) < 0) {
		complain("ptrace: %s", strerror(errno));
		return NOT_TRIED;
	}
	for (at = 0; at < demo.length; at += sizeof(word)) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, service->pid, service->key + at,
			      0);
		/* The last word, where a page ends before it does. */
		if (errno && at && at + sizeof(word) > demo.length) {
			at = demo.length - sizeof(word);
			errno = 0;
			word = ptrace(PTRACE_PEEKDATA, service->pid,
				      service->key + at, 0);
		}
		if (errno) {
			loot = loot_of_error(errno);
			break;
		}
		memcpy(bytes + at, &word, sizeof(word));
	}
	if (at && key_in(bytes, demo.length))
		loot = THE_KEY;
	explicit_bzero(bytes, sizeof(bytes));
	ptrace(PTRACE_DETACH, service->pid, 0, 0);
	return loot;
}

static enum loot attack_proc_mem(void)
{
	unsigned char bytes[KEY_MAX];
	enum loot loot = NOTHING;
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", service->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		complain("%s: %s", path, strerror(errno));
		return NOT_TRIED;
	}
	got = pread(fd, bytes, demo.length, (uintptr_t)service->key);
	if (got < 0)
		loot = loot_of_error(errno);
	else if (key_in(bytes, got))
		loot = THE_KEY;
	explicit_bzero(bytes, sizeof(bytes));
	close(fd);
	return loot;
}

/* The file that the kernel left in the service's directory. */
static int core_open(void)
{
	int directory = open(demo.directory, O_RDONLY | O_DIRECTORY), fd;
	char name[32];

	snprintf(name, sizeof(name), "core.%d", service->pid);
	fd = openat(directory, "core", O_RDONLY | O_CLOEXEC);
	unlinkat(directory, "core", 0);
	if (fd < 0)
		fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	unlinkat(directory, name, 0);
	close(directory);
	return fd;
}

static enum loot attack_core(void)
{
	enum loot loot = NOTHING;
	char pattern[2] = "|";
	int fd, status;

	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, pattern, 1) != 1)
		pattern[0] = '|';
	close(fd);
	if (strchr("|/\n", pattern[0]))
		return NOT_TRIED;
	service_tell('c');
	status = service_stop();
	fd = core_open();
	service->pid = 0;
	if (!WIFSIGNALED(status) || !WCOREDUMP(status) || fd < 0)
		return NOT_TRIED;
	if (key_in_file(fd))
		loot = THE_KEY;
	close(fd);
	return loot;
}

static int inverse_is(const unsigned char *bytes)
{
	size_t i;

	for (i = 0; i < sizeof(service->inverse); i++)
		if (bytes[i] != (unsigned char)~service->inverse[i])
			return 0;
	return 1;
}

/* One segment of RAM, in each page at the place that the key has in its own. */
static int kcore_search(int fd, const Elf64_Phdr *segment)
{
	uint64_t at = (uintptr_t)service->key & (demo.page - 1);
	unsigned char bytes[KEY_MIN];
	int found = 0;

	for (; !found && at + KEY_MIN <= segment->p_memsz; at += demo.page)
		found = pread(fd, bytes, sizeof(bytes),
			      segment->p_offset + at) == sizeof(bytes) &&
			inverse_is(bytes);
	explicit_bzero(bytes, sizeof(bytes));
	return found;
}

static enum loot attack_kcore(void)
{
	int fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC), i, found = 0;
	enum loot loot = NOT_TRIED;
	uint64_t searched = 0;
	Elf64_Phdr segment;
	Elf64_Ehdr header;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		goto out;
	for (i = 0; !found && i < header.e_phnum; i++) {
		if (pread(fd, &segment, sizeof(segment),
			  header.e_phoff + i * sizeof(segment)) !=
		    sizeof(segment))
			goto out;
		/* RAM as the kernel maps it all; its text is in there. */
		if (segment.p_type != PT_LOAD ||
		    segment.p_paddr == (uint64_t)-1 ||
		    segment.p_vaddr >= 0xffffffff80000000)
			continue;
		searched += segment.p_memsz;
		if (searched > RAM_MAX)
			goto out;
		found = kcore_search(fd, &segment);
	}
	if (found || searched)
		loot = found ? THE_KEY : NOTHING;
out:
	if (fd >= 0)
		close(fd);
	return loot;
}

/*
 * The table
 */

struct attack {
	const char *text;
	enum loot (*run)(void);
	int inverted;
	enum loot promised[COLUMNS];
};

static struct attack attacks[] = {
	{ "bug: sends far more than its buffer",
	  attack_over_read,
	  0,
	  { THE_KEY, STOPPED, STOPPED, STOPPED } },
	{ "bug: sends from the key's address",
	  attack_wrong_pointer,
	  0,
	  { THE_KEY, BY_EFAULT, BY_EFAULT, THE_KEY } },
	{ "bug: another thread reads the key",
	  attack_thread,
	  0,
	  { THE_KEY, BY_SIGSEGV, BY_SIGSEGV, THE_KEY } },
	{ "bug: reads one byte too far",
	  attack_next_byte,
	  0,
	  { A_BYTE, BY_SIGSEGV, BY_SIGSEGV, BY_SIGSEGV } },
	{ "a forked child opens and reads it",
	  attack_child,
	  0,
	  { THE_KEY, THE_KEY, BY_SIGSEGV, BY_SIGSEGV } },
	{ "a core dump",
	  attack_core,
	  0,
	  { THE_KEY, NOTHING, NOTHING, NOTHING } },
	{ "%s: a debugger (ptrace)",
	  attack_debugger,
	  0,
	  { THE_KEY, THE_KEY, BY_EIO, BY_EIO } },
	{ "%s: /proc/PID/mem",
	  attack_proc_mem,
	  0,
	  { THE_KEY, THE_KEY, BY_EIO, BY_EIO } },
	{ "%s: steals the fd (pidfd_getfd)",
	  attack_fd,
	  0,
	  { NO_FD, NO_FD, BY_EACCES, BY_EACCES } },
	{ "%s: searches RAM (/proc/kcore)",
	  attack_kcore,
	  1,
	  { THE_KEY, THE_KEY, THE_KEY, THE_KEY } },
};

/* Where secmem's pages are off the kernel's direct map. */
static void promise_no_ram(void)
{
	struct attack *attack = &attacks[ARRAY_SIZE(attacks) - 1];

	attack->promised[SHUT] = NOTHING;
	attack->promised[OPEN] = NOTHING;
}

static void cell_print(enum column column, enum loot loot, enum loot promised)
{
	const char *color = "\033[32m";
	char text[32];

	snprintf(text, sizeof(text), "%s%s", loot_texts[loot],
		 loot == promised || loot == NOT_TRIED ? "" : "!");
	if (loot == THE_KEY || loot == A_BYTE || loot == SOMETHING)
		color = "\033[31m";
	else if (loot == NOT_TRIED || loot == NO_FD)
		color = "\033[2m";
	if (demo.color)
		printf("%s%s\033[0m", color, text);
	else
		printf("%s", text);
	if (column < OPEN)
		printf("%*s", 12 - (int)strlen(text), "");
	fflush(stdout);
}

static void notes_print(int not_tried)
{
	printf("  mprotect: a locked page between guard pages, PROT_NONE while shut, as libsodium has it.\n"
	       "  SIGSEGV: the process was killed. EFAULT, EIO, EACCES: the kernel refused.\n"
	       "  stopped: at a guard page. open: while the service holds an access, it can leak the key.\n");
	if (!(demo.protections & 1ULL << SECMEM_PROT_DIRECT_MAP))
		printf("  /proc/kcore: secmem's pages stay in the kernel's own map of all RAM here.\n");
	if (not_tried)
		printf("  not tried: needs a core_pattern that is a plain name; root, and at most 4 GiB of RAM.\n");
}

static int table_print(void)
{
	unsigned int wrong = 0, not_tried = 0;
	const struct attack *attack;
	enum column column;
	enum loot loot;
	char text[64];
	size_t i;
	int error;

	printf("  %-40s%-12s%-12s%-12s%s\n", "", "malloc", "mprotect", "secmem",
	       "secmem");
	printf("  %-40s%-12s%-12s%-12s%s\n", "", "", "shut", "shut", "open");
	for (i = 0; i < ARRAY_SIZE(attacks); i++) {
		attack = &attacks[i];
		snprintf(text, sizeof(text), attack->text,
			 geteuid() ? "user" : "root");
		printf("  %-40s", text);
		for (column = MALLOC; column < COLUMNS; column++) {
			error = service_start(column, attack->inverted);
			if (error) {
				service_stop();
				putchar('\n');
				return fail("starting a service", error);
			}
			loot = attack->run();
			if (service->pid)
				service_stop();
			not_tried += loot == NOT_TRIED;
			wrong += loot != NOT_TRIED &&
				 loot != attack->promised[column];
			cell_print(column, loot, attack->promised[column]);
		}
		putchar('\n');
	}
	notes_print(not_tried > 0);
	if (wrong)
		complain("%u results, marked !, are not as promised", wrong);
	if (output_end() || wrong)
		return EXIT_FAILURE;
	return not_tried ? EXIT_SOME : EXIT_SUCCESS;
}

/*
 * The command
 */

static int key_make(void)
{
	unsigned char key[KEY_MIN];
	int error = 0;

	demo.length = sizeof(key);
	demo.key = memfd_create("key", MFD_CLOEXEC);
	if (demo.key < 0 || getentropy(key, sizeof(key)) ||
	    write(demo.key, key, sizeof(key)) != sizeof(key))
		error = -errno;
	explicit_bzero(key, sizeof(key));
	return error ? fail("making a key", error) : -1;
}

static int key_open(const char *path)
{
	struct stat stat;

	demo.key = open(path, O_RDONLY | O_CLOEXEC);
	if (demo.key < 0 || fstat(demo.key, &stat))
		return fail(path, -errno);
	if (!S_ISREG(stat.st_mode) || stat.st_size < KEY_MIN ||
	    stat.st_size > KEY_MAX) {
		complain("%s: not a file of %d to %d bytes", path, KEY_MIN,
			 KEY_MAX);
		return EXIT_FAILURE;
	}
	demo.length = stat.st_size;
	return -1;
}

static int demo_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "color", optional_argument, NULL, 'c' },
		{ "user", required_argument, NULL, 'u' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	demo.color = isatty(STDOUT_FILENO);
	while ((option = getopt_long(argc, argv, "+u:hV", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			if (!optarg || !strcmp(optarg, "always")) {
				demo.color = 1;
			} else if (!strcmp(optarg, "never")) {
				demo.color = 0;
			} else if (strcmp(optarg, "auto")) {
				complain("unsupported color mode: '%s'",
					 optarg);
				return usage_fail();
			}
			continue;
		case 'u':
			demo.user = optarg;
			demo.passwd = getpwnam(optarg);
			if (demo.passwd)
				continue;
			complain("no such user: '%s'", optarg);
			return EXIT_FAILURE;
		default:
			return common_option(option);
		}
	}
	if (argc - optind > 1) {
		complain("unexpected argument '%s'", argv[optind + 1]);
		return usage_fail();
	}
	return optind < argc ? key_open(argv[optind]) : key_make();
}

int demo_run(int argc, char **argv)
{
	struct secmem_info info;
	int error, status;

	status = demo_options(argc, argv);
	if (status >= 0)
		return status;
	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	demo.protections = info.protections;
	if (info.protections & 1ULL << SECMEM_PROT_DIRECT_MAP)
		promise_no_ram();
	demo.page = sysconf(_SC_PAGESIZE);
	demo.loot = memfd_create("loot", MFD_CLOEXEC);
	service = mmap(NULL, sizeof(*service), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(demo.directory, "/tmp/secmemctl-demo-XXXXXX");
	if (demo.loot < 0 || service == MAP_FAILED || !mkdtemp(demo.directory))
		return fail("demo", -errno);
	if (demo.passwd &&
	    chown(demo.directory, demo.passwd->pw_uid, demo.passwd->pw_gid))
		complain("%s: %s", demo.directory, strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	status = table_print();
	rmdir(demo.directory);
	return status;
}
