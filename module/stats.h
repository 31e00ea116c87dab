/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be seen from outside.
 */
#ifndef _SECMEM_STATS_H
#define _SECMEM_STATS_H

struct attribute_group;

const struct attribute_group **secmem_stats_groups(void);

#endif /* _SECMEM_STATS_H */
