// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory cgroups that do not count the kernel's memory: INFO and CREATE say so.
 * limits_test checks that they say the opposite where it is counted.
 *
 * VM: --append cgroup.memory=nokmem
 */
#include "host.h"

#define CGROUPS "/sys/fs/cgroup"
#define CGROUP CGROUPS "/secmem_memcg_test"
#define MIB (1L << 20)
#define SECRETS 16

static const uint64_t memcg = 1ULL << SECMEM_PROT_MEMCG;

static bool memory_is_counted(void)
{
	char text[256];

	return host_read(CGROUPS "/cgroup.controllers", text, sizeof(text)) >
		       0 &&
	       strstr(text, "memory");
}

static long counted(void)
{
	char text[64];

	return host_read(CGROUP "/memory.current", text, sizeof(text)) > 0 ?
		       atol(text) :
		       -1;
}

/* How many MiB SECRETS secrets of 1 MiB add to their creator's cgroup. */
static int charge_of_secrets(void *arg)
{
	long before, after;
	uint64_t handle;
	int fd, i;

	(void)arg;
	if (host_write(CGROUP "/cgroup.procs", "0"))
		return 100;
	fd = sm_open();
	before = counted();
	for (i = 0; i < SECRETS; i++)
		if (sm_create(fd, SECMEM_LENGTH_MAX, &handle))
			return 101;
	after = counted();
	if (before < 0 || after < 0)
		return 102;
	return after > before ? (after - before) / MIB : 0;
}

TEST(memcg_is_not_said_where_nothing_is_charged)
{
	char words[4096];
	struct secmem_create_args c;
	struct secmem_info info;
	int fd;

	ASSERT_LT(0, host_read("/proc/cmdline", words, sizeof(words)));
	if (!strstr(words, "cgroup.memory=nokmem") &&
	    !strstr(words, "cgroup_disable=memory"))
		SKIP(return, "booted with memory cgroups that count all");
	if (memory_is_counted()) {
		ASSERT_EQ(0, host_write(CGROUPS "/cgroup.subtree_control",
					"+memory"));
		ASSERT_EQ(0, mkdir(CGROUP, 0755));
		/*
		 * The secrets' 16 MiB are not counted, only what a process
		 * takes.
		 */
		EXPECT_GE(SECRETS / 4, sm_run(charge_of_secrets, NULL));
		EXPECT_EQ(0, rmdir(CGROUP));
	}
	fd = sm_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_info(fd, &info));
	EXPECT_FALSE(info.protections & memcg);
	EXPECT_EQ(SECMEM_WHY_UNCHARGED, info.why[SECMEM_PROT_MEMCG]);
	EXPECT_EQ(-EOPNOTSUPP, sm_create_as(fd, 100, 0, 0, NULL, memcg, &c));
	ASSERT_EQ(0, sm_create_as(fd, 100, 0, 0, NULL, 0, &c));
	EXPECT_FALSE(c.protections & memcg);
	close(fd);
}

TEST_HARNESS_MAIN
