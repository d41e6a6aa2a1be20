#!/usr/bin/env bash
# The disk image of a Sill PC, switched on: its first start, and what the boot menu does when starts fail.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 qemu-img
. "$SILL_SOURCE/tests/pc/pc.sh"
image=$SILL_CACHE/sill-pc.img
[ -s "$image" ] || skip_all "there is no image: make image"

# switch_on NAME FIRMWARE DISK NET CPUS MEMORY [QEMU-ARGUMENT…]: with the disk $work/pc.qcow2.
switch_on()
{
	local name=$1 firmware=$2 disk=$3 net=$4 cpus=$5 memory=$6 arguments=()
	shift 6
	case $disk in
	virtio) arguments+=(-device virtio-blk-pci,drive=disk) ;;
	ahci) arguments+=(-device ide-hd,drive=disk) ;;
	nvme) arguments+=(-device nvme,drive=disk,serial=1) ;;
	usb) arguments+=(-device usb-storage,drive=disk) ;;
	esac
	if [ "$firmware" = uefi ]; then
		[ -f "$work/variables" ] || cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/variables"
		arguments+=(-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
			-drive "if=pflash,format=raw,file=$work/variables")
	fi
	: >"$work/$name.serial"
	qemu-system-x86_64 -accel tcg,thread=single -machine q35 -cpu "${cpu:-max,+svm,+npt}" -smp "$cpus" -m "$memory" \
		-nodefaults -display none -monitor none -no-reboot -vga std -device qemu-xhci \
		-drive "if=none,id=disk,format=qcow2,file=$work/pc.qcow2" "${arguments[@]}" \
		-netdev user,id=net -device "$net,netdev=net,romfile=" -serial "file:$work/$name.serial" "$@" \
		</dev/null >"$work/$name.out" 2>&1 &
	pc_pid=$!
	: >"$work/pids/$pc_pid"
}

new_disk()
{
	rm -f "$work/pc.qcow2" "$work/variables"
	qemu-img create -q -f qcow2 -b "$image" -F raw "$work/pc.qcow2" 4G
}

# until_said NAME REGEX: a PC that ends before it, or is quiet for long, fails.
until_said()
{
	local size=0 now quiet=0
	until grep -qaE -- "$2" "$work/$1.serial"; do
		gone "$pc_pid" && break
		now=$(stat -c %s "$work/$1.serial")
		quiet=$((now == size ? quiet + 1 : 0)) size=$now
		[ $quiet -lt 600 ] || break
		read -rt 0.5 <> <(:) || :
	done
	sed -i 's/\r//g; s/\x1b\[[?0-9;]*[a-zA-Z]//g' "$work/$1.serial"
	grep -qaE -- "$2" "$work/$1.serial" || {
		tail -n 40 "$work/$1.serial"
		fail "the PC did not say: $2"
	}
}

switch_off()
{
	kill "$pc_pid"
	wait "$pc_pid" || :
	rm -f "$work/pids/$pc_pid"
}

becomes_healthy()
{
	new_disk
	switch_on "first-$*" "$@"
	until_said "first-$*" 'sill: healthy: slot a, sill'
	switch_off
}

a_pc_with_bios_and_a_virtio_disk_becomes_healthy() { becomes_healthy bios virtio virtio-net-pci 2 2048; }

a_pc_with_uefi_and_an_nvme_disk_becomes_healthy() { becomes_healthy uefi nvme e1000e 1 2048; }

run_tests a_pc_with_bios_and_a_virtio_disk_becomes_healthy a_pc_with_uefi_and_an_nvme_disk_becomes_healthy
