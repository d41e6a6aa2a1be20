/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_SPEC_H
#define DISK_SPEC_H

#include "disk/disk.h"

/* docs/disk-engine.md, "The specification of a disk".  An absent text is NULL, a list empty. */
struct disk_spec {
	unsigned int refs; /* with __atomic */
	char *image; /* directory of the image's near content; NULL only before it is resolved */
	struct source_places sources;
	enum image_format format;
	struct source_places parents; /* other places of one file */
	char *credentials;
	char *ca;
	char **layers; /* bottom first; none: the disk is read-only */
	size_t n_layers;
	bool fill;
	uint64_t fill_rate; /* bytes a second; 0: no limit */
	uint64_t hedge_percent;
	uint64_t deadline_ms; /* 0: the source's default */
	uint64_t stall_ms;    /* likewise */
	bool trace_record;
	bool trace_replay;
	bool readahead, sweep;
	char *control; /* path of the control socket; NULL: none */
};

/* One more owner: each calls disk_spec_free(). */
struct disk_spec *disk_spec_ref(const struct disk_spec *spec);

#endif
