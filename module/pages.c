// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages: their supply.
 *
 * A vault takes pages in blocks, which double as it grows, up to 2 MiB; they are
 * handed out one by one, wiped when they come back, and go back to the kernel
 * when the block is empty.
 *
 * A block is charged to the memory cgroup of who made it, and serves no other: a
 * supply is what one address space and user has in one vault. The user is
 * charged for the pages that serve. Idle ones cost nothing while they are no
 * more than those and a small allowance; beyond, they are charged, too, so that
 * nobody locks much more than the limit by leaving one page a block in use.
 */
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

/* What an empty vault keeps, so that a CREATE and CLOSE in turn cost little. */
#define SECMEM_SPARE_PAGES	((u32)DIV_ROUND_UP(SZ_32K, PAGE_SIZE))

/* What one address space and user has in one vault. */
struct secmem_supply {
	struct kref ref;		/* the vault's, and one a block */
	struct list_head by_vault;	/* protected by vault->slots_lock */
	u32 users;			/* calls in it; protected by slots_lock */
	u64 owner;			/* constant: number of the mm */
	struct secmem_user *user;	/* constant: who pays */
	struct mutex grow;		/* one makes a block at a time */
	u32 splits;			/* by small blocks; protected by grow */
	spinlock_t lock;		/* the rest, and its blocks */
	struct list_head idle;		/* blocks with idle pages */
	struct secmem_block *spare;	/* one that is empty, or NULL */
	bool left;			/* nobody in sight who will ask for more */
	u32 used;			/* pages */
	u32 total;			/* pages */
};

static void secmem_supply_free(struct kref *ref)
{
	struct secmem_supply *supply = container_of(ref, struct secmem_supply,
						    ref);

	secmem_user_put(supply->user);
	kfree(supply);
}

/* A block is on no list of its supply any more, and empty. */
static void secmem_supply_lose(struct secmem_block *block)
{
	struct secmem_supply *supply = block->supply;
	u32 idle = block->idle;

	secmem_block_free(block);
	secmem_user_charge(supply->user, 0, -(s32)idle, false);
	kref_put(&supply->ref, secmem_supply_free);
}

/* A block whose pages are idle, on no list of its supply yet. */
static struct secmem_block *secmem_supply_gain(struct secmem_supply *supply,
					       unsigned int order)
{
	struct secmem_block *block;
	int ret;

	lockdep_assert_held(&supply->grow);
	ret = secmem_user_charge(supply->user, 0, 1 << order, true);
	if (ret)
		return ERR_PTR(ret);
	block = secmem_block_create(order, &supply->splits);
	if (IS_ERR(block)) {
		secmem_user_charge(supply->user, 0, -(1 << order), false);
		return block;
	}
	block->supply = supply;
	kref_get(&supply->ref);
	return block;
}

/*
 * Take blocks off their supply that it need not keep: empty ones but one, and
 * that one too, where it is more than what is in use and than a few pages, or
 * nobody asks for pages any more. One that did not leave the direct map is never
 * kept: the next may. Nor is one with bad memory, which the kernel is to have.
 */
static void secmem_supply_trim(struct secmem_supply *supply,
			       struct secmem_block *block,
			       struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	if (secmem_block_empty(block)) {
		if (supply->spare || secmem_block_exposed(block) ||
		    block->bad) {
			list_move(&block->by_supply, surplus);
			supply->total -= secmem_block_pages(block);
		} else {
			supply->spare = block;
			list_move_tail(&block->by_supply, &supply->idle);
		}
	}
	block = supply->spare;
	if (block &&
	    (supply->left || secmem_block_pages(block) >
				     max_t(u32, supply->used,
					   SECMEM_SPARE_PAGES))) {
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
		supply->spare = NULL;
	}
}

static void secmem_supply_lose_all(struct list_head *blocks)
{
	struct secmem_block *block, *next;

	/* No CPU is to know their pages by a window any more. */
	if (!list_empty(blocks))
		secmem_window_forget();
	list_for_each_entry_safe(block, next, blocks, by_supply) {
		secmem_supply_lose(block);
		cond_resched();
	}
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

static bool secmem_supply_has_idle(struct secmem_supply *supply)
{
	bool has;

	spin_lock(&supply->lock);
	has = !list_empty(&supply->idle);
	spin_unlock(&supply->lock);
	return has;
}

/* Another block; none where one that grew it before us left idle pages. */
static int secmem_supply_grow(struct secmem_supply *supply, unsigned int want)
{
	struct secmem_block *block;
	int order;

	if (mutex_lock_killable(&supply->grow))
		return -ENOMEM;
	if (secmem_supply_has_idle(supply)) {
		mutex_unlock(&supply->grow);
		return 0;
	}
	order = secmem_supply_order(supply, want);
	do
		block = secmem_supply_gain(supply, order);
	while (block == ERR_PTR(-ENOMEM) && --order >= 0);
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

/* Take idle pages, up to count; pages found to be bad are no longer idle. */
static unsigned int secmem_supply_take(struct secmem_supply *supply,
				       struct page **pages, unsigned int count,
				       unsigned int *bad,
				       struct list_head *surplus)
{
	struct secmem_block *block;
	unsigned int taken = 0;
	struct page *page;

	spin_lock(&supply->lock);
	while (taken < count && !list_empty(&supply->idle)) {
		block = list_first_entry(&supply->idle, struct secmem_block,
					 by_supply);
		if (supply->spare == block)
			supply->spare = NULL;
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

/* The supply stays: by its pages, or because the caller is in it. */
static void secmem_supply_return(struct secmem_supply *supply,
				 struct page **pages, unsigned int count)
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

/**
 * secmem_pages_put - wipe pages and give them back
 * @pages: from secmem_pages_get(), with no page-table entry left
 * @count: how many
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_put(struct page **pages, unsigned int count)
{
	secmem_supply_return(secmem_page_block(pages[0])->supply, pages, count);
	secmem_count_add(pages, -(s64)count);
}

static struct secmem_supply *secmem_supply_create(u64 owner)
{
	struct secmem_supply *supply = kzalloc(sizeof(*supply),
					       SECMEM_GFP);

	if (!supply)
		return NULL;
	supply->user = secmem_user_get();
	if (!supply->user) {
		kfree(supply);
		return NULL;
	}
	kref_init(&supply->ref);
	supply->owner = owner;
	mutex_init(&supply->grow);
	spin_lock_init(&supply->lock);
	INIT_LIST_HEAD(&supply->idle);
	return supply;
}

/* One without pages, and nobody in it, is of no use any more. */
static bool secmem_supply_unused(struct secmem_supply *supply)
{
	bool unused;

	spin_lock(&supply->lock);
	unused = !supply->total && !supply->users;
	spin_unlock(&supply->lock);
	return unused;
}

static struct secmem_supply *secmem_supply_find(struct secmem_vault *vault,
						u64 owner)
{
	struct secmem_supply *supply, *next;

	lockdep_assert_held(&vault->slots_lock);
	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		if (supply->owner == owner &&
		    secmem_user_is_current(supply->user))
			return supply;
		if (secmem_supply_unused(supply)) {
			list_del(&supply->by_vault);
			kref_put(&supply->ref, secmem_supply_free);
		}
	}
	return NULL;
}

/* The current user's, in that address space; made where there is none yet. */
static struct secmem_supply *secmem_supply_get(struct secmem_vault *vault,
					       u64 owner)
{
	struct secmem_supply *supply, *fresh = NULL;

	spin_lock(&vault->slots_lock);
	supply = secmem_supply_find(vault, owner);
	if (!supply) {
		spin_unlock(&vault->slots_lock);
		fresh = secmem_supply_create(owner);
		if (!fresh)
			return NULL;
		spin_lock(&vault->slots_lock);
		supply = secmem_supply_find(vault, owner);
		if (!supply) {
			supply = fresh;
			fresh = NULL;
			list_add(&supply->by_vault, &vault->supplies);
		}
	}
	supply->users++;
	spin_lock(&supply->lock);
	supply->left = false;
	spin_unlock(&supply->lock);
	spin_unlock(&vault->slots_lock);
	if (fresh)
		kref_put(&fresh->ref, secmem_supply_free);
	return supply;
}

static void secmem_supply_put(struct secmem_vault *vault,
			      struct secmem_supply *supply)
{
	spin_lock(&vault->slots_lock);
	supply->users--;
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_pages_get - zeroed pages, charged to the current user
 * @vault: whose they will be
 * @owner: number of the address space that asks
 * @pages: filled in
 * @count: how many
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM (no memory, or a limit); -EOPNOTSUPP (they must be off the
 * direct map, and stayed).
 */
int secmem_pages_get(struct secmem_vault *vault, u64 owner,
		     struct page **pages, unsigned int count)
{
	struct secmem_supply *supply = secmem_supply_get(vault, owner);
	unsigned int taken = 0, bad = 0;
	LIST_HEAD(surplus);
	int ret;

	if (!supply)
		return -ENOMEM;
	ret = secmem_user_charge(supply->user, count, 0, true);
	if (ret)
		goto put;
	for (;;) {
		taken += secmem_supply_take(supply, pages + taken,
					    count - taken, &bad, &surplus);
		if (taken == count)
			break;
		ret = fatal_signal_pending(current) ?
			      -ENOMEM :
			      secmem_supply_grow(supply, count - taken);
		if (ret)
			break;
	}
	/* Those that were taken are not idle any more. */
	secmem_user_charge(supply->user, (s32)taken - count,
			   -(s32)(taken + bad), false);
	secmem_supply_lose_all(&surplus);
	while (bad--)
		secmem_page_withdraw();
	if (!ret)
		secmem_count_add(pages, count);
	else
		secmem_supply_return(supply, pages, taken);
put:
	secmem_supply_put(vault, supply);
	return ret;
}

/* What is empty goes, now and later. */
static void secmem_supply_leave(struct secmem_supply *supply,
				struct list_head *surplus)
{
	struct secmem_block *block, *next;

	spin_lock(&supply->lock);
	supply->left = true;
	supply->spare = NULL;
	list_for_each_entry_safe(block, next, &supply->idle, by_supply) {
		if (!secmem_block_empty(block))
			continue;
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
	}
	spin_unlock(&supply->lock);
}

/**
 * secmem_pages_leave - an address space has one grant less of a vault
 * @vault: the vault
 * @owner: number of the address space
 *
 * What is kept for its next CREATE is given back: there may be none, and a vault
 * outlives many who use it.
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_leave(struct secmem_vault *vault, u64 owner)
{
	struct secmem_supply *supply, *next;
	LIST_HEAD(surplus);
	LIST_HEAD(unused);

	spin_lock(&vault->slots_lock);
	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		if (supply->owner != owner)
			continue;
		secmem_supply_leave(supply, &surplus);
		if (secmem_supply_unused(supply))
			list_move(&supply->by_vault, &unused);
	}
	spin_unlock(&vault->slots_lock);
	secmem_supply_lose_all(&surplus);
	list_for_each_entry_safe(supply, next, &unused, by_vault)
		kref_put(&supply->ref, secmem_supply_free);
}

/**
 * secmem_pages_end - give back what a vault kept
 * @vault: it goes, and has no secret left
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_end(struct secmem_vault *vault)
{
	struct secmem_supply *supply, *next;
	LIST_HEAD(surplus);

	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		WARN_ON_ONCE(supply->used);
		secmem_supply_leave(supply, &surplus);
		secmem_supply_lose_all(&surplus);
		INIT_LIST_HEAD(&surplus);
		kref_put(&supply->ref, secmem_supply_free);
	}
}

/**
 * secmem_pages_show - how much serves in a vault and who pays, lines of fdinfo
 * @vault: the caller has a reference
 * @seq: where
 *
 * A user who has supplies by several address spaces may be named more than once.
 *
 * Context: Any.
 */
void secmem_pages_show(struct secmem_vault *vault, struct seq_file *seq)
{
	const struct secmem_user *last = NULL;
	struct secmem_supply *supply;
	u64 pages = 0;

	spin_lock(&vault->slots_lock);
	list_for_each_entry(supply, &vault->supplies, by_vault) {
		spin_lock(&supply->lock);
		pages += supply->used;
		spin_unlock(&supply->lock);
		if (supply->user != last)
			secmem_user_show(supply->user, seq);
		last = supply->user;
	}
	spin_unlock(&vault->slots_lock);
	seq_printf(seq, "vault-bytes:\t%llu\n", pages << PAGE_SHIFT);
}
