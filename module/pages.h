/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages for a vault.
 */
#ifndef _SECMEM_PAGES_H
#define _SECMEM_PAGES_H

#include <linux/atomic.h>
#include <linux/spinlock.h>

#include "supply.h"

struct seq_file;

/* Where a vault takes its pages. */
struct secmem_source {
	spinlock_t lock;		/* of supply */
	struct secmem_supply *supply;	/* the last that served, a reference; lock */
	atomic64_t pages;		/* that serve; to be shown */
};

int secmem_pages_setup(void);
void secmem_pages_teardown(void);
int secmem_pages_take(struct secmem_source *source, struct page **pages,
		      unsigned int count);
void secmem_pages_return(struct page **pages, unsigned int count);
void secmem_source_setup(struct secmem_source *source);
void secmem_source_end(struct secmem_source *source);
void secmem_source_show(struct secmem_source *source, struct seq_file *seq);

#endif /* _SECMEM_PAGES_H */
