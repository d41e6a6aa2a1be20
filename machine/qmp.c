// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "machine/lines.h"

struct pending {
	json_int_t id; /* 0: free */
	uint64_t deadline;
	qmp_done done;
	void *arg;
};

struct qmp {
	int fd;
	struct qmp_handlers handlers;
	void *arg;
	struct lines lines;
	struct pending pending[QMP_MAX_PENDING];
	json_int_t last_id;
	bool greeted;
	bool ended;
};

int qmp_open(int fd, const struct qmp_handlers *handlers, void *arg, struct qmp **ret,
             struct error *err)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));

	if (!qmp)
		return error_sys(err, ENOMEM, "QMP");
	qmp->fd = fd;
	qmp->handlers = *handlers;
	qmp->arg = arg;
	qmp->lines.max = QMP_MAX_LINE;
	*ret = qmp;
	return 0;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->fd >= 0)
		close(qmp->fd);
	lines_free(&qmp->lines);
	free(qmp);
}

int qmp_fd(const struct qmp *qmp)
{
	return qmp->fd;
}

/* The end: whoever waits is told, then the owner. */
static int end(struct qmp *qmp, int code, const char *why)
{
	struct error err;

	if (qmp->ended)
		return -code;
	qmp->ended = true;
	error_set(&err, code, "QEMU's monitor: %s", why);
	for (size_t i = 0; i < QMP_MAX_PENDING; i++) {
		struct pending was = qmp->pending[i];

		qmp->pending[i] = (struct pending){ 0 };
		if (was.id && was.done)
			was.done(was.arg, NULL, &err);
	}
	if (qmp->handlers.closed)
		qmp->handlers.closed(qmp->arg, &err);
	return -code;
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ns,
                qmp_done done, void *arg, struct error *err)
{
	struct pending *slot = NULL;
	cleanup_free char *text = NULL;
	json_t *object;
	size_t len;

	for (size_t i = 0; i < QMP_MAX_PENDING && !slot; i++)
		slot = qmp->pending[i].id ? NULL : &qmp->pending[i];
	if (!slot || qmp->ended) {
		json_decref(arguments);
		return error_set(err, slot ? ENOTCONN : EBUSY, "QEMU's monitor: %s cannot be sent",
		                 command);
	}
	object = json_pack("{ss sI so*}", "execute", command, "id", ++qmp->last_id, "arguments",
	                   arguments);
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!text)
		return error_sys(err, ENOMEM, "QEMU's monitor: %s", command);
	len = strlen(text);
	text[len] = '\n'; /* in place of the NUL: one piece, so that it is sent whole or not */
	if (send(qmp->fd, text, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len + 1)
		return error_set(err, EPIPE, "QEMU's monitor: %s cannot be sent", command);
	*slot = (struct pending){ qmp->last_id, deadline_ns, done, arg };
	return 0;
}

static void capable(void *arg, const json_t *result, const struct error *err)
{
	struct qmp *qmp = arg;

	if (!result)
		end(qmp, EPROTO, err->text);
	else if (qmp->handlers.ready)
		qmp->handlers.ready(qmp->arg);
}

/* An answer to the command with its id. */
static int take_answer(struct qmp *qmp, const json_t *object)
{
	json_int_t id = json_integer_value(json_object_get(object, "id"));
	const json_t *result = json_object_get(object, "return");
	struct error err = { 0 };

	for (size_t i = 0; i < QMP_MAX_PENDING; i++) {
		struct pending was = qmp->pending[i];

		if (!id || was.id != id)
			continue;
		qmp->pending[i] = (struct pending){ 0 };
		if (!result) {
			const json_t *error = json_object_get(object, "error");
			const char *text = json_string_value(json_object_get(error, "desc"));

			error_set(&err, EIO, "QEMU says: %.400s", text ? text : "no reason");
		}
		if (was.done)
			was.done(was.arg, result, &err);
		return 0;
	}
	/* One that came after its deadline; ids that were never given are a broken peer. */
	if (id > 0 && id <= qmp->last_id)
		return 0;
	return end(qmp, EPROTO, "an answer to nothing that was asked");
}

static int take_line(struct qmp *qmp, const char *line, size_t len)
{
	json_t *object = json_loadb(line, len, 0, NULL);
	const char *event = json_string_value(json_object_get(object, "event"));
	int r = 0;

	if (!json_is_object(object)) {
		r = end(qmp, EPROTO, "a line that is no JSON object");
	} else if (!qmp->greeted) {
		struct error err;

		qmp->greeted = true;
		if (!json_is_object(json_object_get(object, "QMP")))
			r = end(qmp, EPROTO, "no greeting");
		else if (qmp_execute(qmp, "qmp_capabilities", NULL, 0, capable, qmp, &err) < 0)
			r = end(qmp, EPIPE, err.text);
	} else if (event) {
		if (qmp->handlers.event)
			qmp->handlers.event(qmp->arg, event, json_object_get(object, "data"));
	} else {
		r = take_answer(qmp, object);
	}
	json_decref(object);
	return r;
}

int qmp_feed(struct qmp *qmp, const char *bytes, size_t len)
{
	size_t n;
	int r;

	if (qmp->ended)
		return -ENOTCONN;
	r = lines_feed(&qmp->lines, bytes, len);
	if (r < 0)
		return end(qmp, -r, "a line that is too long");
	for (char *line = lines_next(&qmp->lines, &n); line; line = lines_next(&qmp->lines, &n)) {
		r = take_line(qmp, line, n);
		if (r < 0 || qmp->ended)
			return r < 0 ? r : -ENOTCONN;
	}
	return 0;
}

int qmp_readable(struct qmp *qmp)
{
	char bytes[4096];
	ssize_t n = recv(qmp->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return end(qmp, errno, strerror(errno));
	if (n == 0)
		return end(qmp, EPIPE, "closed");
	return qmp_feed(qmp, bytes, (size_t)n);
}

uint64_t qmp_deadline(const struct qmp *qmp)
{
	uint64_t first = 0;

	for (size_t i = 0; i < QMP_MAX_PENDING; i++) {
		const struct pending *p = &qmp->pending[i];

		if (p->id && p->deadline && (!first || p->deadline < first))
			first = p->deadline;
	}
	return first;
}

void qmp_expire(struct qmp *qmp, uint64_t now)
{
	struct error err;

	error_set(&err, ETIMEDOUT, "QEMU's monitor: no answer in time");
	for (size_t i = 0; i < QMP_MAX_PENDING; i++) {
		struct pending was = qmp->pending[i];

		if (!was.id || !was.deadline || was.deadline > now)
			continue;
		qmp->pending[i] = (struct pending){ 0 };
		if (was.done)
			was.done(was.arg, NULL, &err);
	}
}
