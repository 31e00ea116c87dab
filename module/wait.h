/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a call waits.
 */
#ifndef _SECMEM_WAIT_H
#define _SECMEM_WAIT_H

#include <linux/wait.h>

#include "end.h"
#include "errand.h"

/* A call that may wait for a secret: how, and where it stands. */
struct secmem_waiter {
	struct wait_queue_entry entry;
	struct secmem_place *place;	/* constant */
	struct secmem_grant *grant;	/* constant: by which it came */
	u32 flags;			/* constant: SECMEM_NOWAIT or 0 */
	s64 deadline;			/* constant */
	bool stays;			/* constant: in the queue until it leaves */
	bool stands;			/* in the queue */
	bool queued;
	bool settled;			/* what lingered has been seen to */
	bool settling;			/* by a worker, which is waited for */
	enum secmem_end end;		/* protected by the queue's lock */
};

s64 secmem_deadline_shift(s64 deadline);

/*
 * Called once, where a call comes in: from there on, deadlines are by the
 * machine's clock.
 */
static inline s64 secmem_deadline_host(s64 deadline)
{
	return deadline == SECMEM_FOREVER ? deadline :
					    secmem_deadline_shift(deadline);
}

void secmem_waiter_queue(struct secmem_waiter *waiter, unsigned int mode);
int secmem_place_lock(struct secmem_place *place);
int secmem_place_lock_wait(struct secmem_waiter *waiter);
int secmem_place_lock_for(struct secmem_waiter *waiter, u32 generation,
			  enum secmem_event event);
void secmem_waiter_setup(struct secmem_waiter *waiter,
			 struct secmem_grant *grant, struct secmem_place *place,
			 u32 flags, s64 deadline);
int secmem_waiter_begin(struct secmem_waiter *waiter);
int secmem_waiter_end(struct secmem_waiter *waiter);
void secmem_waiter_leave(struct secmem_waiter *waiter);

#endif /* _SECMEM_WAIT_H */
