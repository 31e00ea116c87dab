// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: pages that were allocated together, the wipe, and the kernel's way to
 * one.
 *
 * A block leaves the direct map as a whole, so that it costs one flush and, where
 * the direct map has large entries (x86), one split of such an entry; it goes back
 * to the kernel as a whole.
 *
 * A page serves with its reference count frozen at 0, so that nobody who comes
 * by its PFN (KVM and VFIO follow page tables to it) can take a reference and
 * keep it after us. It must not be PG_reserved, which VFIO would map as is. Who
 * takes memory offline believes such pages on their way to be free, and would
 * wait for that: a notifier refuses.
 */
#include <linux/highmem.h>
#include <linux/page_ref.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "alias.h"
#include "block.h"
#include "directmap.h"
#include "user.h"
#include "window.h"

/* How often a small block is sought where the direct map is split already. */
#define SECMEM_SPLIT_TRIES	8

/* All blocks, for those who wipe everything. */
static LIST_HEAD(secmem_blocks);
static u32 secmem_blocks_count;		/* protected by secmem_blocks_lock */
static DEFINE_SPINLOCK(secmem_blocks_lock);

/*
 * The machine goes down: what is wiped from now on is written back to memory,
 * too.
 */
static bool secmem_pages_write_back;

/**
 * secmem_block_exposed - did a block stay where others leave the direct map
 * @block: the block
 *
 * Context: Any.
 * Return: whether it did.
 */
bool secmem_block_exposed(const struct secmem_block *block)
{
	return !block->removed && secmem_directmap_why() == SECMEM_WHY_IN_FORCE;
}

/**
 * secmem_page_removed - is a page off the direct map
 * @page: from secmem_pages_take()
 *
 * Context: Any.
 * Return: whether it is, and that was verified.
 */
bool secmem_page_removed(const struct page *page)
{
	return secmem_page_block(page)->removed;
}

/**
 * secmem_page_map - a way to a page, for a moment
 * @page: from secmem_pages_take()
 *
 * Context: Process context. Until secmem_page_unmap() the caller may neither
 * sleep nor map a second page.
 * Return: the address; never fails.
 */
void *secmem_page_map(struct page *page)
{
	return secmem_page_removed(page) ? secmem_window_open(page) :
					   kmap_local_page(page);
}

/**
 * secmem_page_unmap - the end of secmem_page_map()
 * @page: as there
 * @at: from there
 *
 * Context: As secmem_page_map() left it.
 */
void secmem_page_unmap(struct page *page, void *at)
{
	if (secmem_page_removed(page))
		secmem_window_close();
	else
		kunmap_local(at);
}

/* Done by a worker, as bad memory is met with locks held. */
static void secmem_page_tell(struct work_struct *work)
{
	struct secmem_counts sum;

	secmem_counts_sum(&sum);
	pr_warn_ratelimited("secmem: bad memory: %lld pages serve secrets no more, some may hold bytes that could not be wiped\n",
			    sum.poisoned);
}

static DECLARE_WORK(secmem_page_tell_work, secmem_page_tell);

/**
 * secmem_page_withdraw - a page that is known to be bad serves no more
 *
 * Context: Any.
 */
void secmem_page_withdraw(void)
{
	secmem_count_add(poisoned, 1);
	schedule_work(&secmem_page_tell_work);
}

static void secmem_page_zero(void *at)
{
	memzero_explicit(at, PAGE_SIZE);
	if (READ_ONCE(secmem_pages_write_back))
		secmem_compat_cache_write_back(at, PAGE_SIZE);
}

/**
 * secmem_page_wipe - zero a page
 * @page: of a block, with no page-table entry left
 *
 * Context: Process context.
 */
void secmem_page_wipe(struct page *page)
{
	void *at = secmem_page_map(page);

	secmem_page_zero(at);
	secmem_page_unmap(page, at);
}

/*
 * At a limit CREATE gets ENOMEM; the OOM killer is not called. The kernel
 * should try hard for an area, and for a single page, as there is nothing
 * smaller to fall back to; not for what lies between.
 */
static gfp_t secmem_block_gfp(unsigned int order)
{
	return GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
	       (order == 0 || order == SECMEM_BLOCK_ORDER ?
			__GFP_RETRY_MAYFAIL :
			__GFP_NORETRY);
}

/*
 * On x86 a large entry of the direct map may map the pages of a small block, and
 * would have to be split. So look for pages where it is split already. Pages that
 * are passed over are held meanwhile, or the next look would find them again.
 * Elsewhere secmem_directmap_splits() says no to the first ones.
 */
static struct page *secmem_block_alloc(unsigned int order)
{
	struct page *page = secmem_alias_alloc(secmem_block_gfp(order), order);
	struct page *refused[SECMEM_SPLIT_TRIES];
	unsigned int count = 0;

	while (page && order <= SECMEM_SMALL_ORDER &&
	       count < SECMEM_SPLIT_TRIES && secmem_directmap_splits(page)) {
		refused[count++] = page;
		page = secmem_alias_alloc(secmem_block_gfp(order), order);
	}
	if (!page && count)
		page = refused[--count];
	while (count--)
		__free_pages(refused[count], order);
	return page;
}

static void secmem_block_list(struct secmem_block *block)
{
	spin_lock(&secmem_blocks_lock);
	list_add_rcu(&block->all, &secmem_blocks);
	secmem_blocks_count++;
	spin_unlock(&secmem_blocks_lock);
}

static void secmem_block_unlist(struct secmem_block *block)
{
	spin_lock(&secmem_blocks_lock);
	list_del_rcu(&block->all);
	secmem_blocks_count--;
	spin_unlock(&secmem_blocks_lock);
}

/*
 * Free the pages of a block. A page that cannot be put back into the direct map
 * is never freed: then false.
 */
static bool secmem_block_free_pages(struct secmem_block *block)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < secmem_block_pages(block); i++) {
		struct page *page = block->first + i;

		set_page_private(page, 0);
		/*
		 * Bad memory is freed as it is: the kernel gives it to nobody.
		 * To put it back into the direct map would mean to read it, to
		 * see whether it is there.
		 */
		if (block->removed && !secmem_page_bad(page) &&
		    !secmem_directmap_restore(page)) {
			all = false;
			continue;
		}
		page_ref_unfreeze(page, 1);
		__free_page(page);
	}
	return all;
}

static int secmem_block_populate(struct secmem_block *block, bool exposed)
{
	unsigned int i;

	split_page(block->first, block->order);
	for (i = 0; i < secmem_block_pages(block); i++) {
		/*
		 * A page that was just allocated can only have a speculative
		 * reference beside ours; that one soon goes.
		 */
		while (!page_ref_freeze(block->first + i, 1))
			cond_resched();
		set_page_private(block->first + i, (unsigned long)block);
	}
	switch (exposed ? SECMEM_DIRECTMAP_PRESENT :
			  secmem_directmap_remove(block->first,
						  secmem_block_pages(block))) {
	case SECMEM_DIRECTMAP_REMOVED:
		block->removed = true;
		return 0;
	case SECMEM_DIRECTMAP_LOST:
		/*
		 * The pages cannot be used, nor given back: nobody gets them
		 * any more.
		 */
		return -ENOMEM;
	default:
		if (!secmem_directmap_required())
			return 0;
		secmem_block_free_pages(block);
		return -EOPNOTSUPP;
	}
}

/* Allocate the pages, and have their area answered for. */
static int secmem_block_fetch(struct secmem_block *block,
			      struct secmem_account *account,
			      enum secmem_split split)
{
	int ret;

	block->first = secmem_block_alloc(block->order);
	if (!block->first)
		return -ENOMEM;
	if (split == SECMEM_SPLIT_EXPOSED)
		return 0;
	ret = secmem_area_take(account, block->first, block->order,
			       split == SECMEM_SPLIT_MAY);
	if (ret < 0) {
		__free_pages(block->first, block->order);
		return ret;
	}
	block->area = ret;
	return 0;
}

/**
 * secmem_block_create - pages of the kernel that no supply has yet
 * @account: who is to answer for it, if an area is split
 * @order: how many, as a power of two
 * @split: may one be
 *
 * Context: Process context, may sleep.
 * Return: the block, all idle; -ENOMEM; -EDQUOT (an area would have to be split,
 * and may not); -EOPNOTSUPP (it must leave the direct map, and stays).
 */
struct secmem_block *secmem_block_create(struct secmem_account *account,
					 unsigned int order,
					 enum secmem_split split)
{
	struct secmem_block *block;
	int ret = -ENOMEM;

	block = kzalloc(struct_size(block, used, BITS_TO_LONGS(1U << order)),
			SECMEM_GFP);
	if (!block)
		return ERR_PTR(ret);
	INIT_LIST_HEAD(&block->by_cache);
	block->order = order;
	block->idle = secmem_block_pages(block);
	ret = secmem_block_fetch(block, account, split);
	if (ret)
		goto free;
	/*
	 * This comes before its pages freeze, so that secmem_pages_offline()
	 * sees all that are frozen.
	 */
	secmem_block_list(block);
	ret = secmem_block_populate(block, split == SECMEM_SPLIT_EXPOSED);
	if (!ret)
		return block;
	if (block->area == SECMEM_AREA_HELD)
		secmem_area_lose(block->first);
	/*
	 * Pages that are lost are never freed, so the block stays on the list.
	 */
	if (ret == -ENOMEM)
		return ERR_PTR(ret);
	secmem_block_unlist(block);
	kfree_rcu(block, rcu);
	return ERR_PTR(ret);
free:
	kfree(block);
	return ERR_PTR(ret);
}

/**
 * secmem_block_free - give a block back to the kernel
 * @block: empty, wiped, and no supply has it any more. secmem_window_flush() was
 * called since
 *
 * Context: Process context, may sleep.
 */
void secmem_block_free(struct secmem_block *block)
{
	if (block->area == SECMEM_AREA_HELD)
		secmem_area_lose(block->first);
	/*
	 * A block with a page that is never freed stays on the list, for
	 * secmem_pages_offline().
	 */
	if (!secmem_block_free_pages(block))
		return;
	secmem_block_unlist(block);
	kfree_rcu(block, rcu);
}

/*
 * At a panic the list is walked without secmem_blocks_lock, and a stopped CPU
 * may have left it in the middle of a change. Readers of an RCU list may do
 * that. A block is on the list before its pages serve, until after they were
 * wiped.
 */
static void secmem_blocks_wipe(u32 most)
{
	struct secmem_block *block;
	unsigned int i;

	list_for_each_entry_rcu(block, &secmem_blocks, all, true) {
		if (!most--)
			break;
		for_each_set_bit(i, block->used, secmem_block_pages(block)) {
			struct page *page = block->first + i;

			if (secmem_page_bad(page))
				continue;
			secmem_page_zero(block->removed ?
						 secmem_window_force(page) :
						 page_address(page));
		}
	}
	secmem_window_force(NULL);
}

/**
 * secmem_pages_write_back_from_now - what is wiped shall reach memory, too
 *
 * Context: Any.
 */
void secmem_pages_write_back_from_now(void)
{
	WRITE_ONCE(secmem_pages_write_back, true);
}

/**
 * secmem_pages_wipe_all - zero every page that holds bytes of a secret
 * @panic: nothing else runs any more, whatever it held: take no lock
 *
 * From now on whatever is wiped is also written back to memory.
 *
 * Context: Process context; or, with @panic, any.
 */
void secmem_pages_wipe_all(bool panic)
{
	secmem_pages_write_back_from_now();
	if (panic) {
		/*
		 * A stopped CPU each may have added a block that is not counted
		 * yet.
		 */
		secmem_blocks_wipe(READ_ONCE(secmem_blocks_count) + nr_cpu_ids);
		return;
	}
	spin_lock(&secmem_blocks_lock);
	secmem_blocks_wipe(secmem_blocks_count);
	spin_unlock(&secmem_blocks_lock);
}

/**
 * secmem_block_any - is there a block in some range of memory
 * @pfn: the range's first
 * @count: how many pages
 *
 * Context: Any.
 * Return: whether one reaches into it.
 */
bool secmem_block_any(unsigned long pfn, unsigned long count)
{
	struct secmem_block *block;
	bool any = false;

	rcu_read_lock();
	list_for_each_entry_rcu(block, &secmem_blocks, all) {
		unsigned long first = page_to_pfn(block->first);

		any = first < pfn + count &&
		      pfn < first + secmem_block_pages(block);
		if (any)
			break;
	}
	rcu_read_unlock();
	return any;
}

/**
 * secmem_block_teardown - at module unload, when no page serves
 *
 * Context: Process context, may sleep.
 */
void secmem_block_teardown(void)
{
	flush_work(&secmem_page_tell_work);
}
