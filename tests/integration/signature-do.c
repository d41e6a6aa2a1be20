// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A signature as files, for other programs to look at.
 *
 *   signature-do make KEY DIGEST SIZE RELEASE FOLDER   payload, manifest, signed, signature
 *   signature-do check MANIFEST PAYLOAD DIGEST SIZE    prints the key's id
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "library/signature.h"
#include "util/base64.h"
#include "util/io.h"

#define CREATED INT64_C(1795301664)

static int put(const char *folder, const char *name, const void *data, size_t len,
               struct error *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return replace_file(AT_FDCWD, path, data, len, 0644, err);
}

static struct oci_descriptor describe(const char *digest, const char *size)
{
	struct oci_descriptor image = { .media_type = OCI_MANIFEST,
		                        .size = strtoull(size, NULL, 10) };

	snprintf(image.digest, sizeof(image.digest), "%s", digest);
	return image;
}

/* The 64 bytes alone, and what they are over. */
static int put_raw(const struct signature *made, const char *folder, struct error *err)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	char bytes[sizeof(SIGNATURE_CONTEXT) + SIGNATURE_MAX_BYTES];
	const char *text;
	uint8_t raw[KEY_SIGNATURE_BYTES];
	size_t len;
	int r = oci_manifest_parse(made->manifest.bytes, made->manifest.len, &manifest, err);

	if (r < 0)
		return r;
	text = oci_annotation(manifest->layers[0].annotations, SIGNATURE_ANNOTATION);
	r = text ? base64_decode(text, strlen(text), raw, sizeof(raw), &len) : -1;
	if (r == 0)
		r = put(folder, "signature", raw, sizeof(raw), err);
	if (r < 0 || !made->payload)
		return r;
	memcpy(bytes, SIGNATURE_CONTEXT, sizeof(SIGNATURE_CONTEXT));
	memcpy(bytes + sizeof(SIGNATURE_CONTEXT), made->payload, made->payload_len);
	return put(folder, "signed", bytes, sizeof(SIGNATURE_CONTEXT) + made->payload_len, err);
}

static int make(char **words, struct error *err)
{
	const struct signature_claim claim = { .release = strtoull(words[3], NULL, 10),
		                               .created = CREATED };
	const struct oci_descriptor image = describe(words[1], words[2]);
	cleanup(signature_free) struct signature made = { .payload = NULL };
	cleanup(key_free) struct key *key = NULL;
	int r = key_load(words[0], NULL, NULL, &key, err);

	if (r == 0)
		r = signature_make(key, &image, &claim, &made, err);
	if (r == 0)
		r = put(words[4], "payload", made.payload, made.payload_len, err);
	if (r == 0)
		r = put(words[4], "manifest", made.manifest.bytes, made.manifest.len, err);
	return r < 0 ? r : put_raw(&made, words[4], err);
}

static int check(char **words, struct error *err)
{
	const struct oci_descriptor image = describe(words[2], words[3]);
	cleanup_free char *manifest = NULL, *payload = NULL;
	struct signature_claim claim;
	size_t len, payload_len;
	int r = read_file(AT_FDCWD, words[0], SIGNATURE_MAX_BYTES, &manifest, &len, err);

	if (r == 0)
		r = read_file(AT_FDCWD, words[1], SIGNATURE_MAX_BYTES, &payload, &payload_len, err);
	if (r == 0)
		r = signature_check(manifest, len, payload, payload_len, &image, &claim, err);
	if (r == 0)
		puts(claim.key);
	return r;
}

int main(int argc, char **argv)
{
	struct error err = { 0 };
	int r;

	if (argc == 7 && strcmp(argv[1], "make") == 0) {
		r = make(argv + 2, &err);
	} else if (argc == 6 && strcmp(argv[1], "check") == 0) {
		r = check(argv + 2, &err);
	} else {
		fprintf(stderr,
		        "signature-do: make KEY DIGEST SIZE RELEASE FOLDER, or check MANIFEST "
		        "PAYLOAD DIGEST SIZE\n");
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "signature-do: %s\n", err.text);
	return r < 0;
}
