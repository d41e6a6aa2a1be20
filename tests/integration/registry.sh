#!/usr/bin/env bash
# The registry client against Debian's docker-registry: without TLS, with TLS, with passwords, with
# tokens.
. "$SILL_SOURCE/tests/integration/lib.sh"
need docker-registry openssl socat jq curl perl
do=$SILL_BUILD/tests/integration/registry-do
cat=$SILL_BUILD/tests/integration/source-cat
type=application/vnd.oci.image.manifest.v1+json
export HOME=$work/home UPLOADS=$work/uploads
unset XDG_CONFIG_HOME REGISTRY_AUTH_FILE DOCKER_CONFIG CA CREDENTIALS

# registry NAME [YAML…]: a registry with storage of its own; its host and port are then in
# $work/NAME.host.  It is started again on the same port when it has had one.
registry()
{
	local name=$1 port try
	shift
	mkdir -p "$work/$name"
	for try in 1 2 3 4 5 6 7 8; do
		port=$((RANDOM % 20000 + 20000))
		[ ! -f "$work/$name.host" ] || port=$(sed 's/.*://' "$work/$name.host")
		printf '%s\n' 'version: 0.1' 'log: {level: info, accesslog: {disabled: false}}' \
			"storage: {filesystem: {rootdirectory: $work/$name}, delete: {enabled: true}}" \
			"http:" "  addr: 127.0.0.1:$port" "  secret: uploads outlive it" "$@" >"$work/$name.yml"
		background "$work/$name.log" docker-registry serve "$work/$name.yml"
		echo "$background_pid" >"$work/$name.pid"
		if wait_for 20 lib_web_settled "$background_pid" "$port" && ! gone "$background_pid"; then
			echo "127.0.0.1:$port" >"$work/$name.host"
			return 0
		fi
		rm -f "$work/$name.host"
	done
	cat "$work/$name.log"
	return 1
}

host()
{
	cat "$work/$1.host"
}

digest()
{
	echo "sha256:$(sha256sum "$1" | cut -c1-64)"
}

# refused WORDS COMMAND…: it fails and says so.
refused()
{
	local words=$1
	shift
	! "$@" >"$work/got" 2>"$work/said" || fail "it worked"
	grep -qF -- "$words" "$work/said" || { cat "$work/said"; fail "it does not say: $words"; }
}

# manifest FILE [SUBJECT-FILE]: one whose config and layer are the two blobs.
manifest()
{
	jq -nc --arg c "$(digest "$work/small")" --arg l "$(digest "$work/large")" \
		--arg s "${2:+$(digest "$2")}" --arg type $type \
		'{schemaVersion: 2, mediaType: $type, artifactType: "application/vnd.test",
		  config: {mediaType: "application/vnd.oci.empty.v1+json", digest: $c, size: 2},
		  layers: [{mediaType: "application/x", digest: $l, size: 5000000}]}
		 + if $s == "" then {} else {subject: {mediaType: $type, digest: $s, size: 1}} end' |
		tr -d '\n' >"$1"
}

# round_trip HOST: everything that makes up an image there and back.
round_trip()
{
	local small large
	small=$(digest "$work/small") large=$(digest "$work/large")
	"$do" "$1" send lab/debian "$small" "$work/small"
	"$do" "$1" send lab/debian "$large" "$work/large"
	"$do" "$1" put lab/debian 12 "$work/manifest" $type "$(digest "$work/manifest")"
	"$do" "$1" get lab/debian 12 | tail -n +2 | head -c -1 | cmp - "$work/manifest"
	[ "$("$do" "$1" get lab/debian "$(digest "$work/manifest")" | head -n 1)" = $type ]
	[ "$("$do" "$1" size lab/debian "$large")" = 5000000 ]
	"$do" "$1" read lab/debian "$large" 0 | cmp - "$work/large"
	"$do" "$1" read lab/debian "$large" 4999990 | cmp - <(tail -c 10 "$work/large")
	[ "$("$do" "$1" tags lab/debian)" = 12 ]
}

prepare()
{
	local name
	mkdir -p "$work/tls" "$work/tokens" "$HOME"
	printf '{}' >"$work/small"
	head -c 5000000 /dev/urandom >"$work/large"
	manifest "$work/manifest"
	manifest "$work/signature" "$work/manifest"
	for name in ca token; do
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test $name" \
			-keyout "$work/tls/$name.key" -out "$work/tls/$name.pem" \
			-addext basicConstraints=critical,CA:TRUE \
			-addext keyUsage=critical,keyCertSign,digitalSignature
	done
	openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$work/tls/server.key" \
		-out "$work/tls/server.csr"
	openssl x509 -req -in "$work/tls/server.csr" -CA "$work/tls/ca.pem" \
		-CAkey "$work/tls/ca.key" -CAcreateserial -days 2 -out "$work/tls/server.pem" \
		-extfile <(echo subjectAltName=IP:127.0.0.1)
	cp "$work/tls/token.key" "$work/tokens/key.pem"
	cp "$work/tls/token.pem" "$work/tokens/cert.pem"
	echo 'pass word' >"$work/tokens/password"
	perl -e 'print "joe:", crypt("pass word", "\$2b\$05\$abcdefghijklmnopqrstuu"), "\n"' \
		>"$work/htpasswd"
}

an_image_goes_to_a_registry_and_back()
{
	registry plain
	round_trip "$(host plain)"
	# What is there is not sent again.
	[ "$("$do" "$(host plain)" send lab/debian "$(digest "$work/large")" "$work/large")" = 5000000 ]
	[ -z "$(ls "$UPLOADS" 2>/dev/null)" ]
}

what_is_missing_is_told()
{
	refused "/lab/debian:13: there is no such manifest (MANIFEST_UNKNOWN)" \
		"$do" "$(host plain)" get lab/debian 13
	refused "there is no such blob" \
		"$do" "$(host plain)" size lab/debian "sha256:$(printf '%064d' 0)"
	refused "there is no such name (NAME_UNKNOWN)" "$do" "$(host plain)" tags lab/missing
}

names_and_tags_are_listed_over_many_pages()
{
	local i
	for i in $(seq 1 7); do
		"$do" "$(host plain)" put lab/debian "t$i" "$work/manifest" $type \
			"$(digest "$work/manifest")"
	done
	[ "$("$do" "$(host plain)" tags lab/debian | sort | tr '\n' ' ')" = "12 t1 t2 t3 t4 t5 t6 t7 " ]
	[ "$("$do" "$(host plain)" names)" = lab/debian ]
}

a_blob_is_mounted_from_another_name()
{
	"$do" "$(host plain)" mount lab/other "$(digest "$work/large")" lab/debian
	[ "$("$do" "$(host plain)" size lab/other "$(digest "$work/large")")" = 5000000 ]
	refused "does not have it for others" "$do" "$(host plain)" mount lab/third \
		"sha256:$(printf '%064d' 0)" lab/debian
}

signatures_are_listed_by_a_registry_without_the_api()
{
	local signed
	signed=$(digest "$work/manifest")
	[ -z "$("$do" "$(host plain)" referrers lab/debian "$signed" application/vnd.test)" ]
	"$do" "$(host plain)" put lab/debian - "$work/signature" $type "$(digest "$work/signature")"
	[ "$("$do" "$(host plain)" referrers lab/debian "$signed" application/vnd.test)" = \
		"$(digest "$work/signature")" ]
	[ -z "$("$do" "$(host plain)" referrers lab/debian "$signed" application/other)" ]
	# Other clients find it where the specification says.
	curl -sf -H "Accept: application/vnd.oci.image.index.v1+json" \
		"http://$(host plain)/v2/lab/debian/manifests/${signed/:/-}" |
		jq -e --arg d "$(digest "$work/signature")" '.manifests[0].digest == $d'
}

an_upload_goes_on_where_it_was_when_the_registry_is_restarted()
{
	local half
	head -c 6000000 /dev/urandom >"$work/other"
	"$do" "$(host plain)" send lab/debian "$(digest "$work/other")" "$work/other" 3500000
	kill -KILL "$(cat "$work/plain.pid")"
	wait_for 10 gone "$(cat "$work/plain.pid")"
	registry plain
	half=$("$do" "$(host plain)" send lab/debian "$(digest "$work/other")" "$work/other")
	[ "$half" = $((3 * 1024 * 1024)) ]
	"$do" "$(host plain)" read lab/debian "$(digest "$work/other")" 0 | cmp - "$work/other"
	[ -z "$(ls "$UPLOADS")" ]
}

a_manifest_is_deleted()
{
	"$do" "$(host plain)" delete lab/debian "$(digest "$work/manifest")"
	refused "there is no such manifest" "$do" "$(host plain)" get lab/debian 12
}

a_registry_with_tls_is_verified()
{
	registry tls "  tls: {certificate: $work/tls/server.pem, key: $work/tls/server.key}"
	refused "its certificate is not trusted" "$do" "$(host tls)" ping
	export CA=$work/tls/ca.pem
	round_trip "$(host tls)"
	[[ $("$do" "$(host tls)" place lab/debian "$(digest "$work/large")") == https://* ]]
}

a_password_is_asked_for_checked_and_kept()
{
	registry basic "auth: {htpasswd: {realm: test, path: $work/htpasswd}}"
	refused "wants credentials" "$do" "$(host basic)" ping
	refused "does not accept the credentials it was given (401)" \
		sill login "$(host basic)" --user joe --password-stdin <<<wrong
	[ ! -e "$HOME/.config/containers/auth.json" ]
	sill login "$(host basic)" --user joe --password-stdin <<<'pass word'
	[ "$(stat -c %a "$HOME/.config/containers/auth.json")" = 600 ]
	round_trip "$(host basic)"
	sill logout "$(host basic)"
	refused "wants credentials" "$do" "$(host basic)" ping
	refused "keeps nothing for" sill logout "$(host basic)"
}

a_token_is_asked_for_with_a_password_and_without()
{
	local port try place
	export TOKENS=$work/tokens
	for try in 1 2 3 4 5 6 7 8; do
		port=$((RANDOM % 20000 + 20000))
		background "$work/tokens.out" socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
			"EXEC:$SILL_SOURCE/tests/integration/token-server.sh"
		wait_for 10 lib_web_settled "$background_pid" "$port" && ! gone "$background_pid" && break
	done
	registry token "auth: {token: {realm: 'http://127.0.0.1:$port/token', service: 'the registry',
		issuer: test, rootcertbundle: $work/tls/token.pem}}"
	refused "does not accept the credentials it was given (401)" \
		"$do" "$(host token)" send lab/debian "$(digest "$work/small")" "$work/small"
	refused "/token: does not accept the credentials it was given (401)" \
		sill login "$(host token)" --user joe --password-stdin <<<wrong
	sill login "$(host token)" --user joe --password-stdin <<<'pass word'
	round_trip "$(host token)"
	place=$("$do" "$(host token)" place lab/debian "$(digest "$work/large")")
	# Nobody in particular may read; a disk's source gets tokens, too.
	sill logout "$(host token)"
	"$do" "$(host token)" read lab/debian "$(digest "$work/large")" 0 | cmp - "$work/large"
	"$cat" "$place" | cmp - "$work/large"
	grep -q '^GET /token joe$' "$TOKENS/log"
	grep -q '^GET /token $' "$TOKENS/log"
	! grep -rqF 'pass word' "$work"/*.log || fail "a log has the password"
}

prepare >"$work/prepared" 2>&1 || { cat "$work/prepared"; exit 1; }
run_tests an_image_goes_to_a_registry_and_back what_is_missing_is_told \
	names_and_tags_are_listed_over_many_pages a_blob_is_mounted_from_another_name \
	signatures_are_listed_by_a_registry_without_the_api \
	an_upload_goes_on_where_it_was_when_the_registry_is_restarted a_manifest_is_deleted \
	a_registry_with_tls_is_verified a_password_is_asked_for_checked_and_kept \
	a_token_is_asked_for_with_a_password_and_without
