// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gates: what is not created, or not left to live, while the machine is on its
 * way down.
 *
 * A secret is counted from before its pages are taken until they are wiped. A
 * CREATE counts itself and then looks at the gates; who shuts a gate looks at
 * the count, or at the secrets, after that. With a full barrier on each side,
 * one of the two sees the other.
 */
#include <linux/bitops.h>
#include <linux/sched.h>
#include <linux/wait_bit.h>

#include "gate.h"

static unsigned long secmem_gates;

/* Secrets that live, and CREATEs on their way. */
static atomic_t secmem_gate_live = ATOMIC_INIT(0);

/* Secrets that do not outlive a suspend. */
static atomic_t secmem_gate_volatile = ATOMIC_INIT(0);

static bool secmem_gate_is_shut(enum secmem_gate gate)
{
	return READ_ONCE(secmem_gates) & BIT(gate);
}

/**
 * secmem_gate_shut - shut a gate
 * @gate: which
 *
 * Context: Any. The caller looks at the secrets after that.
 */
void secmem_gate_shut(enum secmem_gate gate)
{
	set_bit(gate, &secmem_gates);
	/* Pairs with those in secmem_gate_enter() and secmem_gate_allows(). */
	smp_mb__after_atomic();
}

/**
 * secmem_gate_open - the end of secmem_gate_shut()
 * @gate: which
 *
 * Context: Any.
 */
void secmem_gate_open(enum secmem_gate gate)
{
	clear_bit(gate, &secmem_gates);
}

/**
 * secmem_gate_any - is a gate shut
 *
 * Context: Any.
 * Return: whether one is.
 */
bool secmem_gate_any(void)
{
	return READ_ONCE(secmem_gates);
}

/**
 * secmem_gate_busy - are there secrets
 *
 * Context: Any. After a no with a gate shut that lets none in, none comes.
 * Return: whether one lives, or a CREATE is on its way, which may yet be refused.
 */
bool secmem_gate_busy(void)
{
	return atomic_read(&secmem_gate_live);
}

/**
 * secmem_gate_enter - a CREATE begins
 *
 * Context: Any.
 * Return: 0, to be followed by secmem_gate_leave() at the secret's end or the
 * CREATE's; -EBUSY (hibernation is on its way), -ESHUTDOWN (for ever).
 */
int secmem_gate_enter(void)
{
	int ret = 0;

	atomic_inc(&secmem_gate_live);
	/* Pairs with the one in secmem_gate_shut(). */
	smp_mb__after_atomic();
	if (secmem_gate_is_shut(SECMEM_GATE_END))
		ret = -ESHUTDOWN;
	else if (secmem_gate_is_shut(SECMEM_GATE_HIBERNATE) ||
		 secmem_gate_is_shut(SECMEM_GATE_RESTORE))
		ret = -EBUSY;
	if (ret)
		secmem_gate_leave();
	return ret;
}

/**
 * secmem_gate_leave - a secret is wiped, or its CREATE has failed
 *
 * Context: Any.
 */
void secmem_gate_leave(void)
{
	/*
	 * The decrement is fully ordered: who sees the count fall may write an
	 * image of memory, and sees the wipe before it; and either a waiter is
	 * seen here, or it sees the count.
	 */
	if (atomic_dec_and_test(&secmem_gate_live))
		wake_up_var(&secmem_gate_live);
}

/**
 * secmem_gate_wait - wait for the end of all secrets
 * @patience: for how long, in jiffies
 *
 * Context: Process context. Sleeps.
 */
void secmem_gate_wait(long patience)
{
	wait_var_event_timeout(&secmem_gate_live,
			       !atomic_read(&secmem_gate_live), patience);
}

/**
 * secmem_gate_allows - do the gates let a secret live on
 * @suspend_wipe: it does not outlive a suspend
 *
 * Context: The caller holds the secret's lock. Who publishes it has done so, so
 * that who shuts a gate finds it, or is seen here.
 * Return: false where it must be revoked at once.
 */
bool secmem_gate_allows(bool suspend_wipe)
{
	/* Pairs with the one in secmem_gate_shut(). */
	smp_mb();
	return !secmem_gate_is_shut(SECMEM_GATE_END) &&
	       !secmem_gate_is_shut(SECMEM_GATE_RESTORE) &&
	       !(suspend_wipe && secmem_gate_is_shut(SECMEM_GATE_SUSPEND));
}

/**
 * secmem_gate_suspends - is a suspend or hibernation on its way
 *
 * Context: Any.
 * Return: whether secrets that do not outlive one are not created.
 */
bool secmem_gate_suspends(void)
{
	return secmem_gate_is_shut(SECMEM_GATE_SUSPEND);
}

/**
 * secmem_gate_volatile_begin - one more secret that does not outlive a suspend
 *
 * Context: Any.
 */
void secmem_gate_volatile_begin(void)
{
	atomic_inc(&secmem_gate_volatile);
}

/**
 * secmem_gate_volatile_end - one less: it is wiped
 *
 * Context: Any.
 */
void secmem_gate_volatile_end(void)
{
	/*
	 * The decrement is fully ordered: either a waiter is seen here, or it
	 * sees the count.
	 */
	if (atomic_dec_and_test(&secmem_gate_volatile))
		wake_up_var(&secmem_gate_volatile);
}

/**
 * secmem_gate_volatile_wait - wait for the end of what does not outlive a suspend
 * @patience: for how long, in jiffies
 *
 * Context: Process context. Sleeps.
 * Return: false where one lives on.
 */
bool secmem_gate_volatile_wait(long patience)
{
	return wait_var_event_timeout(&secmem_gate_volatile,
				      !atomic_read(&secmem_gate_volatile),
				      patience);
}
