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

# Only what the build compiles has flags; a fuzz target is compiled by its own build.
tidy()
{
	local file
	for file in "${c_files[@]}"; do
		! grep -qF "$file\"" build/lint/clang/compile_commands.json || echo "$file"
	done | xargs -P "$jobs" -n 4 clang-tidy -p build/lint/clang --quiet 2>/dev/null |
		tee build/lint/tidy | sed -n "s|^$PWD/||; s|^build/lint/clang/||; s|^\.\./\.\./\.\./||; /error:/p" |
		sort -u >build/lint/tidy.short
	[ ! -s build/lint/tidy.short ] || {
		cat build/lint/tidy.short
		echo "(each with the path to it: build/lint/tidy)"
		return 1
	}
}

# It does not know __attribute__((cleanup)): leaks are left to LeakSanitizer in the tests.
second_opinion()
{
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 --inline-suppr \
		-D__x86_64__ -D_GNU_SOURCE --include=build-aux/cppcheck-loops -I. -j "$jobs" --suppress=comparePointers:machine/kvm-probe.c --suppress=memleak --suppress=resourceLeak \
		--template='{file}:{line}: {id}: {message}' "${c_files[@]}"
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
	! grep -nwE '(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|system|popen|sleep|usleep) ?\(' \
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
	! git grep -nIE '[[:space:]]$' -- ':!LICENSE' ':!*.svg' ':!tests/fuzz/corpus' && ! git grep -nIiE '\b(TO[D]O|FIX[M]E|XX[X])\b' -- '*.c' '*.h' '*.sh'
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
