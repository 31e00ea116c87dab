/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands of secmemctl share. */
#ifndef SECMEMCTL_H
#define SECMEMCTL_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include "libsecmem.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define COMMON_OPTIONS                            \
	{ "help", no_argument, NULL, 'h' },       \
	{                                         \
		"version", no_argument, NULL, 'V' \
	}

/* main.c: help of the command that runs, or of all. */
void usage(void);

/* say.c */
void complain(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2)));

/* Each says what went wrong and returns what to exit with. */
int fail(const char *what, int error);
int device_fail(int error);
int adopt_fail(int error);
int usage_fail(void);
int output_end(void);

/* What every command's options share; -1 to go on, else what to exit with. */
int common_option(int option);
int no_operands(int argc, char **argv);

/* words.c: 0 or -EINVAL. */
int number_of(const char *text, unsigned int *number);
int rights_of(const char *text, uint32_t *rights);

void rights_print(uint32_t rights);

/* Text of another's making: nothing that a terminal would obey. */
void text_print(const char *text, size_t size);

/* The commands. Each returns what to exit with. */
int cat_run(int argc, char **argv);
int demo_run(int argc, char **argv);
int revoke_run(int argc, char **argv);
int run_run(int argc, char **argv);
int stat_run(int argc, char **argv);
int status_run(int argc, char **argv);

#endif /* SECMEMCTL_H */
