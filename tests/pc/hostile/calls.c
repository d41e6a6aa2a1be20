// SPDX-License-Identifier: GPL-2.0-or-later
/* Hypercalls, as they are meant and as they are not. */
#include "tests/pc/hostile/guest.h"

int64_t call4(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	int64_t result;

	__asm__ volatile("vmmcall"
	                 : "=a"(result)
	                 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
	                 : "memory");
	return result;
}

int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	return call4(number, a, b, c, 0);
}

static struct sill_stats stats_of(const struct cpu *cpu)
{
	struct sill_stats stats = { 0 };

	hypercall(SILL_CALL_STATS, cpu->hypervisor_index, (uintptr_t)&stats, sizeof(stats));
	return stats;
}

uint64_t denials(struct cpu *cpu)
{
	return hypervisor ? stats_of(cpu).exits[SILL_EXIT_DENIED] : 0;
}

bool denied(struct cpu *cpu, uint64_t before, uint64_t times)
{
	uint64_t now = denials(cpu) - before;

	if (!hypervisor || now == times)
		return true;
	return say(&cpu->why, "the hypervisor counted %llu denials, not %llu",
	           (unsigned long long)now, (unsigned long long)times);
}

uint32_t cpu_state(const struct cpu *cpu)
{
	return stats_of(cpu).state;
}

uint64_t cpu_kicks(const struct cpu *cpu)
{
	return stats_of(cpu).kicks;
}

static uint8_t buffer[SILL_BUFFER_MAX + 8192] __attribute__((aligned(4096)));

#define FILL 0xa5

static bool untouched(const uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (from[i] != FILL)
			return false;
	}
	return true;
}

/* `c` of a test's row is the address, or the place in our buffer when it is below its size. */
static uint64_t place(uint64_t c)
{
	return c < sizeof(buffer) ? (uintptr_t)buffer + c : c;
}

/* An address by its distance from the hypervisor's memory. */
#define FROM_BASE(distance) (UINT64_C(0xf0) << 56 | ((distance)&0xffffffffff))
#define FROM_END(distance)  (UINT64_C(0xf1) << 56 | ((distance)&0xffffffffff))

static uint64_t resolve(uint64_t c)
{
	uint64_t distance = (uint64_t)((int64_t)(c << 24) >> 24);

	if (c >> 56 == 0xf0)
		return info.memory_base + distance;
	if (c >> 56 == 0xf1)
		return info.memory_base + info.memory_size + distance;
	return place(c);
}

/* Hostile arguments: an error, and our memory is as it was. */
static bool gives(struct cpu *cpu, const struct test *test)
{
	uint64_t at = resolve(test->c);
	int64_t result;

	memset(buffer, FILL, sizeof(buffer));
	result = test->a == SILL_CALL_STATS ? hypercall(test->a, cpu->hypervisor_index, at, test->b)
	                                    : hypercall(test->a, at, test->b, 0);
	if (result != test->result)
		return say(&cpu->why, "the result is %lld", (long long)result);
	return untouched(buffer, sizeof(buffer)) || say(&cpu->why, "it wrote all the same");
}

static bool number_gives(struct cpu *cpu, const struct test *test)
{
	int64_t result = hypercall(test->a, test->b, test->c, 0);

	return result == test->result ||
	       say(&cpu->why, "the result is %llx", (unsigned long long)result);
}

static bool no_such_processor(struct cpu *cpu, const struct test *test)
{
	const uint64_t indexes[] = { info.cpus, info.cpus + 1000, UINT32_MAX, UINT64_C(1) << 32,
		                     UINT64_MAX };

	(void)test;
	for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
		if (hypercall(SILL_CALL_STATS, indexes[i], (uintptr_t)buffer, 8) != -SILL_EINVAL)
			return say(&cpu->why, "there is a processor %llx",
			           (unsigned long long)indexes[i]);
	}
	return true;
}

/* `b` bytes are asked for: so many come, and none behind. */
static bool cut(struct cpu *cpu, const struct test *test)
{
	int64_t result;

	memset(buffer, FILL, sizeof(buffer));
	result =
		test->a == SILL_CALL_STATS
			? hypercall(test->a, cpu->hypervisor_index, (uintptr_t)buffer + 64, test->b)
			: hypercall(test->a, (uintptr_t)buffer + 64, test->b, 0);
	if (result != test->result)
		return say(&cpu->why, "the result is %lld", (long long)result);
	if (!untouched(buffer, 64) ||
	    !untouched(buffer + 64 + min_u64(test->b, (uint64_t)test->result), 512))
		return say(&cpu->why, "it wrote around the buffer");
	return !untouched(buffer + 64, test->b) || say(&cpu->why, "it wrote nothing");
}

static bool log_stays_inside(struct cpu *cpu, const struct test *test)
{
	struct sill_log *head = (struct sill_log *)(buffer + 64);
	int64_t result;

	memset(buffer, FILL, sizeof(buffer));
	head->from = test->a;
	result = hypercall(SILL_CALL_LOG, (uintptr_t)head, test->b, 0);
	if (result < 0 || result > (int64_t)(test->b - sizeof(*head)) || result != head->length ||
	    head->reserved != 0)
		return say(&cpu->why, "the result is %lld, length %u", (long long)result,
		           head->length);
	if (!untouched(buffer, 64) || !untouched((uint8_t *)(head + 1) + result, 4096))
		return say(&cpu->why, "it wrote around the buffer");
	if (head->start > head->end || head->start + head->length > head->end ||
	    (test->a == UINT64_MAX) != (result == 0))
		return say(&cpu->why, "bytes %llu to %llu, %u of them",
		           (unsigned long long)head->start, (unsigned long long)head->end,
		           head->length);
	return test->a == UINT64_MAX || (head + 1)->from != 0;
}

static bool undefined_elsewhere(struct cpu *cpu, const struct test *test)
{
	uint64_t before = denials(cpu);

	act(cpu, test->mode, &act_vmmcall, 0, SILL_CALL_VERSION, 0);
	return trapped(cpu, VECTOR_UD, 0) && denied(cpu, before, 1);
}

static bool keeps_registers(struct cpu *cpu, const struct test *test)
{
	/* rax is the call's; the rest is filled with its own number. */
	uint64_t wrong = 0;
	int64_t result = (int64_t)test->a;

	__asm__ volatile(
		"push %%rbx; push %%rbp\n\t"
		"mov $1, %%ebx; mov $2, %%ecx; mov $3, %%edx; mov $4, %%esi; mov $5, %%edi\n\t"
		"mov $6, %%ebp; mov $8, %%r8d; mov $9, %%r9d; mov $10, %%r10d; mov $11, %%r11d\n\t"
		"mov $12, %%r12d; mov $13, %%r13d; mov $14, %%r14d; mov $15, %%r15d\n\t"
		"stc; std\n\t"
		"vmmcall\n\t"
		"pushf\n\t"
		"sub $1, %%rbx; sub $2, %%rcx; sub $3, %%rdx; sub $4, %%rsi; sub $5, %%rdi\n\t"
		"sub $6, %%rbp; sub $8, %%r8; sub $9, %%r9; sub $10, %%r10; sub $11, %%r11\n\t"
		"sub $12, %%r12; sub $13, %%r13; sub $14, %%r14; sub $15, %%r15\n\t"
		"or %%rbx, %%rcx; or %%rcx, %%rdx; or %%rdx, %%rsi; or %%rsi, %%rdi\n\t"
		"or %%rdi, %%rbp; or %%rbp, %%r8; or %%r8, %%r9; or %%r9, %%r10\n\t"
		"or %%r10, %%r11; or %%r11, %%r12; or %%r12, %%r13; or %%r13, %%r14\n\t"
		"or %%r14, %%r15\n\t"
		"pop %%rcx; and $0x401, %%ecx; xor $0x401, %%ecx; or %%rcx, %%r15; cld\n\t"
		"mov %%r15, %%rdx\n\t"
		"pop %%rbp; pop %%rbx"
		: "+a"(result), "=d"(wrong)
		:
		: "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
		  "memory");
	return (wrong == 0 && result == test->result) ||
	       say(&cpu->why, "the result is %lld, what has changed %llx", (long long)result,
	           (unsigned long long)wrong);
}

static void keep_asking(struct cpu *cpu, uint64_t failures)
{
	struct sill_info answer = { 0 };

	for (int i = 0; i < 500; i++) {
		struct sill_stats stats = stats_of(cpu);

		if (hypercall(SILL_CALL_INFO, (uintptr_t)&answer, sizeof(answer), 0) !=
		            sizeof(answer) ||
		    answer.memory_base != info.memory_base || stats.state != SILL_CPU_RUNNING ||
		    stats.apic_id != cpu->id || hypercall(15, 0, 0, 0) != -SILL_ENOCALL)
			__atomic_fetch_add((uint32_t *)failures, 1, __ATOMIC_RELAXED);
	}
}

static bool all_at_once(struct cpu *cpu, const struct test *test)
{
	uint32_t failures = 0;

	(void)test;
	for (uint32_t id = 0; id < cpus; id++) {
		/* The boot processor waits for this one, or is it. */
		if (id != cpu->id)
			ask(cpu_at(id), keep_asking, (uintptr_t)&failures);
	}
	keep_asking(cpu, (uintptr_t)&failures);
	for (uint32_t id = 0; id < cpus; id++) {
		if (id != cpu->id && !await(cpu, cpu_at(id)))
			return false;
	}
	return failures == 0 || say(&cpu->why, "%u answers were wrong", failures);
}

/* The hypervisor's range is one that the memory map keeps for it, in the middle of RAM. */
static bool range_is_reserved(struct cpu *cpu, const struct test *test)
{
	struct {
		uint64_t base, size;
		uint32_t kind;
	} __attribute__((packed)) const *map = (void *)(zero_page + 0x2d0);
	uint64_t at = info.memory_base, end = at + info.memory_size;

	(void)test;
	for (int again = 0; again < 128 && at < end; again++) {
		for (uint32_t i = 0; i < zero_page[0x1e8]; i++) {
			uint64_t range_end = map[i].base + map[i].size;

			if (map[i].kind == 1 && map[i].base < end && range_end > info.memory_base)
				return say(&cpu->why, "it says that %llx is usable",
				           (unsigned long long)map[i].base);
			if (map[i].kind == 2 && map[i].base <= at && range_end > at)
				at = range_end;
		}
	}
	if (info.memory_used > info.memory_size || info.memory_size % 0x200000 != 0)
		return say(&cpu->why, "it uses %llx of %llx", (unsigned long long)info.memory_used,
		           (unsigned long long)info.memory_size);
	return at >= end || say(&cpu->why, "it does not say what %llx is", (unsigned long long)at);
}

#define NUMBER(n, text)                                                                           \
	{                                                                                         \
		.name = "hypercall " text " does not exist", .run = number_gives, .a = n, .b = 8, \
		.result = -SILL_ENOCALL                                                           \
	}
#define VERSION(v, text, outcome)                                                             \
	{                                                                                     \
		.name = "VERSION " text, .run = number_gives, .a = SILL_CALL_VERSION, .b = v, \
		.result = outcome                                                             \
	}
#define BUFFER(text, address, bytes, error)                                            \
	{ .name = "INFO " text,                                                        \
	  .run = gives,                                                                \
	  .a = SILL_CALL_INFO,                                                         \
	  .b = bytes,                                                                  \
	  .c = address,                                                                \
	  .result = -error },                                                          \
		{ .name = "LOG " text,                                                 \
		  .run = gives,                                                        \
		  .a = SILL_CALL_LOG,                                                  \
		  .b = bytes,                                                          \
		  .c = address,                                                        \
		  .result = -error },                                                  \
	{                                                                              \
		.name = "STATS " text, .run = gives, .a = SILL_CALL_STATS, .b = bytes, \
		.c = address, .result = -error                                         \
	}
#define ELSEWHERE(text, in)                                                              \
	{                                                                                \
		.name = "a hypercall " text " is undefined", .run = undefined_elsewhere, \
		.mode = in                                                               \
	}
#define CUT(call, bytes, whole)                                                    \
	{                                                                          \
		.name = #call " writes no more than " #bytes " bytes", .run = cut, \
		.a = SILL_CALL_##call, .b = bytes, .result = whole                 \
	}
#define LOG_FROM(text, start, bytes)                                                             \
	{                                                                                        \
		.name = "LOG " text " stays in its buffer", .run = log_stays_inside, .a = start, \
		.b = bytes                                                                       \
	}

static const struct test tests[] = {
	{ .name = "the hypervisor's memory is reserved in the memory map",
	  .run = range_is_reserved },
	VERSION(SILL_ABI, "of our own ABI is answered with the hypervisor's", SILL_ABI),
	VERSION(SILL_ABI | 0xffff, "of a later minor number is answered", SILL_ABI),
	VERSION(0, "0 is an error", -SILL_EVERSION),
	VERSION((SILL_ABI_MAJOR + 1) << 16, "of another major number is an error", -SILL_EVERSION),
	VERSION(UINT64_C(1) << 48 | SILL_ABI, "of more than 32 bits is an error", -SILL_EVERSION),
	NUMBER(4, "4"),
	NUMBER(15, "15"),
	NUMBER(26, "26"),
	NUMBER(UINT32_MAX, "2^32 - 1"),
	NUMBER(UINT64_C(1) << 32, "2^32"),
	NUMBER((UINT64_C(1) << 32) + SILL_CALL_INFO, "2^32 + 1"),
	NUMBER(UINT64_C(1) << 63, "2^63"),
	NUMBER(UINT64_MAX, "2^64 - 1"),
	BUFFER("to an address with 1 too much is an error", 65, 64, SILL_EALIGN),
	BUFFER("to an address with 4 too much is an error", 68, 64, SILL_EALIGN),
	BUFFER("to no bytes is an error", 64, 0, SILL_EINVAL),
	BUFFER("to more than the largest buffer is an error", 0, SILL_BUFFER_MAX + 8, SILL_EINVAL),
	BUFFER("to 2^63 bytes is an error", 64, UINT64_C(1) << 63, SILL_EINVAL),
	BUFFER("to 2^64 - 1 bytes is an error", 64, UINT64_MAX, SILL_EINVAL),
	BUFFER("to a sum that overflows is an error", UINT64_MAX - 7, 64, SILL_EFAULT),
	BUFFER("to the hypervisor's first byte is an error", FROM_BASE(0), 64, SILL_EFAULT),
	BUFFER("to the hypervisor's middle is an error", FROM_BASE(0x80000), 64, SILL_EFAULT),
	BUFFER("into the hypervisor from below is an error", FROM_BASE(-8), 64, SILL_EFAULT),
	BUFFER("out of the hypervisor's end is an error", FROM_END(-8), 64, SILL_EFAULT),
	BUFFER("across the hypervisor is an error", FROM_BASE(-0x8000), SILL_BUFFER_MAX,
	       SILL_EFAULT),
	BUFFER("to the local APIC is an error", APIC_PAGE, 64, SILL_EFAULT),
	BUFFER("to the screen is an error", 0xb8000, 64, SILL_EFAULT),
	BUFFER("to the firmware is an error", 0xfffff000, 64, SILL_EFAULT),
	BUFFER("beyond the end of RAM is an error", UINT64_C(1) << 36, 64, SILL_EFAULT),
	BUFFER("beyond all addresses is an error", UINT64_C(1) << 60, 64, SILL_EFAULT),
	BUFFER("to an address of the hypervisor's own is an error", UINT64_C(0xffffffff80000000),
	       64, SILL_EFAULT),
	{ .name = "LOG to less than its head is an error",
	  .run = gives,
	  .a = SILL_CALL_LOG,
	  .b = 63,
	  .c = 64,
	  .result = -SILL_EINVAL },
	{ .name = "STATS of a processor that is not there is an error", .run = no_such_processor },
	CUT(INFO, 8, sizeof(struct sill_info)),
	CUT(INFO, 64, sizeof(struct sill_info)),
	CUT(INFO, 4096, sizeof(struct sill_info)),
	CUT(STATS, 1, sizeof(struct sill_stats)),
	CUT(STATS, 152, sizeof(struct sill_stats)),
	LOG_FROM("from the start", 0, 4096),
	LOG_FROM("into 32 bytes", 0, 64),
	LOG_FROM("into the largest buffer", 0, SILL_BUFFER_MAX),
	LOG_FROM("from beyond its end", UINT64_MAX, 4096),
	ELSEWHERE("from ring 3", MODE_USER64),
	ELSEWHERE("from ring 3 in compatibility mode", MODE_USER32),
	ELSEWHERE("in compatibility mode", MODE_COMPAT),
	ELSEWHERE("in protected mode without paging", MODE_FLAT),
	ELSEWHERE("in 32-bit mode", MODE_32),
	ELSEWHERE("in PAE mode", MODE_PAE),
	ELSEWHERE("in real mode", MODE_REAL),
	{ .name = "a hypercall keeps all other registers",
	  .run = keeps_registers,
	  .a = 99,
	  .result = -SILL_ENOCALL },
	{ .name = "hypercalls of all processors at once are answered", .run = all_at_once },
};

const struct suite call_suite = SUITE("calls", tests);
