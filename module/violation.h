/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of violations.
 */
#ifndef _SECMEM_VIOLATION_H
#define _SECMEM_VIOLATION_H

#include <linux/types.h>

struct vm_fault;

void secmem_violation_setup(void);
void secmem_violation_teardown(void);
void secmem_violation_note(unsigned long vault, const struct vm_fault *vmf,
			   bool closed);

#endif /* _SECMEM_VIOLATION_H */
