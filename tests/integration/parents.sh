#!/usr/bin/env bash
# Differencing images whose files are on several servers: the parent has mirrors as the child has.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx nbdcopy qemu-img jq socat

at()
{
	echo "$(cat "$work/$1.url")/$2"
}

# A base, a disk that differs from it here and there, and the differences as a VHD.
prepare()
{
	mkdir -p "$work/www/v/base" "$work/only"
	head -c 8M /dev/urandom >"$work/base.raw"
	cp "$work/base.raw" "$work/changed.raw"
	head -c 1M /dev/urandom | dd of="$work/changed.raw" bs=64k seek=20 conv=notrunc status=none
	sill convert "$work/base.raw" "$work/www/v/base/base.vhd" >/dev/null 2>&1
	sill convert "$work/changed.raw" "$work/www/v/child.vhd" \
		--parent "$work/www/v/base/base.vhd" \
		>/dev/null 2>&1
	cp -p "$work/www/v/child.vhd" "$work/only/child.vhd"
	cp "$work/changed.raw" "$work/www/changed.raw"
	chmod -R a+rX "$work"
}

reads_of_a_parent_go_on_when_its_first_server_dies()
{
	local pid
	web one "$work/www" "limit_rate 200k;"
	web two "$work/www"
	serve mirrored --no-readahead "$(at one v/child.vhd)" --source "$(at two v/child.vhd)"
	nbdcopy "$uri" "$work/copy" &
	pid=$!
	wait_for 20 grep -q ' bytes=.*base.vhd' "$work/one.log"
	web_stop one
	wait "$pid"
	cmp -n $((8 << 20)) "$work/copy" "$work/changed.raw"
	grep -q ' bytes=.*base.vhd' "$work/two.log"
	echo '{"cmd": "status"}' | socat -t 10 - "UNIX:$work/mirrored.control" >"$work/status"
	[ "$(jq '[.status.sources[] | select(.url | test("base.vhd"))] | length' "$work/status")" \
		= 2 ]
	serve_stop mirrored
}

# The image is known by what the first server said; now only the second one is asked.
another_mirror_serves_a_known_image_by_itself()
{
	rm -rf "$SILL_STATE"
	web two "$work/www"
	web three "$work/www"
	serve x --layer "$work/l" --no-readahead "$(at two v/child.vhd)"
	serve_stop x
	: >"$work/two.log"
	serve known "$(at three v/child.vhd)"
	nbdcopy "$uri" "$work/copy"
	cmp -n $((8 << 20)) "$work/copy" "$work/changed.raw"
	[ ! -s "$work/two.log" ]
	[ "$(ls "$SILL_STATE/images" | wc -l)" = 1 ]
	serve_stop known
}

a_parent_that_only_the_mirror_has_is_found_there()
{
	web lone "$work/only"
	web two "$work/www"
	sill disk info --json "$(at lone child.vhd)" --source "$(at two v/child.vhd)" >"$work/info"
	jq -e '.parents | length == 1' "$work/info"
}

several_parents_are_places_of_one()
{
	web two "$work/www"
	web three "$work/www"
	sill convert "$work/only/child.vhd" "$work/got.raw" --force \
		--source-parent "$(at two nothing.vhd)" \
		--source-parent "$(at three v/base/base.vhd),priority=20" 2>"$work/said" ||
		{ cat "$work/said"; return 1; }
	cmp -n $((8 << 20)) "$work/got.raw" "$work/changed.raw"
}

mirrors_of_the_image_are_not_mirrors_of_a_base()
{
	web two "$work/www"
	web three "$work/www"
	sill convert "$(at two changed.raw)" "$work/fresh.vhd" --force \
		--source "$(at three changed.raw)" \
		--parent "$(at two v/base/base.vhd)" >"$work/said" 2>&1 ||
		{ cat "$work/said"; return 1; }
	! grep -q 'put aside' "$work/said"
	sill convert "$work/fresh.vhd" "$work/got.raw" --force \
		--source-parent "$work/www/v/base/base.vhd" \
		>/dev/null 2>&1
	cmp -n $((8 << 20)) "$work/got.raw" "$work/changed.raw"
}

prepare
run_tests reads_of_a_parent_go_on_when_its_first_server_dies \
	another_mirror_serves_a_known_image_by_itself \
	a_parent_that_only_the_mirror_has_is_found_there several_parents_are_places_of_one \
	mirrors_of_the_image_are_not_mirrors_of_a_base
