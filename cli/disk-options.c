// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/disk-options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/image.h"

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

static int add_sources(const struct cli_call *call, json_t *disk, struct error *err)
{
	json_t *list = json_array();
	const char *text;
	int r;

	if (json_object_set_new(disk, "sources", list) < 0)
		return error_sys(err, ENOMEM, "sources");
	r = add_source(list, call->arguments[0], 0, NULL, err);
	for (size_t i = 0; r == 0 && (text = cli_nth(call, "source", i)) != NULL; i++) {
		struct cli_source source = { 0 };

		r = cli_source_parse(text, &source, err);
		if (r == 0)
			r = add_source(list, source.url, source.priority, source.digest, err);
		cli_source_free(&source);
	}
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

int cli_disk_options(const struct cli_call *call, json_t **ret, struct error *err)
{
	bool trace = cli_option(call->verb, "no-trace", strlen("no-trace")) &&
	             !cli_given(call, "no-trace");
	json_t *disk = json_pack("{s{sb sb}}", "trace", "record", trace, "replay", trace);
	const char *format = cli_text(call, "format", NULL);
	int r = disk ? add_sources(call, disk, err) : error_sys(err, ENOMEM, "disk");

	if (r == 0)
		r = add_place(call, disk, "parent", err);
	if (r == 0)
		r = add_place(call, disk, "ca", err);
	if (r == 0)
		r = add_place(call, disk, "credentials", err);
	if (r == 0 && format)
		json_object_set_new(disk, "format", json_string(format));
	if (r == 0 && given(call, "fill"))
		json_object_set_new(disk, "fill",
		                    json_pack("{sb sI}", "on", 1, "rate",
		                              (json_int_t)cli_number(call, "fill", 0)));
	if (r < 0)
		json_decref(disk);
	else
		*ret = disk;
	return r;
}
