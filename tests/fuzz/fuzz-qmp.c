// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What QEMU's monitor, or the guest's agent, may say.  The first byte chooses which; the others
 * come in pieces, each with its length before it, for both clients must put lines together.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "machine/agent.h"
#include "machine/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_ready(void *arg)
{
	++*(int *)arg;
}

static void on_event(void *arg, const char *name, const json_t *data)
{
	(void)arg;
	if (!name)
		abort();
	json_string_value(json_object_get(data, "open"));
}

static void on_closed(void *arg, const struct error *err)
{
	(void)arg;
	if (!err->text[0])
		abort();
}

static void on_done(void *arg, const json_t *result, const struct error *err)
{
	(void)arg;
	if (!result && !err->code)
		abort();
}

static const struct qmp_handlers handlers = { on_ready, on_event, on_closed };

/* A socket whose other end swallows what is said. */
static int swallowing(int *ret_other)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	*ret_other = ends[1];
	return ends[0];
}

static size_t piece(const uint8_t *data, size_t len)
{
	return data[0] < len - 1 ? data[0] : len - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct agent *agent;
	struct qmp *qmp;
	int other[2], ready = 0;
	bool monitor;

	if (len < 2)
		return 0;
	monitor = data[0] & 1;
	data++;
	len--;
	if (qmp_open(swallowing(&other[0]), &handlers, &ready, &qmp, NULL) < 0 ||
	    agent_open(swallowing(&other[1]), on_ready, &ready, &agent, NULL) < 0)
		abort();
	agent_guest_opened(agent, true, 0);
	while (len > 1) {
		size_t n = piece(data, len);

		if (monitor) {
			qmp_feed(qmp, (const char *)data + 1, n);
			qmp_execute(qmp, "query-status", NULL, n, on_done, NULL, NULL);
			qmp_expire(qmp, n / 2);
		} else {
			agent_feed(agent, (const char *)data + 1, n);
			agent_retry(agent, (uint64_t)n << 24);
		}
		data += n + 1;
		len -= n + 1;
	}
	/* It said that it is ready more than once, or without having been asked. */
	if (ready > 1)
		abort();
	agent_shutdown(agent);
	qmp_close(qmp);
	agent_close(agent);
	close(other[0]);
	close(other[1]);
	return 0;
}
