/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_NAME_H
#define MACHINE_NAME_H

#include "util/error.h"

#define MACHINE_NAME_MAX 63

/*
 * A machine's name is the name of its directory and of its sockets: a small letter or digit, then
 * up to 62 of those, dots and dashes.  -EINVAL with a sentence that quotes it.
 */
int machine_name_check(const char *name, struct error *err);

/*
 * A name after an image: "https://host/pub/Debian_12.vhd?x=1" gives "debian-12".  "machine" when
 * nothing of it is usable.
 */
void machine_name_from_image(const char *image, char ret[MACHINE_NAME_MAX + 1]);

#endif
