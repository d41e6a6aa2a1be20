// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A trust.json from anywhere: what is taken is the same when it was written and read again, and
 * every change leaves one that can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "library/trust.h"

#define ID "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_again(const struct trust *trust)
{
	struct trust *again = NULL;
	struct error err;
	char *text = NULL;

	if (trust_text(trust, &text, &err) < 0)
		return;
	if (trust_parse(text, strlen(text), &again, &err) < 0)
		abort();
	trust_free(again);
	free(text);
}

static void change(struct trust *trust)
{
	struct public_key key = { .bytes = { 1 }, .name = "fuzz" };
	struct trust_memory memory = { .name = "x.example/y:1", .key = ID, .release = 1 };

	trust_add_key(trust, &key, "x.example", 1, NULL);
	trust_distrust(trust, ID, 2, NULL);
	trust_set_policy(trust, "x.example", TRUST_REQUIRE, NULL);
	trust_remember(trust, &memory, 3, NULL);
}

static void look(const struct trust *trust)
{
	static const char name[] = "registry.example/team/debian:12";
	char id[KEY_ID_ROOM];
	struct trust_pin pin;
	void *at = NULL;

	for (size_t i = 0; i < trust_n_keys(trust); i++) {
		struct trust_key key;

		trust_key_at(trust, i, &key);
		if (!key_id_valid(key.id) || key.state == TRUST_UNKNOWN)
			abort();
		trust_state_of(trust, key.id, name);
	}
	while ((at = trust_next_pin(trust, at, &pin)) != NULL)
		if (!key_id_valid(pin.key) || pin.release > TRUST_MAX_RELEASE)
			abort();
	trust_policy_of(trust, name, NULL);
	trust_key_of_others(trust, name, ID);
	trust_which_key(trust, "SHA256:AAAAAAAA", id, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct trust *trust = NULL;
	struct error err;

	if (trust_parse((const char *)data, len, &trust, &err) < 0)
		return 0;
	look(trust);
	read_again(trust);
	change(trust);
	read_again(trust);
	trust_free(trust);
	return 0;
}
