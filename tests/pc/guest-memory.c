// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a guest: so many MiB of memory, all words of which are written and looked at again and again.
 *
 * guest-memory MIB ROUNDS      "guest: memory is right" after them, or what is not
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static uint64_t word_of(size_t at, unsigned int round)
{
	return (at ^ (uint64_t)round << 56) * 0x9E3779B97F4A7C15u;
}

int main(int argc, char **argv)
{
	size_t words = argc > 2 ? strtoul(argv[1], NULL, 10) << 17 : 0;
	unsigned int rounds = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0, round;
	volatile uint64_t *memory =
		mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (!words || memory == MAP_FAILED) {
		printf("guest: there is no such memory\n");
		return 1;
	}
	for (round = 1; round <= rounds; round++) {
		/* What was written in the round before is read once, and replaced. */
		for (i = 0; i < words; i++) {
			if (memory[i] != (round == 1 ? 0 : word_of(i, round - 1))) {
				printf("guest: round %u: word %zx is %llx\n", round, i,
				       (unsigned long long)memory[i]);
				return 1;
			}
			memory[i] = word_of(i, round);
		}
		printf("guest: round %u\n", round);
		fflush(stdout);
	}
	printf("guest: memory is right\n");
	return 0;
}
