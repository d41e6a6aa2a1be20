// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The calls for sessions, each with arguments out of the input; in the end everything is the root's.
 */
#include "base/endian.h"

#define GROUND_SIZE (16 * MIB)
#include "tests/unit/hv-ground.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CALL_SIZE 8

/* Frames and pages rather than any address, but for one in 256. */
static uint64_t address(const uint8_t *data, unsigned int shift)
{
	return data[0] == 0xFF ? load_le32(data) * UINT64_C(0x100000001)
	                       : (uint64_t)load_le16(data + 1) << shift;
}

static void one(const uint8_t *data)
{
	struct sill_page *page = (struct sill_page *)(pc.memory + PAGE_SIZE);
	uint64_t session = data[1] % 4u;

	switch (data[0] % 8) {
	case 0:
		ground_donate(&pc.ground, address(data + 2, 21));
		break;
	case 1:
		ground_reclaim(&pc.ground);
		break;
	case 2:
		session_create(&pc.ground, data[2] % 3u);
		break;
	case 3:
		pc.running = data[2] % 4u;
		session_destroy(&pc.ground, session);
		pc.running = 0;
		break;
	case 4:
	case 5:
		if (frames_state(&pc.frames, 1) == FRAME_ROOT)
			*page = (struct sill_page){ address(data + 2, data[5] & 1 ? 21 : 12),
				                    address(data + 3, data[5] & 1 ? 21 : 12),
				                    data[5] & 3, data[6] & 7 };
		session_map(&pc.ground, &pc.root, session, data[7] == 7 ? 13 : PAGE_SIZE, 1);
		break;
	case 6:
		session_change(&pc.ground, session, address(data + 2, 12), address(data + 4, 12),
		               data[7] % 4u);
		break;
	default:
		session_vcpu(&pc.ground, session, address(data + 2, 12));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t *memory;

	if (!memory)
		memory = pc_memory();
	pc_start(memory);
	for (; len >= CALL_SIZE; data += CALL_SIZE, len -= CALL_SIZE)
		one(data);
	for (uint64_t session = 1; session <= 255; session++) {
		while (session_destroy(&pc.ground, session) == -SILL_EAGAIN)
			;
	}
	while (ground_reclaim(&pc.ground) >= 0)
		;
	if (pc.frames.lent != 0 || pc.frames.donated != 0)
		abort();
	for (uint64_t f = 0; f < GROUND_FRAMES; f++) {
		if (pc.reached[f] != (frames_state(&pc.frames, f) != FRAME_HYPERVISOR))
			abort();
	}
	return 0;
}
