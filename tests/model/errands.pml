/* SPDX-License-Identifier: GPL-2.0-only */
/* Errands, as lock.c, wait.c and errand.c have them, and who leaves some. */

/* secmem_access_abandon() */
inline abandon_one(g)
{
	if
	:: state != CLOSED && (holders & BIT(g)) && (word[g] & ABANDONED) ->
		/* never those of the mm that binds the file next */
		assert(dead & BIT(g));
		holder_end(g, true);
		atomic { step_drop() }
	:: else
	fi
}

/* secmem_errand_do() */
inline errand_do(what)
{
	if
	:: (what) & ABANDON ->
		abandon_one(0);
#if GRANTS > 1
		abandon_one(1)
#endif
	:: else
	fi;
	if
	:: (what) & REVOKE ->
		/* of the secret that was meant, and of no later one */
		assert(meant == generation && state != CLOSED);
		revoke_locked()
	:: else
	fi;
	if
	:: (what) & JUDGE -> judge()
	:: else
	fi;
	if
	:: LINGERS && ((what) & (JUDGE | SETTLE)) -> settle()
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
 * secmem_secret_unlock(): first what is to be done before it, if anything. With
 * secmem_errand_run() around, so that a worker may have the lock instead: then
 * todo is HANDED, else 0.
 */
#define HANDED 16
inline unlock()
{
	do
	:: todo ->
		if
		:: todo & ABANDON -> errand_do(ABANDON)
		:: else
		fi;
		todo = todo & ~ABANDON;
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

/* secmem_errand_unlock(): a worker hands nothing on */
#ifdef MUTANT_WORKER_HANDS_ON
#define worker_unlock() unlock(); todo = 0
#else
inline worker_unlock()
{
	do
	:: atomic { errands -> todo = errands; errands = 0 };
	   errand_do(todo);
	   todo = 0
	:: atomic { !errands -> lock = 0; break }
	od
}
#endif

/* secmem_errand_send(): done is false where it is left, or handed over */
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

/* Whoever ends accesses, or keeping, that a living thread may hold the lock of */
#ifdef MUTANT_EXIT_WAITS
#define send_at_end(what)						\
	atomic { !lock -> lock = 1; todo = what; done = 1 };		\
	unlock();							\
	todo = 0
#else
#define send_at_end(what) send(what)
#endif

/* secmem_access_end(), with secmem_holder_mark() */
inline access_end(g)
{
#ifdef MUTANT_MARKED_LATE
	if
	:: atomic { stands(g) -> skip };
	   send_at_end(ABANDON);
	   atomic { word[g] = word[g] | (stands(g) -> ABANDONED : 0) }
#else
	if
	:: atomic { stands(g) -> word[g] = word[g] | ABANDONED };
	   send_at_end(ABANDON)
#endif
	:: atomic { !stands(g) -> skip }
	fi
}

/* secmem_vault_unkept(): the first on the list of keepers, or later than any */
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

/* secmem_grant_unkeep(), secmem_vault_judge() */
inline unkeep(g)
{
	atomic { !keep_lock -> keep_lock = 1; keeps = keeps & ~BIT(g) };
	if
	:: least > kept_since ->
#ifdef MUTANT_KEPT_LATE
		keep_lock = 0;
		atomic { !lock -> lock = 1 };
		if
		:: !keepers && secret_era < least -> revoke_locked()
		:: else
		fi;
		unlock();
		todo = 0;
		kept_since = least
#else
		atomic { kept_since = least; keep_lock = 0 };
		send_at_end(JUDGE);
		if
		:: !done && doomed -> flush_works(g)
		:: else
		fi
#endif
	:: else -> keep_lock = 0
	fi
}

/* secmem_grant_unkeep_secret() */
inline unkeep_secret()
{
	atomic {
		keepers--;
		if
		:: keepers -> goto kept
		:: else
		fi
	};
	send_at_end(JUDGE);
kept:	skip
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
	   errand_do(todo);
	   todo = 0;
	   meant = 0;
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
 * The tick, now and then, and its worker: secmem_linger_settle(). In world 7,
 * where those who wait end what lingers, it comes where somebody waits for it.
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
		:: atomic { !lock -> lock = 1 };
		   settle();
		   worker_unlock()
		fi;
		atomic { r = 0; settles = 0 }
	od
}

/* The end of an mm: secmem_mm_release(), then exit_mmap(). */
proctype mm_end(byte g)
{
	byte r, old, h, todo;
	byte self = g;
	bit taken, done, settled;

WAITS(threads):
	!threads[g];
	d_step {
		if
		:: bound & BIT(g) ->
			bound = bound & ~BIT(g);
			dead = dead | BIT(g);
			leaves = leaves | BIT(g);
			taken = 1
		:: else
		fi
	};
	if
	:: taken ->
		access_end(g);
		if
		:: SINGLE && g == 1
		:: else -> unkeep(g)
		fi;
		/* Last: until then nobody else can bind it. */
		atomic {
#if GRANTS == 1 && !HOG
			/* private secrets are wiped before the exit is over */
			assert(wiped == (1 << (generation + 1)) - 2);
#endif
			mm_ties = mm_ties & ~BIT(g)
		}
	:: else
	fi;
	d_step {
		zap(g);
		tree = tree & ~BIT(g);
		mapped = mapped & ~BIT(g);
		views[g] = 0
	};
	atomic { r = 0; done = 0; taken = 0; ended++ }
}

/* The last reference of a file: secmem_grant_release(). A VMA has one. */
proctype file_end(byte g)
{
	byte r, old, h, todo;
	byte self = g;
	bit taken, late, done, settled;

WAITS(file):
	atomic {
		!threads[g] && !(mapped & BIT(g)) && !(heirs & BIT(g)) ->
		taken = (bound & BIT(g)) != 0;
#ifndef MUTANT_CLOSE_TAKES_OVER
		/* What the mm has begun, it ends. */
		late = (leaves & BIT(g)) && tied(g);
#endif
		bound = bound & ~BIT(g);
		dead = dead | BIT(g)
	};
	if
	:: late
	:: else -> access_end(g)
	fi;
	if
	:: SINGLE && g == 1 -> unkeep_secret()
	:: else ->
		if
		:: late
		:: else -> unkeep(g)
		fi
	fi;
	if
	:: taken -> mm_ties = mm_ties & ~BIT(g)
	:: else
	fi;
	atomic {
		files = files & ~BIT(g);
		r = 0;
		done = 0;
		taken = 0;
		late = 0;
		ended++
	}
}

#if HOG
/* Who has a grant of the secret, and is scheduled as it comes, or never again. */
proctype hog()
{
	byte r, todo;
	byte self = STRANGER;
	bit settled;

	do
	:: atomic { !lock -> lock = 1 };
	   if
	   :: unlock(); atomic { todo = 0; r = 0 }
	   :: hogged = 1;
end:		false
	   fi
	:: break
	od;
	ended++
}
#endif
