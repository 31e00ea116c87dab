// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's memory, dumped by the host and searched there: a secret stands in
 * its own pages alone, and nowhere once it has ended. Every search also finds
 * the secret while it lives; and tests/mutants has modules that do not wipe,
 * which fail here.
 *
 * VM: --mem 128M --on-dump build/tests/search
 *
 * The bytes of a secret are computed from a seed, straight into the open view.
 * A short run of them, such as saved registers hold, is not counted (search.c).
 */
#include <libsecmem.h>

#include "attack.h"
#include "slow.h"

#define PORT "/dev/virtio-ports/host"
#define MODULE_FILE "/vm/secmem.ko"

#define SMALL 100 /* READ copies it through the kernel's stack */
#define LARGE 60000 /* READ copies it through a buffer */
/* Copies are counted in pieces of memory, as large as the smallest page. */
#define PIECE 4096
#define PIECES(length) (((length) + PIECE - 1) / PIECE)
#define SEEDS 4

/* Has memory dumped: in how many pages each pattern stands. 0 or -errno. */
static int dump(unsigned int n, const uint64_t *seeds, unsigned int *copies)
{
	char line[256] = "dump memory", *at;
	unsigned int i, scraps;
	FILE *port;
	int fd;

	for (i = 0; i < n; i++)
		sprintf(line + strlen(line), ".%llx",
			(unsigned long long)seeds[i]);
	strcat(line, "\n");
	fd = open(PORT, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
		close(fd);
		return -EIO;
	}
	port = fdopen(fd, "r");
	at = fgets(line, sizeof(line), port);
	fclose(port);
	if (!at || strncmp(line, "ok ", 3))
		return -EPROTO;
	at = line + 3;
	for (i = 0; i < n; i++) {
		if (sscanf(at, "%u/%u", &copies[i], &scraps) != 2)
			return -EPROTO;
		at += strcspn(at, " \n");
		at += strspn(at, " ");
	}
	return 0;
}

/* Has memory dumped for one pattern: its copies, or -errno. */
static int copies_of(uint64_t seed)
{
	unsigned int n;
	int err = dump(1, &seed, &n);

	return err ? err : (int)n;
}

static void wipe(volatile unsigned char *bytes, size_t length)
{
	while (length--)
		*bytes++ = 0;
}

FIXTURE(dump)
{
	uint64_t seed;
	struct sm_vault v;
	unsigned char *buffer; /* of LARGE, page-aligned, as search counts */
};

FIXTURE_SETUP(dump)
{
	if (access(PORT, R_OK | W_OK))
		SKIP(return, "nobody dumps memory here");
	self->seed = sm_now();
	ASSERT_EQ(0, sm_vault_open(&self->v));
	self->buffer = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->buffer);
}

FIXTURE_TEARDOWN(dump)
{
	sm_vault_close(&self->v);
	munmap(self->buffer, LARGE);
}

TEST_F(dump, living_secret_stands_in_its_own_pages_alone)
{
	uint64_t seeds[SEEDS], handle;
	unsigned int copies[SEEDS];
	unsigned char *bytes;
	int i, err;

	for (i = 0; i < SEEDS; i++)
		seeds[i] = self->seed + i;
	/*
	 * A shut secret; a shut one of many pages; an open one; and the
	 * control, which stands in memory twice.
	 */
	ASSERT_EQ(0, at_secret(&self->v, 4000, seeds[0], &handle));
	ASSERT_EQ(0, at_secret(&self->v, LARGE, seeds[1], &handle));
	ASSERT_EQ(0, at_secret(&self->v, 4000, seeds[2], &handle));
	bytes = sm_vault_acquire(&self->v, handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, bytes);
	EXPECT_TRUE(at_is(bytes, 4000, seeds[2]));
	at_fill(self->buffer, 4000, seeds[3]);
	at_fill(self->buffer + 2 * SM_PAGE, 4000, seeds[3]);

	ASSERT_EQ(0, dump(SEEDS, seeds, copies));
	EXPECT_EQ(1, copies[0]);
	EXPECT_EQ(PIECES(LARGE), copies[1]);
	EXPECT_EQ(1, copies[2]);
	EXPECT_EQ(2, copies[3]);
}

TEST_F(dump, closed_secret_stands_nowhere)
{
	uint64_t handle;

	ASSERT_EQ(0, at_secret(&self->v, LARGE, self->seed, &handle));
	EXPECT_EQ(PIECES(LARGE), copies_of(self->seed));
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	EXPECT_EQ(0, copies_of(self->seed));
}

TEST_F(dump, revoked_secret_stands_nowhere)
{
	uint64_t handle;

	ASSERT_EQ(0, at_secret(&self->v, LARGE, self->seed, &handle));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, NULL));
	EXPECT_EQ(PIECES(LARGE), copies_of(self->seed));
	ASSERT_EQ(0, sm_revoke(self->v.fd, handle));
	EXPECT_EQ(0, copies_of(self->seed));
}

/* A process with an open secret. It goes on when told: exits, or execs. */
struct owner {
	uint64_t seed;
	int ready, go;
	int told; /* an fd for the program that it execs; -1: it exits */
};

static int owner_run(void *arg)
{
	struct owner *o = arg;
	struct sm_vault v;
	uint64_t handle;

	if (sm_vault_open(&v) || at_secret(&v, LARGE, o->seed, &handle) ||
	    sm_acquire(v.fd, handle, SECMEM_WRITE, NULL) ||
	    sm_event_set(o->ready) || sm_event_wait(o->go))
		return 1;
	if (o->told >= 0 && dup2(o->told, 9) == 9)
		execl("/bin/busybox", "sh", "-c", "echo >&9; exec sleep 1000",
		      NULL);
	return 0;
}

#define OWNER(o, tells)                       \
	struct owner o = {                    \
		.seed = self->seed,           \
		.ready = sm_event(),          \
		.go = sm_event(),             \
		.told = tells,                \
	};                                    \
	pid_t pid = sm_fork(owner_run, &o);   \
	ASSERT_LT(0, pid);                    \
	ASSERT_EQ(0, sm_event_wait(o.ready)); \
	EXPECT_EQ(PIECES(LARGE), copies_of(self->seed))

TEST_F(dump, killed_owner_leaves_nothing)
{
	OWNER(owner, -1);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
	EXPECT_EQ(0, copies_of(self->seed));
}

TEST_F(dump, owner_that_exits_leaves_nothing)
{
	OWNER(owner, -1);

	ASSERT_EQ(0, sm_event_set(owner.go));
	EXPECT_EQ(0, sm_reap(pid));
	EXPECT_EQ(0, copies_of(self->seed));
}

TEST_F(dump, exec_leaves_nothing)
{
	int ends[2];
	char told;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	OWNER(owner, ends[1]);

	close(ends[1]);
	ASSERT_EQ(0, sm_event_set(owner.go));
	ASSERT_EQ(1, read(ends[0], &told, 1));
	EXPECT_EQ(0, copies_of(self->seed));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	sm_reap(pid);
	close(ends[0]);
}

/* What READ and pread copy stands in the caller's buffer, and nowhere else. */

TEST_F(dump, copies_out_stand_in_the_callers_buffer_alone)
{
	static const size_t lengths[] = { SMALL, LARGE };
	size_t i, j, length, pieces;
	uint64_t handle, seed;
	int fd;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		length = lengths[i];
		pieces = PIECES(length);
		seed = self->seed + i;
		ASSERT_EQ(0, at_secret(&self->v, length, seed, &handle));
		ASSERT_EQ(0, sm_export(self->v.fd, handle, SECMEM_RIGHT_READ,
				       &fd));
		for (j = 0; j < 2; j++) {
			if (j) {
				ASSERT_EQ(length,
					  pread(fd, self->buffer, length, 0));
			} else {
				ASSERT_EQ(0, sm_read(self->v.fd, handle,
						     self->buffer, 0, length));
			}
			ASSERT_TRUE(at_is(self->buffer, length, seed));
			EXPECT_EQ(2 * pieces, copies_of(seed));
			wipe(self->buffer, length);
			EXPECT_EQ(pieces, copies_of(seed));
		}
		close(fd);
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
		EXPECT_EQ(0, copies_of(seed));
	}
}

TEST_F(dump, copies_in_stand_in_the_callers_buffer_alone)
{
	static const size_t lengths[] = { SMALL, LARGE };
	size_t i, length, pieces;
	uint64_t handle, seed;
	uint32_t equal;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		length = lengths[i];
		pieces = PIECES(length);
		seed = self->seed + i;
		ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
		at_fill(self->buffer, length, seed);
		ASSERT_EQ(0, sm_write(self->v.fd, handle, self->buffer, 0,
				      length));
		ASSERT_EQ(0, sm_compare(self->v.fd, handle, self->buffer,
					length, &equal));
		EXPECT_EQ(1, equal);
		EXPECT_EQ(2 * pieces, copies_of(seed));
		wipe(self->buffer, length);
		EXPECT_EQ(pieces, copies_of(seed));
		ASSERT_EQ(0, sm_close(self->v.fd, handle));
		EXPECT_EQ(0, copies_of(seed));
	}
}

/* In the middle of a READ, the bytes stand in a buffer of the module's. */

struct reader {
	uint64_t seed;
	int ready;
};

static int reader_run(void *arg)
{
	struct reader *r = arg;
	struct sm_call call;
	struct slow slow = { 0 };
	struct sm_vault v;
	uint64_t handle;

	if (slow_open(&slow))
		return 2;
	if (sm_vault_open(&v) || at_secret(&v, 4000, r->seed, &handle))
		return 1;
	call = (struct sm_call){
		.fd = v.fd,
		.call = SECMEM_IOC_READ,
		.handle = handle,
		.deadline = SECMEM_FOREVER,
		.buffer = slow.page,
		.length = 4000,
	};
	if (sm_call_start(&call) || slow_wait(&slow) || sm_event_set(r->ready))
		return 1;
	for (;;)
		pause();
}

TEST_F(dump, reader_killed_in_the_middle_leaves_nothing)
{
	struct reader reader = { .seed = self->seed, .ready = sm_event() };
	pid_t pid = sm_fork(reader_run, &reader);
	int copies;

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, sm_event_wait(reader.ready));
	copies = copies_of(self->seed);
	/* The secret, and the buffer, which may lie across two pages. */
	EXPECT_LE(2, copies);
	EXPECT_GE(3, copies);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, sm_reap(pid));
	EXPECT_EQ(0, copies_of(self->seed));
}

/* The library. */

static int is_seed(const void *data, size_t length, void *seed)
{
	return at_is(data, length, *(uint64_t *)seed);
}

static int fill_again(void *data, size_t length, void *seed)
{
	memset(data, 0, length);
	at_fill(data, length, *(uint64_t *)seed);
	return 1;
}

TEST_F(dump, library_makes_no_copies)
{
	const size_t pieces = PIECES(LARGE);
	secmem_secret_t secret;
	struct secmem_access access;
	int result;

	/* secmem_create wipes the caller's buffer. */
	at_fill(self->buffer, LARGE, self->seed);
	EXPECT_EQ(pieces, copies_of(self->seed));
	ASSERT_EQ(0, secmem_create(&secret, self->buffer, LARGE, NULL));
	EXPECT_EQ(pieces, copies_of(self->seed));

	ASSERT_EQ(0, secmem_with_bytes(secret, SECMEM_FOREVER, is_seed,
				       &self->seed, &result));
	EXPECT_TRUE(result);
	ASSERT_EQ(0, secmem_with_bytes_mut(secret, SECMEM_FOREVER, fill_again,
					   &self->seed, &result));
	ASSERT_EQ(0,
		  secmem_acquire(secret, SECMEM_READ, SECMEM_FOREVER, &access));
	EXPECT_TRUE(at_is(access.data, LARGE, self->seed));
	ASSERT_EQ(0, secmem_release(&access));
	EXPECT_EQ(pieces, copies_of(self->seed));

	ASSERT_EQ(0,
		  secmem_read(secret, self->buffer, LARGE, 0, SECMEM_FOREVER));
	ASSERT_EQ(0, secmem_compare(secret, self->buffer, LARGE, &result,
				    SECMEM_FOREVER));
	EXPECT_EQ(1, result);
	ASSERT_EQ(0,
		  secmem_write(secret, self->buffer, LARGE, 0, SECMEM_FOREVER));
	EXPECT_EQ(2 * pieces, copies_of(self->seed));
	wipe(self->buffer, LARGE);
	EXPECT_EQ(pieces, copies_of(self->seed));
	ASSERT_EQ(0, secmem_close(secret, SECMEM_FOREVER));
	EXPECT_EQ(0, copies_of(self->seed));
}

TEST_F(dump, library_reads_a_file_into_the_secret_alone)
{
	secmem_secret_t secret;
	unsigned char *file;
	int fd;

	fd = syscall(SYS_memfd_create, "key", 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, LARGE));
	file = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, file);
	at_fill(file, LARGE, self->seed);
	ASSERT_EQ(0, secmem_create_from_fd(&secret, fd, 0, NULL));
	EXPECT_EQ(2 * PIECES(LARGE), copies_of(self->seed));
	wipe(file, LARGE);
	EXPECT_EQ(PIECES(LARGE), copies_of(self->seed));
	ASSERT_EQ(0, secmem_close(secret, SECMEM_FOREVER));
	EXPECT_EQ(0, copies_of(self->seed));
	munmap(file, LARGE);
	close(fd);
}

/*
 * Documents say of copies: a buffer that its program wiped may still stand in
 * pages that the kernel moved it from. The same is tried with a secret of as
 * many pages.
 */
TEST_F(dump, compaction_leaves_a_wiped_buffer_and_no_secret)
{
	const size_t length = 16U << 20, step = 2 * SM_PAGE, text = 256;
	unsigned char *buffer;
	uint64_t handle;
	size_t at;

	ASSERT_EQ(0, at_secret(&self->v, LARGE, self->seed, &handle));
	buffer = mmap(NULL, length, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buffer);
	madvise(buffer, length, MADV_NOHUGEPAGE);
	for (at = 0; at < length; at += SM_PAGE)
		buffer[at] = 1;
	/*
	 * Every other page is freed, so that memory is as on a machine that ran
	 * long.
	 */
	for (at = 0; at < length; at += step) {
		ASSERT_EQ(0, madvise(buffer + at + SM_PAGE, SM_PAGE,
				     MADV_DONTNEED));
		at_fill(buffer + at, text, self->seed + 1);
	}
	if (at_put("/proc/sys/vm/compact_memory", "1"))
		SKIP(return, "this kernel compacts nothing when asked to");
	for (at = 0; at < length; at += step)
		wipe(buffer + at, text);
	if (!copies_of(self->seed + 1))
		SKIP(return,
			   "this kernel moved nothing, or wipes what it frees");
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	EXPECT_EQ(0, copies_of(self->seed));
	munmap(buffer, length);
}

TEST_F(dump, unloaded_module_leaves_nothing)
{
	struct stat st;
	uint64_t handle;
	int fd;

	fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || geteuid())
		SKIP(return, "no module that may be unloaded here");
	ASSERT_EQ(0, stat(SECMEM_DEVICE, &st));
	ASSERT_EQ(0, at_secret(&self->v, LARGE, self->seed, &handle));
	EXPECT_EQ(PIECES(LARGE), copies_of(self->seed));
	sm_vault_close(&self->v);
	ASSERT_EQ(0, SM_WAIT_UNTIL(!syscall(SYS_delete_module, "secmem",
					    O_NONBLOCK)));
	EXPECT_EQ(0, copies_of(self->seed));
	ASSERT_EQ(0, syscall(SYS_finit_module, fd, "", 0));
	ASSERT_EQ(0, chown(SECMEM_DEVICE, st.st_uid, st.st_gid));
	ASSERT_EQ(0, chmod(SECMEM_DEVICE, st.st_mode & 07777));
	close(fd);
}

TEST_HARNESS_MAIN
