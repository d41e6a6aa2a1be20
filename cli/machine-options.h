/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options that say what a machine is: shared by run and create.
 */
#ifndef CLI_MACHINE_OPTIONS_H
#define CLI_MACHINE_OPTIONS_H

#include "cli/judge.h"
#include "cli/options.h"
#include "machine/machine.h"
#include "machine/name.h"

#define OPTIONS_MACHINE                                                                            \
	{ .name = "name",                                                                          \
	  .type = CLI_NAME,                                                                        \
	  .value = "NAME",                                                                         \
	  .help = "What to call the machine; without it a name is made from the image's" },        \
		{ .name = "cpus",                                                                  \
		  .type = CLI_NUMBER,                                                              \
		  .value = "N",                                                                    \
		  .low = 1,                                                                        \
		  .high = MANIFEST_MAX_CPUS,                                                       \
		  .help = "Processors; 2 unless said" },                                           \
		{ .name = "memory",                                                                \
		  .letter = 'm',                                                                   \
		  .type = CLI_BYTES,                                                               \
		  .value = "BYTES",                                                                \
		  .low = MANIFEST_MIN_MEMORY,                                                      \
		  .high = MANIFEST_MAX_MEMORY,                                                     \
		  .help = "Memory, such as 512M or 4G; 2G unless said" },                          \
		{ .name = "firmware",                                                              \
		  .type = CLI_CHOICE,                                                              \
		  .value = "FIRMWARE",                                                             \
		  .choices = { "auto", "bios", "uefi" },                                           \
		  .help = "What starts the machine; auto looks at the disk" },                     \
		{ .name = "display",                                                               \
		  .type = CLI_CHOICE,                                                              \
		  .value = "DISPLAY",                                                              \
		  .choices = { "none", "vnc", "gtk" },                                             \
		  .help = "Where the screen is shown: nowhere (the serial console is always "      \
		          "there), over VNC on a Unix socket, or in a window" },                   \
		{ .name = "port",                                                                  \
		  .letter = 'p',                                                                   \
		  .repeat = true,                                                                  \
		  .type = CLI_TEXT,                                                                \
		  .value = "[ADDRESS:]HOST:GUEST",                                                 \
		  .help = "Forward TCP connections to port HOST of this computer (address "        \
		          "127.0.0.1 unless said) to port GUEST of the machine. May be given "     \
		          "more than once" },                                                      \
		{ .name = "ephemeral",                                                             \
		  .type = CLI_FLAG,                                                                \
		  .help = "Throw away what the machine writes at the end of each session" },       \
		{ .name = "accel",                                                                 \
		  .type = CLI_CHOICE,                                                              \
		  .value = "ACCEL",                                                                \
		  .choices = { "auto", "kvm", "tcg" },                                             \
		  .help = "KVM or emulation; auto takes KVM when a probe has run 64-bit guest "    \
		          "code with it" },                                                        \
		{ .name = "fill",                                                                  \
		  .bare = true,                                                                    \
		  .type = CLI_BYTES,                                                               \
		  .value = "RATE",                                                                 \
		  .help = "Fetch the whole image in the background, at most RATE bytes a second; " \
		          "after that the network is not needed" },                                \
		{ .name = "no-trace",                                                              \
		  .type = CLI_FLAG,                                                                \
		  .help = "Neither record the order in which the boot reads nor fetch ahead by "   \
		          "an earlier record" },                                                   \
		{ .name = "no-sweep",                                                              \
		  .type = CLI_FLAG,                                                                \
		  .help = "While the machine starts for the first time, leave the link idle "      \
		          "when it waits for nothing; without this it brings what may be read "    \
		          "next" },                                                                \
		OPTION_NO_READAHEAD, OPTION_FORMAT, OPTION_PARENT, OPTIONS_SOURCE, OPTIONS_JUDGE

/* "2G" and 2 in the help above. */
#define MACHINE_DEFAULT_CPUS   2
#define MACHINE_DEFAULT_MEMORY (2ull << 30)

/* Make the machine that the call describes; its name goes to ret_name. */
int cli_create_machine(const struct cli_call *call, const struct state *state,
                       char ret_name[MACHINE_NAME_MAX + 1], struct error *err);

#endif
