// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows: the kernel's short-lived way to a page that the direct map lacks.
 *
 * Each CPU has one: an address in vmalloc space whose page-table entry is written
 * for the page, used with preemption off, and cleared and flushed. No other CPU
 * uses the address meanwhile, and preemption off keeps the caller on this one.
 * All are made at load: nothing is allocated later, so a wipe cannot fail, nor
 * wait, and a panic finds its way without a lock.
 *
 * What other CPUs may keep of a window: no instruction there names its address,
 * but the processor may walk to it by itself, speculatively, while the entry
 * stands, and keep what it found.
 *
 * On arm64 the flush at the end is one that the hardware carries to every CPU, so
 * none keeps anything; an entry that changes there must be flushed everywhere
 * before it is written anew.
 *
 * On x86 the flush at the end is this CPU's alone: another would have to be
 * interrupted for each READ of some bytes. So what another CPU found may stay in
 * its TLB past the end, and whoever made the kernel read this very address on
 * that very CPU would see the page: a window is open that much longer for the
 * bug that could have read it while it was. It ends with that CPU's next flush of
 * everything, and at the latest in secmem_window_flush(), before the page goes
 * back to the kernel.
 */
#include <linux/cache.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#ifdef CONFIG_ARM64
#include <asm/tlbflush.h>
#endif

#include "symbol.h"
#include "tables.h"
#include "window.h"

/*
 * Marked as I/O memory, so that a reader of /proc/kcore skips it. Otherwise it
 * would look the page up in the page table and read it by the direct map, where
 * it is not.
 */
#define SECMEM_WINDOW_FLAGS	(VM_MAP | VM_IOREMAP)

/*
 * Windows lie so many pages apart that no two of their entries share a cache
 * line.
 */
#define SECMEM_WINDOW_STRIDE	(SMP_CACHE_BYTES / sizeof(pte_t))

struct secmem_window {
	void *at;
	pte_t *pte;
};

/* All constant between setup and teardown. */
static DEFINE_PER_CPU(struct secmem_window, secmem_windows);

/* For the end of the machine, when the CPU's own window may be in use. */
static struct secmem_window secmem_window_last;

/* Where all of them lie: each CPU's, and the last. */
static void *secmem_window_area;
#define SECMEM_WINDOW_PAGES	((num_possible_cpus() + 1) * SECMEM_WINDOW_STRIDE)

/* The page that the area was mapped with, to find its entries. */
static struct page *secmem_window_page;

#ifdef CONFIG_X86_64
/*
 * On this CPU alone. Written here, as no function that flushes one kernel
 * address is exported.
 */
static void secmem_window_flush_one(const struct secmem_window *window)
{
	asm volatile("invlpg (%0)" : : "r" (window->at) : "memory");
}

/*
 * An entry that was not present is in no TLB, so there is nothing to wait for.
 */
static void secmem_window_sync(void)
{
}
#else
/* Everywhere. */
static void secmem_window_flush_one(const struct secmem_window *window)
{
	unsigned long at = (unsigned long)window->at;

	flush_tlb_kernel_range(at, at + PAGE_SIZE);
}

/*
 * Written here: set_pte() may put its own barriers off, and at a panic that
 * does not end.
 */
static void secmem_window_sync(void)
{
	dsb(ishst);
	isb();
}
#endif

static void secmem_window_show(const struct secmem_window *window,
			       struct page *page)
{
	set_pte(window->pte, mk_pte(page, PAGE_KERNEL));
	secmem_window_sync();
}

static void secmem_window_shut(const struct secmem_window *window)
{
	set_pte(window->pte, __pte(0));
	secmem_window_flush_one(window);
}

static int secmem_window_create(struct secmem_window *window, void *at)
{
	window->at = at;
	window->pte = secmem_tables_entry((unsigned long)at);
	if (!window->pte || !pte_present(*window->pte) ||
	    pte_pfn(*window->pte) != page_to_pfn(secmem_window_page))
		return -EOPNOTSUPP;
	return 0;
}

static int secmem_window_area_create(void)
{
	unsigned int count = SECMEM_WINDOW_PAGES, i;
	struct page **pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL);

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		pages[i] = secmem_window_page;
	secmem_window_area = vmap(pages, count, SECMEM_WINDOW_FLAGS,
				  PAGE_KERNEL);
	kvfree(pages);
	return secmem_window_area ? 0 : -ENOMEM;
}

/**
 * secmem_window_teardown - at module unload, or after secmem_window_setup()
 *
 * Context: Process context.
 */
void secmem_window_teardown(void)
{
	if (secmem_window_area)
		vunmap(secmem_window_area);
	secmem_window_area = NULL;
	if (secmem_window_page)
		__free_page(secmem_window_page);
	secmem_window_page = NULL;
}

static void *secmem_window_place(unsigned int *index)
{
	return secmem_window_area +
	       (*index)++ * SECMEM_WINDOW_STRIDE * PAGE_SIZE;
}

/**
 * secmem_window_setup - at module load
 *
 * Context: Process context.
 * Return: 0, -ENOMEM or -EOPNOTSUPP; then no window is there.
 */
int secmem_window_setup(void)
{
	unsigned int index = 0, cpu;
	int ret;

	secmem_window_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!secmem_window_page)
		return -ENOMEM;
	ret = secmem_window_area_create();
	if (ret)
		goto fail;
	for_each_possible_cpu(cpu) {
		ret = secmem_window_create(per_cpu_ptr(&secmem_windows, cpu),
					   secmem_window_place(&index));
		if (ret)
			goto fail;
	}
	ret = secmem_window_create(&secmem_window_last,
				   secmem_window_place(&index));
	if (ret)
		goto fail;
	for_each_possible_cpu(cpu)
		secmem_window_shut(per_cpu_ptr(&secmem_windows, cpu));
	secmem_window_shut(&secmem_window_last);
	secmem_window_flush();
	return 0;
fail:
	secmem_window_teardown();
	return ret;
}

/**
 * secmem_window_open - make a page visible here
 * @page: off the direct map
 *
 * Context: Any but an interrupt. Preemption is off until secmem_window_close().
 * Return: its address; never fails.
 */
void *secmem_window_open(struct page *page)
{
	const struct secmem_window *window;

	preempt_disable();
	window = this_cpu_ptr(&secmem_windows);
	secmem_window_show(window, page);
	return window->at;
}

/**
 * secmem_window_close - the end of secmem_window_open()
 *
 * Context: As secmem_window_open() left it.
 */
void secmem_window_close(void)
{
	secmem_window_shut(this_cpu_ptr(&secmem_windows));
	preempt_enable();
}

/**
 * secmem_window_force - make a page visible at the end of all, with no lock
 * @page: off the direct map; NULL, none any more
 *
 * Context: Any, in one place at a time.
 * Return: its address, until the next call.
 */
void *secmem_window_force(struct page *page)
{
	if (!secmem_window_area)
		return NULL;
	secmem_window_shut(&secmem_window_last);
	if (page)
		secmem_window_show(&secmem_window_last, page);
	return secmem_window_last.at;
}

/**
 * secmem_window_flush - no CPU keeps what it saw in a window that is shut
 *
 * Context: Process context, interrupts on.
 */
void secmem_window_flush(void)
{
	if (IS_ENABLED(CONFIG_X86_64) && secmem_window_area)
		secmem_symbol_flush(secmem_window_area, SECMEM_WINDOW_PAGES);
}
