/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes an installed system this one and no other, and what of people it keeps: the files that
 * must not travel with an image.  docs/publish.md shows this table.
 */
#ifndef LIBRARY_GUEST_RULES_H
#define LIBRARY_GUEST_RULES_H

enum identity_way {
	IDENTITY_REMOVE,
	IDENTITY_EMPTY, /* the file stays, with nothing in it */
	IDENTITY_WIPE,  /* it keeps its size and first page (swap); the rest is zero */
};

struct identity_rule {
	const char *what; /* "SSH host key" */
	/*
	 * Components between '/' are patterns as in the shell.  "~" in front stands for the folders
	 * of people: /root and those in /home.  A last "**" stands for every file beneath.
	 */
	const char *path;
	enum identity_way way;
};

/* Ended by one whose path is NULL. */
extern const struct identity_rule identity_rules[];

/* The folders of people that "~" stands for, ended by NULL. */
extern const char *const identity_homes[];

#endif
