// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may use a file: rights, and the one address space that its grant answers.
 *
 * The address space is the first that uses the file, until it ends. An mmu
 * notifier tells of that end, whatever brought it: exit, exec, kill -9. One
 * notifier serves all grants of an mm.
 */
#include <linux/file.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "access.h"
#include "bind.h"
#include "holder.h"
#include "keep.h"
#include "mm.h"
#include "watch.h"

static const struct address_space_operations secmem_grant_aops = {};

/**
 * secmem_grant_create - a grant that answers nobody yet
 * @vault: handed over: one reference
 * @from: what it is exported from, entered by the current mm; NULL: the vault's
 * first
 * @place: the one secret it is of, with its keepers counted up; or NULL
 * @handle: of @place, or 0
 * @rights: SECMEM_RIGHT_*
 *
 * Context: Process context, may sleep.
 * Return: the grant, or NULL; then nothing was handed over.
 */
struct secmem_grant *secmem_grant_create(struct secmem_vault *vault,
					 struct secmem_grant *from,
					 struct secmem_place *place, u64 handle,
					 u32 rights)
{
	struct secmem_grant *grant = kzalloc(sizeof(*grant),
					     SECMEM_GFP);

	if (!grant)
		return NULL;
	kref_init(&grant->ref);
	grant->vault = vault;
	grant->place = place;
	grant->handle = handle;
	while (!grant->id)
		get_random_bytes(&grant->id, sizeof(grant->id));
	grant->rights = rights;
	INIT_LIST_HEAD(&grant->by_mm);
	INIT_LIST_HEAD(&grant->by_vault);
	grant->single.grant = grant;
	grant->single.place = place;
	atomic64_set(&grant->single.holder.word,
		     secmem_word_empty(secmem_handle_generation(handle)));
	xa_init_flags(&grant->records, XA_FLAGS_ACCOUNT);
	init_waitqueue_head(&grant->pollq);
	INIT_LIST_HEAD(&grant->by_watch);
	atomic_set(&grant->views, 0);
	address_space_init_once(&grant->mapping);
	secmem_compat_mapping_init(&grant->mapping);
	grant->mapping.a_ops = &secmem_grant_aops;

	if (!place)
		secmem_grant_keep(grant, from);
	secmem_count_add(grants, 1);
	return grant;
}

/**
 * secmem_grant_attach - make a file the grant's
 * @grant: handed over; secmem_grant_release() ends it
 * @file: the file
 *
 * Its mappings are found through an address_space of its own, so that zapping
 * reaches this view alone. Its host is the file's inode, which outlives both.
 *
 * Context: Any.
 */
void secmem_grant_attach(struct secmem_grant *grant, struct file *file)
{
	grant->mapping.host = file_inode(file);
	file->f_mapping = &grant->mapping;
	file->private_data = grant;
}

/**
 * secmem_grant_release - the file is gone
 * @grant: its grant
 *
 * No VMA and no call is left that came by the file. But the worker of its mm's end
 * may run at the same time. Only one of the two takes the grant off the mm's list,
 * and that one does all the rest: it ends the grant's accesses, unkeeps and unties
 * it. If they shared that work, the worker could find its part done and be through
 * while ours is not, and who waits for it would take the secrets for wiped.
 *
 * Context: Process context, no lock held. Waits for no lock of a secret, as a
 * process may be on its way out. Waits for workers: that of the mm's end, if the
 * current process has ended that mm; and those that end what nobody keeps any more.
 */
void secmem_grant_release(struct secmem_grant *grant)
{
	struct secmem_mm *ending;
	bool bound, leaving;

	spin_lock(&secmem_bind_lock);
	bound = !list_empty(&grant->by_mm);
	leaving = grant->leaving;
	list_del_init(&grant->by_mm);
	spin_unlock(&secmem_bind_lock);

	ending = secmem_mm_ending(grant);
	secmem_watch_end(grant);
	if (!leaving)
		secmem_access_abandon(grant);
	if (grant->place && !grant->drops)
		secmem_place_unkeep(grant->place);
	else if (!grant->place && !leaving)
		secmem_grant_unkeep(grant);
	if (bound)
		secmem_grant_untie(grant);
	secmem_mm_await(ending);
	secmem_grant_put(grant);
}

/* The mm's last user is gone: none of its grants takes a new access. */
static void secmem_mm_end(struct work_struct *work)
{
	struct secmem_mm *bound = container_of(work, struct secmem_mm, end);
	struct secmem_grant *grant;

	for (;;) {
		spin_lock(&secmem_bind_lock);
		grant = list_first_entry_or_null(&bound->grants,
						 struct secmem_grant, by_mm);
		if (grant) {
			/*
			 * It is on the list, so its file has not been released,
			 * and there is a reference.
			 */
			kref_get(&grant->ref);
			list_del_init(&grant->by_mm);
			grant->leaving = true;
		}
		spin_unlock(&secmem_bind_lock);
		if (!grant)
			break;

		secmem_access_abandon(grant);
		if (!grant->place)
			secmem_grant_unkeep(grant);
		/*
		 * This comes last: until then nobody else can bind the grant.
		 */
		secmem_grant_untie(grant);
		secmem_grant_put(grant);
	}
	secmem_mm_put(bound);
}

static struct mmu_notifier *secmem_mm_alloc(struct mm_struct *mm)
{
	struct secmem_mm *bound = secmem_mm_create(secmem_mm_end);

	return bound ? &bound->notifier : ERR_PTR(-ENOMEM);
}

static const struct mmu_notifier_ops secmem_mm_ops = {
	.release = secmem_mm_release,
	.alloc_notifier = secmem_mm_alloc,
	.free_notifier = secmem_mm_free,
};

/* 0: it answers nobody. -EACCES: it answers an mm; -EBUSY: which has ended. */
static int secmem_grant_is_free(struct secmem_grant *grant)
{
	int ret = 0;

	spin_lock(&secmem_bind_lock);
	if (grant->bound)
		ret = grant->bound->ended ? -EBUSY : -EACCES;
	spin_unlock(&secmem_bind_lock);
	return ret;
}

/* Wait until a grant that leaves its mm answers nobody. */
static int secmem_grant_bind_wait(struct secmem_grant *grant, bool mmap_locked)
{
	int ret = secmem_grant_is_free(grant);

	if (ret != -EBUSY || mmap_locked)
		return ret;
	return wait_var_event_interruptible(&grant->mm,
					    secmem_grant_is_free(grant) !=
						    -EBUSY) ?
		       -EINTR :
		       0;
}

/* Bind to the current mm, unless another one was faster. */
static int secmem_grant_bind(struct secmem_grant *grant, bool mmap_locked)
{
	struct mm_struct *mm = current->mm, *answers;
	struct secmem_vault *vault = grant->vault;
	struct mmu_notifier *notifier;
	struct secmem_mm *bound;
	bool mine = false, own;
	int ret;

	if (!mm)
		return -EACCES;
	/* Pairs as in secmem_grant_answers(). */
	while ((answers = smp_load_acquire(&grant->mm))) {
		/* Another thread of ours may have come first just now. */
		if (answers == mm)
			return 0;
		ret = secmem_grant_bind_wait(grant, mmap_locked);
		if (ret)
			return ret;
	}
	notifier = mmap_locked ?
			   mmu_notifier_get_locked(&secmem_mm_ops, mm) :
			   mmu_notifier_get(&secmem_mm_ops, mm);
	if (IS_ERR(notifier))
		return PTR_ERR(notifier);
	bound = container_of(notifier, struct secmem_mm, notifier);

	/*
	 * The grant must keep the vault before other threads of the mm see it
	 * bound.
	 */
	spin_lock(&vault->keep_lock);
	spin_lock(&secmem_bind_lock);
	if (grant->mm)
		ret = grant->mm == mm ? 0 : -EACCES;
	else
		ret = secmem_grant_renew(grant);
	if (!ret && !grant->mm) {
		mine = true;
		kref_get(&grant->ref);
		atomic_set(&grant->ties, 1);
		grant->used = true;
		grant->bound = bound;
		list_add(&grant->by_mm, &bound->grants);
		/* Pairs with the acquires of those who do not take the lock. */
		smp_store_release(&grant->mm, mm);
	}
	spin_unlock(&secmem_bind_lock);
	/*
	 * A grant of one secret makes its user the owner only where no grant of
	 * all the vault is in use.
	 */
	own = mine && (!grant->place || list_empty(&vault->keepers));
	spin_unlock(&vault->keep_lock);

	if (own)
		secmem_vault_set_owner(vault);
	if (!mine)
		mmu_notifier_put(notifier);
	return ret;
}

static int secmem_grant_check(struct secmem_grant *grant, u32 rights,
			      bool mmap_locked)
{
	if ((grant->rights & rights) != rights)
		return -EACCES;
	if (secmem_grant_answers(grant))
		return 0;
	return secmem_grant_bind(grant, mmap_locked);
}

/**
 * secmem_grant_enter_slow - secmem_grant_enter() for whom it does not know yet
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * Context: Process context, no lock held. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR.
 */
int secmem_grant_enter_slow(struct secmem_grant *grant, u32 rights)
{
	return secmem_grant_check(grant, rights, false);
}

/**
 * secmem_grant_enter_locked - secmem_grant_enter() for mmap
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * Context: The current mm's mmap_lock is held for writing. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR; -EBUSY where the mm that it answered has
 * ended, and it is yet to leave that.
 */
int secmem_grant_enter_locked(struct secmem_grant *grant, u32 rights)
{
	return secmem_grant_check(grant, rights, true);
}

/**
 * secmem_grant_find - the place that a handle names through a grant
 * @grant: entered
 * @handle: from the caller
 *
 * Context: Any.
 * Return: the place, good as long as @grant; the generation is yet to be
 * checked. -ENOENT where it was never issued, or not to @grant; -EKEYREVOKED,
 * what it names is not for @grant any more, and for it as good as closed.
 */
struct secmem_place *secmem_grant_find(struct secmem_grant *grant, u64 handle)
{
	struct secmem_place *place = grant->place;
	u32 generation;

	if (place) {
		if (handle != grant->handle)
			return ERR_PTR(-ENOENT);
	} else {
		place = secmem_vault_find(grant->vault, handle);
		if (!place)
			return ERR_PTR(-ENOENT);
	}
	if (secmem_grant_has_dropped(grant, place,
				     secmem_handle_generation(handle)))
		return ERR_PTR(-EKEYREVOKED);
	if (likely(!grant->since))
		return place;
	/*
	 * Pairs with the release in secmem_secret_publish(). The era that is
	 * read next is that of the handle's secret, or of a later one; in the
	 * second case the look under the lock finds that the generation is
	 * over.
	 */
	generation = smp_load_acquire(&place->generation);
	return generation == secmem_handle_generation(handle) &&
			       !secmem_grant_sees(grant, place) ?
		       ERR_PTR(-EKEYREVOKED) :
		       place;
}
