// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The processor's string instructions, 8 bytes at a time: a root kernel and its initrd are copied
 * by these.  Not for the host, which has its own.
 */
#include "hypervisor/core/string.h"

#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	void *at = to;
	size_t words = size / 8, bytes = size % 8;

	__asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes)::"memory");
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	void *last = (char *)to + size - 1;

	if ((uintptr_t)to - (uintptr_t)from >= size)
		return memcpy(to, from, size);
	/* `to` lies within the source: from the end back. */
	from = (const char *)from + size - 1;
	__asm__ volatile("std\n\trep movsb\n\tcld"
	                 : "+D"(last), "+S"(from), "+c"(size)::"memory", "cc");
	return to;
}

void *memset(void *at, int byte, size_t size)
{
	void *to = at;
	uint64_t pattern = (uint8_t)byte * UINT64_C(0x0101010101010101);
	size_t words = size / 8, bytes = size % 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
	return at;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < size; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

size_t strlen(const char *text)
{
	const char *end = text;

	while (*end) {
		end++;
		/* Or the compiler sees what this loop is, and calls strlen. */
		__asm__("" : "+r"(end));
	}
	return (size_t)(end - text);
}
