/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the power cut's file system does to its files and names, now or in a replay. */
#ifndef TESTS_UNIT_POWER_CUT_FILES_H
#define TESTS_UNIT_POWER_CUT_FILES_H

#include "tests/unit/power-cut.h"

/* Aborts for want of memory: a test cannot go on. */
void *cut_must(void *p);

/* A page of a file, or NULL; the same, made of zeros where there is none. */
uint8_t *cut_page_find(const struct cut_file *file, uint64_t number);
uint8_t *cut_page_make(struct cut_file *file, uint64_t number);
void cut_file_write(struct cut_file *file, const uint8_t *data, uint64_t off, uint64_t len);
/* Only whole pages go. */
void cut_file_punch(struct cut_file *file, uint64_t off, uint64_t len);
void cut_file_resize(struct cut_file *file, uint64_t size);

struct cut_name *cut_name_find(struct cut *cut, const char *path);
void cut_name_remove(struct cut *cut, const char *path);
void cut_name_set(struct cut *cut, const char *path, unsigned int file);
void cut_name_rename(struct cut *cut, const char *from, const char *to);

/* What was recorded happens to `to`. */
void cut_apply(struct cut *to, const struct cut_event *event);

#endif
