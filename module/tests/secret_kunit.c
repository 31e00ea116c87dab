// SPDX-License-Identifier: GPL-2.0-only
/*
 * What calls do to a secret, where a test needs no address space for it.
 */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "../holder.h"
#include "kunit.h"

static int secmem_lifecycle_copy(struct kunit *test, u32 flags, s64 deadline)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_waiter waiter;

	secmem_waiter_setup(&waiter, NULL, ctx->place, flags, deadline);
	return secmem_place_lock_for(&waiter, ctx->generation,
				     SECMEM_EVENT_COPY_OUT);
}

/* Waits that end without anybody's help. */
static void secmem_lifecycle_deadline(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_place *place = ctx->place;

	KUNIT_ASSERT_EQ(test,
			secmem_kunit_step(test, SECMEM_EVENT_HOLD_WRITE),
			0);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, SECMEM_NOWAIT,
					      SECMEM_FOREVER),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, 0, 0),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, atomic_read(&place->cold->waiters), 0);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, ctx->generation, 0, 0),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, (int)place->state, (int)SECMEM_CLOSING);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, ctx->generation,
					    SECMEM_NOWAIT, SECMEM_FOREVER),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, 0, SECMEM_FOREVER),
			-EKEYREVOKED);
	/* The last release finishes what the closers gave up. */
	KUNIT_EXPECT_EQ(test,
			secmem_kunit_step(test, SECMEM_EVENT_DROP_LAST),
			0);
	KUNIT_EXPECT_EQ(test, (int)place->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, ctx->generation, 0, 0),
			0);
}

struct secmem_closer {
	struct secmem_place *place;
	u32 generation;
	int result;
	struct completion done;
};

static int secmem_closer_run(void *data)
{
	struct secmem_closer *closer = data;

	closer->result = secmem_secret_close(NULL, closer->place,
					     closer->generation, 0,
					     SECMEM_FOREVER);
	complete(&closer->done);
	return 0;
}

/* Two closers wait for the same end, and both learn of it. */
static void secmem_lifecycle_closers(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_closer closers[2];
	struct task_struct *task;
	unsigned long patience;
	unsigned int i;

	KUNIT_ASSERT_EQ(test,
			secmem_kunit_step(test, SECMEM_EVENT_HOLD_READ), 0);
	for (i = 0; i < ARRAY_SIZE(closers); i++) {
		closers[i].place = ctx->place;
		closers[i].generation = ctx->generation;
		closers[i].result = 1;
		init_completion(&closers[i].done);
		task = kthread_run(secmem_closer_run, &closers[i], "closer");
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "no thread");
			complete(&closers[i].done);
		}
	}
	patience = jiffies + 20 * HZ;
	while (atomic_read(&ctx->place->cold->waiters) <
		       (int)ARRAY_SIZE(closers) &&
	       time_before(jiffies, patience))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->place->cold->waiters), 2);
	KUNIT_EXPECT_EQ(test, (int)ctx->place->state, (int)SECMEM_CLOSING);
	for (i = 0; i < ARRAY_SIZE(closers); i++)
		KUNIT_EXPECT_FALSE(test, completion_done(&closers[i].done));

	KUNIT_EXPECT_EQ(test,
			secmem_kunit_step(test, SECMEM_EVENT_DROP_LAST),
			0);
	for (i = 0; i < ARRAY_SIZE(closers); i++) {
		wait_for_completion(&closers[i].done);
		KUNIT_EXPECT_EQ(test, closers[i].result, 0);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->place->cold->waiters), 0);
}

/*
 * A closer that is woken for nothing learns how the secret ends before it has
 * looked; and the place may serve another secret by then, which ends, too.
 */
static void secmem_lifecycle_closer_told(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_place *place = ctx->place;
	struct secmem_closer closer = { .place = place,
					.generation = ctx->generation };
	unsigned long patience = jiffies + 20 * HZ;
	struct task_struct *task;

	KUNIT_ASSERT_EQ(test,
			secmem_kunit_step(test, SECMEM_EVENT_HOLD_WRITE), 0);
	init_completion(&closer.done);
	task = kthread_run(secmem_closer_run, &closer, "closer");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	while (!(READ_ONCE(place->cold) &&
		 atomic_read(&place->cold->waiters)) &&
	       time_before(jiffies, patience))
		cond_resched();

	KUNIT_EXPECT_EQ(test, secmem_place_lock(place), 0);
	secmem_place_wake(place, SECMEM_END_NONE);
	while (atomic_read(&place->cold->waiters) &&
	       time_before(jiffies, patience))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&place->cold->waiters), 0);
	secmem_kunit_flip(&place->bytes, place->bytes.offset - 1, 1);
	KUNIT_EXPECT_EQ(test,
			secmem_place_step(place, ctx->generation,
					  SECMEM_EVENT_DROP_LAST),
			0);
	secmem_place_wake(place, SECMEM_END_CLEAN);
	secmem_place_unlock(place);
	wait_for_completion(&closer.done);
	KUNIT_EXPECT_EQ(test, closer.result, -EBADMSG);
}

/* A damaged canary is told to the closer, after the wipe. */
static void secmem_lifecycle_damage(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_place *place = ctx->place;

	secmem_kunit_flip(&place->bytes, place->bytes.offset - 1, 1);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, ctx->generation, 0, 0),
			-EBADMSG);
	KUNIT_EXPECT_EQ(test, (int)place->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, place, ctx->generation, 0, 0),
			0);
}

static void secmem_lifecycle_stat(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_status stat = {
		.handle = secmem_secret_handle(ctx->place),
	};

	secmem_place_set(ctx->place, SECMEM_IS_SEALED, 1);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->place, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_OPEN);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, SECMEM_STAT_SEALED);
	KUNIT_EXPECT_EQ(test, stat.length, 1ULL);
	KUNIT_EXPECT_STREQ(test, stat.label, "kunit");
	secmem_place_set(ctx->place, SECMEM_IS_SEALED, 0);
	secmem_place_set(ctx->place, SECMEM_IS_TORN, 1);
	ctx->place->state = SECMEM_CLOSING;
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->place, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_CLOSING);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, SECMEM_STAT_OWNERDEAD);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_revoke(NULL, ctx->place, ctx->generation),
			0);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->place, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_CLOSED);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, 0U);
	KUNIT_EXPECT_EQ(test, stat.length, 0ULL);
	KUNIT_EXPECT_EQ(test, (int)stat.label[0], 0);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_revoke(NULL, ctx->place, ctx->generation),
			0);
	stat.handle = secmem_handle_make(ctx->place->vault, ctx->place->slot,
					 ctx->generation + 1);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->place, &stat), -ENOENT);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_revoke(NULL, ctx->place,
					     ctx->generation + 1),
			-ENOENT);
}

/*
 * Others give back a lingering holder's accesses without the lock: whoever comes
 * with the lock may find that none is left.
 */
static void secmem_lifecycle_release(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_place *place = ctx->place;
	struct secmem_holder holder = {};
	u64 empty = secmem_word_empty(ctx->generation);

	atomic64_set(&holder.word, empty | SECMEM_WORD_LINGER);
	KUNIT_EXPECT_EQ(test, secmem_holder_drop(place, &holder), -EINVAL);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&holder.word),
			empty | SECMEM_WORD_LINGER);
	KUNIT_EXPECT_EQ(test, atomic_read(&place->readers), 0);

	/* Control: one that is held. */
	atomic_set(&place->readers, 2);
	atomic64_set(&holder.word, empty | SECMEM_WORD_LINGER | 1);
	KUNIT_EXPECT_EQ(test, secmem_holder_drop(place, &holder), 0);
	atomic64_set(&holder.word, empty | 1);
	KUNIT_EXPECT_EQ(test, secmem_holder_drop(place, &holder), 1);
	KUNIT_EXPECT_EQ(test, (u64)atomic64_read(&holder.word), empty);
	KUNIT_EXPECT_EQ(test, atomic_read(&place->readers), 0);
}

static struct kunit_case secmem_secret_cases[] = {
	KUNIT_CASE(secmem_lifecycle_deadline),
	KUNIT_CASE(secmem_lifecycle_closers),
	KUNIT_CASE(secmem_lifecycle_closer_told),
	KUNIT_CASE(secmem_lifecycle_damage),
	KUNIT_CASE(secmem_lifecycle_stat),
	KUNIT_CASE(secmem_lifecycle_release),
	{}
};

static struct kunit_suite secmem_secret_suite = {
	.name = "secmem_secret",
	.suite_init = secmem_kunit_suite_init,
	.suite_exit = secmem_kunit_suite_exit,
	.init = secmem_kunit_place_init,
	.exit = secmem_kunit_place_exit,
	.test_cases = secmem_secret_cases,
};

kunit_test_suite(secmem_secret_suite);
