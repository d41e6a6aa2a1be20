#!/usr/bin/env bash
# memtest86+ as Debian 12 has it, from its package: a guest of the tests.
#
#   memtest.sh DIRECTORY      makes DIRECTORY/memtest/memtest86+x64.bin unless it is there
#
# kernels.sh has fetched something to DIRECTORY before: the lists of packages are from then.
set -euo pipefail
[ $# -eq 1 ] || {
	echo "usage: memtest.sh DIRECTORY" >&2
	exit 2
}
out=$(readlink -f "$1") dir=$out/memtest home=$out/apt/bookworm
[ ! -s "$dir/memtest86+x64.bin" ] || exit 0
exec 9>"$out/lock-memtest"
flock 9
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "memtest.sh: fetching memtest86+"
(cd "$work" && apt-get -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
	-o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home" \
	-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root download memtest86+) || {
	echo "memtest.sh: memtest86+ cannot be fetched" >&2
	exit 1
}
dpkg-deb -x "$work"/*.deb "$work/tree"
mkdir -p "$dir"
cp "$work/tree/boot/memtest86+x64.bin" "$dir/new"
mv "$dir/new" "$dir/memtest86+x64.bin"
