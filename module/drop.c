// SPDX-License-Identifier: GPL-2.0-only
/*
 * DROP: a grant lets go of one secret. It does not keep the secret any more, and
 * gets nothing more of it. Other grants go on; with the last that kept it the
 * secret ends.
 *
 * That a grant has dropped a secret is said by the word of its holder there. A
 * grant of that secret alone is counted off in place->own_grants. A grant of the
 * whole vault goes on keeping the other secrets: so it stays among the vault's
 * keepers, and place->drops counts those of them that do not keep this secret
 * (keep.c, secmem_secret_dropped()).
 */
#include "access.h"
#include "drop.h"
#include "end.h"
#include "errand.h"
#include "keep.h"
#include "wait.h"
#include "watch.h"

/* By how many files of the vault a secret can be dropped. */
#define SECMEM_DROPS_MAX	1024

/* For secmem_drop_settle(), beside 0 and -errno. */
#define SECMEM_DROP_ENDED	1

/*
 * Returns 0 where no access is held; none can be begun, as that takes the lock.
 * What lingers ends, and with it the secret, where it was closing.
 */
static int secmem_drop_settle(struct secmem_grant *grant,
			      struct secmem_place *place,
			      struct secmem_holder *holder)
{
	lockdep_assert_held(&place->lock);
	if (secmem_holder_settle(holder)) {
		secmem_holder_end(grant, place, holder);
		secmem_place_move(place, secmem_place_drop_event(place));
		return place->state == SECMEM_CLOSED ? SECMEM_DROP_ENDED : 0;
	}
	return secmem_holder_held(holder) ? -EBUSY : 0;
}

/*
 * Say in the holder's word that the grant has dropped the secret, and count that.
 * -EMFILE: too many files of the vault have, whom secmem_secret_dropped() walks.
 */
static int secmem_drop_mark(struct secmem_grant *grant,
			    struct secmem_place *place,
			    struct secmem_holder *holder)
{
	struct secmem_vault *vault = grant->vault;

	lockdep_assert_held(&vault->keep_lock);
	if (!grant->place && place->drops == SECMEM_DROPS_MAX)
		return -EMFILE;
	atomic64_set(&holder->word, secmem_word_empty(place->generation) |
					    SECMEM_WORD_DROPPED);
	WRITE_ONCE(grant->drops, true);
	if (!grant->place) {
		WRITE_ONCE(place->drops, place->drops + 1);
		vault->drops++;
	}
	return 0;
}

/* With the lock: look whether it can be dropped, and do so. */
static int secmem_drop_locked(struct secmem_grant *grant,
			      struct secmem_place *place, u32 generation,
			      struct secmem_holder *holder)
{
	int ret = secmem_place_check(place, generation);

	lockdep_assert_held(&place->lock);
	/* Of two threads that drop it at once, one comes second. */
	if (!ret && (place->state == SECMEM_CLOSED ||
		     secmem_holder_dropped(holder, generation)))
		ret = -EKEYREVOKED;
	if (!ret)
		ret = secmem_drop_settle(grant, place, holder);
	if (ret)
		return ret;
	spin_lock(&grant->vault->keep_lock);
	ret = secmem_drop_mark(grant, place, holder);
	spin_unlock(&grant->vault->keep_lock);
	/* Threads of the grant's process that wait learn that it is in vain. */
	if (!ret)
		secmem_place_wake(place, SECMEM_END_NONE);
	return ret;
}

/**
 * secmem_secret_drop - SECMEM_IOC_DROP
 * @grant: entered by the current mm, or not yet anybody's
 * @place: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 *
 * Where no other grant keeps the secret, it ends: before this returns, unless
 * somebody else has its lock just then, who ends it when he lets go.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0; -EBUSY (the grant holds an access); -EKEYREVOKED; -EMFILE; -ENOENT;
 * -ENOMEM; -EINTR (the caller is being killed).
 */
int secmem_secret_drop(struct secmem_grant *grant, struct secmem_place *place,
		       u32 generation)
{
	struct secmem_holder *holder = secmem_holder_need(grant, place);
	int ret;

	if (!holder)
		return -ENOMEM;
	ret = secmem_place_lock(place);
	if (ret)
		return ret;
	ret = secmem_drop_locked(grant, place, generation, holder);
	secmem_place_unlock(place);
	if (ret)
		return ret == SECMEM_DROP_ENDED ? 0 : ret;
	if (grant->place) {
		secmem_watch_drop(grant);
		secmem_place_unkeep(place);
	} else {
		secmem_errand_send(place, SECMEM_ERRAND_JUDGE);
	}
	return 0;
}

/*
 * The secret's lock is not waited for, since the exporter has let go of it, and a
 * stranger may hold it: while somebody is counted who has dropped it, the place
 * serves no other one.
 */
static int secmem_drop_inherit_one(struct secmem_grant *grant,
				   struct secmem_holder *from,
				   struct secmem_place *place)
{
	struct secmem_holder *holder = secmem_holder_need(grant, place);
	int ret = 0;

	if (!holder)
		return -ENOMEM;
	spin_lock(&grant->vault->keep_lock);
	if (place->drops &&
	    secmem_holder_dropped(from, READ_ONCE(place->generation)))
		ret = secmem_drop_mark(grant, place, holder);
	spin_unlock(&grant->vault->keep_lock);
	if (!ret)
		secmem_errand_send(place, SECMEM_ERRAND_JUDGE);
	return ret;
}

/**
 * secmem_drop_inherit - a grant of all that is exported has dropped as much
 * @grant: the new one, of whom nobody knows yet
 * @from: the one that it is exported from
 *
 * Context: Process context, no lock held; waits for no lock of a secret.
 * Return: 0, -ENOMEM, -EMFILE.
 */
int secmem_drop_inherit(struct secmem_grant *grant, struct secmem_grant *from)
{
	struct secmem_holder *holder;
	struct secmem_place *place;
	unsigned long slot = 0;
	int ret = 0;

	if (!READ_ONCE(from->drops))
		return 0;
	while (!ret && (holder = secmem_holder_next(from, &slot, &place))) {
		if (READ_ONCE(place->drops))
			ret = secmem_drop_inherit_one(grant, holder, place);
		cond_resched();
	}
	return ret;
}
