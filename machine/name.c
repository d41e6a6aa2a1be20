// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int machine_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);
	bool good = len > 0 && len <= MACHINE_NAME_MAX && plain(name[0]);

	for (size_t i = 0; good && i < len; i++)
		good = plain(name[i]) || name[i] == '.' || name[i] == '-';
	if (!good)
		return error_set(err, EINVAL,
		                 "'%.80s' is not a name for a machine: small letters, digits, dots "
		                 "and dashes, a letter or digit first, at most %d of them",
		                 name, MACHINE_NAME_MAX);
	return 0;
}

/* Extensions say what a file is, not which machine it holds. */
static size_t without_extension(const char *text, size_t len)
{
	static const char *const known[] = { ".vhd", ".vhdx", ".qcow2", ".raw", ".img",
		                             ".vpc", ".vmdk", ".vdi",   ".ova", ".ovf" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i]);

		if (len > n && strncasecmp(text + len - n, known[i], n) == 0)
			return len - n;
	}
	return len;
}

void machine_name_from_image(const char *image, char ret[MACHINE_NAME_MAX + 1])
{
	size_t len = strstr(image, "://") ? strcspn(image, "?#") : strlen(image);
	const char *start = image + len;
	size_t used = 0;

	while (start > image && start[-1] != '/')
		start--;
	len = without_extension(start, (size_t)(image + len - start));
	for (size_t i = 0; i < len && used < MACHINE_NAME_MAX; i++) {
		char c = start[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (plain(c) || (used > 0 && c == '.'))
			ret[used++] = c;
		else if (used > 0 && ret[used - 1] != '-')
			ret[used++] = '-';
	}
	while (used > 0 && !plain(ret[used - 1]))
		used--;
	ret[used] = '\0';
	if (used == 0)
		snprintf(ret, MACHINE_NAME_MAX + 1, "machine");
}
