/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of module/switch.c for spin: calls that wait to turn a READ access into
 * the WRITE access, and accesses that end meanwhile, with the secret's lock or by an
 * exchange of their holder's word alone. What closes or seals a secret, and what
 * lingers, is not modelled.
 *
 * WORLD says who is there:
 *
 *	15	two calls of one grant, and a third access of it that ends
 *	16	a call of each of two grants, and a further access of one of them
 */
#ifndef WORLD
#define WORLD 15
#endif
#define GRANTS 2
#define RAISERS 2
#if WORLD == 15
#define GRANT_OF(t) 0
#else
#define GRANT_OF(t) (t)
#endif

#define BIT(n) (1 << (n))

bit lock;

/* the holders' words */
byte count[GRANTS];
bit slow[GRANTS], write[GRANTS];

byte switching;				/* cold->switching: raiser + 1 */
byte switches;				/* cold->switches: grant + 1 */
byte queue;				/* who sleeps: 1 << raiser */
byte impatient = 1;			/* who may give up: 1 << raiser */

#define wake_all() queue = 0

/* Is the word's count all that is held? */
#define alone(g) (count[g] == 1 && !count[1 - (g)])

/* The WRITE access is alone. */
#define promise_alone						\
	assert((!write[0] || alone(0)) && (!write[1] || alone(1)))

/* secmem_access_release() */
inline release(g)
{
	atomic {
		if
#ifdef MUTANT_SWITCH_UNNESTS
		:: count[g] > 1 && !write[g] -> count[g]--; done = 1
#else
		/* secmem_holder_unnest() */
		:: count[g] > 1 && !slow[g] && !write[g] ->
			count[g]--;
			done = 1
#endif
		:: else -> done = 0
		fi
	};
	if
	:: done
	:: else ->
		atomic { !lock -> lock = 1 };
		/* the last of this grant is no unnest: it takes the lock */
		atomic {
			write[g] = 0;
			count[g]--;
			if
			:: !count[g] ->
				/* secmem_holder_end() */
				slow[g] = 0;
				if
				:: switches == g + 1 ->
					switches = 0;
					switching = 0
				:: else
				fi
			:: else
			fi
		};
		if
		:: !count[0] && !count[1] -> wake_all()
#ifndef MUTANT_SWITCH_UNTOLD
		/* secmem_place_move(), secmem_holder_dropped_slow() */
		:: (count[0] || count[1]) && switching -> wake_all()
#endif
		:: !switching && count[g] -> slow[g] = 0
		:: else
		fi;
		lock = 0
	fi
}

/* secmem_holder_raise() */
inline raise(t)
{
	atomic {
		if
#ifdef MUTANT_SWITCH_OWN_ALONE
		:: count[GRANT_OF(t)] == 1 ->
#elif defined(MUTANT_SWITCH_OTHERS_ALONE)
		:: !count[1 - GRANT_OF(t)] ->
#else
		:: alone(GRANT_OF(t)) ->
#endif
			write[GRANT_OF(t)] = 1;
			slow[GRANT_OF(t)] = 0;
			got = 1
		:: else
		fi;
		promise_alone
	}
}

/* secmem_switch_up(), and then the release */
proctype raiser(byte t)
{
	bit got, done;

again:
	atomic { !lock -> lock = 1 };
	raise(t);
	if
	:: got -> lock = 0; goto out
	:: else
	fi;
	/* secmem_switch_begin() */
#ifndef MUTANT_SWITCH_TWO
	atomic {
		if
		:: switching && switching != t + 1 -> lock = 0; goto out
		:: else -> switching = t + 1
		fi
	};
#else
	switching = t + 1;
#endif
	switches = GRANT_OF(t) + 1;
	slow[GRANT_OF(t)] = 1;
#ifndef MUTANT_SWITCH_LOOKS_ONCE
	raise(t);
	if
	:: got -> lock = 0; goto out
	:: else
	fi;
#endif
	/* secmem_waiter_begin(), secmem_waiter_end() */
	queue = queue | BIT(t);
	lock = 0;
	if
	:: !(queue & BIT(t))
	:: impatient & BIT(t) ->
		queue = queue & ~BIT(t);
		goto out
	fi;
	goto again;
out:
	/* secmem_switch_end() */
	atomic {
		if
		:: switching == t + 1 -> switching = 0
		:: else
		fi
	};
#ifdef MUTANT_SWITCH_SLOW_UNLOCKED
	slow[GRANT_OF(t)] = 0;
#endif
	release(GRANT_OF(t));
	promise_alone
}

/* A further access of the first grant ends. */
proctype other()
{
	bit done;

	release(0)
}

init {
	atomic {
#if WORLD == 15
		count[0] = 3;
#else
		count[0] = 2;
		count[1] = 1;
#endif
		run raiser(0);
		run raiser(1);
		run other()
	}
}
