// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in force: of this module on this kernel, and for one secret.
 */
#include <linux/kexec.h>
#include <linux/moduleparam.h>

#include "base.h"
#include "bytes.h"
#include "directmap.h"
#include "protect.h"

static bool secmem_crash_kernel_last;
module_param_named(crash_kernel_last, secmem_crash_kernel_last, bool, 0644);
MODULE_PARM_DESC(crash_kernel_last,
		 "A crash kernel runs behind the wipe: the kernel was booted with crash_kexec_post_notifiers");

/*
 * Is SECMEM_PROT_WIPE_PANIC in force? A crash kernel is entered before panic
 * notifiers run, unless the kernel was booted with crash_kexec_post_notifiers. No
 * module can see that.
 */
static u8 secmem_protection_panic_why(void)
{
	if (!SECMEM_WRITES_BACK)
		return SECMEM_WHY_KERNEL;
	if (kexec_crash_loaded() && !READ_ONCE(secmem_crash_kernel_last))
		return SECMEM_WHY_CRASH_KERNEL;
	return SECMEM_WHY_IN_FORCE;
}

/**
 * secmem_protections - what this module enforces on this kernel
 *
 * Context: Any.
 * Return: a mask of 1 << SECMEM_PROT_*.
 */
u64 secmem_protections(void)
{
	u64 mask = BIT_ULL(SECMEM_PROT_UNMAPPED) |
		   BIT_ULL(SECMEM_PROT_READ_ONLY) |
		   BIT_ULL(SECMEM_PROT_WRITE_ALONE) |
		   BIT_ULL(SECMEM_PROT_ONE_MM) |
		   BIT_ULL(SECMEM_PROT_GUARD) |
		   BIT_ULL(SECMEM_PROT_OVERRUN) |
		   BIT_ULL(SECMEM_PROT_CANARY) |
		   BIT_ULL(SECMEM_PROT_NO_SWAP) |
		   BIT_ULL(SECMEM_PROT_NO_DUMP) |
		   BIT_ULL(SECMEM_PROT_NO_INHERIT) |
		   BIT_ULL(SECMEM_PROT_NO_PEEK) |
		   BIT_ULL(SECMEM_PROT_WIPE_FREE) |
		   BIT_ULL(SECMEM_PROT_WIPE_EXIT) |
		   BIT_ULL(SECMEM_PROT_NO_HIBERNATE) |
		   BIT_ULL(SECMEM_PROT_MEMLOCK);

	if (SECMEM_WRITES_BACK)
		mask |= BIT_ULL(SECMEM_PROT_WIPE_REBOOT);
	if (memcg_kmem_online())
		mask |= BIT_ULL(SECMEM_PROT_MEMCG);
	if (secmem_directmap_why() == SECMEM_WHY_IN_FORCE)
		mask |= BIT_ULL(SECMEM_PROT_DIRECT_MAP);
	if (secmem_protection_panic_why() == SECMEM_WHY_IN_FORCE)
		mask |= BIT_ULL(SECMEM_PROT_WIPE_PANIC);
	return mask;
}

/**
 * secmem_protection_why - why a protection is not in force
 * @bit: SECMEM_PROT_*
 *
 * Context: Any.
 * Return: SECMEM_WHY_*.
 */
u8 secmem_protection_why(unsigned int bit)
{
	if (secmem_protections() & BIT_ULL(bit))
		return SECMEM_WHY_IN_FORCE;
	switch (bit) {
	case SECMEM_PROT_DIRECT_MAP:
		return secmem_directmap_why();
	case SECMEM_PROT_WIPE_PANIC:
		return secmem_protection_panic_why();
	case SECMEM_PROT_MEMCG:
		return SECMEM_WHY_UNCHARGED;
	default:
		return SECMEM_WHY_KERNEL;
	}
}

/**
 * secmem_secret_protections - what holds for bytes of that length and pages
 * @bytes: the bytes
 * @linger: what is mapped may outlive its access
 *
 * Context: Any.
 * Return: a mask of 1 << SECMEM_PROT_*.
 */
u64 secmem_secret_protections(const struct secmem_bytes *bytes, bool linger)
{
	u64 mask = secmem_protections();

	if (linger)
		mask &= ~BIT_ULL(SECMEM_PROT_UNMAPPED);
	if (secmem_bytes_tail(bytes))
		mask &= ~BIT_ULL(SECMEM_PROT_OVERRUN);
	if (bytes->offset < SECMEM_CANARY_MIN &&
	    secmem_bytes_tail(bytes) < SECMEM_CANARY_MIN)
		mask &= ~BIT_ULL(SECMEM_PROT_CANARY);
	if (bytes->exposed)
		mask &= ~BIT_ULL(SECMEM_PROT_DIRECT_MAP);
	return mask;
}
