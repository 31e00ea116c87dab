// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that are off the direct map are mapped nowhere else either: a kernel
 * module (module/tests/reader.c) searches the kernel's whole page table for
 * pages of secrets.
 *
 * VM: --mem 1G
 */
#include <sys/resource.h>

#include "attack.h"
#include "host.h"

#define ON (1ULL << SECMEM_PROT_DIRECT_MAP)
#define MIN_FREE "/proc/sys/vm/min_free_kbytes"
#define BRIM_KIB 10240 /* stays free, for the search */
#define LENGTH (256 << 10)
#define BALLAST ((size_t)32 << 20) /* freed once memory is full */
#define VIEW ((size_t)8 << 30)
#define STALE_TRIES 20

static long mem_free(void)
{
	char line[128];
	long value = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld", &value) != 1)
			value = -1;
	if (f)
		fclose(f);
	return value;
}

/*
 * The reader remembers the pages that the caller's page table has there.
 * Returns how many, or -errno.
 */
static long reader_mark(int fd, const volatile void *at, size_t pages)
{
	struct secmem_reader r = { .address = (uintptr_t)at, .count = pages };

	return ioctl(fd, SECMEM_READER_MARK, &r) ? -errno : (long)r.count;
}

/*
 * How often the kernel's page table maps a page that is remembered, and where;
 * or -errno.
 */
static long reader_walk(int fd, struct secmem_reader *r)
{
	*r = (struct secmem_reader){ 0 };
	return ioctl(fd, SECMEM_READER_WALK, r) ? -errno : (long)r->count;
}

/*
 * Maps a page until another is mapped, or none (0). Returns its address, or 0.
 */
static uint64_t reader_map(int fd, uint64_t pfn)
{
	struct secmem_reader r = { .pfn = pfn };

	return ioctl(fd, SECMEM_READER_MAP, &r) ? 0 : r.address;
}

/* How many pages that are remembered lie within the kernel's image; or -errno. */
static long reader_count_image(int fd)
{
	unsigned long long from, to, first = 0, last = 0;
	struct secmem_reader r = { 0 };
	char line[128];
	FILE *f = fopen("/proc/iomem", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %llx-%llx : Kernel", &from, &to) != 2 ||
		    !strstr(line, ": Kernel"))
			continue;
		first = first ?: from;
		last = to;
	}
	if (f)
		fclose(f);
	r.pfn = first / SM_PAGE;
	r.count = last / SM_PAGE - r.pfn;
	return ioctl(fd, SECMEM_READER_COUNT, &r) ? -errno : (long)r.count;
}

FIXTURE(alias)
{
	int reader, fd;
	unsigned char *view;
	char min_free[32];
};

FIXTURE_SETUP(alias)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct secmem_info info = { 0 };

	self->reader = -1;
	/* What a test before split counts against the machine's bound. */
	if (!geteuid() && !access(SM_MODULE, R_OK))
		ASSERT_EQ(0, sm_reload(""));
	self->fd = sm_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sm_info(self->fd, &info));
	if (geteuid() || access(SM_MODULE, R_OK))
		SKIP(return, "needs root and " SM_MODULE);
	if (!(info.protections & ON))
		SKIP(return, "no page leaves the direct map here");
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &all));
	ASSERT_LT(0,
		  host_read(MIN_FREE, self->min_free, sizeof(self->min_free)));
	self->view = mmap(NULL, VIEW, PROT_READ, MAP_SHARED | MAP_NORESERVE,
			  self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->view);
	self->reader = at_reader_open();
	ASSERT_LE(0, self->reader);
	ASSERT_EQ(0, reader_mark(self->reader, NULL, 0));
}

FIXTURE_TEARDOWN(alias)
{
	if (self->reader < 0)
		return;
	EXPECT_EQ(0, host_write(MIN_FREE, self->min_free));
	close(self->reader);
	EXPECT_EQ(0, sm_module_unload("reader"));
	munmap(self->view, VIEW);
	close(self->fd);
}

/*
 * Makes a secret that must be off the direct map; the reader remembers its
 * pages.
 */
static int secret_mark(int fd, unsigned char *view, int reader,
		       uint64_t *handle, uint64_t *at)
{
	struct secmem_create_args c;
	size_t pages = LENGTH / SM_PAGE;
	long marked;
	int err = sm_create_as(fd, LENGTH, 0, 0, NULL, ON, &c);

	*handle = c.handle;
	if (!err)
		err = sm_acquire(fd, *handle, SECMEM_READ, at);
	if (err)
		return err;
	marked = reader_mark(reader, view + *at, pages);
	err = sm_release(fd, *handle);
	if (marked < 0)
		return marked;
	return marked == (long)pages ? err : -EIO;
}

/*
 * Memory is filled to the brim, so that every page which secrets could get is
 * tried.
 */
TEST_F_TIMEOUT(alias, kernel_maps_no_page_of_a_secret_anywhere, SM_LOOP_TIMEOUT)
{
	uint64_t handle = 0, last, at, pfn = 0, mapped;
	struct secmem_reader r;
	unsigned char *plain, *ballast;
	long count = 0;
	int err = 0;

	if (self->reader < 0)
		return;
	/* Control: a page of ordinary memory is found. */
	plain = at_ordinary(SM_PAGE, 1);
	ASSERT_NE(NULL, plain);
	ASSERT_EQ(1, reader_mark(self->reader, plain, 1));
	ASSERT_LE(1, reader_walk(self->reader, &r));
	ASSERT_EQ(0, reader_mark(self->reader, NULL, 0));

	ballast = at_ordinary(BALLAST, 1);
	ASSERT_NE(NULL, ballast);
	ASSERT_EQ(0, host_write(MIN_FREE, "0"));
	while (!err && mem_free() > BRIM_KIB) {
		last = handle;
		err = secret_mark(self->fd, self->view, self->reader, &handle,
				  &at);
		count += !err;
	}
	munmap(ballast, BALLAST);
	TH_LOG("%ld secrets of %lu KiB, %ld KiB are free by now: %s", count,
	       LENGTH / 1024UL, mem_free(), strerror(-err));
	if (err) {
		EXPECT_EQ(-ENOMEM, err);
		handle = last;
	}
	ASSERT_LT(2, count);

	ASSERT_LE(0, reader_walk(self->reader, &r));
	TH_LOG("%llu pages in the kernel's page table, %ld of a secret in its image",
	       r.seen, reader_count_image(self->reader));
	EXPECT_LT(0, r.seen);
	EXPECT_EQ(0, r.count) TH_LOG("page %#llx at %#llx", r.pfn, r.address);

	/*
	 * Nor is an open one. Control: once the reader maps its page, it is
	 * found.
	 */
	ASSERT_EQ(0, sm_acquire(self->fd, handle, SECMEM_READ, &at));
	EXPECT_EQ(0, reader_walk(self->reader, &r));
	ASSERT_EQ(0, at_reader_find(self->reader, self->view + at, &pfn));
	mapped = reader_map(self->reader, pfn);
	ASSERT_NE(0, mapped);
	EXPECT_EQ(1, reader_walk(self->reader, &r));
	EXPECT_EQ(mapped, r.address);
	EXPECT_EQ(pfn, r.pfn);
	EXPECT_EQ(0, reader_map(self->reader, 0));
	EXPECT_EQ(0, reader_walk(self->reader, &r));
	ASSERT_EQ(0, sm_release(self->fd, handle));
}

/* Whether the kernel has yet to flush this address of vmalloc space. */
static bool unflushed(uint64_t address)
{
	unsigned long long from, to;
	bool found = false;
	char line[512];
	FILE *f = fopen("/proc/vmallocinfo", "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "unpurged") &&
			sscanf(line, "0x%llx-0x%llx", &from, &to) == 2 &&
			from <= address && address < to;
	if (f)
		fclose(f);
	return found;
}

/* Until such a flush, a TLB may still map a page that now serves a secret. */
TEST_F(alias, no_flush_is_outstanding_once_pages_serve)
{
	uint64_t handle, at;
	struct secmem_reader r;
	int tries;

	if (self->reader < 0)
		return;
	/* With this, the kernel tells root addresses. */
	ASSERT_EQ(0, host_write("/proc/sys/kernel/kptr_restrict", "1"));
	/*
	 * Idle pages were taken off the direct map before this flush is due:
	 * they go first, so that the secret gets new ones, and nothing flushes
	 * after the control but what makes it.
	 */
	ASSERT_EQ(0, host_write("/proc/sys/vm/drop_caches", "2"));
	/*
	 * Control: an address waits for its flush. The kernel may flush it
	 * before we look, so this is tried more than once.
	 */
	for (tries = 0; tries < STALE_TRIES; tries++) {
		r = (struct secmem_reader){ 0 };
		ASSERT_EQ(0, ioctl(self->reader, SECMEM_READER_STALE, &r));
		if (unflushed(r.address))
			break;
	}
	ASSERT_GT(STALE_TRIES, tries);
	ASSERT_EQ(0, secret_mark(self->fd, self->view, self->reader, &handle,
				 &at));
	EXPECT_FALSE(unflushed(r.address));
}

TEST_HARNESS_MAIN
