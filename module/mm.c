// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: that one has ended, and who waits until a worker has taken its
 * grants off.
 *
 *	lives --its last user is gone--> ended, work queued --worker--> no grants
 *
 * A process ends its mm before it closes its files, and both before its exit is
 * over. So where the close of its view and of its files wait for the worker, all
 * that it alone kept is wiped by the end of its exit.
 */
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "grant.h"
#include "mm.h"
#include "work.h"

static atomic64_t secmem_mm_numbers = ATOMIC64_INIT(0);

/* Objects that go some time after the last file is gone. */
static atomic_t secmem_mm_count;

/**
 * secmem_mm_create - for an mm that gets its first grant
 * @end: the worker's function, which takes the grants off it
 *
 * Context: Process context, may sleep.
 * Return: what knows of it, with the reference of its notifier; or NULL.
 */
struct secmem_mm *secmem_mm_create(work_func_t end)
{
	struct secmem_mm *bound = kzalloc(sizeof(*bound), SECMEM_GFP);

	if (!bound)
		return NULL;
	refcount_set(&bound->refs, 1);
	INIT_LIST_HEAD(&bound->grants);
	INIT_WORK(&bound->end, end);
	mutex_init(&bound->flip);
	bound->number = atomic64_inc_return(&secmem_mm_numbers);
	atomic_inc(&secmem_mm_count);
	return bound;
}

/**
 * secmem_mm_put - drop a reference
 * @bound: may be gone after
 *
 * Context: Any.
 */
void secmem_mm_put(struct secmem_mm *bound)
{
	if (!refcount_dec_and_test(&bound->refs))
		return;
	kfree(bound);
	if (atomic_dec_and_test(&secmem_mm_count))
		wake_up_var(&secmem_mm_count);
}

/**
 * secmem_mm_free - the notifier is gone
 * @notifier: that of an mm
 *
 * Context: From RCU.
 */
void secmem_mm_free(struct mmu_notifier *notifier)
{
	secmem_mm_put(container_of(notifier, struct secmem_mm, notifier));
}

/**
 * secmem_mm_release - the last user of an mm is gone
 * @notifier: that of the mm
 * @mm: the mm
 *
 * We are in a section for which all others of the machine wait who end a
 * notifier, and the mm may have a million secrets and no share of a processor:
 * so a worker does the work. Who closes the mm's view or its files waits for it.
 *
 * Context: Process context, in the section of mmu notifiers. Waits for nothing.
 */
void secmem_mm_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct secmem_mm *bound = container_of(notifier, struct secmem_mm,
					       notifier);

	refcount_inc(&bound->refs);
	spin_lock(&secmem_bind_lock);
	bound->ended = true;
	bound->ender = current->signal;
	/* Within the lock: who sees that it has ended finds the work to wait for. */
	secmem_work_end(&bound->end);
	spin_unlock(&secmem_bind_lock);
}

/**
 * secmem_mm_ending - the mm that a grant answers, if the current process ended it
 * @grant: its file is held
 *
 * Only that process waits for the worker, and only where it closes a view or a file.
 * Other processes that have come by the file do not. If the process has passed its
 * file on and has neither view nor file left, it waits nowhere, and the worker is
 * through some time after the exit.
 *
 * Context: Process context.
 * Return: a reference, for secmem_mm_await(); or NULL.
 */
struct secmem_mm *secmem_mm_ending(struct secmem_grant *grant)
{
	struct secmem_mm *bound;

	spin_lock(&secmem_bind_lock);
	bound = grant->bound;
	if (bound && bound->ended && bound->ender == current->signal)
		refcount_inc(&bound->refs);
	else
		bound = NULL;
	spin_unlock(&secmem_bind_lock);
	return bound;
}

/**
 * secmem_mm_await - wait until the grants are off an mm that has ended
 * @bound: from secmem_mm_ending(); handed over
 *
 * Context: Process context, may sleep; mmap_lock may be held by who ends its mm.
 */
void secmem_mm_await(struct secmem_mm *bound)
{
	if (!bound)
		return;
	flush_work(&bound->end);
	secmem_mm_put(bound);
}

/**
 * secmem_mm_teardown - at module unload
 *
 * mmu_notifier_synchronize() would wait for a grace period, and not for the
 * callbacks that other processors still have to call after it.
 *
 * Context: Process context, may sleep; no file is left.
 */
void secmem_mm_teardown(void)
{
	wait_var_event(&secmem_mm_count, !atomic_read(&secmem_mm_count));
	/* The last callback, which runs with softirqs disabled, has returned. */
	synchronize_rcu();
}
