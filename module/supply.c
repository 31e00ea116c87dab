// SPDX-License-Identifier: GPL-2.0-only
/*
 * Supplies of pages.
 *
 * A supply is what one user has in one memory cgroup, in whatever vaults: a block
 * is charged to the memory cgroup of who made it, and serves no other. Blocks
 * double as a supply grows, up to the size of an area (area.h); their pages are
 * handed out one by one, wiped when they come back, and go back to the kernel
 * when the block is empty.
 *
 * The user is charged for the pages that serve. Idle ones cost nothing while they
 * are no more than those and a small allowance; beyond, they are charged, too, so
 * that nobody locks much more than the limit by leaving one page a block in use.
 *
 * On x86, who gave an area back and took another could split the direct map as long
 * as it liked. So areas that are empty stay with their supply: one as its spare,
 * which is idle, the others on a shelf, where nobody is charged for them. Elsewhere
 * no block is SECMEM_AREA_HELD, and none is shelved.
 *
 * Bad memory: whether the kernel knows a page as bad is looked at when the page is
 * about to serve, and when it comes back. Such a page is not touched, not even to
 * wipe it, and serves no more; its block goes back to the kernel once it is empty.
 */
#include <linux/slab.h>

#include "cache.h"
#include "supply.h"
#include "window.h"

/*
 * How many pages a supply keeps when nothing is in use, so that CREATE and
 * CLOSE in turn cost little.
 */
#define SECMEM_SPARE_PAGES	((u32)DIV_ROUND_UP(SZ_32K, PAGE_SIZE))

static struct secmem_supply *secmem_supply_create(struct secmem_user *user,
						  u64 memcg)
{
	struct secmem_supply *supply = kzalloc(sizeof(*supply), SECMEM_GFP);

	if (!supply)
		return NULL;
	refcount_set(&supply->refs, 1);
	supply->user = user;
	supply->memcg = memcg;
	mutex_init(&supply->grow);
	spin_lock_init(&supply->lock);
	INIT_LIST_HEAD(&supply->idle);
	INIT_LIST_HEAD(&supply->shelf);
	return supply;
}

static struct secmem_supply *secmem_supply_find(struct secmem_user *user,
						u64 memcg)
{
	struct secmem_supply *supply;

	xa_lock(&user->supplies);
	supply = xa_load(&user->supplies, memcg);
	if (supply)
		refcount_inc(&supply->refs);
	xa_unlock(&user->supplies);
	return supply;
}

/**
 * secmem_supply_get - the current task's
 *
 * Context: Process context, may sleep.
 * Return: a reference, or NULL: no memory to make it.
 */
struct secmem_supply *secmem_supply_get(void)
{
	struct secmem_user *user = secmem_user_get();
	struct secmem_supply *supply, *fresh;
	u64 memcg = secmem_compat_memcg();
	int ret;

	if (!user)
		return NULL;
	do {
		supply = secmem_supply_find(user, memcg);
		if (supply)
			break;
		fresh = secmem_supply_create(user, memcg);
		if (!fresh)
			break;
		ret = xa_insert(&user->supplies, memcg, fresh, SECMEM_GFP);
		/* The new supply keeps the reference to the user. */
		if (!ret)
			return fresh;
		kfree(fresh);
	} while (ret == -EBUSY);
	secmem_user_put(user);
	return supply;
}

/**
 * secmem_supply_put - give a reference back
 * @supply: the supply
 *
 * Context: Process context.
 */
void secmem_supply_put(struct secmem_supply *supply)
{
	struct xarray *all = &supply->user->supplies;
	bool last;

	/*
	 * Others find it in the xarray, under its lock, and take a reference
	 * there.
	 */
	if (refcount_dec_not_one(&supply->refs))
		return;
	xa_lock(all);
	last = refcount_dec_and_test(&supply->refs);
	if (last)
		__xa_erase(all, supply->memcg);
	xa_unlock(all);
	if (!last)
		return;
	WARN_ON_ONCE(supply->total || supply->used);
	secmem_user_put(supply->user);
	kfree(supply);
}

static void secmem_supply_free_block(struct secmem_block *block)
{
	struct secmem_supply *supply = block->supply;
	u32 idle = block->shelved ? 0 : block->idle;

	secmem_block_free(block);
	secmem_user_charge(supply->user, 0, -(s32)idle, false);
	secmem_supply_put(supply);
}

/**
 * secmem_supply_free_blocks - give blocks back to the kernel
 * @blocks: by_supply; empty, and on no other list any more
 *
 * Context: Process context, may sleep.
 */
void secmem_supply_free_blocks(struct list_head *blocks)
{
	struct secmem_block *block, *next;

	/* No CPU may keep a translation of a window to their pages. */
	list_for_each_entry(block, blocks, by_supply) {
		if (block->removed) {
			secmem_window_flush();
			break;
		}
	}
	list_for_each_entry_safe(block, next, blocks, by_supply) {
		secmem_supply_free_block(block);
		cond_resched();
	}
}

/**
 * secmem_supply_detach - a block goes that was cached
 * @supply: its supply
 * @block: empty
 * @surplus: it is put there, to be freed once the lock is dropped
 *
 * Context: The caller holds @supply's lock.
 */
void secmem_supply_detach(struct secmem_supply *supply,
			  struct secmem_block *block,
			  struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	list_move(&block->by_supply, surplus);
	if (!block->shelved)
		supply->total -= secmem_block_pages(block);
	if (supply->spare == block)
		supply->spare = NULL;
}

/* Keep an empty area for later, and charge nobody for it. */
static bool secmem_supply_shelve(struct secmem_supply *supply,
				 struct secmem_block *block)
{
	lockdep_assert_held(&supply->lock);
	if (block->area != SECMEM_AREA_HELD || !secmem_cache_add(block))
		return false;
	block->shelved = true;
	list_move_tail(&block->by_supply, &supply->shelf);
	supply->total -= secmem_block_pages(block);
	secmem_user_charge(supply->user, 0, -(s32)secmem_block_pages(block),
			   false);
	return true;
}

static void secmem_supply_shed(struct secmem_supply *supply,
			       struct secmem_block *block,
			       struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	if (secmem_supply_shelve(supply, block))
		return;
	list_move(&block->by_supply, surplus);
	supply->total -= secmem_block_pages(block);
}

/**
 * secmem_supply_shed_spare - a supply does not keep its spare
 * @supply: it has one
 * @surplus: it is put there, to be freed once the lock is dropped; but an area goes
 * to the shelf, if it may
 *
 * Context: The caller holds @supply's lock.
 */
void secmem_supply_shed_spare(struct secmem_supply *supply,
			      struct list_head *surplus)
{
	struct secmem_block *block = supply->spare;

	supply->spare = NULL;
	secmem_cache_del(block);
	secmem_supply_shed(supply, block, surplus);
}

/*
 * May an empty block stay as the spare? A small one may, and an area while
 * nobody pays for idle pages.
 */
static bool secmem_supply_may_spare(struct secmem_supply *supply,
				    const struct secmem_block *block)
{
	if (!supply->vaults)
		return false;
	return secmem_block_pages(block) <=
		       max_t(u32, supply->used, SECMEM_SPARE_PAGES) ||
	       (block->area == SECMEM_AREA_HELD &&
		!secmem_user_pays_idle(supply->user));
}

/*
 * A block has pages back: take off the supply what it need not keep. Of empty
 * blocks one stays as the spare, while a vault looks to the supply and the
 * block is no larger than what is in use, or than a few pages. A block that did
 * not leave the direct map does not stay, as the next one may leave it; nor
 * does one with bad memory, which is for the kernel to deal with.
 */
static void secmem_supply_trim(struct secmem_supply *supply,
			       struct secmem_block *block,
			       struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	if (supply->spare && !secmem_supply_may_spare(supply, supply->spare))
		secmem_supply_shed_spare(supply, surplus);
	if (!secmem_block_empty(block))
		return;
	if (secmem_block_exposed(block) || block->bad) {
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
	} else if (!supply->spare && secmem_supply_may_spare(supply, block) &&
		   secmem_cache_add(block)) {
		supply->spare = block;
		list_move_tail(&block->by_supply, &supply->idle);
	} else {
		secmem_supply_shed(supply, block, surplus);
	}
}

/* Take an idle page off a block: it will serve, or turns out to be bad. */
static struct page *secmem_block_take(struct secmem_block *block)
{
	unsigned int i = find_first_zero_bit(block->used,
					     secmem_block_pages(block));

	__set_bit(i, block->used);
	block->idle--;
	return block->first + i;
}

/**
 * secmem_supply_take - take idle pages
 * @supply: the caller has a reference
 * @pages: filled in
 * @count: how many at most
 * @bad: counted on: pages that were idle, are bad memory, and no longer idle
 * @surplus: blocks of which only bad memory was in use are put there, to be freed
 *
 * Context: Process context.
 * Return: how many.
 */
unsigned int secmem_supply_take(struct secmem_supply *supply,
				struct page **pages, unsigned int count,
				unsigned int *bad, struct list_head *surplus)
{
	struct secmem_block *block;
	unsigned int taken = 0;
	struct page *page;

	spin_lock(&supply->lock);
	while (taken < count && !list_empty(&supply->idle)) {
		block = list_first_entry(&supply->idle, struct secmem_block,
					 by_supply);
		if (supply->spare == block) {
			supply->spare = NULL;
			secmem_cache_del(block);
		}
		page = secmem_block_take(block);
		if (secmem_page_bad(page)) {
			block->bad++;
			++*bad;
		} else {
			pages[taken++] = page;
		}
		if (secmem_block_empty(block)) {
			list_move(&block->by_supply, surplus);
			supply->total -= secmem_block_pages(block);
		} else if (!block->idle) {
			list_del_init(&block->by_supply);
		}
	}
	supply->used += taken;
	spin_unlock(&supply->lock);
	return taken;
}

static void secmem_page_return(struct page *page, struct list_head *surplus)
{
	struct secmem_block *block = secmem_page_block(page);
	struct secmem_supply *supply = block->supply;
	bool bad = secmem_page_bad(page);

	if (bad) {
		/*
		 * This comes first: the page keeps the supply, and that keeps
		 * the user.
		 */
		secmem_user_charge(supply->user, 0, -1, false);
		secmem_page_withdraw();
	} else {
		secmem_page_wipe(page);
	}
	spin_lock(&supply->lock);
	supply->used--;
	if (!block->idle)
		list_add(&block->by_supply, &supply->idle);
	if (bad) {
		block->bad++;
	} else {
		__clear_bit(page - block->first, block->used);
		block->idle++;
	}
	secmem_supply_trim(supply, block, surplus);
	if (!block->idle && !secmem_block_empty(block))
		list_del_init(&block->by_supply);
	spin_unlock(&supply->lock);
}

/**
 * secmem_supply_return - wipe pages, which are idle then
 * @supply: stays: by its pages, or because the caller is in it
 * @pages: its
 * @count: how many
 *
 * Context: Process context, may sleep.
 */
void secmem_supply_return(struct secmem_supply *supply, struct page **pages,
			  unsigned int count)
{
	struct secmem_user *user = supply->user;
	LIST_HEAD(surplus);
	unsigned int i;

	/*
	 * This comes first: the last block that goes may take the user with it.
	 */
	secmem_user_charge(user, -(s32)count, count, false);
	for (i = 0; i < count; i++)
		secmem_page_return(pages[i], &surplus);
	secmem_supply_free_blocks(&surplus);
}
