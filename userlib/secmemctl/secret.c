// SPDX-License-Identifier: GPL-2.0-only
/*
 * Secrets that secmemctl run makes: of a file, or of what somebody types. The
 * bytes lie in secrets all the time, in ordinary memory never.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "secret.h"

/* More does not fit into a line of a terminal. */
#define LINE_MAX_BYTES 4096

#define OPTIONS(given)                                                    \
	(&(struct secmem_options){ .size = sizeof(struct secmem_options), \
				   .label = (given)->label,               \
				   .flags = (given)->flags })

/* Replaces a secret with one that has only its first bytes. */
static int secret_cut(const struct given *given, size_t length,
		      secmem_secret_t *secret)
{
	SECMEM_AUTO_RELEASE struct secmem_access from = { 0 };
	SECMEM_AUTO_RELEASE struct secmem_access to = { 0 };
	secmem_secret_t whole = *secret;
	int error;

	if (!length)
		return -ENODATA;
	error = secmem_acquire(whole, SECMEM_READ, SECMEM_FOREVER, &from);
	if (!error)
		error = secmem_create_zero(secret, length, OPTIONS(given));
	if (!error)
		error = secmem_acquire(*secret, SECMEM_WRITE, SECMEM_FOREVER,
				       &to);
	if (error)
		return error;
	memcpy(to.data, from.data, length);
	secmem_release(&from);
	error = secmem_release(&to);
	return error ? error : secmem_close(whole, SECMEM_FOREVER);
}

/* Drops the newline at the end, if there is one. */
static int secret_text(const struct given *given, secmem_secret_t *secret)
{
	SECMEM_AUTO_RELEASE struct secmem_access access = { 0 };
	size_t length;
	int error;

	error = secmem_acquire(*secret, SECMEM_READ, SECMEM_FOREVER, &access);
	if (error)
		return error;
	length = access.length;
	if (((const char *)access.data)[length - 1] != '\n')
		return 0;
	error = secmem_release(&access);
	return error ? error : secret_cut(given, length - 1, secret);
}

/* Reads a line of the terminal: its length without the newline, or -errno. */
static ssize_t secret_line(const struct given *given, const char *suffix,
			   struct secmem_access *access)
{
	const char *name = given->name	? given->name :
			   given->label ? given->label :
					  "Secret";
	char prompt[256];
	ssize_t length;

	snprintf(prompt, sizeof(prompt), "%.200s%s: ", name, suffix);
	length = terminal_read(given->fd, prompt, access->data, access->length);
	if (length > 0 && ((char *)access->data)[length - 1] == '\n')
		length--;
	return length ? length : -ENODATA;
}

static int secret_line_open(const struct given *given, secmem_secret_t *secret,
			    struct secmem_access *access)
{
	int error;

	error = secmem_create_zero(secret, LINE_MAX_BYTES, OPTIONS(given));
	return error ? error :
		       secmem_acquire(*secret, SECMEM_WRITE, SECMEM_FOREVER,
				      access);
}

/* Asks for the line again: 0, or -EBADE if the second one differs. */
static int secret_confirm(const struct given *given, const void *line,
			  ssize_t length)
{
	SECMEM_AUTO_CLOSE secmem_secret_t again = SECMEM_SECRET_NONE;
	SECMEM_AUTO_RELEASE struct secmem_access access = { 0 };
	ssize_t got;
	int error;

	error = secret_line_open(given, &again, &access);
	if (error)
		return error;
	got = secret_line(given, ", once more", &access);
	if (got < 0 && got != -ENODATA)
		return got;
	return got == length && !memcmp(line, access.data, length) ? 0 : -EBADE;
}

static int secret_type(const struct given *given, secmem_secret_t *secret)
{
	SECMEM_AUTO_RELEASE struct secmem_access access = { 0 };
	ssize_t length;
	int error;

	error = secret_line_open(given, secret, &access);
	if (error)
		return error;
	length = secret_line(given, "", &access);
	if (length < 0)
		return length;
	if (given->length && (size_t)length != given->length)
		return (size_t)length < given->length ? -ENODATA : -EFBIG;
	if (given->confirm) {
		error = secret_confirm(given, access.data, length);
		if (error)
			return error;
	}
	error = secmem_release(&access);
	return error ? error : secret_cut(given, length, secret);
}

int secret_create(const struct given *given, secmem_secret_t *secret)
{
	int error;

	if (isatty(given->fd))
		return secret_type(given, secret);
	error = secmem_create_from_fd(secret, given->fd, given->length,
				      OPTIONS(given));
	return error || !given->text ? error : secret_text(given, secret);
}
