/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of one trust.json know of each other. */
#ifndef LIBRARY_TRUST_INTERNAL_H
#define LIBRARY_TRUST_INTERNAL_H

#include "library/trust.h"

#define TRUST_VERSION 1

struct trust {
	json_t *root;
	json_t *keys, *policies, *pins; /* of the root, checked */
};

extern const char *const trust_states[]; /* by number; NULL ends them */

/* The number of a text among names behind the first; 0 when it is none of them. */
int trust_choice(const char *const *names, const json_t *value);

#endif
