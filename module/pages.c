// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages: taken for a vault from the supply of whose call it is, and given back.
 * A vault knows the last supply that served it, which is the only one as a rule.
 */
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "internal.h"

/**
 * secmem_pages_put - wipe pages and give them back
 * @pages: from secmem_pages_get(), with no page-table entry left
 * @count: how many
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_put(struct page **pages, unsigned int count)
{
	secmem_supply_return(secmem_page_block(pages[0])->supply, pages, count);
	secmem_count_add(pages, -(s64)count);
}

static bool secmem_supply_is_current(const struct secmem_supply *supply)
{
	return supply->memcg == secmem_compat_memcg() &&
	       secmem_user_is_current(supply->user);
}

/* A vault has it no more; where no other has, only areas are kept. */
static void secmem_supply_part(struct secmem_supply *supply, bool trim)
{
	LIST_HEAD(surplus);

	spin_lock(&supply->lock);
	supply->vaults--;
	if (trim && !supply->vaults && supply->spare)
		secmem_supply_drop_spare(supply, &surplus);
	spin_unlock(&supply->lock);
	secmem_supply_lose_all(&surplus);
	secmem_supply_put(supply);
}

/* From now on the vault looks there first. */
static void secmem_supply_join(struct secmem_supply *supply,
			       struct secmem_vault *vault)
{
	struct secmem_supply *old = supply;

	refcount_inc(&supply->refs);
	spin_lock(&supply->lock);
	supply->vaults++;
	spin_unlock(&supply->lock);
	spin_lock(&vault->slots_lock);
	swap(vault->supply, old);
	spin_unlock(&vault->slots_lock);
	/* Its spare stays: it may be that two users create there in turn. */
	if (old)
		secmem_supply_part(old, false);
}

/* The current task's, with a reference. */
static struct secmem_supply *secmem_supply_get(struct secmem_vault *vault)
{
	struct secmem_supply *supply;

	spin_lock(&vault->slots_lock);
	supply = vault->supply;
	if (supply && secmem_supply_is_current(supply))
		refcount_inc(&supply->refs);
	else
		supply = NULL;
	spin_unlock(&vault->slots_lock);
	if (supply)
		return supply;
	supply = secmem_supply_seek();
	if (supply)
		secmem_supply_join(supply, vault);
	return supply;
}

/**
 * secmem_pages_get - zeroed pages, charged to the current user
 * @vault: whose they will be
 * @pages: filled in
 * @count: how many
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM (no memory, or a limit); -EOPNOTSUPP (they must be off the
 * direct map, and stayed).
 */
int secmem_pages_get(struct secmem_vault *vault, struct page **pages,
		     unsigned int count)
{
	struct secmem_supply *supply = secmem_supply_get(vault);
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
	secmem_supply_lose_all(&surplus);
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
 * secmem_pages_end - a vault takes no pages any more
 * @vault: it goes, and has no secret left
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_end(struct secmem_vault *vault)
{
	if (vault->supply)
		secmem_supply_part(vault->supply, true);
}

/**
 * secmem_pages_show - how much serves in a vault and who pays, lines of fdinfo
 * @vault: the caller has a reference
 * @seq: where
 *
 * The user is the one who created there last: others may be charged, too.
 *
 * Context: Any.
 */
void secmem_pages_show(struct secmem_vault *vault, struct seq_file *seq)
{
	spin_lock(&vault->slots_lock);
	if (vault->supply)
		secmem_user_show(vault->supply->user, seq);
	spin_unlock(&vault->slots_lock);
	seq_printf(seq, "vault-bytes:\t%llu\n",
		   (u64)atomic64_read(&vault->pages) << PAGE_SHIFT);
}
