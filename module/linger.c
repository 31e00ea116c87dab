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
 * The tick waits for nobody: it leaves an errand with who holds a secret's lock,
 * and has a worker a secret zap the entries.
 */
#include <linux/workqueue.h>

#include "linger.h"
#include "vault.h"
#include "work.h"

#define SECMEM_LINGER_MS	4

/* Of cold->lingers; each holds a reference to its vault. */
static LIST_HEAD(secmem_lingerers);
static DEFINE_SPINLOCK(secmem_linger_lock);

static void secmem_linger_tick(struct work_struct *work);
static DECLARE_DELAYED_WORK(secmem_linger_work, secmem_linger_tick);

/**
 * secmem_linger_watch - a holder may linger from now on
 * @place: its secret
 *
 * Context: The caller holds @place's lock.
 */
void secmem_linger_watch(struct secmem_place *place)
{
	bool first = false;

	lockdep_assert_held(&place->lock);
	spin_lock(&secmem_linger_lock);
	if (list_empty(&place->cold->lingers)) {
		kref_get(&place->vault->ref);
		first = list_empty(&secmem_lingerers);
		list_add_tail(&place->cold->lingers, &secmem_lingerers);
	}
	spin_unlock(&secmem_linger_lock);
	if (first)
		schedule_delayed_work(&secmem_linger_work,
				      msecs_to_jiffies(SECMEM_LINGER_MS));
}

static struct secmem_place *secmem_linger_next(struct list_head *from)
{
	struct secmem_cold *cold;

	spin_lock(&secmem_linger_lock);
	cold = list_first_entry_or_null(from, struct secmem_cold, lingers);
	if (cold)
		list_del_init(&cold->lingers);
	spin_unlock(&secmem_linger_lock);
	return cold ? cold->place : NULL;
}

/* Called directly, too, when the module is unloaded. */
static void secmem_linger_tick(struct work_struct *work)
{
	struct secmem_place *place;
	LIST_HEAD(now);

	/* What begins to linger meanwhile is for the next tick. */
	spin_lock(&secmem_linger_lock);
	list_splice_init(&secmem_lingerers, &now);
	spin_unlock(&secmem_linger_lock);

	while ((place = secmem_linger_next(&now))) {
		/* The worker gives the reference to the vault back. */
		if (!secmem_work_queue(&place->cold->settle))
			secmem_vault_put(place->vault);
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
