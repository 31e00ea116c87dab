// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Accesses: by hand, by a callback, by a copy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

_Static_assert(sizeof(off_t) == 8, "a handle fits into an offset");

/* What this thread holds by callbacks: one for each frame on its stack. */
struct hold {
	struct hold *outer;
	struct secmem__use use;
	secmem_secret_t secret;
	uint32_t flags;
	int error;
};

static __thread struct hold *holds;

int secmem__holds(secmem_secret_t secret, int exclusive)
{
	struct hold *hold;

	for (hold = holds; hold; hold = hold->outer)
		if (hold->secret.grant == secret.grant &&
		    hold->secret.handle == secret.handle &&
		    (exclusive || (hold->flags & SECMEM_WRITE)))
			return 1;
	return 0;
}

/*
 * Waits are -EDEADLK where they would be for this thread itself. Tried once
 * all the same, so that other errors are told as ever.
 */
static int self_wait(secmem_secret_t secret, uint32_t flags, int64_t *timeout)
{
	if (*timeout == 0 || *timeout < SECMEM_FOREVER ||
	    !secmem__holds(secret, flags & SECMEM_WRITE))
		return -EAGAIN;
	*timeout = 0;
	return -EDEADLK;
}

/*
 * lseek acquires for READ and releases by value, and does not tell the length.
 * That never changes, and names of grants and secrets never come again; so each
 * thread remembers the lengths of the last few that it opened.
 */
static __thread struct length {
	uint64_t grant;
	uint64_t handle;
	size_t length;
} lengths[16];

/* The module has it: a SEEK_DATA has succeeded. */
static _Atomic int by_value;

static struct length *length_of(uint64_t handle)
{
	return &lengths[handle % (sizeof(lengths) / sizeof(lengths[0]))];
}

/*
 * A signal handler may come in between, and use the library: it leaves alone
 * what is being looked at.
 */
static __thread volatile sig_atomic_t lengths_busy;

static void length_remember(const struct secmem__use *use, uint64_t handle,
			    size_t length)
{
	if (lengths_busy)
		return;
	lengths_busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	*length_of(handle) = (struct length){ use->id, handle, length };
	atomic_signal_fence(memory_order_seq_cst);
	lengths_busy = 0;
}

/* 0: not known. */
static size_t length_recall(const struct secmem__use *use, uint64_t handle)
{
	struct length known;

	if (lengths_busy)
		return 0;
	lengths_busy = 1;
	atomic_signal_fence(memory_order_seq_cst);
	known = *length_of(handle);
	atomic_signal_fence(memory_order_seq_cst);
	lengths_busy = 0;
	return known.grant == use->id && known.handle == handle ? known.length :
								  0;
}

/* 1 where the ioctl must tell: what it waits for, the length, or all. */
static int acquire_by_value(const struct secmem__use *use, uint64_t handle,
			    uint8_t *view, uint8_t **data, size_t *length)
{
	size_t had = length_recall(use, handle);
	off_t at;

	if (!had)
		return 1;
	at = lseek(use->grant->fd, handle, SEEK_DATA);
	if (at <= 0)
		return at && errno != EAGAIN && errno != ESPIPE ? -errno : 1;
	if (!atomic_load_explicit(&by_value, memory_order_relaxed))
		atomic_store(&by_value, 1);
	*data = view + at;
	*length = had;
	return 0;
}

static int acquire(const struct secmem__use *use, secmem_secret_t secret,
		   uint32_t flags, int64_t timeout, uint8_t **data,
		   size_t *length)
{
	struct secmem_acquire_args acquire = {
		.size = sizeof(acquire),
		.flags = flags,
		.handle = secret.handle,
	};
	int again, error;
	uint8_t *view;

	error = secmem__grant_view(use->grant, &view);
	if (!error && flags == SECMEM_READ && timeout >= SECMEM_FOREVER) {
		error = acquire_by_value(use, secret.handle, view, data,
					 length);
		if (error != 1)
			return error;
		error = 0;
	}
	again = self_wait(secret, flags, &timeout);
	if (secmem__deadline(timeout, &acquire.flags, &acquire.deadline))
		return -EINVAL;
	if (error)
		return error;
	error = secmem__ioctl(use->grant->fd, SECMEM_IOC_ACQUIRE, &acquire);
	if (error)
		return error == -EAGAIN ? again : error;
	length_remember(use, secret.handle, acquire.length);
	*data = view + acquire.offset;
	*length = acquire.length;
	return 0;
}

static int release(const struct secmem__use *use, secmem_secret_t secret)
{
	struct secmem_op op = { .size = sizeof(op), .handle = secret.handle };

	if (atomic_load_explicit(&by_value, memory_order_relaxed))
		return lseek(use->grant->fd, secret.handle, SEEK_HOLE) ?
			       -errno :
			       0;
	return secmem__ioctl(use->grant->fd, SECMEM_IOC_RELEASE, &op);
}

int secmem_acquire(secmem_secret_t secret, uint32_t flags, int64_t timeout,
		   struct secmem_access *access)
{
	struct secmem__use use;
	uint8_t *data = NULL;
	int error;

	memset(access, 0, sizeof(*access));
	if (flags & SECMEM_NOWAIT)
		timeout = 0;
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = acquire(&use, secret, flags, timeout, &data, &access->length);
	if (!error) {
		access->data = data;
		access->secret = secret;
	}
	secmem__grant_put(&use);
	return error;
}

int secmem_release(struct secmem_access *access)
{
	secmem_secret_t secret = access->secret;
	struct secmem__use use;
	int error;

	if (!access->data)
		return 0;
	memset(access, 0, sizeof(*access));
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = release(&use, secret);
	secmem__grant_put(&use);
	return error;
}

void secmem_access_cleanup(struct secmem_access *access)
{
	int saved = errno;

	(void)secmem_release(access);
	errno = saved;
}

static void hold_end(void *pointer)
{
	struct hold *hold = pointer;

	holds = hold->outer;
	/* A callback that forked returns in the child, too, which holds none. */
	if (secmem__use_is_stale(&hold->use)) {
		hold->error = -EKEYREVOKED;
		return;
	}
	hold->error = release(&hold->use, hold->secret);
	secmem__grant_put(&hold->use);
}

typedef int (*reader)(const void *data, size_t length, void *argument);
typedef int (*writer)(void *data, size_t length, void *argument);

static int with_bytes(struct hold *hold, int64_t timeout, reader read,
		      writer write, void *argument, int *result)
{
	uint8_t *data = NULL;
	size_t length = 0;
	int error, value;

	error = secmem__grant_get(hold->secret.grant, &hold->use);
	if (error)
		return error;
	error = acquire(&hold->use, hold->secret, hold->flags, timeout, &data,
			&length);
	if (error) {
		secmem__grant_put(&hold->use);
		return error;
	}
	hold->outer = holds;
	holds = hold;
	/* Built with -fexceptions, this is for C++ exceptions as well. */
	pthread_cleanup_push(hold_end, hold);
	value = read ? read(data, length, argument) :
		       write(data, length, argument);
	pthread_cleanup_pop(1);
	if (result)
		*result = value;
	return hold->error;
}

int secmem_with_bytes(secmem_secret_t secret, int64_t timeout,
		      int (*function)(const void *data, size_t length,
				      void *argument),
		      void *argument, int *result)
{
	struct hold hold = { .secret = secret, .flags = SECMEM_READ };

	return with_bytes(&hold, timeout, function, NULL, argument, result);
}

int secmem_with_bytes_mut(secmem_secret_t secret, int64_t timeout,
			  int (*function)(void *data, size_t length,
					  void *argument),
			  void *argument, int *result)
{
	struct hold hold = { .secret = secret, .flags = SECMEM_WRITE };

	return with_bytes(&hold, timeout, NULL, function, argument, result);
}

static int copy(unsigned long request, uint32_t mode, secmem_secret_t secret,
		int64_t timeout, struct secmem_copy *copy)
{
	struct secmem__use use;
	int again, error;

	copy->size = sizeof(*copy);
	copy->handle = secret.handle;
	again = self_wait(secret, mode, &timeout);
	error = secmem__deadline(timeout, &copy->flags, &copy->deadline);
	if (error)
		return error;
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = secmem__ioctl(use.grant->fd, request, copy);
	secmem__grant_put(&use);
	return error == -EAGAIN ? again : error;
}

int secmem_read(secmem_secret_t secret, void *buffer, size_t length,
		size_t offset, int64_t timeout)
{
	struct secmem_copy read = {
		.buffer = (uintptr_t)buffer,
		.offset = offset,
		.length = length,
	};

	return copy(SECMEM_IOC_READ, SECMEM_READ, secret, timeout, &read);
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
	error = copy(SECMEM_IOC_COMPARE, SECMEM_READ, secret, timeout,
		     &compare);
	if (!error)
		*equal = compare.equal == 1;
	return error;
}
