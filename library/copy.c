// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copying: the caller's thread makes the plan, starts threads that bring blob after blob, shows how
 * far they are, and names the image when all of it is there.
 *
 * A transfer that breaks is tried again at the byte where the destination is.  What counts are tries
 * without a byte: a link that breaks every few seconds gets a large image over in the end.  Bytes are
 * hashed as they pass, so it is known who delivered wrong ones; of a transfer that went on with an
 * earlier one's bytes only the destination knows, and then it begins once more from the start.
 */
#include "library/copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/bits.h"
#include "library/copy-plan.h"
#include "util/clock.h"

#define MAX_THREADS 16u
#define MAX_TRIES   10u /* without a byte between them */
#define PAUSE_FIRST 250u
#define PAUSE_MOST  16000u
#define TELL_NS     (100 * NS_PER_MS)

struct copy {
	struct copy_plan plan;
	struct store *from, *to;
	const char *from_name, *to_name;
	struct copy_options options;

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t moved; /* something below has changed */
	size_t next;          /* blob that nobody has begun */
	unsigned int running; /* threads */
	bool stop;
	uint64_t done; /* bytes at the destination */
	struct copy_result result;
	int code; /* of the first that failed */
	struct error err;
};

/* One blob on its way. */
struct transfer {
	struct copy *copy;
	const struct plan_blob *blob;
	struct store_upload *upload;
	uint64_t off;  /* bytes at the destination */
	uint64_t sent; /* of them, in this try */
	bool hashed;   /* all of them passed here */
	EVP_MD_CTX *sum;
};

/* Worth another try: what a network or a server that restarts does. */
static bool passes(int code)
{
	switch (-code) {
	case EAGAIN:
	case EBUSY:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EIO:
	case ENETDOWN:
	case ENETUNREACH:
	case ENODATA:
	case EPIPE:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static bool stopped(struct copy *copy)
{
	bool stop;

	pthread_mutex_lock(&copy->lock);
	stop = copy->stop;
	pthread_mutex_unlock(&copy->lock);
	return stop;
}

static int say_stopped(const struct copy *copy, struct error *err)
{
	return error_set(err, EINTR, "%s: copying %s was stopped", copy->to->name, copy->to_name);
}

/* Until the time is over or the copy is stopped. */
static void rest(struct copy *copy, uint32_t ms)
{
	struct timespec until = timespec_of(now_ns() + ms * NS_PER_MS);

	if (copy->options.pause) {
		copy->options.pause(copy->options.arg, ms);
		return;
	}
	pthread_mutex_lock(&copy->lock);
	while (!copy->stop && pthread_cond_clockwait(&copy->moved, &copy->lock, CLOCK_MONOTONIC,
	                                             &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&copy->lock);
}

static void add_done(struct copy *copy, int64_t bytes, uint64_t *also)
{
	pthread_mutex_lock(&copy->lock);
	copy->done += (uint64_t)bytes;
	if (also)
		*also += (uint64_t)bytes;
	pthread_cond_broadcast(&copy->moved);
	pthread_mutex_unlock(&copy->lock);
}

static int pass_on(void *arg, const void *buf, size_t len, struct error *err)
{
	struct transfer *transfer = arg;
	struct copy *copy = transfer->copy;
	int r;

	if (stopped(copy))
		return say_stopped(copy, err);
	if (len > transfer->blob->size - transfer->off)
		return error_set(err, EBADMSG, "%s: the blob %s of %s has more than its %llu bytes",
		                 copy->from->name, transfer->blob->digest, copy->from_name,
		                 (unsigned long long)transfer->blob->size);
	if (EVP_DigestUpdate(transfer->sum, buf, len) != 1)
		return error_sys(err, ENOMEM, "%s", copy->to->name);
	r = copy->to->ops->write_upload(transfer->upload, buf, len, err);
	if (r < 0)
		return r;
	transfer->off += len;
	transfer->sent += len;
	add_done(copy, (int64_t)len, &copy->result.sent);
	return 0;
}

/* -EBADMSG when what passed here is not what it was called. */
static int judge(struct transfer *transfer, struct error *err)
{
	struct copy *copy = transfer->copy;
	char have[STORE_DIGEST_ROOM];
	uint8_t raw[32];

	if (!transfer->hashed)
		return 0;
	if (EVP_DigestFinal_ex(transfer->sum, raw, NULL) != 1)
		return error_sys(err, ENOMEM, "%s", copy->to->name);
	oci_digest_text(raw, have);
	if (strcmp(have, transfer->blob->digest) == 0)
		return 0;
	return error_set(err, EBADMSG, "%s: the blob %s of %s that came is %s", copy->from->name,
	                 transfer->blob->digest, copy->from_name, have);
}

/* All of it is there: the destination looks at it too, and throws away what is wrong. */
static int finish(struct transfer *transfer, struct error *err)
{
	struct copy *copy = transfer->copy;
	int wrong = judge(transfer, err);
	int r = copy->to->ops->finish_upload(transfer->upload, wrong < 0 ? NULL : err);

	return wrong < 0 ? wrong : r;
}

/*
 * From where the destination is to the end.  *ret_again: the fault may lie with what was there
 * before.
 */
static int send_rest(struct transfer *transfer, bool *ret_again, struct error *err)
{
	const struct store_sink sink = { .write = pass_on, .arg = transfer };
	struct copy *copy = transfer->copy;
	const struct plan_blob *blob = transfer->blob;
	uint64_t began = transfer->off;
	int r = 0;

	transfer->hashed = began == 0;
	if (EVP_DigestInit_ex(transfer->sum, EVP_sha256(), NULL) != 1)
		return error_sys(err, ENOMEM, "%s", copy->to->name);
	if (transfer->off < blob->size)
		r = copy->from->ops->read_blob(copy->from, copy->from_name, blob->digest, began,
		                               &sink, err);
	/* Cut off is one thing; a source that says that there is no more is another. */
	if (r == 0 && transfer->off < blob->size)
		r = error_set(err, transfer->sent > 0 ? ENODATA : EBADMSG,
		              "%s: the blob %s of %s ended after %llu of %llu bytes",
		              copy->from->name, blob->digest, copy->from_name,
		              (unsigned long long)transfer->off, (unsigned long long)blob->size);
	if (r == 0)
		r = finish(transfer, err);
	*ret_again = r == -EBADMSG && began > 0;
	return r;
}

/* One try.  Bytes that were there before are counted once it is known how many. */
static int try_once(struct transfer *transfer, bool *ret_again, struct error *err)
{
	struct copy *copy = transfer->copy;
	const struct plan_blob *blob = transfer->blob;
	uint64_t off = 0;
	int r;

	*ret_again = false;
	transfer->sent = 0;
	transfer->upload = NULL;
	r = copy->to->ops->begin_upload(copy->to, copy->to_name, blob->digest, blob->size,
	                                &transfer->upload, &off, err);
	if (r < 0)
		return r;
	off = min_u64(off, blob->size);
	add_done(copy, (int64_t)(off - transfer->off),
	         off > transfer->off ? &copy->result.there : NULL);
	transfer->off = off;
	if (!transfer->upload)
		return 0;
	r = send_rest(transfer, ret_again, err);
	copy->to->ops->end_upload(transfer->upload);
	return r;
}

static int transfer_blob(struct transfer *transfer, struct error *err)
{
	struct copy *copy = transfer->copy;
	uint32_t pause = PAUSE_FIRST;
	bool afresh = false;

	for (unsigned int tries = 0;;) {
		bool again;
		int r = try_once(transfer, &again, err);

		if (r < 0 && stopped(copy))
			return say_stopped(copy, err);
		if (r == -EBADMSG && again && !afresh) {
			afresh = true;
			continue;
		}
		if (r == 0 || !passes(r))
			return r;
		if (transfer->sent > 0) {
			tries = 0;
			pause = PAUSE_FIRST;
		} else if (++tries == MAX_TRIES) {
			error_prefix(err, "after %u tries", MAX_TRIES);
			return r;
		}
		rest(copy, pause);
		pause = (uint32_t)min_u64(2 * (uint64_t)pause, PAUSE_MOST);
	}
}

/* 0, also when it is there already; a blob of another size is not it. */
static int bring(struct copy *copy, const struct plan_blob *blob, struct error *err)
{
	const struct store_ops *ops = copy->to->ops;
	struct transfer transfer = { .copy = copy, .blob = blob };
	uint64_t size = 0;
	int r = ops->find_blob(copy->to, copy->to_name, blob->digest, &size, err);

	if (r == 0 && size == blob->size) {
		add_done(copy, (int64_t)blob->size, &copy->result.there);
		return 0;
	}
	if (r < 0 && r != -ENOENT && !passes(r))
		return r;
	if (r == -ENOENT && ops->mount_blob && copy->options.mount_from &&
	    ops->mount_blob(copy->to, copy->to_name, blob->digest, copy->options.mount_from, err) ==
	            0) {
		add_done(copy, (int64_t)blob->size, &copy->result.mounted);
		return 0;
	}
	transfer.sum = EVP_MD_CTX_new();
	if (!transfer.sum)
		return error_sys(err, ENOMEM, "%s", copy->to->name);
	r = transfer_blob(&transfer, err);
	EVP_MD_CTX_free(transfer.sum);
	return r;
}

static const struct plan_blob *next_blob(struct copy *copy)
{
	const struct plan_blob *blob = NULL;

	pthread_mutex_lock(&copy->lock);
	if (!copy->stop && copy->next < copy->plan.n_blobs)
		blob = &copy->plan.blobs[copy->next++];
	pthread_mutex_unlock(&copy->lock);
	return blob;
}

static void *work(void *arg)
{
	struct copy *copy = arg;
	const struct plan_blob *blob;

	while ((blob = next_blob(copy)) != NULL) {
		struct error err = { 0 };
		int r = bring(copy, blob, &err);

		if (r == 0)
			continue;
		pthread_mutex_lock(&copy->lock);
		if (copy->code == 0) {
			copy->code = r;
			copy->err = err;
		}
		copy->stop = true;
		pthread_cond_broadcast(&copy->moved);
		pthread_mutex_unlock(&copy->lock);
	}
	pthread_mutex_lock(&copy->lock);
	copy->running--;
	pthread_cond_broadcast(&copy->moved);
	pthread_mutex_unlock(&copy->lock);
	return NULL;
}

/* With the lock, which is let go of for the call. */
static void tell(struct copy *copy)
{
	uint64_t done = copy->done;
	bool go_on;

	if (!copy->options.progress)
		return;
	pthread_mutex_unlock(&copy->lock);
	go_on = copy->options.progress(copy->options.arg, done, copy->plan.bytes);
	pthread_mutex_lock(&copy->lock);
	if (!go_on && !copy->stop) {
		copy->stop = true;
		if (copy->code == 0)
			copy->code = say_stopped(copy, &copy->err);
		pthread_cond_broadcast(&copy->moved);
	}
}

/* Until all threads have ended. */
static void watch(struct copy *copy)
{
	uint64_t next = now_ns();

	pthread_mutex_lock(&copy->lock);
	while (copy->running > 0) {
		struct timespec until = timespec_of(next);

		if (now_ns() < next) {
			pthread_cond_clockwait(&copy->moved, &copy->lock, CLOCK_MONOTONIC, &until);
			continue;
		}
		tell(copy);
		next = now_ns() + TELL_NS;
	}
	/* Whoever wants to stop is asked before anything is named, however quick it went. */
	tell(copy);
	pthread_mutex_unlock(&copy->lock);
}

static int bring_all(struct copy *copy, struct error *err)
{
	unsigned int threads = copy->options.threads ? copy->options.threads : COPY_DEFAULT_THREADS;
	pthread_t ids[MAX_THREADS];
	unsigned int n = 0;
	int r = 0;

	threads = (unsigned int)min_u64(min_u64(threads, MAX_THREADS), copy->plan.n_blobs);
	while (n < threads && r == 0) {
		pthread_mutex_lock(&copy->lock);
		copy->running++;
		pthread_mutex_unlock(&copy->lock);
		r = pthread_create(&ids[n], NULL, work, copy);
		if (r == 0) {
			n++;
			continue;
		}
		pthread_mutex_lock(&copy->lock);
		copy->running--;
		pthread_mutex_unlock(&copy->lock);
	}
	/* Some are as good as all. */
	if (n == 0 && r > 0)
		return error_sys(err, r, "%s: a thread", copy->to->name);
	watch(copy);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(ids[i], NULL);
	if (copy->code < 0 && err)
		*err = copy->err;
	return copy->code;
}

static int put_one(struct copy *copy, const char *tag, const struct store_manifest *manifest,
                   struct error *err)
{
	uint32_t pause = PAUSE_FIRST;
	int r = 0;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		if (stopped(copy))
			return say_stopped(copy, err);
		r = copy->to->ops->put_manifest(copy->to, copy->to_name, tag, manifest, err);
		if (r == 0 || !passes(r))
			break;
		rest(copy, pause);
		pause = (uint32_t)min_u64(2 * (uint64_t)pause, PAUSE_MOST);
	}
	return r;
}

static int put_list(struct copy *copy, const struct plan_manifests *list, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		r = put_one(copy, NULL, &list->at[i], err);
		if (r == 0)
			add_done(copy, (int64_t)list->at[i].len, NULL);
	}
	return r;
}

/* What it is made of first, the tag last; so whatever has a name is whole, signatures too. */
static int name_all(struct copy *copy, const char *tag, const struct store_manifest *manifest,
                    struct error *err)
{
	int r = put_list(copy, &copy->plan.children, err);

	if (r == 0 && (!tag || copy->plan.referrers.n > 0))
		r = put_one(copy, NULL, manifest, err);
	if (r == 0)
		r = put_list(copy, &copy->plan.referrers, err);
	if (r == 0 && tag)
		r = put_one(copy, tag, manifest, err);
	if (r == 0)
		add_done(copy, (int64_t)manifest->len, NULL);
	return r;
}

static int run(struct copy *copy, const char *tag, const struct store_manifest *manifest,
               struct copy_result *ret, struct error *err)
{
	int r = bring_all(copy, err);

	if (r == 0)
		r = name_all(copy, tag, manifest, err);
	if (r < 0)
		return r;
	copy->result.bytes = copy->plan.bytes;
	copy->result.blobs = (unsigned int)copy->plan.n_blobs;
	copy->result.signatures = (unsigned int)copy->plan.referrers.n;
	if (copy->options.progress)
		copy->options.progress(copy->options.arg, copy->plan.bytes, copy->plan.bytes);
	*ret = copy->result;
	return 0;
}

int library_copy(struct store *from, const char *from_name, const struct store_manifest *manifest,
                 struct store *to, const char *to_name, const char *tag,
                 const struct copy_options *options, struct copy_result *ret, struct error *err)
{
	struct copy copy = { .from = from, .to = to, .from_name = from_name, .to_name = to_name };
	cleanup_close int held = -1;
	int r;

	if (options)
		copy.options = *options;
	if (!to->ops->begin_upload)
		return error_set(err, EROFS, "%s: cannot be written", to->name);
	r = store_hold(to, &held, err);
	if (r == 0)
		r = copy_plan_make(from, from_name, manifest, copy.options.any_kind, &copy.plan,
		                   err);
	if (r < 0)
		return r;
	pthread_mutex_init(&copy.lock, NULL);
	pthread_cond_init(&copy.moved, NULL);
	r = run(&copy, tag, manifest, ret, err);
	pthread_cond_destroy(&copy.moved);
	pthread_mutex_destroy(&copy.lock);
	copy_plan_free(&copy.plan);
	return r;
}
