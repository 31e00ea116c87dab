// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that share a secret are opened and shut apart: what one does causes
 * no fault in another, counted by the kernel.
 */
#include "peer.h"

#define LENGTH 5000
#define PEERS 4
#define ROUNDS 50

#define PEER_RIGHTS (SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE | SECMEM_RIGHT_MAP)

FIXTURE(fault)
{
	struct sm_vault v;
	uint64_t handle;
	struct peer peers[PEERS];
	uint64_t offsets[PEERS];
};

FIXTURE_SETUP(fault)
{
	int i;

	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(0, peer_start_with(&self->peers[i], self->v.fd,
					     self->handle, PEER_RIGHTS,
					     4 * SM_PAGE));
}

FIXTURE_TEARDOWN(fault)
{
	int i;

	for (i = 0; i < PEERS; i++)
		EXPECT_EQ(0, peer_stop(&self->peers[i]));
	sm_vault_close(&self->v);
}

static long peer_faults(struct peer *p)
{
	struct peer_ask ask = { .what = PEER_FAULTS };
	struct peer_tell tell;

	return peer_ask(p, &ask, &tell) ? -1 : (long)tell.length;
}

/* Has a peer touch every page; asking the peer for it may cause faults, too. */
#define TOUCH(i) peer_touch(&self->peers[i], self->offsets[i], LENGTH, NULL)

#define EXPECT_NO_FAULT(counts, from)                                          \
	do {                                                                   \
		int k_;                                                        \
		for (k_ = from; k_ < PEERS; k_++) {                            \
			EXPECT_EQ(0, TOUCH(k_));                               \
			EXPECT_EQ((counts)[k_], peer_faults(&self->peers[k_])) \
			TH_LOG("peer %d", k_);                                 \
		}                                                              \
	} while (0)

TEST_F(fault, release_in_one_process_causes_none_in_the_others)
{
	long counts[PEERS];
	int i, round;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, peer_acquire(&self->peers[i], self->handle,
					  SECMEM_READ, &self->offsets[i]));
		/*
		 * The first touch also brings in what the peer's own code
		 * needs.
		 */
		ASSERT_EQ(0, TOUCH(i));
		ASSERT_LT(0, peer_faults(&self->peers[i]));
		ASSERT_EQ(0, TOUCH(i));
	}
	for (i = 0; i < PEERS; i++)
		counts[i] = peer_faults(&self->peers[i]);

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, peer_release(&self->peers[0], self->handle));
		EXPECT_NO_FAULT(counts, 1);
		ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle,
					  SECMEM_READ, &self->offsets[0]));
		/* Nor in the peer itself: ACQUIRE has put in all entries. */
		EXPECT_NO_FAULT(counts, 0);
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
					NULL));
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		EXPECT_NO_FAULT(counts, 0);
	}
	/* The control: a touch that is refused is a fault, and is counted. */
	ASSERT_EQ(0, peer_release(&self->peers[0], self->handle));
	EXPECT_EQ(SIGSEGV, TOUCH(0));
	EXPECT_LT(counts[0], peer_faults(&self->peers[0]));
	EXPECT_NO_FAULT(counts, 1);
	for (i = 1; i < PEERS; i++)
		ASSERT_EQ(0, peer_release(&self->peers[i], self->handle));
}

/* The end of a process causes no fault in the others. */
TEST_F(fault, end_of_one_process_causes_none_in_the_others)
{
	long counts[PEERS];
	int i, round;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, peer_acquire(&self->peers[i], self->handle,
					  SECMEM_READ, &self->offsets[i]));
		ASSERT_EQ(0, TOUCH(i));
		ASSERT_LT(0, peer_faults(&self->peers[i]));
		ASSERT_EQ(0, TOUCH(i));
	}
	for (i = 0; i < PEERS; i++)
		counts[i] = peer_faults(&self->peers[i]);
	for (round = 0; round < 10; round++) {
		ASSERT_EQ(128 + SIGKILL, peer_kill(&self->peers[0]));
		EXPECT_NO_FAULT(counts, 1);
		ASSERT_EQ(0, peer_start_with(&self->peers[0], self->v.fd,
					     self->handle, PEER_RIGHTS,
					     4 * SM_PAGE));
		ASSERT_EQ(0, peer_acquire(&self->peers[0], self->handle,
					  SECMEM_READ, &self->offsets[0]));
		EXPECT_NO_FAULT(counts, 1);
	}
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
