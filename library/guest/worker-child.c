// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process that looks: it locks itself up, and then reads what a guest wrote.
 */
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
#include <unistd.h>

#include <seccomp.h>

#include "library/guest/worker-protocol.h"
#include "library/guest/worker.h"
#include "util/io.h"

#define WORKER_MEMORY  (4 * GIB)
#define WORKER_SECONDS 900 /* of processor time */

int worker_read(int fd, void *buf, size_t len)
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

static int say(int fd, const struct worker_head *head, const void *bytes)
{
	int r = write_all(fd, head, sizeof(*head));

	return r == 0 && head->bytes > 0 ? write_all(fd, bytes, head->bytes) : r;
}

struct remote_disk {
	struct guest_disk disk;
	int fd;
};

/* Whoever cannot ask any more has nothing to do. */
static int ask(struct remote_disk *remote, const struct worker_head *request, const void *bytes,
               void *answer, struct error *err)
{
	struct worker_head head;

	if (say(remote->fd, request, bytes) < 0 || worker_read(remote->fd, &head, sizeof(head)) < 0)
		_exit(1);
	if ((int64_t)head.off < 0)
		return error_set(err, (int)-(int64_t)head.off, "reading the disk failed");
	return head.bytes > 0 && worker_read(remote->fd, answer, head.bytes) < 0 ? -EIO : 0;
}

static int remote_read(struct guest_disk *disk, void *buf, size_t len, uint64_t off,
                       struct error *err)
{
	struct remote_disk *remote = container_of(disk, struct remote_disk, disk);
	int r = 0;

	for (size_t at = 0, n; at < len && r == 0; at += n) {
		n = min_u64(len - at, WORKER_MAX_BYTES);
		r = ask(remote,
		        &(struct worker_head){ .kind = WORKER_READ, .off = off + at, .len = n },
		        NULL, (char *)buf + at, err);
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
		        &(struct worker_head){
				.kind = WORKER_WRITE, .bytes = (uint32_t)n, .off = off + at },
		        (const char *)buf + at, NULL, err);
	}
	return r;
}

static int remote_zero(struct guest_disk *disk, uint64_t len, uint64_t off, struct error *err)
{
	struct remote_disk *remote = container_of(disk, struct remote_disk, disk);

	return ask(remote, &(struct worker_head){ .kind = WORKER_ZERO, .off = off, .len = len },
	           NULL, NULL, err);
}

static void remote_found(void *arg, const char *what, const char *where)
{
	struct remote_disk *remote = arg;
	char text[8192];
	int n = snprintf(text, sizeof(text), "%s%c%s", what, '\0', where);
	struct worker_head head = { .kind = WORKER_FOUND };

	head.bytes = (uint32_t)min_u64((uint64_t)n, sizeof(text) - 1) + 1;
	if (say(remote->fd, &head, text) < 0)
		_exit(1);
}

static void remote_note(void *arg, const char *text)
{
	struct remote_disk *remote = arg;

	if (say(remote->fd,
	        &(struct worker_head){ .kind = WORKER_NOTE, .bytes = (uint32_t)strlen(text) + 1 },
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

void worker_run(int fd, pid_t parent)
{
	struct remote_disk remote = { .disk = { .read = remote_read } };
	const struct identity_report report = { .found = remote_found,
		                                .note = remote_note,
		                                .arg = &remote };
	struct error err = { 0 };
	struct worker_head head;
	int r;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	lock_up(fd);
	if (worker_read(remote.fd, &head, sizeof(head)) < 0 || head.kind != WORKER_START)
		_exit(1);
	remote.disk.size = head.off;
	if (head.len) {
		remote.disk.write = remote_write;
		remote.disk.zero = remote_zero;
	}
	r = identity_look(&remote.disk, head.len != 0, &report, &err);
	head = (struct worker_head){ .kind = WORKER_END, .off = (uint64_t)(int64_t)r };
	head.bytes = r < 0 ? (uint32_t)strlen(err.text) + 1 : 0;
	say(remote.fd, &head, err.text);
	_exit(0);
}
