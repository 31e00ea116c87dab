// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for the pages of secrets.
 *
 * RLIMIT_MEMLOCK is a limit of each uid, counted where io_uring and BPF count it,
 * too: in its user_struct. Who owns a user namespace may have 65,536 uids in it,
 * and that limit in each. The kernel counts what belongs to the owner of a
 * namespace in ucounts, which no module can charge. So an account stands for an
 * owner here: what all uids in its namespaces lock in secrets is no more than the
 * limit either. Namespaces of root count for nobody but the uid: root sets
 * limits, and may run containers of many.
 */
#include <linux/moduleparam.h>
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "user.h"

unsigned long secmem_memlock_cap;
module_param_named(memlock_cap, secmem_memlock_cap, ulong, 0644);
MODULE_PARM_DESC(memlock_cap,
		 "Bytes a user may lock, in place of RLIMIT_MEMLOCK; 0: none");

/*
 * The allowance of an account: idle pages that are not charged, beyond as many
 * as serve.
 */
#define SECMEM_IDLE_FREE	((u32)(SZ_2M >> PAGE_SHIFT))

/*
 * Accounts by uid. Users by the uid of their account, in the high half, and
 * their own.
 */
static DEFINE_XARRAY_FLAGS(secmem_accounts, XA_FLAGS_ACCOUNT);
static DEFINE_XARRAY_FLAGS(secmem_users, XA_FLAGS_ACCOUNT);

static struct secmem_account *secmem_account_find(u32 uid)
{
	struct secmem_account *account;

	xa_lock(&secmem_accounts);
	account = xa_load(&secmem_accounts, uid);
	if (account)
		account->refs++;
	xa_unlock(&secmem_accounts);
	return account;
}

static struct secmem_account *secmem_account_get(u32 uid)
{
	struct secmem_account *account, *fresh;
	int ret;

	for (;;) {
		account = secmem_account_find(uid);
		if (account)
			return account;
		fresh = kzalloc(sizeof(*fresh), SECMEM_GFP);
		if (!fresh)
			return NULL;
		fresh->uid = uid;
		fresh->refs = 1;
		INIT_LIST_HEAD(&fresh->cached);
		ret = xa_insert(&secmem_accounts, uid, fresh, SECMEM_GFP);
		if (!ret)
			return fresh;
		kfree(fresh);
		if (ret != -EBUSY)
			return NULL;
	}
}

/**
 * secmem_account_hold - one reference more
 * @account: the caller has one
 *
 * Context: Any.
 */
void secmem_account_hold(struct secmem_account *account)
{
	xa_lock(&secmem_accounts);
	account->refs++;
	xa_unlock(&secmem_accounts);
}

/**
 * secmem_account_put - give a reference back
 * @account: is charged for nothing, if it is the last one
 *
 * Context: Any.
 */
void secmem_account_put(struct secmem_account *account)
{
	bool last;

	xa_lock(&secmem_accounts);
	last = !--account->refs;
	if (last)
		__xa_erase(&secmem_accounts, account->uid);
	xa_unlock(&secmem_accounts);
	if (last) {
		WARN_ON_ONCE(atomic_long_read(&account->charged));
		kfree(account);
	}
}

/*
 * The uid whose account the current task is charged to: in a user namespace
 * that a user made, its owner's.
 */
static u32 secmem_account_uid(void)
{
	const struct user_namespace *ns = current_user_ns();
	kuid_t uid = current_user()->uid;

	if (likely(ns == &init_user_ns))
		return __kuid_val(uid);
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	return __kuid_val(uid_eq(ns->owner, GLOBAL_ROOT_UID) ? uid : ns->owner);
}

static unsigned long secmem_user_key(void)
{
	return (unsigned long)secmem_account_uid() << 32 |
	       __kuid_val(current_user()->uid);
}

/**
 * secmem_user_is_current - is the current task charged as that user
 * @user: the caller has a reference
 *
 * Context: Process context.
 * Return: whether it is.
 */
bool secmem_user_is_current(const struct secmem_user *user)
{
	return user->key == secmem_user_key();
}

static struct secmem_user *secmem_user_find(unsigned long key)
{
	struct secmem_user *user;

	xa_lock(&secmem_users);
	user = xa_load(&secmem_users, key);
	if (user)
		user->refs++;
	xa_unlock(&secmem_users);
	return user;
}

static struct secmem_user *secmem_user_create(unsigned long key)
{
	struct secmem_user *user = kzalloc(sizeof(*user), SECMEM_GFP);

	if (!user)
		return NULL;
	user->account = secmem_account_get(key >> 32);
	if (!user->account) {
		kfree(user);
		return NULL;
	}
	user->key = key;
	user->refs = 1;
	user->cred = get_current_cred();
	xa_init_flags(&user->supplies, XA_FLAGS_ACCOUNT);
	spin_lock_init(&user->lock);
	return user;
}

static void secmem_user_free(struct secmem_user *user)
{
	WARN_ON_ONCE(user->used || user->idle || user->charged || user->spared);
	secmem_account_put(user->account);
	xa_destroy(&user->supplies);
	put_cred(user->cred);
	kfree(user);
}

/**
 * secmem_user_get - the current user
 *
 * Context: Process context, may sleep.
 * Return: a reference, or NULL.
 */
struct secmem_user *secmem_user_get(void)
{
	unsigned long key = secmem_user_key();
	struct secmem_user *user, *fresh;
	int ret;

	for (;;) {
		user = secmem_user_find(key);
		if (user)
			return user;
		fresh = secmem_user_create(key);
		if (!fresh)
			return NULL;
		ret = xa_insert(&secmem_users, key, fresh, SECMEM_GFP);
		if (!ret)
			return fresh;
		secmem_user_free(fresh);
		if (ret != -EBUSY)
			return NULL;
	}
}

/**
 * secmem_user_put - give a reference back
 * @user: is charged for nothing, if it is the last one
 *
 * Context: Any.
 */
void secmem_user_put(struct secmem_user *user)
{
	bool last;

	xa_lock(&secmem_users);
	last = !--user->refs;
	if (last)
		__xa_erase(&secmem_users, user->key);
	xa_unlock(&secmem_users);
	if (last)
		secmem_user_free(user);
}

/**
 * secmem_user_limit - what the current task may lock
 *
 * Context: Process context.
 * Return: bytes; ULONG_MAX where nothing limits it.
 */
unsigned long secmem_user_limit(void)
{
	return READ_ONCE(secmem_memlock_cap) ?: rlimit(RLIMIT_MEMLOCK);
}

static bool secmem_user_may(long locked)
{
	return (unsigned long)locked <= secmem_user_limit() >> PAGE_SHIFT ||
	       capable(CAP_IPC_LOCK);
}

/*
 * Charge some pages more, or fewer. Only what the current task asks for is
 * refused.
 */
static bool secmem_user_add(atomic_long_t *locked, long more, bool asked)
{
	long held = atomic_long_read(locked);

	do {
		if (asked && more > 0 && !secmem_user_may(held + more))
			return false;
	} while (!atomic_long_try_cmpxchg(locked, &held, held + more));
	return true;
}

static bool secmem_user_lock(struct secmem_user *user, long more, bool asked)
{
	if (!more)
		return true;
	if (!secmem_user_add(&user->account->charged, more, asked))
		return false;
	if (secmem_user_add(&user->cred->user->locked_vm, more, asked))
		return true;
	atomic_long_sub(more, &user->account->charged);
	return false;
}

/*
 * How many of the idle pages beyond as many as serve are not charged: what is
 * left of the account's allowance. An account has one, or each of its uids
 * would bring another. With user->lock.
 */
static u32 secmem_user_spare(struct secmem_user *user, s64 beyond)
{
	atomic_long_t *all = &user->account->spared;
	long before = atomic_long_read(all);
	s64 room;

	lockdep_assert_held(&user->lock);
	do {
		room = (s64)SECMEM_IDLE_FREE - (before - user->spared);
		room = clamp_t(s64, beyond, 0, max_t(s64, room, 0));
	} while (!atomic_long_try_cmpxchg(all, &before,
					  before + room - user->spared));
	return room;
}

/*
 * What a user is charged for. Of his pages, u serve and i are idle (those of a
 * shelved block are neither):
 *
 *	beyond  = max(0, i - u)			idle, and more than serve
 *	spared  = min(beyond, what is left of the account's allowance)
 *	charged = u + beyond - spared
 *
 * Pages that serve are charged. As many idle ones are not: a supply doubles when
 * it grows, so up to half of it may be idle through no wish of the user's. All
 * beyond that is charged, but for the allowance, so that a CREATE and CLOSE in turn
 * need no new block. It follows that nobody locks much more than the limit:
 *
 *	i <= u:	u + i <= 2 u = 2 charged
 *	i > u:	u + i <  2 i = 2 (u + beyond) = 2 (charged + spared)
 *
 * so at most twice the limit and the allowance come together.
 */

/**
 * secmem_user_charge - a user has so many pages more, or fewer
 * @user: the caller has a reference
 * @used: pages that serve
 * @idle: pages that do not
 * @asked: the current task asks for them, and may be refused
 *
 * Context: Process context; a supply's lock may be held.
 * Return: 0, or -ENOMEM: the limit.
 */
int secmem_user_charge(struct secmem_user *user, s32 used, s32 idle,
		       bool asked)
{
	u32 charged, spared;
	s64 beyond;

	spin_lock(&user->lock);
	used += user->used;
	idle += user->idle;
	beyond = max_t(s64, 0, (s64)idle - used);
	spared = secmem_user_spare(user, beyond);
	charged = used + beyond - spared;
	if (!secmem_user_lock(user, (long)charged - user->charged, asked)) {
		atomic_long_sub((long)spared - user->spared,
				&user->account->spared);
		spin_unlock(&user->lock);
		return -ENOMEM;
	}
	user->used = used;
	user->idle = idle;
	user->charged = charged;
	user->spared = spared;
	spin_unlock(&user->lock);
	return 0;
}

/**
 * secmem_user_show - what a user has locked, a line of fdinfo
 * @user: the caller has a reference
 * @seq: where
 *
 * It is what RLIMIT_MEMLOCK or the cap is compared with, so what io_uring and BPF
 * locked is in it.
 *
 * Context: Any.
 */
void secmem_user_show(const struct secmem_user *user, struct seq_file *seq)
{
	const struct user_struct *payer = user->cred->user;

	seq_printf(seq, "vault-locked:\t%u %llu\n",
		   from_kuid_munged(seq_user_ns(seq), payer->uid),
		   (u64)atomic_long_read(&payer->locked_vm) << PAGE_SHIFT);
}

/**
 * secmem_user_pays_idle - is a user charged for pages that do not serve
 * @user: the caller has a reference
 *
 * Context: Any; a supply's lock may be held.
 * Return: whether it is.
 */
bool secmem_user_pays_idle(struct secmem_user *user)
{
	bool pays;

	spin_lock(&user->lock);
	pays = user->charged > user->used;
	spin_unlock(&user->lock);
	return pays;
}
