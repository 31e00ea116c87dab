/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may stay mapped for a while.
 */
#ifndef _SECMEM_LINGER_H
#define _SECMEM_LINGER_H

#include "place.h"

void secmem_linger_watch(struct secmem_place *place);
void secmem_linger_teardown(void);

#endif /* _SECMEM_LINGER_H */
