// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE: a place, pages for it, and a secret in them.
 */
#include "create.h"
#include "gate.h"
#include "protect.h"
#include "secret.h"

/**
 * secmem_secret_create - CREATE, once its arguments and the grant are checked
 * @grant: entered by the current mm, with the right to
 * @args: the call; handle and protections are filled in
 * @created: filled in: the place
 *
 * It is published on return, before the caller knows of it.
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0 or an errno of CREATE.
 */
int secmem_secret_create(struct secmem_grant *grant,
			 struct secmem_create_args *args,
			 struct secmem_place **created)
{
	bool linger = args->flags & SECMEM_CREATE_LINGER;
	struct secmem_bytes bytes = {};
	struct secmem_place *place;
	u64 handle;
	int ret;

	secmem_bytes_layout(&bytes, args->length, args->align ?: 1);
	args->protections = secmem_secret_protections(&bytes, linger);
	if (args->require & ~args->protections)
		return -EOPNOTSUPP;
	if ((args->flags & SECMEM_CREATE_SUSPEND_WIPE) &&
	    secmem_gate_suspends())
		return -EBUSY;

	place = secmem_place_reserve(grant->vault, bytes.count);
	if (IS_ERR(place))
		return PTR_ERR(place);
	ret = secmem_bytes_create(&bytes, &grant->vault->source,
				  args->flags & SECMEM_CREATE_RANDOM);
	if (ret)
		goto unreserve;
	/* Only now is it known whether the pages left the direct map. */
	args->protections = secmem_secret_protections(&bytes, linger);
	if (args->require & ~args->protections) {
		secmem_bytes_destroy(&bytes);
		ret = -EOPNOTSUPP;
		goto unreserve;
	}
	handle = secmem_handle_make(grant->vault, place->slot,
				    place->generation + 1);
	secmem_canary_plant(&bytes, &grant->vault->canary_key, handle);
	ret = secmem_secret_publish(place, &bytes, args->label, args->flags);
	if (ret) {
		secmem_bytes_destroy(&bytes);
		goto unreserve;
	}
	args->handle = handle;
	*created = place;
	return 0;
unreserve:
	secmem_place_unreserve(place);
	return ret;
}
