// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Key rotation under constant use. To write a new key over the old one waits
 * for a moment in which nobody reads, which may never come. So the new key is a
 * new secret: whoever asks from then on gets the new one, and the old one ends
 * when its last user lets go.
 *
 *	cc -pthread rotate.c -lsecmem && ./a.out
 */
#include <libsecmem.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS 4
#define ROTATIONS 3
#define KEY_SIZE 32

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static secmem_secret_t current;
static atomic_int end, uses;

static void check(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "rotate: %s: %s\n", what, strerror(-error));
	exit(1);
}

static secmem_secret_t key_now(void)
{
	secmem_secret_t key;

	pthread_mutex_lock(&lock);
	key = current;
	pthread_mutex_unlock(&lock);
	return key;
}

/* -EKEYREVOKED: the key was rotated after the look-up. Look up the next one. */
static void key_acquire(struct secmem_access *access)
{
	int error;

	do
		error = secmem_acquire(key_now(), SECMEM_READ, SECMEM_FOREVER,
				       access);
	while (error == -EKEYREVOKED);
	check(error, "acquire");
}

static int key_rotate(void)
{
	secmem_secret_t fresh, old;
	int error;

	error = secmem_create_random(&fresh, KEY_SIZE, NULL);
	if (error)
		return error;
	pthread_mutex_lock(&lock);
	old = current;
	current = fresh;
	pthread_mutex_unlock(&lock);
	/* Waits for those who still use the old key, and wipes it. */
	return secmem_close(old, SECMEM_FOREVER);
}

/* A busy service: the next request begins before the last one has ended. */
static void *use(void *argument)
{
	struct secmem_access access[2] = { 0 };
	int turn = 0;

	key_acquire(&access[turn]);
	while (!atomic_load(&end)) {
		turn = !turn;
		key_acquire(&access[turn]);
		check(secmem_release(&access[!turn]), "release");
		atomic_fetch_add(&uses, 1);
	}
	check(secmem_release(&access[turn]), "release");
	return argument;
}

int main(void)
{
	static const char new_key[KEY_SIZE] = "not the way";
	pthread_t users[USERS];
	int error, i, before;

	check(secmem_create_random(&current, KEY_SIZE, NULL), "create");
	for (i = 0; i < USERS; i++)
		check(-pthread_create(&users[i], NULL, use, NULL), "thread");
	while (atomic_load(&uses) < USERS)
		;

	error = secmem_write(current, new_key, KEY_SIZE, 0, 500000000);
	printf("written in place: %s\n",
	       error == -ETIMEDOUT ? "timed out" : strerror(-error));

	for (i = 0; i < ROTATIONS; i++) {
		before = atomic_load(&uses);
		check(key_rotate(), "rotate");
		while (atomic_load(&uses) == before)
			;
	}
	printf("rotated: %d times, in use all the while\n", i);

	atomic_store(&end, 1);
	for (i = 0; i < USERS; i++)
		pthread_join(users[i], NULL);
	check(secmem_close(current, SECMEM_FOREVER), "close");
	return 0;
}
