/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places, each of which serves one secret after another.
 */
#ifndef _SECMEM_PLACE_H
#define _SECMEM_PLACE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bytes.h"
#include "lock.h"
#include "word.h"

struct secmem_vault;

/* A place holds 1 << order pages, and a guard page behind them. */
#define SECMEM_ORDERS		(ilog2(SECMEM_LENGTH_MAX) - PAGE_SHIFT + 1)

enum secmem_state {
	SECMEM_CLOSED,
	SECMEM_OPEN,
	SECMEM_READING,
	SECMEM_WRITING,
	SECMEM_CLOSING,
	SECMEM_STATES
};

enum secmem_event {
	SECMEM_EVENT_CREATE,
	SECMEM_EVENT_HOLD_READ,
	SECMEM_EVENT_HOLD_WRITE,
	SECMEM_EVENT_COPY_OUT,
	SECMEM_EVENT_COPY_IN,
	SECMEM_EVENT_DROP,
	SECMEM_EVENT_DROP_LAST,
	SECMEM_EVENT_SWITCH_UP,
	SECMEM_EVENT_SWITCH_DOWN,
	SECMEM_EVENT_SEAL,
	SECMEM_EVENT_CLOSE,
	SECMEM_EVENT_REVOKE,
	SECMEM_EVENTS
};

/* The lifecycle's third verdict, beside 0 and -errno. */
#define SECMEM_MUST_WAIT	1

/* What a waiter was told of the end of the secret that it waits for. */
enum secmem_end {
	SECMEM_END_NONE,
	SECMEM_END_CLEAN,
	SECMEM_END_DAMAGED,		/* the canary was */
};

/*
 * What few places need: made with the first label, linger flag, waiter, further
 * grant's holder, or errand.
 */
struct secmem_cold {
	wait_queue_head_t waitq;	/* calls that wait; woken under lock */
	atomic_t waiters;		/* counted up under place->lock */
	struct secmem_place *place;	/* constant */
	struct work_struct errand;	/* while it is queued, its worker is the
					 * one who holds place->lock
					 */
	unsigned long errands;		/* for it; protected by place->lock */
	atomic_t closing;		/* the latest generation whose close was
					 * left as an errand; only grows
					 */
	void *switching;		/* the call that waits to switch up, or NULL:
					 * set under lock, and may leave without
					 */
	struct secmem_holder *switches;	/* its holder; protected by place->lock */
	struct list_head lingers;	/* protected by secmem_linger_lock */
	struct work_struct settle;	/* holds a reference to the vault */
	struct work_struct tell;	/* pollers; holds a reference to the vault */
	spinlock_t watch_lock;
	struct list_head watched;	/* grants that are polled; watch_lock */
	char label[SECMEM_LABEL_SIZE];	/* written under place->lock and seq */
};

/* What a secret is, beside its state. */
#define SECMEM_IS_SEALED	BIT(0)
#define SECMEM_IS_SUSPEND_WIPE	BIT(1)	/* does not outlive a suspend */
#define SECMEM_IS_LINGER	BIT(2)	/* its page-table entries may */
#define SECMEM_IS_TORN		BIT(3)	/* a writer died in the middle */
#define SECMEM_IS_DAMAGED	BIT(4)	/* the canary was, at the last end */
#define SECMEM_IS_WRITTEN	BIT(5)	/* a WRITE access is held */
#define SECMEM_IS_RESTS		BIT(6)	/* serves nobody, counts for nobody */

/*
 * There may be a million of them. What ACQUIRE and RELEASE touch comes first. What
 * few need is in the cold part. A place that rests has no holders and no bounces, so
 * its list entry is in their room.
 */
struct secmem_place {
	struct secmem_holder root;	/* of the vault's root grant */
	struct secmem_lock lock;
	struct secmem_bytes bytes;
	u32 pgoff;			/* constant; in the vault's page space */
	u32 generation;			/* written under lock and seq, released */
	u32 era;			/* of the vault, when it was published:
					 * written under lock, before generation
					 */
	struct secmem_vault *vault;	/* constant after create */
	u32 slot;			/* constant after create */
	atomic_t own_grants;		/* of it alone; counted up under lock */
	u32 drops;			/* grants of all that keep it no more, and
					 * still other secrets: keep_lock
					 */
	atomic_t readers;		/* READ accesses, nested too; for STAT alone */
	seqcount_t seq;			/* STAT reads one secret, not half of two */
	u8 order;			/* constant after create */
	u8 state;			/* written under lock */
	u8 is;				/* SECMEM_IS_*; written under lock */
	union {
		struct {
			struct hlist_head holders;	/* by_place; lock */
			struct hlist_head bounces;	/* READs on their way
							 * out; calls_lock
							 */
		};
		struct list_head free;	/* in the quarantine; slots_lock */
	};
	struct secmem_cold *cold;	/* set once, by who comes first */
};

/* STAT and poll look without the lock. */
static inline bool secmem_place_is(const struct secmem_place *place, u8 what)
{
	return READ_ONCE(place->is) & what;
}

/*
 * Is a secret closing, so that no access begins any more? Asked without the lock. It
 * is, too, from when a closer gave up waiting for the lock and left its errand: the
 * state changes only when who holds the lock does that errand.
 */
static inline bool secmem_secret_closes(const struct secmem_place *place,
					u32 generation)
{
	const struct secmem_cold *cold = READ_ONCE(place->cold);

	return READ_ONCE(place->state) == SECMEM_CLOSING ||
	       (cold && (u32)atomic_read(&cold->closing) == generation);
}

/* Under the lock, or before anybody else knows the place. */
static inline void secmem_place_set(struct secmem_place *place, u8 what,
				    bool on)
{
	WRITE_ONCE(place->is, on ? place->is | what : place->is & ~what);
}

extern unsigned int secmem_secrets_max;

int secmem_place_setup(void);
void secmem_place_teardown(void);
void secmem_place_free_all(struct secmem_vault *vault);
struct secmem_place *secmem_place_find_page(struct secmem_vault *vault,
					    u64 pgoff);
u32 secmem_vault_secrets(struct secmem_vault *vault);
struct secmem_place *secmem_place_reserve(struct secmem_vault *vault,
					  unsigned int pages);
void secmem_place_unreserve(struct secmem_place *place);
void secmem_place_retire(struct secmem_place *place);
void secmem_vault_wiped(struct secmem_vault *vault);
void secmem_place_wake(struct secmem_place *place, enum secmem_end end);

/* An access has ended, and others have not. With the lock. */
static inline void secmem_place_wake_switching(struct secmem_place *place)
{
	if (unlikely(place->cold && READ_ONCE(place->cold->switching)))
		secmem_place_wake(place, SECMEM_END_NONE);
}

#endif /* _SECMEM_PLACE_H */
