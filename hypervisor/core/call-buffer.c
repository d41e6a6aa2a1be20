// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/hypercall.h"
#include "include/sill/hypercall.h"

int call_buffer(const struct phys *root, uint64_t address, uint64_t size, uint64_t least,
                struct call_buffer *ret)
{
	void *at;

	if (address % 8 != 0)
		return SILL_EALIGN;
	if (size < least || size == 0 || size > SILL_BUFFER_MAX)
		return SILL_EINVAL;
	at = phys_window(root, address, size);
	if (!at)
		return SILL_EFAULT;
	*ret = (struct call_buffer){ at, size };
	return 0;
}
