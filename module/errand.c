// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errands: what somebody wants done to a secret who may not wait for its lock,
 * and what the holder of the lock may not do himself.
 *
 *	who wants it		tries the lock, and does it, or leaves it there
 *	who holds the lock	does what was left before he lets go
 *	a worker		does what zaps entries in a view of another process
 *
 * The worker gets the lock together with the work, so that nobody comes in
 * between. While it zaps, core mm holds locks of that view's mapping. Were it a
 * thread of the one who wants the zap, it might be one that is not scheduled for
 * long, and the other process could not touch its own secrets meanwhile. And
 * where the other process keeps these locks to itself, the worker waits for them,
 * while who wanted it can still be killed.
 */
#include "internal.h"

/*
 * The exit of a process waits for the first two, and gives its memory back after
 * that: they go on where memory is short.
 */
static struct workqueue_struct *secmem_errands;

/* Of the ends of mms, which wait for errands. */
static struct workqueue_struct *secmem_ends;

/* Of who only tells others: however many there are, it takes no priority. */
static struct workqueue_struct *secmem_tellers;

/**
 * secmem_errand_setup - at module load
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int secmem_errand_setup(void)
{
	const unsigned int flags = WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM;

	secmem_errands = alloc_workqueue("secmem", flags, 0);
	secmem_ends = alloc_workqueue("secmem-end", flags, 0);
	secmem_tellers = alloc_workqueue("secmem-tell", WQ_UNBOUND, 0);
	if (secmem_errands && secmem_ends && secmem_tellers)
		return 0;
	secmem_errand_teardown();
	return -ENOMEM;
}

/**
 * secmem_errand_teardown - at module unload, or where the setup failed
 *
 * Context: Process context, may sleep; nobody is left who has errands.
 */
void secmem_errand_teardown(void)
{
	struct workqueue_struct * const queues[] = { secmem_ends, secmem_errands,
						     secmem_tellers };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		if (queues[i])
			destroy_workqueue(queues[i]);
}

/**
 * secmem_errand_tell - let a worker wake those who watch
 * @work: what
 *
 * Context: Any.
 * Return: false where it was queued already, and has not begun.
 */
bool secmem_errand_tell(struct work_struct *work)
{
	return queue_work(secmem_tellers, work);
}

/**
 * secmem_errand_end - let a worker take the grants off an mm that has ended
 * @work: its
 *
 * Context: Any.
 */
void secmem_errand_end(struct work_struct *work)
{
	queue_work(secmem_ends, work);
}

/**
 * secmem_errand_queue - let a worker of the module's do something
 * @work: what
 *
 * Context: Any.
 * Return: false where it was queued already, and has not begun.
 */
bool secmem_errand_queue(struct work_struct *work)
{
	return queue_work(secmem_errands, work);
}

/* With the secret's lock: all errands, whoever's view is zapped. */
static void secmem_errand_do(struct secmem_secret *secret,
			     unsigned long errands)
{
	lockdep_assert_held(&secret->lock);
	if (errands & SECMEM_ERRAND_ABANDON)
		secmem_access_abandon(secret);
	if (errands & SECMEM_ERRAND_REVOKE)
		secmem_secret_revoke_locked(secret);
	if (errands & SECMEM_ERRAND_CLOSE)
		secmem_secret_close_left(secret);
	if (errands & SECMEM_ERRAND_JUDGE)
		secmem_secret_judge(secret);
	if (errands & (SECMEM_ERRAND_JUDGE | SECMEM_ERRAND_SETTLE |
		       SECMEM_ERRAND_CLOSE))
		secmem_access_settle(secret);
}

/**
 * secmem_errand_unlock - secmem_secret_unlock() of a worker
 * @secret: the place
 *
 * It does all errands itself, and hands none on: who waits until it is through
 * waits for what was left with it, too.
 *
 * Context: A worker, which holds @secret's lock.
 */
void secmem_errand_unlock(struct secmem_secret *secret)
{
	unsigned long errands;

	while ((errands = secmem_lock_release(&secret->lock)))
		secmem_errand_do(secret, errands);
}

/**
 * secmem_errand_work - where a secret's lock has been handed to a worker
 * @work: of the secret's cold part
 *
 * Context: Process context, with a reference to the vault that is given back.
 */
void secmem_errand_work(struct work_struct *work)
{
	struct secmem_cold *cold = container_of(work, struct secmem_cold,
						errand);
	struct secmem_secret *secret = cold->secret;
	struct secmem_vault *vault = secret->vault;

	secmem_lock_take_over(&secret->lock);
	secmem_errand_do(secret, cold->errands);
	secmem_errand_unlock(secret);
	secmem_vault_put(vault);
}

/**
 * secmem_errand_hand_over - let a worker do errands, and let go of the lock
 * @secret: it has a cold part
 * @errands: SECMEM_ERRAND_*
 *
 * Context: Process context. The caller holds @secret's lock, and does not any
 * more on return.
 */
void secmem_errand_hand_over(struct secmem_secret *secret,
			     unsigned long errands)
{
	struct secmem_cold *cold = secret->cold;

	lockdep_assert_held(&secret->lock);
	cold->errands = errands;
	kref_get(&secret->vault->ref);
	secmem_lock_hand_over(&secret->lock);
	secmem_errand_queue(&cold->errand);
}

/*
 * May it zap entries in a view of another process? One that ends what is its own
 * does so itself; whoever finds that errand would do it in a stranger's.
 */
static bool secmem_errand_far(struct secmem_secret *secret,
			      unsigned long errands)
{
	if (!secmem_access_far(NULL, secret))
		return false;
	return secmem_secret_is(secret, SECMEM_IS_LINGER) ||
	       errands & SECMEM_ERRAND_ABANDON ||
	       (errands & SECMEM_ERRAND_JUDGE && secmem_secret_doomed(secret));
}

/**
 * secmem_errand_run - do errands, or hand them to a worker
 * @secret: the place
 * @errands: SECMEM_ERRAND_*
 *
 * Context: Process context. The caller holds @secret's lock.
 * Return: true where a worker has the lock now.
 */
bool secmem_errand_run(struct secmem_secret *secret, unsigned long errands)
{
	lockdep_assert_held(&secret->lock);
	/* Whoever left such an errand has seen to the cold part. */
	if (secmem_errand_far(secret, errands) && !WARN_ON_ONCE(!secret->cold)) {
		secmem_errand_hand_over(secret, errands);
		return true;
	}
	secmem_errand_do(secret, errands);
	return false;
}

/*
 * Take the lock, or leave the errand there. Who finds it may have to hand it to a
 * worker, for which the cold part must be there by then.
 */
static bool secmem_errand_leave(struct secmem_secret *secret,
				unsigned long errand)
{
	if (secmem_lock_try(&secret->lock))
		return false;
	secmem_secret_need_cold(secret);
	return secmem_lock_leave(&secret->lock, errand);
}

/**
 * secmem_errand_abandon - have a grant's access ended
 * @grant: the access is marked
 * @secret: the place
 *
 * Its own is zapped here, where it is a stranger to nobody; not what another mm
 * that ends has marked meanwhile.
 *
 * Context: Process context; waits for no lock of a secret.
 */
void secmem_errand_abandon(struct secmem_grant *grant,
			   struct secmem_secret *secret)
{
	if (secmem_errand_leave(secret, SECMEM_ERRAND_ABANDON))
		return;
	secmem_access_abandon_own(grant, secret);
	secmem_secret_unlock(secret);
}

/**
 * secmem_errand_send - have an errand done, by whoever holds the secret's lock
 * @secret: the place
 * @errand: SECMEM_ERRAND_*
 *
 * Context: Process context; waits for no lock of a secret.
 * Return: true where it is done; false where it is left with who holds the lock,
 * or with a worker.
 */
bool secmem_errand_send(struct secmem_secret *secret, unsigned long errand)
{
	if (secmem_errand_leave(secret, errand))
		return false;
	/* The cold part is made without the lock. */
	while (!secret->cold && secmem_errand_far(secret, errand)) {
		secmem_secret_unlock(secret);
		secmem_secret_need_cold(secret);
		if (secmem_lock_leave(&secret->lock, errand))
			return false;
	}
	if (secmem_errand_run(secret, errand))
		return false;
	secmem_secret_unlock(secret);
	return true;
}

/**
 * secmem_errand_flush - wait for the workers of a secret
 * @secret: no grant is left that keeps it
 *
 * Context: Process context. Sleeps; they may stand behind locks of core mm's in
 * a mapping of a process that ended, too.
 */
void secmem_errand_flush(struct secmem_secret *secret)
{
	struct secmem_cold *cold = READ_ONCE(secret->cold);

	if (cold) {
		flush_work(&cold->settle);
		flush_work(&cold->errand);
	}
}
