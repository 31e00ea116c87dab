/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is: the table, a secret's place, grants, address spaces. */

/* The table, as module/lifecycle.h has it. */
#define CLOSED 0
#define OPEN 1
#define READING 2
#define WRITING 3
#define CLOSING 4

#define EVENTS 12
#define EV_CREATE 0
#define EV_HOLD_READ 1
#define EV_HOLD_WRITE 2
#define EV_COPY_OUT 3
#define EV_COPY_IN 4
#define EV_DROP 5
#define EV_DROP_LAST 6
#define EV_SWITCH_UP 7
#define EV_SWITCH_DOWN 8
#define EV_SEAL 9
#define EV_CLOSE 10
#define EV_REVOKE 11

#define OK 0
#define WAIT 1
#define REVOKED 2
#define BUSY 3
#define INVALID 4
#define FAILED 5			/* ENXIO, EMFILE, ENOMEM, EAGAIN, EINTR */

hidden byte row_next[60];
hidden byte row_verdict[60];

#define ROW(from, event, to, what)				\
	row_next[from * EVENTS + EV_##event] = to;		\
	row_verdict[from * EVENTS + EV_##event] = what;

/*
 * struct secmem_place. The module exchanges the lock's word as a whole: so
 * "held, with these errands" is one step here. lock.pml has the smaller steps.
 */
bit lock;
byte errands;				/* left with who holds it */
#define REAP 1
#define JUDGE 2
#define SETTLE 4
#define REVOKE 8			/* for a worker alone */
#define CLOSE 32
byte closing;				/* generation that CLOSE is for */
byte state, generation;
byte holders;				/* grants on its list: 1 << grant */
byte queue[3];				/* who sleeps: generation << 4 | event */
byte keepers;				/* grants of this one secret */
byte secret_era;			/* the vault's era at its publication */
bit rests;				/* it has gone back to the vault */
bit place_free;				/* on the vault's free list */

/* cold->errand: it is queued, and has the lock; it runs; what it has to do */
bit handed, works;
byte work;
byte meant;				/* generation that REVOKE is for */
/* cold->settle */
bit settles;
/*
 * grants whose end waits in flush_work(): 2: until it has run; 1: until it is
 * over
 */
byte flush[GRANTS];

/* struct secmem_vault */
bit keep_lock;
byte era, kept_since;
#if WORLD == 8
byte drops;				/* place->drops */
#endif

/* struct secmem_holder's word */
#define COUNT 3
#define COUNT_MAX 2			/* nests no further */
#define WRITE 4
#define FROZEN 8
#define ABANDONED 64
#define LINGER 128
#define EMPTY(gen) ((gen) << 4)
#define word_count(w) ((w) & COUNT)
#define word_stands(w) ((w) & (COUNT | LINGER))
#define word_generation(w) (((w) >> 4) & 3)
byte word[GRANTS];

/* struct secmem_grant */
byte keeps;				/* 1 << grant */
#if WORLD == 8
byte dropped[GRANTS];			/* D of the holder's word: generation */
byte since[GRANTS];
#else
#define since(g) 0
#endif
byte bound;				/* on its mm's list: 1 << grant */
byte files;				/* its file is there: 1 << grant */
byte heirs;				/* others will bind its file */
byte dead;				/* its mm or its file has ended */
byte leaves;				/* its mm has ended, ties are left */
byte mm_ties, held_ties;		/* grant->ties, beside the views */
byte views[GRANTS];
byte tables;				/* holder->view is grant->view_number */

/* mm: grant g answers mm g */
byte readers[GRANTS];			/* mmap_lock */
bit writer[GRANTS];
byte writers[GRANTS];			/* waiting; new readers wait for them */
byte threads[GRANTS];
byte killed;				/* 1 << mm: it waits for nothing */
byte tree, mapped;			/* VMA in the tree; has page tables */
byte pte[GRANTS];			/* generation of the page, 0: none */
byte dirty;				/* the entry is writable: 1 << grant */

/* What only the promises look at. */
byte held[GRANTS * 3];			/* accesses, by generation */
byte wiped;				/* 1 << generation */
byte begun, ended;			/* processes of the model */
byte given_up;				/* generation whose closer gave up */
bit excused;				/* a sleeper has asked a worker */
bit hogged;				/* the lock's holder never runs on */
#if WORLD == 8
#define since(g) since[g]
byte older[GRANTS];			/* published before it was bound */
byte newest[GRANTS];			/* the same, or had its era by then */
byte coming;				/* generation that has got its era */
byte let_go;				/* generation that its exporter had dropped */
#endif

#define BIT(g) (1 << (g))
/* A grant exists while it is tied to its mm, or has a file. */
#define tied(g) (((mm_ties | held_ties) & BIT(g)) || views[g])
#define there(g) ((files & BIT(g)) || tied(g))
/* secmem_holder_find_held() */
#define holds(g) word_count(word[g])
/* secmem_holder_find() */
#define stands(g) word_stands(word[g])
/* secmem_holder_far() */
#define far(own) (state != CLOSED && (holders & ~(own)))
/* secmem_holder_begin(): an access lingers only if nobody waits */
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

/* Who zaps: a thread of mm 0 or 1, or one of these */
#define STRANGER 8
#define WORKER 9

/* In worlds with a hog, a process may end waiting for it at these labels. */
#if HOG
#define WAITS(where) end_##where
#else
#define WAITS(where) at_##where
#endif

/* hidden, as it is used within one step only */
hidden byte was;

/* What a thread may do. */
#define MAY_WRITE 1
#define MAY_TOUCH 2
#define MAY_ADVISE 4
#define MAY_UNMAP 8
#define MAY_CLOSE 16
#define MAY_REVOKE 32
#define MAY_CREATE 64
#define MAY_DIE 128			/* be killed, holding, with its mm */
#define INHERITS 256			/* gets the file, and binds it */
#define WRITES 512			/* only acquires for WRITE */
#define ONCE 1024			/* acquires no second time */

/* What a call does once lock and mmap_lock are let go */
#define TURN_IDLE 0
#define TURN_AGAIN 1
#define TURN_SLEEP 2
#define TURN_CLOSE 3			/* sleep, as a closer */

/* secmem_grant_bind(): once nothing ties the grant to the mm that ended */
#ifdef MUTANT_BIND_EARLY
#define bindable(g) ((dead & BIT(g)) && !(mm_ties & BIT(g)) && !views[g])
#else
#define bindable(g) ((dead & BIT(g)) && !tied(g))
#endif
