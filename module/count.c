// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts of the whole module, and the code of the tracepoints of trace.h.
 */
#include <linux/percpu.h>

#include "count.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

DEFINE_PER_CPU(struct secmem_counts, secmem_counts);

/**
 * secmem_counts_sum - add the counts of all CPUs up
 * @sum: the result; exact when nothing else runs
 *
 * Context: Any.
 */
void secmem_counts_sum(struct secmem_counts *sum)
{
	const struct secmem_counts *part;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		part = per_cpu_ptr(&secmem_counts, cpu);
		sum->vaults += READ_ONCE(part->vaults);
		sum->grants += READ_ONCE(part->grants);
		sum->secrets += READ_ONCE(part->secrets);
		sum->pages += READ_ONCE(part->pages);
		sum->accesses += READ_ONCE(part->accesses);
		sum->waiters += READ_ONCE(part->waiters);
		sum->waits += READ_ONCE(part->waits);
		sum->violations += READ_ONCE(part->violations);
		sum->wipes += READ_ONCE(part->wipes);
		sum->poisoned += READ_ONCE(part->poisoned);
	}
}
