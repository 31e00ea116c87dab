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
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "internal.h"

/* So many places of a size rest before the first serves again. */
#define SECMEM_QUARANTINE	64

#define SECMEM_PGOFF_MAX	BIT(31)

static struct kmem_cache *secmem_secret_cache;

/* All vaults, by number. */
static DEFINE_XARRAY_FLAGS(secmem_vaults, XA_FLAGS_ACCOUNT);
static atomic_long_t secmem_vault_numbers = ATOMIC_LONG_INIT(0);

/**
 * secmem_vault_setup - at module load
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int secmem_vault_setup(void)
{
	secmem_secret_cache = KMEM_CACHE(secmem_secret, SLAB_ACCOUNT);
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
	WARN_ON_ONCE(!xa_empty(&secmem_vaults));
}

static u32 secmem_vault_tag(void)
{
	u32 tag;

	do
		tag = get_random_u32() >> (32 - SECMEM_TAG_BITS);
	while (!tag);
	return tag;
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
					     SECMEM_GFP);
	unsigned int i;

	if (!vault)
		return NULL;
	kref_init(&vault->ref);
	mutex_init(&vault->grow_lock);
	spin_lock_init(&vault->keep_lock);
	INIT_LIST_HEAD(&vault->keepers);
	spin_lock_init(&vault->calls_lock);
	spin_lock_init(&vault->slots_lock);
	for (i = 0; i < SECMEM_ORDERS; i++)
		INIT_LIST_HEAD(&vault->free[i]);
	vault->pgoff_next = 1;
	vault->tag = secmem_vault_tag();
	get_random_bytes(&vault->canary_key, sizeof(vault->canary_key));
	secmem_vault_own(vault);
	vault->number = atomic_long_inc_return(&secmem_vault_numbers);
	if (xa_insert(&secmem_vaults, vault->number, vault, SECMEM_GFP)) {
		put_pid(vault->owner);
		kfree_sensitive(vault);
		return NULL;
	}
	secmem_count_add(vaults, 1);
	return vault;
}

static void secmem_vault_free(struct kref *ref)
{
	struct secmem_vault *vault = container_of(ref, struct secmem_vault,
						  ref);
	struct secmem_secret *secret;
	unsigned int chunk;
	u32 slot;

	/* Before it is freed: secmem_vault_next() may be looking at it. */
	xa_erase(&secmem_vaults, vault->number);
	for (slot = 0; slot < vault->slot_count; slot++) {
		secret = secmem_vault_slot(vault, slot);
		WARN_ON_ONCE(secret->state != SECMEM_CLOSED);
		kfree(secret->cold);
		kmem_cache_free(secmem_secret_cache, secret);
		cond_resched();
	}
	for (chunk = 0; chunk < SECMEM_CHUNKS; chunk++)
		kvfree(vault->chunks[chunk]);
	secmem_pages_end(vault);
	WARN_ON_ONCE(vault->live);
	put_pid(vault->owner);
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
	/* Pairs with the release in secmem_vault_append(). */
	u32 low = 0, high = smp_load_acquire(&vault->slot_count);

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		secret = secmem_vault_slot(vault, middle);
		if (secret->pgoff <= pgoff) {
			found = secret;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return found;
}

static void secmem_vault_place(struct secmem_vault *vault,
			       struct secmem_secret *secret, u8 order)
{
	lockdep_assert_held(&vault->grow_lock);
	secret->vault = vault;
	secret->slot = vault->slot_count;
	secret->pgoff = vault->pgoff_next;
	secret->order = order;
}

/*
 * The chunk for the next slot, made where there is none: not under grow_lock, for
 * which others wait.
 */
static int secmem_vault_need_chunk(struct secmem_vault *vault)
{
	u32 slot = READ_ONCE(vault->slot_count);
	unsigned int chunk = secmem_vault_chunk(&slot);
	struct secmem_secret **slots;

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
			       struct secmem_secret *secret, u8 order)
{
	struct secmem_secret **slots;
	unsigned int chunk;
	int ret;
	u32 slot;

again:
	ret = secmem_vault_need_chunk(vault);
	if (ret)
		return ret;
	if (mutex_lock_killable(&vault->grow_lock))
		return -EINTR;
	secmem_vault_place(vault, secret, order);
	slot = secret->slot;
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
	smp_store_release(&slots[slot], secret);
	/* secmem_vault_reuse() has a look without the lock. */
	WRITE_ONCE(vault->pgoff_next,
		   vault->pgoff_next + (1U << secret->order) + 1);
	/* Pairs with the acquire in secmem_vault_find_page(). */
	smp_store_release(&vault->slot_count, vault->slot_count + 1);
	mutex_unlock(&vault->grow_lock);
	return 0;
}

static struct secmem_secret *secmem_vault_grow(struct secmem_vault *vault,
					       u8 order)
{
	struct secmem_secret *secret;
	int ret;

	secret = kmem_cache_zalloc(secmem_secret_cache, SECMEM_GFP);
	if (!secret)
		return ERR_PTR(-ENOMEM);

	secmem_secret_setup(secret);
	ret = secmem_vault_append(vault, secret, order);
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
		list_del(&secret->free);
		vault->free_count[order]--;
	}
	spin_unlock(&vault->slots_lock);
	return secret;
}

static int secmem_vault_count_up(struct secmem_vault *vault)
{
	int ret = secmem_power_enter();

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
		secmem_power_leave();
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
	secmem_power_leave();
}

static void secmem_vault_count_down(struct secmem_vault *vault)
{
	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	spin_unlock(&vault->slots_lock);
	secmem_vault_wiped(vault);
}

/**
 * secmem_vault_reserve - a place that serves nobody, and no one else will get
 * @vault: the caller has a reference
 * @pages: 1 to 1 << (SECMEM_ORDERS - 1)
 *
 * Context: Process context, may sleep.
 * Return: the place, to be published or unreserved; -EMFILE; -ENOMEM; -EBUSY
 * or -ESHUTDOWN, as secmem_power_enter(); -EKEYREVOKED, the vault was ended.
 */
struct secmem_secret *secmem_vault_reserve(struct secmem_vault *vault,
					   unsigned int pages)
{
	u8 order = order_base_2(pages);
	struct secmem_secret *secret;
	int ret;

	if (READ_ONCE(vault->ended))
		return ERR_PTR(-EKEYREVOKED);
	ret = secmem_vault_count_up(vault);
	if (ret)
		return ERR_PTR(ret);
	secret = secmem_vault_reuse(vault, order);
	if (!secret)
		secret = secmem_vault_grow(vault, order);
	if (IS_ERR(secret))
		secmem_vault_count_down(vault);
	return secret;
}

/**
 * secmem_vault_secrets - how many places serve, or are about to
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

static void secmem_vault_rest(struct secmem_secret *secret)
{
	struct secmem_vault *vault = secret->vault;

	spin_lock(&vault->slots_lock);
	vault->secret_count--;
	/* The last generation is never followed: its handles stay unique. */
	if (secret->generation != SECMEM_GENERATION_MAX) {
		list_add_tail(&secret->free, &vault->free[secret->order]);
		vault->free_count[secret->order]++;
	}
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_vault_unreserve - give a place back that was never published
 * @secret: from secmem_vault_reserve()
 *
 * Context: Any.
 */
void secmem_vault_unreserve(struct secmem_secret *secret)
{
	secmem_vault_rest(secret);
	secmem_vault_wiped(secret->vault);
}

/**
 * secmem_vault_retire - a secret was closed, or the last grant of it alone went
 * @secret: the place; it rests once both are true
 *
 * Whoever is last asks, so it may be asked once more: a place rests once.
 *
 * Context: The caller holds @secret's lock.
 */
void secmem_vault_retire(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->state != SECMEM_CLOSED ||
	    secmem_secret_is(secret, SECMEM_IS_RESTS) ||
	    atomic_read(&secret->keepers))
		return;
	secmem_secret_set(secret, SECMEM_IS_RESTS, 1);
	secmem_vault_rest(secret);
}

/**
 * secmem_vault_judge - end whatever secrets of a vault are doomed by now
 * @vault: the caller has a reference
 * @await: those that a worker ends as well
 *
 * What lingers is ended, too. Where somebody else holds a secret's lock, he sees
 * to that secret when he lets go.
 *
 * Context: Process context; waits for no lock of a secret. With @await it waits
 * for our own workers, which core mm may have wait.
 */
void secmem_vault_judge(struct secmem_vault *vault, bool await)
{
	/* Pairs with the release in secmem_vault_append(). */
	u32 slot, count = smp_load_acquire(&vault->slot_count);
	struct secmem_secret *secret;

	for (slot = 0; slot < count; slot++) {
		secret = secmem_vault_slot(vault, slot);
		if (!secmem_errand_send(secret, SECMEM_ERRAND_JUDGE) && await &&
		    READ_ONCE(secret->era) < READ_ONCE(vault->kept_since) &&
		    !atomic_read(&secret->keepers))
			secmem_errand_flush(secret);
		cond_resched();
	}
}

/**
 * secmem_vault_unkept - what does no grant of all of a vault keep any more
 * @vault: such a grant has left its keepers
 *
 * What is left is kept from the least era of its keepers on. That never falls,
 * since whoever keeps the vault anew keeps what is published from then on: so
 * what was not kept once never is again, whoever looks at it, and when.
 *
 * Context: The caller holds the vault's keep_lock.
 * Return: whether there may be more of it than before, for secmem_vault_judge().
 */
bool secmem_vault_unkept(struct secmem_vault *vault)
{
	struct secmem_grant *least;
	u32 since;

	lockdep_assert_held(&vault->keep_lock);
	least = list_first_entry_or_null(&vault->keepers, struct secmem_grant,
					 by_vault);
	since = least ? least->since : vault->era + 1;
	if (since <= vault->kept_since)
		return false;
	/* secmem_secret_doomed() reads it without the lock. */
	WRITE_ONCE(vault->kept_since, since);
	return true;
}

/**
 * secmem_vault_next - walk the vaults
 * @number: where to look on; 0 at first
 *
 * Context: Process context.
 * Return: the next vault, to be put by the caller; NULL at the end. One that is
 * opened meanwhile may be left out.
 */
struct secmem_vault *secmem_vault_next(unsigned long *number)
{
	struct secmem_vault *vault;

	/* The lock keeps a vault whose last reference goes from being freed. */
	xa_lock(&secmem_vaults);
	vault = xa_find(&secmem_vaults, number, ULONG_MAX, XA_PRESENT);
	while (vault && !kref_get_unless_zero(&vault->ref))
		vault = xa_find_after(&secmem_vaults, number, ULONG_MAX,
				      XA_PRESENT);
	xa_unlock(&secmem_vaults);
	if (vault)
		*number = vault->number + 1;
	return vault;
}

/**
 * secmem_vault_revoke_number - end a vault: its secrets, and CREATE for good
 * @number: of the vault
 *
 * Context: Process context. Sleeps until all are wiped.
 * Return: 0; -ENOENT; -EINTR (the caller is being killed; they end all the same).
 */
int secmem_vault_revoke_number(unsigned long number)
{
	struct secmem_vault *vault;
	struct secmem_owner owner;
	unsigned long next = number;
	int ret = 0;

	vault = secmem_vault_next(&next);
	if (!vault)
		return -ENOENT;
	if (vault->number != number) {
		secmem_vault_put(vault);
		return -ENOENT;
	}
	WRITE_ONCE(vault->ended, true);
	/* Pairs with the one in secmem_power_keeps(). */
	smp_mb();
	secmem_vault_judge(vault, false);
	/* Who holds the lock of one is not scheduled for as long as he likes. */
	if (wait_var_event_killable(&vault->live, !READ_ONCE(vault->live)))
		ret = -EINTR;
	secmem_vault_owner(vault, &owner, false);
	pr_info("secmem: vault %lu of %*pE[%d] is revoked\n", number,
		(int)strlen(owner.name), owner.name, owner.pid);
	secmem_vault_put(vault);
	return ret;
}

/**
 * secmem_vault_own - the current process is whom a vault is known by
 * @vault: opened, or used, by it
 *
 * Context: Process context.
 */
void secmem_vault_own(struct secmem_vault *vault)
{
	struct pid *owner = get_task_pid(current, PIDTYPE_TGID);
	char name[TASK_COMM_LEN];

	get_task_comm(name, current->group_leader);
	spin_lock(&vault->slots_lock);
	swap(vault->owner, owner);
	memcpy(vault->owner_name, name, sizeof(name));
	spin_unlock(&vault->slots_lock);
	put_pid(owner);
}

/**
 * secmem_vault_owner - whom a vault is known by
 * @vault: the caller has a reference
 * @owner: filled in
 * @here: its number in the current task's PID namespace, not in the first one
 *
 * Context: Any.
 * Return: how many of the vault's secrets live.
 */
u32 secmem_vault_owner(struct secmem_vault *vault, struct secmem_owner *owner,
		       bool here)
{
	u32 live;

	spin_lock(&vault->slots_lock);
	owner->pid = here ? pid_vnr(vault->owner) : pid_nr(vault->owner);
	memcpy(owner->name, vault->owner_name, sizeof(owner->name));
	live = vault->live;
	spin_unlock(&vault->slots_lock);
	return live;
}
