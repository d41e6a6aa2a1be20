// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CRC-32C, by the SSE4.2 instruction where the processor has it and by tables of one byte's
 * remainders elsewhere.  The instruction takes 8 bytes every cycle but answers only after three, so
 * three streams run side by side; their results are joined by shifting a remainder over the bytes
 * that follow it, which is linear over GF(2) and therefore a table look-up a byte.
 *
 * No libc, no locks: the tables are filled once, before main(), by a constructor.
 */
#include "base/crc32c.h"

#include "base/endian.h"

#define POLY 0x82F63B78u
/* Bytes of one of the three parallel streams: 3 x 1360 is just under a block of 4 KiB. */
#define STREAM 1360

static uint32_t byte_table[8][256];
/* shift_table[k][b]: what byte k of a remainder, of value b, becomes STREAM zero bytes later. */
static uint32_t shift_table[4][256];

static uint32_t crc_zeros(uint32_t crc, unsigned int bytes)
{
	while (bytes-- > 0)
		crc = crc >> 8 ^ byte_table[0][crc & 0xFF];
	return crc;
}

__attribute__((constructor)) static void make_tables(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLY : 0);
		byte_table[0][b] = crc;
	}
	for (uint32_t b = 0; b < 256; b++)
		for (int k = 1; k < 8; k++)
			byte_table[k][b] = crc_zeros(byte_table[k - 1][b], 1);
	for (uint32_t b = 0; b < 256; b++)
		for (unsigned int k = 0; k < 4; k++)
			shift_table[k][b] = crc_zeros(b << (8 * k), STREAM);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		uint32_t low = load_le32(p) ^ crc;
		uint32_t high = load_le32(p + 4);

		crc = byte_table[7][low & 0xFF] ^ byte_table[6][low >> 8 & 0xFF] ^
		      byte_table[5][low >> 16 & 0xFF] ^ byte_table[4][low >> 24] ^
		      byte_table[3][high & 0xFF] ^ byte_table[2][high >> 8 & 0xFF] ^
		      byte_table[1][high >> 16 & 0xFF] ^ byte_table[0][high >> 24];
	}
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ byte_table[0][(crc ^ *p) & 0xFF];
	return ~crc;
}

#ifdef __x86_64__
static uint32_t shift_stream(uint32_t crc)
{
	return shift_table[0][crc & 0xFF] ^ shift_table[1][crc >> 8 & 0xFF] ^
	       shift_table[2][crc >> 16 & 0xFF] ^ shift_table[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t len)
{
	const uint8_t *p = data;
	uint64_t a = (uint32_t)~crc;

	while (len >= 3 * STREAM) {
		uint64_t b = 0, c = 0;

		for (const uint8_t *end = p + STREAM; p < end; p += 8) {
			a = __builtin_ia32_crc32di(a, load_le64(p));
			b = __builtin_ia32_crc32di(b, load_le64(p + STREAM));
			c = __builtin_ia32_crc32di(c, load_le64(p + (size_t)2 * STREAM));
		}
		a = shift_stream((uint32_t)a) ^ b;
		a = shift_stream((uint32_t)a) ^ c;
		p += (size_t)2 * STREAM;
		len -= (size_t)3 * STREAM;
	}
	for (; len >= 8; p += 8, len -= 8)
		a = __builtin_ia32_crc32di(a, load_le64(p));
	for (; len > 0; p++, len--)
		a = __builtin_ia32_crc32qi((uint32_t)a, *p);
	return ~(uint32_t)a;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, data, len);
	return crc32c_portable(crc, data, len);
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return crc32c_portable(crc, data, len);
}
#endif
