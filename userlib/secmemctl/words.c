// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of the command line, and of the output.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "secmemctl.h"

int number_of(const char *text, unsigned int *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > INT_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

int rights_of(const char *text, uint32_t *rights)
{
	const char *name;
	unsigned int bit;
	size_t length;

	*rights = 0;
	for (;;) {
		length = strcspn(text, ",");
		for (bit = 0; (name = secmem_right_name(bit)); bit++)
			if (strlen(name) == length &&
			    !strncmp(name, text, length))
				break;
		if (!name)
			return -EINVAL;
		*rights |= 1U << bit;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

void rights_print(uint32_t rights)
{
	const char *name, *comma = "";
	unsigned int bit;

	for (bit = 0; (name = secmem_right_name(bit)); bit++) {
		if (!(rights & (1U << bit)))
			continue;
		printf("%s%s", comma, name);
		comma = ",";
	}
	if (!rights)
		putchar('-');
}

/* Prints text of another's making, without what a terminal would obey. */
void text_print(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size && text[i]; i++)
		putchar(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}
