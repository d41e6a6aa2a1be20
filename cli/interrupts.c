// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/interrupts.h"

#include <signal.h>
#include <stddef.h>

#include "util/progress.h"

static volatile sig_atomic_t interrupted;

static void interrupt(int sig __attribute__((unused)))
{
	interrupted = 1;
}

void cli_catch_interrupts(void)
{
	const struct sigaction action = { .sa_handler = interrupt,
		                          .sa_flags = (int)SA_RESETHAND | SA_RESTART };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool cli_show_progress(void *arg, uint64_t done, uint64_t total)
{
	progress_update(arg, done, total);
	return !interrupted;
}
