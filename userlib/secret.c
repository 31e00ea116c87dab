// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Secrets: creation, the ways of filling one, the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "annotate.h"
#include "internal.h"

/* The first length tried for a file of unknown length; then it is doubled. */
#define READ_FIRST 4096

/* The rights for reading into a secret, and for closing it if that fails. */
#define INTAKE_RIGHTS                                                \
	(SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ | SECMEM_RIGHT_WRITE | \
	 SECMEM_RIGHT_CLOSE)

/* The options' size in their first version. */
#define OPTIONS_FIRST                             \
	(offsetof(struct secmem_options, flags) + \
	 sizeof(((struct secmem_options *)0)->flags))

/*
 * A program that was built for a later library may pass longer options: what
 * this library does not know has to be zero. Those of the first version are the
 * shortest.
 */
static int options_take(struct secmem_options *known,
			const struct secmem_options *options)
{
	const unsigned char *bytes = (const unsigned char *)options;
	size_t i;

	*known = (struct secmem_options){ .size = sizeof(*known) };
	if (!options)
		return 0;
	if (options->size < OPTIONS_FIRST)
		return -EINVAL;
	if (options->size > SECMEM_STRUCT_MAX)
		return -E2BIG;
	for (i = sizeof(*known); i < options->size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(known, options,
	       options->size < sizeof(*known) ? options->size : sizeof(*known));
	return known->flags & ~(SECMEM_CREATE_SUSPEND_WIPE |
				SECMEM_CREATE_LINGER) ?
		       -EINVAL :
		       0;
}

/*
 * Just before CREATE, another vault may have taken the descriptor's number, as
 * the next default does where the number is free. Then the secret was made in
 * that vault, and nobody knows it: it is closed there.
 */
static int created_check(const struct secmem__use *use, uint64_t handle)
{
	struct secmem_op op = { .size = sizeof(op), .handle = handle };
	int error = secmem__grant_check(use);

	if (error)
		(void)secmem__ioctl(use->grant->fd, SECMEM_IOC_CLOSE, &op);
	return error;
}

/* rights are those that are needed beside CREATE. */
static int create(secmem_secret_t *secret, size_t length, uint32_t flags,
		  uint32_t rights, const struct secmem_options *given)
{
	struct secmem_create_args create = {
		.size = sizeof(create),
		.length = length,
	};
	struct secmem_options options;
	struct secmem__use use;
	size_t label;
	int error;

	*secret = SECMEM_SECRET_NONE;
	secmem__defined(secret, sizeof(*secret));
	error = options_take(&options, given);
	if (error)
		return error;
	if (options.label) {
		label = strnlen(options.label, sizeof(create.label));
		if (label == sizeof(create.label))
			return -EINVAL;
		memcpy(create.label, options.label, label);
	}
	create.align = options.align;
	create.flags = flags | options.flags;
	create.require = options.require;
	error = secmem__grant_get_checked(options.grant.id, &use);
	if (error)
		return error;
	if (rights & ~use.grant->rights)
		error = -EACCES;
	else
		error = secmem__call(&use, SECMEM_IOC_CREATE, &create);
	if (!error)
		error = created_check(&use, create.handle);
	if (!error) {
		secret->grant = use.id;
		secret->handle = create.handle;
	}
	secmem__grant_put(&use);
	return error;
}

/* Closes without waiting, and forgets the name. */
static void destroy(secmem_secret_t *secret)
{
	(void)secmem_close(*secret, 0);
	*secret = SECMEM_SECRET_NONE;
}

int secmem_create(secmem_secret_t *secret, void *data, size_t length,
		  const struct secmem_options *options)
{
	int error;

	error = create(secret, length, 0, SECMEM_RIGHT_WRITE, options);
	if (!error) {
		error = secmem_write(*secret, data, length, 0, SECMEM_FOREVER);
		if (error)
			destroy(secret);
	}
	/*
	 * No buffer is longer than that: such a length is a caller's mistake.
	 */
	if (data && length <= SECMEM_LENGTH_MAX)
		explicit_bzero(data, length);
	return error;
}

int secmem_create_zero(secmem_secret_t *secret, size_t length,
		       const struct secmem_options *options)
{
	return create(secret, length, 0, 0, options);
}

int secmem_create_random(secmem_secret_t *secret, size_t length,
			 const struct secmem_options *options)
{
	return create(secret, length, SECMEM_CREATE_RANDOM, 0, options);
}

/* A secret that is being read in: open for writing, filled up to used. */
struct intake {
	secmem_secret_t secret;
	struct secmem_access access;
	size_t used;
};

static void intake_end(void *pointer)
{
	struct intake *intake = pointer;

	(void)secmem_release(&intake->access);
	destroy(&intake->secret);
}

static int intake_start(struct intake *intake, size_t length,
			const struct secmem_options *options)
{
	int error;

	intake->used = 0;
	memset(&intake->access, 0, sizeof(intake->access));
	error = create(&intake->secret, length, 0, INTAKE_RIGHTS, options);
	if (error)
		return error;
	error = secmem_acquire(intake->secret, SECMEM_WRITE, SECMEM_FOREVER,
			       &intake->access);
	if (error)
		destroy(&intake->secret);
	return error;
}

/* Reads until the secret is full, or the file ends. */
static int intake_read(struct intake *intake, int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint8_t *data = intake->access.data;
	size_t length = intake->access.length;
	ssize_t got;
	int error;

	while (intake->used < length) {
		got = read(fd, data + intake->used, length - intake->used);
		if (!got)
			break;
		if (got > 0) {
			intake->used += got;
			continue;
		}
		if (errno == EAGAIN && poll(&readable, 1, -1) >= 0)
			continue;
		if (errno == EINTR && !secmem__interrupted(-EINTR))
			continue;
		error = -errno;
		/*
		 * EFAULT also comes of a REVOKE or a suspend, which shut the
		 * view.
		 */
		if (error == -EFAULT && secmem_is_closed(intake->secret) == 1)
			return -EKEYREVOKED;
		if (error != -EINTR || !intake->used)
			return error;
	}
	return 0;
}

/*
 * Goes on with a new secret: the bytes move from one open secret to the other.
 */
static int intake_move(struct intake *intake, size_t length,
		       const struct secmem_options *options)
{
	struct intake next;
	int error;

	error = intake_start(&next, length, options);
	if (error)
		return error;
	memcpy(next.access.data, intake->access.data, intake->used);
	next.used = intake->used;
	intake_end(intake);
	*intake = next;
	return 0;
}

/* -EFBIG if a file that has filled the largest secret has more bytes. */
static int intake_more(int fd, const struct secmem_options *options)
{
	struct secmem_options plain = { .size = sizeof(plain) };
	struct intake more;
	int error;

	if (options) {
		plain.grant = options->grant;
		plain.flags = options->flags;
	}
	error = intake_start(&more, 1, &plain);
	if (error)
		return error;
	pthread_cleanup_push(intake_end, &more);
	/* -EINTR is no result here: bytes of the file were read before. */
	do
		error = intake_read(&more, fd);
	while (error == -EINTR);
	if (!error && more.used)
		error = -EFBIG;
	pthread_cleanup_pop(1);
	return error;
}

/* The bytes from the file's offset to its end; 0 where only reading tells. */
static int length_left(int fd, size_t *length)
{
	struct stat stat;
	off_t offset;

	*length = 0;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return 0;
	offset = lseek(fd, 0, SEEK_CUR);
	if (offset < 0 || offset >= stat.st_size)
		return 0;
	if (stat.st_size - offset > (off_t)SECMEM_LENGTH_MAX)
		return -EFBIG;
	*length = stat.st_size - offset;
	return 0;
}

static int intake_all(struct intake *intake, int fd, int known,
		      const struct secmem_options *options)
{
	size_t left, length;
	int error;

	for (;;) {
		error = intake_read(intake, fd);
		if (error)
			return error;
		length = intake->access.length;
		if (intake->used < length)
			break;
		if (known) {
			/*
			 * All that the file had at first is read: has it grown?
			 */
			error = length_left(fd, &left);
			if (error || !left)
				return error;
		}
		if (length == SECMEM_LENGTH_MAX)
			return intake_more(fd, options);
		length = length > SECMEM_LENGTH_MAX / 2 ? SECMEM_LENGTH_MAX :
							  length * 2;
		error = intake_move(intake, length, options);
		if (error)
			return error;
	}
	if (!intake->used)
		return -ENODATA;
	return intake_move(intake, intake->used, options);
}

static int intake_exactly(struct intake *intake, int fd)
{
	int error;

	error = intake_read(intake, fd);
	if (!error && intake->used < intake->access.length)
		error = -ENODATA;
	return error;
}

int secmem_create_from_fd(secmem_secret_t *secret, int fd, size_t length,
			  const struct secmem_options *options)
{
	struct intake intake;
	size_t expected = length;
	int error = 0;

	*secret = SECMEM_SECRET_NONE;
	secmem__defined(secret, sizeof(*secret));
	if (!length)
		error = length_left(fd, &expected);
	if (error)
		return error;
	error = intake_start(&intake, expected ? expected : READ_FIRST,
			     options);
	if (error)
		return error;
	pthread_cleanup_push(intake_end, &intake);
	if (length)
		error = intake_exactly(&intake, fd);
	else
		error = intake_all(&intake, fd, expected != 0, options);
	if (!error) {
		error = secmem_release(&intake.access);
		if (!error) {
			*secret = intake.secret;
			intake.secret = SECMEM_SECRET_NONE;
		}
	}
	pthread_cleanup_pop(1);
	return error;
}

static int operate(unsigned long request, secmem_secret_t secret,
		   struct secmem_op *op)
{
	struct secmem__use use;
	int error;

	op->size = sizeof(*op);
	op->handle = secret.handle;
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = secmem__call(&use, request, op);
	secmem__grant_put(&use);
	return error;
}

int secmem_seal(secmem_secret_t secret)
{
	struct secmem_op op = { 0 };

	return operate(SECMEM_IOC_SEAL, secret, &op);
}

int secmem_revoke(secmem_secret_t secret)
{
	struct secmem_op op = { 0 };

	return operate(SECMEM_IOC_REVOKE, secret, &op);
}

int secmem_drop(secmem_secret_t secret)
{
	struct secmem_op op = { .size = sizeof(op), .handle = secret.handle };
	struct secmem__use use;
	int error;

	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	/* Another file of the vault knows the handle, too, and would let go. */
	error = secmem__grant_check(&use);
	if (!error)
		error = secmem__call(&use, SECMEM_IOC_DROP, &op);
	if (!error)
		error = secmem__grant_check(&use);
	secmem__grant_put(&use);
	return error;
}

int secmem_close(secmem_secret_t secret, int64_t timeout)
{
	struct secmem_op op = { .size = sizeof(op), .handle = secret.handle };
	struct secmem_status status;
	struct secmem__use use;
	struct secmem__wait wait = {
		.use = &use,
		.request = SECMEM_IOC_CLOSE,
		.argument = &op,
		.flags = &op.flags,
		.deadline = &op.deadline,
		.timeout = timeout,
		.secret = secret,
		.exclusive = 1,
	};
	int error;

	if (secret.handle == SECMEM_HANDLE_NONE)
		return 0;
	error = secmem__timeout_check(timeout);
	if (error)
		return error;
	/* CLOSE is not even tried: failing, it leaves the secret closing. */
	if (timeout && secmem__holds(secret, 1)) {
		error = secmem_stat(secret, &status, sizeof(status));
		if (error)
			return error;
		if (status.state != SECMEM_STATE_CLOSED)
			return -EDEADLK;
	}
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	error = secmem__wait(&wait);
	if (!error)
		secmem__order_begin(secret, SECMEM_WRITE);
	secmem__grant_put(&use);
	return error;
}

void secmem_secret_cleanup(secmem_secret_t *secret)
{
	int saved = errno;

	destroy(secret);
	errno = saved;
}

int secmem_secret_from(const void *data, secmem_secret_t *secret)
{
	struct secmem_status status = {
		.size = sizeof(status),
		.flags = SECMEM_BY_OFFSET,
	};
	struct secmem__use use;
	uint64_t offset;
	int error;

	*secret = SECMEM_SECRET_NONE;
	secmem__defined(secret, sizeof(*secret));
	error = secmem__grant_at(data, &use, &offset);
	if (error)
		return error;
	status.handle = offset;
	/* In any vault a secret may begin there: so the descriptor is checked. */
	error = secmem__grant_check(&use);
	if (!error)
		error = secmem__call(&use, SECMEM_IOC_STAT, &status);
	if (!error)
		error = secmem__grant_check(&use);
	if (!error) {
		secret->grant = use.id;
		secret->handle = status.handle;
	}
	secmem__grant_put(&use);
	return error;
}

int secmem_length(secmem_secret_t secret, size_t *length)
{
	struct secmem_status status;
	int error = secmem_stat(secret, &status, sizeof(status));

	*length = error ? 0 : status.length;
	secmem__defined(length, sizeof(*length));
	if (!error && status.state == SECMEM_STATE_CLOSED)
		error = -EKEYREVOKED;
	return error;
}

int secmem_stat(secmem_secret_t secret, struct secmem_status *status,
		size_t size)
{
	const size_t least = sizeof(status->size) + sizeof(status->flags) +
			     sizeof(status->handle);
	struct secmem__use use;
	int error;

	if (size > SECMEM_STRUCT_MAX)
		return -EINVAL;
	memset(status, 0, size);
	secmem__defined(status, size);
	if (size < least)
		return -EINVAL;
	error = secmem__grant_get(secret.grant, &use);
	if (error)
		return error;
	status->size = size;
	status->handle = secret.handle;
	error = secmem__call(&use, SECMEM_IOC_STAT, status);
	secmem__grant_put(&use);
	if (error)
		memset(status, 0, size);
	return error;
}

int secmem_is_closed(secmem_secret_t secret)
{
	struct secmem_status stat;
	int error;

	error = secmem_stat(secret, &stat, sizeof(stat));
	if (error == -EKEYREVOKED)
		return 1;
	return error ? error : stat.state != SECMEM_STATE_OPEN;
}
