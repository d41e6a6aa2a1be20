// SPDX-License-Identifier: GPL-2.0-or-later
/* The headers of a server's answer, a line each. */
#include <stdlib.h>
#include <string.h>

#include "disk/source/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct http_answer answer = { 0 };
	const char *text = (const char *)data;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;
		char *line = malloc(n); /* of its own, so that a step past it is seen */

		if (!line)
			return 0;
		memcpy(line, text, n);
		http_answer_line(&answer, line, n);
		free(line);
		text += n;
		len -= n;
	}
	if (answer.has_range && !answer.bad_range && !answer.range.unsatisfied &&
	    (answer.range.first > answer.range.last || answer.range.last >= answer.range.total))
		abort();
	if (answer.retry_after > 3600 || (answer.etag[0] && answer.etag[0] != '"'))
		abort();
	return 0;
}
