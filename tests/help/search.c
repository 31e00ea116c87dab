// SPDX-License-Identifier: GPL-2.0-only
/*
 * Searches a dump of a guest's memory, on the host, for patterns of attack.h.
 *
 *	search NAME.SEED[.SEED]...
 *
 * The seeds stand in the file's name, in hexadecimal. The file is removed. For
 * each seed it prints "COPIES/SCRAPS": in how many pages there is a run of the
 * pattern that is longer than registers could hold, beginning at any of its
 * bytes; and in how many there is a run of SCRAP bytes or more.
 */
#include "attack.h"

/* The length of the patterns: tests use no more of them. */
#define LENGTH (64 << 10)
#define SEEDS 32

/*
 * Saved registers are no copies: the widest vector register has 64 bytes, two
 * general ones have 16.
 */
#define COPY 65
#define SCRAP 17

#define FILTER_BITS 24
#define SLOT_BITS 22

static struct {
	uint64_t seed;
	unsigned char bytes[LENGTH];
	unsigned int copies, scraps;
} patterns[SEEDS];
static unsigned int pattern_count;

/*
 * A hash table of every eight bytes in a row of every pattern, with their
 * offset.
 */
static struct slot {
	uint64_t word;
	uint32_t pattern, offset;
} * slots;
static unsigned char *filter;

static uint64_t word_at(const unsigned char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static uint64_t hash(uint64_t word)
{
	return word * 0x9e3779b97f4a7c15;
}

static void word_add(uint64_t word, uint32_t pattern, uint32_t offset)
{
	uint64_t i = hash(word) >> (64 - SLOT_BITS);
	uint64_t bit = hash(word) >> (64 - FILTER_BITS);

	while (slots[i].word)
		i = (i + 1) % (1 << SLOT_BITS);
	slots[i] = (struct slot){ word, pattern, offset };
	filter[bit / 8] |= 1 << bit % 8;
}

static struct slot *word_find(uint64_t word)
{
	uint64_t i = hash(word) >> (64 - SLOT_BITS);
	uint64_t bit = hash(word) >> (64 - FILTER_BITS);

	if (!(filter[bit / 8] & 1 << bit % 8))
		return NULL;
	for (; slots[i].word; i = (i + 1) % (1 << SLOT_BITS))
		if (slots[i].word == word)
			return &slots[i];
	return NULL;
}

static void pattern_add(uint64_t seed)
{
	unsigned int i, n = pattern_count++;

	patterns[n].seed = seed;
	at_fill(patterns[n].bytes, LENGTH, seed);
	for (i = 0; i + sizeof(uint64_t) <= LENGTH; i++)
		word_add(word_at(patterns[n].bytes + i), n, i);
}

/*
 * The length of the pattern's run around a word of a page; *at becomes its end.
 */
static size_t run(const unsigned char *page, size_t *at, struct slot *found)
{
	const unsigned char *pattern = patterns[found->pattern].bytes;
	size_t from = *at, to = *at, i = found->offset, j = found->offset;

	while (from && i && page[from - 1] == pattern[i - 1])
		from--, i--;
	while (to < 4096 && j < LENGTH && page[to] == pattern[j])
		to++, j++;
	*at = to;
	return to - from;
}

static void page_search(const unsigned char *page)
{
	bool copies[SEEDS] = { 0 }, scraps[SEEDS] = { 0 };
	size_t at, length;
	struct slot *found;
	unsigned int n;

	/* A run that counts holds an aligned word. */
	for (at = 0; at < 4096; at = (at + 8) / 8 * 8) {
		found = word_find(word_at(page + at));
		if (!found)
			continue;
		length = run(page, &at, found);
		at--;
		if (length >= COPY)
			copies[found->pattern] = true;
		else if (length >= SCRAP)
			scraps[found->pattern] = true;
	}
	for (n = 0; n < pattern_count; n++) {
		patterns[n].copies += copies[n];
		patterns[n].scraps += scraps[n] && !copies[n];
	}
}

int main(int argc, char **argv)
{
	const unsigned char *memory;
	unsigned int n;
	struct stat st;
	char *seed;
	off_t at;
	int fd;

	slots = calloc(1 << SLOT_BITS, sizeof(*slots));
	filter = calloc(1 << FILTER_BITS, 1);
	if (argc != 2 || !slots || !filter)
		return 2;
	seed = strrchr(argv[1], '/');
	seed = strchr(seed ? seed : argv[1], '.');
	while (seed && pattern_count < SEEDS) {
		pattern_add(strtoull(seed + 1, NULL, 16));
		seed = strchr(seed + 1, '.');
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) || unlink(argv[1]))
		return 2;
	memory = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return 2;
	for (at = 0; at + 4096 <= st.st_size; at += 4096)
		page_search(memory + at);
	for (n = 0; n < pattern_count; n++)
		printf("%u/%u%c", patterns[n].copies, patterns[n].scraps,
		       n + 1 < pattern_count ? ' ' : '\n');
	return 0;
}
