/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the hypervisor needs for sessions: given to it in pieces of 2 MiB, and taken back.
 */
#ifndef MODULE_CONTROL_H
#define MODULE_CONTROL_H

#include "module/hypercall.h"

/* Gives one piece.  May sleep.  0 or -errno. */
int control_donate(void);

/* Takes back what nothing uses any more. */
void control_reclaim(void);

/* A call that may need control memory; sleeps.  Result as hypercall() has it. */
s64 control_call(enum sill_call call, u64 a, u64 b, u64 c);

/* Pieces that are given at this moment. */
unsigned int control_donations(void);

#endif
