/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of secmemctl demo share. */
#ifndef SECMEMCTL_DEMO_H
#define SECMEMCTL_DEMO_H

#include <pwd.h>
#include <sys/types.h>
#include "secmemctl.h"

#define KEY_MIN 32
#define KEY_MAX 1024

enum column { MALLOC, MPROTECT, SHUT, OPEN, COLUMNS };

/* What an attack got. */
enum loot {
	NOT_TRIED,
	THE_KEY,
	NOTHING,
	A_BYTE,
	STOPPED,
	NO_FD,
	BY_SIGSEGV,
	BY_EFAULT,
	BY_EIO,
	BY_EACCES,
	SOMETHING,
};

/*
 * A service that holds a key. The struct lies in memory that it shares with us.
 */
struct service {
	pid_t pid;
	enum column column;
	unsigned char *key;
	size_t length;
	unsigned char *beside; /* ordinary memory in front of the key */
	int device;
	uint64_t handle;
	long result; /* of the last order: what a call returned, or -errno */
	int status; /* of a forked child */
	/* If inverted, the key is not the file's but the inverse of these. */
	int inverted;
	unsigned char inverse[KEY_MIN];
};

struct demo {
	const char *user;
	struct passwd *passwd;
	int color;
	int key; /* the key's file */
	size_t length;
	int loot; /* a memfd: what services were made to write */
	char directory[32];
	size_t page;
	uint64_t protections;
};

extern struct demo demo;
extern struct service *service;

/*
 * service.c: service_start starts a service: 0 or -errno. service_tell gives it
 * an order, which is a letter: 0, or -ECHILD if it died of that. service_stop
 * ends it, and returns its status as wait(2) does. service_read copies the key,
 * by READ of a file that has a grant of it: 0 or -errno.
 */
int service_start(enum column column, int inverted);
int service_tell(char order);
int service_stop(void);
int service_read(int fd, void *to);

/* attacks.c: each attack is run against a service of its own. */
struct attack {
	const char *text;
	enum loot (*run)(void);
	int inverted;
	enum loot promised[COLUMNS];
};

#define ATTACKS 10

extern struct attack attacks[ATTACKS];

/* To be called where secmem's pages are off the kernel's direct map. */
void promise_no_ram(void);

#endif /* SECMEMCTL_DEMO_H */
