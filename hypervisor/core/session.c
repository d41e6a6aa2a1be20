// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Arguments are a hostile root's: each is checked here before it is used.  A call holds its session
 * by the slot's count; DESTROY marks the slot, which it can only when nobody holds it, and then
 * has the session for itself.
 */
#include "hypervisor/core/session.h"

#include "base/bits.h"
#include "hypervisor/core/hypercall.h"
#include "hypervisor/core/string.h"

#define GUEST_END (UINT64_C(1) << 48)

static struct slot *slot_of(struct ground *ground, uint64_t number)
{
	return number - 1 < SILL_SESSIONS_MAX ? &ground->slot[number - 1] : NULL;
}

/* Until put(); NULL: there is none. */
static struct session *get(struct ground *ground, uint64_t number)
{
	struct slot *slot = slot_of(ground, number);
	uint32_t use;

	if (!slot)
		return NULL;
	use = __atomic_load_n(&slot->use, __ATOMIC_ACQUIRE);
	do {
		if (!(use & SLOT_EXISTS) || (use & SLOT_GOING))
			return NULL;
	} while (!__atomic_compare_exchange_n(&slot->use, &use, use + 1, false, __ATOMIC_ACQ_REL,
	                                      __ATOMIC_ACQUIRE));
	return slot->session;
}

static void put(struct ground *ground, const struct session *session)
{
	__atomic_fetch_sub(&ground->slot[session->number - 1].use, 1, __ATOMIC_RELEASE);
}

/* A number that nobody had; it is going until it exists. */
static struct slot *reserve(struct ground *ground)
{
	for (uint32_t i = 0; i < SILL_SESSIONS_MAX; i++) {
		uint32_t nobody = 0;

		if (__atomic_compare_exchange_n(&ground->slot[i].use, &nobody, SLOT_GOING, false,
		                                __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return &ground->slot[i];
	}
	return NULL;
}

static uint64_t *table_page(void *context)
{
	return ground_page(context);
}

int64_t session_create(struct ground *ground, uint64_t flags)
{
	struct session *session;
	struct slot *slot;

	if (flags & ~(uint64_t)SILL_SESSION_SEALED)
		return -SILL_EINVAL;
	slot = reserve(ground);
	if (!slot)
		return -SILL_ENONE;
	session = control_page(&ground->control);
	if (!session)
		goto no_session;
	session->ground = ground;
	session->control_pages = 1;
	session->tables = ground->nested;
	session->tables.page = table_page;
	session->tables.context = session;
	session->tables.root = ground_page(session);
	if (!session->tables.root)
		goto no_tables;
	session->number = (uint32_t)(slot - ground->slot) + 1;
	session->flags = (uint32_t)flags;
	slot->session = session;
	__atomic_store_n(&slot->use, SLOT_EXISTS, __ATOMIC_RELEASE);
	return session->number;

no_tables:
	control_release(&ground->control, session);
no_session:
	__atomic_store_n(&slot->use, 0, __ATOMIC_RELEASE);
	return -SILL_ENOMEM;
}

static void drop_vcpu(struct session *session, struct vcpu *vcpu)
{
	frames_unlend(session->ground->frames, ground_address(session->ground, vcpu->page),
	              PAGE_SIZE);
	ground_release(session, vcpu->control);
	ground_release(session, vcpu);
}

/* As much of it as one call may do; true: that was all.  No processor will ever run it again. */
static bool take_apart(struct session *session)
{
	struct ground *ground = session->ground;
	struct memory_walk walk = { .session = session,
		                    .change = SILL_CHANGE_UNMAP,
		                    .at = session->gone,
		                    .end = GUEST_END,
		                    .budget = MEMORY_BUDGET };

	memory_mark(&walk);
	memory_take(&walk, session->gone);
	session->gone = walk.at;
	if (walk.at < GUEST_END)
		return false;
	for (uint32_t i = 0; i < session->vcpus; i++)
		drop_vcpu(session, session->vcpu[i]);
	ground_release(session, session->tables.root);
	control_release(&ground->control, session);
	return true;
}

int64_t session_destroy(struct ground *ground, uint64_t number)
{
	struct slot *slot = slot_of(ground, number);
	uint32_t unused = SLOT_EXISTS;
	int64_t result = -SILL_EAGAIN;

	if (!slot)
		return -SILL_ENONE;
	if (!spin_try(&slot->ending))
		return -SILL_EAGAIN;
	if (!(__atomic_load_n(&slot->use, __ATOMIC_ACQUIRE) & SLOT_EXISTS)) {
		result = -SILL_ENONE;
	} else if (__atomic_compare_exchange_n(&slot->use, &unused, SLOT_EXISTS | SLOT_GOING, false,
	                                       __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE) ||
	           (unused & SLOT_GOING)) {
		if (ground->runs((uint32_t)number)) {
			__atomic_store_n(&slot->use, SLOT_EXISTS, __ATOMIC_RELEASE);
			result = -SILL_EBUSY;
		} else if (take_apart(slot->session)) {
			__atomic_store_n(&slot->use, 0, __ATOMIC_RELEASE);
			result = 0;
		}
	}
	spin_unlock(&slot->ending);
	return result;
}

static int64_t add_vcpu(struct session *session, uint64_t address)
{
	struct ground *ground = session->ground;
	struct vcpu *vcpu;

	if (session->vcpus == SILL_VCPUS_MAX)
		return -SILL_EINVAL;
	if (!frames_lend(ground->frames, address, PAGE_SIZE))
		return -SILL_EOWNER;
	vcpu = ground_page(session);
	if (!vcpu)
		goto no_vcpu;
	vcpu->control = ground_page(session);
	if (!vcpu->control)
		goto no_control;
	vcpu->session = session;
	vcpu->page = (void *)(address + ground->nested.offset);
	ground->vcpu_setup(vcpu);
	__atomic_store_n(&session->vcpu[session->vcpus], vcpu, __ATOMIC_RELEASE);
	return session->vcpus++;

no_control:
	ground_release(session, vcpu);
no_vcpu:
	frames_unlend(ground->frames, address, PAGE_SIZE);
	return -SILL_ENOMEM;
}

int64_t session_vcpu(struct ground *ground, uint64_t number, uint64_t address)
{
	struct session *session;
	int64_t result = -SILL_EAGAIN;

	if (address % PAGE_SIZE != 0)
		return -SILL_EALIGN;
	session = get(ground, number);
	if (!session)
		return -SILL_ENONE;
	if (spin_try(&session->lock)) {
		result = add_vcpu(session, address);
		spin_unlock(&session->lock);
	}
	put(ground, session);
	return result;
}

/* Pages from the first on; how many, or the first one's error. */
static int64_t map_pages(struct session *session, const uint8_t *array, uint64_t count)
{
	int64_t budget = MEMORY_BUDGET, error = 0;
	uint64_t done = 0;

	while (done < count && budget > 0) {
		struct sill_page page;

		memcpy(&page, array + done * sizeof(page), sizeof(page));
		error = memory_map(session, &page, &budget);
		if (error)
			break;
		done++;
	}
	return done > 0 ? (int64_t)done : error;
}

int64_t session_map(struct ground *ground, const struct phys *root, uint64_t number,
                    uint64_t address, uint64_t count)
{
	struct session *session;
	struct call_buffer buffer;
	int64_t result = -SILL_EAGAIN;
	int error;

	if (count > SILL_BUFFER_MAX / sizeof(struct sill_page))
		return -SILL_EINVAL;
	error = call_buffer(root, address, count * sizeof(struct sill_page), 1, &buffer);
	if (error)
		return -error;
	session = get(ground, number);
	if (!session)
		return -SILL_ENONE;
	if (!spin_try(&session->lock))
		goto busy;
	/* A page that is given away must be forgotten by every processor. */
	if (!(session->flags & SILL_SESSION_SEALED)) {
		result = map_pages(session, buffer.at, count);
	} else if (spin_try(&ground->waits)) {
		result = map_pages(session, buffer.at, count);
		spin_unlock(&ground->waits);
	}
	spin_unlock(&session->lock);
busy:
	put(ground, session);
	return result;
}

/* With the session's lock and the shootdown lock. */
static int64_t change_range(struct memory_walk *walk)
{
	struct session *session = walk->session;
	uint64_t from = walk->at;

	memory_mark(walk);
	if (walk->changed) {
		/* Before it looks who runs: who does not see it now is seen by flush(). */
		__atomic_fetch_add(&session->flushes, 1, __ATOMIC_SEQ_CST);
		session->ground->flush(session->number);
	}
	if (walk->change == SILL_CHANGE_UNMAP)
		memory_take(walk, from);
	return walk->at > from ? (int64_t)(min_u64(walk->at, walk->end) - from) : walk->error;
}

int64_t session_change(struct ground *ground, uint64_t number, uint64_t from, uint64_t size,
                       uint64_t change)
{
	struct memory_walk walk = { .change = (enum sill_change)change,
		                    .at = from,
		                    .end = from + size,
		                    .budget = MEMORY_BUDGET };
	uint64_t unit = PAGE_SIZE;
	int64_t result = -SILL_EAGAIN;

	if (change > SILL_CHANGE_SPLIT || size == 0 || !range_inside(from, size, GUEST_END))
		return -SILL_EINVAL;
	walk.session = get(ground, number);
	if (!walk.session)
		return -SILL_ENONE;
	if (walk.session->flags & SILL_SESSION_SEALED)
		unit = SILL_DONATION;
	if (from % unit != 0 || size % unit != 0) {
		result = -SILL_EALIGN;
	} else if (unit != PAGE_SIZE && change == SILL_CHANGE_SPLIT) {
		result = -SILL_EINVAL;
	} else if (spin_try(&walk.session->lock)) {
		if (spin_try(&ground->waits)) {
			result = change_range(&walk);
			spin_unlock(&ground->waits);
		}
		spin_unlock(&walk.session->lock);
	}
	put(ground, walk.session);
	return result;
}

int64_t session_stats(struct ground *ground, uint64_t number, struct sill_session_stats *ret)
{
	struct session *session = get(ground, number);

	if (!session)
		return -SILL_ENONE;
	/* Each number is right, together they are of nearly one moment. */
	*ret = (struct sill_session_stats){ .vcpus = session->vcpus,
		                            .flags = session->flags,
		                            .control_pages = session->control_pages,
		                            .frames = session->frames };
	for (uint32_t i = 0; i < SILL_VCPUS_MAX; i++) {
		const struct vcpu *vcpu = __atomic_load_n(&session->vcpu[i], __ATOMIC_ACQUIRE);

		for (uint32_t kind = 0; vcpu && kind < SILL_RUN_KINDS; kind++)
			ret->exits[kind] += vcpu->exits[kind];
	}
	put(ground, session);
	return 0;
}
