// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The accesses that this process holds. They are recorded in tables and not on
 * the stack, because callbacks that are coroutines end in any order, and on any
 * thread.
 *
 * The state of an entry counts its changes, and is odd while the entry is
 * taken. The state and the entry's place in the tables make the serial number
 * of an access. So an access can be ended once only, by whichever copy of its
 * struct.
 */
#include <errno.h>
#include "internal.h"

#define TABLE_ENTRIES 1024
#define TABLES 16384
#define PLACE_BITS 24

struct entry {
	_Atomic uint64_t state;
	_Atomic uint64_t grant;
	_Atomic uint64_t handle;
	_Atomic uint64_t thread; /* whose callback holds it; 0: by hand */
	_Atomic uint32_t flags;
	char apart[28]; /* a cache line */
};

struct table {
	_Atomic uint32_t top; /* entries from here on were never taken */
	_Atomic int full; /* all entries are taken, until one is freed */
	struct entry entries[TABLE_ENTRIES];
};

_Static_assert(TABLE_ENTRIES *TABLES == 1 << PLACE_BITS, "a place fits");

static _Atomic(void *) tables[TABLES];
static _Atomic uint32_t swept; /* the table to be swept next */

/* The entry that this thread took or freed last: it looks there first. */
static __thread uint32_t hint;

/*
 * A number for this thread. It is never reused, as an entry may outlive its
 * thread.
 */
static uint64_t thread_now(void)
{
	static _Atomic uint64_t threads;
	static __thread uint64_t thread;

	if (!thread)
		thread = atomic_fetch_add(&threads, 1) + 1;
	return thread;
}

static struct table *table_now(unsigned int index)
{
	return atomic_load_explicit(&tables[index], memory_order_acquire);
}

static int entry_take(struct table *table, unsigned int i,
		      secmem_secret_t secret, uint32_t flags, uint64_t thread,
		      uint64_t *state)
{
	struct entry *entry = &table->entries[i];
	uint32_t top;

	*state = atomic_load_explicit(&entry->state, memory_order_relaxed);
	if (*state & 1 ||
	    !atomic_compare_exchange_strong(&entry->state, state, *state + 1))
		return 0;
	++*state;
	atomic_store_explicit(&entry->grant, secret.grant,
			      memory_order_relaxed);
	atomic_store_explicit(&entry->handle, secret.handle,
			      memory_order_relaxed);
	atomic_store_explicit(&entry->thread, thread, memory_order_relaxed);
	atomic_store_explicit(&entry->flags, flags, memory_order_relaxed);
	top = atomic_load_explicit(&table->top, memory_order_relaxed);
	while (top <= i &&
	       !atomic_compare_exchange_weak(&table->top, &top, i + 1))
		;
	return 1;
}

static int entry_free(struct table *table, struct entry *entry, uint64_t state)
{
	if (!atomic_compare_exchange_strong(&entry->state, &state, state + 1))
		return 0;
	if (atomic_load_explicit(&table->full, memory_order_relaxed))
		atomic_store_explicit(&table->full, 0, memory_order_relaxed);
	return 1;
}

static int table_take(unsigned int index, secmem_secret_t secret,
		      uint32_t flags, uint64_t thread, uint64_t *serial)
{
	struct table *table = table_now(index);
	unsigned int i, at;
	uint64_t state;

	if (atomic_load_explicit(&table->full, memory_order_relaxed))
		return 0;
	for (i = 0; i < TABLE_ENTRIES; i++) {
		at = (hint + i) % TABLE_ENTRIES;
		if (!entry_take(table, at, secret, flags, thread, &state))
			continue;
		hint = index * TABLE_ENTRIES + at;
		*serial = state << PLACE_BITS | hint;
		return 1;
	}
	atomic_store_explicit(&table->full, 1, memory_order_relaxed);
	return 0;
}

/*
 * Frees the entries of accesses by hand that ended because their grant was
 * closed, and that nobody will release.
 */
static void table_sweep(struct table *table)
{
	struct entry *entry;
	uint64_t state;
	unsigned int i;

	for (i = 0; i < TABLE_ENTRIES; i++) {
		entry = &table->entries[i];
		state = atomic_load(&entry->state);
		if (state & 1 && !atomic_load(&entry->thread) &&
		    !secmem__grant_is_open(atomic_load(&entry->grant)))
			entry_free(table, entry, state);
	}
}

int secmem__held_add(secmem_secret_t secret, uint32_t flags, int callback,
		     uint64_t *serial)
{
	uint64_t thread = callback ? thread_now() : 0;
	unsigned int count, from, i;
	void *memory;
	int error;

	for (;;) {
		for (count = 0; count < TABLES && table_now(count); count++)
			;
		from = hint / TABLE_ENTRIES;
		for (i = 0; i < count; i++)
			if (table_take((from + i) % count, secret, flags,
				       thread, serial))
				return 0;
		if (count) {
			i = atomic_fetch_add(&swept, 1) % count;
			table_sweep(table_now(i));
			if (table_take(i, secret, flags, thread, serial))
				return 0;
		}
		if (count == TABLES)
			return -ENOMEM;
		error = secmem__wiped_get(&tables[count], sizeof(struct table),
					  &memory);
		if (error)
			return error;
	}
}

/* The entry with that serial number, if it is one of that secret. */
static struct entry *entry_find(secmem_secret_t secret, uint64_t serial,
				struct table **table)
{
	uint32_t place = serial & ((1U << PLACE_BITS) - 1);
	struct entry *entry;

	*table = table_now(place / TABLE_ENTRIES);
	if (!*table || !(serial >> PLACE_BITS & 1))
		return NULL;
	/*
	 * The grant is compared, too: a forked child gives out the same serial
	 * numbers as its parent did, but its grants have other names.
	 */
	entry = &(*table)->entries[place % TABLE_ENTRIES];
	if (atomic_load(&entry->grant) != secret.grant ||
	    atomic_load(&entry->handle) != secret.handle)
		return NULL;
	return entry;
}

uint32_t secmem__held_remove(secmem_secret_t secret, uint64_t serial)
{
	struct table *table;
	struct entry *entry = entry_find(secret, serial, &table);
	uint32_t flags;

	if (!entry)
		return 0;
	flags = atomic_load(&entry->flags);
	if (!entry_free(table, entry, serial >> PLACE_BITS))
		return 0;
	hint = serial & ((1U << PLACE_BITS) - 1);
	return flags;
}

uint32_t secmem__held_flags(secmem_secret_t secret, uint64_t serial)
{
	struct table *table;
	struct entry *entry = entry_find(secret, serial, &table);
	uint32_t flags = entry ? atomic_load(&entry->flags) : 0;

	return entry && atomic_load(&entry->state) == serial >> PLACE_BITS ?
		       flags :
		       0;
}

void secmem__held_set_flags(secmem_secret_t secret, uint64_t serial,
			    uint32_t flags)
{
	struct table *table;
	struct entry *entry = entry_find(secret, serial, &table);

	if (entry && atomic_load(&entry->state) == serial >> PLACE_BITS)
		atomic_store(&entry->flags, flags);
}

int secmem__holds(secmem_secret_t secret, int exclusive)
{
	uint64_t thread = thread_now();
	struct table *table;
	struct entry *entry;
	unsigned int i, top;

	for (i = 0; i < TABLES && (table = table_now(i)); i++) {
		top = atomic_load_explicit(&table->top, memory_order_relaxed);
		for (entry = table->entries; entry < table->entries + top;
		     entry++)
			if (atomic_load(&entry->state) & 1 &&
			    atomic_load(&entry->thread) == thread &&
			    atomic_load(&entry->grant) == secret.grant &&
			    atomic_load(&entry->handle) == secret.handle &&
			    (exclusive ||
			     atomic_load(&entry->flags) & SECMEM_WRITE))
				return 1;
	}
	return 0;
}

/*
 * Maps the first table before the first view: mappings grow downwards as a
 * rule, so the table lies above the view, and not right below its first page.
 */
int secmem__held_prepare(void)
{
	void *memory;

	return secmem__wiped_get(&tables[0], sizeof(struct table), &memory);
}
