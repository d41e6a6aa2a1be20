// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "host/screen.h"
#include "util/cleanup.h"

static json_t *facts_of(const char *text)
{
	json_t *facts = json_loads(text, 0, NULL);

	assert_non_null(facts);
	return facts;
}

/* The screen that these facts give. */
static char *drawn(const char *json, const char *note, size_t columns, size_t rows)
{
	json_t *facts = facts_of(json);
	char *text = NULL;

	assert_int_equal(screen_draw(facts, note, columns, rows, &text, NULL), 0);
	json_decref(facts);
	return text;
}

static void assert_line(const char *text, const char *want)
{
	size_t len = strlen(want);

	for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, want, len) == 0 && (at[len] == '\n' || at[len] == '\0'))
			return;
	print_error("no line '%s' in:\n%s", want, text);
	fail();
}

static const char whole[] =
	"{\"name\":\"box\",\"uptime_seconds\":127,\"cpus\":4,\"memory_bytes\":8000000000,"
	"\"memory_available_bytes\":6000000000,\"beneath\":{\"kind\":\"sill\",\"version\":\"0.1."
	"0\"},"
	"\"slot\":{\"running\":\"a\",\"tries\":\"0\",\"good\":\"a\"},"
	"\"addresses\":[{\"interface\":\"eth0\",\"address\":\"192.0.2.7\"}],"
	"\"data\":{\"path\":\"/var/lib/sill\",\"size_bytes\":100000000000,"
	"\"free_bytes\":50000000000,\"kept\":true},"
	"\"machines\":[{\"name\":\"web\",\"state\":\"running\",\"ready\":true,"
	"\"disk\":{\"percent_near\":12.4}},{\"name\":\"old\",\"state\":\"stopped\"}]}";

TEST(everything_has_its_line)
{
	cleanup_free char *text = drawn(whole, NULL, 80, 24);

	assert_line(text, "Sill on box");
	assert_line(text, "Hypervisor   Sill 0.1.0 beneath this system");
	assert_line(text, "Version      slot a, healthy");
	assert_line(text,
	            "Computer     4 processors, 6.00 GB of 8.00 GB memory available, up 2:07");
	assert_line(text, "Network      192.0.2.7 (eth0)");
	assert_line(text, "Data         50.0 GB free of 100 GB");
	assert_line(text, "  1  web                  running, ready, 12 % near");
	assert_line(text, "  2  old                  stopped");
}

TEST(a_fall_back_and_a_start_that_is_not_yet_healthy_are_said)
{
	cleanup_free char *fell = drawn(
		"{\"slot\":{\"running\":\"a\",\"tries\":\"0\",\"fell\":\"b\"}}", NULL, 80, 24);
	cleanup_free char *young =
		drawn("{\"slot\":{\"running\":\"b\",\"tries\":\"1\"}}", NULL, 80, 24);

	assert_line(fell, "Version      slot a, after slot b did not get healthy twice");
	assert_line(young, "Version      slot b, not yet healthy (start 1 of 2)");
}

TEST(a_disk_that_is_nearly_full_or_not_kept_is_said)
{
	cleanup_free char *text = drawn("{\"data\":{\"size_bytes\":1000000000,"
	                                "\"free_bytes\":10000000,\"kept\":false}}",
	                                NULL, 100, 24);

	assert_line(text, "Data         10.0 MB free of 1.00 GB; NEARLY FULL; NOT KEPT: the data "
	                  "partition cannot be used");
}

TEST(no_facts_at_all_still_give_a_screen)
{
	cleanup_free char *text = drawn("{}", NULL, 80, 24);

	assert_line(text, "Network      no address: is the cable plugged in?");
	assert_line(text, "Machines     none yet: sill run IMAGE makes one");
}

TEST(the_keys_and_the_note_stay_on_a_screen_that_is_too_small)
{
	char many[4096] = "{\"machines\":[";
	cleanup_free char *text = NULL;
	size_t lines = 0;

	for (int i = 0; i < 12; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many),
		         "%s{\"name\":\"m%d\",\"state\":\"stopped\"}", i ? "," : "", i);
	snprintf(many + strlen(many), sizeof(many) - strlen(many), "]}");
	text = drawn(many, "There is no machine 9.", 60, 16);
	for (const char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 16);
	assert_line(text, "There is no machine 9.");
	assert_line(text, "1-9 a machine's console (Ctrl-] leads back)   s shell");
}

TEST(more_machines_than_keys_are_counted)
{
	char many[4096] = "{\"machines\":[";
	cleanup_free char *text = NULL;

	for (int i = 0; i < 12; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many),
		         "%s{\"name\":\"m%d\",\"state\":\"stopped\"}", i ? "," : "", i);
	snprintf(many + strlen(many), sizeof(many) - strlen(many), "]}");
	text = drawn(many, NULL, 80, 40);
	assert_line(text, "  9  m8                   stopped");
	assert_line(text, "     and 3 more: sill list");
	assert_null(strstr(text, "m9"));
}

TEST(nothing_that_a_machine_says_reaches_the_terminal_as_a_command)
{
	cleanup_free char *text = drawn("{\"machines\":[{\"name\":\"m\",\"state\":\"paused\","
	                                "\"message\":\"\\u001b[2J\\u009b1;31m\\nnext\"}]}",
	                                NULL, 80, 24);

	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "\nnext"));
}

TEST(a_line_is_cut_between_characters)
{
	cleanup_free char *text = drawn("{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	                                "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	                                "0123456789012345678901234567890123456789-next\"}",
	                                NULL, 60, 24);

	assert_line(text, "Sill on \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	                  "0123456789012345678901234567890123456789");
}

TEST(a_key_leads_to_the_machine_of_its_line)
{
	json_t *facts = facts_of(whole);

	assert_string_equal(screen_machine(facts, '1'), "web");
	assert_string_equal(screen_machine(facts, '2'), "old");
	assert_null(screen_machine(facts, '3'));
	assert_null(screen_machine(facts, '0'));
	assert_null(screen_machine(facts, 's'));
	json_decref(facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(everything_has_its_line),
		CASE(a_fall_back_and_a_start_that_is_not_yet_healthy_are_said),
		CASE(a_disk_that_is_nearly_full_or_not_kept_is_said),
		CASE(no_facts_at_all_still_give_a_screen),
		CASE(the_keys_and_the_note_stay_on_a_screen_that_is_too_small),
		CASE(more_machines_than_keys_are_counted),
		CASE(nothing_that_a_machine_says_reaches_the_terminal_as_a_command),
		CASE(a_line_is_cut_between_characters),
		CASE(a_key_leads_to_the_machine_of_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
