/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of module/*.c for spin: one place of a vault, the secrets that it
 * serves one after the other, up to two grants, and threads that use them in
 * any way and in every order. It has the locks, the steps and the table of
 * transitions of the module; the names of the module's functions stand beside
 * the steps. What the module does without the secret's lock (a nest, an unnest,
 * a zap by munmap or madvise) may come between any two of them.
 *
 *	state.pml	what there is
 *	steps.pml	steps under the secret's lock, and those that need none
 *	errands.pml	what is left with who holds the lock; ends; workers
 *	user.pml	what a thread does
 *	eras.pml	who keeps a vault, file after file
 *	promises.pml	what must hold
 *	lock.pml	a model of its own: the lock
 *
 * WORLD says who is there:
 *
 *	1	two threads of one process, through the vault's first grant
 *	2	three of them, with a place that is used again, and a view that stays
 *	3	one thread, and a process with an exported grant of the secret
 *	4	one thread, and one with an exported grant of the whole vault
 *	5	as 4, but both are killed, with and without their views
 *	6	two threads of one process, a secret that lingers, and the tick
 *	7	one thread, two with another grant of the vault, a secret that
 *		lingers, and the tick
 *	8	two files of the whole vault, each used by one process after the
 *		other, and a process with an exported grant of the secret
 *	9	a holder of the secret's lock that may never run again; a process
 *		with an exported grant of the secret, and the one that gets its
 *		file; the vault's own file is gone
 *	10	two threads of one process, and a holder of the lock as in 9
 *	11	a process with a secret that lingers and is its own, and the tick
 *	12	two processes with a secret that lingers, and the tick
 *
 * Each -DMUTANT_... takes one guard away; spin must then find a way to break a
 * promise.
 */
#include "../../module/lifecycle.h"

#ifndef WORLD
#define WORLD 1
#endif
#define SINGLE (WORLD == 3 || WORLD == 9)	/* grant 1 is of one secret */
#define LINGERS (WORLD == 6 || WORLD == 7 || WORLD > 10)
/* in other worlds mmap_lock is only held for reading, and is left out */
#define UNMAPS (WORLD == 1 || WORLD == 5 || WORLD == 6 || \
		WORLD > 8 && WORLD < 12)
#define HOG (WORLD == 9 || WORLD == 10)
#if WORLD < 3 || WORLD == 6 || WORLD == 10 || WORLD == 11
#define GRANTS 1
#else
#define GRANTS 2
#endif
#if WORLD == 1 || LINGERS || HOG
#define GENERATIONS 1
#else
#define GENERATIONS 2
#endif

#include "state.pml"
#include "steps.pml"
#include "errands.pml"
#if WORLD == 8
#include "eras.pml"
#else
#include "user.pml"
#endif
#include "promises.pml"

#define thread(t, g, may) begun++; threads[g]++; run user(t, g, may)

init {
	atomic {
		SECMEM_LIFECYCLE(ROW)
		generation = 1;
		word[0] = EMPTY(1);
		state = OPEN;
		files = 1;
		keeps = 1;
#if WORLD == 8
		keepers = 1;
		begun = 2;
		run single();
		run taker(0);
#else
#if GRANTS > 1
		files = (WORLD == 9 -> BIT(1) : 3);
		word[1] = EMPTY(1);
		views[1] = 1;
#if SINGLE
		keepers = 1;
#if WORLD == 9
		keeps = 0;
		kept_since = 1;
#endif
#else
		keeps = 3;
#endif
#endif
		bound = files;
		mm_ties = files;
		tree = files;
		mapped = files;
		views[0] = files & 1;
#if !UNMAPS
		tables = files;
#endif
#if WORLD == 1
		thread(0, 0, MAY_WRITE | MAY_TOUCH | MAY_UNMAP | MAY_CLOSE);
		thread(1, 0, MAY_TOUCH | MAY_ADVISE | MAY_CLOSE);
#elif WORLD == 2
		thread(0, 0, MAY_CREATE | MAY_CLOSE);
		thread(1, 0, MAY_WRITE);
		thread(2, 0, MAY_REVOKE);
#elif WORLD == 3
		thread(0, 0, MAY_WRITE | MAY_CREATE | MAY_CLOSE);
		thread(1, 1, MAY_TOUCH | MAY_REVOKE | MAY_DIE);
#elif WORLD == 4
		thread(0, 0, MAY_CREATE | MAY_REVOKE | MAY_CLOSE);
		thread(1, 1, MAY_WRITE | MAY_CLOSE | MAY_DIE);
#elif WORLD == 5
		thread(0, 0, MAY_REVOKE | MAY_DIE);
		thread(1, 1, MAY_UNMAP | MAY_WRITE | MAY_CLOSE | MAY_DIE);
#elif WORLD == 6
		thread(0, 0, MAY_WRITE);
		thread(1, 0, MAY_TOUCH | MAY_UNMAP);
#elif WORLD == 7
		thread(0, 0, ONCE);
		thread(1, 1, 0);
		thread(2, 1, ONCE | WRITES);
#elif WORLD == 9
		thread(1, 1, MAY_WRITE | MAY_DIE);
		heirs = BIT(1);
		begun++;
		run user(2, 1, INHERITS | MAY_UNMAP);
#elif WORLD == 10
		thread(0, 0, MAY_TOUCH | MAY_WRITE);
		thread(1, 0, MAY_UNMAP);
#elif WORLD == 11
		thread(0, 0, MAY_UNMAP | MAY_CLOSE | MAY_DIE);
#elif WORLD == 12
		thread(0, 0, ONCE);
		thread(1, 1, ONCE);
#endif
#if GRANTS > 1
		begun = begun + 2;
		run ending(1, false);
		run ending(1, true);
#endif
#if LINGERS
		run tick();
#endif
#if HOG
		begun++;
		run hog();
#endif
#if WORLD != 9
		begun = begun + 2;
		run ending(0, false);
		run ending(0, true);
#endif
#endif
		run worker()
	}
}
