# What the scripts of this folder share, sourced after tests/integration/lib.sh.  With BARE=1
# everything runs without the hypervisor, to see whether the PC itself is the reason.
hypervisor_elf=$SILL_BUILD/hypervisor/sill-hypervisor.elf64
[ -n "${BARE:-}" ] || [ -e "$SILL_BUILD/hypervisor/sill-hypervisor" ] ||
	skip_all "the hypervisor is not built"

# pc NAME OPTION…: run-pc to its end.  What the PC said is in $work/NAME.serial, its status in
# $pc_status.  A PC that hangs, or cannot be started, fails the test.
pc()
{
	local name=$1
	shift
	# Then nothing more comes, and the test need not wait until that is a hang.
	pc_start "$name" --until "^sill: stopped: " "$@"
	pc_wait "$name"
}

# The two halves of it, for a test that does something to the PC while it runs.
pc_start()
{
	local name=$1
	shift
	rm -f "$work/$name.serial"
	"$SILL_SOURCE/tests/pc/run-pc" ${BARE:+--bare} --serial "$work/$name.serial" "$@" \
		>"$work/$name.out" 2>&1 &
	pc_pid=$!
	: >"$work/pids/$pc_pid"
}

pc_wait()
{
	local name=$1
	wait "$pc_pid" && pc_status=0 || pc_status=$?
	rm -f "$work/pids/$pc_pid"
	touch "$work/$name.serial"
	sed -i 's/\r//g; s/\x1b\[[?0-9;]*[a-zA-Z]//g' "$work/$name.serial"
	cat "$work/$name.out"
	case $pc_status in
	2 | 124 | 125)
		tail -n 30 "$work/$name.serial"
		fail "run-pc ended with $pc_status"
		;;
	esac
}

# said NAME REGEX, silent NAME REGEX: a line of what the PC said is so, or none is.
said()
{
	grep -qaE -- "$2" "$work/$1.serial" || {
		grep -aE '(sill|pc):|panic|Oops' "$work/$1.serial" | tail -n 50
		fail "the PC did not say: $2"
	}
}

silent()
{
	! grep -aE -- "$2" "$work/$1.serial" || fail "the PC said: $2"
}

# Three disks of 8 MiB, one of each kind, each with its own bytes: options of run-pc in $pc_disks,
# and the sums of their first 4 MiB in $work/KIND.sum.
pc_make_disks()
{
	local kind
	pc_disks=()
	for kind in virtio ahci nvme; do
		head -c 8M /dev/urandom >"$work/$kind.disk"
		head -c 4M "$work/$kind.disk" | md5sum | cut -d' ' -f1 >"$work/$kind.sum"
		pc_disks+=(--disk "$kind:$work/$kind.disk")
	done
}

# on_sill NAME: the root knows what it runs on.
on_sill()
{
	[ -n "${BARE:-}" ] || said "$1" '^pc: hypervisor SillSillSill 10002 [0-9a-f]+$'
	[ -n "${BARE:-}" ] || said "$1" '^pc: svm 0$'
}

# The root saw all of the PC.  Options are those that run-pc got.
saw_all()
{
	local name=$1 cpus=$2 kernel=$3 firmware=$4 kind n
	on_sill "$name"
	said "$name" "^pc: kernel $kernel\."
	said "$name" "^pc: cpus $cpus$"
	said "$name" "^pc: firmware $firmware$"
	for kind in virtio ahci nvme; do
		said "$name" "^pc: disk $kind $(cat "$work/$kind.sum")$"
	done
	said "$name" '^pc: address 10\.0\.2\.'
	said "$name" '^pc: usb QEMU USB Tablet$'
	said "$name" '^pc: screen 0x1234$'
	said "$name" '^pc: screen .*drm'
	said "$name" '^pc: tables 3$'
	[ "$firmware" = bios ] || said "$name" '^pc: variables [1-9]'
	for ((n = 1; n < cpus; n++)); do
		said "$name" "^pc: hotplug cpu$n 0 1$"
	done
	said "$name" "^pc: online $([ "$cpus" = 1 ] && echo 0 || echo "0-$((cpus - 1))")$"
	silent "$name" '^pc: complaint'
	said "$name" '^pc: end$'
}

# For wait_for, while the PC runs: it has said that, or has ended.
pc_said()
{
	gone "$pc_pid" || grep -qaE -- "$2" "$work/$1.serial"
}

# monitor NAME COMMAND: to QEMU's monitor behind the socket $work/NAME.monitor, and until it is
# done.  A PC that this ends is fine.
monitor()
{
	wait_for 20 test -S "$work/$1.monitor"
	{
		echo '{"execute": "qmp_capabilities"}'
		jq -cn --arg line "$2" \
			'{execute: "human-monitor-command", arguments: {"command-line": $line}}'
		# One answer for each of the two, before the connection is closed.
		wait_for 30 monitor_answered "$work/$1.answer"
	} | socat -t 0.1 - "UNIX-CONNECT:$work/$1.monitor" >"$work/$1.answer" 2>&1 || gone "$pc_pid"
}

monitor_answered()
{
	gone "$pc_pid" || [ "$(grep -cE '^\{"(return|error)"' "$1")" -ge 2 ]
}

# The options of run-pc's that give it, behind "--".
pc_monitor()
{
	echo "-qmp unix:$work/$1.monitor,server=on,wait=off"
}
