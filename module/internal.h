/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one private header of secmem.
 *
 * Who points at whom: a file holds its grant, a grant holds its vault, a vault
 * holds its secrets. A secret is a place in the vault that serves one secret
 * after the other, each with a generation of its own; its memory lives as long
 * as the vault. So a pointer to a secret is good while its grant is, and what
 * it serves is known from the generation, looked at under its lock.
 *
 * LOCKING, outermost first:
 *
 *	mm->mmap_lock
 *	  secret->lock		everything about what a place serves; under
 *				mmap_lock by a try alone
 *	    mm->flip		zaps of releases in one mm; two at once would make
 *				mmu_gather flush the whole mm
 *	    mapping->i_mmap_rwsem, page-table lock	(in core mm)
 *	    vault->keep_lock	who keeps the vault
 *	      secmem_bind_lock	(leaf) which mm a grant answers
 *	    vault->slots_lock	(leaf)
 *	    supply->lock
 *	      secmem_kept_lock	(leaf)
 *	      user->lock	(leaf)
 *	    secmem_areas.xa_lock
 *	      secmem_accounts.xa_lock	(leaf)
 *	    secmem_users.xa_lock, user->supplies.xa_lock	(leaf)
 *	    vault->calls_lock	(leaf) what calls have on a secret's lists
 *	    cold->watch_lock	(leaf) which grants are polled
 *	    secmem_blocks_lock	(leaf)
 *	    secmem_linger_lock	(leaf)
 *	    secmem_violation_lock	(leaf)
 *	vault->grow_lock, supply->grow
 *				outside everything but mmap_lock, held alone
 *	secmem_vaults.xa_lock	(leaf) which vaults there are
 *
 * Any process that has a grant of a secret may hold the secret's lock, and one
 * that is not scheduled holds it for as long as it likes. So:
 *
 * - In the section in which mmu notifiers run, for which all exits of the machine
 *   wait, nothing is done: a worker takes the grants off an mm that has ended.
 * - Who holds what others need (mmap_lock, the one tick of lingering, the place
 *   of a file in its close) only tries the lock. A call then lets go of mmap_lock
 *   and waits as its NOWAIT, its deadline and its signals say; a fault lets go of
 *   it and comes again; all others leave an errand with the holder (lock.h).
 * - An entry in another process's view is zapped by a kernel worker, to which
 *   the lock is handed (errand.c): core mm holds locks of that process's
 *   mapping meanwhile, in which no thread of a stranger may stand.
 * - No memory is allocated under it: page tables, records and cold parts are
 *   made before.
 * - No copy to or from user memory that may fault, no mmap_lock waited for.
 *
 * Page-table entries go in under mmap_lock (read) and the secret lock, for an
 * access that is counted before that lock is let go, and are gone before it is
 * let go without the access; so whoever holds it sees none without an access, but
 * for what lingers by CREATE's flag. munmap and exit take entries sooner.
 */
#ifndef _SECMEM_INTERNAL_H
#define _SECMEM_INTERNAL_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/siphash.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <secmem/secmem.h>

#include "compat.h"
#include "lifecycle.h"
#include "lock.h"

/* A place holds 1 << order pages, and a guard page behind them. */
#define SECMEM_ORDERS		(ilog2(SECMEM_LENGTH_MAX) - PAGE_SHIFT + 1)

#define SECMEM_CANARY_SIZE	16
#define SECMEM_CANARY_MIN	8	/* fewer bytes are no protection */

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
	SECMEM_EVENT_SEAL,
	SECMEM_EVENT_CLOSE,
	SECMEM_EVENT_REVOKE,
	SECMEM_EVENTS
};

/* A verdict of the lifecycle beside 0 and -errno. */
#define SECMEM_MUST_WAIT	1

/* For what a call needs: at a limit it says ENOMEM, and nobody is killed. */
#define SECMEM_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * One grant's accesses to one secret. The word packs what the lockless path
 * needs: the generation (high half), a frozen bit (nobody nests on it), a write
 * bit, a linger bit, and the number of accesses. Its count leaves and reaches 0
 * under secret->lock alone, unless the linger bit is set, which only a secret
 * has that was created so; 1 -> 2 and 2 -> 1 need no lock. A holder stands, on
 * its secret's list and with its page-table entries, while it has an access or
 * the linger bit; it then ties its grant to its mm.
 */
struct secmem_holder {
	atomic64_t word;
	struct hlist_node by_secret;	/* protected by secret->lock */
	u32 view;			/* of which view the page tables are there;
					 * written under mmap_lock
					 */
};

/* A holder that lies outside its secret, as all but the first grant's do. */
struct secmem_record {
	struct secmem_holder holder;
	struct secmem_grant *grant;	/* constant */
	struct secmem_secret *secret;	/* constant */
};

#define SECMEM_WORD_COUNT	0x00ffffffULL
#define SECMEM_WORD_WRITE	BIT_ULL(24)
#define SECMEM_WORD_FROZEN	BIT_ULL(25)
#define SECMEM_WORD_LINGER	BIT_ULL(26)
#define SECMEM_WORD_ABANDONED	BIT_ULL(27)	/* its mm has ended */

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

/* The bytes of a secret, and where in their pages they lie. */
struct secmem_bytes {
	union {
		struct page *one;	/* count is 1 */
		struct page **many;
	};
	u32 length;			/* bytes of data */
	u16 count:15;			/* pages */
	u16 exposed:1;			/* some are in the direct map */
	u16 offset;			/* of the data in the first page */
};

/*
 * What few secrets need: made with the first label, waiter, further grant or
 * linger flag.
 */
struct secmem_cold {
	wait_queue_head_t waitq;	/* calls that wait; woken under lock */
	atomic_t waiters;		/* counted up under secret->lock */
	struct secmem_secret *secret;	/* constant */
	struct work_struct errand;	/* while it is queued, its worker is the
					 * one who holds secret->lock
					 */
	unsigned long errands;		/* for it; protected by secret->lock */
	atomic_t closing;		/* the latest generation whose close was
					 * left as an errand; only grows
					 */
	struct list_head lingers;	/* protected by secmem_linger_lock */
	struct work_struct settle;	/* holds a reference to the vault */
	struct work_struct tell;	/* pollers; holds a reference to the vault */
	spinlock_t watch_lock;
	struct list_head watched;	/* grants that are polled; watch_lock */
	char label[SECMEM_LABEL_SIZE];	/* written under secret->lock and seq */
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
 * There may be a million: what a pair of ACQUIRE and RELEASE touches comes
 * first, what few need is apart, and what a place that rests has no use for
 * lends its room.
 */
struct secmem_secret {
	struct secmem_holder first;	/* of the vault's first grant */
	struct secmem_lock lock;
	struct secmem_bytes bytes;
	u32 pgoff;			/* constant; in the vault's page space */
	u32 generation;			/* written under lock and seq, released */
	u32 era;			/* of the vault, when it was published:
					 * written under lock, before generation
					 */
	struct secmem_vault *vault;	/* constant after create */
	u32 slot;			/* constant after create */
	atomic_t keepers;		/* grants of it alone; counted up under lock */
	atomic_t readers;		/* READ accesses, nested too; for STAT alone */
	seqcount_t seq;			/* STAT reads one secret, not half of two */
	u8 order;			/* constant after create */
	u8 state;			/* written under lock */
	u8 is;				/* SECMEM_IS_*; written under lock */
	union {
		struct {
			struct hlist_head holders;	/* by_secret; lock */
			struct hlist_head bounces;	/* READs on their way
							 * out; calls_lock
							 */
		};
		struct list_head free;	/* in the quarantine; slots_lock */
	};
	struct secmem_cold *cold;	/* set once, by who comes first */
};

/*
 * A handle, from its highest bit on: 0, so that it is no negative number; the tag
 * of its vault, never 0; the generation, which begins at 1; slot + 1.
 */
#define SECMEM_TAG_BITS		19
#define SECMEM_GENERATION_BITS	20
#define SECMEM_SLOT_BITS	24
#define SECMEM_GENERATION_MAX	(BIT(SECMEM_GENERATION_BITS) - 1)
#define SECMEM_SLOTS_MAX	(BIT(SECMEM_SLOT_BITS) - 1)

/* STAT and poll look without the lock. */
static inline bool secmem_secret_is(const struct secmem_secret *secret, u8 what)
{
	return READ_ONCE(secret->is) & what;
}

/*
 * Without the lock: does nothing new begin on it? Also where a closer has given up
 * waiting for that lock, and whoever holds it is yet to close the secret.
 */
static inline bool secmem_secret_closes(const struct secmem_secret *secret,
					u32 generation)
{
	const struct secmem_cold *cold = READ_ONCE(secret->cold);

	return READ_ONCE(secret->state) == SECMEM_CLOSING ||
	       (cold && (u32)atomic_read(&cold->closing) == generation);
}

/* With the secret's lock, or before anybody else knows the place. */
static inline void secmem_secret_set(struct secmem_secret *secret, u8 what,
				     bool on)
{
	WRITE_ONCE(secret->is, on ? secret->is | what : secret->is & ~what);
}

/* Of a vault, at most: then its files of all answer no further mm. */
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
	struct kref ref;		/* one a grant, lingerer and walker */
	u32 tag;			/* constant; random, not 0; in its handles */
	unsigned long number;		/* constant; no other vault has it, ever */
	struct pid *owner;		/* protected by slots_lock */
	char owner_name[TASK_COMM_LEN];	/* protected by slots_lock */
	u32 live;			/* secrets not yet wiped, and CREATEs on
					 * their way: slots_lock
					 */
	bool ended;			/* by its number; stays so */
	struct secmem_secret **chunks[SECMEM_CHUNKS];	/* slot -> secret; what
							 * is set stays
							 */
	u32 slot_count;			/* written under grow_lock, released */
	u32 pgoff_next;			/* protected by grow_lock */
	struct mutex grow_lock;
	spinlock_t slots_lock;		/* what says so here */
	struct list_head free[SECMEM_ORDERS];	/* FIFO; slots_lock */
	u32 free_count[SECMEM_ORDERS];		/* protected by slots_lock */
	u32 secret_count;		/* live ones; slots_lock */
	atomic_t waiters;		/* for one of its secrets; to be shown */
	atomic64_t pages;		/* that serve it; to be shown */
	struct secmem_supply *supply;	/* the last that served it, a reference;
					 * slots_lock
					 */
	u32 view_pages;			/* of the largest view of it all; racy hint */
	spinlock_t calls_lock;		/* what calls have on secrets' lists */
	spinlock_t keep_lock;		/* who keeps it */
	struct list_head keepers;	/* grants of it all that keep it, by
					 * ->since: keep_lock
					 */
	u32 kept_since;			/* only grows; written under keep_lock */
	u32 era;			/* how often such a grant was bound anew;
					 * written under keep_lock
					 */
	struct secmem_grant *first;	/* constant while it lives */
	siphash_key_t canary_key;	/* constant after create */
};

/* What secmem knows of an address space. */
struct secmem_mm {
	struct mmu_notifier notifier;
	refcount_t refs;		/* the notifier, and who awaits the end */
	struct list_head grants;	/* protected by secmem_bind_lock */
	bool ended;			/* stays so: secmem_bind_lock */
	const void *ender;		/* by which process: bind_lock */
	struct work_struct end;		/* takes the grants off; holds a reference */
	struct mutex flip;
	u64 number;			/* constant; no other mm has it, ever */
};

struct secmem_grant {
	struct kref ref;		/* the file, and an mm that ends */
	struct secmem_vault *vault;	/* constant after create */
	struct secmem_secret *secret;	/* constant; NULL: the whole vault */
	u64 handle;			/* constant; of secret, or 0 */
	u64 id;				/* constant; random, not 0 */
	u32 rights;			/* constant after create */
	struct mm_struct *mm;		/* the mm it answers: bind_lock, or that mm
					 * is the reader's own, so cannot go
					 */
	struct secmem_mm *bound;	/* goes with mm */
	struct list_head by_mm;		/* protected by secmem_bind_lock */
	atomic_t ties;			/* what ties it to mm: mm itself, the
					 * view, holders that stand
					 */
	bool leaving;			/* the end of mm sees to it; bind_lock */
	struct list_head by_vault;	/* on vault->keepers; keep_lock */
	u32 since;			/* the first era that it sees and keeps, of
					 * a grant of all; written under keep_lock
					 * before mm is set
					 */
	bool used;			/* it was bound once; keep_lock */
	bool first;			/* of its vault; constant */
	struct secmem_record single;	/* of secret, if that is set */
	struct xarray records;		/* slot -> record, of a further grant
					 * of all
					 */
	wait_queue_head_t pollq;	/* who polls its file */
	struct list_head by_watch;	/* protected by cold->watch_lock */
	bool crowded;			/* set once: some who poll are not woken */
	atomic_t views;			/* VMAs; two while mremap is refused */
	u32 view_number;		/* of the last one; mmap_lock */
	unsigned long view_start;	/* a hint: where to look for the VMA */
	struct address_space mapping;	/* of the view alone */
};

/* An ioctl on its way: the caller's struct and what must be ended with it. */
struct secmem_call {
	union {
		__u32 size;
		struct secmem_info info;
		struct secmem_create_args create;
		struct secmem_acquire_args acquire;
		struct secmem_op op;
		struct secmem_copy copy;
		struct secmem_status stat;
		struct secmem_export_args export;
	};
	struct secmem_secret *secret;	/* CREATE: the place */
	struct secmem_bytes bytes;
	struct file *file;		/* EXPORT: not yet installed */
};

/* A kernel buffer between a secret and the caller's. */
struct secmem_bounce {
	struct hlist_node by_secret;	/* protected by vault->calls_lock */
	void *at;
	u32 length;
	u32 wiped;			/* bytes, by the secret's end; calls_lock */
	u8 small[128];
};

/* What a waiter was told of the end of the secret that it waits for. */
enum secmem_end {
	SECMEM_END_NONE,
	SECMEM_END_CLEAN,
	SECMEM_END_DAMAGED,		/* the canary was */
};

/* A call that may wait for a secret: how, and where it stands. */
struct secmem_waiter {
	struct wait_queue_entry entry;
	struct secmem_secret *secret;	/* constant */
	struct secmem_grant *grant;	/* constant: by which it came */
	u32 flags;			/* constant: SECMEM_NOWAIT or 0 */
	s64 deadline;			/* constant */
	bool queued;
	bool settled;			/* what lingered has been seen to */
	bool settling;			/* by a worker, which is waited for */
	enum secmem_end end;		/* protected by the queue's lock */
};

/* Counts of the whole module; a reader adds the CPUs' shares up. */
struct secmem_counts {
	s64 vaults;
	s64 grants;
	s64 secrets;
	s64 pages;
	s64 accesses;
	s64 waiters;
	s64 waits;			/* since load, as the rest */
	s64 violations;
	s64 wipes;
	s64 poisoned;			/* pages that will serve no more */
};

DECLARE_PER_CPU(struct secmem_counts, secmem_counts);

#define secmem_count_add(field, n)	this_cpu_add(secmem_counts.field, n)

/* main.c */
extern unsigned int secmem_secrets_max;
extern unsigned long secmem_memlock_cap;
extern const struct file_operations secmem_file_ops;
s64 secmem_deadline_shift(s64 deadline);

/* Once a call, at its entrance: beyond it, deadlines are the machine's. */
static inline s64 secmem_deadline_host(s64 deadline)
{
	return deadline == SECMEM_FOREVER ? deadline :
					    secmem_deadline_shift(deadline);
}

/* stats.c */
struct attribute_group;
struct seq_file;
void secmem_counts_sum(struct secmem_counts *sum);
const struct attribute_group **secmem_stats_groups(void);

/* violation.c */
void secmem_violation_setup(void);
void secmem_violation_teardown(void);
void secmem_violation_note(struct secmem_vault *vault,
			   const struct vm_fault *vmf, bool closed);

/* power.c */
int secmem_power_setup(void);
void secmem_power_teardown(void);
struct device;
void secmem_power_watch(struct device *device, bool on);
int secmem_power_enter(void);
void secmem_power_leave(void);
bool secmem_power_keeps(bool suspend_wipe);
void secmem_power_volatile_begin(void);
void secmem_power_volatile_end(void);
bool secmem_power_suspends(void);
u8 secmem_power_panic_why(void);

/* vault.c */

int secmem_vault_setup(void);
void secmem_vault_teardown(void);
struct secmem_vault *secmem_vault_create(void);
void secmem_vault_put(struct secmem_vault *vault);
struct secmem_secret *secmem_vault_find_page(struct secmem_vault *vault,
					     u64 pgoff);
u32 secmem_vault_secrets(struct secmem_vault *vault);
struct secmem_secret *secmem_vault_reserve(struct secmem_vault *vault,
					   unsigned int pages);
void secmem_vault_unreserve(struct secmem_secret *secret);
void secmem_vault_retire(struct secmem_secret *secret);
void secmem_vault_wiped(struct secmem_vault *vault);
void secmem_vault_judge(struct secmem_vault *vault, bool await);
bool secmem_vault_unkept(struct secmem_vault *vault);
struct secmem_vault *secmem_vault_next(unsigned long *number);
int secmem_vault_revoke_number(unsigned long number);
void secmem_vault_own(struct secmem_vault *vault);
u32 secmem_vault_owner(struct secmem_vault *vault, struct secmem_owner *owner,
		       bool here);

/*
 * The chunk that a slot is in; the slot becomes the index there, within the chunk
 * for any slot, so that there is nothing to speculate beyond.
 */
static inline unsigned int secmem_vault_chunk(u32 *slot)
{
	unsigned int chunk = fls(*slot / SECMEM_CHUNK_SLOTS + 1) - 1;

	*slot -= SECMEM_CHUNK_SLOTS * ((1U << chunk) - 1);
	return chunk;
}

static inline struct secmem_secret *
secmem_vault_slot(const struct secmem_vault *vault, u32 slot)
{
	unsigned int chunk = secmem_vault_chunk(&slot);
	struct secmem_secret **slots = READ_ONCE(vault->chunks[chunk]);

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
static inline struct secmem_secret *
secmem_vault_find(const struct secmem_vault *vault, u64 handle)
{
	if (handle >> (SECMEM_GENERATION_BITS + SECMEM_SLOT_BITS) != vault->tag)
		return NULL;
	/* Where no slot is named it is the last one, which never is. */
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

/* grant.c */
struct secmem_grant *secmem_grant_create(struct secmem_vault *vault,
					 struct secmem_grant *from,
					 struct secmem_secret *secret,
					 u64 handle, u32 rights);
void secmem_grant_attach(struct secmem_grant *grant, struct file *file);
void secmem_grant_put(struct secmem_grant *grant);
void secmem_grant_tie(struct secmem_grant *grant);
void secmem_grant_untie(struct secmem_grant *grant);
void secmem_grant_release(struct secmem_grant *grant);
void secmem_grant_await_end(struct secmem_grant *grant);
int secmem_grant_enter_slow(struct secmem_grant *grant, u32 rights);
int secmem_grant_enter_locked(struct secmem_grant *grant, u32 rights);
void secmem_grant_teardown(void);
bool secmem_grant_sees(const struct secmem_grant *grant,
		       const struct secmem_secret *secret);
struct secmem_secret *secmem_grant_find(struct secmem_grant *grant, u64 handle);
int secmem_grant_export(struct secmem_grant *grant, struct secmem_call *call);
void secmem_grant_export_end(struct secmem_call *call, bool ok);

/*
 * A task of the mm that a grant answers reads its own mm there, and that cannot
 * end while the task runs; so no lock is needed to see it.
 */
static inline bool secmem_grant_answers(const struct secmem_grant *grant)
{
	/* Then ->bound stands, too: pairs with secmem_grant_bind()'s release. */
	struct mm_struct *mm = smp_load_acquire(&grant->mm);

	return likely(mm == current->mm && mm);
}

/**
 * secmem_grant_enter - may the current task use a grant so
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * The first use binds the grant to the current mm.
 *
 * Context: Process context, no lock held. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR.
 */
static inline int secmem_grant_enter(struct secmem_grant *grant, u32 rights)
{
	if (likely(!(rights & ~grant->rights) && secmem_grant_answers(grant)))
		return 0;
	return secmem_grant_enter_slow(grant, rights);
}

/* secret.c */
int secmem_secret_peek(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event);
void secmem_secret_move(struct secmem_secret *secret, enum secmem_event event);
int secmem_secret_step(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event);
void secmem_secret_setup(struct secmem_secret *secret);
void secmem_secret_need_cold(struct secmem_secret *secret);
void secmem_secret_wake(struct secmem_secret *secret, enum secmem_end end);
void secmem_waiter_queue(struct secmem_waiter *waiter, unsigned int mode);
int secmem_secret_lock(struct secmem_secret *secret);
void secmem_secret_unlock(struct secmem_secret *secret);
int secmem_secret_lock_wait(struct secmem_waiter *waiter);
int secmem_secret_lock_for(struct secmem_waiter *waiter, u32 generation,
			   enum secmem_event event);
void secmem_secret_wait_setup(struct secmem_waiter *waiter,
			      struct secmem_grant *grant,
			      struct secmem_secret *secret, u32 flags,
			      s64 deadline);
int secmem_secret_wait_begin(struct secmem_waiter *waiter);
int secmem_secret_wait_end(struct secmem_waiter *waiter);
int secmem_secret_publish(struct secmem_secret *secret,
			  const struct secmem_bytes *bytes, const char *label,
			  u32 flags);
int secmem_secret_mend(struct secmem_secret *secret);
int secmem_secret_seal(struct secmem_secret *secret, u32 generation);
int secmem_secret_close(struct secmem_grant *grant,
			struct secmem_secret *secret, u32 generation,
			u32 flags, s64 deadline);
void secmem_secret_close_left(struct secmem_secret *secret);
void secmem_secret_revoke_locked(struct secmem_secret *secret);
int secmem_secret_revoke(struct secmem_grant *grant,
			 struct secmem_secret *secret, u32 generation);
void secmem_secret_judge(struct secmem_secret *secret);
bool secmem_secret_doomed(struct secmem_secret *secret);
void secmem_secret_tear(struct secmem_secret *secret);
int secmem_secret_stat(struct secmem_secret *secret, struct secmem_status *stat);
u64 secmem_secret_protections(const struct secmem_bytes *bytes, bool linger);
u64 secmem_protections(void);
u8 secmem_protection_why(unsigned int bit);

/* access.c */
int secmem_access_acquire(struct secmem_grant *grant,
			  struct secmem_secret *secret, u32 generation,
			  u32 flags, s64 deadline);
int secmem_access_release(struct secmem_grant *grant,
			  struct secmem_secret *secret, u32 generation,
			  bool had);
void secmem_access_revoke(struct secmem_secret *secret);
void secmem_access_abandon(struct secmem_secret *secret);
void secmem_access_abandon_own(struct secmem_grant *grant,
			       struct secmem_secret *secret);
void secmem_access_end(struct secmem_grant *grant);
void secmem_access_forget(struct secmem_grant *grant);
bool secmem_access_any(struct secmem_grant *grant);
void secmem_access_settle(struct secmem_secret *secret);
bool secmem_access_far(struct secmem_grant *grant,
		       struct secmem_secret *secret);
struct secmem_holder *secmem_access_find(struct secmem_grant *grant,
					 struct secmem_secret *secret);

/**
 * secmem_secret_ask - secmem_secret_peek(); nobody waits for what lingers
 * @grant: by which the caller came
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * What lingers in another process's view is left to secmem_secret_wait_begin().
 *
 * Context: Process context. The caller holds @secret's lock.
 * Return: as secmem_secret_peek().
 */
static inline int secmem_secret_ask(struct secmem_grant *grant,
				    struct secmem_secret *secret,
				    u32 generation, enum secmem_event event)
{
	int verdict = secmem_secret_peek(secret, generation, event);

	if (likely(verdict != SECMEM_MUST_WAIT || !secmem_secret_is(secret, SECMEM_IS_LINGER)) ||
	    secmem_access_far(grant, secret))
		return verdict;
	secmem_access_settle(secret);
	return secmem_secret_peek(secret, generation, event);
}

/* errand.c */
int secmem_errand_setup(void);
void secmem_errand_teardown(void);
bool secmem_errand_queue(struct work_struct *work);
bool secmem_errand_tell(struct work_struct *work);
void secmem_errand_end(struct work_struct *work);
void secmem_errand_unlock(struct secmem_secret *secret);
void secmem_errand_work(struct work_struct *work);
void secmem_errand_hand_over(struct secmem_secret *secret,
			     unsigned long errands);
bool secmem_errand_run(struct secmem_secret *secret, unsigned long errands);
void secmem_errand_abandon(struct secmem_grant *grant,
			   struct secmem_secret *secret);
bool secmem_errand_send(struct secmem_secret *secret, unsigned long errand);
void secmem_errand_flush(struct secmem_secret *secret);

/* watch.c */
__poll_t secmem_watch_poll(struct file *file, struct poll_table_struct *table);
__poll_t secmem_watch_answer(const struct secmem_secret *secret);
void secmem_watch_tell(struct secmem_secret *secret);
void secmem_watch_work(struct work_struct *work);
void secmem_watch_end(struct secmem_grant *grant);

/* linger.c */
void secmem_linger_watch(struct secmem_secret *secret);
void secmem_linger_settle(struct work_struct *work);
void secmem_linger_teardown(void);

/* copy.c */
void secmem_copy_revoke(struct secmem_secret *secret);
int secmem_copy_read(struct secmem_grant *grant, struct secmem_copy *args);
int secmem_copy_write(struct secmem_grant *grant, struct secmem_copy *args);
int secmem_copy_compare(struct secmem_grant *grant, struct secmem_copy *args);
ssize_t secmem_copy_read_iter(struct kiocb *iocb, struct iov_iter *to);

/* view.c */
int secmem_view_mmap(struct file *file, struct vm_area_struct *vma);
struct vm_area_struct *secmem_view_find(struct secmem_grant *grant);
bool secmem_view_holds(struct vm_area_struct *vma,
		       const struct secmem_grant *grant,
		       const struct secmem_secret *secret);
int secmem_view_prepare(struct secmem_grant *grant, struct vm_area_struct *vma,
			struct secmem_secret *secret,
			struct secmem_holder *holder);
int secmem_view_insert(struct secmem_grant *grant, struct vm_area_struct *vma,
		       struct secmem_secret *secret, bool write);
void secmem_view_zap(struct secmem_grant *grant, struct secmem_secret *secret);

/* bytes.c */
void secmem_bytes_layout(struct secmem_bytes *bytes, u32 length, u32 align);
int secmem_bytes_create(struct secmem_bytes *bytes, struct secmem_vault *vault,
			bool random);
void secmem_bytes_destroy(struct secmem_bytes *bytes);
bool secmem_bytes_sound(const struct secmem_bytes *bytes, u32 offset,
			u32 length);
int secmem_bytes_read(const struct secmem_bytes *bytes, u32 offset,
		      void *to, u32 length);
bool secmem_bytes_give(const struct secmem_bytes *bytes, u32 offset,
		       void __user *to, u32 length);
int secmem_bytes_write(const struct secmem_bytes *bytes, u32 offset,
		       const void *from, u32 length);
int secmem_bytes_equal(const struct secmem_bytes *bytes, const void *with);
void secmem_canary_plant(const struct secmem_bytes *bytes,
			 const siphash_key_t *key, u64 handle);
bool secmem_canary_intact(const struct secmem_bytes *bytes,
			  const siphash_key_t *key, u64 handle);
u32 secmem_bytes_tail(const struct secmem_bytes *bytes);

/* user.c */

/* Whose uids they are: what these have together. */
struct secmem_account {
	u32 uid;			/* constant */
	u32 refs;			/* secmem_accounts.xa_lock */
	atomic_long_t charged;		/* pages */
	atomic_long_t spared;		/* pages: idle, and not charged */
	u32 areas_held;			/* secmem_areas.xa_lock */
	u32 areas_lost;			/* secmem_areas.xa_lock; read without */
	u32 areas_kept;			/* of those held; secmem_kept_lock */
	struct list_head kept;		/* secmem_kept_lock */
};

/* What a uid has in all vaults. */
struct secmem_user {
	unsigned long key;		/* constant */
	u32 refs;			/* secmem_users.xa_lock */
	struct secmem_account *account;	/* constant */
	const struct cred *cred;	/* constant: keeps the user_struct */
	struct xarray supplies;		/* by memory cgroup */
	spinlock_t lock;		/* the rest */
	u32 used;			/* pages that serve, or are about to */
	u32 idle;			/* pages that do not, and are not kept */
	u32 charged;			/* of these, to RLIMIT_MEMLOCK */
	u32 spared;			/* beyond as many as serve, not charged */
};

struct secmem_user *secmem_user_get(void);
void secmem_user_put(struct secmem_user *user);
void secmem_user_show(const struct secmem_user *user, struct seq_file *seq);
bool secmem_user_is_current(const struct secmem_user *user);
unsigned long secmem_user_limit(void);
int secmem_user_charge(struct secmem_user *user, s32 used, s32 idle,
		       bool asked);
bool secmem_user_pays_idle(struct secmem_user *user);
void secmem_account_hold(struct secmem_account *account);
void secmem_account_put(struct secmem_account *account);

/* area.c */

/* What became of the area that a block lies in. */
enum secmem_area {
	SECMEM_AREA_WAS,		/* no split was answered for */
	SECMEM_AREA_HELD,		/* the block is all of it */
	SECMEM_AREA_LOSS,		/* it was split for less */
};

void secmem_areas_setup(void);
void secmem_areas_teardown(void);
int secmem_area_take(struct secmem_account *account, struct page *page,
		     unsigned int order, bool split);
void secmem_area_lose(struct page *page);
bool secmem_area_scarce(const struct secmem_account *account);
u32 secmem_areas_count(void);

/* block.c */
struct secmem_block {
	struct list_head by_supply;	/* while pages are idle; supply->lock */
	struct list_head by_kept;	/* secmem_kept_lock; empty: not kept */
	struct list_head by_account;	/* secmem_kept_lock; of areas */
	struct list_head all;		/* secmem_blocks_lock; RCU to read */
	struct rcu_head rcu;
	struct secmem_supply *supply;	/* constant: one reference */
	struct page *first;		/* constant */
	u8 order;			/* constant */
	u8 area;			/* constant: SECMEM_AREA_* */
	bool removed;			/* constant: off the direct map, verified */
	bool shelved;			/* empty, not charged; supply->lock */
	u16 idle;			/* pages; protected by supply->lock */
	u16 bad;			/* pages that serve no more; supply->lock */
	unsigned long used[];		/* bitmap, with bad ones; supply->lock */
};

/* How a new block may come by its pages. */
enum secmem_split {
	SECMEM_SPLIT_NOT,		/* where the direct map is split */
	SECMEM_SPLIT_MAY,		/* anywhere, within bounds */
	SECMEM_SPLIT_EXPOSED,		/* anywhere; they stay in the direct map */
};

/* The largest is as large as what one large entry of the direct map maps. */
#define SECMEM_BLOCK_ORDER	((unsigned int)get_order(SZ_2M))

/* Up to there places are sought where the direct map is split already. */
#define SECMEM_SMALL_ORDER	((unsigned int)get_order(SZ_32K))

static inline unsigned int secmem_block_pages(const struct secmem_block *block)
{
	return 1U << block->order;
}

static inline bool secmem_block_empty(const struct secmem_block *block)
{
	return block->idle + block->bad == secmem_block_pages(block);
}

/* The kernel knows it as bad memory: never to be touched again. */
static inline bool secmem_page_bad(struct page *page)
{
	return unlikely(PageHWPoison(page));
}

static inline struct secmem_block *secmem_page_block(const struct page *page)
{
	return (struct secmem_block *)page_private(page);
}

int secmem_pages_setup(void);
void secmem_pages_teardown(void);
struct secmem_block *secmem_block_create(struct secmem_account *account,
					 unsigned int order,
					 enum secmem_split split);
void secmem_block_free(struct secmem_block *block);
bool secmem_block_exposed(const struct secmem_block *block);
void secmem_pages_write_back_from_now(void);
void secmem_pages_wipe_all(bool panic);
bool secmem_page_removed(const struct page *page);
void *secmem_page_map(struct page *page);
void secmem_page_unmap(struct page *page, void *at);
void secmem_page_wipe(struct page *page);
void secmem_page_withdraw(void);

/* kept.c */
int secmem_kept_setup(void);
void secmem_kept_teardown(void);
bool secmem_kept_add(struct secmem_block *block);
void secmem_kept_del(struct secmem_block *block);
unsigned int secmem_kept_give(struct secmem_account *account);
void secmem_kept_give_all(void);

/* supply.c */

/* What one user has in one memory cgroup. */
struct secmem_supply {
	refcount_t refs;		/* blocks, vaults, and calls in it */
	struct secmem_user *user;	/* constant: one reference */
	u64 memcg;			/* constant */
	struct mutex grow;		/* one makes a block at a time */
	bool lossy;			/* an area is lost for it; grow */
	spinlock_t lock;		/* the rest, and its blocks */
	struct list_head idle;		/* blocks with idle pages, partly used
					 * ones first
					 */
	struct list_head shelf;		/* kept areas, none of which is idle */
	struct secmem_block *spare;	/* of idle, one that is empty; or NULL */
	u32 vaults;			/* that have it */
	u32 used;			/* pages */
	u32 total;			/* pages, but for the shelf's */
};

struct secmem_supply *secmem_supply_seek(void);
void secmem_supply_put(struct secmem_supply *supply);
void secmem_supply_detach(struct secmem_supply *supply,
			  struct secmem_block *block,
			  struct list_head *surplus);
void secmem_supply_drop_spare(struct secmem_supply *supply,
			      struct list_head *surplus);
void secmem_supply_lose_all(struct list_head *blocks);
int secmem_supply_grow(struct secmem_supply *supply, unsigned int want);
unsigned int secmem_supply_take(struct secmem_supply *supply,
				struct page **pages, unsigned int count,
				unsigned int *bad, struct list_head *surplus);
void secmem_supply_return(struct secmem_supply *supply, struct page **pages,
			  unsigned int count);

/* pages.c */
int secmem_pages_get(struct secmem_vault *vault, struct page **pages,
		     unsigned int count);
void secmem_pages_put(struct page **pages, unsigned int count);
void secmem_pages_end(struct secmem_vault *vault);
void secmem_pages_show(struct secmem_vault *vault, struct seq_file *seq);

/* directmap.c */
enum secmem_directmap {
	SECMEM_DIRECTMAP_REMOVED,
	SECMEM_DIRECTMAP_PRESENT,
	SECMEM_DIRECTMAP_LOST,
};

int secmem_directmap_setup(void);
void secmem_directmap_teardown(void);
enum secmem_directmap secmem_directmap_remove(struct page *first,
					      unsigned int count);
bool secmem_directmap_restore(struct page *page);
bool secmem_directmap_splits(struct page *page);
bool secmem_directmap_required(void);
u8 secmem_directmap_why(void);
const char *secmem_directmap_by(void);
u8 secmem_directmap_try(void);
bool secmem_directmap_route(void);
void *secmem_directmap_find(const char *name);
bool secmem_directmap_active(void);
void secmem_directmap_flush(const void *first, unsigned int count);
void secmem_directmap_use(int (*invalid)(struct page *page),
			  int (*usual)(struct page *page));

/* alias.c */
void secmem_alias_setup(void);
bool secmem_alias_any(struct page *first, unsigned int count);
struct page *secmem_alias_alloc(gfp_t gfp, unsigned int order);

/* window.c */
int secmem_window_setup(void);
void secmem_window_teardown(void);
void *secmem_window_open(struct page *page);
void secmem_window_close(void);
void *secmem_window_force(struct page *page);
void secmem_window_forget(void);

/*
 * Where a place begins in a grant's view, in pages: a view of one secret has it
 * behind its own guard page 0.
 */
static inline u32 secmem_view_pgoff(const struct secmem_grant *grant,
				    const struct secmem_secret *secret)
{
	return grant->secret ? 1 : secret->pgoff;
}

static inline u64 secmem_view_offset(const struct secmem_grant *grant,
				     const struct secmem_secret *secret)
{
	return (u64)secmem_view_pgoff(grant, secret) << PAGE_SHIFT;
}

/* All of the pages, one behind the other. */
static inline struct page **secmem_bytes_pages(struct secmem_bytes *bytes)
{
	return bytes->count == 1 ? &bytes->one : bytes->many;
}

static inline struct page *secmem_bytes_page(const struct secmem_bytes *bytes,
					     unsigned int index)
{
	return bytes->count == 1 ? bytes->one : bytes->many[index];
}

static inline u64 secmem_secret_handle(const struct secmem_secret *secret)
{
	return secmem_handle_make(secret->vault, secret->slot,
				  secret->generation);
}

static inline bool secmem_secret_intact(const struct secmem_secret *secret)
{
	return secmem_canary_intact(&secret->bytes,
				    &secret->vault->canary_key,
				    secmem_secret_handle(secret));
}

#endif /* _SECMEM_INTERNAL_H */
