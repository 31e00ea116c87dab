// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a vault after its user's end. A grant of the whole vault that is
 * bound a second time neither sees nor keeps what was made before; one that
 * nobody has used yet sees all at its first binding; a grant of one secret
 * keeps that through every binding.
 */
#include "peer.h"

#define LENGTH 100
#define ALL SECMEM_RIGHT_ALL
#define ALL_OF_ONE (SECMEM_RIGHT_ALL & ~SECMEM_RIGHT_CREATE)
#define VIEW (1 << 20)

/* Where peer_give() puts a file, in the peer. */
#define PEER_FILE 4

FIXTURE(rebind)
{
	int watch; /* a file that only asks for INFO */
	int file; /* the owner's file of the vault; not used here */
	struct peer owner;
	uint64_t kept, lost;
	int keeper; /* a grant of `kept`, with COMPARE; used here */
	unsigned char bytes[LENGTH];
};

static int create_by(struct peer *p, uint64_t *handle)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_CREATE,
		.length = LENGTH,
	};
	struct peer_tell tell = { 0 };
	int err = peer_ask(p, &ask, &tell);

	*handle = tell.handle;
	return err;
}

/* Has a peer export: the file that it made. */
static int export_by(struct peer *p, uint64_t handle, uint32_t rights, int *fd)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_EXPORT,
		.handle = handle,
		.rights = rights,
	};
	struct peer_tell tell = { 0 };
	int err = peer_send(p, &ask);

	*fd = -1;
	if (!err)
		err = peer_receive_fd(p, &tell, fd);
	return err ?: tell.result;
}

static int read_by(struct peer *p, uint64_t handle, const unsigned char *bytes)
{
	unsigned char read[LENGTH] = { 0 };
	int err = peer_copy(p, SECMEM_IOC_READ, handle, 0, read, LENGTH, NULL);

	return err ?: memcmp(read, bytes, LENGTH) ? -EILSEQ : 0;
}

static int write_by(struct peer *p, uint64_t handle, const unsigned char *bytes)
{
	unsigned char written[LENGTH];

	memcpy(written, bytes, LENGTH);
	return peer_copy(p, SECMEM_IOC_WRITE, handle, 0, written, LENGTH, NULL);
}

/* A peer that was handed a file, and has not used it. */
static int start_with(struct peer *p, int fd)
{
	int err = peer_start(p);

	return err ?: peer_give(p, fd);
}

/* Starts an owner with two secrets, one of which somebody else keeps. */
static int owner_begin(FIXTURE_DATA(rebind) * self)
{
	uint32_t equal;
	int err;

	self->file = sm_open();
	err = start_with(&self->owner, self->file);
	if (!err)
		err = create_by(&self->owner, &self->kept);
	if (!err)
		err = create_by(&self->owner, &self->lost);
	if (!err)
		err = write_by(&self->owner, self->kept, self->bytes);
	if (!err)
		err = write_by(&self->owner, self->lost, self->bytes);
	if (!err)
		err = export_by(&self->owner, self->kept, SECMEM_RIGHT_COMPARE,
				&self->keeper);
	return err   ?:
		       sm_compare(self->keeper, self->kept, self->bytes, LENGTH,
				  &equal);
}

static void owner_end(FIXTURE_DATA(rebind) * self)
{
	if (self->owner.pid)
		peer_kill(&self->owner);
	close(self->keeper);
	close(self->file);
}

FIXTURE_SETUP(rebind)
{
	size_t i;

	for (i = 0; i < LENGTH; i++)
		self->bytes[i] = i + 1;
	self->watch = sm_open();
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, owner_begin(self));
}

FIXTURE_TEARDOWN(rebind)
{
	owner_end(self);
	close(self->watch);
}

/* There are so many secrets. */
#define EXPECT_SECRETS(count)                             \
	do {                                              \
		struct secmem_info now;                   \
		EXPECT_EQ(0, sm_info(self->watch, &now)); \
		EXPECT_EQ(count, (int)now.secrets);       \
	} while (0)

/* The secret that the keeper's grant keeps is there, unchanged. */
#define EXPECT_KEPT                                                            \
	do {                                                                   \
		uint32_t equal = 0;                                            \
		struct secmem_status st;                                       \
		EXPECT_EQ(0, sm_compare(self->keeper, self->kept, self->bytes, \
					LENGTH, &equal));                      \
		EXPECT_EQ(1, equal);                                           \
		EXPECT_EQ(0, sm_stat(self->keeper, self->kept, &st));          \
		EXPECT_EQ(SECMEM_STATE_OPEN, st.state);                        \
		EXPECT_EQ(0, st.stat_flags);                                   \
		EXPECT_EQ(0, st.readers + st.writers);                         \
	} while (0)

/*
 * Makes every call on a secret that shall be as good as closed for the peer's
 * file: 0, or the number of the first call that says something else.
 */
static int as_good_as_closed(struct peer *p, uint64_t handle)
{
	static const struct {
		unsigned long nr;
		int result;
		uint32_t flags;
	} calls[] = {
		{ SECMEM_IOC_READ, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_WRITE, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_COMPARE, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_ACQUIRE, -EKEYREVOKED, SECMEM_READ },
		{ SECMEM_IOC_ACQUIRE, -EKEYREVOKED, SECMEM_WRITE },
		{ SECMEM_IOC_RELEASE, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_SEAL, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_EXPORT, -EKEYREVOKED, 0 },
		{ SECMEM_IOC_CLOSE, 0, SECMEM_NOWAIT },
		{ SECMEM_IOC_REVOKE, 0, 0 },
	};
	struct secmem_status closed = {
		.size = sizeof(closed),
		.handle = handle,
		.state = SECMEM_STATE_CLOSED,
	};
	struct peer_ask ask = { .what = PEER_CALL, .handle = handle };
	struct peer_tell tell;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ask.nr = calls[i].nr;
		ask.flags = calls[i].flags;
		ask.rights = SECMEM_RIGHT_READ;
		ask.length = LENGTH;
		if (peer_ask(p, &ask, &tell) != calls[i].result)
			return i + 1;
	}
	ask.nr = SECMEM_IOC_STAT;
	if (peer_ask(p, &ask, &tell) ||
	    memcmp(&tell.stat, &closed, sizeof(closed)))
		return i + 1;
	return 0;
}

/* How somebody comes by the owner's file, and how the owner ends. */
enum way {
	BY_FORK, /* a child of the owner, which exits */
	BY_FORK_EXEC, /* a child of the owner, which is another program then */
	BY_EXEC, /* the owner, another program, with its file */
	BY_RIGHTS, /* SCM_RIGHTS; the owner is killed */
	BY_GETFD, /* pidfd_getfd(2); the owner is killed */
	WAYS
};

/* The new user is there, and the old one is not. */
static int come_by(enum way way, struct peer *owner, int file, struct peer *p)
{
	struct peer_ask ask = { .what = PEER_FORK };
	int pidfd, fd, err, status;

	switch (way) {
	case BY_FORK:
	case BY_FORK_EXEC:
		ask.flags = way == BY_FORK_EXEC;
		err = peer_ask(owner, &ask, NULL);
		if (err)
			return err;
		if (waitpid(owner->pid, &status, WUNTRACED) != owner->pid)
			return -errno;
		if (way == BY_FORK ? !WIFEXITED(status) : !WIFSTOPPED(status))
			return -ECHILD;
		*p = *owner;
		return 0;
	case BY_EXEC:
		ask.what = PEER_EXEC;
		ask.flags = 1;
		*p = *owner;
		return peer_ask(p, &ask, NULL);
	case BY_GETFD:
		pidfd = syscall(SYS_pidfd_open, owner->pid, 0);
		fd = syscall(SYS_pidfd_getfd, pidfd, PEER_FILE, 0);
		err = fd < 0 ? -errno : start_with(p, fd);
		close(fd);
		close(pidfd);
		break;
	default:
		err = start_with(p, file);
	}
	if (!err && peer_kill(owner) != 128 + SIGKILL)
		err = -ECHILD;
	return err;
}

/* Ends what come_by() left, also a process that is stopped. */
static void leave(enum way way, struct peer *owner, struct peer *p)
{
	if (way == BY_FORK || way == BY_FORK_EXEC) {
		close(p->socket);
		if (way == BY_FORK_EXEC) {
			kill(owner->pid, SIGKILL);
			waitpid(owner->pid, NULL, 0);
		}
		/* The child was left to us, too. */
		waitpid(-1, NULL, 0);
	} else {
		peer_stop(p);
	}
	owner->pid = 0;
}

/*
 * Whoever binds a vault's file anew reaches nothing that was made before:
 * neither what ended with the owner nor what somebody else keeps. The file
 * still serves as a vault.
 */
TEST_F(rebind, file_bound_anew_reaches_nothing_older)
{
	struct peer p;
	uint64_t made;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (way) {
			owner_end(self);
			ASSERT_EQ(0, owner_begin(self));
		}
		/* The control: the owner may. */
		ASSERT_EQ(0, read_by(&self->owner, self->kept, self->bytes));
		EXPECT_SECRETS(2);
		ASSERT_EQ(0, come_by(way, &self->owner, self->file, &p))
		TH_LOG("way %d", way);
		EXPECT_SECRETS(1);
		EXPECT_EQ(0, as_good_as_closed(&p, self->kept))
		TH_LOG("way %d", way);
		EXPECT_EQ(0, as_good_as_closed(&p, self->lost))
		TH_LOG("way %d", way);
		EXPECT_KEPT;
		ASSERT_EQ(0, create_by(&p, &made));
		EXPECT_EQ(0, write_by(&p, made, self->bytes));
		EXPECT_EQ(0, read_by(&p, made, self->bytes));
		EXPECT_EQ(0, as_good_as_closed(&p, self->kept));
		EXPECT_SECRETS(2);
		leave(way, &self->owner, &p);
		EXPECT_SECRETS(1);
		EXPECT_KEPT;
	}
}

/* Each binding of a file begins without secrets. */
TEST_F(rebind, each_binding_begins_anew)
{
	uint64_t made, last = self->lost;
	struct peer p;
	int i, fd;

	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, start_with(&p, self->file));
		EXPECT_EQ(0, as_good_as_closed(&p, self->kept));
		EXPECT_EQ(0, as_good_as_closed(&p, last));
		ASSERT_EQ(0, create_by(&p, &made));
		/*
		 * The test keeps the secret, but the next user does not see it.
		 */
		ASSERT_EQ(0, export_by(&p, made, SECMEM_RIGHT_READ, &fd));
		ASSERT_EQ(0, read_by(&p, made, (unsigned char[LENGTH]){ 0 }));
		ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
		EXPECT_SECRETS(2);
		ASSERT_EQ(0, start_with(&p, self->file));
		EXPECT_EQ(0, as_good_as_closed(&p, made));
		ASSERT_EQ(0, peer_stop(&p));
		close(fd);
		EXPECT_SECRETS(1);
		last = made;
	}
	EXPECT_KEPT;
}

/*
 * In the view of a file bound anew, the place of an older secret shows nothing.
 */
TEST_F(rebind, view_of_a_file_bound_anew_shows_nothing_older)
{
	uint64_t offset, own, made;
	unsigned char byte;
	struct peer p;

	ASSERT_EQ(0, peer_map_view(&self->owner, VIEW, PROT_READ));
	ASSERT_EQ(0,
		  peer_acquire(&self->owner, self->kept, SECMEM_READ, &offset));
	/* The controls: open to the owner, and shut. */
	ASSERT_EQ(0, peer_touch(&self->owner, offset, 1, &byte));
	EXPECT_EQ(self->bytes[0], byte);
	ASSERT_EQ(0, peer_release(&self->owner, self->kept));
	ASSERT_EQ(SIGSEGV, peer_touch(&self->owner, offset, 1, NULL));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));

	ASSERT_EQ(0, start_with(&p, self->file));
	ASSERT_EQ(0, peer_map_view(&p, VIEW, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGBUS, peer_touch(&p, offset, 1, NULL));
	EXPECT_EQ(SIGBUS, peer_poke(&p, offset, 0, 1));
	/* The guard page does not tell how long the older secret is. */
	EXPECT_EQ(SIGBUS, peer_touch(&p, offset + LENGTH, 1, NULL));
	ASSERT_EQ(0, create_by(&p, &made));
	ASSERT_EQ(0, peer_acquire(&p, made, SECMEM_WRITE, &own));
	EXPECT_EQ(0, peer_poke(&p, own, 5, 1));
	EXPECT_EQ(0, peer_release(&p, made));
	EXPECT_EQ(SIGSEGV, peer_touch(&p, own, 1, NULL));
	ASSERT_EQ(0, peer_stop(&p));
	EXPECT_KEPT;
}

/*
 * Grants that a file bound anew exports reach no further than that file, also
 * those that nobody has used.
 */
TEST_F(rebind, export_of_a_file_bound_anew_reaches_no_further)
{
	struct peer p, heir, next;
	uint64_t made;
	int whole, fd;

	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	ASSERT_EQ(0, start_with(&p, self->file));
	ASSERT_EQ(-EKEYREVOKED,
		  export_by(&p, self->kept, SECMEM_RIGHT_READ, &fd));
	ASSERT_EQ(0, export_by(&p, SECMEM_HANDLE_NONE, ALL, &whole));
	ASSERT_EQ(0, create_by(&p, &made));
	ASSERT_EQ(0, write_by(&p, made, self->bytes));

	ASSERT_EQ(0, start_with(&heir, whole));
	EXPECT_EQ(0, as_good_as_closed(&heir, self->kept));
	EXPECT_EQ(0, read_by(&heir, made, self->bytes));
	/* Nor do grants that such a grant exports. */
	ASSERT_EQ(0, export_by(&heir, SECMEM_HANDLE_NONE, ALL, &fd));
	ASSERT_EQ(0, start_with(&next, fd));
	close(fd);
	EXPECT_EQ(0, as_good_as_closed(&next, self->kept));
	EXPECT_EQ(0, read_by(&next, made, self->bytes));
	ASSERT_EQ(0, peer_stop(&next));
	/* Bound anew, the heir's file is new again. */
	ASSERT_EQ(128 + SIGKILL, peer_kill(&heir));
	ASSERT_EQ(0, start_with(&heir, whole));
	EXPECT_EQ(0, as_good_as_closed(&heir, made));
	EXPECT_EQ(0, read_by(&p, made, self->bytes));
	ASSERT_EQ(0, peer_stop(&heir));
	ASSERT_EQ(0, peer_stop(&p));
	close(whole);
	EXPECT_KEPT;
}

/*
 * A grant of a vault that was exported and never used: its first user sees all.
 */
TEST_F(rebind, file_that_nobody_used_is_of_all_at_its_first_binding)
{
	struct peer p;
	int way, fd;

	for (way = 0; way < WAYS; way++) {
		if (way) {
			owner_end(self);
			ASSERT_EQ(0, owner_begin(self));
		}
		ASSERT_EQ(0, export_by(&self->owner, SECMEM_HANDLE_NONE, ALL,
				       &fd));
		/* A process that only carries the file does not use it. */
		ASSERT_EQ(0, start_with(&p, fd));
		ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
		EXPECT_SECRETS(2);
		self->owner = p;
		ASSERT_EQ(0, come_by(way, &self->owner, fd, &p))
		TH_LOG("way %d", way);
		close(fd);
		EXPECT_SECRETS(2);
		EXPECT_EQ(0, read_by(&p, self->kept, self->bytes))
		TH_LOG("way %d", way);
		EXPECT_EQ(0, read_by(&p, self->lost, self->bytes));
		leave(way, &self->owner, &p);
		EXPECT_SECRETS(1);
		EXPECT_KEPT;
	}
}

/*
 * A service leaves a file with its manager, is killed and started again, twice.
 * The manager, which is this test, never uses the file.
 */
TEST_F(rebind, service_is_restarted_with_an_unused_file_of_its_vault)
{
	int stored, next, life;
	struct peer p;

	ASSERT_EQ(0, export_by(&self->owner, SECMEM_HANDLE_NONE, ALL, &stored));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	for (life = 0; life < 2; life++) {
		EXPECT_SECRETS(2);
		ASSERT_EQ(0, start_with(&p, stored));
		EXPECT_EQ(0, read_by(&p, self->lost, self->bytes));
		EXPECT_EQ(0, read_by(&p, self->kept, self->bytes));
		/* It leaves another file for its next life. */
		ASSERT_EQ(0, export_by(&p, SECMEM_HANDLE_NONE, ALL, &next));
		ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
		close(stored);
		stored = next;
	}
	/* The third life leaves no file: the next one begins with nothing. */
	ASSERT_EQ(0, start_with(&p, stored));
	EXPECT_EQ(0, read_by(&p, self->lost, self->bytes));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
	EXPECT_SECRETS(1);
	ASSERT_EQ(0, start_with(&p, stored));
	EXPECT_EQ(0, as_good_as_closed(&p, self->lost));
	EXPECT_EQ(0, as_good_as_closed(&p, self->kept));
	ASSERT_EQ(0, peer_stop(&p));
	close(stored);
	EXPECT_KEPT;
}

TEST_F(rebind, service_is_restarted_with_its_own_file_to_begin_anew)
{
	uint64_t made;
	struct peer p;
	int life;

	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	for (life = 0; life < 2; life++) {
		EXPECT_SECRETS(1);
		ASSERT_EQ(0, start_with(&p, self->file));
		EXPECT_EQ(0, as_good_as_closed(&p, self->lost));
		EXPECT_EQ(0, as_good_as_closed(&p, self->kept));
		ASSERT_EQ(0, create_by(&p, &made));
		EXPECT_EQ(0, write_by(&p, made, self->bytes));
		EXPECT_EQ(0, read_by(&p, made, self->bytes));
		ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
	}
	EXPECT_KEPT;
}

TEST_F(rebind, service_is_restarted_with_the_file_of_one_secret)
{
	struct peer p;
	int stored, life;

	ASSERT_EQ(0, export_by(&self->owner, self->lost, ALL_OF_ONE, &stored));
	/* Even where the owner itself has used that grant before. */
	ASSERT_EQ(0, peer_give(&self->owner, stored));
	ASSERT_EQ(0, read_by(&self->owner, self->lost, self->bytes));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	for (life = 0; life < 2; life++) {
		EXPECT_SECRETS(2);
		ASSERT_EQ(0, start_with(&p, stored));
		EXPECT_EQ(0, read_by(&p, self->lost, self->bytes));
		ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
	}
	EXPECT_SECRETS(2);
	close(stored);
	EXPECT_SECRETS(1);
	EXPECT_KEPT;
}

/*
 * Two users of a vault: one has it since its beginning, one bound it anew. With
 * the first one ends what the second does not see, and nothing else.
 */
TEST_F(rebind, file_bound_anew_keeps_nothing_older)
{
	struct peer p;
	uint64_t made;
	int whole;

	ASSERT_EQ(0, export_by(&self->owner, SECMEM_HANDLE_NONE, ALL, &whole));
	ASSERT_EQ(0, start_with(&p, whole));
	ASSERT_EQ(0, read_by(&p, self->lost, self->bytes));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
	ASSERT_EQ(0, start_with(&p, whole));
	EXPECT_EQ(0, as_good_as_closed(&p, self->lost));
	EXPECT_EQ(0, as_good_as_closed(&p, self->kept));
	EXPECT_EQ(0, read_by(&self->owner, self->lost, self->bytes));
	/* Both see what either makes from now on. */
	ASSERT_EQ(0, create_by(&self->owner, &made));
	ASSERT_EQ(0, write_by(&self->owner, made, self->bytes));
	EXPECT_EQ(0, read_by(&p, made, self->bytes));
	EXPECT_SECRETS(3);
	ASSERT_EQ(128 + SIGKILL, peer_kill(&self->owner));
	EXPECT_SECRETS(2);
	EXPECT_EQ(0, read_by(&p, made, self->bytes));
	ASSERT_EQ(128 + SIGKILL, peer_kill(&p));
	EXPECT_SECRETS(1);
	close(whole);
	EXPECT_KEPT;
}

/*
 * Each secret ends with the last grant that sees it, in whatever order they
 * end.
 */
TEST_F(rebind, secret_ends_with_the_last_that_sees_it)
{
	static const int orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct peer p[3];
	uint64_t made[3];
	int whole[3], order, i, j, least;

	for (order = 0; order < (int)ARRAY_SIZE(orders); order++) {
		owner_end(self);
		ASSERT_EQ(0, owner_begin(self));
		/* p[0] is the owner; the others were bound anew, one by one. */
		for (i = 1; i < 3; i++) {
			ASSERT_EQ(0, export_by(&self->owner, SECMEM_HANDLE_NONE,
					       ALL, &whole[i]));
			ASSERT_EQ(0, start_with(&p[i], whole[i]));
			ASSERT_EQ(0, read_by(&p[i], self->lost, self->bytes));
			ASSERT_EQ(128 + SIGKILL, peer_kill(&p[i]));
		}
		p[0] = self->owner;
		for (i = 0; i < 3; i++) {
			if (i) {
				ASSERT_EQ(0, start_with(&p[i], whole[i]));
				ASSERT_EQ(-EKEYREVOKED,
					  read_by(&p[i], self->lost,
						  self->bytes));
			}
			ASSERT_EQ(0, create_by(&p[0], &made[i]));
		}
		/* kept, lost, and one that was made with each of them there. */
		EXPECT_SECRETS(5);
		self->owner.pid = 0;
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(128 + SIGKILL,
				  peer_kill(&p[orders[order][i]]));
			/* made[j] is seen by p[0] to p[j]; lost by p[0] */
			least = 3;
			for (j = i + 1; j < 3; j++)
				if (orders[order][j] < least)
					least = orders[order][j];
			EXPECT_SECRETS(1 + (3 - least) + !least);
		}
		close(whole[1]);
		close(whole[2]);
		EXPECT_KEPT;
	}
}

#define main harness_main
TEST_HARNESS_MAIN
#undef main

PEER_HARNESS_MAIN
