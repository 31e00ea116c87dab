// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lifecycle, against rules that are written down here a second time: every
 * event in every state, and every short sequence of events.
 */
#include "kunit.h"

static const char * const secmem_state_names[SECMEM_STATES] = {
	"CLOSED", "OPEN", "READING", "WRITING", "CLOSING",
};

static const char * const secmem_event_names[SECMEM_EVENTS] = {
	"CREATE", "HOLD_READ", "HOLD_WRITE", "COPY_OUT",    "COPY_IN", "DROP",
	"DROP_LAST", "SWITCH_UP", "SWITCH_DOWN", "SEAL", "CLOSE", "REVOKE",
};

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
	case SECMEM_EVENT_SWITCH_UP:
		if (gone)
			return -EKEYREVOKED;
		if (state != SECMEM_READING)
			return -EINVAL;
		if (sealed)
			return -EPERM;
		*next = SECMEM_WRITING;
		return 0;
	case SECMEM_EVENT_SWITCH_DOWN:
		if (state == SECMEM_CLOSED)
			return -EKEYREVOKED;
		if (state == SECMEM_WRITING)
			*next = SECMEM_READING;
		return state == SECMEM_WRITING || state == SECMEM_CLOSING ?
			       0 :
			       -EINVAL;
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
	struct secmem_kunit_place *ctx = test->priv;
	struct secmem_counts before, after;
	enum secmem_state next;
	int expected, peeked, ret;
	s64 ended;

	if (ctx->place->state == SECMEM_CLOSED)
		secmem_kunit_renew(test);
	if (state == SECMEM_CLOSED)
		secmem_kunit_close(test, ctx->place);
	ctx->place->state = state;
	secmem_place_set(ctx->place, SECMEM_IS_SEALED, sealed);
	secmem_place_set(ctx->place, SECMEM_IS_TORN, torn);
	expected = secmem_lifecycle_expect(state, event, sealed, torn, &next);

	before = secmem_kunit_counts();
	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->place->lock));
	peeked = secmem_place_peek(ctx->place, ctx->generation, event);
	secmem_place_unlock(ctx->place);
	KUNIT_EXPECT_EQ_MSG(test, peeked, expected,
			    "%s in %s, sealed %d, torn %d",
			    secmem_event_names[event],
			    secmem_state_names[state], sealed, torn);
	KUNIT_EXPECT_EQ(test, (int)ctx->place->state, (int)state);
	/* A place without bytes is not let open: publish does that alone. */
	if (state == SECMEM_CLOSED && event == SECMEM_EVENT_CREATE)
		return;

	ret = secmem_kunit_step(test, event);
	KUNIT_EXPECT_EQ(test, ret, peeked);
	KUNIT_EXPECT_EQ_MSG(test, (int)ctx->place->state, (int)next,
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
	KUNIT_EXPECT_TRUE(test, atomic64_read(&ctx->place->root.word) &
					SECMEM_WORD_FROZEN);
	KUNIT_EXPECT_NULL(test, ctx->place->bytes.many);
	KUNIT_EXPECT_EQ(test, (int)ctx->place->cold->label[0], 0);
}

static void secmem_lifecycle_table(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	unsigned int state, event, flags;

	for (state = 0; state < SECMEM_STATES; state++)
		for (event = 0; event < SECMEM_EVENTS; event++)
			for (flags = 0; flags < 4; flags++)
				secmem_lifecycle_one(test, state, event,
						     flags & 1, flags & 2);
	/* What is forced into a state of access has no access to end. */
	if (ctx->place->state != SECMEM_CLOSED)
		ctx->place->state = SECMEM_OPEN;
}

/* Another generation is never taken for this one, whatever the state. */
static void secmem_lifecycle_generation(struct kunit *test)
{
	struct secmem_kunit_place *ctx = test->priv;
	static const u32 generations[] = { 0, 1, 2, 6, 8, 9, U32_MAX };
	unsigned int state, event, i;
	int expected, ret;

	ctx->place->generation = 7;
	KUNIT_ASSERT_TRUE(test, secmem_lock_try(&ctx->place->lock));
	for (state = 0; state < SECMEM_STATES; state++) {
		ctx->place->state = state;
		for (event = 0; event < SECMEM_EVENTS; event++) {
			for (i = 0; i < ARRAY_SIZE(generations); i++) {
				expected = generations[i] && generations[i] < 7 ?
						   -EKEYREVOKED : -ENOENT;
				ret = secmem_place_peek(ctx->place,
							generations[i], event);
				KUNIT_EXPECT_EQ(test, ret, expected);
				ret = secmem_place_step(ctx->place,
							generations[i], event);
				KUNIT_EXPECT_EQ(test, ret, expected);
				KUNIT_EXPECT_EQ(test, (int)ctx->place->state,
						(int)state);
			}
		}
	}
	ctx->place->state = SECMEM_OPEN;
	ctx->place->generation = ctx->generation;
	secmem_place_unlock(ctx->place);
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

/* The same, as the module's callers of secmem_place_step() do it. */
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
	struct secmem_kunit_place *ctx = test->priv;
	bool drops = move == SECMEM_MOVE_RELEASE || move == SECMEM_MOVE_DIE;
	enum secmem_event event = events[move];
	int ret;

	if (drops && model->readers > 1)
		event = SECMEM_EVENT_DROP;
	ret = secmem_kunit_step(test, event);
	if (ret)
		return ret;
	if (move == SECMEM_MOVE_COPY_IN)
		secmem_place_set(ctx->place, SECMEM_IS_TORN, 0);
	else if (move == SECMEM_MOVE_SEAL)
		secmem_place_set(ctx->place, SECMEM_IS_SEALED, 1);
	else if (drops && model->writers)
		secmem_place_set(ctx->place, SECMEM_IS_TORN,
				 move == SECMEM_MOVE_DIE);
	return 0;
}

static bool secmem_sequence_agrees(struct secmem_place *place,
				   const struct secmem_model *model)
{
	if (model->closed)
		return place->state == SECMEM_CLOSED;
	if (secmem_place_is(place, SECMEM_IS_SEALED) != model->sealed ||
	    secmem_place_is(place, SECMEM_IS_TORN) != model->torn)
		return false;
	if (model->closing)
		return place->state == SECMEM_CLOSING;
	if (model->writers)
		return place->state == SECMEM_WRITING;
	return place->state == (model->readers ? SECMEM_READING : SECMEM_OPEN);
}

/* Put a secret to where the model is. */
static void secmem_sequence_restore(struct kunit *test,
				    const struct secmem_model *model)
{
	struct secmem_kunit_place *ctx = test->priv;

	if (ctx->place->state == SECMEM_CLOSED)
		secmem_kunit_renew(test);
	secmem_place_set(ctx->place, SECMEM_IS_SEALED, model->sealed);
	secmem_place_set(ctx->place, SECMEM_IS_TORN, model->torn);
	if (model->closing)
		ctx->place->state = SECMEM_CLOSING;
	else if (model->writers)
		ctx->place->state = SECMEM_WRITING;
	else
		ctx->place->state = model->readers ? SECMEM_READING :
						     SECMEM_OPEN;
}

static unsigned long secmem_sequence_walk(struct kunit *test,
					  const struct secmem_model *from,
					  unsigned int depth)
{
	struct secmem_kunit_place *ctx = test->priv;
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
		    !secmem_sequence_agrees(ctx->place, &model))
			KUNIT_FAIL(test,
				   "move %u at depth %u: %d, expected %d; state %s",
				   move, depth, ret, expected,
				   secmem_state_names[ctx->place->state]);
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
	struct secmem_kunit_place *ctx = test->priv;
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
	secmem_kunit_close(test, ctx->place);
}

static struct kunit_case secmem_lifecycle_cases[] = {
	KUNIT_CASE(secmem_lifecycle_table),
	KUNIT_CASE(secmem_lifecycle_generation),
	KUNIT_CASE(secmem_lifecycle_sequences),
	{}
};

static struct kunit_suite secmem_lifecycle_suite = {
	.name = "secmem_lifecycle",
	.suite_init = secmem_kunit_suite_init,
	.suite_exit = secmem_kunit_suite_exit,
	.init = secmem_kunit_place_init,
	.exit = secmem_kunit_place_exit,
	.test_cases = secmem_lifecycle_cases,
};

kunit_test_suite(secmem_lifecycle_suite);
