/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of the kernel's that are found by name.
 */
#ifndef _SECMEM_SYMBOL_H
#define _SECMEM_SYMBOL_H

#include <linux/types.h>

void *secmem_symbol_find(const char *name);
bool secmem_symbol_find_flush(void);
void secmem_symbol_flush(const void *first, unsigned int count);

#endif /* _SECMEM_SYMBOL_H */
