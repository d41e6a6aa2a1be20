#!/usr/bin/env bash
# The kernel's own tests of /dev/kvm, once on its own KVM and once on Sill, on the same root session in the same emulated PC.  What comes of
# each is compared with the table in docs/kvm-api.md, and written to kvm-selftests.txt in the build directory.
#
# Arguments are the names of tests: then only these run.  SECONDS_EACH=300 is when a test counts as stuck.
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"
table=$SILL_SOURCE/docs/kvm-api.md
selected=("$@")

# Smaller than they are by themselves, where an emulated processor would be busy for minutes.
arguments()
{
	case $1 in
	demand_paging_test | kvm_page_table_test) echo -b 64M ;;
	dirty_log_perf_test) echo -b 64M -i 2 ;;
	dirty_log_test) echo -i 4 ;;
	max_guest_memory_test) echo -c 2 -m 2 -s 1 ;;
	memslot_modification_stress_test) echo -b 64M -i 100 ;;
	esac
}

# Rows of the table: NAME STOCK SILL.
expected()
{
	sed -n '/^<!-- selftests: begin -->/,/^<!-- selftests: end -->/p' "$table" |
		sed -n 's/^| `\([a-z0-9_]*\)` | \([a-z ]*\) | \([a-z ]*\) |.*/\1 \2 \3/p' | sed 's/not run/not-run/g'
}

# The tests that run: those of the table but the ones that take too long.
names()
{
	if [ ${#selected[@]} -gt 0 ]; then
		printf '%s\n' "${selected[@]}"
	else
		expected | awk '$2 != "not-run" { print $1 }'
	fi
}

# run_on KIND OPTION…: NAME and WORD of every test in $work/KIND.
run_on()
{
	local kind=$1 root=$work/root-$1 name
	shift
	mkdir -p "$root/selftests"
	"$SILL_SOURCE/tests/pc/selftests.sh" "$SILL_CACHE/pc" || fail "the tests are not here"
	{
		# Their shared memory, and a counter that they take for a clock.
		echo 'dmesg -n 4; mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; ulimit -c 0'
		echo 'for module in /drivers/*; do insmod $module || echo "selftests: no KVM"; done; cd /selftests'
		for name in $(names); do
			cp "$SILL_CACHE/pc/selftests/$name" "$root/selftests/" || fail "there is no test $name"
			echo "timeout -s KILL ${SECONDS_EACH:-300} ./$name $(arguments "$name") >/log 2>&1; status=\$?"
			echo "[ \$status = 0 ] || [ \$status = 4 ] || tail -n 12 /log"
			echo "echo selftests: $name \$status"
		done
		echo 'echo selftests: end'
	} >"$root/script"
	pc "$kind" --kernel 6.1 --cpus 2 --memory 2048 --add "$root" --line "pc.then=script tsc=reliable" --quiet 400 "$@"
	said "$kind" '^selftests: end$'
	silent "$kind" '^selftests: no KVM'
	# A test that finds nothing to do ends with 4.
	sed -n 's/^selftests: \([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' "$work/$kind.serial" |
		awk '{ print $1, $2 == 0 ? "passes" : $2 == 4 ? "skips" : "fails" }' | sort >"$work/$kind"
}

the_kernels_own_kvm_is_measured()
{
	"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" 6.1 || fail "the kernel 6.1 is not here"
	"$SILL_SOURCE/tests/pc/stock-kvm.sh" "$SILL_CACHE/pc" || fail "the kernel's KVM is not here"
	mkdir -p "$work/root-stock/drivers"
	cp "$SILL_CACHE/pc/stock-kvm"/*.ko "$work/root-stock/drivers/"
	run_on stock --bare
}

sill_passes_what_the_table_says()
{
	local name stock sill now wrong=0
	module_root 6.1
	mkdir -p "$work/root-sill/drivers"
	cp "$work/6.1/sill.ko" "$work/root-sill/drivers/"
	run_on sill
	join "$work/stock" "$work/sill" >"$SILL_BUILD/kvm-selftests.txt"
	awk '$2 == "passes" { all++ } $2 == "passes" && $3 == "passes" { both++ }
		END { print "of " all + 0 " tests that pass on the kernel'\''s own KVM " both + 0 " pass on Sill" }' \
		"$SILL_BUILD/kvm-selftests.txt"
	while read -r name stock sill; do
		now=$(sed -n "s/^$name //p" "$work/sill")
		case $stock:$now:$sill in
		# What the kernel's own KVM does not pass here says nothing; but it is a row of the table all the same.
		not-run:* | *::* | fails:* | skips:*) ;;
		passes:passes:passes | passes:skips:skips | passes:fails:fails) ;;
		*)
			echo "$name $now on Sill, and $table says: $sill"
			wrong=1
			;;
		esac
	done < <(expected)
	[ $wrong = 0 ]
	silent sill 'WARNING:|BUG:'
}

the_table_has_every_test()
{
	find "$SILL_CACHE/pc/selftests" -type f ! -name recipe -printf "%f\n" | sort >"$work/there"
	expected | awk '{ print $1 }' | sort >"$work/named"
	diff "$work/named" "$work/there"
}

run_tests the_kernels_own_kvm_is_measured the_table_has_every_test sill_passes_what_the_table_says
