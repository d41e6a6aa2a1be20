/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kinds of sources owe source.c: one constructor each, which contacts nothing.
 */
#ifndef DISK_SOURCE_KINDS_H
#define DISK_SOURCE_KINDS_H

#include "disk/source/source.h"
#include "disk/source/url.h"

/* `options` has its defaults filled in; strings in it are copied. */
int file_create(const struct source_url *url, const struct source_options *options,
                struct source **ret, struct error *err);
int http_create(const struct source_url *url, const struct source_options *options,
                struct source **ret, struct error *err);
int nbd_source_create(const struct source_url *url, const struct source_options *options,
                      struct source **ret, struct error *err);

/* The sample of source_identity_sample() by another way to read. */
typedef int identity_reader(void *arg, void *buf, size_t len, uint64_t off, struct error *err);
int identity_sample_with(uint64_t size, identity_reader *read, void *arg, uint8_t ret[32],
                         struct error *err);

#endif
