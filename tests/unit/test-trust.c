// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "library/trust-store.h"
#include "tests/unit/scratch.h"
#include "util/io.h"

#define NOW  INT64_C(1795301664)
#define NAME "registry.example/team/debian:12"

/* The key of RFC 8032's first test, and its id. */
#define PUBLIC "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define ID     "SHA256:If4x36FUomFia/hUBG/SJxt77UtqvkWqWId+9H+XIbk"
#define OTHER  "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SINCE  "\"since\":\"2026-11-21T22:54:24Z\""

static struct trust *fresh(void)
{
	struct trust *trust = NULL;

	assert_int_equal(trust_new(&trust, NULL), 0);
	return trust;
}

/* A key whose bytes are all `n`. */
static struct public_key key_of(uint8_t n, const char *name, char ret_id[KEY_ID_ROOM])
{
	struct public_key key = { .name = "" };

	memset(key.bytes, n, sizeof(key.bytes));
	snprintf(key.name, sizeof(key.name), "%s", name);
	key_id(key.bytes, ret_id);
	return key;
}

static struct trust *read_again(struct trust *trust)
{
	cleanup_free char *text = NULL;
	struct trust *again = NULL;

	assert_int_equal(trust_text(trust, &text, NULL), 0);
	assert_int_equal(trust_parse(text, strlen(text), &again, NULL), 0);
	trust_free(trust);
	return again;
}

TEST(a_key_is_trusted_for_its_prefixes_and_distrusted_for_all)
{
	cleanup(trust_free) struct trust *trust = fresh();
	char id[KEY_ID_ROOM];
	struct public_key key = key_of(1, "team", id);

	assert_int_equal(trust_state_of(trust, id, NAME), TRUST_UNKNOWN);
	assert_int_equal(trust_add_key(trust, &key, "registry.example/team", NOW, NULL), 0);
	assert_int_equal(trust_add_key(trust, &key, "/media/usb", NOW, NULL), 0);
	trust = read_again(trust);
	assert_int_equal(trust_state_of(trust, id, NAME), TRUST_TRUSTED);
	assert_int_equal(trust_state_of(trust, id, "/media/usb#debian:12"), TRUST_TRUSTED);
	assert_int_equal(trust_state_of(trust, id, "registry.example/other:1"), TRUST_UNKNOWN);
	assert_int_equal(trust_distrust(trust, id, NOW, NULL), 0);
	trust = read_again(trust);
	assert_int_equal(trust_state_of(trust, id, "registry.example/other:1"), TRUST_DISTRUSTED);
	/* Trusted again it is for what is said now, and not for what was said then. */
	assert_int_equal(trust_add_key(trust, &key, "registry.example/other", NOW, NULL), 0);
	assert_int_equal(trust_state_of(trust, id, "registry.example/other:1"), TRUST_TRUSTED);
	assert_int_equal(trust_state_of(trust, id, NAME), TRUST_UNKNOWN);
	assert_int_equal(trust_n_keys(trust), 1);
}

TEST(an_id_alone_can_be_distrusted)
{
	cleanup(trust_free) struct trust *trust = fresh();

	assert_int_equal(trust_distrust(trust, OTHER, NOW, NULL), 0);
	trust = read_again(trust);
	assert_int_equal(trust_state_of(trust, OTHER, NAME), TRUST_DISTRUSTED);
}

TEST(two_keys_cannot_have_one_name)
{
	cleanup(trust_free) struct trust *trust = fresh();
	char id[KEY_ID_ROOM];
	struct public_key key = key_of(1, "team", id), other = key_of(2, "team", id);
	struct error err = { 0 };

	assert_int_equal(trust_add_key(trust, &key, PREFIX_ALL, NOW, NULL), 0);
	assert_int_equal(trust_add_key(trust, &other, PREFIX_ALL, NOW, &err), -EEXIST);
	assert_non_null(strstr(err.text, "called team already"));
	assert_int_equal(trust_n_keys(trust), 1);
}

TEST(a_person_means_a_key_by_id_by_its_beginning_or_by_name)
{
	cleanup(trust_free) struct trust *trust = fresh();
	char id[KEY_ID_ROOM], got[KEY_ID_ROOM], beginning[16];
	struct public_key key = key_of(1, "team", id);
	struct trust_memory memory = { .name = NAME, .key = OTHER };

	assert_int_equal(trust_add_key(trust, &key, PREFIX_ALL, NOW, NULL), 0);
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_int_equal(trust_which_key(trust, "team", got, NULL), 0);
	assert_string_equal(got, id);
	snprintf(beginning, sizeof(beginning), "%.15s", id);
	assert_int_equal(trust_which_key(trust, beginning, got, NULL), 0);
	assert_string_equal(got, id);
	beginning[14] = '\0';
	assert_int_equal(trust_which_key(trust, beginning, got, NULL), -ENOENT);
	assert_int_equal(trust_which_key(trust, "SHA256:AAAAAAAA", got, NULL), 0);
	assert_string_equal(got, OTHER);
	assert_int_equal(trust_which_key(trust, ID, got, NULL), 0);
	assert_string_equal(got, ID);
	assert_int_equal(trust_distrust(trust, "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE",
	                                NOW, NULL),
	                 0);
	assert_int_equal(trust_which_key(trust, "SHA256:AAAAAAAA", got, NULL), -EINVAL);
	assert_int_equal(trust_which_key(trust, "nobody", got, NULL), -ENOENT);
}

TEST(the_policy_of_the_longest_prefix_holds)
{
	cleanup(trust_free) struct trust *trust = fresh();
	const char *prefix = NULL;

	assert_int_equal(trust_policy_of(trust, NAME, &prefix), TRUST_UNSET);
	assert_int_equal(trust_set_policy(trust, "registry.example/team", TRUST_NONE, NULL), 0);
	assert_int_equal(trust_set_policy(trust, "all", TRUST_REQUIRE, NULL), 0);
	assert_int_equal(trust_set_policy(trust, "registry.example", TRUST_REMEMBER, NULL), 0);
	trust = read_again(trust);
	assert_int_equal(trust_policy_of(trust, NAME, &prefix), TRUST_NONE);
	assert_string_equal(prefix, "registry.example/team");
	assert_int_equal(trust_policy_of(trust, "registry.example/x:1", &prefix), TRUST_REMEMBER);
	assert_int_equal(trust_policy_of(trust, "elsewhere.example/x:1", &prefix), TRUST_REQUIRE);
	assert_int_equal(trust_set_policy(trust, "registry.example/team", TRUST_UNSET, NULL), 0);
	assert_int_equal(trust_policy_of(trust, NAME, &prefix), TRUST_REMEMBER);
	assert_int_equal(trust_set_policy(trust, "registry.example/team", TRUST_UNSET, NULL),
	                 -ENOENT);
	assert_int_equal(trust_set_policy(trust, "Registry.example", TRUST_NONE, NULL), -EINVAL);
}

TEST(what_was_seen_only_ever_goes_up)
{
	cleanup(trust_free) struct trust *trust = fresh();
	struct trust_memory memory = { .name = NAME, .key = ID, .release = 7, .created = 1000 };
	struct trust_pin pin;

	assert_false(trust_find_pin(trust, NAME, &pin));
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	memory.release = 6;
	memory.created = 2000;
	assert_int_equal(trust_remember(trust, &memory, NOW + 1, NULL), 0);
	trust = read_again(trust);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_int_equal(pin.release, 7);
	assert_int_equal(pin.created, 1000);
	assert_true(pin.since == NOW);
	memory.release = 7;
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_int_equal(pin.created, 2000);
	memory.created = 1500;
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_int_equal(pin.created, 2000);
	memory.release = 8;
	memory.created = 500;
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_int_equal(pin.release, 8);
	assert_int_equal(pin.created, 500);
	assert_int_equal(trust_forget(trust, NAME, NULL), 0);
	assert_int_equal(trust_forget(trust, NAME, NULL), -ENOENT);
}

TEST(what_was_judged_before_another_key_was_remembered_does_not_count)
{
	cleanup(trust_free) struct trust *trust = fresh();
	struct trust_memory mine = { .name = NAME, .key = ID },
			    theirs = { .name = NAME, .key = OTHER };
	struct trust_pin pin;

	assert_int_equal(trust_remember(trust, &theirs, NOW, NULL), 0);
	assert_int_equal(trust_remember(trust, &mine, NOW, NULL), -EAGAIN);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_string_equal(pin.key, OTHER);
	/* It was judged knowing of that one. */
	snprintf(mine.was, sizeof(mine.was), "%s", OTHER);
	assert_int_equal(trust_remember(trust, &mine, NOW, NULL), 0);
	assert_true(trust_find_pin(trust, NAME, &pin));
	assert_string_equal(pin.key, ID);
}

TEST(other_tags_of_a_name_tell_its_key)
{
	cleanup(trust_free) struct trust *trust = fresh();
	struct trust_memory memory = { .name = NAME, .key = ID };

	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_null(trust_key_of_others(trust, NAME, ID));
	assert_string_equal(trust_key_of_others(trust, "registry.example/team/debian:13", OTHER),
	                    ID);
	assert_null(trust_key_of_others(trust, "registry.example/team/debian2:12", ID));
	assert_null(trust_key_of_others(trust, "registry.example/team:12", ID));
	snprintf(memory.name, sizeof(memory.name), "registry.example/team/debian:11");
	snprintf(memory.key, sizeof(memory.key), OTHER);
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_string_equal(trust_key_of_others(trust, "registry.example/team/debian:13", OTHER),
	                    OTHER);
	assert_string_equal(trust_key_of_others(trust, "registry.example/team/debian:13", ID), ID);
}

TEST(members_that_are_not_known_stay)
{
	static const char text[] =
		"{\"version\":1,\"later\":{\"a\":[1,2]},\"keys\":[{\"id\":\"" ID
		"\",\"public\":\"" PUBLIC "\",\"for\":[\"all\"],\"state\":\"trusted\"," SINCE
		",\"note\":\"mine\"}],\"pins\":{\"" NAME "\":{\"key\":\"" ID
		"\",\"release\":1,\"created\":\"2026-11-21T22:54:24Z\"," SINCE ",\"from\":\"x\"}}}";
	cleanup(trust_free) struct trust *trust = NULL;
	struct trust_memory memory = { .name = NAME, .key = ID, .release = 2 };
	cleanup_free char *after = NULL;

	assert_int_equal(trust_parse(text, strlen(text), &trust, NULL), 0);
	assert_int_equal(trust_distrust(trust, ID, NOW, NULL), 0);
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
	assert_int_equal(trust_text(trust, &after, NULL), 0);
	assert_non_null(strstr(after, "\"later\""));
	assert_non_null(strstr(after, "\"note\": \"mine\""));
	assert_non_null(strstr(after, "\"from\": \"x\""));
	assert_non_null(strstr(after, "\"release\": 2"));
}

#define KEY(rest)  "{\"version\":1,\"keys\":[{" rest "}]}"
#define GOOD_ID    "\"id\":\"" ID "\""
#define GOOD_KEY   GOOD_ID ",\"public\":\"" PUBLIC "\",\"state\":\"trusted\"," SINCE
#define PIN(rest)  "{\"version\":1,\"pins\":{\"x.example/y:1\":{" rest "}}}"
#define GOOD_TIMES "\"created\":\"2026-11-21T22:54:24Z\"," SINCE

TEST(what_makes_no_sense_is_refused_and_never_counts_as_less)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "line 1" },
		{ "[]", "version" },
		{ "{}", "version" },
		{ "{\"version\":2}", "version" },
		{ "{\"version\":1,\"version\":1}", "duplicate" },
		{ "{\"version\":1,\"keys\":{}}", "\"keys\"" },
		{ "{\"version\":1,\"keys\":[1]}", "key 1: \"id\"" },
		{ KEY("\"id\":\"SHA256:x\""), "\"id\"" },
		{ KEY(GOOD_ID), "\"state\"" },
		{ KEY(GOOD_ID ",\"state\":\"unknown\""), "\"state\"" },
		{ KEY(GOOD_ID ",\"state\":\"trusted\""), "\"public\" is missing" },
		{ KEY(GOOD_ID ",\"state\":\"trusted\",\"public\":\"AAAA\""), "32 bytes" },
		{ KEY("\"id\":\"" OTHER "\",\"state\":\"trusted\",\"public\":\"" PUBLIC "\""),
		  "is the key " ID },
		{ KEY(GOOD_KEY), "\"for\"" },
		{ KEY(GOOD_KEY ",\"for\":[]"), "\"for\"" },
		{ KEY(GOOD_KEY ",\"for\":[1]"), "\"for\"" },
		{ KEY(GOOD_KEY ",\"for\":[\"x/\"]"), "a part of it is empty" },
		{ KEY(GOOD_KEY ",\"for\":[\"all\"],\"name\":\"a b\""), "not a name" },
		{ KEY(GOOD_ID ",\"state\":\"distrusted\""), "\"since\"" },
		{ KEY(GOOD_ID ",\"state\":\"distrusted\"," SINCE "},{" GOOD_ID
		              ",\"state\":\"distrusted\"," SINCE),
		  "key 2: " ID " is there twice" },
		{ "{\"version\":1,\"policies\":[]}", "\"policies\"" },
		{ "{\"version\":1,\"policies\":{\"all\":\"default\"}}", "none of" },
		{ "{\"version\":1,\"policies\":{\"\":\"none\"}}", "prefix" },
		{ "{\"version\":1,\"pins\":[]}", "\"pins\"" },
		{ PIN(""), "pin of x.example/y:1: \"key\"" },
		{ PIN("\"key\":\"" ID "\"," GOOD_TIMES), "\"release\"" },
		{ PIN("\"key\":\"" ID "\",\"release\":-1," GOOD_TIMES), "\"release\"" },
		{ PIN("\"key\":\"" ID "\",\"release\":9007199254740992," GOOD_TIMES),
		  "\"release\"" },
		{ PIN("\"key\":\"" ID "\",\"release\":1," SINCE), "\"created\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct trust *trust = NULL;
		struct error err = { 0 };

		if (trust_parse(bad[i].text, strlen(bad[i].text), &trust, &err) != -EINVAL ||
		    !strstr(err.text, bad[i].why))
			fail_msg("%s: %s", bad[i].text, err.text);
	}
}

TEST(the_hosts_policies_win_and_distrust_is_the_greater)
{
	cleanup(trust_store_close) struct trust_store store = { fresh(), fresh() };
	char id[KEY_ID_ROOM];
	struct public_key key = key_of(1, "team", id);
	const char *prefix, *name;

	assert_int_equal(trust_store_policy(&store, NAME, &prefix), TRUST_REMEMBER);
	assert_null(prefix);
	assert_int_equal(trust_set_policy(store.own, NAME, TRUST_NONE, NULL), 0);
	assert_int_equal(trust_store_policy(&store, NAME, &prefix), TRUST_NONE);
	assert_int_equal(trust_set_policy(store.host, "all", TRUST_REQUIRE, NULL), 0);
	assert_int_equal(trust_store_policy(&store, NAME, &prefix), TRUST_REQUIRE);
	assert_string_equal(prefix, "all");
	assert_int_equal(trust_add_key(store.host, &key, "all", NOW, NULL), 0);
	assert_int_equal(trust_store_state(&store, id, NAME, &name), TRUST_TRUSTED);
	assert_string_equal(name, "team");
	assert_int_equal(trust_distrust(store.own, id, NOW, NULL), 0);
	assert_int_equal(trust_store_state(&store, id, NAME, &name), TRUST_DISTRUSTED);
}

TEST(plain_names_of_the_own_library_were_judged_before)
{
	cleanup(trust_store_close) struct trust_store store = { fresh(), NULL };
	const char *prefix;

	assert_int_equal(trust_store_policy(&store, "local/debian:12", &prefix), TRUST_NONE);
	assert_int_equal(trust_set_policy(store.own, "all", TRUST_REQUIRE, NULL), 0);
	assert_int_equal(trust_store_policy(&store, "local/debian:12", &prefix), TRUST_NONE);
	assert_int_equal(trust_store_policy(&store, "local.example/debian:12", &prefix),
	                 TRUST_REQUIRE);
	assert_int_equal(trust_set_policy(store.own, "local", TRUST_REQUIRE, NULL), 0);
	assert_int_equal(trust_store_policy(&store, "local/debian:12", &prefix), TRUST_REQUIRE);
}

TEST(a_store_that_others_may_write_to_or_that_is_damaged_stops_everything)
{
	const char *path = scratch_path("open/trust.json");
	struct trust_store store = { NULL, NULL };
	struct error err = { 0 };

	assert_int_equal(mkdir(scratch_path("open"), 0700), 0);
	assert_int_equal(trust_store_load(path, path, &store, NULL), 0);
	assert_int_equal(trust_n_keys(store.own), 0);
	trust_store_close(&store);
	assert_int_equal(replace_file(AT_FDCWD, path, "{\"version\":1}", 13, 0600, NULL), 0);
	assert_int_equal(trust_store_load(path, NULL, &store, NULL), 0);
	trust_store_close(&store);
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(trust_store_load(path, NULL, &store, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod go-w"));
	assert_int_equal(replace_file(AT_FDCWD, path, "{\"version\":1", 12, 0600, NULL), 0);
	assert_int_equal(trust_store_load(path, NULL, &store, &err), -EINVAL);
	assert_non_null(strstr(err.text, "open/trust.json: line 1"));
	/* The host's counts as much. */
	assert_int_equal(trust_store_load(scratch_path("open/none.json"), path, &store, &err),
	                 -EINVAL);
}

#define WRITERS 4u
#define EACH    25u

static int add_one(struct trust *trust, void *arg, struct error *err)
{
	const uint8_t *n = arg;
	char name[16], id[KEY_ID_ROOM];
	struct public_key key;

	snprintf(name, sizeof(name), "key%u", *n);
	key = key_of(*n, name, id);
	return trust_add_key(trust, &key, PREFIX_ALL, NOW, err);
}

static char many[256];

static void *write_many(void *arg)
{
	const uint8_t *first = arg;

	for (uint8_t n = *first; n < *first + EACH; n++)
		if (trust_store_change_at(many, add_one, &n, NULL) < 0)
			return arg;
	return NULL;
}

TEST(no_writer_undoes_what_another_did)
{
	uint8_t first[WRITERS];
	pthread_t threads[WRITERS];
	struct trust_store store = { NULL, NULL };
	void *failed = NULL;

	snprintf(many, sizeof(many), "%s", scratch_path("many/trust.json"));
	for (unsigned int i = 0; i < WRITERS; i++) {
		first[i] = (uint8_t)(i * EACH);
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &first[i]), 0);
	}
	for (unsigned int i = 0; i < WRITERS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		failed = result ? result : failed;
	}
	assert_null(failed);
	assert_int_equal(trust_store_load(many, NULL, &store, NULL), 0);
	assert_int_equal(trust_n_keys(store.own), WRITERS * EACH);
	trust_store_close(&store);
}

static int give_up(struct trust *trust, void *arg, struct error *err)
{
	uint8_t n = 200;

	(void)arg;
	add_one(trust, &n, NULL);
	return error_set(err, ECANCELED, "no");
}

TEST(a_change_that_is_given_up_leaves_the_file_alone)
{
	const char *path = scratch_path("alone/trust.json");
	cleanup_free char *before = NULL, *after = NULL;
	uint8_t n = 1;

	assert_int_equal(trust_store_change_at(path, add_one, &n, NULL), 0);
	assert_int_equal(read_file(AT_FDCWD, path, 65536, &before, NULL, NULL), 0);
	assert_int_equal(trust_store_change_at(path, give_up, NULL, NULL), -ECANCELED);
	assert_int_equal(read_file(AT_FDCWD, path, 65536, &after, NULL, NULL), 0);
	assert_string_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_key_is_trusted_for_its_prefixes_and_distrusted_for_all),
		CASE(an_id_alone_can_be_distrusted),
		CASE(two_keys_cannot_have_one_name),
		CASE(a_person_means_a_key_by_id_by_its_beginning_or_by_name),
		CASE(the_policy_of_the_longest_prefix_holds),
		CASE(what_was_seen_only_ever_goes_up),
		CASE(what_was_judged_before_another_key_was_remembered_does_not_count),
		CASE(other_tags_of_a_name_tell_its_key),
		CASE(members_that_are_not_known_stay),
		CASE(what_makes_no_sense_is_refused_and_never_counts_as_less),
		CASE(the_hosts_policies_win_and_distrust_is_the_greater),
		CASE(plain_names_of_the_own_library_were_judged_before),
		CASE(a_store_that_others_may_write_to_or_that_is_damaged_stops_everything),
		CASE(no_writer_undoes_what_another_did),
		CASE(a_change_that_is_given_up_leaves_the_file_alone),
	};

	if (scratch_make() < 0)
		return 1;
	return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}
