#!/usr/bin/env bash
# The sample machine boots from a web server, whatever format its image has there.
# In plain each format with one firmware, with FULL=1 each with both.
. "$SILL_SOURCE/tests/integration/lib.sh"
need nginx jq socat qemu-system-x86_64
need_sample raw
mkdir "$work/www"

boots()
{
	local format=$1 firmware=$2 file
	file=$(sample "$format")
	ln -sf "$file" "$work/www/disk.$format"
	: >"$work/far.log"
	sill run --name m --firmware "$firmware" --no-sweep --wait=$patience \
		"$(cat "$work/far.url")/disk.$format"
	[ "$(info m '.firmware')" = "$firmware" ]
	# Streamed, not downloaded: without the sweep a boot brings little more than it reads.
	[ "$(web_bytes far)" -lt $(($(stat -Lc %s "$file") * 3 / 4)) ] ||
		fail "$(web_bytes far) bytes were fetched"
	sill stop --force m
	ended m
	sill delete --yes m
}

a_raw_image_boots_with_bios_from_a_web_server() { boots raw bios; }
a_raw_image_boots_with_uefi_from_a_web_server() { boots raw uefi; }
a_vhd_boots_with_bios_from_a_web_server() { boots vhd bios; }
a_vhd_boots_with_uefi_from_a_web_server() { boots vhd uefi; }
a_vhdx_boots_with_bios_from_a_web_server() { boots vhdx bios; }
a_vhdx_boots_with_uefi_from_a_web_server() { boots vhdx uefi; }
a_qcow2_boots_with_bios_from_a_web_server() { boots qcow2 bios; }
a_qcow2_boots_with_uefi_from_a_web_server() { boots qcow2 uefi; }

web far "$work/www" || exit 1
tests=(a_raw_image_boots_with_bios_from_a_web_server a_vhd_boots_with_uefi_from_a_web_server
	a_vhdx_boots_with_bios_from_a_web_server a_qcow2_boots_with_uefi_from_a_web_server)
[ -z "${FULL:-}" ] || tests+=(a_raw_image_boots_with_uefi_from_a_web_server
	a_vhd_boots_with_bios_from_a_web_server a_vhdx_boots_with_uefi_from_a_web_server
	a_qcow2_boots_with_bios_from_a_web_server)
run_tests "${tests[@]}"
