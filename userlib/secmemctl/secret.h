/* SPDX-License-Identifier: GPL-2.0-only */
/* What secmemctl run is told about a secret. */
#ifndef SECMEMCTL_SECRET_H
#define SECMEMCTL_SECRET_H

#include "secmemctl.h"

struct given {
	const char *name; /* of an environment variable; NULL: the usual one */
	const char *label;
	uint32_t rights; /* of the command's grant */
	uint32_t flags; /* SECMEM_CREATE_* */
	unsigned int fd; /* where it is read */
	unsigned int length; /* 0: to the end */
	int text; /* drop a newline at its end */
	int confirm; /* at a terminal, ask twice */
};

/*
 * 0 or -errno: -ENODATA where nothing was read, -EBADE where the two lines that
 * were typed differ.
 */
int secret_create(const struct given *given, secmem_secret_t *secret);

#endif /* SECMEMCTL_SECRET_H */
