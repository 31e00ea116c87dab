/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the unit tests share: a vault, and secrets in it, without a file.
 */
#ifndef _SECMEM_TESTS_KUNIT_H
#define _SECMEM_TESTS_KUNIT_H

#include <kunit/test.h>

#include "../internal.h"

int secmem_kunit_suite_init(struct kunit_suite *suite);
void secmem_kunit_suite_exit(struct kunit_suite *suite);
struct secmem_counts secmem_kunit_counts(void);
struct secmem_vault *secmem_kunit_vault(struct kunit *test);
void secmem_kunit_vault_end(struct secmem_vault *vault);
struct secmem_secret *secmem_kunit_secret(struct kunit *test,
					  struct secmem_vault *vault,
					  u32 length, u64 *handle);
u8 secmem_kunit_flip(const struct secmem_bytes *bytes, u32 at, u8 flip);
void secmem_kunit_close(struct kunit *test, struct secmem_secret *secret);

#endif /* _SECMEM_TESTS_KUNIT_H */
