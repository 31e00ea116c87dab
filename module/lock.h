/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of a secret. Any process that has a grant may hold it, at any
 * priority, and a process that is not scheduled holds it for as long as it
 * likes. So it differs from a mutex in two ways:
 *
 * - Who waits for it does so as its call may wait: until a deadline, until a
 *   signal, or for a moment only. Who must not wait at all, since others need
 *   what it holds, tries.
 *
 * - Who tried in vain may leave an errand. The holder finds it when it lets go,
 *   and does it before anybody else gets the lock. The errands are bits of the
 *   same word that says whether the lock is held, so an errand is left with a
 *   holder or not at all: it cannot fall between a look and a release.
 */
#ifndef _SECMEM_LOCK_H
#define _SECMEM_LOCK_H

#include <linux/atomic.h>
#include <linux/lockdep.h>
#include <linux/types.h>

struct secmem_lock {
	atomic_long_t word;		/* SECMEM_LOCK_*, and who waits */
#ifdef CONFIG_LOCKDEP
	struct lockdep_map dep_map;
#endif
};

#define SECMEM_LOCK_HELD_BIT	0
#define SECMEM_LOCK_HELD	BIT(SECMEM_LOCK_HELD_BIT)
#define SECMEM_ERRAND_ABANDON	BIT(1)	/* end accesses whose mm has ended */
#define SECMEM_ERRAND_JUDGE	BIT(2)	/* end the secret if nobody keeps it */
#define SECMEM_ERRAND_SETTLE	BIT(3)	/* end what lingers */
#define SECMEM_ERRAND_REVOKE	BIT(4)	/* end the secret; for a worker alone */
#define SECMEM_ERRAND_CLOSE	BIT(5)	/* close the secret, if it is that one */
#define SECMEM_ERRANDS		(SECMEM_ERRAND_ABANDON | SECMEM_ERRAND_JUDGE | \
				 SECMEM_ERRAND_SETTLE | SECMEM_ERRAND_CLOSE)
#define SECMEM_LOCK_WAITER	BIT(32)	/* one of those who wait */

void secmem_lock_init(struct secmem_lock *lock);
bool secmem_lock_try(struct secmem_lock *lock);
int secmem_lock_wait(struct secmem_lock *lock, unsigned int mode,
		     s64 deadline);
unsigned long secmem_lock_release(struct secmem_lock *lock);
bool secmem_lock_leave(struct secmem_lock *lock, unsigned long errand);
void secmem_lock_hand_over(struct secmem_lock *lock);
void secmem_lock_take_over(struct secmem_lock *lock);

#endif /* _SECMEM_LOCK_H */
