// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libsecmem promises, call by call; its examples. Each test is a process
 * of its own, so that each begins with an unused library.
 */
#include "command.h"
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "library.h"

/*
 * Built for ThreadSanitizer, whose shadow memory takes most of the address
 * space.
 */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define SHADOWED 1

/* A race that it finds ends the test. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}
#endif
#endif
#ifndef SHADOWED
#define SHADOWED 0
#endif

/* Creating */

TEST(create_wipes_the_buffer)
{
	char buffer[sizeof(text)];
	secmem_secret_t secret;
	char got[sizeof(text)];

	memcpy(buffer, text, sizeof(text));
	ASSERT_EQ(0, secmem_create(&secret, buffer, sizeof(buffer), NULL));
	EXPECT_TRUE(is_zero(buffer, sizeof(buffer)));
	ASSERT_EQ(0, secmem_read(secret, got, sizeof(got), 0, SECMEM_FOREVER));
	EXPECT_EQ(0, memcmp(got, text, sizeof(text)));
}

TEST(create_wipes_the_buffer_when_it_fails)
{
	struct secmem_options options = { .size = sizeof(options), .align = 3 };
	char buffer[sizeof(text)];
	secmem_secret_t secret;

	memcpy(buffer, text, sizeof(text));
	ASSERT_EQ(-EINVAL,
		  secmem_create(&secret, buffer, sizeof(buffer), &options));
	EXPECT_TRUE(is_zero(buffer, sizeof(buffer)));
	EXPECT_EQ(0, secret.grant);
	EXPECT_EQ(0, secret.handle);
}

TEST(create_failing_late_leaves_no_secret)
{
	secmem_secret_t secret;
	uint64_t before = info_now().secrets;

	EXPECT_EQ(-EFAULT, secmem_create(&secret, NULL, 16, NULL));
	EXPECT_EQ(0, secret.handle);
	EXPECT_EQ(before, info_now().secrets);
}

TEST(create_zero_and_random)
{
	unsigned char first[32], second[32];
	secmem_secret_t zero, one, two;

	ASSERT_EQ(0, secmem_create_zero(&zero, 32, NULL));
	ASSERT_EQ(0, secmem_create_random(&one, 32, NULL));
	ASSERT_EQ(0, secmem_create_random(&two, 32, NULL));
	ASSERT_EQ(0, secmem_read(zero, first, 32, 0, SECMEM_FOREVER));
	EXPECT_TRUE(is_zero(first, 32));
	ASSERT_EQ(0, secmem_read(one, first, 32, 0, SECMEM_FOREVER));
	ASSERT_EQ(0, secmem_read(two, second, 32, 0, SECMEM_FOREVER));
	EXPECT_FALSE(is_zero(first, 32));
	EXPECT_NE(0, memcmp(first, second, 32));
	EXPECT_EQ(-EINVAL, secmem_create_zero(&zero, 0, NULL));
	EXPECT_EQ(-EINVAL,
		  secmem_create_zero(&zero, SECMEM_LENGTH_MAX + 1, NULL));
}

TEST(create_options)
{
	struct secmem_options options = {
		.size = sizeof(options),
		.label = "thirty-one bytes of label, ok?!",
		.align = 64,
		.require = 1ULL << SECMEM_PROT_UNMAPPED,
	};
	struct secmem_access access;
	struct secmem_status stat;
	secmem_secret_t secret;

	ASSERT_EQ(0, secmem_create_zero(&secret, 100, &options));
	ASSERT_EQ(0, secmem_stat(secret, &stat, sizeof(stat)));
	EXPECT_STREQ(options.label, stat.label);
	EXPECT_EQ(100, stat.length);
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	EXPECT_EQ(0, (uintptr_t)access.data % 64);
	EXPECT_EQ(0, secmem_release(&access));

	options.label = "thirty-two bytes of label, more!";
	EXPECT_EQ(-EINVAL, secmem_create_zero(&secret, 1, &options));
	options.label = NULL;
	options.flags = SECMEM_CREATE_RANDOM;
	EXPECT_EQ(-EINVAL, secmem_create_zero(&secret, 1, &options));
	options.flags = SECMEM_CREATE_SUSPEND_WIPE;
	EXPECT_EQ(0, secmem_create_zero(&secret, 1, &options));
	EXPECT_EQ(0, secmem_stat(secret, &stat, sizeof(stat)));
	EXPECT_EQ(SECMEM_STAT_SUSPEND_WIPE, stat.stat_flags);
	options.flags = 0;
	options.size--;
	EXPECT_EQ(-EINVAL, secmem_create_zero(&secret, 1, &options));
	options.size++;
	options.require = 1ULL << SECMEM_PROT_COUNT;
	EXPECT_EQ(-EINVAL, secmem_create_zero(&secret, 1, &options));
	options.require = 0;
	EXPECT_EQ(0, secmem_create_zero(&secret, 1, &options));
}

/* Options as a program has them that was built with a later version. */
TEST(create_takes_larger_options_whose_rest_is_zero)
{
	struct {
		struct secmem_options options;
		char later[SECMEM_STRUCT_MAX];
	} more = { .options.size = sizeof(more.options) + 8 };
	secmem_secret_t secret;

	EXPECT_EQ(0, secmem_create_zero(&secret, 1, &more.options));
	more.options.size = SECMEM_STRUCT_MAX;
	EXPECT_EQ(0, secmem_create_zero(&secret, 1, &more.options));
	more.options.size++;
	EXPECT_EQ(-E2BIG, secmem_create_zero(&secret, 1, &more.options));
	more.options.size = sizeof(more.options) + 8;
	more.later[7] = 1;
	EXPECT_EQ(-E2BIG, secmem_create_zero(&secret, 1, &more.options));
	EXPECT_EQ(0, secret.handle);
	more.options.size--;
	EXPECT_EQ(0, secmem_create_zero(&secret, 1, &more.options));
}

/*
 * The buffer ends where its page does, and no buffer is as long as these
 * lengths: a call that touched so many bytes would get SIGSEGV.
 */
TEST(no_call_touches_memory_by_a_length_that_cannot_be)
{
	static const size_t lengths[] = { SIZE_MAX, SIZE_MAX - 7, UINT32_MAX,
					  SECMEM_LENGTH_MAX + 1 };
	struct secmem_options options = { .size = sizeof(options) };
	unsigned char *page = mmap(NULL, 2 * SM_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	secmem_secret_t secret;
	unsigned int i;
	char *label;

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, mprotect(page + SM_PAGE, SM_PAGE, PROT_NONE));
	memset(page, 'k', SM_PAGE);
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		EXPECT_EQ(-EINVAL,
			  secmem_create(&secret, page, lengths[i], NULL));
		EXPECT_EQ('k', page[0]);
		EXPECT_EQ('k', page[SM_PAGE - 1]);
		EXPECT_EQ(-EINVAL,
			  secmem_create_zero(&secret, lengths[i], NULL));
	}
	ASSERT_EQ(0, create_text(&secret));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EINVAL, secmem_read(secret, page, lengths[i], 0, 0));
		EXPECT_EQ(-EINVAL,
			  secmem_write(secret, page, lengths[i], 0, 0));
		EXPECT_EQ(-EINVAL,
			  secmem_stat(secret, (void *)page, lengths[i]));
		EXPECT_EQ(-EINVAL, secmem_grant_info(SECMEM_GRANT_DEFAULT,
						     (void *)page, lengths[i]));
		EXPECT_EQ('k', page[0]);
	}
	/* A label without a NUL, at the end of what is mapped. */
	label = (char *)page + SM_PAGE - SECMEM_LABEL_SIZE;
	options.label = label;
	EXPECT_EQ(-EINVAL, secmem_create_zero(&secret, 1, &options));
	/* The control. */
	EXPECT_EQ(0, secmem_create(&secret, page, SM_PAGE, NULL));
	EXPECT_TRUE(is_zero(page, SM_PAGE));
}

/* From a descriptor */

static unsigned char pattern(size_t i)
{
	return (i * 7 + i / 251) & 0xff;
}

static int check_pattern(const void *data, size_t length, void *argument)
{
	const unsigned char *bytes = data;
	size_t i;

	if (length != *(size_t *)argument)
		return 1;
	for (i = 0; i < length; i++)
		if (bytes[i] != pattern(i))
			return 2;
	return 0;
}

/* So many bytes of the pattern, for the caller to free; NULL: no memory. */
static unsigned char *pattern_of(size_t length)
{
	unsigned char *data = malloc(length + 1);
	size_t i;

	for (i = 0; data && i < length; i++)
		data[i] = pattern(i);
	return data;
}

static int file_of(size_t length)
{
	unsigned char *data = pattern_of(length);
	int fd = memfd_create("secret", MFD_CLOEXEC);

	if (!data || pwrite(fd, data, length, 0) != (ssize_t)length) {
		close(fd);
		fd = -1;
	}
	free(data);
	return fd;
}

struct feeder {
	int fd;
	size_t length;
	size_t chunk;
};

static void *feed(void *argument)
{
	struct feeder *feeder = argument;
	unsigned char *data = pattern_of(feeder->length);
	size_t put = 0;

	while (put < feeder->length) {
		size_t part = feeder->length - put;
		ssize_t got;

		if (part > feeder->chunk)
			part = feeder->chunk;
		got = write(feeder->fd, data + put, part);
		if (got <= 0)
			break;
		put += got;
	}
	close(feeder->fd);
	free(data);
	return NULL;
}

static int from_pipe(secmem_secret_t *secret, size_t length, size_t wanted,
		     size_t chunk, int flags)
{
	struct feeder feeder = { .length = length, .chunk = chunk };
	pthread_t thread;
	int error, ends[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fcntl(ends[0], F_SETFL, flags);
	feeder.fd = ends[1];
	pthread_create(&thread, NULL, feed, &feeder);
	error = secmem_create_from_fd(secret, ends[0], wanted, NULL);
	close(ends[0]);
	pthread_join(thread, NULL);
	return error;
}

TEST(from_a_file)
{
	static const size_t lengths[] = {
		1, 31, 4095, 4096, 4097, 70000, SECMEM_LENGTH_MAX
	};
	secmem_secret_t secret;
	size_t i, length;
	int fd, result;

	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		length = lengths[i];
		fd = file_of(length);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, secmem_create_from_fd(&secret, fd, 0, NULL));
		EXPECT_EQ(0, secmem_with_bytes(secret, 0, check_pattern,
					       &length, &result));
		EXPECT_EQ(0, result);
		EXPECT_EQ(0, secmem_close(secret, 0));
		close(fd);
	}
}

TEST(from_file_at_its_offset_and_in_part)
{
	unsigned char got[10];
	secmem_secret_t secret;
	struct secmem_status stat;
	int fd = file_of(100);

	ASSERT_LE(0, fd);
	ASSERT_EQ(90, lseek(fd, 90, SEEK_SET));
	ASSERT_EQ(0, secmem_create_from_fd(&secret, fd, 0, NULL));
	ASSERT_EQ(0, secmem_read(secret, got, 10, 0, SECMEM_FOREVER));
	EXPECT_EQ(pattern(90), got[0]);
	EXPECT_EQ(pattern(99), got[9]);

	ASSERT_EQ(20, lseek(fd, 20, SEEK_SET));
	ASSERT_EQ(0, secmem_create_from_fd(&secret, fd, 10, NULL));
	ASSERT_EQ(0, secmem_stat(secret, &stat, sizeof(stat)));
	EXPECT_EQ(10, stat.length);
	ASSERT_EQ(0, secmem_read(secret, got, 10, 0, SECMEM_FOREVER));
	EXPECT_EQ(pattern(20), got[0]);
	EXPECT_EQ(30, lseek(fd, 0, SEEK_CUR));
}

/* Without CLOSE, the secrets that it passes through would stay. */
TEST(from_file_needs_all_its_rights_before_it_reads)
{
	static const uint32_t needed[] = { SECMEM_RIGHT_MAP, SECMEM_RIGHT_READ,
					   SECMEM_RIGHT_WRITE,
					   SECMEM_RIGHT_CLOSE };
	struct secmem_options options = { .size = sizeof(options) };
	secmem_secret_t secret;
	uint64_t before;
	unsigned int i;
	int fd, ends[2], left = 0;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(7, write(ends[1], "secret", 7));
	close(ends[1]);
	for (i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		fd = secmem_grant_export(SECMEM_GRANT_DEFAULT,
					 SECMEM_RIGHT_ALL & ~needed[i]);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, secmem_grant_adopt(fd, &options.grant));
		before = info_now().secrets;
		EXPECT_EQ(-EACCES,
			  secmem_create_from_fd(&secret, ends[0], 0, &options));
		EXPECT_EQ(before, info_now().secrets);
		ASSERT_EQ(0, ioctl(ends[0], FIONREAD, &left));
		EXPECT_EQ(7, left);
		EXPECT_EQ(0, secmem_grant_close(options.grant));
	}
	EXPECT_EQ(0, secmem_create_from_fd(&secret, ends[0], 0, NULL));
	EXPECT_EQ(0, secmem_close(secret, 0));
	close(ends[0]);
}

TEST(from_file_refusals)
{
	secmem_secret_t secret;
	uint64_t before = info_now().secrets;
	int fd = file_of(100);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENODATA, secmem_create_from_fd(&secret, fd, 101, NULL));
	EXPECT_EQ(0, secret.handle);
	/* The file was read to its end before. */
	EXPECT_EQ(-ENODATA, secmem_create_from_fd(&secret, fd, 0, NULL));
	ASSERT_EQ(0, ftruncate(fd, SECMEM_LENGTH_MAX + 1));
	lseek(fd, 0, SEEK_SET);
	EXPECT_EQ(-EFBIG, secmem_create_from_fd(&secret, fd, 0, NULL));
	EXPECT_EQ(-EBADF, secmem_create_from_fd(&secret, -1, 0, NULL));
	EXPECT_EQ(-EBADF, secmem_create_from_fd(&secret, 1000, 0, NULL));
	EXPECT_EQ(-EISDIR,
		  secmem_create_from_fd(&secret, open("/", O_RDONLY), 0, NULL));
	EXPECT_EQ(-EINVAL, secmem_create_from_fd(&secret, fd,
						 SECMEM_LENGTH_MAX + 1, NULL));
	EXPECT_EQ(before, info_now().secrets);
}

/* Files whose length is not what fstat says: 0, and a page. */
TEST(from_file_of_false_length)
{
	static const char *const names[] = { "/proc/version",
					     "/sys/kernel/mm/lru_gen/enabled",
					     "/sys/devices/system/cpu/online" };
	unsigned int i, tried = 0;

	for (i = 0; i < 3; i++) {
		char expected[4096], got[4096];
		secmem_secret_t secret;
		struct secmem_status stat;
		ssize_t length;
		int fd = open(names[i], O_RDONLY);

		if (fd < 0)
			continue;
		tried++;
		length = pread(fd, expected, sizeof(expected), 0);
		ASSERT_LT(0, length);
		ASSERT_EQ(0, secmem_create_from_fd(&secret, fd, 0, NULL));
		ASSERT_EQ(0, secmem_stat(secret, &stat, sizeof(stat)));
		EXPECT_EQ((size_t)length, stat.length);
		ASSERT_EQ(0, secmem_read(secret, got, length, 0, 0));
		EXPECT_EQ(0, memcmp(expected, got, length));
	}
	EXPECT_LE(2, tried);
}

TEST(from_a_pipe)
{
	static const size_t lengths[] = { 1,	4095,  4096,
					  4097, 65537, SECMEM_LENGTH_MAX };
	uint64_t before = info_now().secrets;
	secmem_secret_t secret;
	size_t i, length;
	int result;

	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		length = lengths[i];
		ASSERT_EQ(0, from_pipe(&secret, length, 0, 3001, 0));
		EXPECT_EQ(before + 1, info_now().secrets);
		EXPECT_EQ(0, secmem_with_bytes(secret, 0, check_pattern,
					       &length, &result));
		EXPECT_EQ(0, result);
		EXPECT_EQ(0, secmem_close(secret, 0));
	}
	EXPECT_EQ(-EFBIG,
		  from_pipe(&secret, SECMEM_LENGTH_MAX + 1, 0, 1 << 20, 0));
	EXPECT_EQ(-ENODATA, from_pipe(&secret, 0, 0, 1, 0));
	EXPECT_EQ(-ENODATA, from_pipe(&secret, 9, 10, 1, 0));
	EXPECT_EQ(0, from_pipe(&secret, 20, 10, 1, 0));
	EXPECT_EQ(before + 1, info_now().secrets);
}

TEST(from_pipe_that_does_not_block)
{
	size_t length = 9999;
	secmem_secret_t secret;
	int result;

	ASSERT_EQ(0, from_pipe(&secret, length, 0, 100, O_NONBLOCK));
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, check_pattern, &length,
				       &result));
	EXPECT_EQ(0, result);
}

struct intake {
	int fd;
	int interruptible;
	int error;
	bool done;
};

static void *intake_run(void *argument)
{
	struct intake *intake = argument;
	secmem_secret_t secret;

	secmem_wait_set_interruptible(intake->interruptible);
	intake->error = secmem_create_from_fd(&secret, intake->fd, 0, NULL);
	__atomic_store_n(&intake->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int has_writer(uint64_t before)
{
	struct secmem_info info = info_now();

	return info.secrets == before + 1 && info.accesses == 1;
}

TEST(from_pipe_cancelled_leaves_no_secret)
{
	uint64_t before = info_now().secrets;
	struct intake intake = { 0 };
	pthread_t thread;
	void *value;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	intake.fd = ends[0];
	ASSERT_EQ(4, write(ends[1], "half", 4));
	ASSERT_EQ(0, pthread_create(&thread, NULL, intake_run, &intake));
	ASSERT_EQ(0, SM_WAIT_UNTIL(has_writer(before)));
	ASSERT_EQ(0, pthread_cancel(thread));
	ASSERT_EQ(0, pthread_join(thread, &value));
	EXPECT_EQ(PTHREAD_CANCELED, value);
	EXPECT_EQ(before, info_now().secrets);
	EXPECT_EQ(0, info_now().accesses);
}

TEST(from_pipe_interrupted)
{
	struct sigaction action = { .sa_handler = sm_ignore_signal };
	uint64_t before = info_now().secrets;
	struct intake intake = { .error = 1, .interruptible = 1 };
	pthread_t thread;
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	intake.fd = ends[0];
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, pthread_create(&thread, NULL, intake_run, &intake));
	ASSERT_EQ(0, SM_WAIT_UNTIL(has_writer(before)));
	/*
	 * A signal that comes before read() has no effect: send more until it
	 * ends.
	 */
	while (!__atomic_load_n(&intake.done, __ATOMIC_ACQUIRE)) {
		pthread_kill(thread, SIGUSR1);
		sched_yield();
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, intake.error);
	EXPECT_EQ(before, info_now().secrets);
}

/*
 * How often needle lies in the memory that this process may write, but for
 * views.
 */
static unsigned int copies_of(const unsigned char *needle, size_t length,
			      int by)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int memory = open("/proc/self/mem", O_RDONLY);
	unsigned long start, end;
	unsigned int found = 0;
	char line[512], mode[8];
	unsigned char *page;

	/*
	 * Memory is searched in a copy, which is wiped, lest it be found again.
	 */
	page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3 ||
		    mode[1] != 'w' || strstr(line, "secmem"))
			continue;
		while (start < end) {
			size_t part = end - start, i, j;
			ssize_t got;

			if (part > 1 << 20)
				part = 1 << 20;
			if (start <= (unsigned long)page &&
			    (unsigned long)page < start + part)
				break;
			got = pread(memory, page, part, start);
			for (i = 0; (ssize_t)(i + length) <= got; i++) {
				/*
				 * The needle itself is disguised by ^ by, lest
				 * it be found.
				 */
				for (j = 0; j < length; j++)
					if (page[i + j] != (needle[j] ^ by))
						break;
				found += j == length;
			}
			memset(page, 0, part);
			start += part;
		}
	}
	munmap(page, 1 << 20);
	close(memory);
	fclose(maps);
	return found;
}

TEST(from_pipe_leaves_no_copy_in_memory)
{
	unsigned char disguised[64], *copy;
	secmem_secret_t secret;
	unsigned int i;
	int ends[2];

	if (SHADOWED)
		SKIP(return, "ThreadSanitizer needs memory of its own");
	for (i = 0; i < sizeof(disguised); i++)
		disguised[i] = 0x80 + i * 5 % 100;
	ASSERT_EQ(0, pipe(ends));
	if (!fork()) {
		for (i = 0; i < sizeof(disguised); i++)
			disguised[i] ^= 0x55;
		_exit(write(ends[1], disguised, 64) == 64 ? 0 : 1);
	}
	ASSERT_LT(0, wait(NULL));
	close(ends[1]);
	ASSERT_EQ(0, secmem_create_from_fd(&secret, ends[0], 0, NULL));
	EXPECT_EQ(0, copies_of(disguised, 64, 0x55));
	/* Control: the search finds a copy that is there. */
	copy = malloc(64);
	ASSERT_EQ(0, secmem_read(secret, copy, 64, 0, SECMEM_FOREVER));
	EXPECT_EQ(1, copies_of(disguised, 64, 0x55));
	free(copy);
}

/* Callbacks */

struct visit {
	secmem_secret_t secret;
	const void *data;
	size_t length;
	unsigned int readers, writers;
	int inner, error;
};

static int visit(const void *data, size_t length, void *argument)
{
	struct visit *visit = argument;

	visit->data = data;
	visit->length = length;
	visit->readers = readers_of(visit->secret);
	visit->writers = writers_of(visit->secret);
	return memcmp(data, text, length) ? 1 : 42;
}

static int visit_mut(void *data, size_t length, void *argument)
{
	struct visit *visit = argument;

	visit->readers = readers_of(visit->secret);
	visit->writers = writers_of(visit->secret);
	memset(data, 'x', length);
	return 43;
}

TEST(with_bytes_reads)
{
	struct visit seen = { 0 };
	secmem_secret_t secret;
	int result = 0;

	ASSERT_EQ(0, create_text(&secret));
	seen.secret = secret;
	ASSERT_EQ(0, secmem_with_bytes(secret, SECMEM_FOREVER, visit, &seen,
				       &result));
	EXPECT_EQ(42, result);
	EXPECT_EQ(sizeof(text), seen.length);
	EXPECT_EQ(1, seen.readers);
	EXPECT_EQ(0, seen.writers);
	EXPECT_EQ(0, readers_of(secret));
	EXPECT_EQ(SIGSEGV, sm_touch(seen.data, NULL));
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, visit, &seen, NULL));
}

TEST(with_bytes_mut)
{
	struct visit seen = { 0 };
	secmem_secret_t secret;
	int result = 0;
	char got[2];

	ASSERT_EQ(0, create_text(&secret));
	seen.secret = secret;
	ASSERT_EQ(0, secmem_with_bytes_mut(secret, SECMEM_FOREVER, visit_mut,
					   &seen, &result));
	EXPECT_EQ(43, result);
	EXPECT_EQ(0, seen.readers);
	EXPECT_EQ(1, seen.writers);
	EXPECT_EQ(0, writers_of(secret));
	ASSERT_EQ(0, secmem_read(secret, got, 2, 1, 0));
	EXPECT_EQ('x', got[1]);
}

static int poke(const void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	return sm_poke((void *)(uintptr_t)data, 1);
}

TEST(with_bytes_is_read_only)
{
	secmem_secret_t secret;
	int result = 0;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_with_bytes(secret, 0, poke, NULL, &result));
	EXPECT_EQ(SIGSEGV, result);
}

static int nest(const void *data, size_t length, void *argument)
{
	struct visit *seen = argument;

	(void)data;
	(void)length;
	seen->error = secmem_with_bytes(seen->secret, SECMEM_FOREVER, visit,
					seen, &seen->inner);
	return readers_of(seen->secret);
}

TEST(with_bytes_nests)
{
	struct visit seen = { 0 };
	int result = 0;

	ASSERT_EQ(0, create_text(&seen.secret));
	ASSERT_EQ(0, secmem_with_bytes(seen.secret, 0, nest, &seen, &result));
	EXPECT_EQ(0, seen.error);
	EXPECT_EQ(42, seen.inner);
	EXPECT_EQ(2, seen.readers);
	EXPECT_EQ(1, result);
	EXPECT_EQ(0, readers_of(seen.secret));
}

static int revoke_inside(const void *data, size_t length, void *argument)
{
	struct visit *seen = argument;

	(void)length;
	seen->error = secmem_revoke(seen->secret);
	seen->inner = sm_touch(data, NULL);
	return 7;
}

TEST(with_bytes_tells_of_revoke)
{
	struct visit seen = { 0 };
	int result = 0;

	ASSERT_EQ(0, create_text(&seen.secret));
	EXPECT_EQ(-EKEYREVOKED, secmem_with_bytes(seen.secret, 0, revoke_inside,
						  &seen, &result));
	EXPECT_EQ(0, seen.error);
	EXPECT_EQ(SIGBUS, seen.inner);
	EXPECT_EQ(7, result);
	EXPECT_EQ(1, secmem_is_closed(seen.secret));
}

static int underrun(void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	((unsigned char *)data)[-1] ^= 1;
	return 8;
}

TEST(with_bytes_tells_of_a_damaged_canary)
{
	secmem_secret_t secret;
	int result = 0;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(-EBADMSG,
		  secmem_with_bytes_mut(secret, 0, underrun, NULL, &result));
	EXPECT_EQ(8, result);
	EXPECT_EQ(0, writers_of(secret));
}

struct leaver {
	secmem_secret_t secret;
	int how;
	int inside;
	int never;
};

static int leave(const void *data, size_t length, void *argument)
{
	struct leaver *leaver = argument;

	(void)data;
	(void)length;
	sm_event_set(leaver->inside);
	if (leaver->how)
		pthread_exit(leaver);
	/* The thread is cancelled here. */
	sm_event_wait(leaver->never);
	return 0;
}

static int leave_mut(void *data, size_t length, void *argument)
{
	return leave(data, length, argument);
}

static void *leave_run(void *argument)
{
	struct leaver *leaver = argument;

	if (secmem_with_bytes(leaver->secret, SECMEM_FOREVER, leave, leaver,
			      NULL))
		sm_event_set(leaver->inside);
	return NULL;
}

static void *leave_run_mut(void *argument)
{
	struct leaver *leaver = argument;

	if (secmem_with_bytes_mut(leaver->secret, SECMEM_FOREVER, leave_mut,
				  leaver, NULL))
		sm_event_set(leaver->inside);
	return NULL;
}

TEST(with_bytes_left_by_cancellation_or_exit)
{
	struct leaver leaver = { .inside = sm_event(), .never = sm_event() };
	pthread_t thread;
	void *value;
	int mut;

	ASSERT_EQ(0, create_text(&leaver.secret));
	for (leaver.how = 0; leaver.how < 2; leaver.how++)
		for (mut = 0; mut < 2; mut++) {
			ASSERT_EQ(0, pthread_create(&thread, NULL,
						    mut ? leave_run_mut :
							  leave_run,
						    &leaver));
			ASSERT_EQ(0, sm_event_wait(leaver.inside));
			if (!leaver.how) {
				EXPECT_EQ(!mut, readers_of(leaver.secret));
				EXPECT_EQ(mut, writers_of(leaver.secret));
				ASSERT_EQ(0, pthread_cancel(thread));
			}
			ASSERT_EQ(0, pthread_join(thread, &value));
			EXPECT_EQ(leaver.how ? &leaver : PTHREAD_CANCELED,
				  value);
			EXPECT_EQ(0, readers_of(leaver.secret));
			EXPECT_EQ(0, writers_of(leaver.secret));
		}
	EXPECT_EQ(0, secmem_close(leaver.secret, 0));
}

/* Waiting for oneself */

struct inside {
	secmem_secret_t secret, other;
	int close, close_now, write, write_now, read, read_now, compare;
	int with, with_mut, acquire_read, acquire_write;
	int other_write, other_close;
};

static int try_all(const void *data, size_t length, void *argument)
{
	struct inside *t = argument;
	struct secmem_access access;
	char byte = 'a';
	int equal;

	(void)data;
	(void)length;
	t->write = secmem_write(t->secret, &byte, 1, 0, SECMEM_FOREVER);
	t->write_now = secmem_write(t->secret, &byte, 1, 0, 0);
	t->read = secmem_read(t->secret, &byte, 1, 0, 10000 * MS);
	t->read_now = secmem_read(t->secret, &byte, 1, 0, 0);
	t->compare = secmem_compare(t->secret, text, sizeof(text), &equal,
				    SECMEM_FOREVER);
	t->with = secmem_with_bytes(t->secret, SECMEM_FOREVER, nothing, NULL,
				    NULL);
	t->with_mut = secmem_with_bytes_mut(t->secret, SECMEM_FOREVER,
					    nothing_mut, NULL, NULL);
	t->acquire_read =
		secmem_acquire(t->secret, SECMEM_READ, 10000 * MS, &access);
	secmem_release(&access);
	t->acquire_write = secmem_acquire(t->secret, SECMEM_WRITE,
					  SECMEM_FOREVER, &access);
	secmem_release(&access);
	t->other_write = secmem_write(t->other, &byte, 1, 0, SECMEM_FOREVER);
	t->other_close = secmem_close(t->other, SECMEM_FOREVER);
	t->close = secmem_close(t->secret, SECMEM_FOREVER);
	if (secmem_is_closed(t->secret))
		t->close = 1;
	t->close_now = secmem_close(t->secret, 0);
	return 0;
}

static int try_all_mut(void *data, size_t length, void *argument)
{
	return try_all(data, length, argument);
}

TEST(inside_with_bytes_edeadlk)
{
	struct inside t = { 0 };

	ASSERT_EQ(0, create_text(&t.secret));
	ASSERT_EQ(0, create_text(&t.other));
	ASSERT_EQ(0, secmem_with_bytes(t.secret, 0, try_all, &t, NULL));
	EXPECT_EQ(-EDEADLK, t.close);
	EXPECT_EQ(-EAGAIN, t.close_now);
	EXPECT_EQ(-EDEADLK, t.write);
	EXPECT_EQ(-EAGAIN, t.write_now);
	EXPECT_EQ(0, t.read);
	EXPECT_EQ(0, t.read_now);
	EXPECT_EQ(0, t.compare);
	EXPECT_EQ(0, t.with);
	EXPECT_EQ(-EDEADLK, t.with_mut);
	EXPECT_EQ(0, t.acquire_read);
	EXPECT_EQ(-EDEADLK, t.acquire_write);
	EXPECT_EQ(0, t.other_write);
	EXPECT_EQ(0, t.other_close);
	/* The close that did not wait took effect with the last release. */
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(t.secret, 0, nothing, NULL, NULL));
}

TEST(inside_with_bytes_mut_edeadlk)
{
	struct inside t = { 0 };

	ASSERT_EQ(0, create_text(&t.secret));
	ASSERT_EQ(0, create_text(&t.other));
	ASSERT_EQ(0, secmem_with_bytes_mut(t.secret, 0, try_all_mut, &t, NULL));
	EXPECT_EQ(-EDEADLK, t.close);
	EXPECT_EQ(-EAGAIN, t.close_now);
	EXPECT_EQ(-EDEADLK, t.write);
	EXPECT_EQ(-EAGAIN, t.write_now);
	EXPECT_EQ(-EDEADLK, t.read);
	EXPECT_EQ(-EAGAIN, t.read_now);
	EXPECT_EQ(-EDEADLK, t.compare);
	EXPECT_EQ(-EDEADLK, t.with);
	EXPECT_EQ(-EDEADLK, t.with_mut);
	EXPECT_EQ(-EDEADLK, t.acquire_read);
	EXPECT_EQ(-EDEADLK, t.acquire_write);
	EXPECT_EQ(0, t.other_write);
	EXPECT_EQ(0, t.other_close);
}

static int seal_and_write(const void *data, size_t length, void *argument)
{
	struct visit *seen = argument;
	char byte = 0;

	(void)data;
	(void)length;
	seen->error = secmem_seal(seen->secret);
	return secmem_write(seen->secret, &byte, 1, 0, SECMEM_FOREVER);
}

static int revoke_and_close(const void *data, size_t length, void *argument)
{
	struct visit *seen = argument;

	(void)data;
	(void)length;
	seen->error = secmem_revoke(seen->secret);
	return secmem_close(seen->secret, SECMEM_FOREVER);
}

/* Inside a callback, a call that would not wait has its usual error. */
TEST(inside_with_bytes_other_errors)
{
	struct visit seen = { 0 };
	int result = 0;

	ASSERT_EQ(0, create_text(&seen.secret));
	ASSERT_EQ(0, secmem_with_bytes(seen.secret, 0, seal_and_write, &seen,
				       &result));
	EXPECT_EQ(0, seen.error);
	EXPECT_EQ(-EPERM, result);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(seen.secret, 0, revoke_and_close, &seen,
				    &result));
	EXPECT_EQ(0, seen.error);
	EXPECT_EQ(0, result);
}

static void *close_other_thread(void *argument)
{
	secmem_secret_t *secret = argument;

	return (void *)(intptr_t)secmem_close(*secret, 50 * MS);
}

static int close_by_thread(const void *data, size_t length, void *argument)
{
	pthread_t thread;
	void *value;

	(void)data;
	(void)length;
	if (pthread_create(&thread, NULL, close_other_thread, argument))
		return 1;
	pthread_join(thread, &value);
	return (intptr_t)value;
}

TEST(another_thread_waits_to_its_timeout)
{
	secmem_secret_t secret;
	int result = 0;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_with_bytes(secret, 0, close_by_thread, &secret,
				       &result));
	EXPECT_EQ(-ETIMEDOUT, result);
	EXPECT_EQ(1, secmem_is_closed(secret));
}

/* Accesses by hand */

TEST(acquire_and_release)
{
	struct secmem_access first, second;
	secmem_secret_t secret;
	void *data;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &first));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ | SECMEM_NOWAIT,
				    SECMEM_FOREVER, &second));
	EXPECT_EQ(sizeof(text), first.length);
	EXPECT_EQ(0, memcmp(first.data, text, sizeof(text)));
	EXPECT_EQ(2, readers_of(secret));
	data = first.data;
	EXPECT_EQ(0, secmem_release(&first));
	EXPECT_TRUE(is_zero(&first, sizeof(first)));
	EXPECT_EQ(0, sm_touch(data, NULL));
	EXPECT_EQ(0, secmem_release(&first));
	EXPECT_EQ(1, readers_of(secret));
	EXPECT_EQ(0, secmem_release(&second));
	EXPECT_EQ(SIGSEGV, sm_touch(data, NULL));
	EXPECT_EQ(0, readers_of(secret));
	EXPECT_EQ(-EINVAL, secmem_acquire(secret, 0, 0, &first));
	EXPECT_EQ(-EINVAL, secmem_acquire(secret, SECMEM_READ | SECMEM_WRITE, 0,
					  &first));
	EXPECT_EQ(-EINVAL, secmem_acquire(secret, 8 | SECMEM_READ, 0, &first));
	EXPECT_TRUE(is_zero(&first, sizeof(first)));
}

TEST(timeouts)
{
	struct secmem_access access, other;
	secmem_secret_t secret;
	int64_t before;
	char byte = 0;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	before = sm_now();
	EXPECT_EQ(-ETIMEDOUT,
		  secmem_acquire(secret, SECMEM_WRITE, 30 * MS, &other));
	EXPECT_LE(30 * MS, sm_now() - before);
	EXPECT_EQ(-EAGAIN, secmem_acquire(secret, SECMEM_WRITE, 0, &other));
	EXPECT_EQ(-EAGAIN, secmem_acquire(secret, SECMEM_WRITE | SECMEM_NOWAIT,
					  SECMEM_FOREVER, &other));
	EXPECT_EQ(-ETIMEDOUT, secmem_write(secret, &byte, 1, 0, 1));
	EXPECT_EQ(-EINVAL, secmem_write(secret, &byte, 1, 0, -2));
	EXPECT_EQ(-EINVAL, secmem_acquire(secret, SECMEM_READ, -2, &other));
	EXPECT_EQ(-EINVAL, secmem_close(secret, -2));
	EXPECT_EQ(0, secmem_acquire(secret, SECMEM_READ, INT64_MAX, &other));
	EXPECT_EQ(0, secmem_release(&other));
	EXPECT_EQ(-ETIMEDOUT, secmem_close(secret, 1));
	EXPECT_EQ(1, secmem_is_closed(secret));
	EXPECT_EQ(-EAGAIN, secmem_close(secret, 0));
	EXPECT_EQ(0, secmem_release(&access));
	EXPECT_EQ(0, secmem_close(secret, 0));
}

static int switch_inside(const void *data, size_t length, void *argument)
{
	(void)data;
	(void)length;
	return secmem_switch(argument, SECMEM_WRITE, SECMEM_FOREVER);
}

TEST(access_is_switched_and_held_all_the_while)
{
	struct secmem_access access, other, stale;
	secmem_secret_t secret;
	int result;

	ASSERT_EQ(0, create_text(&secret));
	memset(&access, 0, sizeof(access));
	EXPECT_EQ(-EINVAL, secmem_switch(&access, SECMEM_WRITE, 0));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	stale = access;
	EXPECT_EQ(-EINVAL, secmem_switch(&access, SECMEM_READ, 0));
	EXPECT_EQ(-EINVAL, secmem_switch(&access, 0, 0));
	EXPECT_EQ(-EINVAL, secmem_switch(&access, SECMEM_WRITE, -2));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &other));
	EXPECT_EQ(-EAGAIN, secmem_switch(&access, SECMEM_WRITE, 0));
	EXPECT_EQ(-ETIMEDOUT, secmem_switch(&access, SECMEM_WRITE, 1));
	EXPECT_EQ(SECMEM_READ, access.flags);
	EXPECT_EQ(0, secmem_release(&other));
	EXPECT_EQ(0, secmem_switch(&access, SECMEM_WRITE, SECMEM_FOREVER));
	EXPECT_EQ(SECMEM_WRITE, access.flags);
	((char *)access.data)[0] = 'X';
	EXPECT_EQ(-EAGAIN, secmem_acquire(secret, SECMEM_READ, 0, &other));
	EXPECT_EQ(0, secmem_switch(&access, SECMEM_READ, 0));
	EXPECT_EQ('X', ((char *)access.data)[0]);
	EXPECT_EQ(SIGSEGV, sm_poke(access.data, 'Y'));
	/* Inside a callback on the secret it would wait for itself. */
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, switch_inside, &access,
				       &result));
	EXPECT_EQ(-EDEADLK, result);
	EXPECT_EQ(0, secmem_release(&access));
	/* What was released is not switched, though another is held. */
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &other));
	EXPECT_EQ(-EINVAL, secmem_switch(&stale, SECMEM_WRITE, 0));
	EXPECT_EQ(0, secmem_release(&other));
}

struct waiter {
	secmem_secret_t secret;
	int interruptible, was;
	int error;
	bool done;
};

static void *wait_to_write(void *argument)
{
	struct waiter *waiter = argument;
	struct secmem_access access;

	waiter->was = secmem_wait_set_interruptible(waiter->interruptible);
	waiter->error = secmem_acquire(waiter->secret, SECMEM_WRITE,
				       SECMEM_FOREVER, &access);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST(a_signal_ends_a_wait_of_who_asked_for_it)
{
	struct sigaction action = { .sa_handler = sm_ignore_signal,
				    .sa_flags = SA_RESTART };
	struct waiter waiter = { 0 };
	struct secmem_access access;
	pthread_t thread;

	ASSERT_EQ(0, create_text(&waiter.secret));
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, secmem_acquire(waiter.secret, SECMEM_READ, 0, &access));
	waiter.interruptible = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_to_write, &waiter));
	ASSERT_EQ(0, SM_WAIT_UNTIL(waits(waiter.secret)));
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	EXPECT_EQ(-EINTR, waiter.error);
	EXPECT_EQ(0, waiter.was);
}

static void *release_other_thread(void *argument)
{
	return (void *)(intptr_t)secmem_release(argument);
}

TEST(pointer_leads_back_to_its_secret)
{
	secmem_secret_t secrets[100], other, adopted;
	struct secmem_access access[100], more;
	char local = 0;
	size_t length;
	int i, fd;

	EXPECT_EQ(-ENOENT, secmem_secret_from(&local, &other));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, secmem_create_zero(&secrets[i], 1 + i * 50, NULL));
		ASSERT_EQ(0, secmem_acquire(secrets[i], SECMEM_READ, 0,
					    &access[i]));
	}
	for (i = 0; i < 100; i++) {
		void *data = access[i].data;

		EXPECT_EQ(0, secmem_secret_from(data, &other));
		EXPECT_EQ(0, memcmp(&secrets[i], &other, sizeof(other)));
		EXPECT_EQ(0, secmem_length(other, &length));
		EXPECT_EQ(1 + i * 50, length);
		EXPECT_EQ(-ENOENT,
			  secmem_secret_from((char *)data + 1, &other));
		EXPECT_EQ(SECMEM_HANDLE_NONE, other.handle);
		EXPECT_EQ(-ENOENT,
			  secmem_secret_from((char *)data - 1, &other));
		/* Also when nobody holds it; and it stays there. */
		ASSERT_EQ(0, secmem_release(&access[i]));
		EXPECT_EQ(0, secmem_secret_from(data, &other));
		ASSERT_EQ(0,
			  secmem_acquire(other, SECMEM_WRITE, 0, &access[i]));
		EXPECT_EQ(data, access[i].data);
	}
	for (i = 0; i < 100; i += 2) {
		void *data = access[i].data;

		/* Closing, and closed. */
		EXPECT_EQ(-EAGAIN, secmem_close(secrets[i], 0));
		EXPECT_EQ(0, secmem_secret_from(data, &other));
		ASSERT_EQ(0, secmem_release(&access[i]));
		EXPECT_EQ(-ENOENT, secmem_secret_from(data, &other));
		EXPECT_EQ(-EKEYREVOKED, secmem_length(secrets[i], &length));
		EXPECT_EQ(0, length);
	}
	/* In the view of a grant of one secret. */
	ASSERT_EQ(0, secmem_release(&access[1]));
	fd = secmem_export(secrets[1], SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, secmem_adopt(fd, &adopted));
	ASSERT_EQ(0, secmem_acquire(adopted, SECMEM_READ, 0, &more));
	EXPECT_EQ(0, secmem_secret_from(more.data, &other));
	EXPECT_EQ(0, memcmp(&adopted, &other, sizeof(other)));
	EXPECT_EQ(-ENOENT, secmem_secret_from((char *)more.data + 1, &other));
	ASSERT_EQ(0, secmem_release(&more));
	ASSERT_EQ(0, secmem_close(secrets[1], 0));
	EXPECT_EQ(-EKEYREVOKED, secmem_length(adopted, &length));
}

TEST(another_thread_may_release)
{
	struct secmem_access access;
	secmem_secret_t secret;
	pthread_t thread;
	void *value;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_WRITE, 0, &access));
	ASSERT_EQ(0,
		  pthread_create(&thread, NULL, release_other_thread, &access));
	pthread_join(thread, &value);
	EXPECT_EQ(0, (intptr_t)value);
	EXPECT_EQ(0, writers_of(secret));
}

TEST(cleanup_attributes)
{
	uint64_t before = info_now().secrets;
	secmem_secret_t copy;

	{
		SECMEM_AUTO_CLOSE secmem_secret_t none = SECMEM_SECRET_NONE;
		SECMEM_AUTO_CLOSE secmem_secret_t secret = SECMEM_SECRET_NONE;
		SECMEM_AUTO_RELEASE struct secmem_access access = { 0 };

		ASSERT_EQ(0, none.handle);
		ASSERT_EQ(0, create_text(&secret));
		copy = secret;
		ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
		EXPECT_EQ(1, readers_of(copy));
		errno = 4711;
	}
	EXPECT_EQ(4711, errno);
	EXPECT_EQ(1, secmem_is_closed(copy));
	EXPECT_EQ(before, info_now().secrets);
}

/* Copies */

TEST(read_and_write)
{
	secmem_secret_t secret;
	char got[8] = "";

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(0, secmem_write(secret, "mule!", 5, 8, SECMEM_FOREVER));
	EXPECT_EQ(0, secmem_read(secret, got, 7, 7, SECMEM_FOREVER));
	EXPECT_STREQ(" mule! ", got);
	EXPECT_EQ(-EINVAL, secmem_read(secret, got, 7, sizeof(text) - 6, 0));
	EXPECT_EQ(-EINVAL, secmem_write(secret, got, 7, sizeof(text) - 6, 0));
	EXPECT_EQ(-EFAULT, secmem_read(secret, (void *)8, 7, 0, 0));
}

TEST(compare)
{
	secmem_secret_t secret;
	char other[sizeof(text)];
	int equal;

	ASSERT_EQ(0, create_text(&secret));
	equal = 7;
	EXPECT_EQ(0, secmem_compare(secret, text, sizeof(text), &equal, 0));
	EXPECT_EQ(1, equal);
	memcpy(other, text, sizeof(text));
	other[sizeof(text) - 1] ^= 1;
	EXPECT_EQ(0, secmem_compare(secret, other, sizeof(text), &equal, 0));
	EXPECT_EQ(0, equal);
	equal = 1;
	EXPECT_EQ(0, secmem_compare(secret, text, sizeof(text) - 1, &equal, 0));
	EXPECT_EQ(0, equal);
	equal = 1;
	EXPECT_EQ(-EFAULT,
		  secmem_compare(secret, (void *)8, sizeof(text), &equal, 0));
	EXPECT_EQ(0, equal);
	EXPECT_EQ(0, secmem_close(secret, 0));
	equal = 1;
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_compare(secret, text, sizeof(text), &equal, 0));
	EXPECT_EQ(0, equal);
}

/* Lifecycle */

TEST(seal)
{
	secmem_secret_t secret;
	struct secmem_access access;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_WRITE, 0, &access));
	EXPECT_EQ(-EBUSY, secmem_seal(secret));
	EXPECT_EQ(0, secmem_release(&access));
	EXPECT_EQ(0, secmem_seal(secret));
	EXPECT_EQ(0, secmem_seal(secret));
	EXPECT_EQ(-EPERM, secmem_write(secret, "x", 1, 0, SECMEM_FOREVER));
	EXPECT_EQ(-EPERM, secmem_with_bytes_mut(secret, SECMEM_FOREVER,
						nothing_mut, NULL, NULL));
	EXPECT_EQ(0, secmem_with_bytes(secret, 0, nothing, NULL, NULL));
}

TEST(a_closed_secret)
{
	struct secmem_access access;
	secmem_secret_t secret, again;
	struct secmem_status stat;
	char byte = 0;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(0, secmem_is_closed(secret));
	EXPECT_EQ(0, secmem_close(secret, SECMEM_FOREVER));
	EXPECT_EQ(1, secmem_is_closed(secret));
	EXPECT_EQ(0, secmem_close(secret, SECMEM_FOREVER));
	EXPECT_EQ(0, secmem_revoke(secret));
	ASSERT_EQ(0, create_text(&again));
	EXPECT_TRUE(again.handle != secret.handle);
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_acquire(secret, SECMEM_READ, 0, &access));
	EXPECT_EQ(-EKEYREVOKED, secmem_read(secret, &byte, 1, 0, 0));
	EXPECT_EQ(-EKEYREVOKED, secmem_write(secret, &byte, 1, 0, 0));
	EXPECT_EQ(-EKEYREVOKED, secmem_seal(secret));
	EXPECT_EQ(-EKEYREVOKED, secmem_export(secret, SECMEM_RIGHT_READ));
	EXPECT_EQ(-EKEYREVOKED,
		  secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	ASSERT_EQ(0, secmem_stat(secret, &stat, sizeof(stat)));
	EXPECT_EQ(SECMEM_STATE_CLOSED, stat.state);
	EXPECT_EQ(0, secmem_close(SECMEM_SECRET_NONE, SECMEM_FOREVER));
	secret.handle = 1ULL << 60;
	EXPECT_EQ(-ENOENT, secmem_is_closed(secret));
	EXPECT_EQ(-ENOENT, secmem_close(secret, 0));
}

TEST(revoke_is_for_everybody)
{
	struct secmem_access access;
	secmem_secret_t secret;
	void *data;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	data = access.data;
	EXPECT_EQ(0, sm_touch(data, NULL));
	EXPECT_EQ(0, secmem_revoke(secret));
	EXPECT_EQ(SIGBUS, sm_touch(data, NULL));
	EXPECT_EQ(-EKEYREVOKED, secmem_release(&access));
	EXPECT_EQ(0, secmem_release(&access));
}

TEST(sizes_of_stat_and_info)
{
	struct {
		struct secmem_info info;
		char more[8];
	} info;
	struct secmem_status stat;
	secmem_secret_t secret;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(0, secmem_grant_info(SECMEM_GRANT_DEFAULT, &info.info,
				       sizeof(info)));
	EXPECT_EQ(SECMEM_RIGHT_ALL, info.info.rights);
	EXPECT_EQ(-EINVAL, secmem_grant_info(SECMEM_GRANT_DEFAULT, &info.info,
					     sizeof(info.info) - 8));
	EXPECT_EQ(-EINVAL,
		  secmem_grant_info(SECMEM_GRANT_DEFAULT, &info.info, 0));
	EXPECT_EQ(-EINVAL, secmem_stat(secret, &stat, sizeof(stat) - 8));
	EXPECT_EQ(-EINVAL, secmem_stat(secret, &stat, 4));
}

TEST(what_fails_leaves_zeroes)
{
	struct secmem_access access;
	secmem_secret_t secret, gone;
	struct secmem_status status;
	struct secmem_info info;
	int result = 7;

	ASSERT_EQ(0, create_text(&secret));
	gone = secret;
	gone.grant ^= 1ULL << 40;
	memset(&status, 0xff, sizeof(status));
	EXPECT_EQ(-EKEYREVOKED, secmem_stat(gone, &status, sizeof(status)));
	EXPECT_TRUE(is_zero(&status, sizeof(status)));
	memset(&status, 0xff, sizeof(status));
	gone = secret;
	gone.handle ^= 1ULL << 42;
	EXPECT_EQ(-ENOENT, secmem_stat(gone, &status, sizeof(status)));
	EXPECT_TRUE(is_zero(&status, sizeof(status)));
	memset(&status, 0xff, sizeof(status));
	EXPECT_EQ(-EINVAL, secmem_stat(secret, &status, 8));
	EXPECT_TRUE(is_zero(&status, 8));
	EXPECT_EQ(0xff, ((unsigned char *)&status)[8]);

	memset(&info, 0xff, sizeof(info));
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_info((secmem_grant_t){ 4000 },
						  &info, sizeof(info)));
	EXPECT_TRUE(is_zero(&info, sizeof(info)));
	memset(&info, 0xff, sizeof(info));
	EXPECT_EQ(-EINVAL, secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, 16));
	EXPECT_TRUE(is_zero(&info, 16));

	memset(&access, 0xff, sizeof(access));
	EXPECT_EQ(-ENOENT, secmem_acquire(gone, SECMEM_READ, 0, &access));
	EXPECT_TRUE(is_zero(&access, sizeof(access)));
	EXPECT_EQ(-ENOENT, secmem_with_bytes(gone, 0, nothing, NULL, &result));
	EXPECT_EQ(0, result);
}

/* Fork */

struct family {
	secmem_secret_t secret;
	struct secmem_access access;
	int fork_fds;
};

static int child_of(void *argument)
{
	struct family *family = argument;
	secmem_secret_t own, stale = family->secret;
	char byte = 0, got[sizeof(text)];
	struct secmem_status stat;
	void *data = family->access.data;
	int failure = 0;

	CHILD_EXPECT(secmem_fds() == family->fork_fds);
	CHILD_EXPECT(secmem_read(stale, &byte, 1, 0, 0) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_write(stale, &byte, 1, 0, 0) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_stat(stale, &stat, sizeof(stat)) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_is_closed(stale) == 1);
	CHILD_EXPECT(secmem_close(stale, 0) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_revoke(stale) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_export(stale, SECMEM_RIGHT_READ) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_with_bytes(stale, 0, nothing, NULL, NULL) ==
		     -EKEYREVOKED);
	CHILD_EXPECT(sm_touch(data, NULL) == SIGSEGV);
	CHILD_EXPECT(secmem_release(&family->access) == -EKEYREVOKED);

	/*
	 * The parent's names are stale beside secrets of the child's own, too.
	 */
	CHILD_EXPECT(!create_text(&own));
	CHILD_EXPECT(own.grant != stale.grant);
	CHILD_EXPECT(secmem_fds() == family->fork_fds + 1);
	CHILD_EXPECT(secmem_read(stale, &byte, 1, 0, 0) == -EKEYREVOKED);
	CHILD_EXPECT(secmem_close(stale, 0) == -EKEYREVOKED);
	CHILD_EXPECT(!secmem_read(own, got, sizeof(got), 0, 0));
	CHILD_EXPECT(!memcmp(got, text, sizeof(text)));
	CHILD_EXPECT(!secmem_with_bytes(own, 0, nothing, NULL, NULL));
	return 0;
}

TEST(a_forked_child_starts_with_nothing)
{
	struct family family = { 0 };

	ASSERT_EQ(0, create_text(&family.secret));
	ASSERT_EQ(0, secmem_acquire(family.secret, SECMEM_READ, 0,
				    &family.access));
	ASSERT_EQ(1, secmem_fds());
	EXPECT_EQ(0, in_child(child_of, &family));
	EXPECT_EQ(0, sm_touch(family.access.data, NULL));
	EXPECT_EQ(1, readers_of(family.secret));
	EXPECT_EQ(0, secmem_release(&family.access));
}

TEST(so_does_a_child_of_clone)
{
	struct family family = { .fork_fds = 1 };
	int status;
	pid_t pid;

	ASSERT_EQ(0, create_text(&family.secret));
	ASSERT_EQ(0, secmem_acquire(family.secret, SECMEM_READ, 0,
				    &family.access));
	/* No handler of pthread_atfork runs here, so the descriptor stays. */
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(child_of(&family));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(1, readers_of(family.secret));
}

static secmem_secret_t early_secret;
static int early_error;

static int own_works(void)
{
	secmem_secret_t own;

	return create_text(&own) ||
	       secmem_with_bytes(own, 0, nothing, NULL, NULL);
}

/* The child can use the library, and has none of the parent's descriptors. */
static int child_works(void *argument)
{
	(void)argument;
	return own_works() ? 1 : secmem_fds() != 1 ? 2 : 0;
}

static void early_parent(void)
{
	secmem_grant_t grant;

	early_error = secmem_grant_open(&grant);
	if (!early_error)
		early_error = secmem_grant_close(grant);
}

static void early_child(void)
{
	early_error = secmem_create_zero(&early_secret, 8, NULL);
}

static int early_child_reads(void *argument)
{
	unsigned char bytes[8];
	int failure = 0;

	(void)argument;
	CHILD_EXPECT(!early_error);
	CHILD_EXPECT(!secmem_read(early_secret, bytes, sizeof(bytes), 0, 0));
	CHILD_EXPECT(is_zero(bytes, sizeof(bytes)));
	return 0;
}

/*
 * The library's handlers are registered before main(), so this one runs after
 * them.
 */
TEST(child_may_use_the_library_in_a_fork_handler)
{
	secmem_secret_t secret;

	ASSERT_EQ(0, pthread_atfork(NULL, NULL, early_child));
	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(0, in_child(early_child_reads, NULL));
}

/* The first handler runs before the library's, the second one after them. */
TEST(parent_may_use_the_library_in_a_fork_handler)
{
	secmem_secret_t secret;

	ASSERT_EQ(0, pthread_atfork(early_parent, NULL, NULL));
	ASSERT_EQ(0, pthread_atfork(NULL, early_parent, NULL));
	ASSERT_EQ(0, create_text(&secret));
	early_error = 1;
	EXPECT_EQ(0, in_child(child_works, NULL));
	EXPECT_EQ(0, early_error);
	EXPECT_EQ(1, secmem_fds());
}

static int grandchild_of(void *argument)
{
	int *fd = argument, saved = *fd;

	return fcntl(saved, F_GETFD) < 0;
}

static int clone_and_reuse(void *argument)
{
	int fd = *(int *)argument;

	/*
	 * As in a daemon: all is closed, and the number then serves another
	 * file.
	 */
	close(fd);
	if (open("/dev/null", O_RDONLY) < 0 || dup2(0, fd) != fd)
		return 1;
	return in_child(grandchild_of, &fd) ? 2 : 0;
}

TEST(a_stale_descriptor_is_not_closed_in_a_grandchild)
{
	secmem_secret_t secret;
	int fd, status;
	pid_t pid;

	ASSERT_EQ(0, create_text(&secret));
	fd = secmem_fd();
	ASSERT_LE(0, fd);
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		_exit(clone_and_reuse(&fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static int fork_inside(const void *data, size_t length, void *argument)
{
	secmem_secret_t own;
	pid_t *pid = argument;

	(void)length;
	*pid = fork();
	if (!*pid) {
		/* The child's grant takes the slot that the parent's had. */
		if (create_text(&own))
			_exit(200);
		return sm_touch(data, NULL);
	}
	return 0;
}

TEST(a_fork_inside_a_callback)
{
	secmem_secret_t secret, other;
	secmem_grant_t grant;
	struct secmem_options options = { .size = sizeof(options) };
	int error, result = 0, status, which;
	pid_t pid;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, secmem_grant_open(&grant));
	options.grant = grant;
	ASSERT_EQ(0, secmem_create_zero(&other, 1, &options));
	for (which = 0; which < 2; which++) {
		error = secmem_with_bytes(which ? other : secret, 0,
					  fork_inside, &pid, &result);
		if (!pid)
			_exit(error != -EKEYREVOKED ? 1 :
			      result != SIGSEGV	    ? 2 :
			      own_works()	    ? 3 :
						      0);
		EXPECT_EQ(0, error);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, readers_of(secret));
	EXPECT_EQ(0, readers_of(other));
}

static void *churn(void *argument)
{
	secmem_grant_t grant;

	while (!__atomic_load_n((bool *)argument, __ATOMIC_ACQUIRE))
		if (!secmem_grant_open(&grant))
			secmem_grant_close(grant);
	return NULL;
}

/* A fork works wherever in the library the other threads are. */
TEST(fork_beside_busy_threads)
{
	int64_t end = sm_in_ms(5000);
	pthread_t threads[3];
	bool stop = false;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn, &stop));
	for (i = 0; i < 100 && (i < 5 || sm_now() < end); i++)
		EXPECT_EQ(0, in_child(child_works, NULL));
	TH_LOG("%d forks", i);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void *fork_cancelled(void *argument)
{
	int status, *code = argument;
	pid_t pid;

	pthread_cancel(pthread_self());
	pid = fork();
	if (!pid)
		_exit(7);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		*code = WEXITSTATUS(status);
	return NULL;
}

TEST(fork_is_no_cancellation_point)
{
	secmem_secret_t secret;
	pthread_t thread;
	int code = -1;

	ASSERT_EQ(0, create_text(&secret));
	ASSERT_EQ(0, pthread_create(&thread, NULL, fork_cancelled, &code));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(7, code);
}

/*
 * Handlers of the program's that are registered before the library's.
 * ThreadSanitizer does not work that early.
 */
#if !SHADOWED

static pthread_mutex_t early_lock = PTHREAD_MUTEX_INITIALIZER;
static bool early_locks;

static void early_take(void)
{
	if (early_locks)
		pthread_mutex_lock(&early_lock);
}

static void early_give(void)
{
	if (early_locks)
		pthread_mutex_unlock(&early_lock);
}

static void early_register(void)
{
	pthread_atfork(early_take, early_give, early_give);
}

__attribute__((__section__(".preinit_array"),
	       __used__)) static void (*early_entry)(void) = early_register;

static void *churn_locked(void *argument)
{
	secmem_grant_t grant;

	while (!__atomic_load_n((bool *)argument, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&early_lock);
		if (!secmem_grant_open(&grant))
			secmem_grant_close(grant);
		pthread_mutex_unlock(&early_lock);
		sched_yield();
	}
	return NULL;
}

static int child_exits(void *argument)
{
	(void)argument;
	return 0;
}

/*
 * Fork and thread each wait for a lock that the other one holds: the thread
 * gives up after a while, and both go on.
 */
TEST(fork_beside_a_lock_of_the_program_that_comes_first)
{
	int64_t end = sm_in_ms(5000);
	pthread_t thread;
	bool stop = false;
	int i;

	early_locks = true;
	ASSERT_EQ(0, pthread_create(&thread, NULL, churn_locked, &stop));
	for (i = 0; i < 100 && (i < 3 || sm_now() < end); i++)
		EXPECT_EQ(0, in_child(child_exits, NULL));
	TH_LOG("%d forks", i);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	early_locks = false;
}
#endif

/* Grants */

TEST(a_grant_of_its_own)
{
	struct secmem_options options = { .size = sizeof(options) };
	struct secmem_access access;
	secmem_secret_t secret;
	secmem_grant_t grant, again;
	void *data;

	ASSERT_EQ(0, secmem_grant_open(&grant));
	options.grant = grant;
	ASSERT_EQ(0, secmem_create_random(&secret, 16, &options));
	EXPECT_EQ(grant.id, secmem_secret_grant(secret).id);
	ASSERT_EQ(0, secmem_acquire(secret, SECMEM_READ, 0, &access));
	data = access.data;
	EXPECT_EQ(0, sm_touch(data, NULL));
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_EQ(SIGSEGV, sm_touch(data, NULL));
	EXPECT_EQ(-EKEYREVOKED, secmem_release(&access));
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_close(grant));
	EXPECT_EQ(-EKEYREVOKED, secmem_create_zero(&secret, 1, &options));
	ASSERT_EQ(0, secmem_grant_open(&again));
	EXPECT_TRUE(again.id != grant.id);
	EXPECT_EQ(-EKEYREVOKED, secmem_grant_close(grant));
	EXPECT_EQ(0, secmem_grant_close(again));
	EXPECT_EQ(0, info_now().secrets);
	EXPECT_EQ(1, secmem_fds());
}

TEST(the_default_grant_stays)
{
	secmem_secret_t secret;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(-EINVAL, secmem_grant_close(SECMEM_GRANT_DEFAULT));
	EXPECT_EQ(-EINVAL, secmem_grant_close(secmem_secret_grant(secret)));
	EXPECT_EQ(0, secmem_is_closed(secret));
}

static int close_grant_inside(const void *data, size_t length, void *argument)
{
	struct visit *seen = argument;

	(void)length;
	seen->error = secmem_grant_close(secmem_secret_grant(seen->secret));
	seen->inner = secmem_is_closed(seen->secret);
	seen->data = data;
	return sm_touch(data, NULL);
}

TEST(a_grant_closed_inside_a_callback)
{
	struct secmem_options options = { .size = sizeof(options) };
	struct visit seen = { 0 };
	int result = 0;

	ASSERT_EQ(0, secmem_grant_open(&options.grant));
	ASSERT_EQ(0, secmem_create_zero(&seen.secret, 1, &options));
	EXPECT_EQ(1, secmem_fds());
	EXPECT_EQ(0, secmem_with_bytes(seen.secret, 0, close_grant_inside,
				       &seen, &result));
	EXPECT_EQ(0, seen.error);
	EXPECT_EQ(1, seen.inner);
	EXPECT_EQ(0, result);
	EXPECT_EQ(SIGSEGV, sm_touch(seen.data, NULL));
	EXPECT_EQ(0, secmem_fds());
}

TEST(many_grants)
{
	struct rlimit limit;
	secmem_grant_t grants[200];
	struct secmem_options options = { .size = sizeof(options) };
	secmem_secret_t secrets[200];
	int i;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_LT(256, limit.rlim_cur);
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, secmem_grant_open(&grants[i]));
		options.grant = grants[i];
		ASSERT_EQ(0, secmem_create_zero(&secrets[i], 8, &options));
		ASSERT_EQ(0, secmem_with_bytes(secrets[i], 0, nothing, NULL,
					       NULL));
	}
	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, secmem_grant_close(grants[i]));
	EXPECT_EQ(0, secmem_fds());
	EXPECT_EQ(0, info_now().secrets);
}

static void *first_use(void *argument)
{
	struct sm_call *start = argument;
	secmem_secret_t secret;

	SM_WAIT_UNTIL(__atomic_load_n(&start->done, __ATOMIC_ACQUIRE));
	if (create_text(&secret) ||
	    secmem_with_bytes(secret, 0, nothing, NULL, NULL))
		__atomic_store_n(&start->result, 1, __ATOMIC_RELEASE);
	return NULL;
}

TEST(first_use_by_many_threads)
{
	struct sm_call start = { 0 };
	pthread_t threads[8];
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0,
			  pthread_create(&threads[i], NULL, first_use, &start));
	__atomic_store_n(&start.done, true, __ATOMIC_RELEASE);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, start.result);
	EXPECT_EQ(1, secmem_fds());
	EXPECT_EQ(1, info_now().vaults);
	EXPECT_EQ(8, info_now().secrets);
}

/* Export and adoption */

struct pass {
	int fd;
	int socket;
};

static int adopt_and_try(void *argument)
{
	struct pass *pass = argument;
	char byte = 0, got[sizeof(text)];
	secmem_secret_t secret;
	struct secmem_info info;
	struct visit seen = { 0 };
	int failure = 0, result = 0, again = dup(pass->fd);

	CHILD_EXPECT(secmem_adopt(pass->fd, &secret) == 0);
	CHILD_EXPECT(fcntl(pass->fd, F_GETFD) < 0);
	CHILD_EXPECT(!secmem_grant_info(secmem_secret_grant(secret), &info,
					sizeof(info)));
	CHILD_EXPECT(info.rights == (SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP));
	CHILD_EXPECT(info.handle == secret.handle);
	seen.secret = secret;
	CHILD_EXPECT(!secmem_with_bytes(secret, 0, visit, &seen, &result));
	CHILD_EXPECT(result == 42);
	CHILD_EXPECT(!secmem_read(secret, got, sizeof(got), 0, 0));
	CHILD_EXPECT(secmem_write(secret, &byte, 1, 0, 0) == -EACCES);
	CHILD_EXPECT(secmem_close(secret, 0) == -EACCES);
	CHILD_EXPECT(secmem_revoke(secret) == -EACCES);
	CHILD_EXPECT(secmem_export(secret, SECMEM_RIGHT_READ) == -EACCES);
	CHILD_EXPECT(secmem_adopt(again, &secret) == -EBUSY);
	CHILD_EXPECT(fcntl(again, F_GETFD) >= 0);
	CHILD_EXPECT(secmem_fds() == 2);
	CHILD_EXPECT(
		!secmem_grant_close((secmem_grant_t){ seen.secret.grant }));
	CHILD_EXPECT(secmem_fds() == 1);
	CHILD_EXPECT(secmem_read(seen.secret, got, 1, 0, 0) == -EKEYREVOKED);
	return 0;
}

TEST(export_and_adopt)
{
	secmem_secret_t secret, own;
	struct pass pass;

	ASSERT_EQ(0, create_text(&secret));
	EXPECT_EQ(-EINVAL, secmem_export(secret, 0));
	EXPECT_EQ(-EINVAL, secmem_export(secret, SECMEM_RIGHT_CREATE));
	EXPECT_EQ(-ENOENT, secmem_export(SECMEM_SECRET_NONE, 1));
	pass.fd = secmem_export(secret, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	ASSERT_LE(0, pass.fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(pass.fd, F_GETFD));
	EXPECT_EQ(0, in_child(adopt_and_try, &pass));

	/* The child is gone: another process may use the file. */
	ASSERT_EQ(0, secmem_adopt(pass.fd, &own));
	EXPECT_EQ(-EACCES, secmem_close(own, 0));
	EXPECT_EQ(0, secmem_close(secret, 0));
	EXPECT_EQ(1, secmem_is_closed(own));
}

static int adopt_used(void *argument)
{
	struct pass *pass = argument;
	secmem_secret_t secret;

	return secmem_adopt(pass->fd, &secret) != -EACCES ||
	       fcntl(pass->fd, F_GETFD) < 0;
}

TEST(adopt_refusals)
{
	secmem_secret_t secret, other;
	secmem_grant_t grant, other_grant;
	struct pass pass;
	struct secmem_status stat = { .size = sizeof(stat) };
	int fd, again;

	EXPECT_EQ(-ENOTTY, secmem_adopt(open("/dev/null", O_RDWR), &secret));
	EXPECT_EQ(-EBADF, secmem_adopt(1000, &secret));
	EXPECT_EQ(-ENODATA, secmem_adopt(-ENODATA, &secret));
	fd = sm_open();
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, secmem_adopt(fd, &secret));
	EXPECT_LE(0, fcntl(fd, F_GETFD));
	again = dup(fd);
	EXPECT_EQ(0, secmem_grant_adopt(fd, &grant));
	EXPECT_EQ(-EBADF, secmem_grant_adopt(fd, &other_grant));
	EXPECT_EQ(-EBUSY, secmem_grant_adopt(again, &other_grant));
	EXPECT_EQ(0, other_grant.id);
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_EQ(0, secmem_grant_adopt(again, &grant));

	ASSERT_EQ(0, create_text(&secret));
	pass.fd = secmem_export(secret, SECMEM_RIGHT_READ);
	ASSERT_LE(0, pass.fd);
	stat.handle = secret.handle;
	ASSERT_EQ(0, ioctl(pass.fd, SECMEM_IOC_STAT, &stat));
	EXPECT_EQ(0, in_child(adopt_used, &pass));
	ASSERT_EQ(0, secmem_adopt(pass.fd, &other));
	/* Without MAP there is no callback, but a copy. */
	EXPECT_EQ(-EACCES, secmem_with_bytes(other, 0, nothing, NULL, NULL));
	EXPECT_EQ(0, secmem_read(other, &stat, 4, 0, 0));
}

static int use_whole_vault(void *argument)
{
	struct secmem_options options = { .size = sizeof(options) };
	struct pass *pass = argument;
	secmem_secret_t secret;
	int failure = 0;

	CHILD_EXPECT(!secmem_grant_adopt(pass->fd, &options.grant));
	CHILD_EXPECT(!secmem_create_random(&secret, 5, &options));
	CHILD_EXPECT(!secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	/* The child has opened no vault of its own. */
	CHILD_EXPECT(secmem_fds() == 1);
	return 0;
}

TEST(adopt_a_whole_vault)
{
	struct pass pass;
	secmem_grant_t grant;

	/* As a service manager opens it for its service. */
	pass.fd = sm_open();
	ASSERT_LE(0, pass.fd);
	EXPECT_EQ(0, in_child(use_whole_vault, &pass));
	close(pass.fd);

	ASSERT_EQ(0, secmem_grant_open(&grant));
	EXPECT_EQ(-EINVAL, secmem_grant_export(grant, 1U << 9));
	pass.fd = secmem_grant_export(grant, SECMEM_RIGHT_ALL);
	ASSERT_LE(0, pass.fd);
	EXPECT_EQ(2, secmem_fds());
	EXPECT_EQ(0, secmem_grant_close(grant));
	EXPECT_EQ(0, in_child(use_whole_vault, &pass));
}

static long address_space(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

TEST(view_of_one_secret_is_as_small_as_it_can_be)
{
	enum { GRANTS = 20 };
	secmem_secret_t secret, adopted;
	long before;
	int i, fd;

	ASSERT_EQ(0, secmem_create_zero(&secret, SECMEM_LENGTH_MAX, NULL));
	before = address_space();
	for (i = 0; i < GRANTS; i++) {
		fd = secmem_export(secret,
				   SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, secmem_adopt(fd, &adopted));
		EXPECT_EQ(0,
			  secmem_with_bytes(adopted, 0, nothing, NULL, NULL));
	}
	EXPECT_GE(GRANTS * 2L * SECMEM_LENGTH_MAX, address_space() - before);
}

static int receive_and_try(void *argument)
{
	struct pass *pass = argument;

	pass->fd = secmem_fd_receive(pass->socket);
	if (pass->fd < 0)
		return 100;
	return adopt_and_try(pass);
}

TEST(send_and_receive)
{
	secmem_secret_t secret;
	struct pass pass;
	int ends[2], fd, status;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pass.socket = ends[0];
	/*
	 * The child is forked before there is a secret: it gets that by the
	 * socket alone.
	 */
	pid = fork();
	if (!pid)
		_exit(receive_and_try(&pass));
	ASSERT_EQ(0, create_text(&secret));
	fd = secmem_export(secret, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, secmem_fd_send(ends[1], fd));
	close(fd);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	EXPECT_EQ(-EBADF, secmem_fd_send(ends[1], 1000));
	EXPECT_EQ(-ENOTSOCK, secmem_fd_send(open("/dev/null", O_RDWR), 0));
	ASSERT_EQ(1, write(ends[1], "", 1));
	EXPECT_EQ(-ENOMSG, secmem_fd_receive(ends[0]));
	close(ends[1]);
	EXPECT_EQ(-ENODATA, secmem_fd_receive(ends[0]));
	EXPECT_EQ(-EPIPE, secmem_fd_send(ends[0], 0));
}

/* Sends so many descriptors in one message. */
static int send_several(int socket, const int *fds, unsigned int count,
			size_t bytes)
{
	char space[CMSG_SPACE(4 * sizeof(int))] = "", text[2] = "";
	struct iovec part = { text, bytes };
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	return sendmsg(socket, &m, 0) < 0 ? -errno : 0;
}

static int open_fds(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

TEST(receive_leaves_no_descriptor_that_nobody_asked_for)
{
	int ends[2], fds[3] = { 0, 1, 2 }, before, fd;
	unsigned int count;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	before = open_fds();
	for (count = 2; count <= 3; count++) {
		ASSERT_EQ(0, send_several(ends[1], fds, count, 1));
		EXPECT_EQ(-ENOMSG, secmem_fd_receive(ends[0]));
		EXPECT_EQ(before, open_fds());
	}
	ASSERT_EQ(0, send_several(ends[1], fds, 1, 0));
	EXPECT_EQ(-ENODATA, secmem_fd_receive(ends[0]));
	EXPECT_EQ(before, open_fds());
	ASSERT_EQ(0, send_several(ends[1], fds, 1, 2));
	EXPECT_EQ(-ENOMSG, secmem_fd_receive(ends[0]));
	EXPECT_EQ(before, open_fds());
	/* The control. */
	ASSERT_EQ(0, send_several(ends[1], fds, 1, 1));
	fd = secmem_fd_receive(ends[0]);
	EXPECT_LE(0, fd);
	EXPECT_EQ(before + 1, open_fds());
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void name_fd(const char *name, int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	setenv(name, number, 1);
}

TEST(descriptors_from_the_environment)
{
	int fd = sm_open(), flags;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));
	unsetenv("SECMEM_FD");
	EXPECT_EQ(-ENOENT, secmem_fd_from_env(NULL));
	name_fd("SECMEM_FD", fd);
	EXPECT_EQ(fd, secmem_fd_from_env(NULL));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	name_fd("MY_FD", fd);
	EXPECT_EQ(fd, secmem_fd_from_env("MY_FD"));
	/*
	 * The number of another file is refused, and that file left as it is.
	 */
	flags = fcntl(1, F_GETFD);
	name_fd("MY_FD", 1);
	EXPECT_EQ(-ENOTTY, secmem_fd_from_env("MY_FD"));
	EXPECT_EQ(0, flags);
	EXPECT_EQ(flags, fcntl(1, F_GETFD));
	setenv("MY_FD", "1000", 1);
	EXPECT_EQ(-EBADF, secmem_fd_from_env("MY_FD"));
	setenv("MY_FD", "", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_env("MY_FD"));
	setenv("MY_FD", "3x", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_env("MY_FD"));
	setenv("MY_FD", "-1", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_env("MY_FD"));
	setenv("MY_FD", "99999999999", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_env("MY_FD"));
}

TEST(descriptors_from_systemd)
{
	char pid[16];
	int fd = sm_open();

	ASSERT_LE(0, fd);
	unsetenv("LISTEN_PID");
	EXPECT_EQ(-ENOENT, secmem_fd_from_listen(NULL));
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	dup2(fd, 5);
	dup2(fd, 4);
	dup2(fd, 3);
	EXPECT_EQ(3, secmem_fd_from_listen(NULL));
	EXPECT_EQ(FD_CLOEXEC, fcntl(3, F_GETFD));
	setenv("LISTEN_FDS", "3", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_listen(NULL));
	EXPECT_EQ(-ENOENT, secmem_fd_from_listen("key"));
	setenv("LISTEN_FDNAMES", "http:keyring:key", 1);
	EXPECT_EQ(5, secmem_fd_from_listen("key"));
	EXPECT_EQ(4, secmem_fd_from_listen("keyring"));
	EXPECT_EQ(3, secmem_fd_from_listen("http"));
	EXPECT_EQ(-ENOENT, secmem_fd_from_listen("ke"));
	/* Descriptor 4 is another file, which stays inheritable. */
	dup2(0, 4);
	EXPECT_EQ(-ENOTTY, secmem_fd_from_listen("keyring"));
	EXPECT_EQ(0, fcntl(4, F_GETFD));
	setenv("LISTEN_FDS", "2", 1);
	EXPECT_EQ(-ENOENT, secmem_fd_from_listen("key"));
	setenv("LISTEN_FDS", "x", 1);
	EXPECT_EQ(-EINVAL, secmem_fd_from_listen("key"));
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	EXPECT_EQ(-ENOENT, secmem_fd_from_listen(NULL));
}

/* The process */

static int harden(void *argument)
{
	struct rlimit limit = { 1, 1 };
	int failure = 0;

	(void)argument;
	/* secmem_harden needs no capability. */
	CHILD_EXPECT(!setgid(1001) && !setuid(1001));
	CHILD_EXPECT(!prctl(PR_SET_DUMPABLE, 1));
	CHILD_EXPECT(secmem_harden(2) == -EINVAL);
	CHILD_EXPECT(prctl(PR_GET_DUMPABLE) == 1);
	CHILD_EXPECT(secmem_harden(0) == 0);
	CHILD_EXPECT(prctl(PR_GET_DUMPABLE) == 0);
	CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	CHILD_EXPECT(!getrlimit(RLIMIT_CORE, &limit));
	CHILD_EXPECT(limit.rlim_cur == 0 && limit.rlim_max == 0);
	CHILD_EXPECT(open("/proc/self/mem", O_RDONLY) < 0 && errno == EACCES);
	CHILD_EXPECT(secmem_harden(SECMEM_HARDEN_NO_NEW_PRIVS) == 0);
	CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return 0;
}

TEST(hardened)
{
	EXPECT_EQ(0, in_child(harden, NULL));
}

static int lock_all(void *argument)
{
	const struct rlimit limit = { 256 << 10, 256 << 10 };
	secmem_secret_t secret;
	int failure = 0;
	void *large;

	(void)argument;
	CHILD_EXPECT(!setrlimit(RLIMIT_MEMLOCK, &limit));
	CHILD_EXPECT(!setgid(100) && !setuid(1000));
	CHILD_EXPECT(!mlockall(MCL_FUTURE));
	/* Control: a view of the usual size would indeed be refused. */
	large = mmap(NULL, 1 << 30, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	CHILD_EXPECT(large == MAP_FAILED && errno == EAGAIN);
	CHILD_EXPECT(!create_text(&secret));
	CHILD_EXPECT(!secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	return 0;
}

TEST(a_smaller_view_after_mlockall)
{
	if (SHADOWED)
		SKIP(return, "ThreadSanitizer needs memory of its own");
	EXPECT_EQ(0, in_child(lock_all, NULL));
}

static int limit_address_space(void *argument)
{
	const struct rlimit limit = { 1 << 30, 1 << 30 };
	secmem_secret_t secret;
	int failure = 0;

	(void)argument;
	CHILD_EXPECT(!setrlimit(RLIMIT_AS, &limit));
	CHILD_EXPECT(!create_text(&secret));
	CHILD_EXPECT(!secmem_with_bytes(secret, 0, nothing, NULL, NULL));
	return 0;
}

TEST(a_smaller_view_under_rlimit_as)
{
	if (SHADOWED)
		SKIP(return, "ThreadSanitizer needs memory of its own");
	EXPECT_EQ(0, in_child(limit_address_space, NULL));
}

static int stranger(void *argument)
{
	secmem_secret_t secret;

	(void)argument;
	if (setgid(1001) || setuid(1001))
		return 1;
	return create_text(&secret) != -EACCES;
}

TEST(a_stranger_may_not)
{
	EXPECT_EQ(0, in_child(stranger, NULL));
}

TEST(texts)
{
	char version[32];
	unsigned int i;

	EXPECT_STREQ(LIBSECMEM_VERSION, secmem_version());
	snprintf(version, sizeof(version), "%d.%d.%d",
		 LIBSECMEM_VERSION_NUMBER >> 16,
		 LIBSECMEM_VERSION_NUMBER >> 8 & 0xff,
		 LIBSECMEM_VERSION_NUMBER & 0xff);
	EXPECT_STREQ(LIBSECMEM_VERSION, version);
	for (i = 0; i < SECMEM_PROT_COUNT; i++) {
		EXPECT_NE(NULL, secmem_protection_name(i));
		EXPECT_NE(NULL, secmem_protection_text(i));
	}
	EXPECT_EQ(NULL, secmem_protection_name(i));
	EXPECT_EQ(NULL, secmem_protection_text(i));
	for (i = 0; i <= SECMEM_WHY_UNCHARGED; i++)
		EXPECT_NE(NULL, secmem_why_text(i));
	EXPECT_EQ(NULL, secmem_why_text(i));
	for (i = 0; SECMEM_RIGHT_ALL >> i; i++)
		EXPECT_NE(NULL, secmem_right_name(i));
	EXPECT_EQ(NULL, secmem_right_name(i));
}

TEST(each_error_has_a_sentence_that_says_what_to_do)
{
	static const int errors[] = {
		E2BIG,	EACCES,	   EAGAIN,    EBADF,	  EBADMSG, EBUSY,
		EFAULT, EDEADLK,   EFBIG,     EINTR,	  EINVAL,  EKEYREVOKED,
		EMFILE, ENFILE,	   ENODATA,   ENODEV,	  ENOENT,  ENOMEM,
		ENOMSG, ENOTTY,	   ENXIO,     EOPNOTSUPP, EPERM,   EOWNERDEAD,
		0,	ETIMEDOUT, ESHUTDOWN, EIO,
	};
	static const struct {
		int error;
		const char *word;
	} words[] = {
		{ EACCES, "group secmem" },	    { EACCES, "nodev" },
		{ EPERM, "PrivateDevices=" },	    { EPERM, "device cgroup" },
		{ ENOENT, "modprobe secmem" },	    { ENOENT, "chroot" },
		{ ENOMEM, "RLIMIT_MEMLOCK" },	    { ENOMEM, "memlock_cap" },
		{ ENOMEM, "whole pages" },	    { EKEYREVOKED, "fork" },
		{ EOPNOTSUPP, "secmemctl status" },
	};
	const char *none = secmem_strerror(EXDEV);
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		EXPECT_STRNE(none, secmem_strerror(errors[i]));
		EXPECT_STREQ(secmem_strerror(errors[i]),
			     secmem_strerror(-errors[i]));
		EXPECT_EQ(NULL, strchr(secmem_strerror(errors[i]), '\n'));
	}
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		EXPECT_NE(NULL, strstr(secmem_strerror(words[i].error),
				       words[i].word));
	EXPECT_STREQ(none, secmem_strerror(INT_MIN));
}

/* The examples: those that the README has, and programs */

#define main library_example
#include "../userlib/examples/with-library.c"
#undef main
#define main ioctls_example
#include "../userlib/examples/with-ioctls.c"
#undef main

TEST(example_with_library)
{
	char output[256];

	EXPECT_EQ(0, output_of(library_example, "-----BEGIN", output, 256));
	EXPECT_STREQ("a PEM file: yes\n", output);
	EXPECT_EQ(0, output_of(library_example, "other", output, 256));
	EXPECT_STREQ("a PEM file: no\n", output);
	EXPECT_EQ(1, output_of(library_example, "", output, 256));
}

TEST(example_with_ioctls)
{
	char output[256];

	EXPECT_EQ(0, output_of(ioctls_example, "", output, 256));
	EXPECT_EQ(0, strncmp("byte 0 of 32: ", output, 14));
}

/* An exception of C++: these tests are C, which cannot throw one. */
TEST(example_with_exceptions)
{
	char output[256];

	if (access("/opt/examples/with-exceptions", X_OK))
		SKIP(return, "no /opt/examples/with-exceptions");
	EXPECT_EQ(0, run("/opt/examples/with-exceptions", "", output, 256));
	EXPECT_STREQ("too short a key; 0 readers\n", output);
}

TEST(example_prefork)
{
	char output[256];

	if (access("/opt/examples/prefork", X_OK))
		SKIP(return, "no /opt/examples/prefork");
	EXPECT_EQ(0, run("/opt/examples/prefork", "", output, 256));
	EXPECT_STREQ("started: signed signed signed signed\n"
		     "one killed: gone signed signed signed\n"
		     "one revoked: gone signed signed revoked\n"
		     "all revoked: gone revoked revoked revoked\n",
		     output);
	EXPECT_EQ(0, info_now().secrets);
	EXPECT_EQ(0, info_now().accesses);
}

TEST_HARNESS_MAIN
