// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manifest and the payload of a signature from anywhere, a zero byte between them.  The digest
 * of the payload is put right, which no mutation would find; the signature nobody can.
 */
#include <stdlib.h>
#include <string.h>

#include "library/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The manifest with its layer naming this payload; NULL when it is no manifest. */
static char *fitting(const char *manifest, size_t len, const char *payload, size_t payload_len,
                     size_t *ret_len)
{
	struct oci_manifest *parsed = NULL;
	struct store_manifest again = { .bytes = NULL };

	if (oci_manifest_parse(manifest, len, &parsed, NULL) < 0)
		return NULL;
	if (parsed->n_layers > 0) {
		oci_digest(payload, payload_len, parsed->layers[0].digest);
		parsed->layers[0].size = payload_len;
	}
	if (oci_manifest_write(parsed, &again, NULL) < 0)
		again.bytes = NULL;
	oci_manifest_free(parsed);
	*ret_len = again.len;
	return again.bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *manifest = (const char *)data;
	const char *zero = len ? memchr(data, 0, len) : NULL;
	struct oci_descriptor image = { .media_type = OCI_MANIFEST, .size = 1 };
	struct signature_claim claim;
	struct error err;
	const char *payload;
	size_t manifest_len, payload_len, fits_len = 0;
	char digest[STORE_DIGEST_ROOM], *fits;
	uint64_t size;

	if (!zero)
		return 0;
	manifest_len = (size_t)(zero - manifest);
	payload = zero + 1;
	payload_len = len - manifest_len - 1;
	oci_digest("", 0, image.digest);
	if (signature_payload(manifest, manifest_len, digest, &size, &err) == 0 &&
	    size > SIGNATURE_MAX_BYTES)
		abort();
	fits = fitting(manifest, manifest_len, payload, payload_len, &fits_len);
	if (fits &&
	    signature_check(fits, fits_len, payload, payload_len, &image, &claim, &err) == 0)
		abort();
	free(fits);
	return 0;
}
