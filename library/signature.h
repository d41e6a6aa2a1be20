/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signature of an image: what is signed, and the OCI artefact in which it travels.
 * docs/trust.md, "The signature".
 *
 * Pure functions over bytes, for any thread.  Trust: whoever may write to a repository can add
 * signatures, so both parts are hostile.
 */
#ifndef LIBRARY_SIGNATURE_H
#define LIBRARY_SIGNATURE_H

#include "library/key.h"
#include "library/oci.h"

#define SIGNATURE_TYPE         "application/vnd.sill.signature.v1"
#define SIGNATURE_PAYLOAD_TYPE "application/vnd.sill.signature.payload.v1+json"
#define SIGNATURE_ANNOTATION   "vnd.sill.signature"
#define SIGNATURE_KEY          "vnd.sill.key"
#define SIGNATURE_MAX_BYTES    65536u /* of the manifest, and of the payload */
/* Before the payload when it is signed, with the NUL. */
#define SIGNATURE_CONTEXT "sill image signature v1"

/* What a key says of an image. */
struct signature_claim {
	char media_type[STORE_MEDIA_ROOM]; /* of the image's manifest */
	char digest[STORE_DIGEST_ROOM];
	uint64_t size;    /* bytes */
	uint64_t release; /* counts up, to TRUST_MAX_RELEASE; the configuration has it too */
	int64_t created;  /* seconds since 1970 */
	int64_t expires;  /* later than that; 0: never */
	char key[KEY_ID_ROOM];
};

/* A signature ready to be sent: payload and OCI_EMPTY ("{}") as blobs, then the manifest. */
struct signature {
	char *payload; /* payload_len bytes, and a NUL */
	size_t payload_len;
	char payload_digest[STORE_DIGEST_ROOM];
	struct store_manifest manifest;
};

/* Sign `image`, the descriptor of its manifest; of the claim only release and times are read. */
int signature_make(const struct key *key, const struct oci_descriptor *image,
                   const struct signature_claim *claim, struct signature *ret, struct error *err);
void signature_free(struct signature *signature);
static inline void signature_free_at(struct signature *at)
{
	signature_free(at);
}

/*
 * The blob that belongs to a signature's manifest: what has to be fetched before it can be checked.
 * -EINVAL when it is no signature, or larger than SIGNATURE_MAX_BYTES.
 */
int signature_payload(const char *manifest, size_t len, char ret_digest[STORE_DIGEST_ROOM],
                      uint64_t *ret_size, struct error *err);

/*
 * Is this a signature of `image` (media type, digest and size) by the key that it names?  -EINVAL:
 * it makes no sense; -EXDEV: of another manifest; -EBADMSG: not by that key.  Whether the key
 * counts, and whether it is too early or too late, is for library/policy.h.
 */
int signature_check(const char *manifest, size_t len, const char *payload, size_t payload_len,
                    const struct oci_descriptor *image, struct signature_claim *ret,
                    struct error *err);

#endif
