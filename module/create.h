/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CREATE.
 */
#ifndef _SECMEM_CREATE_H
#define _SECMEM_CREATE_H

#include "grant.h"

int secmem_secret_create(struct secmem_grant *grant,
			 struct secmem_create_args *args,
			 struct secmem_place **created);

#endif /* _SECMEM_CREATE_H */
