// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vaults: each a set of places, with a number, and with whom it is known by.
 */
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "pages.h"
#include "vault.h"

/* All vaults, by number. */
static DEFINE_XARRAY_FLAGS(secmem_vaults, XA_FLAGS_ACCOUNT);
static atomic_long_t secmem_vault_numbers = ATOMIC_LONG_INIT(0);

/**
 * secmem_vault_teardown - at module unload, when no vault is left
 *
 * Context: Process context.
 */
void secmem_vault_teardown(void)
{
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
	secmem_source_setup(&vault->source);
	for (i = 0; i < SECMEM_ORDERS; i++)
		INIT_LIST_HEAD(&vault->free[i]);
	vault->pgoff_next = 1;
	vault->tag = secmem_vault_tag();
	get_random_bytes(&vault->canary_key, sizeof(vault->canary_key));
	secmem_vault_set_owner(vault);
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

	/* This comes first: secmem_vault_next() may be looking at the vault. */
	xa_erase(&secmem_vaults, vault->number);
	secmem_place_free_all(vault);
	secmem_source_end(&vault->source);
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

	/* With the lock held a vault whose last reference goes is not freed. */
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
 * secmem_vault_set_owner - the current process is whom a vault is known by
 * @vault: opened, or used, by it
 *
 * Context: Process context.
 */
void secmem_vault_set_owner(struct secmem_vault *vault)
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
