#!/usr/bin/env bash
# What cannot work gets a sentence, on the serial port and on the screen, and no reset.
. "$SILL_SOURCE/tests/integration/lib.sh"
need qemu-system-x86_64 grub-mkrescue xorriso cpio socat jq
. "$SILL_SOURCE/tests/pc/pc.sh"
[ -z "${BARE:-}" ] || skip_all "without the hypervisor there is nobody to refuse"
"$SILL_SOURCE/tests/pc/kernels.sh" "$SILL_CACHE/pc" 6.1 || exit 1
kernel=$SILL_CACHE/pc/6.1/vmlinuz

# changed OFFSET BYTE: a copy of the kernel with another byte there.
changed()
{
	cp "$kernel" "$work/changed"
	printf '%b' "$2" | dd of="$work/changed" bs=1 seek=$(($1)) conv=notrunc status=none
	[ "$(cmp -l "$kernel" "$work/changed" | wc -l)" = 1 ]
}

# refused REGEX OPTION…: a PC that was started so stops, and says that on serial port and screen.
refused()
{
	local regex=$1
	shift
	pc_start no "$@" -- $(pc_monitor no)
	wait_for "$patience" pc_said no 'stopped: turn the PC off' || gone "$pc_pid" ||
		fail "it goes on"
	monitor no "pmemsave 0xb8000 4000 \"$work/no.text\""
	monitor no quit
	pc_wait no
	said no "^sill: .*$regex"
	silent no '^pc:'
	silent no 'Linux version'
	# Behind each character its colours, the same everywhere; lines follow each other without an
	# end.
	tr -d "\007" <"$work/no.text" | grep -qaE "$regex" || {
		tr -d "\007" <"$work/no.text" | fold -w 80
		fail "it is not on the screen"
	}
	[ "$pc_status" = 0 ] || fail "QEMU ended with $pc_status"
}

a_pc_without_amd_v_stops() { refused 'this processor has no AMD-V' --cpu max,-svm; }

a_pc_without_nested_paging_stops() { refused 'no nested paging' --cpu max,+svm,-npt; }

a_processor_of_another_maker_stops()
{
	refused "this processor is not AMD's" --cpu max,+svm,+npt,vendor=GenuineIntel
}

without_amd_v_the_root_starts_unprotected_when_that_is_wanted()
{
	# Five levels of page tables without AMD-V make programs fail in this emulator, on the bare
	# PC as well.
	pc unprotected --cpu max,-svm,-la57 --options missing=unprotected
	said unprotected '^sill: .*has no AMD-V: the root starts WITHOUT the hypervisor'
	said unprotected '^pc: hypervisor TCG'
	said unprotected '^pc: end$'
}

a_module_that_is_no_kernel_is_named()
{
	head -c 100000 /dev/urandom >"$work/noise"
	printf '\0\0\0\0' | dd of="$work/noise" bs=1 seek=$((0x202)) conv=notrunc status=none
	refused 'is no Linux kernel' --image "$work/noise"
}

a_module_of_one_byte_is_named()
{
	printf x >"$work/byte"
	refused 'is no Linux kernel' --image "$work/byte"
}

a_kernel_that_was_cut_off_is_named()
{
	head -c 5000 "$kernel" >"$work/cut"
	refused 'the root kernel' --image "$work/cut"
}

a_32_bit_kernel_is_named()
{
	changed 0x236 '\x7e'
	refused 'the root kernel is a 32-bit kernel: a 64-bit one is needed' --image "$work/changed"
}

a_kernel_of_the_old_kind_is_named()
{
	changed 0x211 '\x00'
	refused 'a bzImage is needed' --image "$work/changed"
}

too_little_memory_is_named()
{
	refused 'too little memory: the root kernel needs [0-9]+ MiB' --image "$kernel" --memory 48
}

a_missing_module_is_named()
{
	refused 'the boot loader gave no module' --image none
}

a_command_line_that_is_too_long_is_named()
{
	refused 'is longer than 2047 bytes' --image "$kernel" --line "$(printf 'x%.0s' {1..2100})"
}

an_option_that_does_not_exist_is_named()
{
	refused 'frobnicate' --image "$kernel" --options frobnicate=1
}

an_option_with_a_value_that_makes_no_sense_is_named()
{
	refused 'panic' --image "$kernel" --options panic=soon
}

# By GRUB there is a screen of pixels, where the text is counted: some of it, and none below its
# lines.
a_refusal_under_uefi_is_on_the_screen()
{
	pc_start uefi --firmware uefi --image "$kernel" --options frobnicate=1 -- $(pc_monitor uefi)
	wait_for "$patience" pc_said uefi 'stopped: turn the PC off'
	monitor uefi "screendump $work/uefi.ppm"
	monitor uefi quit
	pc_wait uefi
	said uefi '^sill: .*frobnicate'
	# What is lit in the first 10 lines of text, of 800 pixels, then in the rest.
	local top rest head=$((15 + 3 * 800 * 16 * 10))
	[ "$(head -n 2 "$work/uefi.ppm" | tail -n 1)" = "800 600" ]
	top=$(head -c $head "$work/uefi.ppm" | tail -c +16 | tr -d "\0" | wc -c)
	rest=$(tail -c +$((1 + head)) "$work/uefi.ppm" | tr -d "\0" | wc -c)
	[ "$top" -gt 3000 ] && [ "$rest" = 0 ] || fail "$top bytes are lit at the top, $rest below"
}

run_tests a_pc_without_amd_v_stops a_pc_without_nested_paging_stops \
	a_processor_of_another_maker_stops \
	without_amd_v_the_root_starts_unprotected_when_that_is_wanted \
	a_module_that_is_no_kernel_is_named \
	a_module_of_one_byte_is_named a_kernel_that_was_cut_off_is_named a_32_bit_kernel_is_named \
	a_kernel_of_the_old_kind_is_named too_little_memory_is_named a_missing_module_is_named \
	a_command_line_that_is_too_long_is_named an_option_that_does_not_exist_is_named \
	an_option_with_a_value_that_makes_no_sense_is_named a_refusal_under_uefi_is_on_the_screen
