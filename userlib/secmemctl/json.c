// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON on standard output, for --json.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include "secmemctl.h"

static unsigned int json_depth;
static int json_first = 1; /* no value yet in this object or array */

/* Prints what comes before a value: a comma, a new line, the value's name. */
static void json_begin(const char *name)
{
	if (json_depth)
		printf("%s\n%*s", json_first ? "" : ",", 2 * (int)json_depth,
		       "");
	if (name)
		printf("\"%s\": ", name);
	json_first = 0;
}

void json_open(const char *name, char bracket)
{
	json_begin(name);
	putchar(bracket);
	json_depth++;
	json_first = 1;
}

void json_close(char bracket)
{
	json_depth--;
	if (!json_first)
		printf("\n%*s", 2 * (int)json_depth, "");
	putchar(bracket);
	if (!json_depth)
		putchar('\n');
	json_first = 0;
}

void json_text(const char *name, const char *text, size_t size)
{
	size_t i;

	json_begin(name);
	putchar('"');
	for (i = 0; i < size && text[i]; i++) {
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' ||
		    text[i] == '\\')
			printf("\\u%04x", (unsigned char)text[i]);
		else
			putchar(text[i]);
	}
	putchar('"');
}

void json_number(const char *name, uint64_t number)
{
	json_begin(name);
	printf("%" PRIu64, number);
}

void json_bool(const char *name, int value)
{
	json_begin(name);
	printf(value ? "true" : "false");
}

void json_null(const char *name)
{
	json_begin(name);
	printf("null");
}
