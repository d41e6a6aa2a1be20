#!/usr/bin/env bash
# qcow2 and VHDX images that qemu-img and qemu-io wrote are read by Sill as qemu-img reads them.
# FULL=1 tries every combination of options; without it a selection that touches each option.
set -u
dump=${SILL_BUILD:?}/tests/integration/image-dump
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0

result() { # result STATUS NAME: one test line
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
	if [ "$1" != 0 ] && [ -s why ]; then sed 's/^/# /' why | head -20; fi
	: >why
}

# Random data, text that compresses, long and short holes; the size is no multiple of any cluster.
content() { # content FILE MIB
	truncate -s $(($2 * 1048576 + 1536)) "$1"
	dd if=/dev/urandom of="$1" bs=64k seek=3 count=37 conv=notrunc status=none
	seq 1 900000 | dd of="$1" bs=1M seek=6 conv=notrunc iflag=fullblock status=none
	dd if=/dev/urandom of="$1" bs=512 seek=$(($2 * 2048 + 1)) count=2 conv=notrunc status=none
	dd if=/dev/urandom of="$1" bs=4k seek=$(($2 * 200)) count=3 conv=notrunc status=none
}

same() { # same IMAGE: our reading of it is qemu-img's
	rm -f ours.raw theirs.raw
	timeout 300 "$dump" -s "${RANDOM}" raw "$1" ours.raw 2>>why &&
		qemu-img convert -O raw "$1" theirs.raw 2>>why && cmp ours.raw theirs.raw >>why 2>&1
}

sound() { # sound IMAGE: our check finds nothing in it
	timeout 300 "$dump" check "$1" >>why 2>&1
}

# Writes, trims and zeroes at odd places, so that clusters in every state lie side by side.
scribble() { # scribble FORMAT IMAGE
	qemu-io -f "$1" -d unmap -c 'write -P 1 512 1536' -c 'write -P 2 1000448 70000' \
		-c 'write -z 2097152 262144' -c 'write -z -u 3211264 65536' -c 'discard 196608 131072' \
		-c 'write -P 3 5242368 1024' -c 'write -z 5300224 4096' -c 'write -P 4 9000960 3000320' \
		-c 'write -P 5 12582912 512' "$2" >/dev/null 2>>why
}

qcow2() { # qcow2 NAME OPTIONS [-c]: from content, then scribbled over
	local image=q.qcow2 status=0
	rm -f "$image"
	qemu-img convert ${3:+"$3"} -O qcow2 ${2:+-o "$2"} content.raw "$image" 2>>why || status=1
	[ "$status" = 0 ] && same "$image" && sound "$image" && scribble qcow2 "$image" &&
		same "$image" && sound "$image" || status=1
	result "$status" "a_qcow2_with_${1}_is_read_as_qemu_reads_it"
}

refused() { # refused IMAGE WORDS: by a sentence with these words
	"$dump" map "$1" >/dev/null 2>why && return 1
	grep -q "$2" why
}

content content.raw 24
for size in 512 4k 64k 2M; do
	qcow2 "clusters_of_$size" "cluster_size=$size"
	qcow2 "zlib_clusters_of_$size" "cluster_size=$size" -c
	[ "$size" = 4k ] && [ -z "${FULL-}" ] && continue
	qcow2 "zstd_clusters_of_$size" "cluster_size=$size,compression_type=zstd" -c
done
qcow2 version_2 compat=0.10
qcow2 version_2_compressed compat=0.10 -c
for size in 16k 64k 2M; do
	qcow2 "subclusters_in_$size" "extended_l2=on,cluster_size=$size"
	qcow2 "subclusters_beside_compressed_ones_in_$size" "extended_l2=on,cluster_size=$size" -c
done
for how in metadata falloc full; do
	qcow2 "preallocation_$how" "preallocation=$how"
	qcow2 "subclusters_and_preallocation_$how" "extended_l2=on,preallocation=$how"
done
qcow2 lazy_refcounts lazy_refcounts=on
for bits in 1 2 4 8 32 64; do
	qcow2 "refcounts_of_${bits}_bits" "refcount_bits=$bits"
done

qemu-img create -q -f qcow2 -F raw -b content.raw -o extended_l2=on mid.qcow2 26M &&
	scribble qcow2 mid.qcow2 &&
	qemu-img create -q -f qcow2 -F qcow2 -b mid.qcow2 -o cluster_size=4k top.qcow2 40M &&
	qemu-io -c 'write -P 9 27262976 100000' -c 'write -P 8 1048576 512' top.qcow2 >/dev/null &&
	same top.qcow2 && sound top.qcow2
result $? a_chain_whose_parts_grow_reads_zeros_past_the_end_of_each
qemu-img create -q -f qcow2 -F raw -b content.raw small.qcow2 7M && scribble qcow2 small.qcow2
same small.qcow2
result $? a_child_smaller_than_its_backing_file_hides_the_rest
mkdir sub && qemu-img create -q -f qcow2 -F qcow2 -b ../top.qcow2 sub/leaf.qcow2 && (cd / && same "$dir/sub/leaf.qcow2") 
result $? a_backing_file_is_found_beside_its_child_from_any_directory
qemu-img snapshot -c one top.qcow2 && qemu-io -c 'write -P 7 1048576 200000' top.qcow2 >/dev/null &&
	qemu-img snapshot -c two top.qcow2 && qemu-io -c 'write -P 6 100000 200000' top.qcow2 >/dev/null &&
	same top.qcow2 && sound top.qcow2
result $? internal_snapshots_do_not_disturb_the_active_disk
mv content.raw moved.raw
refused mid.qcow2 content.raw
result $? a_backing_file_that_is_gone_is_named
"$dump" -p moved.raw raw mid.qcow2 ours.raw 2>why && mv moved.raw content.raw &&
	qemu-img convert -O raw mid.qcow2 theirs.raw && cmp ours.raw theirs.raw >why
result $? a_parent_that_the_person_names_is_used_instead

qemu-img create -q -f qcow2 -o data_file=ext.raw,data_file_raw=on ext.qcow2 8M
refused ext.qcow2 'external data file'
result $? an_external_data_file_is_refused_by_name
qemu-img create -q -f qcow2 --object secret,id=s,data=secret \
	-o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 luks.qcow2 8M
refused luks.qcow2 'encrypted (LUKS)'
result $? an_encrypted_image_is_refused_by_name

qemu-img create -q -f qcow2 huge.qcow2 1T && qemu-io -c 'write -P 1 900G 64k' huge.qcow2 >/dev/null
read -r bytes _ < <("$dump" cost huge.qcow2)
[ "$bytes" -le 65536 ] || { echo "opening read $bytes bytes" >why; false; }
result $? opening_a_qcow2_of_1_TiB_reads_a_few_KiB

echo "1..$n"
