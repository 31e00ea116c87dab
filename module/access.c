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

static struct secmem_holder *secmem_holder_get(struct secmem_grant *grant,
					       struct secmem_secret *secret)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);
	struct secmem_record *record;

	lockdep_assert_held(&secret->lock);
	if (likely(holder))
		return holder;
	record = kzalloc(sizeof(*record), SECMEM_GFP);
	if (!record)
		return NULL;
	record->grant = grant;
	record->secret = secret;
	if (xa_is_err(xa_store(&grant->records, secret->slot, record,
			       SECMEM_GFP))) {
		kfree(record);
		return NULL;
	}
	return &record->holder;
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
static bool secmem_holder_nest(struct secmem_holder *holder, u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_generation(word) != generation ||
		    (word & (SECMEM_WORD_FROZEN | SECMEM_WORD_WRITE)) ||
		    !(word & (SECMEM_WORD_COUNT | SECMEM_WORD_LINGER)) ||
		    secmem_word_count(word) == SECMEM_WORD_COUNT)
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word + 1));
	return true;
}

/* Give one access of several back, or the last where it lingers; no lock. */
static bool secmem_holder_unnest(struct secmem_holder *holder, u32 generation)
{
	s64 word = atomic64_read(&holder->word);

	do {
		if (secmem_word_generation(word) != generation ||
		    secmem_word_count(word) <
			    (word & SECMEM_WORD_LINGER ? 1 : 2))
			return false;
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	return true;
}

/*
 * Give one READ access back under the secret's lock: 1 if the holder is to end
 * with it. Others nest meanwhile, and where it lingers they also leave without
 * the lock, so that none may be left.
 */
static int secmem_holder_drop(struct secmem_holder *holder)
{
	s64 word = atomic64_read(&holder->word);
	bool last;

	do {
		if (!secmem_word_count(word))
			return -EINVAL;
		last = secmem_word_count(word) == 1 &&
		       !(word & SECMEM_WORD_LINGER);
	} while (!atomic64_try_cmpxchg(&holder->word, &word, word - 1));
	return last;
}

static void secmem_holder_begin(struct secmem_secret *secret,
				struct secmem_holder *holder, bool write)
{
	/*
	 * Who shuts the gate looks at each secret after that; who waits is woken
	 * by a last release alone. What lingers has a cold part.
	 */
	bool linger = secret->linger && !write && !secret->cold->waiters &&
		      !secmem_power_suspends();

	lockdep_assert_held(&secret->lock);
	hlist_add_head(&holder->by_secret, &secret->holders);
	secmem_count_add(accesses, 1);
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
 * caller steps the secret on.
 */
static void secmem_holder_end(struct secmem_grant *grant,
			      struct secmem_secret *secret,
			      struct secmem_holder *holder)
{
	u64 frozen;

	lockdep_assert_held(&secret->lock);
	/* From here no fault inserts and nobody nests; then zap. */
	frozen = atomic64_read(&holder->word) & SECMEM_WORD_FROZEN;
	atomic64_set(&holder->word,
		     secmem_word_empty(secret->generation) | frozen);
	secmem_view_zap(grant, secret);
	secmem_count_add(accesses, -1);
	__hlist_del(&holder->by_secret);
	/*
	 * Last: the grant may be gone then, and with it the record. Pairs with
	 * the acquire in secmem_holder_listed().
	 */
	smp_store_release(&holder->by_secret.pprev, NULL);
}

static enum secmem_event secmem_drop_event(struct secmem_secret *secret)
{
	return hlist_empty(&secret->holders) ? SECMEM_EVENT_DROP_LAST :
					      SECMEM_EVENT_DROP;
}

/* With the lock, the VMA and no wait before us: take the access. */
static int secmem_access_begin(struct secmem_grant *grant,
			       struct vm_area_struct *vma,
			       struct secmem_secret *secret, u32 generation,
			       bool write)
{
	struct secmem_holder *holder = secmem_holder_find(grant, secret);
	int ret;

	/* The lock keeps it standing, unfrozen; only a full counter is left. */
	if (holder)
		return secmem_holder_nest(holder, generation) ? 0 : -EMFILE;

	holder = secmem_holder_get(grant, secret);
	if (!holder)
		return -ENOMEM;
	ret = secmem_view_insert(grant, vma, secret, write);
	if (ret) {
		secmem_view_zap(grant, secret);
		return ret;
	}
	secmem_holder_begin(secret, holder, write);
	secmem_secret_move(secret, write ? SECMEM_EVENT_HOLD_WRITE :
					   SECMEM_EVENT_HOLD_READ);
	return 0;
}

/* One try; -EAGAIN and a begun waiter where it must wait. */
static int secmem_access_try(struct secmem_grant *grant,
			     struct secmem_secret *secret, u32 generation,
			     u32 flags, struct secmem_waiter *waiter)
{
	bool write = flags & SECMEM_WRITE;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	mutex_lock(&secret->lock);
	ret = secmem_secret_ask(secret, generation,
				write ? SECMEM_EVENT_HOLD_WRITE :
					SECMEM_EVENT_HOLD_READ);
	if (ret < 0)
		goto out;
	/* Afresh each time: an address kept could be another's by now. */
	vma = secmem_view_find(grant, secret);
	if (!vma)
		ret = -ENXIO;
	else if (!ret)
		ret = secmem_access_begin(grant, vma, secret, generation,
					  write);
	else if (flags & SECMEM_NOWAIT)
		ret = -EAGAIN;
	else
		secmem_secret_wait_begin(waiter, secret);
out:
	mutex_unlock(&secret->lock);
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
	struct secmem_holder *own = secmem_holder_own(grant, secret);
	struct secmem_waiter waiter;
	int ret;

	/* Accesses outlive their view; without one the slow path says so. */
	if (own && !(flags & SECMEM_WRITE) && atomic_read(&grant->views) &&
	    secmem_holder_nest(own, generation)) {
		ret = 0;
		goto trace;
	}
	do {
		ret = secmem_access_try(grant, secret, generation, flags,
					&waiter);
		if (ret != SECMEM_MUST_WAIT)
			break;
		ret = secmem_secret_wait_end(&waiter, deadline);
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
 * (nothing held); -EKEYREVOKED; -ENOENT.
 */
int secmem_access_release(struct secmem_grant *grant,
			  struct secmem_secret *secret, u32 generation,
			  bool had)
{
	struct secmem_holder *holder = secmem_holder_own(grant, secret);
	bool write;
	int ret = 0;

	if (holder && secmem_holder_unnest(holder, generation))
		goto trace;

	mutex_lock(&grant->bound->flip);
	mutex_lock(&secret->lock);
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
		ret = secmem_holder_drop(holder);
		if (ret <= 0)
			goto out;
		ret = 0;
	}
	secmem_holder_end(grant, secret, holder);
	if (write && had)
		ret = secmem_secret_mend(secret);
	secmem_secret_move(secret, secmem_drop_event(secret));
out:
	mutex_unlock(&secret->lock);
	mutex_unlock(&grant->bound->flip);
trace:
	trace_secmem_release(grant->vault->number,
			     secmem_handle_make(grant->vault, secret->slot,
						generation),
			     ret);
	return ret;
}

/**
 * secmem_access_freeze - let nobody nest on the accesses that are held
 * @secret: it is closing
 *
 * Context: The caller holds @secret's lock.
 */
void secmem_access_freeze(struct secmem_secret *secret)
{
	struct secmem_holder *holder;

	lockdep_assert_held(&secret->lock);
	hlist_for_each_entry(holder, &secret->holders, by_secret)
		atomic64_or(SECMEM_WORD_FROZEN, &holder->word);
}

/**
 * secmem_access_revoke - end all accesses to a secret, in every process
 * @secret: it is about to be closed
 *
 * Context: Process context. The caller holds @secret's lock, which also keeps
 * the grants of its holders: a grant ends its accesses before it goes.
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
	if (secret->state == SECMEM_CLOSED || !secret->linger)
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

/* An mm ends: what it was writing, nobody finished. */
static void secmem_access_abandon(struct secmem_grant *grant,
				  struct secmem_secret *secret)
{
	struct secmem_holder *holder;

	mutex_lock(&secret->lock);
	holder = secmem_holder_find(grant, secret);
	if (holder) {
		if (atomic64_read(&holder->word) & SECMEM_WORD_WRITE)
			secret->torn = 1;
		secmem_holder_end(grant, secret, holder);
		secmem_secret_step(secret, secret->generation,
				   secmem_drop_event(secret));
	}
	mutex_unlock(&secret->lock);
}

/*
 * Without the secret's lock: false once whoever ended the holder has no more to
 * do with it or its grant. For a grant that takes no new accesses, it stays so.
 */
static bool secmem_holder_listed(const struct secmem_holder *holder)
{
	/* Pairs with the release in secmem_holder_end(). */
	return smp_load_acquire(&holder->by_secret.pprev);
}

/* The next secret, from a slot on, that a grant holds; NULL at the end. */
static struct secmem_secret *secmem_access_next(struct secmem_grant *grant,
						unsigned long *slot)
{
	struct secmem_secret *secret;
	struct secmem_record *record;

	if (grant->secret)
		return secmem_holder_listed(&grant->single.holder) ?
			       grant->secret :
			       NULL;
	if (!grant->first) {
		for (record = xa_find(&grant->records, slot, ULONG_MAX,
				      XA_PRESENT);
		     record && !secmem_holder_listed(&record->holder);
		     record = xa_find_after(&grant->records, slot, ULONG_MAX,
					    XA_PRESENT))
			cond_resched();
		return record ? record->secret : NULL;
	}
	/* Pairs with the release in secmem_vault_append(). */
	while (*slot < smp_load_acquire(&grant->vault->slot_count)) {
		secret = secmem_vault_slot(grant->vault, *slot);
		if (secmem_holder_listed(&secret->first))
			return secret;
		++*slot;
		cond_resched();
	}
	return NULL;
}

/**
 * secmem_access_any - does a grant hold anything
 * @grant: the grant
 *
 * What lingers is ended.
 *
 * Context: Process context, may sleep. A yes may be over at once; a no as well,
 * unless the caller knows that the grant takes no new access.
 * Return: whether it does.
 */
bool secmem_access_any(struct secmem_grant *grant)
{
	struct secmem_secret *secret;
	unsigned long slot = 0;
	bool held = false;

	while (!held && (secret = secmem_access_next(grant, &slot))) {
		mutex_lock(&secret->lock);
		secmem_access_settle(secret);
		held = secmem_access_find(grant, secret);
		mutex_unlock(&secret->lock);
	}
	return held;
}

/**
 * secmem_access_end - end all accesses of a grant
 * @grant: its mm has ended or its file is gone, so that it takes no new ones
 *
 * Context: Process context, no lock held. Sleeps.
 */
void secmem_access_end(struct secmem_grant *grant)
{
	struct secmem_secret *secret;
	unsigned long slot = 0;

	/* A revoker may come first; the place stays all the same. */
	while ((secret = secmem_access_next(grant, &slot)))
		secmem_access_abandon(grant, secret);
}
