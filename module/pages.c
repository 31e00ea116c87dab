// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages: supply, scrub, and who is charged.
 *
 * A vault takes pages in blocks, which double as it grows, up to 2 MiB. A block
 * leaves the direct map as a whole, so that it costs one split of a large
 * mapping and one flush; its pages are then handed out one by one, zeroed when
 * they come back, and given back to the kernel when the block is empty.
 *
 * A block is charged to the memory cgroup of who made it, and serves no other: a
 * supply is what one address space and user has in one vault. The user is
 * charged for the pages that serve. Idle ones cost nothing while they are no
 * more than those and a small allowance; beyond, they are charged, too, so that
 * nobody locks much more than the limit by leaving one page a block in use.
 *
 * A page serves with its reference count frozen at 0, so that nobody who comes
 * by its PFN (KVM and VFIO follow page tables to it) can take a reference and
 * keep it after us. It must not be PG_reserved, which VFIO would map as is. Who
 * takes memory offline believes such pages on their way to be free, and would
 * wait for that: a notifier refuses.
 */
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/memory.h>
#include <linux/page_ref.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "internal.h"

#define SECMEM_BLOCK_ORDER	9	/* of the largest */

/* Idle pages that a user is not charged for, beside one for each that serves. */
#define SECMEM_IDLE_FREE	512U

/* What an empty vault keeps, so that a CREATE and CLOSE in turn cost little. */
#define SECMEM_SPARE_PAGES	8

/* How often blocks up to some size are sought where mappings are split already. */
#define SECMEM_SPLIT_TRIES	8
#define SECMEM_SPLIT_ORDER	3

/* What a user has in all vaults. */
struct secmem_user {
	struct list_head all;		/* secmem_users */
	u32 supplies;			/* protected by secmem_users_lock */
	const struct cred *cred;	/* constant: keeps the user_struct */
	spinlock_t lock;		/* the rest */
	u32 used;			/* pages that serve, or are about to */
	u32 idle;			/* pages that do not */
	u32 charged;			/* of these, to RLIMIT_MEMLOCK */
};

static LIST_HEAD(secmem_users);
static DEFINE_SPINLOCK(secmem_users_lock);

/* What one address space and user has in one vault. */
struct secmem_supply {
	struct kref ref;		/* the vault's, and one a block */
	struct list_head by_vault;	/* protected by vault->slots_lock */
	u32 users;			/* calls in it; protected by slots_lock */
	u64 owner;			/* constant: number of the mm */
	struct secmem_user *user;	/* constant: who pays */
	struct mutex grow;		/* one makes a block at a time */
	u32 splits;			/* by small blocks; protected by grow */
	spinlock_t lock;		/* the rest, and its blocks */
	struct list_head idle;		/* blocks with idle pages */
	struct secmem_block *spare;	/* one that is empty, or NULL */
	bool left;			/* nobody in sight who will ask for more */
	u32 used;			/* pages */
	u32 total;			/* pages */
};

struct secmem_block {
	struct list_head by_supply;	/* while pages are idle; supply->lock */
	struct list_head all;		/* secmem_blocks_lock; panic does without */
	struct secmem_supply *supply;	/* constant: one reference */
	struct page *first;		/* constant */
	u8 order;			/* constant */
	bool removed;			/* constant: off the direct map, verified */
	u16 idle;			/* pages; protected by supply->lock */
	unsigned long used[];		/* bitmap; protected by supply->lock */
};

/* All blocks, for those who wipe everything. */
static LIST_HEAD(secmem_blocks);
static u32 secmem_blocks_count;		/* protected by secmem_blocks_lock */
static DEFINE_SPINLOCK(secmem_blocks_lock);

/* The end is near: what is wiped now shall reach memory, too. */
static bool secmem_pages_write_back;

static unsigned int secmem_block_pages(const struct secmem_block *block)
{
	return 1U << block->order;
}

static bool secmem_block_empty(const struct secmem_block *block)
{
	return block->idle == secmem_block_pages(block);
}

/* Others leave the direct map; this one did not. */
static bool secmem_block_exposed(const struct secmem_block *block)
{
	return !block->removed && secmem_directmap_why() == SECMEM_WHY_IN_FORCE;
}

static struct secmem_block *secmem_page_block(const struct page *page)
{
	return (struct secmem_block *)page_private(page);
}

/**
 * secmem_page_removed - is a page off the direct map
 * @page: from secmem_pages_get()
 *
 * Context: Any.
 * Return: whether it is, and that was verified.
 */
bool secmem_page_removed(const struct page *page)
{
	return secmem_page_block(page)->removed;
}

/**
 * secmem_page_map - a way to a page, for a moment
 * @page: from secmem_pages_get()
 *
 * Context: Process context, may sleep. Until secmem_page_unmap() the caller
 * may neither sleep nor map a second page.
 * Return: the address; never fails.
 */
void *secmem_page_map(struct page *page)
{
	return secmem_page_removed(page) ? secmem_window_open(page) :
					   kmap_local_page(page);
}

/**
 * secmem_page_unmap - the end of secmem_page_map()
 * @page: as there
 * @at: from there
 *
 * Context: As secmem_page_map() left it; may sleep at its end.
 */
void secmem_page_unmap(struct page *page, void *at)
{
	if (secmem_page_removed(page))
		secmem_window_close(page, at);
	else
		kunmap_local(at);
}

static void secmem_page_zero(void *at)
{
	memzero_explicit(at, PAGE_SIZE);
	if (READ_ONCE(secmem_pages_write_back))
		secmem_compat_cache_write_back(at, PAGE_SIZE);
}

static void secmem_page_wipe(struct page *page)
{
	void *at = secmem_page_map(page);

	secmem_page_zero(at);
	secmem_page_unmap(page, at);
}

static struct secmem_user *secmem_user_find(void)
{
	struct secmem_user *user;

	lockdep_assert_held(&secmem_users_lock);
	list_for_each_entry(user, &secmem_users, all) {
		if (user->cred->user == current_user()) {
			user->supplies++;
			return user;
		}
	}
	return NULL;
}

static struct secmem_user *secmem_user_get(void)
{
	struct secmem_user *fresh, *user;

	spin_lock(&secmem_users_lock);
	user = secmem_user_find();
	spin_unlock(&secmem_users_lock);
	if (user)
		return user;
	fresh = kzalloc(sizeof(*fresh), SECMEM_GFP);
	if (!fresh)
		return NULL;
	spin_lock_init(&fresh->lock);
	fresh->supplies = 1;
	spin_lock(&secmem_users_lock);
	user = secmem_user_find();
	if (!user) {
		fresh->cred = get_current_cred();
		list_add(&fresh->all, &secmem_users);
	}
	spin_unlock(&secmem_users_lock);
	if (!user)
		return fresh;
	kfree(fresh);
	return user;
}

static void secmem_user_put(struct secmem_user *user)
{
	bool last;

	spin_lock(&secmem_users_lock);
	last = !--user->supplies;
	if (last)
		list_del(&user->all);
	spin_unlock(&secmem_users_lock);
	if (last) {
		WARN_ON_ONCE(user->used || user->idle || user->charged);
		put_cred(user->cred);
		kfree(user);
	}
}

static bool secmem_user_may(long locked)
{
	unsigned long cap = READ_ONCE(secmem_memlock_cap);
	unsigned long limit = (cap ?: rlimit(RLIMIT_MEMLOCK)) >> PAGE_SHIFT;

	return (unsigned long)locked <= limit || capable(CAP_IPC_LOCK);
}

/*
 * RLIMIT_MEMLOCK is counted where io_uring and BPF count it too: in the
 * user_struct. What the current task has not asked for is not refused.
 */
static int secmem_user_charge(struct secmem_user *user, s32 used, s32 idle,
			      bool asked)
{
	atomic_long_t *locked = &user->cred->user->locked_vm;
	long held = atomic_long_read(locked), more;
	u32 charged;

	spin_lock(&user->lock);
	used += user->used;
	idle += user->idle;
	charged = used + max_t(s64, 0, (s64)idle - used - SECMEM_IDLE_FREE);
	more = (long)charged - user->charged;
	do {
		if (asked && more > 0 && !secmem_user_may(held + more)) {
			spin_unlock(&user->lock);
			return -ENOMEM;
		}
	} while (!atomic_long_try_cmpxchg(locked, &held, held + more));
	user->used = used;
	user->idle = idle;
	user->charged = charged;
	spin_unlock(&user->lock);
	return 0;
}

/*
 * At a limit CREATE says ENOMEM; it does not call the OOM killer. A block of
 * some size is worth an effort; where a smaller one serves as well, none.
 */
static gfp_t secmem_block_gfp(unsigned int order)
{
	return GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
	       (order == 0 || order == SECMEM_BLOCK_ORDER ?
			__GFP_RETRY_MAYFAIL :
			__GFP_NORETRY);
}

/*
 * Pages of a small block may lie in a large mapping of the direct map, which
 * would be split for them. Once that happened, look for places where it has:
 * what is refused is held meanwhile, so that it does not come again.
 */
static struct page *secmem_block_alloc(struct secmem_supply *supply,
				       unsigned int order)
{
	struct page *page = alloc_pages(secmem_block_gfp(order), order);
	struct page *refused[SECMEM_SPLIT_TRIES];
	unsigned int count = 0;

	lockdep_assert_held(&supply->grow);
	if (order == SECMEM_BLOCK_ORDER)
		return page;
	while (page && supply->splits && order <= SECMEM_SPLIT_ORDER &&
	       count < SECMEM_SPLIT_TRIES && secmem_directmap_splits(page)) {
		refused[count++] = page;
		page = alloc_pages(secmem_block_gfp(order), order);
	}
	if (!page && count)
		page = refused[--count];
	while (count--)
		__free_pages(refused[count], order);
	if (page && secmem_directmap_splits(page))
		supply->splits++;
	return page;
}

static void secmem_block_note(struct secmem_block *block)
{
	spin_lock(&secmem_blocks_lock);
	list_add_rcu(&block->all, &secmem_blocks);
	secmem_blocks_count++;
	spin_unlock(&secmem_blocks_lock);
}

static void secmem_block_forget(struct secmem_block *block)
{
	spin_lock(&secmem_blocks_lock);
	list_del_rcu(&block->all);
	secmem_blocks_count--;
	spin_unlock(&secmem_blocks_lock);
}

/* What cannot be mapped again is kept, never freed: false if there is any. */
static bool secmem_block_free_pages(struct secmem_block *block)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < secmem_block_pages(block); i++) {
		struct page *page = block->first + i;

		set_page_private(page, 0);
		if (block->removed && !secmem_directmap_restore(page)) {
			all = false;
			continue;
		}
		page_ref_unfreeze(page, 1);
		__free_page(page);
	}
	return all;
}

static void secmem_supply_free(struct kref *ref)
{
	struct secmem_supply *supply = container_of(ref, struct secmem_supply,
						    ref);

	secmem_user_put(supply->user);
	kfree(supply);
}

/* It is on no list of its supply any more. */
static void secmem_block_free(struct secmem_block *block)
{
	struct secmem_supply *supply = block->supply;
	bool all = secmem_block_free_pages(block);

	secmem_user_charge(supply->user, 0, -(s32)secmem_block_pages(block),
			   false);
	kref_put(&supply->ref, secmem_supply_free);
	/* With a page that is kept, it stays noted for secmem_pages_offline(). */
	if (!all)
		return;
	secmem_block_forget(block);
	kfree(block);
}

static int secmem_block_populate(struct secmem_block *block)
{
	unsigned int i;

	split_page(block->first, block->order);
	for (i = 0; i < secmem_block_pages(block); i++) {
		/* Only a speculative reference can be in the way; it soon goes. */
		while (!page_ref_freeze(block->first + i, 1))
			cond_resched();
		set_page_private(block->first + i, (unsigned long)block);
	}
	switch (secmem_directmap_remove(block->first,
					secmem_block_pages(block))) {
	case SECMEM_DIRECTMAP_REMOVED:
		block->removed = true;
		return 0;
	case SECMEM_DIRECTMAP_LOST:
		/* Neither in nor out: nobody gets these pages any more. */
		return -ENOMEM;
	default:
		if (!secmem_directmap_required())
			return 0;
		secmem_block_free_pages(block);
		return -EOPNOTSUPP;
	}
}

/* A block whose pages are idle, on no list of its supply yet. */
static struct secmem_block *secmem_block_create(struct secmem_supply *supply,
						unsigned int order)
{
	struct secmem_block *block;
	int ret;

	ret = secmem_user_charge(supply->user, 0, 1 << order, true);
	if (ret)
		return ERR_PTR(ret);
	block = kzalloc(struct_size(block, used, BITS_TO_LONGS(1U << order)),
			SECMEM_GFP);
	ret = -ENOMEM;
	if (!block)
		goto uncharge;
	block->supply = supply;
	block->order = order;
	block->idle = secmem_block_pages(block);
	block->first = secmem_block_alloc(supply, order);
	if (!block->first)
		goto free;
	/* Before its pages freeze, for secmem_pages_offline(). */
	secmem_block_note(block);
	ret = secmem_block_populate(block);
	if (ret == -ENOMEM)
		goto uncharge; /* its pages are kept, and so it stays noted */
	if (ret)
		goto forget;
	kref_get(&supply->ref);
	return block;
forget:
	secmem_block_forget(block);
free:
	kfree(block);
uncharge:
	secmem_user_charge(supply->user, 0, -(1 << order), false);
	return ERR_PTR(ret);
}

/*
 * Take blocks off their supply that it need not keep: empty ones but one, and
 * that one too, where it is more than what is in use and than a few pages, or
 * nobody asks for pages any more. One that did not leave the direct map is never
 * kept: the next may.
 */
static void secmem_supply_trim(struct secmem_supply *supply,
			       struct secmem_block *block,
			       struct list_head *surplus)
{
	lockdep_assert_held(&supply->lock);
	if (secmem_block_empty(block)) {
		if (supply->spare || secmem_block_exposed(block)) {
			list_move(&block->by_supply, surplus);
			supply->total -= secmem_block_pages(block);
		} else {
			supply->spare = block;
			list_move_tail(&block->by_supply, &supply->idle);
		}
	}
	block = supply->spare;
	if (block &&
	    (supply->left || secmem_block_pages(block) >
				     max_t(u32, supply->used,
					   SECMEM_SPARE_PAGES))) {
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
		supply->spare = NULL;
	}
}

static void secmem_blocks_free(struct list_head *blocks)
{
	struct secmem_block *block, *next;

	list_for_each_entry_safe(block, next, blocks, by_supply) {
		secmem_block_free(block);
		cond_resched();
	}
}

/* As much again as there is, or what is wanted: no more may lie idle. */
static unsigned int secmem_supply_order(struct secmem_supply *supply,
					unsigned int want)
{
	u32 total;

	spin_lock(&supply->lock);
	total = supply->total;
	spin_unlock(&supply->lock);
	return min_t(unsigned int, SECMEM_BLOCK_ORDER,
		     max_t(unsigned int, order_base_2(want),
			   total ? ilog2(total) : 0));
}

static bool secmem_supply_has_idle(struct secmem_supply *supply)
{
	bool has;

	spin_lock(&supply->lock);
	has = !list_empty(&supply->idle);
	spin_unlock(&supply->lock);
	return has;
}

/* Another block; none where one that grew it before us left idle pages. */
static int secmem_supply_grow(struct secmem_supply *supply, unsigned int want)
{
	struct secmem_block *block;
	int order;

	if (mutex_lock_killable(&supply->grow))
		return -ENOMEM;
	if (secmem_supply_has_idle(supply)) {
		mutex_unlock(&supply->grow);
		return 0;
	}
	order = secmem_supply_order(supply, want);
	do
		block = secmem_block_create(supply, order);
	while (block == ERR_PTR(-ENOMEM) && --order >= 0);
	if (!IS_ERR(block)) {
		spin_lock(&supply->lock);
		list_add(&block->by_supply, &supply->idle);
		supply->total += secmem_block_pages(block);
		spin_unlock(&supply->lock);
	}
	mutex_unlock(&supply->grow);
	return PTR_ERR_OR_ZERO(block);
}

/* Take idle pages, up to count. */
static unsigned int secmem_supply_take(struct secmem_supply *supply,
				       struct page **pages, unsigned int count)
{
	struct secmem_block *block;
	unsigned int taken = 0, i;

	spin_lock(&supply->lock);
	while (taken < count && !list_empty(&supply->idle)) {
		block = list_first_entry(&supply->idle, struct secmem_block,
					 by_supply);
		if (supply->spare == block)
			supply->spare = NULL;
		i = find_first_zero_bit(block->used, secmem_block_pages(block));
		__set_bit(i, block->used);
		if (!--block->idle)
			list_del_init(&block->by_supply);
		pages[taken++] = block->first + i;
	}
	supply->used += taken;
	spin_unlock(&supply->lock);
	return taken;
}

static void secmem_page_put(struct page *page, struct list_head *surplus)
{
	struct secmem_block *block = secmem_page_block(page);
	struct secmem_supply *supply = block->supply;

	secmem_page_wipe(page);
	spin_lock(&supply->lock);
	__clear_bit(page - block->first, block->used);
	supply->used--;
	if (!block->idle++)
		list_add(&block->by_supply, &supply->idle);
	secmem_supply_trim(supply, block, surplus);
	spin_unlock(&supply->lock);
}

/* The supply stays: by its pages, or because the caller is in it. */
static void secmem_supply_return(struct secmem_supply *supply,
				 struct page **pages, unsigned int count)
{
	struct secmem_user *user = supply->user;
	LIST_HEAD(surplus);
	unsigned int i;

	/* In this order, so that the user is there until all is accounted. */
	secmem_user_charge(user, -(s32)count, count, false);
	for (i = 0; i < count; i++)
		secmem_page_put(pages[i], &surplus);
	secmem_blocks_free(&surplus);
}

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

static struct secmem_supply *secmem_supply_create(u64 owner)
{
	struct secmem_supply *supply = kzalloc(sizeof(*supply),
					       SECMEM_GFP);

	if (!supply)
		return NULL;
	supply->user = secmem_user_get();
	if (!supply->user) {
		kfree(supply);
		return NULL;
	}
	kref_init(&supply->ref);
	supply->owner = owner;
	mutex_init(&supply->grow);
	spin_lock_init(&supply->lock);
	INIT_LIST_HEAD(&supply->idle);
	return supply;
}

/* One without pages, and nobody in it, is of no use any more. */
static bool secmem_supply_unused(struct secmem_supply *supply)
{
	bool unused;

	spin_lock(&supply->lock);
	unused = !supply->total && !supply->users;
	spin_unlock(&supply->lock);
	return unused;
}

static struct secmem_supply *secmem_supply_find(struct secmem_vault *vault,
						u64 owner)
{
	struct secmem_supply *supply, *next;

	lockdep_assert_held(&vault->slots_lock);
	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		if (supply->owner == owner &&
		    supply->user->cred->user == current_user())
			return supply;
		if (secmem_supply_unused(supply)) {
			list_del(&supply->by_vault);
			kref_put(&supply->ref, secmem_supply_free);
		}
	}
	return NULL;
}

/* The current user's, in that address space; made where there is none yet. */
static struct secmem_supply *secmem_supply_get(struct secmem_vault *vault,
					       u64 owner)
{
	struct secmem_supply *supply, *fresh = NULL;

	spin_lock(&vault->slots_lock);
	supply = secmem_supply_find(vault, owner);
	if (!supply) {
		spin_unlock(&vault->slots_lock);
		fresh = secmem_supply_create(owner);
		if (!fresh)
			return NULL;
		spin_lock(&vault->slots_lock);
		supply = secmem_supply_find(vault, owner);
		if (!supply) {
			supply = fresh;
			fresh = NULL;
			list_add(&supply->by_vault, &vault->supplies);
		}
	}
	supply->users++;
	spin_lock(&supply->lock);
	supply->left = false;
	spin_unlock(&supply->lock);
	spin_unlock(&vault->slots_lock);
	if (fresh)
		kref_put(&fresh->ref, secmem_supply_free);
	return supply;
}

static void secmem_supply_put(struct secmem_vault *vault,
			      struct secmem_supply *supply)
{
	spin_lock(&vault->slots_lock);
	supply->users--;
	spin_unlock(&vault->slots_lock);
}

/**
 * secmem_pages_get - zeroed pages, charged to the current user
 * @vault: whose they will be
 * @owner: number of the address space that asks
 * @pages: filled in
 * @count: how many
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM (no memory, or a limit); -EOPNOTSUPP (they must be off the
 * direct map, and stayed).
 */
int secmem_pages_get(struct secmem_vault *vault, u64 owner,
		     struct page **pages, unsigned int count)
{
	struct secmem_supply *supply = secmem_supply_get(vault, owner);
	unsigned int taken = 0;
	int ret;

	if (!supply)
		return -ENOMEM;
	ret = secmem_user_charge(supply->user, count, 0, true);
	if (ret)
		goto put;
	for (;;) {
		taken += secmem_supply_take(supply, pages + taken,
					    count - taken);
		if (taken == count)
			break;
		ret = fatal_signal_pending(current) ?
			      -ENOMEM :
			      secmem_supply_grow(supply, count - taken);
		if (ret)
			break;
	}
	/* Those that were taken are not idle any more. */
	secmem_user_charge(supply->user, (s32)taken - count, -(s32)taken,
			   false);
	if (!ret)
		secmem_count_add(pages, count);
	else
		secmem_supply_return(supply, pages, taken);
put:
	secmem_supply_put(vault, supply);
	return ret;
}

/* What is empty goes, now and later. */
static void secmem_supply_leave(struct secmem_supply *supply,
				struct list_head *surplus)
{
	struct secmem_block *block, *next;

	spin_lock(&supply->lock);
	supply->left = true;
	supply->spare = NULL;
	list_for_each_entry_safe(block, next, &supply->idle, by_supply) {
		if (!secmem_block_empty(block))
			continue;
		list_move(&block->by_supply, surplus);
		supply->total -= secmem_block_pages(block);
	}
	spin_unlock(&supply->lock);
}

/**
 * secmem_pages_leave - an address space has one grant less of a vault
 * @vault: the vault
 * @owner: number of the address space
 *
 * What is kept for its next CREATE is given back: there may be none, and a vault
 * outlives many who use it.
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_leave(struct secmem_vault *vault, u64 owner)
{
	struct secmem_supply *supply, *next;
	LIST_HEAD(surplus);
	LIST_HEAD(unused);

	spin_lock(&vault->slots_lock);
	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		if (supply->owner != owner)
			continue;
		secmem_supply_leave(supply, &surplus);
		if (secmem_supply_unused(supply))
			list_move(&supply->by_vault, &unused);
	}
	spin_unlock(&vault->slots_lock);
	secmem_blocks_free(&surplus);
	list_for_each_entry_safe(supply, next, &unused, by_vault)
		kref_put(&supply->ref, secmem_supply_free);
}

/**
 * secmem_pages_end - give back what a vault kept
 * @vault: it goes, and has no secret left
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_end(struct secmem_vault *vault)
{
	struct secmem_supply *supply, *next;
	LIST_HEAD(surplus);

	list_for_each_entry_safe(supply, next, &vault->supplies, by_vault) {
		WARN_ON_ONCE(supply->used);
		secmem_supply_leave(supply, &surplus);
		secmem_blocks_free(&surplus);
		INIT_LIST_HEAD(&surplus);
		kref_put(&supply->ref, secmem_supply_free);
	}
}

/*
 * Without secmem_blocks_lock, at a panic, a list that a stopped CPU left in the
 * middle of a change is walked as readers of an RCU list may: a block is added
 * before its pages serve, and goes after they were wiped.
 */
static void secmem_blocks_wipe(u32 most)
{
	struct secmem_block *block;
	unsigned int i;

	list_for_each_entry_rcu(block, &secmem_blocks, all, true) {
		if (!most--)
			break;
		for_each_set_bit(i, block->used, secmem_block_pages(block)) {
			struct page *page = block->first + i;

			secmem_page_zero(block->removed ?
						 secmem_window_force(page) :
						 page_address(page));
		}
	}
}

/**
 * secmem_pages_write_back_from_now - what is wiped shall reach memory, too
 *
 * Context: Any.
 */
void secmem_pages_write_back_from_now(void)
{
	WRITE_ONCE(secmem_pages_write_back, true);
}

/**
 * secmem_pages_wipe_all - zero every page that holds bytes of a secret
 * @panic: nothing else runs any more, whatever it held: take no lock
 *
 * From now on whatever is wiped is also written back to memory.
 *
 * Context: Process context; or, with @panic, any.
 */
void secmem_pages_wipe_all(bool panic)
{
	secmem_pages_write_back_from_now();
	if (panic) {
		/* One that a stopped CPU was about to count is there, too. */
		secmem_blocks_wipe(READ_ONCE(secmem_blocks_count) + nr_cpu_ids);
		return;
	}
	spin_lock(&secmem_blocks_lock);
	secmem_blocks_wipe(secmem_blocks_count);
	spin_unlock(&secmem_blocks_lock);
}

/*
 * Of pages whose count is 0. Those that were allocated and are not frozen yet,
 * the core takes for what they are.
 */
static int secmem_pages_offline(struct notifier_block *notifier,
				unsigned long event, void *data)
{
	const struct memory_notify *range = data;
	struct secmem_block *block;
	bool held = false;

	if (event != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	spin_lock(&secmem_blocks_lock);
	list_for_each_entry(block, &secmem_blocks, all) {
		unsigned long first = page_to_pfn(block->first);

		held = first < range->start_pfn + range->nr_pages &&
		       range->start_pfn < first + secmem_block_pages(block);
		if (held)
			break;
	}
	spin_unlock(&secmem_blocks_lock);
	return held ? notifier_from_errno(-EBUSY) : NOTIFY_OK;
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
	return register_memory_notifier(&secmem_pages_memory_block);
}

/**
 * secmem_pages_teardown - at module unload, when no page serves
 *
 * Context: Process context, may sleep.
 */
void secmem_pages_teardown(void)
{
	unregister_memory_notifier(&secmem_pages_memory_block);
}
