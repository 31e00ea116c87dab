/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps that several processes take. Such a process has these locals: r (a
 * verdict), old (a word), h (a handle's generation), todo (errands), self (an
 * mm, or WORKER).
 */

/* secmem_place_peek() */
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
	queue[2] = 0;
	excused = 0
}

/* secmem_place_retire() */
inline retire()
{
	if
#ifdef MUTANT_RETIRE_KEPT
	:: state == CLOSED && !rests ->
#elif defined(MUTANT_RESTS_TWICE)
	:: state == CLOSED && !keepers ->
#else
	:: state == CLOSED && !rests && !keepers ->
#endif
		assert(!rests && !place_free);
		/* else exported grants had handles of it, and pointers */
		assert(!keepers);
		rests = 1;
		place_free = 1
	:: else
	fi
}

/* Whether a grant sees the secret, and so keeps it */
#define sees(g) ((keeps & BIT(g)) && secret_era >= since(g))
#if WORLD == 8
/* nobody knows yet of one that is to inherit what its exporter had dropped */
#define seen_by(g) (sees(g) && dropped[g] != generation &&		\
		    (g == 0 || let_go != generation))
#else
#define seen_by(g) sees(g)
#endif
#if GRANTS > 1
#define seen (seen_by(0) || seen_by(1))
#else
#define seen seen_by(0)
#endif
/* secmem_secret_doomed() */
#if WORLD == 8
/* secmem_secret_dropped() */
#ifdef MUTANT_DROP_COUNTS_ALONE
#define all_dropped (drops)
#else
#define all_dropped (drops && sees(0) + sees(1) <= drops)
#endif
#define doomed (!keepers && (secret_era < kept_since || all_dropped))
#else
#define doomed (!keepers && secret_era < kept_since)
#endif

/* secmem_secret_finish() */
inline finish()
{
	assert(!holders);
#if WORLD == 8
	/* no CLOSE ends it in that world */
	assert(!keepers && !seen);
#ifndef MUTANT_DROP_UNFORGOTTEN
	drops = 0;
#endif
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

/* secmem_place_step(), of an event whose verdict is OK or WAIT */
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

/* secmem_entries_zap(): reaches what is mapped. */
inline zap(g)
{
	if
	:: mapped & BIT(g) ->
		pte[g] = 0;
		dirty = dirty & ~BIT(g)
	:: else
	fi
}

/* secmem_entries_insert(): allocates no page tables under the secret's lock */
inline insert(g, writable)
{
	assert(tables & BIT(g));
	pte[g] = generation;
	if
	:: writable -> dirty = dirty | BIT(g)
	:: else
	fi
}

/* secmem_holder_end(); forced: the accesses were not released */
inline holder_end(g, forced)
{
	/* in the view of another living process, only a worker zaps */
	assert(there(g) && (self == g || self == WORKER || (dead & BIT(g))));
#ifdef MUTANT_COUNT_AFTER_ZAP
	d_step { zap(g) };
#endif
	atomic {
		if
		:: forced -> HELD(g, generation) = 0
		:: else -> assert(!HELD(g, generation))
		fi;
		word[g] = EMPTY(generation)
	};
#ifdef MUTANT_UNTIED_FIRST
	held_ties = held_ties & ~BIT(g);
#endif
#ifndef MUTANT_ZAP_UNLOCKED
	d_step { assert(there(g)); zap(g) };
#endif
	atomic {
		assert(there(g));
		holders = holders & ~BIT(g);
		held_ties = held_ties & ~BIT(g)
	}
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

/* secmem_place_settle() */
inline settle()
{
	if
	:: LINGERS ->
		settle_one(0);
#if GRANTS > 1
		settle_one(1);
#endif
		if
		:: settled -> atomic { step_drop(); settled = 0 }
		:: else
		fi
	:: else
	fi
}

/* secmem_place_peek_settled(): ends what lingers before anybody waits for it */
#if LINGERS && !defined(MUTANT_ASK_UNSETTLED)
#define ask_settles(g, handle, event)					\
	peek(handle, event);						\
	if								\
	:: r == WAIT && !far(BIT(g)) -> settle()			\
	:: else								\
	fi
#else
#define ask_settles(g, handle, event) skip
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
		:: (old & (FROZEN | WRITE | ABANDONED)) ||
#elif defined(MUTANT_NEST_FROZEN)
		:: word_generation(old) != h || (old & (WRITE | ABANDONED)) ||
#elif defined(MUTANT_NEST_WRITE)
		:: word_generation(old) != h || (old & (FROZEN | ABANDONED)) ||
#else
		:: word_generation(old) != h ||
		   (old & (FROZEN | WRITE | ABANDONED)) ||
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
			/*
			 * No new access to a closed secret; nor to a closing
			 * one, for a call that began after the closer's.
			 */
			assert(h == generation && !late);
			assert(state == READING || state == CLOSING ||
			       lock && state != CLOSED);
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

/* munmap, or mmap where there is no view */
inline munmap_or_mmap(g)
{
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
		/* secmem_view_make(), secmem_holder_any(), which takes no lock */
		atomic {
			r = (word_count(word[g]) -> BUSY : OK);
#ifndef MUTANT_VIEW_UNFROZEN
			if
			:: r == OK && stands(g) -> word[g] = word[g] | FROZEN
			:: else
			fi
#endif
		};
		if
#ifdef MUTANT_VIEW_WHILE_HELD
		:: !views[g] ->
#else
		:: r == OK && !views[g] ->
#endif
			d_step {
				/* no access of the earlier view is left */
				assert(!holds(g));
				views[g] = 1;
				tables = tables & ~BIT(g);
				tree = tree | BIT(g);
				mapped = mapped | BIT(g)
			}
		:: else
		fi;
		writer[g] = 0
	fi
}
