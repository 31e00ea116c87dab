/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the attack tests share: bytes that nothing but the secret ever held,
 * and the places where somebody may look for them.
 */
#ifndef SECMEM_ATTACK_H
#define SECMEM_ATTACK_H

#include <elf.h>
#include <sys/sysmacros.h>

#include "../../module/tests/reader.h"
#include "secmem_test.h"

/*
 * A pattern is computed from its seed, byte by byte, where it is needed: who
 * finds this many of its bytes in a row has found the secret itself.
 */
#define AT_FOUND 32

struct at_pattern {
	uint64_t word;
	unsigned int left;
};

static inline struct at_pattern at_pattern(uint64_t seed)
{
	return (struct at_pattern){ .word = seed * 0x9e3779b97f4a7c15 + 1 };
}

/* A byte of the pattern, never 0: at a 0 many an attack's text would end. */
static inline unsigned char at_byte(struct at_pattern *p)
{
	if (!p->left) {
		p->word ^= p->word << 13;
		p->word ^= p->word >> 7;
		p->word ^= p->word << 17;
		p->left = 8;
	}
	p->left--;
	return p->word >> (8 * p->left) | 1;
}

static inline void at_fill(volatile unsigned char *to, size_t length,
			   uint64_t seed)
{
	struct at_pattern p = at_pattern(seed);

	while (length--)
		*to++ = at_byte(&p);
}

static inline bool at_is(const volatile unsigned char *bytes, size_t length,
			 uint64_t seed)
{
	struct at_pattern p = at_pattern(seed);

	while (length--)
		if (*bytes++ != at_byte(&p))
			return false;
	return true;
}

/* How often the first AT_FOUND bytes of the pattern stand in the bytes. */
static inline unsigned int at_count(const unsigned char *bytes, size_t length,
				    uint64_t seed)
{
	struct at_pattern p = at_pattern(seed);
	unsigned char first = at_byte(&p);
	const unsigned char *at = bytes, *end;
	unsigned int n = 0;

	if (length < AT_FOUND)
		return 0;
	end = bytes + length - AT_FOUND + 1;
	while (at < end && (at = memchr(at, first, end - at))) {
		n += at_is(at, AT_FOUND, seed);
		at++;
	}
	return n;
}

/* The same in a file, across the ends of chunks, too; or -errno. */
static inline int at_count_in_file(const char *path, uint64_t seed)
{
	static unsigned char chunk[AT_FOUND + (1 << 16)];
	int fd = open(path, O_RDONLY | O_CLOEXEC), n = 0;
	size_t kept = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, chunk + kept, sizeof(chunk) - kept)) > 0) {
		kept += got;
		n += at_count(chunk, kept, seed);
		if (kept >= AT_FOUND) {
			memmove(chunk, chunk + kept - (AT_FOUND - 1),
				AT_FOUND - 1);
			kept = AT_FOUND - 1;
		}
	}
	close(fd);
	memset(chunk, 0, sizeof(chunk));
	return got < 0 ? -errno : n;
}

/* Makes a secret that holds the pattern, and shuts it: 0 or -errno. */
static inline int at_secret(struct sm_vault *v, uint64_t length, uint64_t seed,
			    uint64_t *handle)
{
	unsigned char *bytes;
	int err = sm_create(v->fd, length, handle);

	if (err)
		return err;
	bytes = sm_vault_acquire(v, *handle, SECMEM_WRITE, &err);
	if (!bytes)
		return err;
	at_fill(bytes, length, seed);
	return sm_release(v->fd, *handle);
}

/* Ordinary memory that holds the pattern: the control. */
static inline unsigned char *at_ordinary(size_t length, uint64_t seed)
{
	unsigned char *bytes = mmap(NULL, length, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	at_fill(bytes, length, seed);
	return bytes;
}

/* Writes a word into a file of /proc or /sys: 0 or -errno. */
static inline int at_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	close(fd);
	return err;
}

/*
 * The page's entry in /proc/PID/pagemap; all ones if it cannot be read. For a
 * PFNMAP mapping, as a view is, the kernel shows no page.
 */
#define AT_PAGEMAP_PRESENT (1ULL << 63)
#define AT_PAGEMAP_PFN ((1ULL << 55) - 1)

static inline uint64_t at_pagemap(pid_t pid, const volatile void *address)
{
	uint64_t entry = ~0ULL;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return entry;
	if (pread(fd, &entry, sizeof(entry),
		  (uintptr_t)address / SM_PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = ~0ULL;
	close(fd);
	return entry;
}

/*
 * Fills in a line of /proc/PID/smaps, such as "Rss:" or "VmFlags:", without its
 * name, for the mapping that begins at start. False if there is none.
 */
static inline bool at_smaps(pid_t pid, const void *start, const char *name,
			    char *value, size_t size)
{
	bool ours = false, found = false;
	unsigned long from, to;
	char line[512], path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from == (unsigned long)start;
		else if (ours && !strncmp(line, name, strlen(name)))
			found = true;
	}
	if (found) {
		line[strcspn(line, "\n")] = 0;
		snprintf(value, size, "%.*s", (int)size - 1,
			 line + strlen(name));
	}
	fclose(f);
	return found;
}

/*
 * Physical memory as root sees it through the kernel's own mapping of it, by
 * /proc/kcore, and the reference counts of its pages.
 */
struct at_kcore {
	int fd;
	unsigned int n;
	Elf64_Phdr *headers;
	uint64_t page_size; /* of struct page */
	uint64_t refcount; /* its offset in struct page */
};

static inline uint64_t at_kcore_number(const char *notes, size_t length,
				       const char *name)
{
	const char *at = memmem(notes, length, name, strlen(name));

	return at ? strtoull(at + strlen(name), NULL, 0) : 0;
}

static inline int at_kcore_open(struct at_kcore *k)
{
	char *notes = NULL;
	Elf64_Ehdr e;
	size_t size;

	memset(k, 0, sizeof(*k));
	k->fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (k->fd < 0)
		return -errno;
	if (pread(k->fd, &e, sizeof(e), 0) != sizeof(e) ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG))
		return -EIO;
	size = e.e_phnum * sizeof(*k->headers);
	k->headers = malloc(size);
	if (!k->headers ||
	    pread(k->fd, k->headers, size, e.e_phoff) != (ssize_t)size)
		return -EIO;
	k->n = e.e_phnum;
	for (unsigned int i = 0; i < k->n; i++) {
		Elf64_Phdr *h = &k->headers[i];

		if (h->p_type != PT_NOTE)
			continue;
		notes = calloc(1, h->p_filesz + 1);
		if (!notes || pread(k->fd, notes, h->p_filesz, h->p_offset) !=
				      (ssize_t)h->p_filesz)
			return -EIO;
		k->page_size =
			at_kcore_number(notes, h->p_filesz, "SIZE(page)=");
		k->refcount = at_kcore_number(notes, h->p_filesz,
					      "OFFSET(page._refcount)=");
		free(notes);
	}
	return 0;
}

/* The offset of a kernel address in /proc/kcore; 0: it is not there. */
static inline uint64_t at_kcore_offset(struct at_kcore *k, uint64_t address)
{
	for (unsigned int i = 0; i < k->n; i++) {
		Elf64_Phdr *h = &k->headers[i];

		if (h->p_type == PT_LOAD && address >= h->p_vaddr &&
		    address - h->p_vaddr < h->p_memsz)
			return h->p_offset + (address - h->p_vaddr);
	}
	return 0;
}

static inline void at_kcore_close(struct at_kcore *k)
{
	close(k->fd);
	free(k->headers);
}

static inline bool at_kcore_begins(struct at_kcore *k, uint64_t offset,
				   uint64_t seed)
{
	unsigned char bytes[AT_FOUND];

	return pread(k->fd, bytes, sizeof(bytes), offset) == sizeof(bytes) &&
	       at_is(bytes, sizeof(bytes), seed);
}

/*
 * Finds a page of physical memory that begins with the pattern: 0, with its
 * number and its offset in /proc/kcore; or -ENOENT.
 */
static inline int at_kcore_find(struct at_kcore *k, uint64_t seed,
				uint64_t *pfn, uint64_t *offset)
{
	for (unsigned int i = 0; i < k->n; i++) {
		Elf64_Phdr *h = &k->headers[i];

		/*
		 * Only the map of all RAM: it has the kernel's image in it,
		 * whose own mapping is left out.
		 */
		if (h->p_type != PT_LOAD || h->p_paddr == (uint64_t)-1 ||
		    h->p_vaddr >= 0xffffffff80000000)
			continue;
		for (uint64_t at = 0; at < h->p_memsz; at += SM_PAGE) {
			if (!at_kcore_begins(k, h->p_offset + at, seed))
				continue;
			*pfn = (h->p_paddr + at) / SM_PAGE;
			*offset = h->p_offset + at;
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * Reads the page's reference count. The array of struct page is taken to start
 * at the address of the first part of it that kcore shows, rounded down to 1
 * GiB. That is so on x86 with less than 64 GiB of memory.
 */
static inline int at_kcore_refcount(struct at_kcore *k, uint64_t pfn,
				    int32_t *count)
{
	uint64_t base = 0, at;
#ifdef __x86_64__
	const bool known = k->page_size && k->refcount;
#else
	const bool known = false;
#endif

	if (!known)
		return -ENOENT;
	for (unsigned int i = 0; i < k->n; i++) {
		Elf64_Phdr *h = &k->headers[i];

		if (h->p_type == PT_LOAD && h->p_vaddr >= 0xffffd40000000000 &&
		    h->p_vaddr < 0xfffffc0000000000 &&
		    h->p_paddr == (uint64_t)-1 && h->p_memsz < (1ULL << 30) &&
		    (!base || h->p_vaddr < base))
			base = h->p_vaddr;
	}
	if (!base)
		return -ENOENT;
	base &= ~((1ULL << 30) - 1);
	at = at_kcore_offset(k, base + pfn * k->page_size + k->refcount);
	if (!at)
		return -ENXIO;
	return pread(k->fd, count, sizeof(*count), at) == sizeof(*count) ? 0 :
									   -EIO;
}

/*
 * Opens the module that reads pages by their numbers: module/tests/reader.c,
 * which the VM has at /vm/reader.ko.
 */
static inline int at_reader_open(void)
{
	int err = sm_module_load("/vm/reader.ko", "");

	if (err && err != -EEXIST)
		return err;
	return open(SECMEM_READER_DEVICE, O_RDONLY | O_CLOEXEC);
}

/* The page at an address of the caller's; -ENOENT: none is mapped there. */
static inline int at_reader_find(int fd, const volatile void *address,
				 uint64_t *pfn)
{
	struct secmem_reader r = { .address = (uintptr_t)address };

	if (ioctl(fd, SECMEM_READER_FIND, &r))
		return -errno;
	*pfn = r.pfn;
	return 0;
}

static inline int at_reader_ask(int fd, unsigned long how, uint64_t pfn,
				size_t offset, uint64_t seed)
{
	struct secmem_reader r = { .pfn = pfn, .address = offset };

	if (ioctl(fd, how, &r))
		return -errno;
	return !at_is(r.bytes, sizeof(r.bytes), seed);
}

/*
 * 0: the direct map shows the pattern there; 1: it shows other bytes; or
 * -errno.
 */
static inline int at_reader_reads(int fd, uint64_t pfn, size_t offset,
				  uint64_t seed)
{
	return at_reader_ask(fd, SECMEM_READER_READ, pfn, offset, seed);
}

/* The same for the bytes of the page itself, wherever it is mapped. */
static inline int at_reader_looks(int fd, uint64_t pfn, size_t offset,
				  uint64_t seed)
{
	return at_reader_ask(fd, SECMEM_READER_LOOK, pfn, offset, seed);
}

/* Does to devices what a kexec that preserves the context does. */
static inline int at_reader_sleeps(int fd)
{
	struct secmem_reader r = { 0 };

	return ioctl(fd, SECMEM_READER_SLEEP, &r) ? -errno : 0;
}

#endif /* SECMEM_ATTACK_H */
