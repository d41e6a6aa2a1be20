// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A row of the table is an image, what is known here, and what becomes of it.  Keys: A is the
 * publisher's, B another's.
 */
#include "tests/unit/signed-image.h"

#include <errno.h>
#include <stdio.h>

#include "base/bits.h"
#include "library/policy.h"

#define NAME   "registry.example/team/debian:12"
#define STEM   "registry.example/team/debian"
#define DIGEST STEM "@sha256:00"

enum { A, B, KEYS };

struct offered {
	char key;   /* 'A', 'B'; 0: none */
	char image; /* 'a' is the one that is judged */
	bool bent;
	int release;       /* 10 unless said */
	int64_t age, left; /* seconds since it was signed, and until it expires; 0: never */
};

struct row {
	const char *what;
	const char *name; /* NAME unless said */
	const char *why;  /* part of the sentence */
	int64_t seen_age;
	struct offered offered[3];
	enum trust_policy policy;
	int seen;   /* release that is remembered */
	int answer; /* of the person: 1 yes, -1 no, 0 there is none */
	int r;
	enum policy_verdict verdict;
	int candidate;
	char trusted, distrusted, pinned, other_tag, option; /* keys */
	bool asked;
};

static const struct row rows[] = {
	/* Nothing looked at. */
	{ "none takes the unsigned", .policy = TRUST_NONE, .verdict = POLICY_UNCHECKED },
	{ "none does not look", .policy = TRUST_NONE, .distrusted = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_UNCHECKED },
	/* Not signed. */
	{ "unsigned", .r = -ENODATA, .why = "sill key policy " STEM " none" },
	{ "unsigned, require", .policy = TRUST_REQUIRE, .r = -ENODATA, .why = "is not signed" },
	{ "unsigned now, signed before", .pinned = 'A', .answer = 1, .r = -ENODATA,
	  .why = "is not signed" },
	/* First use. */
	{ "unknown key, a person says yes", .answer = 1,
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_AGREED, .asked = true },
	{ "unknown key, a person says no", .answer = -1,
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -ECANCELED, .why = "not agreed",
	  .asked = true },
	{ "unknown key, no terminal", .offered = { { .key = 'A', .image = 'a' } }, .r = -ENOKEY,
	  .why = "--trust SHA256:" },
	{ "unknown key, named by option", .option = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_AGREED },
	{ "another key named by option", .option = 'B', .offered = { { .key = 'A', .image = 'a' } },
	  .r = -ENOKEY, .why = "--trust SHA256:" },
	{ "unknown key, require", .policy = TRUST_REQUIRE, .answer = 1, .option = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -ENOKEY,
	  .why = "sill key trust FILE --for " STEM },
	{ "remembered for another tag", .other_tag = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_REMEMBERED },
	{ "another key than other tags", .other_tag = 'B', .answer = 1,
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_AGREED, .asked = true },
	/* Trusted. */
	{ "trusted", .trusted = 'A', .offered = { { .key = 'A', .image = 'a' } },
	  .verdict = POLICY_TRUSTED },
	{ "trusted, require", .policy = TRUST_REQUIRE, .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_TRUSTED },
	{ "trusted, another one remembered", .trusted = 'A', .pinned = 'B',
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_TRUSTED },
	/* Remembered. */
	{ "remembered", .pinned = 'A', .offered = { { .key = 'A', .image = 'a' } },
	  .verdict = POLICY_REMEMBERED },
	{ "remembered, require", .policy = TRUST_REQUIRE, .pinned = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -ENOKEY, .why = "not trusted" },
	{ "another than the remembered", .pinned = 'B', .answer = 1, .option = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -EKEYREJECTED,
	  .why = "sill key forget " NAME },
	{ "a sentence calls a key as a person does", .policy = TRUST_REQUIRE, .trusted = 'A',
	  .name = "registry.example/other:1", .offered = { { .key = 'A', .image = 'a' } },
	  .r = -ENOKEY,
	  .why = " (team), which is not trusted for it as the policy of registry.example "
	         "requires" },
	/* Distrusted. */
	{ "distrusted", .distrusted = 'A', .answer = 1, .option = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -EKEYREVOKED, .why = "distrusted" },
	{ "remembered, distrusted since", .pinned = 'A', .distrusted = 'A',
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -EKEYREVOKED, .why = "distrusted" },
	/* Not a signature of this. */
	{ "bent", .trusted = 'A', .offered = { { .key = 'A', .image = 'a', .bent = true } },
	  .r = -EBADMSG, .why = "no good signature: it was not made by" },
	{ "of another manifest", .trusted = 'A', .offered = { { .key = 'A', .image = 'b' } },
	  .r = -EBADMSG, .why = "of another manifest" },
	/* Old. */
	{ "an older release", .pinned = 'A', .seen = 11,
	  .offered = { { .key = 'A', .image = 'a' } }, .r = -ESTALE,
	  .why = "release 10 of 2026-11-21T22:54:24Z, and it was release 11" },
	{ "an older release, trusted", .policy = TRUST_REQUIRE, .trusted = 'A', .pinned = 'A',
	  .seen = 11, .offered = { { .key = 'A', .image = 'a' } }, .r = -ESTALE,
	  .why = "sill key forget" },
	{ "the same release, signed earlier", .pinned = 'A', .seen = 10, .seen_age = 1,
	  .offered = { { .key = 'A', .image = 'a', .age = 2 } }, .r = -ESTALE, .why = "older" },
	{ "the same release again", .pinned = 'A', .seen = 10, .seen_age = 2,
	  .offered = { { .key = 'A', .image = 'a', .age = 2 } }, .verdict = POLICY_REMEMBERED },
	{ "a newer release, signed earlier", .pinned = 'A', .seen = 9,
	  .offered = { { .key = 'A', .image = 'a', .age = 5 } }, .verdict = POLICY_REMEMBERED },
	{ "an older release by digest", .name = DIGEST, .pinned = 'A', .seen = 11,
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_REMEMBERED },
	{ "another tag's releases do not count", .other_tag = 'A', .seen = 11,
	  .offered = { { .key = 'A', .image = 'a' } }, .verdict = POLICY_REMEMBERED },
	/* Clocks. */
	{ "expired", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = 9, .left = -1 } }, .r = -EKEYEXPIRED,
	  .why = "good until 2026-11-21T22:54:23Z, and the clock of this computer says "
	         "2026-11-21T22:54:24Z" },
	{ "expires this second", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = 9, .left = INT64_MIN } },
	  .r = -EKEYEXPIRED, .why = "sign it again" },
	{ "expires in a second", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = 9, .left = 1 } },
	  .verdict = POLICY_TRUSTED },
	{ "from the future", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = -301 } }, .r = -ETIME,
	  .why = "the clock of this computer says 2026-11-21T22:54:24Z" },
	{ "a clock that is a little ahead", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = -300 } }, .verdict = POLICY_TRUSTED },
	/* Nobody is asked about what is refused anyway. */
	{ "unknown and expired", .answer = 1,
	  .offered = { { .key = 'A', .image = 'a', .age = 9, .left = -1 } }, .r = -EKEYEXPIRED,
	  .why = "good until" },
	/* Several: the best counts, and what is bad does not spoil it. */
	{ "a bad one before a good one", .trusted = 'A', .distrusted = 'B',
	  .offered = { { .key = 'B', .image = 'a' },
	               { .key = 'A', .image = 'b' },
	               { .key = 'A', .image = 'a' } },
	  .verdict = POLICY_TRUSTED, .candidate = 2 },
	{ "a trusted one before a remembered one", .trusted = 'B', .pinned = 'A',
	  .offered = { { .key = 'A', .image = 'a' }, { .key = 'B', .image = 'a' } },
	  .verdict = POLICY_TRUSTED, .candidate = 1 },
	{ "a remembered one before an unknown one", .pinned = 'A', .answer = 1,
	  .offered = { { .key = 'B', .image = 'a' }, { .key = 'A', .image = 'a' } },
	  .verdict = POLICY_REMEMBERED, .candidate = 1 },
	{ "the newest of one key", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = 9 },
	               { .key = 'A', .image = 'a', .age = 1 },
	               { .key = 'A', .image = 'a', .age = 5 } },
	  .verdict = POLICY_TRUSTED, .candidate = 1 },
	{ "signed again when it expired", .trusted = 'A',
	  .offered = { { .key = 'A', .image = 'a', .age = 9, .left = -1 },
	               { .key = 'A', .image = 'a', .age = 5, .left = 5 } },
	  .verdict = POLICY_TRUSTED, .candidate = 1 },
	{ "the refusal that says most", .pinned = 'A', .seen = 11,
	  .offered = { { .key = 'B', .image = 'a' },
	               { .key = 'A', .image = 'b' },
	               { .key = 'A', .image = 'a' } },
	  .r = -ESTALE, .why = "older" },
	/* A name that is none. */
	{ "no name", .name = "registry.example/", .r = -EINVAL, .why = "is empty" },
};

static struct key *keys[KEYS];
static char ids[KEYS][KEY_ID_ROOM];

static const char *id_of(char letter)
{
	return ids[letter - 'A'];
}

static void remember(struct trust *trust, const char *name, char key, int release, int64_t created)
{
	struct trust_memory memory = { .release = (uint64_t)release, .created = created };

	snprintf(memory.name, sizeof(memory.name), "%s", name);
	snprintf(memory.key, sizeof(memory.key), "%s", id_of(key));
	assert_int_equal(trust_remember(trust, &memory, NOW, NULL), 0);
}

static struct trust *know(const struct row *row, const char *name)
{
	struct trust *trust = NULL;

	assert_int_equal(trust_new(&trust, NULL), 0);
	if (row->policy)
		assert_int_equal(trust_set_policy(trust, "registry.example", row->policy, NULL), 0);
	if (row->trusted) {
		struct public_key key = { .name = "team" };

		key_public(keys[row->trusted - 'A'], key.bytes);
		assert_int_equal(trust_add_key(trust, &key, STEM, NOW, NULL), 0);
	}
	if (row->distrusted)
		assert_int_equal(trust_distrust(trust, id_of(row->distrusted), NOW, NULL), 0);
	if (row->pinned)
		remember(trust, name, row->pinned, row->seen, NOW - row->seen_age);
	if (row->other_tag)
		remember(trust, STEM ":11", row->other_tag, row->seen, NOW);
	return trust;
}

struct person {
	int answer;
	bool asked;
	char question[POLICY_QUESTION_MAX];
};

static bool ask(void *arg, const char *question)
{
	struct person *person = arg;

	assert_false(person->asked);
	person->asked = true;
	snprintf(person->question, sizeof(person->question), "%s", question);
	return person->answer > 0;
}

static size_t offer(const struct row *row, struct signature *ret,
                    struct policy_candidate *candidates)
{
	size_t n = 0;

	for (; n < ARRAY_LEN(row->offered) && row->offered[n].key; n++) {
		const struct offered *o = &row->offered[n];
		int64_t left = o->left == INT64_MIN ? 0 : o->left;

		ret[n] = sign_image(keys[o->key - 'A'], o->image,
		                    o->release ? (uint64_t)o->release : 10, NOW - o->age,
		                    o->left ? NOW + left : 0);
		if (o->bent) {
			/* The next letter of the signature. */
			char *at = strstr(ret[n].manifest.bytes, "vnd.sill.signature\":\"");

			assert_non_null(at);
			at[30] = at[30] == 'A' ? 'B' : 'A';
		}
		candidates[n] =
			(struct policy_candidate){ ret[n].manifest.bytes, ret[n].payload,
			                           ret[n].manifest.len, ret[n].payload_len };
	}
	return n;
}

static void judge(const struct row *row)
{
	const char *name = row->name ? row->name : NAME;
	cleanup(trust_store_close) struct trust_store store = {
		know(row, row->name == NULL || row->r != -EINVAL ? name : NAME), NULL
	};
	const struct oci_descriptor image = image_of('a');
	struct person person = { .answer = row->answer };
	struct policy_candidate candidates[3];
	struct signature signatures[3] = { 0 };
	struct policy_answer answer;
	struct policy_case in = {
		.trust = &store,
		.name = name,
		.manifest = &image,
		.candidates = candidates,
		.n_candidates = offer(row, signatures, candidates),
		.now = NOW,
		.trust_key = row->option ? id_of(row->option) : NULL,
		.ask = row->answer ? ask : NULL,
		.arg = &person,
	};
	struct error err = { 0 };
	int r = policy_judge(&in, &answer, &err);

	if (r != row->r)
		fail_msg("%s: %d, not %d: %s", row->what, r, row->r, err.text);
	if (r < 0 && !strstr(err.text, row->why))
		fail_msg("%s: %s", row->what, err.text);
	if (person.asked != row->asked)
		fail_msg("%s: a person was%s asked", row->what, person.asked ? "" : " not");
	if (r == 0 && answer.verdict != row->verdict)
		fail_msg("%s: verdict %d", row->what, (int)answer.verdict);
	if (r == 0 && answer.verdict != POLICY_UNCHECKED) {
		const struct offered *counted = &row->offered[row->candidate];

		assert_int_equal(answer.candidate, row->candidate);
		assert_string_equal(answer.claim.key, id_of(counted->key));
		assert_string_equal(answer.memory.name, name);
		assert_string_equal(answer.memory.key, id_of(counted->key));
		assert_string_equal(answer.memory.was, row->pinned ? id_of(row->pinned) : "");
		assert_int_equal(answer.memory.release, 10);
		/* What is to be remembered can be. */
		assert_int_equal(trust_remember(store.own, &answer.memory, NOW, NULL), 0);
	}
	if (person.asked && !strstr(person.question, id_of('A')))
		fail_msg("%s: the question has not the key: %s", row->what, person.question);
	if (person.asked && row->other_tag && !strstr(person.question, id_of(row->other_tag)))
		fail_msg("%s: the question has not the other key: %s", row->what, person.question);
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++)
		signature_free(&signatures[i]);
}

TEST(every_case_has_its_answer_and_every_refusal_its_sentence)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		judge(&rows[i]);
}

TEST(signatures_are_wanted_unless_the_policy_is_none)
{
	cleanup(trust_store_close) struct trust_store store = { NULL, NULL };

	assert_int_equal(trust_new(&store.own, NULL), 0);
	assert_true(policy_wants_signatures(&store, NAME));
	assert_int_equal(trust_set_policy(store.own, "registry.example", TRUST_NONE, NULL), 0);
	assert_false(policy_wants_signatures(&store, NAME));
	assert_true(policy_wants_signatures(&store, "elsewhere.example/debian:12"));
}

TEST(only_so_many_signatures_are_looked_at)
{
	cleanup(trust_store_close) struct trust_store store = { NULL, NULL };
	struct policy_candidate many[POLICY_MAX_CANDIDATES + 1] = { { NULL, NULL, 0, 0 } };
	cleanup(signature_free) struct signature good = sign_image(keys[A], 'a', 1, NOW, 0);
	const struct oci_descriptor image = image_of('a');
	struct policy_answer answer;
	struct policy_case in = { .trust = &store,
		                  .name = NAME,
		                  .manifest = &image,
		                  .candidates = many,
		                  .now = NOW,
		                  .trust_key = ids[A],
		                  .n_candidates = ARRAY_LEN(many) };

	assert_int_equal(trust_new(&store.own, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct policy_candidate){ "{}", "{}", 2, 2 };
	many[POLICY_MAX_CANDIDATES] =
		(struct policy_candidate){ good.manifest.bytes, good.payload, good.manifest.len,
		                           good.payload_len };
	assert_int_equal(policy_judge(&in, &answer, NULL), -EBADMSG);
	many[POLICY_MAX_CANDIDATES - 1] = many[POLICY_MAX_CANDIDATES];
	assert_int_equal(policy_judge(&in, &answer, NULL), 0);
	assert_int_equal(answer.candidate, POLICY_MAX_CANDIDATES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_case_has_its_answer_and_every_refusal_its_sentence),
		CASE(signatures_are_wanted_unless_the_policy_is_none),
		CASE(only_so_many_signatures_are_looked_at),
	};
	int r;

	for (int i = 0; i < KEYS; i++)
		keys[i] = new_key(ids[i]);
	r = cmocka_run_group_tests_name("policy", tests, NULL, NULL);
	for (int i = 0; i < KEYS; i++)
		key_free(keys[i]);
	return r;
}
