/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left with who holds the lock of a place.
 */
#ifndef _SECMEM_ERRAND_H
#define _SECMEM_ERRAND_H

#include "place.h"

struct secmem_grant;

/*
 * The verbs:
 *
 *	send		take the lock and do the errand, or leave it
 *	leave		the holder of the lock will do it (lock.h)
 *	hand over	a worker does it, and has the lock from now on
 *	reap		send, for the accesses of one grant
 *	flush		wait for the workers
 */
void secmem_place_need_cold(struct secmem_place *place);
void secmem_place_unlock(struct secmem_place *place);
void secmem_errand_hand_over(struct secmem_place *place, unsigned long errands);
void secmem_errand_reap(struct secmem_grant *grant, struct secmem_place *place);
bool secmem_errand_send(struct secmem_place *place, unsigned long errand);
void secmem_errand_flush(struct secmem_place *place);

#endif /* _SECMEM_ERRAND_H */
