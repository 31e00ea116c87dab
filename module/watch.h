/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who polls a grant of one secret.
 */
#ifndef _SECMEM_WATCH_H
#define _SECMEM_WATCH_H

#include <linux/poll.h>

#include "grant.h"

__poll_t secmem_watch_poll(struct file *file, struct poll_table_struct *table);
__poll_t secmem_watch_answer(const struct secmem_place *place);
void secmem_watch_tell(struct secmem_place *place);
void secmem_watch_work(struct work_struct *work);
void secmem_watch_drop(struct secmem_grant *grant);
void secmem_watch_end(struct secmem_grant *grant);

#endif /* _SECMEM_WATCH_H */
