/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's ends: suspend, hibernation, reboot, panic.
 */
#ifndef _SECMEM_POWER_H
#define _SECMEM_POWER_H

#include <linux/types.h>

struct device;

int secmem_power_setup(void);
void secmem_power_teardown(void);
void secmem_power_watch(struct device *device, bool on);

#endif /* _SECMEM_POWER_H */
