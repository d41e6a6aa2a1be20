#!/usr/bin/env bash
# Measure Sill against what else there is, all in one run on one machine.
#
#   RUNS=3        how often each way of booting is measured; the median counts
#   WAYS="a b…"   only these ways (see `ways` below)
#   PARTS="boot blocks fio open hypervisor kvm"
#   FIO_SECONDS=8 FIO_PAIRS=3   of each fio run, and how often each cell is measured
#   CHUNK=128K    chunk size of the index that the way `pack` boots
#   FIO_FILL=4k   the size of the writes that fill the disks before fio measures
#
# Every way boots the same sample machine in the same virtual computer.  Ways that fetch do so from
# one nginx through a link of 100 Mbit/s and 30 ms round trip (shaper.c).  The clock runs from the
# first command to the guest agent's first answer; bytes are those that came over the link by then,
# headers included.  Rounds go through all ways in turn, so that a slow minute hits every way.
# Results: build/bench/*.json, and build/bench/table.md, which is what docs/benchmarks.md shows.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
export SILL_SOURCE=$PWD SILL_BUILD=${SILL_BUILD:-$PWD/build/release} \
	SILL_CACHE=${SILL_CACHE:-$PWD/build}
runs=${RUNS:-3}
parts=${PARTS:-boot blocks fio open hypervisor kvm}
ways=${WAYS:-local cold trace pack warm cold-vhd trace-vhd qemu-http nbdkit download}
mbit=100 rtt_ms=30 patience=400 fio_seconds=${FIO_SECONDS:-8} fio_pairs=${FIO_PAIRS:-3} fio_fill=${FIO_FILL:-4k} chunk=${CHUNK:-128K}
results=$PWD/build/bench
mkdir -p "$results"

ninja -C "$SILL_BUILD" --quiet >"$results/build.log" 2>&1 || { cat "$results/build.log"; exit 1; }
machines/debian-12/build.sh "$SILL_CACHE/machines/debian-12" || exit 1
. tests/integration/lib.sh
image=$machines/debian-12

# Near stores and overlays lie where a person's would: on the disk, not in memory.
heap=$(mktemp -d "$results/heap.XXXXXX")
trap 'lib_clean; rm -rf "$heap"' EXIT

now() { date +%s.%N; }
since() { echo "$(now) - $1" | bc; }

# The far: each way gets the form of the disk that suits it best.  That is compressed qcow2 for all
# who read it; nbdkit's curl plugin wants a raw file.  A VHD is there for comparison.
prepare()
{
	mkdir -p "$heap/www"
	ln -s "$image/disk.vhd" "$heap/www/disk.vhd"
	ln -s "$image/disk.raw" "$heap/www/disk.raw"
	[ "$image/disk.zstd.qcow2" -nt "$image/disk.raw" ] ||
		sill convert --force --compress "$image/disk.raw" "$image/disk.zstd.qcow2" \
			>/dev/null || return 1
	ln -s "$image/disk.zstd.qcow2" "$heap/www/disk.qcow2"
	web far "$heap/www"
}

# A new link for each boot: $url, and link_bytes for what came down.
link_up()
{
	rm -f "$work/link.port" "$work/link.bytes"
	background "$work/link.port" "$SILL_BUILD/tests/bench/shaper" $mbit $((rtt_ms / 2)) \
		"$(cat "$work/far.port")" "$work/link.bytes"
	link_pid=$background_pid
	wait_for 10 test -s "$work/link.port" || return 1
	url=http://127.0.0.1:$(cat "$work/link.port")
}

link_bytes()
{
	rm -f "$work/link.bytes"
	kill -USR1 "$link_pid"
	wait_for 10 test -s "$work/link.bytes" && cut -d' ' -f2 "$work/link.bytes"
}

end_of()
{
	kill "$1" 2>/dev/null
	wait_for 20 gone "$1" || kill -KILL "$1"
	rm -f "$work/pids/$1"
}

# The virtual computer of `sill run`, for the others: machine/qemu.c has the same devices.
# qemu_ready BLOCKDEV…: starts it on the node disk0 and waits for the agent.
qemu_ready()
{
	local arguments=() node
	for node in "$@"; do
		arguments+=(-blockdev "$node")
	done
	rm -rf "$work/vm"
	mkdir "$work/vm"
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/vm/vars.fd"
	background "$work/vm/log" qemu-system-x86_64 -nodefaults -no-user-config \
		-accel tcg,thread=multi \
		-machine q35,pflash0=uefi-code,pflash1=uefi-vars -cpu max,la57=off \
		-smp cpus=2,sockets=1,cores=2,threads=1 -m 2048M -rtc base=utc -display none \
		-blockdev driver=file,node-name=uefi-code,read-only=on,filename=/usr/share/OVMF/OVMF_CODE_4M.fd \
		-blockdev driver=file,node-name=uefi-vars,filename="$work/vm/vars.fd" \
		-chardev socket,id=agent,path="$work/vm/agent",server=on,wait=off \
		-chardev file,id=console,path="$work/vm/console" \
		-device isa-serial,chardev=console \
		-device virtio-serial-pci,id=channels \
		-device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0 \
		-object rng-builtin,id=random -device virtio-rng-pci,rng=random \
		-netdev user,id=net0 -device virtio-net-pci,netdev=net0,romfile= \
		-object iothread,id=disk-thread "${arguments[@]}" \
		-device virtio-blk-pci,drive=disk0,iothread=disk-thread,num-queues=2,bootindex=1
	vm_pid=$background_pid
	"$SILL_BUILD/tests/bench/until-ready" "$work/vm/agent" $patience || {
		cat "$work/vm/log"
		tail -n 5 "$work/vm/console"
		return 1
	}
}

# overlay FORMAT FILE: makes a fresh qcow2 over it and starts from that.
overlay()
{
	qemu-img create -q -f qcow2 -F "$1" -b "$2" "$heap/overlay.qcow2" || return 1
	qemu_ready "driver=qcow2,node-name=disk0,discard=unmap,file.driver=file,file.filename=$heap/overlay.qcow2"
}

boot_local() { overlay raw "$image/disk.raw"; }

boot_qemu_http()
{
	qemu-img create -q -f qcow2 "$heap/overlay.qcow2" 2G || return 1
	qemu_ready "{\"driver\": \"copy-on-read\", \"node-name\": \"disk0\", \"file\": {
		\"driver\": \"qcow2\", \"file\": {\"driver\": \"file\", \"filename\": \"$heap/overlay.qcow2\"},
		\"backing\": {\"driver\": \"qcow2\", \"file\": {\"driver\": \"http\", \"url\": \"$url/disk.qcow2\",
		\"readahead\": 262144}}}}"
}

boot_nbdkit()
{
	rm -f "$work/nbd" # the last one's, which says nothing of this one
	background "$work/nbdkit.log" env TMPDIR="$heap" nbdkit -f -U "$work/nbd" --filter=cow \
		--filter=cache \
		--filter=readahead curl "$url/disk.raw" cache-on-read=true
	server_pid=$background_pid
	wait_for 20 test -S "$work/nbd" || return 1
	qemu_ready "driver=nbd,node-name=disk0,discard=unmap,server.type=unix,server.path=$work/nbd"
}

boot_download()
{
	curl -sSf -o "$heap/download.qcow2" "$url/disk.qcow2" &&
		overlay qcow2 "$heap/download.qcow2"
}

# sill_ready STATE PATH: `sill run` of what is far there, with what is near in that state.
sill_ready()
{
	SILL_STATE=$heap/$1 sill run --name "bench$RANDOM" --firmware uefi --accel tcg \
		--wait=$patience \
		"$url/$2" >"$work/sill.log" 2>&1 || {
		cat "$work/sill.log"
		return 1
	}
}

boot_cold() { sill_ready cold disk.qcow2; }
boot_cold_vhd() { sill_ready cold-vhd disk.vhd; }
boot_trace() { sill_ready trace disk.qcow2; }
boot_trace_vhd() { sill_ready trace-vhd disk.vhd; }
boot_warm() { sill_ready warm disk.qcow2; }
boot_pack() { sill_ready pack "pack/$(cat "$work/index")"; }

# record_trace FORM: a first boot leaves a trace.
record_trace()
{
	[ -f "$work/trace.$1" ] || {
		sill_ready first "disk.$1" && end_machines "$heap/first" &&
			SILL_STATE=$heap/first sill trace export "$url/disk.$1" "$work/trace.$1" \
				>/dev/null
	}
}

# bring_trace STATE FORM: its export is what another computer gets.
bring_trace()
{
	record_trace "$2" &&
		SILL_STATE=$heap/$1 sill trace import "$url/disk.$2" "$work/trace.$2" >/dev/null
}

# The index is published with a trace.
before_pack()
{
	[ -f "$work/index" ] || {
		record_trace qcow2 &&
			sill pack "$image/disk.raw" "$heap/www/pack" --chunk-size "$chunk" \
				--trace "$work/trace.qcow2" --json 2>/dev/null |
			jq -r '.digest | sub("sha256:"; "")' >"$work/index"
	}
}

before_trace() { bring_trace trace qcow2; }
before_trace_vhd() { bring_trace trace-vhd vhd; }

before_warm()
{
	sill_ready warm disk.qcow2 && end_machines "$heap/warm"
}

end_machines()
{
	local name
	for name in $(SILL_STATE=$1 sill list --json | jq -r '.[].name'); do
		SILL_STATE=$1 sill stop --force "$name" >/dev/null &&
			SILL_STATE=$1 sill delete --yes "$name" >/dev/null
	done
}

# One boot by one way, as one line of JSON.
measure()
{
	local way=$1 function=${1//-/_} start seconds bytes status
	vm_pid='' server_pid=''
	link_up || return 1
	! declare -F "before_$function" >/dev/null || "before_$function" || return 1
	local before
	before=$(link_bytes)
	start=$(now)
	"boot_$function"
	status=$?
	seconds=$(since "$start")
	bytes=$(($(link_bytes) - before))
	[ -z "$vm_pid" ] || end_of "$vm_pid"
	[ -z "$server_pid" ] || end_of "$server_pid"
	[ ! -d "$heap/$way" ] || end_machines "$heap/$way"
	end_of "$link_pid"
	rm -rf "$heap"/{overlay.qcow2,download.qcow2,cold,cold-vhd,trace,trace-vhd,warm,pack,first}
	[ $status -eq 0 ] || { echo "bench: $way failed" >&2; return 1; }
	printf '{"way": "%s", "seconds": %.2f, "bytes": %d}\n' "$way" "$seconds" "$bytes"
}

# Distinct blocks of 4 KiB that a boot reads: what any way has to fetch at least.
count_blocks()
{
	rm -f "$work/nbd" # the last one's, which says nothing of this one
	background "$work/nbdkit.log" env TMPDIR="$heap" nbdkit -f -U "$work/nbd" --filter=cow \
		--filter=log file \
		"$image/disk.raw" logfile="$work/reads"
	local pid=$background_pid
	wait_for 20 test -S "$work/nbd" &&
		qemu_ready "driver=nbd,node-name=disk0,discard=unmap,server.type=unix,server.path=$work/nbd" || return 1
	end_of "$vm_pid"
	end_of "$pid"
	sed -n 's/.* Read id=[0-9]* offset=\(0x[0-9a-f]*\) count=\(0x[0-9a-f]*\) .*/\1 \2/p' \
		"$work/reads" |
		while read -r offset count; do
			printf '%d %d\n' "$offset" "$count"
		done | awk '
			{ n++; for (b = int($1 / 4096); b * 4096 < $1 + $2; b++) if (!(b in seen)) { seen[b]; blocks++ } }
			END { printf "{\"requests\": %d, \"blocks\": %d, \"bytes\": %d}\n", n, blocks, blocks * 4096 }'
}

fio_once()
{
	# Nobody is to pay for what another has left to write back.
	sync
	fio --name=x --ioengine=nbd --uri="nbd+unix:///?socket=$1" --rw="$2" --bs=4k \
		--iodepth="$3" --time_based --runtime="$fio_seconds" --size=1G --randrepeat=1 \
		--output-format=json 2>/dev/null | sed -n "/^{/,\$p" |
		jq --arg mode "$2" '.jobs[0][if $mode == "randread" then "read" else "write" end].iops'
}

# Servers of the same bytes, all near: Sill with everything fetched, a raw file, a qcow2.
measure_fio()
{
	local state=$heap/fio mode depth pair server
	cp --sparse=always "$image/disk.raw" "$heap/fio.raw"
	qemu-img convert -O qcow2 "$image/disk.raw" "$heap/fio.qcow2"
	export SILL_STATE=$state
	sill disk fill "$(cat "$work/far.url")/disk.vhd" >/dev/null || return 1
	background "$work/serve.log" sill disk serve --unix "$work/sill" --layer "$heap/layer" \
		"$(cat "$work/far.url")/disk.vhd"
	background "$work/file.log" nbdkit -f -U "$work/file" file "$heap/fio.raw"
	background "$work/qcow2.log" qemu-nbd --persistent --shared=0 --discard=unmap -f qcow2 \
		-k "$work/qcow2" "$heap/fio.qcow2"
	for server in sill file qcow2; do
		wait_for 20 test -S "$work/$server" || { cat "$work"/*.log; return 1; }
		# Reads of a hole are no reads: every server has the blocks written once.  In small
		# pieces: after large ones the kernel keeps the file in large folios, and
		# overwriting 4 KiB of one is slower.  Sill cuts large writes, nbdkit's file plugin
		# does not.
		fio --name=fill --ioengine=nbd --uri="nbd+unix:///?socket=$work/$server" \
			--rw=write --bs="$fio_fill" \
			--size=1G --iodepth=4 --output-format=json >/dev/null 2>&1 || return 1
	done
	for mode in randread randwrite; do
		for depth in 1 32; do
			for ((pair = 0; pair < fio_pairs; pair++)); do
				for server in sill file sill qcow2; do
					printf '{"server": "%s", "mode": "%s", "depth": %d, "iops": %.0f}\n' $server $mode \
						$depth "$(fio_once "$work/$server" $mode $depth)"
				done
			done
		done
	done
}

# open_once WAY SERVER…: a line of JSON: milliseconds from its start until a client knows the size.
open_once()
{
	local way=$1 start ms
	shift
	rm -f "$work/open"
	start=$(date +%s%N)
	background "$work/open.log" "$@"
	server_pid=$background_pid
	until nbdinfo --size "nbd+unix:///?socket=$work/open" >/dev/null 2>&1; do
		! gone "$server_pid" || { cat "$work/open.log" >&2; return 1; }
	done
	ms=$((($(date +%s%N) - start) / 100000))
	printf '{"way": "%s", "ms": %d.%d}\n' "$way" $((ms / 10)) $((ms % 10))
}

# A far VHD of 1 TiB: opened for the first time, and with 20,000 blocks all over it read or written
# by earlier sessions; beside it nbdkit with nothing to open, which is what starting a process
# takes.
measure_open()
{
	local round far
	far=$(cat "$work/far.url")/tera.vhd
	qemu-img create -q -f vpc -o force_size=on "$heap/www/tera.vhd" 1T || return 1
	export SILL_STATE=$heap/open
	for ((round = 0; round < 5; round++)); do
		open_once nothing nbdkit -f -U "$work/open" null 1T || return 1
		end_of "$server_pid"
		rm -rf "$heap/open" "$heap/open-layer"
		open_once fresh sill disk serve --unix "$work/open" --layer "$heap/open-layer" \
			"$far" || return 1
		fio --name=all --ioengine=nbd --uri="nbd+unix:///?socket=$work/open" --rw=randrw \
			--bs=4k --size=1T --number_ios=20000 --iodepth=16 --norandommap \
			--output-format=json >/dev/null 2>&1 || return 1
		end_of "$server_pid"
		open_once used sill disk serve --unix "$work/open" --layer "$heap/open-layer" \
			"$far" || return 1
		end_of "$server_pid"
	done
}

table()
{
	local name
	declare -A titles=(
		[local]='local raw file' [cold]='**Sill**, cold'
		[trace]='**Sill**, cold, with a trace'
		[pack]='**Sill**, cold, index and packs with their trace'
		[cold-vhd]='**Sill**, cold, dynamic VHD'
		[trace-vhd]='**Sill**, cold, dynamic VHD, with a trace'
		[warm]='**Sill**, warm' [qemu-http]='QEMU http, compressed qcow2, copy on read'
		[nbdkit]='nbdkit curl, readahead, cache, cow'
		[download]='download compressed qcow2, then boot')
	if [ -s "$results/boots.json" ]; then
		printf '| way | seconds to ready | of local | bytes over the link | of blocks read |\n|---|---|---|---|---|\n'
		for name in local warm pack trace cold trace-vhd cold-vhd qemu-http nbdkit download; do
			jq -rs --arg way "$name" --arg title "${titles[$name]}" \
				--slurpfile blocks <(cat "$results/blocks.json" 2>/dev/null) '
				def median: sort | if length == 0 then null else (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2 end;
				([.[] | select(.way == "local").seconds] | median) as $local
				| [.[] | select(.way == $way)] | select(length > 0)
				| (map(.seconds) | median) as $s | (map(.bytes) | median) as $b
				| "| \($title) | \($s * 10 | round / 10) | \(if $local then ($s / $local * 100 | round / 100) else "" end)"
				+ " | \($b / 100000 | round / 10) MB | \(if $blocks[0] then ($b / $blocks[0].bytes * 100 | round / 100) else "" end) |"' \
				"$results/boots.json"
		done
		[ ! -s "$results/blocks.json" ] ||
			jq -r '"\nThe boot reads \(.blocks) distinct blocks of 4 KiB (\(.bytes / 100000 | round / 10) MB) in \(.requests) requests."' "$results/blocks.json"
	fi
	if [ -s "$results/fio.json" ]; then
		printf '\n| 4 KiB, all near | **Sill** | nbdkit file | ratio | qemu-nbd, qcow2 | ratio |\n|---|---|---|---|---|---|\n'
		jq -rs '
			def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
			group_by([.mode, .depth])[]
			| (map(select(.server == "sill").iops) | median) as $sill
			| (map(select(.server == "file").iops) | median) as $file
			| (map(select(.server == "qcow2").iops) | median) as $qcow2
			| "| \(.[0].mode), depth \(.[0].depth) | \($sill | round) | \($file | round) | \($sill / $file * 100 | round / 100)"
			+ " | \($qcow2 | round) | \($sill / $qcow2 * 100 | round / 100) |"' \
				"$results/fio.json"
	fi
	if [ -s "$results/open.json" ]; then
		printf '\n| a far VHD of 1 TiB | milliseconds to its size, median | most |\n|---|---|---|\n'
		jq -rs '
			def of($way): map(select(.way == $way).ms) | sort;
			(["nothing", "nbdkit null, for comparison"], ["fresh", "**Sill**, for the first time"],
				["used", "**Sill**, read and written all over before"]) as [$way, $title]
			| of($way) | select(length > 0)
			| "| \($title) | \(.[(length - 1) / 2 | floor]) | \(.[-1]) |"' \
				"$results/open.json"
	fi
	for name in hypervisor kvm; do
		[ ! -s "$results/$name.md" ] || { echo; cat "$results/$name.md"; }
	done
}

failed=0
prepare || exit 1
if [[ $parts == *blocks* ]]; then
	count_blocks >"$results/blocks.json" || failed=1
	cat "$results/blocks.json"
fi
if [[ $parts == *boot* ]]; then
	: >"$results/boots.json"
	for ((round = 0; round < runs; round++)); do
		for way in $ways; do
			measure "$way" >"$work/line" || failed=1
			cat "$work/line"
			tail -n1 "$work/line" | grep '^{' >>"$results/boots.json"
		done
	done
fi
if [[ $parts == *fio* ]]; then
	measure_fio >"$results/fio.json" || { failed=1; cat "$results/fio.json"; }
fi
if [[ $parts == *open* ]]; then
	measure_open >"$results/open.json" || failed=1
fi
if [[ $parts == *hypervisor* ]]; then
	tests/bench/hypervisor.sh "$results" >"$results/hypervisor.md" || failed=1
fi
if [[ $parts == *kvm* ]]; then
	tests/bench/kvm.sh "$results" >"$results/kvm.md" || failed=1
fi
table | tee "$results/table.md"
exit $failed
