// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Grants: the table of what this process holds, fork, views.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "internal.h"

/*
 * The table comes in pieces that are mapped as they are needed and never
 * freed. MADV_WIPEONFORK makes them all zero in a child, however it was forked
 * (pthread_atfork misses clone(2), a pid may come back): no grant, a free
 * lock, no epoch. A zeroed pthread_mutex_t is an initialised one in glibc and
 * musl.
 */
#define PIECE_GRANTS 63
#define PIECES 65
#define SLOT_MASK 0xfffU
#define USERS_ENDING UINT32_MAX

struct piece {
	pthread_mutex_t lock; /* of the first piece: opens, views */
	_Atomic uint64_t epoch; /* of the first piece */
	struct secmem__grant grants[PIECE_GRANTS];
};

_Static_assert(PIECE_GRANTS *PIECES == SLOT_MASK, "a slot fits its mask");

/* In ordinary memory, so that a child reuses the wiped pieces. */
static _Atomic(struct piece *) pieces[PIECES];

/*
 * The descriptors, once more, and plus one, in memory that a child inherits:
 * only to be closed there.
 */
static _Atomic int descriptors[SLOT_MASK];

static void descriptors_forget(void)
{
	unsigned int slot;

	for (slot = 0; slot < SLOT_MASK; slot++)
		atomic_store(&descriptors[slot], 0);
}

int secmem__ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

int secmem__deadline(int64_t timeout, uint32_t *flags, __s64 *deadline)
{
	struct timespec now;

	*deadline = SECMEM_FOREVER;
	if (timeout == SECMEM_FOREVER)
		return 0;
	if (timeout < 0)
		return -EINVAL;
	if (!timeout) {
		*flags |= SECMEM_NOWAIT;
		return 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (__builtin_mul_overflow(now.tv_sec, INT64_C(1000000000), deadline) ||
	    __builtin_add_overflow(*deadline, now.tv_nsec, deadline) ||
	    __builtin_add_overflow(*deadline, timeout, deadline))
		*deadline = INT64_MAX;
	return 0;
}

/*
 * A child of clone(2), where no handler ran, has its parent's list: forget it
 * before it is inherited once more.
 */
static void fork_prepare(void)
{
	struct piece *first = atomic_load(&pieces[0]);

	if (first && !atomic_load(&first->epoch))
		descriptors_forget();
}

/*
 * At this moment the child's descriptors are still the parent's, unless another
 * handler came first and used the library: then the list is the child's own.
 */
static void fork_child(void)
{
	struct piece *first = atomic_load(&pieces[0]);
	unsigned int slot;
	int fd;

	if (!first || atomic_load(&first->epoch))
		return;
	for (slot = 0; slot < SLOT_MASK; slot++) {
		if (slot % PIECE_GRANTS == 0 &&
		    !atomic_load(&pieces[slot / PIECE_GRANTS]))
			break;
		fd = atomic_exchange(&descriptors[slot], 0) - 1;
		if (fd >= 0)
			close(fd);
	}
}

static void fork_watch(void)
{
	/* Without it a child keeps descriptors that are of no use to it. */
	(void)pthread_atfork(fork_prepare, NULL, fork_child);
}

static int piece_get(unsigned int index, struct piece **piece)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct piece *mapped, *none = NULL;
	int error;

	*piece = atomic_load_explicit(&pieces[index], memory_order_acquire);
	if (*piece)
		return 0;
	pthread_once(&once, fork_watch);
	mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	if (madvise(mapped, sizeof(*mapped), MADV_WIPEONFORK)) {
		error = -errno;
		munmap(mapped, sizeof(*mapped));
		return error;
	}
	if (!atomic_compare_exchange_strong(&pieces[index], &none, mapped)) {
		munmap(mapped, sizeof(*mapped));
		mapped = none;
	}
	*piece = mapped;
	return 0;
}

static int table_lock(struct piece **first)
{
	int error;

	error = piece_get(0, first);
	if (!error)
		pthread_mutex_lock(&(*first)->lock);
	return error;
}

/* open, close and getrandom are cancellation points; here they must not be. */
static int cancel_disable(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static void cancel_restore(int before)
{
	pthread_setcancelstate(before, &before);
}

static int random_get(uint64_t *value)
{
	ssize_t got;

	do {
		got = getrandom(value, sizeof(*value), 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : 0;
}

/*
 * Names are random, so that one of a parent's, or of a closed grant's, is
 * nobody's in this process.
 */
static int slot_open(struct piece *first, unsigned int slot,
		     struct secmem__grant *grant, int fd, uint32_t rights,
		     uint64_t handle, uint64_t *id)
{
	uint64_t value = 0;
	int error;

	while (!atomic_load(&first->epoch)) {
		error = random_get(&value);
		if (error)
			return error;
		descriptors_forget();
		atomic_store(&first->epoch, value);
	}
	do {
		error = random_get(&value);
		if (error)
			return error;
	} while (!(value & ~(uint64_t)SLOT_MASK));
	*id = (value & ~(uint64_t)SLOT_MASK) | slot;
	grant->fd = fd;
	grant->rights = rights;
	grant->handle = handle;
	grant->view_length = 0;
	atomic_store(&grant->view, NULL);
	atomic_store(&descriptors[slot], fd + 1);
	atomic_store(&grant->id, *id);
	atomic_store(&grant->users, 1);
	return 0;
}

static int slot_find(unsigned int *slot, struct secmem__grant **grant)
{
	struct piece *piece;
	unsigned int i;
	int error;

	for (i = 1; i < SLOT_MASK; i++) {
		error = piece_get(i / PIECE_GRANTS, &piece);
		if (error)
			return error;
		*grant = &piece->grants[i % PIECE_GRANTS];
		if (!atomic_load(&(*grant)->users)) {
			*slot = i;
			return 0;
		}
	}
	return -EMFILE;
}

/* Not one of the standard three, which a program may have closed. */
static int device_open(void)
{
	int fd, low;

	fd = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	low = fd;
	fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		fd = -errno;
	close(low);
	return fd;
}

static int default_open(struct secmem__grant **grant)
{
	int cancel, error, fd;
	struct piece *first;
	uint64_t id;

	error = piece_get(0, &first);
	if (error)
		return error;
	*grant = &first->grants[0];
	if (atomic_load_explicit(&(*grant)->id, memory_order_acquire))
		return 0;
	cancel = cancel_disable();
	pthread_mutex_lock(&first->lock);
	if (!atomic_load(&(*grant)->id)) {
		fd = device_open();
		error = fd < 0 ? fd :
				 slot_open(first, 0, *grant, fd,
					   SECMEM_RIGHT_ALL, 0, &id);
		if (error && fd >= 0)
			close(fd);
	}
	pthread_mutex_unlock(&first->lock);
	cancel_restore(cancel);
	return error;
}

static int fd_insert(int fd, uint32_t rights, uint64_t handle, uint64_t *id)
{
	struct secmem__grant *grant;
	struct piece *first, *piece;
	unsigned int i, slot;
	uint32_t users;
	int error;

	error = table_lock(&first);
	if (error)
		return error;
	for (i = 0; i < SLOT_MASK && !error; i++) {
		piece = atomic_load(&pieces[i / PIECE_GRANTS]);
		if (!piece)
			break;
		grant = &piece->grants[i % PIECE_GRANTS];
		users = atomic_load(&grant->users);
		if (users && users != USERS_ENDING && grant->fd == fd)
			error = -EBUSY;
	}
	if (!error)
		error = slot_find(&slot, &grant);
	if (!error)
		error = slot_open(first, slot, grant, fd, rights, handle, id);
	pthread_mutex_unlock(&first->lock);
	return error;
}

/* A slot is free for others when users is 0, so not before the last is done. */
static void grant_unref(struct secmem__grant *grant, unsigned int slot)
{
	uint32_t after, users = atomic_load(&grant->users);
	uint8_t *view;
	int cancel;

	do {
		after = users == 1 ? USERS_ENDING : users - 1;
	} while (!atomic_compare_exchange_weak(&grant->users, &users, after));
	if (after != USERS_ENDING)
		return;
	cancel = cancel_disable();
	view = atomic_load(&grant->view);
	if (view)
		munmap(view, grant->view_length);
	atomic_store(&descriptors[slot], 0);
	close(grant->fd);
	atomic_store(&grant->users, 0);
	cancel_restore(cancel);
}

int secmem__grant_get(uint64_t id, struct secmem__use *use)
{
	unsigned int slot = id & SLOT_MASK;
	struct piece *first, *piece;
	struct secmem__grant *grant;
	uint32_t users;
	int error;

	if (id == SECMEM_GRANT_DEFAULT.id) {
		error = default_open(&grant);
		if (error)
			return error;
		id = atomic_load(&grant->id);
	}
	if (slot >= SLOT_MASK)
		return -EKEYREVOKED;
	first = atomic_load_explicit(&pieces[0], memory_order_acquire);
	piece = atomic_load_explicit(&pieces[slot / PIECE_GRANTS],
				     memory_order_acquire);
	if (!first || !piece)
		return -EKEYREVOKED;
	grant = &piece->grants[slot % PIECE_GRANTS];
	use->grant = grant;
	use->id = id;
	use->epoch = atomic_load_explicit(&first->epoch, memory_order_relaxed);
	if (!slot)
		return atomic_load_explicit(&grant->id, memory_order_acquire) ==
				       id ?
			       0 :
			       -EKEYREVOKED;

	users = atomic_load(&grant->users);
	do {
		if (!users || users == USERS_ENDING)
			return -EKEYREVOKED;
	} while (!atomic_compare_exchange_weak(&grant->users, &users,
					       users + 1));
	if (atomic_load(&grant->id) != id) {
		grant_unref(grant, slot);
		return -EKEYREVOKED;
	}
	return 0;
}

int secmem__use_is_stale(const struct secmem__use *use)
{
	struct piece *first = atomic_load(&pieces[0]);

	return atomic_load(&first->epoch) != use->epoch;
}

void secmem__grant_put(struct secmem__use *use)
{
	unsigned int slot = use->id & SLOT_MASK;

	if (slot && !secmem__use_is_stale(use))
		grant_unref(use->grant, slot);
}

/*
 * As large as it can be had: it costs address space only. Smaller where that
 * is scarce (32 bit, RLIMIT_AS) or counted (mlockall under RLIMIT_MEMLOCK). Of
 * one secret it is what the largest needs, with a guard page on each side; of a
 * whole vault so much that all that fit into the table are there at once.
 */
static int view_map(struct secmem__grant *grant, uint8_t **view)
{
	size_t length = sizeof(void *) == 8 ? (size_t)1 << 34 : 1U << 28;
	size_t least = sysconf(_SC_PAGESIZE);
	int prot = PROT_READ;
	void *mapped;

	if (grant->handle)
		length = SECMEM_LENGTH_MAX + 2 * least;
	if (grant->rights & SECMEM_RIGHT_WRITE)
		prot |= PROT_WRITE;
	for (;;) {
		mapped = mmap(NULL, length, prot, MAP_SHARED, grant->fd, 0);
		if (mapped != MAP_FAILED)
			break;
		length /= 2;
		if ((errno != ENOMEM && errno != EAGAIN) || length < least)
			return -errno;
	}
	grant->view_length = length;
	*view = mapped;
	atomic_store_explicit(&grant->view, *view, memory_order_release);
	return 0;
}

int secmem__grant_view(struct secmem__grant *grant, uint8_t **view)
{
	struct piece *first;
	int error;

	*view = atomic_load_explicit(&grant->view, memory_order_acquire);
	if (*view)
		return 0;
	error = table_lock(&first);
	if (error)
		return error;
	*view = atomic_load(&grant->view);
	if (!*view)
		error = view_map(grant, view);
	pthread_mutex_unlock(&first->lock);
	return error;
}

int secmem_grant_open(secmem_grant_t *grant)
{
	int cancel, error, fd;

	grant->id = 0;
	cancel = cancel_disable();
	fd = device_open();
	error = fd < 0 ? fd :
			 fd_insert(fd, SECMEM_RIGHT_ALL, SECMEM_HANDLE_NONE,
				   &grant->id);
	if (error && fd >= 0)
		close(fd);
	cancel_restore(cancel);
	return error;
}

static int fd_adopt(int fd, int single, uint64_t *id, uint64_t *handle)
{
	struct secmem_info info = { .size = sizeof(info) };
	struct secmem_status stat = { .size = sizeof(stat) };
	int cancel, error;

	if (fd < 0)
		return fd;
	error = secmem__ioctl(fd, SECMEM_IOC_INFO, &info);
	if (error)
		return error == -EINVAL ? -ENOTTY : error;
	if (single && !info.handle)
		return -EINVAL;

	/* STAT counts as use: the file is this process's, or known not to be. */
	stat.handle = info.handle;
	error = secmem__ioctl(fd, SECMEM_IOC_STAT, &stat);
	if (error && (info.handle || error != -ENOENT))
		return error;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	*handle = info.handle;
	cancel = cancel_disable();
	error = fd_insert(fd, info.rights, info.handle, id);
	cancel_restore(cancel);
	return error;
}

int secmem_grant_adopt(int fd, secmem_grant_t *grant)
{
	uint64_t handle;

	grant->id = 0;
	return fd_adopt(fd, 0, &grant->id, &handle);
}

int secmem_adopt(int fd, secmem_secret_t *secret)
{
	uint64_t handle = 0, id = 0;
	int error;

	*secret = SECMEM_SECRET_NONE;
	error = fd_adopt(fd, 1, &id, &handle);
	if (error)
		return error;
	secret->grant = id;
	secret->handle = handle;
	return 0;
}

int secmem_grant_close(secmem_grant_t grant)
{
	uint64_t id = grant.id;
	struct secmem__use use;
	int error;

	if (!(id & SLOT_MASK))
		return -EINVAL;
	error = secmem__grant_get(id, &use);
	if (error)
		return error;
	/* Whoever takes the name away gives up what being open counts for. */
	if (atomic_compare_exchange_strong(&use.grant->id, &id, 0))
		grant_unref(use.grant, use.id & SLOT_MASK);
	else
		error = -EKEYREVOKED;
	secmem__grant_put(&use);
	return error;
}

secmem_grant_t secmem_secret_grant(secmem_secret_t secret)
{
	return (secmem_grant_t){ secret.grant };
}

int secmem_grant_info(secmem_grant_t grant, struct secmem_info *info,
		      size_t size)
{
	struct secmem__use use;
	int error;

	if (size > UINT32_MAX || size < sizeof(info->size))
		return -EINVAL;
	error = secmem__grant_get(grant.id, &use);
	if (error)
		return error;
	memset(info, 0, size);
	info->size = size;
	error = secmem__ioctl(use.grant->fd, SECMEM_IOC_INFO, info);
	secmem__grant_put(&use);
	return error;
}

static int grant_export(uint64_t id, uint64_t handle, uint32_t rights)
{
	struct secmem_export_args export = {
		.size = sizeof(export),
		.handle = handle,
		.rights = rights,
	};
	struct secmem__use use;
	int error;

	error = secmem__grant_get(id, &use);
	if (error)
		return error;
	error = secmem__ioctl(use.grant->fd, SECMEM_IOC_EXPORT, &export);
	secmem__grant_put(&use);
	return error ? error : export.fd;
}

int secmem_export(secmem_secret_t secret, uint32_t rights)
{
	if (secret.handle == SECMEM_HANDLE_NONE)
		return -ENOENT;
	return grant_export(secret.grant, secret.handle, rights);
}

int secmem_grant_export(secmem_grant_t grant, uint32_t rights)
{
	return grant_export(grant.id, SECMEM_HANDLE_NONE, rights);
}
