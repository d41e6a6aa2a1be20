// SPDX-License-Identifier: GPL-2.0-or-later
/* What the words of an interrupt command mean (APM volume 2, 16.5; SDM volume 3, 11.6). */
#include "hypervisor/core/apic.h"

enum apic_act apic_command(uint32_t low)
{
	bool logical = low >> 11 & 1, all = low >> 18 & 3;

	switch (low & 0x700) {
	case ICR_INIT:
		/* The de-assert of old processors does nothing on any that has AMD-V or VT-x. */
		if ((low & ICR_LEVEL) && !(low & ICR_ASSERT))
			return APIC_IGNORE;
		return logical && !all ? APIC_REFUSE : APIC_INIT;
	case ICR_SIPI:
		return logical && !all ? APIC_REFUSE : APIC_SIPI;
	default:
		return APIC_PASS;
	}
}

bool apic_is_target(uint32_t low, uint32_t destination, bool x2, uint32_t own_id, uint32_t id)
{
	switch (low >> 18 & 3) {
	case 0:
		return destination == id || destination == (x2 ? 0xFFFFFFFFu : 0xFFu);
	case 1:
		return id == own_id;
	case 2:
		return true;
	default:
		return id != own_id;
	}
}
