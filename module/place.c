// SPDX-License-Identifier: GPL-2.0-only
/*
 * Places: what serves one secret after another.
 *
 * A place is a slot number and a range of pages in the vault's page space,
 * with a guard page behind it (and page 0 before the first). Both grow
 * together and never shrink, so slots are sorted by page. A place that is
 * given back waits in a queue of its size, first in, first out, so that a
 * stale address meets SIGBUS for a good while before it meets another secret.
 */
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "gate.h"
#include "place.h"
#include "vault.h"

/* How many places of a size rest before the first of them serves again. */
#define SECMEM_QUARANTINE	64

#define SECMEM_PGOFF_MAX	BIT(31)

static struct kmem_cache *secmem_place_cache;

static int secmem_secrets_max_set(const char *value,
				  const struct kernel_param *param)
{
	unsigned int max;
	int ret = kstrtouint(value, 0, &max);

	if (ret)
		return ret;
	if (max > SECMEM_SLOTS_MAX)
		return -ERANGE;
	return param_set_uint(value, param);
}

static const struct kernel_param_ops secmem_secrets_max_ops = {
	.set = secmem_secrets_max_set,
	.get = param_get_uint,
};

unsigned int secmem_secrets_max = 1U << 20;
module_param_cb(secrets_max, &secmem_secrets_max_ops, &secmem_secrets_max, 0644);
MODULE_PARM_DESC(secrets_max, "Secrets in one vault");

/**
 * secmem_place_setup - at module load
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int secmem_place_setup(void)
{
	secmem_place_cache = KMEM_CACHE(secmem_place, SLAB_ACCOUNT);
	return secmem_place_cache ? 0 : -ENOMEM;
}

/**
 * secmem_place_teardown - at module unload, when no vault is left
 *
 * Context: Process context.
 */
void secmem_place_teardown(void)
{
	kmem_cache_destroy(secmem_place_cache);
}

/**
 * secmem_place_free_all - free the places of a vault
 * @vault: it goes, and has no secret left
 *
 * Context: Process context, may sleep.
 */
void secmem_place_free_all(struct secmem_vault *vault)
{
	struct secmem_place *place;
	unsigned int chunk;
	u32 slot;

	for (slot = 0; slot < vault->slot_count; slot++) {
		place = secmem_vault_slot(vault, slot);
		WARN_ON_ONCE(place->state != SECMEM_CLOSED);
		kfree(place->cold);
		kmem_cache_free(secmem_place_cache, place);
		cond_resched();
	}
	for (chunk = 0; chunk < SECMEM_CHUNKS; chunk++)
		kvfree(vault->chunks[chunk]);
}

/**
 * secmem_place_find_page - the place that a page of the vault belongs to
 * @vault: the caller has a reference
 * @pgoff: in the vault's page space
 *
 * Context: Any.
 * Return: the last place that begins at or before @pgoff, or NULL. The page may
 * be a guard page behind it.
 */
struct secmem_place *secmem_place_find_page(struct secmem_vault *vault,
					    u64 pgoff)
{
	struct secmem_place *place, *found = NULL;
	/* Pairs with the release in secmem_vault_append(). */
	u32 low = 0, high = smp_load_acquire(&vault->slot_count);

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		place = secmem_vault_slot(vault, middle);
		if (place->pgoff <= pgoff) {
			found = place;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return found;
}

/* A place that never served. */
static void secmem_place_init(struct secmem_place *place)
{
	secmem_lock_init(&place->lock);
	seqcount_init(&place->seq);
	secmem_place_set(place, SECMEM_IS_RESTS, 1);
}

static void secmem_place_lay(struct secmem_vault *vault,
			     struct secmem_place *place, u8 order)
{
	lockdep_assert_held(&vault->grow_lock);
	place->vault = vault;
	place->slot = vault->slot_count;
	place->pgoff = vault->pgoff_next;
	place->order = order;
}

/*
 * Make the chunk for the next slot where there is none. grow_lock is not held,
 * as others wait for it.
 */
static int secmem_vault_need_chunk(struct secmem_vault *vault)
{
	u32 slot = READ_ONCE(vault->slot_count);
	unsigned int chunk = secmem_vault_chunk(&slot);
	struct secmem_place **slots;

	if (READ_ONCE(vault->chunks[chunk]))
		return 0;
	slots = kvcalloc(SECMEM_CHUNK_SLOTS << chunk, sizeof(*slots),
			 SECMEM_GFP);
	if (!slots)
		return -ENOMEM;
	/* Fully ordered; pairs with the dependent read in secmem_vault_slot(). */
	if (cmpxchg(&vault->chunks[chunk], NULL, slots))
		kvfree(slots);
	return 0;
}

/* Give a place its slot, from which it never moves. */
static int secmem_vault_append(struct secmem_vault *vault,
			       struct secmem_place *place, u8 order)
{
	struct secmem_place **slots;
	unsigned int chunk;
	int ret;
	u32 slot;

again:
	ret = secmem_vault_need_chunk(vault);
	if (ret)
		return ret;
	if (mutex_lock_killable(&vault->grow_lock))
		return -EINTR;
	secmem_place_lay(vault, place, order);
	slot = place->slot;
	chunk = secmem_vault_chunk(&slot);
	slots = vault->chunks[chunk];
	if (!slots) {
		/* Others came first and filled the chunk. */
		mutex_unlock(&vault->grow_lock);
		goto again;
	}
	if (vault->pgoff_next >= SECMEM_PGOFF_MAX ||
	    vault->slot_count >= SECMEM_SLOTS_MAX) {
		mutex_unlock(&vault->grow_lock);
		return -EMFILE;
	}
	/* Pairs with the dependent read in secmem_vault_slot(). */
	smp_store_release(&slots[slot], place);
	/* secmem_vault_reuse() has a look without the lock. */
	WRITE_ONCE(vault->pgoff_next,
		   vault->pgoff_next + (1U << place->order) + 1);
	/* Pairs with the acquire in secmem_place_find_page(). */
	smp_store_release(&vault->slot_count, vault->slot_count + 1);
	mutex_unlock(&vault->grow_lock);
	return 0;
}

static struct secmem_place *secmem_vault_grow(struct secmem_vault *vault,
					      u8 order)
{
	struct secmem_place *place;
	int ret;

	place = kmem_cache_zalloc(secmem_place_cache, SECMEM_GFP);
	if (!place)
		return ERR_PTR(-ENOMEM);

	secmem_place_init(place);
	ret = secmem_vault_append(vault, place, order);
	if (ret) {
		kmem_cache_free(secmem_place_cache, place);
		return ERR_PTR(ret);
	}
	return place;
}

/*
 * A place that has rested long enough; or any that rests, where a new one would
 * lie beyond the view.
 */
static struct secmem_place *secmem_vault_reuse(struct secmem_vault *vault,
					       u8 order)
{
	struct secmem_place *place = NULL;
	u32 view = READ_ONCE(vault->view_pages);
	u32 after = READ_ONCE(vault->pgoff_next) + (1U << order) + 1;

	spin_lock(&vault->slots_lock);
	if (vault->free_count[order] > SECMEM_QUARANTINE ||
	    (vault->free_count[order] && view && after > view)) {
		place = list_first_entry(&vault->free[order],
					 struct secmem_place, free);
		list_del(&place->free);
		vault->free_count[order]--;
	}
	spin_unlock(&vault->slots_lock);
	return place;
}

static int secmem_vault_count_up(struct secmem_vault *vault)
{
	int ret = secmem_gate_enter();

	if (ret)
		return ret;
	spin_lock(&vault->slots_lock);
	if (vault->secret_count < READ_ONCE(secmem_secrets_max)) {
		vault->secret_count++;
		vault->live++;
	} else {
		ret = -EMFILE;
	}
	spin_unlock(&vault->slots_lock);
	if (ret)
		secmem_gate_leave();
	return ret;
}

/**
 * secmem_vault_wiped - a secret's bytes are gone, or were never published
 * @vault: its vault
 *
 * Context: Any; a secret's lock may be held.
 */
void secmem_vault_wiped(struct secmem_vault *vault)
{
	bool last;

	spin_lock(&vault->slots_lock);
	WRITE_ONCE(vault->live, vault->live - 1);
	last = !vault->live;
	spin_unlock(&vault->slots_lock);
	if (last) {
		/* Pairs with the one in secmem_vault_revoke_number()'s wait. */
		smp_mb();
		wake_up_var(&vault->live);
	}
	secmem_gate_leave();
}

static void secmem_vault_count_down(struct secmem_vault *vault)
{
	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	spin_unlock(&vault->slots_lock);
	secmem_vault_wiped(vault);
}

/**
 * secmem_place_reserve - a place that serves nobody, and no one else will get
 * @vault: the caller has a reference
 * @pages: 1 to 1 << (SECMEM_ORDERS - 1)
 *
 * Context: Process context, may sleep.
 * Return: the place, to be published or unreserved; -EMFILE; -ENOMEM; -EBUSY
 * or -ESHUTDOWN, as secmem_gate_enter(); -EKEYREVOKED, the vault was ended.
 */
struct secmem_place *secmem_place_reserve(struct secmem_vault *vault,
					  unsigned int pages)
{
	u8 order = order_base_2(pages);
	struct secmem_place *place;
	int ret;

	if (READ_ONCE(vault->ended))
		return ERR_PTR(-EKEYREVOKED);
	ret = secmem_vault_count_up(vault);
	if (ret)
		return ERR_PTR(ret);
	place = secmem_vault_reuse(vault, order);
	if (!place)
		place = secmem_vault_grow(vault, order);
	if (IS_ERR(place))
		secmem_vault_count_down(vault);
	return place;
}

/**
 * secmem_vault_secrets - how many places do not rest
 * @vault: the vault
 *
 * Context: Any.
 * Return: their number, at some moment.
 */
u32 secmem_vault_secrets(struct secmem_vault *vault)
{
	u32 count;

	spin_lock(&vault->slots_lock);
	count = vault->secret_count;
	spin_unlock(&vault->slots_lock);
	return count;
}

static void secmem_place_rest(struct secmem_place *place)
{
	struct secmem_vault *vault = place->vault;

	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	/*
	 * After the last generation the place serves no more, as its handles
	 * would come again.
	 */
	if (place->generation != SECMEM_GENERATION_MAX) {
		list_add_tail(&place->free, &vault->free[place->order]);
		vault->free_count[place->order]++;
	}
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_place_unreserve - give a place back that was never published
 * @place: from secmem_place_reserve()
 *
 * Context: Any.
 */
void secmem_place_unreserve(struct secmem_place *place)
{
	secmem_place_rest(place);
	secmem_vault_wiped(place->vault);
}

/**
 * secmem_place_retire - a secret was closed, or the last grant of it alone let go
 * @place: the place; it rests once both are true
 *
 * Whoever is last asks, so it may be asked once more: a place rests once.
 *
 * Context: The caller holds @place's lock.
 */
void secmem_place_retire(struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	if (place->state != SECMEM_CLOSED ||
	    secmem_place_is(place, SECMEM_IS_RESTS) ||
	    atomic_read(&place->own_grants))
		return;
	secmem_place_set(place, SECMEM_IS_RESTS, 1);
	secmem_place_rest(place);
}

/**
 * secmem_place_wake - wake all calls that wait for a secret
 * @place: the place
 * @end: how it ended, if it did
 *
 * They stand in the queue before they let go of the lock under which they look,
 * and whoever wakes holds it; so who is not seen here has yet to look.
 *
 * Context: The caller holds @place's lock.
 */
void secmem_place_wake(struct secmem_place *place, enum secmem_end end)
{
	lockdep_assert_held(&place->lock);
	/* The lock is the barrier. */
	if (place->cold && waitqueue_active(&place->cold->waitq))
		__wake_up(&place->cold->waitq, TASK_NORMAL, 0,
			  (void *)(unsigned long)end);
}
