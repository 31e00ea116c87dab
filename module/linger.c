// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lingering: where CREATE was asked for it, page-table entries outlive the last
 * release by a bounded time, so that the next access finds them in place and
 * costs no flush.
 *
 * A holder that lingers has no access and is on its secret's list all the same.
 * Nobody counts time at a release: a tick ends whatever has no access when it
 * comes, and takes the lingering from what is held, so that a long access is
 * looked at once. Whoever would wait for the last release does the same at once.
 */
#include <linux/workqueue.h>

#include "internal.h"

#define SECMEM_LINGER_MS	4
#define SECMEM_LINGER_MISSES	4

/* Of cold->lingers; each holds a reference to its vault. */
static LIST_HEAD(secmem_lingerers);
static DEFINE_SPINLOCK(secmem_linger_lock);

static void secmem_linger_tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(secmem_linger_work, secmem_linger_tick);

static void secmem_linger_add(struct secmem_secret *secret)
{
	bool first = false;

	spin_lock(&secmem_linger_lock);
	if (list_empty(&secret->cold->lingers)) {
		kref_get(&secret->vault->ref);
		first = list_empty(&secmem_lingerers);
		list_add_tail(&secret->cold->lingers, &secmem_lingerers);
	}
	spin_unlock(&secmem_linger_lock);
	if (first)
		schedule_delayed_work(&secmem_linger_work,
				      msecs_to_jiffies(SECMEM_LINGER_MS));
}

/**
 * secmem_linger_watch - a holder may linger from now on
 * @secret: its secret
 *
 * Context: The caller holds @secret's lock.
 */
void secmem_linger_watch(struct secmem_secret *secret)
{
	lockdep_assert_held(&secret->lock);
	secmem_linger_add(secret);
}

static struct secmem_secret *secmem_linger_next(struct list_head *from)
{
	struct secmem_cold *cold;

	spin_lock(&secmem_linger_lock);
	cold = list_first_entry_or_null(from, struct secmem_cold, lingers);
	if (cold)
		list_del_init(&cold->lingers);
	spin_unlock(&secmem_linger_lock);
	return cold ? cold->secret : NULL;
}

/* Who has the lock for long is not waited for, unless each tick meets somebody. */
static bool secmem_linger_trylock(struct secmem_secret *secret)
{
	struct secmem_cold *cold = secret->cold;

	if (!mutex_trylock(&secret->lock)) {
		if (++cold->misses < SECMEM_LINGER_MISSES)
			return false;
		mutex_lock(&secret->lock);
	}
	cold->misses = 0;
	return true;
}

/* Also by hand, when the module goes. */
static void secmem_linger_tick(struct work_struct *work)
{
	struct secmem_secret *secret;
	LIST_HEAD(now);

	/* What is watched meanwhile waits for the next tick. */
	spin_lock(&secmem_linger_lock);
	list_splice_init(&secmem_lingerers, &now);
	spin_unlock(&secmem_linger_lock);

	while ((secret = secmem_linger_next(&now))) {
		if (secmem_linger_trylock(secret)) {
			secmem_access_settle(secret);
			mutex_unlock(&secret->lock);
		} else {
			secmem_linger_add(secret);
		}
		/* What adding it again took is another. */
		secmem_vault_put(secret->vault);
		cond_resched();
	}
}

/**
 * secmem_linger_teardown - at module unload, when nobody is left to lock a secret
 *
 * Context: Process context, may sleep.
 */
void secmem_linger_teardown(void)
{
	cancel_delayed_work_sync(&secmem_linger_work);
	secmem_linger_tick(NULL);
	WARN_ON_ONCE(!list_empty(&secmem_lingerers));
}
