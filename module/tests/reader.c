// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that reads where it should not, for the tests: any page, by its
 * address in the direct map. It is a module of its own and never installed.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "reader.h"
#include "../compat.h"

/* Of the caller's page tables, where nothing else says it of PFNMAP. */
static long reader_find(struct secmem_reader *args)
{
	struct mm_struct *mm = current->mm;
	unsigned long at = args->address;
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
	args->pfn = pte_pfn(*pte);
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

static long reader_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct secmem_reader args;
	long ret;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	switch (cmd) {
	case SECMEM_READER_FIND:
		ret = reader_find(&args);
		break;
	case SECMEM_READER_READ:
		ret = reader_read(&args);
		break;
	case SECMEM_READER_LOOK:
		ret = reader_look(&args);
		break;
	default:
		return -ENOTTY;
	}
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

module_misc_device(reader_device);

MODULE_DESCRIPTION("Reads pages through the direct map, for tests of secmem");
MODULE_LICENSE("GPL");
