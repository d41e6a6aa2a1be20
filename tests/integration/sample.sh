#!/usr/bin/env bash
# The recipe of the sample machine, as far as it can be shown without building it.
. "$SILL_SOURCE/tests/integration/lib.sh"
need setpriv unshare
recipe=$SILL_SOURCE/machines/debian-12

# builds PATH: as somebody who is not root, and who has no range of user ids.
builds()
{
	local other=()
	if [ "$(id -u)" = 0 ]; then
		# Who may not come to where the source lies.
		chmod 755 "$work"
		cp -r "$SILL_SOURCE/machines" "$work/machines"
		mkdir -p "$work/out"
		chown 65534:65534 "$work/out"
		other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		recipe=$work/machines/debian-12
	fi
	PATH=$1 "${other[@]}" "$recipe/build.sh" "$work/out/debian-12" >"$work/said" 2>&1
}

says_why()
{
	[ "$(wc -l <"$work/said")" = 1 ] || fail "$(cat "$work/said")"
	local refusal="you may not own files of other users in a user namespace"
	grep -q "^debian-12: $refusal (.*$1.*): build as root, or " "$work/said" ||
		fail "$(cat "$work/said")"
	# Nothing was begun.
	[ -z "$(find "$work/out" -type f ! -name .lock)" ] &&
		[ -z "$(find "$work/out" -name 'work.*')" ]
}

who_may_make_no_user_namespace_is_told_so_in_one_sentence()
{
	mkdir "$work/bin"
	printf '#!/bin/sh\necho "unshare: unshare failed: Operation not permitted" >&2\nexit 1\n' \
		>"$work/bin/unshare"
	chmod 755 "$work/bin" "$work/bin/unshare"
	! builds "$work/bin:$PATH"
	says_why 'Operation not permitted'
}

who_has_no_range_of_ids_is_told_so_in_one_sentence()
{
	[ "$(id -u)" = 0 ] || skip "only root can be somebody without ids"
	! grep -q '^nobody:' /etc/subuid || skip "nobody has user ids here"
	! builds "$PATH"
	says_why 'nobody'
}

run_tests who_may_make_no_user_namespace_is_told_so_in_one_sentence \
	who_has_no_range_of_ids_is_told_so_in_one_sentence
