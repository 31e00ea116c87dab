// SPDX-License-Identifier: GPL-2.0-only
/*
 * REVOKE, which ends a secret in every process at once; and what readers are
 * told when a writer died in the middle.
 */
#include "peer.h"
#include "slow.h"

#define LENGTH 100
#define FILL 0x5a
#define PEERS 3

FIXTURE(revoke)
{
	int watch; /* a file that only asks for INFO */
	struct sm_vault v;
	uint64_t handle;
	struct peer peers[PEERS];
	struct secmem_info before;
};

#define RIGHTS_OF_ONE (SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_CREATE)
#define PEER_RIGHTS (RIGHTS_OF_ONE & ~SECMEM_RIGHT_REVOKE)

FIXTURE_SETUP(revoke)
{
	unsigned char buffer[LENGTH];
	int i;

	memset(buffer, FILL, LENGTH);
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, buffer, 0, LENGTH));
	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(0, peer_start_with(&self->peers[i], self->v.fd,
					     self->handle, PEER_RIGHTS,
					     4 * SM_PAGE));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(revoke)
{
	int i;

	for (i = 0; i < PEERS; i++)
		if (self->peers[i].pid)
			EXPECT_EQ(0, peer_stop(&self->peers[i]));
	sm_vault_close(&self->v);
	close(self->watch);
}

#define ACQUIRE(flags, offset) \
	sm_acquire(self->v.fd, self->handle, flags, offset)
#define RELEASE sm_release(self->v.fd, self->handle)
#define REVOKE sm_revoke(self->v.fd, self->handle)

#define CALL(nr, call_flags)                                          \
	{                                                             \
		.fd = self->v.fd, .call = nr, .handle = self->handle, \
		.flags = call_flags, .deadline = SECMEM_FOREVER,      \
		.buffer = buffer, .length = LENGTH,                   \
	}

/* The secret, its page and all accesses are gone; wiped just once. */
#define EXPECT_ENDED                                                  \
	do {                                                          \
		struct secmem_info now;                               \
		struct secmem_status st;                              \
		EXPECT_EQ(0, sm_info(self->watch, &now));             \
		EXPECT_EQ(self->before.secrets - 1, now.secrets);     \
		EXPECT_EQ(self->before.pages - 1, now.pages);         \
		EXPECT_EQ(0, now.accesses);                           \
		EXPECT_EQ(self->before.wipes + 1, now.wipes);         \
		EXPECT_EQ(0, sm_stat(self->v.fd, self->handle, &st)); \
		EXPECT_EQ(SECMEM_STATE_CLOSED, st.state);             \
		EXPECT_EQ(0, st.readers);                             \
		EXPECT_EQ(0, st.writers);                             \
	} while (0)

/* Every call of a grant says that the secret is gone. */
#define EXPECT_GONE(fd)                                                      \
	do {                                                                 \
		unsigned char b[LENGTH] = { 0 };                             \
		uint32_t equal;                                              \
		int out;                                                     \
		EXPECT_EQ(-EKEYREVOKED,                                      \
			  sm_acquire(fd, self->handle, SECMEM_READ, NULL));  \
		EXPECT_EQ(-EKEYREVOKED,                                      \
			  sm_acquire(fd, self->handle, SECMEM_WRITE, NULL)); \
		EXPECT_EQ(-EKEYREVOKED, sm_release(fd, self->handle));       \
		EXPECT_EQ(-EKEYREVOKED,                                      \
			  sm_read(fd, self->handle, b, 0, LENGTH));          \
		EXPECT_EQ(-EKEYREVOKED,                                      \
			  sm_write(fd, self->handle, b, 0, LENGTH));         \
		EXPECT_EQ(-EKEYREVOKED,                                      \
			  sm_compare(fd, self->handle, b, LENGTH, &equal));  \
		EXPECT_EQ(-EKEYREVOKED, sm_seal(fd, self->handle));          \
		EXPECT_EQ(-EKEYREVOKED, sm_export(fd, self->handle,          \
						  SECMEM_RIGHT_READ, &out)); \
		EXPECT_EQ(0, sm_close(fd, self->handle));                    \
		EXPECT_EQ(0, sm_revoke(fd, self->handle));                   \
	} while (0)

TEST_F(revoke, readers_of_every_process_lose_it_at_once)
{
	uint64_t offset, offsets[PEERS];
	unsigned char bytes[LENGTH];
	int i;

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ, &offset));
	ASSERT_EQ(0, ACQUIRE(SECMEM_READ, NULL));
	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, peer_acquire(&self->peers[i], self->handle,
					  SECMEM_READ, &offsets[i]));
		ASSERT_EQ(0, peer_touch(&self->peers[i], offsets[i], LENGTH,
					bytes));
		ASSERT_EQ(FILL, bytes[LENGTH - 1]);
	}
	ASSERT_EQ(0, REVOKE);
	EXPECT_ENDED;
	EXPECT_EQ(SIGBUS, sm_touch(self->v.view + offset, NULL));
	for (i = 0; i < PEERS; i++) {
		EXPECT_EQ(SIGBUS,
			  peer_touch(&self->peers[i], offsets[i], 1, NULL));
		EXPECT_EQ(-EKEYREVOKED,
			  peer_release(&self->peers[i], self->handle));
		EXPECT_EQ(-EKEYREVOKED,
			  peer_acquire(&self->peers[i], self->handle,
				       SECMEM_READ, NULL));
		EXPECT_EQ(SIGBUS,
			  peer_touch(&self->peers[i], offsets[i], 1, NULL));
	}
	EXPECT_EQ(-EKEYREVOKED, RELEASE);
	EXPECT_EQ(-EKEYREVOKED, RELEASE);
	EXPECT_GONE(self->v.fd);
	EXPECT_ENDED;
}

TEST_F(revoke, writer_loses_it_at_once)
{
	struct peer *writer = &self->peers[0];
	uint64_t offset;

	ASSERT_EQ(0, peer_acquire(writer, self->handle, SECMEM_WRITE, &offset));
	ASSERT_EQ(0, peer_poke(writer, offset, 1, LENGTH));
	ASSERT_EQ(0, REVOKE);
	EXPECT_ENDED;
	EXPECT_EQ(SIGBUS, peer_poke(writer, offset, 1, 1));
	EXPECT_EQ(SIGBUS, peer_touch(writer, offset, 1, NULL));
	EXPECT_EQ(-EKEYREVOKED, peer_release(writer, self->handle));
	EXPECT_GONE(self->v.fd);
}

TEST_F(revoke, by_a_grant_that_may)
{
	uint64_t offset;
	struct peer p;

	ASSERT_EQ(0, ACQUIRE(SECMEM_READ, &offset));
	ASSERT_EQ(0, peer_start_with(&p, self->v.fd, self->handle,
				     SECMEM_RIGHT_REVOKE, 0));
	/*
	 * Peers without the right may not, and nothing happens when they try.
	 */
	EXPECT_EQ(-EACCES,
		  peer_op(&self->peers[0], SECMEM_IOC_REVOKE, self->handle));
	EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(0, peer_op(&p, SECMEM_IOC_REVOKE, self->handle));
	EXPECT_EQ(SIGBUS, sm_touch(self->v.view + offset, NULL));
	/* It is gone for good; to revoke it again is no error. */
	EXPECT_EQ(0, peer_op(&p, SECMEM_IOC_REVOKE, self->handle));
	EXPECT_EQ(0, REVOKE);
	EXPECT_EQ(0, peer_stop(&p));
	EXPECT_ENDED;
}

TEST_F(revoke, of_what_never_was_is_enoent)
{
	uint64_t other;

	EXPECT_EQ(-ENOENT, sm_revoke(self->v.fd, self->handle + 1));
	EXPECT_EQ(-ENOENT, sm_revoke(self->v.fd, SECMEM_HANDLE_NONE));
	EXPECT_EQ(-ENOENT, sm_revoke(self->v.fd, ~UINT64_C(0)));
	/* A stale handle reaches no other secret. */
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	ASSERT_EQ(0, REVOKE);
	ASSERT_EQ(0, REVOKE);
	ASSERT_EQ(0, sm_acquire(self->v.fd, other, SECMEM_READ, NULL));
	ASSERT_EQ(0, REVOKE);
	EXPECT_EQ(0, sm_release(self->v.fd, other));
}

TEST_F(revoke, ends_a_close_that_waits)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct sm_call closers[2] = { CALL(SECMEM_IOC_CLOSE, 0),
				      CALL(SECMEM_IOC_CLOSE, 0) };
	uint64_t offset;
	int i;

	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_READ,
				  &offset));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, sm_call_start(&closers[i]));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 2));
	EXPECT_FALSE(sm_call_done(&closers[0]));
	ASSERT_EQ(0, REVOKE);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, sm_call_finish(&closers[i]));
	EXPECT_EQ(SIGBUS, peer_touch(&self->peers[0], offset, 1, NULL));
	EXPECT_EQ(-EKEYREVOKED, peer_release(&self->peers[0], self->handle));
	EXPECT_ENDED;
}

TEST_F(revoke, wakes_all_who_wait)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_ACQUIRE,
		.handle = self->handle,
		.flags = SECMEM_WRITE,
		.deadline = SECMEM_FOREVER,
	};
	struct sm_call calls[] = {
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_READ),
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE),
		CALL(SECMEM_IOC_READ, 0),
		CALL(SECMEM_IOC_WRITE, 0),
		CALL(SECMEM_IOC_COMPARE, 0),
	};
	size_t i;

	/*
	 * A writer, for which all others wait, some of them in other processes.
	 */
	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_WRITE,
				  NULL));
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		ASSERT_EQ(0, sm_call_start(&calls[i]));
	ASSERT_EQ(0, peer_send(&self->peers[1], &ask));
	ask.what = PEER_PREAD;
	ask.length = LENGTH;
	ASSERT_EQ(0, peer_send(&self->peers[2], &ask));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle,
				     ARRAY_SIZE(calls) + 2));
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		EXPECT_FALSE(sm_call_done(&calls[i]));
	EXPECT_FALSE(peer_has_answered(&self->peers[1]));
	EXPECT_FALSE(peer_has_answered(&self->peers[2]));

	ASSERT_EQ(0, REVOKE);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&calls[i]));
	EXPECT_EQ(-EKEYREVOKED, peer_receive(&self->peers[1], NULL));
	EXPECT_EQ(-EKEYREVOKED, peer_receive(&self->peers[2], NULL));
	EXPECT_ENDED;
}

/*
 * The call that is stuck, the call that ends the secret, and the first one's
 * result.
 */
static const struct {
	unsigned long nr;
	unsigned long by;
	int result;
} slow_calls[] = {
	{ SECMEM_IOC_WRITE, 0, 0 }, /* the control: nobody */
	{ SECMEM_IOC_COMPARE, 0, 0 },
	{ SECMEM_IOC_READ, 0, 0 },
	{ SECMEM_IOC_WRITE, SECMEM_IOC_REVOKE, -EKEYREVOKED },
	{ SECMEM_IOC_COMPARE, SECMEM_IOC_REVOKE, -EKEYREVOKED },
	{ SECMEM_IOC_READ, SECMEM_IOC_REVOKE, -EKEYREVOKED },
	{ SECMEM_IOC_WRITE, SECMEM_IOC_CLOSE, -EKEYREVOKED },
	{ SECMEM_IOC_COMPARE, SECMEM_IOC_CLOSE, -EKEYREVOKED },
	{ SECMEM_IOC_READ, SECMEM_IOC_CLOSE, -EKEYREVOKED },
};

/*
 * So many bytes may be in registers when a copy stops at a fault. x86 copies in
 * one instruction, which reads the bytes anew.
 */
#ifdef __x86_64__
#define IN_REGISTERS 0
#else
#define IN_REGISTERS 64
#endif

TEST_F(revoke, copies_on_slow_buffers_neither_delay_nor_outlive_it)
{
	unsigned char buffer[LENGTH];
	struct slow slow;
	struct sm_call call;
	uint64_t handle;
	size_t i, j, seen;
	int err;

	memset(buffer, FILL, LENGTH);
	for (i = 0; i < ARRAY_SIZE(slow_calls); i++) {
		err = slow_open(&slow);
		if (err == -ENOSYS || err == -EPERM)
			SKIP(return, "no userfaultfd here");
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
		ASSERT_EQ(0, sm_write(self->v.fd, handle, buffer, 0, LENGTH));
		call = (struct sm_call){
			.fd = self->v.fd,
			.call = slow_calls[i].nr,
			.handle = handle,
			.deadline = SECMEM_FOREVER,
			.buffer = slow.page,
			.length = LENGTH,
		};
		ASSERT_EQ(0, sm_call_start(&call));
		ASSERT_EQ(0, slow_wait(&slow));

		/* The stuck call holds nothing that others wait for. */
		EXPECT_EQ(0, sm_acquire(self->v.fd, handle,
					SECMEM_WRITE | SECMEM_NOWAIT, NULL));
		EXPECT_EQ(0, sm_release(self->v.fd, handle));
		if (slow_calls[i].by) {
			EXPECT_EQ(0,
				  sm_op(self->v.fd, slow_calls[i].by, handle, 0,
					slow_calls[i].by == SECMEM_IOC_CLOSE ?
						SM_PATIENTLY :
						0));
			EXPECT_TRUE(sm_has_state(self->v.fd, handle,
						 SECMEM_STATE_CLOSED));
		}
		EXPECT_FALSE(sm_call_done(&call));
		ASSERT_EQ(0, slow_let_go(&slow));
		EXPECT_EQ(slow_calls[i].result, sm_call_finish(&call))
		TH_LOG("call %zu", i);
		if (slow_calls[i].nr == SECMEM_IOC_READ) {
			/*
			 * Bytes that arrive after the end are not the secret's.
			 */
			for (j = seen = 0; j < LENGTH; j++)
				seen += slow.page[j] == FILL;
			EXPECT_LE(slow_calls[i].by ? 0 : LENGTH, seen);
			EXPECT_GE(slow_calls[i].by ? IN_REGISTERS : LENGTH,
				  seen)
			TH_LOG("call %zu: %zu bytes", i, seen);
		}
		EXPECT_EQ(0, sm_close(self->v.fd, handle));
		slow_close(&slow);
	}
}

TEST_F(revoke, copies_in_other_processes_never_see_half_of_the_end)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_READ,
		.length = LENGTH,
		.deadline = SECMEM_FOREVER,
	};
	unsigned char buffer[LENGTH], zeros[LENGTH] = { 0 };
	int i, j, n, ended = 0, served = 0;
	struct peer_tell tell;
	uint64_t handle;
	int fd, err;

	memset(buffer, FILL, LENGTH);
	for (i = 0; i < 150; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
		ASSERT_EQ(0, sm_write(self->v.fd, handle, buffer, 0, LENGTH));
		for (j = 0; j < PEERS; j++) {
			ASSERT_EQ(0, sm_export(self->v.fd, handle, PEER_RIGHTS,
					       &fd));
			ASSERT_EQ(0, peer_give(&self->peers[j], fd));
			close(fd);
		}
		ask.handle = handle;
		for (n = 0; n < 4; n++)
			for (j = 0; j < PEERS; j++)
				ASSERT_EQ(0, peer_send(&self->peers[j], &ask));
		for (j = i % 7; j; j--)
			sched_yield();
		ASSERT_EQ(0, sm_revoke(self->v.fd, handle));
		for (n = 0; n < 4; n++) {
			for (j = 0; j < PEERS; j++) {
				memset(&tell, 0, sizeof(tell));
				err = peer_receive(&self->peers[j], &tell);
				if (err) {
					ASSERT_EQ(-EKEYREVOKED, err);
					ended++;
					continue;
				}
				served++;
				ASSERT_EQ(0, memcmp(tell.data, buffer, LENGTH));
				ASSERT_NE(0, memcmp(tell.data, zeros, LENGTH));
			}
		}
	}
	/* Both sides of the race were seen. */
	EXPECT_LT(0, ended);
	EXPECT_LT(0, served);
}

/* Touches while the secret ends: each gets the right byte, or SIGBUS. */

struct toucher {
	pthread_t thread;
	unsigned char *bytes; /* atomic; NULL: none now */
	bool stop; /* atomic */
	int served, ended, strange; /* atomic */
};

static void *toucher_run(void *arg)
{
	struct toucher *t = arg;
	unsigned char *bytes, got;
	int signo;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		bytes = __atomic_load_n(&t->bytes, __ATOMIC_ACQUIRE);
		if (!bytes) {
			sched_yield();
			continue;
		}
		signo = sm_touch(bytes, &got);
		if (!signo && got == FILL)
			__atomic_fetch_add(&t->served, 1, __ATOMIC_RELAXED);
		else if (signo == SIGBUS)
			__atomic_fetch_add(&t->ended, 1, __ATOMIC_RELAXED);
		else
			__atomic_fetch_add(&t->strange, 1, __ATOMIC_RELAXED);
		if (signo)
			__atomic_store_n(&t->bytes, NULL, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F_TIMEOUT(revoke, touches_see_the_secret_or_sigbus, 120)
{
	unsigned char buffer[LENGTH];
	struct toucher t = { 0 };
	uint64_t handle, offset;
	int i, before;

	memset(buffer, FILL, LENGTH);
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, toucher_run, &t));
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
		ASSERT_EQ(0, sm_write(self->v.fd, handle, buffer, 0, LENGTH));
		ASSERT_EQ(0,
			  sm_acquire(self->v.fd, handle, SECMEM_READ, &offset));
		before = __atomic_load_n(&t.served, __ATOMIC_RELAXED);
		__atomic_store_n(&t.bytes, self->v.view + offset,
				 __ATOMIC_RELEASE);
		/* Wait until the other thread touches it. */
		ASSERT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(&t.served,
							   __ATOMIC_RELAXED) !=
					   before));
		ASSERT_EQ(0, sm_revoke(self->v.fd, handle));
		ASSERT_EQ(0, SM_WAIT_UNTIL(!__atomic_load_n(&t.bytes,
							    __ATOMIC_ACQUIRE)));
		ASSERT_EQ(-EKEYREVOKED, sm_release(self->v.fd, handle));
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
	pthread_join(t.thread, NULL);
	EXPECT_EQ(0, t.strange);
	EXPECT_EQ(1000, t.ended);
	EXPECT_LT(0, t.served);
}

/* Everybody at once, on the same few secrets. */

#define STORM_ROUNDS 1500
/* How many places of one size rest before they serve again (module/place.c). */
#define QUARANTINE 64

struct storm {
	struct sm_vault *v;
	uint64_t handle; /* atomic */
	unsigned int round; /* atomic: how many secrets have ended */
	int strange; /* atomic */
	int revoked; /* atomic: accesses that ended with their secret */
	int whole; /* atomic */
	bool stop; /* atomic */
};

/*
 * A place rests for QUARANTINE others before it serves again. A thread that is
 * held up for so long between ACQUIRE and touch finds another secret's place
 * there: shut, or open for a fellow thread.
 */
static bool storm_overtaken(struct storm *s, unsigned int round)
{
	return __atomic_load_n(&s->round, __ATOMIC_ACQUIRE) - round >=
	       QUARANTINE;
}

static void *storm_run(void *arg)
{
	struct storm *s = arg;
	unsigned char *bytes, got = 0;
	unsigned int round;
	uint64_t handle;
	int err, signo;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		round = __atomic_load_n(&s->round, __ATOMIC_ACQUIRE);
		handle = __atomic_load_n(&s->handle, __ATOMIC_ACQUIRE);
		bytes = sm_vault_acquire(s->v, handle, SECMEM_READ, &err);
		if (err == -EKEYREVOKED)
			continue;
		if (err) {
			__atomic_store_n(&s->strange, err, __ATOMIC_RELAXED);
			continue;
		}
		signo = sm_touch(bytes, &got);
		if ((signo ? signo != SIGBUS : got != FILL) &&
		    !(signo == SIGSEGV && storm_overtaken(s, round)))
			__atomic_store_n(&s->strange, 1000 + signo,
					 __ATOMIC_RELAXED);
		err = sm_release(s->v->fd, handle);
		if (err == -EKEYREVOKED)
			__atomic_fetch_add(&s->revoked, 1, __ATOMIC_RELAXED);
		else if (err || signo)
			__atomic_store_n(&s->strange, 2000 - err,
					 __ATOMIC_RELAXED);
		else
			__atomic_fetch_add(&s->whole, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F_TIMEOUT(revoke, races_with_accesses_of_many_threads, 120)
{
	struct storm storm = { .v = &self->v, .handle = self->handle };
	unsigned char buffer[LENGTH];
	struct secmem_info info;
	pthread_t threads[4];
	uint64_t next;
	size_t i;

	memset(buffer, FILL, LENGTH);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0,
			  pthread_create(&threads[i], NULL, storm_run, &storm));
	for (i = 0; i < STORM_ROUNDS; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &next));
		ASSERT_EQ(0, sm_write(self->v.fd, next, buffer, 0, LENGTH));
		next = __atomic_exchange_n(&storm.handle, next,
					   __ATOMIC_ACQ_REL);
		if (i % 2)
			sched_yield();
		ASSERT_EQ(0, sm_revoke(self->v.fd, next));
		__atomic_fetch_add(&storm.round, 1, __ATOMIC_RELEASE);
	}
	/* Control: secrets were seen whole, too. */
	EXPECT_EQ(0, SM_WAIT_UNTIL(
			     __atomic_load_n(&storm.whole, __ATOMIC_RELAXED)));
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, storm.strange);
	ASSERT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(0, info.accesses);
	EXPECT_EQ(self->before.secrets, info.secrets);
	EXPECT_EQ(self->before.wipes + STORM_ROUNDS, info.wipes);
}

/* A writer that died. */

#define HAS_FLAG(flag)                                    \
	({                                                \
		struct secmem_status st_;                 \
		sm_stat(self->v.fd, self->handle, &st_) ? \
			-1 :                              \
			!!(st_.stat_flags & (flag));      \
	})

enum death { BY_KILL, BY_EXIT, BY_EXEC, BY_EXEC_KEPT, BY_DROP, DEATHS };

/* The peer, which has the access, ends in one of several ways. */
static int die(struct peer *p, int death)
{
	struct peer_ask exec = { .what = PEER_EXEC };
	int err;

	switch (death) {
	case BY_KILL:
		return peer_kill(p) == 128 + SIGKILL ? 0 : -1;
	case BY_EXIT:
		return peer_stop(p);
	case BY_DROP:
		err = peer_just(p, PEER_UNMAP);
		return err ? err : peer_just(p, PEER_DROP);
	default:
		exec.flags = death == BY_EXEC_KEPT;
		return peer_ask(p, &exec, NULL);
	}
}

#define EXPECT_READERS(expected)                                               \
	do {                                                                   \
		unsigned char b[LENGTH] = { 0 };                               \
		struct peer_ask pr = { .what = PEER_PREAD, .length = LENGTH }; \
		uint32_t equal;                                                \
		int acquired = ACQUIRE(SECMEM_READ, NULL);                     \
		EXPECT_EQ(expected, acquired);                                 \
		if (!acquired)                                                 \
			EXPECT_EQ(0, RELEASE);                                 \
		EXPECT_EQ(expected,                                            \
			  sm_read(self->v.fd, self->handle, b, 0, LENGTH));    \
		EXPECT_EQ(expected, sm_compare(self->v.fd, self->handle, b,    \
					       LENGTH, &equal));               \
		EXPECT_EQ((expected) ? (expected) : LENGTH,                    \
			  peer_ask(&self->peers[1], &pr, NULL));               \
		EXPECT_EQ(expected,                                            \
			  peer_copy(&self->peers[1], SECMEM_IOC_READ,          \
				    self->handle, 0, b, LENGTH, NULL));        \
	} while (0)

/*
 * An ACQUIRE for WRITE that cannot store its result: its caller has no access.
 */
static int acquire_untold(int fd, uint64_t handle)
{
	struct secmem_acquire_args *a =
		mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (a == MAP_FAILED)
		return -errno;
	a->size = sizeof(*a);
	a->flags = SECMEM_WRITE | SECMEM_NOWAIT;
	a->handle = handle;
	err = mprotect(a, SM_PAGE, PROT_READ) ?
		      -errno :
		      sm_ioctl(fd, SECMEM_IOC_ACQUIRE, a);
	munmap(a, SM_PAGE);
	return err;
}

TEST_F(revoke, readers_are_told_of_a_writer_that_died)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct peer *writer = &self->peers[0];
	uint64_t offset;
	int death, fd;

	for (death = 0; death < DEATHS; death++) {
		ASSERT_EQ(0, peer_acquire(writer, self->handle, SECMEM_WRITE,
					  &offset));
		ASSERT_EQ(0, peer_poke(writer, offset, death, LENGTH / 2));
		ASSERT_EQ(0, HAS_FLAG(SECMEM_STAT_OWNERDEAD));
		ASSERT_EQ(0, die(writer, death));
		EXPECT_EQ(1, HAS_FLAG(SECMEM_STAT_OWNERDEAD))
		TH_LOG("death %d", death);
		EXPECT_READERS(-EOWNERDEAD);
		EXPECT_READERS(-EOWNERDEAD);

		/*
		 * A WRITE that fails mends nothing, nor does an access that was
		 * not granted.
		 */
		EXPECT_EQ(-EFAULT,
			  sm_write(self->v.fd, self->handle, NULL, 0, LENGTH));
		EXPECT_EQ(-EINVAL, sm_write(self->v.fd, self->handle, buffer, 1,
					    LENGTH));
		EXPECT_EQ(-EFAULT, acquire_untold(self->v.fd, self->handle));
		EXPECT_READERS(-EOWNERDEAD);
		ASSERT_EQ(0, ACQUIRE(SECMEM_WRITE, NULL));
		EXPECT_EQ(1, HAS_FLAG(SECMEM_STAT_OWNERDEAD));
		EXPECT_EQ(-EAGAIN,
			  sm_copy(self->v.fd, SECMEM_IOC_READ, self->handle,
				  SECMEM_NOWAIT, 0, buffer, 0, LENGTH, NULL));

		/*
		 * The end of a WRITE access mends it. Every other time, more
		 * writers follow.
		 */
		if (death % 2) {
			EXPECT_EQ(0, RELEASE);
		} else {
			EXPECT_EQ(0, RELEASE);
			EXPECT_READERS(0);
			ASSERT_EQ(0, peer_acquire(&self->peers[1], self->handle,
						  SECMEM_WRITE, NULL));
			ASSERT_EQ(0, die(&self->peers[1], BY_KILL));
			ASSERT_EQ(0, peer_start_with(&self->peers[1],
						     self->v.fd, self->handle,
						     PEER_RIGHTS, 4 * SM_PAGE));
			EXPECT_READERS(-EOWNERDEAD);
			EXPECT_EQ(0, sm_write(self->v.fd, self->handle, buffer,
					      0, LENGTH));
		}
		EXPECT_EQ(0, HAS_FLAG(SECMEM_STAT_OWNERDEAD));
		EXPECT_READERS(0);

		if (death != BY_KILL && death != BY_EXIT)
			ASSERT_EQ(0, peer_stop(writer));
		ASSERT_EQ(0, sm_export(self->v.fd, self->handle, PEER_RIGHTS,
				       &fd));
		ASSERT_EQ(0, peer_start(writer));
		ASSERT_EQ(0, peer_give(writer, fd));
		close(fd);
		ASSERT_EQ(0, peer_map_view(writer, 4 * SM_PAGE,
					   PROT_READ | PROT_WRITE));
	}
}

/* The control: the death of a reader breaks nothing. */
TEST_F(revoke, readers_may_die)
{
	int death;

	for (death = BY_KILL; death <= BY_EXIT; death++) {
		ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle,
					  SECMEM_READ, NULL));
		ASSERT_EQ(0, die(&self->peers[0], death));
		EXPECT_EQ(0, HAS_FLAG(SECMEM_STAT_OWNERDEAD));
		EXPECT_READERS(0);
		ASSERT_EQ(0, peer_start_with(&self->peers[0], self->v.fd,
					     self->handle, PEER_RIGHTS,
					     4 * SM_PAGE));
	}
}

TEST_F(revoke, those_who_wait_learn_of_the_writer_that_died)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct sm_call readers[] = {
		CALL(SECMEM_IOC_ACQUIRE, SECMEM_READ),
		CALL(SECMEM_IOC_READ, 0),
		CALL(SECMEM_IOC_COMPARE, 0),
	};
	struct sm_call writer = CALL(SECMEM_IOC_ACQUIRE, SECMEM_WRITE);
	struct sm_call copier = CALL(SECMEM_IOC_WRITE, 0);
	struct sm_call closer = CALL(SECMEM_IOC_CLOSE, 0);
	size_t i;

	/* Readers that wait for the dead writer are refused. */
	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_WRITE,
				  NULL));
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		ASSERT_EQ(0, sm_call_start(&readers[i]));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle,
				     ARRAY_SIZE(readers)));
	ASSERT_EQ(0, die(&self->peers[0], BY_KILL));
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		EXPECT_EQ(-EOWNERDEAD, sm_call_finish(&readers[i]));

	/* A writer that waits gets its access. */
	ASSERT_EQ(0, peer_acquire(&self->peers[1], self->handle, SECMEM_WRITE,
				  NULL));
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	ASSERT_EQ(0, die(&self->peers[1], BY_KILL));
	EXPECT_EQ(0, sm_call_finish(&writer));
	EXPECT_EQ(0, RELEASE);
	EXPECT_EQ(0, HAS_FLAG(SECMEM_STAT_OWNERDEAD));

	/* A WRITE that waits is done, and mends the secret. */
	ASSERT_EQ(0, peer_acquire(&self->peers[2], self->handle, SECMEM_WRITE,
				  NULL));
	ASSERT_EQ(0, sm_call_start(&copier));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	ASSERT_EQ(0, die(&self->peers[2], BY_KILL));
	EXPECT_EQ(0, sm_call_finish(&copier));
	EXPECT_EQ(0, HAS_FLAG(SECMEM_STAT_OWNERDEAD));

	/* A closer that waits for the dead writer succeeds. */
	ASSERT_EQ(0, peer_start_with(&self->peers[0], self->v.fd, self->handle,
				     PEER_RIGHTS, 4 * SM_PAGE));
	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_WRITE,
				  NULL));
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	ASSERT_EQ(0, die(&self->peers[0], BY_KILL));
	EXPECT_EQ(0, sm_call_finish(&closer));
	EXPECT_ENDED;
}

TEST_F(revoke, torn_secret_is_not_sealed_as_it_is)
{
	unsigned char buffer[LENGTH] = { 0 };

	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_WRITE,
				  NULL));
	ASSERT_EQ(0, die(&self->peers[0], BY_KILL));
	EXPECT_EQ(-EOWNERDEAD, sm_seal(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_write(self->v.fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(0, sm_seal(self->v.fd, self->handle));
	EXPECT_READERS(0);
}

TEST_F(revoke, poller_learns_that_a_torn_secret_is_whole_again)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct pollfd p = { .events = POLLIN };

	ASSERT_EQ(0, sm_export(self->v.fd, self->handle, SECMEM_RIGHT_READ,
			       &p.fd));
	EXPECT_EQ(1, poll(&p, 1, 0));
	ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle, SECMEM_WRITE,
				  NULL));
	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, die(&self->peers[0], BY_KILL));
	EXPECT_EQ(0, sm_write(self->v.fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(1, poll(&p, 1, 0));
	close(p.fd);
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
