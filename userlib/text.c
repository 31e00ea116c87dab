// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Names and texts for what the kernel tells in numbers.
 */
#include <errno.h>
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
		[SECMEM_WHY_UNCHARGED] =
			"memory cgroups count no pages of the kernel",
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

/* Where an error has several causes, the usual one stands first. */
static const struct {
	int error;
	const char *text;
} errors[] = {
	{ 0, "no error: nothing is to be done" },
	{ E2BIG, "this program is newer than the module or the library and "
		 "asked for what they do not know: update them" },
	{ EACCES,
	  "/dev/secmem may not be opened, or the grant does not allow this: "
	  "add the user to group secmem and log in anew, or look for a sandbox "
	  "(AppArmor, SELinux) or a file system mounted nodev; of a grant, ask "
	  "for the right when it is exported, or let the one process that uses "
	  "it end" },
	{ EIO, "memory under the secret went bad, and its bytes are lost: "
	       "close it, and create it anew from where it came from" },
	{ EAGAIN, "somebody else holds an access: try again, or give the call "
		  "a timeout to wait for" },
	{ EBADF, "this is no open file descriptor: look for who closed it" },
	{ EBADMSG, "something wrote in front of the secret's bytes: the call "
		   "has taken effect, and this program has a bug to look for" },
	{ EBUSY, "it is in use: release the write access, adopt a file once "
		 "only, or create the secret after the machine has suspended "
		 "or hibernated" },
	{ EDEADLK, "this thread would wait for an access of its own: leave "
		   "the callback first, or call with timeout 0" },
	{ EFAULT, "a pointer leads nowhere or into shut memory: pass memory "
		  "of the program, or an open access" },
	{ EFBIG, "a secret has at most 1 MiB: split the input" },
	{ EINTR, "a signal handler ended the wait: call again" },
	{ EINVAL, "an argument is outside its range, or nothing is held that "
		  "could be released: compare the call with its manual page" },
	{ EKEYREVOKED,
	  "the secret is gone (closed, revoked, its grant closed, or left "
	  "behind by a fork): create it anew, or adopt it where it came from" },
	{ EMFILE, "this process has no descriptor, or this vault no place, "
		  "left: close what is not needed, or raise RLIMIT_NOFILE or "
		  "the module's parameter secrets_max" },
	{ ENFILE, "the system has no file left: raise the sysctl fs.file-max" },
	{ ENODATA, "the input ended before the secret did: look at the file, "
		   "or for who closed the other end" },
	{ ENODEV, "/dev/secmem has no driver: load the module "
		  "(modprobe secmem)" },
	{ ENOENT,
	  "there is no /dev/secmem, or no such secret in this grant: load the "
	  "module (modprobe secmem); in a chroot, a container or under "
	  "PrivateDevices=, bring the device in" },
	{ ENOMEM,
	  "RLIMIT_MEMLOCK or the administrator's cap is reached, or memory is "
	  "short: each secret counts in whole pages against one sum a user, "
	  "so raise the limit (ulimit -l, LimitMEMLOCK=), set the module's "
	  "parameter memlock_cap, or close secrets" },
	{ ENOMSG, "the message brought no descriptor: let the other end use "
		  "secmem_fd_send" },
	{ ENOTTY, "this descriptor is no file of secmem's, or the module is "
		  "older than this call: look at which file it is, or update "
		  "the module" },
	{ ENXIO, "the view is too small, or /dev/secmem has no driver: raise "
		 "RLIMIT_AS and call mlockall after the first access, or load "
		 "the module (modprobe secmem)" },
	{ EOPNOTSUPP,
	  "a protection that is required is not in force here: see why with "
	  "secmemctl status, and mend that or require less" },
	{ EOWNERDEAD, "a writer died in the middle, so the bytes may be half "
		      "of each: write the secret anew, or close it" },
	{ EPERM,
	  "the secret is sealed, or a device cgroup keeps /dev/secmem shut: "
	  "create another secret to write to; for the device set "
	  "DeviceAllow=/dev/secmem and PrivateDevices=no in the unit, or "
	  "--device /dev/secmem for the container" },
	{ ESHUTDOWN, "the machine goes down: no secret is created any more" },
	{ ETIMEDOUT, "others held their accesses for longer than the timeout: "
		     "try again, or see who waits with secmem_stat" },
};

const char *secmem_strerror(int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++)
		if (error == errors[i].error || error == -errors[i].error)
			return errors[i].text;
	return "an error that is not secmem's own: errno(3) has its meaning";
}
