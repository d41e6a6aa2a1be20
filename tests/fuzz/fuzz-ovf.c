// SPDX-License-Identifier: GPL-2.0-or-later
/* A description of a machine. */
#include <stdlib.h>
#include <string.h>

#include "library/ovf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ovf ovf;

	if (ovf_parse((const char *)data, len, &ovf, NULL) < 0)
		return 0;
	for (size_t i = 0; i < ovf.n_disks; i++)
		if (strchr(ovf.disks[i].file, '/'))
			abort();
	return 0;
}
