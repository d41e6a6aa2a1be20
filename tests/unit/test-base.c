// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/list.h"

TEST(crc32c_gives_the_values_of_rfc_3720)
{
	uint8_t data[32];

	memset(data, 0, sizeof(data));
	assert_int_equal(crc32c(0, data, 32), 0x8A9136AAu);
	memset(data, 0xFF, sizeof(data));
	assert_int_equal(crc32c(0, data, 32), 0x62A8AB43u);
	for (unsigned int i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, data, 32), 0x46DD794Eu);
	assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283u);
}

/* Bit by bit, from the definition. */
static uint32_t crc32c_slow(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	return ~crc;
}

TEST(crc32c_agrees_with_the_definition_at_every_length_and_alignment)
{
	static uint8_t data[9000];

	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	for (size_t len = 0; len < 8900; len += len < 70 ? 1 : 277) {
		const uint8_t *p = data + len % 13;
		uint32_t want = crc32c_slow(p, len);

		assert_int_equal(crc32c(0, p, len), want);
		assert_int_equal(crc32c_portable(0, p, len), want);
		assert_int_equal(crc32c(crc32c(0, p, len / 3), p + len / 3, len - len / 3), want);
	}
}

TEST(numbers_are_loaded_and_stored_in_their_byte_order)
{
	uint8_t raw[8];

	store_be64(raw, 0x0102030405060708);
	assert_memory_equal(raw, "\1\2\3\4\5\6\7\10", 8);
	assert_int_equal(load_be16(raw), 0x0102);
	assert_int_equal(load_be32(raw), 0x01020304);
	assert_true(load_be64(raw) == 0x0102030405060708);
	assert_true(load_le64(raw) == 0x0807060504030201);
	store_le64(raw, 0xF1F2F3F4F5F6F7F8);
	assert_memory_equal(raw, "\xF8\xF7\xF6\xF5\xF4\xF3\xF2\xF1", 8);
	assert_int_equal(load_le16(raw), 0xF7F8);
	assert_int_equal(load_le32(raw), 0xF5F6F7F8);
}

TEST(a_range_that_wraps_is_not_inside)
{
	assert_true(range_inside(0, 10, 10));
	assert_true(range_inside(10, 0, 10));
	assert_false(range_inside(1, 10, 10));
	assert_false(range_inside(11, 0, 10));
	assert_false(range_inside(8, UINT64_MAX, 10));
}

TEST(a_list_keeps_order_and_forgets_what_is_taken_out)
{
	struct item {
		int value;
		struct list link;
	} items[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct list head;
	int sum = 0;

	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_append(&head, &items[i].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	list_for_each (it, &head)
		sum = sum * 10 + container_of(it, struct item, link)->value;
	assert_int_equal(sum, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(crc32c_gives_the_values_of_rfc_3720),
		CASE(crc32c_agrees_with_the_definition_at_every_length_and_alignment),
		CASE(numbers_are_loaded_and_stored_in_their_byte_order),
		CASE(a_range_that_wraps_is_not_inside),
		CASE(a_list_keeps_order_and_forgets_what_is_taken_out),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
