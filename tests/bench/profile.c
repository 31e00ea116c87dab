// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does one work of one way TIMES times. Before and after it, it tells the host
 * to begin and to end a trace of every instruction of the guest.
 *
 *	profile WAY WORK TIMES		WORK: pair, pair16, write, nested, read
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ways.h"

#define PAGE 4096

static int host;

static int tell_host(const char *line)
{
	char answer[64];

	if (write(host, line, strlen(line)) < 0)
		return -1;
	return read(host, answer, sizeof(answer)) > 0 ? 0 : -1;
}

static int work(const struct way *way, struct item *item, bool copy, bool write)
{
	unsigned char buffer[32];
	size_t i;
	int ret;

	if (copy)
		return way->read(item, buffer, sizeof(buffer));
	ret = way->open(item, write);
	for (i = 0; !ret && i < item_pages(item); i++)
		*(volatile unsigned char *)(item->data + i * PAGE);
	return ret ? ret : way->shut(item);
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;
	bool copy, write, nested;
	struct item item = { 0 };
	size_t i, pages;
	int times, ret;

	for (i = 0; argc == 4 && i < way_count; i++)
		if (!strcmp(ways[i].name, argv[1]))
			way = &ways[i];
	if (!way)
		return 2;
	copy = !strcmp(argv[2], "read");
	write = !strcmp(argv[2], "write");
	nested = !strcmp(argv[2], "nested");
	pages = strcmp(argv[2], "pair16") ? 1 : 16;
	times = atoi(argv[3]);
	if ((copy && !way->read) || (!copy && !way->open))
		return 2;
	host = open("/dev/virtio-ports/host", O_RDWR);
	if (host < 0 || (way->prepare && way->prepare(1)))
		return 1;
	/* A neighbour with which the item's VMA cannot merge. */
	mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ret = way->create(&item, copy ? 32 : pages * PAGE - 96);
	if (!ret && nested)
		ret = way->open(&item, false);
	for (i = 0; !ret && i < 5; i++)
		ret = work(way, &item, copy, write);
	if (ret || tell_host("trace trace\n"))
		return 1;
	while (!ret && times--)
		ret = work(way, &item, copy, write);
	return tell_host("untrace\n") || ret ? 1 : 0;
}
