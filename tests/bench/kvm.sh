#!/usr/bin/env bash
# What guests' exits cost on the hypervisor and its module, and on the kernel's own KVM, in
# instructions, which do not depend on the computer that counts them.
#
#   kvm.sh DIRECTORY      writes DIRECTORY/kvm.json, and prints the table
#
# The emulated PC's time stamp counter counts instructions (QEMU's -icount shift=0,sleep=off).  The
# same root kernel, the same small VMM (kvm-cost.c has the loops), the same QEMU and guest on both.
# A boot is what the PC does from the start of QEMU to its end, without the root's idle time.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
results=${1:?usage: kvm.sh DIRECTORY}
export SILL_SOURCE=${SILL_SOURCE:-$here/../..}
: "${SILL_BUILD:=$SILL_SOURCE/build/release}" "${SILL_CACHE:=$SILL_SOURCE/build}"
export SILL_BUILD SILL_CACHE
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"
reads=20000 # of the firmware's loop

# What runs in the root.  Idle time is the kernel's, in hundredths of a second of 10^9 instructions.
script()
{
	cat <<-SCRIPT
		dmesg -n 1
		for module in /kvm-modules/*; do insmod "\$module"; done
		/kvm-cost
		/kvm-cost rom /rom
		echo "kvm: reads \$((0x\$(/usr/bin/qemu-system-x86_64 -accel kvm -M q35 -m 64 -nodefaults \
			-display none -bios /rom -device isa-debugcon,iobase=0x402,chardev=out \
			-chardev stdio,id=out -device isa-debug-exit,iobase=0xf4)))"
		read -r up idle </proc/uptime
		echo "kvm: before \$(probe ticks) \$idle"
		/usr/bin/qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 -nodefaults \
			-display none -no-reboot -serial file:/console -kernel /guest/vmlinuz \
			-initrd /guest/initrd -append "console=ttyS0 panic=-1 reboot=t"
		read -r up idle </proc/uptime
		echo "kvm: after \$(probe ticks) \$idle"
		grep -a '^guest: init' /console
	SCRIPT
}

# measure sill|stock [OPTION…]: a line of JSON.
measure()
{
	local name=$1
	shift
	pc "$name" --icount --memory 1536 --quiet 600 --kernel 6.1 --add "$work/$name" \
		--line pc.then=script "$@" >&2
	awk -v name="$name" -v reads="$reads" '
		BEGIN { printf "{\"name\": \"%s\"", name }
		/^kvm: failed/ { print > "/dev/stderr" }
		/^kvm: cost / { printf ", \"%s\": %d", $3, $4 }
		/^kvm: reads / { printf ", \"read\": %d", $3 / reads }
		/^kvm: before / { ticks = $5; idle = $6 }
		/^guest: init cpus 1/ { inits++ }
		/^kvm: after / { boot = $5 - ticks - ($6 - idle) * 1e9 }
		END { printf ", \"boot\": %.0f, \"inits\": %d}\n", boot, inits }' "$work/$name.serial"
}

table()
{
	printf '| instructions | stock KVM | Sill | ratio |\n|---|---|---|---|\n'
	jq -rs '
		def row($title; $key):
			(.[] | select(.name == "stock")[$key]) as $stock
			| (.[] | select(.name == "sill")[$key]) as $sill
			| "| \($title) | \($stock) | \($sill) | \($sill / $stock * 100 | round / 100) |";
		row("CPUID"; "cpuid"),
		row("KVM_RUN and back, a write to a port"; "port"),
		row("read of a port that QEMU answers"; "read"),
		row("end of interrupt (x2APIC)"; "eoi"),
		row("arming the timer (TSC deadline)"; "arm"),
		row("from the deadline to the end of its handler"; "timer"),
		row("interrupt to another, sleeping processor"; "ipi"),
		row("first touch of a page of 4 KiB"; "fault"),
		row("a kernel from QEMU'\''s start to init and off"; "boot")' "$results/kvm.json"
}

"$SILL_SOURCE/tests/pc/stock-kvm.sh" "$SILL_CACHE/pc" >&2 || exit 1
module_root 6.1 >&2
for name in sill stock; do
	mkdir -p "$work/$name/kvm-modules"
	cp "$SILL_BUILD/tests/bench/kvm-cost" "$work/$name/"
	add_qemu "$work/$name"
	script >"$work/$name/script"
done
cp "$work/6.1/sill.ko" "$work/sill/kvm-modules/"
cp "$SILL_CACHE"/pc/stock-kvm/*.ko "$work/stock/kvm-modules/"
measure stock --bare >"$results/kvm.json" && measure sill >>"$results/kvm.json" || exit 1
[ "$(jq -s 'map(select(.cpuid and .port and .read and .eoi and .arm and .timer and .ipi and .fault
	and .boot and .inits == 1)) | length' "$results/kvm.json")" = 2 ] || {
	echo "kvm.sh: not everything was measured" >&2
	exit 1
}
table
