// SPDX-License-Identifier: GPL-2.0-only
/*
 * Off the direct map: the kernel's own mapping of all memory lacks the pages of
 * secrets, so that a bug which makes the kernel read some address does not read
 * a secret.
 *
 * set_direct_map_invalid_noflush() and its relatives are not exported; symbol.c
 * finds them.
 *
 * Every removal is looked at: some configurations return 0 and leave the page
 * as it is (CVE-2024-50182 was that). What else the kernel maps a page at is the
 * matter of alias.c.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/set_memory.h>
#include <linux/static_call.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "alias.h"
#include "base.h"
#include "directmap.h"
#include "symbol.h"
#include "window.h"

static char *secmem_directmap_mode = "auto";
module_param_named(directmap, secmem_directmap_mode, charp, 0444);
MODULE_PARM_DESC(directmap,
		 "Remove secrets from the direct map: auto, off, or require");

static bool secmem_directmap_works;		/* constant after setup */
static u8 secmem_directmap_reason;		/* constant after setup */

static int secmem_directmap_no_page(struct page *page)
{
	return -EOPNOTSUPP;
}

/*
 * A function that is found by its name could have any type. Unless this
 * kernel's headers declare it as it is called here, the module does not build.
 */
static_assert(__same_type(set_direct_map_invalid_noflush,
			  secmem_directmap_no_page));
static_assert(__same_type(set_direct_map_default_noflush,
			  secmem_directmap_no_page));
DEFINE_STATIC_CALL(secmem_directmap_invalid, secmem_directmap_no_page);
DEFINE_STATIC_CALL(secmem_directmap_default, secmem_directmap_no_page);

/**
 * secmem_directmap_use - what takes a page out, and what puts it back
 * @invalid: set_direct_map_invalid_noflush(), or what a unit test has instead
 * @usual: set_direct_map_default_noflush(), likewise
 *
 * Context: Process context; no page is on its way.
 */
void secmem_directmap_use(int (*invalid)(struct page *page),
			  int (*usual)(struct page *page))
{
	static_call_update(secmem_directmap_invalid, invalid);
	static_call_update(secmem_directmap_default, usual);
}

/**
 * secmem_directmap_route - find what takes pages out and puts them back
 *
 * Context: Process context; no page is on its way.
 * Return: whether all was found; it is used from now on.
 */
bool secmem_directmap_route(void)
{
	typeof(set_direct_map_invalid_noflush) *invalid;
	typeof(set_direct_map_default_noflush) *usual;

	invalid = secmem_symbol_find("set_direct_map_invalid_noflush");
	usual = secmem_symbol_find("set_direct_map_default_noflush");
	if (!invalid || !usual || !secmem_symbol_find_flush())
		return false;
	secmem_directmap_use(invalid, usual);
	return true;
}

static bool secmem_directmap_present(struct page *page)
{
	u8 byte;

	return !copy_from_kernel_nofault(&byte, page_address(page), 1);
}

/**
 * secmem_directmap_restore - put a page back into the direct map
 * @page: not in it
 *
 * Nothing is flushed: no TLB keeps what is not there.
 *
 * Context: Any.
 * Return: whether it is there again, by a look.
 */
bool secmem_directmap_restore(struct page *page)
{
	if (!static_call(secmem_directmap_default)(page) &&
	    secmem_directmap_present(page))
		return true;
	pr_err_ratelimited("secmem: a page does not return to the direct map; it is kept\n");
	return false;
}

/**
 * secmem_directmap_remove - take pages out of the direct map
 * @first: the first of them
 * @count: how many, one after another
 *
 * Neither does the kernel know them by another address from then on. What was
 * unmapped in vmalloc space may still stand in a TLB: all of that is flushed.
 *
 * Context: Process context, may sleep.
 * Return: SECMEM_DIRECTMAP_REMOVED, all are out, by a look at each;
 * SECMEM_DIRECTMAP_PRESENT, all are in, as before; SECMEM_DIRECTMAP_LOST, some
 * are out and do not come back: none may be used, nor freed.
 */
enum secmem_directmap secmem_directmap_remove(struct page *first,
					      unsigned int count)
{
	enum secmem_directmap result = SECMEM_DIRECTMAP_PRESENT;
	unsigned int i, out;

	if (!secmem_directmap_works || secmem_alias_any(first, count))
		return result;
	vm_unmap_aliases();
	for (out = 0; out < count; out++)
		if (static_call(secmem_directmap_invalid)(first + out))
			break;
	secmem_symbol_flush(page_address(first), count);
	for (i = 0; i < out; i++)
		if (secmem_directmap_present(first + i))
			break;
	if (i == count)
		return SECMEM_DIRECTMAP_REMOVED;

	pr_warn_ratelimited("secmem: pages do not leave the direct map\n");
	/*
	 * The page whose removal failed may have been changed in part, so it is
	 * restored, too.
	 */
	for (i = 0; i < min(out + 1, count); i++)
		if (!secmem_directmap_restore(first + i))
			result = SECMEM_DIRECTMAP_LOST;
	return result;
}

/**
 * secmem_directmap_splits - would a removal split a large mapping
 * @page: in the direct map
 *
 * Context: Any.
 * Return: whether it would; false where that cannot be told.
 */
bool secmem_directmap_splits(struct page *page)
{
#ifdef CONFIG_X86_64
	unsigned int level;

	return secmem_directmap_works &&
	       lookup_address((unsigned long)page_address(page), &level) &&
	       level != PG_LEVEL_4K;
#else
	return false;
#endif
}

/**
 * secmem_directmap_required - are pages that do not leave it to be refused
 *
 * Context: Any.
 * Return: whether the administrator said so.
 */
bool secmem_directmap_required(void)
{
	return sysfs_streq(secmem_directmap_mode, "require");
}

/**
 * secmem_directmap_why - why the protection is in force, or is not
 *
 * Context: Any.
 * Return: SECMEM_WHY_*.
 */
u8 secmem_directmap_why(void)
{
	return secmem_directmap_reason;
}

/**
 * secmem_directmap_by - by what route pages leave the direct map
 *
 * Context: Any.
 * Return: a word; "none" where they do not.
 */
const char *secmem_directmap_by(void)
{
	return secmem_directmap_works ? "set_direct_map" : "none";
}

/**
 * secmem_directmap_try - a page out and in again, seen by a window meanwhile
 *
 * A page that does not come back is never freed.
 *
 * Context: Process context.
 * Return: SECMEM_WHY_IN_FORCE, or what was in the way.
 */
u8 secmem_directmap_try(void)
{
	struct page *page = secmem_alias_alloc(GFP_KERNEL | __GFP_ZERO, 0);
	u8 reason = SECMEM_WHY_STAYED;
	u8 *at;

	if (!page)
		return SECMEM_WHY_NO_MEMORY;
	switch (secmem_directmap_remove(page, 1)) {
	case SECMEM_DIRECTMAP_REMOVED:
		at = secmem_window_open(page);
		at[PAGE_SIZE - 1] = 0x5e;
		secmem_window_close();
		secmem_window_flush();
		if (!secmem_directmap_restore(page))
			return reason;
		at = page_address(page);
		if (at[PAGE_SIZE - 1] == 0x5e)
			reason = SECMEM_WHY_IN_FORCE;
		break;
	case SECMEM_DIRECTMAP_LOST:
		return reason;
	case SECMEM_DIRECTMAP_PRESENT:
		break;
	}
	__free_page(page);
	return reason;
}

/**
 * secmem_directmap_setup - at module load: find a way, and try it
 *
 * Context: Process context.
 * Return: 0; -EINVAL, no such mode; -EOPNOTSUPP, required and not to be had.
 */
int secmem_directmap_setup(void)
{
	int ret;

	if (sysfs_streq(secmem_directmap_mode, "off")) {
		secmem_directmap_reason = SECMEM_WHY_ADMIN;
		return 0;
	}
	if (!sysfs_streq(secmem_directmap_mode, "auto") &&
	    !secmem_directmap_required()) {
		pr_err("secmem: directmap=%s: it is auto, off or require\n",
		       secmem_directmap_mode);
		return -EINVAL;
	}
	ret = secmem_directmap_route() ? secmem_window_setup() : -EOPNOTSUPP;
	if (ret) {
		secmem_directmap_reason = ret == -ENOMEM ? SECMEM_WHY_NO_MEMORY :
							   SECMEM_WHY_KERNEL;
	} else {
		secmem_directmap_works = true;
		secmem_alias_setup();
		secmem_directmap_reason = secmem_directmap_try();
		if (secmem_directmap_reason != SECMEM_WHY_IN_FORCE) {
			secmem_directmap_works = false;
			secmem_alias_teardown();
			secmem_window_teardown();
		}
	}
	if (secmem_directmap_works)
		return 0;
	pr_warn("secmem: secrets stay in the kernel's direct map: %s\n",
		secmem_directmap_reason == SECMEM_WHY_KERNEL ?
			"this kernel lacks a function or a page-table entry for it" :
		secmem_directmap_reason == SECMEM_WHY_STAYED ?
			"this kernel says it removed a page, and did not" :
			"no memory");
	return secmem_directmap_required() ? -EOPNOTSUPP : 0;
}

/**
 * secmem_directmap_teardown - at module unload, when no page is out
 *
 * Context: Process context.
 */
void secmem_directmap_teardown(void)
{
	if (secmem_directmap_works)
		secmem_window_teardown();
}
