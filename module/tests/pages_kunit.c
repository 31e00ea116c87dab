// SPDX-License-Identifier: GPL-2.0-only
/* Layout, canary, accounting, copies across pages. */
#include <linux/cred.h>
#include <linux/page_ref.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "kunit.h"
#include "../protect.h"

static const siphash_key_t secmem_test_key = { { 1, 2 } };

#define SECMEM_TEST_HANDLE	0x100000001ULL

/* Whether @length bytes from the beginning of a page are zero. */
static bool secmem_test_zero(struct page *page, u32 length)
{
	u8 *mapped = secmem_page_map(page);
	bool zero = !memchr_inv(mapped, 0, length);

	secmem_page_unmap(page, mapped);
	return zero;
}

static bool secmem_pages_layout_good(u32 length, u32 align)
{
	struct secmem_bytes bytes = {};
	bool overrun, canary;
	u32 tail, size;
	u64 mask;

	secmem_bytes_layout(&bytes, length, align);
	size = bytes.count * PAGE_SIZE;
	tail = size - bytes.offset - length;
	mask = secmem_secret_protections(&bytes, false);
	overrun = mask & BIT_ULL(SECMEM_PROT_OVERRUN);
	canary = mask & BIT_ULL(SECMEM_PROT_CANARY);
	return bytes.length == length && size >= length + bytes.offset &&
	       size - length < PAGE_SIZE && !(bytes.offset % align) &&
	       tail < align && tail == secmem_bytes_tail(&bytes) &&
	       (tail == 0 || length % align) && overrun == !tail &&
	       canary == (bytes.offset >= 8 || tail >= 8) &&
	       !(mask & ~secmem_protections());
}

static void secmem_pages_layout_one(struct kunit *test, u32 length, u32 align)
{
	if (!secmem_pages_layout_good(length, align))
		KUNIT_FAIL(test, "length %u, align %u", length, align);
}

static void secmem_pages_layout(struct kunit *test)
{
	u32 length, align;

	for (align = 1; align <= SECMEM_ALIGN_MAX; align *= 2) {
		for (length = 1; length <= 2 * PAGE_SIZE + 2; length++)
			secmem_pages_layout_one(test, length, align);
		for (length = SECMEM_LENGTH_MAX - PAGE_SIZE - 1;
		     length <= SECMEM_LENGTH_MAX; length += 17)
			secmem_pages_layout_one(test, length, align);
		secmem_pages_layout_one(test, SECMEM_LENGTH_MAX, align);
		cond_resched();
	}
}

static long secmem_test_locked(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

static void secmem_pages_account(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	static const u32 lengths[] = { 1, 4096, 4097, 65536, 1 << 20 };
	struct secmem_counts before, after;
	struct secmem_bytes bytes;
	long locked;
	u32 i, at;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		before = secmem_kunit_counts();
		locked = secmem_test_locked();
		secmem_bytes_layout(&bytes, lengths[i], 1);
		KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
				0);
		after = secmem_kunit_counts();
		KUNIT_EXPECT_EQ(test, after.pages - before.pages,
				(s64)bytes.count);
		KUNIT_EXPECT_EQ(test, secmem_test_locked() - locked,
				(long)bytes.count);
		for (at = 0; at < bytes.count; at++) {
			struct page *page = secmem_bytes_page(&bytes, at);

			KUNIT_EXPECT_EQ(test, page_ref_count(page), 0);
			KUNIT_EXPECT_FALSE(test, PageReserved(page));
			KUNIT_EXPECT_TRUE(test, secmem_test_zero(page, PAGE_SIZE));
		}
		secmem_bytes_destroy(&bytes);
		after = secmem_kunit_counts();
		KUNIT_EXPECT_EQ(test, after.pages, before.pages);
		KUNIT_EXPECT_EQ(test, secmem_test_locked(), locked);
	}
	secmem_kunit_vault_end(vault);
}

/* However many uids an account has, their idle pages have one allowance. */
static void secmem_pages_allowance(struct kunit *test)
{
	const s32 idle = SZ_2M >> PAGE_SHIFT;
	struct secmem_user other = {}, *user = secmem_user_get();
	long before;

	KUNIT_ASSERT_NOT_NULL(test, user);
	other.account = user->account;
	other.cred = user->cred;
	spin_lock_init(&other.lock);
	before = atomic_long_read(&user->account->charged);
	KUNIT_EXPECT_EQ(test, secmem_user_charge(user, 0, idle, false), 0);
	KUNIT_EXPECT_EQ(test, secmem_user_charge(&other, 0, idle, false), 0);
	KUNIT_EXPECT_GE(test, atomic_long_read(&user->account->charged) - before,
			(long)idle);
	KUNIT_EXPECT_EQ(test, secmem_user_charge(&other, 0, -idle, false), 0);
	KUNIT_EXPECT_EQ(test, secmem_user_charge(user, 0, -idle, false), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&user->account->charged), before);
	KUNIT_EXPECT_EQ(test, other.charged + other.spared, 0U);
	secmem_user_put(user);
}

/* Without CAP_IPC_LOCK the cap rules; what fails is not charged. */
static void secmem_pages_limit(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	long locked = secmem_test_locked();
	unsigned long cap = secmem_memlock_cap;
	struct cred *plain = prepare_creds();
	struct secmem_counts before, after;
	struct secmem_bytes bytes, second;
	const struct cred *old;

	KUNIT_ASSERT_NOT_NULL(test, plain);
	cap_lower(plain->cap_effective, CAP_IPC_LOCK);
	before = secmem_kunit_counts();
	secmem_memlock_cap = (locked + 2) * PAGE_SIZE;
	old = override_creds(plain);
	secmem_bytes_layout(&bytes, 2 * PAGE_SIZE + 1, 1);
	KUNIT_EXPECT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, secmem_test_locked(), locked);
	secmem_bytes_layout(&bytes, 2 * PAGE_SIZE, 1);
	KUNIT_EXPECT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	secmem_bytes_layout(&second, 1, 1);
	KUNIT_EXPECT_EQ(test, secmem_bytes_create(&second, &vault->source, false),
			-ENOMEM);
	secmem_bytes_destroy(&bytes);
	KUNIT_EXPECT_EQ(test, secmem_bytes_create(&second, &vault->source, false),
			0);
	secmem_bytes_destroy(&second);
	revert_creds(old);

	/* Who may lock as he likes is charged all the same. */
	secmem_bytes_layout(&bytes, 3 * PAGE_SIZE, 1);
	KUNIT_EXPECT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	KUNIT_EXPECT_EQ(test, secmem_test_locked() - locked, 3L);
	secmem_bytes_destroy(&bytes);
	KUNIT_EXPECT_EQ(test, secmem_test_locked(), locked);
	secmem_memlock_cap = cap;
	put_cred(plain);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_EQ(test, after.pages, before.pages);
	secmem_kunit_vault_end(vault);
}

static void secmem_pages_random(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	struct secmem_bytes one, two;
	u8 *copy;
	u32 at;

	copy = kunit_kzalloc(test, PAGE_SIZE + 100, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	secmem_bytes_layout(&one, PAGE_SIZE + 100, 1);
	secmem_bytes_layout(&two, PAGE_SIZE + 100, 1);
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&one, &vault->source, true),
			0);
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&two, &vault->source, true),
			0);
	secmem_bytes_read(&one, 0, copy, one.length);
	KUNIT_EXPECT_FALSE(test, secmem_bytes_equal(&two, copy));
	/* All of it: no run of 16 zeros, and nothing beside it. */
	for (at = 0; at + 16 <= one.length; at++)
		KUNIT_EXPECT_NOT_NULL(test, memchr_inv(copy + at, 0, 16));
	KUNIT_EXPECT_TRUE(test, secmem_test_zero(secmem_bytes_page(&one, 0),
						 one.offset));
	secmem_bytes_destroy(&one);
	secmem_bytes_destroy(&two);
	secmem_kunit_vault_end(vault);
}

static void secmem_pages_copy(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	static const u32 lengths[] = { 1, 100, 4096, 4097, 9000, 12288 };
	struct secmem_bytes bytes;
	u8 *from, *to;
	u32 i, at;

	from = kunit_kzalloc(test, 12288, GFP_KERNEL);
	to = kunit_kzalloc(test, 12288, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, from);
	KUNIT_ASSERT_NOT_NULL(test, to);
	for (i = 0; i < 12288; i++)
		from[i] = i % 251;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		secmem_bytes_layout(&bytes, lengths[i], 1);
		KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
				0);
		/* In pieces that straddle the pages' borders. */
		for (at = 0; at < lengths[i]; at += 61)
			secmem_bytes_write(&bytes, at, from + at,
					   min(61U, lengths[i] - at));
		secmem_bytes_read(&bytes, 0, to, lengths[i]);
		KUNIT_EXPECT_EQ(test, memcmp(from, to, lengths[i]), 0);
		memset(to, 0, lengths[i]);
		for (at = 0; at < lengths[i]; at += 97)
			secmem_bytes_read(&bytes, at, to + at,
					  min(97U, lengths[i] - at));
		KUNIT_EXPECT_EQ(test, memcmp(from, to, lengths[i]), 0);
		KUNIT_EXPECT_TRUE(test, secmem_bytes_equal(&bytes, from));
		/* One wrong byte, anywhere, is seen. */
		for (at = 0; at < lengths[i]; at += 13) {
			from[at] ^= 0x80;
			KUNIT_EXPECT_FALSE(test,
					   secmem_bytes_equal(&bytes, from));
			from[at] ^= 0x80;
		}
		from[lengths[i] - 1] ^= 1;
		KUNIT_EXPECT_FALSE(test, secmem_bytes_equal(&bytes, from));
		from[lengths[i] - 1] ^= 1;
		/* What is not of the data stays zero. */
		for (at = 0; at < bytes.offset; at++)
			KUNIT_EXPECT_EQ(test,
					(int)secmem_kunit_flip(&bytes, at, 0), 0);
		secmem_bytes_destroy(&bytes);
	}
	secmem_kunit_vault_end(vault);
}

static void secmem_pages_canary_one(struct kunit *test,
				    struct secmem_vault *vault, u32 length,
				    u32 align)
{
	siphash_key_t other = { { 1, 3 } };
	struct secmem_bytes bytes;
	bool guarded, intact;
	u32 at, end, size;

	secmem_bytes_layout(&bytes, length, align);
	KUNIT_ASSERT_EQ(test, secmem_bytes_create(&bytes, &vault->source, false),
			0);
	secmem_canary_plant(&bytes, &secmem_test_key, SECMEM_TEST_HANDLE);
	KUNIT_EXPECT_TRUE(test, secmem_canary_intact(&bytes, &secmem_test_key,
						     SECMEM_TEST_HANDLE));
	end = bytes.offset + length;
	size = bytes.count * PAGE_SIZE;
	for (at = 0; at < size; at++) {
		/* Far from the data, every byte is like the next. */
		if (at + 32 < bytes.offset ||
		    (at > bytes.offset + 32 && at + 32 < end) || at > end + 32)
			continue;
		secmem_kunit_flip(&bytes, at, 0x10);
		guarded = (at < bytes.offset && at + 16 >= bytes.offset) ||
			  (at >= end && at < end + 16);
		intact = secmem_canary_intact(&bytes, &secmem_test_key,
					      SECMEM_TEST_HANDLE);
		KUNIT_EXPECT_EQ_MSG(test, intact, !guarded,
				    "byte %u of data at %u to %u", at,
				    bytes.offset, end);
		secmem_kunit_flip(&bytes, at, 0x10);
	}
	/* By accident a byte of the canary may agree, not eight of them. */
	if (bytes.offset >= 8) {
		KUNIT_EXPECT_FALSE(test,
				   secmem_canary_intact(&bytes, &other,
							SECMEM_TEST_HANDLE));
		KUNIT_EXPECT_FALSE(test,
				   secmem_canary_intact(&bytes,
							&secmem_test_key,
							SECMEM_TEST_HANDLE + 1));
	}
	secmem_bytes_destroy(&bytes);
}

static void secmem_pages_canary(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	static const u32 lengths[] = { 1, 9, 32, 4072, 4080, 4085,
				       4095, 4096, 4097, 8185, 8192 };
	static const u32 aligns[] = { 1, 8, 64, 4096 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		for (j = 0; j < ARRAY_SIZE(aligns); j++)
			secmem_pages_canary_one(test, vault, lengths[i],
						aligns[j]);
	secmem_kunit_vault_end(vault);
}

static struct kunit_case secmem_pages_cases[] = {
	KUNIT_CASE(secmem_pages_layout),
	KUNIT_CASE(secmem_pages_account),
	KUNIT_CASE(secmem_pages_allowance),
	KUNIT_CASE(secmem_pages_limit),
	KUNIT_CASE(secmem_pages_random),
	KUNIT_CASE(secmem_pages_copy),
	KUNIT_CASE(secmem_pages_canary),
	{}
};

static struct kunit_suite secmem_pages_suite = {
	.name = "secmem_pages",
	.suite_init = secmem_kunit_suite_init,
	.suite_exit = secmem_kunit_suite_exit,
	.test_cases = secmem_pages_cases,
};

kunit_test_suite(secmem_pages_suite);
