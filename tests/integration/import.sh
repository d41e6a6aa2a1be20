#!/usr/bin/env bash
# sill import, publish, export: images in and out of the host's own library.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-img qemu-nbd mke2fs debugfs e2fsck sfdisk jq tar

library=$SILL_STATE/library

# 24 MiB: noise, a hole, text.
prepare()
{
	head -c 6M /dev/urandom >"$work/disk.raw"
	truncate -s 12M "$work/disk.raw"
	yes "a line of text" | head -c 5M >>"$work/disk.raw"
	truncate -s 24M "$work/disk.raw"
}

# manifest NAME:TAG: the bytes of its manifest.
manifest()
{
	local digest
	digest=$(jq -r --arg name "$1" '.manifests[] |
		select(.annotations["org.opencontainers.image.ref.name"] == $name).digest' \
		"$library/index.json")
	cat "$library/blobs/sha256/${digest#sha256:}"
}

# config NAME:TAG FILTER
config()
{
	local digest
	digest=$(manifest "$1" | jq -r .config.digest)
	jq -r "$2" "$library/blobs/sha256/${digest#sha256:}"
}

# content NAME:TAG [DISK]: the path of its index.
content()
{
	local digest
	digest=$(config "$1" ".disks[] | select(.name == \"${2:-system}\").index")
	echo "$library/blobs/sha256/${digest#sha256:}"
}

# is NAME:TAG FILE [DISK]: the disk has that content.
is()
{
	rm -f "$work/is.raw"
	sill convert "$(content "$1" "${3:-}")" "$work/is.raw" >/dev/null 2>&1
	cmp "$work/is.raw" "$2"
}

# refused COMMAND…: it fails with one sentence, in $work/said.
refused()
{
	if "$@" >"$work/out" 2>"$work/said"; then
		fail "this did not fail: $*"
	fi
	[ "$(wc -l <"$work/said")" = 1 ] || fail "$(cat "$work/said")"
}

every_format_becomes_an_image()
{
	local format
	for format in qcow2 vhdx vmdk vdi; do
		qemu-img convert -f raw -O $format "$work/disk.raw" "$work/disk.$format"
		sill import "$work/disk.$format" it/$format:1 2>/dev/null >"$work/out"
		grep -q "^it/$format:1@sha256:" "$work/out" || fail "$(cat "$work/out")"
		is "it/$format:1" "$work/disk.raw"
	done
	qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/disk.raw" "$work/s.vmdk"
	sill import "$work/s.vmdk" it/stream >/dev/null 2>&1
	is it/stream:latest "$work/disk.raw"
	qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat "$work/disk.raw" "$work/f.vmdk"
	sill import "$work/f.vmdk" it/flat >/dev/null 2>&1
	is it/flat:latest "$work/disk.raw"
}

what_is_said_of_an_image_is_in_it()
{
	sill import "$work/disk.raw" said:1 --title "A title" --version 1.2 --licence GPL-2.0-or-later \
		--vendor us --description "What it is for" --source-code https://example.org/ \
		--release 7 --cpus 3 --memory 1G --firmware uefi >/dev/null 2>&1
	[ "$(manifest said:1 | jq -r .artifactType)" = application/vnd.sill.machine.v1 ]
	[ "$(manifest said:1 | jq -r '.annotations["org.opencontainers.image.title"]')" = "A title" ]
	[ "$(manifest said:1 | jq -r '.annotations["org.opencontainers.image.licenses"]')" = GPL-2.0-or-later ]
	[ "$(config said:1 '"\(.release) \(.cpus.recommended) \(.memory.recommended) \(.firmware)"')" = \
		"7 3 1073741824 uefi" ]
}

# All that the manifest names is there, with the right size, and nothing else of the disk is.
a_manifest_names_all_that_its_index_needs()
{
	local digest size type
	manifest said:1 | jq -r '.layers[] | "\(.digest) \(.size) \(.mediaType)"' >"$work/layers"
	grep -q 'disk.index.v1' "$work/layers"
	grep -q 'disk.pages.v1' "$work/layers"
	grep -q 'disk.pack.v1' "$work/layers"
	while read -r digest size type; do
		[ "$(stat -c %s "$library/blobs/sha256/${digest#sha256:}")" = "$size" ]
		mkdir -p "$work/closure"
		cp "$library/blobs/sha256/${digest#sha256:}" "$work/closure"
	done <"$work/layers"
	sill disk check "$work/closure/$(basename "$(content said:1)")"
	rm -f "$work/closure.raw"
	sill convert "$work/closure/$(basename "$(content said:1)")" "$work/closure.raw" >/dev/null 2>&1
	cmp "$work/closure.raw" "$work/disk.raw"
}

a_new_release_stores_only_what_is_new_and_keeps_the_words()
{
	cp "$work/disk.raw" "$work/next.raw"
	printf changed | dd of="$work/next.raw" bs=1 seek=1000000 conv=notrunc status=none
	sill import "$work/next.raw" said:1 --json >"$work/out" 2>/dev/null
	[ "$(jq '.based and .release == 8 and .new_packs == 1 and .new_bytes <= 131072' "$work/out")" = true ] ||
		fail "$(cat "$work/out")"
	[ "$(manifest said:1 | jq -r '.annotations["org.opencontainers.image.title"]')" = "A title" ]
	[ "$(manifest said:1 | jq -r '.annotations["org.opencontainers.image.version"]')" = null ]
	is said:1 "$work/next.raw"
}

several_disks_travel_together()
{
	head -c 3M /dev/urandom >"$work/home.raw"
	sill import "$work/disk.raw" several --disk "home=$work/home.raw:profile" \
		--disk "more=$work/disk.qcow2" >/dev/null 2>&1
	[ "$(config several:latest '[.disks[] | "\(.name) \(.role)"] | join(", ")')" = \
		"system system, home profile, more data" ]
	is several:latest "$work/home.raw" home
	is several:latest "$work/disk.raw" more
	refused sill import "$work/disk.raw" twice --disk "system=$work/home.raw"
	grep -q "two disks are called 'system'" "$work/said"
}

# An OVA as others make it: description first, then the disks.
an_ova_brings_disks_processors_memory_and_firmware()
{
	mkdir -p "$work/ova"
	qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/disk.raw" "$work/ova/a.vmdk"
	qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$work/home.raw" "$work/ova/b.vmdk"
	cat >"$work/ova/m.ovf" <<-XML
		<?xml version="1.0"?>
		<Envelope xmlns="e" xmlns:ovf="o" xmlns:rasd="r" xmlns:vmw="v">
		<References><File ovf:id="f1" ovf:href="a.vmdk"/><File ovf:id="f2" ovf:href="b.vmdk"/></References>
		<DiskSection><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="25165824"/>
		<Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="3145728"/></DiskSection>
		<VirtualSystem ovf:id="m"><VirtualHardwareSection>
		<Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
		<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType>
		<rasd:VirtualQuantity>3072</rasd:VirtualQuantity></Item>
		<vmw:Config vmw:key="firmware" vmw:value="efi"/>
		</VirtualHardwareSection></VirtualSystem></Envelope>
	XML
	tar -C "$work/ova" -cf "$work/m.ova" m.ovf a.vmdk b.vmdk
	sill import "$work/m.ova" >/dev/null 2>"$work/said" || fail "$(cat "$work/said")"
	[ "$(config m:latest '"\(.cpus.recommended) \(.memory.recommended) \(.firmware)"')" = \
		"4 3221225472 uefi" ]
	is m:latest "$work/disk.raw"
	is m:latest "$work/home.raw" data-1
	# The same beside its disks, not packed.
	sill import "$work/ova/m.ovf" beside >/dev/null 2>&1
	is beside:latest "$work/home.raw" data-1
	tar -C "$work/ova" -cf "$work/cut.ova" m.ovf a.vmdk
	refused sill import "$work/cut.ova"
	grep -q 'b.vmdk is not in it' "$work/said" || fail "$(cat "$work/said")"
}

a_vmdk_cannot_name_files_of_this_computer()
{
	cat >"$work/evil.vmdk" <<-TEXT
		# Disk DescriptorFile
		version=1
		CID=12345678
		parentCID=ffffffff
		createType="monolithicFlat"
		RW 2048 FLAT "/etc/passwd" 0
	TEXT
	refused sill import "$work/evil.vmdk" evil
	grep -q 'files of another folder' "$work/said" || fail "$(cat "$work/said")"
	sed 's|/etc/passwd|x|; s|parentCID=ffffffff|parentCID=0badcafe|' "$work/evil.vmdk" >"$work/child.vmdk"
	refused sill import "$work/child.vmdk" evil
	grep -q 'needs its parent' "$work/said" || fail "$(cat "$work/said")"
	head -c 70000 "$work/s.vmdk" >"$work/short.vmdk"
	! sill import "$work/short.vmdk" evil >/dev/null 2>&1 || fail "half a VMDK was imported"
	! grep -q evil "$library/index.json"
}

blobs_since()
{
	[ "$(find "$library/blobs" -type f -newer "$1" | wc -l)" -ge "$2" ]
}

# Killed at any moment, the library has what it had, and the next import goes through.
an_import_that_is_killed_leaves_the_library_as_it_was()
{
	local before try pid
	before=$(sha256sum <"$library/index.json")
	head -c 200M /dev/urandom >"$work/large.raw"
	for try in 1 2 3; do
		sill import "$work/large.raw" large >/dev/null 2>&1 &
		pid=$!
		wait_for 20 blobs_since "$work/large.raw" $((try - 1))
		kill -KILL $pid 2>/dev/null
		wait $pid 2>/dev/null || :
		[ "$before" = "$(sha256sum <"$library/index.json")" ]
	done
	sill import "$work/large.raw" large >/dev/null 2>&1
	is large:latest "$work/large.raw"
}

exports_are_what_was_imported()
{
	local format
	for format in raw vhd vhdx qcow2 vmdk; do
		rm -f "$work/out.$format"
		sill export it/qcow2:1 "$work/out.$format" >/dev/null 2>"$work/said" || fail "$(cat "$work/said")"
		qemu-img convert -f "$([ $format = vhd ] && echo vpc || echo $format)" -O raw \
			"$work/out.$format" "$work/back.raw"
		cmp -n 25165824 "$work/back.raw" "$work/disk.raw"
	done
	refused sill export it/qcow2:1 "$work/out.raw"
	grep -q 'exists\|already' "$work/said" || fail "$(cat "$work/said")"
	refused sill export no/such "$work/new.raw"
	refused sill export it/qcow2:1 "$work/out.what"
}

an_ova_goes_out_and_comes_back()
{
	rm -f "$work/said.ova"
	sill export said:1 "$work/said.ova" >/dev/null 2>"$work/said" || fail "$(cat "$work/said")"
	[ "$(tar -tf "$work/said.ova" | tr '\n' ' ')" = "machine.ovf disk.vmdk " ]
	[ -z "$(ls "$work" | grep 'said.ova.')" ]
	sill import "$work/said.ova" back >/dev/null 2>&1
	[ "$(config back:latest '"\(.cpus.recommended) \(.memory.recommended) \(.firmware)"')" = \
		"3 1073741824 uefi" ]
	is back:latest "$work/next.raw"
}

# A guest's system on a GPT, with who it is in it.
make_guest()
{
	local root=$work/root
	mkdir -p "$root/etc/ssh" "$root/root" "$root/var/log" "$root/var/lib/dhcp"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	echo SECRET-KEY >"$root/etc/ssh/ssh_host_ed25519_key"
	echo SECRET-COMMAND >"$root/root/.bash_history"
	seq -f "SECRET-LOG %g" 9999 >"$root/var/log/syslog"
	echo KEPT >"$root/etc/hostname"
	head -c 3M /dev/urandom >"$root/root/kept"
	mke2fs -q -t ext4 -d "$root" "$work/root.ext4" 30M >/dev/null 2>&1
	rm -f "$work/guest.raw"
	truncate -s 32M "$work/guest.raw"
	printf 'label: gpt\nstart=2048, size=61440, type=L\n' | sfdisk -q "$work/guest.raw"
	dd if="$work/root.ext4" of="$work/guest.raw" bs=1M seek=1 conv=notrunc status=none
}

a_machine_with_an_identity_is_not_published()
{
	make_guest
	sill create --name guest "$work/guest.raw" >/dev/null
	! sill publish guest team/guest:1 >"$work/out" 2>"$work/said" || fail "it was published"
	grep -q '^SSH host key: partition 1: /etc/ssh/ssh_host_ed25519_key$' "$work/out" || fail "$(cat "$work/out")"
	grep -q '^machine id: partition 1: /etc/machine-id$' "$work/out"
	grep -q '^log: partition 1: /var/log/syslog$' "$work/out"
	grep -q 'guest: nothing was published, for 4 things' "$work/said" || fail "$(cat "$work/said")"
	! grep -q team/guest "$library/index.json"
}

stripped_it_is_and_the_machine_keeps_all()
{
	local before
	before=$(cd "$SILL_STATE/machines/guest" && find . -type f ! -name '*lock' -exec sha256sum {} + | sort)
	sill publish guest team/guest:1 --identity strip >"$work/out" 2>"$work/said" || fail "$(cat "$work/said")"
	grep -q '^SSH host key: ' "$work/out"
	rm -f "$work/published.raw"
	sill export team/guest:1 "$work/published.raw" >/dev/null 2>&1
	! grep -aq SECRET "$work/published.raw" || fail "something is left"
	dd if="$work/published.raw" of="$work/published.ext4" bs=1M skip=1 count=30 status=none
	e2fsck -fn "$work/published.ext4"
	[ "$(debugfs -R 'cat /etc/hostname' "$work/published.ext4" 2>/dev/null)" = KEPT ]
	[ -z "$(debugfs -R 'cat /etc/machine-id' "$work/published.ext4" 2>/dev/null)" ]
	[ "$before" = "$(cd "$SILL_STATE/machines/guest" && find . -type f ! -name '*lock' -exec sha256sum {} + | sort)" ]
	sill export guest "$work/whole.raw" >/dev/null 2>&1
	cmp "$work/whole.raw" "$work/guest.raw"
	# Published again it is the same, to the byte.
	sill publish guest team/guest:2 --identity strip --json >"$work/out" 2>/dev/null
	[ "$(content team/guest:1)" = "$(content team/guest:2)" ]
	[ "$(jq .new_packs "$work/out")" -le 1 ]
}

a_machine_of_the_library_is_published_over_what_it_was_made_from()
{
	sill import "$work/guest.raw" team/origin >/dev/null 2>&1
	sill create --name child "$(content team/origin:latest)" >/dev/null
	sill publish child team/child --identity strip --json >"$work/out" 2>/dev/null
	[ "$(jq '.based and .release == 1 and .new_bytes < 400000' "$work/out")" = true ] ||
		fail "$(cat "$work/out")"
	sill export team/child "$work/child.raw" >/dev/null 2>&1
	cmp "$work/child.raw" "$work/published.raw"
}

kept_it_is_said_and_all_is_there()
{
	sill publish guest team/kept --identity keep >/dev/null 2>"$work/said"
	grep -q 'nothing looked at the disk' "$work/said" || fail "$(cat "$work/said")"
	is team/kept:latest "$work/guest.raw"
}

a_disk_that_cannot_be_looked_into_is_refused()
{
	sill create --name noise "$work/disk.raw" >/dev/null
	refused sill publish noise team/noise --identity strip
	grep -q 'cannot be looked into' "$work/said" || fail "$(cat "$work/said")"
	refused sill publish nobody team/noise
	refused sill publish guest registry.example/team/guest
	grep -q "own library" "$work/said" || fail "$(cat "$work/said")"
}

prepare
run_tests every_format_becomes_an_image what_is_said_of_an_image_is_in_it \
	a_manifest_names_all_that_its_index_needs \
	a_new_release_stores_only_what_is_new_and_keeps_the_words several_disks_travel_together \
	an_ova_brings_disks_processors_memory_and_firmware a_vmdk_cannot_name_files_of_this_computer \
	an_import_that_is_killed_leaves_the_library_as_it_was exports_are_what_was_imported \
	an_ova_goes_out_and_comes_back a_machine_with_an_identity_is_not_published \
	stripped_it_is_and_the_machine_keeps_all \
	a_machine_of_the_library_is_published_over_what_it_was_made_from kept_it_is_said_and_all_is_there \
	a_disk_that_cannot_be_looked_into_is_refused
