// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VMDK: VMware's "Virtual Disk Format 5.0".  A sparse file has a header with the mark KDMV and the
 * descriptor, a text, within; a descriptor alone names the files with the content ("extents").
 */
#include "cli/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/endian.h"
#include "machine/process.h"
#include "machine/unix-socket.h"
#include "util/io.h"

#define SECTOR          512u
#define DESCRIPTOR_MAX  (UINT32_C(1) << 20)
#define VDI_MARK        0xbeda107fu
#define END_PATIENCE_MS 10000

struct foreign {
	struct process server;
	char dir[32];
	struct image *image;
};

/* One line of a descriptor: is it about a file that is not beside this one? */
static bool names_elsewhere(const char *line)
{
	return strchr(line, '"') && strchr(line, '/') && strstr(line, "RW");
}

static int check_descriptor(char *text, const char *path, struct error *err)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *parent = strstr(line, "parentCID");
		const char *id = parent ? strchr(parent, '=') : NULL;

		if (id && strncasecmp(id + 1, "ffffffff", 8) != 0)
			return error_set(err, ENOTSUP,
			                 "%s: is a snapshot (VMDK) that needs its parent: make one "
			                 "file of both first",
			                 path);
		if (names_elsewhere(line))
			return error_set(err, EPERM,
			                 "%s: its content (VMDK) is in files of another folder",
			                 path);
	}
	return 0;
}

static int read_descriptor(int fd, const char *path, uint64_t off, uint64_t len, struct error *err)
{
	cleanup_free char *text = malloc(len + 1);
	int r = text ? pread_all(fd, text, len, off) : -ENOMEM;

	if (r < 0)
		return error_sys(err, -r, "%s", path);
	text[len] = '\0';
	return check_descriptor(text, path, err);
}

static int check_sparse(int fd, const char *path, const uint8_t head[SECTOR], uint64_t off,
                        uint64_t len, struct error *err)
{
	uint64_t at = load_le64(head + 28), sectors = load_le64(head + 36), bytes;

	if (load_le64(head + 12) == 0)
		return error_set(err, EBADMSG, "%s: is a VMDK without a size", path);
	if (sectors == 0)
		return 0;
	if (sectors > DESCRIPTOR_MAX / SECTOR || __builtin_mul_overflow(at, SECTOR, &at) ||
	    !range_inside(at, sectors * SECTOR, len))
		return error_set(err, EBADMSG, "%s: its descriptor (VMDK) is outside the file",
		                 path);
	bytes = sectors * SECTOR;
	return read_descriptor(fd, path, off + at, bytes, err);
}

int foreign_detect(const char *path, uint64_t off, uint64_t len, enum foreign_kind *ret,
                   struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[SECTOR] = { 0 };
	bool whole = len == 0;
	struct stat st;
	int r;

	*ret = FOREIGN_NONE;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (whole)
		len = (uint64_t)st.st_size;
	r = pread_all(fd, head, min_u64(sizeof(head), len), off);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	if (load_le32(head + 0x40) == VDI_MARK) {
		*ret = FOREIGN_VDI;
		return 0;
	}
	if (memcmp(head, "KDMV", 4) == 0) {
		*ret = FOREIGN_VMDK;
		return check_sparse(fd, path, head, off, len, err);
	}
	if (memcmp(head, "COWD", 4) == 0)
		return error_set(err, ENOTSUP, "%s: is a VMDK of VMware ESX 3 (COWD)", path);
	if (memcmp(head, "# Disk DescriptorFile", 21) != 0)
		return 0;
	if (!whole || len > DESCRIPTOR_MAX)
		return error_set(err, EBADMSG, "%s: its content (VMDK) is in other files", path);
	*ret = FOREIGN_VMDK;
	return read_descriptor(fd, path, 0, len, err);
}

/* What QEMU is to open, as its block layer wants it: no parent, whatever the file says. */
static json_t *description(const char *path, uint64_t off, uint64_t len, enum foreign_kind kind)
{
	json_t *file =
		json_pack("{s:s, s:s, s:b}", "driver", "file", "filename", path, "read-only", 1);

	if (len > 0)
		file = json_pack("{s:s, s:I, s:I, s:b, s:o}", "driver", "raw", "offset",
		                 (json_int_t)off, "size", (json_int_t)len, "read-only", 1, "file",
		                 file);
	if (kind == FOREIGN_VDI)
		return json_pack("{s:s, s:b, s:o}", "driver", "vdi", "read-only", 1, "file", file);
	return json_pack("{s:s, s:b, s:n, s:o}", "driver", "vmdk", "read-only", 1, "backing",
	                 "file", file);
}

static int start_server(struct foreign *foreign, const json_t *what, struct error *err)
{
	cleanup_free char *text = json_dumps(what, JSON_COMPACT);
	char socket[64], log[64];
	struct argv argv = { 0 };
	cleanup_close int fd = -1;
	int r;

	snprintf(socket, sizeof(socket), "%s/nbd", foreign->dir);
	snprintf(log, sizeof(log), "%s/log", foreign->dir);
	r = fd = unix_listen(socket, 0, err);
	if (r < 0)
		return r;
	argv_add(&argv, "qemu-nbd");
	argv_add(&argv, "--read-only");
	argv_add(&argv, "--persistent");
	argv_add(&argv, "--shared=16");
	argv_add(&argv, "json:%s", text ? text : "");
	r = process_start(
		&foreign->server, &argv,
		&(struct process_options){ .log = log, .death_signal = SIGKILL, .listen_fd = fd },
		err);
	argv_free(&argv);
	if (r == -ENOENT)
		error_set(err, ENOENT,
		          "qemu-nbd, which reads this format, is not there (package qemu-utils)");
	return r;
}

/* The last line that qemu-nbd wrote, when it has ended: why. */
static int explain(struct foreign *foreign, const char *path, struct error *err)
{
	struct pollfd ended = { .fd = foreign->server.pidfd, .events = POLLIN };
	cleanup_free char *log = NULL;
	char name[64], *last;
	size_t len;

	if (poll(&ended, 1, 1000) <= 0)
		return -err->code;
	snprintf(name, sizeof(name), "%s/log", foreign->dir);
	if (read_file(AT_FDCWD, name, 65536, &log, &len, NULL) < 0 || len == 0)
		return -err->code;
	if (log[len - 1] == '\n')
		log[len - 1] = '\0';
	last = strrchr(log, '\n');
	return error_set(err, EBADMSG, "%s: %s", path, last ? last + 1 : log);
}

static int open_served(struct foreign *foreign, const char *path, struct error *err)
{
	const struct image_options options = { .format = IMAGE_RAW };
	cleanup(source_close) struct source *file = NULL;
	struct error mine;
	char url[96];
	int r;

	if (!err)
		err = &mine;
	snprintf(url, sizeof(url), "nbd+unix:///?socket=%s/nbd", foreign->dir);
	r = source_open(url, NULL, &file, err);
	if (r < 0)
		return explain(foreign, path, err);
	/* The person knows the file, and not the socket. */
	free(file->name);
	file->name = strdup(path);
	if (!file->name)
		return error_sys(err, ENOMEM, "%s", path);
	r = image_open(file, &options, &foreign->image, err);
	if (r == 0)
		file = NULL;
	return r;
}

int foreign_open(const char *path, uint64_t off, uint64_t len, enum foreign_kind kind,
                 struct foreign **ret, struct error *err)
{
	cleanup(foreign_close) struct foreign *foreign = calloc(1, sizeof(*foreign));
	cleanup_free char *absolute = realpath(path, NULL);
	json_t *what;
	int r;

	if (!foreign)
		return error_sys(err, ENOMEM, "%s", path);
	foreign->server = (struct process)PROCESS_NONE;
	if (!absolute)
		return error_sys(err, errno, "%s", path);
	snprintf(foreign->dir, sizeof(foreign->dir), "/tmp/sill-image-XXXXXX");
	if (!mkdtemp(foreign->dir)) {
		foreign->dir[0] = '\0';
		return error_sys(err, errno, "/tmp");
	}
	what = description(absolute, off, len, kind);
	r = what ? start_server(foreign, what, err)
	         : error_set(err, EILSEQ, "%s: the name is not UTF-8", path);
	json_decref(what);
	if (r == 0)
		r = open_served(foreign, path, err);
	if (r == 0)
		*ret = take_ptr(foreign);
	return r;
}

struct image *foreign_image(struct foreign *foreign)
{
	return foreign->image;
}

void foreign_close(struct foreign *foreign)
{
	struct pollfd ended = { .events = POLLIN };
	char path[64];
	int status;

	if (!foreign)
		return;
	image_close(foreign->image);
	if (foreign->server.pid > 0) {
		process_signal(&foreign->server, SIGTERM);
		ended.fd = foreign->server.pidfd;
		if (poll(&ended, 1, END_PATIENCE_MS) <= 0)
			process_signal(&foreign->server, SIGKILL);
		process_reap(&foreign->server, &status);
	}
	if (foreign->dir[0]) {
		snprintf(path, sizeof(path), "%s/nbd", foreign->dir);
		unlink(path);
		snprintf(path, sizeof(path), "%s/log", foreign->dir);
		unlink(path);
		rmdir(foreign->dir);
	}
	free(foreign);
}
