// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lingering: what CREATE_LINGER gives up, for how long, and that nobody waits
 * for it.
 */
#include <sys/wait.h>

#include "secmem_test.h"

#define LENGTH 100
#define FILL 0x6b
/* So often that some tries come before the tick that ends lingering. */
#define TIMES 200

FIXTURE(linger)
{
	int watch;
	struct sm_vault v;
	uint64_t handle;
	struct secmem_info before;
};

static int linger_create(int fd, uint64_t *handle)
{
	unsigned char buffer[LENGTH];
	struct secmem_create_args c;
	int err =
		sm_create_as(fd, LENGTH, 0, SECMEM_CREATE_LINGER, NULL, 0, &c);

	if (err)
		return err;
	*handle = c.handle;
	memset(buffer, FILL, LENGTH);
	return sm_write(fd, c.handle, buffer, 0, LENGTH);
}

FIXTURE_SETUP(linger)
{
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, linger_create(self->v.fd, &self->handle));
}

static bool linger_all_gone(int watch, const struct secmem_info *before)
{
	struct secmem_info now;

	return !sm_info(watch, &now) && now.accesses == before->accesses &&
	       now.secrets == before->secrets && now.vaults == before->vaults &&
	       now.pages == before->pages;
}

FIXTURE_TEARDOWN(linger)
{
	sm_vault_close(&self->v);
	EXPECT_EQ(0,
		  SM_WAIT_UNTIL(linger_all_gone(self->watch, &self->before)));
	close(self->watch);
}

/* ACQUIRE and RELEASE, after which the secret lingers: its bytes, or NULL. */
static unsigned char *linger_pair(struct sm_vault *v, uint64_t handle)
{
	unsigned char *at, got;
	int err;

	at = sm_vault_acquire(v, handle, SECMEM_READ, &err);
	if (!at || sm_touch(at, &got) || got != FILL ||
	    sm_release(v->fd, handle))
		return NULL;
	return at;
}

TEST_F(linger, touch_succeeds_for_a_while_and_then_never)
{
	unsigned int i, seen = 0;
	unsigned char *at, got;

	for (i = 0; i < TIMES; i++) {
		at = linger_pair(&self->v, self->handle);
		ASSERT_NE(NULL, at);
		if (!sm_touch(at, &got)) {
			EXPECT_EQ(FILL, got);
			seen++;
		}
		/* It lingers for reading only. */
		EXPECT_EQ(SIGSEGV, sm_poke(at, 0));
	}
	EXPECT_LT(0, seen);
	EXPECT_EQ(0, SM_WAIT_UNTIL(sm_touch(at, NULL) == SIGSEGV));
	/* Once it is over, it does not come back. */
	for (i = 0; i < TIMES; i++)
		EXPECT_EQ(SIGSEGV, sm_touch(at, NULL));
}

TEST_F(linger, nothing_lingers_unasked)
{
	unsigned char *at;
	uint64_t handle;
	unsigned int i;
	int err;

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
	for (i = 0; i < TIMES; i++) {
		at = sm_vault_acquire(&self->v, handle, SECMEM_READ, &err);
		ASSERT_NE(NULL, at);
		ASSERT_EQ(0, sm_release(self->v.fd, handle));
		ASSERT_EQ(SIGSEGV, sm_touch(at, NULL));
	}
}

TEST_F(linger, says_what_it_gives_up)
{
	struct secmem_create_args c;
	struct secmem_status st;

	ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(SECMEM_STAT_LINGER, st.stat_flags);
	EXPECT_EQ(0, st.protections & 1ULL << SECMEM_PROT_UNMAPPED);
	EXPECT_EQ(-EOPNOTSUPP,
		  sm_create_as(self->v.fd, LENGTH, 0, SECMEM_CREATE_LINGER,
			       NULL, 1ULL << SECMEM_PROT_UNMAPPED, &c));
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, 0, NULL,
				  1ULL << SECMEM_PROT_UNMAPPED, &c));
	EXPECT_NE(0, c.protections & 1ULL << SECMEM_PROT_UNMAPPED);
	ASSERT_EQ(0, sm_stat(self->v.fd, c.handle, &st));
	EXPECT_EQ(0, st.stat_flags);
}

static int close_at_once(int fd, uint64_t handle)
{
	return sm_close_at(fd, handle, SECMEM_NOWAIT, 0);
}

/* The end of a secret, by whichever call, ends its lingering at once. */
static void expect_end(struct __test_metadata *_metadata, struct sm_vault *v,
		       int (*end)(int fd, uint64_t handle))
{
	unsigned char *at;
	uint64_t handle;
	unsigned int i;

	for (i = 0; i < TIMES; i++) {
		ASSERT_EQ(0, linger_create(v->fd, &handle));
		at = linger_pair(v, handle);
		ASSERT_NE(NULL, at);
		ASSERT_EQ(0, end(v->fd, handle));
		ASSERT_EQ(SIGBUS, sm_touch(at, NULL));
	}
}

TEST_F(linger, close_waits_for_none_of_it)
{
	expect_end(_metadata, &self->v, close_at_once);
}

TEST_F(linger, revoke_ends_it)
{
	expect_end(_metadata, &self->v, sm_revoke);
}

TEST_F(linger, writers_wait_for_none_of_it)
{
	unsigned char *at, byte = FILL;
	struct secmem_copy copy;
	unsigned int i;
	int err;

	for (i = 0; i < TIMES; i++) {
		ASSERT_NE(NULL, linger_pair(&self->v, self->handle));
		at = sm_vault_acquire(&self->v, self->handle,
				      SECMEM_WRITE | SECMEM_NOWAIT, &err);
		ASSERT_NE(NULL, at);
		ASSERT_EQ(0, sm_poke(at, FILL));
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		/* A WRITE access does not linger. */
		ASSERT_EQ(SIGSEGV, sm_poke(at, FILL));

		at = linger_pair(&self->v, self->handle);
		ASSERT_NE(NULL, at);
		copy = (struct secmem_copy){
			.size = sizeof(copy),
			.flags = SECMEM_NOWAIT,
			.handle = self->handle,
			.buffer = (uintptr_t)&byte,
			.length = 1,
		};
		ASSERT_EQ(0, sm_ioctl(self->v.fd, SECMEM_IOC_WRITE, &copy));
		ASSERT_EQ(SIGSEGV, sm_touch(at, NULL));
	}
}

struct elsewhere {
	int fd, go, done;
	uint64_t handle;
};

/*
 * Another process makes the secret linger in its view, each time it is told to.
 */
static int elsewhere_run(void *arg)
{
	struct elsewhere *e = arg;
	struct sm_vault shared = { .fd = e->fd };
	unsigned int i;

	shared.view = sm_map(e->fd, SM_VIEW_LENGTH, PROT_READ);
	if (shared.view == MAP_FAILED)
		return 2;
	for (i = 0; i < TIMES; i++)
		if (sm_event_wait(e->go) || !linger_pair(&shared, e->handle) ||
		    sm_event_set(e->done))
			return 3;
	return sm_event_wait(e->go);
}

/* How long a call waits for the worker that ends lingering elsewhere. */
#define MOMENT_NS 50000000LL

/*
 * ACQUIRE for WRITE with a deadline in the past, until it succeeds. Returns 1
 * if it was refused before the worker had its moment.
 */
static int write_at_once(int fd, uint64_t handle)
{
	struct secmem_acquire_args a;
	int64_t began;
	int err;

	do {
		began = sm_now();
		err = sm_acquire_at(fd, handle, SECMEM_WRITE, 1, &a);
		if (err == -ETIMEDOUT && sm_now() - began < MOMENT_NS)
			return 1;
	} while (err == -ETIMEDOUT);
	return err ?: sm_release(fd, handle);
}

/*
 * Also where a worker has to end the lingering, in a view of another process.
 */
TEST_F(linger, deadline_in_the_past_is_no_reason_to_give_up)
{
	struct elsewhere e = { .handle = self->handle,
			       .go = sm_event(),
			       .done = sm_event() };
	unsigned int i;
	pid_t pid;

	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &e.fd));
	pid = sm_fork(elsewhere_run, &e);
	for (i = 0; i < TIMES; i++) {
		ASSERT_EQ(0, sm_event_set(e.go));
		ASSERT_EQ(0, sm_event_wait(e.done));
		ASSERT_EQ(0, write_at_once(self->v.fd, self->handle));
	}
	ASSERT_EQ(0, sm_event_set(e.go));
	EXPECT_EQ(0, sm_reap(pid));
	close(e.fd);
}

struct writer {
	int fd;
	uint64_t handle;
	int err;
};

static void *writer_run(void *arg)
{
	struct writer *w = arg;

	w->err = sm_acquire(w->fd, w->handle, SECMEM_WRITE, NULL);
	if (!w->err)
		w->err = sm_release(w->fd, w->handle);
	return NULL;
}

static bool linger_waits(int fd, uint64_t handle)
{
	struct secmem_status st;

	return !sm_stat(fd, handle, &st) && st.waiters == 1;
}

/*
 * Nothing lingers for readers that come while a writer waits: after their last
 * release it is the writer's turn.
 */
TEST_F(linger, nothing_begins_to_linger_while_somebody_waits)
{
	struct sm_vault other = { .fd = -1 };
	struct writer w = { .fd = self->v.fd, .handle = self->handle };
	pthread_t thread;
	unsigned char *at;
	unsigned int i;
	int err;

	ASSERT_EQ(0,
		  sm_export(self->v.fd, SECMEM_HANDLE_NONE,
			    SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &other.fd));
	other.view = sm_map(other.fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, other.view);
	for (i = 0; i < TIMES; i++) {
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
					NULL));
		ASSERT_EQ(0, pthread_create(&thread, NULL, writer_run, &w));
		ASSERT_EQ(0, SM_WAIT_UNTIL(
				     linger_waits(self->v.fd, self->handle)));
		at = sm_vault_acquire(&other, self->handle, SECMEM_READ, &err);
		ASSERT_NE(NULL, at);
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		ASSERT_EQ(0, sm_release(other.fd, self->handle));
		ASSERT_EQ(SIGSEGV, sm_touch(at, NULL));
		pthread_join(thread, NULL);
		ASSERT_EQ(0, w.err);
	}
	sm_vault_close(&other);
}

TEST_F(linger, new_view_comes_behind_it)
{
	unsigned char *at;
	unsigned int i;

	for (i = 0; i < TIMES; i++) {
		at = linger_pair(&self->v, self->handle);
		ASSERT_NE(NULL, at);
		ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
		self->v.view = sm_map(self->v.fd, SM_VIEW_LENGTH,
				      PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, self->v.view);
	}
	/* A held access still keeps another view from being made. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, munmap(self->v.view, SM_VIEW_LENGTH));
	EXPECT_EQ(MAP_FAILED, sm_map(self->v.fd, SM_VIEW_LENGTH, PROT_READ));
	EXPECT_EQ(EBUSY, errno);
	self->v.view = NULL;
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

/*
 * A process with a vault of its own and a grant of ours: what lingers through
 * either ends with it.
 */
TEST_F(linger, ends_with_the_address_space)
{
	struct sm_vault own, shared = { .fd = -1 };
	uint64_t handle;
	unsigned int i;
	pid_t pid;
	int fd;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0,
			  sm_export(self->v.fd, SECMEM_HANDLE_NONE,
				    SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			shared.fd = fd;
			shared.view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
			_exit(shared.view == MAP_FAILED ||
			      sm_vault_open(&own) ||
			      linger_create(own.fd, &handle) ||
			      !linger_pair(&own, handle) ||
			      !linger_pair(&shared, self->handle));
		}
		close(fd);
		ASSERT_EQ(0, sm_reap(pid));
		/* An address space that ended keeps nobody waiting. */
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle,
					SECMEM_WRITE | SECMEM_NOWAIT, NULL));
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	}
}

/* Everybody at once. */

struct storm {
	struct sm_vault *v;
	uint64_t handle; /* atomic */
	bool stop; /* atomic */
	int strange; /* atomic */
	unsigned int read, written; /* atomic */
};

static void storm_expect(struct storm *s, bool right, int what)
{
	if (!right)
		__atomic_store_n(&s->strange, what, __ATOMIC_RELAXED);
}

static void *storm_read(void *arg)
{
	struct storm *s = arg;
	unsigned char *at, first, last;
	uint64_t handle;
	int err;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		handle = __atomic_load_n(&s->handle, __ATOMIC_ACQUIRE);
		at = sm_vault_acquire(s->v, handle, SECMEM_READ, &err);
		if (err) {
			storm_expect(s, err == -EKEYREVOKED, err);
			continue;
		}
		/*
		 * CLOSE and writers wait for this access: so the bytes are
		 * whole, and not wiped.
		 */
		storm_expect(s, !sm_touch(at, &first), 1);
		storm_expect(s, !sm_touch(at + LENGTH - 1, &last), 2);
		storm_expect(s, first == last && first, 3);
		storm_expect(s, !sm_release(s->v->fd, handle), 4);
		__atomic_fetch_add(&s->read, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *storm_write(void *arg)
{
	struct storm *s = arg;
	unsigned char *at, value = 0;
	uint64_t handle;
	int err, i;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		handle = __atomic_load_n(&s->handle, __ATOMIC_ACQUIRE);
		at = sm_vault_acquire(s->v, handle, SECMEM_WRITE, &err);
		if (err) {
			storm_expect(s, err == -EKEYREVOKED, err);
			continue;
		}
		value = value % 255 + 1;
		for (i = 0; i < LENGTH; i++)
			storm_expect(s, !sm_poke(at + i, value), 5);
		storm_expect(s, !sm_release(s->v->fd, handle), 6);
		__atomic_fetch_add(&s->written, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
	return NULL;
}

TEST_F_TIMEOUT(linger, readers_writers_and_closers_meet, SM_LOOP_TIMEOUT)
{
	struct storm storm = { .v = &self->v, .handle = self->handle };
	pthread_t threads[4];
	unsigned int read, written;
	uint64_t next;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0,
			  pthread_create(&threads[i], NULL,
					 i ? storm_read : storm_write, &storm));
	for (i = 0; i < 300; i++) {
		read = __atomic_load_n(&storm.read, __ATOMIC_RELAXED);
		written = __atomic_load_n(&storm.written, __ATOMIC_RELAXED);
		EXPECT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(&storm.read,
							   __ATOMIC_RELAXED) >
					   read));
		EXPECT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(&storm.written,
							   __ATOMIC_RELAXED) >
					   written));
		ASSERT_EQ(0, linger_create(self->v.fd, &next));
		next = __atomic_exchange_n(&storm.handle, next,
					   __ATOMIC_ACQ_REL);
		ASSERT_EQ(0, sm_close(self->v.fd, next));
	}
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, storm.strange);
}

/*
 * A thread that calls RELEASE too often, beside pairs of another one: each such
 * RELEASE ends an access, or is EINVAL.
 */

struct stray {
	struct sm_vault *v;
	uint64_t handle;
	bool stop; /* atomic */
	int strange; /* atomic */
	unsigned int taken; /* atomic */
};

#define STRAY_MS 60000 /* fewer rounds, where a tool slows each access */

static void *stray_run(void *arg)
{
	struct stray *s = arg;
	int err;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		err = sm_release_value(s->v->fd, s->handle);
		if (!err)
			__atomic_fetch_add(&s->taken, 1, __ATOMIC_RELAXED);
		else if (err != -EINVAL)
			__atomic_store_n(&s->strange, err, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F_TIMEOUT(linger, stray_releases_take_accesses_and_no_more,
	       SM_LOOP_TIMEOUT)
{
	struct stray stray = { .v = &self->v, .handle = self->handle };
	int64_t until = sm_in_ms(STRAY_MS);
	unsigned int i, n, lost = 0;
	struct secmem_status st;
	pthread_t thread;
	uint64_t offset;
	int err;

	ASSERT_EQ(0, sm_seal(self->v.fd, self->handle));
	ASSERT_EQ(0, pthread_create(&thread, NULL, stray_run, &stray));
	for (i = 0; i < 300 && (i < 10 || sm_now() < until); i++) {
		for (n = 0; n < 1000; n++) {
			err = sm_acquire_value(self->v.fd, self->handle,
					       &offset);
			ASSERT_EQ(0, err);
			err = sm_release_value(self->v.fd, self->handle);
			if (err == -EINVAL)
				lost++;
			else
				ASSERT_EQ(0, err);
		}
		ASSERT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
		ASSERT_EQ(0, st.writers);
		ASSERT_GE(1, st.readers);
		ASSERT_EQ(SIGSEGV, sm_poke(self->v.view + offset, 0));
	}
	__atomic_store_n(&stray.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, stray.strange);
	EXPECT_EQ(lost, stray.taken);
	TH_LOG("%u accesses were released by a stranger", lost);
}

TEST_HARNESS_MAIN
