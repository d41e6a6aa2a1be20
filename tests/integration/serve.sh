#!/usr/bin/env bash
# sill disk serve: far images over nginx, seen through NBD by other people's programs.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx nbdinfo nbdcopy qemu-img fio jq socat

# status NAME FILTER: one thing of a server's status.
status()
{
	echo '{"cmd": "status"}' | socat -t 10 - "UNIX:$work/$1.control" | jq -r ".status$2"
}

url()
{
	echo "$(cat "$work/far.url")/$1"
}

# 24 MiB of content, holes and an end inside a block; as raw and as dynamic VHD.
prepare()
{
	mkdir -p "$work/www"
	head -c 10M /dev/urandom >"$work/www/a.raw"
	truncate -s 16M "$work/www/a.raw"
	head -c 3M /dev/urandom >>"$work/www/a.raw"
	truncate -s 24M "$work/www/a.raw"
	qemu-img convert -O vpc -o force_size=on "$work/www/a.raw" "$work/www/a.vhd"
	web far "$work/www"
}

a_read_only_disk_says_what_it_can_do()
{
	serve ro "$(url a.raw)"
	nbdinfo --json "$uri" >"$work/info"
	[ "$(jq '.exports[0]."export-size"' "$work/info")" = $((24 << 20)) ]
	[ "$(jq '.exports[0].is_read_only' "$work/info")" = true ]
	[ "$(jq '.exports[0].can_multi_conn' "$work/info")" = true ]
	serve_stop ro
}

# does REQUEST…: one request of nbd-do, which must succeed.
does()
{
	"$SILL_BUILD/tests/integration/nbd-do" "$uri" "$@"
}

# refuses NAME REQUEST…: the same, which must fail with that error.
refuses()
{
	local name=$1
	shift
	! does "$@" >"$work/refused" || fail "$* succeeds"
	grep -q ": $name\$" "$work/refused" || fail "$*: $(cat "$work/refused")"
}

what_a_client_may_ask_of_a_disk_is_said_and_true()
{
	local can
	serve can --layer "$work/can" "$(url a.raw)"
	does can >"$work/abilities"
	[ "$(sort "$work/abilities" | xargs)" = "cache yes df yes fast-zero yes flush yes fua yes \
multi-conn yes read-only no trim yes zero yes" ] || fail "$(cat "$work/abilities")"
	for can in structured-reply flush fua trim zero fast-zero cache multi-conn; do
		nbdinfo --can $can "$uri" || fail "nbdinfo says that it cannot $can"
	done
	! nbdinfo --is read-only "$uri"
	serve_stop can
	serve ro "$(url a.raw)"
	does can >"$work/abilities"
	[ "$(sort "$work/abilities" | xargs)" = "cache yes df yes fast-zero no flush yes fua no \
multi-conn yes read-only yes trim no zero no" ] || fail "$(cat "$work/abilities")"
	nbdinfo --is read-only "$uri"
	serve_stop ro
}

what_is_trimmed_or_zeroed_reads_as_zeros_and_is_never_fetched()
{
	local before
	rm -rf "$SILL_STATE"
	serve trim --layer "$work/trim" "$(url a.raw)"
	# Guesses of what is read next would be fetched as well.
	before=$(web_bytes far)
	does trim $((1 << 20)) 65536
	does zero $((2 << 20)) 65536
	does zero:fast $((3 << 20)) 65536
	does zero:no-hole $((4 << 20)) 65536
	for offset in 1 2 3 4; do
		does read $((offset << 20)) 65536 0
	done
	[ "$(web_bytes far)" = "$before" ] ||
		fail "$(($(web_bytes far) - before)) bytes were fetched"
	# Half a block is not fast, for the other half is far; nor does a trim touch it.
	refuses EOPNOTSUPP zero:fast $((5 << 20)) 1000
	does trim $((5 << 20)) 1000
	nbdcopy "$uri" "$work/copy"
	cmp -i $((5 << 20)) "$work/copy" "$work/www/a.raw"
	does zero $((5 << 20)) 1000
	does read $((5 << 20)) 1000 0
	cmp <(tail -c +$(((5 << 20) + 1001)) "$work/www/a.raw") \
		<(nbdcopy "$uri" - | tail -c +$(((5 << 20) + 1001)))
	serve_stop trim
}

what_is_written_through_is_there_after_a_kill_without_a_flush()
{
	local way
	serve fua --layer "$work/fua" "$(url a.raw)"
	does write:fua $((1 << 20)) 65536 17
	does write:fua 5000000 1000 18
	serve_stop fua KILL
	serve fua --layer "$work/fua" "$(url a.raw)"
	does read $((1 << 20)) 65536 17
	does read 5000000 1000 18
	does trim:fua $((1 << 20)) 4096
	does zero:fua $(((1 << 20) + 8192)) 4096
	serve_stop fua KILL
	serve fua --layer "$work/fua" "$(url a.raw)"
	does read $((1 << 20)) 4096 0
	does read $(((1 << 20) + 4096)) 4096 17
	does read $(((1 << 20) + 8192)) 4096 0
	serve_stop fua
}

what_is_asked_to_be_cached_is_near()
{
	rm -rf "$SILL_STATE"
	head -c 1M /dev/zero | tr '\0' '\7' >"$work/www/seven.raw"
	serve cache "$(url seven.raw)"
	does cache $((256 << 10)) 131072
	[ "$(status cache .cached_bytes)" -ge 131072 ]
	web_stop far
	does read $((256 << 10)) 131072 7
	web far "$work/www"
	serve_stop cache
	rm -r "$SILL_STATE" "$work/www/seven.raw"
}

nbdcopy_and_qemu_img_read_what_the_server_has()
{
	serve raw "$(url a.raw)"
	nbdcopy "$uri" "$work/copy"
	cmp "$work/copy" "$work/www/a.raw"
	serve_stop raw
	serve vhd "$(url a.vhd)"
	qemu-img compare -f raw -F raw "$work/www/a.raw" "$uri"
	serve_stop vhd
}

holes_of_a_vhd_are_holes_of_the_disk()
{
	serve map "$(url a.vhd)"
	qemu-img map --output=json -f raw "$uri" >"$work/map"
	jq -e '[.[] | select(.zero | not) | .length] | add < 18 * 1048576' "$work/map"
	nbdinfo --map --totals "$uri" | grep -q zero
	serve_stop map
}

# Everything of a.raw was read above: its server may go.
what_is_near_is_served_with_the_source_gone()
{
	sill disk fill "$(url a.raw)" >/dev/null 2>&1
	sill disk fill "$(url a.vhd)" >/dev/null 2>&1
	dir=$(ls -d "$SILL_STATE"/images/*/ | head -n 1)
	jq -n --arg image "${dir%/}" --arg url "$(url a.raw)" \
		--arg control "$work/offline.control" \
		'{version: 1, image: $image, sources: [{url: $url}], control: $control}' \
		>"$work/offline.json"
	web_stop far
	background "$work/offline.out" nbdkit --foreground --unix "$work/offline.nbd" \
		"$SILL_BUILD/disk/serve/nbdkit-sill-plugin.so" "spec=$work/offline.json"
	local pid=$background_pid
	wait_for 20 test -S "$work/offline.control"
	nbdcopy "nbd+unix:///?socket=$work/offline.nbd" "$work/copy"
	# Which of the two images comes first in the directory is chance; they hold the same.
	cmp -n $((24 << 20)) "$work/copy" "$work/www/a.raw"
	kill "$pid"
	wait_for 20 gone "$pid"
	web far "$work/www"
}

writes_go_to_the_layer_and_stay()
{
	serve rw --layer "$work/layer" "$(url a.vhd)"
	cd "$work"
	fio --name=v --ioengine=nbd --uri="$uri" --rw=randwrite --bs=512-64k --bs_unaligned=0 \
		--size=20M --io_size=8M --iodepth=8 --randseed=7 \
		--verify=crc32c --do_verify=1 --verify_fatal=1 \
		--output="$work/fio.out" >/dev/null || fail "$(cat "$work/fio.out")"
	nbdcopy "$uri" "$work/before"
	serve_stop rw
	serve rw --layer "$work/layer" "$(url a.vhd)"
	nbdcopy "$uri" "$work/after"
	cmp "$work/before" "$work/after"
	serve_stop rw
	# The image is what it was.
	serve ro "$(url a.vhd)"
	qemu-img compare -f raw -F raw "$work/www/a.raw" "$uri"
	serve_stop ro
}

a_layer_of_one_image_is_refused_for_another()
{
	qemu-img convert -O vpc -o force_size=on,subformat=fixed "$work/www/a.raw" "$work/www/b.vhd"
	! sill disk serve --unix "$work/x.nbd" --layer "$work/layer" "$(url b.vhd)" \
		>"$work/out" 2>&1
	grep -q "layer" "$work/out"
}

a_killed_server_loses_nothing_that_was_flushed()
{
	serve cut --layer "$work/cut" "$(url a.raw)"
	qemu-io -f raw -c 'write -P 17 1M 300k' -c 'write -P 18 5000000 1000' -c 'flush' \
		-c 'write -z 8M 64k' -c 'flush' "$uri" >/dev/null
	serve_stop cut KILL
	serve cut --layer "$work/cut" "$(url a.raw)"
	qemu-io -f raw -c 'read -P 17 1M 300k' -c 'read -P 18 5000000 1000' \
		-c 'read -P 0 8M 64k' "$uri" \
		>"$work/out"
	! grep -i 'verification failed' "$work/out"
	serve_stop cut
}

a_server_that_cannot_keep_what_was_written_says_so_when_it_ends()
{
	local pid status=0
	sill disk fill "$(url a.raw)" >"$work/out" 2>&1
	FAIL_SYNC=$work/no-sync LD_PRELOAD=$SILL_BUILD/tests/integration/fail-sync.so \
		sill disk serve --unix "$work/lost.nbd" --layer "$work/lost" "$(url a.raw)" 2>"$work/err" &
	pid=$!
	uri="nbd+unix:///?socket=$work/lost.nbd"
	wait_for 20 nbdinfo --size "$uri"
	: >"$work/no-sync"
	# Unflushed: as far as the client knows all is well.
	does write 1048576 4096
	kill -TERM $pid
	wait_for 60 gone $pid || fail "it does not end"
	wait $pid || status=$?
	[ $status = 1 ] || fail "status $status"
	grep -q 'layer.data: cannot be flushed: Input/output error' "$work/err" || fail "$(cat "$work/err")"
}

two_servers_share_what_is_near()
{
	rm -rf "$SILL_STATE"
	serve one "$(url a.raw)"
	serve two "$(url a.raw)"
	nbdcopy "$(printf 'nbd+unix:///?socket=%s' "$work/one.nbd")" "$work/copy"
	# What has arrived is told to others when it is safe on the disk: at the latest now.
	serve_stop one
	: >"$work/far.log"
	nbdcopy "$(printf 'nbd+unix:///?socket=%s' "$work/two.nbd")" "$work/copy"
	cmp "$work/copy" "$work/www/a.raw"
	[ "$(web_bytes far)" -lt 1000000 ] || fail "$(web_bytes far) bytes were fetched again"
	serve_stop two
}

a_server_that_goes_and_comes_back_costs_errors_and_nothing_else()
{
	rm -rf "$SILL_STATE"
	serve back "$(url a.raw)"
	web_stop far
	jq -n '{cmd: "fill", on: true}' -c | socat -t 10 - "UNIX:$work/back.control" |
		grep -q '"ok"'
	wait_for 20 eval '[ "$(status back ".messages | length")" -gt 0 ]'
	web far "$work/www"
	wait_for 60 eval '[ "$(status back .fill.state)" = complete ]'
	nbdcopy "$uri" "$work/copy"
	cmp "$work/copy" "$work/www/a.raw"
	[ "$(status back .percent_near)" = 100 ]
	serve_stop back
}

a_rotten_cache_is_found_and_mended()
{
	local data
	data=$(ls "$SILL_STATE"/images/*/cache.data)
	printf 'rot' | dd of="$data" bs=1 seek=$((3 << 20)) conv=notrunc status=none
	! sill disk verify "$(url a.raw)" >"$work/out" 2>&1
	grep -q 'bytes 3145728 to 3149823 are rotten' "$work/out"
	sill disk verify --repair "$(url a.raw)" >/dev/null
	sill disk verify "$(url a.raw)" >/dev/null
	serve mended "$(url a.raw)"
	nbdcopy "$uri" "$work/copy"
	cmp "$work/copy" "$work/www/a.raw"
	serve_stop mended
}

# All the memory it ever had, its own and that of its libraries, for a map of 268 million blocks.
a_terabyte_read_and_written_all_over_takes_less_than_64_MiB()
{
	local most
	qemu-img create -q -f vpc -o force_size=on "$work/www/tera.vhd" 1T
	serve tera --layer "$work/tera" "$(url tera.vhd)"
	fio --name=all --ioengine=nbd --uri="$uri" --rw=randrw --bs=4k --size=1T \
		--number_ios=20000 --iodepth=16 --norandommap --randseed=5 \
		--output="$work/fio.out" >/dev/null ||
		fail "$(cat "$work/fio.out")"
	[ "$(status tera .reads)" -gt 9000 ] && [ "$(status tera .writes)" -gt 9000 ]
	most=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$work/tera.serve")/status")
	serve_stop tera
	[ "$most" -gt 1000 ] && [ "$most" -lt 65536 ] || fail "$most kB"
}

what_is_wrong_is_said_before_the_server_goes_to_the_background()
{
	echo '{"version": 1, "sources": [], "colour": 1}' >"$work/bad.json"
	! nbdkit --unix "$work/bad.nbd" "$SILL_BUILD/disk/serve/nbdkit-sill-plugin.so" \
		"spec=$work/bad.json" >"$work/out" 2>&1
	grep -q 'bad.json' "$work/out"
}

prepare || skip_all "no nginx"
run_tests a_read_only_disk_says_what_it_can_do what_a_client_may_ask_of_a_disk_is_said_and_true \
	what_is_trimmed_or_zeroed_reads_as_zeros_and_is_never_fetched \
	what_is_written_through_is_there_after_a_kill_without_a_flush \
	what_is_asked_to_be_cached_is_near \
	nbdcopy_and_qemu_img_read_what_the_server_has \
	holes_of_a_vhd_are_holes_of_the_disk what_is_near_is_served_with_the_source_gone \
	writes_go_to_the_layer_and_stay a_layer_of_one_image_is_refused_for_another \
	a_killed_server_loses_nothing_that_was_flushed \
	a_server_that_cannot_keep_what_was_written_says_so_when_it_ends two_servers_share_what_is_near \
	a_server_that_goes_and_comes_back_costs_errors_and_nothing_else \
	a_rotten_cache_is_found_and_mended \
	a_terabyte_read_and_written_all_over_takes_less_than_64_MiB \
	what_is_wrong_is_said_before_the_server_goes_to_the_background
