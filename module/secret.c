// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a secret: steps through the table of lifecycle.h, waits, ends.
 * Nothing here knows of address spaces; access.c does.
 */
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

struct secmem_lifecycle_row {
	u8 next;
	s16 verdict;
};

#define SECMEM_VERDICT_OK	0
#define SECMEM_VERDICT_WAIT	SECMEM_MUST_WAIT
#define SECMEM_VERDICT_REVOKED	(-EKEYREVOKED)
#define SECMEM_VERDICT_BUSY	(-EBUSY)
#define SECMEM_VERDICT_INVALID	(-EINVAL)

#define SECMEM_LIFECYCLE_ROW(state, event, to, what)	\
	[SECMEM_##state][SECMEM_EVENT_##event] = {	\
		.next = SECMEM_##to,			\
		.verdict = SECMEM_VERDICT_##what,	\
	},

static const struct secmem_lifecycle_row
	secmem_lifecycle[SECMEM_STATES][SECMEM_EVENTS] = {
	SECMEM_LIFECYCLE(SECMEM_LIFECYCLE_ROW)
};

static int secmem_secret_check(struct secmem_secret *secret, u32 generation)
{
	lockdep_assert_held(&secret->lock);
	if (generation == secret->generation && generation)
		return 0;
	return generation && generation < secret->generation ? -EKEYREVOKED :
							       -ENOENT;
}

/**
 * secmem_secret_peek - what an event would come to
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * Context: The caller holds @secret's lock.
 * Return: 0; SECMEM_MUST_WAIT; -ENOENT, -EKEYREVOKED, -EBUSY, -EINVAL by the
 * table; -EPERM where sealed; -EOWNERDEAD where a writer died.
 */
int secmem_secret_peek(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event)
{
	int verdict = secmem_secret_check(secret, generation);

	if (verdict)
		return verdict;
	verdict = secmem_lifecycle[secret->state][event].verdict;
	if (verdict < 0)
		return verdict;

	switch (event) {
	case SECMEM_EVENT_HOLD_WRITE:
	case SECMEM_EVENT_COPY_IN:
		return secret->sealed ? -EPERM : verdict;
	case SECMEM_EVENT_HOLD_READ:
	case SECMEM_EVENT_COPY_OUT:
	case SECMEM_EVENT_SEAL:
		return secret->torn && !verdict ? -EOWNERDEAD : verdict;
	default:
		return verdict;
	}
}

/*
 * Wake all who wait or poll. They stand in the queue before they let go of the
 * lock under which they look, or before they take it, and whoever wakes holds it;
 * so who is not seen here has yet to look.
 */
static void secmem_secret_wake(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	/* The lock is the barrier. */
	if (secret->cold && waitqueue_active(&secret->cold->waitq))
		wake_up_all(&secret->cold->waitq);
}

/**
 * secmem_secret_need_cold - see to it that a secret has its cold part
 * @secret: the place; it keeps what it got as long as it is one
 *
 * So small an allocation does not fail: a closer that found no memory to wait
 * with could neither wait nor go.
 *
 * Context: Process context, may sleep. The caller holds @secret's lock.
 */
void secmem_secret_need_cold(struct secmem_secret *secret)
{
	struct secmem_cold *cold;

	lockdep_assert_held(&secret->lock);
	if (secret->cold)
		return;
	cold = kzalloc(sizeof(*cold), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	init_waitqueue_head(&cold->waitq);
	INIT_LIST_HEAD(&cold->lingers);
	cold->secret = secret;
	secret->cold = cold;
}

/* The end of every secret: no access and no page-table entry is left. */
static void secmem_secret_finish(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	WARN_ON_ONCE(!hlist_empty(&secret->holders));

	secret->damaged = !secmem_secret_intact(secret);
	secmem_copy_revoke(secret);
	trace_secmem_wipe(secret->vault->number, secmem_secret_handle(secret),
			  secret->bytes.count);
	secmem_bytes_destroy(&secret->bytes);
	secmem_vault_wiped(secret->vault);
	secmem_count_add(wipes, 1);
	secmem_count_add(secrets, -1);
	if (secret->cold)
		memset(secret->cold->label, 0, sizeof(secret->cold->label));
	/* Shut the lockless path for good: this generation is over. */
	atomic64_set(&secret->first.word,
		     secmem_word_empty(secret->generation) |
			     SECMEM_WORD_FROZEN);
	secmem_secret_wake(secret);
	secmem_vault_retire(secret);
}

/**
 * secmem_secret_step - let an event happen
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event
 *
 * A step to CLOSED wipes and frees; its caller has seen to it that no access
 * is left. A waiter is woken where its turn may have come.
 *
 * Context: Process context. The caller holds @secret's lock.
 * Return: as secmem_secret_peek(); the state has changed for 0 and for a CLOSE
 * that must wait.
 */
int secmem_secret_step(struct secmem_secret *secret, u32 generation,
		       enum secmem_event event)
{
	int verdict = secmem_secret_peek(secret, generation, event);

	if (verdict >= 0)
		secmem_secret_move(secret, event);
	return verdict;
}

/**
 * secmem_secret_move - secmem_secret_step() for who has peeked
 * @secret: the place
 * @event: an event that secmem_secret_peek() let happen, under the same lock
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_move(struct secmem_secret *secret, enum secmem_event event)
{
	u8 before = secret->state;

	lockdep_assert_held(&secret->lock);
	secret->state = secmem_lifecycle[before][event].next;
	if (secret->state == before)
		return;
	if (secret->state == SECMEM_CLOSED)
		secmem_secret_finish(secret);
	else if (secret->state == SECMEM_CLOSING ||
		 event == SECMEM_EVENT_DROP_LAST)
		secmem_secret_wake(secret);
}

/**
 * secmem_secret_wait_begin - stand in line, before the lock is let go
 * @waiter: on the caller's stack
 * @secret: what is waited for
 *
 * Context: The caller holds @secret's lock, and lets it and whatever else it
 * holds go before secmem_secret_wait_end(). Wakers hold the lock too, so no
 * wake-up is lost in between.
 */
void secmem_secret_wait_begin(struct secmem_waiter *waiter,
			      struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	secmem_secret_need_cold(secret);
	waiter->secret = secret;
	init_wait_entry(&waiter->entry, 0);
	prepare_to_wait(&secret->cold->waitq, &waiter->entry,
			TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	secret->cold->waiters++;
	secmem_count_add(waiters, 1);
	secmem_count_add(waits, 1);
	trace_secmem_wait(secret->vault->number, secmem_secret_handle(secret));
}

/**
 * secmem_secret_wait_end - sleep until woken
 * @waiter: begun by the same task
 * @deadline: absolute, CLOCK_MONOTONIC nanoseconds, or SECMEM_FOREVER
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 (look again), -EINTR or -ETIMEDOUT.
 */
int secmem_secret_wait_end(struct secmem_waiter *waiter, s64 deadline)
{
	struct secmem_secret *secret = waiter->secret;
	ktime_t expires = deadline;
	int ret = 0;

	if (signal_pending(current))
		ret = -EINTR;
	else if (deadline == SECMEM_FOREVER)
		schedule();
	else if (!schedule_hrtimeout_range(&expires, current->timer_slack_ns,
					   HRTIMER_MODE_ABS))
		ret = -ETIMEDOUT;
	finish_wait(&secret->cold->waitq, &waiter->entry);
	if (!ret && signal_pending(current))
		ret = -EINTR;

	mutex_lock(&secret->lock);
	secret->cold->waiters--;
	mutex_unlock(&secret->lock);
	secmem_count_add(waiters, -1);
	return ret;
}

/**
 * secmem_secret_lock_for - lock a secret once an event may happen
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @event: the event; it does not happen yet
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: as secmem_secret_wait_end()
 *
 * Context: Process context, no lock of secmem and no mmap_lock held. Sleeps.
 * Return: 0 with @secret locked; else not locked, and -EAGAIN, -EINTR,
 * -ETIMEDOUT or what secmem_secret_peek() says.
 */
int secmem_secret_lock_for(struct secmem_secret *secret, u32 generation,
			   enum secmem_event event, u32 flags, s64 deadline)
{
	struct secmem_waiter waiter;
	int ret;

	for (;;) {
		mutex_lock(&secret->lock);
		ret = secmem_secret_ask(secret, generation, event);
		if (!ret)
			return 0;
		if (ret == SECMEM_MUST_WAIT && (flags & SECMEM_NOWAIT))
			ret = -EAGAIN;
		if (ret != SECMEM_MUST_WAIT) {
			mutex_unlock(&secret->lock);
			return ret;
		}
		secmem_secret_wait_begin(&waiter, secret);
		mutex_unlock(&secret->lock);
		ret = secmem_secret_wait_end(&waiter, deadline);
		if (ret)
			return ret;
	}
}

/**
 * secmem_secret_publish - let a reserved place serve a new secret
 * @secret: from secmem_vault_reserve()
 * @bytes: handed over
 * @label: SECMEM_LABEL_SIZE bytes
 * @flags: SECMEM_CREATE_*
 *
 * Where the machine goes down by now, or the vault was ended, it is revoked at
 * once.
 *
 * Context: Process context, may sleep.
 */
void secmem_secret_publish(struct secmem_secret *secret,
			   const struct secmem_bytes *bytes, const char *label,
			   u32 flags)
{
	mutex_lock(&secret->lock);
	secret->generation++;
	secret->bytes = *bytes;
	secret->sealed = 0;
	secret->suspend_wipe = !!(flags & SECMEM_CREATE_SUSPEND_WIPE);
	secret->linger = !!(flags & SECMEM_CREATE_LINGER);
	secret->torn = 0;
	secret->damaged = 0;
	/* They were that of its place in the quarantine. */
	INIT_HLIST_HEAD(&secret->holders);
	INIT_HLIST_HEAD(&secret->bounces);
	if (secret->linger)
		secmem_secret_need_cold(secret);
	if (memchr_inv(label, 0, SECMEM_LABEL_SIZE)) {
		secmem_secret_need_cold(secret);
		memcpy(secret->cold->label, label, SECMEM_LABEL_SIZE);
	}
	atomic64_set(&secret->first.word,
		     secmem_word_empty(secret->generation));
	secmem_count_add(secrets, 1);
	WARN_ON_ONCE(secmem_secret_step(secret, secret->generation,
					SECMEM_EVENT_CREATE));
	trace_secmem_create(secret->vault->number, secmem_secret_handle(secret),
			    bytes->length, flags);
	if (!secmem_power_keeps(secret->suspend_wipe) ||
	    READ_ONCE(secret->vault->ended))
		secmem_secret_revoke_locked(secret);
	mutex_unlock(&secret->lock);
}

/**
 * secmem_secret_mend - a WRITE is complete
 * @secret: what was written
 *
 * Context: The caller holds @secret's lock.
 * Return: 0; -EBADMSG where the canary is damaged; -EIO where memory under the
 * secret is known to be bad, and so what was written there is lost.
 */
int secmem_secret_mend(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->torn) {
		secret->torn = 0;
		secmem_secret_wake(secret);
	}
	if (!secmem_bytes_sound(&secret->bytes, 0, secret->bytes.length))
		return -EIO;
	return secmem_secret_intact(secret) ? 0 : -EBADMSG;
}

/**
 * secmem_secret_seal - no WRITE, ever again
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, may sleep.
 * Return: 0, -EBUSY, or as secmem_secret_peek().
 */
int secmem_secret_seal(struct secmem_secret *secret, u32 generation)
{
	int ret;

	mutex_lock(&secret->lock);
	ret = secmem_secret_step(secret, generation, SECMEM_EVENT_SEAL);
	if (!ret) {
		secret->sealed = 1;
		/* Writers in line learn that their turn never comes. */
		secmem_secret_wake(secret);
	}
	mutex_unlock(&secret->lock);
	return ret;
}

/* What a closer is told of a secret that has been closed. */
static int secmem_secret_closed(struct secmem_secret *secret, u32 generation)
{
	return secret->generation == generation && secret->damaged ? -EBADMSG :
								     0;
}

static int secmem_secret_close_wait(struct secmem_secret *secret,
				    u32 generation, u32 flags, s64 deadline)
{
	struct secmem_waiter waiter;
	bool mine = false;
	int ret;

	for (;;) {
		mutex_lock(&secret->lock);
		if (secret->state != SECMEM_CLOSED)
			mine = true;
		secmem_secret_ask(secret, generation, SECMEM_EVENT_CLOSE);
		ret = secmem_secret_step(secret, generation,
					 SECMEM_EVENT_CLOSE);
		if (ret == -EKEYREVOKED)
			ret = 0;
		if (!ret && mine)
			ret = secmem_secret_closed(secret, generation);
		if (ret == SECMEM_MUST_WAIT) {
			secmem_access_freeze(secret);
			if (flags & SECMEM_NOWAIT)
				ret = -EAGAIN;
		}
		if (ret != SECMEM_MUST_WAIT) {
			mutex_unlock(&secret->lock);
			return ret;
		}
		secmem_secret_wait_begin(&waiter, secret);
		mutex_unlock(&secret->lock);
		ret = secmem_secret_wait_end(&waiter, deadline);
		if (ret)
			return ret;
	}
}

/**
 * secmem_secret_close - no new access; wait for the old ones; wipe and free
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 * @flags: SECMEM_NOWAIT or 0
 * @deadline: as secmem_secret_wait_end()
 *
 * A closer that gives up leaves the secret closing, and the last release
 * finishes the work.
 *
 * Context: Process context, no lock of secmem held. Sleeps.
 * Return: 0, also when it was closed before; -EBADMSG (closed, canary
 * damaged); -EAGAIN, -EINTR, -ETIMEDOUT (closing); -ENOENT.
 */
int secmem_secret_close(struct secmem_secret *secret, u32 generation,
			u32 flags, s64 deadline)
{
	int ret = secmem_secret_close_wait(secret, generation, flags, deadline);

	trace_secmem_close(secret->vault->number,
			   secmem_handle_make(secret->vault, secret->slot,
					      generation),
			   ret);
	return ret;
}

/**
 * secmem_secret_revoke_locked - end a secret now, whoever holds it
 * @secret: the place
 *
 * Context: Process context. The caller holds @secret's lock.
 */
void secmem_secret_revoke_locked(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	if (secret->state == SECMEM_CLOSED)
		return;
	trace_secmem_revoke(secret->vault->number,
			    secmem_secret_handle(secret));
	secmem_access_revoke(secret);
	secmem_secret_step(secret, secret->generation, SECMEM_EVENT_REVOKE);
}

/**
 * secmem_secret_revoke - end a secret now, whoever holds it
 * @secret: the place
 * @generation: which of the secrets that it has served is meant
 *
 * Context: Process context, may sleep.
 * Return: 0, also when it was closed before, or -ENOENT.
 */
int secmem_secret_revoke(struct secmem_secret *secret, u32 generation)
{
	int ret;

	mutex_lock(&secret->lock);
	ret = secmem_secret_check(secret, generation);
	if (!ret)
		secmem_secret_revoke_locked(secret);
	else if (ret == -EKEYREVOKED)
		ret = 0;
	mutex_unlock(&secret->lock);
	return ret;
}

/**
 * secmem_protections - what this module enforces on this kernel
 *
 * Context: Any.
 * Return: a mask of 1 << SECMEM_PROT_*.
 */
u64 secmem_protections(void)
{
	u64 mask = BIT_ULL(SECMEM_PROT_UNMAPPED) |
		   BIT_ULL(SECMEM_PROT_READ_ONLY) |
		   BIT_ULL(SECMEM_PROT_WRITE_ALONE) |
		   BIT_ULL(SECMEM_PROT_ONE_MM) |
		   BIT_ULL(SECMEM_PROT_GUARD) |
		   BIT_ULL(SECMEM_PROT_OVERRUN) |
		   BIT_ULL(SECMEM_PROT_CANARY) |
		   BIT_ULL(SECMEM_PROT_NO_SWAP) |
		   BIT_ULL(SECMEM_PROT_NO_DUMP) |
		   BIT_ULL(SECMEM_PROT_NO_INHERIT) |
		   BIT_ULL(SECMEM_PROT_NO_PEEK) |
		   BIT_ULL(SECMEM_PROT_WIPE_FREE) |
		   BIT_ULL(SECMEM_PROT_WIPE_EXIT) |
		   BIT_ULL(SECMEM_PROT_WIPE_REBOOT) |
		   BIT_ULL(SECMEM_PROT_NO_HIBERNATE) |
		   BIT_ULL(SECMEM_PROT_MEMLOCK);

	if (secmem_compat_memcg_charges())
		mask |= BIT_ULL(SECMEM_PROT_MEMCG);
	if (secmem_directmap_why() == SECMEM_WHY_IN_FORCE)
		mask |= BIT_ULL(SECMEM_PROT_DIRECT_MAP);
	if (secmem_power_panic_why() == SECMEM_WHY_IN_FORCE)
		mask |= BIT_ULL(SECMEM_PROT_WIPE_PANIC);
	return mask;
}

/**
 * secmem_protection_why - why a protection is not in force
 * @bit: SECMEM_PROT_*
 *
 * Context: Any.
 * Return: SECMEM_WHY_*.
 */
u8 secmem_protection_why(unsigned int bit)
{
	if (secmem_protections() & BIT_ULL(bit))
		return SECMEM_WHY_IN_FORCE;
	switch (bit) {
	case SECMEM_PROT_DIRECT_MAP:
		return secmem_directmap_why();
	case SECMEM_PROT_WIPE_PANIC:
		return secmem_power_panic_why();
	default:
		return SECMEM_WHY_KERNEL;
	}
}

/**
 * secmem_secret_protections - what holds for bytes of that length and pages
 * @bytes: the bytes
 * @linger: what is mapped may outlive its access
 *
 * Context: Any.
 * Return: a mask of 1 << SECMEM_PROT_*.
 */
u64 secmem_secret_protections(const struct secmem_bytes *bytes, bool linger)
{
	u64 mask = secmem_protections();

	if (linger)
		mask &= ~BIT_ULL(SECMEM_PROT_UNMAPPED);
	if (secmem_bytes_tail(bytes))
		mask &= ~BIT_ULL(SECMEM_PROT_OVERRUN);
	if (bytes->offset < SECMEM_CANARY_MIN &&
	    secmem_bytes_tail(bytes) < SECMEM_CANARY_MIN)
		mask &= ~BIT_ULL(SECMEM_PROT_CANARY);
	if (bytes->exposed)
		mask &= ~BIT_ULL(SECMEM_PROT_DIRECT_MAP);
	return mask;
}

static void secmem_secret_stat_holders(struct secmem_secret *secret,
				       struct secmem_status *stat)
{
	struct secmem_holder *holder;

	hlist_for_each_entry(holder, &secret->holders, by_secret) {
		u64 word = atomic64_read(&holder->word);

		if (word & SECMEM_WORD_WRITE)
			stat->writers += secmem_word_count(word);
		else
			stat->readers += secmem_word_count(word);
	}
	if (stat->writers)
		stat->protection = SECMEM_WRITE;
	else if (!hlist_empty(&secret->holders))
		stat->protection = SECMEM_READ;
}

/**
 * secmem_secret_stat - how a secret stands
 * @secret: the place
 * @stat: its handle given; the fields after it are filled in
 *
 * Context: Process context, may sleep.
 * Return: 0, or -ENOENT.
 */
int secmem_secret_stat(struct secmem_secret *secret, struct secmem_status *stat)
{
	int ret;

	*stat = (struct secmem_status){ .size = stat->size,
				      .handle = stat->handle };
	mutex_lock(&secret->lock);
	ret = secmem_secret_check(secret,
				  secmem_handle_generation(stat->handle));
	if (ret == -EKEYREVOKED || (!ret && secret->state == SECMEM_CLOSED)) {
		stat->state = SECMEM_STATE_CLOSED;
		ret = 0;
	} else if (!ret) {
		stat->state = secret->state == SECMEM_CLOSING ?
				      SECMEM_STATE_CLOSING :
				      SECMEM_STATE_OPEN;
		if (secret->sealed)
			stat->stat_flags |= SECMEM_STAT_SEALED;
		if (secret->torn)
			stat->stat_flags |= SECMEM_STAT_OWNERDEAD;
		if (secret->suspend_wipe)
			stat->stat_flags |= SECMEM_STAT_SUSPEND_WIPE;
		if (secret->linger)
			stat->stat_flags |= SECMEM_STAT_LINGER;
		stat->length = secret->bytes.length;
		stat->protections = secmem_secret_protections(&secret->bytes,
							      secret->linger);
		if (secret->cold) {
			stat->waiters = secret->cold->waiters;
			memcpy(stat->label, secret->cold->label,
			       sizeof(stat->label));
		}
		secmem_secret_stat_holders(secret, stat);
	}
	mutex_unlock(&secret->lock);
	return ret;
}
