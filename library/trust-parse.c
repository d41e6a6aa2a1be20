// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trust.json as text: checked whole before anything of it is believed.
 */
#include "library/trust.h"

#include <errno.h>
#include <string.h>

#include "library/trust-internal.h"
#include "util/base64.h"
#include "util/utc.h"

const char *const trust_states[] = { "unknown", "trusted", "distrusted", NULL };
const char *const trust_policies[] = { "default", "require", "remember", "none", NULL };

int trust_choice(const char *const *names, const json_t *value)
{
	const char *text = json_string_value(value);

	for (int i = 1; text && names[i]; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
	}
	return 0;
}

static int check_time(const json_t *object, const char *member, struct error *err)
{
	const char *text = json_string_value(json_object_get(object, member));
	int64_t ignored;

	if (!text || parse_utc(text, &ignored, NULL) < 0)
		return error_set(err, EINVAL, "\"%s\" is not a time such as 2026-11-21T22:54:24Z",
		                 member);
	return 0;
}

static int check_prefixes(const json_t *list, bool needed, struct error *err)
{
	const json_t *prefix = NULL;
	size_t i = 0;

	if (!list && !needed)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > TRUST_MAX_PREFIXES ||
	    (needed && json_array_size(list) == 0))
		return error_set(err, EINVAL, "\"for\" is not a list of 1 to %u prefixes",
		                 TRUST_MAX_PREFIXES);
	json_array_foreach (list, i, prefix) {
		if (!json_is_string(prefix))
			return error_set(err, EINVAL, "\"for\" has something that is no text");
		if (prefix_check(json_string_value(prefix), err) < 0)
			return -EINVAL;
	}
	return 0;
}

/* `id` is the digest of `text`, which is a key in base64. */
static int check_public(const char *id, const char *text, struct error *err)
{
	uint8_t bytes[KEY_BYTES];
	char real[KEY_ID_ROOM];
	size_t len;

	if (base64_decode(text, strlen(text), bytes, sizeof(bytes), &len) < 0 || len != KEY_BYTES)
		return error_set(err, EINVAL, "\"public\" is not the base64 of 32 bytes");
	key_id(bytes, real);
	if (strcmp(real, id) != 0)
		return error_set(err, EINVAL, "\"public\" is the key %s, and not %s", real, id);
	return 0;
}

/* `seen` has the ids so far. */
static int check_key(const json_t *key, json_t *seen, struct error *err)
{
	const char *id = json_string_value(json_object_get(key, "id"));
	const json_t *public = json_object_get(key, "public"), *name = json_object_get(key, "name");
	int state = trust_choice(trust_states, json_object_get(key, "state"));
	int r;

	if (!id || !key_id_valid(id))
		return error_set(err, EINVAL, "\"id\" is not SHA256: and 43 characters of base64");
	if (json_object_get(seen, id))
		return error_set(err, EINVAL, "%s is there twice", id);
	if (json_object_set_new(seen, id, json_true()) < 0)
		return error_sys(err, ENOMEM, "keys");
	if (!state)
		return error_set(err, EINVAL, "\"state\" is neither trusted nor distrusted");
	if ((public && !json_is_string(public)) || (!public && state == TRUST_TRUSTED))
		return error_set(err, EINVAL, "\"public\" is missing");
	r = public ? check_public(id, json_string_value(public), err) : 0;
	if (r == 0 && name && !json_is_string(name))
		r = error_set(err, EINVAL, "\"name\" is no text");
	if (r == 0 && name && json_string_length(name) > 0)
		r = key_name_check(json_string_value(name), err);
	if (r == 0)
		r = check_prefixes(json_object_get(key, "for"), state == TRUST_TRUSTED, err);
	return r < 0 ? r : check_time(key, "since", err);
}

static int check_keys(const json_t *keys, struct error *err)
{
	json_t *seen = json_object();
	const json_t *key = NULL;
	size_t i = 0;
	int r = 0;

	if (!json_is_array(keys) || json_array_size(keys) > TRUST_MAX_KEYS)
		r = error_set(err, EINVAL, "field \"keys\" is not a list of at most %u",
		              TRUST_MAX_KEYS);
	json_array_foreach (keys, i, key) {
		r = r < 0 ? r : check_key(key, seen, err);
		if (r < 0) {
			error_prefix(err, "key %zu", i + 1);
			break;
		}
	}
	json_decref(seen);
	return r;
}

static int check_policies(json_t *policies, struct error *err)
{
	const char *prefix = NULL;
	json_t *value = NULL;

	if (!json_is_object(policies) || json_object_size(policies) > TRUST_MAX_POLICIES)
		return error_set(err, EINVAL, "field \"policies\" is not an object of at most %u",
		                 TRUST_MAX_POLICIES);
	json_object_foreach (policies, prefix, value) {
		if (prefix_check(prefix, err) < 0)
			return -EINVAL;
		if (!trust_choice(trust_policies, value))
			return error_set(err, EINVAL,
			                 "the policy of %s is none of: require, remember, none",
			                 prefix);
	}
	return 0;
}

static int check_pin(const char *name, const json_t *pin, struct error *err)
{
	const char *key = json_string_value(json_object_get(pin, "key"));
	const json_t *release = json_object_get(pin, "release");
	json_int_t n = json_integer_value(release);
	int r = prefix_check(name, err);

	if (r < 0)
		return r;
	if (!key || !key_id_valid(key))
		return error_set(err, EINVAL, "\"key\" is not SHA256: and 43 characters of base64");
	if (!json_is_integer(release) || n < 0 || (uint64_t)n > TRUST_MAX_RELEASE)
		return error_set(err, EINVAL, "\"release\" is not a number from 0 to 2^53 - 1");
	r = check_time(pin, "created", err);
	return r < 0 ? r : check_time(pin, "since", err);
}

static int check_pins(json_t *pins, struct error *err)
{
	const char *name = NULL;
	json_t *pin = NULL;

	if (!json_is_object(pins) || json_object_size(pins) > TRUST_MAX_PINS)
		return error_set(err, EINVAL, "field \"pins\" is not an object of at most %u",
		                 TRUST_MAX_PINS);
	json_object_foreach (pins, name, pin) {
		int r = check_pin(name, pin, err);

		if (r < 0) {
			error_prefix(err, "pin of %.80s", name);
			return r;
		}
	}
	return 0;
}

/* A member that may be missing becomes an empty one. */
static json_t *member(json_t *root, const char *name, json_t *(*make)(void))
{
	if (!json_object_get(root, name))
		json_object_set_new(root, name, make());
	return json_object_get(root, name);
}

/* Takes `root` over. */
static int settle(json_t *root, struct trust **ret, struct error *err)
{
	cleanup(trust_free) struct trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust) {
		json_decref(root);
		return error_sys(err, ENOMEM, "trust store");
	}
	trust->root = root;
	if (json_integer_value(json_object_get(root, "version")) != TRUST_VERSION)
		return error_set(err, EINVAL, "field \"version\" is not %d", TRUST_VERSION);
	trust->keys = member(root, "keys", json_array);
	trust->policies = member(root, "policies", json_object);
	trust->pins = member(root, "pins", json_object);
	r = check_keys(trust->keys, err);
	if (r == 0)
		r = check_policies(trust->policies, err);
	if (r == 0)
		r = check_pins(trust->pins, err);
	if (r == 0)
		*ret = take_ptr(trust);
	return r;
}

int trust_new(struct trust **ret, struct error *err)
{
	return settle(json_pack("{si}", "version", TRUST_VERSION), ret, err);
}

int trust_parse(const char *text, size_t len, struct trust **ret, struct error *err)
{
	json_error_t wrong;
	json_t *root = len > TRUST_MAX_BYTES
	                       ? NULL
	                       : json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);

	if (len > TRUST_MAX_BYTES)
		return error_set(err, EFBIG, "has more than %u bytes", TRUST_MAX_BYTES);
	if (!root)
		return error_set(err, EINVAL, "line %d: %s", wrong.line, wrong.text);
	return settle(root, ret, err);
}

int trust_text(const struct trust *trust, char **ret, struct error *err)
{
	char *text = json_dumps(trust->root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (!text)
		return error_sys(err, ENOMEM, "trust store");
	/* What could not be read again must not be written. */
	if (strlen(text) > TRUST_MAX_BYTES) {
		free(text);
		return error_set(err, ENOSPC, "there is no room for more (%u bytes)",
		                 TRUST_MAX_BYTES);
	}
	*ret = text;
	return 0;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	json_decref(trust->root);
	free(trust);
}
