/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of secmem.
 */
#ifndef _SECMEM_FILE_H
#define _SECMEM_FILE_H

#include <linux/fs.h>

struct seq_file;

int secmem_file_open(struct inode *inode, struct file *file);
int secmem_file_flush(struct file *file, fl_owner_t id);
int secmem_file_release(struct inode *inode, struct file *file);
int secmem_file_mmap(struct file *file, struct vm_area_struct *vma);
void secmem_file_show_fdinfo(struct seq_file *seq, struct file *file);

#endif /* _SECMEM_FILE_H */
