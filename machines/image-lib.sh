# What the builders of disk images share, sourced.  They set $name, $suite, $bios_start and $bios_count.

say()
{
	printf '%s: %s\n' "$name" "$*" >&2
}

# The entries of this computer's apt that are Debian's own, as lines of a sources.list.
mirrors()
{
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)' \
		'Created-By: Packages' 2>/dev/null |
		while read -r uri release component key; do
			[[ $release =~ ^$suite(-updates|-security)?$ && $component == main ]] || continue
			[[ -z $key || $key == '$(SIGNED_BY)' || $key == *debian-archive* ]] || continue
			echo "deb $uri $release main"
		done | sort -u
}

# GRUB for BIOS without a device: the boot sector loads one sector, and that one the rest.  Both
# say where in fields that grub-bios-setup would fill in, at fixed places since GRUB 2.00: in
# boot.img the 64-bit sector number at 0x5c, and at 0x66 a jump that is replaced by two NOPs on a
# hard disk; in the last 12 bytes of the core's first sector the 64-bit number of its second.
write_bios_boot()
{
	local disk=$1 core=$2
	le64()
	{
		local value=$1 i
		for ((i = 0; i < 8; i++)); do
			printf "\\x$(printf %02x $((value >> (8 * i) & 255)))"
		done
	}
	patch()
	{
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
	}
	[ "$(stat -c %s "$core")" -le $((bios_count * 512)) ] || {
		say "GRUB's core does not fit its partition"
		return 1
	}
	# 440 bytes of code: after them come the disk's own signature and partition table.
	dd if=/usr/lib/grub/i386-pc/boot.img of="$disk" bs=440 count=1 conv=notrunc status=none
	le64 $bios_start | patch "$disk" $((0x5c))
	printf '\x90\x90' | patch "$disk" $((0x66))
	dd if="$core" of="$disk" bs=512 seek=$bios_start conv=notrunc status=none
	le64 $((bios_start + 1)) | patch "$disk" $((bios_start * 512 + 0x1f4))
}

# Runs the given command where it may own files as any user of the machine.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		unshare --map-root-user --map-auto --mount -- "$@"
	fi
}

# Nothing is begun by somebody who cannot end it.
may_own_files()
{
	local why
	why=$(as_root true 2>&1) || {
		say "you may not own files of other users in a user namespace (${why//$'\n'/; }): build as root," \
			"or see that newuidmap (uidmap) is installed, that /etc/subuid and /etc/subgid have ranges for you," \
			"and that the kernel lets you make user namespaces"
		return 1
	}
}
