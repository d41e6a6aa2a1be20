#!/usr/bin/env bash
# The tables of docs/hypervisor.md that come from hypervisor/amd/traps.h.
#
#   traps-table.sh            prints them
#   traps-table.sh --check    says where the page differs, status 1
#   traps-table.sh --write    puts them into the page
set -euo pipefail
cd "${SILL_SOURCE:-$(dirname "$(readlink -f "$0")")/..}"
header=hypervisor/amd/traps.h page=docs/hypervisor.md

# rows MACRO COLUMNS…: the macro's invocations, the preprocessor's own reading of them, as table
# rows.
rows()
{
	printf '#include "%s"\n%s(ROW)\n' "$header" "$1" | cpp -P -I. | tr -d '\n' |
		grep -oE 'ROW\([^)]*"\)' | sed -E 's/^ROW\((.*)\)$/\1/'
}

tables()
{
	local row what why access
	printf '| the root does | because |\n|---|---|\n'
	for macro in AMD_TRAPS AMD_TRANSIENT_TRAPS; do
		rows $macro | while IFS= read -r row; do
			[[ $row =~ \"([^\"]*)\",\ *\"([^\"]*)\"$ ]]
			what=${BASH_REMATCH[1]} why=${BASH_REMATCH[2]}
			[ $macro = AMD_TRAPS ] || why="only $why"
			echo "| $what | $why |"
		done
	done
	printf '| %s | %s |\n' 'a nested page fault' "the local APIC page is read-only, our memory \
is not there, and devices beyond the memory map are mapped at their first touch"
	printf '\n| MSR | trapped | because |\n|---|---|---|\n'
	rows AMD_MSRS | while IFS= read -r row; do
		[[ $row =~ ^[^,]*,\ *([01]),\ *([01]),\ *\"([^\"]*)\",\ *\"([^\"]*)\"$ ]]
		access=write
		[ "${BASH_REMATCH[1]}" = 0 ] || access="read, write"
		echo "| ${BASH_REMATCH[3]} | $access | ${BASH_REMATCH[4]} |"
	done
}

# The page with the tables in their place.
page_with_tables()
{
	sed '/^<!-- traps: begin -->$/q' $page
	tables
	sed -n '/^<!-- traps: end -->$/,$p' $page
}

case ${1:-} in
'') tables ;;
--check) diff -u $page <(page_with_tables) ;;
--write)
	page_with_tables >$page.new
	mv $page.new $page
	;;
*)
	echo "traps-table.sh: $1 is neither --check nor --write" >&2
	exit 2
	;;
esac
