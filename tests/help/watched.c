// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that a tool watches (a sanitizer, memcheck). It does nothing wrong;
 * or, as a control, one thing that the tool has to find:
 *
 *	watched [race|undefined|overflow]
 */
#include <libsecmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 200

static int failures;

static void check(int good, const char *what)
{
	if (good)
		return;
	__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	printf("failed: %s\n", what);
}

#define CHECK(condition) check(condition, #condition)

static int sum(const void *data, size_t length, void *argument)
{
	const unsigned char *bytes = data;
	int result = 0;
	size_t i;

	/* The tool checks that each of these bytes is defined. */
	for (i = 0; i < length; i++)
		if (bytes[i] != *(unsigned char *)argument)
			result++;
	return result;
}

/* Looks at all that the kernel fills in. */
static void fill(void)
{
	unsigned char byte = 'k', *copy = malloc(32), key[32];
	struct secmem_access access;
	secmem_secret_t secret, adopted;
	struct secmem_status status;
	struct secmem_info info;
	secmem_grant_t grant;
	int equal, fd, result;

	memset(key, 'k', sizeof(key));
	CHECK(!secmem_create(&secret, key, sizeof(key), NULL));
	CHECK(secret.handle && secret.grant);
	CHECK(!secmem_read(secret, copy, 32, 0, SECMEM_FOREVER));
	CHECK(!sum(copy, 32, &byte));
	CHECK(!secmem_compare(secret, copy, 32, &equal, SECMEM_FOREVER));
	CHECK(equal);
	CHECK(!secmem_with_bytes(secret, SECMEM_FOREVER, sum, &byte, &result));
	CHECK(!result);
	CHECK(!secmem_stat(secret, &status, sizeof(status)));
	CHECK(status.length == 32 && !status.readers && !status.label[0]);
	CHECK(!secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info)));
	CHECK(info.rights == SECMEM_RIGHT_ALL && info.protections);
	CHECK(!secmem_acquire(secret, SECMEM_READ, 0, &access));
	CHECK(access.length == 32 && !sum(access.data, 32, &byte));
	CHECK(!secmem_release(&access));
	CHECK(!access.data);
	fd = secmem_export(secret, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	CHECK(fd >= 0 && !secmem_adopt(fd, &adopted));
	CHECK(adopted.handle == secret.handle);
	CHECK(!secmem_with_bytes(adopted, 0, sum, &byte, &result) && !result);
	CHECK(!secmem_grant_close(secmem_secret_grant(adopted)));
	CHECK(!secmem_grant_open(&grant) && grant.id);
	CHECK(!secmem_grant_close(grant));
	CHECK(!secmem_close(secret, SECMEM_FOREVER));

	/* The next secret has the same place; the kernel fills it. */
	CHECK(!secmem_create_random(&secret, 32, NULL));
	byte = 0;
	CHECK(!secmem_with_bytes(secret, 0, sum, &byte, &result) && result);
	CHECK(!secmem_close(secret, SECMEM_FOREVER));
	free(copy);
}

/* guarded is used only under an access to turn: so there is no race. */
static secmem_secret_t turn;
static int guarded;

static int take_turn(void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	++*(unsigned char *)data;
	guarded++;
	return 0;
}

static int look(const void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	return *(const unsigned char *)data + guarded;
}

static void *turns(void *argument)
{
	unsigned char byte;
	int i, result;

	(void)argument;
	for (i = 0; i < ROUNDS; i++) {
		CHECK(!secmem_with_bytes_mut(turn, SECMEM_FOREVER, take_turn,
					     NULL, NULL));
		CHECK(!secmem_with_bytes(turn, SECMEM_FOREVER, look, NULL,
					 &result));
		CHECK(!secmem_read(turn, &byte, 1, 0, SECMEM_FOREVER));
	}
	return NULL;
}

/* This is written before the secret is, and read after that was seen. */
static int letter;

static void *send_letter(void *argument)
{
	letter = 42;
	CHECK(!secmem_write(turn, argument, 1, 0, SECMEM_FOREVER));
	return NULL;
}

static void order(void)
{
	unsigned char first = 0x55, zero = 0, byte = 0;
	pthread_t threads[2];
	int i;

	CHECK(!secmem_create_zero(&turn, 1, NULL));
	for (i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, turns, NULL));
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK(guarded == 2 * ROUNDS);

	CHECK(!secmem_write(turn, &zero, 1, 0, SECMEM_FOREVER));
	CHECK(!pthread_create(&threads[0], NULL, send_letter, &first));
	while (byte != first)
		CHECK(!secmem_read(turn, &byte, 1, 0, SECMEM_FOREVER));
	CHECK(letter == 42);
	pthread_join(threads[0], NULL);
	CHECK(!secmem_close(turn, SECMEM_FOREVER));
}

/* The thread that comes first opens the vault and maps it. */
static void *first(void *argument)
{
	unsigned char zero = 0;
	secmem_secret_t secret;
	int result;

	CHECK(!secmem_create_zero(&secret, 8, NULL));
	CHECK(!secmem_with_bytes(secret, SECMEM_FOREVER, sum, &zero, &result));
	CHECK(!result);
	CHECK(!secmem_close(secret, SECMEM_FOREVER));
	return argument;
}

static void begin(void)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, first, NULL));
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static int unguarded;

static void *race(void *argument)
{
	unguarded++;
	return argument;
}

/* Depends on a byte that nobody has written. */
static __attribute__((__noinline__)) int is_seven(volatile unsigned char *byte)
{
	return *byte == 7;
}

int main(int argc, char **argv)
{
	const char *fault = argc > 1 ? argv[1] : "";
	unsigned char *bytes = malloc(8), unwritten[8];
	pthread_t thread;

	setvbuf(stdout, NULL, _IOLBF, 0);
	begin();
	fill();
	order();
	if (!strcmp(fault, "race")) {
		pthread_create(&thread, NULL, race, NULL);
		unguarded++;
		pthread_join(thread, NULL);
	} else if (!strcmp(fault, "undefined")) {
		if (is_seven(&unwritten[argc]))
			puts("seven");
	} else if (!strcmp(fault, "overflow")) {
		((volatile unsigned char *)bytes)[6 + argc] = 7;
	}
	free(bytes);
	return failures ? 1 : 0;
}
