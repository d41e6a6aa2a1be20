#!/usr/bin/env bash
# What is near stays near: a second machine of an image, a machine without any server, and what the
# guest wrote, also when processes are killed.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx jq socat qemu-system-x86_64
[ -s "$machines/debian-12/disk.vhd" ] || skip_all "the sample machine has not been built"
mkdir "$work/www"
ln -s "$(sample vhd)" "$work/www/disk.vhd"
web far "$work/www" || exit 1
url=$(cat "$work/far.url")/disk.vhd

# dies WHO NAME: kill -9 of one of the session's processes ends all of them, and info says which.
dies()
{
	local who=$1 name=$2 pid others other
	pid=$(info "$name" ".$who")
	others=$(info "$name" '.supervisor, .qemu, .disk_server')
	kill -KILL "$pid"
	for other in $others; do
		wait_for 60 gone "$other" || fail "process $other goes on after the death of its $who"
	done
	ended "$name"
	sill info "$name" | grep '^last session' | grep -q 'kill'
}

a_machine_boots_and_leaves_a_trace()
{
	sill run --name one --firmware uefi --wait=$patience "$url"
	guest one 'systemctl start host-keys && cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub' >"$work/one"
	guest one 'echo precious >/root/kept && sync'
	sill stop --force one
	web_bytes far >"$work/cold"
	[ "$(wc -l <"$work/far.log")" -gt 20 ]
}

a_second_machine_of_the_image_fetches_next_to_nothing()
{
	: >"$work/far.log"
	sill run --name two --firmware uefi --wait=$patience "$url"
	[ "$(web_bytes far)" -lt $(($(cat "$work/cold") / 10)) ] || fail "$(web_bytes far) bytes were fetched again"
	info two '.disk.trace.replay' | grep -qv none
	guest two '[ ! -e /root/kept ]'
}

two_machines_of_an_image_have_machine_ids_and_host_keys_of_their_own()
{
	guest two 'systemctl start host-keys && cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub' >"$work/two"
	grep -qE '^[0-9a-f]{32}$' "$work/two"
	grep -q '^ssh-ed25519 ' "$work/two"
	sort "$work/one" "$work/two" >"$work/both"
	[ -z "$(uniq -d "$work/both")" ] || fail "the same: $(uniq -d "$work/both")"
}

killing_qemu_ends_the_session_and_says_so() { dies qemu two; }

a_fill_makes_the_whole_image_near()
{
	sill disk fill two
	[ "$(sill start --detach two >/dev/null && info two .disk.percent_near)" = 100 ]
}

killing_the_disk_server_ends_the_session_and_says_so() { dies disk_server two; }

killing_the_supervisor_ends_the_session_and_says_so()
{
	sill start --detach two
	dies supervisor two
}

what_the_guest_synced_is_there_with_every_server_gone()
{
	web_stop far
	sill start --wait=$patience one
	[ "$(guest one 'cat /root/kept')" = precious ]
}

a_machine_stops_when_it_is_asked()
{
	sill stop one
	ended one
	sill info one | grep -q '^last session'
}

run_tests a_machine_boots_and_leaves_a_trace a_second_machine_of_the_image_fetches_next_to_nothing \
	two_machines_of_an_image_have_machine_ids_and_host_keys_of_their_own \
	killing_qemu_ends_the_session_and_says_so a_fill_makes_the_whole_image_near \
	killing_the_disk_server_ends_the_session_and_says_so \
	killing_the_supervisor_ends_the_session_and_says_so \
	what_the_guest_synced_is_there_with_every_server_gone a_machine_stops_when_it_is_asked
