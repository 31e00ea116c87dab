// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cache: blocks that are empty and stay with their supply for its next
 * CREATE. Those on a shelf are charged to nobody; a spare counts as idle pages of
 * its user (user.c). shrink.c gives both back when the kernel is short of memory.
 */
#include "cache.h"

/* How many empty areas of an account may be cached. */
#define SECMEM_CACHE_AREAS	8

static LIST_HEAD(secmem_cached);		/* the oldest first */
static unsigned long secmem_cache_count;	/* pages */
static DEFINE_SPINLOCK(secmem_cache_lock);	/* of all this, and accounts' */

/**
 * secmem_cache_add - a block is empty, and stays
 * @block: not cached yet
 *
 * Context: The caller holds its supply's lock.
 * Return: false where it may not stay, being one of too many areas.
 */
bool secmem_cache_add(struct secmem_block *block)
{
	struct secmem_account *account = block->supply->user->account;
	bool area = block->area == SECMEM_AREA_HELD;
	bool may;

	lockdep_assert_held(&block->supply->lock);
	spin_lock(&secmem_cache_lock);
	may = !area || account->areas_cached < SECMEM_CACHE_AREAS;
	if (may) {
		list_add_tail(&block->by_cache, &secmem_cached);
		secmem_cache_count += secmem_block_pages(block);
		if (area) {
			list_add_tail(&block->by_account, &account->cached);
			account->areas_cached++;
		}
	}
	spin_unlock(&secmem_cache_lock);
	return may;
}

/* With secmem_cache_lock. */
static void secmem_cache_remove(struct secmem_block *block)
{
	lockdep_assert_held(&secmem_cache_lock);
	list_del_init(&block->by_cache);
	secmem_cache_count -= secmem_block_pages(block);
	if (block->area == SECMEM_AREA_HELD) {
		list_del(&block->by_account);
		block->supply->user->account->areas_cached--;
	}
}

/**
 * secmem_cache_del - a block is in use again, or goes
 * @block: cached, or not
 *
 * Context: The caller holds its supply's lock.
 */
void secmem_cache_del(struct secmem_block *block)
{
	lockdep_assert_held(&block->supply->lock);
	spin_lock(&secmem_cache_lock);
	if (!list_empty(&block->by_cache))
		secmem_cache_remove(block);
	spin_unlock(&secmem_cache_lock);
}

/* With secmem_cache_lock: the oldest of all, or of an account's areas. */
static struct secmem_block *secmem_cache_oldest(struct secmem_account *account)
{
	if (account)
		return list_first_entry_or_null(&account->cached,
						struct secmem_block,
						by_account);
	return list_first_entry_or_null(&secmem_cached, struct secmem_block,
					by_cache);
}

/**
 * secmem_cache_look - the oldest block that is cached
 * @account: of whose areas; NULL: of all
 * @block: filled in: which it is; it may go any time
 *
 * Context: Any.
 * Return: its supply, with a reference; NULL where nothing is cached.
 */
struct secmem_supply *secmem_cache_look(struct secmem_account *account,
					struct secmem_block **block)
{
	struct secmem_supply *supply = NULL;

	spin_lock(&secmem_cache_lock);
	*block = secmem_cache_oldest(account);
	if (*block) {
		/*
		 * The block has a reference to its supply while it is cached.
		 */
		supply = (*block)->supply;
		refcount_inc(&supply->refs);
	}
	spin_unlock(&secmem_cache_lock);
	return supply;
}

/**
 * secmem_cache_claim - take a block that was looked at
 * @account: as of secmem_cache_look()
 * @supply: from there
 * @block: from there
 *
 * Context: The caller holds @supply's lock.
 * Return: whether it is still cached; it is no more on return.
 */
bool secmem_cache_claim(struct secmem_account *account,
			struct secmem_supply *supply,
			struct secmem_block *block)
{
	bool is;

	lockdep_assert_held(&supply->lock);
	spin_lock(&secmem_cache_lock);
	/*
	 * The block may have gone since it was looked at, and another may be at
	 * its address. What is on the list now is there.
	 */
	is = secmem_cache_oldest(account) == block && block->supply == supply;
	if (is)
		secmem_cache_remove(block);
	spin_unlock(&secmem_cache_lock);
	return is;
}

/**
 * secmem_cache_pages - how much is cached
 *
 * Context: Any.
 * Return: pages, at some moment.
 */
unsigned long secmem_cache_pages(void)
{
	return READ_ONCE(secmem_cache_count);
}
