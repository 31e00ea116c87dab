// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: what a file is. A vault or one secret of it, a set of rights, the one
 * address space that it answers, and its view. Here is what ties a grant to that
 * address space; who is let in is bind.c's matter.
 */
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "grant.h"
#include "mm.h"

DEFINE_SPINLOCK(secmem_bind_lock);

/* The grant is about to be freed, and holds nothing. */
static void secmem_grant_free_records(struct secmem_grant *grant)
{
	struct secmem_record *record;
	unsigned long slot;

	xa_for_each(&grant->records, slot, record)
		kfree(record);
	xa_destroy(&grant->records);
}

static void secmem_grant_free(struct kref *ref)
{
	struct secmem_grant *grant = container_of(ref, struct secmem_grant,
						  ref);

	secmem_grant_free_records(grant);
	if (grant->is_root)
		WRITE_ONCE(grant->vault->root, NULL);
	secmem_vault_put(grant->vault);
	kfree(grant);
	secmem_count_add(grants, -1);
}

/**
 * secmem_grant_put - drop a reference
 * @grant: the grant
 *
 * Context: Process context. The last reference may be the vault's last, too, whose
 * end may sleep; so the lock of a secret may be held only by who has a reference to
 * its vault.
 */
void secmem_grant_put(struct secmem_grant *grant)
{
	kref_put(&grant->ref, secmem_grant_free);
}

/*
 * What a grant answers, and until when. T is the number of its ties: one of the
 * mm, one of the view, one of each holder that stands.
 *
 *	            first use                    the mm ends
 *	 unbound ---------------> bound --------------------------> leaving
 *	 mm NULL                  mm is set                         mm is set
 *	 T = 0                    on the mm's list                  on no list
 *	    ^                     T = 1 + view + holders            T = view + holders
 *	    |                                                          |
 *	    |                                    exit_mmap() closes    |
 *	    |                                    the VMA: view gone    |
 *	    |                                                          v
 *	    |                                                       leaving
 *	    +-------------------------------------------------------T = holders
 *	      whoever has the lock of a place ends the last holder: T = 0
 *
 * secmem_grant_bind() does the first step; secmem_mm_end() the second, a worker of
 * the mm's end; secmem_grant_unbind() the last. The view and the holders may also
 * go the other way round. While a grant is leaving it answers nobody, and who
 * would bind it waits. A file that is released takes its grant off the mm's list
 * and gives the mm's tie back itself; the grant is never bound again.
 */
static void secmem_grant_unbind(struct secmem_grant *grant)
{
	struct secmem_mm *bound = grant->bound;

	spin_lock(&secmem_bind_lock);
	grant->bound = NULL;
	grant->leaving = false;
	WRITE_ONCE(grant->mm, NULL);
	spin_unlock(&secmem_bind_lock);
	/* Pairs with the one in secmem_grant_bind_wait()'s wait. */
	smp_mb();
	wake_up_var(&grant->mm);
	mmu_notifier_put(&bound->notifier);
	secmem_grant_put(grant);
}

/**
 * secmem_grant_untie - the end of secmem_grant_tie()
 * @grant: with the last one, it answers nobody any more, and may be gone
 *
 * Context: Process context; mmap_lock or the lock of a secret may be held, by who
 * has a reference to its vault.
 */
void secmem_grant_untie(struct secmem_grant *grant)
{
	if (atomic_dec_and_test(&grant->ties))
		secmem_grant_unbind(grant);
}
