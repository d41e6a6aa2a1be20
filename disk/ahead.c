// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fetching that no guest waits for.
 *
 * A few threads each take the next piece of work and fetch it.  Work comes, in this order, from the
 * trace that is being replayed, from readahead (the newest miss first: it is what the guest works
 * on), and from the fill.  They are few because what they have under way stands in front of
 * a guest's miss in the queue of the link; how many bytes really are under way is up to the source,
 * which knows the link.  Guesses are made when the guest has what it missed, for the same reason:
 * asked for together with it they would take their share of the link at the worst moment.
 *
 * While a trace is replayed readahead does not guess, and demand takes little more than it needs:
 * the trace knows better, and everything else would take the link from it.
 *
 * The sweep keeps the link busy while a boot without a trace leaves it idle: firmware counts memory
 * and a kernel unpacks itself for seconds in which everything that the boot will read could come.
 * It goes over the disk from where the guest missed last, and ends with the boot.
 *
 * The fill (disk/fill.c) brings all of the disk near, in its own time.
 *
 * When a fetch fails all of this rests, longer each time; the piece goes back on the stack.
 */
#include "disk/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "disk/disk.h"
#include "disk/fill.h"
#include "disk/readahead.h"
#include "util/clock.h"

#define THREADS          8
#define GUESS_THREADS    3
#define STACK            256 /* pieces that wait; the oldest are forgotten */
#define PIECE            (256 * KIB)
#define GUESS_PIECE      (128 * KIB)
#define SWEEP_FLIGHTS    6
#define SWEEP_PIECE      (256 * KIB)
#define SWEEP_SPAN       (32 * MIB) /* looked at in one turn */
#define TRACE_GAP        (16 * KIB)
#define FIRST_BACKOFF_NS (500 * NS_PER_MS)
#define MOST_BACKOFF_NS  (30 * NS_PER_SEC)
/* Hits are shown to readahead so long after a miss, counted in reads. */
#define SHOWN_HITS 256
#define BOOT_NS    (300 * NS_PER_SEC)
/* Demand flights: with readahead, without it, and beside a trace. */
#define LEAD_GUESSING   NEAR_BLOCK
#define BEYOND_GUESSING (128 * KIB)
#define TAIL_GUESSING   (64 * KIB)
#define LEAD_TRACED     (16 * KIB)
#define TAIL_TRACED     (16 * KIB)

struct work {
	uint64_t off, len;
	enum fetch_reason reason;
};

struct ahead {
	struct fetch *fetch;
	struct near *near;
	struct messages *messages;
	uint64_t size;
	pthread_t threads[THREADS];
	unsigned int n_threads;
	unsigned int hits_to_show; /* with __atomic */
	uint64_t missed_ns;        /* with __atomic: when the guest last missed */
	uint64_t opened_ns;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t work;
	bool stopping;
	uint64_t rest_until_ns, backoff_ns;

	struct trace_run *plan;
	size_t n_plan, next_plan;
	uint64_t plan_bytes, plan_taken;
	unsigned int plan_flights;
	bool plan_told;

	struct readahead *readahead; /* NULL: off */
	bool guessing;               /* readahead is asked */
	struct work stack[STACK];
	size_t n_stack;
	unsigned int guess_flights;

	bool sweeping, sweep_looking;
	struct walk sweep;
	struct trace_run sweep_far; /* data that it has found */
	uint64_t sweep_turn;        /* times that it was sent elsewhere */
	unsigned int sweep_flights;

	struct fill fill;
};

/* With the lock. */
static void push(struct ahead *ahead, const struct work *work)
{
	if (ahead->n_stack == STACK) {
		memmove(ahead->stack, ahead->stack + STACK / 2, STACK / 2 * sizeof(*work));
		ahead->n_stack = STACK / 2;
	}
	ahead->stack[ahead->n_stack++] = *work;
	pthread_cond_signal(&ahead->work);
}

/* With the lock: how far demand reaches, and whether to guess. */
static void choose_manners(struct ahead *ahead)
{
	ahead->guessing = ahead->readahead && !ahead->plan;
	if (ahead->plan)
		fetch_set_rounding(ahead->fetch, LEAD_TRACED, 0, TAIL_TRACED);
	else if (ahead->readahead)
		fetch_set_rounding(ahead->fetch, LEAD_GUESSING, BEYOND_GUESSING, TAIL_GUESSING);
	else
		fetch_set_rounding(ahead->fetch, DISK_CHUNK, 0, DISK_CHUNK);
}

/* With the lock. */
static void forget_plan(struct ahead *ahead)
{
	free(ahead->plan);
	ahead->plan = NULL;
	choose_manners(ahead);
}

void ahead_boot_over(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->sweeping = false;
	if (ahead->next_plan == ahead->n_plan)
		forget_plan(ahead);
	pthread_mutex_unlock(&ahead->lock);
}

/* With the lock.  Piece by piece: a large one is cut. */
static bool take_trace(struct ahead *ahead, struct work *ret)
{
	struct trace_run *run;

	if (!ahead->plan || ahead->next_plan == ahead->n_plan)
		return false;
	run = &ahead->plan[ahead->next_plan];
	*ret = (struct work){ .off = run->off, .len = min_u64(run->len, PIECE), FETCH_TRACE };
	run->off += ret->len;
	run->len -= ret->len;
	ahead->plan_taken += ret->len;
	if (run->len == 0)
		ahead->next_plan++;
	ahead->plan_flights++;
	return true;
}

/* With the lock. */
static bool take_stack(struct ahead *ahead, struct work *ret)
{
	struct work *top;

	if (ahead->n_stack == 0)
		return false;
	top = &ahead->stack[ahead->n_stack - 1];
	if (top->reason == FETCH_READAHEAD && ahead->guess_flights >= GUESS_THREADS)
		return false;
	*ret = *top;
	ret->len = min_u64(top->len, top->reason == FETCH_READAHEAD ? GUESS_PIECE : PIECE);
	top->off += ret->len;
	top->len -= ret->len;
	if (top->len == 0)
		ahead->n_stack--;
	if (ret->reason == FETCH_TRACE)
		ahead->plan_flights++;
	else
		ahead->guess_flights++;
	return true;
}

/* With the lock: a piece of the sweep, once the engine has found it. */
static bool take_sweep(struct ahead *ahead, struct work *ret)
{
	if (!ahead->sweeping || ahead->sweep_flights >= SWEEP_FLIGHTS || ahead->sweep_far.len == 0)
		return false;
	*ret = (struct work){ .off = ahead->sweep_far.off,
		              .len = min_u64(ahead->sweep_far.len, SWEEP_PIECE),
		              .reason = FETCH_SWEEP };
	ahead->sweep_far.off += ret->len;
	ahead->sweep_far.len -= ret->len;
	ahead->sweep_flights++;
	return true;
}

/* With the lock: is somebody to find out where the sweep goes on? */
static bool sweep_wants_to_look(const struct ahead *ahead)
{
	return ahead->sweeping && !ahead->sweep_looking && ahead->sweep_far.len == 0 &&
	       ahead->sweep_flights < SWEEP_FLIGHTS;
}

/*
 * Find the next data that is far, for the sweep.  Zeros are passed over and not recorded: of a
 * large disk they are the most, and the image's tables know them.  With the lock, which is let go
 * meanwhile.
 */
static void sweep_look(struct ahead *ahead)
{
	struct walk walk = ahead->sweep;
	struct trace_run far = { 0 };
	struct error err = { 0 };
	uint64_t turn = ahead->sweep_turn, end;
	int found = walk_next(&walk, SWEEP_SPAN, &far), r = 0;

	end = far.off + far.len;
	ahead->sweep_looking = true;
	pthread_mutex_unlock(&ahead->lock);
	if (found > 0)
		r = fetch_find_data(ahead->fetch, &far.off, &far.len, &err);
	pthread_mutex_lock(&ahead->lock);
	ahead->sweep_looking = false;
	if (found <= 0 || r < 0) {
		/* A map that cannot be read now is met by the guest, who is told. */
		ahead->sweeping = false;
	} else if (turn == ahead->sweep_turn) {
		ahead->sweep_far = far;
		if (far.len > 0)
			walk_back(&walk, end - (far.off + far.len));
		ahead->sweep = walk;
	}
	pthread_cond_broadcast(&ahead->work);
}

/* With the lock: the sweep goes on behind what the guest has just missed. */
static void sweep_turns(struct ahead *ahead, uint64_t off)
{
	ahead->sweep_turn++;
	ahead->sweep_far.len = 0;
	walk_from(&ahead->sweep, off);
	pthread_cond_signal(&ahead->work);
}

/* With the lock. */
static bool take_fill(struct ahead *ahead, uint64_t now, struct work *ret, uint64_t *wake)
{
	uint64_t missed = __atomic_load_n(&ahead->missed_ns, __ATOMIC_RELAXED);
	struct trace_run run;

	if (!fill_take(&ahead->fill, now, missed, &run, wake))
		return false;
	*ret = (struct work){ run.off, run.len, FETCH_FILL };
	return true;
}

/* With the lock; false with *wake, perhaps for ever, when there is nothing to do now. */
static bool take(struct ahead *ahead, struct work *ret, uint64_t *wake)
{
	uint64_t now = now_ns();

	*wake = UINT64_MAX;
	if (now < ahead->rest_until_ns) {
		*wake = ahead->rest_until_ns;
		return false;
	}
	if (fetch_near_is_full(ahead->fetch)) {
		*wake = now + NS_PER_SEC;
		return false;
	}
	if (now > ahead->opened_ns + BOOT_NS)
		ahead->sweeping = false;
	if (ahead->plan && ahead->next_plan == ahead->n_plan) {
		if (now > ahead->opened_ns + BOOT_NS)
			forget_plan(ahead);
		else
			*wake = ahead->opened_ns + BOOT_NS;
	}
	return take_trace(ahead, ret) || take_stack(ahead, ret) || take_sweep(ahead, ret) ||
	       take_fill(ahead, now, ret, wake);
}

/* With the lock: is a part of the trace still to come, or under way, or to be tried again? */
static bool replaying(const struct ahead *ahead)
{
	bool left = ahead->next_plan < ahead->n_plan || ahead->plan_flights > 0;

	for (size_t i = 0; i < ahead->n_stack && !left; i++)
		left = ahead->stack[i].reason == FETCH_TRACE;
	return left;
}

/* With the lock. */
static void finished(struct ahead *ahead, const struct work *work, int r, const struct error *err)
{
	if (work->reason == FETCH_FILL)
		fill_finished(&ahead->fill);
	if (work->reason == FETCH_SWEEP)
		ahead->sweep_flights--;
	if (work->reason == FETCH_TRACE)
		ahead->plan_flights--;
	if (work->reason == FETCH_READAHEAD)
		ahead->guess_flights--;
	if (r == 0) {
		ahead->backoff_ns = 0;
	} else if (r != -ECANCELED) {
		ahead->backoff_ns =
			min_u64(MOST_BACKOFF_NS, max_u64(FIRST_BACKOFF_NS, 2 * ahead->backoff_ns));
		ahead->rest_until_ns = now_ns() + ahead->backoff_ns;
		if (work->reason != FETCH_FILL && work->reason != FETCH_SWEEP)
			push(ahead, work);
		messages_addf(ahead->messages, "fetching ahead: %s", err->text);
	}
	if (ahead->n_plan > 0 && !ahead->plan_told && !replaying(ahead)) {
		ahead->plan_told = true;
		messages_add(ahead->messages, "the trace has been replayed");
	}
	/* The end of a walk may have waited for this. */
	pthread_cond_signal(&ahead->work);
}

static void *ahead_thread(void *arg)
{
	struct ahead *ahead = arg;
	struct work work;
	uint64_t wake;

	pthread_mutex_lock(&ahead->lock);
	while (!ahead->stopping) {
		struct error err = { 0 };
		struct timespec until;
		int r;

		if (!take(ahead, &work, &wake)) {
			if (sweep_wants_to_look(ahead)) {
				sweep_look(ahead);
				continue;
			}
			until = timespec_of(wake);
			if (wake == UINT64_MAX)
				pthread_cond_wait(&ahead->work, &ahead->lock);
			else
				pthread_cond_clockwait(&ahead->work, &ahead->lock, CLOCK_MONOTONIC,
				                       &until);
			continue;
		}
		pthread_mutex_unlock(&ahead->lock);
		r = fetch_ahead(ahead->fetch, work.off, work.len, work.reason, &err);
		pthread_mutex_lock(&ahead->lock);
		finished(ahead, &work, r, &err);
	}
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

void ahead_guest_misses(struct ahead *ahead)
{
	__atomic_store_n(&ahead->missed_ns, now_ns(), __ATOMIC_RELAXED);
}

/* Is this read to be shown to readahead?  Hits are only for a while after a miss. */
static bool worth_showing(struct ahead *ahead, bool missed)
{
	unsigned int left;

	if (missed) {
		ahead_guest_misses(ahead);
		__atomic_store_n(&ahead->hits_to_show, SHOWN_HITS, __ATOMIC_RELAXED);
		return true;
	}
	left = __atomic_load_n(&ahead->hits_to_show, __ATOMIC_RELAXED);
	if (left > 0)
		__atomic_store_n(&ahead->hits_to_show, left - 1, __ATOMIC_RELAXED);
	return left > 0;
}

void ahead_guest_has_read(struct ahead *ahead, uint64_t off, uint64_t len, bool missed)
{
	struct trace_run pieces[READAHEAD_MAX_PIECES];
	size_t n = 0;

	if (!worth_showing(ahead, missed))
		return;
	pthread_mutex_lock(&ahead->lock);
	if (missed) {
		fill_guest_missed(&ahead->fill);
		pthread_cond_signal(&ahead->work);
	}
	if (missed && ahead->sweeping)
		sweep_turns(ahead, off + len);
	if (ahead->guessing)
		n = readahead_read(ahead->readahead, off, len, missed, pieces);
	/* A stack: the most useful one is pushed last. */
	while (n-- > 0)
		push(ahead,
		     &(struct work){ .off = pieces[n].off, .len = pieces[n].len, FETCH_READAHEAD });
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_set_fill(struct ahead *ahead, bool on, uint64_t rate)
{
	pthread_mutex_lock(&ahead->lock);
	fill_set(&ahead->fill, on, rate);
	pthread_cond_broadcast(&ahead->work);
	pthread_mutex_unlock(&ahead->lock);
}

/* With the lock. */
static const char *fill_state(const struct ahead *ahead)
{
	uint64_t now = now_ns(), missed = __atomic_load_n(&ahead->missed_ns, __ATOMIC_RELAXED), end;

	if (ahead->fill.complete)
		return "complete";
	if (!ahead->fill.on)
		/* What had begun is brought to its end. */
		return ahead->fill.flights > 0 ? "running" : "off";
	if (now < ahead->rest_until_ns || fill_rests(now, missed, &end) ||
	    fetch_near_is_full(ahead->fetch))
		return "waiting";
	return "running";
}

int ahead_status(struct ahead *ahead, json_t *fill, json_t *trace)
{
	int r = 0;

	pthread_mutex_lock(&ahead->lock);
	r |= json_object_set_new(fill, "on", json_boolean(ahead->fill.on));
	r |= json_object_set_new(fill, "rate", json_integer((json_int_t)ahead->fill.rate));
	r |= json_object_set_new(fill, "state", json_string(fill_state(ahead)));
	r |= json_object_set_new(trace, "replay",
	                         json_string(ahead->n_plan == 0 ? "none"
	                                     : replaying(ahead) ? "running"
	                                                        : "done"));
	r |= json_object_set_new(trace, "replay_bytes",
	                         json_integer((json_int_t)ahead->plan_bytes));
	r |= json_object_set_new(trace, "replayed_bytes",
	                         json_integer((json_int_t)ahead->plan_taken));
	pthread_mutex_unlock(&ahead->lock);
	return r ? -ENOMEM : 0;
}

int ahead_new(const struct ahead_options *options, struct ahead **ret, struct error *err)
{
	cleanup(ahead_free) struct ahead *ahead = calloc(1, sizeof(*ahead));
	int r;

	if (!ahead)
		return error_sys(err, ENOMEM, "readahead");
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->work, NULL);
	ahead->fetch = options->fetch;
	ahead->near = options->near;
	ahead->messages = options->messages;
	ahead->size = options->size;
	ahead->opened_ns = now_ns();
	if (options->trace) {
		r = trace_plan(options->trace, TRACE_GAP, FETCH_MAX, &ahead->plan, &ahead->n_plan,
		               err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ahead->n_plan; i++)
		ahead->plan_bytes += ahead->plan[i].len;
	if (options->readahead) {
		ahead->readahead = readahead_new(options->size);
		if (!ahead->readahead)
			return error_sys(err, ENOMEM, "readahead");
	}
	fill_init(&ahead->fill, options->near, options->size, options->messages);
	ahead->sweep = (struct walk){ .near = options->near, .size = options->size };
	walk_from(&ahead->sweep, 0);
	ahead->sweeping = options->sweep && !ahead->plan;
	choose_manners(ahead);
	for (; ahead->n_threads < THREADS; ahead->n_threads++) {
		r = pthread_create(&ahead->threads[ahead->n_threads], NULL, ahead_thread, ahead);
		if (r != 0)
			return error_sys(err, r, "readahead");
	}
	*ret = take_ptr(ahead);
	return 0;
}

void ahead_free(struct ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->stopping = true;
	pthread_cond_broadcast(&ahead->work);
	pthread_mutex_unlock(&ahead->lock);
	for (unsigned int i = 0; i < ahead->n_threads; i++)
		pthread_join(ahead->threads[i], NULL);
	pthread_cond_destroy(&ahead->work);
	pthread_mutex_destroy(&ahead->lock);
	readahead_free(ahead->readahead);
	free(ahead->plan);
	free(ahead);
}
