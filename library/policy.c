// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every signature is weighed by itself; the best one counts.  What makes one good comes first
 * among the standings, and among the others what says most to a person.
 */
#include "library/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "util/utc.h"

enum standing {
	STANDS_TRUSTED,
	STANDS_REMEMBERED,
	STANDS_UNKNOWN, /* a person may say yes */
	FALLS_OLD,
	FALLS_EXPIRED,
	FALLS_EARLY,
	FALLS_CHANGED,
	FALLS_STRANGER,
	FALLS_DISTRUSTED,
	FALLS_WRONG,
	FALLS_UNSIGNED,
};

struct finding {
	enum standing standing;
	size_t candidate;
	struct signature_claim claim;
	struct error why; /* FALLS_WRONG */
};

struct judging {
	const struct policy_case *in;
	enum trust_policy policy;
	const char *prefix; /* whose policy it is, or NULL */
	bool pinned;
	struct trust_pin pin;
};

bool policy_wants_signatures(const struct trust_store *trust, const char *name)
{
	const char *prefix;

	return trust_store_policy(trust, name, &prefix) != TRUST_NONE;
}

/* What the key is worth for this name. */
static enum standing weigh_key(const struct judging *judging, const char *id)
{
	const struct policy_case *in = judging->in;
	const char *called, *others;

	switch (trust_store_state(in->trust, id, in->name, &called)) {
	case TRUST_DISTRUSTED:
		return FALLS_DISTRUSTED;
	case TRUST_TRUSTED:
		return STANDS_TRUSTED;
	case TRUST_UNKNOWN:
		break;
	}
	if (judging->policy == TRUST_REQUIRE)
		return FALLS_STRANGER;
	if (judging->pinned)
		return strcmp(judging->pin.key, id) == 0 ? STANDS_REMEMBERED : FALLS_CHANGED;
	others = trust_key_of_others(in->trust->own, in->name, id);
	return others && strcmp(others, id) == 0 ? STANDS_REMEMBERED : STANDS_UNKNOWN;
}

/* By digest the person said which bytes are meant: nothing is too old. */
static bool is_old(const struct judging *judging, const struct signature_claim *claim)
{
	if (!judging->pinned || canonical_by_digest(judging->in->name))
		return false;
	return claim->release < judging->pin.release ||
	       (claim->release == judging->pin.release && claim->created < judging->pin.created);
}

static void weigh(const struct judging *judging, size_t i, struct finding *ret)
{
	const struct policy_case *in = judging->in;
	const struct policy_candidate *candidate = &in->candidates[i];
	int r = signature_check(candidate->manifest, candidate->manifest_len, candidate->payload,
	                        candidate->payload_len, in->manifest, &ret->claim, &ret->why);

	ret->candidate = i;
	if (r < 0) {
		ret->standing = FALLS_WRONG;
		return;
	}
	ret->standing = weigh_key(judging, ret->claim.key);
	if (ret->standing > STANDS_UNKNOWN)
		return;
	if (ret->claim.created > in->now + POLICY_MAX_SKEW)
		ret->standing = FALLS_EARLY;
	else if (ret->claim.expires && ret->claim.expires <= in->now)
		ret->standing = FALLS_EXPIRED;
	else if (is_old(judging, &ret->claim))
		ret->standing = FALLS_OLD;
}

static bool better(const struct finding *a, const struct finding *b)
{
	if (a->standing != b->standing)
		return a->standing < b->standing;
	if (a->claim.release != b->claim.release)
		return a->claim.release > b->claim.release;
	return a->claim.created > b->claim.created;
}

#define CALLED_ROOM (KEY_ID_ROOM + KEY_NAME_MAX + 4)

/* "SHA256:…", and what it is called here, if anything. */
static const char *call_key(const struct policy_case *in, const char *id, char out[CALLED_ROOM])
{
	const char *name;

	trust_store_state(in->trust, id, in->name, &name);
	if (*name)
		snprintf(out, CALLED_ROOM, "%s (%s)", id, name);
	else
		snprintf(out, CALLED_ROOM, "%s", id);
	return out;
}

static int no_terminal(const struct policy_case *in, const char *id, struct error *err)
{
	return error_set(
		err, ENOKEY,
		"%s is signed by %s, which is not known here: when its publisher says that "
		"this is the key, add '--trust %s'",
		in->name, id, id);
}

/* The key of a name is seen for the first time: does the person take it? */
static int agree(const struct policy_case *in, const char *id, struct error *err)
{
	const char *others = trust_key_of_others(in->trust->own, in->name, id);
	char question[POLICY_QUESTION_MAX], more[KEY_ID_ROOM + 80] = "";

	if (in->trust_key && strcmp(in->trust_key, id) == 0)
		return 0;
	if (!in->ask)
		return no_terminal(in, id, err);
	if (others)
		snprintf(more, sizeof(more), " What else is known under this name is signed by %s!",
		         others);
	snprintf(question, sizeof(question),
	         "%.400s is signed by the key %s, which is not known here.%s Is that its "
	         "publisher's key?",
	         in->name, id, more);
	if (!in->ask(in->arg, question))
		return error_set(err, ECANCELED, "%s: its key %s was not agreed to", in->name, id);
	return 0;
}

static int refuse_old(const struct judging *judging, const struct signature_claim *claim,
                      struct error *err)
{
	char created[UTC_BYTES], seen[UTC_BYTES];

	return error_set(err, ESTALE,
	                 "%s is older than what was here before: release %llu of %s, and it was "
	                 "release %llu of %s; name it by its digest when it is meant, or 'sill key "
	                 "forget %s'",
	                 judging->in->name, (unsigned long long)claim->release,
	                 format_utc(claim->created, created),
	                 (unsigned long long)judging->pin.release,
	                 format_utc(judging->pin.created, seen), judging->in->name);
}

static int refuse_time(const struct policy_case *in, const struct finding *found, struct error *err)
{
	char when[UTC_BYTES], now[UTC_BYTES];

	format_utc(in->now, now);
	if (found->standing == FALLS_EARLY)
		return error_set(err, ETIME,
		                 "%s was signed at %s, but the clock of this computer says %s: one "
		                 "of the two is wrong",
		                 in->name, format_utc(found->claim.created, when), now);
	return error_set(err, EKEYEXPIRED,
	                 "%s: its signature was good until %s, and the clock of this computer says "
	                 "%s: its publisher has to sign it again",
	                 in->name, format_utc(found->claim.expires, when), now);
}

static int refuse(const struct judging *judging, const struct finding *found, struct error *err)
{
	const char *name = judging->in->name;
	char called[CALLED_ROOM], before[CALLED_ROOM];
	int stem = (int)canonical_stem(name);

	call_key(judging->in, found->claim.key, called);
	switch (found->standing) {
	case FALLS_OLD:
		return refuse_old(judging, &found->claim, err);
	case FALLS_EXPIRED:
	case FALLS_EARLY:
		return refuse_time(judging->in, found, err);
	case FALLS_CHANGED:
		return error_set(
			err, EKEYREJECTED,
			"%s is signed by %s, and was signed by %s before: when its publisher "
			"says that this is right, 'sill key forget %s'",
			name, called, call_key(judging->in, judging->pin.key, before), name);
	case FALLS_STRANGER:
		return error_set(
			err, ENOKEY,
			"%s is signed by %s, which is not trusted for it as the policy of %s "
			"requires: 'sill key trust FILE --for %.*s' with its publisher's "
			"key",
			name, called, judging->prefix, stem, name);
	case FALLS_DISTRUSTED:
		return error_set(err, EKEYREVOKED, "%s is signed by %s, which is distrusted here",
		                 name, called);
	case FALLS_WRONG:
		return error_set(err, EBADMSG, "%s has no good signature: %s", name,
		                 found->why.text);
	default:
		return error_set(err, ENODATA,
		                 "%s is not signed: ask its publisher to sign it, or take it as it "
		                 "is with 'sill key policy %.*s none'",
		                 name, stem, name);
	}
}

static void accept(const struct judging *judging, const struct finding *found,
                   struct policy_answer *ret)
{
	static const enum policy_verdict verdicts[] = { POLICY_TRUSTED, POLICY_REMEMBERED,
		                                        POLICY_AGREED };
	struct trust_memory *memory = &ret->memory;

	*ret = (struct policy_answer){ .verdict = verdicts[found->standing],
		                       .candidate = found->candidate,
		                       .claim = found->claim };
	snprintf(memory->name, sizeof(memory->name), "%s", judging->in->name);
	memcpy(memory->key, found->claim.key, sizeof(memory->key));
	snprintf(memory->was, sizeof(memory->was), "%s", judging->pinned ? judging->pin.key : "");
	memory->release = found->claim.release;
	memory->created = found->claim.created;
}

int policy_judge(const struct policy_case *in, struct policy_answer *ret, struct error *err)
{
	struct judging judging = { .in = in };
	struct finding best = { .standing = FALLS_UNSIGNED };
	int r = prefix_check(in->name, err);

	if (r < 0)
		return r;
	judging.policy = trust_store_policy(in->trust, in->name, &judging.prefix);
	if (judging.policy == TRUST_NONE) {
		*ret = (struct policy_answer){ .verdict = POLICY_UNCHECKED };
		return 0;
	}
	judging.pinned = trust_find_pin(in->trust->own, in->name, &judging.pin);
	for (size_t i = 0; i < min_u64(in->n_candidates, POLICY_MAX_CANDIDATES); i++) {
		struct finding found = { .standing = FALLS_WRONG };

		weigh(&judging, i, &found);
		if (better(&found, &best))
			best = found;
	}
	if (best.standing > STANDS_UNKNOWN)
		return refuse(&judging, &best, err);
	if (best.standing == STANDS_UNKNOWN) {
		r = agree(in, best.claim.key, err);
		if (r < 0)
			return r;
	}
	accept(&judging, &best, ret);
	return 0;
}
