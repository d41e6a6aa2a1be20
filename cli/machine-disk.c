// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/machine-disk.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "library/disk-source.h"
#include "machine/lock.h"
#include "machine/machine.h"

/* What the disk server would be given, without what is for a machine that runs. */
static int specify(const struct state *state, const char *name, const struct manifest *manifest,
                   struct disk_spec **ret, struct error *err)
{
	json_t *object = json_deep_copy(manifest->disk);
	char layer[PATH_MAX];
	int r = state_machine_path(state, name, "disk0/layer-1", layer, err);

	if (r == 0 && (!object || json_object_set_new(object, "version", json_integer(1)) < 0 ||
	               json_object_set_new(object, "image", json_string(manifest->image_dir)) < 0 ||
	               json_object_set_new(object, "layers", json_pack("[s]", layer)) < 0))
		r = error_sys(err, ENOMEM, "%s", name);
	json_object_del(object, "trace");
	json_object_del(object, "fill");
	if (r == 0)
		r = disk_spec_parse(object, ret, err);
	json_decref(object);
	return r;
}

int machine_source_open(const struct state *state, const char *name, struct machine_source **ret,
                        struct error *err)
{
	cleanup(machine_source_close) struct machine_source *source = calloc(1, sizeof(*source));
	cleanup(disk_spec_free) struct disk_spec *spec = NULL;
	cleanup_close int dir = -1;
	int r;

	if (!source)
		return error_sys(err, ENOMEM, "%s", name);
	source->lock = -1;
	dir = machine_open(state, name, err);
	if (dir < 0)
		return dir;
	r = source->lock = lock_take(dir, err);
	if (r == -EALREADY)
		return error_set(err, EBUSY, "%s runs: stop it first (sill stop %s)", name, name);
	if (r < 0)
		return r;
	r = manifest_load(dir, &source->manifest, err);
	if (r == 0)
		r = specify(state, name, source->manifest, &spec, err);
	if (r == 0)
		r = disk_open(spec, &source->disk, err);
	if (r == 0)
		r = disk_as_image(source->disk, name, &source->image, err);
	if (r == 0)
		*ret = take_ptr(source);
	return r;
}

void machine_source_close(struct machine_source *source)
{
	if (!source)
		return;
	image_close(source->image);
	disk_close(source->disk);
	manifest_free(source->manifest);
	if (source->lock >= 0)
		close(source->lock);
	free(source);
}
