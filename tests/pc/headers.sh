#!/usr/bin/env bash
# The build trees of the root sessions' kernels (tests/pc/kernels.sh), for build-aux/module.sh.
#
#   headers.sh DIRECTORY NAME…      makes DIRECTORY/NAME/build unless it is there
#
# NAME is 6.1 or 6.12; the kernel is in DIRECTORY/NAME already.  Debian 13's own programs for building modules need a newer C library than
# Debian 12's, and its compiler is gcc 14: programs of Debian 12's security updates, which carry the same kernel, stand in for them.
set -euo pipefail
[ $# -ge 2 ] || {
	echo "usage: headers.sh DIRECTORY NAME…" >&2
	exit 2
}
here=$(dirname "$(readlink -f "$0")")
out=$(readlink -f "$1")
shift
exec 9>"$out/lock-headers"
flock 9
recipe=$(sha256sum <"$here/headers.sh")

die()
{
	echo "headers.sh: $*" >&2
	exit 1
}

# apt_of SUITE ARGUMENT…: with the lists that kernels.sh has fetched.
apt_of()
{
	local home=$out/apt/$1
	shift
	apt-get -qq -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$home/lists" -o Dir::State::Status="$home/status" -o Dir::Cache="$home" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root "$@"
}

# Debian 12's security updates, as this computer's apt finds them or as Debian has them.
know_security()
{
	local home=$out/apt/security uri
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "bookworm-security" && $3 == "main" { print $1; exit }')
	mkdir -p "$home"/{lists/partial,archives/partial}
	: >"$home/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"${uri:-http://security.debian.org/debian-security} bookworm-security main" >"$home/sources.list"
	apt_of security update
}

# The newest package of theirs with programs for building 6.12's modules.
backported_programs()
{
	know_security || return
	apt-cache -o Dir::State::Lists="$out/apt/security/lists" -o Dir::State::Status="$out/apt/security/status" \
		-o Dir::Etc::SourceList="$out/apt/security/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Cache="$out/apt/security" pkgnames linux-kbuild-6.12. | sort -V | tail -n 1
}

# fetch NAME SUITE
fetch()
{
	local dir=$out/$1 suite=$2 release base tree common part
	[ -f "$dir/vmlinuz" ] || die "there is no kernel in $dir: kernels.sh fetches it"
	# As the kernel calls itself.
	release=$(file -b "$dir/vmlinuz" | sed -n 's/.* version \([^ ]*\) .*/\1/p')
	[ "$(cat "$dir/build/recipe" 2>/dev/null)" != "$release $recipe" ] || return 0
	echo "headers.sh: fetching the headers of $release"
	base=${release%-amd64}
	rm -rf "$dir/build" "$dir/headers"
	mkdir -p "$dir/headers/debs"
	(
		cd "$dir/headers/debs"
		apt_of "$suite" download "linux-headers-$release" "linux-headers-$base-common"
		case $suite in
		bookworm) apt_of "$suite" download linux-kbuild-6.1 ;;
		*) apt_of security download "$(backported_programs)" ;;
		esac
	) || die "the packages for $release cannot be fetched"
	for part in "$dir"/headers/debs/*.deb; do
		dpkg-deb -x "$part" "$dir/headers"
	done
	rm -r "$dir/headers/debs"
	tree=$dir/headers/usr/src/linux-headers-$release common=$dir/headers/usr/src/linux-headers-$base-common
	echo "include $common/Makefile" >"$tree/Makefile"
	for part in scripts tools; do
		ln -sfn "$(echo "$dir"/headers/usr/lib/linux-kbuild-*)/$part" "$tree/$part"
		ln -sfn "$(echo "$dir"/headers/usr/lib/linux-kbuild-*)/$part" "$common/$part"
	done
	sed -i 's/gcc-14/gcc-12/' "$tree/.kernelvariables"
	sed -i '/CC_HAS_MIN_FUNCTION_ALIGNMENT/d' "$tree/include/config/auto.conf"
	# Type information of modules would need it, and a program more.
	rm -f "$tree/vmlinux"
	ln -s "headers/usr/src/linux-headers-$release" "$dir/build"
	echo "$release $recipe" >"$tree/recipe"
}

for name in "$@"; do
	case $name in
	6.1) fetch 6.1 bookworm ;;
	6.12) fetch 6.12 trixie ;;
	*) die "there are no headers $name: 6.1 or 6.12" ;;
	esac
done
