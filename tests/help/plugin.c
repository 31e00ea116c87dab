// SPDX-License-Identifier: GPL-2.0-only
/* A plugin that has the static library in it. */
#include <libsecmem.h>

static int nothing(const void *data, size_t length, void *argument)
{
	(void)data;
	(void)length;
	(void)argument;
	return 0;
}

int plugin_use(void);

int plugin_use(void)
{
	secmem_secret_t secret;
	int error;

	error = secmem_create_random(&secret, 32, NULL);
	if (!error)
		error = secmem_with_bytes(secret, SECMEM_FOREVER, nothing, NULL,
					  NULL);
	return error;
}
