// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include "kunit.h"
#include "../work.h"

/* Suites run before the module's own init on some kernels, behind it on others. */
int secmem_kunit_suite_init(struct kunit_suite *suite)
{
	int ret;

	if (THIS_MODULE->state == MODULE_STATE_LIVE)
		return 0;
	ret = secmem_place_setup();
	if (ret)
		return ret;
	ret = secmem_work_setup();
	if (ret)
		secmem_place_teardown();
	return ret;
}

void secmem_kunit_suite_exit(struct kunit_suite *suite)
{
	if (THIS_MODULE->state == MODULE_STATE_LIVE)
		return;
	secmem_work_teardown();
	secmem_vault_teardown();
	secmem_place_teardown();
}

struct secmem_counts secmem_kunit_counts(void)
{
	struct secmem_counts sum;

	secmem_counts_sum(&sum);
	return sum;
}

struct secmem_vault *secmem_kunit_vault(struct kunit *test)
{
	struct secmem_vault *vault = secmem_vault_create();

	KUNIT_ASSERT_NOT_NULL(test, vault);
	return vault;
}

/* Nobody keeps it any more: as the last grant's end would. */
void secmem_kunit_vault_end(struct secmem_vault *vault)
{
	vault->kept_since = U32_MAX;
	secmem_vault_judge(vault, true);
	secmem_vault_put(vault);
}

/* As CREATE. handle may be NULL. */
struct secmem_place *secmem_kunit_secret(struct kunit *test,
					 struct secmem_vault *vault, u32 length,
					 u64 *handle)
{
	static const char label[SECMEM_LABEL_SIZE] = "kunit";
	struct secmem_bytes bytes = {};
	struct secmem_place *place;
	u64 made;

	secmem_bytes_layout(&bytes, length, 1);
	place = secmem_place_reserve(vault, bytes.count);
	KUNIT_ASSERT_FALSE(test, IS_ERR(place));
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	made = secmem_handle_make(vault, place->slot, place->generation + 1);
	secmem_canary_plant(&bytes, &vault->canary_key, made);
	KUNIT_ASSERT_EQ(test, secmem_secret_publish(place, &bytes, label, 0),
			0);
	if (handle)
		*handle = made;
	return place;
}

void secmem_kunit_close(struct kunit *test, struct secmem_place *place)
{
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, place->generation,
					    SECMEM_NOWAIT, 0),
			0);
	KUNIT_EXPECT_EQ(test, (int)place->state, (int)SECMEM_CLOSED);
}

/* The byte there, before it is changed by @flip. */
u8 secmem_kunit_flip(const struct secmem_bytes *bytes, u32 offset, u8 flip)
{
	struct page *page = secmem_bytes_page(bytes, offset >> PAGE_SHIFT);
	u8 *mapped = secmem_page_map(page);
	u8 was = mapped[offset_in_page(offset)];

	mapped[offset_in_page(offset)] ^= flip;
	secmem_page_unmap(page, mapped);
	return was;
}

/* A new secret, open and free. */
void secmem_kunit_renew(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;

	ctx->place = secmem_kunit_secret(test, ctx->vault, 1, NULL);
	ctx->generation = ctx->place->generation;
}

int secmem_kunit_place_init(struct kunit *test)
{
	struct secmem_kunit_place *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->vault = secmem_kunit_vault(test);
	test->priv = ctx;
	secmem_kunit_renew(test);
	return 0;
}

void secmem_kunit_place_exit(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;

	if (ctx && ctx->vault)
		secmem_kunit_vault_end(ctx->vault);
}

int secmem_kunit_step(struct kunit *test, enum secmem_event event)
{
	struct secmem_kunit_place *ctx = test->priv;
	int ret;

	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->place->lock));
	ret = secmem_place_step(ctx->place, ctx->generation, event);
	secmem_place_unlock(ctx->place);
	return ret;
}
