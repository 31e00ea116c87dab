/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of lifecycle.h, and what an event would come to by it. The states of a
 * place and the events are declared in place.h.
 */
#ifndef _SECMEM_STATE_H
#define _SECMEM_STATE_H

#include "lifecycle.h"
#include "place.h"

struct secmem_lifecycle_row {
	u8 next;
	s16 verdict;
};

extern const struct secmem_lifecycle_row
	secmem_lifecycle[SECMEM_STATES][SECMEM_EVENTS];

/*
 * The verbs:
 *
 *	check	is it the secret that is meant
 *	peek	check, and what the event would come to; nothing changes
 *	move	the event happens; whoever calls has peeked, or drops a holder
 *		that stood (end.h)
 *	step	peek, and move where the verdict lets it (end.h)
 *
 * end.h has the verbs for all that ends a secret.
 */
int secmem_generation_check(u32 now, u32 generation);
int secmem_place_check(struct secmem_place *place, u32 generation);
int secmem_place_peek(struct secmem_place *place, u32 generation,
		      enum secmem_event event);

#endif /* _SECMEM_STATE_H */
