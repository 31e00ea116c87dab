// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lifecycle, against rules that are written down here a second time: every
 * event in every state, and every short sequence of events.
 */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "kunit.h"

struct secmem_lifecycle_test {
	struct secmem_vault *vault;
	struct secmem_secret *secret;
	u32 generation;
};

static const char * const secmem_state_names[SECMEM_STATES] = {
	"CLOSED", "OPEN", "READING", "WRITING", "CLOSING",
};

static const char * const secmem_event_names[SECMEM_EVENTS] = {
	"CREATE", "HOLD_READ", "HOLD_WRITE", "COPY_OUT", "COPY_IN",
	"DROP",	  "DROP_LAST", "SEAL",	     "CLOSE",	 "REVOKE",
};

/* A new secret, open and free. */
static void secmem_lifecycle_renew(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;

	ctx->secret = secmem_kunit_secret(test, ctx->vault, 1, NULL);
	ctx->generation = ctx->secret->generation;
}

static int secmem_lifecycle_test_init(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->vault = secmem_kunit_vault(test);
	test->priv = ctx;
	secmem_lifecycle_renew(test);
	return 0;
}

static void secmem_lifecycle_test_exit(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;

	if (ctx && ctx->vault)
		secmem_kunit_vault_end(ctx->vault);
}

static int secmem_lifecycle_step(struct kunit *test, enum secmem_event event)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	int ret;

	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->secret->lock));
	ret = secmem_secret_step(ctx->secret, ctx->generation, event);
	secmem_secret_unlock(ctx->secret);
	return ret;
}

/* What a writer, a reader and a closer are told; and the state after it. */
static int secmem_lifecycle_expect(enum secmem_state state,
				   enum secmem_event event, bool sealed,
				   bool torn, enum secmem_state *next)
{
	bool gone = state == SECMEM_CLOSED || state == SECMEM_CLOSING;
	bool held = state == SECMEM_READING || state == SECMEM_WRITING ||
		    state == SECMEM_CLOSING;

	*next = state;
	switch (event) {
	case SECMEM_EVENT_CREATE:
		if (state != SECMEM_CLOSED)
			return -EBUSY;
		*next = SECMEM_OPEN;
		return 0;
	case SECMEM_EVENT_HOLD_READ:
	case SECMEM_EVENT_COPY_OUT:
		if (gone)
			return -EKEYREVOKED;
		if (state == SECMEM_WRITING)
			return SECMEM_MUST_WAIT;
		if (torn)
			return -EOWNERDEAD;
		if (event == SECMEM_EVENT_HOLD_READ)
			*next = SECMEM_READING;
		return 0;
	case SECMEM_EVENT_HOLD_WRITE:
	case SECMEM_EVENT_COPY_IN:
		if (gone)
			return -EKEYREVOKED;
		if (sealed)
			return -EPERM;
		if (held)
			return SECMEM_MUST_WAIT;
		if (event == SECMEM_EVENT_HOLD_WRITE)
			*next = SECMEM_WRITING;
		return 0;
	case SECMEM_EVENT_DROP:
		if (state == SECMEM_CLOSED)
			return -EKEYREVOKED;
		/* A writer holds one access and no more. */
		return held && state != SECMEM_WRITING ? 0 : -EINVAL;
	case SECMEM_EVENT_DROP_LAST:
		if (state == SECMEM_CLOSED)
			return -EKEYREVOKED;
		if (!held)
			return -EINVAL;
		*next = gone ? SECMEM_CLOSED : SECMEM_OPEN;
		return 0;
	case SECMEM_EVENT_SEAL:
		if (gone)
			return -EKEYREVOKED;
		if (state == SECMEM_WRITING)
			return -EBUSY;
		return torn ? -EOWNERDEAD : 0;
	case SECMEM_EVENT_CLOSE:
		if (!held) {
			*next = SECMEM_CLOSED;
			return 0;
		}
		*next = SECMEM_CLOSING;
		return SECMEM_MUST_WAIT;
	case SECMEM_EVENT_REVOKE:
		*next = SECMEM_CLOSED;
		return 0;
	default:
		return -EDOM;
	}
}

static void secmem_lifecycle_one(struct kunit *test, enum secmem_state state,
				 enum secmem_event event, bool sealed,
				 bool torn)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_counts before, after;
	enum secmem_state next;
	int expected, peeked, ret;
	s64 ended;

	if (ctx->secret->state == SECMEM_CLOSED)
		secmem_lifecycle_renew(test);
	if (state == SECMEM_CLOSED)
		secmem_kunit_close(test, ctx->secret);
	ctx->secret->state = state;
	secmem_secret_set(ctx->secret, SECMEM_IS_SEALED, sealed);
	secmem_secret_set(ctx->secret, SECMEM_IS_TORN, torn);
	expected = secmem_lifecycle_expect(state, event, sealed, torn, &next);

	before = secmem_kunit_counts();
	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->secret->lock));
	peeked = secmem_secret_peek(ctx->secret, ctx->generation, event);
	secmem_secret_unlock(ctx->secret);
	KUNIT_EXPECT_EQ_MSG(test, peeked, expected,
			    "%s in %s, sealed %d, torn %d",
			    secmem_event_names[event],
			    secmem_state_names[state], sealed, torn);
	KUNIT_EXPECT_EQ(test, (int)ctx->secret->state, (int)state);
	/* A place without bytes is not let open: publish does that alone. */
	if (state == SECMEM_CLOSED && event == SECMEM_EVENT_CREATE)
		return;

	ret = secmem_lifecycle_step(test, event);
	KUNIT_EXPECT_EQ(test, ret, peeked);
	KUNIT_EXPECT_EQ_MSG(test, (int)ctx->secret->state, (int)next,
			    "%s in %s, sealed %d, torn %d",
			    secmem_event_names[event],
			    secmem_state_names[state], sealed, torn);
	after = secmem_kunit_counts();
	ended = next == SECMEM_CLOSED && state != SECMEM_CLOSED;
	KUNIT_EXPECT_EQ(test, after.wipes - before.wipes, ended);
	KUNIT_EXPECT_EQ(test, before.secrets - after.secrets, ended);
	KUNIT_EXPECT_EQ(test, before.pages - after.pages, ended);
	if (!ended)
		return;
	KUNIT_EXPECT_TRUE(test, atomic64_read(&ctx->secret->first.word) &
					SECMEM_WORD_FROZEN);
	KUNIT_EXPECT_NULL(test, ctx->secret->bytes.many);
	KUNIT_EXPECT_EQ(test, (int)ctx->secret->cold->label[0], 0);
}

static void secmem_lifecycle_table(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	unsigned int state, event, flags;

	for (state = 0; state < SECMEM_STATES; state++)
		for (event = 0; event < SECMEM_EVENTS; event++)
			for (flags = 0; flags < 4; flags++)
				secmem_lifecycle_one(test, state, event,
						     flags & 1, flags & 2);
	/* What is forced into a state of access has no access to end. */
	if (ctx->secret->state != SECMEM_CLOSED)
		ctx->secret->state = SECMEM_OPEN;
}

/* Another generation is never taken for this one, whatever the state. */
static void secmem_lifecycle_generation(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	static const u32 generations[] = { 0, 1, 2, 6, 8, 9, U32_MAX };
	unsigned int state, event, i;
	int expected, ret;

	ctx->secret->generation = 7;
	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->secret->lock));
	for (state = 0; state < SECMEM_STATES; state++) {
		ctx->secret->state = state;
		for (event = 0; event < SECMEM_EVENTS; event++) {
			for (i = 0; i < ARRAY_SIZE(generations); i++) {
				expected = generations[i] && generations[i] < 7 ?
						   -EKEYREVOKED : -ENOENT;
				ret = secmem_secret_peek(ctx->secret,
							 generations[i], event);
				KUNIT_EXPECT_EQ(test, ret, expected);
				ret = secmem_secret_step(ctx->secret,
							 generations[i], event);
				KUNIT_EXPECT_EQ(test, ret, expected);
				KUNIT_EXPECT_EQ(test, (int)ctx->secret->state,
						(int)state);
			}
		}
	}
	ctx->secret->state = SECMEM_OPEN;
	ctx->secret->generation = ctx->generation;
	secmem_secret_unlock(ctx->secret);
}

/*
 * Sequences: what callers do, on a model that counts accesses rather than
 * having states.
 */
enum secmem_move {
	SECMEM_MOVE_READ,
	SECMEM_MOVE_WRITE,
	SECMEM_MOVE_COPY_OUT,
	SECMEM_MOVE_COPY_IN,
	SECMEM_MOVE_RELEASE,
	SECMEM_MOVE_DIE,
	SECMEM_MOVE_SEAL,
	SECMEM_MOVE_CLOSE,
	SECMEM_MOVE_REVOKE,
	SECMEM_MOVES
};

#define SECMEM_SEQUENCE_DEPTH 5

struct secmem_model {
	u8 readers;
	u8 writers;
	bool sealed;
	bool torn;
	bool closing;
	bool closed;
};

static int secmem_model_drop(struct secmem_model *model, bool dies)
{
	if (model->closed)
		return -EKEYREVOKED;
	if (!model->readers && !model->writers)
		return -EINVAL;
	if (model->writers) {
		model->writers = 0;
		model->torn = dies;
	} else {
		model->readers--;
	}
	if (model->closing && !model->readers)
		model->closed = true;
	return 0;
}

static int secmem_model_move(struct secmem_model *model, enum secmem_move move)
{
	switch (move) {
	case SECMEM_MOVE_READ:
	case SECMEM_MOVE_COPY_OUT:
		if (model->closing || model->closed)
			return -EKEYREVOKED;
		if (model->writers)
			return SECMEM_MUST_WAIT;
		if (model->torn)
			return -EOWNERDEAD;
		model->readers += move == SECMEM_MOVE_READ;
		return 0;
	case SECMEM_MOVE_WRITE:
	case SECMEM_MOVE_COPY_IN:
		if (model->closing || model->closed)
			return -EKEYREVOKED;
		if (model->sealed)
			return -EPERM;
		if (model->readers || model->writers)
			return SECMEM_MUST_WAIT;
		if (move == SECMEM_MOVE_WRITE)
			model->writers = 1;
		else
			model->torn = false;
		return 0;
	case SECMEM_MOVE_RELEASE:
	case SECMEM_MOVE_DIE:
		return secmem_model_drop(model, move == SECMEM_MOVE_DIE);
	case SECMEM_MOVE_SEAL:
		if (model->closing || model->closed)
			return -EKEYREVOKED;
		if (model->writers)
			return -EBUSY;
		if (model->torn)
			return -EOWNERDEAD;
		model->sealed = true;
		return 0;
	case SECMEM_MOVE_CLOSE:
		if (model->readers || model->writers) {
			model->closing = true;
			return SECMEM_MUST_WAIT;
		}
		model->closed = true;
		return 0;
	case SECMEM_MOVE_REVOKE:
		model->readers = 0;
		model->writers = 0;
		model->closed = true;
		return 0;
	default:
		return -EDOM;
	}
}

/* The same, as the module's callers of secmem_secret_step() do it. */
static int secmem_sequence_move(struct kunit *test,
				const struct secmem_model *model,
				enum secmem_move move)
{
	static const enum secmem_event events[SECMEM_MOVES] = {
		[SECMEM_MOVE_READ] = SECMEM_EVENT_HOLD_READ,
		[SECMEM_MOVE_WRITE] = SECMEM_EVENT_HOLD_WRITE,
		[SECMEM_MOVE_COPY_OUT] = SECMEM_EVENT_COPY_OUT,
		[SECMEM_MOVE_COPY_IN] = SECMEM_EVENT_COPY_IN,
		[SECMEM_MOVE_RELEASE] = SECMEM_EVENT_DROP_LAST,
		[SECMEM_MOVE_DIE] = SECMEM_EVENT_DROP_LAST,
		[SECMEM_MOVE_SEAL] = SECMEM_EVENT_SEAL,
		[SECMEM_MOVE_CLOSE] = SECMEM_EVENT_CLOSE,
		[SECMEM_MOVE_REVOKE] = SECMEM_EVENT_REVOKE,
	};
	struct secmem_lifecycle_test *ctx = test->priv;
	bool drops = move == SECMEM_MOVE_RELEASE || move == SECMEM_MOVE_DIE;
	enum secmem_event event = events[move];
	int ret;

	if (drops && model->readers > 1)
		event = SECMEM_EVENT_DROP;
	ret = secmem_lifecycle_step(test, event);
	if (ret)
		return ret;
	if (move == SECMEM_MOVE_COPY_IN)
		secmem_secret_set(ctx->secret, SECMEM_IS_TORN, 0);
	else if (move == SECMEM_MOVE_SEAL)
		secmem_secret_set(ctx->secret, SECMEM_IS_SEALED, 1);
	else if (drops && model->writers)
		secmem_secret_set(ctx->secret, SECMEM_IS_TORN,
				  move == SECMEM_MOVE_DIE);
	return 0;
}

static bool secmem_sequence_agrees(struct secmem_secret *secret,
				   const struct secmem_model *model)
{
	if (model->closed)
		return secret->state == SECMEM_CLOSED;
	if (secmem_secret_is(secret, SECMEM_IS_SEALED) != model->sealed ||
	    secmem_secret_is(secret, SECMEM_IS_TORN) != model->torn)
		return false;
	if (model->closing)
		return secret->state == SECMEM_CLOSING;
	if (model->writers)
		return secret->state == SECMEM_WRITING;
	return secret->state == (model->readers ? SECMEM_READING : SECMEM_OPEN);
}

/* Put a secret to where the model is. */
static void secmem_sequence_restore(struct kunit *test,
				    const struct secmem_model *model)
{
	struct secmem_lifecycle_test *ctx = test->priv;

	if (ctx->secret->state == SECMEM_CLOSED)
		secmem_lifecycle_renew(test);
	secmem_secret_set(ctx->secret, SECMEM_IS_SEALED, model->sealed);
	secmem_secret_set(ctx->secret, SECMEM_IS_TORN, model->torn);
	if (model->closing)
		ctx->secret->state = SECMEM_CLOSING;
	else if (model->writers)
		ctx->secret->state = SECMEM_WRITING;
	else
		ctx->secret->state = model->readers ? SECMEM_READING :
						      SECMEM_OPEN;
}

static unsigned long secmem_sequence_walk(struct kunit *test,
					  const struct secmem_model *from,
					  unsigned int depth)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	unsigned long walked = 0;
	struct secmem_model model;
	unsigned int move;
	int expected, ret;

	for (move = 0; move < SECMEM_MOVES; move++) {
		model = *from;
		expected = secmem_model_move(&model, move);
		ret = secmem_sequence_move(test, from, move);
		walked++;
		if (ret != expected ||
		    !secmem_sequence_agrees(ctx->secret, &model))
			KUNIT_FAIL(test,
				   "move %u at depth %u: %d, expected %d; state %s",
				   move, depth, ret, expected,
				   secmem_state_names[ctx->secret->state]);
		if (depth > 1)
			walked += secmem_sequence_walk(test, &model, depth - 1);
		/* A closed secret stays: only a new one goes on from before. */
		if (!from->closed)
			secmem_sequence_restore(test, from);
	}
	cond_resched();
	return walked;
}

static void secmem_lifecycle_sequences(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	const struct secmem_model open = {};
	struct secmem_counts before = secmem_kunit_counts(), after;
	unsigned long walked;

	walked = secmem_sequence_walk(test, &open, SECMEM_SEQUENCE_DEPTH);
	/* 9 + 81 + ... */
	KUNIT_EXPECT_EQ(test, walked, 66429UL);
	after = secmem_kunit_counts();
	KUNIT_EXPECT_GT(test, after.wipes, before.wipes);
	KUNIT_EXPECT_EQ(test, after.secrets, before.secrets);
	KUNIT_EXPECT_EQ(test, after.pages, before.pages);
	kunit_info(test, "%lu moves, %lld secrets wiped", walked,
		   after.wipes - before.wipes);
	secmem_sequence_restore(test, &open);
	secmem_kunit_close(test, ctx->secret);
}

static int secmem_lifecycle_copy(struct kunit *test, u32 flags, s64 deadline)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_waiter waiter;

	secmem_secret_wait_setup(&waiter, NULL, ctx->secret, flags, deadline);
	return secmem_secret_lock_for(&waiter, ctx->generation,
				      SECMEM_EVENT_COPY_OUT);
}

/* Waits that end without anybody's help. */
static void secmem_lifecycle_deadline(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_secret *secret = ctx->secret;

	KUNIT_ASSERT_EQ(test,
			secmem_lifecycle_step(test, SECMEM_EVENT_HOLD_WRITE),
			0);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, SECMEM_NOWAIT,
					      SECMEM_FOREVER),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, 0, 0),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, atomic_read(&secret->cold->waiters), 0);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, secret, ctx->generation, 0, 0),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, (int)secret->state, (int)SECMEM_CLOSING);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, secret, ctx->generation,
					    SECMEM_NOWAIT, SECMEM_FOREVER),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_copy(test, 0, SECMEM_FOREVER),
			-EKEYREVOKED);
	/* The last release finishes what the closers gave up. */
	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_step(test, SECMEM_EVENT_DROP_LAST),
			0);
	KUNIT_EXPECT_EQ(test, (int)secret->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, secret, ctx->generation, 0, 0), 0);
}

struct secmem_closer {
	struct secmem_secret *secret;
	u32 generation;
	int result;
	struct completion done;
};

static int secmem_closer_run(void *data)
{
	struct secmem_closer *closer = data;

	closer->result = secmem_secret_close(NULL, closer->secret,
					     closer->generation, 0,
					     SECMEM_FOREVER);
	complete(&closer->done);
	return 0;
}

/* Two closers wait for the same end, and both learn of it. */
static void secmem_lifecycle_closers(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_closer closers[2];
	struct task_struct *task;
	unsigned long patience;
	unsigned int i;

	KUNIT_ASSERT_EQ(test,
			secmem_lifecycle_step(test, SECMEM_EVENT_HOLD_READ), 0);
	for (i = 0; i < ARRAY_SIZE(closers); i++) {
		closers[i].secret = ctx->secret;
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
	while (atomic_read(&ctx->secret->cold->waiters) <
		       (int)ARRAY_SIZE(closers) &&
	       time_before(jiffies, patience))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->secret->cold->waiters), 2);
	KUNIT_EXPECT_EQ(test, (int)ctx->secret->state, (int)SECMEM_CLOSING);
	for (i = 0; i < ARRAY_SIZE(closers); i++)
		KUNIT_EXPECT_FALSE(test, completion_done(&closers[i].done));

	KUNIT_EXPECT_EQ(test,
			secmem_lifecycle_step(test, SECMEM_EVENT_DROP_LAST),
			0);
	for (i = 0; i < ARRAY_SIZE(closers); i++) {
		wait_for_completion(&closers[i].done);
		KUNIT_EXPECT_EQ(test, closers[i].result, 0);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->secret->cold->waiters), 0);
}

/* A damaged canary is told to the closer, after the wipe. */
static void secmem_lifecycle_damage(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_secret *secret = ctx->secret;

	secmem_kunit_flip(&secret->bytes, secret->bytes.offset - 1, 1);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, secret, ctx->generation, 0, 0),
			-EBADMSG);
	KUNIT_EXPECT_EQ(test, (int)secret->state, (int)SECMEM_CLOSED);
	KUNIT_EXPECT_EQ(test,
			secmem_secret_close(NULL, secret, ctx->generation, 0, 0), 0);
}

static void secmem_lifecycle_stat(struct kunit *test)
{
	struct secmem_lifecycle_test *ctx = test->priv;
	struct secmem_status stat = {
		.handle = secmem_secret_handle(ctx->secret),
	};

	secmem_secret_set(ctx->secret, SECMEM_IS_SEALED, 1);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->secret, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_OPEN);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, SECMEM_STAT_SEALED);
	KUNIT_EXPECT_EQ(test, stat.length, 1ULL);
	KUNIT_EXPECT_STREQ(test, stat.label, "kunit");
	secmem_secret_set(ctx->secret, SECMEM_IS_SEALED, 0);
	secmem_secret_set(ctx->secret, SECMEM_IS_TORN, 1);
	ctx->secret->state = SECMEM_CLOSING;
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->secret, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_CLOSING);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, SECMEM_STAT_OWNERDEAD);
	KUNIT_EXPECT_EQ(test, secmem_secret_revoke(NULL, ctx->secret,
						   ctx->generation), 0);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->secret, &stat), 0);
	KUNIT_EXPECT_EQ(test, stat.state, (u32)SECMEM_STATE_CLOSED);
	KUNIT_EXPECT_EQ(test, stat.stat_flags, 0U);
	KUNIT_EXPECT_EQ(test, stat.length, 0ULL);
	KUNIT_EXPECT_EQ(test, (int)stat.label[0], 0);
	KUNIT_EXPECT_EQ(test, secmem_secret_revoke(NULL, ctx->secret,
						   ctx->generation), 0);
	stat.handle = secmem_handle_make(ctx->secret->vault, ctx->secret->slot,
					 ctx->generation + 1);
	KUNIT_EXPECT_EQ(test, secmem_secret_stat(ctx->secret, &stat), -ENOENT);
	KUNIT_EXPECT_EQ(test, secmem_secret_revoke(NULL, ctx->secret,
						   ctx->generation + 1),
			-ENOENT);
}

static struct kunit_case secmem_lifecycle_cases[] = {
	KUNIT_CASE(secmem_lifecycle_table),
	KUNIT_CASE(secmem_lifecycle_generation),
	KUNIT_CASE(secmem_lifecycle_sequences),
	KUNIT_CASE(secmem_lifecycle_deadline),
	KUNIT_CASE(secmem_lifecycle_closers),
	KUNIT_CASE(secmem_lifecycle_damage),
	KUNIT_CASE(secmem_lifecycle_stat),
	{}
};

static struct kunit_suite secmem_lifecycle_suite = {
	.name = "secmem_lifecycle",
	.suite_init = secmem_kunit_suite_init,
	.suite_exit = secmem_kunit_suite_exit,
	.init = secmem_lifecycle_test_init,
	.exit = secmem_lifecycle_test_exit,
	.test_cases = secmem_lifecycle_cases,
};

kunit_test_suite(secmem_lifecycle_suite);
