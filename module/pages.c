// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages for the secrets of a vault. They are taken from the supply of the task that
 * calls, and go back to the supply that they came from. A vault remembers the supply
 * that served it last; as a rule there is no other.
 */
#include <linux/memory.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "area.h"
#include "block.h"
#include "grow.h"
#include "pages.h"
#include "shrink.h"

/**
 * secmem_pages_return - wipe pages and give them back
 * @pages: from secmem_pages_take(), with no page-table entry left
 * @count: how many
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_return(struct page **pages, unsigned int count)
{
	secmem_supply_return(secmem_page_block(pages[0])->supply, pages, count);
	secmem_count_add(pages, -(s64)count);
}

static bool secmem_supply_is_current(const struct secmem_supply *supply)
{
	return supply->memcg == secmem_compat_memcg() &&
	       secmem_user_is_current(supply->user);
}

/*
 * A vault looks to a supply no more. If none does, the supply keeps no spare.
 */
static void secmem_supply_part(struct secmem_supply *supply, bool trim)
{
	LIST_HEAD(surplus);

	spin_lock(&supply->lock);
	supply->vaults--;
	if (trim && !supply->vaults && supply->spare)
		secmem_supply_shed_spare(supply, &surplus);
	spin_unlock(&supply->lock);
	secmem_supply_free_blocks(&surplus);
	secmem_supply_put(supply);
}

/* From now on the vault looks to this supply first. */
static void secmem_source_join(struct secmem_supply *supply,
			       struct secmem_source *source)
{
	struct secmem_supply *old = supply;

	refcount_inc(&supply->refs);
	spin_lock(&supply->lock);
	supply->vaults++;
	spin_unlock(&supply->lock);
	spin_lock(&source->lock);
	swap(source->supply, old);
	spin_unlock(&source->lock);
	/*
	 * The old one keeps its spare: two users may create in the vault in
	 * turn.
	 */
	if (old)
		secmem_supply_part(old, false);
}

/* The supply of the current task, with a reference. */
static struct secmem_supply *secmem_source_supply(struct secmem_source *source)
{
	struct secmem_supply *supply;

	spin_lock(&source->lock);
	supply = source->supply;
	if (supply && secmem_supply_is_current(supply))
		refcount_inc(&supply->refs);
	else
		supply = NULL;
	spin_unlock(&source->lock);
	if (supply)
		return supply;
	supply = secmem_supply_get();
	if (supply)
		secmem_source_join(supply, source);
	return supply;
}

/**
 * secmem_pages_take - zeroed pages, charged to the current user
 * @source: of the vault whose they will be
 * @pages: filled in
 * @count: how many
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM (no memory, or a limit); -EOPNOTSUPP (they must be off the
 * direct map, and stayed).
 */
int secmem_pages_take(struct secmem_source *source, struct page **pages,
		      unsigned int count)
{
	struct secmem_supply *supply = secmem_source_supply(source);
	unsigned int taken = 0, bad = 0;
	LIST_HEAD(surplus);
	int ret;

	if (!supply)
		return -ENOMEM;
	ret = secmem_user_charge(supply->user, count, 0, true);
	if (ret)
		goto put;
	for (;;) {
		taken += secmem_supply_take(supply, pages + taken,
					    count - taken, &bad, &surplus);
		if (taken == count)
			break;
		ret = fatal_signal_pending(current) ?
			      -ENOMEM :
			      secmem_supply_grow(supply, count - taken);
		if (ret)
			break;
	}
	/* Those that were taken are not idle any more. */
	secmem_user_charge(supply->user, (s32)taken - count,
			   -(s32)(taken + bad), false);
	secmem_supply_free_blocks(&surplus);
	while (bad--)
		secmem_page_withdraw();
	if (!ret)
		secmem_count_add(pages, count);
	else
		secmem_supply_return(supply, pages, taken);
put:
	secmem_supply_put(supply);
	return ret;
}

/**
 * secmem_source_setup - no pages were taken yet
 * @source: zeroed
 *
 * Context: Any.
 */
void secmem_source_setup(struct secmem_source *source)
{
	spin_lock_init(&source->lock);
}

/**
 * secmem_source_end - a vault takes no pages any more
 * @source: its vault goes, and has no secret left
 *
 * Context: Process context, may sleep.
 */
void secmem_source_end(struct secmem_source *source)
{
	if (source->supply)
		secmem_supply_part(source->supply, true);
}

/**
 * secmem_source_show - how much serves in a vault and who pays, lines of fdinfo
 * @source: of a vault that the caller has a reference to
 * @seq: where
 *
 * The user is the one who created there last: others may be charged, too.
 *
 * Context: Any.
 */
void secmem_source_show(struct secmem_source *source, struct seq_file *seq)
{
	spin_lock(&source->lock);
	if (source->supply)
		secmem_user_show(source->supply->user, seq);
	spin_unlock(&source->lock);
	seq_printf(seq, "vault-bytes:\t%llu\n",
		   (u64)atomic64_read(&source->pages) << PAGE_SHIFT);
}

/*
 * Memory with a block in it cannot go offline: the core takes pages with a
 * count of 0 for pages on their way to be free, and would wait for them. Those
 * that are not frozen yet it knows as allocated.
 */
static int secmem_pages_offline(struct notifier_block *notifier,
				unsigned long event, void *data)
{
	const struct memory_notify *range = data;

	if (event != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	/* Nobody needs these. */
	secmem_shrink_all();
	return secmem_block_any(range->start_pfn, range->nr_pages) ?
		       notifier_from_errno(-EBUSY) :
		       NOTIFY_OK;
}

static struct notifier_block secmem_pages_memory_block = {
	.notifier_call = secmem_pages_offline,
};

/**
 * secmem_pages_setup - at module load
 *
 * Context: Process context, may sleep.
 * Return: 0 or an errno.
 */
int secmem_pages_setup(void)
{
	int ret = secmem_shrink_setup();

	if (ret)
		return ret;
	secmem_areas_setup();
	ret = register_memory_notifier(&secmem_pages_memory_block);
	if (ret)
		secmem_shrink_teardown();
	return ret;
}

/**
 * secmem_pages_teardown - at module unload, when no page serves
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_teardown(void)
{
	unregister_memory_notifier(&secmem_pages_memory_block);
	secmem_shrink_teardown();
	secmem_areas_teardown();
	secmem_block_teardown();
}
