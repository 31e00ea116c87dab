// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a supply grows: which block it gets, and, on x86, how far the direct map may
 * be split for it.
 */
#include <linux/log2.h>

#include "area.h"
#include "cache.h"
#include "grow.h"
#include "shrink.h"
#include "supply.h"

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

/* A block of the largest order up to this one for which there is memory. */
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
 * Make a block. Where the direct map has large entries (x86), a block may split an
 * area of it; -EDQUOT says that it would, and may not. What is tried, in this order:
 *
 * 1. A block of the size that is sought. One small block of a supply may split an
 *    area and leave the rest of it to others. After that only a whole area may be
 *    split, and so for all supplies of an account that lost half of what it may
 *    lose: processes that run for a short time, with one secret each, would use up
 *    the bound.
 * 2. If it was -EDQUOT: a whole area.
 * 3. If it still is: the same, once the account's oldest area that is cached, in
 *    whatever memory cgroup, was given back, as that is split already.
 * 4. If memory was short: smaller blocks.
 * 5. If it is -EDQUOT: small blocks where the direct map is split already.
 * 6. If none were found: pages that stay in the direct map. They are no more than is
 *    wanted, so that none of them lies idle.
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
	if (block == ERR_PTR(-EDQUOT) && secmem_shrink_one(account))
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

/*
 * The supply doubles, or grows by what is wanted if that is more: otherwise too
 * much would lie idle.
 */
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

/* Are there idle pages? If not, take a block from the shelf. */
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
		secmem_cache_del(block);
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
 * Return: 0; -ENOMEM; -EOPNOTSUPP, as secmem_pages_take().
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
