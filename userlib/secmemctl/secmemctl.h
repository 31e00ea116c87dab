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

/* main.c: help of the command that runs, or of all; what it is called. */
void usage(void);
const char *command_name(void);

/* say.c */
void complain(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2)));

/*
 * Each says what went wrong and returns what to exit with: of a system call; of
 * a call of secmem's, which says what to do, too; of the device; of the command
 * line.
 */
int fail(const char *what, int error);
int secmem_fail(const char *what, int error);
int device_fail(int error);
int usage_fail(void);
int output_end(void);

/*
 * The command line: -1 to go on, else what to exit with. Options and operands
 * of which commands have none or one.
 */
int common_option(int option);
int json_option(int argc, char **argv, int *json);
int no_operands(int argc, char **argv);
int one_operand(int argc, char **argv, const char **operand);
int operands_end(int argc, char **argv, int most);

/*
 * The secret of a grant: that of a descriptor or of a variable which names one;
 * NULL: of the usual variable. 0, or what to exit with.
 */
int operand_adopt(const char *operand, secmem_secret_t *secret);

/* limit.c: what this user has locked, and may. */
void limit_explain(void);

/*
 * terminal.c: a line, without echo, of a terminal that is then as it was, also
 * where a signal ends or stops this process. Its bytes, the newline among them;
 * 0 at the end of file; -errno.
 */
ssize_t terminal_read(int fd, const char *prompt, void *line, size_t size);

/*
 * json.c: values, in objects ('{' to '}') by name, in arrays ('[' to ']') and
 * outside with NULL for it. Bytes of a text that are not ASCII are told as
 * characters of Latin-1.
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

/* Text of another's making: nothing that a terminal would obey. */
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
