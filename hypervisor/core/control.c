// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/control.h"

#include <assert.h>

#include "base/bits.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/x86.h"

#define PAGES (SILL_DONATION / PAGE_SIZE)

/* The book. */
struct donation {
	struct donation *next;
	uint32_t used;
	uint64_t free[PAGES / 64]; /* bits; the book's own is never set */
};

static_assert(sizeof(struct donation) <= PAGE_SIZE, "a book is one page");

void control_add(struct control *control, void *at)
{
	struct donation *donation = at;

	donation->used = 0;
	memset(donation->free, 0xFF, sizeof(donation->free));
	donation->free[0] &= ~UINT64_C(1);
	spin_lock(&control->lock);
	donation->next = control->first;
	control->first = donation;
	spin_unlock(&control->lock);
}

void *control_remove(struct control *control)
{
	struct donation **link = &control->first, *found;

	spin_lock(&control->lock);
	while (*link && (*link)->used > 0)
		link = &(*link)->next;
	found = *link;
	if (found)
		*link = found->next;
	spin_unlock(&control->lock);
	return found;
}

static void *take(struct donation *donation)
{
	uint64_t word = 0, bit;

	while (donation->free[word] == 0)
		word++;
	bit = (uint64_t)__builtin_ctzll(donation->free[word]);
	donation->free[word] &= ~(UINT64_C(1) << bit);
	donation->used++;
	return (uint8_t *)donation + (word * 64 + bit) * PAGE_SIZE;
}

void *control_page(struct control *control)
{
	struct donation *donation;
	void *page = NULL;

	spin_lock(&control->lock);
	donation = control->first;
	while (donation && donation->used == PAGES - 1)
		donation = donation->next;
	if (donation)
		page = take(donation);
	spin_unlock(&control->lock);
	return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

void control_release(struct control *control, void *page)
{
	struct donation *donation = (void *)round_down((uint64_t)page, SILL_DONATION);
	uint64_t index = ((uint64_t)page - (uint64_t)donation) / PAGE_SIZE;

	spin_lock(&control->lock);
	donation->free[index / 64] |= UINT64_C(1) << index % 64;
	donation->used--;
	spin_unlock(&control->lock);
}
