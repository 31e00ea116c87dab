/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every file of the module may need.
 */
#ifndef _SECMEM_BASE_H
#define _SECMEM_BASE_H

#include <linux/types.h>

#include <secmem/secmem.h>

#include "compat.h"
#include "count.h"

/*
 * For memory that a call needs. At a limit the call gets ENOMEM, and no process
 * is killed.
 */
#define SECMEM_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

#endif /* _SECMEM_BASE_H */
