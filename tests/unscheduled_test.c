// SPDX-License-Identifier: GPL-2.0-only
/*
 * A holder that is never scheduled. The attacker has a grant of one secret with
 * COMPARE alone. Its thread makes calls at SCHED_IDLE, on a processor that
 * others keep busy, until it is not scheduled any more in the middle of one,
 * with that secret's lock held. What becomes of the others, who run on another
 * processor?
 *
 * Times are of the machine's clock. Each is compared with the worst under the
 * same load without the attacker, and has to be missed three times to count,
 * because the host may be busy, too. The attacker holds the lock for many
 * seconds.
 *
 * VM: --append preempt=full
 */
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "secmem_test.h"
#include "host.h"

#define LARGE (1U << 20)
#define HOGS 25
#define ARMS 60
#define SAMPLES 20
#define TRIES 3
#define BOUND_NS 100000000LL
#define SLACK_NS 50000000LL
#define MS_NS 1000000LL
#define STRANGER 2001

FIXTURE(unscheduled)
{
	struct sm_vault v;
	uint64_t shared, own;
	int export;
	pid_t attacker, hogs[HOGS];
	unsigned int *running; /* hogs; shared with them */
};

static void pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(126);
}

static int hog(void *arg)
{
	unsigned int *running = arg;

	pin(0);
	__atomic_fetch_add(running, 1, __ATOMIC_RELAXED);
	while (!kill(getppid(), 0))
		for (volatile unsigned int i = 0; i < 1000000; i++)
			;
	return 0;
}

static int attack(void *arg)
{
	FIXTURE_DATA(unscheduled) *self = arg;
	uint32_t equal;
	void *buffer = malloc(LARGE);
	int err;

	pin(0);
	if (!buffer || setresuid(STRANGER, STRANGER, STRANGER))
		return 126;
	memset(buffer, 1, LARGE);
	do
		err = sm_compare(self->export, self->shared, buffer, LARGE,
				 &equal);
	while (!err);
	return 1;
}

/*
 * Starts the hogs. All have run once, so that any other thread had to give way.
 */
static int hogs_start(FIXTURE_DATA(unscheduled) * self)
{
	unsigned int i;

	__atomic_store_n(self->running, 0, __ATOMIC_RELAXED);
	for (i = 0; i < HOGS; i++)
		self->hogs[i] = sm_fork(hog, self->running);
	return SM_WAIT_UNTIL(__atomic_load_n(self->running, __ATOMIC_RELAXED) ==
			     HOGS);
}

static void hogs_stop(FIXTURE_DATA(unscheduled) * self)
{
	unsigned int i;

	for (i = 0; i < HOGS; i++)
		if (self->hogs[i] > 0)
			kill(self->hogs[i], SIGKILL);
	for (i = 0; i < HOGS; i++)
		if (self->hogs[i] > 0)
			sm_reap(self->hogs[i]);
	memset(self->hogs, 0, sizeof(self->hogs));
}

/*
 * Whether the lock is held: nobody writes, so nothing else makes a reader wait.
 */
static bool is_held(FIXTURE_DATA(unscheduled) * self)
{
	unsigned char byte;
	int i;

	for (i = 0; i < 4; i++)
		if (sm_copy(self->v.fd, SECMEM_IOC_READ, self->shared,
			    SECMEM_NOWAIT, 0, &byte, 0, 1, NULL) != -EAGAIN)
			return false;
	return true;
}

/* For how long the attacker has had a processor. */
static int64_t attacker_ran(FIXTURE_DATA(unscheduled) * self)
{
	struct timespec ran;
	clockid_t clock;

	if (clock_getcpuclockid(self->attacker, &clock) ||
	    clock_gettime(clock, &ran))
		return -1;
	return ran.tv_sec * 1000000000LL + ran.tv_nsec;
}

/*
 * The attack needs a kernel that takes the processor from a thread in the
 * middle of a call. One that asks its threads to give it up is asked less often
 * than a lock is held.
 */
#define SKIP_UNLESS_PREEMPTED                                                   \
	do {                                                                    \
		struct utsname _name;                                           \
		if (!uname(&_name) && !strstr(_name.version, "PREEMPT"))        \
			SKIP(return,                                            \
				   "this kernel preempts no thread in a call"); \
	} while (0)

static int attacker_schedule(FIXTURE_DATA(unscheduled) * self, int policy)
{
	struct sched_param param = {};

	return sched_setscheduler(self->attacker, policy, &param);
}

/*
 * Until the attacker sits there with the lock: 0 or -ETIMEDOUT. It runs as the
 * hogs do at first. Then it is the least of all: it gets one turn more soon,
 * which the scheduler charges it for so dearly that the next is half a minute
 * away.
 */
static int attacker_stops(FIXTURE_DATA(unscheduled) * self)
{
	unsigned int i;
	int64_t ran;

	self->attacker = sm_fork(attack, self);
	for (i = 0; i < ARMS; i++) {
		if (hogs_start(self) || attacker_schedule(self, SCHED_IDLE))
			break;
		ran = attacker_ran(self) + MS_NS;
		if (!SM_WAIT_UNTIL(attacker_ran(self) >= ran) && is_held(self))
			return 0;
		hogs_stop(self);
		/* Let it run on to another place. */
		ran = attacker_ran(self) + (i % 7 + 1) * MS_NS;
		if (attacker_schedule(self, SCHED_OTHER) ||
		    SM_WAIT_UNTIL(attacker_ran(self) >= ran))
			break;
	}
	return -ETIMEDOUT;
}

static void attacker_goes_on(FIXTURE_DATA(unscheduled) * self)
{
	hogs_stop(self);
	if (self->attacker > 0) {
		kill(self->attacker, SIGKILL);
		sm_reap(self->attacker);
	}
	self->attacker = 0;
}

FIXTURE_SETUP(unscheduled)
{
	pin(1);
	self->running = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->running);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LARGE, &self->shared));
	ASSERT_EQ(0, sm_create(self->v.fd, 32, &self->own));
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared, SECMEM_RIGHT_COMPARE,
			       &self->export));
}

FIXTURE_TEARDOWN(unscheduled)
{
	attacker_goes_on(self);
	close(self->export);
	sm_vault_close(&self->v);
}

/* Whether a thread sleeps, as one does that waits for the secret. */
static bool sleeps(pid_t tid)
{
	char path[64], text[512];
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (host_read(path, text, sizeof(text)) <= 0)
		return false;
	state = strrchr(text, ')');
	return state && (state[2] == 'S' || state[2] == 'D');
}

/* How long something takes at worst; *err is 0 if it went well. */
static int64_t worst_of(FIXTURE_DATA(unscheduled) * self,
			int (*act)(FIXTURE_DATA(unscheduled) *), int times,
			int *err)
{
	int64_t worst = 0, began, took;

	*err = 0;
	while (times--) {
		began = sm_now();
		*err = *err ?: act(self);
		took = sm_now() - began;
		if (took > worst)
			worst = took;
	}
	return worst;
}

/* A bound: more than ten times the worst under the load alone. */
static int64_t bound_of(struct __test_metadata *_metadata,
			FIXTURE_DATA(unscheduled) * self,
			int (*act)(FIXTURE_DATA(unscheduled) *))
{
	int64_t worst;
	int err;

	ASSERT_EQ(0, hogs_start(self));
	worst = worst_of(self, act, SAMPLES, &err);
	hogs_stop(self);
	ASSERT_EQ(0, err);
	return 10 * worst + SLACK_NS;
}

/* The bound holds with the attacker, too. */
static void expect_within(struct __test_metadata *_metadata,
			  FIXTURE_DATA(unscheduled) * self,
			  int (*act)(FIXTURE_DATA(unscheduled) *),
			  int64_t bound)
{
	int64_t worst = INT64_MAX;
	int i, err;

	for (i = 0; i < TRIES && worst > bound; i++) {
		worst = worst_of(self, act, SAMPLES / 4, &err);
		ASSERT_EQ(0, err);
	}
	EXPECT_LE(worst, bound);
}

static int own_pair(FIXTURE_DATA(unscheduled) * self)
{
	int err = sm_acquire(self->v.fd, self->own, SECMEM_READ, NULL);

	return err ?: sm_release(self->v.fd, self->own);
}

/* A thread of the same process waits meanwhile to release the shared secret. */
TEST_F_TIMEOUT(unscheduled, own_secret_is_not_held_up, SM_LOOP_TIMEOUT)
{
	struct sm_call release = { .fd = self->v.fd,
				   .call = SECMEM_IOC_RELEASE,
				   .handle = self->shared };
	int64_t bound;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->shared, SECMEM_READ, NULL));
	bound = bound_of(_metadata, self, own_pair);
	ASSERT_EQ(0, attacker_stops(self));
	ASSERT_EQ(0, sm_call_start(&release));
	ASSERT_EQ(0, SM_WAIT_UNTIL(sleeps(
			     __atomic_load_n(&release.tid, __ATOMIC_ACQUIRE))));
	expect_within(_metadata, self, own_pair, bound);
	EXPECT_TRUE(is_held(self));
	EXPECT_FALSE(sm_call_done(&release));
	attacker_goes_on(self);
	EXPECT_EQ(0, sm_call_finish(&release));
}

static int map_and_touch(FIXTURE_DATA(unscheduled) * self)
{
	size_t length = 16 * SM_PAGE;
	char *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)self;
	if (at == MAP_FAILED)
		return -errno;
	at[0] = 1;
	return munmap(at, length) ? -errno : 0;
}

/*
 * Threads of the same process that wait: for an access to the shared secret, to
 * release one, and in a write to it that its access does not allow.
 */
struct stuck {
	struct sm_call acquire, release;
	pthread_t toucher;
	pid_t tid; /* the toucher's; atomic, 0 until it runs */
	volatile unsigned char *at;
};

static void *touch_run(void *arg)
{
	struct stuck *stuck = arg;

	__atomic_store_n(&stuck->tid, gettid(), __ATOMIC_RELEASE);
	sm_poke(stuck->at, 1);
	return NULL;
}

TEST_F_TIMEOUT(unscheduled, process_is_not_held_up_by_its_waiting_threads,
	       SM_LOOP_TIMEOUT)
{
	struct stuck stuck = {
		.acquire = { .fd = self->v.fd,
			     .call = SECMEM_IOC_ACQUIRE,
			     .handle = self->shared,
			     .flags = SECMEM_WRITE,
			     .deadline = SECMEM_FOREVER },
		.release = { .fd = self->v.fd,
			     .call = SECMEM_IOC_RELEASE,
			     .handle = self->shared },
	};
	int64_t bound;
	int err;

	SKIP_UNLESS_PREEMPTED;
	stuck.at = sm_vault_acquire(&self->v, self->shared, SECMEM_READ, &err);
	ASSERT_NE(NULL, stuck.at);
	bound = bound_of(_metadata, self, map_and_touch);
	ASSERT_EQ(0, attacker_stops(self));
	ASSERT_EQ(0, pthread_create(&stuck.toucher, NULL, touch_run, &stuck));
	ASSERT_EQ(0, sm_call_start(&stuck.acquire));
	ASSERT_EQ(0, sm_call_start(&stuck.release));
	ASSERT_EQ(0, SM_WAIT_UNTIL(sleeps(__atomic_load_n(&stuck.tid,
							  __ATOMIC_ACQUIRE)) &&
				   sleeps(__atomic_load_n(&stuck.acquire.tid,
							  __ATOMIC_ACQUIRE)) &&
				   sleeps(__atomic_load_n(&stuck.release.tid,
							  __ATOMIC_ACQUIRE))));
	expect_within(_metadata, self, map_and_touch, bound);
	EXPECT_FALSE(sm_call_done(&stuck.acquire));
	EXPECT_FALSE(sm_call_done(&stuck.release));
	EXPECT_EQ(0, own_pair(self));
	EXPECT_TRUE(is_held(self));

	attacker_goes_on(self);
	EXPECT_EQ(0, sm_call_finish(&stuck.release));
	EXPECT_EQ(0, sm_call_finish(&stuck.acquire));
	pthread_join(stuck.toucher, NULL);
	EXPECT_EQ(0, sm_release(self->v.fd, self->shared));
}

static int live_and_die(void *arg)
{
	uint64_t handle;
	int fd = sm_open();

	(void)arg;
	return fd < 0 || sm_create(fd, 32, &handle);
}

static int stranger_lives(FIXTURE_DATA(unscheduled) * self)
{
	(void)self;
	return sm_run(live_and_die, NULL);
}

/* A process with a secret of its own, and an access to the shared one. */
struct member {
	int fd, ready, go;
	uint64_t handle;
};

static int member_run(void *arg)
{
	struct member *m = arg;
	uint64_t own;
	void *view;
	int fd = sm_open();

	view = sm_map(m->fd, SM_VIEW_LENGTH, PROT_READ);
	if (fd < 0 || view == MAP_FAILED || sm_create(fd, 32, &own) ||
	    sm_acquire(m->fd, m->handle, SECMEM_READ, NULL) ||
	    sm_event_set(m->ready))
		return 1;
	return sm_event_wait(m->go);
}

/* A process ends meanwhile that has an access to the shared secret. */
TEST_F_TIMEOUT(unscheduled, exit_of_a_stranger_is_not_held_up, SM_LOOP_TIMEOUT)
{
	struct member m = { .handle = self->shared,
			    .ready = sm_event(),
			    .go = sm_event() };
	int64_t bound;
	pid_t pid;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &m.fd));
	pid = sm_fork(member_run, &m);
	ASSERT_EQ(0, sm_event_wait(m.ready));
	bound = bound_of(_metadata, self, stranger_lives);
	ASSERT_EQ(0, attacker_stops(self));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	expect_within(_metadata, self, stranger_lives, bound);
	EXPECT_TRUE(is_held(self));
	attacker_goes_on(self);
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
	close(m.fd);
}

#define HOARD 20000

struct hoarder {
	int fd; /* of its vault */
	int ready, go;
};

/* A process with much to be wiped; the wipe begins when it is killed. */
static int hoard(void *arg)
{
	struct sched_param param = {};
	struct hoarder *h = arg;
	uint64_t handle;
	unsigned int i;

	pin(0);
	for (i = 0; i < HOARD; i++)
		if (sm_create(h->fd, 32, &handle))
			return 2;
	if (sched_setscheduler(0, SCHED_IDLE, &param) || sm_event_set(h->ready))
		return 3;
	return sm_event_wait(h->go);
}

/* The parent has the hoarder's file, too. */
static pid_t hoarder_start(struct hoarder *h)
{
	pid_t pid;

	h->fd = sm_open();
	pid = sm_fork(hoard, h);
	/* It takes seconds. */
	while (sm_event_wait(h->ready) == -ETIMEDOUT)
		;
	return pid;
}

/* Kills a hoarder, and lets hogs stop it in the middle of its end. */
static int hoarder_ends(FIXTURE_DATA(unscheduled) * self, pid_t *pid)
{
	struct hoarder h = { .ready = sm_event(), .go = sm_event() };
	int tries, status;

	for (tries = 0; tries < ARMS; tries++) {
		*pid = hoarder_start(&h);
		close(h.fd);
		kill(*pid, SIGKILL);
		if (!hogs_start(self) && !waitpid(*pid, &status, WNOHANG))
			return 0;
		hogs_stop(self);
		waitpid(*pid, &status, 0);
	}
	return -ETIMEDOUT;
}

/* A process with much to be wiped stands still in its end, not scheduled. */
TEST_F_TIMEOUT(unscheduled, exit_of_a_stranger_waits_for_nobodys_end,
	       SM_LOOP_TIMEOUT)
{
	int64_t bound = bound_of(_metadata, self, stranger_lives);
	int status;
	pid_t pid;

	ASSERT_EQ(0, hoarder_ends(self, &pid));
	expect_within(_metadata, self, stranger_lives, bound);
	/* Control: even now that process has not ended. */
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	hogs_stop(self);
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
}

/* Nor does a process wait that has the hoarder's file, and closes it. */
TEST_F_TIMEOUT(unscheduled, close_of_a_file_waits_for_nobodys_end,
	       SM_LOOP_TIMEOUT)
{
	struct hoarder h = { .ready = sm_event(), .go = sm_event() };
	int64_t began, took, worst = INT64_MAX;
	int i, status;
	pid_t pid;

	for (i = 0; i < TRIES && worst > BOUND_NS; i++) {
		pid = hoarder_start(&h);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		worst = 0;
		do {
			began = sm_now();
			ASSERT_EQ(0, close(dup(h.fd)));
			took = sm_now() - began;
			if (took > worst)
				worst = took;
		} while (!waitpid(pid, &status, WNOHANG));
		close(h.fd);
	}
	EXPECT_LE(worst, BOUND_NS);
}

static bool is_wiped(int watch, uint64_t secrets)
{
	struct secmem_info now;

	return !sm_info(watch, &now) && now.secrets == secrets;
}

TEST_F_TIMEOUT(unscheduled,
	       dead_holder_leaves_its_access_and_takes_its_own_secrets_along,
	       SM_LOOP_TIMEOUT)
{
	struct member m = { .handle = self->shared,
			    .ready = sm_event(),
			    .go = sm_event() };
	struct secmem_status st;
	struct secmem_info before;
	struct sm_call bind = { .call = SECMEM_IOC_RELEASE,
				.handle = self->shared };
	int64_t began;
	pid_t pid;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &m.fd));
	ASSERT_EQ(0, sm_info(self->v.fd, &before));
	pid = sm_fork(member_run, &m);
	ASSERT_EQ(0, sm_event_wait(m.ready));
	EXPECT_FALSE(is_wiped(self->v.fd, before.secrets));
	ASSERT_EQ(0, attacker_stops(self));

	began = sm_now();
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
	EXPECT_LT(sm_now() - began, 20 * BOUND_NS);
	/*
	 * The secrets of the process that ended were wiped before its end was
	 * over.
	 */
	EXPECT_TRUE(is_wiped(self->v.fd, before.secrets));
	/*
	 * Its access to the shared secret has not ended, as the lock is held,
	 */
	ASSERT_EQ(0, sm_stat(self->v.fd, self->shared, &st));
	EXPECT_EQ(1, st.readers);
	/* so its file still answers it, and another user of the file waits, */
	bind.fd = m.fd;
	ASSERT_EQ(0, sm_call_start(&bind));
	EXPECT_TRUE(is_held(self));
	EXPECT_FALSE(sm_call_done(&bind));
	/* until a signal comes. */
	do
		sm_call_interrupt(&bind);
	while (!sm_call_done(&bind) && is_held(self));
	EXPECT_EQ(-EINTR, sm_call_finish(&bind));

	ASSERT_EQ(0, sm_call_start(&bind));
	attacker_goes_on(self);
	EXPECT_EQ(-EINVAL, sm_call_finish(&bind));
	ASSERT_EQ(0, sm_stat(self->v.fd, self->shared, &st));
	EXPECT_EQ(0, st.readers);
	close(m.fd);
}

TEST_F_TIMEOUT(unscheduled, call_that_must_not_wait_is_soon_done,
	       SM_LOOP_TIMEOUT)
{
	unsigned char byte;
	struct secmem_acquire_args a;
	struct secmem_status st;
	struct pollfd p = { .fd = self->export, .events = POLLIN };
	int64_t began, worst = 0;
	int i;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, attacker_stops(self));
	for (i = 0; i < TRIES; i++) {
		began = sm_now();
		EXPECT_EQ(-EAGAIN,
			  sm_acquire(self->v.fd, self->shared,
				     SECMEM_READ | SECMEM_NOWAIT, NULL));
		worst = sm_now() - began;
		if (worst <= BOUND_NS)
			break;
	}
	EXPECT_LE(worst, BOUND_NS);
	for (i = 0; i < TRIES; i++) {
		began = sm_now();
		EXPECT_EQ(-EAGAIN,
			  sm_copy(self->v.fd, SECMEM_IOC_READ, self->shared,
				  SECMEM_NOWAIT, 0, &byte, 0, 1, NULL));
		worst = sm_now() - began;
		if (worst <= BOUND_NS)
			break;
	}
	EXPECT_LE(worst, BOUND_NS);
	for (i = 0; i < TRIES; i++) {
		began = sm_now();
		EXPECT_EQ(0, sm_stat(self->v.fd, self->shared, &st));
		EXPECT_EQ(1, poll(&p, 1, 0));
		worst = sm_now() - began;
		if (worst <= BOUND_NS)
			break;
	}
	EXPECT_LE(worst, BOUND_NS);
	EXPECT_EQ(LARGE, st.length);
	EXPECT_EQ(-ETIMEDOUT, sm_acquire_at(self->v.fd, self->shared,
					    SECMEM_READ, sm_now(), &a));
	EXPECT_TRUE(is_held(self));
}

/* Both have found it by then, and one of them finds that the other was first. */
TEST_F_TIMEOUT(unscheduled, of_two_that_wait_to_drop_one_has_dropped,
	       SM_LOOP_TIMEOUT)
{
	struct sm_call calls[2];
	int fd, i, results = 0;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_CLOSE, &fd));
	ASSERT_EQ(0, attacker_stops(self));
	for (i = 0; i < 2; i++) {
		calls[i] = (struct sm_call){ .fd = fd,
					     .call = SECMEM_IOC_DROP,
					     .handle = self->shared };
		ASSERT_EQ(0, sm_call_start(&calls[i]));
		ASSERT_EQ(0, SM_WAIT_UNTIL(sleeps(__atomic_load_n(
				     &calls[i].tid, __ATOMIC_ACQUIRE))));
	}
	EXPECT_TRUE(is_held(self));
	attacker_goes_on(self);
	for (i = 0; i < 2; i++)
		results += sm_call_finish(&calls[i]);
	EXPECT_EQ(-EKEYREVOKED, results);
	close(fd);
}

/*
 * Who waited to switch an access up that is given back is in nobody's way any
 * more, though he has not run since.
 */
TEST_F_TIMEOUT(unscheduled, waiting_switch_is_over_with_its_access,
	       SM_LOOP_TIMEOUT)
{
	struct sm_call call = { .fd = self->v.fd,
				.call = SECMEM_IOC_SWITCH,
				.handle = self->own,
				.flags = SECMEM_WRITE,
				.deadline = SECMEM_FOREVER };
	struct sched_param param = {};
	cpu_set_t set;
	void *view;
	int fd;

	ASSERT_EQ(0, sm_export(self->v.fd, self->own,
			       SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP, &fd));
	view = sm_map(fd, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->own, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_acquire(fd, self->own, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, SM_WAIT_UNTIL(sm_has_waiters(self->v.fd, self->own, 1)));
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ASSERT_EQ(0, sched_setaffinity(call.tid, sizeof(set), &set));
	ASSERT_EQ(0, sched_setscheduler(call.tid, SCHED_IDLE, &param));
	ASSERT_EQ(0, hogs_start(self));

	EXPECT_EQ(0, sm_release(self->v.fd, self->own));
	EXPECT_EQ(0, sm_acquire(self->v.fd, self->own, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, sm_op(self->v.fd, SECMEM_IOC_SWITCH, self->own,
				 SECMEM_WRITE | SECMEM_NOWAIT, 0));
	EXPECT_FALSE(sm_call_done(&call));

	/* When it runs, it takes the new access for its own. */
	hogs_stop(self);
	EXPECT_EQ(0, sm_release(fd, self->own));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_EQ(0, sm_release(self->v.fd, self->own));
	munmap(view, SM_VIEW_LENGTH);
	close(fd);
}

/* Nor the close of its file, which counts off what it had dropped. */
TEST_F_TIMEOUT(unscheduled, export_waits_for_no_secret_that_was_dropped,
	       SM_LOOP_TIMEOUT)
{
	int64_t began, took = INT64_MAX;
	int from, fd, try;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL,
			       &from));
	ASSERT_EQ(0, sm_drop(from, self->shared));
	ASSERT_EQ(0, attacker_stops(self));
	for (try = 0; try < TRIES && took > BOUND_NS; try++) {
		began = sm_now();
		EXPECT_EQ(0, sm_export(from, SECMEM_HANDLE_NONE,
				       SECMEM_RIGHT_ALL, &fd));
		EXPECT_EQ(0, close(fd));
		took = sm_now() - began;
	}
	EXPECT_LE(took, BOUND_NS);
	EXPECT_TRUE(is_held(self));
	close(from);
}

struct victim {
	unsigned long call;
	uint64_t handle;
	int fd, ready;
};

static int victim_run(void *arg)
{
	struct victim *v = arg;
	unsigned char byte;
	uint32_t equal;

	if (sm_event_set(v->ready))
		return 126;
	switch (v->call) {
	case SECMEM_IOC_ACQUIRE:
		return -sm_acquire(v->fd, v->handle, SECMEM_READ, NULL);
	case SECMEM_IOC_READ:
	case SECMEM_IOC_WRITE:
		return -sm_copy(v->fd, v->call, v->handle, 0, SECMEM_FOREVER,
				&byte, 0, 1, NULL);
	case SECMEM_IOC_COMPARE:
		return -sm_compare(v->fd, v->handle, &byte, 1, &equal);
	default:
		return -sm_op(v->fd, v->call, v->handle, 0,
			      v->call == SECMEM_IOC_CLOSE ? SECMEM_FOREVER : 0);
	}
}

TEST_F_TIMEOUT(unscheduled, waiter_dies_when_it_is_killed, SM_LOOP_TIMEOUT)
{
	/* CLOSE last, as it leaves the secret closing. */
	static const unsigned long calls[] = {
		SECMEM_IOC_ACQUIRE, SECMEM_IOC_RELEASE, SECMEM_IOC_READ,
		SECMEM_IOC_WRITE,   SECMEM_IOC_COMPARE, SECMEM_IOC_SEAL,
		SECMEM_IOC_DROP,    SECMEM_IOC_REVOKE,	SECMEM_IOC_CLOSE
	};
	struct victim victim = { .handle = self->shared, .ready = sm_event() };
	int64_t began, took;
	unsigned int i;
	pid_t pid;
	int try;

	SKIP_UNLESS_PREEMPTED;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		took = INT64_MAX;
		for (try = 0; try < TRIES && took > BOUND_NS; try++) {
			/* The attacker does run after some seconds. */
			if (!is_held(self)) {
				attacker_goes_on(self);
				ASSERT_EQ(0, attacker_stops(self));
			}
			/* A file answers whoever uses it first: one for each. */
			ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE,
					       SECMEM_RIGHT_ALL, &victim.fd));
			victim.call = calls[i];
			pid = sm_fork(victim_run, &victim);
			ASSERT_EQ(0, sm_event_wait(victim.ready));
			if (!SM_WAIT_UNTIL(sleeps(pid))) {
				began = sm_now();
				ASSERT_EQ(0, kill(pid, SIGKILL));
				EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
				took = sm_now() - began;
			} else {
				/*
				 * The call was done before it was seen to
				 * sleep.
				 */
				sm_reap(pid);
			}
			close(victim.fd);
		}
		EXPECT_LE(took, BOUND_NS);
	}
}

/* A thread that polls while a closer gives up. */
struct poller {
	struct pollfd p;
	pid_t tid; /* atomic; 0 until it runs */
	bool done; /* atomic */
};

static void *poller_run(void *arg)
{
	struct poller *poller = arg;

	__atomic_store_n(&poller->tid, gettid(), __ATOMIC_RELEASE);
	poll(&poller->p, 1, -1);
	__atomic_store_n(&poller->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* It polls before the closer comes, and is woken. */
TEST_F_TIMEOUT(unscheduled, who_polls_is_told_of_a_closer_that_gave_up,
	       SM_LOOP_TIMEOUT)
{
	struct poller poller = { .p = { .fd = self->export,
					.events = POLLPRI } };
	pthread_t thread;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->shared, SECMEM_READ, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, poller_run, &poller));
	ASSERT_EQ(0, SM_WAIT_UNTIL(sleeps(
			     __atomic_load_n(&poller.tid, __ATOMIC_ACQUIRE))));
	ASSERT_EQ(0, attacker_stops(self));
	EXPECT_EQ(-EAGAIN, sm_close_at(self->v.fd, self->shared, SECMEM_NOWAIT,
				       SECMEM_FOREVER));
	attacker_goes_on(self);
	EXPECT_EQ(0, SM_WAIT_UNTIL(
			     __atomic_load_n(&poller.done, __ATOMIC_ACQUIRE)));
	/* If it was not woken before, the end of the secret wakes it. */
	EXPECT_EQ(0, sm_release(self->v.fd, self->shared));
	pthread_join(thread, NULL);
	EXPECT_EQ(POLLPRI, poller.p.revents);
}

/* The handle that the place's next secret will have: not issued yet. */
#define NEXT_GENERATION (1ULL << 24)

/* More places than rest before one serves again. */
#define PLACES 10000

TEST_F_TIMEOUT(unscheduled, close_of_what_was_never_issued_leaves_nothing,
	       SM_LOOP_TIMEOUT)
{
	uint64_t next = self->shared + NEXT_GENERATION;
	int i;

	SKIP_UNLESS_PREEMPTED;
	ASSERT_EQ(0, attacker_stops(self));
	EXPECT_EQ(-ENOENT,
		  sm_close_at(self->v.fd, next, SECMEM_NOWAIT, SECMEM_FOREVER));
	/*
	 * Control: a CLOSE of the secret that is there is left with the holder
	 * of the lock.
	 */
	EXPECT_EQ(-EAGAIN, sm_close_at(self->v.fd, self->shared, SECMEM_NOWAIT,
				       SECMEM_FOREVER));
	attacker_goes_on(self);
	ASSERT_TRUE(
		sm_has_state(self->v.fd, self->shared, SECMEM_STATE_CLOSED));
	close(self->export);
	/* Creates until the place serves the next secret. */
	for (i = 0; i < PLACES && self->shared != next; i++) {
		EXPECT_EQ(0, sm_close(self->v.fd, self->shared));
		ASSERT_EQ(0, sm_create(self->v.fd, LARGE, &self->shared));
	}
	EXPECT_EQ(next, self->shared);
	EXPECT_TRUE(sm_has_state(self->v.fd, self->shared, SECMEM_STATE_OPEN));
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared, SECMEM_RIGHT_COMPARE,
			       &self->export));
}

TEST_F_TIMEOUT(unscheduled, closer_that_gives_up_leaves_the_secret_closing,
	       SM_LOOP_TIMEOUT)
{
	struct sm_call close_other = { .fd = self->v.fd,
				       .call = SECMEM_IOC_CLOSE,
				       .deadline = SECMEM_FOREVER };
	struct pollfd p = { .events = POLLIN | POLLPRI };
	uint64_t shared, older;
	int round;

	SKIP_UNLESS_PREEMPTED;
	for (round = 0; round < 3; round++) {
		shared = self->shared;
		if (round == 2)
			ASSERT_EQ(0, sm_acquire(self->v.fd, shared, SECMEM_READ,
						NULL));
		ASSERT_EQ(0, attacker_stops(self));
		if (round != 1) {
			EXPECT_EQ(-EAGAIN,
				  sm_close_at(self->v.fd, shared, SECMEM_NOWAIT,
					      SECMEM_FOREVER));
		} else {
			close_other.handle = shared;
			ASSERT_EQ(0, sm_call_start(&close_other));
			do
				sm_call_interrupt(&close_other);
			while (!sm_call_done(&close_other) && is_held(self));
			EXPECT_EQ(-EINTR, sm_call_finish(&close_other));
		}
		/* The secret is closing even before the lock is free. */
		EXPECT_TRUE(
			sm_has_state(self->v.fd, shared, SECMEM_STATE_CLOSING));
		p.fd = self->export;
		EXPECT_EQ(1, poll(&p, 1, 0));
		EXPECT_EQ(POLLPRI, p.revents);
		/*
		 * A further access on top of one, which usually needs no lock.
		 */
		EXPECT_EQ(-EAGAIN,
			  sm_acquire(self->v.fd, shared,
				     SECMEM_READ | SECMEM_NOWAIT, NULL));
		attacker_goes_on(self);
		if (round == 2)
			EXPECT_EQ(0, sm_release(self->v.fd, shared));
		/*
		 * In the other rounds no access was in the way: so the CLOSE
		 * waited for the lock.
		 */
		EXPECT_TRUE(
			sm_has_state(self->v.fd, shared, SECMEM_STATE_CLOSED));

		/*
		 * The place serves another secret, which the CLOSE does not
		 * touch.
		 */
		older = shared;
		ASSERT_EQ(0, sm_create(self->v.fd, LARGE, &self->shared));
		EXPECT_EQ(0, sm_close(self->v.fd, older));
		EXPECT_TRUE(sm_has_state(self->v.fd, self->shared,
					 SECMEM_STATE_OPEN));
		close(self->export);
		ASSERT_EQ(0, sm_export(self->v.fd, self->shared,
				       SECMEM_RIGHT_COMPARE, &self->export));
	}
}

TEST_F_TIMEOUT(unscheduled,
	       machine_does_not_sleep_with_a_secret_that_was_to_be_wiped,
	       SM_LOOP_TIMEOUT)
{
	struct secmem_create_args c;
	int64_t began, took;
	int log;

	SKIP_UNLESS_PREEMPTED;
	HOST_NEED_SUSPEND;
	close(self->export);
	ASSERT_EQ(0, sm_create_as(self->v.fd, LARGE, 0,
				  SECMEM_CREATE_SUSPEND_WIPE, NULL, 0, &c));
	self->shared = c.handle;
	ASSERT_EQ(0, sm_export(self->v.fd, self->shared, SECMEM_RIGHT_COMPARE,
			       &self->export));
	log = host_log_open();
	ASSERT_LE(0, log);
	ASSERT_EQ(0, attacker_stops(self));

	began = sm_now();
	EXPECT_EQ(-EBUSY, host_sleep("freeze"));
	took = sm_now() - began;
	/* The suspend waited a second for the wipe. */
	EXPECT_LE(10 * BOUND_NS, took);
	EXPECT_LE(took, 30 * BOUND_NS);
	EXPECT_EQ(0, host_log_wait(log, "suspend refused"));
	EXPECT_TRUE(is_held(self));
	/* Such secrets are created again. */
	EXPECT_EQ(0, sm_create_as(self->v.fd, 32, 0, SECMEM_CREATE_SUSPEND_WIPE,
				  NULL, 0, &c));

	attacker_goes_on(self);
	EXPECT_EQ(0, host_sleep("freeze"));
	EXPECT_TRUE(
		sm_has_state(self->v.fd, self->shared, SECMEM_STATE_CLOSED));
	EXPECT_TRUE(sm_has_state(self->v.fd, c.handle, SECMEM_STATE_CLOSED));
	close(log);
}

TEST_HARNESS_MAIN
