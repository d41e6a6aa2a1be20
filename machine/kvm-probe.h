/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MACHINE_KVM_PROBE_H
#define MACHINE_KVM_PROBE_H

#include "util/error.h"

/*
 * Can KVM run 64-bit guests here?  0 after such a guest has run to its end; else -errno, with a
 * sentence that says how far it got.  That /dev/kvm can be opened proves nothing: it may belong to
 * a host that runs only guests made for it.  Takes milliseconds where KVM works and at most
 * KVM_PROBE_MS where it hangs.  Forks: call it from a program with one thread.
 */
int kvm_probe(const char *device, struct error *err);

#define KVM_PROBE_DEVICE "/dev/kvm"
#define KVM_PROBE_MS     3000

#endif
