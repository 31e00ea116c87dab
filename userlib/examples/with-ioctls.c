// SPDX-License-Identifier: LGPL-2.1-or-later
/* cc with-ioctls.c && ./a.out */
#include <fcntl.h>
#include <secmem/secmem.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

int main(void)
{
	struct secmem_create_args key = { .size = sizeof(key),
					  .length = 32,
					  .flags = SECMEM_CREATE_RANDOM };
	struct secmem_acquire_args access = { .size = sizeof(access),
					      .flags = SECMEM_READ,
					      .deadline = SECMEM_FOREVER };
	struct secmem_op op = { .size = sizeof(op) };
	int fd = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
	unsigned char *view = mmap(NULL, 1 << 30, PROT_READ, MAP_SHARED, fd, 0);

	if (view == MAP_FAILED || ioctl(fd, SECMEM_IOC_CREATE, &key))
		return 1;
	access.handle = op.handle = key.handle;
	if (ioctl(fd, SECMEM_IOC_ACQUIRE, &access))
		return 1;
	printf("byte 0 of %llu: %d\n", access.length, view[access.offset]);
	return ioctl(fd, SECMEM_IOC_RELEASE, &op) != 0;
}
