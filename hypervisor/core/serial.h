/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A UART of the 16550 kind at an I/O port, polled.  The root's driver may use it as well: what we
 * write then stands between its bytes.  The caller has a lock.  The host's tests have their own.
 */
#ifndef HYPERVISOR_CORE_SERIAL_H
#define HYPERVISOR_CORE_SERIAL_H

#include <stddef.h>
#include <stdint.h>

/* 115200 8N1. */
void serial_setup(uint16_t port);

void serial_write(uint16_t port, const char *text, size_t length);

#endif
