#!/usr/bin/env bash
# The kernel's own KVM for AMD's processors, to compare with.
#
#   stock-kvm.sh DIRECTORY      makes DIRECTORY/stock-kvm/NUMBER-NAME.ko unless they are there
#
# The modules of exactly the kernel 6.1 that kernels.sh has put into DIRECTORY, in the order in which they are to be loaded.
set -euo pipefail
[ $# -eq 1 ] || {
	echo "usage: stock-kvm.sh DIRECTORY" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")
out=$(readlink -f "$1")
exec 9>"$out/lock-stock"
flock 9
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

die()
{
	echo "stock-kvm.sh: $*" >&2
	exit 1
}

[ -f "$out/6.1/vmlinuz" ] || die "there is no kernel in $out/6.1: kernels.sh fetches it"
# As the kernel calls itself.
release=$(file -b "$out/6.1/vmlinuz" | sed -n 's/.* version \([^ ]*\) .*/\1/p')
recipe="$release $(sha256sum <"$here/stock-kvm.sh")"
[ "$(cat "$out/stock-kvm/recipe" 2>/dev/null)" != "$recipe" ] || exit 0
echo "stock-kvm.sh: fetching the modules of $release"
work=$(mktemp -d "$out/work.XXXXXX")
home=$out/apt/bookworm
# With the lists that kernels.sh has fetched.
(cd "$work" && apt-get -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
	-o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home" \
	-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
	download "linux-image-$release") || die "linux-image-$release cannot be fetched"
mkdir "$work/done"
n=100
for path in virt/lib/irqbypass arch/x86/kvm/kvm drivers/crypto/ccp/ccp arch/x86/kvm/kvm-amd; do
	n=$((n + 1))
	dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO "./lib/modules/$release/kernel/$path.ko" \
		>"$work/done/$n-${path##*/}.ko"
done
echo "$recipe" >"$work/done/recipe"
rm -rf "$out/stock-kvm"
mv "$work/done" "$out/stock-kvm"
