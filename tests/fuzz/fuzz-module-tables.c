// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM that sets any CPUID entries, MSRs and MSR filter, and a guest that reads and writes them.
 */
#include <stdlib.h>

#include "base/endian.h"
#include "module/cpuid.h"
#include "module/msr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct cpuid_table table;

/* The host's CPUID is not to be trusted either. */
static const uint8_t *host_bytes;
static size_t host_size;

static void read_host(uint32_t leaf, uint32_t index, struct cpuid_result *ret)
{
	size_t at = (leaf * 7 + index * 16) % (host_size - sizeof(*ret) + 1);

	memcpy(ret, host_bytes + at, sizeof(*ret));
}

static void guest_reads_cpuid(const uint8_t *data, size_t len)
{
	struct cpuid_state state = { .cr4 = load_le64(data), .xcr0 = load_le64(data + 8) };
	struct cpuid_result result;

	for (; len >= 24; data += 8, len -= 8) {
		uint32_t leaf = load_le32(data + 16), index = load_le32(data + 20);

		cpuid_execute(&table, &state, leaf, index, &result);
		cpuid_execute(&table, &state, leaf & 0x8000003f, index & 63, &result);
		if (cpuid_find(&table, leaf, index) &&
		    cpuid_find(&table, leaf, index)->function != leaf)
			abort();
	}
	if (cpuid_address_bits(&table) < 32 || cpuid_address_bits(&table) > 52)
		abort();
}

static void any_cpuid(const uint8_t *data, size_t len)
{
	uint32_t count = (uint32_t)(len / 2 / sizeof(struct kvm_cpuid_entry2));
	struct kvm_cpuid_entry2 *entries = malloc(count * sizeof(*entries) + 1);
	struct kvm_cpuid_entry2 *supported = malloc(CPUID_ENTRIES_MAX * sizeof(*supported));
	struct cpuid_host host = { .read = read_host, .xcr0 = 0xe7, .tsc_stable = true };
	int result;

	if (!entries || !supported)
		abort();
	memcpy(entries, data, count * sizeof(*entries));
	for (uint32_t i = 0; i < count; i++)
		if (i % 2)
			entries[i].function &= 0x8000003f;
	memset(&table, 0, sizeof(table));
	if (cpuid_set(&table, entries, count) == 0)
		guest_reads_cpuid(data, len);
	host_bytes = data;
	host_size = len;
	result = cpuid_supported(&host, supported, data[0]);
	if (result > data[0])
		abort();
	/* What is offered is taken. */
	if (result > 0 && cpuid_set(&table, supported, (uint32_t)result) != 0)
		abort();
	free(entries);
	free(supported);
}

static void any_msrs(const uint8_t *data, size_t len)
{
	struct msr_values values;
	uint64_t value;

	msr_values_reset(&values);
	msr_values_setup_mce(&values, (load_le64(data) & 0x1f) + 1);
	for (; len >= 13; data += 13, len -= 13) {
		uint32_t index = load_le32(data + 1);
		bool by_host = data[0] & 1;

		if (data[0] & 2)
			index = (data[0] & 4 ? 0xc0010000u : 0) + (index & 0x7ff);
		if (data[0] & 8 && !msr_list(data[0] & 16, index & 0xff, &index))
			continue;
		if (msr_values_write(&values, index, load_le64(data + 5), by_host) == MSR_UNKNOWN &&
		    msr_values_read(&values, index, &value) == MSR_OK && by_host)
			abort();
		msr_values_read(&values, index, &value);
	}
}

static void any_filter(const uint8_t *data, size_t len)
{
	struct msr_filter *filter;
	uint32_t count = data[0] % (KVM_MSR_FILTER_MAX_RANGES + 1);

	/* Bounds of its own for the sanitizer. */
	filter = calloc(1, sizeof(*filter) + count * sizeof(filter->ranges[0]));
	if (!filter)
		abort();
	filter->allow = data[0] & 128;
	for (; filter->count < count && len >= 8; filter->count++, data += 8, len -= 8) {
		struct msr_filter_range *range = &filter->ranges[filter->count];

		range->flags = data[0];
		range->base = load_le32(data + 1);
		/* As take_range() of the ioctl bounds it. */
		range->count = load_le32(data + 4) % (KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 + 1);
		memset(range->bitmap, data[3], sizeof(range->bitmap));
	}
	for (; len >= 5; data += 5, len -= 5) {
		uint32_t index = load_le32(data + 1);

		if (msr_filter_allows(filter, index, data[0] & 1) && index >= 0x800 &&
		    index <= 0x8ff)
			continue;
		if (index >= 0x800 && index <= 0x8ff)
			abort();
	}
	free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 32)
		return 0;
	switch (data[0] % 3) {
	case 0:
		any_cpuid(data + 1, len - 1);
		break;
	case 1:
		any_msrs(data + 1, len - 1);
		break;
	default:
		any_filter(data + 1, len - 1);
		break;
	}
	return 0;
}
