/* SPDX-License-Identifier: GPL-2.0-only */
/* Vaults, as /proc shows them to this user. */
#ifndef SECMEMCTL_VAULTS_H
#define SECMEMCTL_VAULTS_H

#include <sys/types.h>
#include "secmemctl.h"

/* Whom a vault's pages are charged to. */
struct payer {
	unsigned int uid;
	uint64_t locked; /* bytes that the user has locked, here and elsewhere */
};

/* A process that has a file of the vault. */
struct holder {
	pid_t pid;
	unsigned int fd; /* one of them */
};

/* A thread that waits in a call of secmem's. */
struct waiter {
	pid_t pid;
	pid_t tid;
	char name[16];
	const char *call; /* NULL: not known */
};

struct vault {
	uint64_t number;
	pid_t owner; /* 0: not in this PID namespace, or gone */
	char owner_name[16];
	uint64_t secrets;
	uint64_t bytes; /* pages that serve */
	uint64_t waiting; /* calls, those of processes not seen here, too */
	struct payer *payers;
	struct holder *holders;
	struct waiter *waiters;
	size_t payer_count, holder_count, waiter_count;
};

struct vaults {
	struct vault *vaults; /* by number */
	size_t count;
};

#define LIMIT_NONE UINT64_MAX

/* What bounds the bytes that a process' user may lock. */
struct limit {
	const char *by;
	uint64_t bytes; /* or LIMIT_NONE */
};

/*
 * limit.c: returns whether the limit could be found out. It does not bind a
 * process that has CAP_IPC_LOCK.
 */
int limit_of(const struct secmem_info *info, pid_t pid, struct limit *limit);

/*
 * Finds the vaults that processes have files of: those processes that this user
 * may look at; or, with a pid, that one. Returns 0 or -errno; in either case
 * *found has to be given to vaults_free().
 */
int vaults_find(struct vaults *found, pid_t pid);
void vaults_free(struct vaults *found);

#endif /* SECMEMCTL_VAULTS_H */
