/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A peer is another process, which makes the calls that it is asked for, on a
 * grant that it was sent. It inherits no file but its socket: so all that it
 * can do, it can do by that grant. peer_send() asks for a call that waits,
 * peer_receive() fetches its result.
 */
#ifndef SECMEM_PEER_H
#define SECMEM_PEER_H

#include <sys/resource.h>
#include <sys/socket.h>

#include "secmem_test.h"

enum peer_what {
	PEER_CALL, /* an ioctl: nr, handle, flags, deadline, data */
	PEER_PREAD,
	PEER_MAP, /* length, flags: PROT_* */
	PEER_UNMAP,
	PEER_TOUCH, /* offset in the view, length; result: signal */
	PEER_POKE,
	PEER_DROP, /* close the grant */
	PEER_EXEC, /* itself again; with flags set it keeps the grant */
	PEER_FORK, /* go on in a child, and exit; where flags is set exec a
		    * program that keeps nothing, and stop there
		    */
	PEER_FAULTS, /* length: the peer's faults so far */
	PEER_BECOME_USER, /* handle: uid */
	PEER_TIME, /* offset: moves CLOCK_MONOTONIC ahead, by seconds */
};

#define PEER_DATA 256

struct peer_ask {
	enum peer_what what;
	unsigned long nr;
	uint64_t handle;
	uint32_t flags;
	uint32_t rights;
	int64_t deadline;
	uint64_t offset;
	uint64_t length;
	unsigned char data[PEER_DATA];
};

struct peer_tell {
	int result; /* 0 or -errno; for touches, the signal */
	uint64_t handle;
	uint64_t offset;
	uint64_t length;
	uint32_t equal;
	struct secmem_status stat;
	unsigned char data[PEER_DATA];
};

struct peer {
	pid_t pid;
	int socket;
};

/* Sends a message, with a file unless fd is -1: 0 or -errno. */
static inline int peer_message_send(int socket, const void *message,
				    size_t length, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { (void *)(uintptr_t)message, length };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)length ? 0 :
								      -errno;
}

/*
 * Receives a message: 0 or -errno; *fd is -1 if no file came. -EPIPE: the other
 * end is closed.
 */
static inline int peer_message_receive(int socket, void *message, size_t length,
				       int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { message, length };
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)length)
		return n < 0 ? -errno : -EPIPE;
	*fd = -1;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return 0;
}

/* The peer's side. */

struct peer_self {
	int socket;
	int fd; /* the grant, or -1 */
	unsigned char *view;
	size_t view_length;
};

static inline void peer_call(struct peer_self *self, const struct peer_ask *ask,
			     struct peer_tell *tell, int *out)
{
	struct secmem_create_args create;
	struct secmem_acquire_args acquire;

	memcpy(tell->data, ask->data, sizeof(tell->data));
	switch (ask->nr) {
	case SECMEM_IOC_CREATE:
		tell->result = sm_create_as(self->fd, ask->length, 0, 0, NULL,
					    0, &create);
		tell->handle = create.handle;
		break;
	case SECMEM_IOC_ACQUIRE:
		tell->result = sm_acquire_at(self->fd, ask->handle, ask->flags,
					     ask->deadline, &acquire);
		tell->offset = acquire.offset;
		tell->length = acquire.length;
		break;
	case SECMEM_IOC_READ:
	case SECMEM_IOC_WRITE:
	case SECMEM_IOC_COMPARE:
		tell->result = sm_copy(self->fd, ask->nr, ask->handle,
				       ask->flags, ask->deadline, tell->data,
				       ask->offset, ask->length, &tell->equal);
		break;
	case SECMEM_IOC_STAT:
		tell->result = sm_stat(self->fd, ask->handle, &tell->stat);
		break;
	case SECMEM_IOC_EXPORT:
		tell->result =
			sm_export(self->fd, ask->handle, ask->rights, out);
		break;
	default:
		tell->result = sm_op(self->fd, ask->nr, ask->handle, ask->flags,
				     ask->deadline);
	}
}

static inline int peer_loop(struct peer_self *self);

static inline int peer_exec(struct peer_self *self, bool keep)
{
	char socket[16], fd[16];

	if (fcntl(self->socket, F_SETFD, 0) ||
	    (keep && fcntl(self->fd, F_SETFD, 0)))
		return -errno;
	snprintf(socket, sizeof(socket), "%d", self->socket);
	snprintf(fd, sizeof(fd), "%d", keep ? self->fd : -1);
	execl("/proc/self/exe", "peer", "--peer", socket, fd, NULL);
	return -errno;
}

static inline void peer_map(struct peer_self *self, const struct peer_ask *ask,
			    struct peer_tell *tell)
{
	void *view = sm_map(self->fd, ask->length, ask->flags);

	if (view == MAP_FAILED) {
		tell->result = -errno;
		return;
	}
	self->view = view;
	self->view_length = ask->length;
}

static inline int peer_become(uid_t uid)
{
	gid_t gid = uid;

	return setgroups(1, &gid) || setresgid(uid, uid, uid) ||
			       setresuid(uid, uid, uid) ?
		       -errno :
		       0;
}

/*
 * Goes on in a child whose CLOCK_MONOTONIC is ahead, or behind. The clock
 * cannot show a time before 0, so on a machine that was just booted this waits.
 */
static inline int peer_time(int64_t seconds)
{
	char text[64];
	ssize_t put = -1;
	int fd, err = 0;
	pid_t pid;

	if (unshare(CLONE_NEWTIME))
		return -errno;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "monotonic %lld 0", (long long)seconds);
	SM_WAIT_UNTIL((put = write(fd, text, strlen(text))) >= 0 ||
		      errno != ERANGE);
	if (put < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	pid = fork();
	if (pid > 0)
		_exit(0);
	return pid;
}

static inline void peer_do(struct peer_self *self, const struct peer_ask *ask,
			   struct peer_tell *tell, int *out)
{
	struct rusage usage;
	uint64_t i;
	pid_t pid;

	switch (ask->what) {
	case PEER_CALL:
		peer_call(self, ask, tell, out);
		break;
	case PEER_PREAD:
		tell->result = pread(self->fd, tell->data,
				     ask->length > sizeof(tell->data) ?
					     sizeof(tell->data) :
					     ask->length,
				     ask->offset);
		if (tell->result < 0)
			tell->result = -errno;
		break;
	case PEER_MAP:
		peer_map(self, ask, tell);
		break;
	case PEER_UNMAP:
		tell->result = munmap(self->view, self->view_length) ? -errno :
								       0;
		break;
	case PEER_TOUCH:
		for (i = 0; i < ask->length && !tell->result; i++)
			tell->result = sm_touch(self->view + ask->offset + i,
						&tell->data[i % PEER_DATA]);
		break;
	case PEER_POKE:
		for (i = 0; i < ask->length && !tell->result; i++)
			tell->result = sm_poke(self->view + ask->offset + i,
					       ask->data[i % PEER_DATA]);
		break;
	case PEER_DROP:
		tell->result = close(self->fd) ? -errno : 0;
		self->fd = -1;
		break;
	case PEER_EXEC:
		tell->result = peer_exec(self, ask->flags);
		break;
	case PEER_FORK:
		pid = fork();
		if (pid > 0 && ask->flags)
			execl("/proc/self/exe", "peer", "--stop", NULL);
		if (pid > 0)
			_exit(ask->flags);
		tell->result = pid;
		break;
	case PEER_FAULTS:
		getrusage(RUSAGE_SELF, &usage);
		tell->length = usage.ru_minflt + usage.ru_majflt;
		break;
	case PEER_BECOME_USER:
		tell->result = peer_become(ask->handle);
		break;
	case PEER_TIME:
		tell->result = peer_time(ask->offset);
		tell->offset = sm_now();
		break;
	}
}

static inline int peer_loop(struct peer_self *self)
{
	struct peer_tell tell;
	struct peer_ask ask;
	int fd = -1, out;

	/* The first answer says that the peer is there. */
	memset(&tell, 0, sizeof(tell));
	if (peer_message_send(self->socket, &tell, sizeof(tell), -1))
		return 2;
	for (;;) {
		if (peer_message_receive(self->socket, &ask, sizeof(ask), &fd))
			return 0;
		if (fd >= 0) {
			if (self->fd >= 0)
				close(self->fd);
			self->fd = fd;
		}
		memset(&tell, 0, sizeof(tell));
		out = -1;
		peer_do(self, &ask, &tell, &out);
		if (peer_message_send(self->socket, &tell, sizeof(tell), out))
			return 3;
		if (out >= 0)
			close(out);
	}
}

/* For main(), which a peer enters after PEER_EXEC: its exit status, or -1. */
static inline int peer_main(int argc, char **argv)
{
	struct peer_self self = { 0 };

	if (argc == 2 && !strcmp(argv[1], "--stop"))
		return raise(SIGSTOP);
	if (argc != 4 || strcmp(argv[1], "--peer"))
		return -1;
	self.socket = atoi(argv[2]);
	self.fd = atoi(argv[3]);
	return peer_loop(&self);
}

#define PEER_HARNESS_MAIN                           \
	int main(int argc, char **argv)             \
	{                                           \
		int status = peer_main(argc, argv); \
                                                    \
		if (status >= 0)                    \
			return status;              \
		return harness_main(argc, argv);    \
	}

/* The test's side. */

static inline int peer_send_fd(struct peer *p, const struct peer_ask *ask,
			       int fd)
{
	return peer_message_send(p->socket, ask, sizeof(*ask), fd);
}

static inline int peer_send(struct peer *p, const struct peer_ask *ask)
{
	return peer_send_fd(p, ask, -1);
}

static inline bool peer_has_answered(struct peer *p)
{
	struct pollfd poll_for = { .fd = p->socket, .events = POLLIN };

	return poll(&poll_for, 1, 0) > 0;
}

/* -ETIMEDOUT if the peer does not answer within SM_PATIENCE_MS. */
static inline int peer_receive_fd(struct peer *p, struct peer_tell *tell,
				  int *fd)
{
	struct pollfd poll_for = { .fd = p->socket, .events = POLLIN };
	int n;

	do
		n = poll(&poll_for, 1, SM_PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return peer_message_receive(p->socket, tell, sizeof(*tell), fd);
}

/* Added to the errno where a peer did not answer: no call has such a result. */
#define PEER_LOST (-10000)

static inline int peer_receive(struct peer *p, struct peer_tell *tell)
{
	struct peer_tell unused;
	int fd = -1, err;

	if (!tell)
		tell = &unused;
	err = peer_receive_fd(p, tell, &fd);
	if (fd >= 0 && !err)
		close(fd);
	return err ? PEER_LOST + err : tell->result;
}

static inline int peer_start(struct peer *p)
{
	struct peer_self self = { .fd = -1 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		self.socket = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
		if (self.socket != 3 && dup3(self.socket, 3, O_CLOEXEC) < 0)
			_exit(4);
		self.socket = 3;
		syscall(SYS_close_range, 4, ~0U, 0);
		_exit(peer_loop(&self));
	}
	close(pair[1]);
	p->socket = pair[0];
	return p->pid < 0 ? -errno : peer_receive(p, NULL);
}

/* Ends a peer: its exit status, or 128 plus the signal. */
static inline int peer_stop(struct peer *p)
{
	int status;

	close(p->socket);
	status = sm_reap(p->pid);
	p->pid = 0;
	return status;
}

static inline int peer_kill(struct peer *p)
{
	kill(p->pid, SIGKILL);
	return peer_stop(p);
}

static inline int peer_ask(struct peer *p, const struct peer_ask *ask,
			   struct peer_tell *tell)
{
	int err = peer_send(p, ask);

	return err ? PEER_LOST + err : peer_receive(p, tell);
}

/* Hands a grant over. The peer does not use it, so it answers nobody yet. */
static inline int peer_give(struct peer *p, int fd)
{
	struct peer_ask ask = { .what = PEER_FAULTS };
	int err = peer_send_fd(p, &ask, fd);

	return err ? PEER_LOST + err : peer_receive(p, NULL);
}

static inline int peer_op(struct peer *p, unsigned long nr, uint64_t handle)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = nr,
		.handle = handle,
		.deadline = nr == SECMEM_IOC_CLOSE ? SM_PATIENTLY : 0,
	};

	return peer_ask(p, &ask, NULL);
}

static inline int peer_acquire(struct peer *p, uint64_t handle, uint32_t flags,
			       uint64_t *offset)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = SECMEM_IOC_ACQUIRE,
		.handle = handle,
		.flags = flags,
		.deadline = SM_PATIENTLY,
	};
	struct peer_tell tell = { 0 };
	int err = peer_ask(p, &ask, &tell);

	if (!err && offset)
		*offset = tell.offset;
	return err;
}

static inline int peer_release(struct peer *p, uint64_t handle)
{
	return peer_op(p, SECMEM_IOC_RELEASE, handle);
}

static inline int peer_map_view(struct peer *p, uint64_t length, int prot)
{
	struct peer_ask ask = {
		.what = PEER_MAP,
		.length = length,
		.flags = prot,
	};

	return peer_ask(p, &ask, NULL);
}

static inline int peer_just(struct peer *p, enum peer_what what)
{
	struct peer_ask ask = { .what = what };

	return peer_ask(p, &ask, NULL);
}

/*
 * Reads bytes of the peer's view into data: 0, or the signal that a touch
 * raised.
 */
static inline int peer_touch(struct peer *p, uint64_t offset, uint64_t length,
			     unsigned char *data)
{
	struct peer_ask ask = {
		.what = PEER_TOUCH,
		.offset = offset,
		.length = length,
	};
	struct peer_tell tell = { 0 };
	int err = peer_ask(p, &ask, &tell);

	if (!err && data)
		memcpy(data, tell.data,
		       length < PEER_DATA ? length : PEER_DATA);
	return err;
}

static inline int peer_poke(struct peer *p, uint64_t offset, unsigned char byte,
			    uint64_t length)
{
	struct peer_ask ask = {
		.what = PEER_POKE,
		.offset = offset,
		.length = length,
	};

	memset(ask.data, byte, sizeof(ask.data));
	return peer_ask(p, &ask, NULL);
}

/* READ, WRITE or COMPARE of up to PEER_DATA bytes. */
static inline int peer_copy(struct peer *p, unsigned long nr, uint64_t handle,
			    uint32_t flags, unsigned char *data,
			    uint64_t length, uint32_t *equal)
{
	struct peer_ask ask = {
		.what = PEER_CALL,
		.nr = nr,
		.handle = handle,
		.flags = flags,
		.deadline = SM_PATIENTLY,
		.length = length,
	};
	struct peer_tell tell = { 0 };
	int err;

	memcpy(ask.data, data, length);
	err = peer_ask(p, &ask, &tell);
	if (nr == SECMEM_IOC_READ && !err)
		memcpy(data, tell.data, length);
	if (equal)
		*equal = tell.equal;
	return err;
}

/* A peer with a grant of its own and a view of it: 0 or -errno. */
static inline int peer_start_with(struct peer *p, int fd, uint64_t handle,
				  uint32_t rights, uint64_t view)
{
	int grant, err;

	err = sm_export(fd, handle, rights, &grant);
	if (err)
		return err;
	err = peer_start(p);
	if (!err)
		err = peer_give(p, grant);
	close(grant);
	if (!err && view)
		err = peer_map_view(p, view,
				    rights & SECMEM_RIGHT_WRITE ?
					    PROT_READ | PROT_WRITE :
					    PROT_READ);
	return err;
}

#endif /* SECMEM_PEER_H */
