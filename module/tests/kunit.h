/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the unit tests share: a vault, and secrets in it, without a file.
 */
#ifndef _SECMEM_TESTS_KUNIT_H
#define _SECMEM_TESTS_KUNIT_H

#include <kunit/test.h>

#include "../bind.h"
#include "../copy.h"
#include "../export.h"
#include "../keep.h"
#include "../secret.h"
#include "../wait.h"

/* What a test has whose suite begins each with a secret that is open. */
struct secmem_kunit_place {
	struct secmem_vault *vault;
	struct secmem_place *place;
	u32 generation;
};

int secmem_kunit_suite_init(struct kunit_suite *suite);
void secmem_kunit_suite_exit(struct kunit_suite *suite);
struct secmem_counts secmem_kunit_counts(void);
struct secmem_vault *secmem_kunit_vault(struct kunit *test);
void secmem_kunit_vault_end(struct secmem_vault *vault);
struct secmem_place *secmem_kunit_secret(struct kunit *test,
					 struct secmem_vault *vault, u32 length,
					 u64 *handle);
u8 secmem_kunit_flip(const struct secmem_bytes *bytes, u32 offset, u8 flip);
void secmem_kunit_close(struct kunit *test, struct secmem_place *place);
int secmem_kunit_place_init(struct kunit *test);
void secmem_kunit_place_exit(struct kunit *test);
void secmem_kunit_renew(struct kunit *test);
int secmem_kunit_step(struct kunit *test, enum secmem_event event);

#endif /* _SECMEM_TESTS_KUNIT_H */
