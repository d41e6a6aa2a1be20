#!/usr/bin/env bash
# customize.sh ROOT KERNEL: what makes a folder of Debian packages the root session of a Sill PC.  Files that need nothing of
# the packages are under root/.
set -euo pipefail
root=$1 kernel=$2

echo sill >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 sill\n::1 localhost\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# Identity is made at the first start, on the data partition.
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
: >"$root/etc/machine-id"
# Nobody logs in until a person has set the password of the maintenance shell.
chroot "$root" passwd --quiet --lock root

chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved systemd-timesyncd iwd sill-module sill-healthy \
	sill-screen@tty1 sill-screen@ttyS0
chroot "$root" systemctl --quiet mask getty@tty1.service serial-getty@ttyS0.service systemd-networkd-wait-online.service e2scrub_reap.service
chroot "$root" systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer 2>/dev/null || true

# Modules of devices that no session host has.
for folder in drivers/media drivers/staging drivers/isdn drivers/infiniband drivers/iio drivers/scsi/lpfc \
	drivers/scsi/qla2xxx drivers/net/ethernet/mellanox drivers/net/ethernet/chelsio drivers/net/ethernet/qlogic \
	drivers/net/wireless/ath/ath6kl sound/pci/asihpi sound/isa fs/ocfs2 fs/gfs2 fs/ceph fs/afs fs/coda fs/jfs \
	fs/reiserfs fs/orangefs fs/ubifs fs/jffs2 net/sctp net/tipc net/rds net/openvswitch net/can net/atm net/ax25 \
	drivers/net/can drivers/net/hamradio drivers/atm drivers/mtd drivers/input/joystick drivers/input/touchscreen; do
	rm -rf "$root/lib/modules/$kernel/kernel/$folder"
done
chroot "$root" depmod "$kernel"

sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=zstd/' "$root/etc/initramfs-tools/initramfs.conf"
chroot "$root" update-initramfs -c -k "$kernel" >/dev/null 2>&1

# No compiler, no documentation, no package lists; the packages' own list stays, so that one can see what is in it.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt "$root"/var/cache/debconf/*-old \
	"$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/var/cache/ldconfig/aux-cache "$root"/usr/lib/grub
