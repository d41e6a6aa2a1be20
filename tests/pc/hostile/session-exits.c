// SPDX-License-Identifier: GPL-2.0-or-later
/* A session's exits: what each instruction and event becomes, in each mode. */
#include "tests/pc/hostile/guest.h"

/* An instruction, and behind it VMMCALL. */
struct step {
	const char *bytes;
	uint32_t size, kind;
	uint64_t info;
	uint32_t trap; /* without which it does not exit; 0: it always does */
	bool native;   /* and then it comes to the VMMCALL behind it by itself */
};

#define ANY  UINT64_MAX

#define CALL "\x0f\x01\xd9"

static bool steps_to_call(struct guest *guest, const struct step *step)
{
	uint64_t start = guest_start(guest);

	return guest_exits(guest, SILL_RUN_HYPERCALL, start + step->size);
}

static bool exits_by(struct guest *guest, const struct step *step)
{
	struct sill_vcpu *page = guest->page;
	uint64_t start = guest_start(guest);
	/* How often, or which MSR: FS_BASE is the session's own. */
	uint64_t rcx = step->kind == SILL_RUN_PORT   ? 1
	               : step->trap == SILL_TRAP_MSR ? 0xc0000100
	                                             : 0;

	if (step->native) {
		page->settings.traps = 0;
		page->gpr[GPR_RCX] = rcx;
		if (!steps_to_call(guest, step))
			return false;
		guest_state(guest, page);
	}
	page->settings.traps = step->trap;
	page->gpr[GPR_RCX] = rcx;
	page->info[0] = ~step->info;
	if (!guest_exits(guest, step->kind, start))
		return false;
	if (page->info[0] != step->info && step->info != ANY)
		return say(&guest->cpu->why, "info is %llx, not %llx",
		           (unsigned long long)page->info[0], (unsigned long long)step->info);
	if (page->length != 0 && page->length != step->size)
		return say(&guest->cpu->why, "its length is %u", page->length);
	if (step->kind == SILL_RUN_HYPERCALL)
		return true;
	page->rip += step->size;
	return steps_to_call(guest, step);
}

static bool step_exits(struct cpu *cpu, const struct test *test)
{
	static const struct step steps[] = {
		{ "\x0f\xa2", 2, SILL_RUN_CPUID, 0, 0, false },
		{ CALL, 3, SILL_RUN_HYPERCALL, 0, 0, false },
		{ "\xe4\x12", 2, SILL_RUN_PORT, 0x12 | 1 << 16 | SILL_PORT_IN, 0, false },
		{ "\xe6\x80", 2, SILL_RUN_PORT, 0x80 | 1 << 16, 0, false },
		{ "\xec", 1, SILL_RUN_PORT, 1 << 16 | SILL_PORT_IN, 0, false },
		{ "\x6c", 1, SILL_RUN_PORT, 1 << 16 | SILL_PORT_IN | SILL_PORT_STRING, 0, false },
		{ "\xf3\x6e", 2, SILL_RUN_PORT, 1 << 16 | SILL_PORT_STRING | SILL_PORT_REPEAT, 0,
		  false },
		{ "\x0f\x32", 2, SILL_RUN_MSR, 0, 0, false },
		{ "\x0f\x30", 2, SILL_RUN_MSR, 1, 0, false },
		{ "\x0f\x32", 2, SILL_RUN_MSR, 0, SILL_TRAP_MSR, true },
		{ "\x0f\x30", 2, SILL_RUN_MSR, 1, SILL_TRAP_MSR, false },
		{ "\xf4", 1, SILL_RUN_HLT, 0, SILL_TRAP_HLT, false },
		{ "\x0f\x09", 2, SILL_RUN_INVD, 1, 0, false },
		{ "\x0f\x31", 2, SILL_RUN_RDTSC, 0, SILL_TRAP_RDTSC, true },
		{ "\x0f\x01\xf9", 3, SILL_RUN_RDTSC, ANY, SILL_TRAP_RDTSC, true }, /* QEMU: RDTSC */
		{ "\x0f\x33", 2, SILL_RUN_RDPMC, 0, 0, false },
		{ "\xf3\x90", 2, SILL_RUN_PAUSE, 0, SILL_TRAP_PAUSE, true },
		{ "\x0f\x01\xc8", 3, SILL_RUN_MONITOR, 0, SILL_TRAP_MWAIT, false },
		{ "\x0f\x01\xc9", 3, SILL_RUN_MWAIT, 0, SILL_TRAP_MWAIT, false },
		{ "\x0f\x22\xd8", 3, SILL_RUN_CR, 3, SILL_TRAP_CR3, false },
		{ "\x0f\x20\xd8", 3, SILL_RUN_CR, 3 | 256, SILL_TRAP_CR3, true },
		{ "\x0f\x23\xf8", 3, SILL_RUN_DR, 7, SILL_TRAP_DR, false },
		{ "\x0f\x21\xf8", 3, SILL_RUN_DR, 7 | 256, SILL_TRAP_DR, true },
		{ "\x0f\x01\xd8", 3, SILL_RUN_VIRTUAL, 0, 0, false },
		{ "\x0f\x01\xda", 3, SILL_RUN_VIRTUAL, 0, 0, false },
		{ "\x0f\x01\xdc", 3, SILL_RUN_VIRTUAL, 0, 0, false },
		{ "\x0f\x01\xdf", 3, SILL_RUN_VIRTUAL, 0, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char code[16] = { 0 };
		struct guest guest;
		bool good;

		/* There these are undefined before anything else. */
		if (test->mode == GUEST_REAL && steps[i].kind == SILL_RUN_VIRTUAL)
			continue;
		memcpy(code, steps[i].bytes, steps[i].size);
		memcpy(code + steps[i].size, CALL, 3);
		good = guest_open(cpu, &guest, test->mode, code, sizeof(code)) &&
		       exits_by(&guest, &steps[i]);
		if (!guest_close(&guest, good)) {
			struct sentence why = cpu->why;

			return say(&cpu->why, "instruction %u: %s", (unsigned int)i, why.text);
		}
	}
	return true;
}

#define IN_MODES(text, function)                                                       \
	{ .name = text " in real mode", .run = function, .mode = GUEST_REAL },         \
		{ .name = text " in 32-bit mode", .run = function, .mode = GUEST_32 }, \
	{                                                                              \
		.name = text " in long mode", .run = function, .mode = GUEST_LONG      \
	}

static const struct test tests[] = {
	IN_MODES("instructions of a session exit as what they are", step_exits),
};

const struct suite session_exit_suite = SUITE("session-exits", tests);
