// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses: counted rights to touch one secret through one grant. A holder
 * record counts a grant's accesses to a secret; the page-table entries in the
 * grant's view come with its first one and go with its last.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

static bool secmem_holder_held(const struct secmem_holder *holder)
{
	return secmem_word_count(atomic64_read(&holder->word));
}

static bool secmem_holder_stands(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) &
	       (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER);
}

/*
 * A grant's holder of a secret, held or not; NULL if it was never needed. A
 * grant of one secret has it inside, the first grant of a vault has it inside
 * each secret, and others keep theirs by slot until they go: so strangers who
 * hold the secret cost nobody a search.
 */
static struct secmem_holder *secmem_holder_own(struct secmem_grant *grant,
					       struct secmem_secret *secret)
{
	struct secmem_record *record;

	if (likely(grant->first))
		return &secret->first;
	if (grant->secret)
		return &grant->single.holder;
	record = xa_load(&grant->records, secret->slot);
	return record ? &record->holder : NULL;
}

static struct secmem_record *secmem_holder_record(struct secmem_holder *holder)
{
	return container_of(holder, struct secmem_record, holder);
}

/* Whose a holder of that secret is. While it stands, its grant is there. */
static struct secmem_grant *secmem_holder_grant(struct secmem_holder *holder,
						struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	return holder == &secret->first ? secret->vault->first :
					  secmem_holder_record(holder)->grant;
}

/**
 * secmem_access_find - the record of a grant's accesses to a secret
 * @grant: the grant
 * @secret: a secret that it covers
 *
 * Context: The caller holds @secret's lock.
 * Return: the record with at least one access, or NULL.
 */
struct secmem_holder *secmem_access_find(struct secmem_grant *grant,
					 struct secmem_secret *secret)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);

	lockdep_assert_held(&secret->lock);
	return holder && secmem_holder_held(holder) ? holder : NULL;
}

/* The same also where it lingers. */
static struct secmem_holder *secmem_holder_find(struct secmem_grant *grant,
						struct secmem_secret *secret)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);

	lockdep_assert_held(&secret->lock);
	return holder && secmem_holder_stands(holder) ? holder : NULL;
}

/*
 * See to it that a grant has a holder of a secret. The holder of anybody but the
 * vault's first grant comes with the secret's cold part, so that who ends it may
 * hand the work over.
 */
static struct secmem_holder *secmem_holder_need(struct secmem_grant *grant,
						struct secmem_secret *secret)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);
	struct secmem_record *record;
	int ret;

	if (likely(holder))
		return holder;
	record = kzalloc(sizeof(*record), SECMEM_GFP);
	if (!record)
		return NULL;
	record->grant = grant;
	record->secret = secret;
	secmem_secret_need_cold(secret);
	/* Another thread of the process may come first. */
	ret = xa_insert(&grant->records, secret->slot, record, SECMEM_GFP);
	if (ret)
		kfree(record);
	return ret && ret != -EBUSY ? NULL : secmem_holder_own(grant, secret);
}

/**
 * secmem_access_forget - free the records of a grant
 * @grant: it is going, and holds nothing
 *
 * Context: Process context.
 */
void secmem_access_forget(struct secmem_grant *grant)
{
	struct secmem_record *record;
	unsigned long slot;

	xa_for_each(&grant->records, slot, record)
		kfree(record);
	xa_destroy(&grant->records);
}

/*
 * A READ on top of a READ, or of what lingers, without a lock. The count cannot
 * be 0 otherwise nor the generation another after: the secret lives while a
 * holder stands. The exchange is fully ordered and pairs with the release in
 * secmem_holder_begin(), after its page-table entries stood.
 */
static bool secmem_holder_nest(struct secmem_secret *secret,
			       struct secmem_holder *holder, u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	/*
	 * Who looks before the secret is closing, and nests after, began before
	 * the closer did, and is waited for as those are on whom it nests.
	 */
	if (secmem_secret_closes(secret, generation))
		return false;
	do {
		if (secmem_word_generation(word) != generation ||
		    (word & (SECMEM_WORD_FROZEN | SECMEM_WORD_WRITE |
			     SECMEM_WORD_ABANDONED)) ||
		    !(word & (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER)) ||
		    secmem_word_count(word) == SECMEM_WORD_COUNT)
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word + 1));
	atomic_inc(&secret->readers);
	return true;
}

/* Give one access of several back, or the last where it lingers; no lock. */
static bool secmem_holder_unnest(struct secmem_secret *secret,
				 struct secmem_holder *holder, u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_generation(word) != generation ||
		    secmem_word_count(word) <
			    (word & SECMEM_WORD_LINGER ? 1 : 2))
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	atomic_dec(&secret->readers);
	return true;
}

/*
 * Give one READ access back under the secret's lock: 1 if the holder is to end
 * with it. Others nest meanwhile, and where it lingers they also leave without
 * the lock, so that none may be left.
 */
static int secmem_holder_drop(struct secmem_secret *secret,
			      struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);
	bool last;

	do {
		if (!secmem_word_count(word))
			return -EINVAL;
		last = secmem_word_count(word) == 1 &&
		       !(word & SECMEM_WORD_LINGER);
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	atomic_dec(&secret->readers);
	return last;
}

static void secmem_holder_begin(struct secmem_grant *grant,
				struct secmem_secret *secret,
				struct secmem_holder *holder, bool write)
{
	/*
	 * Who shuts the gate looks at each secret after that; who waits is woken
	 * by a last release alone. What lingers has a cold part.
	 */
	bool linger = secmem_secret_is(secret, SECMEM_IS_LINGER) && !write &&
		      !atomic_read(&secret->cold->waiters) &&
		      !secmem_power_suspends();

	lockdep_assert_held(&secret->lock);
	secmem_grant_tie(grant);
	hlist_add_head(&holder->by_secret, &secret->holders);
	secmem_count_add(accesses, 1);
	if (write)
		secmem_secret_set(secret, SECMEM_IS_WRITTEN, 1);
	else
		atomic_inc(&secret->readers);
	/* Last, for secmem_holder_nest(): all of the above is in place. */
	atomic64_set_release(&holder->word,
			     secmem_word_empty(secret->generation) |
				     (write ? SECMEM_WORD_WRITE : 0) |
				     (linger ? SECMEM_WORD_LINGER : 0) | 1);
	if (linger)
		secmem_linger_watch(secret);
}

/*
 * Take all of a holder's accesses, and with them the page-table entries. The
 * caller steps the secret on. The grant, and the record with it, may be gone
 * after.
 */
static void secmem_holder_end(struct secmem_grant *grant,
			      struct secmem_secret *secret,
			      struct secmem_holder *holder)
{
	u64 word;

	lockdep_assert_held(&secret->lock);
	/* From here no fault inserts and nobody nests; then zap. */
	word = atomic64_xchg(&holder->word,
			     secmem_word_empty(secret->generation));
	secmem_view_zap(grant, secret);
	if (word & SECMEM_WORD_WRITE)
		secmem_secret_set(secret, SECMEM_IS_WRITTEN, 0);
	else
		atomic_sub(secmem_word_count(word), &secret->readers);
	secmem_count_add(accesses, -1);
	hlist_del_init(&holder->by_secret);
	secmem_grant_untie(grant);
}

static enum secmem_event secmem_drop_event(struct secmem_secret *secret)
{
	return hlist_empty(&secret->holders) ? SECMEM_EVENT_DROP_LAST :
					      SECMEM_EVENT_DROP;
}

/* A holder that lingers from an earlier view is none of this one. */
static bool secmem_holder_stale(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_FROZEN;
}

/* With the lock, the VMA and no wait before us: take the access. */
static int secmem_access_begin(struct secmem_grant *grant,
			       struct vm_area_struct *vma,
			       struct secmem_secret *secret, u32 generation,
			       bool write)
{
	struct secmem_holder *holder = secmem_holder_find(grant, secret);
	int ret;

	if (holder && secmem_holder_stale(holder)) {
		secmem_holder_end(grant, secret, holder);
		secmem_secret_move(secret, secmem_drop_event(secret));
		holder = NULL;
	}
	if (holder && secmem_holder_nest(secret, holder, generation))
		return 0;
	/* The lock keeps it standing, unfrozen: a closer came, or it is full. */
	if (holder)
		return secmem_secret_closes(secret, generation) ? -EKEYREVOKED :
								  -EMFILE;

	holder = secmem_holder_own(grant, secret);
	ret = secmem_view_insert(grant, vma, secret, write);
	if (ret) {
		secmem_view_zap(grant, secret);
		return ret;
	}
	secmem_holder_begin(grant, secret, holder, write);
	secmem_secret_move(secret, write ? SECMEM_EVENT_HOLD_WRITE :
					   SECMEM_EVENT_HOLD_READ);
	return 0;
}

/*
 * Take mmap_lock and the secret's lock, with page tables for the secret in the
 * view, if it lies there. The second is only tried under the first: while it is
 * waited for, the process's other threads may fault and map. Who got it so tries
 * the first under it, and starts anew where that fails or the view is another
 * by now.
 */
static int secmem_access_lock(struct secmem_waiter *waiter,
			      struct secmem_holder *holder,
			      struct vm_area_struct **vma)
{
	struct secmem_secret *secret = waiter->secret;
	struct secmem_grant *grant = waiter->grant;
	struct mm_struct *mm = current->mm;
	int ret;

	for (;;) {
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		/* Afresh each time: an address kept could be another's by now. */
		*vma = secmem_view_find(grant);
		ret = *vma ? secmem_view_prepare(grant, *vma, secret, holder) :
			     0;
		if (!ret && secmem_lock_try(&secret->lock))
			return 0;
		mmap_read_unlock(mm);
		ret = ret ?: secmem_secret_lock_wait(waiter);
		if (ret)
			return ret;
		if (mmap_read_trylock(mm)) {
			*vma = secmem_view_find(grant);
			if (!*vma || holder->view == grant->view_number)
				return 0;
			mmap_read_unlock(mm);
		}
		secmem_secret_unlock(secret);
	}
}

/* One try; SECMEM_MUST_WAIT and a begun waiter where it must wait. */
static int secmem_access_try(struct secmem_waiter *waiter,
			     struct secmem_holder *holder, u32 generation,
			     bool write)
{
	struct secmem_secret *secret = waiter->secret;
	struct secmem_grant *grant = waiter->grant;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = secmem_access_lock(waiter, holder, &vma);

	if (ret)
		return ret;
	ret = secmem_secret_ask(grant, secret, generation,
				write ? SECMEM_EVENT_HOLD_WRITE :
					SECMEM_EVENT_HOLD_READ);
	if (ret >= 0 && !secmem_view_holds(vma, grant, secret))
		ret = -ENXIO;
	else if (!ret)
		ret = secmem_access_begin(grant, vma, secret, generation,
					  write);
	if (ret == SECMEM_MUST_WAIT)
		ret = secmem_secret_wait_begin(waiter);
	else
		secmem_secret_unlock(secret);
	mmap_read_unlock(mm);
	return ret;
}

/**
 * secmem_access_acquire - begin an access
 * @grant: entered by the current mm, with the rights checked
 * @secret: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_READ or SECMEM_WRITE, and SECMEM_NOWAIT
 * @deadline: as secmem_secret_wait_end()
 *
 * While the access is held, the secret's bytes stay where they are, and as many.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of ACQUIRE.
 */
int secmem_access_acquire(struct secmem_grant *grant,
			  struct secmem_secret *secret, u32 generation,
			  u32 flags, s64 deadline)
{
	struct secmem_holder *own = secmem_holder_need(grant, secret);
	struct secmem_waiter waiter;
	int ret = -ENOMEM;

	if (!own)
		goto trace;
	/* Accesses outlive their view; without one the slow path says so. */
	if (!(flags & SECMEM_WRITE) && atomic_read(&grant->views) &&
	    secmem_holder_nest(secret, own, generation)) {
		ret = 0;
		goto trace;
	}
	secmem_secret_wait_setup(&waiter, grant, secret,
				 flags & SECMEM_NOWAIT, deadline);
	do {
		ret = secmem_access_try(&waiter, own, generation,
					flags & SECMEM_WRITE);
		if (ret != SECMEM_MUST_WAIT)
			break;
		ret = secmem_secret_wait_end(&waiter);
	} while (!ret);
trace:
	trace_secmem_acquire(grant->vault->number,
			     secmem_handle_make(grant->vault, secret->slot,
						generation),
			     flags & SECMEM_WRITE, ret);
	return ret;
}

/**
 * secmem_access_release - end an access
 * @grant: entered by the current mm
 * @secret: a secret that it covers
 * @generation: which of the secrets that it has served is meant
 * @had: the caller knew of the access; else it wrote nothing, and what it found
 * torn stays so
 *
 * With the grant's last access its page-table entries are gone on return, unless
 * they linger.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0; -EBADMSG (released; a writer left the canary damaged); -EINVAL
 * (nothing held); -EKEYREVOKED; -ENOENT; -EINTR (the caller is being killed).
 */
int secmem_access_release(struct secmem_grant *grant,
			  struct secmem_secret *secret, u32 generation,
			  bool had)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);
	struct secmem_mm *bound = grant->bound;
	bool write, alone;
	int ret = 0;

	if (holder && secmem_holder_unnest(secret, holder, generation))
		goto trace;

	ret = secmem_secret_lock(secret);
	if (ret)
		goto trace;
	ret = secmem_secret_peek(secret, generation, SECMEM_EVENT_DROP_LAST);
	if (ret)
		goto out;
	holder = secmem_access_find(grant, secret);
	if (!holder) {
		ret = -EINVAL;
		goto out;
	}
	write = atomic64_read(&holder->word) & SECMEM_WORD_WRITE;
	if (!write) {
		ret = secmem_holder_drop(secret, holder);
		if (ret <= 0)
			goto out;
		ret = 0;
	}
	/* For speed alone: who is killed goes on without. */
	alone = !mutex_lock_killable(&bound->flip);
	secmem_holder_end(grant, secret, holder);
	if (alone)
		mutex_unlock(&bound->flip);
	if (write && had)
		ret = secmem_secret_mend(secret);
	secmem_secret_move(secret, secmem_drop_event(secret));
out:
	secmem_secret_unlock(secret);
trace:
	trace_secmem_release(grant->vault->number,
			     secmem_handle_make(grant->vault, secret->slot,
						generation),
			     ret);
	return ret;
}

/**
 * secmem_access_revoke - end all accesses to a secret, in every process
 * @secret: it is about to be closed
 *
 * Context: Process context. The caller holds @secret's lock. Views of other
 * processes are zapped, so where secmem_access_far() says so, it is a worker.
 */
void secmem_access_revoke(struct secmem_secret *secret)
{
	struct secmem_holder *holder;
	struct hlist_node *next;

	lockdep_assert_held(&secret->lock);
	hlist_for_each_entry_safe(holder, next, &secret->holders, by_secret)
		secmem_holder_end(secmem_holder_grant(holder, secret), secret,
				  holder);
}

/* No lingering any more: true if the holder has no access and is to end. */
static bool secmem_holder_settle(struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_LINGER &&
	       !secmem_word_count(atomic64_fetch_andnot(SECMEM_WORD_LINGER,
							&holder->word));
}

/**
 * secmem_access_settle - end what lingers; what is held now will not linger
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_access_settle(struct secmem_secret *secret)
{
	struct secmem_holder *holder;
	struct hlist_node *next;
	bool ended = false;

	lockdep_assert_held(&secret->lock);
	/* The list of a place that rests is none. */
	if (secret->state == SECMEM_CLOSED ||
	    !secmem_secret_is(secret, SECMEM_IS_LINGER))
		return;
	hlist_for_each_entry_safe(holder, next, &secret->holders, by_secret) {
		if (!secmem_holder_settle(holder))
			continue;
		secmem_holder_end(secmem_holder_grant(holder, secret), secret,
				  holder);
		ended = true;
	}
	if (ended)
		secmem_secret_step(secret, secret->generation,
				   secmem_drop_event(secret));
}

/**
 * secmem_access_far - is there a holder other than one grant's own
 * @grant: the grant; or NULL, for none
 * @secret: the place
 *
 * Context: The caller holds @secret's lock.
 * Return: whether ending all holders may zap another process's view.
 */
bool secmem_access_far(struct secmem_grant *grant, struct secmem_secret *secret)
{
	struct secmem_holder *own = grant ? secmem_holder_own(grant, secret) :
					    NULL;
	struct hlist_node *first;

	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED)
		return false;
	first = secret->holders.first;
	return first && (!own || first != &own->by_secret || first->next);
}

/* An mm has ended: what it was writing, nobody finished. */
static void secmem_holder_abandon(struct secmem_secret *secret,
				  struct secmem_holder *holder)
{
	if (atomic64_read(&holder->word) & SECMEM_WORD_WRITE)
		secmem_secret_tear(secret);
	secmem_holder_end(secmem_holder_grant(holder, secret), secret, holder);
	secmem_secret_step(secret, secret->generation,
			   secmem_drop_event(secret));
}

static bool secmem_holder_marked(const struct secmem_holder *holder)
{
	return atomic64_read(&holder->word) & SECMEM_WORD_ABANDONED;
}

/**
 * secmem_access_abandon - end the accesses of those whose mm has ended
 * @secret: the place
 *
 * What they zap is in page tables that nobody uses any more.
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_access_abandon(struct secmem_secret *secret)
{
	struct secmem_holder *holder;
	struct hlist_node *next;

	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED)
		return;
	hlist_for_each_entry_safe(holder, next, &secret->holders, by_secret) {
		if (!secmem_holder_marked(holder))
			continue;
		secmem_holder_abandon(secret, holder);
		/* The last one's end may be the secret's. */
		if (secret->state == SECMEM_CLOSED)
			return;
	}
}

/**
 * secmem_access_abandon_own - the same for one grant's
 * @grant: its mm has ended or its file is gone
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_access_abandon_own(struct secmem_grant *grant,
			       struct secmem_secret *secret)
{
	struct secmem_holder *holder = secmem_holder_find(grant, secret);

	if (secret->state != SECMEM_CLOSED && holder &&
	    secmem_holder_marked(holder))
		secmem_holder_abandon(secret, holder);
}

/* Mark a holder whose mm has ended: false if it has no access left. */
static bool secmem_holder_mark(struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (!(word & (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER)))
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word,
				       word | SECMEM_WORD_ABANDONED));
	return true;
}

/* The next holder of a grant, from a slot on; NULL at the end. */
static struct secmem_holder *secmem_access_next(struct secmem_grant *grant,
						unsigned long *slot,
						struct secmem_secret **secret)
{
	struct secmem_record *record;

	if (grant->secret) {
		*secret = grant->secret;
		return (*slot)++ ? NULL : &grant->single.holder;
	}
	if (!grant->first) {
		record = xa_find(&grant->records, slot, ULONG_MAX, XA_PRESENT);
		if (!record)
			return NULL;
		++*slot;
		*secret = record->secret;
		return &record->holder;
	}
	/* Pairs with the release in secmem_vault_append(). */
	if (*slot >= smp_load_acquire(&grant->vault->slot_count))
		return NULL;
	*secret = secmem_vault_slot(grant->vault, (*slot)++);
	return &(*secret)->first;
}

/* A holder without an access no more lingers for those who look: 0; else EBUSY. */
static int secmem_holder_freeze(struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_count(word))
			return -EBUSY;
		if (!(word & SECMEM_WORD_LINGER))
			return 0;
	} while (!atomic64_try_cmpxchg(&holder->word, &word,
				       word | SECMEM_WORD_FROZEN));
	return 0;
}

/**
 * secmem_access_any - does a grant hold anything
 * @grant: the grant; it has no view
 *
 * What lingers is none of a view to come: nobody nests on it.
 *
 * Context: Process context; mmap_lock may be held, as no lock is taken. A yes
 * may be over at once; a no as well, unless the caller knows that the grant
 * takes no new access.
 * Return: whether it does.
 */
bool secmem_access_any(struct secmem_grant *grant)
{
	struct secmem_secret *secret;
	struct secmem_holder *holder;
	unsigned long slot = 0;

	while ((holder = secmem_access_next(grant, &slot, &secret))) {
		if (secmem_holder_freeze(holder))
			return true;
		cond_resched();
	}
	return false;
}

/**
 * secmem_access_end - end all accesses of a grant
 * @grant: its mm has ended or its file is gone, so that it takes no new ones
 *
 * Where somebody holds a secret's lock, it is he who ends the access, at the
 * latest when he lets go; until then the access ties the grant to its mm.
 *
 * Context: Process context. Waits for no lock of a secret.
 */
void secmem_access_end(struct secmem_grant *grant)
{
	struct secmem_secret *secret;
	struct secmem_holder *holder;
	unsigned long slot = 0;

	while ((holder = secmem_access_next(grant, &slot, &secret))) {
		if (secmem_holder_mark(holder))
			secmem_errand_abandon(grant, secret);
		cond_resched();
	}
}
