// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's ends: suspend, hibernation, reboot, panic. What a secret may do
 * meanwhile is said by the gates of gate.c.
 */
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pm.h>
#include <linux/pm_domain.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/suspend.h>

#include "block.h"
#include "gate.h"
#include "keep.h"
#include "power.h"
#include "vault.h"

/* How long the machine's end waits for secrets whose lock somebody holds. */
#define SECMEM_POWER_PATIENCE	HZ

/* How many vaults a refusal names. */
#define SECMEM_REPORT_MAX	8

/* A gate was shut: end the secrets that it does not let live. */
static void secmem_power_judge(void)
{
	struct secmem_vault *vault;
	unsigned long number = 0;

	while ((vault = secmem_vault_next(&number))) {
		secmem_vault_judge(vault, false);
		secmem_vault_put(vault);
	}
}

/*
 * The same for secrets that do not outlive a suspend. False where one lives on,
 * as a thread that is not scheduled holds its lock: the machine neither waits
 * for that, nor sleeps with the secret.
 */
static bool secmem_power_judge_volatile(void)
{
	secmem_gate_shut(SECMEM_GATE_SUSPEND);
	secmem_power_judge();
	if (secmem_gate_volatile_wait(SECMEM_POWER_PATIENCE))
		return true;
	pr_warn("secmem: suspend refused: a secret that does not outlive it is in use\n");
	secmem_gate_open(SECMEM_GATE_SUSPEND);
	return false;
}

/*
 * End all secrets. First nobody sees the bytes, then they go: half a key is worse
 * for who computes with it than none. But the lock of a secret may be held by a
 * thread that is not scheduled, and CREATEs on their way may have pages that no
 * vault knows of: after a while the bytes go anyway, for which no lock is needed.
 */
static void secmem_power_end_all(void)
{
	secmem_power_judge();
	secmem_gate_wait(SECMEM_POWER_PATIENCE);
	secmem_pages_wipe_all(false);
}

/* Name the vaults because of which the machine does not do what it was told. */
static void secmem_power_report(const char *what)
{
	unsigned int named = 0, others = 0;
	struct secmem_owner owner;
	struct secmem_vault *vault;
	unsigned long number = 0;
	u32 live;

	while ((vault = secmem_vault_next(&number))) {
		live = secmem_vault_owner(vault, &owner, false);
		if (live && named++ < SECMEM_REPORT_MAX)
			pr_warn("secmem: %s refused: vault %lu of %*pE[%d] holds %u secrets\n",
				what, vault->number, (int)strlen(owner.name),
				owner.name, owner.pid, live);
		else if (live)
			others++;
		secmem_vault_put(vault);
	}
	if (others)
		pr_warn("secmem: %s refused: so do %u further vaults\n", what,
			others);
}

/*
 * Refuse while there are secrets. If there are none, the gate lets no new one
 * in.
 */
static int secmem_power_hibernate(void)
{
	secmem_gate_shut(SECMEM_GATE_HIBERNATE);
	if (!secmem_power_judge_volatile()) {
		secmem_gate_open(SECMEM_GATE_HIBERNATE);
		return notifier_from_errno(-EBUSY);
	}
	if (!secmem_gate_busy())
		return NOTIFY_OK;
	secmem_power_report("hibernation");
	secmem_gate_open(SECMEM_GATE_HIBERNATE);
	secmem_gate_open(SECMEM_GATE_SUSPEND);
	return notifier_from_errno(-EBUSY);
}

/*
 * A restored image replaces this kernel and all its processes, and keeps what
 * pages it does not fill as they are: so that is an end like a reboot. It is
 * not refused, since the image is lost then.
 */
static int secmem_power_notify(struct notifier_block *block,
			       unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
		return secmem_power_hibernate();
	case PM_POST_HIBERNATION:
		secmem_gate_open(SECMEM_GATE_HIBERNATE);
		secmem_gate_open(SECMEM_GATE_SUSPEND);
		return NOTIFY_OK;
	case PM_SUSPEND_PREPARE:
		return secmem_power_judge_volatile() ?
			       NOTIFY_OK :
			       notifier_from_errno(-EBUSY);
	case PM_POST_SUSPEND:
		secmem_gate_open(SECMEM_GATE_SUSPEND);
		return NOTIFY_OK;
	case PM_RESTORE_PREPARE:
		secmem_gate_shut(SECMEM_GATE_RESTORE);
		secmem_power_end_all();
		return NOTIFY_OK;
	case PM_POST_RESTORE:
		secmem_gate_open(SECMEM_GATE_RESTORE);
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

/*
 * Reboot, halt, power-off and kexec. Processes run on for a while; they get
 * nothing any more.
 */
static int secmem_power_reboot(struct notifier_block *block,
			       unsigned long action, void *data)
{
	secmem_gate_shut(SECMEM_GATE_END);
	secmem_pages_write_back_from_now();
	secmem_power_end_all();
	return NOTIFY_DONE;
}

/*
 * Devices prepare for a sleep that nobody was told of: a kexec that preserves the
 * context freezes tasks and devices, without a notifier, and jumps into another
 * kernel, which finds the secrets in memory. It is refused as hibernation is,
 * and here, where no device sleeps yet: that path of the kernel's does not wake
 * those that do when it is refused. (A Xen guest that is saved comes here from a
 * thread of the kernel. That is the hypervisor's matter, which reads all memory
 * anyway.)
 */
static int secmem_power_prepare(struct device *device)
{
	if (secmem_gate_any() || !secmem_gate_busy() ||
	    (current->flags & PF_KTHREAD))
		return 0;
	secmem_power_report("kexec with preserved context");
	return -EBUSY;
}

static struct dev_pm_domain secmem_power_domain = {
	.ops = { .prepare = secmem_power_prepare },
};

/**
 * secmem_power_watch - have a device stand for the module when devices prepare
 * @device: registered, and not bound to a driver
 * @on: begin, or end before it is unregistered
 *
 * Context: Process context, may sleep.
 */
void secmem_power_watch(struct device *device, bool on)
{
	device_lock(device);
	dev_pm_domain_set(device, on ? &secmem_power_domain : NULL);
	device_unlock(device);
}

/* The other processors stand still, whatever they held: no locks, no waits. */
static int secmem_power_panic(struct notifier_block *block,
			      unsigned long action, void *data)
{
	secmem_pages_wipe_all(true);
	return NOTIFY_DONE;
}

static struct notifier_block secmem_power_pm_block = {
	.notifier_call = secmem_power_notify,
};

/* Before others can hang. */
static struct notifier_block secmem_power_reboot_block = {
	.notifier_call = secmem_power_reboot,
	.priority = INT_MAX,
};

/* Before others can save memory, or tell somebody who does. */
static struct notifier_block secmem_power_panic_block = {
	.notifier_call = secmem_power_panic,
	.priority = INT_MAX,
};

/**
 * secmem_power_setup - at module load
 *
 * Context: Process context, may sleep.
 * Return: 0 or an errno.
 */
int secmem_power_setup(void)
{
	int ret = register_pm_notifier(&secmem_power_pm_block);

	if (ret)
		return ret;
	ret = register_reboot_notifier(&secmem_power_reboot_block);
	if (ret)
		goto pm;
	ret = atomic_notifier_chain_register(&panic_notifier_list,
					     &secmem_power_panic_block);
	if (ret)
		goto reboot;
	return 0;
reboot:
	unregister_reboot_notifier(&secmem_power_reboot_block);
pm:
	unregister_pm_notifier(&secmem_power_pm_block);
	return ret;
}

/**
 * secmem_power_teardown - at module unload
 *
 * Context: Process context, may sleep.
 */
void secmem_power_teardown(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list,
					 &secmem_power_panic_block);
	unregister_reboot_notifier(&secmem_power_reboot_block);
	unregister_pm_notifier(&secmem_power_pm_block);
}
