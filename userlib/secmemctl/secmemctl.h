/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands of secmemctl share. */
#ifndef SECMEMCTL_H
#define SECMEMCTL_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "libsecmem.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define COMMON_OPTIONS                            \
	{ "help", no_argument, NULL, 'h' },       \
	{                                         \
		"version", no_argument, NULL, 'V' \
	}

/* main.c: prints the help of the command that runs, or of all; its name. */
void usage(void);
const char *command_name(void);

/* say.c */
void complain(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2)));

/*
 * Each says what went wrong, and returns what to exit with. fail: in a system
 * call; secmem_fail: in a call of secmem's, with advice; device_fail: with
 * /dev/secmem; usage_fail: on the command line; output_end: in writing the
 * output, if anything.
 */
int fail(const char *what, int error);
int secmem_fail(const char *what, int error);
int device_fail(int error);
int usage_fail(void);
int output_end(void);

/*
 * The command line. Each returns -1 to go on, else what to exit with.
 * no_operands and one_operand are for commands that have only the common
 * options.
 */
int common_option(int option);
int json_option(int argc, char **argv, int *json);
int no_operands(int argc, char **argv);
int one_operand(int argc, char **argv, const char **operand);
int operands_end(int argc, char **argv, int most);

/*
 * Adopts a grant of one secret. operand is the number of its descriptor, or the
 * name of a variable that has the number; NULL stands for SECMEM_FD. Returns 0,
 * or what to exit with.
 */
int operand_adopt(const char *operand, secmem_secret_t *secret);

/* limit.c: says how much this user has locked, and how much it may lock. */
void limit_explain(void);

/*
 * terminal.c: reads a line from a terminal, without echo. The terminal is then
 * as it was, also where a signal ends or stops this process. Returns the number
 * of bytes, with the newline; 0 at the end of file; or -errno.
 */
ssize_t terminal_read(int fd, const char *prompt, void *line, size_t size);

/*
 * json.c: prints values. In an object ('{' to '}') a value has a name; in an
 * array ('[' to ']'), and outside of both, its name is NULL. Bytes of a text
 * that are not ASCII are printed as characters of Latin-1.
 */
void json_open(const char *name, char bracket);
void json_close(char bracket);
void json_text(const char *name, const char *text, size_t size);
void json_number(const char *name, uint64_t number);
void json_bool(const char *name, int value);
void json_null(const char *name);

/* words.c: 0 or -EINVAL. */
int number_of(const char *text, unsigned int *number);
int rights_of(const char *text, uint32_t *rights);

void rights_print(uint32_t rights);

/* Prints text of another's making, without what a terminal would obey. */
void text_print(const char *text, size_t size);

/* The commands. Each returns what to exit with. */
int cat_run(int argc, char **argv);
int check_run(int argc, char **argv);
int demo_run(int argc, char **argv);
int list_run(int argc, char **argv);
int revoke_run(int argc, char **argv);
int run_run(int argc, char **argv);
int stat_run(int argc, char **argv);
int status_run(int argc, char **argv);

#endif /* SECMEMCTL_H */
