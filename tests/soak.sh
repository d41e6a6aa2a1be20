#!/usr/bin/env bash
# soak.sh [SECONDS]: one machine, two servers, and something dies all the time; an hour unless said.
#
# Each round starts the machine from where the last one left it, finds what its guest wrote before
# the last crash, writes the next number and syncs it, and then a process is killed at a random
# moment of the guest's own work.  Meanwhile either server is killed and comes back.  The first
# thing that was lost, or does not start again, ends it with exit 1 and the machine's own account.
cd "$(dirname "$(readlink -f "$0")")/.."
export SILL_SOURCE=$PWD SILL_BUILD=${SILL_BUILD:-$PWD/build/release} \
	SILL_CACHE=${SILL_CACHE:-$PWD/build}
machines/debian-12/build.sh "$SILL_CACHE/machines/debian-12" || exit 1
. tests/integration/lib.sh
seconds=${1:-3600}
mkdir "$work/www"
ln -s "$(sample vhd)" "$work/www/disk.vhd"
web 1 "$work/www" && web 2 "$work/www" || exit 1

lost()
{
	echo "round $round: $*"
	sill info soak
	tail -n 30 "$SILL_STATE/machines/soak/console.log"
	rm -rf build/soak-lost
	mkdir -p build/soak-lost
	cp "$SILL_STATE"/machines/soak/*.{log,json} build/soak-lost/
	echo "its logs are in build/soak-lost"
	exit 1
}

# moment MOST: up to that many tenths of a second.
moment()
{
	read -rt "$((RANDOM % ($1 / 10 + 1))).$((RANDOM % 10))" <> <(:) || :
}

servers=(up up up)
disturb_server()
{
	local one=$((RANDOM % 2 + 1)) other
	other=$((3 - one))
	if [ "${servers[$one]}" = down ]; then
		web $one "$work/www" && servers[$one]=up
	elif [ "${servers[$other]}" = up ]; then
		web_stop $one && servers[$one]=down
	fi
	echo "    servers: 1 ${servers[1]}, 2 ${servers[2]}"
}

sill create --name soak "$(cat "$work/1.url")/disk.vhd" --source "$(cat "$work/2.url")/disk.vhd" \
	>/dev/null || exit 1
last=none
for ((round = 1; SECONDS < seconds; round++)); do
	disturb_server
	sill start --wait=$patience soak || lost "it does not start"
	[ $last = none ] || [ "$(guest soak 'cat /root/round')" = $last ] ||
		lost "what round $last synced is not there"
	guest soak "echo $round >/root/round && sync" || lost "the guest cannot write"
	last=$round
	guest soak '(dd if=/dev/urandom of=/root/noise bs=64k count=2000 conv=fsync; find / -xdev -type f | shuf -n 400 | xargs cat) >/dev/null 2>&1 & true' ||
		lost "the guest does not begin to work"
	disturb_server
	moment 80
	victim=$(shuf -n1 -e qemu disk_server supervisor power stop)
	echo "round $round, after $SECONDS s: $victim, $(info soak .disk.percent_near) % near"
	case $victim in
	power) sill stop --force soak || lost "its power cannot be cut" ;;
	stop) sill stop soak || lost "it does not shut down" ;;
	*) kill -KILL "$(info soak ".$victim")" ;;
	esac
	wait_for 120 ended soak || lost "it does not end after the death of $victim"
done
sill disk verify soak || lost "what is near is not what it should be"
echo "$((round - 1)) rounds, nothing lost"
