// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl stat: how one secret stands.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "secmemctl.h"

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[SECMEM_STATE_CLOSED] = "closed",
		[SECMEM_STATE_OPEN] = "open",
		[SECMEM_STATE_CLOSING] = "closing",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static const char *protection_name(uint32_t protection)
{
	return protection == SECMEM_WRITE ? "read-write" :
	       protection == SECMEM_READ  ? "read-only" :
					    "none";
}

static void stat_print(const struct secmem_info *info,
		       const struct secmem_status *stat)
{
	unsigned int bit;

	printf("state          %s\n", state_name(stat->state));
	printf("label          ");
	text_print(stat->label, sizeof(stat->label));
	printf("\nlength         %" PRIu64 " bytes\n", (uint64_t)stat->length);
	printf("protection     %s\n", protection_name(stat->protection));
	printf("sealed         %s\n",
	       stat->stat_flags & SECMEM_STAT_SEALED ? "yes" : "no");
	printf("half-written   %s\n",
	       stat->stat_flags & SECMEM_STAT_OWNERDEAD ? "yes" : "no");
	printf("readers        %u\n", stat->readers);
	printf("writers        %u\n", stat->writers);
	printf("waiters        %u\n", stat->waiters);
	printf("rights         ");
	rights_print(info->rights);
	printf("\nprotections   ");
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
		if (stat->protections >> bit & 1)
			printf(" %s", secmem_protection_name(bit));
	putchar('\n');
}

static void stat_json(const struct secmem_info *info,
		      const struct secmem_status *stat)
{
	const char *name;
	unsigned int bit;

	json_open(NULL, '{');
	json_text("state", state_name(stat->state), SIZE_MAX);
	json_text("label", stat->label, sizeof(stat->label));
	json_number("length", stat->length);
	json_text("protection", protection_name(stat->protection), SIZE_MAX);
	json_bool("sealed", stat->stat_flags & SECMEM_STAT_SEALED);
	json_bool("half_written", stat->stat_flags & SECMEM_STAT_OWNERDEAD);
	json_number("readers", stat->readers);
	json_number("writers", stat->writers);
	json_number("waiters", stat->waiters);
	json_open("rights", '[');
	for (bit = 0; (name = secmem_right_name(bit)); bit++)
		if (info->rights & 1U << bit)
			json_text(NULL, name, SIZE_MAX);
	json_close(']');
	json_open("protections", '[');
	for (bit = 0; bit < SECMEM_PROT_COUNT; bit++)
		if (stat->protections >> bit & 1)
			json_text(NULL, secmem_protection_name(bit), SIZE_MAX);
	json_close(']');
	json_close('}');
}

int stat_run(int argc, char **argv)
{
	struct secmem_status stat;
	struct secmem_info info;
	secmem_secret_t secret;
	int error, json = 0, status;

	status = json_option(argc, argv, &json);
	if (status < 0)
		status = operands_end(argc, argv, 1);
	if (status >= 0)
		return status;
	status = operand_adopt(argv[optind], &secret);
	if (status)
		return status;
	error = secmem_grant_info(secmem_secret_grant(secret), &info,
				  sizeof(info));
	if (!error)
		error = secmem_stat(secret, &stat, sizeof(stat));
	if (error)
		return secmem_fail("stat", error);
	if (json)
		stat_json(&info, &stat);
	else
		stat_print(&info, &stat);
	return output_end();
}
