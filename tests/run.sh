#!/usr/bin/env bash
# Every test there is, and one line at the end that counts them: "N passed, N failed".
#
# The order is that of the shortest wait for bad news: unit tests as released, then with ASan and
# UBSan, fuzz targets, scripts against the programs, real machines.  FULL=1 runs the same on a
# wider matrix, and builds with clang as well.  Meson runs the tests, each with
# its time limit; here the single tests are counted from the TAP in its log.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
export SILL_CACHE=${SILL_CACHE:-$PWD/build}
export MESON_TESTTHREADS=2
# Set or not set: programs ask whether it is there.
case ${FULL:-0} in
0) unset FULL ;;
*) export FULL ;;
esac
passed=0 failed=0 skipped=0
log=build/test
rm -rf $log
mkdir -p $log
started=$SECONDS

headline()
{
	printf '\n== %s (after %d s)\n' "$*" $((SECONDS - started))
}

# One line of verdict for a step that is no test of its own, such as a build.
broken()
{
	echo "not ok - $*"
	failed=$((failed + 1))
}

# count FILE: adds the TAP in it, and says what was skipped and why.
count()
{
	local ok bad skip
	skip=$(grep -ciE '^ok\b.*# *skip|^1\.\.0 *# *skip' "$1")
	ok=$(grep -cE '^ok\b' "$1")
	ok=$((ok - $(grep -ciE '^ok\b.*# *skip' "$1")))
	bad=$(grep -cE '^(not ok\b|Bail out)' "$1")
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	grep -iE '^ok\b.*# *skip|^1\.\.0 *# *skip' "$1" | sed 's/^/skipped: /'
	last_bad=$bad
}

# build DIRECTORY [ENVIRONMENT…] -- [MESON OPTIONS…]
build()
{
	local dir=build/$1 environment=()
	shift
	while [ "$1" != -- ]; do
		environment+=("$1")
		shift
	done
	shift
	headline "building $dir"
	if [ ! -f "$dir/build.ninja" ]; then
		env "${environment[@]}" meson setup "$dir" "$@" >"$log/setup" 2>&1 || {
			cat "$log/setup"
			broken "$dir can be configured"
			return 1
		}
	fi
	timeout 1200 ninja -C "$dir" --quiet >"$log/ninja" 2>&1 || {
		tail -n 60 "$log/ninja"
		broken "$dir builds without a warning"
		return 1
	}
}

# run DIRECTORY SUITE TITLE [JOBS [PREFIX…]]: the suite's tests, each failing program with all that
# it said.  The prefix is a command that changes their environment.
run()
{
	local dir=build/$1 suite=$2 base=run-$2 result name
	headline "$3"
	rm -f "$dir"/meson-logs/"$base".json
	"${@:5}" meson test -C "$dir" --no-rebuild --timeout-multiplier 3 --suite "$suite" \
		--logbase "$base" --num-processes "${4:-2}" \
		2>&1 | grep -vE '^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout): |^$|^Full log|^ninja: |^No '
	[ -s "$dir/meson-logs/$base.json" ] || {
		broken "$3 can be started"
		return
	}
	while read -r name; do
		jq -r --arg name "$name" 'select(.name == $name) | .stdout // ""' \
			"$dir/meson-logs/$base.json" >"$log/tap"
		result=$(jq -r --arg name "$name" 'select(.name == $name) | .result' \
			"$dir/meson-logs/$base.json")
		count "$log/tap"
		if [[ $result != OK && $result != SKIP ]]; then
			[ "$last_bad" -gt 0 ] || broken "$name ends well (it ended with $result)"
			echo "---- $name: $result"
			tail -n 80 "$log/tap"
			jq -r --arg name "$name" 'select(.name == $name) | .stderr // ""' \
				"$dir/meson-logs/$base.json" | tail -n 80
			echo "----"
		fi
	done < <(jq -r .name "$dir/meson-logs/$base.json")
}

# A person's own proxies and state have no part in it.
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY SILL_STATE

export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
have=
if build release --; then
	have=1
	run release unit "unit tests"
fi
if build asan -- -Db_sanitize=address,undefined -Db_lundef=false; then
	# The wide matrix is the released build's: under the sanitizers it would take half an hour.
	run asan unit "unit tests under ASan and UBSan" 2 env -u FULL
fi
# The second compiler's word; what it builds runs as the fuzz targets.
[ -z "${FULL:-}" ] || build clang CC=clang --

headline "fuzzing"
tests/fuzz/run.sh $([ -n "${FULL:-}" ] && echo 8 || echo 3) >$log/fuzz 2>&1
status=$?
cat $log/fuzz
count $log/fuzz
[ $status -eq 0 ] || [ "$last_bad" -gt 0 ] || broken "the fuzz targets build"

if [ -n "$have" ]; then
	run release integration "programs"
	headline "the sample machine"
	if timeout 900 machines/debian-12/build.sh "$SILL_CACHE/machines/debian-12"; then
		run release boot "real machines" 1
	else
		broken "the sample machine can be built"
	fi
	run release pc "the hypervisor on emulated PCs" 1
fi

headline "done"
[ $passed -gt 0 ] || failed=$((failed + 1))
line="$passed passed, $failed failed"
[ $skipped -eq 0 ] || line+=", $skipped skipped"
echo "$line"
[ $failed -eq 0 ]
