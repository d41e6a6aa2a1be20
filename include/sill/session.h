/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the contract (hypercall.h) that is about sessions: their numbers, their memory, and the page through
 * which the root and the hypervisor exchange a virtual processor's state.  docs/sessions.md explains it.
 *
 * Nothing here is AMD's or Intel's.  Where the two differ, this is what both can give.
 */
#ifndef SILL_SESSION_H
#define SILL_SESSION_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#else
#include <assert.h>
#include <stdint.h>
#endif

/* Memory that the hypervisor keeps for sessions comes in pieces of this size, and is aligned to it. */
#define SILL_DONATION (UINT64_C(2) << 20)

/* Sessions are numbered from 1, their virtual processors from 0. */
#define SILL_SESSIONS_MAX 255u
#define SILL_VCPUS_MAX    256u

/* SILL_CALL_CREATE: the root gives its pages away instead of lending them, and cannot reach them. */
#define SILL_SESSION_SEALED 1u

/*
 * A page of a session's memory, as SILL_CALL_MAP takes an array of them.  Guest-physical is below
 * 2^48.  Where that very page is mapped already it gets the rights of both.
 */
struct sill_page {
	uint64_t guest; /* guest-physical, a multiple of the page's size */
	uint64_t root;  /* physical, a multiple of it too */
	uint32_t
		level; /* 0: 4 KiB, 1: 2 MiB, 2: 1 GiB where the processor has it; a sealed session's: 1 */
	uint32_t flags; /* SILL_PAGE_… */
};

#define SILL_PAGE_WRITE   1u
#define SILL_PAGE_EXECUTE 2u

/*
 * What SILL_CALL_CHANGE does with every page in a range, of which start and length are multiples of
 * 4 KiB; a sealed session's of 2 MiB.  A larger page that lies in it in part is unmapped or protected
 * whole.  There is no SPLIT for a sealed session.
 */
enum sill_change {
	SILL_CHANGE_UNMAP, /* takes it away; a sealed session's is scrubbed and the root's again */
	SILL_CHANGE_PROTECT, /* can no longer be written */
	SILL_CHANGE_SPLIT,   /* the same, and becomes pages of 4 KiB: for a dirty log */
};

/* Hidden part of a segment register: attributes are type, S, DPL, P, AVL, L, D/B, G in bits 0 to 11. */
struct sill_segment {
	uint16_t selector, attributes;
	uint32_t limit; /* in bytes */
	uint64_t base;
};

enum { SILL_ES, SILL_CS, SILL_SS, SILL_DS, SILL_FS, SILL_GS, SILL_LDTR, SILL_TR, SILL_SEGMENTS };

/* What it runs, in `mode`. */
#define SILL_MODE_64 1u /* 64-bit code */

/* Groups of the state, of which only those change hands that are asked for. */
#define SILL_GROUP_SYSTEM   1u /* system */
#define SILL_GROUP_SEGMENTS 2u /* segments, gdt, idt, cpl */
#define SILL_GROUP_CALLS    4u /* calls */
#define SILL_GROUP_SETTINGS 8u /* settings; never written by the hypervisor */
#define SILL_GROUPS         15u

/* An event to deliver, or that was being delivered when the exit came: vector, kind, error code in the upper half. */
#define SILL_EVENT_VALID    (UINT64_C(1) << 31)
#define SILL_EVENT_HAS_CODE (UINT64_C(1) << 11)
#define SILL_EVENT_KIND     (UINT64_C(7) << 8)
#define SILL_EVENT_EXTERNAL (UINT64_C(0) << 8)
#define SILL_EVENT_NMI      (UINT64_C(2) << 8)
#define SILL_EVENT_FAULT    (UINT64_C(3) << 8) /* an exception, INT3 and INTO too */
#define SILL_EVENT_SOFTWARE (UINT64_C(4) << 8) /* INT n; rip is where it returns to */

/* Exit as soon as the session can take… */
#define SILL_WINDOW_INTERRUPT 1u
#define SILL_WINDOW_NMI       2u
#define SILL_WINDOW_CR8       4u /* what it holds back: SILL_RUN_CR when it is about to write CR8 */

/* Instructions that exit only when the root wants it. */
#define SILL_TRAP_HLT   1u
#define SILL_TRAP_PAUSE 2u
#define SILL_TRAP_MWAIT 4u  /* and MONITOR */
#define SILL_TRAP_DR    8u  /* MOV to and from debug registers */
#define SILL_TRAP_RDTSC 16u /* and RDTSCP */
#define SILL_TRAP_CR3   32u /* MOV to and from CR3 */
#define SILL_TRAP_MSR   64u /* RDMSR and WRMSR of those that are the processor's otherwise */
#define SILL_TRAPS      127u

/* Why SILL_CALL_RUN came back.  Kinds are only added.  What `info` has is said behind each. */
enum sill_run {
	SILL_RUN_INTERRUPT, /* one waits for the root, which gets it when it allows interrupts again; or an NMI did */
	SILL_RUN_WINDOW, /* what `windows` asked for: info[0] is which, and is cleared there */
	SILL_RUN_MEMORY, /* info[0]: guest-physical address, info[1]: SILL_ACCESS_… */
	SILL_RUN_PORT,   /* info[0]: SILL_PORT_…; `length` is always set */
	SILL_RUN_CPUID,
	SILL_RUN_MSR, /* info[0]: 1 for a write */
	SILL_RUN_HLT,
	SILL_RUN_HYPERCALL, /* VMMCALL or VMCALL */
	/* info[0]: vector, info[1]: error code; #PF's address is in system.cr2, asked for or not. */
	SILL_RUN_EXCEPTION,
	SILL_RUN_SHUTDOWN, /* a triple fault; the state is what it was before, or undefined on AMD */
	SILL_RUN_CR,       /* info[0]: the register, 256 more for a read, 512 more for LMSW */
	SILL_RUN_DR,       /* info[0]: the register, 256 more for a read */
	SILL_RUN_XSETBV,
	SILL_RUN_RDPMC,
	SILL_RUN_RDTSC, /* info[0]: 1 for RDTSCP */
	SILL_RUN_INVD,  /* INVD or WBINVD: info[0] is 1 for WBINVD */
	SILL_RUN_MONITOR,
	SILL_RUN_MWAIT,
	SILL_RUN_PAUSE,
	SILL_RUN_TASK, /* a task switch: info[0]: selector, info[1]: 0 CALL, 1 IRET, 2 JMP, 3 a gate in the IDT */
	SILL_RUN_VIRTUAL, /* an instruction of AMD-V, VT-x or SKINIT */
	SILL_RUN_INVALID, /* the processor refuses the state or the event; the page is as it was */
	SILL_RUN_KINDS
};

/* info[1] of SILL_RUN_MEMORY. */
#define SILL_ACCESS_MAPPED  1u /* there is a page, and it does not allow this */
#define SILL_ACCESS_WRITE   2u
#define SILL_ACCESS_EXECUTE 4u
#define SILL_ACCESS_TABLE   8u /* by the guest's own page walk */

/* info[0] of SILL_RUN_PORT: the port in bits 0 to 15, bytes (1, 2, 4) in bits 16 to 18. */
#define SILL_PORT_IN     (1u << 24)
#define SILL_PORT_STRING (1u << 25)
#define SILL_PORT_REPEAT (1u << 26)

/* The page.  It is the root's memory, lent: the hypervisor reads each field once and trusts none. */
struct sill_vcpu {
	/* Always taken before the session runs, and written when it is back. */
	uint64_t gpr[16]; /* by their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15 */
	uint64_t rip, rflags;
	uint32_t shadow;     /* 1: in the shadow of STI or MOV SS */
	uint32_t nmi_masked; /* 1: between an NMI and its IRET */
	uint32_t tpr;        /* CR8: 0 to 15 */
	uint32_t mode;       /* SILL_MODE_…: written only */

	/* What the root wants. */
	uint32_t put; /* groups to take before it runs; RUN clears it */
	uint32_t get; /* groups to write when it is back; for others SILL_CALL_FETCH comes later */
	uint64_t event;   /* to deliver; RUN clears it */
	uint32_t windows; /* SILL_WINDOW_… */
	uint32_t reserved1;

	/* What came of it. */
	uint32_t exit;   /* enum sill_run, as RUN returns it */
	uint8_t length;  /* of the instruction that exited; 0: the processor does not say */
	uint8_t fetched; /* how many of `bytes` there are */
	uint16_t reserved2;
	uint64_t info[2];
	/* The event that the exit interrupted; 0: none, or an instruction's, which starts again. */
	uint64_t delivering;
	uint8_t bytes[16]; /* the instruction's first, where the processor gives them */

	struct {
		uint64_t cr0, cr2, cr3, cr4, efer, dr6, dr7, pat;
		uint64_t debug_control; /* kept, without effect on AMD */
	} system;
	struct sill_segment segments[SILL_SEGMENTS];
	struct {
		uint64_t base;
		uint32_t limit, reserved;
	} gdt, idt;
	uint64_t cpl;
	struct {
		uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
		uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	} calls;
	struct {
		uint64_t tsc_offset; /* added to the processor's */
		uint32_t traps;      /* SILL_TRAP_… */
		uint32_t exceptions; /* a bit for each vector that exits instead; #MC always does */
	} settings;
};

/* SILL_CALL_SESSION: a session in numbers. */
struct sill_session_stats {
	uint32_t vcpus;
	uint32_t flags; /* SILL_SESSION_… */
	uint64_t
		control_pages; /* of the donated memory, that it has: tables, virtual processors, itself */
	uint64_t frames;    /* 4 KiB frames mapped, a frame that is mapped twice twice */
	uint64_t exits[32]; /* by enum sill_run; the rest 0 */
};

static_assert(sizeof(struct sill_page) == 24, "sill_page is part of the ABI");
static_assert(sizeof(struct sill_segment) == 16, "sill_segment is part of the ABI");
static_assert(sizeof(struct sill_vcpu) == 552, "sill_vcpu is part of the ABI");
static_assert(sizeof(struct sill_session_stats) == 280, "sill_session_stats is part of the ABI");
static_assert(SILL_RUN_KINDS <= 32, "there is no room for more kinds of exits");

#endif
