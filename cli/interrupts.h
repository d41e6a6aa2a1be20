/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long work that shows how far it is, and that Ctrl-C ends in order. */
#ifndef CLI_INTERRUPTS_H
#define CLI_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the first SIGINT or SIGTERM lets the work end and clean up; the second one kills. */
void cli_catch_interrupts(void);

/* A callback for progress: `arg` is a struct progress.  False once there was an interrupt. */
bool cli_show_progress(void *arg, uint64_t done, uint64_t total);

#endif
