/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tools that watch a program do not see what the kernel does: that it writes
 * bytes, and that it lets one thread's access begin after another's has ended.
 * These functions tell them. They do nothing where no such tool is there: the
 * functions of the sanitizers are weak, and memcheck's requests have no effect.
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

/* The three arguments of the call that follows are defined, too. */
static inline void secmem__defined_arguments(void)
{
	if (__msan_unpoison_param)
		__msan_unpoison_param(3);
}

/*
 * What a thread did before secmem__shown() of an address comes before what
 * another thread does after secmem__seen() of the same address.
 */
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

/*
 * A forked child's memory was wiped, and with it a lock that the forking thread
 * held: to the tool, the child unlocks it.
 */
static inline void secmem__lock_wiped(void *lock)
{
	if (__tsan_mutex_pre_unlock)
		__tsan_mutex_pre_unlock(lock, 0);
	if (__tsan_mutex_post_unlock)
		__tsan_mutex_post_unlock(lock, 0);
}

/*
 * secmem__order_begin is called when an access begins: after the call by which
 * the kernel grants it. secmem__order_end is called when it ends: before the
 * call that tells the kernel.
 */
void secmem__order_begin(secmem_secret_t secret, uint32_t flags);
void secmem__order_end(secmem_secret_t secret, uint32_t flags);

#endif /* _LIBSECMEM_ANNOTATE_H */
