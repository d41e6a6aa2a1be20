// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill publish: a machine of this computer as an image, without what makes it this machine.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "cli/import-options.h"
#include "cli/library.h"
#include "cli/machine-disk.h"
#include "cli/options.h"
#include "disk/source/places.h"
#include "library/guest/worker.h"
#include "library/overlay.h"

enum mode { REFUSE, STRIP, KEEP };

struct findings {
	FILE *out;
	unsigned int n;
};

static void found(void *arg, const char *what, const char *where)
{
	struct findings *findings = arg;

	fprintf(findings->out, "%s: %s\n", what, where);
	findings->n++;
}

static void note(void *arg __attribute__((unused)), const char *text)
{
	fprintf(stderr, "sill: publish: %s\n", text);
}

/* Look into the disk; with STRIP the overlay is without what was found. */
static int look(const struct cli_call *call, struct guest_worker *worker, struct overlay *overlay,
                enum mode mode, struct error *err)
{
	const char *name = call->arguments[0];
	/* With --json nothing but that goes to standard output. */
	struct findings findings = { .out = cli_given(call, "json") ? stderr : stdout };
	const struct identity_report report = { .found = found, .note = note, .arg = &findings };
	int r;

	if (mode == KEEP) {
		note(NULL, "nothing looked at the disk: keys, ids and logs of this machine are "
		           "published with it");
		return 0;
	}
	r = guest_worker_look(worker, overlay_disk(overlay), mode == STRIP, &report, err);
	if (r < 0) {
		error_prefix(err, "%s", name);
		return r;
	}
	if (mode == STRIP || findings.n == 0)
		return 0;
	return error_set(err, EPERM,
	                 "%s: nothing was published, for %u things of it must not be; --identity "
	                 "strip leaves them out",
	                 name, findings.n);
}

/* The index that the machine was made from, when that is what it was made from. */
static bool find_origin(const struct manifest *manifest, char ret[72])
{
	const json_t *sources = json_object_get(manifest->disk, "sources"), *source;
	size_t i;

	json_array_foreach (sources, i, source) {
		const char *url = json_string_value(json_object_get(source, "url"));

		if (url && source_named_digest(url, ret))
			return true;
	}
	return false;
}

static int publish_disk(const struct cli_call *call, const struct state *state,
                        const struct machine_source *machine, struct image *image,
                        const struct reference *ref, struct error *err)
{
	cleanup(store_close) struct store *own = NULL;
	cleanup(trace_free) struct trace *trace = NULL;
	struct import_disk disk = { .name = "system", .role = MACHINE_DISK_SYSTEM, .image = image };
	struct import import = { .name = ref->name, .tag = ref->tag, .disks = &disk, .n_disks = 1 };
	struct machine_config *config = &import.config;
	char path[PATH_MAX], origin[72];
	json_t *words = NULL;
	int r;

	if (find_origin(machine->manifest, origin))
		import.origin = origin;
	snprintf(config->architecture, sizeof(config->architecture), "amd64");
	snprintf(config->firmware, sizeof(config->firmware), "%s",
	         firmware_names[machine->manifest->firmware]);
	config->cpus_minimum = 1;
	config->cpus_recommended = machine->manifest->cpus;
	config->memory_recommended = machine->manifest->memory;
	r = cli_import_options(call, &import, &words, err);
	if (r == 0)
		r = cli_import_trace(call, image->size, &trace, err);
	disk.trace = trace;
	if (r == 0)
		r = cli_own_library(state, path, &own, err);
	if (r == 0)
		r = cli_import(call, own, path, &import, "publishing", err);
	json_decref(words);
	return r;
}

static int publish(const struct cli_call *call, const struct state *state,
                   struct guest_worker *worker, const struct reference *ref, enum mode mode,
                   struct error *err)
{
	cleanup(machine_source_close) struct machine_source *machine = NULL;
	cleanup(overlay_close) struct overlay *overlay = NULL;
	struct image *image = NULL;
	int r = machine_source_open(state, call->arguments[0], &machine, err);

	if (r == 0)
		r = overlay_open(machine->image, state->dir, &overlay, err);
	if (r == 0)
		r = look(call, worker, overlay, mode, err);
	if (r == 0)
		r = overlay_image(overlay, &image, err);
	if (r == 0)
		r = publish_disk(call, state, machine, image, ref, err);
	image_close(image);
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(guest_worker_end) struct guest_worker *worker = NULL;
	cleanup(state_close) struct state *state = NULL;
	const char *said = cli_text(call, "identity", "refuse");
	enum mode mode = !strcmp(said, "strip") ? STRIP : !strcmp(said, "keep") ? KEEP : REFUSE;
	struct reference ref = { 0 };
	int r = cli_own_reference(call->arguments[1], &ref, err);

	/* Before credentials are read and threads started. */
	if (r == 0 && mode != KEEP)
		r = guest_worker_start(&worker, err);
	if (r == 0)
		r = state_open(&state, err);
	if (r == 0)
		r = publish(call, state, worker, &ref, mode, err);
	reference_free(&ref);
	return r;
}

const struct cli_verb verb_publish = {
	.name = "publish",
	.group = CLI_DISKS,
	.summary = "Make an image of a machine's disk as it is now",
	.description =
		"Make an image of this computer's library out of a machine that stands still.  The "
		"machine itself is not changed.\n\n"
		"Its disk is looked into first, for what must not be in two machines, or in "
		"strangers' hands: machine id, SSH host keys, DHCP leases, logs, passwords of "
		"networks, "
		"histories of shells and the like.  When there is any, it is listed, and nothing "
		"is "
		"published; with *--identity strip* the image is made without it.  ext2, ext3 and "
		"ext4 "
		"can be looked into, other file systems cannot.  What is not known by its name, "
		"such "
		"as passwords in the configuration of programs, is not found.",
	.arguments = { ARGUMENT_MACHINE,
	               { .name = "REF", .type = CLI_TEXT, .help = "NAME[:TAG] of the image" } },
	.options = { { .name = "identity",
	               .type = CLI_CHOICE,
	               .value = "WHAT",
	               .choices = { "refuse", "strip", "keep" },
	               .help = "What to do about what is found: publish nothing (refuse, unless "
	                       "said), leave it out (strip), or not look at all (keep)" },
	             OPTIONS_IMPORT,
	             OPTION_JSON },
	.examples = { { "sill publish web team/web:1",
	                "Publish it when nothing speaks against it" },
	              { "sill publish web team/web:1 --identity strip",
	                "Publish it without its keys, ids and logs" } },
	.run = run,
};
