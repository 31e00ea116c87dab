/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests ask of reader.c. */
#ifndef _SECMEM_TESTS_READER_H
#define _SECMEM_TESTS_READER_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct secmem_reader {
	__aligned_u64 address;		/* in: the caller's; of it, the place in the page */
	__aligned_u64 pfn;		/* FIND: out; READ, LOOK: in */
	__u8 bytes[64];			/* READ, LOOK: out */
};

#define SECMEM_READER_DEVICE	"/dev/secmem-reader"

/* ENOENT: no page-table entry is there. */
#define SECMEM_READER_FIND	_IO(0xb9, 0)
/* EFAULT: the direct map does not have it. */
#define SECMEM_READER_READ	_IO(0xb9, 1)

/* What the page holds, whether the direct map has it or not. */
#define SECMEM_READER_LOOK	_IO(0xb9, 2)

#endif /* _SECMEM_TESTS_READER_H */
