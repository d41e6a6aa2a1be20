// SPDX-License-Identifier: GPL-2.0-or-later
/* Copying between stores that break, lie and run full. */
#include "tests/unit/memory-store.h"

#include "library/copy.h"

#define LAYERS 6u
#define LAYER  50000u /* bytes, and a few that differ */

static void no_pause(void *arg, uint32_t ms)
{
	(void)arg;
	(void)ms;
}

static const struct copy_options any = { .any_kind = true, .pause = no_pause };

/* Six layers of noise, in a store in memory. */
struct far {
	struct memory_store *memory;
	struct store_manifest manifest;
	char layers[LAYERS][STORE_DIGEST_ROOM];
	uint64_t bytes;
};

static struct far far_new(void)
{
	struct far far = { .memory = memory_new() };
	struct oci_descriptor layers[LAYERS];
	struct oci_manifest manifest = { .layers = layers, .n_layers = LAYERS };
	char *text = malloc(LAYER + LAYERS);

	for (unsigned int i = 0; i < LAYERS; i++) {
		for (unsigned int k = 0; k < LAYER + i; k++)
			text[k] = (char)('a' + (k * (i + 7) + k / 91) % 26);
		layers[i] = put_blob(&far.memory->store, "text/plain", text, LAYER + i);
		memcpy(far.layers[i], layers[i].digest, STORE_DIGEST_ROOM);
		far.bytes += LAYER + i;
	}
	free(text);
	manifest.config = put_blob(&far.memory->store, OCI_EMPTY, "{}", 2);
	ok(oci_manifest_write(&manifest, &far.manifest, &err));
	ok(far.memory->store.ops->put_manifest(&far.memory->store, "far", "1", &far.manifest,
	                                       &err));
	far.bytes += 2 + far.manifest.len;
	far.memory->written = 0;
	far.memory->order[0] = '\0';
	far.memory->n_order = 0;
	return far;
}

static void far_free(struct far *far)
{
	store_manifest_free(&far->manifest);
	store_close(&far->memory->store);
}

static int copy(struct far *far, struct store *to, const struct copy_options *options,
                struct copy_result *ret, struct error *err)
{
	return library_copy(&far->memory->store, "far", &far->manifest, to, "near", "1", options,
	                    ret, err);
}

TEST(everything_comes_over_and_the_tag_comes_last)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	ok(copy(&far, &near->store, &any, &result, &err));
	expect_whole(&near->store, "near", "1");
	assert_string_equal(near->order, "BBBBBBBT");
	assert_int_equal(result.bytes, far.bytes);
	assert_int_equal(result.sent, far.bytes - far.manifest.len);
	assert_int_equal(result.there, 0);
	assert_int_equal(result.blobs, LAYERS + 1);
	store_close(&near->store);
	far_free(&far);
}

TEST(what_is_there_is_not_sent_again)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	ok(copy(&far, &near->store, &any, &result, &err));
	far.memory->read = 0;
	ok(copy(&far, &near->store, &any, &result, &err));
	assert_int_equal(far.memory->read, 0);
	assert_int_equal(result.sent, 0);
	assert_int_equal(result.there, far.bytes - far.manifest.len);
	store_close(&near->store);
	far_free(&far);
}

TEST(what_another_name_has_is_mounted)
{
	const struct copy_options options = { .any_kind = true, .mount_from = "elsewhere" };
	const struct copy_options nowhere = { .any_kind = true, .mount_from = "nowhere" };
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	near->elsewhere = far.memory;
	ok(copy(&far, &near->store, &options, &result, &err));
	assert_int_equal(result.mounted, far.bytes - far.manifest.len);
	assert_int_equal(result.sent, 0);
	assert_string_equal(near->order, "T");
	store_close(&near->store);
	near = memory_new();
	ok(copy(&far, &near->store, &nowhere, &result, &err));
	assert_int_equal(result.mounted, 0);
	assert_int_equal(result.sent, far.bytes - far.manifest.len);
	store_close(&near->store);
	far_free(&far);
}

TEST(a_link_that_breaks_is_gone_on_with_where_it_broke)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	far.memory->break_after = 7000;
	far.memory->breaks = 40;
	ok(copy(&far, &near->store, &any, &result, &err));
	expect_whole(&near->store, "near", "1");
	/* No byte came twice. */
	assert_int_equal(far.memory->read, far.bytes - far.manifest.len);
	assert_int_equal(far.memory->breaks < 40, 1);
	store_close(&near->store);
	far_free(&far);
}

TEST(ten_tries_without_a_byte_are_the_end)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;
	struct copy_options one = any;

	one.threads = 1;
	near->deaf = 9;
	ok(copy(&far, &near->store, &one, &result, &err));
	store_close(&near->store);
	near = memory_new();
	near->deaf = 10;
	fails(copy(&far, &near->store, &one, &result, &err), ECONNREFUSED, "after 10 tries");
	assert_string_equal(near->order, "");
	store_close(&near->store);
	far_free(&far);
}

TEST(other_bytes_are_refused_and_the_source_is_named)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;
	uint64_t size;

	far.memory->spoil = far.layers[2];
	fails(copy(&far, &near->store, &any, &result, &err), EBADMSG, far.layers[2]);
	assert_int_equal(near->n_tags, 0);
	assert_int_equal(
		near->store.ops->find_blob(&near->store, "near", far.layers[2], &size, NULL),
		-ENOENT);
	/* A destination that looks at nothing does not make it right. */
	near->takes_anything = true;
	fails(copy(&far, &near->store, &any, &result, &err), EBADMSG, "that came is");
	assert_int_equal(near->n_tags, 0);
	store_close(&near->store);
	far_free(&far);
}

TEST(a_blob_that_is_longer_or_shorter_than_it_says_is_refused)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	far.memory->longer = far.layers[0];
	fails(copy(&far, &near->store, &any, &result, &err), EBADMSG, "more than its 50000 bytes");
	assert_int_equal(near->n_tags, 0);
	/* What other threads brought meanwhile is there: another destination. */
	store_close(&near->store);
	near = memory_new();
	far.memory->longer = NULL;
	far.memory->shorter = far.layers[1];
	fails(copy(&far, &near->store, &any, &result, &err), EBADMSG,
	      "ended after 50000 of 50001 bytes");
	assert_int_equal(near->n_tags, 0);
	store_close(&near->store);
	far_free(&far);
}

TEST(what_an_earlier_try_left_wrong_is_sent_once_more_from_the_start)
{
	struct far far = far_new();
	struct place place = place_new();
	struct store *near = new_folder(&place);
	struct copy_result result;
	char path[256];

	snprintf(path, sizeof(path), "uploads/%s", far.layers[3] + 7);
	write_text(&place, path, "a power cut left zeros here");
	ok(copy(&far, near, &any, &result, &err));
	expect_whole(near, "near", "1");
	store_close(near);
	place_remove(&place);
	far_free(&far);
}

TEST(a_full_destination_keeps_what_is_whole_and_names_nothing)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;
	struct copy_options one = any;

	one.threads = 1;
	near->room = 120000;
	fails(copy(&far, &near->store, &one, &result, &err), ENOSPC, "is full");
	/* The configuration and two layers. */
	assert_string_equal(near->order, "BBB");
	near->room = 0;
	ok(copy(&far, &near->store, &one, &result, &err));
	assert_int_equal(result.sent + result.there, far.bytes - far.manifest.len);
	assert_true(result.there >= 100003);
	store_close(&near->store);
	far_free(&far);
}

TEST(a_blob_of_another_size_at_the_destination_is_sent)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	ok(copy(&far, &near->store, &any, &result, &err));
	near->says_less = far.layers[4];
	memory_find(near, far.layers[4], false)->len = 0;
	far.memory->read = 0;
	ok(copy(&far, &near->store, &any, &result, &err));
	assert_int_equal(far.memory->read, LAYER + 4);
	store_close(&near->store);
	far_free(&far);
}

TEST(signatures_come_before_the_tag)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct store_manifest mark = small_manifest(&far.memory->store, "mark", &far.manifest);
	struct store_manifest on_mark = small_manifest(&far.memory->store, "second", &mark);
	struct copy_result result;

	ok(far.memory->store.ops->put_manifest(&far.memory->store, "far", NULL, &mark, &err));
	ok(far.memory->store.ops->put_manifest(&far.memory->store, "far", NULL, &on_mark, &err));
	ok(copy(&far, &near->store, &any, &result, &err));
	assert_string_equal(near->order, "BBBBBBBBBMMMT");
	assert_int_equal(result.signatures, 2);
	expect_whole(&near->store, "near", mark.digest);
	expect_whole(&near->store, "near", on_mark.digest);
	store_manifest_free(&mark);
	store_manifest_free(&on_mark);
	store_close(&near->store);
	far_free(&far);
}

TEST(a_list_of_images_comes_with_all_of_them)
{
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct store_manifest list = { .media_type = OCI_INDEX };
	struct copy_result result;

	assert_true(asprintf(&list.bytes,
	                     "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" OCI_MANIFEST
	                     "\",\"digest\":\"%s\",\"size\":%zu}]}",
	                     far.manifest.digest, far.manifest.len) > 0);
	list.len = strlen(list.bytes);
	oci_digest(list.bytes, list.len, list.digest);
	ok(library_copy(&far.memory->store, "far", &list, &near->store, "near", "all", &any,
	                &result, &err));
	assert_string_equal(near->order, "BBBBBBBMT");
	expect_whole(&near->store, "near", far.manifest.digest);
	/* Sill runs none, so it takes them only when it is told to. */
	fails(library_copy(&far.memory->store, "far", &list, &near->store, "near", "all", NULL,
	                   &result, &err),
	      EMEDIUMTYPE, "list of images");
	store_manifest_free(&list);
	store_close(&near->store);
	far_free(&far);
}

struct impatient {
	uint64_t least; /* bytes that are enough */
};

static bool enough(void *arg, uint64_t done, uint64_t total)
{
	struct impatient *impatient = arg;

	assert_true(done <= total);
	return done < impatient->least;
}

TEST(whoever_asks_for_progress_can_stop_it)
{
	struct impatient impatient = { .least = 0 };
	struct copy_options options = { .any_kind = true, .progress = enough, .arg = &impatient };
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	fails(copy(&far, &near->store, &options, &result, &err), EINTR, "was stopped");
	assert_int_equal(near->n_tags, 0);
	impatient.least = UINT64_MAX;
	ok(copy(&far, &near->store, &options, &result, &err));
	store_close(&near->store);
	far_free(&far);
}

/* Another process, or a thread of this one, that copies into the same folder. */
struct rival {
	struct far *far;
	const char *path;
	int code;
	struct error err;
};

static void *copy_too(void *arg)
{
	struct rival *rival = arg;
	struct copy_result result;
	struct store *store;

	rival->code = folder_open(rival->path, &store, &rival->err);
	if (rival->code == 0) {
		rival->code = copy(rival->far, store, &any, &result, &rival->err);
		store_close(store);
	}
	return NULL;
}

TEST(two_copies_into_one_folder_and_a_sweep_do_not_disturb_each_other)
{
	struct far far = far_new();
	struct place place = place_new();
	struct store *store = new_folder(&place);
	struct rival rivals[2] = { { .far = &far, .path = place.path },
		                   { .far = &far, .path = place.path } };
	pthread_t threads[2];
	uint64_t bytes;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, copy_too, &rivals[i]), 0);
	for (int i = 0; i < 50; i++) {
		int r = folder_sweep(store, &bytes, NULL);

		assert_true(r == 0 || r == -EBUSY);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		if (rivals[i].code < 0)
			fail_msg("%s", rivals[i].err.text);
	}
	expect_whole(store, "near", "1");
	ok(folder_sweep(store, &bytes, &err));
	expect_whole(store, "near", "1");
	store_close(store);
	place_remove(&place);
	far_free(&far);
}

TEST(a_store_that_cannot_be_written_is_said_to_be_so)
{
	static const struct store_ops ops = { .close = memory_close };
	struct far far = far_new();
	struct memory_store *near = memory_new();
	struct copy_result result;

	near->store.ops = &ops;
	fails(copy(&far, &near->store, &any, &result, &err), EROFS, "cannot be written");
	store_close(&near->store);
	far_free(&far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(everything_comes_over_and_the_tag_comes_last),
		CASE(what_is_there_is_not_sent_again),
		CASE(what_another_name_has_is_mounted),
		CASE(a_link_that_breaks_is_gone_on_with_where_it_broke),
		CASE(ten_tries_without_a_byte_are_the_end),
		CASE(other_bytes_are_refused_and_the_source_is_named),
		CASE(a_blob_that_is_longer_or_shorter_than_it_says_is_refused),
		CASE(what_an_earlier_try_left_wrong_is_sent_once_more_from_the_start),
		CASE(a_full_destination_keeps_what_is_whole_and_names_nothing),
		CASE(a_blob_of_another_size_at_the_destination_is_sent),
		CASE(signatures_come_before_the_tag),
		CASE(a_list_of_images_comes_with_all_of_them),
		CASE(whoever_asks_for_progress_can_stop_it),
		CASE(two_copies_into_one_folder_and_a_sweep_do_not_disturb_each_other),
		CASE(a_store_that_cannot_be_written_is_said_to_be_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
