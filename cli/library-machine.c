// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/library-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/image.h"
#include "cli/machine-options.h"
#include "machine/machine.h"
#include "util/io.h"

#define VARIABLES_FILE "uefi-vars.fd"
#define VARIABLES_MAX  (16 * MIB)
#define ARCHITECTURE   "amd64"

/* Does the host's own library have the index, or any pack that this image is made of? */
static bool has_any(struct store *own, const struct machine_image *image, const char *index)
{
	uint64_t size;

	for (size_t i = 0; i < image->manifest->n_layers; i++) {
		const struct oci_descriptor *layer = &image->manifest->layers[i];

		if (strcmp(layer->digest, index) != 0 &&
		    strcmp(layer->media_type, MACHINE_PACK_TYPE) != 0)
			continue;
		if (own->ops->find_blob(own, "x", layer->digest, &size, NULL) == 0)
			return true;
	}
	return false;
}

/* A file of this host comes first, then where the image was found. */
static int find_places(struct library_machine *machine, struct error *err)
{
	const char *index = machine_image_system(&machine->image)->index;
	const struct library_found *found = &machine->found;
	cleanup(library_found_free) struct library_found far = { 0 };
	cleanup(store_close) struct store *own = NULL;
	int r = folder_open(machine->known.own, &own, NULL);

	if (r == 0 && (found->own || has_any(own, &machine->image, index)))
		r = own->ops->blob_place(own, found->own_name, index, &machine->places[0], err);
	else
		r = 0;
	if (r == 0 && !found->own)
		return found->store->ops->blob_place(found->store, found->name, index,
		                                     &machine->places[1], err);
	/* What has a host or a library in its name came from there. */
	if (r == 0 && strncmp(found->canonical, "local/", 6) != 0 &&
	    library_place(&machine->known.libraries, &machine->ref, &machine->known.options, &far,
	                  NULL) == 0 &&
	    !far.own)
		far.store->ops->blob_place(far.store, far.name, index, &machine->places[1], NULL);
	return r;
}

/* "debian", "debian-12". */
static int find_stem(struct library_machine *machine, struct error *err)
{
	const struct reference *ref = &machine->ref;
	const char *slash = strrchr(ref->name, '/'), *last = slash ? slash + 1 : ref->name;
	bool tag = *ref->tag && strcmp(ref->tag, "latest") != 0;

	if (asprintf(&machine->stem, "%s%s%s", last, tag ? "-" : "", tag ? ref->tag : "") < 0) {
		machine->stem = NULL;
		return error_sys(err, ENOMEM, "machine");
	}
	return 0;
}

static int check_image(const struct library_machine *machine, const char *text, struct error *err)
{
	const struct machine_config *config = &machine->image.config;

	if (strcmp(config->architecture, ARCHITECTURE) != 0)
		return error_set(
			err, ENOEXEC,
			"%s: is a machine for %s, and those of this computer are " ARCHITECTURE,
			text, config->architecture);
	if (config->n_disks > 1)
		fprintf(stderr, "sill: %s has %zu disks, and only %s is attached\n", text,
		        config->n_disks, machine_image_system(&machine->image)->name);
	return 0;
}

int library_machine_find(const struct cli_call *call, const char *text, struct library_machine *ret,
                         struct error *err)
{
	int r = cli_libraries_open(call, &ret->known, err);

	if (r == 0)
		r = cli_find_image(&ret->known, text, &ret->ref, &ret->found, err);
	if (r == 0)
		r = cli_judge(call, &ret->found, &ret->ref, &ret->answer, err);
	if (r == 0)
		r = machine_image_get(ret->found.store, ret->found.name, &ret->found.manifest,
		                      &ret->image, err);
	if (r == 0)
		r = check_image(ret, text, err);
	if (r == 0)
		r = find_stem(ret, err);
	return r < 0 ? r : find_places(ret, err);
}

void library_machine_free(struct library_machine *machine)
{
	free(machine->stem);
	free(machine->places[0]);
	free(machine->places[1]);
	machine_image_free(&machine->image);
	library_found_free(&machine->found);
	reference_free(&machine->ref);
	if (machine->known.state)
		cli_libraries_close(&machine->known);
}

int library_machine_sources(const struct library_machine *machine, json_t **ret, struct error *err)
{
	const char *index = machine_image_system(&machine->image)->index;
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(machine->places); i++) {
		if (machine->places[i] &&
		    json_array_append_new(list, json_pack("{ss si ss}", "url", machine->places[i],
		                                          "priority", i ? CLI_PLACE_PRIORITY : 0,
		                                          "digest", index)) < 0) {
			json_decref(list);
			return error_sys(err, ENOMEM, "machine");
		}
	}
	*ret = list;
	return 0;
}

/* What the person says, or the image recommends; less than it wants at least is said. */
static uint64_t choose(const struct cli_call *call, const char *option, uint64_t fallback,
                       uint64_t least, uint64_t recommended, uint64_t most)
{
	uint64_t wanted;

	if (recommended == 0)
		recommended = fallback;
	wanted = cli_number(call, option, max_u64(recommended, least));
	if (wanted < least)
		fprintf(stderr, "sill: the image wants --%s %llu at least\n", option,
		        (unsigned long long)least);
	return min_u64(wanted, most);
}

int library_machine_settings(const struct cli_call *call, const struct library_machine *machine,
                             struct manifest *m, struct error *err)
{
	const struct machine_config *config = &machine->image.config;
	uint64_t memory = choose(call, "memory", MACHINE_DEFAULT_MEMORY, config->memory_minimum,
	                         config->memory_recommended, MANIFEST_MAX_MEMORY);
	int firmware = manifest_choice(firmware_names, config->firmware);

	m->cpus = (unsigned int)choose(call, "cpus", MACHINE_DEFAULT_CPUS, config->cpus_minimum,
	                               config->cpus_recommended, MANIFEST_MAX_CPUS);
	if (!cli_given(call, "memory"))
		m->memory = max_u64(round_up(memory, MIB), MANIFEST_MIN_MEMORY);
	if (!cli_given(call, "firmware") && firmware >= 0)
		m->firmware = (enum firmware)firmware;
	m->library_name = strdup(machine->found.canonical);
	m->image_digest = strdup(machine->found.manifest.digest);
	return m->library_name && m->image_digest ? 0 : error_sys(err, ENOMEM, "machine");
}

static int write_variables(const struct library_machine *machine, const char *name,
                           struct error *err)
{
	const struct library_found *found = &machine->found;
	const struct oci_manifest *manifest = machine->image.manifest;
	const struct oci_descriptor *layer = NULL;
	cleanup_close int dir = -1;
	cleanup_free char *bytes = NULL;
	size_t len;
	int r;

	for (size_t i = 0; i < manifest->n_layers && !layer; i++) {
		if (strcmp(manifest->layers[i].media_type, MACHINE_VARIABLES_TYPE) == 0)
			layer = &manifest->layers[i];
	}
	if (!layer)
		return 0;
	r = store_get_blob(found->store, found->name, layer->digest, VARIABLES_MAX, &bytes, &len,
	                   err);
	if (r < 0)
		return r;
	dir = machine_open(machine->known.state, name, err);
	return dir < 0 ? dir : replace_file(dir, VARIABLES_FILE, bytes, len, 0600, err);
}

int library_machine_made(const struct library_machine *machine, const char *name, struct error *err)
{
	int r = write_variables(machine, name, err);

	return r < 0 ? r : cli_remember(&machine->answer, err);
}
