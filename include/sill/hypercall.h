/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract between the hypervisor and the root session.
 *
 * A hypercall is VMMCALL (AMD), without prefixes, in 64-bit mode at ring 0: number in RAX, arguments
 * in RDI, RSI, RDX, R10, result in RAX; other registers are kept.  A result is 0 or more, or -SILL_E….  Outside
 * 64-bit ring 0 the instruction is undefined (#UD).  Everything is little-endian; structures have
 * no padding and only grow at their end.  Changes are listed in docs/hypervisor.md.
 */
#ifndef SILL_HYPERCALL_H
#define SILL_HYPERCALL_H

#include "include/sill/session.h"

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#else
#include <assert.h>
#include <stdint.h>
#endif

/* CPUID: leaf 1 ECX bit 31 says that there is a hypervisor, these leaves that it is Sill. */
#define SILL_CPUID_BASE 0x40000000u /* EAX: highest leaf; EBX, ECX, EDX: the signature */
#define SILL_CPUID_VERSION \
	0x40000001u /* EAX: SILL_ABI; EBX: release, major << 16 | minor << 8 | patch */
#define SILL_CPUID_SIGNATURE "SillSillSill"

/* Equal major numbers understand each other; a minor number adds and takes nothing away. */
#define SILL_ABI_MAJOR 1u
#define SILL_ABI_MINOR 2u
#define SILL_ABI       (SILL_ABI_MAJOR << 16 | SILL_ABI_MINOR)

enum sill_call {
	/* rdi: the caller's SILL_ABI.  Returns ours; -SILL_EVERSION if the major numbers differ. */
	SILL_CALL_VERSION = 0,
	/* rdi: where, rsi: bytes there.  Writes what fits of struct sill_info; returns its size. */
	SILL_CALL_INFO = 1,
	/*
	 * rdi: where (struct sill_log and text after it), rsi: bytes there, at least 64.  Returns
	 * bytes of text.
	 */
	SILL_CALL_LOG = 2,
	/* rdi: processor, rsi: where, rdx: bytes there.  Writes what fits of struct sill_stats;
	 * returns its size. */
	SILL_CALL_STATS = 3,

	/*
	 * Sessions.  One that has to wait for other processors, or finds another call on the same
	 * session under way, returns -SILL_EAGAIN having done nothing, and is simply made again.
	 *
	 * DONATE: rdi: SILL_DONATION bytes of the root's RAM for the control of sessions.
	 * RECLAIM: returns the address of a donation that nothing uses any more, scrubbed and the
	 * root's again; -SILL_ENONE when there is none.
	 */
	SILL_CALL_DONATE = 16,
	SILL_CALL_RECLAIM = 17,
	/* rdi: SILL_SESSION_….  Returns its number; -SILL_ENONE when none is left. */
	SILL_CALL_CREATE = 18,
	/* rdi: session.  -SILL_EBUSY while one of its virtual processors runs; -SILL_EAGAIN until it is all gone. */
	SILL_CALL_DESTROY = 19,
	/* rdi: session, rsi: array of struct sill_page, rdx: how many.  Returns how many of them were
	 * mapped, from the first on; it need not be all; an error if it is none. */
	SILL_CALL_MAP = 20,
	/* rdi: session, rsi: guest-physical, rdx: bytes, r10: enum sill_change.  Returns how many bytes
	 * are done, from the first on; it need not be all. */
	SILL_CALL_CHANGE = 21,
	/* rdi: session, rsi: physical address of the page for its struct sill_vcpu, which stays lent
	 * until the session is destroyed.  Returns its number: one more than the last one's. */
	SILL_CALL_VCPU = 22,
	/* rdi: session, rsi: virtual processor.  Runs it here until something needs the root.
	 * Returns enum sill_run. */
	SILL_CALL_RUN = 23,
	/* rdi: session, rsi: where, rdx: bytes there.  Writes what fits of struct
	 * sill_session_stats; returns its size. */
	SILL_CALL_SESSION = 24,
	/* rdi: session, rsi: virtual processor, rdx: groups.  Writes them to the page as RUN does with
	 * those in `get`; -SILL_EBUSY while it runs.  Returns 0. */
	SILL_CALL_FETCH = 25,
};

enum sill_error {
	SILL_ENOCALL = 1,  /* there is no such call */
	SILL_EINVAL = 2,   /* an argument has a value that is not allowed */
	SILL_EALIGN = 3,   /* an address is not a multiple of what it must be, mostly of 8 */
	SILL_EFAULT = 4,   /* not all of a buffer is RAM of the root */
	SILL_EVERSION = 5, /* the ABI's major number is another */
	SILL_EAGAIN = 6,   /* not now: make the call again */
	SILL_ENOMEM = 7,   /* a donation is needed first */
	SILL_ENONE = 8,    /* there is no such session, virtual processor, or donation */
	SILL_EBUSY = 9,    /* the virtual processor runs on another processor */
	SILL_EEXIST = 10,  /* another page is mapped there */
	SILL_EOWNER = 11,  /* a frame is not the root's to lend or to give */
};

/* No buffer is larger. */
#define SILL_BUFFER_MAX 65536u

struct sill_info {
	uint32_t abi;         /* SILL_ABI */
	uint32_t release;     /* major << 16 | minor << 8 | patch */
	uint32_t cpus;        /* processors under the hypervisor */
	uint32_t vendor;      /* enum sill_vendor */
	uint64_t memory_base; /* the hypervisor's own range: physical address and bytes */
	uint64_t memory_size;
	uint64_t memory_used; /* bytes of it that are in use */
	uint64_t frames;      /* 4 KiB frames in the owner table */
	uint64_t frames_lent;
	uint64_t frames_donated;
};

enum sill_vendor { SILL_VENDOR_AMD = 1, SILL_VENDOR_INTEL = 2 };

/*
 * The log is a ring of bytes, numbered from 0 since the start.  `from` is the caller's: the first
 * byte it wants.  `start` is where the text begins: `from`, or later if the ring has gone over it.
 */
struct sill_log {
	uint64_t from;
	uint64_t start;
	uint64_t end; /* the next byte that will be written */
	uint32_t length;
	uint32_t reserved;
};

/* Why the hypervisor was entered, since the start.  Kinds are only added. */
enum sill_exit {
	SILL_EXIT_CPUID,
	SILL_EXIT_MSR,
	SILL_EXIT_APIC,
	SILL_EXIT_NMI,
	SILL_EXIT_IRET,
	SILL_EXIT_CALL,
	SILL_EXIT_IO,
	SILL_EXIT_PAGE,   /* a nested page mapped at its first touch */
	SILL_EXIT_DENIED, /* something the root should not do */
	SILL_EXIT_OTHER,
	SILL_EXIT_KINDS
};

struct sill_stats {
	uint32_t apic_id;
	uint32_t state;     /* enum sill_cpu_state */
	uint64_t exits[16]; /* by enum sill_exit; the rest 0 */
	uint64_t cycles;    /* TSC cycles in the hypervisor, but for RUN, entry and exit */
	uint64_t kicks;     /* NMIs from other processors of the hypervisor */
};

enum sill_cpu_state { SILL_CPU_ABSENT, SILL_CPU_WAITING, SILL_CPU_RUNNING };

static_assert(sizeof(struct sill_info) == 64, "sill_info is part of the ABI");
static_assert(sizeof(struct sill_log) == 32, "sill_log is part of the ABI");
static_assert(sizeof(struct sill_stats) == 152, "sill_stats is part of the ABI");
static_assert(SILL_EXIT_KINDS <= 16, "there is no room for more kinds of exits");

#endif
