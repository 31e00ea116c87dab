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
 * The table comes in pieces that are mapped as they are needed, and never
 * freed. MADV_WIPEONFORK makes them all zero in a child, however it was forked:
 * the child has no grant, a free lock and no epoch. (pthread_atfork misses
 * clone(2), and a compare of pids misses one that came back.) A zeroed
 * pthread_mutex_t is an initialised one in glibc and musl.
 */
#define PIECE_GRANTS 63
#define PIECES 65
#define SLOT_MASK 0xfffU
#define USERS_ENDING UINT32_MAX

/*
 * Slots of default grants. One of them is in use. When its descriptor is lost
 * while calls use it, the next default grant takes the other slot.
 */
#define DEFAULTS 2
#define STRIPES 16

/* The largest view, in bytes. */
#define VIEW_LENGTH (sizeof(void *) == 8 ? (size_t)1 << 34 : (size_t)1 << 28)

struct stripe {
	_Atomic uint32_t inside;
	char apart[60]; /* a cache line */
};

struct defaults {
	struct stripe stripes[STRIPES];
	_Atomic uint64_t ending; /* the name of a grant that ends; or 0 */
};

struct base {
	pthread_mutex_t gate; /* one open or fork at a time; before lock */
	pthread_mutex_t lock; /* for opens and views; not held over a fork */
	_Atomic uint64_t epoch; /* of this process, random; 0: no grant yet */
	_Atomic uint64_t current; /* the name of the default, or 0 */
	struct defaults defaults[DEFAULTS];
};

struct piece {
	struct secmem__grant grants[PIECE_GRANTS];
};

_Static_assert(PIECE_GRANTS *PIECES == SLOT_MASK, "a slot fits its mask");

/*
 * Pointers in ordinary memory: a child keeps them, and reuses the wiped pieces.
 */
static _Atomic(void *) base_memory;
static _Atomic(void *) pieces[PIECES];

/*
 * A second list of the descriptors, in memory that a child inherits. The child
 * closes those that still lead to their file. fd is a descriptor plus one; 0 is
 * none.
 *
 * A descriptor that was closed stays in the list until its slot serves again:
 * fork copies the descriptors of a process before its memory, and in between
 * another thread may close a descriptor that the child already has. No thread
 * opens one in between, as fork holds the gate.
 */
static struct {
	_Atomic int fd;
	_Atomic uint64_t file;
} descriptors[SLOT_MASK];

/* Whether the list may have entries. If not, forgetting it costs nothing. */
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
 * What this thread holds the gate for: a call that opens a descriptor; or a
 * fork, from fork_prepare() to fork_parent() or fork_child(). In between, a
 * handler of the program's may call the library, or fork: neither takes the
 * gate once more. A fork in a signal handler that has interrupted a call must
 * not wait for that call; its child may inherit a descriptor that is of no use
 * to it.
 */
enum holds { HOLDS_NOTHING, HOLDS_FOR_CALL, HOLDS_FOR_FORK };

static __thread volatile enum holds holds;
static __thread unsigned int fork_depth;

/* Tools see libc's locks, but not how a thread got the pointer to the base. */
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
 * Keeps forks away while a descriptor is opened; returns whether it could. A
 * fork that is under way is waited for, but for a second only: it may itself
 * wait for a lock of the program's that this very thread holds, where the
 * program's handlers were registered before the library was loaded. After that
 * second the descriptor is opened all the same, and the child may have a copy
 * that is of no use to it.
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
 * Takes the gate: no thread is then between opening a descriptor and listing
 * it. The base is made if there is none, so that a thread that uses the library
 * for the first time meanwhile finds the gate taken.
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
	 * A child of clone(2), in which no handler ran, still has its parent's
	 * list: forget that list before a child of this process inherits it.
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
 * Closes what the child has inherited. The list is the parent's, unless another
 * handler came first and used the library, which set the epoch: then the list
 * is the child's own.
 */
static void fork_child(void)
{
	struct base *base = base_now();
	unsigned int slot;
	int cancel, fd;

	/* The gate was wiped in the child, and so is free. */
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

/*
 * Runs before main(), as a thread's first use may come in the middle of a fork.
 */
static void __attribute__((__constructor__(101))) fork_watch(void)
{
	/* If it fails, a child keeps descriptors that are of no use to it. */
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

/* NULL where that piece was never mapped. */
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
 * Names are random, so that the name of a parent's grant, or of a closed one,
 * is the name of no grant of this process.
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

/*
 * Tears down a grant that no call uses, nor can use any more. The last store
 * frees the slot for another grant.
 */
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
 * Tears an ended default grant down if no call uses it. A call counts itself
 * and then looks at the name, and the name was taken away before ending was
 * set: so a call that is not counted here will find no name.
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
	/*
	 * By its name: another thread may have done this, and the slot may have
	 * served another grant since, which ends as well.
	 */
	if (!atomic_compare_exchange_strong(&defaults->ending, &ending, 0))
		return;
	slot_close(slot_now(slot));
}

/* Whoever takes the name away gives up the reference of the open grant. */
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
 * Whether a grant has that file. The descriptor of a grant that has this file
 * or this number by its record may lead elsewhere: then the grant is lost, and
 * is ended.
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
 * The caller holds the gate, so that no other thread's fork copies a descriptor
 * before it is in the list; and the lock, so that no other thread opens a
 * descriptor that gets the same number in between.
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
	/*
	 * No grant has this new file. But one may have this number by its
	 * record, and is lost.
	 */
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
	/*
	 * This comes last, as a failure must leave the caller its descriptor.
	 */
	if (!error) {
		high = secmem__fd_raise(fd, info->grant_id);
		if (high < 0) {
			/* No number is free there: fd stays where it is. */
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
		/* That one was lost just now. */
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

	/*
	 * A new default may be lost at once, too: so try again, thrice at most.
	 */
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
 * The view is as large as can be had, as it costs address space only: smaller
 * where that is scarce (32 bit, RLIMIT_AS) or counted (mlockall under
 * RLIMIT_MEMLOCK). The view of one secret is what the largest secret needs,
 * with a guard page on each side. That of a whole vault leaves room for the
 * views of as many vaults as the table of grants has slots, in 47 bits of
 * address space.
 *
 * The descriptor is checked with the lock held, so that no file that the
 * library opens gets its number; and once more after mmap, which any file may
 * allow.
 */
static int view_map(const struct secmem__use *use, uint8_t **view)
{
	struct secmem__grant *grant = use->grant;
	size_t length = VIEW_LENGTH;
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
	/*
	 * The number may have been taken before mmap: then this maps another
	 * file.
	 */
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
	 * The process that used the grant before may be ending just now: mmap
	 * is -EBUSY then, but any other call waits for that. RELEASE of the
	 * handle 0 does nothing else, as nobody holds that.
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

int secmem__grant_at(const void *pointer, struct secmem__use *use,
		     uint64_t *offset)
{
	struct secmem__grant *grant;
	unsigned int slot;
	uint8_t *view;
	uint64_t id;

	for (slot = 0; slot < SLOT_MASK && (grant = slot_now(slot)); slot++) {
		id = atomic_load(&grant->id);
		view = atomic_load(&grant->view);
		/*
		 * A use of a grant keeps it from going, so none is taken of
		 * those that it cannot be.
		 */
		if (!id || !view ||
		    (uintptr_t)pointer - (uintptr_t)view >= VIEW_LENGTH ||
		    secmem__grant_get(id, use))
			continue;
		view = atomic_load_explicit(&grant->view, memory_order_acquire);
		secmem__seen(&grant->view);
		*offset = (uintptr_t)pointer - (uintptr_t)view;
		if (view && *offset < grant->view_length)
			return 0;
		secmem__grant_put(use);
	}
	return -ENOENT;
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
