// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory a user may lock, and how much the user has locked.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "vaults.h"

static struct limit limit_make(const struct secmem_info *info, uint64_t rlimit)
{
	struct limit limit = { .by = "RLIMIT_MEMLOCK", .bytes = rlimit };

	if (info->memlock_cap)
		limit = (struct limit){ .by = "memlock_cap",
					.bytes = info->memlock_cap };
	return limit;
}

int limit_of(const struct secmem_info *info, pid_t pid, struct limit *limit)
{
	static const char title[] = "Max locked memory";
	uint64_t bytes = LIMIT_NONE;
	char path[64], line[256];
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, title, strlen(title));
		/* If it is the word "unlimited", bytes stay as they are. */
		if (found)
			sscanf(line + strlen(title), "%" SCNu64, &bytes);
	}
	if (file)
		fclose(file);
	*limit = limit_make(info, bytes);
	return found || info->memlock_cap;
}

void limit_explain(void)
{
	struct secmem_info info;
	struct vaults found;
	struct limit limit;
	uint64_t locked = 0;
	size_t i, j;

	if (secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info)) ||
	    !limit_of(&info, getpid(), &limit) || limit.bytes == LIMIT_NONE)
		return;
	/*
	 * This process's vault has asked for pages, so it tells the user's sum.
	 */
	vaults_find(&found, getpid());
	for (i = 0; i < found.count; i++)
		for (j = 0; j < found.vaults[i].payer_count; j++)
			if (found.vaults[i].payers[j].uid == getuid())
				locked = found.vaults[i].payers[j].locked;
	vaults_free(&found);
	complain("this user has %" PRIu64 " bytes locked; %s allows %" PRIu64,
		 locked, limit.by, limit.bytes);
}
