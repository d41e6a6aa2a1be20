// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking at what was checked, and changing it.
 */
#include "library/trust.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "library/trust-internal.h"
#include "util/base64.h"
#include "util/utc.h"

#define LEAST_OF_AN_ID 15u /* "SHA256:" and 8 characters */

/* A time that was checked, or that we wrote. */
static int64_t time_at(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	int64_t seconds = 0;

	if (text)
		parse_utc(text, &seconds, NULL);
	return seconds;
}

static json_t *time_text(int64_t seconds)
{
	char text[UTC_BYTES];

	return json_string(format_utc(seconds, text));
}

size_t trust_n_keys(const struct trust *trust)
{
	return json_array_size(trust->keys);
}

void trust_key_at(const struct trust *trust, size_t i, struct trust_key *ret)
{
	const json_t *key = json_array_get(trust->keys, i);
	const char *name = json_string_value(json_object_get(key, "name"));

	*ret = (struct trust_key){
		.id = json_string_value(json_object_get(key, "id")),
		.name = name ? name : "",
		.public = json_string_value(json_object_get(key, "public")),
		.state =
			(enum trust_state)trust_choice(trust_states, json_object_get(key, "state")),
		.prefixes = json_object_get(key, "for"),
		.since = time_at(key, "since"),
	};
}

/* Its place among the keys, or their number. */
static size_t place_of(const struct trust *trust, const char *id)
{
	const json_t *key = NULL;
	size_t i = 0;

	json_array_foreach (trust->keys, i, key) {
		if (strcmp(json_string_value(json_object_get(key, "id")), id) == 0)
			break;
	}
	return i;
}

bool trust_find_key(const struct trust *trust, const char *id, struct trust_key *ret)
{
	size_t i = place_of(trust, id);

	if (i == trust_n_keys(trust))
		return false;
	trust_key_at(trust, i, ret);
	return true;
}

enum trust_state trust_state_of(const struct trust *trust, const char *id, const char *name)
{
	const json_t *prefix = NULL;
	struct trust_key key;
	size_t i = 0;

	if (!trust_find_key(trust, id, &key))
		return TRUST_UNKNOWN;
	if (key.state == TRUST_DISTRUSTED)
		return TRUST_DISTRUSTED;
	json_array_foreach (key.prefixes, i, prefix) {
		if (prefix_covers(json_string_value(prefix), name) > 0)
			return TRUST_TRUSTED;
	}
	return TRUST_UNKNOWN;
}

enum trust_policy trust_policy_of(const struct trust *trust, const char *name,
                                  const char **ret_prefix)
{
	enum trust_policy policy = TRUST_UNSET;
	const char *prefix = NULL;
	json_t *value = NULL;
	size_t most = 0;

	json_object_foreach (trust->policies, prefix, value) {
		size_t covers = prefix_covers(prefix, name);

		if (covers > most) {
			most = covers;
			policy = (enum trust_policy)trust_choice(trust_policies, value);
			if (ret_prefix)
				*ret_prefix = prefix;
		}
	}
	return policy;
}

static void take_pin(const char *name, const json_t *pin, struct trust_pin *ret)
{
	*ret = (struct trust_pin){
		.name = name,
		.key = json_string_value(json_object_get(pin, "key")),
		.release = (uint64_t)json_integer_value(json_object_get(pin, "release")),
		.created = time_at(pin, "created"),
		.since = time_at(pin, "since"),
	};
}

bool trust_find_pin(const struct trust *trust, const char *name, struct trust_pin *ret)
{
	const json_t *pin = json_object_get(trust->pins, name);

	if (pin)
		take_pin(name, pin, ret);
	return pin != NULL;
}

const char *trust_key_of_others(const struct trust *trust, const char *name, const char *id)
{
	size_t stem = canonical_stem(name);
	const char *other = NULL, *found = NULL;
	json_t *pin = NULL;

	json_object_foreach (trust->pins, other, pin) {
		const char *key = json_string_value(json_object_get(pin, "key"));

		if (canonical_stem(other) != stem || strncmp(other, name, stem) != 0 ||
		    strcmp(other, name) == 0)
			continue;
		if (!found || strcmp(key, id) == 0)
			found = key;
	}
	return found;
}

void *trust_next_policy(const struct trust *trust, void *after, const char **ret_prefix,
                        enum trust_policy *ret)
{
	void *at = after ? json_object_iter_next(trust->policies, after)
	                 : json_object_iter(trust->policies);

	if (at) {
		*ret_prefix = json_object_iter_key(at);
		*ret = (enum trust_policy)trust_choice(trust_policies, json_object_iter_value(at));
	}
	return at;
}

void *trust_next_pin(const struct trust *trust, void *after, struct trust_pin *ret)
{
	void *at =
		after ? json_object_iter_next(trust->pins, after) : json_object_iter(trust->pins);

	if (at)
		take_pin(json_object_iter_key(at), json_object_iter_value(at), ret);
	return at;
}

static int no_memory(struct error *err)
{
	return error_sys(err, ENOMEM, "trust store");
}

/* The name is free, or this key's. */
static int check_name(const struct trust *trust, const char *name, const char *id,
                      struct error *err)
{
	for (size_t i = 0; *name && i < trust_n_keys(trust); i++) {
		struct trust_key key;

		trust_key_at(trust, i, &key);
		if (strcmp(key.name, name) == 0 && strcmp(key.id, id) != 0)
			return error_set(err, EEXIST, "another key is called %s already: %s", name,
			                 key.id);
	}
	return 0;
}

/* The object of a key; a new one when it is not there. */
static json_t *have_key(struct trust *trust, const char *id, int64_t now, struct error *err)
{
	size_t i = place_of(trust, id);

	if (i == TRUST_MAX_KEYS) {
		error_set(err, ENOSPC, "there are %u keys already", TRUST_MAX_KEYS);
		return NULL;
	}
	if (i == trust_n_keys(trust) &&
	    json_array_append_new(trust->keys,
	                          json_pack("{ss so}", "id", id, "since", time_text(now))) < 0) {
		no_memory(err);
		return NULL;
	}
	return json_array_get(trust->keys, i);
}

/* The list of prefixes has this one. */
static int have_prefix(json_t *key, const char *prefix, struct error *err)
{
	json_t *list = json_object_get(key, "for"), *one = NULL;
	size_t i = 0;

	if (!list && json_object_set_new(key, "for", json_array()) < 0)
		return no_memory(err);
	list = json_object_get(key, "for");
	json_array_foreach (list, i, one) {
		if (strcmp(json_string_value(one), prefix) == 0)
			return 0;
	}
	if (i == TRUST_MAX_PREFIXES)
		return error_set(err, ENOSPC, "the key is trusted for %u prefixes already",
		                 TRUST_MAX_PREFIXES);
	return json_array_append_new(list, json_string(prefix)) < 0 ? no_memory(err) : 0;
}

static int set_state(json_t *key, enum trust_state state, int64_t now, struct error *err)
{
	const char *old = json_string_value(json_object_get(key, "state"));

	if (old && strcmp(old, trust_states[state]) == 0)
		return 0;
	if (json_object_set_new(key, "state", json_string(trust_states[state])) < 0 ||
	    json_object_set_new(key, "since", time_text(now)) < 0)
		return no_memory(err);
	return 0;
}

int trust_add_key(struct trust *trust, const struct public_key *key, const char *prefix,
                  int64_t now, struct error *err)
{
	char id[KEY_ID_ROOM], text[BASE64_ROOM(KEY_BYTES)];
	json_t *object;
	int r;

	key_id(key->bytes, id);
	base64_encode(key->bytes, KEY_BYTES, text);
	r = prefix_check(prefix, err);
	if (r == 0)
		r = check_name(trust, key->name, id, err);
	if (r < 0)
		return r;
	object = have_key(trust, id, now, err);
	if (!object)
		return -ENOSPC;
	if (json_object_set_new(object, "public", json_string(text)) < 0 ||
	    (key->name[0] && json_object_set_new(object, "name", json_string(key->name)) < 0))
		return no_memory(err);
	/* What it was trusted for before somebody distrusted it is not meant now. */
	if (trust_choice(trust_states, json_object_get(object, "state")) == TRUST_DISTRUSTED)
		json_object_del(object, "for");
	r = have_prefix(object, prefix, err);
	return r < 0 ? r : set_state(object, TRUST_TRUSTED, now, err);
}

/* Keep `id` when it is what `text` means; another one kept before makes it unclear. */
static int offer(const char *id, const char *text, char ret[KEY_ID_ROOM])
{
	if (strncmp(id, text, strlen(text)) != 0 || strcmp(ret, id) == 0)
		return 0;
	if (*ret)
		return -EINVAL;
	snprintf(ret, KEY_ID_ROOM, "%s", id);
	return 0;
}

int trust_which_key(const struct trust *trust, const char *text, char ret[KEY_ID_ROOM],
                    struct error *err)
{
	char found[KEY_ID_ROOM] = "";
	struct trust_pin pin;
	int r = 0;

	if (key_id_valid(text)) {
		snprintf(ret, KEY_ID_ROOM, "%s", text);
		return 0;
	}
	for (size_t i = 0; i < trust_n_keys(trust); i++) {
		struct trust_key key;

		trust_key_at(trust, i, &key);
		if (strcmp(key.name, text) == 0) {
			snprintf(ret, KEY_ID_ROOM, "%s", key.id);
			return 0;
		}
		if (strlen(text) >= LEAST_OF_AN_ID && r == 0)
			r = offer(key.id, text, found);
	}
	for (void *at = NULL; strlen(text) >= LEAST_OF_AN_ID && r == 0;) {
		at = trust_next_pin(trust, at, &pin);
		if (!at)
			break;
		r = offer(pin.key, text, found);
	}
	if (r < 0)
		return error_set(err, EINVAL, "more than one key begins with %s", text);
	if (!*found)
		return error_set(err, ENOENT, "there is no key '%.80s' (sill key list)", text);
	memcpy(ret, found, sizeof(found));
	return 0;
}

int trust_distrust(struct trust *trust, const char *id, int64_t now, struct error *err)
{
	json_t *object = have_key(trust, id, now, err);

	return object ? set_state(object, TRUST_DISTRUSTED, now, err) : -ENOSPC;
}

int trust_set_policy(struct trust *trust, const char *prefix, enum trust_policy policy,
                     struct error *err)
{
	int r = prefix_check(prefix, err);

	if (r < 0)
		return r;
	if (policy == TRUST_UNSET) {
		if (json_object_del(trust->policies, prefix) < 0)
			return error_set(err, ENOENT, "no policy is set for %s", prefix);
		return 0;
	}
	if (!json_object_get(trust->policies, prefix) &&
	    json_object_size(trust->policies) >= TRUST_MAX_POLICIES)
		return error_set(err, ENOSPC, "there are %u policies already", TRUST_MAX_POLICIES);
	if (json_object_set_new(trust->policies, prefix, json_string(trust_policies[policy])) < 0)
		return no_memory(err);
	return 0;
}

int trust_remember(struct trust *trust, const struct trust_memory *memory, int64_t now,
                   struct error *err)
{
	json_t *pin = json_object_get(trust->pins, memory->name);
	struct trust_pin old = { .since = now };
	int r = prefix_check(memory->name, err);

	if (r < 0)
		return r;
	if (!pin && json_object_size(trust->pins) >= TRUST_MAX_PINS)
		return error_set(err, ENOSPC, "%u images are remembered already (sill key forget)",
		                 TRUST_MAX_PINS);
	if (!pin && json_object_set_new(trust->pins, memory->name,
	                                json_pack("{so}", "since", time_text(now))) < 0)
		return no_memory(err);
	if (pin) {
		take_pin(memory->name, pin, &old);
		if (strcmp(old.key, memory->was) != 0 && strcmp(old.key, memory->key) != 0)
			return error_set(err, EAGAIN,
			                 "%s: another program has meanwhile remembered another key",
			                 memory->name);
	}
	pin = json_object_get(trust->pins, memory->name);
	/* Somebody else may have seen a newer one since this was judged. */
	if (memory->release > old.release ||
	    (memory->release == old.release && memory->created > old.created)) {
		old.release = memory->release;
		old.created = memory->created;
	}
	if (json_object_set_new(pin, "key", json_string(memory->key)) < 0 ||
	    json_object_set_new(pin, "release", json_integer((json_int_t)old.release)) < 0 ||
	    json_object_set_new(pin, "created", time_text(old.created)) < 0)
		return no_memory(err);
	return 0;
}

int trust_forget(struct trust *trust, const char *name, struct error *err)
{
	if (json_object_del(trust->pins, name) < 0)
		return error_set(err, ENOENT, "nothing is remembered of %.200s (sill key list)",
		                 name);
	return 0;
}
