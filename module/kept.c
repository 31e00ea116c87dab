// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kept: blocks that are empty and stay with their supply for its next CREATE. A
 * shrinker gives them back when the kernel is short of memory, so that they are
 * nobody's locked memory.
 */
#include "internal.h"

/* As many areas may an account keep beside those in use, and no more. */
#define SECMEM_KEPT_AREAS	8

static LIST_HEAD(secmem_kept);		/* the oldest first */
static unsigned long secmem_kept_pages;
static DEFINE_SPINLOCK(secmem_kept_lock);	/* of all this, and accounts' */

/**
 * secmem_kept_add - a block is empty, and stays
 * @block: not kept yet
 *
 * Context: The caller holds its supply's lock.
 * Return: false where it may not stay, being one of too many areas.
 */
bool secmem_kept_add(struct secmem_block *block)
{
	struct secmem_account *account = block->supply->user->account;
	bool area = block->area == SECMEM_AREA_HELD;
	bool may;

	lockdep_assert_held(&block->supply->lock);
	spin_lock(&secmem_kept_lock);
	may = !area || account->areas_kept < SECMEM_KEPT_AREAS;
	if (may) {
		list_add_tail(&block->by_kept, &secmem_kept);
		secmem_kept_pages += secmem_block_pages(block);
		if (area) {
			list_add_tail(&block->by_account, &account->kept);
			account->areas_kept++;
		}
	}
	spin_unlock(&secmem_kept_lock);
	return may;
}

/* With secmem_kept_lock. */
static void secmem_kept_remove(struct secmem_block *block)
{
	lockdep_assert_held(&secmem_kept_lock);
	list_del_init(&block->by_kept);
	secmem_kept_pages -= secmem_block_pages(block);
	if (block->area == SECMEM_AREA_HELD) {
		list_del(&block->by_account);
		block->supply->user->account->areas_kept--;
	}
}

/**
 * secmem_kept_del - a block is in use again, or goes
 * @block: kept, or not
 *
 * Context: The caller holds its supply's lock.
 */
void secmem_kept_del(struct secmem_block *block)
{
	lockdep_assert_held(&block->supply->lock);
	spin_lock(&secmem_kept_lock);
	if (!list_empty(&block->by_kept))
		secmem_kept_remove(block);
	spin_unlock(&secmem_kept_lock);
}

/* With secmem_kept_lock: the oldest of all, or of an account's areas. */
static struct secmem_block *secmem_kept_first(struct secmem_account *account)
{
	if (account)
		return list_first_entry_or_null(&account->kept,
						struct secmem_block,
						by_account);
	return list_first_entry_or_null(&secmem_kept, struct secmem_block,
					by_kept);
}

/* The supply of the oldest, with a reference; and which block that is. */
static struct secmem_supply *secmem_kept_look(struct secmem_account *account,
					      struct secmem_block **block)
{
	struct secmem_supply *supply = NULL;

	spin_lock(&secmem_kept_lock);
	*block = secmem_kept_first(account);
	if (*block) {
		/* The block has one, as long as it is kept. */
		supply = (*block)->supply;
		refcount_inc(&supply->refs);
	}
	spin_unlock(&secmem_kept_lock);
	return supply;
}

/**
 * secmem_kept_give - give the oldest block back to the kernel
 * @account: of whose areas; NULL: of all
 *
 * Context: Process context, may sleep; in the kernel's search for memory, too,
 * where secmem_kept_scan() comes by.
 * Return: how many pages; 0 where nothing is kept.
 */
unsigned int secmem_kept_give(struct secmem_account *account)
{
	struct secmem_supply *supply;
	struct secmem_block *block;
	unsigned int pages = 0;
	LIST_HEAD(surplus);

	while (!pages && (supply = secmem_kept_look(account, &block))) {
		spin_lock(&supply->lock);
		spin_lock(&secmem_kept_lock);
		/*
		 * Between the locks the block may have gone, and its address may
		 * be another's: what is on the list is there.
		 */
		if (secmem_kept_first(account) == block &&
		    block->supply == supply) {
			secmem_kept_remove(block);
			pages = secmem_block_pages(block);
		}
		spin_unlock(&secmem_kept_lock);
		if (pages)
			secmem_supply_detach(supply, block, &surplus);
		spin_unlock(&supply->lock);
		secmem_supply_lose_all(&surplus);
		secmem_supply_put(supply);
	}
	return pages;
}

/* No more than that: others may keep blocks as fast. */
static unsigned long secmem_kept_give_some(unsigned long wanted)
{
	unsigned long given = 0;
	unsigned int pages;

	while (given < wanted && (pages = secmem_kept_give(NULL))) {
		given += pages;
		cond_resched();
	}
	return given;
}

/**
 * secmem_kept_give_all - give all blocks back that are kept now
 *
 * Context: Process context, may sleep.
 */
void secmem_kept_give_all(void)
{
	secmem_kept_give_some(READ_ONCE(secmem_kept_pages));
}

static void secmem_kept_give_later(struct work_struct *work)
{
	secmem_kept_give_all();
}

static DECLARE_WORK(secmem_kept_work, secmem_kept_give_later);

static unsigned long secmem_kept_count(struct shrinker *shrinker,
				       struct shrink_control *sc)
{
	return READ_ONCE(secmem_kept_pages);
}

static unsigned long secmem_kept_scan(struct shrinker *shrinker,
				      struct shrink_control *sc)
{
	/*
	 * Newer kernels for arm64 put a page back into the direct map under a
	 * mutex, under which they allocate: who needs memory there, and came
	 * here, would wait for himself.
	 */
	if (IS_ENABLED(CONFIG_ARM64)) {
		schedule_work(&secmem_kept_work);
		return SHRINK_STOP;
	}
	return secmem_kept_give_some(sc->nr_to_scan) ?: SHRINK_STOP;
}

static struct shrinker *secmem_kept_shrinker;

/**
 * secmem_kept_setup - at module load
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int secmem_kept_setup(void)
{
	secmem_kept_shrinker = secmem_compat_shrinker_create(secmem_kept_count,
							     secmem_kept_scan);
	return secmem_kept_shrinker ? 0 : -ENOMEM;
}

/**
 * secmem_kept_teardown - at module unload, when no page serves
 *
 * Context: Process context, may sleep.
 */
void secmem_kept_teardown(void)
{
	secmem_compat_shrinker_free(secmem_kept_shrinker);
	cancel_work_sync(&secmem_kept_work);
	secmem_kept_give_all();
}
