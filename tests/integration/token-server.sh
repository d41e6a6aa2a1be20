#!/usr/bin/env bash
# One request to a server that gives tokens (distribution's "Token Authentication"), on standard
# input and output; socat runs one for each connection.  TOKENS names a folder with key.pem,
# cert.pem, and the password of the user "joe" in `password`; who is nobody may only pull.
# What was asked is a line of TOKENS/log.
set -u
read -r method path _
who=
while IFS= read -r line && line=${line%$'\r'} && [ -n "$line" ]; do
	case ${line,,} in
	'authorization: basic '*) who=$(base64 -d <<<"${line##* }") ;;
	esac
done
echo "$method ${path%%\?*} ${who%%:*}" >>"$TOKENS/log"

answer()
{
	printf 'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
		"$1" "${#2}" "$2"
	exit 0
}

url64()
{
	base64 -w0 | tr '+/' '-_' | tr -d '='
}

[ -z "$who" ] || [ "$who" = "joe:$(cat "$TOKENS/password")" ] ||
	answer '401 Unauthorized' '{"errors":[{"code":"UNAUTHORIZED"}]}'
access= service=
IFS='&' read -ra pairs <<<"${path#*\?}"
for pair in "${pairs[@]}"; do
	value=$(printf '%b' "${pair#*=}")
	value=$(printf '%b' "${value//%/\\x}")
	case $pair in
	service=*) service=$value ;;
	scope=*)
		IFS=: read -r type name actions <<<"$value"
		[ -n "$who" ] || actions=pull
		access+=${access:+,}$(printf '{"type":"%s","name":"%s","actions":["%s"]}' \
			"$type" "$name" "${actions//,/\",\"}")
		;;
	esac
done
now=$(date +%s)
head=$(printf '{"typ":"JWT","alg":"RS256","x5c":["%s"]}' \
	"$(openssl x509 -in "$TOKENS/cert.pem" -outform DER | base64 -w0)" | url64)
claims=$(printf '{"iss":"test","sub":"%s","aud":"%s","exp":%d,"nbf":%d,"iat":%d,"jti":"%s","access":[%s]}' \
	"${who%%:*}" "$service" $((now + 300)) $((now - 60)) "$now" "$RANDOM$RANDOM" "$access" | url64)
signed=$(printf '%s.%s' "$head" "$claims" | openssl dgst -sha256 -sign "$TOKENS/key.pem" | url64)
answer '200 OK' "{\"token\":\"$head.$claims.$signed\",\"expires_in\":300}"
