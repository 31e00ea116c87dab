/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a call does to a secret.
 */
#ifndef _SECMEM_SECRET_H
#define _SECMEM_SECRET_H

#include "grant.h"

int secmem_secret_publish(struct secmem_place *place,
			  const struct secmem_bytes *bytes, const char *label,
			  u32 flags);
int secmem_secret_seal(struct secmem_grant *grant, struct secmem_place *place,
		       u32 generation);
int secmem_secret_close(struct secmem_grant *grant, struct secmem_place *place,
			u32 generation, u32 flags, s64 deadline);
int secmem_secret_revoke(struct secmem_grant *grant, struct secmem_place *place,
			 u32 generation);
int secmem_secret_stat(struct secmem_place *place, struct secmem_status *stat);

#endif /* _SECMEM_SECRET_H */
