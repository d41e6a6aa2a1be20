// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill pack: an image as index and packs, the form in which the library carries it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/image.h"
#include "cli/interrupts.h"
#include "cli/options.h"
#include "library/build.h"
#include "util/io.h"
#include "util/progress.h"
#include "util/text.h"

static int load_trace(const struct cli_call *call, const struct image *image, struct trace **ret,
                      struct error *err)
{
	const char *path = cli_text(call, "trace", NULL);
	int r;

	if (!path)
		return 0;
	r = trace_load(AT_FDCWD, path, NULL, ret, err);
	if (r == 0 && (*ret)->size != image->size)
		r = error_set(err, ESTALE, "%s: is a trace of a disk of another size", path);
	return r;
}

static int open_base(const struct cli_call *call, struct image **ret, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	int r = cli_places(call, cli_text(call, "base", NULL), NULL, &places, err);

	if (r < 0 || places.n == 0)
		return r;
	return cli_image_open_at(call, &places, &(struct source_places){ 0 }, "index", true, ret,
	                         err);
}

static int print_result(const struct cli_call *call, const struct build_result *result,
                        struct error *err)
{
	const struct index_header *header = &result->header;
	char digest[INDEX_NAME_BYTES], size[16], chunk[16], stored[16], added[16];

	index_digest_name(result->digest, digest);
	if (cli_given(call, "json")) {
		json_t *all = json_pack(
			"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "digest", digest,
			"virtual_size", (json_int_t)header->size, "chunk_size",
			(json_int_t)header->chunk_size, "chunks", (json_int_t)header->used,
			"distinct_chunks", (json_int_t)header->distinct, "packed_bytes",
			(json_int_t)header->stored, "packs", (json_int_t)header->n_packs,
			"new_packs", (json_int_t)result->new_packs, "new_bytes",
			(json_int_t)result->new_bytes);
		int r;

		json_object_set_new(
			all, "index",
			json_sprintf("%s/%s", call->arguments[1], digest + strlen("sha256:")));
		r = cli_print_json(all, err);
		json_decref(all);
		return r;
	}
	printf("%s/%s\n", call->arguments[1], digest + strlen("sha256:"));
	printf("a disk of %s: %" PRIu64 " chunks of %s, %" PRIu64 " different ones in %s; "
	       "%" PRIu64 " new packs of %s\n",
	       format_bytes(header->size, size), header->used,
	       format_bytes(header->chunk_size, chunk), header->distinct,
	       format_bytes(header->stored, stored), result->new_packs,
	       format_bytes(result->new_bytes, added));
	return 0;
}

static int pack(const struct cli_call *call, struct image *image, struct error *err)
{
	cleanup(image_close) struct image *base = NULL;
	cleanup(trace_free) struct trace *trace = NULL;
	struct progress progress;
	struct build_options options = {
		.chunk_size = (uint32_t)cli_number(call, "chunk-size", 0),
		.pack_size = cli_number(call, "pack-size", 0),
		.level = (int)cli_number(call, "level", 0),
		.progress = cli_show_progress,
		.arg = &progress,
	};
	struct build_result result;
	int r = load_trace(call, image, &trace, err);

	if (r == 0)
		r = open_base(call, &base, err);
	if (r == 0)
		r = make_dirs(call->arguments[1], 0777, err);
	if (r < 0)
		return r;
	options.trace = trace;
	options.base = base;
	if (base && !options.chunk_size)
		options.chunk_size = to_index(base)->header.chunk_size;
	cli_catch_interrupts();
	progress_start(&progress, stderr, "packing");
	r = library_build(image, call->arguments[1], &options, &result, err);
	progress_end(&progress);
	return r == 0 ? print_result(call, &result, err) : r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(image_close) struct image *image = NULL;
	int r = cli_image_open(call, cli_text(call, "format", "auto"), "parent", true, &image, err);

	return r == 0 ? pack(call, image, err) : r;
}

const struct cli_verb verb_pack = {
	.name = "pack",
	.group = CLI_DISKS,
	.summary = "Write an image as index and packs, to be streamed",
	.description =
		"Cut the disk of IMAGE into chunks, and write them compressed into packs, with an "
		"index that says the SHA-256 of each.  All files are named by their own SHA-256; "
		"the first line of the output is the index.  Put the folder where an HTTP "
		"server or a file system shows it, and run the index by its URL or path: only what "
		"is read is fetched, and every chunk is verified, wherever it came from.\n\n"
		"With *--base* chunks of an earlier release are not stored again: the new index "
		"names the packs of the old one, which must stay beside it.  With *--trace* the "
		"packs have the order in which a boot reads.",
	.arguments = { ARGUMENT_FILE_IMAGE,
	               { .name = "FOLDER",
	                 .type = CLI_FILE,
	                 .help = "Where to write; made when it is missing" } },
	.options = { { .name = "base",
	               .type = CLI_IMAGE,
	               .value = "INDEX",
	               .help = "Index of an earlier release: its packs are used again" },
	             { .name = "trace",
	               .type = CLI_FILE,
	               .value = "FILE",
	               .help = "A boot's trace (sill trace export)" },
	             { .name = "chunk-size",
	               .type = CLI_BYTES,
	               .value = "BYTES",
	               .low = INDEX_MIN_CHUNK,
	               .high = INDEX_MAX_CHUNK,
	               .help = "Bytes of a chunk, a power of two; 128K unless said" },
	             { .name = "pack-size",
	               .type = CLI_BYTES,
	               .value = "BYTES",
	               .low = INDEX_MIN_CHUNK,
	               .high = GIB,
	               .help = "Bytes that a pack is filled up to; 64M unless said" },
	             { .name = "level",
	               .type = CLI_NUMBER,
	               .value = "N",
	               .low = 1,
	               .high = 22,
	               .help = "How hard zstd tries; 9 unless said" },
	             OPTION_FORMAT,
	             OPTION_PARENT,
	             OPTIONS_SOURCE,
	             OPTION_JSON },
	.examples = { { "sill pack debian.qcow2 www/debian", "Make what others will stream" },
	              { "sill pack debian.qcow2 www/debian --trace debian.trace",
	                "In the order in which it boots" },
	              { "sill pack debian-2.qcow2 www/debian --base www/debian/0a1b2c…",
	                "A new release, of which only what is new is stored" } },
	.run = run,
};
