// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a secret: for its lock, which anybody may hold who has a grant, and
 * for the accesses that are in the way of what a call wants. Both end with the
 * call's deadline, and with a signal. A deadline comes by the clock of the caller's
 * time namespace, and is converted here.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/time_namespace.h>

#include "trace.h"
#include "wait.h"

/**
 * secmem_deadline_shift - a deadline of the caller's, by the machine's clock
 * @deadline: nanoseconds, 0 or more, of CLOCK_MONOTONIC in the caller's time
 * namespace
 *
 * Context: Process context.
 * Return: it by the machine's own CLOCK_MONOTONIC, as near as that can show it.
 */
s64 secmem_deadline_shift(s64 deadline)
{
	struct timespec64 shift = {};
	s64 host;

	timens_add_monotonic(&shift);
	/* A time before the machine's start has passed. */
	if (check_sub_overflow(deadline, timespec64_to_ns(&shift), &host))
		return KTIME_MAX;
	return max_t(s64, host, 0);
}

/* Wake a call that waits, and tell it how the secret ended, if it did. */
static int secmem_waiter_wake(struct wait_queue_entry *entry,
			      unsigned int mode, int sync, void *key)
{
	struct secmem_waiter *waiter = container_of(entry, struct secmem_waiter,
						    entry);

	/* The next secret of the place ends, too, while this one is leaving. */
	if (key && waiter->end == SECMEM_END_NONE)
		waiter->end = (unsigned long)key;
	return default_wake_function(entry, mode, sync, key);
}

/**
 * secmem_waiter_queue - put a call into the queue of a secret
 * @waiter: from secmem_waiter_setup(); it may stand there
 * @mode: how it will sleep
 *
 * Context: The caller holds the secret's lock, and has a cold part for it.
 */
void secmem_waiter_queue(struct secmem_waiter *waiter, unsigned int mode)
{
	lockdep_assert_held(&waiter->place->lock);
	if (!waiter->stands) {
		init_waitqueue_func_entry(&waiter->entry, secmem_waiter_wake);
		waiter->entry.private = current;
		INIT_LIST_HEAD(&waiter->entry.entry);
		waiter->stands = true;
	}
	prepare_to_wait(&waiter->place->cold->waitq, &waiter->entry, mode);
}

/**
 * secmem_waiter_leave - take a call out of the queue, if it stands there
 * @waiter: from secmem_waiter_setup()
 *
 * After this, @waiter->end says whether the secret ended while it stood there.
 *
 * Context: Process context.
 */
void secmem_waiter_leave(struct secmem_waiter *waiter)
{
	if (waiter->stands)
		finish_wait(&waiter->place->cold->waitq, &waiter->entry);
	waiter->stands = false;
}

/**
 * secmem_place_lock - lock a secret in a call that has no other wait
 * @place: the place
 *
 * Context: Process context, nothing held that others need. Sleeps.
 * Return: 0, or -EINTR where the caller is being killed.
 */
int secmem_place_lock(struct secmem_place *place)
{
	if (likely(secmem_lock_try(&place->lock)))
		return 0;
	return secmem_lock_wait(&place->lock, TASK_KILLABLE, SECMEM_FOREVER);
}

/**
 * secmem_waiter_setup - how a call may wait
 * @waiter: on the caller's stack
 * @grant: by which it came
 * @place: what it may wait for
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: absolute, CLOCK_MONOTONIC nanoseconds, or SECMEM_FOREVER
 *
 * Context: Process context.
 */
void secmem_waiter_setup(struct secmem_waiter *waiter,
			 struct secmem_grant *grant, struct secmem_place *place,
			 u32 flags, s64 deadline)
{
	waiter->place = place;
	waiter->grant = grant;
	waiter->flags = flags;
	waiter->deadline = deadline;
	waiter->stays = false;
	waiter->stands = false;
	waiter->queued = false;
	waiter->settled = false;
	waiter->settling = false;
	waiter->end = SECMEM_END_NONE;
}

/*
 * How long even a call with NOWAIT waits: for a lock that is held for a moment
 * by a task that runs, and for a worker that ends what lingers. Otherwise two
 * readers that come at the same time would refuse each other.
 */
#define SECMEM_MOMENT_NS	(50 * NSEC_PER_MSEC)

static s64 secmem_waiter_moment(const struct secmem_waiter *waiter)
{
	s64 moment = ktime_get_ns() + SECMEM_MOMENT_NS;

	if (waiter->flags & SECMEM_NOWAIT)
		return moment;
	return waiter->deadline == SECMEM_FOREVER ?
		       SECMEM_FOREVER :
		       max(waiter->deadline, moment);
}

/**
 * secmem_place_lock_wait - lock a secret in a call that may wait
 * @waiter: from secmem_waiter_setup()
 *
 * The lock is waited for as the call waits for accesses: until its deadline, or
 * a signal; but for a moment in any case.
 *
 * Context: Process context, nothing held that others need. Sleeps.
 * Return: 0 with the lock held; else -EAGAIN, -EINTR or -ETIMEDOUT.
 */
int secmem_place_lock_wait(struct secmem_waiter *waiter)
{
	struct secmem_lock *lock = &waiter->place->lock;
	bool nowait = waiter->flags & SECMEM_NOWAIT;
	int ret;

	if (likely(secmem_lock_try(lock)))
		return 0;
	ret = secmem_lock_wait(lock,
			       nowait ? TASK_KILLABLE :
					TASK_INTERRUPTIBLE | TASK_FREEZABLE,
			       secmem_waiter_moment(waiter));
	return ret == -ETIMEDOUT && nowait ? -EAGAIN : ret;
}

/**
 * secmem_waiter_begin - stand in line, and let go of the lock
 * @waiter: from secmem_waiter_setup()
 *
 * Nobody waits until what lingers ends by itself. If it lies in another process's
 * view, the lock is handed to a worker that ends it, once for each call; then
 * secmem_waiter_end() waits for that worker, even with NOWAIT.
 *
 * Context: The caller holds the secret's lock, and not any more on return; it
 * lets whatever else it holds go before secmem_waiter_end(). Wakers hold
 * the lock too, so no wake-up is lost in between.
 * Return: SECMEM_MUST_WAIT, or -EAGAIN where the call must not.
 */
int secmem_waiter_begin(struct secmem_waiter *waiter)
{
	struct secmem_place *place = waiter->place;
	struct secmem_cold *cold = place->cold;
	bool settle = secmem_place_is(place, SECMEM_IS_LINGER) &&
		      !waiter->settled &&
		      secmem_holder_far(waiter->grant, place);

	lockdep_assert_held(&place->lock);
	waiter->queued = false;
	if (!settle && (waiter->flags & SECMEM_NOWAIT)) {
		secmem_place_unlock(place);
		return -EAGAIN;
	}
	/*
	 * Without a cold part there is no queue: secmem_waiter_end() makes one,
	 * and the caller looks again.
	 */
	if (!cold) {
		secmem_place_unlock(place);
		return SECMEM_MUST_WAIT;
	}
	secmem_waiter_queue(waiter, waiter->flags & SECMEM_NOWAIT ?
					    TASK_KILLABLE :
					    TASK_INTERRUPTIBLE |
						    TASK_FREEZABLE);
	waiter->queued = true;
	waiter->settling = settle;
	atomic_inc(&cold->waiters);
	atomic_inc(&place->vault->waiters);
	secmem_count_add(waiters, 1);
	secmem_count_add(waits, 1);
	trace_secmem_wait(place->vault->number, secmem_secret_handle(place));
	if (settle) {
		waiter->settled = true;
		secmem_errand_hand_over(place, SECMEM_ERRAND_SETTLE);
	} else {
		secmem_place_unlock(place);
	}
	return SECMEM_MUST_WAIT;
}

/* Sleep until woken, with the task's state set. */
static int secmem_waiter_sleep(s64 deadline, unsigned int mode)
{
	ktime_t expires = deadline;

	if (signal_pending_state(mode, current))
		return -EINTR;
	if (deadline == SECMEM_FOREVER)
		schedule();
	else if (!schedule_hrtimeout_range(&expires, current->timer_slack_ns,
					   HRTIMER_MODE_ABS))
		return -ETIMEDOUT;
	return 0;
}

/**
 * secmem_waiter_end - sleep until woken
 * @waiter: begun by the same task
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 (look again; waiter->end says whether the secret has ended), -EINTR,
 * -ETIMEDOUT, or -EAGAIN where the call must not wait any longer.
 */
int secmem_waiter_end(struct secmem_waiter *waiter)
{
	bool nowait = waiter->flags & SECMEM_NOWAIT;
	unsigned int mode = nowait ? TASK_KILLABLE : TASK_INTERRUPTIBLE;
	struct secmem_cold *cold = waiter->place->cold;
	int ret;

	if (!waiter->queued) {
		secmem_place_need_cold(waiter->place);
		return 0;
	}
	ret = secmem_waiter_sleep(nowait || waiter->settling ?
					  secmem_waiter_moment(waiter) :
					  waiter->deadline,
				  mode);
	__set_current_state(TASK_RUNNING);
	if (!waiter->stays)
		secmem_waiter_leave(waiter);
	if (!ret && signal_pending_state(mode, current))
		ret = -EINTR;
	atomic_dec(&cold->waiters);
	atomic_dec(&waiter->place->vault->waiters);
	secmem_count_add(waiters, -1);
	return ret == -ETIMEDOUT && nowait ? -EAGAIN : ret;
}

/**
 * secmem_place_lock_for - lock a secret once an event may happen
 * @waiter: from secmem_waiter_setup()
 * @generation: which of the secrets that it has served is meant
 * @event: the event; it does not happen yet
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 with the secret locked; else not locked, and -EAGAIN, -EINTR,
 * -ETIMEDOUT or what secmem_place_peek() says.
 */
int secmem_place_lock_for(struct secmem_waiter *waiter, u32 generation,
			  enum secmem_event event)
{
	struct secmem_place *place = waiter->place;
	int ret;

	for (;;) {
		ret = secmem_place_lock_wait(waiter);
		if (ret)
			return ret;
		ret = secmem_place_peek_settled(waiter->grant, place,
						generation, event);
		if (!ret)
			return 0;
		if (ret == SECMEM_MUST_WAIT)
			ret = secmem_waiter_begin(waiter);
		else
			secmem_place_unlock(place);
		if (ret != SECMEM_MUST_WAIT)
			return ret;
		ret = secmem_waiter_end(waiter);
		if (ret)
			return ret;
	}
}
