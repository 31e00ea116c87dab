/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses, begun and ended.
 */
#ifndef _SECMEM_ACCESS_H
#define _SECMEM_ACCESS_H

#include "grant.h"

struct secmem_holder *secmem_holder_need(struct secmem_grant *grant,
					 struct secmem_place *place);
int secmem_access_acquire(struct secmem_grant *grant,
			  struct secmem_place *place, u32 generation, u32 flags,
			  s64 deadline);
int secmem_access_release(struct secmem_grant *grant,
			  struct secmem_place *place, u32 generation, bool had);
void secmem_access_abandon(struct secmem_grant *grant);

#endif /* _SECMEM_ACCESS_H */
