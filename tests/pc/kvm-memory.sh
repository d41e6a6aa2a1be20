#!/usr/bin/env bash
# Guest memory on the hypervisor is the VMM's own, whatever the root's Linux does with it: kvm-memory in a root session of two
# processors with swap space.  ALL=1 adds Debian 13's kernel.
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"

# memory_on KERNEL: all tests of the program, on a kernel that looks for what was freed and is used.
memory_on()
{
	module_root "$1"
	cp "$SILL_BUILD/tests/pc/kvm-memory" "$work/$1/"
	truncate -s 256M "$work/swap"
	cat >"$work/$1/script" <<-'SCRIPT'
		mkswap /dev/vda >/dev/null && swapon /dev/vda && echo "kvm: swap"
		insmod /sill.ko && echo "kvm: loaded"
		/kvm-memory
		rmmod sill && echo "kvm: unloaded"
	SCRIPT
	pc "memory-$1" --kernel "$1" --cpus 2 --memory 768 --disk "virtio:$work/swap" --add "$work/$1" \
		--line "pc.then=script slub_debug=FZP page_poison=1 preempt=full" --quiet 120
	said "memory-$1" '^kvm: swap$'
	said "memory-$1" '^kvm: ok memory_swaps_out_and_comes_back$'
	said "memory-$1" '^kvm: end$'
	said "memory-$1" '^kvm: unloaded$'
	silent "memory-$1" '^kvm: failed'
	silent "memory-$1" 'WARNING:|BUG|blocked for more|soft lockup|keeps [0-9]+ donations'
}

memory_follows_debian_12s_kernel()
{
	memory_on 6.1
}

memory_follows_debian_13s_kernel()
{
	memory_on 6.12
}

run_tests memory_follows_debian_12s_kernel ${ALL:+memory_follows_debian_13s_kernel}
