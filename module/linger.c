// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lingering: where CREATE was asked for it, page-table entries outlive the last
 * release by a bounded time, so that the next access finds them in place and
 * costs no flush.
 *
 * A holder that lingers stays on the list of its place although it has no access
 * any more. A release starts no timer: there is one tick for all secrets. Of each
 * secret on its list, the holders that have no access then are ended. Those that
 * have one must not linger any more: their last release ends them, and the tick
 * need not look at them again. Whoever would have to wait for the last release
 * of a secret ends what lingers on it in the same way, at once.
 *
 * The tick itself waits for no lock of a secret, and zaps nothing. For each secret
 * it queues a work item, secmem_errand_settle() of errand.c: that worker ends what
 * lingers, or leaves an errand with who holds the secret's lock.
 */
#include <linux/workqueue.h>

#include "linger.h"
#include "vault.h"
#include "work.h"

/* The tick comes so long after the first secret is on its list. */
#define SECMEM_LINGER_MS	4

/*
 * What the next tick looks at: cold parts, by ->lingers. Each has a reference to its
 * vault.
 */
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
