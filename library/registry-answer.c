// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/registry-answer.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "disk/source/http-headers.h"
#include "util/text.h"

void registry_error_parse(const char *text, size_t len, struct registry_error *ret)
{
	json_t *root = len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code")),
		   *message = json_string_value(json_object_get(first, "message"));

	*ret = (struct registry_error){ 0 };
	if (code && strlen(code) < sizeof(ret->code) &&
	    !code[strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")])
		memcpy(ret->code, code, strlen(code));
	if (message)
		snprintf(ret->message, sizeof(ret->message), "%s", message);
	text_printable(ret->message);
	json_decref(root);
}

int registry_page_parse(const char *text, size_t len, const char *member, size_t max,
                        store_item *item, void *arg, size_t *ret_n, struct error *err)
{
	json_t *root = len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
	const json_t *list = json_object_get(root, member);
	size_t n = json_array_size(list);
	int r = 0;

	/* A name without tags has null where the list would be. */
	if (!list || (!json_is_array(list) && !json_is_null(list)))
		r = error_set(err, EBADMSG, "answers with no list of %s", member);
	else if (n > max)
		r = error_set(err, EFBIG, "has more than %u %s", STORE_MAX_NAMES, member);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		r = name ? item(arg, name, err)
		         : error_set(err, EBADMSG, "answers with no list of %s", member);
	}
	json_decref(root);
	if (r == 0)
		*ret_n = n;
	return r;
}

/* Is `rel` with that value among the parameters that end at a comma?  Returns where they end. */
static const char *link_parameters(const char *at, bool *ret_next)
{
	*ret_next = false;
	while (*at && *at != ',') {
		const char *value = at;

		at += strspn(at, " \t;");
		if (strncasecmp(at, "rel", 3) == 0 && at[3 + strspn(at + 3, " \t")] == '=') {
			value = at + 3 + strspn(at + 3, " \t") + 1;
			value += strspn(value, " \t\"");
			*ret_next = strncasecmp(value, "next", 4) == 0 &&
			            (!value[4] || strchr("\" \t;,", value[4]));
		}
		/* Over one parameter, whose value may be quoted. */
		while (*at && *at != ';' && *at != ',') {
			if (*at == '"') {
				const char *end = strchr(at + 1, '"');

				if (!end)
					return at + strlen(at);
				at = end;
			}
			at++;
		}
	}
	return at;
}

bool registry_next_link(const char *header, char *ret, size_t room)
{
	for (const char *at = header; *at;) {
		const char *target, *end;
		bool next;

		at += strspn(at, " \t,");
		if (*at != '<')
			return false;
		target = at + 1;
		end = strchr(target, '>');
		if (!end)
			return false;
		at = link_parameters(end + 1, &next);
		if (!next)
			continue;
		if (end == target || (size_t)(end - target) >= room)
			return false;
		memcpy(ret, target, (size_t)(end - target));
		ret[end - target] = '\0';
		return true;
	}
	return false;
}

int registry_upload_range(const char *header, uint64_t *ret_len)
{
	const char *text = strncasecmp(header, "bytes=", 6) == 0 ? header + 6 : header;
	uint64_t last;

	if (strncmp(text, "0-", 2) != 0 || http_parse_length(text + 2, &last) < 0 ||
	    last > (UINT64_C(1) << 53))
		return -EBADMSG;
	*ret_len = last ? last + 1 : 0;
	return 0;
}
