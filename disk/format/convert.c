// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Converting: several threads read, one writes, in order (util/pipeline.h).
 *
 * The disk is cut into tasks in rising order: a long run that the map knows to be zero is one task
 * that nobody reads; elsewhere a task is the rest of a megabyte.  So a far source is asked for
 * several megabytes at once, and memory is bounded by the ring of slots.
 */
#include "disk/format/convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "util/clock.h"
#include "util/pipeline.h"

#define PIECE           MIB
#define DEFAULT_THREADS 8
#define PROGRESS_NS     (100 * NS_PER_MS)

struct task {
	bool zero;
	uint64_t off, len;
	int code; /* of the map, while it is cut */
	struct error err;
	uint8_t *buf;                /* PIECE bytes */
	struct source_cancel cancel; /* ends map and read when the conversion ends early */
};

struct convert {
	struct image *image;
	const struct convert_options *options;
	uint64_t next; /* first byte of the disk that no task covers yet; while cutting */
	uint64_t done; /* bytes written; this and the next are the calling thread's */
	uint64_t told; /* when progress was called */
};

/* Cut the next task off the disk. */
static bool cut_task(void *arg, void *slot)
{
	struct convert *convert = arg;
	struct task *task = slot;
	struct image *image = convert->image;
	enum image_extent kind;
	uint64_t off = convert->next, len = 0;
	const struct source_read how = { .cancel = &task->cancel };

	if (off >= image->size)
		return false;
	task->off = off;
	task->code = image_map(image, off, image->size - off, &how, &kind, &len, &task->err);
	if (off + len < image->size)
		len = round_down(len, WRITER_UNIT);
	task->zero = task->code == 0 && kind == IMAGE_EXTENT_ZERO && len > 0;
	if (!task->zero && task->code == 0)
		len = min_u64(PIECE - off % PIECE, image->size - off);
	task->len = len;
	convert->next = off + len;
	return true;
}

static int read_task(void *arg, void *slot, struct error *err)
{
	struct convert *convert = arg;
	struct task *task = slot;
	const struct source_read how = { .cancel = &task->cancel };

	if (task->code < 0) {
		*err = task->err;
		return task->code;
	}
	if (task->zero)
		return 0;
	return image_read(convert->image, task->buf, task->len, task->off, &how, err);
}

static void cancel_task(void *arg __attribute__((unused)), void *slot)
{
	struct task *task = slot;

	source_cancel_fire(&task->cancel);
}

/* Tell how far it is, not too often; false when the person wants it to stop. */
static bool tell(void *arg)
{
	struct convert *convert = arg;
	uint64_t now = now_ns(), total = convert->image->size;

	if (!convert->options->progress ||
	    (now - convert->told < PROGRESS_NS && convert->done < total))
		return true;
	convert->told = now;
	return convert->options->progress(convert->options->arg, convert->done, total);
}

/* The caller's thread: all tasks in order. */
static int write_all_tasks(struct convert *convert, struct pipeline *pipeline,
                           struct writer *writer, struct error *err)
{
	void *slot;
	int r = 0;

	while (r == 0 && tell(convert) && (r = pipeline_next(pipeline, &slot, err)) > 0) {
		const struct task *task = slot;

		r = task->zero ? writer_zero(writer, task->len, task->off, err)
		               : writer->ops->write(writer, task->buf, task->len, task->off, err);
		convert->done = task->off + task->len;
		pipeline_release(pipeline);
	}
	if (r == -EINTR || (r == 0 && convert->done < convert->image->size))
		return error_set(err, EINTR, "%s: stopped", output_path(writer->out));
	return r;
}

static int copy(struct image *image, struct writer *writer, const struct convert_options *options,
                struct error *err)
{
	static const struct pipeline_ops ops = {
		.cut = cut_task, .work = read_task, .cancel = cancel_task, .tick = tell
	};
	struct convert convert = { .image = image, .options = options };
	unsigned int threads = (unsigned int)min_u64(
		options->threads ? options->threads : DEFAULT_THREADS, PIPELINE_MAX_THREADS);
	unsigned int n = 2 * threads;
	cleanup_free struct task *tasks = calloc(n, sizeof(*tasks));
	cleanup_free uint8_t *room = malloc(n * (size_t)PIECE);
	struct pipeline *pipeline = NULL;
	int r;

	if (!tasks || !room)
		return error_set(err, ENOMEM, "%s: no memory to convert it", image->file->name);
	for (unsigned int i = 0; i < n; i++) {
		tasks[i].buf = room + i * (size_t)PIECE;
		source_cancel_init(&tasks[i].cancel);
	}
	r = pipeline_new(&ops, &convert, tasks, sizeof(*tasks), n, threads, &pipeline, err);
	if (r < 0 && err)
		error_prefix(err, "%s", image->file->name);
	if (r == 0)
		r = write_all_tasks(&convert, pipeline, writer, err);
	pipeline_free(pipeline);
	for (unsigned int i = 0; i < n; i++)
		source_cancel_destroy(&tasks[i].cancel);
	return r;
}

static int open_writer(struct output *out, uint64_t size, const struct convert_options *options,
                       struct writer **ret, struct error *err)
{
	const struct vhd_create create = {
		.size = size,
		.subformat = options->subformat,
		.parent = options->parent,
		.parent_url = options->parent_url,
		.path = output_path(out),
	};

	if (options->format == IMAGE_VHD)
		return vhd_writer_open(out, &create, ret, err);
	if (options->format == IMAGE_RAW && !options->parent)
		return raw_writer_open(out, size, ret, err);
	return error_set(err, ENOTSUP, "%s: Sill writes raw and VHD, and parents only for VHD",
	                 create.path);
}

int image_write_out(struct image *image, struct output *out, struct writer *writer,
                    const struct convert_options *options, struct convert_result *ret,
                    struct error *err)
{
	uint64_t file_size;
	int r = copy(image, writer, options, err);

	if (r == 0 && writer->size > image->size)
		r = writer_zero(writer, writer->size - image->size, image->size, err);
	if (r == 0)
		r = writer->ops->finish(writer, &file_size, err);
	if (r == 0)
		r = output_commit(out, file_size, err);
	if (r < 0)
		return r;
	*ret = (struct convert_result){ .virtual_size = writer->size, .file_size = file_size };
	return 0;
}

int image_convert(struct image *image, const char *path, const struct convert_options *options,
                  struct convert_result *ret, struct error *err)
{
	uint64_t size = options->azure ? round_up(image->size, MIB) : image->size;
	cleanup(output_close) struct output *out = NULL;
	cleanup(writer_close) struct writer *writer = NULL;
	int r;

	r = output_open(path, options->force, &out, err);
	if (r == 0)
		r = open_writer(out, size, options, &writer, err);
	return r == 0 ? image_write_out(image, out, writer, options, ret, err) : r;
}
