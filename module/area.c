// SPDX-License-Identifier: GPL-2.0-only
/*
 * Areas: 2 MiB of memory. On x86 one large entry of the direct map maps an area, or
 * more, until a block in it leaves the direct map.
 *
 * The entry is split for that, and the kernel does not join it again: the whole
 * machine is slower for each. So a split is answered for. An area that is one
 * block is held by an account, which is kept to what it may lock; one that is the
 * kernel's again, or was never all secmem's, is lost. Losses are bounded for each
 * account, and for the machine by the parameter split_max. Where a bound is
 * reached, memory that is split already serves; where there is none, pages stay
 * in the direct map, which CREATE says.
 *
 * On other architectures secmem_directmap_splits() knows of no split: nobody
 * answers for an area, and no bound is reached.
 *
 * Who gets a lost area in one piece again holds it from then on.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/moduleparam.h>
#include <linux/user_namespace.h>

#include "area.h"
#include "directmap.h"
#include "user.h"

/*
 * An account may hold as many areas as its limit comes to, and so many more. It may
 * lose the same number.
 */
#define SECMEM_AREAS_MORE	2

#define SECMEM_AREA_LOST	XA_MARK_0

/*
 * By area: the account that answers for its split, with a reference.
 * SECMEM_AREA_LOST marks those that are lost. The lock of the xarray protects
 * what accounts count of areas.
 */
static DEFINE_XARRAY_FLAGS(secmem_areas, XA_FLAGS_ACCOUNT);
static u32 secmem_areas_lost;		/* in all; by its lock */

static unsigned int secmem_split_max = UINT_MAX;
module_param_named(split_max, secmem_split_max, uint, 0644);
MODULE_PARM_DESC(split_max,
		 "Areas of 2 MiB that may be left split in the direct map of x86; an eighth of memory");

static unsigned long secmem_area_index(const struct page *page)
{
	return page_to_pfn(page) >> SECMEM_AREA_ORDER;
}

/* How many areas the current task's account may hold; how many it may lose. */
static u32 secmem_area_bound(void)
{
	unsigned long limit = secmem_user_limit();

	/*
	 * The check refuses nothing by itself, so it must leave no audit
	 * record.
	 */
	if (limit / SZ_2M >= U32_MAX - SECMEM_AREAS_MORE - 1 ||
	    ns_capable_noaudit(&init_user_ns, CAP_IPC_LOCK))
		return U32_MAX;
	return DIV_ROUND_UP(limit, SZ_2M) + SECMEM_AREAS_MORE;
}

/**
 * secmem_area_scarce - is half of what an account may lose lost
 * @account: the current task's
 *
 * Context: Process context. Others may lose one meanwhile.
 * Return: whether it is.
 */
bool secmem_area_scarce(const struct secmem_account *account)
{
	return READ_ONCE(account->areas_lost) >= secmem_area_bound() / 2;
}

/* Hold an area that somebody lost, if the account may hold another one. */
static bool secmem_area_adopt(struct secmem_account *account,
			      unsigned long index, u32 bound)
{
	struct secmem_account *before = NULL;

	xa_lock(&secmem_areas);
	if (xa_get_mark(&secmem_areas, index, SECMEM_AREA_LOST) &&
	    account->areas_held < bound) {
		before = xa_load(&secmem_areas, index);
		before->areas_lost--;
		secmem_areas_lost--;
		secmem_account_hold(account);
		/* There is an entry already, so storing allocates nothing. */
		__xa_store(&secmem_areas, index, account, GFP_NOWAIT);
		__xa_clear_mark(&secmem_areas, index, SECMEM_AREA_LOST);
		account->areas_held++;
	}
	xa_unlock(&secmem_areas);
	if (before)
		secmem_account_put(before);
	return before;
}

static bool secmem_area_may_split(const struct secmem_account *account,
				  bool whole, u32 bound)
{
	return account->areas_lost < bound &&
	       (!whole || account->areas_held < bound) &&
	       secmem_areas_lost < READ_ONCE(secmem_split_max);
}

static int secmem_area_split(struct secmem_account *account,
			     unsigned long index, bool whole, u32 bound)
{
	int ret = xa_reserve(&secmem_areas, index, SECMEM_GFP);

	if (ret)
		return ret;
	xa_lock(&secmem_areas);
	if (xa_load(&secmem_areas, index)) {
		/*
		 * An account answers for this area, although its large entry
		 * was not split after all.
		 */
		ret = SECMEM_AREA_WAS;
	} else if (!secmem_area_may_split(account, whole, bound)) {
		ret = -EDQUOT;
	} else if (xa_is_err(__xa_store(&secmem_areas, index, account,
					GFP_NOWAIT))) {
		ret = -ENOMEM;
	} else if (whole) {
		secmem_account_hold(account);
		account->areas_held++;
		ret = SECMEM_AREA_HELD;
	} else {
		secmem_account_hold(account);
		__xa_set_mark(&secmem_areas, index, SECMEM_AREA_LOST);
		account->areas_lost++;
		secmem_areas_lost++;
		ret = SECMEM_AREA_LOSS;
	}
	xa_unlock(&secmem_areas);
	if (ret < 0)
		xa_release(&secmem_areas, index);
	return ret;
}

/**
 * secmem_area_take - a block is about to leave the direct map
 * @account: who is to answer for a split
 * @page: the block's first
 * @order: of the block
 * @split: whether it may split an area
 *
 * Context: Process context, may sleep.
 * Return: what becomes of its area; -EDQUOT, it would be split and may not;
 * -ENOMEM.
 */
int secmem_area_take(struct secmem_account *account, struct page *page,
		     unsigned int order, bool split)
{
	unsigned long index = secmem_area_index(page);
	bool whole = order == SECMEM_AREA_ORDER;
	u32 bound = secmem_area_bound();

	if (whole && secmem_area_adopt(account, index, bound))
		return SECMEM_AREA_HELD;
	if (!secmem_directmap_splits(page))
		return SECMEM_AREA_WAS;
	return split ? secmem_area_split(account, index, whole, bound) :
		       -EDQUOT;
}

/**
 * secmem_area_lose - an area that is held goes back to the kernel
 * @page: its first; the block is yet to be freed
 *
 * Context: Any.
 */
void secmem_area_lose(struct page *page)
{
	unsigned long index = secmem_area_index(page);
	struct secmem_account *account;

	xa_lock(&secmem_areas);
	account = xa_load(&secmem_areas, index);
	account->areas_held--;
	account->areas_lost++;
	secmem_areas_lost++;
	__xa_set_mark(&secmem_areas, index, SECMEM_AREA_LOST);
	xa_unlock(&secmem_areas);
}

/**
 * secmem_areas_count - areas that secmem split and has not got any more
 *
 * Context: Any.
 * Return: their number.
 */
u32 secmem_areas_count(void)
{
	return READ_ONCE(secmem_areas_lost);
}

/**
 * secmem_areas_setup - at module load
 *
 * Context: Process context.
 */
void secmem_areas_setup(void)
{
	if (secmem_split_max == UINT_MAX)
		secmem_split_max = totalram_pages() / 8 >> SECMEM_AREA_ORDER;
}

/**
 * secmem_areas_teardown - at module unload, when no page serves
 *
 * Context: Process context.
 */
void secmem_areas_teardown(void)
{
	struct secmem_account *account;
	unsigned long index;

	xa_for_each(&secmem_areas, index, account) {
		WARN_ON_ONCE(account->areas_held);
		secmem_account_put(account);
	}
	xa_destroy(&secmem_areas);
}
