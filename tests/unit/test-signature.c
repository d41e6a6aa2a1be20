// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/signed-image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "util/base64.h"

static int check(const struct signature *signature, char letter, struct signature_claim *ret,
                 struct error *err)
{
	const struct oci_descriptor image = image_of(letter);

	return signature_check(signature->manifest.bytes, signature->manifest.len,
	                       signature->payload, signature->payload_len, &image, ret, err);
}

TEST(what_was_signed_is_what_comes_back)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature signature =
		sign_image(key, 'a', 12, NOW, NOW + YEAR);
	const struct oci_descriptor image = image_of('a');
	struct signature_claim claim;
	char digest[STORE_DIGEST_ROOM];
	uint64_t size;

	assert_int_equal(check(&signature, 'a', &claim, NULL), 0);
	assert_string_equal(claim.media_type, OCI_MANIFEST);
	assert_string_equal(claim.digest, image.digest);
	assert_int_equal(claim.size, 1234);
	assert_int_equal(claim.release, 12);
	assert_true(claim.created == NOW && claim.expires == NOW + YEAR);
	assert_string_equal(claim.key, id);
	assert_int_equal(signature_payload(signature.manifest.bytes, signature.manifest.len, digest,
	                                   &size, NULL),
	                 0);
	assert_string_equal(digest, signature.payload_digest);
	assert_int_equal(size, signature.payload_len);
}

TEST(the_payload_is_written_as_documented)
{
	char id[KEY_ID_ROOM], want[600];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature with = sign_image(key, 'a', 12, NOW, NOW + 1),
						 without = sign_image(key, 'a', 0, NOW, 0);
	const struct oci_descriptor image = image_of('a');

	snprintf(want, sizeof(want),
	         "{\"sill\":\"image signature\",\"version\":1,\"manifest\":{\"mediaType\":\"%s\","
	         "\"digest\":\"%s\",\"size\":1234},\"release\":12,\"created\":\"2026-11-21T22:54:"
	         "24Z\","
	         "\"expires\":\"2026-11-21T22:54:25Z\",\"key\":\"%s\"}",
	         OCI_MANIFEST, image.digest, id);
	assert_string_equal(with.payload, want);
	snprintf(want, sizeof(want),
	         "{\"sill\":\"image signature\",\"version\":1,\"manifest\":{\"mediaType\":\"%s\","
	         "\"digest\":\"%s\",\"size\":1234},\"release\":0,\"created\":\"2026-11-21T22:54:"
	         "24Z\","
	         "\"key\":\"%s\"}",
	         OCI_MANIFEST, image.digest, id);
	assert_string_equal(without.payload, want);
}

TEST(a_signature_is_good_for_its_manifest_alone)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature signature = sign_image(key, 'a', 1, NOW, 0);
	struct oci_descriptor image = image_of('a');
	struct signature_claim claim;
	struct error err = { 0 };

	assert_int_equal(check(&signature, 'b', &claim, &err), -EXDEV);
	assert_non_null(strstr(err.text, image.digest));
	image.size++;
	assert_int_equal(signature_check(signature.manifest.bytes, signature.manifest.len,
	                                 signature.payload, signature.payload_len, &image, &claim,
	                                 NULL),
	                 -EXDEV);
	image = image_of('a');
	snprintf(image.media_type, sizeof(image.media_type), OCI_INDEX);
	assert_int_equal(signature_check(signature.manifest.bytes, signature.manifest.len,
	                                 signature.payload, signature.payload_len, &image, &claim,
	                                 NULL),
	                 -EXDEV);
}

/* The signature's artefact, made again around another payload, as anybody could. */
static struct signature around(const struct signature *old, const char *payload)
{
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	struct signature made = { .payload = strdup(payload), .payload_len = strlen(payload) };

	assert_int_equal(
		oci_manifest_parse(old->manifest.bytes, old->manifest.len, &manifest, NULL), 0);
	oci_digest(payload, made.payload_len, manifest->layers[0].digest);
	manifest->layers[0].size = made.payload_len;
	assert_int_equal(oci_manifest_write(manifest, &made.manifest, NULL), 0);
	return made;
}

/* The payload with the first `what` replaced; the caller frees. */
static char *replaced(const char *payload, const char *what, const char *with)
{
	const char *at = strstr(payload, what);
	char *text = NULL;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - payload), payload, with,
	                     at + strlen(what)) > 0);
	return text;
}

TEST(a_changed_claim_is_not_signed)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature signature = sign_image(key, 'a', 12, NOW, 0);
	static const struct {
		const char *what, *with, *why;
		int r;
	} rows[] = {
		{ "\"release\":12", "\"release\":13", "was changed since", -EBADMSG },
		{ "2026-11-21T22", "2026-11-21T23", "was changed since", -EBADMSG },
		{ "\"key\":\"SHA256:", "\"key\":\"SHA256;", "comes with", -EBADMSG },
		/* What is not known may say "not for you". */
		{ "\"release\":12", "\"release\":12,\"not\":\"for you\"", "version 1", -EINVAL },
		{ "\"release\":12", "\"release\": 12", "version 1", -EINVAL },
		{ "\"version\":1", "\"version\":2", "version 1", -EINVAL },
		{ "image signature", "catalogue signature", "version 1", -EINVAL },
		{ "\"release\":12", "\"release\":-1", "\"release\"", -EINVAL },
		{ "\"release\":12", "\"release\":9007199254740992", "\"release\"", -EINVAL },
		{ "\"created\":\"2026-11-21T22:54:24Z\"", "\"created\":0", "\"created\"", -EINVAL },
		{ "\"key\"", "\"expires\":\"2026-11-21T22:54:24Z\",\"key\"", "before it was made",
		  -EINVAL },
		{ "sha256:", "sha512:", "\"digest\"", -EINVAL },
		{ "\"size\":1234", "\"size\":\"1234\"", "\"size\"", -EINVAL },
		{ "{\"sill\"", "[\"sill\"", "not JSON", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *payload =
			replaced(signature.payload, rows[i].what, rows[i].with);
		cleanup(signature_free) struct signature changed = around(&signature, payload);
		struct signature_claim claim;
		struct error err = { 0 };

		if (check(&changed, 'a', &claim, &err) != rows[i].r ||
		    !strstr(err.text, rows[i].why))
			fail_msg("%s: %s", rows[i].with, err.text);
	}
}

TEST(another_key_or_signature_beside_it_does_not_fit)
{
	char id[KEY_ID_ROOM], other_id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id), *other = new_key(other_id);
	cleanup(signature_free) struct signature good = sign_image(key, 'a', 1, NOW, 0),
						 evil = sign_image(other, 'a', 1, NOW, 0);
	struct signature_claim claim;
	struct error err = { 0 };

	/* The claim of one in the artefact of the other: its key, and a signature by that. */
	cleanup(signature_free) struct signature mixed = around(&evil, good.payload);

	assert_int_equal(check(&mixed, 'a', &claim, &err), -EBADMSG);
	assert_non_null(strstr(err.text, other_id));
	/* Every bit of the signature counts. */
	for (unsigned int bit = 0; bit < 512; bit += 37) {
		cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
		cleanup(signature_free) struct signature bent = around(&good, good.payload);
		char text[BASE64_ROOM(KEY_SIGNATURE_BYTES)];
		uint8_t bytes[KEY_SIGNATURE_BYTES];
		size_t len;

		assert_int_equal(
			oci_manifest_parse(good.manifest.bytes, good.manifest.len, &manifest, NULL),
			0);
		snprintf(text, sizeof(text), "%s",
		         oci_annotation(manifest->layers[0].annotations, SIGNATURE_ANNOTATION));
		assert_int_equal(base64_decode(text, strlen(text), bytes, sizeof(bytes), &len), 0);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		base64_encode(bytes, sizeof(bytes), text);
		json_object_set_new(manifest->layers[0].annotations, SIGNATURE_ANNOTATION,
		                    json_string(text));
		store_manifest_free(&bent.manifest);
		assert_int_equal(oci_manifest_write(manifest, &bent.manifest, NULL), 0);
		assert_int_equal(check(&bent, 'a', &claim, NULL), -EBADMSG);
	}
}

TEST(the_context_keeps_signatures_of_other_things_apart)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature signature = sign_image(key, 'a', 1, NOW, 0);
	cleanup(oci_manifest_free) struct oci_manifest *manifest = NULL;
	uint8_t bytes[KEY_SIGNATURE_BYTES];
	char text[BASE64_ROOM(KEY_SIGNATURE_BYTES)];
	struct signature_claim claim;

	/* The same key, the same payload, signed without the words that stand before it. */
	assert_int_equal(key_sign(key, signature.payload, signature.payload_len, bytes, NULL), 0);
	base64_encode(bytes, sizeof(bytes), text);
	assert_int_equal(oci_manifest_parse(signature.manifest.bytes, signature.manifest.len,
	                                    &manifest, NULL),
	                 0);
	json_object_set_new(manifest->layers[0].annotations, SIGNATURE_ANNOTATION,
	                    json_string(text));
	store_manifest_free(&signature.manifest);
	assert_int_equal(oci_manifest_write(manifest, &signature.manifest, NULL), 0);
	assert_int_equal(check(&signature, 'a', &claim, NULL), -EBADMSG);
}

TEST(what_is_no_signature_is_refused)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	cleanup(signature_free) struct signature signature = sign_image(key, 'a', 1, NOW, 0);
	static const struct {
		const char *what, *with, *why;
	} rows[] = {
		{ SIGNATURE_TYPE "\"", "application/vnd.other\"", "no signature but" },
		{ SIGNATURE_PAYLOAD_TYPE, "text/plain", "not one of a signature" },
		{ "\"vnd.sill.key\":\"", "\"vnd.sill.key\":\"A", "vnd.sill.key" },
		{ "\"vnd.sill.signature\":\"", "\"vnd.sill.signature\":\"A", "vnd.sill.signature" },
		{ "\"vnd.sill.signature\"", "\"vnd.sill.nothing\"", "vnd.sill.signature" },
		{ "\"subject\"", "\"object\"", "not one of a signature" },
		{ "\"layers\":[{", "\"layers\":[{}, {", "layers" },
		{ "{", "[", "JSON" },
	};
	struct signature_claim claim;
	struct error err = { 0 };
	char *big;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text =
			replaced(signature.manifest.bytes, rows[i].what, rows[i].with);
		const struct oci_descriptor image = image_of('a');

		if (signature_check(text, strlen(text), signature.payload, signature.payload_len,
		                    &image, &claim, &err) != -EINVAL ||
		    !strstr(err.text, rows[i].why))
			fail_msg("%s: %s", rows[i].with, err.text);
	}
	/* The right payload, but not the one that its manifest names. */
	signature.payload[signature.payload_len - 1] = ' ';
	assert_int_equal(check(&signature, 'a', &claim, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not what its manifest names"));
	big = calloc(1, SIGNATURE_MAX_BYTES + 1);
	assert_non_null(big);
	memset(big, ' ', SIGNATURE_MAX_BYTES + 1);
	memcpy(big, signature.manifest.bytes, signature.manifest.len);
	{
		char digest[STORE_DIGEST_ROOM];
		uint64_t size;

		assert_int_equal(signature_payload(big, SIGNATURE_MAX_BYTES, digest, &size, NULL),
		                 0);
		assert_int_equal(
			signature_payload(big, SIGNATURE_MAX_BYTES + 1, digest, &size, NULL),
			-EINVAL);
	}
	free(big);
}

TEST(a_signature_that_nobody_would_take_is_not_made)
{
	char id[KEY_ID_ROOM];
	cleanup(key_free) struct key *key = new_key(id);
	const struct oci_descriptor image = image_of('a');
	const struct signature_claim never = { .created = NOW, .expires = NOW },
				     huge = { .created = NOW, .release = UINT64_C(1) << 53 };
	struct signature signature;

	assert_int_equal(signature_make(key, &image, &never, &signature, NULL), -EINVAL);
	assert_int_equal(signature_make(key, &image, &huge, &signature, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_signed_is_what_comes_back),
		CASE(the_payload_is_written_as_documented),
		CASE(a_signature_is_good_for_its_manifest_alone),
		CASE(a_changed_claim_is_not_signed),
		CASE(another_key_or_signature_beside_it_does_not_fit),
		CASE(the_context_keeps_signatures_of_other_things_apart),
		CASE(what_is_no_signature_is_refused),
		CASE(a_signature_that_nobody_would_take_is_not_made),
	};

	return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
