/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who keeps what alive.
 */
#ifndef _SECMEM_KEEP_H
#define _SECMEM_KEEP_H

#include "grant.h"

/*
 * The verbs:
 *
 *	keep	a grant of all keeps its vault, from an era on; a grant of one
 *		place keeps what that serves
 *	unkeep	it does so no more
 *	renew	a grant of all that another mm has used sees, and keeps, only what
 *		is published from now on
 *	judge	the secrets that are doomed end: nobody keeps them, or their vault
 *		is ended, or a gate does not let them live (end.c)
 */
void secmem_grant_keep(struct secmem_grant *grant, struct secmem_grant *from);
void secmem_grant_unkeep(struct secmem_grant *grant);
int secmem_grant_renew(struct secmem_grant *grant);
int secmem_place_keep(struct secmem_grant *grant, struct secmem_place *place,
		      u64 handle);
void secmem_place_unkeep(struct secmem_place *place);
void secmem_vault_judge(struct secmem_vault *vault, bool await);
bool secmem_vault_unkept(struct secmem_vault *vault);
int secmem_vault_revoke_number(unsigned long number);

#endif /* _SECMEM_KEEP_H */
