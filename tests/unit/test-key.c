// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/key.h"
#include "tests/unit/scratch.h"
#include "util/base64.h"
#include "util/io.h"

static void from_hex(const char *hex, uint8_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		ret[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

/* A secret of RFC 8032 as the PEM that others would have made of it (RFC 8410). */
static struct key *key_of(const char *secret)
{
	uint8_t der[48] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
		            0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
	char text[BASE64_ROOM(sizeof(der))], pem[200];
	struct key *key = NULL;

	from_hex(secret, der + 16, 32);
	base64_encode(der, sizeof(der), text);
	snprintf(pem, sizeof(pem), "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n",
	         text);
	assert_int_equal(key_parse(pem, strlen(pem), NULL, NULL, &key, NULL), 0);
	return key;
}

TEST(signatures_are_those_of_rfc_8032)
{
	static const struct {
		const char *secret, *public, *message, *signature;
		size_t len;
	} rows[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
		  "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		  0 },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
		  "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		  1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup(key_free) struct key *key = key_of(rows[i].secret);
		uint8_t public[KEY_BYTES], want[KEY_SIGNATURE_BYTES], got[KEY_SIGNATURE_BYTES],
			message[4];

		from_hex(rows[i].message, message, rows[i].len);
		from_hex(rows[i].public, public, sizeof(public));
		from_hex(rows[i].signature, want, sizeof(want));
		assert_int_equal(key_sign(key, message, rows[i].len, got, NULL), 0);
		assert_memory_equal(got, want, sizeof(want));
		key_public(key, got);
		assert_memory_equal(got, public, KEY_BYTES);
		assert_int_equal(public_key_verify(public, message, rows[i].len, want), 0);
		want[63] ^= 1;
		assert_int_equal(public_key_verify(public, message, rows[i].len, want), -EBADMSG);
		want[63] ^= 1;
		message[rows[i].len] = 0;
		assert_int_equal(public_key_verify(public, message, rows[i].len + 1, want),
		                 -EBADMSG);
		public[0] ^= 1;
		assert_int_equal(public_key_verify(public, message, rows[i].len, want), -EBADMSG);
	}
}

TEST(an_id_is_the_digest_of_the_public_bytes_as_ssh_shows_it)
{
	uint8_t public[KEY_BYTES];
	char id[KEY_ID_ROOM];

	/* openssl dgst -sha256 -binary | base64 */
	from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", public, 32);
	key_id(public, id);
	assert_string_equal(id, "SHA256:If4x36FUomFia/hUBG/SJxt77UtqvkWqWId+9H+XIbk");
	assert_true(key_id_valid(id));
	id[49] ^= 1; /* bits that stand for nothing */
	assert_false(key_id_valid(id));
	assert_false(key_id_valid("SHA256:If4x36FU"));
	assert_false(key_id_valid("MD5:If4x36FUomFia/hUBG/SJxt77UtqvkWqWId+9H+XIbkxxx"));
}

#define B64 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

TEST(public_keys_are_read_as_lines_and_as_pem)
{
	static const char *const good[] = {
		"sill-ed25519 " B64 " a.publisher@example\n",
		"# Our key\n\n\tsill-ed25519  " B64 "  a.publisher@example\t\r\nmore\n",
		"sill-ed25519 " B64 "\n",
		"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA" B64 "\n-----END PUBLIC KEY-----\n",
	};
	uint8_t want[KEY_BYTES];

	from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", want, 32);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct public_key key, again;
		char line[KEY_LINE_ROOM];

		assert_int_equal(public_key_parse(good[i], strlen(good[i]), &key, NULL), 0);
		assert_memory_equal(key.bytes, want, KEY_BYTES);
		assert_string_equal(key.name, i < 2 ? "a.publisher@example" : "");
		public_key_line(&key, line);
		assert_int_equal(public_key_parse(line, strlen(line), &again, NULL), 0);
		assert_memory_equal(&again.bytes, want, KEY_BYTES);
		assert_string_equal(again.name, key.name);
	}
}

TEST(what_is_no_public_key_gets_a_sentence_that_says_what_it_is)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "is empty" },
		{ "# nothing\n\n", "is empty" },
		{ "ssh-ed25519 AAAA me\n", "neither a line" },
		{ "sill-ed25519\n", "not the base64 of 32 bytes" },
		{ "sill-ed25519 " B64 "= x\n", "not the base64 of 32 bytes" },
		{ "sill-ed25519 " B64 " a b\n", "something follows" },
		{ "sill-ed25519 " B64 " ../x\n", "is not a name for a key" },
		{ "sill-ed25519 " B64 " "
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		  "longer than 63" },
		{ "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n",
		  "is a private key" },
		{ "-----BEGIN PUBLIC KEY-----\nMC4=\n-----END PUBLIC KEY-----\n",
		  "is no public key in PEM" },
		/* P-256 */
		{ "-----BEGIN PUBLIC KEY-----\n"
		  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwKAxW3bHT8TPfy/cpZeYdodztJcC\n"
		  "2MDmNaNBDa6V+Wac9KFjmS6N+xvJZVzo7VkPgsKSkWwgNIyFoF0Hm2oddg==\n"
		  "-----END PUBLIC KEY-----\n",
		  "of another kind than ed25519" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };
		struct public_key key;

		assert_int_equal(public_key_parse(bad[i].text, strlen(bad[i].text), &key, &err),
		                 -EINVAL);
		if (!strstr(err.text, bad[i].why))
			fail_msg("%s", err.text);
	}
}

static int say(void *arg, char ret[KEY_PASSPHRASE_ROOM], struct error *err)
{
	const char *words = arg;

	(void)err;
	memcpy(ret, words, strlen(words));
	return (int)strlen(words);
}

static int say_nothing(void *arg, char ret[KEY_PASSPHRASE_ROOM], struct error *err)
{
	(void)arg;
	(void)ret;
	return error_set(err, ECANCELED, "nothing was typed");
}

TEST(a_key_that_was_saved_signs_as_before_and_is_never_overwritten)
{
	cleanup(key_free) struct key *key = NULL, *again = NULL, *other = NULL;
	uint8_t first[KEY_SIGNATURE_BYTES], second[KEY_SIGNATURE_BYTES];
	const char *dir = scratch_path("keys");
	struct stat st;

	assert_int_equal(key_new(&key, NULL), 0);
	assert_int_equal(key_new(&other, NULL), 0);
	assert_int_equal(key_save(key, dir, "mine", NULL, 0, NULL), 0);
	assert_int_equal(stat(scratch_path("keys/mine.key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(key_save(other, dir, "mine", NULL, 0, NULL), -EEXIST);
	assert_int_equal(unlink(scratch_path("keys/mine.pub")), 0);
	assert_int_equal(key_save(other, dir, "mine", NULL, 0, NULL), -EEXIST);
	assert_int_equal(key_load(scratch_path("keys/mine.key"), NULL, NULL, &again, NULL), 0);
	assert_int_equal(key_sign(key, "x", 1, first, NULL), 0);
	assert_int_equal(key_sign(again, "x", 1, second, NULL), 0);
	assert_memory_equal(first, second, sizeof(first));
	assert_int_equal(key_save(other, dir, "a/b", NULL, 0, NULL), -EINVAL);
}

TEST(a_key_with_a_passphrase_opens_with_it_alone)
{
	cleanup(key_free) struct key *key = NULL, *again = NULL;
	struct error err = { 0 };
	const char *dir = scratch_path("keys");
	char words[] = "open sesame", wrong[] = "open barley";
	cleanup_free char *text = NULL;

	assert_int_equal(key_new(&key, NULL), 0);
	assert_int_equal(key_save(key, dir, "locked", words, strlen(words), NULL), 0);
	assert_int_equal(
		read_file(AT_FDCWD, scratch_path("keys/locked.key"), 4096, &text, NULL, NULL), 0);
	assert_non_null(strstr(text, "BEGIN ENCRYPTED PRIVATE KEY"));
	assert_int_equal(key_load(scratch_path("keys/locked.key"), NULL, NULL, &again, &err),
	                 -ENOKEY);
	assert_non_null(strstr(err.text, "has a passphrase"));
	assert_int_equal(key_load(scratch_path("keys/locked.key"), say, wrong, &again, &err),
	                 -EKEYREJECTED);
	assert_int_equal(key_load(scratch_path("keys/locked.key"), say_nothing, NULL, &again, &err),
	                 -ECANCELED);
	assert_int_equal(key_load(scratch_path("keys/locked.key"), say, words, &again, &err), 0);
}

TEST(a_private_key_that_others_may_read_is_refused)
{
	cleanup(key_free) struct key *key = NULL, *again = NULL;
	struct error err = { 0 };
	const char *dir = scratch_path("keys");

	assert_int_equal(key_new(&key, NULL), 0);
	assert_int_equal(key_save(key, dir, "open", NULL, 0, NULL), 0);
	assert_int_equal(chmod(scratch_path("keys/open.key"), 0640), 0);
	assert_int_equal(key_load(scratch_path("keys/open.key"), NULL, NULL, &again, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(key_load(scratch_path("keys/open.pub"), NULL, NULL, &again, &err), -EPERM);
	assert_int_equal(chmod(scratch_path("keys/open.pub"), 0600), 0);
	assert_int_equal(key_load(scratch_path("keys/open.pub"), NULL, NULL, &again, &err),
	                 -EINVAL);
	assert_non_null(strstr(err.text, "no private key"));
}

TEST(a_folder_lists_its_keys_by_name)
{
	cleanup_free struct own_key *keys = NULL;
	cleanup(key_free) struct key *key = NULL;
	const char *dir = scratch_path("listed");
	struct error err = { 0 };
	size_t n = 1;

	assert_int_equal(key_folder_list(dir, &keys, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(key_new(&key, NULL), 0);
	assert_int_equal(key_save(key, dir, "b", NULL, 0, NULL), 0);
	assert_int_equal(key_save(key, dir, "a", NULL, 0, NULL), 0);
	assert_int_equal(unlink(scratch_path("listed/a.key")), 0);
	assert_int_equal(key_folder_list(dir, &keys, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(keys[0].public.name, "a");
	assert_false(keys[0].secret);
	assert_string_equal(keys[1].public.name, "b");
	assert_true(keys[1].secret);
	assert_int_equal(replace_file(AT_FDCWD, scratch_path("listed/c.pub"), "x", 1, 0644, NULL),
	                 0);
	assert_int_equal(key_folder_list(dir, &keys, &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "c.pub: is no public key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(signatures_are_those_of_rfc_8032),
		CASE(an_id_is_the_digest_of_the_public_bytes_as_ssh_shows_it),
		CASE(public_keys_are_read_as_lines_and_as_pem),
		CASE(what_is_no_public_key_gets_a_sentence_that_says_what_it_is),
		CASE(a_key_that_was_saved_signs_as_before_and_is_never_overwritten),
		CASE(a_key_with_a_passphrase_opens_with_it_alone),
		CASE(a_private_key_that_others_may_read_is_refused),
		CASE(a_folder_lists_its_keys_by_name),
	};

	if (scratch_make() < 0)
		return 1;
	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
