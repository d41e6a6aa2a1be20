/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pure logic of the module needs from whoever compiles it: the kernel, or the host for the
 * tests.  In the kernel it comes before everything else (Kbuild says -include): the contracts with
 * the hypervisor want UINT64_C.
 */
#ifndef MODULE_PORT_H
#define MODULE_PORT_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/types.h>
#ifndef UINT64_C
#define UINT32_C(n) n##U
#define UINT64_C(n) n##ULL
#define UINT32_MAX  U32_MAX
#define UINT64_MAX  U64_MAX
#endif
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* Nobody else's memory is here that a processor could read ahead of a check. */
#define array_index_nospec(index, size) ((index) < (size) ? (index) : 0)
#endif

#endif
