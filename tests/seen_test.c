// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be seen from outside, of secmem: the attributes, the tracepoints,
 * the log of violations. No bytes of a secret can.
 */
#include <ctype.h>

#include "attack.h"
#include "host.h"

#define LENGTH 100
#define SEED 7
#define TRACING "/sys/kernel/debug/tracing/"
#define TRACE_SECMEM TRACING "events/secmem/enable"
#define TRACE_PRINTK TRACING "events/printk/console/enable"
#define SKIPPED 77

FIXTURE(seen)
{
	struct sm_vault v;
	uint64_t handle;
};

FIXTURE_SETUP(seen)
{
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, at_secret(&self->v, LENGTH, SEED, &self->handle));
}

FIXTURE_TEARDOWN(seen)
{
	sm_vault_close(&self->v);
}

/* The value of an attribute, without its newline; "" if it has no newline. */
static const char *value(const char *name)
{
	static char text[256];
	char path[128];
	ssize_t length;

	snprintf(path, sizeof(path), HOST_SYSFS "%s", name);
	length = host_read(path, text, sizeof(text));
	if (length < 2 || text[length - 1] != '\n' ||
	    strchr(text, '\n') != text + length - 1)
		return "";
	text[length - 1] = '\0';
	return text;
}

static long long count_of(const char *name)
{
	const char *text;
	char path[64], *end;
	long long count;

	snprintf(path, sizeof(path), "counts/%s", name);
	text = value(path);
	count = strtoll(text, &end, 10);
	return *text && !*end ? count : -1;
}

TEST_F(seen, counts_are_those_of_info_one_a_file)
{
	struct secmem_info info;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(1, info.secrets);
	EXPECT_EQ(1, info.accesses);
	EXPECT_EQ(info.vaults, count_of("vaults"));
	EXPECT_EQ(info.grants, count_of("grants"));
	EXPECT_EQ(info.secrets, count_of("secrets"));
	EXPECT_EQ(info.pages, count_of("pages"));
	EXPECT_EQ(info.accesses, count_of("accesses"));
	EXPECT_EQ(info.waiters, count_of("waiters"));
	EXPECT_EQ(info.violations, count_of("violations"));
	EXPECT_EQ(info.wipes, count_of("wipes"));
	EXPECT_STREQ(info.version, value("version"));
}

TEST_F(seen, waits_are_counted_when_they_begin)
{
	struct sm_call call = {
		.fd = self->v.fd,
		.call = SECMEM_IOC_ACQUIRE,
		.handle = self->handle,
		.flags = SECMEM_WRITE,
		.deadline = SECMEM_FOREVER,
	};
	long long before = count_of("waits");

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, sm_acquire(self->v.fd, self->handle,
				      SECMEM_WRITE | SECMEM_NOWAIT, NULL));
	EXPECT_EQ(before, count_of("waits"));
	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_EQ(before + 1, count_of("waits"));
	EXPECT_EQ(1, count_of("waiters"));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_EQ(0, count_of("waiters"));
}

TEST_F(seen, protections_are_those_of_info_with_their_reasons)
{
	static const char *const names[SECMEM_PROT_COUNT] = {
		"unmapped",	"read-only",  "write-alone", "one-mm",
		"guard",	"overrun",    "canary",	     "no-swap",
		"no-dump",	"no-inherit", "no-peek",     "direct-map",
		"wipe-free",	"wipe-exit",  "wipe-reboot", "wipe-panic",
		"no-hibernate", "memlock",    "memcg",
	};
	static const char *const words[] = {
		[SECMEM_WHY_IN_FORCE] = "in-force",
		[SECMEM_WHY_NOT_BUILT] = "not-built",
		[SECMEM_WHY_KERNEL] = "kernel",
		[SECMEM_WHY_ADMIN] = "administrator",
		[SECMEM_WHY_STAYED] = "no-effect",
		[SECMEM_WHY_NO_MEMORY] = "no-memory",
		[SECMEM_WHY_CRASH_KERNEL] = "crash-kernel",
		[SECMEM_WHY_UNCHARGED] = "not-charged",
	};
	struct secmem_info info;
	unsigned int bit;
	char path[64];

	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++) {
		snprintf(path, sizeof(path), "protections/%s", names[bit]);
		ASSERT_LT(info.why[bit], ARRAY_SIZE(words));
		EXPECT_STREQ(words[info.why[bit]], value(path));
		EXPECT_EQ(info.protections >> bit & 1,
			  info.why[bit] == SECMEM_WHY_IN_FORCE);
	}
}

TEST_F(seen, violation_is_logged_with_its_author_and_no_address)
{
	char want[160], hex[32];
	uint64_t offset = 0;
	int log = host_log_open(), err;
	unsigned char *at;

	ASSERT_LE(0, log);
	at = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, sm_touch(at, NULL));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(at, NULL));
	offset = (at - self->v.view) & ~(SM_PAGE - 1);
	snprintf(
		want, sizeof(want),
		"seen_test[%d] read vault %lu at offset 0x%llx without an access",
		getpid(), host_vault(self->v.fd), (unsigned long long)offset);
	/* Another task prints the line, so it may take a moment. */
	EXPECT_EQ(0, host_log_wait(log, want));

	ASSERT_EQ(0, lseek(log, 0, SEEK_SET));
	EXPECT_EQ(1, host_log_count(log, want));
	ASSERT_EQ(0, lseek(log, 0, SEEK_SET));
	snprintf(hex, sizeof(hex), "%lx", (unsigned long)at / SM_PAGE);
	EXPECT_EQ(0, host_log_count(log, hex));
	close(log);
}

#define FLOOD 200
#define FLOODERS 100

/* Opens a vault, and touches a secret so many times without an access. */
static int flood(unsigned int touches)
{
	struct sm_vault v;
	unsigned char *at;
	uint64_t handle;
	int err;

	if (sm_vault_open(&v) || sm_create(v.fd, LENGTH, &handle))
		return 1;
	at = sm_vault_acquire(&v, handle, SECMEM_READ, &err);
	if (!at || sm_release(v.fd, handle))
		return 2;
	while (touches--)
		if (sm_touch(at, NULL) != SIGSEGV)
			return 3;
	return 0;
}

static int flood_as_one(void *arg)
{
	(void)arg;
	return sm_become_user() ? 10 : flood(FLOOD);
}

static int flood_as_subordinate(void *arg)
{
	uid_t uid = *(uid_t *)arg;

	return setresuid(uid, uid, uid) ? 20 : flood(FLOOD / FLOODERS);
}

/*
 * The same user with many uids: those of a user namespace that the user made.
 */
static int flood_as_many(void *arg)
{
	int *events = arg, err;
	uid_t uid;

	/*
	 * Another user than the one that flooded before, whose lines may be
	 * used up. Without dumpable, /proc/PID/uid_map would be root's.
	 */
	if (sm_become(SM_USER + 1) || prctl(PR_SET_DUMPABLE, 1))
		return 10;
	if (unshare(CLONE_NEWUSER))
		return SKIPPED;
	if (sm_event_set(events[0]) || sm_event_wait(events[1]))
		return 11;
	for (uid = 1; uid <= FLOODERS; uid++) {
		err = sm_run(flood_as_subordinate, &uid);
		if (err)
			return err;
	}
	return 0;
}

/* Runs a flood: how many lines of it there are before a line of ours. */
static int flood_lines(struct __test_metadata *_metadata,
		       FIXTURE_DATA(seen) * self, int (*fn)(void *))
{
	long long before = count_of("violations");
	int events[2] = { sm_event(), sm_event() };
	int log = host_log_open(), lines = host_log_open(), err, count;
	char own[128], path[64];
	unsigned char *at;
	pid_t pid;

	at = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	pid = sm_fork(fn, events);
	ASSERT_LT(0, pid);
	if (fn == flood_as_many && !sm_event_wait(events[0])) {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
		EXPECT_EQ(0, host_write(path, "1 100001 1000"));
		ASSERT_EQ(0, sm_event_set(events[1]));
	}
	err = sm_reap(pid);
	if (err == SKIPPED)
		return -1;
	ASSERT_EQ(0, err);
	EXPECT_EQ(SIGSEGV, sm_touch(at, NULL));
	EXPECT_EQ(before + FLOOD + 1, count_of("violations"));
	snprintf(own, sizeof(own), "seen_test[%d] read vault %lu ", getpid(),
		 host_vault(self->v.fd));
	/*
	 * Lines keep their order: all that is logged of the flood comes before
	 * ours.
	 */
	EXPECT_EQ(0, host_log_wait(log, own));
	count = host_log_count(lines, "read vault") - 1;
	close(log);
	close(lines);
	return count;
}

/* Ten lines in five seconds are allowed, and a flood may take longer. */
#define FLOOD_LINES_MAX (FLOOD / 2)

TEST_F(seen, flood_of_violations_is_limited_and_hides_no_other_users)
{
	int lines = flood_lines(_metadata, self, flood_as_one);

	EXPECT_LE(10, lines);
	EXPECT_GE(FLOOD_LINES_MAX, lines);
}

TEST_F(seen, subordinate_uids_share_the_limit_of_who_made_their_namespace)
{
	int lines = flood_lines(_metadata, self, flood_as_many);

	if (lines < 0)
		SKIP(return, "no user namespaces for users here");
	EXPECT_LE(1, lines);
	EXPECT_GE(FLOOD_LINES_MAX, lines);
}

/* The tracepoints. */

static char trace[1 << 18];

static int trace_begin(const char *events)
{
	int err = host_write(TRACING "trace", "");

	if (!err)
		err = host_write(events, "1");
	if (!err)
		err = host_write(TRACING "tracing_on", "1");
	return err;
}

static int trace_end(const char *events)
{
	int err = host_write(events, "0");

	if (host_read(TRACING "trace", trace, sizeof(trace)) < 0)
		return -EIO;
	return err;
}

/* How many events there are whose name and text begin so. */
static unsigned int trace_count(const char *format, ...)
{
	char want[256];
	const char *at = trace;
	unsigned int n = 0;
	va_list list;

	va_start(list, format);
	vsnprintf(want, sizeof(want), format, list);
	va_end(list);
	while ((at = strstr(at, want))) {
		n++;
		at++;
	}
	return n;
}

TEST_F(seen, tracepoints_tell_what_was_done_and_never_what_it_holds)
{
	unsigned long vault = host_vault(self->v.fd);
	unsigned char *at, bytes[LENGTH];
	struct secmem_create_args c;
	unsigned long long handle;
	struct sm_call call = {
		.fd = self->v.fd,
		.call = SECMEM_IOC_CLOSE,
		.deadline = SECMEM_FOREVER,
	};
	int err;

	if (access(TRACING "events", X_OK))
		SKIP(return, "this kernel does not trace");
	ASSERT_EQ(0, trace_begin(TRACE_SECMEM));
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0,
				  SECMEM_CREATE_SUSPEND_WIPE, NULL, 0, &c));
	handle = c.handle;
	at_fill(bytes, LENGTH, SEED);
	ASSERT_EQ(0, sm_write(self->v.fd, handle, bytes, 0, LENGTH));
	at = sm_vault_acquire(&self->v, handle, SECMEM_WRITE, &err);
	ASSERT_NE(NULL, at);
	EXPECT_EQ(0, sm_release(self->v.fd, handle));
	EXPECT_EQ(SIGSEGV, sm_touch(at, NULL));
	/* The second access nests, which takes no lock. */
	EXPECT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN, sm_acquire(self->v.fd, handle,
				      SECMEM_WRITE | SECMEM_NOWAIT, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, handle));
	call.handle = handle;
	ASSERT_EQ(0, sm_call_start(&call));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, handle, 1));
	EXPECT_EQ(0, sm_release(self->v.fd, handle));
	EXPECT_EQ(0, sm_call_finish(&call));
	EXPECT_EQ(SIGBUS, sm_poke(at, 1));
	EXPECT_EQ(0, sm_revoke(self->v.fd, self->handle));
	ASSERT_EQ(0, trace_end(TRACE_SECMEM));

	EXPECT_EQ(
		1,
		trace_count(
			"secmem_create: vault=%lu handle=%llu length=%d flags=0x2\n",
			vault, handle, LENGTH));
	EXPECT_EQ(
		1,
		trace_count(
			"secmem_acquire: vault=%lu handle=%llu mode=write result=0\n",
			vault, handle));
	EXPECT_EQ(
		2,
		trace_count(
			"secmem_acquire: vault=%lu handle=%llu mode=read result=0\n",
			vault, handle));
	EXPECT_EQ(
		1,
		trace_count(
			"secmem_acquire: vault=%lu handle=%llu mode=write result=%d\n",
			vault, handle, -EAGAIN));
	EXPECT_EQ(3, trace_count(
			     "secmem_release: vault=%lu handle=%llu result=0\n",
			     vault, handle));
	EXPECT_LE(1, trace_count("secmem_wait: vault=%lu handle=%llu\n", vault,
				 handle));
	EXPECT_EQ(1,
		  trace_count("secmem_close: vault=%lu handle=%llu result=0\n",
			      vault, handle));
	EXPECT_EQ(1, trace_count("secmem_wipe: vault=%lu handle=%llu pages=1\n",
				 vault, handle));
	EXPECT_EQ(1, trace_count("secmem_revoke: vault=%lu handle=%llu\n",
				 vault, (unsigned long long)self->handle));
	EXPECT_EQ(1, trace_count("secmem_wipe: vault=%lu handle=%llu pages=1\n",
				 vault, (unsigned long long)self->handle));
	EXPECT_EQ(
		1,
		trace_count(
			"secmem_violation: vault=%lu pid=%d address=0x%lx touch=read secret=shut\n",
			vault, getpid(), (unsigned long)at & ~(SM_PAGE - 1)) +
			trace_count(
				"secmem_violation: vault=%lu pid=%d address=0x%lx touch=read secret=shut\n",
				vault, getpid(), (unsigned long)at));
	EXPECT_EQ(1, trace_count("touch=write secret=closed\n"));
	EXPECT_EQ(0, at_count((unsigned char *)trace, sizeof(trace), SEED));
}

/* A console may be slow, and a fault holds locks that others wait for. */
TEST_F(seen, violation_is_not_printed_by_who_touched)
{
	char want[128], by[32], *line, *end;
	int log = host_log_open(), err;
	unsigned char *at;

	if (access(TRACE_PRINTK, W_OK))
		SKIP(return, "this kernel does not trace");
	ASSERT_EQ(0, trace_begin(TRACE_PRINTK));
	/*
	 * The control: a line that this task prints is seen to be this task's.
	 */
	ASSERT_EQ(0, host_write("/dev/kmsg", "seen_test: control"));
	at = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, at);
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(SIGSEGV, sm_touch(at, NULL));
	snprintf(want, sizeof(want), "seen_test[%d] read vault", getpid());
	EXPECT_EQ(0, host_log_wait(log, want));
	ASSERT_EQ(0, trace_end(TRACE_PRINTK));
	snprintf(by, sizeof(by), "-%d ", getpid());
	for (line = trace; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strstr(line, "seen_test: control")) {
			EXPECT_NE(NULL, strstr(line, by));
			err |= 1;
		} else if (strstr(line, want)) {
			EXPECT_EQ(NULL, strstr(line, by));
			err |= 2;
		}
	}
	EXPECT_EQ(3, err);
	close(log);
}

TEST_HARNESS_MAIN
