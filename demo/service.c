// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl demo: the ordinary ways of stealing a key, each really tried on a
 * process that holds one by malloc, in an mprotect'ed page, and in secmem, shut
 * and open.
 *
 * For each try a service of its own is forked, which reads the key from its
 * file. This process has no copy of the key whenever it forks one, lest the
 * service inherit that and the attack find it. The attacks and the table have
 * files of their own; this one has the services.
 */
#define _GNU_SOURCE
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "demo.h"

struct demo demo;
struct service *service;

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

/*
 * As careful programs and libsodium do it. The pages: a buffer, a guard, the
 * key, a guard.
 */
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
 * A copy of the descriptor of the vault: a forked child has the copy, while the
 * library closes its own there. The vault's file is the one that knows the
 * handle.
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

/*
 * Reads the key into a secret, and leaves that shut or open, as the column
 * says.
 */
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

/*
 * Writes to the loot, which the attacker reads: as a buggy server sends to a
 * client.
 */
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

int service_read(int fd, void *to)
{
	struct secmem_copy read = {
		.size = sizeof(read),
		.handle = service->handle,
		.deadline = SECMEM_FOREVER,
		.buffer = (uintptr_t)to,
		.length = service->length,
	};

	return ioctl(fd, SECMEM_IOC_READ, &read) ? -errno : 0;
}

/* The child tries to open the key for itself, and then reads it. */
static void service_child(void)
{
	unsigned char copy[KEY_MAX];

	switch (service->column) {
	case MALLOC:
		break;
	case MPROTECT:
		mprotect(service_page(), demo.page, PROT_READ);
		break;
	default:
		service->result = service_read(service->device, copy);
		if (!service->result)
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
	/*
	 * A change of user clears it; a service that exec started as that user
	 * has it.
	 */
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

/* What this process does with a service */

int service_start(enum column column, int inverted)
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

/* 0, or -ECHILD if the service died of the order. */
int service_tell(char order)
{
	char done;

	if (write(order_fd, &order, 1) != 1 || read(answer_fd, &done, 1) != 1)
		return -ECHILD;
	return 0;
}

/* The service ends when it gets no more orders, if it has not ended before. */
int service_stop(void)
{
	int status = 0;

	close(order_fd);
	waitpid(service->pid, &status, 0);
	close(answer_fd);
	return status;
}
