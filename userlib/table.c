// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The table of the grants that this process holds; fork; views.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "annotate.h"
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

/*
 * Slots of default grants. One of them is in use; when its descriptor is lost
 * while calls are inside, the next default takes the other.
 */
#define DEFAULTS 2
#define STRIPES 16

struct stripe {
	_Atomic uint32_t inside;
	char apart[60]; /* a cache line */
};

struct defaults {
	struct stripe stripes[STRIPES];
	_Atomic uint64_t ending; /* a name: the last one out tears it down */
};

struct base {
	pthread_mutex_t gate; /* of opens, and forks; before the lock */
	pthread_mutex_t lock; /* of opens, views; not held over a fork */
	_Atomic uint64_t epoch; /* of this process, random; 0: no grant yet */
	_Atomic uint64_t current; /* the name of the default, or 0 */
	struct defaults defaults[DEFAULTS];
};

struct piece {
	struct secmem__grant grants[PIECE_GRANTS];
};

_Static_assert(PIECE_GRANTS *PIECES == SLOT_MASK, "a slot fits its mask");

/* In ordinary memory, so that a child reuses the wiped pieces. */
static _Atomic(void *) base_memory;
static _Atomic(void *) pieces[PIECES];

/*
 * The descriptors, once more, and plus one, in memory that a child inherits:
 * only to be closed there, where they still lead to the file. One that was
 * closed stands here until its slot serves again: fork copies the descriptors
 * of a process before its memory, and in between another thread may close one
 * that the child already has. None is opened in between, as fork holds the
 * gate.
 */
static struct {
	_Atomic int fd;
	_Atomic uint64_t file;
} descriptors[SLOT_MASK];

/* Else there is nothing to forget: a fork shall cost no more than its program. */
static _Atomic int descriptors_any;

static void descriptors_forget(void)
{
	unsigned int slot;

	if (!atomic_exchange(&descriptors_any, 0))
		return;
	for (slot = 0; slot < SLOT_MASK; slot++)
		atomic_store(&descriptors[slot].fd, 0);
}

/* NULL before the first use. */
static struct base *base_now(void)
{
	return atomic_load_explicit(&base_memory, memory_order_acquire);
}

/*
 * By what this thread holds the gate: a call that opens a descriptor, or a fork
 * from its first handler to its last. A handler of the program's may come in
 * between and call the library, or fork, which goes on then without taking the
 * gate once more. A fork in a signal handler that has interrupted a call must
 * not wait for that call; its child may inherit a descriptor that is of no use
 * to it.
 */
enum holds { HOLDS_NOTHING, HOLDS_FOR_CALL, HOLDS_FOR_FORK };

static __thread volatile enum holds holds;
static __thread unsigned int fork_depth;

/* libc's locks are seen by tools, the way by which the base is found is not. */
static void base_lock(struct base *base)
{
	secmem__seen(&base_memory);
	pthread_mutex_lock(&base->lock);
}

static void base_unlock(struct base *base)
{
	pthread_mutex_unlock(&base->lock);
}

/*
 * For who opens a descriptor: no fork is under way. It is not waited for
 * without end, as it may wait itself for a lock of the program's that this very
 * thread holds, where the program's handlers were registered before the library
 * was loaded. The child has a descriptor then that is of no use to it.
 */
static int open_lock(struct base *base)
{
	struct timespec until;
	int passed = 0;

	if (holds == HOLDS_NOTHING) {
		holds = HOLDS_FOR_CALL;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		secmem__seen(&base_memory);
		passed = !pthread_mutex_timedlock(&base->gate, &until);
	}
	base_lock(base);
	return passed;
}

static void open_unlock(struct base *base, int passed)
{
	base_unlock(base);
	if (passed)
		pthread_mutex_unlock(&base->gate);
	if (holds == HOLDS_FOR_CALL)
		holds = HOLDS_NOTHING;
}

int secmem__wiped_get(_Atomic(void *) *where, size_t size, void **memory)
{
	void *mapped, *none = NULL;
	int error;

	*memory = atomic_load_explicit(where, memory_order_acquire);
	if (*memory)
		return 0;
	mapped = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	if (madvise(mapped, size, MADV_WIPEONFORK)) {
		error = -errno;
		munmap(mapped, size);
		return error;
	}
	secmem__shown(where);
	if (!atomic_compare_exchange_strong(where, &none, mapped)) {
		munmap(mapped, size);
		mapped = none;
	}
	*memory = mapped;
	return 0;
}

static int base_get(struct base **base)
{
	void *memory;
	int error;

	*base = base_now();
	if (*base)
		return 0;
	error = secmem__wiped_get(&base_memory, sizeof(**base), &memory);
	*base = memory;
	return error;
}

/*
 * Now no thread has opened a descriptor that the list does not have yet; nor can
 * one that uses the library for the first time meanwhile, so the base is made.
 */
static void fork_prepare(void)
{
	struct base *base;

	if (holds == HOLDS_FOR_FORK) {
		fork_depth++;
		return;
	}
	if (holds != HOLDS_NOTHING || base_get(&base))
		return;
	holds = HOLDS_FOR_CALL;
	secmem__seen(&base_memory);
	pthread_mutex_lock(&base->gate);
	fork_depth = 1;
	holds = HOLDS_FOR_FORK;
	/*
	 * A child of clone(2), where no handler ran, has its parent's list:
	 * forget it before it is inherited once more.
	 */
	if (!atomic_load(&base->epoch))
		descriptors_forget();
}

static void fork_parent(void)
{
	if (holds != HOLDS_FOR_FORK || --fork_depth)
		return;
	holds = HOLDS_FOR_CALL;
	pthread_mutex_unlock(&base_now()->gate);
	holds = HOLDS_NOTHING;
}

/*
 * At this moment the child's descriptors are still the parent's, unless another
 * handler came first and used the library: then the list is the child's own.
 */
static void fork_child(void)
{
	struct base *base = base_now();
	unsigned int slot;
	int cancel, fd;

	/* The gate itself is wiped, which makes it a free one. */
	if (holds == HOLDS_FOR_FORK) {
		holds = HOLDS_NOTHING;
		fork_depth = 0;
		secmem__lock_wiped(&base->gate);
	}
	if (!base || atomic_load(&base->epoch))
		return;
	/* close is a cancellation point, which fork is not. */
	cancel = secmem__cancel_disable();
	for (slot = 0; slot < SLOT_MASK; slot++) {
		if (slot % PIECE_GRANTS == 0 &&
		    !atomic_load(&pieces[slot / PIECE_GRANTS]))
			break;
		fd = atomic_exchange(&descriptors[slot].fd, 0) - 1;
		if (fd >= 0)
			secmem__fd_close(fd,
					 atomic_load(&descriptors[slot].file));
	}
	secmem__cancel_restore(cancel);
}

/* Before main(), as a thread's first use may come in the middle of a fork. */
static void __attribute__((__constructor__(101))) fork_watch(void)
{
	/* Without it a child keeps descriptors that are of no use to it. */
	(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static int slot_get(unsigned int slot, struct secmem__grant **grant)
{
	struct piece *piece;
	void *memory;
	int error;

	error = secmem__wiped_get(&pieces[slot / PIECE_GRANTS],
				  sizeof(struct piece), &memory);
	if (error)
		return error;
	piece = memory;
	*grant = &piece->grants[slot % PIECE_GRANTS];
	return 0;
}

/* NULL where there was never one. */
static struct secmem__grant *slot_now(unsigned int slot)
{
	struct piece *piece = atomic_load_explicit(&pieces[slot / PIECE_GRANTS],
						   memory_order_acquire);

	return piece ? &piece->grants[slot % PIECE_GRANTS] : NULL;
}

int secmem__cancel_disable(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void secmem__cancel_restore(int before)
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
static int slot_open(struct base *base, unsigned int slot,
		     struct secmem__grant *grant, int fd,
		     const struct secmem_info *info, uint64_t *id)
{
	uint64_t value = 0;
	int error;

	while (!atomic_load(&base->epoch)) {
		error = random_get(&value);
		if (error)
			return error;
		descriptors_forget();
		atomic_store(&base->epoch, value);
	}
	do {
		error = random_get(&value);
		if (error)
			return error;
	} while (!(value & ~(uint64_t)SLOT_MASK));
	*id = (value & ~(uint64_t)SLOT_MASK) | slot;
	grant->fd = fd;
	grant->file = info->grant_id;
	grant->rights = info->rights;
	grant->handle = info->handle;
	grant->view_length = 0;
	atomic_store(&grant->view, NULL);
	atomic_store(&descriptors_any, 1);
	atomic_store(&descriptors[slot].file, info->grant_id);
	atomic_store(&descriptors[slot].fd, fd + 1);
	secmem__shown(&grant->id);
	atomic_store(&grant->id, *id);
	atomic_store(&grant->users, 1);
	return 0;
}

static int slot_find(unsigned int from, unsigned int to, unsigned int *slot,
		     struct secmem__grant **grant)
{
	unsigned int i;
	int error;

	for (i = from; i < to; i++) {
		error = slot_get(i, grant);
		if (error)
			return error;
		if (!atomic_load(&(*grant)->users)) {
			*slot = i;
			return 0;
		}
	}
	return -EMFILE;
}

/* Nobody is inside, nor gets there any more. Free for others at its very end. */
static void slot_close(struct secmem__grant *grant)
{
	uint8_t *view = atomic_load(&grant->view);
	int cancel = secmem__cancel_disable();

	secmem__seen(&grant->users);
	if (view)
		munmap(view, grant->view_length);
	secmem__fd_close(grant->fd, grant->file);
	atomic_store(&grant->users, 0);
	secmem__cancel_restore(cancel);
}

static void grant_unref(struct secmem__grant *grant)
{
	uint32_t after, users = atomic_load(&grant->users);

	do {
		after = users == 1 ? USERS_ENDING : users - 1;
	} while (!atomic_compare_exchange_weak(&grant->users, &users, after));
	if (after == USERS_ENDING)
		slot_close(grant);
}

/*
 * Whoever comes in counts itself and then looks at the name, which was taken
 * away before ending was set: so none is overlooked here.
 */
static void default_drain(struct base *base, unsigned int slot)
{
	struct defaults *defaults = &base->defaults[slot];
	uint64_t ending = atomic_load(&defaults->ending);
	unsigned int i;

	if (!ending)
		return;
	for (i = 0; i < STRIPES; i++)
		if (atomic_load(&defaults->stripes[i].inside))
			return;
	/* By its name: the slot may have served another, which ends, too. */
	if (!atomic_compare_exchange_strong(&defaults->ending, &ending, 0))
		return;
	slot_close(slot_now(slot));
}

/* Whoever takes the name away gives up what being open counts for. */
static int grant_end(struct base *base, struct secmem__grant *grant,
		     uint64_t id)
{
	unsigned int slot = id & SLOT_MASK;
	uint64_t name = id;

	if (!atomic_compare_exchange_strong(&grant->id, &name, 0))
		return -EKEYREVOKED;
	if (slot >= DEFAULTS) {
		grant_unref(grant);
		return 0;
	}
	name = id;
	atomic_compare_exchange_strong(&base->current, &name, 0);
	atomic_store(&base->defaults[slot].ending, id);
	default_drain(base, slot);
	return 0;
}

/*
 * A grant that says to have that file, and still has it. Who says so of that
 * file, or of that number, and has it no more is lost.
 */
static int file_is_held(struct base *base, int fd, uint64_t file)
{
	struct secmem__grant *grant;
	unsigned int slot;
	uint32_t users;
	uint64_t id;

	for (slot = 0; slot < SLOT_MASK; slot++) {
		grant = slot_now(slot);
		if (!grant)
			break;
		users = atomic_load(&grant->users);
		if (!users || users == USERS_ENDING ||
		    (grant->file != file && grant->fd != fd))
			continue;
		if (secmem__fd_leads_to(grant->fd, grant->file))
			return 1;
		id = atomic_load(&grant->id);
		if (id)
			grant_end(base, grant, id);
	}
	return 0;
}

/*
 * Within the gate, so that no other thread's fork copies a descriptor before it
 * is in the list; and under the lock, so that no other thread opens one that
 * gets the same number in between.
 */
static int device_open(struct base *base, unsigned int from, unsigned int to,
		       uint64_t *id)
{
	struct secmem__grant *grant;
	struct secmem_info info;
	unsigned int slot;
	int error, fd;

	error = slot_find(from, to, &slot, &grant);
	if (error)
		return error;
	fd = secmem__fd_open(&info);
	if (fd < 0)
		return fd;
	/* Nobody has that file, but somebody may say to have that number. */
	(void)file_is_held(base, fd, info.grant_id);
	error = slot_open(base, slot, grant, fd, &info, id);
	if (error)
		secmem__fd_close(fd, info.grant_id);
	return error;
}

static int default_open(struct base *base)
{
	int error = 0, cancel = secmem__cancel_disable();
	uint64_t id;
	int passed;

	passed = open_lock(base);
	if (!atomic_load(&base->current)) {
		error = device_open(base, 0, DEFAULTS, &id);
		if (!error)
			atomic_store(&base->current, id);
	}
	open_unlock(base, passed);
	secmem__cancel_restore(cancel);
	return error;
}

int secmem__grant_open(uint64_t *id)
{
	struct base *base;
	int passed, cancel, error;

	error = base_get(&base);
	if (error)
		return error;
	cancel = secmem__cancel_disable();
	passed = open_lock(base);
	error = device_open(base, DEFAULTS, SLOT_MASK, id);
	open_unlock(base, passed);
	secmem__cancel_restore(cancel);
	return error;
}

int secmem__grant_insert(int fd, const struct secmem_info *info, uint64_t *id)
{
	struct secmem__grant *grant;
	int passed, cancel, error, high;
	struct base *base;
	unsigned int slot;

	error = base_get(&base);
	if (error)
		return error;
	cancel = secmem__cancel_disable();
	passed = open_lock(base);
	if (file_is_held(base, fd, info->grant_id))
		error = -EBUSY;
	else
		error = slot_find(DEFAULTS, SLOT_MASK, &slot, &grant);
	if (!error)
		error = slot_open(base, slot, grant, fd, info, id);
	/* Last, as what fails must leave the caller its descriptor. */
	if (!error) {
		high = secmem__fd_raise(fd, info->grant_id);
		if (high < 0) {
			/* No number is free: it stays where it is. */
			high = fd;
			fcntl(fd, F_SETFD, FD_CLOEXEC);
		}
		grant->fd = high;
		atomic_store(&descriptors[slot].fd, high + 1);
	}
	open_unlock(base, passed);
	secmem__cancel_restore(cancel);
	return error;
}

static unsigned int stripe_now(void)
{
	static __thread char here;

	return (uintptr_t)&here * UINT64_C(0x9e3779b97f4a7c15) >> 60;
}

_Static_assert(STRIPES == 16, "four bits");

static int grant_enter(struct base *base, uint64_t id, struct secmem__use *use)
{
	unsigned int slot = id & SLOT_MASK;
	struct secmem__grant *grant;
	uint32_t users;

	if (slot >= SLOT_MASK)
		return -EKEYREVOKED;
	grant = slot_now(slot);
	if (!grant)
		return -EKEYREVOKED;
	use->grant = grant;
	use->id = id;
	use->epoch = atomic_load_explicit(&base->epoch, memory_order_relaxed);
	if (slot < DEFAULTS) {
		use->inside =
			&base->defaults[slot].stripes[stripe_now()].inside;
		atomic_fetch_add(use->inside, 1);
	} else {
		use->inside = &grant->users;
		users = atomic_load(&grant->users);
		do {
			if (!users || users == USERS_ENDING)
				return -EKEYREVOKED;
		} while (!atomic_compare_exchange_weak(&grant->users, &users,
						       users + 1));
	}
	if (id && atomic_load(&grant->id) == id) {
		secmem__seen(&grant->id);
		return 0;
	}
	secmem__grant_put(use);
	return -EKEYREVOKED;
}

int secmem__grant_get(uint64_t id, struct secmem__use *use)
{
	struct base *base;
	uint64_t current;
	int error;

	if (id != SECMEM_GRANT_DEFAULT.id) {
		base = base_now();
		return base ? grant_enter(base, id, use) : -EKEYREVOKED;
	}
	error = base_get(&base);
	if (error)
		return error;
	for (;;) {
		current = atomic_load_explicit(&base->current,
					       memory_order_acquire);
		if (!current) {
			error = default_open(base);
			if (error)
				return error;
			continue;
		}
		if (!grant_enter(base, current, use))
			return 0;
		/* Lost just now. */
		atomic_compare_exchange_strong(&base->current, &current, 0);
	}
}

int secmem__grant_is_open(uint64_t id)
{
	struct secmem__grant *grant = NULL;

	if ((id & SLOT_MASK) < SLOT_MASK)
		grant = slot_now(id & SLOT_MASK);
	return grant && id && atomic_load(&grant->id) == id;
}

int secmem__use_is_stale(const struct secmem__use *use)
{
	return atomic_load(&base_now()->epoch) != use->epoch;
}

void secmem__grant_put(struct secmem__use *use)
{
	unsigned int slot = use->id & SLOT_MASK;

	if (secmem__use_is_stale(use))
		return;
	secmem__shown(&use->grant->users);
	if (slot < DEFAULTS) {
		atomic_fetch_sub(use->inside, 1);
		default_drain(base_now(), slot);
	} else {
		grant_unref(use->grant);
	}
}

int secmem__grant_check(const struct secmem__use *use)
{
	if (secmem__fd_leads_to(use->grant->fd, use->grant->file))
		return 0;
	grant_end(base_now(), use->grant, use->id);
	return -EKEYREVOKED;
}

int secmem__grant_get_checked(uint64_t id, struct secmem__use *use)
{
	int error, tries;

	/* A new default could be lost as well, but not for ever. */
	for (tries = 0; tries < 3; tries++) {
		error = secmem__grant_get(id, use);
		if (error)
			return error;
		error = secmem__grant_check(use);
		if (!error)
			return 0;
		secmem__grant_put(use);
		if (id != SECMEM_GRANT_DEFAULT.id)
			break;
	}
	return error;
}

/*
 * As large as it can be had: it costs address space only. Smaller where that
 * is scarce (32 bit, RLIMIT_AS) or counted (mlockall under RLIMIT_MEMLOCK). Of
 * one secret it is what the largest needs, with a guard page on each side; of a
 * whole vault so much that all that fit into the table are there at once.
 *
 * The descriptor is looked at under the lock, under which the library's own
 * files get their numbers; and once more behind mmap, which any file may allow.
 */
static int view_map(const struct secmem__use *use, uint8_t **view)
{
	struct secmem__grant *grant = use->grant;
	size_t length = sizeof(void *) == 8 ? (size_t)1 << 34 : 1U << 28;
	size_t least = sysconf(_SC_PAGESIZE);
	int prot = PROT_READ, error = secmem__held_prepare();
	void *mapped;

	if (!error)
		error = secmem__grant_check(use);
	if (error)
		return error;
	if (grant->handle)
		length = SECMEM_LENGTH_MAX + 2 * least;
	if (grant->rights & SECMEM_RIGHT_WRITE)
		prot |= PROT_WRITE;
	for (;;) {
		mapped = mmap(NULL, length, prot, MAP_SHARED, grant->fd, 0);
		if (mapped != MAP_FAILED)
			break;
		error = -errno;
		length /= 2;
		if ((error != -ENOMEM && error != -EAGAIN) || length < least)
			return secmem__grant_check(use) ? -EKEYREVOKED : error;
	}
	/* Or the number was taken, and this is of whatever has it now. */
	error = secmem__grant_check(use);
	if (error) {
		munmap(mapped, length);
		return error;
	}
	grant->view_length = length;
	*view = mapped;
	secmem__shown(&grant->view);
	atomic_store_explicit(&grant->view, *view, memory_order_release);
	return 0;
}

int secmem__grant_view(const struct secmem__use *use, uint8_t **view)
{
	struct secmem_op none = { .size = sizeof(none) };
	struct secmem__grant *grant = use->grant;
	struct base *base = base_now();
	int error = 0;

	*view = atomic_load_explicit(&grant->view, memory_order_acquire);
	if (*view) {
		secmem__seen(&grant->view);
		return 0;
	}
	/*
	 * The process that had the grant before may have ended just now: mmap
	 * is -EBUSY then, but any other call waits. None holds the handle 0.
	 */
	if (secmem__call(use, SECMEM_IOC_RELEASE, &none) == -EINTR)
		return -EINTR;
	base_lock(base);
	*view = atomic_load(&grant->view);
	if (!*view)
		error = view_map(use, view);
	base_unlock(base);
	return error;
}

int secmem__grant_close(uint64_t id)
{
	struct secmem__use use;
	int error;

	error = secmem__grant_get(id, &use);
	if (error)
		return error;
	if ((id & SLOT_MASK) < DEFAULTS)
		error = -EINVAL;
	else
		error = grant_end(base_now(), use.grant, id);
	secmem__grant_put(&use);
	return error;
}
