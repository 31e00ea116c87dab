// SPDX-License-Identifier: GPL-2.0-only
/*
 * What READs have on its way to their callers, so that the end of a secret
 * reaches it there.
 */
#include "bounce.h"
#include "vault.h"

/**
 * secmem_bounce_add - the end of a secret reaches a buffer from now on
 * @place: the place
 * @bounce: filled
 *
 * Context: The caller holds @place's lock.
 */
void secmem_bounce_add(struct secmem_place *place, struct secmem_bounce *bounce)
{
	lockdep_assert_held(&place->lock);
	spin_lock(&place->vault->calls_lock);
	hlist_add_head(&bounce->by_place, &place->bounces);
	spin_unlock(&place->vault->calls_lock);
}

/**
 * secmem_bounce_end - the caller has its copy
 * @place: the place
 * @bounce: from secmem_bounce_add()
 *
 * Context: Process context. The secret's lock is not waited for: who holds it may
 * be anybody.
 * Return: 0; -EKEYREVOKED where the secret ended, or is ending, meanwhile.
 */
int secmem_bounce_end(struct secmem_place *place, struct secmem_bounce *bounce)
{
	int ret;

	spin_lock(&place->vault->calls_lock);
	ret = hlist_unhashed(&bounce->by_place) || bounce->wiped ?
		      -EKEYREVOKED :
		      0;
	hlist_del_init(&bounce->by_place);
	spin_unlock(&place->vault->calls_lock);
	return ret;
}

/**
 * secmem_bounce_revoke - wipe what READs have on its way to their callers
 * @place: it ends
 *
 * A caller's buffer may be slow for as long as the caller likes. What has not
 * reached it by now does not: it finds zeros, and the call EKEYREVOKED.
 *
 * Context: The caller holds @place's lock, so that no buffer is added.
 */
void secmem_bounce_revoke(struct secmem_place *place)
{
	spinlock_t *lock = &place->vault->calls_lock;
	struct secmem_bounce *bounce;
	u32 length;

	lockdep_assert_held(&place->lock);
	/*
	 * Page by page: the lock keeps the buffer from being freed, and others
	 * spin for it.
	 */
	for (;;) {
		spin_lock(lock);
		bounce = hlist_entry_safe(place->bounces.first,
					  struct secmem_bounce, by_place);
		if (!bounce)
			break;
		length = min_t(u32, bounce->length - bounce->wiped, PAGE_SIZE);
		memzero_explicit(bounce->at + bounce->wiped, length);
		bounce->wiped += length;
		if (bounce->wiped == bounce->length)
			hlist_del_init(&bounce->by_place);
		spin_unlock(lock);
		cond_resched();
	}
	spin_unlock(lock);
}
