/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls, and with them all file operations.
 */
#ifndef _SECMEM_IOCTL_H
#define _SECMEM_IOCTL_H

#include <linux/fs.h>

extern const struct file_operations secmem_file_ops;

#endif /* _SECMEM_IOCTL_H */
