/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages out of the direct map and back.
 */
#ifndef _SECMEM_DIRECTMAP_H
#define _SECMEM_DIRECTMAP_H

#include <linux/types.h>

struct page;

enum secmem_directmap {
	SECMEM_DIRECTMAP_REMOVED,
	SECMEM_DIRECTMAP_PRESENT,
	SECMEM_DIRECTMAP_LOST,
};

int secmem_directmap_setup(void);
void secmem_directmap_teardown(void);
enum secmem_directmap secmem_directmap_remove(struct page *first,
					      unsigned int count);
bool secmem_directmap_restore(struct page *page);
bool secmem_directmap_splits(struct page *page);
bool secmem_directmap_required(void);
u8 secmem_directmap_why(void);
const char *secmem_directmap_by(void);
u8 secmem_directmap_try(void);
bool secmem_directmap_route(void);
void secmem_directmap_use(int (*invalid)(struct page *page),
			  int (*usual)(struct page *page));

#endif /* _SECMEM_DIRECTMAP_H */
