/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's own workers.
 */
#ifndef _SECMEM_WORK_H
#define _SECMEM_WORK_H

#include <linux/workqueue.h>

int secmem_work_setup(void);
void secmem_work_teardown(void);
bool secmem_work_queue(struct work_struct *work);
void secmem_work_end(struct work_struct *work);
bool secmem_work_tell(struct work_struct *work);

#endif /* _SECMEM_WORK_H */
