// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A store that is a folder which a web server shows, read-only.  Any thread.
 *
 * It is read through sources (disk/source), so it is reached, believed and tried as a disk's places
 * are: with the same credentials and certificates, and a file that changes while it is read is an
 * error.  Nothing is kept of what was read, so the folder may change between calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/source.h"
#include "library/layout.h"

#define PIECE (1 * MIB)

struct web {
	struct store store;
	char *url; /* ends with a slash */
	char *ca_file, *credentials_file;
};

static struct web *to_web(struct store *store)
{
	return container_of(store, struct web, store);
}

/* Where a file of the folder is; the caller frees it. */
static char *url_of(const struct web *web, const char *digest)
{
	char *url = NULL;
	int r = digest ? asprintf(&url, "%sblobs/sha256/%s", web->url, digest + strlen("sha256:"))
	               : asprintf(&url, "%sindex.json", web->url);

	return r < 0 ? NULL : url;
}

static int open_file(struct web *web, const char *digest, struct source **ret, struct error *err)
{
	const struct source_options options = {
		.ca_file = web->ca_file,
		.credentials_file = web->credentials_file,
		.connections = 1,
	};
	cleanup_free char *url = url_of(web, digest);

	return url ? source_open(url, &options, ret, err)
	           : error_sys(err, ENOMEM, "%s", web->store.name);
}

static int load(struct web *web, struct layout *ret, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	cleanup_free char *text = NULL;
	size_t len;
	int r = open_file(web, NULL, &src, err);

	if (r < 0)
		return r;
	if (src->identity.size > STORE_MAX_MANIFEST)
		return error_set(err, EFBIG, "%s: has more than 4 MiB", src->name);
	len = (size_t)src->identity.size;
	text = malloc(len + 1);
	if (!text)
		return error_sys(err, ENOMEM, "%s", src->name);
	r = len > 0 ? source_read(src, text, len, 0, NULL, err) : 0;
	if (r < 0)
		return r;
	r = layout_parse(text, len, ret, err);
	if (r < 0)
		error_prefix(err, "%s", src->name);
	return r;
}

static int get_manifest(struct store *store, const char *name, const char *which,
                        struct store_manifest *ret, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = load(to_web(store), &layout, err);

	return r < 0 ? r : layout_get_manifest(&layout, store, name, which, ret, err);
}

static int names(struct store *store, store_item *item, void *arg, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = load(to_web(store), &layout, err);

	return r < 0 ? r : layout_names(&layout, item, arg, err);
}

static int tags(struct store *store, const char *name, store_item *item, void *arg,
                struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = load(to_web(store), &layout, err);

	return r < 0 ? r : layout_tags(&layout, name, item, arg, err);
}

static int referrers(struct store *store, const char *name, const char *digest,
                     const char *artifact_type, store_item *item, void *arg, struct error *err)
{
	cleanup(layout_free) struct layout layout = { 0 };
	int r = load(to_web(store), &layout, err);

	return r < 0 ? r
	             : layout_referrers(&layout, store, name, digest, artifact_type, item, arg,
	                                err);
}

static int find_blob(struct store *store, const char *name __attribute__((unused)),
                     const char *digest, uint64_t *ret_size, struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	int r = open_file(to_web(store), digest, &src, err);

	if (r == 0)
		*ret_size = src->identity.size;
	return r;
}

static int read_blob(struct store *store, const char *name __attribute__((unused)),
                     const char *digest, uint64_t off, const struct store_sink *sink,
                     struct error *err)
{
	cleanup(source_close) struct source *src = NULL;
	cleanup_free char *buf = malloc(PIECE);
	int r = open_file(to_web(store), digest, &src, err);

	if (r < 0)
		return r;
	if (!buf)
		return error_sys(err, ENOMEM, "%s", store->name);
	while (off < src->identity.size) {
		size_t len = (size_t)min_u64(PIECE, src->identity.size - off);

		r = source_read(src, buf, len, off, NULL, err);
		if (r < 0)
			return r;
		r = sink->write(sink->arg, buf, len, err);
		if (r != 0)
			return r;
		off += len;
	}
	return 0;
}

static int blob_place(struct store *store, const char *name __attribute__((unused)),
                      const char *digest, char **ret, struct error *err)
{
	char *url = url_of(to_web(store), digest);

	if (!url)
		return error_sys(err, ENOMEM, "%s", store->name);
	*ret = url;
	return 0;
}

static int no_writing(const struct store *store, struct error *err)
{
	return error_set(err, EROFS, "%s: cannot be written", store->name);
}

static int put_manifest(struct store *store, const char *name __attribute__((unused)),
                        const char *tag __attribute__((unused)),
                        const struct store_manifest *manifest __attribute__((unused)),
                        struct error *err)
{
	return no_writing(store, err);
}

static int delete_manifest(struct store *store, const char *name __attribute__((unused)),
                           const char *which __attribute__((unused)), struct error *err)
{
	return no_writing(store, err);
}

static void close_web(struct store *store)
{
	struct web *web = to_web(store);

	free(web->url);
	free(web->ca_file);
	free(web->credentials_file);
	free(store->name);
	free(web);
}

static const struct store_ops ops = {
	.get_manifest = get_manifest,
	.put_manifest = put_manifest,
	.delete_manifest = delete_manifest,
	.names = names,
	.tags = tags,
	.referrers = referrers,
	.find_blob = find_blob,
	.read_blob = read_blob,
	.blob_place = blob_place,
	.close = close_web,
};

/* A copy of a text that may be missing; false for lack of memory. */
static bool keep(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return *ret || !text;
}

/* What messages call it: without credentials.  Also says whether the address makes sense. */
static int learn_name(struct web *web, struct error *err)
{
	const struct source_options options = { .credentials_file = web->credentials_file };
	cleanup_free char *url = url_of(web, NULL);
	cleanup(source_close) struct source *src = NULL;
	int r = url ? source_create(url, &options, &src, err) : error_sys(err, ENOMEM, "%s", "web");

	if (r < 0)
		return r;
	web->store.name = strndup(src->name, strlen(src->name) - strlen("/index.json"));
	return web->store.name ? 0 : error_sys(err, ENOMEM, "%s", src->name);
}

int web_open(const char *url, const struct store_options *options, struct store **ret,
             struct error *err)
{
	struct web *web = calloc(1, sizeof(*web));
	const char *slash = url[0] && url[strlen(url) - 1] == '/' ? "" : "/";
	int r;

	if (!web)
		return error_sys(err, ENOMEM, "a web folder");
	web->store.ops = &ops;
	if (asprintf(&web->url, "%s%s", url, slash) < 0)
		web->url = NULL;
	if (web->url && keep(&web->ca_file, options ? options->ca_file : NULL) &&
	    keep(&web->credentials_file, options ? options->credentials_file : NULL))
		r = learn_name(web, err);
	else
		r = error_sys(err, ENOMEM, "a web folder");
	if (r < 0)
		close_web(&web->store);
	else
		*ret = &web->store;
	return r;
}
