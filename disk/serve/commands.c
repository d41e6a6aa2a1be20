// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The requests of a disk server's control socket, one table row each (docs/disk-engine.md).
 */
#include "disk/serve/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bits.h"

static int do_status(struct disk *disk, const json_t *request __attribute__((unused)),
                     json_t *reply, struct error *err)
{
	json_t *status = disk_status(disk);

	if (!status || json_object_set_new(reply, "status", status) < 0)
		return error_sys(err, ENOMEM, "status");
	return 0;
}

static int do_fill(struct disk *disk, const json_t *request, json_t *reply __attribute__((unused)),
                   struct error *err)
{
	const json_t *on = json_object_get(request, "on"), *rate = json_object_get(request, "rate");

	if (!json_is_boolean(on))
		return error_set(err, EINVAL, "fill: field \"on\" must be true or false");
	if (rate && (!json_is_integer(rate) || json_integer_value(rate) < 0))
		return error_set(err, EINVAL, "fill: field \"rate\" must be bytes a second");
	disk_set_fill(disk, json_is_true(on),
	              rate ? (uint64_t)json_integer_value(rate) : DISK_KEEP_RATE);
	return 0;
}

static int do_trace_save(struct disk *disk, const json_t *request __attribute__((unused)),
                         json_t *reply __attribute__((unused)), struct error *err)
{
	return disk_trace_save(disk, err);
}

static int do_trace_stop(struct disk *disk, const json_t *request __attribute__((unused)),
                         json_t *reply __attribute__((unused)), struct error *err)
{
	return disk_trace_stop(disk, err);
}

static int do_flush(struct disk *disk, const json_t *request __attribute__((unused)),
                    json_t *reply __attribute__((unused)), struct error *err)
{
	return disk_flush(disk, err);
}

static int do_verify(struct disk *disk, const json_t *request, json_t *reply, struct error *err)
{
	json_t *found = NULL;
	int r = disk_verify(disk, json_is_true(json_object_get(request, "repair")), &found, err);

	if (r == 0 && json_object_update(reply, found) < 0)
		r = error_sys(err, ENOMEM, "verify");
	json_decref(found);
	return r;
}

static const struct command {
	const char *name;
	int (*run)(struct disk *disk, const json_t *request, json_t *reply, struct error *err);
	const char *fields[2]; /* that a request may have beside "cmd" */
} commands[] = {
	{ "status", do_status, { NULL } },         { "fill", do_fill, { "on", "rate" } },
	{ "trace-save", do_trace_save, { NULL } }, { "trace-stop", do_trace_stop, { NULL } },
	{ "flush", do_flush, { NULL } },           { "verify", do_verify, { "repair", NULL } },
};

static int check_fields(const struct command *command, const json_t *request, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)request, name, value) {
		bool known = strcmp(name, "cmd") == 0;

		for (size_t i = 0; i < ARRAY_LEN(command->fields); i++)
			if (command->fields[i] && strcmp(name, command->fields[i]) == 0)
				known = true;
		if (!known)
			return error_set(err, EINVAL, "%s: unknown field \"%.64s\"", command->name,
			                 name);
	}
	return 0;
}

int commands_handle(void *disk, const json_t *request, json_t *reply, struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "cmd"));

	if (!name)
		return error_set(err, EINVAL, "a request needs a field \"cmd\"");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int r;

		if (strcmp(name, commands[i].name) != 0)
			continue;
		r = check_fields(&commands[i], request, err);
		return r < 0 ? r : commands[i].run(disk, request, reply, err);
	}
	return error_set(err, EINVAL, "unknown command \"%.64s\"", name);
}
