// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl list: which vaults there are, whose they are and who waits.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include "vaults.h"

static void user_print(unsigned int uid)
{
	const struct passwd *passwd = getpwuid(uid);

	if (passwd)
		printf("%-12s", passwd->pw_name);
	else
		printf("%-12u", uid);
}

static void name_print(const char *name, pid_t pid, int width)
{
	char text[64];

	snprintf(text, sizeof(text), "%s[%d]", name, pid);
	text_print(text, sizeof(text));
	printf("%*s", width - (int)strlen(text), "");
}

static void limit_print(const struct secmem_info *info,
			const struct vault *vault)
{
	struct limit limit;

	if (!limit_of(info, vault->owner, &limit))
		printf("unknown");
	else if (limit.bytes == LIMIT_NONE)
		printf("none");
	else
		printf("%" PRIu64 " (%s)", limit.bytes, limit.by);
}

static void payer_print(const struct payer *payer)
{
	user_print(payer->uid);
	printf(" %12" PRIu64, payer->locked);
}

static void vault_print(const struct secmem_info *info,
			const struct vault *vault)
{
	const struct waiter *waiter;
	size_t i;

	printf("%5" PRIu64 "  ", vault->number);
	name_print(vault->owner_name, vault->owner, 24);
	printf(" %7" PRIu64 " %12" PRIu64 " %7" PRIu64 "  ", vault->secrets,
	       vault->bytes, vault->waiting);
	if (vault->payer_count)
		payer_print(&vault->payers[0]);
	else
		printf("%-12s %12s", "-", "-");
	printf(" of ");
	limit_print(info, vault);
	putchar('\n');
	for (i = 1; i < vault->payer_count; i++) {
		printf("%62s", "");
		payer_print(&vault->payers[i]);
		putchar('\n');
	}
	for (i = 0; i < vault->waiter_count; i++) {
		waiter = &vault->waiters[i];
		printf("       ");
		name_print(waiter->name, waiter->tid, 0);
		if (waiter->tid != waiter->pid)
			printf(" of %d", waiter->pid);
		printf(" waits%s%s\n", waiter->call ? ": " : "",
		       waiter->call ? waiter->call : "");
	}
}

static void list_print(const struct secmem_info *info,
		       const struct vaults *found, uint64_t hidden)
{
	size_t i;

	printf("VAULT  %-24s %7s %12s %7s  %-12s %12s    %s\n", "OWNER",
	       "SECRETS", "BYTES", "WAITERS", "CHARGED TO", "HAS LOCKED",
	       "LIMIT");
	for (i = 0; i < found->count; i++)
		vault_print(info, &found->vaults[i]);
	if (hidden)
		printf("%" PRIu64
		       " more: of processes that this user may not look at, or of files that none has open\n",
		       hidden);
}

static void vault_json(const struct secmem_info *info,
		       const struct vault *vault)
{
	struct limit limit;
	size_t i;

	json_open(NULL, '{');
	json_number("vault", vault->number);
	json_open("owner", '{');
	json_number("pid", vault->owner);
	json_text("name", vault->owner_name, sizeof(vault->owner_name));
	json_close('}');
	json_number("secrets", vault->secrets);
	json_number("bytes", vault->bytes);
	json_number("waiters", vault->waiting);
	json_open("charged", '[');
	for (i = 0; i < vault->payer_count; i++) {
		json_open(NULL, '{');
		json_number("uid", vault->payers[i].uid);
		json_number("locked", vault->payers[i].locked);
		json_close('}');
	}
	json_close(']');
	if (limit_of(info, vault->owner, &limit)) {
		json_open("limit", '{');
		json_text("by", limit.by, SIZE_MAX);
		if (limit.bytes == LIMIT_NONE)
			json_null("bytes");
		else
			json_number("bytes", limit.bytes);
		json_close('}');
	} else {
		json_null("limit");
	}
	json_open("holders", '[');
	for (i = 0; i < vault->holder_count; i++) {
		json_open(NULL, '{');
		json_number("pid", vault->holders[i].pid);
		json_number("fd", vault->holders[i].fd);
		json_close('}');
	}
	json_close(']');
	json_open("waiting", '[');
	for (i = 0; i < vault->waiter_count; i++) {
		json_open(NULL, '{');
		json_number("pid", vault->waiters[i].pid);
		json_number("tid", vault->waiters[i].tid);
		json_text("name", vault->waiters[i].name,
			  sizeof(vault->waiters[i].name));
		if (vault->waiters[i].call)
			json_text("call", vault->waiters[i].call, SIZE_MAX);
		else
			json_null("call");
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

static void list_json(const struct secmem_info *info,
		      const struct vaults *found, uint64_t hidden)
{
	size_t i;

	json_open(NULL, '{');
	json_open("vaults", '[');
	for (i = 0; i < found->count; i++)
		vault_json(info, &found->vaults[i]);
	json_close(']');
	json_number("hidden", hidden);
	json_close('}');
}

int list_run(int argc, char **argv)
{
	int error, json = 0, status;
	struct secmem_info info;
	struct vaults found;
	uint64_t hidden = 0;

	status = json_option(argc, argv, &json);
	if (status < 0)
		status = operands_end(argc, argv, 0);
	if (status >= 0)
		return status;
	/*
	 * This comes first: secmem_grant_info() opens a vault of this process.
	 */
	error = vaults_find(&found, 0);
	if (!error)
		error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info,
					  sizeof(info));
	if (error) {
		vaults_free(&found);
		return device_fail(error);
	}
	if (info.vaults > found.count + 1)
		hidden = info.vaults - 1 - found.count;
	if (json)
		list_json(&info, &found, hidden);
	else
		list_print(&info, &found, hidden);
	vaults_free(&found);
	return output_end();
}
