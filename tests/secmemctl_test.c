// SPDX-License-Identifier: GPL-2.0-only
/*
 * What secmemctl promises: secrets for programs that a shell starts, typed or
 * read; what it tells of the machine, to people and to programs.
 */
#include <pty.h>
#include <sys/resource.h>
#include <termios.h>

#include "secmem_test.h"
#include "command.h"
#include "host.h"

static const char text[] = "correct horse battery staple";

static char output[16384];

/* Runs a command line by the shell; its output is left in `output`. */
static int says(const char *line, const char *input)
{
	return run(line, input, output, sizeof(output));
}

static bool said(const char *part)
{
	return strstr(output, part);
}

/* run: secrets from a file or a pipe */

TEST(run_gives_the_command_a_grant_of_what_was_read)
{
	EXPECT_EQ(0, says("secmemctl run -- secmemctl cat", text));
	EXPECT_STREQ(text, output);
	EXPECT_EQ(0,
		  says("secmemctl run -n 7 sh -c 'secmemctl cat; cat'", text));
	EXPECT_STREQ("correct", output);
	EXPECT_EQ(0, says("exec 5<&0 </dev/null; secmemctl run -f 5 "
			  "secmemctl cat",
			  text));
	EXPECT_STREQ(text, output);
	/*
	 * Nor is the descriptor one of the standard three, to be read by
	 * accident.
	 */
	EXPECT_EQ(0, says("exec 5<&0 <&- 2>&-; secmemctl run -f 5 sh -c "
			  "'test $SECMEM_FD -gt 2 && secmemctl cat'",
			  text));
	EXPECT_STREQ(text, output);
	EXPECT_EQ(0, says("secmemctl run -l web -r read,compare secmemctl stat",
			  text));
	EXPECT_TRUE(said("state          open\n"));
	EXPECT_TRUE(said("label          web\n"));
	EXPECT_TRUE(said("length         28 bytes\n"));
	EXPECT_TRUE(said("rights         read,compare\n"));
	EXPECT_EQ(0, says("secmemctl run sh -c 'secmemctl stat $SECMEM_FD'",
			  text));
	EXPECT_EQ(0, says("secmemctl status | grep -x 'secrets  *0'", ""));
}

TEST(run_exits_as_env_does)
{
	EXPECT_EQ(0, says("secmemctl run true", text));
	EXPECT_EQ(5, says("secmemctl run sh -c 'exit 5'", text));
	EXPECT_EQ(127, says("secmemctl run /nonesuch 2>&1", text));
	EXPECT_EQ(126, says("secmemctl run / 2>&1", text));
	EXPECT_EQ(125, says("secmemctl run --nonesuch true 2>&1", text));
	EXPECT_EQ(125, says("secmemctl run 2>&1", text));
	EXPECT_EQ(125, says("secmemctl run true 2>&1", ""));
	EXPECT_TRUE(said("secmemctl: reading the secret: No data available"));
	EXPECT_EQ(125, says("secmemctl run -f 9 true 2>&1", text));
	EXPECT_STREQ("secmemctl: file descriptor 9: Bad file descriptor\n",
		     output);
	EXPECT_EQ(0, says("secmemctl run --help", ""));
}

TEST(text_drops_one_newline_at_the_end)
{
	static const struct {
		const char *input;
		const char *option;
		const char *got;
	} cases[] = {
		{ "key\n", "-t", "key" },
		{ "key\n\n", "-t", "key\n" },
		{ "key", "-t", "key" },
		{ "\nkey\n", "-t", "\nkey" },
		{ "key\n", "", "key\n" },
		{ "key\r\n", "-t", "key\r" },
		{ "key\nmore", "-t -n 4", "key" },
	};
	char line[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(line, sizeof(line),
			 "secmemctl run %s secmemctl cat 2>&1",
			 cases[i].option);
		EXPECT_EQ(0, says(line, cases[i].input));
		EXPECT_STREQ(cases[i].got, output);
	}
	EXPECT_EQ(125, says("secmemctl run -t true 2>&1", "\n"));
	EXPECT_TRUE(said("No data available"));
}

/* One variable each, as secmem_fd_from_env(3) finds them. */
TEST(several_secrets_have_a_variable_each)
{
	EXPECT_EQ(0, says("printf one >/tmp/one; printf two >/tmp/two;"
			  "secmemctl run -l both -N DB_KEY -f 5 "
			  "-N _k2 -f 6 -r read,map -l other -N THIRD -- "
			  "sh -c 'secmemctl cat DB_KEY; secmemctl cat _k2;"
			  "secmemctl cat THIRD; secmemctl stat DB_KEY;"
			  "secmemctl stat _k2; echo \"$SECMEM_FD.\"' "
			  "5</tmp/one 6</tmp/two",
			  "three"));
	EXPECT_EQ(0, strncmp(output, "onetwothree", 11));
	EXPECT_TRUE(said("label          both\n"));
	EXPECT_TRUE(said("label          other\n"));
	EXPECT_TRUE(said("rights         read,map,compare,close\n"));
	EXPECT_TRUE(said("rights         read,map\n"));
	EXPECT_TRUE(said("\n.\n"));
	/* Several secrets come from one stream, by length. */
	EXPECT_EQ(0, says("secmemctl run -N A -n 3 -N B -n 3 -N C -- sh -c "
			  "'for n in C B A; do secmemctl cat $n; done'",
			  "onetwothree"));
	EXPECT_STREQ("threetwoone", output);
	/*
	 * A secret that would leave nothing for the next is refused at the
	 * start.
	 */
	EXPECT_EQ(125, says("secmemctl run -N A -N B true 2>&1", text));
	EXPECT_TRUE(said("A takes all of file descriptor 0, and B"));
}

TEST(run_takes_names_of_variables_only)
{
	static const char *const wrong[] = { "''", "1A", "A=B", "A-B", "a.b" };
	char line[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(line, sizeof(line), "secmemctl run -N %s true 2>&1",
			 wrong[i]);
		EXPECT_EQ(125, says(line, text));
		EXPECT_TRUE(said("not the name of a variable"));
	}
	EXPECT_EQ(125, says("secmemctl run -n 1 -N A -N A true 2>&1", text));
	EXPECT_TRUE(said("there twice"));
	EXPECT_EQ(0, says("secmemctl run -N A true 2>&1", text));
}

/*
 * The two figures that a user needs: how much is locked and how much may be.
 * Here a secret of three bytes has one page, three pages are allowed, and a
 * secret of four pages is wanted.
 */
TEST(no_memory_is_explained_by_use_and_limit)
{
	static const char cap[] = "/sys/module/secmem/parameters/memlock_cap";
	char as_user[256], line[512], want[160];

	snprintf(as_user, sizeof(as_user),
		 "secmemctl run -n 3 sh -c 'secmemctl run -n %zu true "
		 "</dev/zero 2>&1; echo $?'",
		 4 * SM_PAGE);
	snprintf(line, sizeof(line), "ulimit -l %zu; %s", 3 * SM_PAGE / 1024,
		 as_user);
	EXPECT_EQ(0, says(line, "one"));
	/* root has no limit. */
	EXPECT_STREQ("0\n", output);
	ASSERT_EQ(0, setenv("AS_USER", as_user, 1));
	snprintf(line, sizeof(line),
		 "ulimit -l %zu; exec su service -s /bin/sh -c \"$AS_USER\"",
		 3 * SM_PAGE / 1024);
	snprintf(want, sizeof(want),
		 "this user has %zu bytes locked; RLIMIT_MEMLOCK allows %zu\n"
		 "125\n",
		 SM_PAGE, 3 * SM_PAGE);
	EXPECT_EQ(0, says(line, "one"));
	EXPECT_TRUE(said("reading the secret: Cannot allocate memory"));
	EXPECT_TRUE(said(want))
	TH_LOG("%s", output);
	/* The administrator's cap comes before RLIMIT_MEMLOCK. */
	ASSERT_EQ(0, host_write_number(cap, 2 * SM_PAGE));
	EXPECT_EQ(0, says(line, "one"));
	ASSERT_EQ(0, host_write_number(cap, 0));
	snprintf(want, sizeof(want),
		 "this user has %zu bytes locked; memlock_cap allows %zu\n"
		 "125\n",
		 SM_PAGE, 2 * SM_PAGE);
	EXPECT_TRUE(said(want))
	TH_LOG("%s", output);
}

/*
 * run: at a terminal. A job as of a shell: a process group in the foreground of
 * a terminal whose other end the test holds.
 */

struct job {
	int terminal; /* the test's end */
	int other; /* the job's end, to look at its modes */
	int events; /* what became of the job: waitpid's status */
	int orders; /* a byte: go on, in the foreground */
	pid_t shell;
	pid_t pid;
	size_t seen;
	char shown[8192]; /* all that the terminal showed */
};

static void job_shell(const char *line, int events, int orders)
{
	int status;
	char order;
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	if (write(events, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	while (waitpid(pid, &status, WUNTRACED) == pid) {
		tcsetpgrp(STDIN_FILENO, getpid());
		if (write(events, &status, sizeof(status)) != sizeof(status) ||
		    !WIFSTOPPED(status) || read(orders, &order, 1) != 1)
			break;
		tcsetpgrp(STDIN_FILENO, pid);
		kill(-pid, SIGCONT);
	}
	_exit(0);
}

static int job_start(struct job *job, const char *line)
{
	int events[2], orders[2];
	char name[64];

	memset(job, 0, sizeof(*job));
	if (pipe(events) || pipe(orders))
		return -errno;
	fflush(NULL);
	job->shell = forkpty(&job->terminal, name, NULL, NULL);
	if (!job->shell) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		job_shell(line, events[1], orders[0]);
	}
	if (job->shell < 0)
		return -errno;
	close(events[1]);
	close(orders[0]);
	job->events = events[0];
	job->orders = orders[1];
	job->other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (job->other < 0 ||
	    read(job->events, &job->pid, sizeof(job->pid)) != sizeof(job->pid))
		return -errno;
	return 0;
}

/* Reads until the terminal shows this, behind what was awaited before. */
static bool job_shows(struct job *job, const char *part)
{
	size_t used = strlen(job->shown);
	char *found;
	ssize_t got;

	while (!(found = strstr(job->shown + job->seen, part))) {
		got = read(job->terminal, job->shown + used,
			   sizeof(job->shown) - 1 - used);
		if (got <= 0)
			return false;
		used += got;
	}
	job->seen = found + strlen(part) - job->shown;
	return true;
}

static void job_type(struct job *job, const char *keys)
{
	if (write(job->terminal, keys, strlen(keys)) != (ssize_t)strlen(keys))
		abort();
}

static bool job_echoes(struct job *job)
{
	struct termios modes;

	return tcgetattr(job->other, &modes) || (modes.c_lflag & ECHO);
}

/* The next change of the job, as waitpid's status. */
static int job_wait(struct job *job)
{
	int status;

	return read(job->events, &status, sizeof(status)) == sizeof(status) ?
		       status :
		       -1;
}

static void job_end(struct job *job)
{
	kill(job->shell, SIGKILL);
	waitpid(job->shell, NULL, 0);
	close(job->terminal);
	close(job->other);
	close(job->events);
	close(job->orders);
}

#define ENDED(code) ((code) << 8)

TEST(typed_secret_is_not_shown_and_has_no_newline)
{
	struct job job;

	ASSERT_EQ(0, job_start(&job, "secmemctl run sh -c "
				     "'test \"$(secmemctl cat | wc -c)\" = 7 &&"
				     "test \"$(secmemctl cat)\" = hunter2'"));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	job_type(&job, "hunter2\n");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	EXPECT_TRUE(job_echoes(&job));
	EXPECT_EQ(NULL, strstr(job.shown, "hunter2"));
	job_end(&job);
	/* Control: what is typed to another program is shown. */
	ASSERT_EQ(0, job_start(&job, "echo Secret:; read x; echo done"));
	ASSERT_TRUE(job_shows(&job, "Secret:"));
	job_type(&job, "hunter2\n");
	EXPECT_TRUE(job_shows(&job, "hunter2"));
	EXPECT_TRUE(job_shows(&job, "done"));
	EXPECT_EQ(ENDED(0), job_wait(&job));
	job_end(&job);
}

TEST(terminal_is_the_commands_afterwards)
{
	struct job job;

	ASSERT_EQ(0, job_start(&job, "secmemctl run -l web sh -c "
				     "'echo go; read x; echo got $x'"));
	ASSERT_TRUE(job_shows(&job, "web: "));
	job_type(&job, "hunter2\n");
	ASSERT_TRUE(job_shows(&job, "go"));
	job_type(&job, "more\n");
	EXPECT_TRUE(job_shows(&job, "got more"));
	EXPECT_EQ(ENDED(0), job_wait(&job));
	job_end(&job);
}

TEST(confirm_asks_twice)
{
	static const struct {
		const char *again;
		int code;
	} cases[] = {
		{ "hunter2\n", 0 },    { "hunter3\n", 125 },
		{ "hunter22\n", 125 }, { "hunter\n", 125 },
		{ "\n", 125 },
	};
	struct job job;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, job_start(&job, "secmemctl run -c -N KEY sh -c "
					     "'test \"$(secmemctl cat KEY)\" = "
					     "hunter2'"));
		ASSERT_TRUE(job_shows(&job, "KEY: "));
		job_type(&job, "hunter2\n");
		ASSERT_TRUE(job_shows(&job, "KEY, once more: "));
		job_type(&job, cases[i].again);
		EXPECT_EQ(ENDED(cases[i].code), job_wait(&job));
		if (cases[i].code)
			EXPECT_TRUE(job_shows(&job, "it was not the same"));
		EXPECT_TRUE(job_echoes(&job));
		EXPECT_EQ(NULL, strstr(job.shown, "hunter"));
		job_end(&job);
	}
}

TEST(several_secrets_are_asked_for_by_name)
{
	struct job job;

	ASSERT_EQ(0, job_start(&job, "secmemctl run -N ONE -N TWO sh -c "
				     "'test $(secmemctl cat ONE) = 1 &&"
				     "test $(secmemctl cat TWO) = 2'"));
	ASSERT_TRUE(job_shows(&job, "ONE: "));
	job_type(&job, "1\n");
	ASSERT_TRUE(job_shows(&job, "TWO: "));
	job_type(&job, "2\n");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	job_end(&job);
}

TEST(nothing_typed_is_no_secret)
{
	static const char *const keys[] = { "\n", "\004" };
	struct job job;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		ASSERT_EQ(0, job_start(&job, "secmemctl run true"));
		ASSERT_TRUE(job_shows(&job, "Secret: "));
		job_type(&job, keys[i]);
		EXPECT_EQ(ENDED(125), job_wait(&job));
		EXPECT_TRUE(job_shows(&job, "No data available"));
		job_end(&job);
	}
	/* A last line without a newline is a line, too. */
	ASSERT_EQ(0, job_start(&job, "secmemctl run sh -c "
				     "'test $(secmemctl cat) = x'"));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	job_type(&job, "x\004\004");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	job_end(&job);
}

/* A line that is longer than -n says is refused. */
TEST(typed_secret_has_the_length_that_was_asked_for)
{
	struct job job;

	ASSERT_EQ(0, job_start(&job, "secmemctl run -n 4 true"));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	job_type(&job, "12345\n");
	EXPECT_EQ(ENDED(125), job_wait(&job));
	job_end(&job);
	ASSERT_EQ(0, job_start(&job, "secmemctl run -n 5 true"));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	job_type(&job, "12345\n");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	job_end(&job);
}

TEST(terminal_echoes_again_after_a_signal_that_kills)
{
	const int signals[] = { SIGINT,	 SIGQUIT, SIGTERM,  SIGHUP,    SIGALRM,
				SIGPIPE, SIGUSR1, SIGXCPU,  SIGVTALRM, SIGPROF,
				SIGIO,	 SIGABRT, SIGRTMIN, SIGRTMAX };
	struct job job;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		ASSERT_EQ(0, job_start(&job, "exec secmemctl run true"));
		ASSERT_TRUE(job_shows(&job, "Secret: "));
		EXPECT_FALSE(job_echoes(&job));
		job_type(&job, "half");
		if (signals[i] == SIGINT)
			job_type(&job, "\003");
		else
			kill(job.pid, signals[i]);
		EXPECT_EQ(signals[i], job_wait(&job) & 0x7f);
		EXPECT_TRUE(job_echoes(&job));
		EXPECT_EQ(NULL, strstr(job.shown, "half"));
		job_end(&job);
	}
}

TEST(terminal_echoes_while_the_job_is_stopped)
{
	struct job job;
	int i;

	ASSERT_EQ(0, job_start(&job, "exec secmemctl run sh -c "
				     "'test $(secmemctl cat) = hunter2'"));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(job_shows(&job, "Secret: "));
		EXPECT_FALSE(job_echoes(&job));
		job_type(&job, "half\032");
		EXPECT_EQ(SIGTSTP, WSTOPSIG(job_wait(&job)));
		EXPECT_TRUE(job_echoes(&job));
		ASSERT_EQ(1, write(job.orders, "", 1));
	}
	/* Half a line is not part of the line after it. */
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	EXPECT_FALSE(job_echoes(&job));
	job_type(&job, "hunter2\n");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	EXPECT_TRUE(job_echoes(&job));
	EXPECT_EQ(NULL, strstr(job.shown, "hunter2"));
	job_end(&job);
}

/* A process is not told of SIGSTOP; its shell then sets the terminal right. */
TEST(terminal_is_silent_again_after_a_stop_that_nobody_was_told)
{
	struct termios modes;
	struct job job;

	ASSERT_EQ(0, job_start(&job, "exec secmemctl run sh -c "
				     "'test $(secmemctl cat) = hunter2'"));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	kill(job.pid, SIGSTOP);
	EXPECT_EQ(SIGSTOP, WSTOPSIG(job_wait(&job)));
	ASSERT_EQ(0, tcgetattr(job.other, &modes));
	modes.c_lflag |= ECHO;
	ASSERT_EQ(0, tcsetattr(job.other, TCSANOW, &modes));
	ASSERT_EQ(1, write(job.orders, "", 1));
	ASSERT_TRUE(job_shows(&job, "Secret: "));
	EXPECT_FALSE(job_echoes(&job));
	job_type(&job, "hunter2\n");
	EXPECT_EQ(ENDED(0), job_wait(&job));
	EXPECT_EQ(NULL, strstr(job.shown, "hunter2"));
	job_end(&job);
}

/* Parses a value of JSON: where it ends, or NULL. */
static const char *json_value(const char *at);

static const char *json_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *json_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
			return NULL;
		if (*at == '\\' &&
		    (*++at != 'u' || strspn(at + 1, "0123456789abcdef") < 4))
			return NULL;
	}
	return at + 1;
}

static const char *json_list(const char *at, char end)
{
	at = json_space(at + 1);
	if (*at == end)
		return at + 1;
	for (;; at = json_space(at + 1)) {
		if (end == '}') {
			at = json_string(at);
			if (!at || *at++ != ':')
				return NULL;
		}
		at = json_value(at);
		if (!at)
			return NULL;
		at = json_space(at);
		if (*at == end)
			return at + 1;
		if (*at != ',')
			return NULL;
	}
}

static const char *json_value(const char *at)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i;

	at = json_space(at);
	if (*at == '{' || *at == '[')
		return json_list(at, *at + 2);
	if (*at == '"')
		return json_string(at);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncmp(at, words[i], strlen(words[i])))
			return at + strlen(words[i]);
	i = strspn(at, "0123456789");
	return i ? at + i : NULL;
}

static bool said_json(void)
{
	const char *end = json_value(output);

	return end && !strcmp(end, "\n");
}

/* status, stat */

TEST(status_tells_what_is_in_force)
{
	EXPECT_EQ(0, says("secmemctl status", ""));
	EXPECT_TRUE(said("\nunmapped       yes  "));
	EXPECT_TRUE(said("\nvaults         0\n"));
	EXPECT_TRUE(said("\ngrants         0\n"));
	EXPECT_EQ(1, says("secmemctl status >/dev/full 2>&1", ""));
	EXPECT_EQ(0, says("secmemctl status --json", ""));
	EXPECT_TRUE(said_json());
	EXPECT_TRUE(said("\"unmapped\": {\n      \"on\": true\n"));
	EXPECT_TRUE(said("\"vaults\": 0,\n"));
	EXPECT_EQ(1, says("secmemctl status --json >/dev/full 2>&1", ""));
}

TEST(json_is_json_whatever_a_label_has)
{
	EXPECT_EQ(0,
		  says("secmemctl run -l \"$(printf 'a\"\\\\\\001\\n\\377')\" "
		       "secmemctl stat --json",
		       text));
	EXPECT_TRUE(said_json());
	EXPECT_TRUE(
		said("\"label\": \"a\\u0022\\u005c\\u0001\\u000a\\u00ff\""));
	EXPECT_TRUE(said("\"state\": \"open\""));
	EXPECT_TRUE(said("\"length\": 28,"));
	/* Control: the parser does not accept everything. */
	strcpy(output, "{\"a\": 1,}\n");
	EXPECT_FALSE(said_json());
}

/* check */

TEST(check_says_by_its_status_what_is_in_force)
{
	EXPECT_EQ(0,
		  says("secmemctl check --require unmapped,canary 2>&1", ""));
	EXPECT_STREQ("", output);
	EXPECT_EQ(0, says("secmemctl status | grep -x 'secrets  *0'", ""));
	EXPECT_EQ(2, says("secmemctl check --require nonesuch 2>&1", ""));
	EXPECT_EQ(2, says("secmemctl check --require '' 2>&1", ""));
	EXPECT_EQ(2, says("secmemctl check x 2>&1", ""));
	EXPECT_EQ(2,
		  says("su stranger -s /bin/sh -c 'secmemctl check' 2>&1", ""));
	EXPECT_TRUE(said("/dev/secmem: Permission denied"));
	/* Where there is no room for a secret, the answer is no as well. */
	EXPECT_EQ(1, says("ulimit -l 0; exec su service -s /bin/sh -c "
			  "'secmemctl check -r unmapped' 2>&1",
			  ""));
	EXPECT_TRUE(said("RLIMIT_MEMLOCK allows 0\n"));
	ASSERT_EQ(0, sm_reload("directmap=off"));
	EXPECT_EQ(1, says("secmemctl check 2>&1", ""));
	EXPECT_TRUE(said("direct-map is not in force: switched off"));
	EXPECT_EQ(1, says("secmemctl check -r unmapped,direct-map 2>&1", ""));
	EXPECT_EQ(1,
		  says("secmemctl check -r direct-map -r unmapped 2>&1", ""));
	EXPECT_EQ(0, says("secmemctl check -r unmapped 2>&1", ""));
	ASSERT_EQ(0, sm_module_unload("secmem"));
	EXPECT_EQ(2, says("secmemctl check 2>&1", ""));
	EXPECT_TRUE(said("modprobe secmem"));
	ASSERT_EQ(0, sm_module_load(SM_MODULE, ""));
	/* The guest has no udev, which would set these. */
	ASSERT_EQ(0, says("chgrp secmem /dev/secmem && chmod 660 /dev/secmem",
			  ""));
}

/* list */

struct held {
	struct sm_vault v;
	uint64_t one, large;
};

static int hold(struct held *held)
{
	int error = sm_vault_open(&held->v);

	error = error ?: sm_create(held->v.fd, 1, &held->one);
	return error ?: sm_create(held->v.fd, SM_PAGE + 1, &held->large);
}

TEST(list_tells_owner_secrets_bytes_and_limit)
{
	char row[256];
	struct held held;

	ASSERT_EQ(0, says("secmemctl list", ""));
	EXPECT_EQ(NULL, strchr(strchr(output, '\n') + 1, '\n'));
	ASSERT_EQ(0, hold(&held));
	ASSERT_EQ(0, says("ulimit -l 64; secmemctl list | tr -s ' '", ""));
	/* The limit is the owner's, not that of the user who asks. */
	snprintf(row, sizeof(row), "\n %lu secmemctl_test[%d] 2 %zu 0 root ",
		 host_vault(held.v.fd), getpid(), 3 * SM_PAGE);
	EXPECT_TRUE(said(row))
	TH_LOG("%s: %s", row, output);
	EXPECT_FALSE(said(" of 65536 "));
	EXPECT_TRUE(said(" (RLIMIT_MEMLOCK)") || said(" of none\n"));
	EXPECT_FALSE(said("waits"));
	ASSERT_EQ(0, says("secmemctl list --json", ""));
	EXPECT_TRUE(said_json());
	EXPECT_TRUE(said("\"secrets\": 2,"));
	EXPECT_TRUE(said("\"hidden\": 0"));
	/* The vault of a secret that was given to a command is there, too. */
	ASSERT_EQ(0, says("secmemctl run secmemctl list", text));
	EXPECT_TRUE(said("secmemctl["));
	sm_vault_close(&held.v);
}

TEST(list_tells_who_waits_for_what)
{
	struct sm_call writer = {
		.call = SECMEM_IOC_ACQUIRE,
		.flags = SECMEM_WRITE,
		.deadline = SECMEM_FOREVER,
	};
	struct held held;
	char line[128];

	ASSERT_EQ(0, hold(&held));
	ASSERT_EQ(0, sm_acquire(held.v.fd, held.one, SECMEM_READ, NULL));
	writer.fd = held.v.fd;
	writer.handle = held.one;
	ASSERT_EQ(0, sm_call_start(&writer));
	ASSERT_EQ(0, sm_wait_waiters(held.v.fd, held.one, 1));
	/* A waiter is counted a moment before it sleeps. */
	do {
		ASSERT_EQ(0, says("secmemctl list", ""));
	} while (!said(" waits"));
	snprintf(line, sizeof(line), " of %d waits: ACQUIRE\n", getpid());
	EXPECT_TRUE(said(line))
	TH_LOG("%s", output);
	ASSERT_EQ(0, says("secmemctl list --json", ""));
	EXPECT_TRUE(said_json());
	EXPECT_TRUE(said("\"waiters\": 1,"));
	EXPECT_TRUE(said("\"call\": \"ACQUIRE\""));
	ASSERT_EQ(0, sm_release(held.v.fd, held.one));
	ASSERT_EQ(0, sm_call_finish(&writer));
	ASSERT_EQ(0, says("secmemctl list --json", ""));
	EXPECT_TRUE(said("\"waiters\": 0,"));
	EXPECT_FALSE(said("\"call\""));
	sm_vault_close(&held.v);
}

TEST(list_shows_a_user_its_own)
{
	struct held held;

	ASSERT_EQ(0, hold(&held));
	EXPECT_EQ(0, says("su service -s /bin/sh -c "
			  "'echo x | secmemctl run -- secmemctl list'",
			  ""));
	EXPECT_FALSE(said("secmemctl_test["));
	EXPECT_TRUE(said("secmemctl["));
	EXPECT_TRUE(said("\n1 more: of processes that this user may not"))
	TH_LOG("%s", output);
	sm_vault_close(&held.v);
}

/* revoke */

TEST(revoke_ends_the_vault_of_that_number)
{
	struct held held, other;
	char line[64];

	ASSERT_EQ(0, hold(&held));
	ASSERT_EQ(0, hold(&other));
	snprintf(line, sizeof(line), "secmemctl revoke %lu",
		 host_vault(held.v.fd));
	EXPECT_EQ(0, says(line, ""));
	EXPECT_EQ(-EKEYREVOKED, sm_create(held.v.fd, 1, &held.one));
	EXPECT_EQ(0, sm_close(other.v.fd, other.one));
	EXPECT_EQ(1, says("secmemctl revoke 99999999 2>&1", ""));
	EXPECT_TRUE(said("no vault has the number"));
	EXPECT_NE(0, says("secmemctl revoke x 2>&1", ""));
	EXPECT_NE(0, says("secmemctl revoke 2>&1", ""));
	sm_vault_close(&held.v);
	sm_vault_close(&other.v);
}

/* The command line */

TEST(wrong_usage_is_said_and_what_fails_is_not_called_so)
{
	static const struct {
		const char *line;
		int status;
	} wrong[] = {
		{ "", 1 },
		{ "nonesuch", 1 },
		{ "--nonesuch", 1 },
		{ "status x", 1 },
		{ "status -x", 1 },
		{ "run", 125 },
		{ "run -r sit x", 125 },
		{ "run -r create x", 125 },
		{ "run -r '' x", 125 },
		{ "run -f x x", 125 },
		{ "run -n 0 x", 125 },
		{ "run -n 1048577 x", 125 },
		{ "run -l 12345678901234567890123456789012 x", 125 },
		{ "stat 3 4", 1 },
		{ "stat --jason", 1 },
		{ "cat x y", 1 },
		{ "list x", 1 },
		{ "check x", 2 },
		{ "revoke 1 2", 1 },
	};
	static const char *const failing[] = {
		"cat", "cat NONESUCH", "stat", "stat 0", "stat 1000", "stat x",
	};
	char line[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(line, sizeof(line), "secmemctl %s 2>&1 >/dev/null",
			 wrong[i].line);
		EXPECT_EQ(wrong[i].status, says(line, ""));
		EXPECT_TRUE(said("\nTry 'secmemctl"))
		TH_LOG("%s: %s", line, output);
	}
	for (i = 0; i < ARRAY_SIZE(failing); i++) {
		snprintf(line, sizeof(line), "secmemctl %s 2>&1", failing[i]);
		EXPECT_EQ(1, says(line, ""));
		EXPECT_EQ(0, strncmp(output, "secmemctl: ", 11));
		EXPECT_FALSE(said("Try '"));
	}
}

TEST(help_leads_on)
{
	EXPECT_EQ(0, says("secmemctl --help", ""));
	EXPECT_EQ(0, strncmp(output, "\nUsage:\n secmemctl ", 19));
	EXPECT_TRUE(said("secmem-howto(7)"));
	EXPECT_EQ(0, says("secmemctl run --help", ""));
	EXPECT_TRUE(said("\nUsage:\n secmemctl run "));
	EXPECT_EQ(0, says("secmemctl -V", ""));
	EXPECT_EQ(0, strncmp(output, "secmemctl (libsecmem ", 21));
}

TEST_HARNESS_MAIN
