// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine's image whose index names what its manifest has, and others. */
#include "tests/unit/library-folder.h"
#include "tests/unit/store-fixture.h"

#include "library/closure.h"
#include "library/copy.h"

#define MAX_LAYERS 128

/* A machine in a folder, whose parts a test changes before it is written down. */
struct machine {
	struct place place;
	struct store *store;
	struct build_result built;
	struct machine_config config;
	struct oci_descriptor layers[MAX_LAYERS];
	size_t n_layers;
	struct store_manifest manifest;
};

static void add_layer(struct machine *machine, const uint8_t raw[32], const char *type,
                      uint64_t size)
{
	struct oci_descriptor *layer = &machine->layers[machine->n_layers++];

	assert_true(machine->n_layers < MAX_LAYERS);
	*layer = (struct oci_descriptor){ .size = size };
	snprintf(layer->media_type, sizeof(layer->media_type), "%s", type);
	oci_digest_text(raw, layer->digest);
}

static struct folder blobs_of(const struct place *place)
{
	struct folder folder;

	assert_true(snprintf(folder.path, sizeof(folder.path), "%.30s/blobs/sha256", place->path) >
	            0);
	return folder;
}

/* The machine's disk is this one. */
static void set_disk(struct machine *machine, const uint8_t *disk, uint64_t len,
                     struct build_options options)
{
	struct folder folder = blobs_of(&machine->place);
	struct machine_disk *system = &machine->config.disks[0];
	const struct index_header *header = &machine->built.header;
	struct image *image;

	machine->built = build_into(&folder, disk, len, options);
	machine->n_layers = 0;
	add_layer(machine, machine->built.digest, MACHINE_INDEX_TYPE, INDEX_HEADER_BYTES);
	add_layer(machine, header->pages_digest, MACHINE_PAGES_TYPE, header->pages_size);
	if (header->trace_size)
		add_layer(machine, header->trace_digest, MACHINE_TRACE_TYPE, header->trace_size);
	image = open_index_or_fail(&folder, machine->built.digest);
	for (uint32_t i = 0; i < header->n_packs; i++) {
		struct index_pack pack;

		ok(index_find_pack(to_index(image), i, NULL, &pack, &err));
		add_layer(machine, pack.digest, MACHINE_PACK_TYPE, pack.size);
	}
	image_close(image);
	system->size = len;
	oci_digest_text(machine->built.digest, system->index);
}

/* The usual disk in packs of 64 KiB, with a trace of two reads. */
static struct machine machine_new(void)
{
	struct trace_run runs[] = { { .off = 0, .len = 8192 }, { .off = 65536, .len = 4096 } };
	struct trace trace = { .size = DISK, .runs = runs, .n = ARRAY_LEN(runs) };
	struct machine machine = {
		.place = place_new(),
		.config = { .architecture = "amd64",
		            .disks = { { .name = "system", .role = MACHINE_DISK_SYSTEM } },
		            .n_disks = 1 },
	};
	uint8_t *disk = usual_disk();

	machine.store = new_folder(&machine.place);
	set_disk(&machine, disk, DISK,
	         (struct build_options){ .pack_size = 64 * KIB, .trace = &trace });
	free(disk);
	return machine;
}

/* Configuration and manifest, as they are now. */
static void write_down(struct machine *machine)
{
	struct oci_manifest manifest = { .artifact_type = MACHINE_IMAGE_TYPE,
		                         .layers = machine->layers,
		                         .n_layers = machine->n_layers };
	char *text;
	size_t len;

	ok(machine_config_write(&machine->config, &text, &len, &err));
	manifest.config = put_blob(machine->store, MACHINE_CONFIG_TYPE, text, len);
	free(text);
	store_manifest_free(&machine->manifest);
	ok(oci_manifest_write(&manifest, &machine->manifest, &err));
}

static int check(struct machine *machine, struct error *err)
{
	cleanup(machine_image_free) struct machine_image image = { 0 };
	int r;

	write_down(machine);
	r = machine_image_get(machine->store, "sample", &machine->manifest, &image, err);
	return r < 0 ? r : closure_check(machine->store, "sample", &image, err);
}

static void machine_free(struct machine *machine)
{
	store_manifest_free(&machine->manifest);
	store_close(machine->store);
	place_remove(&machine->place);
}

TEST(a_machine_that_is_whole_is_copied_and_opens_as_it_was)
{
	struct machine machine = machine_new();
	struct place place = place_new();
	struct store *near = new_folder(&place);
	struct copy_result result;
	struct image *image;
	struct folder folder = blobs_of(&place);
	uint8_t *disk = usual_disk();

	assert_true(machine.built.header.n_packs > 5);
	ok(check(&machine, &err));
	ok(library_copy(machine.store, "sample", &machine.manifest, near, "sample", "1", NULL,
	                &result, &err));
	assert_int_equal(result.blobs, machine.n_layers + 1);
	image = open_index_or_fail(&folder, machine.built.digest);
	expect_disk(image, disk, 100000);
	image_close(image);
	free(disk);
	store_close(near);
	place_remove(&place);
	machine_free(&machine);
}

TEST(a_list_of_packs_of_several_levels_is_walked)
{
	struct machine machine = machine_new();
	uint8_t *disk = calloc(80, CHUNK);

	/* Eighty packs of a chunk each. */
	assert_non_null(disk);
	for (unsigned int n = 0; n < 80; n++)
		fill_chunk(disk + n * (size_t)CHUNK, CHUNK, 1000 + 2 * n);
	set_disk(&machine, disk, 80 * (uint64_t)CHUNK, (struct build_options){ .pack_size = 1 });
	free(disk);
	assert_int_equal(machine.built.header.n_packs, 80);
	ok(check(&machine, &err));
	memset(machine.layers[2 + 79].digest + 7, '0', 64);
	fails(check(&machine, &err), EBADMSG, "its pack");
	machine_free(&machine);
}

TEST(a_pack_a_trace_or_pages_that_are_no_layer_are_missed)
{
	struct machine machine = machine_new();
	const char *const words[] = { "its file of pages", "its trace", "its pack" };

	for (size_t i = 1; i <= 3; i++) {
		struct oci_descriptor was = machine.layers[i];

		memset(machine.layers[i].digest + 7, '0', 64);
		fails(check(&machine, &err), EBADMSG, words[i - 1]);
		machine.layers[i] = was;
		snprintf(machine.layers[i].media_type, STORE_MEDIA_ROOM, "application/other");
		fails(check(&machine, &err), EBADMSG, "is not among the layers");
		machine.layers[i] = was;
		machine.layers[i].size++;
		fails(check(&machine, &err), EBADMSG, "bytes, and");
		machine.layers[i] = was;
	}
	ok(check(&machine, &err));
	machine_free(&machine);
}

TEST(an_index_and_a_configuration_that_disagree_are_refused)
{
	struct machine machine = machine_new();

	machine.config.disks[0].size += 512;
	fails(check(&machine, &err), EBADMSG, "its index says");
	machine.config.disks[0].size -= 512;
	machine.layers[0].size = 255;
	fails(check(&machine, &err), EBADMSG, "has 255 bytes, not 256");
	machine.layers[0].size = INDEX_HEADER_BYTES;
	memset(machine.config.disks[0].index + 7, '1', 64);
	fails(check(&machine, &err), EBADMSG, "the index of disk \"system\" is not among");
	machine_free(&machine);
}

/* Another index of the same machine, made of the real header with a change. */
static void change_index(struct machine *machine, void (*change)(struct index_header *header))
{
	struct index_header header = machine->built.header;
	uint8_t raw[INDEX_HEADER_BYTES];

	change(&header);
	index_header_write(&header, raw);
	machine->layers[0] = put_blob(machine->store, MACHINE_INDEX_TYPE, raw, sizeof(raw));
	memcpy(machine->config.disks[0].index, machine->layers[0].digest, STORE_DIGEST_ROOM);
}

static void more_packs(struct index_header *header)
{
	header->n_packs = 60;
}

static void far_more_packs(struct index_header *header)
{
	header->n_packs = 5000;
	header->pages_size = 1 << 20;
}

static void pages_elsewhere(struct index_header *header)
{
	header->packs.off = 0;
	header->chunks.off = 4096;
}

static void no_chunk_size(struct index_header *header)
{
	header->chunk_size = 12345;
}

TEST(an_index_that_lies_about_counts_offsets_and_sizes_is_refused)
{
	struct machine machine = machine_new();
	size_t real = machine.n_layers;

	change_index(&machine, far_more_packs);
	fails(check(&machine, &err), EBADMSG, "names 5000 packs");
	change_index(&machine, no_chunk_size);
	fails(check(&machine, &err), EBADMSG, "chunk size is 12345");
	change_index(&machine, pages_elsewhere);
	fails(check(&machine, &err), EBADMSG, "its page at 0 has another SHA-256");
	while (machine.n_layers < 61)
		add_layer(&machine, machine.built.digest, MACHINE_INDEX_TYPE, INDEX_HEADER_BYTES);
	change_index(&machine, more_packs);
	fails(check(&machine, &err), EBADMSG, "its list of packs");
	machine.n_layers = real;
	machine_free(&machine);
}

TEST(pages_that_were_changed_are_refused)
{
	struct machine machine = machine_new();
	char path[320];

	blob_path(&machine.place, machine.layers[1].digest, path);
	spoil_file(path, machine.built.header.packs.off + 5);
	fails(check(&machine, &err), EBADMSG, "has another SHA-256");
	machine_free(&machine);
}

TEST(what_is_no_machine_is_told_by_its_kind)
{
	static const struct {
		const char *artifact, *config, *words;
	} kinds[] = {
		{ "", "application/vnd.oci.image.config.v1+json", "a container's image" },
		{ "", "application/vnd.cirruslabs.tart.config.v1", "a machine of Tart" },
		{ "application/x.y", OCI_EMPTY, "of type application/x.y" },
		{ MACHINE_IMAGE_TYPE, OCI_EMPTY, "not a machine of Sill" },
	};
	struct machine machine = machine_new();

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct oci_manifest manifest = {
			.config = put_blob(machine.store, kinds[i].config, "{}", 2),
		};
		struct machine_image image;
		struct store_manifest bytes;

		snprintf(manifest.artifact_type, STORE_MEDIA_ROOM, "%s", kinds[i].artifact);
		ok(oci_manifest_write(&manifest, &bytes, &err));
		fails(machine_image_get(machine.store, "sample", &bytes, &image, &err), EMEDIUMTYPE,
		      kinds[i].words);
		store_manifest_free(&bytes);
	}
	machine_free(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_machine_that_is_whole_is_copied_and_opens_as_it_was),
		CASE(a_list_of_packs_of_several_levels_is_walked),
		CASE(a_pack_a_trace_or_pages_that_are_no_layer_are_missed),
		CASE(an_index_and_a_configuration_that_disagree_are_refused),
		CASE(an_index_that_lies_about_counts_offsets_and_sizes_is_refused),
		CASE(pages_that_were_changed_are_refused),
		CASE(what_is_no_machine_is_told_by_its_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
