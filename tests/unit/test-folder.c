// SPDX-License-Identifier: GPL-2.0-or-later
/* A folder as a store: what it names, and how blobs come in. */
#include "tests/unit/store-fixture.h"

#define ZEROS "sha256:0000000000000000000000000000000000000000000000000000000000000000"

TEST(a_folder_becomes_a_library_once_and_stays_one)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "content", NULL);

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	ok(folder_create(place.path, &err));
	assert_string_equal(tags_of(store, "debian").text, "12 ");
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

TEST(a_folder_with_something_else_in_it_becomes_none)
{
	struct place place = place_new();
	struct store *store;

	fails(folder_open(place.path, &store, &err), EINVAL, "is no library");
	write_text(&place, "letter.txt", "Dear");
	fails(folder_create(place.path, &err), ENOTEMPTY, "letter.txt");
	write_text(&place, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
	fails(folder_open(place.path, &store, &err), EINVAL, "version 2.0.0");
	fails(folder_open("/nonexistent/folder", &store, &err), ENOENT, "/nonexistent");
	place_remove(&place);
}

TEST(a_library_that_was_half_made_is_made_whole)
{
	struct place place = place_new();
	struct store *store;
	char path[320];

	place_path(&place, "blobs", path);
	assert_int_equal(mkdir(path, 0755), 0);
	store = new_folder(&place);
	assert_string_equal(names_of(store).text, "");
	store_close(store);
	place_remove(&place);
}

TEST(nothing_is_named_that_is_not_there)
{
	struct place place = place_new(), other = place_new();
	struct store *store = new_folder(&place), *elsewhere = new_folder(&other);
	struct store_manifest image = small_manifest(elsewhere, "content", NULL);

	fails(store->ops->put_manifest(store, "debian", "12", &image, &err), ENOENT, "has no blob");
	assert_string_equal(names_of(store).text, "");
	store_manifest_free(&image);
	store_close(store);
	store_close(elsewhere);
	place_remove(&place);
	place_remove(&other);
}

TEST(an_image_is_found_by_its_tag_and_by_its_digest)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL), got;

	ok(store->ops->put_manifest(store, "team/debian", "12", &image, &err));
	ok(store_get_manifest(store, "team/debian", "12", &got, &err));
	assert_string_equal(got.bytes, image.bytes);
	assert_string_equal(got.media_type, OCI_MANIFEST);
	store_manifest_free(&got);
	ok(store_get_manifest(store, "team/debian", image.digest, &got, &err));
	assert_string_equal(got.digest, image.digest);
	store_manifest_free(&got);
	fails(store_get_manifest(store, "team/debian", "13", &got, &err), ENOENT,
	      "has no image team/debian:13");
	fails(store_get_manifest(store, "debian", "12", &got, &err), ENOENT, "debian:12");
	fails(store_get_manifest(store, "debian", ZEROS, &got, &err), ENOENT, "has no blob");
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

TEST(names_and_tags_are_listed_in_order_each_once)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest one = small_manifest(store, "one", NULL);
	struct store_manifest two = small_manifest(store, "two", NULL);

	ok(store->ops->put_manifest(store, "debian", "12", &one, &err));
	ok(store->ops->put_manifest(store, "debian", "11", &two, &err));
	ok(store->ops->put_manifest(store, "alpine", "3", &two, &err));
	assert_string_equal(names_of(store).text, "alpine debian ");
	assert_string_equal(tags_of(store, "debian").text, "11 12 ");
	assert_string_equal(tags_of(store, "nobody").text, "");
	store_manifest_free(&one);
	store_manifest_free(&two);
	store_close(store);
	place_remove(&place);
}

TEST(a_tag_that_moves_on_leaves_the_old_image_under_its_digest)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest one = small_manifest(store, "one", NULL);
	struct store_manifest two = small_manifest(store, "two", NULL), got;
	uint64_t bytes;

	ok(store->ops->put_manifest(store, "debian", "12", &one, &err));
	ok(store->ops->put_manifest(store, "debian", "12", &two, &err));
	ok(folder_sweep(store, &bytes, &err));
	assert_int_equal(bytes, 0);
	expect_whole(store, "debian", one.digest);
	ok(store_get_manifest(store, "debian", "12", &got, &err));
	assert_string_equal(got.digest, two.digest);
	assert_string_equal(tags_of(store, "debian").text, "12 ");
	store_manifest_free(&got);
	store_manifest_free(&one);
	store_manifest_free(&two);
	store_close(store);
	place_remove(&place);
}

TEST(a_digest_goes_with_its_tags_and_what_refers_to_it_but_not_from_under_another_name)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL);
	struct store_manifest mark = small_manifest(store, "mark", &image);
	struct store_manifest on_mark = small_manifest(store, "mark of a mark", &mark);
	uint64_t bytes;

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	ok(store->ops->put_manifest(store, "debian", "latest", &image, &err));
	ok(store->ops->put_manifest(store, "other", "1", &image, &err));
	ok(store->ops->put_manifest(store, "debian", NULL, &mark, &err));
	ok(store->ops->put_manifest(store, "debian", NULL, &on_mark, &err));
	ok(store->ops->delete_manifest(store, "debian", image.digest, &err));
	assert_string_equal(names_of(store).text, "other ");
	ok(folder_sweep(store, &bytes, &err));
	expect_whole(store, "other", "1");
	expect_whole(store, "other", on_mark.digest);
	ok(store->ops->delete_manifest(store, "other", image.digest, &err));
	ok(folder_sweep(store, &bytes, &err));
	assert_false(has_blob(store, image.digest));
	assert_false(has_blob(store, mark.digest));
	assert_false(has_blob(store, on_mark.digest));
	fails(store->ops->delete_manifest(store, "other", image.digest, &err), ENOENT, "other@sha");
	fails(store->ops->delete_manifest(store, "other", "1", &err), ENOENT, "other:1");
	store_manifest_free(&image);
	store_manifest_free(&mark);
	store_manifest_free(&on_mark);
	store_close(store);
	place_remove(&place);
}

TEST(a_tag_that_is_deleted_leaves_its_image)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL);
	uint64_t bytes;

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	ok(store->ops->delete_manifest(store, "debian", "12", &err));
	assert_string_equal(names_of(store).text, "");
	ok(folder_sweep(store, &bytes, &err));
	expect_whole(store, "debian", image.digest);
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

TEST(referrers_are_found_by_subject_and_type)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL);
	struct store_manifest other = small_manifest(store, "two", NULL);
	struct store_manifest mark = small_manifest(store, "mark", &image);
	char expected[80];

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	ok(store->ops->put_manifest(store, "debian", "13", &other, &err));
	ok(store->ops->put_manifest(store, "debian", NULL, &mark, &err));
	snprintf(expected, sizeof(expected), "%s ", mark.digest);
	assert_string_equal(referrers_of(store, "debian", image.digest, "application/x.on").text,
	                    expected);
	assert_string_equal(referrers_of(store, "debian", image.digest, "application/x.off").text,
	                    "");
	assert_string_equal(referrers_of(store, "debian", other.digest, "application/x.on").text,
	                    "");
	store_manifest_free(&image);
	store_manifest_free(&other);
	store_manifest_free(&mark);
	store_close(store);
	place_remove(&place);
}

TEST(names_that_other_tools_wrote_are_read_and_left_alone)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL), got;
	char text[2048], *content;
	size_t len;

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"future\":[1],\"manifests\":["
	         "{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"platform\":{\"os\":\"linux\"},\"annotations\":"
	         "{\"org.opencontainers.image.ref.name\":\"alone\"}},"
	         "{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"annotations\":{\"org.opencontainers.image.ref.name\":\"No Name!\"}}]}",
	         image.digest, image.len, image.digest, image.len);
	write_text(&place, "index.json", text);
	assert_string_equal(names_of(store).text, "alone ");
	ok(store_get_manifest(store, "alone", "latest", &got, &err));
	store_manifest_free(&got);
	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	assert_string_equal(names_of(store).text, "alone debian ");
	place_path(&place, "index.json", text);
	ok(read_file(AT_FDCWD, text, 4096, &content, &len, &err));
	assert_non_null(strstr(content, "No Name!"));
	assert_non_null(strstr(content, "platform"));
	assert_non_null(strstr(content, "future"));
	free(content);
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

TEST(an_upload_goes_on_where_it_stopped)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	char digest[STORE_DIGEST_ROOM], *content;
	struct store_upload *upload;
	uint64_t off;
	size_t len;

	oci_digest("hello, world", 12, digest);
	ok(store->ops->begin_upload(store, "any", digest, 12, &upload, &off, &err));
	assert_int_equal(off, 0);
	ok(store->ops->write_upload(upload, "hello", 5, &err));
	store->ops->end_upload(upload);
	assert_false(has_blob(store, digest));
	ok(store->ops->begin_upload(store, "any", digest, 12, &upload, &off, &err));
	assert_int_equal(off, 5);
	ok(store->ops->write_upload(upload, ", world", 7, &err));
	ok(store->ops->finish_upload(upload, &err));
	store->ops->end_upload(upload);
	ok(store_get_blob(store, "any", digest, 12, &content, &len, &err));
	assert_string_equal(content, "hello, world");
	free(content);
	ok(store->ops->begin_upload(store, "any", digest, 12, &upload, &off, &err));
	assert_null(upload);
	store_close(store);
	place_remove(&place);
}

TEST(wrong_bytes_never_get_the_name_and_are_not_gone_on_with)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	char digest[STORE_DIGEST_ROOM];
	struct store_upload *upload;
	uint64_t off;

	oci_digest("right", 5, digest);
	fails(try_blob(store, "wrong", 5, digest, &err), EBADMSG, "what came for");
	assert_false(has_blob(store, digest));
	ok(store->ops->begin_upload(store, "any", digest, 5, &upload, &off, &err));
	assert_int_equal(off, 0);
	fails(store->ops->write_upload(upload, "too much", 8, &err), EBADMSG, "more bytes");
	ok(store->ops->write_upload(upload, "righ", 4, &err));
	fails(store->ops->finish_upload(upload, &err), EBADMSG, "ended after 4 of 5");
	ok(store->ops->write_upload(upload, "t", 1, &err));
	ok(store->ops->finish_upload(upload, &err));
	store->ops->end_upload(upload);
	assert_true(has_blob(store, digest));
	store_close(store);
	place_remove(&place);
}

TEST(two_uploads_of_one_blob_do_not_wait_for_each_other)
{
	struct place place = place_new();
	struct store *store = new_folder(&place), *again;
	struct store_upload *first, *second;
	char digest[STORE_DIGEST_ROOM];
	uint64_t off, bytes;

	ok(folder_open(place.path, &again, &err));
	oci_digest("content", 7, digest);
	ok(store->ops->begin_upload(store, "any", digest, 7, &first, &off, &err));
	ok(store->ops->write_upload(first, "con", 3, &err));
	ok(again->ops->begin_upload(again, "any", digest, 7, &second, &off, &err));
	assert_int_equal(off, 0);
	ok(again->ops->write_upload(second, "content", 7, &err));
	ok(again->ops->finish_upload(second, &err));
	again->ops->end_upload(second);
	ok(store->ops->write_upload(first, "tent", 4, &err));
	ok(store->ops->finish_upload(first, &err));
	store->ops->end_upload(first);
	assert_true(has_blob(store, digest));
	ok(folder_sweep(store, &bytes, &err));
	assert_int_equal(bytes, 7);
	store_close(again);
	store_close(store);
	place_remove(&place);
}

TEST(a_blob_of_another_size_is_replaced)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	char digest[STORE_DIGEST_ROOM], path[320], *content;

	oci_digest("content", 7, digest);
	ok(try_blob(store, "content", 7, digest, &err));
	blob_path(&place, digest, path);
	assert_int_equal(truncate(path, 3), 0);
	ok(try_blob(store, "content", 7, digest, &err));
	ok(store_get_blob(store, "any", digest, 7, &content, NULL, &err));
	free(content);
	store_close(store);
	place_remove(&place);
}

TEST(links_in_a_stranger_s_folder_are_not_followed)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	char digest[STORE_DIGEST_ROOM], path[320];
	uint64_t size;

	oci_digest("content", 7, digest);
	write_text(&place, ".secret", "content");
	blob_path(&place, digest, path);
	assert_int_equal(symlink("../../.secret", path), 0);
	fails(store->ops->find_blob(store, "any", digest, &size, &err), ELOOP, digest + 7);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	fails(store->ops->find_blob(store, "any", digest, &size, &err), EBADMSG, "is no file");
	store_close(store);
	place_remove(&place);
}

TEST(a_sweep_waits_for_copies_and_takes_only_what_nobody_names)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL);
	struct oci_descriptor loose = put_blob(store, "text/plain", "loose end", 9);
	uint64_t bytes;
	int held;

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	ok(store_hold(store, &held, &err));
	fails(folder_sweep(store, &bytes, &err), EBUSY, "being copied");
	assert_true(has_blob(store, loose.digest));
	close(held);
	ok(folder_sweep(store, &bytes, &err));
	assert_int_equal(bytes, 9);
	assert_false(has_blob(store, loose.digest));
	expect_whole(store, "debian", "12");
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

TEST(a_manifest_that_cannot_be_read_ends_a_sweep_before_anything_is_gone)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct store_manifest image = small_manifest(store, "one", NULL);
	struct oci_descriptor loose = put_blob(store, "text/plain", "loose end", 9);
	char path[320];
	uint64_t bytes;

	ok(store->ops->put_manifest(store, "debian", "12", &image, &err));
	blob_path(&place, image.digest, path);
	assert_int_equal(truncate(path, 10), 0);
	fails(folder_sweep(store, &bytes, &err), EBADMSG, image.digest);
	assert_true(has_blob(store, loose.digest));
	store_manifest_free(&image);
	store_close(store);
	place_remove(&place);
}

/* One process of several: names the image twenty-five times. */
static int tag_many(const char *path, char which)
{
	struct store *store;
	struct store_manifest image;
	struct error err;

	if (folder_open(path, &store, &err) < 0)
		return 1;
	image = small_manifest(store, "one", NULL);
	for (int i = 0; i < 25; i++) {
		char tag[16];

		snprintf(tag, sizeof(tag), "%c%d", which, i);
		if (store->ops->put_manifest(store, "debian", tag, &image, &err) < 0)
			return 1;
	}
	store_manifest_free(&image);
	store_close(store);
	return 0;
}

static int count_item(void *arg, const char *text, struct error *err)
{
	(void)text;
	(void)err;
	++*(int *)arg;
	return 0;
}

TEST(processes_that_name_images_at_once_lose_none)
{
	struct place place = place_new();
	struct store *store = new_folder(&place);
	pid_t children[4];
	int n = 0;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(tag_many(place.path, (char)('a' + i)));
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	ok(store->ops->tags(store, "debian", count_item, &n, &err));
	assert_int_equal(n, 100);
	store_close(store);
	place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_folder_becomes_a_library_once_and_stays_one),
		CASE(a_folder_with_something_else_in_it_becomes_none),
		CASE(a_library_that_was_half_made_is_made_whole),
		CASE(nothing_is_named_that_is_not_there),
		CASE(an_image_is_found_by_its_tag_and_by_its_digest),
		CASE(names_and_tags_are_listed_in_order_each_once),
		CASE(a_tag_that_moves_on_leaves_the_old_image_under_its_digest),
		CASE(a_digest_goes_with_its_tags_and_what_refers_to_it_but_not_from_under_another_name),
		CASE(a_tag_that_is_deleted_leaves_its_image),
		CASE(referrers_are_found_by_subject_and_type),
		CASE(names_that_other_tools_wrote_are_read_and_left_alone),
		CASE(an_upload_goes_on_where_it_stopped),
		CASE(wrong_bytes_never_get_the_name_and_are_not_gone_on_with),
		CASE(two_uploads_of_one_blob_do_not_wait_for_each_other),
		CASE(a_blob_of_another_size_is_replaced),
		CASE(links_in_a_stranger_s_folder_are_not_followed),
		CASE(a_sweep_waits_for_copies_and_takes_only_what_nobody_names),
		CASE(a_manifest_that_cannot_be_read_ends_a_sweep_before_anything_is_gone),
		CASE(processes_that_name_images_at_once_lose_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
