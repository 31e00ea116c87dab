/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _LIBSECMEM_INTERNAL_H
#define _LIBSECMEM_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>
#include "libsecmem.h"

/*
 * One grant. Lives in memory that the kernel zeroes in a forked child, and all
 * zero means free; so a child has no grants without a line of code being run.
 * users is 0 (free), or 1 for being open plus one for each call inside; who
 * brings it to 0 tears the grant down. The default one is never torn down,
 * and not counted.
 */
struct secmem__grant {
	_Atomic uint64_t id; /* 0 while closed */
	_Atomic uint32_t users;
	uint32_t rights;
	int fd;
	_Atomic(uint8_t *) view;
	size_t view_length;
	uint64_t handle; /* of a grant of one secret */
};

/* A use of a grant, from secmem__grant_get to secmem__grant_put. */
struct secmem__use {
	struct secmem__grant *grant;
	uint64_t id;
	uint64_t epoch; /* of the process, as a callback may fork */
};

int secmem__grant_get(uint64_t id, struct secmem__use *use);
void secmem__grant_put(struct secmem__use *use);
int secmem__use_is_stale(const struct secmem__use *use);
int secmem__grant_view(struct secmem__grant *grant, uint8_t **view);
int secmem__ioctl(int fd, unsigned long request, void *argument);

/* flags gains NOWAIT for timeout 0. -EINVAL for a timeout that is none. */
int secmem__deadline(int64_t timeout, uint32_t *flags, __s64 *deadline);

/*
 * Whether this thread is inside a callback on the secret, and so would wait
 * for itself.
 */
int secmem__holds(secmem_secret_t secret, int exclusive);

#endif /* _LIBSECMEM_INTERNAL_H */
