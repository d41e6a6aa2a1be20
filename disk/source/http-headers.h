/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of the HTTP headers that a source believes in.  Pure: text in, numbers out.
 *
 * Trust: the text is the server's.
 */
#ifndef DISK_SOURCE_HTTP_HEADERS_H
#define DISK_SOURCE_HTTP_HEADERS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HTTP_TOTAL_UNKNOWN UINT64_MAX

/* "bytes 0-99/1000", "bytes 0-99" followed by "/" and a star, or a star followed by "/1000". */
struct http_content_range {
	bool unsatisfied;     /* the form that a 416 has: no first and last */
	uint64_t first, last; /* inclusive */
	uint64_t total;       /* or HTTP_TOTAL_UNKNOWN */
};

/* RFC 9110, 14.4.  -EINVAL for anything else, first > last and last >= total included. */
int http_parse_content_range(const char *text, struct http_content_range *ret);

/* RFC 9110, 10.2.3: seconds, or a date, compared with `now`.  At most an hour is believed. */
int http_parse_retry_after(const char *text, time_t now, uint32_t *ret_seconds);

/*
 * RFC 9110, 8.8.3: a strong ETag, quotes included, of fewer than `room` bytes.  -EINVAL for a weak
 * one, which does not promise equal bytes, for one that is not UTF-8, which image.json could not
 * keep, and for what is none.
 */
int http_parse_etag(const char *text, char *out, size_t room);

/* Seconds since 1970; -EINVAL. */
int http_parse_date(const char *text, int64_t *ret);

/* Digits only. */
int http_parse_length(const char *text, uint64_t *ret);

#endif
