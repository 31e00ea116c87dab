// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl status: what the running kernel enforces, and what it counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "secmemctl.h"

static void status_row(const char *name, int in_force, unsigned int why,
		       const char *text)
{
	const char *reason = secmem_why_text(why);

	printf("%-14s %-3s  %s", name, in_force ? "yes" : "no", text);
	if (!in_force)
		printf(" (%s)", reason ? reason : "no reason known");
	putchar('\n');
}

#define ROUTE_FILE "/sys/class/misc/secmem/direct_map_route"

/* How pages leave the direct map; the table's row says why they do not. */
static void status_route(void)
{
	FILE *file = fopen(ROUTE_FILE, "re");
	char route[32] = "unknown\n";

	if (file && !fgets(route, sizeof(route), file))
		strcpy(route, "unknown\n");
	if (file)
		fclose(file);
	printf("direct map     route %s", route);
}

static void status_print(const struct secmem_info *info)
{
	unsigned int bit;
	char name[16];

	printf("module         %.*s, interface %u\n",
	       (int)sizeof(info->version), info->version, info->abi_version);
	printf("library        %s, interface %u\n", secmem_version(),
	       SECMEM_ABI_VERSION);
	status_route();
	putchar('\n');

	printf("PROTECTION     ON   MEANING\n");
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
		status_row(secmem_protection_name(bit),
			   info->protections >> bit & 1, info->why[bit],
			   secmem_protection_text(bit));
	for (; bit < 64; bit++) {
		if (!(info->protections >> bit & 1))
			continue;
		snprintf(name, sizeof(name), "bit %u", bit);
		status_row(name, 1, 0, "newer than this program");
	}

	printf("\nLIMIT\n");
	printf("secret         %u bytes\n", info->length_max);
	printf("vault          %u secrets\n", info->secrets_max);
	if (info->memlock_cap)
		printf("user           %" PRIu64 " bytes\n",
		       (uint64_t)info->memlock_cap);
	else
		printf("user           RLIMIT_MEMLOCK\n");

	/* The vault and the grant that asking takes are not counted. */
	printf("\nCOUNT\n");
	printf("vaults         %" PRIu64 "\n", (uint64_t)info->vaults - 1);
	printf("grants         %" PRIu64 "\n", (uint64_t)info->grants - 1);
	printf("secrets        %" PRIu64 "\n", (uint64_t)info->secrets);
	printf("pages          %" PRIu64 "\n", (uint64_t)info->pages);
	printf("accesses       %" PRIu64 "\n", (uint64_t)info->accesses);
	printf("waiters        %" PRIu64 "\n", (uint64_t)info->waiters);
	printf("violations     %" PRIu64 " since load\n",
	       (uint64_t)info->violations);
	printf("wipes          %" PRIu64 " since load\n",
	       (uint64_t)info->wipes);
}

int status_run(int argc, char **argv)
{
	struct secmem_info info;
	int error, status;

	status = no_operands(argc, argv);
	if (status >= 0)
		return status;
	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	status_print(&info);
	return output_end();
}
