#!/usr/bin/env bash
# A real system with an identity is published without it, and starts as somebody else.
. "$SILL_SOURCE/tests/integration/lib.sh"
need jq socat qemu-system-x86_64 debugfs e2fsck
[ -n "${FULL:-}" ] || skip_all "a whole system is started: with FULL=1 only"
need_sample raw
library=$SILL_STATE/library
id=5111c0ffee00d15c0b0a1d5eadbeef77
root=$((36864 * 512)) # where the sample's root file system is

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

# The sample as if it had been somebody: an id, keys, a log, what was typed.
make_somebody()
{
	cp --sparse=always "$(sample raw)" "$work/disk.raw"
	echo $id >"$work/id"
	seq -f "SECRET-%g" 20000 >"$work/secret"
	echo kept >"$work/kept"
	cat >"$work/commands" <<-DEBUGFS
		rm /etc/machine-id
		write $work/id /etc/machine-id
		write $work/secret /etc/ssh/ssh_host_ed25519_key
		write $work/secret /etc/ssh/ssh_host_ed25519_key.pub
		write $work/secret /var/log/syslog
		mkdir /var/log/journal
		mkdir /var/log/journal/$id
		write $work/secret /var/log/journal/$id/system.journal
		write $work/secret /root/.bash_history
		write $work/kept /root/kept
	DEBUGFS
	debugfs -w -f "$work/commands" "$work/disk.raw?offset=$root" >"$work/made" 2>&1
	grep -aq SECRET-20000 "$work/disk.raw"
	sill create --name first "$work/disk.raw" >/dev/null
}

a_real_system_with_an_identity_is_not_published()
{
	make_somebody
	! sill publish first it:1 >"$work/out" 2>"$work/said" || fail "it was published as it is"
	grep -q '^machine id: partition 3: /etc/machine-id$' "$work/out" || fail "$(cat "$work/out" "$work/said")"
	grep -q '^SSH host key: partition 3: /etc/ssh/ssh_host_ed25519_key$' "$work/out"
	grep -q "^journal: partition 3: /var/log/journal/$id/system.journal$" "$work/out"
	grep -q '^history of a shell: partition 3: /root/.bash_history$' "$work/out"
}

nothing_of_it_is_in_what_is_published()
{
	sill publish first it:1 --identity strip >"$work/out" 2>"$work/said" || fail "$(cat "$work/said")"
	sill export it:1 "$work/it.raw" >/dev/null 2>&1
	! grep -aq SECRET- "$work/it.raw" || fail "a secret is still there"
	! grep -aq $id "$work/it.raw" || fail "the id is still there"
	dd if="$work/it.raw" of="$work/it.ext4" bs=512 skip=$((root / 512)) status=none
	e2fsck -fn "$work/it.ext4"
}

it_starts_as_somebody_else()
{
	sill run --name second --wait=$patience "$(content it:1)"
	guest second 'cat /etc/machine-id /root/kept' >"$work/second"
	[ "$(sed -n 2p "$work/second")" = kept ]
	[[ $(sed -n 1p "$work/second") =~ ^[0-9a-f]{32}$ ]]
	[ "$(sed -n 1p "$work/second")" != $id ]
	guest second 'systemctl start host-keys && grep -c ssh-ed25519 /etc/ssh/ssh_host_ed25519_key.pub' \
		>"$work/keys"
	[ "$(cat "$work/keys")" = 1 ]
	sill stop --force second
}

run_tests a_real_system_with_an_identity_is_not_published nothing_of_it_is_in_what_is_published \
	it_starts_as_somebody_else
