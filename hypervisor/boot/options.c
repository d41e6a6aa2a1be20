// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/boot/options.h"

#include "base/bits.h"
#include "hypervisor/core/string.h"

#define WORD_MAX          64u /* with its zero byte */
#define COM1              0x3F8u
#define COM2              0x2F8u
#define UART_PORTS        8u
#define PANIC_SECONDS     10u
#define PANIC_SECONDS_MAX 86400u

static bool is(const char *text, const char *other)
{
	return strlen(text) == strlen(other) && memcmp(text, other, strlen(other)) == 0;
}

/* Decimal, or hexadecimal after 0x. */
static bool parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	uint64_t value = 0;

	text += hex ? 2 : 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		char lower = (char)(*text | 0x20);

		if (*text >= '0' && *text <= '9')
			value = value * (hex ? 16 : 10) + (uint64_t)(*text - '0');
		else if (hex && lower >= 'a' && lower <= 'f')
			value = value * 16 + (uint64_t)(lower - 'a' + 10);
		else
			return false;
		if (value > max)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static bool set_console(const char *value, struct options *options)
{
	uint32_t port = 0;

	if (is(value, "com1"))
		port = COM1;
	else if (is(value, "com2"))
		port = COM2;
	else if (!is(value, "none") &&
	         (!parse_number(value, UINT16_MAX + 1 - UART_PORTS, &port) || port == 0))
		return false;
	options->console = (uint16_t)port;
	return true;
}

static bool set_log(const char *value, struct options *options)
{
	/* In the order of enum log_level. */
	static const char *const levels[] = { "error", "warning", "info", "debug" };

	for (unsigned int i = 0; i < ARRAY_LEN(levels); i++) {
		if (is(value, levels[i])) {
			options->log = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static bool set_missing(const char *value, struct options *options)
{
	if (!is(value, "halt") && !is(value, "unprotected"))
		return false;
	options->unprotected = is(value, "unprotected");
	return true;
}

static bool set_panic(const char *value, struct options *options)
{
	return parse_number(value, PANIC_SECONDS_MAX, &options->panic_seconds);
}

/* docs/hypervisor.md has the same table.  A value that makes no sense changes nothing. */
static const struct {
	const char *name, *values;
	bool (*set)(const char *value, struct options *options);
} table[] = {
	{ "console", "none, com1, com2, or an I/O port such as 0x3f8", set_console },
	{ "log", "error, warning, info, or debug", set_log },
	{ "missing", "halt or unprotected", set_missing },
	{ "panic", "seconds up to 86400, or 0 for never", set_panic },
};

static bool set_word(char *word, struct options *options, struct sentence *why)
{
	char *value = word;

	while (*value && *value != '=')
		value++;
	if (*value)
		*value++ = '\0';
	for (unsigned int i = 0; i < ARRAY_LEN(table); i++) {
		if (!is(word, table[i].name))
			continue;
		return table[i].set(value, options) || say(why, "%s=%s makes no sense: %s takes %s",
		                                           word, value, word, table[i].values);
	}
	return say(why, "there is no option %s: console, log, missing and panic are known", word);
}

bool options_parse(const char *line, struct options *ret, struct sentence *why)
{
	char word[WORD_MAX];

	*ret = (struct options){ .log = LOG_INFO, .panic_seconds = PANIC_SECONDS };
	while (*line) {
		unsigned int length = 0;

		for (; *line && *line != ' ' && *line != '\t'; line++) {
			word[length++] = *line;
			if (length == WORD_MAX) {
				word[WORD_MAX - 1] = '\0';
				return say(why, "no option is as long as %s", word);
			}
		}
		word[length] = '\0';
		if (length > 0 && !set_word(word, ret, why))
			return false;
		while (*line == ' ' || *line == '\t')
			line++;
	}
	return true;
}
