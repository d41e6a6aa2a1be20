#!/usr/bin/env bash
# The Linux module for one kernel.
#
#   module.sh KERNEL-TREE DIRECTORY      makes DIRECTORY/sill.ko
#
# KERNEL-TREE is what /lib/modules/RELEASE/build points to (tests/pc/headers.sh fetches those of the tests).  The sources are copied first, so
# that several kernels can be built for side by side and the checkout stays clean.
set -euo pipefail
[ $# -eq 2 ] || {
	echo "usage: module.sh KERNEL-TREE DIRECTORY" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")/..
[ -f "$1/Module.symvers" ] || {
	echo "module.sh: $1 is no kernel's build tree" >&2
	exit 1
}
tree=$(readlink -f "$1")
mkdir -p "$2/source"
out=$(readlink -f "$2")
cd "$here"
find module include/sill -name '*.[chS]' -o -name Kbuild | while read -r file; do
	cmp -s "$file" "$out/source/$file" || install -D -m 644 "$file" "$out/source/$file"
done
# What has gone from the checkout goes here too.
(cd "$out/source" && find module include -name '*.[ch]' ! -name '*.mod.c') | while read -r file; do
	[ -e "$file" ] || rm "$out/source/$file"
done
make -s -k -j2 -C "$tree" M="$out/source/module" modules >"$out/log" 2>&1 || {
	cat "$out/log" >&2
	exit 1
}
# A warning is an error, wherever it came from; what the kernel's own build says of a compiler not its own is none.
if grep -E 'warning|WARNING' "$out/log" | grep -vE 'the compiler differs|Skipping BTF'; then
	cat "$out/log" >&2
	exit 1
fi
cp "$out/source/module/sill.ko" "$out/sill.ko"
