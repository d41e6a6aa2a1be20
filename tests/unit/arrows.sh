#!/usr/bin/env bash
# Dependencies point one way: no file includes a header of a part that stands above its own.
# A row is "part: what it may include"; a part not listed here fails, so that new rooms get a row.
set -u
cd "${SILL_SOURCE:?}" || exit 1
declare -A may=(
	[base]="base include/sill"
	[include/sill]="include/sill"
	[util]="util base"
	[disk/source]="disk/source util base"
	[disk/format]="disk/format disk/source util base"
	[disk/near]="disk/near disk/source util base"
	[disk]="disk disk/source disk/format disk/near util base"
	[disk/serve]="disk/serve disk disk/source disk/format disk/near util base"
	[machine]="machine disk disk/serve disk/source disk/format disk/near util base"
	[host]="host machine util base include/sill"
	[library/guest]="library/guest util base"
	[library]="library library/guest disk disk/source disk/format disk/near util base"
	[hypervisor/core]="hypervisor/core base include/sill"
	[hypervisor/boot]="hypervisor/boot hypervisor/core base include/sill"
	[hypervisor/amd]="hypervisor/amd hypervisor/core base include/sill"
	[module]="module module/emulate module/irqchip base include/sill"
	[module/emulate]="module/emulate module base include/sill"
	[module/irqchip]="module/irqchip module base include/sill"
	[cli]="cli library library/guest host machine disk disk/serve disk/source disk/format disk/near util base include/sill"
)
n=0
check() { # check FOLDER: one test line
	local part=$1 wrong="" file line header folder
	for file in "$part"/*.c "$part"/*.h; do
		[ -e "$file" ] || continue
		while IFS= read -r line; do
			header=${line#*\"}
			header=${header%%\"*}
			case "$header" in
			sill/*) folder=include/sill ;;
			*/*) folder=${header%/*} ;;
			*) folder=. ;;
			esac
			case " ${may[$part]-} " in
			*" $folder "*) ;;
			*) wrong+="# $file includes $header"$'\n' ;;
			esac
		done < <(grep -E '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$file")
	done
	n=$((n + 1))
	if [ -z "$wrong" ] && [ -n "${may[$part]-}" ]; then
		echo "ok $n - $part includes nothing from above"
	else
		echo "not ok $n - $part includes nothing from above"
		printf '%s' "${wrong:-# $part has no row in the table of this test$'\n'}"
	fi
}
for part in $(git ls-files --cached --others --exclude-standard '*.c' '*.h' | grep -v '^tests/' |
	sed 's|/[^/]*$||' | sort -u); do
	check "$part"
done
echo "1..$n"
