// SPDX-License-Identifier: GPL-2.0-only
/*
 * secmemctl: what secmem enforces here, and secrets for programs that a shell
 * starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "libsecmem.h"
#include "secmemctl.h"

/* As env(1) and util-linux exit where there is no command to speak for it. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct command {
	const char *name;
	const char *arguments;
	const char *purpose;
	const char *options;
	const char *notes;
	int (*run)(int argc, char **argv);
};

static const struct command *running;

/*
 * Messages
 */

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("secmemctl: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

int fail(const char *what, int error)
{
	complain("%s: %s", what, strerror(-error));
	return EXIT_FAILURE;
}

/* Whether a file of the kernel's says this; one that cannot be read does not. */
static int kernel_says(const char *path, const char *word)
{
	char text[128];
	ssize_t length;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return 0;
	text[length] = '\0';
	return strstr(text, word) != NULL;
}

static int signed_only(void)
{
	const char *lockdown = "/sys/kernel/security/lockdown";

	return kernel_says("/sys/module/module/parameters/sig_enforce", "Y") ||
	       kernel_says(lockdown, "[integrity]") ||
	       kernel_says(lockdown, "[confidentiality]");
}

int device_fail(int error)
{
	if (error == -ENOENT || error == -ENXIO || error == -ENODEV) {
		complain("%s: %s (is the module loaded?)", SECMEM_DEVICE,
			 strerror(-error));
		if (signed_only())
			complain(
				"this kernel loads signed modules only: sign secmem.ko with a key that the machine knows (DKMS: mokutil --import /var/lib/dkms/mok.pub, then reboot)");
	} else if (error == -EACCES)
		complain("%s: %s (is the user in group secmem?)", SECMEM_DEVICE,
			 strerror(-error));
	else
		return fail(SECMEM_DEVICE, error);
	return EXIT_FAILURE;
}

int usage_fail(void)
{
	fputs("Try 'secmemctl --help' for more information.\n", stderr);
	return EXIT_FAILURE;
}

static void usage(void);

static void version(void)
{
	printf("secmemctl (libsecmem %s)\n", secmem_version());
}

int output_end(void)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("write error: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* What every command's options share; -1 to go on, else what to exit with. */
int common_option(int option)
{
	switch (option) {
	case 'h':
		usage();
		return output_end();
	case 'V':
		version();
		return output_end();
	case '?':
		return usage_fail();
	default:
		return -1;
	}
}

static int no_operands(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int option;

	option = getopt_long(argc, argv, "+hV", options, NULL);
	if (option != -1)
		return common_option(option);
	if (optind < argc) {
		complain("unexpected argument '%s'", argv[optind]);
		return usage_fail();
	}
	return -1;
}

static int number_of(const char *text, unsigned int *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > INT_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

static int rights_of(const char *text, uint32_t *rights)
{
	const char *name;
	unsigned int bit;
	size_t length;

	*rights = 0;
	for (;;) {
		length = strcspn(text, ",");
		for (bit = 0; (name = secmem_right_name(bit)); bit++)
			if (strlen(name) == length &&
			    !strncmp(name, text, length))
				break;
		if (!name)
			return -EINVAL;
		*rights |= 1U << bit;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static void rights_print(uint32_t rights)
{
	const char *name, *comma = "";
	unsigned int bit;

	for (bit = 0; (name = secmem_right_name(bit)); bit++) {
		if (!(rights & (1U << bit)))
			continue;
		printf("%s%s", comma, name);
		comma = ",";
	}
	if (!rights)
		putchar('-');
}

/* Text of another's making: nothing that a terminal would obey. */
static void text_print(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size && text[i]; i++)
		putchar(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
}

/*
 * secmemctl status
 */

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

static int status_run(int argc, char **argv)
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

/*
 * secmemctl run
 */

struct run {
	const char *label;
	uint32_t rights;
	unsigned int fd;
	unsigned int length;
	uint32_t flags;
};

static int run_options(int argc, char **argv, struct run *run)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "label", required_argument, NULL, 'l' },
		{ "length", required_argument, NULL, 'n' },
		{ "rights", required_argument, NULL, 'r' },
		{ "suspend-wipe", no_argument, NULL, 's' },
		COMMON_OPTIONS,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+f:l:n:r:shV", options,
				     NULL)) != -1) {
		switch (option) {
		case 'f':
			if (!number_of(optarg, &run->fd))
				continue;
			complain("not a file descriptor: '%s'", optarg);
			return usage_fail();
		case 'l':
			if (strlen(optarg) < SECMEM_LABEL_SIZE) {
				run->label = optarg;
				continue;
			}
			complain("label is longer than %d bytes: '%s'",
				 SECMEM_LABEL_SIZE - 1, optarg);
			return usage_fail();
		case 'n':
			if (!number_of(optarg, &run->length) && run->length &&
			    run->length <= SECMEM_LENGTH_MAX)
				continue;
			complain("length is not 1 to %u: '%s'",
				 SECMEM_LENGTH_MAX, optarg);
			return usage_fail();
		case 'r':
			if (!rights_of(optarg, &run->rights) &&
			    !(run->rights & SECMEM_RIGHT_CREATE))
				continue;
			complain("not rights of a secret: '%s'", optarg);
			return usage_fail();
		case 's':
			run->flags = SECMEM_CREATE_SUSPEND_WIPE;
			continue;
		default:
			return common_option(option);
		}
	}
	if (optind < argc)
		return -1;
	complain("no command given");
	return usage_fail();
}

/*
 * The secret lives on in the exported grant: the vault, which ends as exec
 * ends this address space, does not take it along.
 */
static int run_export(const struct run *run, int *fd)
{
	struct secmem_options options = {
		.size = sizeof(options),
		.label = run->label,
		.flags = run->flags,
	};
	secmem_secret_t secret;
	struct secmem_info info;
	int error, exported;

	error = secmem_grant_info(SECMEM_GRANT_DEFAULT, &info, sizeof(info));
	if (error)
		return device_fail(error);
	error = secmem_create_from_fd(&secret, run->fd, run->length, &options);
	if (error)
		return fail("reading the secret", error);
	exported = secmem_export(secret, run->rights);
	if (exported < 0)
		return fail("exporting the secret", exported);
	/* Not a standard one, which the command would read it from; inherited. */
	*fd = fcntl(exported, F_DUPFD, STDERR_FILENO + 1);
	if (*fd < 0)
		return fail("exporting the secret", -errno);
	close(exported);
	return EXIT_SUCCESS;
}

static int run_run(int argc, char **argv)
{
	struct run run = {
		.rights = SECMEM_RIGHT_READ | SECMEM_RIGHT_MAP |
			  SECMEM_RIGHT_COMPARE | SECMEM_RIGHT_CLOSE,
		.fd = STDIN_FILENO,
	};
	int fd = -1, null, status;
	char text[16];

	status = run_options(argc, argv, &run);
	if (status >= 0)
		return status;
	status = run_export(&run, &fd);
	if (status)
		return status;

	/* What the secret came from is nothing for the command. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, run.fd) < 0)
		return fail("/dev/null", -errno);
	snprintf(text, sizeof(text), "%d", fd);
	if (setenv("SECMEM_FD", text, 1))
		return fail("SECMEM_FD", -errno);
	execvp(argv[optind], argv + optind);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	complain("failed to execute %s: %s", argv[optind], strerror(errno));
	return status;
}

/*
 * secmemctl stat
 */

static void stat_print(const struct secmem_info *info,
		       const struct secmem_stat *stat)
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

static int adopt_fail(int error)
{
	if (error == -ENOENT)
		complain("SECMEM_FD is not set");
	else if (error == -EINVAL || error == -ENOTTY)
		complain("not a grant of one secret");
	else
		return fail("grant", error);
	return EXIT_FAILURE;
}

static int stat_run(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct secmem_info info;
	struct secmem_stat stat;
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

/*
 * secmemctl cat
 */

static int cat_write(const void *data, size_t length, void *argument)
{
	const char *next = data;
	ssize_t put;

	(void)argument;
	while (length) {
		put = write(STDOUT_FILENO, next, length);
		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			next += put;
			length -= put;
		}
	}
	return 0;
}

static int cat_run(int argc, char **argv)
{
	secmem_secret_t secret;
	int error, result = 0, status;

	status = no_operands(argc, argv);
	if (status >= 0)
		return status;
	error = secmem_adopt(secmem_fd_from_env(NULL), &secret);
	if (error)
		return adopt_fail(error);
	error = secmem_with_bytes(secret, SECMEM_FOREVER, cat_write, NULL,
				  &result);
	if (error)
		return fail("reading the secret", error);
	if (result)
		return fail("write error", result);
	return EXIT_SUCCESS;
}

/*
 * secmemctl revoke
 */

#define REVOKE "/sys/class/misc/secmem/revoke"

static int revoke_run(int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int error = 0, fd, option;
	const char *number;
	size_t length;

	option = getopt_long(argc, argv, "+hV", options, NULL);
	if (option != -1)
		return common_option(option);
	if (argc - optind != 1) {
		complain(optind < argc ? "unexpected argument '%s'" :
					 "no number of a vault given",
			 argv[argc - 1]);
		return usage_fail();
	}
	number = argv[optind];
	length = strlen(number);
	if (!length || strspn(number, "0123456789") != length) {
		complain("not the number of a vault: '%s'", number);
		return usage_fail();
	}
	fd = open(REVOKE, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(REVOKE, -errno);
	if (write(fd, number, length) < 0)
		error = -errno;
	close(fd);
	if (error == -ENOENT || error == -ERANGE) {
		complain("no vault has the number %s", number);
		return EXIT_FAILURE;
	}
	return error ? fail("revoking the vault", error) : EXIT_SUCCESS;
}

/*
 * The table of commands
 */

static const struct command commands[] = {
	{
		"status",
		"",
		"show what this kernel enforces, and why it does not",
		NULL,
		NULL,
		status_run,
	},
	{
		"run",
		"[options] [--] COMMAND [ARGUMENT...]",
		"read a secret and give COMMAND a grant of it",
		" -f, --fd FD          read the secret from FD, not standard input\n"
		" -l, --label TEXT     its public label\n"
		" -n, --length BYTES   read that many bytes, not up to the end\n"
		" -r, --rights LIST    what COMMAND may do: some of read,write,map,\n"
		"                        compare,seal,close,revoke,export\n"
		"                        (read,map,compare,close)\n"
		" -s, --suspend-wipe   the secret does not outlive a suspend\n",
		"COMMAND finds the grant's descriptor in SECMEM_FD, and the end of file\n"
		"where the secret was read.\n",
		run_run,
	},
	{
		"stat",
		"[FD]",
		"show how the secret of FD, or of SECMEM_FD, stands",
		NULL,
		NULL,
		stat_run,
	},
	{
		"cat",
		"",
		"write the secret of SECMEM_FD to standard output",
		NULL,
		NULL,
		cat_run,
	},
	{
		"revoke",
		"NUMBER",
		"end the vault of that number, whoever holds it",
		NULL,
		"The number stands in /proc/PID/fdinfo of the vault's files. Needs\n"
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

static void usage(void)
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
	/* So that getopt speaks of secmemctl, and begins anew. */
	argv[0] = program_invocation_short_name;
	optind = 0;
	return running->run(argc, argv);
}
