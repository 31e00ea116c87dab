/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Areas of the direct map that were split.
 */
#ifndef _SECMEM_AREA_H
#define _SECMEM_AREA_H

#include "base.h"

struct page;
struct secmem_account;

/* What became of the area that a block lies in. */
enum secmem_area {
	SECMEM_AREA_WAS,		/* nothing was split for the block */
	SECMEM_AREA_HELD,		/* the block is all of it */
	SECMEM_AREA_LOSS,		/* the block split it, and is only a part */
};

/* An area is as large as what one large entry of x86's direct map maps. */
#define SECMEM_AREA_ORDER	((unsigned int)get_order(SZ_2M))

void secmem_areas_setup(void);
void secmem_areas_teardown(void);
int secmem_area_take(struct secmem_account *account, struct page *page,
		     unsigned int order, bool split);
void secmem_area_lose(struct page *page);
bool secmem_area_scarce(const struct secmem_account *account);
u32 secmem_areas_count(void);

#endif /* _SECMEM_AREA_H */
