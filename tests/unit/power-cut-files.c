// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/power-cut-files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

void *cut_must(void *p)
{
	if (!p)
		abort();
	return p;
}

uint8_t *cut_page_find(const struct cut_file *file, uint64_t number)
{
	for (size_t i = 0; i < file->n_pages; i++)
		if (file->pages[i].number == number)
			return file->pages[i].data;
	return NULL;
}

uint8_t *cut_page_make(struct cut_file *file, uint64_t number)
{
	uint8_t *at = cut_page_find(file, number);

	if (at)
		return at;
	if (file->n_pages == file->room) {
		file->room = file->room ? 2 * file->room : 8;
		file->pages = cut_must(realloc(file->pages, file->room * sizeof(*file->pages)));
	}
	file->pages[file->n_pages].number = number;
	memset(file->pages[file->n_pages].data, 0, CUT_PAGE);
	return file->pages[file->n_pages++].data;
}

void cut_file_write(struct cut_file *file, const uint8_t *data, uint64_t off, uint64_t len)
{
	if (off + len > file->size)
		file->size = off + len;
	while (len > 0) {
		uint64_t n = min_u64(len, CUT_PAGE - off % CUT_PAGE);

		memcpy(cut_page_make(file, off / CUT_PAGE) + off % CUT_PAGE, data, n);
		data += n;
		off += n;
		len -= n;
	}
}

void cut_file_punch(struct cut_file *file, uint64_t off, uint64_t len)
{
	for (size_t i = 0; i < file->n_pages;) {
		uint64_t at = file->pages[i].number * CUT_PAGE;

		if (at >= off && at + CUT_PAGE <= off + len)
			file->pages[i] = file->pages[--file->n_pages];
		else
			i++;
	}
}

void cut_file_resize(struct cut_file *file, uint64_t size)
{
	file->size = size;
	cut_file_punch(file, round_up(size, CUT_PAGE), UINT64_C(1) << 62);
}

struct cut_name *cut_name_find(struct cut *cut, const char *path)
{
	for (unsigned int i = 0; i < cut->n_names; i++)
		if (strcmp(cut->names[i].path, path) == 0)
			return &cut->names[i];
	return NULL;
}

void cut_name_remove(struct cut *cut, const char *path)
{
	struct cut_name *name = cut_name_find(cut, path);

	if (name)
		*name = cut->names[--cut->n_names];
}

void cut_name_set(struct cut *cut, const char *path, unsigned int file)
{
	cut_name_remove(cut, path);
	if (cut->n_names == CUT_NAMES)
		abort();
	snprintf(cut->names[cut->n_names].path, sizeof(cut->names[0].path), "%s", path);
	cut->names[cut->n_names++].file = file;
}

void cut_name_rename(struct cut *cut, const char *from, const char *to)
{
	struct cut_name *name = cut_name_find(cut, from);
	unsigned int file;

	if (!name)
		return;
	file = name->file;
	cut_name_remove(cut, from);
	cut_name_set(cut, to, file);
}

void cut_apply(struct cut *to, const struct cut_event *event)
{
	struct cut_file *file = &to->files[event->file];

	switch (event->kind) {
	case CUT_WRITE:
		cut_file_write(file, event->data, event->off, event->len);
		break;
	case CUT_PUNCH:
		cut_file_punch(file, event->off, event->len);
		break;
	case CUT_RESIZE:
		cut_file_resize(file, event->len);
		break;
	case CUT_LINK:
		cut_name_set(to, event->to, event->file);
		break;
	case CUT_RENAME:
		cut_name_rename(to, event->from, event->to);
		break;
	case CUT_UNLINK:
		cut_name_remove(to, event->from);
		break;
	case CUT_SYNC:
	case CUT_SYNC_DIR:
		break;
	}
}
