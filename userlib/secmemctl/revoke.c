// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl revoke: the end of a vault, whoever holds it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "secmemctl.h"

#define REVOKE "/sys/class/misc/secmem/revoke"

int revoke_run(int argc, char **argv)
{
	int error = 0, fd, status;
	const char *number;
	size_t length;

	status = one_operand(argc, argv, &number);
	if (status >= 0)
		return status;
	if (!number) {
		complain("no number of a vault given");
		return usage_fail();
	}
	length = strlen(number);
	if (!length || strspn(number, "0123456789") != length) {
		complain("not the number of a vault: '%s'", number);
		return usage_fail();
	}
	fd = open(REVOKE, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(REVOKE, -errno);
	if (write(fd, number, length) < 0)
		error = -errno;
	close(fd);
	if (error == -ENOENT || error == -ERANGE) {
		complain("no vault has the number %s", number);
		return EXIT_FAILURE;
	}
	return error ? fail("revoking the vault", error) : EXIT_SUCCESS;
}
