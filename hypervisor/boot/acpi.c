// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AML is not interpreted: \_S3 is a constant package, so its bytes are looked for in the DSDT and
 * the SSDTs.
 */
#include "hypervisor/boot/acpi.h"

#include "base/bits.h"
#include "base/endian.h"
#include "hypervisor/core/string.h"

#define HEADER     36u /* 5.2.6: signature, length at 4, checksum at 9 */
#define TABLE_MAX  (16 * MIB)
#define TABLES_MAX 256u

/* 5.2.5: the root pointer. */
#define RSDP_OLD       20u
#define RSDP_NEW       36u
#define EBDA_SEGMENT   0x40Eu
#define BIOS_AREA      0xE0000u
#define BIOS_AREA_SIZE 0x20000u

/* 5.2.12: the MADT. */
#define MADT_ENTRIES    44u
#define MADT_LOCAL_APIC 0u
#define MADT_X2APIC     9u
#define MADT_ENABLED    1u

/* 5.2.9: the FADT. */
#define FADT_DSDT   40u
#define FADT_PM1    64u /* ports of 4 bytes */
#define FADT_X_DSDT 140u
#define FADT_X_PM1  172u /* 5.2.3.2: generic addresses of 12: space, three bytes, address */
#define FADT_OLD    116u
#define FADT_NEW    196u
#define SPACE_PORTS 1u

/* 20.2: AML. */
#define AML_NAME    0x08u
#define AML_ROOT    0x5Cu
#define AML_PACKAGE 0x12u

static bool sums_to_zero(const uint8_t *bytes, uint64_t size)
{
	uint8_t sum = 0;

	for (uint64_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum == 0;
}

/* A whole table with a good checksum, or NULL. */
static const uint8_t *table_at(const struct phys *phys, uint64_t at, const char *signature,
                               uint32_t *ret_length)
{
	const uint8_t *table = phys_window(phys, at, HEADER);
	uint32_t length = table ? load_le32(table + 4) : 0;

	if (length < HEADER || length > TABLE_MAX || memcmp(table, signature, 4) != 0)
		return NULL;
	table = phys_window(phys, at, length);
	if (!table || !sums_to_zero(table, length))
		return NULL;
	*ret_length = length;
	return table;
}

/* The root pointer's bytes if there is a good one. */
static const uint8_t *rsdp_at(const struct phys *phys, uint64_t at)
{
	/* What a new one has more is memory behind an old one too. */
	const uint8_t *rsdp = phys_window(phys, at, RSDP_NEW);

	return rsdp && memcmp(rsdp, "RSD PTR ", 8) == 0 && sums_to_zero(rsdp, RSDP_OLD) ? rsdp
	                                                                                : NULL;
}

/* 5.2.5.1: in the first KiB of the extended BIOS data area, or in the BIOS's area. */
static const uint8_t *search_rsdp(const struct phys *phys)
{
	const uint8_t *segment = phys_window(phys, EBDA_SEGMENT, 2), *rsdp = NULL;
	uint64_t ebda = segment ? load_le16(segment) * UINT64_C(16) : 0;

	for (uint64_t at = 0; ebda && !rsdp && at < KIB; at += 16)
		rsdp = rsdp_at(phys, ebda + at);
	for (uint64_t at = 0; !rsdp && at < BIOS_AREA_SIZE; at += 16)
		rsdp = rsdp_at(phys, BIOS_AREA + at);
	return rsdp;
}

/* The table of tables: RSDT with addresses of 4 bytes, or XSDT with 8. */
struct list {
	const struct phys *phys;
	const uint8_t *address;
	uint32_t count, width;
};

static bool open_list(const struct phys *phys, uint64_t at, struct list *ret, struct sentence *why)
{
	const uint8_t *rsdp = at ? rsdp_at(phys, at) : search_rsdp(phys);
	uint32_t length;
	bool wide;

	if (!rsdp)
		return say(why, "this PC has no ACPI: there is no root pointer");
	wide = rsdp[15] >= 2 && sums_to_zero(rsdp, RSDP_NEW) && load_le64(rsdp + 24) != 0;
	at = wide ? load_le64(rsdp + 24) : load_le32(rsdp + 16);
	ret->address = table_at(phys, at, wide ? "XSDT" : "RSDT", &length);
	if (!ret->address)
		return say(why, "ACPI's list of tables at %lx is damaged or out of reach", at);
	ret->phys = phys;
	ret->width = wide ? 8 : 4;
	ret->address += HEADER;
	ret->count = (uint32_t)min_u64((length - HEADER) / ret->width, TABLES_MAX);
	return true;
}

/* Goes on behind number *at, where 0 is the first; NULL when there are no more. */
static const uint8_t *next_table(const struct list *list, const char *signature, uint32_t *at,
                                 uint32_t *ret_length)
{
	const uint8_t *table = NULL;

	for (; !table && *at < list->count; (*at)++) {
		const uint8_t *address = list->address + (uint64_t)*at * list->width;

		table = table_at(list->phys,
		                 list->width == 8 ? load_le64(address) : load_le32(address),
		                 signature, ret_length);
	}
	return table;
}

static bool add_cpu(struct acpi_facts *facts, uint32_t apic_id, uint32_t flags, uint32_t none,
                    struct sentence *why)
{
	if (!(flags & MADT_ENABLED) || apic_id == none)
		return true;
	/* A processor may be listed in both forms. */
	for (uint32_t i = 0; i < facts->cpus; i++) {
		if (facts->apic_id[i] == apic_id)
			return true;
	}
	if (facts->cpus == CPUS_MAX)
		return say(why, "this PC has more than %d processors", CPUS_MAX);
	facts->apic_id[facts->cpus++] = apic_id;
	return true;
}

static bool read_madt(const struct list *list, struct acpi_facts *facts, struct sentence *why)
{
	uint32_t number = 0, length, size;
	const uint8_t *madt = next_table(list, "APIC", &number, &length), *entry;

	if (!madt || length < MADT_ENTRIES)
		return say(
			why,
			"ACPI has no list of processors (MADT), or it is damaged or out of reach");
	for (uint32_t at = MADT_ENTRIES; length - at >= 2; at += size) {
		entry = madt + at;
		size = entry[1];
		if (size < 2 || size > length - at)
			return say(why, "ACPI's list of processors has an entry of %u bytes", size);
		if (entry[0] == MADT_LOCAL_APIC && size >= 8 &&
		    !add_cpu(facts, entry[3], load_le32(entry + 4), UINT8_MAX, why))
			return false;
		if (entry[0] == MADT_X2APIC && size >= 16 &&
		    !add_cpu(facts, load_le32(entry + 4), load_le32(entry + 8), UINT32_MAX, why))
			return false;
	}
	return facts->cpus > 0 || say(why, "ACPI's list of processors is empty");
}

static uint16_t pm1_port(const uint8_t *fadt, uint32_t length, unsigned int i)
{
	const uint8_t *wide = fadt + FADT_X_PM1 + i * 12;
	uint64_t port = load_le32(fadt + FADT_PM1 + i * 4);

	if (length >= FADT_NEW && wide[0] == SPACE_PORTS && load_le64(wide + 4) != 0)
		port = load_le64(wide + 4);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* How many bytes an integer has in AML, of which there are `left`; 0: it is something else. */
static uint32_t aml_integer(const uint8_t *aml, uint32_t left, uint8_t *ret)
{
	/* Zero, one; from 0A on a byte, a word, a double word. */
	static const uint8_t sizes[] = { 1, 1, [0x0A] = 2, 3, 5 };
	uint32_t size = left > 0 && aml[0] < sizeof(sizes) ? sizes[aml[0]] : 0;

	if (size == 0 || size > left)
		return 0;
	*ret = aml[size > 1];
	return size;
}

/*
 * Name (_S3, Package () {a, b, …}): 08, perhaps 5C, "_S3_", 12, the package's length in 1 to 4
 * bytes, number of elements, elements.
 */
static void find_s3(const uint8_t *aml, uint32_t length, struct acpi_facts *facts)
{
	for (uint32_t i = HEADER + 1; i + 8 < length; i++) {
		uint32_t at = i + 4, size;
		uint8_t types[2];

		if (memcmp(aml + i, "_S3_", 4) != 0 || aml[at] != AML_PACKAGE ||
		    (aml[i - 1] != AML_NAME && (aml[i - 1] != AML_ROOT || aml[i - 2] != AML_NAME)))
			continue;
		/* The upper two bits of the length's first byte say how many more it has. */
		at += 2u + (aml[at + 1] >> 6) + 1u;
		if (at >= length || aml[at - 1] < 2)
			continue;
		size = aml_integer(aml + at, length - at, &types[0]);
		at += size;
		if (size == 0 || aml_integer(aml + at, length - at, &types[1]) == 0)
			continue;
		facts->has_s3 = true;
		facts->s3_name = (uint8_t *)aml + i;
		facts->s3_type[0] = types[0] & 7;
		facts->s3_type[1] = types[1] & 7;
		return;
	}
}

static void read_fadt(const struct list *list, struct acpi_facts *facts)
{
	uint32_t number = 0, length, size;
	const uint8_t *fadt = next_table(list, "FACP", &number, &length), *table;
	uint64_t dsdt;

	if (!fadt || length < FADT_OLD)
		return;
	for (unsigned int i = 0; i < 2; i++)
		facts->pm1_control[i] = pm1_port(fadt, length, i);
	dsdt = length >= FADT_NEW ? load_le64(fadt + FADT_X_DSDT) : 0;
	table = table_at(list->phys, dsdt ? dsdt : load_le32(fadt + FADT_DSDT), "DSDT", &size);
	for (number = 0; table && !facts->has_s3; table = next_table(list, "SSDT", &number, &size))
		find_s3(table, size, facts);
}

bool acpi_read(const struct phys *phys, uint64_t rsdp, struct acpi_facts *ret, struct sentence *why)
{
	struct list list = { 0 };

	memset(ret, 0, sizeof(*ret));
	if (!open_list(phys, rsdp, &list, why) || !read_madt(&list, ret, why))
		return false;
	read_fadt(&list, ret);
	return true;
}
