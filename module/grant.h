/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grants.
 *
 * Who points at whom: a file holds its grant, a grant holds its vault, a vault
 * holds its places. A place serves one secret after another, each with a
 * generation of its own; its memory lives as long as the vault. So a pointer to a
 * place is good while its grant is, and which secret it serves is known from the
 * generation, looked at under its lock.
 */
#ifndef _SECMEM_GRANT_H
#define _SECMEM_GRANT_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "vault.h"

/* A holder that lies outside its place, as all do but the root grant's. */
struct secmem_record {
	struct secmem_holder holder;
	struct secmem_grant *grant;	/* constant */
	struct secmem_place *place;	/* constant */
};

struct secmem_grant {
	struct kref ref;		/* the file; the mm, from when it is bound
					 * until its last tie goes; a worker
					 */
	struct secmem_vault *vault;	/* constant after create */
	struct secmem_place *place;	/* constant; NULL: the whole vault */
	u64 handle;			/* constant; of place's secret, or 0 */
	u64 id;				/* constant; random, not 0 */
	u32 rights;			/* constant after create */
	struct mm_struct *mm;		/* the mm it answers: bind_lock, or that mm
					 * is the reader's own, so cannot go
					 */
	struct secmem_mm *bound;	/* goes with mm */
	struct list_head by_mm;		/* protected by secmem_bind_lock */
	atomic_t ties;			/* what ties it to mm: mm itself, the
					 * view, holders that stand
					 */
	bool leaving;			/* the end of mm sees to it; bind_lock */
	struct list_head by_vault;	/* on vault->keepers; keep_lock */
	u32 since;			/* the first era that it sees and keeps, of
					 * a grant of all; written under keep_lock
					 * before mm is set
					 */
	bool used;			/* it was bound once; keep_lock */
	bool drops;			/* it has dropped secrets, as their holders
					 * say; written under keep_lock
					 */
	bool is_root;			/* its vault's; constant */
	struct secmem_record single;	/* its one holder, where place is set */
	struct xarray records;		/* its holders by slot, where it is of all
					 * and not the root grant
					 */
	wait_queue_head_t pollq;	/* who polls its file */
	struct list_head by_watch;	/* protected by cold->watch_lock */
	bool crowded;			/* set once: some who poll are not woken */
	atomic_t views;			/* VMAs; two while mremap is refused */
	u32 view_number;		/* of the last one; mmap_lock */
	unsigned long view_start;	/* a hint: where to look for the VMA */
	struct address_space mapping;	/* of the view alone */
};

extern spinlock_t secmem_bind_lock;

/*
 * A task of the mm that a grant answers finds its own mm there. That mm cannot
 * end while the task runs, so no lock is needed.
 */
static inline bool secmem_grant_answers(const struct secmem_grant *grant)
{
	/* Then ->bound stands, too: pairs with secmem_grant_bind()'s release. */
	struct mm_struct *mm = smp_load_acquire(&grant->mm);

	return likely(mm == current->mm && mm);
}

/**
 * secmem_grant_sees - was a secret published in a grant's time
 * @grant: entered, or its view is touched
 * @place: what a place serves
 *
 * Context: The caller holds @place's lock; without it the answer is of what the
 * place serves at some moment, and a no for good: its era does not fall.
 * Return: whether @grant is of it.
 */
static inline bool secmem_grant_sees(const struct secmem_grant *grant,
				     const struct secmem_place *place)
{
	return READ_ONCE(place->era) >= grant->since;
}

/**
 * secmem_grant_tie - one thing more that ties a grant to its mm
 * @grant: bound
 *
 * Context: Any; the caller's mm is the one that the grant answers.
 */
static inline void secmem_grant_tie(struct secmem_grant *grant)
{
	atomic_inc(&grant->ties);
}

/*
 * Where a place begins in a grant's view, in pages: a view of one secret has it
 * behind its own guard page 0.
 */
static inline u32 secmem_view_pgoff(const struct secmem_grant *grant,
				    const struct secmem_place *place)
{
	return grant->place ? 1 : place->pgoff;
}

static inline u64 secmem_view_offset(const struct secmem_grant *grant,
				     const struct secmem_place *place)
{
	return (u64)secmem_view_pgoff(grant, place) << PAGE_SHIFT;
}

void secmem_grant_put(struct secmem_grant *grant);
void secmem_grant_untie(struct secmem_grant *grant);

#endif /* _SECMEM_GRANT_H */
