/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * While the lock is free: there is no entry without an access, and a writable
 * one only for a lone WRITE; the word, the lists and the accesses that were
 * acquired and released agree; a sleeper still has to wait, and there is an
 * access that it waits for; and no errand is left. At any time: there is no
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
	 (!(word[g] & LINGER) || LINGERS && !(word[g] & WRITE)))

/*
 * A sleeper that has asked a worker before may wait for what lingers: the tick
 * ends that.
 */
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
		/* every secret was wiped, and its place given back */
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
