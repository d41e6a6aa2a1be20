/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual processor.  Everything is its thread's, under `mutex`, but what is said to be
 * others'.
 */
#ifndef MODULE_VCPU_H
#define MODULE_VCPU_H

#include <asm/fpu/api.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "module/cpuid.h"
#include "module/msr.h"
#include "module/vm.h"

/* Bits of `requests`: somebody wants something of the thread. */
enum {
	VCPU_REQUEST_EVENT,    /* look for events to deliver again */
	VCPU_REQUEST_NMI,      /* one more NMI */
	VCPU_REQUEST_CLOCK,    /* the paravirtual clock's page is out of date */
	VCPU_REQUEST_SHUTDOWN, /* a triple fault */
	VCPU_REQUEST_INIT,
	VCPU_REQUEST_SIPI,  /* with `sipi_vector` */
	VCPU_REQUEST_TRAPS, /* the MSR filter has changed */
};

/* An instruction that exited, and was decoded: guest.c. */
#define GUEST_LENGTHS 16u
struct guest_length {
	u64 rip;
	const u8 __user *place;
	u32 bytes, mask; /* its first four, of which the mask's are its own */
	u8 length, reason;
};

/* Where the thread is. */
enum { VCPU_OUTSIDE, VCPU_IN_GUEST };

/* What is to be delivered. */
struct vcpu_events {
	u64 injected; /* SILL_EVENT_…: was being delivered, and is again; 0: none */
	bool exception_pending, exception_has_code, exception_has_payload;
	u8 exception;
	u32 exception_code;
	u64 exception_payload; /* CR2, or new bits of DR6 */
	u8 nmi_pending;
	bool interrupt_pending; /* KVM_INTERRUPT's, without an interrupt controller here */
	u8 interrupt;
	u32 sipi_vector;
};

struct vcpu {
	struct vm *vm;
	u32 id;     /* the VMM's number, and the APIC's */
	u32 number; /* the hypervisor's */
	struct mutex mutex;

	/* Others': */
	unsigned long requests;
	int mode, cpu;
	wait_queue_head_t halted;
	u8 sipi_vector;
	struct local_irq *irq; /* NULL: its APIC is the VMM's */

	struct sill_vcpu *state;
	u32 have; /* groups of the state that are in `state`; the others vcpu_want() brings */
	struct kvm_run *run;
	void *pio;
	/*
	 * The VMM's answer to the last exit is in `run`: takes it.  As exits do: 1 go on, 0 exit,
	 * -errno.
	 */
	int (*complete)(struct vcpu *vcpu);
	u64 complete_rip; /* the VMM may have put it elsewhere meanwhile */
	struct emulate *emulate;
	u32 ahead,
		ahead_at; /* what more of a port was read for its instruction: how often, where */

	struct vcpu_events events;
	u32 mp_state; /* KVM_MP_STATE_… */

	struct fpu_guest fpu;
	u64 xcr0, xss;
	u64 debug_address[4];
	bool debug_live; /* the guest uses DR0 to DR3 and DR7 without exits */
	u32 guest_debug; /* KVM_GUESTDBG_… */
	/*
	 * With KVM_GUESTDBG_USE_HW_BP the processor's DR7 is the debugger's and the guest's is
	 * here.
	 */
	u64 guest_dr7, debugger_dr7, debugger_address[4];

	struct cpuid_table cpuid;
	struct msr_values msrs;
	u64 apic_base, tsc_aux, tsc_adjust;
	bool has_rdtscp;
	bool pv_enforced; /* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	u64 clock_msr;    /* MSR_KVM_SYSTEM_TIME */
	int clock_cpu;    /* the processor on which the clock's page was written */
	u32 clock_version;
	bool clock_paused;

	bool has_signal_mask;
	sigset_t signal_mask;

	struct guest_length lengths[GUEST_LENGTHS];

	/* Statistics, for /dev/sill. */
	u64 exits, exits_to_vmm;
};

/* vcpu.c */
int vcpu_create(struct vm *vm, u32 id);
void vcpu_free(struct vcpu *vcpu);
/* Sets a request of another thread's, and makes it look. */
void vcpu_request(struct vcpu *vcpu, unsigned int request);
void vcpu_kick(struct vcpu *vcpu);
int vcpu_run(struct vcpu *vcpu);
/* Brings groups of the state from the hypervisor.  In any context of the thread. */
void vcpu_fetch(struct vcpu *vcpu, u32 groups);

/* The next KVM_RUN begins with this, if RIP is still the same. */
void vcpu_complete_with(struct vcpu *vcpu, int (*complete)(struct vcpu *vcpu));

/* vcpu-ioctl.c */
extern const struct file_operations vcpu_file_operations;

/* vcpu-state.c: KVM's structures.  A setter says -EINVAL before anything is changed. */
void vcpu_reset(struct vcpu *vcpu);
/* What INIT does, and SIPI. */
void vcpu_init(struct vcpu *vcpu);
void vcpu_start(struct vcpu *vcpu, u8 vector);
void vcpu_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
void vcpu_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);
void vcpu_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs);
int vcpu_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs);

/* fpu.c */
int vcpu_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
int vcpu_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu);
void vcpu_get_xsave(struct vcpu *vcpu, struct kvm_xsave *area);
int vcpu_set_xsave(struct vcpu *vcpu, const struct kvm_xsave *area);
/* As struct emulate_ops has them. */
void vcpu_vector_read(void *context, unsigned int number, u8 *data, unsigned int size);
void vcpu_vector_write(void *context, unsigned int number, const u8 *data, unsigned int size,
                       bool clear);

/* vcpu-regs.c: XCR0, debug registers, events */
int vcpu_set_xcr0(struct vcpu *vcpu, u64 value);
void vcpu_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *regs);
int vcpu_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *regs);
int vcpu_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *debug);
u64 vcpu_guest_dr7(const struct vcpu *vcpu);
void vcpu_set_guest_dr7(struct vcpu *vcpu, u64 value);
/* Which instructions and exceptions exit, after something that decides it has changed. */
void vcpu_update_traps(struct vcpu *vcpu);
void vcpu_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int vcpu_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events);

/* events.c */
#define NO_CODE (-1)
/* An exception of the guest's; code NO_CODE: without one. */
void event_exception(struct vcpu *vcpu, u8 vector, s64 code);
void event_page_fault(struct vcpu *vcpu, u64 address, u32 code);
/* After a run: what was interrupted. */
void event_take_back(struct vcpu *vcpu);
/* Before a run: what is delivered, and which windows are wanted. */
void event_prepare(struct vcpu *vcpu);
bool event_interrupt_allowed(const struct vcpu *vcpu);
/* Is there something for which a halted processor wakes up? */
bool event_wakes(struct vcpu *vcpu);

/* exits.c: 1 go on, 0 the VMM is needed (vcpu->run is filled in), -errno. */
int exit_handle(struct vcpu *vcpu, enum sill_run reason);
/* With interrupts off, right behind the run: true: it is done, and nothing else has changed. */
bool exit_quick(struct vcpu *vcpu, enum sill_run reason);
/* Steps over the instruction that exited.  As exits do. */
int exit_skip(struct vcpu *vcpu);
/* The instruction is done and RIP is behind it: what follows from that.  As exits do. */
int exit_finish(struct vcpu *vcpu);

/* emulation.c: carries out the instruction that touched a device.  As exits do. */
int exit_emulate(struct vcpu *vcpu);
/* The instruction at RIP; NULL, and what the exit does instead. */
const struct insn *exit_decode(struct vcpu *vcpu, int *ret_result);
/* The VMM is told of an instruction that cannot be emulated. */
int exit_emulation_error(struct vcpu *vcpu);

/* guest.c: an address as the virtual processor sees it; walk_translate() with its registers. */
int guest_translate(void *vcpu, u64 linear, unsigned int access, u64 *ret_guest, u32 *ret_code);
/*
 * The length of the instruction that exited, if one that exited there for the same reason was
 * learned before and its bytes are still the same; 0.  In any context of the thread.
 */
unsigned int guest_known_length(struct vcpu *vcpu);
/* This is its length. */
void guest_learn_length(struct vcpu *vcpu, unsigned int length);

/* msr.c */
enum msr_answer msr_read(struct vcpu *vcpu, u32 index, bool by_host, u64 *ret);
enum msr_answer msr_write(struct vcpu *vcpu, u32 index, u64 value, bool by_host);
int msr_setup_mce(struct vcpu *vcpu, u64 capability);
bool msr_apic_base_is_sound(struct vcpu *vcpu, u64 value);
/*
 * KVM_GET_MSRS, KVM_SET_MSRS; without a virtual processor, those that say what the processor can do.
 * Returns how many were done, up to the first that is not there.
 */
long msr_transfer(struct vcpu *vcpu, struct kvm_msrs __user *user, bool set);

/* cpuid-ioctl.c */
int cpuid_get_supported(struct kvm_cpuid2 __user *to);
/* `old`: KVM_SET_CPUID, whose entries have no index. */
int cpuid_put(struct vcpu *vcpu, void __user *from, bool old);
int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 __user *to);
/* When the module is loaded. */
int cpuid_setup(void);
struct cpuid_state cpuid_state_of(const struct vcpu *vcpu);
/* The bits of CR4 that a VMM may set. */
u64 vcpu_cr4_allowed(const struct vcpu *vcpu);
/* XCR0 as Linux has it, set when the module is loaded; and what of it guests may use. */
extern u64 xcr0_of_linux;
u64 cpuid_host_xcr0(void);

/* clock.c */
void clock_create(struct vm *vm);
void clock_create_vcpu(struct vcpu *vcpu);
u64 clock_guest_tsc(const struct vcpu *vcpu);
void clock_set_tsc(struct vcpu *vcpu, u64 value, bool by_host);
void clock_set_tsc_offset(struct vcpu *vcpu, u64 offset);
void clock_set_adjust(struct vcpu *vcpu, u64 value, bool by_host);
/* Writes the clock's page if it has to be.  In the VMM's thread. */
int clock_update(struct vcpu *vcpu);
bool clock_is_stale(const struct vcpu *vcpu);
void clock_set_system_msr(struct vcpu *vcpu, u64 value);
int clock_set_wall_msr(struct vcpu *vcpu, u64 value);
int clock_get(struct vm *vm, struct kvm_clock_data *data);
int clock_set(struct vm *vm, const struct kvm_clock_data *data);
bool clock_tsc_stable(void);
/* KVM_KVMCLOCK_CTRL: the guest was paused. */
int clock_pause(struct vcpu *vcpu);

/* Before groups of the state are looked at, and before they are changed. */
static inline void vcpu_want(struct vcpu *vcpu, u32 groups)
{
	if (groups & ~vcpu->have)
		vcpu_fetch(vcpu, groups & ~vcpu->have);
}

/* After they were changed. */
/* work.c: Linux's work before a guest is entered; 0, or -EINTR: a signal waits. */
int work_setup(void);
void work_free(void);
int work_do(void);

static inline void vcpu_changed(struct vcpu *vcpu, u32 groups)
{
	vcpu->state->put |= groups;
}

/* 64-bit code? */
static inline bool vcpu_long_code(const struct vcpu *vcpu)
{
	const struct sill_vcpu *state = vcpu->state;

	if (~vcpu->have & (SILL_GROUP_SYSTEM | SILL_GROUP_SEGMENTS))
		return state->mode & SILL_MODE_64;
	return (state->system.efer & 0x400) && (state->segments[SILL_CS].attributes & 0x200);
}

/* RIP as a linear address. */
static inline u64 vcpu_linear_rip(struct vcpu *vcpu)
{
	const struct sill_vcpu *state = vcpu->state;

	if (vcpu_long_code(vcpu))
		return state->rip;
	vcpu_want(vcpu, SILL_GROUP_SEGMENTS);
	return (u32)(state->rip + state->segments[SILL_CS].base);
}

#endif
