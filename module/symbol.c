// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of the kernel's that modules may call and that are not exported. A
 * kprobe that is never enabled tells where one is; it is called through
 * static_call, which is a direct call where the architecture can, and so nothing
 * that checks indirect calls is in its way.
 */
#include <linux/kprobes.h>
#include <linux/static_call.h>
#include <asm/tlbflush.h>

#include "symbol.h"

/**
 * secmem_symbol_find - where a function of the kernel's is
 * @name: its name
 *
 * Context: Process context, may sleep.
 * Return: its address, for static_call alone; NULL where there is none.
 */
void *secmem_symbol_find(const char *name)
{
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	void *at;

	if (register_kprobe(&probe))
		return NULL;
	at = probe.addr;
	unregister_kprobe(&probe);
	return at;
}

#ifdef CONFIG_ARM64
bool secmem_symbol_find_flush(void)
{
	return true;
}

void secmem_symbol_flush(const void *first, unsigned int count)
{
	unsigned long start = (unsigned long)first;

	flush_tlb_kernel_range(start, start + count * PAGE_SIZE);
}
#else
/* Headers hide the declaration from modules: declared.c checks the type. */
static void secmem_symbol_no_range(unsigned long start, unsigned long end)
{
}

DEFINE_STATIC_CALL(secmem_symbol_range, secmem_symbol_no_range);

bool secmem_symbol_find_flush(void)
{
	void (*range)(unsigned long start, unsigned long end) =
		secmem_symbol_find("flush_tlb_kernel_range");

	if (range)
		static_call_update(secmem_symbol_range, range);
	return range;
}

/**
 * secmem_symbol_flush - no CPU knows what was mapped there any more
 * @first: the first page's address, in the kernel's half
 * @count: how many, one after another
 *
 * Context: Process context, interrupts on.
 */
void secmem_symbol_flush(const void *first, unsigned int count)
{
	unsigned long start = (unsigned long)first;

	static_call(secmem_symbol_range)(start, start + count * PAGE_SIZE);
}
#endif
