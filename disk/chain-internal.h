/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the chain share.
 *
 *   chain.c         opening, closing, status
 *   chain-read.c    the loop of one read: which source next, when to give up
 *   chain-work.c    attempts and the threads that run them
 *   chain-health.c  what is known of each source: state, latency, when to look at it again
 *   chain-hedge.c   when a second source may be asked too, and what that may cost
 *
 * A read is a loop in its reader's thread.  What it asks of a source is an attempt, which has a
 * buffer of its own and is run by a worker, because a source that hangs must hold neither the
 * reader nor its buffer.  As bytes arrive they are copied on; who leaves an attempt keeps what has
 * arrived and asks the next source only for the rest, which is sound because sources that could be
 * of another version are put aside.
 *
 * One lock guards everything here but the contents of buffers.  It is never held while a source is
 * called, except to cancel.
 */
#ifndef DISK_CHAIN_INTERNAL_H
#define DISK_CHAIN_INTERNAL_H

#include "base/list.h"
#include "disk/chain.h"

#define CHAIN_MAX_SOURCES  SOURCE_MAX_PLACES
#define CHAIN_MAX_WORKERS  64
#define CHAIN_PRIORITIES   (SOURCE_BACKGROUND + 1)
#define CHAIN_SIZE_CLASSES 4
#define CHAIN_SAMPLES      64

enum link_state {
	LINK_UNTRIED,
	LINK_WELL,
	LINK_FAILING, /* looked at again by the keeper, with backoff */
	LINK_ASIDE,   /* another file or version, for ever */
};

/* The latest reads of about one size. */
struct link_latency {
	uint64_t ns[CHAIN_SAMPLES];
	unsigned int n, next;
};

/* One source of the chain. */
struct chain_link {
	struct chain *chain;
	struct source *src;
	int priority;
	char digest[72];
	enum link_state state;
	bool connected, connecting, probing;
	struct error error;    /* its last sentence */
	unsigned int failures; /* times in a row that it got from well to failing or stayed there */
	uint64_t failed_ns;    /* when it last failed */
	uint64_t backoff_ns;   /* how long it is left alone then */
	uint64_t epoch;        /* times that it got well: what failed before may be tried again */
	uint64_t progress_ns;  /* when it last delivered anything */
	uint64_t probe_off;    /* where a read failed, so that the probe asks for the same */
	unsigned int blamed;   /* times that its bytes were wrong */
	struct link_latency latency[CHAIN_SIZE_CLASSES];
	uint64_t latency_ns; /* moving average */
	uint64_t hedges;     /* that were sent to it */
};

struct chain {
	struct source src;
	struct chain_options options;
	uint32_t stall_ms, deadline_ms;
	struct chain_link *links; /* by priority */
	size_t n;

	pthread_mutex_t lock;   /* guards all below and all of the links */
	pthread_cond_t changed; /* a source got well, was put aside, or connected */
	pthread_cond_t work;    /* an attempt was queued */
	pthread_cond_t keep;    /* the keeper has to look at its clock again */
	struct list queue[CHAIN_PRIORITIES];
	struct list running;
	struct list reading; /* struct chain_op.link */
	pthread_t workers[CHAIN_MAX_WORKERS];
	unsigned int n_workers, n_idle, n_low, n_queued;
	pthread_t keeper;
	bool has_keeper, pinned, used, stopping;
	bool opening;         /* failures are told by chain_open(), or by its error */
	unsigned int waiting; /* readers without any source to ask */
	uint64_t delivered;   /* bytes that readers got */
	uint64_t hedged;      /* bytes charged for hedges */
};

/* What one read remembers of one source. */
struct op_link {
	unsigned int failures;
	uint64_t epoch;   /* of the source at the last failure */
	uint64_t next_ns; /* not before, if the source has not got well since */
};

struct attempt;

/* One read, on its reader's stack. */
struct chain_op {
	struct list link; /* in chain.reading */
	struct chain *chain;
	void *buf;
	size_t len;
	uint64_t off;
	enum source_priority priority;
	void (*arrived)(void *arg, size_t prefix);
	void *arg;
	uint64_t deadline_ns;
	pthread_cond_t changed; /* an attempt or copying ended, a source got well */
	struct attempt *first;  /* NULL when nothing is under way */
	struct attempt *hedge;  /* a second one for the same bytes */
	bool hedge_refused;     /* there was no budget for it */
	size_t copied;          /* buf[0, copied) is final */
	uint64_t served;        /* bits of the sources whose bytes are in it */
	uint64_t avoid;         /* bits of those that are not to be asked */
	bool cancelled;         /* its reader has been told to return */
	bool copying;           /* somebody is copying, and telling the reader's callback */
	struct op_link *links;  /* one for each of the chain */
};

enum attempt_kind {
	ATTEMPT_READ,
	ATTEMPT_PROBE,
	ATTEMPT_EXTENT,
};

/* One question to one source. */
struct attempt {
	struct list link;  /* in chain.queue, then in chain.running */
	unsigned int refs; /* the worker's and the reader's */
	enum attempt_kind kind;
	struct chain_link *at;
	struct chain_op *op; /* NULL when its reader has left, or never was */
	enum source_priority priority;
	uint64_t deadline_ns;
	size_t skip; /* where in the read it begins */
	uint8_t *buf;
	size_t len;
	uint64_t off;
	size_t received;
	bool running, cancelled, done;
	uint64_t started_ns; /* or when it became demand */
	struct source_cancel cancel;
	int result;
	struct error err;
	enum source_extent extent_kind;
	uint64_t extent_len;
};

/* chain-read.c: source_ops of the chain. */
int chain_read(struct source *src, void *buf, size_t len, uint64_t off,
               const struct source_read *how, struct error *err);
int chain_extent(struct source *src, uint64_t off, uint64_t max, enum source_extent *ret_kind,
                 uint64_t *ret_len, struct error *err);
/*
 * With the lock held: one sentence with what every source last said, each in its share of the
 * room.
 */
int chain_fail(struct chain *chain, int code, const char *what, struct error *err);

/* chain-health.c: likewise. */
void chain_blame(struct source *src, uint64_t off, uint64_t len, uint64_t served,
                 const struct error *why);

/* chain-work.c: all with the lock held. */
/* NULL for lack of memory.  The caller has one reference, the queue another. */
struct attempt *attempt_start(struct chain_link *link, enum attempt_kind kind,
                              enum source_priority priority, size_t len, uint64_t off,
                              struct chain_op *op, size_t skip);
/*
 * Copy what the attempt has, up to `to` in its read, into the reader's buffer and tell about it,
 * while nobody else copies.  The lock is let go meanwhile.
 */
void attempt_bring(struct attempt *attempt, size_t to);
/* The reader leaves: its buffer is not touched afterwards, and the source is told to stop. */
void attempt_leave(struct attempt *attempt);
/* A guest waits for it now.  NULL is allowed. */
void attempt_hurry(struct attempt *attempt);
void attempt_unref(struct attempt *attempt);
/* Without the lock, for source_cancel_arm(): tells the reader of the struct chain_op something. */
void chain_op_wake(void *arg, bool fired);
/* Without the lock: ends and joins all workers. */
void chain_stop_workers(struct chain *chain);

/* chain-health.c: with the lock held, but for link_connect(). */
/* Its bit in a set of the chain's sources. */
static inline uint64_t link_bit(const struct chain_link *link)
{
	return UINT64_C(1) << (link - link->chain->links);
}
/* Connect if that has not been done, and compare.  For one thread at a time. */
int link_connect(struct chain_link *link, const struct source_read *how, struct error *err);
void link_succeeded(struct chain_link *link, enum attempt_kind kind, size_t len, uint64_t ns);
void link_failed(struct chain_link *link, enum attempt_kind kind, uint64_t off,
                 const struct error *err);
/* A read that was left after `ns`: it would have taken at least as long. */
void link_was_slow(struct chain_link *link, size_t len, uint64_t ns);
/* 95 of 100 recent reads of about this size took no longer; 0 when too few are known. */
uint64_t link_usual_ns(const struct chain_link *link, size_t len);
/* How long it may deliver nothing before a demand read goes on with the next one. */
uint64_t link_patience_ns(const struct chain_link *link, size_t len);
/* A line for the person, unless the chain is being opened. */
void link_say(const struct chain_link *link, const char *text);
/* Between half of and the whole doubled `base_ns`, at most `most_ns`. */
uint64_t backoff_ns(unsigned int failures, uint64_t base_ns, uint64_t most_ns);
int chain_start_keeper(struct chain *chain, struct error *err);
const char *link_state_name(enum link_state state);

/* chain-hedge.c: with the lock held. */
/* When the first attempt of the read may be joined by another; UINT64_MAX: never. */
uint64_t hedge_at_ns(const struct chain_op *op);
/* Take the cost of a second request for `len` bytes out of the budget: false when it has none. */
bool hedge_charge(struct chain *chain, size_t len);

#endif
