#!/usr/bin/env bash
# sill pack: index and packs over nginx and in a folder, read by everything that reads an image.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx nbdcopy qemu-io jq socat

# status NAME FILTER: one thing of a server's status.
status()
{
	echo '{"cmd": "status"}' | socat -t 10 - "UNIX:$work/$1.control" | jq -r ".status$2"
}

# pack_of FOLDER [OPTION…]: packs disk.raw, and says what the index is called.
pack_of()
{
	local folder=$1
	shift
	sill pack "$work/disk.raw" "$folder" --chunk-size 64K --json "$@" 2>/dev/null |
		jq -r '.digest | sub("sha256:"; "")'
}

# 24 MiB: noise, holes, text that compresses, and the same megabyte twice.
prepare()
{
	head -c 6M /dev/urandom >"$work/disk.raw"
	truncate -s 12M "$work/disk.raw"
	yes "a line of text" | head -c 5M >>"$work/disk.raw"
	head -c 1M "$work/disk.raw" >>"$work/disk.raw"
	truncate -s 24M "$work/disk.raw"
	mkdir -p "$work/www"
	index=$(pack_of "$work/www/p")
	echo "$index" >"$work/index"
	web far "$work/www"
}

far()
{
	echo "$(cat "$work/far.url")/p/$(cat "$work/index")"
}

# reads_right NAME: the server's disk is disk.raw.
reads_right()
{
	nbdcopy "$uri" "$work/$1.raw"
	cmp "$work/disk.raw" "$work/$1.raw"
}

a_packed_disk_streams_as_it_was()
{
	serve plain "$(far)"
	reads_right plain
	serve_stop plain
	sill convert "$work/www/p/$(cat "$work/index")" "$work/converted.raw"
	cmp "$work/disk.raw" "$work/converted.raw"
	sill disk check "$(far)"
	[ "$(sill disk info --json "$(far)" | jq -r .digest)" = "sha256:$(cat "$work/index")" ]
}

only_what_is_read_is_fetched_and_equal_chunks_are_one()
{
	local before
	rm -rf "$SILL_STATE"
	serve little --no-readahead "$(far)"
	before=$(web_bytes far)
	qemu-io -r -f raw -c "read 1M 64K" "$uri" >/dev/null
	# That chunk, the first one, which qemu-io looks at, and a few pages of the index.
	[ $(($(web_bytes far) - before)) -lt 170000 ] ||
		fail "$(($(web_bytes far) - before)) bytes for 64 KiB"
	serve_stop little
}

what_is_near_needs_no_server()
{
	rm -rf "$SILL_STATE"
	sill disk fill "$(far)" >/dev/null
	serve offline "$(far)"
	web_stop far
	reads_right offline
	serve_stop offline
	web far "$work/www"
}

wrong_bytes_of_one_server_are_fetched_from_another_and_reported()
{
	local pack
	cp -r "$work/www" "$work/bad"
	pack=$(ls -S "$work/bad/p" | head -n 1)
	printf 'wrong' | dd of="$work/bad/p/$pack" bs=1 seek=700000 conv=notrunc status=none
	web bad "$work/bad"
	rm -rf "$SILL_STATE"
	serve two "$(cat "$work/bad.url")/p/$(cat "$work/index")" --source "$(far)"
	reads_right two
	status two .messages >"$work/said"
	grep -q 'delivered wrong bytes: chunk [0-9]* of' "$work/said" || fail "$(cat "$work/said")"
	[ "$(status two '.sources | length')" = 2 ]
	[ "$(status two '.sources[1].bytes')" -gt 60000 ]
	serve_stop two
	# Alone it gives nothing that is wrong.
	rm -rf "$SILL_STATE"
	! sill convert "$(cat "$work/bad.url")/p/$(cat "$work/index")" "$work/alone.raw" \
		2>"$work/said" || fail "wrong bytes were written"
	grep -q 'chunk [0-9]* of' "$work/said" || fail "$(cat "$work/said")"
	[ ! -e "$work/alone.raw" ]
}

a_folder_and_a_server_carry_one_image_in_one_chain()
{
	rm -rf "$SILL_STATE"
	cp -r "$work/www/p" "$work/folder"
	rm "$work/folder/$(ls -S "$work/folder" | head -n 1)"
	serve mixed "$work/folder/$(cat "$work/index")" --source "$(far)"
	reads_right mixed
	serve_stop mixed
}

a_release_stores_only_what_is_new()
{
	local first second
	first=$(cat "$work/index")
	printf 'changed' | dd of="$work/disk.raw" bs=1 seek=2000000 conv=notrunc status=none
	cp -r "$work/www/p" "$work/releases"
	sill pack "$work/disk.raw" "$work/releases" --base "$work/releases/$first" --json \
		>"$work/second" 2>/dev/null
	[ "$(jq .new_packs "$work/second")" = 1 ]
	[ "$(jq .new_bytes "$work/second")" -le 65536 ]
	[ "$(jq .chunk_size "$work/second")" = 65536 ]
	second=$(jq -r .index "$work/second")
	sill convert "$second" "$work/second.raw"
	cmp "$work/disk.raw" "$work/second.raw"
}

bad_input_gets_one_sentence()
{
	! sill pack "$work/disk.raw" "$work/no" --base "$work/disk.raw" 2>"$work/said"
	grep -q 'disk.raw: an image index has 256 bytes' "$work/said" || fail "$(cat "$work/said")"
	! sill pack "$work/disk.raw" "$work/no" --chunk-size 100000 2>"$work/said"
	grep -q 'chunk size of 100000 is not a power of two' "$work/said" || fail "$(cat "$work/said")"
	! sill pack "$work/disk.raw" "$work/disk.raw/no" 2>"$work/said"
	[ "$(wc -l <"$work/said")" = 1 ]
	head -c 255 "$work/www/p/$(cat "$work/index")" >"$work/short"
	! sill disk info "$work/short" 2>"$work/said"
	grep -q 'has 256 bytes, not 255' "$work/said" || fail "$(cat "$work/said")"
}

prepare || skip_all "nginx does not start"
run_tests a_packed_disk_streams_as_it_was only_what_is_read_is_fetched_and_equal_chunks_are_one \
	what_is_near_needs_no_server \
	wrong_bytes_of_one_server_are_fetched_from_another_and_reported \
	a_folder_and_a_server_carry_one_image_in_one_chain \
	a_release_stores_only_what_is_new bad_input_gets_one_sentence
