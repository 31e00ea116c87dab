/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests ask of reader.c. */
#ifndef _SECMEM_TESTS_READER_H
#define _SECMEM_TESTS_READER_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct secmem_reader {
	__aligned_u64 address;		/* in: the caller's; of it, the place in the page */
	__aligned_u64 pfn;		/* FIND: out; READ, LOOK, MAP, COUNT: in */
	__u8 bytes[64];			/* READ, LOOK: out */
	__aligned_u64 count;		/* what the call says */
	__aligned_u64 seen;		/* WALK: out */
};

#define SECMEM_READER_DEVICE	"/dev/secmem-reader"

/* ENOENT: no page-table entry is there. */
#define SECMEM_READER_FIND	_IO(0xb9, 0)
/* EFAULT: the direct map does not have it. */
#define SECMEM_READER_READ	_IO(0xb9, 1)

/* What the page holds, whether the direct map has it or not. */
#define SECMEM_READER_LOOK	_IO(0xb9, 2)

/*
 * Remember the pages behind the caller's address and those that follow: count of
 * them, as far as entries stand; out: how many that was. ERANGE: too large a
 * number. With count 0, forget all.
 */
#define SECMEM_READER_MARK	_IO(0xb9, 3)
/*
 * The kernel's whole page table: count entries show a page that is remembered, the
 * first of them at address, the page pfn; it shows seen pages in all, one as often
 * as it is there.
 */
#define SECMEM_READER_WALK	_IO(0xb9, 4)
/* Map a page beside; out: where. With pfn 0, end that. */
#define SECMEM_READER_MAP	_IO(0xb9, 5)
/* Map a page, use it, unmap it, free it; out: where it was. Nothing is flushed. */
#define SECMEM_READER_STALE	_IO(0xb9, 6)
/* Of count pages from the page pfn on, how many are remembered. */
#define SECMEM_READER_COUNT	_IO(0xb9, 8)
/* All devices sleep, though no notifier was told, and wake. */
#define SECMEM_READER_SLEEP	_IO(0xb9, 7)

#endif /* _SECMEM_TESTS_READER_H */
