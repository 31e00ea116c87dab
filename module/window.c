// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows: the kernel's short-lived way to a page that the direct map lacks.
 *
 * On x86 each CPU has one: an address in vmalloc space whose page-table entry
 * is written for the page, used with preemption off, and cleared and flushed on
 * that CPU. No other CPU uses the address meanwhile, and preemption off keeps
 * the caller on this one, so that no alias is left behind, not in a TLB either.
 * Nothing is allocated, so a wipe cannot fail.
 *
 * Elsewhere vmap() serves, with a flush of its own at the end; where it finds no
 * memory, the page returns to the direct map for that moment.
 */
#include <linux/percpu.h>
#include <linux/vmalloc.h>

#include "internal.h"

/*
 * As I/O memory, so that a reader of /proc/kcore sees a hole there: it would
 * take the page from the page table and go to it by the direct map, where it is
 * not.
 */
#define SECMEM_WINDOW_FLAGS	(VM_MAP | VM_IOREMAP)

#ifdef CONFIG_X86_64
struct secmem_window {
	void *at;
	pte_t *pte;
};

static DEFINE_PER_CPU(struct secmem_window, secmem_windows);

/* For one who cannot wait until the CPU's own is free: it may be in use. */
static struct secmem_window secmem_window_last;

/* What the windows are made for; none of them shows it after. */
static struct page *secmem_window_page;

static void secmem_window_set(const struct secmem_window *window, pte_t pte)
{
	set_pte(window->pte, pte);
	/* By hand: no function that flushes one address is exported. */
	asm volatile("invlpg (%0)" : : "r" (window->at) : "memory");
}

static int secmem_window_create(struct secmem_window *window)
{
	unsigned int level;

	window->at = vmap(&secmem_window_page, 1, SECMEM_WINDOW_FLAGS,
			  PAGE_KERNEL);
	if (!window->at)
		return -ENOMEM;
	window->pte = lookup_address((unsigned long)window->at, &level);
	if (!window->pte || level != PG_LEVEL_4K)
		return -EOPNOTSUPP;
	return 0;
}

static void secmem_window_destroy(struct secmem_window *window)
{
	if (window->at)
		vunmap(window->at);
	window->at = NULL;
}

/**
 * secmem_window_teardown - at module unload, or after secmem_window_setup()
 *
 * Context: Process context.
 */
void secmem_window_teardown(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		secmem_window_destroy(per_cpu_ptr(&secmem_windows, cpu));
	secmem_window_destroy(&secmem_window_last);
	if (secmem_window_page)
		__free_page(secmem_window_page);
	secmem_window_page = NULL;
}

static void secmem_window_clear(void *unused)
{
	secmem_window_set(this_cpu_ptr(&secmem_windows), __pte(0));
}

/**
 * secmem_window_setup - at module load
 *
 * Context: Process context.
 * Return: 0, -ENOMEM or -EOPNOTSUPP; then no window is there.
 */
int secmem_window_setup(void)
{
	int ret = 0, cpu;

	secmem_window_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!secmem_window_page)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		ret = secmem_window_create(per_cpu_ptr(&secmem_windows, cpu));
		if (ret)
			break;
	}
	if (!ret)
		ret = secmem_window_create(&secmem_window_last);
	if (ret) {
		secmem_window_teardown();
		return ret;
	}
	for_each_possible_cpu(cpu)
		set_pte(per_cpu_ptr(&secmem_windows, cpu)->pte, __pte(0));
	set_pte(secmem_window_last.pte, __pte(0));
	on_each_cpu(secmem_window_clear, NULL, 1);
	return 0;
}

/**
 * secmem_window_open - make a page visible here
 * @page: off the direct map
 *
 * Context: Process context. Preemption is off until secmem_window_close().
 * Return: its address.
 */
void *secmem_window_open(struct page *page)
{
	const struct secmem_window *window;

	preempt_disable();
	window = this_cpu_ptr(&secmem_windows);
	set_pte(window->pte, mk_pte(page, PAGE_KERNEL));
	return window->at;
}

/**
 * secmem_window_close - the end of secmem_window_open()
 * @page: as there
 * @at: from there
 *
 * Context: As secmem_window_open() left it.
 */
void secmem_window_close(struct page *page, void *at)
{
	secmem_window_set(this_cpu_ptr(&secmem_windows), __pte(0));
	preempt_enable();
}

/**
 * secmem_window_force - make a page visible at the end of all, with no lock
 * @page: off the direct map
 *
 * Context: Any, in one place at a time.
 * Return: its address, until the next call.
 */
void *secmem_window_force(struct page *page)
{
	secmem_window_set(&secmem_window_last, mk_pte(page, PAGE_KERNEL));
	return secmem_window_last.at;
}
#else
int secmem_window_setup(void)
{
	return 0;
}

void secmem_window_teardown(void)
{
}

void *secmem_window_open(struct page *page)
{
	void *at = vmap(&page, 1, SECMEM_WINDOW_FLAGS, PAGE_KERNEL);

	if (at)
		return at;
	secmem_directmap_restore(page);
	return page_address(page);
}

void secmem_window_close(struct page *page, void *at)
{
	/* Its entry is a page's own by now, so nothing is allocated: cannot fail. */
	if (at == page_address(page)) {
		WARN_ON_ONCE(secmem_directmap_remove(page, 1) !=
			     SECMEM_DIRECTMAP_REMOVED);
		return;
	}
	vunmap(at);
	/* It would only be flushed some day. */
	flush_tlb_kernel_range((unsigned long)at,
			       (unsigned long)at + PAGE_SIZE);
}

void *secmem_window_force(struct page *page)
{
	secmem_directmap_restore(page);
	return page_address(page);
}
#endif
