/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * READ, WRITE, COMPARE and pread.
 */
#ifndef _SECMEM_COPY_H
#define _SECMEM_COPY_H

#include "grant.h"

int secmem_copy_read(struct secmem_grant *grant, struct secmem_copy *args);
int secmem_copy_write(struct secmem_grant *grant, struct secmem_copy *args);
int secmem_copy_compare(struct secmem_grant *grant, struct secmem_copy *args);
ssize_t secmem_copy_read_iter(struct kiocb *iocb, struct iov_iter *to);

#endif /* _SECMEM_COPY_H */
