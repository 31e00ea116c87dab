/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The word of a holder.
 */
#ifndef _SECMEM_WORD_H
#define _SECMEM_WORD_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/list.h>
#include <linux/types.h>

/*
 * A holder is one grant's accesses to one place. It stands (on the list of its
 * place, with page-table entries in the grant's view) while it has an access or
 * lingers; it then ties its grant to its mm. Its word is all that the path without
 * a lock looks at:
 *
 *	63          32 31 30 29  28  27  26  25  24 23                    0
 *	 generation      0    S   D   A   L   F   W   number of accesses
 *
 *	W	the one access is for WRITE
 *	F	frozen: nobody nests
 *	L	it lingers: what stands stays for a while when the number is 0
 *	A	abandoned: the grant's mm has ended, or its file is gone
 *	S	slow: an access waits to be switched up, or did; an unnest takes the
 *		lock, and wakes. Set and cleared under place->lock
 *	D	dropped: of that generation the grant gets nothing more; of an empty
 *		holder alone. Set under the vault's keep_lock, and under place->lock
 *		where others know the grant; cleared under keep_lock when the grant
 *		goes, or with the generation
 *
 * How it changes. [l] is done under place->lock, [-] by a cmpxchg alone.
 *
 *	        begin WRITE [l]
 *	   +---------------------> W, 1
 *	   |                        |
 *	   |        end [l]         |        A holder with A or F set takes no new
 *	   |  <---------------------+        access. mark [-] sets A on any of the
 *	   |              switch [l]^        states but empty, when the mm has ended
 *	 empty           down, up   |        or the file is gone; reap [l] ends it.
 *	   |  ^                     v
 *	   |  |     drop, end [l]   1        freeze [-] sets F on "L, 0", when another
 *	   |  +---------------------+        view is about to be made; the next access
 *	   |        begin READ [l]  |        ends it first [l].
 *	   +---------------------> 1  <---> 2  <---> 3 ...
 *	   |                      nest, unnest [-]
 *	   |
 *	   |   begin READ, of a secret that may linger [l]
 *	   +---------------------> L, 1  <---> L, 2 ...
 *	   ^                        ^
 *	   |                        |  nest, unnest [-]
 *	   |      settle, end [l]   v
 *	   +---------------------- L, 0	   settle [l] takes L from all of these
 *
 * (A switch up comes from "L, 1", too.) So without L the number leaves 0, and reaches
 * it, under place->lock alone. The generation is that of the secret which the place
 * serves; it is written under place->lock, when no holder stands. Of a place that has
 * served and rests the root holder's word has F; of one that has never served it is 0,
 * and no secret has the generation 0.
 */
struct secmem_holder {
	atomic64_t word;
	struct hlist_node by_place;	/* protected by place->lock */
	u32 view;			/* of which view the page tables are there;
					 * written under mmap_lock
					 */
};

#define SECMEM_WORD_COUNT	0x00ffffffULL
#define SECMEM_WORD_WRITE	BIT_ULL(24)
#define SECMEM_WORD_FROZEN	BIT_ULL(25)
#define SECMEM_WORD_LINGER	BIT_ULL(26)
#define SECMEM_WORD_ABANDONED	BIT_ULL(27)	/* by its mm or its file */
#define SECMEM_WORD_DROPPED	BIT_ULL(28)	/* by DROP: nothing, ever again */
#define SECMEM_WORD_SLOW	BIT_ULL(29)	/* no unnest without the lock */

static inline u64 secmem_word_empty(u32 generation)
{
	return (u64)generation << 32;
}

static inline u32 secmem_word_generation(u64 word)
{
	return word >> 32;
}

static inline u32 secmem_word_count(u64 word)
{
	return word & SECMEM_WORD_COUNT;
}

/* Without place->lock the answer may be over at once, but for a yes. */
static inline bool secmem_holder_dropped(const struct secmem_holder *holder,
					 u32 generation)
{
	u64 word = atomic64_read(&holder->word);

	return (word & SECMEM_WORD_DROPPED) &&
	       secmem_word_generation(word) == generation;
}

static inline bool secmem_holder_held(const struct secmem_holder *holder)
{
	return secmem_word_count(atomic64_read(&holder->word));
}

static inline bool secmem_holder_stands(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) &
	       (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER);
}

#endif /* _SECMEM_WORD_H */
