// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each call is made with its n-th allocation failing, for every n until it
 * passes, and with all of them failing: it fails cleanly, leaves nothing
 * behind, and works when it is made again. This needs a kernel with fault
 * injection; tests/vm/init looks for leaks afterwards. When a module's load
 * fails, the kernel's own part of it may give a warning and leak a name, which
 * are expected:
 *
 * VM: --known event_define_fields|sysfs_slab_add
 */
#include <linux/capability.h>
#include <sys/resource.h>

#include "secmem_test.h"

#define DEBUGFS "/sys/kernel/debug"
#define FAIL_NTH "/proc/thread-self/fail-nth"
#define MODULE_FILE "/vm/secmem.ko"

/* More allocations than any call makes; a module's load makes many. */
#define NTH_MAX 200
#define NTH_LOAD_MAX 20000

static int write_string(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Lets all allocations fail but those for pages of user memory. */
static bool nth_supported(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "/failslab/verbose", "0" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "Y" },
		{ DEBUGFS "/fail_page_alloc/min-order", "0" },
		{ DEBUGFS "/fail_page_alloc/verbose", "0" },
	};
	size_t i;

	if (access(FAIL_NTH, W_OK))
		return false;
	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (write_string(settings[i][0], settings[i][1]))
			return false;
	return true;
}

#define SKIP_UNLESS_SUPPORTED                                      \
	do {                                                       \
		if (!nth_supported())                              \
			SKIP(return, "this kernel fails nothing"); \
	} while (0)

static int nth_fd = -1;

static int nth_open(void)
{
	nth_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	return nth_fd < 0 ? -errno : 0;
}

static void nth_arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth_fd, text, length, 0) != length)
		abort();
}

/* Whether the n-th allocation was reached, and so failed. */
static bool nth_disarm(void)
{
	char text[16] = "";

	if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0 ||
	    pwrite(nth_fd, "0", 1, 0) != 1)
		abort();
	return atoi(text) == 0;
}

/* The counts of INFO, which must be as before. */
struct counts {
	uint64_t vaults, grants, secrets, pages, accesses, waiters;
};

static struct counts count(int fd)
{
	struct secmem_info info;

	if (sm_info(fd, &info))
		abort();
	return (struct counts){ info.vaults, info.grants,   info.secrets,
				info.pages,  info.accesses, info.waiters };
}

static bool same(struct counts a, struct counts b)
{
	return !memcmp(&a, &b, sizeof(a));
}

/* What a call is made with. */
struct place {
	int observer; /* a vault only for INFO */
	int fd;
	int other; /* a further grant */
	int made; /* fd that the call made */
	void *view;
	void *other_view;
	uint64_t handle;
	uint64_t created;
	unsigned char *buffer;
	size_t length;
	struct sm_fault fault;
};

#define BUFFER_LENGTH ((size_t)256 << 10)

struct nth_case {
	const char *name;
	int (*prepare)(struct place *p);
	int (*call)(struct place *p);
	bool allocates; /* fails if no memory is to be had */
	bool survives; /* works whatever single allocation fails */
};

/* Limits how many bytes may be locked; -1: no limit, as for root. */
static int limit_lock(long bytes)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct rlimit limit = { bytes, RLIM_INFINITY };
	struct __user_cap_data_struct data[2];

	if (bytes < 0)
		limit.rlim_cur = RLIM_INFINITY;
	if (syscall(SYS_capget, &header, data))
		return -errno;
	if (bytes < 0)
		data[0].effective |= 1U << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, data) ||
	    setrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	return 0;
}

static void place_init(struct place *p, int observer, unsigned char *buffer)
{
	memset(p, 0, sizeof(*p));
	p->observer = observer;
	p->fd = -1;
	p->other = -1;
	p->made = -1;
	p->view = MAP_FAILED;
	p->other_view = MAP_FAILED;
	p->buffer = buffer;
	p->length = BUFFER_LENGTH;
}

static void place_end(struct place *p)
{
	if (p->view != MAP_FAILED)
		munmap(p->view, SM_VIEW_LENGTH);
	if (p->other_view != MAP_FAILED)
		munmap(p->other_view, SM_VIEW_LENGTH);
	if (p->made >= 0)
		close(p->made);
	if (p->other >= 0)
		close(p->other);
	if (p->fd >= 0)
		close(p->fd);
	if (limit_lock(-1))
		abort();
}

static int prepare_nothing(struct place *p)
{
	(void)p;
	return 0;
}

/* A vault that answers nobody yet. */
static int prepare_file(struct place *p)
{
	p->fd = sm_open();
	return p->fd < 0 ? p->fd : 0;
}

static int prepare_bound(struct place *p)
{
	struct secmem_status st;
	int err = prepare_file(p);

	if (err)
		return err;
	return sm_stat(p->fd, 1, &st) == -ENOENT ? 0 : -EPROTO;
}

static int prepare_secret(struct place *p)
{
	int err = prepare_file(p);

	return err ? err : sm_create(p->fd, BUFFER_LENGTH, &p->handle);
}

/*
 * The limit has room for one CREATE: one that fails must give its charge back.
 */
static int prepare_limit(struct place *p)
{
	int err = prepare_bound(p);

	return err ? err : limit_lock(6 * SM_PAGE);
}

/* Creates until the next one makes the table of slots grow. */
static int prepare_full_table(struct place *p)
{
	int i, err = prepare_file(p);

	for (i = 0; !err && i < 64; i++)
		err = sm_create(p->fd, 1, &p->handle);
	return err;
}

static int prepare_view(struct place *p)
{
	int err = prepare_secret(p);

	if (err)
		return err;
	p->view = sm_map(p->fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	return p->view == MAP_FAILED ? -errno : 0;
}

static int prepare_access(struct place *p)
{
	int err = prepare_view(p);

	return err ? err : sm_acquire(p->fd, p->handle, SECMEM_WRITE, NULL);
}

static int prepare_read(struct place *p)
{
	int err = prepare_view(p);

	return err ? err : sm_acquire(p->fd, p->handle, SECMEM_READ, NULL);
}

/* The mapping loses its entries; the access stays. */
static int prepare_narrowed(struct place *p)
{
	uint64_t offset;
	int err = prepare_view(p);

	if (!err)
		err = sm_acquire(p->fd, p->handle, SECMEM_READ, &offset);
	if (err)
		return err;
	p->made = -1;
	p->created = offset;
	if (mprotect(p->view, SM_VIEW_LENGTH, PROT_NONE) ||
	    mprotect(p->view, SM_VIEW_LENGTH, PROT_READ))
		return -errno;
	return 0;
}

/* A further grant of the vault, whose accesses need a record. */
static int prepare_other_view(struct place *p)
{
	int err = prepare_secret(p);

	if (!err)
		err = sm_export(p->fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL,
				&p->other);
	if (err)
		return err;
	p->other_view = sm_map(p->other, SM_VIEW_LENGTH, PROT_READ);
	return p->other_view == MAP_FAILED ? -errno : 0;
}

/* A further grant of one secret that answers nobody yet. */
static int prepare_other_file(struct place *p)
{
	int err = prepare_secret(p);

	return err ? err :
		     sm_export(p->fd, p->handle,
			       SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_CREATE,
			       &p->other);
}

/* A grant of the vault that has dropped what another one keeps. */
static int prepare_dropped(struct place *p)
{
	int err = prepare_other_file(p);

	return err ? err : sm_drop(p->fd, p->handle);
}

static int call_open(struct place *p)
{
	p->fd = sm_open();
	return p->fd < 0 ? p->fd : 0;
}

static int call_map(struct place *p)
{
	p->view = sm_map(p->fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	return p->view == MAP_FAILED ? -errno : 0;
}

static int call_info(struct place *p)
{
	struct secmem_info info;

	return sm_info(p->fd, &info);
}

static int call_create(struct place *p)
{
	return sm_create(p->fd, 1, &p->created);
}

static int call_create_pages(struct place *p)
{
	struct secmem_create_args c;

	return sm_create_as(p->fd, 5 * SM_PAGE + 1, 0, SECMEM_CREATE_RANDOM,
			    "nth", 0, &c);
}

static int call_acquire_read(struct place *p)
{
	return sm_acquire(p->fd, p->handle, SECMEM_READ, NULL);
}

static int call_acquire_write(struct place *p)
{
	return sm_acquire(p->fd, p->handle, SECMEM_WRITE, NULL);
}

static int call_acquire_other(struct place *p)
{
	return sm_acquire(p->other, p->handle, SECMEM_READ, NULL);
}

static int call_release(struct place *p)
{
	return sm_release(p->fd, p->handle);
}

static int call_read(struct place *p)
{
	return sm_read(p->fd, p->handle, p->buffer, 0, p->length);
}

static int call_read_some(struct place *p)
{
	return sm_read(p->fd, p->handle, p->buffer, 1, 16);
}

static int call_write(struct place *p)
{
	return sm_write(p->fd, p->handle, p->buffer, 0, p->length);
}

static int call_compare(struct place *p)
{
	uint32_t equal;

	return sm_compare(p->fd, p->handle, p->buffer, p->length, &equal);
}

static int call_seal(struct place *p)
{
	return sm_seal(p->fd, p->handle);
}

static int call_drop(struct place *p)
{
	return sm_drop(p->fd, p->handle);
}

static int call_drop_other(struct place *p)
{
	return sm_drop(p->other, p->handle);
}

static int call_switch_up(struct place *p)
{
	return sm_op(p->fd, SECMEM_IOC_SWITCH, p->handle,
		     SECMEM_WRITE | SECMEM_NOWAIT, 0);
}

static int call_switch_down(struct place *p)
{
	return sm_op(p->fd, SECMEM_IOC_SWITCH, p->handle, SECMEM_READ, 0);
}

static int call_close(struct place *p)
{
	return sm_close(p->fd, p->handle);
}

static int call_revoke(struct place *p)
{
	return sm_revoke(p->fd, p->handle);
}

static int call_stat(struct place *p)
{
	struct secmem_status st;

	return sm_stat(p->fd, p->handle, &st);
}

static int call_export(struct place *p)
{
	return sm_export(p->fd, p->handle, SECMEM_RIGHT_READ, &p->made);
}

static int call_export_vault(struct place *p)
{
	return sm_export(p->fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_READ,
			 &p->made);
}

static int call_pread(struct place *p)
{
	ssize_t n = pread(p->other, p->buffer, p->length, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == p->length ? 0 : -EPROTO;
}

static int call_poll(struct place *p)
{
	struct pollfd fd = { .fd = p->other, .events = POLLIN };
	int n = poll(&fd, 1, 0);

	if (n < 0)
		return -errno;
	return fd.revents == POLLIN ? 0 : -EPROTO;
}

static int call_other_map(struct place *p)
{
	p->other_view = sm_map(p->other, SM_VIEW_LENGTH, PROT_READ);
	return p->other_view == MAP_FAILED ? -errno : 0;
}

static int call_other_stat(struct place *p)
{
	struct secmem_status st;

	return sm_stat(p->other, p->handle, &st);
}

/* Under an access a touch never dies for want of memory. */
static int call_touch(struct place *p)
{
	return sm_touch((unsigned char *)p->view + p->created, NULL) ? -EFAULT :
								       0;
}

static const struct nth_case nth_cases[] = {
	{ "open", prepare_nothing, call_open, true, false },
	{ "INFO", prepare_file, call_info, false, true },
	{ "mmap", prepare_file, call_map, true, false },
	{ "mmap, bound", prepare_bound, call_map, true, false },
	{ "mmap of one secret", prepare_other_file, call_other_map, true,
	  false },
	{ "CREATE", prepare_file, call_create, true, false },
	{ "CREATE, bound", prepare_bound, call_create, true, false },
	{ "CREATE of 6 pages", prepare_bound, call_create_pages, true, false },
	{ "CREATE up to the limit", prepare_limit, call_create_pages, true,
	  false },
	{ "CREATE in a full table", prepare_full_table, call_create, true,
	  false },
	{ "ACQUIRE for READ", prepare_view, call_acquire_read, true, false },
	{ "ACQUIRE for WRITE", prepare_view, call_acquire_write, true, false },
	{ "ACQUIRE by another grant", prepare_other_view, call_acquire_other,
	  true, false },
	{ "RELEASE", prepare_access, call_release, false, true },
	{ "READ", prepare_secret, call_read, true, true },
	{ "READ of 16 bytes", prepare_secret, call_read_some, false, false },
	{ "WRITE", prepare_secret, call_write, true, true },
	{ "COMPARE", prepare_secret, call_compare, true, true },
	{ "SEAL", prepare_secret, call_seal, false, true },
	{ "DROP", prepare_secret, call_drop, false, true },
	{ "DROP by another grant", prepare_other_view, call_drop_other, true,
	  false },
	{ "SWITCH to WRITE", prepare_read, call_switch_up, false, true },
	{ "SWITCH to READ", prepare_access, call_switch_down, false, true },
	{ "CLOSE", prepare_secret, call_close, false, true },
	{ "REVOKE", prepare_access, call_revoke, false, true },
	{ "STAT", prepare_secret, call_stat, false, true },
	{ "STAT, the first use", prepare_other_file, call_other_stat, false,
	  false },
	{ "EXPORT of a secret", prepare_secret, call_export, true, false },
	{ "EXPORT of the vault", prepare_secret, call_export_vault, true,
	  false },
	{ "EXPORT of the vault by who has dropped", prepare_dropped,
	  call_export_vault, true, false },
	{ "pread", prepare_other_file, call_pread, true, true },
	{ "poll", prepare_other_file, call_poll, false, true },
	{ "touch", prepare_narrowed, call_touch, false, true },
};

FIXTURE(nth)
{
	int observer;
	unsigned char *buffer;
};

FIXTURE_SETUP(nth)
{
	self->observer = -1;
	self->buffer = NULL;
	if (!nth_supported())
		return; /* each test skips itself then */
	self->observer = sm_open();
	ASSERT_LE(0, self->observer);
	ASSERT_EQ(0, nth_open());
	self->buffer = mmap(NULL, BUFFER_LENGTH, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buffer);
	memset(self->buffer, 0x5a, BUFFER_LENGTH);
}

FIXTURE_TEARDOWN(nth)
{
	if (self->observer >= 0)
		close(self->observer);
}

static void nth_case_run(struct __test_metadata *_metadata,
			 FIXTURE_DATA(nth) * self, const struct nth_case *c,
			 unsigned int *reached, unsigned int *failed)
{
	struct counts start, before;
	bool injected = true;
	struct place p;
	unsigned int n;
	int err;

	for (n = 1; injected && n < NTH_MAX; n++) {
		start = count(self->observer);
		place_init(&p, self->observer, self->buffer);
		ASSERT_EQ(0, c->prepare(&p))
		{
			TH_LOG("%s: not prepared", c->name);
		}
		before = count(self->observer);

		nth_arm(n);
		err = c->call(&p);
		injected = nth_disarm();

		if (err) {
			(*failed)++;
			EXPECT_EQ(-ENOMEM, err)
			{
				TH_LOG("%s, n = %u", c->name, n);
			}
			EXPECT_TRUE(injected && !c->survives)
			{
				TH_LOG("%s, n = %u", c->name, n);
			}
			EXPECT_TRUE(same(before, count(self->observer)))
			{
				TH_LOG("%s, n = %u: counts", c->name, n);
			}
			EXPECT_EQ(0, c->call(&p))
			{
				TH_LOG("%s again, n = %u", c->name, n);
			}
		}
		place_end(&p);
		EXPECT_TRUE(same(start, count(self->observer)))
		{
			TH_LOG("%s, n = %u: left behind", c->name, n);
		}
	}
	EXPECT_GT(NTH_MAX, n);
	if (*reached < n - 2)
		*reached = n - 2;
}

/*
 * The kernel's own records of allocations are allocations, too. Their number
 * differs from time to time, so one pass may miss an allocation of ours.
 */
#define NTH_PASSES 4

TEST_F_TIMEOUT(nth, calls, SM_LOOP_TIMEOUT)
{
	const struct nth_case *c;
	unsigned int reached, failed;
	size_t i;
	int pass;

	SKIP_UNLESS_SUPPORTED;
	for (i = 0; i < sizeof(nth_cases) / sizeof(*nth_cases); i++) {
		c = &nth_cases[i];
		reached = 0;
		failed = 0;
		for (pass = 0; pass < NTH_PASSES; pass++)
			nth_case_run(_metadata, self, c, &reached, &failed);
		if (c->allocates && !c->survives)
			EXPECT_LT(0, failed)
			{
				TH_LOG("%s never failed", c->name);
			}
		TH_LOG("%s: up to %u allocations, failed %u times", c->name,
		       reached, failed);
	}
}

/*
 * Opens the file by which every allocation of this task that may fail does
 * fail, but for those of its page faults. It stays open: while they fail, no
 * file can be opened.
 */
static int refusal_open(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "/failslab/task-filter", "Y" },
		{ DEBUGFS "/failslab/times", "-1" },
		{ DEBUGFS "/failslab/probability", "100" },
		{ DEBUGFS "/fail_page_alloc/task-filter", "Y" },
		{ DEBUGFS "/fail_page_alloc/times", "-1" },
		{ DEBUGFS "/fail_page_alloc/probability", "100" },
	};
	size_t i;
	int err, fd;

	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		err = write_string(settings[i][0], settings[i][1]);
		if (err)
			return err;
	}
	fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void refusal_set(int fd, bool refuse)
{
	if (pwrite(fd, refuse ? "1" : "0", 1, 0) != 1)
		abort();
}

/*
 * With all allocations failing, a call that has a second way cannot use that
 * either.
 */
TEST_F_TIMEOUT(nth, calls_without_memory, SM_LOOP_TIMEOUT)
{
	const struct nth_case *c;
	struct counts start, before;
	struct place p;
	int err, refusal;
	size_t i;

	SKIP_UNLESS_SUPPORTED;
	refusal = refusal_open();
	ASSERT_LE(0, refusal);
	for (i = 0; i < sizeof(nth_cases) / sizeof(*nth_cases); i++) {
		c = &nth_cases[i];
		start = count(self->observer);
		place_init(&p, self->observer, self->buffer);
		ASSERT_EQ(0, c->prepare(&p));
		before = count(self->observer);

		refusal_set(refusal, true);
		err = c->call(&p);
		refusal_set(refusal, false);

		if (c->allocates)
			EXPECT_EQ(-ENOMEM, err)
			{
				TH_LOG("%s", c->name);
			}
		if (err) {
			EXPECT_EQ(-ENOMEM, err)
			{
				TH_LOG("%s", c->name);
			}
			EXPECT_TRUE(same(before, count(self->observer)))
			{
				TH_LOG("%s: counts", c->name);
			}
			EXPECT_EQ(0, c->call(&p))
			{
				TH_LOG("%s again", c->name);
			}
		}
		place_end(&p);
		EXPECT_TRUE(same(start, count(self->observer)))
		{
			TH_LOG("%s: left behind", c->name);
		}
	}
	close(refusal);
}

/* fork with allocations that fail: the child's copy of the mm has no view. */
TEST_F_TIMEOUT(nth, fork, SM_LOOP_TIMEOUT)
{
	unsigned int n, failed = 0;
	bool injected = true;
	struct counts before;
	struct place p;
	pid_t pid;
	int err;

	SKIP_UNLESS_SUPPORTED;
	place_init(&p, self->observer, self->buffer);
	ASSERT_EQ(0, prepare_access(&p));
	before = count(self->observer);
	for (n = 1; injected && n < 2000; n++) {
		nth_arm(n);
		pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		if (!pid)
			_exit(7);
		err = pid < 0 ? -errno : 0;
		injected = nth_disarm();
		if (err) {
			failed++;
			EXPECT_EQ(-ENOMEM, err);
		} else {
			EXPECT_EQ(7, sm_reap(pid));
		}
		EXPECT_TRUE(same(before, count(self->observer)));
	}
	EXPECT_FALSE(injected);
	EXPECT_LT(0, failed);
	EXPECT_EQ(0, sm_release(p.fd, p.handle));
	place_end(&p);
	TH_LOG("fork: %u allocations, failed %u times", n - 1, failed);
}

static int module_unload(void)
{
	return syscall(SYS_delete_module, "secmem", O_NONBLOCK) ? -errno : 0;
}

/* How many caches have the module's name, if this kernel shows its caches. */
static int module_caches(void)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[512];
	int caches = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		caches += !strncmp(line, "secmem_", 7);
	fclose(file);
	return caches;
}

static int module_load(int fd)
{
	return syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
}

/*
 * A load makes hundreds of allocations, and each that is tried means another
 * load: so one of LOAD_STEP is tried, not the same ones each time.
 * FAILNTH_STEP=1 tries all.
 */
#define LOAD_STEP 16
#define LOAD_TIMEOUT 900

FIXTURE(load)
{
	int unused;
};

FIXTURE_SETUP(load)
{
}

FIXTURE_TEARDOWN(load)
{
}

TEST_F_TIMEOUT(load, nth_load, LOAD_TIMEOUT)
{
	unsigned int n, failed = 0, step = LOAD_STEP;
	bool injected = true;
	struct secmem_info info;
	int fd, observer, err;

	self->unused = 0;
	SKIP_UNLESS_SUPPORTED;
	if (getenv("FAILNTH_STEP"))
		step = atoi(getenv("FAILNTH_STEP"));
	fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no " MODULE_FILE);
	ASSERT_EQ(0, nth_open());
	ASSERT_LT(0, module_caches());
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_caches());

	for (n = 1 + sm_now() % step; injected && n < NTH_LOAD_MAX; n += step) {
		nth_arm(n);
		err = module_load(fd);
		injected = nth_disarm();
		if (err) {
			failed++;
			EXPECT_EQ(-ENOMEM, err)
			{
				TH_LOG("n = %u", n);
			}
			EXPECT_TRUE(injected);
			EXPECT_NE(0, access("/sys/module/secmem", F_OK));
			EXPECT_NE(0, access(SECMEM_DEVICE, F_OK));
			EXPECT_EQ(0, module_caches());
			EXPECT_EQ(0, module_load(fd));
		}
		observer = sm_open();
		EXPECT_LE(0, observer)
		{
			TH_LOG("n = %u: loaded without a device", n);
		}
		if (observer >= 0) {
			EXPECT_EQ(0, sm_info(observer, &info));
			EXPECT_EQ(1, info.vaults);
			EXPECT_EQ(1, info.grants);
			EXPECT_EQ(0, info.pages);
			close(observer);
		}
		EXPECT_EQ(0, module_unload());
	}
	EXPECT_FALSE(injected);
	EXPECT_LT(0, failed);
	TH_LOG("load: each %uth up to %u, failed %u times", step, n, failed);
	ASSERT_EQ(0, module_load(fd));
}

TEST_HARNESS_MAIN
