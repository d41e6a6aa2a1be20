// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill disk serve: an image as an NBD export.
 *
 * Becomes nbdkit with Sill's plugin.  The specification goes along as an unnamed file in memory, so
 * that nothing has to be cleaned up, whoever is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/near-disk.h"
#include "cli/options.h"
#include "machine/disk-server.h"
#include "util/io.h"
#include "util/text.h"

/* It will stand in the specification, which is JSON. */
static int check_name(const char *path, struct error *err)
{
	if (text_is_utf8(path))
		return 0;
	return error_set(err, EILSEQ,
	                 "--layer: %s: the name is not UTF-8, so it cannot be written down", path);
}

/* The layer that --layer names, made where there is none; made absolute. */
static int use_layer(const struct near_disk *near, const char *layer, json_t *spec,
                     struct error *err)
{
	cleanup_free char *path = NULL;
	json_t *list;
	int r = check_name(layer, err);

	if (r == 0)
		r = make_dirs(layer, 0700, err);
	if (r == 0)
		r = disk_layer_create(near->image_dir, layer, err);
	if (r < 0 && r != -EEXIST)
		return r;
	path = realpath(layer, NULL);
	if (!path)
		return error_sys(err, errno, "%s", layer);
	r = check_name(path, err);
	if (r < 0)
		return r;
	list = json_pack("[s]", path);
	return json_object_set_new(spec, "layers", list) < 0 ? error_sys(err, ENOMEM, "%s", layer)
	                                                     : 0;
}

/* A descriptor that nbdkit inherits. */
static int spec_fd(const json_t *spec, struct error *err)
{
	cleanup_free char *text = json_dumps(spec, JSON_INDENT(2));
	int fd = text ? memfd_create("specification", 0) : -1;

	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		return error_sys(err, text ? errno : ENOMEM, "specification of the disk");
	return fd;
}

static int complete(const struct cli_call *call, const struct near_disk *near, struct error *err)
{
	const char *layer = cli_text(call, "layer", NULL),
		   *control = cli_text(call, "control", NULL);
	char cwd[PATH_MAX];
	int r = layer ? use_layer(near, layer, near->spec, err) : 0;

	if (r < 0)
		return r;
	if (control && *control != '/' && !getcwd(cwd, sizeof(cwd)))
		return error_sys(err, errno, "the working directory");
	if (control)
		json_object_set_new(near->spec, "control",
		                    *control == '/' ? json_string(control)
		                                    : json_sprintf("%s/%s", cwd, control));
	return 0;
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(near_disk_free) struct near_disk *near = NULL;
	const char *path = cli_text(call, "unix", NULL);
	char plugin[PATH_MAX], spec[64], port[32];
	const char *where[] = { "--unix", path, NULL, NULL };
	int fd = -1, r;

	if (!path == !cli_given(call, "port"))
		return cli_usage(err, "say where to serve: either --unix or --port");
	snprintf(port, sizeof(port), "--port=%llu",
	         (unsigned long long)cli_number(call, "port", 0));
	if (!path) {
		where[0] = "--ipaddr";
		where[1] = cli_text(call, "address", "127.0.0.1");
		where[2] = port;
	}
	r = disk_server_plugin(plugin, sizeof(plugin), err);
	if (r == 0)
		r = near_disk_find(call, &near, err);
	if (r == 0)
		r = complete(call, near, err);
	if (r == 0)
		r = fd = spec_fd(near->spec, err);
	if (r < 0)
		return r;
	snprintf(spec, sizeof(spec), "spec=/dev/fd/%d", fd);
	fflush(stdout);
	execlp("nbdkit", "nbdkit", "--foreground", plugin, spec, where[0], where[1], where[2],
	       (char *)NULL);
	return error_sys(err, errno, "nbdkit");
}

const struct cli_verb verb_disk_serve = {
	.name = "disk serve",
	.group = CLI_DISKS,
	.summary = "Serve an image as a disk over NBD",
	.description =
		"Serve an image to any NBD client: qemu, nbdcopy, the kernel.  What is read is "
		"kept "
		"near, in the cache that machines of the same image use.  Without *--layer* the "
		"disk is read-only; with it, writes go to that directory, which belongs to the "
		"image from then on.\n\n"
		"The command stays until it is ended by SIGINT or SIGTERM.  What was written is "
		"flushed then; when that fails it says so, and the exit status is 1.",
	.arguments = { ARGUMENT_FILE_IMAGE },
	.options = { { .name = "unix",
	               .type = CLI_FILE,
	               .value = "SOCKET",
	               .help = "Serve on this Unix socket" },
	             { .name = "port",
	               .type = CLI_NUMBER,
	               .value = "PORT",
	               .low = 1,
	               .high = 65535,
	               .help = "Serve on this TCP port" },
	             { .name = "address",
	               .type = CLI_TEXT,
	               .value = "ADDRESS",
	               .help = "The address for --port; 127.0.0.1 unless said" },
	             { .name = "layer",
	               .type = CLI_DIRECTORY,
	               .value = "DIRECTORY",
	               .help = "Keep writes in this directory, which is made when it is not "
	                       "there" },
	             { .name = "fill",
	               .bare = true,
	               .type = CLI_BYTES,
	               .value = "RATE",
	               .help = "Fetch the whole image in the background, at most RATE bytes a "
	                       "second" },
	             OPTION_NO_READAHEAD,
	             { .name = "control",
	               .type = CLI_FILE,
	               .value = "SOCKET",
	               .help = "Answer control requests there (docs/disk-engine.md)" },
	             OPTION_FORMAT,
	             OPTION_PARENT,
	             OPTIONS_SOURCE },
	.examples = { { "sill disk serve --unix /tmp/disk https://example.org/debian-12.vhd",
	                "Look at it with nbdinfo 'nbd+unix:///?socket=/tmp/disk'" },
	              { "sill disk serve --port 10809 --layer work debian-12.vhd",
	                "A writable disk; the image stays as it is" } },
	.run = run,
};
