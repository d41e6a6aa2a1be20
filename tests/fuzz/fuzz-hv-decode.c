// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes of a guest, by the mode that the first byte chooses: a store as Zydis says, or none; and a
 * length that stays inside for what has no operands.
 */
#include <stdlib.h>

#include "tests/unit/zydis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t cpuid[] = { 0x0F, 0xA2 };
	struct guest_regs regs;
	struct guest_state state = { .rsp = 0xFEDCBA9876543210 };
	struct store ours = { 0 }, theirs;
	struct zydis z;
	unsigned int mode, count, length;
	bool did, should;

	if (len < 1 || len > 64)
		return 0;
	mode = data[0] % ARRAY_LEN(zydis_modes);
	state.code_64 = zydis_modes[mode].code_64;
	state.code_32 = zydis_modes[mode].code_32;
	for (unsigned int i = 0; i < ARRAY_LEN(regs.r); i++)
		regs.r[i] = UINT64_C(0x0101010101010101) * i;
	data++;
	count = (unsigned int)len - 1;
	did = decode_store(&state, &regs, data, count, &ours);
	should = zydis_decode(mode, data, count, &z) && zydis_store(&z, &state, &regs, &theirs);
	if (did != should)
		abort();
	if (did && (ours.length != theirs.length || ours.value != theirs.value ||
	            ours.exchange != theirs.exchange))
		abort();
	length = decode_plain(&state, data, count, cpuid, sizeof(cpuid));
	if (length > count || length > INSTRUCTION_MAX ||
	    (length && memcmp(data + length - sizeof(cpuid), cpuid, sizeof(cpuid)) != 0))
		abort();
	return 0;
}
