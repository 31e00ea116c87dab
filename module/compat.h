/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one file that knows of kernels' differences. It gives older ones the newest
 * API, so that the other files show that alone. Kbuild looks for what is named
 * SECMEM_HAS_* in the kernel's headers: a version tells nothing of what a
 * distribution took over.
 */
#ifndef _SECMEM_COMPAT_H
#define _SECMEM_COMPAT_H

#include <linux/cgroup.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/libnvdimm.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#ifdef CONFIG_X86
#include <asm/cacheflush.h>
#endif
#ifdef SECMEM_HAS_PANIC_NOTIFIER_H
#include <linux/panic_notifier.h>
#endif

#ifndef SECMEM_HAS_VMA_LOOKUP
static inline struct vm_area_struct *vma_lookup(struct mm_struct *mm,
						unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && addr >= vma->vm_start ? vma : NULL;
}
#endif

#ifndef SECMEM_HAS_MAY_SPLIT
#define may_split split		/* in struct vm_operations_struct */
#endif

#ifndef SECMEM_HAS_KMAP_LOCAL_PAGE
#define kmap_local_page(page)	kmap_atomic(page)
#define kunmap_local(at)	kunmap_atomic(at)
#endif

/* A freezable wait; older kernels thaw a waiter with EINTR. */
#ifndef TASK_FREEZABLE
#define TASK_FREEZABLE 0
#endif

#ifndef SECMEM_HAS_VM_FLAGS_MOD
static inline void vm_flags_mod(struct vm_area_struct *vma,
				unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#ifndef SECMEM_HAS_PTE_MKWRITE_NOVMA
#define pte_mkwrite_novma(pte) pte_mkwrite(pte)
#endif

#ifndef SECMEM_HAS_MEMCG_KMEM_ONLINE
#define memcg_kmem_online() memcg_kmem_enabled()
#endif

/* Which memory cgroup the current task's memory is charged to, by number. */
static inline u64 secmem_compat_memcg(void)
{
	u64 number = 0;

#ifdef CONFIG_MEMCG
	rcu_read_lock();
	number = cgroup_id(task_cgroup(current, memory_cgrp_id));
	rcu_read_unlock();
#endif
	return number;
}

typedef unsigned long (*secmem_compat_shrink)(struct shrinker *shrinker,
					      struct shrink_control *sc);

static inline void secmem_compat_shrinker_free(struct shrinker *shrinker)
{
#ifdef SECMEM_HAS_SHRINKER_ALLOC
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

/* One that is registered, or NULL. */
static inline struct shrinker *
secmem_compat_shrinker_create(secmem_compat_shrink count,
			      secmem_compat_shrink scan)
{
	struct shrinker *shrinker;
	int ret = 0;

#ifdef SECMEM_HAS_SHRINKER_ALLOC
	shrinker = shrinker_alloc(0, "secmem");
#else
	shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);
#endif
	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
#ifdef SECMEM_HAS_SHRINKER_ALLOC
	shrinker_register(shrinker);
#elif defined(SECMEM_HAS_SHRINKER_NAME)
	ret = register_shrinker(shrinker, "secmem");
#else
	ret = register_shrinker(shrinker);
#endif
	if (!ret)
		return shrinker;
	kfree(shrinker);
	return NULL;
}

/*
 * What was written there reaches memory, not a cache alone: on x86, and where the
 * kernel was built with CONFIG_ARCH_HAS_PMEM_API. Elsewhere nothing is done, and
 * what a reset does to the caches decides whether a wipe before it counts.
 */
#if defined(CONFIG_X86) || defined(CONFIG_ARCH_HAS_PMEM_API)
#define SECMEM_WRITES_BACK	true
#else
#define SECMEM_WRITES_BACK	false
#endif

static inline void secmem_compat_cache_write_back(void *at, size_t length)
{
#ifdef CONFIG_X86
	clflush_cache_range(at, length);
#elif defined(CONFIG_ARCH_HAS_PMEM_API)
	arch_wb_cache_pmem(at, length);
#endif
}

static inline void secmem_compat_mapping_init(struct address_space *mapping)
{
#ifdef SECMEM_HAS_INVALIDATE_LOCK
	init_rwsem(&mapping->invalidate_lock);
#endif
}

#endif /* _SECMEM_COMPAT_H */
