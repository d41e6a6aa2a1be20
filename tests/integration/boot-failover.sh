#!/usr/bin/env bash
# A server is killed while the sample machine boots from it, and a second one takes over.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx jq socat qemu-system-x86_64
need_sample vhd
mkdir "$work/www"
ln -s "$(sample vhd)" "$work/www/disk.vhd"
web first "$work/www" || exit 1
web second "$work/www" || exit 1

fetched_half_a_boot()
{
	[ "$(web_bytes first)" -gt 40000000 ]
}

a_machine_begins_with_the_first_source()
{
	sill run --name m --firmware bios --no-sweep --detach "$(cat "$work/first.url")/disk.vhd" \
		--source "$(cat "$work/second.url")/disk.vhd"
	wait_for $patience fetched_half_a_boot
	[ "$(info m .ready)" = false ] || fail "it was ready before the server could be killed"
	# Asked who it is, it may have been; for data, not.
	[ "$(web_bytes second)" -lt 1000000 ]
}

the_machine_becomes_ready_from_the_second_source_when_the_first_is_killed()
{
	web_stop first
	wait_for $patience with_info m .ready
	[ "$(web_bytes second)" -gt 1000000 ]
	info m '.disk.sources[0].state' | grep -qv '^well$'
}

the_guest_has_seen_no_error()
{
	guest m '! dmesg | grep -iE "I/O error|EXT4-fs error|hung task"'
}

a_source_that_is_back_is_used_again()
{
	local before
	web first "$work/www"
	before=$(web_bytes first)
	wait_for 120 with_info m '.disk.sources[0].state == "well"'
	sill disk fill m
	[ "$(web_bytes first)" -gt $((before + 50000000)) ]
}

run_tests a_machine_begins_with_the_first_source \
	the_machine_becomes_ready_from_the_second_source_when_the_first_is_killed \
	the_guest_has_seen_no_error a_source_that_is_back_is_used_again
