// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/agent.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "machine/lines.h"
#include "util/clock.h"

enum phase {
	AGENT_CLOSED,  /* nobody listens in the guest */
	AGENT_SYNCING, /* guest-sync-delimited is out */
	AGENT_PINGING, /* guest-ping is out */
	AGENT_READY,
};

struct agent {
	int fd;
	enum phase phase;
	bool delimited; /* 0xff has been seen since the sync was sent */
	bool told;
	json_int_t id;
	uint64_t retry_at;
	struct lines lines;
	void (*ready)(void *arg);
	void *arg;
};

int agent_open(int fd, void (*ready)(void *arg), void *arg, struct agent **ret, struct error *err)
{
	struct agent *agent = calloc(1, sizeof(*agent));

	if (!agent)
		return error_sys(err, ENOMEM, "guest agent");
	agent->fd = fd;
	agent->ready = ready;
	agent->arg = arg;
	agent->lines.max = AGENT_MAX_LINE;
	*ret = agent;
	return 0;
}

void agent_close(struct agent *agent)
{
	if (!agent)
		return;
	if (agent->fd >= 0)
		close(agent->fd);
	lines_free(&agent->lines);
	free(agent);
}

int agent_fd(const struct agent *agent)
{
	return agent->fd;
}

/* Whole or not at all, and never waiting: a guest that does not read must not stop us. */
static int say(struct agent *agent, const char *text)
{
	ssize_t n = send(agent->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);

	return n == (ssize_t)strlen(text) ? 0 : -EPIPE;
}

static void sync_again(struct agent *agent, uint64_t now)
{
	char text[120];

	agent->phase = AGENT_SYNCING;
	agent->delimited = false;
	agent->id++;
	lines_free(&agent->lines);
	/* 0xff makes the agent's parser forget half a command, and complain: noise to us. */
	snprintf(text, sizeof(text),
	         "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%lld}}\n",
	         (long long)agent->id);
	say(agent, text);
	agent->retry_at = now + AGENT_RETRY_MS * NS_PER_MS;
}

void agent_guest_opened(struct agent *agent, bool open, uint64_t now)
{
	if (open) {
		sync_again(agent, now);
		return;
	}
	agent->phase = AGENT_CLOSED;
	agent->retry_at = 0;
	lines_free(&agent->lines);
}

uint64_t agent_deadline(const struct agent *agent)
{
	return agent->phase == AGENT_SYNCING || agent->phase == AGENT_PINGING ? agent->retry_at : 0;
}

void agent_retry(struct agent *agent, uint64_t now)
{
	if (agent_deadline(agent) && agent->retry_at <= now)
		sync_again(agent, now);
}

static void take_line(struct agent *agent, const char *line, size_t len)
{
	json_t *object = json_loadb(line, len, 0, NULL);
	const json_t *result = json_object_get(object, "return");

	if (agent->phase == AGENT_SYNCING && agent->delimited && json_is_integer(result) &&
	    json_integer_value(result) == agent->id) {
		agent->phase = AGENT_PINGING;
		say(agent, "{\"execute\":\"guest-ping\"}\n");
	} else if (agent->phase == AGENT_PINGING && json_is_object(result)) {
		agent->phase = AGENT_READY;
		if (!agent->told && agent->ready)
			agent->ready(agent->arg);
		agent->told = true;
	}
	json_decref(object);
}

void agent_feed(struct agent *agent, const char *bytes, size_t len)
{
	while (len > 0 && agent->phase != AGENT_CLOSED) {
		const char *mark = memchr(bytes, 0xff, len);
		size_t piece = mark ? (size_t)(mark - bytes) : len, n;

		if (lines_feed(&agent->lines, bytes, piece) < 0)
			return; /* too long: the next retry starts anew */
		for (char *line = lines_next(&agent->lines, &n); line;
		     line = lines_next(&agent->lines, &n))
			take_line(agent, line, n);
		bytes += piece;
		len -= piece;
		if (mark) {
			lines_free(&agent->lines);
			agent->delimited = true;
			bytes++;
			len--;
		}
	}
}

int agent_readable(struct agent *agent)
{
	char bytes[4096];
	ssize_t n = recv(agent->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	agent_feed(agent, bytes, (size_t)n);
	return 0;
}

int agent_shutdown(struct agent *agent)
{
	if (agent->phase != AGENT_READY)
		return -ENOTCONN;
	return say(agent, "{\"execute\":\"guest-shutdown\","
	                  "\"arguments\":{\"mode\":\"powerdown\"}}\n");
}
