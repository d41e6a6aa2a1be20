// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/credentials-files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>

#include "util/cleanup.h"
#include "util/io.h"

#define FILE_MAX (1u << 20)

enum place { REGISTRY_AUTH_FILE, RUNTIME_DIR, CONFIG_HOME, DOCKER_CONFIG, DOCKER_HOME };

/* $variable, when it is set to something. */
static const char *place_of(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value ? value : NULL;
}

/* folder/rest; false without a folder, and where the path is longer than any can be. */
static bool join(char ret[PATH_MAX], const char *folder, const char *rest)
{
	int n = folder ? snprintf(ret, PATH_MAX, "%s%s", folder, rest) : -1;

	return n >= 0 && n < PATH_MAX;
}

bool credentials_default_path(unsigned int i, char ret[PATH_MAX])
{
	const char *config = place_of("XDG_CONFIG_HOME");

	switch ((enum place)i) {
	case REGISTRY_AUTH_FILE:
		return join(ret, place_of("REGISTRY_AUTH_FILE"), "");
	case RUNTIME_DIR:
		return join(ret, place_of("XDG_RUNTIME_DIR"), "/containers/auth.json");
	case CONFIG_HOME:
		return config ? join(ret, config, "/containers/auth.json")
		              : join(ret, place_of("HOME"), "/.config/containers/auth.json");
	case DOCKER_CONFIG:
		return join(ret, place_of("DOCKER_CONFIG"), "/config.json");
	case DOCKER_HOME:
		return join(ret, place_of("HOME"), "/.docker/config.json");
	}
	return false;
}

int credentials_own_path(char ret[PATH_MAX], struct error *err)
{
	if (credentials_default_path(REGISTRY_AUTH_FILE, ret) ||
	    credentials_default_path(CONFIG_HOME, ret))
		return 0;
	return error_set(err, ENOENT,
	                 "no place for passwords: REGISTRY_AUTH_FILE, XDG_CONFIG_HOME and HOME are "
	                 "not set");
}

static void json_at(json_t **at)
{
	json_decref(*at);
}

/* The file as JSON; an empty object where there is none. */
static int load(const char *path, json_t **ret, struct error *err)
{
	char *text;
	size_t len;
	int r = read_file(AT_FDCWD, path, FILE_MAX, &text, &len, err);
	cleanup(json) json_t *root = NULL;

	if (r == -ENOENT) {
		root = json_object();
	} else if (r == 0) {
		root = text[strspn(text, " \t\r\n")] ? json_loadb(text, len, 0, NULL)
		                                     : json_object();
		explicit_bzero(text, len);
		free(text);
	} else {
		return r;
	}
	if (!json_is_object(root) ||
	    (json_object_get(root, "auths") && !json_is_object(json_object_get(root, "auths"))))
		return error_set(err, EINVAL, "%s: is not JSON as docker and podman write it",
		                 path);
	*ret = take_ptr(root);
	return 0;
}

static int save(const char *path, const json_t *root, struct error *err)
{
	char *text = json_dumps(root, JSON_INDENT(8) | JSON_PRESERVE_ORDER);
	int r;

	if (!text)
		return error_sys(err, ENOMEM, "%s", path);
	r = replace_file(AT_FDCWD, path, text, strlen(text), 0600, err);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}

/* One who changes the file at a time: the lock is on its folder, for the file is replaced. */
static int lock_folder(const char *path, int *ret, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int r = 0;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
	         slash ? path : ".");
	if (slash && slash != path)
		r = make_dirs(folder, 0700, err);
	if (r < 0)
		return r;
	*ret = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0 || flock(*ret, LOCK_EX) < 0)
		return error_sys(err, errno, "%s", folder);
	return 0;
}

/* "user:secret" in base64, to be freed. */
static char *encode(const char *user, const char *secret)
{
	cleanup_free char *plain = NULL;
	int n = asprintf(&plain, "%s:%s", user, secret);
	char *text = n >= 0 ? malloc((size_t)n / 3 * 4 + 8) : NULL;

	if (text)
		EVP_EncodeBlock((unsigned char *)text, (unsigned char *)plain, n);
	if (n >= 0)
		explicit_bzero(plain, (size_t)n);
	else
		plain = NULL;
	return text;
}

int credentials_store(const char *path, const char *key, const char *user, const char *secret,
                      struct error *err)
{
	cleanup(json) json_t *root = NULL;
	cleanup_close int lock = -1;
	char *auth;
	json_t *auths;
	int r = lock_folder(path, &lock, err);

	if (r == 0)
		r = load(path, &root, err);
	if (r < 0)
		return r;
	auths = json_object_get(root, "auths");
	if (!auths) {
		auths = json_object();
		json_object_set_new(root, "auths", auths);
	}
	auth = encode(user, secret);
	if (!auth || json_object_set_new(auths, key, json_pack("{ss}", "auth", auth)) < 0)
		r = error_sys(err, ENOMEM, "%s", path);
	if (auth)
		explicit_bzero(auth, strlen(auth));
	free(auth);
	return r < 0 ? r : save(path, root, err);
}

int credentials_forget(const char *path, const char *key, struct error *err)
{
	cleanup(json) json_t *root = NULL;
	cleanup_close int lock = -1;
	int r;

	if (access(path, F_OK) < 0)
		return error_set(err, ENOENT, "%s: keeps nothing for %s", path, key);
	r = lock_folder(path, &lock, err);
	if (r == 0)
		r = load(path, &root, err);
	if (r < 0)
		return r;
	if (json_object_del(json_object_get(root, "auths"), key) < 0)
		return error_set(err, ENOENT, "%s: keeps nothing for %s", path, key);
	return save(path, root, err);
}
