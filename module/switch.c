// SPDX-License-Identifier: GPL-2.0-only
/*
 * SWITCH: a READ access becomes the WRITE access, or the other way round, and is held
 * all the while: no other writer gets in between.
 *
 *	up	READ to WRITE. It waits until the one access is all that is held, of
 *		other grants and of its own.
 *	down	WRITE to READ. It never waits for an access.
 *
 * The holder stands throughout; its word changes from one mode to the other in one
 * step. So a touch by another thread is never refused meanwhile: where it meets no
 * page-table entry, or one that does not let it write, it waits for the secret's lock
 * and is repaired (view.c).
 *
 * Who waits to switch up says so in two places. The place's ->switching has one at a
 * time: a second one would wait for the first one's access, and the first for his. And
 * the holder's word has S, with which no access of it is given back without the lock:
 * so whoever gives one back sees that somebody waits, and wakes. Who gives up takes his
 * name from ->switching; S is taken by the next who gives an access of that holder back
 * with the lock, others being left, and finds that nobody waits.
 */
#include "end.h"
#include "entries.h"
#include "mm.h"
#include "switch.h"
#include "trace.h"
#include "view.h"
#include "wait.h"

/* Take the page-table entries out, one at a time in this mm for speed alone. */
static void secmem_switch_zap(struct secmem_grant *grant,
			      struct secmem_place *place)
{
	struct mutex *flip = &grant->bound->flip;
	bool alone = !mutex_lock_killable(flip);

	lockdep_assert_held(&place->lock);
	secmem_entries_zap(grant, place);
	if (alone)
		mutex_unlock(flip);
}

/*
 * Put new ones in, by the new mode. mmap_lock is only tried under the secret's lock:
 * without it they are not there, or read-only, and the next touch brings them.
 */
static void secmem_switch_insert(struct secmem_grant *grant,
				 struct secmem_place *place, bool write)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = 0;

	lockdep_assert_held(&place->lock);
	if (!mmap_read_trylock(mm))
		return;
	vma = secmem_view_find(grant);
	/* An access from an earlier view has no page tables in this one. */
	if (secmem_view_holds(vma, grant, place) &&
	    secmem_holder_find(grant, place)->view == grant->view_number)
		ret = write ? secmem_entries_widen(grant, vma, place) :
			      secmem_entries_insert(grant, vma, place, 0,
						    place->bytes.count, false);
	if (ret)
		secmem_entries_zap(grant, place);
	mmap_read_unlock(mm);
}

/* What STAT tells of it changes in one step. */
static void secmem_switch_count(struct secmem_place *place, bool write)
{
	lockdep_assert_held(&place->lock);
	preempt_disable();
	write_seqcount_begin(&place->seq);
	secmem_place_set(place, SECMEM_IS_WRITTEN, write);
	atomic_add(write ? -1 : 1, &place->readers);
	write_seqcount_end(&place->seq);
	preempt_enable();
}

/* From one READ to the WRITE, if nobody else holds the secret. */
static bool secmem_holder_raise(struct secmem_place *place,
				struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	lockdep_assert_held(&place->lock);
	if (place->holders.first != &holder->by_place || holder->by_place.next)
		return false;
	do {
		if (secmem_word_count(word) != 1)
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word,
				       secmem_word_empty(place->generation) |
					       (word & SECMEM_WORD_ABANDONED) |
					       SECMEM_WORD_WRITE | 1));
	secmem_switch_count(place, true);
	return true;
}

/* From the WRITE to one READ. */
static void secmem_holder_lower(struct secmem_place *place,
				struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	lockdep_assert_held(&place->lock);
	/* This comes before the word: who nests counts himself after that. */
	secmem_switch_count(place, false);
	while (!atomic64_try_cmpxchg(&holder->word, &word,
				     word & ~SECMEM_WORD_WRITE))
		;
}

/*
 * With the lock: stand as the one who waits. Whoever must not wait only looks whether
 * there is one.
 */
static int secmem_switch_begin(struct secmem_waiter *waiter,
			       struct secmem_holder *holder)
{
	struct secmem_cold *cold = waiter->place->cold;
	void *other = NULL;

	lockdep_assert_held(&waiter->place->lock);
	/* secmem_waiter_end() makes one. */
	if (!cold)
		return SECMEM_MUST_WAIT;
	if (waiter->flags & SECMEM_NOWAIT)
		return READ_ONCE(cold->switching) ? -EDEADLK : SECMEM_MUST_WAIT;
	if (!try_cmpxchg(&cold->switching, &other, (void *)waiter) &&
	    other != waiter)
		return -EDEADLK;
	cold->switches = holder;
	atomic64_or(SECMEM_WORD_SLOW, &holder->word);
	return SECMEM_MUST_WAIT;
}

/* The caller does not wait any more. It may be without the lock. */
static void secmem_switch_end(struct secmem_waiter *waiter)
{
	struct secmem_cold *cold = READ_ONCE(waiter->place->cold);

	if (cold)
		cmpxchg(&cold->switching, (void *)waiter, NULL);
}

/*
 * With the lock: switch up, if that is possible now. SECMEM_MUST_WAIT where accesses
 * are in the way; then the caller is the one who waits for that.
 */
static int secmem_switch_up_try(struct secmem_waiter *waiter, u32 generation)
{
	struct secmem_place *place = waiter->place;
	struct secmem_grant *grant = waiter->grant;
	struct secmem_holder *holder;
	int ret = secmem_place_peek_settled(grant, place, generation,
					    SECMEM_EVENT_SWITCH_UP);

	if (ret)
		return ret;
	holder = secmem_holder_find_held(grant, place);
	if (!holder)
		return -EINVAL;
	if (!secmem_bytes_sound(&place->bytes, 0, place->bytes.length))
		return -EIO;
	if (!secmem_holder_raise(place, holder)) {
		ret = secmem_switch_begin(waiter, holder);
		if (ret != SECMEM_MUST_WAIT)
			return ret;
		/* Before S, one may have been given back without the lock. */
		if (!secmem_holder_raise(place, holder))
			return secmem_holder_held(holder) ? SECMEM_MUST_WAIT :
							    -EINVAL;
	}
	secmem_switch_insert(grant, place, true);
	secmem_place_move(place, SECMEM_EVENT_SWITCH_UP);
	return 0;
}

static int secmem_switch_up(struct secmem_waiter *waiter, u32 generation)
{
	int ret;

	for (;;) {
		ret = secmem_place_lock_wait(waiter);
		if (ret)
			return ret;
		ret = secmem_switch_up_try(waiter, generation);
		if (ret == SECMEM_MUST_WAIT) {
			ret = secmem_waiter_begin(waiter);
		} else {
			secmem_switch_end(waiter);
			secmem_place_unlock(waiter->place);
		}
		if (ret != SECMEM_MUST_WAIT)
			return ret;
		ret = secmem_waiter_end(waiter);
		if (ret)
			return ret;
	}
}

static int secmem_switch_down(struct secmem_grant *grant,
			      struct secmem_place *place, u32 generation)
{
	struct secmem_holder *holder;
	int ret = secmem_place_lock(place);

	if (ret)
		return ret;
	ret = secmem_place_peek(place, generation, SECMEM_EVENT_SWITCH_DOWN);
	if (ret)
		goto out;
	holder = secmem_holder_find_held(grant, place);
	if (!holder || !(atomic64_read(&holder->word) & SECMEM_WORD_WRITE)) {
		ret = -EINVAL;
		goto out;
	}
	/* Nothing is written any more when the canary is looked at. */
	secmem_switch_zap(grant, place);
	ret = secmem_secret_mend(place);
	secmem_switch_insert(grant, place, false);
	secmem_holder_lower(place, holder);
	secmem_place_move(place, SECMEM_EVENT_SWITCH_DOWN);
out:
	secmem_place_unlock(place);
	return ret;
}

/**
 * secmem_access_switch - SECMEM_IOC_SWITCH
 * @grant: entered by the current mm, with the rights checked
 * @place: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_WRITE: up, and SECMEM_NOWAIT; SECMEM_READ: down
 * @deadline: for up, as secmem_waiter_setup()
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0; -EBADMSG, -EIO (down has happened, as secmem_access_release()); else
 * an errno of SWITCH, and the access is held as before.
 */
int secmem_access_switch(struct secmem_grant *grant, struct secmem_place *place,
			 u32 generation, u32 flags, s64 deadline)
{
	bool write = flags & SECMEM_WRITE;
	struct secmem_waiter waiter;
	int ret;

	if (write) {
		secmem_waiter_setup(&waiter, grant, place,
				    flags & SECMEM_NOWAIT, deadline);
		ret = secmem_switch_up(&waiter, generation);
		secmem_switch_end(&waiter);
	} else {
		ret = secmem_switch_down(grant, place, generation);
	}

	trace_secmem_switch(grant->vault->number,
			    secmem_handle_make(grant->vault, place->slot,
					       generation),
			    write, ret);
	return ret;
}
