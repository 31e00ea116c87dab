// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged, and how little those who hoard, wait for ever and stay away
 * can do to others.
 */
#include <sys/resource.h>

#include "host.h"
#include "peer.h"

#define PARAMETERS "/sys/module/secmem/parameters/"
#define CGROUPS "/sys/fs/cgroup"
#define CGROUP CGROUPS "/secmem_hostile_test"

#define USER_A 1000
#define USER_B 1001
#define PAGES 4 /* what RLIMIT_MEMLOCK lets a user have here */

#define RIGHTS_OF_ONE (SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_CREATE)

FIXTURE(hostile)
{
	int watch; /* a file that only asks for INFO */
	struct sm_vault v;
	uint64_t handle;
	struct secmem_info before;
};

FIXTURE_SETUP(hostile)
{
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, 10, &self->handle));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(hostile)
{
	sm_vault_close(&self->v);
	close(self->watch);
}

#define EXPECT_COUNTS_BACK                                      \
	do {                                                    \
		struct secmem_info now;                         \
		EXPECT_EQ(0, sm_info(self->watch, &now));       \
		EXPECT_EQ(self->before.vaults, now.vaults);     \
		EXPECT_EQ(self->before.grants, now.grants);     \
		EXPECT_EQ(self->before.secrets, now.secrets);   \
		EXPECT_EQ(self->before.pages, now.pages);       \
		EXPECT_EQ(self->before.accesses, now.accesses); \
		EXPECT_EQ(self->before.waiters, now.waiters);   \
	} while (0)

#define SKIP_UNLESS_ROOT                                             \
	do {                                                         \
		if (geteuid())                                       \
			SKIP(return, "needs root to become others"); \
	} while (0)

static int memlock(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

/*
 * Starts a peer that runs as that user, with a file: of a new vault if fd is
 * -1.
 */
static int user_start(struct peer *p, uid_t uid, int fd)
{
	struct peer_ask become = { .what = PEER_BECOME_USER, .handle = uid };
	int err, own = -1;

	if (fd < 0) {
		own = sm_open();
		if (own < 0)
			return own;
	}
	err = peer_start(p);
	if (!err)
		err = peer_give(p, fd < 0 ? own : fd);
	if (own >= 0)
		close(own);
	return err ? err : peer_ask(p, &become, NULL);
}

/* Creates secrets of a page until the limit: their number, or an error. */
static int user_fill(struct peer *p, int most, uint64_t *handles)
{
	struct peer_ask create = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_CREATE,
		.length = 1,
	};
	struct peer_tell tell;
	int n, err;

	for (n = 0; n < most; n++) {
		err = peer_ask(p, &create, &tell);
		if (err == -ENOMEM)
			return n;
		if (err)
			return err;
		if (handles)
			handles[n] = tell.handle;
	}
	return n;
}

/* Accounting. */

TEST_F(hostile, who_creates_pays_not_who_opened)
{
	uint64_t handles[2 * PAGES];
	struct peer a, b, again;
	int fd, i;

	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock(PAGES * SM_PAGE));
	/* Root opened the files, and has no limit. */
	ASSERT_EQ(0, user_start(&a, USER_A, -1));
	EXPECT_EQ(PAGES, user_fill(&a, 2 * PAGES, handles));
	/* The same user gets no more by another file in another process. */
	ASSERT_EQ(0, user_start(&again, USER_A, -1));
	EXPECT_EQ(0, user_fill(&again, 2 * PAGES, NULL));
	/*
	 * Another user creates in root's own vault, and pays for that itself.
	 */
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL,
			       &fd));
	ASSERT_EQ(0, user_start(&b, USER_B, fd));
	close(fd);
	EXPECT_EQ(PAGES, user_fill(&b, 2 * PAGES, handles));
	EXPECT_EQ(0, user_fill(&again, 2 * PAGES, NULL));
	/*
	 * Whoever closes a secret, its charge goes back to the user who paid.
	 */
	for (i = 0; i < PAGES - 1; i++)
		ASSERT_EQ(0, sm_close(self->v.fd, handles[i]));
	EXPECT_EQ(0, user_fill(&again, 2 * PAGES, NULL));
	EXPECT_EQ(PAGES - 1, user_fill(&b, 2 * PAGES, handles));
	/* The control: root itself has no limit. */
	for (i = 0; i < 4 * PAGES; i++)
		ASSERT_EQ(0, sm_create(self->v.fd, 1, &handles[0]));
	EXPECT_EQ(0, peer_stop(&a));
	EXPECT_EQ(PAGES, user_fill(&again, 2 * PAGES, NULL));
	EXPECT_EQ(0, peer_stop(&again));
	EXPECT_EQ(0, peer_stop(&b));
}

TEST_F(hostile, opener_does_not_pay_for_others)
{
	struct peer a, b;
	int fd = -1;
	struct peer_ask export = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_EXPORT,
		.rights = SECMEM_RIGHT_ALL,
	};
	struct peer_tell tell;

	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock(PAGES * SM_PAGE));
	ASSERT_EQ(0, user_start(&a, USER_A, -1));
	ASSERT_EQ(0, peer_send(&a, &export));
	ASSERT_EQ(0, peer_receive_fd(&a, &tell, &fd));
	ASSERT_EQ(0, tell.result);
	ASSERT_EQ(0, user_start(&b, USER_B, fd));
	close(fd);
	EXPECT_EQ(PAGES, user_fill(&b, 2 * PAGES, NULL));
	EXPECT_EQ(PAGES, user_fill(&a, 2 * PAGES, NULL));
	/*
	 * The end of the user who opened the vault ends no other user's charge.
	 */
	EXPECT_EQ(128 + SIGKILL, peer_kill(&a));
	EXPECT_EQ(0, user_fill(&b, 2 * PAGES, NULL));
	EXPECT_EQ(0, peer_stop(&b));
	EXPECT_COUNTS_BACK;
}

TEST_F(hostile, charge_outlives_the_creator)
{
	struct peer_ask export = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_EXPORT,
		.rights = RIGHTS_OF_ONE,
	};
	uint64_t handles[PAGES];
	struct peer_tell tell;
	int fds[PAGES], i;
	struct peer a;

	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock(PAGES * SM_PAGE));
	ASSERT_EQ(0, user_start(&a, USER_A, -1));
	ASSERT_EQ(PAGES, user_fill(&a, 2 * PAGES, handles));
	for (i = 0; i < PAGES; i++) {
		export.handle = handles[i];
		ASSERT_EQ(0, peer_send(&a, &export));
		ASSERT_EQ(0, peer_receive_fd(&a, &tell, &fds[i]));
		ASSERT_EQ(0, tell.result);
	}
	ASSERT_EQ(128 + SIGKILL, peer_kill(&a));

	/*
	 * Exported grants keep the secrets: their creator is charged after its
	 * end.
	 */
	ASSERT_EQ(0, user_start(&a, USER_A, -1));
	EXPECT_EQ(0, user_fill(&a, 2 * PAGES, NULL));
	for (i = 0; i < PAGES; i++) {
		close(fds[i]);
		EXPECT_EQ(1, user_fill(&a, 2 * PAGES, NULL));
	}
	EXPECT_EQ(0, peer_stop(&a));
	EXPECT_COUNTS_BACK;
}

TEST_F(hostile, cap_of_the_administrator_holds_for_each_user)
{
	struct peer a, b;
	char was[64];

	SKIP_UNLESS_ROOT;
	if (host_read(PARAMETERS "memlock_cap", was, sizeof(was)) < 0)
		SKIP(return, "no parameter memlock_cap");
	ASSERT_EQ(0, memlock(SM_PAGE));
	ASSERT_EQ(0, host_write_number(PARAMETERS "memlock_cap", 6 * SM_PAGE));
	ASSERT_EQ(0, user_start(&a, USER_A, -1));
	ASSERT_EQ(0, user_start(&b, USER_B, -1));
	EXPECT_EQ(6, user_fill(&a, 20, NULL));
	EXPECT_EQ(6, user_fill(&b, 20, NULL));
	/* A lower cap takes no secret away; a higher one gives room at once. */
	EXPECT_EQ(0, host_write_number(PARAMETERS "memlock_cap", 2 * SM_PAGE));
	EXPECT_EQ(0, user_fill(&a, 20, NULL));
	EXPECT_EQ(0, host_write_number(PARAMETERS "memlock_cap", 9 * SM_PAGE));
	EXPECT_EQ(3, user_fill(&a, 20, NULL));
	/* Without a cap RLIMIT_MEMLOCK is the limit. */
	EXPECT_EQ(0, host_write_number(PARAMETERS "memlock_cap", 0));
	EXPECT_EQ(0, user_fill(&b, 20, NULL));
	EXPECT_EQ(0, peer_stop(&b));
	ASSERT_EQ(0, user_start(&b, USER_B, -1));
	EXPECT_EQ(1, user_fill(&b, 20, NULL));
	EXPECT_EQ(0, peer_stop(&a));
	EXPECT_EQ(0, peer_stop(&b));
	EXPECT_EQ(0, host_write(PARAMETERS "memlock_cap", was));
	EXPECT_COUNTS_BACK;
}

TEST_F(hostile, full_vault_is_full_for_itself_alone)
{
	uint64_t handle;
	struct peer p;
	char was[64];
	int fd, i;

	SKIP_UNLESS_ROOT;
	if (host_read(PARAMETERS "secrets_max", was, sizeof(was)) < 0)
		SKIP(return, "no parameter secrets_max");
	ASSERT_EQ(0, memlock(RLIM_INFINITY));
	ASSERT_EQ(0, host_write_number(PARAMETERS "secrets_max", 50));
	ASSERT_EQ(0, user_start(&p, USER_A, -1));
	EXPECT_EQ(-EMFILE, user_fill(&p, 100, NULL));
	for (i = 1; i < 50; i++)
		EXPECT_EQ(0, sm_create(self->v.fd, 1, &handle));
	EXPECT_EQ(-EMFILE, sm_create(self->v.fd, 1, &handle));
	EXPECT_EQ(0, host_write(PARAMETERS "secrets_max", was));
	EXPECT_EQ(0, sm_create(self->v.fd, 1, &handle));
	fd = sm_open();
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, peer_stop(&p));
}

/* Files. */

struct hoard {
	int ready;
	uint64_t handle;
	int fd;
	int vaults, grants; /* how many it got */
	int error;
};

/* Opens as many files as RLIMIT_NOFILE lets: half are vaults, half grants. */
static int hoard_run(void *arg)
{
	struct hoard *h = arg;
	struct secmem_status st;
	int fd, out, err;
	uint64_t handle;

	fd = sm_open();
	if (fd < 0 || sm_create(fd, 1, &handle))
		return 2;
	h->vaults = 1;
	for (;;) {
		err = sm_export(fd, handle, SECMEM_RIGHT_READ, &out);
		if (err)
			break;
		h->grants++;
		/*
		 * A grant that was used is bound, which costs a little more
		 * memory.
		 */
		if (sm_stat(out, handle, &st))
			return 3;
		err = sm_open();
		if (err < 0)
			break;
		h->vaults++;
	}
	h->error = err;
	if (sm_event_set(h->ready))
		return 4;
	pause();
	return 5;
}

TEST_F(hostile, hoarder_of_files_hurts_itself_alone)
{
	struct rlimit limit, was;
	struct secmem_info info;
	struct hoard *h;
	uint64_t handle;
	int fd, out, i;
	pid_t pid;

	h = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, h);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &was));
	limit = was;
	limit.rlim_cur = was.rlim_max < 1000 ? was.rlim_max : 1000;
	for (i = 0; i < 3; i++) {
		memset(h, 0, sizeof(*h));
		h->ready = sm_event();
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		pid = sm_fork(hoard_run, h);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &was));
		ASSERT_EQ(0, sm_event_wait(h->ready));
		EXPECT_EQ(-EMFILE, h->error);
		EXPECT_LT((int)limit.rlim_cur / 3, h->grants);

		ASSERT_EQ(0, sm_info(self->watch, &info));
		EXPECT_EQ(self->before.vaults + h->vaults, info.vaults);
		EXPECT_EQ(self->before.grants + h->vaults + h->grants,
			  info.grants);
		EXPECT_EQ(self->before.secrets + 1, info.secrets);
		/* Others can do all that they could before. */
		fd = sm_open();
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, sm_create(fd, 1, &handle));
		EXPECT_EQ(0, sm_export(fd, handle, SECMEM_RIGHT_READ, &out));
		close(out);
		close(fd);
		EXPECT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_WRITE,
					NULL));
		EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, sm_reap(pid));
		close(h->ready);
		EXPECT_COUNTS_BACK;
	}
}

/* Grants of closed secrets: handles that have no pages any more. */
TEST_F(hostile, hoarder_of_dead_grants_keeps_no_pages)
{
	int fds[200], i;
	struct secmem_info info;
	uint64_t handle, made;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
		ASSERT_EQ(0, sm_export(self->v.fd, handle, RIGHTS_OF_ONE,
				       &fds[i]));
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
	}
	ASSERT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(self->before.secrets, info.secrets);
	EXPECT_EQ(self->before.pages, info.pages);
	EXPECT_EQ(self->before.grants + 200, info.grants);
	EXPECT_EQ(0, sm_create(self->v.fd, 1, &made));
	EXPECT_EQ(0, sm_acquire(self->v.fd, made, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, made));
	EXPECT_EQ(0, sm_close(self->v.fd, made));
	for (i = 0; i < 200; i++)
		close(fds[i]);
	EXPECT_COUNTS_BACK;
}

/* Files cost memory of their opener's cgroup. */

struct glutton {
	int fds;
	int error;
};

static int glutton_run(void *arg)
{
	struct rlimit limit = { 60000, 60000 };
	struct glutton *g = arg;
	uint64_t handle;
	int fd, err, out;

	if (setrlimit(RLIMIT_NOFILE, &limit) ||
	    host_write(CGROUP "/cgroup.procs", "0"))
		return 2;
	fd = sm_open();
	if (fd < 0 || sm_create(fd, 1, &handle))
		return 3;
	for (;;) {
		err = sm_export(fd, handle, SECMEM_RIGHT_READ, &out);
		if (err)
			break;
		g->fds++;
		err = sm_open();
		if (err < 0)
			break;
		g->fds++;
	}
	g->error = err;
	return 0;
}

TEST_F(hostile, hoarder_of_files_is_held_by_its_memory_cgroup)
{
	struct glutton *g;
	char text[256];
	int status, fd;

	SKIP_UNLESS_ROOT;
	if (host_read(CGROUPS "/cgroup.controllers", text, sizeof(text)) < 0 ||
	    !strstr(text, "memory"))
		SKIP(return, "no cgroup2 with memory at " CGROUPS);
	g = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, g);
	ASSERT_EQ(0, host_write(CGROUPS "/cgroup.subtree_control", "+memory"));
	rmdir(CGROUP);
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	ASSERT_EQ(0, host_write_number(CGROUP "/memory.max", 8 << 20));
	status = sm_run(glutton_run, g);
	/*
	 * It is refused, or the kernel kills it for want of memory, and nobody
	 * else.
	 */
	EXPECT_TRUE(status == 0 || status == 128 + SIGKILL)
	TH_LOG("status %d", status);
	if (!status)
		EXPECT_EQ(-ENOMEM, g->error);
	EXPECT_LT(100, g->fds);
	EXPECT_GT(59000, g->fds);
	fd = sm_open();
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_COUNTS_BACK;
	EXPECT_EQ(0, SM_WAIT_UNTIL(!rmdir(CGROUP)));
}

/* Waiters. */

#define WAITERS 1000

struct crowd {
	struct sm_vault *v;
	uint64_t handle;
	unsigned long call;
	int counts[4]; /* atomic: 0, EKEYREVOKED, EINTR, others */
};

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;
	unsigned char byte = 0;
	int err;

	switch (c->call) {
	case SECMEM_IOC_ACQUIRE:
		err = sm_acquire_at(c->v->fd, c->handle, SECMEM_WRITE,
				    SECMEM_FOREVER,
				    &(struct secmem_acquire_args){ 0 });
		if (!err)
			err = sm_release(c->v->fd, c->handle);
		break;
	case SECMEM_IOC_WRITE:
		err = sm_copy(c->v->fd, c->call, c->handle, 0, SECMEM_FOREVER,
			      &byte, 0, 1, NULL);
		break;
	default:
		err = sm_op(c->v->fd, c->call, c->handle, 0, SECMEM_FOREVER);
	}
	__atomic_fetch_add(&c->counts[!err		  ? 0 :
				      err == -EKEYREVOKED ? 1 :
				      err == -EINTR	  ? 2 :
							    3],
			   1, __ATOMIC_RELAXED);
	return NULL;
}

static int crowd_start(struct crowd *c, pthread_t *threads, int n)
{
	pthread_attr_t attributes;
	int i, err = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 32768);
	for (i = 0; i < n && !err; i++)
		err = -pthread_create(&threads[i], &attributes, crowd_run, c);
	pthread_attr_destroy(&attributes);
	return err ? err : sm_wait_waiters(c->v->fd, c->handle, n);
}

/* Calls on another secret: none of them waits. */
static int works(struct sm_vault *v, uint64_t handle)
{
	unsigned char byte = 1;
	uint64_t made;
	int err;

	err = sm_acquire(v->fd, handle, SECMEM_WRITE | SECMEM_NOWAIT, NULL);
	if (!err)
		err = sm_release(v->fd, handle);
	if (!err)
		err = sm_copy(v->fd, SECMEM_IOC_WRITE, handle, SECMEM_NOWAIT, 0,
			      &byte, 0, 1, NULL);
	if (!err)
		err = sm_copy(v->fd, SECMEM_IOC_READ, handle, SECMEM_NOWAIT, 0,
			      &byte, 0, 1, NULL);
	if (!err)
		err = sm_create(v->fd, 1, &made);
	if (!err)
		err = sm_close_at(v->fd, made, SECMEM_NOWAIT, 0);
	return err;
}

static const unsigned long crowd_calls[] = {
	SECMEM_IOC_ACQUIRE,
	SECMEM_IOC_WRITE,
	SECMEM_IOC_CLOSE,
};

TEST_F_TIMEOUT(hostile, waiters_by_the_thousand, 300)
{
	static pthread_t threads[WAITERS];
	struct crowd c = { .v = &self->v };
	struct secmem_info info;
	size_t k;
	int i, end;

	for (k = 0; k < ARRAY_SIZE(crowd_calls); k++) {
		for (end = 0; end < 2; end++) {
			memset(c.counts, 0, sizeof(c.counts));
			c.call = crowd_calls[k];
			ASSERT_EQ(0, sm_create(c.v->fd, 10, &c.handle));
			ASSERT_EQ(0, sm_acquire(c.v->fd, c.handle, SECMEM_READ,
						NULL));
			ASSERT_EQ(0, crowd_start(&c, threads, WAITERS));
			ASSERT_EQ(0, sm_info(self->watch, &info));
			EXPECT_EQ(WAITERS, info.waiters);
			EXPECT_EQ(0, works(&self->v, self->handle));
			/* Readers do not wait behind waiting writers. */
			if (c.call != SECMEM_IOC_CLOSE) {
				EXPECT_EQ(0, sm_acquire(c.v->fd, c.handle,
							SECMEM_READ |
								SECMEM_NOWAIT,
							NULL));
				EXPECT_EQ(0, sm_release(c.v->fd, c.handle));
			}
			/*
			 * They get their turn one after the other, or all end
			 * at once.
			 */
			EXPECT_EQ(0, end ? sm_revoke(c.v->fd, c.handle) :
					   sm_release(c.v->fd, c.handle));
			for (i = 0; i < WAITERS; i++)
				pthread_join(threads[i], NULL);
			EXPECT_EQ(end && c.call != SECMEM_IOC_CLOSE ? 0 :
								      WAITERS,
				  c.counts[0]);
			EXPECT_EQ(end && c.call != SECMEM_IOC_CLOSE ? WAITERS :
								      0,
				  c.counts[1]);
			EXPECT_EQ(0, c.counts[3]);
			EXPECT_EQ(0, sm_close(c.v->fd, c.handle));
			EXPECT_COUNTS_BACK;
		}
	}
}

struct crowd_process {
	int ready;
	uint64_t handle;
	int fd;
};

static int crowd_process_run(void *arg)
{
	static pthread_t threads[WAITERS];
	struct crowd_process *p = arg;
	struct sm_vault v = { .fd = p->fd };
	struct crowd c = {
		.v = &v,
		.handle = p->handle,
		.call = SECMEM_IOC_CLOSE,
	};

	if (crowd_start(&c, threads, WAITERS / 4) || sm_event_set(p->ready))
		return 2;
	pause();
	return 3;
}

/*
 * Closers that are killed while they wait leave nothing; the secret stays
 * closing.
 */
TEST_F(hostile, closers_that_never_come_back_leave_others_working)
{
	struct crowd_process p = { .ready = sm_event() };
	struct peer holder;
	pid_t pid;
	int i;

	ASSERT_EQ(0, sm_create(self->v.fd, 10, &p.handle));
	ASSERT_EQ(0, peer_start_with(&holder, self->v.fd, p.handle,
				     RIGHTS_OF_ONE, 4 * SM_PAGE));
	ASSERT_EQ(0, peer_acquire(&holder, p.handle, SECMEM_READ, NULL));
	for (i = 0; i < 3; i++) {
		/* While the secret is closing, there is no EXPORT. */
		if (!i)
			ASSERT_EQ(0, sm_export(self->v.fd, p.handle,
					       SECMEM_RIGHT_CLOSE, &p.fd));
		pid = sm_fork(crowd_process_run, &p);
		ASSERT_EQ(0, sm_event_wait(p.ready));
		EXPECT_TRUE(sm_has_state(self->v.fd, p.handle,
					 SECMEM_STATE_CLOSING));
		EXPECT_EQ(0, works(&self->v, self->handle));
		EXPECT_EQ(-EAGAIN,
			  sm_close_at(self->v.fd, p.handle, SECMEM_NOWAIT, 0));
		EXPECT_EQ(-ETIMEDOUT,
			  sm_close_at(self->v.fd, p.handle, 0, sm_in_ms(5)));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, sm_reap(pid));
		EXPECT_FALSE(sm_has_waiters(self->v.fd, p.handle, 1));
	}
	close(p.fd);
	EXPECT_EQ(0, peer_release(&holder, p.handle));
	EXPECT_TRUE(sm_has_state(self->v.fd, p.handle, SECMEM_STATE_CLOSED));
	EXPECT_EQ(0, peer_stop(&holder));
	EXPECT_COUNTS_BACK;
}

/* A holder that never releases does not keep a secret from being revoked. */
TEST_F(hostile, holder_that_never_releases_is_revoked)
{
	struct peer holders[5];
	uint64_t offset;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		ASSERT_EQ(0,
			  peer_start_with(&holders[i], self->v.fd, self->handle,
					  SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
					  4 * SM_PAGE));
		ASSERT_EQ(0, peer_acquire(&holders[i], self->handle,
					  SECMEM_READ, &offset));
		/* A stopped holder can do nothing at all. */
		ASSERT_EQ(0, kill(holders[i].pid, SIGSTOP));
	}
	EXPECT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(0, sm_revoke(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		ASSERT_EQ(0, kill(holders[i].pid, SIGCONT));
		EXPECT_EQ(SIGBUS, peer_touch(&holders[i], offset, 1, NULL));
		EXPECT_EQ(0, peer_stop(&holders[i]));
	}
	self->before.secrets--;
	self->before.pages--;
	EXPECT_COUNTS_BACK;
}

/*
 * A stopped holder that is killed ends all the same, and its WRITE access with
 * it.
 */
TEST_F(hostile, killed_while_stopped_it_lets_go)
{
	struct sm_call closer = {
		.fd = self->v.fd,
		.call = SECMEM_IOC_CLOSE,
		.handle = self->handle,
		.deadline = SECMEM_FOREVER,
	};
	struct peer holder;

	ASSERT_EQ(0, peer_start_with(&holder, self->v.fd, self->handle,
				     RIGHTS_OF_ONE, 4 * SM_PAGE));
	ASSERT_EQ(0, peer_acquire(&holder, self->handle, SECMEM_WRITE, NULL));
	ASSERT_EQ(0, kill(holder.pid, SIGSTOP));
	ASSERT_EQ(0, sm_call_start(&closer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_FALSE(sm_call_done(&closer));
	EXPECT_EQ(128 + SIGKILL, peer_kill(&holder));
	EXPECT_EQ(0, sm_call_finish(&closer));
	self->before.secrets--;
	self->before.pages--;
	EXPECT_COUNTS_BACK;
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
