// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sill info: everything about one machine.  The text says the same as --json, in sentences' order:
 * what it is, what it does, how its disk is doing.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "machine/machine.h"
#include "util/text.h"

#define LABEL 14

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static uint64_t number_at(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static void line(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *label, const char *fmt, ...)
{
	va_list args;

	printf("%-*s ", LABEL, label);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static void print_time(const char *label, uint64_t seconds, const char *more)
{
	time_t t = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return;
	line(label, "%s%s", text, more);
}

/* "34.2 s" */
static void print_ms(const char *label, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		line(label, "%.2f s after the start", (double)json_integer_value(value) / 1000);
}

static void print_source(const json_t *source)
{
	const char *error = text_at(source, "error");
	char bytes[16];

	line("source", "%s: %s, %s in %llu requests%s%s", text_at(source, "url"),
	     text_at(source, "state"), format_bytes(number_at(source, "bytes"), bytes),
	     (unsigned long long)number_at(source, "requests"), *error ? "; " : "", error);
}

static void print_fetched(const json_t *fetched)
{
	static const char *const kinds[] = { "demand", "trace", "readahead", "sweep", "fill" };
	uint64_t sum = 0;
	char bytes[16];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		sum += number_at(fetched, kinds[i]);
	printf("%-*s %s", LABEL, "fetched", format_bytes(sum, bytes));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (number_at(fetched, kinds[i]))
			printf(", %s by %s", format_bytes(number_at(fetched, kinds[i]), bytes),
			       kinds[i]);
	}
	putchar('\n');
}

/* The guest's place in the world: always there, whatever is forwarded. */
static void print_network(const json_t *info)
{
	const json_t *ports = json_object_get(info, "ports"), *value;
	size_t i;

	line("address", "%s, in a network of its own that is left through this computer; %s",
	     text_at(info, "address"),
	     json_array_size(ports) ? "reached by forwarded ports" : "no port is forwarded to it");
	json_array_foreach (ports, i, value) {
		const char *text = json_string_value(value), *colon = strrchr(text, ':');

		line("port", "%.*s leads to its port %s", (int)(colon - text), text, colon + 1);
	}
}

static void print_trace(const json_t *trace)
{
	const char *replay = text_at(trace, "replay");
	bool recording = json_is_true(json_object_get(trace, "recording"));
	char all[16], taken[16], text[80] = "no record of an earlier boot was fetched ahead";

	format_bytes(number_at(trace, "replay_bytes"), all);
	if (strcmp(replay, "running") == 0)
		snprintf(text, sizeof(text), "%s of %s are being fetched ahead",
		         format_bytes(number_at(trace, "replayed_bytes"), taken), all);
	else if (strcmp(replay, "done") == 0)
		snprintf(text, sizeof(text), "%s were fetched ahead", all);
	line("boot trace", "%s%s", text, recording ? "; this boot is being recorded" : "");
}

static void print_disk(const json_t *disk)
{
	const json_t *list, *value;
	char a[16], b[16];
	size_t i;

	if (!disk)
		return;
	line("disk", "%s, %.1f %% near; %s cached, %s written",
	     format_bytes(number_at(disk, "size"), a),
	     json_number_value(json_object_get(disk, "percent_near")),
	     format_bytes(number_at(disk, "cached_bytes"), b),
	     format_bytes(number_at(disk, "written_bytes"), (char[16]){ 0 }));
	line("reads", "%llu, %.1f %% of them without waiting for a source",
	     (unsigned long long)number_at(disk, "reads"),
	     json_number_value(json_object_get(disk, "hit_rate")));
	print_fetched(json_object_get(disk, "fetched_bytes"));
	list = json_object_get(disk, "sources");
	json_array_foreach (list, i, value)
		print_source(value);
	print_trace(json_object_get(disk, "trace"));
	line("fill", "%s", text_at(json_object_get(disk, "fill"), "state"));
	print_ms("first read", disk, "first_read_ms");
	list = json_object_get(disk, "messages");
	json_array_foreach (list, i, value) {
		if (i + 5 >= json_array_size(list))
			line("message", "%s", text_at(value, "text"));
	}
}

static void print_machine(const json_t *info)
{
	line("name", "%s", text_at(info, "name"));
	line("image", "%s", text_at(info, "image"));
	if (*text_at(info, "image_digest"))
		line("library", "%s@%s", text_at(info, "library_name"),
		     text_at(info, "image_digest"));
	print_time("created", number_at(info, "created"), "");
	line("processors", "%llu", (unsigned long long)number_at(info, "cpus"));
	line("memory", "%llu MiB", (unsigned long long)(number_at(info, "memory") >> 20));
	print_network(info);
	if (json_is_true(json_object_get(info, "ephemeral")))
		line("ephemeral", "what it writes is thrown away at the end of the session");
}

static void print_session(const json_t *session)
{
	line("accelerator", "%s (%s)", text_at(session, "accel"), text_at(session, "accel_why"));
	line("firmware", "%s%s%s%s", text_at(session, "firmware"),
	     *text_at(session, "firmware_why") ? " (" : "", text_at(session, "firmware_why"),
	     *text_at(session, "firmware_why") ? ")" : "");
	print_time("started", number_at(session, "started"), "");
	print_ms("ready", session, "ready_ms");
}

static int run(const struct cli_call *call, struct error *err)
{
	cleanup(state_close) struct state *state = NULL;
	json_t *info = NULL, *last;
	int r = state_open(&state, err);

	if (r == 0)
		r = machine_info(state, call->arguments[0], false, &info, err);
	if (r < 0)
		return r;
	last = json_object_get(info, "last");
	if (cli_given(call, "json")) {
		r = cli_print_json(info, err);
		json_decref(info);
		return r;
	}
	print_machine(info);
	line("state", "%s%s", text_at(info, "state"),
	     json_is_true(json_object_get(info, "ready")) ? ", ready" : "");
	if (*text_at(info, "message"))
		line("message", "%s", text_at(info, "message"));
	if (json_object_get(info, "accel_why"))
		print_session(info);
	if (*text_at(info, "vnc"))
		line("display", "vnc at %s", text_at(info, "vnc"));
	if (last) {
		line("last session", "%s", text_at(last, "reason"));
		print_session(last);
		if (json_object_get(last, "ended"))
			print_time("ended", number_at(last, "ended"), "");
	}
	print_disk(json_object_get(last ? last : info, "disk"));
	json_decref(info);
	return 0;
}

const struct cli_verb verb_info = {
	.name = "info",
	.group = CLI_MACHINES,
	.summary = "Show everything about a machine",
	.description =
		"Show what a machine is, what it is doing, why its last session ended, and how its "
		"disk is doing: what was fetched from which source, how much is near, how many "
		"reads had to wait for a source, what was fetched ahead by the trace of an earlier "
		"boot, and how long the first read and the start took.",
	.arguments = { ARGUMENT_MACHINE },
	.options = { OPTION_JSON },
	.examples = { { "sill info web", "Show it" },
	              { "sill info --json web | jq .disk.percent_near",
	                "How much of its disk is near" } },
	.run = run,
};
