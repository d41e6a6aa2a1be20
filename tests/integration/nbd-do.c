// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request of an NBD client that wants more than programs usually ask for.
 *
 *   nbd-do URI can                                what the server says it can do, a line each
 *   nbd-do URI REQUEST[:FLAG…] OFFSET LENGTH [BYTE]
 *
 * Requests: read (every byte must be BYTE), write, trim, zero, cache.  Flags: fua, no-hole, fast.
 * A request that fails is one line, "REQUEST: " and the name of its error, and exit status 1.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define MOST (32 * MIB)

static const struct {
	const char *name;
	int (*ask)(struct nbd_handle *nbd);
} abilities[] = {
	{ "read-only", nbd_is_read_only },
	{ "flush", nbd_can_flush },
	{ "fua", nbd_can_fua },
	{ "trim", nbd_can_trim },
	{ "zero", nbd_can_zero },
	{ "fast-zero", nbd_can_fast_zero },
	{ "cache", nbd_can_cache },
	{ "multi-conn", nbd_can_multi_conn },
	{ "df", nbd_can_df },
};

static const struct {
	const char *name;
	uint32_t bit;
} flags[] = {
	{ "fua", LIBNBD_CMD_FLAG_FUA },
	{ "no-hole", LIBNBD_CMD_FLAG_NO_HOLE },
	{ "fast", LIBNBD_CMD_FLAG_FAST_ZERO },
};

static int say_abilities(struct nbd_handle *nbd)
{
	for (size_t i = 0; i < ARRAY_LEN(abilities); i++) {
		int can = abilities[i].ask(nbd);

		if (can < 0)
			return -1;
		printf("%s %s\n", abilities[i].name, can ? "yes" : "no");
	}
	return 0;
}

/* Cuts the flags off the request's name. */
static int take_flags(char *request, uint32_t *ret)
{
	char *flag = strchr(request, ':');
	size_t i;

	*ret = 0;
	while (flag) {
		char *next;

		*flag++ = '\0';
		next = strchr(flag, ':');
		if (next)
			*next = '\0';
		for (i = 0; i < ARRAY_LEN(flags); i++)
			if (!strcmp(flag, flags[i].name))
				break;
		if (i == ARRAY_LEN(flags))
			return -1;
		*ret |= flags[i].bit;
		flag = next;
	}
	return 0;
}

static int read_all(struct nbd_handle *nbd, char *buf, size_t len, uint64_t off, int byte)
{
	if (nbd_pread(nbd, buf, len, off, 0) < 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)buf[i] == byte)
			continue;
		printf("byte %llu is %#x\n", (unsigned long long)off + i, (unsigned char)buf[i]);
		exit(1);
	}
	return 0;
}

static int run(struct nbd_handle *nbd, const char *request, uint32_t flag, char *const *arguments)
{
	static char buf[MOST];
	uint64_t off = strtoull(arguments[0], NULL, 0);
	size_t len = min_u64(strtoull(arguments[1], NULL, 0), MOST);
	int byte = arguments[2] ? (int)strtol(arguments[2], NULL, 0) & 0xff : 0;

	if (!strcmp(request, "read"))
		return read_all(nbd, buf, len, off, byte);
	if (!strcmp(request, "write")) {
		memset(buf, byte, len);
		return nbd_pwrite(nbd, buf, len, off, flag);
	}
	if (!strcmp(request, "trim"))
		return nbd_trim(nbd, len, off, flag);
	if (!strcmp(request, "zero"))
		return nbd_zero(nbd, len, off, flag);
	if (!strcmp(request, "cache"))
		return nbd_cache(nbd, len, off, flag);
	fprintf(stderr, "nbd-do: no request is called %s\n", request);
	exit(2);
}

int main(int argc, char **argv)
{
	struct nbd_handle *nbd = nbd_create();
	uint32_t flag = 0;
	int r;

	if (argc < 3 || (strcmp(argv[2], "can") != 0 && argc < 5) || take_flags(argv[2], &flag) < 0)
		return fputs("usage: nbd-do URI can | REQUEST[:FLAG] OFFSET LENGTH [BYTE]\n",
		             stderr),
		       2;
	if (!nbd || nbd_connect_uri(nbd, argv[1]) < 0) {
		fprintf(stderr, "nbd-do: %s\n", nbd_get_error());
		return 2;
	}
	r = strcmp(argv[2], "can") ? run(nbd, argv[2], flag, argv + 3) : say_abilities(nbd);
	if (r < 0)
		printf("%s: %s\n", argv[2], strerrorname_np(nbd_get_errno()));
	nbd_close(nbd);
	return r < 0;
}
