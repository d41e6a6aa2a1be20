// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/prefix.h"

#include <errno.h>
#include <string.h>

#include "util/text.h"

int prefix_check(const char *prefix, struct error *err)
{
	size_t len = strlen(prefix), host = prefix[0] == '/' ? 0 : strcspn(prefix, "/#");

	if (len == 0 || len > PREFIX_MAX)
		return error_set(err, EINVAL, "a prefix of names has 1 to %u characters",
		                 PREFIX_MAX);
	if (!text_is_utf8(prefix))
		return error_set(err, EINVAL, "'%.80s' is not UTF-8", prefix);
	for (size_t i = 0; i < len; i++) {
		/* Folders may be called so. */
		if (prefix[i] == ' ' && prefix[0] == '/')
			continue;
		if ((unsigned char)prefix[i] <= ' ' || prefix[i] == 0x7f)
			return error_set(err, EINVAL,
			                 "'%.80s' is not the beginning of an image's name: it has "
			                 "blanks in it",
			                 prefix);
		if (i < host && prefix[i] >= 'A' && prefix[i] <= 'Z')
			return error_set(err, EINVAL, "'%.80s': hosts are written in small letters",
			                 prefix);
	}
	if (strchr("/:@#", prefix[len - 1]) || strstr(prefix, "//"))
		return error_set(err, EINVAL,
		                 "'%.80s' is not the beginning of an image's name: a part of it "
		                 "is empty",
		                 prefix);
	return 0;
}

size_t prefix_covers(const char *prefix, const char *name)
{
	size_t len = strlen(prefix);
	const char *ends = strchr(prefix, '/') || strchr(prefix, '#') ? "/#:@" : "/";

	if (strcmp(prefix, PREFIX_ALL) == 0)
		return 1;
	if (strncmp(prefix, name, len) != 0)
		return 0;
	return name[len] == '\0' || strchr(ends, name[len]) ? len + 1 : 0;
}

/* Where "@DIGEST" begins, or the end. */
static size_t without_digest(const char *name)
{
	const char *at = strrchr(name, '@');

	return at && !strpbrk(at, "/#") ? (size_t)(at - name) : strlen(name);
}

bool canonical_by_digest(const char *name)
{
	return name[without_digest(name)] == '@';
}

size_t canonical_stem(const char *name)
{
	size_t len = without_digest(name);

	for (size_t i = len; i > 0 && !strchr("/#", name[i - 1]); i--) {
		if (name[i - 1] == ':')
			return i - 1;
	}
	return len;
}
