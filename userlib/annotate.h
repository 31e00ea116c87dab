/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tools that watch a program cannot see, as the kernel does it: that bytes
 * are written, and that one thread's access comes after another's. Where no
 * such tool is there, its functions are not, and nothing is done.
 */
#ifndef _LIBSECMEM_ANNOTATE_H
#define _LIBSECMEM_ANNOTATE_H

#include <stddef.h>
#include "libsecmem.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MAKE_MEM_DEFINED
#define VALGRIND_MAKE_MEM_DEFINED(start, length) ((void)(start), (void)(length))
#endif

#define SECMEM__WEAK __attribute__((__weak__))

void __msan_unpoison(const volatile void *start, size_t length) SECMEM__WEAK;
void __msan_unpoison_param(size_t count) SECMEM__WEAK;
void __tsan_acquire(void *address) SECMEM__WEAK;
void __tsan_release(void *address) SECMEM__WEAK;
void __tsan_mutex_pre_unlock(void *address, unsigned int flags) SECMEM__WEAK;
void __tsan_mutex_post_unlock(void *address, unsigned int flags) SECMEM__WEAK;

/* The kernel, or this library, has written these bytes. */
static inline void secmem__defined(const volatile void *start, size_t length)
{
	if (__msan_unpoison)
		__msan_unpoison(start, length);
	(void)VALGRIND_MAKE_MEM_DEFINED(start, length);
}

/* So are the arguments, of which there are three, of the call that follows. */
static inline void secmem__defined_arguments(void)
{
	if (__msan_unpoison_param)
		__msan_unpoison_param(3);
}

/* What one thread has shown at an address, another one has seen there. */
static inline void secmem__shown(void *address)
{
	if (__tsan_release)
		__tsan_release(address);
}

static inline void secmem__seen(void *address)
{
	if (__tsan_acquire)
		__tsan_acquire(address);
}

/* A child's memory was wiped, and with it a lock that the forking thread held. */
static inline void secmem__lock_wiped(void *lock)
{
	if (__tsan_mutex_pre_unlock)
		__tsan_mutex_pre_unlock(lock, 0);
	if (__tsan_mutex_post_unlock)
		__tsan_mutex_post_unlock(lock, 0);
}

/*
 * An access to a secret begins, after the call that the kernel let it in by;
 * and ends, before the call that tells the kernel so.
 */
void secmem__order_begin(secmem_secret_t secret, uint32_t flags);
void secmem__order_end(secmem_secret_t secret, uint32_t flags);

#endif /* _LIBSECMEM_ANNOTATE_H */
