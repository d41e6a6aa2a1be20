// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A source over an export of an NBD server: TCP or a Unix socket, with TLS or without.
 *
 * libnbd speaks the protocol.  It is driven by one I/O thread (nbd-loop.c), which alone touches it.
 */
#include "disk/source/nbd.h"

#include <errno.h>
#include <string.h>

static int nbd_read(struct source *src, void *buf, size_t len, uint64_t off,
                    const struct source_read *how, struct error *err)
{
	struct nbd *nbd = container_of(src, struct nbd, src);

	/* The I/O thread makes a request as short as the server wants it. */
	for (size_t done = 0; done < len;) {
		struct nbd_request req = { .task = NBD_READ,
			                   .buf = (char *)buf + done,
			                   .len = len - done,
			                   .off = off + done };
		int r = queue_submit(&nbd->queue, &req.item, how, err);

		if (r < 0)
			return r;
		done += req.len;
		if (how && how->arrived)
			how->arrived(how->arg, done);
	}
	return 0;
}

static int nbd_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                      uint64_t *ret_len, struct error *err)
{
	struct nbd *nbd = container_of(src, struct nbd, src);
	/* The protocol's lengths have 32 bits. */
	struct nbd_request req = { .task = NBD_EXTENT, .off = off, .len = min_u64(max, GIB) };
	int r = queue_submit(&nbd->queue, &req.item, NULL, err);

	if (r < 0)
		return r;
	*ret_kind = req.kind;
	*ret_len = req.run;
	return 0;
}

static int nbd_connect_op(struct source *src, const struct source_read *how, struct error *err)
{
	struct nbd *nbd = container_of(src, struct nbd, src);
	struct nbd_request req = { .task = NBD_CONNECT };
	int r = nbd->has_thread ? 0 : nbd_loop_start(nbd, err);

	return r < 0 ? r : queue_submit(&nbd->queue, &req.item, how, err);
}

static void nbd_close_op(struct source *src)
{
	struct nbd *nbd = container_of(src, struct nbd, src);

	if (nbd->has_thread)
		nbd_loop_stop(nbd);
	queue_destroy(&nbd->queue);
	free(nbd->ca_file);
	free(nbd->uri);
	free(src->name);
	free(nbd);
}

static const struct source_ops nbd_ops = {
	.connect = nbd_connect_op,
	.read = nbd_read,
	.extent = nbd_extent,
	.close = nbd_close_op,
};

int nbd_source_create(const struct source_url *url, const struct source_options *options,
                      struct source **ret, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	struct nbd *nbd = calloc(1, sizeof(*nbd));

	if (!nbd)
		return error_sys(err, ENOMEM, "%s", url->name);
	src = &nbd->src;
	src->ops = &nbd_ops;
	nbd->wake_fd = -1;
	queue_init(&nbd->queue, src, options->deadline_ms, nbd_loop_wake);
	list_init(&nbd->commands);
	nbd->stall_ms = options->stall_ms;
	nbd->most = 2 * options->connections;
	src->name = strdup(url->name);
	nbd->uri = strdup(url->target);
	nbd->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	if (!src->name || !nbd->uri || (options->ca_file && !nbd->ca_file))
		return error_sys(err, ENOMEM, "%s", url->name);
	*ret = take_ptr(src);
	return 0;
}
