// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables with good checksums and hostile contents.  Of the input each table takes a byte for its
 * signature, two for the bytes it has, and those; the first byte of all says which root pointer
 * there is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "hypervisor/boot/acpi.h"
#include "tests/unit/acpi-make.h"

#define RSDP   0x1000u
#define LIST   0x1100u
#define TABLES 0x2000u
#define MANY   300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void put_list(struct hv_memory *memory, const uint32_t *tables, uint32_t count, bool wide)
{
	uint8_t list[MANY * 8];

	for (uint32_t i = 0; i < count; i++) {
		if (wide)
			store_le64(list + i * 8, tables[i]);
		else
			store_le32(list + i * 4, tables[i]);
	}
	acpi_table(memory, LIST, wide ? "XSDT" : "RSDT", list, count * (wide ? 8 : 4));
	acpi_rsdp(memory, RSDP, LIST, wide ? LIST : 0);
}

/* Where a FADT leads to. */
static void aim(struct hv_memory *memory, uint32_t table, uint32_t dsdt)
{
	uint8_t *fadt = memory->bytes + (table - memory->base);
	uint32_t size = load_le32(fadt + 4);

	if (memcmp(fadt, "FACP", 4) != 0 || size < 44)
		return;
	store_le32(fadt + 40, dsdt);
	acpi_sum(fadt, size, 9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const signatures[] = { "APIC", "FACP", "DSDT", "SSDT" };
	struct hv_memory memory = hv_memory_new(RSDP, TABLES - RSDP + len + MANY * ACPI_HEADER);
	uint32_t tables[MANY], count = 0, at = TABLES, dsdt = 0;
	struct sentence why = { "" };
	struct acpi_facts facts;
	uint8_t mode = len > 0 ? data[0] : 0;

	for (size_t i = 1; i + 3 <= len && count < MANY; count++) {
		const char *signature = signatures[data[i] & 3];
		uint32_t size = (uint32_t)min_u64(load_le16(data + i + 1), len - i - 3);

		acpi_table(&memory, at, signature, data + i + 3, size);
		if (signature[0] == 'D')
			dsdt = at;
		tables[count] = at;
		at += ACPI_HEADER + size;
		i += 3 + size;
	}
	for (uint32_t i = 0; i < count; i++)
		aim(&memory, tables[i], dsdt);
	put_list(&memory, tables, count, mode & 1);
	/* What is behind the last table is not there. */
	memory.size = at - RSDP;
	if (acpi_read(&memory.phys, mode & 2 ? 0 : RSDP, &facts, &why)) {
		if (facts.cpus == 0 || facts.cpus > CPUS_MAX || facts.s3_type[0] > 7 ||
		    facts.s3_type[1] > 7)
			abort();
	} else if (strlen(why.text) == 0) {
		abort();
	}
	free(memory.bytes);
	return 0;
}
