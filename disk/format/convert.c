// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Converting: several threads read, one writes, in order.
 *
 * The disk is cut into tasks, handed out in rising order by one thread at a time: a long run that
 * the map knows to be zero is one task that nobody reads; elsewhere a task is the rest of a
 * megabyte.  A reader takes the next task and a free slot of a ring for it; the caller's thread
 * waits for the slots in order and hands them to the writer.  So a far source is asked for several
 * megabytes at once, and memory is bounded by the ring.
 */
#include "disk/format/convert.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "util/clock.h"

#define PIECE           MIB
#define DEFAULT_THREADS 8
#define MAX_THREADS     64
#define PROGRESS_NS     (100 * NS_PER_MS)

struct task {
	enum { TASK_FREE, TASK_TAKEN, TASK_READY } state;
	bool zero;
	uint64_t off, len;
	int code; /* of the read */
	struct error err;
	uint8_t *buf;                /* PIECE bytes */
	struct source_cancel cancel; /* ends the read when the conversion ends early */
};

struct convert {
	struct image *image;
	unsigned int n_threads, n_tasks;
	pthread_t threads[MAX_THREADS];
	uint64_t done; /* bytes written; this and the next are the calling thread's */
	uint64_t told; /* when progress was called */
	/* Held while a task is cut, which may fetch tables; guards next and handed. */
	pthread_mutex_t cutting;
	uint64_t next;   /* first byte of the disk that no task covers yet */
	uint64_t handed; /* tasks handed out so far: the next one's slot is this modulo n_tasks */
	pthread_mutex_t lock; /* guards stop and the states of tasks; inside cutting */
	pthread_cond_t freed, ready;
	bool stop;
	struct task *tasks;
};

/* The slot for the next task, once it is free; NULL when there is nothing more to read. */
static struct task *take_slot(struct convert *convert)
{
	struct task *task = &convert->tasks[convert->handed % convert->n_tasks];
	bool more = convert->next < convert->image->size;

	pthread_mutex_lock(&convert->lock);
	while (more && !convert->stop && task->state != TASK_FREE)
		pthread_cond_wait(&convert->freed, &convert->lock);
	more = more && !convert->stop;
	if (more)
		task->state = TASK_TAKEN;
	pthread_mutex_unlock(&convert->lock);
	return more ? task : NULL;
}

/* Cut the next task off the disk. */
static void cut_task(struct convert *convert, struct task *task)
{
	struct image *image = convert->image;
	enum image_extent kind;
	uint64_t off = convert->next, len = 0;
	const struct source_read how = { .cancel = &task->cancel };

	task->off = off;
	task->code = image_map(image, off, image->size - off, &how, &kind, &len, &task->err);
	if (off + len < image->size)
		len = round_down(len, WRITER_UNIT);
	task->zero = task->code == 0 && kind == IMAGE_EXTENT_ZERO && len > 0;
	if (!task->zero && task->code == 0)
		len = min_u64(PIECE - off % PIECE, image->size - off);
	task->len = len;
	convert->next = off + len;
	convert->handed++;
}

static void hand_over(struct convert *convert, struct task *task)
{
	pthread_mutex_lock(&convert->lock);
	task->state = TASK_READY;
	/* After an error nothing more is read; what came before it is still written. */
	if (task->code < 0)
		convert->stop = true;
	pthread_cond_broadcast(&convert->ready);
	pthread_cond_broadcast(&convert->freed);
	pthread_mutex_unlock(&convert->lock);
}

static void *reader(void *arg)
{
	struct convert *convert = arg;
	struct task *task;

	do {
		pthread_mutex_lock(&convert->cutting);
		task = take_slot(convert);
		if (task)
			cut_task(convert, task);
		pthread_mutex_unlock(&convert->cutting);
		if (task && task->code == 0 && !task->zero) {
			const struct source_read how = { .cancel = &task->cancel };

			task->code = image_read(convert->image, task->buf, task->len, task->off,
			                        &how, &task->err);
		}
		if (task)
			hand_over(convert, task);
	} while (task);
	return NULL;
}

static int write_task(struct writer *writer, const struct task *task, struct error *err)
{
	if (task->code < 0) {
		if (err)
			*err = task->err;
		return task->code;
	}
	if (task->zero)
		return writer_zero(writer, task->len, task->off, err);
	return writer->ops->write(writer, task->buf, task->len, task->off, err);
}

/* Tell how far it is, not too often; false when the person wants it to stop. */
static bool tell(struct convert *convert, const struct convert_options *options)
{
	uint64_t now = now_ns(), total = convert->image->size;

	if (!options->progress || (now - convert->told < PROGRESS_NS && convert->done < total))
		return true;
	convert->told = now;
	return options->progress(options->arg, convert->done, total);
}

/*
 * Wait for the n-th task; there is one, for a failed read is the last that is looked at.  NULL when
 * the person wants it to stop.
 */
static struct task *wait_task(struct convert *convert, uint64_t n,
                              const struct convert_options *options)
{
	struct task *task = &convert->tasks[n % convert->n_tasks];
	bool go_on = tell(convert, options);

	pthread_mutex_lock(&convert->lock);
	while (go_on && task->state != TASK_READY) {
		const struct timespec until = timespec_of(now_ns() + PROGRESS_NS);

		if (pthread_cond_clockwait(&convert->ready, &convert->lock, CLOCK_MONOTONIC,
		                           &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&convert->lock);
		go_on = tell(convert, options);
		pthread_mutex_lock(&convert->lock);
	}
	pthread_mutex_unlock(&convert->lock);
	return go_on ? task : NULL;
}

static void free_task(struct convert *convert, struct task *task)
{
	pthread_mutex_lock(&convert->lock);
	task->state = TASK_FREE;
	pthread_cond_broadcast(&convert->freed);
	pthread_mutex_unlock(&convert->lock);
}

/* The caller's thread: all tasks in order. */
static int write_all_tasks(struct convert *convert, struct writer *writer,
                           const struct convert_options *options, struct error *err)
{
	for (uint64_t n = 0; convert->done < convert->image->size; n++) {
		struct task *task = wait_task(convert, n, options);
		int r;

		if (!task)
			return error_set(err, EINTR, "%s: stopped", output_path(writer->out));
		r = write_task(writer, task, err);
		convert->done = task->off + task->len;
		free_task(convert, task);
		if (r < 0)
			return r;
	}
	tell(convert, options);
	return 0;
}

static int start(struct convert *convert, struct error *err)
{
	for (unsigned int i = 0; i < convert->n_tasks; i++)
		source_cancel_init(&convert->tasks[i].cancel);
	for (unsigned int i = 0; i < convert->n_tasks; i++) {
		convert->tasks[i].buf = malloc(PIECE);
		if (!convert->tasks[i].buf)
			return error_set(err, ENOMEM, "%s: no memory to convert it",
			                 convert->image->file->name);
	}
	while (convert->n_threads < convert->n_tasks / 2) {
		int r = pthread_create(&convert->threads[convert->n_threads], NULL, reader,
		                       convert);

		if (r != 0)
			return error_sys(err, r, "%s: starting a thread to read it",
			                 convert->image->file->name);
		convert->n_threads++;
	}
	return 0;
}

static void stop(struct convert *convert)
{
	for (unsigned int i = 0; i < convert->n_tasks; i++)
		source_cancel_fire(&convert->tasks[i].cancel);
	pthread_mutex_lock(&convert->lock);
	convert->stop = true;
	pthread_cond_broadcast(&convert->freed);
	pthread_mutex_unlock(&convert->lock);
	for (unsigned int i = 0; i < convert->n_threads; i++)
		pthread_join(convert->threads[i], NULL);
	for (unsigned int i = 0; i < convert->n_tasks; i++) {
		free(convert->tasks[i].buf);
		source_cancel_destroy(&convert->tasks[i].cancel);
	}
}

static int copy(struct image *image, struct writer *writer, const struct convert_options *options,
                struct error *err)
{
	uint64_t wanted = options->threads ? options->threads : DEFAULT_THREADS;
	struct convert convert = {
		.image = image,
		.n_tasks = 2 * (unsigned int)min_u64(wanted, MAX_THREADS),
		.cutting = PTHREAD_MUTEX_INITIALIZER,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.freed = PTHREAD_COND_INITIALIZER,
		.ready = PTHREAD_COND_INITIALIZER,
	};
	cleanup_free struct task *tasks = calloc(convert.n_tasks, sizeof(*tasks));
	int r;

	if (!tasks)
		return error_set(err, ENOMEM, "%s: no memory to convert it", image->file->name);
	convert.tasks = tasks;
	r = start(&convert, err);
	if (r == 0)
		r = write_all_tasks(&convert, writer, options, err);
	stop(&convert);
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
