// SPDX-License-Identifier: GPL-2.0-only
/*
 * DROP: a grant lets go of a secret, and the others go on with it. A server's
 * master drops the old key at reload, while old workers still sign with it.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "host.h"
#include "peer.h"

#define LENGTH 100
#define VIEW (4 * SM_PAGE)

/* More than rest before one serves again. */
#define PLACES 10000

FIXTURE(drop)
{
	int watch; /* a file that only asks for INFO */
	struct sm_vault v;
	uint64_t handle;
	struct secmem_info before;
};

FIXTURE_SETUP(drop)
{
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, "key", 0, 3));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(drop)
{
	sm_vault_close(&self->v);
	close(self->watch);
}

/* So many secrets have ended since the fixture was made. */
#define EXPECT_ENDED(count)                                             \
	do {                                                            \
		struct secmem_info now;                                 \
		EXPECT_EQ(0, sm_info(self->watch, &now));               \
		EXPECT_EQ(self->before.secrets - (count), now.secrets); \
		EXPECT_EQ(self->before.pages - (count), now.pages);     \
		EXPECT_EQ(self->before.wipes + (count), now.wipes);     \
	} while (0)

#define EXPORT(handle, out)           \
	sm_export(self->v.fd, handle, \
		  SECMEM_RIGHT_ALL & ~(handle ? SECMEM_RIGHT_CREATE : 0), out)

/* Each call by the handle, of a file that has dropped it. */
static void expect_over(struct __test_metadata *_metadata, int fd,
			uint64_t handle, bool single)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte = 0, text[1024];
	uint32_t equal;
	int out;

	EXPECT_EQ(-EKEYREVOKED, sm_read(fd, handle, &byte, 0, 1));
	EXPECT_EQ(-EKEYREVOKED, sm_write(fd, handle, &byte, 0, 1));
	EXPECT_EQ(-EKEYREVOKED, sm_compare(fd, handle, &byte, 1, &equal));
	EXPECT_EQ(-EKEYREVOKED, sm_acquire(fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EKEYREVOKED, sm_acquire(fd, handle, SECMEM_WRITE, NULL));
	EXPECT_EQ(-EKEYREVOKED, sm_release(fd, handle));
	EXPECT_EQ(-EKEYREVOKED, sm_seal(fd, handle));
	EXPECT_EQ(-EKEYREVOKED, sm_export(fd, handle, SECMEM_RIGHT_READ, &out));
	EXPECT_EQ(-EKEYREVOKED, sm_drop(fd, handle));
	EXPECT_EQ(0, sm_close(fd, handle));
	EXPECT_EQ(0, sm_revoke(fd, handle));
	EXPECT_TRUE(sm_has_state(fd, handle, SECMEM_STATE_CLOSED));
	if (!single)
		return;
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(EKEYREVOKED, errno);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLHUP, p.revents);
	snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
	EXPECT_LT(0, host_read(text, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "state:\tclosed"));
}

/* The peer's grant, and all that it may do. */
static void expect_key(struct __test_metadata *_metadata, struct peer *worker,
		       uint64_t handle)
{
	unsigned char byte;
	uint64_t offset;

	EXPECT_EQ(0, peer_acquire(worker, handle, SECMEM_READ, &offset));
	EXPECT_EQ(0, peer_touch(worker, offset, 1, &byte));
	EXPECT_EQ('k', byte);
	EXPECT_EQ(0, peer_release(worker, handle));
	EXPECT_EQ(0, peer_copy(worker, SECMEM_IOC_READ, handle, 0, &byte, 1,
			       NULL));
	EXPECT_EQ('k', byte);
}

TEST_F(drop, master_drops_the_key_and_its_worker_signs_on)
{
	struct peer worker;

	ASSERT_EQ(0,
		  peer_start_with(&worker, self->v.fd, self->handle,
				  SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, VIEW));
	expect_key(_metadata, &worker, self->handle);
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	expect_over(_metadata, self->v.fd, self->handle, false);
	expect_key(_metadata, &worker, self->handle);
	EXPECT_ENDED(0);
	/* The worker goes, the vault is still open. */
	EXPECT_EQ(0, peer_stop(&worker));
	EXPECT_ENDED(1);
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
}

TEST_F(drop, worker_drops_the_key_and_its_master_signs_on)
{
	unsigned char byte, *view;
	uint64_t offset;
	int fd;

	ASSERT_EQ(0, EXPORT(self->handle, &fd));
	view = sm_map(fd, VIEW, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, sm_touch(view + offset, &byte));
	EXPECT_EQ('k', byte);
	ASSERT_EQ(0, sm_release(fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(view + offset, NULL));
	ASSERT_EQ(0, sm_drop(fd, self->handle));
	expect_over(_metadata, fd, self->handle, true);
	EXPECT_EQ(SIGBUS, sm_touch(view + offset, NULL));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	munmap(view, VIEW);
	close(fd);
	EXPECT_ENDED(0);
}

TEST_F(drop, last_drop_ends_the_secret)
{
	int fds[2], i;

	ASSERT_EQ(0, EXPORT(self->handle, &fds[0]));
	ASSERT_EQ(0, EXPORT(self->handle, &fds[1]));
	ASSERT_EQ(0, sm_drop(fds[0], self->handle));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(0);
	ASSERT_EQ(0, sm_drop(fds[1], self->handle));
	EXPECT_ENDED(1);
	for (i = 0; i < 2; i++)
		close(fds[i]);
	EXPECT_ENDED(1);
}

/* A file that dropped, and is closed, is not counted off twice. */
TEST_F(drop, close_of_a_file_drops_nothing_again)
{
	unsigned char byte;
	int fds[2];

	ASSERT_EQ(0, EXPORT(self->handle, &fds[0]));
	ASSERT_EQ(0, EXPORT(self->handle, &fds[1]));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_drop(fds[0], self->handle));
	close(fds[0]);
	EXPECT_ENDED(0);
	EXPECT_EQ(0, sm_read(fds[1], self->handle, &byte, 0, 1));
	close(fds[1]);
	EXPECT_ENDED(1);
}

TEST_F(drop, each_grant_of_the_vault_counts_apart_used_or_not)
{
	uint64_t handles[2];
	unsigned char byte;
	int used, unused;

	ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &used));
	ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &unused));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handles[0]));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handles[1]));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));

	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_drop(used, self->handle));
	expect_over(_metadata, used, self->handle, false);
	EXPECT_ENDED(0);
	/* Dropped before its first use, by whoever comes by it. */
	ASSERT_EQ(0, sm_drop(unused, self->handle));
	EXPECT_ENDED(1);

	/* Or it goes: then those who dropped are all that is left. */
	ASSERT_EQ(0, sm_drop(self->v.fd, handles[0]));
	ASSERT_EQ(0, sm_drop(used, handles[0]));
	EXPECT_ENDED(1);
	close(unused);
	EXPECT_ENDED(2);
	/* And who has dropped and goes takes nothing along. */
	ASSERT_EQ(0, sm_drop(used, handles[1]));
	close(used);
	EXPECT_ENDED(2);
	EXPECT_EQ(0, sm_read(self->v.fd, handles[1], &byte, 0, 1));
	ASSERT_EQ(0, sm_drop(self->v.fd, handles[1]));
	EXPECT_ENDED(3);
}

TEST_F(drop, grant_of_all_that_is_exported_has_dropped_as_much)
{
	unsigned char byte;
	uint64_t other;
	int keeper, fd;

	ASSERT_EQ(0, EXPORT(self->handle, &keeper));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &fd));
	expect_over(_metadata, fd, self->handle, false);
	EXPECT_EQ(0, sm_read(fd, other, &byte, 0, 1));
	EXPECT_EQ(0, sm_read(keeper, self->handle, &byte, 0, 1));
	EXPECT_ENDED(0);
	close(keeper);
	EXPECT_ENDED(1);
	close(fd);
}

TEST_F(drop, nothing_is_dropped_that_is_held)
{
	struct secmem_create_args c;
	unsigned char *bytes;
	int err, keeper;

	bytes = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(-EBUSY, sm_drop(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_touch(bytes, NULL));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(1);
	EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));

	/* What lingers is held by nobody, and goes, though another keeps it. */
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, SECMEM_CREATE_LINGER,
				  NULL, 0, &c));
	ASSERT_EQ(0, EXPORT(c.handle, &keeper));
	bytes = sm_vault_acquire(&self->v, c.handle, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	EXPECT_EQ(-EBUSY, sm_drop(self->v.fd, c.handle));
	ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
	EXPECT_EQ(0, sm_drop(self->v.fd, c.handle));
	EXPECT_EQ(SIGBUS, sm_touch(bytes, NULL));
	EXPECT_EQ(-EKEYREVOKED,
		  sm_acquire(self->v.fd, c.handle, SECMEM_READ, NULL));
	close(keeper);
}

/* Who may not end the secret for the next user of its file, cannot by this. */
TEST_F(drop, grant_of_one_secret_needs_the_right_to_close)
{
	struct peer worker;
	unsigned char byte;
	int fd;

	ASSERT_EQ(0,
		  sm_export(self->v.fd, self->handle, SECMEM_RIGHT_READ, &fd));
	EXPECT_EQ(-EACCES, sm_drop(fd, self->handle));
	/* Nor does the file answer this process by that. */
	ASSERT_EQ(0, peer_start(&worker));
	ASSERT_EQ(0, peer_give(&worker, fd));
	EXPECT_EQ(-EACCES, peer_op(&worker, SECMEM_IOC_DROP, self->handle));
	EXPECT_EQ(0, peer_copy(&worker, SECMEM_IOC_READ, self->handle, 0, &byte,
			       1, NULL));
	EXPECT_EQ(-EACCES, sm_read(fd, self->handle, &byte, 0, 1));
	EXPECT_EQ(0, peer_stop(&worker));
	close(fd);
	ASSERT_EQ(0, sm_export(self->v.fd, self->handle,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_CLOSE, &fd));
	EXPECT_EQ(0, sm_drop(fd, self->handle));
	close(fd);
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE,
			       SECMEM_RIGHT_READ, &fd));
	EXPECT_EQ(0, sm_drop(fd, self->handle));
	close(fd);
	EXPECT_ENDED(0);
}

#define ROUNDS 300

/* One of them comes second, and counts nothing off; unscheduled_test, too. */
TEST_F(drop, of_two_threads_that_drop_at_once_one_has_dropped)
{
	struct sm_call calls[2];
	int round, i, fd, keeper, results;
	unsigned char byte;
	uint64_t handle;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
		ASSERT_EQ(0, EXPORT(handle, &fd));
		ASSERT_EQ(0, EXPORT(handle, &keeper));
		ASSERT_EQ(0, sm_drop(self->v.fd, handle));
		for (i = 0; i < 2; i++) {
			calls[i] = (struct sm_call){ .fd = fd,
						     .call = SECMEM_IOC_DROP,
						     .handle = handle };
			ASSERT_EQ(0, sm_call_start(&calls[i]));
		}
		results = 0;
		for (i = 0; i < 2; i++)
			results += sm_call_finish(&calls[i]);
		EXPECT_EQ(-EKEYREVOKED, results);
		ASSERT_EQ(0, sm_read(keeper, handle, &byte, 0, 1));
		close(fd);
		ASSERT_EQ(0, sm_read(keeper, handle, &byte, 0, 1));
		close(keeper);
	}
}

/* And whoever comes by the file later has nothing of it, either. */
TEST_F(drop, dropped_file_stays_so_in_the_next_process)
{
	struct peer worker;
	unsigned char byte = 0;
	int fd;

	ASSERT_EQ(0, EXPORT(self->handle, &fd));
	ASSERT_EQ(0, peer_start(&worker));
	ASSERT_EQ(0, peer_give(&worker, fd));
	ASSERT_EQ(0, peer_op(&worker, SECMEM_IOC_DROP, self->handle));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&worker));
	EXPECT_EQ(-EKEYREVOKED, sm_read(fd, self->handle, &byte, 0, 1));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	close(fd);
	EXPECT_ENDED(0);
}

/* A file of the vault sees what comes from then on, and drops of that. */
TEST_F(drop, file_of_the_vault_that_dropped_is_bound_anew)
{
	struct peer worker;
	unsigned char byte;
	uint64_t later;
	int fd;

	ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &fd));
	ASSERT_EQ(0, peer_start(&worker));
	ASSERT_EQ(0, peer_give(&worker, fd));
	ASSERT_EQ(0, peer_op(&worker, SECMEM_IOC_DROP, self->handle));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&worker));
	EXPECT_ENDED(0);
	EXPECT_EQ(-EKEYREVOKED, sm_read(fd, self->handle, &byte, 0, 1));
	/* What it dropped before is the other's alone. */
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &later));
	EXPECT_EQ(0, sm_read(fd, later, &byte, 0, 1));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	/* It has ended at once, and the later one is there instead. */
	self->before.wipes++;
	EXPECT_ENDED(0);
	ASSERT_EQ(0, sm_drop(fd, later));
	EXPECT_EQ(0, sm_read(self->v.fd, later, &byte, 0, 1));
	close(fd);
	EXPECT_EQ(0, sm_read(self->v.fd, later, &byte, 0, 1));
	EXPECT_ENDED(0);
}

TEST_F(drop, exit_of_who_dropped_takes_nothing_along)
{
	unsigned char byte;
	struct peer worker;

	ASSERT_EQ(0, peer_start_with(&worker, self->v.fd, SECMEM_HANDLE_NONE,
				     SECMEM_RIGHT_ALL, 0));
	ASSERT_EQ(0, peer_op(&worker, SECMEM_IOC_DROP, self->handle));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&worker));
	EXPECT_ENDED(0);
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	/* Nor is it counted any more. */
	ASSERT_EQ(0, peer_start_with(&worker, self->v.fd, SECMEM_HANDLE_NONE,
				     SECMEM_RIGHT_ALL, 0));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(0);
	ASSERT_EQ(128 + SIGKILL, peer_kill(&worker));
	EXPECT_ENDED(1);
}

#define FILES 1024

TEST_F(drop, by_how_many_files_of_a_vault_is_bounded)
{
	struct rlimit limit = { FILES + 64, FILES + 64 };
	static int fds[FILES + 1];
	int i;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		SKIP(return, "needs root for so many files");
	for (i = 0; i <= FILES; i++)
		ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &fds[i]));
	for (i = 0; i < FILES; i++)
		ASSERT_EQ(0, sm_drop(fds[i], self->handle));
	EXPECT_EQ(-EMFILE, sm_drop(fds[FILES], self->handle));
	EXPECT_EQ(-EMFILE, sm_drop(self->v.fd, self->handle));
	EXPECT_EQ(-EMFILE,
		  sm_export(fds[0], SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL, &i));
	EXPECT_ENDED(0);
	close(fds[0]);
	EXPECT_EQ(0, sm_drop(fds[FILES], self->handle));
	for (i = 1; i <= FILES; i++)
		close(fds[i]);
	EXPECT_ENDED(0);
	EXPECT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(1);
}

/* Another thread that waits gets nothing, although its turn comes. */
TEST_F(drop, who_waits_is_told_when_the_secret_is_dropped)
{
	struct sm_call calls[] = {
		{ .call = SECMEM_IOC_ACQUIRE, .flags = SECMEM_READ },
		{ .call = SECMEM_IOC_READ },
	};
	struct peer writer;
	size_t i;

	ASSERT_EQ(0, peer_start_with(&writer, self->v.fd, self->handle,
				     SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE |
					     SECMEM_RIGHT_MAP,
				     VIEW));
	ASSERT_EQ(0, peer_acquire(&writer, self->handle, SECMEM_WRITE, NULL));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		calls[i].fd = self->v.fd;
		calls[i].handle = self->handle;
		calls[i].deadline = SECMEM_FOREVER;
		ASSERT_EQ(0, sm_call_start(&calls[i]));
	}
	ASSERT_EQ(0, SM_WAIT_UNTIL(sm_has_waiters(self->v.fd, self->handle,
						  ARRAY_SIZE(calls))));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	/* The writer still holds it. */
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&calls[i]));
	EXPECT_EQ(0, peer_release(&writer, self->handle));
	EXPECT_EQ(0, peer_stop(&writer));
	EXPECT_ENDED(1);
}

/* A closer that waits has nothing to close any more; it has asked for the end. */
TEST_F(drop, closer_that_waits_is_through_when_the_secret_is_dropped)
{
	struct sm_call closer = { .fd = self->v.fd,
				  .call = SECMEM_IOC_CLOSE,
				  .handle = self->handle,
				  .deadline = SECMEM_FOREVER };
	struct peer worker;

	ASSERT_EQ(0,
		  peer_start_with(&worker, self->v.fd, self->handle,
				  SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, VIEW));
	ASSERT_EQ(0, peer_acquire(&worker, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0,
		  SM_WAIT_UNTIL(sm_has_waiters(self->v.fd, self->handle, 1)));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_call_finish(&closer));
	EXPECT_ENDED(0);
	EXPECT_EQ(0, peer_release(&worker, self->handle));
	EXPECT_ENDED(1);
	EXPECT_EQ(0, peer_stop(&worker));
}

/* The file names no place any more, so that serves another secret in time. */
TEST_F(drop, dropped_place_serves_others_of_whom_the_file_gets_nothing)
{
	struct pollfd p = { .events = POLLIN };
	unsigned char *view, byte;
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI | EPOLLET };
	uint64_t offset, other = 0, older;
	int fd, all, i, epoll;

	ASSERT_EQ(0, EXPORT(self->handle, &fd));
	ASSERT_EQ(0, EXPORT(SECMEM_HANDLE_NONE, &all));
	view = sm_map(fd, VIEW, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, sm_release(fd, self->handle));
	p.fd = fd;
	EXPECT_EQ(1, poll(&p, 1, 0));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, sm_drop(fd, self->handle));
	/* That is told, and nothing after it. */
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, SM_PATIENCE_MS));
	EXPECT_EQ(EPOLLHUP, event.events);
	ASSERT_EQ(0, sm_drop(all, self->handle));
	ASSERT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(1);

	/* Its generation alone differs. */
	for (i = 0; i < PLACES; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
		if ((other & 0xffffff) == (self->handle & 0xffffff))
			break;
		ASSERT_EQ(0, sm_close(self->v.fd, other));
	}
	ASSERT_NE(PLACES, i);
	ASSERT_EQ(0, sm_acquire(self->v.fd, other, SECMEM_READ, NULL));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	close(epoll);
	EXPECT_EQ(-ENOENT, sm_read(fd, other, &byte, 0, 1));
	expect_over(_metadata, fd, self->handle, true);
	EXPECT_EQ(SIGBUS, sm_touch(view + offset, NULL));
	ASSERT_EQ(0, sm_release(self->v.fd, other));
	/* Who dropped the one before gets this one, and all that comes. */
	EXPECT_EQ(0, sm_read(all, other, &byte, 0, 1));
	EXPECT_EQ(-EKEYREVOKED, sm_read(all, self->handle, &byte, 0, 1));
	close(all);
	/* Nor is that one less kept when the file goes. */
	older = self->handle;
	munmap(view, VIEW);
	close(fd);
	EXPECT_EQ(0, sm_read(self->v.fd, other, &byte, 0, 1));
	EXPECT_EQ(-EKEYREVOKED, sm_drop(self->v.fd, older));
	/* And it is dropped as any other. */
	EXPECT_EQ(0, sm_drop(self->v.fd, other));
	EXPECT_TRUE(sm_has_state(self->v.fd, other, SECMEM_STATE_CLOSED));
}

#define WATCHES 1024

/* Also for one more than can be woken, and who comes after the drop. */
TEST_F(drop, dropped_file_is_hung_up_for_all_who_watch_it)
{
	struct rlimit limit = { WATCHES + 64, WATCHES + 64 };
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd p = { .events = POLLIN };
	static int epolls[WATCHES + 1];
	int fd, i;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		SKIP(return, "needs root for so many files");
	ASSERT_EQ(0, EXPORT(self->handle, &fd));
	for (i = 0; i <= WATCHES; i++) {
		epolls[i] = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_LE(0, epolls[i]);
		ASSERT_EQ(0, epoll_ctl(epolls[i], EPOLL_CTL_ADD, fd, &event));
	}
	/* Control: somebody watches in vain, which all are told. */
	p.fd = fd;
	ASSERT_EQ(1, poll(&p, 1, 0));
	ASSERT_TRUE(p.revents & POLLERR);
	ASSERT_EQ(0, sm_drop(fd, self->handle));
	/* One who would wait, and so asks for room. */
	ASSERT_EQ(1, poll(&p, 1, SM_PATIENCE_MS));
	EXPECT_EQ(POLLHUP, p.revents);
	for (i = 0; i <= WATCHES; i++) {
		ASSERT_EQ(1, epoll_wait(epolls[i], &event, 1, SM_PATIENCE_MS));
		EXPECT_EQ(EPOLLHUP, event.events);
		close(epolls[i]);
	}
	close(fd);
}

TEST_F(drop, closing_secret_is_dropped_too)
{
	struct peer worker;

	ASSERT_EQ(0, peer_start_with(&worker, self->v.fd, self->handle,
				     SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP |
					     SECMEM_RIGHT_CLOSE,
				     VIEW));
	ASSERT_EQ(0, peer_acquire(&worker, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT,
				       SECMEM_FOREVER));
	EXPECT_EQ(0, sm_drop(self->v.fd, self->handle));
	EXPECT_ENDED(0);
	EXPECT_EQ(0, peer_release(&worker, self->handle));
	EXPECT_ENDED(1);
	EXPECT_EQ(-EKEYREVOKED,
		  peer_op(&worker, SECMEM_IOC_DROP, self->handle));
	EXPECT_EQ(0, peer_stop(&worker));
}

TEST_F(drop, nonsense_drops_nothing)
{
	unsigned char byte;

	EXPECT_EQ(-ENOENT, sm_drop(self->v.fd, self->handle + (1ULL << 24)));
	EXPECT_EQ(-ENOENT, sm_drop(self->v.fd, SECMEM_HANDLE_NONE));
	EXPECT_EQ(-EINVAL, sm_op(self->v.fd, SECMEM_IOC_DROP, self->handle,
				 SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EINVAL,
		  sm_op(self->v.fd, SECMEM_IOC_DROP, self->handle, 0, 1));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, &byte, 0, 1));
	EXPECT_ENDED(0);
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
