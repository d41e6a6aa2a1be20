// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/source/http-headers.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "util/text.h"

#define RETRY_AFTER_MAX 3600

/* A decimal number at *at, which moves behind it. */
static int take_number(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return -EINVAL;
	*at = p;
	*ret = n;
	return 0;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

int http_parse_content_range(const char *text, struct http_content_range *ret)
{
	struct http_content_range range = { .total = HTTP_TOTAL_UNKNOWN };

	if (strncasecmp(text, "bytes", 5) != 0 || text[5] != ' ')
		return -EINVAL;
	text += 6;
	if (take_char(&text, '*')) {
		range.unsatisfied = true;
	} else if (take_number(&text, &range.first) < 0 || !take_char(&text, '-') ||
	           take_number(&text, &range.last) < 0 || range.first > range.last) {
		return -EINVAL;
	}
	if (!take_char(&text, '/'))
		return -EINVAL;
	if (!take_char(&text, '*') || range.unsatisfied)
		if (take_number(&text, &range.total) < 0 || range.total == HTTP_TOTAL_UNKNOWN)
			return -EINVAL;
	if (*text || (!range.unsatisfied && range.last >= range.total))
		return -EINVAL;
	*ret = range;
	return 0;
}

int http_parse_retry_after(const char *text, time_t now, uint32_t *ret_seconds)
{
	uint64_t seconds;
	int64_t date;

	if (take_number(&text, &seconds) == 0) {
		if (*text)
			return -EINVAL;
	} else {
		if (http_parse_date(text, &date) < 0)
			return -EINVAL;
		seconds = date > now ? (uint64_t)(date - now) : 0;
	}
	*ret_seconds = seconds < RETRY_AFTER_MAX ? (uint32_t)seconds : RETRY_AFTER_MAX;
	return 0;
}

int http_parse_etag(const char *text, char *out, size_t room)
{
	size_t len = strlen(text);

	if (len < 2 || len >= room || text[0] != '"' || text[len - 1] != '"' || !text_is_utf8(text))
		return -EINVAL;
	for (size_t i = 1; i + 1 < len; i++)
		if (text[i] == '"' || (unsigned char)text[i] < 0x21 || text[i] == 0x7f)
			return -EINVAL;
	memcpy(out, text, len + 1);
	return 0;
}

int http_parse_date(const char *text, int64_t *ret)
{
	time_t date = curl_getdate(text, NULL);

	if (date <= 0)
		return -EINVAL;
	*ret = date;
	return 0;
}

int http_parse_length(const char *text, uint64_t *ret)
{
	uint64_t n;

	if (take_number(&text, &n) < 0 || *text)
		return -EINVAL;
	*ret = n;
	return 0;
}
