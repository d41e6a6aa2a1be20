// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A folder whose user dies, or whose power fails, at any point.
 *
 * The linker puts the functions below before what the folder asks of the system.  A run that dies at
 * its n'th change, for every n, leaves a folder that names only what is there; and the run that comes
 * after it gets to the end.  For the power it is enough to look at the order: when index.json gets
 * its name, the file and all that it names are flushed, names too; and when a blob goes, the
 * index.json that no longer names it is.
 */
#include "tests/unit/store-fixture.h"

#include <fcntl.h>
#include <libgen.h>

#include "library/copy.h"
#include "library/layout.h"

enum { DIED = 77, DISORDER = 78, FAILED = 79, MAX_CHANGES = 5000, MAX_DIRTY = 256 };

static int left = -1; /* changes until the end; below 0: there is none */
static bool watched;  /* the order is looked at */
static ino_t dirty[MAX_DIRTY];
static unsigned int n_dirty;

static void change(void)
{
	if (left > 0 && --left == 0)
		_exit(DIED);
}

static void clean(ino_t ino)
{
	for (unsigned int i = 0; i < n_dirty; i++)
		if (dirty[i] == ino)
			dirty[i--] = dirty[--n_dirty];
}

static void soil(ino_t ino)
{
	clean(ino);
	if (n_dirty == MAX_DIRTY)
		_exit(FAILED);
	dirty[n_dirty++] = ino;
}

static void must_be_clean(ino_t ino)
{
	for (unsigned int i = 0; i < n_dirty; i++)
		if (watched && dirty[i] == ino)
			_exit(DISORDER);
}

static ino_t ino_of(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static ino_t parent_of(int dirfd, const char *path)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", path);
	return ino_of(dirfd, dirname(copy));
}

static void blob_must_be_clean(int dirfd, const char *digest)
{
	char path[128];

	snprintf(path, sizeof(path), "blobs/sha256/%.64s", digest + 7);
	if (watched && ino_of(dirfd, path) == 0)
		_exit(DISORDER);
	must_be_clean(ino_of(dirfd, path));
}

/* Everything that this index.json names. */
static void named_must_be_clean(int dirfd, const char *index)
{
	struct layout layout;
	char *text;
	size_t len;

	if (read_file(dirfd, index, STORE_MAX_MANIFEST, &text, &len, NULL) < 0 ||
	    layout_parse(text, len, &layout, NULL) < 0)
		_exit(FAILED);
	must_be_clean(ino_of(dirfd, index));
	must_be_clean(ino_of(dirfd, "blobs/sha256"));
	for (size_t i = 0; i < layout.n; i++) {
		const char *digest = layout.entries[i].manifest.digest;
		struct oci_manifest *manifest = NULL;
		char path[128], *bytes;

		blob_must_be_clean(dirfd, digest);
		snprintf(path, sizeof(path), "blobs/sha256/%.64s", digest + 7);
		if (read_file(dirfd, path, STORE_MAX_MANIFEST, &bytes, &len, NULL) < 0 ||
		    oci_manifest_parse(bytes, len, &manifest, NULL) < 0)
			_exit(DISORDER);
		for (size_t k = 0; k < manifest->n_layers; k++)
			blob_must_be_clean(dirfd, manifest->layers[k].digest);
		oci_manifest_free(manifest);
		free(bytes);
	}
	layout_free(&layout);
	free(text);
}

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
int __wrap_fsync(int fd);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __real_mkdirat(int dirfd, const char *path, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *path, mode_t mode);

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	struct stat st;

	/* Half of it arrives. */
	if (left == 1 && len > 1)
		(void)!__real_write(fd, buf, len / 2);
	change();
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		soil(st.st_ino);
	return __real_write(fd, buf, len);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	struct stat st;

	if (left == 1 && len > 1)
		(void)!__real_pwrite64(fd, buf, len / 2, off);
	change();
	if (fstat(fd, &st) == 0)
		soil(st.st_ino);
	return __real_pwrite64(fd, buf, len, off);
}

int __wrap_fsync(int fd)
{
	struct stat st;

	change();
	if (fstat(fd, &st) == 0)
		clean(st.st_ino);
	/* No power fails, so the disk need not hear of it. */
	return 0;
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	change();
	if (strcmp(to, "index.json") == 0)
		named_must_be_clean(from_dir, from);
	else
		must_be_clean(ino_of(from_dir, from));
	soil(parent_of(from_dir, from));
	soil(parent_of(to_dir, to));
	return __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
	change();
	/* The sweep names blobs in their folder; the library is two above it. */
	if (strlen(path) == 64)
		must_be_clean(ino_of(dirfd, "../.."));
	soil(parent_of(dirfd, path));
	return __real_unlinkat(dirfd, path, flags);
}

int __wrap_mkdirat(int dirfd, const char *path, mode_t mode)
{
	change();
	return __real_mkdirat(dirfd, path, mode);
}

static bool try_put(struct store *store, const char *tag, const char *text,
                    const struct store_manifest *subject, struct store_manifest *ret)
{
	struct error err;

	*ret = small_manifest(store, text, subject);
	return store->ops->put_manifest(store, "debian", tag, ret, &err) == 0;
}

/* A library is made, gets images and signatures, loses some, and is swept. */
static bool live(const char *path)
{
	struct store_manifest one, two, mark;
	struct store *store;
	struct error err;
	uint64_t bytes;
	int r;

	if (folder_create(path, &err) < 0 || folder_open(path, &store, &err) < 0)
		return false;
	if (!try_put(store, "1", "the first image", NULL, &one) ||
	    !try_put(store, NULL, "its signature", &one, &mark) ||
	    !try_put(store, "2", "the second image", NULL, &two) ||
	    !try_put(store, "1", "the second image", NULL, &two))
		return false;
	r = store->ops->delete_manifest(store, "debian", one.digest, &err);
	return (r == 0 || r == -ENOENT) && folder_sweep(store, &bytes, &err) == 0;
}

static int child(const char *path, int changes, bool look)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		left = changes;
		watched = look;
		_exit(live(path) ? 0 : FAILED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Whatever the folder names is there. */
static void expect_honest(const struct place *place)
{
	char path[320], *text;
	struct layout layout;
	struct store *store;
	size_t len;

	if (folder_open(place->path, &store, NULL) < 0)
		return;
	place_path(place, "index.json", path);
	ok(read_file(AT_FDCWD, path, STORE_MAX_MANIFEST, &text, &len, &err));
	ok(layout_parse(text, len, &layout, &err));
	for (size_t i = 0; i < layout.n; i++)
		expect_whole(store, "debian", layout.entries[i].manifest.digest);
	layout_free(&layout);
	free(text);
	store_close(store);
}

TEST(wherever_it_dies_the_folder_names_what_is_there_and_the_next_run_gets_on)
{
	int n = 1, code;

	do {
		struct place place = place_new();
		struct store *store;

		code = child(place.path, n, false);
		if (code != DIED && code != 0)
			fail_msg("change %d: ended with %d", n, code);
		expect_honest(&place);
		assert_int_equal(child(place.path, -1, false), 0);
		expect_honest(&place);
		ok(folder_open(place.path, &store, &err));
		assert_string_equal(tags_of(store, "debian").text, "1 2 ");
		store_close(store);
		place_remove(&place);
	} while (code == DIED && ++n < MAX_CHANGES);
	/* The run has that many steps at least. */
	assert_true(code == 0 && n > 50);
}

TEST(what_is_named_is_flushed_before_and_what_goes_was_not_named_any_more)
{
	struct place place = place_new();

	assert_int_equal(child(place.path, -1, true), 0);
	assert_int_equal(child(place.path, -1, true), 0);
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(wherever_it_dies_the_folder_names_what_is_there_and_the_next_run_gets_on),
		CASE(what_is_named_is_flushed_before_and_what_goes_was_not_named_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
