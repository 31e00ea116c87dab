// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vaults, by what /proc/PID/fdinfo says of each process' files; and who waits,
 * by where the kernel says that a thread sleeps. A process that ends meanwhile
 * is passed over, as is one that this user may not look at.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vaults.h"

/* One more element, zeroed, of an array that malloc made; NULL: no memory. */
static void *array_add(void *array, size_t *count, size_t size)
{
	char **elements = array, *grown;

	grown = reallocarray(*elements, *count + 1, size);
	if (!grown)
		return NULL;
	*elements = grown;
	return memset(grown + size * (*count)++, 0, size);
}

static struct vault *vault_get(struct vaults *found, uint64_t number)
{
	struct vault *vault;
	size_t i;

	for (i = 0; i < found->count; i++)
		if (found->vaults[i].number == number)
			return &found->vaults[i];
	vault = array_add(&found->vaults, &found->count, sizeof(*vault));
	if (vault)
		vault->number = number;
	return vault;
}

static int vault_add_holder(struct vault *vault, pid_t pid, unsigned int fd)
{
	struct holder *holder;
	size_t i;

	for (i = 0; i < vault->holder_count; i++)
		if (vault->holders[i].pid == pid)
			return 0;
	holder = array_add(&vault->holders, &vault->holder_count,
			   sizeof(*holder));
	if (!holder)
		return -ENOMEM;
	holder->pid = pid;
	holder->fd = fd;
	return 0;
}

static int vault_add_payer(struct vault *vault, unsigned int uid,
			   uint64_t locked)
{
	struct payer *payer;
	size_t i;

	for (i = 0; i < vault->payer_count; i++)
		if (vault->payers[i].uid == uid)
			return 0;
	payer = array_add(&vault->payers, &vault->payer_count, sizeof(*payer));
	if (!payer)
		return -ENOMEM;
	payer->uid = uid;
	payer->locked = locked;
	return 0;
}

/* The kernel writes what a terminal would obey, and backslashes, as \ooo. */
static void unescape(char *to, size_t size, const char *from)
{
	unsigned int byte;
	size_t i;

	for (i = 0; i + 1 < size && *from && *from != '\n'; i++) {
		if (sscanf(from, "\\%3o", &byte) == 1) {
			from += 4;
			to[i] = byte;
		} else {
			to[i] = *from++;
		}
	}
	to[i] = '\0';
}

/* A line of fdinfo; those that say nothing of the vault are passed over. */
static int vault_learn(struct vault *vault, const char *line)
{
	unsigned int uid;
	uint64_t value;
	int name, pid;

	if (sscanf(line, "owner: %d %n", &pid, &name) == 1) {
		vault->owner = pid;
		unescape(vault->owner_name, sizeof(vault->owner_name),
			 line + name);
	} else if (sscanf(line, "vault-secrets: %" SCNu64, &value) == 1) {
		vault->secrets = value;
	} else if (sscanf(line, "vault-bytes: %" SCNu64, &value) == 1) {
		vault->bytes = value;
	} else if (sscanf(line, "vault-waiters: %" SCNu64, &value) == 1) {
		vault->waiting = value;
	} else if (sscanf(line, "vault-locked: %u %" SCNu64, &uid, &value) ==
		   2) {
		return vault_add_payer(vault, uid, value);
	}
	return 0;
}

/* The vault of a file of a process; NULL where it is no file of secmem's. */
static struct vault *vault_of_file(struct vaults *found, pid_t pid,
				   unsigned int fd, int *error)
{
	struct vault *vault = NULL;
	char path[64], line[512];
	uint64_t number;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", pid, fd);
	file = fopen(path, "re");
	while (file && !*error && fgets(line, sizeof(line), file)) {
		if (vault) {
			*error = vault_learn(vault, line);
		} else if (sscanf(line, "vault: %" SCNu64, &number) == 1) {
			vault = vault_get(found, number);
			if (!vault)
				*error = -ENOMEM;
		}
	}
	if (file)
		fclose(file);
	return *error ? NULL : vault;
}

/*
 * Whether this descriptor is of /dev/secmem, by any name, or of an exported
 * grant.
 */
static int link_is_secmems(int directory, const char *name)
{
	char target[256];
	ssize_t length;

	length = readlinkat(directory, name, target, sizeof(target) - 1);
	if (length < 0)
		return 0;
	target[length] = '\0';
	return strstr(target, "secmem") != NULL;
}

/* function is called with each numeric name of a directory. */
static int for_each_number(const char *path,
			   int (*function)(int directory, unsigned int number,
					   void *argument),
			   void *argument)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	unsigned int number;
	int error = 0;

	while (directory && !error && (entry = readdir(directory)))
		if (!number_of(entry->d_name, &number))
			error = function(dirfd(directory), number, argument);
	if (directory)
		closedir(directory);
	return error;
}

struct scan {
	struct vaults *found;
	pid_t pid;
};

static int scan_file(int directory, unsigned int fd, void *argument)
{
	struct scan *scan = argument;
	struct vault *vault;
	char name[16];
	int error = 0;

	snprintf(name, sizeof(name), "%u", fd);
	if (!link_is_secmems(directory, name))
		return 0;
	vault = vault_of_file(scan->found, scan->pid, fd, &error);
	if (vault)
		error = vault_add_holder(vault, scan->pid, fd);
	return error;
}

static int scan_process(int directory, unsigned int pid, void *argument)
{
	struct scan scan = { .found = argument, .pid = pid };
	char path[64];

	(void)directory;
	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	return for_each_number(path, scan_file, &scan);
}

/*
 * Who waits
 */

static int line_of(pid_t pid, pid_t tid, const char *name, char *line,
		   size_t size)
{
	char path[64];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	file = fopen(path, "re");
	got = file && fgets(line, size, file);
	if (file)
		fclose(file);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

static const char *call_of(unsigned long number, unsigned long request)
{
	static const struct {
		unsigned long request;
		const char *name;
	} calls[] = {
		{ SECMEM_IOC_ACQUIRE, "ACQUIRE" },
		{ SECMEM_IOC_READ, "READ" },
		{ SECMEM_IOC_WRITE, "WRITE" },
		{ SECMEM_IOC_COMPARE, "COMPARE" },
		{ SECMEM_IOC_CLOSE, "CLOSE" },
	};
	size_t i;

	if (number != SYS_ioctl)
		return "READ";
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].request == request)
			return calls[i].name;
	return NULL;
}

/*
 * The vault that a process has a file of; NULL where there are several, or
 * none.
 */
static struct vault *vault_of_process(struct vaults *found, pid_t pid)
{
	struct vault *only = NULL;
	size_t i, j;

	for (i = 0; i < found->count; i++) {
		for (j = 0; j < found->vaults[i].holder_count; j++) {
			if (found->vaults[i].holders[j].pid != pid)
				continue;
			if (only)
				return NULL;
			only = &found->vaults[i];
		}
	}
	return only;
}

static int scan_thread(int directory, unsigned int tid, void *argument)
{
	unsigned long number, fd, request = 0;
	struct scan *scan = argument;
	const char *call = NULL;
	struct vault *vault;
	struct waiter *waiter;
	char line[256];
	int error = 0;

	(void)directory;
	if (!line_of(scan->pid, tid, "wchan", line, sizeof(line)) ||
	    strncmp(line, "secmem_", 7))
		return 0;
	/*
	 * Only who may trace the thread is told which call it is in, and of
	 * which file.
	 */
	if (line_of(scan->pid, tid, "syscall", line, sizeof(line)) &&
	    sscanf(line, "%lu %lx %lx", &number, &fd, &request) == 3) {
		call = call_of(number, request);
		vault = vault_of_file(scan->found, scan->pid, fd, &error);
	} else {
		vault = vault_of_process(scan->found, scan->pid);
	}
	if (!vault)
		return error;
	waiter = array_add(&vault->waiters, &vault->waiter_count,
			   sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	waiter->pid = scan->pid;
	waiter->tid = tid;
	waiter->call = call;
	if (line_of(scan->pid, tid, "comm", line, sizeof(line)))
		snprintf(waiter->name, sizeof(waiter->name), "%.15s", line);
	return 0;
}

static int scan_threads(struct vaults *found, pid_t pid)
{
	struct scan scan = { .found = found, .pid = pid };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return for_each_number(path, scan_thread, &scan);
}

static int vaults_find_waiters(struct vaults *found)
{
	size_t i, j, k, seen = 0;
	pid_t *pids = NULL, *pid;
	int error = 0;

	/* Each process once, however many vaults it has files of. */
	for (i = 0; !error && i < found->count; i++) {
		for (j = 0; !error && j < found->vaults[i].holder_count; j++) {
			for (k = 0; k < seen; k++)
				if (pids[k] == found->vaults[i].holders[j].pid)
					break;
			if (k < seen)
				continue;
			pid = array_add(&pids, &seen, sizeof(*pids));
			if (pid)
				*pid = found->vaults[i].holders[j].pid;
			error = pid ? scan_threads(found, *pid) : -ENOMEM;
		}
	}
	free(pids);
	return error;
}

static int vault_compare(const void *one, const void *other)
{
	const struct vault *a = one, *b = other;

	return (a->number > b->number) - (a->number < b->number);
}

int vaults_find(struct vaults *found, pid_t pid)
{
	int error;

	*found = (struct vaults){ 0 };
	error = pid ? scan_process(-1, pid, found) :
		      for_each_number("/proc", scan_process, found);
	if (!error)
		error = vaults_find_waiters(found);
	if (found->count)
		qsort(found->vaults, found->count, sizeof(*found->vaults),
		      vault_compare);
	return error;
}

void vaults_free(struct vaults *found)
{
	size_t i;

	for (i = 0; i < found->count; i++) {
		free(found->vaults[i].payers);
		free(found->vaults[i].holders);
		free(found->vaults[i].waiters);
	}
	free(found->vaults);
}
