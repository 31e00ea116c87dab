/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a supply grows.
 */
#ifndef _SECMEM_GROW_H
#define _SECMEM_GROW_H

#include "supply.h"

int secmem_supply_grow(struct secmem_supply *supply, unsigned int want);

#endif /* _SECMEM_GROW_H */
