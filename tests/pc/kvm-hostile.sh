#!/usr/bin/env bash
# Hostile VMMs, hostile guests, and VMMs that are killed, on a kernel that looks for what was freed and is used: kvm-hostile in a
# root session of two processors.  ALL=1 tries more, on both kernels; SEED=N begins with another seed, SEEDS=N tries so many.
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"

# What Debian's kernels can find: memory that is used after it was freed, lists that are none, sleeping where one must not, tasks
# that hang.
watchful="slub_debug=FZPU page_poison=1 preempt=full kfence.sample_interval=100 hung_task_panic=1"

# hostile_on KERNEL SEEDS.  When the emulator itself gives up, which QEMU's translator does over some instructions, other seeds come.
hostile_on()
{
	local seed=${SEED:-1} try
	module_root "$1"
	cp "$SILL_BUILD/tests/pc/kvm-hostile" "$work/$1/"
	for try in 1 2 3; do
		cat >"$work/$1/script" <<-SCRIPT
			insmod /sill.ko && echo "kvm: loaded"
			/kvm-hostile $((seed + 1000 * (try - 1))) ${SEEDS:-$2}
			rmmod sill && echo "kvm: unloaded"
		SCRIPT
		pc "hostile-$1" --kernel "$1" --cpus 2 --memory 768 --add "$work/$1" --line "pc.then=script $watchful" --quiet 300
		silent "hostile-$1" '^kvm: failed'
		silent "hostile-$1" 'WARNING:|BUG|Oops|stall|lockup|keeps [0-9]+ donations|^sill: panic'
		# QEMU's abort: what Sill or the root do wrong ends otherwise.
		[ "$pc_status" = 134 ] || break
		echo "the emulator gave up: $(grep -m1 -E 'fatal|assertion failed' "$work/hostile-$1.out")"
	done
	said "hostile-$1" '^kvm: ok any_ioctl_with_anything$'
	said "hostile-$1" '^kvm: ok a_guest_that_does_anything$'
	said "hostile-$1" '^kvm: ok a_vmm_is_killed_at_any_moment$'
	said "hostile-$1" '^kvm: unloaded$'
}

hostile_vmms_and_guests_on_debian_12s_kernel()
{
	hostile_on 6.1 "$([ -n "${ALL:-}" ] && echo 4 || echo 2)"
}

hostile_vmms_and_guests_on_debian_13s_kernel()
{
	hostile_on 6.12 4
}

run_tests hostile_vmms_and_guests_on_debian_12s_kernel ${ALL:+hostile_vmms_and_guests_on_debian_13s_kernel}
