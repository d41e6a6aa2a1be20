#!/usr/bin/env bash
# Root sessions on the hypervisor: each way to start, both kernels, all devices.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 grub-mkrescue xorriso cpio
. "$SILL_SOURCE/tests/pc/pc.sh"
pc_make_disks

# refuses VERSION: run-pc does, with a sentence, before it starts anything.
refuses()
{
	local said
	mkdir -p "$work/old"
	printf '#!/bin/sh\necho "QEMU emulator version %s (Debian 1:%s)"\n' "$1" "$1" \
		>"$work/old/qemu-system-x86_64"
	chmod +x "$work/old/qemu-system-x86_64"
	# Behind the check it would miss the root.
	said=$(PATH=$work/old:$PATH "$SILL_SOURCE/tests/pc/run-pc" --bare \
		--image "$work/nothing" 2>&1) && fail "it started"
	grep -q "QEMU $1 lets real mode bypass" <<<"$said"
}

an_emulator_that_is_too_old_is_refused()
{
	local version
	for version in 6.2.0 7.1.0 7.2.0 7.2.14 8.0.5 8.2.10 9.0.4 9.1.0 9.1.1; do
		refuses $version || fail "$version is not refused"
	done
	for version in 7.2.15 7.2.22 9.1.2 9.2.0 10.0.0 10.1; do
		! refuses $version || fail "$version is refused"
	done
}

debian_12_sees_the_whole_pc_on_one_processor()
{
	pc one "${pc_disks[@]}"
	saw_all one 1 6.1 bios
}

the_hypervisor_says_what_it_took()
{
	[ -z "${BARE:-}" ] || skip "there is none"
	said one '^sill: Sill [0-9.]+$'
	said one '^sill: 1 processor with AMD-V; '
}

debian_12_from_grub_on_bios_sees_the_whole_pc_on_two_processors()
{
	pc bios --firmware bios --cpus 2 "${pc_disks[@]}"
	saw_all bios 2 6.1 bios
}

debian_13_from_grub_on_uefi_sees_the_whole_pc_on_two_processors()
{
	pc uefi --firmware uefi --cpus 2 --kernel 6.12 "${pc_disks[@]}"
	saw_all uefi 2 6.12 uefi
}

the_root_does_not_offer_suspend_to_ram()
{
	[ -z "${BARE:-}" ] || skip "the bare PC does"
	said one '^pc: sleep .*s2idle'
	silent one '^pc: sleep .*deep'
}

a_reboot_of_the_root_resets_the_pc()
{
	pc reboot --line pc.then=reboot
	said reboot '^pc: end$'
	said reboot 'reboot: Restarting system'
}

kexec_starts_a_new_kernel_on_the_hypervisor()
{
	mkdir "$work/next"
	"$SILL_SOURCE/tests/pc/root-fs.sh" "$work/own"
	cat "$SILL_CACHE/pc/6.1/modules.cpio" "$work/own" >"$work/next/initrd"
	cp "$SILL_CACHE/pc/6.1/vmlinuz" "$work/next/"
	mke2fs -q -t ext4 -d "$work/next" "$work/next.disk" 64M
	pc kexec --cpus 2 --disk "virtio:$work/next.disk" --line pc.then=kexec
	sed '1,/kexec_core: Starting new kernel/d' "$work/kexec.serial" >"$work/second.serial"
	said second '^pc: begin again$'
	on_sill second
	said second '^pc: hotplug cpu1 0 1$'
	said second '^pc: online 0-1$'
	silent second '^pc: complaint'
}

# The wide matrix: both kernels from GRUB on both firmwares with 1, 2 and 4 processors, and directly
# with 8.
every_kernel_starts_every_way_on_up_to_eight_processors()
{
	local kernel way firmware cpus name
	[ -n "${FULL:-}" ] || skip "only with FULL=1"
	for kernel in 6.1 6.12; do
		for way in {bios,uefi}-{1,2,4} direct-8; do
			firmware=${way%-*} cpus=${way#*-} name=$kernel-$way
			pc "$name" --kernel $kernel --cpus "$cpus" --firmware "$firmware" \
				"${pc_disks[@]}"
			saw_all "$name" "$cpus" $kernel "${firmware/direct/bios}"
		done
	done
}

run_tests an_emulator_that_is_too_old_is_refused debian_12_sees_the_whole_pc_on_one_processor \
	the_hypervisor_says_what_it_took \
	debian_12_from_grub_on_bios_sees_the_whole_pc_on_two_processors \
	debian_13_from_grub_on_uefi_sees_the_whole_pc_on_two_processors \
	the_root_does_not_offer_suspend_to_ram \
	a_reboot_of_the_root_resets_the_pc kexec_starts_a_new_kernel_on_the_hypervisor \
	every_kernel_starts_every_way_on_up_to_eight_processors
