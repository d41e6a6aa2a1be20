/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files about sessions share: a virtual processor's part that is AMD's, and what of the
 * control block only sessions use.
 */
#ifndef HYPERVISOR_AMD_VCPU_H
#define HYPERVISOR_AMD_VCPU_H

#include "hypervisor/amd/svm.h"
#include "hypervisor/core/session.h"

static_assert(sizeof(struct svm) <= sizeof(((struct vcpu *)0)->vendor), "struct svm has its place");

/* What an exit of a session means when it means nothing to the root. */
#define VCPU_AGAIN SILL_RUN_KINDS
/* A field of the shared page that is looked at twice. */
#define ONCE(field)     __atomic_load_n(&(field), __ATOMIC_RELAXED)

#define MISC1_INTERRUPT (1u << 0)
#define MISC1_NMI       (1u << 1)
#define MISC1_INIT      (1u << 3)
#define MISC1_VINTR     (1u << 4)
#define MISC1_IO        (1u << 27)
#define MISC1_MSR       (1u << 28)
#define MISC1_TASK      (1u << 29)
#define MISC1_SHUTDOWN  (1u << 31)

#define EXIT_EXCEPTIONS 0x40u
#define EXIT_MISC       0x60u
#define EXIT_INTERRUPT  0x60u
#define EXIT_NMI        0x61u
#define EXIT_INIT       0x63u
#define EXIT_VINTR      0x64u
#define EXIT_IRET       0x74u
#define EXIT_IO         0x7Bu
#define EXIT_MSR        0x7Cu
#define EXIT_TASK       0x7Du
#define EXIT_SHUTDOWN   0x7Fu
#define EXIT_VMMCALL    0x81u
#define EXIT_INVALID    UINT32_MAX

/* interrupt_control */
#define CONTROL_V_TPR        UINT64_C(0x0F)
#define CONTROL_V_IRQ        (UINT64_C(1) << 8)
#define CONTROL_V_IGNORE_TPR (UINT64_C(1) << 20)
#define CONTROL_V_MASKING    (UINT64_C(1) << 24) /* RFLAGS.IF and CR8 are the guest's alone */

#define EVENT_BITS           UINT64_C(0xFFFFFFFF80000FFF)
/* It is one of that kind. */
#define EVENT_IS(event, kind) \
	(((event) & (EVENT_VALID | UINT64_C(7) << 8)) == (EVENT_VALID | (kind)))

/* exit_info1 */
#define NESTED_FETCH (UINT64_C(1) << 4)
#define IO_REPEAT    (UINT64_C(1) << 3)

/* exit_info2 of a task switch. */
#define TASK_IRET       (UINT64_C(1) << 36)
#define TASK_JUMP       (UINT64_C(1) << 38)

#define MSR_SYSENTER_CS 0x174u
#define MSR_STAR        0xC0000081u
#define MSR_FS_BASE     0xC0000100u
#define MSR_GS_BASE     0xC0000101u

/*
 * After VMMCALL of the root: if it is SILL_CALL_RUN, all there is to do; false: it is something else,
 * and nothing was done.
 */
bool svm_runs_session(struct cpu *cpu, struct vmcb *vmcb);
/* vcpu.c, vcpu-exit.c: those of sessions. */
void svm_vcpus_setup(void);
void svm_tags_start(struct svm *root);
void svm_vcpu_setup(struct vcpu *vcpu);
enum sill_run svm_vcpu_run(struct cpu *cpu, struct vcpu *vcpu);
void svm_vcpu_fetch(struct vcpu *vcpu, uint32_t groups);
enum sill_run svm_vcpu_exit(struct cpu *cpu, struct vcpu *vcpu, struct svm *svm);
enum sill_run svm_window(struct svm *svm, struct sill_vcpu *page, uint32_t window);
/* What was being delivered at an exit is so only once more if someone injects it. */
bool svm_is_lost(const struct svm *svm, uint64_t during);

#endif
