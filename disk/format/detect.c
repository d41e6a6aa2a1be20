// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What kind of file is this?  By content: a name proves nothing, and a server may not even give
 * one.
 *
 * The first 8 KiB and the last sector decide.  A guest that writes its own first sector could dress
 * a raw disk as something else; a partition table there therefore outranks every mark at the start
 * of a file (a footer at the end it cannot outrank: that is what a fixed VHD looks like).  The rest
 * of the way is closed with --format.
 */
#include "disk/format/detect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/bits.h"
#include "base/endian.h"

#define MBR_ENTRIES   446
#define MBR_SIGNATURE 510

/*
 * A master boot record with at least one partition.  The signature alone would turn one compressed
 * file in 65,536 into a disk; four sane status bytes make that one in 10^13.
 */
static bool has_mbr(const uint8_t *head)
{
	bool used = false;

	if (head[MBR_SIGNATURE] != 0x55 || head[MBR_SIGNATURE + 1] != 0xaa)
		return false;
	for (int i = 0; i < 4; i++) {
		const uint8_t *entry = head + MBR_ENTRIES + 16 * i;

		if (entry[0] != 0 && entry[0] != 0x80)
			return false;
		used |= entry[4] != 0 && load_le32(entry + 12) != 0;
	}
	return used;
}

/* A GPT header in the second sector, of 512 or 4096 bytes. */
static bool has_gpt(const uint8_t *head)
{
	return !memcmp(head + 512, "EFI PART", 8) || !memcmp(head + 4096, "EFI PART", 8);
}

/* SHA-256 cannot fail but for lack of memory. */
static void digest_ends(struct image_probe *probe)
{
	uint8_t ends[IMAGE_PROBE_HEAD + IMAGE_PROBE_TAIL];

	memcpy(ends, probe->head, IMAGE_PROBE_HEAD);
	memcpy(ends + IMAGE_PROBE_HEAD, probe->tail, IMAGE_PROBE_TAIL);
	if (EVP_Digest(ends, sizeof(ends), probe->digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

int image_probe_read(struct source *file, struct image_probe **ret, struct error *err)
{
	const struct source_read how = { .priority = SOURCE_DEMAND, .metadata = true };
	cleanup_free struct image_probe *probe = calloc(1, sizeof(*probe));
	uint64_t size = file->identity.size;
	int r;

	if (!probe)
		return error_set(err, ENOMEM, "%s: no memory to look at it", file->name);
	if (size == 0)
		return error_set(err, EINVAL, "%s: the file is empty", file->name);
	probe->size = size;
	probe->head_len = min_u64(size, sizeof(probe->head));
	probe->tail_len = min_u64(size, sizeof(probe->tail));
	r = source_read(file, probe->head, probe->head_len, 0, &how, err);
	if (r < 0)
		return r;
	r = source_read(file, probe->tail, probe->tail_len, size - probe->tail_len, &how, err);
	if (r < 0)
		return r;
	digest_ends(probe);
	if (has_mbr(probe->head) || has_gpt(probe->head)) {
		memset(probe->head, 0, sizeof(probe->head));
		probe->head_len = 0;
	}
	*ret = take_ptr(probe);
	return 0;
}

static const struct {
	const char *magic;
	uint8_t len;
	const char *is;
	const char *advice;
} refused[] = {
	{ "\x1f\x8b\x08", 3, "compressed with gzip", "decompress it first (gunzip)" },
	{ "\xfd"
	  "7zXZ\0",
	  6, "compressed with xz", "decompress it first (unxz)" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed with zstd", "decompress it first (unzstd)" },
	{ "BZh", 3, "compressed with bzip2", "decompress it first (bunzip2)" },
	{ "\x04\x22\x4d\x18", 4, "compressed with lz4", "decompress it first (unlz4)" },
	{ "PK\x03\x04", 4, "a zip archive", "unpack it first (unzip)" },
	{ "7z\xbc\xaf\x27\x1c", 6, "a 7-zip archive", "unpack it first (7z x)" },
	{ "KDMV", 4, "a VMDK image", "convert it first (qemu-img convert -O qcow2)" },
	{ "# Disk DescriptorFile", 21, "a VMDK descriptor",
	  "convert it first (qemu-img convert -O qcow2)" },
	{ "<<< ", 4, "a VDI image", "convert it first (qemu-img convert -O qcow2)" },
	{ "QED\0", 4, "a QED image", "convert it first (qemu-img convert -O qcow2)" },
};

int image_probe_refuse(const struct image_probe *probe, const struct source *file,
                       struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		if (probe->head_len < refused[i].len ||
		    memcmp(probe->head, refused[i].magic, refused[i].len) != 0)
			continue;
		return error_set(err, ENOTSUP,
		                 "%s is %s, which cannot be read at random places: %s, or say "
		                 "--format raw if this is the disk itself",
		                 file->name, refused[i].is, refused[i].advice);
	}
	return 0;
}
