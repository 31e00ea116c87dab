/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps of a secret, and its end.
 */
#ifndef _SECMEM_END_H
#define _SECMEM_END_H

#include "holder.h"

/*
 * The verbs, beside those of state.h and holder.h:
 *
 *	tear	a writer died in the middle
 *	mend	a WRITE is complete; its end is checked
 *	revoke	a secret ends now, whoever holds it
 *	doomed	must a secret end, by how things stand
 *	judge	a secret ends if it is doomed; a place that is closed retires
 *	settle	what lingers ends
 *	reap	what was abandoned ends
 *	retire	a place rests, once its secret is closed and all grants of it alone
 *		are gone or have dropped it (place.h)
 */
void secmem_place_move(struct secmem_place *place, enum secmem_event event);
int secmem_place_step(struct secmem_place *place, u32 generation,
		      enum secmem_event event);
void secmem_secret_tear(struct secmem_place *place);
int secmem_secret_mend(struct secmem_place *place);
void secmem_secret_close_left(struct secmem_place *place);
void secmem_secret_revoke_locked(struct secmem_place *place);
bool secmem_holder_settle(struct secmem_holder *holder);
bool secmem_secret_dropped(struct secmem_place *place);
bool secmem_secret_doomed(struct secmem_place *place);
void secmem_place_judge(struct secmem_place *place);
void secmem_place_settle(struct secmem_place *place);
void secmem_place_reap(struct secmem_place *place);
void secmem_place_reap_own(struct secmem_grant *grant,
			   struct secmem_place *place);

/**
 * secmem_place_peek_settled - secmem_place_peek(); nobody waits for what lingers
 * @grant: by which the caller came
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * What lingers in another process's view is left to secmem_waiter_begin().
 *
 * Context: Process context. The caller holds @place's lock.
 * Return: as secmem_place_peek(); -EKEYREVOKED too where @grant has dropped the
 * secret.
 */
static inline int secmem_place_peek_settled(struct secmem_grant *grant,
					    struct secmem_place *place,
					    u32 generation,
					    enum secmem_event event)
{
	int verdict;

	/* Another thread may have dropped the secret since the call began. */
	if (secmem_grant_has_dropped(grant, place, generation))
		return -EKEYREVOKED;
	verdict = secmem_place_peek(place, generation, event);
	if (likely(verdict != SECMEM_MUST_WAIT ||
		   !secmem_place_is(place, SECMEM_IS_LINGER)) ||
	    secmem_holder_far(grant, place))
		return verdict;
	secmem_place_settle(place);
	return secmem_place_peek(place, generation, event);
}

#endif /* _SECMEM_END_H */
