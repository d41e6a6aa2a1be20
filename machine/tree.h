/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_TREE_H
#define MACHINE_TREE_H

#include "util/error.h"

/*
 * Remove a directory and all that is in it, without following links; 0 when it is not there.
 * `dirfd` as in openat(2).
 */
int tree_remove(int dirfd, const char *path, struct error *err);

#endif
