/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_QEMU_IMAGE_H
#define CLI_QEMU_IMAGE_H

#include "disk/format/convert.h"

/*
 * image_convert() for the formats that QEMU writes: `qemu-img create` makes the file, qemu-nbd
 * fills it with what is read here, so zeros stay unwritten and nothing is stored twice.  -ENOENT
 * with what to install when they are not there.  `subformat` is VHDX's, NULL for qemu-img's own
 * choice.
 */
int qemu_image_convert(struct image *image, const char *path, const char *subformat,
                       const struct convert_options *options, struct convert_result *ret,
                       struct error *err);

/* The same for a VMDK in one compressed file, as machines are exchanged (streamOptimized). */
int qemu_vmdk_convert(struct image *image, const char *path, const struct convert_options *options,
                      struct convert_result *ret, struct error *err);

#endif
