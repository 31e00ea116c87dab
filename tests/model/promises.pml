/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * With the lock free: no entry without an access, and a writable one alone; the
 * word, the lists and what was acquired and released agree; who sleeps would
 * have to wait now, and so there is an access to wait for; nothing is left to be
 * done. And at any time: no entry where nothing is mapped.
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
	 (!(word[g] & LINGER) || LINGERS && !(word[g] & WRITE)))

/* Who asked a worker once, and meets more that lingers, waits for the tick. */
#define sleeper_good(t)							\
	(!queue[t] ||							\
	 (queue[t] >> 4) == generation && holders &&			\
	 (excused || !lingers_some) &&				\
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
hidden byte errand_needs_somebody, closer_leaves_it_closing;

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
	:: atomic {
		!lock && (errands || handed) -> assert(errand_needs_somebody)
	   }
	:: atomic {
		!lock && given_up == generation && state != CLOSING &&
		state != CLOSED ->
		assert(closer_leaves_it_closing)
	   }
	:: atomic {
		ended == begun && begun && !lock && !settles ->
		/* all that was ever created was wiped, and all given back */
		assert(wiped == (1 << (generation + 1)) - 2);
		assert(place_free);
#if WORLD != 8
		assert(!there(0));
#if GRANTS > 1
		assert(!there(1));
#endif
#endif
		ended++
	   }
	od
}
