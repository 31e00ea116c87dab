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
 * brings it to 0 tears the grant down. Calls inside a default one are counted
 * apart, so that threads do not share a cache line.
 */
struct secmem__grant {
	_Atomic uint64_t id; /* 0 while closed, or lost */
	_Atomic uint32_t users;
	uint32_t rights;
	int fd;
	uint64_t file; /* INFO's grant_id of what fd was opened for */
	_Atomic(uint8_t *) view;
	size_t view_length;
	uint64_t handle; /* of a grant of one secret */
};

/* A use of a grant, from secmem__grant_get to secmem__grant_put. */
struct secmem__use {
	struct secmem__grant *grant;
	uint64_t id;
	uint64_t epoch; /* of the process, as a callback may fork */
	_Atomic uint32_t *inside; /* where it is counted */
};

/*
 * table.c: the grants of this process. secmem__grant_get fails with
 * -EKEYREVOKED where the grant is closed or lost. The id of the default opens
 * it where it is not open.
 */
int secmem__grant_get(uint64_t id, struct secmem__use *use);
void secmem__grant_put(struct secmem__use *use);
int secmem__use_is_stale(const struct secmem__use *use);
int secmem__grant_is_open(uint64_t id);

/*
 * The same for a call that would succeed on another file, too: the descriptor
 * is looked at first. The caller looks again, with secmem__grant_check, once it
 * has succeeded: another thread may open a default that gets the same number.
 */
int secmem__grant_get_checked(uint64_t id, struct secmem__use *use);

/*
 * -EKEYREVOKED where the descriptor does not lead to the grant any more, which
 * is then lost: its name is taken away, and the last call inside takes the view
 * down. Else 0.
 */
int secmem__grant_check(const struct secmem__use *use);

/* Of a new vault, whose descriptor is the library's own. */
int secmem__grant_open(uint64_t *id);

/* Takes fd over, and may move it to another number. -EBUSY: held already. */
int secmem__grant_insert(int fd, const struct secmem_info *info, uint64_t *id);

int secmem__grant_view(const struct secmem__use *use, uint8_t **view);
int secmem__grant_close(uint64_t id);

/* Memory that a forked child finds zeroed, mapped at its first use. */
int secmem__held_prepare(void);
int secmem__wiped_get(_Atomic(void *) *where, size_t size, void **memory);

/* open, close and getrandom are cancellation points; here they must not be. */
int secmem__cancel_disable(void);
void secmem__cancel_restore(int before);

/*
 * descriptor.c: secmem__fd_open opens the device, and says what it leads to;
 * secmem__fd_raise moves a descriptor out of the way of who closes all low
 * ones, where it can; secmem__fd_close closes one that still leads there.
 */
int secmem__fd_open(struct secmem_info *info);
void secmem__fd_close(int fd, uint64_t file);
int secmem__fd_raise(int fd, uint64_t file);
int secmem__fd_info(int fd, struct secmem_info *info);
int secmem__fd_leads_to(int fd, uint64_t file);

/*
 * wait.c: secmem__call restarts a call that a signal interrupted, and loses the
 * grant where an error comes of its descriptor being another's.
 */
int secmem__ioctl(int fd, unsigned long request, void *argument);
int secmem__call(const struct secmem__use *use, unsigned long request,
		 void *argument);
int secmem__interrupted(int error); /* by a signal, and shall return */

/*
 * One call that may wait: argument, with flags and deadline in it. -EDEADLK
 * where that would be for a callback of this very thread.
 */
struct secmem__wait {
	struct secmem__use *use;
	unsigned long request;
	void *argument;
	uint32_t *flags;
	__s64 *deadline;
	int64_t timeout;
	secmem_secret_t secret;
	int exclusive; /* it waits for readers, too */
	void (*undo)(struct secmem__wait *wait); /* cancelled; may be NULL */
};

int secmem__timeout_check(int64_t timeout);
int secmem__wait(struct secmem__wait *wait);

/*
 * held.c: the accesses of this process, each with a serial number that ends it
 * once. Those by callbacks are known by their thread.
 */
int secmem__held_add(secmem_secret_t secret, uint32_t flags, int callback,
		     uint64_t *serial);
int secmem__held_remove(secmem_secret_t secret, uint64_t serial);
int secmem__holds(secmem_secret_t secret, int exclusive);

#endif /* _LIBSECMEM_INTERNAL_H */
