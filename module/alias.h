/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What else the kernel maps a page at.
 */
#ifndef _SECMEM_ALIAS_H
#define _SECMEM_ALIAS_H

#include <linux/gfp.h>

void secmem_alias_setup(void);
void secmem_alias_teardown(void);
bool secmem_alias_any(struct page *first, unsigned int count);
struct page *secmem_alias_alloc(gfp_t gfp, unsigned int order);

#endif /* _SECMEM_ALIAS_H */
