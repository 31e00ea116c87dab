// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of ioctls: what each checks before it acts.
 */
#include <linux/compat.h>
#include <linux/nospec.h>

#include "access.h"
#include "base.h"
#include "bind.h"
#include "call.h"
#include "copy.h"
#include "create.h"
#include "drop.h"
#include "export.h"
#include "file.h"
#include "grant.h"
#include "ioctl.h"
#include "protect.h"
#include "secret.h"
#include "switch.h"
#include "view.h"
#include "wait.h"
#include "watch.h"

static int secmem_ioctl_info(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	struct secmem_info *info = &call->info;
	struct secmem_counts sum;
	unsigned int bit;

	if (info->flags)
		return -EINVAL;
	secmem_counts_sum(&sum);
	*info = (struct secmem_info){
		.size = info->size,
		.abi_version = SECMEM_ABI_VERSION,
		.rights = grant->rights,
		.protections = secmem_protections(),
		.handle = grant->handle,
		.grant_id = grant->id,
		.length_max = SECMEM_LENGTH_MAX,
		.secrets_max = READ_ONCE(secmem_secrets_max),
		.memlock_cap = READ_ONCE(secmem_memlock_cap),
		.vaults = sum.vaults,
		.grants = sum.grants,
		.secrets = sum.secrets,
		.pages = sum.pages,
		.accesses = sum.accesses,
		.waiters = sum.waiters,
		.violations = sum.violations,
		.wipes = sum.wipes,
		.version = SECMEM_VERSION,
	};
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
		info->why[bit] = secmem_protection_why(bit);
	return 0;
}

static int secmem_ioctl_create(struct secmem_grant *grant,
			       struct secmem_call *call)
{
	struct secmem_create_args *args = &call->create;
	u32 align = args->align ?: 1;
	int ret;

	if (!args->length || args->length > SECMEM_LENGTH_MAX ||
	    align > SECMEM_ALIGN_MAX || !is_power_of_2(align) ||
	    args->reserved || (args->flags & ~SECMEM_CREATE_ALL) ||
	    args->require >> SECMEM_PROT_COUNT)
		return -EINVAL;
	ret = secmem_grant_enter(grant, SECMEM_RIGHT_CREATE);
	return ret ?: secmem_secret_create(grant, args, &call->place);
}

/*
 * It is published before the caller knows of it: whoever ends the vault, or puts
 * the machine to sleep, reaches it while its result is on the way to a slow
 * buffer. One that the caller never learnt of ends.
 */
static void secmem_ioctl_create_end(struct secmem_grant *grant,
				    struct secmem_call *call, bool ok)
{
	u64 handle = call->create.handle;

	if (!ok)
		secmem_secret_revoke(grant, call->place,
				     secmem_handle_generation(handle));
}

/* Enter the grant, which must have these rights, and find the secret. */
static struct secmem_place *secmem_ioctl_place(struct secmem_grant *grant,
					       u64 handle, u32 rights)
{
	int ret = secmem_grant_enter(grant, rights);

	return ret ? ERR_PTR(ret) : secmem_grant_find(grant, handle);
}

static int secmem_ioctl_acquire(struct secmem_grant *grant,
				struct secmem_call *call)
{
	struct secmem_acquire_args *args = &call->acquire;
	u32 generation = secmem_handle_generation(args->handle);
	struct secmem_bytes bytes;
	struct secmem_place *place;
	u32 mode = args->flags & (SECMEM_READ | SECMEM_WRITE);
	u32 rights = SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ;
	int ret;

	if ((args->flags & ~(SECMEM_READ | SECMEM_WRITE | SECMEM_NOWAIT)) ||
	    !is_power_of_2(mode) || args->deadline < SECMEM_FOREVER)
		return -EINVAL;
	/* Memory that is mapped to be written can be read. */
	if (mode == SECMEM_WRITE)
		rights |= SECMEM_RIGHT_WRITE;
	place = secmem_ioctl_place(grant, args->handle, rights);
	if (IS_ERR(place))
		return PTR_ERR(place);
	ret = secmem_access_acquire(grant, place, generation, args->flags,
				    secmem_deadline_host(args->deadline));
	if (ret)
		return ret;
	/* No lock is held: below it is seen whether they were another secret's. */
	bytes = data_race(place->bytes);
	args->offset = secmem_view_offset(grant, place) + bytes.offset;
	args->length = bytes.length;
	/*
	 * The access may be over by now: it was revoked, or another thread gave it
	 * back and dropped the secret. Then these may be of the next secret of the
	 * place. Pairs with the barrier in secmem_secret_publish().
	 */
	smp_rmb();
	return READ_ONCE(place->generation) != generation ||
			       secmem_grant_has_dropped(grant, place,
							generation) ?
		       -EKEYREVOKED :
		       0;
}

/* An access that the caller never learnt of is no access. */
static void secmem_ioctl_acquire_end(struct secmem_grant *grant,
				     struct secmem_call *call, bool ok)
{
	u64 handle = call->acquire.handle;
	struct secmem_place *place;

	if (ok)
		return;
	place = secmem_grant_find(grant, handle);
	/* Another thread may have guessed it, given it back and dropped it. */
	if (!IS_ERR(place))
		secmem_access_release(grant, place,
				      secmem_handle_generation(handle), false);
}

static int secmem_ioctl_switch(struct secmem_grant *grant,
			       struct secmem_call *call)
{
	const struct secmem_op *args = &call->op;
	bool up = args->flags & SECMEM_WRITE;
	struct secmem_place *place;

	if ((args->flags & ~(SECMEM_WRITE | SECMEM_NOWAIT)) &&
	    args->flags != SECMEM_READ)
		return -EINVAL;
	if (up ? args->deadline < SECMEM_FOREVER :
		 args->flags != SECMEM_READ || args->deadline)
		return -EINVAL;
	place = secmem_ioctl_place(grant, args->handle,
				   up ? SECMEM_RIGHT_WRITE : 0);
	if (IS_ERR(place))
		return PTR_ERR(place);
	return secmem_access_switch(grant, place,
				    secmem_handle_generation(args->handle),
				    args->flags,
				    secmem_deadline_host(args->deadline));
}

/* RELEASE, SEAL, DROP, CLOSE and REVOKE alike: check, enter, find. */
static struct secmem_place *secmem_ioctl_op(struct secmem_grant *grant,
					    const struct secmem_op *args,
					    u32 right, bool waits)
{
	if ((args->flags & ~(waits ? SECMEM_NOWAIT : 0)) ||
	    (waits ? args->deadline < SECMEM_FOREVER : args->deadline))
		return ERR_PTR(-EINVAL);
	return secmem_ioctl_place(grant, args->handle, right);
}

/*
 * CLOSE and REVOKE of a secret that has ended succeed; also where it has ended
 * for this grant alone.
 */
static int secmem_ioctl_op_error(const struct secmem_place *place)
{
	int ret = PTR_ERR(place);

	return ret == -EKEYREVOKED ? 0 : ret;
}

static int secmem_ioctl_release(struct secmem_grant *grant,
				struct secmem_call *call)
{
	struct secmem_place *place = secmem_ioctl_op(grant, &call->op, 0, false);

	if (IS_ERR(place))
		return PTR_ERR(place);
	return secmem_access_release(grant, place,
				     secmem_handle_generation(call->op.handle),
				     true);
}

static int secmem_ioctl_seal(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	struct secmem_place *place =
		secmem_ioctl_op(grant, &call->op, SECMEM_RIGHT_SEAL, false);

	if (IS_ERR(place))
		return PTR_ERR(place);
	return secmem_secret_seal(grant, place,
				  secmem_handle_generation(call->op.handle));
}

static int secmem_ioctl_drop(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	/* The file of a grant of one secret is of no use to anybody after that. */
	u32 right = grant->place ? SECMEM_RIGHT_CLOSE : 0;
	struct secmem_place *place =
		secmem_ioctl_op(grant, &call->op, right, false);

	if (IS_ERR(place))
		return PTR_ERR(place);
	return secmem_secret_drop(grant, place,
				  secmem_handle_generation(call->op.handle));
}

static int secmem_ioctl_close(struct secmem_grant *grant,
			      struct secmem_call *call)
{
	struct secmem_place *place =
		secmem_ioctl_op(grant, &call->op, SECMEM_RIGHT_CLOSE, true);

	if (IS_ERR(place))
		return secmem_ioctl_op_error(place);
	return secmem_secret_close(grant, place,
				   secmem_handle_generation(call->op.handle),
				   call->op.flags,
				   secmem_deadline_host(call->op.deadline));
}

static int secmem_ioctl_revoke(struct secmem_grant *grant,
			       struct secmem_call *call)
{
	struct secmem_place *place =
		secmem_ioctl_op(grant, &call->op, SECMEM_RIGHT_REVOKE, false);

	if (IS_ERR(place))
		return secmem_ioctl_op_error(place);
	return secmem_secret_revoke(grant, place,
				    secmem_handle_generation(call->op.handle));
}

static int secmem_ioctl_copy_check(struct secmem_grant *grant,
				   const struct secmem_copy *args, u32 right)
{
	if ((args->flags & ~SECMEM_NOWAIT) || args->equal || args->reserved ||
	    args->deadline < SECMEM_FOREVER ||
	    args->length > SECMEM_LENGTH_MAX ||
	    (right == SECMEM_RIGHT_COMPARE && args->offset))
		return -EINVAL;
	return secmem_grant_enter(grant, right);
}

static int secmem_ioctl_read(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	int ret = secmem_ioctl_copy_check(grant, &call->copy,
					  SECMEM_RIGHT_READ);

	return ret ?: secmem_copy_read(grant, &call->copy);
}

static int secmem_ioctl_write(struct secmem_grant *grant,
			      struct secmem_call *call)
{
	int ret = secmem_ioctl_copy_check(grant, &call->copy,
					  SECMEM_RIGHT_WRITE);

	return ret ?: secmem_copy_write(grant, &call->copy);
}

static int secmem_ioctl_compare(struct secmem_grant *grant,
				struct secmem_call *call)
{
	int ret = secmem_ioctl_copy_check(grant, &call->copy,
					  SECMEM_RIGHT_COMPARE);

	return ret ?: secmem_copy_compare(grant, &call->copy);
}

static int secmem_ioctl_stat_handle(struct secmem_grant *grant,
				    struct secmem_status *stat)
{
	struct secmem_place *place = secmem_grant_find(grant, stat->handle);
	int ret;

	if (!IS_ERR(place)) {
		ret = secmem_secret_stat(place, stat);
		if (!ret && stat->state != SECMEM_STATE_CLOSED)
			stat->offset += secmem_view_offset(grant, place);
		return ret;
	}
	if (PTR_ERR(place) != -EKEYREVOKED)
		return PTR_ERR(place);
	*stat = (struct secmem_status){ .size = stat->size,
				      .handle = stat->handle,
				      .state = SECMEM_STATE_CLOSED };
	return 0;
}

/* What the place serves may change meanwhile: then it is not there any more. */
static int secmem_ioctl_stat_offset(struct secmem_grant *grant,
				    struct secmem_status *stat)
{
	u64 offset = stat->handle;
	struct secmem_place *place =
		secmem_view_place(grant, offset >> PAGE_SHIFT);
	int ret;

	if (!place)
		return -ENOENT;
	stat->handle = secmem_handle_make(grant->vault, place->slot,
					  READ_ONCE(place->generation));
	ret = secmem_ioctl_stat_handle(grant, stat);
	if (ret)
		return ret;
	return stat->state != SECMEM_STATE_CLOSED && stat->offset == offset ?
		       0 :
		       -ENOENT;
}

static int secmem_ioctl_stat(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	struct secmem_status *stat = &call->stat;
	bool by_offset = stat->flags & SECMEM_BY_OFFSET;
	int ret;

	if (stat->flags & ~SECMEM_BY_OFFSET)
		return -EINVAL;
	ret = secmem_grant_enter(grant, 0);
	if (ret)
		return ret;
	return by_offset ? secmem_ioctl_stat_offset(grant, stat) :
			   secmem_ioctl_stat_handle(grant, stat);
}

static int secmem_ioctl_export(struct secmem_grant *grant,
			       struct secmem_call *call)
{
	struct secmem_export_args *args = &call->export;
	int ret;

	if (args->flags || !args->rights ||
	    (args->rights & ~SECMEM_RIGHT_ALL) ||
	    (args->handle && (args->rights & SECMEM_RIGHT_CREATE)))
		return -EINVAL;
	ret = secmem_grant_enter(grant, SECMEM_RIGHT_EXPORT);
	return ret ?: secmem_grant_export(grant, args, &secmem_file_ops,
					  &call->file);
}

static void secmem_ioctl_export_end(struct secmem_grant *grant,
				    struct secmem_call *call, bool ok)
{
	secmem_grant_export_end(&call->export, call->file, ok);
}

static int secmem_ioctl_acquire_value(struct secmem_grant *grant, u64 handle)
{
	struct secmem_place *place =
		secmem_ioctl_place(grant, handle,
				   SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ);
	int ret;

	if (IS_ERR(place))
		return PTR_ERR(place);
	if (secmem_view_pgoff(grant, place) > INT_MAX)
		return -EOVERFLOW;
	ret = secmem_access_acquire(grant, place,
				    secmem_handle_generation(handle),
				    SECMEM_READ | SECMEM_NOWAIT,
				    SECMEM_FOREVER);
	return ret ?: secmem_view_pgoff(grant, place);
}

static int secmem_ioctl_release_value(struct secmem_grant *grant, u64 handle)
{
	struct secmem_place *place = secmem_ioctl_place(grant, handle, 0);

	if (IS_ERR(place))
		return PTR_ERR(place);
	return secmem_access_release(grant, place,
				     secmem_handle_generation(handle), true);
}

#define SECMEM_IOCTL(name, type, ...)				\
	[_IOC_NR(SECMEM_IOC_##name)] = {			\
		.size = sizeof(struct secmem_##type) +		\
			BUILD_BUG_ON_ZERO(sizeof(struct secmem_##type) % \
					  sizeof(u64)),		\
		__VA_ARGS__					\
	}

static const struct secmem_ioctl secmem_ioctls[] = {
	SECMEM_IOCTL(INFO, info, .out = true, .run = secmem_ioctl_info),
	SECMEM_IOCTL(CREATE, create_args, .out = true,
		     .run = secmem_ioctl_create,
		     .end = secmem_ioctl_create_end),
	SECMEM_IOCTL(ACQUIRE, acquire_args, .out = true,
		     .run = secmem_ioctl_acquire,
		     .end = secmem_ioctl_acquire_end),
	SECMEM_IOCTL(RELEASE, op, .run = secmem_ioctl_release),
	SECMEM_IOCTL(READ, copy, .run = secmem_ioctl_read),
	SECMEM_IOCTL(WRITE, copy, .run = secmem_ioctl_write),
	SECMEM_IOCTL(COMPARE, copy, .out = true, .run = secmem_ioctl_compare),
	SECMEM_IOCTL(SEAL, op, .run = secmem_ioctl_seal),
	SECMEM_IOCTL(CLOSE, op, .run = secmem_ioctl_close),
	SECMEM_IOCTL(REVOKE, op, .run = secmem_ioctl_revoke),
	SECMEM_IOCTL(STAT, status, .out = true, .run = secmem_ioctl_stat),
	SECMEM_IOCTL(EXPORT, export_args, .out = true,
		     .run = secmem_ioctl_export,
		     .end = secmem_ioctl_export_end),
	SECMEM_IOCTL(DROP, op, .run = secmem_ioctl_drop),
	SECMEM_IOCTL(SWITCH, op, .run = secmem_ioctl_switch),
	[_IOC_NR(SECMEM_IOC_ACQUIRE_VALUE)] = {
		.by_value = secmem_ioctl_acquire_value,
	},
	[_IOC_NR(SECMEM_IOC_RELEASE_VALUE)] = {
		.by_value = secmem_ioctl_release_value,
	},
};

/* NULL where there is no such call. */
static const struct secmem_ioctl *secmem_ioctl_find(unsigned int cmd)
{
	if (_IOC_NR(cmd) >= ARRAY_SIZE(secmem_ioctls) ||
	    cmd != _IO(SECMEM_IOC_MAGIC, _IOC_NR(cmd)))
		return NULL;
	return &secmem_ioctls[array_index_nospec(_IOC_NR(cmd),
						 ARRAY_SIZE(secmem_ioctls))];
}

static long secmem_file_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	const struct secmem_ioctl *ioctl = secmem_ioctl_find(cmd);

	if (!ioctl)
		return -ENOTTY;
	if (ioctl->by_value)
		return ioctl->by_value(file->private_data, arg);
	return secmem_call_run(file->private_data, ioctl, (void __user *)arg);
}

#ifdef CONFIG_COMPAT
/* A handle does not fit into the argument of a 32-bit caller. */
static long secmem_file_compat_ioctl(struct file *file, unsigned int cmd,
				     unsigned long arg)
{
	const struct secmem_ioctl *ioctl = secmem_ioctl_find(cmd);

	if (!ioctl || ioctl->by_value)
		return -ENOTTY;
	return secmem_call_run(file->private_data, ioctl, compat_ptr(arg));
}
#else
#define secmem_file_compat_ioctl NULL
#endif

const struct file_operations secmem_file_ops = {
	.owner = THIS_MODULE,
	.open = secmem_file_open,
	.flush = secmem_file_flush,
	.release = secmem_file_release,
	.unlocked_ioctl = secmem_file_ioctl,
	.compat_ioctl = secmem_file_compat_ioctl,
	.mmap = secmem_file_mmap,
	.read_iter = secmem_copy_read_iter,
	.poll = secmem_watch_poll,
	.show_fdinfo = secmem_file_show_fdinfo,
};
