// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lock of a secret, described in lock.h. Waiters sleep in the kernel's
 * queues for bits, one is woken at each release, and whoever comes first has
 * the lock: nothing is handed to a sleeper that is not scheduled.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/wait_bit.h>

#include "base.h"
#include "lock.h"

struct secmem_lock_sleeper {
	struct wait_bit_queue_entry entry;
	s64 deadline;
};

/* How often to try before going to sleep: a holder that runs is soon done. */
#define SECMEM_LOCK_SPINS	100

/**
 * secmem_lock_init - a lock that nobody holds
 * @lock: the lock
 *
 * Context: Any; nobody else knows the lock.
 */
void secmem_lock_init(struct secmem_lock *lock)
{
#ifdef CONFIG_LOCKDEP
	static struct lock_class_key key;

	lockdep_init_map(&lock->dep_map, "secmem_secret", &key, 0);
#endif
	atomic_long_set(&lock->word, 0);
}

static bool secmem_lock_grab(struct secmem_lock *lock)
{
	long word = atomic_long_read(&lock->word);

	while (!(word & SECMEM_LOCK_HELD))
		if (atomic_long_try_cmpxchg_acquire(&lock->word, &word,
						    word | SECMEM_LOCK_HELD))
			return true;
	return false;
}

/**
 * secmem_lock_try - take a lock that nobody holds
 * @lock: the lock
 *
 * Context: Process context; any other lock may be held.
 * Return: whether the caller holds it now.
 */
bool secmem_lock_try(struct secmem_lock *lock)
{
	if (!secmem_lock_grab(lock))
		return false;
	mutex_acquire(&lock->dep_map, 0, 1, _RET_IP_);
	return true;
}

static int secmem_lock_sleep(struct wait_bit_key *key, int mode)
{
	struct secmem_lock_sleeper *sleeper =
		container_of(key, struct secmem_lock_sleeper, entry.key);
	ktime_t expires = sleeper->deadline;

	if (signal_pending_state(mode, current))
		return -EINTR;
	if (sleeper->deadline == SECMEM_FOREVER)
		schedule();
	else if (!schedule_hrtimeout_range(&expires, current->timer_slack_ns,
					   HRTIMER_MODE_ABS))
		return -ETIMEDOUT;
	return signal_pending_state(mode, current) ? -EINTR : 0;
}

/**
 * secmem_lock_wait - take a lock, or give up
 * @lock: the lock
 * @mode: TASK_INTERRUPTIBLE or TASK_KILLABLE
 * @deadline: absolute, CLOCK_MONOTONIC nanoseconds, or SECMEM_FOREVER
 *
 * Context: Process context. Sleeps, so nothing may be held that others need.
 * Return: 0 with the lock held; -EINTR or -ETIMEDOUT without it.
 */
int secmem_lock_wait(struct secmem_lock *lock, unsigned int mode, s64 deadline)
{
	unsigned long *word = (unsigned long *)&lock->word.counter;
	struct secmem_lock_sleeper sleeper = {
		.entry = {
			.key = __WAIT_BIT_KEY_INITIALIZER(word,
							  SECMEM_LOCK_HELD_BIT),
			.wq_entry = {
				.private = current,
				.func = wake_bit_function,
			},
		},
		.deadline = deadline,
	};
	unsigned int spins = SECMEM_LOCK_SPINS;
	int ret;

	might_sleep();
	while (spins-- && !need_resched()) {
		if (secmem_lock_try(lock))
			return 0;
		cpu_relax();
	}
	INIT_LIST_HEAD(&sleeper.entry.wq_entry.entry);
	/* Who releases the lock after this looks for somebody to wake. */
	atomic_long_add(SECMEM_LOCK_WAITER, &lock->word);
	/*
	 * Before it gives up it tries once more, so that a wake-up that was
	 * meant for it is not lost for those behind it.
	 */
	ret = __wait_on_bit_lock(bit_waitqueue(word, SECMEM_LOCK_HELD_BIT),
				 &sleeper.entry, secmem_lock_sleep, mode);
	atomic_long_sub(SECMEM_LOCK_WAITER, &lock->word);
	if (!ret)
		mutex_acquire(&lock->dep_map, 0, 0, _RET_IP_);
	return ret;
}

/**
 * secmem_lock_release - let go, unless there are errands
 * @lock: held by the caller
 *
 * Context: Process context.
 * Return: 0, and the lock is not held any more; or errands, which nobody else
 * knows of now, with the lock still held.
 */
unsigned long secmem_lock_release(struct secmem_lock *lock)
{
	long word = atomic_long_read(&lock->word);

	do {
		if (unlikely(word & SECMEM_ERRANDS))
			return atomic_long_fetch_andnot(SECMEM_ERRANDS,
							&lock->word) &
			       SECMEM_ERRANDS;
	} while (!atomic_long_try_cmpxchg_release(&lock->word, &word,
						  word & ~SECMEM_LOCK_HELD));
	mutex_release(&lock->dep_map, _RET_IP_);
	if (unlikely(word >= (long)SECMEM_LOCK_WAITER)) {
		/*
		 * Pairs with the test_and_set_bit() of who stands in the queue
		 * already: it sees the lock free, or is seen there.
		 */
		smp_mb();
		wake_up_bit((unsigned long *)&lock->word.counter,
			    SECMEM_LOCK_HELD_BIT);
	}
	return 0;
}

/**
 * secmem_lock_leave - leave an errand with who holds a lock
 * @lock: the lock
 * @errand: a bit of SECMEM_ERRANDS
 *
 * Context: Process context; any other lock may be held.
 * Return: true, the holder does it; false, nobody held the lock, and the caller
 * holds it now, to do it.
 */
bool secmem_lock_leave(struct secmem_lock *lock, unsigned long errand)
{
	long word = atomic_long_read(&lock->word);

	do {
		if (!(word & SECMEM_LOCK_HELD) && secmem_lock_try(lock))
			return false;
		word |= SECMEM_LOCK_HELD;
	} while (!atomic_long_try_cmpxchg(&lock->word, &word, word | errand));
	return true;
}

/**
 * secmem_lock_hand_over - another task will hold the lock in the caller's place
 * @lock: held by the caller
 *
 * Context: Process context. That task begins with secmem_lock_take_over().
 */
void secmem_lock_hand_over(struct secmem_lock *lock)
{
	lockdep_assert_held(lock);
	mutex_release(&lock->dep_map, _RET_IP_);
}

/**
 * secmem_lock_take_over - go on where secmem_lock_hand_over() left it
 * @lock: held, by the caller from now on
 *
 * Context: Process context.
 */
void secmem_lock_take_over(struct secmem_lock *lock)
{
	mutex_acquire(&lock->dep_map, 0, 1, _RET_IP_);
}
