// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A machine's configuration as JSON: docs/library.md, "The manifest".  Pure; any thread.
 */
#include "library/machine-image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/format/index.h"
#include "library/reference.h"

#define CONFIG_VERSION 1
#define MAX_PROFILES   16u
#define MAX_PROFILE    64u
#define MAX_CPUS       4096
#define MAX_MEMORY     (INT64_C(1) << 53)

static const char *const roles[] = { "system", "data", "profile" };
static const char *const firmwares[] = { "auto", "bios", "uefi" };

static int pick(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; text && i < n; i++)
		if (strcmp(names[i], text) == 0)
			return (int)i;
	return -1;
}

/* Small letters, digits and '-', and what else is allowed. */
static bool plain(const char *text, size_t max, const char *also)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", text[i]) &&
		    !strchr(also, text[i]))
			return false;
	return true;
}

/* A text member that is left out or plain. */
static int take_word(const json_t *root, const char *key, const char *also, char ret[32],
                     struct error *err)
{
	const json_t *value = json_object_get(root, key);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || !plain(text, 31, also))
		return error_set(err, EBADMSG, "\"%s\" is no word of at most 31 characters", key);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* A number that is left out or from 0 to `max`. */
static int take_number(const json_t *object, const char *key, json_int_t max, uint64_t *ret,
                       struct error *err)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return error_set(err, EBADMSG, "\"%s\" is no number from 0 to %lld", key,
		                 (long long)max);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

/* {"minimum": …, "recommended": …} */
static int take_range(const json_t *root, const char *key, json_int_t max, uint64_t *minimum,
                      uint64_t *recommended, struct error *err)
{
	const json_t *object = json_object_get(root, key);
	int r;

	*minimum = *recommended = 0;
	if (!object)
		return 0;
	if (!json_is_object(object))
		return error_set(err, EBADMSG, "\"%s\" is no object", key);
	r = take_number(object, "minimum", max, minimum, err);
	if (r == 0)
		r = take_number(object, "recommended", max, recommended, err);
	if (r < 0) {
		error_prefix(err, "\"%s\"", key);
		return r;
	}
	if (*recommended && *recommended < *minimum)
		return error_set(err, EBADMSG, "\"%s\" recommends less than the minimum", key);
	return 0;
}

static int take_disk(const json_t *object, struct machine_disk *disk, struct error *err)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *index = json_string_value(json_object_get(object, "index"));
	int role =
		pick(roles, ARRAY_LEN(roles), json_string_value(json_object_get(object, "role")));
	int r;

	if (!name || !plain(name, sizeof(disk->name) - 1, ""))
		return error_set(err, EBADMSG,
		                 "\"name\" is not made of small letters, digits and '-'");
	if (role < 0)
		return error_set(err, EBADMSG, "\"role\" is not system, data or profile");
	if (!index || !reference_digest_valid(index))
		return error_set(err, EBADMSG, "\"index\" is no SHA-256 in small letters");
	r = take_number(object, "size", (json_int_t)INDEX_MAX_DISK, &disk->size, err);
	if (r < 0)
		return r;
	if (disk->size == 0 || disk->size % 512 != 0)
		return error_set(err, EBADMSG, "\"size\" is no number of sectors");
	memcpy(disk->name, name, strlen(name) + 1);
	memcpy(disk->index, index, strlen(index) + 1);
	disk->role = (enum machine_disk_role)role;
	return 0;
}

static int take_disks(const json_t *root, struct machine_config *config, struct error *err)
{
	const json_t *disks = json_object_get(root, "disks");
	size_t n = json_array_size(disks), systems = 0;

	if (n == 0 || n > MACHINE_IMAGE_MAX_DISKS)
		return error_set(err, EBADMSG, "\"disks\" is no list of 1 to %u",
		                 MACHINE_IMAGE_MAX_DISKS);
	for (size_t i = 0; i < n; i++) {
		struct machine_disk *disk = &config->disks[i];
		int r = take_disk(json_array_get(disks, i), disk, err);

		if (r < 0) {
			error_prefix(err, "\"disks\", entry %zu", i + 1);
			return r;
		}
		for (size_t k = 0; k < i; k++)
			if (strcmp(config->disks[k].name, disk->name) == 0)
				return error_set(err, EBADMSG, "two disks are called \"%s\"",
				                 disk->name);
		systems += disk->role == MACHINE_DISK_SYSTEM;
		config->n_disks++;
	}
	if (systems != 1)
		return error_set(err, EBADMSG, "%zu disks have the role system, not one", systems);
	return 0;
}

static int take_profiles(const json_t *root, struct machine_config *config, struct error *err)
{
	const json_t *profiles = json_object_get(root, "profiles");
	size_t n = json_array_size(profiles);

	if (!profiles)
		return 0;
	if (!json_is_array(profiles) || n > MAX_PROFILES)
		return error_set(err, EBADMSG, "\"profiles\" is no list of at most %u",
		                 MAX_PROFILES);
	config->profiles = calloc(n + 1, sizeof(*config->profiles));
	if (!config->profiles)
		return error_sys(err, ENOMEM, "\"profiles\"");
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(profiles, i));

		if (!text || !plain(text, MAX_PROFILE, "._"))
			return error_set(err, EBADMSG, "\"profiles\", entry %zu is no word", i + 1);
		config->profiles[i] = strdup(text);
		if (!config->profiles[i])
			return error_sys(err, ENOMEM, "\"profiles\"");
		config->n_profiles++;
	}
	return 0;
}

static int take_created(const json_t *root, struct machine_config *config, struct error *err)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	const json_t *value = json_object_get(root, "created");
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	for (size_t i = 0; text && i < sizeof(shape); i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			text = NULL;
	if (!text)
		return error_set(err, EBADMSG,
		                 "\"created\" is no date such as 2026-11-21T20:00:00Z");
	memcpy(config->created, text, sizeof(shape));
	return 0;
}

static int take_config(const json_t *root, struct machine_config *config, struct error *err)
{
	const char *firmware = json_string_value(json_object_get(root, "firmware"));
	uint64_t least = 0, good = 0;
	int r;

	/* The version first: a newer one's members must not be what is complained about. */
	if (json_integer_value(json_object_get(root, "version")) != CONFIG_VERSION)
		return error_set(err, EBADMSG, "\"version\" is not %d", CONFIG_VERSION);
	if (!json_object_get(root, "firmware"))
		firmware = firmwares[0];
	if (pick(firmwares, ARRAY_LEN(firmwares), firmware) < 0)
		return error_set(err, EBADMSG, "\"firmware\" is not auto, bios or uefi");
	memcpy(config->firmware, firmware, strlen(firmware) + 1);
	r = take_word(root, "architecture", "_", config->architecture, err);
	if (r == 0 && !config->architecture[0])
		r = error_set(err, EBADMSG, "\"architecture\" is missing");
	if (r == 0)
		r = take_word(root, "os", "._", config->os, err);
	if (r == 0)
		r = take_number(root, "release", MAX_MEMORY, &config->release, err);
	if (r == 0)
		r = take_created(root, config, err);
	if (r == 0)
		r = take_range(root, "cpus", MAX_CPUS, &least, &good, err);
	config->cpus_minimum = (unsigned int)least;
	config->cpus_recommended = (unsigned int)good;
	if (r == 0)
		r = take_range(root, "memory", MAX_MEMORY, &config->memory_minimum,
		               &config->memory_recommended, err);
	if (r == 0)
		r = take_disks(root, config, err);
	return r < 0 ? r : take_profiles(root, config, err);
}

int machine_config_parse(const char *text, size_t len, struct machine_config *ret,
                         struct error *err)
{
	struct machine_config config = { 0 };
	json_error_t wrong;
	json_t *root;
	int r;

	if (len > MACHINE_CONFIG_MAX)
		return error_set(err, EBADMSG, "has %zu bytes, more than 256 KiB", len);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
	if (!root)
		return error_set(err, EBADMSG, "is no JSON: line %d: %s", wrong.line, wrong.text);
	r = take_config(root, &config, err);
	json_decref(root);
	if (r < 0)
		machine_config_free(&config);
	else
		*ret = config;
	return r;
}

void machine_config_free(struct machine_config *config)
{
	for (size_t i = 0; i < config->n_profiles; i++)
		free(config->profiles[i]);
	free(config->profiles);
	*config = (struct machine_config){ 0 };
}

static json_t *range_json(uint64_t minimum, uint64_t recommended)
{
	return json_pack("{s:I, s:I}", "minimum", (json_int_t)minimum, "recommended",
	                 (json_int_t)recommended);
}

/* NULL for lack of memory, or text that is not UTF-8. */
static json_t *config_json(const struct machine_config *config)
{
	json_t *disks = json_array(), *profiles = json_array();
	json_t *root = json_pack(
		"{s:i, s:s, s:I, s:s, s:o, s:o, s:o, s:o}", "version", CONFIG_VERSION,
		"architecture", config->architecture, "release", (json_int_t)config->release,
		"firmware", config->firmware[0] ? config->firmware : firmwares[0], "cpus",
		range_json(config->cpus_minimum, config->cpus_recommended), "memory",
		range_json(config->memory_minimum, config->memory_recommended), "disks", disks,
		"profiles", profiles);
	bool bad = !root;

	if (!bad && config->os[0])
		bad = json_object_set_new(root, "os", json_string(config->os)) < 0;
	if (!bad && config->created[0])
		bad = json_object_set_new(root, "created", json_string(config->created)) < 0;
	for (size_t i = 0; !bad && i < config->n_profiles; i++)
		bad = json_array_append_new(profiles, json_string(config->profiles[i])) < 0;
	for (size_t i = 0; !bad && i < config->n_disks; i++) {
		const struct machine_disk *disk = &config->disks[i];

		bad = json_array_append_new(disks, json_pack("{s:s, s:s, s:I, s:s}", "name",
		                                             disk->name, "role", roles[disk->role],
		                                             "size", (json_int_t)disk->size,
		                                             "index", disk->index)) < 0;
	}
	if (!bad)
		return root;
	json_decref(root);
	return NULL;
}

int machine_config_write(const struct machine_config *config, char **ret, size_t *ret_len,
                         struct error *err)
{
	struct machine_config again;
	json_t *root = config_json(config);
	cleanup_free char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	int r;

	json_decref(root);
	if (!text)
		return error_set(err, EINVAL,
		                 "a configuration cannot be written: no memory, or "
		                 "text that is not UTF-8");
	r = machine_config_parse(text, strlen(text), &again, err);
	if (r < 0) {
		error_prefix(err, "the configuration to be written");
		return r;
	}
	machine_config_free(&again);
	*ret_len = strlen(text);
	*ret = take_ptr(text);
	return 0;
}
