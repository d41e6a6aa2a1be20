// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/reference.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "util/cleanup.h"
#include "util/text.h"

#define SMALL       "abcdefghijklmnopqrstuvwxyz"
#define DIGITS      "0123456789"
#define LETTERS     SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGEST_TEXT 64u

/* What is between two runs of letters and digits: one of ". _ __", or any number of dashes. */
static size_t separator(const char *text)
{
	size_t dashes = strspn(text, "-");

	if (dashes > 0)
		return dashes;
	if (text[0] == '_')
		return text[1] == '_' ? 2 : 1;
	return text[0] == '.' ? 1 : 0;
}

/* The rule that a name breaks, or NULL. */
static const char *name_fault(const char *text)
{
	if (!*text)
		return "the name is empty";
	if (strlen(text) > REFERENCE_NAME_MAX)
		return "the name is longer than 255 bytes";
	for (;;) {
		size_t n = strspn(text, SMALL DIGITS);

		if (n == 0 && strspn(text, LETTERS) > 0)
			return "a name has small letters only";
		if (n == 0)
			return "each part of a name begins and ends with a small letter or a digit";
		text += n;
		if (!*text)
			return NULL;
		if (*text == '/') {
			text++;
			continue;
		}
		n = separator(text);
		if (n == 0)
			return strspn(text, LETTERS)
			               ? "a name has small letters only"
			               : "a name has only small letters, digits and . _ __ - /";
		text += n;
	}
}

static const char *tag_fault(const char *text)
{
	size_t n = strspn(text, LETTERS DIGITS "_.-");

	if (!*text)
		return "the tag is empty";
	if (text[n] || *text == '.' || *text == '-')
		return "a tag has letters, digits and _ . -, and begins with none of the last two";
	return n > REFERENCE_TAG_MAX ? "the tag is longer than 128 bytes" : NULL;
}

bool reference_name_valid(const char *text)
{
	return !name_fault(text);
}

bool reference_tag_valid(const char *text)
{
	return !tag_fault(text);
}

bool reference_digest_valid(const char *text)
{
	return strncmp(text, "sha256:", 7) == 0 && strlen(text + 7) == DIGEST_TEXT &&
	       strspn(text + 7, DIGITS "abcdef") == DIGEST_TEXT;
}

/* "HOST", "HOST:PORT" and "[IPv6]:PORT". */
static const char *host_fault(const char *text)
{
	static const char *const shape = "a host is a name or an address, and may have a port "
					 "behind a ':'";
	const char *end = text;
	uint64_t port;

	if (strlen(text) > REFERENCE_HOST_MAX)
		return "the host is longer than 261 bytes";
	if (*text == '[') {
		end = text + 1 + strspn(text + 1, DIGITS "abcdefABCDEF:.");
		if (end == text + 1 || *end++ != ']')
			return shape;
	} else {
		end += strspn(text, LETTERS DIGITS ".-");
		if (end == text || *text == '-' || *text == '.' || end[-1] == '-' ||
		    end[-1] == '.' || strstr(text, ".."))
			return shape;
	}
	if (*end == ':' && parse_number(end + 1, 1, UINT16_MAX, &port, NULL) < 0)
		return "a port is a number from 1 to 65535";
	return *end && *end != ':' ? shape : NULL;
}

static bool is_host(const char *part)
{
	return strpbrk(part, ".:") || strcmp(part, "localhost") == 0;
}

/* Names of hosts mean the same in any letters; rules about them must not depend on it. */
static void take_host(const char *text, struct reference *ref)
{
	size_t n = strlen(text);

	for (size_t i = 0; i <= n; i++)
		ref->host[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
}

/* NAME[:TAG][@DIGEST], which this takes apart. */
static const char *take_name(char *text, struct reference *ref)
{
	char *at = strchr(text, '@'), *colon;
	const char *fault = NULL;

	if (at) {
		*at++ = '\0';
		if (!reference_digest_valid(at))
			return "a digest is sha256: and 64 hexadecimal digits in small letters";
		snprintf(ref->digest, sizeof(ref->digest), "%.71s", at);
	}
	colon = strchr(text, ':');
	if (colon) {
		*colon++ = '\0';
		fault = tag_fault(colon);
	}
	if (!fault)
		fault = name_fault(text);
	if (fault)
		return fault;
	snprintf(ref->tag, sizeof(ref->tag), "%s", colon ? colon : at ? "" : "latest");
	snprintf(ref->name, sizeof(ref->name), "%s", text);
	return NULL;
}

/* What is behind the folder, if there is one. */
static const char *take_rest(char *text, struct reference *ref)
{
	char *slash = strchr(text, '/');
	const char *fault = NULL;

	if (!ref->folder && slash) {
		*slash = '\0';
		if (is_host(text)) {
			fault = host_fault(text);
			if (!fault)
				take_host(text, ref);
			text = slash + 1;
		} else {
			*slash = '/';
		}
	}
	return fault ? fault : take_name(text, ref);
}

int reference_parse(const char *text, struct reference *ret, struct error *err)
{
	cleanup(reference_free) struct reference ref = { 0 };
	cleanup_free char *copy = strdup(text);
	char *hash = copy ? strrchr(copy, '#') : NULL;
	const char *fault;

	if (!copy)
		return error_sys(err, ENOMEM, "reference");
	if (hash) {
		*hash++ = '\0';
		ref.folder = strdup(copy);
		if (!ref.folder)
			return error_sys(err, ENOMEM, "reference");
	}
	fault = hash && !*ref.folder ? "there is no folder in front of the '#'"
	                             : take_rest(hash ? hash : copy, &ref);
	if (fault)
		return error_set(err, EINVAL, "'%.300s' names no image: %s", text, fault);
	*ret = ref;
	ref.folder = NULL;
	return 0;
}

void reference_free(struct reference *ref)
{
	if (!ref)
		return;
	free(ref->folder);
	*ref = (struct reference){ 0 };
}

const char *reference_which(const struct reference *ref)
{
	return *ref->digest ? ref->digest : ref->tag;
}

bool reference_is_one(const char *text)
{
	static const char *const paths[] = { "/", "./", "../" };
	const char *hash = strrchr(text, '#');
	struct stat st;

	if (stat(text, &st) == 0 && !S_ISDIR(st.st_mode))
		return false;
	/* Behind a '#' stands a name, or else it is part of a file's name. */
	if (hash) {
		cleanup(reference_free) struct reference ref = { 0 };

		return reference_parse(text, &ref, NULL) == 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (strncmp(text, paths[i], strlen(paths[i])) == 0)
			return false;
	}
	return !strstr(text, "://") && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}
