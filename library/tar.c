// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/tar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "util/text.h"

#define BLOCK     512u
#define LONG_NAME 4096u /* bytes of a pax header or a long name that are looked at */

/* Octal digits, or with the top bit set a big-endian number (GNU). */
static int parse_number_field(const uint8_t *field, size_t len, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	if (field[0] & 0x80) {
		for (i = 0; i < len; i++) {
			if (n >> 55)
				return -EINVAL;
			n = n << 8 | (i == 0 ? field[i] & 0x7f : field[i]);
		}
		*ret = n;
		return 0;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
		if (n >> 60)
			return -EINVAL;
		n = n << 3 | (uint64_t)(field[i] - '0');
	}
	if (i < len && field[i] != ' ' && field[i] != '\0')
		return -EINVAL;
	*ret = n;
	return 0;
}

static bool checksum_right(const uint8_t head[BLOCK])
{
	uint64_t sum = 0, said;

	for (unsigned int i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : head[i];
	return parse_number_field(head + 148, 8, &said) == 0 && said == sum;
}

bool tar_begins(const uint8_t head[512])
{
	return head[0] != '\0' && memcmp(head + 257, "ustar", 5) == 0 && checksum_right(head);
}

static void name_of(const uint8_t head[BLOCK], char ret[TAR_NAME_MAX + 1])
{
	/* GNU's archives have other things where ustar has the front of a long name. */
	bool ustar = memcmp(head + 257, "ustar\0", 6) == 0;

	if (ustar && head[345])
		snprintf(ret, TAR_NAME_MAX + 1, "%.155s/%.99s", (const char *)head + 345,
		         (const char *)head);
	else
		snprintf(ret, TAR_NAME_MAX + 1, "%.100s", (const char *)head);
}

/* What a pax header says of the next member: "LENGTH key=value\n", again and again. */
static int pax(char *text, size_t len, char name[TAR_NAME_MAX + 1], uint64_t *size)
{
	for (size_t at = 0; at < len;) {
		char *end, *key, *value;
		unsigned long record = strtoul(text + at, &end, 10);

		if (record < 5 || record > len - at || *end != ' ' || text[at + record - 1] != '\n')
			return -EINVAL;
		text[at + record - 1] = '\0';
		key = end + 1;
		value = strchr(key, '=');
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (!strcmp(key, "path"))
			snprintf(name, TAR_NAME_MAX + 1, "%.255s", value);
		else if (!strcmp(key, "size") && parse_number(value, 0, INT64_MAX, size, NULL) < 0)
			return -EINVAL;
		at += record;
	}
	return 0;
}

struct walk {
	struct source *file;
	uint64_t at;
	char name[TAR_NAME_MAX + 1]; /* of the next member; "" when it has the short one only */
	uint64_t size;               /* likewise; UINT64_MAX */
};

static int read_extra(struct walk *walk, char type, uint64_t off, uint64_t size, struct error *err)
{
	char text[LONG_NAME + 1];
	int r;

	if (size > LONG_NAME)
		return error_set(err, EBADMSG, "%s: the archive has a name that is too long",
		                 walk->file->name);
	r = source_read(walk->file, text, size, off, NULL, err);
	if (r < 0)
		return r;
	text[size] = '\0';
	if (type == 'L')
		snprintf(walk->name, sizeof(walk->name), "%.255s", text);
	else if (pax(text, size, walk->name, &walk->size) < 0)
		return error_set(err, EBADMSG, "%s: the archive has a header (pax) that is damaged",
		                 walk->file->name);
	return 0;
}

static int take_member(struct walk *walk, const uint8_t head[BLOCK], struct tar_member *ret,
                       bool *ret_any, struct error *err)
{
	char type = (char)head[156];
	uint64_t size;
	int r = 0;

	*ret_any = false;
	if (!checksum_right(head) || parse_number_field(head + 124, 12, &size) < 0)
		return error_set(err, EBADMSG, "%s: the archive is damaged at byte %" PRIu64,
		                 walk->file->name, walk->at);
	if ((type == '0' || type == '\0') && walk->size != UINT64_MAX)
		size = walk->size;
	walk->at += BLOCK;
	if (!range_inside(walk->at, size, walk->file->identity.size))
		return error_set(err, EBADMSG, "%s: the archive ends within one of its files",
		                 walk->file->name);
	if (type == 'L' || type == 'x') {
		r = read_extra(walk, type, walk->at, size, err);
	} else {
		*ret_any = type == '0' || type == '\0' || type == '7';
		*ret = (struct tar_member){ .off = walk->at, .size = size };
		if (walk->name[0])
			memcpy(ret->name, walk->name, sizeof(ret->name));
		else
			name_of(head, ret->name);
		text_printable(ret->name);
		walk->name[0] = '\0';
		walk->size = UINT64_MAX;
	}
	walk->at = min_u64(walk->at + round_up(size, BLOCK), walk->file->identity.size);
	return r;
}

int tar_each(struct source *file,
             int (*each)(void *arg, const struct tar_member *member, struct error *err), void *arg,
             struct error *err)
{
	struct walk walk = { .file = file, .size = UINT64_MAX };

	for (unsigned int n = 0;; n++) {
		uint8_t head[BLOCK];
		struct tar_member member;
		bool any;
		int r;

		if (file->identity.size - walk.at < BLOCK)
			return 0;
		if (n == TAR_MAX_MEMBERS)
			return error_set(err, EBADMSG, "%s: the archive has too many files",
			                 file->name);
		r = source_read(file, head, sizeof(head), walk.at, NULL, err);
		if (r < 0)
			return r;
		if (head[0] == '\0')
			return 0;
		r = take_member(&walk, head, &member, &any, err);
		if (r == 0 && any)
			r = each(arg, &member, err);
		if (r != 0)
			return r;
	}
}

void tar_head(const char *name, uint64_t size, uint8_t ret[512])
{
	char *head = (char *)ret;
	unsigned int sum = 0;

	memset(ret, 0, BLOCK);
	snprintf(head, 100, "%s", name);
	memcpy(head + 100, "0000644", 8);
	memcpy(head + 108, "0000000", 8);
	memcpy(head + 116, "0000000", 8);
	if (size < UINT64_C(1) << 33) {
		snprintf(head + 124, 12, "%011" PRIo64, size);
	} else {
		ret[124] = 0x80;
		store_be64(ret + 128, size);
	}
	memcpy(head + 136, "00000000000", 12);
	memset(head + 148, ' ', 8);
	head[156] = '0';
	memcpy(head + 257, "ustar\00000", 8);
	for (unsigned int i = 0; i < BLOCK; i++)
		sum += ret[i];
	snprintf(head + 148, 8, "%06o", sum);
}
