// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Names and texts for what the kernel tells in numbers.
 */
#include "internal.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *name;
	const char *text;
} protections[] = {
	[SECMEM_PROT_UNMAPPED] = { "unmapped", "no mapping without an access" },
	[SECMEM_PROT_READ_ONLY] = { "read-only", "read-only while read" },
	[SECMEM_PROT_WRITE_ALONE] = { "write-alone", "a writer is alone" },
	[SECMEM_PROT_ONE_MM] = { "one-mm", "a file answers one process" },
	[SECMEM_PROT_GUARD] = { "guard", "a guard page on each side" },
	[SECMEM_PROT_OVERRUN] = { "overrun", "the byte after the data faults" },
	[SECMEM_PROT_CANARY] = { "canary", "random bytes beside it, checked" },
	[SECMEM_PROT_NO_SWAP] = { "no-swap", "never swapped" },
	[SECMEM_PROT_NO_DUMP] = { "no-dump", "not in core dumps" },
	[SECMEM_PROT_NO_INHERIT] = { "no-inherit",
				     "not inherited by fork or exec" },
	[SECMEM_PROT_NO_PEEK] = { "no-peek",
				  "no ptrace, /proc/PID/mem or pinning" },
	[SECMEM_PROT_DIRECT_MAP] = { "direct-map",
				     "off the kernel's direct map" },
	[SECMEM_PROT_WIPE_FREE] = { "wipe-free",
				    "wiped before its pages are freed" },
	[SECMEM_PROT_WIPE_EXIT] = { "wipe-exit", "wiped when its owner ends" },
	[SECMEM_PROT_WIPE_REBOOT] = { "wipe-reboot",
				      "wiped at reboot, power-off and kexec" },
	[SECMEM_PROT_WIPE_PANIC] = { "wipe-panic", "wiped at panic" },
	[SECMEM_PROT_NO_HIBERNATE] = { "no-hibernate",
				       "no hibernation while secrets live" },
	[SECMEM_PROT_MEMLOCK] = { "memlock",
				  "charged to RLIMIT_MEMLOCK or the cap" },
	[SECMEM_PROT_MEMCG] = { "memcg",
				"charged to its creator's memory cgroup" },
};

_Static_assert(ARRAY_SIZE(protections) == SECMEM_PROT_COUNT,
	       "a text for each protection");

const char *secmem_version(void)
{
	return LIBSECMEM_VERSION;
}

const char *secmem_protection_name(unsigned int bit)
{
	return bit < ARRAY_SIZE(protections) ? protections[bit].name : NULL;
}

const char *secmem_protection_text(unsigned int bit)
{
	return bit < ARRAY_SIZE(protections) ? protections[bit].text : NULL;
}

const char *secmem_why_text(unsigned int why)
{
	static const char *const texts[] = {
		[SECMEM_WHY_IN_FORCE] = "in force",
		[SECMEM_WHY_NOT_BUILT] = "this version of secmem lacks it",
		[SECMEM_WHY_KERNEL] = "this kernel lacks what it needs",
		[SECMEM_WHY_ADMIN] = "switched off by the administrator",
		[SECMEM_WHY_STAYED] = "tried, without effect on this kernel",
		[SECMEM_WHY_CRASH_KERNEL] = "a crash kernel would run first",
		[SECMEM_WHY_NO_MEMORY] = "no memory when the module was loaded",
	};

	return why < ARRAY_SIZE(texts) ? texts[why] : NULL;
}

const char *secmem_right_name(unsigned int bit)
{
	static const char *const names[] = {
		"read", "write", "map",	   "compare", "create",
		"seal", "close", "revoke", "export",
	};

	_Static_assert((1U << ARRAY_SIZE(names)) - 1 == SECMEM_RIGHT_ALL,
		       "a name for each right");
	return bit < ARRAY_SIZE(names) ? names[bit] : NULL;
}
