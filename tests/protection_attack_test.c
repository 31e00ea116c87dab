// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ordinary ways of stealing a key from a process, by root: each is shown
 * to work on ordinary memory and to get nothing of a secret, not even of one
 * that is open to its owner at that time.
 */
#include <linux/io_uring.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include "attack.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#define EXT_MAGIC 0xef53

/* Whole pages, for calls that move pages. */
#define LENGTH (2 * SM_PAGE)
#define DISK "/mnt"

/*
 * A process with a secret that is open to it, another one that is shut, and as
 * many bytes of ordinary memory. The attacker knows the seeds and the
 * addresses.
 */
struct victim {
	pid_t pid;
	int fd, memfd;
	uint64_t open, shut;
	uint64_t open_seed, shut_seed, plain_seed;
	uint64_t open_pfn, shut_pfn, plain_pfn; /* of their first pages */
	unsigned char *view, *open_bytes, *shut_bytes, *plain_bytes;
	bool intact;
	int ready, check, checked;
};

/* Fills the struct in, in the process that will be the victim. */
static int victim_prepare(struct victim *t)
{
	int reader = at_reader_open();
	struct sm_vault v;
	uint64_t offset;
	int err;

	t->pid = getpid();
	t->open_seed = sm_now();
	t->shut_seed = t->open_seed + 1;
	t->plain_seed = t->open_seed + 2;
	err = sm_vault_open(&v);
	if (!err)
		err = at_secret(&v, LENGTH, t->shut_seed, &t->shut);
	if (!err)
		err = at_secret(&v, LENGTH, t->open_seed, &t->open);
	if (!err)
		err = sm_acquire(v.fd, t->shut, SECMEM_READ, &offset);
	if (err)
		return err;
	t->shut_bytes = v.view + offset;
	at_reader_find(reader, t->shut_bytes, &t->shut_pfn);
	sm_release(v.fd, t->shut);
	err = sm_acquire(v.fd, t->open, SECMEM_WRITE, &offset);
	if (err)
		return err;
	t->open_bytes = v.view + offset;
	at_reader_find(reader, t->open_bytes, &t->open_pfn);
	t->plain_bytes = at_ordinary(LENGTH, t->plain_seed);
	at_reader_find(reader, t->plain_bytes, &t->plain_pfn);
	close(reader);
	t->memfd = memfd_create("control", MFD_CLOEXEC);
	if (!t->plain_bytes ||
	    write(t->memfd, t->plain_bytes, LENGTH) != (ssize_t)LENGTH)
		return -errno;
	t->fd = v.fd;
	t->view = v.view;
	return 0;
}

/*
 * Whether the owner finds the open secret open and whole, and the other one
 * shut.
 */
static bool victim_intact(struct victim *t)
{
	unsigned char *bytes;
	uint64_t offset;
	bool whole;

	if (sm_touch(t->open_bytes, NULL) ||
	    !at_is(t->open_bytes, LENGTH, t->open_seed) ||
	    sm_touch(t->shut_bytes, NULL) != SIGSEGV)
		return false;
	if (sm_acquire(t->fd, t->shut, SECMEM_READ, &offset))
		return false;
	bytes = t->view + offset;
	whole = at_is(bytes, LENGTH, t->shut_seed);
	sm_release(t->fd, t->shut);
	return whole && sm_touch(bytes, NULL) == SIGSEGV;
}

static int victim_run(void *arg)
{
	struct victim *t = arg;

	if (victim_prepare(t))
		return 1;
	sm_event_set(t->ready);
	/* This goes on until the parent ends, which ends this process, too. */
	for (;;) {
		int err = sm_event_wait(t->check);

		if (err == -ETIMEDOUT)
			continue;
		if (err)
			break;
		t->intact = victim_intact(t);
		sm_event_set(t->checked);
	}
	return 0;
}

/* Memory that a child shares with its parent: the harness has none. */
static struct victim *victim_struct(void)
{
	struct victim *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return t == MAP_FAILED ? NULL : t;
}

FIXTURE(victim)
{
	struct victim *t;
	pid_t pid;
};

FIXTURE_SETUP(victim)
{
	self->t = victim_struct();
	ASSERT_NE(NULL, self->t);
	self->t->ready = sm_event();
	self->t->check = sm_event();
	self->t->checked = sm_event();
	self->pid = sm_fork(victim_run, self->t);
	ASSERT_LT(0, self->pid);
	ASSERT_EQ(0, sm_event_wait(self->t->ready));
}

FIXTURE_TEARDOWN(victim)
{
	/* Whatever was tried, the owner finds its secrets as they were. */
	self->t->intact = false;
	sm_event_set(self->t->check);
	EXPECT_EQ(0, sm_event_wait(self->t->checked));
	EXPECT_TRUE(self->t->intact);
	kill(self->pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, sm_reap(self->pid));
	munmap(self->t, sizeof(*self->t));
}

TEST_F(victim, ptrace_peek_and_poke_get_nothing)
{
	struct victim *t = self->t;
	unsigned char *secrets[] = { t->open_bytes, t->shut_bytes };
	unsigned char bytes[sizeof(long)];
	int status;
	long got;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, t->pid, 0, 0));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, t->pid, 0, 0));
	ASSERT_EQ(t->pid, waitpid(t->pid, &status, 0));

	errno = 0;
	got = ptrace(PTRACE_PEEKDATA, t->pid, t->plain_bytes, 0);
	EXPECT_EQ(0, errno);
	memcpy(bytes, &got, sizeof(got));
	EXPECT_TRUE(at_is(bytes, sizeof(bytes), t->plain_seed));
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, t->pid, t->plain_bytes, 42));
	EXPECT_EQ(42, ptrace(PTRACE_PEEKDATA, t->pid, t->plain_bytes, 0));

	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		errno = 0;
		EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, t->pid, secrets[i], 0));
		EXPECT_EQ(EIO, errno);
		errno = 0;
		EXPECT_EQ(-1, ptrace(PTRACE_PEEKTEXT, t->pid, secrets[i], 0));
		EXPECT_EQ(EIO, errno);
		errno = 0;
		EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, t->pid, secrets[i], 42));
		EXPECT_EQ(EIO, errno);
	}
	EXPECT_EQ(0, ptrace(PTRACE_DETACH, t->pid, 0, 0));
}

TEST_F(victim, proc_pid_mem_shows_nothing_to_root)
{
	struct victim *t = self->t;
	unsigned char *secrets[] = { t->open_bytes, t->shut_bytes };
	unsigned char bytes[64];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(bytes),
		  pread(fd, bytes, sizeof(bytes), (uintptr_t)t->plain_bytes));
	EXPECT_TRUE(at_is(bytes, sizeof(bytes), t->plain_seed));
	memset(bytes, 0, sizeof(bytes));
	EXPECT_EQ(sizeof(bytes),
		  pwrite(fd, bytes, sizeof(bytes), (uintptr_t)t->plain_bytes));
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		errno = 0;
		EXPECT_EQ(-1, pread(fd, bytes, sizeof(bytes),
				    (uintptr_t)secrets[i]));
		EXPECT_EQ(EIO, errno);
		errno = 0;
		EXPECT_EQ(-1, pwrite(fd, bytes, sizeof(bytes),
				     (uintptr_t)secrets[i]));
		EXPECT_EQ(EIO, errno);
	}
	close(fd);
}

TEST_F(victim, process_vm_calls_get_nothing)
{
	struct victim *t = self->t;
	unsigned char *secrets[] = { t->open_bytes, t->shut_bytes };
	unsigned char bytes[64];
	struct iovec local = { bytes, sizeof(bytes) };
	struct iovec remote = { t->plain_bytes, sizeof(bytes) };

	ASSERT_EQ(sizeof(bytes),
		  process_vm_readv(t->pid, &local, 1, &remote, 1, 0));
	EXPECT_TRUE(at_is(bytes, sizeof(bytes), t->plain_seed));
	EXPECT_EQ(sizeof(bytes),
		  process_vm_writev(t->pid, &local, 1, &remote, 1, 0));
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		remote.iov_base = secrets[i];
		errno = 0;
		EXPECT_EQ(-1,
			  process_vm_readv(t->pid, &local, 1, &remote, 1, 0));
		EXPECT_EQ(EFAULT, errno);
		errno = 0;
		EXPECT_EQ(-1,
			  process_vm_writev(t->pid, &local, 1, &remote, 1, 0));
		EXPECT_EQ(EFAULT, errno);
	}
}

TEST_F(victim, process_madvise_does_nothing)
{
	struct victim *t = self->t;
	static const int advices[] = { MADV_COLD, MADV_PAGEOUT, 25 };
	struct iovec plain = { t->plain_bytes, LENGTH };
	struct iovec view = { t->view, SM_VIEW_LENGTH };
	int pidfd = syscall(SYS_pidfd_open, t->pid, 0);

	ASSERT_LE(0, pidfd);
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		errno = 0;
		EXPECT_EQ(-1, syscall(SYS_process_madvise, pidfd, &view, 1,
				      advices[i], 0));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(LENGTH,
		  syscall(SYS_process_madvise, pidfd, &plain, 1, MADV_COLD, 0));
	EXPECT_EQ(LENGTH, syscall(SYS_process_madvise, pidfd, &plain, 1,
				  MADV_PAGEOUT, 0));
	close(pidfd);
}

/*
 * A process may say that its argument list lies anywhere: can ps print a
 * secret?
 */
static int arguments_at(unsigned char *start, uint64_t seed)
{
	unsigned char bytes[64] = { 0 };
	int fd, n;

	/* In both orders, as the start must not be behind the end. */
	prctl(PR_SET_MM, PR_SET_MM_ARG_END, start + sizeof(bytes), 0, 0);
	if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, start, 0, 0) ||
	    prctl(PR_SET_MM, PR_SET_MM_ARG_END, start + sizeof(bytes), 0, 0))
		return -errno;
	fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, bytes, sizeof(bytes)) < 0 ? -errno : 0;
	close(fd);
	return n ?: (int)at_count(bytes, sizeof(bytes), seed);
}

TEST(command_line_that_is_a_secret_shows_nothing)
{
	struct victim *t = victim_struct();

	ASSERT_EQ(0, victim_prepare(t));
	ASSERT_EQ(1, arguments_at(t->plain_bytes, t->plain_seed));
	EXPECT_EQ(0, arguments_at(t->open_bytes, t->open_seed));
	EXPECT_EQ(0, arguments_at(t->shut_bytes, t->shut_seed));
	EXPECT_TRUE(victim_intact(t));
}

/*
 * Makes each call, well-formed, on a file that answers somebody else. wrong is
 * a call that is not refused with EACCES, or NULL. A call that the module does
 * not have (ENOTTY) is passed over.
 */
struct calls {
	int fd;
	uint64_t handle;
	const char *wrong;
	int seen;
};

static int call_create(struct calls *c)
{
	uint64_t handle;

	return sm_create(c->fd, 1, &handle);
}

static int call_acquire(struct calls *c)
{
	return sm_acquire(c->fd, c->handle, SECMEM_READ, NULL);
}

static int call_release(struct calls *c)
{
	return sm_release(c->fd, c->handle);
}

static int call_read(struct calls *c)
{
	unsigned char bytes[8];

	return sm_read(c->fd, c->handle, bytes, 0, sizeof(bytes));
}

static int call_write(struct calls *c)
{
	unsigned char bytes[8] = { 0 };

	return sm_write(c->fd, c->handle, bytes, 0, sizeof(bytes));
}

static int call_compare(struct calls *c)
{
	unsigned char bytes[8] = { 0 };

	return sm_compare(c->fd, c->handle, bytes, sizeof(bytes), NULL);
}

static int call_stat(struct calls *c)
{
	struct secmem_status st;

	return sm_stat(c->fd, c->handle, &st);
}

static int call_export(struct calls *c)
{
	int fd, err = sm_export(c->fd, c->handle, SECMEM_RIGHT_READ, &fd);

	if (!err)
		close(fd);
	return err;
}

static int call_seal(struct calls *c)
{
	return sm_seal(c->fd, c->handle);
}

static int call_close(struct calls *c)
{
	return sm_close(c->fd, c->handle);
}

static int call_revoke(struct calls *c)
{
	return sm_revoke(c->fd, c->handle);
}

static int call_mmap(struct calls *c)
{
	void *view = sm_map(c->fd, SM_PAGE, PROT_READ);

	if (view == MAP_FAILED)
		return -errno;
	munmap(view, SM_PAGE);
	return 0;
}

/* In this order, the owner of a new vault may make all these calls. */
static const struct {
	const char *name;
	int (*fn)(struct calls *c);
} calls[] = {
	{ "CREATE", call_create },   { "STAT", call_stat },
	{ "READ", call_read },	     { "WRITE", call_write },
	{ "COMPARE", call_compare }, { "ACQUIRE", call_acquire },
	{ "RELEASE", call_release }, { "EXPORT", call_export },
	{ "SEAL", call_seal },	     { "CLOSE", call_close },
	{ "REVOKE", call_revoke },   { "mmap", call_mmap },
};

static void calls_of_a_stranger(struct calls *c)
{
	struct secmem_info info;

	c->wrong = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		c->seen = calls[i].fn(c);
		if (c->seen != -EACCES && c->seen != -ENOTTY) {
			c->wrong = calls[i].name;
			return;
		}
	}
	/* INFO answers everybody, and binds the file to nobody. */
	c->seen = sm_info(c->fd, &info);
	if (c->seen)
		c->wrong = "INFO";
	c->seen = sm_create(c->fd, 1, &c->handle);
	if (c->seen != -EACCES)
		c->wrong = "CREATE after INFO";
}

#define EXPECT_STRANGER(fd_, handle_)                              \
	do {                                                       \
		struct calls c = { .fd = fd_, .handle = handle_ }; \
                                                                   \
		calls_of_a_stranger(&c);                           \
		EXPECT_EQ(NULL, c.wrong)                           \
		{                                                  \
			TH_LOG("%s: %d", c.wrong, c.seen);         \
		}                                                  \
	} while (0)

/* The control of the tests below: each call of the owner's succeeds. */
TEST(owner_may_make_every_call)
{
	struct calls c = { .fd = sm_open() };
	unsigned int missing = 0;
	void *view;

	ASSERT_EQ(0, sm_create(c.fd, 8, &c.handle));
	view = sm_map(c.fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].fn == call_mmap)
			munmap(view, SM_VIEW_LENGTH);
		c.seen = calls[i].fn(&c);
		if (c.seen == -ENOTTY) {
			missing++;
			TH_LOG("no %s in this version", calls[i].name);
			continue;
		}
		EXPECT_EQ(0, c.seen)
		{
			TH_LOG("%s", calls[i].name);
		}
	}
	EXPECT_GE(2, missing);
	close(c.fd);
}

TEST_F(victim, stolen_file_answers_nobody)
{
	struct victim *t = self->t;
	int pidfd = syscall(SYS_pidfd_open, t->pid, 0);
	unsigned char bytes[64];
	int fd;

	ASSERT_LE(0, pidfd);
	fd = syscall(SYS_pidfd_getfd, pidfd, t->memfd, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(sizeof(bytes), pread(fd, bytes, sizeof(bytes), 0));
	EXPECT_TRUE(at_is(bytes, sizeof(bytes), t->plain_seed));
	close(fd);

	fd = syscall(SYS_pidfd_getfd, pidfd, t->fd, 0);
	ASSERT_LE(0, fd);
	EXPECT_STRANGER(fd, t->open);
	EXPECT_STRANGER(fd, t->shut);
	EXPECT_STRANGER(fd, SECMEM_HANDLE_NONE);
	close(fd);
	close(pidfd);
}

/* To open /dev/secmem again makes another vault. */
TEST_F(victim, file_opened_again_is_an_empty_vault)
{
	struct victim *t = self->t;
	struct secmem_info info;
	struct secmem_status st;
	unsigned char bytes[64];
	struct sm_vault v;
	uint64_t handle;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->pid, t->memfd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(sizeof(bytes), pread(fd, bytes, sizeof(bytes), 0));
	EXPECT_TRUE(at_is(bytes, sizeof(bytes), t->plain_seed));
	close(fd);

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->pid, t->fd);
	v.fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, v.fd);
	ASSERT_EQ(0, sm_info(v.fd, &info));
	EXPECT_EQ(SECMEM_RIGHT_ALL, info.rights);
	EXPECT_EQ(-ENOENT, sm_stat(v.fd, t->open, &st));
	EXPECT_EQ(-ENOENT, sm_stat(v.fd, t->shut, &st));
	v.view = sm_map(v.fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, v.view);
	EXPECT_EQ(-ENOENT, sm_acquire(v.fd, t->open, SECMEM_READ, NULL));
	EXPECT_EQ(-ENOENT, sm_read(v.fd, t->shut, bytes, 0, sizeof(bytes)));
	/*
	 * Handles of the new vault may be the same numbers, but other secrets.
	 */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, sm_create(v.fd, LENGTH, &handle));
		ASSERT_EQ(0, sm_read(v.fd, handle, bytes, 0, sizeof(bytes)));
		for (size_t j = 0; j < sizeof(bytes); j++)
			ASSERT_EQ(0, bytes[j]);
	}
	sm_vault_close(&v);
}

TEST_F(victim, maps_tell_that_it_is_guarded)
{
	struct victim *t = self->t;
	static const char *const set[] = { " io ", " pf ", " dc ",
					   " de ", " dd ", " sh " };
	static const char *const unset[] = { " ex ", " mx ", " ac ", " lo " };
	char flags[256], value[64];

	ASSERT_TRUE(
		at_smaps(t->pid, t->view, "VmFlags:", flags, sizeof(flags)));
	for (size_t i = 0; i < ARRAY_SIZE(set); i++) {
		EXPECT_NE(NULL, strstr(flags, set[i]))
		{
			TH_LOG("no%sin %s", set[i], flags);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(unset); i++) {
		EXPECT_EQ(NULL, strstr(flags, unset[i]))
		{
			TH_LOG("%sin %s", unset[i], flags);
		}
	}
	/*
	 * Although one secret is open, the view has no pages to be swapped or
	 * moved.
	 */
	ASSERT_TRUE(at_smaps(t->pid, t->view, "Rss:", value, sizeof(value)));
	EXPECT_EQ(0, atoi(value));
	ASSERT_TRUE(at_smaps(t->pid, t->view, "Swap:", value, sizeof(value)));
	EXPECT_EQ(0, atoi(value));

	ASSERT_TRUE(
		at_smaps(t->pid, t->plain_bytes, "Rss:", value, sizeof(value)));
	EXPECT_LE(LENGTH / 1024, atoi(value));
}

/* What /proc/PID/pagemap shows to root of the owner's page table. */
TEST_F(victim, pagemap_tells_no_page_of_it)
{
	struct victim *t = self->t;
	uint64_t entry;

	for (size_t at = 0; at < LENGTH; at += SM_PAGE) {
		entry = at_pagemap(t->pid, t->plain_bytes + at);
		EXPECT_NE(0, entry & AT_PAGEMAP_PRESENT);
		EXPECT_NE(0, entry & AT_PAGEMAP_PFN);
	}
	for (size_t at = 0; at < 64 * SM_PAGE; at += SM_PAGE) {
		entry = at_pagemap(t->pid, t->view + at);
		EXPECT_EQ(0, entry & (AT_PAGEMAP_PRESENT | AT_PAGEMAP_PFN));
	}
}

/*
 * Whether a page of the first 4 GiB is marked reserved. Where no memory is, the
 * kernel says so instead.
 */
static bool some_page_is_reserved(int kpageflags)
{
	uint64_t flags[512];
	off_t at, end = (4ULL << 30) / SM_PAGE * sizeof(flags[0]);
	size_t i;

	for (at = 0; at < end; at += sizeof(flags)) {
		if (pread(kpageflags, flags, sizeof(flags), at) !=
		    sizeof(flags))
			return false;
		for (i = 0; i < ARRAY_SIZE(flags); i++)
			if (flags[i] & (1ULL << 32))
				return true;
	}
	return false;
}

/*
 * Who knows the number of a secret's page cannot take a reference to it: its
 * count is 0, as of a free page. Nor is the page marked reserved: VFIO would
 * map that.
 */
TEST_F(victim, pages_cannot_be_pinned_by_their_number)
{
	struct victim *t = self->t;
	uint64_t flags = 0;
	int32_t count = -1;
	struct at_kcore k;
	int fd, err;

	if (!t->plain_pfn)
		SKIP(return, "no /vm/reader.ko");
	ASSERT_EQ(t->plain_pfn,
		  at_pagemap(t->pid, t->plain_bytes) & AT_PAGEMAP_PFN);
	fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pread(fd, &flags, 8, t->open_pfn * 8));
	EXPECT_EQ(0, flags & (1ULL << 32)); /* KPF_RESERVED */
	EXPECT_EQ(0, flags & (1ULL << 10)); /* KPF_BUDDY */
	EXPECT_EQ(0, flags & (1ULL << 5)); /* KPF_LRU */
	ASSERT_EQ(8, pread(fd, &flags, 8, t->plain_pfn * 8));
	EXPECT_NE(0, flags & (1ULL << 12)); /* KPF_ANON */
	EXPECT_TRUE(some_page_is_reserved(fd));
	close(fd);

	ASSERT_EQ(0, at_kcore_open(&k));
	err = at_kcore_refcount(&k, t->plain_pfn, &count);
	if (err == -ENOENT)
		SKIP(return, "/proc/kcore does not say where struct page is");
	ASSERT_EQ(0, err);
	EXPECT_LE(1, count);
	EXPECT_GT(16, count);
	ASSERT_EQ(0, at_kcore_refcount(&k, t->open_pfn, &count));
	EXPECT_EQ(0, count);
	at_kcore_close(&k);
}

TEST(closed_secret_is_wiped_from_memory)
{
	struct victim *t = victim_struct();
	int reader;

	ASSERT_EQ(0, victim_prepare(t));
	if (!t->plain_pfn)
		SKIP(return, "no /vm/reader.ko");
	reader = at_reader_open();

	/*
	 * Control: the bytes are in the pages while the secrets live, open or
	 * shut.
	 */
	EXPECT_EQ(0, at_reader_looks(reader, t->plain_pfn, 0, t->plain_seed));
	EXPECT_EQ(0, at_reader_looks(reader, t->open_pfn, 0, t->open_seed));
	EXPECT_EQ(0, at_reader_looks(reader, t->shut_pfn, 0, t->shut_seed));
	ASSERT_EQ(0, sm_release(t->fd, t->open));
	EXPECT_EQ(0, at_reader_looks(reader, t->open_pfn, 0, t->open_seed));
	ASSERT_EQ(0, sm_close(t->fd, t->open));
	EXPECT_EQ(1, at_reader_looks(reader, t->open_pfn, 0, t->open_seed));

	/* Also where no CLOSE, but the end of the file, ends the secret. */
	munmap(t->view, SM_VIEW_LENGTH);
	EXPECT_EQ(0, at_reader_looks(reader, t->shut_pfn, 0, t->shut_seed));
	close(t->fd);
	EXPECT_EQ(1, at_reader_looks(reader, t->shut_pfn, 0, t->shut_seed));
	EXPECT_EQ(0, at_reader_looks(reader, t->plain_pfn, 0, t->plain_seed));
	close(reader);
}

TEST(killed_owner_leaves_nothing_in_memory)
{
	struct victim *t = victim_struct();
	int reader;
	pid_t pid;

	t->ready = sm_event();
	t->check = sm_event();
	t->checked = sm_event();
	pid = sm_fork(victim_run, t);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, sm_event_wait(t->ready));
	/* Somebody keeps the file open, which must make no difference. */
	t->fd = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, pid, 0), t->fd,
			0);
	ASSERT_LE(0, t->fd);
	if (!t->plain_pfn)
		SKIP(return, "no /vm/reader.ko");
	reader = at_reader_open();
	EXPECT_EQ(0, at_reader_looks(reader, t->open_pfn, 0, t->open_seed));
	EXPECT_EQ(0, at_reader_looks(reader, t->shut_pfn, 0, t->shut_seed));
	kill(pid, SIGKILL);
	ASSERT_EQ(128 + SIGKILL, sm_reap(pid));
	EXPECT_EQ(1, at_reader_looks(reader, t->open_pfn, 0, t->open_seed));
	EXPECT_EQ(1, at_reader_looks(reader, t->shut_pfn, 0, t->shut_seed));
	close(reader);
}

/* From here on the victim attacks itself, as a bug may make its own code do. */
FIXTURE(self)
{
	struct victim *t;
	/* The addresses that are attacked; only plain ones may be got. */
	struct {
		const char *name;
		unsigned char *bytes;
		bool plain;
	} rows[3];
};

FIXTURE_SETUP(self)
{
	self->t = victim_struct();
	ASSERT_NE(NULL, self->t);
	ASSERT_EQ(0, victim_prepare(self->t));
	self->rows[0].name = "ordinary";
	self->rows[0].bytes = self->t->plain_bytes;
	self->rows[0].plain = true;
	self->rows[1].name = "open";
	self->rows[1].bytes = self->t->open_bytes;
	self->rows[2].name = "shut";
	self->rows[2].bytes = self->t->shut_bytes;
}

FIXTURE_TEARDOWN(self)
{
	EXPECT_TRUE(victim_intact(self->t));
}

#define EXPECT_ROW(i, good, errno_, call)                                  \
	do {                                                               \
		errno = 0;                                                 \
		if (self->rows[i].plain) {                                 \
			EXPECT_EQ(good, call)                              \
			{                                                  \
				TH_LOG("%s: errno %d", self->rows[i].name, \
				       errno);                             \
			}                                                  \
		} else {                                                   \
			EXPECT_EQ(-1, call)                                \
			{                                                  \
				TH_LOG("%s", self->rows[i].name);          \
			}                                                  \
			EXPECT_EQ(errno_, errno)                           \
			{                                                  \
				TH_LOG("%s", self->rows[i].name);          \
			}                                                  \
		}                                                          \
	} while (0)

TEST_F(self, proc_self_mem_shows_nothing)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	unsigned char bytes[64];

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
		off_t at = (uintptr_t)self->rows[i].bytes;

		EXPECT_ROW(i, (ssize_t)sizeof(bytes), EIO,
			   pread(fd, bytes, sizeof(bytes), at));
		EXPECT_ROW(i, (ssize_t)sizeof(bytes), EIO,
			   pwrite(fd, bytes, sizeof(bytes), at));
	}
	close(fd);
}

TEST_F(self, process_vm_readv_of_oneself_gets_nothing)
{
	unsigned char bytes[64];
	struct iovec local = { bytes, sizeof(bytes) };

	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
		struct iovec remote = { self->rows[i].bytes, sizeof(bytes) };

		EXPECT_ROW(i, (ssize_t)sizeof(bytes), EFAULT,
			   process_vm_readv(getpid(), &local, 1, &remote, 1,
					    0));
	}
}

TEST_F(self, vmsplice_takes_no_page)
{
	static const unsigned int flags[] = { 0, SPLICE_F_GIFT };
	unsigned char *got = malloc(LENGTH);
	int end[2];

	ASSERT_NE(NULL, got);
	ASSERT_EQ(0, pipe2(end, O_CLOEXEC | O_NONBLOCK));
	for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
			struct iovec from = { self->rows[i].bytes, LENGTH };

			EXPECT_ROW(i, LENGTH, EFAULT,
				   vmsplice(end[1], &from, 1, flags[f]));
		}
	}
	/* The pipe has only the bytes of the control, once for each flag. */
	for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
		EXPECT_EQ(LENGTH, read(end[0], got, LENGTH));
		EXPECT_TRUE(at_is(got, LENGTH, self->t->plain_seed));
	}
	errno = 0;
	EXPECT_EQ(-1, read(end[0], end, 1));
	EXPECT_EQ(EAGAIN, errno);
}

/* The file itself cannot be spliced or sent: as a file it has no bytes. */
TEST_F(self, vault_is_not_read_as_a_file)
{
	unsigned char bytes[64];
	off_t at = 0;
	int end[2];

	ASSERT_EQ(0, pipe2(end, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(64, sendfile(end[1], self->t->memfd, &at, 64));
	errno = 0;
	at = 0;
	EXPECT_EQ(-1, sendfile(end[1], self->t->fd, &at, 64));
	EXPECT_TRUE(errno == EINVAL || errno == ESPIPE);
	at = 0;
	ASSERT_EQ(64, splice(self->t->memfd, &at, end[1], NULL, 64, 0));
	errno = 0;
	at = 0;
	EXPECT_EQ(-1, splice(self->t->fd, &at, end[1], NULL, 64, 0));
	EXPECT_TRUE(errno == EINVAL || errno == ESPIPE);
	ASSERT_EQ(64, pread(self->t->memfd, bytes, 64, 0));
	errno = 0;
	EXPECT_EQ(-1, pread(self->t->fd, bytes, 64, 0));
	EXPECT_TRUE(errno == EINVAL || errno == ESPIPE);
	errno = 0;
	EXPECT_EQ(-1, read(self->t->fd, bytes, 64));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(-1, write(self->t->fd, bytes, 64));
	EXPECT_EQ(EINVAL, errno);
}

/*
 * Direct I/O reads and writes the pages themselves, with no copy that could be
 * refused.
 */
TEST_F(self, direct_io_takes_no_page)
{
	unsigned char *got = malloc(LENGTH);
	int direct, buffered;
	struct statfs fs;

	if (statfs(DISK, &fs) || fs.f_type != EXT_MAGIC)
		SKIP(return, "no disk with ext4 at " DISK);
	direct = open(DISK "/direct",
		      O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);
	ASSERT_LE(0, direct);
	ASSERT_NE(NULL, got);
	buffered = open(DISK "/direct", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, buffered);
	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
		ASSERT_EQ(0, (uintptr_t)self->rows[i].bytes % SM_PAGE);
		EXPECT_ROW(i, LENGTH, EFAULT,
			   pwrite(direct, self->rows[i].bytes, LENGTH, 0));
		EXPECT_EQ(LENGTH, pread(buffered, got, LENGTH, 0));
		EXPECT_TRUE(at_is(got, LENGTH, self->t->plain_seed));
	}
	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++)
		EXPECT_ROW(i, LENGTH, EFAULT,
			   pread(direct, self->rows[i].bytes, LENGTH, 0));
	/* Control: an ordinary write copies the open secret. */
	EXPECT_EQ(LENGTH, pwrite(buffered, self->t->open_bytes, LENGTH, 0));
	memset(got, 0, LENGTH);
	EXPECT_EQ(LENGTH, pwrite(buffered, got, LENGTH, 0));
	EXPECT_EQ(0, fsync(buffered));
	close(direct);
	close(buffered);
	unlink(DISK "/direct");
}

TEST_F(self, io_uring_registers_no_page)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		SKIP(return, "no io_uring: errno %d", errno);
	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
		struct iovec buffer = { self->rows[i].bytes, LENGTH };

		EXPECT_ROW(i, 0, EFAULT,
			   syscall(SYS_io_uring_register, ring,
				   IORING_REGISTER_BUFFERS, &buffer, 1));
		if (self->rows[i].plain)
			ASSERT_EQ(0,
				  syscall(SYS_io_uring_register, ring,
					  IORING_UNREGISTER_BUFFERS, NULL, 0));
	}
	close(ring);
}

/* The kernel finds a shared futex by its page. */
TEST_F(self, shared_futex_finds_no_page)
{
	const struct timespec soon = { .tv_nsec = 1 };

	for (size_t i = 0; i < ARRAY_SIZE(self->rows); i++) {
		uint32_t value = 0;

		if (self->rows[i].bytes != self->t->shut_bytes)
			memcpy(&value, self->rows[i].bytes, 4);
		/*
		 * FUTEX_WAIT with a value other than the one that stands there.
		 */
		errno = 0;
		EXPECT_EQ(-1, syscall(SYS_futex, self->rows[i].bytes, 0,
				      value + 1, &soon));
		EXPECT_EQ(self->rows[i].plain ? EAGAIN : EFAULT, errno);
	}
}

struct fork_child {
	struct victim *t;
	int touched[3]; /* signal of ordinary, open, shut */
	int code[2];
	int found;
	struct calls calls;
};

static int fork_child(void *arg)
{
	struct fork_child *c = arg;
	struct sm_fault f;

	c->touched[0] = sm_touch(c->t->plain_bytes, NULL);
	c->touched[1] = sm_touch(c->t->open_bytes, NULL);
	SM_CATCH(&f, *(volatile unsigned char *)c->t->open_bytes);
	c->code[0] = f.code;
	c->touched[2] = sm_touch(c->t->shut_bytes, NULL);
	SM_CATCH(&f, *(volatile unsigned char *)c->t->shut_bytes);
	c->code[1] = f.code;
	c->found = at_is(c->t->plain_bytes, LENGTH, c->t->plain_seed);
	calls_of_a_stranger(&c->calls);
	return 0;
}

TEST_F(self, forked_child_inherits_nothing)
{
	/*
	 * The second time, the kernel is asked to copy the view to the child.
	 */
	for (int i = 0; i < 2; i++) {
		struct fork_child *c = mmap(NULL, sizeof(*c),
					    PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		ASSERT_NE(MAP_FAILED, c);
		if (i) {
			errno = 0;
			EXPECT_EQ(-1, madvise(self->t->view, SM_VIEW_LENGTH,
					      MADV_DOFORK));
			EXPECT_EQ(EINVAL, errno);
		}
		c->t = self->t;
		c->calls.fd = self->t->fd;
		c->calls.handle = self->t->open;
		ASSERT_EQ(0, sm_run(fork_child, c));
		EXPECT_EQ(0, c->touched[0]);
		EXPECT_EQ(1, c->found);
		EXPECT_EQ(SIGSEGV, c->touched[1]);
		EXPECT_EQ(SEGV_MAPERR, c->code[0]);
		EXPECT_EQ(SIGSEGV, c->touched[2]);
		EXPECT_EQ(SEGV_MAPERR, c->code[1]);
		EXPECT_EQ(NULL, c->calls.wrong)
		{
			TH_LOG("%s: %d", c->calls.wrong, c->calls.seen);
		}
		munmap(c, sizeof(*c));
	}
}

struct passed {
	int socket;
	int fd;
	struct calls calls;
};

static int passed_receive(int socket)
{
	char data, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &data, 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int passed_send(int socket, int fd)
{
	char data = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &data, 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &m, 0) == 1 ? 0 : -errno;
}

static int passed_child(void *arg)
{
	struct passed *p = arg;
	unsigned char byte;

	/* The control comes first: a file whose bytes its receiver can read. */
	p->fd = passed_receive(p->socket);
	if (p->fd < 0 || pread(p->fd, &byte, 1, 0) != 1)
		return 1;
	p->fd = passed_receive(p->socket);
	if (p->fd < 0)
		return 2;
	p->calls.fd = p->fd;
	calls_of_a_stranger(&p->calls);
	return 0;
}

TEST_F(self, passed_file_answers_nobody)
{
	struct passed *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pair[2];
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	p->socket = pair[1];
	p->calls.handle = self->t->open;
	pid = sm_fork(passed_child, p);
	ASSERT_EQ(0, passed_send(pair[0], self->t->memfd));
	ASSERT_EQ(0, passed_send(pair[0], self->t->fd));
	EXPECT_EQ(0, sm_reap(pid));
	EXPECT_EQ(NULL, p->calls.wrong)
	{
		TH_LOG("%s: %d", p->calls.wrong, p->calls.seen);
	}
}

/*
 * exec: this program runs again, with the inherited file, and these checks run
 * before main() if the environment says so. The exit status is the first that
 * failed.
 */
#define EXEC_VARIABLE "SECMEM_ATTACK_TEST_EXEC"

static int exec_checks(const char *text)
{
	struct secmem_info info;
	struct secmem_status st;
	unsigned char byte;
	uint64_t open, shut;
	char line[512];
	int fd, memfd;
	FILE *f;

	if (sscanf(text, "%d %d %lu %lu", &fd, &memfd, &open, &shut) != 4)
		return 1;
	if (pread(memfd, &byte, 1, 0) != 1)
		return 2;
	if (sm_info(fd, &info) || info.secrets || info.accesses || info.pages)
		return 3;
	if (sm_stat(fd, open, &st) || st.state != SECMEM_STATE_CLOSED)
		return 4;
	if (sm_stat(fd, shut, &st) || st.state != SECMEM_STATE_CLOSED)
		return 5;
	if (sm_read(fd, open, &byte, 0, 1) != -EKEYREVOKED ||
	    sm_read(fd, shut, &byte, 0, 1) != -EKEYREVOKED)
		return 6;
	if (sm_release(fd, open) != -EKEYREVOKED)
		return 7;
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "secmem") && !strstr(line, "/proc") &&
		    strstr(line, "dev/secmem"))
			return 8;
	return f ? 0 : 9;
}

static void __attribute__((constructor)) exec_entry(void)
{
	const char *text = getenv(EXEC_VARIABLE);

	if (text)
		_exit(exec_checks(text));
}

static int exec_run(void *arg)
{
	struct victim *t = arg;
	char text[128];

	if (victim_prepare(t))
		return 101;
	if (!victim_intact(t))
		return 102;
	fcntl(t->fd, F_SETFD, 0);
	fcntl(t->memfd, F_SETFD, 0);
	snprintf(text, sizeof(text), "%d %d %lu %lu", t->fd, t->memfd, t->open,
		 t->shut);
	setenv(EXEC_VARIABLE, text, 1);
	execl("/proc/self/exe", "exec", NULL);
	return 103;
}

TEST(exec_ends_what_the_file_held)
{
	EXPECT_EQ(0, sm_run(exec_run, victim_struct()));
}

/* A core dump that the kernel really writes, with all that it may hold. */
#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define CORE "/tmp/secmem-core"

static int core_dump(void *arg)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct victim *t = arg;

	if (victim_prepare(t) || !victim_intact(t))
		return 101;
	if (setrlimit(RLIMIT_CORE, &all) || prctl(PR_SET_DUMPABLE, 1) ||
	    at_put("/proc/self/coredump_filter", "0x1ff"))
		return 102;
	/* Even the process itself asks for the view to be dumped. */
	madvise(t->view, SM_VIEW_LENGTH, MADV_DODUMP);
	abort();
}

TEST(core_dump_holds_no_secret)
{
	struct victim *t = victim_struct();
	char before[256] = { 0 };
	struct stat st;
	int fd, status;

	fd = open(CORE_PATTERN, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, before, sizeof(before) - 1));
	close(fd);
	unlink(CORE);
	ASSERT_EQ(0, at_put(CORE_PATTERN, CORE));
	status = sm_run(core_dump, t);
	EXPECT_EQ(0, at_put(CORE_PATTERN, before));
	ASSERT_EQ(128 + SIGABRT, status);
	ASSERT_EQ(0, stat(CORE, &st));
	ASSERT_LT(LENGTH, st.st_size);
	EXPECT_LE(1, at_count_in_file(CORE, t->plain_seed));
	EXPECT_EQ(0, at_count_in_file(CORE, t->open_seed));
	EXPECT_EQ(0, at_count_in_file(CORE, t->shut_seed));
	unlink(CORE);
}

TEST_HARNESS_MAIN
