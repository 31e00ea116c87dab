// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A service that is restarted without its key being read again: the first start
 * reads it from standard input and hands a grant of it to systemd to keep; each
 * later one finds that grant.
 *
 *	cc service.c -lsecmem
 */
#include <libsecmem.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void check(int error, const char *what)
{
	if (error >= 0)
		return;
	fprintf(stderr, "service: %s: %s\n", what, strerror(-error));
	exit(1);
}

/* What sd_pid_notify_with_fds(3) does. */
static int notify(const char *state, int fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec text = { (void *)state, strlen(state) };
	struct msghdr message = {
		.msg_name = &to,
		.msg_iov = &text,
		.msg_iovlen = 1,
	};
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name ? strlen(name) : 0;
	int socket_fd, error;

	if (!length || length >= sizeof(to.sun_path))
		return -ENOENT;
	memcpy(to.sun_path, name, length);
	if (*name == '@')
		to.sun_path[0] = '\0';
	message.msg_namelen = offsetof(struct sockaddr_un, sun_path) + length;
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return -errno;
	error = sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
	close(socket_fd);
	return error;
}

/* The key that systemd kept, or else the one on standard input. */
static secmem_secret_t key_get(void)
{
	secmem_secret_t key;
	int fd;

	fd = secmem_fd_from_listen("key");
	if (fd != -ENOENT) {
		check(secmem_adopt(fd, &key), "key that was kept");
		puts("the key was kept");
		return key;
	}
	check(secmem_create_from_fd(&key, STDIN_FILENO, 0, NULL), "key");
	check(secmem_seal(key), "seal");
	/*
	 * No process uses this grant yet: it will answer that of the next
	 * start.
	 */
	fd = secmem_export(key, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	check(fd, "export");
	check(notify("FDSTORE=1\nFDNAME=key", fd), "store");
	close(fd);
	puts("the key was read");
	return key;
}

static int use(const void *key, size_t length, void *argument)
{
	(void)argument;
	printf("%zu bytes that begin with %.5s\n", length, (const char *)key);
	return 0;
}

int main(void)
{
	secmem_secret_t key;

	check(secmem_harden(0), "harden");
	key = key_get();
	check(secmem_with_bytes(key, SECMEM_FOREVER, use, NULL, NULL), "use");
	fflush(stdout);
	check(notify("READY=1", -1), "ready");
	for (;;)
		pause();
}
