// SPDX-License-Identifier: GPL-2.0-only
/*
 * The view: the one mapping of a grant, and the page-table entries in it.
 *
 * It is PFNMAP (no get_user_pages), IO (no core dump, no MADV_DOFORK before
 * 7.0) and never copied. Entries are written by apply_to_page_range() and
 * leave, unless the view itself goes, through unmap_mapping_range() on the
 * grant's own address_space, which reaches its view from any context and no
 * stranger's.
 */
#include "internal.h"

struct secmem_view_insertion {
	struct vm_area_struct *vma;
	struct page **pages;		/* the next one first */
	bool write;
};

/**
 * secmem_view_zap - take a secret's page-table entries out of a grant's view
 * @grant: the grant
 * @secret: a secret that it covers
 *
 * Context: Process context, may sleep. The caller holds @secret's lock.
 */
void secmem_view_zap(struct secmem_grant *grant, struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	unmap_mapping_range(&grant->mapping, secmem_view_offset(grant, secret),
			    (loff_t)secret->bytes.count << PAGE_SHIFT, 1);
}

static int secmem_view_insert_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct secmem_view_insertion *in = data;
	struct page *page = *in->pages++;
	pte_t pte = pfn_pte(page_to_pfn(page), in->vma->vm_page_prot);

	if (secmem_page_bad(page))
		return -EIO;
	pte = pte_mkspecial(pte_mkyoung(pte));
	/* A clean one stays read-only whatever mprotect does to the view. */
	if (in->write)
		pte = pte_mkdirty(pte_mkwrite_novma(pte));
	else
		pte = pte_wrprotect(pte_mkclean(pte));
	set_pte_at(in->vma->vm_mm, addr, ptep, pte);
	return 0;
}

/* What is written is the lesser of the access and the VMA. */
static int secmem_view_insert_pages(struct secmem_grant *grant,
				    struct vm_area_struct *vma,
				    struct secmem_secret *secret,
				    unsigned int first, unsigned int count,
				    bool write)
{
	struct secmem_view_insertion in = {
		.vma = vma,
		.pages = secmem_bytes_pages(&secret->bytes) + first,
		.write = write && (vma->vm_flags & VM_WRITE),
	};

	unsigned long start = vma->vm_start +
			      secmem_view_offset(grant, secret) +
			      ((unsigned long)first << PAGE_SHIFT);

	mmap_assert_locked(vma->vm_mm);
	lockdep_assert_held(&secret->lock);
	return apply_to_page_range(vma->vm_mm, start,
				   (unsigned long)count << PAGE_SHIFT,
				   secmem_view_insert_pte, &in);
}

/**
 * secmem_view_insert - put a secret's page-table entries into a view
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @secret: a secret that it covers, with no entries there
 * @write: for a WRITE access
 *
 * Context: Process context, may sleep. The caller holds mmap_lock and
 * @secret's lock.
 * Return: 0; -ENOMEM, or -EIO for a page that is known to be bad memory: then
 * some of them may be there.
 */
int secmem_view_insert(struct secmem_grant *grant, struct vm_area_struct *vma,
		       struct secmem_secret *secret, bool write)
{
	return secmem_view_insert_pages(grant, vma, secret, 0,
					secret->bytes.count, write);
}

static const struct vm_operations_struct secmem_view_ops;

/**
 * secmem_view_find - a grant's view, if a secret lies in it
 * @grant: it answers the current mm
 * @secret: a secret that it covers
 *
 * munmap takes a VMA out of the tree before it zaps and calls .close, so only
 * what the tree holds now can be trusted.
 *
 * Context: The caller holds the current mm's mmap_lock.
 * Return: the VMA, good until mmap_lock is dropped, or NULL.
 */
struct vm_area_struct *secmem_view_find(struct secmem_grant *grant,
					struct secmem_secret *secret)
{
	struct vm_area_struct *vma;
	u64 end;

	mmap_assert_locked(current->mm);
	vma = vma_lookup(current->mm, READ_ONCE(grant->view_start));
	if (!vma || vma->vm_ops != &secmem_view_ops ||
	    vma->vm_private_data != grant)
		return NULL;
	/* The guard page behind the secret lies in the view, too. */
	end = secmem_view_pgoff(grant, secret) + secret->bytes.count + 1;
	return end <= vma_pages(vma) ? vma : NULL;
}

static vm_fault_t secmem_view_refuse(const struct vm_fault *vmf, bool closed)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;

	secmem_stats_violation(grant->vault, vmf, closed);
	return closed ? VM_FAULT_SIGBUS : VM_FAULT_SIGSEGV;
}

static vm_fault_t secmem_view_fault_end(int error)
{
	if (error == -EIO)
		return VM_FAULT_HWPOISON;
	return error ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

/*
 * A touch that met no page-table entry, or one that does not let it write. It
 * is repaired where an access is held that allows it: mprotect may have
 * narrowed the view and widened it again.
 */
static vm_fault_t secmem_view_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct secmem_grant *grant = vma->vm_private_data;
	bool touch_writes = vmf->flags & FAULT_FLAG_WRITE, write;
	struct secmem_secret *secret = grant->secret;
	struct secmem_holder *holder;
	vm_fault_t fault;
	u64 index;
	int ret;

	if (!secret)
		secret = secmem_vault_find_page(grant->vault, vmf->pgoff);
	if (!secret || vmf->pgoff < secmem_view_pgoff(grant, secret))
		return secmem_view_refuse(vmf, false);
	index = vmf->pgoff - secmem_view_pgoff(grant, secret);

	mutex_lock(&secret->lock);
	holder = secmem_access_find(grant, secret);
	write = holder &&
		(atomic64_read(&holder->word) & SECMEM_WORD_WRITE);
	if (index >= secret->bytes.count) {
		fault = secmem_view_refuse(vmf, false);
	} else if (secret->state == SECMEM_CLOSED) {
		fault = secmem_view_refuse(vmf, true);
	} else if (!holder || (touch_writes && !write)) {
		fault = secmem_view_refuse(vmf, false);
	} else {
		/* A read-only entry may stand there: never overwrite, replace. */
		unmap_mapping_range(&grant->mapping,
				    (loff_t)vmf->pgoff << PAGE_SHIFT,
				    PAGE_SIZE, 1);
		ret = secmem_view_insert_pages(grant, vma, secret, index, 1,
					       write);
		fault = secmem_view_fault_end(ret);
	}
	mutex_unlock(&secret->lock);
	return fault;
}

/* mremap calls it for the copy that it will give up again. */
static void secmem_view_open(struct vm_area_struct *vma)
{
	struct secmem_grant *grant = vma->vm_private_data;

	atomic_inc(&grant->views);
}

static void secmem_view_close(struct vm_area_struct *vma)
{
	struct secmem_grant *grant = vma->vm_private_data;

	if (atomic_dec_and_test(&grant->views))
		secmem_grant_view_gone(grant);
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
	.pfn_mkwrite = secmem_view_fault,
};

/**
 * secmem_view_mmap - make the one view of a grant
 * @file: the grant's
 * @vma: the VMA to be
 *
 * Nothing is inserted here. A view that follows another one never meets its
 * accesses: nested ones would find no entries, and another length.
 *
 * Context: The current mm's mmap_lock is held for writing.
 * Return: 0, -EACCES, -EBUSY, -EINVAL, -ENOMEM, -EINTR.
 */
int secmem_view_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct secmem_grant *grant = file->private_data;
	u32 rights = SECMEM_RIGHT_MAP;
	int ret;

	/* Of an O_RDONLY file the core clears VM_SHARED, not VM_MAYSHARE. */
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff ||
	    vma_pages(vma) > U32_MAX)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (vma->vm_flags & VM_WRITE)
		rights |= SECMEM_RIGHT_WRITE;
	ret = secmem_grant_enter_locked(grant, rights);
	if (ret)
		return ret;
	/*
	 * None begins meanwhile, which needs a view and mmap_lock, and none is
	 * there to nest on.
	 */
	if (secmem_access_any(grant) || atomic_cmpxchg(&grant->views, 0, 1))
		return -EBUSY;

	vm_flags_mod(vma, VM_PFNMAP | VM_IO | VM_DONTCOPY | VM_DONTEXPAND |
			  VM_DONTDUMP,
		     VM_MAYEXEC |
		     (grant->rights & SECMEM_RIGHT_WRITE ? 0 : VM_MAYWRITE));
	vma->vm_private_data = grant;
	vma->vm_ops = &secmem_view_ops;
	WRITE_ONCE(grant->view_start, vma->vm_start);
	if (!grant->secret &&
	    vma_pages(vma) > READ_ONCE(grant->vault->view_pages))
		WRITE_ONCE(grant->vault->view_pages, vma_pages(vma));
	return 0;
}
