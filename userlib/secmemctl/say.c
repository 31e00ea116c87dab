// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages, and what every command's options share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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

/* Whether a file of the kernel's says this; one that cannot be read does not. */
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
	if (error == -ENOENT || error == -ENXIO || error == -ENODEV) {
		complain("%s: %s (is the module loaded?)", SECMEM_DEVICE,
			 strerror(-error));
		if (signed_only())
			complain(
				"this kernel loads signed modules only: sign secmem.ko with a key that the machine knows (DKMS: mokutil --import /var/lib/dkms/mok.pub, then reboot)");
	} else if (error == -EACCES)
		complain("%s: %s (is the user in group secmem?)", SECMEM_DEVICE,
			 strerror(-error));
	else
		return fail(SECMEM_DEVICE, error);
	return EXIT_FAILURE;
}

int adopt_fail(int error)
{
	if (error == -ENOENT)
		complain("SECMEM_FD is not set");
	else if (error == -EINVAL || error == -ENOTTY)
		complain("not a grant of one secret");
	else
		return fail("grant", error);
	return EXIT_FAILURE;
}

int usage_fail(void)
{
	fputs("Try 'secmemctl --help' for more information.\n", stderr);
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

/* What every command's options share; -1 to go on, else what to exit with. */
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

int no_operands(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int option;

	option = getopt_long(argc, argv, "+hV", options, NULL);
	if (option != -1)
		return common_option(option);
	if (optind < argc) {
		complain("unexpected argument '%s'", argv[optind]);
		return usage_fail();
	}
	return -1;
}
