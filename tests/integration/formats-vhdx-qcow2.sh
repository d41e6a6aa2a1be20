#!/usr/bin/env bash
# qcow2 and VHDX images that qemu-img and qemu-io wrote are read by Sill as those read them, VHDX
# also as libvhdi does.  FULL=1 tries more combinations of options and every crash point.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-img qemu-io
dump=$SILL_BUILD/tests/integration/image-dump
crash=$SILL_BUILD/tests/integration/kill-at-write.so
cd "$work" || exit 1
tests=()

# Random data, text that compresses, long and short holes; the size is no multiple of any cluster.
content() # FILE MIB
{
	truncate -s $(($2 * 1048576 + 1536)) "$1"
	dd if=/dev/urandom of="$1" bs=64k seek=3 count=37 conv=notrunc status=none
	seq 1 900000 | dd of="$1" bs=1M seek=6 conv=notrunc iflag=fullblock status=none
	dd if=/dev/urandom of="$1" bs=512 seek=$(($2 * 2048 + 1)) count=2 conv=notrunc status=none
	dd if=/dev/urandom of="$1" bs=4k seek=$(($2 * 200)) count=3 conv=notrunc status=none
}

# Our reading of an image is qemu-img's, and our check finds nothing in it.
same() # IMAGE
{
	rm -f ours.raw theirs.raw
	timeout 300 "$dump" -s "$RANDOM" raw "$1" ours.raw
	qemu-img convert -O raw "$1" theirs.raw
	cmp ours.raw theirs.raw
	timeout 300 "$dump" check "$1"
}

# Writes, trims and zeroes at odd places, so that clusters in every state lie side by side.
scribble() # FORMAT IMAGE
{
	local size
	size=$(qemu-img info -f "$1" --output=json "$2" | jq .\"virtual-size\")
	set -- "$1" "$2" -c 'write -P 1 512 1536' -c 'write -P 2 1000448 70000' \
		-c 'write -z 2097152 262144' -c 'write -z -u 3211264 65536' \
		-c 'discard 196608 131072' -c 'write -P 3 5242368 1024' -c 'write -z 5300224 4096'
	[ "$size" -lt 12000000 ] || set -- "$@" -c 'write -P 4 9000960 3000320'
	[ "$size" -lt 13000000 ] || set -- "$@" -c 'write -P 5 12582912 512'
	qemu-io -f "$1" -d unmap "${@:3}" "$2" >/dev/null
}

# Adds a test: an image made of the content with these options, then scribbled over.
reads() # FORMAT WORDS OPTIONS [-c]
{
	local name="a_$1_with_$2_is_read_as_qemu_reads_it"
	eval "$name() { written_and_read '$1' '$3' ${4-}; }"
	tests+=("$name")
}

written_and_read() # FORMAT OPTIONS [-c]
{
	local image=one.$1
	rm -f "$image"
	qemu-img convert ${3:+"$3"} -O "$1" -o "$2" content.raw "$image"
	same "$image"
	scribble "$1" "$image"
	same "$image"
}

refused() # IMAGE WORDS
{
	! "$dump" map "$1" >why 2>&1 || fail "$1 was not refused"
	grep -F "$2" why || fail "no \"$2\" in: $(cat why)"
}

cheap() # IMAGE BYTES: opening it reads no more
{
	read -r bytes requests < <("$dump" cost "$1")
	[ "$bytes" -le "$2" ] || fail "opening read $bytes bytes in $requests requests"
}

content content.raw 24
for size in 512 4k 64k 2M; do
	reads qcow2 "clusters_of_$size" "cluster_size=$size"
	reads qcow2 "zlib_clusters_of_$size" "cluster_size=$size" -c
	reads qcow2 "zstd_clusters_of_$size" "cluster_size=$size,compression_type=zstd" -c
done
reads qcow2 version_2 compat=0.10
reads qcow2 version_2_compressed compat=0.10 -c
for size in 16k 64k ${FULL:+128k 512k} 2M; do
	reads qcow2 "subclusters_in_$size" "extended_l2=on,cluster_size=$size"
	reads qcow2 "subclusters_beside_compressed_ones_in_$size" \
		"extended_l2=on,cluster_size=$size" -c
done
for how in metadata falloc full; do
	reads qcow2 "preallocation_$how" "preallocation=$how"
	reads qcow2 "subclusters_and_preallocation_$how" "extended_l2=on,preallocation=$how"
done
reads qcow2 lazy_refcounts lazy_refcounts=on
for bits in 1 ${FULL:+2 4 8 32} 64; do
	reads qcow2 "refcounts_of_${bits}_bits" "refcount_bits=$bits"
done
for size in 1M ${FULL:+2M 16M 64M} 8M 256M; do
	reads vhdx "blocks_of_$size" "block_size=$size"
done
reads vhdx "fixed_size" "subformat=fixed"
reads vhdx "fixed_size_in_blocks_of_1M" "subformat=fixed,block_size=1M"
reads vhdx "block_states_all_zero" "block_state_zero=on,block_size=1M"
reads vhdx "block_states_not_present" "block_state_zero=off,block_size=1M"
reads vhdx "a_log_of_8M" "log_size=8M"

a_chain_whose_parts_grow_reads_zeros_past_the_end_of_each()
{
	qemu-img create -q -f qcow2 -F raw -b content.raw -o extended_l2=on mid.qcow2 26M
	scribble qcow2 mid.qcow2
	qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 -o cluster_size=4k top.qcow2 40M
	qemu-io -c 'write -P 9 27262976 100000' -c 'write -P 8 1048576 512' top.qcow2 >/dev/null
	same top.qcow2
}

a_child_smaller_than_its_backing_file_hides_the_rest()
{
	qemu-img create -q -f qcow2 -F raw -b content.raw small.qcow2 7M
	scribble qcow2 small.qcow2
	same small.qcow2
}

a_backing_file_is_found_beside_its_child_from_any_directory()
{
	mkdir -p sub
	qemu-img create -q -f qcow2 -F qcow2 -b ../top.qcow2 sub/leaf.qcow2
	"$dump" raw top.qcow2 theirs.raw
	(cd / && "$dump" raw "$work/sub/leaf.qcow2" "$work/ours.raw")
	cmp ours.raw theirs.raw
}

internal_snapshots_do_not_disturb_the_active_disk()
{
	qemu-img snapshot -c one top.qcow2
	qemu-io -c 'write -P 7 1048576 200000' top.qcow2 >/dev/null
	qemu-img snapshot -c two top.qcow2
	qemu-io -c 'write -P 6 100000 200000' top.qcow2 >/dev/null
	same top.qcow2
	[ "$("$dump" info top.qcow2 | jq .snapshots)" = 2 ]
}

a_backing_file_that_is_gone_is_named()
{
	qemu-img create -q -f qcow2 -u -F raw -b gone.raw lost.qcow2 26M
	refused lost.qcow2 gone.raw
}

a_parent_that_the_person_names_is_used_instead()
{
	qemu-img create -q -f qcow2 -u -F raw -b gone.raw lost.qcow2 25167360
	"$dump" -p content.raw raw lost.qcow2 ours.raw
	cmp ours.raw content.raw
}

a_backing_file_of_a_format_that_sill_does_not_read_is_refused_by_name()
{
	qemu-img create -q -f qcow2 -u -F vmdk -b disk.vmdk foreign.qcow2 26M
	refused foreign.qcow2 vmdk
}

an_external_data_file_is_refused_by_name()
{
	qemu-img create -q -f qcow2 -o data_file=ext.raw,data_file_raw=on ext.qcow2 8M
	refused ext.qcow2 'external data file'
}

an_encrypted_image_is_refused_by_name()
{
	qemu-img create -q -f qcow2 --object secret,id=s,data=secret \
		-o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 luks.qcow2 8M
	refused luks.qcow2 'encrypted (LUKS)'
}

a_qcow2_that_a_crash_left_dirty_is_read_as_qemu_reads_it()
{
	local at
	for at in 3 7 12 20; do
		qemu-img create -q -f qcow2 -o lazy_refcounts=on,cluster_size=4k dirty.qcow2 16M
		! crashed "$at" qcow2 dirty.qcow2
		rm -f ours.raw theirs.raw
		"$dump" raw dirty.qcow2 ours.raw
		qemu-img convert -O raw dirty.qcow2 theirs.raw
		cmp ours.raw theirs.raw
	done
}

# Writes to new places of the image, and dies at the given write to the file.
crashed() # AT FORMAT IMAGE
{
	KILL_AT=$1 LD_PRELOAD=$crash qemu-io -f "$2" -c 'write -P 1 0 64k' -c 'write -P 2 10M 3M' \
		-c 'write -P 3 5M 512' -c 'write -z 10M 1M' "$3" >/dev/null
}

# qemu-img replays the log of a copy; Sill reads as if it had, and leaves the file as it is.
a_vhdx_that_a_crash_left_with_a_log_is_read_as_after_its_replay()
{
	local at replayed=0 before points="8 9 16 17 24 32 33 40"
	[ -z "${FULL-}" ] || points=$(seq 1 44)
	for at in $points; do
		qemu-img create -q -f vhdx -o block_size=1M crashed.vhdx 64M
		crashed "$at" vhdx crashed.vhdx || :
		before=$(sha256sum <crashed.vhdx)
		cp crashed.vhdx repaired.vhdx
		qemu-img check -q -r all repaired.vhdx
		rm -f ours.raw theirs.raw
		qemu-img convert -O raw repaired.vhdx theirs.raw
		"$dump" raw crashed.vhdx ours.raw
		cmp ours.raw theirs.raw
		[ "$before" = "$(sha256sum <crashed.vhdx)" ]
		replayed=$((replayed + $("$dump" info crashed.vhdx | jq .replayed_log_entries)))
	done
	[ $replayed -gt 0 ] || fail "no crash left a log"
}

# Our reading of an image is that of libvhdi, which shows the parents of a disk first.
as_libvhdi() # IMAGE NUMBER
{
	local differs=0
	command -v vhdimount >/dev/null || skip "vhdimount is not installed"
	"$dump" raw "$1" ours.raw
	mkdir -p mount
	vhdimount "$1" mount >/dev/null || skip "libvhdi cannot mount here"
	cmp ours.raw "mount/vhdi$2" || differs=1
	umount mount || fusermount -u mount
	[ $differs = 0 ] || fail "libvhdi reads something else"
}

a_vhdx_is_read_as_libvhdi_reads_it()
{
	local block
	for block in 1M 8M; do
		qemu-img convert -O vhdx -o block_size=$block content.raw lib.vhdx
		as_libvhdi lib.vhdx 1
	done
}

a_differencing_vhdx_is_read_as_libvhdi_reads_it()
{
	mkdir -p pair
	(cd pair && "$SILL_BUILD/tests/integration/make-vhdx-pair")
	qemu-img convert -O raw pair/parent.vhdx theirs.raw
	"$dump" raw pair/parent.vhdx ours.raw
	cmp ours.raw theirs.raw
	as_libvhdi pair/child.vhdx 2
	[ "$("$dump" info pair/child.vhdx | jq -r '.parents[0].subformat')" = dynamic ]
}

opening_a_qcow2_of_1_TiB_reads_a_few_KiB()
{
	qemu-img create -q -f qcow2 huge.qcow2 1T
	qemu-io -c 'write -P 1 900G 64k' huge.qcow2 >/dev/null
	cheap huge.qcow2 65536
}

opening_a_vhdx_of_1_TiB_reads_its_header_and_little_more()
{
	qemu-img create -q -f vhdx -o block_size=1M huge.vhdx 1T
	qemu-io -f vhdx -c 'write -P 1 900G 64k' huge.vhdx >/dev/null
	cheap huge.vhdx 131072
}

run_tests "${tests[@]}" \
	a_chain_whose_parts_grow_reads_zeros_past_the_end_of_each \
	a_child_smaller_than_its_backing_file_hides_the_rest \
	a_backing_file_is_found_beside_its_child_from_any_directory \
	internal_snapshots_do_not_disturb_the_active_disk \
	a_backing_file_that_is_gone_is_named \
	a_parent_that_the_person_names_is_used_instead \
	a_backing_file_of_a_format_that_sill_does_not_read_is_refused_by_name \
	an_external_data_file_is_refused_by_name \
	an_encrypted_image_is_refused_by_name \
	a_qcow2_that_a_crash_left_dirty_is_read_as_qemu_reads_it \
	a_vhdx_that_a_crash_left_with_a_log_is_read_as_after_its_replay \
	a_vhdx_is_read_as_libvhdi_reads_it \
	a_differencing_vhdx_is_read_as_libvhdi_reads_it \
	opening_a_qcow2_of_1_TiB_reads_a_few_KiB \
	opening_a_vhdx_of_1_TiB_reads_its_header_and_little_more
