#!/usr/bin/env bash
# What the hypervisor costs the root session, in instructions, which do not depend on the computer
# that counts them.
#
#   hypervisor.sh DIRECTORY      writes DIRECTORY/hypervisor.json, and prints the table
#
# The emulated PC's time stamp counter counts instructions (QEMU's -icount shift=0,sleep=off) from
# power-on; nothing else waits or runs.  The same root once on the hypervisor and once on the bare
# PC, started by QEMU's own loaders and by GRUB.  tests/pc/root-probe.c has the loops.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
results=${1:?usage: hypervisor.sh DIRECTORY}
pc=$here/../pc/run-pc
serial=$(mktemp)
trap 'rm -f "$serial"' EXIT

# measure FIRMWARE [--bare]: one line of JSON.
measure()
{
	local firmware=$1 bare=false
	shift
	[ $# -eq 0 ] || bare=true
	"$pc" --icount --quiet 600 --firmware "$firmware" --line pc.then=bench --serial "$serial" \
		"$@" >&2 || return 1
	tr -d '\r' <"$serial" |
		sed -n 's/^.*pc: \(ticks\|compute\|calls\|faults\) \([0-9]*\)$/"\1": \2/p' |
		paste -sd, |
		sed "s/.*/{\"firmware\": \"$firmware\", \"bare\": $bare, &}/"
}

table()
{
	printf '| instructions | bare | on the hypervisor | more |\n|---|---|---|---|\n'
	jq -rs '
		def row($title; $firmware; $name):
			(.[] | select(.firmware == $firmware and .bare)[$name]) as $bare
			| (.[] | select(.firmware == $firmware and (.bare | not))[$name]) as $sill
			| "| \($title) | \($bare) | \($sill) | \(($sill / $bare - 1) * 100000 | round / 1000) % |";
		row("power-on to init, QEMU'\''s loader"; "direct"; "ticks"),
		row("power-on to init, BIOS and GRUB"; "bios"; "ticks"),
		row("computing"; "direct"; "compute"),
		row("system calls"; "direct"; "calls"),
		row("page faults"; "direct"; "faults")' "$results/hypervisor.json"
}

: >"$results/hypervisor.json"
for firmware in direct bios; do
	for bare in '' --bare; do
		measure $firmware $bare >>"$results/hypervisor.json" || exit 1
	done
done
[ "$(jq -s 'map(select(.ticks and .compute and .calls and .faults)) | length' \
	"$results/hypervisor.json")" = 4 ] || {
	echo "hypervisor.sh: not everything was measured" >&2
	exit 1
}
table
