// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes: where the data of a secret lies in its pages, the canary beside it,
 * and copies in and out.
 */
#include <crypto/algapi.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bytes.h"

/* A run of data within one page, mapped while it is worked on. */
struct secmem_piece {
	struct page *page;
	void *mapped;
	void *at;
	u32 length;
};

/* Wherever it lies. */
struct secmem_word {
	u64 u;
} __packed;

static void secmem_piece_map(struct secmem_piece *piece,
			     const struct secmem_bytes *bytes, u32 offset,
			     u32 left)
{
	u32 within = bytes->offset + offset;

	piece->page = secmem_bytes_page(bytes, within >> PAGE_SHIFT);
	piece->mapped = secmem_page_map(piece->page);
	piece->at = piece->mapped + offset_in_page(within);
	piece->length = min_t(u32, left, PAGE_SIZE - offset_in_page(within));
}

static void secmem_piece_unmap(const struct secmem_piece *piece)
{
	secmem_page_unmap(piece->page, piece->mapped);
}

/**
 * secmem_bytes_sound - is all memory under some of the data as it should be
 * @bytes: the bytes
 * @offset: in the data
 * @length: @offset + @length is within the data
 *
 * Context: Any. What is bad stays so; what is sound may be found to be bad at
 * any time.
 * Return: whether no page of it is known to be bad.
 */
bool secmem_bytes_sound(const struct secmem_bytes *bytes, u32 offset,
			u32 length)
{
	u32 index = (bytes->offset + offset) >> PAGE_SHIFT;
	u32 end = DIV_ROUND_UP(bytes->offset + offset + length, PAGE_SIZE);

	for (; index < end; index++)
		if (secmem_page_bad(secmem_bytes_page(bytes, index)))
			return false;
	return true;
}

/**
 * secmem_bytes_layout - where data will lie
 * @bytes: filled in
 * @length: 1 to SECMEM_LENGTH_MAX
 * @align: a power of two up to SECMEM_ALIGN_MAX
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

/*
 * The random bytes go by way of the stack: the RNG may sleep, and with a page
 * mapped nothing may.
 */
static int secmem_bytes_randomize(const struct secmem_bytes *bytes)
{
	u8 random[128];
	u32 done, length;
	int ret = 0;

	for (done = 0; !ret && done < bytes->length; done += length) {
		length = min_t(u32, bytes->length - done, sizeof(random));
		get_random_bytes(random, length);
		ret = secmem_bytes_write(bytes, done, random, length);
	}
	memzero_explicit(random, sizeof(random));
	return ret;
}

/**
 * secmem_bytes_create - take pages for the current user
 * @bytes: laid out
 * @source: where they come from
 * @random: fill from the kernel's RNG rather than with zeros
 *
 * Context: Process context, may sleep.
 * Return: 0; -ENOMEM (no memory, or a limit); -EINTR (the RNG is not ready);
 * -EOPNOTSUPP (pages must leave the direct map, and these did not); -EIO (one
 * was found to be bad at this very moment).
 */
int secmem_bytes_create(struct secmem_bytes *bytes, struct secmem_source *source,
			bool random)
{
	int ret = random ? wait_for_random_bytes() : 0;
	unsigned int i;

	if (ret)
		return -EINTR;
	if (bytes->count > 1) {
		bytes->many = kcalloc(bytes->count, sizeof(*bytes->many),
				      SECMEM_GFP);
		if (!bytes->many)
			return -ENOMEM;
	}
	ret = secmem_pages_take(source, secmem_bytes_pages(bytes),
				bytes->count);
	if (ret) {
		if (bytes->count > 1)
			kfree(bytes->many);
		return ret;
	}
	bytes->exposed = 0;
	for (i = 0; i < bytes->count; i++)
		if (!secmem_page_removed(secmem_bytes_page(bytes, i)))
			bytes->exposed = 1;
	if (random)
		ret = secmem_bytes_randomize(bytes);
	if (ret)
		secmem_bytes_destroy(bytes);
	return ret;
}

/**
 * secmem_bytes_destroy - wipe and give back
 * @bytes: from secmem_bytes_create(), with no page-table entry left
 *
 * Context: Process context, may sleep.
 */
void secmem_bytes_destroy(struct secmem_bytes *bytes)
{
	secmem_pages_return(secmem_bytes_pages(bytes), bytes->count);
	if (bytes->count > 1)
		kfree(bytes->many);
	bytes->many = NULL;
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
 * Context: Process context, may sleep; the caller holds the secret's lock.
 * Return: 0; -EIO and nothing read: memory under it is known to be bad.
 */
int secmem_bytes_read(const struct secmem_bytes *bytes, u32 offset,
		      void *to, u32 length)
{
	struct secmem_piece piece;
	u32 done;

	if (!secmem_bytes_sound(bytes, offset, length))
		return -EIO;
	for (done = 0; done < length; done += piece.length) {
		secmem_piece_map(&piece, bytes, offset + done, length - done);
		memcpy(to + done, piece.at, piece.length);
		secmem_piece_unmap(&piece);
	}
	return 0;
}

/**
 * secmem_bytes_give - copy out to the current task, without a fault
 * @bytes: the bytes
 * @offset: in the data
 * @to: the task's buffer
 * @length: @offset + @length is within the data; few, as it goes word by word
 *
 * Context: Process context; the caller holds the secret's lock.
 * Return: false where the buffer is not there, or not all in reach, or the page
 * is known to be bad; some bytes may have been given then.
 */
bool secmem_bytes_give(const struct secmem_bytes *bytes, u32 offset,
		       void __user *to, u32 length)
{
	struct secmem_piece piece;
	u32 done = 0;
	u8 *from;

	/* At the end of the data there may be no page to look at. */
	if (!length)
		return true;
	if (offset_in_page(bytes->offset + offset) + length > PAGE_SIZE ||
	    !secmem_bytes_sound(bytes, offset, 1))
		return false;
	secmem_piece_map(&piece, bytes, offset, length);
	from = piece.at;
	pagefault_disable();
	if (user_write_access_begin(to, length)) {
		for (; length - done >= sizeof(u64); done += sizeof(u64))
			unsafe_put_user(((struct secmem_word *)(from + done))->u,
					(u64 __user *)(to + done), fault);
		for (; done < length; done++)
			unsafe_put_user(from[done], (u8 __user *)(to + done),
					fault);
fault:
		user_write_access_end();
	}
	pagefault_enable();
	secmem_piece_unmap(&piece);
	return done == length;
}

/**
 * secmem_bytes_write - copy in
 * @bytes: the bytes
 * @offset: in the data
 * @from: a kernel buffer
 * @length: @offset + @length is within the data
 *
 * Context: Process context, may sleep; the caller holds the secret's lock.
 * Return: 0; -EIO and nothing written, as secmem_bytes_read().
 */
int secmem_bytes_write(const struct secmem_bytes *bytes, u32 offset,
		       const void *from, u32 length)
{
	struct secmem_piece piece;
	u32 done;

	if (!secmem_bytes_sound(bytes, offset, length))
		return -EIO;
	for (done = 0; done < length; done += piece.length) {
		secmem_piece_map(&piece, bytes, offset + done, length - done);
		memcpy(piece.at, from + done, piece.length);
		secmem_piece_unmap(&piece);
	}
	return 0;
}

/**
 * secmem_bytes_equal - compare all data in a time that its length alone tells
 * @bytes: the bytes
 * @with: bytes->length of them
 *
 * Context: Process context, may sleep; the caller holds the secret's lock.
 * Return: whether all are equal; or -EIO, as secmem_bytes_read().
 */
int secmem_bytes_equal(const struct secmem_bytes *bytes, const void *with)
{
	unsigned long differs = 0;
	struct secmem_piece piece;
	u32 done;

	if (!secmem_bytes_sound(bytes, 0, bytes->length))
		return -EIO;
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
	memzero_explicit(words, sizeof(words));
}

/* A part of the canary, and where it stands in its page. */
struct secmem_canary_part {
	struct page *page;
	u32 offset;
	u32 length;
	const u8 *is;
};

static void secmem_canary_parts(struct secmem_canary_part part[2],
				const struct secmem_canary *canary,
				const struct secmem_bytes *bytes)
{
	u32 tail = secmem_bytes_tail(bytes);

	part[0].length = min_t(u32, bytes->offset, SECMEM_CANARY_SIZE);
	part[0].page = secmem_bytes_page(bytes, 0);
	part[0].offset = bytes->offset - part[0].length;
	part[0].is = canary->head + SECMEM_CANARY_SIZE - part[0].length;
	part[1].length = min_t(u32, tail, SECMEM_CANARY_SIZE);
	part[1].page = secmem_bytes_page(bytes, bytes->count - 1);
	part[1].offset = PAGE_SIZE - tail;
	part[1].is = canary->tail;
}

/**
 * secmem_canary_plant - write the canary beside the data
 * @bytes: the bytes, not yet seen by anybody else
 * @key: the vault's
 * @handle: the secret's
 *
 * Context: Process context, may sleep.
 */
void secmem_canary_plant(const struct secmem_bytes *bytes,
			 const siphash_key_t *key, u64 handle)
{
	struct secmem_canary_part part[2];
	struct secmem_canary canary;
	unsigned int i;
	void *mapped;

	secmem_canary_make(&canary, key, handle);
	secmem_canary_parts(part, &canary, bytes);
	for (i = 0; i < ARRAY_SIZE(part); i++) {
		if (!part[i].length || secmem_page_bad(part[i].page))
			continue;
		mapped = secmem_page_map(part[i].page);
		memcpy(mapped + part[i].offset, part[i].is, part[i].length);
		secmem_page_unmap(part[i].page, mapped);
	}
	memzero_explicit(&canary, sizeof(canary));
}

/**
 * secmem_canary_intact - has anybody written beside the data
 * @bytes: the bytes
 * @key: as planted
 * @handle: as planted
 *
 * Context: Process context, may sleep; the caller holds the secret's lock.
 * Return: whether the canary is as it was planted, but for what lies in memory
 * that is known to be bad.
 */
bool secmem_canary_intact(const struct secmem_bytes *bytes,
			  const siphash_key_t *key, u64 handle)
{
	struct secmem_canary_part part[2];
	struct secmem_canary canary;
	unsigned long differs = 0;
	unsigned int i;
	void *mapped;

	secmem_canary_make(&canary, key, handle);
	secmem_canary_parts(part, &canary, bytes);
	for (i = 0; i < ARRAY_SIZE(part); i++) {
		if (!part[i].length || secmem_page_bad(part[i].page))
			continue;
		mapped = secmem_page_map(part[i].page);
		differs |= crypto_memneq(mapped + part[i].offset, part[i].is,
					 part[i].length);
		secmem_page_unmap(part[i].page, mapped);
	}
	memzero_explicit(&canary, sizeof(canary));
	return !differs;
}
