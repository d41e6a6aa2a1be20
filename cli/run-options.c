// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/run-options.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/attach.h"
#include "machine/manifest.h"
#include "machine/session.h"

#define DEFAULT_WAIT  600
#define STOP_PATIENCE 90 /* seconds, for a session in the foreground */

int cli_check_run(const struct cli_call *call, struct error *err)
{
	int given =
		cli_given(call, "foreground") + cli_given(call, "detach") + cli_given(call, "wait");

	return given > 1 ? cli_usage(err, "only one of --foreground, --detach and --wait makes "
	                                  "sense at a time")
	                 : 0;
}

static void note(void *arg, const char *text)
{
	fprintf(stderr, "sill: %s: %s\n", (const char *)arg, text);
}

/* The console until the session ends.  Leaving it does not end it; a signal does. */
static int foreground(const struct state *state, const char *name, struct error *err)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	enum attach_end end;
	int r = cli_attach(state, name, true, terminal, &end, err);

	if (r == 0 && end == ATTACH_LEFT) {
		fprintf(stderr, "\nshutting %s down\n", name);
		r = session_stop(state, name, false, STOP_PATIENCE, err);
	}
	if (r == 0)
		r = session_wait_end(state, name, STOP_PATIENCE, err);
	return r < 0 ? r : cli_session_result(state, name, err);
}

int cli_start_session(const struct cli_call *call, const struct state *state, const char *name,
                      struct error *err)
{
	struct session_start how = { .ephemeral = cli_given(call, "ephemeral"),
		                     .accel = -1,
		                     .note = note,
		                     .arg = (void *)name };

	if (cli_given(call, "accel"))
		how.accel = manifest_choice(accel_names, cli_text(call, "accel", NULL));
	return session_start(state, name, &how, err);
}

int cli_follow_session(const struct cli_call *call, const struct state *state, const char *name,
                       bool attach, struct error *err)
{
	enum attach_end end = ATTACH_LEFT;
	int r;

	if (cli_given(call, "foreground"))
		return foreground(state, name, err);
	if (cli_given(call, "wait"))
		return session_wait_ready(
			state, name, (unsigned int)cli_number(call, "wait", DEFAULT_WAIT), err);
	attach = attach && !cli_given(call, "detach") && isatty(STDIN_FILENO) &&
	         isatty(STDOUT_FILENO);
	if (!attach) {
		printf("%s runs; its console: sill console %s\n", name, name);
		return 0;
	}
	r = cli_attach(state, name, true, true, &end, err);
	if (r < 0)
		return r;
	if (end == ATTACH_LEFT) {
		fprintf(stderr, "\n%s goes on running; back to its console: sill console %s\n",
		        name, name);
		return 0;
	}
	r = session_wait_end(state, name, STOP_PATIENCE, err);
	return r < 0 ? r : cli_session_result(state, name, err);
}

int cli_start_machine(const struct cli_call *call, const struct state *state, const char *name,
                      bool attach, struct error *err)
{
	int r = cli_start_session(call, state, name, err);

	return r < 0 ? r : cli_follow_session(call, state, name, attach, err);
}
