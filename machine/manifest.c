// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine/manifest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "util/io.h"
#include "util/text.h"

#define MANIFEST_FILE "machine.json"

const char *const firmware_names[] = { "auto", "bios", "uefi", NULL };
const char *const display_names[] = { "none", "vnc", "gtk", NULL };
const char *const accel_names[] = { "auto", "kvm", "tcg", NULL };

int manifest_choice(const char *const *names, const char *text)
{
	for (int i = 0; names[i]; i++) {
		if (text && strcmp(names[i], text) == 0)
			return i;
	}
	return -EINVAL;
}

int port_forward_parse(const char *text, struct port_forward *ret, struct error *err)
{
	char copy[64], *guest, *host, *address = NULL;
	struct port_forward port = { .address = "127.0.0.1" };
	struct in_addr ip;
	uint64_t n;

	if (strlen(text) >= sizeof(copy))
		goto bad;
	memcpy(copy, text, strlen(text) + 1);
	guest = strrchr(copy, ':');
	if (!guest)
		goto bad;
	*guest++ = '\0';
	host = strrchr(copy, ':');
	if (host) {
		*host++ = '\0';
		address = copy;
	} else {
		host = copy;
	}
	if (parse_number(host, 1, UINT16_MAX, &n, NULL) < 0)
		goto bad;
	port.host = (uint16_t)n;
	if (parse_number(guest, 1, UINT16_MAX, &n, NULL) < 0)
		goto bad;
	port.guest = (uint16_t)n;
	if (address) {
		if (inet_pton(AF_INET, address, &ip) != 1)
			goto bad;
		inet_ntop(AF_INET, &ip, port.address, sizeof(port.address));
	}
	*ret = port;
	return 0;
bad:
	return error_set(err, EINVAL,
	                 "'%.60s' is not [ADDRESS:]HOST:GUEST, such as 2222:22 or 0.0.0.0:8080:80",
	                 text);
}

int manifest_new_mac(char ret[18], struct error *err)
{
	uint8_t b[3];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return error_sys(err, EIO, "random numbers");
	snprintf(ret, 18, "52:54:00:%02x:%02x:%02x", b[0], b[1], b[2]);
	return 0;
}

/* The MAC goes into QEMU's command line: nothing but what we write ourselves, and no group's. */
static bool good_mac(const char *text)
{
	static const char shape[] = "xx:xx:xx:xx:xx:xx";

	for (size_t i = 0; i < sizeof(shape); i++) {
		if (shape[i] == 'x' ? !text[i] || !strchr("0123456789abcdef", text[i])
		                    : text[i] != shape[i])
			return false;
	}
	return strchr("02468ace", text[1]) != NULL;
}

static int take_ports(const json_t *list, struct manifest *m, struct error *err)
{
	const json_t *value;
	size_t i = 0;

	if (json_array_size(list) > MANIFEST_MAX_PORTS)
		return error_set(err, EINVAL, "field \"ports\": more than %d", MANIFEST_MAX_PORTS);
	json_array_foreach (list, i, value) {
		int r;

		if (!json_is_string(value))
			return error_set(err, EINVAL, "field \"ports\": entry %zu is no text",
			                 i + 1);
		r = port_forward_parse(json_string_value(value), &m->ports[i], err);
		if (r < 0)
			return error_prefix(err, "field \"ports\"");
	}
	m->n_ports = json_array_size(list);
	return 0;
}

/* json_unpack() says what it expected, but not where. */
static int check_types(const json_t *object, struct error *err)
{
	static const struct {
		const char *name;
		json_type type;
	} fields[] = {
		{ "created", JSON_INTEGER },  { "image", JSON_STRING },
		{ "image_dir", JSON_STRING }, { "disk", JSON_OBJECT },
		{ "cpus", JSON_INTEGER },     { "memory", JSON_INTEGER },
		{ "firmware", JSON_STRING },  { "display", JSON_STRING },
		{ "accel", JSON_STRING },     { "mac", JSON_STRING },
		{ "ports", JSON_ARRAY },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const json_t *value = json_object_get(object, fields[i].name);

		if (!value || json_typeof(value) != fields[i].type)
			return error_set(err, EINVAL,
			                 "field \"%s\" is missing or of the wrong type",
			                 fields[i].name);
	}
	return json_is_boolean(json_object_get(object, "ephemeral"))
	               ? 0
	               : error_set(err, EINVAL,
	                           "field \"ephemeral\" is missing or of the wrong type");
}

static int take_object(json_t *object, struct manifest *m, struct error *err)
{
	const char *image, *dir, *firmware, *display, *accel, *mac;
	const char *library_name = NULL, *digest = NULL;
	json_int_t version = 0, created, cpus, memory;
	json_t *disk, *ports;
	json_error_t wrong;
	int ephemeral, choice, r;

	/* The version first: a newer one's fields must not be what is complained about. */
	if (json_is_integer(json_object_get(object, "version")))
		version = json_integer_value(json_object_get(object, "version"));
	if (version != MANIFEST_VERSION)
		return error_set(err, EINVAL, "version %lld, and this Sill knows version %d",
		                 (long long)version, MANIFEST_VERSION);
	r = check_types(object, err);
	if (r < 0)
		return r;
	if (json_unpack_ex(object, &wrong, JSON_STRICT,
	                   "{sI sI ss ss so sI sI ss ss ss sb ss so s?s s?s}", "version", &version,
	                   "created", &created, "image", &image, "image_dir", &dir, "disk", &disk,
	                   "cpus", &cpus, "memory", &memory, "firmware", &firmware, "display",
	                   &display, "accel", &accel, "ephemeral", &ephemeral, "mac", &mac, "ports",
	                   &ports, "library_name", &library_name, "image_digest", &digest) < 0)
		return error_set(err, EINVAL, "%s", wrong.text);
	if (created < 0)
		return error_set(err, EINVAL, "field \"created\" is before 1970");
	if (cpus < 1 || cpus > (json_int_t)MANIFEST_MAX_CPUS)
		return error_set(err, EINVAL, "field \"cpus\" is not from 1 to %u",
		                 MANIFEST_MAX_CPUS);
	if (memory < (json_int_t)MANIFEST_MIN_MEMORY || memory > (json_int_t)MANIFEST_MAX_MEMORY ||
	    memory % (1 << 20))
		return error_set(err, EINVAL, "field \"memory\" is not a whole number of MiB");
	if (dir[0] != '/')
		return error_set(err, EINVAL, "field \"image_dir\" is not an absolute path");
	if (!json_is_object(disk) || !json_is_array(ports))
		return error_set(err, EINVAL,
		                 "fields \"disk\" and \"ports\": an object and a list");
	if (!good_mac(mac))
		return error_set(err, EINVAL,
		                 "field \"mac\" is not an address such as "
		                 "52:54:00:01:02:03");
	choice = manifest_choice(firmware_names, firmware);
	m->firmware = choice < 0 ? FIRMWARE_AUTO : (enum firmware)choice;
	if (choice >= 0)
		choice = manifest_choice(display_names, display);
	m->display = choice < 0 ? DISPLAY_NONE : (enum display)choice;
	if (choice >= 0)
		choice = manifest_choice(accel_names, accel);
	m->accel = choice < 0 ? ACCEL_AUTO : (enum accel)choice;
	if (choice < 0)
		return error_set(err, EINVAL,
		                 "fields \"firmware\", \"display\", \"accel\": one has a value "
		                 "that is not known");
	m->created = (uint64_t)created;
	m->cpus = (unsigned int)cpus;
	m->memory = (uint64_t)memory;
	m->ephemeral = ephemeral;
	memcpy(m->mac, mac, sizeof(m->mac));
	m->image = strdup(image);
	m->image_dir = strdup(dir);
	m->library_name = library_name ? strdup(library_name) : NULL;
	m->image_digest = digest ? strdup(digest) : NULL;
	if (!m->image || !m->image_dir || !m->library_name != !library_name ||
	    !m->image_digest != !digest)
		return error_sys(err, ENOMEM, "manifest");
	m->disk = json_incref(disk);
	return take_ports(ports, m, err);
}

int manifest_parse(const char *text, size_t len, struct manifest **ret, struct error *err)
{
	cleanup(manifest_free) struct manifest *m = calloc(1, sizeof(*m));
	json_error_t wrong;
	json_t *object;
	int r;

	if (!m)
		return error_sys(err, ENOMEM, "manifest");
	object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong);
	if (!object)
		return error_set(err, EINVAL, "line %d: %s", wrong.line, wrong.text);
	r = take_object(object, m, err);
	json_decref(object);
	if (r < 0)
		return r;
	*ret = take_ptr(m);
	return 0;
}

int manifest_load(int dirfd, struct manifest **ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = read_file(dirfd, MANIFEST_FILE, MANIFEST_MAX_BYTES, &text, &len, err);

	if (r < 0)
		return r;
	r = manifest_parse(text, len, ret, err);
	return r < 0 ? error_prefix(err, MANIFEST_FILE) : 0;
}

int manifest_save(int dirfd, const struct manifest *m, struct error *err)
{
	cleanup_free char *text = NULL;
	json_t *ports = json_array(), *object;
	int r;

	for (size_t i = 0; i < m->n_ports; i++)
		json_array_append_new(ports, json_sprintf("%s:%u:%u", m->ports[i].address,
		                                          m->ports[i].host, m->ports[i].guest));
	object = json_pack("{si sI ss ss sO si sI ss ss ss sb ss so ss* ss*}", "version",
	                   MANIFEST_VERSION, "created", (json_int_t)m->created, "image", m->image,
	                   "image_dir", m->image_dir, "disk", m->disk, "cpus", (int)m->cpus,
	                   "memory", (json_int_t)m->memory, "firmware", firmware_names[m->firmware],
	                   "display", display_names[m->display], "accel", accel_names[m->accel],
	                   "ephemeral", m->ephemeral, "mac", m->mac, "ports", ports, "library_name",
	                   m->library_name, "image_digest", m->image_digest);
	text = object ? json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	json_decref(object);
	if (!text)
		return error_sys(err, ENOMEM, "manifest");
	r = replace_file(dirfd, MANIFEST_FILE, text, strlen(text), 0600, err);
	return r;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	free(m->image);
	free(m->image_dir);
	free(m->library_name);
	free(m->image_digest);
	json_decref(m->disk);
	free(m);
}
