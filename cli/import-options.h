/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What import and publish share: the words that an image carries, the host's own library, and what
 * is printed in the end.
 */
#ifndef CLI_IMPORT_OPTIONS_H
#define CLI_IMPORT_OPTIONS_H

#include <limits.h>

#include "cli/cli.h"
#include "library/import.h"
#include "library/reference.h"
#include "machine/manifest.h"
#include "machine/state.h"
#include "util/progress.h"

#define OPTION_TEXT(option, values, helps)                                             \
	{                                                                              \
		.name = (option), .type = CLI_TEXT, .value = (values), .help = (helps) \
	}

#define OPTIONS_IMPORT                                                                            \
	OPTION_TEXT("title", "TEXT", "What people call it"),                                      \
		OPTION_TEXT("description", "TEXT", "What it is for"),                             \
		OPTION_TEXT("version", "TEXT", "Its version, as people count"),                   \
		OPTION_TEXT("licence", "SPDX", "Its licences, an SPDX expression"),               \
		OPTION_TEXT("vendor", "TEXT", "Who publishes it"),                                \
		OPTION_TEXT("source-code", "URL", "Where the source code is"),                    \
		{ .name = "release",                                                              \
		  .type = CLI_NUMBER,                                                             \
		  .value = "N",                                                                   \
		  .low = 1,                                                                       \
		  .high = INT64_MAX,                                                              \
		  .help = "Its release, which counts up; one more than that of what the tag "     \
		          "named "                                                                \
		          "before, unless said" },                                                \
		{ .name = "cpus",                                                                 \
		  .type = CLI_NUMBER,                                                             \
		  .value = "N",                                                                   \
		  .low = 1,                                                                       \
		  .high = MANIFEST_MAX_CPUS,                                                      \
		  .help = "Processors that it should have" },                                     \
		{ .name = "memory",                                                               \
		  .type = CLI_BYTES,                                                              \
		  .value = "BYTES",                                                               \
		  .low = MANIFEST_MIN_MEMORY,                                                     \
		  .high = MANIFEST_MAX_MEMORY,                                                    \
		  .help = "Memory that it should have" },                                         \
		{ .name = "firmware",                                                             \
		  .type = CLI_CHOICE,                                                             \
		  .value = "KIND",                                                                \
		  .choices = { "auto", "bios", "uefi" },                                          \
		  .help = "Firmware that it starts with" },                                       \
		{ .name = "trace",                                                                \
		  .type = CLI_FILE,                                                               \
		  .value = "FILE",                                                                \
		  .help = "A boot's trace (sill trace export)" },                                 \
		{ .name = "base",                                                                 \
		  .type = CLI_TEXT,                                                               \
		  .value = "TAG|DIGEST",                                                          \
		  .help = "The earlier release of NAME whose packs are used again; what the tag " \
		          "names now, unless said" },                                             \
		{ .name = "chunk-size",                                                           \
		  .type = CLI_BYTES,                                                              \
		  .value = "BYTES",                                                               \
		  .low = INDEX_MIN_CHUNK,                                                         \
		  .high = INDEX_MAX_CHUNK,                                                        \
		  .help = "Bytes of a chunk, a power of two; 128K unless said" },                 \
	{                                                                                         \
		.name = "level", .type = CLI_NUMBER, .value = "N", .low = 1, .high = 22,          \
		.help = "How hard zstd tries; 9 unless said",                                     \
	}

/* NAME[:TAG] of the own library: nothing else can be written to. */
int cli_own_reference(const char *text, struct reference *ret, struct error *err);

/*
 * Fill in what the options say.  import->config has the defaults already; *ret_words is the
 * annotations, to be freed after the import.
 */
int cli_import_options(const struct cli_call *call, struct import *import, json_t **ret_words,
                       struct error *err);

/* The trace of --trace, when it was given: of a disk of `size` bytes. */
int cli_import_trace(const struct cli_call *call, uint64_t size, struct trace **ret,
                     struct error *err);

/* Do it, with progress shown as `what`, and print what came of it. */
int cli_import(const struct cli_call *call, struct store *own, const char *path,
               const struct import *import, const char *what, struct error *err);

#endif
