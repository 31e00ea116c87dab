// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of libsecmem where a program closes its descriptors, or puts
 * other files in their place; and where descriptors are short.
 */
#include "library.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <ucontext.h>

/* As closefrom(3), which daemons use, and not each C library has. */
static void close_from(unsigned int first)
{
	if (syscall(SYS_close_range, first, ~0U, 0))
		while (first < 1024)
			close(first++);
}

/* Puts another file in place of the library's only descriptor: its number. */
static int replace(int with)
{
	int fd = secmem_fd();

	return dup2(with, fd) == fd ? fd : -1;
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int fd_is_open(void *argument)
{
	return !is_open(*(int *)argument);
}

TEST(descriptors_are_high)
{
	struct rlimit limit = { 1024, 1024 };
	secmem_secret_t secret;
	secmem_grant_t grant;
	int low, i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	low = dup(0);
	close(low);
	ASSERT_EQ(0, create_text(&secret));
	EXPECT_LE(768, secmem_fd());
	/* And the library leaves the low numbers alone. */
	EXPECT_EQ(low, dup(0));
	for (i = 3; i < 768; i++)
		close(i);
	EXPECT_EQ(0, secmem_is_closed(secret));

	limit.rlim_cur = 16;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, secmem_grant_open(&grant));
	EXPECT_LE(12, secmem_fd());
	EXPECT_GT(16, secmem_fd());
	EXPECT_EQ(0, secmem_grant_close(grant));
}

TEST(descriptors_are_low_where_there_is_no_other)
{
	struct rlimit limit = { 16, 16 };
	secmem_secret_t secret;
	secmem_grant_t grant;
	int fd;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	while ((fd = dup(0)) >= 0)
		;
	EXPECT_EQ(-EMFILE, create_text(&secret));
	close(5);
	EXPECT_EQ(0, create_text(&secret));
	EXPECT_EQ(5, secmem_fd());
	EXPECT_EQ(-EMFILE, secmem_grant_open(&grant));
	EXPECT_EQ(5, secmem_fd());
	/* The library takes none of the standard three. */
	close(0);
	EXPECT_EQ(-EMFILE, secmem_grant_open(&grant));
	EXPECT_FALSE(is_open(0));
}

TEST(fork_closes_no_descriptor_of_the_program)
{
	secmem_secret_t secret;
	int fd;

	ASSERT_EQ(0, create_text(&secret));
	fd = replace(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, in_child(fd_is_open, &fd));
	EXPECT_TRUE(is_open(fd));
}

static int errno_after_fork(void *argument)
{
	(void)argument;
	return errno != 4711;
}

TEST(fork_leaves_errno_alone)
{
	secmem_secret_t secret;

	ASSERT_EQ(0, create_text(&secret));
	close(secmem_fd());
	errno = 4711;
	EXPECT_EQ(0, in_child(errno_after_fork, NULL));
}

TEST(grant_close_closes_no_descriptor_of_the_program)
{
	secmem_grant_t grant;
	int fd;

	ASSERT_EQ(0, secmem_grant_open(&grant));
	fd = replace(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_TRUE(is_open(fd));
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_close(grant));
	/* The control. */
	ASSERT_EQ(0, secmem_grant_open(&grant));
	fd = secmem_fd();
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_FALSE(is_open(fd));
}

TEST(lost_secrets_are_told_and_the_default_opens_again)
{
	struct secmem_access access;
	secmem_secret_t lost, secret;
	struct secmem_status status;
	char got[sizeof(text)];
	void *data;

	ASSERT_EQ(0, create_text(&lost));
	ASSERT_EQ(0, secmem_acquire(lost, SECMEM_READ, 0, &access));
	data = access.data;
	close_from(3);
	/* Until the library notices, its view alone keeps the vault. */
	EXPECT_EQ(0, sm_touch(data, NULL));
	EXPECT_EQ(-EKEYREVOKED, secmem_read(lost, got, 1, 0, 0));
	EXPECT_EQ(SIGSEGV, sm_touch(data, NULL));
	EXPECT_EQ(1, secmem_is_closed(lost));
	EXPECT_EQ(-EKEYREVOKED, secmem_stat(lost, &status, sizeof(status)));
	EXPECT_EQ(-EKEYREVOKED, secmem_close(lost, SECMEM_FOREVER));
	EXPECT_EQ(-EKEYREVOKED, secmem_release(&access));
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_close(secmem_secret_grant(lost)));

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(1, secmem_fds());
	EXPECT_EQ(1, info_now().vaults);
	EXPECT_EQ(1, info_now().secrets);
	EXPECT_NE(lost.grant, secret.grant);
	EXPECT_EQ(0, secmem_read(secret, got, sizeof(got), 0, 0));
	EXPECT_EQ(0, memcmp(got, text, sizeof(text)));
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	EXPECT_EQ(1, secmem_is_closed(lost));
}

/* The loss is noticed by whichever call comes first, again and again. */
TEST(default_opens_again_by_each_call)
{
	struct secmem_info info;
	secmem_secret_t secret;
	int i, fd;

	for (i = 0; i < 40; i++) {
		switch (i % 4) {
		case 0:
			ASSERT_EQ(0, create_text(&secret));
			break;
		case 1:
			ASSERT_EQ(0, secmem_grant_info(SECMEM_GRANT_DEFAULT,
						       &info, sizeof(info)));
			break;
		case 2:
			fd = secmem_grant_export(SECMEM_GRANT_DEFAULT,
						 SECMEM_RIGHT_READ);
			ASSERT_LE(0, fd);
			close(fd);
			break;
		case 3:
			ASSERT_EQ(0, secmem_create_random(&secret, 1, NULL));
			ASSERT_EQ(0, secmem_with_bytes(secret, 0, nothing, NULL,
						       NULL));
		}
		ASSERT_EQ(1, secmem_fds());
		close_from(3);
	}
	EXPECT_EQ(1, info_now().vaults);
}

TEST(other_vault_is_not_taken_for_the_own)
{
	struct secmem_status status = { .size = sizeof(status) };
	secmem_secret_t lost, secret;
	int other, fd;
	uint64_t handle;
	char byte;

	ASSERT_EQ(0, create_text(&lost));
	fd = secmem_fd();
	other = sm_open();
	ASSERT_LE(0, other);
	ASSERT_EQ(0, sm_create(other, sizeof(text), &handle));
	ASSERT_EQ(fd, dup2(other, fd));
	EXPECT_EQ(-EKEYREVOKED, secmem_read(lost, &byte, 1, 0, 0));
	EXPECT_TRUE(is_open(fd));

	/* Nor is a secret created in the other file's vault. */
	ASSERT_EQ(0, create_text(&secret));
	status.handle = secret.handle;
	EXPECT_EQ(-ENOENT, sm_ioctl(other, SECMEM_IOC_STAT, &status));
	EXPECT_EQ(0, secmem_close(secret, 0));
}

TEST(nothing_is_created_in_a_vault_that_took_the_number)
{
	struct secmem_status status = { .size = sizeof(status) };
	secmem_secret_t lost, secret;
	int other, fd;

	ASSERT_EQ(0, create_text(&lost));
	fd = secmem_fd();
	other = sm_open();
	ASSERT_LE(0, other);
	ASSERT_EQ(fd, dup2(other, fd));
	ASSERT_EQ(0, create_text(&secret));
	status.handle = secret.handle;
	EXPECT_EQ(-ENOENT, sm_ioctl(other, SECMEM_IOC_STAT, &status));
	EXPECT_EQ(0, secmem_is_closed(secret));
	EXPECT_EQ(1, secmem_is_closed(lost));
}

TEST(export_is_not_of_a_vault_that_took_the_number)
{
	struct secmem_status status = { .size = sizeof(status) };
	secmem_secret_t secret;
	int other, fd, export;
	uint64_t handle;

	ASSERT_EQ(0, create_text(&secret));
	fd = secmem_fd();
	other = sm_open();
	ASSERT_LE(0, other);
	ASSERT_EQ(0, sm_create(other, 8, &handle));
	ASSERT_EQ(fd, dup2(other, fd));
	export = secmem_grant_export(SECMEM_GRANT_DEFAULT, SECMEM_RIGHT_ALL);
	ASSERT_LE(0, export);
	status.handle = handle;
	EXPECT_EQ(-ENOENT, sm_ioctl(export, SECMEM_IOC_STAT, &status));
	EXPECT_EQ(0, sm_ioctl(other, SECMEM_IOC_STAT, &status));
}

/* A file of the same vault knows the handle, and would let go for its user. */
TEST(nothing_is_dropped_by_a_file_of_the_vault_that_took_the_number)
{
	secmem_secret_t secret;
	int fd, export;
	char byte;

	ASSERT_EQ(0, create_text(&secret));
	fd = secmem_fd();
	export = secmem_grant_export(SECMEM_GRANT_DEFAULT, SECMEM_RIGHT_ALL);
	ASSERT_LE(0, export);
	ASSERT_EQ(fd, dup2(export, fd));
	EXPECT_EQ(-EKEYREVOKED, secmem_drop(secret));
	EXPECT_EQ(0, sm_read(export, secret.handle, &byte, 0, 1));
}

/* Where the own secret began, one of the other vault begins. */
TEST(pointer_leads_to_no_secret_of_a_vault_that_took_the_number)
{
	struct secmem_access access;
	secmem_secret_t secret, found;
	int other, fd;
	uint64_t handle;
	void *data;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	data = access.data;
	ASSERT_EQ(0, secmem_release(&access));
	EXPECT_EQ(0, secmem_secret_from(data, &found));
	fd = secmem_fd();
	other = sm_open();
	ASSERT_LE(0, other);
	ASSERT_EQ(0, sm_create(other, sizeof(text), &handle));
	ASSERT_EQ(fd, dup2(other, fd));
	EXPECT_EQ(-EKEYREVOKED, secmem_secret_from(data, &found));
	EXPECT_EQ(SECMEM_HANDLE_NONE, found.handle);
	EXPECT_EQ(-ENOENT, secmem_secret_from(data, &found));
}

TEST(offset_of_a_file_that_took_the_number_stays)
{
	struct secmem_access access, held;
	secmem_secret_t secret;
	int file = memfd_create("database", 0);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 1LL << 45));
	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &held));
	ASSERT_LE(0, replace(file));
	ASSERT_EQ(100, lseek(file, 100, SEEK_SET));
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_acquire(secret, SECMEM_READ, SECMEM_FOREVER, &access));
	EXPECT_EQ(100, lseek(file, 0, SEEK_CUR));
	EXPECT_EQ(-EKEYREVOKED, secmem_release(&held));
	EXPECT_EQ(100, lseek(file, 0, SEEK_CUR));
}

TEST(file_that_took_the_number_is_not_mapped)
{
	int file = memfd_create("database", 0);
	secmem_secret_t secret;
	char line[256], *found = NULL;
	FILE *maps;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 1 << 20));
	ASSERT_EQ(0, create_text(&secret));
	ASSERT_LE(0, replace(file));
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps) && !found)
		found = strstr(line, "database");
	EXPECT_EQ(NULL, found);
	fclose(maps);
}

TEST(recycled_number_can_be_adopted)
{
	secmem_secret_t secret, adopted;
	secmem_grant_t grant;
	struct secmem_options options = { .size = sizeof(options) };
	int fd, number;

	ASSERT_EQ(0, secmem_grant_open(&grant));
	options.grant = grant;
	ASSERT_EQ(0, secmem_create_zero(&secret, 8, &options));
	fd = secmem_export(secret, SECMEM_RIGHT_READ);
	ASSERT_LE(0, fd);
	number = fd + 1;
	while (!is_secmem_fd(number))
		number++;
	ASSERT_EQ(number, dup2(fd, number));
	close(fd);
	ASSERT_EQ(0, secmem_adopt(number, &adopted));
	EXPECT_EQ(0, secmem_is_closed(adopted));
	EXPECT_EQ(1, secmem_is_closed(secret));
	EXPECT_EQ(0, secmem_is_closed(adopted));
}

/* Only a copy that the program had made still leads to the grant's file. */
TEST(lost_grant_can_be_adopted_again)
{
	secmem_secret_t secret, first, second;
	int fd, copy;

	ASSERT_EQ(0, create_text(&secret));
	fd = secmem_export(secret, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	ASSERT_LE(0, fd);
	copy = dup(fd);
	ASSERT_EQ(0, secmem_adopt(fd, &first));
	EXPECT_EQ(-EBUSY, secmem_adopt(copy, &second));
	fd = dup(copy);
	close_from(768);
	EXPECT_EQ(0, secmem_adopt(copy, &second));
	EXPECT_EQ(-EBUSY, secmem_adopt(fd, &first));
	EXPECT_EQ(0, secmem_with_bytes(second, 0, nothing, NULL, NULL));
}

struct inside {
	secmem_secret_t created;
	int error, again, touched;
	const void *data;
};

static int close_inside(const void *data, size_t length, void *argument)
{
	struct inside *inside = argument;

	(void)length;
	close_from(3);
	inside->error = create_text(&inside->created);
	inside->again =
		secmem_with_bytes(inside->created, 0, nothing, NULL, NULL);
	inside->data = data;
	inside->touched = sm_touch(data, NULL);
	return 0;
}

TEST(callback_keeps_its_bytes_when_the_descriptor_is_lost)
{
	struct inside inside = { 0 };
	secmem_secret_t secret;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, close_inside, &inside, NULL));
	EXPECT_EQ(0, inside.error);
	EXPECT_EQ(0, inside.again);
	EXPECT_EQ(0, inside.touched);
	EXPECT_EQ(SIGSEGV, sm_touch(inside.data, NULL));
	EXPECT_EQ(0, secmem_is_closed(inside.created));
	EXPECT_EQ(1, info_now().vaults);
}

/*
 * What another thread might do between a check of the library's and the system
 * call that follows, done at exactly that moment: a filter turns the call into
 * a SIGSYS, whose handler first does what the thread might do, and then makes
 * the call.
 */

struct moment {
	long number; /* of the system call */
	uint32_t value; /* of the argument by which calls are told apart */
	unsigned int skip; /* such calls that come before */
	void (*meanwhile)(void);
	bool over; /* set before meanwhile is called */
};

static struct moment moment = { .over = true };

/*
 * The argument by which calls are told apart, in its lower half. A value in its
 * upper half tells the filter to let the call pass.
 */
static unsigned int telling(long number)
{
	return number == SYS_mmap ? 3 : 1;
}

#ifdef __x86_64__
#define CALL_RESULT REG_RAX
static const int call_arguments[] = { REG_RDI, REG_RSI, REG_RDX,
				      REG_R10, REG_R8,	REG_R9 };
#define CALL_REGISTER(context, i) ((context)->uc_mcontext.gregs[i])
#else
#define CALL_RESULT 0
static const int call_arguments[] = { 0, 1, 2, 3, 4, 5 };
#define CALL_REGISTER(context, i) ((context)->uc_mcontext.regs[i])
#endif

static void call_trapped(int signo, siginfo_t *info, void *pointer)
{
	ucontext_t *context = pointer;
	uint64_t arguments[6];
	int saved = errno, i;
	long result;

	(void)signo;
	for (i = 0; i < 6; i++)
		arguments[i] = CALL_REGISTER(context, call_arguments[i]);
	i = telling(info->si_syscall);
	if (!moment.over && info->si_syscall == moment.number &&
	    (uint32_t)arguments[i] == moment.value && !moment.skip--) {
		moment.over = true;
		moment.meanwhile();
	}
	arguments[i] |= 1ULL << 32;
	result = syscall(info->si_syscall, arguments[0], arguments[1],
			 arguments[2], arguments[3], arguments[4],
			 arguments[5]);
	CALL_REGISTER(context, CALL_RESULT) = result < 0 ? -errno : result;
	errno = saved;
}

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define UPPER(argument)                                                        \
	(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (argument) + \
	 sizeof(uint32_t))
#define JUMP_IF(number, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, yes, no)

/* Installs the filter for this thread, and those that it starts. */
static int trap_calls(void)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP_IF(SYS_mmap, 0, 2),
		LOAD(UPPER(3)),
		BPF_STMT(BPF_JMP | BPF_JA, 3),
		JUMP_IF(SYS_ioctl, 1, 0),
		JUMP_IF(SYS_fcntl, 0, 3),
		LOAD(UPPER(1)),
		JUMP_IF(0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(*filter),
		.filter = filter,
	};
	/*
	 * SIGSYS may come again within the handler: if that forks, the child's
	 * fork handler makes such calls.
	 */
	struct sigaction action = {
		.sa_sigaction = call_trapped,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	if (sigaction(SIGSYS, &action, NULL) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

static void at_call(long number, uint32_t value, unsigned int skip,
		    void (*meanwhile)(void))
{
	moment = (struct moment){ .number = number,
				  .value = value,
				  .skip = skip,
				  .meanwhile = meanwhile };
}

#define TRAP_OR_SKIP()                                              \
	do {                                                        \
		int trapped = trap_calls();                         \
		if (trapped == -EINVAL)                             \
			SKIP(return, "no filters of system calls"); \
		ASSERT_EQ(0, trapped);                              \
	} while (0)

static void lose(void)
{
	close_from(768);
}

TEST(descriptor_lost_as_the_view_is_mapped_is_told)
{
	secmem_secret_t secret;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, create_text(&secret));
	at_call(SYS_mmap, MAP_SHARED, 0, lose);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	EXPECT_TRUE(moment.over);
	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	EXPECT_EQ(1, secmem_fds());
}

/* The library's only descriptor, and a vault that takes its number. */
static int taken, taker;

static void take(void)
{
	dup2(taker, taken);
}

/* A secret behind that descriptor, and the vault, which has not taken it yet. */
static int taker_ready(secmem_secret_t *secret)
{
	int error = create_text(secret);

	taken = secmem_fd();
	taker = sm_open();
	return error ?: taker < 0 ? taker : 0;
}

TEST(number_taken_as_the_view_is_mapped_is_told)
{
	secmem_secret_t secret;
	void *view;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, taker_ready(&secret));
	view = sm_map(taker, SM_VIEW_LENGTH, PROT_READ);
	ASSERT_NE(MAP_FAILED, view);
	at_call(SYS_mmap, MAP_SHARED, 0, take);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	EXPECT_TRUE(moment.over);
	EXPECT_TRUE(is_open(taken));
}

TEST(vault_that_took_the_number_keeps_its_one_view)
{
	secmem_secret_t secret;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, taker_ready(&secret));
	at_call(SYS_mmap, MAP_SHARED, 0, take);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	EXPECT_TRUE(moment.over);
	EXPECT_NE(MAP_FAILED, sm_map(taker, SM_VIEW_LENGTH, PROT_READ));
}

TEST(secret_is_not_left_in_a_vault_that_just_took_the_number)
{
	struct secmem_info info;
	secmem_secret_t secret;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, taker_ready(&secret));
	at_call(SYS_ioctl, SECMEM_IOC_CREATE, 0, take);
	EXPECT_EQ(-EKEYREVOKED, secmem_create_random(&secret, 8, NULL));
	EXPECT_TRUE(moment.over);
	EXPECT_EQ(SECMEM_HANDLE_NONE, secret.handle);
	ASSERT_EQ(0, sm_info(taker, &info));
	EXPECT_EQ(0, info.secrets);
	ASSERT_EQ(0, secmem_create_random(&secret, 8, NULL));
	EXPECT_EQ(0, secmem_is_closed(secret));
	/* One on the whole machine, and that is the library's. */
	ASSERT_EQ(0, sm_info(taker, &info));
	EXPECT_EQ(1, info.secrets);
}

TEST(neither_told_of_nor_exported_is_a_vault_that_just_took_the_number)
{
	struct secmem_info info;
	secmem_secret_t secret;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, taker_ready(&secret));
	at_call(SYS_ioctl, SECMEM_IOC_EXPORT, 0, take);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_grant_export(SECMEM_GRANT_DEFAULT, SECMEM_RIGHT_ALL));
	EXPECT_TRUE(moment.over);
	/* taken and taker, which lead to one file. */
	EXPECT_EQ(2, secmem_fds());
	close(taken);

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_TRUE(is_secmem_fd(taken));
	/* The first INFO is the library's check. */
	at_call(SYS_ioctl, SECMEM_IOC_INFO, 1, take);
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_info(secmem_secret_grant(secret),
						  &info, sizeof(info)));
	EXPECT_TRUE(moment.over);
	EXPECT_EQ(0, info.grant_id);
}

TEST(pointer_leads_to_no_secret_of_a_vault_that_just_took_the_number)
{
	struct secmem_access access;
	secmem_secret_t secret, found;
	uint64_t handle;
	void *data;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, taker_ready(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	data = access.data;
	ASSERT_EQ(0, secmem_release(&access));
	ASSERT_EQ(0, sm_create(taker, sizeof(text), &handle));
	at_call(SYS_ioctl, SECMEM_IOC_STAT, 0, take);
	EXPECT_EQ(-EKEYREVOKED, secmem_secret_from(data, &found));
	EXPECT_TRUE(moment.over);
	EXPECT_EQ(SECMEM_HANDLE_NONE, found.handle);
}

/* Fork beside a thread that has opened a descriptor but not listed it yet */

static int forking, forked, opener_here;
static pid_t main_thread;

static bool main_sleeps(void)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", main_thread);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'S';
}

/* Waits until the child is there, or the forking thread waits for this one. */
static void await_fork(void)
{
	sm_event_set(opener_here);
	(void)SM_WAIT_UNTIL(
		__atomic_load_n(&forked, __ATOMIC_ACQUIRE) ||
		(__atomic_load_n(&forking, __ATOMIC_ACQUIRE) && main_sleeps()));
}

static void *open_grant(void *argument)
{
	secmem_grant_t *grant = argument;

	return (void *)(intptr_t)secmem_grant_open(grant);
}

static int count_fds(void *argument)
{
	(void)argument;
	return secmem_fds();
}

TEST(child_inherits_no_descriptor_of_a_thread_that_opens_one)
{
	secmem_secret_t secret;
	secmem_grant_t grant;
	pthread_t thread;
	void *result;
	int got;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, create_text(&secret));
	opener_here = sm_event();
	main_thread = gettid();
	at_call(SYS_fcntl, F_DUPFD_CLOEXEC, 0, await_fork);
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_grant, &grant));
	ASSERT_EQ(0, sm_event_wait(opener_here));
	__atomic_store_n(&forking, 1, __ATOMIC_RELEASE);
	got = in_child(count_fds, NULL);
	__atomic_store_n(&forked, 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(0, (intptr_t)result);
	EXPECT_EQ(0, got);
	EXPECT_EQ(2, secmem_fds());
	EXPECT_EQ(0, secmem_grant_close(grant));
}

static int forked_inside;

static int nobody(void *argument)
{
	(void)argument;
	return 0;
}

static void fork_now(void)
{
	forked_inside = in_child(nobody, NULL);
}

TEST(fork_in_a_signal_handler_does_not_wait_for_the_call_it_interrupted)
{
	secmem_secret_t secret;
	secmem_grant_t grant;

	TRAP_OR_SKIP();
	ASSERT_EQ(0, create_text(&secret));
	forked_inside = -1;
	at_call(SYS_fcntl, F_DUPFD_CLOEXEC, 0, fork_now);
	EXPECT_EQ(0, secmem_grant_open(&grant));
	EXPECT_EQ(0, forked_inside);
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_EQ(0, in_child(count_fds, NULL));
}

struct user {
	pthread_t thread;
	bool *stop;
	unsigned int made;
	int unexpected;
};

static void *use(void *argument)
{
	struct user *user = argument;
	secmem_secret_t secret = SECMEM_SECRET_NONE;
	int error;

	while (!__atomic_load_n(user->stop, __ATOMIC_ACQUIRE)) {
		error = secret.handle ?
				secmem_with_bytes(secret, SECMEM_FOREVER,
						  nothing, NULL, NULL) :
				-EKEYREVOKED;
		if (error == -EKEYREVOKED) {
			error = create_text(&secret);
			/*
			 * A grant has to be there before it can be lost again.
			 */
			if (!error)
				__atomic_add_fetch(&user->made, 1,
						   __ATOMIC_RELAXED);
			else if (error == -EKEYREVOKED)
				error = 0;
		}
		if (error)
			user->unexpected = error;
	}
	return NULL;
}

static int gone_on(struct user *users, unsigned int count, unsigned int more)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (__atomic_load_n(&users[i].made, __ATOMIC_RELAXED) < more)
			return 0;
	return 1;
}

/* No thread crashes or hangs, and each can create again after each loss. */
TEST(threads_get_over_a_lost_default)
{
	struct user users[3] = { 0 };
	bool stop = false;
	unsigned int i;
	int round;

	for (i = 0; i < 3; i++) {
		users[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&users[i].thread, NULL, use,
					    &users[i]));
	}
	for (round = 1; round <= 30; round++) {
		ASSERT_EQ(0, SM_WAIT_UNTIL(gone_on(users, 3, round)));
		close_from(768);
	}
	ASSERT_EQ(0, SM_WAIT_UNTIL(gone_on(users, 3, round)));
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++) {
		pthread_join(users[i].thread, NULL);
		EXPECT_EQ(0, users[i].unexpected);
	}
	EXPECT_EQ(1, info_now().vaults);
	EXPECT_EQ(1, secmem_fds());
}

/* Where descriptors come from */

static int receive_at_the_limit(int socket, int *full)
{
	struct rlimit limit;
	int fd, lowest = dup(0), error;

	getrlimit(RLIMIT_NOFILE, &limit);
	close(lowest);
	limit.rlim_cur = lowest;
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((fd = dup(0)) >= 0)
		;
	*full = errno;
	error = secmem_fd_receive(socket);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return error;
}

TEST(grant_received_at_rlimit_nofile_is_not_lost)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	secmem_secret_t secret, received;
	int ends[2], fd, full;
	unsigned int i;

	ASSERT_EQ(0, create_text(&secret));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, types[i], 0, ends));
		fd = secmem_export(secret, SECMEM_RIGHT_READ);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, secmem_fd_send(ends[0], fd));
		close(fd);
		EXPECT_EQ(-EMFILE, receive_at_the_limit(ends[1], &full));
		EXPECT_EQ(EMFILE, full);
		EXPECT_EQ(0,
			  secmem_adopt(secmem_fd_receive(ends[1]), &received));
		EXPECT_EQ(received.handle, secret.handle);
	}
}

TEST(grant_is_received_beside_credentials)
{
	secmem_secret_t secret, received;
	int ends[2], fd, on = 1;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	ASSERT_EQ(0, setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on,
				sizeof(on)));
	fd = secmem_export(secret, SECMEM_RIGHT_READ);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, secmem_fd_send(ends[0], fd));
	EXPECT_EQ(0, secmem_adopt(secmem_fd_receive(ends[1]), &received));
}

/*
 * Runs in place of main() where this program was started anew, with more
 * privileges than its caller, or, as a control, without.
 */
static __attribute__((__constructor__)) void privileged(void)
{
	if (!getenv("SECMEM_TEST_PRIVILEGED"))
		return;
	if (!getenv("SECMEM_FD") || !getenv("LISTEN_FDS"))
		_exit(3);
	if (!!getauxval(AT_SECURE) != *getenv("SECMEM_TEST_PRIVILEGED") - '0')
		_exit(4);
	_exit((secmem_fd_from_env(NULL) == -ENOENT) +
	      10 * (secmem_fd_from_listen(NULL) == -ENOENT));
}

struct program {
	const char *path;
	const char *privileged;
};

static int run_as_stranger(void *argument)
{
	struct program *program = argument;
	char pid[16];
	int fd = sm_open();

	if (fd < 0 || dup2(fd, 3) != 3 || setgid(1001) || setuid(1001))
		return 100;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("SECMEM_FD", "3", 1);
	setenv("SECMEM_TEST_PRIVILEGED", program->privileged, 1);
	execl(program->path, program->path, NULL);
	return 101;
}

static int copy_self(const char *to, mode_t mode)
{
	int in = open("/proc/self/exe", O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	char part[4096];
	ssize_t got;

	while ((got = read(in, part, sizeof(part))) > 0)
		if (write(out, part, got) != got)
			break;
	close(in);
	close(out);
	return got || chmod(to, mode);
}

TEST(environment_of_a_setuid_program_is_not_trusted)
{
	struct program with = { "/tmp/with", "1" },
		       without = { "/tmp/without", "0" };

	ASSERT_EQ(0, copy_self(with.path, 04755));
	ASSERT_EQ(0, copy_self(without.path, 0755));
	EXPECT_EQ(11, in_child(run_as_stranger, &with));
	/* The control. */
	EXPECT_EQ(0, in_child(run_as_stranger, &without));
	unlink(with.path);
	unlink(without.path);
}

TEST_HARNESS_MAIN
