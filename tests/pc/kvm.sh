#!/usr/bin/env bash
# /dev/kvm on the hypervisor: the module in a root session, with a small VMM and with Debian's QEMU.  FULL=1 adds Debian 13's kernel
# and more of QEMU's machines.
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"

# The small VMM passes all of its tests on this kernel, and the module goes as it came.
small_vmm_on()
{
	module_root "$1"
	cat >"$work/$1/script" <<-'SCRIPT'
		insmod /sill.ko && echo "kvm: loaded"
		/kvm-probe
		/kvm-calls
		rmmod sill && echo "kvm: unloaded"
	SCRIPT
	pc "small-$1" --kernel "$1" --add "$work/$1" --line pc.then=script
	said "small-$1" '^kvm: loaded$'
	said "small-$1" '^kvm: ok a_guest_writes_ports_and_halts$'
	said "small-$1" '^kvm: ok machines_come_and_go$'
	said "small-$1" '^kvm: ok statistics_are_files_that_stay_up_to_date$'
	said "small-$1" '^kvm: unloaded$'
	silent "small-$1" '^kvm: failed'
	silent "small-$1" 'WARNING:|BUG:|keeps [0-9]+ donations'
}

the_small_vmm_runs_on_debian_12s_kernel()
{
	small_vmm_on 6.1
}

the_small_vmm_runs_on_debian_13s_kernel()
{
	small_vmm_on 6.12
}

the_module_refuses_a_pc_without_the_hypervisor()
{
	module_root 6.1
	echo 'insmod /sill.ko || echo "kvm: refused"' >"$work/6.1/script"
	pc refused --bare --kernel 6.1 --add "$work/6.1" --line pc.then=script
	said refused 'sill: this computer does not run on the Sill hypervisor'
	said refused '^kvm: refused$'
}

# The session is destroyed, and its memory is the kernel's again, before the kernel goes: as kexec wants it.
a_machine_that_runs_ends_before_its_kernel_does()
{
	module_root 6.1
	cat >"$work/6.1/script" <<-'SCRIPT'
		insmod /sill.ko
		/kvm-probe for-ever >/for-ever &
		until grep -q 'the guest runs' /for-ever; do sleep 0.1; done
		echo "kvm: a guest runs"
	SCRIPT
	pc ends --kernel 6.1 --add "$work/6.1" --line pc.then=script
	said ends '^kvm: a guest runs$'
	said ends 'sill: all machines are stopped; the hypervisor keeps 0 donations'
	silent ends 'WARNING:|BUG:'
}

# Guests of QEMU's: "MACHINE CHIP CPUS".
qemus_machines_reach_init()
{
	local kind machine chip cpus kinds=("q35 split 2")
	[ -z "${FULL:-}" ] || kinds+=("q35 on 2" "pc on 1" "microvm on 1")
	module_root 6.1
	add_qemu "$work/6.1"
	echo 'insmod /sill.ko' >"$work/6.1/script"
	for kind in "${kinds[@]}"; do
		read -r machine chip cpus <<<"$kind"
		cat >>"$work/6.1/script" <<-SCRIPT
			echo "qemu: $kind begins"
			/usr/bin/qemu-system-x86_64 -accel kvm,kernel-irqchip=$chip -cpu host -M $machine -m 256 \
				-smp $cpus -nodefaults -display none -no-reboot -serial stdio \
				-kernel /guest/vmlinuz -initrd /guest/initrd \
				-append "console=ttyS0 panic=-1 reboot=t" </dev/null
			echo "qemu: $kind: \$?"
		SCRIPT
	done
	echo 'rmmod sill && echo "kvm: unloaded"' >>"$work/6.1/script"
	pc qemu --memory 1536 --kernel 6.1 --add "$work/6.1" --line pc.then=script --quiet 120
	for kind in "${kinds[@]}"; do
		said qemu "^qemu: $kind: 0$"
		sed -n "/^qemu: $kind begins/,/^qemu: $kind:/p" "$work/qemu.serial" |
			grep -qa "^guest: init cpus ${kind##* }" || fail "$kind did not reach init"
	done
	said qemu '^kvm: unloaded$'
}

run_tests the_small_vmm_runs_on_debian_12s_kernel ${FULL:+the_small_vmm_runs_on_debian_13s_kernel} \
	the_module_refuses_a_pc_without_the_hypervisor a_machine_that_runs_ends_before_its_kernel_does \
	qemus_machines_reach_init
