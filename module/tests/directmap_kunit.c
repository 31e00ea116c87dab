// SPDX-License-Identifier: GPL-2.0-only
/*
 * Removal from the direct map on kernels that only say they did it; what else
 * maps a page; and what another CPU keeps of a window.
 */
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "kunit.h"
#include "../alias.h"
#include "../directmap.h"
#include "../symbol.h"
#include "../window.h"

static unsigned int secmem_test_left;	/* calls until one fails */

static int secmem_test_say_so(struct page *page)
{
	return 0;
}

static int secmem_test_fail_late(struct page *page)
{
	return secmem_test_left-- ? 0 : -ENOMEM;
}

static struct page *secmem_test_failed;		/* the last */

static int secmem_test_fail(struct page *page)
{
	secmem_test_failed = page;
	return -ENOMEM;
}

static bool secmem_test_readable(struct page *page)
{
	u8 byte;

	return !copy_from_kernel_nofault(&byte, page_address(page), 1);
}

static int secmem_directmap_init(struct kunit *test)
{
	int ret;

	if (THIS_MODULE->state != MODULE_STATE_LIVE) {
		ret = secmem_directmap_setup();
		if (ret)
			return ret;
	}
	if (secmem_directmap_why() != SECMEM_WHY_IN_FORCE)
		kunit_skip(test, "no page leaves the direct map here");
	test->priv = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);
	return test->priv ? 0 : -ENOMEM;
}

static void secmem_directmap_exit(struct kunit *test)
{
	if (test->priv)
		__free_pages(test->priv, 2);
	if (THIS_MODULE->state != MODULE_STATE_LIVE)
		secmem_directmap_teardown();
	else
		secmem_directmap_route();
}

/* The control: the way that was found. */
static void secmem_directmap_removes(struct kunit *test)
{
	struct page *page = test->priv;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_try(),
			SECMEM_WHY_IN_FORCE);
	KUNIT_ASSERT_EQ(test, (int)secmem_directmap_remove(page, 4),
			(int)SECMEM_DIRECTMAP_REMOVED);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_FALSE(test, secmem_test_readable(page + i));
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, secmem_directmap_restore(page + i));
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, secmem_test_readable(page + i));
}

/* What returns 0 and does nothing is not believed. */
static void secmem_directmap_verifies(struct kunit *test)
{
	secmem_directmap_use(secmem_test_say_so, secmem_test_say_so);
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_try(), SECMEM_WHY_STAYED);
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_remove(test->priv, 4),
			(int)SECMEM_DIRECTMAP_PRESENT);
}

/* One that fails in the middle leaves all as it was. */
static void secmem_directmap_undoes(struct kunit *test)
{
	struct page *page = test->priv;
	unsigned int i;

	for (secmem_test_left = 0, i = 0; i < 4; i++) {
		secmem_test_left = i;
		secmem_directmap_use(secmem_test_fail_late, secmem_test_say_so);
		KUNIT_EXPECT_EQ(test, (int)secmem_directmap_remove(page, 4),
				(int)SECMEM_DIRECTMAP_PRESENT);
	}
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, secmem_test_readable(page + i));
}

/* Pages that stayed once are not kept for the next secret. */
static void secmem_directmap_tries_again(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	struct secmem_bytes bytes;

	secmem_bytes_layout(&bytes, 1, 1);
	secmem_directmap_use(secmem_test_fail, secmem_test_say_so);
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	KUNIT_EXPECT_FALSE(test, secmem_page_removed(secmem_bytes_page(&bytes, 0)));
	secmem_bytes_destroy(&bytes);

	KUNIT_ASSERT_TRUE(test, secmem_directmap_route());
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	KUNIT_EXPECT_TRUE(test, secmem_page_removed(secmem_bytes_page(&bytes, 0)));
	secmem_bytes_destroy(&bytes);
	secmem_kunit_vault_end(vault);
}

/* Pages that are neither out nor back are given up. */
static void secmem_directmap_loses(struct kunit *test)
{
	secmem_test_left = 2;
	secmem_directmap_use(secmem_test_fail_late, secmem_test_fail);
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_remove(test->priv, 4),
			(int)SECMEM_DIRECTMAP_LOST);
	KUNIT_EXPECT_FALSE(test, secmem_directmap_restore(test->priv));
	/* One that failed may have gone half of the way. */
	secmem_test_left = 0;
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_remove(test->priv, 4),
			(int)SECMEM_DIRECTMAP_LOST);
}

/* Nor does anybody else get them: the kernel could not use them, either. */
static void secmem_directmap_keeps_what_is_lost(struct kunit *test)
{
	secmem_directmap_use(secmem_test_say_so, secmem_test_fail);
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_try(), SECMEM_WHY_STAYED);
	KUNIT_ASSERT_EQ(test, page_count(secmem_test_failed), 1);
	__free_page(secmem_test_failed);
}

/* A page of the kernel's image has an address there, too. */
static void secmem_alias_is_seen(struct kunit *test)
{
	struct page *page = virt_to_page(lm_alias(&init_task));

	KUNIT_EXPECT_FALSE(test, secmem_alias_any(test->priv, 4));
	KUNIT_EXPECT_TRUE(test, secmem_alias_any(page, 1));
	KUNIT_EXPECT_EQ(test, (int)secmem_directmap_remove(page, 1),
			(int)SECMEM_DIRECTMAP_PRESENT);
	KUNIT_EXPECT_TRUE(test, secmem_test_readable(page));
}

/* Of what the image maps nothing is for the allocator to give out. */
static void secmem_alias_is_taken_away(struct kunit *test)
{
#ifdef CONFIG_X86_64
	unsigned long at, pfn, end = __START_KERNEL_map + KERNEL_IMAGE_SIZE;
	unsigned int level, mapped = 0, left = 0;
	pte_t *pte;

	for (at = __START_KERNEL_map; at < end; at += PAGE_SIZE) {
		pfn = PHYS_PFN(at - __START_KERNEL_map + phys_base);
		pte = lookup_address(at, &level);
		if (!pte || !(pte_flags(*pte) & _PAGE_PRESENT))
			continue;
		mapped++;
		left += !PageReserved(pfn_to_page(pfn));
	}
	KUNIT_EXPECT_NE(test, mapped, 0);
	KUNIT_EXPECT_EQ(test, left, 0);
#else
	kunit_skip(test, "the image's entries cannot be changed here");
#endif
}

struct secmem_test_look {
	const void *at;
	bool seen;
};

static void secmem_test_look(void *arg)
{
	struct secmem_test_look *look = arg;
	u8 byte;

	look->seen = !copy_from_kernel_nofault(&byte, look->at, 1);
}

/* On a CPU that is not this one, which knows the address meanwhile. */
static bool secmem_test_seen_elsewhere(const void *at)
{
	struct secmem_test_look look = { .at = at };
	int cpu, here = get_cpu();

	for_each_online_cpu(cpu)
		if (cpu != here)
			break;
	smp_call_function_single(cpu, secmem_test_look, &look, 1);
	put_cpu();
	return look.seen;
}

/*
 * As one that walks there by itself would: it looks, while a window is open. What
 * it keeps is gone when the page is the kernel's again.
 */
static void secmem_window_is_forgotten(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	struct secmem_bytes bytes;
	struct page *page;
	bool kept = false;
	unsigned int i;
	void *at;

	if (num_online_cpus() < 2)
		kunit_skip(test, "there is no other CPU");
	secmem_bytes_layout(&bytes, 1, 1);
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	page = secmem_bytes_page(&bytes, 0);
	/* Control: it keeps something. If it has to flush at once, try again. */
	for (i = 0; i < 100 && !kept; i++) {
		at = secmem_page_map(page);
		KUNIT_EXPECT_TRUE(test, secmem_test_seen_elsewhere(at));
		secmem_page_unmap(page, at);
		kept = secmem_test_seen_elsewhere(at);
	}
	KUNIT_EXPECT_EQ(test, kept, IS_ENABLED(CONFIG_X86_64));
	secmem_bytes_destroy(&bytes);
	secmem_kunit_vault_end(vault);
	KUNIT_EXPECT_FALSE(test, secmem_test_seen_elsewhere(at));
}

static struct kunit_case secmem_directmap_cases[] = {
	KUNIT_CASE(secmem_directmap_removes),
	KUNIT_CASE(secmem_directmap_verifies),
	KUNIT_CASE(secmem_directmap_undoes),
	KUNIT_CASE(secmem_directmap_tries_again),
	KUNIT_CASE(secmem_directmap_loses),
	KUNIT_CASE(secmem_directmap_keeps_what_is_lost),
	KUNIT_CASE(secmem_alias_is_seen),
	KUNIT_CASE(secmem_alias_is_taken_away),
	KUNIT_CASE(secmem_window_is_forgotten),
	{}
};

static struct kunit_suite secmem_directmap_suite = {
	.name = "secmem_directmap",
	.init = secmem_directmap_init,
	.exit = secmem_directmap_exit,
	.test_cases = secmem_directmap_cases,
};

kunit_test_suite(secmem_directmap_suite);
