#!/usr/bin/env bash
# hv-image.sh SYMBOLS-SH TABLE IMAGE: what only the linked image can show.
set -u
symbols=$1 table=$2 image=$3
echo 1..2
if found=$(diff <("$symbols" "$image") "$table") && [ -s "$table" ]; then
	echo "ok 1 - the names in the image belong to its own addresses"
else
	echo "not ok 1 - the names in the image belong to its own addresses"
	printf '%s\n' "${found:-no table}" | head -n 5 | sed 's/^/# /'
fi
missing=
for name in start boot_main panic trap_handle backtrace_print; do
	address=$(nm "$image" | sed -n "s/^ffffffff\([0-9a-f]*\) [tT] $name\$/\1/p")
	nth=$(grep -n "^	.long 0x${address:-none}," "$table" | cut -d: -f1)
	said=$(grep '\.asciz' "$table" | sed -n "$((${nth:-999999} - 3))p")
	[ "$said" = "	.asciz \"$name\"" ] ||
		missing+=" $name"
done
if [ -z "$missing" ]; then
	echo "ok 2 - the table gives every function its name"
else
	echo "not ok 2 - the table gives every function its name"
	echo "# not$missing"
fi
