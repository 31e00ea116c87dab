// SPDX-License-Identifier: GPL-2.0-only
/*
 * Supplies of pages.
 *
 * A supply is what one user has in one memory cgroup, in whatever vaults: a block
 * is charged to the memory cgroup of who made it, and serves no other. Blocks
 * double as a supply grows, up to an area of the direct map; their pages are
 * handed out one by one, wiped when they come back, and go back to the kernel
 * when the block is empty.
 *
 * The user is charged for the pages that serve. Idle ones cost nothing while they
 * are no more than those and a small allowance; beyond, they are charged, too, so
 * that nobody locks much more than the limit by leaving one page a block in use.
 *
 * Who gave an area back and took another could split the direct map as long as it
 * liked. So areas that are empty stay with their supply: one as its spare, which
 * is idle, the others on a shelf, where nobody is charged for them.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "internal.h"

/* What an empty supply keeps, so that a CREATE and CLOSE in turn cost little. */
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
 * secmem_supply_seek - the current task's
 *
 * Context: Process context, may sleep.
 * Return: a reference, or NULL: no memory to make it.
 */
struct secmem_supply *secmem_supply_seek(void)
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
		/* It keeps the reference to the user. */
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

	/* Who finds it there, under that lock, finds it with a reference. */
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

static void secmem_supply_lose(struct secmem_block *block)
{
	struct secmem_supply *supply = block->supply;
	u32 idle = block->shelved ? 0 : block->idle;

	secmem_block_free(block);
	secmem_user_charge(supply->user, 0, -(s32)idle, false);
	secmem_supply_put(supply);
}

/**
 * secmem_supply_lose_all - give blocks back to the kernel
 * @blocks: by_supply; empty, and on no other list any more
 *
 * Context: Process context, may sleep.
 */
void secmem_supply_lose_all(struct list_head *blocks)
{
	struct secmem_block *block, *next;

	/* No CPU is to know their pages by a window any more, if they had one. */
	list_for_each_entry(block, blocks, by_supply) {
		if (block->removed) {
			secmem_window_forget();
			break;
		}
	}
	list_for_each_entry_safe(block, next, blocks, by_supply) {
		secmem_supply_lose(block);
		cond_resched();
	}
}

/**
 * secmem_supply_detach - a block goes that was kept
 * @supply: its supply
 * @block: empty, to be lost behind the lock
 * @surplus: where it goes
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
	if (block->area != SECMEM_AREA_HELD || !secmem_kept_add(block))
		return false;
	block->shelved = true;
	list_move_tail(&block->by_supply, &supply->shelf);
	supply->total -= secmem_block_pages(block);
	secmem_user_charge(supply->user, 0, -(s32)secmem_block_pages(block),
			   false);
	return true;
}

static void secmem_supply_drop(struct secmem_supply *supply,
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
 * secmem_supply_drop_spare - keep no more than areas
 * @supply: it has a spare
 * @surplus: what is to be lost behind the lock
 *
 * Context: The caller holds @supply's lock.
 */
void secmem_supply_drop_spare(struct secmem_supply *supply,
			      struct list_head *surplus)
{
	struct secmem_block *block = supply->spare;

	supply->spare = NULL;
	secmem_kept_del(block);
	secmem_supply_drop(supply, block, surplus);
}

/* An area may be a spare as long as nobody pays for it. */
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
 * Take blocks off their supply that it need not keep: empty ones but one, and
 * that one too, where it is more than what is in use and than a few pages, or
 * no vault is left. One that did not leave the direct map is never kept: the
 * next may. Nor is one with bad memory, which the kernel is to have.
 */
static void secmem_supply_trim(struct secmem_supply *supply,
			       struct secmem_block *block,
			       struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	if (supply->spare && !secmem_supply_may_spare(supply, supply->spare))
		secmem_supply_drop_spare(supply, surplus);
	if (!secmem_block_empty(block))
		return;
	if (secmem_block_exposed(block) || block->bad) {
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
	} else if (!supply->spare && secmem_supply_may_spare(supply, block) &&
		   secmem_kept_add(block)) {
		supply->spare = block;
		list_move_tail(&block->by_supply, &supply->idle);
	} else {
		secmem_supply_drop(supply, block, surplus);
	}
}

/* A block whose pages are idle, on no list of its supply yet. */
static struct secmem_block *secmem_supply_gain(struct secmem_supply *supply,
					       unsigned int order,
					       enum secmem_split split)
{
	struct secmem_block *block;
	int ret;

	lockdep_assert_held(&supply->grow);
	ret = secmem_user_charge(supply->user, 0, 1 << order, true);
	if (ret)
		return ERR_PTR(ret);
	block = secmem_block_create(supply->user->account, order, split);
	if (IS_ERR(block)) {
		secmem_user_charge(supply->user, 0, -(1 << order), false);
		return block;
	}
	block->supply = supply;
	refcount_inc(&supply->refs);
	if (block->area == SECMEM_AREA_LOSS)
		supply->lossy = true;
	return block;
}

/* Where memory is short, or in pieces, of what order there is; -ENOMEM below 0. */
static struct secmem_block *secmem_supply_gain_some(struct secmem_supply *supply,
						    int order,
						    enum secmem_split split)
{
	struct secmem_block *block = ERR_PTR(-ENOMEM);

	for (; block == ERR_PTR(-ENOMEM) && order >= 0; order--)
		block = secmem_supply_gain(supply, order, split);
	return block;
}

/*
 * A first small block may split an area and leave the rest of it to others; from
 * then on an area is taken as a whole, and so for all where half of what a user
 * may lose is lost: short runs, one secret each, would use it up. Where the
 * bounds are reached, one that is kept in another memory cgroup goes first, as
 * it is split already; then small pieces are sought. What is left then is the
 * direct map, for no more than what is wanted, so that no such page lies idle.
 */
static struct secmem_block *secmem_supply_make(struct secmem_supply *supply,
					       int order, unsigned int want)
{
	struct secmem_account *account = supply->user->account;
	bool whole = supply->lossy || secmem_area_scarce(account);
	struct secmem_block *block;

	block = secmem_supply_gain(supply, order,
				   whole && order < SECMEM_BLOCK_ORDER ?
					   SECMEM_SPLIT_NOT :
					   SECMEM_SPLIT_MAY);
	if (block == ERR_PTR(-EDQUOT) && order < SECMEM_BLOCK_ORDER) {
		block = secmem_supply_gain(supply, SECMEM_BLOCK_ORDER,
					   SECMEM_SPLIT_MAY);
		order++;
	}
	if (block == ERR_PTR(-EDQUOT) && secmem_kept_give(account))
		block = secmem_supply_gain(supply, SECMEM_BLOCK_ORDER,
					   SECMEM_SPLIT_MAY);
	if (block == ERR_PTR(-ENOMEM))
		block = secmem_supply_gain_some(supply, order - 1,
						SECMEM_SPLIT_MAY);
	if (block == ERR_PTR(-EDQUOT))
		block = secmem_supply_gain_some(supply,
						min_t(int, ilog2(want),
						      SECMEM_SMALL_ORDER),
						SECMEM_SPLIT_NOT);
	if (block == ERR_PTR(-EDQUOT))
		block = secmem_supply_gain_some(supply, ilog2(want),
						SECMEM_SPLIT_EXPOSED);
	return block;
}

/* As much again as there is, or what is wanted: no more may lie idle. */
static unsigned int secmem_supply_order(struct secmem_supply *supply,
					unsigned int want)
{
	u32 total;

	spin_lock(&supply->lock);
	total = supply->total;
	spin_unlock(&supply->lock);
	return min_t(unsigned int, SECMEM_BLOCK_ORDER,
		     max_t(unsigned int, order_base_2(want),
			   total ? ilog2(total) : 0));
}

/* Is anything idle; or else something on the shelf. */
static bool secmem_supply_has_idle(struct secmem_supply *supply)
{
	struct secmem_block *block;
	bool has;

	spin_lock(&supply->lock);
	has = !list_empty(&supply->idle);
	block = list_first_entry_or_null(&supply->shelf, struct secmem_block,
					 by_supply);
	if (!has && block &&
	    !secmem_user_charge(supply->user, 0, secmem_block_pages(block),
				true)) {
		secmem_kept_del(block);
		block->shelved = false;
		list_move(&block->by_supply, &supply->idle);
		supply->total += secmem_block_pages(block);
		has = true;
	}
	spin_unlock(&supply->lock);
	return has;
}

/**
 * secmem_supply_grow - another block, if still nothing is idle
 * @supply: the caller has a reference
 * @want: pages
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM; -EOPNOTSUPP, as secmem_pages_get().
 */
int secmem_supply_grow(struct secmem_supply *supply, unsigned int want)
{
	struct secmem_block *block;

	if (mutex_lock_killable(&supply->grow))
		return -ENOMEM;
	if (secmem_supply_has_idle(supply)) {
		mutex_unlock(&supply->grow);
		return 0;
	}
	block = secmem_supply_make(supply, secmem_supply_order(supply, want),
				   want);
	if (!IS_ERR(block)) {
		spin_lock(&supply->lock);
		list_add(&block->by_supply, &supply->idle);
		supply->total += secmem_block_pages(block);
		spin_unlock(&supply->lock);
	}
	mutex_unlock(&supply->grow);
	return PTR_ERR_OR_ZERO(block);
}

/* An idle page of a block, for good: it serves, or is found to be bad. */
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
 * @surplus: blocks to be lost
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
			secmem_kept_del(block);
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

static void secmem_page_put(struct page *page, struct list_head *surplus)
{
	struct secmem_block *block = secmem_page_block(page);
	struct secmem_supply *supply = block->supply;
	bool bad = secmem_page_bad(page);

	if (bad) {
		/* While the page keeps the supply, and that the user. */
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

	/* In this order, so that the user is there until all is accounted. */
	secmem_user_charge(user, -(s32)count, count, false);
	for (i = 0; i < count; i++)
		secmem_page_put(pages[i], &surplus);
	secmem_supply_lose_all(&surplus);
}
