/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gates: what is shut while the machine is on its way down.
 */
#ifndef _SECMEM_GATE_H
#define _SECMEM_GATE_H

#include <linux/types.h>

/* Gates: what is not created, or not let live, while one is shut. */
enum secmem_gate {
	SECMEM_GATE_SUSPEND,		/* secrets that do not outlive a suspend */
	SECMEM_GATE_HIBERNATE,		/* any, which an image would hold */
	SECMEM_GATE_RESTORE,		/* any: another kernel's image follows */
	SECMEM_GATE_END,		/* any, for ever */
};

int secmem_gate_enter(void);
void secmem_gate_leave(void);
void secmem_gate_wait(long patience);
void secmem_gate_shut(enum secmem_gate gate);
void secmem_gate_open(enum secmem_gate gate);
bool secmem_gate_any(void);
bool secmem_gate_busy(void);
bool secmem_gate_allows(bool suspend_wipe);
bool secmem_gate_suspends(void);
void secmem_gate_volatile_begin(void);
void secmem_gate_volatile_end(void);
bool secmem_gate_volatile_wait(long patience);

#endif /* _SECMEM_GATE_H */
