// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A daemon that is started by root: it opens the vault and reads its key, which
 * only root may, then becomes another user. The key can still be used: the file
 * answers this address space, whatever user it runs as.
 *
 *	cc drop.c -lsecmem && ./a.out USER <key
 */
#define _GNU_SOURCE
#include <libsecmem.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "drop: %s: %s\n", what, strerror(-error));
	exit(1);
}

static int use(const void *key, size_t length, void *argument)
{
	(void)key;
	(void)argument;
	return length;
}

static int become(const struct passwd *user)
{
	if (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid))
		return -errno;
	/* This comes last: becoming another user undoes a part of it. */
	return secmem_harden(SECMEM_HARDEN_NO_NEW_PRIVS);
}

int main(int argc, char **argv)
{
	secmem_secret_t key, more;
	struct passwd *user;
	int length;

	user = argc > 1 ? getpwnam(argv[1]) : NULL;
	check(user ? 0 : -ENOENT, "user");
	check(secmem_create_from_fd(&key, 0, 0, NULL), "key");
	check(close(0) ? -errno : 0, "input");
	check(become(user), "become");

	printf("/dev/secmem can be opened: %s\n",
	       access(SECMEM_DEVICE, R_OK | W_OK) ? "no" : "yes");
	check(secmem_with_bytes(key, SECMEM_FOREVER, use, NULL, &length),
	      "use");
	printf("the key can be used: %d bytes\n", length);
	check(secmem_create_random(&more, 32, NULL), "create");
	printf("another secret can be made: yes\n");
	return 0;
}
