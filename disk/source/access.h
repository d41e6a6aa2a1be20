/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a source or a registry client is let in: its credentials, and the tokens that it got with
 * them.
 *
 * A request shows the pass that its URL has at the time (access_pass()).  One that is answered with
 * 401 hands the challenge in (access_challenged()), which gets a new pass, and asks again, once.
 * Passes are got by one thread at a time; others that were answered 401 meanwhile wait for it and
 * use what it got, or fail with what it was told.  A token is renewed shortly before it runs out
 * (access_renew()), by a thread that is about to ask anyway.
 *
 * What is sent to a host is decided by that host's URL alone, so nothing follows a redirect.
 *
 * Threads: any number; access_pass() does not wait for a network.
 */
#ifndef DISK_SOURCE_ACCESS_H
#define DISK_SOURCE_ACCESS_H

#include "disk/source/credentials.h"
#include "disk/source/source.h"

struct access;

struct access_options {
	const char *ca_file;
	const char *credentials_file; /* NULL: docker's and podman's, when a server asks */
	struct credentials *given; /* in place of any file; becomes the access's own.  NULL: none */
	uint32_t stall_ms;
};

/* What a request has shown, in as many words as are needed when it is refused. */
struct access_shown {
	bool any;
	unsigned int number; /* 0: not got by a challenge */
};

struct access_pass {
	struct credential credential; /* nothing is shown without a secret in it */
	struct access_shown shown;
};

/* For one request: who waits, and for how long. */
struct access_wait {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	struct source_cancel *cancel;
};

int access_new(const struct access_options *options, struct access **ret, struct error *err);
void access_free(struct access *access);
DEFINE_CLEANUP(struct access *, access_free);

/*
 * `scope` tells passes of one host apart that are for different things, and is asked for besides
 * what the challenge says: "repository:a/b:pull,push".  "" for who has one thing to ask for.
 */
int access_pass(struct access *access, const char *url, const char *scope, struct access_pass *ret);
static inline void access_pass_free_at(struct access_pass *at)
{
	credential_wipe(&at->credential);
}

/*
 * `url` was answered with 401 and these values of WWW-Authenticate, though it was shown `shown`.  0:
 * there is another pass now.  -EACCES when there is none, and others of a network; the sentence
 * does not name the source.
 */
int access_challenged(struct access *access, const char *url, const char *scope,
                      const char *challenge, const struct access_shown *shown,
                      const struct access_wait *wait, struct error *err);

/* Before a request: renew the pass for `url` when it runs out soon.  A failure is not told. */
void access_renew(struct access *access, const char *url, const char *scope,
                  const struct access_wait *wait);

/* Why 401 is the end of it: whether anything was shown. */
int access_refused(const struct access *access, bool shown, struct error *err);

#endif
