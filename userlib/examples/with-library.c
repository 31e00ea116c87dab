// SPDX-License-Identifier: LGPL-2.1-or-later
/* cc with-library.c -lsecmem && ./a.out <key */
#include <libsecmem.h>
#include <stdio.h>

static int use(const void *key, size_t length, void *argument)
{
	return *(const char *)key == *(char *)argument && length > 1;
}

int main(void)
{
	secmem_secret_t key;
	char first = '-';
	int error, result;

	error = secmem_create_from_fd(&key, 0, 0, NULL);
	if (!error)
		error = secmem_with_bytes(key, SECMEM_FOREVER, use, &first,
					  &result);
	if (!error)
		error = secmem_close(key, SECMEM_FOREVER);
	if (!error)
		printf("a PEM file: %s\n", result ? "yes" : "no");
	return error != 0;
}
