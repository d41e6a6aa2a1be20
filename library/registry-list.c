// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names and tags of a registry, page by page.  A page says where the next one is (Link); where a
 * registry sends exactly as many as were asked for and says nothing, it is asked what comes behind
 * the last of them, and one that does not know `last` sends what it sent before.
 */
#include <errno.h>
#include <curl/curl.h>
#include <string.h>

#include "base/bits.h"
#include "disk/source/url.h"
#include "library/registry-answer.h"
#include "library/registry.h"

#define PAGE_MAX  (16 * MIB)
#define PAGES_MAX 10000u

struct listing {
	struct registry *registry;
	const char *name; /* whose tags; NULL: all names */
	const char *member;
	const char *scope;
	store_item *item;
	void *arg;
	size_t n;
	char *first, *last; /* of the page */
	char *before;       /* the first of the page before */
	bool repeats;       /* it is the page before again */
};

static int on_item(void *arg, const char *text, struct error *err)
{
	struct listing *list = arg;

	if (list->repeats)
		return 0;
	if (!list->first) {
		list->first = strdup(text);
		list->repeats = list->before && strcmp(list->before, text) == 0;
		if (list->repeats)
			return 0;
	}
	free(list->last);
	list->last = strdup(text);
	if (!list->first || !list->last)
		return error_sys(err, ENOMEM, "%s", list->member);
	return list->item(list->arg, text, err);
}

/* The next page's address beneath the registry: what a Link says, or what follows the last one. */
static int next_page(struct listing *list, const char *path, const struct exchange_answer *answer,
                     size_t n, char **url, struct error *err)
{
	char header[4096], target[2048], mine[SOURCE_ORIGIN_MAX], its[SOURCE_ORIGIN_MAX];
	cleanup_free char *base = NULL;
	char *escaped;
	int r;

	free(take_ptr(*url));
	if (exchange_header(answer, "Link", header, sizeof(header)) &&
	    registry_next_link(header, target, sizeof(target))) {
		if (*target == '/') {
			*url = strdup(target);
			return *url ? 0 : error_sys(err, ENOMEM, "%s", list->member);
		}
		if (!strstr(target, "://")) {
			r = asprintf(url, "%.*s%s",
			             *target == '?' ? (int)strlen(path)
			                            : (int)(strrchr(path, '/') - path) + 1,
			             path, target);
			return r < 0 ? error_sys(err, ENOMEM, "%s", list->member) : 0;
		}
		r = http_client_base(list->registry->client, &base, err);
		if (r < 0)
			return r;
		source_url_origin(base, mine, sizeof(mine));
		source_url_origin(target, its, sizeof(its));
		if (strcmp(mine, its) != 0)
			return error_set(err, EBADMSG, "sends elsewhere for its next page");
		*url = strdup(target);
		return *url ? 0 : error_sys(err, ENOMEM, "%s", list->member);
	}
	if (n < list->registry->page || n == 0)
		return 0;
	escaped = curl_easy_escape(NULL, list->last, 0);
	r = escaped ? asprintf(url, "%s?n=%zu&last=%s", path, list->registry->page, escaped) : -1;
	curl_free(escaped);
	return r < 0 ? error_sys(err, ENOMEM, "%s", list->member) : 0;
}

/* One page; *url becomes the next one's, or NULL. */
static int list_page(struct listing *list, const char *path, char **url, struct error *err)
{
	cleanup(exchange_answer_free) struct exchange_answer answer = { 0 };
	const struct http_call call = {
		.method = "GET", .url = *url, .scope = list->scope, .max_body = PAGE_MAX
	};
	struct error why = { 0 };
	size_t n = 0;
	int r = registry_call(list->registry, list->name, NULL, &call, &answer, err);

	if (r < 0)
		return r;
	if (answer.status != 200)
		return registry_refuse(list->registry, list->name, NULL,
		                       list->name ? "name" : "list of names", &answer, err);
	free(list->before);
	list->before = take_ptr(list->first);
	r = registry_page_parse(answer.body ? answer.body : "", answer.len, list->member,
	                        STORE_MAX_NAMES - list->n, on_item, list, &n, &why);
	if (r == 0) {
		list->n += n;
		if (list->repeats)
			free(take_ptr(*url));
		else
			r = next_page(list, path, &answer, n, url, &why);
	}
	if (r < 0 && why.code) {
		/* What the caller's own function says has no registry in it. */
		if (r == -EBADMSG || r == -EFBIG)
			registry_prefix(list->registry, list->name, NULL, &why);
		if (err)
			*err = why;
	}
	return r;
}

static int list_all(struct listing *list, const char *path, struct error *err)
{
	char *url;
	int r = asprintf(&url, "%s?n=%zu", path, list->registry->page) < 0
	                ? error_sys(err, ENOMEM, "%s", list->member)
	                : 0;

	if (r < 0)
		return r;
	for (unsigned int pages = 0; r == 0 && url; pages++) {
		if (pages == PAGES_MAX) {
			r = error_set(err, EFBIG, "has more than %u pages of %s", PAGES_MAX,
			              list->member);
			registry_prefix(list->registry, list->name, NULL, err);
			break;
		}
		r = list_page(list, path, &url, err);
	}
	free(url);
	free(list->first);
	free(list->last);
	free(list->before);
	return r;
}

int registry_names(struct store *store, store_item *item, void *arg, struct error *err)
{
	struct listing list = { .registry = registry_of(store),
		                .member = "repositories",
		                .scope = "registry:catalog:*",
		                .item = item,
		                .arg = arg };

	return list_all(&list, "/v2/_catalog", err);
}

int registry_tags(struct store *store, const char *name, store_item *item, void *arg,
                  struct error *err)
{
	char scope[REGISTRY_SCOPE_ROOM];
	cleanup_free char *path = NULL;
	struct listing list = { .registry = registry_of(store),
		                .name = name,
		                .member = "tags",
		                .scope = scope,
		                .item = item,
		                .arg = arg };

	registry_scope(scope, name, "pull", NULL);
	if (asprintf(&path, "/v2/%s/tags/list", name) < 0) {
		path = NULL;
		return error_sys(err, ENOMEM, "%s", name);
	}
	return list_all(&list, path, err);
}
