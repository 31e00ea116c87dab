// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exits of the machine: suspend, hibernation, reboot, panic.
 *
 * A secret is counted from before its pages are taken until they are wiped. A
 * CREATE counts itself and then looks at the gates; who shuts a gate looks at
 * the count, or at the secrets, after that. With a full barrier on each side,
 * one of the two sees the other.
 */
#include <linux/kexec.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pm.h>
#include <linux/pm_domain.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/suspend.h>
#include <linux/wait_bit.h>

#include "internal.h"

static bool secmem_crash_kernel_last;
module_param_named(crash_kernel_last, secmem_crash_kernel_last, bool, 0644);
MODULE_PARM_DESC(crash_kernel_last,
		 "A crash kernel runs behind the wipe: the kernel was booted with crash_kexec_post_notifiers");

/* Gates: what is not created, or not kept, while one is shut. */
enum {
	SECMEM_GATE_SUSPEND,		/* secrets that do not outlive a suspend */
	SECMEM_GATE_HIBERNATE,		/* any, which an image would hold */
	SECMEM_GATE_RESTORE,		/* any: another kernel's image follows */
	SECMEM_GATE_END,		/* any, for ever */
};

static unsigned long secmem_gates;

/* Secrets that live, and CREATEs on their way. */
static atomic_t secmem_power_live = ATOMIC_INIT(0);

/* Secrets that do not outlive a suspend. */
static atomic_t secmem_power_volatile = ATOMIC_INIT(0);

/* How long an exit waits for those whose lock somebody holds. */
#define SECMEM_POWER_PATIENCE	HZ

/* How many vaults a refusal names. */
#define SECMEM_REPORT_MAX	8

static bool secmem_gate_shut(unsigned int gate)
{
	return READ_ONCE(secmem_gates) & BIT(gate);
}

static void secmem_gate_shut_now(unsigned int gate)
{
	set_bit(gate, &secmem_gates);
	/* Pairs with those in secmem_power_enter() and secmem_power_keeps(). */
	smp_mb__after_atomic();
}

/**
 * secmem_power_enter - a CREATE begins
 *
 * Context: Any.
 * Return: 0, to be followed by secmem_power_leave() at the secret's end or the
 * CREATE's; -EBUSY (hibernation is on its way), -ESHUTDOWN (for ever).
 */
int secmem_power_enter(void)
{
	int ret = 0;

	atomic_inc(&secmem_power_live);
	/* Pairs with the one in secmem_gate_shut_now(). */
	smp_mb__after_atomic();
	if (secmem_gate_shut(SECMEM_GATE_END))
		ret = -ESHUTDOWN;
	else if (secmem_gate_shut(SECMEM_GATE_HIBERNATE) ||
		 secmem_gate_shut(SECMEM_GATE_RESTORE))
		ret = -EBUSY;
	if (ret)
		secmem_power_leave();
	return ret;
}

/**
 * secmem_power_leave - a secret is wiped, or its CREATE has failed
 *
 * Context: Any.
 */
void secmem_power_leave(void)
{
	/*
	 * Fully ordered: who sees the count fall writes an image, and sees the
	 * wipe before it; who waits for the last one is seen.
	 */
	if (atomic_dec_and_test(&secmem_power_live))
		wake_up_var(&secmem_power_live);
}

/**
 * secmem_power_keeps - do the gates let a secret live on
 * @suspend_wipe: it does not outlive a suspend
 *
 * Context: The caller holds the secret's lock. Who publishes it has done so, so
 * that who shuts a gate finds it, or is seen here.
 * Return: false where it must be revoked at once.
 */
bool secmem_power_keeps(bool suspend_wipe)
{
	/* Pairs with the one in secmem_gate_shut_now(). */
	smp_mb();
	return !secmem_gate_shut(SECMEM_GATE_END) &&
	       !secmem_gate_shut(SECMEM_GATE_RESTORE) &&
	       !(suspend_wipe && secmem_gate_shut(SECMEM_GATE_SUSPEND));
}

/**
 * secmem_power_suspends - is a suspend or hibernation on its way
 *
 * Context: Any.
 * Return: whether secrets that do not outlive one are not created.
 */
bool secmem_power_suspends(void)
{
	return secmem_gate_shut(SECMEM_GATE_SUSPEND);
}

/**
 * secmem_power_volatile_begin - one more secret that does not outlive a suspend
 *
 * Context: Any.
 */
void secmem_power_volatile_begin(void)
{
	atomic_inc(&secmem_power_volatile);
}

/**
 * secmem_power_volatile_end - one less: it is wiped
 *
 * Context: Any.
 */
void secmem_power_volatile_end(void)
{
	/* Fully ordered, so who waits is seen, or sees the count. */
	if (atomic_dec_and_test(&secmem_power_volatile))
		wake_up_var(&secmem_power_volatile);
}

/**
 * secmem_power_panic_why - is SECMEM_PROT_WIPE_PANIC in force
 *
 * A crash kernel is entered before panic notifiers run, unless the kernel was
 * booted with crash_kexec_post_notifiers. No module can see that.
 *
 * Context: Any.
 * Return: SECMEM_WHY_*.
 */
u8 secmem_power_panic_why(void)
{
	if (kexec_crash_loaded() && !READ_ONCE(secmem_crash_kernel_last))
		return SECMEM_WHY_CRASH_KERNEL;
	return SECMEM_WHY_IN_FORCE;
}

/* A gate was shut: end what it lets not live. */
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
 * The same, for those that do not outlive a suspend: false where one does after
 * all. Its lock is held by a thread that is not scheduled, which the machine must
 * not wait for, nor may it sleep with the secret.
 */
static bool secmem_power_judge_volatile(void)
{
	secmem_gate_shut_now(SECMEM_GATE_SUSPEND);
	secmem_power_judge();
	if (wait_var_event_timeout(&secmem_power_volatile,
				   !atomic_read(&secmem_power_volatile),
				   SECMEM_POWER_PATIENCE))
		return true;
	pr_warn("secmem: suspend refused: a secret that does not outlive it is in use\n");
	clear_bit(SECMEM_GATE_SUSPEND, &secmem_gates);
	return false;
}

/*
 * The same, for all. First nobody sees the bytes, then they go: half a key is
 * worse for who computes with it than none. But the lock of a secret may be held
 * by a thread that is not scheduled, and CREATEs on their way may have pages that
 * no vault knows of: after a while the bytes go anyway, for which no lock is
 * needed.
 */
static void secmem_power_end_all(void)
{
	secmem_power_judge();
	wait_var_event_timeout(&secmem_power_live,
			       !atomic_read(&secmem_power_live),
			       SECMEM_POWER_PATIENCE);
	secmem_pages_wipe_all(false);
}

/* Name those because of whom the machine does not do what it was told. */
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

/* Count, refuse; or from here on there is nothing to be counted. */
static int secmem_power_hibernate(void)
{
	secmem_gate_shut_now(SECMEM_GATE_HIBERNATE);
	if (!secmem_power_judge_volatile()) {
		clear_bit(SECMEM_GATE_HIBERNATE, &secmem_gates);
		return notifier_from_errno(-EBUSY);
	}
	if (!atomic_read(&secmem_power_live))
		return NOTIFY_OK;
	secmem_power_report("hibernation");
	clear_bit(SECMEM_GATE_HIBERNATE, &secmem_gates);
	clear_bit(SECMEM_GATE_SUSPEND, &secmem_gates);
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
		clear_bit(SECMEM_GATE_HIBERNATE, &secmem_gates);
		clear_bit(SECMEM_GATE_SUSPEND, &secmem_gates);
		return NOTIFY_OK;
	case PM_SUSPEND_PREPARE:
		return secmem_power_judge_volatile() ?
			       NOTIFY_OK :
			       notifier_from_errno(-EBUSY);
	case PM_POST_SUSPEND:
		clear_bit(SECMEM_GATE_SUSPEND, &secmem_gates);
		return NOTIFY_OK;
	case PM_RESTORE_PREPARE:
		secmem_gate_shut_now(SECMEM_GATE_RESTORE);
		secmem_power_end_all();
		return NOTIFY_OK;
	case PM_POST_RESTORE:
		clear_bit(SECMEM_GATE_RESTORE, &secmem_gates);
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
	secmem_gate_shut_now(SECMEM_GATE_END);
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
	if (READ_ONCE(secmem_gates) || !atomic_read(&secmem_power_live) ||
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
