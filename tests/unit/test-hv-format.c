// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "hypervisor/core/say.h"

/* hypervisor/core/string.c, compiled under other names. */
void *hv_memcpy(void *restrict to, const void *restrict from, size_t size);
void *hv_memmove(void *to, const void *from, size_t size);
void *hv_memset(void *at, int byte, size_t size);
int hv_memcmp(const void *a, const void *b, size_t size);
size_t hv_strlen(const char *text);

/* What libc makes of it is right. */
#define AGREES(...)                                                                        \
	do {                                                                               \
		char ours[128], libc[128];                                                 \
		int length = snprintf(libc, sizeof(libc), __VA_ARGS__);                    \
		assert_int_equal(format(ours, sizeof(ours), __VA_ARGS__), (size_t)length); \
		assert_string_equal(ours, libc);                                           \
	} while (0)

TEST(numbers_and_texts_look_as_libc_prints_them)
{
	AGREES("%s %c %%", "text", 'x');
	AGREES("%d %d %d %d", 0, -1, INT32_MAX, (int)INT32_MIN);
	AGREES("%u %x %x", UINT32_MAX, 0xdeadbeefu, 0u);
	AGREES("%ld %lld %lu %llx %zu", (long)INT64_MIN, (long long)INT64_MAX,
	       (unsigned long)UINT64_MAX, (unsigned long long)UINT64_MAX, SIZE_MAX);
	AGREES("%p", (void *)0xffff800012345678);
	AGREES("[%5d|%-5d|%05d|%2d]", -42, -42, -42, 12345);
	AGREES("[%016llx|%-8x|%8x|%3x]", 0x1234abcdull, 0xfu, 0xfu, 0xabcdefu);
	AGREES("[%8s|%-8s|%2s|%s]", "abc", "abc", "abcdef", "");
	AGREES("[%3c|%-3c]", 'a', 'b');
}

TEST(what_does_not_fit_is_cut_and_nothing_behind_the_buffer_is_touched)
{
	for (size_t size = 0; size < 24; size++) {
		char buffer[32];
		const char *whole = "value -0042 and more";

		memset(buffer, '#', sizeof(buffer));
		assert_int_equal(format(buffer, size, "value %05d %s", -42, "and more"),
		                 size ? min_u64(strlen(whole), size - 1) : 0);
		if (size)
			assert_int_equal(strlen(buffer), min_u64(strlen(whole), size - 1));
		assert_memory_equal(buffer, whole, size ? strlen(buffer) : 0);
		for (size_t i = size; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], '#');
	}
}

TEST(a_huge_width_is_bounded)
{
	char buffer[64];

	assert_int_equal(format(buffer, sizeof(buffer), "%2147483600d", 1), sizeof(buffer) - 1);
}

TEST(a_missing_text_is_no_crash)
{
	char buffer[32];
	const char *volatile none = NULL;

	format(buffer, sizeof(buffer), "<%s>", none);
	assert_string_equal(buffer, "<(none)>");
}

TEST(a_sentence_is_said_by_what_fails)
{
	struct sentence why;

	assert_false(say(&why, "module %u is no %s", 2u, "bzImage"));
	assert_string_equal(why.text, "module 2 is no bzImage");
}

TEST(our_memory_functions_do_what_libc_does)
{
	uint8_t ours[96], libc[96];

	for (unsigned int i = 0; i < 20000; i++) {
		size_t from = (size_t)rand() % 32, to = (size_t)rand() % 32,
		       size = (size_t)rand() % 64;

		for (size_t b = 0; b < sizeof(ours); b++)
			ours[b] = libc[b] = (uint8_t)rand();
		assert_ptr_equal(hv_memmove(ours + to, ours + from, size), ours + to);
		memmove(libc + to, libc + from, size);
		assert_memory_equal(ours, libc, sizeof(ours));
		assert_ptr_equal(hv_memset(ours + to, (int)i, size), ours + to);
		memset(libc + to, (int)i, size);
		assert_memory_equal(ours, libc, sizeof(ours));
		for (size_t b = 0; b < sizeof(libc); b++)
			libc[b] = (uint8_t)rand();
		assert_ptr_equal(hv_memcpy(ours + to, libc + from, size), ours + to);
		assert_memory_equal(ours + to, libc + from, size);
	}
}

TEST(our_comparisons_see_the_first_difference)
{
	assert_int_equal(hv_memcmp("abc", "abd", 2), 0);
	assert_true(hv_memcmp("abc", "abd", 3) < 0);
	assert_true(hv_memcmp("\xff", "\x01", 1) > 0);
	assert_int_equal(hv_memcmp("a", "b", 0), 0);
	assert_int_equal(hv_strlen(""), 0);
	assert_int_equal(hv_strlen("four"), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(numbers_and_texts_look_as_libc_prints_them),
		CASE(what_does_not_fit_is_cut_and_nothing_behind_the_buffer_is_touched),
		CASE(a_huge_width_is_bounded),
		CASE(a_missing_text_is_no_crash),
		CASE(a_sentence_is_said_by_what_fails),
		CASE(our_memory_functions_do_what_libc_does),
		CASE(our_comparisons_see_the_first_difference),
	};

	return cmocka_run_group_tests_name("hv-format", tests, NULL, NULL);
}
