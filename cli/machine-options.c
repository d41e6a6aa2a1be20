// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/machine-options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/disk-options.h"
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
		r = cli_disk_options(call, &m->disk, err);
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
