/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May this image be used?  docs/trust.md, "How an image is judged".
 *
 * A function of its inputs alone: no network, no clock, no file.  The order for a caller: fetch the
 * manifest; when policy_wants_signatures(), fetch its referrers of SIGNATURE_TYPE (at most
 * POLICY_MAX_CANDIDATES, whatever cannot be fetched left out); policy_judge(); take the image over;
 * trust_store_remember() when the answer says so, and only then use it.
 *
 * Trust: manifest and signatures are hostile; the trust store is the person's.
 */
#ifndef LIBRARY_POLICY_H
#define LIBRARY_POLICY_H

#include "library/signature.h"
#include "library/trust-store.h"

#define POLICY_MAX_CANDIDATES 64u
#define POLICY_MAX_SKEW       300 /* seconds that another computer's clock may be ahead */
#define POLICY_QUESTION_MAX   1024u

struct policy_candidate {
	const char *manifest, *payload; /* as they were fetched */
	size_t manifest_len, payload_len;
};

struct policy_case {
	const struct trust_store *trust;
	/* The canonical name (library/prefix.h) with ":TAG", "@DIGEST" or both. */
	const char *name;
	const struct oci_descriptor *manifest; /* media type, digest, size */
	const struct policy_candidate *candidates;
	size_t n_candidates;
	int64_t now;           /* seconds since 1970 */
	const char *trust_key; /* the id, whole, of --trust; NULL: none */
	/* Ask a person: true is yes.  At most once.  NULL: there is no terminal. */
	bool (*ask)(void *arg, const char *question);
	void *arg;
};

enum policy_verdict {
	POLICY_UNCHECKED,  /* the policy is none */
	POLICY_TRUSTED,    /* the key is trusted for the name */
	POLICY_REMEMBERED, /* it is the one that was there before */
	POLICY_AGREED,     /* a person said yes to it just now */
};

struct policy_answer {
	enum policy_verdict verdict;
	/* All but with POLICY_UNCHECKED: */
	size_t candidate; /* the signature that counted; keep it with the image */
	struct signature_claim claim;
	struct trust_memory memory; /* to be remembered when the image was taken over */
};

/* Is there anything for signatures to decide?  False: the policy is none. */
bool policy_wants_signatures(const struct trust_store *trust, const char *name);

/*
 * 0: it may be used.  Else a sentence that says what a person can do, and -ENODATA (not signed),
 * -ENOKEY (nobody here knows the key, or it is not trusted for the name), -ECANCELED (the person
 * said no), -EKEYREJECTED (another key than before), -EKEYREVOKED (distrusted), -EKEYEXPIRED,
 * -ETIME (signed in the future), -ESTALE (older than what was seen), -EBADMSG (no signature is
 * good), -EINVAL (the name makes no sense).
 */
int policy_judge(const struct policy_case *in, struct policy_answer *ret, struct error *err);

#endif
