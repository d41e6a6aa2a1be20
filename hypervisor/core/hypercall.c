// SPDX-License-Identifier: GPL-2.0-or-later
#include "hypervisor/core/hypercall.h"

#include "base/bits.h"
#include "hypervisor/core/cpu.h"
#include "hypervisor/core/log.h"
#include "hypervisor/core/machine.h"
#include "hypervisor/core/session.h"
#include "hypervisor/core/string.h"
#include "hypervisor/core/vendor.h"
#include "hypervisor/core/version.h"

int64_t call_answer(const void *what, uint64_t what_size, uint64_t address, uint64_t size)
{
	struct call_buffer buffer;
	int error = call_buffer(&machine.root_memory, address, size, 1, &buffer);

	if (error)
		return -error;
	memcpy(buffer.at, what, min_u64(what_size, buffer.size));
	return (int64_t)what_size;
}

static int64_t call_version(uint64_t theirs)
{
	return theirs >> 16 == SILL_ABI_MAJOR ? (int64_t)SILL_ABI : -SILL_EVERSION;
}

static int64_t call_info(uint64_t address, uint64_t size)
{
	struct sill_info info = {
		.abi = SILL_ABI,
		.release = SILL_RELEASE,
		.cpus = cpu_count,
		.vendor = vendor->id,
		.memory_base = machine.own.base,
		.memory_size = machine.own.size,
		.memory_used = machine.own_used,
		.frames = machine.frames.count,
		.frames_lent = __atomic_load_n(&machine.frames.lent, __ATOMIC_RELAXED),
		.frames_donated = __atomic_load_n(&machine.frames.donated, __ATOMIC_RELAXED),
	};

	return call_answer(&info, sizeof(info), address, size);
}

static int64_t call_log(uint64_t address, uint64_t size)
{
	struct call_buffer buffer;
	struct sill_log head;
	int error = call_buffer(&machine.root_memory, address, size, 64, &buffer);

	if (error)
		return -error;
	memcpy(&head, buffer.at, sizeof(head));
	head.length =
		(uint32_t)log_read((char *)buffer.at + sizeof(head), buffer.size - sizeof(head),
	                           head.from, &head.start, &head.end);
	head.reserved = 0;
	memcpy(buffer.at, &head, sizeof(head));
	return head.length;
}

static int64_t call_stats(uint64_t index, uint64_t address, uint64_t size)
{
	struct sill_stats stats;

	if (index >= cpu_count)
		return -SILL_EINVAL;
	/* A running processor's counters: each is right, together they are of nearly one moment. */
	stats = cpu_at((uint32_t)index)->stats;
	stats.apic_id = cpu_at((uint32_t)index)->apic_id;
	stats.state = __atomic_load_n(&cpu_at((uint32_t)index)->state, __ATOMIC_RELAXED);
	return call_answer(&stats, sizeof(stats), address, size);
}

int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	switch (number) {
	case SILL_CALL_VERSION:
		return call_version(a);
	case SILL_CALL_INFO:
		return call_info(a, b);
	case SILL_CALL_LOG:
		return call_log(a, b);
	case SILL_CALL_STATS:
		return call_stats(a, b, c);
	case SILL_CALL_DONATE ... SILL_CALL_FETCH:
		return session_call(number, a, b, c, d);
	default:
		log_limited("the root made the unknown hypercall %llu", (unsigned long long)number);
		return -SILL_ENOCALL;
	}
}
