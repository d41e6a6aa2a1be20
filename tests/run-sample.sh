#!/usr/bin/env bash
# make run: the sample machine, started from a web server that only has the file.
#
# On a terminal it ends on the machine's console, with what has been fetched in the window's title;
# leaving the console (Ctrl-]) or `poweroff` in it ends everything.  Without a terminal it waits
# until the machine is ready, says what happened when, and stops it.  Nothing stays behind but
# build/, where the machine's image is kept.
cd "$(dirname "$(readlink -f "$0")")/.."
export SILL_SOURCE=$PWD SILL_BUILD=${SILL_BUILD:-$PWD/build/release} \
	SILL_CACHE=${SILL_CACHE:-$PWD/build}
machines/debian-12/build.sh "$SILL_CACHE/machines/debian-12" || exit 1
. tests/integration/lib.sh
web far "$machines/debian-12" || exit 1
url=$(cat "$work/far.url")/disk.vhd
file_bytes=$(stat -Lc %s "$machines/debian-12/disk.vhd")

human()
{
	numfmt --to=si --suffix=B --format=%.0f "${1:-0}"
}

# status: "READY READY_MS FETCHED SIZE PERCENT", or nothing while there is no machine.
status()
{
	sill info --json sample 2>/dev/null | jq -r 'select(.disk) | "\(.ready) \(.ready_ms // 0) \(
		.disk.fetched_bytes | add) \(.disk.size) \(.disk.percent_near * 10 | round / 10)"' \
			2>/dev/null
}

# follow SECONDS COMMAND…: calls it with the status that often, until it fails.
follow()
{
	local seconds=$1 now
	shift
	while now=$(status); do
		[ -z "$now" ] || "$@" $now || break
		read -rt "$seconds" <> <(:) || :
	done
}

title()
{
	if [ "$1" = true ]; then
		printf '\e]0;sample: ready after %s s, %s fetched, %s %% near\a' \
			"$(($2 / 1000)).$(($2 % 1000 / 100))" "$(human "$3")" "$5"
	else
		printf '\e]0;sample: starting, %s fetched so far\a' "$(human "$3")"
	fi >/dev/tty
}

progress()
{
	# A line for every 10 MB, and the last one.
	if [ "$1" != true ] && [ "$3" -lt $((seen + 10000000)) ]; then
		return 0
	fi
	printf '%6.1f s  %s fetched, %s %% of the disk near\n' \
		"$(bc <<<"$(date +%s.%N) - $started")" "$(human "$3")" "$5"
	seen=$3
	[ "$1" != true ]
}

summary()
{
	local ready ms fetched size near
	[ -n "$1" ] || return 0
	read -r ready ms fetched size near <<<"$1"
	echo
	[ "$ready" != true ] ||
		printf 'ready          %s after the start: its guest agent answers\n' \
		"$((ms / 1000)).$((ms % 1000 / 100)) s"
	printf 'fetched        %s of the %s that the file has, %s %% of the disk is near\n' \
		"$(human "$fetched")" "$(human "$file_bytes")" "$near"
	printf 'the server     sent %s in %d answers\n' "$(human "$(web_bytes far)")" \
		"$(wc -l <"$work/far.log")"
}

echo "The far image is $url, $(human "$file_bytes") on this computer's own web server."
if [ -t 0 ] && [ -t 1 ]; then
	echo "Starting it with: sill run $url"
	echo "Leave its console with Ctrl-], or type poweroff; what is fetched stands in the window's title."
	{ wait_for 60 sill info sample && follow 1 title; } 2>/dev/null &
	follower=$!
	: >"$work/pids/$follower"
	sill run --name sample --foreground "$url"
	result=$?
	kill "$follower" 2>/dev/null
	printf '\e]0;\a'
	summary "$(sill info --json sample |
		jq -r '.last // . | select(.disk) | "\(.ready_ms != null) \(.ready_ms // 0) \(
		.disk.fetched_bytes | add) \(.disk.size) \(.disk.percent_near * 10 | round / 10)"' \
			2>/dev/null)"
	exit $result
fi

echo "sill run --name sample $url"
started=$(date +%s.%N) seen=-10000000
sill run --name sample --detach "$url" || exit 1
follow 2 progress
last=$(status)
[[ $last == true* ]] || { sill info sample; exit 1; }
wait_for 60 grep -q 'login:' "$SILL_STATE/machines/sample/console.log"
summary "$last"
echo
tail -n 12 "$SILL_STATE/machines/sample/console.log" | tr -d '\r'
echo
echo "sill stop sample"
sill stop sample
