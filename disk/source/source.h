/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source: one place the bytes of one file come from, read-only.
 *
 * What implements it: a file, an HTTP server, an NBD export (this folder), the chain that chooses
 * among several of them (disk/chain.c), the near copy of a far file's metadata (disk/near/meta.c).
 * Formats read through it and cannot tell these apart, so a .vhd at a URL is streamed like any
 * other.
 *
 * Trust: what a source delivers is hostile until a format or a digest has checked it.  A source
 * itself guarantees that all bytes it returns belong to one version of the file (its identity):
 * when the file changes under it, reads fail with -ESTALE and a sentence that names it, for ever.
 *
 * Threads: any number may read at once; close only after the last read has returned.
 */
#ifndef DISK_SOURCE_SOURCE_H
#define DISK_SOURCE_SOURCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Who waits for a read; lower numbers go first.  A source may hold later ones back. */
enum source_priority {
	SOURCE_DEMAND,     /* a guest waits */
	SOURCE_TRACE,      /* a guest will want it soon */
	SOURCE_BACKGROUND, /* nobody waits */
};

#define SOURCE_ORIGIN_MAX 280

/* Which version of which file.  Fields that are not known are zero. */
struct source_identity {
	uint64_t size;         /* bytes; always known */
	char digest[72];       /* "sha256:<64 hex digits>" that the person vouches for */
	int64_t last_modified; /* seconds since 1970: HTTP Last-Modified, a file's mtime */
	uint32_t modified_ns;  /* the rest of a file's mtime; servers do not say it */
	char etag[256];        /* a strong ETag as the server wrote it, quotes included */
	char etag_from[SOURCE_ORIGIN_MAX]; /* who wrote it: "https://host:443" */
	uint8_t sample[32]; /* SHA-256 over a sample, taken when nothing above is known */
};

/*
 * Do two identities stand for the same bytes?  Sizes must be equal, and the first of these that
 * both sides know decides: digest, last_modified, etag, sample.  Nothing in common: no.
 *
 * An ETag means something only to the server that made it.  Unequal ones of the same server are
 * another version, whatever the dates say, which count whole seconds; those of two servers count
 * only when nothing better is known.  Of two mtimes the nanoseconds must be equal too.
 */
bool source_identity_agrees(const struct source_identity *a, const struct source_identity *b);
/* NULL when they do; else a sentence's end, "its date is another one". */
const char *source_identity_difference(const struct source_identity *want,
                                       const struct source_identity *have);

/*
 * SHA-256 over the size and the first known field in that order: the name of this version of the
 * file on this host.
 */
void source_identity_key(const struct source_identity *id, uint8_t ret[32]);

/*
 * Lets another thread change its mind about a read.  source_cancel_fire() makes the reads it was
 * given to return -ECANCELED soon (those that can; a pread() runs to its end).
 * source_cancel_hurry() makes them demand, whatever their priority was, as far as they still wait
 * for their turn.  Both are for good.  One read at a time for each.
 */
struct source_cancel {
	pthread_mutex_t lock; /* guards all below; taken before any lock of a source */
	bool fired, hurried;
	void (*wake)(void *arg, bool fired); /* set while a read waits */
	void *arg;
};

void source_cancel_init(struct source_cancel *cancel);
void source_cancel_fire(struct source_cancel *cancel);
void source_cancel_hurry(struct source_cancel *cancel);
void source_cancel_destroy(struct source_cancel *cancel);
/*
 * For sources: false when it has fired already.  `wake` is told whether it has fired or is to
 * hurry, at once when that has been said before.  After disarming it is not called again.
 */
bool source_cancel_arm(struct source_cancel *cancel, void (*wake)(void *arg, bool fired),
                       void *arg);
void source_cancel_disarm(struct source_cancel *cancel);

/* How to do one read.  NULL stands for a demand read with the source's own deadline. */
struct source_read {
	enum source_priority priority;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; then -ETIMEDOUT.  0: the source's own deadline */
	bool metadata;        /* structure of a format, not content: worth keeping near */
	struct source_cancel *cancel; /* NULL: never */
	/*
	 * Called, when set, as the bytes arrive in order: buf[0, prefix) is final.  From any
	 * thread, one call at a time, never after the read has returned.  The last call of a read
	 * that succeeds tells all of it; one that fails may have called it too.
	 */
	void (*arrived)(void *arg, size_t prefix);
	void *arg;
	/*
	 * For readers who know what the bytes should be.  A source that is made of others sets in
	 * *served the bit of each that delivered some of them, and asks none whose bit is in
	 * `avoid`.  NULL and 0: nobody wants to know.
	 */
	uint64_t *served;
	uint64_t avoid;
};

/* A run of bytes of the same kind. */
enum source_extent {
	SOURCE_EXTENT_DATA,
	SOURCE_EXTENT_ZERO, /* reads as zeros, known without fetching */
};

struct source;

struct source_ops {
	/*
	 * Contact it and learn the identity.  Optional.  One call at a time, again until it
	 * succeeds, no read before that.  `how` is never NULL.
	 */
	int (*connect)(struct source *src, const struct source_read *how, struct error *err);
	/*
	 * Read exactly `len` bytes at `off`, which lie inside the file.  -EIO (and what it stands
	 * for: -ETIMEDOUT, -ECONNREFUSED, …), -ESTALE (the file changed), -EACCES (401, 403),
	 * -ENOENT (404).  Never short, never zeros instead of an error.
	 */
	int (*read)(struct source *src, void *buf, size_t len, uint64_t off,
	            const struct source_read *how, struct error *err);
	/*
	 * What the run that starts at `off` is, and how far it goes (at most `max`, at least 1
	 * byte). Optional: without it everything is data.  May fetch.
	 */
	int (*extent)(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
	              uint64_t *ret_len, struct error *err);
	/*
	 * What was read of [off, off + len) from the sources in `served` is not what the file has:
	 * keep none of it, and think the worse of them.  Optional.
	 */
	void (*blame)(struct source *src, uint64_t off, uint64_t len, uint64_t served,
	              const struct error *why);
	void (*close)(struct source *src);
};

struct source {
	const struct source_ops *ops;
	char *name; /* what messages call it: the URL without credentials, or the path */
	struct source_identity identity;
	uint64_t bytes_fetched; /* content bytes received so far; read with __atomic_load_n */
	uint64_t requests;      /* likewise */
	/* CLOCK_MONOTONIC: the server asks not to be asked before (Retry-After).  Likewise. */
	uint64_t not_before_ns;
};

/*
 * Bounds-checked read: -EINVAL when the range is not inside the file.  All callers use these
 * two instead of the table.
 */
int source_read(struct source *src, void *buf, size_t len, uint64_t off,
                const struct source_read *how, struct error *err);
int source_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                  uint64_t *ret_len, struct error *err);

/* Are these the right bytes?  0, or -errno with a sentence (without the source's name) why not. */
struct source_judge {
	int (*right)(void *arg, const void *buf, size_t len, struct error *err);
	void *arg;
};

/*
 * A read whose bytes are judged before it returns.  Who delivered wrong ones is blamed, and the
 * others are asked; when nobody is left that is what the judge said, or what the source says.
 */
int source_read_judged(struct source *src, void *buf, size_t len, uint64_t off,
                       const struct source_read *how, const struct source_judge *judge,
                       struct error *err);

/* NULL is allowed. */
void source_close(struct source *src);
DEFINE_CLEANUP(struct source *, source_close);

/* Settings shared by all sources of one disk; zero means the default in brackets. */
struct source_options {
	const char *ca_file;          /* PEM bundle in place of the system's */
	const char *credentials_file; /* docs/man/sill-credentials.5.scd */
	unsigned int connections;     /* at once to one server [8] */
	uint32_t stall_ms;            /* no byte for this long is a stall [10000] */
	uint32_t deadline_ms;         /* a read fails after this long [60000] */
};

#define SOURCE_DEFAULT_CONNECTIONS 8
#define SOURCE_DEFAULT_STALL_MS    10000
#define SOURCE_DEFAULT_DEADLINE_MS 60000

/*
 * Open one source by URL: a path, file:, http:, https:, nbd:, nbds:, nbd+unix:, nbds+unix:.
 * Contacts it (for size and identity), and fails with a sentence that names it.
 */
int source_open(const char *url, const struct source_options *options, struct source **ret,
                struct error *err);

/*
 * The same in two steps.  Creating contacts nothing and fails only for what is wrong here: a URL
 * that makes no sense, a credentials file that others can read.  Connecting may be tried again
 * after it failed.  NULL for `how` stands for a demand with the source's own deadline.
 */
int source_create(const char *url, const struct source_options *options, struct source **ret,
                  struct error *err);
int source_connect(struct source *src, const struct source_read *how, struct error *err);

/*
 * Take the sample of a source that knows its size, into identity.sample: 16 pieces of 4 KiB spread
 * over the file, first and last among them.
 */
int source_identity_sample(struct source *src, const struct source_read *how, struct error *err);

/* A source over memory the caller keeps: for tests and fuzz targets. */
int source_open_memory(const void *data, size_t len, const char *name, struct source **ret);

/*
 * The URL or path of a file named `name` beside `url` (relative, as a differencing disk names its
 * parent; absolute paths and URLs pass through).  -EINVAL where `url` has no siblings (nbd:).
 * -EPERM when an image from the network names a file of this computer: a guest would read it.
 */
int source_sibling(const char *url, const char *name, char **ret, struct error *err);

#endif
