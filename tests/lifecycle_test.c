// SPDX-License-Identifier: GPL-2.0-only
/*
 * How secrets, vaults and processes end: who waits for whom, what is freed,
 * and what an old handle or an inherited file is good for afterwards.
 */
#include <semaphore.h>

#include "secmem_test.h"

#define LENGTH 100

FIXTURE(life)
{
	int watch; /* a file that only asks for INFO */
	struct sm_vault v;
	uint64_t handle;
	struct secmem_info before;
};

FIXTURE_SETUP(life)
{
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(life)
{
	sm_vault_close(&self->v);
	close(self->watch);
}

#define ACQUIRE(flags) sm_acquire(self->v.fd, self->handle, flags, NULL)
#define RELEASE sm_release(self->v.fd, self->handle)
#define HAS_STATE(state) sm_has_state(self->v.fd, self->handle, state)

#define CALL(nr, call_flags, until)                                   \
	{                                                             \
		.fd = self->v.fd, .call = nr, .handle = self->handle, \
		.flags = call_flags, .deadline = until,               \
	}

/* All counts are as before, and so many secrets were wiped since. */
#define EXPECT_COUNTS_BACK(before, wiped)                        \
	do {                                                     \
		struct secmem_info now;                          \
		EXPECT_EQ(0, sm_info(self->watch, &now));        \
		EXPECT_EQ((before)->vaults, now.vaults);         \
		EXPECT_EQ((before)->grants, now.grants);         \
		EXPECT_EQ((before)->secrets, now.secrets);       \
		EXPECT_EQ((before)->pages, now.pages);           \
		EXPECT_EQ((before)->accesses, now.accesses);     \
		EXPECT_EQ((before)->waiters, now.waiters);       \
		EXPECT_EQ((before)->wipes + (wiped), now.wipes); \
	} while (0)

/* CLOSE, and holders of accesses. */

struct closer {
	pthread_t thread;
	sem_t go, done;
	int fd;
	uint64_t handle; /* SECMEM_HANDLE_NONE: the thread ends */
	int released; /* atomic: how many RELEASEs have begun */
	int finished; /* atomic: how many CLOSEs have returned */
	int early; /* CLOSEs that returned before the RELEASE */
	int errors;
};

static void *closer_run(void *arg)
{
	struct closer *c = arg;
	int round;

	for (round = 1;; round++) {
		while (sem_wait(&c->go))
			;
		if (c->handle == SECMEM_HANDLE_NONE)
			return NULL;
		if (sm_close(c->fd, c->handle))
			c->errors++;
		if (__atomic_load_n(&c->released, __ATOMIC_ACQUIRE) < round)
			c->early++;
		__atomic_store_n(&c->finished, round, __ATOMIC_RELEASE);
		sem_post(&c->done);
	}
}

TEST_F_TIMEOUT(life, close_waits_for_reader, SM_LOOP_TIMEOUT)
{
	struct closer c = { .fd = self->v.fd };
	const int rounds = 10000;
	unsigned char *bytes, got;
	int i, err;

	sem_init(&c.go, 0, 0);
	sem_init(&c.done, 0, 0);
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, closer_run, &c));
	for (i = 1; i <= rounds; i++) {
		ASSERT_EQ(0, sm_create(c.fd, LENGTH, &c.handle));
		bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_READ, &err);
		ASSERT_EQ(0, err);
		sem_post(&c.go);

		ASSERT_EQ(0,
			  sm_wait_state(c.fd, c.handle, SECMEM_STATE_CLOSING));
		ASSERT_EQ(-EKEYREVOKED,
			  sm_acquire(c.fd, c.handle, SECMEM_READ, NULL));
		ASSERT_EQ(0, sm_touch(bytes, &got));
		ASSERT_EQ(0, got);
		ASSERT_GT(i, __atomic_load_n(&c.finished, __ATOMIC_ACQUIRE));

		__atomic_store_n(&c.released, i, __ATOMIC_RELEASE);
		ASSERT_EQ(0, sm_release(c.fd, c.handle));
		while (sem_wait(&c.done))
			;
		ASSERT_TRUE(sm_has_state(c.fd, c.handle, SECMEM_STATE_CLOSED));
		ASSERT_EQ(0, c.early);
		ASSERT_EQ(0, c.errors);
	}
	c.handle = SECMEM_HANDLE_NONE;
	sem_post(&c.go);
	pthread_join(c.thread, NULL);
	EXPECT_COUNTS_BACK(&self->before, rounds);
}

TEST_F(life, close_of_an_idle_secret_does_not_wait)
{
	EXPECT_EQ(-EINVAL,
		  sm_close_at(self->v.fd, self->handle, 0, SECMEM_FOREVER - 1));
	EXPECT_EQ(0, sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSED));
	self->before.secrets--;
	self->before.pages--;
	EXPECT_COUNTS_BACK(&self->before, 1);
}

TEST_F(life, close_waits_for_writer)
{
	struct sm_call closer = CALL(SECMEM_IOC_CLOSE, 0, SECMEM_FOREVER);
	unsigned char *bytes;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSING));
	EXPECT_FALSE(sm_call_done(&closer));
	EXPECT_EQ(0, sm_poke(bytes, 1));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_call_finish(&closer));
	EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSED));
	EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));
}

TEST_F(life, close_waits_for_the_last_of_nested_accesses)
{
	struct sm_call closer = CALL(SECMEM_IOC_CLOSE, 0, SECMEM_FOREVER);
	int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, RELEASE);
		EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSING));
		EXPECT_FALSE(sm_call_done(&closer));
	}
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, sm_call_finish(&closer));
}

TEST_F(life, nothing_new_begins_while_closing)
{
	unsigned char buffer[LENGTH] = { 0 }, *bytes;
	struct secmem_status st;
	uint32_t equal;
	int i, err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_READ));
		EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_WRITE));
		EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_READ | SECMEM_NOWAIT));
		EXPECT_EQ(-EKEYREVOKED,
			  sm_read(self->v.fd, self->handle, buffer, 0, LENGTH));
		EXPECT_EQ(-EKEYREVOKED, sm_write(self->v.fd, self->handle,
						 buffer, 0, LENGTH));
		EXPECT_EQ(-EKEYREVOKED, sm_compare(self->v.fd, self->handle,
						   buffer, LENGTH, &equal));
		EXPECT_EQ(-EKEYREVOKED, sm_seal(self->v.fd, self->handle));
	}
	/* The holder of an access is not disturbed. */
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(SECMEM_STATE_CLOSING, st.state);
	EXPECT_EQ(1, st.readers);
	EXPECT_EQ(0, sm_touch(bytes, NULL));
	EXPECT_EQ(0, RELEASE);
	EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSED));
	EXPECT_EQ(-EKEYREVOKED, RELEASE);
}

TEST_F(life, second_closer_waits_for_the_same_end)
{
	struct sm_call closers[3];
	size_t i;

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	for (i = 0; i < ARRAY_SIZE(closers); i++) {
		closers[i] = (struct sm_call)CALL(SECMEM_IOC_CLOSE, 0,
						  SECMEM_FOREVER);
		ASSERT_EQ(0, sm_call_start(&closers[i]));
		ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, i + 1));
	}
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-ETIMEDOUT,
		  sm_close_at(self->v.fd, self->handle, 0, sm_in_ms(-1)));
	for (i = 0; i < ARRAY_SIZE(closers); i++)
		EXPECT_FALSE(sm_call_done(&closers[i]));
	EXPECT_EQ(0, RELEASE);
	for (i = 0; i < ARRAY_SIZE(closers); i++)
		EXPECT_EQ(0, sm_call_finish(&closers[i]));
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	self->before.secrets--;
	self->before.pages--;
	EXPECT_COUNTS_BACK(&self->before, 1);
}

/*
 * A closer gave up, in one of several ways: the last release finishes its work.
 */
#define EXPECT_LAST_RELEASE_CLOSES                                    \
	do {                                                          \
		struct secmem_status st;                              \
		EXPECT_EQ(0, sm_stat(self->v.fd, self->handle, &st)); \
		EXPECT_EQ(SECMEM_STATE_CLOSING, st.state);            \
		EXPECT_EQ(0, st.waiters);                             \
		EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_READ));        \
		EXPECT_EQ(0, RELEASE);                                \
		EXPECT_TRUE(HAS_STATE(SECMEM_STATE_CLOSED));          \
		self->before.secrets--;                               \
		self->before.pages--;                                 \
		EXPECT_COUNTS_BACK(&self->before, 1);                 \
	} while (0)

TEST_F(life, closer_with_nowait_leaves_it_closing)
{
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(-EAGAIN, sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT,
				       SECMEM_FOREVER));
	EXPECT_LAST_RELEASE_CLOSES;
}

TEST_F(life, closer_with_a_deadline_leaves_it_closing)
{
	const int64_t deadline = sm_in_ms(20);

	ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(-ETIMEDOUT,
		  sm_close_at(self->v.fd, self->handle, 0, deadline));
	EXPECT_LE(deadline, sm_now());
	EXPECT_EQ(-ETIMEDOUT, sm_close_at(self->v.fd, self->handle, 0, 0));
	EXPECT_LAST_RELEASE_CLOSES;
}

TEST_F(life, interrupted_closer_leaves_it_closing)
{
	struct sm_call closer = CALL(SECMEM_IOC_CLOSE, 0, SECMEM_FOREVER);

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	sm_call_interrupt(&closer);
	EXPECT_EQ(-EINTR, sm_call_finish(&closer));
	EXPECT_LAST_RELEASE_CLOSES;
}

TEST_F(life, closing_what_is_closed_is_0)
{
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
		EXPECT_EQ(0, sm_close_at(self->v.fd, self->handle,
					 SECMEM_NOWAIT, 0));
	}
	self->before.secrets--;
	self->before.pages--;
	EXPECT_COUNTS_BACK(&self->before, 1);
}

/* A handle outlives its secret, and never names another one. */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

#define STALE_ROUNDS 6000

TEST_F_TIMEOUT(life, stale_handle_never_names_the_next_secret, SM_LOOP_TIMEOUT)
{
	static uint64_t handles[STALE_ROUNDS];
	unsigned char buffer[LENGTH];
	uint64_t offset = 0, at = 0, next;
	struct secmem_status st;
	bool reused = false;
	uint32_t equal, held;
	int i;

	memset(buffer, 0x5a, LENGTH);
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(SIGBUS, sm_touch(self->v.view + offset, NULL));

	for (i = 0; i < STALE_ROUNDS; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &next));
		handles[i] = next;
		ASSERT_NE(self->handle, next);
		ASSERT_EQ(0, sm_acquire(self->v.fd, next, SECMEM_READ, &at));
		ASSERT_EQ(0, sm_release(self->v.fd, next));
		if (at == offset) {
			reused = true;
			break;
		}
		ASSERT_EQ(0, sm_close(self->v.fd, next));
	}
	/*
	 * Control: the place serves again, so only the generation tells the two
	 * apart.
	 */
	ASSERT_TRUE(reused);

	/* next is a live secret in the same place. */
	ASSERT_EQ(0, sm_write(self->v.fd, next, buffer, 0, LENGTH));
	EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(-EKEYREVOKED, RELEASE);
	EXPECT_EQ(-EKEYREVOKED,
		  sm_read(self->v.fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(-EKEYREVOKED, sm_write(self->v.fd, self->handle, "", 0, 1));
	EXPECT_EQ(-EKEYREVOKED,
		  sm_compare(self->v.fd, self->handle, buffer, LENGTH, &equal));
	EXPECT_EQ(-EKEYREVOKED, sm_seal(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(SECMEM_STATE_CLOSED, st.state);
	EXPECT_EQ(0, st.length);
	if (reused) {
		/*
		 * The stale handle does not reach next while that is held,
		 * either.
		 */
		for (held = 0; held < 2; held++) {
			ASSERT_EQ(0, sm_acquire(self->v.fd, next, SECMEM_READ,
						NULL));
			EXPECT_EQ(-EKEYREVOKED, ACQUIRE(SECMEM_READ));
			EXPECT_EQ(-EKEYREVOKED, RELEASE);
			EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
			ASSERT_EQ(0, sm_stat(self->v.fd, next, &st));
			EXPECT_EQ(held + 1, st.readers);
			EXPECT_EQ(SECMEM_STATE_OPEN, st.state);
		}
		EXPECT_EQ(0, sm_release(self->v.fd, next));
		EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
		EXPECT_EQ(0, sm_release(self->v.fd, next));
		EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
		EXPECT_EQ(0,
			  sm_compare(self->v.fd, next, buffer, LENGTH, &equal));
		EXPECT_EQ(1, equal);
		i++;
	}
	qsort(handles, i, sizeof(handles[0]), by_value);
	while (--i > 0)
		EXPECT_NE(handles[i - 1], handles[i]);
}

/* The view and the file. */

TEST_F(life, munmap_while_holding_shuts_and_keeps_the_access)
{
	struct secmem_status st;
	unsigned char *bytes, got;
	void *again;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_poke(bytes, 9));
	ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(1, st.writers);
	EXPECT_EQ(-EAGAIN,
		  sm_copy(self->v.fd, SECMEM_IOC_READ, self->handle,
			  SECMEM_NOWAIT, SECMEM_FOREVER, &got, 0, 1, NULL));
	EXPECT_EQ(-ENXIO, ACQUIRE(SECMEM_READ));

	/* The offset of a held access belongs to the view that is gone. */
	again = sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	EXPECT_EQ(MAP_FAILED, again);
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-ENXIO, ACQUIRE(SECMEM_READ));

	again = sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, again);
	self->v.view = again;
	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, sm_touch(bytes, &got));
	EXPECT_EQ(9, got);
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(SIGSEGV, sm_touch(bytes, NULL));
	EXPECT_COUNTS_BACK(&self->before, 0);
}

TEST_F(life, nothing_nests_on_an_access_without_its_view)
{
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ));
	ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
	self->v.view = NULL;
	EXPECT_EQ(-ENXIO, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-ENXIO, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(MAP_FAILED, sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(-EINVAL, RELEASE);
	EXPECT_COUNTS_BACK(&self->before, 0);
}

TEST_F(life, grant_has_one_view)
{
	void *again;

	again = sm_map(self->v.fd, SM_PAGE, PROT_READ);
	EXPECT_EQ(MAP_FAILED, again);
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(0, RELEASE);
	ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
	again = sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, again);
	self->v.view = again;
	EXPECT_EQ(0, ACQUIRE(SECMEM_WRITE));
	EXPECT_EQ(0, RELEASE);
}

TEST_F(life, view_works_after_its_file_is_closed)
{
	struct secmem_info vacant = self->before;
	unsigned char *bytes, got;
	int err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, close(self->v.fd));
	self->v.fd = -1;
	EXPECT_EQ(0, sm_poke(bytes, 5));
	EXPECT_EQ(0, sm_touch(bytes, &got));
	EXPECT_EQ(5, got);
	self->before.accesses++;
	EXPECT_COUNTS_BACK(&self->before, 0);

	/* The view alone has kept the vault. */
	ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
	self->v.view = NULL;
	vacant.vaults--;
	vacant.grants--;
	vacant.secrets--;
	vacant.pages--;
	EXPECT_COUNTS_BACK(&vacant, 1);
}

/* A call in progress keeps the vault, too. */
TEST_F(life, vault_lasts_as_long_as_a_waiting_call)
{
	struct sm_call calls[2];
	struct sm_vault v;
	uint64_t handle;
	int i;

	ASSERT_EQ(0, sm_vault_open(&v));
	ASSERT_EQ(0, sm_create(v.fd, LENGTH, &handle));
	ASSERT_EQ(0, sm_acquire(v.fd, handle, SECMEM_READ, NULL));
	for (i = 0; i < 2; i++) {
		calls[i] = (struct sm_call){
			.fd = v.fd,
			.call = i ? SECMEM_IOC_WRITE : SECMEM_IOC_ACQUIRE,
			.flags = i ? 0 : SECMEM_WRITE,
			.handle = handle,
			.deadline = SECMEM_FOREVER,
			.buffer = &v,
			.length = sizeof(v),
		};
		ASSERT_EQ(0, sm_call_start(&calls[i]));
		ASSERT_EQ(0, sm_wait_waiters(v.fd, handle, i + 1));
	}
	sm_vault_close(&v);
	self->before.vaults++;
	self->before.grants++;
	self->before.secrets++;
	self->before.pages++;
	self->before.accesses++;
	self->before.waiters += 2;
	EXPECT_COUNTS_BACK(&self->before, 0);
	for (i = 0; i < 2; i++) {
		EXPECT_FALSE(sm_call_done(&calls[i]));
		sm_call_interrupt(&calls[i]);
		EXPECT_EQ(-EINTR, sm_call_finish(&calls[i]));
	}
	self->before.vaults--;
	self->before.grants--;
	self->before.secrets--;
	self->before.pages--;
	self->before.accesses--;
	self->before.waiters -= 2;
	EXPECT_COUNTS_BACK(&self->before, 1);
}

TEST_F(life, end_of_the_vault_frees_every_secret)
{
	struct sm_vault v;
	uint64_t handles[100];
	int i;

	ASSERT_EQ(0, sm_vault_open(&v));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, sm_create(v.fd, 1 + i * 100, &handles[i]));
		if (i % 3)
			ASSERT_EQ(0, sm_acquire(v.fd, handles[i],
						i % 3 == 1 ? SECMEM_READ :
							     SECMEM_WRITE,
						NULL));
		/* Some of the secrets are closing. */
		if (i % 3 && i % 7 == 0)
			ASSERT_EQ(-EAGAIN, sm_close_at(v.fd, handles[i],
						       SECMEM_NOWAIT, 0));
	}
	sm_vault_close(&v);
	EXPECT_COUNTS_BACK(&self->before, 100);
}

/* A process that ends in the middle. */

struct victim {
	int ready; /* event: it is where it shall be killed */
	int how;
	uint32_t holds;
};

enum { VICTIM_EXITS, VICTIM_HOLDS, VICTIM_CLOSES, VICTIM_WAITS };

static int victim_run(void *arg)
{
	struct victim *victim = arg;
	uint64_t handles[3];
	struct sm_vault v;
	unsigned char *bytes;
	int i, err;

	if (sm_vault_open(&v))
		return 2;
	for (i = 0; i < 3; i++)
		if (sm_create(v.fd, (i + 1) * 3000, &handles[i]))
			return 3;
	bytes = sm_vault_acquire(&v, handles[1], victim->holds, &err);
	if (err || sm_touch(bytes, NULL))
		return 4;
	if (victim->how == VICTIM_EXITS)
		return 0;
	if (sm_event_set(victim->ready))
		return 5;
	if (victim->how == VICTIM_CLOSES)
		sm_close(v.fd, handles[1]);
	else if (victim->how == VICTIM_WAITS)
		sm_acquire(v.fd, handles[1], SECMEM_WRITE, NULL);
	else
		for (;;)
			pause();
	return 6; /* nobody released: neither call may return */
}

static bool has_counts(int watch, uint64_t accesses, uint64_t waiters)
{
	struct secmem_info info;

	return !sm_info(watch, &info) && info.accesses == accesses &&
	       info.waiters == waiters;
}

FIXTURE(end)
{
	int watch;
	struct secmem_info before;
};

FIXTURE_VARIANT(end)
{
	int how;
	uint32_t holds;
	uint64_t waiters;
	int status;
};

FIXTURE_VARIANT_ADD(end, exit_while_reading)
{
	.how = VICTIM_EXITS,
	.holds = SECMEM_READ,
};
FIXTURE_VARIANT_ADD(end, exit_while_writing)
{
	.how = VICTIM_EXITS,
	.holds = SECMEM_WRITE,
};
FIXTURE_VARIANT_ADD(end, kill_while_reading)
{
	.how = VICTIM_HOLDS,
	.holds = SECMEM_READ,
	.status = 128 + SIGKILL,
};
FIXTURE_VARIANT_ADD(end, kill_while_writing)
{
	.how = VICTIM_HOLDS,
	.holds = SECMEM_WRITE,
	.status = 128 + SIGKILL,
};
FIXTURE_VARIANT_ADD(end, kill_while_closing)
{
	.how = VICTIM_CLOSES,
	.holds = SECMEM_READ,
	.waiters = 1,
	.status = 128 + SIGKILL,
};
FIXTURE_VARIANT_ADD(end, kill_while_waiting)
{
	.how = VICTIM_WAITS,
	.holds = SECMEM_WRITE,
	.waiters = 1,
	.status = 128 + SIGKILL,
};

FIXTURE_SETUP(end)
{
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(end)
{
	close(self->watch);
}

TEST_F_TIMEOUT(end, frees_all_that_the_process_had, SM_LOOP_TIMEOUT)
{
	struct victim victim = {
		.ready = sm_event(),
		.how = variant->how,
		.holds = variant->holds,
	};
	pid_t pid;
	int i;

	for (i = 0; i < 20; i++) {
		pid = sm_fork(victim_run, &victim);
		ASSERT_LT(0, pid);
		if (variant->how != VICTIM_EXITS) {
			ASSERT_EQ(0, sm_event_wait(victim.ready));
			ASSERT_EQ(0,
				  SM_WAIT_UNTIL(has_counts(self->watch, 1,
							   variant->waiters)));
			ASSERT_EQ(0, kill(pid, SIGKILL));
		}
		ASSERT_EQ(variant->status, sm_reap(pid));
		/* Its secrets are gone before its parent learns of its end. */
		EXPECT_COUNTS_BACK(&self->before, 3 * (i + 1));
	}
}

/* Which address space a file answers. */

struct heir {
	int fd;
	uint64_t handle;
	int ready, go; /* events */
	int *report; /* shared with the test */
};

/*
 * Whether each call but INFO fails with this error: 0, or the line of one that
 * does not.
 */
static int refused_with(int fd, uint64_t handle, int error)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct secmem_status st;
	uint64_t made;
	uint32_t equal;

	if (sm_create(fd, LENGTH, &made) != error)
		return __LINE__;
	if (sm_acquire(fd, handle, SECMEM_READ, NULL) != error)
		return __LINE__;
	if (sm_release(fd, handle) != error)
		return __LINE__;
	if (sm_read(fd, handle, buffer, 0, LENGTH) != error)
		return __LINE__;
	if (sm_write(fd, handle, buffer, 0, LENGTH) != error)
		return __LINE__;
	if (sm_compare(fd, handle, buffer, LENGTH, &equal) != error)
		return __LINE__;
	if (sm_seal(fd, handle) != error)
		return __LINE__;
	if (sm_close(fd, handle) != error)
		return __LINE__;
	if (sm_stat(fd, handle, &st) != error)
		return __LINE__;
	return 0;
}

/*
 * After the owner's end the secrets are closed, and anybody may use the file:
 * 0, or the line that failed.
 */
static int inherit(int fd, uint64_t handle)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct secmem_status st;
	struct sm_vault v = { .fd = fd };
	uint64_t made;
	uint32_t equal;
	void *view;
	int err;

	if (sm_stat(fd, handle, &st))
		return __LINE__;
	if (st.state != SECMEM_STATE_CLOSED)
		return __LINE__;
	if (sm_read(fd, handle, buffer, 0, LENGTH) != -EKEYREVOKED)
		return __LINE__;
	if (sm_write(fd, handle, buffer, 0, LENGTH) != -EKEYREVOKED)
		return __LINE__;
	if (sm_compare(fd, handle, buffer, LENGTH, &equal) != -EKEYREVOKED)
		return __LINE__;
	if (sm_seal(fd, handle) != -EKEYREVOKED)
		return __LINE__;
	if (sm_close(fd, handle))
		return __LINE__;

	/* The file serves as a new one does. */
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	if (view == MAP_FAILED)
		return __LINE__;
	v.view = view;
	if (sm_create(fd, LENGTH, &made) || made == handle)
		return __LINE__;
	view = sm_vault_acquire(&v, made, SECMEM_WRITE, &err);
	if (err || sm_poke(view, 1))
		return __LINE__;
	if (sm_acquire(fd, handle, SECMEM_READ, NULL) != -EKEYREVOKED)
		return __LINE__;
	if (sm_release(fd, made) || sm_touch(view, NULL) != SIGSEGV)
		return __LINE__;
	return 0;
}

static int heir_child(struct heir *heir)
{
	int line;

	if (sm_event_wait(heir->go))
		return __LINE__;
	line = refused_with(heir->fd, heir->handle, -EACCES);
	if (line)
		return line;
	if (sm_event_set(heir->ready) || sm_event_wait(heir->go))
		return __LINE__;
	return inherit(heir->fd, heir->handle);
}

/* Makes a secret, forks a child that keeps the file, and ends. */
static int heir_owner(void *arg)
{
	struct heir *heir = arg;
	struct sm_vault v;

	if (sm_vault_open(&v) || sm_create(v.fd, LENGTH, &heir->handle) ||
	    sm_write(v.fd, heir->handle, "secret", 0, 6) ||
	    sm_acquire(v.fd, heir->handle, SECMEM_READ, NULL))
		return 2;
	heir->fd = v.fd;
	switch (fork()) {
	case -1:
		return 3;
	case 0:
		*heir->report = heir_child(heir);
		sm_event_set(heir->ready);
		_exit(0);
	}
	/* The child tries its calls while this process lives. */
	if (sm_event_set(heir->go) || sm_event_wait(heir->ready))
		return 4;
	return 0;
}

TEST_F(life, forked_child_does_not_keep_the_secrets_of_its_parent)
{
	struct heir heir = { .ready = sm_event(), .go = sm_event() };

	heir.report = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, heir.report);
	*heir.report = -1;
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, sm_run(heir_owner, &heir));

	/*
	 * The owner's mm is gone, and so are its secrets; the child keeps the
	 * file.
	 */
	self->before.vaults++;
	self->before.grants++;
	EXPECT_COUNTS_BACK(&self->before, 1);
	ASSERT_EQ(0, sm_event_set(heir.go));
	ASSERT_EQ(0, sm_event_wait(heir.ready));
	ASSERT_LT(0, waitpid(-1, NULL, 0));
	EXPECT_EQ(0, *heir.report)
	TH_LOG("the child failed at line %d", *heir.report);
	self->before.vaults--;
	self->before.grants--;
	EXPECT_COUNTS_BACK(&self->before, 2);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST_F(life, forked_child_that_ends_takes_nothing_along)
{
	unsigned char *bytes;
	int i, err;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, sm_run(nothing, NULL));
		EXPECT_EQ(0, sm_poke(bytes, i));
	}
	EXPECT_EQ(0, RELEASE);
	EXPECT_COUNTS_BACK(&self->before, 0);
}

static void *acquire_and_end(void *arg)
{
	struct sm_call *call = arg;

	sm_call_run(call);
	return NULL;
}

TEST_F(life, access_outlives_the_thread_that_took_it)
{
	struct sm_call call =
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE, SECMEM_FOREVER);
	struct secmem_status st;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, acquire_and_end, &call));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, call.result);
	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(1, st.writers);
	EXPECT_EQ(0, RELEASE);
}

struct guest {
	int fd;
	uint64_t handle;
	int ready, go;
	bool map; /* use it by mmap rather than by a call */
};

static int guest_run(void *arg)
{
	struct guest *guest = arg;
	uint64_t made;

	if (guest->map) {
		if (sm_map(guest->fd, SM_VIEW_LENGTH, PROT_READ) == MAP_FAILED)
			return 2;
	} else if (sm_create(guest->fd, LENGTH, &made)) {
		return 3;
	}
	if (sm_event_set(guest->ready) || sm_event_wait(guest->go))
		return 4;
	return 0;
}

TEST_F(life, file_answers_the_first_address_space_that_uses_it)
{
	struct guest guest = { .ready = sm_event(), .go = sm_event() };
	struct secmem_info info;
	uint64_t handle;
	void *view;
	pid_t pid;
	int i;

	for (i = 0; i < 2; i++) {
		guest.fd = sm_open();
		ASSERT_LE(0, guest.fd);
		guest.map = i;
		pid = sm_fork(guest_run, &guest);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, sm_event_wait(guest.ready));

		EXPECT_EQ(0, refused_with(guest.fd, 1, -EACCES));
		view = sm_map(guest.fd, SM_PAGE, PROT_READ);
		EXPECT_EQ(MAP_FAILED, view);
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(0, sm_info(guest.fd, &info));

		ASSERT_EQ(0, sm_event_set(guest.go));
		ASSERT_EQ(0, sm_reap(pid));
		/*
		 * Once that address space is gone, this process may use the
		 * file.
		 */
		EXPECT_EQ(0, sm_create(guest.fd, LENGTH, &handle));
		view = sm_map(guest.fd, SM_VIEW_LENGTH, PROT_READ);
		ASSERT_NE(MAP_FAILED, view);
		EXPECT_EQ(0, sm_acquire(guest.fd, handle, SECMEM_READ, NULL));
		EXPECT_EQ(0, munmap(view, SM_VIEW_LENGTH));
		close(guest.fd);
	}
}

/* Several processes use a file for the first time at once: one is answered. */

struct rush {
	int fd;
	int here, won, refused; /* atomic */
	int strange; /* got another answer; atomic */
};

#define RUSH 4

static int rush_run(void *arg)
{
	struct rush *rush = arg;
	uint64_t handle;
	int err;

	__atomic_add_fetch(&rush->here, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&rush->here, __ATOMIC_ACQUIRE) < RUSH)
		sched_yield();
	err = sm_create(rush->fd, LENGTH, &handle);
	if (!err)
		__atomic_add_fetch(&rush->won, 1, __ATOMIC_ACQ_REL);
	else if (err == -EACCES)
		__atomic_add_fetch(&rush->refused, 1, __ATOMIC_ACQ_REL);
	else
		__atomic_store_n(&rush->strange, err, __ATOMIC_RELEASE);
	/* The one that was answered lives until all have asked. */
	__atomic_add_fetch(&rush->here, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&rush->here, __ATOMIC_ACQUIRE) < 2 * RUSH)
		sched_yield();
	return 0;
}

TEST_F_TIMEOUT(life, one_of_many_first_users_is_answered, SM_LOOP_TIMEOUT)
{
	struct rush *rush = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[RUSH];
	int i, j;

	ASSERT_NE(MAP_FAILED, rush);
	for (i = 0; i < 50; i++) {
		memset(rush, 0, sizeof(*rush));
		rush->fd = sm_open();
		ASSERT_LE(0, rush->fd);
		for (j = 0; j < RUSH; j++) {
			pids[j] = sm_fork(rush_run, rush);
			ASSERT_LT(0, pids[j]);
		}
		for (j = 0; j < RUSH; j++)
			ASSERT_EQ(0, sm_reap(pids[j]));
		ASSERT_EQ(0, rush->strange);
		ASSERT_EQ(1, rush->won);
		ASSERT_EQ(RUSH - 1, rush->refused);
		close(rush->fd);
	}
	EXPECT_COUNTS_BACK(&self->before, 50);
}

static int use_once(void *arg)
{
	uint64_t handle;

	return -sm_create(*(int *)arg, LENGTH, &handle);
}

TEST_F(life, info_poll_and_fdinfo_are_no_use)
{
	char path[64], text[1024];
	struct pollfd p = { .events = POLLIN | POLLPRI };
	struct secmem_info info;
	uint64_t handle;
	int fd, fdinfo;

	fd = sm_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, sm_info(fd, &info));
	p.fd = fd;
	EXPECT_LE(0, poll(&p, 1, 0));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	fdinfo = open(path, O_RDONLY);
	ASSERT_LE(0, fdinfo);
	EXPECT_LT(0, read(fdinfo, text, sizeof(text)));
	close(fdinfo);
	/*
	 * A child may still be the first user, and another one after its end.
	 */
	EXPECT_EQ(0, sm_run(use_once, &fd));
	EXPECT_EQ(0, sm_run(use_once, &fd));
	EXPECT_EQ(0, sm_create(fd, LENGTH, &handle));
	EXPECT_EQ(EACCES, sm_run(use_once, &fd));
	close(fd);
}

static int touch_in_same_mm(void *arg)
{
	struct guest *guest = arg;

	if (sm_acquire(guest->fd, guest->handle, SECMEM_READ, NULL))
		return 2;
	return sm_release(guest->fd, guest->handle) ? 3 : 0;
}

/* A child of vfork shares the mm, and so is answered. */
TEST_F(life, process_that_shares_the_address_space_is_answered)
{
	struct guest guest = { .fd = self->v.fd, .handle = self->handle };
	char *stack = malloc(65536);
	pid_t pid;

	ASSERT_NE(NULL, stack);
	pid = clone(touch_in_same_mm, stack + 65536,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, &guest);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, sm_reap(pid));
	/* Its end does not end the mm, nor any access or secret. */
	EXPECT_EQ(0, ACQUIRE(SECMEM_READ));
	EXPECT_EQ(0, RELEASE);
	EXPECT_COUNTS_BACK(&self->before, 0);
}

/* exec. This program runs itself again, see main(). */

struct exec {
	bool cloexec;
	int ready, go;
};

static int exec_run(void *arg)
{
	struct exec *exec = arg;
	char fd[16], handle[32], ready[16], go[16];
	struct sm_vault v;
	uint64_t made;

	if (sm_vault_open(&v) || sm_create(v.fd, LENGTH, &made) ||
	    sm_acquire(v.fd, made, SECMEM_READ, NULL))
		return 2;
	if (fcntl(v.fd, F_SETFD, exec->cloexec ? FD_CLOEXEC : 0) ||
	    fcntl(exec->ready, F_SETFD, 0) || fcntl(exec->go, F_SETFD, 0))
		return 3;
	if (sm_event_set(exec->ready) || sm_event_wait(exec->go))
		return 4;
	snprintf(fd, sizeof(fd), "%d", v.fd);
	snprintf(handle, sizeof(handle), "%llu", (unsigned long long)made);
	snprintf(ready, sizeof(ready), "%d", exec->ready);
	snprintf(go, sizeof(go), "%d", exec->go);
	execl("/proc/self/exe", "lifecycle_test", "--after-exec", fd, handle,
	      ready, go, exec->cloexec ? "cloexec" : "kept", NULL);
	return 5;
}

static int after_exec(char **argv)
{
	int fd = atoi(argv[2]), ready = atoi(argv[4]), go = atoi(argv[5]);
	uint64_t handle = strtoull(argv[3], NULL, 10);
	struct secmem_info info;
	int line;

	if (sm_event_set(ready) || sm_event_wait(go))
		return 6;
	if (!strcmp(argv[6], "cloexec"))
		return sm_info(fd, &info) == -EBADF ? 0 : 7;
	line = inherit(fd, handle);
	if (line)
		fprintf(stderr, "# inherit() failed at line %d\n", line);
	return line ? 8 : 0;
}

TEST_F_TIMEOUT(life, exec_ends_accesses_and_secrets, SM_LOOP_TIMEOUT)
{
	struct exec exec = { .ready = sm_event(), .go = sm_event() };
	struct secmem_info before = self->before;
	pid_t pid;
	int i;

	for (i = 0; i < 2; i++) {
		exec.cloexec = i;
		pid = sm_fork(exec_run, &exec);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, sm_event_wait(exec.ready));
		/* The control: before exec all of it is there. */
		self->before = before;
		self->before.vaults++;
		self->before.grants++;
		self->before.secrets++;
		self->before.pages++;
		self->before.accesses++;
		EXPECT_COUNTS_BACK(&self->before, 0);
		ASSERT_EQ(0, sm_event_set(exec.go));

		ASSERT_EQ(0, sm_event_wait(exec.ready));
		self->before = before;
		if (!exec.cloexec) {
			self->before.vaults++;
			self->before.grants++;
		}
		EXPECT_COUNTS_BACK(&self->before, 1);
		ASSERT_EQ(0, sm_event_set(exec.go));
		EXPECT_EQ(0, sm_reap(pid));
		/* The secret that it made after exec is gone, too. */
		before.wipes += exec.cloexec ? 1 : 2;
		EXPECT_COUNTS_BACK(&before, 0);
	}
}

/* The module. */

TEST(module_stays_while_it_is_used)
{
	struct sm_vault v;
	int fd;

	if (access("/sys/module/secmem/refcnt", R_OK))
		SKIP(return, "secmem is not a module here");
	if (geteuid())
		SKIP(return, "only root may try to unload a module");
	ASSERT_EQ(0, sm_vault_open(&v));
	EXPECT_EQ(-1, syscall(SYS_delete_module, "secmem", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	/* The view alone is enough. */
	ASSERT_EQ(0, close(v.fd));
	EXPECT_EQ(-1, syscall(SYS_delete_module, "secmem", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	ASSERT_EQ(0, munmap(v.view, SM_VIEW_LENGTH));

	/* The control: unused it goes, and comes back as it was. */
	fd = open("/vm/secmem.ko", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no module file to load again: %s",
			   "unloading was refused while in use, not tried after");
	{
		struct stat st;
		int i;

		ASSERT_EQ(0, stat(SECMEM_DEVICE, &st));
		for (i = 0; i < 10; i++) {
			ASSERT_EQ(0, syscall(SYS_delete_module, "secmem",
					     O_NONBLOCK));
			EXPECT_EQ(-ENOENT, sm_open());
			ASSERT_EQ(0, syscall(SYS_finit_module, fd, "", 0));
			ASSERT_EQ(0, sm_vault_open(&v));
			sm_vault_close(&v);
		}
		ASSERT_EQ(0, chown(SECMEM_DEVICE, st.st_uid, st.st_gid));
		ASSERT_EQ(0, chmod(SECMEM_DEVICE, st.st_mode & 07777));
	}
	close(fd);
}

/* Threads that end secrets while others use them. */

#define STORM_SECRETS 6
#define STORM_ROUNDS 1000

struct storm {
	struct sm_vault *v;
	uint64_t handles[STORM_SECRETS]; /* atomic */
	int faults;
	int unexpected;
	int served;
};

struct storm_thread {
	pthread_t thread;
	struct storm *storm;
	unsigned int seed;
};

static void *storm_run(void *arg)
{
	struct storm_thread *t = arg;
	struct storm *s = t->storm;
	int fd = s->v->fd, i, n, err, first;
	unsigned char *bytes;
	uint64_t handle, made;

	for (i = 0; i < STORM_ROUNDS; i++) {
		n = rand_r(&t->seed) % STORM_SECRETS;
		handle = __atomic_load_n(&s->handles[n], __ATOMIC_ACQUIRE);
		switch (rand_r(&t->seed) % 8) {
		case 0:
			err = sm_close_at(fd, handle, 0, sm_in_ms(1));
			if (err && err != -ETIMEDOUT)
				__atomic_fetch_add(&s->unexpected, 1,
						   __ATOMIC_RELAXED);
			if (sm_create(fd, 1 + i % 9000, &made)) {
				__atomic_fetch_add(&s->unexpected, 1,
						   __ATOMIC_RELAXED);
				break;
			}
			if (!__atomic_compare_exchange_n(
				    &s->handles[n], &handle, made, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
				sm_close(fd, made);
			break;
		case 1:
			bytes = sm_vault_acquire(s->v, handle, SECMEM_WRITE,
						 &err);
			if (err) {
				if (err != -EKEYREVOKED)
					__atomic_fetch_add(&s->unexpected, 1,
							   __ATOMIC_RELAXED);
				break;
			}
			if (sm_poke(bytes, i))
				__atomic_fetch_add(&s->faults, 1,
						   __ATOMIC_RELAXED);
			if (sm_release(fd, handle))
				__atomic_fetch_add(&s->unexpected, 1,
						   __ATOMIC_RELAXED);
			break;
		case 2:
			err = sm_write(fd, handle, "w", 0, 1);
			if (err && err != -EKEYREVOKED)
				__atomic_fetch_add(&s->unexpected, 1,
						   __ATOMIC_RELAXED);
			break;
		default:
			bytes = sm_vault_acquire(s->v, handle, SECMEM_READ,
						 &err);
			if (err) {
				if (err != -EKEYREVOKED)
					__atomic_fetch_add(&s->unexpected, 1,
							   __ATOMIC_RELAXED);
				break;
			}
			first = sm_touch(bytes, NULL);
			if (rand_r(&t->seed) % 4 == 0)
				sched_yield();
			if (first || sm_touch(bytes, NULL))
				__atomic_fetch_add(&s->faults, 1,
						   __ATOMIC_RELAXED);
			else
				__atomic_fetch_add(&s->served, 1,
						   __ATOMIC_RELAXED);
			if (sm_release(fd, handle))
				__atomic_fetch_add(&s->unexpected, 1,
						   __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(life, held_access_is_never_taken_away_by_closers,
	       SM_LOOP_TIMEOUT)
{
	struct storm_thread threads[6];
	struct storm storm = { 0 };
	struct secmem_info info;
	struct sm_vault v;
	size_t i;

	ASSERT_EQ(0, sm_vault_open(&v));
	storm.v = &v;
	for (i = 0; i < STORM_SECRETS; i++)
		ASSERT_EQ(0, sm_create(v.fd, LENGTH, &storm.handles[i]));
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		threads[i].storm = &storm;
		threads[i].seed = i + 1;
		ASSERT_EQ(0, pthread_create(&threads[i].thread, NULL, storm_run,
					    &threads[i]));
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i].thread, NULL);
	EXPECT_EQ(0, storm.faults);
	EXPECT_EQ(0, storm.unexpected);
	EXPECT_LT(0, storm.served);
	ASSERT_EQ(0, sm_info(v.fd, &info));
	EXPECT_EQ(0, info.accesses);
	EXPECT_EQ(0, info.waiters);
	sm_vault_close(&v);
	ASSERT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(self->before.secrets, info.secrets);
	EXPECT_EQ(self->before.pages, info.pages);
	EXPECT_EQ(self->before.vaults, info.vaults);
}

#define main harness_main
/*
 * The place that a handle names: its bits without the tag and the generation.
 */
static uint64_t handle_place(uint64_t handle)
{
	return handle & 0xffffff;
}

TEST(place_keeps_no_label)
{
	struct secmem_create_args named, next;
	struct secmem_status st;
	struct sm_vault v;
	int i;

	ASSERT_EQ(0, sm_vault_open(&v));
	ASSERT_EQ(0, sm_create_as(v.fd, 32, 0, 0, "a label", 0, &named));
	ASSERT_EQ(0, sm_stat(v.fd, named.handle, &st));
	EXPECT_STREQ("a label", st.label);
	ASSERT_EQ(0, sm_close(v.fd, named.handle));
	/* Creates secrets until the place serves again. */
	for (i = 0; i < 10000; i++) {
		ASSERT_EQ(0, sm_create_as(v.fd, 32, 0, 0, NULL, 0, &next));
		if (handle_place(next.handle) == handle_place(named.handle))
			break;
		ASSERT_EQ(0, sm_close(v.fd, next.handle));
	}
	ASSERT_EQ(handle_place(named.handle), handle_place(next.handle));
	ASSERT_EQ(0, sm_stat(v.fd, next.handle, &st));
	EXPECT_STREQ("", st.label);
	sm_vault_close(&v);
}

TEST_HARNESS_MAIN
#undef main

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "--after-exec"))
		return after_exec(argv);
	return harness_main(argc, argv);
}
