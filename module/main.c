// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmem: what is set up at load and taken down at unload, and the device
 * /dev/secmem. Its file operations and the table of its ioctls are in ioctl.c.
 *
 * The design is GoDaddy Asherah's Protected Memory, carried into the kernel:
 * protections none, read-only and read-write; accesses counted with atomics;
 * a close that waits for those who hold one; wiped and freed exactly once.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "base.h"
#include "directmap.h"
#include "file.h"
#include "ioctl.h"
#include "linger.h"
#include "mm.h"
#include "pages.h"
#include "place.h"
#include "power.h"
#include "stats.h"
#include "vault.h"
#include "violation.h"
#include "work.h"

static struct miscdevice secmem_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "secmem",
	.fops = &secmem_file_ops,
	.mode = 0660,
};

static int __init secmem_init(void)
{
	int ret = secmem_directmap_setup();

	if (ret)
		return ret;
	ret = secmem_place_setup();
	if (ret)
		goto directmap;
	ret = secmem_work_setup();
	if (ret)
		goto place;
	ret = secmem_pages_setup();
	if (ret)
		goto work;
	ret = secmem_power_setup();
	if (ret)
		goto pages;
	secmem_violation_setup();
	secmem_device.groups = secmem_stats_groups();
	ret = misc_register(&secmem_device);
	if (ret)
		goto power;
	secmem_power_watch(secmem_device.this_device, true);
	return 0;
power:
	secmem_power_teardown();
pages:
	secmem_pages_teardown();
work:
	secmem_work_teardown();
place:
	secmem_place_teardown();
directmap:
	secmem_directmap_teardown();
	return ret;
}

static void __exit secmem_exit(void)
{
	secmem_power_watch(secmem_device.this_device, false);
	misc_deregister(&secmem_device);
	secmem_mm_teardown();
	secmem_power_teardown();
	secmem_linger_teardown();
	secmem_work_teardown();
	secmem_violation_teardown();
	secmem_pages_teardown();
	secmem_vault_teardown();
	secmem_place_teardown();
	secmem_directmap_teardown();
}

module_init(secmem_init);
module_exit(secmem_exit);

MODULE_DESCRIPTION("Secrets in pages that are mapped nowhere until accessed");
MODULE_VERSION(SECMEM_VERSION);
MODULE_LICENSE("GPL");
