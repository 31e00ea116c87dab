/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls on their way: the struct of an ioctl, from the caller and back.
 */
#ifndef _SECMEM_CALL_H
#define _SECMEM_CALL_H

#include <linux/fs.h>

#include <secmem/secmem.h>

struct secmem_grant;
struct secmem_place;

/* An ioctl on its way: the caller's struct and what must be ended with it. */
struct secmem_call {
	union {
		__u32 size;
		struct secmem_info info;
		struct secmem_create_args create;
		struct secmem_acquire_args acquire;
		struct secmem_op op;
		struct secmem_copy copy;
		struct secmem_status stat;
		struct secmem_export_args export;
	};
	struct secmem_place *place;	/* CREATE: the place */
	struct file *file;		/* EXPORT: not yet installed */
};

/*
 * run() checks its arguments, then the grant, then acts. With out set, its
 * results go back to the caller, and end() is told whether they arrived. A call
 * by value has no struct: its argument is a handle, and its result the call's.
 */
struct secmem_ioctl {
	u32 size;	/* of the struct's first version, and of the current */
	bool out;
	int (*run)(struct secmem_grant *grant, struct secmem_call *call);
	void (*end)(struct secmem_grant *grant, struct secmem_call *call,
		    bool ok);
	int (*by_value)(struct secmem_grant *grant, u64 handle);
};

long secmem_call_run(struct secmem_grant *grant,
		     const struct secmem_ioctl *ioctl, void __user *user);

#endif /* _SECMEM_CALL_H */
