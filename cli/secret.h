/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passwords and passphrases, as a person gives them: typed on the terminal, where they are not shown,
 * or in a file.  Never on the command line, which other people of the computer can read.
 *
 * They go straight into the caller's buffer, which the caller wipes with OPENSSL_cleanse().
 */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

#define SECRET_ROOM 1024

/*
 * Ask on the terminal, which need not be standard input; `twice`: it has to be typed again, because
 * it is a new one.  Its length; -ENOTTY without a terminal, -ECANCELED when nothing came.
 */
int cli_ask_secret(const char *prompt, bool twice, char ret[SECRET_ROOM], struct error *err);

/*
 * The first line of a file, or of standard input ("-").  Its length; -EPERM when other people may
 * read the file, -ENODATA when the line is empty.
 */
int cli_read_secret(const char *path, char ret[SECRET_ROOM], struct error *err);

#endif
