// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches: who polls a grant of one secret. They have a queue of their own for
 * each grant, so that a call that changes the answer of poll wakes none of them:
 * it queues a work item, whoever holds the secret pays nothing for however many
 * there are, and each queue is bounded.
 */
#include <linux/poll.h>

#include "watch.h"
#include "work.h"

/* Of one grant. To wake each costs some microseconds with interrupts off. */
#define SECMEM_WATCHES_MAX	1024

/**
 * secmem_watch_answer - what poll says of a secret
 * @place: the place
 *
 * Context: Any. Without the secret's lock the answer may be over at once.
 * Return: a mask of EPOLL*.
 */
__poll_t secmem_watch_answer(const struct secmem_place *place)
{
	u8 state = READ_ONCE(place->state);

	if (state == SECMEM_CLOSED)
		return EPOLLHUP;
	if (state == SECMEM_CLOSING ||
	    secmem_secret_closes(place, READ_ONCE(place->generation)))
		return EPOLLPRI;
	return state == SECMEM_WRITING ||
			       secmem_place_is(place, SECMEM_IS_TORN) ?
		       0 :
		       EPOLLIN | EPOLLRDNORM;
}

/* Is there room for another watch of this grant? */
static bool secmem_watch_room(struct secmem_grant *grant)
{
	unsigned int count = 0;
	struct list_head *entry;

	spin_lock_irq(&grant->pollq.lock);
	list_for_each(entry, &grant->pollq.head)
		if (++count == SECMEM_WATCHES_MAX)
			break;
	spin_unlock_irq(&grant->pollq.lock);
	return count < SECMEM_WATCHES_MAX;
}

/**
 * secmem_watch_poll - poll, select and epoll of a grant's file
 * @file: the file
 * @table: of who polls
 *
 * Context: Process context. No lock of a secret is taken.
 * Return: a mask of EPOLL*. For a grant of a whole vault it is EPOLLERR. Once a file
 * had too many watches, EPOLLERR is in it for all who poll the file, until it has
 * dropped its secret: then it is EPOLLHUP alone. For epoll keeps a
 * watch that came too late, although it is in no queue and nobody wakes it. With an
 * answer that is never 0, epoll asks for that watch again and again by itself.
 */
__poll_t secmem_watch_poll(struct file *file, struct poll_table_struct *table)
{
	struct secmem_grant *grant = file->private_data;
	struct secmem_place *place = grant->place;
	struct secmem_cold *cold;
	__poll_t answer;

	if (!place)
		return EPOLLERR;
	/* That is the end of its answers, whoever else polls. */
	if (READ_ONCE(grant->drops))
		return EPOLLHUP;
	/* Without a _qproc the caller only looks. */
	if (table && table->_qproc) {
		if (!secmem_watch_room(grant)) {
			WRITE_ONCE(grant->crowded, true);
			return EPOLLERR;
		}
		cold = place->cold;
		spin_lock(&cold->watch_lock);
		/* Who drops the secret takes it off, and is seen here after. */
		if (list_empty(&grant->by_watch) && !READ_ONCE(grant->drops))
			list_add_tail(&grant->by_watch, &cold->watched);
		spin_unlock(&cold->watch_lock);
		poll_wait(file, &grant->pollq, table);
		/* Pairs with the one in secmem_watch_tell(). */
		smp_mb();
	}
	answer = secmem_watch_answer(place);
	/*
	 * A grant that has dropped its secret does not keep the place from
	 * another one, whose answer this may be: then the drop is seen here.
	 */
	smp_rmb();
	if (READ_ONCE(grant->drops))
		return EPOLLHUP;
	return answer |
	       (READ_ONCE(grant->crowded) ? EPOLLERR : 0);
}

/**
 * secmem_watch_tell - poll's answer has changed
 * @place: the place
 *
 * Context: Process context. The caller holds @place's lock.
 */
void secmem_watch_tell(struct secmem_place *place)
{
	struct secmem_cold *cold = place->cold;

	lockdep_assert_held(&place->lock);
	if (!cold)
		return;
	/* Pairs with the one in secmem_watch_poll(): it sees, or is seen. */
	smp_mb();
	if (list_empty(&cold->watched))
		return;
	kref_get(&place->vault->ref);
	if (!secmem_work_tell(&cold->tell))
		secmem_vault_put(place->vault);
}

/**
 * secmem_watch_work - wake all who poll a secret
 * @work: of the secret's cold part
 *
 * Context: Process context, with a reference to the vault that is given back.
 */
void secmem_watch_work(struct work_struct *work)
{
	struct secmem_cold *cold = container_of(work, struct secmem_cold, tell);
	struct secmem_vault *vault = cold->place->vault;
	struct secmem_grant *grant;
	LIST_HEAD(now);

	spin_lock(&cold->watch_lock);
	list_splice_init(&cold->watched, &now);
	while ((grant = list_first_entry_or_null(&now, struct secmem_grant,
						 by_watch))) {
		list_move_tail(&grant->by_watch, &cold->watched);
		/* On the list, so its file has not been released. */
		kref_get(&grant->ref);
		spin_unlock(&cold->watch_lock);
		wake_up_all(&grant->pollq);
		secmem_grant_put(grant);
		cond_resched();
		spin_lock(&cold->watch_lock);
	}
	spin_unlock(&cold->watch_lock);
	secmem_vault_put(vault);
}

/**
 * secmem_watch_drop - a grant of one secret has dropped it
 * @grant: ->drops is set
 *
 * Those who poll are told, and of nothing any more: the place may serve another
 * secret soon.
 *
 * Context: Process context.
 */
void secmem_watch_drop(struct secmem_grant *grant)
{
	secmem_watch_end(grant);
	wake_up_all(&grant->pollq);
}

/**
 * secmem_watch_end - a grant's file is gone, or has dropped its secret
 * @grant: the place has nothing to tell those who poll it any more
 *
 * Context: Process context.
 */
void secmem_watch_end(struct secmem_grant *grant)
{
	struct secmem_cold *cold = grant->place ? grant->place->cold : NULL;

	if (!cold)
		return;
	spin_lock(&cold->watch_lock);
	list_del_init(&grant->by_watch);
	spin_unlock(&cold->watch_lock);
}
