#!/usr/bin/env bash
# What happens to a root session while it runs: NMI, machine check, a forbidden sleep; and to the
# hypervisor: a panic.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 cpio socat jq gdb
. "$SILL_SOURCE/tests/pc/pc.sh"

# waiting NAME OPTION…: a root session that does nothing more, with a monitor.
waiting()
{
	local name=$1
	shift
	pc_start "$name" --line "pc.then=wait" "$@" -- $(pc_monitor "$name")
	wait_for "$patience" pc_said "$name" '^pc: waiting'
}

nmis()
{
	grep -ac 'NMI received for unknown reason' "$work/nmi.serial"
}

an_nmi_from_outside_reaches_the_root_once()
{
	local n
	waiting nmi --cpus 2
	for n in 1 2 3; do
		monitor nmi nmi
		wait_for 60 eval '[ "$(nmis)" -ge '$n' ]' || fail "NMI $n was lost"
	done
	# Whatever else it was would be there before this.
	monitor nmi 'sendkey a'
	[ "$(nmis)" = 3 ] || fail "$(nmis) of 3"
	monitor nmi quit
	pc_wait nmi
}

a_machine_check_is_handled_by_the_root()
{
	waiting mce --cpus 2
	# Bank 3 of processor 0 has seen an error that cannot be corrected.
	monitor mce "mce 0 3 0xb200000000000145 5 0x12345000 0x8c"
	pc_wait mce
	said mce "CPU 0: Machine Check Exception: 5 Bank 3: b200000000000145"
	said mce "Kernel panic - not syncing: .*machine check"
	silent mce "^sill: PANIC"
}

a_suspend_to_ram_behind_acpis_back_is_refused_and_the_root_goes_on()
{
	[ -z "${BARE:-}" ] || skip "the bare PC does it"
	pc ram --line pc.then=ram
	said ram "^sill: suspend to RAM was refused"
	said ram "^pc: suspend came back"
}

# gdb stops the processor where the hypervisor handles its next exit and puts an undefined
# instruction there.
a_panic_names_processor_reason_registers_and_functions_and_resets_the_pc()
{
	[ -z "${BARE:-}" ] || skip "there is nobody to panic"
	pc_start panic --cpus 2 --options panic=1 --line pc.then=wait -- \
		-chardev "socket,path=$work/gdb,server=on,wait=off,id=gdb" -gdb chardev:gdb
	wait_for "$patience" pc_said panic '^pc: begin'
	timeout 120 gdb -nx -batch -ex "target remote $work/gdb" -ex 'hbreak svm_exit' \
		-ex continue -ex 'set var *(unsigned short *)$pc = 0x0b0f' -ex delete \
		-ex detach "$hypervisor_elf"
	pc_wait panic
	said panic '^sill: PANIC on processor [01]: '
	said panic '^sill: .*rip .*svm_exit\+0x|^sill: .*svm_exit\+0x'
	said panic '^sill: rax '
	said panic '^sill: reset in 1 seconds'
	[ "$pc_status" = 0 ]
}

run_tests an_nmi_from_outside_reaches_the_root_once a_machine_check_is_handled_by_the_root \
	a_suspend_to_ram_behind_acpis_back_is_refused_and_the_root_goes_on \
	a_panic_names_processor_reason_registers_and_functions_and_resets_the_pc
