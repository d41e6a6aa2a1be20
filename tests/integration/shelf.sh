#!/usr/bin/env bash
# Libraries as a person sees them: found, searched, pulled, tagged, run from, mirrored, removed.
# Folders here; registries are in library.sh.
. "$SILL_SOURCE/tests/integration/lib.sh"
need gcc objcopy qemu-system-x86_64 jq socat

own=$SILL_STATE/library
usb=$work/usb

# blob FOLDER FILE: the file among a library's blobs; its descriptor's digest and size.
blob()
{
	local digits
	digits=$(sha256sum <"$2" | cut -d' ' -f1)
	cp "$2" "$1/blobs/sha256/$digits"
	jq -n --arg digest "sha256:$digits" --argjson size "$(stat -c %s "$2")" \
		'{digest: $digest, size: $size}'
}

# image FOLDER NAME:TAG DISK [CONFIG [BASE]]: an image in a library, written as docs/library.md says and
# not by what is tested; says its digest.  CONFIG is a filter of jq over its configuration, BASE the
# index of an image whose packs are used again.
image()
{
	local folder=$1 name=$2 disk=$3 change=${4:-.} base=${5:-} index config manifest
	rm -rf "$work/packed"
	mkdir "$work/packed"
	index=$(sill pack "$disk" "$work/packed" --chunk-size 64K --json \
		${base:+--base "$folder/blobs/sha256/$base"} 2>/dev/null | jq -r .digest)
	[ -n "$base" ] || rm -f "$work/packs"
	layers "$index" >"$work/layers"
	[ ! -f "$work/packs" ] || cat "$work/packs" >>"$work/layers"
	jq 'select(.mediaType == "application/vnd.sill.disk.pack.v1")' "$work/layers" \
		>"$work/packs"
	echo "${index#sha256:}" >"$work/index"
	cp "$work/packed"/* "$folder/blobs/sha256/"
	jq -n --arg index "$index" --argjson size "$(stat -c %s "$disk")" '{
		version: 1, architecture: "amd64", os: "linux", release: 3,
		created: "2026-11-21T20:00:00Z", firmware: "bios",
		cpus: { minimum: 1, recommended: 1 },
		memory: { minimum: 33554432, recommended: 67108864 },
		disks: [{ name: "system", role: "system", size: $size, index: $index }],
		profiles: [] }' | jq -cj "$change" >"$work/config.json"
	config=$(blob "$folder" "$work/config.json")
	jq -cnj --argjson config "$config" --slurpfile layers "$work/layers" '{
		schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
		artifactType: "application/vnd.sill.machine.v1",
		config: ({ mediaType: "application/vnd.sill.machine.config.v1+json" } + $config),
		layers: $layers,
		annotations: { "org.opencontainers.image.title": "A tiny guest" } }' \
		>"$work/manifest.json"
	manifest=$(blob "$folder" "$work/manifest.json")
	jq -c --argjson manifest "$manifest" --arg name "$name" '.manifests += [
		{ mediaType: "application/vnd.oci.image.manifest.v1+json" } + $manifest +
		{ artifactType: "application/vnd.sill.machine.v1",
		  annotations: { "org.opencontainers.image.ref.name": $name } }]' \
		"$folder/index.json" >"$work/index.json"
	cp "$work/index.json" "$folder/index.json"
	jq -r .digest <<<"$manifest"
}

# layers INDEX: descriptors of all that is in $work/packed: pages are named by the index at 64.
layers()
{
	local index=${1#sha256:} pages file kind
	pages=$(od -An -v -tx1 -j64 -N32 "$work/packed/$index" | tr -d ' \n')
	for file in "$index" "$pages" $(cd "$work/packed" && ls | grep -v -e "$index" -e "$pages"); do
		kind=pack
		[ "$file" != "$index" ] || kind=index
		[ "$file" != "$pages" ] || kind=pages
		jq -n --arg type "application/vnd.sill.disk.$kind.v1" --arg digest "sha256:$file" \
			--argjson size "$(stat -c %s "$work/packed/$file")" '{ mediaType: $type,
			digest: $digest, size: $size, annotations: { "vnd.sill.disk": "system" } }'
	done
}

# refused COMMAND…: it fails with one sentence, which is then in $work/said.
refused()
{
	if "$@" >"$work/out" 2>"$work/said" </dev/null; then
		fail "$* succeeded"
	fi
	[ "$(wc -l <"$work/said")" = 1 ] || fail "$* said: $(cat "$work/said")"
}

said()
{
	grep -qF -e "$1" "$work/said" || fail "said: $(cat "$work/said")"
}

# trusting PREFIX POLICY: what the person decided.
trusting()
{
	mkdir -p "$SILL_CONFIG"
	jq -n --arg prefix "$1" --arg policy "$2" \
		'{ version: 1, keys: [], policies: { ($prefix): $policy }, pins: {} }' \
		>"$SILL_CONFIG/trust.json"
	chmod 600 "$SILL_CONFIG/trust.json"
}

# The tiny guest with some content behind it, a second release of it, and a library with both.
prepare()
{
	gcc -c "$SILL_SOURCE/tests/integration/tiny-guest.S" -o "$work/guest.o"
	objcopy -O binary -j .text "$work/guest.o" "$work/one.raw"
	head -c 3M /dev/urandom >>"$work/one.raw"
	truncate -s 64M "$work/one.raw"
	cp "$work/one.raw" "$work/two.raw"
	printf X | dd of="$work/two.raw" bs=1 seek=2000000 conv=notrunc status=none
	sill library create "$usb"
	image "$usb" tiny:1 "$work/one.raw" >"$work/one.digest"
	image "$usb" tiny:2 "$work/two.raw" '.release = 4' "$(cat "$work/index")" \
		>"$work/two.digest"
	image "$usb" team/other:latest "$work/one.raw" '.cpus = { minimum: 2, recommended: 2 }' >/dev/null
	trusting "$usb" none
}

libraries_are_added_listed_and_removed()
{
	sill library add usb "$usb"
	refused sill library add usb "$usb"
	said 'already'
	refused sill library add none "$work"
	refused sill library add Usb "$usb"
	said "no name for a library"
	sill library add far registry.example/team
	[ "$(sill library list --json | jq -r '.[] | "\(.name) \(.kind) \(.place)"')" = \
		"local own $own
usb folder $usb
far registry registry.example/team" ]
	sill library remove far
	refused sill library remove far
	said "there is no library 'far'"
	[ "$(sill library list | wc -l)" = 3 ]
}

a_folder_is_searched_by_what_its_images_say()
{
	[ "$(sill search TINY --json | jq -r '.[].reference' | sort)" = "usb/team/other
usb/tiny" ]
	[ "$(sill search tiny --json | jq -r '.[] | select(.reference == "usb/tiny").tags | sort |
		join(" ")')" = "1 2" ]
	sill search other | grep 'usb/team/other .* A tiny guest'
	[ -z "$(sill search nothing-like-it)" ]
}

a_catalogue_says_more_and_is_asked_instead()
{
	cat >"$usb/catalogue.json" <<-'JSON'
		{ "version": 1, "entries": [
		  { "name": "tiny", "tags": ["2", "1"], "title": "Tiny", "size": 3000000,
		    "description": "Boots from one sector\u001b[31m", "picture": "p/t.png",
		    "licence": "GPL-2.0-or-later", "publisher": "Somebody",
		    "released": "2026-11-21" } ] }
	JSON
	[ "$(sill search sector --json | jq -r '.[0] | "\(.reference) \(.tags[0]) \(.size)
\(.picture) \(.licence) \(.description)"')" = "usb/tiny 2 3000000
$usb/p/t.png GPL-2.0-or-later Boots from one sector?[31m" ]
	[ -z "$(sill search other)" ]
	rm "$usb/catalogue.json"
}

one_library_that_fails_does_not_hide_the_others()
{
	printf '{ "version": 1, "entries": [ { "name": "NO" } ] }' >"$usb/catalogue.json"
	sill library add second "$usb"
	sed -i '/^second/d' "$SILL_CONFIG/libraries"
	mkdir -p "$work/second"
	sill library create "$work/second"
	sill library add second "$work/second"
	sill search x >"$work/out" 2>"$work/said"
	said 'sill: search: usb: catalogue.json: entry 1: "name" is missing or wrong'
	rm "$usb/catalogue.json"
	sill library remove second
}

images_of_this_hosts_library_are_listed_tagged_pushed_and_removed()
{
	local there=$work/there
	[ -z "$(sill images)" ]
	sill library create "$own"
	image "$own" tiny:1 "$work/one.raw" >/dev/null
	[ "$(sill images --json | jq -r '.[] | "\(.image) \(.digest) \(.release) \(.title)"')" = \
		"tiny:1 $(cat "$work/one.digest") 3 A tiny guest" ]
	sill tag tiny:1 mine
	sill tag tiny:1 registry.example:5000/team/mine:x
	[ "$(sill images --json | jq -r '.[].image' | sort)" = "mine:latest
registry.example_5000/team/mine:x
tiny:1" ]
	refused sill tag none:1 other
	refused sill tag mine Mine
	said 'small letters only'
	sill library create "$there"
	sill push mine "$there#team/tiny" >/dev/null
	sill push mine "$there#team/tiny:2" >"$work/out"
	grep -q ' 0 B of them sent' "$work/out"
	[ "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' \
		"$there/index.json" | sort)" = "team/tiny:2
team/tiny:latest" ]
	refused sill push mine tiny
	said 'say where it is to go'
	refused sill push nothing:1 "$there#x"
	sill rmi tiny:1 mine >/dev/null
	[ "$(find "$own/blobs" -type f | wc -l)" -gt 0 ]
	sill rmi registry.example:5000/team/mine:x >/dev/null
	[ "$(find "$own/blobs" -type f | wc -l)" = 0 ]
	refused sill rmi mine
}

what_is_pulled_is_in_this_hosts_library()
{
	[ -z "$(sill images)" ]
	sill pull usb/tiny:1 >"$work/out"
	grep -qF "usb/tiny:1 $(cat "$work/one.digest"): " "$work/out"
	[ "$(sill images --json | jq -r '.[] | "\(.image) \(.digest) \(.release) \(.title)"')" = \
		"usb/tiny:1 $(cat "$work/one.digest") 3 A tiny guest" ]
	refused sill pull "local/usb/tiny:1"
	said 'has it already'
	refused sill pull usb/none
	refused sill pull "$usb#tiny:3"
}

an_image_is_pulled_by_its_digest_and_by_no_other()
{
	local none
	none=sha256:$(printf '0%.0s' {1..64})
	sill pull "$usb#tiny:2@$(cat "$work/two.digest")" >/dev/null
	sill images --json | jq -e 'any(.image == "usb/tiny:2")' >/dev/null
	refused sill pull "$usb#tiny@$none"
}

of_a_second_release_only_what_is_new_is_brought()
{
	local other=$work/fresh sent
	sill library create "$other"
	sill library mirror usb/tiny:1 "$other" >/dev/null
	sill library mirror usb/tiny:2 "$other" >"$work/out"
	# The chunk that differs, pages, index, configuration and manifest.
	sent=$(sed -n 's/.*, \([0-9.]*\) kB of them sent$/\1/p' "$work/out")
	[ "${sent%.*}" -lt 150 ] || fail "$(cat "$work/out")"
	cmp "$usb/blobs/sha256/$(cut -c8- "$work/two.digest")" \
		"$other/blobs/sha256/$(cut -c8- "$work/two.digest")"
	sill library mirror usb/tiny:2 "$other" >"$work/out"
	grep -q ' 0 B of them sent' "$work/out"
}

a_tag_names_what_another_one_named()
{
	sill tag usb/tiny:1 mine
	sill tag usb/tiny:1 registry.example:5000/team/mine:x
	[ "$(sill images --json | jq -r '.[].image' | sort)" = "mine:latest
registry.example_5000/team/mine:x
usb/tiny:1
usb/tiny:2" ]
	refused sill tag usb/none:1 other
	refused sill tag mine Mine
	said 'small letters only'
	sill tag usb/tiny:2 mine
	[ "$(sill images --json | jq -r '.[] | select(.image == "mine:latest").release')" = 4 ]
	sill tag usb/tiny:1 mine
}

what_nobody_trusts_is_neither_pulled_nor_run()
{
	trusting "$usb" require
	refused sill pull usb/tiny:1
	refused sill create --name never usb/tiny:1
	[ ! -e "$SILL_STATE/machines/never" ]
	trusting "$usb" remember
	refused sill create --name never usb/tiny:1
	# What is in this host's library was judged when it came.
	sill create --name judged mine >/dev/null
	sill delete --yes judged
	trusting "$usb" none
}

a_machine_is_made_as_its_image_says()
{
	sill create --name tiny --accel tcg usb/tiny:1 >/dev/null
	[ "$(info tiny '"\(.cpus) \(.memory) \(.firmware) \(.image)"')" = \
		"1 67108864 bios usb/tiny:1" ]
	[ "$(info tiny '"\(.library_name)@\(.image_digest)"')" = \
		"$usb#tiny@$(cat "$work/one.digest")" ]
	sill info tiny | grep -F "$usb#tiny@$(cat "$work/one.digest")"
	sill create --name more --accel tcg --cpus 1 --memory 96M usb/team/other 2>"$work/said"
	said 'wants --cpus 2 at least'
	[ "$(info more '"\(.cpus) \(.memory)"')" = "1 100663296" ]
	[ "$(sill create usb/tiny:1)" = tiny-1 ]
	sill delete --yes more tiny-1
	refused sill create --format raw usb/tiny:1
	said 'image of a library'
}

console_says()
{
	grep -qF "$2" "$SILL_STATE/machines/$1/console.log"
}

a_machine_runs_from_the_library_and_from_a_stick()
{
	sill start tiny
	wait_for 60 console_says tiny "tiny guest" || fail "$(cat "$SILL_STATE"/machines/tiny/*.log)"
	sill stop tiny
	sill run --name stick --accel tcg -d "$usb#tiny:2" >/dev/null
	wait_for 60 console_says stick "tiny guest"
	sill stop stick
	# The disk is what the image was made of.
	sill convert "$own/blobs/sha256/$(jq -r '.disk.sources[0].url' \
		"$SILL_STATE/machines/tiny/machine.json" | sed 's|.*/||')" "$work/back.raw"
	cmp "$work/one.raw" "$work/back.raw"
}

what_was_pulled_is_read_here_before_anybody_is_asked()
{
	jq -r '.disk.sources[].url' "$SILL_STATE/machines/tiny/machine.json" >"$work/places"
	[ "$(sed -n 1p "$work/places")" = "$own/blobs/sha256/$(sed 's|.*/||' "$work/places" |
		head -1)" ]
	grep -qF "$usb/blobs/sha256/" "$work/places"
}

an_image_that_a_machine_was_made_of_is_not_removed()
{
	sill rmi registry.example:5000/team/mine:x >/dev/null
	sill rmi usb/tiny:1 >/dev/null
	refused sill rmi mine
	said "what the machine 'tiny' was made of"
	sill images --json | jq -e 'any(.image == "mine:latest")' >/dev/null
	sill rmi --force mine >/dev/null
	[ "$(sill images --json | jq 'any(.image == "mine:latest")')" = false ]
}

what_is_removed_frees_what_no_other_image_has()
{
	local before after
	sill delete --yes tiny stick
	refused sill rmi none:1
	sill pull usb/tiny:1 >/dev/null
	before=$(find "$own/blobs" -type f | wc -l)
	sill rmi usb/tiny:1 >/dev/null
	after=$(find "$own/blobs" -type f | wc -l)
	[ "$after" -lt "$before" ]
	sill rmi usb/tiny:2 >/dev/null
	[ -z "$(sill images)" ]
	[ "$(find "$own/blobs" -type f | wc -l)" = 0 ]
}

a_library_is_mirrored_whole_and_what_is_broken_is_said()
{
	local all=$work/all status
	sill library create "$all"
	sill library mirror --all usb "$all" >/dev/null
	sill library add all "$all"
	[ "$(sill search tiny --library all --json | jq -r '.[].reference' | sort)" = "all/team/other
all/tiny" ]
	sill library remove all
	rm "$all/blobs/sha256/$(cut -c8- "$work/one.digest")"
	sill library create "$work/next"
	status=0
	sill library mirror --all "$all" "$work/next" >/dev/null 2>"$work/said" || status=$?
	[ $status = 1 ]
	said 'tiny:1'
	said '1 image could not be copied'
	refused sill library mirror --all "$usb" "$own"
	said 'sill pull'
}

a_push_takes_an_image_to_another_folder()
{
	local there=$work/there
	sill library create "$there"
	sill pull usb/tiny:1 >/dev/null
	sill push usb/tiny:1 "$there#team/tiny" >/dev/null
	trusting "$there" none
	[ "$(sill create --name pushed "$there#team/tiny:1")" = pushed ]
	sill delete --yes pushed
	refused sill push usb/tiny:1 mine
	said 'say where it is to go'
	refused sill push nothing:1 "$there#x"
}

prepare >"$work/prepared" 2>&1 || {
	cat "$work/prepared"
	exit 1
}
run_tests \
	libraries_are_added_listed_and_removed \
	a_folder_is_searched_by_what_its_images_say \
	a_catalogue_says_more_and_is_asked_instead \
	one_library_that_fails_does_not_hide_the_others \
	images_of_this_hosts_library_are_listed_tagged_pushed_and_removed \
	what_is_pulled_is_in_this_hosts_library \
	an_image_is_pulled_by_its_digest_and_by_no_other \
	of_a_second_release_only_what_is_new_is_brought \
	a_tag_names_what_another_one_named \
	what_nobody_trusts_is_neither_pulled_nor_run \
	a_machine_is_made_as_its_image_says \
	a_machine_runs_from_the_library_and_from_a_stick \
	what_was_pulled_is_read_here_before_anybody_is_asked \
	an_image_that_a_machine_was_made_of_is_not_removed \
	what_is_removed_frees_what_no_other_image_has \
	a_library_is_mirrored_whole_and_what_is_broken_is_said \
	a_push_takes_an_image_to_another_folder
