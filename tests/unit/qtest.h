/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's own device models as an oracle: a PC whose processor never runs and whose registers and
 * wires are driven over QEMU's qtest protocol.  Its virtual clock stands still.
 */
#ifndef TESTS_UNIT_QTEST_H
#define TESTS_UNIT_QTEST_H

#include <stdint.h>

struct qtest;

/* NULL: there is no QEMU here. */
struct qtest *qtest_start(void);
void qtest_stop(struct qtest *qtest);

void qtest_out(struct qtest *qtest, uint16_t port, uint8_t value);
uint8_t qtest_in(struct qtest *qtest, uint16_t port);
void qtest_write(struct qtest *qtest, uint64_t address, uint32_t value);
uint32_t qtest_read(struct qtest *qtest, uint64_t address);

/* Input `line` of the device at a path of QEMU's object model. */
void qtest_wire(struct qtest *qtest, const char *path, unsigned int line, int level);

#endif
