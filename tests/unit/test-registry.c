// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The registry client: manifests, blobs, refusals, tries, redirects.
 */
#include "tests/unit/unit.h"

#include "tests/unit/registry-fixture.h"

#define TYPE "application/vnd.oci.image.manifest.v1+json"

/* A sink's function: the bytes have to be the right ones, in order. */
static int take(void *arg, const void *buf, size_t len, struct error *err)
{
	struct fixture *f = arg;

	if (len > SIZE - f->got)
		return error_set(err, EFBIG, "more than there is");
	assert_memory_equal(f->data + f->got, buf, len);
	f->got += len;
	return f->take && f->got >= f->take ? error_set(err, EINTR, "enough") : 0;
}

static int read_from(struct fixture *f, uint64_t off)
{
	const struct store_sink sink = { .write = take, .arg = f };

	f->got = off;
	return f->store->ops->read_blob(f->store, "lab/debian", f->digest, off, &sink, &f->err);
}

static int get(struct fixture *f, const char *which, struct store_manifest *ret)
{
	return f->store->ops->get_manifest(f->store, "lab/debian", which, ret, &f->err);
}

static struct model_fault fault(const char *method, const char *path, unsigned int times,
                                int status)
{
	return (struct model_fault){
		.method = method, .path = path, .times = times, .status = status
	};
}

REGISTRY_TEST(a_registry_on_this_computer_is_found_without_tls)
{
	struct fixture *f = *state;
	cleanup_free char *place = NULL;
	char want[256];

	works(f, registry_ping(f->store, &f->err));
	works(f, f->store->ops->blob_place(f->store, "lab/debian", f->digest, &place, &f->err));
	snprintf(want, sizeof(want), "%s/v2/lab/debian/blobs/%s", web_server_url(f->model.server),
	         f->digest);
	assert_string_equal(place, want);
}

REGISTRY_TEST(what_is_no_registry_is_told)
{
	struct fixture *f = *state;

	f->model.fault = fault("GET", "/v2/", 0, 404);
	assert_int_equal(registry_ping(f->store, &f->err), -EINVAL);
	says(f, "is not a registry (404)");
	f->model.fault = fault("GET", "/v2/", 0, 403);
	f->model.fault.body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"no\\u001b[31m\"}]}";
	assert_int_equal(registry_ping(f->store, &f->err), -EACCES);
	says(f, "that is not allowed (no?[31m, DENIED)");
}

REGISTRY_TEST(a_manifest_is_as_it_was_put)
{
	struct fixture *f = *state;
	char text[] = "{\"schemaVersion\":2}";
	struct store_manifest put = { .bytes = text, .len = sizeof(text) - 1, .media_type = TYPE },
			      got = { 0 };

	model_digest(text, put.len, put.digest);
	works(f, f->store->ops->put_manifest(f->store, "lab/debian", "12", &put, &f->err));
	for (int i = 0; i < 2; i++) {
		works(f, get(f, i ? put.digest : "12", &got));
		assert_int_equal(got.len, put.len);
		assert_string_equal(got.bytes, text);
		assert_string_equal(got.media_type, TYPE);
		store_manifest_free(&got);
	}
	works(f, f->store->ops->delete_manifest(f->store, "lab/debian", put.digest, &f->err));
	assert_int_equal(get(f, "12", &got), -ENOENT);
	says(f, "/lab/debian:12: there is no such manifest (MANIFEST_UNKNOWN)");
	assert_int_equal(get(f, put.digest, &got), -ENOENT);
	says(f, "/lab/debian@sha256:");
}

REGISTRY_TEST(a_tag_that_cannot_be_deleted_is_told)
{
	struct fixture *f = *state;

	f->model.no_deletes_of_tags = true;
	model_add_manifest(&f->model, "lab/debian", "12", TYPE, "{}");
	assert_int_equal(f->store->ops->delete_manifest(f->store, "lab/debian", "12", &f->err),
	                 -ENOTSUP);
	says(f, "the registry does not do that (The operation is unsupported., UNSUPPORTED)");
}

REGISTRY_TEST(a_manifest_that_is_too_large_is_refused)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };
	char *text = malloc(STORE_MAX_MANIFEST + 2);

	memset(text, ' ', STORE_MAX_MANIFEST + 1);
	text[STORE_MAX_MANIFEST + 1] = '\0';
	model_add_manifest(&f->model, "lab/debian", "large", TYPE, text);
	free(text);
	assert_int_equal(get(f, "large", &got), -EFBIG);
	says(f, "/lab/debian:large: answers with more than 4194304 bytes");
}

REGISTRY_TEST(a_blob_is_read_whole_and_from_a_place)
{
	struct fixture *f = *state;
	uint64_t size;

	assert_int_equal(
		f->store->ops->find_blob(f->store, "lab/debian", f->digest, &size, &f->err),
		-ENOENT);
	says(f, "there is no such blob (404)");
	assert_int_equal(read_from(f, 0), -ENOENT);
	says(f, "there is no such blob (BLOB_UNKNOWN)");
	model_add_blob(&f->model, f->data, SIZE);
	works(f, f->store->ops->find_blob(f->store, "lab/debian", f->digest, &size, &f->err));
	assert_int_equal(size, SIZE);
	works(f, read_from(f, 0));
	assert_int_equal(f->got, SIZE);
	works(f, read_from(f, 77777));
	assert_int_equal(f->got, SIZE);
	f->model.ignores_range = true;
	works(f, read_from(f, 77777));
	assert_int_equal(f->got, SIZE);
}

REGISTRY_TEST(a_blob_that_breaks_off_goes_on_where_it_was)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	f->model.fault = fault("GET", "/blobs/", 3, 0);
	f->model.fault.cut = 20000;
	works(f, read_from(f, 0));
	assert_int_equal(f->got, SIZE);
	assert_int_equal(web_server_count(f->model.server, "Range: bytes="), 3);
	/* By a registry that sends all of it from the start, too. */
	f->model.matched = 0;
	f->model.ignores_range = true;
	f->model.fault.cut = 60000;
	f->model.fault.times = 1;
	works(f, read_from(f, 0));
	assert_int_equal(f->got, SIZE);
}

REGISTRY_TEST(a_blob_that_always_breaks_off_at_the_same_byte_fails)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	f->model.ignores_range = true;
	f->model.fault = fault("GET", "/blobs/", 0, 0);
	f->model.fault.cut = 20000;
	assert_in_range(-read_from(f, 0), 1, 200);
	assert_int_equal(f->got, 20000);
	assert_int_equal(web_server_count(f->model.server, "GET "), 1 + 4);
}

REGISTRY_TEST(a_sink_that_refuses_ends_a_read)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	f->take = 1;
	assert_int_equal(read_from(f, 0), -EINTR);
	says(f, "enough");
	assert_int_equal(web_server_count(f->model.server, "GET "), 1);
}

REGISTRY_TEST(a_wrong_range_is_refused)
{
	struct fixture *f = *state;

	model_add_blob(&f->model, f->data, SIZE);
	f->model.fault = fault("GET", "/blobs/", 0, 206);
	f->model.fault.headers = "Content-Range: bytes 0-3/100000\r\n";
	f->model.fault.body = "abcd";
	assert_int_equal(read_from(f, 5), -EBADMSG);
	says(f, "answers with another range than was asked for");
}

REGISTRY_TEST(a_busy_registry_is_asked_again)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };
	static const int statuses[] = { 429, 500, 502, 503, 504, 408 };

	model_add_manifest(&f->model, "lab/debian", "12", TYPE, "{}");
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		f->model.fault = fault("GET", "/manifests/", 2, statuses[i]);
		f->model.matched = f->pauses = f->paused_ms = 0;
		works(f, get(f, "12", &got));
		store_manifest_free(&got);
		assert_int_equal(f->pauses, 2);
		assert_int_equal(f->paused_ms, 500 + 1000);
	}
	/* As long as it says, and no longer than anybody would wait. */
	f->model.fault.headers = "Retry-After: 7\r\n";
	f->model.matched = f->pauses = f->paused_ms = 0;
	works(f, get(f, "12", &got));
	store_manifest_free(&got);
	assert_int_equal(f->paused_ms, 14000);
	f->model.fault.headers = "Retry-After: 61\r\n";
	f->model.matched = f->pauses = 0;
	assert_int_equal(get(f, "12", &got), -EBUSY);
	says(f, "/lab/debian:12: is busy (408)");
	assert_int_equal(f->pauses, 0);
}

REGISTRY_TEST(a_registry_that_stays_busy_is_given_up)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };

	f->model.fault = fault("GET", "/manifests/", 0, 503);
	assert_int_equal(get(f, "12", &got), -EBUSY);
	says(f, "is busy (503)");
	assert_int_equal(web_server_requests(f->model.server), HTTP_TRIES);
	assert_int_equal(f->pauses, HTTP_TRIES - 1);
}

REGISTRY_TEST(a_refusal_is_not_tried_again)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };

	f->model.fault = fault("GET", "/manifests/", 0, 400);
	f->model.fault.body = "<html>nonsense";
	assert_int_equal(get(f, "12", &got), -EBADMSG);
	says(f, "the registry refuses it (400)");
	assert_int_equal(web_server_requests(f->model.server), 1);
}

REGISTRY_TEST(a_blob_in_storage_elsewhere_is_read_there_without_the_token)
{
	struct fixture *f = *state;
	struct registry_model storage = { 0 };
	uint64_t size;

	registry_model_start(&storage);
	model_add_blob(&f->model, f->data, SIZE);
	model_add_blob(&storage, f->data, SIZE);
	f->model.storage = web_server_url(storage.server);
	works(f, read_from(f, 5));
	assert_int_equal(f->got, SIZE);
	assert_int_equal(web_server_count(storage.server, "Authorization"), 0);
	assert_int_equal(web_server_count(storage.server, "Range: bytes=5-"), 1);
	/* Signed for GET only. */
	storage.fault = fault("HEAD", "/blobs/", 0, 403);
	works(f, f->store->ops->find_blob(f->store, "lab/debian", f->digest, &size, &f->err));
	assert_int_equal(size, SIZE);
	registry_model_stop(&storage);
}

REGISTRY_TEST(redirects_without_an_end_or_a_place_are_refused)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };

	f->model.fault = fault("GET", "/manifests/", 0, 307);
	f->model.fault.headers = "Location: /v2/lab/debian/manifests/again\r\n";
	assert_int_equal(get(f, "12", &got), -ELOOP);
	says(f, "sends on more than 10 times");
	f->model.fault.headers = "Location: file:///etc/passwd\r\n";
	assert_int_equal(get(f, "12", &got), -EBADMSG);
	says(f, "sends on to no place");
	f->model.fault.headers = NULL;
	assert_int_equal(get(f, "12", &got), -EBADMSG);
}

REGISTRY_TEST(a_registry_that_is_not_there_is_told)
{
	struct fixture *f = *state;
	struct store_manifest got = { 0 };
	const struct store_options none = { 0 };
	struct store *gone;

	works(f, registry_open("127.0.0.1:1", &none, &gone, &f->err));
	registry_tune(gone, CHUNK, 4, count_pause, f);
	assert_int_equal(gone->ops->get_manifest(gone, "a", "b", &got, &f->err), -ECONNREFUSED);
	assert_non_null(strstr(f->err.text, "127.0.0.1:1/a:b: cannot connect: Connection refused"));
	gone->ops->close(gone);
}

/* A registry that wants a token for each repository, and gives them itself. */
static void handle_tokens(void *arg, const struct web_request *request, struct web_reply *reply)
{
	struct web_server **server = arg;
	static char text[512];
	const char *scope = strstr(request->path, "scope=");
	const char *want = strncmp(request->path, "/v2/a/", 6) == 0
	                           ? "Bearer token-repository%3Aa%3Apull\r\n"
	                           : "Bearer token-repository%3Ab%3Apull\r\n";

	reply->status = 200;
	if (strncmp(request->path, "/token", 6) == 0) {
		/* The scope is the token, with signs that a token may have. */
		snprintf(text, sizeof(text), "{\"token\":\"token-%.100s\"}",
		         scope ? scope + 6 : "");
		for (char *c = text; *c; c++)
			*c = *c == '%' ? '~' : *c;
		reply->body = text;
		reply->len = strlen(text);
		return;
	}
	snprintf(text, sizeof(text), "%s", want);
	for (char *c = text; *c; c++)
		*c = *c == '%' ? '~' : *c;
	if (web_has(request, text)) {
		reply->body = "{}";
		reply->len = 2;
		return;
	}
	reply->status = 401;
	web_add_header(reply,
	               "WWW-Authenticate: Bearer realm=\"%s/token\",service=\"r\","
	               "scope=\"repository:%c:pull\"\r\n",
	               web_server_url(*server), request->path[4]);
}

REGISTRY_TEST(each_repository_has_a_token_of_its_own_that_is_kept)
{
	struct fixture *f = *state;
	struct web_server *server;
	const struct store_options none = { 0 };
	struct store *store;

	server = web_server_start(handle_tokens, &server);
	works(f, registry_open(web_server_host(server), &none, &store, &f->err));
	for (int i = 0; i < 6; i++) {
		struct store_manifest got = { 0 };

		works(f, store->ops->get_manifest(store, i % 2 ? "a" : "b", "1", &got, &f->err));
		store_manifest_free(&got);
	}
	assert_int_equal(web_server_count(server, "GET /token"), 2);
	store->ops->close(store);
	web_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REGISTRY_CASE(a_registry_on_this_computer_is_found_without_tls),
		REGISTRY_CASE(what_is_no_registry_is_told),
		REGISTRY_CASE(a_manifest_is_as_it_was_put),
		REGISTRY_CASE(a_tag_that_cannot_be_deleted_is_told),
		REGISTRY_CASE(a_manifest_that_is_too_large_is_refused),
		REGISTRY_CASE(a_blob_is_read_whole_and_from_a_place),
		REGISTRY_CASE(a_blob_that_breaks_off_goes_on_where_it_was),
		REGISTRY_CASE(a_blob_that_always_breaks_off_at_the_same_byte_fails),
		REGISTRY_CASE(a_sink_that_refuses_ends_a_read),
		REGISTRY_CASE(a_wrong_range_is_refused),
		REGISTRY_CASE(a_busy_registry_is_asked_again),
		REGISTRY_CASE(a_registry_that_stays_busy_is_given_up),
		REGISTRY_CASE(a_refusal_is_not_tried_again),
		REGISTRY_CASE(a_blob_in_storage_elsewhere_is_read_there_without_the_token),
		REGISTRY_CASE(redirects_without_an_end_or_a_place_are_refused),
		REGISTRY_CASE(a_registry_that_is_not_there_is_told),
		REGISTRY_CASE(each_repository_has_a_token_of_its_own_that_is_kept),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
