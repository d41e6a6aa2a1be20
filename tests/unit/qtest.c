// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/qtest.h"

struct qtest {
	FILE *to, *from;
	pid_t pid;
};

/* One command; its answer's number, 0 where it has none. */
static uint64_t ask(struct qtest *qtest, const char *command)
{
	char line[256];

	assert_true(fprintf(qtest->to, "%s\n", command) > 0);
	assert_int_equal(fflush(qtest->to), 0);
	/* Between the answers it may tell of interrupts. */
	do {
		assert_non_null(fgets(line, sizeof(line), qtest->from));
	} while (strncmp(line, "IRQ", 3) == 0);
	assert_int_equal(strncmp(line, "OK", 2), 0);
	return strtoull(line + 2, NULL, 0);
}

static void child(int from, int to)
{
	/* A test that fails does not come to stop it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(from, STDIN_FILENO);
	dup2(to, STDOUT_FILENO);
	execlp("qemu-system-x86_64", "qemu-system-x86_64", "-S", "-machine", "pc,accel=tcg",
	       "-nodefaults", "-display", "none", "-global", "ioapic.version=0x11", "-qtest",
	       "stdio", "-qtest-log", "/dev/null", (char *)NULL);
	_exit(127);
}

struct qtest *qtest_start(void)
{
	struct qtest *qtest = calloc(1, sizeof(*qtest));
	int to[2], from[2];
	char line[64];

	assert_non_null(qtest);
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	qtest->pid = fork();
	assert_true(qtest->pid >= 0);
	if (qtest->pid == 0) {
		close(to[1]);
		close(from[0]);
		child(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	qtest->to = fdopen(to[1], "w");
	qtest->from = fdopen(from[0], "r");
	if (fprintf(qtest->to, "inb 0x21\n") < 0 || fflush(qtest->to) != 0 ||
	    !fgets(line, sizeof(line), qtest->from)) {
		qtest_stop(qtest);
		return NULL;
	}
	return qtest;
}

void qtest_stop(struct qtest *qtest)
{
	if (!qtest)
		return;
	/* It ends when nobody speaks to it any longer. */
	fclose(qtest->to);
	fclose(qtest->from);
	kill(qtest->pid, SIGTERM);
	waitpid(qtest->pid, NULL, 0);
	free(qtest);
}

void qtest_out(struct qtest *qtest, uint16_t port, uint8_t value)
{
	char command[64];

	snprintf(command, sizeof(command), "outb 0x%x 0x%x", port, value);
	ask(qtest, command);
}

uint8_t qtest_in(struct qtest *qtest, uint16_t port)
{
	char command[64];

	snprintf(command, sizeof(command), "inb 0x%x", port);
	return (uint8_t)ask(qtest, command);
}

void qtest_write(struct qtest *qtest, uint64_t address, uint32_t value)
{
	char command[64];

	snprintf(command, sizeof(command), "writel 0x%" PRIx64 " 0x%" PRIx32, address, value);
	ask(qtest, command);
}

uint32_t qtest_read(struct qtest *qtest, uint64_t address)
{
	char command[64];

	snprintf(command, sizeof(command), "readl 0x%" PRIx64, address);
	return (uint32_t)ask(qtest, command);
}

void qtest_wire(struct qtest *qtest, const char *path, unsigned int line, int level)
{
	char command[160];

	snprintf(command, sizeof(command), "set_irq_in %s unnamed-gpio-in %u %d", path, line,
	         level);
	ask(qtest, command);
}
