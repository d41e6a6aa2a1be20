// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/import-options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "cli/interrupts.h"
#include "library/annotations.h"
#include "util/text.h"

int cli_own_reference(const char *text, struct reference *ret, struct error *err)
{
	int r = reference_parse(text, ret, err);

	if (r < 0)
		return r;
	if (!ret->folder && !ret->host[0] && !ret->digest[0])
		return 0;
	reference_free(ret);
	return error_set(err, EINVAL,
	                 "'%s' is no NAME[:TAG] of this computer's own library; sill push brings "
	                 "images to others",
	                 text);
}

static int add_words(const struct cli_call *call, json_t *words, struct error *err)
{
	static const struct {
		const char *option, *key;
	} known[] = {
		{ "title", OCI_TITLE },     { "description", OCI_DESCRIPTION },
		{ "version", OCI_VERSION }, { "licence", OCI_LICENCES },
		{ "vendor", OCI_VENDOR },   { "source-code", OCI_SOURCE },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const char *text = cli_text(call, known[i].option, NULL);

		if (text && !text_is_utf8(text))
			return cli_usage(err, "--%s: the text is not UTF-8", known[i].option);
		if (text && json_object_set_new(words, known[i].key, json_string(text)) < 0)
			return error_sys(err, ENOMEM, "%s", known[i].option);
	}
	return 0;
}

int cli_import_options(const struct cli_call *call, struct import *import, json_t **ret_words,
                       struct error *err)
{
	struct machine_config *config = &import->config;
	json_t *words = json_object();
	int r = words ? add_words(call, words, err) : error_sys(err, ENOMEM, "words");

	if (r < 0) {
		json_decref(words);
		return r;
	}
	import->annotations = *ret_words = words;
	import->created = (int64_t)time(NULL);
	import->base = cli_text(call, "base", NULL);
	import->chunk_size = (uint32_t)cli_number(call, "chunk-size", 0);
	import->level = (int)cli_number(call, "level", 0);
	config->release = cli_number(call, "release", IMPORT_NEXT_RELEASE);
	config->cpus_recommended = (unsigned int)cli_number(call, "cpus", config->cpus_recommended);
	config->memory_recommended = cli_number(call, "memory", config->memory_recommended);
	if (cli_given(call, "firmware"))
		snprintf(config->firmware, sizeof(config->firmware), "%s",
		         cli_text(call, "firmware", ""));
	return 0;
}

int cli_import_trace(const struct cli_call *call, uint64_t size, struct trace **ret,
                     struct error *err)
{
	const char *path = cli_text(call, "trace", NULL);
	int r;

	if (!path)
		return 0;
	r = trace_load(AT_FDCWD, path, NULL, ret, err);
	if (r == 0 && (*ret)->size != size)
		r = error_set(err, ESTALE, "%s: is a trace of a disk of another size", path);
	return r;
}

static int print_result(const struct cli_call *call, const struct import *import,
                        const struct import_result *result, struct error *err)
{
	char size[16], bytes[16], added[16];

	if (cli_given(call, "json")) {
		json_t *all =
			json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
		                  import->name, "tag", import->tag, "digest", result->digest,
		                  "release", (json_int_t)result->release, "virtual_size",
		                  (json_int_t)result->size, "bytes", (json_int_t)result->bytes,
		                  "new_packs", (json_int_t)result->new_packs, "new_bytes",
		                  (json_int_t)result->new_bytes, "based", result->based);
		int r = cli_print_json(all, err);

		json_decref(all);
		return r;
	}
	printf("%s:%s@%s\n", import->name, import->tag, result->digest);
	printf("release %" PRIu64 ": %s of disks in %s%s, %s of them new\n", result->release,
	       format_bytes(result->size, size), format_bytes(result->bytes, bytes),
	       result->based ? " (over the release before)" : "",
	       format_bytes(result->new_bytes, added));
	return 0;
}

int cli_import(const struct cli_call *call, struct store *own, const char *path,
               const struct import *import, const char *what, struct error *err)
{
	struct import_result result;
	struct import mine = *import;
	struct progress progress;
	int r;

	mine.progress = cli_show_progress;
	mine.arg = &progress;
	cli_catch_interrupts();
	progress_start(&progress, stderr, what);
	r = library_import(own, path, &mine, &result, err);
	progress_end(&progress);
	return r == 0 ? print_result(call, import, &result, err) : r;
}
