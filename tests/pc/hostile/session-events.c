// SPDX-License-Identifier: GPL-2.0-or-later
/* Events into a session, and the windows for them. */
#include "tests/pc/hostile/guest.h"

#define CALL      "\x0f\x01\xd9"
#define TRAP_FLAG (1u << 8)
#define IF        (1u << 9)

/* A test is its guest and what becomes of it. */
static bool with(struct cpu *cpu, const struct test *test, const char *code, size_t size,
                 bool (*goes)(struct guest *guest, const struct test *test))
{
	struct guest guest;
	bool good = guest_open(cpu, &guest, test->mode, code, size) && goes(&guest, test);

	return guest_close(&guest, good);
}

#define WITH(code) with(cpu, test, code, sizeof(code) - 1, goes)

/* `c` is the event: its handler runs, and its IRET leads back, with a code or without. */
static bool event_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;
	uint32_t vector = test->c & 0xFF, wide = guest->mode == GUEST_LONG ? 8 : 4;
	bool coded = test->c & SILL_EVENT_HAS_CODE && guest->mode != GUEST_REAL;
	uint64_t start = guest_start(guest);

	page->rflags |= IF;
	page->event = test->c;
	if (!guest_handles(guest, vector))
		return false;
	if (page->event != 0 || page->delivering != 0 || (page->gpr[GPR_RAX] & 0xFF) != vector)
		return say(&guest->cpu->why, "event %llx, delivering %llx, rax %llx",
		           (unsigned long long)page->event, (unsigned long long)page->delivering,
		           (unsigned long long)page->gpr[GPR_RAX]);
	if (page->nmi_masked != (vector == VECTOR_NMI))
		return say(&guest->cpu->why, "NMIs are %smasked", page->nmi_masked ? "" : "not ");
	if (coded) {
		uint32_t code;

		memcpy(&code, guest->memory + page->gpr[GPR_RSP], sizeof(code));
		if (code != test->c >> 32)
			return say(&guest->cpu->why, "the error code is %x", code);
		page->gpr[GPR_RSP] += wide;
	}
	page->rip += CALL_LENGTH;
	if (!guest_exits(guest, SILL_RUN_HYPERCALL, start))
		return false;
	return (!page->nmi_masked && page->rflags & IF && !(page->rflags & TRAP_FLAG)) ||
	       say(&guest->cpu->why, "rflags %llx, NMIs %u", (unsigned long long)page->rflags,
	           page->nmi_masked);
}

static bool event(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, CALL, 3, event_goes);
}

/* The stack is not there: the event comes back, is given again, and arrives. */
static bool interrupted_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;
	uint64_t away = GUEST_SIZE + 0x8000;

	page->rflags |= IF;
	page->event = test->c;
	page->gpr[GPR_RSP] = away;
	if (!guest_exits(guest, SILL_RUN_MEMORY, guest_start(guest)))
		return false;
	if (page->delivering != test->c || !(page->info[1] & SILL_ACCESS_WRITE) ||
	    page->info[0] >> 12 != (away - 1) >> 12 || page->nmi_masked)
		return say(&guest->cpu->why, "delivering %llx at %llx, access %llx, NMIs %u",
		           (unsigned long long)page->delivering, (unsigned long long)page->info[0],
		           (unsigned long long)page->info[1], page->nmi_masked);
	if (map_page(guest->session, GUEST_SIZE + 0x7000,
	             SPARE_MEMORY + guest->cpu->id * GUEST_SIZE, 0, SILL_PAGE_WRITE) != 1)
		return say(&guest->cpu->why, "the stack cannot be mapped");
	page->event = page->delivering;
	return guest_handles(guest, test->c & 0xFF);
}

static bool interrupted(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, CALL, 3, interrupted_goes);
}

/* INT n that faults on the way starts again by itself. */
static bool int_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;

	(void)test;
	page->gpr[GPR_RSP] = GUEST_SIZE + 0x8000;
	if (!guest_exits(guest, SILL_RUN_MEMORY, guest_start(guest)))
		return false;
	if (page->delivering != 0)
		return say(&guest->cpu->why, "%llx is being delivered",
		           (unsigned long long)page->delivering);
	page->gpr[GPR_RSP] = GUEST_STACK;
	if (!guest_handles(guest, 0x41))
		return false;
	page->rip += CALL_LENGTH;
	return guest_exits(guest, SILL_RUN_HYPERCALL, guest_start(guest) + 2);
}

static bool interrupted_int(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\xcd\x41" CALL, 5, int_goes);
}

static bool window_was(struct guest *guest, uint32_t window)
{
	if (guest->page->info[0] == window && guest->page->windows == 0)
		return true;
	return say(&guest->cpu->why, "window %llx, windows %x",
	           (unsigned long long)guest->page->info[0], guest->page->windows);
}

/* nop; sti; nop; vmmcall: the window opens behind the instruction after STI. */
static bool interrupt_window_goes(struct guest *guest, const struct test *test)
{
	uint64_t start = guest_start(guest);

	(void)test;
	guest->page->windows = SILL_WINDOW_INTERRUPT;
	guest->page->tpr = 15;
	return guest_exits(guest, SILL_RUN_WINDOW, start + 3) &&
	       window_was(guest, SILL_WINDOW_INTERRUPT) &&
	       guest_exits(guest, SILL_RUN_HYPERCALL, start + 3);
}

static bool interrupt_window(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\x90\xfb\x90" CALL, 6, interrupt_window_goes);
}

/* Open at once; after the shadow; behind the IRET of one that is handled; after an interrupt. */
static bool nmi_window_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;
	uint64_t start = guest_start(guest);

	(void)test;
	page->windows = SILL_WINDOW_NMI;
	if (!guest_exits(guest, SILL_RUN_WINDOW, start) || !window_was(guest, SILL_WINDOW_NMI))
		return false;
	page->windows = SILL_WINDOW_NMI;
	page->shadow = 1;
	if (!guest_exits(guest, SILL_RUN_WINDOW, start + 1) ||
	    !window_was(guest, SILL_WINDOW_NMI) || page->shadow != 0 || page->rflags & TRAP_FLAG ||
	    page->system.dr6 != 0xFFFF0FF0)
		return say(&guest->cpu->why, "after a shadow: rip %llx, rflags %llx, dr6 %llx",
		           (unsigned long long)page->rip, (unsigned long long)page->rflags,
		           (unsigned long long)page->system.dr6);
	page->windows = SILL_WINDOW_NMI;
	page->event = SILL_EVENT_VALID | SILL_EVENT_NMI | VECTOR_NMI;
	if (!guest_handles(guest, VECTOR_NMI) || !page->nmi_masked)
		return false;
	page->rip += CALL_LENGTH;
	if (!guest_exits(guest, SILL_RUN_WINDOW, start + 1) || page->nmi_masked ||
	    page->rflags & TRAP_FLAG || page->system.dr6 != 0xFFFF0FF0)
		return say(&guest->cpu->why, "after its IRET: rip %llx, rflags %llx, dr6 %llx",
		           (unsigned long long)page->rip, (unsigned long long)page->rflags,
		           (unsigned long long)page->system.dr6);
	page->windows = SILL_WINDOW_NMI;
	page->event = SILL_EVENT_VALID | SILL_EVENT_EXTERNAL | 0x42;
	page->rflags |= IF;
	return guest_exits(guest, SILL_RUN_WINDOW, GUEST_HANDLERS + 16 * 0x42) &&
	       window_was(guest, SILL_WINDOW_NMI);
}

static bool nmi_window(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\x90\x90" CALL, 5, nmi_window_goes);
}

/* A step of the session's own over the IRET of its NMI arrives at it. */
static bool own_step_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;

	(void)test;
	page->event = SILL_EVENT_VALID | SILL_EVENT_NMI | VECTOR_NMI;
	if (!guest_handles(guest, VECTOR_NMI))
		return false;
	page->rip += CALL_LENGTH;
	page->rflags |= TRAP_FLAG;
	return guest_handles(guest, VECTOR_DB) && !page->nmi_masked &&
	       page->system.dr6 == (0xFFFF0FF0 | 1 << 14);
}

static bool own_step(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\x90\x90" CALL, 5, own_step_goes);
}

/* Kinds and vectors that there are not; the state is what it was. */
static bool refused_goes(struct guest *guest, const struct test *test)
{
	static const uint64_t none[] = {
		SILL_EVENT_VALID | UINT64_C(1) << 8 | 0x30,
		SILL_EVENT_VALID | UINT64_C(5) << 8,
		SILL_EVENT_VALID | UINT64_C(7) << 8,
		SILL_EVENT_VALID | SILL_EVENT_NMI | 3,
		SILL_EVENT_VALID | SILL_EVENT_FAULT | 2,
		SILL_EVENT_VALID | SILL_EVENT_FAULT | 32,
	};

	(void)test;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		guest->page->event = none[i];
		if (!guest_exits(guest, SILL_RUN_INVALID, guest_start(guest)))
			return false;
	}
	return guest_exits(guest, SILL_RUN_HYPERCALL, guest_start(guest));
}

static bool refused(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, CALL, 3, refused_goes);
}

/* UD2, and INT3: the session's own, or an exit. */
static bool exception_goes(struct guest *guest, const struct test *test)
{
	struct sill_vcpu *page = guest->page;
	uint64_t start = guest_start(guest);

	(void)test;
	if (!guest_handles(guest, VECTOR_UD))
		return false;
	guest_state(guest, page);
	page->settings.exceptions = 1 << VECTOR_UD;
	if (!guest_exits(guest, SILL_RUN_EXCEPTION, start) || page->info[0] != VECTOR_UD)
		return false;
	page->event = SILL_EVENT_VALID | SILL_EVENT_FAULT | VECTOR_UD;
	return guest_handles(guest, VECTOR_UD);
}

static bool exceptions(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\x0f\x0b" CALL, 5, exception_goes);
}

/* No IDT: what follows a UD2 is a shutdown. */
static bool shutdown_goes(struct guest *guest, const struct test *test)
{
	int64_t result;

	(void)test;
	guest->page->idt.limit = 0;
	result = guest_run(guest, 0);
	return result == SILL_RUN_SHUTDOWN ||
	       say(&guest->cpu->why, "RUN is %lld", (long long)result);
}

static bool shuts_down(struct cpu *cpu, const struct test *test)
{
	return with(cpu, test, "\x0f\x0b", 2, shutdown_goes);
}

#define MODES(text, function, what)                                                               \
	{ .name = text " in real mode", .run = function, .mode = GUEST_REAL, .c = what },         \
		{ .name = text " in 32-bit mode", .run = function, .mode = GUEST_32, .c = what }, \
	{                                                                                         \
		.name = text " in long mode", .run = function, .mode = GUEST_LONG, .c = what      \
	}
#define EXTERNAL (SILL_EVENT_VALID | SILL_EVENT_EXTERNAL)
#define NMI      (SILL_EVENT_VALID | SILL_EVENT_NMI | VECTOR_NMI)
#define FAULT    (SILL_EVENT_VALID | SILL_EVENT_FAULT)

static const struct test tests[] = {
	MODES("an interrupt arrives in a session", event, EXTERNAL | 0x30),
	MODES("an NMI arrives in a session", event, NMI),
	MODES("an exception arrives in a session", event, FAULT | VECTOR_UD),
	MODES("an exception with its code arrives in a session", event,
	      FAULT | SILL_EVENT_HAS_CODE | UINT64_C(0x1230) << 32 | VECTOR_GP),
	MODES("a software interrupt arrives in a session", event,
	      SILL_EVENT_VALID | SILL_EVENT_SOFTWARE | 0x80),
	{ .name = "an interrupt that meets a fault can be given again",
	  .run = interrupted,
	  .mode = GUEST_LONG,
	  .c = EXTERNAL | 0x30 },
	{ .name = "an NMI that meets a fault can be given again",
	  .run = interrupted,
	  .mode = GUEST_LONG,
	  .c = NMI },
	{ .name = "an INT n that meets a fault starts again",
	  .run = interrupted_int,
	  .mode = GUEST_LONG },
	MODES("the window for interrupts opens in a session", interrupt_window, 0),
	MODES("the window for NMIs opens in a session", nmi_window, 0),
	{ .name = "a step of a session's own over the end of an NMI arrives",
	  .run = own_step,
	  .mode = GUEST_LONG },
	{ .name = "an event that there is not is refused", .run = refused, .mode = GUEST_LONG },
	MODES("an exception of a session is its own, or an exit", exceptions, 0),
	MODES("a triple fault of a session is an exit", shuts_down, 0),
};

const struct suite session_event_suite = SUITE("session-events", tests);
