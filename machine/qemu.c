// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/qemu.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/bits.h"

const char *qemu_escape(const char *text, char *ret, size_t room)
{
	size_t used = 0;

	for (; *text && used + 3 < room; text++) {
		if (*text == ',')
			ret[used++] = ',';
		ret[used++] = *text;
	}
	ret[used] = '\0';
	return ret;
}

/* -blockdev takes JSON, in which no character of a path needs care. */
static void add_blockdev(struct argv *argv, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text) {
		argv->failed = true;
		return;
	}
	argv_add(argv, "-blockdev");
	argv_add(argv, "%s", text);
	free(text);
}

static void add_device(struct argv *argv, const char *device)
{
	argv_add(argv, "-device");
	argv_add(argv, "%s", device);
}

static void add_board(const struct qemu_options *o, struct argv *argv)
{
	const struct manifest *m = o->manifest;

	argv_add(argv, "-accel");
	argv_add(argv, o->kvm ? "kvm" : "tcg,thread=multi");
	argv_add(argv, "-machine");
	argv_add(argv, "q35%s", o->uefi_code ? ",pflash0=uefi-code,pflash1=uefi-vars" : "");
	/* Five levels of page tables make emulation slower, and no guest here needs them. */
	argv_add(argv, "-cpu");
	argv_add(argv, o->kvm ? "host" : "max,la57=off");
	argv_add(argv, "-smp");
	argv_add(argv, "cpus=%u,sockets=1,cores=%u,threads=1", m->cpus, m->cpus);
	argv_add(argv, "-m");
	argv_add(argv, "%lluM", (unsigned long long)(m->memory / MIB));
	argv_add(argv, "-rtc");
	argv_add(argv, "base=utc");
	if (!o->uefi_code)
		return;
	add_blockdev(argv, json_pack("{ss ss sb ss}", "driver", "file", "node-name", "uefi-code",
	                             "read-only", 1, "filename", o->uefi_code));
	add_blockdev(argv, json_pack("{ss ss ss}", "driver", "file", "node-name", "uefi-vars",
	                             "filename", o->uefi_vars));
}

/*
 * When the disk server is gone or cannot deliver, QEMU stops the machine instead of handing the
 * guest an error: its file systems see a pause, and the supervisor lets it go on when the disk is
 * back.
 */
static void add_disk(const struct qemu_options *o, struct argv *argv)
{
	add_blockdev(argv, json_pack("{ss ss s{ss ss} ss ss ss}", "driver", "nbd", "node-name",
	                             "disk0", "server", "type", "unix", "path", o->disk_socket,
	                             "export", "", "discard", "unmap", "detect-zeroes", "unmap"));
	argv_add(argv, "-object");
	argv_add(argv, "iothread,id=disk-thread");
	argv_add(argv, "-device");
	argv_add(argv,
	         "virtio-blk-pci,drive=disk0,iothread=disk-thread,num-queues=%u,bootindex=1,"
	         "rerror=stop,werror=stop",
	         (unsigned int)min_u64(o->manifest->cpus, 4));
}

static void add_network(const struct qemu_options *o, struct argv *argv)
{
	const struct manifest *m = o->manifest;
	char forwards[MANIFEST_MAX_PORTS * 64] = "";
	size_t used = 0;

	for (size_t i = 0; i < m->n_ports; i++)
		used += (size_t)snprintf(forwards + used, sizeof(forwards) - used,
		                         ",hostfwd=tcp:%s:%u-:%u", m->ports[i].address,
		                         m->ports[i].host, m->ports[i].guest);
	argv_add(argv, "-netdev");
	argv_add(argv, "user,id=net0,net=" MACHINE_NETWORK ",dhcpstart=" MACHINE_ADDRESS "%s",
	         forwards);
	argv_add(argv, "-device");
	argv_add(argv, "virtio-net-pci,netdev=net0,mac=%s,romfile=", m->mac);
}

static void add_channels(const struct qemu_options *o, struct argv *argv)
{
	argv_add(argv, "-chardev");
	argv_add(argv, "socket,id=monitor,fd=%d", o->qmp_fd);
	argv_add(argv, "-mon");
	argv_add(argv, "chardev=monitor,mode=control");
	argv_add(argv, "-chardev");
	argv_add(argv, "socket,id=console,fd=%d", o->console_fd);
	add_device(argv, "isa-serial,chardev=console");
	add_device(argv, "virtio-serial-pci,id=channels");
	argv_add(argv, "-chardev");
	argv_add(argv, "socket,id=agent,fd=%d", o->agent_fd);
	add_device(argv, "virtserialport,bus=channels.0,id=agent,chardev=agent,"
	                 "name=org.qemu.guest_agent.0");
	argv_add(argv, "-object");
	argv_add(argv, "rng-builtin,id=random");
	add_device(argv, "virtio-rng-pci,rng=random");
}

static void add_display(const struct qemu_options *o, struct argv *argv)
{
	char path[2 * PATH_MAX];

	if (o->manifest->display == DISPLAY_NONE) {
		argv_add(argv, "-display");
		argv_add(argv, "none");
		return;
	}
	if (o->manifest->display == DISPLAY_VNC) {
		argv_add(argv, "-vnc");
		argv_add(argv, "unix:%s", qemu_escape(o->vnc_socket, path, sizeof(path)));
	} else {
		argv_add(argv, "-display");
		argv_add(argv, "gtk");
	}
	add_device(argv, "virtio-vga");
	add_device(argv, "qemu-xhci");
	add_device(argv, "usb-tablet");
}

int qemu_command(const struct qemu_options *o, struct argv *argv, struct error *err)
{
	argv_add(argv, "qemu-system-x86_64");
	argv_add(argv, "-name");
	argv_add(argv, "guest=%s,debug-threads=on", o->name);
	argv_add(argv, "-nodefaults");
	argv_add(argv, "-no-user-config");
	argv_add(argv, "-S");
	argv_add(argv, "-msg");
	argv_add(argv, "timestamp=on");
	/* A window needs helpers that the sandbox forbids: fonts, input methods. */
	if (o->manifest->display != DISPLAY_GTK) {
		argv_add(argv, "-sandbox");
		argv_add(argv, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		               "resourcecontrol=deny");
	}
	add_board(o, argv);
	add_channels(o, argv);
	add_disk(o, argv);
	add_network(o, argv);
	add_display(o, argv);
	return argv_check(argv, err);
}
