// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/find.h"
#include "library/oci.h"
#include "util/cleanup.h"

/*
 * A world of libraries: "ADDRESS NAME:TAG", each with its own line as its manifest; an address that
 * is not there refuses the connection, one that begins with "broken" is down.
 */
static const char *const world[] = {
	"/own plain:1",
	"/own r.example/far:1",
	"/own down.example/far:1",
	"/own m/gone:1",
	"/own 127.0.0.1_5000/far:1",
	"/usb far:1",
	"/usb stick:latest",
	"r.example far:1",
	"r.example team/mine:1",
	"127.0.0.1:5000 far:2",
	"https://i.example/lib web:1",
};

static char asked[400]; /* the addresses that were opened, in order */

static int get(struct store *store, const char *name, const char *which, struct store_manifest *ret,
               struct error *err)
{
	char line[300];

	for (size_t i = 0; i < ARRAY_LEN(world); i++) {
		char digest[STORE_DIGEST_ROOM];

		oci_digest(world[i], strlen(world[i]), digest);
		snprintf(line, sizeof(line), "%s %s:%s", store->name, name, which);
		if (strcmp(line, world[i]) != 0 &&
		    (strcmp(which, digest) != 0 ||
		     strncmp(line, world[i], strlen(line) - strlen(which)) != 0))
			continue;
		*ret = (struct store_manifest){ .bytes = strdup(world[i]),
			                        .len = strlen(world[i]) };
		return 0;
	}
	return error_set(err, ENOENT, "%s: there is no %s:%s", store->name, name, which);
}

static void close_store(struct store *store)
{
	free(store->name);
	free(store);
}

static const struct store_ops ops = { .get_manifest = get, .close = close_store };

static int open_store(const struct library *library,
                      const struct store_options *options __attribute__((unused)),
                      struct store **ret, struct error *err)
{
	size_t used = strlen(asked);

	snprintf(asked + used, sizeof(asked) - used, "%s%s", used ? " " : "", library->address);
	if (strncmp(library->address, "down", 4) == 0)
		return error_set(err, ECONNREFUSED, "%s: does not answer", library->address);
	if (strncmp(library->address, "secret", 6) == 0)
		return error_set(err, EACCES, "%s: wants to know who asks", library->address);
	*ret = calloc(1, sizeof(**ret));
	(*ret)->ops = &ops;
	(*ret)->name = strdup(library->address);
	return 0;
}

static char said[400];

static void say(void *arg __attribute__((unused)), const char *text)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "[%s]", text);
}

static const struct find_options options = { .open = open_store, .say = say };

/* The host's own library, a stick, and a registry that is down. */
static struct libraries three(void)
{
	static struct library at[] = {
		{ .name = (char *)"local",
		  .place = (char *)"/own",
		  .address = (char *)"/own",
		  .prefix = (char *)"",
		  .kind = LIBRARY_OWN },
		{ .name = (char *)"usb",
		  .place = (char *)"/usb",
		  .address = (char *)"/usb",
		  .prefix = (char *)"",
		  .kind = LIBRARY_FOLDER },
		{ .name = (char *)"m",
		  .place = (char *)"down.example",
		  .address = (char *)"down.example",
		  .prefix = (char *)"",
		  .kind = LIBRARY_REGISTRY },
		{ .name = (char *)"team",
		  .place = (char *)"r.example/team",
		  .address = (char *)"r.example",
		  .prefix = (char *)"team/",
		  .kind = LIBRARY_REGISTRY },
	};

	return (struct libraries){ at, ARRAY_LEN(at) };
}

static int find(const char *text, struct library_found *ret, struct error *err)
{
	cleanup(reference_free) struct reference ref = { 0 };
	struct libraries libraries = three();

	asked[0] = said[0] = '\0';
	assert_int_equal(reference_parse(text, &ref, err), 0);
	return library_find(&libraries, &ref, &options, ret, err);
}

TEST(an_image_is_found_where_its_reference_says)
{
	static const struct {
		const char *text, *manifest, *canonical, *own_name, *asked;
		bool own;
	} good[] = {
		{ "plain:1", "/own plain:1", "local/plain", "plain", "/own", true },
		{ "local/plain:1", "/own plain:1", "local/plain", "plain", "/own", true },
		{ "far:1", "/usb far:1", "/usb#far", "usb/far", "/own /usb", false },
		{ "stick", "/usb stick:latest", "/usb#stick", "usb/stick", "/own /usb", false },
		{ "usb/stick", "/usb stick:latest", "/usb#stick", "usb/stick", "/usb", false },
		{ "team/mine:1", "r.example team/mine:1", "r.example/team/mine",
		  "r.example/team/mine", "r.example", false },
		{ "mine:1", "r.example team/mine:1", "r.example/team/mine", "r.example/team/mine",
		  "/own /usb down.example /own r.example", false },
		{ "r.example/far:1", "r.example far:1", "r.example/far", "r.example/far",
		  "r.example", false },
		{ "127.0.0.1:5000/far:2", "127.0.0.1:5000 far:2", "127.0.0.1:5000/far",
		  "127.0.0.1_5000/far", "127.0.0.1:5000", false },
		{ "https://i.example/lib#web:1", "https://i.example/lib web:1",
		  "https://i.example/lib#web", "web", "https://i.example/lib", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(library_found_free) struct library_found found = { 0 };
		struct error err = { 0 };

		if (find(good[i].text, &found, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.text);
		assert_string_equal(found.manifest.bytes, good[i].manifest);
		assert_string_equal(found.canonical, good[i].canonical);
		assert_string_equal(found.own_name, good[i].own_name);
		assert_string_equal(asked, good[i].asked);
		assert_int_equal(found.own, good[i].own);
	}
}

TEST(a_registry_that_does_not_answer_leaves_the_copy_of_this_host)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	struct error err = { 0 };

	assert_int_equal(find("down.example/far:1", &found, &err), 0);
	assert_true(found.own);
	assert_string_equal(found.name, "down.example/far");
	assert_string_equal(found.canonical, "down.example/far");
	assert_string_equal(said,
	                    "[down.example: does not answer; the copy of this host is taken]");
	library_found_free(&found);
	assert_int_equal(find("down.example/other:1", &found, &err), -ECONNREFUSED);
	assert_string_equal(err.text, "down.example: does not answer");
	assert_null(found.store);
}

TEST(what_a_registry_says_no_to_is_not_taken_from_elsewhere)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	struct error err = { 0 };

	/* The own library has it, but the registry has another tag now, or wants a password. */
	assert_int_equal(find("127.0.0.1:5000/far:1", &found, &err), -ENOENT);
	assert_int_equal(find("secret.example/far:1", &found, &err), -EACCES);
	assert_string_equal(asked, "secret.example");
}

TEST(a_digest_is_taken_from_this_host_without_asking_anybody)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	char digest[STORE_DIGEST_ROOM], text[200];
	struct error err = { 0 };

	oci_digest("/own r.example/far:1", strlen("/own r.example/far:1"), digest);
	snprintf(text, sizeof(text), "r.example/far:1@%s", digest);
	assert_int_equal(find(text, &found, &err), 0);
	assert_true(found.own);
	assert_string_equal(asked, "/own");
	library_found_free(&found);
	oci_digest("r.example far:1", strlen("r.example far:1"), digest);
	snprintf(text, sizeof(text), "r.example/far@%s", digest);
	assert_int_equal(find(text, &found, &err), 0);
	assert_false(found.own);
	assert_string_equal(asked, "/own r.example");
}

TEST(what_no_library_has_is_said_with_each_ones_answer)
{
	cleanup(library_found_free) struct library_found found = { 0 };
	struct error err = { 0 };

	assert_int_equal(find("nowhere:1", &found, &err), -ENOENT);
	assert_string_equal(err.text,
	                    "no library has nowhere:1: local: not there; usb: not there; m: "
	                    "down.example: does not answer; team: not there");
	assert_string_equal(said, "[down.example: does not answer]");
	assert_null(found.store);
}

TEST(a_place_to_bring_an_image_to_need_not_have_it)
{
	static const struct {
		const char *text, *asked, *canonical;
		bool own;
	} good[] = {
		{ "new:1", "/own", "local/new", true },
		{ "usb/new:1", "/usb", "/usb#new", false },
		{ "r.example/new:1", "r.example", "r.example/new", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(library_found_free) struct library_found found = { 0 };
		cleanup(reference_free) struct reference ref = { 0 };
		struct libraries libraries = three();
		struct error err = { 0 };

		asked[0] = '\0';
		assert_int_equal(reference_parse(good[i].text, &ref, &err), 0);
		assert_int_equal(library_place(&libraries, &ref, &options, &found, &err), 0);
		assert_string_equal(asked, good[i].asked);
		assert_string_equal(found.canonical, good[i].canonical);
		assert_string_equal(found.name, "new");
		assert_int_equal(found.own, good[i].own);
	}
}

TEST(every_host_has_a_name_of_its_own_among_folders)
{
	static const struct {
		const char *text, *own_name;
	} hosts[] = {
		{ "localhost:5000/d", "localhost_5000/d" },
		{ "[::1]:5000/d", "ip6---1-x_5000/d" },
		{ "[fe80::]/d", "ip6-fe80---x/d" },
		{ "a-b.example/d", "a-b.example/d" },
	};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		cleanup(library_found_free) struct library_found found = { 0 };
		cleanup(reference_free) struct reference ref = { 0 };
		struct libraries libraries = three();
		struct error err = { 0 };

		assert_int_equal(reference_parse(hosts[i].text, &ref, &err), 0);
		if (library_place(&libraries, &ref, &options, &found, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(found.own_name, hosts[i].own_name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_image_is_found_where_its_reference_says),
		CASE(a_registry_that_does_not_answer_leaves_the_copy_of_this_host),
		CASE(what_a_registry_says_no_to_is_not_taken_from_elsewhere),
		CASE(a_digest_is_taken_from_this_host_without_asking_anybody),
		CASE(what_no_library_has_is_said_with_each_ones_answer),
		CASE(a_place_to_bring_an_image_to_need_not_have_it),
		CASE(every_host_has_a_name_of_its_own_among_folders),
	};

	return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
