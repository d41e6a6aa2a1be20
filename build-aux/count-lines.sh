#!/usr/bin/env bash
# Lines of C, assembly and linker scripts that are neither blank nor only comment.
#
#   count-lines.sh            of the hypervisor
#   count-lines.sh --sessions of its files for sessions alone
#   count-lines.sh FILE…      of these
set -euo pipefail
case ${1:-} in
'' | --sessions)
	cd "$(dirname "$(readlink -f "$0")")/.."
	mapfile -t files < <(find hypervisor -name '*.[chS]' -o -name '*.ld')
	[ $# -eq 0 ] || mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -E '/(control|ground|session|vcpu)[^/]*$')
	set -- "${files[@]}"
	;;
esac
total=0
for file in "$@"; do
	# The preprocessor knows what a comment is; it is told to do nothing else.
	text=$(gcc -fpreprocessed -dD -E -P -x c - <"$file")
	total=$((total + $(grep -vc '^[[:space:]]*$' <<<"$text" || true)))
done
echo "$total"
