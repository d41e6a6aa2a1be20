// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Elements are told by their local names: the prefixes of namespaces are each maker's choice.
 */
#include "library/ovf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/bits.h"
#include "util/text.h"

#define MAX_DEPTH 32u
#define MAX_FILES 64u

/* Resource types of CIM (DSP1041). */
#define RESOURCE_CPU    3
#define RESOURCE_MEMORY 4
#define RESOURCE_DISK   17

struct file {
	char id[64];
	char href[OVF_TEXT_MAX + 1];
	bool packed;
};

/* What an Item says, while it is open. */
struct item {
	unsigned int type;
	uint64_t quantity;
	char units[64];
	char host[128]; /* ovf:/disk/ID */
};

struct reader {
	XML_Parser parser;
	struct ovf *ovf;
	struct file files[MAX_FILES];
	size_t n_files;
	struct ovf_disk disks[OVF_MAX_DISKS]; /* of the disk section */
	char refs[OVF_MAX_DISKS][64];
	size_t n_disks;
	unsigned int depth, systems;
	bool in_system, in_hardware, in_item, in_os;
	struct item item;
	char text[OVF_TEXT_MAX + 1]; /* of the innermost element so far */
	size_t len;
	int code;
	struct error *err;
};

static const char *local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static const char *attribute(const char **attributes, const char *name)
{
	for (; *attributes; attributes += 2)
		if (!strcmp(local(attributes[0]), name))
			return attributes[1];
	return "";
}

static void stop(struct reader *reader, int code, const char *why)
{
	if (reader->code == 0)
		reader->code = error_set(reader->err, code, "%s", why);
	XML_StopParser(reader->parser, XML_FALSE);
}

/* "byte * 2^30", "MegaBytes", "GB", "": how many bytes that is. */
static uint64_t unit_of(const char *units, uint64_t otherwise)
{
	const char *power = strstr(units, "2^");

	if (!*units)
		return otherwise;
	if (power) {
		unsigned long n = strtoul(power + 2, NULL, 10);

		return n < 60 ? UINT64_C(1) << n : 0;
	}
	switch (units[0] | 0x20) {
	case 'k':
		return KIB;
	case 'm':
		return MIB;
	case 'g':
		return GIB;
	case 't':
		return TIB;
	case 'b':
		return 1;
	default:
		return 0;
	}
}

static uint64_t number_of(const char *text)
{
	uint64_t n;

	return parse_number(text, 0, INT64_MAX, &n, NULL) == 0 ? n : 0;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? 0 : product;
}

static void start_file(struct reader *reader, const char **attributes)
{
	struct file *file = &reader->files[reader->n_files];
	const char *href = attribute(attributes, "href");

	if (reader->n_files == MAX_FILES) {
		stop(reader, EBADMSG, "it names too many files");
		return;
	}
	if (strchr(href, '/') || strlen(href) > OVF_TEXT_MAX || !strcmp(href, "..")) {
		stop(reader, EBADMSG, "it names a file in another folder");
		return;
	}
	snprintf(file->id, sizeof(file->id), "%s", attribute(attributes, "id"));
	snprintf(file->href, sizeof(file->href), "%s", href);
	file->packed = *attribute(attributes, "compression") &&
	               strcmp(attribute(attributes, "compression"), "identity") != 0;
	reader->n_files++;
}

static void start_disk(struct reader *reader, const char **attributes)
{
	struct ovf_disk *disk = &reader->disks[reader->n_disks];

	if (reader->n_disks == OVF_MAX_DISKS) {
		stop(reader, EBADMSG, "it has too many disks");
		return;
	}
	snprintf(disk->id, sizeof(disk->id), "%s", attribute(attributes, "diskId"));
	snprintf(reader->refs[reader->n_disks], sizeof(reader->refs[0]), "%s",
	         attribute(attributes, "fileRef"));
	disk->capacity = times(number_of(attribute(attributes, "capacity")),
	                       unit_of(attribute(attributes, "capacityAllocationUnits"), 1));
	reader->n_disks++;
}

static void set_firmware(struct ovf *ovf, const char *name)
{
	snprintf(ovf->firmware, sizeof(ovf->firmware), "%s", name);
}

static void XMLCALL start(void *arg, const char *whole, const char **attributes)
{
	struct reader *reader = arg;
	const char *name = local(whole);

	reader->len = 0;
	reader->text[0] = '\0';
	if (++reader->depth > MAX_DEPTH) {
		stop(reader, EBADMSG, "its elements are too deep");
	} else if (reader->depth == 1 && strcmp(name, "Envelope") != 0) {
		stop(reader, EBADMSG, "it is no description of a machine (OVF)");
	} else if (!strcmp(name, "VirtualSystem")) {
		if (++reader->systems > 1)
			stop(reader, ENOTSUP,
			     "it describes several machines, and only one can be imported");
		reader->in_system = true;
		snprintf(reader->ovf->name, sizeof(reader->ovf->name), "%s",
		         attribute(attributes, "id"));
	} else if (!strcmp(name, "File") && !reader->in_system) {
		start_file(reader, attributes);
	} else if (!strcmp(name, "Disk") && !reader->in_system) {
		start_disk(reader, attributes);
	} else if (!strcmp(name, "OperatingSystemSection")) {
		reader->in_os = true;
	} else if (!strcmp(name, "Item") || !strcmp(name, "StorageItem")) {
		reader->in_item = reader->in_system;
		reader->item = (struct item){ 0 };
	} else if (reader->in_system && !strcmp(name, "Firmware")) {
		/* VirtualBox */
		if (!strncmp(attribute(attributes, "type"), "EFI", 3))
			set_firmware(reader->ovf, "uefi");
	} else if (reader->in_system && !strcmp(name, "Config") &&
	           !strcmp(attribute(attributes, "key"), "firmware")) {
		/* VMware */
		set_firmware(reader->ovf,
		             !strcmp(attribute(attributes, "value"), "efi") ? "uefi" : "bios");
	}
}

static void XMLCALL characters(void *arg, const char *text, int len)
{
	struct reader *reader = arg;
	size_t n = min_u64((uint64_t)len, OVF_TEXT_MAX - reader->len);

	memcpy(reader->text + reader->len, text, n);
	reader->len += n;
	reader->text[reader->len] = '\0';
}

/* The disk of that id joins the machine's. */
static void attach(struct reader *reader, const char *id)
{
	struct ovf *ovf = reader->ovf;

	for (size_t i = 0; i < reader->n_disks; i++) {
		if (strcmp(reader->disks[i].id, id) != 0)
			continue;
		for (size_t j = 0; j < ovf->n_disks; j++)
			if (!strcmp(ovf->disks[j].id, id))
				return;
		ovf->disks[ovf->n_disks++] = reader->disks[i];
		return;
	}
}

static void end_item(struct reader *reader)
{
	const struct item *item = &reader->item;
	const char *slash = strrchr(item->host, '/');

	reader->in_item = false;
	if (item->type == RESOURCE_CPU)
		reader->ovf->cpus = (unsigned int)min_u64(item->quantity, 4096);
	else if (item->type == RESOURCE_MEMORY)
		reader->ovf->memory = times(item->quantity, unit_of(item->units, MIB));
	else if (item->type == RESOURCE_DISK && slash)
		attach(reader, slash + 1);
}

static void end_in_item(struct reader *reader, const char *name)
{
	struct item *item = &reader->item;

	if (!strcmp(name, "ResourceType"))
		item->type = (unsigned int)min_u64(number_of(reader->text), 65535);
	else if (!strcmp(name, "VirtualQuantity"))
		item->quantity = number_of(reader->text);
	else if (!strcmp(name, "AllocationUnits"))
		snprintf(item->units, sizeof(item->units), "%.63s", reader->text);
	else if (!strcmp(name, "HostResource") && !item->host[0])
		snprintf(item->host, sizeof(item->host), "%.127s", reader->text);
}

static void learn_os(struct reader *reader)
{
	static const struct {
		const char *word, *os;
	} words[] = { { "windows", "windows" },
		      { "linux", "linux" },
		      { "debian", "linux" },
		      { "ubuntu", "linux" } };

	for (size_t i = 0; i < ARRAY_LEN(words) && !reader->ovf->os[0]; i++)
		if (strcasestr(reader->text, words[i].word))
			snprintf(reader->ovf->os, sizeof(reader->ovf->os), "%s", words[i].os);
}

static void XMLCALL end(void *arg, const char *whole)
{
	struct reader *reader = arg;
	const char *name = local(whole);

	reader->depth--;
	if (!strcmp(name, "Item") || !strcmp(name, "StorageItem"))
		end_item(reader);
	else if (reader->in_item)
		end_in_item(reader, name);
	else if (!strcmp(name, "OperatingSystemSection"))
		reader->in_os = false;
	else if (reader->in_os && (!strcmp(name, "Description") || !strcmp(name, "OSType")))
		learn_os(reader);
	else if (!strcmp(name, "VirtualSystem"))
		reader->in_system = false;
	else if (!strcmp(name, "Name") && reader->in_system && reader->depth == 2)
		snprintf(reader->ovf->name, sizeof(reader->ovf->name), "%s", reader->text);
	reader->len = 0;
	reader->text[0] = '\0';
}

static void XMLCALL doctype(void *arg, const char *name __attribute__((unused)),
                            const char *system __attribute__((unused)),
                            const char *public __attribute__((unused)),
                            int subset __attribute__((unused)))
{
	stop(arg, EBADMSG, "it has a document type, which no description of a machine needs");
}

/* Which file each disk is in. */
static int resolve(struct reader *reader)
{
	for (size_t i = 0; i < reader->n_disks; i++) {
		const struct file *file = NULL;

		for (size_t j = 0; reader->refs[i][0] && j < reader->n_files; j++)
			if (!strcmp(reader->files[j].id, reader->refs[i]))
				file = &reader->files[j];
		if (reader->refs[i][0] && !file)
			return error_set(reader->err, EBADMSG, "disk %zu is in no file", i + 1);
		if (file && file->packed)
			return error_set(reader->err, ENOTSUP, "%s is compressed: unpack it first",
			                 file->href);
		if (file)
			memcpy(reader->disks[i].file, file->href, sizeof(file->href));
	}
	return 0;
}

static int finish(struct reader *reader)
{
	struct ovf *ovf = reader->ovf;

	if (reader->systems == 0)
		return error_set(reader->err, EBADMSG, "it describes no machine");
	/* Attached ones were copied before their files were known: look them up again. */
	for (size_t i = 0; i < ovf->n_disks; i++)
		for (size_t j = 0; j < reader->n_disks; j++)
			if (!strcmp(reader->disks[j].id, ovf->disks[i].id))
				ovf->disks[i] = reader->disks[j];
	if (ovf->n_disks == 0) {
		memcpy(ovf->disks, reader->disks, sizeof(ovf->disks));
		ovf->n_disks = reader->n_disks;
	}
	text_printable(ovf->name);
	for (size_t i = 0; i < ovf->n_disks; i++)
		text_printable(ovf->disks[i].id);
	return ovf->n_disks ? 0 : error_set(reader->err, EBADMSG, "its machine has no disk");
}

static int parse(struct reader *reader, const char *text, size_t len)
{
	XML_Parser parser = reader->parser;
	enum XML_Status status;
	int r;

	XML_SetUserData(parser, reader);
	XML_SetElementHandler(parser, start, end);
	XML_SetCharacterDataHandler(parser, characters);
	XML_SetStartDoctypeDeclHandler(parser, doctype);
	status = XML_Parse(parser, text, (int)len, XML_TRUE);
	if (reader->code != 0)
		return reader->code;
	if (status != XML_STATUS_OK)
		return error_set(reader->err, EBADMSG, "line %lu: %s",
		                 XML_GetCurrentLineNumber(parser),
		                 XML_ErrorString(XML_GetErrorCode(parser)));
	r = resolve(reader);
	return r < 0 ? r : finish(reader);
}

int ovf_parse(const char *text, size_t len, struct ovf *ret, struct error *err)
{
	struct reader *reader;
	int r;

	*ret = (struct ovf){ 0 };
	if (len > OVF_MAX_BYTES)
		return error_set(err, EBADMSG, "it is larger than 1 MiB");
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return error_sys(err, ENOMEM, "description of a machine");
	reader->ovf = ret;
	reader->err = err;
	reader->parser = XML_ParserCreate(NULL);
	r = reader->parser ? parse(reader, text, len)
	                   : error_sys(err, ENOMEM, "description of a machine");
	if (reader->parser)
		XML_ParserFree(reader->parser);
	free(reader);
	return r;
}
