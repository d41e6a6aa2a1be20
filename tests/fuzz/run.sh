#!/usr/bin/env bash
# run.sh SECONDS: run every fuzz target for that long, two at a time; prints TAP.
# New inputs that reach new code are kept in build/fuzz/found, what breaks a parser in
# build/fuzz/crashes: send it as tests/fuzz/corpus/X/ with the fix.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
seconds=${1:?usage: run.sh SECONDS}
build=build/fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzzing=true >$build.log 2>&1 || {
	cat $build.log
	exit 1
}
ninja -C $build --quiet >$build/ninja.log 2>&1 || {
	cat $build/ninja.log
	exit 1
}

# fuzz PROGRAM SECONDS: one line of TAP without a number, and what it said when it failed.
fuzz()
{
	local name=${1##*/fuzz-} log=build/fuzz/log
	mkdir -p build/fuzz/{log,crashes,found/"$name"}
	local corpus=(build/fuzz/found/"$name")
	[ ! -d tests/fuzz/corpus/"$name" ] || corpus+=(tests/fuzz/corpus/"$name")
	if timeout $(($2 + 120)) "$1" -max_total_time="$2" -timeout=20 -rss_limit_mb=1024 \
		-print_final_stats=1 \
		-artifact_prefix=build/fuzz/crashes/"$name"- "${corpus[@]}" >"$log/$name" 2>&1; then
		local runs
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log/$name")
		if [ "${runs:-0}" -gt 0 ]; then
			echo "ok - $name stands ${runs} inputs"
			return
		fi
	fi
	{
		echo "not ok - $name stands hostile input"
		grep -A40 -E '^==[0-9]+==|runtime error|SUMMARY' "$log/$name" | head -n 60 |
			sed 's/^/# /'
	}
}
export -f fuzz
find $build/tests/fuzz -maxdepth 1 -type f -name 'fuzz-*' -perm -u+x | sort |
	xargs -r -n1 -P2 bash -c 'out=$(fuzz "$1" "$0"); echo "$out"' "$seconds" |
		tee $build/results
! grep -q '^not ok' $build/results
