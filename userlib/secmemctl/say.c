// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages, and what every command's options share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "secmemctl.h"

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("secmemctl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

int fail(const char *what, int error)
{
	complain("%s: %s", what, strerror(-error));
	return EXIT_FAILURE;
}

int secmem_fail(const char *what, int error)
{
	const char *advice = secmem_strerror(error);

	/* An error that is not secmem's own, as of read(2), has no advice. */
	if (advice == secmem_strerror(INT_MAX))
		return fail(what, error);
	complain("%s: %s: %s", what, strerror(-error), advice);
	if (error == -ENOMEM)
		limit_explain();
	return EXIT_FAILURE;
}

/* Whether a file of the kernel's has this word; not if it cannot be read. */
static int kernel_says(const char *path, const char *word)
{
	char text[128];
	ssize_t length;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return 0;
	text[length] = '\0';
	return strstr(text, word) != NULL;
}

static int signed_only(void)
{
	const char *lockdown = "/sys/kernel/security/lockdown";

	return kernel_says("/sys/module/module/parameters/sig_enforce", "Y") ||
	       kernel_says(lockdown, "[integrity]") ||
	       kernel_says(lockdown, "[confidentiality]");
}

int device_fail(int error)
{
	secmem_fail(SECMEM_DEVICE, error);
	if ((error == -ENOENT || error == -ENXIO || error == -ENODEV) &&
	    signed_only())
		complain(
			"this kernel loads signed modules only: sign secmem.ko with a key that the machine knows (DKMS: mokutil --import /var/lib/dkms/mok.pub, then reboot)");
	return EXIT_FAILURE;
}

/* A number is a file descriptor, all else the name of a variable with one. */
static int operand_fd(const char *operand)
{
	unsigned int number;

	if (operand && !number_of(operand, &number))
		return number;
	return secmem_fd_from_env(operand);
}

int operand_adopt(const char *operand, secmem_secret_t *secret)
{
	const char *name = operand ? operand : "SECMEM_FD";
	int error = secmem_adopt(operand_fd(operand), secret);

	if (!error)
		return EXIT_SUCCESS;
	if (error == -ENOENT)
		complain("%s is not set", name);
	else if (error == -EINVAL || error == -ENOTTY)
		complain("%s: not a grant of one secret", name);
	else
		return secmem_fail(name, error);
	return EXIT_FAILURE;
}

int usage_fail(void)
{
	fprintf(stderr, "Try '%s --help' for more information.\n",
		command_name());
	return EXIT_FAILURE;
}

static void version(void)
{
	printf("secmemctl (libsecmem %s)\n", secmem_version());
}

int output_end(void)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("write error: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* An option that every command has; -1 to go on, else what to exit with. */
int common_option(int option)
{
	switch (option) {
	case 'h':
		usage();
		return output_end();
	case 'V':
		version();
		return output_end();
	case '?':
		return usage_fail();
	default:
		return -1;
	}
}

/* The options of a command that has only the common ones. */
static int no_options(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int option = getopt_long(argc, argv, "+hV", options, NULL);

	return option == -1 ? -1 : common_option(option);
}

int no_operands(int argc, char **argv)
{
	int status = no_options(argc, argv);

	return status < 0 ? operands_end(argc, argv, 0) : status;
}

int one_operand(int argc, char **argv, const char **operand)
{
	int status = no_options(argc, argv);

	*operand = status < 0 && optind < argc ? argv[optind] : NULL;
	return status < 0 ? operands_end(argc, argv, 1) : status;
}

int json_option(int argc, char **argv, int *json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+jhV", options, NULL)) !=
	       -1) {
		if (option != 'j')
			return common_option(option);
		*json = 1;
	}
	return -1;
}

int operands_end(int argc, char **argv, int most)
{
	if (argc - optind <= most)
		return -1;
	complain("unexpected argument '%s'", argv[optind + most]);
	return usage_fail();
}
