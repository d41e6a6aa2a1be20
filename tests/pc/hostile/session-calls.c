// SPDX-License-Identifier: GPL-2.0-or-later
/* The calls for sessions with arguments that they are not meant for, and with any at all. */
#include "tests/pc/hostile/guest.h"

#define CALL  "\x0f\x01\xd9"
#define FIRST 16u
#define LAST  25u

/* Addresses that no session gets: with the hypervisor's, which is known at run time. */
static uint64_t wrong_place(uint32_t i)
{
	const uint64_t places[] = { info.memory_base,
		                    (info.memory_base + info.memory_size - 1) & ~UINT64_C(0x1fffff),
		                    APIC_PAGE & ~0x1fffffu,
		                    0,
		                    UINT64_C(1) << 36,
		                    UINT64_C(1) << 51,
		                    (UINT64_C(1) << 52) - 0x200000,
		                    UINT64_MAX - 0x1fffff };

	return places[i];
}
#define PLACES 8u

static bool is(struct cpu *cpu, const char *what, int64_t result, int64_t wanted)
{
	return result == wanted ||
	       say(&cpu->why, "%s is %lld, not %lld", what, (long long)result, (long long)wanted);
}

/* What is not the root's RAM is neither donated, nor mapped, nor a shared page. */
static bool others_memory(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	uint64_t session, donated = DONATIONS + cpu->id * SILL_DONATION;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	session = (uint64_t)guest.session;
	for (uint32_t i = 0; good && i < PLACES; i++) {
		uint64_t at = wrong_place(i);

		good = is(cpu, "DONATE", call_again(SILL_CALL_DONATE, at, 0, 0, 0), -SILL_EOWNER) &&
		       is(cpu, "MAP by 2 MiB", map_page(guest.session, GIB, at, 1, 0),
		          -SILL_EOWNER);
		/* The first 2 MiB have RAM too. */
		if (good && at != 0)
			good = is(cpu, "MAP", map_page(guest.session, GIB, at, 0, 0),
			          -SILL_EOWNER) &&
			       is(cpu, "VCPU", call_again(SILL_CALL_VCPU, session, at, 0, 0),
			          -SILL_EOWNER);
	}
	good = good &&
	       is(cpu, "DONATE of a donation", call_again(SILL_CALL_DONATE, donated, 0, 0, 0),
	          -SILL_EOWNER) &&
	       is(cpu, "MAP of a donation", map_page(guest.session, GIB, donated, 0, 0),
	          -SILL_EOWNER) &&
	       is(cpu, "DONATE of lent memory",
	          call_again(SILL_CALL_DONATE, (uintptr_t)guest.memory, 0, 0, 0), -SILL_EOWNER) &&
	       is(cpu, "RECLAIM of what is used", call_again(SILL_CALL_RECLAIM, 0, 0, 0, 0),
	          -SILL_ENONE);
	return guest_close(&guest, good);
}

/* Numbers of sessions, virtual processors, pages, levels, flags and ranges that there are not. */
static bool no_such(struct cpu *cpu, const struct test *test)
{
	const uint64_t none[] = { 0, 200, 255, 256, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };
	const struct {
		uint64_t from, size, change;
		int64_t result;
	} changes[] = {
		{ 0, 0, 0, -SILL_EINVAL },
		{ 0, 4096, 3, -SILL_EINVAL },
		{ 0, 4096, UINT64_C(1) << 32, -SILL_EINVAL },
		{ 1, 4096, 0, -SILL_EALIGN },
		{ 0, 4097, 0, -SILL_EALIGN },
		{ UINT64_C(1) << 48, 4096, 0, -SILL_EINVAL },
		{ 4096, UINT64_C(1) << 48, 0, -SILL_EINVAL },
		{ UINT64_MAX - 4095, 8192, 0, -SILL_EINVAL },
		{ 4096, UINT64_MAX - 4095, 0, -SILL_EINVAL },
	};
	struct sill_page page = { GIB, SPARE_MEMORY, 0, 0 };
	struct guest guest;
	uint64_t session, at = (uintptr_t)&page;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	session = (uint64_t)guest.session;
	for (size_t i = 0; good && i < ARRAY_LEN(none); i++) {
		uint64_t n = none[i];

		good = is(cpu, "MAP", call_again(SILL_CALL_MAP, n, at, 1, 0), -SILL_ENONE) &&
		       is(cpu, "CHANGE", call_again(SILL_CALL_CHANGE, n, 0, 4096, 0),
		          -SILL_ENONE) &&
		       is(cpu, "VCPU", call_again(SILL_CALL_VCPU, n, SPARE_MEMORY, 0, 0),
		          -SILL_ENONE) &&
		       is(cpu, "RUN", call4(SILL_CALL_RUN, n, 0, 0, 0), -SILL_ENONE) &&
		       is(cpu, "FETCH", call4(SILL_CALL_FETCH, n, 0, SILL_GROUPS, 0),
		          -SILL_ENONE) &&
		       is(cpu, "SESSION", call_again(SILL_CALL_SESSION, n, at, 24, 0),
		          -SILL_ENONE) &&
		       is(cpu, "DESTROY", call_again(SILL_CALL_DESTROY, n, 0, 0, 0), -SILL_ENONE);
		if (good && n != 0)
			good = is(cpu, "RUN of a processor", call4(SILL_CALL_RUN, session, n, 0, 0),
			          -SILL_ENONE) &&
			       is(cpu, "FETCH of a processor",
			          call4(SILL_CALL_FETCH, session, n, SILL_GROUPS, 0),
			          -SILL_ENONE) &&
			       is(cpu, "CREATE",
			          call_again(SILL_CALL_CREATE, (n & ~UINT64_C(1)) | 2, 0, 0, 0),
			          -SILL_EINVAL);
	}
	for (size_t i = 0; good && i < ARRAY_LEN(changes); i++)
		good = is(cpu, "CHANGE",
		          call_again(SILL_CALL_CHANGE, session, changes[i].from, changes[i].size,
		                     changes[i].change),
		          changes[i].result);
	good = good &&
	       is(cpu, "DONATE", call_again(SILL_CALL_DONATE, 4096, 0, 0, 0), -SILL_EALIGN) &&
	       is(cpu, "VCPU", call_again(SILL_CALL_VCPU, session, SPARE_MEMORY + 8, 0, 0),
	          -SILL_EALIGN);
	return guest_close(&guest, good);
}

static bool pages(struct cpu *cpu, const struct test *test)
{
	const struct {
		struct sill_page page;
		int64_t result;
	} rows[] = {
		{ { GIB + 8, SPARE_MEMORY, 0, 0 }, -SILL_EALIGN },
		{ { GIB, SPARE_MEMORY + 8, 0, 0 }, -SILL_EALIGN },
		{ { GIB + 4096, SPARE_MEMORY, 1, 0 }, -SILL_EALIGN },
		{ { GIB, SPARE_MEMORY + 4096, 1, 0 }, -SILL_EALIGN },
		{ { GIB, SPARE_MEMORY, 2, 0 }, -SILL_EALIGN },
		{ { GIB, SPARE_MEMORY, 3, 0 }, -SILL_EINVAL },
		{ { GIB, SPARE_MEMORY, UINT32_MAX, 0 }, -SILL_EINVAL },
		{ { GIB, SPARE_MEMORY, 0, 4 }, -SILL_EINVAL },
		{ { GIB, SPARE_MEMORY, 0, 1u << 31 }, -SILL_EINVAL },
		{ { UINT64_C(1) << 48, SPARE_MEMORY, 0, 0 }, -SILL_EINVAL },
		{ { UINT64_MAX - 4095, SPARE_MEMORY, 0, 0 }, -SILL_EINVAL },
		{ { 0, SPARE_MEMORY, 1, 0 }, -SILL_EEXIST },
		{ { 4096, SPARE_MEMORY, 0, 0 }, -SILL_EEXIST },
		{ { 0, 0, 2, 0 }, -SILL_EEXIST },
	};
	struct guest guest;
	uint64_t session;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	session = (uint64_t)guest.session;
	for (size_t i = 0; good && i < ARRAY_LEN(rows); i++)
		good = is(cpu, "MAP",
		          call_again(SILL_CALL_MAP, session, (uintptr_t)&rows[i].page, 1, 0),
		          rows[i].result);
	good = good &&
	       is(cpu, "MAP of none", call_again(SILL_CALL_MAP, session, (uintptr_t)&rows[0], 0, 0),
	          -SILL_EINVAL) &&
	       is(cpu, "MAP of too many",
	          call_again(SILL_CALL_MAP, session, (uintptr_t)&rows[0], 2731, 0), -SILL_EINVAL) &&
	       is(cpu, "MAP of far too many",
	          call_again(SILL_CALL_MAP, session, (uintptr_t)&rows[0], UINT64_MAX / 24 + 2, 0),
	          -SILL_EINVAL) &&
	       is(cpu, "MAP out of the hypervisor",
	          call_again(SILL_CALL_MAP, session, info.memory_base, 1, 0), -SILL_EFAULT) &&
	       is(cpu, "MAP of the page at 1", call_again(SILL_CALL_MAP, session, 1, 1, 0),
	          -SILL_EALIGN);
	return guest_close(&guest, good);
}

/* SESSION tells what there is. */
static bool statistics(struct cpu *cpu, const struct test *test)
{
	struct sill_session_stats stats;
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	good = good && guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE) &&
	       is(cpu, "SESSION",
	          call_again(SILL_CALL_SESSION, (uint64_t)guest.session, (uintptr_t)&stats,
	                     sizeof(stats), 0),
	          sizeof(stats));
	if (good && (stats.vcpus != 1 || stats.flags != 0 || stats.control_pages != 6 ||
	             stats.frames != 512 || stats.exits[SILL_RUN_HYPERCALL] != 1))
		good = say(&cpu->why, "%u processors, %llu pages, %llu frames, %llu calls",
		           stats.vcpus, (unsigned long long)stats.control_pages,
		           (unsigned long long)stats.frames,
		           (unsigned long long)stats.exits[SILL_RUN_HYPERCALL]);
	return guest_close(&guest, good);
}

/* Without a donation nothing can be made; and with all of one used, no more. */
static bool no_memory(struct cpu *cpu, const struct test *test)
{
	uint64_t donation = DONATIONS + cpu->id * SILL_DONATION;
	int64_t session, result = 0;
	uint32_t made = 0;
	bool good;

	(void)test;
	good = is(cpu, "CREATE", call_again(SILL_CALL_CREATE, 0, 0, 0, 0), -SILL_ENOMEM) &&
	       is(cpu, "DONATE", call_again(SILL_CALL_DONATE, donation, 0, 0, 0), 0);
	if (!good)
		return false;
	session = call_again(SILL_CALL_CREATE, 0, 0, 0, 0);
	/* Each far from the others: three tables. */
	while (result >= 0 && made < 256)
		result = map_page(session, made++ * (UINT64_C(1) << 39), SPARE_MEMORY, 0, 0);
	good = is(cpu, "MAP", result, -SILL_ENOMEM) && made == 1 + (511 - 2) / 3;
	if (!good && !cpu->why.text[0])
		say(&cpu->why, "%u pages were mapped", made);
	return is(cpu, "DESTROY", call_again(SILL_CALL_DESTROY, (uint64_t)session, 0, 0, 0), 0) &&
	       is(cpu, "RECLAIM", call_again(SILL_CALL_RECLAIM, 0, 0, 0, 0), (int64_t)donation) &&
	       *(uint64_t *)(uintptr_t)donation == 0 && good;
}

static uint64_t random_state;

static uint64_t any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* A number that means something now and then. */
static uint64_t any_argument(struct guest *guest)
{
	switch (any() % 10) {
	case 0:
		return any();
	case 1:
	case 2:
	case 3:
		return (uint64_t)guest->session;
	case 4:
		return any() % 4;
	case 5:
		return any() % 64 * 4096;
	case 6:
		return any() % 8 * 0x200000;
	case 7:
		return SPARE_MEMORY + any() % 512 * 4096;
	case 8:
		return info.memory_base + any() % 512 * 4096;
	default:
		return (uintptr_t)guest_page(guest, (uint32_t)(any() % 3));
	}
}

/* Never DONATE of memory that somebody runs on: other than that, anything. */
static void any_call(struct cpu *cpu, struct guest *guest)
{
	uint64_t number = FIRST + any() % (LAST - FIRST + 1), first = any_argument(guest);
	uint64_t second = any_argument(guest), third = any_argument(guest);

	if (number == SILL_CALL_DONATE)
		first = DONATIONS + MAX_CPUS * SILL_DONATION + any() % 3 * SILL_DONATION;
	if (number == SILL_CALL_SESSION)
		second = (uintptr_t)guest_page(guest, 3);
	if (number == SILL_CALL_SESSION && third > 4096)
		third = 4096;
	if (number == SILL_CALL_MAP) {
		struct sill_page page = { any() % 1024 * 4096, SPARE_MEMORY + any() % 1024 * 4096,
			                  any() % 8 == 0, any() % 4 };

		if (page.level)
			page.guest &= ~0x1fffffull, page.root &= ~0x1fffffull;
		memcpy(guest_page(guest, 3), &page, sizeof(page));
		second = (uintptr_t)guest_page(guest, 3);
		third = 1;
	}
	/* A session of any state may never exit by itself. */
	apic_send(cpu->id, 0x4041);
	call4(number, first, second, third, any() % 4);
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
}

static void any_state(struct sill_vcpu *page)
{
	uint8_t *bytes = (uint8_t *)page;

	for (uint64_t i = any() % 8; i > 0; i--)
		bytes[any() % sizeof(*page)] = (uint8_t)any();
	page->put = any() % 4 == 0 ? (uint32_t)any() : 0;
}

/* Random calls, by a few seeds: afterwards everything can be had again. */
static bool random_calls(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x0f\xa2\xeb\xfc");

	random_state = test->a + cpu->id * 100;
	for (uint64_t i = 0; good && i < test->b; i++)
		any_call(cpu, &guest);
	for (uint64_t number = 1; number <= SILL_SESSIONS_MAX; number++)
		call_again(SILL_CALL_DESTROY, number, 0, 0, 0);
	guest.session = 0;
	return guest_close(&guest, good);
}

/* Random states: whatever the processor makes of them, RUN comes back and the root is well. */
static bool random_states(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x0f\xa2\x8b\x03\xe6\x80\xeb\xf8";
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, (uint32_t)test->a, code);

	random_state = test->b;
	for (uint32_t i = 0; good && i < 1000; i++) {
		int64_t result;

		guest_state(&guest, guest.page);
		any_state(guest.page);
		guest.page->settings.traps |= SILL_TRAP_HLT | SILL_TRAP_MWAIT;
		guest.page->settings.exceptions = UINT32_MAX;
		/* Its memory is a loop of CPUID, which is an exit at least. */
		apic_send(cpu->id, 0x4041);
		result = call4(SILL_CALL_RUN, (uint64_t)guest.session, 0, 0, 0);
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
		if (result < 0 || result >= SILL_RUN_KINDS)
			good = say(&cpu->why, "RUN is %lld", (long long)result);
	}
	return guest_close(&guest, good);
}

static volatile uint32_t stop;

/* Another processor writes the page all the time. */
static void scribble(struct cpu *cpu, uint64_t argument)
{
	volatile uint8_t *bytes = (uint8_t *)(uintptr_t)argument;
	uint64_t state = 88172645463325252;

	(void)cpu;
	while (!stop) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[state % sizeof(struct sill_vcpu)] = (uint8_t)(state >> 32);
		__builtin_ia32_pause();
	}
}

static bool scribbled(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x0f\xa2\xeb\xfc");

	(void)test;
	if (good) {
		stop = 0;
		ask(another(cpu), scribble, (uintptr_t)guest.page);
		for (uint32_t i = 0; good && i < 2000; i++) {
			int64_t result;

			if (i % 16 == 0)
				guest_state(&guest, guest.page);
			apic_send(cpu->id, 0x4041);
			result = call4(SILL_CALL_RUN, (uint64_t)guest.session, 0, 0, 0);
			__asm__ volatile("sti; nop; nop; cli" ::: "memory");
			if (result < 0 || result >= SILL_RUN_KINDS)
				good = say(&cpu->why, "RUN is %lld", (long long)result);
		}
		stop = 1;
		good = await(cpu, another(cpu)) && good;
	}
	return guest_close(&guest, good);
}

/* Two processors call at once, on the same session. */
static void call_on(struct cpu *cpu, uint64_t argument)
{
	while (!stop)
		any_call(cpu, (struct guest *)(uintptr_t)argument);
}

static bool side_by_side(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x0f\xa2\xeb\xfc");

	random_state = test->a;
	if (good) {
		stop = 0;
		ask(another(cpu), call_on, (uintptr_t)&guest);
		for (uint64_t i = 0; i < test->b; i++)
			any_call(cpu, &guest);
		stop = 1;
		good = await(cpu, another(cpu));
	}
	for (uint64_t number = 1; number <= SILL_SESSIONS_MAX; number++)
		call_again(SILL_CALL_DESTROY, number, 0, 0, 0);
	guest.session = 0;
	return guest_close(&guest, good);
}

static const struct test tests[] = {
	{ .name = "what is not the root's cannot be given to sessions", .run = others_memory },
	{ .name = "sessions, processors and ranges that are not there are errors", .run = no_such },
	{ .name = "pages that cannot be mapped are errors", .run = pages },
	{ .name = "a session's numbers are told", .run = statistics },
	{ .name = "without donations nothing is made, and then it is", .run = no_memory },
	{ .name = "3000 random calls leave nothing behind",
	  .run = random_calls,
	  .a = 1,
	  .b = 3000 },
	{ .name = "3000 more random calls leave nothing behind",
	  .run = random_calls,
	  .a = 77,
	  .b = 3000 },
	{ .name = "random states of a session in long mode harm nobody",
	  .run = random_states,
	  .a = GUEST_LONG,
	  .b = 5 },
	{ .name = "random states of a session in 32-bit mode harm nobody",
	  .run = random_states,
	  .a = GUEST_32,
	  .b = 6 },
	{ .name = "random states of a session in real mode harm nobody",
	  .run = random_states,
	  .a = GUEST_REAL,
	  .b = 7 },
	{ .name = "a page that is written all the time harms nobody",
	  .run = scribbled,
	  .processors = 2 },
	{ .name = "random calls of two processors leave nothing behind",
	  .run = side_by_side,
	  .a = 9,
	  .b = 2000,
	  .processors = 2 },
};

const struct suite session_call_suite = SUITE("session-calls", tests);
