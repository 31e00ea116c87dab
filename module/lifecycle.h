/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lifecycle of a secret, written once: a table of state, event, next
 * state and verdict. state.c has it, the unit tests walk all of it,
 * and the model in tests/model is generated from it; so it holds no C but the
 * rows.
 *
 * States: CLOSED (also a place that serves nobody), OPEN (no access), READING,
 * WRITING, CLOSING (closed to new accesses, held by old ones).
 *
 * Events: CREATE; HOLD_READ and HOLD_WRITE, an access begins; COPY_OUT and
 * COPY_IN, one that begins and ends in a single step; DROP, an access ends and
 * others remain; DROP_LAST, the last one of all grants ends; SEAL; CLOSE;
 * REVOKE, also when nobody is left who keeps the secret.
 *
 * Verdicts: OK; WAIT (for the accesses in the way); or the errno. The step from any
 * other state to CLOSED wipes the bytes and frees their pages.
 */
#ifndef _SECMEM_LIFECYCLE_H
#define _SECMEM_LIFECYCLE_H

#define SECMEM_LIFECYCLE(ROW)					\
	ROW(CLOSED,	CREATE,		OPEN,		OK)	\
	ROW(CLOSED,	HOLD_READ,	CLOSED,		REVOKED)	\
	ROW(CLOSED,	HOLD_WRITE,	CLOSED,		REVOKED)	\
	ROW(CLOSED,	COPY_OUT,	CLOSED,		REVOKED)	\
	ROW(CLOSED,	COPY_IN,	CLOSED,		REVOKED)	\
	ROW(CLOSED,	DROP,		CLOSED,		REVOKED)	\
	ROW(CLOSED,	DROP_LAST,	CLOSED,		REVOKED)	\
	ROW(CLOSED,	SEAL,		CLOSED,		REVOKED)	\
	ROW(CLOSED,	CLOSE,		CLOSED,		OK)	\
	ROW(CLOSED,	REVOKE,		CLOSED,		OK)	\
								\
	ROW(OPEN,	CREATE,		OPEN,		BUSY)	\
	ROW(OPEN,	HOLD_READ,	READING,	OK)	\
	ROW(OPEN,	HOLD_WRITE,	WRITING,	OK)	\
	ROW(OPEN,	COPY_OUT,	OPEN,		OK)	\
	ROW(OPEN,	COPY_IN,	OPEN,		OK)	\
	ROW(OPEN,	DROP,		OPEN,		INVALID)	\
	ROW(OPEN,	DROP_LAST,	OPEN,		INVALID)	\
	ROW(OPEN,	SEAL,		OPEN,		OK)	\
	ROW(OPEN,	CLOSE,		CLOSED,		OK)	\
	ROW(OPEN,	REVOKE,		CLOSED,		OK)	\
								\
	ROW(READING,	CREATE,		READING,	BUSY)	\
	ROW(READING,	HOLD_READ,	READING,	OK)	\
	ROW(READING,	HOLD_WRITE,	READING,	WAIT)	\
	ROW(READING,	COPY_OUT,	READING,	OK)	\
	ROW(READING,	COPY_IN,	READING,	WAIT)	\
	ROW(READING,	DROP,		READING,	OK)	\
	ROW(READING,	DROP_LAST,	OPEN,		OK)	\
	ROW(READING,	SEAL,		READING,	OK)	\
	ROW(READING,	CLOSE,		CLOSING,	WAIT)	\
	ROW(READING,	REVOKE,		CLOSED,		OK)	\
								\
	ROW(WRITING,	CREATE,		WRITING,	BUSY)	\
	ROW(WRITING,	HOLD_READ,	WRITING,	WAIT)	\
	ROW(WRITING,	HOLD_WRITE,	WRITING,	WAIT)	\
	ROW(WRITING,	COPY_OUT,	WRITING,	WAIT)	\
	ROW(WRITING,	COPY_IN,	WRITING,	WAIT)	\
	ROW(WRITING,	DROP,		WRITING,	INVALID)	\
	ROW(WRITING,	DROP_LAST,	OPEN,		OK)	\
	ROW(WRITING,	SEAL,		WRITING,	BUSY)	\
	ROW(WRITING,	CLOSE,		CLOSING,	WAIT)	\
	ROW(WRITING,	REVOKE,		CLOSED,		OK)	\
								\
	ROW(CLOSING,	CREATE,		CLOSING,	BUSY)	\
	ROW(CLOSING,	HOLD_READ,	CLOSING,	REVOKED)	\
	ROW(CLOSING,	HOLD_WRITE,	CLOSING,	REVOKED)	\
	ROW(CLOSING,	COPY_OUT,	CLOSING,	REVOKED)	\
	ROW(CLOSING,	COPY_IN,	CLOSING,	REVOKED)	\
	ROW(CLOSING,	DROP,		CLOSING,	OK)	\
	ROW(CLOSING,	DROP_LAST,	CLOSED,		OK)	\
	ROW(CLOSING,	SEAL,		CLOSING,	REVOKED)	\
	ROW(CLOSING,	CLOSE,		CLOSING,	WAIT)	\
	ROW(CLOSING,	REVOKE,		CLOSED,		OK)

#endif /* _SECMEM_LIFECYCLE_H */
