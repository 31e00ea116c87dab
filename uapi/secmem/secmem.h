/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * secmem: secrets in kernel pages that are mapped nowhere until somebody
 * holds an access. This header is the whole interface of /dev/secmem.
 *
 * Opening /dev/secmem makes a vault (a set of secrets that share one mapping)
 * and a grant of all of it with every right. SECMEM_IOC_EXPORT makes a further
 * grant, of one secret or of the vault, with rights that only shrink. A file
 * answers the first address space that uses it, until that address space is
 * gone; INFO, poll and fdinfo do not count as use. The use that ties it to
 * one may fail with ENOMEM, or with EINTR.
 *
 * Then the file answers the next one that uses it, whoever came by it and how:
 * by fork, exec, SCM_RIGHTS or pidfd_getfd(2). Of a whole vault, it begins anew:
 * what was made before is as good as closed there (EKEYREVOKED; CLOSE and REVOKE
 * do nothing and return 0; STAT says CLOSED), whoever else keeps it; the file does
 * not keep it; and what is exported from it is not of it either. A file of a
 * whole vault that nobody has used yet is of all that its exporter saw, so
 * whoever uses it first gets that. A file of one secret is of that one, however
 * often it changes hands. (After 2^32 - 2 new beginnings in a vault, its used files
 * answer nobody else any more.)
 *
 * Every call takes a pointer to a struct whose first field is its size in
 * bytes, as the caller's header has it. A struct smaller than the first
 * version is EINVAL. A larger one is E2BIG unless what this kernel does not
 * know is zero; one beyond SECMEM_STRUCT_MAX is E2BIG in any case. Unknown
 * flags and non-zero reserved fields are EINVAL. Unless a call says otherwise,
 * a call that fails has changed nothing. Results are written back into the
 * caller's struct. Layouts are the same for 32-bit and 64-bit callers.
 *
 * A handle names one secret of one vault, which may issue 2^20 - 1 of them for
 * each place that it has; treat it as opaque. It is never negative as a number of
 * 64 bits, and that of another vault is ENOENT.
 *
 * Lengths and offsets are bytes. A deadline is absolute CLOCK_MONOTONIC
 * nanoseconds, as the caller's time namespace has that clock, or SECMEM_FOREVER;
 * one in the past makes a call that would wait fail with ETIMEDOUT, after trying
 * once. A wait that a signal ends returns EINTR and is never restarted by the
 * kernel. A call that takes no deadline (RELEASE, SWITCH to READ, SEAL, DROP,
 * REVOKE, EXPORT) waits for no access of others; where a thread of another process
 * that has a grant of the secret is in the middle of a call, it may wait for that,
 * and returns EINTR only when it is being killed. One with SECMEM_NOWAIT, or with a
 * deadline in the past, waits for that, too, but for some 50 milliseconds at most.
 *
 * All calls may be made by any thread of the address space that the file
 * answers, at the same time. An access belongs to the grant, not to the thread
 * that took it: any thread of the process may touch the bytes while it is
 * held, and any may release it.
 *
 * Errors, and what they mean everywhere:
 *
 *   EACCES       the file answers another address space, or its grant lacks
 *                the right that the call needs
 *   EAGAIN       the call would wait, and SECMEM_NOWAIT is set
 *   EBADMSG      the canary beside the data was damaged; a RELEASE, or a SWITCH
 *                to READ, that says so has happened, a WRITE that says so has
 *                written, a CLOSE that says so has closed
 *   EBUSY        SEAL: a WRITE access is held; DROP: this grant holds an access;
 *                mmap: the grant has a view, or accesses from its last one, or
 *                of a process that has just ended; CREATE: the machine is about
 *                to hibernate or, for SUSPEND_WIPE, to suspend: try after it
 *   EDEADLK      SWITCH: another call waits to switch the same secret
 *   E2BIG        the struct is larger than this kernel's and not zero there
 *   EFAULT       a pointer of the caller's leads nowhere, or into shut memory
 *   EINTR        a signal ended the wait, or the caller is being killed
 *   EINVAL       a field is outside its range, unknown or not zero; or RELEASE
 *                or SWITCH of what this grant does not hold
 *   EIO          memory under the secret is known to be bad (a hardware error,
 *                or hard_offline_page), and is not touched any more: READ,
 *                WRITE, COMPARE, ACQUIRE and SWITCH of what lies in it, RELEASE
 *                of a WRITE access, and SWITCH to READ (which have happened).
 *                The bytes there are lost; CLOSE is 0, wipes the rest, and nobody
 *                gets that memory again
 *   EKEYREVOKED  the secret is closed or closing, or this grant has dropped it, or
 *                it was made before this address space took over the vault's
 *                file; CREATE: the vault was ended by the administrator
 *   EMFILE       no more secrets fit into this vault, files into this
 *                process's limit, nested accesses into their counter, or files
 *                of the vault among those that have dropped a secret
 *   ENFILE       no more files fit into this system's limit
 *   ENOENT       the handle was never issued, or not by this vault, or not to
 *                this grant
 *   ENOMEM       no memory, or RLIMIT_MEMLOCK (or the administrator's cap)
 *                reached
 *   ENOTTY       no such call
 *   ENXIO        the grant has no view, or the secret lies beyond its end
 *   EOPNOTSUPP   a protection that CREATE, or the administrator, requires is
 *                not in force
 *   EOWNERDEAD   the last writer's process or file ended before it released;
 *                until a WRITE completes, the bytes may be half of each
 *   EPERM        the secret is sealed
 *   ESHUTDOWN    the machine reboots or is switched off: no more secrets
 *   ETIMEDOUT    the deadline passed
 *
 * A touch of the view without an access, or a write under READ: SIGSEGV (but for
 * SECMEM_CREATE_LINGER). A touch of a closed secret: SIGBUS, until its place
 * serves another secret. A touch of memory that is known to be bad: SIGBUS.
 */
#ifndef _SECMEM_SECMEM_H
#define _SECMEM_SECMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SECMEM_DEVICE		"/dev/secmem"
#define SECMEM_ABI_VERSION	1

#define SECMEM_LENGTH_MAX	(1U << 20)	/* bytes in one secret */
#define SECMEM_ALIGN_MAX	4096U
#define SECMEM_LABEL_SIZE	32
#define SECMEM_STRUCT_MAX	4096U		/* bytes in an argument */

/* The handle that names no secret. */
#define SECMEM_HANDLE_NONE	0

/* A deadline that never comes. */
#define SECMEM_FOREVER		(-1)

/*
 * Flags of the calls that take an access: NOWAIT with any of them but SWITCH
 * to READ; exactly one of READ and WRITE with ACQUIRE and SWITCH, and neither with the
 * others.
 */
#define SECMEM_NOWAIT		(1U << 0)
#define SECMEM_READ		(1U << 1)
#define SECMEM_WRITE		(1U << 2)

/* Flags of CREATE. */
#define SECMEM_CREATE_RANDOM	(1U << 0)	/* filled by the kernel's RNG */
#define SECMEM_CREATE_SUSPEND_WIPE (1U << 1)	/* revoked at suspend, below */
#define SECMEM_CREATE_LINGER	(1U << 2)	/* cheaper pairs; see below */
#define SECMEM_CREATE_ALL	0x7U

/* Rights of a grant. */
#define SECMEM_RIGHT_READ	(1U << 0)	/* any ACQUIRE, READ, pread */
#define SECMEM_RIGHT_WRITE	(1U << 1)	/* ACQUIRE for WRITE, WRITE */
#define SECMEM_RIGHT_MAP	(1U << 2)	/* mmap, and so ACQUIRE */
#define SECMEM_RIGHT_COMPARE	(1U << 3)
#define SECMEM_RIGHT_CREATE	(1U << 4)	/* of a whole vault only */
#define SECMEM_RIGHT_SEAL	(1U << 5)
#define SECMEM_RIGHT_CLOSE	(1U << 6)
#define SECMEM_RIGHT_REVOKE	(1U << 7)
#define SECMEM_RIGHT_EXPORT	(1U << 8)
#define SECMEM_RIGHT_ALL	0x1ffU

/*
 * Protections: bit numbers. INFO says which are in force on this kernel and
 * why one is not; CREATE takes a mask (1 << bit) of those that must hold.
 */
#define SECMEM_PROT_UNMAPPED	0	/* no mapping without an access */
#define SECMEM_PROT_READ_ONLY	1	/* read-only while read */
#define SECMEM_PROT_WRITE_ALONE	2	/* a writer is alone */
#define SECMEM_PROT_ONE_MM	3	/* a file answers one address space */
#define SECMEM_PROT_GUARD	4	/* a guard page on each side */
#define SECMEM_PROT_OVERRUN	5	/* the byte after the data faults */
#define SECMEM_PROT_CANARY	6	/* random bytes beside the data, checked */
#define SECMEM_PROT_NO_SWAP	7	/* never swapped */
#define SECMEM_PROT_NO_DUMP	8	/* not in core dumps */
#define SECMEM_PROT_NO_INHERIT	9	/* not inherited by fork or exec */
#define SECMEM_PROT_NO_PEEK	10	/* ptrace, /proc/PID/mem, GUP get none */
#define SECMEM_PROT_DIRECT_MAP	11	/* off the kernel's direct map */
#define SECMEM_PROT_WIPE_FREE	12	/* wiped before its pages are freed */
#define SECMEM_PROT_WIPE_EXIT	13	/* wiped when the owner's mm ends */
#define SECMEM_PROT_WIPE_REBOOT	14	/* wiped at reboot, power-off and kexec */
#define SECMEM_PROT_WIPE_PANIC	15	/* wiped at panic */
#define SECMEM_PROT_NO_HIBERNATE 16	/* no hibernation while secrets live */
#define SECMEM_PROT_MEMLOCK	17	/* charged to RLIMIT_MEMLOCK or the cap */
#define SECMEM_PROT_MEMCG	18	/* charged to the creator's memory cgroup */
#define SECMEM_PROT_COUNT	19

/* Why a protection is not in force (INFO's why[], indexed by bit number). */
#define SECMEM_WHY_IN_FORCE	0
#define SECMEM_WHY_NOT_BUILT	1	/* this version of secmem lacks it */
#define SECMEM_WHY_KERNEL	2	/* this kernel lacks what it needs */
#define SECMEM_WHY_ADMIN	3	/* switched off by the administrator */
#define SECMEM_WHY_STAYED	4	/* tried, and a look showed no effect */
#define SECMEM_WHY_NO_MEMORY	5	/* no memory for it when the module was loaded */
#define SECMEM_WHY_CRASH_KERNEL	6	/* one is loaded, and runs before panic notifiers */
#define SECMEM_WHY_UNCHARGED	7	/* memory cgroups count no pages of the kernel */

/*
 * SECMEM_IOC_INFO: what this kernel and this file offer.
 * Needs no right, binds the file to nobody, never waits.
 *
 * grant_id is a random number that EXPORT, or the open, gave to this grant, and
 * no other grant is likely ever to have. By it a program knows that a descriptor's
 * number still leads to the file that it was opened for; fstat() cannot tell, as
 * many grants share an inode.
 */
struct secmem_info {
	__u32 size;
	__u32 flags;			/* in: 0 */
	__u32 abi_version;		/* out: SECMEM_ABI_VERSION of the module */
	__u32 rights;			/* out: this grant's */
	__aligned_u64 protections;	/* out: mask of those in force */
	__aligned_u64 handle;		/* out: of a grant of one secret, or 0 */
	__aligned_u64 grant_id;		/* out: of this grant, never 0 */
	__u32 length_max;		/* out: bytes in one secret */
	__u32 secrets_max;		/* out: secrets in one vault */
	__aligned_u64 memlock_cap;	/* out: bytes a user; 0: RLIMIT_MEMLOCK rules */
	/* Counts over all vaults of the module. */
	__aligned_u64 vaults;
	__aligned_u64 grants;
	__aligned_u64 secrets;		/* open or closing */
	__aligned_u64 pages;
	__aligned_u64 accesses;		/* holders: a grant that holds one secret */
	__aligned_u64 waiters;
	__aligned_u64 violations;	/* touches refused, since load */
	__aligned_u64 wipes;		/* secrets wiped, since load */
	__u8 why[32];			/* out: SECMEM_WHY_*, by bit number */
	char version[32];		/* out: of the module, NUL-terminated */
};

/*
 * SECMEM_IOC_CREATE: a secret of length bytes, zero or random.
 * Needs CREATE on a grant of a whole vault. Its memory is reserved and charged
 * to the caller here (of one in the root cgroup the kernel counts nothing). align
 * is a power of two up to SECMEM_ALIGN_MAX, or 0
 * for 1. The data ends where its last page ends, so that the byte behind it
 * faults, if length is a multiple of align; else the secret is created
 * without SECMEM_PROT_OVERRUN, which it says in protections. Where length is
 * a multiple of the page size, or almost, there is no room for a canary
 * (SECMEM_PROT_CANARY is not in protections), and guard pages stand directly
 * on both sides.
 * A secret with SECMEM_CREATE_SUSPEND_WIPE does not outlive a suspend: it is
 * revoked when one begins, or hibernation, also where that is called off later.
 * Any other lives through a suspend, and keeps the machine from hibernating as
 * long as it lives (SECMEM_PROT_NO_HIBERNATE).
 * A secret with SECMEM_CREATE_LINGER gives SECMEM_PROT_UNMAPPED up for cheaper
 * pairs: after the last release of a READ access its page-table entries stay for
 * some milliseconds (up to 8 on a kernel of 250 Hz; more, where the machine is
 * too busy to run a worker, or where others hold the secret's lock or the worker
 * up, for a few such spells), in which any thread of the process may read the bytes
 * without an access, and the next ACQUIRE for READ finds them in place. CLOSE,
 * REVOKE, WRITE, ACQUIRE for WRITE and SWITCH, a suspend, munmap followed by mmap, and
 * the end of the address space end that at once and wait for none of it. Until it
 * has ended, INFO counts it among the accesses, and STAT says protection READ
 * with 0 readers; a vault whose last file was closed meanwhile is counted as long.
 * Errors: EINVAL (length 0 or too large, align, flags, an unknown bit in
 * require), EOPNOTSUPP, ENOMEM, EMFILE, EACCES, EFAULT, EINTR (RANDOM, before
 * the RNG is ready), EIO (RANDOM, memory that went bad just then), EBUSY,
 * EKEYREVOKED, ESHUTDOWN.
 */
struct secmem_create_args {
	__u32 size;
	__u32 flags;			/* in: SECMEM_CREATE_* */
	__aligned_u64 length;		/* in: 1 to SECMEM_LENGTH_MAX */
	__u32 align;			/* in */
	__u32 reserved;			/* in: 0 */
	__aligned_u64 require;		/* in: mask of protections that must hold */
	char label[SECMEM_LABEL_SIZE];	/* in: public, shown by STAT */
	__aligned_u64 handle;		/* out */
	__aligned_u64 protections;	/* out: mask in force for this secret */
};

/*
 * SECMEM_IOC_ACQUIRE: begin an access through the view.
 * READ is shared among all holders, nests, and never waits behind a waiting
 * writer; WRITE is alone among all holders of the secret and waits for those
 * in its way, the caller's own process included. Needs MAP and READ, for WRITE
 * that right too, and a view. offset is promised for the life of the secret; to touch
 * what lies there takes an access each time. After EOWNERDEAD nothing is held.
 * Errors: EACCES, EAGAIN, EINTR, EINVAL, EIO, EKEYREVOKED, EMFILE, ENOENT, ENOMEM
 * (page tables), ENXIO, EOWNERDEAD (READ), EPERM (WRITE), ETIMEDOUT, EFAULT.
 */
struct secmem_acquire_args {
	__u32 size;
	__u32 flags;			/* in: READ or WRITE, and NOWAIT */
	__aligned_u64 handle;		/* in */
	__s64 deadline;			/* in */
	__aligned_u64 offset;		/* out: of the first byte in the view */
	__aligned_u64 length;		/* out: bytes */
};

/*
 * SECMEM_IOC_RELEASE, SWITCH, SEAL, DROP, CLOSE, REVOKE: one struct for the calls that
 * need a handle and little more. deadline and NOWAIT are for CLOSE and SWITCH, READ
 * and WRITE for SWITCH; elsewhere they are 0.
 *
 * RELEASE ends one access of this grant. With its last one its page-table
 * entries are gone before the call returns, unless the secret was created with
 * SECMEM_CREATE_LINGER. It never waits for other holders.
 * Errors: EINVAL (nothing held), EBADMSG, EIO, EKEYREVOKED (the access ended with
 * the secret), ENOENT, EACCES, EINTR.
 *
 * SEAL: no WRITE, ever again. Needs SEAL. Sealing twice is 0.
 * Errors: EBUSY, EKEYREVOKED, ENOENT, EOWNERDEAD, EACCES, EINTR.
 *
 * DROP: this grant lets go of the secret, and others go on with it. Needs no right;
 * of a grant of one secret, whose file is of no use to anybody after that, CLOSE.
 * Through this grant the handle is EKEYREVOKED from then on, also for calls of other
 * threads that wait; only a READ that is writing to its buffer already is finished.
 * STAT says closed, poll EPOLLHUP, a touch gets SIGBUS, and CLOSE and REVOKE are 0 and
 * do nothing. A file of the whole vault that is exported later has dropped as much.
 * When no grant is left that keeps the secret, it ends. A grant of the secret alone
 * keeps it until it drops it or its file is closed; a grant of the whole vault that
 * sees it, used yet or not, also until its address space ends. Closing the file does
 * not drop once more.
 * Errors: EBUSY (this grant holds an access, which does not linger any more), EMFILE
 * (1,024 files of the whole vault have dropped it), EKEYREVOKED, ENOENT, ENOMEM,
 * EACCES, EINTR.
 *
 * SWITCH: an access that this grant holds changes its mode, by flags, and is held all
 * the while: nobody else's WRITE comes in between, no touch of it is refused meanwhile
 * (one may take a fault, and wait for a moment), and its pointers stay good.
 *   SECMEM_WRITE: the READ access becomes the WRITE access. Needs WRITE. It waits until
 *     no other access is held, also none of this grant's own; READs may begin
 *     meanwhile, as while an ACQUIRE for WRITE waits. Where one such call waits, any
 *     other that would have to wait is EDEADLK: each would wait for the other's access.
 *     An error leaves the READ access held, where it still is (EINVAL: another thread
 *     gave it back; EKEYREVOKED: also REVOKE ends it).
 *   SECMEM_READ: the WRITE access becomes a READ access: others may READ. It never
 *     waits for an access; also while the secret is closing. With EBADMSG and EIO, as
 *     of RELEASE, it has happened. What was switched does not linger. deadline is 0,
 *     and NOWAIT not set.
 * Errors: EAGAIN, EBADMSG, EDEADLK, EINTR, EINVAL (no such access is held), EIO,
 * EKEYREVOKED, ENOENT, EPERM (sealed, also while it waited), ETIMEDOUT, EACCES.
 *
 * CLOSE: no new access from now; waits until the held ones are released, then
 * wipes and frees. Needs CLOSE. Closing a closed secret is 0; a second closer
 * waits for the same end. A closer that gives up (EAGAIN, EINTR, ETIMEDOUT)
 * leaves the secret closing: the last release finishes the work. (Where the lock
 * of the secret was held all the time, by a thread that is not scheduled, that
 * thread closes it before anybody else gets the lock. It counts as closing as soon
 * as its closer has given up.)
 * Errors: those, EBADMSG, ENOENT, EACCES.
 *
 * REVOKE: CLOSE without waiting: page-table entries gone in every process,
 * bytes wiped, held accesses ended, their touches SIGBUS. Needs REVOKE.
 * Revoking a closed secret is 0. Errors: ENOENT, EACCES, EINTR (it may yet be
 * revoked).
 */
struct secmem_op {
	__u32 size;
	__u32 flags;			/* in: NOWAIT (CLOSE, SWITCH), READ or WRITE (SWITCH) */
	__aligned_u64 handle;		/* in */
	__s64 deadline;			/* in (CLOSE, SWITCH to WRITE) */
};

/*
 * SECMEM_IOC_READ, WRITE, COMPARE: an access in one call; no view is needed.
 * The caller's buffer is read before, or written after, the secret is
 * touched, so that each call is whole: never half of a concurrent WRITE, and
 * a bad buffer changes nothing (READ of a buffer that is bad from some byte on,
 * or that has to be brought into memory first, may have written what lies before
 * that, whatever it returns). A READ that is still writing to a slow
 * buffer when its secret ends stops there: EKEYREVOKED, the rest is not the
 * secret's, but for the few bytes that the processor had in its registers. The
 * buffer may lie inside a secret that is open for it; inside a shut one it is
 * EFAULT. What is on its way lies in memory of the kernel that is wiped when the
 * call ends, but is in the direct map, and not wiped at a panic; so does the
 * caller's buffer.
 *
 * READ copies length bytes at offset out, WRITE copies them in. Both need
 * their right, and offset + length within the secret (else EINVAL). READ
 * waits while a WRITE access is held, WRITE while any is.
 *
 * COMPARE compares the whole secret with length bytes of buffer, in a time
 * that depends on the lengths alone, and says so in equal (1 or 0); another
 * length, up to SECMEM_LENGTH_MAX, is unequal. offset is 0. Needs COMPARE, not READ.
 *
 * Errors: EACCES, EAGAIN, EBADMSG (WRITE), EFAULT, EINTR, EINVAL, EIO, EKEYREVOKED,
 * ENOENT, ENOMEM, EOWNERDEAD (READ, COMPARE), EPERM (WRITE), ETIMEDOUT.
 */
struct secmem_copy {
	__u32 size;
	__u32 flags;			/* in: NOWAIT */
	__aligned_u64 handle;		/* in */
	__s64 deadline;			/* in */
	__aligned_u64 buffer;		/* in: address */
	__aligned_u64 offset;		/* in: in the secret */
	__aligned_u64 length;		/* in */
	__u32 equal;			/* out (COMPARE), in: 0 */
	__u32 reserved;			/* in: 0 */
};

/* States that STAT shows. */
#define SECMEM_STATE_CLOSED	0
#define SECMEM_STATE_OPEN	1
#define SECMEM_STATE_CLOSING	2

/* Flags that STAT shows. */
#define SECMEM_STAT_SEALED	(1U << 0)
#define SECMEM_STAT_OWNERDEAD	(1U << 1)	/* a writer died in the middle */
#define SECMEM_STAT_SUSPEND_WIPE (1U << 2)	/* revoked at suspend */
#define SECMEM_STAT_LINGER	(1U << 3)	/* mapped some time longer */

/*
 * SECMEM_IOC_STAT: how a secret stands. Needs no right. Never waits. A handle
 * that was issued once is never an error: of a closed secret only its state is
 * told, the other fields are 0.
 *
 * With SECMEM_BY_OFFSET the secret is named by where its first byte lies in this
 * grant's view, whether there is a view or not, and its handle is told: so a program
 * that has a pointer finds the secret, in a time that grows with the logarithm of their
 * number. Where no secret begins there that is open or closing, and that this grant
 * sees, that is ENOENT. When a secret has ended, another one may begin there some time.
 * Errors: EINVAL (flags), ENOENT, EACCES (another address space).
 */
#define SECMEM_BY_OFFSET	(1U << 0)

struct secmem_status {
	__u32 size;
	__u32 flags;			/* in: 0, or SECMEM_BY_OFFSET; out: 0 */
	__aligned_u64 handle;		/* in, or by offset: that, and the handle out */
	__u32 state;			/* out: SECMEM_STATE_* */
	__u32 protection;		/* out: 0 (none), SECMEM_READ, SECMEM_WRITE */
	__u32 stat_flags;		/* out: SECMEM_STAT_* */
	__u32 readers;			/* out: READ accesses, all grants, nested too */
	__u32 writers;			/* out: 0 or 1 */
	__u32 waiters;			/* out: calls waiting for this secret */
	__aligned_u64 length;		/* out: bytes */
	__aligned_u64 protections;	/* out: mask in force for it */
	char label[SECMEM_LABEL_SIZE];	/* out */
	__aligned_u64 offset;		/* out: of the first byte in this grant's view */
};

/*
 * SECMEM_IOC_EXPORT: a new file, close-on-exec: a grant of one secret, or with
 * handle SECMEM_HANDLE_NONE of the whole vault. rights is a non-empty subset
 * of this grant's (EACCES otherwise); CREATE goes with a whole vault only
 * (EINVAL). Needs EXPORT. The new file answers the first address space that
 * uses it. A grant of one secret keeps that secret alive, one of the whole vault
 * all that this grant sees, now and later, until its first user is gone; but either
 * no longer than until it drops the secret (SECMEM_IOC_DROP).
 * Errors: EACCES, EINVAL, EKEYREVOKED, EMFILE, ENFILE, ENOENT, ENOMEM, EFAULT,
 * EINTR.
 */
struct secmem_export_args {
	__u32 size;
	__u32 flags;			/* in: 0 */
	__aligned_u64 handle;		/* in */
	__u32 rights;			/* in: SECMEM_RIGHT_* */
	__s32 fd;			/* out */
};

/*
 * SECMEM_IOC_ACQUIRE_VALUE, RELEASE_VALUE: ACQUIRE for READ under SECMEM_NOWAIT,
 * and RELEASE of any access, for who calls them often. The argument is the handle
 * itself, so that nothing is copied from or to the caller's memory. ACQUIRE_VALUE
 * returns in which page of the view the data begins, counted from 0 in pages of
 * this machine. Where in its first page it begins, and how long it is, ACQUIRE and
 * STAT tell: none of that changes while the secret lives. RELEASE_VALUE
 * returns 0. Errors: theirs, but EFAULT and ETIMEDOUT; EINTR when the caller is
 * being killed; EOVERFLOW, the number is none of an int; ENOTTY, the caller is a
 * 32-bit program, whose argument cannot hold a handle.
 */

#define SECMEM_IOC_MAGIC	0xb8

#define SECMEM_IOC_INFO		_IO(SECMEM_IOC_MAGIC, 0x00)
#define SECMEM_IOC_CREATE	_IO(SECMEM_IOC_MAGIC, 0x01)
#define SECMEM_IOC_ACQUIRE	_IO(SECMEM_IOC_MAGIC, 0x02)
#define SECMEM_IOC_RELEASE	_IO(SECMEM_IOC_MAGIC, 0x03)
#define SECMEM_IOC_READ		_IO(SECMEM_IOC_MAGIC, 0x04)
#define SECMEM_IOC_WRITE	_IO(SECMEM_IOC_MAGIC, 0x05)
#define SECMEM_IOC_COMPARE	_IO(SECMEM_IOC_MAGIC, 0x06)
#define SECMEM_IOC_SEAL		_IO(SECMEM_IOC_MAGIC, 0x07)
#define SECMEM_IOC_CLOSE	_IO(SECMEM_IOC_MAGIC, 0x08)
#define SECMEM_IOC_REVOKE	_IO(SECMEM_IOC_MAGIC, 0x09)
#define SECMEM_IOC_STAT		_IO(SECMEM_IOC_MAGIC, 0x0a)
#define SECMEM_IOC_EXPORT	_IO(SECMEM_IOC_MAGIC, 0x0b)
#define SECMEM_IOC_ACQUIRE_VALUE _IO(SECMEM_IOC_MAGIC, 0x0c)
#define SECMEM_IOC_RELEASE_VALUE _IO(SECMEM_IOC_MAGIC, 0x0d)
#define SECMEM_IOC_DROP		_IO(SECMEM_IOC_MAGIC, 0x0e)
#define SECMEM_IOC_SWITCH	_IO(SECMEM_IOC_MAGIC, 0x0f)

/*
 * mmap: the one view of a grant. Needs MAP (and WRITE for PROT_WRITE; never
 * PROT_EXEC), MAP_SHARED, offset 0 and a length that the caller chooses. It
 * costs address space only. It is not split, moved, grown, copied by fork or
 * dumped. Errors: EACCES, EBUSY, EINVAL, ENOMEM; EAGAIN from the kernel after
 * mlockall(MCL_FUTURE) beyond RLIMIT_MEMLOCK.
 *
 * pread and poll serve a grant of one secret: pread is READ without a
 * deadline (EAGAIN under O_NONBLOCK); poll shows EPOLLIN while a READ would get
 * the bytes at once (nobody writes, and none died writing), EPOLLPRI when the
 * secret is closing, EPOLLHUP when it is closed; EPOLLERR for a grant of a
 * whole vault. At most 1,024 at a time watch one file: once there was another,
 * which nobody wakes, poll shows EPOLLERR, too, to all who watch that file, for
 * good. Another export has room of its own. Of a file that has dropped its secret
 * it shows EPOLLHUP alone.
 *
 * fdinfo shows state, label and counts, the number of the vault and its owner: the
 * process that used it last, or the one that opened it while none has. Of the vault
 * it shows how many secrets it has (vault-secrets) and calls wait for one of them
 * (vault-waiters), the bytes of the pages that serve them (vault-bytes), and of the
 * user who was charged there last its uid and the bytes that it has locked in all,
 * which its limit is compared with (vault-locked).
 *
 * An administrator ends a vault by that number, whoever holds it: written to
 * /sys/class/misc/secmem/revoke (CAP_SYS_ADMIN), it revokes all secrets of the
 * vault, and CREATE there is EKEYREVOKED from then on.
 */

#if defined(__cplusplus)
#define SECMEM_ASSERT_SIZE(type, bytes) \
	static_assert(sizeof(struct type) == (bytes), #type)
#else
#define SECMEM_ASSERT_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), #type)
#endif

SECMEM_ASSERT_SIZE(secmem_info, 184);
SECMEM_ASSERT_SIZE(secmem_create_args, 80);
SECMEM_ASSERT_SIZE(secmem_acquire_args, 40);
SECMEM_ASSERT_SIZE(secmem_op, 24);
SECMEM_ASSERT_SIZE(secmem_copy, 56);
SECMEM_ASSERT_SIZE(secmem_status, 96);
SECMEM_ASSERT_SIZE(secmem_export_args, 24);

#endif /* _SECMEM_SECMEM_H */
