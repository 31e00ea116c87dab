/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts of the whole module.
 */
#ifndef _SECMEM_COUNT_H
#define _SECMEM_COUNT_H

#include <linux/percpu.h>
#include <linux/types.h>

/* Counts of the whole module; a reader adds the CPUs' shares up. */
struct secmem_counts {
	s64 vaults;
	s64 grants;
	s64 secrets;
	s64 pages;
	s64 accesses;			/* holders that stand, as INFO says it */
	s64 waiters;
	s64 waits;			/* since load, as the rest */
	s64 violations;
	s64 wipes;
	s64 poisoned;			/* pages that will serve no more */
};

DECLARE_PER_CPU(struct secmem_counts, secmem_counts);

#define secmem_count_add(field, n)	this_cpu_add(secmem_counts.field, n)

void secmem_counts_sum(struct secmem_counts *sum);

#endif /* _SECMEM_COUNT_H */
