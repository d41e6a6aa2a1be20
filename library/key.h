/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private ed25519 keys, and the folder that has a person's own: docs/trust.md, "Keys".
 *
 * The secret lives in the library that made it, which wipes it; what passes through here on the way
 * to a file or from one is wiped too.  No message has any of it.
 *
 * Threads: a key may sign in any thread, one at a time.
 */
#ifndef LIBRARY_KEY_H
#define LIBRARY_KEY_H

#include "library/public-key.h"
#include "util/cleanup.h"

#define KEY_PASSPHRASE_ROOM 1024u

struct key;

int key_new(struct key **ret, struct error *err);
/* NULL is allowed. */
void key_free(struct key *key);
DEFINE_CLEANUP(struct key *, key_free);

/*
 * Asked for when a key turns out to have a passphrase: its length, or -errno with a sentence.  Called
 * at most once; what it wrote is wiped.
 */
typedef int key_passphrase(void *arg, char ret[KEY_PASSPHRASE_ROOM], struct error *err);

/*
 * PKCS #8 in PEM, whoever made it.  -EINVAL for what is no such key, -ENOKEY when it has a passphrase
 * and `ask` is NULL, -EKEYREJECTED when that was another one.
 */
int key_parse(const char *text, size_t len, key_passphrase *ask, void *arg, struct key **ret,
              struct error *err);
/* The same from a file; -EPERM when other people may read it. */
int key_load(const char *path, key_passphrase *ask, void *arg, struct key **ret, struct error *err);

/*
 * Make DIR/NAME.pub and DIR/NAME.key, both flushed.  `passphrase` of `len` bytes; NULL: none.
 * -EEXIST when either is there.  DIR is made, closed to others.
 */
int key_save(const struct key *key, const char *dir, const char *name, const char *passphrase,
             size_t len, struct error *err);

void key_public(const struct key *key, uint8_t ret[KEY_BYTES]);
int key_sign(const struct key *key, const void *data, size_t len, uint8_t ret[KEY_SIGNATURE_BYTES],
             struct error *err);

/* One of a person's own. */
struct own_key {
	struct public_key public; /* its name is the file's */
	bool secret;              /* NAME.key is there too */
};

/* Those of a folder, by name; none when it is not there.  Free with free(). */
int key_folder_list(const char *dir, struct own_key **ret, size_t *ret_n, struct error *err);

#endif
