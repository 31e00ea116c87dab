// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holders: a grant's accesses to one place, counted in a word. The page-table
 * entries in the grant's view come with the first of them and go with the last.
 */
#include <linux/sched.h>

#include "entries.h"
#include "gate.h"
#include "holder.h"
#include "linger.h"

/**
 * secmem_holder_begin - a grant's first access to a secret
 * @grant: entered, with its page-table entries in place
 * @place: the place
 * @holder: the grant's
 * @write: for WRITE
 *
 * Context: The caller holds @place's lock, and steps the secret on.
 */
void secmem_holder_begin(struct secmem_grant *grant, struct secmem_place *place,
			 struct secmem_holder *holder, bool write)
{
	/*
	 * Nothing begins to linger that would be in somebody's way. Who shuts
	 * the gate looks at each secret after that, so it sees a holder that
	 * lingers already. Who waits is woken by a last release, which would
	 * not come.
	 */
	bool linger = secmem_place_is(place, SECMEM_IS_LINGER) && !write &&
		      !atomic_read(&place->cold->waiters) &&
		      !secmem_gate_suspends();

	lockdep_assert_held(&place->lock);
	secmem_grant_tie(grant);
	hlist_add_head(&holder->by_place, &place->holders);
	secmem_count_add(accesses, 1);
	if (write)
		secmem_place_set(place, SECMEM_IS_WRITTEN, 1);
	else
		atomic_inc(&place->readers);
	/* This comes last: who nests relies on all of the above. */
	atomic64_set_release(&holder->word,
			     secmem_word_empty(place->generation) |
				     (write ? SECMEM_WORD_WRITE : 0) |
				     (linger ? SECMEM_WORD_LINGER : 0) | 1);
	if (linger)
		secmem_linger_watch(place);
}

/**
 * secmem_holder_end - take all of a holder's accesses, and the page-table entries
 * @grant: whose it is; it may be gone after, and the holder with it
 * @place: the place
 * @holder: the grant's
 *
 * Context: Process context. The caller holds @place's lock, and steps the secret
 * on.
 */
void secmem_holder_end(struct secmem_grant *grant, struct secmem_place *place,
		       struct secmem_holder *holder)
{
	u64 word;

	lockdep_assert_held(&place->lock);
	/*
	 * After this no fault inserts an entry and nobody nests; so the zap
	 * gets all.
	 */
	word = atomic64_xchg(&holder->word,
			     secmem_word_empty(place->generation));
	secmem_entries_zap(grant, place);
	if (word & SECMEM_WORD_WRITE)
		secmem_place_set(place, SECMEM_IS_WRITTEN, 0);
	else
		atomic_sub(secmem_word_count(word), &place->readers);
	/* Whoever waits to switch it up finds that nothing is held. */
	if (unlikely(place->cold && place->cold->switches == holder)) {
		place->cold->switches = NULL;
		if (xchg(&place->cold->switching, NULL))
			secmem_place_wake(place, SECMEM_END_NONE);
	}
	secmem_count_add(accesses, -1);
	hlist_del_init(&holder->by_place);
	secmem_grant_untie(grant);
}

/**
 * secmem_holder_far - is there a holder other than one grant's own
 * @grant: the grant; or NULL, for none
 * @place: the place
 *
 * Context: The caller holds @place's lock.
 * Return: whether ending all holders may zap another process's view.
 */
bool secmem_holder_far(struct secmem_grant *grant, struct secmem_place *place)
{
	struct secmem_holder *own = grant ? secmem_holder_find(grant, place) :
					    NULL;
	struct hlist_node *first;

	lockdep_assert_held(&place->lock);
	if (place->state == SECMEM_CLOSED)
		return false;
	first = place->holders.first;
	return first && (!own || first != &own->by_place || first->next);
}

/**
 * secmem_holder_next - walk the holders of a grant
 * @grant: the grant
 * @slot: where to look on; 0 at first
 * @place: filled in: the place that it holds
 *
 * Context: Any.
 * Return: the next; NULL at the end.
 */
struct secmem_holder *secmem_holder_next(struct secmem_grant *grant,
					 unsigned long *slot,
					 struct secmem_place **place)
{
	struct secmem_record *record;

	if (grant->place) {
		*place = grant->place;
		return (*slot)++ ? NULL : &grant->single.holder;
	}
	if (!grant->is_root) {
		record = xa_find(&grant->records, slot, ULONG_MAX, XA_PRESENT);
		if (!record)
			return NULL;
		++*slot;
		*place = record->place;
		return &record->holder;
	}
	/* Pairs with the release in secmem_vault_append(). */
	if (*slot >= smp_load_acquire(&grant->vault->slot_count))
		return NULL;
	*place = secmem_vault_slot(grant->vault, (*slot)++);
	return &(*place)->root;
}

/*
 * Nobody nests any more on a holder that only lingers. Returns -EBUSY if it has
 * an access, else 0.
 */
static int secmem_holder_freeze(struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_count(word))
			return -EBUSY;
		if (!(word & SECMEM_WORD_LINGER))
			return 0;
	} while (!atomic64_try_cmpxchg(&holder->word, &word,
				       word | SECMEM_WORD_FROZEN));
	return 0;
}

/**
 * secmem_holder_any - does a grant have an access; freeze what lingers
 * @grant: the grant; it has no view
 *
 * A holder that lingers has entries in the last view alone. It is frozen, so that no
 * access by the next view nests on it.
 *
 * Context: Process context; mmap_lock may be held, as no lock is taken. A yes
 * may be over at once; a no as well, unless the caller knows that the grant
 * takes no new access.
 * Return: whether it does.
 */
bool secmem_holder_any(struct secmem_grant *grant)
{
	struct secmem_place *place;
	struct secmem_holder *holder;
	unsigned long slot = 0;

	while ((holder = secmem_holder_next(grant, &slot, &place))) {
		if (secmem_holder_freeze(holder))
			return true;
		cond_resched();
	}
	return false;
}
