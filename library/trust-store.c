// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/trust-store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/config.h"
#include "util/io.h"

#define TRUST_FILE "trust.json"

/* Plain names of the host's own library: made here, or judged when they came. */
#define OWN_LIBRARY "local"

/* Whoever can write to it says whom the others trust. */
static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
		return error_set(err, EPERM,
		                 "%s: other people may write to it, so it cannot say whom to "
		                 "trust: chmod go-w %s",
		                 path, path);
	return 0;
}

static int load(const char *path, struct trust **ret, struct error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free char *text = NULL;
	char by_descriptor[40];
	struct error why = { 0 };
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT)
		return trust_new(ret, err);
	if (fd < 0)
		return error_sys(err, errno, "%s", path);
	r = check_owner(fd, path, err);
	if (r < 0)
		return r;
	snprintf(by_descriptor, sizeof(by_descriptor), "/proc/self/fd/%d", fd);
	r = read_file(AT_FDCWD, by_descriptor, TRUST_MAX_BYTES, &text, &len, &why);
	if (r < 0)
		return error_sys(err, -r, "%s", path);
	r = trust_parse(text, len, ret, &why);
	return r < 0 ? error_set(err, -r, "%s: %s", path, why.text) : 0;
}

int trust_store_load(const char *own, const char *host, struct trust_store *ret, struct error *err)
{
	struct trust_store store = { NULL, NULL };
	int r = load(own, &store.own, err);

	if (r == 0 && host)
		r = load(host, &store.host, err);
	if (r == 0)
		*ret = store;
	else
		trust_store_close(&store);
	return r;
}

int trust_store_open(struct trust_store *ret, struct error *err)
{
	char own[PATH_MAX], host[PATH_MAX];
	int r = config_path(TRUST_FILE, own, err);

	return r < 0 ? r
	             : trust_store_load(own, config_host_path(TRUST_FILE, host) ? host : NULL, ret,
	                                err);
}

void trust_store_close(struct trust_store *store)
{
	trust_free(take_ptr(store->own));
	trust_free(take_ptr(store->host));
}

enum trust_state trust_store_state(const struct trust_store *store, const char *id,
                                   const char *name, const char **ret_name)
{
	const struct trust *both[] = { store->own, store->host };
	enum trust_state best = TRUST_UNKNOWN;

	*ret_name = "";
	for (size_t i = 0; i < 2 && both[i]; i++) {
		enum trust_state state = trust_state_of(both[i], id, name);
		struct trust_key key;

		/* Distrust is the greater. */
		best = state > best ? state : best;
		if (!**ret_name && trust_find_key(both[i], id, &key))
			*ret_name = key.name;
	}
	return best;
}

enum trust_policy trust_store_policy(const struct trust_store *store, const char *name,
                                     const char **ret_prefix)
{
	enum trust_policy policy = TRUST_UNSET;
	const char *prefix = NULL;

	if (store->host)
		policy = trust_policy_of(store->host, name, &prefix);
	if (policy == TRUST_UNSET)
		policy = trust_policy_of(store->own, name, &prefix);
	/* What covers no more than any name says nothing about our own. */
	if ((policy == TRUST_UNSET || strcmp(prefix, PREFIX_ALL) == 0) &&
	    prefix_covers(OWN_LIBRARY, name) > 0) {
		policy = TRUST_NONE;
		prefix = OWN_LIBRARY;
	}
	*ret_prefix = prefix;
	return policy == TRUST_UNSET ? TRUST_REMEMBER : policy;
}

/* Wait for whoever writes; the lock goes with the descriptor. */
static int lock(const char *path, struct error *err)
{
	struct flock whole = { .l_type = F_WRLCK };
	char file[PATH_MAX];
	size_t len = strlen(path) - strlen("json");
	int fd, r;

	snprintf(file, sizeof(file), "%.*slock", (int)len, path);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_sys(err, errno, "%s", file);
	do
		r = fcntl(fd, F_OFD_SETLKW, &whole);
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		r = error_sys(err, errno, "%s", file);
		close(fd);
		return r;
	}
	return fd;
}

static int make_folder(const char *path, struct error *err)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return make_dirs(dir, 0755, err);
}

int trust_store_change_at(const char *path, trust_change *change, void *arg, struct error *err)
{
	cleanup(trust_free) struct trust *trust = NULL;
	cleanup_free char *text = NULL;
	cleanup_close int held = -1;
	int r = make_folder(path, err);

	if (r < 0)
		return r;
	held = lock(path, err);
	if (held < 0)
		return held;
	r = load(path, &trust, err);
	if (r == 0)
		r = change(trust, arg, err);
	if (r == 0)
		r = trust_text(trust, &text, err);
	/* The host's is everybody's to read; what a person runs is nobody's business. */
	if (r == 0)
		r = replace_file(AT_FDCWD, path, text, strlen(text), geteuid() == 0 ? 0644 : 0600,
		                 err);
	return r;
}

int trust_store_change(trust_change *change, void *arg, struct error *err)
{
	char path[PATH_MAX];
	int r = config_path(TRUST_FILE, path, err);

	return r < 0 ? r : trust_store_change_at(path, change, arg, err);
}

struct remembering {
	const struct trust_memory *memory;
	int64_t now;
};

static int remember(struct trust *trust, void *arg, struct error *err)
{
	const struct remembering *what = arg;

	return trust_remember(trust, what->memory, what->now, err);
}

int trust_store_remember(const struct trust_memory *memory, int64_t now, struct error *err)
{
	struct remembering what = { memory, now };

	return trust_store_change(remember, &what, err);
}
