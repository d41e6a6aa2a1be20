// SPDX-License-Identifier: GPL-2.0-or-later
/* A command line: it is taken, or a word of it is named; and what is taken makes sense. */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *line = calloc(1, len + 1);
	struct sentence why = { "" };
	struct options options;

	if (!line)
		return 0;
	if (len > 0)
		memcpy(line, data, len);
	if (!options_parse(line, &options, &why) && strlen(why.text) == 0)
		abort();
	if (options.console > 0xFFF8 || options.log > LOG_DEBUG || options.panic_seconds > 86400)
		abort();
	free(line);
	return 0;
}
