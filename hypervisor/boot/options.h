/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor's command line: words "name=value"; docs/hypervisor.md has the table.
 */
#ifndef HYPERVISOR_BOOT_OPTIONS_H
#define HYPERVISOR_BOOT_OPTIONS_H

#include "hypervisor/core/log.h"
#include "hypervisor/core/say.h"

struct options {
	uint16_t console; /* I/O port of the UART, 0: none */
	enum log_level log;
	bool unprotected; /* missing=unprotected */
	uint32_t panic_seconds;
};

/*
 * The defaults, changed by what the line says.  On an error names the word, and *ret holds what was
 * good before it.
 */
bool options_parse(const char *line, struct options *ret, struct sentence *why);

#endif
