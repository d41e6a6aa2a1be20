// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk whose far image is an index: what comes along, what is kept near, what is told of it.
 */
#include "tests/unit/library-folder.h"

#include "disk/disk.h"
#include "util/cleanup.h"

/* An opened disk of the index, with its near directory. */
struct world {
	struct folder far;
	char state[64];
	char *image_dir;
	uint8_t *content;
	struct disk_spec *spec;
	struct disk *disk;
};

static struct disk_spec *spec_of(const struct world *world, const uint8_t digest[32])
{
	struct disk_spec *spec = NULL;
	struct error err = { 0 };
	char path[160];
	json_t *object;

	folder_file(&world->far, digest, path);
	object = json_pack("{s:i, s:[{s:s}], s:{s:b, s:b}}", "version", 1, "sources", "url", path,
	                   "trace", "record", 0, "replay", 1);
	if (world->image_dir)
		json_object_set_new(object, "image", json_string(world->image_dir));
	if (disk_spec_parse(object, &spec, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(object);
	return spec;
}

/* A disk of that content, which is then the world's; near it in `state`, or in a place of its own. */
static struct world world_of(uint8_t *content, const char *state, const struct trace *trace)
{
	struct world world = { .far = folder_new(), .content = content };
	struct build_result built = build_into(&world.far, world.content, DISK,
	                                       (struct build_options){ .trace = trace });
	struct disk_spec *look = spec_of(&world, built.digest);
	struct error err = { 0 };

	snprintf(world.state, sizeof(world.state), "%s", state ? state : "/tmp/sill-near-XXXXXX");
	if (!state)
		assert_non_null(mkdtemp(world.state));
	if (disk_image_resolve(look, world.state, &world.image_dir, &err) < 0)
		fail_msg("%s", err.text);
	disk_spec_free(look);
	world.spec = spec_of(&world, built.digest);
	if (disk_open(world.spec, &world.disk, &err) < 0)
		fail_msg("%s", err.text);
	return world;
}

static struct world world_new(const struct trace *trace)
{
	return world_of(usual_disk(), NULL, trace);
}

/* Another disk on the same host. */
static struct world world_with(const struct world *other, const uint8_t *content)
{
	uint8_t *copy = malloc(CHUNKS * (size_t)CHUNK);

	assert_non_null(copy);
	memcpy(copy, content, CHUNKS * (size_t)CHUNK);
	return world_of(copy, other->state, NULL);
}

static void world_free(struct world *world)
{
	disk_close(world->disk);
	disk_spec_free(world->spec);
	remove_files(world->image_dir);
	/* The last one on this host. */
	(void)rmdir(world->state);
	free(world->image_dir);
	free(world->content);
	remove_files(world->far.path);
}

static void expect_content(struct world *world)
{
	uint8_t *buf = malloc(DISK);
	struct error err = { 0 };

	if (disk_read(world->disk, buf, DISK, 0, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(buf, world->content, DISK);
	free(buf);
}

TEST(a_disk_over_an_index_reads_right_and_then_needs_it_no_more)
{
	struct world world = world_new(NULL);

	expect_content(&world);
	remove_files(world.far.path);
	expect_content(&world);
	world_free(&world);
}

TEST(a_published_trace_is_there_before_the_first_boot)
{
	struct trace_run runs[] = { { 4 * CHUNK, 4096 }, { CHUNK, 8192 } };
	const struct trace trace = { .size = DISK, .runs = runs, .n = 2 };
	struct world world = world_new(&trace);
	struct trace *got = NULL;
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", world.image_dir, TRACE_NAME);
	assert_int_equal(trace_load(AT_FDCWD, path, NULL, &got, NULL), 0);
	assert_int_equal(got->n, 2);
	assert_memory_equal(got->runs, runs, sizeof(runs));
	/* It is this image's now, so the disk replays it. */
	assert_false(got->image_id[0] == 0 && got->image_id[1] == 0 && got->image_id[2] == 0);
	trace_free(got);
	expect_content(&world);
	world_free(&world);
}

/* What the first source has delivered, and what came from other images of this host. */
static void expect_counts(struct world *world, uint64_t most_fetched, uint64_t least_copied)
{
	json_t *status = disk_status(world->disk);
	const json_t *first = json_array_get(json_object_get(status, "sources"), 0);
	uint64_t fetched = (uint64_t)json_integer_value(json_object_get(first, "bytes"));
	uint64_t copied = (uint64_t)json_integer_value(json_object_get(status, "copied_bytes"));

	if (fetched > most_fetched || copied < least_copied)
		fail_msg("%llu bytes fetched, %llu copied", (unsigned long long)fetched,
		         (unsigned long long)copied);
	json_decref(status);
}

TEST(a_new_release_fetches_only_chunks_that_no_image_here_has)
{
	struct world old = world_new(NULL), new;

	expect_content(&old);
	/* What it holds is in its files then. */
	disk_close(take_ptr(old.disk));
	fill_chunk(old.content + 11 * (size_t)CHUNK, CHUNK, 9000);
	new = world_with(&old, old.content);
	expect_content(&new);
	/* One chunk of noise, a page of 64 KiB of the index, the index. */
	expect_counts(&new, 7 * CHUNK, 30 * CHUNK);
	world_free(&new);
	fill_chunk(old.content + 11 * (size_t)CHUNK, CHUNK, usual_kind(11));
	world_free(&old);
}

TEST(what_packs_delivered_is_told_as_the_place_of_the_index)
{
	struct world world = world_new(NULL);
	json_t *status, *sources;

	expect_content(&world);
	status = disk_status(world.disk);
	sources = json_object_get(status, "sources");
	assert_int_equal(json_array_size(sources), 1);
	assert_true(json_integer_value(json_object_get(json_array_get(sources, 0), "bytes")) >
	            10000);
	assert_string_equal(json_string_value(json_object_get(json_array_get(sources, 0), "state")),
	                    "well");
	json_decref(status);
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_disk_over_an_index_reads_right_and_then_needs_it_no_more),
		CASE(a_published_trace_is_there_before_the_first_boot),
		CASE(a_new_release_fetches_only_chunks_that_no_image_here_has),
		CASE(what_packs_delivered_is_told_as_the_place_of_the_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
