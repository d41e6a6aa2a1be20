/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bzImage of which only the header is right, by the numbers of the kernel's boot.rst.
 */
#ifndef TESTS_UNIT_BZIMAGE_MAKE_H
#define TESTS_UNIT_BZIMAGE_MAKE_H

#include <string.h>

#include "base/bits.h"
#include "base/endian.h"

#define BZIMAGE_CODE_AT (5 * 512u)

/* `code` bytes after the setup, a multiple of 16, each other than its neighbours. */
static inline void bzimage_make(uint8_t *to, uint32_t code)
{
	memset(to, 0, BZIMAGE_CODE_AT);
	to[0x1F1] = 4;
	store_le32(to + 0x1F4, code / 16);
	store_le16(to + 0x1FE, 0xAA55);
	to[0x200] = 0xEB;
	to[0x201] = 0x6A;
	memcpy(to + 0x202, "HdrS", 4);
	store_le16(to + 0x206, 0x020F);
	to[0x211] = 1;
	store_le32(to + 0x22C, 0x7FFFFFFF);
	store_le32(to + 0x230, 2 * MIB);
	to[0x234] = 1;
	to[0x235] = 21;
	store_le16(to + 0x236, 0x7F);
	store_le32(to + 0x238, 2047);
	store_le64(to + 0x258, 4 * MIB);
	store_le32(to + 0x260, 3 * MIB);
	store_le32(to + 0x268, 0x12345678); /* kernel_info_offset, which we do not know */
	for (uint32_t i = 0; i < code; i++)
		to[BZIMAGE_CODE_AT + i] = (uint8_t)(i * 7 + i / 251);
}

#endif
