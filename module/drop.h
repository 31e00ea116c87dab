/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Letting go of a secret without ending it for others.
 */
#ifndef _SECMEM_DROP_H
#define _SECMEM_DROP_H

#include "grant.h"

int secmem_secret_drop(struct secmem_grant *grant, struct secmem_place *place,
		       u32 generation);
int secmem_drop_inherit(struct secmem_grant *grant, struct secmem_grant *from);

#endif /* _SECMEM_DROP_H */
