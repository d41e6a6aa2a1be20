// SPDX-License-Identifier: GPL-2.0-or-later
/* A machine's configuration as strangers write it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/machine-image.h"
#include "util/cleanup.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"

#define DISK(name, role) \
	"{\"name\":\"" name "\",\"role\":\"" role "\",\"size\":2097152,\"index\":\"" D1 "\"}"
#define WITH(disks, extra) \
	"{\"version\":1,\"architecture\":\"amd64\",\"disks\":[" disks "]" extra "}"
#define PLAIN(extra) WITH(DISK("system", "system"), extra)

static void refused(const char *text, const char *words)
{
	struct machine_config config;
	struct error err = { 0 };

	assert_int_equal(machine_config_parse(text, strlen(text), &config, &err), -EBADMSG);
	if (!strstr(err.text, words))
		fail_msg("'%s' says nothing of '%s'", err.text, words);
}

static struct machine_config taken(const char *text)
{
	struct machine_config config;
	struct error err = { 0 };

	if (machine_config_parse(text, strlen(text), &config, &err) < 0)
		fail_msg("%s", err.text);
	return config;
}

TEST(a_configuration_needs_no_more_than_an_architecture_and_a_system_disk)
{
	struct machine_config config = taken(PLAIN(",\"from\":{\"the\":\"future\"}"));

	assert_string_equal(config.architecture, "amd64");
	assert_string_equal(config.firmware, "auto");
	assert_string_equal(config.os, "");
	assert_int_equal(config.release, 0);
	assert_int_equal(config.memory_recommended, 0);
	assert_int_equal(config.n_disks, 1);
	assert_int_equal(config.disks[0].role, MACHINE_DISK_SYSTEM);
	assert_int_equal(config.disks[0].size, 2097152);
	machine_config_free(&config);
}

TEST(what_makes_no_sense_is_refused_with_the_member_s_name)
{
	refused("{", "no JSON");
	refused("{\"version\":2,\"disks\":7}", "\"version\" is not 1");
	refused("{\"version\":1,\"disks\":[]}", "\"architecture\" is missing");
	refused(WITH("", ""), "\"disks\"");
	refused(WITH(DISK("data", "data"), ""), "0 disks have the role system");
	refused(WITH(DISK("a", "system") "," DISK("b", "system"), ""), "2 disks");
	refused(WITH(DISK("a", "system") "," DISK("a", "data"), ""), "called \"a\"");
	refused(WITH(DISK("../a", "system"), ""), "\"name\"");
	refused(WITH(DISK("", "system"), ""), "\"name\"");
	refused(WITH(DISK("a", "floppy"), ""), "\"role\"");
	refused(PLAIN(",\"firmware\":\"coreboot\""), "\"firmware\"");
	refused(PLAIN(",\"firmware\":1"), "\"firmware\"");
	refused(PLAIN(",\"os\":\"a b\""), "\"os\"");
	refused(PLAIN(",\"created\":\"yesterday\""), "\"created\"");
	refused(PLAIN(",\"created\":\"2026-11-21T20:00:00Zx\""), "\"created\"");
	refused(PLAIN(",\"release\":-1"), "\"release\"");
	refused(PLAIN(",\"cpus\":{\"minimum\":5000}"), "\"cpus\": \"minimum\"");
	refused(PLAIN(",\"cpus\":{\"minimum\":4,\"recommended\":2}"), "less than the minimum");
	refused(PLAIN(",\"memory\":12"), "\"memory\" is no object");
	refused(PLAIN(",\"profiles\":[\"a\\n\"]"), "\"profiles\", entry 1");
}

TEST(seventeen_disks_are_too_many)
{
	cleanup_free char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, "{\"version\":1,\"architecture\":\"amd64\",\"disks\":[");
	for (int i = 0; i < 17; i++)
		fprintf(out,
		        "%s{\"name\":\"d%d\",\"role\":\"%s\",\"size\":512,\"index\":\"" D1 "\"}",
		        i ? "," : "", i, i ? "data" : "system");
	fputs("]}", out);
	assert_int_equal(fclose(out), 0);
	refused(text, "\"disks\" is no list of 1 to 16");
}

TEST(what_is_written_is_read_back)
{
	char profile[] = "debian", *profiles[] = { profile };
	struct machine_config in = {
		.architecture = "amd64",
		.os = "linux",
		.release = 12,
		.created = "2026-11-21T20:00:00Z",
		.firmware = "uefi",
		.cpus_minimum = 1,
		.cpus_recommended = 2,
		.memory_minimum = 268435456,
		.memory_recommended = 2147483648,
		.disks = { { "system", MACHINE_DISK_SYSTEM, 4096, D1 },
		           { "home", MACHINE_DISK_PROFILE, 512, D1 } },
		.n_disks = 2,
		.profiles = profiles,
		.n_profiles = 1,
	};
	struct machine_config out;
	char *text;
	size_t len;

	assert_int_equal(machine_config_write(&in, &text, &len, NULL), 0);
	assert_int_equal(len, strlen(text));
	out = taken(text);
	assert_string_equal(out.os, "linux");
	assert_string_equal(out.firmware, "uefi");
	assert_string_equal(out.created, in.created);
	assert_int_equal(out.release, 12);
	assert_int_equal(out.cpus_recommended, 2);
	assert_int_equal(out.memory_minimum, 268435456);
	assert_int_equal(out.n_disks, 2);
	assert_int_equal(out.disks[1].role, MACHINE_DISK_PROFILE);
	assert_string_equal(out.profiles[0], "debian");
	machine_config_free(&out);
	free(text);
	in.n_disks = 0;
	assert_int_equal(machine_config_write(&in, &text, &len, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_configuration_needs_no_more_than_an_architecture_and_a_system_disk),
		CASE(what_makes_no_sense_is_refused_with_the_member_s_name),
		CASE(seventeen_disks_are_too_many),
		CASE(what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
