#!/usr/bin/env bash
# The sample machine's Debian as root session, from power-on to multi-user and to power-off.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 cpio
. "$SILL_SOURCE/tests/pc/pc.sh"
need_sample raw

# reaches_multi_user KERNEL DISK CPUS
reaches_multi_user()
{
	local name=$1-$2-$3 n
	rm -f "$work/debian.qcow2"
	qemu-img create -q -f qcow2 -b "$machines/debian-12/disk.raw" -F raw "$work/debian.qcow2"
	pc "$name" --kernel "$1" --cpus "$3" --memory 2048 --disk "$2:$work/debian.qcow2" \
		--line pc.then=multiuser
	on_sill "$name"
	# Behind the state come the units that failed.
	said "$name" '^pc: multiuser active *$'
	said "$name" "^pc: kernel ${1/cloud/.*cloud}"
	said "$name" '^pc: address 10\.0\.2\.'
	for ((n = 1; n < $3; n++)); do
		said "$name" "^pc: hotplug cpu$n 0 1$"
	done
	silent "$name" '^pc: complaint'
	said "$name" 'reboot: Power down'
}

debian_12_reaches_multi_user_and_turns_the_pc_off() { reaches_multi_user cloud virtio 2; }

the_kernel_of_debian_13_reaches_multi_user_and_turns_the_pc_off()
{
	reaches_multi_user 6.12 nvme 2
}

every_kernel_reaches_multi_user_from_every_disk_on_up_to_eight_processors()
{
	[ -n "${FULL:-}" ] || skip "only with FULL=1"
	local kernel disk cpus=8
	for kernel in cloud 6.1 6.12; do
		for disk in virtio ahci nvme; do
			# The cloud kernel is without AHCI.
			[ $kernel-$disk != cloud-ahci ] || continue
			reaches_multi_user $kernel $disk $cpus
			cpus=$((cpus > 1 ? cpus / 2 : 8))
		done
	done
}

run_tests debian_12_reaches_multi_user_and_turns_the_pc_off \
	the_kernel_of_debian_13_reaches_multi_user_and_turns_the_pc_off \
	every_kernel_reaches_multi_user_from_every_disk_on_up_to_eight_processors
