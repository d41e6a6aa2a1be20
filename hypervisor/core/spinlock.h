/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock for a few instructions.  Interrupts are off while our code runs, so that nothing on this
 * processor can want it again; only a panic may, which uses spin_try() and goes on without.
 */
#ifndef HYPERVISOR_CORE_SPINLOCK_H
#define HYPERVISOR_CORE_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct spinlock {
	uint32_t taken;
};

static inline bool spin_try(struct spinlock *lock)
{
	return !__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE);
}

static inline void spin_lock(struct spinlock *lock)
{
	while (!spin_try(lock)) {
		/* Read until it looks free: only then is the cache line worth taking. */
		while (__atomic_load_n(&lock->taken, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
	}
}

static inline void spin_unlock(struct spinlock *lock)
{
	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
}

#endif
