#!/usr/bin/env bash
# symbols.sh ELF: the names of its functions, as the section that core/symbols.h describes.
# Of several names for one address the first global one is taken.
set -euo pipefail
nm "$1" | awk '
	# 64-bit numbers are texts of 16 digits: these compare as the numbers do.
	$3 == "image_start" { first = $1 }
	$3 == "image_rodata" { last = $1 }
	tolower($2) ~ /[tw]/ && $3 !~ /^image_/ { print $1, ($2 ~ /[A-Z]/ ? 0 : 1), $3 }
	END {
		if (!first || !last) {
			print "symbols.sh: no image_start or no image_rodata" >"/dev/stderr"
			exit 1
		}
		print first, "-", "<"
		print last, "-", ">"
	}' | LC_ALL=C sort | awk '
	BEGIN { count = 0 }
	$3 == "<" { inside = 1; next }
	$3 == ">" { name[count] = ""; address[count++] = $1; exit }
	inside && $1 != previous { name[count] = $3; address[count++] = previous = $1 }
	END {
		at = 4 + 8 * count
		print "\t.section .note.GNU-stack, \"\", @progbits"
		print "\t.section .symbols, \"a\", @progbits"
		printf "\t.long %d\n", count
		for (i = 0; i < count; i++) {
			printf "\t.long 0x%s, %d\n", substr(address[i], 9), at
			at += length(name[i]) + 1
		}
		for (i = 0; i < count; i++)
			printf "\t.asciz \"%s\"\n", name[i]
	}'
