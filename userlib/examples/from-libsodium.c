// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The same work with libsodium's guarded memory and with secmem, and where the
 * two differ: what a forked child finds, and what happens at the limit.
 *
 *	cc from-libsodium.c -lsecmem -lsodium && ./a.out
 */
#include <libsecmem.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const unsigned char text[] = "a message";

static void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "from-libsodium: %s: %s\n", what, strerror(-error));
	exit(1);
}

/* Before: with libsodium. */
static unsigned char *sodium_key;

static void sodium_make(void)
{
	sodium_key = sodium_malloc(crypto_auth_KEYBYTES);
	check(sodium_key ? 0 : -ENOMEM, "sodium_malloc");
	randombytes_buf(sodium_key, crypto_auth_KEYBYTES);
	check(sodium_mprotect_noaccess(sodium_key), "noaccess");
}

static int sodium_sign(unsigned char *tag)
{
	if (sodium_mprotect_readonly(sodium_key))
		return -errno;
	crypto_auth(tag, text, sizeof(text), sodium_key);
	return sodium_mprotect_noaccess(sodium_key) ? -errno : 0;
}

/* After: with secmem. */
static secmem_secret_t secmem_key;

static void secmem_make(void)
{
	check(secmem_create_random(&secmem_key, crypto_auth_KEYBYTES, NULL),
	      "secmem_create_random");
}

static int sign(const void *key, size_t length, void *tag)
{
	(void)length;
	return crypto_auth(tag, text, sizeof(text), key);
}

static int secmem_sign(unsigned char *tag)
{
	return secmem_with_bytes(secmem_key, SECMEM_FOREVER, sign, tag, NULL);
}

/* What a forked child gets. */
static const char *forked(int (*function)(unsigned char *tag))
{
	unsigned char tag[crypto_auth_BYTES];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(-function(tag));
	check(waitpid(pid, &status, 0) == pid ? 0 : -errno, "child");
	return WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : "signs";
}

int main(void)
{
	static const struct rlimit none = { 0 };
	unsigned char tag[crypto_auth_BYTES];
	secmem_secret_t secret;

	check(sodium_init() < 0 ? -EIO : 0, "sodium_init");
	sodium_make();
	secmem_make();
	check(sodium_sign(tag), "sign");
	check(secmem_sign(tag), "sign");

	printf("libsodium, in a child: %s\n", forked(sodium_sign));
	printf("secmem, in a child: %s\n", forked(secmem_sign));

	/* Root with CAP_IPC_LOCK has no limit. */
	check(setrlimit(RLIMIT_MEMLOCK, &none) ? -errno : 0, "limit");
	printf("libsodium, at the limit: %s\n",
	       sodium_malloc(1 << 20) ? "memory that may be swapped" :
					strerror(errno));
	printf("secmem, at the limit: %s\n",
	       strerror(-secmem_create_zero(&secret, 1 << 20, NULL)));

	sodium_free(sodium_key);
	return -secmem_close(secmem_key, SECMEM_FOREVER);
}
