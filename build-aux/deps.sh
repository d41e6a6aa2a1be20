#!/usr/bin/env bash
# Install what the named purposes need: deps.sh build run image …
# Asks dpkg first, so that a machine that has everything needs neither root nor network.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
want=()
for purpose in "$@"; do
	while read -r name packages; do
		[ "$name" != "$purpose" ] || read -ra more <<<"$packages"
		[ "$name" != "$purpose" ] || want+=("${more[@]}")
	done <"$here/packages"
done
missing=()
for package in "${want[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
	[ "$status" = "ii " ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
sudo=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps.sh: these packages are missing and neither root nor sudo is here: ${missing[*]}" >&2
		exit 1
	}
	sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]}" >&2
"${sudo[@]}" apt-get -qq update
# A server that a package brings must not be started: the tests start their own.
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
