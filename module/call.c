// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls on their way: the caller's struct is fetched, the call runs, its results
 * are told.
 */
#include <linux/uaccess.h>

#include "base.h"
#include "call.h"

/*
 * The caller's struct. Usually it is of the size that is known here, and then
 * taken word by word, which is shorter than the way into copy_from_user().
 */
static int secmem_call_fetch(struct secmem_call *call, u32 known,
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
	/* The caller may have changed it since it was read. */
	call->size = size;
	return ret;
fault:
	user_read_access_end();
	goto again;
}

static int secmem_call_tell(const struct secmem_call *call, u32 known,
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

/**
 * secmem_call_run - an ioctl that has a struct
 * @grant: of the file
 * @ioctl: which
 * @user: the caller's struct
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of the call.
 */
long secmem_call_run(struct secmem_grant *grant,
		     const struct secmem_ioctl *ioctl, void __user *user)
{
	struct secmem_call call;
	int ret;

	ret = secmem_call_fetch(&call, ioctl->size, user);
	if (ret)
		return ret;
	ret = ioctl->run(grant, &call);
	if (ret || !ioctl->out)
		return ret;
	ret = secmem_call_tell(&call, ioctl->size, user);
	if (ioctl->end)
		ioctl->end(grant, &call, !ret);
	return ret;
}
