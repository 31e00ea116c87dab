// SPDX-License-Identifier: GPL-2.0-only
/*
 * With CONFIG_DEBUG_VM, inline functions of the kernel call dump_mm() before
 * they give up, and it is not exported.
 */
#include <linux/mm.h>

void dump_mm(const struct mm_struct *mm)
{
	pr_emerg("mm %p users %d\n", mm, atomic_read(&mm->mm_users));
}
