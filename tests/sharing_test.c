// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several processes: EXPORT and what the new files are good for, whom a file
 * answers, pread, poll, fdinfo, and who keeps what alive.
 */
#include <ctype.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "host.h"
#include "peer.h"

/* Newer architectures have only the newer calls. */
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait SYS_epoll_pwait
#endif

#define LENGTH 100

FIXTURE(share)
{
	int watch; /* a file that only asks for INFO */
	struct sm_vault v;
	uint64_t handle;
	unsigned char bytes[LENGTH];
	struct secmem_info before;
};

FIXTURE_SETUP(share)
{
	size_t i;

	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	for (i = 0; i < LENGTH; i++)
		self->bytes[i] = i + 1;
	ASSERT_EQ(0,
		  sm_write(self->v.fd, self->handle, self->bytes, 0, LENGTH));
	ASSERT_EQ(0, sm_info(self->watch, &self->before));
}

FIXTURE_TEARDOWN(share)
{
	sm_vault_close(&self->v);
	close(self->watch);
}

/* All counts are as before, and so many secrets were wiped since. */
#define EXPECT_COUNTS(count, wiped)                                     \
	do {                                                            \
		struct secmem_info now;                                 \
		EXPECT_EQ(0, sm_info(self->watch, &now));               \
		EXPECT_EQ(self->before.vaults, now.vaults);             \
		EXPECT_EQ(self->before.grants + (count), now.grants);   \
		EXPECT_EQ(self->before.secrets - (wiped), now.secrets); \
		EXPECT_EQ(self->before.pages - (wiped), now.pages);     \
		EXPECT_EQ(self->before.accesses, now.accesses);         \
		EXPECT_EQ(self->before.waiters, now.waiters);           \
		EXPECT_EQ(self->before.wipes + (wiped), now.wipes);     \
	} while (0)

#define EXPORT(rights, out) sm_export(self->v.fd, self->handle, rights, out)

/* Rights. */

#define RIGHT(name) SECMEM_RIGHT_##name
#define RIGHTS_OF_ONE (SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_CREATE)

enum {
	BY_READ,
	BY_PREAD,
	BY_WRITE,
	BY_COMPARE,
	BY_ACQUIRE_READ,
	BY_ACQUIRE_WRITE,
	BY_MAP,
	BY_MAP_WRITE,
	BY_MPROTECT,
	BY_SEAL,
	BY_CLOSE,
	BY_REVOKE,
	BY_EXPORT,
	BY_CREATE,
	BY_STAT,
	BY_RELEASE,
	BY_COUNT
};

/* The rights that each call needs, and what it returns with them. */
static const struct {
	const char *name;
	uint32_t needs;
	int granted;
} ways[BY_COUNT] = {
	[BY_READ] = { "READ", RIGHT(READ), 0 },
	[BY_PREAD] = { "pread", RIGHT(READ), 0 },
	[BY_WRITE] = { "WRITE", RIGHT(WRITE), 0 },
	[BY_COMPARE] = { "COMPARE", RIGHT(COMPARE), 0 },
	[BY_ACQUIRE_READ] = { "ACQUIRE READ", RIGHT(MAP) | RIGHT(READ), 0 },
	[BY_ACQUIRE_WRITE] = { "ACQUIRE WRITE",
			       RIGHT(MAP) | RIGHT(READ) | RIGHT(WRITE), 0 },
	[BY_MAP] = { "mmap", RIGHT(MAP), 0 },
	[BY_MAP_WRITE] = { "mmap PROT_WRITE", RIGHT(MAP) | RIGHT(WRITE), 0 },
	[BY_MPROTECT] = { "mprotect PROT_WRITE", RIGHT(MAP) | RIGHT(WRITE), 0 },
	[BY_SEAL] = { "SEAL", RIGHT(SEAL), 0 },
	[BY_CLOSE] = { "CLOSE", RIGHT(CLOSE), 0 },
	[BY_REVOKE] = { "REVOKE", RIGHT(REVOKE), 0 },
	[BY_EXPORT] = { "EXPORT", RIGHT(EXPORT), 0 },
	[BY_CREATE] = { "CREATE", RIGHT(CREATE), 0 },
	[BY_STAT] = { "STAT", 0, 0 },
	[BY_RELEASE] = { "RELEASE", 0, -EINVAL },
};

static int way_map(int fd, int prot, int widened)
{
	void *view = sm_map(fd, 4 * SM_PAGE, prot);
	int err = view == MAP_FAILED ? -errno : 0;

	if (err)
		return err;
	if (widened && mprotect(view, 4 * SM_PAGE, widened))
		err = -errno;
	munmap(view, 4 * SM_PAGE);
	return err;
}

static int way_acquire(int fd, uint64_t handle, uint32_t rights, uint32_t flags)
{
	void *view = sm_map(fd, SM_VIEW_LENGTH,
			    rights & RIGHT(WRITE) ? PROT_READ | PROT_WRITE :
						    PROT_READ);
	int err;

	if ((view != MAP_FAILED) != !!(rights & RIGHT(MAP)))
		return -1000;
	err = sm_acquire(fd, handle, flags, NULL);
	if (!err && sm_release(fd, handle))
		err = -1001;
	if (view != MAP_FAILED)
		munmap(view, SM_VIEW_LENGTH);
	return err;
}

static int way_go(int way, int fd, uint64_t handle, uint32_t rights)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct secmem_status st;
	uint32_t equal;
	uint64_t made;
	int err, out;

	switch (way) {
	case BY_READ:
		return sm_read(fd, handle, buffer, 0, LENGTH);
	case BY_PREAD:
		return pread(fd, buffer, LENGTH, 0) == LENGTH ? 0 : -errno;
	case BY_WRITE:
		return sm_write(fd, handle, buffer, 0, LENGTH);
	case BY_COMPARE:
		return sm_compare(fd, handle, buffer, LENGTH, &equal);
	case BY_ACQUIRE_READ:
		return way_acquire(fd, handle, rights, SECMEM_READ);
	case BY_ACQUIRE_WRITE:
		return way_acquire(fd, handle, rights, SECMEM_WRITE);
	case BY_MAP:
		return way_map(fd, PROT_READ, 0);
	case BY_MAP_WRITE:
		return way_map(fd, PROT_READ | PROT_WRITE, 0);
	case BY_MPROTECT:
		return way_map(fd, PROT_READ, PROT_READ | PROT_WRITE);
	case BY_SEAL:
		return sm_seal(fd, handle);
	case BY_CLOSE:
		return sm_close(fd, handle);
	case BY_REVOKE:
		return sm_revoke(fd, handle);
	case BY_EXPORT:
		err = sm_export(fd, handle, rights & ~RIGHT(CREATE), &out);
		if (!err)
			close(out);
		return err;
	case BY_CREATE:
		return sm_create(fd, LENGTH, &made);
	case BY_STAT:
		return sm_stat(fd, handle, &st);
	default:
		return sm_release(fd, handle);
	}
}

static int way_expected(int way, uint32_t rights)
{
	return ways[way].needs & ~rights ? -EACCES : ways[way].granted;
}

/*
 * Tries each call on a secret of its own. pread is for grants of one secret,
 * and CREATE for those of a vault.
 */
static void try_rights(struct __test_metadata *_metadata, struct sm_vault *v,
		       uint32_t rights, bool whole)
{
	struct secmem_info info;
	uint64_t handle;
	int fd, got, way;

	for (way = 0; way < BY_COUNT; way++) {
		if (way == (whole ? BY_PREAD : BY_CREATE))
			continue;
		/* EXPORT has to give a right. */
		if (way == BY_EXPORT && !(rights & ~RIGHT(CREATE)))
			continue;
		ASSERT_EQ(0, sm_create(v->fd, LENGTH, &handle));
		ASSERT_EQ(0,
			  sm_export(v->fd, whole ? SECMEM_HANDLE_NONE : handle,
				    rights, &fd));
		EXPECT_EQ(0, sm_info(fd, &info));
		EXPECT_EQ(rights, info.rights);
		got = way_go(way, fd, handle, rights);
		EXPECT_EQ(way_expected(way, rights), got)
		TH_LOG("%s by rights %#x of %s: %d", ways[way].name, rights,
		       whole ? "a vault" : "one secret", got);
		close(fd);
		ASSERT_EQ(0, sm_close(v->fd, handle));
	}
}

TEST_F_TIMEOUT(share, each_right_is_needed_by_its_calls_of_one_secret, 120)
{
	uint32_t right;

	try_rights(_metadata, &self->v, RIGHTS_OF_ONE, false);
	for (right = 1; right & SECMEM_RIGHT_ALL; right <<= 1) {
		if (right == RIGHT(CREATE))
			continue;
		try_rights(_metadata, &self->v, right, false);
		try_rights(_metadata, &self->v, RIGHTS_OF_ONE & ~right, false);
	}
}

TEST_F_TIMEOUT(share, each_right_is_needed_by_its_calls_of_a_vault, 120)
{
	uint32_t right;

	try_rights(_metadata, &self->v, SECMEM_RIGHT_ALL, true);
	for (right = 1; right & SECMEM_RIGHT_ALL; right <<= 1) {
		try_rights(_metadata, &self->v, right, true);
		try_rights(_metadata, &self->v, SECMEM_RIGHT_ALL & ~right,
			   true);
	}
}

TEST_F(share, rights_only_shrink)
{
	const uint32_t some = RIGHT(READ) | RIGHT(SEAL) | RIGHT(EXPORT);
	struct secmem_info info;
	uint32_t right;
	int whole, fd, out;

	for (whole = 0; whole < 2; whole++) {
		const uint64_t what = whole ? SECMEM_HANDLE_NONE : self->handle;

		ASSERT_EQ(0, sm_export(self->v.fd, what, some, &fd));
		for (right = 1; right & SECMEM_RIGHT_ALL; right <<= 1) {
			if (!whole && right == RIGHT(CREATE))
				continue;
			EXPECT_EQ(some & right ? 0 : -EACCES,
				  sm_export(fd, what, right, &out));
			if (out >= 0) {
				EXPECT_EQ(0, sm_info(out, &info));
				EXPECT_EQ(right, info.rights);
				close(out);
			}
			EXPECT_EQ(some & right ? 0 : -EACCES,
				  sm_export(fd, what, some | right, &out));
			if (out >= 0)
				close(out);
		}
		close(fd);
	}
	EXPECT_COUNTS(0, 0);
}

TEST_F(share, nonsense_is_no_grant)
{
	struct secmem_export_args e = {
		.size = sizeof(e),
		.handle = self->handle,
		.rights = RIGHT(READ),
		.flags = 1,
	};
	uint64_t other;
	int fd, out;

	EXPECT_EQ(-EINVAL, EXPORT(0, &out));
	EXPECT_EQ(-EINVAL, EXPORT(SECMEM_RIGHT_ALL + 1, &out));
	EXPECT_EQ(-EINVAL, EXPORT(RIGHT(READ) | 1U << 31, &out));
	EXPECT_EQ(-EINVAL, EXPORT(RIGHT(CREATE), &out));
	EXPECT_EQ(-EINVAL, EXPORT(SECMEM_RIGHT_ALL, &out));
	EXPECT_EQ(-EINVAL, sm_ioctl(self->v.fd, SECMEM_IOC_EXPORT, &e));
	EXPECT_EQ(-ENOENT,
		  sm_export(self->v.fd, self->handle + 1, RIGHT(READ), &out));
	EXPECT_EQ(-ENOENT,
		  sm_export(self->v.fd, ~UINT64_C(0), RIGHT(READ), &out));

	/* One secret gives neither another nor the vault. */
	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	EXPECT_EQ(-ENOENT, sm_export(fd, other, RIGHT(READ), &out));
	EXPECT_EQ(-EACCES,
		  sm_export(fd, SECMEM_HANDLE_NONE, RIGHT(READ), &out));
	EXPECT_EQ(0, sm_export(fd, self->handle, RIGHT(READ), &out));
	close(out);
	close(fd);
	ASSERT_EQ(0, sm_close(self->v.fd, other));
}

/* Every call with a handle that this file does not know. */
#define EXPECT_UNKNOWN(fd, handle, rights)                                     \
	do {                                                                   \
		unsigned char unknown[LENGTH] = { 0 };                         \
		struct secmem_status unknown_st;                               \
		uint32_t unknown_equal;                                        \
		int unknown_fd;                                                \
		EXPECT_EQ(-ENOENT, sm_acquire(fd, handle, SECMEM_READ, NULL)); \
		EXPECT_EQ(-ENOENT, sm_acquire_value(fd, handle, NULL));        \
		EXPECT_EQ(-ENOENT, sm_release(fd, handle));                    \
		EXPECT_EQ(-ENOENT, sm_release_value(fd, handle));              \
		EXPECT_EQ(-ENOENT, sm_read(fd, handle, unknown, 0, LENGTH));   \
		EXPECT_EQ(-ENOENT, sm_write(fd, handle, unknown, 0, LENGTH));  \
		EXPECT_EQ(-ENOENT, sm_compare(fd, handle, unknown, LENGTH,     \
					      &unknown_equal));                \
		EXPECT_EQ(-ENOENT, sm_seal(fd, handle));                       \
		EXPECT_EQ(-ENOENT, sm_close(fd, handle));                      \
		EXPECT_EQ(-ENOENT, sm_revoke(fd, handle));                     \
		EXPECT_EQ(-ENOENT, sm_stat(fd, handle, &unknown_st));          \
		EXPECT_EQ(-ENOENT,                                             \
			  sm_export(fd, handle, rights, &unknown_fd));         \
	} while (0)

TEST_F(share, other_secrets_are_no_secrets_of_this_grant)
{
	unsigned char buffer[LENGTH];
	uint64_t other;
	int fd;

	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_NE(MAP_FAILED, sm_map(fd, 4 * SM_PAGE, PROT_READ | PROT_WRITE));
	EXPECT_UNKNOWN(fd, other, RIGHT(READ));
	EXPECT_EQ(-ENOENT, sm_read(fd, SECMEM_HANDLE_NONE, buffer, 0, LENGTH));
	EXPECT_EQ(0, sm_read(self->v.fd, other, buffer, 0, LENGTH));
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
}

/*
 * The other secret has the same slot of its vault, and the same generation, as
 * ours.
 */
TEST_F(share, handle_of_another_vault_is_enoent)
{
	unsigned char buffer[LENGTH];
	struct sm_vault other;
	uint64_t handle;
	int fd, i;

	/* By accident one of some 500,000 vaults has handles like ours. */
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, sm_vault_open(&other));
		ASSERT_EQ(0, sm_create(other.fd, LENGTH, &handle));
		if (handle != self->handle)
			break;
		sm_vault_close(&other);
	}
	ASSERT_NE(self->handle, handle);
	EXPECT_UNKNOWN(self->v.fd, handle, RIGHT(READ));
	EXPECT_UNKNOWN(other.fd, self->handle, RIGHT(READ));
	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	EXPECT_UNKNOWN(fd, handle, RIGHT(READ));
	close(fd);
	ASSERT_EQ(0, sm_export(other.fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL,
			       &fd));
	EXPECT_UNKNOWN(fd, self->handle, RIGHT(READ));
	EXPECT_EQ(0, sm_read(fd, handle, buffer, 0, LENGTH));
	close(fd);
	EXPECT_EQ(0, sm_read(other.fd, handle, buffer, 0, LENGTH));
	sm_vault_close(&other);
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(0, memcmp(self->bytes, buffer, LENGTH));
}

/*
 * INFO tells everybody the same number of a grant. Copies of an fd are one
 * grant.
 */
TEST_F(share, grant_id_tells_one_grant_from_another)
{
	struct secmem_info info[4];
	int fd[4], again, i, j;

	fd[0] = dup(self->v.fd);
	ASSERT_LE(0, fd[0]);
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd[1]));
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd[2]));
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE, RIGHT(READ),
			       &fd[3]));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, sm_info(fd[i], &info[i]));
		EXPECT_NE(0, info[i].grant_id);
		EXPECT_NE(self->before.grant_id, info[i].grant_id);
		for (j = 0; j < i; j++)
			EXPECT_NE(info[j].grant_id, info[i].grant_id);
	}
	/* The next file at the same descriptor has another number. */
	close(fd[1]);
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &again));
	ASSERT_EQ(fd[1], again);
	ASSERT_EQ(0, sm_info(again, &info[2]));
	EXPECT_NE(info[1].grant_id, info[2].grant_id);
	ASSERT_EQ(0, sm_info(self->v.fd, &info[1]));
	EXPECT_EQ(info[0].grant_id, info[1].grant_id);
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

TEST_F(share, info_names_the_secret)
{
	struct secmem_info info;
	int fd;

	EXPECT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(SECMEM_HANDLE_NONE, info.handle);
	EXPECT_EQ(SECMEM_RIGHT_ALL, info.rights);
	ASSERT_EQ(0,
		  sm_export(self->v.fd, SECMEM_HANDLE_NONE, RIGHT(READ), &fd));
	EXPECT_EQ(0, sm_info(fd, &info));
	EXPECT_EQ(SECMEM_HANDLE_NONE, info.handle);
	EXPECT_EQ(RIGHT(READ), info.rights);
	close(fd);
	ASSERT_EQ(0, EXPORT(RIGHT(READ) | RIGHT(MAP), &fd));
	EXPECT_EQ(0, sm_info(fd, &info));
	EXPECT_EQ(self->handle, info.handle);
	EXPECT_EQ(RIGHT(READ) | RIGHT(MAP), info.rights);
	EXPECT_EQ(self->before.grants + 1, info.grants);
	/* Also where that secret is closed. */
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_info(fd, &info));
	EXPECT_EQ(self->handle, info.handle);
	close(fd);
}

TEST_F(share, closed_and_closing_secrets_are_not_exported)
{
	uint64_t handle;
	int fd, out;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EKEYREVOKED, EXPORT(RIGHT(READ), &out));
	EXPECT_EQ(-EKEYREVOKED, sm_export(fd, self->handle, RIGHT(READ), &out));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(-EKEYREVOKED, EXPORT(RIGHT(READ), &out));
	EXPECT_EQ(-EKEYREVOKED, sm_export(fd, self->handle, RIGHT(READ), &out));
	close(fd);
	EXPECT_EQ(-EKEYREVOKED, EXPORT(RIGHT(READ), &out));
	EXPECT_COUNTS(0, 1);

	/* A secret that was revoked is closed, too. */
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
	ASSERT_EQ(0, sm_export(self->v.fd, handle, RIGHT(READ), &fd));
	ASSERT_EQ(0, sm_revoke(self->v.fd, handle));
	EXPECT_EQ(-EKEYREVOKED,
		  sm_export(self->v.fd, handle, RIGHT(READ), &out));
	close(fd);
}

TEST_F(share, exported_files_are_close_on_exec)
{
	struct secmem_info info;
	struct peer p;
	int fd, out, flags;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	ASSERT_EQ(0, sm_export(fd, self->handle, RIGHTS_OF_ONE, &out));
	EXPECT_EQ(FD_CLOEXEC, fcntl(out, F_GETFD));
	/* The mode in which a file is open shows its rights. */
	flags = fcntl(out, F_GETFL);
	EXPECT_EQ(O_RDWR, flags & O_ACCMODE);
	close(out);
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &out));
	flags = fcntl(out, F_GETFL);
	EXPECT_EQ(O_RDONLY, flags & O_ACCMODE);
	close(out);

	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_give(&p, fd));
	close(fd);
	EXPECT_COUNTS(1, 0);
	ASSERT_EQ(0, peer_just(&p, PEER_EXEC));
	EXPECT_COUNTS(0, 0);
	EXPECT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(0, peer_stop(&p));
}

TEST_F(share, no_descriptor_left_is_emfile_and_leaves_nothing)
{
	struct secmem_export_args *e;
	struct rlimit limit;
	int files[64], n, out, i;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 32;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (n = 0; n < 64; n++) {
		i = EXPORT(RIGHT(READ), &files[n]);
		if (i)
			break;
	}
	EXPECT_EQ(-EMFILE, i);
	EXPECT_LT(0, n);
	EXPECT_COUNTS(n, 0);
	for (i = 0; i < 50; i++)
		ASSERT_EQ(-EMFILE, EXPORT(RIGHT(READ), &out));
	EXPECT_COUNTS(n, 0);
	ASSERT_EQ(0, close(files[--n]));
	EXPECT_EQ(0, EXPORT(RIGHT(READ), &files[n]));
	n++;
	while (n)
		close(files[--n]);
	EXPECT_COUNTS(0, 0);

	/* Nor does an EXPORT that cannot store its result. */
	e = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, e);
	e->size = sizeof(*e);
	e->handle = self->handle;
	e->rights = RIGHT(READ);
	ASSERT_EQ(0, mprotect(e, SM_PAGE, PROT_READ));
	n = dup(self->watch);
	ASSERT_LE(0, n);
	close(n);
	for (i = 0; i < 50; i++)
		ASSERT_EQ(-EFAULT, sm_ioctl(self->v.fd, SECMEM_IOC_EXPORT, e));
	/* The lowest free number is still free. */
	i = dup(self->watch);
	EXPECT_EQ(n, i);
	close(i);
	EXPECT_COUNTS(0, 0);
}

static int number_in(const char *path, unsigned long *number)
{
	FILE *file = fopen(path, "re");
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%lu", number);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

static int number_out(const char *path, unsigned long number)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "%lu", number);
	return fclose(file) ? -errno : 0;
}

static int export_as_user(void *arg)
{
	int *fds = arg, out, err;
	struct sm_vault v;
	uint64_t handle;

	if (sm_become_user() || sm_vault_open(&v) ||
	    sm_create(v.fd, LENGTH, &handle))
		return 100;
	if (sm_event_set(fds[0]) || sm_event_wait(fds[1]))
		return 101;
	err = sm_export(v.fd, handle, RIGHT(READ), &out);
	if (sm_event_set(fds[0]) || sm_event_wait(fds[1]))
		return 102;
	/* The control: with files to be had it works. */
	if (sm_export(v.fd, handle, RIGHT(READ), &out))
		return 103;
	return -err;
}

#define FILE_MAX "/proc/sys/fs/file-max"

TEST_F(share, no_file_left_is_enfile_and_leaves_nothing)
{
	int fds[] = { sm_event(), sm_event() };
	unsigned long most, used;
	struct secmem_info before, after;
	pid_t pid;

	if (geteuid() || number_in(FILE_MAX, &most))
		SKIP(return, "only root may lower " FILE_MAX);
	pid = sm_fork(export_as_user, fds);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, sm_event_wait(fds[0]));
	EXPECT_EQ(0, sm_info(self->watch, &before));
	ASSERT_EQ(0, number_in("/proc/sys/fs/file-nr", &used));
	/* With a limit of 0 no file is to be had, however the kernel rounds. */
	ASSERT_EQ(0, number_out(FILE_MAX, 0));
	sm_event_set(fds[1]);
	EXPECT_EQ(0, sm_event_wait(fds[0]));
	EXPECT_EQ(0, number_out(FILE_MAX, most));
	EXPECT_EQ(0, sm_info(self->watch, &after));
	EXPECT_EQ(before.grants, after.grants);
	EXPECT_EQ(before.secrets, after.secrets);
	sm_event_set(fds[1]);
	EXPECT_EQ(ENFILE, sm_reap(pid));
}

/* Whom a file answers. */

/*
 * Tries every use of a file that answers another address space: all are
 * refused.
 */
static int refused_all(int fd, uint64_t handle)
{
	int way;

	for (way = 0; way < BY_COUNT; way++) {
		/* CREATE is no right of one secret anyway. */
		if (way == BY_CREATE || way == BY_ACQUIRE_READ ||
		    way == BY_ACQUIRE_WRITE)
			continue;
		if (way_go(way, fd, handle, RIGHTS_OF_ONE) != -EACCES)
			return way + 1;
	}
	if (sm_acquire(fd, handle, SECMEM_READ, NULL) != -EACCES ||
	    sm_acquire(fd, handle, SECMEM_WRITE, NULL) != -EACCES)
		return -1;
	return 0;
}

TEST_F(share, grant_answers_its_first_user_until_that_is_gone)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct pollfd p = { .events = POLLIN };
	struct secmem_info info;
	struct peer peers[2];
	int fd, i;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	p.fd = fd;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, peer_start(&peers[i]));
		ASSERT_EQ(0, peer_give(&peers[i], fd));
	}
	for (i = 0; i < 10; i++) {
		struct peer *user = &peers[i % 2], *other = &peers[1 - i % 2];

		/*
		 * INFO and poll do not count as a use: so the user is the
		 * first.
		 */
		ASSERT_EQ(0, sm_info(fd, &info));
		ASSERT_EQ(1, poll(&p, 1, 0));
		ASSERT_EQ(0, peer_copy(user, SECMEM_IOC_READ, self->handle, 0,
				       buffer, LENGTH, NULL));
		ASSERT_EQ(0, memcmp(buffer, self->bytes, LENGTH));
		ASSERT_EQ(0, refused_all(fd, self->handle));
		ASSERT_EQ(-EACCES,
			  peer_copy(other, SECMEM_IOC_READ, self->handle, 0,
				    buffer, LENGTH, NULL));
		ASSERT_EQ(0, peer_map_view(user, 4 * SM_PAGE,
					   PROT_READ | PROT_WRITE));
		ASSERT_EQ(0,
			  peer_acquire(user, self->handle, SECMEM_READ, NULL));
		/* INFO and poll answer everybody. */
		EXPECT_EQ(0, sm_info(fd, &info));
		EXPECT_EQ(self->handle, info.handle);
		EXPECT_EQ(1, poll(&p, 1, 0));
		/*
		 * The user ends, by a kill or by itself; a new one takes its
		 * place.
		 */
		ASSERT_EQ(i % 4 < 2 ? 128 + SIGKILL : 0,
			  i % 4 < 2 ? peer_kill(user) : peer_stop(user));
		ASSERT_EQ(0, peer_start(user));
		ASSERT_EQ(0, peer_give(user, fd));
	}
	/* And the exporter itself may have it. */
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(-EACCES, peer_copy(&peers[0], SECMEM_IOC_READ, self->handle,
				     0, buffer, LENGTH, NULL));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_stop(&peers[i]));
	close(fd);
	EXPECT_COUNTS(0, 0);
}

TEST_F(share, exec_frees_a_grant_for_the_next_program)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct peer_ask exec = { .what = PEER_EXEC, .flags = 1 };
	struct peer p;
	int fd;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_give(&p, fd));
	ASSERT_EQ(0, peer_map_view(&p, 4 * SM_PAGE, PROT_READ));
	ASSERT_EQ(0, peer_acquire(&p, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_ask(&p, &exec, NULL));
	/* The access ended with the old program; the new one has the file. */
	EXPECT_COUNTS(1, 0);
	EXPECT_EQ(0, peer_copy(&p, SECMEM_IOC_READ, self->handle, 0, buffer,
			       LENGTH, NULL));
	EXPECT_EQ(0, memcmp(buffer, self->bytes, LENGTH));
	EXPECT_EQ(-EACCES, sm_read(fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(0, peer_stop(&p));
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
	close(fd);
}

TEST_F(share, child_of_the_user_is_another_address_space)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct peer p;
	int fd;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_give(&p, fd));
	/* The parent uses it, and ends; then the child is its first user. */
	ASSERT_EQ(0, peer_copy(&p, SECMEM_IOC_READ, self->handle, 0, buffer,
			       LENGTH, NULL));
	ASSERT_EQ(0, peer_just(&p, PEER_FORK));
	ASSERT_EQ(0, sm_reap(p.pid));
	EXPECT_EQ(0, peer_copy(&p, SECMEM_IOC_READ, self->handle, 0, buffer,
			       LENGTH, NULL));
	EXPECT_EQ(-EACCES, sm_read(fd, self->handle, buffer, 0, LENGTH));
	close(p.socket);
	ASSERT_LT(0, wait(NULL));
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
	close(fd);
	EXPECT_COUNTS(0, 0);
}

/* Threads of one process that use a file for the first time together. */

#define RUSH_ROUNDS 20000

struct rush {
	uint64_t handle;
	int fd;
	_Atomic int round; /* in which both go; -1: the thread ends */
	_Atomic int ended; /* the thread's last round */
	_Atomic int refused;
};

static void rush_go(struct rush *rush)
{
	struct secmem_status st;

	rush->refused += sm_stat(rush->fd, rush->handle, &st) != 0;
}

static void *rush_run(void *arg)
{
	struct rush *rush = arg;
	unsigned int looks;
	int round;

	for (round = 1;; round++) {
		for (looks = 0; rush->round >= 0 && rush->round < round;
		     looks++)
			sm_step_aside(looks);
		if (rush->round < 0)
			return NULL;
		rush_go(rush);
		rush->ended = round;
	}
}

/*
 * One thread comes a little later from round to round, so that each distance is
 * tried.
 */
TEST_F_TIMEOUT(share, threads_that_come_first_together_are_all_answered, 150)
{
	struct rush rush = { .handle = self->handle };
	unsigned int looks;
	volatile int late;
	pthread_t thread;
	int round;

	ASSERT_EQ(0, pthread_create(&thread, NULL, rush_run, &rush));
	for (round = 1; round <= RUSH_ROUNDS && !rush.refused; round++) {
		ASSERT_EQ(0, EXPORT(RIGHT(READ), &rush.fd));
		rush.round = round;
		for (late = round % 512; late; late--)
			;
		rush_go(&rush);
		for (looks = 0; rush.ended < round; looks++)
			sm_step_aside(looks);
		close(rush.fd);
	}
	rush.round = -1;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, rush.refused);
	EXPECT_COUNTS(0, 0);
}

/* One secret, many views. */

TEST_F(share, each_grant_has_a_view_of_its_own)
{
	const uint64_t far = SM_PAGE + 904;
	uint64_t offsets[3], other, many[8];
	unsigned char *views[3], got;
	int fds[3], i;

	/*
	 * The secret lies far behind others in the vault's view, but not in
	 * that of a grant of its own.
	 */
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0,
			  sm_create(self->v.fd, SECMEM_LENGTH_MAX, &many[i]));
	ASSERT_EQ(0, sm_create(self->v.fd, far, &other));
	ASSERT_EQ(0, sm_write(self->v.fd, other, "x", far - 1, 1));
	fds[0] = self->v.fd;
	views[0] = self->v.view;
	for (i = 1; i < 3; i++) {
		ASSERT_EQ(0,
			  sm_export(self->v.fd, other, RIGHTS_OF_ONE, &fds[i]));
		/* Two pages, and a guard page on each side. */
		views[i] = sm_map(fds[i], 4 * SM_PAGE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, views[i]);
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0,
			  sm_acquire(fds[i], other, SECMEM_READ, &offsets[i]));
		EXPECT_EQ(0, (offsets[i] + far) % SM_PAGE);
	}
	EXPECT_LT(8 * SECMEM_LENGTH_MAX, offsets[0]);
	EXPECT_EQ(3 * SM_PAGE - far, offsets[1]);
	EXPECT_EQ(offsets[1], offsets[2]);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, sm_touch(views[i] + offsets[i] + far - 1, &got));
		EXPECT_EQ('x', got);
		EXPECT_EQ(SIGSEGV, sm_touch(views[i] + offsets[i] + far, NULL));
	}
	/* The views are opened and shut apart, also within one process. */
	ASSERT_EQ(0, sm_release(fds[1], other));
	EXPECT_EQ(SIGSEGV, sm_touch(views[1] + offsets[1], NULL));
	EXPECT_EQ(0, sm_touch(views[2] + offsets[2], NULL));
	EXPECT_EQ(0, sm_touch(views[0] + offsets[0], NULL));
	EXPECT_EQ(-EINVAL, sm_release(fds[1], other));
	EXPECT_EQ(-EAGAIN, sm_acquire(fds[1], other,
				      SECMEM_WRITE | SECMEM_NOWAIT, NULL));
	ASSERT_EQ(0, sm_release(fds[0], other));
	EXPECT_EQ(SIGSEGV, sm_touch(views[0] + offsets[0], NULL));
	EXPECT_EQ(0, sm_touch(views[2] + offsets[2], NULL));
	ASSERT_EQ(0, sm_release(fds[2], other));
	EXPECT_EQ(SIGSEGV, sm_touch(views[2] + offsets[2], NULL));

	/* What is written through one view is read through another. */
	ASSERT_EQ(0, sm_acquire(fds[1], other, SECMEM_WRITE, NULL));
	EXPECT_EQ(-EAGAIN,
		  sm_acquire(fds[2], other, SECMEM_READ | SECMEM_NOWAIT, NULL));
	EXPECT_EQ(SIGSEGV, sm_touch(views[2] + offsets[2], NULL));
	EXPECT_EQ(0, sm_poke(views[1] + offsets[1], 77));
	ASSERT_EQ(0, sm_release(fds[1], other));
	ASSERT_EQ(0, sm_acquire(fds[2], other, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_touch(views[2] + offsets[2], &got));
	EXPECT_EQ(77, got);
	ASSERT_EQ(0, sm_release(fds[2], other));
}

TEST_F(share, view_that_is_too_short_is_enxio)
{
	uint64_t offset;
	void *view;
	int fd, pages;

	for (pages = 1; pages <= 3; pages++) {
		ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
		EXPECT_EQ(-ENXIO,
			  sm_acquire(fd, self->handle, SECMEM_READ, &offset));
		view = sm_map(fd, pages * SM_PAGE, PROT_READ);
		ASSERT_NE(MAP_FAILED, view);
		EXPECT_EQ(pages < 3 ? -ENXIO : 0,
			  sm_acquire(fd, self->handle, SECMEM_READ, &offset));
		munmap(view, pages * SM_PAGE);
		close(fd);
	}
	EXPECT_COUNTS(0, 0);
}

TEST_F(share, open_in_one_process_and_shut_in_another)
{
	const uint32_t rights = RIGHTS_OF_ONE;
	unsigned char bytes[LENGTH];
	struct peer a, b;
	uint64_t at_a, at_b, offset;
	int i;

	ASSERT_EQ(0, peer_start_with(&a, self->v.fd, self->handle, rights,
				     4 * SM_PAGE));
	ASSERT_EQ(0, peer_start_with(&b, self->v.fd, self->handle, rights,
				     4 * SM_PAGE));
	/* An access that is over tells where the secret lies. */
	ASSERT_EQ(0, peer_acquire(&b, self->handle, SECMEM_READ, &at_b));
	ASSERT_EQ(0, peer_touch(&b, at_b, LENGTH, bytes));
	ASSERT_EQ(0, peer_release(&b, self->handle));

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0,
			  peer_acquire(&a, self->handle, SECMEM_READ, &at_a));
		ASSERT_EQ(SIGSEGV, peer_touch(&b, at_b, 1, NULL));
		ASSERT_EQ(0, peer_touch(&a, at_a, LENGTH, bytes));
		ASSERT_EQ(0, memcmp(bytes, self->bytes, LENGTH));
		ASSERT_EQ(SIGSEGV, peer_poke(&a, at_a, 0, 1));
		/* Both, then b alone. */
		ASSERT_EQ(0,
			  peer_acquire(&b, self->handle, SECMEM_READ, &at_b));
		ASSERT_EQ(0, peer_release(&a, self->handle));
		ASSERT_EQ(SIGSEGV, peer_touch(&a, at_a, 1, NULL));
		ASSERT_EQ(0, peer_touch(&b, at_b, LENGTH, bytes));
		ASSERT_EQ(0, memcmp(bytes, self->bytes, LENGTH));
		/* A writer in another process has to wait for b. */
		ASSERT_EQ(-EAGAIN,
			  sm_acquire(self->v.fd, self->handle,
				     SECMEM_WRITE | SECMEM_NOWAIT, NULL));
		ASSERT_EQ(-EINVAL, peer_release(&a, self->handle));
		ASSERT_EQ(0, peer_release(&b, self->handle));
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_WRITE,
					&offset));
		ASSERT_EQ(SIGSEGV, peer_touch(&a, at_a, 1, NULL));
		ASSERT_EQ(-EAGAIN,
			  peer_acquire(&a, self->handle,
				       SECMEM_READ | SECMEM_NOWAIT, NULL));
		self->bytes[3] = i;
		ASSERT_EQ(0, sm_poke(self->v.view + offset + 3, i));
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	}
	EXPECT_EQ(0, peer_stop(&a));
	EXPECT_EQ(0, peer_stop(&b));
	EXPECT_COUNTS(0, 0);
}

/* Clocks. */

static const struct {
	unsigned long nr;
	uint32_t flags;
} clock_waits[] = {
	{ SECMEM_IOC_READ, 0 },
	{ SECMEM_IOC_WRITE, 0 },
	{ SECMEM_IOC_COMPARE, 0 },
	{ SECMEM_IOC_ACQUIRE, SECMEM_READ },
	{ SECMEM_IOC_ACQUIRE, SECMEM_WRITE },
	{ SECMEM_IOC_CLOSE, 0 },
};

/* Asks a peer for a call with a deadline, which is of the peer's clock. */
static int clock_ask(struct peer *p, uint64_t handle, unsigned int wait,
		     int64_t deadline)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = clock_waits[wait].nr,
		.flags = clock_waits[wait].flags,
		.handle = handle,
		.deadline = deadline,
		.length = clock_waits[wait].nr == SECMEM_IOC_CLOSE ? 0 : 1,
	};

	return peer_send(p, &ask);
}

#define SECOND INT64_C(1000000000)

TEST_F_TIMEOUT(share, deadline_is_of_the_callers_time_namespace, 120)
{
	/* The first is the control: no time namespace. */
	static const int64_t aheads[] = { 0, 3600, -3 };
	struct peer_ask shift = { .what = PEER_TIME };
	struct peer_tell tell;
	int64_t ahead, end, never;
	unsigned int i, wait;
	struct peer p;
	int fd, err;

	for (i = 0; i < ARRAY_SIZE(aheads); i++) {
		ahead = aheads[i] * SECOND;
		ASSERT_EQ(0, peer_start(&p));
		if (ahead) {
			shift.offset = aheads[i];
			err = peer_ask(&p, &shift, &tell);
			if (err == -EINVAL)
				SKIP(return, "no time namespaces here");
			ASSERT_EQ(0, err);
			EXPECT_LT(
				llabs(sm_now() + ahead - (int64_t)tell.offset),
				SECOND);
		}
		ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
		ASSERT_EQ(0, peer_give(&p, fd));
		close(fd);
		ASSERT_EQ(0, peer_map_view(&p, 4 * SM_PAGE,
					   PROT_READ | PROT_WRITE));
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_WRITE,
					NULL));
		/*
		 * With a deadline that never comes, or comes very late, a call
		 * waits.
		 */
		for (never = SECMEM_FOREVER;; never = INT64_MAX) {
			ASSERT_EQ(0, clock_ask(&p, self->handle, 0, never));
			ASSERT_EQ(0,
				  sm_wait_waiters(self->v.fd, self->handle, 1));
			EXPECT_FALSE(peer_has_answered(&p));
			ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
			ASSERT_EQ(0, peer_receive(&p, NULL));
			ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle,
						SECMEM_WRITE, NULL));
			if (never == INT64_MAX)
				break;
		}
		for (wait = 0; wait < ARRAY_SIZE(clock_waits); wait++) {
			ASSERT_EQ(0, clock_ask(&p, self->handle, wait, 0));
			ASSERT_EQ(-ETIMEDOUT, peer_receive(&p, NULL));
			end = sm_in_ms(50);
			ASSERT_EQ(0, clock_ask(&p, self->handle, wait,
					       end + ahead));
			ASSERT_EQ(-ETIMEDOUT, peer_receive(&p, NULL));
			EXPECT_LE(end, sm_now());
		}
		ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
		EXPECT_EQ(0, peer_stop(&p));
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	}
}

/* pread. */

TEST_F(share, pread_is_read)
{
	unsigned char buffer[2 * LENGTH];
	void *volatile nowhere = NULL;
	int fd, whole, i;

	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd));
	for (i = 0; i < LENGTH; i++) {
		memset(buffer, 0, sizeof(buffer));
		/* Up to the end, whatever is asked for. */
		ASSERT_EQ(LENGTH - i, pread(fd, buffer, sizeof(buffer), i));
		ASSERT_EQ(0, memcmp(buffer, self->bytes + i, LENGTH - i));
		ASSERT_EQ(0, buffer[LENGTH - i]);
		ASSERT_EQ(1, pread(fd, buffer, 1, i));
		ASSERT_EQ(self->bytes[i], buffer[0]);
	}
	EXPECT_EQ(0, pread(fd, buffer, 0, 0));
	EXPECT_EQ(0, pread(fd, buffer, 1, LENGTH));
	EXPECT_EQ(0, pread(fd, buffer, 1, LENGTH + 1));
	EXPECT_EQ(0, pread(fd, buffer, 1, INT64_MAX - 1));
	EXPECT_EQ(-1, pread(fd, buffer, 1, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(fd, nowhere, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(fd, buffer, 1, 0));
	EXPECT_NE(0, errno);

	/* A vault has no bytes. */
	EXPECT_EQ(-1, pread(self->v.fd, buffer, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE, RIGHT(READ),
			       &whole));
	EXPECT_EQ(-1, pread(whole, buffer, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	close(whole);

	/* Nor has a closed secret, and reads at its end fail, too. */
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(-1, pread(fd, buffer, 1, 0));
	EXPECT_EQ(EKEYREVOKED, errno);
	EXPECT_EQ(-1, pread(fd, buffer, 1, LENGTH));
	EXPECT_EQ(EKEYREVOKED, errno);
	close(fd);
}

struct reader {
	pthread_t thread;
	int fd;
	unsigned char buffer[LENGTH];
	ssize_t got;
	int error;
	bool done; /* atomic */
};

static void *reader_run(void *arg)
{
	struct reader *r = arg;

	r->got = pread(r->fd, r->buffer, LENGTH, 0);
	r->error = r->got < 0 ? errno : 0;
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F(share, pread_waits_for_a_writer_unless_nonblocking)
{
	struct reader r = { 0 };
	unsigned char buffer[LENGTH];
	uint64_t offset;
	int fd;

	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd));
	r.fd = fd;
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_WRITE, &offset));
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, reader_run, &r));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, self->handle, 1));
	EXPECT_FALSE(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE));

	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, pread(fd, buffer, LENGTH, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-1, pread(fd, buffer, LENGTH, LENGTH));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, sm_poke(self->v.view + offset, 42));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	ASSERT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE)));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(LENGTH, r.got);
	EXPECT_EQ(42, r.buffer[0]);
	EXPECT_EQ(LENGTH, pread(fd, buffer, LENGTH, 0));
	EXPECT_EQ(0, memcmp(buffer, r.buffer, LENGTH));
	close(fd);
}

/* poll. */

static int poll_now(int fd)
{
	struct pollfd p = {
		.fd = fd,
		.events = POLLIN | POLLOUT | POLLPRI,
	};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

TEST_F(share, poll_tells_of_the_end)
{
	int fd;

	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd));
	EXPECT_EQ(0, poll_now(fd) & (POLLPRI | POLLHUP | POLLERR));
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, poll_now(fd) & (POLLPRI | POLLHUP | POLLERR));
	ASSERT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(POLLPRI, poll_now(fd) & (POLLPRI | POLLHUP | POLLERR));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(POLLHUP, poll_now(fd) & (POLLHUP | POLLERR));
	close(fd);
}

#define WATCHES 1024

TEST_F(share, watches_of_a_file_are_bounded)
{
	struct rlimit files = { 2 * WATCHES, 2 * WATCHES };
	struct epoll_event event = { .events = EPOLLIN };
	int fd, other, i, watches[WATCHES + 1];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd));
	ASSERT_EQ(0, EXPORT(RIGHT(READ), &other));
	for (i = 0; i <= WATCHES; i++) {
		EXPECT_EQ(POLLIN, poll_now(fd));
		watches[i] = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_LE(0, watches[i]);
		ASSERT_EQ(0, epoll_ctl(watches[i], EPOLL_CTL_ADD, fd, &event));
	}
	/* The one watch too many, which nobody would wake, is told so. */
	EXPECT_EQ(1, epoll_wait(watches[WATCHES], &event, 1, 0));
	EXPECT_EQ(EPOLLIN | EPOLLERR, event.events);
	EXPECT_EQ(POLLIN | POLLERR, poll_now(fd));
	EXPECT_EQ(POLLIN, poll_now(other));
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	for (i = 0; i < WATCHES; i++) {
		event.events = 0;
		EXPECT_EQ(1, epoll_wait(watches[i], &event, 1, SM_PATIENCE_MS));
		EXPECT_EQ(EPOLLHUP | EPOLLERR, event.events);
	}
	EXPECT_EQ(POLLHUP, poll_now(other));
	for (i = 0; i <= WATCHES; i++)
		close(watches[i]);
	close(other);
	close(fd);
}

struct poller {
	pthread_t thread;
	int fd, epoll, wanted;
	int got;
	bool done; /* atomic */
};

static void *poller_run(void *arg)
{
	struct poller *p = arg;
	struct epoll_event event = { .events = 0 };
	struct pollfd one = { .fd = p->fd, .events = p->wanted };

	if (p->epoll >= 0) {
		if (epoll_wait(p->epoll, &event, 1, SM_PATIENCE_MS) == 1)
			p->got = event.events;
	} else if (poll(&one, 1, SM_PATIENCE_MS) == 1) {
		p->got = one.revents;
	}
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Whether a thread sleeps in this system call, and so has begun to wait. */
static bool sleeps_in(pid_t tid, long call)
{
	char path[64], state = 0;
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%ld", &number) != 1)
			number = -1;
		fclose(file);
	}
	if (number != call)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

static pid_t tid_shared; /* atomic */

static void *poller_named(void *arg)
{
	__atomic_store_n(&tid_shared, gettid(), __ATOMIC_RELEASE);
	return poller_run(arg);
}

#define POLLER_START(p)                                                       \
	do {                                                                  \
		__atomic_store_n(&tid_shared, 0, __ATOMIC_RELEASE);           \
		(p)->done = false;                                            \
		(p)->got = 0;                                                 \
		ASSERT_EQ(0, pthread_create(&(p)->thread, NULL, poller_named, \
					    p));                              \
		ASSERT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(                   \
				     &tid_shared, __ATOMIC_ACQUIRE)));        \
		ASSERT_EQ(0, SM_WAIT_UNTIL(sleeps_in(tid_shared,              \
						     (p)->epoll >= 0 ?        \
							     SYS_epoll_wait : \
							     SYS_poll)));     \
	} while (0)

#define EXPECT_POLLER(p, mask)                                            \
	do {                                                              \
		ASSERT_EQ(0, SM_WAIT_UNTIL(__atomic_load_n(               \
				     &(p)->done, __ATOMIC_ACQUIRE)));     \
		pthread_join((p)->thread, NULL);                          \
		EXPECT_EQ(mask, (p)->got &(POLLPRI | POLLHUP | POLLERR)); \
	} while (0)

/* By CLOSE, by REVOKE, and by another process. */
TEST_F(share, poller_that_waits_is_woken)
{
	struct epoll_event event = { .events = EPOLLPRI };
	struct poller p = { .epoll = -1 };
	uint64_t handle;
	int by_epoll, how;
	struct peer peer;

	for (by_epoll = 0; by_epoll < 2; by_epoll++) {
		for (how = 0; how < 3; how++) {
			ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
			ASSERT_EQ(0, sm_export(self->v.fd, handle, RIGHT(READ),
					       &p.fd));
			p.epoll = -1;
			p.wanted = POLLPRI;
			if (by_epoll) {
				p.epoll = epoll_create1(EPOLL_CLOEXEC);
				ASSERT_LE(0, p.epoll);
				ASSERT_EQ(0, epoll_ctl(p.epoll, EPOLL_CTL_ADD,
						       p.fd, &event));
			}
			ASSERT_EQ(0, peer_start_with(&peer, self->v.fd, handle,
						     RIGHTS_OF_ONE, 0));
			if (how == 0) {
				ASSERT_EQ(0, sm_acquire(self->v.fd, handle,
							SECMEM_READ, NULL));
				POLLER_START(&p);

				ASSERT_EQ(-EAGAIN,
					  sm_close_at(self->v.fd, handle,
						      SECMEM_NOWAIT, 0));
				EXPECT_POLLER(&p, POLLPRI);
				/* It waits again, for the end of the secret. */
				if (!by_epoll) {
					p.wanted = 0;
					POLLER_START(&p);
					ASSERT_EQ(0, sm_release(self->v.fd,
								handle));
					EXPECT_POLLER(&p, POLLHUP);
				} else {
					ASSERT_EQ(0, sm_release(self->v.fd,
								handle));
				}
			} else {
				p.wanted = 0;
				POLLER_START(&p);
				ASSERT_EQ(0,
					  peer_op(&peer,
						  how == 1 ? SECMEM_IOC_CLOSE :
							     SECMEM_IOC_REVOKE,
						  handle));
				EXPECT_POLLER(&p, POLLHUP);
			}
			EXPECT_EQ(POLLHUP,
				  poll_now(p.fd) & (POLLHUP | POLLERR));
			EXPECT_EQ(0, peer_stop(&peer));
			/*
			 * The file is closed first, while epoll still has it.
			 */
			close(p.fd);
			if (by_epoll)
				close(p.epoll);
		}
	}
}

/* A poller is not told of later secrets in the same place. */
TEST_F(share, hung_up_is_for_good)
{
	uint64_t other;
	int fd, i;

	ASSERT_EQ(0, EXPORT(RIGHT(READ), &fd));
	ASSERT_EQ(0, sm_close(self->v.fd, self->handle));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
		ASSERT_EQ(POLLHUP, poll_now(fd) & (POLLHUP | POLLERR | POLLIN));
		ASSERT_EQ(0, sm_close(self->v.fd, other));
	}
	close(fd);
}

/* fdinfo. */

static int fdinfo(int fd, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return host_read(path, text, size);
}

/* The value of the one line "name:\tvalue". */
static const char *field(const char *text, const char *name)
{
	static char value[512];
	size_t length = strlen(name), n;
	const char *found = NULL, *line;

	for (line = text; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, name, length) || line[length] != ':')
			continue;
		if (found)
			return "twice";
		found = line + length + 1;
	}
	if (!found)
		return "missing";
	found += strspn(found, "\t ");
	n = strcspn(found, "\n");
	if (n >= sizeof(value))
		n = sizeof(value) - 1;
	memcpy(value, found, n);
	value[n] = 0;
	return value;
}

TEST_F(share, fdinfo_tells_state_and_counts)
{
	struct sm_call writer;
	char text[4096], number[32];
	struct secmem_create_args c;
	int fd;

	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, 0, "a label", 0, &c));
	ASSERT_EQ(0, sm_export(self->v.fd, c.handle, RIGHTS_OF_ONE, &fd));
	ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
	EXPECT_STREQ("open", field(text, "state"));
	EXPECT_STREQ("a label", field(text, "label"));
	EXPECT_STREQ("100", field(text, "length"));
	EXPECT_STREQ("0", field(text, "readers"));
	EXPECT_STREQ("0", field(text, "writers"));
	EXPECT_STREQ("0", field(text, "waiters"));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)c.handle);
	EXPECT_STREQ(number, field(text, "handle"));
	EXPECT_EQ(RIGHTS_OF_ONE, strtoul(field(text, "rights"), NULL, 0));

	ASSERT_EQ(0, sm_acquire(self->v.fd, c.handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_acquire(self->v.fd, c.handle, SECMEM_READ, NULL));
	writer = (struct sm_call){
		.fd = self->v.fd,
		.call = SECMEM_IOC_ACQUIRE,
		.handle = c.handle,
		.flags = SECMEM_WRITE,
		.deadline = SECMEM_FOREVER,
	};
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, c.handle, 1));
	ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
	EXPECT_STREQ("2", field(text, "readers"));
	EXPECT_STREQ("1", field(text, "waiters"));
	ASSERT_EQ(-EAGAIN, sm_close_at(self->v.fd, c.handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EKEYREVOKED, sm_call_finish(&writer));
	ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
	EXPECT_STREQ("closing", field(text, "state"));
	ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
	ASSERT_EQ(0, sm_release(self->v.fd, c.handle));
	ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
	EXPECT_STREQ("closed", field(text, "state"));
	EXPECT_STREQ("", field(text, "label"));

	/* The file of a vault has no label. */
	ASSERT_LT(0, fdinfo(self->v.fd, text, sizeof(text)));
	EXPECT_EQ(SECMEM_RIGHT_ALL, strtoul(field(text, "rights"), NULL, 0));
	EXPECT_STREQ("missing", field(text, "label"));
	close(fd);
}

/* Each file of the vault tells it, that of one secret, too. */
TEST_F(share, fdinfo_tells_of_the_vault)
{
	char text[4096], bytes[32], locked[64];
	struct sm_call writer = {
		.call = SECMEM_IOC_ACQUIRE,
		.flags = SECMEM_WRITE,
		.deadline = SECMEM_FOREVER,
	};
	int fds[2], i;
	uint64_t large;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fds[0]));
	fds[1] = self->v.fd;
	ASSERT_EQ(0, sm_create(self->v.fd, SM_PAGE + 1, &large));
	ASSERT_EQ(0, sm_acquire(self->v.fd, large, SECMEM_READ, NULL));
	writer.fd = self->v.fd;
	writer.handle = large;
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(self->v.fd, large, 1));
	snprintf(bytes, sizeof(bytes), "%zu", 3 * SM_PAGE);
	snprintf(locked, sizeof(locked), "0 %zu", 3 * SM_PAGE);
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, fdinfo(fds[i], text, sizeof(text)));
		EXPECT_STREQ("2", field(text, "vault-secrets"));
		EXPECT_STREQ(bytes, field(text, "vault-bytes"));
		EXPECT_STREQ(locked, field(text, "vault-locked"));
		EXPECT_STREQ("1", field(text, "vault-waiters"));
	}
	ASSERT_EQ(0, sm_release(self->v.fd, large));
	ASSERT_EQ(0, sm_call_finish(&writer));
	ASSERT_EQ(0, sm_release(self->v.fd, large));
	ASSERT_EQ(0, sm_close(self->v.fd, large));
	for (i = 0; i < 2; i++) {
		ASSERT_LT(0, fdinfo(fds[i], text, sizeof(text)));
		EXPECT_STREQ("1", field(text, "vault-secrets"));
		EXPECT_STREQ("0", field(text, "vault-waiters"));
	}
	snprintf(bytes, sizeof(bytes), "%zu", SM_PAGE);
	EXPECT_STREQ(bytes, field(text, "vault-bytes"));
	close(fds[0]);
}

/* Whatever a label holds, it neither makes lines nor talks to terminals. */
TEST_F(share, fdinfo_escapes_the_label)
{
	static const char *const labels[] = {
		"x\nstate:\tclosed",  "tab\there",     "back\\slash",
		"\x1b[2J\x1b[31mred", "cr\rstate:\tx", "\x7f\x01\x02\x1f",
		"\xc3\xa4\xff\x80",
	};
	char text[4096];
	struct secmem_create_args c;
	size_t i, j;
	int fd;

	for (i = 0; i < ARRAY_SIZE(labels); i++) {
		ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, 0, labels[i],
					  0, &c));
		ASSERT_EQ(0,
			  sm_export(self->v.fd, c.handle, RIGHTS_OF_ONE, &fd));
		ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
		EXPECT_STREQ("open", field(text, "state"));
		EXPECT_NE(0, *field(text, "label"));
		for (j = 0; text[j]; j++)
			EXPECT_TRUE(isprint((unsigned char)text[j]) ||
				    text[j] == '\n' || text[j] == '\t')
		TH_LOG("label %zu: byte %#x in fdinfo", i,
		       (unsigned char)text[j]);
		close(fd);
	}
	/* A label of the greatest length is shown in full. */
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0, 0,
				  "0123456789abcdef0123456789abcdef", 0, &c));
	ASSERT_EQ(0, sm_export(self->v.fd, c.handle, RIGHTS_OF_ONE, &fd));
	ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
	EXPECT_STREQ("0123456789abcdef0123456789abcdef", field(text, "label"));
	close(fd);
}

TEST_F(share, fdinfo_never_tells_content)
{
	static const char content[] = "CONTENT-THAT-NOBODY-MAY-SEE";
	char text[4096];
	int fd, held;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, content, 0,
			      sizeof(content)));
	for (held = 0; held < 2; held++) {
		if (held)
			ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle,
						SECMEM_WRITE, NULL));
		ASSERT_LT(0, fdinfo(fd, text, sizeof(text)));
		EXPECT_EQ(NULL, strstr(text, "CONTENT"));
		ASSERT_LT(0, fdinfo(self->v.fd, text, sizeof(text)));
		EXPECT_EQ(NULL, strstr(text, "CONTENT"));
	}
	close(fd);
}

/* Who keeps what. */

enum owner_end { BY_EXIT, BY_KILL, BY_EXEC, BY_EXEC_KEPT, BY_DROP, OWNER_ENDS };

/*
 * An owner with two secrets, one of which it exported to somebody, ends: the
 * other secret is wiped, the exported one is not.
 */
TEST_F(share, end_of_the_owner_wipes_what_is_not_exported)
{
	struct peer_ask exec = { .what = PEER_EXEC }, create, export;
	unsigned char buffer[LENGTH];
	struct secmem_info info;
	struct peer_tell tell;
	struct peer owner, user;
	uint64_t handle, offset = 0;
	int end, fd;

	for (end = 0; end < OWNER_ENDS; end++) {
		ASSERT_EQ(0, sm_info(self->watch, &self->before));
		ASSERT_EQ(0, peer_start(&owner));
		fd = sm_open();
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, peer_give(&owner, fd));
		close(fd);
		create = (struct peer_ask){
			.what = PEER_CALL,
			.nr = SECMEM_IOC_CREATE,
			.length = LENGTH,
		};
		ASSERT_EQ(0, peer_ask(&owner, &create, &tell));
		ASSERT_EQ(0, peer_ask(&owner, &create, &tell));
		handle = tell.handle;
		memset(buffer, 0x40 + end, LENGTH);
		ASSERT_EQ(0, peer_copy(&owner, SECMEM_IOC_WRITE, handle, 0,
				       buffer, LENGTH, NULL));
		export = (struct peer_ask){
			.what = PEER_CALL,
			.nr = SECMEM_IOC_EXPORT,
			.handle = handle,
			.rights = RIGHTS_OF_ONE,
		};
		ASSERT_EQ(0, peer_send(&owner, &export));
		ASSERT_EQ(0, peer_receive_fd(&owner, &tell, &fd));
		ASSERT_EQ(0, tell.result);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, peer_start(&user));
		ASSERT_EQ(0, peer_give(&user, fd));
		close(fd);
		ASSERT_EQ(0, peer_map_view(&user, 4 * SM_PAGE, PROT_READ));
		if (end % 2)
			ASSERT_EQ(0, peer_acquire(&user, handle, SECMEM_READ,
						  &offset));
		EXPECT_EQ(0, sm_info(self->watch, &info));
		EXPECT_EQ(self->before.secrets + 2, info.secrets);

		switch (end) {
		case BY_EXIT:
			ASSERT_EQ(0, peer_stop(&owner));
			break;
		case BY_KILL:
			ASSERT_EQ(128 + SIGKILL, peer_kill(&owner));
			break;
		case BY_DROP:
			ASSERT_EQ(0, peer_just(&owner, PEER_DROP));
			break;
		default:
			exec.flags = end == BY_EXEC_KEPT;
			ASSERT_EQ(0, peer_ask(&owner, &exec, NULL));
		}
		EXPECT_EQ(0, sm_info(self->watch, &info));
		EXPECT_EQ(self->before.secrets + 1, info.secrets);
		EXPECT_EQ(self->before.pages + 1, info.pages);
		EXPECT_EQ(self->before.wipes + 1, info.wipes)
		TH_LOG("end %d", end);

		/*
		 * The exported secret has its bytes, and the grant all its
		 * rights.
		 */
		memset(buffer, 0, LENGTH);
		ASSERT_EQ(0, peer_copy(&user, SECMEM_IOC_READ, handle, 0,
				       buffer, LENGTH, NULL));
		EXPECT_EQ(0x40 + end, buffer[0]);
		EXPECT_EQ(0x40 + end, buffer[LENGTH - 1]);
		if (!(end % 2))
			ASSERT_EQ(0, peer_acquire(&user, handle, SECMEM_READ,
						  &offset));
		EXPECT_EQ(0, peer_touch(&user, offset, LENGTH, buffer));
		EXPECT_EQ(0x40 + end, buffer[LENGTH / 2]);
		EXPECT_EQ(0, peer_release(&user, handle));
		EXPECT_EQ(SIGSEGV, peer_touch(&user, offset, 1, NULL));
		EXPECT_EQ(0, peer_copy(&user, SECMEM_IOC_WRITE, handle, 0,
				       buffer, LENGTH, NULL));
		/* The secret ends with its last grant. */
		ASSERT_EQ(end % 2 ? 128 + SIGKILL : 0,
			  end % 2 ? peer_kill(&user) : peer_stop(&user));
		EXPECT_EQ(0, sm_info(self->watch, &info));
		EXPECT_EQ(self->before.secrets, info.secrets);
		EXPECT_EQ(self->before.pages, info.pages);
		EXPECT_EQ(self->before.wipes + 2, info.wipes);
		if (end == BY_EXEC || end == BY_EXEC_KEPT || end == BY_DROP)
			ASSERT_EQ(0, peer_stop(&owner));
		EXPECT_EQ(0, sm_info(self->watch, &info));
		EXPECT_EQ(self->before.vaults, info.vaults);
		EXPECT_EQ(self->before.grants, info.grants);
	}
}

TEST_F(share, grant_of_the_vault_keeps_all_of_it)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct peer p;
	uint64_t made;
	int fd, next;

	/* A grant of the vault keeps it, even on its way to somebody. */
	ASSERT_EQ(0, sm_export(self->v.fd, SECMEM_HANDLE_NONE, SECMEM_RIGHT_ALL,
			       &fd));
	sm_vault_close(&self->v);
	EXPECT_COUNTS(0, 0);
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_give(&p, fd));
	EXPECT_EQ(0, peer_copy(&p, SECMEM_IOC_READ, self->handle, 0, buffer,
			       LENGTH, NULL));
	EXPECT_EQ(0, memcmp(buffer, self->bytes, LENGTH));

	/*
	 * Once its user is gone, nobody keeps the secret, even with the file
	 * open.
	 */
	EXPECT_EQ(128 + SIGKILL, peer_kill(&p));
	EXPECT_COUNTS(0, 1);
	EXPECT_EQ(-EKEYREVOKED, sm_read(fd, self->handle, buffer, 0, LENGTH));
	/*
	 * The file still serves as a vault: its next user keeps what it makes.
	 */
	EXPECT_EQ(0, sm_create(fd, LENGTH, &made));
	EXPECT_EQ(0, sm_export(fd, SECMEM_HANDLE_NONE, RIGHT(READ), &next));
	close(fd);
	EXPECT_EQ(0, sm_read(next, made, buffer, 0, LENGTH));
	self->before.secrets++;
	self->before.pages++;
	EXPECT_COUNTS(0, 1);
	close(next);
	self->before.vaults--;
	self->before.grants--;
	EXPECT_COUNTS(0, 2);
}

TEST_F(share, forked_child_with_the_file_keeps_nothing)
{
	struct peer p;
	struct peer_ask create = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_CREATE,
		.length = LENGTH,
	};
	struct secmem_info info;
	int fd = sm_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_give(&p, fd));
	close(fd);
	ASSERT_EQ(0, peer_ask(&p, &create, NULL));
	ASSERT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(self->before.secrets + 1, info.secrets);
	/* The peer goes on in a child, which has the file. */
	ASSERT_EQ(0, peer_just(&p, PEER_FORK));
	ASSERT_EQ(0, sm_reap(p.pid));
	ASSERT_EQ(0, sm_info(self->watch, &info));
	EXPECT_EQ(self->before.secrets, info.secrets);
	EXPECT_EQ(self->before.wipes + 1, info.wipes);
	EXPECT_EQ(self->before.vaults + 1, info.vaults);
	close(p.socket);
	ASSERT_LT(0, wait(NULL));
	self->before.wipes++;
	EXPECT_COUNTS(0, 0);
}

TEST_F(share, grants_of_grants)
{
	unsigned char buffer[LENGTH] = { 0 };
	struct secmem_info info;
	int fd, next, i;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	sm_vault_close(&self->v);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, sm_info(fd, &info));
		ASSERT_EQ(self->handle, info.handle);
		ASSERT_EQ(0, sm_export(fd, self->handle, RIGHTS_OF_ONE, &next));
		/* The grant that this one came from is not needed any more. */
		close(fd);
		fd = next;
	}
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(0, memcmp(buffer, self->bytes, LENGTH));
	EXPECT_EQ(0, sm_close(fd, self->handle));
	EXPECT_EQ(-EKEYREVOKED, sm_read(fd, self->handle, buffer, 0, LENGTH));
	close(fd);
	self->before.vaults--;
	self->before.grants--;
	EXPECT_COUNTS(0, 1);
}

TEST_F(share, grant_on_its_way_keeps_its_secret)
{
	unsigned char buffer[LENGTH] = { 0 };
	int fd, pair[2];
	char byte = 0;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	ASSERT_EQ(0,
		  socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, peer_message_send(pair[0], &byte, 1, fd));
	close(fd);
	close(pair[0]);
	sm_vault_close(&self->v);
	/* The grant is only in the socket now. */
	EXPECT_COUNTS(0, 0);
	ASSERT_EQ(0, peer_message_receive(pair[1], &byte, 1, &fd));
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, sm_read(fd, self->handle, buffer, 0, LENGTH));
	EXPECT_EQ(0, memcmp(buffer, self->bytes, LENGTH));

	/*
	 * A grant that never arrives keeps the secret until its socket is
	 * closed.
	 */
	close(pair[1]);
	ASSERT_EQ(0,
		  socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, peer_message_send(pair[0], &byte, 1, fd));
	close(fd);
	EXPECT_COUNTS(0, 0);
	close(pair[0]);
	close(pair[1]);
	self->before.vaults--;
	self->before.grants--;
	ASSERT_EQ(0, SM_WAIT_UNTIL(({
			  struct secmem_info now;
			  !sm_info(self->watch, &now) &&
				  now.secrets == self->before.secrets - 1 &&
				  now.grants == self->before.grants;
		  })));
	EXPECT_COUNTS(0, 1);
}

/*
 * The place of a closed secret serves no other while a grant names that secret.
 */
TEST_F(share, place_is_not_used_again_while_a_grant_names_it)
{
	uint64_t other, offset = 0;
	unsigned char *view;
	int fd, i;

	ASSERT_EQ(0, EXPORT(RIGHTS_OF_ONE, &fd));
	view = sm_map(fd, 4 * SM_PAGE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_EQ(0, sm_acquire(fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, sm_revoke(self->v.fd, self->handle));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &other));
		ASSERT_EQ(0, sm_acquire(self->v.fd, other, SECMEM_READ, NULL));
		ASSERT_EQ(SIGBUS, sm_touch(view + offset, NULL));
		ASSERT_EQ(-EKEYREVOKED,
			  sm_acquire(fd, self->handle, SECMEM_READ, NULL));
		ASSERT_EQ(0, sm_release(self->v.fd, other));
		ASSERT_EQ(0, sm_close(self->v.fd, other));
	}
	munmap(view, 4 * SM_PAGE);
	close(fd);
	self->before.wipes += 300;
	EXPECT_COUNTS(0, 1);
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

/* Such a grant has a record of its own for each place that it holds or held. */
TEST(accesses_of_a_further_grant_end_with_its_process)
{
	uint64_t handles[3];
	struct secmem_status st;
	struct sm_vault v;
	struct peer p;
	int i;

	ASSERT_EQ(0, sm_vault_open(&v));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, sm_create(v.fd, 32, &handles[i]));
	ASSERT_EQ(0, peer_start_with(&p, v.fd, SECMEM_HANDLE_NONE,
				     SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
				     64 * SM_PAGE));
	/* The peer has released the second one again. */
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, peer_acquire(&p, handles[i], SECMEM_READ, NULL));
	ASSERT_EQ(0, peer_release(&p, handles[1]));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sm_stat(v.fd, handles[i], &st));
		EXPECT_EQ(i != 1, st.readers);
	}
	EXPECT_EQ(128 + SIGKILL, peer_kill(&p));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, sm_stat(v.fd, handles[i], &st));
		EXPECT_EQ(0, st.readers);
		EXPECT_EQ(0, sm_close_at(v.fd, handles[i], SECMEM_NOWAIT,
					 SECMEM_FOREVER));
	}
	sm_vault_close(&v);
}

PEER_HARNESS_MAIN
