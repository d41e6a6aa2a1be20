/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of the command's table, ordered as help shows them: X(run) stands for `verb_run`,
 * defined in cli/verb-run.c.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/cli.h"

/* A verb a line. */
/* clang-format off */
#define CLI_VERBS(X) \
	X(run) \
	X(create) \
	X(start) \
	X(stop) \
	X(restart) \
	X(list) \
	X(info) \
	X(console) \
	X(delete) \
	X(rename) \
	X(login) \
	X(logout) \
	X(search) \
	X(pull) \
	X(push) \
	X(images) \
	X(tag) \
	X(rmi) \
	X(library_list) \
	X(library_add) \
	X(library_remove) \
	X(library_create) \
	X(library_mirror) \
	X(disk_info) \
	X(disk_check) \
	X(disk_serve) \
	X(disk_fill) \
	X(disk_verify) \
	X(convert) \
	X(pack) \
	X(import) \
	X(publish) \
	X(export) \
	X(trace_export) \
	X(trace_import) \
	X(key_new) \
	X(key_list) \
	X(key_trust) \
	X(key_distrust) \
	X(key_forget) \
	X(key_policy) \
	X(host_status) \
	X(host_screen) \
	X(host_confirm)
/* clang-format on */

#define X(verb) extern const struct cli_verb verb_##verb;
CLI_VERBS(X)
#undef X

#endif
