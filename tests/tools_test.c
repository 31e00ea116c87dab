// SPDX-License-Identifier: GPL-2.0-only
/*
 * libsecmem among tools: under sanitizers and memcheck, and in plugins that are
 * loaded and unloaded. tests/Makefile builds what is in /opt/tools with what
 * tools this machine has.
 *
 * VM: --mem 1G --file build/tests/tools:/opt/tools
 */
#include "secmem_test.h"
#include <dlfcn.h>
#include <libsecmem.h>
#include <sys/personality.h>

/* Runs a command: how it ends, and what it said. */
static int run(const char *command, char *said, size_t size)
{
	FILE *pipe = popen(command, "re");
	size_t used = 0, got;
	char rest[256];
	int status;

	if (!pipe)
		return -1;
	while (used < size - 1 &&
	       (got = fread(said + used, 1, size - 1 - used, pipe)))
		used += got;
	said[used] = 0;
	while (fread(rest, 1, sizeof(rest), pipe))
		;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

FIXTURE(tool)
{
	char said[16384];
};

FIXTURE_VARIANT(tool)
{
	const char *program;
	const char *command;
	const char *fault;
	const char *finding;
};

FIXTURE_VARIANT_ADD(tool, address_and_undefined)
{
	.program = "/opt/tools/watched-address",
	.command = "",
	.fault = "overflow",
	.finding = "heap-buffer-overflow",
};
FIXTURE_VARIANT_ADD(tool, thread)
{
	.program = "/opt/tools/watched-thread",
	.command = "",
	.fault = "race",
	.finding = "data race",
};
/* With the shared library, which is not built for the tool. */
FIXTURE_VARIANT_ADD(tool, thread_shared)
{
	.program = "/opt/tools/watched-thread-shared",
	.command = "TSAN_OPTIONS=suppressions=/opt/tools/libsecmem.supp ",
	.fault = "race",
	.finding = "data race",
};
FIXTURE_VARIANT_ADD(tool, memory)
{
	.program = "/opt/tools/watched-memory",
	.command = "",
	.fault = "undefined",
	.finding = "use-of-uninitialized-value",
};
FIXTURE_VARIANT_ADD(tool, memcheck)
{
	.program = "/opt/tools/watched-memcheck",
	.command =
		"VALGRIND_LIB=/opt/tools/valgrind /opt/tools/valgrind/valgrind "
		"-q --error-exitcode=66 "
		"--sim-hints=lax-ioctls ",
	.fault = "undefined",
	.finding = "depends on uninitialised value",
};

FIXTURE_SETUP(tool)
{
	/*
	 * Sanitizers need memory where they expect it: addresses are not
	 * random.
	 */
	personality(ADDR_NO_RANDOMIZE);
	if (access(variant->program, X_OK))
		SKIP(return, "no %s: this machine had no tool for it",
			   variant->program);
}

FIXTURE_TEARDOWN(tool)
{
}

static int watch(const char *command, const char *program, const char *fault,
		 char *said, size_t size)
{
	char line[512];

	snprintf(line, sizeof(line), "%s%s %s 2>&1", command, program, fault);
	return run(line, said, size);
}

TEST_F(tool, says_nothing_of_a_program_without_fault)
{
	EXPECT_EQ(0, watch(variant->command, variant->program, "", self->said,
			   sizeof(self->said)));
	EXPECT_STREQ("", self->said);
}

TEST_F(tool, finds_the_fault)
{
	EXPECT_NE(0, watch(variant->command, variant->program, variant->fault,
			   self->said, sizeof(self->said)));
	EXPECT_NE(NULL, strstr(self->said, variant->finding))
	{
		TH_LOG("%s", self->said);
	}
}

/* Plugins */

static int vaults(void)
{
	struct secmem_info info;
	int fd = sm_open(), error;

	error = fd < 0 ? fd : sm_info(fd, &info);
	close(fd);
	return error ? -1 : (int)info.vaults - 1;
}

static int use_plugin(void *library)
{
	int (*use)(void) = (int (*)(void))dlsym(library, "plugin_use");

	return use ? use() : 1;
}

/* Uses the shared library, which this program loads and is not linked with. */
static int use_library(void *library)
{
	int (*create)(secmem_secret_t *, size_t, const struct secmem_options *);
	int (*acquire)(secmem_secret_t, uint32_t, int64_t,
		       struct secmem_access *);
	struct secmem_access access;
	secmem_secret_t secret;
	int error;

	*(void **)&create = dlsym(library, "secmem_create_random");
	*(void **)&acquire = dlsym(library, "secmem_acquire");
	if (!create || !acquire)
		return 1;
	error = create(&secret, 32, NULL);
	if (!error)
		error = acquire(secret, SECMEM_READ, 0, &access);
	return error;
}

/* How many vaults stay behind after five rounds of load, use, unload. */
static int vaults_left(const char *path, int (*use)(void *library))
{
	void *library;
	int i;

	for (i = 0; i < 5; i++) {
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!library || use(library) || dlclose(library))
			return -1;
	}
	return vaults();
}

TEST(shared_library_that_is_unloaded_leaks_nothing)
{
	EXPECT_EQ(1, vaults_left("libsecmem.so.1", use_library));
}

TEST(plugin_of_the_static_library_leaks_nothing)
{
	EXPECT_EQ(1, vaults_left("/opt/tools/plugin.so", use_plugin));
}

/* The control: a plugin that was linked without -z nodelete. */
TEST(plugin_that_is_unloaded_leaks)
{
	EXPECT_EQ(5, vaults_left("/opt/tools/plugin-deleted.so", use_plugin));
}

TEST_HARNESS_MAIN
