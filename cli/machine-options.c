// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/machine-options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/image.h"
#include "util/text.h"

/* A path becomes absolute, for the machine outlives this directory; a URL stays. */
static int absolute(const char *place, char **ret, struct error *err)
{
	char *path = NULL;

	if (access(place, F_OK) == 0 || !strchr(place, ':')) {
		path = realpath(place, NULL);
		if (!path)
			return error_sys(err, errno, "%s", place);
	} else {
		path = strdup(place);
		if (!path)
			return error_sys(err, ENOMEM, "%s", place);
	}
	*ret = path;
	return 0;
}

/* {"url": …, "priority": …, "digest": …} */
static int add_source(json_t *list, const char *url, int priority, const char *digest,
                      struct error *err)
{
	cleanup_free char *place = NULL;
	json_t *object;
	int r = absolute(url, &place, err);

	if (r < 0)
		return r;
	object = json_pack("{ss si ss*}", "url", place, "priority", priority, "digest", digest);
	return json_array_append_new(list, object) < 0 ? error_sys(err, ENOMEM, "%s", url) : 0;
}

static int add_sources(const struct cli_call *call, json_t *disk, struct error *err)
{
	json_t *list = json_array();
	const char *text;
	int r;

	if (json_object_set_new(disk, "sources", list) < 0)
		return error_sys(err, ENOMEM, "sources");
	r = add_source(list, call->arguments[0], 0, NULL, err);
	for (size_t i = 0; r == 0 && (text = cli_nth(call, "source", i)) != NULL; i++) {
		struct cli_source source = { 0 };

		r = cli_source_parse(text, &source, err);
		if (r == 0)
			r = add_source(list, source.url, source.priority, source.digest, err);
		cli_source_free(&source);
	}
	return r;
}

static int add_place(const struct cli_call *call, json_t *disk, const char *option,
                     struct error *err)
{
	const char *text = cli_text(call, option, NULL);
	cleanup_free char *place = NULL;
	int r = text ? absolute(text, &place, err) : 0;

	if (text && r == 0 && json_object_set_new(disk, option, json_string(place)) < 0)
		r = error_sys(err, ENOMEM, "%s", option);
	return r;
}

/* The part of the disk's specification that a person decides. */
static int disk_of(const struct cli_call *call, json_t **ret, struct error *err)
{
	bool trace = !cli_given(call, "no-trace");
	json_t *disk = json_pack("{s{sb sb}}", "trace", "record", trace, "replay", trace);
	const char *format = cli_text(call, "format", NULL);
	int r = disk ? add_sources(call, disk, err) : error_sys(err, ENOMEM, "disk");

	if (r == 0)
		r = add_place(call, disk, "parent", err);
	if (r == 0)
		r = add_place(call, disk, "ca", err);
	if (r == 0)
		r = add_place(call, disk, "credentials", err);
	if (r == 0 && format)
		json_object_set_new(disk, "format", json_string(format));
	if (r == 0 && cli_given(call, "fill"))
		json_object_set_new(disk, "fill",
		                    json_pack("{sb sI}", "on", 1, "rate",
		                              (json_int_t)cli_number(call, "fill", 0)));
	if (r < 0)
		json_decref(disk);
	else
		*ret = disk;
	return r;
}

static int ports_of(const struct cli_call *call, struct manifest *m, struct error *err)
{
	for (const char *text; (text = cli_nth(call, "port", m->n_ports)) != NULL; m->n_ports++) {
		if (m->n_ports == MANIFEST_MAX_PORTS)
			return cli_usage(err, "--port: at most %d", MANIFEST_MAX_PORTS);
		if (port_forward_parse(text, &m->ports[m->n_ports], err) < 0)
			return cli_usage(err, "--port: %s", err->text);
	}
	return 0;
}

/* A name that is free: the image's, or with -2, -3, … behind it. */
static int free_name(const struct state *state, const char *image, char ret[MACHINE_NAME_MAX + 1],
                     struct error *err)
{
	char stem[MACHINE_NAME_MAX + 1];

	machine_name_from_image(image, stem);
	snprintf(ret, MACHINE_NAME_MAX + 1, "%s", stem);
	for (unsigned int i = 2; i < 1000; i++) {
		int fd = machine_open(state, ret, NULL);

		if (fd < 0)
			return 0;
		close(fd);
		snprintf(ret, MACHINE_NAME_MAX + 1, "%.*s-%u", MACHINE_NAME_MAX - 4, stem, i);
	}
	return error_set(err, EEXIST, "there are too many machines named '%s': use --name", stem);
}

int cli_create_machine(const struct cli_call *call, const struct state *state,
                       char ret_name[MACHINE_NAME_MAX + 1], struct error *err)
{
	cleanup(manifest_free) struct manifest *m = calloc(1, sizeof(*m));
	const char *image = call->arguments[0], *name = cli_text(call, "name", NULL);
	int r;

	if (!m)
		return error_sys(err, ENOMEM, "machine");
	m->cpus = (unsigned int)cli_number(call, "cpus", MACHINE_DEFAULT_CPUS);
	m->memory = cli_number(call, "memory", MACHINE_DEFAULT_MEMORY);
	if (m->memory % MIB)
		return cli_usage(err, "--memory: '%s' is not a whole number of MiB",
		                 cli_text(call, "memory", ""));
	m->firmware =
		(enum firmware)manifest_choice(firmware_names, cli_text(call, "firmware", "auto"));
	m->display =
		(enum display)manifest_choice(display_names, cli_text(call, "display", "none"));
	m->accel = (enum accel)manifest_choice(accel_names, cli_text(call, "accel", "auto"));
	m->ephemeral = cli_given(call, "ephemeral");
	r = ports_of(call, m, err);
	if (r == 0)
		r = disk_of(call, &m->disk, err);
	if (r < 0)
		return r;
	m->image = strdup(json_string_value(
		json_object_get(json_array_get(json_object_get(m->disk, "sources"), 0), "url")));
	if (!m->image)
		return error_sys(err, ENOMEM, "machine");
	if (name)
		snprintf(ret_name, MACHINE_NAME_MAX + 1, "%s", name);
	else
		r = free_name(state, image, ret_name, err);
	return r < 0 ? r : machine_create(state, ret_name, m, err);
}
