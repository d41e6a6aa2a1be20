// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/progress.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/text.h"

#define TERMINAL_NS (200 * NS_PER_MS)
#define LOG_NS      (5 * NS_PER_SEC)
#define RATE_NS     NS_PER_SEC /* a rate over less time says little */

void progress_start(struct progress *progress, FILE *out, const char *what)
{
	*progress = (struct progress){
		.out = out,
		.what = what,
		.terminal = isatty(fileno(out)) == 1,
		.started_ns = now_ns(),
	};
	progress->shown_ns = progress->started_ns;
}

const char *progress_line(const char *what, uint64_t done, uint64_t total, uint64_t ns,
                          char out[PROGRESS_LINE])
{
	unsigned int percent = total ? (unsigned int)((double)done * 100 / (double)total) : 100;
	double rate = ns ? (double)done * (double)NS_PER_SEC / (double)ns : 0;
	char a[16], b[16], c[16], left[24];
	int used = snprintf(out, PROGRESS_LINE, "%s: %u %%, %s of %s", what, percent,
	                    format_bytes(done, a), format_bytes(total, b));

	if (ns < RATE_NS || rate < 1 || used < 0 || used >= PROGRESS_LINE)
		return out;
	snprintf(out + used, PROGRESS_LINE - (size_t)used, ", %s/s, %s left",
	         format_bytes((uint64_t)rate, c),
	         format_seconds((uint64_t)((double)(total - done) / rate + 0.5), left));
	return out;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
	uint64_t now = now_ns();
	char line[PROGRESS_LINE];

	if (now - progress->shown_ns < (progress->terminal ? TERMINAL_NS : LOG_NS))
		return;
	progress->shown_ns = now;
	progress->shown = true;
	progress_line(progress->what, done, total, now - progress->started_ns, line);
	if (progress->terminal)
		fprintf(progress->out, "\r%s\033[K", line);
	else
		fprintf(progress->out, "%s\n", line);
	fflush(progress->out);
}

void progress_end(struct progress *progress)
{
	if (progress->terminal && progress->shown) {
		fputs("\r\033[K", progress->out);
		fflush(progress->out);
	}
	progress->shown = false;
}
