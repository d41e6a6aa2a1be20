/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything of a session that exits, and the MSRs that do not.  As in traps.h, what is not here is
 * the hardware's.
 */
#ifndef HYPERVISOR_AMD_SESSION_TRAPS_H
#define HYPERVISOR_AMD_SESSION_TRAPS_H

/* Instructions: TRAP(word of the VMCB, bit, SILL_RUN_…, info[0], the SILL_TRAP_… that asks or 0) */
#define SESSION_TRAPS(TRAP)                          \
	TRAP(MISC1, 14, RDTSC, 0, SILL_TRAP_RDTSC)   \
	TRAP(MISC1, 15, RDPMC, 0, 0)                 \
	TRAP(MISC1, 18, CPUID, 0, 0)                 \
	TRAP(MISC1, 22, INVD, 0, 0)                  \
	TRAP(MISC1, 23, PAUSE, 0, SILL_TRAP_PAUSE)   \
	TRAP(MISC1, 24, HLT, 0, SILL_TRAP_HLT)       \
	TRAP(MISC1, 26, VIRTUAL, 0, 0)               \
	TRAP(MISC2, 0, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 1, HYPERCALL, 0, 0)              \
	TRAP(MISC2, 2, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 3, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 4, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 5, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 6, VIRTUAL, 0, 0)                \
	TRAP(MISC2, 7, RDTSC, 1, SILL_TRAP_RDTSC)    \
	TRAP(MISC2, 9, INVD, 1, 0)                   \
	TRAP(MISC2, 10, MONITOR, 0, SILL_TRAP_MWAIT) \
	TRAP(MISC2, 11, MWAIT, 0, SILL_TRAP_MWAIT)   \
	TRAP(MISC2, 13, XSETBV, 0, 0)

/* Events, I/O, MSRs, task switches: what SESSION_TRAPS does not say by itself. */
#define SESSION_MISC1                                                                   \
	(MISC1_INTERRUPT | MISC1_NMI | MISC1_INIT | MISC1_IO | MISC1_MSR | MISC1_TASK | \
	 MISC1_SHUTDOWN)

/* MSRs that are the session's own while it runs: VMLOAD and VMSAVE switch them. */
#define SESSION_MSRS                                                                               \
	{                                                                                          \
		MSR_STAR, MSR_STAR + 1, MSR_STAR + 2, MSR_STAR + 3, MSR_FS_BASE, MSR_GS_BASE,      \
			MSR_GS_BASE + 1, MSR_SYSENTER_CS, MSR_SYSENTER_CS + 1, MSR_SYSENTER_CS + 2 \
	}

#endif
