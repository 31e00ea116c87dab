// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may have how many secrets: the device's group, RLIMIT_MEMLOCK and the
 * administrator's cap, the memory cgroup, the vault's own limit.
 */
#include <limits.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "host.h"
#include "secmem_test.h"

#define PARAMETERS "/sys/module/secmem/parameters/"
#define CGROUPS "/sys/fs/cgroup"
#define DROP_CACHES "/proc/sys/vm/drop_caches"
#define CGROUP CGROUPS "/secmem_limits_test"

/*
 * Each test does its work in a child that gives up rights. The child reports 0,
 * or the line that failed, or the negative of the line that found that this
 * machine cannot show it.
 */
static int *report;

static void __attribute__((constructor)) report_setup(void)
{
	report = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		abort();
}

#define MUST(condition)                  \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

struct work {
	int (*fn)(void *);
	void *arg;
	bool plain;
};

static int work_run(void *arg)
{
	struct work *work = arg;

	if (work->plain && sm_become_user())
		*report = __LINE__;
	else
		*report = work->fn(work->arg);
	return 0;
}

static int work_start(bool plain, int (*fn)(void *), void *arg)
{
	struct work work = { .fn = fn, .arg = arg, .plain = plain };

	*report = -1;
	if (sm_run(work_run, &work))
		return __LINE__; /* killed */
	return *report;
}

#define AS_USER(fn, arg) EXPECT_EQ(0, work_start(true, fn, arg))
#define AS_ROOT(fn, arg) EXPECT_EQ(0, work_start(false, fn, arg))

#define SKIP_UNLESS_ROOT                                             \
	do {                                                         \
		if (geteuid())                                       \
			SKIP(return, "needs root to become others"); \
	} while (0)

/* Sets only the soft limit, which can be raised again. */
static int memlock(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

static int memlock_lift(void)
{
	return memlock(RLIM_INFINITY);
}

/* Creates secrets of that length until the limit: their number. */
static int fill(int fd, uint64_t length, uint64_t *handles, int most,
		int expected_error)
{
	struct secmem_info before, after;
	uint64_t handle;
	int n, err = 0;

	for (n = 0; n < most; n++) {
		if (sm_info(fd, &before))
			return -1000;
		err = sm_create(fd, length, &handle);
		if (err)
			break;
		if (handles)
			handles[n] = handle;
	}
	if (n == most)
		return n;
	/* The CREATE that was refused left nothing. */
	if (err != expected_error || sm_info(fd, &after) ||
	    memcmp(&before, &after, sizeof(before)))
		return -1001 + err;
	return n;
}

/* The device. */

static int open_in_group(void *arg)
{
	uint64_t handle;
	struct sm_vault v;
	uint32_t equal;

	(void)arg;
	MUST(geteuid() == SM_USER);
	MUST(!sm_vault_open(&v));
	MUST(!sm_create(v.fd, 10, &handle));
	MUST(!sm_acquire(v.fd, handle, SECMEM_WRITE, NULL));
	MUST(!sm_release(v.fd, handle));
	MUST(!sm_compare(v.fd, handle, "", 0, &equal));
	MUST(!sm_close(v.fd, handle));
	return 0;
}

static int open_outside_group(void *arg)
{
	gid_t gid = SM_USER;

	(void)arg;
	MUST(!setgroups(1, &gid));
	MUST(!setresgid(SM_USER, SM_USER, SM_USER));
	MUST(!setresuid(SM_USER, SM_USER, SM_USER));
	MUST(sm_open() == -EACCES);
	MUST(open(SECMEM_DEVICE, O_RDONLY) == -1 && errno == EACCES);
	return 0;
}

TEST(device_is_for_its_group)
{
	struct stat st;

	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, stat(SECMEM_DEVICE, &st));
	if (!st.st_gid)
		SKIP(return, "the device has no group of its own here");
	EXPECT_EQ(0660, st.st_mode & 07777);
	AS_USER(open_in_group, NULL);
	AS_ROOT(open_outside_group, NULL);
}

/* RLIMIT_MEMLOCK. */

static int memlock_is_exact(void *arg)
{
	uint64_t handles[16];
	int fd = sm_open(), i;

	(void)arg;
	MUST(fd >= 0);
	/* Whole pages count: what the limit has beyond them is no use. */
	MUST(!memlock(10 * SM_PAGE + SM_PAGE - 1));
	MUST(fill(fd, 1, handles, 16, -ENOMEM) == 10);
	for (i = 0; i < 3; i++) {
		MUST(!sm_close(fd, handles[i]));
		MUST(fill(fd, SM_PAGE, &handles[i], 16, -ENOMEM) == 1);
	}
	/* One byte more than a page costs two pages. */
	MUST(!sm_close(fd, handles[0]));
	MUST(fill(fd, SM_PAGE + 1, NULL, 16, -ENOMEM) == 0);
	MUST(!sm_close(fd, handles[1]));
	MUST(fill(fd, SM_PAGE + 1, handles, 16, -ENOMEM) == 1);
	MUST(!sm_close(fd, handles[0]));
	MUST(fill(fd, 1, handles, 16, -ENOMEM) == 2);
	/* When a large secret does not fit, no part of it stays charged. */
	for (i = 0; i < 2; i++)
		MUST(!sm_close(fd, handles[i]));
	for (i = 0; i < 50; i++)
		MUST(fill(fd, SECMEM_LENGTH_MAX, NULL, 16, -ENOMEM) == 0);
	MUST(fill(fd, 1, NULL, 16, -ENOMEM) == 2);
	return 0;
}

TEST(memlock_limit_is_exact_in_pages)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	AS_USER(memlock_is_exact, NULL);
}

static int memlock_nothing(void *arg)
{
	int fd = sm_open();

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(0));
	MUST(fill(fd, 1, NULL, 4, -ENOMEM) == 0);
	MUST(!memlock(SM_PAGE - 1));
	MUST(fill(fd, 1, NULL, 4, -ENOMEM) == 0);
	MUST(!memlock(SM_PAGE));
	MUST(fill(fd, 1, NULL, 4, -ENOMEM) == 1);
	MUST(!memlock_lift());
	MUST(fill(fd, SECMEM_LENGTH_MAX, NULL, 20, -ENOMEM) == 20);
	return 0;
}

TEST(memlock_limit_may_be_0_or_infinite)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	AS_USER(memlock_nothing, NULL);
}

static int memlock_failed_create(void *arg)
{
	struct secmem_create_args *c;
	int fd = sm_open(), i;

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(4 * SM_PAGE));
	c = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(c != MAP_FAILED);
	c->size = sizeof(*c);
	c->length = 1;
	MUST(!mprotect(c, SM_PAGE, PROT_READ));
	for (i = 0; i < 100; i++)
		MUST(sm_ioctl(fd, SECMEM_IOC_CREATE, c) == -EFAULT);
	MUST(fill(fd, 1, NULL, 16, -ENOMEM) == 4);
	return 0;
}

TEST(create_that_fails_is_not_charged)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	AS_USER(memlock_failed_create, NULL);
}

static int memlock_closing(void *arg)
{
	uint64_t handles[4];
	struct sm_vault v;

	(void)arg;
	MUST(!sm_vault_open(&v));
	MUST(!memlock(4 * SM_PAGE));
	MUST(fill(v.fd, 1, handles, 4, 0) == 4);
	MUST(!sm_acquire(v.fd, handles[0], SECMEM_READ, NULL));
	MUST(sm_close_at(v.fd, handles[0], SECMEM_NOWAIT, 0) == -EAGAIN);
	/* A closing secret has its page until it is closed. */
	MUST(fill(v.fd, 1, NULL, 4, -ENOMEM) == 0);
	MUST(!sm_release(v.fd, handles[0]));
	MUST(fill(v.fd, 1, NULL, 4, -ENOMEM) == 1);
	/* The end of the vault gives the charge of all its secrets back. */
	sm_vault_close(&v);
	MUST(!sm_vault_open(&v));
	MUST(fill(v.fd, 1, NULL, 16, -ENOMEM) == 4);
	return 0;
}

TEST(closing_secret_stays_charged_until_it_is_closed)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	AS_USER(memlock_closing, NULL);
}

static int memlock_hoard(void *arg)
{
	int *events = arg;
	int fd = sm_open();

	if (fd < 0 || fill(fd, 1, NULL, 6, 0) != 6)
		return 2;
	if (sm_event_set(events[0]))
		return 3;
	for (;;)
		pause();
}

static int memlock_of_a_user(void *arg)
{
	int events[] = { sm_event() };
	int fd = sm_open();
	uint64_t handles[4];
	pid_t pid;
	int i;

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(10 * SM_PAGE));
	for (i = 0; i < 3; i++) {
		pid = sm_fork(memlock_hoard, events);
		MUST(pid > 0);
		MUST(!sm_event_wait(events[0]));
		MUST(fill(fd, 1, handles, 16, -ENOMEM) == 4);
		/* Nothing of a process that was killed stays charged. */
		MUST(!kill(pid, SIGKILL));
		MUST(sm_reap(pid) == 128 + SIGKILL);
		MUST(fill(fd, 1, NULL, 16, -ENOMEM) == 6);
		close(fd);
		fd = sm_open();
		MUST(fd >= 0);
	}
	return 0;
}

TEST(memlock_is_charged_to_the_user)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	AS_USER(memlock_of_a_user, NULL);
}

static int memlock_of_root(void *arg)
{
	int fd = sm_open();

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(0));
	MUST(fill(fd, SM_PAGE, NULL, 100, -ENOMEM) == 100);
	return 0;
}

TEST(cap_ipc_lock_is_exempt)
{
	SKIP_UNLESS_ROOT;
	AS_ROOT(memlock_of_root, NULL);
}

static int capability_drop(int which)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[which / 32].effective &= ~(1U << which % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int memlock_of_root_without(void *arg)
{
	int fd = sm_open();

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(5 * SM_PAGE));
	MUST(!capability_drop(CAP_IPC_LOCK));
	MUST(fill(fd, SM_PAGE, NULL, 100, -ENOMEM) == 5);
	return 0;
}

TEST(root_without_cap_ipc_lock_is_limited)
{
	SKIP_UNLESS_ROOT;
	AS_ROOT(memlock_of_root_without, NULL);
}

static int memlock_of_namespace(void *arg)
{
	int fd = sm_open();

	(void)arg;
	MUST(fd >= 0);
	MUST(!memlock(5 * SM_PAGE));
	if (unshare(CLONE_NEWUSER))
		return -__LINE__;
	/* It has all capabilities, but only in its own user namespace. */
	MUST(fill(fd, SM_PAGE, NULL, 100, -ENOMEM) == 5);
	return 0;
}

TEST(capabilities_in_a_user_namespace_are_not_exempt)
{
	int line;

	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	line = work_start(true, memlock_of_namespace, NULL);
	if (line < 0)
		SKIP(return, "plain users may not make user namespaces here");
	EXPECT_EQ(0, line);
}

/* Many uids of one owner. */

#define SUBORDINATES 3
#define SUBORDINATE_UID 100000
#define SUBORDINATE_PAGES 10

struct subordinate {
	uid_t uid;
	int done, go;
	int *got;
};

static int subordinate_fills(void *arg)
{
	struct subordinate *s = arg;
	int fd;

	/* It is still in the group that may open the device. */
	if (setresuid(s->uid, s->uid, s->uid))
		return 2;
	fd = sm_open();
	if (fd < 0)
		return 3;
	*s->got = fill(fd, 1, NULL, 2 * SUBORDINATE_PAGES, -ENOMEM);
	if (sm_event_set(s->done) || sm_event_wait(s->go))
		return 4;
	return 0;
}

/* How many secrets some uids have together, one process each; or negative. */
static int subordinates_fill(uid_t first)
{
	struct subordinate s[SUBORDINATES];
	pid_t pid[SUBORDINATES];
	int sum = 0, i;

	for (i = 0; i < SUBORDINATES; i++) {
		s[i].uid = first + i;
		s[i].done = sm_event();
		s[i].go = sm_event();
		s[i].got = &report[1 + i];
		pid[i] = sm_fork(subordinate_fills, &s[i]);
		if (pid[i] < 0 || sm_event_wait(s[i].done))
			return -1;
		if (*s[i].got < 0)
			return -2;
		sum += *s[i].got;
	}
	for (i = 0; i < SUBORDINATES; i++)
		if (sm_event_set(s[i].go) || sm_reap(pid[i]))
			return -3;
	return sum;
}

struct namespace
{
	bool root; /* owns it */
	int made, mapped;
};

/* Maps uids as newuidmap(1) does: from uid 1 on they are subordinate ones. */
static int namespace_map(pid_t pid)
{
	char path[64], text[64];
	int err;

	snprintf(text, sizeof(text), "0 %d 1\n1 %d 1000", SM_USER,
		 SUBORDINATE_UID);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	err = host_write(path, text);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return err ?: host_write(path, text);
}

static int namespace_fills(void *arg)
{
	struct namespace *ns = arg;
	struct stat st;

	if (memlock(SUBORDINATE_PAGES * SM_PAGE) || stat(SECMEM_DEVICE, &st) ||
	    setgroups(1, &st.st_gid) || (!ns->root && sm_become_user()) ||
	    unshare(CLONE_NEWUSER))
		return 2;
	/* Otherwise /proc/PID/uid_map would be root's. */
	prctl(PR_SET_DUMPABLE, 1);
	if (sm_event_set(ns->made) || sm_event_wait(ns->mapped))
		return 3;
	report[0] = subordinates_fill(1);
	return 0;
}

static int namespace_secrets(bool root)
{
	struct namespace ns = {
		.root = root,
		.made = sm_event(),
		.mapped = sm_event(),
	};
	pid_t pid = sm_fork(namespace_fills, &ns);

	if (pid < 0 || sm_event_wait(ns.made) || namespace_map(pid) ||
	    sm_event_set(ns.mapped) || sm_reap(pid))
		return -10;
	return report[0];
}

TEST(uids_of_a_namespace_share_the_limit_of_its_owner)
{
	SKIP_UNLESS_ROOT;
	ASSERT_EQ(0, memlock_lift());
	/*
	 * Control: in a namespace that root made, each uid has a limit of its
	 * own.
	 */
	EXPECT_EQ(SUBORDINATES * SUBORDINATE_PAGES, namespace_secrets(true));
	EXPECT_EQ(SUBORDINATE_PAGES, namespace_secrets(false));
}

/* What the administrator sets. */

static int cap_in_force(void *arg)
{
	rlim_t limit = *(rlim_t *)arg;
	struct secmem_info info;
	int fd = sm_open();

	MUST(fd >= 0);
	MUST(!memlock(limit));
	MUST(!sm_info(fd, &info));
	MUST(info.memlock_cap == 7 * SM_PAGE);
	MUST(fill(fd, 1, NULL, 16, -ENOMEM) == 7);
	return 0;
}

TEST(administrators_cap_stands_in_the_place_of_the_limit)
{
	rlim_t limits[] = { 0, 3 * SM_PAGE, RLIM_INFINITY };
	char was[64];
	size_t i;

	SKIP_UNLESS_ROOT;
	if (host_read(PARAMETERS "memlock_cap", was, sizeof(was)) < 0)
		SKIP(return, "no parameter memlock_cap");
	ASSERT_EQ(0, memlock_lift());
	ASSERT_EQ(0, host_write_number(PARAMETERS "memlock_cap", 7 * SM_PAGE));
	for (i = 0; i < ARRAY_SIZE(limits); i++)
		AS_USER(cap_in_force, &limits[i]);
	AS_ROOT(memlock_of_root, NULL);
	ASSERT_EQ(0, host_write(PARAMETERS "memlock_cap", was));
	AS_USER(memlock_is_exact, NULL);
}

static int vault_is_full(void *arg)
{
	uint64_t handles[16];
	struct secmem_info info;
	struct sm_vault v, other;
	int i;

	(void)arg;
	MUST(!sm_vault_open(&v));
	MUST(!sm_info(v.fd, &info));
	MUST(info.secrets_max == 9);
	MUST(fill(v.fd, 1, handles, 16, -EMFILE) == 9);
	for (i = 0; i < 3; i++) {
		MUST(!sm_close(v.fd, handles[i]));
		MUST(fill(v.fd, 5000, &handles[i], 16, -EMFILE) == 1);
	}
	/* A closing secret still has its place. */
	MUST(!sm_acquire(v.fd, handles[0], SECMEM_READ, NULL));
	MUST(sm_close_at(v.fd, handles[0], SECMEM_NOWAIT, 0) == -EAGAIN);
	MUST(fill(v.fd, 1, NULL, 16, -EMFILE) == 0);
	MUST(!sm_release(v.fd, handles[0]));
	MUST(fill(v.fd, 1, NULL, 16, -EMFILE) == 1);
	/* Each vault has a limit of its own. */
	MUST(!sm_vault_open(&other));
	MUST(fill(other.fd, 1, NULL, 16, -EMFILE) == 9);
	return 0;
}

TEST(vault_that_is_full_is_emfile)
{
	char was[64];

	SKIP_UNLESS_ROOT;
	if (host_read(PARAMETERS "secrets_max", was, sizeof(was)) < 0)
		SKIP(return, "no parameter secrets_max");
	ASSERT_EQ(0, memlock_lift());
	ASSERT_EQ(0, host_write_number(PARAMETERS "secrets_max", 9));
	AS_USER(vault_is_full, NULL);
	ASSERT_EQ(0, host_write(PARAMETERS "secrets_max", was));
}

TEST(secrets_max_is_what_handles_can_name_at_most)
{
	char was[64], now[64];

	SKIP_UNLESS_ROOT;
	if (host_read(PARAMETERS "secrets_max", was, sizeof(was)) < 0)
		SKIP(return, "no parameter secrets_max");
	EXPECT_EQ(-ERANGE,
		  host_write_number(PARAMETERS "secrets_max", 1 << 24));
	EXPECT_EQ(-EINVAL, host_write(PARAMETERS "secrets_max", "many"));
	EXPECT_LE(0, host_read(PARAMETERS "secrets_max", now, sizeof(now)));
	EXPECT_STREQ(was, now);
	EXPECT_EQ(0,
		  host_write_number(PARAMETERS "secrets_max", (1 << 24) - 1));
	EXPECT_EQ(0, host_write(PARAMETERS "secrets_max", was));
}

/* The memory cgroup. */

static long cgroup_current_of(const char *group)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "%s/memory.current", group);
	if (host_read(path, text, sizeof(text)) < 0)
		return -1;
	return strtol(text, NULL, 10);
}

static long cgroup_current(void)
{
	return cgroup_current_of(CGROUP);
}

#define MIB (1L << 20)

static int cgroup_is_charged(void *arg)
{
	uint64_t handles[16];
	struct sm_vault v;
	long before, during, after;
	int i;

	(void)arg;
	MUST(!host_write(CGROUP "/cgroup.procs", "0"));
	MUST(!sm_vault_open(&v));
	before = cgroup_current();
	MUST(before >= 0);
	MUST(fill(v.fd, SECMEM_LENGTH_MAX, handles, 16, 0) == 16);
	during = cgroup_current();
	/* The kernel counts in batches, so the counter may lag behind. */
	MUST(during - before >= 16 * MIB - MIB);
	MUST(during - before <= 16 * MIB + MIB);
	for (i = 0; i < 16; i++)
		MUST(!sm_close(v.fd, handles[i]));
	/* Idle pages go when memory is short. */
	sm_vault_close(&v);
	MUST(!host_write(DROP_CACHES, "2"));
	after = cgroup_current();
	MUST(after - before <= MIB);
	return 0;
}

/*
 * Memory cgroups charge up to 64 pages ahead, on each processor. libc reads a
 * file for their number, so this is asked while the group has room.
 */
static long cgroup_stock(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) * 64 * SM_PAGE;
}

static int cgroup_is_full(void *arg)
{
	uint64_t handles[64], handle;
	const long stock = cgroup_stock();
	unsigned char byte = 0;
	struct sm_vault v;
	long used;
	int n, i;

	(void)arg;
	MUST(!host_write(CGROUP "/cgroup.procs", "0"));
	MUST(!sm_vault_open(&v));
	used = cgroup_current();
	MUST(used >= 0);
	/*
	 * Half a MiB stays free: in a full group, this process's next fault
	 * would kill it.
	 */
	MUST(!host_write_number(CGROUP "/memory.max",
				used + 8 * MIB + MIB / 2));
	n = fill(v.fd, SECMEM_LENGTH_MAX, handles, 64, -ENOMEM);
	MUST(n >= 4 && n <= 8 + stock / MIB);
	/* Those that are there are whole, and there is room after a close. */
	for (i = 0; i < n; i++)
		MUST(!sm_read(v.fd, handles[i], &byte, SECMEM_LENGTH_MAX - 1,
			      1));
	MUST(!sm_close(v.fd, handles[0]));
	MUST(!sm_create(v.fd, SECMEM_LENGTH_MAX / 2, &handle));
	MUST(!host_write_number(CGROUP "/memory.max", 1024 * MIB));
	MUST(fill(v.fd, SECMEM_LENGTH_MAX, NULL, 16, 0) == 16);
	return 0;
}

FIXTURE(cgroup)
{
	bool made;
};

FIXTURE_SETUP(cgroup)
{
	char text[256];

	SKIP_UNLESS_ROOT;
	if (host_read(CGROUPS "/cgroup.controllers", text, sizeof(text)) < 0 ||
	    !strstr(text, "memory"))
		SKIP(return, "no cgroup2 with memory at " CGROUPS);
	ASSERT_EQ(0, host_write(CGROUPS "/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(CGROUP, 0755));
	self->made = true;
}

FIXTURE_TEARDOWN(cgroup)
{
	if (self->made)
		EXPECT_EQ(0, rmdir(CGROUP));
}

TEST_F(cgroup, pages_are_charged_to_the_memory_cgroup)
{
	struct secmem_info info;
	int fd;

	if (!self->made)
		return;
	AS_ROOT(cgroup_is_charged, NULL);
	/* INFO says so, too. */
	fd = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sm_info(fd, &info));
	EXPECT_TRUE(info.protections & (1ULL << SECMEM_PROT_MEMCG));
	EXPECT_EQ(SECMEM_WHY_IN_FORCE, info.why[SECMEM_PROT_MEMCG]);
	EXPECT_EQ(0, close(fd));
}

struct cgroup_member {
	int fd; /* a grant of the whole vault */
	const char *group;
	int ready, go;
	bool closes; /* three of four secrets, once it has all */
};

/*
 * The memory of the group is filled to the last page each time. The limit grows
 * by a page from round to round, so that CREATE misses memory at one point or
 * another.
 */
static int cgroup_is_brimful(void *arg)
{
	const long stock = cgroup_stock();
	struct sm_vault v;
	long before, used;
	size_t room;
	int i, n;

	(void)arg;
	MUST(!host_write(CGROUP "/cgroup.procs", "0"));
	before = cgroup_current();
	MUST(before >= 0);
	for (i = 0; i < 100; i++) {
		MUST(!sm_vault_open(&v));
		used = cgroup_current();
		MUST(used >= 0);
		MUST(!host_write_number(CGROUP "/memory.max",
					used + MIB + i * SM_PAGE));
		n = fill(v.fd, MIB / 4, NULL, 16, -ENOMEM);
		/* What the limit leaves, and each processor has in stock. */
		room = MIB + i * SM_PAGE + stock;
		MUST(n >= 1 && n <= (int)(room / (MIB / 4)));
		sm_vault_close(&v);
		MUST(!host_write_number(CGROUP "/memory.max", 1024 * MIB));
	}
	/* A CREATE that failed gave back all that it had. */
	MUST(cgroup_current() - before <= MIB);
	return 0;
}

TEST_F_TIMEOUT(cgroup, failed_create_kills_nobody_and_keeps_nothing, 120)
{
	if (self->made)
		AS_ROOT(cgroup_is_brimful, NULL);
}

/* A worker of a service that lives on: it closes all that it makes. */
static int cgroup_passer(void *arg)
{
	struct cgroup_member *m = arg;
	uint64_t handle;

	if (host_write(CGROUP "/cgroup.procs", "0") ||
	    sm_create(m->fd, 7 * SM_PAGE, &handle) || sm_close(m->fd, handle))
		return 2;
	return 0;
}

#define PASSERS 100

TEST_F(cgroup, vault_keeps_nothing_for_those_that_left_it)
{
	struct cgroup_member m = { 0 };
	struct sm_vault v;
	long before;
	int i;

	if (!self->made)
		return;
	ASSERT_EQ(0, sm_vault_open(&v));
	before = cgroup_current();
	for (i = 0; i < PASSERS; i++) {
		ASSERT_EQ(0, sm_export(v.fd, SECMEM_HANDLE_NONE,
				       SECMEM_RIGHT_ALL, &m.fd));
		ASSERT_EQ(0, sm_run(cgroup_passer, &m));
		close(m.fd);
	}
	EXPECT_GE(MIB / 2 + cgroup_stock(), cgroup_current() - before);
	sm_vault_close(&v);
}

#define CGROUP_OTHER CGROUPS "/secmem_limits_test_2"

static int cgroup_enter_as_user(const char *group)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	return host_write(path, "0") ?: sm_become_user();
}

struct cgroup_idle {
	int hoarded;
};

/*
 * The same user in another memory cgroup: idle pages of the first do not serve
 * it.
 */
static int cgroup_idle_other(void *arg)
{
	struct cgroup_idle *c = arg;
	int fd;

	if (cgroup_enter_as_user(CGROUP_OTHER))
		return 2;
	/* The first takes thousands of calls to get there. */
	while (sm_event_wait(c->hoarded) == -ETIMEDOUT)
		;
	fd = sm_open();
	if (fd < 0 || memlock(1000 * SM_PAGE))
		return 3;
	return fill(fd, 1, NULL, 2048, -ENOMEM) ? 4 : 0;
}

/*
 * A block of pages stays whole, and is charged, while one of its pages is in
 * use.
 */
static int cgroup_idle(void *arg)
{
	static uint64_t handles[2048];
	struct cgroup_idle c = { .hoarded = sm_event() };
	int fd, again, i;
	pid_t pid;

	(void)arg;
	pid = sm_fork(cgroup_idle_other, &c);
	MUST(pid > 0);
	MUST(!cgroup_enter_as_user(CGROUP));
	fd = sm_open();
	again = sm_open();
	MUST(fd >= 0 && again >= 0);
	MUST(!memlock(2048 * SM_PAGE));
	MUST(fill(fd, 1, handles, 2048, 0) == 2048);
	for (i = 0; i < 2048; i++)
		if (i % 32 != 31)
			MUST(!sm_close(fd, handles[i]));
	/*
	 * 64 secrets are left, whose blocks have almost as many pages as
	 * before.
	 */
	MUST(!sm_event_set(c.hoarded));
	MUST(!sm_reap(pid));
	/* The idle pages serve at no further charge, in any vault. */
	MUST(!memlock(1000 * SM_PAGE));
	MUST(fill(again, 1, handles, 512, 0) == 512);
	close(fd);
	close(again);
	fd = sm_open();
	MUST(fill(fd, 1, NULL, 2048, -ENOMEM) == 1000);
	return 0;
}

TEST_F_TIMEOUT(cgroup, idle_pages_beyond_an_allowance_are_charged,
	       SM_LOOP_TIMEOUT)
{
	if (!self->made)
		return;
	ASSERT_EQ(0, memlock_lift());
	/*
	 * A user that has split as much as it may gets pages one by one, and no
	 * blocks: so the module is loaded anew.
	 */
	ASSERT_EQ(0, sm_reload(""));
	ASSERT_EQ(0, mkdir(CGROUP_OTHER, 0755));
	AS_ROOT(cgroup_idle, NULL);
	EXPECT_EQ(0, rmdir(CGROUP_OTHER));
}

#define CROWD 16

struct crowd {
	pthread_barrier_t barrier;
	int fd;
	_Atomic int failed;
};

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;
	uint64_t handle;

	pthread_barrier_wait(&c->barrier);
	if (sm_create(c->fd, SECMEM_LENGTH_MAX, &handle))
		c->failed++;
	pthread_barrier_wait(&c->barrier);
	pthread_barrier_wait(&c->barrier);
	return NULL;
}

static int cgroup_crowd(void *arg)
{
	struct crowd c = { 0 };
	pthread_t threads[CROWD];
	struct sm_vault v;
	long before, more;
	int i;

	(void)arg;
	MUST(!host_write(CGROUP "/cgroup.procs", "0"));
	MUST(!sm_vault_open(&v));
	c.fd = v.fd;
	pthread_barrier_init(&c.barrier, NULL, CROWD + 1);
	for (i = 0; i < CROWD; i++)
		MUST(!pthread_create(&threads[i], NULL, crowd_run, &c));
	before = cgroup_current();
	pthread_barrier_wait(&c.barrier);
	pthread_barrier_wait(&c.barrier);
	more = cgroup_current() - before;
	pthread_barrier_wait(&c.barrier);
	for (i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	MUST(!c.failed);
	/* One block of 2 MiB more, and what the counter lags behind. */
	MUST(more <= (CROWD + 4) * MIB);
	return 0;
}

TEST_F(cgroup, who_creates_together_takes_no_more)
{
	if (self->made)
		AS_ROOT(cgroup_crowd, NULL);
}

static int cgroup_member(void *arg)
{
	struct cgroup_member *m = arg;
	static uint64_t handles[4096];
	char path[256];
	int i;

	snprintf(path, sizeof(path), "%s/cgroup.procs", m->group);
	if (host_write(path, "0") || fill(m->fd, 1, handles, 4096, 0) != 4096)
		return 2;
	for (i = 0; m->closes && i < 4096; i++)
		if (i % 4 && sm_close(m->fd, handles[i]))
			return 3;
	if (sm_event_set(m->ready) || sm_event_wait(m->go))
		return 4;
	return 0;
}

/*
 * Two processes fill one vault, each from a group of its own. The first one
 * leaves idle pages, none of which the other one gets.
 */
TEST_F(cgroup, each_group_is_charged_for_what_it_creates)
{
	struct cgroup_member m[2] = {
		{ .group = CGROUP, .closes = true },
		{ .group = CGROUP_OTHER },
	};
	long before[2];
	struct sm_vault v;
	pid_t pid[2];
	int i;

	if (!self->made)
		return;
	ASSERT_EQ(0, mkdir(CGROUP_OTHER, 0755));
	ASSERT_EQ(0, sm_vault_open(&v));
	for (i = 0; i < 2; i++) {
		m[i].ready = sm_event();
		m[i].go = sm_event();
		before[i] = cgroup_current_of(m[i].group);
		ASSERT_EQ(0, sm_export(v.fd, SECMEM_HANDLE_NONE,
				       SECMEM_RIGHT_ALL, &m[i].fd));
		pid[i] = sm_fork(cgroup_member, &m[i]);
		ASSERT_LT(0, pid[i]);
		ASSERT_EQ(0, sm_event_wait(m[i].ready));
		close(m[i].fd);
	}
	for (i = 0; i < 2; i++) {
		long more = cgroup_current_of(m[i].group) - before[i];

		EXPECT_LE(4096 * (long)SM_PAGE - MIB, more);
		EXPECT_GE(4096 * (long)SM_PAGE + 8 * MIB, more);
		ASSERT_EQ(0, sm_event_set(m[i].go));
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, sm_reap(pid[i]));
	sm_vault_close(&v);
	EXPECT_EQ(0, rmdir(CGROUP_OTHER));
}

TEST_F(cgroup, create_beyond_the_memory_cgroup_is_enomem)
{
	if (self->made)
		AS_ROOT(cgroup_is_full, NULL);
}

TEST_HARNESS_MAIN
