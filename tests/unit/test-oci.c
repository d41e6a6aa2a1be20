// SPDX-License-Identifier: GPL-2.0-or-later
/* Manifests and indexes as strangers send them. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/oci.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"

#define CONFIG                                                                      \
	"\"config\":{\"mediaType\":\"application/x.config\",\"digest\":\"" D1 "\"," \
	"\"size\":2}"
#define LAYER(extra) \
	"{\"mediaType\":\"application/x.layer\",\"digest\":\"" D2 "\",\"size\":7" extra "}"
#define MANIFEST(layers, extra) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]" extra "}"

static int parse(const char *text, struct oci_manifest **ret, struct error *err)
{
	return oci_manifest_parse(text, strlen(text), ret, err);
}

/* Refused, and the sentence has these words. */
static void refused(const char *text, const char *words)
{
	struct oci_manifest *manifest = NULL;
	struct error err = { 0 };

	assert_int_equal(parse(text, &manifest, &err), -EBADMSG);
	assert_null(manifest);
	if (!strstr(err.text, words))
		fail_msg("'%s' says nothing of '%s'", err.text, words);
}

TEST(a_manifest_is_taken_apart)
{
	struct oci_manifest *manifest = NULL;
	struct error err = { 0 };

	if (parse(MANIFEST(LAYER(",\"annotations\":{\"a\":\"b\"}"),
	                   ",\"subject\":" LAYER("") ",\"annotations\":{\"c\":\"d\"}"),
	          &manifest, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(manifest->artifact_type, "application/x.config");
	assert_string_equal(manifest->config.digest, D1);
	assert_int_equal(manifest->n_layers, 1);
	assert_int_equal(manifest->layers[0].size, 7);
	assert_string_equal(oci_annotation(manifest->layers[0].annotations, "a"), "b");
	assert_true(manifest->has_subject);
	assert_string_equal(manifest->subject.digest, D2);
	assert_string_equal(oci_annotation(manifest->annotations, "c"), "d");
	assert_null(oci_annotation(manifest->annotations, "e"));
	assert_null(oci_annotation(NULL, "e"));
	assert_ptr_equal(oci_find_layer(manifest, D2), &manifest->layers[0]);
	assert_null(oci_find_layer(manifest, D1));
	oci_manifest_free(manifest);
}

TEST(what_is_no_manifest_is_refused_with_the_member_s_name)
{
	refused("", "no JSON");
	refused("[]", "schemaVersion");
	refused("{\"schemaVersion\":1}", "schemaVersion");
	refused("{\"schemaVersion\":2,\"layers\":[]}", "\"config\": is missing");
	refused("{\"schemaVersion\":2," CONFIG "}", "\"layers\"");
	refused("{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"layers\":[]}", "duplicate");
	refused(MANIFEST("", ",\"manifests\":[]"), "\"manifests\"");
	refused(MANIFEST("", ",\"mediaType\":\"" OCI_INDEX "\""), "is no manifest but");
	refused(MANIFEST("", ",\"artifactType\":5"), "\"artifactType\"");
	refused(MANIFEST("", ",\"subject\":{}"), "\"subject\": \"mediaType\"");
	refused(MANIFEST("", ",\"annotations\":{\"a\":1}"), "annotation \"a\" is no text");
	refused(MANIFEST("3", ""), "\"layers\", entry 1");
	refused(MANIFEST(LAYER("") ",{\"mediaType\":\"a b\"}", ""), "entry 2: \"mediaType\"");
	refused(MANIFEST("{\"mediaType\":\"x\",\"digest\":\"sha256:11\",\"size\":1}", ""),
	        "SHA-256");
	refused(MANIFEST("{\"mediaType\":\"x\",\"digest\":\"" D1 "\",\"size\":-1}", ""),
	        "\"size\"");
	refused(MANIFEST("{\"mediaType\":\"x\",\"digest\":\"" D1 "\",\"size\":1.5}", ""),
	        "\"size\"");
	refused(MANIFEST("{\"mediaType\":\"x\",\"digest\":\"" D1 "\",\"size\":9007199254740993}",
	                 ""),
	        "\"size\"");
}

/* A manifest of `n` layers, in memory that the caller frees. */
static char *with_layers(unsigned int n)
{
	const char *layer = "{\"mediaType\":\"a/b\",\"digest\":\"" D2 "\",\"size\":7}";
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fputs("{\"schemaVersion\":2," CONFIG ",\"layers\":[", out);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%s%s", i ? "," : "", layer);
	fputs("]}", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

TEST(there_are_at_most_16384_layers)
{
	char *most = with_layers(OCI_MAX_DESCRIPTORS), *more = with_layers(OCI_MAX_DESCRIPTORS + 1);
	struct oci_manifest *manifest = NULL;

	assert_int_equal(parse(most, &manifest, NULL), 0);
	assert_int_equal(manifest->n_layers, OCI_MAX_DESCRIPTORS);
	oci_manifest_free(manifest);
	refused(more, "more than 16384");
	free(most);
	free(more);
}

TEST(a_manifest_has_at_most_four_mebibytes)
{
	char *text = malloc(STORE_MAX_MANIFEST + 2);
	const char *small = MANIFEST("", "");
	struct oci_manifest *manifest = NULL;

	assert_non_null(text);
	memset(text, ' ', STORE_MAX_MANIFEST + 1);
	memcpy(text, small, strlen(small));
	text[STORE_MAX_MANIFEST + 1] = '\0';
	assert_int_equal(oci_manifest_parse(text, STORE_MAX_MANIFEST, &manifest, NULL), 0);
	oci_manifest_free(manifest);
	refused(text, "more than 4 MiB");
	free(text);
}

TEST(annotations_are_bounded_in_number_and_length)
{
	char text[8192], *at = text;

	at += sprintf(at, "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":{");
	for (int i = 0; i < 65; i++)
		at += sprintf(at, "%s\"k%d\":\"\"", i ? "," : "", i);
	sprintf(at, "}}");
	refused(text, "more than 64");
	at = text;
	at += sprintf(at,
	              "{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":{\"k\":\"");
	memset(at, 'x', 4096);
	sprintf(at + 4096, "\"}}");
	refused(text, "more than 4096 bytes");
}

TEST(what_is_written_is_read_back_and_does_not_depend_on_the_order_of_annotations)
{
	struct oci_descriptor layer = { .media_type = "a/b", .digest = D2, .size = 5 };
	struct oci_manifest in = {
		.artifact_type = "application/x.thing",
		.config = { .media_type = OCI_EMPTY, .digest = D1, .size = 2 },
		.layers = &layer,
		.n_layers = 1,
		.annotations = json_pack("{s:s, s:s}", "x", "1", "a", "2"),
	};
	struct oci_manifest *out = NULL;
	struct store_manifest first, second;
	struct error err = { 0 };
	char digest[STORE_DIGEST_ROOM];

	if (oci_manifest_write(&in, &first, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(first.media_type, OCI_MANIFEST);
	oci_digest(first.bytes, first.len, digest);
	assert_string_equal(first.digest, digest);
	assert_int_equal(oci_manifest_parse(first.bytes, first.len, &out, NULL), 0);
	assert_string_equal(out->artifact_type, "application/x.thing");
	assert_int_equal(out->layers[0].size, 5);
	assert_false(out->has_subject);
	oci_manifest_free(out);
	json_decref(in.annotations);
	in.annotations = json_pack("{s:s, s:s}", "a", "2", "x", "1");
	assert_int_equal(oci_manifest_write(&in, &second, NULL), 0);
	assert_string_equal(first.bytes, second.bytes);
	store_manifest_free(&first);
	store_manifest_free(&second);
	json_decref(in.annotations);
}

TEST(what_would_be_refused_is_not_written)
{
	struct oci_manifest in = {
		.config = { .media_type = OCI_EMPTY, .digest = "sha256:no", .size = 2 },
	};
	struct store_manifest out = { 0 };
	struct error err = { 0 };

	assert_int_equal(oci_manifest_write(&in, &out, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "\"config\""));
	assert_null(out.bytes);
}

static int count(void *arg, const struct oci_descriptor *descriptor, struct error *err)
{
	unsigned int *n = arg;

	assert_string_equal(descriptor->digest, D2);
	return ++*n == 2 ? error_set(err, EINTR, "enough") : 0;
}

TEST(an_index_is_walked_until_somebody_has_enough)
{
	const char *text =
		"{\"schemaVersion\":2,\"manifests\":[" LAYER("") "," LAYER("") "," LAYER("") "]}";
	const char *mixed = "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}";
	struct error err = { 0 };
	unsigned int n = 0;

	assert_int_equal(oci_index_each(text, strlen(text), count, &n, &err), -EINTR);
	assert_int_equal(n, 2);
	assert_int_equal(oci_index_each(mixed, strlen(mixed), count, &n, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "\"layers\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_manifest_is_taken_apart),
		CASE(what_is_no_manifest_is_refused_with_the_member_s_name),
		CASE(there_are_at_most_16384_layers),
		CASE(a_manifest_has_at_most_four_mebibytes),
		CASE(annotations_are_bounded_in_number_and_length),
		CASE(what_is_written_is_read_back_and_does_not_depend_on_the_order_of_annotations),
		CASE(what_would_be_refused_is_not_written),
		CASE(an_index_is_walked_until_somebody_has_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
