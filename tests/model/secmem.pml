/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of module/*.c for spin: one place of a vault, the secrets that it
 * serves one after the other, up to two grants, and threads that do with them
 * whatever they like, in every order. It takes the locks and the steps that
 * the module takes, as its functions do (their names stand beside), and its
 * table of transitions. What the module does without the secret's lock, a
 * nest, an unnest, a zap by munmap or madvise, comes between any two of them.
 *
 * WORLD says who is there:
 *	1	three threads of one process, through the vault's first grant
 *	2	the same, with places that are used again, but a view that stays
 *	3	two of them, and a process with an exported grant of the secret
 *	4	one of them, and two with an exported grant of the whole vault
 *	5	two processes like that, both killed, with and without their views
 *	6	three threads of one process, a secret that lingers, and the tick
 *	7	one of them, and two with an exported grant of the whole vault, so
 *	8	two files of the whole vault, each used by one process after the
 *		other, and a process with an exported grant of the secret
 *
 * Each -DMUTANT_... takes one guard away; spin must then find a way to break
 * a promise.
 */
#include "../../module/lifecycle.h"

#ifndef WORLD
#define WORLD 1
#endif
#define SINGLE (WORLD == 3)		/* grant 1 is of one secret */
#define LINGERS (WORLD == 6 || WORLD == 7)
#if WORLD < 3 || WORLD == 6
#define GRANTS 1
#else
#define GRANTS 2
#endif
#if WORLD == 8
#define ENDS 3				/* two files of all, one of the secret */
#else
#define ENDS ((WORLD == 5 -> 2 : 3) + 2 * GRANTS)
#endif
#if WORLD == 1 || LINGERS
#define GENERATIONS 1
#else
#define GENERATIONS 2
#endif

/* The table, as module/lifecycle.h has it. */
#define CLOSED 0
#define OPEN 1
#define READING 2
#define WRITING 3
#define CLOSING 4

#define EVENTS 10
#define EV_CREATE 0
#define EV_HOLD_READ 1
#define EV_HOLD_WRITE 2
#define EV_COPY_OUT 3
#define EV_COPY_IN 4
#define EV_DROP 5
#define EV_DROP_LAST 6
#define EV_SEAL 7
#define EV_CLOSE 8
#define EV_REVOKE 9

#define OK 0
#define WAIT 1
#define REVOKED 2
#define BUSY 3
#define INVALID 4
#define FAILED 5			/* ENXIO, EMFILE, ENOMEM, EAGAIN, EINTR */

hidden byte row_next[50];
hidden byte row_verdict[50];

#define ROW(from, event, to, what)				\
	row_next[from * EVENTS + EV_##event] = to;		\
	row_verdict[from * EVENTS + EV_##event] = what;

/* struct secmem_secret */
bit lock;
byte state, generation;
byte holders;				/* who is on the list: 1 << grant */
byte queue[3];				/* who sleeps: generation << 4 | event */
byte keepers;				/* grants of it alone */
byte secret_era;			/* of the vault, when it was published */
bit place_free;				/* on the vault's free list */

/* struct secmem_vault */
bit keep_lock;
byte era, kept_since;
bit first_gone;				/* vault->first is NULL */

/* struct secmem_holder's word */
#define COUNT 3
#define COUNT_MAX 2			/* nests no further */
#define WRITE 4
#define FROZEN 8
#define LINGER 128
#define EMPTY(gen) ((gen) << 4)
#define word_count(w) ((w) & COUNT)
#define word_stands(w) ((w) & (COUNT | LINGER))
#define word_generation(w) (((w) & ~LINGER) >> 4)
byte word[GRANTS];

/* struct secmem_grant */
byte by_grant;				/* whose record is on that list, as the
					 * grant sees it without the lock: 1 << grant
					 */
byte bound, keeps;			/* 1 << grant */
#if WORLD == 8
byte since[GRANTS];
#else
#define since(g) 0
#endif
byte references[GRANTS];
byte views[GRANTS];

/* mm: grant g answers mm g */
byte readers[GRANTS];			/* mmap_lock */
bit writer[GRANTS];
byte writers[GRANTS];			/* in line: new readers queue behind */
bit flip[GRANTS];
byte threads[GRANTS];
byte killed;				/* 1 << mm: nobody waits there */
byte tree, mapped;			/* VMA in the tree; its page tables stand */
byte pte[GRANTS];			/* generation of the page, 0: none */
byte dirty;				/* it is writable: 1 << grant */

/* What only the promises look at. */
byte held[GRANTS * 3];			/* accesses, by generation */
byte wiped;				/* 1 << generation */
byte ended;
#if WORLD == 8
#define since(g) since[g]
byte older[GRANTS];			/* what was published before it was bound */
#endif

#define BIT(g) (1 << (g))
/*
 * secmem_holder_own(). A further grant of the vault has its record from its
 * first access on; before, the word that it would have holds nothing either.
 */
#define own(g) ((g) != 0 || !first_gone)
/* secmem_access_find() */
#define holds(g) (own(g) && word_count(word[g]))
/* secmem_holder_find() */
#define stands(g) (own(g) && word_stands(word[g]))
/* secmem_holder_begin(): who has nobody waiting */
#ifdef MUTANT_LINGER_BEFORE_WAITERS
#define may_linger (LINGERS && !write)
#else
#define may_linger (LINGERS && !write && !queue[0] && !queue[1] && !queue[2])
#endif
#if GRANTS > 1
#define lingers_some ((word[0] | word[1]) & LINGER)
#else
#define lingers_some (word[0] & LINGER)
#endif
#define HELD(g, h) held[(g) * 3 + (h)]

/* hidden, because it is used within one step alone */
hidden byte was;

/* secmem_secret_peek() */
inline peek(handle, event)
{
	if
	:: handle != generation -> r = REVOKED
	:: else -> r = row_verdict[state * EVENTS + event]
	fi
}

inline wake_all()
{
	queue[0] = 0;
	queue[1] = 0;
	queue[2] = 0
}

/* secmem_vault_retire() */
inline retire()
{
	if
#ifdef MUTANT_RETIRE_KEPT
	:: state == CLOSED ->
#else
	:: state == CLOSED && !keepers ->
#endif
		assert(!place_free);
		place_free = 1
	:: else
	fi
}

/* Who sees it, and keeps it */
#define seen_by(g) ((keeps & BIT(g)) && secret_era >= since(g))
#if GRANTS > 1
#define seen (seen_by(0) || seen_by(1))
#else
#define seen seen_by(0)
#endif
/* secmem_secret_doomed() */
#define doomed (!keepers && secret_era < kept_since)

/* secmem_secret_finish() */
inline finish()
{
	assert(!holders);
#if WORLD == 8
	/* nobody closes it there */
	assert(!keepers && !seen);
#endif
	assert(pte[0] != generation);
#if GRANTS > 1
	assert(pte[1] != generation);
#endif
	assert(!(wiped & BIT(generation)));
	wiped = wiped | BIT(generation);
	word[0] = EMPTY(generation) | FROZEN;
#ifndef MUTANT_NO_WAKE_AT_END
	wake_all();
#endif
	retire()
}

/* secmem_secret_step(), of an event whose verdict is OK or WAIT */
inline step(event)
{
	was = state;
	if
	:: row_verdict[was * EVENTS + event] <= WAIT ->
		state = row_next[was * EVENTS + event]
	:: else
	fi;
	if
	:: state == was
	:: state != was && state == CLOSED -> finish()
	:: state != was && state != CLOSED ->
		if
#ifndef MUTANT_NO_WAKE
		:: state == CLOSING || event == EV_DROP_LAST -> wake_all()
#endif
		:: else
		fi
	fi
}

inline step_drop()
{
	if
#ifndef MUTANT_DROP_IS_LAST
	:: holders -> step(EV_DROP)
#endif
	:: else -> step(EV_DROP_LAST)
	fi
}

/* secmem_view_zap(): reaches what is mapped. */
inline zap(g)
{
	if
	:: mapped & BIT(g) ->
		pte[g] = 0;
		dirty = dirty & ~BIT(g)
	:: else
	fi
}

/* secmem_view_insert() */
inline insert(g, writable)
{
	pte[g] = generation;
	if
	:: writable -> dirty = dirty | BIT(g)
	:: else
	fi
}

/* secmem_holder_end(); forced where accesses end that nobody gave back */
inline holder_end(g, forced)
{
	assert(references[g]);
#ifdef MUTANT_COUNT_AFTER_ZAP
	d_step { zap(g) };
#endif
	atomic {
		if
		:: forced -> HELD(g, generation) = 0
		:: else -> assert(!HELD(g, generation))
		fi;
		word[g] = EMPTY(generation) | (word[g] & FROZEN)
	};
#ifndef MUTANT_ZAP_UNLOCKED
	d_step { zap(g) };
#endif
	atomic {
		holders = holders & ~BIT(g);
		by_grant = by_grant & ~BIT(g)
	};
#ifdef MUTANT_GRANT_AFTER_UNLINK
	assert(references[g]);
	assert(own(g));
#endif
}

/* secmem_holder_settle() */
inline settle_one(g)
{
	if
	:: state != CLOSED && (word[g] & LINGER) ->
#ifdef MUTANT_SETTLE_IN_TWO
		r = word_count(word[g]);
		word[g] = word[g] & ~LINGER;
#else
		atomic {
			r = word_count(word[g]);
			word[g] = word[g] & ~LINGER
		};
#endif
		if
		:: !r ->
			holder_end(g, false);
			settled = 1
		:: else
		fi
	:: else
	fi
}

/* secmem_access_settle() */
inline settle()
{
	settle_one(0);
#if GRANTS > 1
	settle_one(1);
#endif
	if
	:: settled -> atomic { step_drop(); settled = 0 }
	:: else
	fi
}

/* secmem_secret_ask(): who would wait looks again when nothing lingers */
#if LINGERS && !defined(MUTANT_ASK_UNSETTLED)
#define ask_settles(handle, event)					\
	peek(handle, event);						\
	if								\
	:: r == WAIT -> settle()					\
	:: else								\
	fi
#else
#define ask_settles(handle, event) skip
#endif

/* secmem_secret_revoke_locked() */
inline revoke_locked()
{
	if
	:: state != CLOSED ->
		if
		:: holders & BIT(0) -> holder_end(0, true)
		:: else
		fi;
#if GRANTS > 1
		if
		:: holders & BIT(1) -> holder_end(1, true)
		:: else
		fi;
#endif
		atomic { step(EV_REVOKE) }
	:: else
	fi
}

inline mmap_read_lock(m)
{
	atomic { !writer[m] && !writers[m] -> readers[m]++ }
}

inline mmap_write_lock(m)
{
	writers[m]++;
	atomic { !writer[m] && !readers[m] -> writer[m] = 1; writers[m]-- }
}

/* secmem_holder_nest(): r is OK where it nested */
inline nest(g)
{
	do
	:: atomic {
		old = word[g];
		if
#ifdef MUTANT_NEST_GENERATION
		:: (old & (FROZEN | WRITE)) ||
#elif defined(MUTANT_NEST_FROZEN)
		:: word_generation(old) != h || (old & WRITE) ||
#elif defined(MUTANT_NEST_WRITE)
		:: word_generation(old) != h || (old & FROZEN) ||
#else
		:: word_generation(old) != h || (old & (FROZEN | WRITE)) ||
#endif
		   !word_stands(old) || word_count(old) == COUNT_MAX ->
			r = FAILED;
			break
		:: else
		fi
	   };
	   atomic {
		if
		:: word[g] == old ->
			word[g] = old + 1;
			HELD(g, h)++;
			r = OK;
			/* no new access to what is closed or closing */
			assert(h == generation);
			assert(state == READING || lock && state != CLOSED);
			break
		:: else
		fi
	   }
	od;
	old = 0
}

/* secmem_holder_unnest(): r is OK where it was one of several */
inline unnest(g)
{
	do
	:: atomic {
		old = word[g];
		if
#ifdef MUTANT_UNNEST_GENERATION
		:: word_count(old) < 2 ->
#elif defined(MUTANT_UNNEST_LAST)
		:: word_generation(old) != h || word_count(old) < 1 ->
#else
		:: word_generation(old) != h ||
		   word_count(old) < (old & LINGER -> 1 : 2) ->
#endif
			r = FAILED;
			break
		:: else
		fi
	   };
	   atomic {
		if
		:: word[g] == old ->
			word[g] = old - 1;
			assert(HELD(g, h));
			HELD(g, h)--;
			r = OK;
			break
		:: else
		fi
	   }
	od;
	old = 0
}

/* secmem_holder_drop(): r is OK where it was the last */
inline last(g)
{
	do
	:: atomic { old = word[g] };
	   atomic {
		if
		:: word[g] == old && !word_count(old) ->
			r = INVALID;
			break
		:: word[g] == old && word_stands(old) == 1 ->
#ifndef MUTANT_COUNT_AFTER_ZAP
			word[g] = old & ~COUNT;
#endif
			HELD(g, h)--;
			r = OK;
			break
		:: word[g] == old && word_count(old) &&
		   word_stands(old) != 1 ->
			word[g] = old - 1;
			HELD(g, h)--;
			r = FAILED;
			break
		:: else
		fi
	   }
	od;
	old = 0
}

inline unlock_both(m)
{
	atomic { lock = 0; readers[m]-- }
}

/* secmem_access_end() */
inline access_end(g)
{
	do
	:: atomic { !(by_grant & BIT(g)) -> break }
	:: atomic { (by_grant & BIT(g)) && !lock -> lock = 1 };
	   if
	   :: atomic { stands(g) -> skip };
		/* secmem_access_abandon() */
		holder_end(g, true);
		atomic { step_drop(); lock = 0 }
	   :: atomic { !stands(g) -> lock = 0 }
	   fi
	od
}

/* secmem_vault_end(): the first on the list of keepers, or later than any */
#if GRANTS > 1
#define least								\
	(keeps == 3 -> (since(0) < since(1) -> since(0) : since(1)) :	\
	 (keeps -> since(keeps - 1) : era + 1))
#else
#define least (keeps -> since(0) : era + 1)
#endif

/* secmem_grant_unkeep() */
inline unkeep(g)
{
	atomic { !keep_lock -> keep_lock = 1; keeps = keeps & ~BIT(g) };
	if
	:: least > kept_since ->
#ifdef MUTANT_KEPT_LATE
		atomic { !lock -> lock = 1 };
		if
		:: !keepers && secret_era < least -> revoke_locked()
		:: else
		fi;
		lock = 0;
		kept_since = least
#else
		kept_since = least;
		/* secmem_vault_revoke() */
		atomic { !lock -> lock = 1 };
		if
		:: doomed -> revoke_locked()
		:: else
		fi;
		lock = 0
#endif
	:: else
	fi;
	keep_lock = 0
}

/* secmem_grant_unkeep_secret() */
inline unkeep_secret()
{
	atomic { !lock -> lock = 1; keepers-- };
	if
	:: state == CLOSED -> atomic { retire() }
	:: state != CLOSED && doomed -> revoke_locked()
	:: else
	fi;
	lock = 0
}

/* What a thread may do. */
#define MAY_WRITE 1
#define MAY_TOUCH 2
#define MAY_ADVISE 4
#define MAY_UNMAP 8
#define MAY_CLOSE 16
#define MAY_REVOKE 32
#define MAY_CREATE 64
#define MAY_DIE 128			/* be killed, holding, and all of its mm */

proctype user(byte t; byte g; byte may)
{
	byte h, r, old;
	byte mine;			/* generation of what it acquired, 0: none */
	bit write, patient, settled;

	/* each call begins with what the last one left behind forgotten */
#define IDLE d_step { h = 0; r = 0; old = 0; write = 0; patient = 0 }; goto idle

idle:
	if
	:: !mine ->
		d_step { h = (SINGLE && g == 1 -> 1 : generation) };
		goto acquire
	:: !mine && (may & MAY_WRITE) ->
		d_step { h = (SINGLE && g == 1 -> 1 : generation); write = 1 };
		goto acquire
	:: mine -> goto release
	:: (may & MAY_TOUCH) -> goto touch
	:: (may & MAY_TOUCH) && (may & MAY_WRITE) -> write = 1; goto touch
	:: (may & MAY_ADVISE) && pte[g] -> goto advise
	:: (may & MAY_UNMAP) -> goto unmap
	:: (may & MAY_CLOSE) ->
		d_step { h = (SINGLE && g == 1 -> 1 : generation) };
		goto close
	:: (may & MAY_REVOKE) ->
		d_step { h = (SINGLE && g == 1 -> 1 : generation) };
		goto revoke
	:: (may & MAY_CREATE) && place_free && generation < GENERATIONS ->
		goto create
	:: !mine || (killed & BIT(g)) -> goto done
	:: mine && (may & MAY_DIE) -> killed = killed | BIT(g); goto done
	fi;

	/* secmem_access_acquire() */
acquire:
	if
	:: own(g) && !write && views[g] ->
		nest(g);
		if
		:: r == OK -> mine = h; IDLE
		:: else
		fi
	:: else
	fi;

	/* secmem_access_try() */
acquire_try:
#ifdef MUTANT_CACHED_VMA
	atomic { !lock -> lock = 1; readers[g]++ };
#else
	mmap_read_lock(g);
	atomic { !lock -> lock = 1 };
#endif
	ask_settles(h, (write -> EV_HOLD_WRITE : EV_HOLD_READ));
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
#ifdef MUTANT_QUEUE_UNLOCKED
		unlock_both(g);
		queue[t] = h << 4 | (write -> EV_HOLD_WRITE : EV_HOLD_READ);
#else
		/* secmem_secret_wait_begin() */
		queue[t] = h << 4 | (write -> EV_HOLD_WRITE : EV_HOLD_READ);
		unlock_both(g);
#endif
		patient = 1;
		if
		:: !queue[t] -> goto acquire_try
		:: atomic { (killed & BIT(g)) -> queue[t] = 0 }; goto done
		fi
	:: r != WAIT && r != OK ->
		unlock_both(g);
		IDLE
	:: r == OK && stands(g) ->
		/* secmem_access_begin(), on top of another one */
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
			unlock_both(g)
		};
		IDLE
	:: r == OK && !stands(g)
	fi;
	/* secmem_access_begin(), the first one */
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
	:: /* no memory for page tables, or only for some */
		d_step { insert(g, write) };
		d_step { zap(g) };
#ifdef MUTANT_WORD_FIRST
		word[g] = EMPTY(generation);
		HELD(g, h)--;
#endif
#ifdef MUTANT_INSERT_UNLOCKED
		atomic { !lock -> lock = 1 };
#endif
		unlock_both(g);
		IDLE
	fi;
#ifdef MUTANT_INSERT_UNLOCKED
	atomic { !lock -> lock = 1 };
#endif
	/* secmem_holder_begin() */
	atomic {
		holders = holders | BIT(g);
		by_grant = by_grant | BIT(g)
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
		unlock_both(g)
	};
	IDLE;

	/* secmem_access_release() */
release:
	atomic { h = mine; mine = 0 };
	if
	:: own(g) ->
		unnest(g);
		if
		:: r == OK -> IDLE
		:: else
		fi
	:: else
	fi;
	atomic { !flip[g] -> flip[g] = 1 };
	atomic { !lock -> lock = 1 };
#ifdef MUTANT_LOCK_ORDER
	mmap_read_lock(g);
	readers[g]--;
#endif
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
	atomic { lock = 0; flip[g] = 0 };
#ifdef MUTANT_ZAP_UNLOCKED
	d_step { zap(g) };
#endif
	IDLE;

	/* A touch; secmem_view_fault() where no entry, or a lesser one, stands */
touch:
	if
	:: pte[g] && (!write || (dirty & BIT(g))) -> IDLE
	:: else
	fi;
	mmap_read_lock(g);
	if
	:: !(tree & BIT(g)) -> readers[g]--; IDLE
	:: else
	fi;
	atomic { !lock -> lock = 1 };
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
	unlock_both(g);
	IDLE;

	/* madvise(MADV_DONTNEED), mprotect: entries go without a lock of ours */
advise:
	mmap_read_lock(g);
	d_step { zap(g) };
	readers[g]--;
	IDLE;

	/* munmap, or mmap where there is no view */
unmap:
	mmap_write_lock(g);
	if
	:: tree & BIT(g) ->
		tree = tree & ~BIT(g);
		d_step { writer[g] = 0; readers[g]++ };
		d_step { zap(g); mapped = mapped & ~BIT(g) };
		/* secmem_view_close() */
		views[g]--;
		readers[g]--
	:: else ->
		/* secmem_view_mmap(), where secmem_access_any() says no */
#if LINGERS
		atomic { !lock -> lock = 1 };
		settle();
		lock = 0;
#endif
		if
#ifdef MUTANT_VIEW_WHILE_HELD
		:: true ->
#else
		:: !(by_grant & BIT(g)) ->
#endif
			if
			:: !views[g] ->
				d_step {
					/* what stood there is of the past */
					assert(!(by_grant & BIT(g)));
					views[g] = 1;
					tree = tree | BIT(g);
					mapped = mapped | BIT(g)
				}
			:: else
			fi
		:: else
		fi;
		writer[g] = 0
	fi;
	IDLE;

	/* secmem_secret_close(); who holds an access itself does not wait */
close:
	if
	:: !mine -> patient = 1
	:: patient = 0
	fi;
close_try:
	atomic { !lock -> lock = 1 };
	ask_settles(h, EV_CLOSE);
	atomic {
		peek(h, EV_CLOSE);
		if
		:: r <= WAIT -> step(EV_CLOSE)
		:: else
		fi
	};
	if
	:: r != WAIT -> lock = 0; IDLE
	:: else
	fi;
#ifndef MUTANT_NO_FREEZE
	/* secmem_access_freeze() */
	if
	:: holders & BIT(0) -> word[0] = word[0] | FROZEN
	:: else
	fi;
#if GRANTS > 1
	if
	:: holders & BIT(1) -> word[1] = word[1] | FROZEN
	:: else
	fi;
#endif
#endif
#ifdef MUTANT_QUEUE_UNLOCKED
	lock = 0;
	queue[t] = h << 4 | EV_CLOSE;
#else
	queue[t] = h << 4 | EV_CLOSE;
	lock = 0;
#endif
	if
	:: !queue[t] -> goto close_try
	:: atomic { !patient -> queue[t] = 0 }; IDLE	/* gives up */
	:: atomic { (killed & BIT(g)) -> queue[t] = 0 }; goto done
	fi;

	/* secmem_secret_revoke() */
revoke:
	atomic { !lock -> lock = 1 };
	if
	:: h == generation -> revoke_locked()
	:: else
	fi;
	lock = 0;
	IDLE;

	/* secmem_vault_reserve(), secmem_secret_publish() */
create:
	if
	:: atomic { place_free -> place_free = 0 }
	:: else -> IDLE
	fi;
	atomic { !lock -> lock = 1 };
	atomic {
		assert(state == CLOSED);
		generation++;
		word[0] = EMPTY(generation);
		step(EV_CREATE);
		lock = 0
	};
	IDLE;

done:
	atomic { h = 0; r = 0; old = 0; write = 0; patient = 0; mine = 0; threads[g]--; ended++ }
}

/* secmem_linger_tick(), now and then */
proctype tick()
{
	byte r, h;
	bit settled;

end:	do
	:: atomic { !lock && lingers_some -> lock = 1 };
	   settle();
	   lock = 0
	od
}

/* The end of an mm: secmem_mm_release(), then exit_mmap(). */
proctype mm_end(byte g)
{
	byte r, old, h;
	bit taken;

	!threads[g];
	d_step {
		if
		:: bound & BIT(g) ->
			bound = bound & ~BIT(g);
			references[g]++;
			taken = 1
		:: else
		fi
	};
	if
	:: taken ->
		access_end(g);
		unkeep(g);
		references[g]--
	:: else
	fi;
	d_step {
		zap(g);
		tree = tree & ~BIT(g);
		mapped = mapped & ~BIT(g);
		views[g] = 0
	};
	ended++
}

/* The last reference of a file: secmem_grant_release(). A VMA has one. */
proctype file_end(byte g)
{
	byte r, old, h;

	!threads[g] && !(mapped & BIT(g));
	bound = bound & ~BIT(g);
	access_end(g);
	if
	:: SINGLE && g == 1 ->
		unkeep_secret()
	:: else -> unkeep(g)
	fi;
	atomic {
		if
		:: g == 0 -> first_gone = 1
		:: else
		fi;
		references[g]--;
		ended++
	}
}

#if WORLD == 8
/* A file of all: what its first process does with it, and what the second does. */
proctype taker(byte g)
{
	byte r, old, h;
	byte mine;			/* generation of what it made, 0: none */
	bit again;

idle:
	atomic { h = 0; r = 0; old = 0 };
	if
	:: h = 1; goto reach
	:: generation > 1 -> h = 2; goto reach
	:: place_free && generation < GENERATIONS -> goto create
	:: goto leave
	fi;

	/* secmem_grant_find(), without a lock; then under it */
reach:
	if
#ifndef MUTANT_SEES_UNCHECKED
	:: since(g) && generation == h ->
		if
		:: secret_era < since(g) ->
			assert(h != mine);
			goto idle
		:: else
		fi
#endif
	:: else
	fi;
	atomic {
		!lock -> lock = 1;
		peek(h, EV_COPY_OUT);
		/* what is older it does not reach, and its own it does */
		assert(r != OK || h > older[g]);
		assert(r == OK || h != mine);
		lock = 0
	};
	goto idle;

	/* secmem_vault_reserve(), secmem_secret_publish() */
create:
	if
	:: atomic { place_free -> place_free = 0 }
	:: else -> goto idle
	fi;
	atomic { !lock -> lock = 1; assert(state == CLOSED) };
	secret_era = era;
	generation++;
	atomic {
		mine = generation;
		word[0] = EMPTY(generation);
		step(EV_CREATE);
		/* so need not be looked at there */
		assert(!doomed);
		lock = 0
	};
	goto idle;

	/* secmem_mm_release(); secmem_grant_bind() by the next */
leave:
	mine = 0;
	unkeep(g);
	if
	:: !again ->
		atomic {
			!keep_lock ->
#ifndef MUTANT_SAME_ERA
			era++;
#endif
			since[g] = era;
			older[g] = generation;
			keeps = keeps | BIT(g);
			again = 1
		};
		goto idle
	:: else
	fi;
	atomic { h = 0; r = 0; old = 0; again = 0; ended++ }
}

/* Whoever has a grant of the first secret, for as long as it likes. */
proctype single()
{
	byte r, old, h;

	do
	:: atomic {
		!lock ->
		peek(1, EV_COPY_OUT);
		assert(r == OK)
	   }
	:: break
	od;
	r = 0;
	unkeep_secret();
	ended++
}
#endif

/*
 * With the lock free: no entry without an access, and a writable one alone; the
 * word, the lists and what was acquired and released agree; who sleeps would
 * have to wait now, and so there is an access to wait for. And at any time: no
 * entry where nothing is mapped.
 */
#define entries_good(g)							\
	((!pte[g] || word_stands(word[g]) && pte[g] == generation) &&	\
	 (!(dirty & BIT(g)) || (word[g] & WRITE) && holders == BIT(g)))

#define word_good(g)							\
	(word_count(word[g]) == HELD(g, generation) &&			\
	 (generation < 2 || !HELD(g, 1)) &&				\
	 (!word_count(word[g]) || word_generation(word[g]) == generation) && \
	 word_count(word[g]) <= COUNT_MAX &&				\
	 !(holders & BIT(g)) == !word_stands(word[g]) &&		\
	 (!(word[g] & LINGER) || LINGERS && !(word[g] & WRITE)) &&	\
	 !(by_grant & BIT(g)) == !(holders & BIT(g)) &&			\
	 (state != CLOSING || !word_count(word[g]) || (word[g] & FROZEN)))

#define sleeper_good(t)							\
	(!queue[t] ||							\
	 (queue[t] >> 4) == generation && holders &&			\
	 !lingers_some &&						\
	 row_verdict[state * EVENTS + (queue[t] & 15)] == WAIT)

#if GRANTS > 1
#define each_grant(good) (good(0) && good(1))
#else
#define each_grant(good) (good(0))
#endif
#define mapped_good(g) (!pte[g] || (mapped & BIT(g)))

/* Never true: names that spin prints. */
hidden byte entry_needs_access, entry_needs_mapping, accesses_are_counted;
hidden byte sleeper_waits_for_somebody, state_tells_who_holds;
hidden byte secret_needs_keeper;

active proctype monitor()
{
end:	do
	:: atomic {
		!lock && !each_grant(entries_good) ->
		assert(entry_needs_access)
	   }
	:: atomic {
		!each_grant(mapped_good) -> assert(entry_needs_mapping)
	   }
	:: atomic {
		!lock && generation && !each_grant(word_good) ->
		assert(accesses_are_counted)
	   }
	:: atomic {
		!lock && !(sleeper_good(0) && sleeper_good(1) &&
			   sleeper_good(2)) ->
		assert(sleeper_waits_for_somebody)
	   }
	:: atomic {
		!lock && !holders != (state == CLOSED || state == OPEN) ->
		assert(state_tells_who_holds)
	   }
#if WORLD == 8
	:: atomic {
		!lock && !keep_lock && state != CLOSED && !keepers && !seen ->
		assert(secret_needs_keeper)
	   }
#endif
	:: atomic {
		ended == ENDS ->
		/* all that was ever created was wiped */
		assert(wiped == (1 << (generation + 1)) - 2);
		assert(place_free && !references[0]);
		ended++
	   }
	od
}

init {
	atomic {
		SECMEM_LIFECYCLE(ROW)
		generation = 1;
		word[0] = EMPTY(1);
		state = OPEN;
		bound = (1 << GRANTS) - 1;
		tree = bound;
		mapped = bound;
		views[0] = 1;
		references[0] = 1;
		keeps = 1;
#if WORLD == 8
		references[0] = 0;
		keeps = 3;
		keepers = 1;
		run taker(0);
		run taker(1);
		run single();
#else
#if GRANTS == 1
		threads[0] = 3;
#if WORLD == 1
		run user(0, 0, MAY_WRITE | MAY_TOUCH | MAY_UNMAP | MAY_CLOSE);
		run user(1, 0, MAY_TOUCH | MAY_ADVISE);
		run user(2, 0, MAY_CLOSE);
#elif LINGERS
		run user(0, 0, MAY_WRITE | MAY_UNMAP);
		run user(1, 0, MAY_TOUCH | MAY_ADVISE);
		run user(2, 0, MAY_CLOSE);
#else
		run user(0, 0, MAY_CREATE | MAY_CLOSE);
		run user(1, 0, MAY_WRITE);
		run user(2, 0, MAY_REVOKE);
#endif
#else
		views[1] = 1;
		references[1] = 1;
#if SINGLE
		keepers = 1;
		word[1] = EMPTY(1);
		threads[0] = 2;
		threads[1] = 1;
		run user(0, 0, MAY_WRITE | MAY_UNMAP | MAY_CREATE);
		run user(1, 0, MAY_CLOSE);
		run user(2, 1, MAY_WRITE | MAY_TOUCH | MAY_REVOKE | MAY_DIE);
#else
		keeps = 3;
		threads[0] = 1;
#if WORLD == 5
		threads[1] = 1;
		run user(0, 0, MAY_UNMAP | MAY_REVOKE | MAY_DIE);
		run user(1, 1, MAY_UNMAP | MAY_WRITE | MAY_CLOSE | MAY_DIE);
#elif LINGERS
		threads[1] = 2;
		run user(0, 0, 0);
		run user(1, 1, 0);
		run user(2, 1, MAY_WRITE);
#else
		threads[1] = 2;
		run user(0, 0, MAY_CREATE | MAY_REVOKE);
		run user(1, 1, MAY_WRITE | MAY_TOUCH | MAY_DIE);
		run user(2, 1, MAY_CLOSE);
#endif
#endif
		run mm_end(1);
		run file_end(1);
#endif
#if LINGERS
		run tick();
#endif
		run mm_end(0);
		run file_end(0)
#endif
	}
}
