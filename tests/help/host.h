/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of the machine that tests read and write, such as those with one value,
 * and the kernel's log.
 */
#ifndef SECMEM_HOST_H
#define SECMEM_HOST_H

#include <stdarg.h>

#include "secmem_test.h"

#define HOST_SYSFS "/sys/class/misc/secmem/"

/* Writes a file in one call: 0 or -errno. */
static inline int host_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
	ssize_t put;

	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	if (put < 0)
		err = -errno;
	else if ((size_t)put != strlen(text))
		err = -EIO;
	close(fd);
	return err;
}

static inline int host_write_number(const char *path, unsigned long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", number);
	return host_write(path, text);
}

/* Reads a file's text and ends it with a NUL: its length or -errno. */
static inline ssize_t host_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, text + length, size - 1 - length)) > 0)
		length += got;
	if (got < 0)
		got = -errno;
	close(fd);
	text[length] = '\0';
	return got < 0 ? got : (ssize_t)length;
}

/* A value of /proc/meminfo, in KiB; -1 where this kernel does not have it. */
static inline long host_meminfo(const char *name)
{
	char line[128];
	long value = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			value = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* What fdinfo says behind "NAME:\t", in a static buffer; NULL: nothing. */
static inline const char *host_fdinfo(int fd, const char *name)
{
	static char text[1024];
	char path[64], *line, *next;
	size_t length = strlen(name);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (host_read(path, text, sizeof(text)) < 0)
		return NULL;
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 2;
	}
	return NULL;
}

/* The number of a file's vault; 0: it is no file of secmem's. */
static inline unsigned long host_vault(int fd)
{
	const char *number = host_fdinfo(fd, "vault");

	return number ? strtoul(number, NULL, 10) : 0;
}

/* Opens the kernel's log, to read what comes from now on. */
static inline int host_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* Reads the rest of the log: how many lines hold the text. */
static inline int host_log_count(int fd, const char *text)
{
	char record[2048];
	int count = 0;
	ssize_t got;

	for (;;) {
		got = read(fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return count;
		record[got] = '\0';
		count += strstr(record, text) != NULL;
	}
}

/* Waits until the log has a line with the text: 0 or -ETIMEDOUT. */
static inline int host_log_wait(int fd, const char *text)
{
	return SM_WAIT_UNTIL(host_log_count(fd, text) > 0);
}

/*
 * Puts the machine to sleep as far as freezing all tasks, and wakes it again.
 */
static inline int host_sleep(const char *state)
{
	int err;

	err = host_write("/sys/module/suspend/parameters/pm_test_delay", "0");
	if (!err)
		err = host_write("/sys/power/pm_test", "freezer");
	if (!err)
		err = host_write("/sys/power/state", state);
	host_write("/sys/power/pm_test", "none");
	return err;
}

/* Whether the machine can do that. */
static inline bool host_sleeps(const char *state)
{
	char states[128];

	return host_read("/sys/power/state", states, sizeof(states)) > 0 &&
	       strstr(states, state) && !access("/sys/power/pm_test", W_OK);
}

#define HOST_NEED_SUSPEND                                             \
	do {                                                          \
		if (!host_sleeps("freeze"))                           \
			SKIP(return, "this kernel does not suspend"); \
	} while (0)

#endif /* SECMEM_HOST_H */
