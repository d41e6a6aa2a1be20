// SPDX-License-Identifier: GPL-2.0-or-later
/* Multiboot 1 information from a boot loader that lies. */
#include "tests/fuzz/boot-info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	parse_boot_info(multiboot1_parse, data, len);
	return 0;
}
