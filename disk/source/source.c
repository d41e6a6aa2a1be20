// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all sources share: bounds, defaults, and the way from a URL to the kind that serves it.
 */
#include "disk/source/source.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/kinds.h"

int source_read(struct source *src, void *buf, size_t len, uint64_t off,
                const struct source_read *how, struct error *err)
{
	if (!range_inside(off, len, src->identity.size))
		return error_set(err, EINVAL,
		                 "%s: %zu bytes at %llu are not inside the file, which has %llu",
		                 src->name, len, (unsigned long long)off,
		                 (unsigned long long)src->identity.size);
	if (len == 0)
		return 0;
	return src->ops->read(src, buf, len, off, how, err);
}

int source_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                  uint64_t *ret_len, struct error *err)
{
	uint64_t left = off < src->identity.size ? src->identity.size - off : 0;

	if (left == 0 || max == 0)
		return error_set(err, EINVAL, "%s: there is nothing at %llu, the file has %llu",
		                 src->name, (unsigned long long)off,
		                 (unsigned long long)src->identity.size);
	max = min_u64(max, left);
	if (!src->ops->extent) {
		*ret_kind = SOURCE_EXTENT_DATA;
		*ret_len = max;
		return 0;
	}
	return src->ops->extent(src, off, max, ret_kind, ret_len, err);
}

int source_read_judged(struct source *src, void *buf, size_t len, uint64_t off,
                       const struct source_read *how, const struct source_judge *judge,
                       struct error *err)
{
	struct source_read with = how ? *how : (struct source_read){ .priority = SOURCE_DEMAND };
	bool forgotten = false;

	/* Nothing has arrived before it was judged. */
	with.arrived = NULL;
	for (;;) {
		uint64_t served = 0;
		struct error why = { 0 };
		int r;

		with.served = &served;
		r = source_read(src, buf, len, off, &with, err);
		if (r < 0 || judge->right(judge->arg, buf, len, &why) == 0)
			return r;
		if (src->ops->blame)
			src->ops->blame(src, off, len, served, &why);
		/* What was kept near is forgotten now, and may be right where it came from. */
		if (!(served & ~with.avoid) && (served || forgotten || !src->ops->blame))
			return error_set(err, why.code, "%s: %s", src->name, why.text);
		forgotten = served == 0;
		with.avoid |= served;
	}
}

void source_close(struct source *src)
{
	if (src)
		src->ops->close(src);
}

int source_create(const char *url, const struct source_options *options, struct source **ret,
                  struct error *err)
{
	cleanup(source_url_free) struct source_url parsed = { 0 };
	struct source_options filled = options ? *options : (struct source_options){ 0 };
	int r = source_url_parse(url, &parsed, err);

	if (r < 0)
		return r;
	if (!filled.connections)
		filled.connections = SOURCE_DEFAULT_CONNECTIONS;
	if (!filled.stall_ms)
		filled.stall_ms = SOURCE_DEFAULT_STALL_MS;
	if (!filled.deadline_ms)
		filled.deadline_ms = SOURCE_DEFAULT_DEADLINE_MS;
	switch (parsed.kind) {
	case SOURCE_KIND_HTTP:
		return http_create(&parsed, &filled, ret, err);
	case SOURCE_KIND_NBD:
		return nbd_source_create(&parsed, &filled, ret, err);
	case SOURCE_KIND_FILE:
		break;
	}
	return file_create(&parsed, &filled, ret, err);
}

int source_connect(struct source *src, const struct source_read *how, struct error *err)
{
	static const struct source_read demand = { .priority = SOURCE_DEMAND };

	return src->ops->connect ? src->ops->connect(src, how ? how : &demand, err) : 0;
}

int source_open(const char *url, const struct source_options *options, struct source **ret,
                struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	int r = source_create(url, options, &src, err);

	if (r == 0)
		r = source_connect(src, NULL, err);
	if (r == 0)
		*ret = take_ptr(src);
	return r;
}
