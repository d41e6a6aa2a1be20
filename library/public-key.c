// SPDX-License-Identifier: GPL-2.0-or-later
#include "library/public-key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "util/base64.h"

#define LINE_KIND "sill-ed25519"

void key_id(const uint8_t bytes[KEY_BYTES], char ret[KEY_ID_ROOM])
{
	char text[BASE64_ROOM(32)];
	uint8_t digest[32];

	/* It fails for want of memory alone. */
	if (EVP_Digest(bytes, KEY_BYTES, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	base64_encode(digest, sizeof(digest), text);
	snprintf(ret, KEY_ID_ROOM, "SHA256:%.43s", text);
}

bool key_id_valid(const char *text)
{
	uint8_t digest[32];
	char padded[BASE64_ROOM(32)];
	size_t len;

	if (strlen(text) != KEY_ID_ROOM - 1 || strncmp(text, "SHA256:", 7) != 0)
		return false;
	snprintf(padded, sizeof(padded), "%s=", text + 7);
	return base64_decode(padded, 44, digest, sizeof(digest), &len) == 0 && len == 32;
}

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int key_name_check(const char *name, struct error *err)
{
	size_t len = strlen(name);
	bool good = len > 0 && len <= KEY_NAME_MAX && letter_or_digit(name[0]);

	for (size_t i = 0; good && i < len; i++)
		good = letter_or_digit(name[i]) || strchr("._-@", name[i]);
	if (good)
		return 0;
	return error_set(
		err, EINVAL,
		"'%.80s' is not a name for a key: letters, digits and . _ - @, a letter or "
		"digit first, at most %u of them",
		name, KEY_NAME_MAX);
}

static int no_words(char *buf, int room, int writing, void *arg)
{
	(void)buf;
	(void)room;
	(void)writing;
	(void)arg;
	return -1;
}

static int parse_pem(const char *text, size_t len, struct public_key *ret, struct error *err)
{
	BIO *in = BIO_new_mem_buf(text, (int)len);
	EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, no_words, NULL) : NULL;
	size_t n = KEY_BYTES;
	int r = 0;

	if (!key)
		r = error_set(err, EINVAL, "is no public key in PEM");
	else if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519)
		r = error_set(err, EINVAL, "is a key of another kind than ed25519");
	else if (EVP_PKEY_get_raw_public_key(key, ret->bytes, &n) != 1 || n != KEY_BYTES)
		r = error_set(err, EINVAL, "is an ed25519 key without its public part");
	ret->name[0] = '\0';
	EVP_PKEY_free(key);
	BIO_free(in);
	return r;
}

/* The next word of the line, up to `end`; its length. */
static size_t word(const char **at, const char *end)
{
	const char *start = *at, *p;

	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	for (p = start; p < end && *p != ' ' && *p != '\t' && *p != '\r'; p++)
		;
	*at = start;
	return (size_t)(p - start);
}

static int parse_line(const char *at, const char *end, struct public_key *ret, struct error *err)
{
	struct public_key key;
	size_t n = word(&at, end);

	if (n != strlen(LINE_KIND) || strncmp(at, LINE_KIND, n) != 0)
		return error_set(err, EINVAL,
		                 "is no public key: neither a line '" LINE_KIND
		                 " BASE64 NAME' nor PEM");
	at += n;
	n = word(&at, end);
	if (n != BASE64_LEN(KEY_BYTES) ||
	    base64_decode(at, n, key.bytes, sizeof(key.bytes), &n) < 0 || n != KEY_BYTES)
		return error_set(err, EINVAL,
		                 "the key after " LINE_KIND " is not the base64 of 32 bytes");
	at += BASE64_LEN(KEY_BYTES);
	n = word(&at, end);
	if (n > KEY_NAME_MAX)
		return error_set(err, EINVAL, "the key's name is longer than %u characters",
		                 KEY_NAME_MAX);
	snprintf(key.name, sizeof(key.name), "%.*s", (int)n, at);
	if (n > 0 && key_name_check(key.name, err) < 0)
		return -EINVAL;
	at += n;
	if (word(&at, end) > 0)
		return error_set(err, EINVAL, "something follows the key's name");
	*ret = key;
	return 0;
}

int public_key_parse(const char *text, size_t len, struct public_key *ret, struct error *err)
{
	const char *end = text + len, *line = text;

	if (len > KEY_FILE_MAX || memchr(text, '\0', len))
		return error_set(err, EINVAL, "is no public key");
	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline ? newline : end, *at = line;
		size_t n = word(&at, stop);

		if (n > 0 && *at != '#') {
			bool pem = strncmp(at, "-----BEGIN ", (size_t)(stop - at) < 11 ? 0 : 11) ==
			                   0 &&
			           stop - at >= 11;

			if (pem && memmem(at, (size_t)(stop - at), "PRIVATE KEY", 11))
				return error_set(err, EINVAL,
				                 "is a private key, which nobody else should have; "
				                 "what is given to others is the .pub file");
			return pem ? parse_pem(text, len, ret, err)
			           : parse_line(at, stop, ret, err);
		}
		line = newline ? newline + 1 : end;
	}
	return error_set(err, EINVAL, "is empty");
}

void public_key_line(const struct public_key *key, char ret[KEY_LINE_ROOM])
{
	char text[BASE64_ROOM(KEY_BYTES)];

	base64_encode(key->bytes, KEY_BYTES, text);
	snprintf(ret, KEY_LINE_ROOM, LINE_KIND " %s%s%s\n", text, key->name[0] ? " " : "",
	         key->name);
}

int public_key_verify(const uint8_t bytes[KEY_BYTES], const void *data, size_t len,
                      const uint8_t signature[KEY_SIGNATURE_BYTES])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, KEY_BYTES);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -ENOMEM;

	if (key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1)
		r = EVP_DigestVerify(ctx, signature, KEY_SIGNATURE_BYTES, data, len) == 1
		            ? 0
		            : -EBADMSG;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return r;
}
