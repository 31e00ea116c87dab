/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The view of a grant.
 */
#ifndef _SECMEM_VIEW_H
#define _SECMEM_VIEW_H

#include "grant.h"

struct vm_area_struct *secmem_view_find(struct secmem_grant *grant);
bool secmem_view_holds(struct vm_area_struct *vma,
		       const struct secmem_grant *grant,
		       const struct secmem_place *place);
struct secmem_place *secmem_view_place(const struct secmem_grant *grant,
				       u64 pgoff);
int secmem_view_make(struct secmem_grant *grant, struct vm_area_struct *vma);

#endif /* _SECMEM_VIEW_H */
