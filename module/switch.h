/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SWITCH: a held access changes its mode.
 */
#ifndef _SECMEM_SWITCH_H
#define _SECMEM_SWITCH_H

#include "grant.h"

int secmem_access_switch(struct secmem_grant *grant, struct secmem_place *place,
			 u32 generation, u32 flags, s64 deadline);

#endif /* _SECMEM_SWITCH_H */
