// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which version of which file: comparing, naming and sampling.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"
#include "disk/source/kinds.h"

#define SAMPLE_PIECES 16
#define SAMPLE_BYTES  4096

static bool has_sample(const struct source_identity *id)
{
	static const uint8_t none[sizeof(id->sample)];

	return memcmp(id->sample, none, sizeof(none)) != 0;
}

const char *source_identity_difference(const struct source_identity *want,
                                       const struct source_identity *have)
{
	bool etags = want->etag[0] && have->etag[0];
	bool same_etag = strcmp(want->etag, have->etag) == 0;

	if (want->size != have->size)
		return "its size is another one";
	if (want->digest[0] && have->digest[0])
		return strcmp(want->digest, have->digest) == 0 ? NULL : "its digest is another one";
	if (etags && !same_etag && want->etag_from[0] &&
	    strcmp(want->etag_from, have->etag_from) == 0)
		return "its ETag is another one, of the same server";
	if (want->last_modified && have->last_modified) {
		bool same = want->last_modified == have->last_modified;

		/* Whoever knows no nanoseconds says zero. */
		if (want->modified_ns && have->modified_ns)
			same = same && want->modified_ns == have->modified_ns;
		return same ? NULL : "its date is another one";
	}
	if (etags)
		return same_etag ? NULL : "its ETag is another one";
	if (has_sample(want) && has_sample(have))
		return memcmp(want->sample, have->sample, sizeof(want->sample)) == 0
		               ? NULL
		               : "a sample of its content is another one";
	return "nothing shows that it is the same; a digest given for each source would";
}

bool source_identity_agrees(const struct source_identity *a, const struct source_identity *b)
{
	return !source_identity_difference(a, b);
}

/* SHA-256 cannot fail but for lack of memory, and there is no other name for a file. */
static void sha256(const void *data, size_t len, uint8_t ret[32])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void source_identity_key(const struct source_identity *id, uint8_t ret[32])
{
	uint8_t text[8 + 1 + sizeof(id->etag)] = { 0 };
	size_t len = 9;

	store_be64(text, id->size);
	if (id->digest[0]) {
		text[8] = 'd';
		memcpy(text + 9, id->digest, strlen(id->digest));
		len += strlen(id->digest);
	} else if (id->last_modified) {
		text[8] = 'm';
		store_be64(text + 9, (uint64_t)id->last_modified);
		len += 8;
		/* Only where they are known, so that a file of old has the key it had. */
		if (id->modified_ns) {
			store_be32(text + len, id->modified_ns);
			len += 4;
		}
	} else if (id->etag[0]) {
		text[8] = 'e';
		memcpy(text + 9, id->etag, strlen(id->etag));
		len += strlen(id->etag);
	} else {
		text[8] = 's';
		memcpy(text + 9, id->sample, sizeof(id->sample));
		len += sizeof(id->sample);
	}
	sha256(text, len, ret);
}

int identity_sample_with(uint64_t size, identity_reader *read, void *arg, uint8_t ret[32],
                         struct error *err)
{
	uint8_t text[8 + SAMPLE_PIECES * SAMPLE_BYTES];
	size_t piece = (size_t)min_u64(SAMPLE_BYTES, size), len = 8;

	store_be64(text, size);
	for (unsigned int i = 0; i < SAMPLE_PIECES && piece > 0; i++) {
		/* First divided, then multiplied: no overflow, and the last piece ends the file. */
		uint64_t off = i + 1 < SAMPLE_PIECES ? (size - piece) / (SAMPLE_PIECES - 1) * i
		                                     : size - piece;
		int r = read(arg, text + len, piece, off, err);

		if (r < 0)
			return r;
		len += piece;
	}
	sha256(text, len, ret);
	return 0;
}

struct sampled {
	struct source *src;
	struct source_read how;
};

static int read_piece(void *arg, void *buf, size_t len, uint64_t off, struct error *err)
{
	struct sampled *sampled = arg;

	return source_read(sampled->src, buf, len, off, &sampled->how, err);
}

int source_identity_sample(struct source *src, const struct source_read *how, struct error *err)
{
	struct sampled sampled = { .src = src };

	if (how)
		sampled.how = *how;
	sampled.how.arrived = NULL;
	return identity_sample_with(src->identity.size, read_piece, &sampled, src->identity.sample,
	                            err);
}
