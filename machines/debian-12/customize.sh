#!/usr/bin/env bash
# customize.sh ROOT UUID: what makes a folder of Debian packages the sample machine.  Files that
# are the same for everybody are under files/; this does what needs the packages' own files.
set -euo pipefail
root=$1 uuid=$2

# The console of this machine belongs to the person who started it: the serial line logs in by
# itself, the graphical console asks for this password, and sshd takes keys only.
echo 'root:sill' | chroot "$root" chpasswd
echo sill >"$root/etc/hostname"
printf '127.0.0.1 localhost sill\n::1 localhost\n' >"$root/etc/hosts"
echo "UUID=$uuid / ext4 errors=remount-ro,discard 0 1" >"$root/etc/fstab"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

# What must differ between two machines is made at the first start, not here.
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
: >"$root/etc/machine-id"

chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved ssh host-keys
# Nothing that starts by the clock: what this machine reads and writes is what its person does.
chroot "$root" systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer man-db.timer \
	e2scrub_all.timer fstrim.timer 2>/dev/null || true

# Once more, now that fstab says which file system check belongs into it.
chroot "$root" update-initramfs -u >/dev/null

# The kernel that /vmlinuz names is what files/boot/grub/grub.cfg starts.
[ -e "$root/vmlinuz" ] && [ -e "$root/initrd.img" ]
sed "s/@ROOT@/$uuid/" -i "$root/boot/grub/grub.cfg"

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root/var/log/apt" \
	"$root"/var/cache/man/* "$root/var/cache/ldconfig/aux-cache"
