// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/attach.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "machine/machine.h"
#include "machine/session.h"
#include "machine/unix-socket.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"

#define LEAVE_KEY    0x1d /* Ctrl-] */
#define LOOK_EVERY   (500 * NS_PER_MS)
#define SHOW_READY   8 /* looks for which "ready" stays on the line */
#define STATUS_ROOM  200
#define ESCAPE_LIMIT 64 /* a sequence that is longer is none */

/* Asks the supervisor now and then, for an answer may take its time. */
struct watcher {
	pthread_t thread;
	const struct state *state;
	const char *name;
	int event; /* readable when `text` is new */
	pthread_mutex_t lock;
	pthread_cond_t stop_now;
	bool stop;
	char text[STATUS_ROOM]; /* "": take the line away */
};

struct terminal {
	struct termios before;
	bool raw, line; /* settings are changed; the last line is ours */
	bool draws;
	int rows, columns;
	unsigned int
		escape; /* bytes since an escape sequence of the guest's began; 0: not in one */
	bool sequence;  /* it is one that ends with a letter */
	char text[STATUS_ROOM];
};

static json_int_t number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void cli_progress_text(const json_t *status, char *out, size_t room)
{
	const json_t *disk = json_object_get(status, "disk"), *value;
	const char *message = json_string_value(json_object_get(status, "message")), *key;
	char bytes[16], time[24];
	json_int_t fetched = 0;

	json_object_foreach ((json_t *)json_object_get(disk, "fetched_bytes"), key, value)
		fetched += json_integer_value(value);
	format_seconds((uint64_t)number_at(status, "uptime_ms") / 1000, time);
	if (message)
		snprintf(out, room, "%s", message);
	else if (json_is_true(json_object_get(status, "ready")))
		snprintf(out, room, "ready after %.1f s, %s fetched, %.0f %% near",
		         (double)number_at(status, "ready_ms") / 1000,
		         format_bytes((uint64_t)fetched, bytes),
		         json_number_value(json_object_get(disk, "percent_near")));
	else
		snprintf(out, room, "%s %s, %s fetched, %.0f %% near",
		         strcmp(json_string_value(json_object_get(status, "state")) ?: "",
		                "starting") == 0
		                 ? "preparing"
		                 : "starting",
		         time, format_bytes((uint64_t)fetched, bytes),
		         json_number_value(json_object_get(disk, "percent_near")));
}

static void *watch(void *arg)
{
	struct watcher *w = arg;
	unsigned int ready = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->stop && ready <= SHOW_READY) {
		char text[STATUS_ROOM] = "";
		json_t *status = NULL;
		struct timespec next = timespec_of(now_ns() + LOOK_EVERY);
		uint64_t one = 1;

		pthread_mutex_unlock(&w->lock);
		if (session_status(w->state, w->name, &status, NULL) == 0) {
			ready += json_is_true(json_object_get(status, "ready"));
			if (ready <= SHOW_READY)
				cli_progress_text(status, text, sizeof(text));
		}
		json_decref(status);
		pthread_mutex_lock(&w->lock);
		memcpy(w->text, text, sizeof(text));
		(void)!write_all(w->event, &one, sizeof(one));
		while (!w->stop &&
		       pthread_cond_clockwait(&w->stop_now, &w->lock, CLOCK_MONOTONIC, &next) == 0)
			;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void out(const char *text)
{
	(void)!write_all(STDOUT_FILENO, text, strlen(text));
}

/*
 * The last row is kept out of the guest's reach by a scrolling region, and drawn between two of the
 * guest's escape sequences, never inside one.
 */
static void draw(struct terminal *t, const char *name)
{
	char line[STATUS_ROOM + 160], all[STATUS_ROOM + 260];
	struct winsize size;

	if (!t->draws || t->escape || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 ||
	    size.ws_row < 5 || size.ws_col < 20)
		return;
	t->rows = size.ws_row;
	t->columns = size.ws_col;
	if (!*t->text) {
		if (t->line) {
			snprintf(all, sizeof(all), "\0337\033[r\033[%d;1H\033[K\0338", t->rows);
			out(all);
		}
		t->line = false;
		return;
	}
	if (!t->line)
		out("\n\033[A");
	t->line = true;
	snprintf(line, sizeof(line), " %s: %s   Ctrl-] leaves ", name, t->text);
	snprintf(all, sizeof(all), "\0337\033[1;%dr\033[%d;1H\033[7m%.*s\033[0m\033[K\0338",
	         t->rows - 1, t->rows, t->columns - 1, line);
	out(all);
}

/* Where in an escape sequence the guest's output stands after these bytes (ECMA-48, 5.4). */
static void follow(struct terminal *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == 033) {
			t->escape = 1;
			t->sequence = false;
		} else if (t->escape == 1 && c == '[') {
			t->escape = 2;
			t->sequence = true;
		} else if (t->escape) {
			bool ends = t->sequence ? c >= 0x40 && c <= 0x7e : c >= 0x30;

			t->escape = ends || t->escape > ESCAPE_LIMIT ? 0 : t->escape + 1;
		}
	}
}

static void make_raw(struct terminal *t, bool keys)
{
	struct termios raw;

	t->draws = isatty(STDOUT_FILENO);
	if (!keys || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct terminal *t, const char *name)
{
	t->text[0] = '\0';
	t->escape = 0;
	draw(t, name);
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

/* Keys go to the guest; true when the person leaves. */
static bool take_keys(int console)
{
	char keys[256];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
	char *leave = n > 0 ? memchr(keys, LEAVE_KEY, (size_t)n) : NULL;
	size_t len = leave ? (size_t)(leave - keys) : n > 0 ? (size_t)n : 0;

	if (n < 0)
		return errno != EINTR && errno != EAGAIN;
	(void)!send(console, keys, len, MSG_NOSIGNAL);
	return n == 0 || leave;
}

/* What the guest prints; false when it has ended. */
static bool show_output(int console, struct terminal *t)
{
	char bytes[4096];
	ssize_t n = recv(console, bytes, sizeof(bytes), 0);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	(void)!write_all(STDOUT_FILENO, bytes, (size_t)n);
	follow(t, bytes, (size_t)n);
	return true;
}

static enum attach_end converse(int console, int signals, struct watcher *w, struct terminal *t,
                                const char *name, bool keys)
{
	struct pollfd fds[] = { { .fd = console, .events = POLLIN },
		                { .fd = signals, .events = POLLIN },
		                { .fd = w->event, .events = POLLIN },
		                { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN } };

	for (;;) {
		struct signalfd_siginfo info;
		uint64_t times;

		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[0].revents && !show_output(console, t))
			return ATTACH_ENDED;
		/* Taken here, or it would strike once signals are let through again. */
		if (fds[1].revents && read(signals, &info, sizeof(info)) > 0)
			return ATTACH_LEFT;
		if (fds[3].revents && take_keys(console))
			return ATTACH_LEFT;
		if (fds[2].revents && read(w->event, &times, sizeof(times)) > 0) {
			pthread_mutex_lock(&w->lock);
			memcpy(t->text, w->text, sizeof(t->text));
			pthread_mutex_unlock(&w->lock);
			draw(t, name);
		}
	}
}

static int block_signals(sigset_t *ret_before, struct error *err)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, ret_before);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "signals") : fd;
}

int cli_attach(const struct state *state, const char *name, bool progress, bool keys,
               enum attach_end *ret, struct error *err)
{
	struct watcher w = { .state = state,
		             .name = name,
		             .lock = PTHREAD_MUTEX_INITIALIZER,
		             .stop_now = PTHREAD_COND_INITIALIZER };
	cleanup_close int console = -1, signals = -1, event = -1;
	struct session_paths paths;
	struct terminal t = { 0 };
	sigset_t before;
	int r = session_paths(state, name, false, &paths, err);

	if (r < 0)
		return r;
	console = unix_connect(paths.console, NULL);
	if (console == -ENOENT || console == -ECONNREFUSED)
		return error_set(err, ENOTCONN, "%s does not run", name);
	if (console < 0)
		return error_sys(err, -console, "%s", paths.console);
	w.event = event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	signals = block_signals(&before, err);
	if (signals < 0 || event < 0)
		return error_sys(err, errno, "console");
	make_raw(&t, keys);
	progress = progress && t.draws && pthread_create(&w.thread, NULL, watch, &w) == 0;
	*ret = converse(console, signals, &w, &t, name, keys);
	if (progress) {
		pthread_mutex_lock(&w.lock);
		w.stop = true;
		pthread_cond_signal(&w.stop_now);
		pthread_mutex_unlock(&w.lock);
		pthread_join(w.thread, NULL);
	}
	restore(&t, name);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return 0;
}

int cli_session_result(const struct state *state, const char *name, struct error *err)
{
	json_t *info = NULL, *last;
	const char *reason;
	int r = machine_info(state, name, true, &info, err);

	if (r < 0)
		return r;
	last = json_object_get(info, "last");
	reason = json_string_value(json_object_get(last, "reason"));
	if (!json_is_true(json_object_get(last, "clean")))
		r = error_set(err, EIO, "%s: %s", name, reason ? reason : "it ended");
	else
		fprintf(stderr, "%s: %s\n", name, reason ? reason : "it ended");
	json_decref(info);
	return r;
}
