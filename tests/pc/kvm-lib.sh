# What the scripts that test the module share, sourced after tests/pc/pc.sh.
need qemu-system-x86_64 cpio make gcc-12
[ -z "${BARE:-}" ] || skip_all "the module is for the hypervisor"

# module_root KERNEL: $work/KERNEL has the module for it and the programs of the small VMM.
module_root()
{
	mkdir -p "$work/$1"
	"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" "$1" || fail "the kernel $1 is not here"
	"$SILL_SOURCE/tests/pc/headers.sh" "$SILL_CACHE/pc" "$1" || fail "no headers for $1"
	"$SILL_SOURCE/build-aux/module.sh" "$SILL_CACHE/pc/$1/build" "$work/build-$1" ||
		fail "the module does not build for $1"
	cp "$work/build-$1/sill.ko" "$SILL_BUILD/tests/pc/"kvm-{probe,calls} "$work/$1/"
}

# The program, its libraries and its firmware, and a guest that says that it is there.  Words of its command line:
# guest.memory=MIB (in use three times, and looked at), guest.waits (for a line on its console).
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
	cp "$(PATH=$PATH:/usr/sbin:/sbin command -v busybox)" "$SILL_BUILD/tests/pc/guest-memory" "$guest/bin/"
	cat >"$guest/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox --install -s /bin
		echo "guest: init cpus $(nproc) kernel $(uname -r)"
		for word in $(cat /proc/cmdline); do
			case $word in
			guest.memory=*) guest-memory "${word#*=}" 3 ;;
			guest.waits) echo "guest: waits" && read -r line && echo "guest: heard $line" ;;
			esac
		done
		poweroff -f
	INIT
	chmod 755 "$guest/init"
	(cd "$guest" && find . -print0 | cpio --quiet -0 -o -H newc) >"$root/guest/initrd"
}
