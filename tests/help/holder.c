// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds patterns while the machine ends, for tests/exits: one in a secret that
 * is shut, one in a secret that is open for writing, one in ordinary memory,
 * and one in secrets that a thread makes and closes for as long as the machine
 * runs.
 *
 *	holder
 *
 * says "ready" once they are in memory. The seeds are those that tests/exits
 * counts.
 */
#include "attack.h"

#define LENGTH 3000
#define MANY 64

enum { SHUT = 11, OPEN, PLAIN, MADE };

static int made; /* event: MANY secrets are made */

static void *make(void *arg)
{
	static uint64_t handles[MANY];
	uint64_t *handle;
	struct sm_fault fault;
	struct sm_vault v;
	unsigned int i;

	(void)arg;
	if (sm_vault_open(&v))
		return NULL;
	for (i = 0;; i++) {
		handle = &handles[i % MANY];
		if (*handle)
			sm_close(v.fd, *handle);
		*handle = 0;
		if (i == MANY)
			sm_event_set(made);
		/*
		 * What fails is tried again, also where the secret is revoked
		 * while it is written: the machine may not go down after all.
		 */
		SM_CATCH(&fault, at_secret(&v, LENGTH, MADE, handle));
	}
}

int main(void)
{
	unsigned char *open_bytes, *plain;
	uint64_t shut, open_handle;
	struct sm_fault fault;
	struct sm_vault v;
	pthread_t thread;
	int err;

	err = sm_vault_open(&v);
	if (!err)
		err = at_secret(&v, LENGTH, SHUT, &shut);
	if (!err)
		err = sm_create(v.fd, LENGTH, &open_handle);
	if (err)
		return 1;
	open_bytes = sm_vault_acquire(&v, open_handle, SECMEM_WRITE, &err);
	plain = mmap(NULL, 64 * SM_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (err || plain == MAP_FAILED)
		return 1;
	at_fill(open_bytes, LENGTH, OPEN);
	for (size_t i = 0; i < 64; i++)
		at_fill(plain + i * SM_PAGE, LENGTH, PLAIN);
	made = sm_event();
	if (pthread_create(&thread, NULL, make, NULL) || sm_event_wait(made))
		return 1;
	puts("ready");
	fflush(stdout);
	/* The open secret is written to for as long as the machine runs. */
	for (;;) {
		SM_CATCH(&fault, at_fill(open_bytes, LENGTH, OPEN));
		usleep(1000);
	}
}
