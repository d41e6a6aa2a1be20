/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process of its own in which a guest's disk is looked through: file systems that strangers made
 * are read by large libraries.
 *
 * It is forked before anything secret was read, has one descriptor (a socket to us), no other
 * system call than reading and writing that and getting memory (seccomp), no more memory and
 * processor time than it may need, and dies with us.  What it sends is foreign: every request is
 * checked against the disk, every text made printable.  The worst that a disk can bring about is
 * that its own content is read wrongly, or changed where changes were allowed.
 *
 * Threads: one at a time.
 */
#ifndef LIBRARY_GUEST_WORKER_H
#define LIBRARY_GUEST_WORKER_H

#include "library/guest/identity.h"
#include "util/cleanup.h"

struct guest_worker;

/* Start it: early in a program, while it has one thread. */
int guest_worker_start(struct guest_worker **ret, struct error *err);
/* End it.  NULL is allowed. */
void guest_worker_end(struct guest_worker *worker);
DEFINE_CLEANUP(struct guest_worker *, guest_worker_end);

/* identity_look() over there; once.  -EREMOTEIO when the process died over it. */
int guest_worker_look(struct guest_worker *worker, struct guest_disk *disk, bool strip,
                      const struct identity_report *report, struct error *err);

#endif
