// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pc/hostile/guest.h"

/* Exits that only say that the root has an interrupt: more than that is no accident. */
#define INTERRUPTIONS 10000

#define PAGES         4
static struct {
	struct sill_vcpu vcpu;
	uint8_t rest[4096 - sizeof(struct sill_vcpu)];
} pages[MAX_CPUS][PAGES] __attribute__((aligned(4096)));

int64_t call_again(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	int64_t result;

	do
		result = call4(number, a, b, c, d);
	while (result == -SILL_EAGAIN);
	return result;
}

int64_t map_page(int64_t session, uint64_t guest, uint64_t root, uint32_t level, uint32_t flags)
{
	struct sill_page page = { guest, root, level, flags };

	return call_again(SILL_CALL_MAP, (uint64_t)session, (uintptr_t)&page, 1, 0);
}

static void put(struct guest *guest, uint32_t at, const void *what, size_t size)
{
	memcpy(guest->memory + at, what, size);
}

void guest_code(struct guest *guest, const void *code, size_t size)
{
	put(guest, GUEST_CODE, code, size);
}

static void put_long_gate(struct guest *guest, uint32_t vector, uint32_t handler)
{
	uint64_t gate[2] = { (handler & 0xFFFF) | 0x08 << 16 | UINT64_C(0x8E00) << 32, 0 };

	put(guest, GUEST_IDT + 16 * vector, gate, sizeof(gate));
}

static void put_gate(struct guest *guest, uint32_t vector, uint32_t handler)
{
	uint64_t gate = (handler & 0xFFFF) | 0x08 << 16 | UINT64_C(0x8E00) << 32;

	put(guest, GUEST_IDT + 8 * vector, &gate, sizeof(gate));
}

static void put_handlers(struct guest *guest)
{
	for (uint32_t vector = 0; vector < 256; vector++) {
		uint32_t at = GUEST_HANDLERS + 16 * vector;
		uint8_t code[] = { 0xB0, (uint8_t)vector, 0x0F, 0x01, 0xD9, 0x48, 0xCF };

		if (guest->mode == GUEST_LONG) {
			put_long_gate(guest, vector, at);
		} else {
			code[5] = 0xCF;
			put_gate(guest, vector, at);
			if (guest->mode == GUEST_REAL)
				put(guest, 4 * vector, &at, sizeof(at));
		}
		put(guest, at, code, sizeof(code));
	}
}

/* The first 4 GiB to themselves, for ring 3 too. */
static void put_tables(struct guest *guest)
{
	uint64_t entry = (GUEST_TABLES + 0x1000) | 7;

	put(guest, GUEST_TABLES, &entry, sizeof(entry));
	for (uint64_t i = 0; i < 4; i++) {
		entry = i * GIB | 0x87;
		put(guest, GUEST_TABLES + 0x1000 + 8 * (uint32_t)i, &entry, sizeof(entry));
	}
}

static struct sill_segment segment(uint32_t selector, uint32_t attributes, uint32_t limit,
                                   uint64_t base)
{
	return (struct sill_segment){ (uint16_t)selector, (uint16_t)attributes, limit, base };
}

void guest_state(struct guest *guest, struct sill_vcpu *page)
{
	bool real = guest->mode == GUEST_REAL, wide = guest->mode == GUEST_LONG;
	struct sill_segment data =
		real ? segment(0, 0x93, 0xFFFF, 0) : segment(0x10, 0xC93, 0xFFFFFFFF, 0);

	memset(page, 0, sizeof(*page));
	page->put = SILL_GROUPS;
	page->get = SILL_GROUPS;
	page->rip = guest_start(guest);
	page->rflags = 2;
	page->gpr[GPR_RSP] = GUEST_STACK;
	page->system.cr0 = real ? 0x10 : 0x31;
	page->system.cr4 = 1 << 18 | 1 << 9; /* OSXSAVE, OSFXSR */
	page->system.dr6 = 0xFFFF0FF0;
	page->system.dr7 = 0x400;
	page->system.pat = UINT64_C(0x0007040600070406);
	for (uint32_t i = 0; i <= SILL_GS; i++)
		page->segments[i] = data;
	page->segments[SILL_CS] = real   ? segment(GUEST_CODE >> 4, 0x9B, 0xFFFF, GUEST_CODE)
	                          : wide ? segment(0x08, 0xA9B, 0xFFFFFFFF, 0)
	                                 : segment(0x08, 0xC9B, 0xFFFFFFFF, 0);
	page->segments[SILL_LDTR] = segment(0, 0x82, 0xFFFF, 0);
	page->segments[SILL_TR] = segment(0, 0x8B, 0xFFFF, 0);
	page->gdt.base = GUEST_GDT;
	page->gdt.limit = 23;
	page->idt.base = real ? 0 : GUEST_IDT;
	page->idt.limit = real ? 0x3FF : 0xFFF;
	page->settings.traps = SILL_TRAP_HLT;
	if (wide) {
		page->system.cr0 = 0x80000031;
		page->system.cr3 = GUEST_TABLES;
		page->system.cr4 |= 1 << 5;
		page->system.efer = 0x501; /* LMA, LME, SCE */
	}
}

uint64_t guest_start(const struct guest *guest)
{
	return guest->mode == GUEST_REAL ? 0 : GUEST_CODE;
}

struct sill_vcpu *guest_page(struct guest *guest, uint32_t number)
{
	return &pages[guest->cpu->id][number].vcpu;
}

static void look(struct guest *guest)
{
	struct sill_info now = { 0 };

	hypercall(SILL_CALL_INFO, (uintptr_t)&now, sizeof(now), 0);
	guest->lent = now.frames_lent;
	guest->donated = now.frames_donated;
}

static bool make(struct guest *guest)
{
	static const uint64_t gdt_long[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	static const uint64_t gdt_32[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
	struct cpu *cpu = guest->cpu;
	uint64_t donation = DONATIONS + cpu->id * SILL_DONATION, base = (uintptr_t)guest->memory;
	int64_t result = call_again(SILL_CALL_DONATE, donation, 0, 0, 0);

	if (result != 0)
		return say(&cpu->why, "DONATE is %lld", (long long)result);
	guest->session = call_again(SILL_CALL_CREATE, 0, 0, 0, 0);
	if (guest->session < 1)
		return say(&cpu->why, "CREATE is %lld", (long long)guest->session);
	memset(guest->memory, 0, GUEST_SIZE);
	put(guest, GUEST_GDT, guest->mode == GUEST_LONG ? gdt_long : gdt_32, sizeof(gdt_32));
	put_handlers(guest);
	put_tables(guest);
	result = map_page(guest->session, 0, base, 1, SILL_PAGE_WRITE | SILL_PAGE_EXECUTE);
	if (result != 1)
		return say(&cpu->why, "MAP is %lld", (long long)result);
	guest->page = guest_page(guest, 0);
	result = call_again(SILL_CALL_VCPU, (uint64_t)guest->session, (uintptr_t)guest->page, 0, 0);
	guest_state(guest, guest->page);
	return result == 0 || say(&cpu->why, "VCPU is %lld", (long long)result);
}

bool guest_open(struct cpu *cpu, struct guest *guest, uint32_t mode, const void *code, size_t size)
{
	*guest = (struct guest){ .cpu = cpu, .mode = mode };
	guest->memory = (uint8_t *)(uintptr_t)(GUEST_MEMORY + cpu->id * GUEST_SIZE);
	look(guest);
	if (!make(guest))
		return false;
	guest_code(guest, code, size);
	return true;
}

bool guest_close(struct guest *guest, bool good)
{
	struct cpu *cpu = guest->cpu;
	struct guest after;
	int64_t result = 0;

	if (guest->session > 0)
		result = call_again(SILL_CALL_DESTROY, (uint64_t)guest->session, 0, 0, 0);
	if (result != 0)
		return say(&cpu->why, "DESTROY is %lld", (long long)result);
	while (call_again(SILL_CALL_RECLAIM, 0, 0, 0, 0) > 0)
		;
	look(&after);
	if (good && (after.lent != guest->lent || after.donated != guest->donated))
		return say(&cpu->why, "%llu frames are lent and %llu donated, before %llu and %llu",
		           (unsigned long long)after.lent, (unsigned long long)after.donated,
		           (unsigned long long)guest->lent, (unsigned long long)guest->donated);
	return good;
}

int64_t guest_run(struct guest *guest, uint32_t vcpu)
{
	int64_t kind = SILL_RUN_INTERRUPT;

	for (int i = 0; i < INTERRUPTIONS && kind == SILL_RUN_INTERRUPT; i++) {
		__asm__ volatile("sti; nop; cli" ::: "memory");
		kind = call4(SILL_CALL_RUN, (uint64_t)guest->session, vcpu, 0, 0);
	}
	return kind;
}

bool guest_exits(struct guest *guest, uint32_t kind, uint64_t rip)
{
	const struct sill_vcpu *page = guest->page;
	int64_t result = guest_run(guest, 0);

	if (result == (int64_t)kind && page->exit == kind && page->rip == rip)
		return true;
	return say(&guest->cpu->why,
	           "RUN is %lld (info %llx %llx) at %llx, rflags %llx, dr6 %llx, with %llx to "
	           "deliver, not %u at %llx",
	           (long long)result, (unsigned long long)page->info[0],
	           (unsigned long long)page->info[1], (unsigned long long)page->rip,
	           (unsigned long long)page->rflags, (unsigned long long)page->system.dr6,
	           (unsigned long long)page->delivering, kind, (unsigned long long)rip);
}

bool guest_handles(struct guest *guest, uint32_t vector)
{
	return guest_exits(guest, SILL_RUN_HYPERCALL, GUEST_HANDLERS + 16 * vector + HANDLER_CALL);
}
