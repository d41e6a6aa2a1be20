/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an image out of a library may be used: signatures fetched, judged (library/policy.h), and
 * a person asked where the rules say so.  docs/trust.md.
 */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli/cli.h"
#include "library/find.h"
#include "library/policy.h"

#define OPTIONS_JUDGE                                                                        \
	{                                                                                    \
		.name = "trust", .type = CLI_TEXT, .value = "KEYID",                         \
		.help = "Say yes to this key without being asked, when the image is signed " \
			"with it (sill-trust in docs/trust.md)",                             \
	}

/*
 * 0: the image may be used.  No byte but its manifest and its signatures has been fetched.  The
 * answer goes to cli_remember() when the image was taken over, and before it is used.
 */
int cli_judge(const struct cli_call *call, const struct library_found *found,
              const struct reference *ref, struct policy_answer *ret, struct error *err);
int cli_remember(const struct policy_answer *answer, struct error *err);

#endif
