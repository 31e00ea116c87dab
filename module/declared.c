// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that is found by name is called as the module believes it to be
 * declared. Where headers hide the declaration from modules, as x86 does with
 * this one, a file that is none for them sees it, and holds no code: where the
 * kernel declares something else, the module does not build.
 */
#undef MODULE
#include <linux/build_bug.h>
#include <asm/tlbflush.h>

#ifndef CONFIG_ARM64
/* secmem_symbol_range */
static_assert(__same_type(flush_tlb_kernel_range,
			  void(unsigned long start, unsigned long end)));
#endif
