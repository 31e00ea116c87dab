// SPDX-License-Identifier: GPL-2.0-only
/*
 * Off the direct map: what the kernel itself sees of a secret, what the removal
 * of pages costs the direct map, and what the module says where it removes
 * none.
 *
 * VM: --mem 1G
 */
#include <sys/mount.h>
#include <sys/resource.h>

#include "attack.h"
#include "host.h"

#define ON (1ULL << SECMEM_PROT_DIRECT_MAP)
#define MANY 10000
#define DROP_CACHES "/proc/sys/vm/drop_caches"
#define LARGE_KIB 2048 /* behind one large entry of the direct map */

/* secmemctl status says the word, too, or is not installed here. */
static bool status_tells(const char *word)
{
	char command[128];

	if (system("command -v secmemctl >/dev/null"))
		return true;
	snprintf(command, sizeof(command),
		 "secmemctl status | grep -qx 'direct map     route %s'", word);
	return !system(command);
}

/* Whether the module says that this route is in force. */
static bool route_is(const char *word)
{
	char text[64] = "";
	int fd = open("/sys/class/misc/secmem/direct_map_route",
		      O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, text, sizeof(text) - 1);

	close(fd);
	return got > 0 && !strncmp(text, word, strlen(word)) &&
	       text[strlen(word)] == '\n' && status_tells(word);
}

static uint64_t protections(uint8_t *why)
{
	struct secmem_info info = { 0 };
	int fd = sm_open();

	sm_info(fd, &info);
	close(fd);
	if (why)
		*why = info.why[SECMEM_PROT_DIRECT_MAP];
	return info.protections;
}

/* CREATE with a mask of protections that must hold; got is what holds. */
static int create_requiring(int fd, uint64_t mask, uint64_t *got)
{
	struct secmem_create_args c;
	int err = sm_create_as(fd, 1, 0, 0, NULL, mask, &c);

	*got = c.protections;
	return err;
}

#define SKIP_UNLESS_ON                                                      \
	do {                                                                \
		if (geteuid() || access(SM_MODULE, R_OK))                   \
			SKIP(return, "needs root and " SM_MODULE);          \
		if (!(protections(NULL) & ON))                              \
			SKIP(return, "no page leaves the direct map here"); \
	} while (0)

FIXTURE(direct)
{
	struct sm_vault v;
	int reader;
	uint64_t seed;
};

FIXTURE_SETUP(direct)
{
	self->reader = -1;
	SKIP_UNLESS_ON;
	self->seed = sm_now();
	self->reader = at_reader_open();
	ASSERT_LE(0, self->reader);
	ASSERT_EQ(0, sm_vault_open(&self->v));
}

FIXTURE_TEARDOWN(direct)
{
	if (self->reader >= 0) {
		close(self->reader);
		EXPECT_EQ(0, sm_module_unload("reader"));
		sm_vault_close(&self->v);
	}
}

TEST_F(direct, kernel_cannot_read_a_secret_open_or_shut)
{
	unsigned char *plain, *bytes;
	uint64_t handle, at, pfn = 0, last = 0;
	struct secmem_info info;

	if (self->reader < 0)
		return;
	/* Control: ordinary memory is read in the same way. */
	plain = at_ordinary(SM_PAGE, self->seed);
	ASSERT_NE(NULL, plain);
	ASSERT_EQ(0, at_reader_find(self->reader, plain, &pfn));
	EXPECT_EQ(0, at_reader_reads(self->reader, pfn, 0, self->seed));

	ASSERT_EQ(0, at_secret(&self->v, 2 * SM_PAGE, self->seed, &handle));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, &at));
	bytes = self->v.view + at;
	ASSERT_TRUE(at_is(bytes, 2 * SM_PAGE, self->seed));
	ASSERT_EQ(0, at_reader_find(self->reader, bytes, &pfn));
	ASSERT_EQ(0, at_reader_find(self->reader, bytes + SM_PAGE, &last));
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, pfn, 0, self->seed));
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, last, 0, self->seed));
	ASSERT_EQ(0, sm_release(self->v.fd, handle));
	EXPECT_EQ(-ENOENT, at_reader_find(self->reader, bytes, &at));
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, pfn, 0, self->seed));
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, last, 0, self->seed));

	/*
	 * Once memory is short the pages come back, without what was in them.
	 */
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	sm_vault_close(&self->v);
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	EXPECT_EQ(1, at_reader_reads(self->reader, pfn, 0, self->seed));
	EXPECT_EQ(1, at_reader_reads(self->reader, last, 0, self->seed));
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(0, info.pages);
}

/* Control: the same with the protection off, in kcore_shows_it_where_off. */
TEST_F_TIMEOUT(direct, kcore_shows_no_secret_open_or_shut, 200)
{
	uint64_t open, shut, pfn, at;
	unsigned char *plain;
	struct at_kcore k;

	if (self->reader < 0)
		return;
	plain = at_ordinary(SM_PAGE, self->seed);
	ASSERT_NE(NULL, plain);
	ASSERT_EQ(0, at_secret(&self->v, SM_PAGE, self->seed + 1, &open));
	ASSERT_EQ(0, at_secret(&self->v, SM_PAGE, self->seed + 2, &shut));
	ASSERT_EQ(0, sm_acquire(self->v.fd, open, SECMEM_READ, &at));
	ASSERT_EQ(0, at_kcore_open(&k));
	EXPECT_EQ(0, at_kcore_find(&k, self->seed, &pfn, &at));
	EXPECT_EQ(-ENOENT, at_kcore_find(&k, self->seed + 1, &pfn, &at));
	EXPECT_EQ(-ENOENT, at_kcore_find(&k, self->seed + 2, &pfn, &at));
	at_kcore_close(&k);
	ASSERT_EQ(0, sm_release(self->v.fd, open));
}

/* Finds the offsets of secmem's windows in /proc/kcore; returns how many. */
static int windows_find(struct at_kcore *k, uint64_t *offsets, int most)
{
	unsigned long long at, end;
	char line[512];
	int n = 0;
	FILE *f;

	/* With this, the kernel tells root addresses. */
	host_write("/proc/sys/kernel/kptr_restrict", "1");
	f = fopen("/proc/vmallocinfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, "secmem_window") ||
		    sscanf(line, "0x%llx-0x%llx", &at, &end) != 2)
			continue;
		/* The last page is a guard. */
		for (; at + SM_PAGE < end && n < most; at += SM_PAGE) {
			offsets[n] = at_kcore_offset(k, at);
			n += offsets[n] != 0;
		}
	}
	if (f)
		fclose(f);
	return n;
}

struct window_user {
	int fd;
	uint64_t handle;
	unsigned char *bytes;
	size_t length;
	_Atomic bool over;
	int err;
};

static void *window_use(void *arg)
{
	struct window_user *u = arg;

	while (!u->over && !u->err)
		u->err = sm_read(u->fd, u->handle, u->bytes, 0, u->length);
	return NULL;
}

/*
 * kcore looks the page up in the page table, and reads it through the direct
 * map, which does not have it.
 */
TEST_F_TIMEOUT(direct, kcore_shows_no_window_that_is_in_use, 200)
{
	unsigned char bytes[64], none[64] = { 0 };
	struct window_user user = { .fd = self->v.fd, .length = 8 * SM_PAGE };
	uint64_t offsets[64];
	struct at_kcore k;
	pthread_t thread;
	int i, n;

	if (self->reader < 0)
		return;
	ASSERT_EQ(0, at_kcore_open(&k));
	n = windows_find(&k, offsets, 64);
	if (!n) {
		at_kcore_close(&k);
		SKIP(return, "no windows that stay, or nobody says where");
	}
	user.bytes = malloc(user.length);
	ASSERT_NE(NULL, user.bytes);
	ASSERT_EQ(0,
		  at_secret(&self->v, user.length, self->seed, &user.handle));
	ASSERT_EQ(0, pthread_create(&thread, NULL, window_use, &user));
	for (i = 0; i < 100000; i++) {
		ASSERT_EQ(sizeof(bytes),
			  pread(k.fd, bytes, sizeof(bytes), offsets[i % n]));
		ASSERT_EQ(0, memcmp(bytes, none, sizeof(bytes)));
	}
	user.over = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, user.err);
	EXPECT_TRUE(at_is(user.bytes, user.length, self->seed));
	free(user.bytes);
	at_kcore_close(&k);
}

/* All that the module itself does with pages that are off the direct map. */
TEST_F(direct, kernel_itself_still_reads_writes_compares_and_wipes)
{
	unsigned char *bytes, *copy;
	uint64_t handle, n;
	uint32_t equal;

	if (self->reader < 0)
		return;
	bytes = malloc(SECMEM_LENGTH_MAX);
	copy = malloc(SECMEM_LENGTH_MAX);
	ASSERT_TRUE(bytes && copy);
	for (n = 1; n <= SECMEM_LENGTH_MAX; n = n * 5 + 1) {
		at_fill(bytes, n, self->seed + n);
		ASSERT_EQ(0, sm_create(self->v.fd, n, &handle));
		ASSERT_EQ(0, sm_write(self->v.fd, handle, bytes, 0, n));
		ASSERT_EQ(0, sm_read(self->v.fd, handle, copy, 0, n));
		EXPECT_EQ(0, memcmp(bytes, copy, n));
		ASSERT_EQ(0, sm_compare(self->v.fd, handle, bytes, n, &equal));
		EXPECT_EQ(1, equal);
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
		/* The next secret in these pages finds them zero. */
		ASSERT_EQ(0, sm_create(self->v.fd, n, &handle));
		ASSERT_EQ(0, sm_read(self->v.fd, handle, copy, 0, n));
		memset(bytes, 0, n);
		EXPECT_EQ(0, memcmp(bytes, copy, n));
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
	}
	free(bytes);
	free(copy);
}

/*
 * How many large entries are split for MANY secrets of a page each; or -errno.
 */
static long splits_of_many(struct sm_vault *v)
{
	static uint64_t handles[MANY];
	long before = host_meminfo("DirectMap2M"), during;
	int i, err;

	for (i = 0; i < MANY; i++) {
		err = sm_create(v->fd, 1, &handles[i]);
		if (err)
			return err;
	}
	during = host_meminfo("DirectMap2M");
	for (i = 0; i < MANY; i++) {
		err = sm_close(v->fd, handles[i]);
		if (err)
			return err;
	}
	return (before - during) / LARGE_KIB;
}

/* How much MemAvailable may change by what other things do. */
#define SLACK_KIB 8192

TEST_F_TIMEOUT(direct, ten_thousand_secrets_split_few_large_entries,
	       SM_LOOP_TIMEOUT)
{
	long most = (MANY + 511) / 512 + 1, available, all, splits;
	struct secmem_info info;

	if (self->reader < 0)
		return;
	if (host_meminfo("DirectMap2M") < 0)
		SKIP(return, "this kernel does not count its direct map");
	all = host_meminfo("DirectMap4k") + host_meminfo("DirectMap2M");
	splits = splits_of_many(&self->v);
	TH_LOG("%d secrets split %ld entries of 2 MiB", MANY, splits);
	EXPECT_LE(0, splits);
	EXPECT_GE(most, splits);
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(0, info.pages);
	sm_vault_close(&self->v);
	/* The allocators' caches are filled by the first round, not by each. */
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	available = host_meminfo("MemAvailable");
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_LE(0, splits_of_many(&self->v));
	sm_vault_close(&self->v);
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	EXPECT_LE(available - SLACK_KIB, host_meminfo("MemAvailable"));
	ASSERT_EQ(0, sm_vault_open(&self->v));
	EXPECT_EQ(all,
		  host_meminfo("DirectMap4k") + host_meminfo("DirectMap2M"));
}

/*
 * Every other page of most of memory is taken, so that no large block is free.
 */
TEST_F_TIMEOUT(direct, ten_thousand_secrets_split_few_on_a_fragmented_machine,
	       SM_LOOP_TIMEOUT)
{
	long most = (MANY + 511) / 512 + 1, splits;
	unsigned char *mess;
	size_t length, at;

	if (self->reader < 0)
		return;
	if (host_meminfo("DirectMap2M") < 0)
		SKIP(return, "this kernel does not count its direct map");
	length = (size_t)host_meminfo("MemAvailable") * 1024 / 10 * 8;
	length -= length % (2 * SM_PAGE);
	mess = mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mess);
	madvise(mess, length, MADV_NOHUGEPAGE);
	for (at = 0; at < length; at += SM_PAGE)
		mess[at] = 1;
	for (at = 0; at < length; at += 2 * SM_PAGE)
		ASSERT_EQ(0, madvise(mess + at, SM_PAGE, MADV_DONTNEED));
	splits = splits_of_many(&self->v);
	TH_LOG("%d secrets split %ld entries of 2 MiB", MANY, splits);
	EXPECT_LE(0, splits);
	EXPECT_GE(most, splits);
	munmap(mess, length);
}

/* Memory that can be taken offline, in blocks. */
#define MEMORY "/sys/devices/system/memory/"
#define BLOCKS 64
#define OFFLINE_SECONDS 10
#define LARGE_VIEW (1UL << 30)

static size_t memory_block_size(void)
{
	FILE *f = fopen(MEMORY "block_size_bytes", "re");
	unsigned long size = 0;

	if (f && fscanf(f, "%lx", &size) != 1)
		size = 0;
	if (f)
		fclose(f);
	return size;
}

/* 0 or -errno; -EINTR where the kernel did not finish in time. */
static int memory_block_state(unsigned int block, const char *state)
{
	char path[96];
	int fd, err = 0;

	snprintf(path, sizeof(path), MEMORY "memory%u/state", block);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	alarm(OFFLINE_SECONDS);
	if (write(fd, state, strlen(state)) < 0)
		err = -errno;
	alarm(0);
	close(fd);
	return err;
}

/* Takes a block away and gives it back. */
static int memory_block_go(unsigned int block)
{
	int err = memory_block_state(block, "offline");

	return err ?: memory_block_state(block, "online");
}

/* Makes secrets until one lies in a block that can go: that block, or -1. */
static int memory_block_fill(int fd, unsigned char *view, int reader,
			     const bool can[])
{
	uint64_t handle, at, pfn = 0, block;
	size_t size = memory_block_size();

	while (!sm_create(fd, SECMEM_LENGTH_MAX, &handle) &&
	       !sm_acquire(fd, handle, SECMEM_READ, &at) &&
	       !at_reader_find(reader, view + at, &pfn) &&
	       !sm_release(fd, handle)) {
		block = pfn * SM_PAGE / size;
		if (block < BLOCKS && can[block])
			return block;
	}
	return -1;
}

TEST_F_TIMEOUT(direct, memory_that_holds_a_secret_is_not_taken_offline,
	       SM_LOOP_TIMEOUT)
{
	struct sigaction interrupt = { .sa_handler = sm_ignore_signal };
	bool can[BLOCKS] = { false };
	unsigned int i, count = 0;
	unsigned char *view;
	int fd, block;

	if (self->reader < 0)
		return;
	ASSERT_EQ(0, sigaction(SIGALRM, &interrupt, NULL));
	for (i = 0; memory_block_size() && i < BLOCKS; i++) {
		can[i] = !memory_block_go(i);
		count += can[i];
	}
	if (!count)
		SKIP(return, "this machine can do without none of its memory");
	fd = sm_open();
	view = sm_map(fd, LARGE_VIEW, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	block = memory_block_fill(fd, view, self->reader, can);
	ASSERT_LE(0, block);
	EXPECT_EQ(-EBUSY, memory_block_go(block));
	/* The secrets are gone: from here on the block can go. */
	munmap(view, LARGE_VIEW);
	close(fd);
	EXPECT_EQ(0, memory_block_go(block));
}

/* Memory that the kernel knows as bad. */
#define HARD_OFFLINE MEMORY "hard_offline_page"
#define KPAGEFLAGS "/proc/kpageflags"
#define KPF_BUDDY (1ULL << 10)
#define KPF_HWPOISON (1ULL << 19)
#define CROWD 64

static uint64_t page_flags(uint64_t pfn)
{
	int fd = open(KPAGEFLAGS, O_RDONLY | O_CLOEXEC);
	uint64_t flags = 0;

	if (pread(fd, &flags, sizeof(flags), pfn * sizeof(flags)) !=
	    sizeof(flags))
		flags = 0;
	close(fd);
	return flags;
}

/* Marks a page as bad: whether it is marked, whatever the write returned. */
static bool page_goes_bad(uint64_t pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%#llx",
		 (unsigned long long)pfn * SM_PAGE);
	host_write(HARD_OFFLINE, text);
	return page_flags(pfn) & KPF_HWPOISON;
}

/* The number of the page that has the byte at this offset; 0 if that fails. */
static uint64_t page_of(struct sm_vault *v, int reader, uint64_t handle,
			size_t offset)
{
	uint64_t at, pfn = 0;

	if (sm_acquire(v->fd, handle, SECMEM_READ, &at))
		return 0;
	at_reader_find(reader, v->view + at + offset, &pfn);
	return sm_release(v->fd, handle) ? 0 : pfn;
}

/*
 * Whether one of many new secrets gets that page; they are closed again. -EIO
 * if one got a page that nobody can read.
 */
static int page_serves_again(struct sm_vault *v, int reader, uint64_t pfn)
{
	uint64_t handles[CROWD], page;
	int n, i, serves = 0;

	for (n = 0; n < CROWD && !sm_create(v->fd, 1, &handles[n]); n++) {
		page = page_of(v, reader, handles[n], 0);
		if (!page)
			serves = -EIO;
		else if (page == pfn)
			serves = 1;
	}
	for (i = 0; i < n; i++)
		sm_close(v->fd, handles[i]);
	return serves;
}

static long count_poisoned(void)
{
	char text[32] = "";

	host_read(HOST_SYSFS "counts/poisoned", text, sizeof(text));
	return strtol(text, NULL, 10);
}

#define SKIP_UNLESS_BAD                                                     \
	do {                                                                \
		if (access(HARD_OFFLINE, W_OK) || access(KPAGEFLAGS, R_OK)) \
			SKIP(return, "this kernel marks no memory as bad"); \
	} while (0)

TEST_F(direct, bad_memory_is_not_touched_and_its_secret_is_eio)
{
	unsigned char byte = 0, *bytes;
	uint64_t handle, at, good, bad;
	size_t length = 2 * SM_PAGE;
	uint32_t equal;
	int log;
	long poisoned = count_poisoned();

	if (self->reader < 0)
		return;
	SKIP_UNLESS_BAD;
	bytes = malloc(length);
	ASSERT_NE(NULL, bytes);
	log = host_log_open();
	at_fill(bytes, SM_PAGE, self->seed);
	at_fill(bytes + SM_PAGE, SM_PAGE, self->seed + 1);
	ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
	ASSERT_EQ(0, sm_write(self->v.fd, handle, bytes, 0, length));
	good = page_of(&self->v, self->reader, handle, 0);
	bad = page_of(&self->v, self->reader, handle, SM_PAGE);
	ASSERT_NE(0, good);
	ASSERT_NE(0, bad);
	/* Control: all of this works as long as the memory is good. */
	EXPECT_EQ(0, sm_compare(self->v.fd, handle, bytes, length, &equal));
	EXPECT_EQ(1, equal);

	ASSERT_TRUE(page_goes_bad(bad));
	EXPECT_EQ(-EIO, sm_read(self->v.fd, handle, &byte, SM_PAGE, 1));
	EXPECT_EQ(-EIO, sm_read(self->v.fd, handle, bytes, 0, length));
	EXPECT_EQ(-EIO, sm_write(self->v.fd, handle, &byte, SM_PAGE, 1));
	EXPECT_EQ(-EIO, sm_write(self->v.fd, handle, bytes, 0, length));
	EXPECT_EQ(-EIO, sm_compare(self->v.fd, handle, bytes, length, &equal));
	EXPECT_EQ(-EIO, sm_acquire(self->v.fd, handle, SECMEM_READ, &at));
	EXPECT_EQ(-EIO, sm_acquire(self->v.fd, handle, SECMEM_WRITE, &at));
	EXPECT_EQ(-EINVAL, sm_release(self->v.fd, handle));
	/* The bytes in its good page can still be read. */
	EXPECT_EQ(0, sm_read(self->v.fd, handle, &byte, 0, 1));
	EXPECT_EQ(bytes[0], byte);

	EXPECT_EQ(poisoned, count_poisoned());
	EXPECT_EQ(0, sm_close(self->v.fd, handle));
	EXPECT_EQ(poisoned + 1, count_poisoned());
	EXPECT_EQ(0, SM_WAIT_UNTIL(host_log_count(log, "bad memory") > 0));
	close(log);
	/* The good page is wiped, the bad one was not written to. */
	EXPECT_EQ(1, at_reader_looks(self->reader, good, 0, self->seed));
	EXPECT_EQ(0, at_reader_looks(self->reader, bad, 0, self->seed + 1));
	free(bytes);
}

TEST_F(direct, bad_memory_serves_nobody_again)
{
	uint64_t stays, handle, closed, idle;

	if (self->reader < 0)
		return;
	SKIP_UNLESS_BAD;
	ASSERT_EQ(0, sm_create(self->v.fd, 1, &stays));
	ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
	closed = page_of(&self->v, self->reader, handle, 0);
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	/* Control: a good page serves again. */
	ASSERT_EQ(1, page_serves_again(&self->v, self->reader, closed));

	/* A page that went bad under a secret. */
	ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
	closed = page_of(&self->v, self->reader, handle, 0);
	ASSERT_TRUE(page_goes_bad(closed));
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	EXPECT_EQ(0, page_serves_again(&self->v, self->reader, closed));
	/* A page that went bad while it was idle. */
	ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
	idle = page_of(&self->v, self->reader, handle, 0);
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	ASSERT_TRUE(page_goes_bad(idle));
	EXPECT_EQ(0, page_serves_again(&self->v, self->reader, idle));
	ASSERT_EQ(0, sm_close(self->v.fd, stays));
	sm_vault_close(&self->v);

	/* Nor does the kernel, which has the pages now, use them. */
	ASSERT_EQ(0, host_write(DROP_CACHES, "2"));
	EXPECT_EQ(KPF_HWPOISON,
		  page_flags(closed) & (KPF_HWPOISON | KPF_BUDDY));
	EXPECT_EQ(KPF_HWPOISON, page_flags(idle) & (KPF_HWPOISON | KPF_BUDDY));
	/* They are not back in the direct map, where they could be read. */
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, closed, 0, 0));
	EXPECT_EQ(-EFAULT, at_reader_reads(self->reader, idle, 0, 0));
	ASSERT_EQ(0, sm_vault_open(&self->v));
	EXPECT_EQ(0, page_serves_again(&self->v, self->reader, closed));
	EXPECT_EQ(0, page_serves_again(&self->v, self->reader, idle));
}

/* A canary in bad memory is not read, so damage to it is not told. */
TEST_F(direct, canary_in_bad_memory_is_not_read)
{
	uint64_t handle, at, pfn = 0;

	if (self->reader < 0)
		return;
	SKIP_UNLESS_BAD;
	/* Control: damage to a canary in good memory is told. */
	ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_WRITE, &at));
	self->v.view[at - 1] ^= 1;
	EXPECT_EQ(-EBADMSG, sm_release(self->v.fd, handle));
	EXPECT_EQ(-EBADMSG, sm_close(self->v.fd, handle));

	ASSERT_EQ(0, sm_create(self->v.fd, 1, &handle));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_WRITE, &at));
	self->v.view[at - 1] ^= 1;
	ASSERT_EQ(0, at_reader_find(self->reader, self->v.view + at, &pfn));
	ASSERT_TRUE(page_goes_bad(pfn));
	EXPECT_EQ(-EIO, sm_release(self->v.fd, handle));
	EXPECT_EQ(0, sm_close(self->v.fd, handle));
}

FIXTURE(module)
{
	bool ready;
};

/*
 * Pages stay in the direct map for this reason, and all that is told says so.
 */
static void expect_stays(struct __test_metadata *_metadata, uint8_t reason)
{
	struct sm_vault v;
	uint64_t got;
	uint8_t why;

	EXPECT_EQ(0, protections(&why) & ON);
	EXPECT_EQ(reason, why);
	EXPECT_TRUE(route_is("none"));
	ASSERT_EQ(0, sm_vault_open(&v));
	EXPECT_EQ(-EOPNOTSUPP, create_requiring(v.fd, ON, &got));
	EXPECT_EQ(0, create_requiring(v.fd, 0, &got));
	EXPECT_EQ(0, got & ON);
	sm_vault_close(&v);
}

FIXTURE_SETUP(module)
{
	SKIP_UNLESS_ON;
	self->ready = true;
}

FIXTURE_TEARDOWN(module)
{
	if (self->ready)
		EXPECT_EQ(0, sm_reload(""));
}

TEST_F(module, off_is_said_and_not_required_in_vain)
{
	struct sm_vault v;
	uint64_t got;

	if (!self->ready)
		return;
	ASSERT_EQ(0, sm_reload("directmap=off"));
	expect_stays(_metadata, SECMEM_WHY_ADMIN);
	ASSERT_EQ(0, sm_reload("directmap=auto"));
	ASSERT_EQ(0, sm_vault_open(&v));
	EXPECT_EQ(0, create_requiring(v.fd, ON, &got));
	EXPECT_EQ(ON, got & ON);
	sm_vault_close(&v);
}

TEST_F_TIMEOUT(module, kcore_shows_it_where_off, 200)
{
	uint64_t seed = sm_now(), handle, pfn = 0, at;
	int reader = at_reader_open();
	struct sm_vault v;
	struct at_kcore k;

	if (!self->ready)
		return;
	ASSERT_EQ(0, sm_reload("directmap=off"));
	ASSERT_EQ(0, sm_vault_open(&v));
	ASSERT_EQ(0, at_secret(&v, SM_PAGE, seed, &handle));
	ASSERT_EQ(0, at_kcore_open(&k));
	EXPECT_EQ(0, at_kcore_find(&k, seed, &pfn, &at));
	at_kcore_close(&k);
	ASSERT_EQ(0, sm_acquire(v.fd, handle, SECMEM_READ, &at));
	EXPECT_EQ(0, at_reader_find(reader, v.view + at, &pfn));
	EXPECT_EQ(0, at_reader_reads(reader, pfn, at % SM_PAGE, seed));
	ASSERT_EQ(0, sm_release(v.fd, handle));
	close(reader);
	EXPECT_EQ(0, sm_module_unload("reader"));
	sm_vault_close(&v);
}

TEST_F(module, require_loads_where_it_can_be_had)
{
	if (!self->ready)
		return;
	ASSERT_EQ(0, sm_reload("directmap=require"));
	EXPECT_EQ(ON, protections(NULL) & ON);
	EXPECT_TRUE(route_is("set_direct_map"));
}

TEST_F(module, unknown_mode_is_refused)
{
	if (!self->ready)
		return;
	ASSERT_EQ(0, sm_module_unload("secmem"));
	EXPECT_EQ(-EINVAL, sm_module_load(SM_MODULE, "directmap=yes"));
	EXPECT_EQ(0, sm_module_load(SM_MODULE, ""));
}

/*
 * A kernel that says that it has removed a page, and has not: arm64 when booted
 * with rodata=off, as tests/run --arch arm64 --append rodata=off directmap_test
 * does.
 */
TEST(removal_without_effect_is_not_believed)
{
	uint8_t why;

	if (geteuid() || access(SM_MODULE, R_OK))
		SKIP(return, "needs root and " SM_MODULE);
	if (protections(&why) & ON || why == SECMEM_WHY_ADMIN)
		SKIP(return, "this kernel does as it says");
	expect_stays(_metadata, SECMEM_WHY_STAYED);
	EXPECT_EQ(-EOPNOTSUPP, sm_reload("directmap=require"));
	EXPECT_NE(0, access(SECMEM_DEVICE, F_OK));
	EXPECT_EQ(0, sm_module_load(SM_MODULE, ""));
	EXPECT_EQ(0, access(SECMEM_DEVICE, F_OK));
}

TEST_HARNESS_MAIN
