/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls, and with them all file operations.
 */
#ifndef _SECMEM_IOCTL_H
#define _SECMEM_IOCTL_H

#include <linux/fs.h>

#include <secmem/secmem.h>

struct secmem_place;

/* An ioctl on its way: the caller's struct and what must be ended with it. */
struct secmem_call {
	union {
		__u32 size;
		struct secmem_info info;
		struct secmem_create_args create;
		struct secmem_acquire_args acquire;
		struct secmem_op op;
		struct secmem_copy copy;
		struct secmem_status stat;
		struct secmem_export_args export;
	};
	struct secmem_place *place;	/* CREATE: the place */
	struct file *file;		/* EXPORT: not yet installed */
};

extern const struct file_operations secmem_file_ops;

#endif /* _SECMEM_IOCTL_H */
