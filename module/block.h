/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks of pages, and the pages in them.
 */
#ifndef _SECMEM_BLOCK_H
#define _SECMEM_BLOCK_H

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "area.h"
#include "base.h"

struct secmem_account;
struct secmem_supply;

/*
 * A block, from the kernel and back to it. Its pages are taken one by one.
 *
 *	            the kernel's memory
 *	  create |                      ^ free
 *	         v                      |
 *	  removed, or exposed        surplus: on a list of who frees it
 *	  from the direct map           ^
 *	         |                      |  empty, and exposed or with bad
 *	         v                      |  memory; or it may not stay
 *	  in use ---- last page is -----+-------------> spare ------+
 *	   ^  ^       returned          |      it may   (one of a   | shrinker; or it
 *	   |  |                         |      stay     supply)     | may not stay
 *	   |  +-------------------------|-----------------+  |      | any more
 *	   |      a page is taken       |       an area may  |      |
 *	   |                            |       stay so      v      v
 *	   |                            +-------------> shelved --> surplus
 *	   |                             an area may stay   |  shrinker
 *	   +------------------------------------------------+
 *	       nothing else is idle: it is charged again
 *
 * removed: the kernel's direct map lacks its pages. exposed: they stayed there
 * although others leave, so the block does not stay once it is empty. spare and
 * shelved blocks are cached (cache.c). A page of a block in use serves, or is
 * idle, or is bad memory, which serves no more. A page that cannot be put back
 * into the direct map is never freed; its block stays noted.
 *
 *	state		on the list		its pages count as
 *	in use		supply->idle, while	used; idle
 *			a page is idle
 *	spare		supply->idle, last	idle
 *	shelved		supply->shelf		nothing: charged to nobody
 *	surplus		the caller's		idle, until it is freed; nothing,
 *						if it was shelved
 */
struct secmem_block {
	struct list_head by_supply;	/* while pages are idle; supply->lock */
	struct list_head by_cache;	/* secmem_cache_lock; empty: not cached */
	struct list_head by_account;	/* secmem_cache_lock; of areas */
	struct list_head all;		/* secmem_blocks_lock; RCU to read */
	struct rcu_head rcu;
	struct secmem_supply *supply;	/* constant: one reference */
	struct page *first;		/* constant */
	u8 order;			/* constant */
	u8 area;			/* constant: SECMEM_AREA_* */
	bool removed;			/* constant: off the direct map, verified */
	bool shelved;			/* empty, not charged; supply->lock */
	u16 idle;			/* pages; protected by supply->lock */
	u16 bad;			/* pages that serve no more; supply->lock */
	unsigned long used[];		/* bitmap, with bad ones; supply->lock */
};

/* How a new block may come by its pages. */
enum secmem_split {
	SECMEM_SPLIT_NOT,		/* where the direct map is split */
	SECMEM_SPLIT_MAY,		/* anywhere, within bounds */
	SECMEM_SPLIT_EXPOSED,		/* anywhere; they stay in the direct map */
};

/* The largest is an area. */
#define SECMEM_BLOCK_ORDER	SECMEM_AREA_ORDER

/* The largest block that is sought where the direct map is split already. */
#define SECMEM_SMALL_ORDER	((unsigned int)get_order(SZ_32K))

static inline unsigned int secmem_block_pages(const struct secmem_block *block)
{
	return 1U << block->order;
}

static inline bool secmem_block_empty(const struct secmem_block *block)
{
	return block->idle + block->bad == secmem_block_pages(block);
}

/* The kernel knows it as bad memory: never to be touched again. */
static inline bool secmem_page_bad(struct page *page)
{
	return unlikely(PageHWPoison(page));
}

static inline struct secmem_block *secmem_page_block(const struct page *page)
{
	return (struct secmem_block *)page_private(page);
}

struct secmem_block *secmem_block_create(struct secmem_account *account,
					 unsigned int order,
					 enum secmem_split split);
void secmem_block_free(struct secmem_block *block);
bool secmem_block_exposed(const struct secmem_block *block);
bool secmem_block_any(unsigned long pfn, unsigned long count);
void secmem_block_teardown(void);
void secmem_pages_write_back_from_now(void);
void secmem_pages_wipe_all(bool panic);
bool secmem_page_removed(const struct page *page);
void *secmem_page_map(struct page *page);
void secmem_page_unmap(struct page *page, void *at);
void secmem_page_wipe(struct page *page);
void secmem_page_withdraw(void);

#endif /* _SECMEM_BLOCK_H */
