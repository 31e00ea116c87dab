// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that reads where it should not, for the tests: any page, by its
 * address in the direct map; that looks for pages in all of its page table; and
 * that puts devices to sleep. It is a module of its own and never installed.
 */
#include <linux/bitmap.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "reader.h"
#include "../compat.h"
#include "../tables.h"

#define READER_PAGES	(1UL << (34 - PAGE_SHIFT))	/* of 16 GiB */

/* Protected by reader_lock. */
static DECLARE_BITMAP(reader_marks, READER_PAGES);
static void *reader_map_at;
static DEFINE_MUTEX(reader_lock);

/* Of the caller's page tables, where nothing else says it of PFNMAP. */
static long reader_find(struct mm_struct *mm, unsigned long at, u64 *pfn)
{
	long ret = -ENOENT;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t *pte;

	mmap_read_lock(mm);
	pgd = pgd_offset(mm, at);
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		goto out;
	p4d = p4d_offset(pgd, at);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		goto out;
	pud = pud_offset(p4d, at);
	if (pud_none(*pud) || pud_bad(*pud))
		goto out;
	pmd = pmd_offset(pud, at);
	if (pmd_none(*pmd) || pmd_bad(*pmd))
		goto out;
	pte = pte_offset_kernel(pmd, at);
	if (!pte_present(*pte))
		goto out;
	*pfn = pte_pfn(*pte);
	ret = 0;
out:
	mmap_read_unlock(mm);
	return ret;
}

static long reader_read(struct secmem_reader *args)
{
	if (offset_in_page(args->address) > PAGE_SIZE - sizeof(args->bytes) ||
	    !pfn_valid(args->pfn))
		return -EINVAL;
	return copy_from_kernel_nofault(args->bytes,
					page_address(pfn_to_page(args->pfn)) +
						offset_in_page(args->address),
					sizeof(args->bytes));
}

/* What is really there, by an alias of its own. */
static long reader_look(struct secmem_reader *args)
{
	struct page *page;
	void *at;

	if (offset_in_page(args->address) > PAGE_SIZE - sizeof(args->bytes) ||
	    !pfn_valid(args->pfn))
		return -EINVAL;
	page = pfn_to_page(args->pfn);
	at = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	if (!at)
		return -ENOMEM;
	memcpy(args->bytes, at + offset_in_page(args->address),
	       sizeof(args->bytes));
	vunmap(at);
	return 0;
}

static long reader_mark(struct secmem_reader *args)
{
	u64 left = args->count, pfn;

	if (!left)
		bitmap_zero(reader_marks, READER_PAGES);
	for (args->count = 0; args->count < left; args->count++) {
		if (reader_find(current->mm, args->address, &pfn))
			break;
		if (pfn >= READER_PAGES)
			return -ERANGE;
		set_bit(pfn, reader_marks);
		args->address += PAGE_SIZE;
	}
	return 0;
}

static long reader_count(struct secmem_reader *args)
{
	unsigned long i = args->pfn, end = i + args->count;

	if (i >= READER_PAGES || args->count > READER_PAGES - i)
		return -ERANGE;
	args->count = 0;
	for_each_set_bit_from(i, reader_marks, end)
		args->count++;
	return 0;
}

/* An entry that shows pages, one of the processor's own format. */
static void reader_walk_pages(struct secmem_reader *args, unsigned long at,
			      unsigned long pfn, unsigned long pages)
{
	unsigned long i, end = min(pfn + pages, READER_PAGES);

	args->seen += pages;
	for (i = find_next_bit(reader_marks, end, pfn); i < end;
	     i = find_next_bit(reader_marks, end, i + 1)) {
		if (!args->count++) {
			args->address = at + (i - pfn) * PAGE_SIZE;
			args->pfn = i;
		}
	}
}

/*
 * Both architectures call an entry valid by its lowest bit. One that stands twice
 * in a row is looked at once: a sanitizer's shadow is much of the same.
 */
static bool reader_shows(u64 value, u64 last)
{
	return value & 1 && value != last;
}

static void reader_walk_pte(struct secmem_reader *args, pmd_t *pmd,
			    unsigned long at)
{
	pte_t *pte = pte_offset_kernel(pmd, at);
	u64 value, last = 0;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++, at += PAGE_SIZE, last = value) {
		value = pte_val(pte[i]);
		if (reader_shows(value, last))
			reader_walk_pages(args, at, pte_pfn(pte[i]), 1);
	}
	cond_resched();
}

static void reader_walk_pmd(struct secmem_reader *args, pud_t *pud,
			    unsigned long at)
{
	pmd_t *pmd = pmd_offset(pud, at);
	u64 value, last = 0;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PMD; i++, at += PMD_SIZE, last = value) {
		value = pmd_val(pmd[i]);
		if (!reader_shows(value, last))
			continue;
		if (pmd_leaf(pmd[i]))
			reader_walk_pages(args, at, pmd_pfn(pmd[i]),
					  PTRS_PER_PTE);
		else
			reader_walk_pte(args, pmd + i, at);
	}
}

static void reader_walk_pud(struct secmem_reader *args, p4d_t *p4d,
			    unsigned long at)
{
	pud_t *pud = pud_offset(p4d, at);
	u64 value, last = 0;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PUD; i++, at += PUD_SIZE, last = value) {
		value = pud_val(pud[i]);
		if (!reader_shows(value, last))
			continue;
		if (pud_leaf(pud[i]))
			reader_walk_pages(args, at, pud_pfn(pud[i]),
					  PTRS_PER_PMD * PTRS_PER_PTE);
		else
			reader_walk_pmd(args, pud + i, at);
	}
}

static void reader_walk_p4d(struct secmem_reader *args, pgd_t *pgd,
			    unsigned long at)
{
	p4d_t *p4d = p4d_offset(pgd, at);
	u64 value, last = 0;
	unsigned int i;

	for (i = 0; i < PTRS_PER_P4D; i++, at += P4D_SIZE, last = value) {
		value = p4d_val(p4d[i]);
		if (reader_shows(value, last))
			reader_walk_pud(args, p4d + i, at);
	}
}

static long reader_walk(struct secmem_reader *args)
{
	unsigned long at = SECMEM_TABLES_FIRST;
	pgd_t *pgd = secmem_tables_root();
	u64 value, last = 0;

	args->count = 0;
	args->seen = 0;
	do {
		value = pgd_val(pgd[pgd_index(at)]);
		if (reader_shows(value, last))
			reader_walk_p4d(args, pgd + pgd_index(at), at);
		last = value;
		at += PGDIR_SIZE;
	} while (at);
	return 0;
}

static long reader_map(struct secmem_reader *args)
{
	struct page *page;

	if (args->pfn && (!pfn_valid(args->pfn) || reader_map_at))
		return -EINVAL;
	if (reader_map_at)
		vunmap(reader_map_at);
	reader_map_at = NULL;
	if (!args->pfn)
		return 0;
	page = pfn_to_page(args->pfn);
	reader_map_at = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	args->address = (unsigned long)reader_map_at;
	return reader_map_at ? 0 : -ENOMEM;
}

static long reader_stale(struct secmem_reader *args)
{
	struct page *page = alloc_page(GFP_KERNEL);
	u8 *at;

	if (!page)
		return -ENOMEM;
	at = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	args->address = (unsigned long)at;
	if (at) {
		WRITE_ONCE(*at, 0);
		vunmap(at);
	}
	__free_page(page);
	return at ? 0 : -ENOMEM;
}

/*
 * What a kexec that preserves the context does with devices, but for tasks that
 * run on: as far as they sleep, and back.
 */
static long reader_sleep(void)
{
#ifdef CONFIG_PM_SLEEP
	long ret = dpm_suspend_start(PMSG_FREEZE);

	dpm_resume_end(PMSG_RESTORE);
	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

static long reader_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct secmem_reader args;
	long ret;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	mutex_lock(&reader_lock);
	switch (cmd) {
	case SECMEM_READER_FIND:
		ret = reader_find(current->mm, args.address, &args.pfn);
		break;
	case SECMEM_READER_READ:
		ret = reader_read(&args);
		break;
	case SECMEM_READER_LOOK:
		ret = reader_look(&args);
		break;
	case SECMEM_READER_MARK:
		ret = reader_mark(&args);
		break;
	case SECMEM_READER_COUNT:
		ret = reader_count(&args);
		break;
	case SECMEM_READER_WALK:
		ret = reader_walk(&args);
		break;
	case SECMEM_READER_MAP:
		ret = reader_map(&args);
		break;
	case SECMEM_READER_STALE:
		ret = reader_stale(&args);
		break;
	case SECMEM_READER_SLEEP:
		ret = reader_sleep();
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&reader_lock);
	if (!ret && copy_to_user(user, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

static const struct file_operations reader_file_ops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = reader_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice reader_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "secmem-reader",
	.fops = &reader_file_ops,
	.mode = 0600,
};

static int __init reader_init(void)
{
	return misc_register(&reader_device);
}

static void __exit reader_exit(void)
{
	misc_deregister(&reader_device);
	if (reader_map_at)
		vunmap(reader_map_at);
}

module_init(reader_init);
module_exit(reader_exit);

MODULE_DESCRIPTION("Reads pages through the direct map, for tests of secmem");
MODULE_LICENSE("GPL");
