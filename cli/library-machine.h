/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine out of a library's image: what run and create do with a reference.  docs/library.md,
 * "Running from a reference".
 */
#ifndef CLI_LIBRARY_MACHINE_H
#define CLI_LIBRARY_MACHINE_H

#include "cli/judge.h"
#include "cli/library.h"
#include "disk/source/places.h"
#include "library/machine-image.h"
#include "machine/manifest.h"

struct library_machine {
	struct cli_libraries known;
	struct reference ref;
	struct library_found found;
	struct machine_image image;
	struct policy_answer answer;
	char *places[2]; /* of its system disk's index: here, and where it came from */
	char *stem;      /* what a name for the machine is made of */
};

/*
 * Find the image that `text` names, judge it, and see where its disk is.  Nothing is brought here
 * but its manifest, signatures and configuration.  *ret must stay where it is until
 * library_machine_free(), which frees what it has, also after a failure.
 */
int library_machine_find(const struct cli_call *call, const char *text, struct library_machine *ret,
                         struct error *err);
void library_machine_free(struct library_machine *machine);
static inline void library_machine_free_at(struct library_machine **at)
{
	if (*at)
		library_machine_free(*at);
	free(*at);
}

/* Its disk as the field "sources" of a disk's specification has it; the caller owns *ret. */
int library_machine_sources(const struct library_machine *machine, json_t **ret, struct error *err);

/* What the image recommends, where the command line says nothing else; where it came from. */
int library_machine_settings(const struct cli_call *call, const struct library_machine *machine,
                             struct manifest *m, struct error *err);

/* The machine was made as `name`: firmware's variables go there, and the key is remembered. */
int library_machine_made(const struct library_machine *machine, const char *name,
                         struct error *err);

#endif
