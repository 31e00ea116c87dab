// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The library's own descriptors: which numbers they have, and whether one still
 * leads to the file that it was opened for. A program may close a descriptor
 * behind the library's back (closefrom, close_range, a loop), or put another
 * file in its place (dup2): the number then belongs to another file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "internal.h"

/* Descriptors stay below: a table of so many takes the kernel 8 KiB at most. */
#define TOP 1024

int secmem__ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

int secmem__fd_info(int fd, struct secmem_info *info)
{
	*info = (struct secmem_info){ .size = sizeof(*info) };
	return secmem__ioctl(fd, SECMEM_IOC_INFO, info);
}

int secmem__fd_leads_to(int fd, uint64_t file)
{
	struct secmem_info info;
	int saved = errno, error;

	error = secmem__fd_info(fd, &info);
	errno = saved;
	return !error && info.grant_id == file;
}

void secmem__fd_close(int fd, uint64_t file)
{
	if (secmem__fd_leads_to(fd, file))
		close(fd);
}

/*
 * Moves a descriptor into the upper quarter of the numbers that RLIMIT_NOFILE
 * allows, or lower where none is free there. It never becomes one of the
 * standard three, which a program may have closed.
 */
int secmem__fd_raise(int fd, uint64_t file)
{
	struct rlimit limit;
	int least, high;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > TOP)
		limit.rlim_cur = TOP;
	least = limit.rlim_cur - limit.rlim_cur / 4;
	for (;;) {
		if (least <= STDERR_FILENO)
			least = STDERR_FILENO + 1;
		if (fd >= least) {
			if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
				return -errno;
			return fd;
		}
		high = fcntl(fd, F_DUPFD_CLOEXEC, least);
		if (high >= 0) {
			secmem__fd_close(fd, file);
			return high;
		}
		if (least == STDERR_FILENO + 1)
			return -errno;
		least /= 2;
	}
}

int secmem__fd_open(struct secmem_info *info)
{
	int error, fd, high, tries;

	/*
	 * Another thread may close the descriptor at once: so try again, thrice
	 * at most.
	 */
	for (tries = 0; tries < 3; tries++) {
		fd = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		error = secmem__fd_info(fd, info);
		if (error == -EBADF || error == -ENOTTY)
			continue;
		if (error) {
			close(fd);
			return error;
		}
		high = secmem__fd_raise(fd, info->grant_id);
		if (high == -EBADF)
			continue;
		if (high < 0) {
			secmem__fd_close(fd, info->grant_id);
			return high;
		}
		/*
		 * If it does not, the number already belongs to another file.
		 */
		if (secmem__fd_leads_to(high, info->grant_id))
			return high;
	}
	return -EBADF;
}
