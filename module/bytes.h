/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of a secret.
 */
#ifndef _SECMEM_BYTES_H
#define _SECMEM_BYTES_H

#include <linux/siphash.h>

#include "pages.h"

#define SECMEM_CANARY_SIZE	16
#define SECMEM_CANARY_MIN	8	/* fewer bytes are no protection */

/* The bytes of a secret, and where in their pages they lie. */
struct secmem_bytes {
	union {
		struct page *one;	/* count is 1 */
		struct page **many;
	};
	u32 length;			/* bytes of data */
	u16 count:15;			/* pages */
	u16 exposed:1;			/* some are in the direct map */
	u16 offset;			/* of the data in the first page */
};

/* All of the pages, one behind the other. */
static inline struct page **secmem_bytes_pages(struct secmem_bytes *bytes)
{
	return bytes->count == 1 ? &bytes->one : bytes->many;
}

static inline struct page *secmem_bytes_page(const struct secmem_bytes *bytes,
					     unsigned int index)
{
	return bytes->count == 1 ? bytes->one : bytes->many[index];
}

void secmem_bytes_layout(struct secmem_bytes *bytes, u32 length, u32 align);
int secmem_bytes_create(struct secmem_bytes *bytes, struct secmem_source *source,
			bool random);
void secmem_bytes_destroy(struct secmem_bytes *bytes);
bool secmem_bytes_sound(const struct secmem_bytes *bytes, u32 offset,
			u32 length);
int secmem_bytes_read(const struct secmem_bytes *bytes, u32 offset,
		      void *to, u32 length);
bool secmem_bytes_give(const struct secmem_bytes *bytes, u32 offset,
		       void __user *to, u32 length);
int secmem_bytes_write(const struct secmem_bytes *bytes, u32 offset,
		       const void *from, u32 length);
int secmem_bytes_equal(const struct secmem_bytes *bytes, const void *with);
void secmem_canary_plant(const struct secmem_bytes *bytes,
			 const siphash_key_t *key, u64 handle);
bool secmem_canary_intact(const struct secmem_bytes *bytes,
			  const siphash_key_t *key, u64 handle);
u32 secmem_bytes_tail(const struct secmem_bytes *bytes);

#endif /* _SECMEM_BYTES_H */
