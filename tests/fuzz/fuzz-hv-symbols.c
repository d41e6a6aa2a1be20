// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An address and a table of names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "hypervisor/core/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What the image has of its own. */
extern const uint8_t symbols_start[1], symbols_end[1];
const uint8_t symbols_start[1], symbols_end[1];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *name;
	uint64_t offset, address;

	if (len < 4)
		return 0;
	address = 0xFFFFFFFF00000000 | load_le32(data);
	name = symbol_find(data + 4, len - 4, address, &offset);
	if (name) {
		const char *end = (const char *)data + len;

		if (name < (const char *)data + 4 || name >= end ||
		    !memchr(name, 0, (size_t)(end - name)))
			abort();
		if (*name == '\0' || offset > 0xFFFFFFFF)
			abort();
	}
	return 0;
}
