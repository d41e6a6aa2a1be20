#!/usr/bin/env bash
# Machines and their sessions, with a guest in one boot sector (tiny-guest.S) so that a session
# takes a second: starting, stopping, being killed, waiting for a disk.  What a real system does in
# a machine is shown by the scripts of the sample machine.
. "$SILL_SOURCE/tests/integration/lib.sh"
need gcc objcopy qemu-system-x86_64 nbdkit jq nginx socat Xvfb

# has [OPTION…] PATTERN: grep of a pipe that reads it to its end, so that nobody who writes is cut
# off.
has()
{
	grep "$@" >/dev/null
}

# guest FILE [FLAGS…]: a disk with the tiny guest, 64 MiB with an F at sector 100000.
guest()
{
	local file=$1
	shift
	gcc -c "$@" "$SILL_SOURCE/tests/integration/tiny-guest.S" -o "$work/guest.o"
	objcopy -O binary -j .text "$work/guest.o" "$file"
	truncate -s 64M "$file"
	printf F | dd of="$file" bs=512 seek=100000 conv=notrunc status=none
}

# machine NAME [OPTIONS…]: a new machine with the obedient guest.
machine()
{
	local name=$1
	shift
	sill create --name "$name" --accel tcg --memory 64M --cpus 1 "$@" "$work/guest.img"
}

# refused COMMAND…: it fails with one sentence, which is then in $work/said.
refused()
{
	if "$@" 2>"$work/said"; then
		fail "$* succeeded"
	fi
	[ "$(wc -l <"$work/said")" = 1 ] || fail "$* said: $(cat "$work/said")"
}

state_is()
{
	[ "$(info "$1" .state)" = "$2" ]
}

console_says()
{
	grep -qF "$2" "$SILL_STATE/machines/$1/console.log"
}

# says NAME TEXT: the guest prints it within some seconds.
says()
{
	wait_for 30 console_says "$@" || fail "$1 does not print '$2'"
}

# keys NAME KEYS: typed on its console.  The connection stays until the guest has had time to see
# them: it prints something after each command, which the caller waits for.
keys()
{
	printf '%s' "$2" | socat -t1 - "UNIX-CONNECT:$(info "$1" .console)" >/dev/null
}

a_machine_starts_in_the_background_and_prints_on_its_console()
{
	machine one
	sill start one
	says one "tiny guest"
	state_is one running
	[ "$(info one .accel)" = tcg ] && [ "$(info one .firmware)" = bios ]
	sill list | has -E -e '^one +running'
	[ "$(info one .address)" = 10.0.2.15 ]
	sill info one | has -e '^address  *10\.0\.2\.15, .*; no port is forwarded to it$'
	sill info one | has -e '^boot trace  *no record .*; this boot is being recorded$'
}

a_machine_that_runs_is_not_started_again_nor_renamed_nor_deleted()
{
	refused sill start one
	grep -q 'one runs already' "$work/said"
	refused sill rename one other
	grep -q 'stop it first' "$work/said"
	refused sill delete --yes one
	grep -q 'stop it first' "$work/said"
	state_is one running
}

several_terminals_see_the_same_console_from_before_they_came()
{
	local socket
	socket=$(info one .console)
	socat -u -T2 "UNIX-CONNECT:$socket" - >"$work/a" &
	socat -u -T2 "UNIX-CONNECT:$socket" - >"$work/b" &
	keys one r
	wait
	grep -q 'tiny guest' "$work/a" && grep -q 'found' "$work/a"
	grep -q 'tiny guest' "$work/b" && grep -q 'found' "$work/b"
}

what_a_guest_writes_is_there_after_the_power_button_and_a_new_start()
{
	keys one wA
	says one written
	sill stop one
	state_is one stopped
	[ "$(info one .last.reason)" = "it was shut down" ]
	sill start one
	keys one r
	says one "found A"
	[ "$(dd if="$work/guest.img" bs=1 skip=512 count=1 status=none | od -An -tx1)" = " 00" ]
}

a_guest_that_shuts_itself_down_ends_its_session()
{
	keys one q
	wait_for 20 state_is one stopped
	[ "$(info one .last.reason)" = "the guest shut down" ]
	[ "$(info one .last.clean)" = true ]
}

a_guest_that_restarts_itself_goes_on_in_the_same_session()
{
	local before
	: >"$SILL_STATE/machines/one/console.log"
	sill start one
	says one "tiny guest"
	before=$(info one .supervisor)
	: >"$SILL_STATE/machines/one/console.log"
	keys one t
	says one "tiny guest"
	[ "$(info one .supervisor)" = "$before" ]
	sill stop --force one
	[ "$(info one .last.reason)" = "its power was cut by sill stop --force" ]
}

# after_killing WHO WORDS: a session of which that process is killed ends as a whole, says why,
# loses nothing, and the machine starts again.
after_killing()
{
	local victim pids pid letter=$3
	: >"$SILL_STATE/machines/one/console.log"
	sill start one
	says one "tiny guest"
	keys one "w$letter"
	says one written
	pids=$(info one '.supervisor, .qemu, .disk_server')
	victim=$(info one ".$1")
	kill -KILL "$victim"
	for pid in $pids; do
		wait_for 30 gone "$pid" || fail "$pid of $pids is still there"
	done
	wait_for 10 state_is one failed
	info one .last.reason | has -F -e "$2"
	sill list | has -F -e "$2"
	sill start one
	: >"$SILL_STATE/machines/one/console.log"
	keys one r
	says one "found $letter"
	sill stop one
}

when_qemu_is_killed_the_others_end_and_nothing_written_is_lost()
{
	after_killing qemu "QEMU was killed by signal 9" B
}

when_the_disk_server_is_killed_the_others_end_and_it_starts_again()
{
	after_killing disk_server "the disk server was killed by signal 9" C
}

when_the_supervisor_is_killed_the_others_end_and_nothing_written_is_lost()
{
	after_killing supervisor "its supervisor was killed" D
}

a_supervisor_that_does_not_answer_is_ended_by_force()
{
	local pid
	sill start one
	pid=$(info one .supervisor)
	kill -STOP "$pid"
	sill stop --force one
	wait_for 10 gone "$pid"
	state_is one failed
}

of_many_starts_at_once_exactly_one_succeeds()
{
	local i started=0
	for i in 1 2 3 4; do
		(sill start one >/dev/null 2>"$work/start.$i" && echo yes >"$work/started.$i") &
	done
	wait
	for i in 1 2 3 4; do
		if [ -e "$work/started.$i" ]; then
			started=$((started + 1))
		else
			grep -qE 'one runs already' "$work/start.$i"
		fi
	done
	[ $started = 1 ]
	sill stop --force one
}

a_guest_that_ignores_the_power_button_is_an_error_and_runs_on()
{
	guest "$work/stubborn.img" -DSTUBBORN
	sill create --name mule --accel tcg --memory 64M "$work/stubborn.img"
	sill start mule
	says mule "tiny guest"
	refused sill stop --timeout 1 mule
	grep -q 'did not shut down within 1 s; sill stop --force mule cuts its power' "$work/said"
	state_is mule stopping
	sill stop --force mule
	sill delete --yes mule
}

a_renamed_machine_keeps_what_was_written_in_it()
{
	sill rename one two
	[ "$(sill list --names)" = two ]
	sill start two
	: >"$SILL_STATE/machines/two/console.log"
	keys two r
	says two "found D"
	sill stop two
	refused sill rename two two
	sill rename two one
}

an_ephemeral_session_leaves_the_machine_as_it_was()
{
	sill start --ephemeral one
	: >"$SILL_STATE/machines/one/console.log"
	keys one wZ
	says one written
	keys one r
	says one "found Z"
	sill stop one
	[ ! -e "$SILL_STATE/machines/one/disk0/ephemeral" ]
	sill start one
	: >"$SILL_STATE/machines/one/console.log"
	keys one r
	says one "found D"
	sill stop one
}

a_session_in_the_foreground_shows_the_console_and_ends_with_a_signal()
{
	local pid
	sill start --foreground one >"$work/shown" 2>"$work/said" </dev/null &
	pid=$!
	wait_for 30 grep -q 'tiny guest' "$work/shown"
	kill -TERM $pid
	wait $pid
	grep -q 'it was shut down' "$work/said"
	state_is one stopped
}

kvm_is_used_only_where_the_probe_has_run_a_guest()
{
	if sill start --accel kvm one 2>"$work/said"; then
		[ "$(info one .accel)" = kvm ]
	else
		grep -qE '/dev/kvm' "$work/said"
		sill start --accel auto one 2>"$work/said"
		[ "$(info one .accel)" = tcg ]
		[ "$(grep -c emulated "$work/said")" = 1 ]
	fi
	sill stop --force one
}

# The probe's own guest must be right, or it would find KVM wanting everywhere: it is run here by
# emulation, which is known to run 64-bit systems, and has to report its nine steps and the end.
the_guest_of_the_kvm_probe_runs_to_its_end_on_a_processor_that_works()
{
	local object
	object=$(find "$SILL_BUILD/machine" -name 'kvm-probe-guest.S.o' | head -n 1)
	objcopy -O binary -j .rodata "$object" "$work/probe.bin"
	# Boot sector: read 8 sectors to 0x8000 by int 13h, mask the PICs, whose timer is not what the
	# guest waits for, and jump there.
	{
		printf '\x31\xc0\x8e\xd8\x8e\xc0\xb8\x08\x02\xbb\x00\x80\xb9\x02\x00'
		printf '\xb6\x00\xb2\x80\xcd\x13\xb0\xff\xe6\x21\xe6\xa1\xea\x00\x80\x00\x00'
	} >"$work/probe.img"
	truncate -s 510 "$work/probe.img"
	printf '\x55\xaa' >>"$work/probe.img"
	cat "$work/probe.bin" >>"$work/probe.img"
	truncate -s 1M "$work/probe.img"
	background "$work/qemu.log" qemu-system-x86_64 -accel tcg -cpu max -m 64 -nodefaults \
		-display none -drive "file=$work/probe.img,format=raw" \
		-device isa-debugcon,iobase=0x5a,chardev=steps \
		-chardev "file,id=steps,path=$work/steps"
	wait_for 30 steps_are 010203040506070809ff || fail "it stopped after $(steps)"
	kill "$background_pid"
}

steps()
{
	od -An -v -tx1 "$work/steps" | tr -d ' \n'
}

steps_are()
{
	[ "$(steps)" = "$1" ]
}

a_machine_waits_while_its_source_is_gone_and_goes_on_when_it_is_back()
{
	local manifest
	mkdir -p "$work/root"
	cp --sparse=always "$work/guest.img" "$work/root/guest.img"
	web far "$work/root"
	sill create --name far --accel tcg --memory 64M "$(cat "$work/far.url")/guest.img"
	# One second, in place of a minute, until a read that no source serves fails.
	manifest=$SILL_STATE/machines/far/machine.json
	jq '.disk.deadline_ms = 1000 | .disk.readahead = false' "$manifest" >"$work/manifest"
	cp "$work/manifest" "$manifest"
	sill start far
	says far "tiny guest"
	web_stop far
	keys far f
	wait_for 30 state_is far paused
	info far .message | has -e waiting
	sill list | has -e waiting
	web far "$work/root"
	says far "found F"
	wait_for 10 state_is far running
	sill stop far
	sill delete --yes far
}

a_making_killed_at_any_moment_leaves_a_whole_machine_or_none()
{
	local delay
	for delay in 0.001 0.003 0.006 0.009 0.012 0.015 0.02 0.03 0.05; do
		timeout -s KILL $delay sill create --name brief "$work/guest.img" >/dev/null || :
		sill list >/dev/null
		if sill info brief >/dev/null 2>&1; then
			sill start --accel tcg brief
			sill stop --force brief
			sill delete --yes brief
		fi
	done
	sill create --name brief "$work/guest.img"
	sill delete --yes brief
	[ -z "$(find "$SILL_STATE/machines" -mindepth 1 -maxdepth 1 ! -name one)" ]
}

a_deleting_killed_at_any_moment_leaves_a_whole_machine_or_none()
{
	local delay
	for delay in 0.001 0.002 0.003 0.005 0.008 0.012 0.02; do
		sill info brief >/dev/null 2>&1 || sill create --name brief "$work/guest.img"
		timeout -s KILL $delay sill delete --yes brief >/dev/null || :
		sill list >/dev/null
	done
	sill info brief >/dev/null 2>&1 || sill create --name brief "$work/guest.img"
	sill start --accel tcg brief
	sill stop --force brief
	sill delete --yes brief
	[ -z "$(find "$SILL_STATE/machines" -mindepth 1 -maxdepth 1 ! -name one)" ]
}

a_machine_whose_manifest_is_broken_is_listed_as_such_and_can_be_deleted()
{
	machine sick
	echo '{' >"$SILL_STATE/machines/sick/machine.json"
	sill list | has -E -e '^sick +broken: sick: machine.json: line '
	refused sill start sick
	grep -q 'machine.json' "$work/said"
	sill delete --yes sick
}

a_port_that_is_taken_is_said_to_be_and_the_machine_starts_without_it_later()
{
	local port
	web taken "$work/root"
	port=$(cat "$work/taken.port")
	machine busy --port "$port:80"
	refused sill start busy
	grep -q "$port" "$work/said"
	state_is busy failed
	web_stop taken
	sill start busy
	sill stop --force busy
	sill delete --yes busy
}

# shows WAY PLACE: the firmware's greeting is on the machine's screen.
shows()
{
	local width height lit
	read -r width height lit < <("$SILL_BUILD/tests/integration/screen-look" "$@")
	# A window may be scaled.
	[ "$width" -ge 640 ] && [ "$height" -ge 400 ] && [ "$lit" -gt 500 ]
}

a_screen_is_seen_by_vnc()
{
	machine seen --display vnc
	sill start seen
	wait_for 30 shows vnc "$(info seen .vnc)"
	sill stop --force seen
	sill delete --yes seen
}

a_screen_is_a_window_of_an_x_server()
{
	mkdir "$work/screen"
	# The descriptor on which the server says its number is open for it alone.
	background "$work/xvfb.log" \
		sh -c 'exec Xvfb -displayfd 3 -screen 0 1024x768x24 -wr -nolisten tcp \
		-fbdir "$0/screen" 3>"$0/display"' "$work"
	wait_for 30 test -s "$work/display" || fail "$(cat "$work/xvfb.log")"
	machine window --display gtk
	DISPLAY=:$(cat "$work/display") sill start window
	wait_for 30 shows xwd "$work/screen/Xvfb_screen0"
	sill stop --force window
	! shows xwd "$work/screen/Xvfb_screen0"
	kill "$background_pid"
}

a_window_without_an_x_server_is_refused_with_the_words_of_qemu()
{
	refused env -u WAYLAND_DISPLAY DISPLAY=:987 sill start window
	grep -q 'gtk initialization failed' "$work/said"
	sill delete --yes window
}

# One that leaves when it is told to go on is seen by its monitor's end before its own.
when_qemu_ends_at_the_start_its_own_words_are_the_reason()
{
	local words='Could not go on: this is a test'
	mkdir -p "$work/stand-in"
	cat >"$work/stand-in/qemu-system-x86_64" <<-END
		#!/bin/bash
		[[ \$* =~ socket,id=monitor,fd=([0-9]+) ]]
		monitor=\${BASH_REMATCH[1]}
		echo '{"QMP": {"version": {}}}' >&"\$monitor"
		while read -r line <&"\$monitor" && [[ \$line != *cont* ]]; do
			[[ \$line =~ \"id\":\ ?([0-9]+) ]]
			echo "{\"return\": {}, \"id\": \${BASH_REMATCH[1]}}" >&"\$monitor"
		done
		echo '$words' >&2
		exec {monitor}>&-
		exit 3
	END
	chmod +x "$work/stand-in/qemu-system-x86_64"
	PATH=$work/stand-in:$PATH refused sill run --name stand-in --accel tcg "$work/guest.img"
	grep -q "QEMU ended with status 3: $words" "$work/said" || fail "$(cat "$work/said")"
}

a_run_that_cannot_start_leaves_no_machine()
{
	refused env -u WAYLAND_DISPLAY DISPLAY=:987 sill run --name never --accel tcg --memory 64M \
		--display gtk "$work/guest.img"
	grep -q 'gtk initialization failed' "$work/said"
	! sill list --names | has -x never
	[ -z "$(ls -A "$SILL_STATE/machines" | grep never)" ]
	# One that was there before stays as it was.
	machine kept
	refused sill run --name kept "$work/guest.img"
	grep -q "there is a machine 'kept' already" "$work/said"
	state_is kept stopped
	sill delete --yes kept
}

# It is cut, and whole again: for a moment in between there is nothing in it.
log_is_short()
{
	[ "$(stat -c %s "$1")" -le 1048576 ] && grep -q 'older lines were cut away' "$1"
}

# What is appended while it is cut may be lost.
log_ends_with()
{
	echo "$2" >>"$1"
	[ "$(tail -n 1 "$1")" = "$2" ]
}

a_log_that_grows_without_end_loses_its_oldest_lines()
{
	local log=$SILL_STATE/machines/chatty/disk.log
	machine chatty
	sill start chatty
	says chatty "tiny guest"
	seq 1 400000 >>"$log"
	wait_for 30 log_is_short "$log"
	! grep -qx 1 "$log"
	# Its writer goes on behind what is left.
	wait_for 30 log_ends_with "$log" 'the last line'
	state_is chatty running
	sill stop --force chatty
	sill delete --yes chatty
}

a_deleted_machine_leaves_nothing_but_its_image_near()
{
	sill delete --yes one
	[ "$(sill list --json)" = "[]" ]
	[ -z "$(ls -A "$SILL_STATE/machines")" ]
	[ -n "$(ls -A "$SILL_STATE/images")" ]
}

guest "$work/guest.img"
run_tests \
	a_machine_starts_in_the_background_and_prints_on_its_console \
	a_machine_that_runs_is_not_started_again_nor_renamed_nor_deleted \
	several_terminals_see_the_same_console_from_before_they_came \
	what_a_guest_writes_is_there_after_the_power_button_and_a_new_start \
	a_guest_that_shuts_itself_down_ends_its_session \
	a_guest_that_restarts_itself_goes_on_in_the_same_session \
	when_qemu_is_killed_the_others_end_and_nothing_written_is_lost \
	when_the_disk_server_is_killed_the_others_end_and_it_starts_again \
	when_the_supervisor_is_killed_the_others_end_and_nothing_written_is_lost \
	a_supervisor_that_does_not_answer_is_ended_by_force \
	of_many_starts_at_once_exactly_one_succeeds \
	a_guest_that_ignores_the_power_button_is_an_error_and_runs_on \
	a_renamed_machine_keeps_what_was_written_in_it \
	an_ephemeral_session_leaves_the_machine_as_it_was \
	a_session_in_the_foreground_shows_the_console_and_ends_with_a_signal \
	kvm_is_used_only_where_the_probe_has_run_a_guest \
	the_guest_of_the_kvm_probe_runs_to_its_end_on_a_processor_that_works \
	a_machine_waits_while_its_source_is_gone_and_goes_on_when_it_is_back \
	a_making_killed_at_any_moment_leaves_a_whole_machine_or_none \
	a_deleting_killed_at_any_moment_leaves_a_whole_machine_or_none \
	a_machine_whose_manifest_is_broken_is_listed_as_such_and_can_be_deleted \
	a_port_that_is_taken_is_said_to_be_and_the_machine_starts_without_it_later \
	a_screen_is_seen_by_vnc a_screen_is_a_window_of_an_x_server \
	a_window_without_an_x_server_is_refused_with_the_words_of_qemu \
	when_qemu_ends_at_the_start_its_own_words_are_the_reason \
	a_run_that_cannot_start_leaves_no_machine \
	a_log_that_grows_without_end_loses_its_oldest_lines \
	a_deleted_machine_leaves_nothing_but_its_image_near
