#!/usr/bin/env bash
# The root sessions' kernels, from Debian's packages.
#
#   kernels.sh DIRECTORY NAME…      makes DIRECTORY/NAME/{vmlinuz,modules.cpio} unless they are there
#
# NAME is 6.1 (Debian 12's kernel), cloud (its flavour for virtual machines) or 6.12 (Debian 13's).  modules.cpio has the
# modules for the disks, the network, the USB and the display of the emulated PC, as /modules/NUMBER-NAME.ko in
# the order in which they are to be loaded.  The packages come through an apt configuration of our own, by the mirror and proxy of
# this computer's; the system's packages are not touched.
set -euo pipefail
[ $# -ge 2 ] || {
	echo "usage: kernels.sh DIRECTORY NAME…" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
out=$(readlink -f "$1")
shift
PATH=$PATH:/usr/sbin:/sbin
exec 9>"$out/lock"
flock 9
modules=(virtio_pci virtio_blk virtio_net ahci sd_mod nvme xhci_pci usbhid hid_generic ext4 crc32c_generic bochs efivarfs)
recipe=$(sha256sum <"$here/kernels.sh")
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

die()
{
	echo "kernels.sh: $*" >&2
	exit 1
}

# Where this computer's apt finds Debian.
mirror()
{
	local uri
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
	echo "${uri:-http://deb.debian.org/debian}"
}

# apt_of SUITE ARGUMENT…: an apt-get that knows this suite of Debian and no installed package.
apt_of()
{
	local suite=$1 home=$out/apt/$1
	shift
	mkdir -p "$home"/{lists/partial,archives/partial}
	: >"$home/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >"$home/sources.list"
	apt-get -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root "$@"
}

# Copies the wanted modules and what they need, numbered.
take_modules()
{
	local tree=$1 release=$2 to=$3 module file n=100
	depmod -b "$tree" "$release"
	for module in "${modules[@]}"; do
		# What is built in, or not there in this flavour, needs no file.
		modprobe -d "$tree" -S "$release" --show-depends "$module" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
		n=$((n + 1))
		case $file in
		*.xz) xz -dc "$file" >"$to/$n-$(basename "$file" .xz)" ;;
		*) cp "$file" "$to/$n-$(basename "$file")" ;;
		esac
	done
	[ "$(ls "$to" | wc -l)" -gt 8 ] || die "$release has few of the modules"
}

# fetch NAME SUITE META-PACKAGE
fetch()
{
	local dir=$out/$1 suite=$2 meta=$3 package release
	[ "$(cat "$dir/recipe" 2>/dev/null)" != "$recipe" ] || return 0
	work=$(mktemp -d "$out/work.XXXXXX")
	apt_of "$suite" update
	package=$(apt_of "$suite" -s install "$meta" 2>/dev/null | sed -n 's/^Inst \(linux-image-[0-9][^ ]*\) .*/\1/p' | head -n 1)
	[ -n "$package" ] || die "$suite has no $meta"
	echo "kernels.sh: fetching $package of $suite"
	(cd "$work" && apt_of "$suite" download "$package") || die "$package cannot be fetched"
	dpkg-deb -x "$work"/*.deb "$work/tree"
	release=${package#linux-image-}
	# Debian 13 has its modules below /usr.
	[ -d "$work/tree/lib/modules" ] || { mkdir -p "$work/tree/lib" && mv "$work/tree/usr/lib/modules" "$work/tree/lib/"; }
	mkdir -p "$work/root/modules" "$work/done"
	take_modules "$work/tree" "$release" "$work/root/modules"
	cp "$work/tree/boot/vmlinuz-$release" "$work/done/vmlinuz"
	(cd "$work/root" && find . -print0 | cpio --quiet -0 -o -H newc) >"$work/done/modules.cpio"
	echo "$recipe" >"$work/done/recipe"
	rm -rf "$dir"
	mv "$work/done" "$dir"
	rm -rf "$work"
	work=
}

for name in "$@"; do
	case $name in
	6.1) fetch 6.1 bookworm linux-image-amd64 ;;
	cloud) fetch cloud bookworm linux-image-cloud-amd64 ;;
	6.12) fetch 6.12 trixie linux-image-amd64 ;;
	*) die "there is no kernel $name: 6.1, 6.12 or cloud" ;;
	esac
done
