// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "disk/spec.h"

static int parse(const char *text, struct disk_spec **ret, struct error *err)
{
	json_t *object = json_loads(text, 0, NULL);
	int r;

	assert_non_null(object);
	*ret = NULL;
	r = disk_spec_parse(object, ret, err);
	json_decref(object);
	return r;
}

TEST(every_field_finds_its_place)
{
	struct disk_spec *spec;
	struct error err = { 0 };

	assert_int_equal(
		parse("{\"version\":1,\"image\":\"/i\",\"sources\":[{\"url\":\"http://a/x\","
	              "\"priority\":3},{\"url\":\"/"
	              "x\",\"digest\":\"sha256:00\"}],\"format\":\"vhd\","
	              "\"parent\":\"http://a/p\",\"credentials\":\"/c\",\"ca\":\"/ca\","
	              "\"layers\":[\"/l1\",\"/l2\"],\"fill\":{\"on\":true,\"rate\":5000},"
	              "\"hedge_percent\":7,\"deadline_ms\":1000,\"stall_ms\":200,"
	              "\"trace\":{\"record\":true,\"replay\":true},\"readahead\":false,\"sweep\":"
	              "true,"
	              "\"control\":\"/s\"}",
	              &spec, &err),
		0);
	assert_string_equal(spec->image, "/i");
	assert_int_equal(spec->sources.n, 2);
	assert_string_equal(spec->sources.at[0].url, "/x");
	assert_string_equal(spec->sources.at[0].digest, "sha256:00");
	assert_string_equal(spec->sources.at[1].url, "http://a/x");
	assert_int_equal(spec->sources.at[1].priority, 3);
	assert_int_equal(spec->format, IMAGE_VHD);
	assert_int_equal(spec->parents.n, 1);
	assert_string_equal(spec->parents.at[0].url, "http://a/p");
	assert_string_equal(spec->credentials, "/c");
	assert_string_equal(spec->ca, "/ca");
	assert_int_equal(spec->n_layers, 2);
	assert_string_equal(spec->layers[1], "/l2");
	assert_true(spec->fill);
	assert_int_equal(spec->fill_rate, 5000);
	assert_int_equal(spec->hedge_percent, 7);
	assert_int_equal(spec->deadline_ms, 1000);
	assert_int_equal(spec->stall_ms, 200);
	assert_true(spec->trace_record && spec->trace_replay && !spec->readahead && spec->sweep);
	assert_string_equal(spec->control, "/s");
	disk_spec_free(spec);
}

TEST(a_parent_may_be_in_several_places)
{
	struct disk_spec *spec;

	assert_int_equal(parse("{\"version\":1,\"sources\":[{\"url\":\"/x\"}],"
	                       "\"parent\":[{\"url\":\"http://a/p\",\"priority\":2},"
	                       "{\"url\":\"http://b/p\",\"priority\":1}]}",
	                       &spec, NULL),
	                 0);
	assert_int_equal(spec->parents.n, 2);
	assert_string_equal(spec->parents.at[0].url, "http://b/p");
	assert_string_equal(spec->parents.at[1].url, "http://a/p");
	disk_spec_free(spec);
}

TEST(the_least_specification_has_the_documented_defaults)
{
	struct disk_spec *spec;

	assert_int_equal(parse("{\"version\":1,\"sources\":[{\"url\":\"/x\"}]}", &spec, NULL), 0);
	assert_null(spec->image);
	assert_int_equal(spec->format, IMAGE_AUTO);
	assert_int_equal(spec->n_layers, 0);
	assert_int_equal(spec->hedge_percent, 5);
	assert_true(!spec->fill && !spec->trace_record && !spec->trace_replay && spec->readahead &&
	            !spec->sweep);
	disk_spec_free(spec);
}

TEST(what_is_wrong_is_refused_by_name)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "[]", "not a JSON object" },
		{ "{\"version\":1}", "\"sources\" is missing" },
		{ "{\"sources\":[{\"url\":\"/x\"}]}", "\"version\" is missing" },
		{ "{\"version\":2,\"sources\":[{\"url\":\"/x\"}]}", "\"version\"" },
		{ "{\"version\":1,\"sources\":[]}", "\"sources\"" },
		{ "{\"version\":1,\"sources\":[7]}", "entry 1" },
		{ "{\"version\":1,\"parent\":[],\"sources\":[{\"url\":\"/x\"}]}", "\"parent\"" },
		{ "{\"version\":1,\"parent\":[{}],\"sources\":[{\"url\":\"/x\"}]}",
		  "\"parent\", entry 1" },
		{ "{\"version\":1,\"sources\":[{\"url\":\"/x\"},{\"priority\":1}]}", "entry 2" },
		{ "{\"version\":1,\"sources\":[{\"url\":\"/x\",\"weight\":1}]}",
		  "unknown field \"weight\"" },
		{ "{\"version\":1,\"colour\":1,\"sources\":[{\"url\":\"/x\"}]}",
		  "unknown field \"colour\"" },
		{ "{\"version\":1,\"image\":\"rel\",\"sources\":[{\"url\":\"/x\"}]}", "absolute" },
		{ "{\"version\":1,\"image\":\"\",\"sources\":[{\"url\":\"/x\"}]}", "\"image\"" },
		{ "{\"version\":1,\"layers\":[\"/a\",1],\"sources\":[{\"url\":\"/x\"}]}",
		  "\"layers\"" },
		{ "{\"version\":1,\"layers\":\"/a\",\"sources\":[{\"url\":\"/x\"}]}",
		  "\"layers\"" },
		{ "{\"version\":1,\"fill\":{},\"sources\":[{\"url\":\"/x\"}]}",
		  "\"on\" is missing" },
		{ "{\"version\":1,\"fill\":{\"on\":true,\"rate\":-1},\"sources\":[{\"url\":\"/"
		  "x\"}]}",
		  "\"rate\"" },
		{ "{\"version\":1,\"trace\":{\"play\":true},\"sources\":[{\"url\":\"/x\"}]}",
		  "\"play\"" },
		{ "{\"version\":1,\"hedge_percent\":101,\"sources\":[{\"url\":\"/x\"}]}",
		  "from 0 to 100" },
		{ "{\"version\":1,\"deadline_ms\":0,\"sources\":[{\"url\":\"/x\"}]}",
		  "\"deadline_ms\"" },
		{ "{\"version\":1,\"deadline_ms\":1.5,\"sources\":[{\"url\":\"/x\"}]}",
		  "\"deadline_ms\"" },
		{ "{\"version\":1,\"readahead\":1,\"sources\":[{\"url\":\"/x\"}]}",
		  "true or false" },
		{ "{\"version\":1,\"format\":\"iso\",\"sources\":[{\"url\":\"/x\"}]}",
		  "\"format\"" },
		{ "{\"version\":1,\"format\":3,\"sources\":[{\"url\":\"/x\"}]}", "\"format\"" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct disk_spec *spec;
		struct error err = { 0 };

		assert_int_equal(parse(wrong[i].text, &spec, &err), -EINVAL);
		assert_null(spec);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("%s: \"%s\"", wrong[i].text, err.text);
	}
}

TEST(a_broken_file_is_named_with_its_line)
{
	char path[] = "/tmp/test-spec-XXXXXX";
	int fd = mkstemp(path);
	struct disk_spec *spec = NULL;
	struct error err = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\n\"version\":1,\n\"version\":1}", 27), 27);
	close(fd);
	assert_int_equal(disk_spec_load(path, &spec, &err), -EINVAL);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "line 3"));
	unlink(path);
	assert_int_equal(disk_spec_load(path, &spec, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_field_finds_its_place),
		CASE(a_parent_may_be_in_several_places),
		CASE(the_least_specification_has_the_documented_defaults),
		CASE(what_is_wrong_is_refused_by_name),
		CASE(a_broken_file_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
