/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end: a broken invariant or an exception of our own.
 */
#ifndef HYPERVISOR_CORE_PANIC_H
#define HYPERVISOR_CORE_PANIC_H

#include <stdint.h>

struct trap_frame;

/* Seconds a panic stays on the screen before the PC is reset; 0: for ever. */
void panic_setup(uint32_t seconds);

/* Stops the other processors, says why with a backtrace, waits, and resets. */
void panic(const char *why, ...) __attribute__((noreturn, format(printf, 1, 2)));
void panic_trap(const struct trap_frame *frame, const char *why, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* What a processor does that another one has asked to stop. */
void panic_stop(void) __attribute__((noreturn));

/* At the start, before there is anything to reset for: says why and halts. */
void halt(const char *why) __attribute__((noreturn));

#endif
