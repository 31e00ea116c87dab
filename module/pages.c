// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages that bytes stand in: supply, scrub, canary, and who is charged.
 *
 * A page serves with its reference count frozen at 0, so that nobody who comes
 * by its PFN (KVM and VFIO follow page tables to it) can take a reference and
 * keep it after us. It must not be PG_reserved, which VFIO would map as is.
 */
#include <crypto/algapi.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/page_ref.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * RLIMIT_MEMLOCK is counted where io_uring and BPF count it too: in the
 * user_struct of CREATE's caller, which the kept cred holds.
 */
static int secmem_charge(struct secmem_bytes *bytes)
{
	unsigned long cap = READ_ONCE(secmem_memlock_cap);
	unsigned long limit = (cap ?: rlimit(RLIMIT_MEMLOCK)) >> PAGE_SHIFT;
	struct user_struct *user = current_cred()->user;
	long held = atomic_long_read(&user->locked_vm);

	do {
		if ((unsigned long)held + bytes->count > limit &&
		    !capable(CAP_IPC_LOCK))
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &held,
					  held + bytes->count));
	bytes->charged = get_current_cred();
	return 0;
}

static void secmem_uncharge(struct secmem_bytes *bytes)
{
	atomic_long_sub(bytes->count, &bytes->charged->user->locked_vm);
	put_cred(bytes->charged);
}

/* At a limit CREATE says ENOMEM; it does not call the OOM killer. */
#define SECMEM_PAGE_GFP \
	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static struct page *secmem_page_alloc(void)
{
	struct page *page = alloc_page(SECMEM_PAGE_GFP);

	if (!page)
		return NULL;
	/* Only a speculative reference can be in the way, and it soon goes. */
	while (!page_ref_freeze(page, 1))
		cond_resched();
	secmem_count_add(pages, 1);
	return page;
}

static void secmem_page_free(struct page *page)
{
	void *at = kmap_local_page(page);

	memzero_explicit(at, PAGE_SIZE);
	kunmap_local(at);
	page_ref_unfreeze(page, 1);
	__free_page(page);
	secmem_count_add(pages, -1);
}

/**
 * secmem_bytes_page - the page with that index
 * @bytes: the bytes
 * @index: below bytes->count
 *
 * Context: Any; the caller keeps @bytes from going.
 * Return: the page.
 */
struct page *secmem_bytes_page(const struct secmem_bytes *bytes,
			       unsigned int index)
{
	return bytes->count == 1 ? bytes->one : bytes->many[index];
}

static void secmem_bytes_free_pages(struct secmem_bytes *bytes,
				    unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		secmem_page_free(secmem_bytes_page(bytes, i));
	if (bytes->count > 1)
		kfree(bytes->many);
}

static int secmem_bytes_alloc_pages(struct secmem_bytes *bytes)
{
	struct page *page;
	unsigned int i;

	if (bytes->count > 1) {
		bytes->many = kcalloc(bytes->count, sizeof(*bytes->many),
				      GFP_KERNEL_ACCOUNT);
		if (!bytes->many)
			return -ENOMEM;
	}
	for (i = 0; i < bytes->count; i++) {
		page = fatal_signal_pending(current) ? NULL :
						       secmem_page_alloc();
		if (!page) {
			secmem_bytes_free_pages(bytes, i);
			return -ENOMEM;
		}
		if (bytes->count == 1)
			bytes->one = page;
		else
			bytes->many[i] = page;
	}
	return 0;
}

/* A run of data within one page, mapped for as long as it is worked on. */
struct secmem_piece {
	void *page;
	void *at;
	u32 length;
};

static void secmem_piece_map(struct secmem_piece *piece,
			     const struct secmem_bytes *bytes, u32 offset,
			     u32 left)
{
	u32 at = bytes->offset + offset;

	piece->page = kmap_local_page(secmem_bytes_page(bytes,
							at >> PAGE_SHIFT));
	piece->at = piece->page + offset_in_page(at);
	piece->length = min_t(u32, left, PAGE_SIZE - offset_in_page(at));
}

static void secmem_piece_unmap(const struct secmem_piece *piece)
{
	kunmap_local(piece->page);
}

/**
 * secmem_bytes_layout - where data will lie
 * @bytes: filled in
 * @length: 1 to SECMEM_LENGTH_MAX
 * @align: a power of two up to the page size
 *
 * The data ends where the last page ends, as far as @align lets it.
 *
 * Context: Any.
 */
void secmem_bytes_layout(struct secmem_bytes *bytes, u32 length, u32 align)
{
	bytes->length = length;
	bytes->count = DIV_ROUND_UP(length, PAGE_SIZE);
	bytes->offset = round_down(bytes->count * PAGE_SIZE - length, align);
}

static void secmem_bytes_randomize(const struct secmem_bytes *bytes)
{
	struct secmem_piece piece;
	u32 done;

	for (done = 0; done < bytes->length; done += piece.length) {
		secmem_piece_map(&piece, bytes, done, bytes->length - done);
		get_random_bytes(piece.at, piece.length);
		secmem_piece_unmap(&piece);
	}
}

/**
 * secmem_bytes_create - charge the caller and take pages
 * @bytes: laid out
 * @random: fill from the kernel's RNG rather than with zeros
 *
 * Context: Process context, may sleep. The current user is charged.
 * Return: 0; -ENOMEM (no memory, or a limit); -EINTR (the RNG is not ready).
 */
int secmem_bytes_create(struct secmem_bytes *bytes, bool random)
{
	int ret = random ? wait_for_random_bytes() : 0;

	if (ret)
		return -EINTR;
	ret = secmem_charge(bytes);
	if (ret)
		return ret;
	ret = secmem_bytes_alloc_pages(bytes);
	if (ret) {
		secmem_uncharge(bytes);
		return ret;
	}
	if (random)
		secmem_bytes_randomize(bytes);
	return 0;
}

/**
 * secmem_bytes_destroy - wipe and free
 * @bytes: from secmem_bytes_create(), with no page-table entry left
 *
 * Context: Process context, may sleep.
 */
void secmem_bytes_destroy(struct secmem_bytes *bytes)
{
	secmem_bytes_free_pages(bytes, bytes->count);
	secmem_uncharge(bytes);
	bytes->many = NULL;
	bytes->charged = NULL;
}

/**
 * secmem_bytes_tail - bytes between the data's end and its page's
 * @bytes: the bytes
 *
 * Context: Any.
 * Return: their number; 0 where an overrun faults at once.
 */
u32 secmem_bytes_tail(const struct secmem_bytes *bytes)
{
	return bytes->count * PAGE_SIZE - bytes->offset - bytes->length;
}

/**
 * secmem_bytes_read - copy out
 * @bytes: the bytes
 * @offset: in the data
 * @to: a kernel buffer
 * @length: @offset + @length is within the data
 *
 * Context: Any; the caller holds the secret's lock.
 */
void secmem_bytes_read(const struct secmem_bytes *bytes, u32 offset,
		       void *to, u32 length)
{
	struct secmem_piece piece;
	u32 done;

	for (done = 0; done < length; done += piece.length) {
		secmem_piece_map(&piece, bytes, offset + done, length - done);
		memcpy(to + done, piece.at, piece.length);
		secmem_piece_unmap(&piece);
	}
}

/**
 * secmem_bytes_write - copy in
 * @bytes: the bytes
 * @offset: in the data
 * @from: a kernel buffer
 * @length: @offset + @length is within the data
 *
 * Context: Any; the caller holds the secret's lock.
 */
void secmem_bytes_write(const struct secmem_bytes *bytes, u32 offset,
			const void *from, u32 length)
{
	struct secmem_piece piece;
	u32 done;

	for (done = 0; done < length; done += piece.length) {
		secmem_piece_map(&piece, bytes, offset + done, length - done);
		memcpy(piece.at, from + done, piece.length);
		secmem_piece_unmap(&piece);
	}
}

/**
 * secmem_bytes_equal - compare all data in a time that its length alone tells
 * @bytes: the bytes
 * @with: bytes->length of them
 *
 * Context: Any; the caller holds the secret's lock.
 * Return: whether all are equal.
 */
bool secmem_bytes_equal(const struct secmem_bytes *bytes, const void *with)
{
	unsigned long differs = 0;
	struct secmem_piece piece;
	u32 done;

	for (done = 0; done < bytes->length; done += piece.length) {
		secmem_piece_map(&piece, bytes, done, bytes->length - done);
		differs |= crypto_memneq(piece.at, with + done, piece.length);
		secmem_piece_unmap(&piece);
	}
	return !differs;
}

/*
 * The canary: up to 16 bytes directly before the data and, where alignment
 * leaves room, directly behind it. It is the siphash of the handle under the
 * vault's random key, so it need not be stored.
 */
struct secmem_canary {
	u8 head[SECMEM_CANARY_SIZE];	/* its last bytes count */
	u8 tail[SECMEM_CANARY_SIZE];	/* its first bytes count */
};

static void secmem_canary_make(struct secmem_canary *canary,
			       const siphash_key_t *key, u64 handle)
{
	u64 words[sizeof(*canary) / sizeof(u64)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = siphash_2u64(handle, i, key);
	memcpy(canary, words, sizeof(*canary));
}

static u32 secmem_canary_head(const struct secmem_bytes *bytes)
{
	return min_t(u32, bytes->offset, SECMEM_CANARY_SIZE);
}

static u32 secmem_canary_tail(const struct secmem_bytes *bytes)
{
	return min_t(u32, secmem_bytes_tail(bytes), SECMEM_CANARY_SIZE);
}

/**
 * secmem_canary_plant - write the canary beside the data
 * @bytes: the bytes, not yet seen by anybody else
 * @key: the vault's
 * @handle: the secret's
 *
 * Context: Any.
 */
void secmem_canary_plant(const struct secmem_bytes *bytes,
			 const siphash_key_t *key, u64 handle)
{
	u32 head = secmem_canary_head(bytes), tail = secmem_canary_tail(bytes);
	struct secmem_canary canary;
	void *at;

	secmem_canary_make(&canary, key, handle);
	if (head) {
		at = kmap_local_page(secmem_bytes_page(bytes, 0));
		memcpy(at + bytes->offset - head,
		       canary.head + SECMEM_CANARY_SIZE - head, head);
		kunmap_local(at);
	}
	if (tail) {
		at = kmap_local_page(secmem_bytes_page(bytes, bytes->count - 1));
		memcpy(at + PAGE_SIZE - secmem_bytes_tail(bytes), canary.tail,
		       tail);
		kunmap_local(at);
	}
	memzero_explicit(&canary, sizeof(canary));
}

/**
 * secmem_canary_intact - has anybody written beside the data
 * @bytes: the bytes
 * @key: as planted
 * @handle: as planted
 *
 * Context: Any; the caller holds the secret's lock.
 * Return: whether the canary is as it was planted.
 */
bool secmem_canary_intact(const struct secmem_bytes *bytes,
			  const siphash_key_t *key, u64 handle)
{
	u32 head = secmem_canary_head(bytes), tail = secmem_canary_tail(bytes);
	struct secmem_canary canary;
	unsigned long differs = 0;
	void *at;

	secmem_canary_make(&canary, key, handle);
	if (head) {
		at = kmap_local_page(secmem_bytes_page(bytes, 0));
		differs |= crypto_memneq(at + bytes->offset - head,
					 canary.head + SECMEM_CANARY_SIZE - head,
					 head);
		kunmap_local(at);
	}
	if (tail) {
		at = kmap_local_page(secmem_bytes_page(bytes, bytes->count - 1));
		differs |= crypto_memneq(at + PAGE_SIZE -
						 secmem_bytes_tail(bytes),
					 canary.tail, tail);
		kunmap_local(at);
	}
	memzero_explicit(&canary, sizeof(canary));
	return !differs;
}
