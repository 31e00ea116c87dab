/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is: the table, a secret's place, grants, address spaces. */

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

/*
 * struct secmem_place. The lock's word is exchanged whole, so that "held, and
 * these errands" is one thing; lock.pml has the steps below that.
 */
bit lock;
byte errands;				/* left with who holds it */
#define REAP 1
#define JUDGE 2
#define SETTLE 4
#define REVOKE 8			/* for a worker alone */
#define CLOSE 32
byte closing;				/* what secret CLOSE is for */
byte state, generation;
byte holders;				/* who is on the list: 1 << grant */
byte queue[3];				/* who sleeps: generation << 4 | event */
byte keepers;				/* grants of it alone */
byte secret_era;			/* of the vault, when it was published */
bit rests;				/* it went back to the vault */
bit place_free;				/* on the vault's free list */

/* cold->errand: queued with the lock, and what for; it runs */
bit handed, works;
byte work;
byte meant;				/* generation that REVOKE was for */
/* cold->settle */
bit settles;
/* who waits in flush_work(): 2, until it has run; 1, until it is over */
byte flush[GRANTS];

/* struct secmem_vault */
bit keep_lock;
byte era, kept_since;

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
byte since[GRANTS];
#else
#define since(g) 0
#endif
byte bound;				/* on its mm's list: 1 << grant */
byte files;				/* its file is there */
byte heirs;				/* others have the file, to bind it */
byte dead;				/* its mm, or its file, has ended */
byte leaves;				/* its mm has, until nothing ties it */
byte mm_ties, held_ties;		/* grant->ties, beside the views */
byte views[GRANTS];
byte tables;				/* holder->view is grant->view_number */

/* mm: grant g answers mm g */
byte readers[GRANTS];			/* mmap_lock */
bit writer[GRANTS];
byte writers[GRANTS];			/* in line: new readers queue behind */
byte threads[GRANTS];
byte killed;				/* 1 << mm: nobody waits there */
byte tree, mapped;			/* VMA in the tree; its page tables stand */
byte pte[GRANTS];			/* generation of the page, 0: none */
byte dirty;				/* it is writable: 1 << grant */

/* What only the promises look at. */
byte held[GRANTS * 3];			/* accesses, by generation */
byte wiped;				/* 1 << generation */
byte begun, ended;			/* processes of the model */
byte given_up;				/* whose closer left it to others */
bit excused;				/* a sleeper, who had asked before */
bit hogged;				/* who holds the lock never runs again */
#if WORLD == 8
#define since(g) since[g]
byte older[GRANTS];			/* what was published before it was bound */
byte newest[GRANTS];			/* the same, or had its era */
byte coming;				/* has its era */
#endif

#define BIT(g) (1 << (g))
/* While a grant is tied to its mm, or has a file, it is there. */
#define tied(g) (((mm_ties | held_ties) & BIT(g)) || views[g])
#define there(g) ((files & BIT(g)) || tied(g))
/* secmem_holder_find_held() */
#define holds(g) word_count(word[g])
/* secmem_holder_find() */
#define stands(g) word_stands(word[g])
/* secmem_holder_far() */
#define far(own) (state != CLOSED && (holders & ~(own)))
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

/* Who zaps: a thread of that mm, or these. */
#define STRANGER 8
#define WORKER 9

/* Where there is a hog, this is where others may wait for it in vain. */
#if HOG
#define WAITS(where) end_##where
#else
#define WAITS(where) at_##where
#endif

/* hidden, because it is used within one step alone */
hidden byte was;

/* What a thread may do. */
#define MAY_WRITE 1
#define MAY_TOUCH 2
#define MAY_ADVISE 4
#define MAY_UNMAP 8
#define MAY_CLOSE 16
#define MAY_REVOKE 32
#define MAY_CREATE 64
#define MAY_DIE 128			/* be killed, holding, and all of its mm */
#define INHERITS 256			/* has the file, and binds it */
#define WRITES 512			/* does nothing else */
#define ONCE 1024			/* acquires no second time */

/* What follows when lock and mmap_lock have been let go. */
#define TURN_IDLE 0
#define TURN_AGAIN 1
#define TURN_SLEEP 2
#define TURN_CLOSE 3			/* the same, in a closer */

/* secmem_grant_bind(): once nothing ties it to the mm that left */
#ifdef MUTANT_BIND_EARLY
#define bindable(g) ((dead & BIT(g)) && !(mm_ties & BIT(g)) && !views[g])
#else
#define bindable(g) ((dead & BIT(g)) && !tied(g))
#endif
