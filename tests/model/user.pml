/* SPDX-License-Identifier: GPL-2.0-only */
/* A thread of an address space. */

proctype user(byte t; byte g; short may)
{
	byte h, r, old, todo, turn;
	byte mine;			/* generation of what it acquired, 0: none */
	byte self = g;
	bit write, had, patient, settled, asked, late, mm;

	/* the locals are reset between calls */
#define IDLE								\
	d_step {							\
		h = 0; r = 0; old = 0; todo = 0; turn = 0; write = 0;	\
		patient = 0; asked = 0; late = 0; mm = 0;		\
	};								\
	goto idle
#define CALL								\
	h = (SINGLE && g == 1 -> 1 : generation);			\
	late = (state == CLOSING);					\
	had = (may & ONCE) != 0
/* secmem_lock_wait(), with nothing held that others need */
#define wait_lock							\
	if								\
	:: atomic { !lock -> lock = 1 }					\
	:: (killed & BIT(g)) -> goto done				\
	fi

	if
	:: (may & INHERITS) ->
		/* secmem_grant_bind_wait() */
WAITS(bind):	atomic {
			bindable(g) ->
			heirs = heirs & ~BIT(g);
			dead = dead & ~BIT(g);
			leaves = leaves & ~BIT(g);
			killed = killed & ~BIT(g);
			mm_ties = mm_ties | BIT(g);
			bound = bound | BIT(g);
			threads[g]++;
			begun++;
			run ending(g, false)
		}
	:: else
	fi;

idle:
	if
	:: !mine && !had && !(may & WRITES) -> d_step { CALL }; goto acquire
	:: !mine && !had && (may & (MAY_WRITE | WRITES)) ->
		d_step { CALL; write = 1 };
		goto acquire
	:: mine -> goto release
	:: (may & MAY_TOUCH) -> goto touch
	:: (may & MAY_TOUCH) && (may & MAY_WRITE) -> write = 1; goto touch
	:: (may & MAY_ADVISE) && pte[g] -> goto advise
	:: (may & MAY_UNMAP) -> goto unmap
	:: (may & MAY_CLOSE) -> d_step { CALL }; goto close
	:: (may & MAY_REVOKE) -> d_step { CALL }; goto revoke
	:: (may & MAY_CREATE) && place_free && generation < GENERATIONS ->
		goto create
	:: !mine || (killed & BIT(g)) -> goto done
	:: mine && (may & MAY_DIE) -> killed = killed | BIT(g); goto done
	fi;

	/* secmem_access_acquire() */
acquire:
	if
#ifdef MUTANT_NEST_CLOSING
	:: !write && views[g] ->
#else
	:: !write && views[g] && state != CLOSING ->
#endif
		nest(g);
		if
		:: r == OK -> mine = h; IDLE
		:: else
		fi
	:: else
	fi;

	/* secmem_access_try(), secmem_access_lock() */
acquire_try:
#ifdef MUTANT_CACHED_VMA
	atomic { !lock -> lock = 1; readers[g]++; mm = 1 };
	if
	:: views[g] -> tables = tables | BIT(g)
	:: else
	fi;
#elif !UNMAPS
	wait_lock;
#else
	mmap_read_lock(g);
	mm = 1;
	/* secmem_entries_prepare() */
	if
	:: tree & BIT(g) -> tables = tables | BIT(g)
	:: else
	fi;
#ifdef MUTANT_ACCESS_WAITS
	atomic { !lock -> lock = 1 };
#else
	if
	:: atomic { !lock -> lock = 1; goto acquire_locked }
	:: atomic { lock -> readers[g]--; mm = 0 }
	fi;
WAITS(acquire):
	wait_lock;
	/* mmap_read_trylock() */
	if
	:: atomic { !writer[g] && !writers[g] -> readers[g]++; mm = 1 };
		if
#ifndef MUTANT_VIEW_UNPREPARED
		:: (tree & BIT(g)) && !(tables & BIT(g)) ->
			readers[g]--;
			atomic { mm = 0; turn = TURN_AGAIN; goto out }
#endif
		:: else
		fi
	:: atomic { writer[g] || writers[g] -> turn = TURN_AGAIN; goto out }
	fi;
#endif
#endif
acquire_locked:
	ask_settles(g, h, (write -> EV_HOLD_WRITE : EV_HOLD_READ));
	d_step {
		if
		:: write -> peek(h, EV_HOLD_WRITE)
		:: else -> peek(h, EV_HOLD_READ)
		fi;
#ifdef MUTANT_NO_RECHECK
		if
		:: patient && r != OK -> r = OK
		:: else
		fi;
#endif
		if
#ifdef MUTANT_CACHED_VMA
		:: r <= WAIT && !views[g] -> r = FAILED
#else
		/* secmem_view_find() */
		:: r <= WAIT && !(tree & BIT(g)) -> r = FAILED
#endif
		:: else
		fi
	};
	if
	:: r == WAIT ->
		/* secmem_waiter_begin() */
		patient = 1;
		turn = TURN_SLEEP;
#ifndef MUTANT_QUEUE_UNLOCKED
		queue[t] = h << 4 | (write -> EV_HOLD_WRITE : EV_HOLD_READ);
#endif
		excused = excused || (asked && lingers_some);
		if
		:: LINGERS && far(BIT(g)) && !asked ->
			/* a worker gets the lock, and ends what lingers */
			asked = 1;
			atomic { hand_over(SETTLE); goto outside }
		:: else -> goto out
		fi
	:: r != WAIT && r != OK -> goto out
	:: r == OK
	fi;
	/* secmem_access_begin() */
	if
	:: stands(g) && (word[g] & FROZEN) ->
		/* secmem_holder_stale(): it lingers from an earlier view */
		holder_end(g, false);
		atomic { step_drop() }
	:: else
	fi;
	if
	:: stands(g) ->
		/* a further access of this grant */
#ifdef MUTANT_COUNT_UNCHECKED
		if
		:: word_count(word[g]) == COUNT_MAX -> r = FAILED
		:: else ->
			atomic { word[g] = word[g] + 1; HELD(g, h)++ };
			r = OK
		fi;
#else
		nest(g);
#endif
		atomic {
			if
			:: r == OK -> mine = h
			:: else
			fi;
			goto out
		}
	:: else
	fi;
	/* the first one */
#ifdef MUTANT_WORD_FIRST
	atomic {
		word[g] = EMPTY(generation) | (write -> WRITE : 0) | 1;
		HELD(g, h)++
	};
#endif
#ifdef MUTANT_INSERT_UNLOCKED
	lock = 0;
#endif
	if
	:: d_step { insert(g, write) }
	:: /* a page is bad memory: only some entries were inserted */
		d_step { insert(g, write) };
		d_step { zap(g) };
#ifdef MUTANT_WORD_FIRST
		word[g] = EMPTY(generation);
		HELD(g, h)--;
#endif
#ifdef MUTANT_INSERT_UNLOCKED
		atomic { !lock -> lock = 1 };
#endif
		goto out
	fi;
#ifdef MUTANT_INSERT_UNLOCKED
	atomic { !lock -> lock = 1 };
#endif
	/* secmem_holder_begin() */
	atomic {
		holders = holders | BIT(g);
		held_ties = held_ties | BIT(g)
	};
#ifndef MUTANT_WORD_FIRST
	atomic {
		word[g] = EMPTY(generation) | (write -> WRITE : 0) |
			  (may_linger -> LINGER : 0) | 1;
		HELD(g, h)++
	};
#endif
	atomic {
		mine = h;
		if
		:: write -> step(EV_HOLD_WRITE)
		:: else -> step(EV_HOLD_READ)
		fi;
		goto out
	};

	/* secmem_access_release() */
release:
	atomic { h = mine; mine = 0 };
	unnest(g);
	if
	:: r == OK -> IDLE
	:: else
	fi;
WAITS(release):
	wait_lock;
	d_step {
		peek(h, EV_DROP_LAST);
		if
		:: r == OK && !holds(g) -> r = INVALID
		:: else
		fi
	};
	if
	:: r == OK && !(word[g] & WRITE) -> last(g)
	:: r == OK && (word[g] & WRITE) -> HELD(g, h)--
	:: else
	fi;
	if
	:: r == OK ->
		holder_end(g, false);
		atomic { step_drop() }
	:: else
	fi;
	goto out;

	/*
	 * A touch; secmem_view_fault() if there is no entry, or one that allows
	 * less
	 */
touch:
	if
	:: pte[g] && (!write || (dirty & BIT(g))) -> IDLE
	:: else
	fi;
#if !UNMAPS
	wait_lock;
#else
	mmap_read_lock(g);
	mm = 1;
	if
	:: !(tree & BIT(g)) -> readers[g]--; IDLE
	:: else
	fi;
#ifdef MUTANT_FAULT_WAITS
	atomic { !lock -> lock = 1 };
#else
	if
	:: atomic { !lock -> lock = 1 }
	:: atomic { lock && !(write && pte[g]) -> readers[g]--; mm = 0 };
		/* secmem_view_retry(); then the touch is repeated */
WAITS(touch):	wait_lock;
		goto out
	:: atomic { lock && write && pte[g] };
		/* secmem_view_mkwrite() */
		d_step { zap(g); readers[g]-- };
		IDLE
	fi;
#endif
#endif
#ifdef MUTANT_FAULT_UNCHECKED
	r = state != CLOSED;
#else
	r = state != CLOSED && holds(g) && (!write || (word[g] & WRITE));
#endif
#ifdef MUTANT_FAULT_UNLOCKED
	lock = 0;
#endif
	if
	:: r ->
		d_step { zap(g) };
		d_step { insert(g, (word[g] & WRITE)) }
	:: else
	fi;
#ifdef MUTANT_FAULT_UNLOCKED
	atomic { !lock -> lock = 1 };
#endif
	goto out;

	/*
	 * madvise(MADV_DONTNEED), mprotect: entries go without a lock of the
	 * module's
	 */
advise:
	mmap_read_lock(g);
	d_step { zap(g) };
	readers[g]--;
	IDLE;

unmap:
	munmap_or_mmap(g);
	IDLE;

	/* secmem_secret_close(); a thread that holds an access does not wait */
close:
	if
	:: !mine -> patient = 1
	:: patient = 0
	fi;
close_try:
WAITS(close):
	if
	:: atomic { !lock -> lock = 1 }
	:: (killed & BIT(g)) -> goto done
#if WORLD == 3 || WORLD == 4
	:: lock ->
		/* it gives up: secmem_secret_close_leave() */
		closing = (h > closing -> h : closing);
		if
		:: atomic {
			lock ->
			given_up = h;
#ifndef MUTANT_CLOSE_DROPPED
			errands = errands | CLOSE
#endif
		   };
		   IDLE
		:: atomic { !lock -> lock = 1; given_up = h; todo = CLOSE };
		   goto out
		fi
#endif
	fi;
	ask_settles(g, h, EV_CLOSE);
	atomic {
		peek(h, EV_CLOSE);
		if
		:: r <= WAIT -> step(EV_CLOSE)
		:: else
		fi
	};
	if
	:: r != WAIT -> goto out
	:: else
	fi;
	turn = TURN_CLOSE;
#ifndef MUTANT_QUEUE_UNLOCKED
	queue[t] = h << 4 | EV_CLOSE;
#endif
	excused = excused || (asked && lingers_some);
	if
	:: LINGERS && far(BIT(g)) && !asked ->
		asked = 1;
		atomic { hand_over(SETTLE); goto outside }
	:: else -> goto out
	fi;

	/* secmem_secret_revoke() */
revoke:
	wait_lock;
#ifdef MUTANT_REVOKE_FAR
	if
	:: h == generation -> revoke_locked()
	:: else
	fi;
#else
	if
	:: h == generation && !far(BIT(g)) -> revoke_locked()
	:: h == generation && far(BIT(g)) ->
		atomic { meant = h; hand_over(REVOKE) };
		/* secmem_secret_revoke_wait() */
		if
		:: (wiped & BIT(h)) -> IDLE
		:: (killed & BIT(g)) -> goto done
		fi
	:: else
	fi;
#endif
	goto out;

	/* secmem_place_reserve(), secmem_secret_publish() */
create:
	if
	:: atomic { place_free -> place_free = 0 }
	:: else -> IDLE
	fi;
	atomic { !lock -> lock = 1 };
	atomic {
		assert(state == CLOSED);
		generation++;
		rests = 0;
		word[0] = EMPTY(generation);
		step(EV_CREATE);
		assert(!doomed)
	};
	goto out;

	/* secmem_place_unlock(), and mmap_lock after it */
out:
	unlock();
outside:
	todo = 0;
#ifdef MUTANT_ZAP_UNLOCKED
	d_step { zap(g) };
#endif
	atomic {
		if
		:: mm -> readers[g]--; mm = 0
		:: else
		fi;
		if
		:: turn == TURN_IDLE -> IDLE
		:: turn == TURN_AGAIN -> turn = 0; goto acquire_try
		:: turn >= TURN_SLEEP -> r = 0
		fi
	};
#ifdef MUTANT_QUEUE_UNLOCKED
	queue[t] = h << 4 | (turn == TURN_CLOSE -> EV_CLOSE :
			     (write -> EV_HOLD_WRITE : EV_HOLD_READ));
#endif
	/* secmem_waiter_end() */
WAITS(sleep):
	if
	:: !queue[t] && turn == TURN_SLEEP -> turn = 0; goto acquire_try
	:: !queue[t] && turn == TURN_CLOSE -> turn = 0; goto close_try
	:: atomic { turn == TURN_CLOSE && !patient -> queue[t] = 0 };
		/* gives up */
		IDLE
	:: atomic { (killed & BIT(g)) -> queue[t] = 0 }; goto done
	fi;

done:
	atomic {
		h = 0; r = 0; old = 0; todo = 0; turn = 0; write = 0;
		patient = 0; asked = 0; late = 0; mm = 0; mine = 0;
		had = 0;
		threads[g]--;
		ended++
	}
}
