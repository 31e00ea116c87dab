/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libsecmem: secrets in kernel pages that are mapped only while somebody
 * holds an access.
 *
 *	secmem_secret_t key;
 *
 *	secmem_create_from_fd(&key, fd, 0, NULL);
 *	secmem_with_bytes(key, SECMEM_FOREVER, sign, &message, &result);
 *	secmem_close(key, SECMEM_FOREVER);
 *
 * Results are 0 (or what the call documents) and -errno. errno itself is no
 * part of a result. What each error means stands once, in <secmem/secmem.h>;
 * a call below names only what is particular to it. The library adds:
 *
 *   -EDEADLK      the call would wait for an access that this very thread
 *                 holds through secmem_with_bytes
 *   -EKEYREVOKED  also: the secret's grant was closed, or lost (below), or it
 *                 belongs to the process that this one was forked from
 *   -ENOENT, -ENXIO, -EACCES  from the first call of a process: there is no
 *                 /dev/secmem (is the module loaded?), or it may not be opened
 *                 (is the user in group secmem?)
 *
 * Lengths and offsets are bytes. A timeout is nanoseconds from now,
 * SECMEM_FOREVER, or 0 for not waiting at all (-EAGAIN instead of -ETIMEDOUT).
 * A wait that a signal handler interrupts goes on, to the end of the same
 * timeout, unless the thread asked for -EINTR (secmem_wait_set_interruptible).
 * A call that has to wait is a cancellation point while it waits: a thread that
 * is cancelled there has got no access by that call.
 *
 * A pointer to a result may not be NULL, unless the call says so. A call that
 * fails has set its results to zeroes. Structs that carry their size may grow
 * in later versions: one that is larger than this library's is taken where the
 * rest of it is zero, and up to SECMEM_STRUCT_MAX. A larger size is -EINVAL,
 * and nothing is touched.
 *
 * Every function may be called by any thread at any time, unless it says
 * otherwise. None is promised to be async-signal-safe.
 *
 * Descriptors: the library's own are close-on-exec, and their numbers are as
 * high as it can make them (from 768 on, where RLIMIT_NOFILE allows 1024). A
 * program that closes them behind the library's back (closefrom, close_range, a
 * loop) or puts other files in their place (dup2) has lost those grants. The
 * next call finds that out: from then on their secrets are -EKEYREVOKED, their
 * views are gone (a touch of a secret that was open by hand is SIGSEGV), and
 * what no other grant keeps is wiped. The next secret that is created in the
 * default vault opens that vault anew.
 *
 * The library checks that a number still leads to its grant before it closes
 * the descriptor, creates, drops or finds a secret, maps or exports a vault,
 * and after an error: so it does none of this to another component's file.
 * (Other calls on a secret need no check: the handles of one vault are unknown
 * in another.) After it has created, mapped or exported it checks again, and
 * undoes the call if the number was taken just before it. A drop it cannot
 * undo. One case remains: between the check and the close, or during such a
 * call, one thread closes the descriptor and another one opens a file that gets
 * its number. So do not close descriptors that are not yours while other
 * threads run.
 *
 * Fork: a child (of fork, or of clone without CLONE_VM) starts with nothing:
 * the parent's secrets and grants are -EKEYREVOKED there, the parent's views
 * are not mapped, and the first use opens a vault of the child's own. To share
 * a secret, export it before the fork and adopt the fd in the child.
 *
 * In a child of fork, the library's descriptors are closed. For that, fork
 * waits for threads that are just opening one, but not where it is called by a
 * signal handler that has interrupted such a thread; and a thread that opens
 * one waits for a fork, but for a second at most. In these two cases the child
 * may keep a descriptor, which is of no use there.
 *
 * mlockall(MCL_FUTURE) under RLIMIT_MEMLOCK refuses large mappings, the view
 * among them; the library then takes a smaller one, and a secret beyond its
 * end is -ENXIO to secmem_acquire. Call mlockall after the first access, with
 * MCL_FUTURE alone: MCL_CURRENT counts the view's address space.
 */
#ifndef _LIBSECMEM_H
#define _LIBSECMEM_H

#include <stddef.h>
#include <stdint.h>
#include <secmem/secmem.h>

#ifdef __cplusplus
extern "C" {
#endif

/* LIBSECMEM_VERSION_NUMBER grows with each version. */
#define LIBSECMEM_VERSION "0.1.0"
#define LIBSECMEM_VERSION_MAJOR 0
#define LIBSECMEM_VERSION_MINOR 1
#define LIBSECMEM_VERSION_PATCH 0
#define LIBSECMEM_VERSION_NUMBER                                        \
	(LIBSECMEM_VERSION_MAJOR << 16 | LIBSECMEM_VERSION_MINOR << 8 | \
	 LIBSECMEM_VERSION_PATCH)

#define SECMEM_MUST_CHECK __attribute__((__warn_unused_result__))

/*
 * A grant that this process holds: a vault of its own, or a grant that another
 * process gave it. This is its name, passed by value and never reused: a stale
 * one is -EKEYREVOKED.
 * SECMEM_GRANT_DEFAULT is the vault of this process: opened at its first use,
 * mapped at its first access, never closed before the process ends. The shared
 * library is not unloaded by dlclose (-z nodelete): each unloading would leave
 * a vault and its view behind. So link a plugin that has the static library in
 * it with -Wl,-z,nodelete, too.
 */
typedef struct {
	uint64_t id;
} secmem_grant_t;

/*
 * A secret, through a grant. This is its name, passed by value, never reused
 * and never dangling: after close it is -EKEYREVOKED. Two names are equal if
 * both fields are.
 */
typedef struct {
	uint64_t grant;
	uint64_t handle;
} secmem_secret_t;

#ifdef __cplusplus
#define SECMEM_GRANT_DEFAULT (secmem_grant_t{ 0 })
#define SECMEM_SECRET_NONE (secmem_secret_t{ 0, 0 })
#else
#define SECMEM_GRANT_DEFAULT ((secmem_grant_t){ 0 })
#define SECMEM_SECRET_NONE ((secmem_secret_t){ 0, 0 })
#endif

/*
 * Creating
 * --------
 * Each call stores the new secret in *secret, or SECMEM_SECRET_NONE when it
 * fails. length is 1 to SECMEM_LENGTH_MAX. options may be NULL; unset fields
 * mean their defaults. Memory is reserved and charged here: -ENOMEM where
 * RLIMIT_MEMLOCK or the administrator's cap is reached, -EOPNOTSUPP where a
 * protection in require is not in force, -EINVAL for a label that is too long,
 * -EBUSY while the machine goes to hibernate (with SUSPEND_WIPE: or to
 * suspend), -ESHUTDOWN once it goes down, -EKEYREVOKED where the administrator
 * has ended the vault.
 */
struct secmem_options {
	size_t size; /* of this struct */
	secmem_grant_t grant; /* creates it there; needs the right CREATE */
	uint64_t require; /* mask of 1 << SECMEM_PROT_* that must hold */
	const char *label; /* public, up to SECMEM_LABEL_SIZE - 1 bytes */
	uint32_t align; /* power of two up to SECMEM_ALIGN_MAX */
	uint32_t flags; /* SECMEM_CREATE_SUSPEND_WIPE, SECMEM_CREATE_LINGER */
};

/*
 * From bytes of the caller's. They are wiped where they stand, whatever the
 * result: no error path leaves a copy behind. But the kernel may have moved the
 * page that they stand in before, and does not wipe the old one: so a secret
 * that never stood in ordinary memory is better. Only with a length beyond
 * SECMEM_LENGTH_MAX, which is -EINVAL, nothing is touched. A caller that must
 * be able to try again uses secmem_create_zero and then secmem_write.
 */
int secmem_create(secmem_secret_t *secret, void *data, size_t length,
		  const struct secmem_options *options) SECMEM_MUST_CHECK;

/* All bytes zero. */
int secmem_create_zero(secmem_secret_t *secret, size_t length,
		       const struct secmem_options *options) SECMEM_MUST_CHECK;

/* Filled by the kernel's random number generator. */
int secmem_create_random(secmem_secret_t *secret, size_t length,
			 const struct secmem_options *options) SECMEM_MUST_CHECK;

/*
 * From a file, pipe, socket or terminal, by read(2) straight into the open
 * secret: no copy in ordinary memory of this process. With a length, exactly
 * that many bytes are read (-ENODATA if the file ends before). With length 0,
 * all until its end. Reads from the file's offset on; the file stays open.
 * Waits on a non-blocking file too. A cancellation point: a thread cancelled
 * here leaves no secret. After a failure, what was read from a pipe is gone.
 * Errors: those of read(2); -ENODATA, also for an empty file; -EFBIG, more
 * than SECMEM_LENGTH_MAX; -EINTR, a signal before the first byte, where the
 * thread asked for it; -EFAULT, an O_DIRECT file; -EKEYREVOKED, the
 * administrator or a suspend ended the secret meanwhile (where the library
 * itself touches its bytes just then, the process gets SIGBUS instead). Needs
 * MAP, READ, WRITE and CLOSE beside CREATE (-EACCES, and nothing was read).
 */
int secmem_create_from_fd(secmem_secret_t *secret, int fd, size_t length,
			  const struct secmem_options *options)
	SECMEM_MUST_CHECK;

/*
 * Access by a callback
 * --------------------
 * Opens the secret, calls function with its bytes and argument, and shuts the
 * secret, also where the callback throws a C++ exception, calls pthread_exit or
 * is cancelled. The callback must not be left by longjmp. The pointer is good
 * inside the callback only.
 *
 * With glibc, callbacks of one thread (coroutines) may end in any order and on
 * any thread. With another C library they must end in the reverse order of
 * their beginning, or that thread must not be cancelled or call pthread_exit
 * later; and an exception shuts the secret only where the program is linked
 * with an unwinder: in a static program none may leave the callback.
 *
 * *result (result may be NULL) is what the callback returned, or 0 where it has
 * not run to its end; the call's own result is the library's, and tells of a
 * failed release too: -EKEYREVOKED if the secret was revoked meanwhile
 * (touching it then is SIGBUS), -EBADMSG if something wrote beside the data.
 *
 * secmem_with_bytes is a READ access: shared with all other readers; it nests.
 * secmem_with_bytes_mut is a WRITE access: alone among all.
 *
 * Inside the callback this thread's calls on the same secret, through the same
 * grant, that would wait for this access are -EDEADLK and change nothing:
 * secmem_close, secmem_write, WRITE accesses, and secmem_switch to WRITE inside
 * both functions;
 * secmem_read, secmem_compare and READ accesses inside secmem_with_bytes_mut.
 * With timeout 0 they are tried: so secmem_close(secret, 0) is -EAGAIN, and the
 * secret is closed when the callback returns.
 */
int secmem_with_bytes(secmem_secret_t secret, int64_t timeout,
		      int (*function)(const void *data, size_t length,
				      void *argument),
		      void *argument, int *result) SECMEM_MUST_CHECK;
int secmem_with_bytes_mut(secmem_secret_t secret, int64_t timeout,
			  int (*function)(void *data, size_t length,
					  void *argument),
			  void *argument, int *result) SECMEM_MUST_CHECK;

/*
 * Access by hand
 * --------------
 * flags is SECMEM_READ or SECMEM_WRITE, and SECMEM_NOWAIT for timeout 0. data
 * is good until this access is released. Any thread may use the access, and any
 * may release it. So secmem_acquire has no -EDEADLK for accesses taken by hand:
 * a thread that holds one, and asks for another that has to wait for it, waits
 * for itself until its timeout.
 */
struct secmem_access {
	void *data;
	size_t length;
	secmem_secret_t secret;
	uint64_t serial; /* of this access, never used again */
	uint32_t flags; /* SECMEM_READ or SECMEM_WRITE */
	uint32_t reserved32; /* 0 */
	uint64_t reserved[2]; /* 0 */
};

/* Fills *access: when it fails, with zeroes, which secmem_release accepts. */
int secmem_acquire(secmem_secret_t secret, uint32_t flags, int64_t timeout,
		   struct secmem_access *access) SECMEM_MUST_CHECK;

/*
 * Turns a READ access into the WRITE access, or that into a READ access, which
 * is held all the while: nobody else writes in between, data stays good, and no
 * touch of it is refused. flags is what it is to be, and SECMEM_NOWAIT for
 * timeout 0. To SECMEM_WRITE it waits for all other accesses, also this
 * process's own; it is -EDEADLK where another call waits for the same, or where
 * this thread is inside a callback on the same secret (-EAGAIN with timeout 0);
 * -EPERM where the secret is sealed; -EKEYREVOKED where it is closing. To
 * SECMEM_READ it waits for nobody, and says -EBADMSG as secmem_release does, or
 * -EIO (memory under it is bad): then it has happened. Else an error changes
 * nothing, and access->flags says which it is. -EINVAL: it is that already, or
 * was released. A copy of the struct stands for the same access; while a thread
 * switches it, no other one may release or switch it.
 */
int secmem_switch(struct secmem_access *access, uint32_t flags,
		  int64_t timeout) SECMEM_MUST_CHECK;

/*
 * Ends the access and zeroes *access; with a zeroed one it does nothing and
 * returns 0. Whatever it returns, the access has ended: -EBADMSG (something
 * wrote beside the data), -EKEYREVOKED (the secret was revoked). A copy of the
 * struct stands for the same access: once one copy has been released, the
 * others are -EINVAL, and end no other access. Two threads must not release one
 * struct at the same time.
 */
int secmem_release(struct secmem_access *access);

/*
 * Access in one call
 * ------------------
 * No view is needed, so these calls work through a grant without MAP. None sees
 * half of a concurrent write. offset + length lie within the secret (else
 * -EINVAL).
 */

/*
 * Copies out, to ordinary memory as a rule. The caller takes care of the copy:
 * explicit_bzero(3) wipes the page in which the buffer stands at that time, but
 * none from which the kernel has moved it.
 */
int secmem_read(secmem_secret_t secret, void *buffer, size_t length,
		size_t offset, int64_t timeout) SECMEM_MUST_CHECK;

/*
 * Copies in. The caller's buffer is not wiped. -EBADMSG: written, but something
 * had written beside the data.
 */
int secmem_write(secmem_secret_t secret, const void *buffer, size_t length,
		 size_t offset, int64_t timeout) SECMEM_MUST_CHECK;

/*
 * Compares the whole secret with length bytes in a time that depends on the
 * lengths alone. *equal is 1 or 0, and 0 when the call fails. Needs COMPARE,
 * not READ.
 */
int secmem_compare(secmem_secret_t secret, const void *buffer, size_t length,
		   int *equal, int64_t timeout) SECMEM_MUST_CHECK;

/*
 * Lifecycle
 * ---------
 */

/* Read-only from now on, for every holder. -EBUSY while somebody writes. */
int secmem_seal(secmem_secret_t secret);

/*
 * No new access from now; waits until those that are held are released; wipes
 * and frees. Closing a closed secret is 0, and so is SECMEM_SECRET_NONE. After
 * -EAGAIN, -EINTR and -ETIMEDOUT the secret is closing: the last release
 * finishes the work. -EBADMSG: closed, but something wrote beside the data.
 */
int secmem_close(secmem_secret_t secret, int64_t timeout);

/*
 * Closes without waiting, in every process: the bytes are gone when the call
 * returns; a process that touches them after that dies by SIGBUS. Revoking a
 * closed secret is 0.
 */
int secmem_revoke(secmem_secret_t secret);

/*
 * Lets go of the secret, and others go on with it: who had it exported to them,
 * and other grants of its vault. By this grant nobody gets it any more
 * (-EKEYREVOKED, also for threads that wait), and closing it is 0 and does
 * nothing. When nobody is left who keeps it, it ends. -EBUSY while this process
 * holds an access through the grant; -EACCES where the grant is of this secret
 * alone and lacks the right to close; -EMFILE where 1,024 other grants of the
 * vault have dropped it; -ENOMEM.
 */
int secmem_drop(secmem_secret_t secret);

/* 1: closed or closing; 0: open; or -errno. */
int secmem_is_closed(secmem_secret_t secret);

/*
 * The secret whose first byte data points to, in any view of this process,
 * while it is open or closing: by secmem_access.data, whether an access is held
 * or not, as that is the same for the life of a secret. So free(data) can be
 * written. -ENOENT, and SECMEM_SECRET_NONE: there begins none. A pointer kept
 * longer than its secret lives is the caller's fault: some time another secret
 * may begin there. It takes a time that grows with the number of grants, and
 * with the logarithm of the number of secrets in one.
 */
int secmem_secret_from(const void *data,
		       secmem_secret_t *secret) SECMEM_MUST_CHECK;

/* Its length, as long as it is open or closing; else 0, and -EKEYREVOKED. */
int secmem_length(secmem_secret_t secret, size_t *length) SECMEM_MUST_CHECK;

/*
 * How the secret stands. size is sizeof(*status). Of a closed secret only the
 * state is told. Never waits.
 */
int secmem_stat(secmem_secret_t secret, struct secmem_status *status,
		size_t size);

/*
 * Grants
 * ------
 */

/* Opens a vault beside the default one. The caller closes it. */
int secmem_grant_open(secmem_grant_t *grant) SECMEM_MUST_CHECK;

/*
 * Takes over fd, a grant that no process uses yet or that this process uses:
 * one exported to this process, or a /dev/secmem that a service manager
 * opened. On success the fd is the library's, which closes it and goes on with
 * a copy under a higher number (where none is free, it keeps this one): the
 * caller must not close or use that number any more. On failure fd is still the
 * caller's, unchanged. A negative fd is returned as the result, so that calls
 * nest:
 *
 *	secmem_adopt(secmem_fd_from_env(NULL), &secret);
 *
 * Errors: -ENOTTY (no file of secmem's), -EBADF, -EBUSY (adopted already, by
 * this or another descriptor of the same file), -EMFILE (4093 grants are held),
 * -EACCES (another process uses it).
 */
int secmem_grant_adopt(int fd, secmem_grant_t *grant) SECMEM_MUST_CHECK;

/* The same for a grant of one secret. -EINVAL if fd is a whole vault's. */
int secmem_adopt(int fd, secmem_secret_t *secret) SECMEM_MUST_CHECK;

/*
 * Gives a grant back: its view goes, its accesses end, and if it was the last
 * one of a vault of this process, the vault's secrets are closed. All this
 * happens once the calls of other threads that use the grant, callbacks
 * included, have come to their end; this call does not wait for them. The
 * default grant is -EINVAL.
 */
int secmem_grant_close(secmem_grant_t grant);

/* The grant that a secret is reached through. */
secmem_grant_t secmem_secret_grant(secmem_secret_t secret);

/*
 * What this kernel and this grant offer: protections in force and why one is
 * not, rights, limits, counts. size is sizeof(*info). Never waits.
 */
int secmem_grant_info(secmem_grant_t grant, struct secmem_info *info,
		      size_t size);

/*
 * A new file descriptor, close-on-exec, the caller's: a grant of the secret,
 * or of all of the vault, with rights (SECMEM_RIGHT_*) that are a subset of
 * this grant's; CREATE goes with a whole vault only. The new grant answers the
 * first process that uses it, and keeps its secret alive until it drops it
 * (secmem_drop() of what was adopted) or is closed. When that process is
 * gone, the grant answers the next one: a grant of one secret still reaches
 * that secret, but one of a whole vault none that was made before
 * (-EKEYREVOKED). Needs EXPORT.
 */
int secmem_export(secmem_secret_t secret, uint32_t rights) SECMEM_MUST_CHECK;
int secmem_grant_export(secmem_grant_t grant,
			uint32_t rights) SECMEM_MUST_CHECK;

/*
 * Where an exported fd may come from. Each returns a file descriptor, set
 * close-on-exec, or -errno. The first two take no descriptor that is not a file
 * of secmem's (-ENOTTY, -EBADF), and leave it as it was. They do not trust the
 * environment of a program that was started with more privileges than its
 * caller has (AT_SECURE): -ENOENT there. They must not be called while another
 * thread changes the environment.
 *
 * fd_from_env: an environment variable tells its number, in decimal; NULL
 * stands for "SECMEM_FD", which `secmemctl run` sets. -ENOENT if it is not set.
 *
 * fd_from_listen: passed by systemd (LISTEN_PID, LISTEN_FDS) under that name
 * (LISTEN_FDNAMES, FileDescriptorName=, OpenFile=); NULL stands for the only
 * descriptor. -ENOENT if there is none, -EINVAL if there are several and NULL.
 *
 * fd_receive: the next descriptor that comes by an AF_UNIX socket, as fd_send
 * sends it: one byte and one SCM_RIGHTS. -EMFILE if this process may have no
 * more descriptors: the message waits for the next try, unless another thread
 * took the last number at that very moment, which loses the descriptor. -ENOMSG
 * if the message carries none or several, -ENODATA at the connection's end. It
 * takes files that are not secmem's, too. fd_receive and fd_send are
 * cancellation points, and go on after a signal as waits do.
 */
int secmem_fd_from_env(const char *name) SECMEM_MUST_CHECK;
int secmem_fd_from_listen(const char *name) SECMEM_MUST_CHECK;
int secmem_fd_receive(int socket) SECMEM_MUST_CHECK;
int secmem_fd_send(int socket, int fd) SECMEM_MUST_CHECK;

/*
 * Signals
 * -------
 * With on not 0, a wait of this thread that a signal handler interrupts returns
 * -EINTR, with or without SA_RESTART. That is for a program that ends its waits
 * by signals, and has to keep the time itself then. With on 0, as at a thread's
 * start, the wait goes on. Returns the setting before.
 */
int secmem_wait_set_interruptible(int on);

/*
 * The process
 * -----------
 * secmem_harden: sets what a process that holds keys should set, because of the
 * copies that it and its libraries make in ordinary memory: no core dump
 * (RLIMIT_CORE 0, also the hard limit, inherited by programs that it starts)
 * and not dumpable (PR_SET_DUMPABLE 0: no ptrace or /proc/PID/mem by its own
 * user; /proc/PID then belongs to root). The kernel makes a process dumpable
 * again at exec and when it changes its user: so call this after dropping
 * privileges. With SECMEM_HARDEN_NO_NEW_PRIVS, no program that it starts gains
 * privileges (PR_SET_NO_NEW_PRIVS: sudo, su and setuid helpers stop working).
 * All of it is tried; the first error is returned.
 */
#define SECMEM_HARDEN_NO_NEW_PRIVS (1U << 0)

int secmem_harden(unsigned int flags);

/*
 * Texts
 * -----
 * Static strings; NULL for a number that has none.
 */
const char *secmem_version(void); /* of the library */
const char *secmem_protection_name(unsigned int bit); /* "unmapped" */
const char *secmem_protection_text(unsigned int bit); /* one line of prose */
const char *secmem_why_text(unsigned int why); /* of SECMEM_WHY_* */
const char *secmem_right_name(unsigned int bit); /* "read" */

/*
 * One English sentence, without a stop, that says what an error of this
 * library means and what to do about it: 0, errno or -errno. Never NULL.
 */
const char *secmem_strerror(int error);

/*
 * Cleanup
 * -------
 *	SECMEM_AUTO_RELEASE struct secmem_access access = { 0 };
 *	SECMEM_AUTO_CLOSE secmem_secret_t secret = SECMEM_SECRET_NONE;
 *
 * At the end of the variable's scope the access is released; the secret is
 * closed without waiting (where somebody holds it, the last release finishes
 * the work). errno is kept. On an exception or cancellation that happens, too,
 * if the caller is compiled with -fexceptions.
 */
void secmem_access_cleanup(struct secmem_access *access);
void secmem_secret_cleanup(secmem_secret_t *secret);

#define SECMEM_AUTO_RELEASE __attribute__((__cleanup__(secmem_access_cleanup)))
#define SECMEM_AUTO_CLOSE __attribute__((__cleanup__(secmem_secret_cleanup)))

#ifdef __cplusplus
}
#endif

#endif /* _LIBSECMEM_H */
