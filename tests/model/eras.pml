/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * World 8: the vault's file, one of the whole vault that is exported from it,
 * and a file of one secret. Each file of the whole vault is bound twice, the
 * first time by whichever process uses it first, at any time.
 */

/*
 * A process that uses a file of the whole vault, and then the next one that
 * binds it.
 */
proctype taker(byte g)
{
	byte r, old, h, todo;
	byte self = g;
	byte mine;			/* generation of what it made, 0: none */
	bit used, done, settled;

	/* secmem_grant_bind(), secmem_grant_renew() */
bind:
	atomic {
		!keep_lock ->
		if
#ifdef MUTANT_FIRST_RENEWED
		:: true ->
#elif defined(MUTANT_SAME_ERA)
		:: false ->
#else
		:: used ->
#endif
			era++;
			since[g] = era
		:: else
		fi;
		if
		:: used ->
			older[g] = generation;
			newest[g] = (coming > generation -> coming : generation)
		:: else
		fi;
		keeps = keeps | BIT(g)
	};

idle:
	atomic { h = 0; r = 0; old = 0 };
	if
	:: h = 1; goto reach
	:: generation > 1 -> h = 2; goto reach
	:: place_free && generation < GENERATIONS -> goto create
	:: g == 0 && !(files & BIT(1)) -> goto export
	:: h = 1; goto drop
	:: generation > 1 -> h = 2; goto drop
	:: goto leave
	fi;

	/*
	 * secmem_grant_find(), without a lock; then the look with the lock held
	 */
reach:
#ifndef MUTANT_DROP_UNLOOKED
	if
	:: dropped[g] == h -> goto idle
	:: else
	fi;
#endif
	if
#ifndef MUTANT_SEES_UNCHECKED
	:: since(g) && generation == h ->
		if
		:: secret_era < since(g) ->
			/*
			 * it reaches what it made, and what it saw at its
			 * binding
			 */
			assert(h != mine && h <= newest[g]);
			goto idle
		:: else
		fi
#endif
	:: else
	fi;
	atomic {
		!lock -> lock = 1;
		peek(h, EV_COPY_OUT);
		/* it reaches nothing older, and what it made itself */
		assert(r != OK || h > older[g]);
		assert(r != OK || h != dropped[g]);
		assert(r != OK || g == 0 || h != let_go);
		assert(r == OK || h != mine)
	};
	unlock();
	goto idle;

	/* secmem_secret_drop() */
drop:
	if
	:: generation == h && secret_era < since(g) || dropped[g] == h ->
		goto idle
	:: else
	fi;
	atomic { !lock -> lock = 1; r = 0 };
	if
	:: state != CLOSED && generation == h ->
		atomic { !keep_lock -> dropped[g] = h; drops++; r = 1 }
	:: else
	fi;
	unlock();
	if
	:: r ->
		send(JUDGE);
		r = 0;
		mine = (mine == h -> 0 : mine)
	:: else
	fi;
	goto idle;

	/* secmem_place_reserve(), secmem_secret_publish() */
create:
	if
	:: atomic { place_free -> place_free = 0 }
	:: else -> goto idle
	fi;
	atomic { !lock -> lock = 1; assert(state == CLOSED) };
	atomic { secret_era = era; coming = generation + 1 };
	generation++;
	atomic {
		mine = generation;
		rests = 0;
		word[0] = EMPTY(generation);
		step(EV_CREATE);
		/* so the module need not check that there */
		assert(!doomed)
	};
	unlock();
	goto idle;

	/* secmem_grant_keep(): an exported file sees what its exporter sees */
export:
	atomic {
		!keep_lock ->
		files = files | BIT(1);
#ifndef MUTANT_EXPORT_SEES_ALL
		since[1] = since[0];
#endif
		older[1] = older[0];
		newest[1] = newest[0];
		keeps = keeps | BIT(1);
		let_go = dropped[0];
		begun++
	};
	/* secmem_drop_inherit() */
#ifndef MUTANT_DROP_UNINHERITED
	if
	:: dropped[g] ->
		atomic { !lock -> lock = 1 };
		if
		:: state != CLOSED && generation == dropped[g] ->
			atomic { !keep_lock -> dropped[1] = dropped[g]; drops++; r = 1 }
		:: else
		fi;
		unlock();
		if
		:: r -> send(JUDGE); r = 0
		:: else
		fi
	:: else
	fi;
#endif
	run taker(1);
	goto idle;

	/*
	 * secmem_mm_end(); then the next process binds the file, if there is
	 * one
	 */
leave:
	mine = 0;
	unkeep(g);
	if
	:: !used -> used = 1; goto bind
	:: used
	fi;
	atomic { h = 0; r = 0; old = 0; used = 0; done = 0; ended++ }
}

/* Whoever has a grant of the first secret, for as long as it likes. */
proctype single()
{
	byte r, old, h, todo;
	byte self = 1;
	bit done, settled;

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
	atomic { done = 0; ended++ }
}
