// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a call does to a secret: publish, seal, close, revoke, stat.
 */
#include <linux/sched/signal.h>

#include "gate.h"
#include "protect.h"
#include "secret.h"
#include "trace.h"
#include "wait.h"

/**
 * secmem_secret_publish - let a reserved place serve a new secret
 * @place: from secmem_place_reserve()
 * @bytes: handed over
 * @label: SECMEM_LABEL_SIZE bytes
 * @flags: SECMEM_CREATE_*
 *
 * Where it is doomed by now, it is revoked at once.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINTR (the caller is being killed), and nothing was handed over.
 */
int secmem_secret_publish(struct secmem_place *place,
			  const struct secmem_bytes *bytes, const char *label,
			  u32 flags)
{
	bool labelled = memchr_inv(label, 0, SECMEM_LABEL_SIZE);
	int ret;

	if (labelled || (flags & SECMEM_CREATE_LINGER))
		secmem_place_need_cold(place);
	ret = secmem_place_lock(place);
	if (ret)
		return ret;
	/* STAT spins meanwhile, so this is not preempted. */
	preempt_disable();
	write_seqcount_begin(&place->seq);
	/* The caller's grant keeps the vault from that era on, or an older one. */
	WRITE_ONCE(place->era, READ_ONCE(place->vault->era));
	/* Pairs with the acquire in secmem_grant_find(). */
	smp_store_release(&place->generation, place->generation + 1);
	/* Pairs with the one in secmem_ioctl_acquire(). */
	smp_wmb();
	place->bytes = *bytes;
	WRITE_ONCE(place->is,
		   (flags & SECMEM_CREATE_SUSPEND_WIPE ?
			    SECMEM_IS_SUSPEND_WIPE :
			    0) |
			   (flags & SECMEM_CREATE_LINGER ? SECMEM_IS_LINGER :
							   0));
	if (labelled)
		memcpy(place->cold->label, label, SECMEM_LABEL_SIZE);
	/* While the place rested, its list entry was there. */
	INIT_HLIST_HEAD(&place->holders);
	INIT_HLIST_HEAD(&place->bounces);
	write_seqcount_end(&place->seq);
	preempt_enable();
	atomic64_set(&place->root.word, secmem_word_empty(place->generation));
	atomic64_add(bytes->count, &place->vault->source.pages);
	secmem_count_add(secrets, 1);
	if (secmem_place_is(place, SECMEM_IS_SUSPEND_WIPE))
		secmem_gate_volatile_begin();
	WARN_ON_ONCE(secmem_place_step(place, place->generation,
				       SECMEM_EVENT_CREATE));
	trace_secmem_create(place->vault->number, secmem_secret_handle(place),
			    bytes->length, flags);
	/*
	 * Whoever shuts a gate, or ends the vault, either finds the secret
	 * after this, or is seen here.
	 */
	secmem_place_judge(place);
	secmem_place_unlock(place);
	return 0;
}

/**
 * secmem_secret_seal - no WRITE, ever again
 * @grant: by which the caller came
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY, -EINTR (the caller is being killed), or as
 * secmem_place_peek().
 */
int secmem_secret_seal(struct secmem_grant *grant, struct secmem_place *place,
		       u32 generation)
{
	int ret = secmem_place_lock(place);

	if (ret)
		return ret;
	ret = secmem_grant_has_dropped(grant, place, generation) ?
		      -EKEYREVOKED :
		      secmem_place_step(place, generation, SECMEM_EVENT_SEAL);
	if (!ret) {
		secmem_place_set(place, SECMEM_IS_SEALED, 1);
		/* Writers in line learn that their turn never comes. */
		secmem_place_wake(place, SECMEM_END_NONE);
	}
	secmem_place_unlock(place);
	return ret;
}

/*
 * A closer gives up that did not get the lock. It leaves an errand, so that
 * whoever has the lock closes the secret. The errand is a bit, which cannot say
 * which secret was meant, and the next one may be published before it is done.
 * So the generation stands beside it; of two, the later one, as the other is
 * over.
 */
static void secmem_secret_close_leave(struct secmem_place *place,
				      u32 generation)
{
	int before;

	secmem_place_need_cold(place);
	before = atomic_read(&place->cold->closing);
	while (before < (int)generation &&
	       !atomic_try_cmpxchg(&place->cold->closing, &before, generation))
		;
	/*
	 * The cmpxchg that sets the bit makes the generation visible to who
	 * finds the bit.
	 */
	secmem_errand_send(place, SECMEM_ERRAND_CLOSE);
}

static int secmem_secret_close_wait(struct secmem_waiter *waiter,
				    u32 generation)
{
	struct secmem_place *place = waiter->place;
	bool ends;
	int ret;

	for (;;) {
		ret = secmem_place_lock_wait(waiter);
		if (ret) {
			/* Nothing is left for a secret that is yet to be. */
			if (generation > READ_ONCE(place->generation))
				return -ENOENT;
			/* Nor by who has dropped it: then CLOSE does nothing. */
			if (secmem_grant_has_dropped(waiter->grant, place,
						     generation))
				return 0;
			secmem_secret_close_leave(place, generation);
			return ret;
		}
		/* Another thread has dropped it: then CLOSE does nothing. */
		if (secmem_grant_has_dropped(waiter->grant, place, generation)) {
			secmem_place_unlock(place);
			return 0;
		}
		secmem_place_peek_settled(waiter->grant, place, generation,
					  SECMEM_EVENT_CLOSE);
		/*
		 * The closer whose step ends the secret finds here how it
		 * ended; one that waits is told by who wakes it.
		 */
		ends = place->state != SECMEM_CLOSED;
		ret = secmem_place_step(place, generation, SECMEM_EVENT_CLOSE);
		if (!ret && ends && secmem_place_is(place, SECMEM_IS_DAMAGED))
			ret = -EBADMSG;
		if (ret == SECMEM_MUST_WAIT)
			ret = secmem_waiter_begin(waiter);
		else
			secmem_place_unlock(place);
		if (ret != SECMEM_MUST_WAIT)
			return ret == -EKEYREVOKED ? 0 : ret;
		ret = secmem_waiter_end(waiter);
		if (ret)
			return ret;
	}
}

/**
 * secmem_secret_close - no new access; wait for the old ones; wipe and free
 * @grant: by which the caller came
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: as secmem_waiter_setup()
 *
 * A closer that gives up leaves the secret closing, and the last release
 * finishes the work.
 *
 * Context: Process context, no lock of secmem held. Sleeps.
 * Return: 0, also when it was closed before; -EBADMSG (closed, canary
 * damaged); -EAGAIN, -EINTR, -ETIMEDOUT (closing); -ENOENT.
 */
int secmem_secret_close(struct secmem_grant *grant, struct secmem_place *place,
			u32 generation, u32 flags, s64 deadline)
{
	struct secmem_waiter waiter;
	int ret;

	secmem_waiter_setup(&waiter, grant, place, flags, deadline);
	/*
	 * It may be woken for another reason, and while it comes to look, the
	 * secret ends, and its place serves another. So it stays in the queue,
	 * where it is told.
	 */
	waiter.stays = true;
	ret = secmem_secret_close_wait(&waiter, generation);
	secmem_waiter_leave(&waiter);
	if (waiter.end != SECMEM_END_NONE)
		ret = waiter.end == SECMEM_END_DAMAGED ? -EBADMSG : 0;
	trace_secmem_close(place->vault->number,
			   secmem_handle_make(place->vault, place->slot,
					      generation),
			   ret);
	return ret;
}

/* A worker revokes the secret: wait until it has, or the caller is killed. */
static int secmem_secret_revoke_wait(struct secmem_waiter *waiter)
{
	struct wait_queue_head *queue = &waiter->place->cold->waitq;
	int ret = 0;

	secmem_errand_hand_over(waiter->place, SECMEM_ERRAND_REVOKE);
	while (READ_ONCE(waiter->end) == SECMEM_END_NONE && !ret) {
		prepare_to_wait(queue, &waiter->entry, TASK_KILLABLE);
		if (READ_ONCE(waiter->end) != SECMEM_END_NONE)
			break;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			schedule();
	}
	secmem_waiter_leave(waiter);
	return ret;
}

/**
 * secmem_secret_revoke - end a secret now, whoever holds it
 * @grant: by which the caller came
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, no lock of secmem held. Sleeps.
 * Return: 0, also when it was closed before; -ENOENT; -EINTR (the caller is
 * being killed; it may yet be revoked).
 */
int secmem_secret_revoke(struct secmem_grant *grant, struct secmem_place *place,
			 u32 generation)
{
	struct secmem_waiter waiter;
	int ret;

	/*
	 * Other grants' holders are ended by a worker, which needs the cold
	 * part.
	 */
	if (!grant || !grant->is_root)
		secmem_place_need_cold(place);
	secmem_waiter_setup(&waiter, grant, place, 0, SECMEM_FOREVER);
	ret = secmem_place_lock(place);
	if (ret)
		return ret;
	ret = secmem_grant_has_dropped(grant, place, generation) ?
		      -EKEYREVOKED :
		      secmem_place_check(place, generation);
	if (!ret && secmem_holder_far(grant, place)) {
		secmem_waiter_queue(&waiter, TASK_KILLABLE);
		return secmem_secret_revoke_wait(&waiter);
	}
	if (!ret)
		secmem_secret_revoke_locked(place);
	secmem_place_unlock(place);
	return ret == -EKEYREVOKED ? 0 : ret;
}

/* Look once. The place may change to its next secret meanwhile. */
static int secmem_secret_stat_try(struct secmem_place *place,
				  struct secmem_status *stat)
{
	/* Pairs with the release in secmem_secret_finish(). */
	u8 state = smp_load_acquire(&place->state);
	struct secmem_cold *cold = READ_ONCE(place->cold);
	/* If the secret changes meanwhile, all is read again. */
	struct secmem_bytes bytes = data_race(place->bytes);
	int ret;

	*stat = (struct secmem_status){ .size = stat->size,
				      .handle = stat->handle };
	ret = secmem_generation_check(READ_ONCE(place->generation),
				      secmem_handle_generation(stat->handle));
	if (ret == -EKEYREVOKED || (!ret && state == SECMEM_CLOSED)) {
		stat->state = SECMEM_STATE_CLOSED;
		return 0;
	}
	if (ret)
		return ret;
	stat->state = SECMEM_STATE_OPEN;
	if (state == SECMEM_CLOSING ||
	    secmem_secret_closes(place,
				 secmem_handle_generation(stat->handle)))
		stat->state = SECMEM_STATE_CLOSING;
	if (secmem_place_is(place, SECMEM_IS_SEALED))
		stat->stat_flags |= SECMEM_STAT_SEALED;
	if (secmem_place_is(place, SECMEM_IS_TORN))
		stat->stat_flags |= SECMEM_STAT_OWNERDEAD;
	if (secmem_place_is(place, SECMEM_IS_SUSPEND_WIPE))
		stat->stat_flags |= SECMEM_STAT_SUSPEND_WIPE;
	if (secmem_place_is(place, SECMEM_IS_LINGER))
		stat->stat_flags |= SECMEM_STAT_LINGER;
	stat->length = bytes.length;
	stat->offset = bytes.offset;
	stat->protections =
		secmem_secret_protections(&bytes,
					  stat->stat_flags & SECMEM_STAT_LINGER);
	stat->writers = secmem_place_is(place, SECMEM_IS_WRITTEN);
	/*
	 * A nest changes the word before it counts itself here, so another that
	 * is counted down first may bring the number below 0.
	 */
	stat->readers = max(atomic_read(&place->readers), 0);
	if (stat->writers)
		stat->protection = SECMEM_WRITE;
	else if (!hlist_empty(&place->holders))
		stat->protection = SECMEM_READ;
	if (cold) {
		stat->waiters = max(atomic_read(&cold->waiters), 0);
		memcpy(stat->label, cold->label, sizeof(stat->label));
	}
	return 0;
}

/**
 * secmem_secret_stat - how a secret stands
 * @place: the place
 * @stat: its handle given; the fields after it are filled in; the offset is that in
 * the first page
 *
 * Context: Any; no lock is taken, so nobody who holds one is waited for.
 * Return: 0, or -ENOENT.
 */
int secmem_secret_stat(struct secmem_place *place, struct secmem_status *stat)
{
	unsigned int seq;
	int ret;

	do {
		seq = read_seqcount_begin(&place->seq);
		ret = secmem_secret_stat_try(place, stat);
	} while (read_seqcount_retry(&place->seq, seq));
	return ret;
}
