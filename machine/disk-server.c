// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/disk-server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "disk/disk.h"
#include "machine/tree.h"
#include "machine/unix-socket.h"
#include "util/io.h"

#define PLUGIN "nbdkit-sill-plugin.so"

int disk_server_plugin(char *ret, size_t room, struct error *err)
{
	static const char *const beside[] = { "/../disk/serve/" PLUGIN, "/../lib/sill/" PLUGIN };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
		int len = snprintf(ret, room, "%.*s%s", (int)(slash - self), self, beside[i]);

		if (len > 0 && (size_t)len < room && access(ret, R_OK) == 0)
			return 0;
	}
	snprintf(ret, room, "%s", SILL_PLUGIN_DIR "/" PLUGIN);
	if (access(ret, R_OK) == 0)
		return 0;
	return error_set(err, ENOENT, "%s is not there: Sill's installation is not complete", ret);
}

/* The specification: what the manifest says about sources, and where things are near. */
static int write_spec(const struct manifest *manifest, const struct disk_server_paths *paths,
                      bool ephemeral, struct error *err)
{
	json_t *spec = json_deep_copy(manifest->disk);
	json_t *layers = json_array();
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int r = 0;

	json_array_append_new(layers, json_sprintf("%s/disk0/layer-1", paths->machine_dir));
	if (ephemeral)
		json_array_append_new(layers,
		                      json_sprintf("%s/disk0/ephemeral", paths->machine_dir));
	if (!spec || json_object_set_new(spec, "version", json_integer(1)) < 0 ||
	    json_object_set_new(spec, "image", json_string(manifest->image_dir)) < 0 ||
	    json_object_set_new(spec, "control", json_string(paths->control)) < 0)
		r = -ENOMEM;
	/* A machine boots; what the link can bring meanwhile it brings, unless somebody said no. */
	if (!json_object_get(spec, "sweep") && json_object_set_new(spec, "sweep", json_true()) < 0)
		r = -ENOMEM;
	if (json_object_set_new(spec, "layers", layers) < 0)
		r = -ENOMEM;
	text = r == 0 ? json_dumps(spec, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	json_decref(spec);
	if (!text)
		return error_sys(err, ENOMEM, "specification of the disk");
	snprintf(path, sizeof(path), "%s/disk0/spec.json", paths->machine_dir);
	return replace_file(AT_FDCWD, path, text, strlen(text), 0600, err);
}

int disk_server_forget_ephemeral(const char *machine_dir, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/disk0/ephemeral", machine_dir);
	return tree_remove(AT_FDCWD, path, err);
}

static int fresh_ephemeral(const struct manifest *manifest, const char *machine_dir,
                           struct error *err)
{
	char path[PATH_MAX];
	int r = disk_server_forget_ephemeral(machine_dir, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/disk0/ephemeral", machine_dir);
	r = make_dirs(path, 0700, err);
	return r < 0 ? r : disk_layer_create(manifest->image_dir, path, err);
}

int disk_server_start(struct process *process, const struct manifest *manifest,
                      const struct disk_server_paths *paths, bool ephemeral, int keep_fd,
                      struct error *err)
{
	char plugin[PATH_MAX], spec[PATH_MAX];
	struct argv argv = { 0 };
	cleanup_close int fd = -1;
	int r = disk_server_plugin(plugin, sizeof(plugin), err);

	if (r == 0 && ephemeral)
		r = fresh_ephemeral(manifest, paths->machine_dir, err);
	if (r == 0)
		r = write_spec(manifest, paths, ephemeral, err);
	if (r == 0)
		r = fd = unix_listen(paths->socket, 0, err);
	if (r < 0)
		return r;
	snprintf(spec, sizeof(spec), "spec=%s/disk0/spec.json", paths->machine_dir);
	argv_add(&argv, "nbdkit");
	argv_add(&argv, "--foreground");
	argv_add(&argv, "%s", plugin);
	argv_add(&argv, "%s", spec);
	/* SIGTERM: it still writes what the guest was told is written. */
	r = process_start(process, &argv,
	                  &(struct process_options){ .log = paths->log,
	                                             .death_signal = SIGTERM,
	                                             .keep = &keep_fd,
	                                             .n_keep = 1,
	                                             .listen_fd = fd },
	                  err);
	argv_free(&argv);
	return r;
}
