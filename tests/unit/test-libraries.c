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
#include "library/libraries.h"
#include "util/cleanup.h"
#include "util/io.h"

static char config[] = "/tmp/sill-libraries-XXXXXX";

static int make_config(void **state __attribute__((unused)))
{
	if (!mkdtemp(config))
		return -1;
	return setenv("SILL_CONFIG", config, 1);
}

static int remove_config(void **state __attribute__((unused)))
{
	return rmdir(config);
}

static void config_file(char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/libraries", config);
}

TEST(places_are_registries_folders_and_folders_of_the_web)
{
	static const struct {
		const char *place;
		enum library_kind kind;
		const char *address, *prefix;
		bool plain;
	} good[] = {
		{ "registry.example", LIBRARY_REGISTRY, "registry.example", "", false },
		{ "Registry.Example/", LIBRARY_REGISTRY, "registry.example", "", false },
		{ "registry.example/team", LIBRARY_REGISTRY, "registry.example", "team/", false },
		{ "localhost:5000/a/b/", LIBRARY_REGISTRY, "localhost:5000", "a/b/", false },
		{ "https://r.example", LIBRARY_REGISTRY, "r.example", "", false },
		{ "http://r.example:5000", LIBRARY_REGISTRY, "r.example:5000", "", true },
		{ "http://r.example/v2", LIBRARY_REGISTRY, "r.example", "", true },
		{ "http://r.example/v2/", LIBRARY_REGISTRY, "r.example", "", true },
		{ "https://r.example/v2/team", LIBRARY_REGISTRY, "r.example", "team/", false },
		{ "https://i.example/lib/", LIBRARY_WEB, "https://i.example/lib", "", false },
		{ "http://i.example/", LIBRARY_WEB, "http://i.example", "", true },
		{ "http://i.example/v20", LIBRARY_WEB, "http://i.example/v20", "", true },
		{ "/media/my usb", LIBRARY_FOLDER, "/media/my usb", "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(library_free) struct library library = { 0 };
		struct error err = { 0 };

		if (library_parse("x", good[i].place, &library, &err) < 0)
			fail_msg("%s: %s", good[i].place, err.text);
		assert_string_equal(library.place, good[i].place);
		assert_int_equal(library.kind, good[i].kind);
		assert_string_equal(library.address, good[i].address);
		assert_string_equal(library.prefix, good[i].prefix);
		assert_int_equal(library.plain_http, good[i].plain);
	}
}

TEST(what_is_no_library_is_refused_with_its_rule)
{
	static const struct {
		const char *name, *place, *says;
	} bad[] = {
		{ "local", "/x", "it means this host" },
		{ "localhost", "/x", "it means this host" },
		{ "Usb", "/x", "no name for a library" },
		{ "a.b", "/x", "no name for a library" },
		{ "a/b", "/x", "no name for a library" },
		{ "", "/x", "no name for a library" },
		{ "abcdefghijklmnopqrstuvwxyz1234567", "/x", "no name for a library" },
		{ "x", "", "a text in one line" },
		{ "x", "/a\nb /c", "a text in one line" },
		{ "x", "/\xff", "a text in one line" },
		{ "x", "media", "begins with '/'" },
		{ "x", "team/sub", "begins with '/'" },
		{ "x", "-a.example", "a host is" },
		{ "x", "r.example:99999", "a port is" },
		{ "x", "r.example/Team", "small letters" },
		{ "x", "r.example/team:12", "a tag has" },
		{ "x", "r.example#x", "no place" },
		{ "x", "https://me:secret@r.example", "no user" },
		{ "x", "https://i.example/lib?x", "no user" },
		{ "x", "https:///lib", "no host" },
		{ "x", "https://", "no host" },
		{ "x", "ftp://i.example/", "http or https" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct library library = { 0 };
		struct error err = { 0 };

		assert_int_equal(library_parse(bad[i].name, bad[i].place, &library, &err), -EINVAL);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s %s: %s", bad[i].name, bad[i].place, err.text);
		assert_null(library.name);
	}
}

TEST(libraries_are_asked_in_their_order_and_the_own_one_first)
{
	cleanup(libraries_free) struct libraries libraries = { 0 };
	char path[PATH_MAX];
	struct error err = { 0 };

	config_file(path);
	assert_int_equal(libraries_load("/own", &libraries, &err), 0);
	assert_int_equal(libraries.n, 1);
	assert_string_equal(libraries.at[0].name, "local");
	assert_string_equal(libraries.at[0].address, "/own");
	assert_int_equal(libraries.at[0].kind, LIBRARY_OWN);
	libraries_free(&libraries);
	assert_int_equal(libraries_add("usb", "/media/usb", &err), 0);
	assert_int_equal(libraries_add("team", "r.example/team", &err), 0);
	assert_int_equal(libraries_add("usb", "/other", &err), -EEXIST);
	assert_non_null(strstr(err.text, "/media/usb"));
	assert_int_equal(libraries_load("/own", &libraries, &err), 0);
	assert_int_equal(libraries.n, 3);
	assert_string_equal(libraries.at[1].name, "usb");
	assert_string_equal(libraries.at[2].prefix, "team/");
	assert_ptr_equal(libraries_get(&libraries, "team"), &libraries.at[2]);
	assert_null(libraries_get(&libraries, "tea"));
	assert_int_equal(unlink(path), 0);
}

TEST(a_change_leaves_the_rest_of_the_file_alone)
{
	static const char before[] = "# mine\n\n  usb\t/media/usb  \r\nusb2 /media/usb2";
	cleanup_free char *text = NULL;
	struct error err = { 0 };
	char path[PATH_MAX];
	size_t len;

	config_file(path);
	assert_int_equal(replace_file(AT_FDCWD, path, before, strlen(before), 0644, &err), 0);
	assert_int_equal(libraries_add("web", "https://i.example/lib", &err), 0);
	assert_int_equal(libraries_remove("us", &err), -ENOENT);
	assert_int_equal(libraries_remove("#", &err), -ENOENT);
	assert_int_equal(libraries_remove("usb", &err), 0);
	assert_int_equal(read_file(AT_FDCWD, path, 4096, &text, &len, &err), 0);
	assert_string_equal(text, "# mine\n\nusb2 /media/usb2\nweb https://i.example/lib\n");
	assert_int_equal(unlink(path), 0);
}

TEST(a_line_that_is_wrong_is_named)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "a /x\na /y\n", "line 2: 'a' stands there twice" },
		{ "\n\nA /x\n", "line 3: 'A' is no name" },
		{ "a\n", "line 1: the place" },
		{ "a /x\nb nowhere\n", "line 2: 'nowhere'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(libraries_free) struct libraries libraries = { 0 };
		cleanup_free char *copy = strdup(bad[i].text);
		struct error err = { 0 };

		assert_int_equal(libraries_parse(copy, &libraries, &err), -EINVAL);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s", err.text);
	}
}

TEST(there_are_at_most_64_libraries)
{
	cleanup(libraries_free) struct libraries libraries = { 0 };
	char text[LIBRARIES_MAX * 16 + 32], path[PATH_MAX];
	struct error err = { 0 };
	size_t used = 0;

	config_file(path);
	for (unsigned int i = 0; i < LIBRARIES_MAX - 1; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "l%u /x\n", i);
	assert_int_equal(replace_file(AT_FDCWD, path, text, used, 0644, &err), 0);
	assert_int_equal(libraries_load("/own", &libraries, &err), 0);
	assert_int_equal(libraries_add("more", "/x", &err), -E2BIG);
	snprintf(text + used, sizeof(text) - used, "more /x\n");
	libraries_free(&libraries);
	assert_int_equal(replace_file(AT_FDCWD, path, text, strlen(text), 0644, &err), 0);
	assert_int_equal(libraries_load("/own", &libraries, &err), -E2BIG);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(places_are_registries_folders_and_folders_of_the_web),
		CASE(what_is_no_library_is_refused_with_its_rule),
		CASE(libraries_are_asked_in_their_order_and_the_own_one_first),
		CASE(a_change_leaves_the_rest_of_the_file_alone),
		CASE(a_line_that_is_wrong_is_named),
		CASE(there_are_at_most_64_libraries),
	};

	return cmocka_run_group_tests_name("libraries", tests, make_config, remove_config);
}
