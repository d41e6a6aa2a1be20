/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything of the root that the processor hands to us, each with its reason.  These tables make
 * the intercept bits, the MSR permission map, and the tables in docs/hypervisor.md
 * (build-aux/traps-table.sh).  What is not here is the hardware's.
 */
#ifndef HYPERVISOR_AMD_TRAPS_H
#define HYPERVISOR_AMD_TRAPS_H

/* TRAP(word of the VMCB, bit, handler, what, why) */
#define AMD_TRAPS(TRAP)                                                                         \
	TRAP(MISC1, 1, on_nmi, "NMI",                                                           \
	     "processors of the hypervisor call each other by NMI; others are handed on")       \
	TRAP(MISC1, 3, on_init, "INIT", "would take the processor from beneath the hypervisor") \
	TRAP(MISC1, 18, on_cpuid, "CPUID", "hides AMD-V, names Sill")                           \
	TRAP(MISC1, 22, on_invd, "INVD",                                                        \
	     "would throw away what our own caches hold; done as WBINVD")                       \
	TRAP(MISC1, 26, on_svm, "INVLPGA", "AMD-V is not the root's")                           \
	TRAP(MISC1, 27, on_io, "I/O", "only the ports that suspend to RAM")                     \
	TRAP(MISC1, 28, on_msr, "RDMSR, WRMSR", "only those in the next table")                 \
	TRAP(MISC1, 31, on_shutdown, "shutdown",                                                \
	     "a triple fault resets the PC, and the log says so first")                         \
	TRAP(MISC2, 0, on_svm, "VMRUN",                                                         \
	     "AMD-V is not the root's, and the processor demands this trap")                    \
	TRAP(MISC2, 1, on_vmmcall, "VMMCALL", "hypercalls")                                     \
	TRAP(MISC2, 2, on_svm, "VMLOAD", "AMD-V is not the root's")                             \
	TRAP(MISC2, 3, on_svm, "VMSAVE", "AMD-V is not the root's")                             \
	TRAP(MISC2, 4, on_svm, "STGI", "AMD-V is not the root's")                               \
	TRAP(MISC2, 5, on_svm, "CLGI", "AMD-V is not the root's")                               \
	TRAP(MISC2, 6, on_svm, "SKINIT", "would start another hypervisor")

/* Trapped for a while only: TRANSIENT(word, bit, handler, what, when) */
#define AMD_TRANSIENT_TRAPS(TRAP)                                                     \
	TRAP(MISC1, 20, on_iret, "IRET",                                              \
	     "while the root handles an NMI, where the processor has no virtual NMI") \
	TRAP(EXCEPTIONS, 1, on_debug, "#DB",                                          \
	     "for one instruction, the IRET that ends an NMI handler")

/* MSR(number, read, write, what, why) */
#define AMD_MSRS(MSR)                                                                           \
	MSR(MSR_APIC_BASE, 1, 1, "APIC_BASE",                                                   \
	    "the local APIC must not move, nor be turned off while we need it")                 \
	MSR(MSR_X2APIC_ICR, 0, 1, "x2APIC ICR", "INIT and SIPI")                                \
	MSR(MSR_EFER, 1, 1, "EFER", "SVME is always set and never seen")                        \
	MSR(MSR_SYSCFG, 0, 1, "SYSCFG", "would encrypt memory, or take RAM away from under us") \
	MSR(MSR_TOP_MEM, 0, 1, "TOP_MEM", "would take RAM away from under us")                  \
	MSR(MSR_TOP_MEM2, 0, 1, "TOP_MEM2", "would take RAM away from under us")                \
	MSR(MSR_SMM_BASE, 0, 1, "SMM_BASE", "system management mode sees all memory")           \
	MSR(MSR_SMM_ADDRESS, 0, 1, "SMM_ADDR", "system management mode sees all memory")        \
	MSR(MSR_SMM_MASK, 0, 1, "SMM_MASK", "system management mode sees all memory")           \
	MSR(MSR_VM_CR, 1, 1, "VM_CR", "AMD-V is not the root's")                                \
	MSR(MSR_VM_HSAVE_PA, 1, 1, "VM_HSAVE_PA", "where the processor keeps our state")        \
	MSR(MSR_SVM_KEY, 1, 1, "SVM_KEY", "AMD-V is not the root's")

#endif
