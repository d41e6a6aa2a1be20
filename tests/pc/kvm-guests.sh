#!/usr/bin/env bash
# Guests that must run in Debian's QEMU on the module: firmware and boot loaders, a memory tester, other kernels; two at
# once, more than fits into the root's memory, and ends by kill -9.  FULL=1 runs one of them, and ALL=1 with it each on
# one and on two processors, as make conformance does.
. "$SILL_SOURCE/tests/integration/lib.sh"
. "$SILL_SOURCE/tests/pc/pc.sh"
. "$SILL_SOURCE/tests/pc/kvm-lib.sh"
need qemu-img

direct="-kernel /guest/vmlinuz -initrd /guest/initrd"
console="console=ttyS0 panic=-1 reboot=t"
nothing='^machines 0 donations 0 lent 0 donated 0$'

# The root session with all that its guests need; made once.
guests_root()
{
	local root=$work/6.1
	[ ! -e "$root/guests" ] || return 0
	module_root 6.1
	add_qemu "$root"
	mkdir -p "$root/usr/share/OVMF"
	cp /usr/share/OVMF/OVMF_{CODE,VARS}_4M.fd "$root/usr/share/OVMF/"
	cp -L /usr/lib/ipxe/qemu/pxe-e1000.rom "$root/usr/share/qemu/"
	"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" 6.12 || fail "no kernel of Debian 13"
	cp "$SILL_CACHE/pc/6.12/vmlinuz" "$root/guest/vmlinuz-13"
	"$SILL_SOURCE/tests/pc/memtest.sh" "$SILL_CACHE/pc" || fail "no memtest86+"
	cp "$SILL_CACHE/pc/memtest/memtest86+x64.bin" "$root/guest/"
	cp "$SILL_BUILD/tests/pc/sill-counts" "$root/"
	cp "$SILL_SOURCE/tests/pc/root-guests" "$root/guests"
}

# on_root NAME OPTION…: what the standard input says is done in the root session, with the functions of root-guests, and
# leaves nothing behind.
on_root()
{
	local name=$1
	shift
	guests_root
	{
		printf 'set -e\ninsmod /sill.ko\n. /guests\n'
		cat
		printf '/sill-counts\nrmmod sill\necho "guests: end"\n'
	} >"$work/6.1/script"
	pc "$name" --kernel 6.1 --add "$work/6.1" --line pc.then=script --quiet 240 "$@"
	said "$name" "$nothing"
	said "$name" '^guests: end$'
	silent "$name" '^\[.*(WARNING:|BUG:|Oops|keeps [0-9]+ donations)'
}

# sample_machine FIRMWARE CPUS: from its firmware to its shell.  What it starts is given up after a time on its own
# clock, which therefore counts instructions: a busy computer makes none of them late.
sample_machine()
{
	local flash=
	[ -s "$machines/debian-12/disk.raw" ] || skip "the sample machine has not been built"
	[ "$1" = bios ] || flash="-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \\
		-drive if=pflash,format=raw,file=/usr/share/OVMF/OVMF_VARS_4M.fd"
	qemu-img create -q -f qcow2 -F raw -b "$machines/debian-12/disk.raw" "$work/$1-$2.qcow2"
	on_root "$1-$2" --icount --memory 1152 --disk "virtio:$work/$1-$2.qcow2" <<-SCRIPT
		start debian -M q35 -m 384 -smp $2 $flash -drive file=/dev/vda,format=raw,if=virtio,cache=unsafe
		says debian 'Booting .Debian 12'
		says debian 'root@sill:~#'
		hears debian 'echo cpus \$(nproc); ls -1d /sys/firmware/*; poweroff -f\n'
		says debian '^cpus $2'
		says debian '^ended 0'
	SCRIPT
	case $1 in
	bios) silent "$1-$2" '^debian: .*/sys/firmware/efi' ;;
	uefi) said "$1-$2" '^debian: .*/sys/firmware/efi' ;;
	esac
}

the_sample_machine_logs_in_under_seabios_on_1() { sample_machine bios 1; }
the_sample_machine_logs_in_under_seabios_on_2() { sample_machine bios 2; }
the_sample_machine_logs_in_under_ovmf_on_1() { sample_machine uefi 1; }
the_sample_machine_logs_in_under_ovmf_on_2() { sample_machine uefi 2; }

# kernel_reaches_init NAME KERNEL RELEASE MACHINE CPUS
kernel_reaches_init()
{
	on_root "$1" --memory 1152 <<-SCRIPT
		start linux -M $4 -m 256 -smp $5 -kernel /guest/$2 -initrd /guest/initrd -append "$console"
		says linux '^guest: init cpus $5 kernel $3'
		says linux '^ended 0'
	SCRIPT
}

debian_12s_cloud_kernel_reaches_init_on_1() { kernel_reaches_init cloud-1 vmlinuz 6.1 q35 1; }
debian_12s_cloud_kernel_reaches_init_on_2() { kernel_reaches_init cloud-2 vmlinuz 6.1 q35 2; }
debian_13s_kernel_reaches_init_on_1() { kernel_reaches_init trixie-1 vmlinuz-13 6.12 q35 1; }
debian_13s_kernel_reaches_init_on_2() { kernel_reaches_init trixie-2 vmlinuz-13 6.12 q35 2; }
a_microvm_reaches_init_on_1() { kernel_reaches_init microvm-1 vmlinuz 6.1 microvm,rtc=on 1; }
a_microvm_reaches_init_on_2() { kernel_reaches_init microvm-2 vmlinuz 6.1 microvm,rtc=on 2; }

# memtest CPUS: its picture of a screen, on the serial port, which has no lines that a watcher could see.
memtest()
{
	on_root "memtest-$1" --memory 768 --quiet 2400 <<-SCRIPT
		start memtest -M pc -m 64 -smp $1 -kernel /guest/memtest86+x64.bin -append "console=ttyS0,115200"
		says memtest 'Pass: +1 +Errors: 0 '
		end memtest
	SCRIPT
	silent "memtest-$1" 'Errors: +[1-9]'
}

memtest86_passes_64_mib_on_1() { memtest 1; }
memtest86_passes_64_mib_on_2() { memtest 2; }

ipxe()
{
	on_root "ipxe-$1" --memory 768 <<-SCRIPT
		start ipxe -M pc,graphics=off -m 64 -smp $1 -netdev user,id=net \\
			-device e1000,netdev=net,bootindex=0,romfile=/usr/share/qemu/pxe-e1000.rom
		says ipxe 'Press Ctrl-B'
		hears ipxe '\\002'
		says ipxe 'iPXE> '
		hears ipxe 'dhcp\\r'
		says ipxe 'Configuring .* ok'
		end ipxe
	SCRIPT
}

ipxe_has_its_prompt_and_its_network_on_1() { ipxe 1; }
ipxe_has_its_prompt_and_its_network_on_2() { ipxe 2; }

# They are there, and use their memory, at the same time.
two_guests_run_at_once()
{
	on_root two --memory 1152 <<-SCRIPT
		start one -M q35 -m 256 -smp 2 $direct -append "$console guest.memory=64 guest.waits"
		start other -M microvm,rtc=on -m 256 $direct -append "$console guest.memory=64 guest.waits"
		for guest in one other; do
			says \$guest '^guest: memory is right'
			says \$guest '^guest: waits'
		done
		/sill-counts
		hears one 'the first\\n'
		hears other 'the second\\n'
		says one '^guest: heard the first'
		says other '^guest: heard the second'
		says one '^ended 0'
		says other '^ended 0'
	SCRIPT
	said two '^machines 2 '
}

# The root has less memory than the guest is using, and swaps.
a_guest_that_does_not_fit_into_the_root_keeps_its_memory()
{
	truncate -s 1G "$work/swap"
	on_root pressure --memory 512 --disk "virtio:$work/swap" <<-SCRIPT
		mkswap /dev/vda
		swapon /dev/vda
		start guest -M q35 -m 448 $direct -append "$console guest.memory=352"
		says guest '^guest: memory is right'
		echo "swapped \$(sed -n 's/^pswpin //p; s/^pswpout //p' /proc/vmstat | tr '\\n' ' ')"
		says guest '^ended 0'
	SCRIPT
	# A page of the guest's went out, and came back, at least ten thousand times.
	said pressure '^swapped [0-9]{5,} [0-9]{5,}'
}

# At any moment, from the start of the program to a guest that has its memory in use.
kills_leave_nothing_behind()
{
	local turns=${ALL:+4}
	on_root kills --memory 1152 <<-SCRIPT
		killed=0
		for turn in \$(seq ${turns:-1}); do
			for moment in '' 'Linux version' 'smpboot: CPU0' 'Freeing unused' 'guest: init' 'guest: round 2'; do
				guest=k\$killed
				start \$guest -M q35,kernel-irqchip=\$([ \$((killed % 2)) = 0 ] && echo on || echo split) \\
					-m 256 -smp 2 $direct -append "$console guest.memory=64 guest.waits"
				[ -z "\$moment" ] || says \$guest "\$moment"
				end \$guest
				killed=\$((killed + 1))
			done
		done
		echo "killed \$killed"
	SCRIPT
	said kills "^killed $((6 * ${turns:-1}))$"
}

tests=()
[ -z "${FULL:-}" ] || tests+=(debian_13s_kernel_reaches_init_on_2)
[ -z "${ALL:-}" ] || tests+=(the_sample_machine_logs_in_under_ovmf_on_2 two_guests_run_at_once
	a_guest_that_does_not_fit_into_the_root_keeps_its_memory kills_leave_nothing_behind
	the_sample_machine_logs_in_under_ovmf_on_1 the_sample_machine_logs_in_under_seabios_on_1
	the_sample_machine_logs_in_under_seabios_on_2 debian_12s_cloud_kernel_reaches_init_on_1
	debian_12s_cloud_kernel_reaches_init_on_2 debian_13s_kernel_reaches_init_on_1 a_microvm_reaches_init_on_1
	a_microvm_reaches_init_on_2 ipxe_has_its_prompt_and_its_network_on_1
	ipxe_has_its_prompt_and_its_network_on_2 memtest86_passes_64_mib_on_1 memtest86_passes_64_mib_on_2)
# For a person: only these.
[ -z "${ONLY:-}" ] || read -ra tests <<<"$ONLY"
[ ${#tests[@]} -gt 0 ] || skip_all "guests take minutes each: with FULL=1 only"
run_tests "${tests[@]}"
