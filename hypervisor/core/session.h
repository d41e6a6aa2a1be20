/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions, as docs/sessions.md explains them: their numbers, their memory, their virtual
 * processors.  All of it stands on a struct ground, the PC's or a test's; nothing here knows what a
 * processor is, but for RUN (session-run.c).  Calls come from any processor and wait for nobody: who
 * finds a lock taken returns -SILL_EAGAIN.
 */
#ifndef HYPERVISOR_CORE_SESSION_H
#define HYPERVISOR_CORE_SESSION_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/core/control.h"
#include "hypervisor/core/frames.h"
#include "hypervisor/core/phys.h"
#include "hypervisor/core/spinlock.h"
#include "hypervisor/core/tables.h"
#include "hypervisor/core/x86.h"
#include "include/sill/hypercall.h"

/* Frames are donated to a session's number; those for control to this one, which no session has. */
#define CONTROL_OWNER FRAME_COUNT_MAX

struct cpu;

/* A virtual processor: one page. */
struct vcpu {
	struct session *session;
	struct sill_vcpu *page; /* the root's memory: hostile */
	void *control;          /* a page for the vendor's control block */
	uint32_t running;       /* 1: some processor is in RUN with it */
	/*
	 * Its address space number, and what it was good for: this processor, this generation of
	 * numbers, this many flushes of the session.  Whoever has set `running` may touch it.
	 */
	uint32_t tag, tag_cpu;
	uint64_t tag_generation, tag_flushes;
	uint64_t exits[SILL_RUN_KINDS];
	uint64_t vendor[32]; /* amd: struct svm */
};

/* One page too. */
struct session {
	struct ground *ground;
	uint32_t number, flags; /* SILL_SESSION_… */
	struct spinlock lock; /* guards what follows, but for the reading of `flushes` and `vcpu` */
	uint32_t vcpus;
	struct tables tables;
	uint64_t flushes; /* changes after which old translations may not be used */
	uint64_t control_pages, frames;
	uint64_t gone; /* DESTROY has come as far as this guest-physical address */
	struct vcpu *vcpu[SILL_VCPUS_MAX];
};

static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a virtual processor is one page");
static_assert(sizeof(struct session) <= PAGE_SIZE, "a session is one page");

/* A number.  `use`: how many calls are at it, and the bits below; 0 is a number nobody has. */
struct slot {
	uint32_t use;
	struct spinlock ending; /* who takes the session apart */
	struct session *session;
};
#define SLOT_EXISTS (1u << 30)
#define SLOT_GOING  (1u << 31) /* made or destroyed: for nobody else */

/* What sessions stand on. */
struct ground {
	struct frames *frames;
	struct control control;
	struct tables nested;  /* how a session's tables are made; without root, page and context */
	uint64_t leaf;         /* bits of every page of a session */
	struct spinlock waits; /* the shootdown lock: whoever waits for other processors has it */
	struct slot slot[SILL_SESSIONS_MAX]; /* of number 1 and up */

	/* Takes RAM from the root's tables, or puts it back there; false: no page for a table. */
	bool (*root_map)(uint64_t base, uint64_t size, bool mapped);
	/* No processor uses any more what the root's tables, or a session's, had before. */
	void (*root_flush)(void);
	void (*flush)(uint32_t session);
	/* Does a processor run it? */
	bool (*runs)(uint32_t session);
	void (*vcpu_setup)(struct vcpu *vcpu);
};

/* ground.c: every frame of [base, base + size), whole pages, all of them or none; and back. */
bool frames_lend(struct frames *frames, uint64_t base, uint64_t size);
bool frames_donate(struct frames *frames, uint64_t base, uint64_t size, uint32_t session);
void frames_unlend(struct frames *frames, uint64_t base, uint64_t size);
void frames_reclaim(struct frames *frames, uint64_t base, uint64_t size, uint32_t session);

/* SILL_DONATION bytes from the root to an owner, 0 or -SILL_E…; and back, scrubbed. */
int64_t ground_take(struct ground *ground, uint64_t base, uint32_t owner);
void ground_give(struct ground *ground, uint64_t base, uint32_t owner);
int64_t ground_donate(struct ground *ground, uint64_t base);
int64_t ground_reclaim(struct ground *ground);
/* Of the control memory's pages, in a session's account. */
void *ground_page(struct session *session);
void ground_release(struct session *session, void *page);

static inline uint64_t ground_address(const struct ground *ground, const void *at)
{
	return (uint64_t)at - ground->nested.offset;
}

/* session.c: the calls of these names. */
int64_t session_create(struct ground *ground, uint64_t flags);
int64_t session_destroy(struct ground *ground, uint64_t number);
int64_t session_vcpu(struct ground *ground, uint64_t number, uint64_t address);
int64_t session_map(struct ground *ground, const struct phys *root, uint64_t number,
                    uint64_t address, uint64_t count);
int64_t session_change(struct ground *ground, uint64_t number, uint64_t from, uint64_t size,
                       uint64_t change);
/* 0 and *ret, or -SILL_ENONE. */
int64_t session_stats(struct ground *ground, uint64_t number, struct sill_session_stats *ret);

/*
 * session-memory.c, with the session's lock.  memory_map: 0 or -SILL_E…; a sealed session's wants
 * `waits` too.  *budget pays for the time it takes: what is over stays for the next call.
 */
#define MEMORY_BUDGET (1 << 18)
int64_t memory_map(struct session *session, const struct sill_page *page, int64_t *budget);

/*
 * A walk over [at, end) of a session's memory.  memory_mark makes the change and moves `at` on, as
 * far as budget and control pages go; what is to be unmapped is not there any more for a processor
 * that looks, but only memory_take, after the flush, takes it away.
 */
struct memory_walk {
	struct session *session;
	enum sill_change change;
	uint64_t at, end;
	int64_t budget;
	bool changed; /* something that processors may still know */
	int64_t error;
};
void memory_mark(struct memory_walk *walk);
void memory_take(struct memory_walk *walk, uint64_t from);

/* session-run.c: the PC's. */
extern struct ground pc_ground;
void ground_setup(void);
/* Every call for sessions but RUN. */
int64_t session_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* RUN, or with groups FETCH. */
int64_t session_run(struct cpu *cpu, uint64_t number, uint64_t index, uint32_t groups);

#endif
