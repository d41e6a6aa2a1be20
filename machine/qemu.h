/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_QEMU_H
#define MACHINE_QEMU_H

#include "machine/manifest.h"
#include "machine/process.h"

/* What a session adds to the manifest. */
struct qemu_options {
	const char *name;
	const struct manifest *manifest;
	bool kvm;
	const char *uefi_code; /* NULL: BIOS */
	const char *uefi_vars; /* this machine's own */
	const char *disk_socket;
	const char *vnc_socket;           /* for DISPLAY_VNC */
	int qmp_fd, agent_fd, console_fd; /* connected sockets */
};

/*
 * QEMU's command line.  It starts stopped: the supervisor says `cont` once it can hear.  The
 * machine has a q35 board, virtio devices, a serial console and the guest agent's channel; nothing
 * of it can be reached from outside but the forwarded ports.
 */
int qemu_command(const struct qemu_options *options, struct argv *argv, struct error *err);

/* Text inside a QEMU option, where a comma is written twice.  `ret` holds 2 * PATH_MAX. */
const char *qemu_escape(const char *text, char *ret, size_t room);

#endif
