#!/usr/bin/env bash
# /dev/kvm on the hypervisor: the module in a root session, with a small VMM and with Debian's QEMU.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 cpio make gcc-12
. "$SILL_SOURCE/tests/pc/pc.sh"
[ -z "${BARE:-}" ] || skip_all "the module is for the hypervisor"

# module_root KERNEL: $work/KERNEL has the module for it and the small VMM.
module_root()
{
	mkdir -p "$work/$1"
	"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" "$1" || fail "the kernel $1 is not here"
	"$SILL_SOURCE/tests/pc/headers.sh" "$SILL_CACHE/pc" "$1" || fail "no headers for $1"
	"$SILL_SOURCE/build-aux/module.sh" "$SILL_CACHE/pc/$1/build" "$work/build-$1" ||
		fail "the module does not build for $1"
	cp "$work/build-$1/sill.ko" "$SILL_BUILD/tests/pc/kvm-probe" "$work/$1/"
}

# The program, its libraries and its firmware, and a guest that says that it is there.
add_qemu()
{
	local root=$1 library guest=$work/guest
	mkdir -p "$root"/{usr/bin,tmp,guest,usr/share/seabios,usr/share/qemu} "$guest"/{bin,proc,sys}
	cp "$(command -v qemu-system-x86_64)" "$root/usr/bin/"
	for library in $(ldd "$root/usr/bin/qemu-system-x86_64" | grep -oE '/[^ ]+'); do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
	cp -L /usr/share/seabios/bios-{256k,microvm}.bin "$root/usr/share/seabios/"
	cp -L /usr/share/qemu/{linuxboot_dma,pvh,kvmvapic}.bin "$root/usr/share/qemu/"
	cp -L /usr/share/seabios/bios-microvm.bin "$root/usr/share/qemu/"
	"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" cloud || fail "no guest kernel"
	cp "$SILL_CACHE/pc/cloud/vmlinuz" "$root/guest/"
	cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" "$guest/bin/"
	cat >"$guest/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox echo "guest: init cpus $(/bin/busybox nproc)"
		/bin/busybox poweroff -f
	INIT
	chmod 755 "$guest/init"
	(cd "$guest" && find . -print0 | cpio --quiet -0 -o -H newc) >"$root/guest/initrd"
}

# The small VMM passes all of its tests on this kernel, and the module goes as it came.
small_vmm_on()
{
	module_root "$1"
	cat >"$work/$1/script" <<-'SCRIPT'
		insmod /sill.ko && echo "kvm: loaded"
		/kvm-probe
		rmmod sill && echo "kvm: unloaded"
	SCRIPT
	pc "small-$1" --kernel "$1" --add "$work/$1" --line pc.then=script
	said "small-$1" '^kvm: loaded$'
	said "small-$1" '^kvm: ok a_guest_writes_ports_and_halts$'
	said "small-$1" '^kvm: end$'
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

# Guests of QEMU's: "MACHINE CHIP CPUS".
qemus_machines_reach_init()
{
	local kind machine chip cpus
	module_root 6.1
	add_qemu "$work/6.1"
	echo 'insmod /sill.ko' >"$work/6.1/script"
	for kind in "q35 split 2" "q35 on 2" "pc on 1" "microvm on 1"; do
		read -r machine chip cpus <<<"$kind"
		cat >>"$work/6.1/script" <<-SCRIPT
			/usr/bin/qemu-system-x86_64 -accel kvm,kernel-irqchip=$chip -cpu host -M $machine -m 256 \
				-smp $cpus -nodefaults -display none -no-reboot -serial stdio \
				-kernel /guest/vmlinuz -initrd /guest/initrd \
				-append "console=ttyS0 panic=-1 reboot=t" </dev/null
			echo "qemu: $kind: \$?"
		SCRIPT
	done
	echo 'rmmod sill && echo "kvm: unloaded"' >>"$work/6.1/script"
	pc qemu --memory 1536 --kernel 6.1 --add "$work/6.1" --line pc.then=script --quiet 120
	for kind in "q35 split 2" "q35 on 2" "pc on 1" "microvm on 1"; do
		said qemu "^qemu: $kind: 0$"
	done
	[ "$(grep -ac '^guest: init cpus 2' "$work/qemu.serial")" = 2 ]
	[ "$(grep -ac '^guest: init cpus 1' "$work/qemu.serial")" = 2 ]
	said qemu '^kvm: unloaded$'
}

run_tests the_small_vmm_runs_on_debian_12s_kernel the_small_vmm_runs_on_debian_13s_kernel \
	the_module_refuses_a_pc_without_the_hypervisor qemus_machines_reach_init
