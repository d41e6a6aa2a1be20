#!/usr/bin/env bash
# The kernel's own tests of /dev/kvm, out of Debian's linux-source-6.1.
#
#   selftests.sh DIRECTORY      makes DIRECTORY/selftests/NAME, static programs, unless they are there
#
# Only the tests and what they include are unpacked, and nothing of it is kept.
set -euo pipefail
[ $# -eq 1 ] || {
	echo "usage: selftests.sh DIRECTORY" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")
out=$(readlink -f "$1")
exec 9>"$out/lock-selftests"
flock 9
recipe=$(sha256sum <"$here/selftests.sh")
[ "$(cat "$out/selftests/recipe" 2>/dev/null)" != "$recipe" ] || exit 0
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

die()
{
	echo "selftests.sh: $*" >&2
	exit 1
}

echo "selftests.sh: fetching linux-source-6.1"
home=$out/apt/bookworm
[ -f "$home/sources.list" ] || die "kernels.sh has not been here"
# With the lists that kernels.sh has fetched, so that it is the source of that kernel.
(cd "$work" && apt-get -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
	-o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home" \
	-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
	download linux-source-6.1) || die "linux-source-6.1 cannot be fetched"
top=linux-source-6.1
dpkg-deb --fsys-tarfile "$work"/*.deb | tar -xO ./usr/src/$top.tar.xz | xz -dcT0 |
	tar -C "$work" -x --wildcards "$top/tools/testing/selftests/kvm" "$top/tools/testing/selftests/rseq" \
		"$top/tools/testing/selftests/*.mk" "$top/tools/testing/selftests/*.h" "$top/tools/include" \
		"$top/tools/lib/rbtree.c" "$top/tools/arch/x86/include" "$top/tools/build" "$top/scripts/*.include"
rm "$work"/*.deb
tests=$work/$top/tools/testing/selftests/kvm
mkdir -p "$work/$top/usr/include" "$work/built"
# The headers are Debian's linux-libc-dev, which without <linux/stddef.h> are not complete here.  6.1's stable branch has taken over a
# test that says TEST_ASSERT_EQ without the library that has it.
make -s -j2 -C "$tests" OUTPUT="$work/built" ARCH=x86_64 LDFLAGS='-static -pthread -no-pie' \
	EXTRA_CFLAGS='-w -include linux/stddef.h -DTEST_ASSERT_EQ=ASSERT_EQ' >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	die "the tests do not build"
}
mkdir "$work/done"
find "$work/built" -type f -perm -100 | while read -r program; do
	strip -o "$work/done/$(basename "$program")" "$program"
done
[ "$(ls "$work/done" | wc -l)" -gt 60 ] || die "few of the tests were built"
echo "$recipe" >"$work/done/recipe"
rm -rf "$out/selftests"
mv "$work/done" "$out/selftests"
