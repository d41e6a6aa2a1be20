// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The header of a qcow2 file and the extensions behind it.
 *
 * Called once, by the thread that opens.  Everything is hostile: a field is used only after it was
 * compared with its limits, and every sentence names the field as the specification does.  All of
 * it lies in the first cluster; normally one small read gets it.
 */
#include "disk/format/qcow2.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define V2_LENGTH          72
#define V3_LENGTH          104
#define FIRST_READ         4096
#define MAX_SNAPSHOTS      65536
#define MAX_L1_BYTES       (32 * MIB)
#define MAX_REFCOUNT_BYTES (8 * MIB)

#define EXT_END            0x00000000u
#define EXT_BACKING_FORMAT 0xE2792ACAu
#define EXT_FEATURE_NAMES  0x6803F857u
#define FEATURE_NAME_ENTRY 48 /* type, bit, 46 bytes of name */

/* The start of the file, read as far as it was needed. */
struct head {
	struct source *file;
	uint8_t *data;
	size_t len;
};

static int head_need(struct head *head, uint64_t upto, struct error *err)
{
	const struct source_read how = { .metadata = true };
	uint64_t size = head->file->identity.size;
	uint64_t len = min_u64(round_up(upto, FIRST_READ), size);
	uint8_t *data;
	int r;

	if (upto <= head->len)
		return 0;
	if (upto > size)
		return error_set(err, EINVAL, "%s: the file ends inside its qcow2 header",
		                 head->file->name);
	data = malloc(len);
	if (!data)
		return error_sys(err, ENOMEM, "%s", head->file->name);
	r = source_read(head->file, data, len, 0, &how, err);
	if (r < 0) {
		free(data);
		return r;
	}
	free(head->data);
	head->data = data;
	head->len = len;
	return 0;
}

static int check_table(const struct head *head, const struct qcow2_header *h, const char *what,
                       uint64_t off, uint64_t len, uint64_t max, struct error *err)
{
	const char *name = head->file->name;

	if (len > max)
		return error_set(err, EINVAL, "%s: its %s of %llu bytes is larger than %llu", name,
		                 what, (unsigned long long)len, (unsigned long long)max);
	if (off % h->cluster_size != 0)
		return error_set(err, EINVAL,
		                 "%s: its %s starts at %#llx, which is not the start of a cluster",
		                 name, what, (unsigned long long)off);
	if (!range_inside(off, len, head->file->identity.size))
		return error_set(err, EINVAL, "%s: its %s at %#llx points past the end of the file",
		                 name, what, (unsigned long long)off);
	if (len > 0 && off == 0)
		return error_set(err, EINVAL, "%s: its %s lies over the header", name, what);
	return 0;
}

static int check_geometry(const struct head *head, struct qcow2_header *h, struct error *err)
{
	const char *name = head->file->name;
	const uint8_t *p = head->data;
	uint64_t reach, need;
	int r;

	h->cluster_bits = load_be32(p + 20);
	if (h->cluster_bits < 9 || h->cluster_bits > 21)
		return error_set(err, EINVAL, "%s: cluster_bits is %u, not 9 to 21", name,
		                 h->cluster_bits);
	h->cluster_size = UINT64_C(1) << h->cluster_bits;
	h->extended = h->incompatible & QCOW2_INCOMPAT_EXTENDED;
	if (h->extended && h->cluster_bits < 14)
		return error_set(err, EINVAL,
		                 "%s: clusters of %llu bytes are too small for extended L2 entries",
		                 name, (unsigned long long)h->cluster_size);
	h->l2_entries = h->cluster_size / (h->extended ? 16 : 8);

	h->size = load_be64(p + 24);
	if (h->size % 512 != 0 || h->size > INT64_MAX)
		return error_set(err, EINVAL,
		                 "%s: size is %llu bytes, which is not a whole number of sectors",
		                 name, (unsigned long long)h->size);

	reach = h->cluster_size * h->l2_entries;
	need = div_round_up(h->size, reach);
	h->l1_entries = load_be32(p + 36);
	h->l1_offset = load_be64(p + 40);
	if (h->l1_entries < need)
		return error_set(err, EINVAL,
		                 "%s: l1_size is %u, but a disk of %llu bytes needs %llu entries",
		                 name, h->l1_entries, (unsigned long long)h->size,
		                 (unsigned long long)need);
	r = check_table(head, h, "L1 table", h->l1_offset, 8 * (uint64_t)h->l1_entries,
	                MAX_L1_BYTES, err);
	if (r < 0)
		return r;

	h->refcount_offset = load_be64(p + 48);
	h->refcount_size = load_be32(p + 56) * h->cluster_size;
	if (h->refcount_size == 0)
		return error_set(err, EINVAL, "%s: refcount_table_clusters is 0", name);
	r = check_table(head, h, "refcount table", h->refcount_offset, h->refcount_size,
	                max_u64(MAX_REFCOUNT_BYTES, h->cluster_size), err);
	if (r < 0)
		return r;

	h->snapshots = load_be32(p + 60);
	if (h->snapshots > MAX_SNAPSHOTS)
		return error_set(err, EINVAL, "%s: nb_snapshots is %u, more than %u", name,
		                 h->snapshots, MAX_SNAPSHOTS);
	if (h->snapshots > 0)
		return check_table(head, h, "snapshot table", load_be64(p + 64), 40 * h->snapshots,
		                   UINT64_MAX, err);
	return 0;
}

/* The name that the file's own table gives to an incompatible feature, or "". */
static void feature_name(const uint8_t *table, size_t len, unsigned int bit, char ret[47])
{
	ret[0] = '\0';
	for (size_t i = 0; table && i + FEATURE_NAME_ENTRY <= len; i += FEATURE_NAME_ENTRY) {
		if (table[i] != 0 || table[i + 1] != bit)
			continue;
		memcpy(ret, table + i + 2, 46);
		ret[46] = '\0';
		for (char *c = ret; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		return;
	}
}

static int check_features(const char *name, const struct qcow2_header *h, const uint8_t *names,
                          size_t names_len, struct error *err)
{
	const uint64_t known = QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT |
	                       QCOW2_INCOMPAT_DATA_FILE | QCOW2_INCOMPAT_COMPRESSED |
	                       QCOW2_INCOMPAT_EXTENDED;
	uint64_t unknown = h->incompatible & ~known;
	char word[47];

	if (unknown) {
		unsigned int bit = (unsigned int)__builtin_ctzll(unknown);

		feature_name(names, names_len, bit, word);
		return error_set(
			err, ENOTSUP,
			"%s: needs incompatible feature %u%s%s%s, which Sill does not know", name,
			bit, word[0] ? " (\"" : "", word, word[0] ? "\")" : "");
	}
	if (h->incompatible & QCOW2_INCOMPAT_CORRUPT)
		return error_set(err, EINVAL,
		                 "%s: is marked corrupt (incompatible feature 1); "
		                 "\"qemu-img check -r all\" on a copy may repair it",
		                 name);
	if (h->incompatible & QCOW2_INCOMPAT_DATA_FILE)
		return error_set(
			err, ENOTSUP,
			"%s: keeps its data in an external data file (incompatible feature "
			"2), which Sill does not read; \"qemu-img convert\" makes one file "
			"of it",
			name);
	return 0;
}

static int read_backing_format(const char *name, const uint8_t *p, size_t len,
                               struct qcow2_header *h, struct error *err)
{
	if (len >= sizeof(h->backing_format))
		return error_set(err, EINVAL,
		                 "%s: the name of its backing format is %zu bytes long", name, len);
	memcpy(h->backing_format, p, len);
	h->backing_format[len] = '\0';
	return 0;
}

/*
 * Walk the extensions from `off` to `end`.  Each takes at least 8 bytes of the first cluster, so
 * the walk ends.  Judging the feature bits waits until their names were seen.
 */
static int read_extensions(struct head *head, struct qcow2_header *h, uint64_t off, uint64_t end,
                           struct error *err)
{
	const char *name = head->file->name;
	size_t names = 0, names_len = 0;
	int r;

	while (off + 8 <= end && off + 8 <= head->file->identity.size) {
		uint32_t type, len;

		r = head_need(head, off + 8, err);
		if (r < 0)
			return r;
		type = load_be32(head->data + off);
		len = load_be32(head->data + off + 4);
		if (type == EXT_END)
			break;
		off += 8;
		if (len > end - off)
			return error_set(
				err, EINVAL,
				"%s: header extension %#x of %u bytes runs out of the header", name,
				type, len);
		r = head_need(head, off + len, err);
		if (r < 0)
			return r;
		if (type == EXT_BACKING_FORMAT) {
			r = read_backing_format(name, head->data + off, len, h, err);
			if (r < 0)
				return r;
		} else if (type == EXT_FEATURE_NAMES) {
			names = off;
			names_len = len;
		}
		off = round_up(off + len, 8);
	}
	return check_features(name, h, names ? head->data + names : NULL, names_len, err);
}

static int read_backing(struct head *head, struct qcow2_header *h, uint64_t off, uint32_t len,
                        struct error *err)
{
	const char *name = head->file->name;
	int r;

	if (len > QCOW2_NAME_MAX || !range_inside(off, len, h->cluster_size))
		return error_set(
			err, EINVAL,
			"%s: the name of its backing file (%u bytes at %#llx) does not fit "
			"into the first cluster",
			name, len, (unsigned long long)off);
	r = head_need(head, off + len, err);
	if (r < 0)
		return r;
	if (memchr(head->data + off, '\0', len))
		return error_set(err, EINVAL,
		                 "%s: the name of its backing file has a zero byte in it", name);
	h->backing = strndup((const char *)head->data + off, len);
	return h->backing ? 0 : error_sys(err, ENOMEM, "%s", name);
}

static int check_v3(const struct head *head, struct qcow2_header *h, uint32_t length,
                    struct error *err)
{
	const char *name = head->file->name;
	uint8_t type = 0;

	if (length < V3_LENGTH || length % 8 != 0 || length > h->cluster_size)
		return error_set(err, EINVAL,
		                 "%s: header_length is %u, not a multiple of 8 from %u up", name,
		                 length, V3_LENGTH);
	h->refcount_order = load_be32(head->data + 96);
	if (h->refcount_order > 6)
		return error_set(err, EINVAL, "%s: refcount_order is %u, more than 6", name,
		                 h->refcount_order);
	if (length > V3_LENGTH)
		type = head->data[104];
	if (type > QCOW2_ZSTD)
		return error_set(err, ENOTSUP,
		                 "%s: compression_type is %u; Sill reads 0 (zlib) and 1 "
		                 "(zstd)",
		                 name, type);
	if ((type != QCOW2_ZLIB) != !!(h->incompatible & QCOW2_INCOMPAT_COMPRESSED))
		return error_set(err, EINVAL,
		                 "%s: compression_type %u contradicts incompatible feature 3", name,
		                 type);
	h->compression = type;
	return 0;
}

static int parse(struct head *head, struct qcow2_header *h, struct error *err)
{
	const char *name = head->file->name;
	uint32_t length = V2_LENGTH, backing_len, crypt;
	uint64_t backing, end;
	int r;

	r = head_need(head, V2_LENGTH, err);
	if (r < 0)
		return r;
	if (load_be32(head->data) != QCOW2_MAGIC)
		return error_set(err, EINVAL, "%s: is not a qcow2 file", name);
	h->version = load_be32(head->data + 4);
	if (h->version != 2 && h->version != 3)
		return error_set(err, ENOTSUP, "%s: is of qcow version %u; Sill reads 2 and 3",
		                 name, h->version);
	h->refcount_order = 4;
	if (h->version == 3) {
		r = head_need(head, V3_LENGTH + 8, err);
		if (r < 0)
			return r;
		length = load_be32(head->data + 100);
		h->incompatible = load_be64(head->data + 72);
		h->compatible = load_be64(head->data + 80);
	}

	r = check_geometry(head, h, err);
	if (r == 0 && h->version == 3)
		r = check_v3(head, h, length, err);
	if (r < 0)
		return r;

	backing = load_be64(head->data + 8);
	backing_len = load_be32(head->data + 16);
	crypt = load_be32(head->data + 32);
	if (crypt != 0)
		return error_set(err, ENOTSUP, "%s: is encrypted (%s), which Sill does not read",
		                 name,
		                 crypt == 1   ? "AES"
		                 : crypt == 2 ? "LUKS"
		                              : "unknown method");
	end = h->cluster_size;
	if (backing != 0) {
		if (backing < length)
			return error_set(err, EINVAL,
			                 "%s: the name of its backing file lies over the header",
			                 name);
		end = min_u64(end, backing);
	}
	r = read_extensions(head, h, length, end, err);
	if (r == 0 && backing != 0 && backing_len > 0)
		r = read_backing(head, h, backing, backing_len, err);
	return r;
}

int qcow2_header_read(struct source *file, struct qcow2_header *ret, struct error *err)
{
	struct head head = { .file = file };
	struct qcow2_header h = { 0 };
	int r = parse(&head, &h, err);

	free(head.data);
	if (r < 0)
		qcow2_header_free(&h);
	else
		*ret = h;
	return r;
}

void qcow2_header_free(struct qcow2_header *head)
{
	free(head->backing);
	head->backing = NULL;
}
