// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Descriptors: where an exported grant may come from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "internal.h"

#define LISTEN_FIRST 3 /* sd_listen_fds(3) */

static int number_of(const char *text, int *number)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > INT_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

/*
 * The number may be stale, or be that of standard output: only a file of
 * secmem's is accepted.
 */
static int fd_claim(int fd)
{
	struct secmem_info info;
	int error;

	error = secmem__fd_info(fd, &info);
	if (error)
		return error == -EBADF ? error : -ENOTTY;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : fd;
}

int secmem_fd_from_env(const char *name)
{
	const char *text = secure_getenv(name ? name : "SECMEM_FD");
	int error, fd = -1;

	if (!text)
		return -ENOENT;
	error = number_of(text, &fd);
	return error ? error : fd_claim(fd);
}

int secmem_fd_from_listen(const char *name)
{
	const char *names = secure_getenv("LISTEN_FDNAMES");
	const char *count = secure_getenv("LISTEN_FDS");
	const char *pid = secure_getenv("LISTEN_PID");
	int error, fds = 0, i, own = 0;
	size_t length;

	if (!pid || !count)
		return -ENOENT;
	error = number_of(pid, &own);
	if (!error)
		error = number_of(count, &fds);
	if (error)
		return error;
	if (own != getpid() || !fds)
		return -ENOENT;
	if (fds > INT_MAX - LISTEN_FIRST)
		return -EINVAL;
	if (!name)
		return fds > 1 ? -EINVAL : fd_claim(LISTEN_FIRST);
	for (i = 0; names && i < fds; i++) {
		length = strcspn(names, ":");
		if (strlen(name) == length && !strncmp(names, name, length))
			return fd_claim(LISTEN_FIRST + i);
		names = names[length] ? names + length + 1 : NULL;
	}
	return -ENOENT;
}

/*
 * Room for one descriptor. It is sent with one byte of data, because a stream
 * socket carries no descriptor without data.
 */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/*
 * A message that is received may carry more, in front of the descriptor: the
 * sender's credentials and security label, if the receiver's socket asks for
 * them.
 */
union received {
	struct cmsghdr header;
	char space[1024];
};

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

int secmem_fd_send(int socket, int fd)
{
	char byte = 0;
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR || secmem__interrupted(-EINTR))
			return -errno;
	return 0;
}

/*
 * Returns the one descriptor that came with the message; -ENOMSG if none came,
 * or more than one. The buffer has room for several, and the kernel installs
 * all that fit: those that are not returned are closed here.
 */
static int fd_only(struct msghdr *message)
{
	int fd = -ENOMSG, count = 0, one;
	struct cmsghdr *header;
	size_t at;

	for (header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET ||
		    (header->cmsg_type != SCM_RIGHTS &&
		     header->cmsg_type != SCM_PIDFD))
			continue;
		for (at = CMSG_LEN(0); at + sizeof(one) <= header->cmsg_len;
		     at += sizeof(one)) {
			memcpy(&one, (char *)header + at, sizeof(one));
			if (header->cmsg_type == SCM_PIDFD || count++)
				close(one);
			else
				fd = one;
		}
	}
	if (count &&
	    (count > 1 || (message->msg_flags & (MSG_CTRUNC | MSG_TRUNC)))) {
		close(fd);
		fd = -ENOMSG;
	}
	return fd;
}

/* Whether this process may have one more descriptor. */
static int fd_check(int socket)
{
	int cancel = secmem__cancel_disable();
	int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
	int error = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	secmem__cancel_restore(cancel);
	return error;
}

/*
 * Waits for a message and leaves it in the socket. Then checks that a
 * descriptor can be installed: one that cannot is lost when its message is
 * taken.
 */
static int message_await(int socket)
{
	char byte;

	while (recv(socket, &byte, 1, MSG_PEEK) < 0)
		if (errno != EINTR || secmem__interrupted(-EINTR))
			return -errno;
	return fd_check(socket);
}

/* Takes the message without waiting. -EAGAIN: another thread took it before. */
static int message_take(int socket)
{
	char byte;
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	union received control = { 0 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;
	int fd;

	got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	fd = fd_only(&message);
	if (got) {
		/*
		 * The kernel did not install the descriptor: another thread
		 * took the last number, or a security module refused.
		 */
		if (fd == -ENOMSG && message.msg_flags & MSG_CTRUNC)
			fd = fd_check(socket) ? -EMFILE : -ENOMSG;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -ENODATA;
}

int secmem_fd_receive(int socket)
{
	int cancel, error;

	do {
		error = message_await(socket);
		if (error)
			return error;
		/*
		 * A thread that is cancelled before this leaves the descriptor
		 * in the socket. From here on it is not cancelled, so the
		 * descriptor reaches the caller.
		 */
		cancel = secmem__cancel_disable();
		error = message_take(socket);
		secmem__cancel_restore(cancel);
	} while (error == -EAGAIN);
	return error;
}
