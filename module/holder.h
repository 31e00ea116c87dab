/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holders: who holds what, and what lingers.
 */
#ifndef _SECMEM_HOLDER_H
#define _SECMEM_HOLDER_H

#include "grant.h"
#include "state.h"

/*
 * The verbs. word.h draws what they do to a holder's word.
 *
 *	find	the holder of a grant; find_held: if it has an access;
 *		find_standing: also if it lingers
 *	begin	the first access
 *	nest	one access more, without a lock; unnest: one less
 *	drop	one access less, under the lock
 *	raise	the one READ becomes the WRITE; lower: the other way round
 *	end	all accesses go, and the page-table entries
 *	settle	what lingers ends; what is held will not linger
 *	freeze	what lingers is not nested on
 *	abandon	the grant's mm has ended, or its file is gone: its holders are
 *		marked
 *	reap	what was abandoned ends
 */

/*
 * The holder of a grant, whether it has an access or not; NULL if the grant
 * never had one. It is found without a search, whoever else holds the secret:
 * that of a grant of one secret lies in the grant, that of a vault's root grant
 * in each place, all others in an xarray of their grant.
 */
static inline struct secmem_holder *
secmem_holder_find(struct secmem_grant *grant, struct secmem_place *place)
{
	struct secmem_record *record;

	if (likely(grant->is_root))
		return &place->root;
	if (grant->place)
		return &grant->single.holder;
	record = xa_load(&grant->records, place->slot);
	return record ? &record->holder : NULL;
}

static inline struct secmem_record *secmem_holder_record(struct secmem_holder *holder)
{
	return container_of(holder, struct secmem_record, holder);
}

/* To whom a holder belongs. Its grant is there while it stands. */
static inline struct secmem_grant *
secmem_holder_grant(struct secmem_holder *holder, struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	return holder == &place->root ? place->vault->root :
					secmem_holder_record(holder)->grant;
}

/**
 * secmem_holder_find_held - the holder of a grant, if it has an access to a secret
 * @grant: the grant
 * @place: a secret that it covers
 *
 * Context: The caller holds @place's lock.
 * Return: the holder, with at least one access, or NULL.
 */
static inline struct secmem_holder *
secmem_holder_find_held(struct secmem_grant *grant, struct secmem_place *place)
{
	struct secmem_holder *holder = secmem_holder_find(grant, place);

	lockdep_assert_held(&place->lock);
	return holder && secmem_holder_held(holder) ? holder : NULL;
}

/*
 * Has a grant dropped one of the secrets of a place? With the place's lock the
 * answer holds until that is let go.
 */
static inline bool secmem_grant_has_dropped(struct secmem_grant *grant,
					    struct secmem_place *place,
					    u32 generation)
{
	struct secmem_holder *holder;

	if (likely(!grant || !READ_ONCE(grant->drops)))
		return false;
	holder = secmem_holder_find(grant, place);
	return holder && secmem_holder_dropped(holder, generation);
}

/* As secmem_holder_find_held(), but also a holder that only lingers. */
static inline struct secmem_holder *
secmem_holder_find_standing(struct secmem_grant *grant,
			    struct secmem_place *place)
{
	struct secmem_holder *holder = secmem_holder_find(grant, place);

	lockdep_assert_held(&place->lock);
	return holder && secmem_holder_stands(holder) ? holder : NULL;
}

/*
 * One READ more, without a lock, where one is held or the holder lingers. While
 * the cmpxchg finds the word unchanged, the holder stands, which keeps the
 * secret from ending. It is fully ordered, and pairs with the release in
 * secmem_holder_begin(): the page-table entries stand.
 */
static inline bool secmem_holder_nest(struct secmem_place *place,
				      struct secmem_holder *holder,
				      u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	/*
	 * A nest that looks here before the secret is closing, and counts
	 * itself after, is waited for: with it stands the access on which it
	 * nests.
	 */
	if (secmem_secret_closes(place, generation))
		return false;
	do {
		if (secmem_word_generation(word) != generation ||
		    (word & (SECMEM_WORD_FROZEN | SECMEM_WORD_WRITE |
			     SECMEM_WORD_ABANDONED)) ||
		    !(word & (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER)) ||
		    secmem_word_count(word) == SECMEM_WORD_COUNT)
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word + 1));
	atomic_inc(&place->readers);
	return true;
}

/*
 * One access less, without a lock: not the last one, unless the holder lingers.
 */
static inline bool secmem_holder_unnest(struct secmem_place *place,
					struct secmem_holder *holder,
					u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_generation(word) != generation ||
		    (word & SECMEM_WORD_SLOW) ||
		    secmem_word_count(word) <
			    (word & SECMEM_WORD_LINGER ? 1 : 2))
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	atomic_dec(&place->readers);
	return true;
}

/*
 * One READ less, under the lock. Returns 1 if the holder is to end; -EINVAL if
 * it had none, as others may have given theirs back without the lock where it
 * lingers.
 */
static inline int secmem_holder_drop(struct secmem_place *place,
				     struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);
	bool last;

	do {
		if (!secmem_word_count(word))
			return -EINVAL;
		last = secmem_word_count(word) == 1 &&
		       !(word & SECMEM_WORD_LINGER);
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	atomic_dec(&place->readers);
	return last;
}

static inline enum secmem_event
secmem_place_drop_event(struct secmem_place *place)
{
	return hlist_empty(&place->holders) ? SECMEM_EVENT_DROP_LAST :
					      SECMEM_EVENT_DROP;
}

/*
 * Does a holder linger from an earlier view? Then its entries are not in this
 * one.
 */
static inline bool secmem_holder_stale(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_FROZEN;
}

void secmem_holder_begin(struct secmem_grant *grant, struct secmem_place *place,
			 struct secmem_holder *holder, bool write);
void secmem_holder_end(struct secmem_grant *grant, struct secmem_place *place,
		       struct secmem_holder *holder);
bool secmem_holder_far(struct secmem_grant *grant, struct secmem_place *place);
struct secmem_holder *secmem_holder_next(struct secmem_grant *grant,
					 unsigned long *slot,
					 struct secmem_place **place);
bool secmem_holder_any(struct secmem_grant *grant);

#endif /* _SECMEM_HOLDER_H */
