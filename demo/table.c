// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl demo: the table of what the attacks got, and the command.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "demo.h"

/* Exit status where an attack could not be tried; as of mount(8) and others. */
#define EXIT_SOME 64

static const char *const loot_texts[] = {
	[NOT_TRIED] = "not tried",  [THE_KEY] = "THE KEY",
	[NOTHING] = "nothing",	    [A_BYTE] = "reads on",
	[STOPPED] = "stopped",	    [NO_FD] = "no fd",
	[BY_SIGSEGV] = "SIGSEGV",   [BY_EFAULT] = "EFAULT",
	[BY_EIO] = "EIO",	    [BY_EACCES] = "EACCES",
	[SOMETHING] = "unexpected",
};

static void cell_print(enum column column, enum loot loot, enum loot promised)
{
	const char *color = "\033[32m";
	char text[32];

	snprintf(text, sizeof(text), "%s%s", loot_texts[loot],
		 loot == promised || loot == NOT_TRIED ? "" : "!");
	if (loot == THE_KEY || loot == A_BYTE || loot == SOMETHING)
		color = "\033[31m";
	else if (loot == NOT_TRIED || loot == NO_FD)
		color = "\033[2m";
	if (demo.color)
		printf("%s%s\033[0m", color, text);
	else
		printf("%s", text);
	if (column < OPEN)
		printf("%*s", 12 - (int)strlen(text), "");
	fflush(stdout);
}

static void notes_print(int not_tried)
{
	printf("  mprotect: a locked page between guard pages, PROT_NONE while shut, as libsodium has it.\n"
	       "  SIGSEGV: the process was killed. EFAULT, EIO, EACCES: the kernel refused.\n"
	       "  stopped: at a guard page. open: while the service holds an access, it can leak the key.\n");
	if (!(demo.protections & 1ULL << SECMEM_PROT_DIRECT_MAP))
		printf("  /proc/kcore: secmem's pages stay in the kernel's own map of all RAM here.\n");
	if (not_tried)
		printf("  not tried: needs a core_pattern that is a plain name; root, and at most 4 GiB of RAM.\n");
}

static int table_print(void)
{
	unsigned int wrong = 0, not_tried = 0;
	const struct attack *attack;
	enum column column;
	enum loot loot;
	char text[64];
	size_t i;
	int error;

	printf("  %-40s%-12s%-12s%-12s%s\n", "", "malloc", "mprotect", "secmem",
	       "secmem");
	printf("  %-40s%-12s%-12s%-12s%s\n", "", "", "shut", "shut", "open");
	for (i = 0; i < ARRAY_SIZE(attacks); i++) {
		attack = &attacks[i];
		snprintf(text, sizeof(text), attack->text,
			 geteuid() ? "user" : "root");
		printf("  %-40s", text);
		for (column = MALLOC; column < COLUMNS; column++) {
			error = service_start(column, attack->inverted);
			if (error) {
				service_stop();
				putchar('\n');
				return fail("starting a service", error);
			}
			loot = attack->run();
			if (service->pid)
				service_stop();
			not_tried += loot == NOT_TRIED;
			wrong += loot != NOT_TRIED &&
				 loot != attack->promised[column];
			cell_print(column, loot, attack->promised[column]);
		}
		putchar('\n');
	}
	notes_print(not_tried > 0);
	if (wrong)
		complain("%u results, marked !, are not as promised", wrong);
	if (output_end() || wrong)
		return EXIT_FAILURE;
	return not_tried ? EXIT_SOME : EXIT_SUCCESS;
}

/*
 * The command
 */

static int key_make(void)
{
	unsigned char key[KEY_MIN];
	int error = 0;

	demo.length = sizeof(key);
	demo.key = memfd_create("key", MFD_CLOEXEC);
	if (demo.key < 0 || getentropy(key, sizeof(key)) ||
	    write(demo.key, key, sizeof(key)) != sizeof(key))
		error = -errno;
	explicit_bzero(key, sizeof(key));
	return error ? fail("making a key", error) : -1;
}

static int key_open(const char *path)
{
	struct stat stat;

	demo.key = open(path, O_RDONLY | O_CLOEXEC);
	if (demo.key < 0 || fstat(demo.key, &stat))
		return fail(path, -errno);
	if (!S_ISREG(stat.st_mode) || stat.st_size < KEY_MIN ||
	    stat.st_size > KEY_MAX) {
		complain("%s: not a file of %d to %d bytes", path, KEY_MIN,
			 KEY_MAX);
		return EXIT_FAILURE;
	}
	demo.length = stat.st_size;
	return -1;
}

static int demo_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "color", optional_argument, NULL, 'c' },
		{ "user", required_argument, NULL, 'u' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	demo.color = isatty(STDOUT_FILENO);
	while ((option = getopt_long(argc, argv, "+u:hV", options, NULL)) !=
	       -1) {
		switch (option) {
		case 'c':
			if (!optarg || !strcmp(optarg, "always")) {
				demo.color = 1;
			} else if (!strcmp(optarg, "never")) {
				demo.color = 0;
			} else if (strcmp(optarg, "auto")) {
				complain("unsupported color mode: '%s'",
					 optarg);
				return usage_fail();
			}
			continue;
		case 'u':
			demo.user = optarg;
			demo.passwd = getpwnam(optarg);
			if (demo.passwd)
				continue;
			complain("no such user: '%s'", optarg);
			return EXIT_FAILURE;
		default:
			return common_option(option);
		}
	}
	if (argc - optind > 1) {
		complain("unexpected argument '%s'", argv[optind + 1]);
		return usage_fail();
	}
	return optind < argc ? key_open(argv[optind]) : key_make();
}

int demo_run(int argc, char **argv)
{
	struct secmem_info info;
	int error, status;

	status = demo_options(argc, argv);
	if (status >= 0)
		return status;
	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	demo.protections = info.protections;
	if (info.protections & 1ULL << SECMEM_PROT_DIRECT_MAP)
		promise_no_ram();
	demo.page = sysconf(_SC_PAGESIZE);
	demo.loot = memfd_create("loot", MFD_CLOEXEC);
	service = mmap(NULL, sizeof(*service), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(demo.directory, "/tmp/secmemctl-demo-XXXXXX");
	if (demo.loot < 0 || service == MAP_FAILED || !mkdtemp(demo.directory))
		return fail("demo", -errno);
	if (demo.passwd &&
	    chown(demo.directory, demo.passwd->pw_uid, demo.passwd->pw_gid))
		complain("%s: %s", demo.directory, strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	status = table_print();
	rmdir(demo.directory);
	return status;
}
