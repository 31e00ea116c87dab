// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes under /sys/class/misc/secmem (docs/ABI-sysfs-secmem): what can be
 * seen from outside; and revoke, by which an administrator ends a vault.
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "area.h"
#include "base.h"
#include "directmap.h"
#include "keep.h"
#include "protect.h"
#include "stats.h"

static ssize_t version_show(struct device *device,
			    struct device_attribute *attribute, char *buffer)
{
	return sysfs_emit(buffer, "%s\n", SECMEM_VERSION);
}
static DEVICE_ATTR_RO(version);

static ssize_t direct_map_route_show(struct device *device,
				     struct device_attribute *attribute,
				     char *buffer)
{
	return sysfs_emit(buffer, "%s\n", secmem_directmap_by());
}
static DEVICE_ATTR_RO(direct_map_route);

static ssize_t direct_map_lost_show(struct device *device,
				    struct device_attribute *attribute,
				    char *buffer)
{
	return sysfs_emit(buffer, "%u\n", secmem_areas_count());
}
static DEVICE_ATTR_RO(direct_map_lost);

static ssize_t revoke_store(struct device *device,
			    struct device_attribute *attribute,
			    const char *buffer, size_t length)
{
	unsigned long number;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = kstrtoul(buffer, 10, &number);
	if (ret)
		return ret;
	return secmem_vault_revoke_number(number) ?: length;
}
static DEVICE_ATTR_WO(revoke);

static struct attribute *secmem_stats_attributes[] = {
	&dev_attr_version.attr,
	&dev_attr_direct_map_route.attr,
	&dev_attr_direct_map_lost.attr,
	&dev_attr_revoke.attr,
	NULL
};

static const struct attribute_group secmem_stats_group = {
	.attrs = secmem_stats_attributes,
};

/* A file that shows one of many values; var says which. */
#define SECMEM_FILE(text, shows, which)					\
	{								\
		.attr = {						\
			.attr = { .name = (text), .mode = 0444 },	\
			.show = (shows),				\
		},							\
		.var = (void *)(which),					\
	}

static unsigned long secmem_file_which(struct device_attribute *attribute)
{
	return (unsigned long)container_of(attribute, struct dev_ext_attribute,
					   attr)->var;
}

static ssize_t secmem_count_show(struct device *device,
				 struct device_attribute *attribute,
				 char *buffer)
{
	struct secmem_counts sum;
	s64 *count = (void *)&sum + secmem_file_which(attribute);

	secmem_counts_sum(&sum);
	return sysfs_emit(buffer, "%lld\n", *count);
}

#define SECMEM_COUNT(field) \
	SECMEM_FILE(#field, secmem_count_show, \
		    offsetof(struct secmem_counts, field))

static struct dev_ext_attribute secmem_count_files[] = {
	SECMEM_COUNT(vaults),
	SECMEM_COUNT(grants),
	SECMEM_COUNT(secrets),
	SECMEM_COUNT(pages),
	SECMEM_COUNT(accesses),
	SECMEM_COUNT(waiters),
	SECMEM_COUNT(waits),
	SECMEM_COUNT(violations),
	SECMEM_COUNT(wipes),
	SECMEM_COUNT(poisoned),
};

static struct attribute
	*secmem_counts_attributes[ARRAY_SIZE(secmem_count_files) + 1];

static const struct attribute_group secmem_counts_group = {
	.name = "counts",
	.attrs = secmem_counts_attributes,
};

/* What a protection's file says, by SECMEM_WHY_*. */
static const char * const secmem_why_words[] = {
	[SECMEM_WHY_IN_FORCE] = "in-force",
	[SECMEM_WHY_NOT_BUILT] = "not-built",
	[SECMEM_WHY_KERNEL] = "kernel",
	[SECMEM_WHY_ADMIN] = "administrator",
	[SECMEM_WHY_STAYED] = "no-effect",
	[SECMEM_WHY_NO_MEMORY] = "no-memory",
	[SECMEM_WHY_CRASH_KERNEL] = "crash-kernel",
	[SECMEM_WHY_UNCHARGED] = "not-charged",
};

static ssize_t secmem_protection_show(struct device *device,
				      struct device_attribute *attribute,
				      char *buffer)
{
	u8 why = secmem_protection_why(secmem_file_which(attribute));

	return sysfs_emit(buffer, "%s\n", secmem_why_words[why]);
}

#define SECMEM_PROTECTION(bit, name) \
	[SECMEM_PROT_##bit] = SECMEM_FILE(name, secmem_protection_show, \
					  SECMEM_PROT_##bit)

static struct dev_ext_attribute secmem_protection_files[] = {
	SECMEM_PROTECTION(UNMAPPED, "unmapped"),
	SECMEM_PROTECTION(READ_ONLY, "read-only"),
	SECMEM_PROTECTION(WRITE_ALONE, "write-alone"),
	SECMEM_PROTECTION(ONE_MM, "one-mm"),
	SECMEM_PROTECTION(GUARD, "guard"),
	SECMEM_PROTECTION(OVERRUN, "overrun"),
	SECMEM_PROTECTION(CANARY, "canary"),
	SECMEM_PROTECTION(NO_SWAP, "no-swap"),
	SECMEM_PROTECTION(NO_DUMP, "no-dump"),
	SECMEM_PROTECTION(NO_INHERIT, "no-inherit"),
	SECMEM_PROTECTION(NO_PEEK, "no-peek"),
	SECMEM_PROTECTION(DIRECT_MAP, "direct-map"),
	SECMEM_PROTECTION(WIPE_FREE, "wipe-free"),
	SECMEM_PROTECTION(WIPE_EXIT, "wipe-exit"),
	SECMEM_PROTECTION(WIPE_REBOOT, "wipe-reboot"),
	SECMEM_PROTECTION(WIPE_PANIC, "wipe-panic"),
	SECMEM_PROTECTION(NO_HIBERNATE, "no-hibernate"),
	SECMEM_PROTECTION(MEMLOCK, "memlock"),
	SECMEM_PROTECTION(MEMCG, "memcg"),
};

static struct attribute *secmem_protection_attributes[SECMEM_PROT_COUNT + 1];

static const struct attribute_group secmem_protection_group = {
	.name = "protections",
	.attrs = secmem_protection_attributes,
};

static const struct attribute_group *secmem_stats_all[] = {
	&secmem_stats_group,
	&secmem_counts_group,
	&secmem_protection_group,
	NULL
};

static void secmem_files_list(struct dev_ext_attribute *files,
			      struct attribute **list, unsigned int count)
{
	while (count--)
		list[count] = &files[count].attr.attr;
}

/**
 * secmem_stats_groups - the device's attributes
 *
 * Context: Once, before the device is registered.
 * Return: them, as struct miscdevice wants them.
 */
const struct attribute_group **secmem_stats_groups(void)
{
	BUILD_BUG_ON(ARRAY_SIZE(secmem_protection_files) != SECMEM_PROT_COUNT);
	secmem_files_list(secmem_count_files, secmem_counts_attributes,
			  ARRAY_SIZE(secmem_count_files));
	secmem_files_list(secmem_protection_files, secmem_protection_attributes,
			  ARRAY_SIZE(secmem_protection_files));
	return secmem_stats_all;
}
