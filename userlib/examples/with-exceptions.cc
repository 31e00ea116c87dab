// SPDX-License-Identifier: LGPL-2.1-or-later
/* An exception that leaves a callback shuts the secret on its way. */
#include <libsecmem.h>
#include <cstdio>
#include <stdexcept>

static int refuse(const void *, size_t length, void *)
{
	if (length < 64)
		throw std::length_error("too short a key");
	return 0;
}

int main()
{
	struct secmem_status stat;
	secmem_secret_t key;

	if (secmem_create_random(&key, 32, nullptr))
		return 1;
	try {
		if (secmem_with_bytes(key, SECMEM_FOREVER, refuse, nullptr,
				      nullptr))
			return 1;
	} catch (const std::length_error &error) {
		if (secmem_stat(key, &stat, sizeof(stat)))
			return 1;
		std::printf("%s; %u readers\n", error.what(), stat.readers);
		return secmem_close(key, 0) ? 1 : 0;
	}
	return 1;
}
