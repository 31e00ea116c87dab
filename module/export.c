// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXPORT: a further file, of one secret or of the vault, with rights that only
 * shrink.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>

#include "bind.h"
#include "drop.h"
#include "export.h"
#include "keep.h"

static struct secmem_grant *secmem_grant_derive(struct secmem_grant *grant,
						struct secmem_place *place,
						u64 handle, u32 rights)
{
	struct secmem_grant *derived;
	int ret;

	if (place) {
		ret = secmem_place_keep(grant, place, handle);
		if (ret)
			return ERR_PTR(ret);
	}
	kref_get(&grant->vault->ref);
	derived =
		secmem_grant_create(grant->vault, grant, place, handle, rights);
	if (derived) {
		ret = place ? 0 : secmem_drop_inherit(derived, grant);
		if (!ret)
			return derived;
		secmem_grant_release(derived);
		return ERR_PTR(ret);
	}
	if (place)
		secmem_place_unkeep(place);
	secmem_vault_put(grant->vault);
	return ERR_PTR(-ENOMEM);
}

/**
 * secmem_grant_export - SECMEM_IOC_EXPORT, up to the file
 * @grant: entered by the current mm, with the right to
 * @args: the call, its flags checked; fd is filled in
 * @ops: of the file to be
 * @file: filled in
 *
 * Context: Process context, no lock held. Sleeps.
 * Return: 0, to be followed by secmem_grant_export_end(); or an errno.
 */
int secmem_grant_export(struct secmem_grant *grant,
			struct secmem_export_args *args,
			const struct file_operations *ops, struct file **file)
{
	u64 handle = args->handle;
	u32 rights = args->rights;
	struct secmem_place *place = NULL;
	struct secmem_grant *derived;

	if (rights & ~grant->rights)
		return -EACCES;
	if (handle) {
		place = secmem_grant_find(grant, handle);
		if (IS_ERR(place))
			return PTR_ERR(place);
	} else if (grant->place) {
		return -EACCES;
	}

	args->fd = get_unused_fd_flags(O_CLOEXEC);
	if (args->fd < 0)
		return args->fd;
	derived = secmem_grant_derive(grant, place, handle, rights);
	if (IS_ERR(derived)) {
		put_unused_fd(args->fd);
		return PTR_ERR(derived);
	}
	*file = anon_inode_getfile("[secmem]", ops, derived,
				   O_CLOEXEC | (rights & SECMEM_RIGHT_WRITE ?
							O_RDWR :
							O_RDONLY));
	if (IS_ERR(*file)) {
		secmem_grant_release(derived);
		put_unused_fd(args->fd);
		return PTR_ERR(*file);
	}
	/*
	 * The kernel gives an anonymous file no FMODE_PREAD; old kernels give it no
	 * FMODE_LSEEK either.
	 */
	(*file)->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	secmem_grant_attach(derived, *file);
	return 0;
}

/**
 * secmem_grant_export_end - install the file, now that the caller knows its fd
 * @args: as of secmem_grant_export()
 * @file: from there
 * @ok: the caller knows; else undo
 *
 * Context: Process context.
 */
void secmem_grant_export_end(const struct secmem_export_args *args,
			     struct file *file, bool ok)
{
	if (ok) {
		fd_install(args->fd, file);
	} else {
		put_unused_fd(args->fd);
		fput(file);
	}
}
