// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/appliance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/tar.h"
#include "util/io.h"

#define HEAD 512u

/* Where things are in an archive. */
struct contents {
	struct tar_member ovf; /* the first description; no name: none yet */
	const struct ovf *wanted;
	struct appliance *appliance;
};

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a > b && !strcasecmp(text + a - b, end);
}

static int take_ovf(void *arg, const struct tar_member *member,
                    struct error *err __attribute__((unused)))
{
	struct contents *contents = arg;

	if (!contents->ovf.name[0] && ends_with(member->name, ".ovf"))
		contents->ovf = *member;
	return 0;
}

static int take_disks(void *arg, const struct tar_member *member,
                      struct error *err __attribute__((unused)))
{
	const struct contents *contents = arg;

	for (size_t i = 0; i < contents->wanted->n_disks; i++) {
		struct appliance_disk *disk = &contents->appliance->disks[i];

		if (!strcmp(contents->wanted->disks[i].file, member->name)) {
			disk->off = member->off;
			disk->len = member->size;
		}
	}
	return 0;
}

static int parse(struct appliance *appliance, const char *path, const char *text, size_t len,
                 struct error *err)
{
	int r = ovf_parse(text, len, &appliance->ovf, err);

	if (r < 0)
		error_prefix(err, "%s: description of the machine", path);
	for (size_t i = 0; r == 0 && i < appliance->ovf.n_disks; i++)
		if (!appliance->ovf.disks[i].file[0])
			r = error_set(err, ENOTSUP, "%s: its disk %zu is empty: it has no file",
			              path, i + 1);
	return r;
}

static int read_archive(struct appliance *appliance, const char *path, struct error *err)
{
	cleanup(source_close) struct source *file = NULL;
	cleanup_free char *text = NULL;
	struct contents contents = { .wanted = &appliance->ovf, .appliance = appliance };
	int r = source_open(path, NULL, &file, err);

	if (r == 0)
		r = tar_each(file, take_ovf, &contents, err);
	if (r < 0)
		return r;
	if (!contents.ovf.name[0])
		return error_set(err, EBADMSG, "%s: no machine is described in it (OVF)", path);
	if (contents.ovf.size > OVF_MAX_BYTES)
		return error_set(err, EBADMSG, "%s: the description of the machine is too long",
		                 path);
	text = malloc(contents.ovf.size + 1);
	if (!text)
		return error_sys(err, ENOMEM, "%s", path);
	r = source_read(file, text, contents.ovf.size, contents.ovf.off, NULL, err);
	if (r == 0)
		r = parse(appliance, path, text, contents.ovf.size, err);
	if (r == 0)
		r = tar_each(file, take_disks, &contents, err);
	for (size_t i = 0; r == 0 && i < appliance->ovf.n_disks; i++) {
		appliance->disks[i].path = strdup(path);
		if (!appliance->disks[i].path)
			r = error_sys(err, ENOMEM, "%s", path);
		else if (appliance->disks[i].len == 0)
			r = error_set(err, EBADMSG, "%s: %s is not in it", path,
			              appliance->ovf.disks[i].file);
	}
	return r;
}

static int read_beside(struct appliance *appliance, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(AT_FDCWD, path, OVF_MAX_BYTES, &text, &len, err);

	if (r == 0)
		r = parse(appliance, path, text, len, err);
	for (size_t i = 0; r == 0 && i < appliance->ovf.n_disks; i++)
		if (asprintf(&appliance->disks[i].path, "%.*s%s",
		             slash ? (int)(slash - path + 1) : 0, path,
		             appliance->ovf.disks[i].file) < 0) {
			appliance->disks[i].path = NULL;
			r = error_sys(err, ENOMEM, "%s", path);
		}
	return r;
}

int appliance_open(const char *path, struct appliance **ret, struct error *err)
{
	cleanup(appliance_close) struct appliance *appliance = NULL;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t head[HEAD] = { 0 };
	bool archive, ovf;
	struct stat st;
	int r;

	*ret = NULL;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    pread(fd, head, sizeof(head), 0) <= 0)
		return 0;
	archive = tar_begins(head);
	ovf = ends_with(path, ".ovf");
	if (!archive && !ovf)
		return 0;
	appliance = calloc(1, sizeof(*appliance));
	if (!appliance)
		return error_sys(err, ENOMEM, "%s", path);
	r = archive ? read_archive(appliance, path, err) : read_beside(appliance, path, err);
	if (r == 0)
		*ret = take_ptr(appliance);
	return r;
}

void appliance_close(struct appliance *appliance)
{
	for (size_t i = 0; appliance && i < OVF_MAX_DISKS; i++)
		free(appliance->disks[i].path);
	free(appliance);
}
