/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two trust.json that hold for a person, read together, and the one that is the person's own,
 * changed.  docs/trust.md, "The trust store".
 *
 * Any process may read at any time and sees the file before a change or after it; writers wait for
 * each other.
 */
#ifndef LIBRARY_TRUST_STORE_H
#define LIBRARY_TRUST_STORE_H

#include "library/trust.h"

struct trust_store {
	struct trust *own;
	struct trust *host; /* NULL: there is none, or it is the person's own */
};

/* What util/config.h says where the files are; ones that are not there are empty. */
int trust_store_open(struct trust_store *ret, struct error *err);
/* The same at these paths; `host` may be NULL. */
int trust_store_load(const char *own, const char *host, struct trust_store *ret, struct error *err);
void trust_store_close(struct trust_store *store);
static inline void trust_store_close_at(struct trust_store *at)
{
	trust_store_close(at);
}

/* *ret_name: what the key is called here, or "". */
enum trust_state trust_store_state(const struct trust_store *store, const char *id,
                                   const char *name, const char **ret_name);
/* Never TRUST_UNSET.  *ret_prefix: whose policy it is, NULL when it is the rule for all others. */
enum trust_policy trust_store_policy(const struct trust_store *store, const char *name,
                                     const char **ret_prefix);

/* What to do with the person's own, which was read again and is written when this gives 0. */
typedef int trust_change(struct trust *trust, void *arg, struct error *err);

int trust_store_change(trust_change *change, void *arg, struct error *err);
int trust_store_change_at(const char *path, trust_change *change, void *arg, struct error *err);

/* trust_remember(), kept.  Call it when the image was taken over. */
int trust_store_remember(const struct trust_memory *memory, int64_t now, struct error *err);

#endif
