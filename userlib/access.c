// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Accesses: by hand, by a callback, by a copy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "annotate.h"
#include "internal.h"

static int release(const struct secmem__use *use, secmem_secret_t secret,
		   uint32_t flags)
{
	struct secmem_op op = { .size = sizeof(op), .handle = secret.handle };

	secmem__order_end(secret, flags);
	return secmem__call(use, SECMEM_IOC_RELEASE, &op);
}

/*
 * A cancelled ACQUIRE may have succeeded already. Then the kernel has written a
 * length, which is never 0, and the access is released here.
 */
static void acquire_undo(struct secmem__wait *wait)
{
	struct secmem_acquire_args *args = wait->argument;
	struct secmem_op op = { .size = sizeof(op), .handle = args->handle };

	if (args->length)
		(void)secmem__ioctl(wait->use->grant->fd, SECMEM_IOC_RELEASE,
				    &op);
}

static int acquire(struct secmem__use *use, secmem_secret_t secret,
		   uint32_t flags, int64_t timeout, int callback,
		   struct secmem_access *access)
{
	struct secmem_acquire_args args = {
		.size = sizeof(args),
		.flags = flags,
		.handle = secret.handle,
	};
	struct secmem__wait wait = {
		.use = use,
		.request = SECMEM_IOC_ACQUIRE,
		.argument = &args,
		.flags = &args.flags,
		.deadline = &args.deadline,
		.timeout = timeout,
		.secret = secret,
		.exclusive = !!(flags & SECMEM_WRITE),
		.undo = acquire_undo,
	};
	uint8_t *view;
	int error;

	error = secmem__timeout_check(timeout);
	if (!error)
		error = secmem__grant_view(use, &view);
	if (!error)
		error = secmem__wait(&wait);
	if (error)
		return error;
	secmem__order_begin(secret, flags);
	error = secmem__held_add(secret, flags, callback, &access->serial);
	if (error) {
		(void)release(use, secret, flags);
		return error;
	}
	access->data = view + args.offset;
	access->length = args.length;
	access->secret = secret;
	access->flags = flags;
	secmem__defined(access->data, access->length);
	return 0;
}

int secmem_acquire(secmem_secret_t secret, uint32_t flags, int64_t timeout,
		   struct secmem_access *access)
{
	struct secmem__use use;
	int error;

	memset(access, 0, sizeof(*access));
	secmem__defined(access, sizeof(*access));
	if (flags & SECMEM_NOWAIT)
		timeout = 0;
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = acquire(&use, secret, flags & ~SECMEM_NOWAIT, timeout, 0,
			access);
	secmem__grant_put(&use);
	return error;
}

int secmem_release(struct secmem_access *access)
{
	struct secmem_access ended = *access;
	struct secmem__use use;
	uint32_t held;
	int error;

	if (!access->data)
		return 0;
	memset(access, 0, sizeof(*access));
	error = secmem__grant_get(ended.secret.grant, &use);
	held = secmem__held_remove(ended.secret, ended.serial);
	if (error)
		return error;
	error = held ? release(&use, ended.secret, held) : -EINVAL;
	secmem__grant_put(&use);
	return error;
}

/* A cancelled SWITCH may have succeeded already; if not, this is refused. */
static void switch_undo(struct secmem__wait *wait)
{
	const struct secmem_op *up = wait->argument;
	struct secmem_op op = {
		.size = sizeof(op),
		.flags = SECMEM_READ,
		.handle = up->handle,
	};

	(void)secmem__ioctl(wait->use->grant->fd, SECMEM_IOC_SWITCH, &op);
}

static int switch_up(struct secmem__use *use, secmem_secret_t secret,
		     int64_t timeout)
{
	struct secmem_op op = {
		.size = sizeof(op),
		.flags = SECMEM_WRITE,
		.handle = secret.handle,
	};
	struct secmem__wait wait = {
		.use = use,
		.request = SECMEM_IOC_SWITCH,
		.argument = &op,
		.flags = &op.flags,
		.deadline = &op.deadline,
		.timeout = timeout,
		.secret = secret,
		.exclusive = 1,
		.undo = switch_undo,
	};
	int error = secmem__wait(&wait);

	if (!error)
		secmem__order_begin(secret, SECMEM_WRITE);
	return error;
}

static int switch_down(const struct secmem__use *use, secmem_secret_t secret)
{
	struct secmem_op op = {
		.size = sizeof(op),
		.flags = SECMEM_READ,
		.handle = secret.handle,
	};

	secmem__order_end(secret, SECMEM_WRITE);
	return secmem__call(use, SECMEM_IOC_SWITCH, &op);
}

int secmem_switch(struct secmem_access *access, uint32_t flags, int64_t timeout)
{
	uint32_t mode = flags & ~SECMEM_NOWAIT;
	struct secmem__use use;
	int error = secmem__timeout_check(timeout);
	uint32_t held;

	if (error)
		return error;
	if (!access->data || (mode != SECMEM_READ && mode != SECMEM_WRITE))
		return -EINVAL;
	if (flags & SECMEM_NOWAIT)
		timeout = 0;
	error = secmem__grant_get(access->secret.grant, &use);
	if (error)
		return error;
	/* By the record: a copy of the struct may have been switched. */
	held = secmem__held_flags(access->secret, access->serial);
	if (!held || held == mode)
		error = -EINVAL;
	else if (mode == SECMEM_WRITE)
		error = switch_up(&use, access->secret, timeout);
	else
		error = switch_down(&use, access->secret);
	/* With the last two it has happened. */
	if (!error ||
	    (mode == SECMEM_READ && (error == -EBADMSG || error == -EIO))) {
		secmem__held_set_flags(access->secret, access->serial, mode);
		access->flags = mode;
	}
	secmem__grant_put(&use);
	return error;
}

void secmem_access_cleanup(struct secmem_access *access)
{
	int saved = errno;

	(void)secmem_release(access);
	errno = saved;
}

/* The access that a callback runs under. */
struct hold {
	struct secmem__use use;
	struct secmem_access access;
	int error;
#ifndef __GLIBC__
	struct __ptcb cancelled; /* libc's record of hold_end */
#endif
};

static void hold_end(void *pointer)
{
	struct hold *hold = pointer;
	struct secmem_access *access = &hold->access;

	/*
	 * A callback that forked returns in the child, too, which has no
	 * access.
	 */
	if (secmem__use_is_stale(&hold->use)) {
		hold->error = -EKEYREVOKED;
		return;
	}
	secmem__held_remove(access->secret, access->serial);
	hold->error = release(&hold->use, access->secret, access->flags);
	secmem__grant_put(&hold->use);
}

#ifndef __GLIBC__
static void hold_leave(struct hold **hold)
{
	_pthread_cleanup_pop(&(*hold)->cancelled, 1);
}
#endif

typedef int (*reader)(const void *data, size_t length, void *argument);
typedef int (*writer)(void *data, size_t length, void *argument);

static int hold_call(const struct hold *hold, reader read, writer write,
		     void *argument)
{
	void *data = hold->access.data;
	size_t length = hold->access.length;

	secmem__defined_arguments();
	return read ? read(data, length, argument) :
		      write(data, length, argument);
}

/*
 * Runs the callback, and ends the access however the callback is left: by a
 * return, an exception, cancellation or pthread_exit. With glibc,
 * pthread_cleanup_push covers them all, because this file is built with
 * -fexceptions. With another libc, cancellation and pthread_exit run only
 * libc's list of handlers, and an exception does not touch that list. There,
 * hold_end stands in the list, and on a return or an exception hold_leave takes
 * it out and runs it.
 */
static int hold_run(struct hold *hold, reader read, writer write,
		    void *argument)
{
	int value;

#ifdef __GLIBC__
	pthread_cleanup_push(hold_end, hold);
	value = hold_call(hold, read, write, argument);
	pthread_cleanup_pop(1);
#else
	__attribute__((__cleanup__(hold_leave))) struct hold *left = hold;

	_pthread_cleanup_push(&hold->cancelled, hold_end, hold);
	value = hold_call(hold, read, write, argument);
#endif
	return value;
}

static int with_bytes(secmem_secret_t secret, uint32_t flags, int64_t timeout,
		      reader read, writer write, void *argument, int *result)
{
	struct hold hold = { .error = 0 };
	int error, value;

	if (result) {
		*result = 0;
		secmem__defined(result, sizeof(*result));
	}
	error = secmem__grant_get(secret.grant, &hold.use);
	if (error)
		return error;
	error = acquire(&hold.use, secret, flags, timeout, 1, &hold.access);
	if (error) {
		secmem__grant_put(&hold.use);
		return error;
	}
	value = hold_run(&hold, read, write, argument);
	if (result)
		*result = value;
	return hold.error;
}

int secmem_with_bytes(secmem_secret_t secret, int64_t timeout,
		      int (*function)(const void *data, size_t length,
				      void *argument),
		      void *argument, int *result)
{
	return with_bytes(secret, SECMEM_READ, timeout, function, NULL,
			  argument, result);
}

int secmem_with_bytes_mut(secmem_secret_t secret, int64_t timeout,
			  int (*function)(void *data, size_t length,
					  void *argument),
			  void *argument, int *result)
{
	return with_bytes(secret, SECMEM_WRITE, timeout, NULL, function,
			  argument, result);
}

static int copy(unsigned long request, uint32_t mode, secmem_secret_t secret,
		int64_t timeout, struct secmem_copy *copy)
{
	struct secmem__use use;
	struct secmem__wait wait = {
		.use = &use,
		.request = request,
		.argument = copy,
		.flags = &copy->flags,
		.deadline = &copy->deadline,
		.timeout = timeout,
		.secret = secret,
		.exclusive = !!(mode & SECMEM_WRITE),
	};
	int error;

	copy->size = sizeof(*copy);
	copy->handle = secret.handle;
	error = secmem__timeout_check(timeout);
	if (!error)
		error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	secmem__order_end(secret, mode);
	error = secmem__wait(&wait);
	if (!error)
		secmem__order_begin(secret, mode);
	secmem__grant_put(&use);
	return error;
}

int secmem_read(secmem_secret_t secret, void *buffer, size_t length,
		size_t offset, int64_t timeout)
{
	struct secmem_copy read = {
		.buffer = (uintptr_t)buffer,
		.offset = offset,
		.length = length,
	};
	int error;

	error = copy(SECMEM_IOC_READ, SECMEM_READ, secret, timeout, &read);
	if (!error)
		secmem__defined(buffer, length);
	return error;
}

int secmem_write(secmem_secret_t secret, const void *buffer, size_t length,
		 size_t offset, int64_t timeout)
{
	struct secmem_copy write = {
		.buffer = (uintptr_t)buffer,
		.offset = offset,
		.length = length,
	};

	return copy(SECMEM_IOC_WRITE, SECMEM_WRITE, secret, timeout, &write);
}

int secmem_compare(secmem_secret_t secret, const void *buffer, size_t length,
		   int *equal, int64_t timeout)
{
	struct secmem_copy compare = {
		.buffer = (uintptr_t)buffer,
		.length = length,
	};
	int error;

	*equal = 0;
	secmem__defined(equal, sizeof(*equal));
	error = copy(SECMEM_IOC_COMPARE, SECMEM_READ, secret, timeout,
		     &compare);
	if (!error)
		*equal = compare.equal == 1;
	return error;
}
