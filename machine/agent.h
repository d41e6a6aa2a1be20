/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the guest agent (QEMU, docs/interop/qemu-ga): does it answer, and please shut down.
 *
 * The channel is a serial port: whatever was written while nobody read comes later, so each
 * conversation starts with guest-sync-delimited and a new number, and everything before the byte
 * 0xff and that number is noise.  Like the QMP client it never blocks and never reads the clock.
 *
 * Trust: the guest speaks here and may say anything.  All that it can bring about is "ready".
 */
#ifndef MACHINE_AGENT_H
#define MACHINE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

#define AGENT_MAX_LINE (64u << 10)
#define AGENT_RETRY_MS 2000

struct agent;

/* Takes over `fd`; `ready` is called once, when the agent has answered guest-ping. */
int agent_open(int fd, void (*ready)(void *arg), void *arg, struct agent **ret, struct error *err);
/* NULL is allowed. */
void agent_close(struct agent *agent);
DEFINE_CLEANUP(struct agent *, agent_close);

int agent_fd(const struct agent *agent);
/* Read what there is; -EPIPE at the end of the channel. */
int agent_readable(struct agent *agent);
/* The same for bytes that came another way. */
void agent_feed(struct agent *agent, const char *bytes, size_t len);

/* The guest has opened (or closed) its end: QMP's event VSERPORT_CHANGE. */
void agent_guest_opened(struct agent *agent, bool open, uint64_t now);

/* When agent_retry() wants to be called; 0: never. */
uint64_t agent_deadline(const struct agent *agent);
void agent_retry(struct agent *agent, uint64_t now);

/* Ask for a clean end; no answer comes.  -ENOTCONN when it does not answer. */
int agent_shutdown(struct agent *agent);

#endif
