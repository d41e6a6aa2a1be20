// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtual processor: its making, and KVM_RUN.  docs/module.md draws the loop.
 *
 * With interrupts off, from the last look at requests and signals to the end of the run, nothing of
 * Linux's runs on this processor: so what the hypervisor leaves to us (XCR0, DR0 to DR3, TSC_AUX)
 * is the guest's for just that long.  Whoever wants the thread sets a request and then looks at
 * `mode`; the thread sets `mode` and then looks at the requests.
 */
#include "module/vcpu.h"

#include <asm/debugreg.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <linux/anon_inodes.h>
#include <linux/entry-kvm.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vtime.h>

#include "module/control.h"
#include "module/emulate.h"
#include "module/irqchip.h"
#include "module/versions.h"

void vcpu_kick(struct vcpu *vcpu)
{
	int cpu;

	wake_up(&vcpu->halted);
	cpu = get_cpu();
	/* After the request: pairs with the barrier in enter(). */
	smp_mb();
	if (READ_ONCE(vcpu->mode) == VCPU_IN_GUEST && READ_ONCE(vcpu->cpu) != cpu)
		smp_send_reschedule(READ_ONCE(vcpu->cpu));
	put_cpu();
}

void vcpu_request(struct vcpu *vcpu, unsigned int request)
{
	set_bit(request, &vcpu->requests);
	vcpu_kick(vcpu);
}

void vcpu_fetch(struct vcpu *vcpu, u32 groups)
{
	/* It cannot fail while there is a session, and without one nobody runs what is here. */
	hypercall(SILL_CALL_FETCH, vcpu->vm->session, vcpu->number, groups, 0);
	vcpu->have |= groups;
}

/* Debug addresses count only when DR7 enables one, or the guest reaches them without exits. */
static bool needs_debug_addresses(const struct vcpu *vcpu)
{
	return vcpu->debug_live || (vcpu->state->system.dr7 & 0xff);
}

static void load_debug_addresses(const struct vcpu *vcpu)
{
	const u64 *address = (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP) ? vcpu->debugger_address
	                                                                  : vcpu->debug_address;

	/* The root's own breakpoints are not at the guest's addresses. */
	if (hw_breakpoint_active())
		set_debugreg(0, 7);
	set_debugreg(address[0], 0);
	set_debugreg(address[1], 1);
	set_debugreg(address[2], 2);
	set_debugreg(address[3], 3);
}

static void store_debug_addresses(struct vcpu *vcpu)
{
	if (vcpu->debug_live) {
		get_debugreg(vcpu->debug_address[0], 0);
		get_debugreg(vcpu->debug_address[1], 1);
		get_debugreg(vcpu->debug_address[2], 2);
		get_debugreg(vcpu->debug_address[3], 3);
	}
	if (hw_breakpoint_active())
		hw_breakpoint_restore();
}

/* Interrupts are off. */
static s64 run_with_guest_state(struct vcpu *vcpu)
{
	bool debug = needs_debug_addresses(vcpu);
	u64 host_xcr0 = xcr0_of_linux, host_aux = 0;
	s64 reason;

	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (host_xcr0 && vcpu->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
	if (vcpu->has_rdtscp) {
		rdmsrl(MSR_TSC_AUX, host_aux);
		wrmsrl(MSR_TSC_AUX, vcpu->tsc_aux);
	}
	if (debug)
		load_debug_addresses(vcpu);

	do {
		reason = hypercall(SILL_CALL_RUN, vcpu->vm->session, vcpu->number, 0, 0);
		vcpu->exits++;
		vcpu->have = SILL_GROUP_SETTINGS;
		if (!exit_quick(vcpu, reason))
			break;
		/* If something else comes first, this exit is none any more. */
		reason = SILL_RUN_INTERRUPT;
	} while (!READ_ONCE(vcpu->requests) && !xfer_to_guest_mode_work_pending());

	/* An emulated processor lets the guest execute XSETBV without an exit. */
	if (host_xcr0)
		vcpu->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (debug)
		store_debug_addresses(vcpu);
	if (vcpu->has_rdtscp)
		wrmsrl(MSR_TSC_AUX, host_aux);
	if (host_xcr0 && vcpu->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	return reason;
}

/*
 * One run.  The reason (enum sill_run), -EAGAIN if the thread has something else to do first, -EIO.
 */
static int enter(struct vcpu *vcpu)
{
	s64 reason;

	preempt_disable();
	event_prepare(vcpu);
	local_irq_disable();
	WRITE_ONCE(vcpu->cpu, smp_processor_id());
	/* Before the look at the requests: pairs with vcpu_kick(). */
	smp_store_mb(vcpu->mode, VCPU_IN_GUEST);
	if (READ_ONCE(vcpu->requests) || xfer_to_guest_mode_work_pending()) {
		WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
		local_irq_enable();
		preempt_enable();
		vcpu->events.injected = vcpu->state->event;
		return -EAGAIN;
	}
	vtime_account_guest_enter();
	reason = run_with_guest_state(vcpu);
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE);
	/* The interrupt that ended the run is taken here, and its time is the guest's. */
	local_irq_enable();
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
	if (reason < 0) {
		pr_warn_ratelimited("sill: RUN of virtual processor %u: %lld\n", vcpu->number,
		                    reason);
		return -EIO;
	}
	event_take_back(vcpu);
	if (vcpu->irq)
		irqchip_store_tpr(vcpu);
	return (int)reason;
}

/* What others have asked for.  As exits do. */
static int take_requests(struct vcpu *vcpu)
{
	int vector;

	if (!READ_ONCE(vcpu->requests))
		return 1;
	clear_bit(VCPU_REQUEST_EVENT, &vcpu->requests);
	if (test_and_clear_bit(VCPU_REQUEST_NMI, &vcpu->requests)) {
		if (vcpu->events.nmi_pending < 2)
			vcpu->events.nmi_pending++;
	}
	if (test_and_clear_bit(VCPU_REQUEST_CLOCK, &vcpu->requests))
		clock_update(vcpu);
	if (test_and_clear_bit(VCPU_REQUEST_TRAPS, &vcpu->requests))
		vcpu_update_traps(vcpu);
	if (test_and_clear_bit(VCPU_REQUEST_INIT, &vcpu->requests))
		vcpu_init(vcpu);
	if (test_and_clear_bit(VCPU_REQUEST_SIPI, &vcpu->requests))
		vcpu_start(vcpu, READ_ONCE(vcpu->sipi_vector));
	vector = irqchip_next_end(vcpu);
	if (vector >= 0) {
		/* There may be more. */
		set_bit(VCPU_REQUEST_EVENT, &vcpu->requests);
		vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = vector;
		return 0;
	}
	if (test_and_clear_bit(VCPU_REQUEST_SHUTDOWN, &vcpu->requests)) {
		vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
		return 0;
	}
	return 1;
}

/* A processor that waits, for an interrupt or to be started.  As exits do. */
static int wait_until_runnable(struct vcpu *vcpu)
{
	int result;

	while (vcpu->mp_state != KVM_MP_STATE_RUNNABLE) {
		if (event_wakes(vcpu)) {
			vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
			break;
		}
		if (wait_event_interruptible(vcpu->halted,
		                             READ_ONCE(vcpu->requests) || event_wakes(vcpu)))
			return -EINTR;
		/* A request may be what makes it run. */
		result = take_requests(vcpu);
		if (result <= 0)
			return result;
	}
	return 1;
}

/* Can an interrupt of the VMM's 8259A be delivered? */
static bool takes_interrupt(struct vcpu *vcpu)
{
	return !vcpu->events.interrupt_pending && event_interrupt_allowed(vcpu) &&
	       (!vcpu->irq || irqchip_takes_pic(vcpu));
}

static int run_loop(struct vcpu *vcpu)
{
	int result;

	for (;;) {
		result = take_requests(vcpu);
		if (result <= 0)
			return result;
		result = wait_until_runnable(vcpu);
		if (result > 0)
			result = work_do() ? -EINTR : 1;
		if (result == -EINTR)
			vcpu->run->exit_reason = KVM_EXIT_INTR;
		if (result <= 0)
			return result;
		if (vcpu->run->request_interrupt_window && takes_interrupt(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			return 0;
		}
		if (clock_is_stale(vcpu))
			clock_update(vcpu);
		result = enter(vcpu);
		if (result == -EAGAIN)
			continue;
		if (result < 0)
			return result;
		result = exit_handle(vcpu, result);
		if (result <= 0)
			return result;
	}
}

static int take_synced(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = run->kvm_dirty_regs;
	int error = 0;

	if ((run->kvm_valid_regs | dirty) & ~KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (!dirty)
		return 0;
	run->kvm_dirty_regs = 0;
	vcpu_want(vcpu, SILL_GROUPS);
	if (dirty & KVM_SYNC_X86_REGS) {
		struct kvm_regs regs = run->s.regs.regs;

		vcpu_set_regs(vcpu, &regs);
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		struct kvm_sregs sregs = run->s.regs.sregs;

		error = vcpu_set_sregs(vcpu, &sregs);
	}
	if (!error && (dirty & KVM_SYNC_X86_EVENTS)) {
		struct kvm_vcpu_events events = run->s.regs.events;

		error = vcpu_set_events(vcpu, &events);
	}
	return error;
}

/* What every exit to the VMM tells. */
static void tell(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = (vcpu->state->rflags & X86_EFLAGS_IF) != 0;
	run->flags = 0;
	run->cr8 = vcpu->state->tpr;
	run->apic_base = vcpu->apic_base;
	run->ready_for_interrupt_injection = takes_interrupt(vcpu);
	if (!run->kvm_valid_regs)
		return;
	vcpu_want(vcpu, SILL_GROUPS);
	if (run->kvm_valid_regs & KVM_SYNC_X86_REGS)
		vcpu_get_regs(vcpu, &run->s.regs.regs);
	if (run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		vcpu_get_sregs(vcpu, &run->s.regs.sregs);
	if (run->kvm_valid_regs & KVM_SYNC_X86_EVENTS)
		vcpu_get_events(vcpu, &run->s.regs.events);
}

void vcpu_complete_with(struct vcpu *vcpu, int (*complete)(struct vcpu *vcpu))
{
	vcpu->complete = complete;
	vcpu->complete_rip = vcpu->state->rip;
}

/* The VMM's answer to the last exit.  As exits do. */
static int take_answer(struct vcpu *vcpu)
{
	int (*complete)(struct vcpu * vcpu) = vcpu->complete;

	vcpu->complete = NULL;
	/* A machine that was reset in the middle of an instruction has forgotten it. */
	return complete && vcpu->state->rip == vcpu->complete_rip ? complete(vcpu) : 1;
}

int vcpu_run(struct vcpu *vcpu)
{
	sigset_t saved;
	int result;

	result = take_synced(vcpu);
	if (result)
		return result;
	if (vcpu->has_signal_mask)
		sigprocmask(SIG_SETMASK, &vcpu->signal_mask, &saved);
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
	if (!vcpu->irq)
		vcpu->state->tpr = vcpu->run->cr8 & 15;
	result = take_answer(vcpu);
	if (result > 0)
		result = READ_ONCE(vcpu->run->immediate_exit__unsafe) ? -EINTR : run_loop(vcpu);
	/* The next run begins with exits for debug registers. */
	if (vcpu->debug_live) {
		vcpu->debug_live = false;
		/* DR7 stays from now on what it is there. */
		vcpu_want(vcpu, SILL_GROUP_SYSTEM);
		vcpu_update_traps(vcpu);
	}
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
	tell(vcpu);
	vcpu->exits_to_vmm++;
	if (vcpu->has_signal_mask)
		sigprocmask(SIG_SETMASK, &saved, NULL);
	return result;
}

static bool allocate(struct vcpu *vcpu)
{
	vcpu->state = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->emulate = kzalloc(sizeof(*vcpu->emulate), GFP_KERNEL_ACCOUNT);
	return vcpu->emulate && vcpu->state && vcpu->run && vcpu->pio &&
	       fpu_alloc_guest_fpstate(&vcpu->fpu);
}

/* Only when the session, which has the page of the state, is gone, or never had it. */
void vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	irqchip_free_vcpu(vcpu);
	if (vcpu->fpu.fpstate)
		fpu_free_guest_fpstate(&vcpu->fpu);
	free_page((unsigned long)vcpu->pio);
	free_page((unsigned long)vcpu->run);
	free_page((unsigned long)vcpu->state);
	kfree(vcpu->emulate);
	kvfree(vcpu);
}

/* With vm->lock: the virtual processor becomes the hypervisor's and the machine's. */
static int add(struct vm *vm, struct vcpu *vcpu)
{
	s64 number;

	number = hypercall_errno(
		control_call(SILL_CALL_VCPU, vm->session, virt_to_phys(vcpu->state), 0));
	if (number < 0)
		return number;
	vcpu->number = number;
	vm->vcpus[vm->vcpu_count] = vcpu;
	/* Whoever sees the count sees the entry. */
	smp_store_release(&vm->vcpu_count, vm->vcpu_count + 1);
	return 0;
}

static bool id_is_taken(const struct vm *vm, u32 id)
{
	u32 i;

	for (i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i]->id == id)
			return true;
	}
	return false;
}

static int create_locked(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	struct file *file;
	char name[32];
	int fd, error = -ENOMEM;

	if (vm->vcpu_id_max && id >= vm->vcpu_id_max)
		return -EINVAL;
	if (id_is_taken(vm, id))
		return -EEXIST;
	if (vm->vcpu_count == VM_VCPUS_MAX)
		return -EINVAL;
	vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->id = id;
	mutex_init(&vcpu->mutex);
	init_waitqueue_head(&vcpu->halted);
	if (!allocate(vcpu))
		goto free;
	fd = get_unused_fd_flags(O_CLOEXEC);
	error = fd;
	if (fd < 0)
		goto free;
	vcpu_reset(vcpu);
	clock_create_vcpu(vcpu);
	error = irqchip_add_vcpu(vcpu);
	if (error)
		goto put_fd;
	error = add(vm, vcpu);
	if (error)
		goto put_fd;
	irqchip_publish_vcpu(vcpu);
	snprintf(name, sizeof(name), "kvm-vcpu:%u", id);
	file = anon_inode_getfile(name, &vcpu_file_operations, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		/*
		 * The hypervisor has it and keeps it until the session ends: it stays, as nobody's.
		 */
		vcpu->id = U32_MAX;
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	kref_get(&vm->references);
	fd_install(fd, file);
	return fd;

put_fd:
	put_unused_fd(fd);
free:
	vcpu_free(vcpu);
	return error;
}

int vcpu_create(struct vm *vm, u32 id)
{
	if (id >= VM_VCPU_ID_MAX)
		return -EINVAL;
	guard(mutex)(&vm->lock);
	return create_locked(vm, id);
}
