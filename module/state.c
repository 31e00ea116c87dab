// SPDX-License-Identifier: GPL-2.0-only
/*
 * In which state a place is, and what an event would come to: the table of
 * lifecycle.h. Nothing here changes a place.
 */
#include "state.h"

#define SECMEM_VERDICT_OK	0
#define SECMEM_VERDICT_WAIT	SECMEM_MUST_WAIT
#define SECMEM_VERDICT_REVOKED	(-EKEYREVOKED)
#define SECMEM_VERDICT_BUSY	(-EBUSY)
#define SECMEM_VERDICT_INVALID	(-EINVAL)

#define SECMEM_LIFECYCLE_ROW(state, event, to, what)	\
	[SECMEM_##state][SECMEM_EVENT_##event] = {	\
		.next = SECMEM_##to,			\
		.verdict = SECMEM_VERDICT_##what,	\
	},

const struct secmem_lifecycle_row
	secmem_lifecycle[SECMEM_STATES][SECMEM_EVENTS] = {
	SECMEM_LIFECYCLE(SECMEM_LIFECYCLE_ROW)
};

/**
 * secmem_generation_check - does a handle name what a place serves now
 * @now: the place's generation
 * @generation: the handle's
 *
 * Context: Any.
 * Return: 0; -EKEYREVOKED, what it named has ended; -ENOENT, it was never issued.
 */
int secmem_generation_check(u32 now, u32 generation)
{
	if (generation == now && generation)
		return 0;
	return generation && generation < now ? -EKEYREVOKED : -ENOENT;
}

/**
 * secmem_place_check - is a place on the secret that is meant
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: The caller holds @place's lock.
 * Return: as secmem_generation_check().
 */
int secmem_place_check(struct secmem_place *place, u32 generation)
{
	lockdep_assert_held(&place->lock);
	return secmem_generation_check(place->generation, generation);
}

/**
 * secmem_place_peek - what an event would come to
 * @place: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * Context: The caller holds @place's lock.
 * Return: 0; SECMEM_MUST_WAIT; -ENOENT, -EKEYREVOKED, -EBUSY, -EINVAL by the
 * table; -EPERM where sealed; -EOWNERDEAD where a writer died.
 */
int secmem_place_peek(struct secmem_place *place, u32 generation,
		      enum secmem_event event)
{
	int verdict = secmem_place_check(place, generation);

	if (verdict)
		return verdict;
	verdict = secmem_lifecycle[place->state][event].verdict;
	if (verdict < 0)
		return verdict;

	switch (event) {
	case SECMEM_EVENT_HOLD_WRITE:
	case SECMEM_EVENT_COPY_IN:
	case SECMEM_EVENT_SWITCH_UP:
		return secmem_place_is(place, SECMEM_IS_SEALED) ? -EPERM :
								  verdict;
	case SECMEM_EVENT_HOLD_READ:
	case SECMEM_EVENT_COPY_OUT:
	case SECMEM_EVENT_SEAL:
		return secmem_place_is(place, SECMEM_IS_TORN) && !verdict ?
			       -EOWNERDEAD :
			       verdict;
	default:
		return verdict;
	}
}
