// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the format tests look through: opens an image as the disk engine does and writes it out raw,
 * or prints what it is made of.
 *
 *   image-dump [-f FORMAT] [-p PARENT] [-s SEED] raw FILE OUT   every byte, in reads of mixed sizes
 *   image-dump … map FILE                                       start, length and kind of each run
 *   image-dump … info FILE                                      the object of `sill disk info`
 *   image-dump … check FILE                                     one problem a line; fails on any
 *   image-dump … cost FILE                                      bytes and requests of opening
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "disk/format/image.h"
#include "util/io.h"

static void print_line(void *arg, const char *text)
{
	fprintf(arg, "%s\n", text);
}

static int dump_run(struct image *image, int fd, uint8_t *buf, uint64_t off, uint64_t len,
                    struct error *err)
{
	while (len > 0) {
		size_t n = min_u64(len, 512 * (1 + (uint64_t)rand() % (4 * MIB / 512)));
		int r = image_read(image, buf, n, off, NULL, err);

		if (r == 0 && pwrite_all(fd, buf, n, off) < 0)
			r = error_sys(err, errno, "output");
		if (r < 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

/*
 * Runs that the map calls zero are left out, so that a map that is wrong shows in the output; every
 * second time they are read all the same.
 */
static int dump(struct image *image, const char *out, struct error *err)
{
	cleanup_close int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cleanup_free uint8_t *buf = malloc(4 * MIB);
	unsigned int runs = 0;
	int r = 0;

	if (fd < 0 || !buf || ftruncate(fd, (off_t)image->size) < 0)
		return error_sys(err, errno, "%s", out);
	for (uint64_t off = 0, len; off < image->size && r == 0; off += len) {
		enum image_extent kind;

		r = image_map(image, off, image->size - off, NULL, &kind, &len, err);
		if (r == 0 && (kind != IMAGE_EXTENT_ZERO || (runs++ % 2 && len <= 64 * MIB)))
			r = dump_run(image, fd, buf, off, len, err);
	}
	return r;
}

static int print_map(struct image *image, struct error *err)
{
	static const char *const kinds[] = { "zero", "data", "packed" };

	for (uint64_t off = 0, len; off < image->size; off += len) {
		enum image_extent kind;
		int r = image_map(image, off, image->size - off, NULL, &kind, &len, err);

		if (r < 0)
			return r;
		printf("%llu %llu %s\n", (unsigned long long)off, (unsigned long long)len,
		       kinds[kind]);
	}
	return 0;
}

static int print_info(struct image *image, struct error *err)
{
	json_t *info;
	int r = image_info(image, &info, err);

	if (r < 0)
		return r;
	json_dumpf(info, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(info);
	return 0;
}

static int work(char **argv, struct image *image, struct error *err)
{
	if (!strcmp(argv[0], "raw") && argv[2])
		return dump(image, argv[2], err);
	if (!strcmp(argv[0], "map"))
		return print_map(image, err);
	if (!strcmp(argv[0], "info"))
		return print_info(image, err);
	if (!strcmp(argv[0], "check"))
		return image_check(image, print_line, stdout, err);
	if (!strcmp(argv[0], "cost")) {
		printf("%llu %llu\n", (unsigned long long)image->file->bytes_fetched,
		       (unsigned long long)image->file->requests);
		return 0;
	}
	return error_set(err, EINVAL, "%s is not something to do", argv[0]);
}

static struct source_places list_of(struct source_place *place, const char *url)
{
	*place = (struct source_place){ .url = url };
	return (struct source_places){ .at = place, .n = 1 };
}

int main(int argc, char **argv)
{
	struct image_options options = { .warn = print_line, .arg = stderr };
	struct source_place place, parent;
	cleanup(source_close) struct source *file = NULL;
	cleanup(image_close) struct image *image = NULL;
	struct error err = { 0 };
	int option, r = 0;

	while (r == 0 && (option = getopt(argc, argv, "f:p:s:")) >= 0) {
		if (option == 'f')
			r = image_format_parse(optarg, &options.format, &err);
		else if (option == 'p')
			options.parents = list_of(&parent, optarg);
		else if (option == 's')
			srand((unsigned int)strtoul(optarg, NULL, 10));
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	options.places = list_of(&place, argv[optind + 1]);
	if (r == 0)
		r = source_open(place.url, NULL, &file, &err);
	if (r == 0)
		r = image_open(file, &options, &image, &err);
	if (r == 0) {
		file = NULL;
		r = work(argv + optind, image, &err);
	}
	if (r < 0)
		fprintf(stderr, "image-dump: %s\n", err.text);
	return r != 0;
}
