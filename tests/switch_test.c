// SPDX-License-Identifier: GPL-2.0-only
/*
 * SWITCH: a held access changes its mode, and is held all the while.
 */
#include "peer.h"

#define LENGTH 2000
#define VIEW (1 << 20)

FIXTURE(change)
{
	struct sm_vault v;
	uint64_t handle;
	struct peer peer; /* has the secret, too */
};

FIXTURE_SETUP(change)
{
	sm_fault_install();
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, peer_start_with(&self->peer, self->v.fd, self->handle,
				     SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE |
					     SECMEM_RIGHT_MAP,
				     VIEW));
}

FIXTURE_TEARDOWN(change)
{
	peer_stop(&self->peer);
	sm_vault_close(&self->v);
}

static int up(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_SWITCH, handle, SECMEM_WRITE, SM_PATIENTLY);
}

static int up_at_once(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_SWITCH, handle,
		     SECMEM_WRITE | SECMEM_NOWAIT, 0);
}

static int down(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_SWITCH, handle, SECMEM_READ, 0);
}

#define EXPECT_ACCESS(mode, r, w)                                      \
	do {                                                           \
		struct secmem_status st_;                              \
		EXPECT_EQ(0, sm_stat(self->v.fd, self->handle, &st_)); \
		EXPECT_EQ(mode, st_.protection);                       \
		EXPECT_EQ(r, st_.readers);                             \
		EXPECT_EQ(w, st_.writers);                             \
	} while (0)

static int peer_get(struct peer *peer, uint64_t handle, uint32_t flags)
{
	uint64_t offset;

	return peer_acquire(peer, handle, flags, &offset);
}

static int peer_switch(struct peer *peer, uint64_t handle, uint32_t mode)
{
	struct peer_ask ask = { .what = PEER_CALL,
				.nr = SECMEM_IOC_SWITCH,
				.handle = handle,
				.flags = mode };

	return peer_ask(peer, &ask, NULL);
}

static struct sm_call up_call(int fd, uint64_t handle)
{
	return (struct sm_call){ .fd = fd,
				 .call = SECMEM_IOC_SWITCH,
				 .handle = handle,
				 .flags = SECMEM_WRITE,
				 .deadline = SECMEM_FOREVER };
}

#define WAIT_FOR_WAITERS(n) \
	ASSERT_EQ(0, SM_WAIT_UNTIL(sm_has_waiters(self->v.fd, self->handle, n)))

TEST_F(change, reader_becomes_the_writer_and_a_reader_again)
{
	const uint32_t nowait = SECMEM_READ | SECMEM_NOWAIT;
	unsigned char byte = 0;
	uint64_t offset, there = 0;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 7));
	ASSERT_EQ(0, up(self->v.fd, self->handle));
	EXPECT_ACCESS(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, sm_poke(self->v.view + offset, 7));
	EXPECT_EQ(0, sm_poke(self->v.view + offset + LENGTH - 1, 8));
	/* It is alone. */
	EXPECT_EQ(-EAGAIN, peer_get(&self->peer, self->handle, nowait));
	EXPECT_EQ(-EAGAIN, sm_acquire(self->v.fd, self->handle, nowait, NULL));

	ASSERT_EQ(0, down(self->v.fd, self->handle));
	EXPECT_ACCESS(SECMEM_READ, 1, 0);
	EXPECT_EQ(0, sm_touch(self->v.view + offset, &byte));
	EXPECT_EQ(7, byte);
	EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 9));
	/* Others read beside it, and see what it wrote. */
	EXPECT_EQ(0, peer_acquire(&self->peer, self->handle, nowait, &there));
	EXPECT_EQ(0, peer_touch(&self->peer, there + LENGTH - 1, 1, &byte));
	EXPECT_EQ(8, byte);
	EXPECT_ACCESS(SECMEM_READ, 2, 0);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_ACCESS(0, 0, 0);
	/* And a writer that was a reader, or was none, releases alike. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, up(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(-EINVAL, sm_release(self->v.fd, self->handle));
	EXPECT_ACCESS(0, 0, 0);
}

TEST_F(change, up_waits_for_other_readers_and_others_may_read_meanwhile)
{
	struct sm_call call = up_call(self->v.fd, self->handle);
	unsigned char byte;
	uint64_t offset;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	/* Without waiting, and until a deadline: the READ stays held. */
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(-ETIMEDOUT, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				    SECMEM_WRITE, sm_now() - 1));
	EXPECT_ACCESS(SECMEM_READ, 2, 0);

	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	EXPECT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_FALSE(sm_call_done(&call));
	EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 7));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_EQ(0, sm_poke(self->v.view + offset, 7));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(change, up_waits_for_accesses_of_its_own)
{
	struct sm_call call = up_call(self->v.fd, self->handle);
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
					NULL));
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	/* One more nests, and is waited for, too. */
	EXPECT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_FALSE(sm_call_done(&call));
	EXPECT_ACCESS(SECMEM_READ, 2, 0);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_ACCESS(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	/* After all that, accesses nest and go as before. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
					NULL));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_ACCESS(0, 0, 0);
}

/* Another thread gives the access back that one waits to switch. */
TEST_F(change, access_that_is_given_back_is_not_switched)
{
	struct sm_call call = up_call(self->v.fd, self->handle);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, sm_call_finish(&call));
	/* It is in nobody's way any more. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(0, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_ACCESS(0, 0, 0);
}

TEST_F(change, second_that_tries_would_wait_for_the_first)
{
	struct sm_call call = up_call(self->v.fd, self->handle);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	EXPECT_EQ(-EDEADLK, up(self->v.fd, self->handle));
	EXPECT_EQ(-EDEADLK, up_at_once(self->v.fd, self->handle));
	/* That changed nothing. */
	EXPECT_ACCESS(SECMEM_READ, 3, 0);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_FALSE(sm_call_done(&call));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	/* Nor is anybody in the way after one that gave up. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(0, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(change, up_of_a_sealed_secret_is_refused)
{
	struct sm_call call = up_call(self->v.fd, self->handle);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	/* Also when it is sealed while the call waits. */
	ASSERT_EQ(0, sm_seal(self->v.fd, self->handle));
	EXPECT_EQ(-EPERM, sm_call_finish(&call));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(-EPERM, up(self->v.fd, self->handle));
	EXPECT_ACCESS(SECMEM_READ, 1, 0);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(change, closing_secret_is_switched_down_alone)
{
	struct sm_call call = up_call(self->v.fd, self->handle);
	uint64_t offset, other;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&call));
	EXPECT_EQ(-EKEYREVOKED, up(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, down(self->v.fd, self->handle));
	EXPECT_ACCESS(SECMEM_READ, 2, 0);
	/* The READ is held as before. */
	EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(-EKEYREVOKED, up(self->v.fd, self->handle));
	EXPECT_EQ(-EKEYREVOKED, down(self->v.fd, self->handle));

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	ASSERT_EQ(0, sm_acquire(self->v.fd, other, SECMEM_WRITE, &offset));
	EXPECT_EQ(-EAGAIN, sm_close_at(self->v.fd, other, SECMEM_NOWAIT, 0));
	EXPECT_EQ(0, down(self->v.fd, other));
	EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 1));
	EXPECT_EQ(0, sm_release(self->v.fd, other));
	EXPECT_TRUE(sm_has_state(self->v.fd, other, SECMEM_STATE_CLOSED));
}

TEST_F(change, down_says_what_the_canary_does_and_has_happened)
{
	uint64_t offset;

	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, up(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_poke(self->v.view + offset - 1, 0x55));
	EXPECT_EQ(0, sm_poke(self->v.view + offset - 2, 0x55));
	EXPECT_EQ(-EBADMSG, down(self->v.fd, self->handle));
	EXPECT_ACCESS(SECMEM_READ, 1, 0);
	EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 1));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(-EBADMSG, sm_close(self->v.fd, self->handle));
}

TEST_F(change, down_lets_those_read_who_wait)
{
	struct sm_call readers[] = {
		{ .call = SECMEM_IOC_ACQUIRE, .flags = SECMEM_READ },
		{ .call = SECMEM_IOC_ACQUIRE, .flags = SECMEM_READ },
	};
	size_t i;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, NULL));
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i].fd = self->v.fd;
		readers[i].handle = self->handle;
		readers[i].deadline = SECMEM_FOREVER;
		ASSERT_EQ(0, sm_call_start(&readers[i]));
	}
	WAIT_FOR_WAITERS(ARRAY_SIZE(readers));
	ASSERT_EQ(0, down(self->v.fd, self->handle));
	for (i = 0; i < ARRAY_SIZE(readers); i++)
		EXPECT_EQ(0, sm_call_finish(&readers[i]));
	EXPECT_ACCESS(SECMEM_READ, 3, 0);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(change, signal_ends_the_wait_and_nothing_else)
{
	struct sm_call call = up_call(self->v.fd, self->handle);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	sm_call_interrupt(&call);
	EXPECT_EQ(-EINTR, sm_call_finish(&call));
	EXPECT_ACCESS(SECMEM_READ, 2, 0);
	/* It is in nobody's way any more. */
	EXPECT_EQ(-EAGAIN, up_at_once(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	EXPECT_EQ(0, up(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(change, what_lingers_is_waited_for_by_nobody)
{
	struct secmem_create_args c;
	uint64_t offset;
	int fd;

	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, SECMEM_CREATE_LINGER,
				  NULL, 0, &c));
	ASSERT_EQ(0, sm_export(self->v.fd, c.handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
	ASSERT_EQ(0, peer_give(&self->peer, fd));
	ASSERT_EQ(0, peer_map_view(&self->peer, VIEW, PROT_READ));
	ASSERT_EQ(0, sm_acquire(self->v.fd, c.handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, peer_get(&self->peer, c.handle, SECMEM_READ));
	ASSERT_EQ(0, peer_release(&self->peer, c.handle));
	EXPECT_EQ(0, up(self->v.fd, c.handle));
	EXPECT_EQ(0, sm_poke(self->v.view + offset, 1));
	EXPECT_EQ(0, down(self->v.fd, c.handle));
	EXPECT_EQ(0, sm_release(self->v.fd, c.handle));
	/* What was the WRITE access does not linger. */
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
	close(fd);
}

#define LINGERS 20 /* times: some of them come before the tick */

/* Nor is it left as one that writes, where it lingered itself. */
TEST_F(change, writer_that_lingered_as_a_reader_does_not_linger)
{
	struct secmem_create_args c;
	struct secmem_status st;
	uint64_t offset;
	int i;

	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, SECMEM_CREATE_LINGER,
				  NULL, 0, &c));
	for (i = 0; i < LINGERS; i++) {
		ASSERT_EQ(0, sm_acquire(self->v.fd, c.handle, SECMEM_READ,
					&offset));
		ASSERT_EQ(0, up_at_once(self->v.fd, c.handle));
		ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
		EXPECT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 1));
		ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));
		EXPECT_EQ(0, st.protection);
		EXPECT_EQ(0, st.writers);
	}
}

/* Another process's entries that linger are in the way for a moment alone. */
TEST_F(change, up_that_must_not_wait_gets_what_lingers)
{
	struct secmem_create_args c;
	int i, fd;

	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, SECMEM_CREATE_LINGER,
				  NULL, 0, &c));
	ASSERT_EQ(0, sm_export(self->v.fd, c.handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
	ASSERT_EQ(0, peer_give(&self->peer, fd));
	ASSERT_EQ(0, peer_map_view(&self->peer, VIEW, PROT_READ));
	for (i = 0; i < LINGERS; i++) {
		ASSERT_EQ(0,
			  sm_acquire(self->v.fd, c.handle, SECMEM_READ, NULL));
		ASSERT_EQ(0, peer_get(&self->peer, c.handle, SECMEM_READ));
		ASSERT_EQ(0, peer_release(&self->peer, c.handle));
		EXPECT_EQ(0, up_at_once(self->v.fd, c.handle));
		EXPECT_EQ(0, sm_release(self->v.fd, c.handle));
	}
	close(fd);
}

/* A grant of one secret, which is not the vault's first, switches alike. */
TEST_F(change, grantee_switches_what_it_holds)
{
	unsigned char byte = 0;
	uint64_t offset;
	void *view;
	int fd;

	ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE |
				       SECMEM_RIGHT_MAP,
			       &fd));
	view = sm_map(fd, VIEW, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(fd, self->handle, SECMEM_READ, &offset));
	/* The vault's own access is in the way. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, up_at_once(fd, self->handle));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	ASSERT_EQ(0, up_at_once(fd, self->handle));
	EXPECT_ACCESS(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, sm_poke((unsigned char *)view + offset, 0x42));
	ASSERT_EQ(0, down(fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_poke((unsigned char *)view + offset, 0x43));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	EXPECT_EQ(0x42, byte);
	EXPECT_EQ(0, sm_release(fd, self->handle));
	munmap(view, VIEW);
	close(fd);
}

/* Killed after it became the writer: half written. As a reader again: whole. */
TEST_F(change, process_that_dies_as_the_writer_leaves_it_torn)
{
	unsigned char byte;

	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, peer_switch(&self->peer, self->handle,
				 SECMEM_WRITE | SECMEM_NOWAIT));
	ASSERT_EQ(0, peer_switch(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->peer));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));

	ASSERT_EQ(0, peer_start_with(&self->peer, self->v.fd, self->handle,
				     SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE |
					     SECMEM_RIGHT_MAP,
				     VIEW));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, peer_switch(&self->peer, self->handle,
				 SECMEM_WRITE | SECMEM_NOWAIT));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->peer));
	EXPECT_EQ(-EOWNERDEAD, sm_read(self->v.fd, self->handle, &byte, 0, 1));
}

TEST_F(change, revoke_ends_the_wait)
{
	struct sm_call call = up_call(self->v.fd, self->handle);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	ASSERT_EQ(0, sm_call_start(&call));
	WAIT_FOR_WAITERS(1);
	ASSERT_EQ(0, sm_revoke(self->v.fd, self->handle));
	EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&call));
	EXPECT_EQ(-EKEYREVOKED, sm_release(self->v.fd, self->handle));
}

TEST_F(change, nonsense_changes_nothing)
{
	int fd;

	EXPECT_EQ(-EINVAL, up(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, down(self->v.fd, self->handle));
	EXPECT_EQ(-ENOENT, up(self->v.fd, self->handle + (1ULL << 24)));
	EXPECT_EQ(-ENOENT, down(self->v.fd, SECMEM_HANDLE_NONE));
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EINVAL, down(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL,
		  sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle, 0, 0));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_READ | SECMEM_WRITE, 0));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_READ | SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_READ, 1));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_WRITE, -2));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_WRITE | 8, 0));
	EXPECT_ACCESS(SECMEM_READ, 1, 0);
	ASSERT_EQ(0, up(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, up(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_READ | SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->handle,
				 SECMEM_READ, 1));
	EXPECT_ACCESS(SECMEM_WRITE, 0, 1);
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	/* What others hold is not switched. */
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_READ));
	EXPECT_EQ(-EINVAL, up(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));
	ASSERT_EQ(0, peer_get(&self->peer, self->handle, SECMEM_WRITE));
	EXPECT_EQ(-EINVAL, down(self->v.fd, self->handle));
	EXPECT_EQ(0, peer_release(&self->peer, self->handle));

	ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
	ASSERT_NE(MAP_FAILED, sm_map(fd, VIEW, PROT_READ));
	ASSERT_EQ(0, sm_acquire(fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EACCES, up(fd, self->handle));
	EXPECT_EQ(0, sm_release(fd, self->handle));
	close(fd);
}

/* One thread reads all the while; another process tries to get in between. */

#define ROUNDS 3000

struct toucher {
	volatile unsigned char *at;
	bool stop; /* atomic */
	uint64_t touches, refused; /* atomic: one is read while it runs */
};

static void *toucher_run(void *arg)
{
	struct toucher *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		if (sm_touch(t->at, NULL))
			__atomic_fetch_add(&t->refused, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&t->touches, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

struct intruder {
	int fd, ready;
	uint64_t handle;
};

static int intruder_run(void *arg)
{
	struct intruder *in = arg;
	const unsigned char byte = 0xee;

	if (sm_event_set(in->ready))
		return 1;
	for (;;)
		sm_copy(in->fd, SECMEM_IOC_WRITE, in->handle, SECMEM_NOWAIT, 0,
			(void *)&byte, 1, 1, NULL);
}

TEST_F_TIMEOUT(change, no_touch_is_refused_and_no_writer_gets_in_between,
	       SM_LOOP_TIMEOUT)
{
	struct intruder in = { .handle = self->handle, .ready = sm_event() };
	struct toucher t = { 0 };
	volatile unsigned char *at;
	pthread_t thread;
	uint64_t offset;
	int round, intruded = 0;
	pid_t pid;

	ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE, &in.fd));
	pid = sm_fork(intruder_run, &in);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, sm_event_wait(in.ready));
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, &offset));
	at = self->v.view + offset;
	at[1] = 0;
	t.at = at;
	ASSERT_EQ(0, pthread_create(&thread, NULL, toucher_run, &t));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, down(self->v.fd, self->handle));
		intruded += at[1] == 0xee;
		ASSERT_EQ(0, up(self->v.fd, self->handle));
		intruded += at[1] == 0xee;
	}
	EXPECT_EQ(0, intruded);
	EXPECT_EQ(0, __atomic_load_n(&t.refused, __ATOMIC_RELAXED));
	EXPECT_LT(0, __atomic_load_n(&t.touches, __ATOMIC_RELAXED));
	/* Control: to release and to acquire is another thing. */
	while (!intruded || !__atomic_load_n(&t.refused, __ATOMIC_RELAXED)) {
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		sm_step_aside(1);
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_WRITE,
					NULL));
		intruded += at[1] == 0xee;
		at[1] = 0;
	}
	__atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	kill(pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	close(in.fd);
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
