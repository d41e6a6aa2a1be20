// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connecting to an NBD server, on the I/O thread.
 *
 * NBD says nothing of versions.  So each connection takes a sample of the export and compares size
 * and sample with the first one: a server that was started again with another file is found out,
 * as well as that can be.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "disk/source/nbd.h"
#include "util/clock.h"

/* A request is never larger than this, whatever the server would take. */
#define LARGEST (16 * MIB)

/*
 * GnuTLS wants a folder with files of certain names: one with a link to the CA file, for as long as
 * the connection is made.
 */
struct ca_folder {
	char path[32], link[64];
};

static void ca_folder_remove_at(struct ca_folder *ca)
{
	if (ca->link[0])
		unlink(ca->link);
	if (ca->path[0])
		rmdir(ca->path);
}

static int use_ca_file(struct nbd *nbd, struct nbd_handle *handle, struct ca_folder *ca,
                       struct error *err)
{
	char target[PATH_MAX];

	if (!nbd->ca_file)
		return 0;
	if (!realpath(nbd->ca_file, target))
		return error_sys(err, errno, "%s", nbd->ca_file);
	snprintf(ca->path, sizeof(ca->path), "/tmp/sill-ca-XXXXXX");
	if (!mkdtemp(ca->path)) {
		ca->path[0] = '\0';
		return error_sys(err, errno, "/tmp: no folder for the CA file");
	}
	snprintf(ca->link, sizeof(ca->link), "%s/ca-cert.pem", ca->path);
	if (symlink(target, ca->link) < 0)
		return error_sys(err, errno, "%s", ca->link);
	if (nbd_set_tls_certificates(handle, ca->path) < 0)
		return error_set(err, EINVAL, "%s: the CA file %s cannot be used: %s",
		                 nbd->src.name, nbd->ca_file, nbd_get_error());
	return 0;
}

static int explain(const struct nbd *nbd, struct error *err)
{
	int code = nbd_get_errno();

	return error_set(err, code > 0 ? code : EIO, "%s: cannot connect: %s", nbd->src.name,
	                 nbd_get_error());
}

/* libnbd works on a thread of ours alone here: nothing else is under way. */
static int handshake(struct nbd *nbd, uint64_t until, struct error *err)
{
	struct nbd_handle *handle = nbd->handle;

	if (nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_set_uri_allow_local_file(handle, true) < 0 ||
	    nbd_aio_connect_uri(handle, nbd->uri) < 0)
		return explain(nbd, err);
	while (!nbd_aio_is_ready(handle)) {
		int r = nbd_turn(nbd, until, err);

		if (r < 0)
			return r;
		if (nbd_aio_is_dead(handle) || nbd_aio_is_closed(handle))
			return explain(nbd, err);
		if (now_ns() >= until)
			return error_set(err, ETIMEDOUT, "%s: no connection within %g s",
			                 nbd->src.name, nbd->stall_ms / 1000.0);
	}
	return 0;
}

/* What the server wants requests to be; 0 and -1 say that it does not care. */
static void learn_limits(struct nbd *nbd)
{
	int64_t least = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MAXIMUM);

	nbd->block = least > 0 && is_power_of_two((uint64_t)least) && least <= 65536
	                     ? (uint64_t)least
	                     : 1;
	nbd->largest =
		most >= 65536 ? min_u64(LARGEST, round_down((uint64_t)most, nbd->block)) : LARGEST;
	nbd->has_extents = nbd_can_meta_context(nbd->handle, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
}

struct sampler {
	struct nbd *nbd;
	uint64_t size, until;
};

static int read_sample(void *arg, void *buf, size_t len, uint64_t off, struct error *err)
{
	struct sampler *sampler = arg;
	struct nbd *nbd = sampler->nbd;
	uint64_t start = round_down(off, nbd->block);
	uint64_t end = min_u64(round_up(off + len, nbd->block), sampler->size);
	cleanup_free uint8_t *whole = malloc(end - start);
	int64_t cookie;
	int r;

	if (!whole)
		return error_sys(err, ENOMEM, "%s", nbd->src.name);
	cookie = nbd_aio_pread(nbd->handle, whole, end - start, start, NBD_NULL_COMPLETION, 0);
	if (cookie < 0)
		return explain(nbd, err);
	while ((r = nbd_aio_command_completed(nbd->handle, (uint64_t)cookie)) == 0) {
		/* Whoever leaves here closes the connection before `whole` goes. */
		r = nbd_turn(nbd, sampler->until, err);
		if (r == 0 && now_ns() >= sampler->until)
			r = error_set(err, ETIMEDOUT, "%s: no answer within %g s", nbd->src.name,
			              nbd->stall_ms / 1000.0);
		if (r < 0) {
			nbd_close(take_ptr(nbd->handle));
			return r;
		}
	}
	if (r < 0)
		return error_set(err, EIO, "%s: %s", nbd->src.name, nbd_get_error());
	memcpy(buf, whole + (off - start), len);
	return 0;
}

/* Who the export is; compared with who it was. */
static int identify(struct nbd *nbd, uint64_t until, struct error *err)
{
	int64_t size = nbd_get_size(nbd->handle);
	struct sampler sampler = { .nbd = nbd, .size = (uint64_t)size, .until = until };
	struct source_identity id = { .size = (uint64_t)size }, *pinned = &nbd->src.identity;
	int r;

	if (size < 0)
		return error_set(err, EPROTO, "%s: the server does not say how long it is",
		                 nbd->src.name);
	r = identity_sample_with(id.size, read_sample, &sampler, id.sample, err);
	if (r < 0)
		return r;
	if (nbd->pinned &&
	    (pinned->size != id.size || memcmp(pinned->sample, id.sample, sizeof(id.sample)) != 0))
		return error_set(err, ESTALE, "%s: the export was changed on the server",
		                 nbd->src.name);
	/* A digest that somebody vouched for stays. */
	if (!nbd->pinned)
		*pinned = id;
	nbd->pinned = true;
	return 0;
}

int nbd_source_connect(struct nbd *nbd, struct error *err)
{
	cleanup(ca_folder_remove) struct ca_folder ca = { 0 };
	uint64_t until = now_ns() + nbd->stall_ms * NS_PER_MS;
	int r;

	__atomic_add_fetch(&nbd->src.requests, 1, __ATOMIC_RELAXED);
	nbd->handle = nbd_create();
	if (!nbd->handle)
		return error_sys(err, ENOMEM, "%s", nbd->src.name);
	r = use_ca_file(nbd, nbd->handle, &ca, err);
	if (r == 0)
		r = handshake(nbd, until, err);
	if (r == 0) {
		learn_limits(nbd);
		r = identify(nbd, until, err);
	}
	if (r < 0 && nbd->handle)
		nbd_close(take_ptr(nbd->handle));
	return r;
}
