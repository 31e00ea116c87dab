// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a secret: steps through the table of lifecycle.h, waits, ends.
 * Nothing here knows of address spaces; access.c does.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

struct secmem_lifecycle_row {
	u8 next;
	s16 verdict;
};

#define SECMEM_VERDICT_OK	0
#define SECMEM_VERDICT_WAIT	SECMEM_MUST_WAIT
#define SECMEM_VERDICT_REVOKED	(-EKEYREVOKED)
#define SECMEM_VERDICT_BUSY	(-EBUSY)
#define SECMEM_VERDICT_INVALID	(-EINVAL)

#define SECMEM_LIFECYCLE_ROW(state, event, to, what)	\
	[SECMEM_##state][SECMEM_EVENT_##event] = {	\
		.next = SECMEM_##to,			\
		.verdict = SECMEM_VERDICT_##what,	\
	},

static const struct secmem_lifecycle_row
	secmem_lifecycle[SECMEM_STATES][SECMEM_EVENTS] = {
	SECMEM_LIFECYCLE(SECMEM_LIFECYCLE_ROW)
};

static int secmem_generation_check(u32 now, u32 generation)
{
	if (generation == now && generation)
		return 0;
	return generation && generation < now ? -EKEYREVOKED : -ENOENT;
}

static int secmem_secret_check(struct secmem_secret *secret, u32 generation)
{
	lockdep_assert_held(&secret->lock);
	return secmem_generation_check(secret->generation, generation);
}

/**
 * secmem_secret_peek - what an event would come to
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * Context: The caller holds @secret's lock.
 * Return: 0; SECMEM_MUST_WAIT; -ENOENT, -EKEYREVOKED, -EBUSY, -EINVAL by the
 * table; -EPERM where sealed; -EOWNERDEAD where a writer died.
 */
int secmem_secret_peek(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event)
{
	int verdict = secmem_secret_check(secret, generation);

	if (verdict)
		return verdict;
	verdict = secmem_lifecycle[secret->state][event].verdict;
	if (verdict < 0)
		return verdict;

	switch (event) {
	case SECMEM_EVENT_HOLD_WRITE:
	case SECMEM_EVENT_COPY_IN:
		return secmem_secret_is(secret, SECMEM_IS_SEALED) ? -EPERM : verdict;
	case SECMEM_EVENT_HOLD_READ:
	case SECMEM_EVENT_COPY_OUT:
	case SECMEM_EVENT_SEAL:
		return secmem_secret_is(secret, SECMEM_IS_TORN) && !verdict ?
			       -EOWNERDEAD :
			       verdict;
	default:
		return verdict;
	}
}

/**
 * secmem_secret_setup - a place that never served
 * @secret: zeroed
 *
 * Context: Any; nobody else knows the place.
 */
void secmem_secret_setup(struct secmem_secret *secret)
{
	secmem_lock_init(&secret->lock);
	seqcount_init(&secret->seq);
	secmem_secret_set(secret, SECMEM_IS_RESTS, 1);
}

/* The end of every secret: no access and no page-table entry is left. */
static void secmem_secret_finish(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	WARN_ON_ONCE(!hlist_empty(&secret->holders));

	secmem_secret_set(secret, SECMEM_IS_DAMAGED,
			  !secmem_secret_intact(secret));
	secmem_copy_revoke(secret);
	trace_secmem_wipe(secret->vault->number, secmem_secret_handle(secret),
			  secret->bytes.count);
	atomic64_sub(secret->bytes.count, &secret->vault->pages);
	secmem_bytes_destroy(&secret->bytes);
	/* Who sees it closed, without the lock, is right that it is wiped. */
	smp_store_release(&secret->state, SECMEM_CLOSED);
	secmem_vault_wiped(secret->vault);
	secmem_count_add(wipes, 1);
	secmem_count_add(secrets, -1);
	if (secmem_secret_is(secret, SECMEM_IS_SUSPEND_WIPE))
		secmem_power_volatile_end();
	/*
	 * Whoever saw it open, in STAT, looks again: from here on its label is
	 * none, and the room of its lists is that of a place that rests.
	 */
	preempt_disable();
	write_seqcount_begin(&secret->seq);
	if (secret->cold)
		memset(secret->cold->label, 0, sizeof(secret->cold->label));
	write_seqcount_end(&secret->seq);
	preempt_enable();
	/* Shut the lockless path for good: this generation is over. */
	atomic64_set(&secret->first.word,
		     secmem_word_empty(secret->generation) |
			     SECMEM_WORD_FROZEN);
	secmem_secret_wake(secret,
			   secmem_secret_is(secret, SECMEM_IS_DAMAGED) ?
				   SECMEM_END_DAMAGED : SECMEM_END_CLEAN);
	secmem_watch_tell(secret);
	secmem_vault_retire(secret);
}

/**
 * secmem_secret_step - let an event happen
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * A step to CLOSED wipes and frees; its caller has seen to it that no access
 * is left. A waiter is woken where its turn may have come.
 *
 * Context: Process context. The caller holds @secret's lock.
 * Return: as secmem_secret_peek(); the state has changed for 0 and for a CLOSE
 * that must wait.
 */
int secmem_secret_step(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event)
{
	int verdict = secmem_secret_peek(secret, generation, event);

	if (verdict >= 0)
		secmem_secret_move(secret, event);
	return verdict;
}

/**
 * secmem_secret_move - secmem_secret_step() for who has peeked
 * @secret: the place
 * @event: an event that secmem_secret_peek() let happen, under the same lock
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_move(struct secmem_secret *secret, enum secmem_event event)
{
	u8 before = secret->state, next = secmem_lifecycle[before][event].next;
	__poll_t answer = secmem_watch_answer(secret);

	lockdep_assert_held(&secret->lock);
	if (next == before)
		return;
	if (next == SECMEM_CLOSED) {
		secmem_secret_finish(secret);
		return;
	}
	/* Others look without the lock: to nest, for STAT and for poll. */
	WRITE_ONCE(secret->state, next);
	if (secret->state == SECMEM_CLOSING ||
	    event == SECMEM_EVENT_DROP_LAST)
		secmem_secret_wake(secret, SECMEM_END_NONE);
	/* That it closes the answer may have said before, but nobody was told. */
	if (next == SECMEM_CLOSING || secmem_watch_answer(secret) != answer)
		secmem_watch_tell(secret);
}

/**
 * secmem_secret_tear - a writer died in the middle
 * @secret: what it wrote
 *
 * Context: The caller holds @secret's lock; the writer's access is still held.
 */
void secmem_secret_tear(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	secmem_secret_set(secret, SECMEM_IS_TORN, 1);
}

/**
 * secmem_secret_publish - let a reserved place serve a new secret
 * @secret: from secmem_vault_reserve()
 * @bytes: handed over
 * @label: SECMEM_LABEL_SIZE bytes
 * @flags: SECMEM_CREATE_*
 *
 * Where it is doomed by now, it is revoked at once.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINTR (the caller is being killed), and nothing was handed over.
 */
int secmem_secret_publish(struct secmem_secret *secret,
			  const struct secmem_bytes *bytes, const char *label,
			  u32 flags)
{
	bool labelled = memchr_inv(label, 0, SECMEM_LABEL_SIZE);
	int ret;

	if (labelled || (flags & SECMEM_CREATE_LINGER))
		secmem_secret_need_cold(secret);
	ret = secmem_secret_lock(secret);
	if (ret)
		return ret;
	/* Short, and not to be preempted, as STAT tries again meanwhile. */
	preempt_disable();
	write_seqcount_begin(&secret->seq);
	/* The caller's grant keeps the vault from that era on, or an older one. */
	WRITE_ONCE(secret->era, READ_ONCE(secret->vault->era));
	/* Pairs with the acquire in secmem_grant_find(). */
	smp_store_release(&secret->generation, secret->generation + 1);
	secret->bytes = *bytes;
	WRITE_ONCE(secret->is, (flags & SECMEM_CREATE_SUSPEND_WIPE ?
					SECMEM_IS_SUSPEND_WIPE : 0) |
			       (flags & SECMEM_CREATE_LINGER ?
					SECMEM_IS_LINGER : 0));
	if (labelled)
		memcpy(secret->cold->label, label, SECMEM_LABEL_SIZE);
	/* While the place rested, their room was that of its list. */
	INIT_HLIST_HEAD(&secret->holders);
	INIT_HLIST_HEAD(&secret->bounces);
	write_seqcount_end(&secret->seq);
	preempt_enable();
	atomic64_set(&secret->first.word,
		     secmem_word_empty(secret->generation));
	atomic64_add(bytes->count, &secret->vault->pages);
	secmem_count_add(secrets, 1);
	if (secmem_secret_is(secret, SECMEM_IS_SUSPEND_WIPE))
		secmem_power_volatile_begin();
	WARN_ON_ONCE(secmem_secret_step(secret, secret->generation,
					SECMEM_EVENT_CREATE));
	trace_secmem_create(secret->vault->number, secmem_secret_handle(secret),
			    bytes->length, flags);
	/* Whoever shut a gate, or ended the vault, looks after this, or is seen. */
	secmem_secret_judge(secret);
	secmem_secret_unlock(secret);
	return 0;
}

/**
 * secmem_secret_mend - a WRITE is complete
 * @secret: what was written
 *
 * Context: The caller holds @secret's lock.
 * Return: 0; -EBADMSG where the canary is damaged; -EIO where memory under the
 * secret is known to be bad, and so what was written there is lost.
 */
int secmem_secret_mend(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secmem_secret_is(secret, SECMEM_IS_TORN)) {
		secmem_secret_set(secret, SECMEM_IS_TORN, 0);
		secmem_secret_wake(secret, SECMEM_END_NONE);
		secmem_watch_tell(secret);
	}
	if (!secmem_bytes_sound(&secret->bytes, 0, secret->bytes.length))
		return -EIO;
	return secmem_secret_intact(secret) ? 0 : -EBADMSG;
}

/**
 * secmem_secret_seal - no WRITE, ever again
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY, -EINTR (the caller is being killed), or as
 * secmem_secret_peek().
 */
int secmem_secret_seal(struct secmem_secret *secret, u32 generation)
{
	int ret = secmem_secret_lock(secret);

	if (ret)
		return ret;
	ret = secmem_secret_step(secret, generation, SECMEM_EVENT_SEAL);
	if (!ret) {
		secmem_secret_set(secret, SECMEM_IS_SEALED, 1);
		/* Writers in line learn that their turn never comes. */
		secmem_secret_wake(secret, SECMEM_END_NONE);
	}
	secmem_secret_unlock(secret);
	return ret;
}

/**
 * secmem_secret_close_left - the errand of a closer that could not wait
 * @secret: with a cold part, which says which of its secrets was meant
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_close_left(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	secmem_secret_step(secret, atomic_read(&secret->cold->closing),
			   SECMEM_EVENT_CLOSE);
}

/*
 * A closer gives up that did not even get the lock: whoever holds it closes the
 * secret before anybody else gets the lock. The errand is a bit that knows of no
 * generation, and the holder may be about to publish the next secret: so the
 * generation stands beside it. Of two that closers left, the later one counts,
 * as the other is over.
 */
static void secmem_secret_close_leave(struct secmem_secret *secret,
				      u32 generation)
{
	int before;

	secmem_secret_need_cold(secret);
	before = atomic_read(&secret->cold->closing);
	while (before < (int)generation &&
	       !atomic_try_cmpxchg(&secret->cold->closing, &before, generation))
		;
	/* Its cmpxchg shows the generation to who finds the bit. */
	secmem_errand_send(secret, SECMEM_ERRAND_CLOSE);
}

static int secmem_secret_close_wait(struct secmem_waiter *waiter,
				    u32 generation)
{
	struct secmem_secret *secret = waiter->secret;
	bool ends;
	int ret;

	for (;;) {
		ret = secmem_secret_lock_wait(waiter);
		if (ret) {
			/* Nothing is left for a secret that is yet to be. */
			if (generation > READ_ONCE(secret->generation))
				return -ENOENT;
			secmem_secret_close_leave(secret, generation);
			return ret;
		}
		secmem_secret_ask(waiter->grant, secret, generation,
				  SECMEM_EVENT_CLOSE);
		/* Whose step ends it says how; who waits is told when woken. */
		ends = secret->state != SECMEM_CLOSED;
		ret = secmem_secret_step(secret, generation,
					 SECMEM_EVENT_CLOSE);
		if (!ret && ends && secmem_secret_is(secret, SECMEM_IS_DAMAGED))
			ret = -EBADMSG;
		if (ret == SECMEM_MUST_WAIT)
			ret = secmem_secret_wait_begin(waiter);
		else
			secmem_secret_unlock(secret);
		if (ret != SECMEM_MUST_WAIT)
			return ret == -EKEYREVOKED ? 0 : ret;
		ret = secmem_secret_wait_end(waiter);
		if (waiter->end != SECMEM_END_NONE)
			return waiter->end == SECMEM_END_DAMAGED ? -EBADMSG : 0;
		if (ret)
			return ret;
	}
}

/**
 * secmem_secret_close - no new access; wait for the old ones; wipe and free
 * @grant: by which the caller came
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: as secmem_secret_wait_setup()
 *
 * A closer that gives up leaves the secret closing, and the last release
 * finishes the work.
 *
 * Context: Process context, no lock of secmem held. Sleeps.
 * Return: 0, also when it was closed before; -EBADMSG (closed, canary
 * damaged); -EAGAIN, -EINTR, -ETIMEDOUT (closing); -ENOENT.
 */
int secmem_secret_close(struct secmem_grant *grant,
			struct secmem_secret *secret, u32 generation,
			u32 flags, s64 deadline)
{
	struct secmem_waiter waiter;
	int ret;

	secmem_secret_wait_setup(&waiter, grant, secret, flags, deadline);
	ret = secmem_secret_close_wait(&waiter, generation);
	trace_secmem_close(secret->vault->number,
			   secmem_handle_make(secret->vault, secret->slot,
					      generation),
			   ret);
	return ret;
}

/**
 * secmem_secret_revoke_locked - end a secret now, whoever holds it
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_revoke_locked(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED)
		return;
	trace_secmem_revoke(secret->vault->number,
			    secmem_secret_handle(secret));
	secmem_access_revoke(secret);
	secmem_secret_step(secret, secret->generation, SECMEM_EVENT_REVOKE);
}

/**
 * secmem_secret_doomed - must a secret end, by how things stand
 * @secret: it has not ended
 *
 * Because its vault was ended, or the machine goes a way that it does not go, or
 * nobody keeps it: neither a grant of it alone nor one of its whole vault that
 * sees it. That is a matter of state alone, and once true stays so: so anybody who
 * holds the lock may ask, at any time after what changed it, on behalf of whoever
 * changed it. Who publishes a secret asks after that.
 *
 * Context: The caller holds @secret's lock.
 * Return: whether it must.
 */
bool secmem_secret_doomed(struct secmem_secret *secret)
{
	struct secmem_vault *vault = secret->vault;

	lockdep_assert_held(&secret->lock);
	return !secmem_power_keeps(secmem_secret_is(secret,
						    SECMEM_IS_SUSPEND_WIPE)) ||
	       READ_ONCE(vault->ended) ||
	       (!atomic_read(&secret->keepers) &&
		secret->era < READ_ONCE(vault->kept_since));
}

/**
 * secmem_secret_judge - end a secret that is doomed, give a place back
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock, and is a worker
 * where secmem_access_far() says so.
 */
void secmem_secret_judge(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED)
		secmem_vault_retire(secret);
	else if (secmem_secret_doomed(secret))
		secmem_secret_revoke_locked(secret);
}

/* A worker revokes the secret: wait until it has, or the caller is killed. */
static int secmem_secret_revoke_wait(struct secmem_waiter *waiter)
{
	struct wait_queue_head *queue = &waiter->secret->cold->waitq;
	int ret = 0;

	secmem_errand_hand_over(waiter->secret, SECMEM_ERRAND_REVOKE);
	while (READ_ONCE(waiter->end) == SECMEM_END_NONE && !ret) {
		prepare_to_wait(queue, &waiter->entry, TASK_KILLABLE);
		if (READ_ONCE(waiter->end) != SECMEM_END_NONE)
			break;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			schedule();
	}
	finish_wait(queue, &waiter->entry);
	return ret;
}

/**
 * secmem_secret_revoke - end a secret now, whoever holds it
 * @grant: by which the caller came
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, no lock of secmem held. Sleeps.
 * Return: 0, also when it was closed before; -ENOENT; -EINTR (the caller is
 * being killed; it may yet be revoked).
 */
int secmem_secret_revoke(struct secmem_grant *grant,
			 struct secmem_secret *secret, u32 generation)
{
	struct secmem_waiter waiter;
	int ret;

	/* Without one, no further grant's holder is there to be ended. */
	if (!grant || !grant->first)
		secmem_secret_need_cold(secret);
	secmem_secret_wait_setup(&waiter, grant, secret, 0, SECMEM_FOREVER);
	ret = secmem_secret_lock(secret);
	if (ret)
		return ret;
	ret = secmem_secret_check(secret, generation);
	if (!ret && secmem_access_far(grant, secret)) {
		secmem_waiter_queue(&waiter, TASK_KILLABLE);
		return secmem_secret_revoke_wait(&waiter);
	}
	if (!ret)
		secmem_secret_revoke_locked(secret);
	secmem_secret_unlock(secret);
	return ret == -EKEYREVOKED ? 0 : ret;
}

/* One look, which may meet the secret as it changes into the next. */
static int secmem_secret_stat_try(struct secmem_secret *secret,
				  struct secmem_status *stat)
{
	/* Pairs with the release in secmem_secret_finish(). */
	u8 state = smp_load_acquire(&secret->state);
	struct secmem_cold *cold = READ_ONCE(secret->cold);
	/* Of a secret that becomes another meanwhile: then it is read again. */
	struct secmem_bytes bytes = data_race(secret->bytes);
	int ret;

	*stat = (struct secmem_status){ .size = stat->size,
				      .handle = stat->handle };
	ret = secmem_generation_check(READ_ONCE(secret->generation),
				      secmem_handle_generation(stat->handle));
	if (ret == -EKEYREVOKED || (!ret && state == SECMEM_CLOSED)) {
		stat->state = SECMEM_STATE_CLOSED;
		return 0;
	}
	if (ret)
		return ret;
	stat->state = SECMEM_STATE_OPEN;
	if (state == SECMEM_CLOSING ||
	    secmem_secret_closes(secret,
				 secmem_handle_generation(stat->handle)))
		stat->state = SECMEM_STATE_CLOSING;
	if (secmem_secret_is(secret, SECMEM_IS_SEALED))
		stat->stat_flags |= SECMEM_STAT_SEALED;
	if (secmem_secret_is(secret, SECMEM_IS_TORN))
		stat->stat_flags |= SECMEM_STAT_OWNERDEAD;
	if (secmem_secret_is(secret, SECMEM_IS_SUSPEND_WIPE))
		stat->stat_flags |= SECMEM_STAT_SUSPEND_WIPE;
	if (secmem_secret_is(secret, SECMEM_IS_LINGER))
		stat->stat_flags |= SECMEM_STAT_LINGER;
	stat->length = bytes.length;
	stat->protections =
		secmem_secret_protections(&bytes,
					  stat->stat_flags & SECMEM_STAT_LINGER);
	stat->writers = secmem_secret_is(secret, SECMEM_IS_WRITTEN);
	/* A nest counts itself a moment after others may have counted it off. */
	stat->readers = max(atomic_read(&secret->readers), 0);
	if (stat->writers)
		stat->protection = SECMEM_WRITE;
	else if (!hlist_empty(&secret->holders))
		stat->protection = SECMEM_READ;
	if (cold) {
		stat->waiters = max(atomic_read(&cold->waiters), 0);
		memcpy(stat->label, cold->label, sizeof(stat->label));
	}
	return 0;
}

/**
 * secmem_secret_stat - how a secret stands
 * @secret: the place
 * @stat: its handle given; the fields after it are filled in
 *
 * Context: Any; no lock is taken, so nobody who holds one is waited for.
 * Return: 0, or -ENOENT.
 */
int secmem_secret_stat(struct secmem_secret *secret, struct secmem_status *stat)
{
	unsigned int seq;
	int ret;

	do {
		seq = read_seqcount_begin(&secret->seq);
		ret = secmem_secret_stat_try(secret, stat);
	} while (read_seqcount_retry(&secret->seq, seq));
	return ret;
}
