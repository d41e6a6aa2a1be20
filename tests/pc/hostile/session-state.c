// SPDX-License-Identifier: GPL-2.0-or-later
/* A session's state and memory, as the session and the root see them. */
#include "tests/pc/hostile/guest.h"

#define CALL     "\x0f\x01\xd9"
#define MSR_STAR 0xC0000081u
#define AWAY     UINT64_C(0x40000000) /* guest-physical, not mapped */

static uint64_t spare(const struct guest *guest)
{
	return SPARE_MEMORY + guest->cpu->id * GUEST_SIZE;
}

static bool memory_was(struct guest *guest, uint64_t address, uint64_t access)
{
	const struct sill_vcpu *page = guest->page;

	if (page->info[0] == address && page->info[1] == access)
		return true;
	return say(&guest->cpu->why, "the access was %llx to %llx, not %llx to %llx",
	           (unsigned long long)page->info[1], (unsigned long long)page->info[0],
	           (unsigned long long)access, (unsigned long long)address);
}

static bool access_exits(struct guest *guest, uint64_t access)
{
	return guest_exits(guest, SILL_RUN_MEMORY, GUEST_CODE) &&
	       memory_was(guest, AWAY + 0x10, access);
}

/* mov (%rbx), %eax; mov %eax, (%rbx); jmp *%rbx, each on memory with more and more rights. */
static bool accesses(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x8b\x03" CALL, store[] = "\x89\x03" CALL, jump[] = "\xff\xe3";
	struct guest guest;
	struct sill_vcpu *page;
	uint64_t at = AWAY;
	bool good = false;

	(void)test;
	if (!GUEST_OPEN(cpu, &guest, GUEST_LONG, code))
		goto out;
	page = guest.page;
	page->gpr[GPR_RBX] = AWAY + 0x10;
	page->gpr[GPR_RAX] = 0xd9010f; /* VMMCALL */
	if (!access_exits(&guest, 0) || map_page(guest.session, at, spare(&guest), 0, 0) != 1 ||
	    !guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2))
		goto out;
	guest_code(&guest, store, sizeof(store) - 1);
	page->gpr[GPR_RAX] = 0xd9010f;
	page->rip = GUEST_CODE;
	if (!access_exits(&guest, SILL_ACCESS_MAPPED | SILL_ACCESS_WRITE) ||
	    map_page(guest.session, at, spare(&guest), 0, SILL_PAGE_WRITE) != 1 ||
	    !guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2))
		goto out;
	guest_code(&guest, jump, sizeof(jump) - 1);
	page->rip = GUEST_CODE;
	if (!guest_exits(&guest, SILL_RUN_MEMORY, AWAY + 0x10) ||
	    !memory_was(&guest, AWAY + 0x10, SILL_ACCESS_MAPPED | SILL_ACCESS_EXECUTE) ||
	    map_page(guest.session, at, spare(&guest), 0, SILL_PAGE_EXECUTE) != 1 ||
	    !guest_exits(&guest, SILL_RUN_HYPERCALL, AWAY + 0x10))
		goto out;
	good = true;
out:
	return guest_close(&guest, good);
}

/* A walk through tables that are not there says so. */
static bool walk(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	if (good) {
		guest.page->system.cr3 = AWAY;
		good = guest_exits(&guest, SILL_RUN_MEMORY, GUEST_CODE) &&
		       (guest.page->info[1] & SILL_ACCESS_TABLE ||
		        say(&cpu->why, "the access was %llx",
		            (unsigned long long)guest.page->info[1]));
	}
	return guest_close(&guest, good);
}

/* mov (%rbx), %eax where the session's own tables have nothing: its own #PF, or an exit. */
static bool page_fault(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x8b\x03" CALL;
	const uint64_t nowhere = UINT64_C(0x7654321000);
	struct guest guest;
	struct sill_vcpu *page;
	bool good = false;

	(void)test;
	if (!GUEST_OPEN(cpu, &guest, GUEST_LONG, code))
		goto out;
	page = guest.page;
	page->gpr[GPR_RBX] = nowhere;
	if (!guest_handles(&guest, VECTOR_PF) || page->system.cr2 != nowhere)
		goto out;
	guest_state(&guest, page);
	page->gpr[GPR_RBX] = nowhere;
	page->settings.exceptions = 1 << VECTOR_PF;
	page->get = 0;
	if (!guest_exits(&guest, SILL_RUN_EXCEPTION, GUEST_CODE) || page->info[0] != VECTOR_PF ||
	    page->info[1] != 0 || page->system.cr2 != nowhere)
		goto out;
	page->get = SILL_GROUPS;
	page->system.cr2 = 0;
	page->event = SILL_EVENT_VALID | SILL_EVENT_FAULT | SILL_EVENT_HAS_CODE | VECTOR_PF;
	good = guest_handles(&guest, VECTOR_PF) && page->system.cr2 == nowhere;
out:
	return guest_close(&guest, good);
}

/* wrmsr of LSTAR, FS base: the session's, and not the root's. */
static bool own_msrs(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	uint64_t before = rdmsr((uint32_t)test->a), seen = 0;
	const uint64_t own = test->c;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x0f\x30\x0f\x32" CALL);

	if (good) {
		guest.page->gpr[GPR_RCX] = test->a;
		guest.page->gpr[GPR_RAX] = (uint32_t)own;
		guest.page->gpr[GPR_RDX] = own >> 32;
		good = guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 4);
		memcpy(&seen, (const uint8_t *)guest.page + test->b, sizeof(seen));
		if (good && (seen != own || rdmsr((uint32_t)test->a) != before ||
		             (uint32_t)guest.page->gpr[GPR_RAX] != (uint32_t)own))
			good = say(&cpu->why, "the session has %llx, the root %llx",
			           (unsigned long long)seen,
			           (unsigned long long)rdmsr((uint32_t)test->a));
	}
	return guest_close(&guest, good);
}

/* The page with which RUN fetches all is, after a RUN that fetches nothing and FETCH, the same. */
static bool fetched(struct cpu *cpu, const struct test *test)
{
	static const uint64_t wrong[] = { 0, SILL_GROUPS + 1, UINT64_C(1) << 32 };
	struct sill_vcpu all;
	struct sill_vcpu *page;
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL) &&
	            guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE);

	(void)test;
	if (!good)
		goto out;
	page = guest.page;
	memcpy(&all, page, sizeof(all));
	for (uint32_t i = 0; good && i < sizeof(wrong) / sizeof(wrong[0]); i++)
		good = call4(SILL_CALL_FETCH, (uint64_t)guest.session, 0, wrong[i], 0) ==
		               -SILL_EINVAL ||
		       say(&cpu->why, "groups %llx are fetched", (unsigned long long)wrong[i]);
	page->get = 0;
	if (!good || !guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE)) {
		good = false;
		goto out;
	}
	memset(&page->system, 0x5a,
	       offsetof(struct sill_vcpu, settings) - offsetof(struct sill_vcpu, system));
	good = call4(SILL_CALL_FETCH, (uint64_t)guest.session, 0, SILL_GROUPS, 0) == 0 ||
	       say(&cpu->why, "FETCH does not do it");
	page->get = all.get;
	page->gdt.reserved = page->idt.reserved = 0;
	if (good && (memcmp(page, &all, sizeof(all)) != 0 || !(page->mode & SILL_MODE_64)))
		good = say(&cpu->why, "the page differs, cr3 %llx, mode %x",
		           (unsigned long long)page->system.cr3, page->mode);
out:
	return guest_close(&guest, good);
}

/* rdtsc: the offset is added. */
static bool clock_offset(struct cpu *cpu, const struct test *test)
{
	const uint64_t offset = UINT64_C(1) << 50;
	struct guest guest;
	uint64_t before, seen;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x0f\x31" CALL);

	(void)test;
	if (good) {
		guest.page->settings.tsc_offset = offset;
		before = rdtsc();
		good = guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2);
		seen = guest.page->gpr[GPR_RDX] << 32 | (uint32_t)guest.page->gpr[GPR_RAX];
		if (good && (seen < before + offset || seen > rdtsc() + offset))
			good = say(&cpu->why, "it reads %llx at %llx", (unsigned long long)seen,
			           (unsigned long long)before);
	}
	return guest_close(&guest, good);
}

/* mov %cr8, %rax; mov %rbx, %cr8: a priority of its own. */
static bool priority(struct cpu *cpu, const struct test *test)
{
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, "\x44\x0f\x20\xc0\x44\x0f\x22\xc3" CALL);

	(void)test;
	if (good) {
		apic_write(0x80, 0x20);
		guest.page->tpr = 7;
		guest.page->gpr[GPR_RBX] = 11;
		good = guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 8);
		if (good && (guest.page->gpr[GPR_RAX] != 7 || guest.page->tpr != 11 ||
		             apic_read(0x80) != 0x20))
			good = say(&cpu->why, "it reads %llx, then %x, and the root %x",
			           (unsigned long long)guest.page->gpr[GPR_RAX], guest.page->tpr,
			           apic_read(0x80));
		apic_write(0x80, 0);
	}
	return guest_close(&guest, good);
}

/* Groups that are not asked for are not touched; those that are come back as they were put. */
static bool groups(struct cpu *cpu, const struct test *test)
{
	struct sill_vcpu before;
	struct guest guest;
	bool good = GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL);

	(void)test;
	if (good) {
		guest.page->calls.star = 0x1234567890;
		guest.page->segments[SILL_FS].base = 0x123456000;
		memcpy(&before, guest.page, sizeof(before));
		good = guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE);
		if (good && memcmp(&before.system, &guest.page->system,
		                   sizeof(before) - offsetof(struct sill_vcpu, system)) != 0)
			good = say(&cpu->why, "the state came back as another");
		if (good && guest.page->put != 0)
			good = say(&cpu->why, "it is still to be put");
		memset(&guest.page->system, 0xa5, sizeof(guest.page->system));
		guest.page->get = 0;
		good = good && guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE) &&
		       (guest.page->system.cr3 == UINT64_C(0xa5a5a5a5a5a5a5a5) ||
		        say(&cpu->why, "it wrote what nobody asked for"));
		guest.page->get = SILL_GROUP_SYSTEM;
		good = good && guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE) &&
		       (memcmp(&before.system, &guest.page->system, sizeof(before.system)) == 0 ||
		        say(&cpu->why, "the system's registers were not kept"));
	}
	return guest_close(&guest, good);
}

/* CHANGE: a page that is unmapped, or protected, or split, is so for the session. */
static bool changes(struct cpu *cpu, const struct test *test)
{
	static const char code[] = "\x89\x03" CALL;
	struct guest guest;
	uint64_t access = test->c == SILL_CHANGE_UNMAP ? 0 : SILL_ACCESS_MAPPED;
	int64_t result;
	bool good = false;

	if (!GUEST_OPEN(cpu, &guest, GUEST_LONG, code) ||
	    map_page(guest.session, AWAY, spare(&guest), 1, SILL_PAGE_WRITE) != 1)
		goto out;
	guest.page->gpr[GPR_RBX] = AWAY + 0x10;
	if (!guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2))
		goto out;
	result = call_again(SILL_CALL_CHANGE, (uint64_t)guest.session, AWAY, GUEST_SIZE, test->c);
	if (result != GUEST_SIZE) {
		say(&cpu->why, "CHANGE is %lld", (long long)result);
		goto out;
	}
	guest.page->rip = GUEST_CODE;
	if (!access_exits(&guest, access | SILL_ACCESS_WRITE))
		goto out;
	/* A single page of it can be had again where it was split; where it went, any. */
	result = map_page(guest.session, AWAY, spare(&guest), 0, SILL_PAGE_WRITE);
	if (result != (test->c == SILL_CHANGE_PROTECT ? -SILL_EEXIST : 1)) {
		say(&cpu->why, "MAP of a small page is %lld", (long long)result);
		goto out;
	}
	good = test->c == SILL_CHANGE_PROTECT ||
	       guest_exits(&guest, SILL_RUN_HYPERCALL, GUEST_CODE + 2);
out:
	return guest_close(&guest, good);
}

/* What a session was given for good, the root cannot read, and finds scrubbed in the end. */
static bool sealed(struct cpu *cpu, const struct test *test)
{
	uint32_t memory = SPARE_MEMORY + cpu->id * GUEST_SIZE;
	struct guest guest = { .cpu = cpu };
	int64_t session, result;
	uint64_t before;
	bool good = false;

	if (!GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL))
		goto out;
	session = call_again(SILL_CALL_CREATE, SILL_SESSION_SEALED, 0, 0, 0);
	memset((void *)(uintptr_t)memory, 0x5a, GUEST_SIZE);
	result = map_page(session, 0, memory, 1, SILL_PAGE_WRITE | SILL_PAGE_EXECUTE);
	if (result != 1) {
		say(&cpu->why, "MAP is %lld", (long long)result);
		goto destroy;
	}
	before = denials(cpu);
	act(cpu, test->mode, test->act, window(test->mode, test->size, memory + 0x1230), 0, 0);
	good = trapped(cpu, VECTOR_GP, 0) && denied(cpu, before, 1);
	result = hypercall(SILL_CALL_INFO, memory, 64, 0);
	if (result != -SILL_EFAULT)
		good = say(&cpu->why, "a buffer there is %lld", (long long)result);
destroy:
	result = call_again(SILL_CALL_DESTROY, (uint64_t)session, 0, 0, 0);
	for (uint32_t i = 0; good && i < GUEST_SIZE; i += 8) {
		if (*(uint64_t *)(uintptr_t)(memory + i) != 0)
			good = say(&cpu->why, "byte %x is still there", i);
	}
	if (good && result != 0)
		good = say(&cpu->why, "DESTROY is %lld", (long long)result);
out:
	return guest_close(&guest, good);
}

/* A sealed session runs on what it was given. */
static bool sealed_runs(struct cpu *cpu, const struct test *test)
{
	struct guest guest, inside;
	bool good = false;
	int64_t result;

	(void)test;
	if (!GUEST_OPEN(cpu, &guest, GUEST_LONG, CALL))
		goto out;
	/* The same bytes, given away. */
	inside = guest;
	inside.page = guest_page(&guest, 1);
	memcpy((void *)(uintptr_t)spare(&guest), guest.memory, GUEST_SIZE);
	inside.session = call_again(SILL_CALL_CREATE, SILL_SESSION_SEALED, 0, 0, 0);
	result = map_page(inside.session, 0, spare(&guest), 1, SILL_PAGE_WRITE | SILL_PAGE_EXECUTE);
	if (result != 1)
		say(&cpu->why, "MAP is %lld", (long long)result);
	guest_state(&inside, inside.page);
	good = result == 1 &&
	       call_again(SILL_CALL_VCPU, (uint64_t)inside.session, (uintptr_t)inside.page, 0, 0) ==
	               0 &&
	       guest_exits(&inside, SILL_RUN_HYPERCALL, GUEST_CODE);
	call_again(SILL_CALL_DESTROY, (uint64_t)inside.session, 0, 0, 0);
out:
	return guest_close(&guest, good);
}

static bool many(struct cpu *cpu, const struct test *test)
{
	for (uint64_t i = 0; i < test->a; i++) {
		struct guest guest;
		bool good = GUEST_OPEN(cpu, &guest, (uint32_t)i % GUEST_MODES, CALL) &&
		            guest_exits(&guest, SILL_RUN_HYPERCALL, guest_start(&guest));

		if (!guest_close(&guest, good))
			return false;
	}
	return true;
}

#define OWN(text, number, field, value)                                                \
	{                                                                              \
		.name = text " of a session is its own", .run = own_msrs, .a = number, \
		.b = offsetof(struct sill_vcpu, field), .c = value                     \
	}
#define SEALED(text, does, in, page)                                                   \
	{                                                                              \
		.name = text " of a sealed session's memory gives #GP", .run = sealed, \
		.act = &does, .mode = in, .size = page                                 \
	}

static const struct test tests[] = {
	{ .name = "a session's reads, writes and jumps exit where they may not be",
	  .run = accesses },
	{ .name = "a session's page walk exits where its tables are not there", .run = walk },
	{ .name = "a session's page fault is its own, or an exit", .run = page_fault },
	{ .name = "a session's state can be fetched after the run", .run = fetched },
	OWN("LSTAR", MSR_STAR + 1, calls.lstar, 0xffffffff81234560),
	OWN("SFMASK", MSR_STAR + 3, calls.sfmask, 0x47700),
	OWN("the base of FS", 0xC0000100, segments[SILL_FS].base, 0x7f0000001000),
	OWN("the kernel's base of GS", 0xC0000102, calls.kernel_gs_base, 0x7f0000002000),
	OWN("SYSENTER_EIP", 0x176, calls.sysenter_eip, 0x81234567),
	{ .name = "a session's clock has its offset", .run = clock_offset },
	{ .name = "a session's task priority is its own", .run = priority },
	{ .name = "a session's state changes hands by groups", .run = groups },
	{ .name = "what is unmapped is away for a session",
	  .run = changes,
	  .c = SILL_CHANGE_UNMAP },
	{ .name = "what is protected cannot be written by a session",
	  .run = changes,
	  .c = SILL_CHANGE_PROTECT },
	{ .name = "what is split can be written by a session page by page",
	  .run = changes,
	  .c = SILL_CHANGE_SPLIT },
	SEALED("a read", act_read, MODE_LONG, PAGE_4K),
	SEALED("a read by 2 MiB", act_read, MODE_LONG, PAGE_2M),
	SEALED("a read by 1 GiB", act_read, MODE_LONG, PAGE_1G),
	SEALED("a read in 32-bit mode", act_read, MODE_32, PAGE_4K),
	SEALED("a read in 32-bit mode by 4 MiB", act_read, MODE_32, PAGE_4M),
	SEALED("a read in PAE mode by 2 MiB", act_read, MODE_PAE, PAGE_2M),
	SEALED("a read without paging", act_read, MODE_FLAT, PAGE_4K),
	SEALED("a read from ring 3", act_read, MODE_USER64, PAGE_4K),
	SEALED("a write", act_write, MODE_LONG, PAGE_4K),
	SEALED("a jump to an instruction", act_run, MODE_LONG, PAGE_2M),
	{ .name = "a sealed session runs", .run = sealed_runs },
	{ .name = "200 sessions come and go", .run = many, .a = 200 },
};

const struct suite session_state_suite = SUITE("session-state", tests);
