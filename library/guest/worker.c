// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Our side: starting the process, and serving it what it may have.
 */
#include "library/guest/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "library/guest/worker-protocol.h"
#include "util/text.h"

#define WORKER_MAX_FOUND 100000u

/* As say(), but a worker that has died is an answer, and no signal. */
static int send_all(int fd, const void *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const char *)buf + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return 0;
}

static int tell(int fd, const struct worker_head *head, const void *bytes)
{
	int r = send_all(fd, head, sizeof(*head));

	return r == 0 && head->bytes > 0 ? send_all(fd, bytes, head->bytes) : r;
}

int guest_worker_start(struct guest_worker **ret, struct error *err)
{
	cleanup_free struct guest_worker *worker = calloc(1, sizeof(*worker));
	pid_t self = getpid();
	int fds[2];

	if (!worker)
		return error_sys(err, ENOMEM, "looking into a disk");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, errno, "looking into a disk");
	/* What is still to be printed is printed once. */
	fflush(NULL);
	worker->pid = fork();
	if (worker->pid < 0) {
		int code = errno;

		close(fds[0]);
		close(fds[1]);
		return error_sys(err, code, "looking into a disk");
	}
	if (worker->pid == 0)
		worker_run(fds[1], self);
	close(fds[1]);
	worker->fd = fds[0];
	*ret = take_ptr(worker);
	return 0;
}

void guest_worker_end(struct guest_worker *worker)
{
	if (!worker)
		return;
	close(worker->fd);
	kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(worker);
}

struct session {
	struct guest_worker *worker;
	struct guest_disk *disk;
	bool strip;
	const struct identity_report *report;
	unsigned int reports;
	uint8_t *buf;     /* WORKER_MAX_BYTES and a NUL */
	struct error why; /* of the disk's latest failure */
};

static int died(struct error *err)
{
	return error_set(
		err, EREMOTEIO,
		"the process that looks into the disk died: what is on the disk is damaged, "
		"or made to do harm");
}

static int nonsense(struct error *err)
{
	return error_set(
		err, EREMOTEIO,
		"the process that looks into the disk says what makes no sense: what is on "
		"the disk is made to do harm");
}

static int serve(struct session *session, const struct worker_head *head, struct error *err)
{
	struct guest_disk *disk = session->disk;
	struct worker_head answer = { .kind = WORKER_DONE };
	int r;

	if (head->kind == WORKER_READ)
		r = disk->read(disk, session->buf, head->len, head->off, &session->why);
	else if (head->kind == WORKER_WRITE)
		r = disk->write(disk, session->buf, head->bytes, head->off, &session->why);
	else
		r = disk->zero(disk, head->len, head->off, &session->why);
	answer.off = (uint64_t)(int64_t)r;
	if (r == 0 && head->kind == WORKER_READ)
		answer.bytes = (uint32_t)head->len;
	return tell(session->worker->fd, &answer, session->buf) < 0 ? died(err) : 0;
}

static int hear(struct session *session, const struct worker_head *head, struct error *err)
{
	char *what = (char *)session->buf, *where;

	session->buf[head->bytes] = '\0';
	if (++session->reports > WORKER_MAX_FOUND)
		return error_set(err, E2BIG, "there is too much on the disk to be listed");
	if (head->kind == WORKER_NOTE) {
		session->report->note(session->report->arg, text_printable(what));
		return 0;
	}
	where = memchr(what, '\0', head->bytes);
	if (!where)
		return nonsense(err);
	session->report->found(session->report->arg, text_printable(what),
	                       text_printable(where + 1));
	return 0;
}

/* Is it something that the worker may ask for? */
static bool allowed(const struct session *session, const struct worker_head *head)
{
	uint64_t size = session->disk->size;

	switch (head->kind) {
	case WORKER_READ:
		return head->bytes == 0 && head->len <= WORKER_MAX_BYTES &&
		       range_inside(head->off, head->len, size);
	case WORKER_WRITE:
		return session->strip && range_inside(head->off, head->bytes, size);
	case WORKER_ZERO:
		return session->strip && head->bytes == 0 &&
		       range_inside(head->off, head->len, size);
	case WORKER_FOUND:
	case WORKER_NOTE:
		return head->bytes > 0;
	default:
		return head->kind == WORKER_END;
	}
}

static int look(struct session *session, struct error *err)
{
	int fd = session->worker->fd;
	struct worker_head head = { .kind = WORKER_START,
		                    .off = session->disk->size,
		                    .len = session->strip };
	int r = tell(fd, &head, NULL) < 0 ? died(err) : 0;

	while (r == 0) {
		if (worker_read(fd, &head, sizeof(head)) < 0)
			return died(err);
		if (head.bytes > WORKER_MAX_BYTES || !allowed(session, &head))
			return nonsense(err);
		if (head.bytes > 0 && worker_read(fd, session->buf, head.bytes) < 0)
			return died(err);
		if (head.kind == WORKER_END)
			break;
		r = head.kind == WORKER_FOUND || head.kind == WORKER_NOTE
		            ? hear(session, &head, err)
		            : serve(session, &head, err);
	}
	if (r < 0 || head.off == 0)
		return r;
	if ((int64_t)head.off > 0 || (int64_t)head.off < -4095)
		return nonsense(err);
	if (session->why.code != 0) {
		*err = session->why;
		return -err->code;
	}
	session->buf[head.bytes] = '\0';
	return error_set(err, (int)-(int64_t)head.off, "%s", text_printable((char *)session->buf));
}

int guest_worker_look(struct guest_worker *worker, struct guest_disk *disk, bool strip,
                      const struct identity_report *report, struct error *err)
{
	cleanup_free uint8_t *buf = malloc(WORKER_MAX_BYTES + 1);
	struct session session = {
		.worker = worker, .disk = disk, .strip = strip, .report = report, .buf = buf
	};
	struct error mine;

	if (!buf)
		return error_sys(err, ENOMEM, "looking into a disk");
	return look(&session, err ? err : &mine);
}
