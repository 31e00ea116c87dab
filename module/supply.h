/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Supplies: what one user has in one memory cgroup.
 */
#ifndef _SECMEM_SUPPLY_H
#define _SECMEM_SUPPLY_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

#include "block.h"
#include "user.h"

/* What one user has in one memory cgroup. */
struct secmem_supply {
	refcount_t refs;		/* blocks, vaults, and calls in it */
	struct secmem_user *user;	/* constant: one reference */
	u64 memcg;			/* constant */
	struct mutex grow;		/* one makes a block at a time */
	bool lossy;			/* an area is lost for it; grow */
	spinlock_t lock;		/* the rest, and its blocks */
	struct list_head idle;		/* blocks with idle pages, partly used
					 * ones first
					 */
	struct list_head shelf;		/* cached areas, which are not idle */
	struct secmem_block *spare;	/* of idle, one that is empty; or NULL */
	u32 vaults;			/* that have it */
	u32 used;			/* pages */
	u32 total;			/* pages, but for the shelf's */
};

/*
 * The verbs:
 *
 *	get, put	a reference to the supply
 *	take, return	idle pages, to serve and back
 *	shed		an empty block is taken off; it may be shelved
 *	detach		a cached block is taken off
 *	free_blocks	what was taken off goes back to the kernel
 *	grow		another block comes (grow.c)
 */
struct secmem_supply *secmem_supply_get(void);
void secmem_supply_put(struct secmem_supply *supply);
void secmem_supply_detach(struct secmem_supply *supply,
			  struct secmem_block *block,
			  struct list_head *surplus);
void secmem_supply_shed_spare(struct secmem_supply *supply,
			      struct list_head *surplus);
void secmem_supply_free_blocks(struct list_head *blocks);
unsigned int secmem_supply_take(struct secmem_supply *supply,
				struct page **pages, unsigned int count,
				unsigned int *bad, struct list_head *surplus);
void secmem_supply_return(struct secmem_supply *supply, struct page **pages,
			  unsigned int count);

#endif /* _SECMEM_SUPPLY_H */
