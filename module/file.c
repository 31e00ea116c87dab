// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of secmem: opened, mapped, shown, released.
 */
#include <linux/ctype.h>
#include <linux/seq_file.h>

#include "bind.h"
#include "file.h"
#include "mm.h"
#include "secret.h"
#include "view.h"

/**
 * secmem_file_open - a new vault, and a grant of all of it
 * @inode: of the device
 * @file: the file to be
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int secmem_file_open(struct inode *inode, struct file *file)
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
	vault->root = grant;
	grant->is_root = true;
	secmem_grant_attach(grant, file);
	return 0;
}

/**
 * secmem_file_flush - a descriptor is closed; the file may live on by others
 * @file: the file
 * @id: whose descriptor it was
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int secmem_file_flush(struct file *file, fl_owner_t id)
{
	struct secmem_grant *grant = file->private_data;

	secmem_mm_await(secmem_mm_ending(grant));
	return 0;
}

/**
 * secmem_file_release - the last reference to a file is gone
 * @inode: the file's
 * @file: the file
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int secmem_file_release(struct inode *inode, struct file *file)
{
	secmem_grant_release(file->private_data);
	return 0;
}

/*
 * A label, like a process's name, may hold any bytes. None of them may act on a
 * terminal.
 */
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

	if (READ_ONCE(grant->drops))
		stat.state = SECMEM_STATE_CLOSED;
	else
		secmem_secret_stat(grant->place, &stat);
	seq_printf(seq, "handle:\t%llu\nstate:\t%s\nlabel:\t", stat.handle,
		   states[stat.state]);
	secmem_file_show_text(seq, stat.label, sizeof(stat.label));
	seq_printf(seq, "\nlength:\t%llu\nreaders:\t%u\nwriters:\t%u\nwaiters:\t%u\n",
		   stat.length, stat.readers, stat.writers, stat.waiters);
}

/**
 * secmem_file_show_fdinfo - what anybody may know of a file who may see it
 * @seq: where
 * @file: the file
 *
 * Context: Process context, may sleep.
 */
void secmem_file_show_fdinfo(struct seq_file *seq, struct file *file)
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
	secmem_source_show(&grant->vault->source, seq);
	if (grant->place)
		secmem_file_show_secret(seq, grant);
}

/**
 * secmem_file_mmap - make the one view of a file's grant
 * @file: the file
 * @vma: the VMA to be
 *
 * Context: The current mm's mmap_lock is held for writing.
 * Return: 0, -EACCES, -EBUSY, -EINVAL, -ENOMEM, -EINTR.
 */
int secmem_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct secmem_grant *grant = file->private_data;
	u32 rights = SECMEM_RIGHT_MAP;
	int ret;

	/* Of an O_RDONLY file the core clears VM_SHARED, not VM_MAYSHARE. */
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff ||
	    vma_pages(vma) > U32_MAX)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (vma->vm_flags & VM_WRITE)
		rights |= SECMEM_RIGHT_WRITE;
	ret = secmem_grant_enter_locked(grant, rights);
	return ret ?: secmem_view_make(grant, vma);
}
