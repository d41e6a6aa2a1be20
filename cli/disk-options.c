// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/disk-options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/image.h"
#include "util/text.h"

/* A path becomes absolute, for the machine outlives this directory; a URL stays. */
static int absolute(const char *place, char **ret, struct error *err)
{
	char *path = NULL;

	if (access(place, F_OK) == 0 || !strchr(place, ':')) {
		path = realpath(place, NULL);
		if (!path)
			return error_sys(err, errno, "%s", place);
	} else {
		path = strdup(place);
		if (!path)
			return error_sys(err, ENOMEM, "%s", place);
	}
	if (!text_is_utf8(path)) {
		error_set(err, EILSEQ, "%s: the name is not UTF-8, so it cannot be written down",
		          path);
		free(path);
		return -EILSEQ;
	}
	*ret = path;
	return 0;
}

/* {"url": …, "priority": …, "digest": …} */
static int add_source(json_t *list, const char *url, int priority, const char *digest,
                      struct error *err)
{
	cleanup_free char *place = NULL;
	json_t *object;
	int r = absolute(url, &place, err);

	if (r < 0)
		return r;
	object = json_pack("{ss si ss*}", "url", place, "priority", priority, "digest", digest);
	return json_array_append_new(list, object) < 0 ? error_sys(err, ENOMEM, "%s", url) : 0;
}

/* `url` (NULL: none) and the values of an option, behind what is there, as the field wants them. */
static int add_places(const struct cli_call *call, json_t *disk, const char *field, const char *url,
                      const char *option, struct error *err)
{
	cleanup(source_places_free) struct source_places places = { 0 };
	int r = cli_places(call, url, option, &places, err);
	json_t *list;

	if (r < 0 || places.n == 0)
		return r;
	list = json_object_get(disk, field);
	if (!list) {
		list = json_array();
		if (json_object_set_new(disk, field, list) < 0)
			return error_sys(err, ENOMEM, "%s", field);
	}
	for (size_t i = 0; r == 0 && i < places.n; i++)
		r = add_source(list, places.at[i].url, places.at[i].priority, places.at[i].digest,
		               err);
	return r;
}

static int add_place(const struct cli_call *call, json_t *disk, const char *option,
                     struct error *err)
{
	const char *text = cli_text(call, option, NULL);
	cleanup_free char *place = NULL;
	int r = text ? absolute(text, &place, err) : 0;

	if (text && r == 0 && json_object_set_new(disk, option, json_string(place)) < 0)
		r = error_sys(err, ENOMEM, "%s", option);
	return r;
}

static bool given(const struct cli_call *call, const char *name)
{
	return cli_option(call->verb, name, strlen(name)) && cli_given(call, name);
}

/* Numbers that the specification has in other units, where they were given. */
static int add_numbers(const struct cli_call *call, json_t *disk, struct error *err)
{
	static const struct {
		const char *option, *field;
		uint64_t times;
	} numbers[] = {
		{ "deadline", "deadline_ms", 1000 },
		{ "stall", "stall_ms", 1000 },
		{ "hedge", "hedge_percent", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uint64_t n = given(call, numbers[i].option)
		                     ? cli_number(call, numbers[i].option, 0) * numbers[i].times
		                     : UINT64_MAX;

		if (n != UINT64_MAX &&
		    json_object_set_new(disk, numbers[i].field, json_integer((json_int_t)n)) < 0)
			return error_sys(err, ENOMEM, "%s", numbers[i].option);
	}
	return 0;
}

int cli_disk_manners(const struct cli_call *call, json_t *disk, struct error *err)
{
	int r = 0;

	if (given(call, "no-readahead"))
		r = json_object_set_new(disk, "readahead", json_false());
	if (r == 0 && given(call, "no-sweep"))
		r = json_object_set_new(disk, "sweep", json_false());
	if (r == 0 && given(call, "fill"))
		r = json_object_set_new(disk, "fill",
		                        json_pack("{sb sI}", "on", 1, "rate",
		                                  (json_int_t)cli_number(call, "fill", 0)));
	return r < 0 ? error_sys(err, ENOMEM, "disk") : 0;
}

int cli_disk_options(const struct cli_call *call, const json_t *places, json_t **ret,
                     struct error *err)
{
	bool trace = cli_option(call->verb, "no-trace", strlen("no-trace")) &&
	             !cli_given(call, "no-trace");
	json_t *disk = json_pack("{s{sb sb}}", "trace", "record", trace, "replay", trace);
	const char *format = cli_text(call, "format", places ? "index" : NULL);
	int r = disk ? 0 : error_sys(err, ENOMEM, "disk");

	if (r == 0 && places && json_object_set_new(disk, "sources", json_deep_copy(places)) < 0)
		r = error_sys(err, ENOMEM, "disk");
	if (r == 0)
		r = add_places(call, disk, "sources", places ? NULL : call->arguments[0], "source",
		               err);
	if (r == 0)
		r = add_places(call, disk, "parent", NULL, "parent", err);
	if (r == 0)
		r = add_place(call, disk, "ca", err);
	if (r == 0)
		r = add_place(call, disk, "credentials", err);
	if (r == 0)
		r = add_numbers(call, disk, err);
	if (r == 0)
		r = cli_disk_manners(call, disk, err);
	if (r == 0 && format)
		json_object_set_new(disk, "format", json_string(format));
	if (r < 0)
		json_decref(disk);
	else
		*ret = disk;
	return r;
}
