// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses: who may hold one beside whom, who waits and how a wait ends, and
 * that the pages are there exactly while one is held.
 */
#include "secmem_test.h"

#define LENGTH 100

static void pattern(unsigned char *bytes, size_t length, unsigned int seed)
{
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = (i * 31 + i / 256 + seed) % 251 + 1;
}

FIXTURE(access)
{
	struct sm_vault v;
	uint64_t handle;
	unsigned char was[LENGTH];
};

FIXTURE_SETUP(access)
{
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	pattern(self->was, LENGTH, 0);
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, self->was, 0, LENGTH));
}

FIXTURE_TEARDOWN(access)
{
	sm_vault_close(&self->v);
}

#define ACQUIRE(flags) sm_acquire(self->v.fd, self->handle, flags, NULL)
#define RELEASE sm_release(self->v.fd, self->handle)

#define EXPECT_STAT(expected_protection, expected_readers, expected_writers) \
	do {                                                                 \
		struct secmem_status st;                                     \
		EXPECT_EQ(0, sm_stat(self->v.fd, self->handle, &st));        \
		EXPECT_EQ(SECMEM_STATE_OPEN, st.state);                      \
		EXPECT_EQ(expected_protection, st.protection);               \
		EXPECT_EQ(expected_readers, st.readers);                     \
		EXPECT_EQ(expected_writers, st.writers);                     \
		EXPECT_EQ(0, st.waiters);                                    \
	} while (0)

#define CALL(nr, call_flags, until)                                   \
	{                                                             \
		.fd = self->v.fd, .call = nr, .handle = self->handle, \
		.flags = call_flags, .deadline = until,               \
	}

/* What an access opens, and for how long. */

TEST_F(access, new_secret_is_zero)
{
	unsigned char *bytes;
	uint64_t handle;
	size_t i;
	int err;

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
	bytes = sm_vault_acquire(&self->v, handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	for (i = 0; i < LENGTH; i++)
		EXPECT_EQ(0, bytes[i]);
	EXPECT_EQ(0, sm_release(self->v.fd, handle));
}

/* Secrets die dirty; the pages of the next one must not show it. */
TEST_F_TIMEOUT(access, new_secret_is_zero_where_another_was, SM_LOOP_TIMEOUT)
{
	const size_t length = 3 * SM_PAGE;
	unsigned char *bytes, *zero = calloc(1, length);
	uint64_t handle;
	uint32_t equal;
	int i, err;

	ASSERT_NE(NULL, zero);
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
		ASSERT_EQ(0,
			  sm_compare(self->v.fd, handle, zero, length, &equal));
		ASSERT_EQ(1, equal);
		bytes = sm_vault_acquire(&self->v, handle, SECMEM_WRITE, &err);
		ASSERT_EQ(0, err);
		memset(bytes, 0xee, length);
		ASSERT_EQ(0, sm_release(self->v.fd, handle));
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
	}
}

TEST_F(access, bytes_are_there_while_an_access_is_held_and_no_longer)
{
	unsigned char *bytes, got;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_touch(bytes, &got));
	EXPECT_EQ(self->was[0], got);
	EXPECT_EQ(0, memcmp(bytes, self->was, LENGTH));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_EQ(SIGSEGV, sm_touch(bytes + LENGTH - 1, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_touch(bytes, &got));
	EXPECT_EQ(self->was[0], got);
	EXPECT_EQ(0, sm_poke(bytes, 77));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &got, 0, 1));
	EXPECT_EQ(77, got);
}

/* Also where nothing touched the bytes between ACQUIRE and RELEASE. */
TEST_F(access, untouched_bytes_are_shut_by_the_last_release)
{
	unsigned char *bytes;
	uint64_t offset = 0;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, &offset));
	bytes = self->v.view + offset;
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
}

TEST_F(access, write_under_read_is_sigsegv)
{
	unsigned char *bytes;
	int i, err;

	for (i = 0; i < 3; i++) {
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ,
					 &err);
		ASSERT_EQ(0, err);
		if (i)
			EXPECT_EQ(0, sm_touch(bytes, NULL));
		EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
		EXPECT_EQ(SIGSEGV, sm_poke(bytes + LENGTH - 1, 1));
		EXPECT_EQ(0, memcmp(bytes, self->was, LENGTH));
		EXPECT_EQ(0, RELEASE);
		/* A WRITE in between leaves nothing behind for READ. */
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE,
					 &err);
		ASSERT_EQ(0, err);
		EXPECT_EQ(0, sm_poke(bytes, self->was[0]));
		EXPECT_EQ(0, RELEASE);
	}
}

TEST_F(access, refused_touches_are_counted)
{
	struct secmem_info before, after;
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_info(self->v.fd, &before));
	EXPECT_EQ(0, sm_touch(bytes, NULL));
	ASSERT_EQ(0, sm_info(self->v.fd, &after));
	EXPECT_EQ(before.violations, after.violations);
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));
	ASSERT_EQ(0, sm_info(self->v.fd, &after));
	EXPECT_EQ(before.violations + 3, after.violations);
}

TEST_F(access, only_the_acquired_secret_opens)
{
	unsigned char *bytes[3];
	uint64_t handle[3];
	int i, j, err;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle[i]));
		bytes[i] = sm_vault_acquire(&self->v, handle[i], SECMEM_WRITE,
					    &err);
		ASSERT_EQ(0, err);
		memset(bytes[i], i + 1, LENGTH);
		ASSERT_EQ(0, sm_release(self->v.fd, handle[i]));
	}
	for (i = 0; i < 3; i++) {
		bytes[i] = sm_vault_acquire(&self->v, handle[i], SECMEM_READ,
					    &err);
		ASSERT_EQ(0, err);
		for (j = 0; j < 3; j++)
			EXPECT_EQ(i == j ? 0 : SIGSEGV,
				  sm_touch(bytes[j], NULL));
		EXPECT_EQ(i + 1, bytes[i][LENGTH - 1]);
		ASSERT_EQ(0, sm_release(self->v.fd, handle[i]));
	}
}

TEST_F(access, offset_and_length_name_the_bytes)
{
	const uint64_t lengths[] = {
		1,
		2,
		15,
		16,
		100,
		SM_PAGE - 1,
		SM_PAGE,
		SM_PAGE + 1,
		2 * SM_PAGE - 1,
		2 * SM_PAGE,
		2 * SM_PAGE + 1,
		3 * SM_PAGE - 1,
		3 * SM_PAGE,
		3 * SM_PAGE + 1,
		100000,
		SECMEM_LENGTH_MAX - 1,
		SECMEM_LENGTH_MAX,
	};
	unsigned char *expected = malloc(SECMEM_LENGTH_MAX);
	uint64_t handles[ARRAY_SIZE(lengths)];
	struct secmem_acquire_args a;
	size_t i;

	ASSERT_NE(NULL, expected);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, lengths[i], &handles[i]));
		pattern(expected, lengths[i], i);
		ASSERT_EQ(0, sm_write(self->v.fd, handles[i], expected, 0,
				      lengths[i]));
	}
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		pattern(expected, lengths[i], i);
		ASSERT_EQ(0, sm_acquire_at(self->v.fd, handles[i], SECMEM_READ,
					   SECMEM_FOREVER, &a));
		EXPECT_EQ(lengths[i], a.length);
		EXPECT_LE(a.offset + a.length, SM_VIEW_LENGTH);
		/* The data ends where its page ends. */
		EXPECT_EQ(0, (a.offset + a.length) % SM_PAGE);
		EXPECT_EQ(0, memcmp(self->v.view + a.offset, expected,
				    lengths[i]));
		EXPECT_EQ(SIGSEGV,
			  sm_touch(self->v.view + a.offset + a.length, NULL));
		ASSERT_EQ(0, sm_release(self->v.fd, handles[i]));

		/*
		 * And what is written through the view is read back the same.
		 */
		pattern(expected, lengths[i], i + 100);
		ASSERT_EQ(0, sm_acquire_at(self->v.fd, handles[i], SECMEM_WRITE,
					   SECMEM_FOREVER, &a));
		memcpy(self->v.view + a.offset, expected, lengths[i]);
		ASSERT_EQ(0, sm_release(self->v.fd, handles[i]));
		memset(expected, 0, lengths[i]);
		ASSERT_EQ(0, sm_read(self->v.fd, handles[i], expected, 0,
				     lengths[i]));
		ASSERT_EQ(0, sm_acquire_at(self->v.fd, handles[i], SECMEM_READ,
					   SECMEM_FOREVER, &a));
		EXPECT_EQ(0, memcmp(self->v.view + a.offset, expected,
				    lengths[i]));
		ASSERT_EQ(0, sm_release(self->v.fd, handles[i]));
	}
}

TEST_F(access, alignment_is_kept)
{
	struct secmem_create_args c;
	struct secmem_acquire_args a;
	uint32_t align;
	uint64_t length;

	for (align = 1; align <= SECMEM_ALIGN_MAX; align *= 2) {
		for (length = 1; length <= 2 * SM_PAGE;
		     length = length * 3 + 1) {
			ASSERT_EQ(0, sm_create_as(self->v.fd, length, align, 0,
						  NULL, 0, &c));
			ASSERT_EQ(0, sm_acquire_at(self->v.fd, c.handle,
						   SECMEM_READ, SECMEM_FOREVER,
						   &a));
			EXPECT_EQ(length, a.length);
			EXPECT_EQ(0,
				  (uintptr_t)(self->v.view + a.offset) % align);
			EXPECT_EQ(length % align == 0,
				  !!(c.protections &
				     1ULL << SECMEM_PROT_OVERRUN));
			if (length % align == 0)
				EXPECT_EQ(0, (a.offset + a.length) % SM_PAGE);
			ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
			ASSERT_EQ(0, sm_close(self->v.fd, c.handle));
		}
	}
}

TEST_F(access, label_is_shown)
{
	static const char full[] = "01234567890123456789012345678901";
	struct secmem_create_args c;
	struct secmem_status st;

	ASSERT_EQ(0, sm_create_as(self->v.fd, 10, 0, 0, "tls key", 0, &c));
	ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));
	EXPECT_STREQ("tls key", st.label);
	EXPECT_EQ(10, st.length);
	EXPECT_EQ(c.protections, st.protections);
	EXPECT_EQ(0, st.stat_flags);
	/* All of the label may be used; then no NUL ends it. */
	ASSERT_EQ(0, sm_create_as(self->v.fd, 10, 0, 0, full, 0, &c));
	ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));
	EXPECT_EQ(0, memcmp(full, st.label, sizeof(st.label)));
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_STREQ("", st.label);
}

TEST_F(access, random_secrets_differ)
{
	static unsigned char bytes[2][5000];
	struct secmem_create_args c[2];
	size_t i, j, zero;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0,
			  sm_create_as(self->v.fd, sizeof(bytes[i]), 0,
				       SECMEM_CREATE_RANDOM, NULL, 0, &c[i]));
		ASSERT_EQ(0, sm_read(self->v.fd, c[i].handle, bytes[i], 0,
				     sizeof(bytes[i])));
		/*
		 * About 20 zero bytes are expected; 100 of them come once in
		 * 10^36.
		 */
		for (j = zero = 0; j < sizeof(bytes[i]); j++)
			zero += !bytes[i][j];
		EXPECT_GT(100, zero);
		EXPECT_NE(0, *(uint64_t *)bytes[i]);
		EXPECT_NE(0, memcmp(bytes[i] + 4992, &(uint64_t){ 0 }, 8));
	}
	EXPECT_NE(0, memcmp(bytes[0], bytes[1], sizeof(bytes[0])));
}

/* Who may hold an access beside whom. */

TEST_F(access, read_nests)
{
	unsigned char *bytes;
	int i, err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	for (i = 2; i <= 50; i++) {
		EXPECT_EQ(0, ACQUIRE(SECMEM_READ));
		EXPECT_STAT(SECMEM_READ, i, 0);
	}
	for (i = 49; i >= 1; i--) {
		EXPECT_EQ(0, RELEASE);
		EXPECT_STAT(SECMEM_READ, i, 0);
		EXPECT_EQ(0, sm_touch(bytes, NULL));
	}
	EXPECT_EQ(0, RELEASE);
	EXPECT_STAT(0, 0, 0);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
}

TEST_F(access, write_is_alone)
{
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_STAT(SECMEM_WRITE, 0, 1);
	/* That holds for the caller's own process, too. */
	EXPECT_EQ(-EAGAIN, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
	EXPECT_EQ(-EAGAIN, ACQUIRE(SECMEM_READ | SECMEM_NOWAIT));
	EXPECT_STAT(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, sm_poke(bytes, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_STAT(0, 0, 0);

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(-EAGAIN, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
	EXPECT_EQ(0, ACQUIRE(SECMEM_READ | SECMEM_NOWAIT));
	EXPECT_EQ(-EAGAIN, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
	EXPECT_STAT(SECMEM_READ, 2, 0);
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-EAGAIN, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
	EXPECT_EQ(0, RELEASE);
	EXPECT_STAT(0, 0, 0);
}

/* By value: ACQUIRE for READ, and RELEASE. */

TEST_F(access, by_value_opens_and_shuts)
{
	uint64_t offset = 0, by_struct;
	unsigned char *bytes;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
				&by_struct));
	EXPECT_EQ(0, RELEASE);
	ASSERT_EQ(0, sm_acquire_value(self->v.fd, self->handle, &offset));
	EXPECT_EQ(by_struct / SM_PAGE * SM_PAGE, offset);
	bytes = self->v.view + by_struct;
	EXPECT_EQ(0, memcmp(bytes, self->was, LENGTH));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
	EXPECT_STAT(SECMEM_READ, 1, 0);
	EXPECT_EQ(0, sm_release_value(self->v.fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_STAT(0, 0, 0);
}

TEST_F(access, by_value_counts_with_the_others)
{
	uint64_t offset = 0;

	ASSERT_EQ(0, sm_acquire_value(self->v.fd, self->handle, &offset));
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_acquire_value(self->v.fd, self->handle, NULL));
	EXPECT_STAT(SECMEM_READ, 3, 0);
	EXPECT_EQ(0, sm_release_value(self->v.fd, self->handle));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));

	/* RELEASE by value ends a WRITE as well. */
	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(0, sm_release_value(self->v.fd, self->handle));
	EXPECT_STAT(0, 0, 0);
}

TEST_F(access, by_value_never_waits)
{
	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(-EAGAIN, sm_acquire_value(self->v.fd, self->handle, NULL));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_acquire_value(self->v.fd, self->handle, NULL));
	EXPECT_EQ(0, RELEASE);
}

TEST_F(access, by_value_has_the_errors_of_the_others)
{
	int fd = self->v.fd, bare;
	uint64_t other;

	EXPECT_EQ(-EINVAL, sm_release_value(fd, self->handle));
	EXPECT_EQ(-ENOENT, sm_acquire_value(fd, 0, NULL));
	EXPECT_EQ(-ENOENT, sm_release_value(fd, 0));
	EXPECT_EQ(-ENOENT, sm_acquire_value(fd, self->handle + 1, NULL));
	EXPECT_EQ(-ENOENT,
		  sm_acquire_value(fd, self->handle + (1ULL << 32), NULL));
	EXPECT_EQ(-ENOENT, sm_acquire_value(fd, UINT64_MAX, NULL));

	bare = sm_open();
	ASSERT_LE(0, bare);
	ASSERT_EQ(0, sm_create(bare, LENGTH, &other));
	EXPECT_EQ(-ENXIO, sm_acquire_value(bare, other, NULL));
	close(bare);

	ASSERT_EQ(0, sm_acquire_value(fd, self->handle, NULL));
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(fd, self->handle, SECMEM_NOWAIT, SECMEM_FOREVER));
	EXPECT_EQ(-EKEYREVOKED, sm_acquire_value(fd, self->handle, NULL));
	EXPECT_EQ(0, sm_release_value(fd, self->handle));
	EXPECT_EQ(-EKEYREVOKED, sm_release_value(fd, self->handle));
}

TEST_F(access, by_value_needs_the_right)
{
	uint32_t lacking[] = { SECMEM_RIGHT_READ, SECMEM_RIGHT_MAP };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(lacking); i++) {
		ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
				       SECMEM_RIGHT_ALL & ~lacking[i] &
					       ~SECMEM_RIGHT_CREATE,
				       &fd));
		EXPECT_EQ(-EACCES, sm_acquire_value(fd, self->handle, NULL));
		close(fd);
	}
	/* This grant has both rights; it lacks a view. */
	ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
	EXPECT_EQ(-ENXIO, sm_acquire_value(fd, self->handle, NULL));
	close(fd);
}

struct value {
	int fd;
	uint64_t handle;
};

static int value_in_child(void *arg)
{
	struct value *of = arg;

	if (sm_acquire_value(of->fd, of->handle, NULL) != -EACCES)
		return 2;
	return sm_release_value(of->fd, of->handle) == -EACCES ? 0 : 3;
}

TEST_F(access, by_value_answers_one_process)
{
	struct value of = { self->v.fd, self->handle };

	EXPECT_EQ(0, sm_reap(sm_fork(value_in_child, &of)));
	EXPECT_EQ(0, sm_acquire_value(self->v.fd, self->handle, NULL));
	EXPECT_EQ(0, sm_release_value(self->v.fd, self->handle));
}

TEST_F(access, no_seek_is_an_access)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA,
				      SEEK_HOLE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whence); i++) {
		EXPECT_EQ(-1, lseek64(self->v.fd, self->handle, whence[i]));
		EXPECT_EQ(ESPIPE, errno);
	}
	EXPECT_STAT(0, 0, 0);
}

TEST_F(access, release_of_what_is_not_held_is_refused)
{
	uint64_t other;

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	EXPECT_EQ(-EINVAL, RELEASE);
	ASSERT_EQ(0, sm_acquire(self->v.fd, other, SECMEM_READ, NULL));
	EXPECT_EQ(-EINVAL, RELEASE);
	EXPECT_STAT(0, 0, 0);
	EXPECT_EQ(0, sm_release(self->v.fd, other));
	EXPECT_EQ(-EINVAL, sm_release(self->v.fd, other));
	EXPECT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-EINVAL, RELEASE);
	EXPECT_STAT(0, 0, 0);
}

TEST_F(access, another_thread_may_touch_and_release)
{
	struct sm_call release = CALL(SECMEM_IOC_RELEASE, 0, 0);
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_call_start(&release));
	EXPECT_EQ(0, sm_call_finish(&release));
	EXPECT_STAT(0, 0, 0);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_EQ(-EINVAL, RELEASE);
}

TEST_F(access, write_waits_for_the_last_reader)
{
	struct sm_call writer =
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE, SECMEM_FOREVER);

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_FALSE(sm_call_done(&writer));
	EXPECT_TRUE(sm_has_waiters(self->v.fd, self->handle, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_call_finish(&writer));
	EXPECT_STAT(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, RELEASE);
}

TEST_F(access, read_never_waits_behind_a_waiting_writer)
{
	struct sm_call writer =
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE, SECMEM_FOREVER);
	unsigned char bytes[LENGTH];
	int i;

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, ACQUIRE(SECMEM_READ | SECMEM_NOWAIT));
		EXPECT_EQ(0, sm_copy(self->v.fd, SECMEM_IOC_READ, self->handle,
				     SECMEM_NOWAIT, SECMEM_FOREVER, bytes, 0,
				     LENGTH, NULL));
		EXPECT_EQ(0, RELEASE);
	}
	EXPECT_FALSE(sm_call_done(&writer));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_call_finish(&writer));
	EXPECT_EQ(0, RELEASE);
}

TEST_F(access, every_waiter_is_served)
{
	struct sm_call waiters[12];
	unsigned char buffer[LENGTH] = { 0 };
	size_t i;

	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	for (i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i] = (struct sm_call)CALL(SECMEM_IOC_READ, 0,
						  SECMEM_FOREVER);
		if (i % 3 == 1)
			waiters[i].call = SECMEM_IOC_WRITE;
		if (i % 3 == 2)
			waiters[i].call = SECMEM_IOC_COMPARE;
		waiters[i].buffer = i % 3 ? self->was : buffer;
		waiters[i].length = LENGTH;
		ASSERT_EQ(0, sm_call_start(&waiters[i]));
	}
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle,
				     ARRAY_SIZE(waiters)));
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		EXPECT_FALSE(sm_call_done(&waiters[i]));
	EXPECT_EQ(0, RELEASE);
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		EXPECT_EQ(0, sm_call_finish(&waiters[i]));
	EXPECT_EQ(0, memcmp(buffer, self->was, LENGTH));
	EXPECT_STAT(0, 0, 0);
}

/* How a wait ends. */

FIXTURE(wait)
{
	struct sm_vault v;
	uint64_t handle;
	unsigned char buffer[LENGTH];
};

FIXTURE_VARIANT(wait)
{
	unsigned long call;
	uint32_t flags;
	uint32_t held; /* what stands in its way */
};

FIXTURE_VARIANT_ADD(wait, acquire_read)
{
	.call = SECMEM_IOC_ACQUIRE,
	.flags = SECMEM_READ,
	.held = SECMEM_WRITE,
};
FIXTURE_VARIANT_ADD(wait, acquire_write)
{
	.call = SECMEM_IOC_ACQUIRE,
	.flags = SECMEM_WRITE,
	.held = SECMEM_READ,
};
FIXTURE_VARIANT_ADD(wait, acquire_write_behind_write)
{
	.call = SECMEM_IOC_ACQUIRE,
	.flags = SECMEM_WRITE,
	.held = SECMEM_WRITE,
};
FIXTURE_VARIANT_ADD(wait, read)
{
	.call = SECMEM_IOC_READ,
	.held = SECMEM_WRITE,
};
FIXTURE_VARIANT_ADD(wait, write)
{
	.call = SECMEM_IOC_WRITE,
	.held = SECMEM_READ,
};
FIXTURE_VARIANT_ADD(wait, compare)
{
	.call = SECMEM_IOC_COMPARE,
	.held = SECMEM_WRITE,
};

FIXTURE_SETUP(wait)
{
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, ACQUIRE(variant->held));
}

FIXTURE_TEARDOWN(wait)
{
	sm_vault_close(&self->v);
}

#define WAITING(extra, until)                                                \
	{                                                                    \
		.fd = self->v.fd, .call = variant->call,                     \
		.handle = self->handle, .flags = variant->flags | (extra),   \
		.deadline = until, .buffer = self->buffer, .length = LENGTH, \
	}

#define EXPECT_STILL_HELD                                        \
	EXPECT_STAT(variant->held, variant->held == SECMEM_READ, \
		    variant->held == SECMEM_WRITE)

/* Once nothing is in its way, the call that gave up succeeds at once. */
#define EXPECT_WAIT_CONTROL                                         \
	do {                                                        \
		struct sm_call control = WAITING(SECMEM_NOWAIT, 0); \
		EXPECT_STILL_HELD;                                  \
		EXPECT_EQ(0, RELEASE);                              \
		sm_call_run(&control);                              \
		EXPECT_EQ(0, control.result);                       \
		if (variant->call == SECMEM_IOC_ACQUIRE)            \
			EXPECT_EQ(0, RELEASE);                      \
		EXPECT_STAT(0, 0, 0);                               \
	} while (0)

TEST_F(wait, nowait_is_eagain)
{
	struct sm_call call = WAITING(SECMEM_NOWAIT, SECMEM_FOREVER);

	sm_call_run(&call);
	EXPECT_EQ(-EAGAIN, call.result);
	EXPECT_WAIT_CONTROL;
}

TEST_F(wait, deadline_is_absolute_and_monotonic)
{
	const int64_t start = sm_now();
	struct sm_call call = WAITING(0, start + 50 * 1000000LL);

	sm_call_run(&call);
	EXPECT_EQ(-ETIMEDOUT, call.result);
	EXPECT_GE(sm_now(), call.deadline);
	/*
	 * Taken for a time from now on, the deadline would come at 2 * start.
	 */
	EXPECT_LT(sm_now(), 2 * start);
	EXPECT_WAIT_CONTROL;
}

TEST_F(wait, past_deadline_tries_once)
{
	static const int64_t past[] = { 0, 1, 1000000 };
	struct sm_call call = WAITING(0, 0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(past); i++) {
		call.deadline = past[i];
		sm_call_run(&call);
		EXPECT_EQ(-ETIMEDOUT, call.result);
	}
	EXPECT_STILL_HELD;
	EXPECT_EQ(0, RELEASE);
	/* And the call succeeds where it need not wait. */
	sm_call_run(&call);
	EXPECT_EQ(0, call.result);
}

TEST_F(wait, deadline_below_forever_is_refused)
{
	struct sm_call call = WAITING(0, SECMEM_FOREVER - 1);

	sm_call_run(&call);
	EXPECT_EQ(-EINVAL, call.result);
	call.deadline = INT64_MIN;
	sm_call_run(&call);
	EXPECT_EQ(-EINVAL, call.result);
	EXPECT_WAIT_CONTROL;
}

TEST_F(wait, signal_ends_it_with_eintr_and_no_restart)
{
	struct sm_call call = WAITING(0, SECMEM_FOREVER);

	/* The handler is installed with SA_RESTART. */
	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	sm_call_interrupt(&call);
	EXPECT_EQ(-EINTR, sm_call_finish(&call));
	EXPECT_WAIT_CONTROL;
}

TEST_F(wait, signal_ends_a_wait_with_a_deadline_too)
{
	struct sm_call call = WAITING(0, sm_in_ms(3600 * 1000));

	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	sm_call_interrupt(&call);
	EXPECT_EQ(-EINTR, sm_call_finish(&call));
	EXPECT_WAIT_CONTROL;
}

TEST_F(wait, release_ends_it)
{
	struct sm_call call = WAITING(0, sm_in_ms(3600 * 1000));

	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_FALSE(sm_call_done(&call));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_call_finish(&call));
	if (variant->call == SECMEM_IOC_ACQUIRE)
		EXPECT_EQ(0, RELEASE);
	EXPECT_STAT(0, 0, 0);
}

TEST_F(wait, close_ends_it_with_ekeyrevoked)
{
	struct sm_call call = WAITING(0, SECMEM_FOREVER);

	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&call));
	EXPECT_EQ(0, RELEASE);
	EXPECT_TRUE(
		sm_has_state(self->v.fd, self->handle, SECMEM_STATE_CLOSED));
}

/* SEAL, COMPARE, READ and WRITE. */

TEST_F(access, sealed_secret_is_never_written_again)
{
	struct secmem_status st;
	unsigned char *bytes;
	int i, err;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, sm_seal(self->v.fd, self->handle));
		ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
		EXPECT_EQ(SECMEM_STAT_SEALED, st.stat_flags);
		EXPECT_EQ(-EPERM, ACQUIRE(SECMEM_WRITE));
		EXPECT_EQ(-EPERM, ACQUIRE(SECMEM_WRITE | SECMEM_NOWAIT));
		EXPECT_EQ(-EPERM,
			  sm_write(self->v.fd, self->handle, "x", 0, 1));
		EXPECT_STAT(0, 0, 0);
	}
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, memcmp(bytes, self->was, LENGTH));
	EXPECT_EQ(SIGSEGV, sm_poke(bytes, 1));
	EXPECT_EQ(-EPERM, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
}

TEST_F(access, seal_is_refused_while_written)
{
	struct secmem_status st;

	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(-EBUSY, sm_seal(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(0, st.stat_flags);
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(0, RELEASE);
	/* Readers are not in its way. */
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(0, sm_seal(self->v.fd, self->handle));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-EPERM, ACQUIRE(SECMEM_WRITE));
}

TEST_F(access, seal_ends_the_wait_of_a_writer)
{
	struct sm_call writers[2] = {
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE, SECMEM_FOREVER),
		CALL(SECMEM_IOC_WRITE, 0, SECMEM_FOREVER),
	};

	writers[1].buffer = (unsigned char[1]){ 0 };
	writers[1].length = 1;
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&writers[0]));
	ASSERT_EQ(0, sm_call_start(&writers[1]));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 2));
	EXPECT_EQ(0, sm_seal(self->v.fd, self->handle));
	/* The writers end at once, though the reader stays. */
	EXPECT_EQ(-EPERM, sm_call_finish(&writers[0]));
	EXPECT_EQ(-EPERM, sm_call_finish(&writers[1]));
	EXPECT_STAT(SECMEM_READ, 1, 0);
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(0, RELEASE);
}

TEST_F(access, compare_tells_equal_from_unequal)
{
	unsigned char probe[LENGTH + 1];
	uint32_t equal;
	size_t i;

	memcpy(probe, self->was, LENGTH);
	probe[LENGTH] = 0;
	for (i = 0; i < LENGTH; i++) {
		probe[i] ^= 0x10;
		EXPECT_EQ(0, sm_compare(self->v.fd, self->handle, probe, LENGTH,
					&equal));
		EXPECT_EQ(0, equal);
		probe[i] ^= 0x10;
	}
	EXPECT_EQ(0,
		  sm_compare(self->v.fd, self->handle, probe, LENGTH, &equal));
	EXPECT_EQ(1, equal);
	/* Any other length is unequal, also that of a prefix, and none. */
	EXPECT_EQ(0, sm_compare(self->v.fd, self->handle, probe, LENGTH - 1,
				&equal));
	EXPECT_EQ(0, equal);
	EXPECT_EQ(0, sm_compare(self->v.fd, self->handle, probe, LENGTH + 1,
				&equal));
	EXPECT_EQ(0, equal);
	EXPECT_EQ(0, sm_compare(self->v.fd, self->handle, probe, 0, &equal));
	EXPECT_EQ(0, equal);
	EXPECT_STAT(0, 0, 0);
}

TEST_F(access, compare_sees_every_page)
{
	const size_t length = 5 * SM_PAGE + 123;
	unsigned char *probe = malloc(length);
	uint64_t handle;
	uint32_t equal;
	size_t i;

	ASSERT_NE(NULL, probe);
	pattern(probe, length, 3);
	ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
	ASSERT_EQ(0, sm_write(self->v.fd, handle, probe, 0, length));
	EXPECT_EQ(0, sm_compare(self->v.fd, handle, probe, length, &equal));
	EXPECT_EQ(1, equal);
	for (i = 0; i < length; i += i % SM_PAGE == SM_PAGE - 1 ? 1 : 455) {
		probe[i] ^= 1;
		EXPECT_EQ(0, sm_compare(self->v.fd, handle, probe, length,
					&equal));
		EXPECT_EQ(0, equal);
		probe[i] ^= 1;
	}
	probe[length - 1] ^= 1;
	EXPECT_EQ(0, sm_compare(self->v.fd, handle, probe, length, &equal));
	EXPECT_EQ(0, equal);
}

TEST_F(access, read_and_write_move_exactly_their_range)
{
	/* The data ends where a page does, so it begins within another page. */
	const size_t first = 1808, length = first + 2 * SM_PAGE;
	const struct {
		size_t offset, length;
	} ranges[] = {
		{ 0, 0 },
		{ 0, 1 },
		{ 7, 13 },
		{ SM_PAGE - 97, 1 },
		{ SM_PAGE - 196, 400 },
		{ SM_PAGE, SM_PAGE },
		{ SM_PAGE - 1, SM_PAGE + 2 },
		{ 0, length },
		{ length - 1, 1 },
		{ length, 0 },
		{ 1000, length - 1000 },
		/* Short ones that end in another page. */
		{ first - 8, 16 },
		{ first + SM_PAGE - 64, 128 },
	};
	unsigned char *model = malloc(length), *got = malloc(length + 2);
	unsigned char *data = malloc(length);
	uint64_t handle;
	uint32_t equal;
	size_t i;

	ASSERT_TRUE(model && got && data);
	ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
	memset(model, 0, length);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		pattern(data, ranges[i].length, i);
		memcpy(model + ranges[i].offset, data, ranges[i].length);
		EXPECT_EQ(0, sm_write(self->v.fd, handle, data,
				      ranges[i].offset, ranges[i].length));
		EXPECT_EQ(0, sm_compare(self->v.fd, handle, model, length,
					&equal));
		EXPECT_EQ(1, equal);
		memset(got, 0xcc, length + 2);
		EXPECT_EQ(0, sm_read(self->v.fd, handle, got + 1,
				     ranges[i].offset, ranges[i].length));
		EXPECT_EQ(0, memcmp(got + 1, data, ranges[i].length));
		EXPECT_EQ(0xcc, got[0]);
		EXPECT_EQ(0xcc, got[ranges[i].length + 1]);
	}
}

TEST_F(access, written_bytes_are_seen_by_the_next_reader)
{
	unsigned char *bytes, got[LENGTH];
	int i, err;

	for (i = 0; i < 200; i++) {
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE,
					 &err);
		ASSERT_EQ(0, err);
		memset(bytes, i, LENGTH);
		ASSERT_EQ(0, RELEASE);
		ASSERT_EQ(0, sm_read(self->v.fd, self->handle, got, 0, LENGTH));
		ASSERT_EQ(i & 0xff, got[0]);
		ASSERT_EQ(i & 0xff, got[LENGTH - 1]);
		memset(got, i + 1, LENGTH);
		ASSERT_EQ(0,
			  sm_write(self->v.fd, self->handle, got, 0, LENGTH));
		bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ,
					 &err);
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, memcmp(bytes, got, LENGTH));
		ASSERT_EQ(0, RELEASE);
	}
}

/* The view that an access needs. */

TEST(acquire_without_a_view_is_enxio)
{
	unsigned char got = 0;
	uint64_t handle;
	struct secmem_status st;
	int fd = sm_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_create(fd, LENGTH, &handle));
	EXPECT_EQ(-ENXIO, sm_acquire(fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(-ENXIO, sm_acquire(fd, handle, SECMEM_WRITE, NULL));
	ASSERT_EQ(0, sm_stat(fd, handle, &st));
	EXPECT_EQ(0, st.readers + st.writers);
	/* The calls that copy need no view. */
	EXPECT_EQ(0, sm_write(fd, handle, "x", 5, 1));
	EXPECT_EQ(0, sm_read(fd, handle, &got, 5, 1));
	EXPECT_EQ('x', got);
	EXPECT_NE(MAP_FAILED, sm_map(fd, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_EQ(0, sm_acquire(fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_release(fd, handle));
	close(fd);
}

TEST(secret_beyond_the_view_is_enxio)
{
	const size_t length = 16 * SM_PAGE;
	uint64_t handles[16], offset;
	unsigned char *view, got;
	int i, err, within = 0, beyond = 0;
	struct secmem_status st;
	int fd = sm_open();

	ASSERT_LE(0, fd);
	view = sm_map(fd, length, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, sm_create(fd, 3 * SM_PAGE, &handles[i]));
		err = sm_acquire(fd, handles[i], SECMEM_WRITE, &offset);
		if (!err) {
			EXPECT_LE(offset + 3 * SM_PAGE, length);
			EXPECT_EQ(0, sm_poke(view + offset, i));
			EXPECT_EQ(0, sm_release(fd, handles[i]));
			within++;
			continue;
		}
		EXPECT_EQ(-ENXIO, err);
		ASSERT_EQ(0, sm_stat(fd, handles[i], &st));
		EXPECT_EQ(0, st.readers + st.writers);
		/* It is a secret nevertheless. */
		EXPECT_EQ(0, sm_write(fd, handles[i], "y", 0, 1));
		EXPECT_EQ(0, sm_read(fd, handles[i], &got, 0, 1));
		EXPECT_EQ('y', got);
		beyond++;
	}
	EXPECT_LT(0, within);
	EXPECT_LT(0, beyond);
	close(fd);
}

TEST(acquire_for_write_through_a_read_only_view_grants_no_write)
{
	unsigned char *view;
	uint64_t handle, offset;
	int fd = sm_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_create(fd, LENGTH, &handle));
	ASSERT_EQ(0, sm_write(fd, handle, "z", 0, 1));
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(fd, handle, SECMEM_WRITE, &offset));
	EXPECT_EQ(0, sm_touch(view + offset, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(view + offset, 1));
	EXPECT_EQ('z', view[offset]);
	EXPECT_EQ(0, sm_release(fd, handle));
	close(fd);
}

TEST(file_opened_read_only_cannot_write)
{
	struct secmem_info info;
	uint64_t handle;
	uint32_t equal;
	void *view;
	int fd = open(SECMEM_DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_info(fd, &info));
	EXPECT_EQ(SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_WRITE, info.rights);
	ASSERT_EQ(0, sm_create(fd, LENGTH, &handle));
	EXPECT_EQ(-EACCES, sm_write(fd, handle, "w", 0, 1));
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	EXPECT_EQ(MAP_FAILED, view);
	EXPECT_EQ(EACCES, errno);
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	EXPECT_EQ(-1, mprotect(view, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-EACCES, sm_acquire(fd, handle, SECMEM_WRITE, NULL));
	EXPECT_EQ(0, sm_acquire(fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_release(fd, handle));
	EXPECT_EQ(0, sm_compare(fd, handle, "", 0, &equal));
	EXPECT_EQ(0, sm_close(fd, handle));
	close(fd);
}

/* Threads. They count what went wrong; the test looks at the counts. */

struct party {
	pthread_barrier_t barrier;
	struct sm_vault *v;
	uint64_t handles[32];
	int secrets;
	int rounds;
	int threads;
	bool stop;
	/* What went wrong, each atomic. */
	int errors; /* a call failed */
	int faults; /* a touch under an access faulted */
	int wrong; /* bytes that nobody wrote, or half a write */
	int served; /* how often a round went well */
};

struct guest {
	pthread_t thread;
	struct party *party;
	int index;
};

#define COUNT(what) __atomic_fetch_add(&party->what, 1, __ATOMIC_RELAXED)

static int party_run(struct party *party, void *(*fn)(void *), int threads)
{
	struct guest guests[64];
	int i, started;

	party->threads = threads;
	pthread_barrier_init(&party->barrier, NULL, threads);
	for (started = 0; started < threads; started++) {
		guests[started].party = party;
		guests[started].index = started;
		if (pthread_create(&guests[started].thread, NULL, fn,
				   &guests[started]))
			abort(); /* the others wait at the barrier */
	}
	for (i = 0; i < started; i++)
		pthread_join(guests[i].thread, NULL);
	pthread_barrier_destroy(&party->barrier);
	return started;
}

/* All threads at once: each acquires as a first reader, touches, releases. */
static void *party_first_readers(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned char got, *bytes;
	int i, err;

	for (i = 0; i < party->rounds; i++) {
		pthread_barrier_wait(&party->barrier);
		bytes = sm_vault_acquire(party->v, party->handles[0],
					 SECMEM_READ, &err);
		if (err) {
			COUNT(errors);
			continue;
		}
		got = 0;
		if (sm_touch(bytes, &got))
			COUNT(faults);
		else if (got != 0x42)
			COUNT(wrong);
		else
			COUNT(served);
		if (sm_release(party->v->fd, party->handles[0]))
			COUNT(errors);
	}
	return NULL;
}

#define EXPECT_PARTY(party, times)                \
	do {                                      \
		EXPECT_EQ(0, (party).errors);     \
		EXPECT_EQ(0, (party).faults);     \
		EXPECT_EQ(0, (party).wrong);      \
		EXPECT_EQ(times, (party).served); \
	} while (0)

TEST_F_TIMEOUT(access, racing_first_readers_all_see_the_bytes, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 3000 };

	party.handles[0] = self->handle;
	memset(self->was, 0x42, LENGTH);
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, self->was, 0, LENGTH));
	party_run(&party, party_first_readers, 2);
	EXPECT_PARTY(party, 2 * party.rounds);
	EXPECT_STAT(0, 0, 0);
}

/* No barrier: one thread's last release meets another one's new acquire. */
static void *party_release_against_acquire(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned char got, *bytes;
	int i, err;

	pthread_barrier_wait(&party->barrier);
	for (i = 0; i < party->rounds; i++) {
		bytes = sm_vault_acquire(party->v, party->handles[0],
					 SECMEM_READ, &err);
		if (err) {
			COUNT(errors);
			continue;
		}
		got = 0;
		if (sm_touch(bytes, &got))
			COUNT(faults);
		else if (got != 0x42)
			COUNT(wrong);
		else
			COUNT(served);
		if (sm_release(party->v->fd, party->handles[0]))
			COUNT(errors);
	}
	return NULL;
}

TEST_F_TIMEOUT(access, last_release_against_new_acquire, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 10000 };
	uint64_t offset = 0;

	party.handles[0] = self->handle;
	memset(self->was, 0x42, LENGTH);
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, self->was, 0, LENGTH));
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, RELEASE);
	party_run(&party, party_release_against_acquire, 3);
	EXPECT_PARTY(party, 3 * party.rounds);
	EXPECT_STAT(0, 0, 0);
	/* And no page-table entry stayed behind. */
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
}

/*
 * One thread is the only holder, over and over, and touches at once after its
 * last release. Another thread causes faults at the same address all the time.
 */
static void *party_shut_after_release(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned char *bytes = NULL;
	int i, err;

	bytes = sm_vault_acquire(party->v, party->handles[0], SECMEM_READ,
				 &err);
	if (err || sm_release(party->v->fd, party->handles[0]))
		COUNT(errors);
	pthread_barrier_wait(&party->barrier);
	if (guest->index) {
		while (!__atomic_load_n(&party->stop, __ATOMIC_RELAXED))
			sm_touch(bytes, NULL);
		return NULL;
	}
	for (i = 0; i < party->rounds; i++) {
		bytes = sm_vault_acquire(party->v, party->handles[0],
					 i % 2 ? SECMEM_READ : SECMEM_WRITE,
					 &err);
		if (err) {
			COUNT(errors);
			continue;
		}
		if (sm_touch(bytes, NULL))
			COUNT(faults);
		if (sm_release(party->v->fd, party->handles[0]))
			COUNT(errors);
		if (sm_touch(bytes, NULL) != SIGSEGV)
			COUNT(wrong);
		else
			COUNT(served);
	}
	__atomic_store_n(&party->stop, true, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F_TIMEOUT(access, racing_faults_bring_nothing_back_after_the_last_release,
	       SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 3000 };

	party.handles[0] = self->handle;
	party_run(&party, party_shut_after_release, 2);
	EXPECT_PARTY(party, party.rounds);
}

/*
 * Every thread uses every secret, in all ways. Each secret is filled with one
 * value: bytes that differ are half a write.
 */
static bool same(const unsigned char *bytes, size_t length)
{
	size_t i;

	for (i = 1; i < length; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static void *party_everybody(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned int seed = guest->index * 7919 + 1;
	unsigned char buffer[LENGTH], *bytes;
	struct sm_fault f;
	volatile bool good = true;
	uint64_t handle;
	int i, err, kind;

	pthread_barrier_wait(&party->barrier);
	for (i = 0; i < party->rounds; i++) {
		kind = rand_r(&seed) % 8;
		handle = party->handles[rand_r(&seed) % party->secrets];
		memset(buffer, rand_r(&seed), LENGTH);
		f.signo = 0;
		if (kind == 0) {
			err = sm_write(party->v->fd, handle, buffer, 0, LENGTH);
		} else if (kind == 1) {
			err = sm_read(party->v->fd, handle, buffer, 0, LENGTH);
			good = same(buffer, LENGTH);
		} else if (kind == 2) {
			bytes = sm_vault_acquire(party->v, handle, SECMEM_WRITE,
						 &err);
			if (!err) {
				SM_CATCH(&f, {
					good = same(bytes, LENGTH);
					memcpy(bytes, buffer, LENGTH);
				});
				err = sm_release(party->v->fd, handle);
			}
		} else {
			bytes = sm_vault_acquire(party->v, handle, SECMEM_READ,
						 &err);
			if (!err) {
				SM_CATCH(&f, good = same(bytes, LENGTH));
				err = sm_release(party->v->fd, handle);
			}
		}
		if (err)
			COUNT(errors);
		else if (f.signo)
			COUNT(faults);
		else if (!good)
			COUNT(wrong);
		else
			COUNT(served);
	}
	return NULL;
}

TEST_F_TIMEOUT(access, many_threads_many_secrets, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 1500, .secrets = 8 };
	struct secmem_info info;
	int i;

	for (i = 0; i < party.secrets; i++)
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &party.handles[i]));
	party_run(&party, party_everybody, 8);
	EXPECT_PARTY(party, 8 * party.rounds);
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(0, info.accesses);
	EXPECT_EQ(0, info.waiters);
}

TEST_F_TIMEOUT(access, many_threads_one_secret, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 1500, .secrets = 1 };

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	party.handles[0] = self->handle;
	party_run(&party, party_everybody, 6);
	EXPECT_PARTY(party, 6 * party.rounds);
	EXPECT_STAT(0, 0, 0);
}

/* Waits that end by their deadlines, while other waits begin. */
static void *party_giving_up(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	struct secmem_acquire_args a;
	int i;

	pthread_barrier_wait(&party->barrier);
	for (i = 0; i < party->rounds; i++) {
		if (sm_acquire_at(party->v->fd, party->handles[0], SECMEM_READ,
				  sm_now() + 20000, &a) == -ETIMEDOUT)
			COUNT(served);
		else
			COUNT(errors);
	}
	return NULL;
}

TEST_F_TIMEOUT(access, waiters_that_give_up_are_counted_off, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 1000 };
	struct secmem_info info;

	party.handles[0] = self->handle;
	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	party_run(&party, party_giving_up, 8);
	EXPECT_PARTY(party, 8 * party.rounds);
	EXPECT_STAT(SECMEM_WRITE, 0, 1);
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(0, info.waiters);
	EXPECT_EQ(0, RELEASE);
}

/* READ and WRITE of many pages show, and change, them at one moment. */
#define WHOLE (5 * SM_PAGE + 17)

static void *party_copying(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned char *buffer = malloc(WHOLE);
	uint32_t equal;
	int i, err;

	if (!buffer)
		abort();
	pthread_barrier_wait(&party->barrier);
	for (i = 0; i < party->rounds; i++) {
		if (guest->index % 2) {
			memset(buffer, guest->index + i, WHOLE);
			err = sm_write(party->v->fd, party->handles[0], buffer,
				       0, WHOLE);
		} else {
			err = sm_read(party->v->fd, party->handles[0], buffer,
				      0, WHOLE);
			if (!same(buffer, WHOLE))
				COUNT(wrong);
			/* A shorter length is unequal, whatever the bytes. */
			if (sm_compare(party->v->fd, party->handles[0], buffer,
				       WHOLE - 1, &equal) ||
			    equal)
				COUNT(errors);
		}
		if (err)
			COUNT(errors);
		else
			COUNT(served);
	}
	free(buffer);
	return NULL;
}

TEST_F_TIMEOUT(access, copies_are_whole, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 500 };

	ASSERT_EQ(0, sm_create(self->v.fd, WHOLE, &party.handles[0]));
	party_run(&party, party_copying, 4);
	EXPECT_PARTY(party, 4 * party.rounds);
}

/* Writers that take turns: no increment is lost, no writer meets another. */
static void *party_counting(void *arg)
{
	struct guest *guest = arg;
	struct party *party = guest->party;
	unsigned char *bytes;
	struct sm_fault f;
	int i, err;

	pthread_barrier_wait(&party->barrier);
	for (i = 0; i < party->rounds; i++) {
		bytes = sm_vault_acquire(party->v, party->handles[0],
					 SECMEM_WRITE, &err);
		if (err) {
			COUNT(errors);
			continue;
		}
		/*
		 * The increment is not atomic: only a writer that is alone does
		 * it right.
		 */
		SM_CATCH(&f, {
			volatile uint64_t *n = (void *)bytes;
			uint64_t was = *n;

			if (i % 16 == 0)
				sched_yield();
			*n = was + 1;
		});
		if (f.signo)
			COUNT(faults);
		else
			COUNT(served);
		if (sm_release(party->v->fd, party->handles[0]))
			COUNT(errors);
	}
	return NULL;
}

TEST_F_TIMEOUT(access, writers_exclude_each_other, SM_LOOP_TIMEOUT)
{
	struct party party = { .v = &self->v, .rounds = 1500 };
	uint64_t n;

	ASSERT_EQ(0, sm_create(self->v.fd, sizeof(n), &party.handles[0]));
	party_run(&party, party_counting, 4);
	EXPECT_PARTY(party, 4 * party.rounds);
	ASSERT_EQ(0, sm_read(self->v.fd, party.handles[0], &n, 0, sizeof(n)));
	EXPECT_EQ(4 * party.rounds, n);
}

TEST_HARNESS_MAIN
