// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/utc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *format_utc(int64_t seconds, char out[UTC_BYTES])
{
	time_t t = seconds < 0 ? 0 : seconds > UTC_MAX ? UTC_MAX : seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, UTC_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* `n` digits. */
static int take(const char *text, size_t n)
{
	int value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

int parse_utc(const char *text, int64_t *ret, struct error *err)
{
	static const char shape[] = "0000-00-00T00:00:00Z";
	size_t i = 0;

	while (shape[i] &&
	       (shape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]))
		i++;
	if (!shape[i] && !text[i]) {
		struct tm tm = { .tm_year = take(text, 4) - 1900,
			         .tm_mon = take(text + 5, 2) - 1,
			         .tm_mday = take(text + 8, 2),
			         .tm_hour = take(text + 11, 2),
			         .tm_min = take(text + 14, 2),
			         .tm_sec = take(text + 17, 2) };
		int64_t seconds = timegm(&tm);
		char again[UTC_BYTES];

		/* timegm() makes March of February's 30th; before 1970 is nearer than it was. */
		if (!strcmp(format_utc(seconds, again), text)) {
			*ret = seconds;
			return 0;
		}
	}
	return error_set(err, EINVAL, "'%.40s' is not a time such as 2026-11-21T22:54:24Z", text);
}
