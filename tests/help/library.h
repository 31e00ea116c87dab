/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of libsecmem share. */
#ifndef SECMEM_LIBRARY_H
#define SECMEM_LIBRARY_H

#include "secmem_test.h"
#include "libsecmem.h"

#define MS 1000000LL

static const char text[] = "correct horse battery staple";

static inline int create_text(secmem_secret_t *secret)
{
	char copy[sizeof(text)];

	memcpy(copy, text, sizeof(text));
	return secmem_create(secret, copy, sizeof(copy), NULL);
}

static inline struct secmem_info info_now(void)
{
	struct secmem_info info;

	if (secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info)))
		memset(&info, 0xff, sizeof(info));
	return info;
}

static inline unsigned int readers_of(secmem_secret_t secret)
{
	struct secmem_status stat;

	return secmem_stat(secret, &stat, sizeof(stat)) ? 99 : stat.readers;
}

static inline unsigned int writers_of(secmem_secret_t secret)
{
	struct secmem_status stat;

	return secmem_stat(secret, &stat, sizeof(stat)) ? 99 : stat.writers;
}

/* Runs function in a child: its result, of which 0 is good; 255: a signal. */
static inline int in_child(int (*function)(void *argument), void *argument)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(function(argument));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static inline int is_zero(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	size_t i;

	for (i = 0; i < length; i++)
		if (bytes[i])
			return 0;
	return 1;
}

static inline int nothing(const void *data, size_t length, void *argument)
{
	(void)data;
	(void)length;
	(void)argument;
	return 0;
}

static inline int nothing_mut(void *data, size_t length, void *argument)
{
	return nothing(data, length, argument);
}

/* A child's exit status is all that is seen of it: so failures are numbered. */
#define CHILD_EXPECT(condition)         \
	do {                            \
		failure++;              \
		if (!(condition))       \
			return failure; \
	} while (0)

static inline bool waits(secmem_secret_t secret)
{
	struct secmem_status stat;

	return !secmem_stat(secret, &stat, sizeof(stat)) && stat.waiters;
}

/* Whether a descriptor of this process is a file of secmem's. */
static inline int is_secmem_fd(int fd)
{
	char path[64], target[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return 0;
	target[length] = 0;
	return !!strstr(target, "secmem");
}

static inline int secmem_fds(void)
{
	int count = 0, fd;

	for (fd = 0; fd < 1024; fd++)
		count += is_secmem_fd(fd);
	return count;
}

/*
 * The first file of secmem's, or -1; where it is the only one, the library's.
 */
static inline int secmem_fd(void)
{
	int fd;

	for (fd = 0; fd < 1024; fd++)
		if (is_secmem_fd(fd))
			return fd;
	return -1;
}

#endif /* SECMEM_LIBRARY_H */
