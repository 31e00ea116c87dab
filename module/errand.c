// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errands: what somebody wants done to a secret who may not wait for its lock,
 * and what the holder of the lock may not do himself.
 *
 *	who wants it		tries the lock, and does it, or leaves it there
 *	who holds the lock	does what was left before he lets go
 *	a worker		does what zaps entries in a view of another process
 *
 * Who wants which:
 *
 *	REAP	access.c: an mm has ended, or a file is gone
 *	JUDGE	keep.c, drop.c: somebody keeps a secret no more, or its vault ends,
 *		or a gate is shut (power.c)
 *	SETTLE	linger.c: the tick; wait.c: a call that would have to wait
 *	REVOKE	secret.c: always handed to a worker
 *	CLOSE	secret.c: a closer that gave up waiting for the lock
 *
 * The worker gets the lock together with the work, so that nobody comes in
 * between. While it zaps, core mm holds locks of that view's mapping. Were it a
 * thread of the one who wants the zap, it might be one that is not scheduled for
 * long, and the other process could not touch its own secrets meanwhile. And
 * where the other process keeps these locks to itself, the worker waits for them,
 * while who wanted it can still be killed.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "end.h"
#include "errand.h"
#include "watch.h"
#include "work.h"

/* Do all errands, with the lock held, whoever's view is zapped. */
static void secmem_errand_do(struct secmem_place *place, unsigned long errands)
{
	lockdep_assert_held(&place->lock);
	if (errands & SECMEM_ERRAND_REAP)
		secmem_place_reap(place);
	if (errands & SECMEM_ERRAND_REVOKE)
		secmem_secret_revoke_locked(place);
	if (errands & SECMEM_ERRAND_CLOSE)
		secmem_secret_close_left(place);
	if (errands & SECMEM_ERRAND_JUDGE)
		secmem_place_judge(place);
	if (errands & (SECMEM_ERRAND_JUDGE | SECMEM_ERRAND_SETTLE |
		       SECMEM_ERRAND_CLOSE))
		secmem_place_settle(place);
}

/*
 * The worker's secmem_place_unlock(). A worker does all errands itself: who
 * flushes the worker has thereby waited for errands that were left with it.
 */
static void secmem_errand_unlock(struct secmem_place *place)
{
	unsigned long errands;

	while ((errands = secmem_lock_release(&place->lock)))
		secmem_errand_do(place, errands);
}

/*
 * A worker has been handed the lock of a place, and a reference to the vault.
 */
static void secmem_errand_work(struct work_struct *work)
{
	struct secmem_cold *cold = container_of(work, struct secmem_cold,
						errand);
	struct secmem_place *place = cold->place;
	struct secmem_vault *vault = place->vault;

	secmem_lock_take_over(&place->lock);
	secmem_errand_do(place, cold->errands);
	secmem_errand_unlock(place);
	secmem_vault_put(vault);
}

/* A worker ends what lingers; it has a reference to the vault. */
static void secmem_errand_settle(struct work_struct *work)
{
	struct secmem_cold *cold = container_of(work, struct secmem_cold,
						settle);
	struct secmem_place *place = cold->place;
	struct secmem_vault *vault = place->vault;

	if (!secmem_lock_leave(&place->lock, SECMEM_ERRAND_SETTLE)) {
		secmem_place_settle(place);
		secmem_errand_unlock(place);
	}
	secmem_vault_put(vault);
}

/**
 * secmem_place_need_cold - see to it that a secret has its cold part
 * @place: the place; the cold part is freed with it
 *
 * So small an allocation does not fail: a closer that found no memory to wait
 * with could neither wait nor go.
 *
 * Context: Process context, may sleep. Neither @place's lock nor mmap_lock is
 * held: a caller at the limit of its memory cgroup may be here for long.
 */
void secmem_place_need_cold(struct secmem_place *place)
{
	struct secmem_cold *cold;

	if (READ_ONCE(place->cold))
		return;
	cold = kzalloc(sizeof(*cold), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	init_waitqueue_head(&cold->waitq);
	INIT_WORK(&cold->errand, secmem_errand_work);
	INIT_WORK(&cold->settle, secmem_errand_settle);
	INIT_WORK(&cold->tell, secmem_watch_work);
	INIT_LIST_HEAD(&cold->lingers);
	spin_lock_init(&cold->watch_lock);
	INIT_LIST_HEAD(&cold->watched);
	cold->place = place;
	/*
	 * cmpxchg() is fully ordered: who sees the pointer sees the cold part
	 * initialised.
	 */
	if (cmpxchg(&place->cold, NULL, cold))
		kfree(cold);
}

/**
 * secmem_errand_hand_over - let a worker do errands, and let go of the lock
 * @place: it has a cold part
 * @errands: SECMEM_ERRAND_*
 *
 * Context: Process context. The caller holds @place's lock, and does not any
 * more on return.
 */
void secmem_errand_hand_over(struct secmem_place *place, unsigned long errands)
{
	struct secmem_cold *cold = place->cold;

	lockdep_assert_held(&place->lock);
	cold->errands = errands;
	kref_get(&place->vault->ref);
	secmem_lock_hand_over(&place->lock);
	secmem_work_queue(&cold->errand);
}

/*
 * May these errands zap entries in another process's view? Not where no holder
 * stands. Else all may where the secret lingers, as they settle it; JUDGE may where
 * the secret is doomed; and REAP may: another task left it, so the accesses that
 * it ends are not the caller's.
 */
static bool secmem_errand_far(struct secmem_place *place, unsigned long errands)
{
	if (!secmem_holder_far(NULL, place))
		return false;
	return secmem_place_is(place, SECMEM_IS_LINGER) ||
	       errands & SECMEM_ERRAND_REAP ||
	       (errands & SECMEM_ERRAND_JUDGE && secmem_secret_doomed(place));
}

/* Do errands, or hand them to a worker. True: the worker has the lock now. */
static bool secmem_errand_run(struct secmem_place *place, unsigned long errands)
{
	lockdep_assert_held(&place->lock);
	/* Whoever left such an errand has seen to the cold part. */
	if (secmem_errand_far(place, errands) && !WARN_ON_ONCE(!place->cold)) {
		secmem_errand_hand_over(place, errands);
		return true;
	}
	secmem_errand_do(place, errands);
	return false;
}

/**
 * secmem_place_unlock - let go of a secret's lock, once its errands are done
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_place_unlock(struct secmem_place *place)
{
	unsigned long errands;

	while ((errands = secmem_lock_release(&place->lock))) {
		/*
		 * An errand may sleep. A caller that was about to sleep has to
		 * look again, so that it does not matter that its state is
		 * lost.
		 */
		__set_current_state(TASK_RUNNING);
		if (secmem_errand_run(place, errands))
			return;
	}
}

/*
 * Take the lock, or leave the errand there. Who finds it may have to hand it to a
 * worker, for which the cold part must be there by then.
 */
static bool secmem_errand_leave(struct secmem_place *place, unsigned long errand)
{
	if (secmem_lock_try(&place->lock))
		return false;
	secmem_place_need_cold(place);
	return secmem_lock_leave(&place->lock, errand);
}

/**
 * secmem_errand_reap - have a grant's access ended
 * @grant: the access is marked
 * @place: the place
 *
 * If nobody holds the lock, the grant's access is ended here, as its zap keeps no
 * process waiting: either the mm has ended, and the caller is a worker; or the file
 * is gone, and so is the view. Accesses of other grants that are marked by now are
 * left to those who marked them.
 *
 * Context: Process context; waits for no lock of a secret.
 */
void secmem_errand_reap(struct secmem_grant *grant, struct secmem_place *place)
{
	if (secmem_errand_leave(place, SECMEM_ERRAND_REAP))
		return;
	secmem_place_reap_own(grant, place);
	secmem_place_unlock(place);
}

/**
 * secmem_errand_send - have an errand done, by whoever holds the secret's lock
 * @place: the place
 * @errand: SECMEM_ERRAND_*
 *
 * Context: Process context; waits for no lock of a secret.
 * Return: true where it is done; false where it is left with who holds the lock,
 * or with a worker.
 */
bool secmem_errand_send(struct secmem_place *place, unsigned long errand)
{
	if (secmem_errand_leave(place, errand))
		return false;
	/* The cold part is made without the lock. */
	while (!place->cold && secmem_errand_far(place, errand)) {
		secmem_place_unlock(place);
		secmem_place_need_cold(place);
		if (secmem_lock_leave(&place->lock, errand))
			return false;
	}
	if (secmem_errand_run(place, errand))
		return false;
	secmem_place_unlock(place);
	return true;
}

/**
 * secmem_errand_flush - wait for the workers of a secret
 * @place: no grant is left that keeps it
 *
 * Context: Process context. Sleeps; they may stand behind locks of core mm's in
 * a mapping of a process that ended, too.
 */
void secmem_errand_flush(struct secmem_place *place)
{
	struct secmem_cold *cold = READ_ONCE(place->cold);

	if (cold) {
		flush_work(&cold->settle);
		flush_work(&cold->errand);
	}
}
