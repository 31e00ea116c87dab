/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What load tests share: processes with threads, their random numbers, what
 * they complain of, and how all of it ends.
 */
#ifndef SECMEM_LOAD_H
#define SECMEM_LOAD_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "peer.h"

#define LOAD_PROCESSES_MAX 8
#define LOAD_THREADS_MAX 8
#define LOAD_COMPLAINTS 12
#define LOAD_END_MS 90000

/* Shared by all processes. */
struct load {
	uint64_t seed;
	uint64_t target; /* operations */
	int processes, threads;
	int pool[2]; /* a socket pair: grants on their way */
	_Atomic uint64_t operations;
	_Atomic uint32_t complaints;
	char complaint[LOAD_COMPLAINTS][200];
};

static struct load *load;

/* The supervisor's children. */
static pid_t load_pids[LOAD_PROCESSES_MAX];

static void __attribute__((format(printf, 1, 2))) complain(const char *f, ...)
{
	uint32_t n = atomic_fetch_add(&load->complaints, 1);
	va_list args;

	if (n >= LOAD_COMPLAINTS)
		return;
	va_start(args, f);
	vsnprintf(load->complaint[n], sizeof(load->complaint[n]), f, args);
	va_end(args);
}

static inline uint64_t load_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* A random number below n, from a state that load_seed() made. */
static inline uint64_t load_chance(uint64_t *state, uint64_t n)
{
	*state += 0x9e3779b97f4a7c15;
	return load_mix(*state) % n;
}

/* The random state of one thread in one life of a process. */
static inline uint64_t load_seed(uint64_t life, unsigned int thread)
{
	return load_mix(load->seed ^
			load_mix(life * LOAD_THREADS_MAX + thread));
}

/*
 * Takes the options that every load test has, and one of its own: its letter,
 * its name and where its value goes.
 */
static inline int load_options(int argc, char **argv, char letter,
			       const char *what, uint64_t *value)
{
	const char options[] = { 's', ':', 'n',	   ':', 'p', ':',
				 't', ':', letter, ':', '\0' };
	int c;

	while ((c = getopt(argc, argv, options)) >= 0) {
		switch (c) {
		case 's':
			load->seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			load->target = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			load->processes = atoi(optarg);
			break;
		case 't':
			load->threads = atoi(optarg);
			break;
		default:
			if (c != letter)
				goto usage;
			*value = strtoull(optarg, NULL, 0);
		}
	}
	if (load->processes >= 1 && load->processes <= LOAD_PROCESSES_MAX &&
	    load->threads >= 1 && load->threads <= LOAD_THREADS_MAX)
		return 0;
usage:
	fprintf(stderr,
		"Usage: %s [-s SEED] [-n OPERATIONS] [-p PROCESSES] "
		"[-t THREADS] [-%c %s]\n",
		argv[0], letter, what);
	return -EINVAL;
}

/*
 * Opens a file to ask for INFO, gets what it says before, prints the first
 * lines.
 */
static inline int load_begin(const char *name, int flags,
			     struct secmem_info *before)
{
	int fd;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | flags, 0,
		       load->pool))
		return -errno;
	/* The orphans of children that were killed end up here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fd = sm_open();
	if (fd < 0 || sm_info(fd, before))
		return -EIO;
	printf("TAP version 13\n1..3\n# %s -s %" PRIu64 " -n %" PRIu64
	       " -p %d -t %d\n",
	       name, load->seed, load->target, load->processes, load->threads);
	return fd;
}

static inline bool load_counts_are(int fd, const struct secmem_info *want,
				   struct secmem_info *info)
{
	return !sm_info(fd, info) && info->vaults == want->vaults &&
	       info->grants == want->grants && info->secrets == want->secrets &&
	       info->pages == want->pages && info->accesses == want->accesses &&
	       info->waiters == want->waiters;
}

/*
 * Waits until every process is gone, and then until the module's counts are as
 * before: the kernel closes files that were on their way a little later.
 */
static inline bool load_end(int fd, const struct secmem_info *before,
			    struct secmem_info *after)
{
	int64_t until = sm_in_ms(LOAD_END_MS);
	bool back;
	pid_t pid;
	int i;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 || errno != ECHILD) {
		if (pid)
			continue;
		if (sm_now() > until) {
			complain("a process does not end");
			for (i = 0; i < load->processes; i++)
				if (load_pids[i] > 0)
					kill(load_pids[i], SIGKILL);
			until = sm_in_ms(LOAD_END_MS);
		}
		sched_yield();
	}
	close(load->pool[0]);
	close(load->pool[1]);
	back = !SM_WAIT_UNTIL(load_counts_are(fd, before, after));
	printf("# INFO: %llu vaults, %llu grants, %llu secrets, %llu pages, "
	       "%llu accesses, %llu waiters; %llu wipes, %llu violations\n",
	       after->vaults, after->grants, after->secrets, after->pages,
	       after->accesses, after->waiters, after->wipes - before->wipes,
	       after->violations - before->violations);
	return back;
}

/* Prints a result; before the first one all complaints, which explain it. */
static inline void load_result(int n, bool good, const char *what)
{
	uint32_t i;

	for (i = 0; n == 1 && i < load->complaints && i < LOAD_COMPLAINTS; i++)
		printf("# VIOLATION: %s\n", load->complaint[i]);
	printf("%sok %d %s\n", good ? "" : "not ", n, what);
}

#endif
