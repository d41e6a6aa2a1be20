// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/copying.h"

#include <errno.h>

#include "cli/interrupts.h"
#include "library/copy.h"
#include "util/progress.h"
#include "util/text.h"

int cli_copy(const struct cli_call *call, const struct cli_copying *copying, struct error *err)
{
	struct progress progress;
	const struct copy_options options = {
		.threads = (unsigned int)cli_number(call, "at-once", COPY_DEFAULT_THREADS),
		.any_kind = copying->any_kind,
		.progress = cli_show_progress,
		.arg = &progress,
	};
	struct copy_result result = { 0 };
	char all[16], sent[16];
	int r;

	cli_catch_interrupts();
	progress_start(&progress, stderr, copying->what);
	r = library_copy(copying->from, copying->from_name, copying->manifest, copying->to,
	                 copying->to_name, copying->tag, &options, &result, err);
	progress_end(&progress);
	if (r == -EINTR)
		return error_set(err, EINTR, "ended; the same command goes on where this stopped");
	if (r < 0)
		return r;
	printf("%s:%s %s: %s, %s of them sent", copying->to_name,
	       copying->tag ? copying->tag : "(no tag)", copying->manifest->digest,
	       format_bytes(result.bytes, all), format_bytes(result.sent, sent));
	if (result.signatures > 0)
		printf(", %u signature%s", result.signatures, result.signatures == 1 ? "" : "s");
	putchar('\n');
	return 0;
}
