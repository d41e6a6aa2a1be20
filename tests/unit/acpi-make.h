/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables in a test's memory, with good checksums.
 */
#ifndef TESTS_UNIT_ACPI_MAKE_H
#define TESTS_UNIT_ACPI_MAKE_H

#include <string.h>

#include "base/endian.h"
#include "tests/unit/hv-memory.h"

#define ACPI_HEADER 36u

static inline void acpi_sum(uint8_t *bytes, uint32_t size, uint32_t checksum_at)
{
	uint8_t sum = 0;

	bytes[checksum_at] = 0;
	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[checksum_at] = (uint8_t)-sum;
}

/* A table of its header and so many bytes, which are copied if there are any. */
static inline uint8_t *acpi_table(struct hv_memory *memory, uint64_t at, const char *signature,
                                  const void *body, uint32_t size)
{
	uint8_t *table = memory->bytes + (at - memory->base);

	memset(table, 0, ACPI_HEADER);
	memcpy(table, signature, 4);
	store_le32(table + 4, ACPI_HEADER + size);
	if (body && size > 0)
		memcpy(table + ACPI_HEADER, body, size);
	acpi_sum(table, ACPI_HEADER + size, 9);
	return table;
}

/* The root pointer of ACPI 1.0 (xsdt 0), or of 2.0 and later. */
static inline uint8_t *acpi_rsdp(struct hv_memory *memory, uint64_t at, uint32_t rsdt,
                                 uint64_t xsdt)
{
	uint8_t *rsdp = memory->bytes + (at - memory->base);

	memcpy(rsdp, "RSD PTR ", 8);
	memset(rsdp + 8, 0, 12);
	store_le32(rsdp + 16, rsdt);
	if (xsdt) {
		rsdp[15] = 2;
		memset(rsdp + 20, 0, 16);
		store_le32(rsdp + 20, 36);
		store_le64(rsdp + 24, xsdt);
	}
	acpi_sum(rsdp, 20, 8);
	if (xsdt)
		acpi_sum(rsdp, 36, 32);
	return rsdp;
}

#endif
