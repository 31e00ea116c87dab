// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses: counted rights to touch one secret through one grant.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "access.h"
#include "end.h"
#include "entries.h"
#include "mm.h"
#include "trace.h"
#include "view.h"
#include "wait.h"

/**
 * secmem_holder_need - see to it that a grant has a holder of a place
 * @grant: the grant
 * @place: the place
 *
 * With the holder comes the cold part of the place, which a worker needs to end
 * a holder in another process; the root grant's holder is made without.
 *
 * Context: Process context, may sleep. Neither @place's lock nor mmap_lock is
 * held.
 * Return: the holder, which has no access yet if it is new; or NULL, no memory.
 */
struct secmem_holder *secmem_holder_need(struct secmem_grant *grant,
					 struct secmem_place *place)
{
	struct secmem_holder *holder = secmem_holder_find(grant, place);
	struct secmem_record *record;
	int ret;

	if (likely(holder))
		return holder;
	record = kzalloc(sizeof(*record), SECMEM_GFP);
	if (!record)
		return NULL;
	record->grant = grant;
	record->place = place;
	secmem_place_need_cold(place);
	/* Another thread of the process may come first. */
	ret = xa_insert(&grant->records, place->slot, record, SECMEM_GFP);
	if (ret)
		kfree(record);
	return ret && ret != -EBUSY ? NULL : secmem_holder_find(grant, place);
}

/* Take the access: both locks are held, and nothing is in its way. */
static int secmem_access_begin(struct secmem_grant *grant,
			       struct vm_area_struct *vma,
			       struct secmem_place *place, u32 generation,
			       bool write)
{
	struct secmem_holder *holder =
		secmem_holder_find_standing(grant, place);
	int ret;

	if (holder && secmem_holder_stale(holder)) {
		secmem_holder_end(grant, place, holder);
		secmem_place_move(place, secmem_place_drop_event(place));
		holder = NULL;
	}
	if (holder && secmem_holder_nest(place, holder, generation))
		return 0;
	/*
	 * With the lock held the holder stands and is not frozen: so the counter
	 * is full, or a closer has given up just now.
	 */
	if (holder)
		return secmem_secret_closes(place, generation) ? -EKEYREVOKED :
								 -EMFILE;

	holder = secmem_holder_find(grant, place);
	ret = secmem_entries_insert(grant, vma, place, 0, place->bytes.count,
				    write);
	if (ret) {
		secmem_entries_zap(grant, place);
		return ret;
	}
	secmem_holder_begin(grant, place, holder, write);
	secmem_place_move(place, write ? SECMEM_EVENT_HOLD_WRITE :
					 SECMEM_EVENT_HOLD_READ);
	return 0;
}

/*
 * Take mmap_lock and the secret's lock, with page tables for the secret in the
 * view, if it lies there. The second is only tried under the first: while it is
 * waited for, the process's other threads may fault and map. Who got it so tries
 * the first under it, and starts anew where that fails or the view is another
 * by now.
 */
static int secmem_access_lock(struct secmem_waiter *waiter,
			      struct secmem_holder *holder,
			      struct vm_area_struct **vma)
{
	struct secmem_place *place = waiter->place;
	struct secmem_grant *grant = waiter->grant;
	struct mm_struct *mm = current->mm;
	int ret;

	for (;;) {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		/* Afresh each time: an address kept could be another's by now. */
		*vma = secmem_view_find(grant);
		ret = *vma ? secmem_entries_prepare(grant, *vma, place,
						    holder) :
			     0;
		if (!ret && secmem_lock_try(&place->lock))
			return 0;
		mmap_read_unlock(mm);
		ret = ret ?: secmem_place_lock_wait(waiter);
		if (ret)
			return ret;
		if (mmap_read_trylock(mm)) {
			*vma = secmem_view_find(grant);
			if (!*vma || holder->view == grant->view_number)
				return 0;
			mmap_read_unlock(mm);
		}
		secmem_place_unlock(place);
	}
}

/* Try once. For SECMEM_MUST_WAIT the waiter has begun. */
static int secmem_access_try(struct secmem_waiter *waiter,
			     struct secmem_holder *holder, u32 generation,
			     bool write)
{
	struct secmem_place *place = waiter->place;
	struct secmem_grant *grant = waiter->grant;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = secmem_access_lock(waiter, holder, &vma);

	if (ret)
		return ret;
	ret = secmem_place_peek_settled(grant, place, generation,
					write ? SECMEM_EVENT_HOLD_WRITE :
						SECMEM_EVENT_HOLD_READ);
	if (ret >= 0 && !secmem_view_holds(vma, grant, place))
		ret = -ENXIO;
	else if (!ret)
		ret = secmem_access_begin(grant, vma, place, generation, write);
	if (ret == SECMEM_MUST_WAIT)
		ret = secmem_waiter_begin(waiter);
	else
		secmem_place_unlock(place);
	mmap_read_unlock(mm);
	return ret;
}

/**
 * secmem_access_acquire - begin an access
 * @grant: entered by the current mm, with the rights checked
 * @place: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_READ or SECMEM_WRITE, and SECMEM_NOWAIT
 * @deadline: as secmem_waiter_setup()
 *
 * While the access is held, the secret's bytes stay where they are, and as many.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of ACQUIRE.
 */
int secmem_access_acquire(struct secmem_grant *grant,
			  struct secmem_place *place, u32 generation, u32 flags,
			  s64 deadline)
{
	struct secmem_holder *own = secmem_holder_need(grant, place);
	struct secmem_waiter waiter;
	int ret = -ENOMEM;

	if (!own)
		goto trace;
	/*
	 * Accesses outlive their view. Without a view, the slow path refuses.
	 */
	if (!(flags & SECMEM_WRITE) && atomic_read(&grant->views) &&
	    secmem_holder_nest(place, own, generation)) {
		ret = 0;
		goto trace;
	}
	secmem_waiter_setup(&waiter, grant, place, flags & SECMEM_NOWAIT,
			    deadline);
	do {
		ret = secmem_access_try(&waiter, own, generation,
					flags & SECMEM_WRITE);
		if (ret != SECMEM_MUST_WAIT)
			break;
		ret = secmem_waiter_end(&waiter);
	} while (!ret);
trace:
	trace_secmem_acquire(grant->vault->number,
			     secmem_handle_make(grant->vault, place->slot,
						generation),
			     flags & SECMEM_WRITE, ret);
	return ret;
}

/*
 * An access was given back under the lock, and others of the holder stand: perhaps
 * since one waits to be switched up. If none does any more, S goes.
 */
static void secmem_holder_dropped_slow(struct secmem_place *place,
				       struct secmem_holder *holder)
{
	lockdep_assert_held(&place->lock);
	if (!(atomic64_read(&holder->word) & SECMEM_WORD_SLOW))
		return;
	if (READ_ONCE(place->cold->switching))
		secmem_place_wake(place, SECMEM_END_NONE);
	else
		atomic64_andnot(SECMEM_WORD_SLOW, &holder->word);
}

/**
 * secmem_access_release - end an access
 * @grant: entered by the current mm
 * @place: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 * @had: the caller knew of the access; else it wrote nothing, and what it found
 * torn stays so
 *
 * With the grant's last access its page-table entries are gone on return, unless
 * they linger.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0; -EBADMSG (released; a writer left the canary damaged); -EIO (released
 * by a writer; memory under the secret is known to be bad); -EINVAL (nothing held);
 * -EKEYREVOKED; -ENOENT; -EINTR (the caller is being killed).
 */
int secmem_access_release(struct secmem_grant *grant,
			  struct secmem_place *place, u32 generation, bool had)
{
	struct secmem_holder *holder = secmem_holder_find(grant, place);
	struct secmem_mm *bound = grant->bound;
	bool write, alone;
	int ret = 0;

	if (holder && secmem_holder_unnest(place, holder, generation))
		goto trace;

	ret = secmem_place_lock(place);
	if (ret)
		goto trace;
	ret = secmem_place_peek(place, generation, SECMEM_EVENT_DROP_LAST);
	if (ret)
		goto out;
	holder = secmem_holder_find_held(grant, place);
	if (!holder) {
		ret = -EINVAL;
		goto out;
	}
	write = atomic64_read(&holder->word) & SECMEM_WORD_WRITE;
	if (!write) {
		ret = secmem_holder_drop(place, holder);
		if (!ret)
			secmem_holder_dropped_slow(place, holder);
		if (ret <= 0)
			goto out;
		ret = 0;
	}
	/*
	 * It is held for speed alone: a caller that is being killed goes on
	 * without it.
	 */
	alone = !mutex_lock_killable(&bound->flip);
	secmem_holder_end(grant, place, holder);
	if (alone)
		mutex_unlock(&bound->flip);
	if (write && had)
		ret = secmem_secret_mend(place);
	secmem_place_move(place, secmem_place_drop_event(place));
out:
	secmem_place_unlock(place);
trace:
	trace_secmem_release(grant->vault->number,
			     secmem_handle_make(grant->vault, place->slot,
						generation),
			     ret);
	return ret;
}

/* Mark a holder as abandoned: false if it has no access and does not linger. */
static bool secmem_holder_mark(struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (!(word & (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER)))
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word,
				       word | SECMEM_WORD_ABANDONED));
	return true;
}

/**
 * secmem_access_abandon - end all accesses of a grant
 * @grant: its mm has ended or its file is gone, so that it takes no new ones
 *
 * Where somebody holds a secret's lock, it is he who ends the access, at the
 * latest when he lets go; until then the access ties the grant to its mm.
 *
 * Context: Process context. Waits for no lock of a secret.
 */
void secmem_access_abandon(struct secmem_grant *grant)
{
	struct secmem_place *place;
	struct secmem_holder *holder;
	unsigned long slot = 0;

	while ((holder = secmem_holder_next(grant, &slot, &place))) {
		if (secmem_holder_mark(holder))
			secmem_errand_reap(grant, place);
		cond_resched();
	}
}
