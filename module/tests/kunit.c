// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

#include "kunit.h"

/* Suites run before the module's own init on some kernels, behind it on others. */
int secmem_kunit_suite_init(struct kunit_suite *suite)
{
	int ret;

	if (THIS_MODULE->state == MODULE_STATE_LIVE)
		return 0;
	ret = secmem_vault_setup();
	if (ret)
		return ret;
	ret = secmem_errand_setup();
	if (ret)
		secmem_vault_teardown();
	return ret;
}

void secmem_kunit_suite_exit(struct kunit_suite *suite)
{
	if (THIS_MODULE->state == MODULE_STATE_LIVE)
		return;
	secmem_errand_teardown();
	secmem_vault_teardown();
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
struct secmem_secret *secmem_kunit_secret(struct kunit *test,
					  struct secmem_vault *vault,
					  u32 length, u64 *handle)
{
	static const char label[SECMEM_LABEL_SIZE] = "kunit";
	struct secmem_bytes bytes = {};
	struct secmem_secret *secret;
	u64 made;

	secmem_bytes_layout(&bytes, length, 1);
	secret = secmem_vault_reserve(vault, bytes.count);
	KUNIT_ASSERT_FALSE(test, IS_ERR(secret));
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, vault, false), 0);
	made = secmem_handle_make(vault, secret->slot, secret->generation + 1);
	secmem_canary_plant(&bytes, &vault->canary_key, made);
	KUNIT_ASSERT_EQ(test, secmem_secret_publish(secret, &bytes, label, 0),
			0);
	if (handle)
		*handle = made;
	return secret;
}

void secmem_kunit_close(struct kunit *test, struct secmem_secret *secret)
{
	KUNIT_EXPECT_EQ(test, secmem_secret_close(NULL, secret,
						  secret->generation,
						  SECMEM_NOWAIT, 0), 0);
	KUNIT_EXPECT_EQ(test, (int)secret->state, (int)SECMEM_CLOSED);
}

/* The byte there, before it is changed by @flip. */
u8 secmem_kunit_flip(const struct secmem_bytes *bytes, u32 at, u8 flip)
{
	struct page *page = secmem_bytes_page(bytes, at >> PAGE_SHIFT);
	u8 *mapped = secmem_page_map(page);
	u8 was = mapped[offset_in_page(at)];

	mapped[offset_in_page(at)] ^= flip;
	secmem_page_unmap(page, mapped);
	return was;
}
