// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot-env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/io.h"

static const char signature[] = "# GRUB Environment Block\n";
#define SIGNATURE_LEN (sizeof(signature) - 1)

/* Behind the end of the line at `at`: an escaped line end is part of its value. */
static size_t line_end(const struct boot_env *env, size_t at)
{
	while (at < BOOT_ENV_BYTES && env->raw[at] != '\n')
		at += env->raw[at] == '\\' ? 2 : 1;
	return at < BOOT_ENV_BYTES ? at + 1 : BOOT_ENV_BYTES;
}

/* Where the lines end, and nothing but '#' follows. */
static size_t content_end(const struct boot_env *env)
{
	size_t at = BOOT_ENV_BYTES;

	while (at > SIGNATURE_LEN && env->raw[at - 1] == '#')
		at--;
	return at;
}

/* The line of a variable: *at and *end; false when there is none.  Lines with '#' are comments. */
static bool find(const struct boot_env *env, const char *name, size_t *at, size_t *end)
{
	size_t len = strlen(name), stop = content_end(env);

	for (*at = SIGNATURE_LEN; *at < stop; *at = *end) {
		*end = line_end(env, *at);
		if (env->raw[*at] != '#' && *end - *at > len + 1 &&
		    memcmp(env->raw + *at, name, len) == 0 && env->raw[*at + len] == '=')
			return true;
	}
	return false;
}

int boot_env_parse(const void *data, size_t len, struct boot_env *ret, struct error *err)
{
	size_t at = SIGNATURE_LEN, end;

	if (len != BOOT_ENV_BYTES || memcmp(data, signature, SIGNATURE_LEN) != 0)
		return error_set(err, EINVAL, "is no environment block of GRUB");
	memcpy(ret->raw, data, len);
	end = content_end(ret);
	while (at < end)
		at = line_end(ret, at);
	/* A last line without its end would go on in what is appended. */
	if (at != end || ret->raw[end - 1] != '\n')
		return error_set(err, EINVAL, "has a variable that does not end");
	return 0;
}

int boot_env_get(const struct boot_env *env, const char *name, char *ret, size_t room)
{
	size_t at, end, n = 0;

	if (!find(env, name, &at, &end))
		return -ENOENT;
	for (at += strlen(name) + 1; at + 1 < end && n + 1 < room; at++) {
		if (env->raw[at] == '\\' && at + 2 < end)
			at++;
		ret[n++] = env->raw[at];
	}
	ret[n] = '\0';
	return 0;
}

int boot_env_set(struct boot_env *env, const char *name, const char *value, struct error *err)
{
	struct boot_env next = *env;
	size_t at, end, stop, need;

	while (find(&next, name, &at, &end)) {
		memmove(next.raw + at, next.raw + end, BOOT_ENV_BYTES - end);
		memset(next.raw + BOOT_ENV_BYTES - (end - at), '#', end - at);
	}
	if (value) {
		stop = content_end(&next);
		need = strlen(name) + 1 + strlen(value) + 1;
		if (strpbrk(name, "=\n\\#") || strpbrk(value, "\n\\"))
			return error_set(err, EINVAL, "%s: cannot be a variable of GRUB", name);
		if (need > BOOT_ENV_BYTES - stop)
			return error_set(err, ENOSPC, "%s: the environment block of GRUB is full",
			                 name);
		memcpy(next.raw + stop, name, strlen(name));
		next.raw[stop + strlen(name)] = '=';
		memcpy(next.raw + stop + strlen(name) + 1, value, strlen(value));
		next.raw[stop + need - 1] = '\n';
	}
	*env = next;
	return 0;
}

int boot_env_load(int dirfd, const char *path, struct boot_env *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(dirfd, path, BOOT_ENV_BYTES, &text, &len, err);

	if (r < 0)
		return r;
	r = boot_env_parse(text, len, ret, err);
	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

int boot_env_store(int dirfd, const char *path, const struct boot_env *env, struct error *err)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	r = pwrite_all(fd, env->raw, sizeof(env->raw), 0);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? error_sys(err, -r, "%s", path) : 0;
}
