/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that wait for something to do.  More are made while all are busy, up to a limit.
 */
#ifndef DISK_WORKERS_H
#define DISK_WORKERS_H

#include <stdbool.h>

#include "util/cleanup.h"

struct workers;

/* NULL: no memory. */
struct workers *workers_new(unsigned int most);
/* Have a thread call run(arg) at once; false when all are busy and no more may be made. */
bool workers_run(struct workers *workers, void (*run)(void *arg), void *arg);
/* Waits for what runs.  NULL is allowed. */
void workers_free(struct workers *workers);
DEFINE_CLEANUP(struct workers *, workers_free);

#endif
