// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suspend and hibernation, as the processes of the machine see them, and the
 * end of a vault by its number. What a dump finds after a reboot or a panic is
 * for tests/exits.
 */
#include <linux/capability.h>
#include <linux/userfaultfd.h>

#include "attack.h"
#include "host.h"
#include "peer.h"

#define LENGTH 100
#define SNAPSHOT "/dev/snapshot"
#define REVOKE HOST_SYSFS "revoke"

#define NEED_HIBERNATION                                                \
	do {                                                            \
		if (!host_sleeps("disk") || access(SNAPSHOT, R_OK))     \
			SKIP(return, "this kernel does not hibernate"); \
	} while (0)

static int power_snapshot(int mode)
{
	int fd = open(SNAPSHOT, mode | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A CREATE that is stuck where it writes its result to the caller. */
struct stuck {
	int uffd;
	int fd;
	uint32_t flags;
	struct secmem_create_args *page;
	struct secmem_create_args result;
	pthread_t thread;
	_Atomic bool over;
	int err;
};

static void *stuck_run(void *arg)
{
	struct stuck *stuck = arg;

	stuck->err = sm_ioctl(stuck->fd, SECMEM_IOC_CREATE, stuck->page);
	stuck->over = true;
	return NULL;
}

static int stuck_protect(struct stuck *stuck, uint64_t mode)
{
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)stuck->page, SM_PAGE },
		.mode = mode,
	};

	return ioctl(stuck->uffd, UFFDIO_WRITEPROTECT, &protect) ? -errno : 0;
}

/*
 * -ENOTSUP if this kernel cannot hold up writes to memory and let reads pass.
 */
static int stuck_begin(struct stuck *stuck, int fd, uint32_t flags)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct pollfd p = { .events = POLLIN };
	int err;

	memset(stuck, 0, sizeof(*stuck));
	stuck->fd = fd;
	stuck->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (stuck->uffd < 0 || ioctl(stuck->uffd, UFFDIO_API, &api))
		return -ENOTSUP;
	stuck->page = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stuck->page == MAP_FAILED)
		return -errno;
	stuck->page->size = sizeof(*stuck->page);
	stuck->page->length = LENGTH;
	stuck->page->flags = flags;
	reg.range.start = (uintptr_t)stuck->page;
	reg.range.len = SM_PAGE;
	if (ioctl(stuck->uffd, UFFDIO_REGISTER, &reg))
		return -ENOTSUP;
	err = stuck_protect(stuck, UFFDIO_WRITEPROTECT_MODE_WP);
	if (!err)
		err = -pthread_create(&stuck->thread, NULL, stuck_run, stuck);
	p.fd = stuck->uffd;
	if (!err)
		err = SM_WAIT_UNTIL(stuck->over || poll(&p, 1, 0));
	if (err)
		return err;
	/* Old kernels offer this on processors that cannot do it. */
	if (stuck->over) {
		pthread_join(stuck->thread, NULL);
		return stuck->err ? stuck->err : -ENOTSUP;
	}
	/* poll() gives POLLERR for a userfaultfd that may block. */
	return p.revents == POLLIN ? 0 : -EIO;
}

/* Lets it go on: what CREATE returned. */
static int stuck_end(struct stuck *stuck)
{
	int err = stuck_protect(stuck, 0);

	if (err)
		return err;
	pthread_join(stuck->thread, NULL);
	stuck->result = *stuck->page;
	munmap(stuck->page, SM_PAGE);
	close(stuck->uffd);
	return stuck->err;
}

FIXTURE(power)
{
	struct sm_vault v;
	uint64_t handle;
	unsigned char bytes[LENGTH];
	char refused[128]; /* how the log names us */
	int log;
};

FIXTURE_SETUP(power)
{
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	memset(self->bytes, 0x5a, LENGTH);
	ASSERT_EQ(0,
		  sm_write(self->v.fd, self->handle, self->bytes, 0, LENGTH));
	self->log = host_log_open();
	ASSERT_LE(0, self->log);
	snprintf(
		self->refused, sizeof(self->refused),
		"hibernation refused: vault %lu of power_test[%d] holds 1 secrets",
		host_vault(self->v.fd), getpid());
}

FIXTURE_TEARDOWN(power)
{
	sm_vault_close(&self->v);
	close(self->log);
}

/* The secret is unchanged. */
#define EXPECT_WHOLE                                                          \
	do {                                                                  \
		unsigned char now[LENGTH];                                    \
		EXPECT_EQ(0,                                                  \
			  sm_read(self->v.fd, self->handle, now, 0, LENGTH)); \
		EXPECT_EQ(0, memcmp(now, self->bytes, LENGTH));               \
	} while (0)

#define EXPECT_ENDED(handle)                                            \
	do {                                                            \
		unsigned char now[LENGTH];                              \
		EXPECT_EQ(-EKEYREVOKED,                                 \
			  sm_read(self->v.fd, handle, now, 0, LENGTH)); \
		EXPECT_TRUE(sm_has_state(self->v.fd, handle,            \
					 SECMEM_STATE_CLOSED));         \
	} while (0)

TEST_F(power, hibernation_is_refused_while_a_secret_lives)
{
	uint64_t handle;

	NEED_HIBERNATION;
	EXPECT_EQ(-EBUSY, host_sleep("disk"));
	EXPECT_EQ(1, host_log_count(self->log, self->refused));
	EXPECT_WHOLE;
	/* After the refusal, secrets are created as before. */
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
	EXPECT_EQ(0, sm_close(self->v.fd, handle));

	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(0, host_sleep("disk"));
	EXPECT_EQ(0, host_log_count(self->log, "hibernation refused"));
}

/*
 * As a kexec that preserves the context does, up to where devices are
 * suspended.
 */
TEST_F(power, sleep_that_nobody_announced_is_refused_while_a_secret_lives)
{
	int reader = at_reader_open(), err;
	char refused[96];
	uint64_t handle;

	ASSERT_LE(0, reader);
	err = at_reader_sleeps(reader);
	if (err == -EOPNOTSUPP)
		SKIP(return, "devices do not sleep on this kernel");
	EXPECT_EQ(-EBUSY, err);
	snprintf(
		refused, sizeof(refused),
		"kexec with preserved context refused: vault %lu of power_test",
		host_vault(self->v.fd));
	EXPECT_EQ(1, host_log_count(self->log, refused));
	EXPECT_WHOLE;
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
	EXPECT_EQ(0, sm_close(self->v.fd, handle));

	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(0, at_reader_sleeps(reader));
	close(reader);
}

TEST_F(power, closing_secret_keeps_from_hibernation_too)
{
	NEED_HIBERNATION;
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(-EAGAIN,
		  sm_close_at(self->v.fd, self->handle, SECMEM_NOWAIT, 0));
	EXPECT_EQ(-EBUSY, power_snapshot(O_RDONLY));
	EXPECT_EQ(1, host_log_count(self->log, self->refused));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, host_sleep("disk"));
}

TEST_F(power, file_of_a_closed_secret_does_not_keep_from_hibernation)
{
	int fd;

	NEED_HIBERNATION;
	ASSERT_EQ(0,
		  sm_export(self->v.fd, self->handle, SECMEM_RIGHT_READ, &fd));
	EXPECT_EQ(-EBUSY, power_snapshot(O_RDONLY));
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(0, host_sleep("disk"));
	close(fd);
}

/* The snapshot device holds the machine between PREPARE and POST. */
TEST_F(power, nothing_is_created_while_hibernation_is_under_way)
{
	uint64_t handle;
	int snapshot;

	NEED_HIBERNATION;
	EXPECT_EQ(-EBUSY, power_snapshot(O_RDONLY));
	EXPECT_EQ(1, host_log_count(self->log, self->refused));
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	snapshot = power_snapshot(O_RDONLY);
	ASSERT_LE(0, snapshot);
	EXPECT_EQ(-EBUSY, sm_create(self->v.fd, LENGTH, &handle));
	close(snapshot);
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
}

TEST_F(power, create_on_its_way_keeps_from_hibernation)
{
	struct stuck stuck;
	int err;

	NEED_HIBERNATION;
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	err = stuck_begin(&stuck, self->v.fd, SECMEM_CREATE_RANDOM);
	if (err == -ENOTSUP)
		SKIP(return, "no userfaultfd that stops writes");
	ASSERT_EQ(0, err);
	EXPECT_EQ(-EBUSY, power_snapshot(O_RDONLY));
	EXPECT_EQ(1, host_log_count(self->log, self->refused));
	EXPECT_EQ(0, stuck_end(&stuck));
	EXPECT_EQ(0, sm_close(self->v.fd, stuck.result.handle));
	EXPECT_EQ(0, host_sleep("disk"));
}

TEST_F(power, failed_create_does_not_keep_from_hibernation)
{
	struct secmem_create_args *readonly;
	uint64_t handle;

	NEED_HIBERNATION;
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	EXPECT_EQ(-EINVAL, sm_create(self->v.fd, 0, &handle));
	readonly = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, readonly);
	readonly->size = sizeof(*readonly);
	readonly->length = LENGTH;
	ASSERT_EQ(0, mprotect(readonly, SM_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, sm_ioctl(self->v.fd, SECMEM_IOC_CREATE, readonly));
	EXPECT_EQ(0, host_sleep("disk"));
	munmap(readonly, SM_PAGE);
}

/* Secrets that asked to be wiped are gone, even open ones; all others stay. */
TEST_F(power, suspend_wipes_what_asked_for_it_alone)
{
	struct secmem_create_args wiped;
	struct secmem_status st;
	unsigned char *at;
	int err;

	HOST_NEED_SUSPEND;
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0,
				  SECMEM_CREATE_SUSPEND_WIPE, NULL, 0, &wiped));
	EXPECT_EQ(0, sm_stat(self->v.fd, wiped.handle, &st));
	EXPECT_EQ(SECMEM_STAT_SUSPEND_WIPE, st.stat_flags);
	EXPECT_EQ(0, sm_stat(self->v.fd, self->handle, &st));
	EXPECT_EQ(0, st.stat_flags);
	at = sm_vault_acquire(&self->v, wiped.handle, SECMEM_WRITE, &err);
	ASSERT_NE(NULL, at);
	EXPECT_EQ(0, sm_poke(at, 1));

	EXPECT_EQ(0, host_sleep("freeze"));
	EXPECT_ENDED(wiped.handle);
	EXPECT_EQ(SIGBUS, sm_touch(at, NULL));
	EXPECT_EQ(-EKEYREVOKED, sm_release(self->v.fd, wiped.handle));
	EXPECT_WHOLE;
	/* Suspend is over: such secrets are made again. */
	EXPECT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0,
				  SECMEM_CREATE_SUSPEND_WIPE, NULL, 0, &wiped));
}

TEST_F(power, hibernation_wipes_what_asked_for_it)
{
	struct secmem_create_args wiped;

	NEED_HIBERNATION;
	EXPECT_EQ(0, sm_close(self->v.fd, self->handle));
	ASSERT_EQ(0, sm_create_as(self->v.fd, LENGTH, 0,
				  SECMEM_CREATE_SUSPEND_WIPE, NULL, 0, &wiped));
	EXPECT_EQ(0, host_sleep("disk"));
	EXPECT_EQ(0, host_log_count(self->log, "hibernation refused"));
	EXPECT_ENDED(wiped.handle);
}

/* Another kernel's memory is about to replace this one's. */
TEST_F(power, restore_wipes_everything)
{
	unsigned char *at;
	uint64_t handle;
	int snapshot, err;

	NEED_HIBERNATION;
	at = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, at);
	EXPECT_EQ(0, sm_touch(at, NULL));
	snapshot = power_snapshot(O_WRONLY);
	ASSERT_LE(0, snapshot);
	EXPECT_EQ(SIGBUS, sm_touch(at, NULL));
	EXPECT_ENDED(self->handle);
	EXPECT_EQ(-EBUSY, sm_create(self->v.fd, LENGTH, &handle));
	close(snapshot);
	EXPECT_EQ(0, sm_create(self->v.fd, LENGTH, &handle));
}

TEST_F(power, create_on_its_way_does_not_outlive_a_restore)
{
	struct stuck stuck;
	int snapshot, err;

	NEED_HIBERNATION;
	err = stuck_begin(&stuck, self->v.fd, SECMEM_CREATE_RANDOM);
	if (err == -ENOTSUP)
		SKIP(return, "no userfaultfd that stops writes");
	ASSERT_EQ(0, err);
	snapshot = power_snapshot(O_WRONLY);
	ASSERT_LE(0, snapshot);
	EXPECT_EQ(0, stuck_end(&stuck));
	EXPECT_ENDED(stuck.result.handle);
	close(snapshot);
}

/* The end of a vault by its number. */

TEST_F(power, vault_ends_by_its_number_whoever_holds_it)
{
	unsigned long number = host_vault(self->v.fd);
	struct sm_vault other;
	unsigned char *at, byte;
	uint64_t handle, kept;
	int fd, err;

	ASSERT_LT(0, number);
	ASSERT_EQ(0, sm_vault_open(&other));
	EXPECT_LT(number, host_vault(other.fd));
	ASSERT_EQ(0, sm_create(other.fd, LENGTH, &kept));
	ASSERT_EQ(0,
		  sm_export(self->v.fd, self->handle, SECMEM_RIGHT_READ, &fd));
	EXPECT_EQ(number, host_vault(fd));
	at = sm_vault_acquire(&self->v, self->handle, SECMEM_READ, &err);
	ASSERT_NE(NULL, at);
	EXPECT_EQ(0, sm_touch(at, NULL));

	EXPECT_EQ(0, host_write_number(REVOKE, number));
	EXPECT_EQ(SIGBUS, sm_touch(at, NULL));
	EXPECT_ENDED(self->handle);
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(EKEYREVOKED, errno);
	EXPECT_EQ(-EKEYREVOKED, sm_create(self->v.fd, LENGTH, &handle));
	/* To end a vault twice is no error. Another vault is not ended. */
	EXPECT_EQ(0, host_write_number(REVOKE, number));
	EXPECT_EQ(0, sm_create(other.fd, LENGTH, &handle));
	EXPECT_TRUE(sm_has_state(other.fd, kept, SECMEM_STATE_OPEN));
	sm_vault_close(&other);
	close(fd);
}

TEST_F(power, idle_file_of_an_ended_vault_keeps_nobody_from_hibernating)
{
	NEED_HIBERNATION;
	EXPECT_EQ(-EBUSY, host_sleep("disk"));
	EXPECT_EQ(0, host_write_number(REVOKE, host_vault(self->v.fd)));
	EXPECT_EQ(0, host_sleep("disk"));
}

TEST_F(power, create_on_its_way_does_not_outlive_its_vault)
{
	struct stuck stuck;
	int err;

	err = stuck_begin(&stuck, self->v.fd, 0);
	if (err == -ENOTSUP)
		SKIP(return, "no userfaultfd that stops writes");
	ASSERT_EQ(0, err);
	EXPECT_EQ(0, host_write_number(REVOKE, host_vault(self->v.fd)));
	EXPECT_EQ(0, stuck_end(&stuck));
	EXPECT_ENDED(stuck.result.handle);
}

static int drop_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1U << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int revoke_without_admin(void *arg)
{
	if (drop_admin())
		return 255;
	return -host_write_number(REVOKE, *(unsigned long *)arg);
}

static int revoke_as_user(void *arg)
{
	if (sm_become_user())
		return 255;
	return -host_write_number(REVOKE, *(unsigned long *)arg);
}

TEST_F(power, only_an_administrator_ends_a_vault)
{
	unsigned long number = host_vault(self->v.fd);

	EXPECT_EQ(EPERM, sm_run(revoke_without_admin, &number));
	EXPECT_EQ(EACCES, sm_run(revoke_as_user, &number));
	EXPECT_EQ(-ENOENT, host_write_number(REVOKE, number + 1000));
	EXPECT_EQ(-ENOENT, host_write(REVOKE, "0"));
	EXPECT_EQ(-EINVAL, host_write(REVOKE, "all"));
	EXPECT_EQ(-EINVAL, host_write(REVOKE, "-1"));
	EXPECT_EQ(-ERANGE, host_write(REVOKE, "99999999999999999999"));
	EXPECT_EQ(-EACCES, open(REVOKE, O_RDONLY) < 0 ? -errno : 0)
	TH_LOG("readable, if only for root");
	EXPECT_WHOLE;
}

/* Whom the log and fdinfo name. */

static int use_the_vault(void *arg)
{
	const struct sm_vault *v = arg;
	const char *owner;
	uint64_t handle;
	char want[64];

	prctl(PR_SET_NAME, "a\nservice");
	if (sm_create(v->fd, LENGTH, &handle))
		return 1;
	snprintf(want, sizeof(want), "%d a\\012service", getpid());
	owner = host_fdinfo(v->fd, "owner");
	return owner && !strcmp(owner, want) ? 0 : 2;
}

TEST_F(power, fdinfo_names_who_uses_a_vault)
{
	struct sm_vault handed = { .fd = sm_open() };
	char want[64];
	int fd;

	ASSERT_LE(0, handed.fd);
	snprintf(want, sizeof(want), "%d power_test", getpid());
	EXPECT_STREQ(want, host_fdinfo(self->v.fd, "owner"));
	EXPECT_STREQ(want, host_fdinfo(handed.fd, "owner"));
	ASSERT_EQ(0,
		  sm_export(self->v.fd, self->handle, SECMEM_RIGHT_READ, &fd));
	EXPECT_STREQ(want, host_fdinfo(fd, "owner"));
	/*
	 * Once another process uses the file that was opened for it, fdinfo
	 * names that process.
	 */
	EXPECT_EQ(0, sm_run(use_the_vault, &handed));
	close(handed.fd);
	close(fd);
}

TEST_HARNESS_MAIN
