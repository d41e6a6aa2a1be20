#!/usr/bin/env bash
# Sources over real servers: nginx with TLS, HTTP/2 and passwords, nbdkit over TCP, TLS and Unix
# sockets; and a chain of them from which one is killed.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx nbdkit openssl certtool curl
cat=$SILL_BUILD/tests/integration/source-cat
disk=$work/www/disk.raw

# A CA, a certificate for 127.0.0.1 by it, and a CA of nobody.
make_certificates()
{
	local name
	mkdir -p "$work/tls"
	for name in ca stranger; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
			-subj "/CN=test $name" -keyout "$work/tls/$name.key" \
			-out "$work/tls/$name.pem" \
			-addext basicConstraints=critical,CA:TRUE \
			-addext keyUsage=critical,keyCertSign,cRLSign
	done
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" \
		-keyout "$work/tls/server-key.pem" -out "$work/tls/server.csr"
	openssl x509 -req -in "$work/tls/server.csr" -CA "$work/tls/ca.pem" \
		-CAkey "$work/tls/ca.key" -CAcreateserial -days 2 -out "$work/tls/server-cert.pem" \
		-extfile <(echo subjectAltName=IP:127.0.0.1)
	cp "$work/tls/ca.pem" "$work/tls/ca-cert.pem"
}

# A directive that makes nginx speak TLS too, on a port that is then in $work/NAME.tls.
tls()
{
	local port=$((RANDOM % 20000 + 20000))
	echo "$port" >"$work/$1.tls"
	echo "listen 127.0.0.1:$port ssl http2;
		ssl_certificate $work/tls/server-cert.pem;
		ssl_certificate_key $work/tls/server-key.pem;
		add_header X-Protocol \$server_protocol always;"
}

# nbd NAME ARGUMENT…: nbdkit with the disk over TCP; its port is then in $work/NAME.port.
nbd()
{
	local name=$1 port try
	shift
	for try in 1 2 3 4 5 6 7 8; do
		port=$((RANDOM % 20000 + 20000))
		background "$work/$name.out" nbdkit -f -r -i 127.0.0.1 -p "$port" "$@" file "$disk"
		echo "$background_pid" >"$work/$name.pid"
		if wait_for 10 lib_web_settled "$background_pid" "$port" &&
			! gone "$background_pid"; then
			echo "$port" >"$work/$name.port"
			return 0
		fi
	done
	return 1
}

# same COMMAND…: it prints the disk.
same()
{
	"$@" >"$work/got" 2>"$work/said" || { cat "$work/said"; return 1; }
	cmp "$work/got" "$disk"
}

# refused WORDS COMMAND…: it fails and says so.
refused()
{
	local words=$1
	shift
	! "$@" >"$work/got" 2>"$work/said" || fail "it worked"
	grep -qF -- "$words" "$work/said" || { cat "$work/said"; fail "it does not say: $words"; }
}

prepare()
{
	mkdir -p "$work/www/basic"
	head -c 5000000 /dev/urandom >"$disk"
	truncate -s 8M "$disk"
	cp "$disk" "$work/www/basic/disk.raw"
	chmod -R a+rX "$work"
	make_certificates >"$work/certificates" 2>&1 || { cat "$work/certificates"; exit 1; }
	printf 'joe:%s\n' "$(openssl passwd -apr1 'pass word')" >"$work/users"
	chmod a+r "$work/users"
	web far "$work/www" "$(tls far)
		location /basic/ { auth_basic x; auth_basic_user_file $work/users; }
		location = /bearer/disk.raw {
			if (\$http_authorization != 'Bearer t0ken') { return 401; }
			alias $disk;
		}
		location /moved/ { return 302 /disk.raw; }
		location = /plain { return 302 http://127.0.0.1/disk.raw; }" || exit 1
	echo "https://127.0.0.1:$(cat "$work/far.tls")" >"$work/far.https"
}

http_1_1_delivers_the_file()
{
	same "$cat" "$(cat "$work/far.url")/disk.raw"
	grep -q '^GET 206 65536 bytes=' "$work/far.log"
}

https_with_a_custom_ca_and_http_2_delivers_the_file()
{
	local url
	url=$(cat "$work/far.https")/disk.raw
	curl -sI --cacert "$work/tls/ca.pem" "$url" | grep -q 'HTTP/2.0' ||
		skip "nginx has no HTTP/2"
	same "$cat" --ca "$work/tls/ca.pem" "$url"
}

a_certificate_of_an_unknown_ca_is_refused()
{
	refused "its certificate is not trusted" \
		"$cat" --ca "$work/tls/stranger.pem" "$(cat "$work/far.https")/disk.raw"
	refused "https://127.0.0.1" "$cat" "$(cat "$work/far.https")/disk.raw"
}

a_certificate_of_another_name_is_refused()
{
	refused "its certificate is not trusted" \
		"$cat" --ca "$work/tls/ca.pem" "https://localhost:$(cat "$work/far.tls")/disk.raw"
}

basic_and_bearer_credentials_open_what_is_locked()
{
	local url
	url=$(cat "$work/far.url")
	refused "wants credentials" "$cat" "$url/basic/disk.raw"
	(
		umask 077
		printf '%s/basic/ basic joe pass word\n%s/bearer/ bearer t0ken\n' "$url" "$url" \
			>"$work/credentials"
	)
	same "$cat" --credentials "$work/credentials" "$url/basic/disk.raw"
	same "$cat" --credentials "$work/credentials" "$url/bearer/disk.raw"
	sed -i 's/t0ken/s3cret/' "$work/credentials"
	refused "does not accept the credentials" \
		"$cat" --credentials "$work/credentials" "$url/bearer/disk.raw"
	! grep -q s3cret "$work/said"
	chmod 644 "$work/credentials"
	refused "others can read it" "$cat" --credentials "$work/credentials" "$url/disk.raw"
}

a_redirect_is_followed_but_not_from_https_to_http()
{
	same "$cat" "$(cat "$work/far.url")/moved/x"
	refused "from https to http" "$cat" --ca "$work/tls/ca.pem" "$(cat "$work/far.https")/plain"
}

nbd_over_tcp_delivers_the_file()
{
	nbd tcp
	same "$cat" "nbd://127.0.0.1:$(cat "$work/tcp.port")"
}

nbd_over_a_unix_socket_delivers_the_file()
{
	background "$work/unix.out" nbdkit -f -r -U "$work/nbd.sock" file "$disk"
	wait_for 10 [ -S "$work/nbd.sock" ]
	same "$cat" "nbd+unix://?socket=$work/nbd.sock"
}

nbd_over_tls_delivers_the_file_and_refuses_an_unknown_ca()
{
	nbd tls --tls=require --tls-certificates="$work/tls"
	same "$cat" --ca "$work/tls/ca.pem" "nbds://127.0.0.1:$(cat "$work/tls.port")"
	refused "cannot connect" \
		"$cat" --ca "$work/tls/stranger.pem" "nbds://127.0.0.1:$(cat "$work/tls.port")"
	background "$work/tlsu.out" nbdkit -f -r -U "$work/tls.sock" --tls=require \
		--tls-certificates="$work/tls" file "$disk"
	wait_for 10 [ -S "$work/tls.sock" ]
	same "$cat" --ca "$work/tls/ca.pem" "nbds+unix://localhost/?socket=$work/tls.sock"
}

a_chain_goes_on_when_its_first_server_is_killed()
{
	web first "$work/www" "limit_rate 200k;"
	"$cat" "$(cat "$work/first.url")/disk.raw" "$(cat "$work/far.url")/disk.raw" \
		>"$work/chained" 2>"$work/said" &
	local pid=$!
	wait_for 10 grep -q . "$work/first.log"
	web_stop first
	wait "$pid" || { cat "$work/said"; return 1; }
	cmp "$work/chained" "$disk"
}

prepare
run_tests http_1_1_delivers_the_file https_with_a_custom_ca_and_http_2_delivers_the_file \
	a_certificate_of_an_unknown_ca_is_refused a_certificate_of_another_name_is_refused \
	basic_and_bearer_credentials_open_what_is_locked \
	a_redirect_is_followed_but_not_from_https_to_http nbd_over_tcp_delivers_the_file \
	nbd_over_a_unix_socket_delivers_the_file \
	nbd_over_tls_delivers_the_file_and_refuses_an_unknown_ca \
	a_chain_goes_on_when_its_first_server_is_killed
