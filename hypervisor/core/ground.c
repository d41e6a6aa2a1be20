// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory between the root and its sessions.  A frame leaves the root in this order: it is donated,
 * so that no call takes it for a buffer any more; it leaves the root's tables; every processor has
 * forgotten it, and is through with the call it was in.  It comes back the other way: scrubbed,
 * mapped, the root's, so that it cannot be given away again while it is being mapped.
 */
#include "base/bits.h"
#include "hypervisor/core/session.h"
#include "hypervisor/core/string.h"

void frames_unlend(struct frames *frames, uint64_t base, uint64_t size)
{
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++)
		frame_unlend(frames, base / PAGE_SIZE + i);
}

bool frames_lend(struct frames *frames, uint64_t base, uint64_t size)
{
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++) {
		if (!frame_lend(frames, base / PAGE_SIZE + i)) {
			frames_unlend(frames, base, i * PAGE_SIZE);
			return false;
		}
	}
	return true;
}

void frames_reclaim(struct frames *frames, uint64_t base, uint64_t size, uint32_t session)
{
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++)
		frame_reclaim(frames, base / PAGE_SIZE + i, session);
}

bool frames_donate(struct frames *frames, uint64_t base, uint64_t size, uint32_t session)
{
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++) {
		if (!frame_donate(frames, base / PAGE_SIZE + i, session)) {
			frames_reclaim(frames, base, i * PAGE_SIZE, session);
			return false;
		}
	}
	return true;
}

int64_t ground_take(struct ground *ground, uint64_t base, uint32_t owner)
{
	if (!frames_donate(ground->frames, base, SILL_DONATION, owner))
		return -SILL_EOWNER;
	if (!ground->root_map(base, SILL_DONATION, false)) {
		frames_reclaim(ground->frames, base, SILL_DONATION, owner);
		return -SILL_ENOMEM;
	}
	ground->root_flush();
	return 0;
}

void ground_give(struct ground *ground, uint64_t base, uint32_t owner)
{
	memset((void *)(base + ground->nested.offset), 0, SILL_DONATION);
	/* The table that it needs has been there since it was taken. */
	ground->root_map(base, SILL_DONATION, true);
	frames_reclaim(ground->frames, base, SILL_DONATION, owner);
}

int64_t ground_donate(struct ground *ground, uint64_t base)
{
	int64_t result;

	if (base % SILL_DONATION != 0)
		return -SILL_EALIGN;
	if (!spin_try(&ground->waits))
		return -SILL_EAGAIN;
	result = ground_take(ground, base, CONTROL_OWNER);
	spin_unlock(&ground->waits);
	if (result == 0)
		control_add(&ground->control, (void *)(base + ground->nested.offset));
	return result;
}

int64_t ground_reclaim(struct ground *ground)
{
	void *donation = control_remove(&ground->control);
	uint64_t base;

	if (!donation)
		return -SILL_ENONE;
	base = ground_address(ground, donation);
	ground_give(ground, base, CONTROL_OWNER);
	return (int64_t)base;
}

void *ground_page(struct session *session)
{
	void *page = control_page(&session->ground->control);

	if (page)
		session->control_pages++;
	return page;
}

void ground_release(struct session *session, void *page)
{
	session->control_pages--;
	control_release(&session->ground->control, page);
}
