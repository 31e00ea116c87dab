/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errands, as lock.c, wait.c and errand.c have them, and processes that leave
 * some.
 */

/* secmem_access_abandon() */
inline abandon_one(g)
{
	if
	:: state != CLOSED && (holders & BIT(g)) && (word[g] & ABANDONED) ->
		/* never those of the mm that has bound the file since */
		assert(dead & BIT(g));
		holder_end(g, true);
		atomic { step_drop() }
	:: else
	fi
}

inline abandon()
{
	abandon_one(0);
#if GRANTS > 1
	abandon_one(1)
#endif
}

/*
 * secmem_secret_close_left(): for the secret that was meant, and no later one
 */
inline close_left()
{
	if
#ifdef MUTANT_CLOSE_ANY
	:: row_verdict[state * EVENTS + EV_CLOSE] <= WAIT ->
#else
	:: closing == generation &&
	   row_verdict[state * EVENTS + EV_CLOSE] <= WAIT ->
#endif
		assert(closing == generation);
		step(EV_CLOSE)
	:: else
	fi
}

/* secmem_errand_do(), but for REAP; secmem_place_judge() */
inline errand_do(what)
{
	if
	:: (what) & CLOSE -> atomic { close_left() }
	:: else
	fi;
	if
	:: (what) & REVOKE ->
		atomic {
			assert(meant == generation && state != CLOSED);
			meant = 0
		}
	:: else
	fi;
	if
#ifdef MUTANT_JUDGE_UNASKED
	:: (what) & (REVOKE | JUDGE) && state != CLOSED ->
#else
	:: ((what) & REVOKE) ||
	   ((what) & JUDGE) && state != CLOSED && doomed ->
#endif
		revoke_locked()
	:: ((what) & JUDGE) && state == CLOSED -> atomic { retire() }
	:: else
	fi;
	if
	:: LINGERS && ((what) & (JUDGE | SETTLE | CLOSE)) -> settle()
	:: else
	fi
}

/* secmem_errand_hand_over() */
inline hand_over(what)
{
	assert(lock && !handed);
	handed = 1;
	work = what
#ifdef MUTANT_HANDED_UNLOCKED
	;
	lock = 0
#endif
}

#ifdef MUTANT_ERRAND_FAR
#define must_hand_over false
#else
#define must_hand_over							\
	(far(0) && (LINGERS || (todo & JUDGE) && doomed))
#endif

/*
 * secmem_place_unlock(): before it, does what todo says, if anything, and what
 * was left. This includes secmem_errand_run(), so a worker may get the lock
 * instead: then todo becomes HANDED, else 0.
 */
#define HANDED 16
inline unlock()
{
	do
	:: todo ->
		if
		:: todo & REAP -> abandon()
		:: else
		fi;
		todo = todo & ~REAP;
		if
		:: must_hand_over ->
			atomic { hand_over(todo); todo = HANDED; break }
		:: else -> errand_do(todo); todo = 0
		fi
	:: atomic { !todo && errands -> todo = errands; errands = 0 }
#ifdef MUTANT_RELEASE_LOOKS_FIRST
	:: !todo && !errands -> lock = 0; break
#else
	:: atomic { !todo && !errands -> lock = 0; break }
#endif
	od
}

/* secmem_errand_unlock(): the same in a worker, which hands nothing on */
#ifdef MUTANT_WORKER_HANDS_ON
#define worker_unlock() errand_do(todo); todo = 0; unlock(); todo = 0
#else
inline worker_unlock()
{
	do
	:: todo ->
		if
		:: todo & REAP -> abandon()
		:: else
		fi;
		errand_do(todo);
		todo = 0
	:: atomic { !todo && errands -> todo = errands; errands = 0 }
	:: atomic { !todo && !errands -> lock = 0; break }
	od
}
#endif

/* secmem_errand_send(): done is 0 if the errand was left, or handed over */
inline send(what)
{
	if
#ifdef MUTANT_LEFT_WITH_NOBODY
	:: lock -> errands = errands | what; done = 0
#else
	:: atomic { lock -> errands = errands | what; done = 0 }
#endif
	:: atomic { !lock -> lock = 1; todo = what; done = 1 };
	   unlock();
	   atomic { done = !todo; todo = 0 }
	fi
}

/* For an end of accesses, or of keeping: a living thread may hold the lock. */
#ifdef MUTANT_EXIT_WAITS
#define send_at_end(what)						\
	atomic { !lock -> lock = 1; todo = what; done = 1 };		\
	unlock();							\
	todo = 0
#else
#define send_at_end(what) send(what)
#endif

/* secmem_holder_mark() */
#define mark(g) word[g] = word[g] | (stands(g) -> ABANDONED : 0)

/* secmem_vault_unkept(): the least era of a keeper; without any, a later one */
#if GRANTS > 1
#define least								\
	(keeps == 3 -> (since(0) < since(1) -> since(0) : since(1)) :	\
	 (keeps -> since(keeps - 1) : era + 1))
#else
#define least (keeps -> since(0) : era + 1)
#endif

/* secmem_errand_flush() */
inline flush_works(g)
{
#ifndef MUTANT_TICK_UNFLUSHED
	!settles;
#endif
#ifndef MUTANT_WORKER_UNFLUSHED
	atomic { flush[g] = (handed -> 2 : (works -> 1 : 0)) };
	!flush[g]
#endif
}

/*
 * secmem_grant_unkeep(), before secmem_vault_judge(); r: whether that is to
 * come
 */
inline unkept(g)
{
	atomic { !keep_lock -> keep_lock = 1; keeps = keeps & ~BIT(g) };
	atomic {
		r = (least > kept_since);
#ifdef MUTANT_KEPT_LATE
		assert(WORLD == 8);
#else
		kept_since = (r -> least : kept_since);
#endif
		keep_lock = 0
	}
}

/* secmem_grant_unkeep(); secmem_vault_judge() looks at each secret */
inline unkeep(g)
{
#if WORLD == 8
	/* secmem_grant_undrop() */
	atomic {
		!keep_lock ->
#ifndef MUTANT_DROP_STAYS_COUNTED
		drops = (drops && dropped[g] == generation -> drops - 1 : drops)
#endif
	};
#endif
	unkept(g);
#if WORLD == 8
	/* sooner in the code; here it tells the promises whom the secret has left */
	dropped[g] = 0;
#endif
	if
#if WORLD == 8
	:: r || drops ->
#else
	:: r ->
#endif
		send_at_end(JUDGE);
		if
		:: !done && doomed -> flush_works(g)
		:: else
		fi
	:: else
	fi;
#ifdef MUTANT_KEPT_LATE
	atomic { kept_since = (least > kept_since -> least : kept_since) };
#endif
	r = 0
}

/* secmem_place_unkeep() */
inline unkeep_secret()
{
	atomic { keepers--; r = !keepers };
	if
	:: r -> send_at_end(JUDGE)
	:: else
	fi;
	r = 0
}

/* The worker: secmem_errand_work() */
proctype worker()
{
	byte r, todo;
	byte self = WORKER;
	bit settled;

end:	do
	:: atomic {
		handed ->
		handed = 0;
		works = 1;
		todo = work;
		work = 0;
		flush[0] = (flush[0] == 2 -> 1 : flush[0]);
#if GRANTS > 1
		flush[1] = (flush[1] == 2 -> 1 : flush[1])
#endif
	   };
#ifdef MUTANT_HANDED_UNLOCKED
	   atomic { !lock -> lock = 1 };
#endif
	   worker_unlock();
	   atomic {
		r = 0;
		works = 0;
		flush[0] = (flush[0] == 1 -> 0 : flush[0]);
#if GRANTS > 1
		flush[1] = (flush[1] == 1 -> 0 : flush[1])
#endif
	   }
	od
}

/*
 * The tick, which comes now and then, and its worker: secmem_errand_settle().
 * In world 7, where those who wait end what lingers, it comes only if one of
 * them may wait for it.
 */
proctype tick()
{
	byte r, todo;
	byte self = WORKER;
	bit settled;

end:	do
	:: lingers_some && (WORLD != 7 || excused) ->
		settles = 1;
		if
		:: atomic { lock -> errands = errands | SETTLE }
		:: atomic { !lock -> lock = 1; todo = SETTLE };
		   worker_unlock()
		fi;
		atomic { r = 0; settles = 0 }
	od
}

/*
 * The end of an mm: secmem_mm_end(), and then the close of the view, which
 * waits for that. Or the end of a file, that is, of its last reference:
 * secmem_grant_release(). A VMA has one.
 */
proctype ending(byte g; bit file)
{
	byte r, old, h, todo, what;
	byte self = g;
	bit taken, late, done, settled;

	if
	:: !file ->
WAITS(threads):	atomic {
			!threads[g] ->
			if
			:: bound & BIT(g) ->
				leaves = leaves | BIT(g);
				dead = dead | BIT(g);
				taken = 1
			:: else -> late = 1
			fi;
			bound = bound & ~BIT(g)
		}
	:: file ->
WAITS(file):	atomic {
			!threads[g] && !(mapped & BIT(g)) &&
			!(heirs & BIT(g)) ->
			taken = (bound & BIT(g)) != 0;
#ifndef MUTANT_CLOSE_TAKES_OVER
			/* The end of the mm finishes what it has begun. */
			late = (leaves & BIT(g)) && tied(g);
#endif
			bound = bound & ~BIT(g);
			dead = dead | BIT(g)
		}
	fi;
	/* secmem_access_abandon() */
	atomic {
		if
		:: !late && stands(g) ->
#ifndef MUTANT_MARKED_LATE
			mark(g);
#endif
			what = REAP;
			goto sends
		:: else
		fi
	};
unkeeps:
	if
#if SINGLE
	:: g == 1 && file ->
		/* secmem_place_unkeep() */
		atomic { keepers--; r = !keepers }
	:: g == 1 && !file
	:: g == 0 && !late -> unkept(g)
	:: g == 0 && late
#else
	:: !late -> unkept(g)
	:: late
#endif
	fi;
	atomic {
		if
		:: r -> what = JUDGE; r = 0; goto sends
		:: else -> goto unties
		fi
	};
sends:
	send_at_end(what);
	if
	:: atomic {
		what == REAP ->
		what = 0;
#ifdef MUTANT_MARKED_LATE
		mark(g);
#endif
		done = 0;
		goto unkeeps
	   }
	:: what == JUDGE && !done && doomed && !(SINGLE && g == 1) ->
		flush_works(g)
	:: else
	fi;
unties:
	atomic {
		what = 0;
#if GRANTS == 1 && !HOG
		/*
		 * secrets that nobody else has are wiped before the exit is
		 * over
		 */
		assert(file || late || wiped == (1 << (generation + 1)) - 2);
#endif
		/* This comes last: until then nobody else can bind the file. */
		mm_ties = (taken -> mm_ties & ~BIT(g) : mm_ties);
		r = 0;
		done = 0;
		taken = 0;
		late = 0
	};
	atomic {
		if
		:: file -> files = files & ~BIT(g)
		:: else ->
			zap(g);
			tree = tree & ~BIT(g);
			mapped = mapped & ~BIT(g);
			views[g] = 0
		fi;
		ended++
	}
}

#if HOG
/* A holder of the lock that runs again some time, or never. */
proctype hog()
{
	byte r, todo;
	byte self = STRANGER;
	bit settled;

	atomic { !lock -> lock = 1 };
	if
	:: unlock(); atomic { todo = 0; r = 0 }
	:: hogged = 1;
end:		false
	fi;
	ended++
}
#endif
