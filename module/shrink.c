// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the cache has goes back to the kernel: by a shrinker when memory is short,
 * and to make room where an account has split too many areas.
 */
#include "cache.h"
#include "shrink.h"
#include "supply.h"

/**
 * secmem_shrink_one - give the oldest block back to the kernel
 * @account: of whose areas; NULL: of all
 *
 * Context: Process context, may sleep. By secmem_shrink_scan() it is also called in
 * a task whose own allocation found memory short.
 * Return: how many pages; 0 where nothing is cached.
 */
unsigned int secmem_shrink_one(struct secmem_account *account)
{
	struct secmem_supply *supply;
	struct secmem_block *block;
	unsigned int pages = 0;
	LIST_HEAD(surplus);

	while (!pages && (supply = secmem_cache_look(account, &block))) {
		spin_lock(&supply->lock);
		if (secmem_cache_claim(account, supply, block)) {
			pages = secmem_block_pages(block);
			secmem_supply_detach(supply, block, &surplus);
		}
		spin_unlock(&supply->lock);
		secmem_supply_free_blocks(&surplus);
		secmem_supply_put(supply);
	}
	return pages;
}

/*
 * Stops at what was wanted: others may cache blocks as fast as this frees them.
 */
static unsigned long secmem_shrink_some(unsigned long wanted)
{
	unsigned long given = 0;
	unsigned int pages;

	while (given < wanted && (pages = secmem_shrink_one(NULL))) {
		given += pages;
		cond_resched();
	}
	return given;
}

/**
 * secmem_shrink_all - give all blocks back that are cached now
 *
 * Context: Process context, may sleep.
 */
void secmem_shrink_all(void)
{
	secmem_shrink_some(secmem_cache_pages());
}

static void secmem_shrink_later(struct work_struct *work)
{
	secmem_shrink_all();
}

static DECLARE_WORK(secmem_shrink_work, secmem_shrink_later);

static unsigned long secmem_shrink_count(struct shrinker *shrinker,
					 struct shrink_control *sc)
{
	return secmem_cache_pages();
}

static unsigned long secmem_shrink_scan(struct shrinker *shrinker,
					struct shrink_control *sc)
{
	/*
	 * Newer kernels for arm64 put a page back into the direct map under a
	 * mutex, and allocate memory under it. A task that is here because of
	 * that allocation would wait for itself.
	 */
	if (IS_ENABLED(CONFIG_ARM64)) {
		schedule_work(&secmem_shrink_work);
		return SHRINK_STOP;
	}
	return secmem_shrink_some(sc->nr_to_scan) ?: SHRINK_STOP;
}

static struct shrinker *secmem_shrinker;

/**
 * secmem_shrink_setup - at module load
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int secmem_shrink_setup(void)
{
	secmem_shrinker = secmem_compat_shrinker_create(secmem_shrink_count,
							secmem_shrink_scan);
	return secmem_shrinker ? 0 : -ENOMEM;
}

/**
 * secmem_shrink_teardown - at module unload, when no page serves
 *
 * Context: Process context, may sleep.
 */
void secmem_shrink_teardown(void)
{
	secmem_compat_shrinker_free(secmem_shrinker);
	cancel_work_sync(&secmem_shrink_work);
	secmem_shrink_all();
}
