// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LABEL      12
#define LINE_ROOM  512
#define NAME_WIDTH 20

struct screen {
	char *text;
	size_t len, room;
	size_t columns, rows, used;
	bool failed;
};

/* The first `columns` characters of a line that is UTF-8. */
static size_t cut(const char *line, size_t columns)
{
	size_t at = 0, n;
	uint32_t character;

	while (line[at] && columns-- > 0 && (n = utf8_next(line + at, &character)) > 0)
		at += n;
	return at;
}

static void put(struct screen *screen, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct screen *screen, const char *fmt, ...)
{
	char line[LINE_ROOM];
	va_list args;
	size_t len;

	if (screen->used == screen->rows || screen->failed)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	text_printable(line);
	len = cut(line, screen->columns);
	if (screen->len + len + 2 > screen->room) {
		size_t room = 2 * screen->room + len + 2;
		char *more = realloc(screen->text, room);

		if (!more) {
			screen->failed = true;
			return;
		}
		screen->text = more;
		screen->room = room;
	}
	memcpy(screen->text + screen->len, line, len);
	screen->len += len;
	screen->text[screen->len++] = '\n';
	screen->text[screen->len] = '\0';
	screen->used++;
}

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

static void put_beneath(struct screen *screen, const json_t *beneath)
{
	const char *kind = text_at(beneath, "kind");

	if (strcmp(kind, "sill") == 0)
		put(screen, "%-*s Sill %s beneath this system", LABEL, "Hypervisor",
		    text_at(beneath, "version"));
	else if (strcmp(kind, "kvm") == 0)
		put(screen, "%-*s stock KVM; Sill's hypervisor is not beneath", LABEL,
		    "Hypervisor");
	else
		put(screen, "%-*s none: machines are emulated, which is slow (%s)", LABEL,
		    "Hypervisor", text_at(beneath, "why"));
}

static void put_slot(struct screen *screen, const json_t *slot)
{
	const char *fell = text_at(slot, "fell");

	if (!slot)
		return;
	if (*fell)
		put(screen, "%-*s slot %s, after slot %s did not get healthy twice", LABEL,
		    "Version", text_at(slot, "running"), fell);
	else if (strcmp(text_at(slot, "tries"), "0") == 0)
		put(screen, "%-*s slot %s, healthy", LABEL, "Version", text_at(slot, "running"));
	else
		put(screen, "%-*s slot %s, not yet healthy (start %s of 2)", LABEL, "Version",
		    text_at(slot, "running"), text_at(slot, "tries"));
}

static void put_addresses(struct screen *screen, const json_t *addresses)
{
	const json_t *at;
	size_t i;

	if (json_array_size(addresses) == 0)
		put(screen, "%-*s no address: is the cable plugged in?", LABEL, "Network");
	json_array_foreach (addresses, i, at) {
		put(screen, "%-*s %s (%s)", LABEL, i ? "" : "Network", text_at(at, "address"),
		    text_at(at, "interface"));
		if (i == 3)
			break;
	}
}

static void put_data(struct screen *screen, const json_t *data)
{
	char size[16], free_room[16];
	uint64_t total = number_at(data, "size_bytes"), left = number_at(data, "free_bytes");

	if (!data)
		return;
	put(screen, "%-*s %s free of %s%s%s", LABEL, "Data", format_bytes(left, free_room),
	    format_bytes(total, size), left < total / 20 ? "; NEARLY FULL" : "",
	    json_is_false(json_object_get(data, "kept"))
	            ? "; NOT KEPT: the data partition cannot be used"
	            : "");
}

static void put_machine(struct screen *screen, size_t key, const json_t *machine)
{
	const json_t *disk = json_object_get(machine, "disk");
	const char *state = text_at(machine, "state"), *message = text_at(machine, "message");
	char near[48] = "";

	if (disk && json_object_get(disk, "percent_near"))
		snprintf(near, sizeof(near), ", %.0f %% near",
		         json_number_value(json_object_get(disk, "percent_near")));
	put(screen, "  %zu  %-*s %s%s%s%s%s", key, NAME_WIDTH, text_at(machine, "name"), state,
	    json_is_true(json_object_get(machine, "ready")) ? ", ready" : "", near,
	    *message ? ": " : "", message);
}

static void put_machines(struct screen *screen, const json_t *machines)
{
	size_t n = json_array_size(machines), i;
	const json_t *machine;

	put(screen, "%s", "");
	if (n == 0)
		put(screen, "Machines     none yet: sill run IMAGE makes one");
	else
		put(screen, "Machines");
	json_array_foreach (machines, i, machine) {
		if (i == SCREEN_MAX_MACHINES)
			break;
		put_machine(screen, i + 1, machine);
	}
	if (n > SCREEN_MAX_MACHINES)
		put(screen, "     and %zu more: sill list", n - SCREEN_MAX_MACHINES);
}

int screen_draw(const json_t *facts, const char *note, size_t columns, size_t rows, char **ret,
                struct error *err)
{
	/* The keys and the note keep their lines, whatever is above. */
	const size_t foot = note ? 3 : 2;
	struct screen screen = { .columns = columns < SCREEN_MIN_COLUMNS ? SCREEN_MIN_COLUMNS
		                                                         : columns,
		                 .rows = (rows < SCREEN_MIN_ROWS ? SCREEN_MIN_ROWS : rows) - foot };
	char memory[16], available[16], uptime[24];

	put(&screen, "Sill on %s", text_at(facts, "name"));
	put(&screen, "%s", "");
	put_beneath(&screen, json_object_get(facts, "beneath"));
	put_slot(&screen, json_object_get(facts, "slot"));
	put(&screen, "%-*s %" PRIu64 " processors, %s of %s memory available, up %s", LABEL,
	    "Computer", number_at(facts, "cpus"),
	    format_bytes(number_at(facts, "memory_available_bytes"), available),
	    format_bytes(number_at(facts, "memory_bytes"), memory),
	    format_seconds(number_at(facts, "uptime_seconds"), uptime));
	put_addresses(&screen, json_object_get(facts, "addresses"));
	put_data(&screen, json_object_get(facts, "data"));
	put_machines(&screen, json_object_get(facts, "machines"));
	screen.rows += foot;
	put(&screen, "%s", "");
	put(&screen, "1-9 a machine's console (Ctrl-] leads back)   s shell");
	if (note)
		put(&screen, "%s", note);
	if (screen.failed) {
		free(screen.text);
		return error_sys(err, ENOMEM, "the status screen");
	}
	*ret = screen.text;
	return 0;
}

const char *screen_machine(const json_t *facts, char key)
{
	if (key < '1' || key > '9')
		return NULL;
	return json_string_value(json_object_get(
		json_array_get(json_object_get(facts, "machines"), (size_t)(key - '1')), "name"));
}
