// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is asked of any store, with digests compared.  Any thread.
 */
#include "library/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/oci.h"
#include "library/reference.h"

void store_manifest_free(struct store_manifest *manifest)
{
	free(manifest->bytes);
	*manifest = (struct store_manifest){ 0 };
}

void store_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}

int store_hold(struct store *store, int *ret_fd, struct error *err)
{
	*ret_fd = -1;
	return store->ops->hold ? store->ops->hold(store, ret_fd, err) : 0;
}

int store_get_manifest(struct store *store, const char *name, const char *which,
                       struct store_manifest *ret, struct error *err)
{
	struct store_manifest manifest = { 0 };
	int r = store->ops->get_manifest(store, name, which, &manifest, err);

	if (r < 0)
		return r;
	if (manifest.len > STORE_MAX_MANIFEST) {
		r = error_set(err, EFBIG, "%s: the manifest of %s, %s, has more than 4 MiB",
		              store->name, name, which);
	} else {
		oci_digest(manifest.bytes, manifest.len, manifest.digest);
		if (reference_digest_valid(which) && strcmp(which, manifest.digest) != 0)
			r = error_set(err, EBADMSG,
			              "%s: the manifest of %s that came is %s, not %s", store->name,
			              name, manifest.digest, which);
	}
	if (r < 0)
		store_manifest_free(&manifest);
	else
		*ret = manifest;
	return r;
}

/* A blob that grows in memory up to `max` bytes. */
struct gather {
	struct store *store;
	const char *digest;
	char *bytes;
	size_t len, room, max;
};

static int gather(void *arg, const void *buf, size_t len, struct error *err)
{
	struct gather *all = arg;

	if (len > all->max - all->len)
		return error_set(err, EFBIG, "%s: %s has more than the %zu bytes that it may have",
		                 all->store->name, all->digest, all->max);
	if (len > all->room - all->len) {
		size_t room = min_u64(max_u64(2 * (uint64_t)all->room, all->len + len), all->max);
		char *more = realloc(all->bytes, room + 1);

		if (!more)
			return error_sys(err, ENOMEM, "%s", all->store->name);
		all->bytes = more;
		all->room = room;
	}
	memcpy(all->bytes + all->len, buf, len);
	all->len += len;
	return 0;
}

int store_get_blob(struct store *store, const char *name, const char *digest, size_t max,
                   char **ret, size_t *ret_len, struct error *err)
{
	struct gather all = { .store = store, .digest = digest, .max = max };
	const struct store_sink sink = { .write = gather, .arg = &all };
	char have[STORE_DIGEST_ROOM];
	int r;

	all.bytes = malloc(1);
	if (!all.bytes)
		return error_sys(err, ENOMEM, "%s", store->name);
	r = store->ops->read_blob(store, name, digest, 0, &sink, err);
	if (r == 0) {
		oci_digest(all.bytes, all.len, have);
		if (strcmp(have, digest) != 0)
			r = error_set(err, EBADMSG, "%s: the blob %s of %s that came is %s",
			              store->name, digest, name, have);
	}
	if (r < 0) {
		free(all.bytes);
		return r;
	}
	all.bytes[all.len] = '\0';
	*ret = all.bytes;
	if (ret_len)
		*ret_len = all.len;
	return 0;
}
