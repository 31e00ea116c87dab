/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's page table as the processor walks it: init_mm, which has it, is
 * not exported. Inline, as a module for the tests looks, too.
 */
#ifndef _SECMEM_TABLES_H
#define _SECMEM_TABLES_H

#include <linux/mm.h>

#if defined(CONFIG_X86_64)

/* Where the kernel's half begins. */
#define SECMEM_TABLES_FIRST	(~0UL << __VIRTUAL_MASK_SHIFT)

/*
 * Each address space maps the kernel's half, through an own first level and
 * shared tables below.
 */
static inline pgd_t *secmem_tables_root(void)
{
	return current->mm->pgd;
}

#elif defined(CONFIG_ARM64)

#define SECMEM_TABLES_FIRST	PAGE_OFFSET

static inline pgd_t *secmem_tables_root(void)
{
	u64 ttbr = read_sysreg(ttbr1_el1);
	/*
	 * The register may point behind the table's start, where fewer bits of
	 * an address are in use.
	 */
	phys_addr_t root = ttbr & GENMASK_ULL(47, PAGE_SHIFT);

	if (IS_ENABLED(CONFIG_ARM64_PA_BITS_52))
		root |= (ttbr & GENMASK_ULL(5, 2)) << 46;
	return phys_to_virt(root);
}

#endif

/*
 * The entry of an address. The caller knows that its tables stay. NULL where
 * there is no entry, or a larger one.
 */
static inline pte_t *secmem_tables_entry(unsigned long at)
{
#ifdef CONFIG_X86_64
	unsigned int level;
	pte_t *pte = lookup_address(at, &level);

	return pte && level == PG_LEVEL_4K ? pte : NULL;
#else
	pgd_t *pgd = pgd_offset_pgd(secmem_tables_root(), at);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(READ_ONCE(*pgd)))
		return NULL;
	p4d = p4d_offset(pgd, at);
	if (p4d_none(READ_ONCE(*p4d)))
		return NULL;
	pud = pud_offset(p4d, at);
	if (pud_none(READ_ONCE(*pud)) || pud_leaf(READ_ONCE(*pud)))
		return NULL;
	pmd = pmd_offset(pud, at);
	if (pmd_none(READ_ONCE(*pmd)) || pmd_leaf(READ_ONCE(*pmd)))
		return NULL;
	return pte_offset_kernel(pmd, at);
#endif
}

#endif /* _SECMEM_TABLES_H */
