// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/say.h"

bool say(struct sentence *why, const char *text, ...)
{
	va_list list;

	va_start(list, text);
	format_list(why->text, sizeof(why->text), text, list);
	va_end(list);
	return false;
}
