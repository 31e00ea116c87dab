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

/*
 * How pages leave the direct map; if they do not, the table of protections says
 * why.
 */
static void status_route(char *route, size_t size)
{
	FILE *file = fopen(ROUTE_FILE, "re");

	if (!file || !fgets(route, size, file))
		snprintf(route, size, "unknown");
	if (file)
		fclose(file);
	route[strcspn(route, "\n")] = '\0';
}

static void status_print(const struct secmem_info *info)
{
	char name[16], route[32];
	unsigned int bit;

	printf("module         %.*s, interface %u\n",
	       (int)sizeof(info->version), info->version, info->abi_version);
	printf("library        %s, interface %u\n", secmem_version(),
	       SECMEM_ABI_VERSION);
	status_route(route, sizeof(route));
	printf("direct map     route %s\n\n", route);

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

	/*
	 * This process's vault and grant, which it has to ask, are not counted.
	 */
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

static void status_json_protections(const struct secmem_info *info)
{
	const char *reason;
	unsigned int bit;

	json_open("protections", '{');
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++) {
		json_open(secmem_protection_name(bit), '{');
		json_bool("on", info->protections >> bit & 1);
		reason = secmem_why_text(info->why[bit]);
		if (!(info->protections >> bit & 1))
			json_text("why", reason ? reason : "no reason known",
				  SIZE_MAX);
		json_close('}');
	}
	json_close('}');
}

static void status_json_version(const char *name, const char *version,
				size_t size, uint32_t interface)
{
	json_open(name, '{');
	json_text("version", version, size);
	json_number("interface", interface);
	json_close('}');
}

static void status_json(const struct secmem_info *info)
{
	char route[32];

	json_open(NULL, '{');
	status_json_version("module", info->version, sizeof(info->version),
			    info->abi_version);
	status_json_version("library", secmem_version(), SIZE_MAX,
			    SECMEM_ABI_VERSION);
	status_route(route, sizeof(route));
	json_text("direct_map_route", route, sizeof(route));
	status_json_protections(info);
	json_open("limits", '{');
	json_number("secret_bytes", info->length_max);
	json_number("vault_secrets", info->secrets_max);
	if (info->memlock_cap)
		json_number("memlock_cap", info->memlock_cap);
	else
		json_null("memlock_cap");
	json_close('}');
	json_open("counts", '{');
	json_number("vaults", info->vaults - 1);
	json_number("grants", info->grants - 1);
	json_number("secrets", info->secrets);
	json_number("pages", info->pages);
	json_number("accesses", info->accesses);
	json_number("waiters", info->waiters);
	json_number("violations", info->violations);
	json_number("wipes", info->wipes);
	json_close('}');
	json_close('}');
}

int status_run(int argc, char **argv)
{
	int error, json = 0, status;
	struct secmem_info info;

	status = json_option(argc, argv, &json);
	if (status < 0)
		status = operands_end(argc, argv, 0);
	if (status >= 0)
		return status;
	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	if (json)
		status_json(&info);
	else
		status_print(&info);
	return output_end();
}
