/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The status screen of a Sill PC, as text: facts about the host (host/facts.h) in, lines out.  Who shows
 * it (cli/verb-host-screen.c) clears the terminal and reads keys.
 *
 * Only characters that every console has, and nothing that a machine's name or a server's sentence
 * could make the terminal do: they were made printable where they came in.
 */
#ifndef HOST_SCREEN_H
#define HOST_SCREEN_H

#include <jansson.h>
#include <stddef.h>

#include "util/error.h"

#define SCREEN_MAX_MACHINES 9 /* as many as there are keys; the others are counted */

/* At least these; a smaller terminal shows the upper left. */
#define SCREEN_MIN_COLUMNS 60
#define SCREEN_MIN_ROWS    16

/*
 * The whole screen as text with '\n' between lines, at most `rows` lines of at most `columns`
 * characters.  `note` is the last line: what a key has led to; NULL: none.  The caller frees *ret.
 */
int screen_draw(const json_t *facts, const char *note, size_t columns, size_t rows, char **ret,
                struct error *err);

/* The name of the machine behind a key, '1' to '9'; NULL: none.  Belongs to `facts`. */
const char *screen_machine(const json_t *facts, char key);

#endif
