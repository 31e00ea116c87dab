// SPDX-License-Identifier: GPL-2.0-only
/*
 * The view guards its bytes: against a touch without an access, against what
 * lies beside the data, and against everything that a process can do to a
 * mapping of its own.
 */
#include <linux/userfaultfd.h>
#include <linux/mempolicy.h>
#include <sys/statvfs.h>

#include "attack.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define LENGTH 100
#define PROT_BIT(name) (1ULL << SECMEM_PROT_##name)

FIXTURE(view)
{
	struct sm_vault v;
	uint64_t handle, seed;
	/* A mapping that is nothing special, for the controls. */
	unsigned char *plain;
};

FIXTURE_SETUP(view)
{
	int fd = memfd_create("control", MFD_CLOEXEC);

	self->seed = sm_now();
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, at_secret(&self->v, LENGTH, self->seed, &self->handle));
	ASSERT_EQ(0, ftruncate(fd, SM_VIEW_LENGTH));
	self->plain = mmap(NULL, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, self->plain);
	self->plain[0] = 1;
	close(fd);
}

FIXTURE_TEARDOWN(view)
{
	munmap(self->plain, SM_VIEW_LENGTH);
	sm_vault_close(&self->v);
}

/* The held access still opens the bytes: to read, or to write as well. */
#define EXPECT_OPEN(bytes, write)                                \
	do {                                                     \
		EXPECT_EQ(0, sm_touch(bytes, NULL));             \
		EXPECT_TRUE(at_is(bytes, LENGTH, self->seed));   \
		EXPECT_EQ((write) ? 0 : SIGSEGV,                 \
			  sm_poke(bytes, at_first(self->seed))); \
	} while (0)

/* The bytes can be neither read nor written. */
#define EXPECT_SHUT(bytes)                                 \
	do {                                               \
		EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL)); \
		EXPECT_EQ(SIGSEGV, sm_poke(bytes, 0));     \
	} while (0)

static unsigned char at_first(uint64_t seed)
{
	struct at_pattern p = at_pattern(seed);

	return at_byte(&p);
}

TEST_F(view, touch_without_an_access_is_sigsegv)
{
	unsigned char *bytes, value;
	struct secmem_info before, after;
	uint64_t offset;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	bytes = self->v.view + offset;
	EXPECT_EQ(0, sm_touch(bytes, &value));
	EXPECT_EQ(at_first(self->seed), value);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	ASSERT_EQ(0, sm_info(self->v.fd, &before));
	EXPECT_SHUT(bytes);
	EXPECT_SHUT(bytes + LENGTH - 1);
	ASSERT_EQ(0, sm_info(self->v.fd, &after));
	EXPECT_EQ(before.violations + 4, after.violations);

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, &offset));
	bytes = self->v.view + offset;
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
}

TEST_F(view, write_under_read_is_sigsegv)
{
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 0));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes + LENGTH - 1, 0));
	EXPECT_TRUE(at_is(bytes, LENGTH, self->seed));
	/* A nested READ does not make them writable. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 0));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	/* Nor does a WRITE access before. */
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(view, touch_of_a_closed_secret_is_sigbus)
{
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));
	EXPECT_EQ(SIGBUS, sm_poke(bytes, 0));
}

TEST_F(view, system_call_on_shut_memory_is_efault)
{
	unsigned char *bytes, got[LENGTH];
	uint64_t offset;
	int end[2];

	ASSERT_EQ(0, pipe2(end, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, &offset));
	bytes = self->v.view + offset;

	/* Open to write: read(2) and write(2) both work on it. */
	ASSERT_EQ(LENGTH, write(end[1], bytes, LENGTH));
	ASSERT_EQ(LENGTH, read(end[0], bytes, LENGTH));
	EXPECT_OPEN(bytes, true);
	/* With one byte beyond its end, write(2) writes nothing. */
	errno = 0;
	EXPECT_EQ(-1, write(end[1], bytes, LENGTH + 1));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	EXPECT_EQ(-1, read(end[0], got, sizeof(got)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	/* Shut: neither works, and the pipe stays empty. */
	errno = 0;
	EXPECT_EQ(-1, write(end[1], bytes, LENGTH));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	EXPECT_EQ(-1, read(end[0], got, sizeof(got)));
	EXPECT_EQ(EAGAIN, errno);
	memset(got, 0, sizeof(got));
	ASSERT_EQ(LENGTH, write(end[1], got, LENGTH));
	errno = 0;
	EXPECT_EQ(-1, read(end[0], bytes, LENGTH));
	EXPECT_EQ(EFAULT, errno);
	while (read(end[0], got, sizeof(got)) > 0)
		;

	/* Open to read: write(2) reads from it, read(2) cannot write to it. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(LENGTH, write(end[1], bytes, LENGTH));
	errno = 0;
	EXPECT_EQ(-1, read(end[0], bytes, LENGTH));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
}

/* A futex compares its word, which would tell bytes that one may not read. */
TEST_F(view, futex_tells_nothing_of_shut_memory)
{
	const struct timespec soon = { .tv_nsec = 1 };
	unsigned char *bytes;
	uint32_t *word;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	word = (uint32_t *)(((uintptr_t)bytes + 3) & ~3UL);
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_futex, word, 128, *word + 1, &soon));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_futex, word, 128, 0, &soon));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(view, guard_page_stands_on_each_side)
{
	const size_t lengths[] = { SM_PAGE,	 1,	      2 * SM_PAGE,
				   SM_PAGE,	 3 * SM_PAGE, 100,
				   16 * SM_PAGE, SM_PAGE,     5 * SM_PAGE };
	unsigned char *bytes[ARRAY_SIZE(lengths)];
	uint64_t handles[ARRAY_SIZE(lengths)];
	unsigned char *end;
	int err;

	/*
	 * A new vault, so that the first place of a view is among those tried.
	 */
	sm_vault_close(&self->v);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	end = self->v.view + SM_VIEW_LENGTH;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, lengths[i], &handles[i]));
		bytes[i] = sm_vault_acquire(&self->v, handles[i], SECMEM_WRITE,
					    &err);
		ASSERT_EQ(0, err);
	}
	/* All are open now, so what faults belongs to nobody. */
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		unsigned char *first =
			(unsigned char *)((uintptr_t)bytes[i] & ~(SM_PAGE - 1));
		unsigned char *last = bytes[i] + lengths[i] - 1;

		EXPECT_EQ(0, sm_poke(first, *first));
		EXPECT_EQ(0, sm_poke(bytes[i], 1));
		EXPECT_EQ(0, sm_poke(last, 2));
		/* The guard pages lie within the view. */
		EXPECT_LE(self->v.view, first - SM_PAGE);
		EXPECT_GE(end, last + 1 + SM_PAGE);
		EXPECT_EQ(SIGSEGV, sm_touch(first - 1, NULL));
		EXPECT_EQ(SIGSEGV, sm_poke(first - SM_PAGE, 0));
		EXPECT_EQ(SIGSEGV, sm_touch(last + 1, NULL));
		EXPECT_EQ(SIGSEGV, sm_poke(last + SM_PAGE, 0));
	}
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		EXPECT_EQ(0, sm_release(self->v.fd, handles[i]));
}

TEST_F(view, overrun_faults_at_the_very_next_byte)
{
	const size_t lengths[] = { 1,
				   2,
				   31,
				   32,
				   100,
				   SM_PAGE - 1,
				   SM_PAGE,
				   SM_PAGE + 1,
				   2 * SM_PAGE - 1,
				   SECMEM_LENGTH_MAX };
	struct secmem_create_args c;
	unsigned char *bytes;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		ASSERT_EQ(0, sm_create_as(self->v.fd, lengths[i], 0, 0, NULL,
					  PROT_BIT(OVERRUN), &c));
		EXPECT_NE(0, c.protections & PROT_BIT(OVERRUN));
		bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_WRITE,
					 &err);
		ASSERT_EQ(0, err);
		EXPECT_EQ(0, sm_poke(bytes, 1));
		EXPECT_EQ(0, sm_poke(bytes + lengths[i] - 1, 2));
		EXPECT_EQ(SIGSEGV, sm_touch(bytes + lengths[i], NULL));
		EXPECT_EQ(SIGSEGV, sm_poke(bytes + lengths[i], 3));
		EXPECT_EQ(0, sm_release(self->v.fd, c.handle));
		EXPECT_EQ(0, sm_close(self->v.fd, c.handle));
	}
}

TEST_F(view, alignment_gives_overrun_up_and_says_so)
{
	static const struct {
		size_t length;
		uint32_t align;
		bool overrun;
	} rows[] = {
		{ 33, 0, true },       { 33, 1, true },	  { 33, 2, false },
		{ 33, 32, false },     { 64, 32, true },  { 64, 4096, false },
		{ 4096, 4096, true },  { 5000, 8, true }, { 5001, 8, false },
		{ 4097, 4096, false },
	};
	struct secmem_create_args c;
	struct secmem_status st;
	unsigned char *bytes;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length = rows[i].length;

		err = sm_create_as(self->v.fd, length, rows[i].align, 0, NULL,
				   PROT_BIT(OVERRUN), &c);
		EXPECT_EQ(rows[i].overrun ? 0 : -EOPNOTSUPP, err);
		if (err)
			ASSERT_EQ(0,
				  sm_create_as(self->v.fd, length,
					       rows[i].align, 0, NULL, 0, &c));
		EXPECT_EQ(rows[i].overrun,
			  !!(c.protections & PROT_BIT(OVERRUN)));
		ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));
		EXPECT_EQ(c.protections, st.protections);

		bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_WRITE,
					 &err);
		ASSERT_EQ(0, err);
		EXPECT_EQ(0, (uintptr_t)bytes & ((rows[i].align ?: 1) - 1));
		EXPECT_EQ(0, sm_poke(bytes + length - 1, 1));
		EXPECT_EQ(rows[i].overrun ? SIGSEGV : 0,
			  sm_touch(bytes + length, NULL));
		/* The guard page stands behind the last page in any case. */
		EXPECT_EQ(SIGSEGV, sm_touch((void *)(((uintptr_t)bytes +
						      length - 1 + SM_PAGE) &
						     ~(SM_PAGE - 1)),
					    NULL));
		EXPECT_EQ(0, sm_release(self->v.fd, c.handle));
		EXPECT_EQ(0, sm_close(self->v.fd, c.handle));
	}
}

/* A wrong byte at this distance from the first one is found, and told. */
#define EXPECT_DAMAGE_TOLD(length_, align_, at_)                               \
	do {                                                                   \
		struct secmem_create_args c;                                   \
		struct secmem_status st;                                       \
		unsigned char *bytes;                                          \
		int err;                                                       \
                                                                               \
		ASSERT_EQ(0,                                                   \
			  sm_create_as(self->v.fd, length_, align_, 0, NULL,   \
				       (at_) < 0 ? PROT_BIT(CANARY) : 0, &c)); \
		/* Control: a WRITE that keeps to the data. */                 \
		bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_WRITE,     \
					 &err);                                \
		ASSERT_EQ(0, err);                                             \
		memset(bytes, 0xff, length_);                                  \
		EXPECT_EQ(0, sm_release(self->v.fd, c.handle));                \
                                                                               \
		bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_WRITE,     \
					 &err);                                \
		ASSERT_EQ(0, err);                                             \
		bytes[at_] ^= 1;                                               \
		EXPECT_EQ(-EBADMSG, sm_release(self->v.fd, c.handle));         \
		/* The release has happened all the same. */                   \
		ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));              \
		EXPECT_EQ(0, st.writers);                                      \
		EXPECT_EQ(0, st.protection);                                   \
		EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));                     \
		EXPECT_EQ(-EINVAL, sm_release(self->v.fd, c.handle));          \
		/* CLOSE tells it once more, and has closed the secret. */     \
		EXPECT_EQ(-EBADMSG, sm_close(self->v.fd, c.handle));           \
		ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));              \
		EXPECT_EQ(SECMEM_STATE_CLOSED, st.state);                      \
		EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));                      \
	} while (0)

TEST_F(view, damaged_canary_is_told_by_release_and_close)
{
	EXPECT_DAMAGE_TOLD(LENGTH, 0, -1);
	EXPECT_DAMAGE_TOLD(LENGTH, 0, -8);
	EXPECT_DAMAGE_TOLD(1, 0, -1);
	EXPECT_DAMAGE_TOLD(SM_PAGE + 1, 0, -1);
	/* Aligned data has a canary behind it as well. */
	EXPECT_DAMAGE_TOLD(33, 32, 33);
	EXPECT_DAMAGE_TOLD(100, 64, 100);
	EXPECT_DAMAGE_TOLD(100, 64, -1);
	EXPECT_DAMAGE_TOLD(4000, 4096, 4000);
}

/* A closer that waits for the last holder is told of the damage as well. */
TEST_F(view, damaged_canary_is_told_to_a_waiting_closer)
{
	struct sm_call closer = {
		.fd = self->v.fd,
		.call = SECMEM_IOC_CLOSE,
		.handle = self->handle,
		.deadline = SECMEM_FOREVER,
	};
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_state(self->v.fd, self->handle,
				   SECMEM_STATE_CLOSING));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	bytes[-1] ^= 1;
	EXPECT_EQ(-EBADMSG, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(-EBADMSG, sm_call_finish(&closer));
}

TEST_F(view, canary_is_random_and_the_slack_tells_nothing)
{
	unsigned char *bytes, *first, canary[2][8];
	struct secmem_create_args c;
	uint64_t handle;
	unsigned int set;
	int err;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, 16, &handle));
		bytes = sm_vault_acquire(&self->v, handle, SECMEM_READ, &err);
		ASSERT_EQ(0, err);
		memcpy(canary[i], bytes - 8, 8);
		set = 0;
		for (int j = 0; j < 8; j++)
			set += canary[i][j] != 0;
		/*
		 * By chance all are zero once in 2^64, and six of them once in
		 * 2^43.
		 */
		EXPECT_LT(2, set);
		/*
		 * In front of the canary the page is zero: the kernel left
		 * nothing in it.
		 */
		first = (unsigned char *)((uintptr_t)bytes & ~(SM_PAGE - 1));
		for (size_t at = 0; at + 16 < (size_t)(bytes - first); at++)
			if (first[at]) {
				EXPECT_EQ(0, first[at]);
				break;
			}
		ASSERT_EQ(0, sm_release(self->v.fd, handle));
	}
	EXPECT_NE(0, memcmp(canary[0], canary[1], 8));

	/* The data begins 4096 bytes before the end of its page. */
	ASSERT_EQ(0, sm_create_as(self->v.fd, 100, 4096, 0, NULL, 0, &c));
	bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	for (size_t at = 100 + 16; at < 4096; at++)
		if (bytes[at]) {
			EXPECT_EQ(0, bytes[at]);
			break;
		}
	ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
}

TEST_F(view, mremap_is_refused)
{
	const size_t page = SM_PAGE, length = SM_VIEW_LENGTH;
	const struct {
		size_t at, old_length, new_length;
		int flags, err;
	} rows[] = {
		/* move, the whole and a part of it */
		{ 0, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, EINVAL },
		{ 0, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, EINVAL },
		{ page, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, EINVAL },
		/* move, and leave the old place mapped */
		{ 0, length, length,
		  MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, EINVAL },
		/* grow */
		{ 0, length, 2 * length, MREMAP_MAYMOVE, EFAULT },
		{ 0, length, length + page, 0, EFAULT },
		/* shrink */
		{ 0, length, length - page, 0, EINVAL },
		{ 0, length, page, MREMAP_MAYMOVE, EINVAL },
		/* a second mapping of the same */
		{ 0, 0, length, MREMAP_MAYMOVE, EFAULT },
		{ 0, 0, page, MREMAP_MAYMOVE, EFAULT },
	};
	unsigned char *target, *bytes = NULL, *got;
	uint64_t offset;

	target = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	ASSERT_NE(MAP_FAILED, target);

	/* Shut, open to read, open to write. */
	for (int mode = 0; mode < 3; mode++) {
		static const uint32_t flags[] = { 0, SECMEM_READ,
						  SECMEM_WRITE };

		if (mode) {
			ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle,
						flags[mode], &offset));
			bytes = self->v.view + offset;
		}
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			errno = 0;
			got = mremap(self->v.view + rows[i].at,
				     rows[i].old_length, rows[i].new_length,
				     rows[i].flags, target);
			EXPECT_EQ(MAP_FAILED, got);
			EXPECT_EQ(rows[i].err, errno)
			{
				TH_LOG("row %zu, mode %d", i, mode);
			}
			if (mode)
				EXPECT_OPEN(bytes, mode == 2);
		}
		if (!mode)
			continue;
		/* The refused calls have ended no access, nor begun one. */
		EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
		EXPECT_EQ(-EINVAL, sm_release(self->v.fd, self->handle));
		EXPECT_SHUT(bytes);
	}

	/* Control: each call works on another mapping. */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = memfd_create("control", MFD_CLOEXEC);
		unsigned char *plain;

		/* A move unmaps its target first, also one that is refused. */
		ASSERT_EQ(target,
			  mmap(target, length, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(0, ftruncate(fd, 2 * length));
		plain = mmap(NULL, 2 * length, PROT_READ | PROT_WRITE,
			     MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, plain);
		munmap(plain + length, length);
		got = mremap(plain + rows[i].at, rows[i].old_length,
			     rows[i].new_length, rows[i].flags, target);
		/* Old kernels have DONTUNMAP for private memory only. */
		if (got == MAP_FAILED && errno == EINVAL &&
		    rows[i].flags & MREMAP_DONTUNMAP)
			TH_LOG("row %zu is without a control here", i);
		else
			EXPECT_NE(MAP_FAILED, got)
			{
				TH_LOG("row %zu: errno %d", i, errno);
			}
		if (got != MAP_FAILED)
			munmap(got, rows[i].new_length);
		munmap(plain, length);
		close(fd);
	}
}

/* munmap, mprotect, madvise, mbind or mmap of a part would split the view. */
TEST_F(view, a_part_of_it_cannot_be_changed)
{
	const size_t page = SM_PAGE, length = SM_VIEW_LENGTH;
	const struct {
		size_t at, length;
	} parts[] = {
		{ 0, page },
		{ page, page },
		{ length / 2, length / 2 },
		{ 0, length - page },
	};
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		unsigned char *at = self->v.view + parts[i].at;
		unsigned long node = 1;

		errno = 0;
		EXPECT_EQ(-1, munmap(at, parts[i].length));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(-1, mprotect(at, parts[i].length, PROT_READ));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(-1, madvise(at, parts[i].length, MADV_SEQUENTIAL));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(-1, syscall(SYS_mbind, at, parts[i].length, MPOL_BIND,
				      &node, 2, 0));
		EXPECT_EQ(EINVAL, errno);
		errno = 0;
		EXPECT_EQ(MAP_FAILED,
			  mmap(at, parts[i].length, PROT_READ,
			       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		/*
		 * The error that the kernel has for a mapping that it cannot
		 * split.
		 */
		EXPECT_TRUE(errno == ENOMEM || errno == EINVAL);
		EXPECT_OPEN(bytes, true);
	}
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));

	/* Control: each call works on a part of an ordinary mapping. */
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		unsigned char *plain = mmap(NULL, length, PROT_READ,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		unsigned char *at = plain + parts[i].at;
		unsigned long node = 1;

		ASSERT_NE(MAP_FAILED, plain);
		EXPECT_EQ(0, mprotect(at, parts[i].length, PROT_READ));
		EXPECT_EQ(0, madvise(at, parts[i].length, MADV_SEQUENTIAL));
		EXPECT_EQ(0, syscall(SYS_mbind, at, parts[i].length, MPOL_BIND,
				     &node, 2, 0));
		EXPECT_EQ(at,
			  mmap(at, parts[i].length, PROT_READ,
			       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		EXPECT_EQ(0, munmap(at, parts[i].length));
		munmap(plain, length);
	}
}

TEST_F(view, memory_mapped_over_all_of_it_is_empty)
{
	unsigned char *bytes, *over;
	uint64_t offset;
	void *view;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	over = mmap(self->v.view, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	ASSERT_EQ(self->v.view, over);
	EXPECT_EQ(0, sm_touch(bytes, NULL));
	EXPECT_EQ(0, at_count(bytes, LENGTH, self->seed));
	EXPECT_EQ(0, bytes[0]);
	bytes[0] = 42;

	/*
	 * Without a view there is no further access; and no view while one is
	 * held.
	 */
	EXPECT_EQ(-ENXIO, sm_acquire(self->v.fd, self->handle,
				     SECMEM_READ | SECMEM_NOWAIT, &offset));
	errno = 0;
	EXPECT_EQ(MAP_FAILED, sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(42, bytes[0]);
	view = sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	munmap(over, SM_VIEW_LENGTH);
	self->v.view = view;
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, false);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

/*
 * A mapping where the view was is not enough: it has to be this grant's view.
 */
TEST_F(view, view_of_another_vault_at_its_place_is_not_its_own)
{
	unsigned char *bytes, *view = self->v.view;
	struct sm_vault other;
	uint64_t offset, handle;
	int err;

	ASSERT_EQ(0, munmap(view, SM_VIEW_LENGTH));
	other.fd = sm_open();
	ASSERT_LE(0, other.fd);
	other.view = mmap(view, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, other.fd, 0);
	ASSERT_EQ(view, other.view);
	ASSERT_EQ(0, at_secret(&other, LENGTH, self->seed + 1, &handle));

	EXPECT_EQ(-ENXIO,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	bytes = sm_vault_acquire(&other, handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_TRUE(at_is(bytes, LENGTH, self->seed + 1));
	EXPECT_EQ(0, sm_release(other.fd, handle));
	EXPECT_SHUT(bytes);
	self->v.view = NULL;
	sm_vault_close(&other);
}

/*
 * munmap takes the view's pages out with mmap_lock held for reading only, and
 * tells the module last. In between, an ACQUIRE that trusts an address from
 * before would put an entry where no mapping is, and the next mapping there
 * would show the secret. Behind the view lies memory that the same munmap has
 * to take out, so that this takes long. In front of it a page stays mapped, and
 * with it the page table.
 */
#define RACE_VIEW (16 * SM_PAGE)
#define RACE_BEHIND (128 * SM_PAGE)
/* The memory that one page of page-table entries maps. */
#define RACE_TABLE (SM_PAGE / sizeof(uint64_t) * SM_PAGE)
#define RACE_ROUNDS 400
#define RACE_MS 6000

struct race {
	int fd;
	uint64_t handle;
	bool over; /* atomic */
	unsigned long held, refused, wrong;
};

static void *race_acquire(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->over, __ATOMIC_ACQUIRE)) {
		int err = sm_acquire(r->fd, r->handle, SECMEM_READ, NULL);

		if (!err) {
			__atomic_fetch_add(&r->held, 1, __ATOMIC_RELAXED);
			err = sm_release(r->fd, r->handle);
		} else if (err == -ENXIO) {
			__atomic_fetch_add(&r->refused, 1, __ATOMIC_RELAXED);
			err = 0;
		}
		if (err)
			r->wrong++;
	}
	return NULL;
}

TEST(munmap_against_acquire_leaves_nothing_readable)
{
	struct race r = { .over = false };
	unsigned long rounds = 0, leaks = 0, dirty = 0;
	unsigned char *area, *view, *seen;
	int64_t until = sm_in_ms(RACE_MS);
	uint64_t seed = sm_now();
	struct sm_vault v = { 0 };
	pthread_t thread;

	r.fd = sm_open();
	ASSERT_LE(0, r.fd);
	/* All lies behind one page of entries: the view has none of its own. */
	area = mmap(NULL, 2 * RACE_TABLE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	area = (unsigned char *)(((uintptr_t)area + RACE_TABLE - 1) &
				 ~(RACE_TABLE - 1));
	ASSERT_EQ(0, mprotect(area, SM_PAGE, PROT_READ | PROT_WRITE));
	area[0] = 1;
	view = area + SM_PAGE;

	ASSERT_EQ(view, mmap(view, RACE_VIEW, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, r.fd, 0));
	v.fd = r.fd;
	v.view = view;
	ASSERT_EQ(0, at_secret(&v, SM_PAGE, seed, &r.handle));
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_acquire, &r));

	/* As many rounds as there is time for, and 20 at least. */
	while (rounds < RACE_ROUNDS && (rounds < 20 || sm_now() < until)) {
		unsigned long before;

		ASSERT_NE(MAP_FAILED, mmap(view + RACE_VIEW, RACE_BEHIND,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS |
						   MAP_FIXED | MAP_POPULATE,
					   -1, 0));
		/* Wait until the other thread is under way. */
		before = __atomic_load_n(&r.held, __ATOMIC_RELAXED);
		ASSERT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(&r.held,
							   __ATOMIC_RELAXED) !=
					   before));
		ASSERT_EQ(0, munmap(view, RACE_VIEW + RACE_BEHIND));
		seen = mmap(view, RACE_VIEW, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		ASSERT_EQ(view, seen);
		leaks += at_count(seen, RACE_VIEW, seed);
		for (size_t i = 0; i < RACE_VIEW; i++)
			if (seen[i]) {
				dirty++;
				break;
			}
		/* EBUSY while an access of the last view is still held. */
		ASSERT_EQ(0, SM_WAIT_UNTIL(mmap(view, RACE_VIEW,
						PROT_READ | PROT_WRITE,
						MAP_SHARED | MAP_FIXED, r.fd,
						0) != MAP_FAILED ||
					   errno != EBUSY));
		rounds++;
	}
	__atomic_store_n(&r.over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	TH_LOG("%lu rounds, %lu accesses, %lu refused, %ld ms", rounds, r.held,
	       r.refused, (long)(sm_now() - until) / 1000000 + RACE_MS);
	EXPECT_EQ(0, leaks);
	EXPECT_EQ(0, dirty);
	EXPECT_EQ(0, r.wrong);
	/* Control: both sides of the race were seen. */
	EXPECT_LT(0, r.held);
	EXPECT_LT(0, r.refused);
	v.view = view;
	view = sm_vault_acquire(&v, r.handle, SECMEM_READ, (int *)&dirty);
	ASSERT_NE(NULL, view);
	EXPECT_TRUE(at_is(view, SM_PAGE, seed));
	EXPECT_EQ(0, sm_release(r.fd, r.handle));
	close(r.fd);
}

TEST_F(view, mprotect_narrows_and_widens_under_write)
{
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
			      PROT_READ | PROT_WRITE));
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_NONE));
	EXPECT_SHUT(bytes);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
			      PROT_READ | PROT_WRITE));
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
}

/* The view is read-only when the access begins. */
TEST_F(view, access_grants_no_more_than_the_view)
{
	unsigned char *bytes;
	int err;

	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_READ));
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
			      PROT_READ | PROT_WRITE));
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);

	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_NONE));
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_SHUT(bytes);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
			      PROT_READ | PROT_WRITE));
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
}

TEST_F(view, mprotect_never_widens_what_the_access_grants)
{
	static const int narrow[] = { PROT_READ, PROT_NONE };
	unsigned char *bytes;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(narrow); i++) {
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ,
					 &err);
		ASSERT_EQ(0, err);
		EXPECT_EQ(0, sm_touch(bytes, NULL));
		for (int round = 0; round < 2; round++) {
			ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
					      narrow[i]));
			ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
					      PROT_READ | PROT_WRITE));
			/*
			 * A write, then a read, and in the next round a write.
			 */
			EXPECT_EQ(SIGSEGV, sm_poke(bytes, 0));
			EXPECT_OPEN(bytes, false);
		}
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		/*
		 * mprotect that widens a view without an access opens nothing.
		 */
		ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH, narrow[i]));
		ASSERT_EQ(0, mprotect(self->v.view, SM_VIEW_LENGTH,
				      PROT_READ | PROT_WRITE));
		EXPECT_SHUT(bytes);
	}
}

/* /dev may be mounted noexec, where the kernel says EPERM before the module. */
static int open_where_exec_is_allowed(int flags)
{
	char path[] = "/tmp/secmem-XXXXXX";
	struct statvfs fs;
	struct stat st;
	int fd, err;

	if (!statvfs(SECMEM_DEVICE, &fs) && !(fs.f_flag & ST_NOEXEC))
		return open(SECMEM_DEVICE, flags | O_CLOEXEC);
	if (stat(SECMEM_DEVICE, &st) || !mkdtemp(path) || chdir(path))
		return -1;
	if (mknod("device", S_IFCHR | 0600, st.st_rdev))
		return -1;
	fd = open("device", flags | O_CLOEXEC);
	err = errno;
	unlink("device");
	rmdir(path);
	errno = err;
	return fd;
}

TEST(view_is_never_executable)
{
	static const int prots[] = { PROT_EXEC, PROT_READ | PROT_EXEC,
				     PROT_READ | PROT_WRITE | PROT_EXEC };
	int fd = open_where_exec_is_allowed(O_RDWR);
	void *view, *plain;

	ASSERT_LE(0, fd);
	plain = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, plain);
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		errno = 0;
		EXPECT_EQ(MAP_FAILED, sm_map(fd, SM_VIEW_LENGTH, prots[i]));
		EXPECT_EQ(EACCES, errno);
	}
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		errno = 0;
		EXPECT_EQ(-1, mprotect(view, SM_VIEW_LENGTH, prots[i]));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(0, mprotect(plain, SM_PAGE, prots[i]));
	}
	munmap(view, SM_VIEW_LENGTH);
	close(fd);
}

TEST(view_of_a_read_only_file_stays_read_only)
{
	int fd = open(SECMEM_DEVICE, O_RDONLY | O_CLOEXEC), err;
	struct secmem_create_args c;
	struct secmem_info info;
	struct sm_vault v;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_info(fd, &info));
	EXPECT_EQ(SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_WRITE, info.rights);
	errno = 0;
	EXPECT_EQ(MAP_FAILED,
		  sm_map(fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	v.fd = fd;
	v.view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, v.view);
	errno = 0;
	EXPECT_EQ(-1, mprotect(v.view, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, sm_create_as(fd, LENGTH, 0, SECMEM_CREATE_RANDOM, NULL, 0,
				  &c));
	EXPECT_EQ(-EACCES, sm_acquire(fd, c.handle, SECMEM_WRITE, NULL));
	EXPECT_EQ(-EACCES, sm_write(fd, c.handle, &c, 0, 1));
	v.view = sm_vault_acquire(&v, c.handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_touch(v.view, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(v.view, 0));
	EXPECT_EQ(0, sm_release(fd, c.handle));
	close(fd);

	/*
	 * Control: the view of a file that was opened to write may be made
	 * writable.
	 */
	fd = sm_open();
	v.view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, v.view);
	EXPECT_EQ(0, mprotect(v.view, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE));
	close(fd);
}

TEST(view_is_shared_from_zero_and_one)
{
	int fd = sm_open();
	void *view;

	ASSERT_LE(0, fd);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(MAP_FAILED,
		  mmap(NULL, SM_PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, SM_PAGE));
	EXPECT_EQ(EINVAL, errno);

	view = sm_map(fd, SM_PAGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, sm_map(fd, SM_PAGE, PROT_READ));
	EXPECT_EQ(EBUSY, errno);
	/* Once the view is gone, there may be another. */
	ASSERT_EQ(0, munmap(view, SM_PAGE));
	view = sm_map(fd, 16 * SM_PAGE, PROT_READ);
	EXPECT_NE(MAP_FAILED, view);
	close(fd);
}

/* MAP_POPULATE and MAP_LOCKED ask for pages that nobody has a right to yet. */
TEST(mmap_puts_nothing_in)
{
	int fd = sm_open(), err;
	struct sm_vault v;
	uint64_t handle;
	unsigned char *bytes;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_create(fd, LENGTH, &handle));
	v.fd = fd;
	v.view = mmap(NULL, 16 * SM_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE | MAP_LOCKED, fd, 0);
	ASSERT_NE(MAP_FAILED, v.view);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(SIGSEGV, sm_touch(v.view + i * SM_PAGE, NULL));
	bytes = sm_vault_acquire(&v, handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_touch(bytes, NULL));
	EXPECT_EQ(0, sm_release(fd, handle));
	close(fd);
}

/* Whether this kernel knows this advice, for private memory. */
static bool advice_known(int advice)
{
	void *page = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool known = page != MAP_FAILED && !madvise(page, SM_PAGE, advice);

	munmap(page, SM_PAGE);
	return known;
}

/*
 * What each advice returns for a view. None loses or shows a byte. The control
 * is what a shared mapping of a file in memory gets.
 */
TEST_F(view, madvise_neither_loses_nor_shows)
{
	static const struct {
		const char *name;
		int advice, err, plain;
	} rows[] = {
		{ "NORMAL", MADV_NORMAL, 0, 0 },
		{ "RANDOM", MADV_RANDOM, 0, 0 },
		{ "SEQUENTIAL", MADV_SEQUENTIAL, 0, 0 },
		{ "WILLNEED", MADV_WILLNEED, 0, 0 },
		{ "DONTNEED", MADV_DONTNEED, EINVAL, 0 },
		{ "FREE", MADV_FREE, EINVAL, EINVAL },
		{ "REMOVE", MADV_REMOVE, ENODEV, 0 },
		{ "DONTFORK", MADV_DONTFORK, 0, 0 },
		{ "DOFORK", MADV_DOFORK, EINVAL, 0 },
		{ "MERGEABLE", MADV_MERGEABLE, 0, 0 },
		{ "UNMERGEABLE", MADV_UNMERGEABLE, 0, 0 },
		{ "HUGEPAGE", MADV_HUGEPAGE, 0, 0 },
		{ "NOHUGEPAGE", MADV_NOHUGEPAGE, 0, 0 },
		{ "DONTDUMP", MADV_DONTDUMP, 0, 0 },
		{ "DODUMP", MADV_DODUMP, EINVAL, 0 },
		{ "WIPEONFORK", MADV_WIPEONFORK, EINVAL, EINVAL },
		{ "KEEPONFORK", MADV_KEEPONFORK, 0, 0 },
		{ "COLD", MADV_COLD, EINVAL, 0 },
		{ "PAGEOUT", MADV_PAGEOUT, EINVAL, 0 },
		{ "POPULATE_READ", MADV_POPULATE_READ, EINVAL, 0 },
		{ "POPULATE_WRITE", MADV_POPULATE_WRITE, EINVAL, 0 },
		{ "COLLAPSE", MADV_COLLAPSE, EINVAL, -1 },
	};
	/* Shut first, then with each access. */
	static const uint32_t modes[] = { 0, SECMEM_READ, SECMEM_WRITE };
	const size_t length = 64 * SM_PAGE;
	unsigned char *plain, *bytes = NULL;
	uint64_t offset;
	int err, wanted;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	bytes = self->v.view + offset;
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		if (modes[m])
			ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle,
						modes[m], &offset));
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			err = madvise(self->v.view, SM_VIEW_LENGTH,
				      rows[i].advice) ?
				      errno :
				      0;
			wanted = rows[i].err;
			if (!wanted && !advice_known(rows[i].advice))
				wanted = EINVAL;
			EXPECT_EQ(wanted, err)
			{
				TH_LOG("MADV_%s, mode %zu", rows[i].name, m);
			}
			if (modes[m])
				EXPECT_OPEN(bytes, modes[m] == SECMEM_WRITE);
			else
				EXPECT_SHUT(bytes);
		}
		if (modes[m]) {
			ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
			EXPECT_SHUT(bytes);
		}
	}

	plain = mmap(NULL, length, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, plain);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].plain < 0)
			continue;
		err = madvise(plain, length, rows[i].advice) ? errno : 0;
		if (err == EINVAL && !advice_known(rows[i].advice)) {
			TH_LOG("MADV_%s is unknown here", rows[i].name);
			continue;
		}
		EXPECT_EQ(rows[i].plain, err)
		{
			TH_LOG("MADV_%s of ordinary memory", rows[i].name);
		}
	}
}

TEST_F(view, locking_memory_puts_nothing_in)
{
	unsigned char *bytes, resident;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	EXPECT_EQ(0, mlock(self->v.view, SM_VIEW_LENGTH));
	EXPECT_SHUT(bytes);
	EXPECT_EQ(0, munlock(self->v.view, SM_VIEW_LENGTH));
	EXPECT_EQ(0, mlock2(self->v.view, SM_VIEW_LENGTH, MLOCK_ONFAULT));
	EXPECT_SHUT(bytes);
	EXPECT_EQ(0, munlock(self->v.view, SM_VIEW_LENGTH));
	/* Control: locking brings the pages of other memory in. */
	EXPECT_EQ(0, mincore(self->plain + SM_PAGE, SM_PAGE, &resident));
	EXPECT_EQ(0, resident & 1);
	munmap(self->plain + 64 * SM_PAGE, SM_VIEW_LENGTH - 64 * SM_PAGE);
	EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_EQ(0, mincore(self->plain + SM_PAGE, SM_PAGE, &resident));
	EXPECT_EQ(1, resident & 1);
	EXPECT_SHUT(bytes);

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	EXPECT_EQ(0, munlockall());
	EXPECT_EQ(0, mlockall(MCL_CURRENT));
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
	EXPECT_EQ(0, munlockall());
	EXPECT_SHUT(bytes);
}

/*
 * To clear soft-dirty bits write-protects what is mapped, and changes VMA
 * flags.
 */
TEST_F(view, soft_dirty_cleared_changes_no_access)
{
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	err = at_put("/proc/self/clear_refs", "4");
	if (err == -EINVAL) {
		sm_release(self->v.fd, self->handle);
		SKIP(return, "this kernel has no soft-dirty bits");
	}
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);

	/* Entries that are put in after that. */
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_OPEN(bytes, true);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	for (char how = '1'; how <= '4'; how++) {
		char text[2] = { how, 0 };

		EXPECT_EQ(0, at_put("/proc/self/clear_refs", text));
		EXPECT_OPEN(bytes, false);
	}
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_SHUT(bytes);
}

TEST_F(view, userfaultfd_is_refused)
{
	struct uffdio_api api = { .api = UFFD_API };
	static const uint64_t modes[] = { UFFDIO_REGISTER_MODE_MISSING,
					  UFFDIO_REGISTER_MODE_WP, 4 };
	struct uffdio_register r;
	unsigned char *bytes;
	int uffd, err;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		SKIP(return, "no userfaultfd: errno %d", errno);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		r = (struct uffdio_register){
			.range = { (uintptr_t)self->v.view, SM_VIEW_LENGTH },
			.mode = modes[i],
		};
		errno = 0;
		EXPECT_EQ(-1, ioctl(uffd, UFFDIO_REGISTER, &r));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_OPEN(bytes, false);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));

	r = (struct uffdio_register){
		.range = { (uintptr_t)self->plain, SM_VIEW_LENGTH },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	EXPECT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &r));
	close(uffd);
}

TEST_F(view, remap_file_pages_shows_nothing)
{
	unsigned char *bytes;
	uint64_t offset;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	/*
	 * Control: other memory can be remapped, if this kernel has the call.
	 */
	self->plain[2 * SM_PAGE] = 3;
	if (syscall(SYS_remap_file_pages, self->plain, SM_PAGE, 0, 2, 0)) {
		ASSERT_EQ(ENOSYS, errno);
		SKIP(return, "no remap_file_pages");
	}
	EXPECT_EQ(3, self->plain[0]);

	/* A part of it would split the view. */
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_remap_file_pages, self->v.view, SM_PAGE, 0, 1,
			      0));
	EXPECT_TRUE(errno == ENOMEM || errno == EINVAL);
	EXPECT_OPEN(bytes, true);
	/* All of it is a munmap and a mmap, which the held access refuses. */
	errno = 0;
	EXPECT_EQ(-1, syscall(SYS_remap_file_pages, self->v.view,
			      SM_VIEW_LENGTH, 0, 0, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_EQ(-ENXIO, sm_acquire(self->v.fd, self->handle,
				     SECMEM_READ | SECMEM_NOWAIT, &offset));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	self->v.view = NULL;
}

TEST_F(view, pages_are_not_moved_to_another_node)
{
	unsigned long node = 1;
	unsigned char *bytes;
	int err, status, to = 0;
	void *page;

	if (syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) &&
	    errno == ENOSYS)
		SKIP(return, "this kernel has no NUMA");
	for (int mode = 0; mode < 2; mode++) {
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE,
					 &err);
		ASSERT_EQ(0, err);
		if (!mode)
			ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		page = (void *)((uintptr_t)bytes & ~(SM_PAGE - 1));

		status = 0;
		EXPECT_EQ(0, syscall(SYS_move_pages, 0, 1, &page, NULL, &status,
				     0));
		EXPECT_TRUE(status == -EFAULT || status == -ENOENT);
		status = 0;
		syscall(SYS_move_pages, 0, 1, &page, &to, &status, 4);
		EXPECT_TRUE(status == -EFAULT || status == -ENOENT);
		EXPECT_EQ(0, syscall(SYS_mbind, self->v.view, SM_VIEW_LENGTH,
				     MPOL_BIND, &node, 2,
				     MPOL_MF_MOVE | MPOL_MF_STRICT));
		if (mode) {
			EXPECT_OPEN(bytes, true);
			ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		}
		EXPECT_SHUT(bytes);
	}
	page = self->plain;
	status = -1;
	EXPECT_EQ(0, syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
