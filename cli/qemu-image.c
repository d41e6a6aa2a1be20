// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VHDX, qcow2 and VMDK files, written by QEMU's own tools.
 *
 * qemu-img makes an empty image under a passing name; qemu-nbd opens it, and what the common code
 * reads goes there over a private socket (libnbd starts and ends it).  A new image is zero
 * everywhere, so only what is not zero is sent.  When the flush has been answered all of it is in
 * the file, and the file gets its name.
 *
 * A compressed file is made of that one by `qemu-img convert`, which stores clusters in their
 * order; the filter of QEMU's that compresses what is written to qemu-nbd wants whole clusters, and
 * a disk made of them.  So there has to be room for both files for a while.
 */
#include "cli/qemu-image.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libnbd.h>

#include "base/bits.h"

/* Zeros are left out in runs of whole pieces of this size: qcow2's clusters. */
#define PIECE (64 * KIB)

struct qemu_writer {
	struct writer writer;
	struct nbd_handle *nbd;
	char *plain; /* what is to be compressed in the end; NULL: nothing is */
	bool vmdk;   /* and becomes a VMDK */
	char *passing;
};

static int nbd_failed(struct qemu_writer *qemu, struct error *err)
{
	int code = nbd_get_errno();

	return error_set(err, code ? code : EIO, "%s: qemu-nbd: %s", output_path(qemu->writer.out),
	                 nbd_get_error());
}

static int qemu_write(struct writer *writer, const uint8_t *buf, size_t len, uint64_t off,
                      struct error *err)
{
	struct qemu_writer *qemu = container_of(writer, struct qemu_writer, writer);
	size_t start = 0, n;

	for (size_t at = 0; at < len; at += n) {
		n = min_u64(len - at, PIECE);
		if (!is_zero(buf + at, n))
			continue;
		if (at > start &&
		    nbd_pwrite(qemu->nbd, buf + start, at - start, off + start, 0) < 0)
			return nbd_failed(qemu, err);
		start = at + n;
	}
	if (len > start && nbd_pwrite(qemu->nbd, buf + start, len - start, off + start, 0) < 0)
		return nbd_failed(qemu, err);
	return 0;
}

/* Run a program to its end; what it says of an error goes to the person. */
static int run_program(const char *const *words, struct error *err)
{
	pid_t pid, ended;
	int status, r;

	r = posix_spawnp(&pid, words[0], NULL, NULL, (char *const *)words, environ);
	if (r != 0)
		return error_sys(err, r, "%s, which writes this format (package qemu-utils)",
		                 words[0]);
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	if (ended < 0)
		return error_sys(err, errno, "%s", words[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, EIO, "%s failed", words[0]);
	return 0;
}

static int compress(const struct qemu_writer *qemu, struct error *err)
{
	const char *const qcow2[] = {
		"qemu-img",  "convert",     "-c", "-O", "qcow2", "-o", "compression_type=zstd",
		qemu->plain, qemu->passing, NULL
	};
	const char *const vmdk[] = { "qemu-img",  "convert",     "-O",
		                     "vmdk",      "-o",          "subformat=streamOptimized",
		                     qemu->plain, qemu->passing, NULL };

	return run_program(qemu->vmdk ? vmdk : qcow2, err);
}

static int qemu_finish(struct writer *writer, uint64_t *ret_size, struct error *err)
{
	struct qemu_writer *qemu = container_of(writer, struct qemu_writer, writer);
	int r;

	if (nbd_flush(qemu->nbd, 0) < 0 || nbd_shutdown(qemu->nbd, 0) < 0)
		return nbd_failed(qemu, err);
	/* Waits for qemu-nbd, which closes the image first. */
	nbd_close(qemu->nbd);
	qemu->nbd = NULL;
	r = qemu->plain ? compress(qemu, err) : 0;
	return r < 0 ? r : output_size(writer->out, ret_size, err);
}

static void qemu_close(struct writer *writer)
{
	struct qemu_writer *qemu = container_of(writer, struct qemu_writer, writer);

	nbd_close(qemu->nbd);
	if (qemu->plain)
		unlink(qemu->plain);
	free(qemu->plain);
	free(qemu->passing);
	free(qemu);
}

static const struct writer_ops qemu_writer_ops = {
	.write = qemu_write,
	.finish = qemu_finish,
	.close = qemu_close,
};

/* An empty image at `path`. */
static int create_image(const char *path, const char *format, const char *subformat, uint64_t size,
                        struct error *err)
{
	char bytes[24], option[64];
	const char *words[] = { "qemu-img", "create", "-q", "-f", format,
		                path,       bytes,    NULL, NULL, NULL };

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	if (subformat) {
		snprintf(option, sizeof(option), "subformat=%s", subformat);
		words[7] = "-o";
		words[8] = option;
	}
	return run_program(words, err);
}

static int open_writer(struct output *out, const char *path, const char *subformat, bool vmdk,
                       const struct convert_options *options, uint64_t size, struct writer **ret,
                       struct error *err)
{
	char *words[] = { (char *)"qemu-nbd",
		          (char *)"--format",
		          (char *)image_format_name(options->format),
		          (char *)"--cache=writeback",
		          (char *)path,
		          NULL };
	cleanup(writer_close) struct writer *writer = NULL;
	struct qemu_writer *qemu = calloc(1, sizeof(*qemu));
	int r;

	if (!qemu)
		return error_set(err, ENOMEM, "%s: no memory to write it", output_path(out));
	qemu->writer = (struct writer){ .ops = &qemu_writer_ops, .out = out, .size = size };
	writer = &qemu->writer;
	qemu->vmdk = vmdk;
	if (options->compress) {
		qemu->passing = strdup(path);
		if (!qemu->passing || asprintf(&qemu->plain, "%s-plain", path) < 0)
			return error_set(err, ENOMEM, "%s: no memory to write it",
			                 output_path(out));
		words[4] = qemu->plain;
	}
	r = create_image(words[4], words[2], subformat, size, err);
	if (r < 0)
		return r;
	qemu->nbd = nbd_create();
	if (!qemu->nbd || nbd_connect_systemd_socket_activation(qemu->nbd, words) < 0)
		return nbd_failed(qemu, err);
	*ret = take_ptr(writer);
	return 0;
}

static int convert(struct image *image, const char *path, const char *subformat, bool vmdk,
                   const struct convert_options *options, struct convert_result *ret,
                   struct error *err)
{
	cleanup(output_close) struct output *out = NULL;
	cleanup(writer_close) struct writer *writer = NULL;
	cleanup_free char *passing = NULL;
	int r;

	r = output_open_passing(path, options->force, &out, err);
	if (r == 0)
		r = output_passing_path(out, &passing, err);
	if (r == 0)
		r = open_writer(out, passing, subformat, vmdk, options, image->size, &writer, err);
	return r == 0 ? image_write_out(image, out, writer, options, ret, err) : r;
}

int qemu_image_convert(struct image *image, const char *path, const char *subformat,
                       const struct convert_options *options, struct convert_result *ret,
                       struct error *err)
{
	return convert(image, path, subformat, false, options, ret, err);
}

int qemu_vmdk_convert(struct image *image, const char *path, const struct convert_options *options,
                      struct convert_result *ret, struct error *err)
{
	struct convert_options mine = *options;

	/* qemu-nbd cannot write into the compressed kind, which is the one for exchange. */
	mine.format = IMAGE_QCOW2;
	mine.compress = true;
	return convert(image, path, NULL, true, &mine, ret, err);
}
