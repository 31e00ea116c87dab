/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks that are empty and stay.
 */
#ifndef _SECMEM_CACHE_H
#define _SECMEM_CACHE_H

#include "supply.h"

bool secmem_cache_add(struct secmem_block *block);
void secmem_cache_del(struct secmem_block *block);
struct secmem_supply *secmem_cache_look(struct secmem_account *account,
					struct secmem_block **block);
bool secmem_cache_claim(struct secmem_account *account,
			struct secmem_supply *supply,
			struct secmem_block *block);
unsigned long secmem_cache_pages(void);

#endif /* _SECMEM_CACHE_H */
