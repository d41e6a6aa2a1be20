// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/search.h"
#include "util/io.h"

/* A registry that says so many names: "team/image-0", …, and one that is no name. */
static unsigned int n_names;

static int say_names(struct store *store __attribute__((unused)), store_item *item, void *arg,
                     struct error *err)
{
	int r = item(arg, "team/NOT A NAME image", err);

	for (unsigned int i = 0; i < n_names && r == 0; i++) {
		char name[40];

		snprintf(name, sizeof(name), "%s/image-%u", i % 2 ? "other" : "team", i);
		r = item(arg, name, err);
	}
	return r;
}

static void close_store(struct store *store)
{
	free(store->name);
	free(store);
}

static const struct store_ops ops = { .names = say_names, .close = close_store };

static int open_store(const struct library *library,
                      const struct store_options *options __attribute__((unused)),
                      struct store **ret, struct error *err)
{
	if (strcmp(library->name, "down") == 0)
		return error_set(err, ECONNREFUSED, "down.example: does not answer");
	*ret = calloc(1, sizeof(**ret));
	(*ret)->ops = &ops;
	(*ret)->name = strdup(library->address);
	return 0;
}

static const struct find_options options = { .open = open_store };

/* Nothing listens at port 1, so there is no catalogue. */
static const struct library registry = { .name = (char *)"team",
	                                 .place = (char *)"127.0.0.1:1/team",
	                                 .address = (char *)"127.0.0.1:1",
	                                 .prefix = (char *)"team/",
	                                 .kind = LIBRARY_REGISTRY };

struct hits {
	unsigned int n;
	char last[100];
};

static int take(void *arg, const struct library *library __attribute__((unused)),
                const struct catalogue_entry *entry, struct error *err __attribute__((unused)))
{
	struct hits *hits = arg;

	hits->n++;
	snprintf(hits->last, sizeof(hits->last), "%s|%s", entry->name, entry->title);
	return 0;
}

TEST(a_registry_of_a_hundred_thousand_names_is_searched_behind_its_prefix)
{
	struct hits hits = { 0 };
	struct error err = { 0 };

	n_names = STORE_MAX_NAMES;
	assert_int_equal(library_search(&registry, &options, "IMAGE-9999", take, &hits, &err), 0);
	/* 9999 is another team's; 99990 to 99999 are half each. */
	assert_int_equal(hits.n, 5);
	assert_string_equal(hits.last, "image-99998|");
	hits.n = 0;
	assert_int_equal(library_search(&registry, &options, "team", take, &hits, &err), 0);
	assert_int_equal(hits.n, 0);
}

TEST(a_folder_with_a_catalogue_is_not_listed)
{
	static const char catalogue[] = "{\"version\":1,\"entries\":[{\"name\":\"debian\","
					"\"title\":\"Debian 12\"},{\"name\":\"x\"}]}";
	char dir[] = "/tmp/test-search-XXXXXX", path[PATH_MAX];
	struct library folder = { .name = (char *)"usb",
		                  .place = dir,
		                  .address = dir,
		                  .prefix = (char *)"",
		                  .kind = LIBRARY_FOLDER };
	struct hits hits = { 0 };
	struct error err = { 0 };

	n_names = 1;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/" CATALOGUE_FILE, dir);
	assert_int_equal(replace_file(AT_FDCWD, path, catalogue, strlen(catalogue), 0644, &err), 0);
	assert_int_equal(library_search(&folder, &options, "d", take, &hits, &err), 0);
	assert_int_equal(hits.n, 1);
	assert_string_equal(hits.last, "debian|Debian 12");
	/* One that is wrong is said, and names are no stand-in for it. */
	assert_int_equal(replace_file(AT_FDCWD, path, "{\"version\":2}", 13, 0644, &err), 0);
	assert_int_equal(library_search(&folder, &options, "d", take, &hits, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "catalogue.json: has another version"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

TEST(a_library_that_does_not_answer_fails)
{
	struct library down = registry;
	struct hits hits = { 0 };
	struct error err = { 0 };

	down.name = (char *)"down";
	assert_int_equal(library_search(&down, &options, "x", take, &hits, &err), -ECONNREFUSED);
	assert_string_equal(err.text, "down.example: does not answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_registry_of_a_hundred_thousand_names_is_searched_behind_its_prefix),
		CASE(a_folder_with_a_catalogue_is_not_listed),
		CASE(a_library_that_does_not_answer_fails),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
