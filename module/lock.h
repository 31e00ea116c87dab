/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of a place, and the order of all locks.
 *
 * Any process that has a grant may hold the lock of a place, at any priority, and
 * a process that is not scheduled holds it for as long as it likes. So the lock
 * differs from a mutex in two ways:
 *
 * - Who waits for it does so as its call may wait: until a deadline, until a
 *   signal, or for a moment only. Who must not wait at all, since others need
 *   what it holds, tries.
 *
 * - Who tried in vain may leave an errand. The holder finds it when it lets go,
 *   and does it before anybody else gets the lock. The errands are bits of the
 *   same word that says whether the lock is held, so an errand is left with a
 *   holder or not at all: it cannot fall between a look and a release.
 *
 * LOCKING, outermost first. Each lock: what it protects; why it stands where it
 * does; what may be waited for with it held.
 *
 * mm->mmap_lock
 *	The caller's own: the view is looked up, and page tables are made, under
 *	it. It is outermost because core mm holds it when a touch comes here. The
 *	process's other threads need it, so nothing is waited for under it that a
 *	stranger can hold: the lock of a place is only tried.
 *
 *   place->lock
 *	Everything about what a place serves, its list of holders, and that page-
 *	table entries go in. Under mmap_lock, because an entry is made for an
 *	access that is counted under this lock. No memory is allocated under it
 *	(page tables, records and cold parts are made before), no memory of a
 *	caller's is touched that takes a fault, and mmap_lock is not waited for.
 *	The locks below are waited for.
 *
 *     mm->flip			of struct secmem_mm
 *	Zaps by RELEASE and SWITCH to READ in one mm, one at a time: two at once
 *	would make mmu_gather flush the whole mm. Under place->lock because a
 *	release takes it for its zap alone, and a place's lock is never asked for
 *	with it. Held for one zap; who is killed goes on without it.
 *
 *     mapping->i_mmap_rwsem, page-table lock	(core mm's)
 *	A zap takes them. Who zaps holds place->lock; a RELEASE and a SWITCH to
 *	READ mm->flip, too. A touch, an ACQUIRE and a SWITCH to WRITE, which zap
 *	in the caller's own view, hold its mmap_lock; a touch that meets
 *	place->lock held by another, that alone. Core mm holds i_mmap_rwsem while
 *	a stranger's view changes; so only a worker zaps there.
 *
 *     vault->keep_lock
 *	Who keeps the vault, from which era on, and who has dropped which of its
 *	secrets. Spins; nothing is waited for.
 *	A grant that is bound becomes a keeper before anybody can use it, so:
 *       secmem_bind_lock
 *	  Which mm a grant answers. Innermost here; the end of an mm takes it
 *	  alone.
 *
 *     supply->lock
 *	Blocks of a supply, and which of their pages serve. A secret that ends
 *	gives pages back, so it is under place->lock. Spins.
 *       secmem_cache_lock	(leaf) which empty blocks are cached
 *       user->lock		(leaf) what a user is charged for
 *     secmem_areas.xa_lock	who answers for an area. A block is freed after
 *				supply->lock was let go, so it is not under that
 *       secmem_accounts.xa_lock	(leaf) references to accounts
 *     secmem_users.xa_lock, user->supplies.xa_lock	(leaf) look-ups
 *
 *     Leaves, which spin, and under which no other lock is taken:
 *     vault->slots_lock	places that rest, counts, who is the owner
 *     vault->calls_lock	what calls have on the lists of a place: a READ
 *				takes its buffer off without place->lock, which
 *				it must not wait for
 *     source->lock		which supply a vault looks to first
 *     cold->watch_lock		which grants are polled
 *     secmem_blocks_lock	all blocks; a panic goes without it
 *     secmem_linger_lock	what the next tick looks at
 *     secmem_violation_lock	the log
 *
 * vault->grow_lock, supply->grow
 *	One makes a place, or a block, at a time. Outside of all but mmap_lock,
 *	and held alone, because memory is allocated under supply->grow: who waits
 *	for them waits for memory, and can be killed.
 *
 * secmem_vaults.xa_lock	(leaf) which vaults there are
 *
 * In the section in which mmu notifiers run, nothing is done, as any process of the
 * machine that ends a notifier waits for it: a worker takes the grants off an mm
 * that has ended.
 *
 * mmap_lock is not all that others wait for: one tick serves all secrets that
 * linger, and a process that exits closes its files on its way out. So a place's
 * lock is only tried there, too. Who tried in vain goes on like this: a call
 * lets go of mmap_lock and waits as its NOWAIT, its deadline and its signals say; a
 * fault lets go of mmap_lock, waits, and is made again; all others leave an errand
 * with who holds the lock.
 *
 * An entry in another process's view is zapped by a kernel worker, to which the
 * lock is handed (errand.c): core mm holds locks of that process's mapping
 * meanwhile, in which no thread of a stranger may stand.
 *
 * Page-table entries go in under mmap_lock (read) and place->lock, for an access
 * that is counted before place->lock is let go, and are gone before it is let go
 * without the access; so whoever holds it sees none without an access, but for
 * what lingers by CREATE's flag. munmap and exit take entries sooner; so does a
 * write that meets a read-only entry while another task has the lock (view.c).
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
#define SECMEM_ERRAND_REAP	BIT(1)	/* end accesses that were abandoned */
#define SECMEM_ERRAND_JUDGE	BIT(2)	/* end the secret if it is doomed; settle */
#define SECMEM_ERRAND_SETTLE	BIT(3)	/* end what lingers */
#define SECMEM_ERRAND_REVOKE	BIT(4)	/* end the secret; for a worker alone */
#define SECMEM_ERRAND_CLOSE	BIT(5)	/* close the secret, if it is that one */
#define SECMEM_ERRANDS		(SECMEM_ERRAND_REAP | SECMEM_ERRAND_JUDGE | \
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
