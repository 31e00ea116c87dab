/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What secmem knows of an address space.
 */
#ifndef _SECMEM_MM_H
#define _SECMEM_MM_H

#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct secmem_grant;

struct secmem_mm {
	struct mmu_notifier notifier;
	refcount_t refs;		/* the notifier, and who awaits the end */
	struct list_head grants;	/* protected by secmem_bind_lock */
	bool ended;			/* stays so: secmem_bind_lock */
	const void *ender;		/* by which process: bind_lock */
	struct work_struct end;		/* takes the grants off; holds a reference */
	struct mutex flip;		/* one release zaps at a time: lock.h */
	u64 number;			/* constant; no other mm has it, ever */
};

struct secmem_mm *secmem_mm_create(work_func_t end);
void secmem_mm_put(struct secmem_mm *bound);
void secmem_mm_free(struct mmu_notifier *notifier);
void secmem_mm_release(struct mmu_notifier *notifier, struct mm_struct *mm);
struct secmem_mm *secmem_mm_ending(struct secmem_grant *grant);
void secmem_mm_await(struct secmem_mm *bound);
void secmem_mm_teardown(void);

#endif /* _SECMEM_MM_H */
