#!/usr/bin/env bash
# The initial file system of the tests' root session, without a kernel's modules.
#
#   root-fs.sh FILE      writes it as a cpio archive, which may follow another one
#
# root-init is its init; busybox, kexec and probe (root-probe.c, built by Meson) are its programs.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
: "${SILL_BUILD:=$here/../../build/release}"
root=$(mktemp -d /tmp/sill-root-XXXXXX)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,proc,sys,dev,run,mnt,modules}

# program NAME: the program and its libraries.
program()
{
	local path library
	path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$1") || {
		echo "root-fs.sh: $1 is not installed" >&2
		exit 1
	}
	cp "$path" "$root/bin/"
	# A static program has none.
	for library in $(ldd "$path" 2>/dev/null | grep -oE '/[^ ]+'); do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
}

program busybox
program kexec
cp "$SILL_BUILD/tests/pc/probe" "$root/bin/"
cp "$here/root-init" "$root/init"
cp "$here/root-facts" "$root/bin/facts"
chmod 755 "$root/init"
(cd "$root" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc) >"$1"
