// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl run: secrets for a program that a shell starts.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "secret.h"

/* Exit statuses as of env(1), where no command was run. */
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/* What secmem_fd_from_env(3) looks for when it is given no name. */
#define USUAL_NAME "SECMEM_FD"

struct run {
	struct given all; /* the options before the first --name */
	struct given *secrets;
	size_t count;
};

static int name_is_good(const struct run *run, const char *name)
{
	const char *c;
	size_t i;

	if (!isalpha((unsigned char)*name) && *name != '_')
		return 0;
	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return 0;
	for (i = 0; i < run->count; i++)
		if (!strcmp(run->secrets[i].name, name))
			return 0;
	return 1;
}

/* -1 to go on, else what to exit with. */
static int run_option(int option, struct given *given)
{
	switch (option) {
	case 'c':
		given->confirm = 1;
		return -1;
	case 'f':
		if (!number_of(optarg, &given->fd))
			return -1;
		complain("not a file descriptor: '%s'", optarg);
		return usage_fail();
	case 'l':
		given->label = optarg;
		if (strlen(optarg) < SECMEM_LABEL_SIZE)
			return -1;
		complain("label is longer than %d bytes: '%s'",
			 SECMEM_LABEL_SIZE - 1, optarg);
		return usage_fail();
	case 'n':
		if (!number_of(optarg, &given->length) && given->length &&
		    given->length <= SECMEM_LENGTH_MAX)
			return -1;
		complain("length is not 1 to %u: '%s'", SECMEM_LENGTH_MAX,
			 optarg);
		return usage_fail();
	case 'r':
		if (!rights_of(optarg, &given->rights) &&
		    !(given->rights & SECMEM_RIGHT_CREATE))
			return -1;
		complain("not rights of a secret: '%s'", optarg);
		return usage_fail();
	case 's':
		given->flags = SECMEM_CREATE_SUSPEND_WIPE;
		return -1;
	case 't':
		given->text = 1;
		return -1;
	default:
		return common_option(option);
	}
}

/*
 * Each --name begins a secret; options before the first hold for all secrets.
 */
static int run_options(int argc, char **argv, struct run *run)
{
	static const struct option options[] = {
		{ "confirm", no_argument, NULL, 'c' },
		{ "fd", required_argument, NULL, 'f' },
		{ "label", required_argument, NULL, 'l' },
		{ "length", required_argument, NULL, 'n' },
		{ "name", required_argument, NULL, 'N' },
		{ "rights", required_argument, NULL, 'r' },
		{ "suspend-wipe", no_argument, NULL, 's' },
		{ "text", no_argument, NULL, 't' },
		COMMON_OPTIONS,
		{ 0 },
	};
	struct given *given = &run->all;
	int option, status;

	while ((option = getopt_long(argc, argv, "+cf:l:n:N:r:sthV", options,
				     NULL)) != -1) {
		if (option == 'N') {
			if (!name_is_good(run, optarg)) {
				complain(
					"not the name of a variable, or there twice: '%s'",
					optarg);
				return usage_fail();
			}
			given = &run->secrets[run->count++];
			*given = run->all;
			given->name = optarg;
			continue;
		}
		status = run_option(option, given);
		if (status >= 0)
			return status;
	}
	if (!run->count)
		run->secrets[run->count++] = run->all;
	if (optind < argc)
		return -1;
	complain("no command given");
	return usage_fail();
}

/*
 * Checks that each descriptor is open, before this process opens one of its
 * own, which might get that number; and that no secret takes all of a
 * descriptor that another secret is read from after it.
 */
static int run_check(const struct run *run)
{
	const struct given *given;
	size_t i, j;

	for (i = 0; i < run->count; i++) {
		given = &run->secrets[i];
		if (fcntl(given->fd, F_GETFD) < 0) {
			complain("file descriptor %u: %s", given->fd,
				 strerror(errno));
			return EXIT_FAILURE;
		}
		if (given->length || isatty(given->fd))
			continue;
		for (j = i + 1; j < run->count; j++) {
			if (run->secrets[j].fd != given->fd)
				continue;
			complain(
				"%s takes all of file descriptor %u, and %s is read from it, too",
				given->name, given->fd, run->secrets[j].name);
			return usage_fail();
		}
	}
	return -1;
}

static int read_fail(const struct given *given, int error)
{
	char what[160];

	snprintf(what, sizeof(what), "reading %.100s",
		 given->name ? given->name : "the secret");
	if (error == -EBADE) {
		complain("%s: the second time it was not the same", what);
		return EXIT_FAILURE;
	}
	return secmem_fail(what, error);
}

/*
 * The secret lives on in the exported grant. It would end with the vault
 * otherwise, which ends when exec ends this address space.
 */
static int run_export(const struct given *given, secmem_secret_t secret)
{
	int exported, fd = -1, status;
	char number[16];

	exported = secmem_export(secret, given->rights);
	if (exported < 0)
		return secmem_fail("exporting the secret", exported);
	/*
	 * The number is none of the standard three, which are the command's
	 * own; and it is not close-on-exec, so that the command inherits it.
	 */
	fd = fcntl(exported, F_DUPFD, STDERR_FILENO + 1);
	status = fd < 0 ? fail("exporting the secret", -errno) : EXIT_SUCCESS;
	close(exported);
	snprintf(number, sizeof(number), "%d", fd);
	if (!status &&
	    setenv(given->name ? given->name : USUAL_NAME, number, 1))
		status = fail("the environment", -errno);
	return status;
}

/*
 * Gives the command /dev/null in place of what secrets came from. A terminal
 * stays.
 */
static int run_forget(const struct run *run)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t i;

	if (null < 0)
		return fail("/dev/null", -errno);
	for (i = 0; i < run->count; i++)
		if (!isatty(run->secrets[i].fd) &&
		    dup2(null, run->secrets[i].fd) < 0)
			return fail("/dev/null", -errno);
	return EXIT_SUCCESS;
}

static int run_secrets(const struct run *run, secmem_secret_t *secrets)
{
	struct secmem_info info;
	int error, status;
	size_t i;

	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	for (i = 0; i < run->count; i++) {
		error = secret_create(&run->secrets[i], &secrets[i]);
		if (error)
			return read_fail(&run->secrets[i], error);
	}
	status = run_forget(run);
	for (i = 0; !status && i < run->count; i++)
		status = run_export(&run->secrets[i], secrets[i]);
	return status;
}

int run_run(int argc, char **argv)
{
	struct run run = {
		.all = {
			.rights = SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP |
				  SECMEM_RIGHT_COMPARE | SECMEM_RIGHT_CLOSE,
			.fd = STDIN_FILENO,
		},
	};
	secmem_secret_t *secrets = calloc(argc + 1, sizeof(*secrets));
	int status;

	run.secrets = calloc(argc + 1, sizeof(*run.secrets));
	if (!secrets || !run.secrets) {
		fail("run", -ENOMEM);
		return EXIT_OURS;
	}
	status = run_options(argc, argv, &run);
	if (status < 0)
		status = run_check(&run);
	if (status >= 0)
		return status ? EXIT_OURS : EXIT_SUCCESS;
	if (run_secrets(&run, secrets))
		return EXIT_OURS;
	execvp(argv[optind], argv + optind);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	complain("failed to execute %s: %s", argv[optind], strerror(errno));
	return status;
}
