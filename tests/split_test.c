// SPDX-License-Identifier: GPL-2.0-only
/*
 * What secrets do to the direct map: large entries that are split for them stay
 * split. So there are bounds: how many one user can have split, and how many
 * all users can.
 *
 * VM: --mem 1G
 */
#include <sys/resource.h>

#include "host.h"

#define MIB (1UL << 20)
#define AREA (2 * MIB) /* behind one large entry of the direct map */
#define ON (1ULL << SECMEM_PROT_DIRECT_MAP)
#define LOST HOST_SYSFS "direct_map_lost"
#define SPLIT_MAX "/sys/module/secmem/parameters/split_max"
#define DROP_CACHES "/proc/sys/vm/drop_caches"
#define LIMIT (8 * MIB)
#define ROUNDS 20
#define MANY 40 /* areas' worth of secrets, at most, in a round */

/*
 * How many areas a user with LIMIT may have split at a time; and how many lost.
 */
#define BOUND (LIMIT / AREA + 2)

/* Large entries of the direct map; -1 where the kernel does not count them. */
static long entries(void)
{
	long kib = host_meminfo("DirectMap2M");

	return kib < 0 ? kib : kib * 1024 / (long)AREA;
}

static long number_of(const char *path)
{
	char text[32] = "";

	host_read(path, text, sizeof(text));
	return strtol(text, NULL, 10);
}

#define SKIP_UNLESS_SPLITS                                                       \
	do {                                                                     \
		if (geteuid())                                                   \
			SKIP(return, "needs root to become others");             \
		if (entries() < 0)                                               \
			SKIP(return,                                             \
				   "this kernel does not count its direct map"); \
		if (!protected_now())                                            \
			SKIP(return, "no page leaves the direct map here");      \
	} while (0)

static bool protected_now(void)
{
	struct secmem_info info = { 0 };
	int fd = sm_open();

	sm_info(fd, &info);
	close(fd);
	return info.protections & ON;
}

/*
 * An attacker's round: it makes secrets and closes them, and then takes memory
 * of the kernel's that stays, hoping for the same pages: page tables, for as
 * much of an endless mapping of the page of zeros as it takes. Returns how many
 * secrets there were, and counts those that stayed in the direct map.
 */
struct attack {
	volatile unsigned char *base;
	size_t at;
	int most; /* secrets of 1 MiB */
	int exposed;
};

static bool attack_begin(struct attack *a)
{
	size_t span = 1UL << 45;
	void *base = mmap(NULL, span, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return false;
	madvise(base, span, MADV_NOHUGEPAGE);
	a->base = base;
	return true;
}

static int attack_round(struct attack *a)
{
	struct secmem_create_args c;
	size_t tables;
	int fd = sm_open(), n;

	for (n = 0; n < a->most; n++) {
		if (sm_create_as(fd, SECMEM_LENGTH_MAX, 0, 0, NULL, 0, &c))
			break;
		a->exposed += !(c.protections & ON);
	}
	close(fd);
	for (tables = n * MIB / SM_PAGE; tables; tables--, a->at += AREA)
		(void)a->base[a->at];
	return n;
}

/* What a user that attacks is to do, and what it saw. */
struct user {
	bool drops; /* memory runs short after each round */
	int short_of, dropped; /* events */
	long entries; /* at the end, while it has all that memory */
	int exposed; /* secrets that stayed in the direct map */
};

static int user_attacks(void *arg)
{
	struct rlimit limit = { .rlim_cur = LIMIT, .rlim_max = LIMIT };
	struct attack a = { .most = LIMIT / MIB - 1 };
	struct user *u = arg;
	int i;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || sm_become_user() ||
	    !attack_begin(&a))
		return 2;
	for (i = 0; i < ROUNDS; i++)
		if (attack_round(&a) != a.most ||
		    (u->drops &&
		     (sm_event_set(u->short_of) || sm_event_wait(u->dropped))))
			return 3;
	u->entries = entries();
	u->exposed = a.exposed;
	return 0;
}

FIXTURE(split)
{
	struct user *user; /* shared with the one that attacks */
};

FIXTURE_SETUP(split)
{
	/* A new module: no area is lost yet. */
	if (!geteuid())
		ASSERT_EQ(0, sm_reload(""));
	self->user = mmap(NULL, sizeof(*self->user), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->user);
}

FIXTURE_TEARDOWN(split)
{
	munmap(self->user, sizeof(*self->user));
}

/* Control: a user without a limit, below, splits more. */
TEST_F_TIMEOUT(split, user_splits_no_more_than_it_may_lock, SM_LOOP_TIMEOUT)
{
	struct user *u = self->user;
	long before, after;

	SKIP_UNLESS_SPLITS;
	before = entries();
	ASSERT_EQ(0, sm_run(user_attacks, u));
	/* All its secrets were off the direct map. */
	EXPECT_EQ(0, u->exposed);
	/* Idle pages go back to the kernel; their areas stay split. */
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	after = entries();
	TH_LOG("large entries: %ld before, %ld during, %ld after", before,
	       u->entries, after);
	EXPECT_GE((long)BOUND, before - u->entries);
	EXPECT_GE((long)BOUND, before - after);
	EXPECT_GE((long)BOUND, number_of(LOST));
}

/*
 * The user's idle pages go when memory is short, and it takes as much once
 * more.
 */
TEST_F_TIMEOUT(split, user_splits_twice_that_where_memory_is_short,
	       SM_LOOP_TIMEOUT)
{
	struct user *u = self->user;
	long before;
	pid_t pid;
	int i;

	SKIP_UNLESS_SPLITS;
	before = entries();
	u->drops = true;
	u->short_of = sm_event();
	u->dropped = sm_event();
	pid = sm_fork(user_attacks, u);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, sm_event_wait(u->short_of));
		ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
		ASSERT_EQ(0, sm_event_set(u->dropped));
	}
	ASSERT_EQ(0, sm_reap(pid));
	TH_LOG("large entries: %ld before, %ld during; %d secrets exposed",
	       before, u->entries, u->exposed);
	EXPECT_GE(2 * (long)BOUND, before - u->entries);
	/* Control: it split more than it may hold at a time, or was refused. */
	EXPECT_TRUE(before - u->entries > (long)BOUND || u->exposed);
}

/*
 * Areas that are lost to one user serve secrets again, that user's or
 * another's.
 */
TEST_F_TIMEOUT(split, lost_areas_are_taken_again, SM_LOOP_TIMEOUT)
{
	struct sm_vault v;
	uint64_t handle;
	long lost, before, given;
	int i;

	SKIP_UNLESS_SPLITS;
	ASSERT_EQ(0, sm_vault_open(&v));
	for (i = 0; i < 2 * MANY; i++)
		ASSERT_EQ(0, sm_create(v.fd, SECMEM_LENGTH_MAX, &handle));
	sm_vault_close(&v);
	/* Some stay idle until memory is short. */
	given = number_of(LOST);
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	EXPECT_EQ(0, SM_WAIT_UNTIL(number_of(LOST) > given));
	lost = number_of(LOST);
	before = entries();
	ASSERT_EQ(0, sm_vault_open(&v));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, sm_create(v.fd, SECMEM_LENGTH_MAX, &handle));
	EXPECT_GT(lost, number_of(LOST));
	/* Some pages of these areas the kernel may have given to others. */
	EXPECT_GE(MANY / 4, before - entries());
	sm_vault_close(&v);
}

/* For root there is only the bound of the machine. */
TEST_F_TIMEOUT(split,
	       splits_beyond_the_bound_of_the_machine_are_said_or_refused,
	       SM_LOOP_TIMEOUT)
{
	struct attack a = { .most = MANY };
	struct secmem_create_args c;
	long before = entries(), was, bound;
	int fd, i;

	SKIP_UNLESS_SPLITS;
	was = number_of(SPLIT_MAX);
	bound = number_of(LOST) + 2 * MANY;
	ASSERT_EQ(0, host_write_number(SPLIT_MAX, bound));
	ASSERT_TRUE(attack_begin(&a));
	for (i = 0; i < ROUNDS && !a.exposed; i++)
		ASSERT_EQ(a.most, attack_round(&a));
	TH_LOG("%ld large entries split in %d rounds, %ld areas lost",
	       before - entries(), i, number_of(LOST));
	EXPECT_LT(0, a.exposed);
	/* Control: the attack works for a user without a limit. */
	EXPECT_LT((long)BOUND, before - entries());
	/* The areas of its last secrets are lost as well. */
	EXPECT_GE(bound + MANY, number_of(LOST));

	fd = sm_open();
	for (i = 0; i < MANY; i++)
		if (sm_create_as(fd, SECMEM_LENGTH_MAX, 0, 0, NULL, ON, &c))
			break;
	ASSERT_GT(MANY, i);
	EXPECT_EQ(-EOPNOTSUPP,
		  sm_create_as(fd, SECMEM_LENGTH_MAX, 0, 0, NULL, ON, &c));
	/*
	 * A secret that does not require the protection is made, and says so.
	 */
	EXPECT_EQ(0, sm_create_as(fd, SECMEM_LENGTH_MAX, 0, 0, NULL, 0, &c));
	EXPECT_EQ(0, c.protections & ON);
	/* With a higher bound the protection can be had. */
	ASSERT_EQ(0, host_write_number(SPLIT_MAX, was + 1000));
	EXPECT_EQ(0, sm_create_as(fd, SECMEM_LENGTH_MAX, 0, 0, NULL, ON, &c));
	EXPECT_EQ(ON, c.protections & ON);
	close(fd);
	ASSERT_EQ(0, host_write_number(SPLIT_MAX, was));
	munmap((void *)a.base, 1UL << 45);
}

TEST_HARNESS_MAIN
