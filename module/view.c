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

static int secmem_view_prepare_pte(pte_t *ptep, unsigned long addr, void *data)
{
	return 0;
}

/**
 * secmem_view_prepare - see to it that a view has page tables for a secret
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @secret: the place; of what lies beyond the view, nothing is made
 * @holder: the grant's, of that secret
 *
 * They stay as long as the view, so that secmem_view_insert() allocates none
 * under the secret's lock. Here the caller may wait for memory, and at the limit
 * of its memory cgroup call the OOM killer, as with any page table of its own.
 *
 * Context: Process context, may sleep. The caller holds mmap_lock, and not the
 * secret's lock.
 * Return: 0 or -ENOMEM.
 */
int secmem_view_prepare(struct secmem_grant *grant, struct vm_area_struct *vma,
			struct secmem_secret *secret,
			struct secmem_holder *holder)
{
	unsigned long first = secmem_view_pgoff(grant, secret), count;
	int ret = 0;

	mmap_assert_locked(vma->vm_mm);
	if (likely(READ_ONCE(holder->view) == grant->view_number))
		return 0;
	/* A view of one secret may end behind it, and before its place does. */
	count = min(1UL << secret->order,
		    vma_pages(vma) - min(vma_pages(vma), first));
	if (count)
		ret = apply_to_page_range(vma->vm_mm, vma->vm_start +
					  (first << PAGE_SHIFT),
					  count << PAGE_SHIFT,
					  secmem_view_prepare_pte, NULL);
	if (!ret)
		WRITE_ONCE(holder->view, grant->view_number);
	return ret;
}

/**
 * secmem_view_insert - put a secret's page-table entries into a view
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @secret: a secret that it covers, with no entries there
 * @write: for a WRITE access
 *
 * Context: Process context. The caller holds mmap_lock and @secret's lock, and
 * has called secmem_view_prepare() under the same mmap_lock.
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
 * @secret: a secret that it covers
 *
 * Context: The caller holds mmap_lock and @secret's lock, without which the place
 * may by now serve a longer secret.
 * Return: whether it does, with the guard page behind it.
 */
bool secmem_view_holds(struct vm_area_struct *vma,
		       const struct secmem_grant *grant,
		       const struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	return vma && (u64)secmem_view_pgoff(grant, secret) +
				      secret->bytes.count + 1 <=
			      vma_pages(vma);
}

static vm_fault_t secmem_view_refuse(const struct vm_fault *vmf, bool closed)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;

	secmem_violation_note(grant->vault, vmf, closed);
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
				    struct secmem_secret *secret)
{
	/*
	 * Of a touch from within the kernel any signal but a fatal one waits until
	 * that is over, so it must not end the wait again and again.
	 */
	bool signals = (vmf->flags & FAULT_FLAG_INTERRUPTIBLE) &&
		       (vmf->flags & FAULT_FLAG_USER);
	struct secmem_vault *vault = secret->vault;

	/* The touch itself is tried once more, behind any signal. */
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return VM_FAULT_NOPAGE;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	kref_get(&vault->ref);
	mmap_read_unlock(vmf->vma->vm_mm);
	if (!secmem_lock_wait(&secret->lock,
			      signals ? TASK_INTERRUPTIBLE : TASK_KILLABLE,
			      SECMEM_FOREVER))
		secmem_secret_unlock(secret);
	secmem_vault_put(vault);
	return VM_FAULT_RETRY;
}

/* With the secret's lock: repair, where an access is held that allows it. */
static vm_fault_t secmem_view_repair(const struct vm_fault *vmf,
				     struct secmem_secret *secret, u64 index,
				     bool *closed)
{
	struct vm_area_struct *vma = vmf->vma;
	struct secmem_grant *grant = vma->vm_private_data;
	struct secmem_holder *holder = secmem_access_find(grant, secret);
	bool write = holder &&
		     (atomic64_read(&holder->word) & SECMEM_WORD_WRITE);

	lockdep_assert_held(&secret->lock);
	*closed = !secmem_grant_sees(grant, secret) ||
		  (index < secret->bytes.count &&
		   secret->state == SECMEM_CLOSED);
	if (index >= secret->bytes.count || *closed || !holder ||
	    ((vmf->flags & FAULT_FLAG_WRITE) && !write))
		return VM_FAULT_SIGSEGV;
	/* A read-only entry may stand there: never overwrite, replace. */
	unmap_mapping_range(&grant->mapping, (loff_t)vmf->pgoff << PAGE_SHIFT,
			    PAGE_SIZE, 1);
	/* The page tables are there: the view is the one of the access. */
	return secmem_view_fault_end(secmem_view_insert_pages(grant, vma,
							      secret, index, 1,
							      write));
}

static struct secmem_secret *secmem_view_secret(const struct vm_fault *vmf)
{
	struct secmem_grant *grant = vmf->vma->vm_private_data;
	struct secmem_secret *secret = grant->secret ?:
				       secmem_vault_find_page(grant->vault,
							      vmf->pgoff);

	return secret && vmf->pgoff >= secmem_view_pgoff(grant, secret) ?
		       secret :
		       NULL;
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
	struct secmem_secret *secret = secmem_view_secret(vmf);
	bool closed = false;

	*fault = VM_FAULT_SIGSEGV;
	if (secret) {
		if (!secmem_lock_try(&secret->lock))
			return false;
		*fault = secmem_view_repair(vmf, secret, vmf->pgoff -
					    secmem_view_pgoff(grant, secret),
					    &closed);
		secmem_secret_unlock(secret);
	}
	if (*fault == VM_FAULT_SIGSEGV)
		*fault = secmem_view_refuse(vmf, closed);
	return true;
}

static vm_fault_t secmem_view_fault(struct vm_fault *vmf)
{
	vm_fault_t fault;

	return secmem_view_touch(vmf, &fault) ?
		       fault :
		       secmem_view_retry(vmf, secmem_view_secret(vmf));
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

/* mremap calls it for the copy that it will give up again. */
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
	secmem_grant_await_end(grant);
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
	secmem_grant_tie(grant);
	/* The page tables of the last one are gone; 0 is no view's number. */
	if (!++grant->view_number)
		++grant->view_number;

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
