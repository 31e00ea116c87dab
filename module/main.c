// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmem: /dev/secmem, its file operations and the table of its ioctls.
 *
 * The design is GoDaddy Asherah's Protected Memory, carried into the kernel:
 * protections none, read-only and read-write; accesses counted with atomics;
 * a close that waits for those who hold one; wiped and freed exactly once.
 */
#include <linux/compat.h>
#include <linux/ctype.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/seq_file.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>

#include "internal.h"

static int secmem_secrets_max_set(const char *value,
				  const struct kernel_param *param)
{
	unsigned int max;
	int ret = kstrtouint(value, 0, &max);

	if (ret)
		return ret;
	if (max > SECMEM_SLOTS_MAX)
		return -ERANGE;
	return param_set_uint(value, param);
}

static const struct kernel_param_ops secmem_secrets_max_ops = {
	.set = secmem_secrets_max_set,
	.get = param_get_uint,
};

unsigned int secmem_secrets_max = 1U << 20;
module_param_cb(secrets_max, &secmem_secrets_max_ops, &secmem_secrets_max, 0644);
MODULE_PARM_DESC(secrets_max, "Secrets in one vault");

unsigned long secmem_memlock_cap;
module_param_named(memlock_cap, secmem_memlock_cap, ulong, 0644);
MODULE_PARM_DESC(memlock_cap,
		 "Bytes a user may lock, in place of RLIMIT_MEMLOCK; 0: none");

/**
 * secmem_deadline_shift - a deadline of the caller's, by the machine's clock
 * @deadline: nanoseconds, 0 or more, of CLOCK_MONOTONIC in the caller's time
 * namespace
 *
 * Context: Process context.
 * Return: it by the machine's own CLOCK_MONOTONIC, as near as that can show it.
 */
s64 secmem_deadline_shift(s64 deadline)
{
	struct timespec64 shift = {};
	s64 host;

	timens_add_monotonic(&shift);
	/* What would lie before the machine's start has passed. */
	if (check_sub_overflow(deadline, timespec64_to_ns(&shift), &host))
		return KTIME_MAX;
	return max_t(s64, host, 0);
}

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
	bool linger = args->flags & SECMEM_CREATE_LINGER;
	u32 align = args->align ?: 1;
	u64 handle;
	int ret;

	if (!args->length || args->length > SECMEM_LENGTH_MAX ||
	    align > SECMEM_ALIGN_MAX || !is_power_of_2(align) ||
	    args->reserved || (args->flags & ~SECMEM_CREATE_ALL) ||
	    args->require >> SECMEM_PROT_COUNT)
		return -EINVAL;
	ret = secmem_grant_enter(grant, SECMEM_RIGHT_CREATE);
	if (ret)
		return ret;

	call->bytes = (struct secmem_bytes){};
	secmem_bytes_layout(&call->bytes, args->length, align);
	args->protections = secmem_secret_protections(&call->bytes, linger);
	if (args->require & ~args->protections)
		return -EOPNOTSUPP;
	if ((args->flags & SECMEM_CREATE_SUSPEND_WIPE) &&
	    secmem_power_suspends())
		return -EBUSY;

	call->secret = secmem_vault_reserve(grant->vault, call->bytes.count);
	if (IS_ERR(call->secret))
		return PTR_ERR(call->secret);
	ret = secmem_bytes_create(&call->bytes, grant->vault,
				  args->flags & SECMEM_CREATE_RANDOM);
	if (ret)
		goto unreserve;
	/* Pages that cannot leave the direct map are known by now. */
	args->protections = secmem_secret_protections(&call->bytes, linger);
	if (args->require & ~args->protections) {
		secmem_bytes_destroy(&call->bytes);
		ret = -EOPNOTSUPP;
		goto unreserve;
	}
	handle = secmem_handle_make(grant->vault, call->secret->slot,
				    call->secret->generation + 1);
	secmem_canary_plant(&call->bytes, &grant->vault->canary_key, handle);
	ret = secmem_secret_publish(call->secret, &call->bytes, args->label,
				    args->flags);
	if (ret) {
		secmem_bytes_destroy(&call->bytes);
		goto unreserve;
	}
	args->handle = handle;
	return 0;
unreserve:
	secmem_vault_unreserve(call->secret);
	return ret;
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
		secmem_secret_revoke(grant, call->secret,
				     secmem_handle_generation(handle));
}

static int secmem_ioctl_acquire(struct secmem_grant *grant,
				struct secmem_call *call)
{
	struct secmem_acquire_args *args = &call->acquire;
	struct secmem_secret *secret;
	u32 mode = args->flags & (SECMEM_READ | SECMEM_WRITE);
	u32 rights = SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ;
	int ret;

	if ((args->flags & ~(SECMEM_READ | SECMEM_WRITE | SECMEM_NOWAIT)) ||
	    !is_power_of_2(mode) || args->deadline < SECMEM_FOREVER)
		return -EINVAL;
	/* What can be written in place can be read there. */
	if (mode == SECMEM_WRITE)
		rights |= SECMEM_RIGHT_WRITE;
	ret = secmem_grant_enter(grant, rights);
	if (ret)
		return ret;
	secret = secmem_grant_find(grant, args->handle);
	if (IS_ERR(secret))
		return PTR_ERR(secret);
	ret = secmem_access_acquire(grant, secret,
				    secmem_handle_generation(args->handle),
				    args->flags,
				    secmem_deadline_host(args->deadline));
	if (ret)
		return ret;
	args->offset = secmem_view_offset(grant, secret) + secret->bytes.offset;
	args->length = secret->bytes.length;
	return 0;
}

/* An access that the caller never learnt of is no access. */
static void secmem_ioctl_acquire_end(struct secmem_grant *grant,
				     struct secmem_call *call, bool ok)
{
	u64 handle = call->acquire.handle;

	if (!ok)
		secmem_access_release(grant, secmem_grant_find(grant, handle),
				      secmem_handle_generation(handle), false);
}

/* RELEASE, SEAL, CLOSE and REVOKE alike: check, enter, find. */
static struct secmem_secret *secmem_ioctl_op(struct secmem_grant *grant,
					     const struct secmem_op *args,
					     u32 right)
{
	bool waits = right == SECMEM_RIGHT_CLOSE;
	int ret;

	if ((args->flags & ~(waits ? SECMEM_NOWAIT : 0)) ||
	    (waits ? args->deadline < SECMEM_FOREVER : args->deadline))
		return ERR_PTR(-EINVAL);
	ret = secmem_grant_enter(grant, right);
	if (ret)
		return ERR_PTR(ret);
	return secmem_grant_find(grant, args->handle);
}

/* CLOSE and REVOKE of what has ended are done, also where it has for one grant. */
static int secmem_ioctl_op_error(const struct secmem_secret *secret)
{
	int ret = PTR_ERR(secret);

	return ret == -EKEYREVOKED ? 0 : ret;
}

static int secmem_ioctl_release(struct secmem_grant *grant,
				struct secmem_call *call)
{
	struct secmem_secret *secret = secmem_ioctl_op(grant, &call->op, 0);

	if (IS_ERR(secret))
		return PTR_ERR(secret);
	return secmem_access_release(grant, secret,
				     secmem_handle_generation(call->op.handle),
				     true);
}

static int secmem_ioctl_seal(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	struct secmem_secret *secret = secmem_ioctl_op(grant, &call->op,
						       SECMEM_RIGHT_SEAL);

	if (IS_ERR(secret))
		return PTR_ERR(secret);
	return secmem_secret_seal(secret,
				  secmem_handle_generation(call->op.handle));
}

static int secmem_ioctl_close(struct secmem_grant *grant,
			      struct secmem_call *call)
{
	struct secmem_secret *secret = secmem_ioctl_op(grant, &call->op,
						       SECMEM_RIGHT_CLOSE);

	if (IS_ERR(secret))
		return secmem_ioctl_op_error(secret);
	return secmem_secret_close(grant, secret,
				   secmem_handle_generation(call->op.handle),
				   call->op.flags,
				   secmem_deadline_host(call->op.deadline));
}

static int secmem_ioctl_revoke(struct secmem_grant *grant,
			       struct secmem_call *call)
{
	struct secmem_secret *secret = secmem_ioctl_op(grant, &call->op,
						       SECMEM_RIGHT_REVOKE);

	if (IS_ERR(secret))
		return secmem_ioctl_op_error(secret);
	return secmem_secret_revoke(grant, secret,
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

static int secmem_ioctl_stat(struct secmem_grant *grant,
			     struct secmem_call *call)
{
	struct secmem_secret *secret;
	int ret;

	if (call->stat.flags)
		return -EINVAL;
	ret = secmem_grant_enter(grant, 0);
	if (ret)
		return ret;
	secret = secmem_grant_find(grant, call->stat.handle);
	if (!IS_ERR(secret))
		return secmem_secret_stat(secret, &call->stat);
	if (PTR_ERR(secret) != -EKEYREVOKED)
		return PTR_ERR(secret);
	call->stat = (struct secmem_status){ .size = call->stat.size,
					   .handle = call->stat.handle,
					   .state = SECMEM_STATE_CLOSED };
	return 0;
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
	return ret ?: secmem_grant_export(grant, call);
}

static void secmem_ioctl_export_end(struct secmem_grant *grant,
				    struct secmem_call *call, bool ok)
{
	secmem_grant_export_end(call, ok);
}

static int secmem_ioctl_acquire_value(struct secmem_grant *grant, u64 handle)
{
	struct secmem_secret *secret;
	int ret;

	ret = secmem_grant_enter(grant, SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ);
	if (ret)
		return ret;
	secret = secmem_grant_find(grant, handle);
	if (IS_ERR(secret))
		return PTR_ERR(secret);
	if (secmem_view_pgoff(grant, secret) > INT_MAX)
		return -EOVERFLOW;
	ret = secmem_access_acquire(grant, secret,
				    secmem_handle_generation(handle),
				    SECMEM_READ | SECMEM_NOWAIT,
				    SECMEM_FOREVER);
	return ret ?: secmem_view_pgoff(grant, secret);
}

static int secmem_ioctl_release_value(struct secmem_grant *grant, u64 handle)
{
	struct secmem_secret *secret;
	int ret = secmem_grant_enter(grant, 0);

	if (ret)
		return ret;
	secret = secmem_grant_find(grant, handle);
	if (IS_ERR(secret))
		return PTR_ERR(secret);
	return secmem_access_release(grant, secret,
				     secmem_handle_generation(handle), true);
}

/*
 * run() checks its arguments, then the grant, then acts. With out set, its
 * results go back to the caller, and end() is told whether they arrived. A call
 * by value has no struct: its argument is a handle, and its result the call's.
 */
struct secmem_ioctl {
	u32 size;	/* of the struct's first version, and of the current */
	bool out;
	int (*run)(struct secmem_grant *grant, struct secmem_call *call);
	void (*end)(struct secmem_grant *grant, struct secmem_call *call,
		    bool ok);
	int (*by_value)(struct secmem_grant *grant, u64 handle);
};

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
	[_IOC_NR(SECMEM_IOC_ACQUIRE_VALUE)] = {
		.by_value = secmem_ioctl_acquire_value,
	},
	[_IOC_NR(SECMEM_IOC_RELEASE_VALUE)] = {
		.by_value = secmem_ioctl_release_value,
	},
};

/*
 * The caller's struct. Usually it is of the size that is known here, and then
 * taken word by word, which is shorter than the way into copy_from_user().
 */
static int secmem_ioctl_fetch(struct secmem_call *call, u32 known,
			      const void __user *user)
{
	const u64 __user *from = user;
	u64 *to = (u64 *)call;
	unsigned int i;
	u32 size;
	int ret;

	if (user_read_access_begin(user, known)) {
		for (i = 0; i < known / sizeof(u64); i++)
			unsafe_get_user(to[i], from + i, fault);
		user_read_access_end();
		if (call->size == known)
			return 0;
	}
again:
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < known)
		return -EINVAL;
	if (size > SECMEM_STRUCT_MAX)
		return -E2BIG;
	ret = copy_struct_from_user(call, known, user, size);
	/* It may have changed between the two looks. */
	call->size = size;
	return ret;
fault:
	user_read_access_end();
	goto again;
}

static int secmem_ioctl_tell(const struct secmem_call *call, u32 known,
			     void __user *user)
{
	const u64 *from = (const u64 *)call;
	u64 __user *to = user;
	unsigned int i;

	if (!user_write_access_begin(user, known))
		return -EFAULT;
	for (i = 0; i < known / sizeof(u64); i++)
		unsafe_put_user(from[i], to + i, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/* NULL where there is no such call. */
static const struct secmem_ioctl *secmem_ioctl_find(unsigned int cmd)
{
	if (_IOC_NR(cmd) >= ARRAY_SIZE(secmem_ioctls) ||
	    cmd != _IO(SECMEM_IOC_MAGIC, _IOC_NR(cmd)))
		return NULL;
	return &secmem_ioctls[array_index_nospec(_IOC_NR(cmd),
						 ARRAY_SIZE(secmem_ioctls))];
}

static long secmem_ioctl_run(struct secmem_grant *grant,
			     const struct secmem_ioctl *ioctl,
			     void __user *user)
{
	struct secmem_call call;
	int ret;

	ret = secmem_ioctl_fetch(&call, ioctl->size, user);
	if (ret)
		return ret;
	ret = ioctl->run(grant, &call);
	if (ret || !ioctl->out)
		return ret;
	ret = secmem_ioctl_tell(&call, ioctl->size, user);
	if (ioctl->end)
		ioctl->end(grant, &call, !ret);
	return ret;
}

static long secmem_file_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	const struct secmem_ioctl *ioctl = secmem_ioctl_find(cmd);

	if (!ioctl)
		return -ENOTTY;
	if (ioctl->by_value)
		return ioctl->by_value(file->private_data, arg);
	return secmem_ioctl_run(file->private_data, ioctl, (void __user *)arg);
}

#ifdef CONFIG_COMPAT
/* A handle does not fit into the argument of a 32-bit caller. */
static long secmem_file_compat_ioctl(struct file *file, unsigned int cmd,
				     unsigned long arg)
{
	const struct secmem_ioctl *ioctl = secmem_ioctl_find(cmd);

	if (!ioctl || ioctl->by_value)
		return -ENOTTY;
	return secmem_ioctl_run(file->private_data, ioctl, compat_ptr(arg));
}
#else
#define secmem_file_compat_ioctl NULL
#endif

static int secmem_file_open(struct inode *inode, struct file *file)
{
	u32 rights = SECMEM_RIGHT_ALL;
	struct secmem_vault *vault;
	struct secmem_grant *grant;

	if (!(file->f_mode & FMODE_READ))
		rights &= ~(SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	if (!(file->f_mode & FMODE_WRITE))
		rights &= ~SECMEM_RIGHT_WRITE;

	vault = secmem_vault_create();
	if (!vault)
		return -ENOMEM;
	grant = secmem_grant_create(vault, NULL, NULL, 0, rights);
	if (!grant) {
		secmem_vault_put(vault);
		return -ENOMEM;
	}
	vault->first = grant;
	grant->first = true;
	secmem_grant_attach(grant, file);
	return 0;
}

/* Each descriptor's close; the file may live on by others. */
static int secmem_file_flush(struct file *file, fl_owner_t id)
{
	secmem_grant_await_end(file->private_data);
	return 0;
}

static int secmem_file_release(struct inode *inode, struct file *file)
{
	secmem_grant_release(file->private_data);
	return 0;
}

/* A label is anybody's bytes, as a name is: none of them speaks to a terminal. */
static void secmem_file_show_text(struct seq_file *seq, const char *text,
				  unsigned int size)
{
	unsigned int i;

	for (i = 0; i < size && text[i]; i++) {
		if (isascii(text[i]) && isprint(text[i]) && text[i] != '\\')
			seq_putc(seq, text[i]);
		else
			seq_printf(seq, "\\%03o", (u8)text[i]);
	}
}

static void secmem_file_show_secret(struct seq_file *seq,
				    struct secmem_grant *grant)
{
	static const char * const states[] = { "closed", "open", "closing" };
	struct secmem_status stat = { .handle = grant->handle };

	secmem_secret_stat(grant->secret, &stat);
	seq_printf(seq, "handle:\t%llu\nstate:\t%s\nlabel:\t", stat.handle,
		   states[stat.state]);
	secmem_file_show_text(seq, stat.label, sizeof(stat.label));
	seq_printf(seq, "\nlength:\t%llu\nreaders:\t%u\nwriters:\t%u\nwaiters:\t%u\n",
		   stat.length, stat.readers, stat.writers, stat.waiters);
}

static void secmem_file_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct secmem_grant *grant = file->private_data;
	struct secmem_owner owner;

	secmem_vault_owner(grant->vault, &owner, true);
	seq_printf(seq, "vault:\t%lu\nowner:\t%d ", grant->vault->number,
		   owner.pid);
	secmem_file_show_text(seq, owner.name, sizeof(owner.name));
	seq_printf(seq, "\nrights:\t%#x\nvault-secrets:\t%u\nvault-waiters:\t%u\n",
		   grant->rights, secmem_vault_secrets(grant->vault),
		   atomic_read(&grant->vault->waiters));
	secmem_pages_show(grant->vault, seq);
	if (grant->secret)
		secmem_file_show_secret(seq, grant);
}

const struct file_operations secmem_file_ops = {
	.owner = THIS_MODULE,
	.open = secmem_file_open,
	.flush = secmem_file_flush,
	.release = secmem_file_release,
	.unlocked_ioctl = secmem_file_ioctl,
	.compat_ioctl = secmem_file_compat_ioctl,
	.mmap = secmem_view_mmap,
	.read_iter = secmem_copy_read_iter,
	.poll = secmem_watch_poll,
	.show_fdinfo = secmem_file_show_fdinfo,
};

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
	ret = secmem_vault_setup();
	if (ret)
		goto directmap;
	ret = secmem_errand_setup();
	if (ret)
		goto vault;
	ret = secmem_pages_setup();
	if (ret)
		goto errand;
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
errand:
	secmem_errand_teardown();
vault:
	secmem_vault_teardown();
directmap:
	secmem_directmap_teardown();
	return ret;
}

static void __exit secmem_exit(void)
{
	secmem_power_watch(secmem_device.this_device, false);
	misc_deregister(&secmem_device);
	secmem_grant_teardown();
	secmem_power_teardown();
	secmem_linger_teardown();
	secmem_errand_teardown();
	secmem_violation_teardown();
	secmem_pages_teardown();
	secmem_vault_teardown();
	secmem_directmap_teardown();
}

module_init(secmem_init);
module_exit(secmem_exit);

MODULE_DESCRIPTION("Secrets in pages that are mapped nowhere until accessed");
MODULE_VERSION(SECMEM_VERSION);
MODULE_LICENSE("GPL");
