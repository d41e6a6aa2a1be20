// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages have a head and, some of them, bytes behind it.
 *
 *   to the worker     START size, flags                answers: DONE off = bytes or -errno, bytes
 *   from the worker   READ off, len   WRITE off, len, bytes   ZERO off, len: each is answered
 *                     FOUND texts   NOTE text                 END off = 0 or -errno, sentence
 */
#include "library/guest/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/bits.h"
#include "util/io.h"
#include "util/text.h"

#define WORKER_MAX_BYTES MIB /* of one message */
#define WORKER_MAX_FOUND 100000u
#define WORKER_MEMORY    (4 * GIB)
#define WORKER_SECONDS   900 /* of processor time */

enum kind { START = 1, DONE, READ, WRITE, ZERO, FOUND, NOTE, END };

struct head {
	uint32_t kind;
	uint32_t bytes; /* behind this */
	uint64_t off;
	uint64_t len;
};

struct guest_worker {
	pid_t pid;
	int fd;
};

static int read_all(int fd, void *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = read(fd, (char *)buf + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += (size_t)n;
	}
	return 0;
}

/* ---- in the worker ---- */

static int say(int fd, const struct head *head, const void *bytes)
{
	int r = write_all(fd, head, sizeof(*head));

	return r == 0 && head->bytes > 0 ? write_all(fd, bytes, head->bytes) : r;
}

struct remote_disk {
	struct guest_disk disk;
	int fd;
};

/* Whoever cannot ask any more has nothing to do. */
static int ask(struct remote_disk *remote, const struct head *request, const void *bytes,
               void *answer, struct error *err)
{
	struct head head;

	if (say(remote->fd, request, bytes) < 0 || read_all(remote->fd, &head, sizeof(head)) < 0)
		_exit(1);
	if ((int64_t)head.off < 0)
		return error_set(err, (int)-(int64_t)head.off, "reading the disk failed");
	return head.bytes > 0 && read_all(remote->fd, answer, head.bytes) < 0 ? -EIO : 0;
}

static int remote_read(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
                       struct error *err)
{
	struct remote_disk *remote = container_of(disk, struct remote_disk, disk);
	int r = 0;

	for (size_t at = 0, n; at < len && r == 0; at += n) {
		n = min_u64(len - at, WORKER_MAX_BYTES);
		r = ask(remote, &(struct head){ .kind = READ, .off = off + at, .len = n }, NULL,
		        (char *)buf + at, err);
	}
	return r;
}

static int remote_write(struct guest_disk *disk, const void *buf, size_t len, uint64_t off,
                        struct error *err)
{
	struct remote_disk *remote = container_of(disk, struct remote_disk, disk);
	int r = 0;

	for (size_t at = 0, n; at < len && r == 0; at += n) {
		n = min_u64(len - at, WORKER_MAX_BYTES);
		r = ask(remote,
		        &(struct head){ .kind = WRITE, .bytes = (uint32_t)n, .off = off + at },
		        (const char *)buf + at, NULL, err);
	}
	return r;
}

static int remote_zero(struct guest_disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	struct remote_disk *remote = container_of(disk, struct remote_disk, disk);

	return ask(remote, &(struct head){ .kind = ZERO, .off = off, .len = len }, NULL, NULL, err);
}

static void remote_found(void *arg, const char *what, const char *where)
{
	struct remote_disk *remote = arg;
	char text[8192];
	int n = snprintf(text, sizeof(text), "%s%c%s", what, '\0', where);
	struct head head = { .kind = FOUND };

	head.bytes = (uint32_t)min_u64((uint64_t)n, sizeof(text) - 1) + 1;
	if (say(remote->fd, &head, text) < 0)
		_exit(1);
}

static void remote_note(void *arg, const char *text)
{
	struct remote_disk *remote = arg;

	if (say(remote->fd, &(struct head){ .kind = NOTE, .bytes = (uint32_t)strlen(text) + 1 },
	        text) < 0)
		_exit(1);
}

static int allow(scmp_filter_ctx filter)
{
	static const int calls[] = {
		SCMP_SYS(read),         SCMP_SYS(write),   SCMP_SYS(brk),        SCMP_SYS(munmap),
		SCMP_SYS(mremap),       SCMP_SYS(madvise), SCMP_SYS(exit_group), SCMP_SYS(exit),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(futex),
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(calls) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	/* Memory, and none that could be run. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
		                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
		                     SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		                     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* Asking the time is refused rather than deadly: libext2fs wants dates for what it writes. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clock_gettime), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(gettimeofday), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(time), 0);
	return r;
}

static void limit(int what, rlim_t to)
{
	const struct rlimit limit = { .rlim_cur = to, .rlim_max = to };

	if (setrlimit((__rlimit_resource_t)what, &limit) < 0)
		_exit(1);
}

/* Bytes of addresses that this process has already: a sanitizer's are terabytes. */
static rlim_t memory_now(void)
{
	cleanup_free char *text = NULL;
	size_t len;

	if (read_file(AT_FDCWD, "/proc/self/statm", 4096, &text, &len, NULL) < 0)
		return 0;
	return (rlim_t)strtoull(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* From here on there is one descriptor, memory, and time. */
static void lock_up(int fd)
{
	rlim_t memory = memory_now();
	scmp_filter_ctx filter;

	if (dup2(fd, 0) < 0 || close_range(1, ~0U, 0) < 0)
		_exit(1);
	limit(RLIMIT_AS, memory + WORKER_MEMORY);
	limit(RLIMIT_CPU, WORKER_SECONDS);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_NOFILE, 0);
	limit(RLIMIT_NPROC, 0);
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(1);
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter || allow(filter) < 0 || seccomp_load(filter) < 0)
		_exit(1);
	seccomp_release(filter);
}

static void __attribute__((noreturn)) work(int fd, pid_t parent)
{
	struct remote_disk remote = { .disk = { .read = remote_read } };
	const struct identity_report report = { .found = remote_found,
		                                .note = remote_note,
		                                .arg = &remote };
	struct error err = { 0 };
	struct head head;
	int r;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	lock_up(fd);
	if (read_all(remote.fd, &head, sizeof(head)) < 0 || head.kind != START)
		_exit(1);
	remote.disk.size = head.off;
	if (head.len) {
		remote.disk.write = remote_write;
		remote.disk.zero = remote_zero;
	}
	r = identity_look(&remote.disk, head.len != 0, &report, &err);
	head = (struct head){ .kind = END, .off = (uint64_t)(int64_t)r };
	head.bytes = r < 0 ? (uint32_t)strlen(err.text) + 1 : 0;
	say(remote.fd, &head, err.text);
	_exit(0);
}

/* ---- here ---- */

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

static int tell(int fd, const struct head *head, const void *bytes)
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
		work(fds[1], self);
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

static int serve(struct session *session, const struct head *head, struct error *err)
{
	struct guest_disk *disk = session->disk;
	struct head answer = { .kind = DONE };
	int r;

	if (head->kind == READ)
		r = disk->read(disk, session->buf, head->len, head->off, &session->why);
	else if (head->kind == WRITE)
		r = disk->write(disk, session->buf, head->bytes, head->off, &session->why);
	else
		r = disk->zero(disk, head->len, head->off, &session->why);
	answer.off = (uint64_t)(int64_t)r;
	if (r == 0 && head->kind == READ)
		answer.bytes = (uint32_t)head->len;
	return tell(session->worker->fd, &answer, session->buf) < 0 ? died(err) : 0;
}

static int hear(struct session *session, const struct head *head, struct error *err)
{
	char *what = (char *)session->buf, *where;

	session->buf[head->bytes] = '\0';
	if (++session->reports > WORKER_MAX_FOUND)
		return error_set(err, E2BIG, "there is too much on the disk to be listed");
	if (head->kind == NOTE) {
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
static bool allowed(const struct session *session, const struct head *head)
{
	uint64_t size = session->disk->size;

	switch (head->kind) {
	case READ:
		return head->bytes == 0 && head->len <= WORKER_MAX_BYTES &&
		       range_inside(head->off, head->len, size);
	case WRITE:
		return session->strip && range_inside(head->off, head->bytes, size);
	case ZERO:
		return session->strip && head->bytes == 0 &&
		       range_inside(head->off, head->len, size);
	case FOUND:
	case NOTE:
		return head->bytes > 0;
	default:
		return head->kind == END;
	}
}

static int look(struct session *session, struct error *err)
{
	int fd = session->worker->fd;
	struct head head = { .kind = START, .off = session->disk->size, .len = session->strip };
	int r = tell(fd, &head, NULL) < 0 ? died(err) : 0;

	while (r == 0) {
		if (read_all(fd, &head, sizeof(head)) < 0)
			return died(err);
		if (head.bytes > WORKER_MAX_BYTES || !allowed(session, &head))
			return nonsense(err);
		if (head.bytes > 0 && read_all(fd, session->buf, head.bytes) < 0)
			return died(err);
		if (head.kind == END)
			break;
		r = head.kind == FOUND || head.kind == NOTE ? hear(session, &head, err)
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
