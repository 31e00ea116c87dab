/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Vaults, and the handles that name what is in them.
 */
#ifndef _SECMEM_VAULT_H
#define _SECMEM_VAULT_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>

#include "place.h"

struct secmem_grant;

/*
 * A handle, from its highest bit on: 0, so that it is no negative number; the tag
 * of its vault, never 0; the generation, which begins at 1; slot + 1.
 */
#define SECMEM_TAG_BITS		19
#define SECMEM_GENERATION_BITS	20
#define SECMEM_SLOT_BITS	24
#define SECMEM_GENERATION_MAX	(BIT(SECMEM_GENERATION_BITS) - 1)
#define SECMEM_SLOTS_MAX	(BIT(SECMEM_SLOT_BITS) - 1)

/* The last era of a vault: from then on no file of all of it is bound anew. */
#define SECMEM_ERA_MAX		(U32_MAX - 1)

/* Slots lie in chunks, each twice as large as the one before. */
#define SECMEM_CHUNK_SLOTS	64
#define SECMEM_CHUNKS		19	/* for SECMEM_SLOTS_MAX slots */

/* Whom a vault is known by: its user, or who opened it while nobody uses it. */
struct secmem_owner {
	pid_t pid;			/* in the namespace that was asked for */
	char name[TASK_COMM_LEN];
};

struct secmem_vault {
	struct kref ref;		/* grants; places on the tick's list, or with
					 * work that is queued; touches that
					 * wait; walkers
					 */
	u32 tag;			/* constant; random, not 0; in its handles */
	unsigned long number;		/* constant; no other vault has it, ever */
	struct pid *owner;		/* protected by slots_lock */
	char owner_name[TASK_COMM_LEN];	/* protected by slots_lock */
	u32 live;			/* secrets not yet wiped, and CREATEs on
					 * their way: slots_lock
					 */
	bool ended;			/* an administrator revoked it; stays so */
	struct secmem_place **chunks[SECMEM_CHUNKS];	/* slot -> place; what
							 * is set stays
							 */
	u32 slot_count;			/* written under grow_lock, released */
	u32 pgoff_next;			/* protected by grow_lock */
	struct mutex grow_lock;
	spinlock_t slots_lock;		/* of the fields that name it */
	struct list_head free[SECMEM_ORDERS];	/* FIFO; slots_lock */
	u32 free_count[SECMEM_ORDERS];		/* protected by slots_lock */
	u32 secret_count;		/* places that do not rest: they serve, or are
					 * about to, or are closed and a grant of
					 * it alone has not let go: slots_lock
					 */
	atomic_t waiters;		/* for one of its secrets; to be shown */
	struct secmem_source source;	/* of its pages */
	u32 view_pages;			/* a hint, written without a lock: pages of
					 * the largest view of all of it so far
					 */
	spinlock_t calls_lock;		/* what calls have on secrets' lists */
	spinlock_t keep_lock;		/* who keeps it */
	struct list_head keepers;	/* grants of it all that keep it, by
					 * ->since: keep_lock
					 */
	u32 kept_since;			/* only grows; written under keep_lock */
	u32 drops;			/* of all its places; keep_lock */
	u32 era;			/* how often such a grant was bound anew;
					 * written under keep_lock
					 */
	struct secmem_grant *root;	/* that open() made; constant while it
					 * lives
					 */
	siphash_key_t canary_key;	/* constant after create */
};

/*
 * Find the chunk of a slot. The slot becomes the index in it. For any slot that
 * index is within its chunk, so a processor that runs ahead of a check reads
 * nothing else.
 */
static inline unsigned int secmem_vault_chunk(u32 *slot)
{
	unsigned int chunk = fls(*slot / SECMEM_CHUNK_SLOTS + 1) - 1;

	*slot -= SECMEM_CHUNK_SLOTS * ((1U << chunk) - 1);
	return chunk;
}

static inline struct secmem_place *
secmem_vault_slot(const struct secmem_vault *vault, u32 slot)
{
	unsigned int chunk = secmem_vault_chunk(&slot);
	struct secmem_place **slots = READ_ONCE(vault->chunks[chunk]);

	/* Pairs with the releases in secmem_vault_append(). */
	return slots ? READ_ONCE(slots[slot]) : NULL;
}

/**
 * secmem_vault_find - the place that a handle names
 * @vault: the caller has a reference
 * @handle: from anywhere
 *
 * The generation is yet to be checked, under the secret's lock.
 *
 * Context: Any.
 * Return: the place, good as long as @vault; NULL where none was ever issued.
 */
static inline struct secmem_place *
secmem_vault_find(const struct secmem_vault *vault, u64 handle)
{
	if (handle >> (SECMEM_GENERATION_BITS + SECMEM_SLOT_BITS) != vault->tag)
		return NULL;
	/* Where its part for the slot is 0: the last slot, which is never made. */
	return secmem_vault_slot(vault, (handle - 1) & SECMEM_SLOTS_MAX);
}

static inline u64 secmem_handle_make(const struct secmem_vault *vault, u32 slot,
				     u32 generation)
{
	return ((u64)vault->tag << SECMEM_GENERATION_BITS | generation)
		       << SECMEM_SLOT_BITS |
	       (slot + 1);
}

static inline u32 secmem_handle_generation(u64 handle)
{
	return handle >> SECMEM_SLOT_BITS & SECMEM_GENERATION_MAX;
}

static inline u64 secmem_secret_handle(const struct secmem_place *place)
{
	return secmem_handle_make(place->vault, place->slot, place->generation);
}

static inline bool secmem_secret_intact(const struct secmem_place *place)
{
	return secmem_canary_intact(&place->bytes, &place->vault->canary_key,
				    secmem_secret_handle(place));
}

void secmem_vault_teardown(void);
struct secmem_vault *secmem_vault_create(void);
void secmem_vault_put(struct secmem_vault *vault);
struct secmem_vault *secmem_vault_next(unsigned long *number);
void secmem_vault_set_owner(struct secmem_vault *vault);
u32 secmem_vault_owner(struct secmem_vault *vault, struct secmem_owner *owner,
		       bool here);

#endif /* _SECMEM_VAULT_H */
