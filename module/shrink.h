/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is cached goes back to the kernel.
 */
#ifndef _SECMEM_SHRINK_H
#define _SECMEM_SHRINK_H

#include "user.h"

int secmem_shrink_setup(void);
void secmem_shrink_teardown(void);
unsigned int secmem_shrink_one(struct secmem_account *account);
void secmem_shrink_all(void);

#endif /* _SECMEM_SHRINK_H */
