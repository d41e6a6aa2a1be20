// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "host/boot-env.h"
#include "include/sill/device.h"
#include "machine/kvm-probe.h"
#include "machine/machine.h"
#include "util/io.h"

#define FILE_MAX (1u << 20)

int host_root_open(struct host_root *ret, struct error *err)
{
	*ret = (struct host_root){ .dirfd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		                   .kvm = KVM_PROBE_DEVICE,
		                   .sill = "/dev/sill" };
	return ret->dirfd < 0 ? error_sys(err, errno, "/") : 0;
}

static char *read_text(const struct host_root *root, const char *path)
{
	char *text = NULL;
	size_t len;

	return read_file(root->dirfd, path, FILE_MAX, &text, &len, NULL) < 0 ? NULL : text;
}

int host_word(const struct host_root *root, const char *name, char *ret, size_t room)
{
	cleanup_free char *line = read_text(root, "proc/cmdline");
	size_t len = strlen(name);
	char *rest = NULL;

	for (char *word = line ? strtok_r(line, " \n", &rest) : NULL; word;
	     word = strtok_r(NULL, " \n", &rest)) {
		if (strncmp(word, name, len) != 0 || (word[len] != '=' && word[len] != '\0'))
			continue;
		snprintf(ret, room, "%s", word[len] ? word + len + 1 : "");
		return 0;
	}
	return -ENOENT;
}

/* "MemTotal:  16303412 kB" */
static uint64_t kib_of(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void add_computer(const struct host_root *root, json_t *facts)
{
	cleanup_free char *name = read_text(root, "proc/sys/kernel/hostname");
	cleanup_free char *memory = read_text(root, "proc/meminfo");
	cleanup_free char *uptime = read_text(root, "proc/uptime");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (name) {
		name[strcspn(name, "\n")] = '\0';
		json_object_set_new(facts, "name", json_string(name));
	}
	if (uptime)
		json_object_set_new(facts, "uptime_seconds",
		                    json_integer(strtoll(uptime, NULL, 10)));
	if (cpus > 0)
		json_object_set_new(facts, "cpus", json_integer(cpus));
	if (memory) {
		json_object_set_new(facts, "memory_bytes",
		                    json_integer((json_int_t)kib_of(memory, "MemTotal:") << 10));
		json_object_set_new(
			facts, "memory_available_bytes",
			json_integer((json_int_t)kib_of(memory, "MemAvailable:") << 10));
	}
}

/* Sill, when its module answers; else what KVM can do, tried and not asked. */
static json_t *find_beneath(const struct host_root *root)
{
	cleanup_close int fd = openat(root->dirfd, root->sill, O_RDWR | O_CLOEXEC);
	struct sill_info info;
	struct error why;

	if (fd >= 0 && ioctl(fd, SILL_GET_INFO, &info) == 0)
		return json_pack("{s:s, s:o, s:o}", "kind", "sill", "version",
		                 json_sprintf("%u.%u.%u", info.release >> 16,
		                              info.release >> 8 & 0xff, info.release & 0xff),
		                 "abi", json_sprintf("%u.%u", info.abi >> 16, info.abi & 0xffff));
	if (kvm_probe(root->kvm, &why) == 0)
		return json_pack("{s:s}", "kind", "kvm");
	return json_pack("{s:s, s:s}", "kind", "emulation", "why", why.text);
}

static void add_slot(const struct host_root *root, const char *boot_env, json_t *facts)
{
	static const char *const names[] = { "slot", "tries", "good", "fell" };
	static const char *const keys[] = { "next", "tries", "good", "fell" };
	char running[8], value[32];
	struct boot_env env;
	json_t *slot;

	if (host_word(root, "sill.slot", running, sizeof(running)) < 0)
		return;
	slot = json_pack("{s:s}", "running", running);
	if (boot_env && boot_env_load(root->dirfd, boot_env, &env, NULL) == 0)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (boot_env_get(&env, names[i], value, sizeof(value)) == 0)
				json_object_set_new(slot, keys[i], json_string(value));
	json_object_set_new(facts, "slot", slot);
}

static const char *address_text(const struct ifaddrs *at, char *text, size_t room)
{
	const struct sockaddr *address = at->ifa_addr;

	if (!address || (at->ifa_flags & IFF_LOOPBACK))
		return NULL;
	if (address->sa_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)at->ifa_addr)->sin_addr,
		                 text, (socklen_t)room);
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *in6 =
			&((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;

		return IN6_IS_ADDR_LINKLOCAL(in6) ? NULL
		                                  : inet_ntop(AF_INET6, in6, text, (socklen_t)room);
	}
	return NULL;
}

static void add_addresses(json_t *facts)
{
	json_t *list = json_array();
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) < 0)
		all = NULL;
	for (const struct ifaddrs *at = all; at; at = at->ifa_next)
		if (address_text(at, text, sizeof(text)))
			json_array_append_new(list, json_pack("{s:s, s:s}", "interface",
			                                      at->ifa_name, "address", text));
	freeifaddrs(all);
	json_object_set_new(facts, "addresses", list);
}

static void add_data(const struct host_root *root, const struct state *state, json_t *facts)
{
	struct statvfs vfs;

	if (statvfs(state->dir, &vfs) < 0)
		return;
	json_object_set_new(facts, "data",
	                    json_pack("{s:s, s:I, s:I, s:b}", "path", state->dir, "size_bytes",
	                              (json_int_t)vfs.f_blocks * (json_int_t)vfs.f_frsize,
	                              "free_bytes",
	                              (json_int_t)vfs.f_bavail * (json_int_t)vfs.f_frsize, "kept",
	                              faccessat(root->dirfd, HOST_WITHOUT_DATA, F_OK, 0) < 0));
}

static int add_machines(const struct state *state, json_t *facts, struct error *err)
{
	json_t *list = json_array();
	char **names = NULL;
	size_t n = 0;
	int r = state_names(state, &names, &n, err);

	for (size_t i = 0; i < n; i++) {
		json_t *info = NULL;
		struct error why;

		if (machine_info(state, names[i], false, &info, &why) < 0)
			info = json_pack("{s:s, s:s, s:s}", "name", names[i], "state", "broken",
			                 "error", why.text);
		json_array_append_new(list, info);
	}
	state_names_free(names, n);
	json_object_set_new(facts, "machines", list);
	return r;
}

int host_facts(const struct host_root *root, const struct state *state, const char *boot_env,
               json_t **ret, struct error *err)
{
	json_t *facts = json_object();
	int r;

	if (!facts)
		return error_sys(err, ENOMEM, "facts about this host");
	add_computer(root, facts);
	json_object_set_new(facts, "beneath", find_beneath(root));
	add_slot(root, boot_env, facts);
	add_addresses(facts);
	add_data(root, state, facts);
	r = add_machines(state, facts, err);
	if (r < 0) {
		json_decref(facts);
		return r;
	}
	*ret = facts;
	return 0;
}
