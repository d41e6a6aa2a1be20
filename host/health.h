/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Was this start of a Sill PC a good one?  The boot menu counts starts until somebody says so
 * (docs/appliance.md, "The start").
 */
#ifndef HOST_HEALTH_H
#define HOST_HEALTH_H

#include <stdbool.h>

#include "host/facts.h"

/* What is looked at. */
struct health {
	bool bare;      /* the menu said: without the hypervisor */
	bool beneath;   /* CPUID says that Sill is beneath */
	bool module;    /* /dev/sill answers */
	bool has_svm;   /* AMD-V is to be had, which Sill would hide */
	bool data_kept; /* the data partition is mounted */
	int data_error; /* of writing a file there and flushing it: errno, or 0 */
};

/* NULL when it is good; else why not, as a sentence's end. */
const char *health_verdict(const struct health *health);

/* Look at this host. */
void health_look(const struct host_root *root, const struct state *state, struct health *ret);

/*
 * Tell the boot menu that the slot which runs is good: tries=0, good=SLOT, in the environment block at
 * `boot_env`.  -EHOSTDOWN with the verdict when it is not; then nothing is written.
 */
int host_confirm(const struct host_root *root, const struct state *state, const char *boot_env,
                 struct error *err);

#endif
