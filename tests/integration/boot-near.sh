#!/usr/bin/env bash
# What is near stays near: a second machine of an image, a machine without any server, and what the
# guest wrote, also when processes are killed.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx jq socat qemu-system-x86_64
need_sample vhd
mkdir "$work/www"
ln -s "$(sample vhd)" "$work/www/disk.vhd"
web far "$work/www" || exit 1
url=$(cat "$work/far.url")/disk.vhd
# Shows what no two machines have in common.
own='systemctl start host-keys && cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub'

# dies WHO NAME: kill -9 of one of the session's processes ends all of them, and info says which.
dies()
{
	local who=$1 name=$2 pid others other
	pid=$(info "$name" ".$who")
	others=$(info "$name" '.supervisor, .qemu, .disk_server')
	kill -KILL "$pid"
	for other in $others; do
		wait_for 60 gone "$other" ||
			fail "process $other goes on after the death of its $who"
	done
	ended "$name"
	sill info "$name" | grep '^last session' | grep -q 'kill'
}

a_machine_boots_and_leaves_a_trace()
{
	local port=$((RANDOM % 20000 + 20000))
	echo "$port" >"$work/port"
	sill run --name one --firmware uefi --display vnc --port "$port:22" --wait=$patience "$url"
	guest one "$own" >"$work/one"
	guest one 'echo precious >/root/kept && sync'
	web_bytes far >"$work/cold"
	[ "$(wc -l <"$work/far.log")" -gt 20 ]
}

greeted()
{
	# The greeting comes from the guest: the port itself is open from the start.
	timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && read -r line <&3 && echo "$line"' \
		"$(cat "$work/port")" | grep -q '^SSH-2.0-'
}

a_forwarded_port_leads_to_the_guests_own_server()
{
	wait_for 120 greeted
}

# The boot loader and the kernel have written from the top of the screen.
lit()
{
	local width height lit
	read -r width height lit < \
		<("$SILL_BUILD/tests/integration/screen-look" vnc "$(info one .vnc)")
	[ "$width" -ge 640 ] && [ "$height" -ge 400 ] && [ "$lit" -gt 500 ]
}

the_guests_screen_is_seen_by_vnc()
{
	wait_for 60 lit ||
		fail "$("$SILL_BUILD/tests/integration/screen-look" vnc "$(info one .vnc)")"
}

a_trace_that_was_exported_is_replayed_on_another_host()
{
	sill stop --force one
	sill trace export one "$work/one.trace"
	: >"$work/far.log"
	# Another host is another state directory: nothing of the image is near there.
	export SILL_STATE=$work/other
	sill trace import "$url" "$work/one.trace"
	sill run --name three --firmware uefi --wait=$patience "$url"
	info three .disk >"$work/three"
	sill stop --force three
	ended three
	jq -e '.trace.replay == "done" and .trace.replay_bytes > 40000000
		and .trace.replayed_bytes >= .trace.replay_bytes' "$work/three" ||
		fail "$(cat "$work/three")"
	# The trace brought it, and not what the guest waited for.
	jq -e '.fetched_bytes.trace > 10 * .fetched_bytes.demand
		and .fetched_bytes.readahead < .fetched_bytes.trace / 10
		and .hit_rate > 0.8' "$work/three" || fail "$(cat "$work/three")"
	[ "$(web_bytes far)" -lt $(($(cat "$work/cold") * 3 / 4)) ] ||
		fail "$(web_bytes far) bytes, $(cat "$work/cold") without a trace"
	sill delete --yes three
}

a_trace_of_another_image_is_refused_by_name()
{
	truncate -s 2G "$work/www/empty.img"
	! sill trace import "$(cat "$work/far.url")/empty.img" "$work/one.trace" 2>"$work/said"
	[ "$(wc -l <"$work/said")" = 1 ] && grep -q one.trace "$work/said" ||
		fail "$(cat "$work/said")"
	! sill trace export "$(cat "$work/far.url")/empty.img" "$work/none.trace" 2>"$work/said"
	grep -q 'no boot of .* has been recorded yet' "$work/said" && [ ! -e "$work/none.trace" ]
}

a_second_machine_of_the_image_fetches_next_to_nothing()
{
	: >"$work/far.log"
	sill run --name two --firmware uefi --wait=$patience "$url"
	[ "$(web_bytes far)" -lt $(($(cat "$work/cold") / 10)) ] ||
		fail "$(web_bytes far) bytes were fetched again"
	info two '.disk.trace.replay' | grep -qv none
	guest two '[ ! -e /root/kept ]'
}

two_machines_of_an_image_have_machine_ids_and_host_keys_of_their_own()
{
	guest two "$own" >"$work/two"
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

run_tests a_machine_boots_and_leaves_a_trace a_forwarded_port_leads_to_the_guests_own_server \
	the_guests_screen_is_seen_by_vnc \
	a_trace_that_was_exported_is_replayed_on_another_host \
	a_trace_of_another_image_is_refused_by_name \
	a_second_machine_of_the_image_fetches_next_to_nothing \
	two_machines_of_an_image_have_machine_ids_and_host_keys_of_their_own \
	killing_qemu_ends_the_session_and_says_so a_fill_makes_the_whole_image_near \
	killing_the_disk_server_ends_the_session_and_says_so \
	killing_the_supervisor_ends_the_session_and_says_so \
	what_the_guest_synced_is_there_with_every_server_gone a_machine_stops_when_it_is_asked
