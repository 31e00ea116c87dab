// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libsecmem.h>
#include <openssl/crypto.h>
#include <secmem/secmem.h>
#include <sodium.h>

#include "ways.h"

#define PAGE ((size_t)4096)
#define ROUND_UP(length) (((length) + PAGE - 1) & ~(PAGE - 1))

static int result(int ret)
{
	return ret ? -errno : 0;
}

/* The floor: what a pair of calls costs that do nothing. */

static int plain_create(struct item *item, size_t length)
{
	item->length = length;
	item->data = mmap(NULL, ROUND_UP(length), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return result(item->data == MAP_FAILED);
}

static int plain_destroy(struct item *item)
{
	return result(munmap(item->data, ROUND_UP(item->length)));
}

static int null_call(struct item *item)
{
	(void)item;
	return syscall(SYS_getppid) < 0;
}

static int null_call_open(struct item *item, bool write)
{
	(void)write;
	return null_call(item);
}

static int device = -1;

static int null_ioctl_prepare(size_t items)
{
	(void)items;
	device = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
	return result(device < 0);
}

static int null_ioctl(struct item *item)
{
	(void)item;
	/* No call has this number: it gets as far as the table of calls. */
	return ioctl(device, _IO(SECMEM_IOC_MAGIC, 0xff), 0) == 0;
}

static int null_ioctl_open(struct item *item, bool write)
{
	(void)write;
	return null_ioctl(item);
}

/* An anonymous page that is locked, and shut by mprotect. */

static int locked_create(struct item *item, size_t length)
{
	item->length = length;
	item->data = mmap(NULL, ROUND_UP(length), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (item->data == MAP_FAILED)
		return -errno;
	if (mlock(item->data, ROUND_UP(length)))
		return -errno;
	item->data[0] = 1;
	return 0;
}

static int anonymous_create(struct item *item, size_t length)
{
	int ret = locked_create(item, length);

	if (ret)
		return ret;
	return result(mprotect(item->data, ROUND_UP(length), PROT_NONE));
}

static int anonymous_destroy(struct item *item)
{
	return result(munmap(item->data, ROUND_UP(item->length)));
}

static int anonymous_open(struct item *item, bool write)
{
	return result(mprotect(item->data, ROUND_UP(item->length),
			       write ? PROT_READ | PROT_WRITE : PROT_READ));
}

static int anonymous_shut(struct item *item)
{
	return result(mprotect(item->data, ROUND_UP(item->length), PROT_NONE));
}

/* The same between guard pages; the calls are in memguard's order. */

static int guarded_create(struct item *item, size_t length)
{
	size_t inner = ROUND_UP(length);
	unsigned char *base = mmap(NULL, inner + 2 * PAGE,
				   PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	item->length = length;
	item->data = base + PAGE;
	item->more = base;
	if (mlock(item->data, inner))
		return -errno;
	memset(base, 0xdb, PAGE);
	memset(item->data + inner, 0xdb, PAGE);
	if (mprotect(base, PAGE, PROT_NONE) ||
	    mprotect(item->data + inner, PAGE, PROT_NONE))
		return -errno;
	item->data[0] = 1;
	return result(mprotect(item->data, inner, PROT_NONE));
}

static int guarded_destroy(struct item *item)
{
	size_t inner = ROUND_UP(item->length);

	if (mprotect(item->more, inner + 2 * PAGE, PROT_READ | PROT_WRITE))
		return -errno;
	explicit_bzero(item->data, inner);
	if (munlock(item->data, inner))
		return -errno;
	return result(munmap(item->more, inner + 2 * PAGE));
}

/* A count and a lock in the program, mprotect when it leaves or reaches 0. */

struct counted {
	pthread_mutex_t lock;
	unsigned int count;
};

static int counted_create(struct item *item, size_t length)
{
	struct counted *counted = calloc(1, sizeof(*counted));

	if (!counted)
		return -ENOMEM;
	pthread_mutex_init(&counted->lock, NULL);
	item->more = counted;
	return anonymous_create(item, length);
}

static int counted_destroy(struct item *item)
{
	free(item->more);
	return anonymous_destroy(item);
}

static int counted_open(struct item *item, bool write)
{
	struct counted *counted = item->more;
	int ret = 0;

	pthread_mutex_lock(&counted->lock);
	if (!counted->count++)
		ret = anonymous_open(item, write);
	pthread_mutex_unlock(&counted->lock);
	return ret;
}

static int counted_shut(struct item *item)
{
	struct counted *counted = item->more;
	int ret = 0;

	pthread_mutex_lock(&counted->lock);
	if (!--counted->count)
		ret = anonymous_shut(item);
	pthread_mutex_unlock(&counted->lock);
	return ret;
}

/* libsodium */

static int sodium_prepare(size_t items)
{
	(void)items;
	return sodium_init() < 0 ? -EIO : 0;
}

static int sodium_create(struct item *item, size_t length)
{
	item->length = length;
	item->data = sodium_malloc(length);
	if (!item->data)
		return -errno;
	item->data[0] = 1;
	return result(sodium_mprotect_noaccess(item->data));
}

static int sodium_destroy(struct item *item)
{
	sodium_free(item->data);
	return 0;
}

static int sodium_open(struct item *item, bool write)
{
	return result(write ? sodium_mprotect_readwrite(item->data) :
			      sodium_mprotect_readonly(item->data));
}

static int sodium_shut(struct item *item)
{
	return result(sodium_mprotect_noaccess(item->data));
}

/* memfd_secret, which is off the direct map, and shut by mprotect. */

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static int memfd_create_item(struct item *item, size_t length)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	item->length = length;
	item->data = MAP_FAILED;
	if (!ftruncate(fd, ROUND_UP(length)))
		item->data = mmap(NULL, ROUND_UP(length),
				  PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ret = result(item->data == MAP_FAILED);
	close(fd);
	if (ret)
		return ret;
	for (size_t at = 0; at < length; at += PAGE)
		item->data[at] = 1;
	return result(mprotect(item->data, ROUND_UP(length), PROT_NONE));
}

static int memfd_share(struct item *item)
{
	(void)item;
	return 0;
}

static int memfd_adopt(struct item *item)
{
	(void)item;
	return 0;
}

static int memfd_prepare(size_t items)
{
	int fd = syscall(SYS_memfd_secret, 0);

	(void)items;
	return fd < 0 ? -errno : result(close(fd));
}

/* The kernel's keyring. */

static int keyring_create(struct item *item, size_t length)
{
	static unsigned int serial;
	unsigned char payload[16384];
	char name[32];
	long key;

	if (length > sizeof(payload))
		return -EINVAL;
	memset(payload, 1, length);
	snprintf(name, sizeof(name), "bench:%u", serial++);
	item->length = length;
	key = syscall(SYS_add_key, "user", name, payload, length,
		      KEY_SPEC_PROCESS_KEYRING);
	item->handle = key;
	return result(key < 0);
}

static int keyring_destroy(struct item *item)
{
	return result(syscall(SYS_keyctl, KEYCTL_UNLINK, (int)item->handle,
			      KEY_SPEC_PROCESS_KEYRING) < 0);
}

static int keyring_read(struct item *item, void *buffer, size_t length)
{
	return result(syscall(SYS_keyctl, KEYCTL_READ, (int)item->handle,
			      buffer, length) < 0);
}

/* OpenSSL's secure heap: always open. */

static int openssl_prepare(size_t items)
{
	size_t size = 1 << 16;

	while (size < items * 64)
		size *= 2;
	/* 2 says that a part of it failed */
	return CRYPTO_secure_malloc_init(size, 32) ? 0 : -ENOMEM;
}

static int openssl_create(struct item *item, size_t length)
{
	item->length = length;
	item->data = OPENSSL_secure_zalloc(length);
	if (!item->data)
		return -ENOMEM;
	/* Without a secure heap, OpenSSL takes the ordinary one. */
	return CRYPTO_secure_allocated(item->data) ? 0 : -ENOMEM;
}

static int openssl_destroy(struct item *item)
{
	OPENSSL_secure_clear_free(item->data, item->length);
	return 0;
}

static int openssl_read(struct item *item, void *buffer, size_t length)
{
	memcpy(buffer, item->data, length);
	return 0;
}

static int openssl_write(struct item *item, const void *buffer, size_t length)
{
	memcpy(item->data, buffer, length);
	return 0;
}

/* A protection key: a register of the thread, so others are shut out. */

static int pkey = -1;

static int pkey_prepare(size_t items)
{
	(void)items;
	pkey = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	return result(pkey < 0);
}

static int pkey_create(struct item *item, size_t length)
{
	int ret = locked_create(item, length);

	if (ret)
		return ret;
	return result(pkey_mprotect(item->data, ROUND_UP(length),
				    PROT_READ | PROT_WRITE, pkey));
}

static int pkey_open(struct item *item, bool write)
{
	(void)item;
	return result(pkey_set(pkey, write ? 0 : PKEY_DISABLE_WRITE));
}

static int pkey_shut(struct item *item)
{
	(void)item;
	return result(pkey_set(pkey, PKEY_DISABLE_ACCESS));
}

/* secmem by its ioctls. */

static unsigned char *view;
static size_t view_length;

static int secmem_map(void)
{
	view = mmap(NULL, view_length, PROT_READ | PROT_WRITE, MAP_SHARED,
		    device, 0);
	return result(view == MAP_FAILED);
}

static int secmem_prepare(size_t items)
{
	device = open(SECMEM_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	view_length = (items + 1024) * 2 * PAGE;
	return secmem_map();
}

static int secmem_create_with(struct item *item, size_t length, uint32_t flags)
{
	struct secmem_create_args create = {
		.size = sizeof(create),
		.flags = flags,
		.length = length,
	};

	if (ioctl(device, SECMEM_IOC_CREATE, &create))
		return -errno;
	item->length = length;
	item->handle = create.handle;
	return 0;
}

static int secmem_create_item(struct item *item, size_t length)
{
	return secmem_create_with(item, length, 0);
}

static int linger_create(struct item *item, size_t length)
{
	return secmem_create_with(item, length, SECMEM_CREATE_LINGER);
}

static int secmem_destroy_item(struct item *item)
{
	struct secmem_op op = {
		.size = sizeof(op),
		.handle = item->handle,
		.deadline = SECMEM_FOREVER,
	};

	return result(ioctl(device, SECMEM_IOC_CLOSE, &op));
}

static int secmem_open_item(struct item *item, bool write)
{
	struct secmem_acquire_args acquire = {
		.size = sizeof(acquire),
		.flags = write ? SECMEM_WRITE : SECMEM_READ,
		.handle = item->handle,
		.deadline = SECMEM_FOREVER,
	};

	if (ioctl(device, SECMEM_IOC_ACQUIRE, &acquire))
		return -errno;
	item->data = view + acquire.offset;
	return 0;
}

static int secmem_shut_item(struct item *item)
{
	struct secmem_op op = { .size = sizeof(op), .handle = item->handle };

	return result(ioctl(device, SECMEM_IOC_RELEASE, &op));
}

static int secmem_change_item(struct item *item, bool write)
{
	struct secmem_op op = {
		.size = sizeof(op),
		.flags = write ? SECMEM_WRITE : SECMEM_READ,
		.handle = item->handle,
		.deadline = write ? SECMEM_FOREVER : 0,
	};

	return result(ioctl(device, SECMEM_IOC_SWITCH, &op));
}

/* The same by value. */

static int value_open(struct item *item, bool write)
{
	int page;

	if (write)
		return secmem_open_item(item, true);
	page = ioctl(device, SECMEM_IOC_ACQUIRE_VALUE, item->handle);
	if (page < 0)
		return -errno;
	/* Data ends where a page does. */
	item->data = view + page * (size_t)PAGE +
		     (ROUND_UP(item->length) - item->length);
	return 0;
}

static int value_shut(struct item *item)
{
	return result(ioctl(device, SECMEM_IOC_RELEASE_VALUE, item->handle) <
		      0);
}

static int secmem_copy_item(struct item *item, unsigned long call,
			    const void *buffer, size_t length)
{
	struct secmem_copy copy = {
		.size = sizeof(copy),
		.handle = item->handle,
		.deadline = SECMEM_FOREVER,
		.buffer = (uintptr_t)buffer,
		.length = length,
	};

	return result(ioctl(device, call, &copy));
}

static int secmem_read_item(struct item *item, void *buffer, size_t length)
{
	return secmem_copy_item(item, SECMEM_IOC_READ, buffer, length);
}

static int secmem_write_item(struct item *item, const void *buffer,
			     size_t length)
{
	return secmem_copy_item(item, SECMEM_IOC_WRITE, buffer, length);
}

static int secmem_share_item(struct item *item)
{
	struct secmem_export_args export = {
		.size = sizeof(export),
		.handle = item->handle,
		.rights = SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP,
	};
	int ret = result(ioctl(device, SECMEM_IOC_EXPORT, &export));

	item->grant = export.fd;
	return ret;
}

static int secmem_adopt_item(struct item *item)
{
	device = item->grant;
	view_length = ROUND_UP(item->length) + 2 * PAGE;
	view = mmap(NULL, view_length, PROT_READ, MAP_SHARED, device, 0);
	return result(view == MAP_FAILED);
}

/* secmem by its library. */

static secmem_secret_t library_name(const struct item *item)
{
	secmem_secret_t secret = {
		.grant = item->grant,
		.handle = item->handle,
	};

	return secret;
}

static int library_create(struct item *item, size_t length)
{
	secmem_secret_t secret;
	int ret = secmem_create_zero(&secret, length, NULL);

	if (ret)
		return ret;
	item->length = length;
	item->grant = secret.grant;
	item->handle = secret.handle;
	return 0;
}

static int library_destroy(struct item *item)
{
	return secmem_close(library_name(item), SECMEM_FOREVER);
}

/* A thread's accesses: no test has more than this open at a time. */
#define ACCESSES 8
static __thread struct secmem_access accesses[ACCESSES];
static __thread unsigned int access_count;

static int library_open(struct item *item, bool write)
{
	struct secmem_access *access = &accesses[access_count];
	int ret;

	if (access_count == ACCESSES)
		return -EMFILE;
	ret = secmem_acquire(library_name(item),
			     write ? SECMEM_WRITE : SECMEM_READ, SECMEM_FOREVER,
			     access);
	item->data = access->data;
	access_count += !ret;
	return ret;
}

/* Releases the access that was taken last. */
static int library_shut(struct item *item)
{
	if (!access_count ||
	    accesses[access_count - 1].secret.handle != item->handle)
		return -EINVAL;
	return secmem_release(&accesses[--access_count]);
}

static int library_read(struct item *item, void *buffer, size_t length)
{
	return secmem_read(library_name(item), buffer, length, 0,
			   SECMEM_FOREVER);
}

static int library_write(struct item *item, const void *buffer, size_t length)
{
	return secmem_write(library_name(item), buffer, length, 0,
			    SECMEM_FOREVER);
}

const struct way ways[] = {
	{
		.name = "null-syscalls",
		.counts = true,
		.create = plain_create,
		.destroy = plain_destroy,
		.open = null_call_open,
		.shut = null_call,
	},
	{
		.name = "null-ioctls",
		.counts = true,
		.prepare = null_ioctl_prepare,
		.create = plain_create,
		.destroy = plain_destroy,
		.open = null_ioctl_open,
		.shut = null_ioctl,
	},
	{
		.name = "mprotect",
		.create = anonymous_create,
		.destroy = anonymous_destroy,
		.open = anonymous_open,
		.shut = anonymous_shut,
		.change = anonymous_open,
	},
	{
		.name = "guarded",
		.create = guarded_create,
		.destroy = guarded_destroy,
		.open = anonymous_open,
		.shut = anonymous_shut,
		.change = anonymous_open,
	},
	{
		.name = "counted",
		.counts = true,
		.create = counted_create,
		.destroy = counted_destroy,
		.open = counted_open,
		.shut = counted_shut,
	},
	{
		.name = "libsodium",
		.prepare = sodium_prepare,
		.create = sodium_create,
		.destroy = sodium_destroy,
		.open = sodium_open,
		.shut = sodium_shut,
		.change = sodium_open,
	},
	{
		.name = "memfd_secret",
		.prepare = memfd_prepare,
		.create = memfd_create_item,
		.destroy = anonymous_destroy,
		.open = anonymous_open,
		.shut = anonymous_shut,
		.change = anonymous_open,
		.share = memfd_share,
		.adopt = memfd_adopt,
	},
	{
		.name = "keyring",
		.counts = true,
		.create = keyring_create,
		.destroy = keyring_destroy,
		.read = keyring_read,
	},
	{
		.name = "openssl",
		.counts = true,
		.prepare = openssl_prepare,
		.create = openssl_create,
		.destroy = openssl_destroy,
		.read = openssl_read,
		.write = openssl_write,
	},
	{
		.name = "pkeys",
		.counts = true,
		.prepare = pkey_prepare,
		.create = pkey_create,
		.destroy = anonymous_destroy,
		.open = pkey_open,
		.shut = pkey_shut,
		.change = pkey_open,
	},
	{
		.name = "secmem",
		.counts = true,
		.prepare = secmem_prepare,
		.create = secmem_create_item,
		.destroy = secmem_destroy_item,
		.open = secmem_open_item,
		.shut = secmem_shut_item,
		.change = secmem_change_item,
		.read = secmem_read_item,
		.write = secmem_write_item,
		.share = secmem_share_item,
		.adopt = secmem_adopt_item,
	},
	{
		.name = "secmem-value",
		.counts = true,
		.prepare = secmem_prepare,
		.create = secmem_create_item,
		.destroy = secmem_destroy_item,
		.open = value_open,
		.shut = value_shut,
		.share = secmem_share_item,
		.adopt = secmem_adopt_item,
	},
	{
		.name = "secmem-linger",
		.lingers = true,
		.prepare = secmem_prepare,
		.create = linger_create,
		.destroy = secmem_destroy_item,
		.open = value_open,
		.shut = value_shut,
	},
	{
		.name = "libsecmem",
		.counts = true,
		.create = library_create,
		.destroy = library_destroy,
		.open = library_open,
		.shut = library_shut,
		.read = library_read,
		.write = library_write,
	},
};

const size_t way_count = sizeof(ways) / sizeof(ways[0]);
