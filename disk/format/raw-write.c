// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Raw output: the disk as it is, with holes where it is zero.
 */
#include <errno.h>
#include <stdlib.h>

#include "disk/format/writer.h"

int writer_zero(struct writer *writer, uint64_t len, uint64_t off, struct error *err)
{
	return writer->ops->zero ? writer->ops->zero(writer, len, off, err) : 0;
}

void writer_close(struct writer *writer)
{
	if (writer)
		writer->ops->close(writer);
}

static int raw_write(struct writer *writer, const uint8_t *buf, size_t len, uint64_t off,
                     struct error *err)
{
	return output_write_sparse(writer->out, buf, len, off, err);
}

static int raw_finish(struct writer *writer, uint64_t *ret_size,
                      struct error *err __attribute__((unused)))
{
	*ret_size = writer->size;
	return 0;
}

static void raw_close(struct writer *writer)
{
	free(writer);
}

static const struct writer_ops raw_writer_ops = {
	.write = raw_write,
	.finish = raw_finish,
	.close = raw_close,
};

int raw_writer_open(struct output *out, uint64_t size, struct writer **ret, struct error *err)
{
	struct writer *writer = malloc(sizeof(*writer));

	if (!writer)
		return error_set(err, ENOMEM, "%s: no memory to write it", output_path(out));
	*writer = (struct writer){ .ops = &raw_writer_ops, .out = out, .size = size };
	*ret = writer;
	return 0;
}
