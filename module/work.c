// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's own workers.
 */
#include "base.h"
#include "work.h"

/*
 * The exit of a process waits for the first two, and gives its memory back after
 * that: they go on where memory is short.
 */
static struct workqueue_struct *secmem_workers;

/* For the ends of mms, which wait for the workers above. */
static struct workqueue_struct *secmem_enders;

/*
 * For telling those who poll: however many there are, it takes no priority over
 * others.
 */
static struct workqueue_struct *secmem_tellers;

/**
 * secmem_work_setup - at module load
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int secmem_work_setup(void)
{
	const unsigned int flags = WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM;

	secmem_workers = alloc_workqueue("secmem", flags, 0);
	secmem_enders = alloc_workqueue("secmem-end", flags, 0);
	secmem_tellers = alloc_workqueue("secmem-tell", WQ_UNBOUND, 0);
	if (secmem_workers && secmem_enders && secmem_tellers)
		return 0;
	secmem_work_teardown();
	return -ENOMEM;
}

/**
 * secmem_work_teardown - at module unload, or where the setup failed
 *
 * Context: Process context, may sleep; nobody is left who has work for them.
 */
void secmem_work_teardown(void)
{
	struct workqueue_struct * const queues[] = { secmem_enders, secmem_workers,
						     secmem_tellers };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		if (queues[i])
			destroy_workqueue(queues[i]);
}

/**
 * secmem_work_tell - let a worker wake those who watch
 * @work: what
 *
 * Context: Any.
 * Return: false where it was queued already, and has not begun.
 */
bool secmem_work_tell(struct work_struct *work)
{
	return queue_work(secmem_tellers, work);
}

/**
 * secmem_work_end - let a worker take the grants off an mm that has ended
 * @work: its
 *
 * Context: Any.
 */
void secmem_work_end(struct work_struct *work)
{
	queue_work(secmem_enders, work);
}

/**
 * secmem_work_queue - let a worker of the module's do something
 * @work: what
 *
 * Context: Any.
 * Return: false where it was queued already, and has not begun.
 */
bool secmem_work_queue(struct work_struct *work)
{
	return queue_work(secmem_workers, work);
}
