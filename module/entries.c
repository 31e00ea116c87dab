// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-table entries of a place, into a view and out of it.
 *
 * Entries are written by apply_to_page_range() and leave, unless the view itself
 * goes, through unmap_mapping_range() on the grant's own address_space, which
 * reaches its view from any context and no stranger's.
 */
#include "entries.h"

struct secmem_entries_insertion {
	struct vm_area_struct *vma;
	struct page **pages;		/* the next one first */
	bool write;
};

/**
 * secmem_entries_zap - take a secret's page-table entries out of a grant's view
 * @grant: the grant
 * @place: a secret that it covers
 *
 * Context: Process context, may sleep. The caller holds @place's lock.
 */
void secmem_entries_zap(struct secmem_grant *grant, struct secmem_place *place)
{
	lockdep_assert_held(&place->lock);
	unmap_mapping_range(&grant->mapping, secmem_view_offset(grant, place),
			    (loff_t)place->bytes.count << PAGE_SHIFT, 1);
}

static int secmem_entries_insert_pte(pte_t *ptep, unsigned long addr,
				     void *data)
{
	struct secmem_entries_insertion *in = data;
	struct page *page = *in->pages++;
	pte_t pte = pfn_pte(page_to_pfn(page), in->vma->vm_page_prot);

	if (secmem_page_bad(page))
		return -EIO;
	pte = pte_mkspecial(pte_mkyoung(pte));
	/* An mprotect of the view may make a dirty entry writable, no clean one. */
	if (in->write)
		pte = pte_mkdirty(pte_mkwrite_novma(pte));
	else
		pte = pte_wrprotect(pte_mkclean(pte));
	set_pte_at(in->vma->vm_mm, addr, ptep, pte);
	return 0;
}

static int secmem_entries_prepare_pte(pte_t *ptep, unsigned long addr,
				      void *data)
{
	return 0;
}

/**
 * secmem_entries_prepare - see to it that a view has page tables for a secret
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @place: the place; of what lies beyond the view, nothing is made
 * @holder: the grant's, of that secret
 *
 * They stay as long as the view, so that secmem_entries_insert() allocates none
 * under the secret's lock. Here the caller may wait for memory, and at the limit
 * of its memory cgroup call the OOM killer, as with any page table of its own.
 *
 * Context: Process context, may sleep. The caller holds mmap_lock, and not the
 * secret's lock.
 * Return: 0 or -ENOMEM.
 */
int secmem_entries_prepare(struct secmem_grant *grant,
			   struct vm_area_struct *vma,
			   struct secmem_place *place,
			   struct secmem_holder *holder)
{
	unsigned long first = secmem_view_pgoff(grant, place), count;
	int ret = 0;

	mmap_assert_locked(vma->vm_mm);
	if (likely(READ_ONCE(holder->view) == grant->view_number))
		return 0;
	/*
	 * A view of one secret may end behind the secret, and so before the end
	 * of its place.
	 */
	count = min(1UL << place->order,
		    vma_pages(vma) - min(vma_pages(vma), first));
	if (count)
		ret = apply_to_page_range(vma->vm_mm,
					  vma->vm_start + (first << PAGE_SHIFT),
					  count << PAGE_SHIFT,
					  secmem_entries_prepare_pte, NULL);
	if (!ret)
		WRITE_ONCE(holder->view, grant->view_number);
	return ret;
}

/**
 * secmem_entries_insert - put page-table entries of a secret into a view
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @place: a secret that it covers, with none of these entries there, but for
 * secmem_entries_widen()
 * @first: the first page, of the secret's
 * @count: how many
 * @write: for a WRITE access; entries are writable where @vma is, too
 *
 * Context: Process context. The caller holds mmap_lock and @place's lock, and the
 * view has page tables for the secret: secmem_entries_prepare() made them, once
 * for this view (the holder's ->view is the grant's ->view_number).
 * Return: 0; -ENOMEM, or -EIO for a page that is known to be bad memory: then
 * some of them may be there.
 */
int secmem_entries_insert(struct secmem_grant *grant,
			  struct vm_area_struct *vma,
			  struct secmem_place *place, unsigned int first,
			  unsigned int count, bool write)
{
	struct secmem_entries_insertion in = {
		.vma = vma,
		.pages = secmem_bytes_pages(&place->bytes) + first,
		.write = write && (vma->vm_flags & VM_WRITE),
	};

	unsigned long start = vma->vm_start + secmem_view_offset(grant, place) +
			      ((unsigned long)first << PAGE_SHIFT);

	mmap_assert_locked(vma->vm_mm);
	lockdep_assert_held(&place->lock);
	return apply_to_page_range(vma->vm_mm, start,
				   (unsigned long)count << PAGE_SHIFT,
				   secmem_entries_insert_pte, &in);
}

/**
 * secmem_entries_widen - let what is mapped be written
 * @grant: the grant
 * @vma: its view, from secmem_view_find() under the same mmap_lock
 * @place: a secret that it covers; read-only entries of its pages may stand
 *
 * On x86 a processor that still has the old entry walks anew when it meets a write,
 * so the new one is written over it. Others may go on with what they have: there the
 * old entry goes first, with a flush.
 *
 * Context: as secmem_entries_insert().
 * Return: as secmem_entries_insert().
 */
int secmem_entries_widen(struct secmem_grant *grant, struct vm_area_struct *vma,
			 struct secmem_place *place)
{
	if (!IS_ENABLED(CONFIG_X86))
		secmem_entries_zap(grant, place);
	return secmem_entries_insert(grant, vma, place, 0, place->bytes.count,
				     true);
}
