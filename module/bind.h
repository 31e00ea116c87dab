/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may use a file.
 */
#ifndef _SECMEM_BIND_H
#define _SECMEM_BIND_H

#include "grant.h"

struct secmem_grant *secmem_grant_create(struct secmem_vault *vault,
					 struct secmem_grant *from,
					 struct secmem_place *place, u64 handle,
					 u32 rights);
void secmem_grant_attach(struct secmem_grant *grant, struct file *file);
void secmem_grant_release(struct secmem_grant *grant);
int secmem_grant_enter_slow(struct secmem_grant *grant, u32 rights);
int secmem_grant_enter_locked(struct secmem_grant *grant, u32 rights);
struct secmem_place *secmem_grant_find(struct secmem_grant *grant, u64 handle);

/**
 * secmem_grant_enter - may the current task use a grant so
 * @grant: its file is held
 * @rights: what it needs, SECMEM_RIGHT_*
 *
 * The first use binds the grant to the current mm.
 *
 * Context: Process context, no lock held. May sleep.
 * Return: 0, -EACCES, -ENOMEM or -EINTR.
 */
static inline int secmem_grant_enter(struct secmem_grant *grant, u32 rights)
{
	if (likely(!(rights & ~grant->rights) && secmem_grant_answers(grant)))
		return 0;
	return secmem_grant_enter_slow(grant, rights);
}

#endif /* _SECMEM_BIND_H */
