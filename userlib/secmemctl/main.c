// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl: what secmem enforces here, and secrets for programs that a shell
 * starts. This file has the table of its commands.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "secmemctl.h"

struct command {
	const char *name;
	const char *arguments;
	const char *purpose;
	const char *options;
	const char *notes;
	int (*run)(int argc, char **argv);
};

static const struct command *running;

static const struct command commands[] = {
	{
		"status",
		"[options]",
		"show what this kernel enforces, and why it does not",
		" -j, --json           as JSON\n",
		NULL,
		status_run,
	},
	{
		"check",
		"[options]",
		"say by the exit status whether protections are in force",
		" -r, --require LIST   these, by the names that status has; all without it\n",
		"It creates a secret under them, too, as a program of this user's would.\n"
		"Exits with 0 where they hold, 1 where one does not or no secret can be\n"
		"had, 2 where that could not be found out.\n",
		check_run,
	},
	{
		"list",
		"[options]",
		"show vaults: whose they are, what they take, who waits",
		" -j, --json           as JSON\n",
		"root sees those of all processes, other users those of their own.\n",
		list_run,
	},
	{
		"run",
		"[options] [--] COMMAND [ARGUMENT...]",
		"read secrets and give COMMAND a grant of each",
		" -N, --name NAME      begin a secret whose descriptor NAME tells, not SECMEM_FD\n"
		" -f, --fd FD          read it from FD, not standard input\n"
		" -l, --label TEXT     its public label\n"
		" -n, --length BYTES   read that many bytes, not up to the end\n"
		" -t, --text           drop a newline at its end\n"
		" -c, --confirm        ask for it twice, at a terminal\n"
		" -r, --rights LIST    what COMMAND may do: some of read,write,map,\n"
		"                        compare,seal,close,revoke,export\n"
		"                        (read,map,compare,close)\n"
		" -s, --suspend-wipe   it does not outlive a suspend\n",
		"COMMAND finds the grant's descriptor in the environment, and the end of file\n"
		"where the secret was read. A terminal is asked for a line, without echo, and\n"
		"stays. Options before the first --name hold for each secret:\n"
		"\n"
		" secmemctl run -t -N DB_KEY -f 3 -N API_KEY -f 4 server 3<db.key 4<api.key\n"
		"\n"
		"Exits as COMMAND does; with 125 where secmemctl failed, 126 where COMMAND\n"
		"cannot be executed, 127 where there is none.\n",
		run_run,
	},
	{
		"stat",
		"[options] [FD|NAME]",
		"show how a secret stands, that of SECMEM_FD",
		" -j, --json           as JSON\n",
		"Or that of the descriptor FD, or of the one that the variable NAME tells.\n",
		stat_run,
	},
	{
		"cat",
		"[FD|NAME]",
		"write a secret to standard output, that of SECMEM_FD",
		NULL,
		"Or that of the descriptor FD, or of the one that the variable NAME tells.\n",
		cat_run,
	},
	{
		"revoke",
		"NUMBER",
		"end the vault of that number, whoever holds it",
		NULL,
		"The number is that of secmemctl list. Needs\n"
		"CAP_SYS_ADMIN.\n",
		revoke_run,
	},
	{
		"demo",
		"[options] [KEYFILE]",
		"try to steal a key from ordinary memory and from secmem",
		"     --color[=WHEN]  always, never or auto\n"
		" -u, --user NAME      the user that the key's holder runs as\n",
		"Without KEYFILE the key is random. Exits with 0 where all went as promised,\n"
		"64 where it did but something could not be tried.\n",
		demo_run,
	},
};

const char *command_name(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "secmemctl%s%s", running ? " " : "",
		 running ? running->name : "");
	return name;
}

void usage(void)
{
	const struct command *command;
	size_t i;

	printf("\nUsage:\n");
	if (running)
		printf(" secmemctl %s%s%s\n", running->name,
		       *running->arguments ? " " : "", running->arguments);
	else
		printf(" secmemctl COMMAND [options]\n");
	printf("\n%s\n",
	       running ?
		       running->purpose :
		       "Secrets in memory that is mapped only while accessed.");
	if (!running) {
		printf("\nCommands:\n");
		for (i = 0; i < ARRAY_SIZE(commands); i++) {
			command = &commands[i];
			printf(" %-8s %s\n", command->name, command->purpose);
		}
	}
	printf("\nOptions:\n");
	if (running && running->options)
		printf("%s\n", running->options);
	printf(" -h, --help           display this help\n");
	printf(" -V, --version        display version\n");
	if (running && running->notes)
		printf("\n%s", running->notes);
	printf("\nFor more details see secmemctl(1), for what it is used for secmem-howto(7).\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int option;
	size_t i;

	if (argc)
		argv[0] = program_invocation_short_name;
	option = getopt_long(argc, argv, "+hV", options, NULL);
	if (option != -1)
		return common_option(option);
	if (optind >= argc) {
		complain("no command given");
		return usage_fail();
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[optind], commands[i].name))
			running = &commands[i];
	if (!running) {
		complain("unknown command '%s'", argv[optind]);
		return usage_fail();
	}
	argc -= optind;
	argv += optind;
	/* getopt names argv[0] in its messages, and begins anew at optind 0. */
	argv[0] = program_invocation_short_name;
	optind = 0;
	return running->run(argc, argv);
}
