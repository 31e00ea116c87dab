// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The order of accesses, as ThreadSanitizer is told it: a reader comes after
 * all writers before it, a writer after all writers and readers before it. Each
 * secret is mapped to one of ADDRESSES addresses. Where two secrets share one,
 * their accesses seem ordered by each other: that may hide a race, and never
 * shows one that is none.
 */
#include "annotate.h"

#define ADDRESSES 1024

static struct {
	uint64_t written;
	uint64_t read;
} order[ADDRESSES];

static unsigned int order_of(secmem_secret_t secret)
{
	return (secret.handle ^ secret.handle >> 20) % ADDRESSES;
}

void secmem__order_begin(secmem_secret_t secret, uint32_t flags)
{
	unsigned int at = order_of(secret);

	secmem__seen(&order[at].written);
	if (flags & SECMEM_WRITE)
		secmem__seen(&order[at].read);
}

void secmem__order_end(secmem_secret_t secret, uint32_t flags)
{
	unsigned int at = order_of(secret);

	secmem__shown(flags & SECMEM_WRITE ? &order[at].written :
					     &order[at].read);
}
