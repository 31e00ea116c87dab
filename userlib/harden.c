// SPDX-License-Identifier: LGPL-2.1-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "internal.h"

int secmem_harden(unsigned int flags)
{
	const struct rlimit none = { 0 };
	int error = 0;

	if (flags & ~SECMEM_HARDEN_NO_NEW_PRIVS)
		return -EINVAL;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		error = -errno;
	if (setrlimit(RLIMIT_CORE, &none) && !error)
		error = -errno;
	if ((flags & SECMEM_HARDEN_NO_NEW_PRIVS) &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !error)
		error = -errno;
	return error;
}
