#!/usr/bin/env bash
# Images on their way between folders, registries and web servers, and what befalls them there.
. "$SILL_SOURCE/tests/integration/lib.sh"
need docker-registry skopeo nginx jq
export HOME=$work/home SILL_CONFIG=$work/config
unset XDG_CONFIG_HOME REGISTRY_AUTH_FILE DOCKER_CONFIG
own=$SILL_STATE/library
mkdir -p "$HOME"

# start_registry: on the port that it had before, when it had one.  Its place is in $work/host.
start_registry()
{
	local port try
	for try in 1 2 3 4 5 6 7 8; do
		port=$((RANDOM % 20000 + 20000))
		[ ! -f "$work/host" ] || port=$(sed 's/.*://' "$work/host")
		printf '%s\n' 'version: 0.1' 'log: {level: info}' "http: {addr: 127.0.0.1:$port, secret: same}" \
			"storage: {filesystem: {rootdirectory: $work/registry}}" >"$work/registry.yml"
		background "$work/registry.out" docker-registry serve "$work/registry.yml"
		echo "$background_pid" >"$work/registry.pid"
		if wait_for 20 lib_web_settled "$background_pid" "$port" && ! gone "$background_pid"; then
			echo "127.0.0.1:$port" >"$work/host"
			return 0
		fi
		rm -f "$work/host"
	done
	return 1
}

stop_registry()
{
	local pid
	pid=$(cat "$work/registry.pid")
	kill -KILL "$pid"
	wait_for 10 gone "$pid"
}

# How many blobs the registry has.
registry_blobs()
{
	find "$work/registry/docker/registry/v2/blobs" -name data 2>/dev/null | wc -l
}

# until_blobs N: as soon as the registry has that many, or the process $1 is over.
until_blobs()
{
	until [ "$(registry_blobs)" -ge "$2" ] || gone "$1"; do :; done
}

# stored DIGEST: the registry's file of a blob.
stored()
{
	local digits=${1#sha256:}
	echo "$work/registry/docker/registry/v2/blobs/sha256/${digits:0:2}/$digits/data"
}

# index_of FOLDER NAME:TAG: the path of the index of an image's disk.
index_of()
{
	local manifest
	manifest=$(jq -r --arg ref "$2" '.manifests[] |
		select(.annotations["org.opencontainers.image.ref.name"] == $ref).digest' "$1/index.json")
	[ -n "$manifest" ] || fail "$1 has no $2"
	echo "$1/blobs/sha256/$(jq -r '.layers[] | select(.mediaType | endswith("index.v1")).digest' \
		"$1/blobs/sha256/${manifest#sha256:}" | sed 's/sha256://')"
}

# whole FOLDER NAME:TAG: it is the disk that was imported.
whole()
{
	rm -f "$work/back.raw"
	sill convert "$(index_of "$1" "$2")" "$work/back.raw"
	cmp "$work/disk.raw" "$work/back.raw"
}

# honest FOLDER: everything in it is what its name says, and what is named is there.
honest()
{
	local digest
	(cd "$1/blobs/sha256" && find . -type f -printf '%P\n' | xargs -r sha256sum | awk '$1 != $2 { print; bad = 1 } END { exit bad }')
	for digest in $(jq -r '.manifests[].digest' "$1/index.json"); do
		for digest in $(jq -r '.config.digest, .layers[].digest' "$1/blobs/sha256/${digest#sha256:}"); do
			[ -f "$1/blobs/sha256/${digest#sha256:}" ]
		done
	done
}

# refused WORDS COMMAND…: it fails and says so, in one line.
refused()
{
	local words=$1
	shift
	! "$@" >"$work/got" 2>"$work/said" || fail "it worked"
	grep -qF -- "$words" "$work/said" || fail "it does not say '$words': $(cat "$work/said")"
}

# 40 MiB of noise between holes.
prepare()
{
	head -c 40M /dev/urandom >"$work/disk.raw"
	truncate -s 64M "$work/disk.raw"
	sill import "$work/disk.raw" debian:12 --level 1 >/dev/null 2>"$work/said" || cat "$work/said"
	start_registry
}

skopeo_copies_what_is_here_and_brings_it_back_untouched()
{
	local digest
	skopeo copy -q "oci:$own:debian:12" "oci:$work/skopeo:theirs"
	skopeo copy -q "oci:$work/skopeo:theirs" "oci:$own:back/again:1"
	honest "$own"
	whole "$own" back/again:1
	digest=$(jq -r '.manifests[0].digest' "$own/index.json")
	[ "$(skopeo inspect --raw "oci:$own:debian:12" | sha256sum | cut -c1-64)" = "${digest#sha256:}" ]
	[ "$(skopeo inspect --raw "oci:$own:back/again:1" | jq -r .artifactType)" = application/vnd.sill.machine.v1 ]
	# What skopeo did not write is there still.
	jq -e '.manifests[] | select(.artifactType == "application/vnd.sill.machine.v1")' "$own/index.json" >/dev/null
	sill images --json | jq -e 'length == 2' >/dev/null
	sill rmi back/again:1
}

an_image_goes_to_a_registry_and_from_there_to_a_folder()
{
	local host
	host=$(cat "$work/host")
	sill push debian:12 "$host/lab/debian:12"
	sill library create "$work/stick"
	sill library mirror "$host/lab/debian:12" "$work/stick"
	honest "$work/stick"
	whole "$work/stick" lab/debian:12
	skopeo copy -q --src-tls-verify=false "docker://$host/lab/debian:12" "oci:$work/skopeo2:x"
	diff <(ls "$work/skopeo2/blobs/sha256") <(ls "$work/stick/blobs/sha256")
	# The way back, to another name, and nothing of it is sent.
	sill library mirror "$work/stick#lab/debian:12" "$host"
}

a_web_server_that_shows_a_folder_is_a_library()
{
	web shown "$work"
	sill library create "$work/from-web"
	sill library add shown "$(cat "$work/shown.url")/stick/"
	sill library mirror shown/lab/debian:12 "$work/from-web"
	honest "$work/from-web"
	whole "$work/from-web" lab/debian:12
	web_stop shown
}

a_pull_that_is_killed_at_any_write_is_gone_on_with()
{
	local host n
	host=$(cat "$work/host")
	sill library create "$work/killed"
	for n in 1 2 3 7 20 60; do
		! LD_PRELOAD=$SILL_BUILD/tests/integration/kill-at-write.so KILL_AT=$n \
			sill library mirror "$host/lab/debian:12" "$work/killed" >"$work/said" 2>&1 ||
			fail "it lived through $n writes"
		honest "$work/killed"
	done
	sill library mirror "$host/lab/debian:12" "$work/killed"
	honest "$work/killed"
	whole "$work/killed" lab/debian:12
}

a_registry_that_is_restarted_during_a_push_and_a_pull_is_waited_for()
{
	local host before pid
	host=$(cat "$work/host")
	stop_registry
	rm -rf "$work/registry"
	start_registry
	sill push debian:12 "$host/lab/debian:12" --at-once 1 >"$work/said" 2>&1 &
	pid=$!
	until_blobs $pid 1
	stop_registry
	! gone $pid || fail "the push was over before: $(cat "$work/said")"
	start_registry
	wait $pid || fail "$(cat "$work/said")"
	rm -rf "$work/again"
	sill library create "$work/again"
	sill library mirror "$host/lab/debian:12" "$work/again" --at-once 1 >"$work/said" 2>&1 &
	pid=$!
	until [ -n "$(ls "$work/again/blobs/sha256")" ] || gone $pid; do :; done
	stop_registry
	! gone $pid || fail "the pull was over before: $(cat "$work/said")"
	start_registry
	wait $pid || fail "$(cat "$work/said")"
	whole "$work/again" lab/debian:12
}

a_push_that_is_killed_leaves_no_name_and_is_gone_on_with()
{
	local host pid
	host=$(cat "$work/host")
	stop_registry
	rm -rf "$work/registry"
	start_registry
	sill push debian:12 "$host/lab/debian:12" --at-once 1 >"$work/said" 2>&1 &
	pid=$!
	until_blobs $pid 1
	kill -KILL $pid
	wait $pid 2>/dev/null && fail "it was over before"
	! skopeo inspect --raw --tls-verify=false "docker://$host/lab/debian:12" >/dev/null 2>&1 ||
		fail "the tag is there"
	sill push debian:12 "$host/lab/debian:12"
	sill library create "$work/after-push"
	sill library mirror "$host/lab/debian:12" "$work/after-push"
	whole "$work/after-push" lab/debian:12
}

blobs_that_were_altered_or_cut_are_refused_and_named()
{
	local host pack file
	host=$(cat "$work/host")
	pack=$(skopeo inspect --raw "oci:$own:debian:12" | jq -r '[.layers[] | select(.mediaType | endswith("pack.v1"))][0].digest')
	file=$(stored "$pack")
	cp "$file" "$work/good"
	sill library create "$work/careful"
	printf wrong | dd of="$file" bs=1 seek=70000 conv=notrunc status=none
	refused "$pack" sill library mirror "$host/lab/debian:12" "$work/careful"
	honest "$work/careful"
	[ "$(jq '.manifests | length' "$work/careful/index.json")" = 0 ]
	truncate -s 100000 "$file"
	refused "$pack" sill library mirror "$host/lab/debian:12" "$work/careful"
	[ "$(jq '.manifests | length' "$work/careful/index.json")" = 0 ]
	cp "$work/good" "$file"
	sill library mirror "$host/lab/debian:12" "$work/careful"
	whole "$work/careful" lab/debian:12
}

# lie NAME JQ-FILTER: the image again under that name, its manifest changed.
lie()
{
	local digest
	skopeo inspect --raw "oci:$own:debian:12" | jq -jc "$2" >"$work/lie"
	digest=$(sha256sum "$work/lie" | cut -c1-64)
	cp "$work/lie" "$work/liar/blobs/sha256/$digest"
	jq -c --arg name "$1" --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$work/lie")" \
		'.manifests += [{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $digest,
		  size: $size, annotations: {"org.opencontainers.image.ref.name": $name}}]' \
		"$work/liar/index.json" >"$work/index.json"
	cp "$work/index.json" "$work/liar/index.json"
}

a_manifest_that_lies_about_its_index_is_refused_before_anything_is_sent()
{
	rm -rf "$work/liar" "$work/clean"
	cp -r "$own" "$work/liar"
	sill library create "$work/clean"
	lie bad:size '(.layers[] | select(.mediaType | endswith("pack.v1")).size) += 1'
	refused "as a layer" sill library mirror "$work/liar#bad:size" "$work/clean"
	lie bad:pack 'del(.layers[] | select(.mediaType | endswith("pack.v1")))'
	refused "is not among the layers" sill library mirror "$work/liar#bad:pack" "$work/clean"
	lie bad:pages '(.layers[] | select(.mediaType | endswith("pages.v1")).mediaType) = "application/other"'
	refused "file of pages" sill library mirror "$work/liar#bad:pages" "$work/clean"
	[ -z "$(ls "$work/clean/blobs/sha256")" ]
}

prepare || skip_all "the registry does not start"
run_tests skopeo_copies_what_is_here_and_brings_it_back_untouched \
	an_image_goes_to_a_registry_and_from_there_to_a_folder \
	a_web_server_that_shows_a_folder_is_a_library \
	a_pull_that_is_killed_at_any_write_is_gone_on_with \
	a_registry_that_is_restarted_during_a_push_and_a_pull_is_waited_for \
	a_push_that_is_killed_leaves_no_name_and_is_gone_on_with \
	blobs_that_were_altered_or_cut_are_refused_and_named \
	a_manifest_that_lies_about_its_index_is_refused_before_anything_is_sent
