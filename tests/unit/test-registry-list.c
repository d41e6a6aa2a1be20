// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a registry lists: names, tags, what refers to a manifest; and its answers taken apart.
 */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "library/registry-answer.h"
#include "tests/unit/registry-fixture.h"

#define TYPE "application/vnd.oci.image.manifest.v1+json"
#define KIND "application/vnd.sill.signature.v1"

static int names(struct fixture *f)
{
	f->text[0] = '\0';
	return f->store->ops->names(f->store, remember, f, &f->err);
}

static int tags(struct fixture *f)
{
	f->text[0] = '\0';
	return f->store->ops->tags(f->store, "lab/debian", remember, f, &f->err);
}

static void set_names(struct fixture *f, size_t n)
{
	static char texts[MODEL_ITEMS][8];

	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "n%02zu", i);
		f->model.names[i] = texts[i];
	}
	f->model.names[n] = NULL;
}

REGISTRY_TEST(names_are_listed_page_by_page)
{
	struct fixture *f = *state;

	works(f, names(f));
	assert_string_equal(f->text, "");
	set_names(f, 9);
	works(f, names(f));
	assert_string_equal(f->text, "n00 n01 n02 n03 n04 n05 n06 n07 n08 ");
	/* A registry that gives fewer at once than it is asked for. */
	f->model.page = 2;
	works(f, names(f));
	assert_string_equal(f->text, "n00 n01 n02 n03 n04 n05 n06 n07 n08 ");
}

REGISTRY_TEST(a_registry_that_does_not_link_its_pages_is_asked_what_follows)
{
	struct fixture *f = *state;

	f->model.no_links = true;
	for (size_t n = 7; n <= 9; n++) {
		set_names(f, n);
		works(f, names(f));
		assert_int_equal(strlen(f->text), 4 * n);
	}
}

REGISTRY_TEST(a_registry_that_repeats_its_only_page_is_asked_twice)
{
	struct fixture *f = *state;

	f->model.fault =
		(struct model_fault){ .method = "GET",
		                      .path = "_catalog",
		                      .status = 200,
		                      .body = "{\"repositories\":[\"a\",\"b\",\"c\",\"d\"]}" };
	works(f, names(f));
	assert_string_equal(f->text, "a b c d ");
	assert_int_equal(web_server_count(f->model.server, "_catalog"), 2);
}

REGISTRY_TEST(a_list_without_an_end_ends)
{
	struct fixture *f = *state;

	f->model.fault =
		(struct model_fault){ .method = "GET",
		                      .path = "_catalog",
		                      .status = 200,
		                      .headers =
		                              "Link: </v2/_catalog?n=4&last=x>; rel=\"next\"\r\n",
		                      .body = "{\"repositories\":[]}" };
	assert_int_equal(names(f), -EFBIG);
	says(f, "has more than 10000 pages of repositories");
}

REGISTRY_TEST(more_names_than_anybody_has_are_refused)
{
	struct fixture *f = *state;
	size_t n = STORE_MAX_NAMES + 1, used = 0;
	char *text = malloc(n * 4 + 32);

	used += (size_t)snprintf(text, 32, "{\"repositories\":[\"a\"");
	for (size_t i = 1; i < n; i++) {
		memcpy(text + used, ",\"b\"", 4);
		used += 4;
	}
	memcpy(text + used, "]}", 3);
	f->model.fault = (struct model_fault){
		.method = "GET", .path = "_catalog", .status = 200, .body = text
	};
	assert_int_equal(names(f), -EFBIG);
	says(f, "has more than 100000 repositories");
	assert_string_equal(f->text, "");
	free(text);
}

REGISTRY_TEST(a_page_elsewhere_is_not_followed)
{
	struct fixture *f = *state;

	f->model.fault = (struct model_fault){
		.method = "GET",
		.path = "_catalog",
		.status = 200,
		.headers = "Link: <http://other.example/v2/_catalog?last=x>; rel=next\r\n",
		.body = "{\"repositories\":[\"a\"]}"
	};
	assert_int_equal(names(f), -EBADMSG);
	says(f, "sends elsewhere for its next page");
	f->model.fault.headers = NULL;
	f->model.fault.body = "{\"repositories\":{}}";
	assert_int_equal(names(f), -EBADMSG);
	says(f, "answers with no list of repositories");
	f->model.fault.status = 405;
	assert_int_equal(names(f), -ENOTSUP);
}

REGISTRY_TEST(tags_are_listed)
{
	struct fixture *f = *state;

	assert_int_equal(tags(f), -ENOENT);
	says(f, "/lab/debian: there is no such name (NAME_UNKNOWN)");
	for (int i = 0; i < 6; i++) {
		char tag[8];

		snprintf(tag, sizeof(tag), "t%d", i);
		model_add_manifest(&f->model, "lab/debian", tag, TYPE, "{}");
	}
	works(f, tags(f));
	assert_string_equal(f->text, "t0 t1 t2 t3 t4 t5 ");
}

/* A signature of `subject`, pushed. */
static void put_referrer(struct fixture *f, const char *subject, const char *kind, int number,
                         struct store_manifest *ret)
{
	static char texts[8][1024];
	char *text = texts[number];

	snprintf(text, sizeof(texts[0]),
	         "{\"schemaVersion\":2,\"artifactType\":\"%s\",\"subject\":{\"digest\":\"%s\"},"
	         "\"annotations\":{\"n\":\"%d\"}}",
	         kind, subject, number);
	*ret = (struct store_manifest){ .bytes = text, .len = strlen(text), .media_type = TYPE };
	model_digest(text, ret->len, ret->digest);
	works(f, f->store->ops->put_manifest(f->store, "lab/debian", NULL, ret, &f->err));
}

static int referrers(struct fixture *f, const char *digest)
{
	f->text[0] = '\0';
	return f->store->ops->referrers(f->store, "lab/debian", digest, KIND, remember, f, &f->err);
}

static void two_signatures(struct fixture *f)
{
	struct store_manifest one, other, third;
	char want[256];

	works(f, referrers(f, f->digest));
	assert_string_equal(f->text, "");
	put_referrer(f, f->digest, KIND, 0, &one);
	put_referrer(f, f->digest, "application/other", 1, &other);
	put_referrer(f, f->digest, KIND, 2, &third);
	/* Again: it is there already. */
	put_referrer(f, f->digest, KIND, 2, &third);
	works(f, referrers(f, f->digest));
	snprintf(want, sizeof(want), "%s %s ", one.digest, third.digest);
	assert_string_equal(f->text, want);
	works(f, f->store->ops->delete_manifest(f->store, "lab/debian", one.digest, &f->err));
	works(f, referrers(f, f->digest));
	snprintf(want, sizeof(want), "%s ", third.digest);
	assert_string_equal(f->text, want);
}

REGISTRY_TEST(what_refers_to_a_manifest_is_listed_by_the_api)
{
	struct fixture *f = *state;

	f->model.has_referrers = true;
	two_signatures(f);
	assert_int_equal(web_server_count(f->model.server, "/manifests/sha256-"), 0);
}

REGISTRY_TEST(what_refers_to_a_manifest_is_listed_under_its_tag_without_the_api)
{
	struct fixture *f = *state;
	char tag[72];
	const struct model_item *index;
	json_t *root, *first;

	two_signatures(f);
	/* It is an index as other clients write it. */
	snprintf(tag, sizeof(tag), "%s", f->digest);
	tag[6] = '-';
	index = model_manifest(&f->model, "lab/debian", tag);
	assert_non_null(index);
	assert_string_equal(index->type, "application/vnd.oci.image.index.v1+json");
	root = json_loadb((char *)index->data, index->len, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "manifests")), 2);
	first = json_array_get(json_object_get(root, "manifests"), 1);
	assert_string_equal(json_string_value(json_object_get(first, "artifactType")), KIND);
	assert_string_equal(json_string_value(json_object_get(first, "mediaType")), TYPE);
	assert_true(json_integer_value(json_object_get(first, "size")) > 100);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(first, "annotations"), "n")),
		"2");
	json_decref(root);
	/* Known now: the API was asked for once. */
	assert_int_equal(web_server_count(f->model.server, "/referrers/"), 1);
}

REGISTRY_TEST(a_tag_that_is_no_list_is_not_written_over)
{
	struct fixture *f = *state;
	struct store_manifest one;
	char tag[72], text[512];

	snprintf(tag, sizeof(tag), "%s", f->digest);
	tag[6] = '-';
	model_add_manifest(&f->model, "lab/debian", tag, TYPE, "{\"layers\":[]}");
	snprintf(text, sizeof(text), "{\"artifactType\":\"x\",\"subject\":{\"digest\":\"%s\"}}",
	         f->digest);
	one = (struct store_manifest){ .bytes = text, .len = strlen(text), .media_type = TYPE };
	model_digest(text, one.len, one.digest);
	assert_int_equal(f->store->ops->put_manifest(f->store, "lab/debian", NULL, &one, &f->err),
	                 -EBADMSG);
	says(f, "is not a list of what refers to sha256:");
	assert_string_equal((char *)model_manifest(&f->model, "lab/debian", tag)->data,
	                    "{\"layers\":[]}");
}

TEST(the_next_page_is_found_in_a_header)
{
	static const struct {
		const char *header, *next;
	} rows[] = {
		{ "</v2/_catalog?last=a&n=1>; rel=\"next\"", "/v2/_catalog?last=a&n=1" },
		{ "<a>; rel=prev, <b>; title=\"x, y; rel=next\"; REL=next", "b" },
		{ "<a>;rel = \"next\"", "a" },
		{ "<a>; rel=nextish", NULL },
		{ "<a>; rel=\"next", "a" },
		{ "<>; rel=next", NULL },
		{ "<a; rel=next", NULL },
		{ "a; rel=next", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char next[64];
		bool found = registry_next_link(rows[i].header, next, sizeof(next));

		if (found != (rows[i].next != NULL) || (found && strcmp(next, rows[i].next) != 0))
			fail_msg("%s", rows[i].header);
	}
}

TEST(a_refusal_is_made_fit_to_print)
{
	static const struct {
		const char *text, *code, *message;
	} rows[] = {
		{ "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\n\\u0007\"}]}", "DENIED",
		  "no??" },
		{ "{\"errors\":[{\"code\":\"x y\\u001b\",\"message\":7}]}", "", "" },
		{ "{\"errors\":{}}", "", "" },
		{ "{\"errors\":[]}", "", "" },
		{ "[]", "", "" },
		{ "<html>", "", "" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct registry_error got;

		registry_error_parse(rows[i].text, strlen(rows[i].text), &got);
		assert_string_equal(got.code, rows[i].code);
		assert_string_equal(got.message, rows[i].message);
	}
}

TEST(how_far_an_upload_is_is_understood)
{
	static const struct {
		const char *header;
		int result;
		uint64_t len;
	} rows[] = {
		{ "0-0", 0, 0 },
		{ "0-99", 0, 100 },
		{ "bytes=0-99", 0, 100 },
		{ "1-99", -EBADMSG, 0 },
		{ "0-", -EBADMSG, 0 },
		{ "0--1", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
		{ "0-9x", -EBADMSG, 0 },
		{ "0-99999999999999999", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t len = 0;

		assert_int_equal(registry_upload_range(rows[i].header, &len), rows[i].result);
		assert_int_equal(len, rows[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_next_page_is_found_in_a_header),
		CASE(a_refusal_is_made_fit_to_print),
		CASE(how_far_an_upload_is_is_understood),
		REGISTRY_CASE(names_are_listed_page_by_page),
		REGISTRY_CASE(a_registry_that_does_not_link_its_pages_is_asked_what_follows),
		REGISTRY_CASE(a_registry_that_repeats_its_only_page_is_asked_twice),
		REGISTRY_CASE(a_list_without_an_end_ends),
		REGISTRY_CASE(more_names_than_anybody_has_are_refused),
		REGISTRY_CASE(a_page_elsewhere_is_not_followed),
		REGISTRY_CASE(tags_are_listed),
		REGISTRY_CASE(what_refers_to_a_manifest_is_listed_by_the_api),
		REGISTRY_CASE(what_refers_to_a_manifest_is_listed_under_its_tag_without_the_api),
		REGISTRY_CASE(a_tag_that_is_no_list_is_not_written_over),
	};

	return cmocka_run_group_tests_name("registry-list", tests, NULL, NULL);
}
