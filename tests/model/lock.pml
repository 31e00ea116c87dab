/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of module/lock.c for spin: the word of a secret's lock, changed step
 * by step as its functions do; tasks that wait for the lock and may give up;
 * and tasks that leave an errand. What an errand does is not modelled.
 *
 * WORLD says who is there:
 *
 *	13	three who want the lock, of whom some give up
 *	14	two who want it, and two who leave errands
 */
#ifndef WORLD
#define WORLD 13
#endif
#if WORLD == 13
#define TASKS 3
#define ERRANDERS 0
#else
#define TASKS 2
#define ERRANDERS 2
#endif

/* lock->word */
bit held;
byte errands;				/* a bit each */
byte waiters;

byte queued;				/* who waits in the queue: 1 << task */
byte impatient = 1;			/* who may give up: 1 << task */
byte left, done;			/* errands that were left, and done */
byte inside, ended;

#define BIT(n) (1 << (n))

/* secmem_lock_grab(): a look, and an exchange that fails if the word changed */
inline grab()
{
	atomic {
		if
		:: !held -> held = 1; got = 1
		:: else -> got = 0
		fi
	}
}

/* Whoever has the lock is alone with it. */
inline enter()
{
	atomic { assert(!inside); inside = 1 }
}

/* An errand that was left with us; each is done once. */
inline carry_out(what)
{
	assert(inside);
	assert(!(done & (what)));
	done = done | (what)
}

/* wake_up_bit(): wakes one task, which leaves the queue */
inline wake_one()
{
	atomic {
		if
		:: queued ->
			if
			:: queued & BIT(0) -> queued = queued & ~BIT(0)
			:: queued & BIT(1) -> queued = queued & ~BIT(1)
			:: queued & BIT(2) -> queued = queued & ~BIT(2)
			fi
		:: else
		fi
	}
}

/* secmem_lock_release(), and secmem_place_unlock() around it */
inline unlock()
{
	do
	:: d_step { seen = errands; count = waiters };
	   if
	   :: seen ->
		atomic { seen = errands; errands = 0 };
		carry_out(seen)
	   :: else ->
#ifdef MUTANT_RELEASE_BLIND
		atomic {
			inside = 0;
			held = 0;
			break
		}
#else
		/* the exchange fails if the word has changed since */
		atomic {
			if
			:: errands == seen && waiters == count ->
				inside = 0;
				held = 0;
				break
			:: else
			fi
		}
#endif
	   fi
	od;
	if
	:: count -> wake_one()
	:: else
	fi;
	d_step { seen = 0; count = 0; got = 0 }
}

/* secmem_lock_wait() */
proctype task(byte t)
{
	byte seen, count;
	bit got, gives_up;

	grab();
	if
	:: got -> goto holds
	:: else
	fi;
	/* __wait_on_bit_lock() looks and sleeps only after this */
#ifndef MUTANT_COUNTED_LATE
	waiters++;
#endif
again:
	queued = queued | BIT(t);
	if
	:: held ->
#ifdef MUTANT_COUNTED_LATE
		waiters++;
#endif
		if
		:: !(queued & BIT(t))
		:: impatient & BIT(t) -> gives_up = 1
		fi;
#ifdef MUTANT_COUNTED_LATE
		waiters--
#endif
	:: else
	fi;
	if
	:: gives_up -> queued = queued & ~BIT(t)
	:: else
	fi;
#ifdef MUTANT_GIVES_UP_UNTRIED
	if
	:: gives_up -> got = 0
	:: else -> grab()
	fi;
#else
	grab();
#endif
	if
	:: !got && !gives_up -> goto again
	:: else -> queued = queued & ~BIT(t)
	fi;
#ifndef MUTANT_COUNTED_LATE
	waiters--;
#endif
	if
	:: got -> goto holds
	:: else -> goto out
	fi;
holds:
	enter();
	unlock();
out:
	atomic { gives_up = 0; got = 0; ended++ }
}

/* secmem_errand_send() */
proctype errander(byte e)
{
	byte seen, count;
	bit got;

	/* secmem_lock_leave() */
	do
	:: grab();
	   if
	   :: got ->
		enter();
		left = left | BIT(e);
		carry_out(BIT(e));
		unlock();
		break
	   :: else
	   fi;
#ifdef MUTANT_LEFT_ANYHOW
	   atomic { errands = errands | BIT(e); left = left | BIT(e); break }
#else
	   /* the exchange fails if nobody holds the lock any more */
	   atomic {
		if
		:: held ->
			errands = errands | BIT(e);
			left = left | BIT(e);
			break
		:: else
		fi
	   }
#endif
	od;
	ended++
}

/* Never true: names that spin prints. */
hidden byte errand_is_left_with_a_holder, each_errand_is_done;

active proctype monitor()
{
end:	do
	:: atomic { errands && !held -> assert(errand_is_left_with_a_holder) }
	:: atomic {
		ended == TASKS + ERRANDERS ->
		assert(!held && !waiters && !queued);
		if
		:: left != done -> assert(each_errand_is_done)
		:: else
		fi;
		ended++
	   }
	od
}

init {
	atomic {
		run task(0);
		run task(1);
#if TASKS > 2
		run task(2);
#endif
#if ERRANDERS
		run errander(0);
		run errander(1)
#endif
	}
}
