/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands that a test runs, and what they print.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Runs program in a child: what it writes to standard output, and how it ends.
 */
static inline int output_of(int (*program)(void), const char *input,
			    char *output, size_t size)
{
	int in[2], out[2], status;
	size_t used = 0;
	ssize_t got;
	pid_t pid;

	if (pipe(in) || pipe(out))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		status = program();
		fflush(stdout);
		_exit(status);
	}
	close(in[0]);
	close(out[1]);
	got = write(in[1], input, strlen(input));
	close(in[1]);
	while (used < size - 1 &&
	       (got = read(out[0], output + used, size - 1 - used)) > 0)
		used += got;
	output[used] = 0;
	close(out[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static const char *command_line;

static inline int shell(void)
{
	execl("/bin/sh", "sh", "-c", command_line, NULL);
	return 127;
}

static inline int run(const char *line, const char *input, char *output,
		      size_t size)
{
	command_line = line;
	return output_of(shell, input, output, size);
}

#endif /* COMMAND_H */
