/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page-table entries, into a view and out of it.
 */
#ifndef _SECMEM_ENTRIES_H
#define _SECMEM_ENTRIES_H

#include "grant.h"

struct vm_area_struct;

int secmem_entries_prepare(struct secmem_grant *grant,
			   struct vm_area_struct *vma,
			   struct secmem_place *place,
			   struct secmem_holder *holder);
int secmem_entries_insert(struct secmem_grant *grant,
			  struct vm_area_struct *vma,
			  struct secmem_place *place, unsigned int first,
			  unsigned int count, bool write);
void secmem_entries_zap(struct secmem_grant *grant, struct secmem_place *place);
int secmem_entries_widen(struct secmem_grant *grant, struct vm_area_struct *vma,
			 struct secmem_place *place);

#endif /* _SECMEM_ENTRIES_H */
