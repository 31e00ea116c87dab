// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ, WRITE, COMPARE and pread: an access in one call, through a bounce
 * buffer that is wiped. That buffer has the length of the call, not of a chunk,
 * so that a call is whole: what it reads is of one moment, and what it could
 * not fetch from the caller changes nothing. The caller's buffer is touched
 * when nothing is held, as it may lie inside the secret itself, and its faults
 * may take as long as somebody likes. A few bytes are given without the detour,
 * and without any fault.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "internal.h"

static int secmem_bounce_get(struct secmem_bounce *bounce, u32 length)
{
	INIT_HLIST_NODE(&bounce->by_secret);
	bounce->length = length;
	bounce->wiped = 0;
	bounce->at = length <= sizeof(bounce->small) ?
			     bounce->small :
			     kvmalloc(length, SECMEM_GFP);
	return bounce->at ? 0 : -ENOMEM;
}

static void secmem_bounce_put(struct secmem_bounce *bounce)
{
	if (bounce->at == bounce->small)
		memzero_explicit(bounce->small, bounce->length);
	else
		kvfree_sensitive(bounce->at, bounce->length);
}

/*
 * Is what the caller asks for within the secret? The offset is clamped, too, for
 * a processor that goes on before it knows.
 */
static int secmem_copy_range(struct secmem_secret *secret, u64 *offset,
			     u64 length)
{
	u64 room = secret->bytes.length;

	lockdep_assert_held(&secret->lock);
	if (length > room || *offset > room - length)
		return -EINVAL;
	*offset = array_index_nospec(*offset, room - length + 1);
	return 0;
}

/* Lock the secret once a copy may begin. */
static int secmem_copy_lock(struct secmem_grant *grant,
			    struct secmem_secret *secret,
			    const struct secmem_copy *args,
			    enum secmem_event event)
{
	struct secmem_waiter waiter;

	secmem_secret_wait_setup(&waiter, grant, secret, args->flags,
				 secmem_deadline_host(args->deadline));
	return secmem_secret_lock_for(&waiter,
				      secmem_handle_generation(args->handle),
				      event);
}

/*
 * Read from a secret into a bounce buffer, which the end of the secret reaches
 * from now on.
 */
static int secmem_copy_out(struct secmem_grant *grant,
			   struct secmem_secret *secret,
			   struct secmem_copy *args,
			   struct secmem_bounce *bounce)
{
	int ret = secmem_copy_lock(grant, secret, args, SECMEM_EVENT_COPY_OUT);

	if (ret)
		return ret;
	ret = secmem_copy_range(secret, &args->offset, bounce->length);
	if (!ret)
		ret = secmem_bytes_read(&secret->bytes, args->offset,
					bounce->at, bounce->length);
	if (!ret) {
		spin_lock(&secret->vault->calls_lock);
		hlist_add_head(&bounce->by_secret, &secret->bounces);
		spin_unlock(&secret->vault->calls_lock);
	}
	secmem_secret_unlock(secret);
	return ret;
}

/*
 * The caller has its copy, unless the secret ended, or is ending, meanwhile. The
 * secret's lock is not waited for: who holds it may be anybody.
 */
static int secmem_copy_out_end(struct secmem_secret *secret,
			       struct secmem_bounce *bounce)
{
	int ret;

	spin_lock(&secret->vault->calls_lock);
	ret = hlist_unhashed(&bounce->by_secret) || bounce->wiped ?
		      -EKEYREVOKED :
		      0;
	hlist_del_init(&bounce->by_secret);
	spin_unlock(&secret->vault->calls_lock);
	return ret;
}

/**
 * secmem_copy_revoke - wipe what READs have on its way to their callers
 * @secret: it ends
 *
 * A caller's buffer may be slow for as long as the caller likes. What has not
 * reached it by now does not: it finds zeros, and the call EKEYREVOKED.
 *
 * Context: The caller holds @secret's lock, so that no buffer is added.
 */
void secmem_copy_revoke(struct secmem_secret *secret)
{
	spinlock_t *lock = &secret->vault->calls_lock;
	struct secmem_bounce *bounce;
	u32 length;

	lockdep_assert_held(&secret->lock);
	/* By pieces: the lock keeps the buffer, and others spin for it. */
	for (;;) {
		spin_lock(lock);
		bounce = hlist_entry_safe(secret->bounces.first,
					  struct secmem_bounce, by_secret);
		if (!bounce)
			break;
		length = min_t(u32, bounce->length - bounce->wiped, PAGE_SIZE);
		memzero_explicit(bounce->at + bounce->wiped, length);
		bounce->wiped += length;
		if (bounce->wiped == bounce->length)
			hlist_del_init(&bounce->by_secret);
		spin_unlock(lock);
		cond_resched();
	}
	spin_unlock(lock);
}

/* 1: the caller's buffer is not there, so that it takes a fault. */
static int secmem_copy_give(struct secmem_grant *grant,
			    struct secmem_secret *secret,
			    struct secmem_copy *args)
{
	int ret = secmem_copy_lock(grant, secret, args, SECMEM_EVENT_COPY_OUT);

	if (ret)
		return ret;
	ret = secmem_copy_range(secret, &args->offset, args->length);
	if (!ret && !secmem_bytes_give(&secret->bytes, args->offset,
				       u64_to_user_ptr(args->buffer),
				       args->length))
		ret = 1;
	secmem_secret_unlock(secret);
	return ret;
}

/**
 * secmem_copy_read - SECMEM_IOC_READ
 * @grant: entered by the current mm
 * @args: the call, checked for what needs no secret
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of READ.
 */
int secmem_copy_read(struct secmem_grant *grant, struct secmem_copy *args)
{
	struct secmem_secret *secret = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(secret))
		return PTR_ERR(secret);
	if (args->length <= sizeof(bounce.small)) {
		ret = secmem_copy_give(grant, secret, args);
		if (ret <= 0)
			return ret;
	}
	ret = secmem_bounce_get(&bounce, args->length);
	if (ret)
		return ret;
	ret = secmem_copy_out(grant, secret, args, &bounce);
	if (!ret) {
		if (copy_to_user(u64_to_user_ptr(args->buffer), bounce.at,
				 bounce.length))
			ret = -EFAULT;
		ret = secmem_copy_out_end(secret, &bounce) ?: ret;
	}
	secmem_bounce_put(&bounce);
	return ret;
}

/* Fetch the caller's bytes, then lock the secret for them. */
static int secmem_copy_in(struct secmem_grant *grant,
			  struct secmem_secret *secret,
			  const struct secmem_copy *args,
			  enum secmem_event event, struct secmem_bounce *bounce)
{
	int ret = secmem_bounce_get(bounce, args->length);

	if (ret)
		return ret;
	ret = -EFAULT;
	if (!copy_from_user(bounce->at, u64_to_user_ptr(args->buffer),
			    bounce->length))
		ret = secmem_copy_lock(grant, secret, args, event);
	if (ret)
		secmem_bounce_put(bounce);
	return ret;
}

/**
 * secmem_copy_write - SECMEM_IOC_WRITE
 * @grant: entered by the current mm
 * @args: the call, checked for what needs no secret
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of WRITE.
 */
int secmem_copy_write(struct secmem_grant *grant, struct secmem_copy *args)
{
	struct secmem_secret *secret = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(secret))
		return PTR_ERR(secret);
	ret = secmem_copy_in(grant, secret, args, SECMEM_EVENT_COPY_IN,
			     &bounce);
	if (ret)
		return ret;
	ret = secmem_copy_range(secret, &args->offset, bounce.length);
	if (!ret)
		ret = secmem_bytes_write(&secret->bytes, args->offset,
					 bounce.at, bounce.length);
	if (!ret)
		ret = secmem_secret_mend(secret);
	secmem_secret_unlock(secret);
	secmem_bounce_put(&bounce);
	return ret;
}

/**
 * secmem_copy_compare - SECMEM_IOC_COMPARE
 * @grant: entered by the current mm
 * @args: the call, checked for what needs no secret; equal is filled in
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of COMPARE.
 */
int secmem_copy_compare(struct secmem_grant *grant, struct secmem_copy *args)
{
	struct secmem_secret *secret = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(secret))
		return PTR_ERR(secret);
	ret = secmem_copy_in(grant, secret, args, SECMEM_EVENT_COPY_OUT,
			     &bounce);
	if (ret)
		return ret;
	if (bounce.length == secret->bytes.length)
		ret = secmem_bytes_equal(&secret->bytes, bounce.at);
	secmem_secret_unlock(secret);
	secmem_bounce_put(&bounce);
	if (ret < 0)
		return ret;
	args->equal = ret;
	return 0;
}

/**
 * secmem_copy_read_iter - pread of a grant of one secret
 * @iocb: says where
 * @to: says how much and whither
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: bytes read, 0 at the end; or an errno of READ.
 */
ssize_t secmem_copy_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct secmem_grant *grant = iocb->ki_filp->private_data;
	struct secmem_secret *secret = grant->secret;
	bool nowait = (iocb->ki_flags & IOCB_NOWAIT) ||
		      (iocb->ki_filp->f_flags & O_NONBLOCK);
	struct secmem_copy args = {
		.flags = nowait ? SECMEM_NOWAIT : 0,
		.handle = grant->handle,
		.deadline = SECMEM_FOREVER,
		.offset = iocb->ki_pos,
	};
	struct secmem_bounce bounce;
	u32 length;
	ssize_t ret;

	if (!secret)
		return -EINVAL;
	ret = secmem_grant_enter(grant, SECMEM_RIGHT_READ);
	if (ret)
		return ret;
	/* Racy where the secret closes; secmem_copy_out() looks again. */
	length = READ_ONCE(secret->bytes.length);
	if (iocb->ki_pos >= length)
		length = 0;
	else
		length = min_t(u64, length - iocb->ki_pos, iov_iter_count(to));
	if (!length)
		args.offset = 0;
	ret = secmem_bounce_get(&bounce, length);
	if (ret)
		return ret;
	ret = secmem_copy_out(grant, secret, &args, &bounce);
	if (!ret) {
		ret = copy_to_iter(bounce.at, length, to);
		if (!ret && length)
			ret = -EFAULT;
		ret = secmem_copy_out_end(secret, &bounce) ?: ret;
	}
	secmem_bounce_put(&bounce);
	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
}
