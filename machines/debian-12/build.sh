#!/usr/bin/env bash
# Build the sample machine: a Debian 12 disk that starts under BIOS and UEFI.
#
#   build.sh OUTDIR          writes OUTDIR/disk.raw (sparse), OUTDIR/disk.vhd (dynamic) and OUTDIR/recipe
#
# Everything comes from Debian packages through mmdebstrap, and no step needs a loop device or a
# mount of the result: mke2fs fills the file system from a folder, mtools fills the EFI partition,
# and the two boot sectors that GRUB needs for BIOS are patched here (see write_bios_boot).
# As root it builds directly; otherwise inside a user namespace, which needs ranges in /etc/subuid.
#
# OUTDIR/recipe holds a digest of the recipe; while it matches nothing is built again.  Two builds
# at once wait for each other.  Which mirror is asked is what this computer's apt asks.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# -eq 1 ] || { echo "usage: build.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(readlink -f "$1")
name=debian-12
. "$here/../image-lib.sh"

suite=bookworm
size_mib=2048
# Times in the image are this or older, and the identifiers below are part of the recipe, so that
# the same packages give the same disk.
export SOURCE_DATE_EPOCH=1748736000 E2FSPROGS_FAKE_TIME=1748736000 LC_ALL=C.UTF-8 TZ=UTC
disk_guid=5111D12A-0000-4000-8000-000000000000
root_uuid=5111d12a-0000-4000-8000-000000000003
esp_serial=5111d12a
# Sectors of 512 bytes: the core of GRUB for BIOS, the EFI partition, the rest is the root.
bios_start=2048 bios_count=2048
esp_start=4096 esp_count=32768
root_start=36864
root_count=$((size_mib * 2048 - root_start - 2048))

packages=(
	linux-image-cloud-amd64 initramfs-tools zstd e2fsprogs
	systemd systemd-sysv systemd-resolved systemd-timesyncd libpam-systemd dbus udev kmod
	openssh-server qemu-guest-agent ca-certificates iproute2 iputils-ping netbase
	procps less nano man-db bash-completion curl sudo python3-minimal
)

build_grub()
{
	local modules=(part_gpt ext2 normal configfile linux search search_fs_uuid echo ls cat test
		minicmd serial terminal terminfo)
	printf 'search --no-floppy --fs-uuid --set=root %s\nset prefix=($root)/boot/grub\n%s\n' \
		$root_uuid 'configfile $prefix/grub.cfg' >"$work/early.cfg"
	grub-mkimage -O i386-pc -p /boot/grub -c "$work/early.cfg" -o "$work/core.img" \
		"${modules[@]}" biosdisk
	grub-mkimage -O x86_64-efi -p /boot/grub -c "$work/early.cfg" -o "$work/bootx64.efi" \
		"${modules[@]}" fat all_video efi_gop
}

build_root()
{
	local list=()
	mapfile -t list < <(mirrors)
	say "installing $suite with ${#packages[@]} packages (takes a few minutes)"
	mmdebstrap --quiet --variant=important --include="$(IFS=, && echo "${packages[*]}")" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="tar -C '$here/files' --owner=0 --group=0 --mode=u=rwX,go=rX -c . | tar -C \"\$1\" -x" \
		--customize-hook="$here/customize.sh \"\$1\" $root_uuid" \
		"$suite" "$work/root.tar" "${list[@]}" 2>"$work/mmdebstrap.log" || {
		tail -n 30 "$work/mmdebstrap.log" >&2
		say "mmdebstrap failed"
		return 1
	}
}

build_disk()
{
	local disk=$work/disk.raw
	truncate -s ${size_mib}M "$disk"
	sfdisk --quiet "$disk" <<-TABLE
		label: gpt
		label-id: $disk_guid
		start=$bios_start, size=$bios_count, type=21686148-6449-6E6F-744E-656564454649, uuid=${disk_guid%0}1, name=bios
		start=$esp_start, size=$esp_count, type=U, uuid=${disk_guid%0}2, name=efi
		start=$root_start, size=$root_count, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=${disk_guid%0}3, name=root
	TABLE
	write_bios_boot "$disk" "$work/core.img"

	truncate -s $((esp_count * 512)) "$work/esp"
	mkfs.vfat --invariant -F 16 -n EFI -i $esp_serial "$work/esp" >/dev/null
	touch -d @$SOURCE_DATE_EPOCH "$work/bootx64.efi"
	mmd -i "$work/esp" ::EFI ::EFI/BOOT
	mcopy -m -i "$work/esp" "$work/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI
	dd if="$work/esp" of="$disk" bs=1M seek=$((esp_start / 2048)) conv=notrunc,sparse status=none

	# Tables are written whole now, so that the guest does not do it at its first start.
	as_root bash -euc '
		mkdir "$1/root"
		tar -C "$1/root" --xattrs --xattrs-include="*" --numeric-owner \
			--exclude="./dev/*" -xf "$1/root.tar"
		mke2fs -q -F -t ext4 -b 4096 -m 1 -L root -U "$2" -d "$1/root" \
			-E "offset=$3,hash_seed=$2,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0" \
			"$1/disk.raw" "$4k"
		rm -rf "$1/root"
	' - "$work" $root_uuid $((root_start * 512)) $((root_count / 2))
	fallocate --dig-holes "$disk"
}

write_vhd()
{
	local sill=${SILL_BUILD:-$here/../../build/release}/cli/sill
	if [ -x "$sill" ] && "$sill" convert --help >/dev/null 2>&1; then
		"$sill" convert "$work/disk.raw" "$work/disk.vhd" >/dev/null
	else
		qemu-img convert -O vpc -o subformat=dynamic,force_size=on "$work/disk.raw" "$work/disk.vhd"
	fi
}

recipe=$(cd "$here" && find . ../image-lib.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
recipe=${recipe%% *}
exec 9>"$out/.lock"
flock 9
if [ "$(cat "$out/recipe" 2>/dev/null)" = "$recipe" ] && [ -s "$out/disk.raw" ] && [ -s "$out/disk.vhd" ]; then
	exit 0
fi

may_own_files

# Built by anybody else than root the folder belongs to users of the namespace: removed there too.
work=$(mktemp -d "$out/work.XXXXXX")
trap 'as_root rm -rf "$work"' EXIT
chmod 755 "$work"
build_grub
build_root
say "writing the disk"
build_disk
write_vhd
rm -f "$out/recipe"
mv "$work/disk.raw" "$work/disk.vhd" "$out/"
echo "$recipe" >"$out/recipe"
say "made $(du -h "$out/disk.raw" | cut -f1) of data in a disk of ${size_mib} MiB"
