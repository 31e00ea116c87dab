// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations by threads of several processes, against a model that they
 * share; processes die in the middle of them.
 *
 *	stress [-s SEED] [-n OPERATIONS] [-k KILLS] [-p PROCESSES] [-t THREADS]
 *
 * Every secret's bytes tell which secret they are of, which write they come
 * from, and whether they are whole. The model knows which ends of a secret were
 * asked for and which have been reported: so each refusal is either due or a
 * violation. It lies in memory that all processes share and that survives them.
 *
 * VM: --timeout 1800
 *
 * With -k it runs until so many processes were killed by SIGKILL. Else about
 * every 400th operation kills one, and each outcome that the table below marks
 * as a must has to occur, if there were enough operations.
 */
#include "load.h"

#define RECORDS (1U << 16)
#define ENTRIES 14
#define GRANTS 64
#define LIVES (1U << 17)
#define VIEW ((size_t)32 << 20)
#define LONG_SECRET 40000
#define HANG_MS 90000
#define ENOUGH 150000 /* operations, for each outcome to occur */

/* Operations and what they may come to. */

enum {
	OP_NONE,
	OP_CREATE,
	OP_READ_ACCESS,
	OP_NESTED,
	OP_WRITE_ACCESS,
	OP_READ,
	OP_PREAD,
	OP_WRITE,
	OP_COMPARE,
	OP_SEAL,
	OP_CLOSE,
	OP_REVOKE,
	OP_STAT,
	OP_STALE,
	OP_POLL,
	OP_EXPORT,
	OP_ADOPT,
	OP_DROP,
	OP_ABANDON,
	OP_TOUCH_SHUT,
	OP_REMAP,
	OP_SIGNAL,
	OP_FORK,
	OP_EXIT,
	OP_EXEC,
	OPS
};

enum {
	RES_OK,
	RES_EQUAL,
	RES_UNEQUAL,
	RES_SIGSEGV,
	RES_SIGBUS,
	RES_EAGAIN,
	RES_ETIMEDOUT,
	RES_EINTR,
	RES_EKEYREVOKED,
	RES_EOWNERDEAD,
	RES_EPERM,
	RES_EACCES,
	RES_EBUSY,
	RES_ENXIO,
	RES_LINGERS, /* a touch after an access to a secret made with LINGER */
	RES_MENDED, /* torn bytes of a dead writer, after a WRITE */
	RES_NOTHING, /* not tried: there was nothing to do it with */
	RES_OTHER,
	RESULTS
};

static const char *const result_names[RESULTS] = {
	"0",	 "equal", "unequal", "SIGSEGV", "SIGBUS",    "EAGAIN",
	"ETIME", "EINTR", "EKEYREV", "EOWNER",	"EPERM",     "EACCES",
	"EBUSY", "ENXIO", "lingers", "mended",	"(nothing)", "other",
};

static int result_of(int err)
{
	switch (err) {
	case 0:
		return RES_OK;
	case -EAGAIN:
		return RES_EAGAIN;
	case -ETIMEDOUT:
		return RES_ETIMEDOUT;
	case -EINTR:
		return RES_EINTR;
	case -EKEYREVOKED:
		return RES_EKEYREVOKED;
	case -EOWNERDEAD:
		return RES_EOWNERDEAD;
	case -EPERM:
		return RES_EPERM;
	case -EACCES:
		return RES_EACCES;
	case -EBUSY:
		return RES_EBUSY;
	case -ENXIO:
		return RES_ENXIO;
	case SIGSEGV:
		return RES_SIGSEGV;
	case SIGBUS:
		return RES_SIGBUS;
	default:
		return RES_OTHER;
	}
}

#define B(name) (1U << RES_##name)
#define WAITS (B(EAGAIN) | B(ETIMEDOUT) | B(EINTR))
#define USUAL (B(OK) | B(EKEYREVOKED) | B(EACCES) | B(NOTHING))

/*
 * How often each operation is done; which outcomes must occur; and which others
 * may. An outcome in neither mask is a violation. The checks of each operation
 * judge whether a result was due.
 */
static const struct {
	const char *name;
	unsigned int weight;
	uint32_t must, may;
} ops[OPS] = {
	[OP_CREATE] = { "create", 50, B(OK), 0 },
	[OP_READ_ACCESS] = { "read access", 160,
			     USUAL | WAITS | B(EOWNERDEAD) | B(SIGBUS) |
				     B(ENXIO),
			     B(MENDED) },
	[OP_NESTED] = { "nested access", 80, B(OK) | B(EKEYREVOKED),
			USUAL | WAITS | B(EOWNERDEAD) | B(ENXIO) | B(SIGBUS) |
				B(MENDED) },
	[OP_WRITE_ACCESS] = { "write access", 120,
			      USUAL | WAITS | B(EPERM) | B(ENXIO) | B(SIGBUS),
			      0 },
	[OP_READ] = { "READ", 90,
		      USUAL | B(EAGAIN) | B(ETIMEDOUT) | B(EOWNERDEAD),
		      B(EINTR) | B(MENDED) },
	[OP_PREAD] = { "pread", 40, B(OK) | B(EKEYREVOKED) | B(EACCES),
		       B(EAGAIN) | B(EOWNERDEAD) | B(EINTR) | B(MENDED) |
			       B(NOTHING) },
	[OP_WRITE] = { "WRITE", 60, USUAL | WAITS | B(EPERM), 0 },
	[OP_COMPARE] = { "COMPARE", 50,
			 B(EQUAL) | B(UNEQUAL) | B(EKEYREVOKED) | B(EACCES) |
				 B(EOWNERDEAD),
			 WAITS | B(NOTHING) },
	[OP_SEAL] = { "SEAL", 6, B(OK) | B(EKEYREVOKED) | B(EACCES),
		      B(EBUSY) | B(EOWNERDEAD) | B(NOTHING) },
	[OP_CLOSE] = { "CLOSE", 30,
		       B(OK) | B(EACCES) | B(EAGAIN) | B(ETIMEDOUT),
		       B(EINTR) | B(NOTHING) },
	[OP_REVOKE] = { "REVOKE", 15, B(OK) | B(EACCES), B(NOTHING) },
	[OP_STAT] = { "STAT", 50, B(OK), B(EACCES) | B(NOTHING) },
	[OP_STALE] = { "stale handle", 20, B(EKEYREVOKED), B(NOTHING) },
	[OP_POLL] = { "poll", 20, B(OK), B(EINTR) | B(NOTHING) },
	[OP_EXPORT] = { "export", 70, USUAL | B(EAGAIN), 0 },
	[OP_ADOPT] = { "adopt", 36, B(OK) | B(NOTHING), 0 },
	[OP_DROP] = { "drop", 15, B(OK), B(NOTHING) },
	[OP_ABANDON] = { "abandon", 15, B(OK),
			 USUAL | WAITS | B(EOWNERDEAD) | B(EPERM) | B(ENXIO) },
	[OP_TOUCH_SHUT] = { "touch shut", 90, B(SIGSEGV) | B(SIGBUS),
			    B(NOTHING) | B(LINGERS) },
	[OP_REMAP] = { "map again", 20, B(OK), B(EACCES) | B(NOTHING) },
	[OP_SIGNAL] = { "signal", 30, B(OK), B(NOTHING) },
	[OP_FORK] = { "fork", 3, B(OK), B(NOTHING) },
	[OP_EXIT] = { "exit", 1, B(OK), 0 },
	[OP_EXEC] = { "exec", 1, B(OK), B(NOTHING) },
};

/* The model. */

struct record {
	_Atomic uint64_t id; /* of the secret; a record serves many */
	_Atomic uint32_t length;
	_Atomic bool lingers; /* may be read for a while after a read access */
	_Atomic uint32_t begun; /* write accesses */
	_Atomic uint32_t done; /* the number of the last complete one */
	_Atomic uint32_t modifying; /* the life that is writing, or 0 */
	_Atomic bool seal_begun, sealed;
	_Atomic bool close_begun, closing;
	_Atomic bool revoke_begun, revoked;
	_Atomic bool closed;
};

struct thread_shown {
	_Atomic int op;
	_Atomic int tid;
	_Atomic uint64_t count;
};

struct shared {
	struct load load;
	uint64_t kills_target;
	_Atomic bool stop;
	_Atomic uint64_t ids;
	_Atomic uint64_t serials; /* of grants */
	_Atomic uint32_t lives;
	_Atomic uint32_t deaths; /* also of accesses that nobody released */
	_Atomic uint64_t outcomes[OPS][RESULTS];
	_Atomic uint64_t killed_in[OPS];
	_Atomic uint64_t kept_over_exec;
	_Atomic bool dead[LIVES]; /* set before it is killed */
	_Atomic uint32_t life[LOAD_PROCESSES_MAX];
	struct thread_shown threads_shown[LOAD_PROCESSES_MAX][LOAD_THREADS_MAX];
	struct record records[RECORDS];
};

static struct shared *shared;
static int shared_fd;

static struct record *record_of(uint64_t id)
{
	return &shared->records[id % RECORDS];
}

/* Bytes. */

/*
 * The bytes of a secret: its id and the number of the write access that made
 * the first half, and that half; then a nonce of the WRITE that made the second
 * half, and that half.
 */
#define LENGTH_MIN 48

struct head {
	uint64_t id;
	uint64_t number;
};

static size_t half(size_t length)
{
	return sizeof(struct head) + (length - sizeof(struct head)) / 2;
}

static unsigned char fill(uint64_t key, size_t i)
{
	return (key >> (i & 7) * 8) + i * 31;
}

static void make_first(unsigned char *bytes, size_t length, uint64_t id,
		       uint64_t number)
{
	struct head head = { .id = id, .number = number };
	uint64_t key = load_mix(id ^ load_mix(number));
	size_t i;

	memcpy(bytes, &head, sizeof(head));
	for (i = sizeof(head); i < half(length); i++)
		bytes[i] = fill(key, i);
}

static void make_second(unsigned char *bytes, size_t length, uint64_t id,
			uint64_t nonce)
{
	uint64_t key = load_mix(id ^ load_mix(~nonce));
	size_t i, from = half(length);

	memcpy(bytes + from, &nonce, sizeof(nonce));
	for (i = from + sizeof(nonce); i < length; i++)
		bytes[i] = fill(key, i);
}

enum { WHOLE, FIRST_TORN, SECOND_TORN, ANOTHERS };

/* Judges the first `have` bytes of a secret of that length. */
static int judge(const unsigned char *bytes, size_t have, size_t length,
		 uint64_t id, uint64_t *number)
{
	size_t i, from = half(length);
	uint64_t key, nonce;
	struct head head;

	if (have < sizeof(head))
		return WHOLE;
	memcpy(&head, bytes, sizeof(head));
	*number = head.number;
	key = load_mix(id ^ load_mix(head.number));
	for (i = sizeof(head); i < from && i < have; i++)
		if (bytes[i] != fill(key, i))
			return FIRST_TORN;
	/*
	 * The id stands in the first half: where that is torn, the id may be.
	 */
	if (head.id != id)
		return ANOTHERS;
	if (have < from + sizeof(nonce))
		return WHOLE;
	memcpy(&nonce, bytes + from, sizeof(nonce));
	key = load_mix(id ^ load_mix(~nonce));
	for (i = from + sizeof(nonce); i < have; i++)
		if (bytes[i] != fill(key, i))
			return SECOND_TORN;
	return WHOLE;
}

/* A process. */

struct grant {
	_Atomic int uses;
	int fd;
	unsigned char *view; /* NULL: none */
	size_t view_length;
	uint32_t rights;
	uint64_t serial;
	bool whole; /* of a vault */
	bool shared; /* others may use it, so it may answer them instead */
};

struct entry {
	_Atomic int uses;
	struct grant *grant;
	uint64_t id, handle;
	size_t length;
	_Atomic uint64_t offset; /* in the view, once it is known */
	pthread_rwlock_t quiet; /* held to read: accesses may exist */
};

/* What is sent along with a file. */
struct message {
	uint64_t id, handle, serial;
	uint32_t rights;
	bool whole, shared;
};

static struct {
	int index;
	uint32_t life;
	struct grant *own;
	pthread_mutex_t lock;
	struct entry *entries[ENTRIES];
	uint64_t serials[GRANTS]; /* of the grants it has */
	uint64_t stale; /* a handle of its own vault that is closed */
	pthread_barrier_t all_there;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread struct {
	uint64_t random;
	struct thread_shown *shown;
	unsigned char bytes[LONG_SECRET];
	unsigned char again[LONG_SECRET];
} self;

static uint64_t chance(uint64_t n)
{
	return load_chance(&self.random, n);
}

/* Ends this process with all its threads. */
static void __attribute__((noreturn)) end_life(void)
{
	atomic_fetch_add(&shared->deaths, 1);
	atomic_store(&shared->dead[process.life], true);
	_exit(0);
}

/*
 * Notes a grant. One that comes back to this process is refused: the model
 * would take it for a second grant.
 */
static bool serial_enter(uint64_t serial)
{
	int i, vacant = -1;

	pthread_mutex_lock(&process.lock);
	for (i = 0; i < GRANTS && process.serials[i] != serial; i++)
		if (!process.serials[i])
			vacant = i;
	if (i == GRANTS && vacant >= 0)
		process.serials[vacant] = serial;
	pthread_mutex_unlock(&process.lock);
	return i == GRANTS && vacant >= 0;
}

static void serial_leave(uint64_t serial)
{
	int i;

	pthread_mutex_lock(&process.lock);
	for (i = 0; i < GRANTS; i++)
		if (process.serials[i] == serial)
			process.serials[i] = 0;
	pthread_mutex_unlock(&process.lock);
}

static void grant_put(struct grant *grant)
{
	if (atomic_fetch_sub(&grant->uses, 1) > 1)
		return;
	if (grant->view)
		munmap(grant->view, grant->view_length);
	close(grant->fd);
	serial_leave(grant->serial);
	free(grant);
}

static struct grant *grant_new(int fd, uint32_t rights, bool whole,
			       bool shared_with)
{
	struct grant *grant = calloc(1, sizeof(*grant));

	if (!grant)
		abort();
	atomic_store(&grant->uses, 1);
	grant->fd = fd;
	grant->rights = rights;
	grant->whole = whole;
	grant->shared = shared_with;
	return grant;
}

/* -errno */
static int grant_map(struct grant *grant, size_t length)
{
	void *view = sm_map(grant->fd, length,
			    grant->rights & SECMEM_RIGHT_WRITE ?
				    PROT_READ | PROT_WRITE :
				    PROT_READ);

	if (view == MAP_FAILED)
		return -errno;
	grant->view = view;
	grant->view_length = length;
	return 0;
}

static struct entry *entry_new(struct grant *grant, uint64_t id,
			       uint64_t handle, size_t length)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		abort();
	atomic_store(&entry->uses, 1);
	atomic_fetch_add(&grant->uses, 1);
	entry->grant = grant;
	entry->id = id;
	entry->handle = handle;
	entry->length = length;
	pthread_rwlock_init(&entry->quiet, NULL);
	return entry;
}

static void entry_put(struct entry *entry)
{
	if (atomic_fetch_sub(&entry->uses, 1) > 1)
		return;
	grant_put(entry->grant);
	free(entry);
}

/* Takes a use of some entry, with of_one of a grant of one secret; or NULL. */
static struct entry *entry_get(bool of_one)
{
	struct entry *entry;
	int i, n = chance(ENTRIES);

	pthread_mutex_lock(&process.lock);
	for (i = 0, entry = NULL; i < ENTRIES && !entry; i++) {
		entry = process.entries[(n + i) % ENTRIES];
		if (entry && of_one && entry->grant->whole)
			entry = NULL;
	}
	if (entry)
		atomic_fetch_add(&entry->uses, 1);
	pthread_mutex_unlock(&process.lock);
	return entry;
}

/* Puts an entry into the table, and returns the one that was there. */
static struct entry *entry_swap(unsigned int n, struct entry *entry)
{
	struct entry *before;

	pthread_mutex_lock(&process.lock);
	before = process.entries[n];
	process.entries[n] = entry;
	pthread_mutex_unlock(&process.lock);
	return before;
}

/* Takes an entry out of the table, if it is still there. */
static void entry_forget(struct entry *entry)
{
	bool found = false;
	int i;

	pthread_mutex_lock(&process.lock);
	for (i = 0; i < ENTRIES; i++) {
		if (process.entries[i] == entry) {
			process.entries[i] = NULL;
			found = true;
		}
	}
	pthread_mutex_unlock(&process.lock);
	if (found)
		entry_put(entry);
}

/* What the model knows of a secret at one moment: results are judged by it. */

struct known {
	bool sealed, closing, closed, revoked;
	uint32_t done;
};

static struct known known_of(struct entry *entry)
{
	struct record *record = record_of(entry->id);

	return (struct known){
		.sealed = record->sealed,
		.closing = record->closing,
		.closed = record->closed,
		.revoked = record->revoked,
		.done = record->done,
	};
}

/*
 * Whether a process is dead, or about to be killed. That is set before the
 * kill; only for a process that is killed during exec it is set a moment later.
 */
static bool is_dead(uint32_t life)
{
	int64_t until = sm_in_ms(2000);

	while (life && !shared->dead[life] && sm_now() < until)
		sched_yield();
	return life && shared->dead[life];
}

static bool recycled(struct entry *entry)
{
	return record_of(entry->id)->id != entry->id;
}

/*
 * Whether the result of a call is legitimate: what must be refused was refused,
 * and what was refused had a reason.
 */
static void legitimate(struct entry *entry, struct known known, int op, int err,
		       uint32_t needs)
{
	struct record *record = record_of(entry->id);
	bool ends = record->close_begun || record->revoke_begun;
	bool may = !(needs & ~entry->grant->rights);
	const char *name = ops[op].name;

	if (recycled(entry))
		return;
	if (!may && err != -EACCES && err != -EINTR)
		complain("%s without the right: %d", name, err);
	if (may && err == -EACCES && !entry->grant->shared)
		complain("%s with the right: EACCES", name);
	if (err == -EKEYREVOKED && !ends)
		complain("%s: EKEYREVOKED, and nobody ended it", name);
	if ((known.closed || known.closing) && may &&
	    (!err || err == -EOWNERDEAD || err == -EPERM))
		complain("%s of a %s secret: %d", name,
			 known.closed ? "closed" : "closing", err);
	if (err == -EOWNERDEAD && !record_of(entry->id)->id)
		complain("%s: no such secret", name);
	if (err == -EOWNERDEAD && !shared->deaths)
		complain("%s: EOWNERDEAD, and nobody died", name);
	if (err == -EPERM && !record->seal_begun)
		complain("%s: EPERM, and nobody sealed it", name);
	if ((op == OP_WRITE || op == OP_WRITE_ACCESS) && known.sealed && !err)
		complain("%s of a sealed secret", name);
	if (err == -ENXIO && entry->grant->view)
		complain("%s: ENXIO, and there is a view", name);
}

/* Judges bytes that were seen of a secret; returns the outcome. */
static int look_at(struct entry *entry, struct known known, int op,
		   const unsigned char *bytes, size_t have)
{
	struct record *record = record_of(entry->id);
	uint64_t number = 0;
	int what = judge(bytes, have, entry->length, entry->id, &number);
	uint32_t begun = record->begun, modifying = record->modifying;

	if (recycled(entry))
		return RES_OK;
	if (what == FIRST_TORN && is_dead(modifying))
		return RES_MENDED;
	if (what != WHOLE)
		complain("%s saw %zu of %zu bytes of secret %" PRIu64
			 ", kind %d, number %" PRIu64 ", begun %u",
			 ops[op].name, have, entry->length, entry->id, what,
			 number, begun);
	else if (have >= sizeof(struct head) &&
		 (number < known.done || number > begun))
		complain("%s saw write %" PRIu64 ", not from %u to %u",
			 ops[op].name, number, known.done, begun);
	return RES_OK;
}

/* Copies from the view until a fault: its signal, or 0. */
static __attribute__((noinline)) int take_bytes(const unsigned char *from,
						unsigned char *to,
						size_t length, size_t *have)
{
	volatile size_t i = 0;
	struct sm_fault f;

	SM_CATCH(&f, {
		for (; i < length; i++)
			to[i] = *(const volatile unsigned char *)(from + i);
	});
	*have = i;
	return f.signo;
}

static __attribute__((noinline)) int put_bytes(unsigned char *to,
					       const unsigned char *from,
					       size_t length, size_t pause)
{
	volatile size_t i = 0;
	struct sm_fault f;

	SM_CATCH(&f, {
		for (; i < length; i++) {
			*(volatile unsigned char *)(to + i) = from[i];
			if (i == pause)
				sched_yield();
		}
	});
	return f.signo;
}

static int64_t some_deadline(uint32_t *flags)
{
	*flags = 0;
	switch (chance(4)) {
	case 0:
		*flags = SECMEM_NOWAIT;
		return 0;
	case 1:
		return sm_now() + (int64_t)chance(300000);
	case 2:
		return sm_now() + (int64_t)chance(4000000);
	default:
		return sm_in_ms(2000);
	}
}

/* Whether the result of a touch is legitimate. */
static void legitimate_touch(struct entry *entry, struct known known, int op,
			     int signo)
{
	struct record *record = record_of(entry->id);

	if (recycled(entry))
		return;
	if (signo && signo != SIGBUS)
		complain("%s: signal %d under an access", ops[op].name, signo);
	else if (signo && !record->revoke_begun)
		complain("%s: SIGBUS, and nobody revoked it", ops[op].name);
	else if (!signo && known.revoked)
		complain("%s: a touch after REVOKE went well", ops[op].name);
}

static void legitimate_release(struct entry *entry, int op, int err)
{
	if (recycled(entry))
		return;
	if (err && (err != -EKEYREVOKED || !record_of(entry->id)->revoke_begun))
		complain("%s: RELEASE said %d", ops[op].name, err);
}

/* ACQUIRE; on success *bytes is set. */
static int acquire(struct entry *entry, uint32_t mode, int op,
		   unsigned char **bytes)
{
	struct known known = known_of(entry);
	struct secmem_acquire_args a;
	uint32_t flags;
	int64_t deadline = some_deadline(&flags);
	int err = sm_acquire_at(entry->grant->fd, entry->handle, mode | flags,
				deadline, &a);

	legitimate(entry, known, op, err,
		   SECMEM_RIGHT_MAP | SECMEM_RIGHT_READ |
			   (mode == SECMEM_WRITE ? SECMEM_RIGHT_WRITE : 0));
	if (err)
		return err;
	if (a.length != entry->length || (a.offset + a.length) % SM_PAGE)
		complain("%s: offset %llu, length %llu", ops[op].name, a.offset,
			 a.length);
	atomic_store(&entry->offset, a.offset);
	*bytes = entry->grant->view + a.offset;
	return 0;
}

/*
 * Looks at the bytes twice: nothing may change in between. The byte behind them
 * must fault.
 */
static int look_twice(struct entry *entry, struct known known, int op,
		      unsigned char *bytes)
{
	size_t have, again;
	int signo, result;

	signo = take_bytes(bytes, self.bytes, entry->length, &have);
	legitimate_touch(entry, known, op, signo);
	result = look_at(entry, known, op, self.bytes, have);
	if (signo)
		return RES_SIGBUS;
	if (!chance(3))
		sched_yield();
	known = known_of(entry);
	signo = take_bytes(bytes, self.again, entry->length, &again);
	legitimate_touch(entry, known, op, signo);
	if (memcmp(self.bytes, self.again, again))
		complain("%s: bytes changed under it", ops[op].name);
	if (signo)
		return RES_SIGBUS;
	if (!chance(8) && !sm_touch(bytes + entry->length, NULL))
		complain("%s: the next byte can be read", ops[op].name);
	return result;
}

static int do_read_access(struct entry *entry)
{
	struct known known = known_of(entry);
	unsigned char *bytes;
	int err, result;

	pthread_rwlock_rdlock(&entry->quiet);
	err = acquire(entry, SECMEM_READ, OP_READ_ACCESS, &bytes);
	if (err) {
		pthread_rwlock_unlock(&entry->quiet);
		return result_of(err);
	}
	result = look_twice(entry, known, OP_READ_ACCESS, bytes);
	if (!chance(8) && !sm_poke(bytes, 0))
		complain("a write under READ went well");
	err = sm_release(entry->grant->fd, entry->handle);
	legitimate_release(entry, OP_READ_ACCESS, err);
	pthread_rwlock_unlock(&entry->quiet);
	return result;
}

static int do_nested(struct entry *entry)
{
	int err, i, n = 2 + chance(4), result = RES_OK;
	struct known known = known_of(entry);
	unsigned char *bytes = NULL;

	pthread_rwlock_rdlock(&entry->quiet);
	for (i = 0; i < n; i++) {
		err = acquire(entry, SECMEM_READ, OP_NESTED, &bytes);
		if (err) {
			result = result_of(err);
			break;
		}
	}
	n = i;
	for (i = 0; i < n; i++) {
		/* While one access is left, the bytes stay open. */
		if (look_twice(entry, known, OP_NESTED, bytes) == RES_SIGBUS)
			result = RES_SIGBUS;
		err = sm_release(entry->grant->fd, entry->handle);
		legitimate_release(entry, OP_NESTED, err);
	}
	pthread_rwlock_unlock(&entry->quiet);
	return result;
}

/*
 * A writer looks: the bytes are whole, or the last writer died in the middle.
 */
static void look_as_writer(struct entry *entry, size_t have)
{
	struct record *record = record_of(entry->id);
	uint32_t modifying = record->modifying;
	uint64_t number = 0;
	int what = judge(self.bytes, have, entry->length, entry->id, &number);

	if (recycled(entry) || what == WHOLE)
		return;
	if (!is_dead(modifying))
		complain("a writer found secret %" PRIu64
			 " torn, kind %d, and nobody died over it",
			 entry->id, what);
}

static int do_write_access(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known;
	unsigned char *bytes;
	size_t have, length = half(entry->length);
	uint32_t number = 0;
	int err, signo;

	pthread_rwlock_rdlock(&entry->quiet);
	err = acquire(entry, SECMEM_WRITE, OP_WRITE_ACCESS, &bytes);
	if (err) {
		pthread_rwlock_unlock(&entry->quiet);
		return result_of(err);
	}
	known = known_of(entry);
	signo = take_bytes(bytes, self.bytes, entry->length, &have);
	legitimate_touch(entry, known, OP_WRITE_ACCESS, signo);
	look_as_writer(entry, have);

	if (!signo && !recycled(entry)) {
		number = atomic_fetch_add(&record->begun, 1) + 1;
		make_first(self.bytes, entry->length, entry->id, number);
		atomic_store(&record->modifying, process.life);
		signo = put_bytes(bytes, self.bytes, length, chance(length));
		legitimate_touch(entry, known, OP_WRITE_ACCESS, signo);
		if (!signo && !chance(3000))
			end_life();
	}
	if (!signo) {
		signo = take_bytes(bytes, self.again, length, &have);
		if (memcmp(self.bytes, self.again, have))
			complain("a writer is not alone");
		legitimate_touch(entry, known, OP_WRITE_ACCESS, signo);
	}
	if (!signo && !recycled(entry)) {
		atomic_store(&record->modifying, 0);
		atomic_store(&record->done, number);
	}
	err = sm_release(entry->grant->fd, entry->handle);
	legitimate_release(entry, OP_WRITE_ACCESS, err);
	pthread_rwlock_unlock(&entry->quiet);
	return signo ? RES_SIGBUS : RES_OK;
}

static int do_read(struct entry *entry)
{
	struct known known = known_of(entry);
	uint32_t flags;
	int64_t deadline = some_deadline(&flags);
	int err;

	err = sm_copy(entry->grant->fd, SECMEM_IOC_READ, entry->handle, flags,
		      deadline, self.bytes, 0, entry->length, NULL);
	legitimate(entry, known, OP_READ, err, SECMEM_RIGHT_READ);
	if (err)
		return result_of(err);
	return look_at(entry, known, OP_READ, self.bytes, entry->length);
}

static int do_pread(struct entry *entry)
{
	struct known known = known_of(entry);
	ssize_t n;
	int err;

	if (entry->grant->whole)
		return RES_NOTHING;
	if (!chance(4))
		fcntl(entry->grant->fd, F_SETFL, chance(2) ? O_NONBLOCK : 0);
	n = pread(entry->grant->fd, self.bytes, sizeof(self.bytes), 0);
	err = n < 0 ? -errno : 0;
	legitimate(entry, known, OP_PREAD, err, SECMEM_RIGHT_READ);
	if (err)
		return result_of(err);
	if (n != (ssize_t)entry->length)
		complain("pread said %zd", n);
	return look_at(entry, known, OP_PREAD, self.bytes, n);
}

/*
 * WRITE of the second half. The first half may be a dead writer's, and stays.
 */
static int do_write(struct entry *entry)
{
	struct known known = known_of(entry);
	size_t from = half(entry->length);
	uint32_t flags;
	int64_t deadline = some_deadline(&flags);
	int err;

	make_second(self.bytes, entry->length, entry->id, chance(UINT64_MAX));
	err = sm_copy(entry->grant->fd, SECMEM_IOC_WRITE, entry->handle, flags,
		      deadline, self.bytes + from, from, entry->length - from,
		      NULL);
	legitimate(entry, known, OP_WRITE, err, SECMEM_RIGHT_WRITE);
	return result_of(err);
}

static int do_compare(struct entry *entry)
{
	struct known known = known_of(entry);
	bool wrong = chance(2);
	uint32_t flags, equal = 0;
	int64_t deadline = some_deadline(&flags);
	int err;

	if (wrong ||
	    sm_copy(entry->grant->fd, SECMEM_IOC_READ, entry->handle, flags,
		    deadline, self.bytes, 0, entry->length, NULL)) {
		memset(self.bytes, 0, entry->length);
		wrong = true;
	}
	known = known_of(entry);
	err = sm_copy(entry->grant->fd, SECMEM_IOC_COMPARE, entry->handle,
		      flags, deadline, self.bytes, 0, entry->length, &equal);
	legitimate(entry, known, OP_COMPARE, err, SECMEM_RIGHT_COMPARE);
	if (err)
		return result_of(err);
	if (wrong && equal)
		complain("zeros are equal to a secret");
	return equal ? RES_EQUAL : RES_UNEQUAL;
}

static bool may(struct entry *entry, uint32_t right)
{
	return entry->grant->rights & right;
}

static int do_seal(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known = known_of(entry);
	int err;

	if (may(entry, SECMEM_RIGHT_SEAL))
		atomic_store(&record->seal_begun, true);
	err = sm_seal(entry->grant->fd, entry->handle);
	legitimate(entry, known, OP_SEAL, err, SECMEM_RIGHT_SEAL);
	if (!err && !recycled(entry))
		atomic_store(&record->sealed, true);
	return result_of(err);
}

static int do_close(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known = known_of(entry);
	uint32_t flags;
	int64_t deadline = some_deadline(&flags);
	int err;

	/* Each holder releases or is killed: so no closer waits for ever. */
	if (!chance(4)) {
		flags = 0;
		deadline = SECMEM_FOREVER;
	}
	if (may(entry, SECMEM_RIGHT_CLOSE))
		atomic_store(&record->close_begun, true);
	err = sm_close_at(entry->grant->fd, entry->handle, flags, deadline);
	known.closed = known.closing = false;
	legitimate(entry, known, OP_CLOSE, err, SECMEM_RIGHT_CLOSE);
	if (recycled(entry))
		return result_of(err);
	if (!err)
		atomic_store(&record->closed, true);
	else if (err == -EAGAIN || err == -ETIMEDOUT || err == -EINTR)
		atomic_store(&record->closing, true);
	return result_of(err);
}

static int do_revoke(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known = { 0 };
	int err;

	if (may(entry, SECMEM_RIGHT_REVOKE))
		atomic_store(&record->revoke_begun, true);
	err = sm_revoke(entry->grant->fd, entry->handle);
	legitimate(entry, known, OP_REVOKE, err, SECMEM_RIGHT_REVOKE);
	if (!err && !recycled(entry)) {
		atomic_store(&record->closed, true);
		atomic_store(&record->revoked, true);
	}
	return result_of(err);
}

static int do_stat(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known = known_of(entry);
	struct secmem_status st;
	int err = sm_stat(entry->grant->fd, entry->handle, &st);
	bool ends;

	if (err) {
		if (err != -EACCES || !entry->grant->shared)
			complain("STAT said %d", err);
		return result_of(err);
	}
	ends = record->close_begun || record->revoke_begun;
	if (recycled(entry))
		return RES_OK;
	if (known.closed && st.state != SECMEM_STATE_CLOSED)
		complain("STAT of a closed secret: state %u", st.state);
	if (known.closing && st.state == SECMEM_STATE_OPEN)
		complain("STAT of a closing secret: open");
	if (!ends && st.state != SECMEM_STATE_OPEN)
		complain("STAT: state %u, and nobody ended it", st.state);
	if (st.writers > 1 || (st.writers && st.readers))
		complain("STAT: %u readers, %u writers", st.readers,
			 st.writers);
	if (st.state == SECMEM_STATE_CLOSED)
		return RES_OK;
	if (st.length != entry->length)
		complain("STAT: length %llu", st.length);
	if (known.sealed && !(st.stat_flags & SECMEM_STAT_SEALED))
		complain("STAT of a sealed secret does not say so");
	return RES_OK;
}

static int do_stale(void)
{
	uint64_t handle = __atomic_load_n(&process.stale, __ATOMIC_ACQUIRE);
	struct secmem_acquire_args a;
	int err;

	if (!handle)
		return RES_NOTHING;
	switch (chance(4)) {
	case 0:
		err = sm_read(process.own->fd, handle, self.bytes, 0, 1);
		break;
	case 1:
		err = sm_write(process.own->fd, handle, self.bytes, 0, 1);
		break;
	case 2:
		err = sm_release(process.own->fd, handle);
		break;
	default:
		err = sm_acquire_at(process.own->fd, handle, SECMEM_READ, 0,
				    &a);
	}
	if (err != -EKEYREVOKED)
		complain("a stale handle: %d", err);
	return result_of(err);
}

static int do_poll(struct entry *entry)
{
	struct record *record = record_of(entry->id);
	struct known known = known_of(entry);
	struct pollfd p = { .fd = entry->grant->fd, .events = POLLPRI };

	if (entry->grant->whole)
		return RES_NOTHING;
	if (poll(&p, 1, 0) < 0)
		return result_of(-errno);
	if (recycled(entry))
		return RES_OK;
	if (known.closed && !(p.revents & POLLHUP))
		complain("poll of a closed secret: %#x", p.revents);
	if ((p.revents & (POLLHUP | POLLPRI)) && !record->close_begun &&
	    !record->revoke_begun)
		complain("poll: %#x, and nobody ended it", p.revents);
	return RES_OK;
}

/* Making and passing. */

static size_t some_length(void)
{
	switch (chance(200)) {
	case 0:
		return SM_PAGE;
	case 1:
	case 2:
		return LENGTH_MIN + chance(9000);
	case 3:
		return LONG_SECRET;
	default:
		return LENGTH_MIN + chance(100);
	}
}

/*
 * Drops an entry that came out of the table. Its secret is mostly closed if it
 * is of the process's own vault, where it would stay.
 */
static void entry_retire(struct entry *entry)
{
	struct record *record;

	if (!entry)
		return;
	if (entry->grant == process.own && chance(8)) {
		record = record_of(entry->id);
		if (!recycled(entry))
			atomic_store(&record->close_begun, true);
		sm_close_at(entry->grant->fd, entry->handle, SECMEM_NOWAIT, 0);
		if (sm_has_state(entry->grant->fd, entry->handle,
				 SECMEM_STATE_CLOSED))
			__atomic_store_n(&process.stale, entry->handle,
					 __ATOMIC_RELEASE);
	}
	entry_put(entry);
}

static int do_create(void)
{
	uint64_t id = atomic_fetch_add(&shared->ids, 1) + 1, handle;
	struct record *record = record_of(id);
	size_t length = some_length();
	bool lingers = !chance(8);
	struct secmem_create_args made;
	struct entry *entry;
	int err;

	err = sm_create_as(process.own->fd, length, 0,
			   lingers ? SECMEM_CREATE_LINGER : 0, NULL, 0, &made);
	handle = made.handle;
	if (err) {
		complain("CREATE of %zu bytes: %d", length, err);
		return result_of(err);
	}
	atomic_store(&record->id, 0);
	atomic_store(&record->length, length);
	atomic_store(&record->lingers, lingers);
	atomic_store(&record->begun, 0);
	atomic_store(&record->done, 0);
	atomic_store(&record->modifying, 0);
	atomic_store(&record->seal_begun, false);
	atomic_store(&record->sealed, false);
	atomic_store(&record->close_begun, false);
	atomic_store(&record->closing, false);
	atomic_store(&record->revoke_begun, false);
	atomic_store(&record->revoked, false);
	atomic_store(&record->closed, false);
	atomic_store(&record->id, id);
	make_first(self.bytes, length, id, 0);
	make_second(self.bytes, length, id, chance(UINT64_MAX));
	err = sm_write(process.own->fd, handle, self.bytes, 0, length);
	if (err)
		complain("the first WRITE: %d", err);
	entry = entry_new(process.own, id, handle, length);
	entry_retire(entry_swap(chance(ENTRIES), entry));
	return result_of(err);
}

static uint32_t some_rights(uint32_t of)
{
	uint32_t rights;

	switch (chance(6)) {
	case 0:
		rights = of & chance(SECMEM_RIGHT_ALL + 1);
		break;
	case 1:
		rights = of & (SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP);
		break;
	case 2:
		rights = of & ~(SECMEM_RIGHT_CLOSE | SECMEM_RIGHT_REVOKE);
		break;
	default:
		rights = of;
	}
	return rights & ~(chance(40) ? 0 : SECMEM_RIGHT_MAP);
}

static int adopt(const struct message *m, int fd)
{
	struct grant *grant;
	struct entry *entry;
	struct record *record = record_of(m->id);
	size_t length = record->length;
	int err;

	if (record->id != m->id || !serial_enter(m->serial)) {
		close(fd);
		return RES_NOTHING;
	}
	grant = grant_new(fd, m->rights, m->whole, m->shared);
	grant->serial = m->serial;
	if (chance(10)) {
		size_t view =
			m->whole ? VIEW :
				   (length + SM_PAGE - 1) / SM_PAGE * SM_PAGE +
					   2 * SM_PAGE;

		/*
		 * A process that has just ended may still have accesses: mmap
		 * does not wait for their end, any other call does.
		 */
		while ((err = grant_map(grant, view)) == -EBUSY)
			sm_release(fd, SECMEM_HANDLE_NONE);
		if (err && (err != -EACCES ||
			    (!m->shared && (m->rights & SECMEM_RIGHT_MAP))))
			complain("mmap of an adopted grant: %d", err);
		if (!err && !(m->rights & SECMEM_RIGHT_MAP))
			complain("mmap without the right went well");
	}
	entry = entry_new(grant, m->id, m->handle, length);
	if (!m->whole)
		entry->offset = SM_PAGE + (-length & (SM_PAGE - 1));
	grant_put(grant);
	entry_retire(entry_swap(chance(ENTRIES), entry));
	return RES_OK;
}

static int do_export(struct entry *entry)
{
	bool whole = entry->grant->whole && !chance(6);
	struct message m = { .id = entry->id, .handle = entry->handle };
	struct known known = known_of(entry);
	uint32_t needs = SECMEM_RIGHT_EXPORT;
	struct secmem_status st;
	int err, fd;

	m.whole = whole;
	m.serial = atomic_fetch_add(&shared->serials, 1) + 1;
	m.rights = some_rights(entry->grant->rights);
	if (!whole)
		m.rights &= ~SECMEM_RIGHT_CREATE;
	if (!chance(20))
		m.rights |= 1U << chance(3);
	if (!m.rights)
		m.rights = SECMEM_RIGHT_READ;
	/* Now and then a grant is passed on that this process itself uses. */
	if (!chance(6) && !entry->grant->whole) {
		m.rights = entry->grant->rights;
		m.serial = entry->grant->serial;
		m.shared = entry->grant->shared = true;
		err = peer_message_send(load->pool[0], &m, sizeof(m),
					entry->grant->fd);
		return result_of(err);
	}
	needs |= m.rights;
	err = sm_export(entry->grant->fd, whole ? 0 : entry->handle, m.rights,
			&fd);
	if (!whole)
		legitimate(entry, known, OP_EXPORT, err, needs);
	if (err)
		return result_of(err);
	if (!chance(4))
		return adopt(&m, fd);
	if (!chance(6) && !whole) {
		if (sm_stat(fd, entry->handle, &st))
			complain("STAT by a new grant");
		m.shared = true;
	}
	err = peer_message_send(load->pool[0], &m, sizeof(m), fd);
	close(fd);
	return result_of(err);
}

static int do_adopt(void)
{
	struct message m;
	int fd = -1, err;

	err = peer_message_receive(load->pool[1], &m, sizeof(m), &fd);

	if (err == -EAGAIN)
		return RES_NOTHING;
	if (err || fd < 0) {
		complain("the pool: %d", err);
		return RES_OTHER;
	}
	return adopt(&m, fd);
}

static int do_drop(void)
{
	struct entry *entry = entry_swap(chance(ENTRIES), NULL);

	if (!entry)
		return RES_NOTHING;
	entry_retire(entry);
	return RES_OK;
}

/* Closes the file of a held access, without RELEASE. */
static int do_abandon(void)
{
	uint32_t mode = chance(2) ? SECMEM_READ : SECMEM_WRITE;
	struct entry *entry = entry_get(true);
	unsigned char *bytes;
	int err;

	if (!entry)
		return RES_NOTHING;
	entry_forget(entry);
	/* Only if nobody else uses it: it is out of the table now. */
	if (entry->grant->shared || atomic_load(&entry->uses) > 1) {
		entry_put(entry);
		return RES_NOTHING;
	}
	if (mode == SECMEM_WRITE)
		atomic_fetch_add(&shared->deaths, 1);
	err = acquire(entry, mode, OP_ABANDON, &bytes);
	entry_put(entry);
	return result_of(err);
}

/* Touches a secret to which nobody in this process has an access. */
static int do_touch_shut(struct entry *entry)
{
	uint64_t offset = atomic_load(&entry->offset);
	struct record *record = record_of(entry->id);
	struct known known;
	bool read, anothers;
	int signo, result;

	if (!offset || !entry->grant->view ||
	    pthread_rwlock_trywrlock(&entry->quiet))
		return RES_NOTHING;
	known = known_of(entry);
	if (entry->grant->whole && (known.closed || recycled(entry))) {
		pthread_rwlock_unlock(&entry->quiet);
		return RES_NOTHING;
	}
	offset += chance(entry->length);
	read = chance(3) || !may(entry, SECMEM_RIGHT_WRITE);
	if (read)
		signo = sm_touch(entry->grant->view + offset, NULL);
	else
		signo = sm_poke(entry->grant->view + offset, 0);
	result = result_of(signo);
	/* The place may serve another secret by now. */
	anothers = recycled(entry) || (entry->grant->whole && record->closed);
	if (!signo && anothers)
		result = RES_NOTHING;
	else if (!signo && read && record->lingers && !known.closed &&
		 !known.revoked)
		result = RES_LINGERS;
	else if (!signo)
		complain("a touch of a shut secret went well");
	if (signo == SIGBUS && !recycled(entry) && !record->close_begun &&
	    !record->revoke_begun)
		complain("SIGBUS, and nobody ended it");
	if (signo == SIGSEGV && known.closed && !entry->grant->whole)
		complain("SIGSEGV of a closed secret");
	pthread_rwlock_unlock(&entry->quiet);
	return result;
}

/* Unmaps the view and maps another one, while there is no access. */
static int do_remap(struct entry *entry)
{
	struct grant *grant = entry->grant;
	size_t length = grant->view_length;
	int err = 0;

	if (grant->whole || !grant->view ||
	    pthread_rwlock_trywrlock(&entry->quiet))
		return RES_NOTHING;
	if (munmap(grant->view, length)) {
		complain("munmap: %d", errno);
	} else {
		grant->view = NULL;
		err = sm_acquire(grant->fd, entry->handle,
				 SECMEM_READ | SECMEM_NOWAIT, NULL);
		if (err != -ENXIO && err != -EKEYREVOKED && err != -EACCES &&
		    err != -EAGAIN && err != -EOWNERDEAD)
			complain("ACQUIRE without a view: %d", err);
		err = grant_map(grant, length);
		if (err)
			complain("mmap again: %d", err);
	}
	pthread_rwlock_unlock(&entry->quiet);
	return result_of(err);
}

static void ignore(int signo)
{
	(void)signo;
}

static int do_signal(void)
{
	struct thread_shown *shown =
		&shared->threads_shown[process.index][chance(load->threads)];
	pid_t tid = shown->tid;

	if (!tid || shown == self.shown)
		return RES_NOTHING;
	syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
	return RES_OK;
}

/* A child may do nothing with what it inherits. */
static int child_try(struct entry *entry)
{
	uint64_t offset = atomic_load(&entry->offset), made;
	struct secmem_status st;

	if (sm_create(process.own->fd, 1, &made) != -EACCES ||
	    sm_stat(process.own->fd, entry->handle, &st) != -EACCES ||
	    sm_read(process.own->fd, entry->handle, self.bytes, 0, 1) !=
		    -EACCES)
		return 2;
	if (sm_map(process.own->fd, SM_PAGE, PROT_READ) != MAP_FAILED ||
	    errno != EACCES)
		return 3;
	if (entry->grant->view &&
	    sm_touch(entry->grant->view + offset, NULL) != SIGSEGV)
		return 4;
	return 0;
}

static int do_fork(struct entry *entry)
{
	int status = 0;
	pid_t pid;

	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(child_try(entry));
	}
	if (pid < 0) {
		complain("fork: %d", errno);
		return RES_OTHER;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		complain("a forked child: status %#x", status);
	return RES_OK;
}

/* Execs the same program, which keeps one grant. */
static int do_exec(struct entry *entry)
{
	char args[7][24];
	sigset_t signals;

	if (entry->grant->whole)
		return RES_NOTHING;
	fcntl(entry->grant->fd, F_SETFD, 0);
	snprintf(args[0], sizeof(args[0]), "%d", process.index);
	snprintf(args[1], sizeof(args[1]), "%d", shared_fd);
	snprintf(args[2], sizeof(args[2]), "%d", entry->grant->fd);
	snprintf(args[3], sizeof(args[3]), "%" PRIu64, entry->id);
	snprintf(args[4], sizeof(args[4]), "%" PRIu64, entry->handle);
	snprintf(args[5], sizeof(args[5]), "%u", entry->grant->rights);
	snprintf(args[6], sizeof(args[6]), "%" PRIu64, entry->grant->serial);
	atomic_fetch_add(&shared->outcomes[OP_EXEC][RES_OK], 1);
	atomic_fetch_add(&shared->deaths, 1);
	atomic_store(&shared->dead[process.life], true);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	execl("/proc/self/exe", "stress", "--worker", args[0], args[1], args[2],
	      args[3], args[4], args[5], args[6], NULL);
	complain("exec: %d", errno);
	_exit(1);
}

static int do_one(int op)
{
	struct entry *entry;
	int result;

	switch (op) {
	case OP_CREATE:
		return do_create();
	case OP_STALE:
		return do_stale();
	case OP_ADOPT:
		return do_adopt();
	case OP_DROP:
		return do_drop();
	case OP_ABANDON:
		return do_abandon();
	case OP_SIGNAL:
		return do_signal();
	case OP_EXIT:
		if (chance(2))
			return RES_OK;
		atomic_fetch_add(&shared->outcomes[OP_EXIT][RES_OK], 1);
		end_life();
	}
	entry = entry_get(op == OP_PREAD || op == OP_POLL || op == OP_REMAP ||
			  op == OP_EXEC);
	if (!entry)
		return RES_NOTHING;
	switch (op) {
	case OP_READ_ACCESS:
		result = do_read_access(entry);
		break;
	case OP_NESTED:
		result = do_nested(entry);
		break;
	case OP_WRITE_ACCESS:
		result = do_write_access(entry);
		break;
	case OP_READ:
		result = do_read(entry);
		break;
	case OP_PREAD:
		result = do_pread(entry);
		break;
	case OP_WRITE:
		result = do_write(entry);
		break;
	case OP_COMPARE:
		result = do_compare(entry);
		break;
	case OP_SEAL:
		result = do_seal(entry);
		break;
	case OP_CLOSE:
		result = do_close(entry);
		break;
	case OP_REVOKE:
		result = do_revoke(entry);
		break;
	case OP_STAT:
		result = do_stat(entry);
		break;
	case OP_POLL:
		result = do_poll(entry);
		break;
	case OP_EXPORT:
		result = do_export(entry);
		break;
	case OP_TOUCH_SHUT:
		result = do_touch_shut(entry);
		break;
	case OP_REMAP:
		result = do_remap(entry);
		break;
	case OP_FORK:
		result = do_fork(entry);
		break;
	default:
		result = do_exec(entry);
	}
	/* Closed secrets are used now and then, and then make room. */
	if (record_of(entry->id)->closed && !chance(3))
		entry_forget(entry);
	entry_put(entry);
	return result;
}

static int some_op(void)
{
	static unsigned int total;
	unsigned int sum = total, n;
	int op;

	if (!sum) {
		for (op = 0; op < OPS; op++)
			sum += ops[op].weight;
		total = sum;
	}
	n = chance(sum);
	for (op = 0; n >= ops[op].weight; op++)
		n -= ops[op].weight;
	return op;
}

static bool is_over(void)
{
	return atomic_load(&shared->stop);
}

static void *thread_run(void *arg)
{
	int n = (intptr_t)arg, op, result;

	self.shown = &shared->threads_shown[process.index][n];
	self.random = load_seed(process.life, n);
	atomic_store(&self.shown->tid, gettid());
	/* All threads are made first: while one execs, clone is EAGAIN. */
	pthread_barrier_wait(&process.all_there);
	while (!is_over()) {
		op = some_op();
		atomic_store(&self.shown->op, op);
		result = do_one(op);
		atomic_store(&self.shown->op, OP_NONE);
		atomic_fetch_add(&self.shown->count, 1);
		atomic_fetch_add(&shared->outcomes[op][result], 1);
		atomic_fetch_add(&load->operations, 1);
	}
	atomic_store(&self.shown->tid, 0);
	return NULL;
}

static int process_run(int index, const struct message *kept, int kept_fd)
{
	struct sigaction action = { .sa_handler = ignore };
	pthread_t threads[LOAD_THREADS_MAX];
	struct secmem_status st;
	sigset_t signals;
	int i, fd, err;

	process.index = index;
	process.life = atomic_fetch_add(&shared->lives, 1) + 1;
	if (process.life >= LIVES) {
		complain("more than %u lives", LIVES);
		return 1;
	}
	atomic_store(&shared->life[index], process.life);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&signals);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	fd = sm_open();
	if (fd < 0) {
		complain("open: %d", fd);
		return 1;
	}
	process.own = grant_new(fd, SECMEM_RIGHT_ALL, true, false);
	if (grant_map(process.own, VIEW)) {
		complain("mmap: %d", errno);
		return 1;
	}
	self.random = load_seed(process.life, LOAD_THREADS_MAX - 1);
	/*
	 * The program before is gone: the grant answers this one, or another
	 * process that has it.
	 */
	if (kept_fd >= 0) {
		err = sm_stat(kept_fd, kept->handle, &st);
		if (err && (err != -EACCES || !kept->shared))
			complain("a grant that was kept over exec: %d", err);
		atomic_fetch_add(&shared->kept_over_exec, 1);
		fcntl(kept_fd, F_SETFD, FD_CLOEXEC);
		adopt(kept, kept_fd);
	}
	for (i = 0; i < 6; i++)
		do_create();
	pthread_barrier_init(&process.all_there, NULL, load->threads);
	for (i = 0; i < load->threads; i++) {
		err = pthread_create(&threads[i], NULL, thread_run,
				     (void *)(intptr_t)i);
		if (err) {
			complain("pthread_create of thread %d: %d", i, err);
			return 1;
		}
	}
	for (i = 0; i < load->threads; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* The supervisor. */

static int process_start(int i)
{
	memset(shared->threads_shown[i], 0, sizeof(shared->threads_shown[i]));
	atomic_store(&shared->life[i], 0);
	fflush(NULL);
	load_pids[i] = fork();
	if (load_pids[i] < 0)
		return -errno;
	if (!load_pids[i]) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(process_run(i, NULL, -1));
	}
	return 0;
}

/*
 * Kills a process, and waits for a while until one is in the operation that was
 * hit least. The process may exec while it is chosen: then its new life ends.
 */
static void kill_one(void)
{
	int op, rarest = OP_CREATE, i, t, rounds, hit = -1;

	for (op = OP_CREATE; op < OPS; op++)
		if (shared->killed_in[op] < shared->killed_in[rarest])
			rarest = op;
	if (chance(3) == 0)
		rarest = 1 + chance(OPS - 1);
	for (rounds = 0; rounds < 5000 && hit < 0; rounds++)
		for (i = 0; i < load->processes && hit < 0; i++)
			for (t = 0; t < load->threads; t++)
				if (shared->threads_shown[i][t].op == rarest)
					hit = i;
	if (hit < 0)
		hit = chance(load->processes);
	atomic_fetch_add(&shared->deaths, 1);
	atomic_store(&shared->dead[shared->life[hit]], true);
	kill(load_pids[hit], SIGKILL);
	while (waitpid(load_pids[hit], NULL, 0) < 0 && errno == EINTR)
		;
	atomic_store(&shared->dead[shared->life[hit]], true);
	for (t = 0; t < load->threads; t++)
		atomic_fetch_add(
			&shared->killed_in[shared->threads_shown[hit][t].op],
			1);
	if (process_start(hit))
		complain("fork: %d", errno);
}

/* Also reaps children whose parents were killed: they would fill the table. */
static void reap_all(void)
{
	int i, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < load->processes && load_pids[i] != pid;)
			i++;
		if (i == load->processes)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			complain("a process ended by itself: %#x", status);
		if (!is_over() && process_start(i))
			complain("fork: %d", errno);
	}
}

/* Complains of a thread that does not get on. */
static void watch(void)
{
	static uint64_t counts[LOAD_PROCESSES_MAX][LOAD_THREADS_MAX];
	static int64_t since[LOAD_PROCESSES_MAX][LOAD_THREADS_MAX];
	int64_t now = sm_now();
	int i, t;

	for (i = 0; i < load->processes; i++) {
		for (t = 0; t < load->threads; t++) {
			struct thread_shown *s = &shared->threads_shown[i][t];

			if (s->count != counts[i][t] || !since[i][t]) {
				counts[i][t] = s->count;
				since[i][t] = now;
			} else if (now - since[i][t] >
				   (int64_t)HANG_MS * 1000000) {
				complain("a thread hangs in %s",
					 s->op ? ops[s->op].name : "no call");
				atomic_store(&shared->stop, true);
				since[i][t] = now;
			}
		}
	}
}

static void supervise(uint64_t *kills)
{
	const uint64_t every = shared->kills_target ? 0 : 400;
	struct timespec nap = { .tv_nsec = 1000000 };
	uint64_t next = every, done;

	while (!is_over()) {
		done = load->operations;
		if (shared->kills_target ? *kills >= shared->kills_target :
					   done >= load->target)
			atomic_store(&shared->stop, true);
		if (load->complaints >= LOAD_COMPLAINTS)
			atomic_store(&shared->stop, true);
		reap_all();
		watch();
		if (shared->kills_target || done >= next) {
			kill_one();
			(*kills)++;
			next += every;
		}
		nanosleep(&nap, NULL);
	}
}

static void report(void)
{
	char line[512];
	int op, r, n;

	printf("# outcomes (a process was killed so often in the middle):\n");
	for (op = OP_CREATE; op < OPS; op++) {
		n = snprintf(line, sizeof(line), "# %-13s %7" PRIu64 " |",
			     ops[op].name, shared->killed_in[op]);
		for (r = 0; r < RESULTS; r++)
			if (shared->outcomes[op][r])
				n += snprintf(line + n, sizeof(line) - n,
					      " %s %" PRIu64, result_names[r],
					      shared->outcomes[op][r]);
		printf("%s\n", line);
	}
}

/*
 * Counts outcomes that had to occur and did not, and others that no table
 * expects.
 */
static int missing(uint64_t kills)
{
	int op, r, lost = 0;

	for (op = OP_CREATE; op < OPS; op++) {
		for (r = 0; r < RESULTS; r++) {
			bool seen = shared->outcomes[op][r];

			if (!seen && (ops[op].must & 1U << r)) {
				printf("# never: %s %s\n", ops[op].name,
				       result_names[r]);
				lost++;
			}
		}
		/* EXIT and EXEC end a process by themselves. */
		if (!shared->killed_in[op] && op != OP_EXIT && op != OP_EXEC &&
		    kills > 20 * OPS) {
			printf("# never killed in: %s\n", ops[op].name);
			lost++;
		}
	}
	if (!shared->kept_over_exec) {
		printf("# never: a grant kept over exec\n");
		lost++;
	}
	return lost;
}

static int strange(void)
{
	int op, r, n = 0;

	for (op = OP_CREATE; op < OPS; op++)
		for (r = 0; r < RESULTS; r++)
			if (shared->outcomes[op][r] &&
			    !((ops[op].must | ops[op].may) & 1U << r)) {
				printf("# unexpected: %s %s\n", ops[op].name,
				       result_names[r]);
				n++;
			}
	return n;
}

static int shared_map(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		      shared_fd, 0);
	load = &shared->load;
	return shared == MAP_FAILED ? -errno : 0;
}

static int worker_main(char **argv)
{
	struct message kept = { .shared = true };

	shared_fd = atoi(argv[3]);
	if (shared_map())
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kept.id = strtoull(argv[5], NULL, 10);
	kept.handle = strtoull(argv[6], NULL, 10);
	kept.rights = strtoul(argv[7], NULL, 10);
	kept.serial = strtoull(argv[8], NULL, 10);
	return process_run(atoi(argv[2]), &kept, atoi(argv[4]));
}

int main(int argc, char **argv)
{
	struct secmem_info before, after;
	uint64_t kills = 0;
	bool enough, back;
	int fd, i, lost;
	int64_t began;

	if (argc == 9 && !strcmp(argv[1], "--worker"))
		return worker_main(argv);
	shared_fd = syscall(SYS_memfd_create, "stress", 0);
	if (shared_fd < 0 || ftruncate(shared_fd, sizeof(*shared)) ||
	    shared_map())
		return 1;
	load->seed = sm_now() ^ (uint64_t)getpid() << 40;
	load->target = 200000;
	load->processes = 3;
	load->threads = 2;
	if (load_options(argc, argv, 'k', "KILLS", &shared->kills_target))
		return 2;
	fd = load_begin("stress", 0, &before);
	if (fd < 0)
		return 1;
	self.random = load_mix(load->seed);
	began = sm_now();

	for (i = 0; i < load->processes; i++)
		if (process_start(i))
			return 1;
	supervise(&kills);
	back = load_end(fd, &before, &after);

	printf("# %" PRIu64 " operations, %" PRIu64 " secrets, %" PRIu64
	       " kills, %u lives in %" PRId64 " ms\n",
	       load->operations, shared->ids, kills, shared->lives,
	       (sm_now() - began) / 1000000);
	report();
	load_result(1, !load->complaints && !strange(),
		    "stress.model_is_never_violated");
	load_result(2, back, "stress.nothing_is_left");
	enough = load->operations >= ENOUGH && !shared->kills_target;
	lost = enough ? missing(kills) : 0;
	if (enough)
		load_result(3, !lost, "stress.every_outcome_occurs");
	else
		printf("ok 3 stress.every_outcome_occurs # SKIP too few "
		       "operations\n");
	return load->complaints || strange() || !back || lost;
}
