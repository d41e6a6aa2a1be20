// SPDX-License-Identifier: GPL-2.0-or-later
/* The log of this program is one, so each test looks at what came after it began. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/core/log.h"
#include "hypervisor/core/serial.h"

static char serial[1 << 20];
static size_t serial_length;
static uint16_t serial_port;
static bool panic_in_write;

void serial_setup(uint16_t port)
{
	serial_port = port;
}

void serial_write(uint16_t port, const char *text, size_t length)
{
	assert_int_equal(port, serial_port);
	assert_true(length < sizeof(serial) - serial_length);
	if (panic_in_write) {
		panic_in_write = false;
		log_alone();
		log_line(LOG_ERROR, "panic");
	}
	memcpy(serial + serial_length, text, length);
	serial_length += length;
	serial[serial_length] = '\0';
}

static int begin(void **state)
{
	(void)state;
	serial_length = 0;
	serial[0] = '\0';
	log_setup(0x2f8, LOG_INFO);
	return 0;
}

static uint64_t end_of_log(void)
{
	uint64_t start, end;

	log_read(NULL, 0, 0, &start, &end);
	return end;
}

/* What the ring has from `from` on, as a string. */
static const char *ring_since(uint64_t from)
{
	static char text[LOG_RING + 1];
	uint64_t start, end;
	size_t n = log_read(text, LOG_RING, from, &start, &end);

	assert_int_equal(start, from);
	assert_int_equal(end - start, n);
	text[n] = '\0';
	return text;
}

TEST(a_line_reaches_ring_and_console_in_their_forms)
{
	uint64_t from = end_of_log();

	log_line(LOG_INFO, "%u processors", 4u);
	log_line(LOG_ERROR, "none");
	assert_string_equal(ring_since(from), "24 processors\n0none\n");
	assert_string_equal(serial, "sill: 4 processors\r\nsill: none\r\n");
}

TEST(the_level_chooses_what_the_console_gets)
{
	uint64_t from = end_of_log();

	log_setup(0x2f8, LOG_WARNING);
	log_line(LOG_INFO, "info");
	log_line(LOG_WARNING, "warning");
	assert_string_equal(serial, "sill: warning\r\n");
	assert_string_equal(ring_since(from), "2info\n1warning\n");
}

TEST(debug_lines_are_never_in_the_ring)
{
	uint64_t from = end_of_log();

	log_line(LOG_DEBUG, "hidden");
	log_setup(0x2f8, LOG_DEBUG);
	log_line(LOG_DEBUG, "shown");
	assert_string_equal(serial, "sill: shown\r\n");
	assert_string_equal(ring_since(from), "");
}

TEST(without_a_port_only_the_ring_has_the_line)
{
	uint64_t from = end_of_log();

	log_setup(0, LOG_DEBUG);
	log_line(LOG_INFO, "quiet");
	assert_int_equal(serial_length, 0);
	assert_string_equal(ring_since(from), "2quiet\n");
}

TEST(a_line_break_inside_makes_no_second_line)
{
	uint64_t from = end_of_log();

	log_line(LOG_INFO, "%s", "a\n0forged\r\x1b[2J\x7f");
	assert_string_equal(ring_since(from), "2a?0forged??[2J?\n");
	assert_string_equal(serial, "sill: a?0forged??[2J?\r\n");
}

TEST(a_long_line_is_cut_but_still_a_line)
{
	uint64_t from = end_of_log();
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_line(LOG_INFO, "%s", text);
	assert_int_equal(strlen(ring_since(from)), LOG_LINE_MAX + 2);
	assert_int_equal(serial_length, strlen("sill: \r\n") + LOG_LINE_MAX);
	assert_string_equal(serial + serial_length - 3, "x\r\n");
}

TEST(the_ring_forgets_the_oldest_and_reads_on_at_a_whole_line)
{
	static char text[LOG_RING];
	uint64_t start, end, from = end_of_log();
	unsigned int first, n = 0;
	size_t length;

	log_setup(0, LOG_ERROR);
	for (unsigned int i = 0; i < 20000; i++)
		log_line(LOG_INFO, "line %u", i);
	length = log_read(text, sizeof(text), from, &start, &end);
	assert_true(length > LOG_RING - 32 && length < LOG_RING);
	assert_int_equal(end - start, length);
	assert_memory_equal(text, "2line ", 6);
	first = (unsigned int)strtoul(text + 6, NULL, 10);
	for (size_t at = 0; at < length; n++) {
		char want[32];
		int size = snprintf(want, sizeof(want), "2line %u\n", first + n);

		assert_memory_equal(text + at, want, (size_t)size);
		at += (size_t)size;
	}
	assert_int_equal(first + n, 20000);
}

TEST(a_reader_goes_on_where_it_stopped_with_any_buffer)
{
	uint64_t from = end_of_log(), start, end;
	char all[64] = "", piece[5];
	size_t n, length = 0;

	log_line(LOG_INFO, "one, two, three");
	log_line(LOG_INFO, "four");
	while ((n = log_read(piece, sizeof(piece), from, &start, &end)) > 0) {
		assert_int_equal(start, from);
		memcpy(all + length, piece, n);
		length += n;
		from += n;
	}
	assert_int_equal(from, end);
	assert_string_equal(all, "2one, two, three\n2four\n");
}

TEST(a_reader_from_the_future_gets_nothing)
{
	uint64_t now = end_of_log(), start, end;
	char text[16];

	assert_int_equal(log_read(text, sizeof(text), UINT64_MAX, &start, &end), 0);
	assert_int_equal(start, now);
	assert_int_equal(end, now);
}

TEST(what_a_root_can_cause_is_limited_and_the_rest_counted)
{
	uint64_t from = end_of_log();
	char want[512];
	size_t length = 0;

	log_clock(0);
	for (unsigned int i = 0; i < 13; i++)
		log_limited("VMRUN %u", i);
	for (unsigned int i = 0; i < 10; i++)
		length += (size_t)snprintf(want + length, sizeof(want) - length, "1VMRUN %u\n", i);
	assert_string_equal(ring_since(from), want);
	/* A clock so fast that seconds pass between any two lines. */
	from = end_of_log();
	log_clock(1);
	log_limited("again");
	log_limited("and again");
	assert_string_equal(ring_since(from), "13 lines were left out\n1again\n1and again\n");
}

static char a_line[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    b_line[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void *talk(void *arg)
{
	for (unsigned int i = 0; i < 500; i++)
		log_line(LOG_INFO, "%s", (const char *)arg);
	return NULL;
}

TEST(lines_of_two_processors_are_not_torn)
{
	uint64_t from = end_of_log();
	pthread_t other;
	const char *text;
	unsigned int lines = 0;

	assert_int_equal(pthread_create(&other, NULL, talk, a_line), 0);
	talk(b_line);
	pthread_join(other, NULL);
	for (text = ring_since(from); *text; text += 34, lines++) {
		assert_true(text[1] == 'a' || text[1] == 'b');
		assert_int_equal(strspn(text + 1, text[1] == 'a' ? "a" : "b"), 32);
		assert_int_equal(text[33], '\n');
	}
	assert_int_equal(lines, 1000);
}

/* The last one: there is no way back. */
TEST(a_panic_in_the_middle_of_a_line_is_heard)
{
	panic_in_write = true;
	log_line(LOG_INFO, "the line");
	assert_string_equal(serial, "sill: panic\r\nsill: the line\r\n");
}

#define LOG_CASE(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_CASE(a_line_reaches_ring_and_console_in_their_forms),
		LOG_CASE(the_level_chooses_what_the_console_gets),
		LOG_CASE(debug_lines_are_never_in_the_ring),
		LOG_CASE(without_a_port_only_the_ring_has_the_line),
		LOG_CASE(a_line_break_inside_makes_no_second_line),
		LOG_CASE(a_long_line_is_cut_but_still_a_line),
		LOG_CASE(the_ring_forgets_the_oldest_and_reads_on_at_a_whole_line),
		LOG_CASE(a_reader_goes_on_where_it_stopped_with_any_buffer),
		LOG_CASE(a_reader_from_the_future_gets_nothing),
		LOG_CASE(what_a_root_can_cause_is_limited_and_the_rest_counted),
		LOG_CASE(lines_of_two_processors_are_not_torn),
		LOG_CASE(a_panic_in_the_middle_of_a_line_is_heard),
	};

	return cmocka_run_group_tests_name("hv-log", tests, NULL, NULL);
}
