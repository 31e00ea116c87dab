// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for the pages of secrets.
 */
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

/* Idle pages that a user is not charged for, beside one for each that serves. */
#define SECMEM_IDLE_FREE	((u32)(SZ_2M >> PAGE_SHIFT))

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

/**
 * secmem_user_is_current - does a user's uid act now
 * @user: the caller has a reference
 *
 * Context: Process context.
 * Return: whether the current task is charged as @user.
 */
bool secmem_user_is_current(const struct secmem_user *user)
{
	return user->cred->user == current_user();
}

static struct secmem_user *secmem_user_find(void)
{
	struct secmem_user *user;

	lockdep_assert_held(&secmem_users_lock);
	list_for_each_entry(user, &secmem_users, all) {
		if (secmem_user_is_current(user)) {
			user->supplies++;
			return user;
		}
	}
	return NULL;
}

/**
 * secmem_user_get - the current user
 *
 * Context: Process context, may sleep.
 * Return: a reference, or NULL.
 */
struct secmem_user *secmem_user_get(void)
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

/**
 * secmem_user_put - give a reference back
 * @user: is charged for nothing, if it is the last one
 *
 * Context: Any.
 */
void secmem_user_put(struct secmem_user *user)
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

/**
 * secmem_user_charge - a user has so many pages more, or fewer
 * @user: the caller has a reference
 * @used: pages that serve
 * @idle: pages that do not
 * @asked: the current task asks for them, and may be refused
 *
 * RLIMIT_MEMLOCK is counted where io_uring and BPF count it too: in the
 * user_struct.
 *
 * Context: Process context.
 * Return: 0, or -ENOMEM: the limit.
 */
int secmem_user_charge(struct secmem_user *user, s32 used, s32 idle,
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
