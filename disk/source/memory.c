// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A source over memory that the caller keeps, for tests and fuzz targets.  Its version is told by
 * its sample, as nothing else is known of it.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/source.h"

struct memory {
	struct source src;
	const uint8_t *data;
};

static int memory_read(struct source *src, void *buf, size_t len, uint64_t off,
                       const struct source_read *how, struct error *err)
{
	const struct memory *mem = container_of(src, struct memory, src);

	(void)err;
	memcpy(buf, mem->data + off, len);
	__atomic_add_fetch(&src->bytes_fetched, len, __ATOMIC_RELAXED);
	__atomic_add_fetch(&src->requests, 1, __ATOMIC_RELAXED);
	if (how && how->arrived)
		how->arrived(how->arg, len);
	return 0;
}

static void memory_close(struct source *src)
{
	free(src->name);
	free(container_of(src, struct memory, src));
}

static const struct source_ops memory_ops = { .read = memory_read, .close = memory_close };

int source_open_memory(const void *data, size_t len, const char *name, struct source **ret)
{
	struct memory *mem = calloc(1, sizeof(*mem));
	cleanup(source_close) struct source *src = mem ? &mem->src : NULL;
	int r;

	if (!mem)
		return -ENOMEM;
	mem->data = data;
	src->ops = &memory_ops;
	src->identity.size = len;
	src->name = strdup(name);
	if (!src->name)
		return -ENOMEM;
	r = source_identity_sample(src, NULL, NULL);
	if (r < 0)
		return r;
	src->bytes_fetched = src->requests = 0;
	*ret = take_ptr(src);
	return 0;
}
