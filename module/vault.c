// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vaults: places for secrets, the handles that name them, and the end of all.
 *
 * A place is a slot number and a range of pages in the vault's page space,
 * with a guard page behind it (and page 0 before the first). Both grow
 * together and never shrink, so slots are sorted by page. A place that is
 * given back waits in a queue of its size, first in, first out, so that a
 * stale address meets SIGBUS for a good while before it meets another secret.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "internal.h"

/* So many places of a size rest before the first serves again. */
#define SECMEM_QUARANTINE	64

#define SECMEM_PGOFF_MAX	BIT(31)

static struct kmem_cache *secmem_secret_cache;

/**
 * secmem_vault_setup - at module load
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int secmem_vault_setup(void)
{
	secmem_secret_cache = KMEM_CACHE(secmem_secret,
					 SLAB_ACCOUNT | SLAB_HWCACHE_ALIGN);
	return secmem_secret_cache ? 0 : -ENOMEM;
}

/**
 * secmem_vault_teardown - at module unload, when no vault is left
 *
 * Context: Process context.
 */
void secmem_vault_teardown(void)
{
	kmem_cache_destroy(secmem_secret_cache);
}

/**
 * secmem_vault_create - an empty vault, with one reference
 *
 * Context: Process context, may sleep.
 * Return: the vault, or NULL.
 */
struct secmem_vault *secmem_vault_create(void)
{
	struct secmem_vault *vault = kzalloc(sizeof(*vault),
					     GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!vault)
		return NULL;
	kref_init(&vault->ref);
	xa_init_flags(&vault->slots, XA_FLAGS_ACCOUNT);
	mutex_init(&vault->grow_lock);
	mutex_init(&vault->keep_lock);
	spin_lock_init(&vault->slots_lock);
	for (i = 0; i < SECMEM_ORDERS; i++)
		INIT_LIST_HEAD(&vault->free[i]);
	INIT_LIST_HEAD(&vault->supplies);
	vault->pgoff_next = 1;
	get_random_bytes(&vault->canary_key, sizeof(vault->canary_key));
	secmem_count_add(vaults, 1);
	return vault;
}

static void secmem_vault_free(struct kref *ref)
{
	struct secmem_vault *vault = container_of(ref, struct secmem_vault,
						  ref);
	struct secmem_secret *secret;
	unsigned long slot;

	xa_for_each(&vault->slots, slot, secret) {
		WARN_ON_ONCE(secret->state != SECMEM_CLOSED);
		kmem_cache_free(secmem_secret_cache, secret);
		cond_resched();
	}
	xa_destroy(&vault->slots);
	secmem_pages_end(vault);
	kfree_sensitive(vault);
	secmem_count_add(vaults, -1);
}

/**
 * secmem_vault_put - drop a reference
 * @vault: the vault
 *
 * Context: Process context, may sleep.
 */
void secmem_vault_put(struct secmem_vault *vault)
{
	kref_put(&vault->ref, secmem_vault_free);
}

/**
 * secmem_vault_find - the place that a handle names
 * @vault: the caller has a reference
 * @handle: from anywhere
 *
 * The generation is yet to be checked, under the secret's lock.
 *
 * Context: Any.
 * Return: the place, good as long as @vault; NULL where none was ever issued.
 */
struct secmem_secret *secmem_vault_find(struct secmem_vault *vault, u64 handle)
{
	u32 slot = (u32)handle - 1;	/* of 0 none, as there is no such slot */

	return xa_load(&vault->slots, slot);
}

/**
 * secmem_vault_find_page - the place that a page of the vault belongs to
 * @vault: the caller has a reference
 * @pgoff: in the vault's page space
 *
 * Context: Any.
 * Return: the last place that begins at or before @pgoff, or NULL. The page may
 * be a guard page behind it.
 */
struct secmem_secret *secmem_vault_find_page(struct secmem_vault *vault,
					     u64 pgoff)
{
	struct secmem_secret *secret, *found = NULL;
	/* Pairs with the release in secmem_vault_grow(). */
	u32 low = 0, high = smp_load_acquire(&vault->slot_count);

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		secret = xa_load(&vault->slots, middle);
		if (secret->pgoff <= pgoff) {
			found = secret;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return found;
}

static void secmem_secret_setup(struct secmem_secret *secret,
				struct secmem_vault *vault, u8 order)
{
	mutex_init(&secret->lock);
	init_waitqueue_head(&secret->waitq);
	INIT_LIST_HEAD(&secret->holders);
	INIT_HLIST_HEAD(&secret->bounces);
	INIT_LIST_HEAD(&secret->free);
	secret->vault = vault;
	secret->first.secret = secret;
	secret->slot = vault->slot_count;
	secret->pgoff = vault->pgoff_next;
	secret->order = order;
}

static struct secmem_secret *secmem_vault_grow(struct secmem_vault *vault,
					       u8 order)
{
	struct secmem_secret *secret;
	int ret = -EMFILE;

	secret = kmem_cache_zalloc(secmem_secret_cache, GFP_KERNEL);
	if (!secret)
		return ERR_PTR(-ENOMEM);

	mutex_lock(&vault->grow_lock);
	secmem_secret_setup(secret, vault, order);
	if (vault->pgoff_next < SECMEM_PGOFF_MAX)
		ret = xa_insert(&vault->slots, vault->slot_count, secret,
				GFP_KERNEL);
	if (!ret) {
		vault->pgoff_next += (1U << order) + 1;
		/* Pairs with the acquire in secmem_vault_find_page(). */
		smp_store_release(&vault->slot_count, vault->slot_count + 1);
	}
	mutex_unlock(&vault->grow_lock);

	if (ret) {
		kmem_cache_free(secmem_secret_cache, secret);
		return ERR_PTR(ret);
	}
	return secret;
}

/* A rested place; an unrested one where a new one would not be in the view. */
static struct secmem_secret *secmem_vault_reuse(struct secmem_vault *vault,
						u8 order)
{
	struct secmem_secret *secret = NULL;
	u32 view = READ_ONCE(vault->view_pages);
	u32 after = READ_ONCE(vault->pgoff_next) + (1U << order) + 1;

	spin_lock(&vault->slots_lock);
	if (vault->free_count[order] > SECMEM_QUARANTINE ||
	    (vault->free_count[order] && view && after > view)) {
		secret = list_first_entry(&vault->free[order],
					  struct secmem_secret, free);
		list_del_init(&secret->free);
		vault->free_count[order]--;
	}
	spin_unlock(&vault->slots_lock);
	return secret;
}

static bool secmem_vault_count_up(struct secmem_vault *vault)
{
	bool ok;

	spin_lock(&vault->slots_lock);
	ok = vault->secret_count < READ_ONCE(secmem_secrets_max);
	if (ok)
		vault->secret_count++;
	spin_unlock(&vault->slots_lock);
	return ok;
}

static void secmem_vault_count_down(struct secmem_vault *vault)
{
	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_vault_reserve - a place that serves nobody, and no one else will get
 * @vault: the caller has a reference
 * @pages: 1 to 1 << (SECMEM_ORDERS - 1)
 *
 * Context: Process context, may sleep.
 * Return: the place, to be published or unreserved; -EMFILE or -ENOMEM.
 */
struct secmem_secret *secmem_vault_reserve(struct secmem_vault *vault,
					   unsigned int pages)
{
	u8 order = order_base_2(pages);
	struct secmem_secret *secret;

	if (!secmem_vault_count_up(vault))
		return ERR_PTR(-EMFILE);
	secret = secmem_vault_reuse(vault, order);
	if (!secret)
		secret = secmem_vault_grow(vault, order);
	if (IS_ERR(secret))
		secmem_vault_count_down(vault);
	return secret;
}

/**
 * secmem_vault_unreserve - give a place back that serves nobody
 * @secret: from secmem_vault_reserve(), or closed and kept by no grant
 *
 * Context: Any; the secret's lock may be held.
 */
void secmem_vault_unreserve(struct secmem_secret *secret)
{
	struct secmem_vault *vault = secret->vault;

	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	/* The last generation is never followed: its handles stay unique. */
	if (secret->generation != U32_MAX) {
		list_add_tail(&secret->free, &vault->free[secret->order]);
		vault->free_count[secret->order]++;
	}
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_vault_retire - a secret was closed, or the last grant of it alone went
 * @secret: the place; it rests once both are true
 *
 * Context: The caller holds @secret's lock.
 */
void secmem_vault_retire(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED && !secret->keepers)
		secmem_vault_unreserve(secret);
}

/**
 * secmem_vault_end - close and wipe whatever no grant of it alone keeps
 * @vault: nobody holds all of it any more
 *
 * Context: Process context, may sleep. The caller holds the vault's keep_lock.
 */
void secmem_vault_end(struct secmem_vault *vault)
{
	struct secmem_secret *secret;
	unsigned long slot;

	lockdep_assert_held(&vault->keep_lock);
	xa_for_each(&vault->slots, slot, secret) {
		mutex_lock(&secret->lock);
		if (!secret->keepers)
			secmem_secret_revoke_locked(secret);
		mutex_unlock(&secret->lock);
		cond_resched();
	}
}
