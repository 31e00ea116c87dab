// SPDX-License-Identifier: GPL-2.0-only
/*
 * A line that somebody types and nobody sees.
 *
 * Whatever ends this process by a signal, or stops it, must find the terminal
 * as it was. So these signals are blocked but for the wait itself: one that
 * comes is taken note of, echo is switched on again, and only then the signal
 * does what it did before. SIGTTIN and SIGTTOU need no care: they stop a
 * background process in tcsetattr(3), before that has changed anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "secmemctl.h"

/*
 * Whether a signal is caught: all that end or stop a process are, but for those
 * that nobody can catch, and those of a fault of the process's own, after which
 * it cannot go on. SIGCONT is caught, too, as it follows a stop.
 */
static bool terminal_cares(int number)
{
	static const int others[] = {
		SIGKILL, SIGSTOP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS,   SIGFPE,
		SIGILL,	 SIGTRAP, SIGSYS,  SIGCHLD, SIGURG,  SIGWINCH,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (number == others[i])
			return false;
	/* The signals between these two are the C library's own. */
	return number <= SIGSYS || number >= SIGRTMIN;
}

struct terminal {
	int fd;
	struct termios before;
	struct termios silent;
	sigset_t mask; /* before */
	struct sigaction actions[NSIG]; /* before */
};

static volatile sig_atomic_t terminal_signals[NSIG];

static void terminal_note(int number)
{
	terminal_signals[number] = 1;
}

static void terminal_catch(struct terminal *terminal)
{
	struct sigaction action = { .sa_handler = terminal_note };
	sigset_t blocked;
	int i;

	sigemptyset(&blocked);
	for (i = 1; i < NSIG; i++)
		if (terminal_cares(i))
			sigaddset(&blocked, i);
	sigprocmask(SIG_BLOCK, &blocked, &terminal->mask);
	for (i = 1; i < NSIG; i++) {
		if (!terminal_cares(i))
			continue;
		sigaction(i, NULL, &terminal->actions[i]);
		/* One that is ignored, as under nohup(1), stays so. */
		if (terminal->actions[i].sa_handler != SIG_IGN)
			sigaction(i, &action, NULL);
	}
}

static void terminal_uncatch(struct terminal *terminal)
{
	int i;

	for (i = 1; i < NSIG; i++)
		if (terminal_cares(i))
			sigaction(i, &terminal->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &terminal->mask, NULL);
}

static void terminal_put(const struct terminal *terminal, const char *text)
{
	/*
	 * The terminal may be open for reading only: then use standard error.
	 */
	if (write(terminal->fd, text, strlen(text)) < 0 &&
	    write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

/* Gives one signal its effect. With most of them this does not return. */
static void terminal_raise(const struct terminal *terminal, int number)
{
	struct sigaction action = { .sa_handler = terminal_note };
	sigset_t blocked;

	sigaction(number, &terminal->actions[number], NULL);
	raise(number);
	/* Here it is delivered; any others that come are taken note of. */
	sigprocmask(SIG_SETMASK, &terminal->mask, &blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigaction(number, &action, NULL);
}

/*
 * Gives the signals that came their effect. The terminal is as it was before.
 * SIGCONT needs nothing here: the caller asks anew.
 */
static void terminal_obey(const struct terminal *terminal)
{
	int i = 1;

	while (i < NSIG) {
		if (i == SIGCONT || !terminal_signals[i]) {
			i++;
			continue;
		}
		terminal_signals[i] = 0;
		terminal_raise(terminal, i);
		i = 1;
	}
}

/* Asks, and waits for a line, or a signal: 0 or -EINTR, or another error. */
static int terminal_wait(const struct terminal *terminal, const char *prompt)
{
	struct pollfd poll = { .fd = terminal->fd, .events = POLLIN };

	/* This drops what was typed before, which could be seen. */
	if (tcsetattr(terminal->fd, TCSAFLUSH, &terminal->silent))
		return -errno;
	terminal_put(terminal, prompt);
	return ppoll(&poll, 1, NULL, &terminal->mask) < 0 ? -errno : 0;
}

ssize_t terminal_read(int fd, const char *prompt, void *line, size_t size)
{
	struct terminal terminal = { .fd = fd };
	ssize_t got;

	if (tcgetattr(fd, &terminal.before))
		return -errno;
	terminal.silent = terminal.before;
	terminal.silent.c_lflag &= ~(ECHO | ECHONL);
	terminal.silent.c_lflag |= ICANON;
	terminal.silent.c_iflag |= ICRNL;
	terminal_catch(&terminal);
	do {
		got = terminal_wait(&terminal, prompt);
		if (!got) {
			got = read(fd, line, size);
			got = got < 0 ? -errno : got;
		}
		/*
		 * After a signal, drop the half line that was typed; else keep
		 * what was typed after the line, which another program may
		 * read.
		 */
		tcsetattr(fd, got == -EINTR ? TCSAFLUSH : TCSANOW,
			  &terminal.before);
		terminal_put(&terminal, "\n");
		if (got == -EINTR)
			terminal_obey(&terminal);
	} while (got == -EINTR);
	terminal_uncatch(&terminal);
	return got;
}
