/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one trust.json says: whose signatures count, what a name must have, what was seen.
 * docs/trust.md, "The trust store".
 *
 * The JSON that was read is what is kept, changed and written: it was checked whole on the way in,
 * and members that are not known stay in it.
 *
 * Trust: our own file, but perhaps edited by hand.  What makes no sense is an error, never less.
 * Threads: any number may look; one at a time may change.
 */
#ifndef LIBRARY_TRUST_H
#define LIBRARY_TRUST_H

#include <jansson.h>

#include "library/prefix.h"
#include "library/public-key.h"
#include "util/cleanup.h"

#define TRUST_MAX_BYTES    (UINT32_C(4) << 20)
#define TRUST_MAX_KEYS     4096u
#define TRUST_MAX_PREFIXES 256u /* of one key */
#define TRUST_MAX_POLICIES 4096u
#define TRUST_MAX_PINS     16384u
#define TRUST_MAX_RELEASE  ((UINT64_C(1) << 53) - 1)

struct trust;

/* Nobody is trusted, nothing was seen. */
int trust_new(struct trust **ret, struct error *err);
/* -EINVAL with a sentence that names the member. */
int trust_parse(const char *text, size_t len, struct trust **ret, struct error *err);
/* As text, which the caller frees.  -ENOSPC when it would be too long to be read again. */
int trust_text(const struct trust *trust, char **ret, struct error *err);
void trust_free(struct trust *trust);
DEFINE_CLEANUP(struct trust *, trust_free);

enum trust_state { TRUST_UNKNOWN, TRUST_TRUSTED, TRUST_DISTRUSTED };

/* A key, as long as the trust it is of is not changed. */
struct trust_key {
	const char *id, *name; /* "" without a name */
	const char *public;    /* base64; NULL: only the id is known */
	enum trust_state state;
	const json_t *prefixes; /* texts: what it may sign */
	int64_t since;
};

size_t trust_n_keys(const struct trust *trust);
void trust_key_at(const struct trust *trust, size_t i, struct trust_key *ret);
/* By id. */
bool trust_find_key(const struct trust *trust, const char *id, struct trust_key *ret);
/* Trusted is what is trusted for this name; distrusted is distrusted for all. */
enum trust_state trust_state_of(const struct trust *trust, const char *id, const char *name);

enum trust_policy { TRUST_UNSET, TRUST_REQUIRE, TRUST_REMEMBER, TRUST_NONE };
extern const char *const trust_policies[]; /* their names, by number; NULL ends them */

/* What holds for a name: the longest prefix wins.  *ret_prefix (or NULL) lasts as a key does. */
enum trust_policy trust_policy_of(const struct trust *trust, const char *name,
                                  const char **ret_prefix);

/* What was seen under a name. */
struct trust_pin {
	const char *name, *key;
	uint64_t release;
	int64_t created, since;
};

bool trust_find_pin(const struct trust *trust, const char *name, struct trust_pin *ret);
/* The key of other tags of that name: `id` when it is any one's, NULL when none was seen. */
const char *trust_key_of_others(const struct trust *trust, const char *name, const char *id);

/* For listings: the next one behind `after` (NULL: the first), as jansson iterates; NULL: no more. */
void *trust_next_policy(const struct trust *trust, void *after, const char **ret_prefix,
                        enum trust_policy *ret);
void *trust_next_pin(const struct trust *trust, void *after, struct trust_pin *ret);

/*
 * Changes; the time is `now`, in seconds since 1970.
 */

/*
 * Trust a key for one more prefix, called key->name.  -EEXIST: another one is called so.
 */
int trust_add_key(struct trust *trust, const struct public_key *key, const char *prefix,
                  int64_t now, struct error *err);
/* The id that a person means: an id, its beginning (8 characters at least), or a name. */
int trust_which_key(const struct trust *trust, const char *text, char ret[KEY_ID_ROOM],
                    struct error *err);
int trust_distrust(struct trust *trust, const char *id, int64_t now, struct error *err);
/* TRUST_UNSET takes it away; -ENOENT when it was not there. */
int trust_set_policy(struct trust *trust, const char *prefix, enum trust_policy policy,
                     struct error *err);

/* What an accepted image leaves behind (library/policy.h). */
struct trust_memory {
	char name[PREFIX_MAX + 1];
	char key[KEY_ID_ROOM];
	char was[KEY_ID_ROOM]; /* the key that was remembered before; "" when none was */
	uint64_t release;
	int64_t created;
};

/* -EAGAIN: another key was remembered meanwhile, so what was judged is not what holds. */
int trust_remember(struct trust *trust, const struct trust_memory *memory, int64_t now,
                   struct error *err);
/* -ENOENT. */
int trust_forget(struct trust *trust, const char *name, struct error *err);

#endif
