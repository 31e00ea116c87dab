// SPDX-License-Identifier: GPL-2.0-only
/* Removal from the direct map on kernels that only say they did it. */
#include <linux/module.h>
#include <linux/uaccess.h>

#include "kunit.h"

static unsigned int secmem_test_left;	/* calls until one fails */

static int secmem_test_say_so(struct page *page)
{
	return 0;
}

static int secmem_test_fail_late(struct page *page)
{
	return secmem_test_left-- ? 0 : -ENOMEM;
}

static int secmem_test_fail(struct page *page)
{
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
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, vault, 0, false), 0);
	KUNIT_EXPECT_FALSE(test, secmem_page_removed(secmem_bytes_page(&bytes, 0)));
	secmem_bytes_destroy(&bytes);

	KUNIT_ASSERT_TRUE(test, secmem_directmap_route());
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, vault, 0, false), 0);
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
}

static struct kunit_case secmem_directmap_cases[] = {
	KUNIT_CASE(secmem_directmap_removes),
	KUNIT_CASE(secmem_directmap_verifies),
	KUNIT_CASE(secmem_directmap_undoes),
	KUNIT_CASE(secmem_directmap_tries_again),
	KUNIT_CASE(secmem_directmap_loses),
	{}
};

static struct kunit_suite secmem_directmap_suite = {
	.name = "secmem_directmap",
	.init = secmem_directmap_init,
	.exit = secmem_directmap_exit,
	.test_cases = secmem_directmap_cases,
};

kunit_test_suite(secmem_directmap_suite);
