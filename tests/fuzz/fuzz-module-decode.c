// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes of a guest, by the mode that the first byte chooses: decoded as Zydis does, or not at all.
 */
#include <stdlib.h>

#include "tests/unit/zydis-module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct insn ours = { 0 };
	enum insn_status status;
	struct zydis z;
	unsigned int mode, count;
	uint8_t op = INSN_NONE;

	if (len < 1 || len > 64)
		return 0;
	mode = data[0] % ARRAY_LEN(zydis_modes);
	count = (unsigned int)len - 1;
	status = insn_decode(data + 1, count, zydis_code_sizes[mode], &ours);
	if (zydis_decode(mode, data + 1, count, &z))
		op = zydis_op(&z);
	if (zydis_excused(&z, op, status, &ours))
		return 0;
	if ((status == INSN_OK ? ours.op : INSN_NONE) != op)
		abort();
	if (op && (ours.length != z.instruction.length || !zydis_same_memory(&z, &ours) ||
	           !zydis_same_operands(&z, &ours)))
		abort();
	return 0;
}
