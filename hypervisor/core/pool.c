// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/pool.h"

#include "hypervisor/core/layout.h"
#include "hypervisor/core/panic.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/x86.h"

static uint64_t start, next, end; /* physical */

void pool_setup(uint64_t base, uint64_t size)
{
	start = next = base;
	end = base + size;
}

static void *take(uint64_t count)
{
	void *at = (void *)(DIRECT_BASE + next);

	if (count > (end - next) / PAGE_SIZE)
		return NULL;
	next += count * PAGE_SIZE;
	memset(at, 0, count * PAGE_SIZE);
	return at;
}

void *pool_pages(uint64_t count)
{
	void *at = take(count);

	if (!at)
		panic("the hypervisor's memory is used up: %llu of %llu KiB",
		      (unsigned long long)(next - start) / 1024,
		      (unsigned long long)(end - start) / 1024);
	return at;
}

uint64_t *pool_page_or_null(void *unused)
{
	(void)unused;
	return take(1);
}

uint64_t pool_address(const void *at)
{
	return (uint64_t)at - DIRECT_BASE;
}

uint64_t pool_used(void)
{
	return next - start;
}
