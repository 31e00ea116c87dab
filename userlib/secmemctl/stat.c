// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl stat: how one secret stands.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "secmemctl.h"

static void stat_print(const struct secmem_info *info,
		       const struct secmem_status *stat)
{
	static const char *const states[] = {
		[SECMEM_STATE_CLOSED] = "closed",
		[SECMEM_STATE_OPEN] = "open",
		[SECMEM_STATE_CLOSING] = "closing",
	};
	unsigned int bit;

	printf("state          %s\n", stat->state < ARRAY_SIZE(states) ?
					      states[stat->state] :
					      "unknown");
	printf("label          ");
	text_print(stat->label, sizeof(stat->label));
	printf("\nlength         %" PRIu64 " bytes\n", (uint64_t)stat->length);
	printf("protection     %s\n",
	       stat->protection == SECMEM_WRITE ? "read-write" :
	       stat->protection == SECMEM_READ	? "read-only" :
						  "none");
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

int stat_run(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct secmem_info info;
	struct secmem_status stat;
	secmem_secret_t secret;
	unsigned int number;
	int error, fd, option;

	option = getopt_long(argc, argv, "+hV", options, NULL);
	if (option != -1)
		return common_option(option);
	if (argc - optind > 1) {
		complain("unexpected argument '%s'", argv[optind + 1]);
		return usage_fail();
	}
	if (optind < argc) {
		if (number_of(argv[optind], &number)) {
			complain("not a file descriptor: '%s'", argv[optind]);
			return usage_fail();
		}
		fd = number;
	} else {
		fd = secmem_fd_from_env(NULL);
	}
	error = secmem_adopt(fd, &secret);
	if (error)
		return adopt_fail(error);
	error = secmem_grant_info(secmem_secret_grant(secret), &info,
				  sizeof(info));
	if (!error)
		error = secmem_stat(secret, &stat, sizeof(stat));
	if (error)
		return fail("stat", error);
	stat_print(&info, &stat);
	return output_end();
}
