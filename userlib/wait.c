// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Calls, and those that wait: deadlines, signals, cancellation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <time.h>
#include "internal.h"

static __thread int interruptible;

int secmem_wait_set_interruptible(int on)
{
	int before = interruptible;

	interruptible = !!on;
	return before;
}

int secmem__interrupted(int error)
{
	return error == -EINTR && interruptible;
}

/*
 * An error may mean that the descriptor leads to another file now: the grant is
 * checked, unless the error is one that only a wait has.
 */
static int call_end(const struct secmem__use *use, int error)
{
	if (!error || error == -EAGAIN || error == -EINTR ||
	    error == -ETIMEDOUT)
		return error;
	return secmem__grant_check(use) ? -EKEYREVOKED : error;
}

int secmem__call(const struct secmem__use *use, unsigned long request,
		 void *argument)
{
	int error;

	do {
		error = secmem__ioctl(use->grant->fd, request, argument);
	} while (error == -EINTR && !interruptible);
	return call_end(use, error);
}

int secmem__timeout_check(int64_t timeout)
{
	return timeout < SECMEM_FOREVER ? -EINVAL : 0;
}

static int64_t deadline_of(int64_t timeout)
{
	struct timespec now;
	int64_t deadline;

	if (timeout == SECMEM_FOREVER)
		return SECMEM_FOREVER;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (__builtin_mul_overflow(now.tv_sec, INT64_C(1000000000),
				   &deadline) ||
	    __builtin_add_overflow(deadline, now.tv_nsec, &deadline) ||
	    __builtin_add_overflow(deadline, timeout, &deadline))
		return INT64_MAX;
	return deadline;
}

/*
 * A thread may be cancelled at any instruction in here, as in libc's own calls
 * that wait. So this function does nothing that would have to be undone, and
 * its caller has a cleanup handler in place all the while.
 */
static __attribute__((__noinline__)) int
wait_cancelable(int fd, unsigned long request, void *argument)
{
	int result, type, error;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	do {
		result = ioctl(fd, request, argument);
		error = errno;
	} while (result < 0 && error == EINTR && !interruptible);
	pthread_setcanceltype(type, &type);
	return result < 0 ? -error : 0;
}

static void wait_cancelled(void *pointer)
{
	struct secmem__wait *wait = pointer;

	if (wait->undo)
		wait->undo(wait);
	secmem__grant_put(wait->use);
}

/*
 * The call is tried once without waiting. So a call that need not wait is no
 * cancellation point; and an error other than -EAGAIN is returned even where
 * this thread would wait for itself.
 */
int secmem__wait(struct secmem__wait *wait)
{
	int error;

	*wait->flags |= SECMEM_NOWAIT;
	*wait->deadline = SECMEM_FOREVER;
	error = secmem__call(wait->use, wait->request, wait->argument);
	if (error != -EAGAIN || !wait->timeout)
		return error;
	if (secmem__holds(wait->secret, wait->exclusive))
		return -EDEADLK;
	*wait->flags &= ~SECMEM_NOWAIT;
	*wait->deadline = deadline_of(wait->timeout);
	pthread_cleanup_push(wait_cancelled, wait);
	error = wait_cancelable(wait->use->grant->fd, wait->request,
				wait->argument);
	pthread_cleanup_pop(0);
	return call_end(wait->use, error);
}
