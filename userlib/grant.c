// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Grants, as programs see them: opened, adopted, exported, closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "annotate.h"
#include "internal.h"

int secmem_grant_open(secmem_grant_t *grant)
{
	int error;

	grant->id = 0;
	error = secmem__grant_open(&grant->id);
	secmem__defined(grant, sizeof(*grant));
	return error;
}

static int fd_adopt(int fd, int single, uint64_t *id, uint64_t *handle)
{
	struct secmem_status status = { .size = sizeof(status) };
	struct secmem_info info;
	int error;

	if (fd < 0)
		return fd;
	error = secmem__fd_info(fd, &info);
	if (error)
		return error == -EINVAL ? -ENOTTY : error;
	if (single && !info.handle)
		return -EINVAL;

	/*
	 * STAT counts as use, INFO does not: STAT binds the file to this
	 * process, or fails where the file answers another one.
	 */
	status.handle = info.handle;
	error = secmem__ioctl(fd, SECMEM_IOC_STAT, &status);
	if (error && (info.handle || error != -ENOENT))
		return error;
	*handle = info.handle;
	return secmem__grant_insert(fd, &info, id);
}

int secmem_grant_adopt(int fd, secmem_grant_t *grant)
{
	uint64_t handle;
	int error;

	grant->id = 0;
	error = fd_adopt(fd, 0, &grant->id, &handle);
	secmem__defined(grant, sizeof(*grant));
	return error;
}

int secmem_adopt(int fd, secmem_secret_t *secret)
{
	uint64_t handle = 0, id = 0;
	int error;

	*secret = SECMEM_SECRET_NONE;
	error = fd_adopt(fd, 1, &id, &handle);
	if (!error) {
		secret->grant = id;
		secret->handle = handle;
	}
	secmem__defined(secret, sizeof(*secret));
	return error;
}

int secmem_grant_close(secmem_grant_t grant)
{
	if (grant.id == SECMEM_GRANT_DEFAULT.id)
		return -EINVAL;
	return secmem__grant_close(grant.id);
}

secmem_grant_t secmem_secret_grant(secmem_secret_t secret)
{
	return (secmem_grant_t){ secret.grant };
}

int secmem_grant_info(secmem_grant_t grant, struct secmem_info *info,
		      size_t size)
{
	struct secmem__use use;
	int error;

	if (size > SECMEM_STRUCT_MAX)
		return -EINVAL;
	memset(info, 0, size);
	secmem__defined(info, size);
	if (size < sizeof(info->size))
		return -EINVAL;
	error = secmem__grant_get_checked(grant.id, &use);
	if (error)
		return error;
	info->size = size;
	error = secmem__call(&use, SECMEM_IOC_INFO, info);
	if (!error)
		error = secmem__grant_check(&use);
	secmem__grant_put(&use);
	if (error)
		memset(info, 0, size);
	return error;
}

static int grant_export(uint64_t id, uint64_t handle, uint32_t rights)
{
	struct secmem_export_args export = {
		.size = sizeof(export),
		.handle = handle,
		.rights = rights,
	};
	struct secmem__use use;
	int cancel, error;

	/*
	 * Another vault does not know the handle, and refuses. But it would
	 * export itself: so without a handle, the descriptor is checked.
	 */
	error = handle ? secmem__grant_get(id, &use) :
			 secmem__grant_get_checked(id, &use);
	if (error)
		return error;
	error = secmem__call(&use, SECMEM_IOC_EXPORT, &export);
	if (!error && !handle) {
		error = secmem__grant_check(&use);
		if (error) {
			cancel = secmem__cancel_disable();
			close(export.fd);
			secmem__cancel_restore(cancel);
		}
	}
	secmem__grant_put(&use);
	return error ? error : export.fd;
}

int secmem_export(secmem_secret_t secret, uint32_t rights)
{
	if (secret.handle == SECMEM_HANDLE_NONE)
		return -ENOENT;
	return grant_export(secret.grant, secret.handle, rights);
}

int secmem_grant_export(secmem_grant_t grant, uint32_t rights)
{
	return grant_export(grant.id, SECMEM_HANDLE_NONE, rights);
}
