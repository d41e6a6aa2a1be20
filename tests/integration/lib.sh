# What the integration scripts share; sourced, not run.
#
# A test is a function whose name is the sentence that it proves.  run_tests runs each of the named
# functions in a subshell with `set -e`: the first command that fails fails the test, and what the
# test printed becomes its diagnostics.  What two tests share lies in files under $work.
#
#	. "$SILL_SOURCE/tests/integration/lib.sh"
#	a_server_says_its_size() { [ "$(curl -sI "$(cat "$work/url")" | …)" = 5 ]; }
#	run_tests a_server_says_its_size
#
# Everything that is started with `background` ends with the script, and $work is removed.
set -uo pipefail
: "${SILL_SOURCE:?}" "${SILL_BUILD:?}"
export LC_ALL=C.UTF-8

# The name is short because sockets live below it, and a socket's path has at most 107 bytes.
work=$(mktemp -d /tmp/sill-XXXXXX)
export work SILL_STATE=$work/state SILL_CONFIG=$work/config XDG_RUNTIME_DIR=$work/run
mkdir -p "$work/pids" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
PATH=$SILL_BUILD/cli:$PATH:/usr/sbin:/sbin
machines=${SILL_CACHE:-$SILL_SOURCE/build}/machines

# Ends what was started here, by its own process id, and waits until it is gone.
lib_clean()
{
	trap '' TERM INT HUP
	local pid
	lib_stop_machines
	for pid in $(cd "$work/pids" && ls); do
		kill "$pid" 2>/dev/null
	done
	for pid in $(cd "$work/pids" && ls); do
		wait_for 5 gone "$pid" || kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$work"
}
trap lib_clean EXIT
trap 'exit 1' TERM INT HUP

# Machines that a failed test left running.
lib_stop_machines()
{
	local name
	[ -d "$SILL_STATE/machines" ] || return 0
	for name in $(ls "$SILL_STATE/machines"); do
		timeout 20 sill stop --force "$name" >/dev/null 2>&1
	done
}

# wait_for SECONDS COMMAND…: until the command succeeds; fails when the time is over.
wait_for()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.1 <> <(:) || :
	done
}

gone()
{
	# A first thread may be a zombie while others still hold the files.
	[ ! -d "/proc/$1" ] || {
		[ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null || echo Z)" = Z ] &&
			[ "$(ls "/proc/$1/task" 2>/dev/null | wc -l)" -le 1 ]
	}
}

# background LOG COMMAND…: starts it for the life of the script; its process id in $background_pid.
background()
{
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null &
	background_pid=$!
	disown
	: >"$work/pids/$background_pid"
}

# need PROGRAM…: skips the whole script when one is missing.
need()
{
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

# need_sample FORMAT: skips the whole script when the sample machine has no such disk.
need_sample()
{
	[ -s "$machines/debian-12/disk.$1" ] || skip_all "the sample machine has not been built"
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

# skip REASON: ends the test that calls it.
skip()
{
	echo "$*" >"$work/skipped"
	exit 77
}

# fail SENTENCE: ends the test that calls it.
fail()
{
	echo "$*"
	exit 1
}

run_tests()
{
	local number=0 name status failed=0
	echo "1..$#"
	for name in "$@"; do
		number=$((number + 1))
		(
			trap - EXIT
			set -e
			"$name"
		) >"$work/log" 2>&1
		status=$?
		case $status in
		0) echo "ok $number - $name" ;;
		77) echo "ok $number - $name # SKIP $(cat "$work/skipped")" ;;
		*)
			failed=1
			tail -n 60 "$work/log" | sed 's/^/# /'
			echo "not ok $number - $name"
			;;
		esac
	done
	exit $failed
}

# web NAME DIRECTORY [DIRECTIVES]: a private nginx that serves the directory.  Its address is then
# in $work/NAME.url, its process id in $work/NAME.pid, and each answer is a line "METHOD STATUS
# BYTES RANGE PATH" of $work/NAME.log.  web_stop NAME kills it without a farewell.
web()
{
	local name=$1 root=$2 directives=${3:-} port try
	mkdir -p "$work/$name"
	for try in 1 2 3 4 5 6 7 8; do
		port=$((RANDOM % 20000 + 20000))
		[ ! -f "$work/$name.port" ] || port=$(cat "$work/$name.port")
		cat >"$work/$name/nginx.conf" <<-CONF
			daemon off;
			master_process off;
			pid $work/$name/pid;
			error_log $work/$name/error.log;
			events { worker_connections 512; }
			http {
				log_format line '\$request_method \$status \$body_bytes_sent \$http_range \$uri';
				access_log $work/$name.log line;
				client_body_temp_path $work/$name/body;
				proxy_temp_path $work/$name/proxy;
				fastcgi_temp_path $work/$name/fastcgi;
				uwsgi_temp_path $work/$name/uwsgi;
				scgi_temp_path $work/$name/scgi;
				keepalive_requests 100000;
				sendfile on;
				server {
					listen 127.0.0.1:$port;
					root $root;
					$directives
				}
			}
		CONF
		background "$work/$name/out" nginx -e "$work/$name/error.log" -p "$work/$name" \
			-c "$work/$name/nginx.conf"
		echo "$background_pid" >"$work/$name.pid"
		echo "http://127.0.0.1:$port" >"$work/$name.url"
		if wait_for 10 lib_web_settled "$background_pid" "$port" &&
			! gone "$background_pid"; then
			echo "$port" >"$work/$name.port"
			return 0
		fi
		rm -f "$work/$name.port"
	done
	cat "$work/$name/error.log"
	return 1
}

# Either it answers or it is gone, because somebody else had the port.
lib_web_settled()
{
	gone "$1" || (exec 3<>"/dev/tcp/127.0.0.1/$2")
}

web_stop()
{
	local pid
	pid=$(cat "$work/$1.pid")
	kill -KILL "$pid" 2>/dev/null
	wait_for 10 gone "$pid"
}

# Bytes of bodies that the server sent.
web_bytes()
{
	awk '{ sum += $3 } END { print sum + 0 }' "$work/$1.log"
}

# serve NAME ARGUMENTS…: a server of a disk on $work/NAME.nbd, its control socket
# $work/NAME.control.  Its address is in $uri, its process id in $work/NAME.serve.  serve_stop NAME
# [SIGNAL] ends it.
serve()
{
	local name=$1 socket=$work/$1
	shift
	uri="nbd+unix:///?socket=$socket.nbd"
	rm -f "$socket.nbd" "$socket.control"
	background "$socket.out" sill disk serve --unix "$socket.nbd" --control "$socket.control" \
		"$@"
	echo "$background_pid" >"$socket.serve"
	wait_for 20 lib_serves "$name" "$background_pid"
	[ -S "$socket.control" ] || fail "$(cat "$socket.out")"
}

lib_serves()
{
	[ -S "$work/$1.control" ] || gone "$2"
}

serve_stop()
{
	local pid
	pid=$(cat "$work/$1.serve")
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	wait_for 20 gone "$pid"
}

# info NAME FILTER: one thing that `sill info --json` says of a machine.
info()
{
	sill info --json "$1" | jq -r "$2"
}

# sample FORMAT: the path of the sample machine's disk in that format, converted when it is not
# there.
sample()
{
	local dir=$machines/debian-12
	(
		flock 9
		case $1 in
		raw | vhd) ;;
		*)
			[ "$dir/disk.$1" -nt "$dir/disk.raw" ] || {
				qemu-img convert -O "$1" "$dir/disk.raw" "$dir/new.$1" &&
					mv "$dir/new.$1" "$dir/disk.$1"
			}
			;;
		esac
	) 9>"$dir/.lock"
	[ -s "$dir/disk.$1" ] && echo "$dir/disk.$1"
}

# What a boot may take.  Emulated, on a busy computer, it is minutes.
patience=${SILL_PATIENCE:-400}

# with_info NAME JQ-CONDITION: is it so?  For wait_for.
with_info()
{
	[ "$(info "$1" "$2")" = true ]
}

# guest NAME COMMAND: runs it in the machine's shell on the serial console (which logs in by itself)
# and prints what it says; fails when it fails.  The marks around its output are written in two
# halves, so that the shell's echo of the command is not taken for them.
guest()
{
	local name=$1 mark=$RANDOM$RANDOM log socket
	socket=$(info "$name" .console)
	log=$work/guest-$mark
	{
		# What is typed before there is a shell is lost.
		exec 4>&1
		wait_for "$patience" lib_shell_answers "$mark" "$log"
		printf '\necho "begin""-%s"; { %s; }; echo "end""-%s:$?"\n' "$mark" "$2" "$mark"
		wait_for 120 grep -aq "end-$mark:[0-9]" "$log"
	} | socat -t 1 - "UNIX-CONNECT:$socket" >"$log" 2>/dev/null
	# Without the terminal's own language.
	sed -i 's/\x1b\[[?0-9;]*[a-zA-Z]//g; s/\r//g' "$log"
	sed -n "/^begin-$mark/,/^end-$mark:/p" "$log" | sed '1d;$d'
	grep -aq "^end-$mark:0" "$log"
}

lib_shell_answers()
{
	printf '\necho "shell""-%s"\n' "$1" >&4
	wait_for 5 grep -aq "shell-$1" "$2"
}

# Everything of a machine's session is over: no process and a record.
ended()
{
	[ "$(sill list --json | jq -r --arg name "$1" '.[] | select(.name == $name).state')" \
		!= running ]
}
