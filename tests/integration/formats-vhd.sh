#!/usr/bin/env bash
# VHD against other programs: what qemu-img writes reads the same here, and what is written here
# reads the same by qemu-img and by libvhdi.  "The same" is always the SHA-256 of the whole disk.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-img qemu-nbd nginx vhdimount vhdiinfo python3

# sample FILE BYTES SEED [BASE]: a disk with data in long and short runs, at the end too, and holes
# between; over a copy of BASE, where some runs become zero.
sample()
{
	python3 - "$@" <<-'PYTHON'
		import random, sys
		path, size, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		chance = random.Random(seed)
		based = len(sys.argv) > 4
		disk = bytearray(open(sys.argv[4], 'rb').read() if based else size)
		for run in range(40):
		    at = chance.randrange(size)
		    length = min(chance.choice((512, 700, 4096, 30000, 200000)), size - at)
		    piece = bytes(length) if run % 4 == 3 else chance.randbytes(length)
		    disk[at:at + length] = piece
		disk[size - 512:] = chance.randbytes(512)
		with open(path, 'wb') as out:
		    out.truncate(size)
		    for at in range(0, size, 4096):
		        piece = disk[at:at + 4096]
		        if any(piece):
		            out.seek(at)
		            out.write(piece)
	PYTHON
}

hash_of()
{
	sha256sum "$1" | cut -c1-64
}

# Only the first BYTES: qemu-img rounds sizes up to its geometry.
hash_of_start()
{
	head -c "$2" "$1" | sha256sum | cut -c1-64
}

# vhdi IMAGE N: the hash of the N-th disk that libvhdi shows: 1 is the base, the last the child.
vhdi()
{
	local at
	at=$(mktemp -d "$work/mount-XXXX")
	vhdimount "$1" "$at" >/dev/null
	hash_of "$at/vhdi$2" || :
	umount "$at"
}

# Sizes: one block and a bit, no multiple of 4 KiB, below a block, with an exact geometry.
sizes="$((37 << 20)) $(((5 << 20) + 1536)) 70144 $((963 * 5 * 17 * 512))"

what_qemu_img_writes_reads_the_same()
{
	local size option at
	for size in $sizes; do
		sample "$work/a.raw" "$size" 1
		for option in subformat=dynamic subformat=fixed subformat=dynamic,force_size=on \
			subformat=fixed,force_size=on; do
			qemu-img convert -f raw -O vpc -o "$option" "$work/a.raw" "$work/q.vhd"
			sill disk check "$work/q.vhd"
			sill convert "$work/q.vhd" "$work/b.raw" --force
			[ "$(hash_of_start "$work/b.raw" "$size")" = "$(hash_of "$work/a.raw")" ] ||
				fail "$size bytes, $option: the content differs"
			at=$(qemu-img info -f vpc --output json "$work/q.vhd" |
				jq '.["virtual-size"]')
			[ "$(stat -c %s "$work/b.raw")" = "$at" ] ||
				fail "$size bytes, $option: the size"
		done
	done
}

# written_here READER: what it says of a VHD is the hash of what was written into it.
written_here()
{
	local size kind
	for size in $sizes; do
		sample "$work/a.raw" "$size" 2
		for kind in dynamic fixed; do
			sill convert "$work/a.raw" "$work/s.vhd" --subformat $kind --force
			[ "$("$1" "$work/s.vhd" 1)" = "$(hash_of "$work/a.raw")" ] ||
				fail "$size bytes, $kind: something else is read"
		done
	done
}

by_qemu_img()
{
	qemu-img convert -f vpc -O raw "$1" "$work/b.raw"
	hash_of "$work/b.raw"
}

what_is_written_here_reads_the_same_by_qemu_img()
{
	written_here by_qemu_img
}

what_is_written_here_reads_the_same_by_libvhdi()
{
	[ -c /dev/fuse ] || skip 'vhdimount needs FUSE'
	written_here vhdi
}

a_chain_of_differencing_disks_reads_the_same_by_libvhdi()
{
	[ -c /dev/fuse ] || skip 'vhdimount needs FUSE'
	local size
	for size in $sizes; do
		sample "$work/1.raw" "$size" 4
		sample "$work/2.raw" "$size" 5 "$work/1.raw"
		sample "$work/3.raw" "$size" 6 "$work/2.raw"
		sill convert "$work/1.raw" "$work/1.vhd" --force
		sill convert "$work/2.raw" "$work/2.vhd" --parent "$work/1.vhd" --force
		sill convert "$work/3.raw" "$work/3.vhd" --parent "$work/2.vhd" --force
		sill disk check "$work/3.vhd"
		for n in 1 2 3; do
			[ "$(vhdi "$work/3.vhd" $n)" = "$(hash_of "$work/$n.raw")" ] ||
				fail "$size bytes: libvhdi reads disk $n otherwise"
			sill convert "$work/$n.vhd" "$work/b.raw" --force
			[ "$(hash_of "$work/b.raw")" = "$(hash_of "$work/$n.raw")" ] ||
				fail "$size bytes: disk $n reads otherwise here"
		done
		vhdiinfo "$work/3.vhd" | grep 'Parent filename.*2.vhd'
	done
}

a_child_over_a_base_of_qemu_img_reads_the_same_everywhere()
{
	[ -c /dev/fuse ] || skip 'vhdimount needs FUSE'
	local size=$((963 * 5 * 17 * 512))
	sample "$work/1.raw" $size 7
	sample "$work/2.raw" $size 8 "$work/1.raw"
	qemu-img convert -f raw -O vpc "$work/1.raw" "$work/base.vhd"
	sill convert "$work/2.raw" "$work/child.vhd" --parent "$work/base.vhd"
	[ "$(vhdi "$work/child.vhd" 2)" = "$(hash_of "$work/2.raw")" ]
	sill convert "$work/child.vhd" "$work/b.raw" --force
	[ "$(hash_of "$work/b.raw")" = "$(hash_of "$work/2.raw")" ]
}

a_vhd_and_its_parent_are_read_from_a_web_server()
{
	local size=$((5 << 20))
	sample "$work/1.raw" $size 9
	sample "$work/2.raw" $size 10 "$work/1.raw"
	mkdir "$work/www"
	sill convert "$work/1.raw" "$work/www/my base.vhd"
	sill convert "$work/2.raw" "$work/www/child.vhd" --parent "$work/www/my base.vhd"
	web far "$work/www"
	sill convert "$(cat "$work/far.url")/child.vhd" "$work/b.raw" --force
	[ "$(hash_of "$work/b.raw")" = "$(hash_of "$work/2.raw")" ]
	sill disk info --json "$(cat "$work/far.url")/child.vhd" |
		jq -e '.subformat == "differencing" and (.parents | length) == 1
			and .problems == []'

	# A child here of a base there.
	sill convert "$work/2.raw" "$work/here.vhd" --parent "$(cat "$work/far.url")/my%20base.vhd"
	sill convert "$work/here.vhd" "$work/b.raw" --force
	[ "$(hash_of "$work/b.raw")" = "$(hash_of "$work/2.raw")" ]
}

info_and_check_say_what_is_wrong_with_a_file()
{
	local out
	sample "$work/a.raw" $((9 << 20)) 11
	sill convert "$work/a.raw" "$work/s.vhd" --force
	printf '\x7f\xff\xff\xff' | dd of="$work/s.vhd" bs=1 seek=$((1536 + 4)) conv=notrunc \
		status=none
	if out=$(sill disk check "$work/s.vhd" 2>"$work/said"); then
		fail "the check passed"
	fi
	[[ $out == *"block table entry 1 points past the end of the file"* ]] || fail "$out"
	grep -q 's.vhd has 1 problem$' "$work/said"
	sill disk info "$work/s.vhd" | grep '^problem .*block table entry 1 points past'
	if sill convert "$work/s.vhd" "$work/never.raw" 2>"$work/said"; then
		fail "a broken file was converted"
	fi
	grep -q 'block table entry 1 points past' "$work/said"
	[ ! -e "$work/never.raw" ]
}

compressed_images_are_refused_with_what_to_do()
{
	local tool
	sample "$work/a.raw" $((1 << 20)) 12
	for tool in gzip xz zstd bzip2; do
		command -v $tool >/dev/null || continue
		$tool -c "$work/a.raw" >"$work/a.packed"
		if sill disk info "$work/a.packed" 2>"$work/said"; then
			fail "$tool: taken"
		fi
		grep -q "compressed with $tool.*decompress it first" "$work/said"
	done
}

a_full_disk_leaves_nothing_behind()
{
	[ "$(id -u)" = 0 ] || skip "mounting needs root"
	sample "$work/a.raw" $((20 << 20)) 13
	mkdir "$work/small"
	mount -t tmpfs -o size=1M none "$work/small" || skip "mounting is not allowed here"
	if sill convert "$work/a.raw" "$work/small/s.vhd" 2>"$work/said"; then
		umount "$work/small"
		fail "1 MiB held it all"
	fi
	ls -A "$work/small" >"$work/left"
	umount "$work/small"
	grep -q 'No space left on device' "$work/said"
	[ ! -s "$work/left" ]
}

vhdx_and_qcow2_are_written_with_qemu_and_read_the_same()
{
	local size option
	for size in $sizes; do
		sample "$work/a.raw" "$size" 14
		sill convert "$work/a.raw" "$work/a.vhd" --force
		for option in o.qcow2 "o.qcow2 --compress" o.vhdx "o.vhdx --subformat fixed"; do
			# shellcheck disable=SC2086
			(cd "$work" && sill convert a.vhd $option --force)
			qemu-img compare -f raw -F "$(sed 's/o\.//; s/ .*//' <<<"$option")" \
				"$work/a.raw" \
				"$work/${option%% *}"
			sill convert "$work/${option%% *}" "$work/b.raw" --force
			[ "$(hash_of "$work/b.raw")" = "$(hash_of "$work/a.raw")" ] ||
				fail "$size bytes, $option: reads otherwise here"
		done
	done
}

a_compressed_qcow2_is_small_and_leaves_nothing_beside_it()
{
	mkdir "$work/packed"
	head -c $((5 << 20)) < <(yes sill) >"$work/packed/a.raw"
	sill convert --compress "$work/packed/a.raw" "$work/packed/o.qcow2"
	[ "$(qemu-img info --output=json "$work/packed/o.qcow2" |
		jq -r '."format-specific".data."compression-type"')" = zstd ]
	# Eighty clusters that one sector holds each, and QEMU's own structures.
	[ "$(stat -c %s "$work/packed/o.qcow2")" -lt $((512 << 10)) ]
	[ "$(ls -A "$work/packed")" = "$(printf 'a.raw\no.qcow2')" ]
	! sill convert --compress "$work/packed/a.raw" "$work/packed/o.vhd" 2>"$work/said"
	grep -q 'compress is for qcow2' "$work/said"
}

without_qemu_its_formats_are_refused_with_what_to_install()
{
	mkdir "$work/elsewhere"
	sample "$work/a.raw" $((1 << 20)) 15
	if PATH=$SILL_BUILD/cli sill convert "$work/a.raw" "$work/elsewhere/o.qcow2" \
		2>"$work/said"; then
		fail "written without qemu-img"
	fi
	grep -q 'qemu-img.*package qemu-utils' "$work/said"
	[ -z "$(ls -A "$work/elsewhere")" ]
}

# The server sends so slowly that the conversion cannot be over when the signal comes.
an_interrupted_conversion_leaves_nothing_behind()
{
	local target
	mkdir "$work/slow" "$work/target"
	sample "$work/slow/a.raw" $((37 << 20)) 16
	web slow "$work/slow" "limit_rate 200k;"
	for target in o.raw o.vhd o.qcow2; do
		background "$work/said" sill convert "$(cat "$work/slow.url")/a.raw" \
			"$work/target/$target"
		wait_for 20 started "$background_pid" "$work/target"
		kill -INT "$background_pid"
		wait_for 60 gone "$background_pid" || fail "$target: it goes on"
		[ -z "$(ls -A "$work/target")" ] || fail "$target: left $(ls -A "$work/target")"
	done
}

# started PID FOLDER: it has a file in the folder open, with or without a name.
started()
{
	find "/proc/$1/fd" -lname "$2/*" | grep .
}

run_tests what_qemu_img_writes_reads_the_same \
	what_is_written_here_reads_the_same_by_qemu_img \
	what_is_written_here_reads_the_same_by_libvhdi \
	a_chain_of_differencing_disks_reads_the_same_by_libvhdi \
	a_child_over_a_base_of_qemu_img_reads_the_same_everywhere \
	a_vhd_and_its_parent_are_read_from_a_web_server \
	info_and_check_say_what_is_wrong_with_a_file \
	vhdx_and_qcow2_are_written_with_qemu_and_read_the_same \
	a_compressed_qcow2_is_small_and_leaves_nothing_beside_it \
	without_qemu_its_formats_are_refused_with_what_to_install \
	an_interrupted_conversion_leaves_nothing_behind \
	compressed_images_are_refused_with_what_to_do \
	a_full_disk_leaves_nothing_behind
