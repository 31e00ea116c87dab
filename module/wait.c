// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a secret: for its lock, which anybody may hold who has a grant, and
 * for the accesses that are in the way of what a call wants. Both end with the
 * call's deadline, and with a signal.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* A call that waits is told, if the secret ended, how it did. */
static int secmem_waiter_wake(struct wait_queue_entry *entry,
			      unsigned int mode, int sync, void *key)
{
	struct secmem_waiter *waiter = container_of(entry, struct secmem_waiter,
						    entry);

	if (key)
		waiter->end = (unsigned long)key;
	return default_wake_function(entry, mode, sync, key);
}

/**
 * secmem_waiter_queue - put a call into the queue of a secret
 * @waiter: from secmem_secret_wait_setup()
 * @mode: how it will sleep
 *
 * Context: The caller holds the secret's lock, and has a cold part for it.
 */
void secmem_waiter_queue(struct secmem_waiter *waiter, unsigned int mode)
{
	lockdep_assert_held(&waiter->secret->lock);
	init_waitqueue_func_entry(&waiter->entry, secmem_waiter_wake);
	waiter->entry.private = current;
	INIT_LIST_HEAD(&waiter->entry.entry);
	prepare_to_wait(&waiter->secret->cold->waitq, &waiter->entry, mode);
}

/**
 * secmem_secret_wake - wake all calls that wait for a secret
 * @secret: the place
 * @end: how it ended, if it did
 *
 * They stand in the queue before they let go of the lock under which they look,
 * and whoever wakes holds it; so who is not seen here has yet to look.
 *
 * Context: The caller holds @secret's lock.
 */
void secmem_secret_wake(struct secmem_secret *secret, enum secmem_end end)
{
	lockdep_assert_held(&secret->lock);
	/* The lock is the barrier. */
	if (secret->cold && waitqueue_active(&secret->cold->waitq))
		__wake_up(&secret->cold->waitq, TASK_NORMAL, 0,
			  (void *)(unsigned long)end);
}

/**
 * secmem_secret_need_cold - see to it that a secret has its cold part
 * @secret: the place; it keeps what it got as long as it is one
 *
 * So small an allocation does not fail: a closer that found no memory to wait
 * with could neither wait nor go.
 *
 * Context: Process context, may sleep. Neither @secret's lock nor mmap_lock is
 * held: a caller at the limit of its memory cgroup may be here for long.
 */
void secmem_secret_need_cold(struct secmem_secret *secret)
{
	struct secmem_cold *cold;

	if (READ_ONCE(secret->cold))
		return;
	cold = kzalloc(sizeof(*cold), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	init_waitqueue_head(&cold->waitq);
	INIT_WORK(&cold->errand, secmem_errand_work);
	INIT_WORK(&cold->settle, secmem_linger_settle);
	INIT_WORK(&cold->tell, secmem_watch_work);
	INIT_LIST_HEAD(&cold->lingers);
	spin_lock_init(&cold->watch_lock);
	INIT_LIST_HEAD(&cold->watched);
	cold->secret = secret;
	/* Fully ordered: who sees the pointer sees what is behind it. */
	if (cmpxchg(&secret->cold, NULL, cold))
		kfree(cold);
}

/**
 * secmem_secret_lock - lock a secret in a call that has no other wait
 * @secret: the place
 *
 * Context: Process context, nothing held that others need. Sleeps.
 * Return: 0, or -EINTR where the caller is being killed.
 */
int secmem_secret_lock(struct secmem_secret *secret)
{
	if (likely(secmem_lock_try(&secret->lock)))
		return 0;
	return secmem_lock_wait(&secret->lock, TASK_KILLABLE, SECMEM_FOREVER);
}

/**
 * secmem_secret_unlock - let go of a secret's lock, once its errands are done
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_unlock(struct secmem_secret *secret)
{
	unsigned long errands;

	while ((errands = secmem_lock_release(&secret->lock))) {
		/* An errand may sleep; who was about to wait looks again. */
		__set_current_state(TASK_RUNNING);
		if (secmem_errand_run(secret, errands))
			return;
	}
}

/**
 * secmem_secret_wait_setup - how a call may wait
 * @waiter: on the caller's stack
 * @grant: by which it came
 * @secret: what it may wait for
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: absolute, CLOCK_MONOTONIC nanoseconds, or SECMEM_FOREVER
 *
 * Context: Process context.
 */
void secmem_secret_wait_setup(struct secmem_waiter *waiter,
			      struct secmem_grant *grant,
			      struct secmem_secret *secret, u32 flags,
			      s64 deadline)
{
	waiter->secret = secret;
	waiter->grant = grant;
	waiter->flags = flags;
	waiter->deadline = deadline;
	waiter->queued = false;
	waiter->settled = false;
	waiter->settling = false;
	waiter->end = SECMEM_END_NONE;
}

/*
 * For how long even a call that must not wait does so: for a lock that is held
 * for a moment by whoever runs, and for a worker that ends what lingers. Else
 * two readers that come at the same time would refuse each other.
 */
#define SECMEM_MOMENT_NS	(50 * NSEC_PER_MSEC)

static s64 secmem_secret_moment(const struct secmem_waiter *waiter)
{
	s64 moment = ktime_get_ns() + SECMEM_MOMENT_NS;

	if (waiter->flags & SECMEM_NOWAIT)
		return moment;
	return waiter->deadline == SECMEM_FOREVER ?
		       SECMEM_FOREVER :
		       max(waiter->deadline, moment);
}

/**
 * secmem_secret_lock_wait - lock a secret in a call that may wait
 * @waiter: from secmem_secret_wait_setup()
 *
 * The lock is waited for as the call waits for accesses: until its deadline, or
 * a signal; but for a moment in any case.
 *
 * Context: Process context, nothing held that others need. Sleeps.
 * Return: 0 with the lock held; else -EAGAIN, -EINTR or -ETIMEDOUT.
 */
int secmem_secret_lock_wait(struct secmem_waiter *waiter)
{
	struct secmem_lock *lock = &waiter->secret->lock;
	bool nowait = waiter->flags & SECMEM_NOWAIT;
	int ret;

	if (likely(secmem_lock_try(lock)))
		return 0;
	ret = secmem_lock_wait(lock, nowait ? TASK_KILLABLE :
					      TASK_INTERRUPTIBLE |
						      TASK_FREEZABLE,
			       secmem_secret_moment(waiter));
	return ret == -ETIMEDOUT && nowait ? -EAGAIN : ret;
}

/**
 * secmem_secret_wait_begin - stand in line, and let go of the lock
 * @waiter: from secmem_secret_wait_setup()
 *
 * What lingers is not waited for, but where it lies in another process's view, a
 * worker ends it: that, too, is what secmem_secret_wait_end() waits for.
 *
 * Context: The caller holds the secret's lock, and not any more on return; it
 * lets whatever else it holds go before secmem_secret_wait_end(). Wakers hold
 * the lock too, so no wake-up is lost in between.
 * Return: SECMEM_MUST_WAIT, or -EAGAIN where the call must not.
 */
int secmem_secret_wait_begin(struct secmem_waiter *waiter)
{
	struct secmem_secret *secret = waiter->secret;
	struct secmem_cold *cold = secret->cold;
	bool settle = secmem_secret_is(secret, SECMEM_IS_LINGER) &&
		      !waiter->settled &&
		      secmem_access_far(waiter->grant, secret);

	lockdep_assert_held(&secret->lock);
	waiter->queued = false;
	if (!settle && (waiter->flags & SECMEM_NOWAIT)) {
		secmem_secret_unlock(secret);
		return -EAGAIN;
	}
	/* Then the wait's end makes one, and the caller looks again. */
	if (!cold) {
		secmem_secret_unlock(secret);
		return SECMEM_MUST_WAIT;
	}
	secmem_waiter_queue(waiter, waiter->flags & SECMEM_NOWAIT ?
					    TASK_KILLABLE :
					    TASK_INTERRUPTIBLE |
						    TASK_FREEZABLE);
	waiter->queued = true;
	waiter->settling = settle;
	atomic_inc(&cold->waiters);
	atomic_inc(&secret->vault->waiters);
	secmem_count_add(waiters, 1);
	secmem_count_add(waits, 1);
	trace_secmem_wait(secret->vault->number, secmem_secret_handle(secret));
	if (settle) {
		waiter->settled = true;
		secmem_errand_hand_over(secret, SECMEM_ERRAND_SETTLE);
	} else {
		secmem_secret_unlock(secret);
	}
	return SECMEM_MUST_WAIT;
}

/* Sleep until woken, with the task's state set. */
static int secmem_secret_sleep(s64 deadline, unsigned int mode)
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
 * secmem_secret_wait_end - sleep until woken
 * @waiter: begun by the same task
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 (look again; waiter->end says whether the secret has ended), -EINTR,
 * -ETIMEDOUT, or -EAGAIN where the call must not wait any longer.
 */
int secmem_secret_wait_end(struct secmem_waiter *waiter)
{
	bool nowait = waiter->flags & SECMEM_NOWAIT;
	unsigned int mode = nowait ? TASK_KILLABLE : TASK_INTERRUPTIBLE;
	struct secmem_cold *cold = waiter->secret->cold;
	int ret;

	if (!waiter->queued) {
		secmem_secret_need_cold(waiter->secret);
		return 0;
	}
	ret = secmem_secret_sleep(nowait || waiter->settling ?
					  secmem_secret_moment(waiter) :
					  waiter->deadline, mode);
	finish_wait(&cold->waitq, &waiter->entry);
	if (!ret && signal_pending_state(mode, current))
		ret = -EINTR;
	atomic_dec(&cold->waiters);
	atomic_dec(&waiter->secret->vault->waiters);
	secmem_count_add(waiters, -1);
	return ret == -ETIMEDOUT && nowait ? -EAGAIN : ret;
}

/**
 * secmem_secret_lock_for - lock a secret once an event may happen
 * @waiter: from secmem_secret_wait_setup()
 * @generation: which of the secrets that it has served is meant
 * @event: the event; it does not happen yet
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 with the secret locked; else not locked, and -EAGAIN, -EINTR,
 * -ETIMEDOUT or what secmem_secret_peek() says.
 */
int secmem_secret_lock_for(struct secmem_waiter *waiter, u32 generation,
			   enum secmem_event event)
{
	struct secmem_secret *secret = waiter->secret;
	int ret;

	for (;;) {
		ret = secmem_secret_lock_wait(waiter);
		if (ret)
			return ret;
		ret = secmem_secret_ask(waiter->grant, secret, generation,
					event);
		if (!ret)
			return 0;
		if (ret == SECMEM_MUST_WAIT)
			ret = secmem_secret_wait_begin(waiter);
		else
			secmem_secret_unlock(secret);
		if (ret != SECMEM_MUST_WAIT)
			return ret;
		ret = secmem_secret_wait_end(waiter);
		if (ret)
			return ret;
	}
}
