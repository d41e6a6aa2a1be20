// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/guest/identity.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "library/guest/content.h"
#include "library/guest/ext.h"
#include "library/guest/partition.h"

#define FSTAB_MAX (UINT32_C(64) << 10)
#define PAGE      4096u

/* A stretch of the disk that has, or could have, a file system. */
struct volume {
	struct partition partition; /* number 0: the whole disk */
	enum content_kind kind;
	struct ext *ext; /* NULL: nothing to look into */
	char mount[256]; /* where the system mounts it */
};

struct search {
	struct guest_disk *disk;
	bool strip;
	const struct identity_report *report;
	struct volume volumes[PARTITIONS_MAX];
	size_t n;
	struct volume *now; /* being looked through */
	char fstab[FSTAB_MAX];
};

static const char *volume_name(const struct volume *volume, char out[32])
{
	if (volume->partition.number == 0)
		return "the disk";
	snprintf(out, 32, "partition %u", volume->partition.number);
	return out;
}

static void found(void *arg, const char *what, const char *path)
{
	const struct search *search = arg;
	char where[PATH_MAX + 128], name[32];

	snprintf(where, sizeof(where), "%s: %s", volume_name(search->now, name), path);
	search->report->found(search->report->arg, what, where);
}

static int in_volume(const struct volume *volume, struct error *err)
{
	char name[32];

	return error_prefix(err, "%s", volume_name(volume, name));
}

static int list_volumes(struct search *search, struct error *err)
{
	struct partition_table *table = calloc(1, sizeof(*table));
	int r = table ? partition_table_read(search->disk, table, err)
	              : error_sys(err, ENOMEM, "disk");

	for (size_t i = 0; r == 0 && i < table->n; i++)
		search->volumes[search->n++].partition = table->at[i];
	if (r == 0 && search->n == 0)
		search->volumes[search->n++].partition =
			(struct partition){ .len = search->disk->size };
	free(table);
	return r;
}

/* Memory that was swapped out, behind the page that says that this is swap. */
static int look_at_swap(struct search *search, const struct volume *volume, struct error *err)
{
	const struct partition *p = &volume->partition;
	cleanup_free uint8_t *buf = malloc(MIB);
	bool any = false;
	int r = buf ? 0 : error_sys(err, ENOMEM, "swap");

	for (uint64_t at = PAGE; r == 0 && !any && at < p->len; at += MIB) {
		size_t len = min_u64(MIB, p->len - at);

		r = search->disk->read(search->disk, buf, len, p->off + at, err);
		for (size_t i = 0; r == 0 && i < len && !any; i++)
			any = buf[i] != 0;
	}
	if (r < 0 || !any)
		return r;
	found(search, "memory of the system", "swap");
	return search->strip ? search->disk->zero(search->disk, p->len - PAGE, p->off + PAGE, err)
	                     : 0;
}

static int open_volume(struct search *search, struct volume *volume, struct error *err)
{
	const struct partition *p = &volume->partition;
	char name[32], text[160];
	const char *content;
	int r;

	if (p->kind == PARTITION_BIOS_BOOT || p->kind == PARTITION_RESERVED)
		return 0;
	r = content_look(search->disk, p->off, p->len, &volume->kind, &content, err);
	if (r < 0)
		return r;
	search->now = volume;
	switch (volume->kind) {
	case CONTENT_ZERO:
		return 0;
	case CONTENT_SWAP:
		return look_at_swap(search, volume, err);
	case CONTENT_EXT:
		return ext_open(search->disk, p->off, p->len, search->strip, &volume->ext, err);
	case CONTENT_FAT:
		if (p->kind != PARTITION_EFI_SYSTEM)
			break;
		snprintf(text, sizeof(text),
		         "%s (EFI system, FAT) was not looked into: boot loaders are there",
		         volume_name(volume, name));
		search->report->note(search->report->arg, text);
		return 0;
	case CONTENT_UNKNOWN:
	case CONTENT_OTHER:
		break;
	}
	return error_set(err, EOPNOTSUPP, "it has %s, which cannot be looked into", content);
}

/* Is it this volume that a line of fstab names? */
static bool names_volume(const char *spec, const struct volume *volume)
{
	size_t len = strlen(spec), digits = 0;

	if (!strncmp(spec, "UUID=", 5))
		return volume->ext && !strcasecmp(spec + 5, volume->ext->uuid);
	if (!strncmp(spec, "LABEL=", 6))
		return volume->ext && volume->ext->label[0] &&
		       !strcmp(spec + 6, volume->ext->label);
	if (!strncmp(spec, "PARTUUID=", 9))
		return volume->partition.uuid[0] && !strcasecmp(spec + 9, volume->partition.uuid);
	if (strncmp(spec, "/dev/", 5) != 0 || strchr(spec + 5, '/'))
		return false;
	while (digits < len && spec[len - digits - 1] >= '0' && spec[len - digits - 1] <= '9')
		digits++;
	return digits > 0 && digits < 5 &&
	       strtoul(spec + len - digits, NULL, 10) == volume->partition.number;
}

static void read_fstab(struct search *search)
{
	char *save = NULL;

	for (char *line = strtok_r(search->fstab, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *words = NULL, *spec = strtok_r(line, " \t", &words);
		const char *mount = spec ? strtok_r(NULL, " \t", &words) : NULL;

		if (!mount || spec[0] == '#' || mount[0] != '/' ||
		    strlen(mount) >= sizeof(search->volumes[0].mount))
			continue;
		for (size_t i = 0; i < search->n; i++)
			if (names_volume(spec, &search->volumes[i]))
				snprintf(search->volumes[i].mount, sizeof(search->volumes[i].mount),
				         "%s", mount);
	}
}

/* Where each is mounted: as a fstab says, or else at the root. */
static void find_mounts(struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		struct volume *volume = &search->volumes[i];

		if (volume->ext && ext_read_file(volume->ext, "/etc/fstab", search->fstab,
		                                 sizeof(search->fstab), NULL) == 0)
			read_fstab(search);
	}
	for (size_t i = 0; i < search->n; i++)
		if (!search->volumes[i].mount[0])
			memcpy(search->volumes[i].mount, "/", 2);
}

static int look_into(struct search *search, struct volume *volume, struct error *err)
{
	int r;

	search->now = volume;
	volume->ext->found = found;
	volume->ext->arg = search;
	r = ext_apply_rules(volume->ext, volume->mount, err);
	return r < 0 ? r : ext_finish(volume->ext, err);
}

int identity_look(struct guest_disk *disk, bool strip, const struct identity_report *report,
                  struct error *err)
{
	struct search *search = calloc(1, sizeof(*search));
	int r;

	if (!search)
		return error_sys(err, ENOMEM, "disk");
	*search = (struct search){ .disk = disk, .strip = strip, .report = report };
	r = list_volumes(search, err);
	for (size_t i = 0; i < search->n && r == 0; i++) {
		r = open_volume(search, &search->volumes[i], err);
		if (r < 0)
			in_volume(&search->volumes[i], err);
	}
	if (r == 0)
		find_mounts(search);
	for (size_t i = 0; i < search->n && r == 0; i++) {
		if (!search->volumes[i].ext)
			continue;
		r = look_into(search, &search->volumes[i], err);
		if (r < 0)
			in_volume(&search->volumes[i], err);
	}
	for (size_t i = 0; i < search->n; i++)
		ext_close(search->volumes[i].ext);
	free(search);
	return r;
}
