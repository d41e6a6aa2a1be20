#!/usr/bin/env bash
# The command line: what is written wrongly costs one sentence and exit status 2, what fails one
# sentence and 1; help, manual and completion agree with the table that parses.
. "$SILL_SOURCE/tests/integration/lib.sh"
need jq socat

docs=$SILL_BUILD/docs

# complains STATUS COMMAND…: with that exit status, one line on standard error, nothing elsewhere.
complains()
{
	local want=$1 status=0
	shift
	"$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	[ $status = "$want" ] || fail "$*: status $status, not $want: $(cat "$work/err")"
	[ ! -s "$work/out" ] || fail "$*: printed $(cat "$work/out")"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "$*: said $(cat "$work/err")"
	grep -q '^sill: ' "$work/err" || fail "$*: said $(cat "$work/err")"
}

# has [OPTION…] PATTERN: grep of a pipe that reads it to its end, so that nobody who writes is cut
# off.
has()
{
	grep "$@" >/dev/null
}

# The verbs as help lists them.
verbs()
{
	sill --help | sed -n 's/^  \([a-z]\+\( [a-z]\+\)\?\) .*/\1/p'
}

# Each option of a verb as its help lists it.
options()
{
	sill $1 --help | sed -n '/^Options:/,/^Examples:/p' |
		sed -n 's/^  \(-., \)\?--\([a-z-]*\).*/\2/p'
}

what_is_written_wrongly_costs_one_sentence_and_status_2()
{
	local words n=0
	while IFS= read -r words; do
		n=$((n + 1))
		eval "complains 2 sill $words"
	done <<-'END'
		nonsense
		--nonsense
		rnu x
		""
		run
		run ""
		run a b
		run a --nope
		run a --cpus
		run a --cpus 0
		run a --cpus=256
		run a --cpus two
		run a --cpus=1 --cpus=2
		run a --memory 1
		run a --memory 2X
		run a --memory 20000001
		run a -m 100T
		run a --name Debian
		run a --name ..
		run a --name ''
		run a --name $(printf 'x%.0s' {1..64})
		run a --firmware efi
		run a --display sdl
		run a --accel hax
		run a --port 22
		run a --port 0:22
		run a --port 1.2.3:22:22
		run a --fill=fast
		run a --format zip
		run a --ephemeral=yes
		run a -d --wait
		run a --foreground --detach
		run a --wait=0
		run . --source ,priority=1
		run . --source b,priority=x
		run . --source b,digest=md5:1
		run a --deadline 0
		run a --stall=x
		run a --hedge 101
		run . --parent ,priority=1
		run . --parent b,priority=x
		create
		start
		start A
		start a b
		start a --wait=x
		stop
		stop --timeout 0 a
		stop --timeout
		restart
		info
		info a b
		info ../a
		list a
		list --jso
		list -j
		console
		delete
		rename a
		rename a B
		rename a b c
		search
		search ''
		search a b
		pull
		pull a --at-once 0
		run nothing --format raw
		push
		push a b c
		push a b.example/b@sha256:0000000000000000000000000000000000000000000000000000000000000000
		images a
		tag a
		rmi
		library nonsense
		library add a
		library remove
		library create
		library mirror a
		library mirror a b --at-once 0
		disk nonsense
		disk info
		disk check
		convert a
		--generate pdf
	END
	[ $n -gt 50 ]
	complains 2 sill run a --port 70000:22
	has "^sill: run: --port: '70000:22' is not" <"$work/err" || fail "$(cat "$work/err")"
	complains 2 sill run a --memory 1
	has "'1' is not from 16M to 16T" <"$work/err" || fail "$(cat "$work/err")"
}

a_name_that_is_not_utf8_can_be_looked_at_but_not_kept()
{
	local odd=$work/$'caf\xe9.raw'
	truncate -s 1M "$odd" "$work/plain.raw"
	sill disk info --json "$odd" | jq -e '.virtual_size == 1048576' >/dev/null
	complains 1 sill create "$odd"
	has 'caf?.raw: the name is not UTF-8' <"$work/err" || fail "$(cat "$work/err")"
	complains 1 sill disk serve "$work/plain.raw" --unix "$work/none" --layer "$work/"$'\xe9'
	has -e '--layer: .*: the name is not UTF-8' <"$work/err" || fail "$(cat "$work/err")"
	[ ! -e "$work/"$'\xe9' ]
	SILL_STATE=$work/$'\xe9' complains 1 sill list
	has 'the name is not UTF-8' <"$work/err" || fail "$(cat "$work/err")"
}

fresh_directories()
{
	ls -d "$SILL_STATE"/images/.new-* 2>/dev/null | wc -l
}

what_a_look_that_was_cut_short_has_left_is_removed_by_the_next()
{
	local silent="nbd+unix:///?socket=$work/silent" pid status=0
	background "$work/silent.log" socat -u "UNIX-LISTEN:$work/silent,fork" OPEN:/dev/null
	wait_for 10 test -S "$work/silent"
	truncate -s 1M "$work/next.raw"
	rm -rf "$SILL_STATE"
	sill disk fill --stall 600 --deadline 600 "$silent" &
	pid=$!
	wait_for 10 eval '[ "$(fresh_directories)" = 1 ]'
	# What somebody still looks at stays.
	sill disk fill "$work/next.raw" 2>/dev/null
	[ "$(fresh_directories)" = 1 ]
	# No source has to answer for the command to be ended.
	kill -TERM $pid
	wait_for 20 gone $pid || fail "it does not end"
	wait $pid || status=$?
	[ $status = 143 ] || fail "status $status"
	[ "$(fresh_directories)" = 1 ]
	sill disk fill "$work/next.raw" 2>"$work/err"
	[ "$(fresh_directories)" = 0 ]
	# Said once, on standard output.
	! has complete <"$work/err" || fail "$(cat "$work/err")"
	rm -rf "$SILL_STATE"
}

what_fails_costs_one_sentence_and_status_1()
{
	local words
	while IFS= read -r words; do
		eval "complains 1 sill $words"
	done <<-'END'
		run /nonexistent.vhd
		disk info /nonexistent.vhd
		disk check /nonexistent.vhd --source /nonexistent.raw
		convert /nonexistent.vhd /tmp/nothing.raw
		create /nonexistent.vhd --name x
		create / --name x
		create nosuch://x/y --name x
		create http://127.0.0.1:1/x.vhd --name x
		start nobody
		stop nobody
		restart nobody
		info nobody
		console nobody
		delete --yes nobody
		rename nobody somebody
		run nothing:1
		run Nothing
		run nothing --trust x
		pull nothing
		pull /nonexistent#nothing
		push nothing /nonexistent#nothing
		tag nothing else
		rmi nothing
		library add a nowhere
		library add local /tmp
		library add a /nonexistent
		library remove a
		library create /proc/a
		library mirror nothing a
		library mirror --all a b.example
		search a --library none
	END
	[ "$(sill list --json)" = "[]" ]
}

without_a_terminal_nothing_is_deleted_unless_yes_is_said()
{
	truncate -s 1M "$work/empty.img"
	sill create --name kept "$work/empty.img"
	complains 2 sill delete kept
	[ "$(sill list --names)" = kept ]
	complains 1 sill create --name kept "$work/empty.img"
	complains 1 sill console kept
	sill delete --yes kept
	[ -z "$(sill list --names)" ]
}

a_machine_without_a_name_is_called_after_its_image()
{
	truncate -s 1M "$work/My_Disk.raw"
	[ "$(sill create "$work/My_Disk.raw")" = my-disk ]
	[ "$(sill create "$work/My_Disk.raw")" = my-disk-2 ]
	sill delete -y my-disk my-disk-2
}

what_a_machine_was_made_with_is_what_info_says()
{
	(cd "$work" && sill create --name made --cpus 3 -m 512M --port 2222:22 -p 0.0.0.0:8080:80 \
		--firmware uefi --display vnc --ephemeral empty.img)
	[ "$(info made .cpus)" = 3 ]
	[ "$(info made .memory)" = 536870912 ]
	[ "$(info made '.ports | join(" ")')" = "127.0.0.1:2222:22 0.0.0.0:8080:80" ]
	[ "$(info made .firmware)" = uefi ]
	[ "$(info made .display)" = vnc ]
	[ "$(info made .ephemeral)" = true ]
	[ "$(info made .image)" = "$work/empty.img" ]
	[ "$(info made .state)" = stopped ]
	sill info made | has -e '^memory  *512 MiB'
	sill info made | has -e '^address  *10\.0\.2\.15, .*; reached by forwarded ports$'
	sill info made | has -e '^port  *0\.0\.0\.0:8080 leads to its port 80$'
	sill delete -y made
}

how_long_sources_are_waited_for_is_what_was_said()
{
	local json=$SILL_STATE/machines/patient/machine.json
	[ "$(sill create --name patient --deadline 7 --stall 2 --hedge 0 --no-readahead \
		--no-sweep "$work/empty.img")" = patient ]
	[ "$(jq -c '.disk | [.deadline_ms, .stall_ms, .hedge_percent, .readahead, .sweep]' \
		"$json")" = '[7000,2000,0,false,false]' ]
	complains 2 sill disk fill patient --deadline 5
	grep -q "'patient' is a machine" "$work/err"
	sill delete -y patient
	# A server that takes the connection and says nothing.
	local port=$((RANDOM % 20000 + 20000))
	background "$work/mute" socat -u "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" /dev/null
	wait_for 10 lib_web_settled "$background_pid" "$port"
	complains 1 sill disk info --stall 1 "http://127.0.0.1:$port/x.raw"
	grep -q 'no byte for 1 s' "$work/err" || fail "$(cat "$work/err")"
}

every_verb_has_help_that_names_its_options_and_an_example()
{
	local verb
	[ "$(verbs | wc -l)" -ge 10 ]
	while IFS= read -r verb; do
		sill $verb --help >"$work/help"
		grep -q "^sill $verb" "$work/help"
		grep -q '^Examples:' "$work/help"
		! grep -qE '.{101}' "$work/help" || fail "$verb: $(grep -E '.{101}' "$work/help")"
	done < <(verbs)
	sill --version | has -E -e '^sill [0-9]'
	sill disk --help | has -e info
}

the_manual_names_every_verb_and_option()
{
	local verb option
	[ -s "$docs/sill.1" ]
	while IFS= read -r verb; do
		grep -q "^.SS sill $verb" "$docs/sill.1" || fail "no section for $verb"
		for option in $(options "$verb"); do
			[ "$option" = help ] || sed 's/\\//g' "$docs/sill.1" | has -e "--$option" ||
				fail "$verb: no --$option"
		done
	done < <(verbs)
	! command -v mandoc >/dev/null || mandoc -Tlint -W error "$docs/sill.1"
}

# complete WORDS…: what bash offers for the last one.
complete_bash()
{
	bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sill
		printf "%s\n" "${COMPREPLY[@]}"' bash "$docs/sill" "$@"
}

bash_completes_verbs_options_choices_and_machines()
{
	local verb option
	while IFS= read -r verb; do
		complete_bash sill "${verb%% *}" | has -x -e "${verb%% *}"
		for option in $(options "$verb"); do
			complete_bash sill $verb -- | has -x -e "--$option" ||
				fail "$verb --$option"
		done
	done < <(verbs)
	complete_bash sill disk "" | has -x -e info
	[ "$(complete_bash sill run --accel k)" = kvm ]
	[ "$(complete_bash sill run --accel = t)" = tcg ]
	# readline makes three words of --cpus=4.
	: >"$work/an.img"
	[ "$(complete_bash sill run --cpus = 4 --ephemeral "$work/an")" = "$work/an.img" ]
	[ "$(complete_bash sill run --fill = 4M "$work/an")" = "$work/an.img" ]
	[ -z "$(complete_bash sill run --cpus = 4 a "$work/an")" ]
	sill create --name named "$work/empty.img"
	[ "$(complete_bash sill start na)" = named ]
	sill delete -y named
}

# fish_says LINE: what fish offers at its end.
fish_says()
{
	HOME=$work fish --no-config -c "source $docs/sill.fish; complete -C '$1'" | cut -f1
}

fish_completes_verbs_options_choices_and_machines()
{
	command -v fish >/dev/null || skip "fish is not installed"
	local verb option
	fish_says 'sill ' >"$work/fish"
	while IFS= read -r verb; do
		has -x -e "${verb%% *}" <"$work/fish"
		fish_says "sill $verb --" >"$work/fish.options"
		for option in $(options "$verb"); do
			has -x -e "--$option" <"$work/fish.options" || fail "$verb --$option"
		done
	done < <(verbs)
	fish_says 'sill disk ' | has -x -e info
	[ "$(fish_says 'sill run --accel k')" = kvm ]
	sill create --name named "$work/empty.img"
	fish_says 'sill start ' | has -x -e named
	sill delete -y named
}

# What completes in zsh is its line editor, which wants a terminal and a person: here both are made.
# Each line of standard input is typed, and Tab; what zsh would offer is kept, and the line thrown
# away.  After that zsh_says LINE tells what was offered at its end.
ask_zsh()
{
	export SILL_DOCS=$docs ZSH_SAID=$work/zsh
	cat >"$work/setup.zsh" <<-'END'
		fpath=($SILL_DOCS $fpath)
		autoload -U compinit
		compinit -u -d $ZSH_SAID.dump
		# Every completion ends in this; it also serves to filter, which offers nothing.
		compadd()
		{
			local -a hits
			if [[ " $* " != *\ -[OAD]\ * ]]; then
				builtin compadd -O hits "$@"
				print -rl -- $hits >>$ZSH_SAID
			fi
			builtin compadd "$@"
		}
		offer()
		{
			zle list-choices
			print -r -- "end of $BUFFER" >>$ZSH_SAID
			BUFFER=
		}
		zle -N offer
		bindkey '^I' offer
		LISTMAX=10000
		print ready >>$ZSH_SAID
	END
	: >"$ZSH_SAID"
	tee "$work/lines" | {
		printf '. %s\n' "$work/setup.zsh"
		wait_for 60 grep -qx ready "$ZSH_SAID"
		while IFS= read -r line; do
			printf '%s\t' "$line"
			wait_for 60 grep -qxF "end of $line" "$ZSH_SAID"
		done
	} | socat -t 1 - 'EXEC:zsh -f -i,pty,setsid,ctty,stderr' >"$work/zsh.screen" 2>&1
	[ "$(grep -c '^end of ' "$ZSH_SAID")" = "$(wc -l <"$work/lines")" ] ||
		fail "$(cat -v "$work/zsh.screen")"
}

zsh_says()
{
	tac "$work/zsh" | awk -v end="end of $1" \
		'$0 == end { on = 1; next } /^end of / { on = 0 } on'
}

zsh_completes_verbs_options_choices_and_machines()
{
	command -v zsh >/dev/null || skip "zsh is not installed"
	local verb option
	sill create --name named "$work/empty.img"
	{
		echo 'sill '
		verbs | sed 's/.*/sill & --/'
		printf '%s\n' 'sill disk ' 'sill run --accel=' 'sill run --accel k' 'sill start ' \
			'sill disk check emp'
	} >"$work/ask"
	(cd "$work" && ask_zsh <"$work/ask")
	while IFS= read -r verb; do
		zsh_says 'sill ' | has -x -e "${verb%% *}" || fail "$verb"
		for option in $(options "$verb"); do
			zsh_says "sill $verb --" | has -x -e "--$option" || fail "$verb --$option"
		done
	done < <(verbs)
	zsh_says 'sill disk ' | has -x -e info
	[ "$(zsh_says 'sill run --accel=' | sort | xargs)" = "auto kvm tcg" ]
	[ "$(zsh_says 'sill run --accel k')" = kvm ]
	[ "$(zsh_says 'sill start ')" = named ]
	zsh_says 'sill disk check emp' | has -x -e empty.img
	sill delete -y named
}

output_that_cannot_be_written_is_a_failure()
{
	local status=0
	sill --help >/dev/full 2>"$work/err" || status=$?
	[ $status = 1 ]
	grep -q 'standard output' "$work/err"
}

the_state_directory_can_be_anywhere_and_not_nowhere()
{
	SILL_STATE="$work/deep/er/state" sill list --names
	[ -d "$work/deep/er/state/machines" ]
	complains 1 env SILL_STATE=/proc/nowhere sill list
	complains 1 env SILL_STATE="/tmp/$(printf 'x%.0s' {1..300})" sill list
}

an_installation_in_a_staging_directory_is_complete()
{
	DESTDIR=$work/stage meson install -C "$SILL_BUILD" --no-rebuild --quiet >/dev/null
	local file
	for file in bin/sill man/man1/sill.1 bash-completion/completions/sill \
		zsh/site-functions/_sill fish/vendor_completions.d/sill.fish \
		nbdkit-sill-plugin.so; do
		find "$work/stage" -path "*/$file" | has -e . || fail "$file is not installed"
	done
	[ -z "$(find "$work/stage" -name '*.a' -o -name 'test-*')" ]
	"$(find "$work/stage" -path '*/bin/sill')" --version
}

run_tests \
	what_is_written_wrongly_costs_one_sentence_and_status_2 \
	a_name_that_is_not_utf8_can_be_looked_at_but_not_kept \
	what_a_look_that_was_cut_short_has_left_is_removed_by_the_next \
	what_fails_costs_one_sentence_and_status_1 \
	without_a_terminal_nothing_is_deleted_unless_yes_is_said \
	a_machine_without_a_name_is_called_after_its_image \
	what_a_machine_was_made_with_is_what_info_says \
	how_long_sources_are_waited_for_is_what_was_said \
	every_verb_has_help_that_names_its_options_and_an_example \
	the_manual_names_every_verb_and_option \
	bash_completes_verbs_options_choices_and_machines \
	fish_completes_verbs_options_choices_and_machines \
	zsh_completes_verbs_options_choices_and_machines \
	output_that_cannot_be_written_is_a_failure \
	the_state_directory_can_be_anywhere_and_not_nowhere \
	an_installation_in_a_staging_directory_is_complete
