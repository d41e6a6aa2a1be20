// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill disk fill: bring a whole image near, and wait until it is.
 *
 * The disk server of a running machine does it itself, because it knows when its guest wants the
 * link; otherwise the disk is opened here.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "cli/cli.h"
#include "cli/near-disk.h"
#include "cli/options.h"
#include "util/text.h"

#define LOOK_EVERY_MS 500
#define ASK_MS        10000

/* One of the two is there. */
struct filler {
	const struct near_disk *near;
	struct disk *disk;
	const char *verb;
	json_int_t told;     /* percent shown last */
	json_int_t messages; /* times all messages of the disk were seen */
};

static int status_of(struct filler *filler, json_t **ret, struct error *err)
{
	json_t *reply = NULL;
	int r;

	if (filler->disk) {
		*ret = disk_status(filler->disk);
		return *ret ? 0 : error_sys(err, ENOMEM, "status");
	}
	r = near_disk_ask(filler->near, json_pack("{ss}", "cmd", "status"), ASK_MS, &reply, err);
	if (r == 0)
		*ret = json_incref(json_object_get(reply, "status"));
	json_decref(reply);
	if (r == 0 && !*ret)
		r = error_set(err, EPROTO, "the disk server says nothing about its disk");
	return r;
}

/* The latest that the disk has to say while it does not get on. */
static void show_messages(struct filler *filler, const json_t *status)
{
	const json_t *list = json_object_get(status, "messages"), *message;
	json_int_t seen = 0;
	size_t i;

	json_array_foreach (list, i, message)
		seen += json_integer_value(json_object_get(message, "times"));
	message = json_array_get(list, json_array_size(list) - 1);
	if (seen > filler->messages && message)
		fprintf(stderr, "%ssill: %s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
		        filler->verb, json_string_value(json_object_get(message, "text")));
	filler->messages = seen;
}

static void show(struct filler *filler, const json_t *status)
{
	json_int_t percent = (json_int_t)json_number_value(json_object_get(status, "percent_near"));
	char a[16], b[16];

	if (!isatty(STDERR_FILENO) && percent < filler->told + 10 && filler->told >= 0)
		return;
	filler->told = percent;
	fprintf(stderr, "%s%lld %% near, %s of %s cached%s",
	        isatty(STDERR_FILENO) ? "\r\033[K" : "", (long long)percent,
	        format_bytes((uint64_t)json_integer_value(json_object_get(status, "cached_bytes")),
	                     a),
	        format_bytes((uint64_t)json_integer_value(json_object_get(status, "size")), b),
	        isatty(STDERR_FILENO) ? "" : "\n");
}

/* Look at it until it is complete, or a signal comes. */
static int wait_complete(struct filler *filler, int signals, struct error *err)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	for (;;) {
		json_t *status = NULL;
		const char *state;
		bool complete, full;
		int r = status_of(filler, &status, err);

		if (r < 0)
			return r;
		state = json_string_value(
			json_object_get(json_object_get(status, "fill"), "state"));
		complete = state && strcmp(state, "complete") == 0;
		full = json_is_true(json_object_get(status, "cache_full"));
		/* That it is complete is said at the end. */
		if (!complete)
			show_messages(filler, status);
		show(filler, status);
		json_decref(status);
		if (complete)
			return 0;
		if (full)
			return error_set(err, ENOSPC, "there is no room for the rest of the image");
		if (poll(&p, 1, LOOK_EVERY_MS) > 0)
			return error_set(err, EINTR, "stopped; what is near stays near");
	}
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(near_disk_free) struct near_disk *near = NULL;
	cleanup(disk_close) struct disk *disk = NULL;
	struct filler filler = { .verb = call->verb->name, .told = -1 };
	uint64_t rate = cli_number(call, "rate", 0);
	cleanup_close int signals = -1;
	sigset_t set;
	int r;

	/* A signal ends the command at once while it looks for the image: sources may be silent. */
	r = near_disk_find(call, &near, err);
	if (r < 0)
		return r;
	/* Before there are the disk's threads, which inherit this. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return error_sys(err, errno, "signals");
	r = near_disk_ask(near,
	                  json_pack("{ss sb sI}", "cmd", "fill", "on", 1, "rate", (json_int_t)rate),
	                  ASK_MS, NULL, err);
	if (r == -ENOTCONN)
		r = near_disk_open(near, true, rate, &disk, err);
	if (r < 0)
		return r;
	filler.near = near;
	filler.disk = disk;
	r = wait_complete(&filler, signals, err);
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (r == 0)
		printf("all of %s is near: it needs no source any more\n", call->arguments[0]);
	return r;
}

const struct cli_verb verb_disk_fill = {
	.name = "disk fill",
	.group = CLI_DISKS,
	.summary = "Fetch all of an image, so that the network is not needed",
	.description =
		"Fetch everything of an image that is not near yet, and wait until it is.  From "
		"then on every machine of this image starts and runs with all sources gone.\n\n"
		"A running machine goes on running, and its reads go first.  Stopping the command "
		"loses nothing: what is near stays near, and a running machine goes on filling.",
	.arguments = { ARGUMENT_MACHINE_OR_IMAGE },
	.options = { { .name = "rate",
	               .type = CLI_BYTES,
	               .value = "BYTES",
	               .help = "At most so many bytes a second" },
	             OPTION_FORMAT,
	             OPTION_PARENT,
	             OPTIONS_SOURCE },
	.examples = { { "sill disk fill web", "Make a machine independent of its server" },
	              { "sill disk fill --rate 2M https://example.org/debian-12.vhd",
	                "Fetch an image before the first machine of it is made" } },
	.run = run,
};
