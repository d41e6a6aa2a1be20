/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own memory, handed out once and never taken back.  Processors ask one after the other while
 * they are started; later only machine_touch() does, under its lock.
 */
#ifndef HYPERVISOR_CORE_POOL_H
#define HYPERVISOR_CORE_POOL_H

#include <stdint.h>

/* [base, base + size) physical, whole pages, mapped at DIRECT_BASE. */
void pool_setup(uint64_t base, uint64_t size);

/*
 * Zeroed pages that lie side by side; panics when there are none, since main.c has computed how
 * many are needed.
 */
void *pool_pages(uint64_t count);

/* A page of zeros, or NULL; for struct tables. */
uint64_t *pool_page_or_null(void *unused);

uint64_t pool_address(const void *at); /* physical */
uint64_t pool_used(void);              /* bytes */

#endif
