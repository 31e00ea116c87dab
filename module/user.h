/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is charged for the pages of secrets.
 */
#ifndef _SECMEM_USER_H
#define _SECMEM_USER_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "base.h"

struct seq_file;

/* What all users have together who belong to one owner. */
struct secmem_account {
	u32 uid;			/* constant */
	u32 refs;			/* secmem_accounts.xa_lock */
	atomic_long_t charged;		/* pages */
	atomic_long_t spared;		/* pages: idle, and not charged */
	u32 areas_held;			/* secmem_areas.xa_lock */
	u32 areas_lost;			/* secmem_areas.xa_lock; read without */
	u32 areas_cached;			/* of those held; secmem_cache_lock */
	struct list_head cached;		/* secmem_cache_lock */
};

/* What a uid has in all vaults. */
struct secmem_user {
	unsigned long key;		/* constant */
	u32 refs;			/* secmem_users.xa_lock */
	struct secmem_account *account;	/* constant */
	const struct cred *cred;	/* constant: keeps the user_struct */
	struct xarray supplies;		/* by memory cgroup */
	spinlock_t lock;		/* the rest */
	u32 used;			/* pages that serve, or are about to */
	u32 idle;			/* pages that do not serve, nor are shelved */
	u32 charged;			/* of these, to RLIMIT_MEMLOCK */
	u32 spared;			/* beyond as many as serve, not charged */
};

extern unsigned long secmem_memlock_cap;

struct secmem_user *secmem_user_get(void);
void secmem_user_put(struct secmem_user *user);
void secmem_user_show(const struct secmem_user *user, struct seq_file *seq);
bool secmem_user_is_current(const struct secmem_user *user);
unsigned long secmem_user_limit(void);
int secmem_user_charge(struct secmem_user *user, s32 used, s32 idle,
		       bool asked);
bool secmem_user_pays_idle(struct secmem_user *user);
void secmem_account_hold(struct secmem_account *account);
void secmem_account_put(struct secmem_account *account);

#endif /* _SECMEM_USER_H */
