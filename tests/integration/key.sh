#!/usr/bin/env bash
# sill key: keys that openssl takes and gives, whom a person trusts, and a store that survives death.
. "$SILL_SOURCE/tests/integration/lib.sh"
need openssl jq socat

export SILL_CONFIG=$work/config
keys=$SILL_CONFIG/keys
trust=$SILL_CONFIG/trust.json
signature_do=$SILL_BUILD/tests/integration/signature-do
crash=$SILL_BUILD/tests/integration/kill-at-step.so
digest=sha256:$(printf x | sha256sum | cut -d' ' -f1)

# complains STATUS WORDS COMMAND…: that exit status, and one sentence with these words.
complains()
{
	local want=$1 words=$2 status=0
	shift 2
	"$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	[ $status = "$want" ] || fail "$*: status $status: $(cat "$work/err")"
	[ ! -s "$work/out" ] || fail "$*: printed $(cat "$work/out")"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "$*: said $(cat "$work/err")"
	grep -qF -e "$words" "$work/err" || fail "$*: said $(cat "$work/err")"
}

# public NAME: its public key as PEM, made of the .pub line by hand.
public()
{
	{
		echo '-----BEGIN PUBLIC KEY-----'
		{
			printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'
			cut -d' ' -f2 "$keys/$1.pub" | base64 -d
		} | base64 -w0
		echo
		echo '-----END PUBLIC KEY-----'
	} >"$work/$1.pem"
}

a_new_key_is_two_files_and_is_never_overwritten()
{
	sill key new mine >"$work/said"
	[ "$(stat -c %a "$keys/mine.key" "$keys")" = $'600\n700' ]
	grep -qE '^sill-ed25519 [A-Za-z0-9+/]{43}= mine$' "$keys/mine.pub"
	[ "$(tail -n 1 "$work/said")" = "$(cat "$keys/mine.pub")" ]
	# The id is what anybody can work out.
	[ "$(sed -n 2p "$work/said")" = "SHA256:$(cut -d' ' -f2 "$keys/mine.pub" | base64 -d |
		openssl dgst -sha256 -binary | base64 | tr -d =)" ]
	cp "$keys/mine.key" "$work/before"
	complains 1 'mine.pub: File exists' sill key new mine
	rm "$keys/mine.pub"
	complains 1 'mine.key: File exists' sill key new mine
	cmp "$keys/mine.key" "$work/before"
	[ -z "$(find "$keys" -name '*.key.*')" ]
	rm "$keys/mine.key"
}

openssl_verifies_what_we_sign()
{
	sill key new signer >/dev/null
	public signer
	mkdir "$work/signed"
	"$signature_do" make "$keys/signer.key" "$digest" 123 7 "$work/signed"
	openssl pkeyutl -verify -rawin -pubin -inkey "$work/signer.pem" \
		-sigfile "$work/signed/signature" -in "$work/signed/signed"
	# Context, a zero byte, and the payload as it travels.
	cmp <(printf 'sill image signature v1\0'; cat "$work/signed/payload") "$work/signed/signed"
	[ "$(jq -r .layers[0].digest "$work/signed/manifest")" = \
		"sha256:$(sha256sum <"$work/signed/payload" | cut -d' ' -f1)" ]
	[ "$(jq -r .subject.digest "$work/signed/manifest")" = "$digest" ]
	[ "$(jq -r .release "$work/signed/payload")" = 7 ]
	[ "$("$signature_do" check "$work/signed/manifest" "$work/signed/payload" "$digest" 123)" = \
		"$(jq -r .key "$work/signed/payload")" ]
	complains 1 'of another manifest' "$signature_do" check "$work/signed/manifest" \
		"$work/signed/payload" "$digest" 124
}

a_key_that_openssl_made_signs_as_openssl_does()
{
	openssl genpkey -algorithm ed25519 -out "$work/theirs.pem"
	chmod 600 "$work/theirs.pem"
	sill key new theirs --import "$work/theirs.pem" >/dev/null
	mkdir "$work/theirs"
	"$signature_do" make "$keys/theirs.key" "$digest" 123 7 "$work/theirs"
	openssl pkeyutl -sign -rawin -inkey "$work/theirs.pem" -in "$work/theirs/signed" \
		-out "$work/theirs/by-openssl"
	cmp "$work/theirs/by-openssl" "$work/theirs/signature"
	# Its public part is trusted as PEM, too.
	openssl pkey -in "$work/theirs.pem" -pubout -out "$work/theirs.pub.pem"
	[ "$(sill key trust "$work/theirs.pub.pem" --name theirs)" = \
		"$(sill key list --json | jq -r '.[] | select(.kind == "own" and .name == "theirs").id')" ]
	openssl genpkey -algorithm ed448 -out "$work/other.pem"
	chmod 600 "$work/other.pem"
	complains 1 'of another kind than ed25519' sill key new other --import "$work/other.pem"
	chmod 644 "$work/theirs.pem"
	complains 1 'other people may read this private key' \
		sill key new again --import "$work/theirs.pem"
}

a_passphrase_from_a_file_locks_a_key()
{
	(umask 077 && printf 'open sesame\nnot this\n' >"$work/words")
	sill key new locked --passphrase-file "$work/words" >"$work/said"
	grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$keys/locked.key"
	openssl pkey -in "$keys/locked.key" -passin 'pass:open sesame' -noout
	! openssl pkey -in "$keys/locked.key" -passin 'pass:open' -noout 2>/dev/null
	sill key new piped --passphrase-file - <"$work/words" >/dev/null
	openssl pkey -in "$keys/piped.key" -passin 'pass:open sesame' -noout
	! grep -rqF sesame "$work/said" "$SILL_CONFIG"
	chmod 640 "$work/words"
	complains 1 'other people may read it' sill key new x --passphrase-file "$work/words"
	complains 1 'its first line is empty' sill key new x --passphrase-file /dev/null
	complains 2 'do not go together' sill key new x --passphrase --passphrase-file "$work/words"
	[ ! -e "$keys/x.key" ]
}

# typed SCREEN COMMAND…: runs it on a terminal of its own, where each line of standard input is typed
# when a question stands there and nothing that is typed is shown.
typed()
{
	local screen=$1 n=0 line
	shift
	printf '%q ' "$@" >"$screen.command"
	printf 'tty >%q\nexec %s\n' "$screen.tty" "$(cat "$screen.command")" >"$screen.sh"
	: >"$screen"
	while IFS= read -r line; do
		n=$((n + 1))
		wait_for 20 lib_asks "$screen" $n
		printf '%s\n' "$line"
	done | socat -t 20 - "EXEC:bash $screen.sh,pty,setsid,ctty,stderr" >"$screen"
}

lib_asks()
{
	[ "$(grep -o ': ' "$1" | wc -l)" -ge "$2" ] &&
		[[ $(stty -a -F "$(cat "$1.tty")") == *" -echo "* ]]
}

a_passphrase_is_typed_twice_and_never_shown()
{
	printf 'open barley\nopen barley\n' | typed "$work/screen" sill key new typed --passphrase
	openssl pkey -in "$keys/typed.key" -passin 'pass:open barley' -noout
	grep -q 'Passphrase of the new key: ' "$work/screen"
	! grep -q barley "$work/screen" || fail "$(cat "$work/screen")"
	# Imported, it is asked for by the library that reads it.
	printf 'open barley\n' |
		typed "$work/screen" sill key new free --import "$keys/typed.key"
	cmp <(cut -d' ' -f2 "$keys/typed.pub") <(cut -d' ' -f2 "$keys/free.pub")
	printf 'open wheat\n' |
		typed "$work/screen" sill key new wrong --import "$keys/typed.key" || :
	grep -q 'has another passphrase' "$work/screen"
	complains 1 'there is no terminal' setsid -w sill key new none --passphrase
}

what_is_trusted_is_listed_until_it_is_distrusted()
{
	local id
	rm -f "$trust"
	sill key new team >/dev/null
	id=$(sill key trust "$keys/team.pub" --for registry.example/team --for /media/usb)
	[ "$(sill key list --json | jq -c '.[] | select(.kind == "trusted") | [.id, .name, .for]')" = \
		"[\"$id\",\"team\",[\"registry.example/team\",\"/media/usb\"]]" ]
	sill key list | grep -q "^trusted *${id:0:19}  team .*for registry.example/team, /media/usb$"
	# A line does as well as a file, and the same key is the same key.
	[ "$(sill key trust "$(cat "$keys/team.pub")" --for elsewhere.example)" = "$id" ]
	[ "$(jq '.keys[0].for | length' "$trust")" = 3 ]
	complains 1 'called team already' sill key trust "$keys/signer.pub" --name team
	[ "$(sill key distrust "${id:0:19}")" = "$id" ]
	[ "$(sill key list --json | jq -r '.[] | select(.kind == "distrusted").name')" = team ]
	complains 1 "there is no key 'nobody'" sill key distrust nobody
}

policies_are_set_shown_and_taken_away()
{
	[ "$(sill key policy registry.example/debian:12)" = remember ]
	[ "$(sill key policy local/debian:12)" = none ]
	sill key policy all require
	sill key policy registry.example/team none
	[ "$(sill key policy registry.example/debian:12)" = require ]
	[ "$(sill key policy registry.example/team/debian:12)" = none ]
	[ "$(sill key policy --json | jq -c 'map([.policy, .prefix])')" = \
		'[["require","all"],["none","registry.example/team"]]' ]
	sill key policy registry.example/team default
	[ "$(sill key policy registry.example/team/debian:12)" = require ]
	complains 1 'no policy is set' sill key policy registry.example/team default
}

what_is_remembered_is_listed_and_forgotten()
{
	local id
	id=$(jq -r '.keys[0].id' "$trust")
	jq --arg id "$id" '.pins["registry.example/x:1"] = {"key": $id, "release": 4,
		"created": "2026-11-21T20:00:00Z", "since": "2026-11-21T21:00:00Z"}' \
		"$trust" >"$work/pinned"
	cp "$work/pinned" "$trust"
	sill key list | grep -qx "remembered  ${id:0:19}  registry.example/x:1, release 4"
	sill key forget registry.example/x:1
	complains 1 'nothing is remembered' sill key forget registry.example/x:1
	[ "$(jq '.pins | length' "$trust")" = 0 ]
}

death_at_any_step_leaves_the_old_trust_or_the_new()
{
	local at status killed=0
	cp "$trust" "$work/old"
	sill key policy step.example none
	cp "$trust" "$work/new"
	for at in $(seq 1 40); do
		cp "$work/old" "$trust"
		status=0
		KILL_AT=$at LD_PRELOAD=$crash sill key policy step.example none || status=$?
		cmp -s "$trust" "$work/old" || cmp "$trust" "$work/new"
		sill key policy >/dev/null
		[ $status != 0 ] || break
		killed=$((killed + 1))
	done
	[ $status = 0 ] && cmp "$trust" "$work/new"
	[ $killed -ge 4 ] || fail "only $killed steps"
}

bad_input_gets_one_sentence()
{
	complains 2 "is not a name for a key" sill key new ../x
	complains 2 'hosts are written in small letters' sill key trust x --for Registry.example
	complains 2 'none of: require, remember, none, default' sill key policy x.example maybe
	complains 1 'No such file' sill key trust "$work/nowhere"
	complains 1 'is a private key' sill key trust "$keys/team.key"
	complains 1 'not the base64 of 32 bytes' sill key trust 'sill-ed25519 AAAA x'
	chmod 666 "$trust"
	complains 1 'chmod go-w' sill key list
	chmod 644 "$trust"
	echo '{"version": 1, "keys": [{}]}' >"$trust"
	complains 1 'trust.json: key 1: "id"' sill key policy all
	complains 1 'trust.json: key 1: "id"' sill key policy all none
}

run_tests a_new_key_is_two_files_and_is_never_overwritten openssl_verifies_what_we_sign \
	a_key_that_openssl_made_signs_as_openssl_does a_passphrase_from_a_file_locks_a_key \
	a_passphrase_is_typed_twice_and_never_shown \
	what_is_trusted_is_listed_until_it_is_distrusted policies_are_set_shown_and_taken_away \
	what_is_remembered_is_listed_and_forgotten death_at_any_step_leaves_the_old_trust_or_the_new \
	bad_input_gets_one_sentence
