// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rights, and whom a grant answers. The address spaces are lent: of the
 * process that loads the module, and of the first one.
 */
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "kunit.h"

static struct mm_struct *secmem_test_mm;

static int secmem_grant_suite_init(struct kunit_suite *suite)
{
	if (!current->mm)
		return -EINVAL;
	mmget(current->mm);
	secmem_test_mm = current->mm;
	return secmem_kunit_suite_init(suite);
}

static void secmem_grant_suite_exit(struct kunit_suite *suite)
{
	if (secmem_test_mm)
		mmput(secmem_test_mm);
	secmem_test_mm = NULL;
	secmem_kunit_suite_exit(suite);
}

/* As open does. */
static int secmem_grant_test_init(struct kunit *test)
{
	struct secmem_vault *vault = secmem_kunit_vault(test);
	struct secmem_grant *grant;

	grant = secmem_grant_create(vault, NULL, NULL, 0, SECMEM_RIGHT_ALL);
	if (!grant) {
		secmem_vault_put(vault);
		return -ENOMEM;
	}
	vault->root = grant;
	grant->is_root = true;
	test->priv = grant;
	return 0;
}

static void secmem_grant_test_exit(struct kunit *test)
{
	if (test->priv)
		secmem_grant_release(test->priv);
}

/* Each set of rights against each set of what is needed. */
static void secmem_grant_rights(struct kunit *test)
{
	struct secmem_grant *grant = test->priv;
	u32 rights, needed, wrong = 0;
	int expected, ret;

	kthread_use_mm(secmem_test_mm);
	/* What is refused binds to nobody. */
	grant->rights = SECMEM_RIGHT_READ;
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, SECMEM_RIGHT_WRITE),
			-EACCES);
	KUNIT_EXPECT_NULL(test, grant->mm);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, grant->mm, secmem_test_mm);

	for (rights = 0; rights <= SECMEM_RIGHT_ALL; rights++) {
		grant->rights = rights;
		for (needed = 0; needed <= SECMEM_RIGHT_ALL; needed++) {
			expected = needed & ~rights ? -EACCES : 0;
			ret = secmem_grant_enter(grant, needed);
			wrong += ret != expected;
		}
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	kthread_unuse_mm(secmem_test_mm);
}

static void secmem_grant_answers_its_mm(struct kunit *test)
{
	struct secmem_grant *grant = test->priv;
	struct task_struct *task;
	struct mm_struct *other;

	/* A thread without an address space is nobody. */
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), -EACCES);
	KUNIT_EXPECT_NULL(test, grant->mm);

	task = get_pid_task(find_vpid(1), PIDTYPE_PID);
	KUNIT_ASSERT_NOT_NULL(test, task);
	other = get_task_mm(task);
	put_task_struct(task);
	KUNIT_ASSERT_NOT_NULL(test, other);

	kthread_use_mm(secmem_test_mm);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, SECMEM_RIGHT_ALL), 0);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, SECMEM_RIGHT_ALL), 0);
	kthread_unuse_mm(secmem_test_mm);
	kthread_use_mm(other);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), -EACCES);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, SECMEM_RIGHT_ALL),
			-EACCES);
	kthread_unuse_mm(other);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), -EACCES);
	KUNIT_EXPECT_PTR_EQ(test, grant->mm, secmem_test_mm);
	mmput(other);
}

static int secmem_test_export(struct secmem_grant *grant, u64 handle,
			      u32 rights)
{
	static const struct file_operations none;
	struct secmem_export_args args = { .handle = handle, .rights = rights };
	struct file *file = NULL;
	int ret = secmem_grant_export(grant, &args, &none, &file);

	WARN_ON_ONCE(file);
	return ret;
}

/* EXPORT's refusals, none of which makes anything. */
static void secmem_grant_export_rights(struct kunit *test)
{
	struct secmem_grant *grant = test->priv;
	struct secmem_counts before, after;
	u32 rights, asked, wrong = 0;

	before = secmem_kunit_counts();
	for (rights = 0; rights <= SECMEM_RIGHT_ALL; rights++) {
		grant->rights = rights;
		for (asked = 1; asked <= SECMEM_RIGHT_ALL; asked++) {
			if (!(asked & ~rights))
				continue;
			wrong += secmem_test_export(grant, 0, asked) != -EACCES;
		}
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0U);
	grant->rights = SECMEM_RIGHT_ALL;
	KUNIT_EXPECT_EQ(test, secmem_test_export(grant, 1, SECMEM_RIGHT_READ),
			-ENOENT);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_EQ(test, after.grants, before.grants);
}

/* A grant of one secret knows that one handle. */
static void secmem_grant_single(struct kunit *test)
{
	struct secmem_grant *grant = test->priv, *single;
	struct secmem_place *place, *other;
	u64 handle, second;

	place = secmem_kunit_secret(test, grant->vault, 1, &handle);
	other = secmem_kunit_secret(test, grant->vault, 1, &second);
	KUNIT_EXPECT_PTR_EQ(test, secmem_grant_find(grant, handle), place);
	KUNIT_EXPECT_PTR_EQ(test, secmem_grant_find(grant, second), other);

	atomic_set(&place->own_grants, 1);
	kref_get(&grant->vault->ref);
	single = secmem_grant_create(grant->vault, grant, place, handle,
				     SECMEM_RIGHT_ALL);
	KUNIT_ASSERT_NOT_NULL(test, single);
	KUNIT_EXPECT_PTR_EQ(test, secmem_grant_find(single, handle), place);
	KUNIT_EXPECT_EQ(test, PTR_ERR(secmem_grant_find(single, second)),
			(long)-ENOENT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(secmem_grant_find(single, 0)),
			(long)-ENOENT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(secmem_grant_find(single, handle +
						       SECMEM_SLOTS_MAX)),
			(long)-ENOENT);
	KUNIT_EXPECT_NE(test, single->id, 0ULL);
	KUNIT_EXPECT_NE(test, single->id, grant->id);
	/* It is no way to the vault. */
	KUNIT_EXPECT_EQ(test, secmem_test_export(single, 0, SECMEM_RIGHT_READ),
			-EACCES);

	/* The vault's grant goes; what the other one keeps does not. */
	secmem_grant_release(grant);
	test->priv = NULL;
	KUNIT_EXPECT_EQ(test, (int)other->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test, (int)place->state, (int)SECMEM_OPEN);
	secmem_grant_release(single);
}

/* Who would be bound anew after the last era is not. */
static void secmem_grant_last_era(struct kunit *test)
{
	struct secmem_grant *grant = test->priv, *other;
	struct secmem_vault *vault = grant->vault;
	struct secmem_place *before, *after;
	u64 old, new;

	kref_get(&vault->ref);
	other = secmem_grant_create(vault, grant, NULL, 0, SECMEM_RIGHT_ALL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	/* As if each had been used, and its mm had ended. */
	vault->era = SECMEM_ERA_MAX - 1;
	before = secmem_kunit_secret(test, vault, 1, &old);
	list_del_init(&grant->by_vault);
	list_del_init(&other->by_vault);
	grant->used = true;
	other->used = true;

	kthread_use_mm(secmem_test_mm);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), 0);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(other, 0), -EACCES);
	KUNIT_EXPECT_NULL(test, other->mm);
	kthread_unuse_mm(secmem_test_mm);
	after = secmem_kunit_secret(test, vault, 1, &new);
	KUNIT_EXPECT_EQ(test, PTR_ERR(secmem_grant_find(grant, old)),
			(long)-EKEYREVOKED);
	KUNIT_EXPECT_PTR_EQ(test, secmem_grant_find(grant, new), after);
	secmem_grant_release(other);
	KUNIT_EXPECT_EQ(test, (int)before->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test, (int)after->state, (int)SECMEM_OPEN);
	kref_get(&vault->ref);
	secmem_grant_release(grant);
	test->priv = NULL;
	KUNIT_EXPECT_EQ(test, (int)after->state, (int)SECMEM_CLOSED);
	secmem_vault_put(vault);
}

/* Release gives everything back, bound or not. */
static void secmem_grant_counts(struct kunit *test)
{
	struct secmem_grant *grant = test->priv;
	struct secmem_counts before, after;

	kthread_use_mm(secmem_test_mm);
	KUNIT_EXPECT_EQ(test, secmem_grant_enter(grant, 0), 0);
	secmem_kunit_secret(test, grant->vault, PAGE_SIZE, NULL);
	before = secmem_kunit_counts();
	secmem_grant_release(grant);
	test->priv = NULL;
	kthread_unuse_mm(secmem_test_mm);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_EQ(test, before.grants - after.grants, 1LL);
	KUNIT_EXPECT_EQ(test, before.vaults - after.vaults, 1LL);
	KUNIT_EXPECT_EQ(test, before.secrets - after.secrets, 1LL);
	KUNIT_EXPECT_EQ(test, before.pages - after.pages, 1LL);
	KUNIT_EXPECT_EQ(test, after.wipes - before.wipes, 1LL);
}

static struct kunit_case secmem_grant_cases[] = {
	KUNIT_CASE(secmem_grant_rights),
	KUNIT_CASE(secmem_grant_answers_its_mm),
	KUNIT_CASE(secmem_grant_export_rights),
	KUNIT_CASE(secmem_grant_single),
	KUNIT_CASE(secmem_grant_last_era),
	KUNIT_CASE(secmem_grant_counts),
	{}
};

static struct kunit_suite secmem_grant_suite = {
	.name = "secmem_grant",
	.suite_init = secmem_grant_suite_init,
	.suite_exit = secmem_grant_suite_exit,
	.init = secmem_grant_test_init,
	.exit = secmem_grant_test_exit,
	.test_cases = secmem_grant_cases,
};

kunit_test_suite(secmem_grant_suite);
