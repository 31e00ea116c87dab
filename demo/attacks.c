// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl demo: the attacks on a service, and what each shall get.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "demo.h"

#define RAM_MAX (4ULL << 30) /* more would take too long to search */

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

/*
 * Whether the key is in these bytes. The key is mapped here for so long only.
 */
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

/* What a service sent by write(2) when given this order, or what it died of. */
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
	/* The file that the child inherited must have refused it, too. */
	if (service->column >= SHUT && service->result != -EACCES)
		return SOMETHING;
	return BY_SIGSEGV;
}

static enum loot attack_fd(void)
{
	unsigned char copy[KEY_MAX];
	struct secmem_info info = { .size = sizeof(info) };
	enum loot loot = SOMETHING;
	int pidfd, fd, err;
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
	/* INFO answers anybody: so this is the file. */
	if (ioctl(fd, SECMEM_IOC_INFO, &info))
		goto out;
	err = service_read(fd, copy);
	if (!err) {
		loot = key_in(copy, demo.length) ? THE_KEY : SOMETHING;
		explicit_bzero(copy, sizeof(copy));
		goto out;
	}
	loot = loot_of_error(-err);
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
		/*
		 * The last word may cross the end of the page: read one that
		 * ends there.
		 */
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

/*
 * Searches one segment of RAM: each page at the offset that the key has in its
 * own.
 */
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
		/*
		 * Only the kernel's map of all RAM: what it maps elsewhere is
		 * in there.
		 */
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

struct attack attacks[ATTACKS] = {
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

void promise_no_ram(void)
{
	struct attack *attack = &attacks[ARRAY_SIZE(attacks) - 1];

	attack->promised[SHUT] = NOTHING;
	attack->promised[OPEN] = NOTHING;
}
