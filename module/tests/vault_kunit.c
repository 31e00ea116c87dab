// SPDX-License-Identifier: GPL-2.0-only
/* Slots, places, generations, the quarantine. */
#include "kunit.h"

/* So many places of a size rest before the first of them serves again. */
#define SECMEM_TEST_REST	64

static int secmem_vault_test_init(struct kunit *test)
{
	test->priv = secmem_kunit_vault(test);
	return 0;
}

static void secmem_vault_test_exit(struct kunit *test)
{
	if (test->priv)
		secmem_kunit_vault_end(test->priv);
}

static void secmem_vault_handles(struct kunit *test)
{
	struct secmem_vault *vault = test->priv;
	struct secmem_place *first, *second;
	unsigned int bit;
	u64 one, two;

	KUNIT_EXPECT_NULL(test, secmem_vault_find(vault, SECMEM_HANDLE_NONE));
	KUNIT_EXPECT_NULL(test, secmem_vault_find(vault, 1));
	first = secmem_kunit_secret(test, vault, 1, &one);
	second = secmem_kunit_secret(test, vault, 1, &two);
	KUNIT_EXPECT_NE(test, one, (u64)SECMEM_HANDLE_NONE);
	KUNIT_EXPECT_NE(test, one, two);
	KUNIT_EXPECT_PTR_EQ(test, secmem_vault_find(vault, one), first);
	KUNIT_EXPECT_PTR_EQ(test, secmem_vault_find(vault, two), second);
	KUNIT_EXPECT_EQ(test, secmem_handle_generation(one), 1U);
	KUNIT_EXPECT_EQ(test, secmem_secret_handle(first), one);
	KUNIT_EXPECT_NULL(test, secmem_vault_find(vault, two + 1));
	KUNIT_EXPECT_NULL(test, secmem_vault_find(vault, U64_MAX));
	/* The tag is compared whole, the sign with it. */
	KUNIT_EXPECT_NE(test, vault->tag, 0U);
	for (bit = SECMEM_SLOT_BITS + SECMEM_GENERATION_BITS; bit < 64; bit++)
		KUNIT_EXPECT_NULL(test, secmem_vault_find(vault,
							  one ^ BIT_ULL(bit)));
	KUNIT_EXPECT_GE(test, (s64)one, 0LL);
	KUNIT_EXPECT_NULL(test, secmem_vault_find(vault,
						  one & ~SECMEM_SLOTS_MAX));
	/* Neither field reaches into the next. */
	one = secmem_handle_make(vault, SECMEM_SLOTS_MAX - 1,
				 SECMEM_GENERATION_MAX);
	KUNIT_EXPECT_EQ(test, secmem_handle_generation(one),
			(u32)SECMEM_GENERATION_MAX);
	KUNIT_EXPECT_EQ(test, one >> 44, (u64)vault->tag);
	one = secmem_handle_make(vault, SECMEM_SLOTS_MAX - 1, 1);
	KUNIT_EXPECT_EQ(test, secmem_handle_generation(one), 1U);
}

/* Places in any mixture of sizes never meet: a guard page is between them. */
static void secmem_vault_places(struct kunit *test)
{
	static const u32 pages[] = { 1, 256, 2, 3, 1, 5, 64, 129, 1, 8 };
	static const u32 orders[] = { 0, 8, 1, 2, 0, 3, 6, 8, 0, 3 };
	struct secmem_place *secrets[ARRAY_SIZE(pages)];
	struct secmem_vault *vault = test->priv;
	u32 pgoff = 1, i, last = 0;

	KUNIT_EXPECT_NULL(test, secmem_place_find_page(vault, 1));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		secrets[i] = secmem_kunit_secret(test, vault,
						 pages[i] * PAGE_SIZE, NULL);
		KUNIT_EXPECT_EQ(test, secrets[i]->slot, i);
		KUNIT_EXPECT_EQ(test, (u32)secrets[i]->order, orders[i]);
		KUNIT_EXPECT_EQ(test, secrets[i]->pgoff, pgoff);
		pgoff += (1U << orders[i]) + 1;
	}
	KUNIT_EXPECT_NULL(test, secmem_place_find_page(vault, 0));
	for (i = 1; i < pgoff; i++) {
		if (last + 1 < ARRAY_SIZE(pages) &&
		    secrets[last + 1]->pgoff == i)
			last++;
		KUNIT_EXPECT_PTR_EQ(test, secmem_place_find_page(vault, i),
				    secrets[last]);
	}
	KUNIT_EXPECT_PTR_EQ(test, secmem_place_find_page(vault, U64_MAX),
			    secrets[last]);
}

static void secmem_vault_quarantine(struct kunit *test)
{
	struct secmem_place *secrets[SECMEM_TEST_REST + 3], *place;
	struct secmem_vault *vault = test->priv;
	u64 handle;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(secrets); i++)
		secrets[i] = secmem_kunit_secret(test, vault, 1, NULL);
	/* The order of closing counts, not that of making. */
	for (i = ARRAY_SIZE(secrets); i--;)
		secmem_kunit_close(test, secrets[i]);
	KUNIT_EXPECT_EQ(test, vault->free_count[0],
			(u32)ARRAY_SIZE(secrets));

	/* Another size has places of its own. */
	place = secmem_kunit_secret(test, vault, PAGE_SIZE + 1, NULL);
	KUNIT_EXPECT_EQ(test, place->slot, (u32)ARRAY_SIZE(secrets));

	for (i = 0; i < 3; i++) {
		place = secmem_kunit_secret(test, vault, 1, &handle);
		KUNIT_EXPECT_PTR_EQ(test, place,
				    secrets[ARRAY_SIZE(secrets) - 1 - i]);
		KUNIT_EXPECT_EQ(test, place->generation, 2U);
		KUNIT_EXPECT_EQ(test, secmem_handle_generation(handle), 2U);
		KUNIT_EXPECT_PTR_EQ(test, secmem_vault_find(vault, handle),
				    place);
	}
	KUNIT_EXPECT_EQ(test, vault->free_count[0], (u32)SECMEM_TEST_REST);
	place = secmem_kunit_secret(test, vault, 1, NULL);
	KUNIT_EXPECT_EQ(test, place->slot, (u32)ARRAY_SIZE(secrets) + 1);
	KUNIT_EXPECT_EQ(test, place->generation, 1U);
}

/* Where a new place would not be in the view, one that rests serves sooner. */
static void secmem_vault_small_view(struct kunit *test)
{
	struct secmem_place *first, *second, *place;
	struct secmem_vault *vault = test->priv;

	first = secmem_kunit_secret(test, vault, 1, NULL);
	second = secmem_kunit_secret(test, vault, 1, NULL);
	secmem_kunit_close(test, first);
	/* Guard, first, guard, second, guard, and room for one more. */
	vault->view_pages = 7;
	place = secmem_kunit_secret(test, vault, 1, NULL);
	KUNIT_EXPECT_EQ(test, place->slot, 2U);
	secmem_kunit_close(test, second);
	place = secmem_kunit_secret(test, vault, 1, NULL);
	KUNIT_EXPECT_PTR_EQ(test, place, first);
	place = secmem_kunit_secret(test, vault, 1, NULL);
	KUNIT_EXPECT_PTR_EQ(test, place, second);
	/* None rests: beyond the view, then. */
	place = secmem_kunit_secret(test, vault, 1, NULL);
	KUNIT_EXPECT_EQ(test, place->slot, 3U);
}

/* Generations do not wrap: a handle is never issued twice. */
static void secmem_vault_last_generation(struct kunit *test)
{
	struct secmem_vault *vault = test->priv;
	struct secmem_place *place;
	u64 handle;

	place = secmem_kunit_secret(test, vault, 1, NULL);
	secmem_kunit_close(test, place);
	place->generation = SECMEM_GENERATION_MAX - 1;
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 1U);
	vault->view_pages = 1;
	KUNIT_EXPECT_PTR_EQ(test, secmem_kunit_secret(test, vault, 1, &handle),
			    place);
	KUNIT_EXPECT_EQ(test, secmem_handle_generation(handle),
			(u32)SECMEM_GENERATION_MAX);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 1U);
	secmem_kunit_close(test, place);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 0U);
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 0U);
	KUNIT_EXPECT_PTR_NE(test, secmem_kunit_secret(test, vault, 1, NULL),
			    place);
}

static void secmem_vault_limit(struct kunit *test)
{
	unsigned int limit = secmem_secrets_max;
	struct secmem_vault *vault = test->priv;
	struct secmem_place *first, *place;
	u32 slots;

	secmem_secrets_max = 2;
	first = secmem_kunit_secret(test, vault, 1, NULL);
	secmem_kunit_secret(test, vault, 1, NULL);
	place = secmem_place_reserve(vault, 1);
	KUNIT_EXPECT_TRUE(test, IS_ERR(place));
	KUNIT_EXPECT_EQ(test, PTR_ERR(place), (long)-EMFILE);
	secmem_kunit_close(test, first);
	place = secmem_place_reserve(vault, 1);
	KUNIT_EXPECT_FALSE(test, IS_ERR(place));
	KUNIT_EXPECT_EQ(test, vault->secret_count, 2U);
	/* CREATE that fails later gives its place back. */
	secmem_place_unreserve(place);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 1U);
	KUNIT_EXPECT_EQ(test, place->generation, 0U);
	secmem_secrets_max = limit;

	/* A handle names no more. */
	slots = vault->slot_count;
	vault->slot_count = SECMEM_SLOTS_MAX;
	place = secmem_place_reserve(vault, 1);
	KUNIT_EXPECT_TRUE(test, IS_ERR(place));
	KUNIT_EXPECT_EQ(test, PTR_ERR(place), (long)-EMFILE);
	vault->slot_count = slots;

	vault->pgoff_next = BIT(31);
	place = secmem_place_reserve(vault, 1);
	KUNIT_EXPECT_TRUE(test, IS_ERR(place));
	KUNIT_EXPECT_EQ(test, PTR_ERR(place), (long)-EMFILE);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 1U);
}

/* A place that a grant of one secret keeps does not rest before the grant. */
static void secmem_vault_kept(struct kunit *test)
{
	struct secmem_vault *vault = test->priv;
	struct secmem_place *kept, *other;

	kept = secmem_kunit_secret(test, vault, 1, NULL);
	other = secmem_kunit_secret(test, vault, 1, NULL);
	atomic_set(&kept->own_grants, 1);
	vault->kept_since = U32_MAX;
	secmem_vault_judge(vault, true);
	KUNIT_EXPECT_EQ(test, (int)kept->state, (int)SECMEM_OPEN);
	KUNIT_EXPECT_EQ(test, (int)other->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 1U);

	secmem_kunit_close(test, kept);
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 1U);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 1U);
	atomic_set(&kept->own_grants, 0);
	KUNIT_EXPECT_TRUE(test, secmem_errand_send(kept, SECMEM_ERRAND_JUDGE));
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 2U);
	/* It rests once. */
	KUNIT_EXPECT_TRUE(test, secmem_errand_send(kept, SECMEM_ERRAND_JUDGE));
	KUNIT_EXPECT_EQ(test, vault->free_count[0], 2U);
	KUNIT_EXPECT_EQ(test, vault->secret_count, 0U);
}

static void secmem_vault_counts(struct kunit *test)
{
	struct secmem_counts before = secmem_kunit_counts(), after;
	struct secmem_vault *vault = secmem_kunit_vault(test);

	secmem_kunit_secret(test, vault, PAGE_SIZE + 1, NULL);
	secmem_kunit_secret(test, vault, 1, NULL);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_EQ(test, after.vaults - before.vaults, 1LL);
	KUNIT_EXPECT_EQ(test, after.secrets - before.secrets, 2LL);
	KUNIT_EXPECT_EQ(test, after.pages - before.pages, 3LL);
	secmem_kunit_vault_end(vault);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_EQ(test, after.vaults, before.vaults);
	KUNIT_EXPECT_EQ(test, after.secrets, before.secrets);
	KUNIT_EXPECT_EQ(test, after.pages, before.pages);
	KUNIT_EXPECT_EQ(test, after.wipes - before.wipes, 2LL);
}

static struct kunit_case secmem_vault_cases[] = {
	KUNIT_CASE(secmem_vault_handles),
	KUNIT_CASE(secmem_vault_places),
	KUNIT_CASE(secmem_vault_quarantine),
	KUNIT_CASE(secmem_vault_small_view),
	KUNIT_CASE(secmem_vault_last_generation),
	KUNIT_CASE(secmem_vault_limit),
	KUNIT_CASE(secmem_vault_kept),
	KUNIT_CASE(secmem_vault_counts),
	{}
};

static struct kunit_suite secmem_vault_suite = {
	.name = "secmem_vault",
	.suite_init = secmem_kunit_suite_init,
	.suite_exit = secmem_kunit_suite_exit,
	.init = secmem_vault_test_init,
	.exit = secmem_vault_test_exit,
	.test_cases = secmem_vault_cases,
};

kunit_test_suite(secmem_vault_suite);
