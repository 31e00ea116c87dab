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
	const char *operand;

	status = one_operand(argc, argv, &operand);
	if (status >= 0)
		return status;
	status = operand_adopt(operand, &secret);
	if (status)
		return status;
	error = secmem_with_bytes(secret, SECMEM_FOREVER, cat_write, NULL,
				  &result);
	if (error)
		return secmem_fail("reading the secret", error);
	return result ? fail("write error", result) : EXIT_SUCCESS;
}
