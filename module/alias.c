// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aliases: what else the kernel maps a page at, beside its place in the direct
 * map. Two ways are known by which memory that is free is mapped yet:
 *
 * The kernel's image. What it needs no more after the boot (code and data of the
 * start, gaps between its parts, tables of the boot) goes to the page allocator,
 * and the image's own addresses go on showing much of it. On x86 the kernel has
 * a function that takes such addresses away, which it uses itself where page
 * tables are isolated; it is called at load for all that is left. Where something
 * cannot be taken away, a block with such a page in it is held until another is
 * found. If none is, a single such page may serve, but does not leave the direct
 * map, as it could be read anyway; CREATE says so.
 *
 * vmalloc space. An address that was unmapped there is flushed some day, so a TLB
 * may know it when the page serves anew. Making a block flushes them all.
 */
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/static_call.h>
#include <linux/vmalloc.h>
#include <linux/set_memory.h>
#ifdef CONFIG_ARM64
#include <asm/memory.h>
#include <asm/sysreg.h>
#endif

#include "alias.h"
#include "symbol.h"

/* Pages leave the direct map: else no alias matters. */
static bool secmem_alias_matters;

/* How many pages are held while one without an alias is sought: 16 MiB. */
#define SECMEM_ALIAS_HELD	(16U << (20 - PAGE_SHIFT))

#ifdef CONFIG_X86_64
/*
 * Is this address of the kernel's image mapped? A page of the image lies at one
 * address there.
 */
static bool secmem_alias_stands(unsigned long at)
{
	unsigned int level;
	pte_t *pte = lookup_address(at, &level);

	return pte && pte_flags(*pte) & _PAGE_PRESENT;
}

/* Whether the kernel's image maps a page, too. */
static bool secmem_alias_present(struct page *page)
{
	unsigned long offset = PFN_PHYS(page_to_pfn(page)) - phys_base;

	/*
	 * Modules are mapped behind the image; their addresses do not follow
	 * from the page.
	 */
	return offset < KERNEL_IMAGE_SIZE &&
	       secmem_alias_stands(__START_KERNEL_map + offset);
}

static int secmem_alias_no_range(unsigned long at, int pages)
{
	return -EOPNOTSUPP;
}

/* The type must be the declared one, as in directmap.c. */
static_assert(__same_type(set_memory_np_noalias, secmem_alias_no_range));
DEFINE_STATIC_CALL(secmem_alias_unmap, secmem_alias_no_range);

/*
 * Is this address mapped, though its memory is the page allocator's by now?
 * Memory of the image is PageReserved, what was given to the allocator is not.
 */
static bool secmem_alias_left(unsigned long at)
{
	unsigned long pfn = PHYS_PFN(at - __START_KERNEL_map + phys_base);

	return pfn_valid(pfn) && !PageReserved(pfn_to_page(pfn)) &&
	       secmem_alias_stands(at);
}

/*
 * Take away what the image left mapped. What this fails at is found by
 * secmem_alias_any() when it matters.
 */
static void secmem_alias_take_away(void)
{
	typeof(set_memory_np_noalias) *unmap =
		secmem_symbol_find("set_memory_np_noalias");
	unsigned long end = __START_KERNEL_map + KERNEL_IMAGE_SIZE;
	unsigned long at, count, gone = 0;

	if (!unmap)
		return;
	static_call_update(secmem_alias_unmap, unmap);
	for (at = __START_KERNEL_map; at < end; at += (count ?: 1) * PAGE_SIZE) {
		count = 0;
		while (at + count * PAGE_SIZE < end &&
		       secmem_alias_left(at + count * PAGE_SIZE))
			count++;
		if (count && !static_call(secmem_alias_unmap)(at, count))
			gone += count;
		cond_resched();
	}
	if (gone)
		pr_info("secmem: %lu free pages are not mapped by the kernel's image any more\n",
			gone);
}
#else
static bool secmem_alias_present(struct page *page)
{
	phys_addr_t at = PFN_PHYS(page_to_pfn(page));
	unsigned long flags;
	u64 found;

	/*
	 * Ask the processor to translate the address. Where another page lies
	 * at it, that is no alias of this one.
	 */
	local_irq_save(flags);
	asm volatile("at s1e1r, %0" : : "r" (at + kimage_voffset));
	isb();
	found = read_sysreg_par();
	local_irq_restore(flags);
	return !(found & SYS_PAR_EL1_F) &&
	       (found & GENMASK_ULL(51, PAGE_SHIFT)) == at;
}

static void secmem_alias_take_away(void)
{
}
#endif

/**
 * secmem_alias_setup - at module load: pages are about to leave the direct map
 *
 * Context: Process context, may sleep.
 */
void secmem_alias_setup(void)
{
	secmem_alias_matters = true;
	secmem_alias_take_away();
}

/**
 * secmem_alias_teardown - they do not
 *
 * Context: Process context.
 */
void secmem_alias_teardown(void)
{
	secmem_alias_matters = false;
}

/**
 * secmem_alias_any - does the kernel's image map one of several pages, too
 * @first: the first of them
 * @count: how many, one after another
 *
 * Context: Any.
 * Return: whether one has an alias; false where none leaves the direct map.
 */
bool secmem_alias_any(struct page *first, unsigned int count)
{
	if (!secmem_alias_matters)
		return false;
	while (count--)
		if (secmem_alias_present(first + count))
			return true;
	return false;
}

/**
 * secmem_alias_alloc - pages that the kernel maps in the direct map alone
 * @gfp: as of alloc_pages()
 * @order: likewise
 *
 * Those that it maps elsewhere, too, are held while others are sought; they are
 * no more than the image has left, and are given back before this returns.
 *
 * Context: Process context, may sleep.
 * Return: the first; or NULL. A single one may have an alias, where no other was
 * to be had.
 */
struct page *secmem_alias_alloc(gfp_t gfp, unsigned int order)
{
	unsigned int most = max(SECMEM_ALIAS_HELD >> order, 1U);
	struct page *page, *other, *next;
	LIST_HEAD(held);

	for (;;) {
		page = alloc_pages(gfp, order);
		if (!page || !secmem_alias_any(page, 1U << order))
			break;
		list_add(&page->lru, &held);
		if (!--most) {
			page = NULL;
			break;
		}
		cond_resched();
	}
	/*
	 * The caller may try a smaller order, where pages without an alias lie
	 * between others; but there is no smaller order than 0.
	 */
	if (!page && !order && !list_empty(&held)) {
		page = list_first_entry(&held, struct page, lru);
		list_del(&page->lru);
	}
	list_for_each_entry_safe(other, next, &held, lru)
		__free_pages(other, order);
	return page;
}
