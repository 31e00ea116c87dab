// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine that has a view for memory. Its guest gets nothing of a
 * secret that is shut, and no more of an open one than a thread of the process
 * does: old kernels give it nothing, newer ones what the page table has, until
 * the secret is shut.
 *
 * KVM patches the kernel when a guest starts. With two emulated processors,
 * newer kernels have died at a patched instruction; so there is one.
 *
 * VM: --module kvm-amd --smp 1
 */
#include <linux/kvm.h>

#include "attack.h"

#define CODE_AT 0x1000
#define DATA_AT 0x2000
#define PORT 0x10

/* mov al, [DATA_AT]; out PORT, al; hlt */
static const unsigned char guest_reads[] = {
	0xa0, 0x00, 0x20, 0xe6, PORT, 0xf4
};
/* mov al, 0x55; mov [DATA_AT], al; out PORT, al; hlt */
static const unsigned char guest_writes[] = {
	0xb0, 0x55, 0xa2, 0x00, 0x20, 0xe6, PORT, 0xf4,
};

struct guest {
	int kvm, vm, vcpu;
	size_t run_length;
	struct kvm_run *run;
	unsigned char *code;
};

static int guest_slot(struct guest *g, uint32_t slot, uint64_t at, void *memory)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = at,
		.memory_size = SM_PAGE,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

#ifdef __x86_64__
/* Puts the processor into real mode, at CODE_AT. */
static int guest_reset(struct guest *g)
{
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(g->vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.ds.base = sregs.ds.selector = 0;
	if (ioctl(g->vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(g->vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}
#else
static int guest_reset(struct guest *g)
{
	(void)g;
	return -ENOTSUP;
}
#endif

/*
 * Makes a guest whose processor stands at its first instruction: 0 or -errno.
 */
static int guest_open(struct guest *g, const unsigned char *code, size_t length,
		      void *data)
{
	int err;

	memset(g, 0, sizeof(*g));
	g->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (g->kvm < 0)
		return -errno;
	g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0)
		return -errno;
	g->code = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->code == MAP_FAILED)
		return -errno;
	memcpy(g->code, code, length);
	err = guest_slot(g, 0, CODE_AT, g->code);
	if (!err)
		err = guest_slot(g, 1, DATA_AT, data);
	if (err)
		return err;
	g->vcpu = ioctl(g->vm, KVM_CREATE_VCPU, 0);
	g->run_length = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (g->vcpu < 0)
		return -errno;
	g->run = mmap(NULL, g->run_length, PROT_READ | PROT_WRITE, MAP_SHARED,
		      g->vcpu, 0);
	if (g->run == MAP_FAILED)
		return -errno;
	return guest_reset(g);
}

static void guest_close(struct guest *g)
{
	munmap(g->run, g->run_length);
	munmap(g->code, SM_PAGE);
	close(g->vcpu);
	close(g->vm);
	close(g->kvm);
}

/*
 * Runs the guest: the byte that it outputs; -ENODATA: it put out none; or
 * -errno.
 */
static int guest_run(struct guest *g)
{
	if (ioctl(g->vcpu, KVM_RUN, 0))
		return -errno;
	if (g->run->exit_reason != KVM_EXIT_IO || g->run->io.port != PORT)
		return -ENODATA;
	return *((unsigned char *)g->run + g->run->io.data_offset);
}

/* Runs the guest from its first instruction on. */
static int guest_run_again(struct guest *g)
{
	int err = guest_reset(g);

	return err ? err : guest_run(g);
}

#define NEED_KVM                                     \
	do {                                         \
		if (access("/dev/kvm", R_OK | W_OK)) \
			SKIP(return, "no KVM here"); \
	} while (0)

FIXTURE(kvm)
{
	struct sm_vault v;
	uint64_t seed, handle;
	unsigned char *bytes, *ordinary;
	unsigned char first; /* of the pattern */
};

FIXTURE_SETUP(kvm)
{
	struct at_pattern p;
	uint64_t offset;

	self->seed = sm_now();
	p = at_pattern(self->seed);
	self->first = at_byte(&p);
	ASSERT_EQ(0, sm_vault_open(&self->v));
	ASSERT_EQ(0, at_secret(&self->v, SM_PAGE, self->seed, &self->handle));
	self->ordinary = at_ordinary(SM_PAGE, self->seed);
	ASSERT_NE(NULL, self->ordinary);
	/* This tells where the bytes are; the secret is shut again. */
	ASSERT_EQ(0,
		  sm_acquire(self->v.fd, self->handle, SECMEM_READ, &offset));
	ASSERT_EQ(0, sm_release(self->v.fd, self->handle));
	self->bytes = self->v.view + offset;
}

FIXTURE_TEARDOWN(kvm)
{
	munmap(self->ordinary, SM_PAGE);
	sm_vault_close(&self->v);
}

TEST_F(kvm, guest_reads_nothing_of_a_secret_that_is_shut)
{
	struct guest g;
	int i, got;

	NEED_KVM;
	/* The control: the same in ordinary memory. */
	ASSERT_EQ(0, guest_open(&g, guest_reads, sizeof(guest_reads),
				self->ordinary));
	EXPECT_EQ(self->first, guest_run(&g));
	guest_close(&g);

	/* Shut. */
	ASSERT_EQ(0, guest_open(&g, guest_reads, sizeof(guest_reads),
				self->bytes));
	EXPECT_EQ(-EFAULT, guest_run(&g));
	guest_close(&g);

	/*
	 * Open for READ, and touched; the guest is made before, or meanwhile.
	 */
	for (i = 0; i < 2; i++) {
		if (!i)
			ASSERT_EQ(0,
				  guest_open(&g, guest_reads,
					     sizeof(guest_reads), self->bytes));
		ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ,
					NULL));
		EXPECT_TRUE(at_is(self->bytes, SM_PAGE, self->seed));
		if (i)
			ASSERT_EQ(0,
				  guest_open(&g, guest_reads,
					     sizeof(guest_reads), self->bytes));
		got = guest_run(&g);
		EXPECT_TRUE(got == -EFAULT || got == self->first)
		{
			TH_LOG("it got %d", got);
		}
		EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
		EXPECT_EQ(-EFAULT, guest_run_again(&g));
		guest_close(&g);
	}
}

TEST_F(kvm, guest_writes_nothing_into_a_secret_that_is_read_or_shut)
{
	struct guest g;

	NEED_KVM;
	ASSERT_EQ(0, guest_open(&g, guest_writes, sizeof(guest_writes),
				self->ordinary));
	EXPECT_EQ(0x55, guest_run(&g));
	EXPECT_EQ(0x55, self->ordinary[0]);
	guest_close(&g);

	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, guest_open(&g, guest_writes, sizeof(guest_writes),
				self->bytes));
	/* -EFAULT, or another exit of the guest before its output. */
	EXPECT_GT(0, guest_run(&g));
	EXPECT_TRUE(at_is(self->bytes, SM_PAGE, self->seed));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
	EXPECT_GT(0, guest_run_again(&g));
	guest_close(&g);
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	EXPECT_TRUE(at_is(self->bytes, SM_PAGE, self->seed));
	EXPECT_EQ(0, sm_release(self->v.fd, self->handle));
}

TEST_F(kvm, guest_keeps_no_page_of_a_closed_secret)
{
	struct guest g;
	int got;

	NEED_KVM;
	ASSERT_EQ(0, sm_acquire(self->v.fd, self->handle, SECMEM_READ, NULL));
	ASSERT_EQ(0, guest_open(&g, guest_reads, sizeof(guest_reads),
				self->bytes));
	got = guest_run(&g);
	EXPECT_TRUE(got == -EFAULT || got == self->first);
	ASSERT_EQ(0, sm_revoke(self->v.fd, self->handle));
	EXPECT_EQ(-EFAULT, guest_run_again(&g));
	guest_close(&g);
}

TEST_HARNESS_MAIN
