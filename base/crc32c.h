/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, initial and final complement: RFC 3720
 * appendix B.4) of `len` bytes, going on from `crc`, which is 0 at the start.  Any thread.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The table-driven form that crc32c() uses where the processor has no CRC instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
