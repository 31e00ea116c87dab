// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of the interface: every call against every way to ask wrongly.
 * Each refusal must name its reason and leave everything as it was, and each
 * wrong call is followed by the right one as its control.
 */
#include <stddef.h>

#include "secmem_test.h"

/*
 * The layouts. This file is also built as a 32-bit program, which has the same.
 */
#define AT(type, field, offset)                                           \
	_Static_assert(offsetof(struct secmem_##type, field) == (offset), \
		       #type "." #field)

AT(info, flags, 4);
AT(info, abi_version, 8);
AT(info, rights, 12);
AT(info, protections, 16);
AT(info, handle, 24);
AT(info, grant_id, 32);
AT(info, length_max, 40);
AT(info, secrets_max, 44);
AT(info, memlock_cap, 48);
AT(info, vaults, 56);
AT(info, grants, 64);
AT(info, secrets, 72);
AT(info, pages, 80);
AT(info, accesses, 88);
AT(info, waiters, 96);
AT(info, violations, 104);
AT(info, wipes, 112);
AT(info, why, 120);
AT(info, version, 152);
AT(create_args, flags, 4);
AT(create_args, length, 8);
AT(create_args, align, 16);
AT(create_args, reserved, 20);
AT(create_args, require, 24);
AT(create_args, label, 32);
AT(create_args, handle, 64);
AT(create_args, protections, 72);
AT(acquire_args, flags, 4);
AT(acquire_args, handle, 8);
AT(acquire_args, deadline, 16);
AT(acquire_args, offset, 24);
AT(acquire_args, length, 32);
AT(op, flags, 4);
AT(op, handle, 8);
AT(op, deadline, 16);
AT(copy, flags, 4);
AT(copy, handle, 8);
AT(copy, deadline, 16);
AT(copy, buffer, 24);
AT(copy, offset, 32);
AT(copy, length, 40);
AT(copy, equal, 48);
AT(copy, reserved, 52);
AT(status, flags, 4);
AT(status, handle, 8);
AT(status, state, 16);
AT(status, protection, 20);
AT(status, stat_flags, 24);
AT(status, readers, 28);
AT(status, writers, 32);
AT(status, waiters, 36);
AT(status, length, 40);
AT(status, protections, 48);
AT(status, label, 56);
AT(status, offset, 88);
AT(export_args, flags, 4);
AT(export_args, handle, 8);
AT(export_args, rights, 16);
AT(export_args, fd, 20);

_Static_assert(SECMEM_IOC_INFO == 0xb800, "INFO");
_Static_assert(SECMEM_IOC_EXPORT == 0xb80b, "EXPORT");
_Static_assert(SECMEM_IOC_DROP == 0xb80e, "DROP");
_Static_assert(SECMEM_IOC_SWITCH == 0xb80f, "SWITCH");

#define LENGTH 100

/* Everything that a refused call must leave alone. */
struct snapshot {
	struct secmem_info info;
	struct secmem_status stat;
	unsigned char bytes[LENGTH];
};

static int snapshot_take(int fd, uint64_t handle, struct snapshot *s)
{
	int err;

	memset(s, 0, sizeof(*s)); /* its padding is compared too */
	err = sm_read(fd, handle, s->bytes, 0, LENGTH);
	if (!err)
		err = sm_info(fd, &s->info);
	if (!err)
		err = sm_stat(fd, handle, &s->stat);
	/*
	 * This counts attempts that were refused, and a refused call may be
	 * one.
	 */
	s->info.violations = 0;
	return err;
}

#define EXPECT_UNCHANGED(before, fd, handle)                         \
	do {                                                         \
		struct snapshot after;                               \
		EXPECT_EQ(0, snapshot_take(fd, handle, &after));     \
		EXPECT_EQ(0, memcmp(before, &after, sizeof(after))); \
	} while (0)

/*
 * The pages for the struct that a call is given; nothing is mapped behind them.
 */
#define ARG_PAGES 4

struct field {
	size_t at;
	size_t bytes;
};

FIXTURE(call)
{
	struct sm_vault vault;
	uint64_t handle;
	uint64_t stale;
	unsigned char *shut; /* where the secret's first byte would be */
	unsigned char *arg;
	unsigned char buffer[LENGTH];
	struct snapshot before;
};

FIXTURE_VARIANT(call)
{
	unsigned long nr;
	size_t size;
	uint32_t flags_known;
	bool takes_handle;
	bool has_results;
	bool later; /* the test is skipped where the module lacks it */
	int stale_result;
	struct field zero[3];
};

#define FIELD(type, name)                                            \
	{                                                            \
		offsetof(struct secmem_##type, name),                \
			sizeof(((struct secmem_##type *)NULL)->name) \
	}

FIXTURE_VARIANT_ADD(call, info)
{
	.nr = SECMEM_IOC_INFO,
	.size = sizeof(struct secmem_info),
	.has_results = true,
};
FIXTURE_VARIANT_ADD(call, create)
{
	.nr = SECMEM_IOC_CREATE,
	.size = sizeof(struct secmem_create_args),
	.flags_known = SECMEM_CREATE_ALL,
	.has_results = true,
	.zero = { FIELD(create_args, reserved) },
};
FIXTURE_VARIANT_ADD(call, acquire)
{
	.nr = SECMEM_IOC_ACQUIRE,
	.size = sizeof(struct secmem_acquire_args),
	.flags_known = SECMEM_NOWAIT | SECMEM_READ | SECMEM_WRITE,
	.takes_handle = true,
	.has_results = true,
	.stale_result = -EKEYREVOKED,
};
FIXTURE_VARIANT_ADD(call, release)
{
	.nr = SECMEM_IOC_RELEASE,
	.size = sizeof(struct secmem_op),
	.takes_handle = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(op, deadline) },
};
FIXTURE_VARIANT_ADD(call, read)
{
	.nr = SECMEM_IOC_READ,
	.size = sizeof(struct secmem_copy),
	.flags_known = SECMEM_NOWAIT,
	.takes_handle = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(copy, equal), FIELD(copy, reserved) },
};
FIXTURE_VARIANT_ADD(call, write)
{
	.nr = SECMEM_IOC_WRITE,
	.size = sizeof(struct secmem_copy),
	.flags_known = SECMEM_NOWAIT,
	.takes_handle = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(copy, equal), FIELD(copy, reserved) },
};
FIXTURE_VARIANT_ADD(call, compare)
{
	.nr = SECMEM_IOC_COMPARE,
	.size = sizeof(struct secmem_copy),
	.flags_known = SECMEM_NOWAIT,
	.takes_handle = true,
	.has_results = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(copy, equal), FIELD(copy, reserved),
		  FIELD(copy, offset) },
};
FIXTURE_VARIANT_ADD(call, seal)
{
	.nr = SECMEM_IOC_SEAL,
	.size = sizeof(struct secmem_op),
	.takes_handle = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(op, deadline) },
};
FIXTURE_VARIANT_ADD(call, drop)
{
	.nr = SECMEM_IOC_DROP,
	.size = sizeof(struct secmem_op),
	.takes_handle = true,
	.later = true,
	.stale_result = -EKEYREVOKED,
	.zero = { FIELD(op, deadline) },
};
FIXTURE_VARIANT_ADD(call, switch)
{
	.nr = SECMEM_IOC_SWITCH,
	.size = sizeof(struct secmem_op),
	.flags_known = SECMEM_NOWAIT | SECMEM_READ | SECMEM_WRITE,
	.takes_handle = true,
	.later = true,
	.stale_result = -EKEYREVOKED,
};
FIXTURE_VARIANT_ADD(call, close)
{
	.nr = SECMEM_IOC_CLOSE,
	.size = sizeof(struct secmem_op),
	.flags_known = SECMEM_NOWAIT,
	.takes_handle = true,
};
FIXTURE_VARIANT_ADD(call, revoke)
{
	.nr = SECMEM_IOC_REVOKE,
	.size = sizeof(struct secmem_op),
	.takes_handle = true,
	.later = true,
	.zero = { FIELD(op, deadline) },
};
FIXTURE_VARIANT_ADD(call, stat)
{
	.nr = SECMEM_IOC_STAT,
	.size = sizeof(struct secmem_status),
	.flags_known = SECMEM_BY_OFFSET,
	.takes_handle = true,
	.has_results = true,
};
FIXTURE_VARIANT_ADD(call, export)
{
	.nr = SECMEM_IOC_EXPORT,
	.size = sizeof(struct secmem_export_args),
	.takes_handle = true,
	.has_results = true,
	.later = true,
	.stale_result = -EKEYREVOKED,
};

/* Fills arg in for the right call, which succeeds once. */
static void call_fill(FIXTURE_DATA(call) * self,
		      const FIXTURE_VARIANT(call) * variant)
{
	unsigned char *arg = self->arg;

	memset(arg, 0, ARG_PAGES * SM_PAGE);
	switch (variant->nr) {
	case SECMEM_IOC_CREATE:
		((struct secmem_create_args *)arg)->length = LENGTH;
		break;
	case SECMEM_IOC_ACQUIRE:
		((struct secmem_acquire_args *)arg)->flags = SECMEM_READ;
		((struct secmem_acquire_args *)arg)->deadline = SECMEM_FOREVER;
		break;
	case SECMEM_IOC_CLOSE:
		((struct secmem_op *)arg)->deadline = SECMEM_FOREVER;
		break;
	case SECMEM_IOC_SWITCH:
		((struct secmem_op *)arg)->flags = SECMEM_WRITE;
		((struct secmem_op *)arg)->deadline = SECMEM_FOREVER;
		break;
	case SECMEM_IOC_READ:
	case SECMEM_IOC_WRITE:
	case SECMEM_IOC_COMPARE:
		((struct secmem_copy *)arg)->deadline = SECMEM_FOREVER;
		((struct secmem_copy *)arg)->buffer = (uintptr_t)self->buffer;
		((struct secmem_copy *)arg)->length = LENGTH;
		break;
	case SECMEM_IOC_EXPORT:
		((struct secmem_export_args *)arg)->rights = SECMEM_RIGHT_READ;
		break;
	}
	/* In every struct, size stands first, and handle, if any, at 8. */
	*(uint32_t *)arg = variant->size;
	if (variant->takes_handle)
		*(uint64_t *)(arg + 8) = self->handle;
}

FIXTURE_SETUP(call)
{
	struct secmem_op probe = { .size = 0 };
	unsigned char secret[LENGTH];
	uint64_t offset;
	size_t i;

	ASSERT_EQ(0, sm_vault_open(&self->vault));
	if (variant->later &&
	    sm_ioctl(self->vault.fd, variant->nr, &probe) == -ENOTTY)
		SKIP(return, "this version of secmem lacks the call");

	for (i = 0; i < LENGTH; i++)
		secret[i] = i * 7 + 1;
	memset(self->buffer, 0x5a, LENGTH);
	ASSERT_EQ(0, sm_create(self->vault.fd, LENGTH, &self->stale));
	ASSERT_EQ(0, sm_close(self->vault.fd, self->stale));
	ASSERT_EQ(0, sm_create(self->vault.fd, LENGTH, &self->handle));
	ASSERT_NE(self->stale, self->handle);
	ASSERT_EQ(0, sm_write(self->vault.fd, self->handle, secret, 0, LENGTH));
	ASSERT_EQ(0, sm_acquire(self->vault.fd, self->handle, SECMEM_READ,
				&offset));
	self->shut = self->vault.view + offset;
	if (variant->nr != SECMEM_IOC_RELEASE &&
	    variant->nr != SECMEM_IOC_SWITCH)
		ASSERT_EQ(0, sm_release(self->vault.fd, self->handle));

	self->arg = mmap(NULL, (ARG_PAGES + 1) * SM_PAGE,
			 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, self->arg);
	ASSERT_EQ(0, mprotect(self->arg + ARG_PAGES * SM_PAGE, SM_PAGE,
			      PROT_NONE));
	call_fill(self, variant);
	ASSERT_EQ(0,
		  snapshot_take(self->vault.fd, self->handle, &self->before));
}

FIXTURE_TEARDOWN(call)
{
	sm_vault_close(&self->vault);
}

#define SKIP_IF_LACKING              \
	do {                         \
		if (_metadata->skip) \
			return;      \
	} while (0)

#define EXPECT_CALL(result, address) \
	EXPECT_EQ(result, sm_ioctl(self->vault.fd, variant->nr, address))

#define EXPECT_NOTHING_CHANGED \
	EXPECT_UNCHANGED(&self->before, self->vault.fd, self->handle)

/* The right call still works: so the wrong one was refused for its fault. */
#define EXPECT_CONTROL                     \
	do {                               \
		call_fill(self, variant);  \
		EXPECT_CALL(0, self->arg); \
	} while (0)

TEST_F(call, size_below_the_first_version_is_refused)
{
	uint32_t size;

	SKIP_IF_LACKING;
	for (size = 0; size < variant->size; size++) {
		*(uint32_t *)self->arg = size;
		EXPECT_CALL(-EINVAL, self->arg);
	}
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, larger_size_with_a_zero_tail_is_accepted)
{
	size_t i;

	SKIP_IF_LACKING;
	*(uint32_t *)self->arg = variant->size + 72;
	EXPECT_CALL(0, self->arg);
	for (i = 0; i < 72; i++)
		EXPECT_EQ(0, self->arg[variant->size + i]);
}

TEST_F(call, largest_size_is_accepted)
{
	SKIP_IF_LACKING;
	*(uint32_t *)self->arg = SECMEM_STRUCT_MAX;
	EXPECT_CALL(0, self->arg);
}

TEST_F(call, larger_size_with_a_non_zero_tail_is_e2big)
{
	static const size_t at[] = { 0, 1, 8, 63 };
	size_t i;

	SKIP_IF_LACKING;
	*(uint32_t *)self->arg = variant->size + 64;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		self->arg[variant->size + at[i]] = 1;
		EXPECT_CALL(-E2BIG, self->arg);
		self->arg[variant->size + at[i]] = 0;
	}
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, size_beyond_a_page_is_e2big)
{
	SKIP_IF_LACKING;
	self->arg[SM_PAGE + 7] = 1;
	*(uint32_t *)self->arg = SM_PAGE + 8;
	EXPECT_CALL(-E2BIG, self->arg);
	*(uint32_t *)self->arg = UINT32_MAX;
	EXPECT_CALL(-E2BIG, self->arg);
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, unknown_flag_is_refused)
{
	int bit;

	SKIP_IF_LACKING;
	for (bit = 0; bit < 32; bit++) {
		if (variant->flags_known & (1U << bit))
			continue;
		((uint32_t *)self->arg)[1] ^= 1U << bit;
		EXPECT_CALL(-EINVAL, self->arg)
		TH_LOG("flag 1 << %d", bit);
		((uint32_t *)self->arg)[1] ^= 1U << bit;
	}
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, non_zero_reserved_field_is_refused)
{
	size_t i, byte;

	SKIP_IF_LACKING;
	if (!variant->zero[0].bytes)
		return;
	for (i = 0; i < ARRAY_SIZE(variant->zero); i++) {
		for (byte = 0; byte < variant->zero[i].bytes; byte++) {
			self->arg[variant->zero[i].at + byte] = 1;
			EXPECT_CALL(-EINVAL, self->arg)
			TH_LOG("byte %zu", variant->zero[i].at + byte);
			self->arg[variant->zero[i].at + byte] = 0;
		}
	}
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, bad_pointer_is_efault)
{
	unsigned char *end = self->arg + ARG_PAGES * SM_PAGE;
	size_t missing;

	SKIP_IF_LACKING;
	EXPECT_CALL(-EFAULT, NULL);
	EXPECT_CALL(-EFAULT, end);
	EXPECT_CALL(-EFAULT, (void *)-1UL);
	EXPECT_CALL(-EFAULT, (void *)(-1UL - variant->size));
	EXPECT_CALL(-EFAULT, (void *)~(-1UL >> 1));
	/* Every place where memory may end within the struct. */
	for (missing = 1; missing < variant->size; missing += 4) {
		memcpy(end - variant->size + missing, self->arg,
		       variant->size - missing);
		EXPECT_CALL(-EFAULT, end - variant->size + missing);
	}
	/* And within the bytes that size claims beyond the struct. */
	memset(end - variant->size - 64, 0, 64 + variant->size);
	memcpy(end - variant->size - 8, self->arg, variant->size);
	*(uint32_t *)(end - variant->size - 8) += 64;
	EXPECT_CALL(-EFAULT, end - variant->size - 8);
	EXPECT_NOTHING_CHANGED;

	/* The control: a struct that ends where memory ends. */
	call_fill(self, variant);
	memcpy(end - variant->size, self->arg, variant->size);
	EXPECT_CALL(0, end - variant->size);
}

/* A CREATE that cannot store its result makes a secret, and wipes it again. */
static void wipes_of_create(FIXTURE_DATA(call) * self, unsigned long nr)
{
	struct secmem_info now;

	if (nr == SECMEM_IOC_CREATE && !sm_info(self->vault.fd, &now))
		self->before.info.wipes = now.wipes;
}

TEST_F(call, results_into_read_only_memory_undo_the_call)
{
	int i, err = 0;

	SKIP_IF_LACKING;
	ASSERT_EQ(0, mprotect(self->arg, SM_PAGE, PROT_READ));
	if (!variant->has_results) {
		/* The call has no results: a read-only struct is enough. */
		EXPECT_CALL(0, self->arg);
		return;
	}
	for (i = 0; i < 100 && !err; i++)
		err = sm_ioctl(self->vault.fd, variant->nr, self->arg) + EFAULT;
	EXPECT_EQ(0, err);
	wipes_of_create(self, variant->nr);
	EXPECT_NOTHING_CHANGED;
	ASSERT_EQ(0, mprotect(self->arg, SM_PAGE, PROT_READ | PROT_WRITE));
	EXPECT_CONTROL;
}

TEST_F(call, struct_inside_a_shut_secret_is_efault)
{
	uint64_t place;
	unsigned char *bytes;
	int err;

	SKIP_IF_LACKING;
	/* A secret of its own, that the struct is written into. */
	ASSERT_EQ(0, sm_create(self->vault.fd, 512, &place));
	bytes = sm_vault_acquire(&self->vault, place, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	memcpy(bytes, self->arg, variant->size);
	ASSERT_EQ(0, sm_release(self->vault.fd, place));
	ASSERT_EQ(0,
		  snapshot_take(self->vault.fd, self->handle, &self->before));
	EXPECT_CALL(-EFAULT, bytes);
	EXPECT_NOTHING_CHANGED;

	/*
	 * While it is open for READ, the call reads its struct but stores no
	 * result.
	 */
	if (variant->has_results) {
		bytes = sm_vault_acquire(&self->vault, place, SECMEM_READ,
					 &err);
		ASSERT_EQ(0, err);
		EXPECT_CALL(-EFAULT, bytes);
		ASSERT_EQ(0, sm_release(self->vault.fd, place));
		wipes_of_create(self, variant->nr);
		EXPECT_NOTHING_CHANGED;
	}

	/*
	 * The control: while it is open for WRITE, it is memory like any other.
	 */
	bytes = sm_vault_acquire(&self->vault, place, SECMEM_WRITE, &err);
	ASSERT_EQ(0, err);
	EXPECT_CALL(0, bytes);
	EXPECT_EQ(0, sm_release(self->vault.fd, place));
}

TEST_F(call, handle_never_issued_is_enoent)
{
	uint64_t *handle = (uint64_t *)(self->arg + 8);
	int bit;

	SKIP_IF_LACKING;
	if (!variant->takes_handle)
		return;
	for (bit = 0; bit < 64; bit++) {
		*handle = self->handle ^ (1ULL << bit);
		/*
		 * The stale one is for another test; 0 with EXPORT means the
		 * vault.
		 */
		if (*handle == self->stale || !*handle)
			continue;
		EXPECT_CALL(-ENOENT, self->arg)
		TH_LOG("handle %llx for %llx", (unsigned long long)*handle,
		       (unsigned long long)self->handle);
	}
	*handle = UINT64_MAX;
	EXPECT_CALL(-ENOENT, self->arg);
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, handle_none_is_enoent)
{
	SKIP_IF_LACKING;
	if (!variant->takes_handle || variant->nr == SECMEM_IOC_EXPORT)
		return;
	*(uint64_t *)(self->arg + 8) = SECMEM_HANDLE_NONE;
	EXPECT_CALL(-ENOENT, self->arg);
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

TEST_F(call, stale_handle_names_a_closed_secret)
{
	struct secmem_status zero = {
		.size = sizeof(zero),
		.handle = self->stale,
		.state = SECMEM_STATE_CLOSED,
	};

	SKIP_IF_LACKING;
	if (!variant->takes_handle)
		return;
	*(uint64_t *)(self->arg + 8) = self->stale;
	EXPECT_CALL(variant->stale_result, self->arg);
	if (variant->nr == SECMEM_IOC_STAT)
		EXPECT_EQ(0, memcmp(&zero, self->arg, sizeof(zero)));
	EXPECT_NOTHING_CHANGED;
	EXPECT_CONTROL;
}

/* Numbers that are no calls. */

FIXTURE(vault)
{
	struct sm_vault v;
	uint64_t handle;
	struct snapshot before;
};

FIXTURE_SETUP(vault)
{
	unsigned char secret[LENGTH];
	size_t i;

	for (i = 0; i < LENGTH; i++)
		secret[i] = i + 1;
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->handle));
	ASSERT_EQ(0, sm_write(self->v.fd, self->handle, secret, 0, LENGTH));
	ASSERT_EQ(0, snapshot_take(self->v.fd, self->handle, &self->before));
}

FIXTURE_TEARDOWN(vault)
{
	sm_vault_close(&self->v);
}

#define EXPECT_VAULT_UNCHANGED \
	EXPECT_UNCHANGED(&self->before, self->v.fd, self->handle)

#define CALLS (_IOC_NR(SECMEM_IOC_SWITCH) + 1)

TEST_F(vault, unknown_call_is_enotty)
{
	unsigned char arg[256] = { sizeof(struct secmem_op) };
	unsigned int nr;

	for (nr = CALLS; nr < 0x100; nr++)
		EXPECT_EQ(-ENOTTY,
			  sm_ioctl(self->v.fd, _IO(SECMEM_IOC_MAGIC, nr), arg));
	/* A number with a size, a direction or another magic is no call. */
	for (nr = 0; nr < CALLS; nr++) {
		EXPECT_EQ(-ENOTTY, sm_ioctl(self->v.fd,
					    _IOC(_IOC_READ | _IOC_WRITE,
						 SECMEM_IOC_MAGIC, nr, 24),
					    arg));
		EXPECT_EQ(-ENOTTY,
			  sm_ioctl(self->v.fd, _IO(SECMEM_IOC_MAGIC + 1, nr),
				   arg));
	}
	EXPECT_VAULT_UNCHANGED;
}

TEST_F(vault, info_describes_this_kernel)
{
	struct secmem_info info;
	int bit;

	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(SECMEM_ABI_VERSION, info.abi_version);
	EXPECT_EQ(SECMEM_RIGHT_ALL, info.rights);
	EXPECT_EQ(0, info.handle);
	EXPECT_NE(0, info.grant_id);
	EXPECT_EQ(SECMEM_LENGTH_MAX, info.length_max);
	EXPECT_NE(0, info.secrets_max);
	EXPECT_EQ(1, info.vaults);
	EXPECT_EQ(1, info.grants);
	EXPECT_EQ(1, info.secrets);
	EXPECT_EQ(1, info.pages);
	EXPECT_EQ(0, info.accesses);
	EXPECT_EQ(0, info.waiters);
	EXPECT_NE(0, info.version[0]);
	EXPECT_EQ(0, info.version[sizeof(info.version) - 1]);
	EXPECT_EQ(0, info.protections >> SECMEM_PROT_COUNT);
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
		EXPECT_EQ(!(info.protections & (1ULL << bit)),
			  info.why[bit] != SECMEM_WHY_IN_FORCE);
	for (; bit < (int)sizeof(info.why); bit++)
		EXPECT_EQ(0, info.why[bit]);
}

TEST_F(vault, info_follows_what_is_created_and_held)
{
	struct secmem_info info;
	uint64_t handle;

	ASSERT_EQ(0, sm_create(self->v.fd, 2 * SM_PAGE + 1, &handle));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_acquire(self->v.fd, handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(2, info.secrets);
	EXPECT_EQ(4, info.pages);
	/* INFO counts holders, not the nested accesses of one. */
	EXPECT_EQ(1, info.accesses);
	ASSERT_EQ(0, sm_release(self->v.fd, handle));
	ASSERT_EQ(0, sm_release(self->v.fd, handle));
	ASSERT_EQ(0, sm_close(self->v.fd, handle));
	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	EXPECT_EQ(self->before.info.wipes + 1, info.wipes);
	info.wipes--;
	info.violations = 0;
	EXPECT_EQ(0, memcmp(&info, &self->before.info, sizeof(info)));
}

TEST_F(vault, create_refuses_lengths_outside_its_range)
{
	static const uint64_t bad[] = {
		0,	    SECMEM_LENGTH_MAX + 1ULL,
		1ULL << 32, (1ULL << 32) + 1,
		UINT64_MAX,
	};
	struct secmem_create_args c;
	uint64_t handle;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, sm_create(self->v.fd, bad[i], &handle));
	EXPECT_VAULT_UNCHANGED;
	EXPECT_EQ(0, sm_create_as(self->v.fd, 1, 0, 0, NULL, 0, &c));
	EXPECT_EQ(0, sm_create_as(self->v.fd, SECMEM_LENGTH_MAX, 0, 0, NULL, 0,
				  &c));
}

TEST_F(vault, create_refuses_alignments_that_are_none)
{
	static const uint32_t bad[] = { 3,	     6,		12,   24,
					4095,	     4097,	8192, 1U << 16,
					0x80000000U, UINT32_MAX };
	struct secmem_create_args c;
	uint32_t align;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL,
			  sm_create_as(self->v.fd, 64, bad[i], 0, NULL, 0, &c));
	EXPECT_VAULT_UNCHANGED;
	for (align = 1; align <= SECMEM_ALIGN_MAX; align *= 2)
		EXPECT_EQ(0,
			  sm_create_as(self->v.fd, 64, align, 0, NULL, 0, &c));
}

TEST_F(vault, create_refuses_unknown_protections)
{
	struct secmem_create_args c;
	int bit;

	for (bit = SECMEM_PROT_COUNT; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, sm_create_as(self->v.fd, 64, 0, 0, NULL,
						1ULL << bit, &c));
	EXPECT_VAULT_UNCHANGED;
}

TEST_F(vault, create_requires_only_what_is_in_force)
{
	struct secmem_info info;
	struct secmem_create_args c;
	int bit, err;

	ASSERT_EQ(0, sm_info(self->v.fd, &info));
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++) {
		err = sm_create_as(self->v.fd, 64, 0, 0, NULL, 1ULL << bit, &c);
		if (info.protections & (1ULL << bit)) {
			EXPECT_EQ(0, err)
			TH_LOG("protection %d", bit);
			EXPECT_NE(0, c.protections & (1ULL << bit));
			EXPECT_EQ(0, sm_close(self->v.fd, c.handle));
			self->before.info.wipes++;
		} else {
			EXPECT_EQ(-EOPNOTSUPP, err)
			TH_LOG("protection %d", bit);
		}
	}
	EXPECT_VAULT_UNCHANGED;
}

TEST_F(vault, create_says_where_overrun_and_canary_have_no_room)
{
	const uint64_t overrun = 1ULL << SECMEM_PROT_OVERRUN;
	const uint64_t canary = 1ULL << SECMEM_PROT_CANARY;
	struct secmem_create_args c;

	/*
	 * Data whose length is no multiple of the alignment cannot end its
	 * page.
	 */
	EXPECT_EQ(-EOPNOTSUPP,
		  sm_create_as(self->v.fd, 65, 64, 0, NULL, overrun, &c));
	/* A whole number of pages leaves no byte for a canary. */
	EXPECT_EQ(-EOPNOTSUPP, sm_create_as(self->v.fd, 2 * SM_PAGE, 0, 0, NULL,
					    canary, &c));
	EXPECT_VAULT_UNCHANGED;

	ASSERT_EQ(0, sm_create_as(self->v.fd, 65, 64, 0, NULL, canary, &c));
	EXPECT_EQ(canary, c.protections & (overrun | canary));
	ASSERT_EQ(0, sm_create_as(self->v.fd, 2 * SM_PAGE, 0, 0, NULL, overrun,
				  &c));
	EXPECT_EQ(overrun, c.protections & (overrun | canary));
	ASSERT_EQ(0, sm_create_as(self->v.fd, 128, 64, 0, NULL,
				  overrun | canary, &c));
	EXPECT_EQ(overrun | canary, c.protections & (overrun | canary));
}

TEST_F(vault, acquire_takes_exactly_one_mode)
{
	EXPECT_EQ(-EINVAL, sm_acquire(self->v.fd, self->handle, 0, NULL));
	EXPECT_EQ(-EINVAL,
		  sm_acquire(self->v.fd, self->handle, SECMEM_NOWAIT, NULL));
	EXPECT_EQ(-EINVAL, sm_acquire(self->v.fd, self->handle,
				      SECMEM_READ | SECMEM_WRITE, NULL));
	EXPECT_VAULT_UNCHANGED;
	EXPECT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_EQ(0, sm_acquire(self->v.fd, self->handle,
				SECMEM_WRITE | SECMEM_NOWAIT, NULL));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(vault, copies_stay_within_the_secret)
{
	static const struct {
		uint64_t offset, length;
	} bad[] = {
		{ 0, LENGTH + 1 },
		{ 1, LENGTH },
		{ LENGTH, 1 },
		{ LENGTH + 1, 0 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX, 2 },
		{ 2, UINT64_MAX },
		{ UINT64_MAX - 50, 100 },
		{ 0, 1ULL << 32 },
		{ 1ULL << 32, 1 },
		{ 1ULL << 63, 1ULL << 63 },
	};
	unsigned char buffer[2 * LENGTH] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, sm_read(self->v.fd, self->handle, buffer,
					   bad[i].offset, bad[i].length));
		EXPECT_EQ(-EINVAL, sm_write(self->v.fd, self->handle, buffer,
					    bad[i].offset, bad[i].length));
	}
	for (i = 0; i < sizeof(buffer); i++)
		EXPECT_EQ(0, buffer[i]);
	EXPECT_VAULT_UNCHANGED;
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, buffer, LENGTH, 0));
	EXPECT_EQ(0, sm_write(self->v.fd, self->handle, buffer, LENGTH, 0));
	EXPECT_EQ(0, sm_read(self->v.fd, self->handle, buffer, LENGTH - 1, 1));
	EXPECT_EQ(LENGTH, buffer[0]);
	EXPECT_VAULT_UNCHANGED;
}

TEST_F(vault, bad_buffer_is_efault_and_changes_nothing)
{
	static const uint64_t lengths[] = { 40, LENGTH };
	unsigned char *none;
	uint32_t equal;
	size_t i, j;

	none = mmap(NULL, 2 * SM_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, none);
	ASSERT_EQ(0, mprotect(none + SM_PAGE, SM_PAGE, PROT_NONE));
	{
		const void *bad[] = {
			NULL,
			none + SM_PAGE,
			none + SM_PAGE - 1,
			none + SM_PAGE - 39,
			(void *)~(-1UL >> 1),
			(void *)-1UL,
			(void *)-50UL,
		};

		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			for (j = 0; j < ARRAY_SIZE(lengths); j++) {
				EXPECT_EQ(-EFAULT,
					  sm_read(self->v.fd, self->handle,
						  (void *)bad[i], 0,
						  lengths[j]));
				EXPECT_EQ(-EFAULT,
					  sm_write(self->v.fd, self->handle,
						   bad[i], 0, lengths[j]));
			}
			EXPECT_EQ(-EFAULT, sm_compare(self->v.fd, self->handle,
						      bad[i], LENGTH, &equal));
		}
	}
	EXPECT_VAULT_UNCHANGED;
	/* READ into a buffer that may only be read. */
	ASSERT_EQ(0, mprotect(none, SM_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, sm_read(self->v.fd, self->handle, none, 0, LENGTH));
	EXPECT_VAULT_UNCHANGED;
	/* The control. */
	EXPECT_EQ(0,
		  sm_compare(self->v.fd, self->handle, none, LENGTH, &equal));
	EXPECT_EQ(0, sm_write(self->v.fd, self->handle, none, 0, LENGTH));
}

TEST_F(vault, buffer_address_is_64_bits_wide)
{
	unsigned char buffer[LENGTH];
	struct secmem_copy c = {
		.size = sizeof(c),
		.handle = self->handle,
		.deadline = SECMEM_FOREVER,
		.length = LENGTH,
	};

	c.buffer = (uintptr_t)buffer | 1ULL << 63;
	EXPECT_EQ(-EFAULT, sm_ioctl(self->v.fd, SECMEM_IOC_READ, &c));
	EXPECT_EQ(-EFAULT, sm_ioctl(self->v.fd, SECMEM_IOC_WRITE, &c));
	EXPECT_EQ(-EFAULT, sm_ioctl(self->v.fd, SECMEM_IOC_COMPARE, &c));
	EXPECT_VAULT_UNCHANGED;
	c.buffer = (uintptr_t)buffer;
	EXPECT_EQ(0, sm_ioctl(self->v.fd, SECMEM_IOC_READ, &c));
}

/*
 * WRITE writes all or nothing: the pages before the bad byte are unchanged,
 * too.
 */
TEST_F(vault, write_from_a_buffer_that_ends_early_changes_nothing)
{
	const size_t length = SECMEM_LENGTH_MAX;
	unsigned char *buffer, *now;
	uint64_t handle;
	uint32_t equal;
	size_t i;

	buffer = mmap(NULL, length + SM_PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buffer);
	now = calloc(1, length);
	ASSERT_NE(NULL, now);
	ASSERT_EQ(0, mprotect(buffer + length, SM_PAGE, PROT_NONE));
	memset(buffer, 0xa5, length);
	ASSERT_EQ(0, sm_create(self->v.fd, length, &handle));
	for (i = 1; i <= length; i *= 16) {
		EXPECT_EQ(-EFAULT,
			  sm_write(self->v.fd, handle, buffer + i, 0, length));
		EXPECT_EQ(0,
			  sm_compare(self->v.fd, handle, now, length, &equal));
		EXPECT_EQ(1, equal);
	}
	EXPECT_EQ(0, sm_write(self->v.fd, handle, buffer, 0, length));
	EXPECT_EQ(0, sm_compare(self->v.fd, handle, buffer, length, &equal));
	EXPECT_EQ(1, equal);
}

/* Buffers that lie inside secrets. */

FIXTURE(inside)
{
	struct sm_vault v;
	uint64_t a, b;
	unsigned char *in_a, *in_b; /* where their bytes are while open */
	unsigned char was_a[LENGTH], was_b[LENGTH];
};

FIXTURE_SETUP(inside)
{
	int err;

	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->a));
	ASSERT_EQ(0, sm_create(self->v.fd, LENGTH, &self->b));
	memset(self->was_a, 'a', LENGTH);
	memset(self->was_b, 'b', LENGTH);
	ASSERT_EQ(0, sm_write(self->v.fd, self->a, self->was_a, 0, LENGTH));
	ASSERT_EQ(0, sm_write(self->v.fd, self->b, self->was_b, 0, LENGTH));
	self->in_a = sm_vault_acquire(&self->v, self->a, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_release(self->v.fd, self->a));
	self->in_b = sm_vault_acquire(&self->v, self->b, SECMEM_READ, &err);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sm_release(self->v.fd, self->b));
}

FIXTURE_TEARDOWN(inside)
{
	sm_vault_close(&self->v);
}

#define EXPECT_BYTES(handle, expected)                                     \
	do {                                                               \
		unsigned char now[LENGTH];                                 \
		EXPECT_EQ(0, sm_read(self->v.fd, handle, now, 0, LENGTH)); \
		EXPECT_EQ(0, memcmp(now, expected, LENGTH));               \
	} while (0)

#define EXPECT_NOTHING_HELD(handle)                                 \
	do {                                                        \
		struct secmem_status st;                            \
		EXPECT_EQ(0, sm_stat(self->v.fd, handle, &st));     \
		EXPECT_EQ(0, st.readers + st.writers + st.waiters); \
		EXPECT_EQ(0, st.protection);                        \
	} while (0)

TEST_F(inside, buffer_in_a_shut_secret_is_efault)
{
	uint32_t equal = 7;

	/* The secret's own bytes, which the call must not open for itself. */
	EXPECT_EQ(-EFAULT, sm_read(self->v.fd, self->a, self->in_a, 0, LENGTH));
	EXPECT_EQ(-EFAULT,
		  sm_write(self->v.fd, self->a, self->in_a, 0, LENGTH));
	EXPECT_EQ(-EFAULT,
		  sm_compare(self->v.fd, self->a, self->in_a, LENGTH, &equal));
	/* And those of another secret. */
	EXPECT_EQ(-EFAULT, sm_read(self->v.fd, self->a, self->in_b, 0, LENGTH));
	EXPECT_EQ(-EFAULT,
		  sm_write(self->v.fd, self->a, self->in_b, 0, LENGTH));
	EXPECT_EQ(-EFAULT,
		  sm_compare(self->v.fd, self->a, self->in_b, LENGTH, &equal));
	EXPECT_EQ(0, equal);
	EXPECT_NOTHING_HELD(self->a);
	EXPECT_NOTHING_HELD(self->b);
	EXPECT_BYTES(self->a, self->was_a);
	EXPECT_BYTES(self->b, self->was_b);
}

TEST_F(inside, read_into_a_secret_open_for_read_is_efault)
{
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->a, SECMEM_READ, NULL));
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->b, SECMEM_READ, NULL));
	EXPECT_EQ(-EFAULT, sm_read(self->v.fd, self->a, self->in_a, 0, LENGTH));
	EXPECT_EQ(-EFAULT, sm_read(self->v.fd, self->a, self->in_b, 0, LENGTH));
	EXPECT_EQ(0, memcmp(self->in_b, self->was_b, LENGTH));
	ASSERT_EQ(0, sm_release(self->v.fd, self->a));
	ASSERT_EQ(0, sm_release(self->v.fd, self->b));
	EXPECT_NOTHING_HELD(self->a);
	EXPECT_BYTES(self->b, self->was_b);
}

TEST_F(inside, copies_between_open_secrets_work)
{
	uint32_t equal = 7;

	/* READ of a into b, open for WRITE. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->b, SECMEM_WRITE, NULL));
	EXPECT_EQ(0, sm_read(self->v.fd, self->a, self->in_b, 0, LENGTH / 2));
	ASSERT_EQ(0, sm_release(self->v.fd, self->b));
	memset(self->was_b, 'a', LENGTH / 2);
	EXPECT_BYTES(self->b, self->was_b);

	/* WRITE of a from b, open for READ. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->b, SECMEM_READ, NULL));
	EXPECT_EQ(0,
		  sm_compare(self->v.fd, self->a, self->in_b, LENGTH, &equal));
	EXPECT_EQ(0, equal);
	EXPECT_EQ(0, sm_write(self->v.fd, self->a, self->in_b, 0, LENGTH));
	EXPECT_EQ(0,
		  sm_compare(self->v.fd, self->a, self->in_b, LENGTH, &equal));
	EXPECT_EQ(1, equal);
	ASSERT_EQ(0, sm_release(self->v.fd, self->b));
	EXPECT_BYTES(self->a, self->was_b);
}

TEST_F(inside, compare_reads_its_own_open_bytes)
{
	uint32_t equal = 7;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->a, SECMEM_READ, NULL));
	EXPECT_EQ(0,
		  sm_compare(self->v.fd, self->a, self->in_a, LENGTH, &equal));
	EXPECT_EQ(1, equal);
	ASSERT_EQ(0, sm_release(self->v.fd, self->a));
}

TEST_F(inside, copy_of_a_secret_that_the_caller_writes_would_wait)
{
	unsigned char buffer[LENGTH] = { 0 };
	static const unsigned long calls[] = {
		SECMEM_IOC_READ,
		SECMEM_IOC_WRITE,
		SECMEM_IOC_COMPARE,
	};
	size_t i;

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->a, SECMEM_WRITE, NULL));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(-EAGAIN,
			  sm_copy(self->v.fd, calls[i], self->a, SECMEM_NOWAIT,
				  SECMEM_FOREVER, self->in_a, 0, LENGTH, NULL));
		EXPECT_EQ(-EAGAIN,
			  sm_copy(self->v.fd, calls[i], self->a, SECMEM_NOWAIT,
				  SECMEM_FOREVER, buffer, 0, LENGTH, NULL));
		EXPECT_EQ(-ETIMEDOUT,
			  sm_copy(self->v.fd, calls[i], self->a, 0,
				  sm_in_ms(-1), self->in_a, 0, LENGTH, NULL));
	}
	EXPECT_EQ(0, memcmp(self->in_a, self->was_a, LENGTH));
	ASSERT_EQ(0, sm_release(self->v.fd, self->a));

	/* While READ is held, only WRITE has to wait. */
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->a, SECMEM_READ, NULL));
	EXPECT_EQ(-EAGAIN,
		  sm_copy(self->v.fd, SECMEM_IOC_WRITE, self->a, SECMEM_NOWAIT,
			  SECMEM_FOREVER, self->in_a, 0, LENGTH, NULL));
	EXPECT_EQ(0,
		  sm_copy(self->v.fd, SECMEM_IOC_READ, self->a, SECMEM_NOWAIT,
			  SECMEM_FOREVER, buffer, 0, LENGTH, NULL));
	EXPECT_EQ(0, memcmp(buffer, self->was_a, LENGTH));
	ASSERT_EQ(0, sm_release(self->v.fd, self->a));
	EXPECT_BYTES(self->a, self->was_a);
}

/* Half of a handle may well be another handle. */
TEST_F(inside, by_value_needs_an_argument_that_can_hold_a_handle)
{
	uint64_t offset = 0;

	if (sizeof(long) < sizeof(self->a)) {
		EXPECT_EQ(-ENOTTY, sm_acquire_value(self->v.fd, self->a, NULL));
		EXPECT_EQ(-ENOTTY, sm_release_value(self->v.fd, self->a));
		return;
	}
	ASSERT_EQ(0, sm_acquire_value(self->v.fd, self->a, &offset));
	EXPECT_EQ(0, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(0, sm_release_value(self->v.fd, self->a));
	EXPECT_EQ(SIGSEGV, sm_touch(self->v.view + offset, NULL));
	EXPECT_EQ(-EINVAL, sm_release_value(self->v.fd, self->a));
}

TEST_HARNESS_MAIN
