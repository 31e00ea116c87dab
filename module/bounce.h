/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel buffers between a secret and its callers.
 */
#ifndef _SECMEM_BOUNCE_H
#define _SECMEM_BOUNCE_H

#include "place.h"

/* A kernel buffer between a secret and the caller's. */
struct secmem_bounce {
	struct hlist_node by_place;	/* protected by vault->calls_lock */
	void *at;
	u32 length;
	u32 wiped;			/* bytes, by the secret's end; calls_lock */
	u8 small[128];
};

void secmem_bounce_add(struct secmem_place *place,
		       struct secmem_bounce *bounce);
int secmem_bounce_end(struct secmem_place *place, struct secmem_bounce *bounce);
void secmem_bounce_revoke(struct secmem_place *place);

#endif /* _SECMEM_BOUNCE_H */
