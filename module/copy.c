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

#include "bind.h"
#include "bounce.h"
#include "copy.h"
#include "wait.h"

static int secmem_bounce_alloc(struct secmem_bounce *bounce, u32 length)
{
	INIT_HLIST_NODE(&bounce->by_place);
	bounce->length = length;
	bounce->wiped = 0;
	bounce->at = length <= sizeof(bounce->small) ?
			     bounce->small :
			     kvmalloc(length, SECMEM_GFP);
	return bounce->at ? 0 : -ENOMEM;
}

static void secmem_bounce_free(struct secmem_bounce *bounce)
{
	if (bounce->at == bounce->small)
		memzero_explicit(bounce->small, bounce->length);
	else
		kvfree_sensitive(bounce->at, bounce->length);
}

/*
 * Is the range within the secret? The offset is clamped, too, as the processor
 * may run ahead of the check.
 */
static int secmem_copy_range(struct secmem_place *place, u64 *offset,
			     u64 length)
{
	u64 room = place->bytes.length;

	lockdep_assert_held(&place->lock);
	if (length > room || *offset > room - length)
		return -EINVAL;
	*offset = array_index_nospec(*offset, room - length + 1);
	return 0;
}

/* Lock the secret once a copy may begin. */
static int secmem_copy_lock(struct secmem_grant *grant,
			    struct secmem_place *place,
			    const struct secmem_copy *args,
			    enum secmem_event event)
{
	struct secmem_waiter waiter;

	secmem_waiter_setup(&waiter, grant, place, args->flags,
			    secmem_deadline_host(args->deadline));
	return secmem_place_lock_for(&waiter,
				     secmem_handle_generation(args->handle),
				     event);
}

/*
 * Read from a secret into a bounce buffer. From then on the end of the secret
 * reaches that.
 */
static int secmem_copy_out(struct secmem_grant *grant,
			   struct secmem_place *place, struct secmem_copy *args,
			   struct secmem_bounce *bounce)
{
	int ret = secmem_copy_lock(grant, place, args, SECMEM_EVENT_COPY_OUT);

	if (ret)
		return ret;
	ret = secmem_copy_range(place, &args->offset, bounce->length);
	if (!ret)
		ret = secmem_bytes_read(&place->bytes, args->offset, bounce->at,
					bounce->length);
	if (!ret)
		secmem_bounce_add(place, bounce);
	secmem_place_unlock(place);
	return ret;
}

/*
 * Give a few bytes without a bounce buffer. Returns 1 where the caller's buffer
 * would take a fault.
 */
static int secmem_copy_give(struct secmem_grant *grant,
			    struct secmem_place *place,
			    struct secmem_copy *args)
{
	int ret = secmem_copy_lock(grant, place, args, SECMEM_EVENT_COPY_OUT);

	if (ret)
		return ret;
	ret = secmem_copy_range(place, &args->offset, args->length);
	if (!ret &&
	    !secmem_bytes_give(&place->bytes, args->offset,
			       u64_to_user_ptr(args->buffer), args->length))
		ret = 1;
	secmem_place_unlock(place);
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
	struct secmem_place *place = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(place))
		return PTR_ERR(place);
	if (args->length <= sizeof(bounce.small)) {
		ret = secmem_copy_give(grant, place, args);
		if (ret <= 0)
			return ret;
	}
	ret = secmem_bounce_alloc(&bounce, args->length);
	if (ret)
		return ret;
	ret = secmem_copy_out(grant, place, args, &bounce);
	if (!ret) {
		if (copy_to_user(u64_to_user_ptr(args->buffer), bounce.at,
				 bounce.length))
			ret = -EFAULT;
		ret = secmem_bounce_end(place, &bounce) ?: ret;
	}
	secmem_bounce_free(&bounce);
	return ret;
}

/* Fetch the caller's bytes, then lock the secret for them. */
static int secmem_copy_in(struct secmem_grant *grant,
			  struct secmem_place *place,
			  const struct secmem_copy *args,
			  enum secmem_event event, struct secmem_bounce *bounce)
{
	int ret = secmem_bounce_alloc(bounce, args->length);

	if (ret)
		return ret;
	ret = -EFAULT;
	if (!copy_from_user(bounce->at, u64_to_user_ptr(args->buffer),
			    bounce->length))
		ret = secmem_copy_lock(grant, place, args, event);
	if (ret)
		secmem_bounce_free(bounce);
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
	struct secmem_place *place = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(place))
		return PTR_ERR(place);
	ret = secmem_copy_in(grant, place, args, SECMEM_EVENT_COPY_IN, &bounce);
	if (ret)
		return ret;
	ret = secmem_copy_range(place, &args->offset, bounce.length);
	if (!ret)
		ret = secmem_bytes_write(&place->bytes, args->offset, bounce.at,
					 bounce.length);
	if (!ret)
		ret = secmem_secret_mend(place);
	secmem_place_unlock(place);
	secmem_bounce_free(&bounce);
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
	struct secmem_place *place = secmem_grant_find(grant, args->handle);
	struct secmem_bounce bounce;
	int ret;

	if (IS_ERR(place))
		return PTR_ERR(place);
	ret = secmem_copy_in(grant, place, args, SECMEM_EVENT_COPY_OUT,
			     &bounce);
	if (ret)
		return ret;
	if (bounce.length == place->bytes.length)
		ret = secmem_bytes_equal(&place->bytes, bounce.at);
	secmem_place_unlock(place);
	secmem_bounce_free(&bounce);
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
	struct secmem_place *place;
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

	if (!grant->place)
		return -EINVAL;
	ret = secmem_grant_enter(grant, SECMEM_RIGHT_READ);
	if (ret)
		return ret;
	place = secmem_grant_find(grant, grant->handle);
	if (IS_ERR(place))
		return PTR_ERR(place);
	/*
	 * The secret may close meanwhile; secmem_copy_out() looks again, with
	 * the lock.
	 */
	length = READ_ONCE(place->bytes.length);
	if (iocb->ki_pos >= length)
		length = 0;
	else
		length = min_t(u64, length - iocb->ki_pos, iov_iter_count(to));
	if (!length)
		args.offset = 0;
	ret = secmem_bounce_alloc(&bounce, length);
	if (ret)
		return ret;
	ret = secmem_copy_out(grant, place, &args, &bounce);
	if (!ret) {
		ret = copy_to_iter(bounce.at, length, to);
		if (!ret && length)
			ret = -EFAULT;
		ret = secmem_bounce_end(place, &bounce) ?: ret;
	}
	secmem_bounce_free(&bounce);
	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
}
