// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl run: a secret for a program that a shell starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "secmemctl.h"

/* As env(1) and util-linux exit where there is no command to speak for it. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct run {
	const char *label;
	uint32_t rights;
	unsigned int fd;
	unsigned int length;
	uint32_t flags;
};

static int run_options(int argc, char **argv, struct run *run)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "label", required_argument, NULL, 'l' },
		{ "length", required_argument, NULL, 'n' },
		{ "rights", required_argument, NULL, 'r' },
		{ "suspend-wipe", no_argument, NULL, 's' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+f:l:n:r:shV", options,
				     NULL)) != -1) {
		switch (option) {
		case 'f':
			if (!number_of(optarg, &run->fd))
				continue;
			complain("not a file descriptor: '%s'", optarg);
			return usage_fail();
		case 'l':
			if (strlen(optarg) < SECMEM_LABEL_SIZE) {
				run->label = optarg;
				continue;
			}
			complain("label is longer than %d bytes: '%s'",
				 SECMEM_LABEL_SIZE - 1, optarg);
			return usage_fail();
		case 'n':
			if (!number_of(optarg, &run->length) && run->length &&
			    run->length <= SECMEM_LENGTH_MAX)
				continue;
			complain("length is not 1 to %u: '%s'",
				 SECMEM_LENGTH_MAX, optarg);
			return usage_fail();
		case 'r':
			if (!rights_of(optarg, &run->rights) &&
			    !(run->rights & SECMEM_RIGHT_CREATE))
				continue;
			complain("not rights of a secret: '%s'", optarg);
			return usage_fail();
		case 's':
			run->flags = SECMEM_CREATE_SUSPEND_WIPE;
			continue;
		default:
			return common_option(option);
		}
	}
	if (optind < argc)
		return -1;
	complain("no command given");
	return usage_fail();
}

/*
 * The secret lives on in the exported grant: the vault, which ends as exec
 * ends this address space, does not take it along.
 */
static int run_export(const struct run *run, int *fd)
{
	struct secmem_options options = {
		.size = sizeof(options),
		.label = run->label,
		.flags = run->flags,
	};
	secmem_secret_t secret;
	struct secmem_info info;
	int error, exported;

	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	error = secmem_create_from_fd(&secret, run->fd, run->length, &options);
	if (error)
		return fail("reading the secret", error);
	exported = secmem_export(secret, run->rights);
	if (exported < 0)
		return fail("exporting the secret", exported);
	/* Not a standard one, which the command would read it from; inherited. */
	*fd = fcntl(exported, F_DUPFD, STDERR_FILENO + 1);
	if (*fd < 0)
		return fail("exporting the secret", -errno);
	close(exported);
	return EXIT_SUCCESS;
}

int run_run(int argc, char **argv)
{
	struct run run = {
		.rights = SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP |
			  SECMEM_RIGHT_COMPARE | SECMEM_RIGHT_CLOSE,
		.fd = STDIN_FILENO,
	};
	int fd = -1, null, status;
	char text[16];

	status = run_options(argc, argv, &run);
	if (status >= 0)
		return status;
	status = run_export(&run, &fd);
	if (status)
		return status;

	/* What the secret came from is nothing for the command. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, run.fd) < 0)
		return fail("/dev/null", -errno);
	snprintf(text, sizeof(text), "%d", fd);
	if (setenv("SECMEM_FD", text, 1))
		return fail("SECMEM_FD", -errno);
	execvp(argv[optind], argv + optind);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	complain("failed to execute %s: %s", argv[optind], strerror(errno));
	return status;
}
