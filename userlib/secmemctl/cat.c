// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl cat: the bytes of a secret, for a pipe.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "secmemctl.h"

static int cat_write(const void *data, size_t length, void *argument)
{
	const char *next = data;
	ssize_t put;

	(void)argument;
	while (length) {
		put = write(STDOUT_FILENO, next, length);
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			next += put;
			length -= put;
		}
	}
	return 0;
}

int cat_run(int argc, char **argv)
{
	secmem_secret_t secret;
	int error, result = 0, status;

	status = no_operands(argc, argv);
	if (status >= 0)
		return status;
	error = secmem_adopt(secmem_fd_from_env(NULL), &secret);
	if (error)
		return adopt_fail(error);
	error = secmem_with_bytes(secret, SECMEM_FOREVER, cat_write, NULL,
				  &result);
	if (error)
		return fail("reading the secret", error);
	if (result)
		return fail("write error", result);
	return EXIT_SUCCESS;
}
