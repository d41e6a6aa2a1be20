#!/usr/bin/env bash
# Build the disk image of a Sill PC (docs/appliance.md).
#
#   build.sh OUTDIR      writes OUTDIR/sill-pc.img (sparse), and OUTDIR/sill-pc.slot/ with what an upgrade would carry
#
# Everything comes from Debian packages and this checkout, and no step needs a loop device or a mount: mmdebstrap makes the
# root, mksquashfs packs it, mke2fs and mtools fill the small file systems, and sfdisk writes the table.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# -eq 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(readlink -f "$1")
name=appliance
. "$here/../machines/image-lib.sh"

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 1748736000)}
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH LC_ALL=C.UTF-8 TZ=UTC
suite=bookworm
boot_mib=96 root_mib=350 efi_mib=32
# Sectors of 512 bytes.
bios_start=2048 bios_count=2048
efi_start=4096 efi_count=$((efi_mib * 2048))
boot_start=$((efi_start + efi_count)) boot_count=$((boot_mib * 2048))
root_start=$((boot_start + boot_count)) root_count=$((root_mib * 2048))
total_mib=$(((root_start + root_count) / 2048 + 1))

packages=(
	initramfs-tools zstd e2fsprogs fdisk cryptsetup-bin busybox
	systemd systemd-sysv systemd-resolved systemd-timesyncd libpam-systemd dbus udev kmod
	iproute2 iputils-ping netbase ca-certificates iwd wireless-regdb
	procps less nano-tiny jq libnss-myhostname
)

kernel_release()
{
	local tree
	tree=$(ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | sort -V | tail -n 1)
	[ -n "$tree" ] || {
		say "the kernel's headers are not installed (linux-headers-amd64)"
		return 1
	}
	echo "${tree#/usr/src/linux-headers-}"
}

build_grub()
{
	local modules=(part_gpt ext2 fat normal configfile linux multiboot2 echo test regexp probe loadenv sleep true
		serial terminal minicmd ls cat reboot)
	grub-mkimage -O i386-pc -p '(,gpt2)/sill' -o "$work/core.img" "${modules[@]}" biosdisk vbe vga video_bochs \
		video_cirrus all_video
	grub-mkimage -O x86_64-efi -p '/sill' -o "$work/bootx64.efi" "${modules[@]}" all_video efi_gop efi_uga
}

# Debian's part of the root, $out/sill-pc.base.tar: kept, since it changes only with Debian and the list above.
build_base()
{
	local base=$out/sill-pc.base list=() include recipe
	mapfile -t list < <(mirrors)
	include=linux-image-$kernel,$(IFS=, && echo "${packages[*]}"),$(dpkg-deb -f "$work"/debs/sill_*.deb Depends |
		sed 's/([^)]*)//g; s/ //g')
	recipe=$(printf '%s\n' "$include" "${list[@]}" "$(declare -f build_base)" | sha256sum)
	[ "$(cat "$base.recipe" 2>/dev/null)" != "$recipe" ] || return 0
	say "installing $suite: $(tr , ' ' <<<"$include" | wc -w) packages and what they need (takes some minutes)"
	rm -f "$base.recipe"
	# The initrd is made once, when all is there.
	INITRD=No mmdebstrap --quiet --variant=apt --include="$include" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		"$suite" "$work/base.tar" "${list[@]}" >"$work/mmdebstrap.log" 2>&1 || {
		tail -n 30 "$work/mmdebstrap.log" >&2
		say "mmdebstrap failed"
		return 1
	}
	mv "$work/base.tar" "$base.tar"
	echo "$recipe" >"$base.recipe"
}

# Debian's part with ours: $work/root.tar, and $work/boot/ with kernel and initrd.
build_root()
{
	as_root unshare --mount bash -euo pipefail -c '
		work=$1 here=$2 kernel=$3 base=$4
		mkdir "$work/root"
		tar -C "$work/root" --xattrs --xattrs-include="*" --numeric-owner --exclude="./dev/*" -xf "$base"
		for folder in dev proc; do
			mount --rbind "/$folder" "$work/root/$folder"
		done
		mkdir "$work/root/tmp/debs"
		cp "$work"/debs/sill_*.deb "$work"/debs/sill-hypervisor_*.deb "$work"/debs/sill-module-*.deb "$work/root/tmp/debs/"
		chroot "$work/root" sh -c "dpkg -i /tmp/debs/*.deb && rm -r /tmp/debs"
		tar -C "$here/root" --owner=0 --group=0 --mode=u=rwX,go=rX -c . | tar -C "$work/root" -x
		tar -C "$here/initramfs" --owner=0 --group=0 --mode=u=rwX,go=rX -c . | tar -C "$work/root/etc/initramfs-tools" -x
		"$here/customize.sh" "$work/root" "$kernel"
		umount -l "$work/root/dev" "$work/root/proc"
		mv "$work/root/boot" "$work/boot"
		mkdir "$work/root/boot"
		tar -C "$work/root" --xattrs --xattrs-include="*" --numeric-owner --sort=name --mtime=@$SOURCE_DATE_EPOCH \
			--one-file-system --exclude="./dev/*" -cf "$work/root.tar" .
		rm -rf --one-file-system "$work/root"
	' - "$work" "$here" "$kernel" "$out/sill-pc.base.tar" >"$work/root.log" 2>&1 || {
		tail -n 30 "$work/root.log" >&2
		say "the root could not be made"
		return 1
	}
}

# The root and its hash tree behind it, in $work/root-slot; sets $hash and $data.
build_slot()
{
	local slot=$work/root-slot
	mksquashfs - "$slot" -tar -quiet -no-progress -comp zstd -Xcompression-level 15 -b 256K <"$work/root.tar" >/dev/null
	truncate -s %4096 "$slot"
	data=$(stat -c %s "$slot")
	veritysetup format --hash-offset "$data" --data-block-size 4096 --data-blocks $((data / 4096)) \
		--salt "$(printf %064d 0 | sha256sum | cut -c1-64)" --uuid 5111d12a-0000-4000-8000-000000000004 "$slot" "$slot" >"$work/verity"
	hash=$(sed -n 's/^Root hash:[[:space:]]*//p' "$work/verity")
	[ "$(stat -c %s "$slot")" -le $((root_count * 512)) ] || {
		say "the root takes $(($(stat -c %s "$slot") >> 20)) MiB, more than its slot of $root_mib"
		return 1
	}

	mkdir "$work/boot-slot.d"
	cp "$work/boot/vmlinuz-$kernel" "$work/boot-slot.d/vmlinuz"
	cp "$work/boot/initrd.img-$kernel" "$work/boot-slot.d/initrd.img"
	dpkg-deb --fsys-tarfile "$work"/debs/sill-hypervisor_*.deb | tar -xO ./usr/lib/sill/sill-hypervisor >"$work/boot-slot.d/sill-hypervisor"
	# An emulated PC may be too slow for the kernel's check of the timer, and it would stop.
	cat >"$work/boot-slot.d/slot.cfg" <<-CFG
		set sill_version=$version
		set sill_hash=$hash
		set sill_data=$data
		set sill_line="sill.sizes=$boot_mib,$root_mib no_timer_check"
	CFG
	find "$work/boot-slot.d" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
	mke2fs -q -F -t ext2 -b 4096 -m 0 -L sill-boot -U 5111d12a-0000-4000-8000-000000000003 -E root_owner=0:0,hash_seed=5111d12a-0000-4000-8000-000000000003 \
		-d "$work/boot-slot.d" "$work/boot-slot" ${boot_mib}M
}

build_disk()
{
	local disk=$work/sill-pc.img
	truncate -s ${total_mib}M "$disk"
	sfdisk --quiet "$disk" <<-TABLE
		label: gpt
		start=$bios_start, size=$bios_count, type=21686148-6449-6E6F-744E-656564454649, name=bios
		start=$efi_start, size=$efi_count, type=U, name=efi
		start=$boot_start, size=$boot_count, type=L, name=boot-a
		start=$root_start, size=$root_count, type=L, name=root-a
	TABLE
	write_bios_boot "$disk" "$work/core.img"
	truncate -s $((efi_count * 512)) "$work/efi"
	mkfs.vfat --invariant -F 16 -n SILL-EFI -i 5111d12a "$work/efi" >/dev/null
	grub-editenv "$work/grubenv" create
	grub-editenv "$work/grubenv" set slot=a tries=0 good=a
	touch -d "@$SOURCE_DATE_EPOCH" "$work/bootx64.efi" "$work/grubenv"
	mmd -i "$work/efi" ::EFI ::EFI/BOOT ::sill
	mcopy -m -i "$work/efi" "$work/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI
	mcopy -m -i "$work/efi" "$here/boot/grub.cfg" "$work/grubenv" ::sill/
	dd if="$work/efi" of="$disk" bs=1M seek=$((efi_start / 2048)) conv=notrunc,sparse status=none
	dd if="$work/boot-slot" of="$disk" bs=1M seek=$((boot_start / 2048)) conv=notrunc,sparse status=none
	dd if="$work/root-slot" of="$disk" bs=1M seek=$((root_start / 2048)) conv=notrunc,sparse status=none
}

exec 9>"$out/.sill-pc.lock"
flock 9
may_own_files
work=$(mktemp -d "$out/sill-pc.work.XXXXXX")
trap 'as_root rm -rf "$work"' EXIT
chmod 755 "$work"
kernel=$(kernel_release)
"$here/packages.sh" "$work/debs" "$kernel"
version=$(dpkg-deb -f "$work"/debs/sill_*.deb Version)
build_grub
build_base
say "making the root"
build_root
say "packing the root"
build_slot
say "writing the disk"
build_disk
mkdir -p "$out/sill-pc.slot"
mv "$work/boot-slot" "$work/root-slot" "$out/sill-pc.slot/"
mv "$work/sill-pc.img" "$out/"
say "made $out/sill-pc.img: $((total_mib)) MiB, root $(($(stat -c %s "$out/sill-pc.slot/root-slot") >> 20)) MiB with its hashes, boot $(du -sm "$work/boot-slot.d" | cut -f1) MiB"
