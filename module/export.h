/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * EXPORT.
 */
#ifndef _SECMEM_EXPORT_H
#define _SECMEM_EXPORT_H

#include "grant.h"

int secmem_grant_export(struct secmem_grant *grant,
			struct secmem_export_args *args,
			const struct file_operations *ops, struct file **file);
void secmem_grant_export_end(const struct secmem_export_args *args,
			     struct file *file, bool ok);

#endif /* _SECMEM_EXPORT_H */
