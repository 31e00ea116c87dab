/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _LIBSECMEM_INTERNAL_H
#define _LIBSECMEM_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>
#include "libsecmem.h"

/*
 * One grant, in memory that the kernel zeroes in a forked child. All zero means
 * free, so a child has no grants, and no code needs to run for that.
 *
 * users is 0 in a free slot. Otherwise it is 1 for the open grant, plus 1 for
 * each call that uses it; who takes the last of them away tears the grant down.
 * Calls that use a default grant are counted apart (struct defaults), so that
 * threads do not share a cache line.
 */
struct secmem__grant {
	_Atomic uint64_t id; /* its name; 0 once it is closed or lost */
	_Atomic uint32_t users;
	uint32_t rights;
	int fd;
	uint64_t file; /* INFO's grant_id of what fd was opened for */
	_Atomic(uint8_t *) view;
	size_t view_length;
	uint64_t handle; /* the secret of a grant of one; else 0 */
};

/* A use of a grant, from secmem__grant_get to secmem__grant_put. */
struct secmem__use {
	struct secmem__grant *grant;
	uint64_t id;
	uint64_t epoch; /* of the process then: a callback may fork */
	_Atomic uint32_t *inside; /* the count that this use is in */
};

/*
 * table.c: the grants of this process. secmem__grant_get fails with
 * -EKEYREVOKED where the grant is closed or lost. The id of the default grant
 * stands for the one that is open, or opens one.
 */
int secmem__grant_get(uint64_t id, struct secmem__use *use);
void secmem__grant_put(struct secmem__use *use);
int secmem__use_is_stale(const struct secmem__use *use);
int secmem__grant_is_open(uint64_t id);

/*
 * As secmem__grant_get, for a call that would succeed on another file, too:
 * checks that the descriptor leads to the grant. The caller checks that again
 * with secmem__grant_check after the call has succeeded: meanwhile another
 * thread may have opened a default grant that got the same number.
 */
int secmem__grant_get_checked(uint64_t id, struct secmem__use *use);

/*
 * -EKEYREVOKED if the descriptor does not lead to the grant any more, else 0.
 * Such a grant is lost: its name is taken away, so that no further call uses
 * it, and the last call that does takes its view down.
 */
int secmem__grant_check(const struct secmem__use *use);

/* Opens a new vault. Its descriptor is the library's own. */
int secmem__grant_open(uint64_t *id);

/* Takes fd over, and may move it to another number. -EBUSY: a grant has it. */
int secmem__grant_insert(int fd, const struct secmem_info *info, uint64_t *id);

int secmem__grant_view(const struct secmem__use *use, uint8_t **view);

/* The grant in whose view a pointer lies, and where; -ENOENT: in none. */
int secmem__grant_at(const void *pointer, struct secmem__use *use,
		     uint64_t *offset);
int secmem__grant_close(uint64_t id);

/* Memory that a forked child finds zeroed, mapped at its first use. */
int secmem__held_prepare(void);
int secmem__wiped_get(_Atomic(void *) *where, size_t size, void **memory);

/* open, close and getrandom are cancellation points; here they must not be. */
int secmem__cancel_disable(void);
void secmem__cancel_restore(int before);

/*
 * descriptor.c: secmem__fd_open opens the device, and fills in what INFO says
 * of it. secmem__fd_raise moves a descriptor to a high number, if one is free,
 * out of the way of programs that close all low ones. secmem__fd_close closes a
 * descriptor only if it still leads to that file.
 */
int secmem__fd_open(struct secmem_info *info);
void secmem__fd_close(int fd, uint64_t file);
int secmem__fd_raise(int fd, uint64_t file);
int secmem__fd_info(int fd, struct secmem_info *info);
int secmem__fd_leads_to(int fd, uint64_t file);

/*
 * wait.c: secmem__call restarts a call that a signal interrupted. If the call
 * fails because its descriptor leads to another file now, the grant is lost.
 */
int secmem__ioctl(int fd, unsigned long request, void *argument);
int secmem__call(const struct secmem__use *use, unsigned long request,
		 void *argument);
int secmem__interrupted(int error); /* -EINTR is for the caller */

/*
 * One call that may wait. flags and deadline point into argument. The call is
 * -EDEADLK if it would wait for an access that a callback of this very thread
 * holds.
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
	void (*undo)(struct secmem__wait *wait); /* if cancelled; may be NULL */
};

int secmem__timeout_check(int64_t timeout);
int secmem__wait(struct secmem__wait *wait);

/*
 * held.c: the accesses of this process. Each has a serial number, which ends it
 * once. For an access of a callback the thread is recorded.
 */
int secmem__held_add(secmem_secret_t secret, uint32_t flags, int callback,
		     uint64_t *serial);
/* Its mode; 0: there is none such. */
uint32_t secmem__held_remove(secmem_secret_t secret, uint64_t serial);
uint32_t secmem__held_flags(secmem_secret_t secret, uint64_t serial);
void secmem__held_set_flags(secmem_secret_t secret, uint64_t serial,
			    uint32_t flags);
int secmem__holds(secmem_secret_t secret, int exclusive);

#endif /* _LIBSECMEM_INTERNAL_H */
