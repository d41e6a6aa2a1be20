/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The five functions of C's <string.h> that compilers and we call.  The freestanding link takes
 * them from string.c, the host from its libc.
 */
#ifndef HYPERVISOR_CORE_STRING_H
#define HYPERVISOR_CORE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *at, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

#endif
