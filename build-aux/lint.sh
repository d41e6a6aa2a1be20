#!/usr/bin/env bash
# Everything a machine can say about the source without running it.  Each check prints "ok" or
# what it found; all of them run, and one finding makes the whole fail.  ONLY=name runs one.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
findings=0
mapfile -t c_files < <(git ls-files -- '*.c')
mapfile -t all_c < <(git ls-files -- '*.c' '*.h')
mapfile -t scripts < <(git ls-files | xargs grep -lIE '^#!.*\b(ba)?sh\b' | sort -u
	git ls-files -- 'tests/integration/lib.sh')
jobs=$(nproc)

# check NAME COMMAND…: the command's output is the finding.
check()
{
	local name=$1 output status
	shift
	[[ -z ${ONLY:-} || $ONLY == "$name" ]] || return 0
	output=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		echo "ok     $name"
	else
		findings=$((findings + 1))
		printf '%s\n' "$output" | head -n 150
		echo "FAILED $name"
	fi
}

# Warnings are errors in every build; the second compiler sees other ones.
warnings()
{
	local compiler=$1 dir=build/lint/$1
	mkdir -p build/lint
	[ -f "$dir/build.ninja" ] || CC=$compiler meson setup "$dir" >"$dir.log" 2>&1 || {
		cat "$dir.log"
		return 1
	}
	ninja -C "$dir" --quiet >"$dir.log" 2>&1 || {
		grep -vE '^\[|^ninja:' "$dir.log"
		return 1
	}
}

format()
{
	clang-format --dry-run -Werror "${all_c[@]}"
}

# Of each file that the build compiles, "DIGEST FILE".  The digest is of all that a finding
# could depend on: every file that the compiler read (the build knows which), the flags, the checks
# and the program.  A fuzz target is compiled by its own build and has no flags here.
tidy_keys()
{
	local dir=build/lint/clang rules
	ninja -C $dir -t deps | sed -n 's/^    //p' | sort -u |
		(cd $dir && xargs sha256sum) >build/lint/digests
	jq -r '.[] | "\(.file)\t\(.command)"' $dir/compile_commands.json >build/lint/flags
	rules=$({ clang-tidy --version; cat .clang-tidy hypervisor/.clang-tidy; } | sha256sum)
	ninja -C $dir -t deps | awk -v rules="$rules" '
		BEGIN {
			while ((getline line <"build/lint/digests") > 0)
				digest[substr(line, 67)] = substr(line, 1, 64)
			while ((getline line <"build/lint/flags") > 0)
				flags[substr(line, 1, index(line, "\t") - 1)] = line
		}
		/^    / { file = substr($0, 5); if (!first) first = file; all = all digest[file] }
		/^$/ && first { print first "\t" rules flags[first] all; first = all = "" }' |
		sort -u -t "$(printf '\t')" -k1,1 | while IFS= read -r line; do
			printf '%s %s\n' "$(sha256sum <<<"$line" | cut -c1-64)" \
				"$(cut -f1 <<<"${line#../../../}")"
		done
}

# tidy_one DIGEST FILE: what was clean once is not looked at again.
tidy_one()
{
	local found=build/lint/tidy/${2//\//-}
	[ ! -e "build/lint/clean/$1" ] || return 0
	if clang-tidy -p build/lint/clang --quiet "$2" >"$found" 2>"$found.errors"; then
		: >"build/lint/clean/$1"
		rm -f "$found" "$found.errors"
	elif [ ! -s "$found" ]; then
		mv "$found.errors" "$found"
	fi
}
export -f tidy_one

tidy()
{
	local listed=" ${c_files[*]} "
	rm -rf build/lint/tidy
	mkdir -p build/lint/tidy build/lint/clean
	tidy_keys | while read -r digest file; do
		[[ $listed != *" $file "* ]] || printf '%s\n' "$digest" "$file"
	done | xargs -P "$jobs" -n 2 bash -c 'tidy_one "$@"' bash
	find build/lint/tidy -type f ! -name '*.errors' -exec cat {} + |
		sed -n "s|^$PWD/||; s|^build/lint/clang/||; s|^\.\./\.\./\.\./||; /error:/p" |
		sort -u >build/lint/findings
	[ ! -s build/lint/findings ] || {
		cat build/lint/findings
		echo "(each with the path to it: build/lint/tidy)"
		return 1
	}
}

# It does not know __attribute__((cleanup)): leaks are left to LeakSanitizer in the tests.  Nor that
# a linker's marks are one array, nor how wide int64_t is, nor that a macro is for names and for
# literals.
second_opinion()
{
	local file files=()
	# What only the kernel compiles is full of the kernel's macros.
	for file in "${c_files[@]}"; do
		[[ $file == module/*/* || $file != module/* ]] ||
			grep -q "'${file#module/}'" module/meson.build || continue
		files+=("$file")
	done
	# What it found out of each file is kept there until the file changes.
	mkdir -p build/lint/cppcheck
	cppcheck --quiet --error-exitcode=1 --cppcheck-build-dir=build/lint/cppcheck \
		--enable=warning,performance,portability --std=c11 --inline-suppr \
		-D__x86_64__ -D_GNU_SOURCE --include=build-aux/cppcheck-loops -I. -j "$jobs" \
		--suppress=comparePointers --suppress=literalWithCharPtrCompare \
		--suppress=invalidPrintfArgType_sint --suppress=invalidPrintfArgType_uint \
		--suppress=memleak --suppress=resourceLeak \
		--template='{file}:{line}: {id}: {message}' "${files[@]}"
}

manuals()
{
	local pages
	mapfile -t pages < <(find build/lint/gcc -name '*.[1-8]' -type f)
	[ ${#pages[@]} -gt 0 ] || {
		echo "no manual was built"
		return 1
	}
	# scdoc begins a paragraph more often than a purist would.
	! mandoc -T lint -W warning "${pages[@]}" | grep -v 'skipping paragraph macro'
}

shell_syntax()
{
	local script status=0
	for script in "${scripts[@]}"; do
		bash -n "$script" || status=1
	done
	return $status
}

# Calls with no bound, no errors or no reason; and waiting by the clock for something.
banned()
{
	local calls='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol'
	calls+='|alloca|system|popen|sleep|usleep'
	! grep -nwE "($calls) ?\(" \
		"${all_c[@]}" | grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)'
}

licence()
{
	local file status=0
	for file in "${all_c[@]}"; do
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || {
			echo "$file: its first line is not the licence"
			status=1
		}
	done
	return $status
}

# Where this checkout happens to lie is nobody else's business: no file may name it.
own_paths()
{
	local place
	place=$(pwd -P)
	case $place in
	/home/*/*) place=$(cut -d/ -f1-3 <<<"$place") ;;
	/usr/* | /var/* | /tmp/* | /root/* | /opt/* | /srv/* | /mnt/*) ;;
	*) place=$(cut -d/ -f1-2 <<<"$place") ;;
	esac
	! git grep -nIE "(^|[^[:alnum:]_.~}\$/-])$place/"
}

endings()
{
	! git grep -nIE '[[:space:]]$' -- ':!LICENSE' ':!*.svg' ':!tests/fuzz/corpus' &&
		! git grep -nIiE '\b(TO[D]O|FIX[M]E|XX[X])\b' -- '*.c' '*.h' '*.sh'
}

check gcc warnings gcc
check clang warnings clang
check format format
check tidy tidy
check cppcheck second_opinion
check manuals manuals
check shell shell_syntax
check banned banned
check licence licence
check paths own_paths
check endings endings
[ $findings -eq 0 ]
