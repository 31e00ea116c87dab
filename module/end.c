// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a secret: each step through the table of lifecycle.h, what is
 * checked at the end of a WRITE, and all that ends a secret. Whoever is here holds
 * the lock of its place. Nothing here waits for an access or for another place's
 * lock; but a zap waits for locks of core mm's.
 */
#include "bounce.h"
#include "end.h"
#include "gate.h"
#include "trace.h"
#include "watch.h"

/* Who dropped a secret is of no more interest. */
static void secmem_drops_forget(struct secmem_place *place)
{
	struct secmem_vault *vault = place->vault;

	if (!READ_ONCE(place->drops))
		return;
	spin_lock(&vault->keep_lock);
	vault->drops -= place->drops;
	WRITE_ONCE(place->drops, 0);
	spin_unlock(&vault->keep_lock);
}

/* The end of every secret: no access and no page-table entry is left. */
static void secmem_secret_finish(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	WARN_ON_ONCE(!hlist_empty(&place->holders));

	secmem_place_set(place, SECMEM_IS_DAMAGED,
			 !secmem_secret_intact(place));
	secmem_bounce_revoke(place);
	trace_secmem_wipe(place->vault->number, secmem_secret_handle(place),
			  place->bytes.count);
	atomic64_sub(place->bytes.count, &place->vault->source.pages);
	secmem_bytes_destroy(&place->bytes);
	/*
	 * Whoever sees the state CLOSED without the lock may conclude that the
	 * bytes are wiped.
	 */
	smp_store_release(&place->state, SECMEM_CLOSED);
	secmem_drops_forget(place);
	secmem_vault_wiped(place->vault);
	secmem_count_add(wipes, 1);
	secmem_count_add(secrets, -1);
	if (secmem_place_is(place, SECMEM_IS_SUSPEND_WIPE))
		secmem_gate_volatile_end();
	/*
	 * STAT may have seen the secret open: the count makes it look again.
	 * From here on the label is gone, and the room of the lists is used for
	 * the quarantine.
	 */
	preempt_disable();
	write_seqcount_begin(&place->seq);
	if (place->cold)
		memset(place->cold->label, 0, sizeof(place->cold->label));
	write_seqcount_end(&place->seq);
	preempt_enable();
	/* Nobody nests on this generation any more. */
	atomic64_set(&place->root.word,
		     secmem_word_empty(place->generation) | SECMEM_WORD_FROZEN);
	secmem_place_wake(place, secmem_place_is(place, SECMEM_IS_DAMAGED) ?
					 SECMEM_END_DAMAGED :
					 SECMEM_END_CLEAN);
	secmem_watch_tell(place);
	secmem_place_retire(place);
}

/**
 * secmem_place_step - let an event happen
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * A step to CLOSED wipes and frees; its caller has seen to it that no access
 * is left. A waiter is woken where its turn may have come.
 *
 * Context: Process context. The caller holds @place's lock.
 * Return: as secmem_place_peek(); the state has changed for 0 and for a CLOSE
 * that must wait.
 */
int secmem_place_step(struct secmem_place *place, u32 generation,
		      enum secmem_event event)
{
	int verdict = secmem_place_peek(place, generation, event);

	if (verdict >= 0)
		secmem_place_move(place, event);
	return verdict;
}

/**
 * secmem_place_move - secmem_place_step() for who knows what the event comes to
 * @place: the place
 * @event: an event that secmem_place_peek() let happen, under the same lock; or the
 * drop of a holder that stood until now
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_place_move(struct secmem_place *place, enum secmem_event event)
{
	u8 before = place->state, next = secmem_lifecycle[before][event].next;
	__poll_t answer = secmem_watch_answer(place);

	lockdep_assert_held(&place->lock);
	/* Others hold it still; but who waits to switch up may be alone now. */
	if (event == SECMEM_EVENT_DROP)
		secmem_place_wake_switching(place);
	if (next == before)
		return;
	if (next == SECMEM_CLOSED) {
		secmem_secret_finish(place);
		return;
	}
	/* Others read it without the lock: the nest, STAT and poll. */
	WRITE_ONCE(place->state, next);
	if (place->state == SECMEM_CLOSING || event == SECMEM_EVENT_DROP_LAST ||
	    event == SECMEM_EVENT_SWITCH_DOWN)
		secmem_place_wake(place, SECMEM_END_NONE);
	/*
	 * Where a closer gave up, the answer has said since then that the secret
	 * closes; but nobody was told.
	 */
	if (next == SECMEM_CLOSING || secmem_watch_answer(place) != answer)
		secmem_watch_tell(place);
}

/**
 * secmem_secret_tear - a writer died in the middle
 * @place: what it wrote
 *
 * Context: The caller holds @place's lock; the writer's access is still held.
 */
void secmem_secret_tear(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	secmem_place_set(place, SECMEM_IS_TORN, 1);
}

/**
 * secmem_secret_mend - a WRITE is complete: check the canary, and for bad memory
 * @place: what was written
 *
 * If a writer died there before, that is mended: readers get no -EOWNERDEAD any
 * more.
 *
 * Context: The caller holds @place's lock.
 * Return: 0; -EBADMSG where the canary is damaged; -EIO where memory under the
 * secret is known to be bad, and so what was written there is lost.
 */
int secmem_secret_mend(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	if (secmem_place_is(place, SECMEM_IS_TORN)) {
		secmem_place_set(place, SECMEM_IS_TORN, 0);
		secmem_place_wake(place, SECMEM_END_NONE);
		secmem_watch_tell(place);
	}
	if (!secmem_bytes_sound(&place->bytes, 0, place->bytes.length))
		return -EIO;
	return secmem_secret_intact(place) ? 0 : -EBADMSG;
}

/**
 * secmem_secret_close_left - the errand of a closer that could not wait
 * @place: with a cold part, which says which of its secrets was meant
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_secret_close_left(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	secmem_place_step(place, atomic_read(&place->cold->closing),
			  SECMEM_EVENT_CLOSE);
}

/*
 * End all accesses to a secret, in every process. Views of other processes are
 * zapped, so where secmem_holder_far() says so, the caller is a worker.
 */
static void secmem_holder_end_all(struct secmem_place *place)
{
	struct secmem_holder *holder;
	struct hlist_node *next;

	lockdep_assert_held(&place->lock);
	hlist_for_each_entry_safe(holder, next, &place->holders, by_place)
		secmem_holder_end(secmem_holder_grant(holder, place), place,
				  holder);
}

/**
 * secmem_secret_revoke_locked - end a secret now, whoever holds it
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_secret_revoke_locked(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	if (place->state == SECMEM_CLOSED)
		return;
	trace_secmem_revoke(place->vault->number, secmem_secret_handle(place));
	secmem_holder_end_all(place);
	secmem_place_step(place, place->generation, SECMEM_EVENT_REVOKE);
}

/**
 * secmem_secret_dropped - have all grants of the vault dropped a secret that see it
 * @place: the place
 *
 * They stand among the keepers by the era from which on they see, and the walk ends
 * where one more is found than have dropped it.
 *
 * Context: Process context. Without @place's lock the answer is of what it serves
 * at some moment.
 * Return: whether they have, and one at least.
 */
bool secmem_secret_dropped(struct secmem_place *place)
{
	struct secmem_vault *vault = place->vault;
	struct secmem_grant *grant;
	u32 left;

	if (!READ_ONCE(place->drops))
		return false;
	spin_lock(&vault->keep_lock);
	left = place->drops;
	list_for_each_entry(grant, &vault->keepers, by_vault) {
		if (grant->since > place->era || !left--)
			break;
	}
	/* Where the walk met one more than have, this is U32_MAX. */
	spin_unlock(&vault->keep_lock);
	return left != U32_MAX;
}

/**
 * secmem_secret_doomed - must a secret end, by how things stand
 * @place: it has not ended
 *
 * Because its vault was ended, or the machine goes a way that it does not go, or
 * nobody keeps it: neither a grant of it alone nor one of its whole vault that
 * sees it. That is a matter of state alone, and once true stays so: so anybody who
 * holds the lock may ask, at any time after what changed it, on behalf of whoever
 * changed it. Who publishes a secret asks after that. (For a moment it is untrue
 * again while a grant that has dropped the secret goes, or one that will have done so
 * comes; who does that asks after it: secmem_grant_unkeep(), secmem_drop_inherit().)
 *
 * Context: The caller holds @place's lock.
 * Return: whether it must.
 */
bool secmem_secret_doomed(struct secmem_place *place)
{
	bool suspend_wipe = secmem_place_is(place, SECMEM_IS_SUSPEND_WIPE);
	struct secmem_vault *vault = place->vault;

	lockdep_assert_held(&place->lock);
	return !secmem_gate_allows(suspend_wipe) ||
	       READ_ONCE(vault->ended) ||
	       (!atomic_read(&place->own_grants) &&
		(place->era < READ_ONCE(vault->kept_since) ||
		 secmem_secret_dropped(place)));
}

/**
 * secmem_place_judge - end a secret that is doomed, give a place back
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock, and is a worker
 * where secmem_holder_far() says so.
 */
void secmem_place_judge(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	if (place->state == SECMEM_CLOSED)
		secmem_place_retire(place);
	else if (secmem_secret_doomed(place))
		secmem_secret_revoke_locked(place);
}

/**
 * secmem_holder_settle - a holder lingers no more
 * @holder: the holder
 *
 * Context: The caller holds the lock of its place.
 * Return: true if it lingered and has no access, and is to end.
 */
bool secmem_holder_settle(struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_LINGER &&
	       !secmem_word_count(atomic64_fetch_andnot(SECMEM_WORD_LINGER,
							&holder->word));
}

/**
 * secmem_place_settle - end what lingers; what is held now will not linger
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_place_settle(struct secmem_place *place)
{
	struct secmem_holder *holder;
	struct hlist_node *next;
	bool ended = false;

	lockdep_assert_held(&place->lock);
	/*
	 * The list of holders of a place that rests is in use for the
	 * quarantine.
	 */
	if (place->state == SECMEM_CLOSED ||
	    !secmem_place_is(place, SECMEM_IS_LINGER))
		return;
	hlist_for_each_entry_safe(holder, next, &place->holders, by_place) {
		if (!secmem_holder_settle(holder))
			continue;
		secmem_holder_end(secmem_holder_grant(holder, place), place,
				  holder);
		ended = true;
	}
	if (!ended)
		return;
	secmem_place_step(place, place->generation,
			  secmem_place_drop_event(place));
	/* Who would switch up waits for that, though he himself holds it. */
	secmem_place_wake(place, SECMEM_END_NONE);
}

/* End a holder that was abandoned. If it wrote, the secret may be half written. */
static void secmem_holder_reap(struct secmem_place *place,
			       struct secmem_holder *holder)
{
	if (atomic64_read(&holder->word) & SECMEM_WORD_WRITE)
		secmem_secret_tear(place);
	secmem_holder_end(secmem_holder_grant(holder, place), place, holder);
	secmem_place_step(place, place->generation,
			  secmem_place_drop_event(place));
}

static bool secmem_holder_abandoned(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_ABANDONED;
}

/**
 * secmem_place_reap - end the accesses that were abandoned
 * @place: the place
 *
 * What is zapped lies in page tables that nobody uses any more; where the file is
 * gone, there is no view.
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_place_reap(struct secmem_place *place)
{
	struct secmem_holder *holder;
	struct hlist_node *next;

	lockdep_assert_held(&place->lock);
	if (place->state == SECMEM_CLOSED)
		return;
	hlist_for_each_entry_safe(holder, next, &place->holders, by_place) {
		if (!secmem_holder_abandoned(holder))
			continue;
		secmem_holder_reap(place, holder);
		/*
		 * With the last holder a secret that is closing ends; then
		 * there is no list any more.
		 */
		if (place->state == SECMEM_CLOSED)
			return;
	}
}

/**
 * secmem_place_reap_own - the same for one grant's
 * @grant: its mm has ended or its file is gone
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_place_reap_own(struct secmem_grant *grant,
			   struct secmem_place *place)
{
	struct secmem_holder *holder = secmem_holder_find_standing(grant, place);

	lockdep_assert_held(&place->lock);
	if (place->state != SECMEM_CLOSED && holder &&
	    secmem_holder_abandoned(holder))
		secmem_holder_reap(place, holder);
}
