// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/near-disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/disk-options.h"
#include "disk/serve/control.h"
#include "machine/machine.h"
#include "machine/name.h"
#include "machine/session.h"

void near_disk_free(struct near_disk *near)
{
	if (!near)
		return;
	free(near->image_dir);
	json_decref(near->spec);
	free(near);
}

/* A machine's sources were said when it was made. */
static int refuse_image_options(const struct cli_call *call, struct error *err)
{
	static const char *const options[] = { "format",      "parent",   "source", "ca",
		                               "credentials", "deadline", "stall",  "hedge" };

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (cli_option(call->verb, options[i], strlen(options[i])) &&
		    cli_given(call, options[i]))
			return cli_usage(err,
			                 "--%s is for an image, and '%s' is a machine, which has "
			                 "what it was made with",
			                 options[i], call->arguments[0]);
	return 0;
}

static int find_machine(const struct cli_call *call, const struct state *state, int dir,
                        struct near_disk *near, struct error *err)
{
	const char *name = call->arguments[0];
	cleanup(manifest_free) struct manifest *manifest = NULL;
	struct session_paths paths;
	int r = refuse_image_options(call, err);

	if (r == 0)
		r = manifest_load(dir, &manifest, err);
	if (r == 0)
		r = session_paths(state, name, false, &paths, err);
	if (r != 0)
		return r;
	memcpy(near->control, paths.disk_control, sizeof(near->control));
	near->spec = json_deep_copy(manifest->disk);
	near->image_dir = strdup(manifest->image_dir);
	if (!near->spec || !near->image_dir)
		return error_sys(err, ENOMEM, "%s", name);
	return cli_disk_manners(call, near->spec, err);
}

static int find_image(const struct cli_call *call, const struct state *state,
                      struct near_disk *near, struct error *err)
{
	cleanup(disk_spec_free) struct disk_spec *spec = NULL;
	cleanup_free char *images = NULL;
	int r = cli_disk_options(call, NULL, &near->spec, err);

	if (r == 0 && json_object_set_new(near->spec, "version", json_integer(1)) < 0)
		r = error_sys(err, ENOMEM, "%s", call->arguments[0]);
	if (r == 0)
		r = disk_spec_parse(near->spec, &spec, err);
	if (r < 0)
		return r;
	if (asprintf(&images, "%s/images", state->dir) < 0)
		return error_sys(err, ENOMEM, "%s", state->dir);
	return disk_image_resolve(spec, images, &near->image_dir, err);
}

int near_disk_find(const struct cli_call *call, struct near_disk **ret, struct error *err)
{
	cleanup(near_disk_free) struct near_disk *near = calloc(1, sizeof(*near));
	cleanup(state_close) struct state *state = NULL;
	const char *name = call->arguments[0];
	cleanup_close int dir = -1;
	int r = near ? state_open(&state, err) : error_sys(err, ENOMEM, "%s", name);

	if (r < 0)
		return r;
	if (machine_name_check(name, NULL) == 0)
		dir = machine_open(state, name, NULL);
	r = dir >= 0 ? find_machine(call, state, dir, near, err)
	             : find_image(call, state, near, err);
	if (r < 0)
		return r;
	if (json_object_set_new(near->spec, "version", json_integer(1)) < 0 ||
	    json_object_set_new(near->spec, "image", json_string(near->image_dir)) < 0)
		return error_sys(err, ENOMEM, "%s", name);
	*ret = take_ptr(near);
	return 0;
}

int near_disk_ask(const struct near_disk *near, json_t *request, int timeout_ms, json_t **ret,
                  struct error *err)
{
	int r = -ENOTCONN;

	if (near->control[0])
		r = control_call(near->control, request, timeout_ms, ret, err);
	json_decref(request);
	if (r == -ENOENT || r == -ECONNREFUSED)
		r = -ENOTCONN;
	return r;
}

int near_disk_open(const struct near_disk *near, bool fill, uint64_t rate, struct disk **ret,
                   struct error *err)
{
	cleanup(disk_spec_free) struct disk_spec *spec = NULL;
	json_t *object = json_deep_copy(near->spec);
	int r = 0;

	json_object_del(object, "trace");
	if (!object ||
	    json_object_set_new(object, "fill",
	                        json_pack("{sb sI}", "on", fill, "rate", (json_int_t)rate)) < 0)
		r = error_sys(err, ENOMEM, "%s", near->image_dir);
	if (r == 0)
		r = disk_spec_parse(object, &spec, err);
	json_decref(object);
	return r < 0 ? r : disk_open(spec, ret, err);
}
