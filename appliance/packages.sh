#!/usr/bin/env bash
# Sill as Debian packages.
#
#   packages.sh DIRECTORY KERNEL      writes DIRECTORY/*.deb
#
# sill has the command, the disk plugin, man pages and completions; sill-hypervisor the hypervisor; sill-module-KERNEL the module built for that
# kernel, whose headers are in /usr/src; sill-modules-dkms its sources, for any other.  What the programs need is read out of them by
# dpkg-shlibdeps.
set -euo pipefail
[ $# -eq 2 ] || {
	echo "usage: packages.sh DIRECTORY KERNEL" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")/..
mkdir -p "$1"
out=$(readlink -f "$1") kernel=$2
cd "$here"
tree=/usr/src/linux-headers-$kernel
[ -f "$tree/Module.symvers" ] || {
	echo "packages.sh: the headers of $kernel are not installed (linux-headers-$kernel)" >&2
	exit 1
}
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
build=build/package
[ -f $build/build.ninja ] || meson setup $build --prefix /usr --libdir lib/x86_64-linux-gnu -Dstrip=true >/dev/null
ninja -C $build --quiet
version=$(meson introspect --projectinfo $build | jq -r .version)
DESTDIR=$work/all meson install -C $build --no-rebuild --quiet

# package NAME ARCHITECTURE DEPENDS DESCRIPTION: of what lies in $work/NAME.
package()
{
	local root=$work/$1 size
	size=$(du -sk --apparent-size "$root" | cut -f1)
	mkdir -p "$root/DEBIAN" "$root/usr/share/doc/$1"
	cp LICENSE "$root/usr/share/doc/$1/copyright"
	cat >"$root/DEBIAN/control" <<-CONTROL
		Package: $1
		Version: $version
		Architecture: $2
		Maintainer: The Sill team <sill@localhost>
		Installed-Size: $size
		Depends: $3
		Section: admin
		Priority: optional
		Description: $4
	CONTROL
	# An empty list of dependencies is no field.
	[ -n "$3" ] || sed -i '/^Depends:/d' "$root/DEBIAN/control"
	find "$root" -type d -exec chmod 755 {} +
	dpkg-deb --root-owner-group -Zxz --build "$root" "$out/$1_${version}_$2.deb" >/dev/null
}

# libraries ROOT: the packages that the programs and libraries in it need.
libraries()
{
	mkdir -p "$work/debian"
	printf 'Source: sill\n\nPackage: sill\nArchitecture: amd64\n' >"$work/debian/control"
	(cd "$work" && find "$1" -type f -exec sh -c 'file -b "$1" | grep -q "^ELF .*dynamic"' - {} \; -print0 |
		xargs -0 dpkg-shlibdeps -O 2>/dev/null | sed 's/^shlibs:Depends=//')
}

rm -f "$out"/*.deb
mkdir -p "$work/sill-hypervisor/usr/lib/sill"
mv "$work/all/usr/lib/sill/sill-hypervisor" "$work/sill-hypervisor/usr/lib/sill/"
rmdir --ignore-fail-on-non-empty "$work/all/usr/lib/sill"
mv "$work/all" "$work/sill"
package sill amd64 "$(libraries "$work/sill"), nbdkit, qemu-system-x86, qemu-utils, ovmf, seabios" \
	"machines streamed from far images, each apart from the others"
package sill-hypervisor amd64 '' "the hypervisor beneath a Sill PC's root session"

build-aux/module.sh "$tree" build/package-module
install -D -m 644 build/package-module/sill.ko "$work/sill-module-$kernel/lib/modules/$kernel/updates/sill.ko"
strip --strip-debug "$work/sill-module-$kernel/lib/modules/$kernel/updates/sill.ko"
package "sill-module-$kernel" amd64 "linux-image-$kernel" "/dev/kvm on Sill's hypervisor, for Linux $kernel"

source=$work/sill-modules-dkms/usr/src/sill-$version
mkdir -p "$source"
cp -r module include "$source/"
sed "s/@VERSION@/$version/" module/dkms.conf >"$source/dkms.conf"
package sill-modules-dkms all dkms "/dev/kvm on Sill's hypervisor, built for the kernels that are installed"
printf '#!/bin/sh\nset -e\ndkms add -m sill -v %s || true\ndkms autoinstall || true\n' "$version" \
	>"$work/sill-modules-dkms/DEBIAN/postinst"
chmod 755 "$work/sill-modules-dkms/DEBIAN/postinst"
dpkg-deb --root-owner-group -Zxz --build "$work/sill-modules-dkms" "$out/sill-modules-dkms_${version}_all.deb" >/dev/null
