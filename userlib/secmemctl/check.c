// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl check: whether secrets can be had here, protected as a program
 * wants them. It also creates one, to try.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "secmemctl.h"

/*
 * Exit statuses as of cmp(1) and grep(1): a no, and what could not be found
 * out.
 */
#define EXIT_NO 1
#define EXIT_TROUBLE 2

/* Adds the protections of one -r to those of the others. */
static int protections_of(const char *text, uint64_t *protections)
{
	unsigned int bit;
	size_t length;

	for (;;) {
		length = strcspn(text, ",");
		for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
			if (strlen(secmem_protection_name(bit)) == length &&
			    !strncmp(secmem_protection_name(bit), text, length))
				break;
		if (bit == SECMEM_PROT_COUNT)
			return -EINVAL;
		*protections |= 1ULL << bit;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

/* -1 to go on, else what to exit with. */
static int check_options(int argc, char **argv, uint64_t *require)
{
	static const struct option options[] = {
		{ "require", required_argument, NULL, 'r' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+r:hV", options, NULL)) !=
	       -1) {
		if (option != 'r')
			return common_option(option);
		if (protections_of(optarg, require)) {
			complain(
				"not names of protections, as secmemctl status has them: '%s'",
				optarg);
			return usage_fail();
		}
	}
	return operands_end(argc, argv, 0);
}

static int check_info(const struct secmem_info *info, uint64_t require)
{
	int status = EXIT_SUCCESS;
	const char *reason;
	unsigned int bit;

	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++) {
		if (!(require >> bit & 1) || info->protections >> bit & 1)
			continue;
		reason = secmem_why_text(info->why[bit]);
		complain("%s is not in force: %s", secmem_protection_name(bit),
			 reason ? reason : "no reason known");
		status = EXIT_NO;
	}
	return status;
}

/* A secret of one byte can have every protection. */
static int check_try(uint64_t require)
{
	struct secmem_options options = {
		.size = sizeof(options),
		.require = require,
	};
	secmem_secret_t secret;
	int error;

	error = secmem_create_random(&secret, 1, &options);
	if (!error)
		error = secmem_close(secret, SECMEM_FOREVER);
	if (!error)
		return EXIT_SUCCESS;
	secmem_fail("creating a secret", error);
	return EXIT_NO;
}

int check_run(int argc, char **argv)
{
	uint64_t require = 0;
	struct secmem_info info;
	int error, status;

	status = check_options(argc, argv, &require);
	if (status >= 0)
		return status ? EXIT_TROUBLE : EXIT_SUCCESS;
	if (!require)
		require = (1ULL << SECMEM_PROT_COUNT) - 1;
	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error) {
		device_fail(error);
		return EXIT_TROUBLE;
	}
	status = check_info(&info, require);
	return status ? status : check_try(require);
}
