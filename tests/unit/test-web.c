// SPDX-License-Identifier: GPL-2.0-or-later
/* A folder as a web server would show it, here by its path: what is read, and that nothing is written. */
#include "tests/unit/store-fixture.h"

#include "library/copy.h"

/* A folder with an image and its signature, and the same seen from outside. */
struct shown {
	struct place place;
	struct store *folder, *web;
	struct store_manifest image, mark;
};

static struct shown shown_new(void)
{
	struct shown shown = { .place = place_new() };

	shown.folder = new_folder(&shown.place);
	shown.image = small_manifest(shown.folder, "content", NULL);
	shown.mark = small_manifest(shown.folder, "mark", &shown.image);
	ok(shown.folder->ops->put_manifest(shown.folder, "team/debian", "12", &shown.image, &err));
	ok(shown.folder->ops->put_manifest(shown.folder, "team/debian", NULL, &shown.mark, &err));
	ok(web_open(shown.place.path, NULL, &shown.web, &err));
	return shown;
}

static void shown_free(struct shown *shown)
{
	store_manifest_free(&shown->image);
	store_manifest_free(&shown->mark);
	store_close(shown->web);
	store_close(shown->folder);
	place_remove(&shown->place);
}

TEST(an_image_is_found_listed_and_copied)
{
	struct shown shown = shown_new();
	struct place place = place_new();
	struct store *near = new_folder(&place);
	const struct copy_options options = { .any_kind = true };
	struct copy_result result;
	struct store_manifest got;
	char expected[80];

	assert_string_equal(names_of(shown.web).text, "team/debian ");
	assert_string_equal(tags_of(shown.web, "team/debian").text, "12 ");
	snprintf(expected, sizeof(expected), "%s ", shown.mark.digest);
	assert_string_equal(referrers_of(shown.web, "team/debian", shown.image.digest, "").text,
	                    expected);
	ok(store_get_manifest(shown.web, "team/debian", "12", &got, &err));
	ok(library_copy(shown.web, "team/debian", &got, near, "debian", "12", &options, &result,
	                &err));
	assert_int_equal(result.signatures, 1);
	expect_whole(near, "debian", "12");
	store_manifest_free(&got);
	store_close(near);
	place_remove(&place);
	shown_free(&shown);
}

static int append(void *arg, const void *buf, size_t len, struct error *err)
{
	(void)err;
	strncat(arg, buf, len);
	return 0;
}

TEST(a_blob_is_read_from_any_byte_on)
{
	struct shown shown = shown_new();
	struct oci_descriptor blob = put_blob(shown.folder, "text/plain", "0123456789", 10);
	struct listed listed = { 0 };
	uint64_t size;

	ok(shown.web->ops->find_blob(shown.web, "any", blob.digest, &size, &err));
	assert_int_equal(size, 10);
	for (uint64_t off = 8; off <= 10; off++) {
		const struct store_sink sink = { .write = append, .arg = listed.text };

		ok(shown.web->ops->read_blob(shown.web, "any", blob.digest, off, &sink, &err));
	}
	assert_string_equal(listed.text, "899");
	shown_free(&shown);
}

TEST(the_place_of_a_blob_is_beside_the_others)
{
	struct shown shown = shown_new();
	char expected[320], *place;

	ok(shown.web->ops->blob_place(shown.web, "any", shown.image.digest, &place, &err));
	blob_path(&shown.place, shown.image.digest, expected);
	assert_string_equal(place, expected);
	free(place);
	shown_free(&shown);
}

TEST(nothing_is_written)
{
	struct shown shown = shown_new();
	const struct copy_options options = { .any_kind = true };
	struct copy_result result;

	fails(shown.web->ops->put_manifest(shown.web, "a", "b", &shown.image, &err), EROFS,
	      "cannot be written");
	fails(shown.web->ops->delete_manifest(shown.web, "team/debian", "12", &err), EROFS,
	      "cannot be written");
	fails(library_copy(shown.folder, "team/debian", &shown.image, shown.web, "a", "b", &options,
	                   &result, &err),
	      EROFS, "cannot be written");
	shown_free(&shown);
}

TEST(what_is_not_there_and_what_is_too_large_is_said_with_its_place)
{
	struct shown shown = shown_new();
	struct store_manifest got;
	char path[320];
	uint64_t size;

	fails(store_get_manifest(shown.web, "team/debian", "13", &got, &err), ENOENT,
	      "has no image team/debian:13");
	fails(shown.web->ops->find_blob(shown.web, "any",
	                                "sha256:00000000000000000000000000000000"
	                                "00000000000000000000000000000000",
	                                &size, &err),
	      ENOENT, "blobs/sha256/0000");
	place_path(&shown.place, "index.json", path);
	assert_int_equal(truncate(path, STORE_MAX_MANIFEST + 1), 0);
	fails(store_get_manifest(shown.web, "team/debian", "12", &got, &err), EFBIG, "index.json");
	assert_int_equal(unlink(path), 0);
	fails(store_get_manifest(shown.web, "team/debian", "12", &got, &err), ENOENT, "index.json");
	shown_free(&shown);
}

TEST(an_address_that_makes_no_sense_is_refused_before_anybody_is_asked)
{
	struct store *web;

	ok(web_open("http://127.0.0.1:9/lib/", NULL, &web, &err));
	assert_string_equal(web->name, "http://127.0.0.1:9/lib");
	store_close(web);
	fails(web_open("http://somebody:secret@127.0.0.1:9/lib/", NULL, &web, &err), EINVAL,
	      "does not belong into a URL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_image_is_found_listed_and_copied),
		CASE(a_blob_is_read_from_any_byte_on),
		CASE(the_place_of_a_blob_is_beside_the_others),
		CASE(nothing_is_written),
		CASE(what_is_not_there_and_what_is_too_large_is_said_with_its_place),
		CASE(an_address_that_makes_no_sense_is_refused_before_anybody_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
