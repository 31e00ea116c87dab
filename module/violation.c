// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of violations: who touched a secret without an access.
 *
 * A touch is refused with mmap_lock held, which other threads of the process need,
 * and a console takes as long as it likes for a line. So what there is to say is
 * noted there, in a ring, and printed by a work item that holds no lock of
 * anybody's.
 *
 * Lines are limited for each user apart, so that nobody hides what happens to
 * another by a flood of his own. Subordinate uids are those of whoever made the
 * user namespace, where that is not root: else a user would have thousands of
 * limits. Where root made it (a container), it is a user of its own.
 */
#include <linux/cred.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "base.h"
#include "trace.h"
#include "violation.h"

/* Lines that wait to be printed. */
#define SECMEM_VIOLATIONS	64

/* Users with a limit of their own at a time; the rest share one. */
#define SECMEM_VIOLATORS	64

struct secmem_violation {
	pid_t pid;
	char name[TASK_COMM_LEN];
	unsigned long vault;		/* number */
	unsigned long pgoff;		/* in the view */
	unsigned int left_out;		/* under the same limit, before */
	bool write;
	bool closed;
};

struct secmem_violator {
	u64 who;
	unsigned long until;		/* jiffies: then it may be another's */
	struct ratelimit_state limit;
	unsigned int left_out;		/* since the last line */
};

/* Protects all that follow. */
static DEFINE_SPINLOCK(secmem_violation_lock);
static struct secmem_violation secmem_violations[SECMEM_VIOLATIONS];
static unsigned int secmem_violation_first, secmem_violation_count;
static unsigned int secmem_violation_lost;	/* the ring was full */
static struct secmem_violator secmem_violators[SECMEM_VIOLATORS + 1];

/*
 * Take one line; or how many were lost behind those. False where there is
 * neither.
 */
static bool secmem_violation_take(struct secmem_violation *violation,
				  unsigned int *lost)
{
	bool any;

	spin_lock(&secmem_violation_lock);
	*lost = 0;
	any = secmem_violation_count;
	if (any) {
		*violation = secmem_violations[secmem_violation_first];
		secmem_violation_first =
			(secmem_violation_first + 1) % SECMEM_VIOLATIONS;
		secmem_violation_count--;
	} else {
		swap(*lost, secmem_violation_lost);
	}
	spin_unlock(&secmem_violation_lock);
	return any || *lost;
}

static void secmem_violation_print(struct work_struct *work)
{
	struct secmem_violation violation;
	unsigned int lost;

	while (secmem_violation_take(&violation, &lost)) {
		if (lost) {
			pr_warn("secmem: %u further violations came too fast for the log\n",
				lost);
			continue;
		}
		/* Of several users, where they share the limit of the rest. */
		if (violation.left_out)
			pr_warn("secmem: %u violations of the same user were left out\n",
				violation.left_out);
		/* An offset, not an address: the log may be anybody's to read. */
		pr_warn("secmem: %*pE[%d] %s vault %lu at offset 0x%lx %s\n",
			(int)strlen(violation.name), violation.name,
			violation.pid, violation.write ? "wrote to" : "read",
			violation.vault, violation.pgoff << PAGE_SHIFT,
			violation.closed ? "after the secret was closed" :
					   "without an access");
		cond_resched();
	}
}

static DECLARE_WORK(secmem_violation_work, secmem_violation_print);

static u64 secmem_violator_who(void)
{
	struct user_namespace *space = current_user_ns();

	if (space == &init_user_ns)
		return __kuid_val(current_uid());
	/*
	 * The outermost namespace that is not the initial one: its owner can
	 * make all that are in it.
	 */
	while (space->parent != &init_user_ns)
		space = space->parent;
	return uid_eq(space->owner, GLOBAL_ROOT_UID) ?
		       (u64)space->ns.inum << 32 :
		       __kuid_val(space->owner);
}

static struct secmem_violator *secmem_violator_find(u64 who)
{
	struct secmem_violator *found = secmem_violators, *free = NULL;

	lockdep_assert_held(&secmem_violation_lock);
	for (; found < secmem_violators + SECMEM_VIOLATORS; found++) {
		if (found->until && found->who == who)
			return found;
		if (!free && (!found->until || time_after(jiffies, found->until)))
			free = found;
	}
	if (!free)
		return found;
	free->who = who;
	free->left_out = 0;
	ratelimit_default_init(&free->limit);
	ratelimit_set_flags(&free->limit, RATELIMIT_MSG_ON_RELEASE);
	return free;
}

/* Whether there is a line for it. */
static bool secmem_violator_may(unsigned int *left_out)
{
	struct secmem_violator *violator =
		secmem_violator_find(secmem_violator_who());

	violator->until = (jiffies + DEFAULT_RATELIMIT_INTERVAL) ?: 1;
	if (!__ratelimit(&violator->limit)) {
		violator->left_out++;
		return false;
	}
	*left_out = violator->left_out;
	violator->left_out = 0;
	return true;
}

/**
 * secmem_violation_note - a touch is refused
 * @vault: the number of the one whose view was touched
 * @vmf: the touch
 * @closed: of a secret that is closed, not one that is shut
 *
 * Context: Process context, from a fault, with mmap_lock held. Does not sleep.
 */
void secmem_violation_note(unsigned long vault, const struct vm_fault *vmf,
			   bool closed)
{
	struct secmem_violation violation = {
		.pid = task_tgid_nr(current),
		.vault = vault,
		.pgoff = vmf->pgoff,
		.write = vmf->flags & FAULT_FLAG_WRITE,
		.closed = closed,
	};
	unsigned int index;
	bool wanted;

	secmem_count_add(violations, 1);
	trace_secmem_violation(violation.vault, violation.pid, vmf->address,
			       violation.write, closed);
	get_task_comm(violation.name, current->group_leader);
	spin_lock(&secmem_violation_lock);
	wanted = secmem_violator_may(&violation.left_out);
	if (wanted && secmem_violation_count == SECMEM_VIOLATIONS) {
		secmem_violation_lost++;
	} else if (wanted) {
		index = secmem_violation_first + secmem_violation_count++;
		secmem_violations[index % SECMEM_VIOLATIONS] = violation;
	}
	spin_unlock(&secmem_violation_lock);
	if (wanted)
		schedule_work(&secmem_violation_work);
}

/**
 * secmem_violation_setup - at module load
 *
 * Context: Process context.
 */
void secmem_violation_setup(void)
{
	struct secmem_violator *rest = &secmem_violators[SECMEM_VIOLATORS];

	ratelimit_default_init(&rest->limit);
	ratelimit_set_flags(&rest->limit, RATELIMIT_MSG_ON_RELEASE);
}

/**
 * secmem_violation_teardown - at module unload, when there is no view
 *
 * What there is to say is said.
 *
 * Context: Process context, may sleep.
 */
void secmem_violation_teardown(void)
{
	flush_work(&secmem_violation_work);
}
