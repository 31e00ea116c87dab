// SPDX-License-Identifier: GPL-2.0-only
/*
 * The view: the one mapping of a grant, and what a touch of it meets.
 *
 * It is PFNMAP (no get_user_pages), IO (no core dump, no MADV_DOFORK before
 * 7.0) and never copied.
 */
#include "entries.h"
#include "errand.h"
#include "holder.h"
#include "mm.h"
#include "view.h"
#include "violation.h"

static const struct vm_operations_struct secmem_view_ops;

/**
 * secmem_view_find - a grant's view
 * @grant: it answers the current mm
 *
 * munmap takes a VMA out of the tree before it zaps and calls .close, so only
 * what the tree holds now can be trusted.
 *
 * Context: The caller holds the current mm's mmap_lock.
 * Return: the VMA, good until mmap_lock is dropped, or NULL.
 */
struct vm_area_struct *secmem_view_find(struct secmem_grant *grant)
{
	struct vm_area_struct *vma;

	mmap_assert_locked(current->mm);
	vma = vma_lookup(current->mm, READ_ONCE(grant->view_start));
	return vma && vma->vm_ops == &secmem_view_ops &&
			       vma->vm_private_data == grant ?
		       vma :
		       NULL;
}

/**
 * secmem_view_holds - does all of a secret lie in a view
 * @vma: the view, from secmem_view_find() under the same mmap_lock; or NULL
 * @grant: whose it is
 * @place: a secret that it covers
 *
 * Context: The caller holds mmap_lock and @place's lock, without which the place
 * may by now serve a longer secret.
 * Return: whether it does, with the guard page behind it.
 */
bool secmem_view_holds(struct vm_area_struct *vma,
		       const struct secmem_grant *grant,
		       const struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	return vma &&
	       (u64)secmem_view_pgoff(grant, place) + place->bytes.count + 1 <=
		       vma_pages(vma);
}

static vm_fault_t secmem_view_refuse(const struct vm_fault *vmf, bool closed)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;

	secmem_violation_note(grant->vault->number, vmf, closed);
	return closed ? VM_FAULT_SIGBUS : VM_FAULT_SIGSEGV;
}

static vm_fault_t secmem_view_fault_end(int error)
{
	if (error == -EIO)
		return VM_FAULT_HWPOISON;
	return error ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

/*
 * Somebody holds the secret's lock: let go of mmap_lock, wait as long as the
 * touch may wait, and let it come again. The view may be gone by then, and its
 * file, so that a reference keeps the place.
 */
static vm_fault_t secmem_view_retry(const struct vm_fault *vmf,
				    struct secmem_place *place)
{
	/*
	 * Where the kernel itself touches the view, no signal but a fatal one
	 * is handled before it is through. So only a fatal one may end the
	 * wait, or it would end each time.
	 */
	bool signals = (vmf->flags & FAULT_FLAG_INTERRUPTIBLE) &&
		       (vmf->flags & FAULT_FLAG_USER);
	struct secmem_vault *vault = place->vault;

	/*
	 * mmap_lock must be kept. The touch is made again; a signal is handled
	 * first.
	 */
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return VM_FAULT_NOPAGE;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	kref_get(&vault->ref);
	mmap_read_unlock(vmf->vma->vm_mm);
	if (!secmem_lock_wait(&place->lock,
			      signals ? TASK_INTERRUPTIBLE : TASK_KILLABLE,
			      SECMEM_FOREVER))
		secmem_place_unlock(place);
	secmem_vault_put(vault);
	return VM_FAULT_RETRY;
}

/* With the secret's lock: repair, where an access is held that allows it. */
static vm_fault_t secmem_view_repair(const struct vm_fault *vmf,
				     struct secmem_place *place, u64 index,
				     bool *closed)
{
	struct vm_area_struct *vma = vmf->vma;
	struct secmem_grant *grant = vma->vm_private_data;
	struct secmem_holder *holder = secmem_holder_find_held(grant, place);
	bool write = holder &&
		     (atomic64_read(&holder->word) & SECMEM_WORD_WRITE);

	lockdep_assert_held(&place->lock);
	*closed = !secmem_grant_sees(grant, place) ||
		  secmem_grant_has_dropped(grant, place, place->generation) ||
		  (index < place->bytes.count && place->state == SECMEM_CLOSED);
	if (index >= place->bytes.count || *closed || !holder ||
	    ((vmf->flags & FAULT_FLAG_WRITE) && !write))
		return VM_FAULT_SIGSEGV;
	/* A read-only entry may stand there: never overwrite, replace. */
	unmap_mapping_range(&grant->mapping, (loff_t)vmf->pgoff << PAGE_SHIFT,
			    PAGE_SIZE, 1);
	/* An access is held in this view, so its page tables are there. */
	return secmem_view_fault_end(secmem_entries_insert(grant, vma, place,
							   index, 1, write));
}

/**
 * secmem_view_place - the place that lies at a page of a grant's view
 * @grant: the grant
 * @pgoff: the page
 *
 * Context: Any.
 * Return: the place, good as long as @grant, or NULL. The page may be behind it.
 */
struct secmem_place *secmem_view_place(const struct secmem_grant *grant,
				       u64 pgoff)
{
	struct secmem_place *place =
		grant->place ?: secmem_place_find_page(grant->vault, pgoff);

	return place && pgoff >= secmem_view_pgoff(grant, place) ? place : NULL;
}

/*
 * A touch that met no page-table entry, or one that does not let it write. It
 * is repaired where an access is held that allows it: mprotect may have
 * narrowed the view and widened it again. False where somebody else holds the
 * secret's lock.
 */
static bool secmem_view_touch(struct vm_fault *vmf, vm_fault_t *fault)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;
	struct secmem_place *place = secmem_view_place(grant, vmf->pgoff);
	bool closed = false;

	*fault = VM_FAULT_SIGSEGV;
	if (grant->place && READ_ONCE(grant->drops)) {
		/* Its place may serve another secret, whose lock is not ours. */
		closed = place;
	} else if (place) {
		if (!secmem_lock_try(&place->lock))
			return false;
		*fault = secmem_view_repair(vmf, place,
					    vmf->pgoff -
						    secmem_view_pgoff(grant,
								      place),
					    &closed);
		secmem_place_unlock(place);
	}
	if (*fault == VM_FAULT_SIGSEGV)
		*fault = secmem_view_refuse(vmf, closed);
	return true;
}

static vm_fault_t secmem_view_fault(struct vm_fault *vmf)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;
	vm_fault_t fault;

	return secmem_view_touch(vmf, &fault) ?
		       fault :
		       secmem_view_retry(vmf, secmem_view_place(grant,
								vmf->pgoff));
}

/*
 * A write to an entry that stands read-only. Core mm takes a VM_FAULT_RETRY from
 * here for a yes, so where somebody holds the secret's lock, the entry goes, and
 * the touch comes again as one that meets none.
 */
static vm_fault_t secmem_view_mkwrite(struct vm_fault *vmf)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;
	vm_fault_t fault;

	if (secmem_view_touch(vmf, &fault))
		return fault;
	unmap_mapping_range(&grant->mapping, (loff_t)vmf->pgoff << PAGE_SHIFT,
			    PAGE_SIZE, 1);
	return VM_FAULT_NOPAGE;
}

/*
 * mremap() calls this for a copy of the VMA, and gives that up again, as
 * .mremap refuses.
 */
static void secmem_view_open(struct vm_area_struct *vma)
{
	struct secmem_grant *grant = vma->vm_private_data;

	atomic_inc(&grant->views);
}

static void secmem_view_close(struct vm_area_struct *vma)
{
	struct secmem_grant *grant = vma->vm_private_data;

	if (!atomic_dec_and_test(&grant->views))
		return;
	secmem_mm_await(secmem_mm_ending(grant));
	secmem_grant_untie(grant);
}

static int secmem_view_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int secmem_view_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

/*
 * No .access, so that ptrace and /proc/PID/mem get nothing; no .map_pages, so
 * that a fault never comes without mmap_lock. Without a .pfn_mkwrite, or with
 * one that returns 0, core mm makes a read-only entry writable by itself.
 */
static const struct vm_operations_struct secmem_view_ops = {
	.open = secmem_view_open,
	.close = secmem_view_close,
	.may_split = secmem_view_split,
	.mremap = secmem_view_mremap,
	.fault = secmem_view_fault,
	.pfn_mkwrite = secmem_view_mkwrite,
};

/**
 * secmem_view_make - make the one view of a grant
 * @grant: entered, with the rights that @vma needs
 * @vma: the VMA to be
 *
 * Nothing is inserted here. A view that follows another one never meets its
 * accesses: nested ones would find no entries, and another length.
 *
 * Context: The current mm's mmap_lock is held for writing.
 * Return: 0 or -EBUSY.
 */
int secmem_view_make(struct secmem_grant *grant, struct vm_area_struct *vma)
{
	/*
	 * No access begins meanwhile, as that takes mmap_lock and a view; and
	 * none is held that one could nest on.
	 */
	if (secmem_holder_any(grant) || atomic_cmpxchg(&grant->views, 0, 1))
		return -EBUSY;
	secmem_grant_tie(grant);
	/*
	 * The last view took its page tables along, so holders must make new
	 * ones. No view has the number 0.
	 */
	if (!++grant->view_number)
		++grant->view_number;

	vm_flags_mod(vma, VM_PFNMAP | VM_IO | VM_DONTCOPY | VM_DONTEXPAND |
			  VM_DONTDUMP,
		     VM_MAYEXEC |
		     (grant->rights & SECMEM_RIGHT_WRITE ? 0 : VM_MAYWRITE));
	vma->vm_private_data = grant;
	vma->vm_ops = &secmem_view_ops;
	WRITE_ONCE(grant->view_start, vma->vm_start);
	if (!grant->place &&
	    vma_pages(vma) > READ_ONCE(grant->vault->view_pages))
		WRITE_ONCE(grant->vault->view_pages, vma_pages(vma));
	return 0;
}
