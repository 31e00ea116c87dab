/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ways to keep a secret, each as its users use it: secmem's, and what people
 * have today. A process uses one way only, so that none pays for another.
 */
#ifndef SECMEM_BENCH_WAYS_H
#define SECMEM_BENCH_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item {
	unsigned char *data; /* where it is touched, while it is open */
	size_t length;
	uint64_t handle; /* secmem's, or the number of a key */
	uint64_t grant;
	void *more;
};

/* Functions return 0 or -errno; those that a way does not offer are NULL. */
struct way {
	const char *name;
	bool counts; /* an open item may be opened again */
	bool lingers; /* its secrets have SECMEM_CREATE_LINGER */
	/* Called once in a process, for so many items. */
	int (*prepare)(size_t items);
	int (*create)(struct item *item, size_t length);
	int (*destroy)(struct item *item);
	/* These two go around touches. */
	int (*open)(struct item *item, bool write);
	int (*shut)(struct item *item);
	/* An open item is to be written, or to be read again. */
	int (*change)(struct item *item, bool write);
	/* Copies. For a way without them they are open, memcpy, shut. */
	int (*read)(struct item *item, void *buffer, size_t length);
	int (*write)(struct item *item, const void *buffer, size_t length);
	/* For a forked child: before the fork, and in the child. */
	int (*share)(struct item *item);
	int (*adopt)(struct item *item);
};

extern const struct way ways[];
extern const size_t way_count;

static inline size_t item_pages(const struct item *item)
{
	return (item->length + 4095) / 4096;
}

#endif /* SECMEM_BENCH_WAYS_H */
