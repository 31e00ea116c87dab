// SPDX-License-Identifier: GPL-2.0-only
/*
 * A service that signs with an Ed25519 key.
 *
 *	signer malloc|mprotect|secmem KEYFILE
 *
 * KEYFILE is as "openssl genpkey -algorithm ed25519 -outform DER" makes it. The
 * key is held in ordinary memory, in libsodium's guarded memory (locked,
 * between guard pages, PROT_NONE while not in use), or in secmem. Takes orders
 * line by line: "sign MESSAGE", "close", and with secmem "close-held MESSAGE".
 */
#include <errno.h>
#include <fcntl.h>
#include <libsecmem.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* PKCS #8 around the 32 bytes that are the key. */
static const unsigned char der_prefix[] = {
	0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
	0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
};
#define DER_LENGTH (sizeof(der_prefix) + crypto_sign_SEEDBYTES)

static void fail(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2), __noreturn__));

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("failed: ");
	vprintf(format, arguments);
	printf("\n");
	exit(1);
}

static void check(const char *what, int error)
{
	if (error)
		fail("%s: %s", what, strerror(-error));
}

/* The key as libsodium wants it, from the file as openssl made it. */
static void key_derive(unsigned char *key, const unsigned char *der)
{
	unsigned char public[crypto_sign_PUBLICKEYBYTES];

	if (memcmp(der, der_prefix, sizeof(der_prefix)))
		fail("not an Ed25519 key in PKCS #8");
	crypto_sign_seed_keypair(public, key, der + sizeof(der_prefix));
}

/*
 * Ordinary memory
 */

static unsigned char *malloc_key;

static void malloc_load(int fd)
{
	unsigned char *der = malloc(DER_LENGTH);

	malloc_key = malloc(crypto_sign_SECRETKEYBYTES);
	if (!der || !malloc_key || read(fd, der, DER_LENGTH) != DER_LENGTH)
		check("reading the key", -errno);
	key_derive(malloc_key, der);
	free(der);
}

static void malloc_sign(unsigned char *signature, const char *message)
{
	crypto_sign_detached(signature, NULL, (const unsigned char *)message,
			     strlen(message), malloc_key);
}

static void malloc_close(void)
{
	free(malloc_key);
}

/*
 * Guarded memory
 */

static unsigned char *guarded_key;

static void guarded_load(int fd)
{
	unsigned char *der = sodium_malloc(DER_LENGTH);

	guarded_key = sodium_malloc(crypto_sign_SECRETKEYBYTES);
	if (!der || !guarded_key || read(fd, der, DER_LENGTH) != DER_LENGTH)
		check("reading the key", -errno);
	key_derive(guarded_key, der);
	sodium_mprotect_noaccess(guarded_key);
	sodium_free(der);
}

static void guarded_sign(unsigned char *signature, const char *message)
{
	sodium_mprotect_readonly(guarded_key);
	crypto_sign_detached(signature, NULL, (const unsigned char *)message,
			     strlen(message), guarded_key);
	sodium_mprotect_noaccess(guarded_key);
}

static void guarded_close(void)
{
	sodium_free(guarded_key);
}

/*
 * secmem
 */

static secmem_secret_t secmem_key;

/* From the file into the secret, without a copy in ordinary memory. */
static void secmem_load(int fd)
{
	struct secmem_options options = { .size = sizeof(options) };
	struct secmem_access from, to;
	secmem_secret_t der;

	options.label = "signing key, as its file";
	check("create_from_fd", secmem_create_from_fd(&der, fd, 0, &options));
	options.label = "signing key";
	check("create",
	      secmem_create_zero(&secmem_key, crypto_sign_SECRETKEYBYTES,
				 &options));
	check("acquire",
	      secmem_acquire(der, SECMEM_READ, SECMEM_FOREVER, &from));
	check("acquire",
	      secmem_acquire(secmem_key, SECMEM_WRITE, SECMEM_FOREVER, &to));
	if (from.length != DER_LENGTH)
		fail("the file has %zu bytes", from.length);
	key_derive(to.data, from.data);
	check("release", secmem_release(&to));
	check("release", secmem_release(&from));
	check("close", secmem_close(der, SECMEM_FOREVER));
	check("seal", secmem_seal(secmem_key));
}

static void secmem_sign(unsigned char *signature, const char *message)
{
	struct secmem_access access;

	check("acquire",
	      secmem_acquire(secmem_key, SECMEM_READ, SECMEM_FOREVER, &access));
	crypto_sign_detached(signature, NULL, (const unsigned char *)message,
			     strlen(message), access.data);
	check("release", secmem_release(&access));
}

static void secmem_end(void)
{
	check("close", secmem_close(secmem_key, SECMEM_FOREVER));
}

static const struct store {
	const char *name;
	void (*load)(int fd);
	void (*sign)(unsigned char *signature, const char *message);
	void (*close)(void);
} stores[] = {
	{ "malloc", malloc_load, malloc_sign, malloc_close },
	{ "mprotect", guarded_load, guarded_sign, guarded_close },
	{ "secmem", secmem_load, secmem_sign, secmem_end },
};

static void signature_print(const unsigned char *signature)
{
	char text[2 * crypto_sign_BYTES + 1];

	printf("signature %s\n", sodium_bin2hex(text, sizeof(text), signature,
						crypto_sign_BYTES));
}

/*
 * Close while a reader is inside
 */

static atomic_int closed;
static int close_result;

static void *close_thread(void *argument)
{
	close_result = secmem_close(secmem_key, SECMEM_FOREVER);
	atomic_store(&closed, 1);
	return argument;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void close_held(const char *message)
{
	unsigned char signature[crypto_sign_BYTES];
	struct secmem_access access, other;
	struct secmem_status stat;
	int64_t released;
	pthread_t thread;
	int error;

	check("acquire",
	      secmem_acquire(secmem_key, SECMEM_READ, SECMEM_FOREVER, &access));
	error = pthread_create(&thread, NULL, close_thread, NULL);
	check("pthread_create", -error);
	do {
		sched_yield();
		check("stat", secmem_stat(secmem_key, &stat, sizeof(stat)));
		if (atomic_load(&closed))
			fail("close did not wait");
	} while (!stat.waiters);
	if (stat.state != SECMEM_STATE_CLOSING || stat.readers != 1)
		fail("closing: state %u, %u readers", stat.state, stat.readers);
	printf("%-52sit waits (closing; %u reader, %u waiting)\n",
	       "another thread closes the key", stat.readers, stat.waiters);

	error = secmem_acquire(secmem_key, SECMEM_READ, SECMEM_FOREVER, &other);
	if (error != -EKEYREVOKED)
		fail("access to a closing key: %s", strerror(-error));
	printf("%-52srefused: EKEYREVOKED\n", "a new access meanwhile");

	crypto_sign_detached(signature, NULL, (const unsigned char *)message,
			     strlen(message), access.data);
	signature_print(signature);
	if (atomic_load(&closed))
		fail("close did not wait");
	released = now();
	check("release", secmem_release(&access));
	pthread_join(thread, NULL);
	released = now() - released;
	check("close", close_result);
	check("stat", secmem_stat(secmem_key, &stat, sizeof(stat)));
	if (stat.state != SECMEM_STATE_CLOSED)
		fail("closed: state %u", stat.state);
	printf("%-52sclose returns within %.1f ms (closed)\n",
	       "the reader lets go", released / 1e6);
}

int main(int argc, char **argv)
{
	unsigned char signature[crypto_sign_BYTES];
	const struct store *store = stores;
	char line[128];
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 || sodium_init() < 0)
		fail("usage: signer malloc|mprotect|secmem KEYFILE");
	while (strcmp(store->name, argv[1]))
		if (++store == stores + sizeof(stores) / sizeof(*stores))
			fail("no such store: %s", argv[1]);
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		check(argv[2], -errno);
	store->load(fd);
	close(fd);
	printf("ok %d\n", getpid());

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "sign ", 5)) {
			store->sign(signature, line + 5);
			signature_print(signature);
		} else if (!strcmp(line, "close")) {
			store->close();
		} else if (!strncmp(line, "close-held ", 11)) {
			close_held(line + 11);
		} else {
			fail("unknown order: %s", line);
		}
		printf("ok\n");
	}
	return 0;
}
