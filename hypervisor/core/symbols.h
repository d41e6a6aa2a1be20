/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of our functions, for a backtrace.  symbols.sh makes the table out of a first link; the
 * second one puts it behind the code, which it therefore does not move.
 *
 *   u32 count                       little-endian
 *   count × { u32 low; u32 name; }  low half of the address, ascending; name's offset in the table
 *   names, each with a zero byte    the last is empty, at the end of the code
 */
#ifndef HYPERVISOR_CORE_SYMBOLS_H
#define HYPERVISOR_CORE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

/* The function that holds the address, and how far behind its start; NULL outside all of them. */
const char *symbol_find(const uint8_t *table, size_t size, uint64_t address, uint64_t *ret_offset);

/* The same, in our own table. */
const char *symbol_at(uint64_t address, uint64_t *ret_offset);

#endif
