/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests share: each call of /dev/secmem as a function that returns 0
 * or -errno, a catcher of faults, and ways to wait for a state, never for a
 * time. Nothing in here asserts: the tests do.
 */
#ifndef SECMEM_TEST_H
#define SECMEM_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <secmem/secmem.h>

#include "kselftest_harness.h"

#define SM_PAGE ((size_t)sysconf(_SC_PAGESIZE))
/* Long enough for a busy machine. The VM has a limit of its own. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 60
#define SM_LOOP_TIMEOUT 300 /* for loops of many rounds */

#define SM_VIEW_LENGTH ((size_t)64 << 20)

/* How long a state may keep a test waiting before the test has failed. */
#define SM_PATIENCE_MS 20000

/* Time. */

static inline int64_t sm_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A deadline that many milliseconds from now (or ago). */
static inline int64_t sm_in_ms(int64_t ms)
{
	return sm_now() + ms * 1000000;
}

/*
 * The calls. Each returns 0 or -errno. Those that are not given a deadline wait
 * for SM_PATIENCE_MS at most: so a defect fails a test, and does not hang it.
 */
#define SM_PATIENTLY sm_in_ms(SM_PATIENCE_MS)

static inline int sm_ioctl(int fd, unsigned long call, void *arg)
{
	return ioctl(fd, call, arg) ? -errno : 0;
}

static inline int sm_open(void)
{
	int fd = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static inline int sm_info(int fd, struct secmem_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return sm_ioctl(fd, SECMEM_IOC_INFO, info);
}

/* CREATE with all its arguments; sm_create() is the usual case. */
static inline int sm_create_as(int fd, uint64_t length, uint32_t align,
			       uint32_t flags, const char *label,
			       uint64_t require, struct secmem_create_args *c)
{
	memset(c, 0, sizeof(*c));
	c->size = sizeof(*c);
	c->flags = flags;
	c->length = length;
	c->align = align;
	c->require = require;
	if (label)
		memcpy(c->label, label, strnlen(label, sizeof(c->label)));
	return sm_ioctl(fd, SECMEM_IOC_CREATE, c);
}

static inline int sm_create(int fd, uint64_t length, uint64_t *handle)
{
	struct secmem_create_args c;
	int err = sm_create_as(fd, length, 0, 0, NULL, 0, &c);

	*handle = err ? SECMEM_HANDLE_NONE : c.handle;
	return err;
}

static inline int sm_acquire_at(int fd, uint64_t handle, uint32_t flags,
				int64_t deadline, struct secmem_acquire_args *a)
{
	memset(a, 0, sizeof(*a));
	a->size = sizeof(*a);
	a->flags = flags;
	a->handle = handle;
	a->deadline = deadline;
	return sm_ioctl(fd, SECMEM_IOC_ACQUIRE, a);
}

/* flags may hold NOWAIT. offset may be NULL. */
static inline int sm_acquire(int fd, uint64_t handle, uint32_t flags,
			     uint64_t *offset)
{
	struct secmem_acquire_args a;
	int err = sm_acquire_at(fd, handle, flags, SM_PATIENTLY, &a);

	if (!err && offset)
		*offset = a.offset;
	return err;
}

static inline int sm_op(int fd, unsigned long call, uint64_t handle,
			uint32_t flags, int64_t deadline)
{
	struct secmem_op op = {
		.size = sizeof(op),
		.flags = flags,
		.handle = handle,
		.deadline = deadline,
	};

	return sm_ioctl(fd, call, &op);
}

static inline int sm_release(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_RELEASE, handle, 0, 0);
}

/* ACQUIRE for READ by value; *offset is where the secret's first page lies. */
static inline int sm_acquire_value(int fd, uint64_t handle, uint64_t *offset)
{
	int page = ioctl(fd, SECMEM_IOC_ACQUIRE_VALUE, (unsigned long)handle);

	if (page < 0)
		return -errno;
	if (offset)
		*offset = (uint64_t)page * SM_PAGE;
	return 0;
}

static inline int sm_release_value(int fd, uint64_t handle)
{
	int ret = ioctl(fd, SECMEM_IOC_RELEASE_VALUE, (unsigned long)handle);

	return ret < 0 ? -errno : ret;
}

static inline int sm_seal(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_SEAL, handle, 0, 0);
}

static inline int sm_drop(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_DROP, handle, 0, 0);
}

static inline int sm_close_at(int fd, uint64_t handle, uint32_t flags,
			      int64_t deadline)
{
	return sm_op(fd, SECMEM_IOC_CLOSE, handle, flags, deadline);
}

static inline int sm_close(int fd, uint64_t handle)
{
	return sm_close_at(fd, handle, 0, SM_PATIENTLY);
}

static inline int sm_revoke(int fd, uint64_t handle)
{
	return sm_op(fd, SECMEM_IOC_REVOKE, handle, 0, 0);
}

static inline int sm_copy(int fd, unsigned long call, uint64_t handle,
			  uint32_t flags, int64_t deadline, const void *buffer,
			  uint64_t offset, uint64_t length, uint32_t *equal)
{
	struct secmem_copy c = {
		.size = sizeof(c),
		.flags = flags,
		.handle = handle,
		.deadline = deadline,
		.buffer = (uintptr_t)buffer,
		.offset = offset,
		.length = length,
	};
	int err = sm_ioctl(fd, call, &c);

	if (equal)
		*equal = c.equal;
	return err;
}

static inline int sm_read(int fd, uint64_t handle, void *buffer,
			  uint64_t offset, uint64_t length)
{
	return sm_copy(fd, SECMEM_IOC_READ, handle, 0, SM_PATIENTLY, buffer,
		       offset, length, NULL);
}

static inline int sm_write(int fd, uint64_t handle, const void *buffer,
			   uint64_t offset, uint64_t length)
{
	return sm_copy(fd, SECMEM_IOC_WRITE, handle, 0, SM_PATIENTLY, buffer,
		       offset, length, NULL);
}

static inline int sm_compare(int fd, uint64_t handle, const void *buffer,
			     uint64_t length, uint32_t *equal)
{
	return sm_copy(fd, SECMEM_IOC_COMPARE, handle, 0, SM_PATIENTLY, buffer,
		       0, length, equal);
}

static inline int sm_stat(int fd, uint64_t handle, struct secmem_status *st)
{
	memset(st, 0, sizeof(*st));
	st->size = sizeof(*st);
	st->handle = handle;
	return sm_ioctl(fd, SECMEM_IOC_STAT, st);
}

static inline int sm_export(int fd, uint64_t handle, uint32_t rights, int *out)
{
	struct secmem_export_args e = {
		.size = sizeof(e),
		.handle = handle,
		.rights = rights,
		.fd = -1,
	};
	int err = sm_ioctl(fd, SECMEM_IOC_EXPORT, &e);

	*out = err ? -1 : e.fd;
	return err;
}

/* Maps a view; MAP_FAILED and errno as of mmap(2). */
static inline void *sm_map(int fd, size_t length, int prot)
{
	return mmap(NULL, length, prot, MAP_SHARED, fd, 0);
}

/* A vault with a view of SM_VIEW_LENGTH: 0 or -errno. */
struct sm_vault {
	int fd;
	unsigned char *view;
};

static inline int sm_vault_open(struct sm_vault *v)
{
	void *view;
	int err;

	v->view = NULL;
	v->fd = sm_open();
	if (v->fd < 0)
		return v->fd;
	view = sm_map(v->fd, SM_VIEW_LENGTH, PROT_READ | PROT_WRITE);
	if (view == MAP_FAILED) {
		err = -errno;
		close(v->fd);
		v->fd = -1;
		return err;
	}
	v->view = view;
	return 0;
}

static inline void sm_vault_close(struct sm_vault *v)
{
	if (v->view)
		munmap(v->view, SM_VIEW_LENGTH);
	if (v->fd >= 0)
		close(v->fd);
	v->view = NULL;
	v->fd = -1;
}

/* ACQUIRE: the bytes in the view; NULL, with *err set, if it failed. */
static inline unsigned char *
sm_vault_acquire(struct sm_vault *v, uint64_t handle, uint32_t flags, int *err)
{
	uint64_t offset = 0;

	*err = sm_acquire(v->fd, handle, flags, &offset);
	return *err ? NULL : v->view + offset;
}

/* Faults: which signal a touch raised, and where. */

struct sm_fault {
	int signo; /* 0: the touch went well */
	int code;
	void *addr;
};

static __thread sigjmp_buf sm_fault_env;
static __thread volatile sig_atomic_t sm_fault_armed;
static __thread struct sm_fault sm_fault_seen;

static inline void sm_fault_handler(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (!sm_fault_armed) {
		/*
		 * This is no touch of ours: it faults again, and ends the
		 * program.
		 */
		signal(signo, SIG_DFL);
		return;
	}
	sm_fault_seen.signo = signo;
	sm_fault_seen.code = info->si_code;
	sm_fault_seen.addr = info->si_addr;
	sm_fault_armed = 0;
	siglongjmp(sm_fault_env, 1);
}

static inline void sm_fault_install(void)
{
	struct sigaction action = {
		.sa_sigaction = sm_fault_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	static __thread bool installed;

	if (installed)
		return;
	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	installed = true;
}

/*
 * Runs the statement; f says how it ended. A fault leaves it by siglongjmp().
 */
#define SM_CATCH(f, statement)                                    \
	do {                                                      \
		sm_fault_install();                               \
		memset(&sm_fault_seen, 0, sizeof(sm_fault_seen)); \
		if (!sigsetjmp(sm_fault_env, 0)) {                \
			sm_fault_armed = 1;                       \
			statement;                                \
			sm_fault_armed = 0;                       \
		}                                                 \
		*(f) = sm_fault_seen;                             \
	} while (0)

/*
 * Reads or writes one byte: 0, SIGSEGV or SIGBUS; -1 if the signal was for
 * another address than this one.
 */
static __attribute__((noinline, unused)) int
sm_touch(const volatile void *address, unsigned char *value)
{
	struct sm_fault f;
	unsigned char got = 0;

	SM_CATCH(&f, got = *(const volatile unsigned char *)address);
	if (!f.signo && value)
		*value = got;
	if (f.signo && f.addr != (void *)(uintptr_t)address)
		return -1;
	return f.signo;
}

static __attribute__((noinline, unused)) int sm_poke(volatile void *address,
						     unsigned char value)
{
	struct sm_fault f;

	SM_CATCH(&f, *(volatile unsigned char *)address = value);
	if (f.signo && f.addr != (void *)(uintptr_t)address)
		return -1;
	return f.signo;
}

/*
 * Waiting for what somebody else does: for a state that shows it, never for a
 * time.
 */

/*
 * Gives way between looks at a state, for longer the longer it takes: the
 * others may need the virtual processor that a spinning one has.
 */
static inline void sm_step_aside(unsigned int looks)
{
	struct timespec nap = { .tv_nsec = 50000 };

	if (looks < 20)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

#define SM_WAIT_UNTIL(condition)                             \
	({                                                   \
		int64_t sm_until = sm_in_ms(SM_PATIENCE_MS); \
		unsigned int sm_looks = 0;                   \
		int sm_late = 0;                             \
		while (!(condition)) {                       \
			if (sm_now() > sm_until) {           \
				sm_late = -ETIMEDOUT;        \
				break;                       \
			}                                    \
			sm_step_aside(sm_looks++);           \
		}                                            \
		sm_late;                                     \
	})

static inline bool sm_has_waiters(int fd, uint64_t handle, uint32_t n)
{
	struct secmem_status st;

	return !sm_stat(fd, handle, &st) && st.waiters >= n;
}

static inline bool sm_has_state(int fd, uint64_t handle, uint32_t state)
{
	struct secmem_status st;

	return !sm_stat(fd, handle, &st) && st.state == state;
}

/* Waits until at least n calls wait for the secret: 0 or -ETIMEDOUT. */
static inline int sm_wait_waiters(int fd, uint64_t handle, uint32_t n)
{
	return SM_WAIT_UNTIL(sm_has_waiters(fd, handle, n));
}

static inline int sm_wait_state(int fd, uint64_t handle, uint32_t state)
{
	return SM_WAIT_UNTIL(sm_has_state(fd, handle, state));
}

/*
 * An event that one thread or process sets and another waits for, also across a
 * fork that comes later. Each wait takes one set.
 */
static inline int sm_event(void)
{
	return eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
}

static inline int sm_event_set(int event)
{
	uint64_t one = 1;

	return write(event, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

static inline int sm_event_wait(int event)
{
	struct pollfd p = { .fd = event, .events = POLLIN };
	uint64_t got;
	int n;

	do
		n = poll(&p, 1, SM_PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return read(event, &got, sizeof(got)) == sizeof(got) ? 0 : -errno;
}

/*
 * A call that a thread of its own makes, and what it returned. The thread has a
 * handler for SIGUSR1 that does nothing, so that sm_call_interrupt() ends its
 * wait. It blocks SIGCHLD. The kernel drops a SIGCHLD that nobody handles, but
 * not while the main thread blocks it, as pthread_create() does for a while: it
 * would then end this thread's wait.
 */
struct sm_call {
	pthread_t thread;
	pid_t tid; /* atomic; 0 until it runs */
	int fd;
	unsigned long call;
	uint64_t handle;
	uint32_t flags;
	int64_t deadline;
	void *buffer; /* of READ, WRITE, COMPARE */
	uint64_t length;
	int result;
	bool done; /* atomic */
};

static inline void *sm_call_run(void *arg)
{
	struct sm_call *c = arg;
	struct secmem_acquire_args a;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	switch (c->call) {
	case SECMEM_IOC_ACQUIRE:
		c->result = sm_acquire_at(c->fd, c->handle, c->flags,
					  c->deadline, &a);
		break;
	case SECMEM_IOC_READ:
	case SECMEM_IOC_WRITE:
	case SECMEM_IOC_COMPARE:
		c->result = sm_copy(c->fd, c->call, c->handle, c->flags,
				    c->deadline, c->buffer, 0, c->length, NULL);
		break;
	default:
		c->result =
			sm_op(c->fd, c->call, c->handle, c->flags, c->deadline);
	}
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static inline void sm_ignore_signal(int signo)
{
	(void)signo;
}

static inline int sm_call_start(struct sm_call *c)
{
	/*
	 * With SA_RESTART a wait that the kernel restarts would show: a defect.
	 */
	struct sigaction action = {
		.sa_handler = sm_ignore_signal,
		.sa_flags = SA_RESTART,
	};
	sigset_t blocked, before;
	int err;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	c->tid = 0;
	c->done = false;
	c->result = 1;
	/* The thread begins with this mask. */
	err = pthread_sigmask(SIG_BLOCK, &blocked, &before);
	if (err)
		return -err;
	err = pthread_create(&c->thread, NULL, sm_call_run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static inline bool sm_call_done(struct sm_call *c)
{
	return __atomic_load_n(&c->done, __ATOMIC_ACQUIRE);
}

static inline void sm_call_interrupt(struct sm_call *c)
{
	pthread_kill(c->thread, SIGUSR1);
}

/* What the call returned, or 1 if it did not return within SM_PATIENCE_MS. */
static inline int sm_call_finish(struct sm_call *c)
{
	if (SM_WAIT_UNTIL(sm_call_done(c)))
		return 1;
	pthread_join(c->thread, NULL);
	return c->result;
}

/* Processes. */

/* Runs fn in a child, which exits with its result, and dies with its parent. */
static inline pid_t sm_fork(int (*fn)(void *), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

/*
 * A child's exit status, or 128 plus the signal that killed it; -1: no such
 * child.
 */
static inline int sm_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int sm_run(int (*fn)(void *), void *arg)
{
	pid_t pid = sm_fork(fn, arg);

	return pid < 0 ? -1 : sm_reap(pid);
}

/* The module's file, for tests that load it with other parameters. */
#define SM_MODULE "/vm/secmem.ko"

static inline int sm_module_load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = -errno;
	close(fd);
	return err;
}

static inline int sm_module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static inline int sm_reload(const char *parameters)
{
	int err = sm_module_unload("secmem");

	return err ?: sm_module_load(SM_MODULE, parameters);
}

/* Becomes a plain user, in the group that owns the device: 0 or -errno. */
#define SM_USER 1000

static inline int sm_become(uid_t uid)
{
	struct stat st;

	if (stat(SECMEM_DEVICE, &st))
		return -errno;
	if (setgroups(1, &st.st_gid) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

static inline int sm_become_user(void)
{
	return sm_become(SM_USER);
}

#endif /* SECMEM_TEST_H */
