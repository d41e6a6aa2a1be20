#!/usr/bin/env bash
# A machine that ran is published without what makes it itself, and starts as somebody else.
. "$SILL_SOURCE/tests/integration/lib.sh"
need jq socat qemu-system-x86_64
need_sample raw
library=$SILL_STATE/library

# Shows what no two machines have in common.
own='systemctl start host-keys && cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub'

# content NAME:TAG: the path of its system disk's index.
content()
{
	local digest
	digest=$(jq -r --arg name "$1" '.manifests[] |
		select(.annotations["org.opencontainers.image.ref.name"] == $name).digest' \
		"$library/index.json")
	digest=$(jq -r .config.digest "$library/blobs/sha256/${digest#sha256:}")
	digest=$(jq -r '.disks[0].index' "$library/blobs/sha256/${digest#sha256:}")
	echo "$library/blobs/sha256/${digest#sha256:}"
}

a_machine_that_ran_is_somebody_and_is_not_published()
{
	sill run --name first --wait=$patience "$(sample raw)"
	guest first "$own" >"$work/first"
	guest first 'echo kept >/root/kept && echo SECRET-TYPED >/root/.bash_history && sync'
	! sill publish first it:1 >"$work/out" 2>"$work/said" || fail "it was published while it ran"
	grep -q 'first runs' "$work/said" || fail "$(cat "$work/said")"
	sill stop first
	! sill publish first it:1 >"$work/out" 2>"$work/said" || fail "it was published as it is"
	grep -q '^machine id: partition 3: /etc/machine-id$' "$work/out" || fail "$(cat "$work/out" "$work/said")"
	grep -q '^SSH host key: ' "$work/out"
	grep -q '^history of a shell: partition 3: /root/.bash_history$' "$work/out"
}

stripped_it_starts_as_somebody_else()
{
	local id
	sill publish first it:1 --identity strip >"$work/out" 2>"$work/said" || fail "$(cat "$work/said")"
	sill export it:1 "$work/it.raw" >/dev/null 2>&1
	id=$(head -n 1 "$work/first")
	! grep -aq "$id" "$work/it.raw" || fail "the machine's id is still there"
	! grep -aq SECRET-TYPED "$work/it.raw" || fail "what was typed is still there"
	sill run --name second --wait=$patience "$(content it:1)"
	guest second "$own" >"$work/second"
	[ "$(wc -l <"$work/second")" = "$(wc -l <"$work/first")" ]
	[ -z "$(sort "$work/first" "$work/second" | uniq -d)" ] || fail "$(cat "$work/first" "$work/second")"
	[ "$(guest second 'cat /root/kept')" = kept ]
	guest second 'systemctl is-system-running --wait || ! systemctl --failed --no-legend | grep .'
	sill stop second
}

# It still is who it was.
the_machine_itself_is_as_it_was()
{
	sill start --wait=$patience first
	guest first "$own" >"$work/again"
	cmp "$work/first" "$work/again"
	sill stop first
}

run_tests a_machine_that_ran_is_somebody_and_is_not_published stripped_it_starts_as_somebody_else \
	the_machine_itself_is_as_it_was
