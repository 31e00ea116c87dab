/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's short-lived way to a page that the direct map lacks.
 */
#ifndef _SECMEM_WINDOW_H
#define _SECMEM_WINDOW_H

#include <linux/types.h>

struct page;

int secmem_window_setup(void);
void secmem_window_teardown(void);
void *secmem_window_open(struct page *page);
void secmem_window_close(void);
void *secmem_window_force(struct page *page);
void secmem_window_flush(void);

#endif /* _SECMEM_WINDOW_H */
