// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/machine-options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/disk-options.h"
#include "cli/library-machine.h"
#include "util/text.h"

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

/* An image in a file: it is called as its first place is, a path made absolute. */
static int take_file(const struct cli_call *call, struct manifest *m, struct error *err)
{
	const json_t *first;
	int r = cli_disk_options(call, NULL, &m->disk, err);

	if (r < 0)
		return r;
	first = json_array_get(json_object_get(m->disk, "sources"), 0);
	m->image = strdup(json_string_value(json_object_get(first, "url")));
	return m->image ? 0 : error_sys(err, ENOMEM, "machine");
}

/* An image of a library. */
static int take_library_image(const struct cli_call *call, struct manifest *m,
                              struct library_machine **ret, struct error *err)
{
	const char *text = call->arguments[0];
	json_t *places = NULL;
	int r;

	if (cli_given(call, "format") || cli_given(call, "parent"))
		return cli_usage(err,
		                 "--format and --parent are for image files, and '%s' is an "
		                 "image of a library",
		                 text);
	*ret = calloc(1, sizeof(**ret));
	m->image = strdup(text);
	if (!*ret || !m->image)
		return error_sys(err, ENOMEM, "machine");
	r = library_machine_find(call, text, *ret, err);
	if (r == 0)
		r = library_machine_settings(call, *ret, m, err);
	if (r == 0)
		r = library_machine_sources(*ret, &places, err);
	if (r == 0)
		r = cli_disk_options(call, places, &m->disk, err);
	json_decref(places);
	if (r == -ENOENT && !*(*ret)->ref.host && !(*ret)->ref.folder)
		return error_set(err, ENOENT, "%s; and there is no such file", err->text);
	return r;
}

int cli_create_machine(const struct cli_call *call, const struct state *state,
                       char ret_name[MACHINE_NAME_MAX + 1], struct error *err)
{
	cleanup(manifest_free) struct manifest *m = calloc(1, sizeof(*m));
	cleanup(library_machine_free) struct library_machine *library = NULL;
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
	if (r == 0 && reference_is_one(image))
		r = take_library_image(call, m, &library, err);
	else if (r == 0)
		r = take_file(call, m, err);
	if (r < 0)
		return r;
	if (name)
		snprintf(ret_name, MACHINE_NAME_MAX + 1, "%s", name);
	else
		r = free_name(state, library ? library->stem : image, ret_name, err);
	if (r == 0)
		r = machine_create(state, ret_name, m, err);
	if (r < 0 || !library)
		return r;
	r = library_machine_made(library, ret_name, err);
	if (r < 0)
		machine_delete(state, ret_name, NULL);
	return r;
}
