// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile callers: calls that were valid before something in them was changed,
 * by threads that share vaults and views, in processes that hand grants to each
 * other, signal, fork, exec and are killed, on buffers that are slow, shut,
 * unmapped or another's.
 *
 *	fuzz [-s SEED] [-n OPERATIONS] [-p PROCESSES] [-t THREADS] [-r ROUND]
 *
 * A process lives for a round. What its threads do follows from the seed, the
 * number of the round and the results of the calls before; -r does one round
 * again, alone. Each errno must be one that the call is documented to have; at
 * the end nothing is left. tests/vm/run checks that the kernel has no
 * complaint, and that the module unloads.
 *
 * VM: --module fuse --timeout 1800
 */
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "load.h"
#include "slow.h"

#define FILES 8
#define HANDLES 6 /* of a file */
#define ROUND_OPS 600 /* of a thread */
#define PAGES 64 /* in a view, mostly */
#define HANG_MS 60000
#define SLOW_MOUNT "/tmp/slow"
#define ERRNOS 140
#define SHARED_AT ((void *)0x100000000000)

enum {
	OP_ACQUIRE_VALUE = _IOC_NR(SECMEM_IOC_ACQUIRE_VALUE),
	OP_RELEASE_VALUE = _IOC_NR(SECMEM_IOC_RELEASE_VALUE),
	OP_IOCTL = 17, /* below: ioctls by number */
	OP_MAP = OP_IOCTL,
	OP_UNMAP,
	OP_PROTECT,
	OP_ADVISE,
	OP_REMAP,
	OP_LOCK,
	OP_TOUCH,
	OP_PEEK,
	OP_READ,
	OP_POLL,
	OP_CLOSE_FILE,
	OP_OPEN,
	OP_SEND,
	OP_RECEIVE,
	OP_SIGNAL,
	OP_FORK,
	OP_SLOW,
	OPS
};

/* The errnos that a call may have beside 0; USUAL has those of every call. */
#define USUAL "\x0d\x0e\x16\x07\x0c\x04" /* ACCES FAULT INVAL 2BIG NOMEM INTR */

static const struct {
	const char *name;
	unsigned int weight;
	int errnos[10];
} ops[OPS] = {
	[0] = { "INFO", 4, { 0 } },
	[1] = { "CREATE", 16, { EOPNOTSUPP, EMFILE } },
	[2] = { "ACQUIRE",
		24,
		{ EAGAIN, EKEYREVOKED, EMFILE, ENOENT, ENXIO, EOWNERDEAD, EPERM,
		  ETIMEDOUT } },
	[3] = { "RELEASE", 18, { EBADMSG, EKEYREVOKED, ENOENT } },
	[4] = { "READ",
		12,
		{ EAGAIN, EKEYREVOKED, ENOENT, EOWNERDEAD, ETIMEDOUT } },
	[5] = { "WRITE",
		12,
		{ EAGAIN, EBADMSG, EKEYREVOKED, ENOENT, EPERM, ETIMEDOUT } },
	[6] = { "COMPARE",
		8,
		{ EAGAIN, EKEYREVOKED, ENOENT, EOWNERDEAD, ETIMEDOUT } },
	[7] = { "SEAL", 3, { EBUSY, EKEYREVOKED, ENOENT, EOWNERDEAD } },
	[8] = { "CLOSE", 6, { EAGAIN, EBADMSG, ENOENT, ETIMEDOUT } },
	[9] = { "REVOKE", 4, { ENOENT } },
	[10] = { "STAT", 6, { ENOENT } },
	[11] = { "EXPORT", 10, { EKEYREVOKED, EMFILE, ENFILE, ENOENT } },
	[OP_ACQUIRE_VALUE] = { "ACQUIRE_VALUE",
			       12,
			       { EAGAIN, EKEYREVOKED, EMFILE, ENOENT, ENXIO,
				 EOWNERDEAD } },
	[OP_RELEASE_VALUE] = { "RELEASE_VALUE",
			       10,
			       { EBADMSG, EKEYREVOKED, ENOENT } },
	[14] = { "DROP", 2, { EBUSY, EKEYREVOKED, ENOENT } },
	[15] = { "SWITCH",
		 12,
		 { EAGAIN, EBADMSG, EDEADLK, EKEYREVOKED, ENOENT, EPERM,
		   ETIMEDOUT } },
	/* Numbers of newer calls, or of none. */
	[16] = { "nr 16", 1, { ENOTTY, -1 } },
	[OP_MAP] = { "mmap", 12, { -1 } },
	[OP_UNMAP] = { "munmap", 2, { -1 } },
	[OP_PROTECT] = { "mprotect", 4, { -1 } },
	[OP_ADVISE] = { "madvise", 5, { -1 } },
	[OP_REMAP] = { "mremap", 3, { -1 } },
	[OP_LOCK] = { "mlock", 2, { -1 } },
	[OP_TOUCH] = { "touch", 24, { -1 } },
	[OP_PEEK] = { "peek", 6, { -1 } },
	[OP_READ] = { "pread", 6, { -1 } },
	[OP_POLL] = { "poll", 4, { -1 } },
	[OP_CLOSE_FILE] = { "close", 2, { -1 } },
	[OP_OPEN] = { "open", 2, { -1 } },
	[OP_SEND] = { "send", 3, { -1 } },
	[OP_RECEIVE] = { "receive", 3, { -1 } },
	[OP_SIGNAL] = { "signal", 4, { -1 } },
	[OP_FORK] = { "fork", 1, { -1 } },
	[OP_SLOW] = { "slow again", 3, { -1 } },
};

/* Shared by all processes, far from where any buffer ends. */
static struct shared {
	struct load load;
	uint64_t one_round;
	_Atomic uint32_t slow_reads; /* served by FUSE */
	_Atomic uint32_t slow_faults; /* by userfaultfd */
	_Atomic uint32_t outcomes[OPS][ERRNOS];
} * shared;

/* The state of one process. Races between its threads are wanted. */
static struct {
	uint64_t round;
	struct file {
		_Atomic int fd; /* -1: none */
		unsigned char *_Atomic view;
		_Atomic size_t length;
		_Atomic uint64_t handles[HANDLES];
	} files[FILES];
	unsigned char *plain; /* two pages, and a third that nobody may touch */
	unsigned char *constant; /* a page that cannot be written */
	struct slow slow;
	int slow_file;
	unsigned char *_Atomic slow_bytes;
	pthread_t threads[LOAD_THREADS_MAX];
	_Atomic int started;
	_Atomic bool over;
} process;

static __thread uint64_t self_random;

static uint64_t chance(uint64_t n)
{
	return load_chance(&self_random, n);
}

/* Handles and files. */

static uint64_t some_handle(struct file *file)
{
	uint64_t handle = file->handles[chance(HANDLES)];

	switch (chance(40)) {
	case 0:
		return SECMEM_HANDLE_NONE;
	case 1:
		return handle + 1;
	case 2:
		return handle + (1ULL << 24); /* the next generation */
	case 3:
		return handle - (1ULL << 24);
	case 4:
		return handle ^ 1ULL << chance(64);
	case 5:
		return chance(UINT64_MAX);
	default:
		return handle;
	}
}

/* A file of this process, mostly one that is open. */
static struct file *some_file(void)
{
	struct file *file = NULL;
	int i;

	for (i = 0; i < 4; i++) {
		file = &process.files[chance(FILES)];
		if (file->fd >= 0)
			break;
	}
	return file;
}

static void file_put(struct file *file)
{
	int fd = atomic_exchange(&file->fd, -1);
	unsigned char *view = atomic_exchange(&file->view, NULL);

	if (view && chance(2))
		munmap(view, file->length);
	if (fd >= 0)
		close(fd);
}

/*
 * Adds a file, perhaps in place of another. It gets a handle, or those of from.
 */
static void file_add(int fd, uint64_t handle, struct file *from)
{
	struct file *file = &process.files[chance(FILES)];
	int i;

	file_put(file);
	for (i = 0; i < HANDLES; i++)
		file->handles[i] = handle || !from ? handle : from->handles[i];
	atomic_store(&file->fd, fd);
}

static unsigned char *some_view_address(void)
{
	struct file *file = some_file();
	unsigned char *view = file->view;

	if (!view)
		return process.plain;
	return view + chance(8) * SM_PAGE * chance(PAGES / 4) +
	       SM_PAGE * (chance(8) + 1) - 1 - chance(SM_PAGE);
}

static void *some_buffer(void)
{
	switch (chance(24)) {
	case 0:
		return NULL;
	case 1:
		return (void *)-1;
	case 2:
		return (void *)(0xffff888000000000 + chance(1 << 28));
	case 3:
		return process.constant + chance(64);
	case 4: /* its end may not be touched */
	case 5:
		return process.plain + 2 * SM_PAGE - 1 - chance(64);
	case 6:
	case 7:
		return some_view_address();
	case 8:
	case 9:
		return process.slow.page + chance(64);
	case 10:
	case 11:
		return process.slow_bytes + chance(64);
	default:
		return process.plain + chance(64);
	}
}

static uint64_t some_number(void)
{
	static const uint64_t numbers[] = {
		0,
		1,
		2,
		31,
		100,
		128,
		129,
		4095,
		4096,
		4097,
		8192,
		65536,
		1 << 20,
		(1 << 20) + 1,
		0x7fffffff,
		0xffffffff,
		0x100000000ULL,
		INT64_MAX,
		1ULL << 63,
		UINT64_MAX,
	};

	return numbers[chance(ARRAY_SIZE(numbers))];
}

static int64_t some_deadline(void)
{
	switch (chance(40)) {
	case 0:
		return SECMEM_FOREVER;
	case 1:
		return some_number();
	case 2:
	case 3:
		return sm_in_ms(20);
	default:
		return chance(2) ? 0 : sm_now() + (int64_t)chance(300000);
	}
}

static uint32_t some_length(void)
{
	return chance(6) ? chance(200) + 1 : some_number();
}

/* The ioctls. */

static size_t call_build(unsigned int nr, struct file *file, void *at)
{
	switch (nr) {
	case _IOC_NR(SECMEM_IOC_INFO):
		*(struct secmem_info *)at = (struct secmem_info){ 0 };
		return sizeof(struct secmem_info);
	case _IOC_NR(SECMEM_IOC_CREATE):
		*(struct secmem_create_args *)at = (struct secmem_create_args){
			.flags = chance(4) ? 0 : chance(8),
			.length = some_length(),
			.align = chance(4) ? 0 : 1U << chance(13),
			.require = chance(8) ? 0 : chance(1 << 19),
		};
		return sizeof(struct secmem_create_args);
	case _IOC_NR(SECMEM_IOC_ACQUIRE):
		*(struct secmem_acquire_args *)at = (struct secmem_acquire_args){
			.flags = (chance(3) ? SECMEM_READ : SECMEM_WRITE) |
				 (chance(2) ? SECMEM_NOWAIT : 0),
			.handle = some_handle(file),
			.deadline = some_deadline(),
		};
		return sizeof(struct secmem_acquire_args);
	case _IOC_NR(SECMEM_IOC_CLOSE):
		*(struct secmem_op *)at = (struct secmem_op){
			.flags = chance(2) ? SECMEM_NOWAIT : 0,
			.handle = some_handle(file),
			.deadline = some_deadline(),
		};
		return sizeof(struct secmem_op);
	case _IOC_NR(SECMEM_IOC_SWITCH):
		if (chance(2))
			break;
		*(struct secmem_op *)at = (struct secmem_op){
			.flags = SECMEM_WRITE | (chance(2) ? SECMEM_NOWAIT : 0),
			.handle = some_handle(file),
			.deadline = some_deadline(),
		};
		return sizeof(struct secmem_op);
	case _IOC_NR(SECMEM_IOC_READ):
	case _IOC_NR(SECMEM_IOC_WRITE):
	case _IOC_NR(SECMEM_IOC_COMPARE):
		*(struct secmem_copy *)at = (struct secmem_copy){
			.flags = chance(2) ? SECMEM_NOWAIT : 0,
			.handle = some_handle(file),
			.deadline = some_deadline(),
			.buffer = (uintptr_t)some_buffer(),
			.offset = chance(3) ? 0 : chance(100),
			.length = chance(3) ?
					  chance(64) :
					  some_length() % (2 * SM_PAGE - 64),
		};
		return sizeof(struct secmem_copy);
	case _IOC_NR(SECMEM_IOC_STAT):
		*(struct secmem_status *)at =
			(struct secmem_status){ .handle = some_handle(file) };
		return sizeof(struct secmem_status);
	case _IOC_NR(SECMEM_IOC_EXPORT):
		*(struct secmem_export_args *)at = (struct secmem_export_args){
			.handle = chance(3) ? some_handle(file) : 0,
			.rights = chance(6) ? SECMEM_RIGHT_ALL &
						      ~SECMEM_RIGHT_CREATE :
					      chance(SECMEM_RIGHT_ALL * 2),
		};
		return sizeof(struct secmem_export_args);
	default:
		break;
	}
	*(struct secmem_op *)at = (struct secmem_op){
		.flags = nr == _IOC_NR(SECMEM_IOC_SWITCH) ? SECMEM_READ : 0,
		.handle = some_handle(file),
	};
	return sizeof(struct secmem_op);
}

/*
 * Changes one thing in a call. The address of a buffer stays, lest the program
 * itself be overwritten.
 */
static void call_change(unsigned int nr, void *at, size_t length)
{
	const size_t buffer = offsetof(struct secmem_copy, buffer);
	uint64_t *words = at;
	size_t word = chance(length / sizeof(*words));

	if (nr >= _IOC_NR(SECMEM_IOC_READ) &&
	    nr <= _IOC_NR(SECMEM_IOC_COMPARE) &&
	    (word == buffer / sizeof(*words) ||
	     word == offsetof(struct secmem_copy, length) / sizeof(*words)))
		return;
	switch (chance(3)) {
	case 0:
		words[word] ^= 1ULL << chance(64);
		break;
	case 1:
		words[word] = some_number();
		break;
	default:
		((uint32_t *)at)[chance(2 * length / sizeof(*words))] =
			some_number();
	}
}

static bool expected(unsigned int op, int err)
{
	size_t i;

	if (!err || strchr(USUAL, err))
		return true;
	for (i = 0; i < ARRAY_SIZE(ops[op].errnos) && ops[op].errnos[i]; i++)
		if (ops[op].errnos[i] == err || ops[op].errnos[i] == -1)
			return true;
	return false;
}

static void judge(unsigned int op, int err)
{
	if (err != EBADF && !expected(op, err))
		complain("%s: errno %d, in round %" PRIu64, ops[op].name, err,
			 process.round);
}

static void call_learn(unsigned int nr, struct file *file, void *at)
{
	struct secmem_create_args *create = at;
	struct secmem_export_args *export = at;

	if (nr == _IOC_NR(SECMEM_IOC_CREATE))
		file->handles[chance(HANDLES)] = create->handle;
	else if (nr == _IOC_NR(SECMEM_IOC_EXPORT))
		file_add(export->fd, export->handle, file);
}

static int do_ioctl(unsigned int nr)
{
	union {
		uint32_t size;
		uint64_t words[1024];
	} *call = (void *)(process.plain + SM_PAGE / 2), local;
	struct file *file = some_file();
	size_t length = call_build(nr, file, &local);
	bool changed = !chance(6), there = chance(10);
	int fd = file->fd, err;
	void *at;

	memset((char *)&local + length, 0, sizeof(local) - length);
	local.size = length;
	if (changed) {
		if (!chance(4))
			local.size = chance(2) ? some_number() :
						 length + chance(64) - 32;
		else
			call_change(nr, &local, length);
	}
	/*
	 * The struct lies in this thread's memory, or where others change it,
	 * or where nothing is mapped.
	 */
	at = &local;
	if (!there) {
		at = some_buffer();
		if (at == (void *)call || !chance(2)) {
			memcpy(call, &local, length);
			at = call;
		}
	}
	err = ioctl(fd, _IO(SECMEM_IOC_MAGIC, nr), at) ? errno : 0;
	if (fd >= 0 && err != ENOTTY)
		judge(nr, err);
	if (!err && at == &local)
		call_learn(nr, file, at);
	return err;
}

/* The rest of what a process may do to a view. */

static int outcome(long result)
{
	return result < 0 ? errno : 0;
}

static int do_map(void)
{
	struct file *file = some_file();
	size_t length = (1 + chance(PAGES)) * SM_PAGE;
	int prot = chance(16) ? PROT_READ | PROT_WRITE : chance(8);
	int flags = chance(16) ? MAP_SHARED : MAP_PRIVATE;
	off_t at = chance(16) ? 0 : chance(4) * SM_PAGE;
	void *view;

	if (!chance(16))
		flags |= MAP_POPULATE;
	view = mmap(NULL, length, prot, flags, file->fd, at);
	if (view == MAP_FAILED)
		return errno;
	atomic_store(&file->length, length);
	atomic_store(&file->view, view);
	return 0;
}

static int do_range(int op)
{
	static const int advice[] = { 0,  1,  2,  3,  4,  8,  9,  10,
				      11, 12, 13, 14, 15, 16, 17, 18,
				      19, 20, 21, 22, 23, 25 };
	struct file *file = some_file();
	unsigned char *view = file->view, *at;
	size_t pages = file->length / SM_PAGE, length;

	if (!view || !pages)
		return ENXIO;
	at = chance(3) ? view : view + chance(pages) * SM_PAGE;
	length = chance(3) ? pages * SM_PAGE - (at - view) :
			     (1 + chance(pages)) * SM_PAGE;
	if (at + length > view + pages * SM_PAGE)
		length = SM_PAGE;
	switch (op) {
	case OP_UNMAP:
		return outcome(munmap(at, length));
	case OP_PROTECT:
		return outcome(mprotect(at, length, chance(8)));
	case OP_ADVISE:
		return outcome(madvise(at, length,
				       advice[chance(ARRAY_SIZE(advice))]));
	case OP_LOCK:
		switch (chance(4)) {
		case 0:
			return outcome(mlock(at, length));
		case 1:
			return outcome(munlock(at, length));
		case 2:
			return outcome(msync(at, length, MS_SYNC));
		default:
			return outcome(mincore(at, SM_PAGE, process.plain));
		}
	default:
		at = mremap(at, length, length + chance(3) * SM_PAGE,
			    chance(2) ? MREMAP_MAYMOVE : 0);
		return at == MAP_FAILED ? errno : 0;
	}
}

static int do_touch(void)
{
	unsigned char *at = some_view_address();
	int signo = chance(2) ? sm_touch(at, NULL) : sm_poke(at, 1);

	return signo < 0 ? 0 : signo;
}

static int do_peek(void)
{
	struct iovec to = { process.plain, 64 };
	struct iovec from = { some_view_address(), 64 };
	int fds[2], fd, err;

	switch (chance(4)) {
	case 0:
		return outcome(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	case 1:
		fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		err = outcome(
			pread(fd, process.plain, 64, (uintptr_t)from.iov_base));
		close(fd);
		return err;
	case 2:
		if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
			return errno;
		err = outcome(chance(2) ? vmsplice(fds[1], &from, 1, 0) :
					  write(fds[1], from.iov_base, 64));
		close(fds[0]);
		close(fds[1]);
		return err;
	default:
		/* open() makes the kernel read a path there. */
		fd = open(from.iov_base, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return errno;
		close(fd);
		return 0;
	}
}

static int do_read_file(void)
{
	char path[48];
	int fd = some_file()->fd, info, err;

	switch (chance(3)) {
	case 0:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = open(path, O_RDONLY | O_CLOEXEC);
		if (info < 0)
			return errno;
		err = outcome(read(info, process.plain, SM_PAGE));
		close(info);
		return err;
	case 1:
		fcntl(fd, F_SETFL, chance(2) ? O_NONBLOCK : 0);
		return outcome(pread(fd, some_buffer(), chance(200),
				     chance(3) ? 0 : some_number()));
	default:
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return outcome(read(fd, some_buffer(), chance(5000)));
	}
}

/* ACQUIRE and RELEASE by value. */
static int do_value(int op)
{
	struct file *file = some_file();
	int fd = file->fd, err;

	err = outcome(ioctl(fd, _IO(SECMEM_IOC_MAGIC, op),
			    (unsigned long)some_handle(file)));
	/*
	 * Another thread may have closed fd, and its number may be another
	 * file's.
	 */
	if (fd >= 0 && err != ENOTTY)
		judge(op, err);
	return err;
}

static int do_poll(void)
{
	struct pollfd polls[2] = {
		{ .fd = some_file()->fd, .events = POLLIN | POLLPRI },
		{ .fd = some_file()->fd, .events = POLLPRI },
	};

	return outcome(poll(polls, 2, chance(3)));
}

static int do_open(void)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };
	int mode = chance(8) ? O_RDWR : modes[chance(2)];
	int fd = open(SECMEM_DEVICE, mode | O_CLOEXEC), i;
	struct file made = { 0 };
	uint64_t handle;

	if (fd < 0)
		return errno;
	for (i = 0; i < HANDLES; i++) {
		if (!sm_create(fd, some_length() % 20000, &handle))
			made.handles[i] = handle;
	}
	file_add(fd, 0, &made);
	return 0;
}

static int do_send(void)
{
	struct file *file = some_file();
	uint64_t handle = file->handles[0];
	int fd = file->fd;

	return fd < 0 ? EBADF :
			-peer_message_send(load->pool[0], &handle,
					   sizeof(handle), fd);
}

static int do_receive(void)
{
	uint64_t handle;
	int fd = -1, err;

	err = peer_message_receive(load->pool[1], &handle, sizeof(handle), &fd);
	if (err)
		return -err;
	if (fd >= 0)
		file_add(fd, handle, NULL);
	return 0;
}

/* Makes the slow page missing again, or replaces the slow mapping. */
static int do_slow(void)
{
	unsigned char *bytes;
	void *now;

	if (process.slow.page && chance(2))
		return outcome(
			madvise(process.slow.page, SM_PAGE, MADV_DONTNEED));
	if (process.slow_file < 0)
		return ENOENT;
	bytes = process.slow_bytes;
	now = mmap(bytes, SM_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | (bytes ? MAP_FIXED : 0), process.slow_file,
		   chance(1 << 17) * SM_PAGE);
	if (now == MAP_FAILED)
		return errno;
	process.slow_bytes = now;
	return 0;
}

static int do_one(int op);

static int do_fork(void)
{
	int status, i;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		process.slow = (struct slow){ .page = process.plain };
		for (i = chance(20); i; i--)
			do_one(chance(OP_FORK));
		_exit(0);
	}
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int do_one(int op)
{
	switch (op) {
	case OP_MAP:
		return do_map();
	case OP_TOUCH:
		return do_touch();
	case OP_PEEK:
		return do_peek();
	case OP_READ:
		return do_read_file();
	case OP_ACQUIRE_VALUE:
	case OP_RELEASE_VALUE:
		return do_value(op);
	case OP_POLL:
		return do_poll();
	case OP_CLOSE_FILE:
		file_put(some_file());
		return 0;
	case OP_OPEN:
		return do_open();
	case OP_SEND:
		return do_send();
	case OP_RECEIVE:
		return do_receive();
	case OP_SIGNAL:
		if (process.started == load->threads)
			pthread_kill(process.threads[chance(load->threads)],
				     SIGUSR1);
		return 0;
	case OP_FORK:
		return do_fork();
	case OP_SLOW:
		return do_slow();
	default:
		return op < OP_IOCTL ? do_ioctl(op) : do_range(op);
	}
}

static int some_op(void)
{
	unsigned int sum = 0, n;
	int op;

	for (op = 0; op < OPS; op++)
		sum += ops[op].weight;
	n = chance(sum);
	for (op = 0; n >= ops[op].weight; op++)
		n -= ops[op].weight;
	return op;
}

static void *thread_run(void *arg)
{
	int i, op, result;

	self_random = load_seed(process.round, (intptr_t)arg);
	for (i = 0; i < ROUND_OPS; i++) {
		op = some_op();
		result = do_one(op);
		if (result >= 0 && result < ERRNOS)
			atomic_fetch_add(&shared->outcomes[op][result], 1);
		atomic_fetch_add(&load->operations, 1);
	}
	return NULL;
}

/* Hands the missing page in some time after a thread got stuck at it. */
static void *slow_serve(void *arg)
{
	unsigned int i;

	self_random = load_seed(process.round, LOAD_THREADS_MAX - 2);
	while (!process.over) {
		if (slow_wait(&process.slow))
			continue;
		atomic_fetch_add(&shared->slow_faults, 1);
		for (i = chance(50); i; i--)
			sched_yield();
		slow_let_go(&process.slow);
	}
	return arg;
}

static int round_run(uint64_t round)
{
	struct sigaction action = { .sa_handler = sm_ignore_signal };
	pthread_t server;
	int i;

	process.round = round;
	self_random = load_seed(round, LOAD_THREADS_MAX - 1);
	process.plain = mmap(NULL, 3 * SM_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	process.constant = mmap(NULL, SM_PAGE, PROT_READ,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (process.plain == MAP_FAILED || process.constant == MAP_FAILED ||
	    mprotect(process.plain + 2 * SM_PAGE, SM_PAGE, PROT_NONE))
		return 1;
	if (slow_open(&process.slow) ||
	    pthread_create(&server, NULL, slow_serve, NULL))
		process.slow = (struct slow){ .page = NULL };
	process.slow_file = open(SLOW_MOUNT, O_RDWR | O_CLOEXEC);
	/* A plain user in most rounds, root in the others. */
	if (chance(4))
		sm_become_user();
	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < FILES; i++)
		process.files[i].fd = -1;
	for (i = 0; i < 6; i++) {
		do_open();
		do_map();
	}
	do_slow();
	for (i = 0; i < load->threads; i++) {
		if (pthread_create(&process.threads[i], NULL, thread_run,
				   (void *)(intptr_t)i))
			return 1;
		process.started++;
	}
	for (i = 0; i < load->threads; i++)
		pthread_join(process.threads[i], NULL);
	process.over = true;
	if (!chance(20))
		execl("/bin/true", "true", NULL);
	return 0;
}

/*
 * A file that is as slow as the test likes: a process of the test serves it by
 * FUSE.
 */

static void fuse_answer(int fuse, uint64_t unique, int err, const void *body,
			size_t length)
{
	struct fuse_out_header header = {
		.len = sizeof(header) + length,
		.error = err,
		.unique = unique,
	};
	struct iovec parts[] = { { &header, sizeof(header) },
				 { (void *)(uintptr_t)body, length } };

	/* This fails if the process that asked is dead. */
	if (writev(fuse, parts, 2) < 0)
		return;
}

static int fuse_serve(int fuse)
{
	static unsigned char request[1 << 18], contents[1 << 17];
	const struct fuse_in_header *in = (void *)request;
	struct fuse_read_in *read_in = (void *)(in + 1);
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};
	struct fuse_attr_out attributes = {
		.attr = { .ino = FUSE_ROOT_ID,
			  .size = 1ULL << 40,
			  .mode = S_IFREG | 0666,
			  .nlink = 1 },
	};
	struct fuse_open_out opened = { .fh = 1 };
	unsigned int i;

	self_random = load_mix(load->seed);
	memset(contents, 0x77, sizeof(contents));
	while (read(fuse, request, sizeof(request)) > 0 || errno == EINTR ||
	       errno == ENOENT) {
		switch (in->opcode) {
		case FUSE_INIT:
			fuse_answer(fuse, in->unique, 0, &init, sizeof(init));
			break;
		case FUSE_GETATTR:
			fuse_answer(fuse, in->unique, 0, &attributes,
				    sizeof(attributes));
			break;
		case FUSE_OPEN:
			fuse_answer(fuse, in->unique, 0, &opened,
				    sizeof(opened));
			break;
		case FUSE_READ:
			atomic_fetch_add(&shared->slow_reads, 1);
			for (i = chance(50); i; i--)
				sched_yield();
			fuse_answer(fuse, in->unique, 0, contents,
				    read_in->size < sizeof(contents) ?
					    read_in->size :
					    sizeof(contents));
			break;
		case FUSE_RELEASE:
			fuse_answer(fuse, in->unique, 0, NULL, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			fuse_answer(fuse, in->unique, -ENOSYS, NULL, 0);
		}
	}
	return 0;
}

/* Starts the server of the slow file: its pid, or -errno. */
static pid_t fuse_start(void)
{
	int file, fuse, err;
	char options[128];
	struct stat st;
	pid_t pid;

	file = open(SLOW_MOUNT, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	if (file < 0)
		return -errno;
	close(file);
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100666,user_id=0,group_id=0,allow_other",
		 fuse);
	if (mount("slow", SLOW_MOUNT, "fuse", MS_NOSUID | MS_NODEV, options)) {
		err = -errno;
		close(fuse);
		return err;
	}
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fuse_serve(fuse));
	}
	close(fuse);
	/* stat() makes the kernel ask for the file's size. */
	if (pid > 0 && stat(SLOW_MOUNT, &st))
		return -errno;
	return pid;
}

/* The supervisor. */

static struct {
	uint64_t round;
	int64_t began, killed;
} children[LOAD_PROCESSES_MAX];
static uint64_t rounds;

static int child_start(int i)
{
	uint64_t round = shared->one_round ? shared->one_round : ++rounds;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(round_run(round));
	}
	load_pids[i] = pid;
	children[i].round = round;
	children[i].began = sm_now();
	children[i].killed = 0;
	return pid < 0 ? -errno : 0;
}

static bool over(void)
{
	return load->operations >= load->target || shared->one_round ||
	       load->complaints >= LOAD_COMPLAINTS;
}

/* Reaps children, and the orphans that they left; returns how many are left. */
static int reap(void)
{
	int i, left = 0, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < load->processes; i++)
			if (load_pids[i] == pid)
				load_pids[i] = 0;
	for (i = 0; i < load->processes; i++) {
		if (!load_pids[i] && !over() && child_start(i))
			complain("fork: %d", errno);
		left += load_pids[i] > 0;
	}
	return left;
}

/*
 * Kills a process now and then, and one that takes long. Complains of one that
 * cannot be killed.
 */
static void watch(uint64_t *kills)
{
	int64_t now = sm_now();
	int i;

	for (i = 0; i < load->processes; i++) {
		if (load_pids[i] <= 0)
			continue;
		if (children[i].killed) {
			if (now - children[i].killed > HANG_MS * 1000000LL) {
				complain("round %" PRIu64 " cannot be killed",
					 children[i].round);
				children[i].killed = now;
			}
		} else if (now - children[i].began > 10 * 1000000000LL ||
			   (!shared->one_round && !chance(600))) {
			kill(load_pids[i], SIGKILL);
			children[i].killed = now;
			(*kills)++;
		}
	}
}

static void report(void)
{
	unsigned int op, err, n;
	char line[640];

	for (op = 0; op < OPS; op++) {
		n = snprintf(line, sizeof(line), "# %-11s", ops[op].name);
		for (err = 0; err < ERRNOS && n < sizeof(line) - 40; err++)
			if (shared->outcomes[op][err])
				n += snprintf(line + n, sizeof(line) - n,
					      " %s %u",
					      err ? strerrorname_np(err) : "0",
					      shared->outcomes[op][err]);
		printf("%s\n", line);
	}
}

int main(int argc, char **argv)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	struct secmem_info before, after;
	uint64_t kills = 0;
	int64_t began;
	pid_t fuse;
	bool back, slow;
	int i, fd;

	shared = mmap(SHARED_AT, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	load = &shared->load;
	load->seed = sm_now() ^ (uint64_t)getpid() << 40;
	load->target = 100000;
	load->processes = 3;
	load->threads = 3;
	if (load_options(argc, argv, 'r', "ROUND", &shared->one_round))
		return 2;
	if (shared->one_round)
		load->processes = 1;
	fd = load_begin("fuzz", SOCK_CLOEXEC, &before);
	if (fd < 0)
		return 1;
	fuse = fuse_start();
	if (fuse < 0)
		printf("# no FUSE: errno %d\n", -fuse);
	self_random = load_mix(load->seed);
	began = sm_now();
	for (i = 0; i < load->processes; i++)
		if (child_start(i))
			return 1;
	while (reap()) {
		watch(&kills);
		nanosleep(&nap, NULL);
	}
	if (fuse > 0) {
		umount2(SLOW_MOUNT, MNT_DETACH);
		kill(fuse, SIGKILL);
	}
	back = load_end(fd, &before, &after);
	slow = fuse < 0 || (shared->slow_reads && shared->slow_faults);
	printf("# %" PRIu64 " operations, %" PRIu64 " rounds, %" PRIu64
	       " kills in %" PRId64 " ms; %u reads of a slow file, %u slow "
	       "faults\n",
	       load->operations, rounds, kills, (sm_now() - began) / 1000000,
	       shared->slow_reads, shared->slow_faults);
	report();
	load_result(1, !load->complaints,
		    "fuzz.errnos_are_those_of_the_header");
	load_result(2, back, "fuzz.nothing_is_left");
	if (fuse < 0)
		printf("ok 3 fuzz.buffers_were_slow # SKIP no FUSE here\n");
	else
		load_result(3, slow, "fuzz.buffers_were_slow");
	return load->complaints || !back || !slow;
}
