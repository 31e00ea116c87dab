/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands of secmemctl share. */
#ifndef SECMEMCTL_H
#define SECMEMCTL_H

#include <getopt.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define COMMON_OPTIONS                            \
	{ "help", no_argument, NULL, 'h' },       \
	{                                         \
		"version", no_argument, NULL, 'V' \
	}

void complain(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2)));

/* Each says what went wrong and returns what to exit with. */
int fail(const char *what, int error);
int device_fail(int error);
int usage_fail(void);
int output_end(void);

/* What every command's options share; -1 to go on, else what to exit with. */
int common_option(int option);

int demo_run(int argc, char **argv);

#endif /* SECMEMCTL_H */
