/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left with who holds the lock of a place.
 */
#ifndef _SECMEM_ERRAND_H
#define _SECMEM_ERRAND_H

#include "place.h"

struct secmem_grant;

void secmem_place_need_cold(struct secmem_place *place);
void secmem_place_unlock(struct secmem_place *place);
void secmem_errand_hand_over(struct secmem_place *place, unsigned long errands);
void secmem_errand_reap(struct secmem_grant *grant, struct secmem_place *place);
bool secmem_errand_send(struct secmem_place *place, unsigned long errand);
void secmem_errand_flush(struct secmem_place *place);

#endif /* _SECMEM_ERRAND_H */
