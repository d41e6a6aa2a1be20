// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registry-do HOST COMMAND ARGUMENT…: one thing that a store can do, done at a registry.
 *
 *	ping | names | tags NAME | get NAME WHICH | put NAME TAG FILE TYPE DIGEST | delete NAME WHICH
 *	referrers NAME DIGEST TYPE | size NAME DIGEST | read NAME DIGEST OFFSET | place NAME DIGEST
 *	send NAME DIGEST FILE [BYTES] | mount NAME DIGEST FROM
 *
 * CA, CREDENTIALS and UPLOADS in the environment are files and a folder.  `send` with BYTES stops
 * after so many, as if it had been killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/registry.h"
#include "util/io.h"

#define FILE_MAX (256 * MIB)

static int print_item(void *arg, const char *text, struct error *err)
{
	(void)arg;
	(void)err;
	puts(text);
	return 0;
}

static int print_bytes(void *arg, const void *buf, size_t len, struct error *err)
{
	(void)arg;
	return fwrite(buf, 1, len, stdout) == len ? 0 : error_sys(err, errno, "standard output");
}

static int get(struct store *store, char **words, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest got = { 0 };
	int r = store->ops->get_manifest(store, words[0], words[1], &got, err);

	if (r == 0)
		printf("%s\n%s\n", got.media_type, got.bytes);
	return r;
}

static int put(struct store *store, char **words, const char *digest, struct error *err)
{
	cleanup(store_manifest_free) struct store_manifest manifest = { 0 };
	const char *tag = strcmp(words[1], "-") == 0 ? NULL : words[1];
	int r = read_file(AT_FDCWD, words[2], FILE_MAX, &manifest.bytes, &manifest.len, err);

	if (r < 0)
		return r;
	snprintf(manifest.media_type, sizeof(manifest.media_type), "%s", words[3]);
	snprintf(manifest.digest, sizeof(manifest.digest), "%s", digest);
	return store->ops->put_manifest(store, words[0], tag, &manifest, err);
}

static int send_blob(struct store *store, char **words, size_t stop, struct error *err)
{
	struct store_upload *upload = NULL;
	cleanup_free char *data = NULL;
	uint64_t off = 0;
	size_t len = 0;
	int r = read_file(AT_FDCWD, words[2], FILE_MAX, &data, &len, err);

	if (r == 0)
		r = store->ops->begin_upload(store, words[0], words[1], len, &upload, &off, err);
	if (r < 0)
		return r;
	printf("%llu\n", (unsigned long long)off);
	if (!upload)
		return 0;
	r = store->ops->write_upload(upload, data + off, (stop ? stop : len) - off, err);
	if (r == 0 && !stop)
		r = store->ops->finish_upload(upload, err);
	store->ops->end_upload(upload);
	return r;
}

static int do_blob(struct store *store, const char *what, char **words, int n, struct error *err)
{
	const struct store_sink sink = { .write = print_bytes };
	cleanup_free char *place = NULL;
	uint64_t size;
	int r = -EINVAL;

	if (strcmp(what, "size") == 0 && n == 2) {
		r = store->ops->find_blob(store, words[0], words[1], &size, err);
		if (r == 0)
			printf("%llu\n", (unsigned long long)size);
	} else if (strcmp(what, "read") == 0 && n == 3) {
		r = store->ops->read_blob(store, words[0], words[1], strtoull(words[2], NULL, 10),
		                          &sink, err);
	} else if (strcmp(what, "place") == 0 && n == 2) {
		r = store->ops->blob_place(store, words[0], words[1], &place, err);
		if (r == 0)
			puts(place);
	} else if (strcmp(what, "send") == 0 && (n == 3 || n == 4)) {
		r = send_blob(store, words, n == 4 ? strtoull(words[3], NULL, 10) : 0, err);
	} else if (strcmp(what, "mount") == 0 && n == 3) {
		r = store->ops->mount_blob(store, words[0], words[1], words[2], err);
	}
	return r;
}

static int do_one(struct store *store, const char *what, char **words, int n, struct error *err)
{
	if (strcmp(what, "ping") == 0)
		return registry_ping(store, err);
	if (strcmp(what, "names") == 0)
		return store->ops->names(store, print_item, NULL, err);
	if (strcmp(what, "tags") == 0 && n == 1)
		return store->ops->tags(store, words[0], print_item, NULL, err);
	if (strcmp(what, "get") == 0 && n == 2)
		return get(store, words, err);
	if (strcmp(what, "put") == 0 && n == 5)
		return put(store, words, words[4], err);
	if (strcmp(what, "delete") == 0 && n == 2)
		return store->ops->delete_manifest(store, words[0], words[1], err);
	if (strcmp(what, "referrers") == 0 && n == 3)
		return store->ops->referrers(store, words[0], words[1], words[2], print_item, NULL,
		                             err);
	return do_blob(store, what, words, n, err);
}

int main(int argc, char **argv)
{
	const struct store_options options = { .ca_file = getenv("CA"),
		                               .credentials_file = getenv("CREDENTIALS"),
		                               .uploads_dir = getenv("UPLOADS") };
	struct error err = { 0 };
	struct store *store;
	int r;

	if (argc < 3)
		return 2;
	r = registry_open(argv[1], &options, &store, &err);
	if (r == 0) {
		/* Small enough for uploads of many pieces and lists of many pages. */
		registry_of(store)->chunk = MIB;
		registry_of(store)->page = 3;
		r = do_one(store, argv[2], argv + 3, argc - 3, &err);
		store->ops->close(store);
	}
	if (r < 0)
		fprintf(stderr, "registry-do: %s\n", err.text[0] ? err.text : strerror(-r));
	return r < 0;
}
