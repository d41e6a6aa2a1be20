// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill export: an image of the own library, or a machine's disk, as a file for others.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/image.h"
#include "cli/import-options.h"
#include "cli/library.h"
#include "cli/interrupts.h"
#include "cli/machine-disk.h"
#include "cli/options.h"
#include "cli/qemu-image.h"
#include "library/ovf.h"
#include "library/tar.h"
#include "machine/machine.h"
#include "machine/name.h"
#include "util/io.h"
#include "util/text.h"

#define PIECE MIB

/* What is exported, and what is known about its machine. */
struct export
{
	const struct cli_call *call;
	struct state *state;
	struct machine_source *machine; /* or the image is `index` */
	struct image *index;
	struct ovf ovf;        /* for an OVA */
	unsigned int left_out; /* disks */
};

static struct image *image_of(const struct export *export)
{
	return export->machine ? export->machine->image : export->index;
}

static int open_machine(struct export *export, const char *name, struct error *err)
{
	int r = machine_source_open(export->state, name, &export->machine, err);

	if (r < 0)
		return r;
	export->ovf.cpus = export->machine->manifest->cpus;
	export->ovf.memory = export->machine->manifest->memory;
	snprintf(export->ovf.firmware, sizeof(export->ovf.firmware), "%s",
	         firmware_names[export->machine->manifest->firmware]);
	return 0;
}

static int open_index(struct export *export, const char *folder, const struct machine_image *image,
                      struct error *err)
{
	const struct machine_disk *system = machine_image_system(image);
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/blobs/sha256/%s", folder, system->index + strlen("sha256:")) < 0)
		return error_sys(err, ENOMEM, "%s", folder);
	export->left_out = (unsigned int)image->config.n_disks - 1;
	if (image->config.cpus_recommended)
		export->ovf.cpus = image->config.cpus_recommended;
	if (image->config.memory_recommended)
		export->ovf.memory = image->config.memory_recommended;
	snprintf(export->ovf.os, sizeof(export->ovf.os), "%.15s", image->config.os);
	snprintf(export->ovf.firmware, sizeof(export->ovf.firmware), "%.7s",
	         image->config.firmware);
	return cli_image_open_at(export->call, &SOURCE_PLACE(path), &(struct source_places){ 0 },
	                         "index", true, &export->index, err);
}

static int open_reference(struct export *export, const char *text, struct error *err)
{
	cleanup(machine_image_free) struct machine_image image = { 0 };
	struct store_manifest manifest = { 0 };
	cleanup(store_close) struct store *own = NULL;
	struct reference ref = { 0 };
	char folder[PATH_MAX];
	int r = reference_parse(text, &ref, err);

	if (r < 0)
		return r;
	if (ref.folder || ref.host[0])
		r = error_set(err, EINVAL,
		              "'%s' is not of this computer's own library: pull it first", text);
	if (r == 0)
		r = cli_own_library(export->state, folder, &own, err);
	if (r == 0)
		r = store_get_manifest(own, ref.name, reference_which(&ref), &manifest, err);
	if (r == 0)
		r = machine_image_get(own, ref.name, &manifest, &image, err);
	if (r == 0)
		r = open_index(export, folder, &image, err);
	store_manifest_free(&manifest);
	reference_free(&ref);
	return r;
}

static int open_what(struct export *export, struct error *err)
{
	const char *name = export->call->arguments[0];
	int dir =
		machine_name_check(name, NULL) == 0 ? machine_open(export->state, name, NULL) : -1;

	snprintf(export->ovf.name, sizeof(export->ovf.name), "%s", name);
	text_printable(export->ovf.name);
	export->ovf.cpus = 2;
	export->ovf.memory = 2 * GIB;
	if (dir < 0)
		return open_reference(export, name, err);
	close(dir);
	return open_machine(export, name, err);
}

static int copy_file(struct output *out, int fd, uint64_t size, uint64_t off, struct error *err)
{
	cleanup_free uint8_t *buf = malloc(PIECE);
	int r = buf ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < size && r == 0; at += PIECE) {
		size_t n = min_u64(PIECE, size - at);

		r = pread_all(fd, buf, n, at);
		if (r == 0)
			r = output_write(out, buf, n, off + at, err);
		else
			error_sys(err, -r, "%s", output_path(out));
	}
	return r;
}

static int put_member(struct output *out, const char *name, uint64_t size, uint64_t *at,
                      struct error *err)
{
	uint8_t head[512];
	int r;

	tar_head(name, size, head);
	r = output_write(out, head, sizeof(head), *at, err);
	*at += sizeof(head);
	return r;
}

/* The description first, as OVF wants it, and the disk. */
static int write_archive(struct export *export, const char *path, const char *disk,
                         struct convert_result *ret, struct error *err)
{
	cleanup(output_close) struct output *out = NULL;
	cleanup_close int fd = open(disk, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	uint64_t at = 0, size;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s", disk);
	size = (uint64_t)st.st_size;
	export->ovf.n_disks = 1;
	snprintf(export->ovf.disks[0].file, sizeof(export->ovf.disks[0].file), "disk.vmdk");
	export->ovf.disks[0].capacity = image_of(export)->size;
	r = ovf_write(&export->ovf, size, &text, &len, err);
	if (r == 0)
		r = output_open(path, cli_given(export->call, "force"), &out, err);
	if (r == 0)
		r = put_member(out, "machine.ovf", len, &at, err);
	if (r == 0)
		r = output_write(out, text, len, at, err);
	at += round_up(len, 512);
	if (r == 0)
		r = put_member(out, "disk.vmdk", size, &at, err);
	if (r == 0)
		r = copy_file(out, fd, size, at, err);
	/* Two blocks of zeros end it. */
	at += round_up(size, 512) + 1024;
	*ret = (struct convert_result){ .virtual_size = image_of(export)->size, .file_size = at };
	return r == 0 ? output_commit(out, at, err) : r;
}

static int write_ova(struct export *export, const char *path, const struct convert_options *options,
                     struct convert_result *ret, struct error *err)
{
	cleanup_free char *disk = NULL;
	int r;

	if (!options->force && access(path, F_OK) == 0)
		return error_set(err, EEXIST, "%s: is there already (--force replaces it)", path);
	if (asprintf(&disk, "%s.%d.vmdk", path, (int)getpid()) < 0)
		return error_sys(err, ENOMEM, "%s", path);
	r = qemu_vmdk_convert(image_of(export), disk, options, ret, err);
	if (r < 0)
		return r;
	r = write_archive(export, path, disk, ret, err);
	unlink(disk);
	return r;
}

/* The format that is said, or that the file's name stands for. */
static const char *format_of(const struct cli_call *call)
{
	static const char *const endings[][2] = {
		{ ".vhd", "vhd" }, { ".vhdx", "vhdx" }, { ".qcow2", "qcow2" }, { ".raw", "raw" },
		{ ".img", "raw" }, { ".vmdk", "vmdk" }, { ".ova", "ova" },
	};
	const char *dot = strrchr(call->arguments[1], '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(endings); i++)
		if (!strcasecmp(dot, endings[i][0]))
			return cli_text(call, "format", endings[i][1]);
	return cli_text(call, "format", NULL);
}

static int write_file(struct export *export, const char *format, struct convert_result *ret,
                      struct error *err)
{
	const struct cli_call *call = export->call;
	const char *path = call->arguments[1];
	struct progress progress;
	struct convert_options options = {
		.force = cli_given(call, "force"),
		.compress = !strcmp(format, "qcow2") && cli_given(call, "compress"),
		.progress = cli_show_progress,
		.arg = &progress,
	};
	int r = 0;

	if (strcmp(format, "vmdk") != 0 && strcmp(format, "ova") != 0)
		r = image_format_parse(format, &options.format, err);
	if (r < 0)
		return r;
	cli_catch_interrupts();
	progress_start(&progress, stderr, "exporting");
	if (!strcmp(format, "ova"))
		r = write_ova(export, path, &options, ret, err);
	else if (!strcmp(format, "vmdk"))
		r = qemu_vmdk_convert(image_of(export), path, &options, ret, err);
	else if (options.format == IMAGE_RAW || options.format == IMAGE_VHD)
		r = image_convert(image_of(export), path, &options, ret, err);
	else
		r = qemu_image_convert(image_of(export), path, NULL, &options, ret, err);
	progress_end(&progress);
	return r;
}

static int run(const struct cli_call *call, struct error *err)
{
	struct export export = { .call = call };
	const char *format = format_of(call);
	struct convert_result result;
	char virtual[16], file[16];
	int r;

	if (!format)
		return cli_usage(err,
		                 "the name of %s does not say its format: say --format raw, vhd, "
		                 "vhdx, qcow2, vmdk or ova",
		                 call->arguments[1]);
	if (cli_given(call, "compress") && strcmp(format, "qcow2") != 0)
		return cli_usage(err, "--compress is for qcow2");
	r = state_open(&export.state, err);
	if (r == 0)
		r = open_what(&export, err);
	if (r == 0 && export.left_out > 0)
		fprintf(stderr, "sill: export: %u more disks of %s are not exported\n",
		        export.left_out, call->arguments[0]);
	if (r == 0)
		r = write_file(&export, format, &result, err);
	if (r == 0)
		printf("%s: a disk of %s in a file of %s\n", call->arguments[1],
		       format_bytes(result.virtual_size, virtual),
		       format_bytes(result.file_size, file));
	image_close(export.index);
	machine_source_close(export.machine);
	state_close(export.state);
	return r;
}

const struct cli_verb verb_export = {
	.name = "export",
	.group = CLI_DISKS,
	.summary = "Write an image of the library, or a machine's disk, to a file",
	.description =
		"Write the disk to a file in a format that others read.  The file appears under "
		"its "
		"name when it is whole.  An OVA is a machine for VMware and VirtualBox, with its "
		"processors, memory and firmware.\n\n"
		"The disk of a machine is exported as it is, with its keys and logs; the machine "
		"has "
		"to stand still.  VHDX, qcow2, VMDK and OVA are written by QEMU's tools.",
	.arguments = { { .name = "NAME|REF",
	                 .type = CLI_TEXT,
	                 .help = "A machine, or an image of this computer's library" },
	               { .name = "FILE", .type = CLI_FILE, .help = "The file to write" } },
	.options = { { .name = "format",
	               .type = CLI_CHOICE,
	               .value = "FORMAT",
	               .choices = { "raw", "vhd", "vhdx", "qcow2", "vmdk", "ova" },
	               .help = "Format of the file, when its name does not end in .raw, .img, "
	                       ".vhd, "
	                       ".vhdx, .qcow2, .vmdk or .ova" },
	             { .name = "compress",
	               .letter = 'c',
	               .type = CLI_FLAG,
	               .help = "A qcow2 file compressed with zstd" },
	             { .name = "force",
	               .letter = 'f',
	               .type = CLI_FLAG,
	               .help = "Replace the file when it is there already" } },
	.examples = { { "sill export debian:12 debian.ova", "A machine for VirtualBox" },
	              { "sill export web web.qcow2", "A machine's disk as it is now" } },
	.run = run,
};
