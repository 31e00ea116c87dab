// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A pre-fork server. The master makes a signing key in secmem and exports a
 * grant to each worker; workers sign, and can do nothing else with the key.
 * One of them is trusted less: it has a copy of the key to itself, which can
 * be revoked without the others' noticing.
 *
 *	cc prefork.c -lsecmem -lsodium
 */
#include <libsecmem.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define APART 3 /* the worker that has a copy */

static const char request[] = "GET / HTTP/1.1";
static unsigned char public_key[crypto_sign_PUBLICKEYBYTES];

struct answer {
	int error;
	unsigned char signature[crypto_sign_BYTES];
};

struct worker {
	pid_t pid;
	int socket;
};

static void check(int error, const char *what)
{
	if (error >= 0)
		return;
	fprintf(stderr, "prefork: %s: %s\n", what, strerror(-error));
	exit(1);
}

static int make_key(void *data, size_t length, void *argument)
{
	(void)length;
	(void)argument;
	return crypto_sign_keypair(public_key, data);
}

static int copy_out(void *data, size_t length, void *from)
{
	secmem_secret_t *key = from;

	/*
	 * READ copies from secret to secret: data lies in the one that is open.
	 */
	return secmem_read(*key, data, length, 0, SECMEM_FOREVER);
}

static int sign(const void *key, size_t length, void *argument)
{
	struct answer *answer = argument;

	(void)length;
	return crypto_sign_detached(answer->signature, NULL,
				    (const unsigned char *)request,
				    sizeof(request), key);
}

static int work(int fd, int socket)
{
	struct answer answer;
	secmem_secret_t key;
	char byte;

	check(secmem_harden(0), "harden");
	check(secmem_adopt(fd, &key), "adopt");
	while (read(socket, &byte, 1) == 1) {
		memset(&answer, 0, sizeof(answer));
		answer.error = secmem_with_bytes(key, SECMEM_FOREVER, sign,
						 &answer, NULL);
		if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return 0;
}

static void start(struct worker *worker, secmem_secret_t key)
{
	int ends[2], fd;

	fd = secmem_export(key, SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
	check(fd, "export");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ? -errno : 0, "socket");
	worker->pid = fork();
	check(worker->pid < 0 ? -errno : 0, "fork");
	if (!worker->pid) {
		close(ends[0]);
		_exit(work(fd, ends[1]));
	}
	close(fd);
	close(ends[1]);
	worker->socket = ends[0];
}

static const char *ask(struct worker *worker)
{
	struct answer answer;

	if (send(worker->socket, "", 1, MSG_NOSIGNAL) != 1 ||
	    recv(worker->socket, &answer, sizeof(answer), MSG_WAITALL) !=
		    sizeof(answer))
		return "gone";
	if (answer.error)
		return answer.error == -EKEYREVOKED ? "revoked" : "failed";
	return crypto_sign_verify_detached(answer.signature,
					   (const unsigned char *)request,
					   sizeof(request), public_key) ?
		       "wrong" :
		       "signed";
}

static void ask_all(const char *when, struct worker *workers)
{
	int i;

	printf("%s:", when);
	for (i = 0; i < WORKERS; i++)
		printf(" %s", ask(&workers[i]));
	putchar('\n');
}

int main(void)
{
	struct worker workers[WORKERS];
	secmem_secret_t key, apart;
	int i, result;

	if (sodium_init() < 0)
		return 1;
	check(secmem_create_zero(&key, crypto_sign_SECRETKEYBYTES, NULL),
	      "create");
	check(secmem_create_zero(&apart, crypto_sign_SECRETKEYBYTES, NULL),
	      "create");
	check(secmem_with_bytes_mut(key, SECMEM_FOREVER, make_key, NULL, NULL),
	      "make");
	check(secmem_seal(key), "seal");
	check(secmem_with_bytes_mut(apart, SECMEM_FOREVER, copy_out, &key,
				    &result),
	      "copy");
	check(result, "copy");

	for (i = 0; i < WORKERS; i++)
		start(&workers[i], i == APART ? apart : key);
	ask_all("started", workers);

	kill(workers[0].pid, SIGKILL);
	waitpid(workers[0].pid, NULL, 0);
	ask_all("one killed", workers);

	check(secmem_revoke(apart), "revoke");
	ask_all("one revoked", workers);

	check(secmem_revoke(key), "revoke");
	ask_all("all revoked", workers);
	for (i = 0; i < WORKERS; i++)
		close(workers[i].socket);
	for (i = 1; i < WORKERS; i++)
		waitpid(workers[i].pid, NULL, 0);
	return 0;
}
