/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers that keep the kernel waiting, by userfaultfd.
 */
#ifndef SECMEM_SLOW_H
#define SECMEM_SLOW_H

#include <linux/userfaultfd.h>

#include "secmem_test.h"

/*
 * A buffer that is as slow as the test likes: its page is missing until the
 * test hands it in.
 */
struct slow {
	int fd;
	unsigned char *page;
};

static inline int slow_open(struct slow *slow)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };

	slow->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (slow->fd < 0)
		return -errno;
	slow->page = mmap(NULL, SM_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)slow->page;
	reg.range.len = SM_PAGE;
	if (slow->page == MAP_FAILED || ioctl(slow->fd, UFFDIO_API, &api) ||
	    ioctl(slow->fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

/* Waits until a thread is stuck at the page. */
static inline int slow_wait(struct slow *slow)
{
	struct pollfd p = { .fd = slow->fd, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&p, 1, SM_PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	if (read(slow->fd, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_PAGEFAULT)
		return -EIO;
	return 0;
}

static inline int slow_let_go(struct slow *slow)
{
	static unsigned char contents[65536];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)slow->page,
		.src = (uintptr_t)contents,
		.len = SM_PAGE,
	};

	return ioctl(slow->fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static inline void slow_close(struct slow *slow)
{
	munmap(slow->page, SM_PAGE);
	close(slow->fd);
}

#endif /* SECMEM_SLOW_H */
