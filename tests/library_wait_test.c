// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a call of libsecmem waits, and how a callback may be left: signals,
 * cancellation, coroutines, exceptions.
 */
#include "library.h"
#include <sys/socket.h>
#ifdef __GLIBC__
#include <ucontext.h>
#include <unwind.h>
#endif

/* The calls that may wait. A test makes one in a thread of its own. */
enum call { ACQUIRE, WITH, WITH_MUT, READ, WRITE, COMPARE, CLOSE, CALLS };

struct caller {
	pthread_t thread;
	secmem_secret_t secret;
	enum call call;
	int64_t timeout;
	int error;
	bool done;
};

static int call(struct caller *caller)
{
	struct secmem_access access;
	int error, equal;
	char byte = 0;

	switch (caller->call) {
	case ACQUIRE:
		error = secmem_acquire(caller->secret, SECMEM_WRITE,
				       caller->timeout, &access);
		secmem_release(&access);
		return error;
	case WITH:
		return secmem_with_bytes(caller->secret, caller->timeout,
					 nothing, NULL, NULL);
	case WITH_MUT:
		return secmem_with_bytes_mut(caller->secret, caller->timeout,
					     nothing_mut, NULL, NULL);
	case READ:
		return secmem_read(caller->secret, &byte, 1, 0,
				   caller->timeout);
	case WRITE:
		return secmem_write(caller->secret, &byte, 1, 0,
				    caller->timeout);
	case COMPARE:
		return secmem_compare(caller->secret, text, sizeof(text),
				      &equal, caller->timeout);
	default:
		return secmem_close(caller->secret, caller->timeout);
	}
}

static void *call_run(void *argument)
{
	struct caller *caller = argument;

	caller->error = call(caller);
	__atomic_store_n(&caller->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int is_done(struct caller *caller)
{
	return __atomic_load_n(&caller->done, __ATOMIC_ACQUIRE);
}

FIXTURE(wait)
{
	struct secmem_access held;
	struct caller caller;
};

FIXTURE_VARIANT(wait)
{
	enum call call;
};

FIXTURE_VARIANT_ADD(wait, acquire)
{
	.call = ACQUIRE,
};
FIXTURE_VARIANT_ADD(wait, with_bytes)
{
	.call = WITH,
};
FIXTURE_VARIANT_ADD(wait, with_bytes_mut)
{
	.call = WITH_MUT,
};
FIXTURE_VARIANT_ADD(wait, read)
{
	.call = READ,
};
FIXTURE_VARIANT_ADD(wait, write)
{
	.call = WRITE,
};
FIXTURE_VARIANT_ADD(wait, compare)
{
	.call = COMPARE,
};
FIXTURE_VARIANT_ADD(wait, close)
{
	.call = CLOSE,
};

/* The test holds a WRITE access, for which each call has to wait. */
FIXTURE_SETUP(wait)
{
	struct sigaction action = { .sa_handler = sm_ignore_signal };

	sigaction(SIGUSR1, &action, NULL);
	self->caller = (struct caller){ .call = variant->call,
					.timeout = SECMEM_FOREVER };
	ASSERT_EQ(0, create_text(&self->caller.secret));
	ASSERT_EQ(0, secmem_acquire(self->caller.secret, SECMEM_WRITE, 0,
				    &self->held));
}

FIXTURE_TEARDOWN(wait)
{
}

static int start(struct caller *caller)
{
	if (pthread_create(&caller->thread, NULL, call_run, caller))
		return 1;
	return SM_WAIT_UNTIL(waits(caller->secret));
}

TEST_F(wait, goes_on_after_a_signal)
{
	int i;

	ASSERT_EQ(0, start(&self->caller));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_kill(self->caller.thread, SIGUSR1));
		ASSERT_EQ(0, SM_WAIT_UNTIL(waits(self->caller.secret)));
	}
	ASSERT_FALSE(is_done(&self->caller));
	EXPECT_EQ(0, secmem_release(&self->held));
	ASSERT_EQ(0, pthread_join(self->caller.thread, NULL));
	EXPECT_EQ(0, self->caller.error);
}

/*
 * Signals come all the time: a timeout that began anew at each would never end.
 */
TEST_F(wait, ends_in_time_under_signals)
{
	int64_t before = sm_now();

	self->caller.timeout = 200 * MS;
	ASSERT_EQ(0, pthread_create(&self->caller.thread, NULL, call_run,
				    &self->caller));
	while (!is_done(&self->caller)) {
		pthread_kill(self->caller.thread, SIGUSR1);
		sched_yield();
	}
	ASSERT_EQ(0, pthread_join(self->caller.thread, NULL));
	EXPECT_EQ(-ETIMEDOUT, self->caller.error);
	EXPECT_LE(200 * MS, sm_now() - before);
}

TEST_F(wait, is_a_cancellation_point)
{
	void *value;

	ASSERT_EQ(0, start(&self->caller));
	ASSERT_EQ(0, pthread_cancel(self->caller.thread));
	ASSERT_EQ(0, pthread_join(self->caller.thread, &value));
	EXPECT_EQ(PTHREAD_CANCELED, value);
	EXPECT_EQ(0, secmem_release(&self->held));
	if (variant->call == CLOSE) {
		EXPECT_EQ(1, secmem_is_closed(self->caller.secret));
		return;
	}
	EXPECT_EQ(0, readers_of(self->caller.secret));
	EXPECT_EQ(0, writers_of(self->caller.secret));
	EXPECT_EQ(0, secmem_close(self->caller.secret, 0));
}

/* A call that need not wait is no cancellation point. */
TEST_F(wait, is_none_where_it_need_not_be)
{
	void *value;

	EXPECT_EQ(0, secmem_release(&self->held));
	ASSERT_EQ(0, pthread_create(&self->caller.thread, NULL, call_run,
				    &self->caller));
	pthread_cancel(self->caller.thread);
	ASSERT_EQ(0, pthread_join(self->caller.thread, &value));
	if (!value)
		EXPECT_EQ(0, self->caller.error);
	if (variant->call != CLOSE)
		EXPECT_EQ(0, secmem_close(self->caller.secret, 0));
}

/* Whether the access or the cancellation comes first, no access is left. */
TEST(cancelled_as_the_wait_ends)
{
	struct caller caller;
	struct secmem_access held;
	secmem_secret_t secret;
	unsigned int i, cancelled = 0;
	void *value;

	ASSERT_EQ(0, create_text(&secret));
	for (i = 0; i < 200; i++) {
		caller = (struct caller){ .secret = secret,
					  .call = i % 2 ? ACQUIRE : WITH,
					  .timeout = SECMEM_FOREVER };
		ASSERT_EQ(0, secmem_acquire(secret, SECMEM_WRITE, 0, &held));
		ASSERT_EQ(0, start(&caller));
		ASSERT_EQ(0, secmem_release(&held));
		pthread_cancel(caller.thread);
		ASSERT_EQ(0, pthread_join(caller.thread, &value));
		cancelled += value == PTHREAD_CANCELED;
		ASSERT_EQ(0, readers_of(secret));
		ASSERT_EQ(0, writers_of(secret));
	}
	TH_LOG("%u of %u cancelled", cancelled, i);
	EXPECT_EQ(0, secmem_close(secret, 0));
}

struct reader {
	int fd, error;
	pid_t thread;
	bool done;
};

static void *read_run(void *argument)
{
	struct reader *reader = argument;
	secmem_secret_t secret;

	__atomic_store_n(&reader->thread, syscall(SYS_gettid),
			 __ATOMIC_RELEASE);
	reader->error = secmem_create_from_fd(&secret, reader->fd, 0, NULL);
	__atomic_store_n(&reader->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *receive_run(void *argument)
{
	struct reader *reader = argument;

	__atomic_store_n(&reader->thread, syscall(SYS_gettid),
			 __ATOMIC_RELEASE);
	reader->error = secmem_fd_receive(reader->fd);
	__atomic_store_n(&reader->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int is_asleep(pid_t thread)
{
	char path[64], line[256] = "", *state;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	stat = fopen(path, "r");
	if (stat && !fgets(line, sizeof(line), stat))
		line[0] = 0;
	if (stat)
		fclose(stat);
	state = strrchr(line, ')');
	return state && state[1] && state[2] == 'S';
}

TEST(reading_and_receiving_go_on_after_a_signal)
{
	struct sigaction action = { .sa_handler = sm_ignore_signal };
	void *(*const runs[])(void *) = { read_run, read_run, receive_run };
	struct reader reader;
	secmem_secret_t secret;
	pthread_t thread;
	int ends[2], i, round;
	pid_t tid;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, create_text(&secret));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		/*
		 * The second reader waits in poll(2), which the kernel never
		 * restarts.
		 */
		if (i == 1)
			fcntl(ends[0], F_SETFL, O_NONBLOCK);
		reader = (struct reader){ .fd = ends[0], .error = 1 };
		ASSERT_EQ(0, pthread_create(&thread, NULL, runs[i], &reader));
		ASSERT_EQ(0, SM_WAIT_UNTIL((
				     tid = __atomic_load_n(&reader.thread,
							   __ATOMIC_ACQUIRE))));
		for (round = 0; round < 5; round++) {
			ASSERT_EQ(0, SM_WAIT_UNTIL(is_asleep(tid)));
			pthread_kill(thread, SIGUSR1);
		}
		ASSERT_EQ(0, SM_WAIT_UNTIL(is_asleep(tid)));
		ASSERT_FALSE(__atomic_load_n(&reader.done, __ATOMIC_ACQUIRE));
		if (i == 2) {
			ASSERT_EQ(0, secmem_fd_send(ends[1], 0));
		} else {
			ASSERT_EQ(3, write(ends[1], "key", 3));
		}
		close(ends[1]);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_LE(0, reader.error);
		close(ends[0]);
	}
}

/* A copy of an access */

TEST(copy_of_an_access_releases_no_other)
{
	struct secmem_access first, second, copy;
	secmem_secret_t secret;
	void *data;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &first));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &second));
	EXPECT_NE(first.serial, second.serial);
	copy = first;
	data = second.data;
	EXPECT_EQ(0, secmem_release(&first));
	EXPECT_EQ(-EINVAL, secmem_release(&copy));
	EXPECT_TRUE(is_zero(&copy, sizeof(copy)));
	EXPECT_EQ(1, readers_of(secret));
	EXPECT_EQ(0, sm_touch(data, NULL));
	/* A stale copy ends no later access either. */
	copy = second;
	EXPECT_EQ(0, secmem_release(&second));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &first));
	EXPECT_EQ(-EINVAL, secmem_release(&copy));
	EXPECT_EQ(1, readers_of(secret));
	EXPECT_EQ(0, secmem_release(&first));
	EXPECT_EQ(0, readers_of(secret));
}

TEST(many_accesses_at_once)
{
	enum { MANY = 5000 };
	struct secmem_access *accesses = calloc(MANY, sizeof(*accesses));
	secmem_secret_t secret;
	int i;

	ASSERT_NE(NULL, accesses);
	ASSERT_EQ(0, create_text(&secret));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0,
			  secmem_acquire(secret, SECMEM_READ, 0, &accesses[i]));
	EXPECT_EQ(MANY, readers_of(secret));
	for (i = 0; i < MANY; i += 2)
		ASSERT_EQ(0, secmem_release(&accesses[i]));
	for (i = 0; i < MANY; i += 2)
		ASSERT_EQ(0,
			  secmem_acquire(secret, SECMEM_READ, 0, &accesses[i]));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, secmem_release(&accesses[i]));
	EXPECT_EQ(0, readers_of(secret));
	free(accesses);
}

static long address_space(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

/* These accesses ended with their grant, and nobody releases them. */
TEST(accesses_that_end_with_their_grant_are_forgotten)
{
	struct secmem_options options = { .size = sizeof(options) };
	struct secmem_access access;
	secmem_secret_t secret;
	long before = 0;
	int round, i;

	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, secmem_grant_open(&options.grant));
		ASSERT_EQ(0, secmem_create_zero(&secret, 1, &options));
		for (i = 0; i < 1000; i++)
			ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0,
						    &access));
		ASSERT_EQ(0, secmem_grant_close(options.grant));
		if (round == 4)
			before = address_space();
	}
	/* The library's table of accesses grows by 64 KiB. */
	EXPECT_GE(4 * 65536, address_space() - before);
}

/* Leaving a callback, with a C library that can do that */

#ifdef __GLIBC__
static struct leaving {
	struct _Unwind_Exception exception;
	jmp_buf out;
	uintptr_t end;
} leaving;

/* Stops unwinding at the frame that holds the jmp_buf, or beyond it. */
static _Unwind_Reason_Code leave_step(int version, _Unwind_Action actions,
				      _Unwind_Exception_Class class,
				      struct _Unwind_Exception *exception,
				      struct _Unwind_Context *context,
				      void *argument)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)argument;
	if (actions & _UA_END_OF_STACK ||
	    (uintptr_t)_Unwind_GetCFA(context) > leaving.end)
		longjmp(leaving.out, 1);
	return _URC_NO_REASON;
}

static int leave(const void *data, size_t length, void *argument)
{
	(void)data;
	(void)length;
	(void)argument;
	_Unwind_ForcedUnwind(&leaving.exception, leave_step, NULL);
	return 0;
}

static __attribute__((__noinline__)) int left_by_unwinding(secmem_secret_t s)
{
	leaving.end = (uintptr_t)__builtin_frame_address(0);
	if (setjmp(leaving.out))
		return 1;
	return secmem_with_bytes(s, SECMEM_FOREVER, leave, NULL, NULL);
}

static void *exit_thread(void *argument)
{
	if (left_by_unwinding(*(secmem_secret_t *)argument) != 1)
		return NULL;
	/* The cleanup handlers of frames that were left must not run again. */
	pthread_exit(argument);
}

TEST(unwinding_out_of_a_callback_releases)
{
	secmem_secret_t secret;
	pthread_t thread;
	void *value;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(1, left_by_unwinding(secret));
	EXPECT_EQ(0, readers_of(secret));
	EXPECT_EQ(0, secmem_with_bytes_mut(secret, SECMEM_FOREVER, nothing_mut,
					   NULL, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, exit_thread, &secret));
	ASSERT_EQ(0, pthread_join(thread, &value));
	EXPECT_EQ(&secret, value);
	EXPECT_EQ(0, readers_of(secret));
	EXPECT_EQ(0, secmem_close(secret, SECMEM_FOREVER));
}

/* Coroutines, each inside a callback on a secret of its own. */
#define COROUTINES 3
#define STACK 65536

static ucontext_t scheduler;

static struct coroutine {
	ucontext_t context;
	secmem_secret_t secret;
	char *stack;
	int error;
} coroutines[COROUTINES];

static int yield(const void *data, size_t length, void *argument)
{
	struct coroutine *coroutine = argument;

	(void)data;
	(void)length;
	/* swapcontext may return in another thread. */
	swapcontext(&coroutine->context, &scheduler);
	return 0;
}

static void coroutine_run(int index)
{
	struct coroutine *coroutine = &coroutines[index];

	coroutine->error = secmem_with_bytes(coroutine->secret, SECMEM_FOREVER,
					     yield, coroutine, NULL);
}

static int coroutine_start(int index)
{
	struct coroutine *coroutine = &coroutines[index];

	coroutine->error = 1;
	coroutine->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (coroutine->stack == MAP_FAILED ||
	    secmem_create_zero(&coroutine->secret, 8, NULL) ||
	    getcontext(&coroutine->context))
		return 1;
	coroutine->context.uc_stack.ss_sp = coroutine->stack;
	coroutine->context.uc_stack.ss_size = STACK;
	coroutine->context.uc_link = &scheduler;
	makecontext(&coroutine->context, (void (*)(void))coroutine_run, 1,
		    index);
	return swapcontext(&scheduler, &coroutine->context) ||
	       readers_of(coroutine->secret) != 1;
}

/* Lets a coroutine run to its end, and frees its stack. */
static int coroutine_end(int index)
{
	struct coroutine *coroutine = &coroutines[index];
	int failed;

	failed = swapcontext(&scheduler, &coroutine->context) ||
		 coroutine->error || readers_of(coroutine->secret);
	munmap(coroutine->stack, STACK);
	return failed;
}

TEST(coroutines_end_in_any_order)
{
	static const int orders[][COROUTINES] = {
		{ 0, 1, 2 }, { 1, 0, 2 }, { 2, 0, 1 }, { 2, 1, 0 }
	};
	secmem_secret_t other;
	unsigned int i;
	int j;

	ASSERT_EQ(0, create_text(&other));
	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		for (j = 0; j < COROUTINES; j++)
			ASSERT_EQ(0, coroutine_start(j));
		/* The library still knows what this thread is inside. */
		EXPECT_EQ(-EDEADLK,
			  secmem_close(coroutines[1].secret, SECMEM_FOREVER));
		for (j = 0; j < COROUTINES; j++) {
			ASSERT_EQ(0, coroutine_end(orders[i][j]));
			EXPECT_EQ(0,
				  secmem_close(coroutines[orders[i][j]].secret,
					       SECMEM_FOREVER));
		}
		/* A call that may wait looks through what the thread holds. */
		EXPECT_EQ(0, secmem_write(other, "x", 1, 0, SECMEM_FOREVER));
	}
	EXPECT_EQ(0, secmem_close(other, SECMEM_FOREVER));
}

static void *coroutine_start_run(void *argument)
{
	(void)argument;
	return coroutine_start(0) ? NULL : &coroutines[0];
}

TEST(coroutine_may_end_on_another_thread)
{
	struct secmem_access access;
	pthread_t thread;
	void *value;

	ASSERT_EQ(0, pthread_create(&thread, NULL, coroutine_start_run, NULL));
	ASSERT_EQ(0, pthread_join(thread, &value));
	ASSERT_EQ(&coroutines[0], value);
	/* The coroutine began in another thread, so this is no EDEADLK. */
	EXPECT_EQ(-ETIMEDOUT, secmem_acquire(coroutines[0].secret, SECMEM_WRITE,
					     10 * MS, &access));
	ASSERT_EQ(0, coroutine_end(0));
	EXPECT_EQ(0, secmem_close(coroutines[0].secret, SECMEM_FOREVER));
}
#endif

TEST_HARNESS_MAIN
