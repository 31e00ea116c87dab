/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in force.
 */
#ifndef _SECMEM_PROTECT_H
#define _SECMEM_PROTECT_H

#include <linux/types.h>

struct secmem_bytes;

u64 secmem_secret_protections(const struct secmem_bytes *bytes, bool linger);
u64 secmem_protections(void);
u8 secmem_protection_why(unsigned int bit);

#endif /* _SECMEM_PROTECT_H */
