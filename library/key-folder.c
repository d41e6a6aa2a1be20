// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which keys a folder has: its files that end in .pub.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/key.h"
#include "util/io.h"

#define FOLDER_MAX 4096u /* keys */

/* The name of a key whose public part the file would be: false when it is none's. */
static bool name_of(const char *file, char ret[KEY_NAME_MAX + 1])
{
	size_t len = strlen(file);

	if (len < 5 || len - 4 > KEY_NAME_MAX || strcmp(file + len - 4, ".pub") != 0)
		return false;
	snprintf(ret, KEY_NAME_MAX + 1, "%.*s", (int)(len - 4), file);
	return key_name_check(ret, NULL) == 0;
}

static int load(int dir, const char *name, struct own_key *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	char file[KEY_NAME_MAX + 8];
	struct error why = { 0 };
	size_t len;
	int r;

	snprintf(file, sizeof(file), "%s.pub", name);
	r = read_file(dir, file, KEY_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	if (public_key_parse(text, len, &ret->public, &why) < 0)
		return error_set(err, EINVAL, "%s: %s", file, why.text);
	snprintf(ret->public.name, sizeof(ret->public.name), "%s", name);
	snprintf(file, sizeof(file), "%s.key", name);
	ret->secret = faccessat(dir, file, F_OK, 0) == 0;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct own_key *left = a, *right = b;

	return strcmp(left->public.name, right->public.name);
}

int key_folder_list(const char *dir, struct own_key **ret, size_t *ret_n, struct error *err)
{
	cleanup_free struct own_key *keys = NULL;
	DIR *folder = opendir(dir);
	size_t n = 0;
	int r = 0;

	if (!folder && errno != ENOENT)
		return error_sys(err, errno, "%s", dir);
	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry && r == 0;
	     entry = readdir(folder)) {
		char name[KEY_NAME_MAX + 1];
		struct own_key *more;

		if (!name_of(entry->d_name, name))
			continue;
		more = n < FOLDER_MAX ? reallocarray(keys, n + 1, sizeof(*keys)) : NULL;
		if (!more) {
			r = error_set(err, n < FOLDER_MAX ? ENOMEM : EFBIG, "%s: too many keys",
			              dir);
			break;
		}
		keys = more;
		r = load(dirfd(folder), name, &keys[n], err);
		n++;
	}
	if (folder)
		closedir(folder);
	if (r < 0) {
		error_prefix(err, "%s", dir);
		return r;
	}
	if (n > 1)
		qsort(keys, n, sizeof(*keys), by_name);
	*ret = take_ptr(keys);
	*ret_n = n;
	return 0;
}
