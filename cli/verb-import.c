// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill import: an image file, or a machine out of VMware or VirtualBox, into the own library.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/appliance.h"
#include "cli/image.h"
#include "cli/import-options.h"
#include "cli/library.h"
#include "cli/options.h"
#include "machine/name.h"
#include "util/text.h"

#define DISKS MACHINE_IMAGE_MAX_DISKS

/* Everything that is open while the disks are read. */
struct job {
	const struct cli_call *call;
	struct appliance *appliance; /* NULL: the argument is one disk */
	struct image *images[DISKS]; /* owned, unless `foreign` has them */
	struct foreign *foreign[DISKS];
	struct import_disk disks[DISKS];
	char names[DISKS][64];
	size_t n;
	struct trace *trace;
	struct import import;
};

/* A file of this computer that only QEMU reads. */
static int open_foreign(struct job *job, const char *path, uint64_t off, uint64_t len,
                        struct error *err)
{
	enum foreign_kind kind = FOREIGN_NONE;
	int r = 0;

	if (access(path, F_OK) == 0)
		r = foreign_detect(path, off, len, &kind, err);
	if (r < 0 || kind == FOREIGN_NONE)
		return r;
	r = foreign_open(path, off, len, kind, &job->foreign[job->n], err);
	if (r == 0)
		job->images[job->n] = foreign_image(job->foreign[job->n]);
	return r;
}

/* The disk joins the image's under that name. */
static int add_disk(struct job *job, const char *name, enum machine_disk_role role,
                    struct error *err)
{
	snprintf(job->names[job->n], sizeof(job->names[0]), "%s", name);
	for (size_t i = 0; i < job->n; i++)
		if (!strcmp(job->names[i], job->names[job->n]))
			return error_set(err, EINVAL, "two disks are called '%s'", name);
	job->disks[job->n] = (struct import_disk){ .name = job->names[job->n],
		                                   .role = role,
		                                   .image = job->images[job->n] };
	job->n++;
	return 0;
}

static int room_for_disk(const struct job *job, struct error *err)
{
	return job->n < DISKS ? 0 : error_set(err, E2BIG, "an image has at most %u disks", DISKS);
}

/* The argument, when it is one disk. */
static int open_first(struct job *job, struct error *err)
{
	int r = open_foreign(job, job->call->arguments[0], 0, 0, err);

	if (r == 0 && !job->images[0])
		r = cli_image_open(job->call, cli_text(job->call, "format", "auto"), "parent", true,
		                   &job->images[0], err);
	return r < 0 ? r : add_disk(job, "system", MACHINE_DISK_SYSTEM, err);
}

/* NAME=FILE[:data|profile] */
static int open_further(struct job *job, const char *option, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	enum machine_disk_role role = MACHINE_DISK_DATA;
	cleanup_free char *text = strdup(option);
	char *path = text ? strchr(text, '=') : NULL, *colon;
	int r = room_for_disk(job, err);

	if (r < 0)
		return r;
	if (!path || path == text || !path[1] || (size_t)(path - text) >= sizeof(job->names[0]) ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != (size_t)(path - text))
		return cli_usage(
			err,
			"--disk: '%s' is not NAME=FILE[:data|profile] with a name of small "
			"letters, digits and dashes",
			option);
	*path++ = '\0';
	colon = strrchr(path, ':');
	if (colon && (!strcmp(colon, ":data") || !strcmp(colon, ":profile"))) {
		role = colon[1] == 'p' ? MACHINE_DISK_PROFILE : MACHINE_DISK_DATA;
		*colon = '\0';
	}
	r = open_foreign(job, path, 0, 0, err);
	if (r == 0 && !job->images[job->n])
		r = cli_places(job->call, path, NULL, &places, err);
	if (r == 0 && places.n > 0)
		r = cli_image_open_at(job->call, &places, &(struct source_places){ 0 }, "auto",
		                      true, &job->images[job->n], err);
	return r < 0 ? r : add_disk(job, text, role, err);
}

/* All disks that a machine of VMware or VirtualBox has. */
static int open_appliance(struct job *job, struct error *err)
{
	const struct ovf *ovf = &job->appliance->ovf;
	struct machine_config *config = &job->import.config;
	int r = 0;

	for (size_t i = 0; i < ovf->n_disks && r == 0; i++) {
		const struct appliance_disk *disk = &job->appliance->disks[i];
		char name[64];

		r = open_foreign(job, disk->path, disk->off, disk->len, err);
		if (r == 0 && !job->images[job->n])
			r = error_set(err, ENOTSUP, "%s: %s is neither VMDK nor VDI",
			              job->call->arguments[0], ovf->disks[i].file);
		snprintf(name, sizeof(name), i == 0 ? "system" : "data-%zu", i);
		if (r == 0)
			r = add_disk(job, name, i == 0 ? MACHINE_DISK_SYSTEM : MACHINE_DISK_DATA,
			             err);
	}
	config->cpus_recommended = (unsigned int)min_u64(ovf->cpus, MANIFEST_MAX_CPUS);
	config->memory_recommended = ovf->memory;
	memcpy(config->os, ovf->os, sizeof(ovf->os));
	if (ovf->firmware[0])
		snprintf(config->firmware, sizeof(config->firmware), "%s", ovf->firmware);
	return r;
}

static int open_disks(struct job *job, struct error *err)
{
	const char *option;
	int r = appliance_open(job->call->arguments[0], &job->appliance, err);

	if (r == 0)
		r = job->appliance ? open_appliance(job, err) : open_first(job, err);
	for (size_t i = 0; r == 0 && (option = cli_nth(job->call, "disk", i)) != NULL; i++)
		r = open_further(job, option, err);
	if (r == 0)
		r = cli_import_trace(job->call, job->disks[0].image->size, &job->trace, err);
	job->disks[0].trace = job->trace;
	return r;
}

static void close_job(struct job *job)
{
	for (size_t i = 0; i < DISKS; i++) {
		if (job->foreign[i])
			foreign_close(job->foreign[i]);
		else
			image_close(job->images[i]);
	}
	appliance_close(job->appliance);
	trace_free(job->trace);
}

static int import_to(struct job *job, const struct reference *ref, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	cleanup(store_close) struct store *own = NULL;
	struct import *import = &job->import;
	json_t *words = NULL;
	char path[PATH_MAX];
	int r = cli_import_options(job->call, import, &words, err);

	import->name = ref->name;
	import->tag = ref->tag;
	import->disks = job->disks;
	import->n_disks = job->n;
	if (r == 0)
		r = state_open(&state, err);
	if (r == 0)
		r = cli_own_library(state, path, &own, err);
	if (r == 0)
		r = cli_import(job->call, own, path, import, "importing", err);
	json_decref(words);
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	struct job job = { .call = call };
	struct machine_config *config = &job.import.config;
	char name[MACHINE_NAME_MAX + 1];
	struct reference ref = { 0 };
	int r;

	machine_name_from_image(call->arguments[0], name);
	r = cli_own_reference(call->n_arguments > 1 ? call->arguments[1] : name, &ref, err);
	if (r < 0)
		return r;
	snprintf(config->architecture, sizeof(config->architecture), "amd64");
	config->cpus_minimum = 1;
	r = open_disks(&job, err);
	if (r == 0)
		r = import_to(&job, &ref, err);
	close_job(&job);
	reference_free(&ref);
	return r;
}

const struct cli_verb verb_import = {
	.name = "import",
	.group = CLI_DISKS,
	.summary = "Bring an image file into this computer's library",
	.description = "Make an image of the library out of a file: raw, VHD, VHDX, qcow2 or an "
		       "index, by its "
		       "path or URL; a VMDK or VDI (read by qemu-nbd); or a whole machine out of "
		       "VMware or "
		       "VirtualBox, an OVA or OVF with all its disks, whose processors, memory and "
		       "firmware "
		       "are kept. The image can then be run, pushed and exported by its name.\n\n"
		       "A name that is there already gets a new release: what has not changed is "
		       "not stored "
		       "again. Nothing looks at what is on the disk: *sill publish* does.",
	.arguments = { { .name = "IMAGE",
	                 .type = CLI_IMAGE,
	                 .help = "Path or URL of an image; path of a VMDK, VDI, OVA or OVF" },
	               { .name = "NAME[:TAG]",
	                 .optional = true,
	                 .type = CLI_TEXT,
	                 .help = "What to call it; made of the file's name unless said, with the "
	                         "tag "
	                         "latest" } },
	.options = { { .name = "disk",
	               .repeat = true,
	               .type = CLI_TEXT,
	               .value = "NAME=FILE[:data|profile]",
	               .help = "A further disk of the machine. May be given more than once" },
	             OPTIONS_IMPORT,
	             OPTION_FORMAT,
	             OPTION_PARENT,
	             OPTIONS_SOURCE,
	             OPTION_JSON },
	.examples = { { "sill import debian.qcow2 debian:12 --title Debian --release 12",
	                "Make an image of a file" },
	              { "sill import https://images.example/debian.vhd", "Fetch it meanwhile" },
	              { "sill import desktop.ova desktop --disk home=home.qcow2:profile",
	                "A machine out of VirtualBox, with one more disk" } },
	.run = run,
};
